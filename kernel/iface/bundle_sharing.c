// SPDX-License-Identifier: GPL-2.0
/*
 * The judge: which interfaces may serve all their flows with one bundle? And
 * which may do without the lookup of policies that have no if_id?
 *
 * The former are those with exactly one output policy of a family, if no SA with their if_id
 * is for some flows only. The core has no index for that question, so all
 * policies and SAs of the namespace are looked at once for all the interfaces
 * that ask, in a work item. Until the answer is there each flow has its own
 * entry. The answer is for a generation: whatever might change it grows that.
 */
#include <linux/rcupdate.h>
#include <linux/workqueue.h>
#include <net/xfrm.h>

#include "iface/bundle_cache.h"
#include "iface/iface.h"

/* The judge collects questions for so long at least, and works 1 % at most. */
#define XAC_JUDGE_DELAY		msecs_to_jiffies(20)
#define XAC_JUDGE_REST		100

static struct xac_table *xac_judge_table(struct xac_judge *judge)
{
	return container_of(judge, struct xac_table, cache.judge);
}

/* Under RCU. NULL where nobody asks about this if_id. */
static struct xac_trial *xac_trial_of(struct xac_table *table, u32 if_id)
{
	struct xac_dev *xd = xac_table_lookup(table, if_id);

	if (!xd || !READ_ONCE(xd->cache.trial.under_way))
		return NULL;

	return &xd->cache.trial;
}

static int xac_try_policy(struct xfrm_policy *policy, int dir, int seq,
			  void *p)
{
	struct xac_table *table = p;
	struct xac_trial *trial;

	if (dir != XFRM_POLICY_OUT)
		return 0;

	if (!policy->if_id && policy->family == AF_INET)
		table->cache.judge.plain = true;

	trial = xac_trial_of(table, policy->if_id);
	if (trial)
		trial->policies[policy->family == AF_INET6]++;

	return 0;
}

static bool xac_selects_some(const struct xfrm_selector *sel)
{
	return sel->prefixlen_d || sel->prefixlen_s || sel->proto ||
	       sel->sport_mask || sel->dport_mask || sel->ifindex;
}

static int xac_try_state(struct xfrm_state *x, int seq, void *table)
{
	struct xac_trial *trial;

	if (!x->sel.family || !xac_selects_some(&x->sel))
		return 0;

	trial = xac_trial_of(table, x->if_id);
	if (trial)
		trial->selective = true;

	return 0;
}

static void xac_walk(struct xac_table *table, struct net *net)
{
	struct xfrm_policy_walk policies;
	struct xfrm_state_walk states;

	xfrm_policy_walk_init(&policies, XFRM_POLICY_TYPE_ANY);
	xfrm_policy_walk(net, &policies, xac_try_policy, table);
	xfrm_policy_walk_done(&policies, net);

	xfrm_state_walk_init(&states, 0, NULL);
	xfrm_state_walk(net, &states, xac_try_state, table);
	xfrm_state_walk_done(&states, net);
}

/* Return: the namespace of those who ask, or NULL: nobody does. */
static struct net *xac_trials_begin(struct xac_judge *judge)
{
	struct xac_cache *cache;
	struct net *net = NULL;

	spin_lock_bh(&judge->lock);
	list_for_each_entry(cache, &judge->asking, asking) {
		struct xac_dev *xd = container_of(cache, struct xac_dev, cache);

		net = xd->net;
		cache->trial = (struct xac_trial) {
			.generation = xac_cache_generation(xd),
			.under_way = true,
		};
	}
	spin_unlock_bh(&judge->lock);

	return net;
}

static void xac_verdict(const struct xac_judge *judge, struct xac_cache *cache)
{
	const struct xac_trial *trial = &cache->trial;
	bool better = !judge->plain;
	int i;

	if (!judge->plain)
		WRITE_ONCE(cache->exempt, trial->generation);

	for (i = 0; i < ARRAY_SIZE(cache->shared); i++) {
		if (trial->policies[i] == 1 && !trial->selective) {
			WRITE_ONCE(cache->shared[i], trial->generation);
			better = true;
		}
	}

	WRITE_ONCE(cache->judged, trial->generation);

	/* Flows would keep to the entries they have. */
	if (better)
		xac_cache_empty(container_of(cache, struct xac_dev, cache));
}

static void xac_trials_end(struct xac_judge *judge)
{
	struct xac_cache *cache, *next;

	spin_lock_bh(&judge->lock);
	list_for_each_entry_safe(cache, next, &judge->asking, asking) {
		/* Who has come meanwhile waits for the next session. */
		if (!cache->trial.under_way)
			continue;
		xac_verdict(judge, cache);
		cache->trial.under_way = false;
		list_del_init(&cache->asking);
	}
	if (!list_empty(&judge->asking))
		schedule_delayed_work(&judge->work, judge->delay);
	spin_unlock_bh(&judge->lock);
}

static void xac_judge_work(struct work_struct *work)
{
	struct xac_judge *judge = container_of(to_delayed_work(work),
					       struct xac_judge, work);
	struct xac_table *table = xac_judge_table(judge);
	bool exempted = judge->exempts;
	unsigned long begin = jiffies;
	struct net *net;

	net = xac_trials_begin(judge);
	if (!net)
		return;

	/* Before the walk: what that does not see will be told and heard. */
	judge->plain = false;
	WRITE_ONCE(judge->exempts, true);

	/* Interfaces may go meanwhile, but none is freed. */
	rcu_read_lock();
	xac_walk(table, net);
	rcu_read_unlock();

	if (judge->plain) {
		/* Perhaps we were faster than who tells of this policy. */
		if (exempted)
			xac_cache_unexempt(table, net);
		WRITE_ONCE(judge->exempts, false);
	}

	judge->delay = max(XAC_JUDGE_DELAY, XAC_JUDGE_REST * (jiffies - begin));
	xac_trials_end(judge);
}

/**
 * xac_judge_init - a namespace gets its judge
 * @judge: to be initialised
 */
void xac_judge_init(struct xac_judge *judge)
{
	spin_lock_init(&judge->lock);
	INIT_LIST_HEAD(&judge->asking);
	INIT_DELAYED_WORK(&judge->work, xac_judge_work);
	judge->delay = XAC_JUDGE_DELAY;
}

/**
 * xac_judge_exit - a namespace without interfaces needs none any more
 * @judge: nobody asks it again
 *
 * Context: process context, may sleep.
 */
void xac_judge_exit(struct xac_judge *judge)
{
	cancel_delayed_work_sync(&judge->work);
}

/**
 * xac_judge_ask - have it found out whether an interface may share bundles
 * @xd: the interface, not an external one
 * @generation: the one that the question is about
 *
 * The answer is in xac_cache.shared, later.
 *
 * Context: bottom halves off.
 */
void xac_judge_ask(struct xac_dev *xd, u32 generation)
{
	struct xac_judge *judge = &xd->table->cache.judge;

	/* Without the lock: who asks already need not ask again. */
	if (!list_empty_careful(&xd->cache.asking))
		return;

	spin_lock_bh(&judge->lock);
	if (list_empty(&xd->cache.asking)) {
		list_add_tail(&xd->cache.asking, &judge->asking);
		schedule_delayed_work(&judge->work, judge->delay);
	}
	spin_unlock_bh(&judge->lock);
}

/**
 * xac_judge_withdraw - an interface goes, and asks no more
 * @xd: the interface; it sends nothing any more
 */
void xac_judge_withdraw(struct xac_dev *xd)
{
	struct xac_judge *judge = &xd->table->cache.judge;

	spin_lock_bh(&judge->lock);
	list_del_init(&xd->cache.asking);
	spin_unlock_bh(&judge->lock);
}
