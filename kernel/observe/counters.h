/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_OBSERVE_COUNTERS_H
#define _XAC_OBSERVE_COUNTERS_H

#include <linux/netdevice.h>
#include <linux/u64_stats_sync.h>
#include <linux/xfrm_accel.h>

/**
 * DOC: Drop counters
 *
 * One set per interface, one copy per CPU. A writer runs with bottom halves
 * off (transmit and receive both do), so that a copy has one writer at a
 * time; readers sum over the CPUs from process context.
 */

/**
 * enum xac_lookup - what a packet's policies are looked up for
 * @XAC_LOOKUP_OUT: to send it: policy, SA and routes
 * @XAC_LOOKUP_FORWARD: to forward it, from or to the interface: route and
 *	policies
 * @XAC_LOOKUP_MAX: how many there are
 */
enum xac_lookup {
	XAC_LOOKUP_OUT,
	XAC_LOOKUP_FORWARD,
	XAC_LOOKUP_MAX
};

/**
 * struct xac_counters - one CPU's share of an interface's drop counters
 * @drop: packets, indexed by enum xfrm_accel_drop_reason
 * @lookups: how often what is remembered did not serve, by enum xac_lookup
 * @syncp: makes 64-bit reads whole on 32-bit machines
 */
struct xac_counters {
	u64_stats_t drop[__XFRM_ACCEL_DROP_MAX];
	u64_stats_t lookups[XAC_LOOKUP_MAX];
	struct u64_stats_sync syncp;
};

/* What xac_counters_read() gives: a number for each drop reason, and lookups. */
#define XAC_LOOKUPS	__XFRM_ACCEL_DROP_MAX
#define XAC_COUNTERS	(XAC_LOOKUPS + XAC_LOOKUP_MAX)

struct xac_counters __percpu *xac_counters_alloc(void);
void xac_count_drop(const struct net_device *dev,
		    struct xac_counters __percpu *counters,
		    const struct sk_buff *skb,
		    enum xfrm_accel_drop_reason reason);
void xac_drop(struct sk_buff *skb, const struct net_device *dev,
	      struct xac_counters __percpu *counters,
	      enum xfrm_accel_drop_reason reason);
void xac_count_lookup(struct xac_counters __percpu *counters,
		      enum xac_lookup what);
void xac_counters_read(struct xac_counters __percpu *counters, u64 *sum);
const char *xac_drop_name(unsigned int reason);

#endif /* _XAC_OBSERVE_COUNTERS_H */
