/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_IFACE_BUNDLE_CACHE_H
#define _XAC_IFACE_BUNDLE_CACHE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/dst.h>
#include <net/flow.h>

struct net;
struct sk_buff;
struct xac_bundle;
struct xac_bundle_slots;
struct xac_dev;
struct xac_table;

/**
 * DOC: The bundle cache
 *
 * A bundle is what the core makes of a flow on its way out: policy, SAs and
 * routes, as a chain of dst entries. To make one costs more than half of what
 * a small packet costs. The cache remembers it, so that the next packet of the
 * flow finds it.
 *
 * What makes a bundle wrong is told by a generation: the sum of two counters,
 * one of the interface and one of the namespace its SAs live in, which only
 * grow. Whatever may change the answer of xfrm_lookup_with_ifid() and leaves
 * dst_check() content grows one of them, after it has changed (bundle_events.c).
 * A bundle is remembered with the generation read before it was looked up, and
 * good as long as that is the present one and dst_check() agrees.
 *
 * Two kinds of entries. Where one output policy serves all of an interface's
 * flows of a family, and nothing in it depends on the flow, one bundle serves
 * all packets that have the same route, mark and DSCP: see bundle_sharing.c,
 * which finds that out. Otherwise each flow has an entry of its own, in a
 * table of bounded size, from its second packet on.
 *
 * Policies without if_id concern an interface's packets as well: the core looks
 * for them when it routes or forwards a packet. Where a namespace has none for
 * IPv4 and allows what no policy forbids, an IPv4 route whose bundle is found
 * here is marked as the core marks those out of a device with disable_xfrm
 * (DST_NOXFRM): it saves that lookup. The core makes all IPv4 routes anew when
 * a policy is added or the default changes, and so does bundle_events.c when it
 * is told of such a policy, for those that were marked in between. The routes
 * of IPv6 outlive that, and are not marked.
 *
 * Locking: none. Each CPU has its own slots, which it fills with bottom halves
 * off; any CPU empties them. An entry never changes; a slot is filled and
 * emptied by xchg() or cmpxchg(), and who takes an entry out of its slot frees
 * it, after a grace period. Filling and growing a generation meet as in
 * Dekker's algorithm: who fills a slot looks at the generation afterwards, who
 * grows it looks at the slots afterwards, so that one of them sees the other.
 */

/**
 * struct xac_trial - what the judge finds out about an interface
 * @generation: the one that the finding is about
 * @policies: output policies, by family
 * @selective: an SA is for some of the flows only
 * @under_way: the walk counts this interface
 */
struct xac_trial {
	u32 generation;
	unsigned int policies[2];
	bool selective;
	bool under_way;
};

/**
 * struct xac_cache - an interface's bundles
 * @slots: where they are
 * @used: how many there are, on all CPUs
 * @generation: the interface's share of the generation
 * @shared: the generation for which one bundle serves all flows, by family
 * @exempt: the generation for which policies without if_id need no lookup
 * @judged: the generation that the judge has looked at last
 * @trial: his notes; under xac_judge.lock
 * @asking: in xac_judge.asking, waiting for him; under xac_judge.lock
 */
struct xac_cache {
	struct xac_bundle_slots __percpu *slots;
	atomic_t used;
	atomic_t generation;
	u32 shared[2];
	u32 exempt;
	u32 judged;
	struct xac_trial trial;
	struct list_head asking;
};

/**
 * struct xac_judge - finds out which interfaces may share one bundle
 * @lock: for @asking and each interface's trial; bottom halves off
 * @asking: the interfaces to look at
 * @exempts: there may be interfaces with a valid xac_cache.exempt
 * @plain: there is an output policy of IPv4 without if_id
 * @work: does it
 * @delay: jiffies to collect questions before he looks
 */
struct xac_judge {
	spinlock_t lock;	/* asking, trials */
	struct list_head asking;
	bool exempts;
	bool plain;
	struct delayed_work work;
	unsigned long delay;
};

/**
 * struct xac_cache_net - what the bundle caches of a namespace share
 * @used: bundles remembered by all interfaces
 * @generation: the namespace's share of the generation
 * @judge: see there
 */
struct xac_cache_net {
	atomic_t used;
	atomic_t generation;
	struct xac_judge judge;
};

/* bundle_cache.c */
int xac_cache_init(struct xac_dev *xd);
void xac_cache_free(struct xac_dev *xd);
u32 xac_cache_generation(const struct xac_dev *xd);
struct dst_entry *xac_cache_find_shared(struct xac_dev *xd,
					const struct sk_buff *skb,
					unsigned short family);
struct dst_entry *xac_cache_find_flow(struct xac_dev *xd,
				      const struct dst_entry *route,
				      const struct flowi *fl,
				      unsigned short family, u32 if_id);
void xac_cache_add(struct xac_dev *xd, u32 generation, struct dst_entry *bundle,
		   const struct flowi *fl, unsigned short family, u32 if_id);
void xac_cache_empty(struct xac_dev *xd);
void xac_cache_forget(struct xac_dev *xd);
void xac_cache_forget_all(struct xac_table *table);
void xac_cache_exempt(struct xac_dev *xd, struct dst_entry *route);
void xac_cache_unexempt(struct xac_table *table, struct net *net);

/* bundle_sharing.c */
void xac_judge_init(struct xac_judge *judge);
void xac_judge_exit(struct xac_judge *judge);
void xac_judge_ask(struct xac_dev *xd, u32 generation);
void xac_judge_withdraw(struct xac_dev *xd);

/* bundle_events.c */
int xac_bundle_events_register(void);
void xac_bundle_events_unregister(void);

#endif /* _XAC_IFACE_BUNDLE_CACHE_H */
