// SPDX-License-Identifier: GPL-2.0
/*
 * From a plaintext packet on an xfrm interface to the encrypted packet on its
 * way: route and flow, policy and SA, path MTU, output.
 *
 * Until xac_output() takes it, the packet stays with xac_start_xmit(), which
 * drops it for the reason that a step returns.
 */
#include <linux/icmpv6.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "compat/dst.h"
#include "compat/gso.h"
#include "compat/kunit.h"
#include "compat/netdevice.h"
#include "compat/xfrm.h"
#include "esp/esp.h"
#include "iface/iface.h"

/* In place of a reason of enum xfrm_accel_drop_reason: go on. */
#define XAC_NO_DROP	(-1)

/**
 * struct xac_query - what policy and SA are looked up by
 * @fl: the packet's flow
 * @if_id: policies and SAs must carry it
 */
struct xac_query {
	struct flowi fl;
	u32 if_id;
};

/**
 * struct xac_tx_family - what differs between IPv4 and IPv6
 * @af: address family
 * @version: in the IP header
 * @header_len: of an IP header without options
 * @route: find and attach a route for a packet that has none; 0 or -errno
 * @must_fit: may the packet not be fragmented, by anybody?
 * @min_mtu: never tell a sender less
 * @tell_too_big: tell the sender the MTU
 */
struct xac_tx_family {
	unsigned short af;
	u8 version;
	u8 header_len;
	int (*route)(struct sk_buff *skb, struct net_device *dev,
		     struct flowi *fl);
	bool (*must_fit)(const struct sk_buff *skb);
	u32 min_mtu;
	void (*tell_too_big)(struct sk_buff *skb, u32 mtu);
};

static int xac_route4(struct sk_buff *skb, struct net_device *dev,
		      struct flowi *fl)
{
	struct rtable *rt;

	fl->u.ip4.flowi4_oif = dev->ifindex;
	fl->u.ip4.flowi4_flags |= FLOWI_FLAG_ANYSRC;
	rt = __ip_route_output_key(dev_net(dev), &fl->u.ip4);
	if (IS_ERR(rt))
		return PTR_ERR(rt);
	skb_dst_set(skb, &rt->dst);

	return 0;
}

static bool xac_must_fit4(const struct sk_buff *skb)
{
	return ip_hdr(skb)->frag_off & htons(IP_DF);
}

static void xac_tell_too_big4(struct sk_buff *skb, u32 mtu)
{
	icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
}

static const struct xac_tx_family xac_tx_ipv4 = {
	.af		= AF_INET,
	.version	= 4,
	.header_len	= sizeof(struct iphdr),
	.route		= xac_route4,
	.must_fit	= xac_must_fit4,
	.min_mtu	= 0,
	.tell_too_big	= xac_tell_too_big4,
};

static int xac_route6(struct sk_buff *skb, struct net_device *dev,
		      struct flowi *fl)
{
	struct dst_entry *dst;
	int err;

	fl->u.ip6.flowi6_oif = dev->ifindex;
	fl->u.ip6.flowi6_flags |= FLOWI_FLAG_ANYSRC;
	dst = ip6_route_output(dev_net(dev), NULL, &fl->u.ip6);
	err = dst->error;
	if (err) {
		dst_release(dst);
		return err;
	}
	skb_dst_set(skb, dst);

	return 0;
}

/* Only its source may fragment an IPv6 packet (RFC 8200, section 4.5). */
static bool xac_must_fit6(const struct sk_buff *skb)
{
	return true;
}

static void xac_tell_too_big6(struct sk_buff *skb, u32 mtu)
{
	icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}

static const struct xac_tx_family xac_tx_ipv6 = {
	.af		= AF_INET6,
	.version	= 6,
	.header_len	= sizeof(struct ipv6hdr),
	.route		= xac_route6,
	.must_fit	= xac_must_fit6,
	.min_mtu	= IPV6_MIN_MTU,
	.tell_too_big	= xac_tell_too_big6,
};

static const struct xac_tx_family *xac_tx_family_of(const struct sk_buff *skb)
{
	switch (skb->protocol) {
	case htons(ETH_P_IP):
		return &xac_tx_ipv4;
	case htons(ETH_P_IPV6):
		return &xac_tx_ipv6;
	default:
		return NULL;
	}
}

/* Does the network header bear what skb->protocol says? */
static bool xac_header_ok(const struct sk_buff *skb,
			  const struct xac_tx_family *family)
{
	const u8 first = *skb_network_header(skb);

	return first >> 4 == family->version &&
	       (family->version != 4 || (first & 0xf) >= 5);
}

/* The core writes the MTU into a bundle, and asks the outer route without one. */
static u32 xac_bundle_mtu(const struct dst_entry *bundle)
{
	return dst_metric_raw(bundle, RTAX_MTU) ?: dst_mtu(bundle);
}

/* Clear what a former layer left in the control block for the IP layer. */
static void xac_reset_cb(struct sk_buff *skb)
{
	memset(skb->cb, 0, max(sizeof(struct inet_skb_parm),
			       sizeof(struct inet6_skb_parm)));
}

VISIBLE_IF_KUNIT
bool xac_fits(const struct sk_buff *skb, u32 mtu)
{
	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, mtu);

	return skb->len <= mtu;
}

/*
 * Path MTU discovery on the tunnel, for a packet that does not fit through it
 * in one piece (RFC 4301, section 8.2; RFC 8200 for the floor of 1280: what is
 * not above it is cut into fragments instead).
 *
 * @mtu: what would fit
 *
 * Return: true if the packet must not be sent: its sender has been told.
 */
static bool xac_too_big(struct sk_buff *skb,
			const struct xac_tx_family *family, u32 mtu)
{
	mtu = max(mtu, family->min_mtu);
	if (xac_fits(skb, mtu))
		return false;

	/* A local sender learns it from the route; it may then fragment. */
	skb_dst_update_pmtu_no_confirm(skb, mtu);

	if (!family->must_fit(skb))
		return false;

	family->tell_too_big(skb, mtu);

	return true;
}

VISIBLE_IF_KUNIT
int xac_lookup_verdict(int err)
{
	switch (err) {
	case -EREMOTE:		/* sysctl net.core.xfrm_larval_drop is 1 */
	case -EAGAIN:		/* and 0 */
		return XFRM_ACCEL_DROP_TX_NO_SA;
	case -EPERM:
		return XFRM_ACCEL_DROP_TX_POLICY_BLOCK;
	case -ENOENT:
		return XFRM_ACCEL_DROP_TX_NO_POLICY;
	default:
		return XFRM_ACCEL_DROP_TX_LOOKUP;
	}
}

/*
 * Which if_id, and where to? An external interface is told by the packet:
 * by its route (encap xfrm) or by a BPF program.
 */
static int xac_query_key(struct sk_buff *skb, const struct xac_dev *xd,
			 struct xac_query *query)
{
	const struct xfrm_md_info *info;

	if (!xd->external) {
		query->if_id = READ_ONCE(xd->if_id);
		query->fl.flowi_oif = xd->link;
		return XAC_NO_DROP;
	}

	info = skb_xfrm_md_info(skb);
	if (!info)
		return XFRM_ACCEL_DROP_TX_NO_METADATA;

	query->if_id = info->if_id;
	query->fl.flowi_oif = info->link;
	xac_restore_replaced_route(skb, info);

	return XAC_NO_DROP;
}

/*
 * Policy and SA, as one bundle.
 *
 * @bundle: set on success; a reference that the caller owns
 *
 * Return: XAC_NO_DROP or a drop reason.
 */
static int xac_find_bundle(struct sk_buff *skb, struct xac_dev *xd,
			   struct xac_query *query, struct dst_entry **bundle)
{
	struct dst_entry *dst = skb_dst(skb);

	/* A received packet may carry a route it does not own, and that died. */
	if (!dst_hold_safe(dst))
		return XFRM_ACCEL_DROP_TX_NO_ROUTE;

	xac_count_lookup(xd->counters, XAC_LOOKUP_OUT);
	dst = xfrm_lookup_with_ifid(xd->net, dst, &query->fl, NULL, 0,
				    query->if_id);
	if (IS_ERR(dst))
		return xac_lookup_verdict(PTR_ERR(dst));

	if (!dst->xfrm) {
		dst_release(dst);
		return XFRM_ACCEL_DROP_TX_NO_POLICY;
	}

	if (dst->xfrm->if_id != query->if_id) {
		dst_release(dst);
		return XFRM_ACCEL_DROP_TX_WRONG_IF_ID;
	}

	if (xac_dst_dev(dst) == xd->dev) {
		net_warn_ratelimited("%s: the route of the encrypted packet leads back into the interface\n",
				     xd->dev->name);
		dst_release(dst);
		return XFRM_ACCEL_DROP_TX_LOOP;
	}

	*bundle = dst;

	return XAC_NO_DROP;
}

/* The bundle of a packet's flow, remembered or new. As xac_find_bundle(). */
static int xac_resolve(struct sk_buff *skb, struct xac_dev *xd,
		       const struct xac_tx_family *family,
		       struct dst_entry **bundle)
{
	const unsigned short af = family->af;
	struct xac_query query;
	u32 generation;
	int verdict;

	memset(&query, 0, sizeof(query));
	xac_decode_session(dev_net(xd->dev), skb, &query.fl, af);

	if (!skb_dst(skb) && family->route(skb, xd->dev, &query.fl))
		return XFRM_ACCEL_DROP_TX_NO_ROUTE;

	verdict = xac_query_key(skb, xd, &query);
	if (verdict != XAC_NO_DROP)
		return verdict;

	*bundle = xac_cache_find_flow(xd, skb_dst(skb), &query.fl, af,
				      query.if_id);
	if (*bundle)
		return XAC_NO_DROP;

	generation = xac_cache_generation(xd);
	verdict = xac_find_bundle(skb, xd, &query, bundle);
	if (verdict == XAC_NO_DROP)
		xac_cache_add(xd, generation, *bundle, &query.fl, af,
			      query.if_id);

	return verdict;
}

/*
 * Consumes the packet and the bundle.
 *
 * @fits: in one piece
 */
static void xac_output(struct sk_buff *skb, struct xac_dev *xd,
		       struct dst_entry *bundle, bool fits)
{
	struct net_device *dev = xd->dev;
	unsigned int length = skb->len;
	int err;

	xac_scrub(skb, !net_eq(xd->net, dev_net(dev)));
	skb_dst_set(skb, bundle);

	/*
	 * xac_too_big() let it pass: IPv4 without DF, or IPv6 that is not
	 * above 1280. For the latter IPv6 output would refuse to fragment.
	 */
	skb->ignore_df = !fits;
	skb->dev = xac_dst_dev(bundle);

	err = xac_short_output(xd->net, skb_to_full_sk(skb), skb);
	if (net_xmit_eval(err) == 0) {
		dev_sw_netstats_tx_add(dev, 1, length);
		return;
	}

	DEV_STATS_INC(dev, tx_errors);
	DEV_STATS_INC(dev, tx_aborted_errors);
	xac_count_drop(dev, xd->counters, NULL, XFRM_ACCEL_DROP_TX_OUTPUT);
}

/* Consumes the bundle; the packet too, if it returns XAC_NO_DROP. */
static int xac_send(struct sk_buff *skb, struct xac_dev *xd,
		    const struct xac_tx_family *family,
		    struct dst_entry *bundle)
{
	u32 mtu = xac_bundle_mtu(bundle);
	bool fits = xac_fits(skb, mtu);

	if (!fits && xac_too_big(skb, family, mtu)) {
		dst_release(bundle);
		return XFRM_ACCEL_DROP_TX_TOO_BIG;
	}

	xac_output(skb, xd, bundle, fits);

	return XAC_NO_DROP;
}

/*
 * A packet whose bundle no other flow has left here. Not inline: few need the
 * space that a flow takes on the stack.
 */
static noinline int xac_resolve_and_send(struct sk_buff *skb,
					 struct xac_dev *xd,
					 const struct xac_tx_family *family)
{
	struct dst_entry *bundle;
	int verdict;

	verdict = xac_resolve(skb, xd, family, &bundle);
	if (verdict != XAC_NO_DROP)
		return verdict;

	return xac_send(skb, xd, family, bundle);
}

static int xac_transmit(struct sk_buff *skb, struct xac_dev *xd)
{
	const struct xac_tx_family *family = xac_tx_family_of(skb);
	struct dst_entry *bundle;

	if (!family)
		return XFRM_ACCEL_DROP_TX_NOT_IP;
	if (!pskb_network_may_pull(skb, family->header_len) ||
	    !xac_header_ok(skb, family))
		return XFRM_ACCEL_DROP_TX_MALFORMED;

	xac_reset_cb(skb);

	if (skb_dst(skb) && !xd->external) {
		bundle = xac_cache_find_shared(xd, skb, family->af);
		if (bundle)
			return xac_send(skb, xd, family, bundle);
	}

	return xac_resolve_and_send(skb, xd, family);
}

/* Standard statistics that go with a drop, and the sign to the sender. */
static void xac_tx_failed(struct sk_buff *skb, struct net_device *dev,
			  enum xfrm_accel_drop_reason reason)
{
	switch (reason) {
	case XFRM_ACCEL_DROP_TX_NO_POLICY:
	case XFRM_ACCEL_DROP_TX_POLICY_BLOCK:
	case XFRM_ACCEL_DROP_TX_NO_SA:
	case XFRM_ACCEL_DROP_TX_WRONG_IF_ID:
	case XFRM_ACCEL_DROP_TX_LOOKUP:
		DEV_STATS_INC(dev, tx_carrier_errors);
		dst_link_failure(skb);
		break;
	case XFRM_ACCEL_DROP_TX_NO_ROUTE:
		DEV_STATS_INC(dev, tx_carrier_errors);
		break;
	case XFRM_ACCEL_DROP_TX_LOOP:
		DEV_STATS_INC(dev, collisions);
		break;
	default:
		break;
	}

	DEV_STATS_INC(dev, tx_errors);
	DEV_STATS_INC(dev, tx_dropped);
}

/**
 * xac_start_xmit - ndo_start_xmit of an xfrm interface
 * @skb: an IPv4 or IPv6 packet; consumed
 * @dev: the interface
 *
 * Context: bottom halves off; no queue lock is held and any number of CPUs may
 * be here.
 * Return: always NETDEV_TX_OK: the packet is sent, or dropped and counted.
 */
netdev_tx_t xac_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct xac_dev *xd = netdev_priv(dev);
	int verdict;

	verdict = xac_transmit(skb, xd);
	if (verdict != XAC_NO_DROP) {
		xac_tx_failed(skb, dev, verdict);
		xac_drop(skb, dev, xd->counters, verdict);
	}

	return NETDEV_TX_OK;
}
