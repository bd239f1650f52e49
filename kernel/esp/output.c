// SPDX-License-Identifier: GPL-2.0
/*
 * The short way out: from a bundle of one tunnel SA, which is what most
 * gateways have, to the encrypted packet on its route.
 *
 * The core's way serves every kind of bundle and of device. It notes in a
 * security path what is to be done, and has the packet encrypted when the
 * device's queue is left. A single packet for software to encrypt needs none
 * of that; nor does one for an espnic, which is software, too: it is encrypted
 * before it goes there, on the device's account. All others, and all that
 * something is wrong with, go the core's way, and so does what somebody wants
 * to be told about number by number.
 */
#include <linux/netfilter.h>
#include <net/esp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/dst.h"
#include "compat/xfrm.h"
#include "esp/esp.h"
#include "esp/layout.h"
#include "nic/nic.h"

/* A checksum of the IP header would change it under our feet. */
static bool xac_short_may_sum(const struct sk_buff *skb)
{
	int headers;

	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return true;

	headers = skb->protocol == htons(ETH_P_IP) ? ip_hdrlen(skb) :
						     sizeof(struct ipv6hdr);

	return skb_checksum_start_offset(skb) >= headers;
}

/*
 * Whatever the device would not do now, because the packet does not leave by
 * it or something is wrong with it, the core finds out.
 */
static bool xac_short_seals_for(const struct net_device *hw,
				const struct sk_buff *skb,
				const struct xfrm_state *x)
{
	return hw == xac_dst_dev(skb_dst(skb)) && hw == skb->dev &&
	       xac_nic_seals(hw, x);
}

/*
 * Netfilter may have changed anything: the packet, and where it goes.
 *
 * @hw: the device that is to encrypt, or NULL; it may be gone, unless the
 * packet's own is the same
 */
static bool xac_short_serves(const struct sk_buff *skb,
			     const struct net_device *hw)
{
	const struct dst_entry *dst = skb_dst(skb);
	const struct xfrm_state *x = dst->xfrm;

	return x && xac_esp_is_ours(x) && x->props.mode == XFRM_MODE_TUNNEL &&
	       !x->encap && !x->tfcpad &&
	       !xfrm_dst_child(dst)->xfrm && !skb_is_gso(skb) &&
	       xac_short_may_sum(skb) && skb->len <= dst_mtu(dst) &&
	       (!hw || xac_short_seals_for(hw, skb, x));
}

/* The core's way, but for netfilter, which has had the packet already. */
static int xac_long_output(struct net *net, struct sock *sk,
			   struct sk_buff *skb)
{
	if (skb_dst(skb)->ops->family == AF_INET6)
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
	else
		IPCB(skb)->flags |= IPSKB_REROUTED;

	return dst_output(net, sk, skb);
}

/*
 * Is there a next sequence number, and nobody who wants to be told of it? The
 * number after the last, which none or a new epoch follows, is the core's.
 */
static u32 *xac_short_number(struct xfrm_state *x)
{
	u32 *number = x->replay_esn ? &x->replay_esn->oseq : &x->replay.oseq;

	if (*number == U32_MAX || xfrm_aevent_is_on(xs_net(x)))
		return NULL;

	return number;
}

/*
 * The packet is counted, and gets its number (RFC 4303, section 3.3.3).
 *
 * Return: 0; -EINVAL if it is more than the SA may carry; 1 if it is the
 * core's, with nothing done.
 */
static int xac_short_account(struct xfrm_state *x, const struct sk_buff *skb,
			     u64 *seq)
{
	u32 *number = NULL;
	int ret = 1;

	spin_lock(&x->lock);
	if (x->km.state == XFRM_STATE_VALID)
		number = xac_short_number(x);
	if (number)
		ret = xfrm_state_check_expire(x);
	if (!ret) {
		*seq = ++*number;
		if (x->props.flags & XFRM_STATE_ESN)
			*seq |= (u64)x->replay_esn->oseq_hi << 32;
		x->curlft.bytes += skb->len;
		x->curlft.packets++;
		xac_state_used(x);
	}
	spin_unlock(&x->lock);

	return ret;
}

/*
 * How much of the inner header shows in the outer one (RFC 4301, section
 * 5.1.2). IPv6 has no DF, and is sent as if it had and it were set.
 */
static void xac_short_look_inside(struct xac_esp_inner *inner,
				  const struct sk_buff *skb,
				  const struct xfrm_state *x)
{
	u8 dsfield;

	if (skb->protocol == htons(ETH_P_IP)) {
		dsfield = ip_hdr(skb)->tos;
		inner->df = ip_hdr(skb)->frag_off & htons(IP_DF);
		inner->flow_label = 0;
		inner->proto = IPPROTO_IPIP;
	} else {
		dsfield = ipv6_get_dsfield(ipv6_hdr(skb));
		inner->df = true;
		inner->flow_label = ip6_flowlabel(ipv6_hdr(skb));
		inner->proto = IPPROTO_IPV6;
	}
	if (x->props.flags & XFRM_STATE_NOPMTUDISC)
		inner->df = false;

	inner->dsfield = INET_ECN_encapsulate(x->props.extra_flags &
					      XFRM_SA_XFLAG_DONT_ENCAP_DSCP ?
					      0 : dsfield, dsfield);
	if (x->props.flags & XFRM_STATE_NOECN)
		inner->dsfield &= ~INET_ECN_MASK;
}

/**
 * xac_esp_wrap - a tunnel's packet gets all but IV, ICV and outer length
 * @x: the SA
 * @skb: the packet, data at its IP header; owned, with room for all that comes
 * @seq: its sequence number
 * @route: what it leaves by
 */
void xac_esp_wrap(struct xfrm_state *x, struct sk_buff *skb, u64 seq,
		  struct dst_entry *route)
{
	const struct xac_esp_family *fam = xac_esp_family(x->props.family);
	struct crypto_aead *aead = x->data;
	unsigned int tail = xac_esp_trailer_len(aead, skb->len);
	struct xac_esp_inner inner;
	struct ip_esp_hdr *esph;

	xac_short_look_inside(&inner, skb, x);
	xac_esp_put_trailer(skb_tail_pointer(skb), tail,
			    crypto_aead_authsize(aead), inner.proto);
	skb_put(skb, tail);

	esph = skb_push(skb, xac_esp_header_len(aead));
	esph->spi = x->id.spi;
	esph->seq_no = htonl(lower_32_bits(seq));
	skb_reset_transport_header(skb);

	skb_push(skb, fam->header_len);
	skb_reset_network_header(skb);
	skb_reset_mac_header(skb);
	skb->mark = xfrm_smark_get(skb->mark, x);
	skb->encapsulation = 0;
	fam->put_header(skb, x, &inner, route);
}

/* Return: @err */
static int xac_short_drop(struct net *net, struct sk_buff *skb, int mib,
			  int err)
{
	XFRM_INC_STATS(net, mib);
	kfree_skb(skb);

	return err;
}

/* Sealed or not; the packet still has its bundle. */
static int xac_short_leave(struct net *net, struct sock *sk,
			   struct sk_buff *skb, int err)
{
	struct dst_entry *route = xfrm_dst_child(skb_dst(skb));

	if (err)
		return xac_short_drop(net, skb,
				      LINUX_MIB_XFRMOUTSTATEPROTOERROR, err);

	/* The bundle, if it dies with that, holds its route for as long as RCU. */
	skb_dst_drop(skb);
	skb_dst_set_noref(skb, route);
	nf_reset_ct(skb);

	err = route->ops->local_out(net, sk, skb);
	if (err == 1)
		err = dst_output(net, sk, skb);

	return err;
}

/* The driver took its time. */
static void xac_short_leave_late(struct sk_buff *skb, int err)
{
	local_bh_disable();
	rcu_read_lock();
	xac_short_leave(dev_net(skb->dev), skb_to_full_sk(skb), skb, err);
	rcu_read_unlock();
	local_bh_enable();
}

/* The same for an espnic, which is the packet's device. */
static void xac_short_leave_nic_late(struct sk_buff *skb, int err)
{
	local_bh_disable();
	xac_nic_count_sealed(skb->dev, skb, err);
	local_bh_enable();
	xac_short_leave_late(skb, err);
}

static int xac_short_transform(struct net *net, struct sock *sk,
			       struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);
	struct xfrm_state *x = dst->xfrm;
	struct net_device *hw;
	u64 seq;
	int err;

	hw = x ? READ_ONCE(x->xso.dev) : NULL;
	if (!xac_short_serves(skb, hw))
		return xac_long_output(net, sk, skb);

	err = skb_cow(skb, dst->header_len +
			   LL_RESERVED_SPACE(xac_dst_dev(dst)));
	if (!err)
		err = xac_esp_own(skb, xac_esp_trailer_len(x->data, skb->len));
	if (!err && skb->ip_summed == CHECKSUM_PARTIAL)
		err = skb_checksum_help(skb);
	if (err)
		return xac_short_drop(net, skb, LINUX_MIB_XFRMOUTERROR, err);

	err = xac_short_account(x, skb, &seq);
	if (err > 0)
		return xac_long_output(net, sk, skb);
	if (err)
		return xac_short_drop(net, skb, LINUX_MIB_XFRMOUTSTATEEXPIRED,
				      err);

	secpath_reset(skb);
	xac_esp_wrap(x, skb, seq, xfrm_dst_child(dst));
	err = xac_esp_seal(x, skb, seq, hw ? xac_short_leave_nic_late :
					     xac_short_leave_late);
	if (err == -EINPROGRESS)
		return 0;
	if (hw)
		xac_nic_count_sealed(hw, skb, err);

	return xac_short_leave(net, sk, skb, err);
}

/**
 * xac_short_output - send a packet by its bundle, as dst_output() does
 * @net: namespace of the bundle
 * @sk: the full socket that sends it, or NULL
 * @skb: an IP packet, data at its IP header, control block cleared; consumed.
 * Its bundle it owns a reference to, and its device is the bundle's
 *
 * Netfilter sees the plaintext in POST_ROUTING, and the ESP packet as one that
 * is sent from here, as ever.
 *
 * Context: bottom halves off.
 * Return: as dst_output().
 */
int xac_short_output(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);

	if (dst->ops->family == AF_INET6)
		return NF_HOOK(NFPROTO_IPV6, NF_INET_POST_ROUTING, net, sk, skb,
			       skb->dev, xac_dst_dev(dst), xac_short_transform);

	return NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, net, sk, skb,
		       skb->dev, xac_dst_dev(dst), xac_short_transform);
}
