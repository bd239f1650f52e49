// SPDX-License-Identifier: GPL-2.0
/*
 * Drop counters and the one place where a packet is discarded.
 */
#include <linux/skbuff.h>

#include "observe/counters.h"
#include "observe/trace.h"

static const char * const xac_drop_names[] = XFRM_ACCEL_DROP_NAMES;

/*
 * The kernel's own drop reason that comes nearest, for drop_monitor,
 * perf and bpftrace users who watch skb:kfree_skb.
 */
static const enum skb_drop_reason xac_core_reasons[] = {
	[XFRM_ACCEL_DROP_TX_NOT_IP]	  = SKB_DROP_REASON_UNHANDLED_PROTO,
	[XFRM_ACCEL_DROP_TX_MALFORMED]	  = SKB_DROP_REASON_HDR_TRUNC,
	[XFRM_ACCEL_DROP_TX_NO_ROUTE]	  = SKB_DROP_REASON_IP_OUTNOROUTES,
	[XFRM_ACCEL_DROP_TX_NO_METADATA]  = SKB_DROP_REASON_DEV_HDR,
	[XFRM_ACCEL_DROP_TX_NO_POLICY]	  = SKB_DROP_REASON_XFRM_POLICY,
	[XFRM_ACCEL_DROP_TX_POLICY_BLOCK] = SKB_DROP_REASON_XFRM_POLICY,
	[XFRM_ACCEL_DROP_TX_NO_SA]	  = SKB_DROP_REASON_XFRM_POLICY,
	[XFRM_ACCEL_DROP_TX_WRONG_IF_ID]  = SKB_DROP_REASON_XFRM_POLICY,
	[XFRM_ACCEL_DROP_TX_LOOKUP]	  = SKB_DROP_REASON_IP_OUTNOROUTES,
	[XFRM_ACCEL_DROP_TX_LOOP]	  = SKB_DROP_REASON_IP_OUTNOROUTES,
	[XFRM_ACCEL_DROP_TX_TOO_BIG]	  = SKB_DROP_REASON_PKT_TOO_BIG,
	[XFRM_ACCEL_DROP_TX_OUTPUT]	  = SKB_DROP_REASON_NOT_SPECIFIED,
	[XFRM_ACCEL_DROP_RX_ERROR]	  = SKB_DROP_REASON_NOT_SPECIFIED,
	[XFRM_ACCEL_DROP_RX_POLICY]	  = SKB_DROP_REASON_XFRM_POLICY,
	[XFRM_ACCEL_DROP_RX_MODE]	  = SKB_DROP_REASON_UNHANDLED_PROTO,
	[XFRM_ACCEL_DROP_RX_NOMEM]	  = SKB_DROP_REASON_NOMEM,
};

static_assert(ARRAY_SIZE(xac_drop_names) == __XFRM_ACCEL_DROP_MAX);
static_assert(ARRAY_SIZE(xac_core_reasons) == __XFRM_ACCEL_DROP_MAX);

/**
 * xac_counters_alloc - allocate an interface's drop counters, all zero
 *
 * Context: process context, may sleep.
 * Return: the per-CPU counters, to be freed with free_percpu(), or NULL.
 */
struct xac_counters __percpu *xac_counters_alloc(void)
{
	return netdev_alloc_pcpu_stats(struct xac_counters);
}

/**
 * xac_count_drop - count and trace a drop, without freeing the packet
 * @dev: the xfrm interface that discards
 * @counters: that interface's counters
 * @skb: the packet, for the tracepoint; may be NULL where it is gone already
 * @reason: why
 *
 * For the places where the kernel frees the packet itself after our error.
 *
 * Context: bottom halves off. The packet stays the caller's.
 */
void xac_count_drop(const struct net_device *dev,
		    struct xac_counters __percpu *counters,
		    const struct sk_buff *skb,
		    enum xfrm_accel_drop_reason reason)
{
	struct xac_counters *cpu = this_cpu_ptr(counters);

	u64_stats_update_begin(&cpu->syncp);
	u64_stats_inc(&cpu->drop[reason]);
	u64_stats_update_end(&cpu->syncp);

	trace_xfrm_accel_drop(dev, skb, reason);
}

/**
 * xac_drop - discard a packet: count, trace, free
 * @skb: the packet; consumed
 * @dev: the xfrm interface that discards
 * @counters: that interface's counters
 * @reason: why
 *
 * Context: bottom halves off.
 */
void xac_drop(struct sk_buff *skb, const struct net_device *dev,
	      struct xac_counters __percpu *counters,
	      enum xfrm_accel_drop_reason reason)
{
	xac_count_drop(dev, counters, skb, reason);
	kfree_skb_reason(skb, xac_core_reasons[reason]);
}

/**
 * xac_count_lookup - count that policies are looked up for a packet
 * @counters: the interface's counters
 * @what: for what
 *
 * Context: bottom halves off.
 */
void xac_count_lookup(struct xac_counters __percpu *counters,
		      enum xac_lookup what)
{
	struct xac_counters *cpu = this_cpu_ptr(counters);

	u64_stats_update_begin(&cpu->syncp);
	u64_stats_inc(&cpu->lookups[what]);
	u64_stats_update_end(&cpu->syncp);
}

/**
 * xac_counters_read - sum an interface's counters over all CPUs
 * @counters: the interface's counters
 * @sum: filled with XAC_COUNTERS numbers
 *
 * Context: any.
 */
void xac_counters_read(struct xac_counters __percpu *counters, u64 *sum)
{
	u64 share[XAC_COUNTERS];
	unsigned int start, i;
	int cpu;

	memset(sum, 0, XAC_COUNTERS * sizeof(*sum));

	for_each_possible_cpu(cpu) {
		const struct xac_counters *c = per_cpu_ptr(counters, cpu);

		do {
			start = u64_stats_fetch_begin(&c->syncp);
			for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++)
				share[i] = u64_stats_read(&c->drop[i]);
			for (i = 0; i < XAC_LOOKUP_MAX; i++)
				share[XAC_LOOKUPS + i] =
					u64_stats_read(&c->lookups[i]);
		} while (u64_stats_fetch_retry(&c->syncp, start));

		for (i = 0; i < XAC_COUNTERS; i++)
			sum[i] += share[i];
	}
}

/**
 * xac_drop_name - the name of a drop reason, as in the uapi header
 * @reason: its number
 *
 * Return: the name, or "unknown" for a number that is no reason.
 */
const char *xac_drop_name(unsigned int reason)
{
	if (reason >= ARRAY_SIZE(xac_drop_names))
		return "unknown";

	return xac_drop_names[reason];
}
