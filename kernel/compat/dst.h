/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <net/dst.h>, <net/dst_metadata.h>: dst->dev became private to an accessor,
 * and xfrm metadata learned to carry the route that it replaced.
 */
#ifndef _XAC_COMPAT_DST_H
#define _XAC_COMPAT_DST_H

#include <net/dst.h>
#include <net/dst_metadata.h>

#include "xfrm_accel_probes.h"

/**
 * xac_dst_dev - the device a route leaves through
 * @dst: the route, held or under RCU
 */
static inline struct net_device *xac_dst_dev(const struct dst_entry *dst)
{
#ifdef XAC_HAVE_DST_DEV
	return dst_dev(dst);
#else
	return dst->dev;
#endif
}

/**
 * xac_metadata_replace_route - attach metadata that keeps the packet's route
 * @skb: the packet; its route may be none
 * @metadata: a reference, which the packet takes over
 */
static inline void xac_metadata_replace_route(struct sk_buff *skb,
					      struct metadata_dst *metadata)
{
#ifdef XAC_HAVE_MD_DST_ORIG
	skb_dst_force(skb);
	metadata->u.xfrm_info.dst_orig = dst_clone(skb_dst(skb));
#endif
	skb_dst_drop(skb);
	skb_dst_set(skb, &metadata->dst);
}

/**
 * xac_restore_replaced_route - give a packet back the route that xfrm
 * metadata, set by a BPF program, stands in for
 * @skb: the packet
 * @info: its metadata; may be gone after the call
 *
 * Clones and GSO segments of a packet share its metadata, and may be here on
 * several CPUs at once: so the metadata is left as it is, with its reference.
 *
 * Does nothing on kernels whose metadata remembers no route.
 */
static inline void
xac_restore_replaced_route(struct sk_buff *skb,
			   const struct xfrm_md_info *info)
{
#ifdef XAC_HAVE_MD_DST_ORIG
	struct dst_entry *route = info->dst_orig;

	if (!route)
		return;

	dst_hold(route);
	skb_dst_drop(skb);
	skb_dst_set(skb, route);
#endif
}

#endif /* _XAC_COMPAT_DST_H */
