// SPDX-License-Identifier: GPL-2.0
/*
 * Cuts a train of segments that an SA is to protect: each segment gets its
 * outer header, and room for what xac_esp_xmit() adds.
 */
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/esp.h>
#include <net/gro.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/gso.h"
#include "esp/esp.h"
#include "esp/layout.h"

/*
 * The checksum of a list's first packet, whose TCP or UDP part is @first bytes
 * long, becomes that of a train with @len bytes of it: the sum of its pseudo
 * header. The addresses in that may have gone (BEET); the checksum has them.
 */
static void xac_list_sum(struct sk_buff *skb, const u8 *l4, __sum16 *check,
			 unsigned int first, unsigned int len)
{
	__wsum pseudo = csum_unfold(*check);

	if (skb->ip_summed != CHECKSUM_PARTIAL)
		pseudo = ~csum_partial(l4, first, 0);

	*check = ~csum_fold(csum_add(pseudo, (__force __wsum)htonl(len - first)));
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = l4 - skb->head;
	skb->csum_offset = (u8 *)check - l4;
}

static int xac_join_udp(struct sk_buff *skb, unsigned int offset)
{
	unsigned int first = sizeof(struct udphdr) + skb_shinfo(skb)->gso_size;
	unsigned int len = skb->len - offset;
	struct udphdr *udph;

	if (skb_linearize_cow(skb))
		return -ENOMEM;
	udph = (struct udphdr *)(skb->data + offset);
	if (skb->len < offset + first || !udph->check)
		return -EINVAL;

	udph->len = htons(first);
	xac_list_sum(skb, (u8 *)udph, &udph->check, first, len);
	udph->len = htons(len);

	return 0;
}

static int xac_join_tcp(struct sk_buff *skb, unsigned int offset)
{
	unsigned int first = skb_shinfo(skb)->gso_size;
	const __be32 of_the_last = TCP_FLAG_FIN | TCP_FLAG_PSH;
	struct sk_buff *one;
	struct tcphdr *tcph;
	__be32 flags = 0;

	skb_walk_frags(skb, one)
		flags = tcp_flag_word(tcp_hdr(one)) & of_the_last;
	if (skb_linearize_cow(skb))
		return -ENOMEM;
	if (skb->len < offset + sizeof(*tcph))
		return -EINVAL;
	tcph = (struct tcphdr *)(skb->data + offset);
	first += __tcp_hdrlen(tcph);
	if (skb->len < offset + first)
		return -EINVAL;

	xac_list_sum(skb, (u8 *)tcph, &tcph->check, first, skb->len - offset);
	tcp_flag_word(tcph) |= flags;

	return 0;
}

/*
 * Packets that GRO has but put on a list (SKB_GSO_FRAGLIST) become a train.
 * The kernel would take them off again, with the headers that each came in
 * with: what the SA has added is in front of the first alone, they may have no
 * room for it, and checksums that are left to the device stay so.
 *
 * @offset is where TCP or UDP begins; what has further headers in between, the
 * kernel may cut.
 */
static int xac_gso_join(struct sk_buff *skb, unsigned int offset, u8 proto)
{
	int err;

	if (!(skb_shinfo(skb)->gso_type & SKB_GSO_FRAGLIST))
		return 0;

	if (proto == IPPROTO_UDP)
		err = xac_join_udp(skb, offset);
	else if (proto == IPPROTO_TCP)
		err = xac_join_tcp(skb, offset);
	else
		return 0;
	if (!err)
		skb_shinfo(skb)->gso_type &= ~SKB_GSO_FRAGLIST;

	return err;
}

/* By the callback of the protocol in the payload, data and transport header there. */
static struct sk_buff *xac_gso_by_proto(const struct xac_esp_family *fam,
					struct sk_buff *skb, u8 proto,
					netdev_features_t features)
{
	const struct net_offload *ops = rcu_dereference(fam->offloads[proto]);
	int err;

	if (!ops || !ops->callbacks.gso_segment)
		return ERR_PTR(-EINVAL);
	err = xac_gso_join(skb, 0, proto);
	if (err)
		return ERR_PTR(err);

	return ops->callbacks.gso_segment(skb, features);
}

/* The same with a tunnel's payload, data at the inner IP header. */
static int xac_gso_join_inner(struct sk_buff *skb, unsigned short family)
{
	unsigned int header = family == AF_INET6 ? sizeof(struct ipv6hdr) :
						   sizeof(struct iphdr);
	__be16 fragment;
	int offset;
	u8 proto;

	if (!(skb_shinfo(skb)->gso_type & SKB_GSO_FRAGLIST))
		return 0;
	if (!pskb_may_pull(skb, header))
		return -EINVAL;

	if (family == AF_INET6) {
		proto = ((const struct ipv6hdr *)skb->data)->nexthdr;
		offset = ipv6_skip_exthdr(skb, header, &proto, &fragment);
		if (offset < 0)
			return -EINVAL;
	} else {
		proto = ((const struct iphdr *)skb->data)->protocol;
		offset = ((const struct iphdr *)skb->data)->ihl * 4;
	}

	return xac_gso_join(skb, offset, proto);
}

static struct sk_buff *xac_gso_tunnel(struct xfrm_state *x,
				      struct sk_buff *skb,
				      netdev_features_t features)
{
	const struct xfrm_mode *mode;
	int err;

	mode = xfrm_ip2inner_mode(x, xfrm_offload(skb)->proto);
	if (!mode)
		return ERR_PTR(-EINVAL);
	err = xac_gso_join_inner(skb, mode->family);
	if (err)
		return ERR_PTR(err);

	return skb_eth_gso_segment(skb, features,
				   mode->family == AF_INET6 ?
				   htons(ETH_P_IPV6) : htons(ETH_P_IP));
}

static struct sk_buff *xac_gso_transport(struct xfrm_state *x,
					 const struct xac_esp_family *fam,
					 struct sk_buff *skb,
					 netdev_features_t features)
{
	skb->transport_header += x->props.header_len;

	return xac_gso_by_proto(fam, skb, xfrm_offload(skb)->proto, features);
}

/**
 * xac_beet_payload - where TCP or UDP begins in the payload of BEET mode
 * @x: the SA
 * @skb: the packet, data at the SA's payload
 * @proto: the type of that; becomes that of what is found
 *
 * Of an inner IPv4 packet with options, these come first, in a header of their
 * own (draft-nikander-esp-beet-mode, section 5.4); of an IPv6 packet, its
 * extension headers.
 *
 * Return: the offset from data, all of it linear, or -EINVAL.
 */
int xac_beet_payload(const struct xfrm_state *x, struct sk_buff *skb, u8 *proto)
{
	__be16 fragment;
	int skip = 0;

	if (x->sel.family == AF_INET6) {
		skip = ipv6_skip_exthdr(skb, 0, proto, &fragment);
	} else if (*proto == IPPROTO_BEETPH) {
		const struct ip_beet_phdr *ph;

		if (!pskb_may_pull(skb, sizeof(*ph)))
			return -EINVAL;
		ph = (const struct ip_beet_phdr *)skb->data;
		/* It counts what follows the first 8 bytes, as IPv6 does. */
		skip = (ph->hdrlen + 1) * 8;
		*proto = ph->nexthdr;
	}

	return skip >= 0 && pskb_may_pull(skb, skip) ? skip : -EINVAL;
}

static struct sk_buff *xac_gso_beet(struct xfrm_state *x,
				    const struct xac_esp_family *fam,
				    struct sk_buff *skb,
				    netdev_features_t features)
{
	bool inner6 = x->sel.family == AF_INET6;
	bool outer6 = fam->family == AF_INET6;
	u8 proto = xfrm_offload(skb)->proto;
	int skip = xac_beet_payload(x, skb, &proto);

	if (skip < 0)
		return ERR_PTR(skip);

	/* Segmenting goes by the family that the headers now have. */
	if (inner6 != outer6 && proto == IPPROTO_TCP)
		skb_shinfo(skb)->gso_type |= inner6 ? SKB_GSO_TCPV4 :
						      SKB_GSO_TCPV6;
	if (proto == fam->ipip_proto)
		skb_shinfo(skb)->gso_type |= fam->ipip_gso_type;

	__skb_pull(skb, skip);
	skb_reset_transport_header(skb);

	return xac_gso_by_proto(fam, skb, proto, features);
}

static struct sk_buff *xac_gso_by_mode(struct xfrm_state *x,
				       const struct xac_esp_family *fam,
				       struct sk_buff *skb,
				       netdev_features_t features)
{
	switch (x->outer_mode.encap) {
	case XFRM_MODE_TUNNEL:
		return xac_gso_tunnel(x, skb, features);
	case XFRM_MODE_TRANSPORT:
		return xac_gso_transport(x, fam, skb, features);
	case XFRM_MODE_BEET:
		return xac_gso_beet(x, fam, skb, features);
	}

	return ERR_PTR(-EOPNOTSUPP);
}

/*
 * Everything that may fail happens now: the core loses the earlier segments
 * if encrypting a later one fails. And there are no more segments than the
 * sequence numbers that have been reserved, because a nonce must not be used
 * twice (RFC 4106, section 3): each segment gets its place among these here,
 * before anybody can copy it, see xac_esp_seq().
 *
 * @offset: of the ESP header, from the MAC header
 * @place: of the first segment
 */
static int xac_gso_prepare(struct xfrm_state *x, struct sk_buff *segs,
			   unsigned int offset, u32 place, bool hardware)
{
	const struct xfrm_offload *xo = xfrm_offload(segs);
	struct crypto_aead *aead = x->data;
	/* The longest that there can be, whatever a segment's length. */
	unsigned int tail = xac_esp_block_len(aead) + 1 +
			    crypto_aead_authsize(aead) +
			    xac_esp_tfc(xo);
	struct skb_shared_info *shinfo;
	struct sk_buff *skb, *next;
	struct ip_esp_hdr *esph;
	int err;

	skb_list_walk_safe(segs, skb, next) {
		err = hardware ? 0 : xac_esp_own(skb, tail);
		if (err)
			return err;
		shinfo = skb_shinfo(skb);
		if (skb_is_gso(skb)) {
			esph = (void *)(skb_mac_header(skb) + offset);
			esph->seq_no = htonl(xo->seq.low + place);
			place += shinfo->gso_segs;
		} else {
			shinfo->gso_segs = ++place;
		}
		if (place > xac_esp_reserved(xo))
			return -EINVAL;
	}

	return 0;
}

/*
 * A train that was handed over whole, to a device that then cannot cut it: a
 * bond goes by features of its own, and not by those of its active slave. Each
 * segment is completed as if it had been handed over by itself.
 *
 * @offset: of the ESP header, from the MAC header
 */
static int xac_gso_hand_over(struct xfrm_state *x, struct sk_buff *segs,
			     unsigned int offset)
{
	unsigned int payload = offset + xac_esp_header_len(x->data);
	struct sk_buff *skb, *next;
	int err;

	skb_list_walk_safe(segs, skb, next) {
		skb_set_transport_header(skb, offset);
		__skb_pull(skb, payload);
		err = xac_esp_hand_over_segment(x, skb);
		if (err)
			return err;
		__skb_push(skb, payload);
	}

	return 0;
}

/**
 * xac_esp_gso_segment - the gso_segment callback of ESP
 * @fam: outer family
 * @skb: the train, data at the ESP header; stays the caller's
 * @features: of the device, or of whoever wants segments
 *
 * Context: bottom halves off, RCU.
 * Return: the segments, or an error pointer; never NULL.
 */
struct sk_buff *xac_esp_gso_segment(const struct xac_esp_family *fam,
				    struct sk_buff *skb,
				    netdev_features_t features)
{
	unsigned int offset = skb->data - skb_mac_header(skb);
	struct sk_buff *segs;
	struct xfrm_state *x;
	struct xfrm_offload *xo;
	unsigned int header;
	bool hardware;
	u32 place;
	int err;

	if (!xfrm_offload(skb) || !(skb_shinfo(skb)->gso_type & SKB_GSO_ESP))
		return ERR_PTR(-EINVAL);

	x = xfrm_input_state(skb);
	header = xac_esp_header_len(x->data);
	if (!pskb_may_pull(skb, header) || ip_esp_hdr(skb)->spi != x->id.spi)
		return ERR_PTR(-EINVAL);

	hardware = xac_esp_in_hardware(x, skb->dev, features);
	/* We encrypt whole packets, checksums and all, and linear ones. */
	if (!hardware)
		features &= ~(NETIF_F_SG | NETIF_F_CSUM_MASK |
			      NETIF_F_SCTP_CRC);
	else if (!((features | skb->dev->gso_partial_features) &
		   NETIF_F_HW_ESP_TX_CSUM))
		features &= ~(NETIF_F_CSUM_MASK | NETIF_F_SCTP_CRC);

	/* For a device that can cut it itself, the train would only be checked. */
	if (skb_shinfo(skb)->gso_type & SKB_GSO_DODGY)
		features &= ~NETIF_F_GSO_MASK;

	/* A copy of the train, perhaps on its way to another device, is none. */
	if (!skb_ext_add(skb, SKB_EXT_SEC_PATH))
		return ERR_PTR(-ENOMEM);
	xo = xfrm_offload(skb);
	place = lower_32_bits(xac_esp_seq(xo, skb)) - xo->seq.low;
	xo->flags |= XFRM_GSO_SEGMENT;

	__skb_pull(skb, header);
	skb->encap_hdr_csum = 1;

	segs = xac_gso_by_mode(x, fam, skb, features);
	if (!segs)
		return ERR_PTR(-EINVAL);
	if (IS_ERR(segs))
		return segs;

	err = xac_gso_prepare(x, segs, offset, place, hardware);
	if (!err && xo->flags & XFRM_XMIT)
		err = xac_gso_hand_over(x, segs, offset);
	if (err) {
		kfree_skb_list(segs);
		return ERR_PTR(err);
	}

	return segs;
}

/* Data and transport header, which segmenting has moved, to the ESP header. */
static void xac_gso_find_esp(const struct xfrm_state *x, struct sk_buff *skb)
{
	if (x->outer_mode.encap == XFRM_MODE_TRANSPORT)
		skb->transport_header -= x->props.header_len;
	else
		skb->transport_header = skb->network_header +
			xac_esp_family(x->props.family)->header_len;
	__skb_pull(skb, skb_transport_offset(skb));
}

/**
 * xac_esp_train_data - bytes that the segments of a train carry together
 * @train: the train, with the inner transport header where TCP or UDP begins
 *
 * Return: that; not above 0 for what is no train.
 */
int xac_esp_train_data(const struct sk_buff *train)
{
	const struct skb_shared_info *shinfo = skb_shinfo(train);
	int begin = skb_inner_transport_offset(train);
	int header = 0;

	if (shinfo->gso_size == GSO_BY_FRAGS)
		return 0;
	/* (Fragments of UDP have its header as data.) */
	if (shinfo->gso_type & SKB_GSO_UDP_L4)
		header = sizeof(struct udphdr);
	else if (shinfo->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6))
		header = begin >= 0 && (int)skb_headlen(train) >=
				       begin + (int)sizeof(struct tcphdr) ?
			 inner_tcp_hdrlen(train) : sizeof(struct tcphdr);

	return (int)train->len - begin - header;
}

/**
 * xac_esp_take_back - a train that a device was given is one for software
 * @train: the train
 *
 * Who has a copy of it sees no change.
 *
 * Return: 0, or -ENOMEM with nothing changed.
 */
int xac_esp_take_back(struct sk_buff *train)
{
	if (!skb_ext_add(train, SKB_EXT_SEC_PATH))
		return -ENOMEM;
	xfrm_offload(train)->flags &= ~XFRM_XMIT;

	return 0;
}

/* Bytes from the ESP header on, of a payload so long. */
static unsigned int xac_esp_len(const struct xfrm_state *x,
				const struct xfrm_offload *xo,
				unsigned int payload)
{
	struct crypto_aead *aead = x->data;

	payload = max_t(unsigned int, payload, xac_esp_tfc(xo));

	return xac_esp_header_len(aead) + payload +
	       xac_esp_trailer_len(aead, payload);
}

/**
 * xac_esp_train_len - how long the segments of a train will be together
 * @x: the SA
 * @train: the train, transport header at the ESP header
 *
 * Return: bytes from their ESP headers on.
 */
unsigned int xac_esp_train_len(const struct xfrm_state *x,
			       struct sk_buff *train)
{
	const struct skb_shared_info *shinfo = skb_shinfo(train);
	const struct xfrm_offload *xo = xfrm_offload(train);
	unsigned int before = (shinfo->gso_segs - 1) * shinfo->gso_size;
	unsigned int data = xac_esp_train_data(train);
	/* What each segment has of the train's payload in front of its data. */
	unsigned int headers = train->len - skb_transport_offset(train) -
			       xac_esp_header_len(x->data) - data;

	return (shinfo->gso_segs - 1) *
	       xac_esp_len(x, xo, headers + shinfo->gso_size) +
	       xac_esp_len(x, xo, headers + data - before);
}

/**
 * xac_esp_cut - cut a train that a device was given, as that device
 * @x: the SA
 * @train: the train, data at the MAC header; stays the caller's
 *
 * Context: bottom halves off, RCU.
 * Return: the segments, for xac_esp_complete(), or an error pointer.
 */
struct sk_buff *xac_esp_cut(struct xfrm_state *x, struct sk_buff *train)
{
	struct sk_buff *segs, *skb, *next;
	int err;

	err = xac_esp_take_back(train);
	if (err)
		return ERR_PTR(err);

	segs = skb_gso_segment(train, 0);
	if (IS_ERR_OR_NULL(segs))
		return segs ?: ERR_PTR(-EINVAL);

	skb_list_walk_safe(segs, skb, next) {
		xac_gso_find_esp(x, skb);
		__skb_pull(skb, xac_esp_header_len(x->data));
	}

	return segs;
}
