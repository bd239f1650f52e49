// SPDX-License-Identifier: GPL-2.0
/*
 * ESP packets for the suites: sealed and opened by the engine, and by the
 * kernel's own ESP.
 */
#include <linux/udp.h>
#include <net/esp.h>
#include <net/gro.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "esp/layout.h"
#include "kunit/fixture_esp.h"

/**
 * xk_fill - bytes that differ from their neighbours
 * @buf: filled
 * @len: bytes
 */
void xk_fill(u8 *buf, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		buf[i] = i * 7 + (i >> 8) + 3;
}

/**
 * xk_inner - a UDP datagram to a port that nobody listens on, from inner B to
 *	      inner A
 * @buf: filled
 * @family: AF_INET or AF_INET6
 * @len: with the IP header, at least 48
 *
 * Return: the type of such a payload in a tunnel.
 */
u8 xk_inner(u8 *buf, unsigned short family, unsigned int len)
{
	struct ipv6hdr *ip6 = (struct ipv6hdr *)buf;
	struct iphdr *iph = (struct iphdr *)buf;
	unsigned int header = family == AF_INET ? sizeof(*iph) : sizeof(*ip6);
	struct udphdr *udph = (struct udphdr *)(buf + header);

	xk_fill(buf, len);
	memset(buf, 0, header + sizeof(*udph));
	udph->source = htons(9);
	udph->dest = htons(9);
	udph->len = htons(len - header);
	if (family == AF_INET) {
		iph->version = 4;
		iph->ihl = 5;
		iph->ttl = 64;
		iph->tot_len = htons(len);
		iph->protocol = IPPROTO_UDP;
		iph->saddr = htonl(XK_IN4_B);
		iph->daddr = htonl(XK_IN4_A);
		ip_send_check(iph);
		return IPPROTO_IPIP;
	}

	ip6->version = 6;
	ip6->payload_len = htons(len - header);
	ip6->nexthdr = IPPROTO_UDP;
	ip6->hop_limit = 64;
	ip6->saddr = xk_in6_b;
	ip6->daddr = xk_in6_a;
	udph->check = csum_ipv6_magic(&ip6->saddr, &ip6->daddr, len - header,
				      IPPROTO_UDP,
				      csum_partial(udph, len - header, 0));

	return IPPROTO_IPV6;
}

/**
 * xk_outer - a packet with the outer header of an SA
 * @w: received on, or sent by, its lower device
 * @x: the SA
 * @len: bytes behind the header, zeroed
 *
 * Return: the packet, data at its IP header, or NULL.
 */
struct sk_buff *xk_outer(struct xk_world *w, const struct xfrm_state *x,
			 unsigned int len)
{
	bool ipv4 = x->props.family == AF_INET;
	struct sk_buff *skb = ipv4 ? xk_skb4(sizeof(struct iphdr) + len, false)
				   : xk_skb6(sizeof(struct ipv6hdr) + len);

	if (!skb)
		return NULL;

	if (ipv4) {
		ip_hdr(skb)->protocol = IPPROTO_ESP;
		ip_hdr(skb)->saddr = x->props.saddr.a4;
		ip_hdr(skb)->daddr = x->id.daddr.a4;
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->nexthdr = IPPROTO_ESP;
		ipv6_hdr(skb)->saddr = x->props.saddr.in6;
		ipv6_hdr(skb)->daddr = x->id.daddr.in6;
	}
	skb->dev = w->lower;

	return skb;
}

/**
 * xk_esp_built - an ESP packet, complete but for encryption, IV and ICV
 * @w: of its lower device
 * @x: the SA
 * @p: what it carries
 *
 * Return: the packet, data at its IP header, or NULL.
 */
struct sk_buff *xk_esp_built(struct xk_world *w, struct xfrm_state *x,
			     const struct xk_esp *p)
{
	struct crypto_aead *aead = x->data;
	unsigned int header = xac_esp_header_len(aead);
	unsigned int tail = xac_esp_trailer_len(aead, p->len);
	struct sk_buff *skb = xk_outer(w, x, header + p->len + tail);
	struct ip_esp_hdr *esph;
	u8 *payload;

	if (!skb)
		return NULL;

	esph = ip_esp_hdr(skb);
	esph->spi = x->id.spi;
	esph->seq_no = htonl(lower_32_bits(p->seq));
	payload = (u8 *)esph + header;
	memcpy(payload, p->payload, p->len);
	xac_esp_put_trailer(payload + p->len, tail, crypto_aead_authsize(aead),
			    p->proto);

	return skb;
}

/**
 * xk_esp_sealed - an ESP packet that the engine has encrypted
 * @w: of its lower device
 * @x: the SA
 * @p: what it carries
 *
 * Return: the packet, data at its IP header, or NULL.
 */
struct sk_buff *xk_esp_sealed(struct xk_world *w, struct xfrm_state *x,
			      const struct xk_esp *p)
{
	struct sk_buff *skb = xk_esp_built(w, x, p);
	int err;

	if (!skb)
		return NULL;

	local_bh_disable();
	err = xac_esp_seal(x, skb, p->seq, NULL);
	local_bh_enable();
	if (err) {
		kfree_skb(skb);
		return NULL;
	}

	return skb;
}

/**
 * xk_esp_sealed_by_kernel - the same, but the kernel's own ESP encrypts
 * @w: of its lower device
 * @x: the SA
 * @p: what it carries
 *
 * Return: the packet, data at its IP header, or NULL.
 */
struct sk_buff *xk_esp_sealed_by_kernel(struct xk_world *w,
					struct xfrm_state *x,
					const struct xk_esp *p)
{
	unsigned int header = xac_esp_header_len(x->data);
	struct sk_buff *skb = xk_outer(w, x, header + p->len);
	int err;

	if (!skb)
		return NULL;

	skb->mac_header = skb->network_header +
			  (x->props.family == AF_INET ?
			   offsetof(struct iphdr, protocol) :
			   offsetof(struct ipv6hdr, nexthdr));
	*skb_mac_header(skb) = p->proto;
	__skb_pull(skb, skb_transport_offset(skb) + header);
	memcpy(skb->data, p->payload, p->len);
	XFRM_SKB_CB(skb)->seq.output.low = lower_32_bits(p->seq);
	XFRM_SKB_CB(skb)->seq.output.hi = upper_32_bits(p->seq);

	local_bh_disable();
	err = x->type->output(x, skb);
	local_bh_enable();
	if (err) {
		kfree_skb(skb);
		return NULL;
	}
	skb_reset_mac_header(skb);

	return skb;
}

/**
 * xk_came_under - note an SA as the last that a packet came in under
 * @skb: the packet
 * @x: the SA
 *
 * Return: true unless there is no memory.
 */
bool xk_came_under(struct sk_buff *skb, struct xfrm_state *x)
{
	struct sec_path *sp = secpath_set(skb);

	if (!sp)
		return false;
	xfrm_state_hold(x);
	sp->xvec[sp->len++] = x;

	return true;
}

/**
 * xk_opened - the engine opens a packet, and takes header and trailer off
 * @x: the SA
 * @skb: the packet, data at its IP header; data is then at the payload
 *
 * Return: the type of the payload or a negative errno.
 */
int xk_opened(struct xfrm_state *x, struct sk_buff *skb)
{
	int ret;

	__skb_pull(skb, skb_transport_offset(skb));
	local_bh_disable();
	ret = xac_esp_open(x, skb, ip_esp_hdr(skb)->seq_no, NULL);
	if (!ret)
		ret = x->type_offload->input_tail(x, skb);
	local_bh_enable();

	return ret;
}

/**
 * xk_opened_by_kernel - the kernel's own ESP does the same
 * @x: the SA
 * @skb: the packet, data at its IP header; data is then at the payload
 * @seq: its sequence number
 *
 * Return: the type of the payload or a negative errno.
 */
int xk_opened_by_kernel(struct xfrm_state *x, struct sk_buff *skb, u64 seq)
{
	int ret;

	if (!xk_came_under(skb, x))
		return -ENOMEM;

	__skb_pull(skb, skb_transport_offset(skb));
	memset(skb->cb, 0, sizeof(skb->cb));
	XFRM_SKB_CB(skb)->seq.input.low = htonl(lower_32_bits(seq));
	XFRM_SKB_CB(skb)->seq.input.hi = htonl(upper_32_bits(seq));
	local_bh_disable();
	ret = x->type->input(x, skb);
	local_bh_enable();
	secpath_reset(skb);

	return ret;
}

/**
 * xk_gro_begin - the state of a packet that GRO looks at
 * @skb: the packet, data at its IP header
 * @offset: of the header that is next
 */
void xk_gro_begin(struct sk_buff *skb, unsigned int offset)
{
	memset(skb->cb, 0, sizeof(skb->cb));
	NAPI_GRO_CB(skb)->data_offset = offset;
	NAPI_GRO_CB(skb)->same_flow = 1;
}

/**
 * xk_gro - give a packet to the engine as GRO does
 * @skb: the packet, data at its IP header; consumed if it is taken
 * @family: of that header
 *
 * Return: whether the packet was taken.
 */
bool xk_gro(struct sk_buff *skb, unsigned short family)
{
	struct sk_buff *ret;

	xk_gro_begin(skb, skb_transport_offset(skb));
	local_bh_disable();
	rcu_read_lock();
	ret = xac_esp_gro_receive(xac_esp_family(family), skb);
	rcu_read_unlock();
	local_bh_enable();

	return PTR_ERR(ret) == -EINPROGRESS;
}

/**
 * xk_mib - a counter of /proc/net/xfrm_stat
 * @net: namespace
 * @field: LINUX_MIB_XFRMINSTATEPROTOERROR and its like
 */
unsigned long xk_mib(struct net *net, int field)
{
	return snmp_fold_field(net->mib.xfrm_statistics, field);
}
