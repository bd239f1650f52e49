// SPDX-License-Identifier: GPL-2.0
/*
 * The lower device of the suites: it looks at what it is given to send, and
 * throws it away.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_arp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "kunit/fixture.h"

/**
 * xk_wire_of - what a lower device has seen
 * @dev: made by xk_wire_create()
 */
struct xk_wire *xk_wire_of(const struct net_device *dev)
{
	return netdev_priv(dev);
}

static void xk_wire_look4(struct xk_wire *wire, const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct icmphdr *icmph = (void *)iph + iph->ihl * 4;

	/* From that network, and not from its address here. */
	if (iph->saddr != htonl(XK_IN4_A) &&
	    (ntohl(iph->saddr) ^ XK_IN4_A) >> 8 == 0)
		wire->plain++;
	if (ip_is_fragment(iph))
		wire->fragments++;
	if (iph->frag_off & htons(IP_OFFSET))
		return;
	if (iph->protocol == IPPROTO_ESP) {
		wire->esp++;
		wire->mark = skb->mark;
	}
	if (iph->protocol == IPPROTO_ICMP &&
	    icmph->type == ICMP_DEST_UNREACH &&
	    icmph->code == ICMP_FRAG_NEEDED) {
		wire->too_big++;
		wire->mtu = ntohs(icmph->un.frag.mtu);
	}
}

static void xk_wire_look6(struct xk_wire *wire, const struct sk_buff *skb)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	const struct icmp6hdr *icmph = (void *)(iph + 1);

	if (ipv6_addr_equal(&iph->saddr, &xk_in6_b))
		wire->plain++;
	if (iph->nexthdr == IPPROTO_FRAGMENT)
		wire->fragments++;
	if (iph->nexthdr == IPPROTO_ESP) {
		wire->esp++;
		wire->mark = skb->mark;
	}
	if (iph->nexthdr == IPPROTO_ICMPV6 &&
	    icmph->icmp6_type == ICMPV6_PKT_TOOBIG) {
		wire->too_big++;
		wire->mtu = ntohl(icmph->icmp6_mtu);
	}
}

static netdev_tx_t xk_wire_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct xk_wire *wire = xk_wire_of(dev);

	if (skb_linearize(skb) == 0) {
		if (skb->protocol == htons(ETH_P_IP))
			xk_wire_look4(wire, skb);
		else if (skb->protocol == htons(ETH_P_IPV6))
			xk_wire_look6(wire, skb);
	}
	if (wire->keep && !wire->kept)
		wire->kept = skb;
	else
		kfree_skb(skb);

	return wire->verdict;
}

static const struct net_device_ops xk_wire_ops = {
	.ndo_start_xmit = xk_wire_xmit,
};

static void xk_wire_setup(struct net_device *dev)
{
	dev->netdev_ops	= &xk_wire_ops;
	dev->type	= ARPHRD_NONE;
	dev->flags	= IFF_NOARP;
	dev->min_mtu	= 0;
	dev->max_mtu	= 0;
	dev->features	= NETIF_F_SG | NETIF_F_FRAGLIST;
	dev->needs_free_netdev = true;
}

/**
 * xk_wire_create - make a lower device; it is up and has the outer addresses
 * @net: namespace
 * @name: of the device
 * @mtu: of the device
 *
 * Return: the device, to be given to xk_unregister(), or NULL.
 */
struct net_device *xk_wire_create(struct net *net, const char *name,
				  unsigned int mtu)
{
	const __be32 out4 = htonl(XK_OUT4_A);
	struct net_device *dev;
	int err;

	dev = alloc_netdev(sizeof(struct xk_wire), name, NET_NAME_USER,
			   xk_wire_setup);
	if (!dev)
		return NULL;

	dev_net_set(dev, net);
	dev->mtu = mtu;
	err = register_netdev(dev);
	if (err) {
		free_netdev(dev);
		return NULL;
	}

	err = xk_set_up(dev, true);
	if (!err)
		err = xk_addr_add(net, dev, AF_INET, &out4, 24);
	if (!err && mtu >= IPV6_MIN_MTU)
		err = xk_addr_add(net, dev, AF_INET6, &xk_out6_a, 64);
	if (err) {
		xk_unregister(dev);
		return NULL;
	}

	return dev;
}
