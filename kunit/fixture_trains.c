// SPDX-License-Identifier: GPL-2.0
/*
 * Trains of segments, on their way from xfrm_output() to a device.
 */
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "compat/gso.h"
#include "kunit/fixture_esp.h"

/* Moves what is behind the headers into pages. */
static bool xk_into_pages(struct sk_buff *skb, unsigned int headers)
{
	unsigned int left = skb->len - headers;
	const u8 *from = skb->data + headers;
	int i;

	skb_trim(skb, headers);
	for (i = 0; left && i < MAX_SKB_FRAGS; i++) {
		unsigned int len = min_t(unsigned int, left, PAGE_SIZE);
		struct page *page = alloc_page(GFP_KERNEL);

		if (!page)
			return false;
		memcpy(page_address(page), from, len);
		skb_add_rx_frag(skb, i, page, 0, len, PAGE_SIZE);
		from += len;
		left -= len;
	}

	return !left;
}

/* The same into a list of packets, a segment each, as GRO leaves them. */
static bool xk_into_list(struct sk_buff *skb, unsigned int headers,
			 unsigned int size)
{
	struct sk_buff **next = &skb_shinfo(skb)->frag_list;
	unsigned int left = skb->len - headers - size;
	const u8 *from = skb->data + headers + size;

	skb_trim(skb, headers + size);
	while (left) {
		unsigned int len = min(left, size);
		struct sk_buff *one = alloc_skb(headers + len, GFP_KERNEL);

		if (!one)
			return false;
		skb_reserve(one, headers);
		skb_put_data(one, from, len);
		skb->len += len;
		skb->data_len += len;
		skb->truesize += one->truesize;
		*next = one;
		next = &one->next;
		from += len;
		left -= len;
	}

	return true;
}

static void xk_train_checksum(struct sk_buff *skb, const struct xk_train *t)
{
	unsigned int len = skb->len - skb_transport_offset(skb);
	unsigned int offset = t->proto == IPPROTO_TCP ?
			      offsetof(struct tcphdr, check) :
			      offsetof(struct udphdr, check);
	__sum16 *check = (__sum16 *)(skb_transport_header(skb) + offset);

	if (t->family == AF_INET)
		*check = ~csum_tcpudp_magic(ip_hdr(skb)->saddr,
					    ip_hdr(skb)->daddr, len, t->proto,
					    0);
	else
		*check = ~csum_ipv6_magic(&ipv6_hdr(skb)->saddr,
					  &ipv6_hdr(skb)->daddr, len, t->proto,
					  0);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offset;
}

static void xk_set_lengths(struct sk_buff *skb, const struct xk_train *t)
{
	unsigned int len = skb->len - skb_network_offset(skb);

	if (t->family == AF_INET) {
		ip_hdr(skb)->tot_len = htons(len);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->payload_len = htons(len -
						   sizeof(struct ipv6hdr));
	}
	if (t->proto == IPPROTO_UDP)
		udp_hdr(skb)->len = htons(skb->len - skb_transport_offset(skb));
}

/* Lengths and checksum of a packet by itself. */
static void xk_as_it_came(struct sk_buff *skb, const struct xk_train *t)
{
	int offset = skb_transport_offset(skb);
	__sum16 *check;

	xk_set_lengths(skb, t);
	xk_train_checksum(skb, t);
	if (t->unsummed)
		return;
	check = (__sum16 *)(skb_transport_header(skb) + skb->csum_offset);
	*check = csum_fold(skb_checksum(skb, offset, skb->len - offset, 0));
	skb->ip_summed = CHECKSUM_UNNECESSARY;
}

/* The headroom of a packet that has not come from a NIC. */
#define XK_LITTLE	16

/* One of the packets that follow the first, data at its payload, or NULL. */
static struct sk_buff *xk_follower(const struct sk_buff *first,
				   const struct xk_train *t,
				   unsigned int headers, const u8 *payload,
				   unsigned int offset)
{
	unsigned int len = min(t->size, t->payload - offset);
	struct sk_buff *skb = alloc_skb(XK_LITTLE + headers + len, GFP_KERNEL);

	if (!skb)
		return NULL;
	skb_reserve(skb, XK_LITTLE);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, skb_transport_offset(first));
	skb_put_data(skb, first->data, headers);
	skb_put_data(skb, payload + offset, len);
	skb->protocol = first->protocol;
	if (t->proto == IPPROTO_TCP) {
		tcp_hdr(skb)->seq = htonl(offset);
		tcp_hdr(skb)->fin = offset + len == t->payload;
	}
	xk_as_it_came(skb, t);
	skb_pull(skb, headers);

	return skb;
}

/* The same into packets as they came in: GRO has passed over their headers. */
static bool xk_as_they_came(struct sk_buff *skb, const struct xk_train *t,
			    unsigned int headers)
{
	struct sk_buff **next = &skb_shinfo(skb)->frag_list;
	/* It stays where it is when the packet is cut. */
	const u8 *payload = skb->data + headers;
	unsigned int offset;

	skb_trim(skb, headers + t->size);
	xk_as_it_came(skb, t);
	for (offset = t->size; offset < t->payload; offset += t->size) {
		struct sk_buff *one = xk_follower(skb, t, headers, payload,
						  offset);

		if (!one)
			return false;
		skb->len += one->len;
		skb->data_len += one->len;
		skb->truesize += one->truesize;
		*next = one;
		next = &one->next;
	}
	skb_shinfo(skb)->gso_type |= SKB_GSO_FRAGLIST;
	xk_set_lengths(skb, t);

	return true;
}

/**
 * xk_train - a train from inner A to inner B
 * @t: what it is like; its payload is that of xk_fill()
 *
 * Return: the train, data at its IP header, or NULL.
 */
struct sk_buff *xk_train(const struct xk_train *t)
{
	bool ipv4 = t->family == AF_INET, tcp = t->proto == IPPROTO_TCP;
	unsigned int header = ipv4 ? sizeof(struct iphdr) + t->options :
				     sizeof(struct ipv6hdr);
	unsigned int headers = header + (tcp ? sizeof(struct tcphdr) :
					       sizeof(struct udphdr));
	struct sk_buff *skb = ipv4 ? xk_skb4(headers + t->payload, true) :
				     xk_skb6(headers + t->payload);
	bool ok = true;

	if (!skb)
		return NULL;

	if (ipv4) {
		ip_hdr(skb)->protocol = t->proto;
		ip_hdr(skb)->ihl = header / 4;
		memset(ip_hdr(skb) + 1, IPOPT_NOP, t->options);
		skb_set_transport_header(skb, header);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->nexthdr = t->proto;
	}
	if (tcp) {
		tcp_hdr(skb)->doff = sizeof(struct tcphdr) / 4;
		tcp_hdr(skb)->ack = 1;
		skb_shinfo(skb)->gso_type = ipv4 ? SKB_GSO_TCPV4 :
						   SKB_GSO_TCPV6;
	} else {
		udp_hdr(skb)->len = htons(skb->len - header);
		skb_shinfo(skb)->gso_type = SKB_GSO_UDP_L4;
	}
	xk_fill(skb->data + headers, t->payload);
	xk_train_checksum(skb, t);
	skb_shinfo(skb)->gso_size = t->size;
	skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(t->payload, t->size);

	if (t->shape == XK_PAGES)
		ok = xk_into_pages(skb, headers);
	else if (t->shape == XK_LIST)
		ok = xk_into_list(skb, headers, t->size);
	else if (t->shape == XK_ARRIVED)
		ok = xk_as_they_came(skb, t, headers);
	if (!ok) {
		kfree_skb(skb);
		return NULL;
	}

	return skb;
}

/*
 * A bundle of one SA, whose route ends here: what xfrm_output() has made of
 * a packet is kept instead of being sent.
 */
struct xk_bundle {
	struct xfrm_dst xdst;
	struct dst_entry child;
};

static struct sk_buff *xk_caught, **xk_caught_last;

static int xk_catch(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	*xk_caught_last = skb;
	xk_caught_last = &skb->next;

	return 0;
}

static unsigned int xk_bundle_mtu(const struct dst_entry *dst)
{
	return 1500;
}

static struct dst_ops xk_ops4 = {
	.family = AF_INET,
	.local_out = xk_catch,
	.mtu = xk_bundle_mtu,
};

static struct dst_ops xk_ops6 = {
	.family = AF_INET6,
	.local_out = xk_catch,
	.mtu = xk_bundle_mtu,
};

static struct dst_ops *xk_ops(unsigned short family)
{
	return family == AF_INET ? &xk_ops4 : &xk_ops6;
}

/**
 * xk_output - send a packet with an SA, as far as the device
 * @w: of its lower device
 * @x: the SA
 * @skb: the packet or train, data at its IP header; consumed
 *
 * Return: what is to be sent, data at the outer header, or NULL; a list, if the
 * core has cut it.
 */
struct sk_buff *xk_output(struct xk_world *w, struct xfrm_state *x,
			  struct sk_buff *skb)
{
	bool ipv4 = skb->protocol == htons(ETH_P_IP);
	struct xk_bundle *bundle = kzalloc(sizeof(*bundle), GFP_KERNEL);
	struct dst_entry *dst, *child;

	if (!bundle) {
		kfree_skb(skb);
		return NULL;
	}

	dst = &bundle->xdst.u.dst;
	child = &bundle->child;
	dst_init(child, xk_ops(x->props.family), w->lower, 1, 0, DST_NOCOUNT);
	dst_init(dst, xk_ops(ipv4 ? AF_INET : AF_INET6), w->lower, 2, 0,
		 DST_NOCOUNT);
	dst->xfrm = x;
	dst->header_len = x->props.header_len;
	bundle->xdst.child = child;
	bundle->xdst.path = child;
	bundle->xdst.child_mtu_cached = 1500;
	skb_dst_set(skb, dst);

	xk_caught = NULL;
	xk_caught_last = &xk_caught;
	local_bh_disable();
	rcu_read_lock();
	xfrm_output(NULL, skb);
	rcu_read_unlock();
	local_bh_enable();
	*xk_caught_last = NULL;
	for (skb = xk_caught; skb; skb = skb->next) {
		skb_dst_drop(skb);
		skb->dev = w->lower;
		skb_reset_mac_header(skb);
	}
	netdev_put(dst->dev, &dst->dev_tracker);
	netdev_put(child->dev, &child->dev_tracker);
	kfree(bundle);

	return xk_caught;
}

/**
 * xk_segment - cut a train, as the core does in front of a device
 * @train: the train; stays the caller's
 *
 * Return: the segments or an error pointer.
 */
struct sk_buff *xk_segment(struct sk_buff *train)
{
	struct sk_buff *segs;

	local_bh_disable();
	rcu_read_lock();
	segs = skb_gso_segment(train, netif_skb_features(train));
	rcu_read_unlock();
	local_bh_enable();

	return segs;
}

/**
 * xk_validate - have segments, or a packet, encrypted, as the core does then
 * @segs: the segments; consumed
 *
 * Return: what goes to the device, data at the outer header, or NULL.
 */
struct sk_buff *xk_validate(struct sk_buff *segs)
{
	bool again = false;

	local_bh_disable();
	rcu_read_lock();
	segs = validate_xmit_xfrm(segs, netif_skb_features(segs), &again);
	rcu_read_unlock();
	local_bh_enable();

	return segs;
}

/**
 * xk_list_len - how many segments there are
 * @segs: the first of them
 */
unsigned int xk_list_len(const struct sk_buff *segs)
{
	unsigned int n = 0;

	for (; segs; segs = segs->next)
		n++;

	return n;
}
