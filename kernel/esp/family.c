// SPDX-License-Identifier: GPL-2.0
/*
 * What IPv4 and IPv6 do differently around an ESP packet.
 */
#include <net/ip.h>
#include <net/ipv6.h>

#include "esp/esp.h"

static void xac_ipv4_put_header(struct sk_buff *skb, const struct xfrm_state *x,
				const struct xac_esp_inner *inner,
				struct dst_entry *route)
{
	struct iphdr *iph = ip_hdr(skb);

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	IPCB(skb)->flags = IPSKB_XFRM_TRANSFORMED | IPSKB_XFRM_TUNNEL_SIZE;
	skb->protocol = htons(ETH_P_IP);

	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = inner->dsfield;
	iph->frag_off = inner->df ? htons(IP_DF) : 0;
	iph->ttl = ip4_dst_hoplimit(route);
	iph->protocol = IPPROTO_ESP;
	iph->saddr = x->props.saddr.a4;
	iph->daddr = x->id.daddr.a4;
	ip_select_ident(xs_net((struct xfrm_state *)x), skb, NULL);
}

static void xac_ipv6_put_header(struct sk_buff *skb, const struct xfrm_state *x,
				const struct xac_esp_inner *inner,
				struct dst_entry *route)
{
	struct ipv6hdr *iph = ipv6_hdr(skb);

	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->flags = IP6SKB_XFRM_TRANSFORMED;
	skb->protocol = htons(ETH_P_IPV6);
	/* The sender has been told what fits: it is us who fragment the rest. */
	skb->ignore_df = 1;

	ip6_flow_hdr(iph, inner->dsfield, inner->flow_label);
	iph->nexthdr = IPPROTO_ESP;
	iph->hop_limit = ip6_dst_hoplimit(route);
	iph->saddr = x->props.saddr.in6;
	iph->daddr = x->id.daddr.in6;
}

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
	.header_len	= sizeof(struct iphdr),
	.daddr_offset	= offsetof(struct iphdr, daddr),
	.offloads	= inet_offloads,
	.ipip_gso_type	= SKB_GSO_IPXIP4,
	.ipip_proto	= IPPROTO_IPV6,
	.put_header	= xac_ipv4_put_header,
	.set_length	= xac_ipv4_set_length,
	.total_len	= xac_ipv4_total_len,
	.nat_source	= xac_ipv4_nat_source,
};

const struct xac_esp_family xac_esp_ipv6 = {
	.family		= AF_INET6,
	.header_len	= sizeof(struct ipv6hdr),
	.daddr_offset	= offsetof(struct ipv6hdr, daddr),
	.offloads	= inet6_offloads,
	.ipip_gso_type	= SKB_GSO_IPXIP6,
	.ipip_proto	= IPPROTO_IPIP,
	.put_header	= xac_ipv6_put_header,
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
