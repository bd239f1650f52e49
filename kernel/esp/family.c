// SPDX-License-Identifier: GPL-2.0
/*
 * What IPv4 and IPv6 do differently around an ESP packet.
 */
#include <net/ip.h>
#include <net/ipv6.h>

#include "esp/esp.h"

static void xac_ipv4_set_length(struct sk_buff *skb)
{
	struct iphdr *iph = ip_hdr(skb);

	iph->tot_len = htons(skb->len);
	ip_send_check(iph);
}

static void xac_ipv6_set_length(struct sk_buff *skb)
{
	unsigned int len = skb->len - sizeof(struct ipv6hdr);

	/* The length of a jumbogram is in an option (RFC 2675). */
	ipv6_hdr(skb)->payload_len = htons(len > IPV6_MAXPLEN ? 0 : len);
}

static unsigned int xac_ipv4_total_len(const void *iph)
{
	return ntohs(((const struct iphdr *)iph)->tot_len);
}

static unsigned int xac_ipv6_total_len(const void *iph)
{
	return sizeof(struct ipv6hdr) +
	       ntohs(((const struct ipv6hdr *)iph)->payload_len);
}

static unsigned int xac_ipv6_nexthdr_offset(const struct sk_buff *skb,
					    unsigned int headers, u8 proto)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	unsigned int offset = sizeof(*iph);

	if (iph->nexthdr == proto)
		return offsetof(struct ipv6hdr, nexthdr);

	while (offset + sizeof(struct ipv6_opt_hdr) <= headers) {
		const struct ipv6_opt_hdr *hdr = (const void *)iph + offset;

		if (hdr->nexthdr == proto)
			return offset;
		offset += ipv6_optlen(hdr);
	}

	return 0;
}

static void xac_ipv4_nat_source(const struct sk_buff *skb,
				xfrm_address_t *addr)
{
	addr->a4 = ip_hdr(skb)->saddr;
}

static void xac_ipv6_nat_source(const struct sk_buff *skb,
				xfrm_address_t *addr)
{
	addr->in6 = ipv6_hdr(skb)->saddr;
}

const struct xac_esp_family xac_esp_ipv4 = {
	.family		= AF_INET,
	.daddr_offset	= offsetof(struct iphdr, daddr),
	.offloads	= inet_offloads,
	.ipip_gso_type	= SKB_GSO_IPXIP4,
	.ipip_proto	= IPPROTO_IPV6,
	.set_length	= xac_ipv4_set_length,
	.total_len	= xac_ipv4_total_len,
	.nat_source	= xac_ipv4_nat_source,
};

const struct xac_esp_family xac_esp_ipv6 = {
	.family		= AF_INET6,
	.daddr_offset	= offsetof(struct ipv6hdr, daddr),
	.offloads	= inet6_offloads,
	.ipip_gso_type	= SKB_GSO_IPXIP6,
	.ipip_proto	= IPPROTO_IPIP,
	.set_length	= xac_ipv6_set_length,
	.total_len	= xac_ipv6_total_len,
	.nexthdr_offset	= xac_ipv6_nexthdr_offset,
	.nat_source	= xac_ipv6_nat_source,
};

/**
 * xac_esp_family - the differences of one family
 * @family: AF_INET or AF_INET6
 *
 * Return: them; never NULL.
 */
const struct xac_esp_family *xac_esp_family(unsigned short family)
{
	return family == AF_INET6 ? &xac_esp_ipv6 : &xac_esp_ipv4;
}
