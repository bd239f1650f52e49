// SPDX-License-Identifier: GPL-2.0
/*
 * ICMP errors about the encrypted packets of an xfrm interface: the outer
 * path's MTU, and redirects.
 *
 * What is learned goes into the outer route; the next packet that is too big
 * for it is then refused by the interface, which tells the inner sender.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/ah.h>
#include <net/esp.h>
#include <net/icmp.h>
#include <net/ip6_route.h>
#include <net/ipcomp.h>
#include <net/l3mdev.h>
#include <net/ndisc.h>
#include <net/route.h>
#include <net/xfrm.h>

#include "compat/kunit.h"
#include "iface/iface.h"

/*
 * The SPI of the encrypted packet that the error quotes.
 *
 * @hdr: its ESP, AH or IPComp header, of which the ICMP layer has made sure
 *	 that 8 bytes are there
 *
 * Return: false if it is another protocol.
 */
VISIBLE_IF_KUNIT
bool xac_quoted_spi(const void *hdr, int protocol, __be32 *spi)
{
	switch (protocol) {
	case IPPROTO_ESP:
		*spi = ((const struct ip_esp_hdr *)hdr)->spi;
		return true;
	case IPPROTO_AH:
		*spi = ((const struct ip_auth_hdr *)hdr)->spi;
		return true;
	case IPPROTO_COMP: {
		const struct ip_comp_hdr *ipch = hdr;

		*spi = htonl(ntohs(ipch->cpi));
		return true;
	}
	default:
		return false;
	}
}

/* Is the quoted packet one that an xfrm interface sent? */
static bool xac_quotes_our_packet(const struct sk_buff *skb, const void *hdr,
				  const void *daddr, int protocol,
				  unsigned short family)
{
	struct net *net = dev_net(skb->dev);
	struct xfrm_state *x;
	__be32 spi;
	bool ours;

	if (!xac_quoted_spi(hdr, protocol, &spi))
		return false;

	x = xfrm_state_lookup(net, skb->mark, daddr, spi, protocol, family);
	if (!x)
		return false;

	rcu_read_lock();
	ours = xac_dev_of_state(net, x->if_id);
	rcu_read_unlock();
	xfrm_state_put(x);

	return ours;
}

/* Where a VRF took the error in, the outer route is the VRF's. */
static int xac_outer_oif(const struct sk_buff *skb)
{
	return netif_is_l3_master(skb->dev) ? skb->dev->ifindex : 0;
}

/**
 * xac_err4 - error handler of the IPv4 protocol handlers
 * @skb: the error; data points to the IPv4 header it quotes
 * @info: the next hop's MTU, for "fragmentation needed"
 *
 * Context: RCU, bottom halves off. The packet stays the caller's.
 * Return: 0 if dealt with, else a negative errno: the next handler is asked.
 */
int xac_err4(struct sk_buff *skb, u32 info)
{
	const struct iphdr *iph = (const struct iphdr *)skb->data;
	const u8 type = icmp_hdr(skb)->type, code = icmp_hdr(skb)->code;
	struct net *net = dev_net(skb->dev);
	bool pmtu, redirect;

	pmtu = type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED;
	redirect = type == ICMP_REDIRECT;
	if (!pmtu && !redirect)
		return -ENOENT;

	if (!xac_quotes_our_packet(skb, skb->data + iph->ihl * 4, &iph->daddr,
				   iph->protocol, AF_INET))
		return -ENOENT;

	if (pmtu)
		ipv4_update_pmtu(skb, net, info, xac_outer_oif(skb),
				 iph->protocol);
	else
		ipv4_redirect(skb, net, xac_outer_oif(skb), iph->protocol);

	return 0;
}

/**
 * xac_err6 - error handler of the IPv6 protocol handlers
 * @skb: the error; data points to the IPv6 header it quotes
 * @opt: unused
 * @type: of the ICMPv6 message
 * @code: of the ICMPv6 message
 * @offset: of the quoted packet's ESP, AH or IPComp header
 * @info: the MTU in network byte order, for "packet too big"
 *
 * Context: RCU, bottom halves off. The packet stays the caller's.
 * Return: 0 if dealt with, else a negative errno: the next handler is asked.
 */
int xac_err6(struct sk_buff *skb, struct inet6_skb_parm *opt,
	     u8 type, u8 code, int offset, __be32 info)
{
	const struct ipv6hdr *iph = (const struct ipv6hdr *)skb->data;
	struct net *net = dev_net(skb->dev);
	kuid_t uid = sock_net_uid(net, NULL);

	if (type != ICMPV6_PKT_TOOBIG && type != NDISC_REDIRECT)
		return -ENOENT;

	if (!xac_quotes_our_packet(skb, skb->data + offset, &iph->daddr,
				   iph->nexthdr, AF_INET6))
		return -ENOENT;

	if (type == ICMPV6_PKT_TOOBIG)
		ip6_update_pmtu(skb, net, info, xac_outer_oif(skb), 0, uid);
	else
		ip6_redirect(skb, net, skb->dev->ifindex, 0, uid);

	return 0;
}
