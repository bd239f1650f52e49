// SPDX-License-Identifier: GPL-2.0
/*
 * The bundles that an interface remembers: find, add, forget.
 * bundle_cache.h begins with the rules.
 */
#include <linux/jhash.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/dst.h"
#include "compat/xfrm.h"
#include "iface/bundle_cache.h"
#include "iface/iface.h"
#include "iface/seen.h"

/* Shared bundles, by family: one for each route, mark and DSCP in use. */
#define XAC_SHARED_WAYS		4

/* Bundles of single flows: so many sets of so many. */
#define XAC_FLOW_SETS		128
#define XAC_FLOW_WAYS		4

/* What no longer fits a full set of shared bundles is let in so seldom. */
#define XAC_NEWCOMERS		16

/**
 * struct xac_bundle - a remembered bundle
 * @route: the route of the packets it is for; the bundle holds it
 * @dst: the bundle; a reference
 * @policy: the policy it follows; the bundle holds it
 * @generation: for which it was looked up
 * @if_id: of policy and SA
 * @selects_all: the policy selects every packet of its family
 * @exempt: @route needs no lookup of policies without if_id
 * @fl: the flow it was looked up for
 * @rcu: for the end
 */
struct xac_bundle {
	struct dst_entry *route;
	struct dst_entry *dst;
	struct xfrm_policy *policy;
	u32 generation;
	u32 if_id;
	bool selects_all;
	bool exempt;
	struct flowi fl;
	struct rcu_head rcu;
};

/**
 * struct xac_flow_set - bundles of flows with the same hash
 * @ways: the bundles
 * @seen: see xac_seen(): a flow gets one when it comes again
 * @next: the way to give up for it
 */
struct xac_flow_set {
	struct xac_bundle __rcu *ways[XAC_FLOW_WAYS];
	u32 seen[XAC_SEEN];
	u32 next;
};

/**
 * struct xac_bundle_slots - one CPU's bundles
 * @shared: those that serve many flows, by family
 * @flows: XAC_FLOW_SETS sets of those that serve one flow, once there is one
 * @newcomers: shared ones that found no place
 */
struct xac_bundle_slots {
	struct xac_bundle __rcu *shared[2][XAC_SHARED_WAYS];
	struct xac_flow_set *flows;
	unsigned int newcomers;
};

static unsigned int xac_family_index(unsigned short family)
{
	return family == AF_INET6;
}

/**
 * xac_cache_init - make an interface's cache, empty
 * @xd: the interface
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int xac_cache_init(struct xac_dev *xd)
{
	struct xac_cache *cache = &xd->cache;

	/* Nothing has been judged for the first generation. */
	atomic_set(&cache->generation, 1);
	INIT_LIST_HEAD(&cache->asking);

	cache->slots = alloc_percpu(struct xac_bundle_slots);

	return cache->slots ? 0 : -ENOMEM;
}

/**
 * xac_cache_free - free the cache of an interface that nobody uses any more
 * @xd: the interface; xac_cache_forget() was its last call
 */
void xac_cache_free(struct xac_dev *xd)
{
	int cpu;

	for_each_possible_cpu(cpu)
		kfree(per_cpu_ptr(xd->cache.slots, cpu)->flows);

	free_percpu(xd->cache.slots);
}

/**
 * xac_cache_generation - to be read before a bundle is looked up
 * @xd: the interface
 *
 * Both shares only grow, so that their sum is the same only if neither grew.
 */
u32 xac_cache_generation(const struct xac_dev *xd)
{
	u32 of_net = atomic_read_acquire(&xd->table->cache.generation);

	return of_net + atomic_read_acquire(&xd->cache.generation);
}

/* Who has taken an entry out of its slot ends it with this. */
static void xac_bundle_end(struct xac_dev *xd, struct xac_bundle *b)
{
	dst_release(b->dst);
	kfree_rcu(b, rcu);
	atomic_dec(&xd->cache.used);
	atomic_dec(&xd->table->cache.used);
}

static void xac_slot_put(struct xac_dev *xd, struct xac_bundle __rcu **slot,
			 struct xac_bundle *b)
{
	struct xac_bundle *old;

	old = unrcu_pointer(xchg(slot, RCU_INITIALIZER(b)));
	if (old)
		xac_bundle_end(xd, old);
}

/* Takes @b out, unless another has done so. */
static void xac_slot_clear(struct xac_dev *xd, struct xac_bundle __rcu **slot,
			   struct xac_bundle *b)
{
	struct xac_bundle __rcu *expected = RCU_INITIALIZER(b);

	if (cmpxchg(slot, expected, NULL) == expected)
		xac_bundle_end(xd, b);
}

static struct xac_bundle *xac_slot_get(struct xac_bundle __rcu *const *slot)
{
	return rcu_dereference_check(*slot, rcu_read_lock_bh_held());
}

/*
 * The core stamps a policy at each lookup; user space may have it expire when
 * it is not used.
 */
static void xac_policy_used(struct xfrm_policy *policy)
{
	time64_t now = ktime_get_real_seconds();

	if (READ_ONCE(policy->curlft.use_time) != now)
		WRITE_ONCE(policy->curlft.use_time, now);
}

/*
 * The packet got its route before its bundle's generation was found to be the
 * present one. Should the answer change now, all routes of this age expire.
 */
static void xac_exempt_route(const struct xac_dev *xd,
			     struct dst_entry *route)
{
	if (!(route->flags & DST_NOXFRM) &&
	    xd->net->xfrm.policy_default[XFRM_POLICY_OUT] ==
	    XFRM_USERPOLICY_ACCEPT)
		route->flags |= DST_NOXFRM;
}

/*
 * Is the bundle still good? Then a reference on it is taken.
 *
 * dst_check() sees SAs that are gone, policies that were changed, dead routes
 * and learnt MTUs.
 */
static bool xac_bundle_use(const struct xac_dev *xd, const struct xac_bundle *b)
{
	if (b->policy->walk.dead || !dst_hold_safe(b->dst))
		return false;

	if (!dst_check(b->dst, 0)) {
		dst_release(b->dst);
		return false;
	}

	xac_policy_used(b->policy);
	if (b->exempt)
		xac_exempt_route(xd, b->route);

	return true;
}

static u8 xac_dscp(const struct sk_buff *skb, unsigned short family)
{
	return family == AF_INET ? ip_hdr(skb)->tos & ~INET_ECN_MASK : 0;
}

/* A selector without protocol and ports: do the addresses match? */
static bool xac_addresses_match(const struct xfrm_selector *sel,
				const struct sk_buff *skb,
				unsigned short family)
{
	if (family == AF_INET)
		return addr4_match(ip_hdr(skb)->daddr, sel->daddr.a4,
				   sel->prefixlen_d) &&
		       addr4_match(ip_hdr(skb)->saddr, sel->saddr.a4,
				   sel->prefixlen_s);

	return addr_match(&ipv6_hdr(skb)->daddr, &sel->daddr,
			  sel->prefixlen_d) &&
	       addr_match(&ipv6_hdr(skb)->saddr, &sel->saddr,
			  sel->prefixlen_s);
}

/**
 * xac_cache_find_shared - the bundle that serves many flows, this one too
 * @xd: the interface, not an external one
 * @skb: the packet, with a route and a valid IP header
 * @family: AF_INET or AF_INET6, of the packet
 *
 * Context: bottom halves off, which RCU takes for a reader.
 * Return: the bundle, a reference that the caller owns, or NULL: unknown.
 */
struct dst_entry *xac_cache_find_shared(struct xac_dev *xd,
					const struct sk_buff *skb,
					unsigned short family)
{
	struct xac_bundle_slots *slots = this_cpu_ptr(xd->cache.slots);
	const struct dst_entry *route = skb_dst(skb);
	struct xac_bundle __rcu **slot;
	struct dst_entry *dst = NULL;
	struct xac_bundle *b;
	int i;

	slot = slots->shared[xac_family_index(family)];
	for (i = 0; i < XAC_SHARED_WAYS; i++, slot++) {
		b = xac_slot_get(slot);
		if (!b || b->route != route ||
		    b->fl.flowi_mark != skb->mark ||
		    xac_flowi_dscp(&b->fl, family) != xac_dscp(skb, family))
			continue;

		if (b->generation != xac_cache_generation(xd) ||
		    !xac_bundle_use(xd, b)) {
			xac_slot_clear(xd, slot, b);
			continue;
		}

		/* What this policy does not select, none does. */
		if (!b->selects_all &&
		    !xac_addresses_match(&b->policy->selector, skb, family)) {
			dst_release(b->dst);
			break;
		}

		dst = b->dst;
		break;
	}

	return dst;
}

static size_t xac_flowi_size(unsigned short family)
{
	return family == AF_INET ? sizeof(struct flowi4) :
				   sizeof(struct flowi6);
}

/* The part of a flow that tells it from others, ports and the like at last. */
static u32 xac_flow_hash(const struct flowi *fl, unsigned short family)
{
	const struct flowi4 *fl4 = &fl->u.ip4;
	const struct flowi6 *fl6 = &fl->u.ip6;
	u32 h;

	if (family == AF_INET)
		return jhash_3words((__force u32)fl4->saddr,
				    (__force u32)fl4->daddr,
				    (__force u32)fl4->fl4_gre_key,
				    fl->flowi_mark ^ fl->flowi_proto);

	h = jhash2((__force const u32 *)&fl6->daddr,
		   2 * sizeof(fl6->daddr) / sizeof(u32), fl->flowi_mark);

	return jhash_2words((__force u32)fl6->fl6_gre_key, fl->flowi_proto, h);
}

static struct xac_flow_set *xac_flow_set_of(struct xac_flow_set *sets, u32 hash)
{
	return &sets[hash % XAC_FLOW_SETS];
}

/**
 * xac_cache_find_flow - the bundle of a flow
 * @xd: the interface
 * @route: the packet's
 * @fl: its flow, padding zeroed
 * @family: AF_INET or AF_INET6, of the packet
 * @if_id: of policy and SA
 *
 * Context: bottom halves off, which RCU takes for a reader.
 * Return: the bundle, a reference that the caller owns, or NULL: unknown.
 */
struct dst_entry *xac_cache_find_flow(struct xac_dev *xd,
				      const struct dst_entry *route,
				      const struct flowi *fl,
				      unsigned short family, u32 if_id)
{
	struct xac_flow_set *sets = this_cpu_ptr(xd->cache.slots)->flows;
	struct xac_bundle __rcu **slot;
	struct dst_entry *dst = NULL;
	struct xac_bundle *b;
	int i;

	if (!sets)
		return NULL;

	slot = xac_flow_set_of(sets, xac_flow_hash(fl, family))->ways;
	for (i = 0; i < XAC_FLOW_WAYS; i++, slot++) {
		b = xac_slot_get(slot);
		if (!b || b->route != route || b->if_id != if_id ||
		    memcmp(&b->fl, fl, xac_flowi_size(family)))
			continue;

		if (b->generation == xac_cache_generation(xd) &&
		    xac_bundle_use(xd, b))
			dst = b->dst;
		else
			xac_slot_clear(xd, slot, b);
		break;
	}

	return dst;
}

/*
 * Would the next packet of this flow get the same bundle, as far as the
 * generation and dst_check() can tell?
 *
 * Not if a tunnel's local address is chosen anew at each lookup, from the
 * addresses that this host has; not if an SA for any source serves, which a
 * larval one of this very source, made without an event, would hide; not if
 * security labels decide; not if the policy asks the key manager for an SA of
 * this CPU's own, which it does again and again.
 */
static bool xac_may_remember(struct dst_entry *bundle)
{
	const struct xfrm_dst *xdst = (struct xfrm_dst *)bundle;
	const struct xfrm_policy *policy = xdst->pols[0];
	struct dst_entry *dst;
	int i;

	if (xdst->num_pols != 1 || policy->security ||
	    xac_policy_acquires_per_cpu(policy))
		return false;

	for (i = 0; i < policy->xfrm_nr; i++) {
		const struct xfrm_tmpl *tmpl = &policy->xfrm_vec[i];

		if (tmpl->mode != XFRM_MODE_TRANSPORT &&
		    (xfrm_addr_any(&tmpl->saddr, tmpl->encap_family) ||
		     xfrm_addr_any(&tmpl->id.daddr, tmpl->encap_family)))
			return false;
	}

	for (dst = bundle; dst && dst->xfrm; dst = xfrm_dst_child(dst)) {
		const struct xfrm_state *x = dst->xfrm;

		if (x->security ||
		    xfrm_addr_any(&x->props.saddr, x->props.family))
			return false;
	}

	return true;
}

/*
 * Is there nothing in the bundle that depends on the flow? True for a policy
 * whose first step is a tunnel that is always there: everything after it
 * depends on the tunnel's addresses. The judge has said that no other policy
 * or SA is in question.
 */
static bool xac_may_share(const struct xac_dev *xd, const struct dst_entry *bundle,
			  u32 generation, unsigned short family)
{
	const struct xfrm_policy *policy = ((struct xfrm_dst *)bundle)->pols[0];
	const struct xfrm_selector *sel = &policy->selector;
	int i;

	if (xd->external ||
	    READ_ONCE(xd->cache.shared[xac_family_index(family)]) != generation)
		return false;

	if (sel->proto || sel->sport_mask || sel->dport_mask)
		return false;

	for (i = 0; i < policy->xfrm_nr; i++)
		if (policy->xfrm_vec[i].optional)
			return false;

	return bundle->xfrm->outer_mode.flags & XFRM_MODE_FLAG_TUNNEL;
}

static bool xac_bundle_stale(const struct xac_bundle *b, u32 generation)
{
	return b->generation != generation || !dst_check(b->dst, 0);
}

/* A slot whose entry is of no use, or NULL. */
static struct xac_bundle __rcu **xac_free_way(struct xac_bundle __rcu **slot,
					      int ways, u32 generation)
{
	for (; ways; ways--, slot++) {
		const struct xac_bundle *b = xac_slot_get(slot);

		if (!b || xac_bundle_stale(b, generation))
			return slot;
	}

	return NULL;
}

static struct xac_bundle __rcu **
xac_shared_slot(struct xac_bundle_slots *slots, u32 generation,
		unsigned short family)
{
	struct xac_bundle __rcu **ways = slots->shared[xac_family_index(family)];
	struct xac_bundle __rcu **slot;

	slot = xac_free_way(ways, XAC_SHARED_WAYS, generation);
	if (slot || ++slots->newcomers % XAC_NEWCOMERS)
		return slot;

	return &ways[slots->newcomers / XAC_NEWCOMERS % XAC_SHARED_WAYS];
}

static struct xac_flow_set *xac_flow_sets(struct xac_bundle_slots *slots)
{
	struct xac_flow_set *sets;

	if (slots->flows)
		return slots->flows;

	sets = kcalloc(XAC_FLOW_SETS, sizeof(*sets), GFP_ATOMIC | __GFP_NOWARN);

	/*
	 * Whoever empties the slots looks here, too; and where bottom halves
	 * can be preempted, somebody may have been faster.
	 */
	if (sets && cmpxchg(&slots->flows, NULL, sets))
		kfree(sets);

	return READ_ONCE(slots->flows);
}

static struct xac_bundle __rcu **
xac_flow_slot(struct xac_bundle_slots *slots, u32 generation,
	      const struct flowi *fl, unsigned short family)
{
	const u32 hash = xac_flow_hash(fl, family);
	struct xac_bundle __rcu **slot;
	struct xac_flow_set *set;

	set = xac_flow_sets(slots);
	if (!set)
		return NULL;
	set = xac_flow_set_of(set, hash);

	if (!xac_seen(set->seen, hash))
		return NULL;

	slot = xac_free_way(set->ways, XAC_FLOW_WAYS, generation);
	if (slot)
		return slot;

	return &set->ways[set->next++ % XAC_FLOW_WAYS];
}

/* See bundle_cache.h. The route is one of IPv4 and of the namespace judged. */
static bool xac_may_exempt(const struct xac_dev *xd,
			   const struct dst_entry *route, u32 generation)
{
	return READ_ONCE(xd->cache.exempt) == generation &&
	       route->ops->family == AF_INET &&
	       net_eq(dev_net(xac_dst_dev(route)), xd->net);
}

/**
 * xac_cache_exempt - spare a route that packets are forwarded by the lookup of
 * policies without if_id, where there are none
 * @xd: the interface they came in by, not an external one
 * @route: of IPv4; looked up before the call
 *
 * Where that is not known it is found out, for later packets.
 *
 * Context: bottom halves off.
 */
void xac_cache_exempt(struct xac_dev *xd, struct dst_entry *route)
{
	u32 generation = xac_cache_generation(xd);

	if (READ_ONCE(xd->cache.judged) != generation)
		xac_judge_ask(xd, generation);
	else if (xac_may_exempt(xd, route, generation))
		xac_exempt_route(xd, route);
}

static struct xac_bundle *xac_bundle_make(const struct xac_dev *xd,
					  u32 generation, struct dst_entry *dst,
					  const struct flowi *fl,
					  unsigned short family, u32 if_id)
{
	const struct xfrm_dst *xdst = (struct xfrm_dst *)dst;
	const struct xfrm_selector *sel = &xdst->pols[0]->selector;
	struct xac_bundle *b;

	b = kmalloc(sizeof(*b), GFP_ATOMIC | __GFP_NOWARN);
	if (!b)
		return NULL;

	dst_hold(dst);
	b->dst = dst;
	b->route = xdst->route;
	b->policy = xdst->pols[0];
	b->generation = generation;
	b->if_id = if_id;
	b->selects_all = !sel->prefixlen_d && !sel->prefixlen_s;
	b->exempt = xac_may_exempt(xd, b->route, generation);
	memcpy(&b->fl, fl, xac_flowi_size(family));

	return b;
}

/**
 * xac_cache_add - remember a bundle, if that is possible and worth while
 * @xd: the interface
 * @generation: xac_cache_generation() from before the lookup
 * @bundle: what was found; stays the caller's
 * @fl: the flow it was found for, padding zeroed
 * @family: AF_INET or AF_INET6, of the packet
 * @if_id: of policy and SA
 *
 * Context: bottom halves off.
 */
void xac_cache_add(struct xac_dev *xd, u32 generation, struct dst_entry *bundle,
		   const struct flowi *fl, unsigned short family, u32 if_id)
{
	struct xac_bundle_slots *slots = this_cpu_ptr(xd->cache.slots);
	struct xac_bundle __rcu **slot;
	struct xac_bundle *b;

	if (!xac_may_remember(bundle))
		return;

	if (!xd->external && READ_ONCE(xd->cache.judged) != generation)
		xac_judge_ask(xd, generation);

	rcu_read_lock();

	if (xac_may_share(xd, bundle, generation, family))
		slot = xac_shared_slot(slots, generation, family);
	else
		slot = xac_flow_slot(slots, generation, fl, family);
	if (!slot)
		goto unlock;

	b = xac_bundle_make(xd, generation, bundle, fl, family, if_id);
	if (!b)
		goto unlock;

	atomic_inc(&xd->cache.used);
	atomic_inc(&xd->table->cache.used);
	xac_slot_put(xd, slot, b);

	/* Orders after xchg(): whoever grows it from now on finds the entry. */
	if (xac_cache_generation(xd) != generation)
		xac_slot_clear(xd, slot, b);

unlock:
	rcu_read_unlock();
}

/**
 * xac_cache_empty - let go of all that an interface remembers
 * @xd: the interface; RCU, RTNL or the judge keeps it
 *
 * Says nothing about what is being looked up at this time.
 *
 * Context: any.
 */
void xac_cache_empty(struct xac_dev *xd)
{
	int cpu, i;

	if (!atomic_read(&xd->cache.used))
		return;

	for_each_possible_cpu(cpu) {
		struct xac_bundle_slots *slots = per_cpu_ptr(xd->cache.slots, cpu);
		struct xac_flow_set *sets;

		/* Pairs with cmpxchg() in xac_flow_sets(). */
		sets = smp_load_acquire(&slots->flows);

		for (i = 0; i < 2 * XAC_SHARED_WAYS; i++)
			xac_slot_put(xd, &slots->shared[0][0] + i, NULL);

		for (i = 0; sets && i < XAC_FLOW_SETS * XAC_FLOW_WAYS; i++)
			xac_slot_put(xd, &sets[i / XAC_FLOW_WAYS].ways[i % XAC_FLOW_WAYS],
				     NULL);
	}
}

/**
 * xac_cache_forget - nothing that an interface remembers is good any more
 * @xd: the interface; RCU or RTNL keeps it
 *
 * To be called after the change. What it held it has let go on return; the
 * core frees a bundle's SAs and policies after a grace period.
 *
 * Context: any.
 */
void xac_cache_forget(struct xac_dev *xd)
{
	/* Orders before the look at the slots. */
	atomic_inc_return(&xd->cache.generation);
	xac_cache_empty(xd);
}

/**
 * xac_cache_forget_all - the same for all interfaces with SAs in a namespace
 * @table: the namespace's
 *
 * Context: any; takes the RCU lock.
 */
void xac_cache_forget_all(struct xac_table *table)
{
	struct xac_dev *xd;

	atomic_inc_return(&table->cache.generation);
	if (!atomic_read(&table->cache.used))
		return;

	rcu_read_lock();
	list_for_each_entry_rcu(xd, &table->all, siblings)
		xac_cache_empty(xd);
	rcu_read_unlock();
}

/**
 * xac_cache_unexempt - no IPv4 route may do without policies that have no if_id
 * @table: the namespace's
 * @net: the namespace
 *
 * To be called after such a policy was added. Nothing to do where none was
 * exempt.
 *
 * Context: any; takes the RCU lock.
 */
void xac_cache_unexempt(struct xac_table *table, struct net *net)
{
	if (!READ_ONCE(table->cache.judge.exempts))
		return;

	/* First nobody exempts any more, then those that are expire. */
	xac_cache_forget_all(table);
	rt_genid_bump_ipv4(net);
}
