// SPDX-License-Identifier: GPL-2.0
/*
 * Packets for the suites, and the count of their ends.
 */
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "kunit/fixture.h"

static struct sk_buff *xk_skb(unsigned int len, __be16 protocol)
{
	struct sk_buff *skb = alloc_skb(LL_MAX_HEADER + len + 128, GFP_KERNEL);

	if (!skb)
		return NULL;

	skb_reserve(skb, LL_MAX_HEADER);
	skb_put_zero(skb, len);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb->protocol = protocol;

	return skb;
}

/**
 * xk_skb4 - an IPv4 packet from inner A to inner B: UDP, without ports
 * @len: with the header, at least 28
 * @df: set Don't Fragment
 *
 * Return: the packet or NULL.
 */
struct sk_buff *xk_skb4(unsigned int len, bool df)
{
	struct sk_buff *skb = xk_skb(len, htons(ETH_P_IP));
	struct iphdr *iph;

	if (!skb)
		return NULL;

	iph = ip_hdr(skb);
	iph->version = 4;
	iph->ihl = 5;
	iph->tot_len = htons(len);
	iph->frag_off = df ? htons(IP_DF) : 0;
	iph->ttl = 64;
	iph->protocol = IPPROTO_UDP;
	iph->saddr = htonl(XK_IN4_A);
	iph->daddr = htonl(XK_IN4_B);
	ip_send_check(iph);
	skb_set_transport_header(skb, sizeof(*iph));

	return skb;
}

/**
 * xk_set_saddr4 - change the source address of an IPv4 packet
 * @skb: the packet
 * @saddr: host byte order
 */
void xk_set_saddr4(struct sk_buff *skb, u32 saddr)
{
	ip_hdr(skb)->saddr = htonl(saddr);
	ip_send_check(ip_hdr(skb));
}

/**
 * xk_skb6 - an IPv6 packet from inner A to inner B: UDP, without ports
 * @len: with the header, at least 48
 *
 * Return: the packet or NULL.
 */
struct sk_buff *xk_skb6(unsigned int len)
{
	struct sk_buff *skb = xk_skb(len, htons(ETH_P_IPV6));
	struct ipv6hdr *iph;

	if (!skb)
		return NULL;

	iph = ipv6_hdr(skb);
	iph->version = 6;
	iph->payload_len = htons(len - sizeof(*iph));
	iph->nexthdr = IPPROTO_UDP;
	iph->hop_limit = 64;
	iph->saddr = xk_in6_a;
	iph->daddr = xk_in6_b;
	skb_set_transport_header(skb, sizeof(*iph));

	return skb;
}

/**
 * xk_skb_gso4 - a TCP segment over IPv4 that stands for several
 * @payload: bytes of TCP payload
 * @gso_size: payload of each of the segments
 * @df: set Don't Fragment
 *
 * Return: the packet or NULL.
 */
struct sk_buff *xk_skb_gso4(unsigned int payload, unsigned int gso_size,
			    bool df)
{
	const unsigned int headers = sizeof(struct iphdr) +
				     sizeof(struct tcphdr);
	struct sk_buff *skb = xk_skb4(headers + payload, df);
	struct tcphdr *tcph;
	struct iphdr *iph;

	if (!skb)
		return NULL;

	iph = ip_hdr(skb);
	iph->protocol = IPPROTO_TCP;
	ip_send_check(iph);

	tcph = tcp_hdr(skb);
	tcph->doff = sizeof(*tcph) / 4;
	tcph->ack = 1;
	tcph->check = ~tcp_v4_check(sizeof(*tcph) + payload, iph->saddr,
				    iph->daddr, 0);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);

	skb_shinfo(skb)->gso_type = SKB_GSO_TCPV4;
	skb_shinfo(skb)->gso_size = gso_size;
	skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(payload, gso_size);

	return skb;
}

static atomic_t xk_ends;

static void xk_count_end(struct sk_buff *skb)
{
	atomic_inc(&xk_ends);
}

/**
 * xk_watch - count the end of a packet, however it ends
 * @skb: a packet that belongs to no socket
 *
 * An end that is counted twice is one that the kernel warns about.
 */
void xk_watch(struct sk_buff *skb)
{
	skb->destructor = xk_count_end;
}

/**
 * xk_ended - how many watched packets have ended since the last call
 */
unsigned int xk_ended(void)
{
	return atomic_xchg(&xk_ends, 0);
}
