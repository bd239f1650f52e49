// SPDX-License-Identifier: GPL-2.0
/*
 * xfrm_type_offload: what the core calls for an SA that is ours, in the order
 * of a packet's way: encap and xmit when it is sent, input_tail when it has
 * been received and decrypted.
 */
#include <linux/module.h>
#include <linux/udp.h>
#include <net/esp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/xfrm.h"
#include "esp/esp.h"
#include "esp/layout.h"

/**
 * xac_esp_is_ours - is the SA bound to this engine?
 * @x: the SA
 *
 * One made before the module was loaded is not, nor one that the kernel does
 * not bind (PF_KEY and migrated ones of some kernels).
 */
bool xac_esp_is_ours(const struct xfrm_state *x)
{
	return x->type_offload == &xac_esp_type_ipv4 ||
	       x->type_offload == &xac_esp_type_ipv6;
}

/**
 * xac_esp_in_hardware - does a device encrypt for the SA?
 * @x: the SA
 * @dev: the device that the packet leaves by
 * @features: of the device, for this packet
 */
bool xac_esp_in_hardware(const struct xfrm_state *x,
			 const struct net_device *dev,
			 netdev_features_t features)
{
	return x->xso.dev == dev &&
	       (features | dev->gso_partial_features) & NETIF_F_HW_ESP;
}

/*
 * Payloads are made so long, to hide how long they are (traffic flow
 * confidentiality, RFC 4303, section 2.7), where that fits the path: which is
 * known while the packet has its bundle.
 *
 * Return: the length, or 0.
 */
static u16 xac_esp_tfc_decide(struct xfrm_state *x, const struct sk_buff *skb)
{
	const struct xfrm_dst *xdst = (struct xfrm_dst *)skb_dst(skb);
	u32 path = xdst->child_mtu_cached;
	u32 mtu = xfrm_state_mtu(x, path);

	/* For a path below the overhead some kernels say less than nothing. */
	return mtu < path ? min3(x->tfcpad, mtu, (u32)U16_MAX) : 0;
}

/* Zeros to be put behind the payload, which is all of the packet. */
static unsigned int xac_esp_tfc_len(const struct sk_buff *skb,
				    const struct xfrm_offload *xo)
{
	return xac_esp_tfc(xo) > skb->len ? xac_esp_tfc(xo) - skb->len : 0;
}

/*
 * Every mode but BEET tells where a train's TCP or UDP header is. The core
 * measures segments by it, and newer ones drop a train that has none there.
 */
static void xac_esp_measure_beet(const struct xfrm_state *x,
				 struct sk_buff *skb, u8 proto)
{
	int offset = xac_beet_payload(x, skb, &proto);

	if (offset >= 0)
		skb_set_inner_transport_header(skb, offset);
}

/*
 * The next @n sequence numbers are taken. The SA is locked.
 *
 * Return: the first, or 0: there are not so many left.
 */
static u64 xac_esp_take_numbers(struct xfrm_state *x, unsigned int n)
{
	u32 *low = x->replay_esn ? &x->replay_esn->oseq : &x->replay.oseq;
	u64 last = *low;

	if (x->props.flags & XFRM_STATE_ESN)
		last |= (u64)x->replay_esn->oseq_hi << 32;
	else if (last + n > U32_MAX)
		return 0;

	*low = lower_32_bits(last + n);
	if (x->props.flags & XFRM_STATE_ESN)
		x->replay_esn->oseq_hi = upper_32_bits(last + n);

	return last + 1;
}

/* More segments than this has no honest train: a guest is not to use up an SA. */
#define XAC_UNTRUSTED_MAX	2048

/*
 * A train from an untrusted source (virtio, tap) is counted only when it is cut:
 * the core has reserved no numbers for it. One that gets none here will be
 * dropped.
 */
static void xac_esp_reserve(struct xfrm_state *x, struct sk_buff *skb)
{
	struct skb_shared_info *shinfo = skb_shinfo(skb);
	struct xfrm_offload *xo = xfrm_offload(skb);
	int data = xac_esp_train_data(skb), n;
	u64 seq;

	if (data <= 0)
		return;
	n = DIV_ROUND_UP(data, shinfo->gso_size);
	if (n > XAC_UNTRUSTED_MAX)
		return;

	spin_lock_bh(&x->lock);
	seq = xac_esp_take_numbers(x, n);
	spin_unlock_bh(&x->lock);
	if (!seq)
		return;
	xo->seq.low = lower_32_bits(seq);
	xo->seq.hi = upper_32_bits(seq);
	shinfo->gso_segs = n;
}

/*
 * The packet, or train, gets its ESP header; whatever depends on its length
 * comes when it is sent. The core has put the MAC header to where the last of
 * the outer headers says what is next: extension headers may be among them.
 *
 * What the core has cut already, because it was in another tunnel, shares its
 * security path and with it the number, which the next packet changes: this one
 * gets its own, or no SPI, and xac_esp_xmit() refuses it.
 */
static void xac_esp_encap(struct xfrm_state *x, struct sk_buff *skb)
{
	bool own = skb_ext_add(skb, SKB_EXT_SEC_PATH);
	struct xfrm_offload *xo = xfrm_offload(skb);
	u8 proto = *skb_mac_header(skb);
	struct ip_esp_hdr *esph;

	if (x->outer_mode.encap == XFRM_MODE_BEET && skb_is_gso(skb))
		xac_esp_measure_beet(x, skb, proto);
	if (own && skb_is_gso(skb) && !skb_shinfo(skb)->gso_segs)
		xac_esp_reserve(x, skb);

	skb_push(skb, -skb_network_offset(skb));
	*skb_mac_header(skb) = IPPROTO_ESP;

	esph = ip_esp_hdr(skb);
	esph->spi = own ? x->id.spi : 0;
	esph->seq_no = htonl(xo->seq.low);
	if (!own)
		return;

	xo->proto = proto;
	/* Of how many numbers there are nobody can be asked later. */
	xac_esp_note(xo, x->tfcpad ? xac_esp_tfc_decide(x, skb) : 0,
		     skb_shinfo(skb)->gso_segs);
}

/**
 * xac_esp_seq - the sequence number of a packet
 * @xo: what is noted of it: of a segment, the number of its train's first
 * @skb: the packet; a segment has its place in the train, from 1 on, in gso_segs,
 * which only trains have a use for, and who edits packets does not come to. One
 * that is a train itself has the number of its own first in the ESP header
 *
 * Nothing counts here: a copy of a packet, be it made before or after it was
 * cut, is to be the same to the cipher.
 */
u64 xac_esp_seq(const struct xfrm_offload *xo, const struct sk_buff *skb)
{
	u64 seq = (u64)xo->seq.hi << 32 | xo->seq.low;

	if (!(xo->flags & XFRM_GSO_SEGMENT))
		return seq;
	if (!skb_is_gso(skb))
		return seq + skb_shinfo(skb)->gso_segs - 1;

	return seq + (u32)(ntohl(ip_esp_hdr(skb)->seq_no) - xo->seq.low);
}

/*
 * It is in the header; the packet owns its memory. Of a train it is the first.
 *
 * Return: 0 or -EINVAL: what looks like a segment is none, but a part of one.
 */
static int xac_esp_put_seq(const struct xfrm_offload *xo, struct sk_buff *skb,
			   u64 *seq)
{
	bool segment = xo->flags & XFRM_GSO_SEGMENT && !skb_is_gso(skb);

	if (segment && !skb_shinfo(skb)->gso_segs)
		return -EINVAL;

	*seq = xac_esp_seq(xo, skb);
	ip_esp_hdr(skb)->seq_no = htonl(lower_32_bits(*seq));
	if (segment)
		skb_shinfo(skb)->gso_segs = 0;

	return 0;
}

static int xac_esp_add_trailer(struct crypto_aead *aead, struct sk_buff *skb,
			       const struct xfrm_offload *xo)
{
	unsigned int tfc = xac_esp_tfc_len(skb, xo);
	unsigned int tail = xac_esp_trailer_len(aead, skb->len + tfc);
	int err;

	err = xac_esp_own(skb, tfc + tail);
	if (err)
		return err;
	skb_put_zero(skb, tfc);
	xac_esp_put_trailer(skb_tail_pointer(skb), tail,
			    crypto_aead_authsize(aead), xo->proto);
	skb_put(skb, tail);

	return 0;
}

/* Data is then at the outer header. */
static int xac_esp_add_number(const struct xfrm_state *x, struct sk_buff *skb,
			      struct xfrm_offload *xo, u64 *seq)
{
	int err = xac_esp_put_seq(xo, skb, seq);

	if (err)
		return err;
	skb_push(skb, -skb_network_offset(skb));
	xac_esp_family(x->props.family)->set_length(skb);

	return 0;
}

/*
 * The device encrypts. What it is given is complete but for IV and ICV.
 *
 * @seq: its number, or the first of a train, which may be part of a longer one
 */
static int xac_esp_hand_over(struct sk_buff *skb, u64 seq)
{
	struct xfrm_offload *xo;

	/* Segments share a sec_path: this one gets its own. */
	if (!skb_ext_add(skb, SKB_EXT_SEC_PATH))
		return -ENOMEM;
	xo = xfrm_offload(skb);
	/* A part of a train is one of its own from now on. */
	if (xo->flags & XFRM_GSO_SEGMENT)
		xac_esp_note(xo, xac_esp_tfc(xo), skb_shinfo(skb)->gso_segs);
	xo->flags |= XFRM_XMIT;
	xo->seq.low = lower_32_bits(seq);
	xo->seq.hi = upper_32_bits(seq);

	return 0;
}

/**
 * xac_esp_hand_over_segment - complete a segment but for IV and ICV
 * @x: the SA
 * @skb: the segment, data at the payload, to be given to a device that encrypts
 *
 * Context: bottom halves off.
 * Return: 0 or a negative errno.
 */
int xac_esp_hand_over_segment(struct xfrm_state *x, struct sk_buff *skb)
{
	struct xfrm_offload *xo = xfrm_offload(skb);
	u64 seq;
	int err;

	err = xac_esp_add_trailer(x->data, skb, xo);
	if (!err)
		err = xac_esp_put_seq(xo, skb, &seq);

	return err ?: xac_esp_hand_over(skb, seq);
}

/*
 * Encrypting a segment of a train has failed. If the core learned of it, it
 * would lose the segments before it; so the segment is sent, without what it
 * carried, and its receiver discards it.
 */
static int xac_esp_spoil(struct xfrm_state *x, struct sk_buff *skb)
{
	struct ip_esp_hdr *esph = ip_esp_hdr(skb);

	XFRM_INC_STATS(xs_net(x), LINUX_MIB_XFRMOUTSTATEPROTOERROR);
	memset(esph->enc_data, 0, skb_tail_pointer(skb) - esph->enc_data);

	return 0;
}

/*
 * The driver took its time. The core has given the packet away, and gets it
 * back as validate_xmit_xfrm() would have left it.
 */
static void xac_esp_sealed_late(struct sk_buff *skb, int err)
{
	if (err) {
		XFRM_INC_STATS(dev_net(skb->dev),
			       LINUX_MIB_XFRMOUTSTATEPROTOERROR);
		kfree_skb(skb);
		return;
	}

	skb_push(skb, skb->data - skb_mac_header(skb));
	secpath_reset(skb);
	xfrm_dev_resume(skb);
}

/**
 * xac_esp_complete - trailer, number and length; and the packet is encrypted
 * @x: the SA
 * @skb: a packet, or a segment of a train, data at the payload, which
 * xfrm_offload() tells of; data is then at the outer header
 * @late: as for xac_esp_seal()
 *
 * Context: bottom halves off.
 * Return: 0; -EINPROGRESS if the packet has been taken; another negative
 * errno with the packet left to the caller, for a packet that is no segment.
 */
int xac_esp_complete(struct xfrm_state *x, struct sk_buff *skb,
		     void (*late)(struct sk_buff *skb, int err))
{
	struct xfrm_offload *xo = xfrm_offload(skb);
	struct crypto_aead *aead = x->data;
	bool segment = xo->flags & XFRM_GSO_SEGMENT;
	u64 seq;
	int err;

	err = xac_esp_add_trailer(aead, skb, xo);
	if (!err)
		err = xac_esp_add_number(x, skb, xo, &seq);
	if (err)
		return err;

	err = xac_esp_seal(x, skb, seq, late);
	if (err && err != -EINPROGRESS && segment)
		err = xac_esp_spoil(x, skb);

	return err;
}

/*
 * The packet, or train, is the one that xac_esp_encap() has seen: no fragment of
 * it, which has its security path, too.
 */
static bool xac_esp_is_whole(const struct xfrm_state *x,
			     const struct sk_buff *skb)
{
	if (ip_esp_hdr(skb)->spi != x->id.spi)
		return false;

	return x->props.family == AF_INET6 ?
	       ipv6_hdr(skb)->nexthdr != NEXTHDR_FRAGMENT :
	       !ip_is_fragment(ip_hdr(skb));
}

/*
 * Called for each packet, a segment or a whole one, as it leaves by a device,
 * with data at the payload.
 */
static int xac_esp_xmit(struct xfrm_state *x, struct sk_buff *skb,
			netdev_features_t features)
{
	struct xfrm_offload *xo = xfrm_offload(skb);
	u64 seq;
	int err;

	if (!xo || !xac_esp_is_whole(x, skb))
		return -EINVAL;

	if (xac_esp_in_hardware(x, skb->dev, features)) {
		if (skb_is_gso(skb) &&
		    (!skb_shinfo(skb)->gso_segs ||
		     skb_shinfo(skb)->gso_segs > xac_esp_reserved(xo)))
			return -EINVAL;
		/* A device that segments adds the trailers itself. */
		err = skb_is_gso(skb) ? 0 :
					xac_esp_add_trailer(x->data, skb, xo);
		if (err)
			return err;
		err = xac_esp_add_number(x, skb, xo, &seq);
		return err ?: xac_esp_hand_over(skb, seq);
	}

	xo->flags |= CRYPTO_FALLBACK;
	err = xac_esp_complete(x, skb, xac_esp_sealed_late);
	if (!err)
		secpath_reset(skb);

	return err;
}

/* A NAT has given the peer another address or port: the daemon is told. */
static void xac_esp_nat_moved(struct xfrm_state *x, const struct sk_buff *skb,
			      const struct xac_esp_family *fam)
{
	const struct udphdr *udph = (const void *)skb_transport_header(skb) -
				    sizeof(*udph);
	xfrm_address_t addr = {};

	fam->nat_source(skb, &addr);
	if (udph->source == x->encap->encap_sport &&
	    xfrm_addr_equal(&addr, &x->props.saddr, fam->family))
		return;

	km_new_mapping(x, &addr, udph->source);
}

/*
 * The packet has been decrypted, by xac_esp_open() or by a device; ESP header
 * and trailer are still there. Returns the type of the payload.
 */
static int xac_esp_input_tail(struct xfrm_state *x, struct sk_buff *skb)
{
	const struct xac_esp_family *fam = xac_esp_family(x->props.family);
	unsigned int headers = skb_network_header_len(skb);
	struct crypto_aead *aead = x->data;
	int proto;

	if (!pskb_may_pull(skb, xac_esp_header_len(aead)))
		return -EINVAL;

	if (x->encap) {
		xac_esp_nat_moved(x, skb, fam);
		headers -= sizeof(struct udphdr);
	}

	/* What a device has summed up includes the outer headers. */
	skb_postpull_rcsum(skb, skb_network_header(skb),
			   skb_network_header_len(skb));
	proto = xac_esp_strip(skb, aead);
	if (proto < 0)
		return proto;

	/* The sum within is of the addresses before NAT (RFC 3948, 3.1.2). */
	if (x->encap && x->props.mode == XFRM_MODE_TRANSPORT)
		skb->ip_summed = CHECKSUM_UNNECESSARY;

	/* In other modes the core moves the outer headers to the payload. */
	if (xac_state_is_tunnel(x))
		skb_reset_transport_header(skb);
	else
		skb_set_transport_header(skb, -(int)headers);

	return proto;
}

const struct xfrm_type_offload xac_esp_type_ipv4 = {
	.owner		= THIS_MODULE,
	.proto		= IPPROTO_ESP,
	.input_tail	= xac_esp_input_tail,
	.xmit		= xac_esp_xmit,
	.encap		= xac_esp_encap,
};

const struct xfrm_type_offload xac_esp_type_ipv6 = {
	.owner		= THIS_MODULE,
	.proto		= IPPROTO_ESP,
	.input_tail	= xac_esp_input_tail,
	.xmit		= xac_esp_xmit,
	.encap		= xac_esp_encap,
};
