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
 * xac_restore_replaced_route - give a packet back the route that xfrm
 * metadata, set by a BPF program, stands in for
 * @skb: the packet
 * @info: its metadata; gone after the call if the route was put back
 *
 * Does nothing on kernels whose metadata remembers no route.
 */
static inline void xac_restore_replaced_route(struct sk_buff *skb,
					      struct xfrm_md_info *info)
{
#ifdef XAC_HAVE_MD_DST_ORIG
	struct dst_entry *metadata = skb_dst(skb);
	struct dst_entry *route = info->dst_orig;

	if (!route)
		return;

	info->dst_orig = NULL;
	skb_dst_set(skb, route);
	dst_release(metadata);
#endif
}

#endif /* _XAC_COMPAT_DST_H */
