// SPDX-License-Identifier: GPL-2.0
/*
 * The bundle cache: when policy and SA are looked up, and when not; what makes
 * a remembered bundle wrong; that nothing is held longer than it is good.
 */
#include <linux/ip.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "compat/kunit.h"
#include "kunit/fixture.h"

/* What the second interface and its bundles are for. */
#define OTHER_IF_ID	8
#define OTHER4_A	0x0a080001u	/* 10.8.0.1, on it */

/* A flow to the @n-th address behind the tunnel. */
static struct sk_buff *to4(unsigned int n)
{
	struct sk_buff *skb = xk_skb4(100, false);

	if (skb) {
		ip_hdr(skb)->daddr = htonl(XK_IN4_B + n);
		ip_send_check(ip_hdr(skb));
	}

	return skb;
}

static struct dst_entry *route_of(struct net_device *dev,
				  const struct sk_buff *skb)
{
	struct flowi4 fl4 = { .flowi4_oif = dev->ifindex };
	struct flowi6 fl6 = { .flowi6_oif = dev->ifindex };
	struct rtable *rt;

	if (skb->protocol == htons(ETH_P_IPV6)) {
		fl6.daddr = ipv6_hdr(skb)->daddr;
		return ip6_route_output(dev_net(dev), NULL, &fl6);
	}

	fl4.daddr = ip_hdr(skb)->daddr;
	rt = ip_route_output_key(dev_net(dev), &fl4);

	return IS_ERR(rt) ? NULL : &rt->dst;
}

/*
 * Sends a packet that has been routed into the interface.
 *
 * Return: how many lookups it cost, -EIO if it was not sent.
 */
static int lookups_on(struct net_device *dev, struct sk_buff *skb)
{
	struct xk_stats before, after;
	struct dst_entry *route;

	if (!skb)
		return -ENOMEM;

	route = route_of(dev, skb);
	if (!route) {
		kfree_skb(skb);
		return -EHOSTUNREACH;
	}
	skb_dst_set(skb, route);
	xk_transmit(skb, dev, &before, &after);
	if (after.dev.tx_packets != before.dev.tx_packets + 1)
		return -EIO;

	return after.drop[XAC_LOOKUPS] - before.drop[XAC_LOOKUPS];
}

static int lookups(struct kunit *test, struct sk_buff *skb)
{
	struct xk_world *w = test->priv;

	return lookups_on(w->dev, skb);
}

/* The judge has looked at everybody who has asked. */
static void judged(struct xk_world *w)
{
	flush_delayed_work(&w->xd->table->cache.judge.work);
}

static int used(const struct xk_world *w)
{
	return atomic_read(&w->xd->cache.used);
}

/* The interface remembers a bundle that serves all IPv4 flows. */
static void share(struct kunit *test)
{
	struct xk_world *w = test->priv;

	lookups(test, to4(0));
	judged(w);
	lookups(test, to4(0));
	KUNIT_ASSERT_EQ(test, lookups(test, to4(0)), 0);
	KUNIT_ASSERT_EQ(test, lookups(test, to4(9)), 0);
}

/* What the core makes of the first flow; a reference, or an error pointer. */
static struct dst_entry *look_up(struct xk_world *w, struct flowi *fl)
{
	struct sk_buff *skb = to4(0);
	struct dst_entry *route;

	if (!skb)
		return ERR_PTR(-ENOMEM);
	route = route_of(w->dev, skb);
	kfree_skb(skb);
	if (!route)
		return ERR_PTR(-EHOSTUNREACH);

	memset(fl, 0, sizeof(*fl));
	fl->u.ip4.daddr = htonl(XK_IN4_B);
	fl->u.ip4.saddr = htonl(XK_IN4_A);

	return xfrm_lookup_with_ifid(w->net, route, fl, NULL, 0, XK_IF_ID);
}

static int add_policy(struct xk_world *w, u8 action, u32 selects, u32 priority)
{
	const struct xk_policy policy = {
		.dir = XFRM_POLICY_OUT,
		.inner = AF_INET,
		.outer = AF_INET,
		.if_id = XK_IF_ID,
		.action = action,
		.selects = selects,
		.priority = priority,
	};

	return xk_policy_add(w->net, &policy);
}

static const struct xk_sa sa_out = {
	.family = AF_INET,
	.mode = XFRM_MODE_TUNNEL,
	.spi = XK_SPI_OUT + 100,
	.if_id = XK_IF_ID,
};

/* --- what is remembered --- */

static void a_flow_has_its_entry_from_the_second_packet_on(struct kunit *test)
{
	struct xk_world *w = test->priv;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	/* A second policy: no bundle serves all flows. */
	KUNIT_ASSERT_EQ(test, add_policy(w, XFRM_POLICY_ALLOW, XK_IN4_B + 50, 1), 0);

	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 1);
	KUNIT_EXPECT_EQ(test, used(w), 0);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 1);
	KUNIT_EXPECT_EQ(test, used(w), 1);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 0);

	/* IPv6 may share, and so all is forgotten once. */
	judged(w);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 1);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 0);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(1)), 1);
	KUNIT_EXPECT_EQ(test, lookups(test, xk_skb6(100)), 1);
	KUNIT_EXPECT_EQ(test, lookups(test, xk_skb6(100)), 0);
}

/* Some more than can be told apart by their place come in turns. */
static void flows_take_turns(struct kunit *test)
{
	const int flows = 200;
	struct xk_world *w = test->priv;
	int round, known = 0, i;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	KUNIT_ASSERT_EQ(test, add_policy(w, XFRM_POLICY_ALLOW, XK_IN4_B + 250, 1), 0);
	lookups(test, to4(0));
	judged(w);
	for (round = 0; round < 2; round++)
		for (i = 0; i < flows; i++)
			lookups(test, to4(i));
	for (i = 0; i < flows; i++)
		known += !lookups(test, to4(i));
	/* A few share a set with more than there are ways. */
	KUNIT_EXPECT_GE(test, known, flows * 8 / 10);
}

static void one_policy_one_bundle(struct kunit *test)
{
	struct xk_world *w = test->priv;
	unsigned int n;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	share(test);
	for (n = 0; n < 100; n++)
		KUNIT_EXPECT_EQ(test, lookups(test, to4(n)), 0);
	/* The other family has a bundle of its own. */
	KUNIT_EXPECT_EQ(test, lookups(test, xk_skb6(100)), 1);
	KUNIT_EXPECT_EQ(test, lookups(test, xk_skb6(100)), 0);
	KUNIT_EXPECT_EQ(test, used(w), 2);
}

/* Flows that were there before the judge share like those that came later. */
static void older_flows_share_too(struct kunit *test)
{
	struct xk_world *w = test->priv;
	unsigned int n;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	for (n = 0; n < 3; n++) {
		lookups(test, to4(n));
		lookups(test, to4(n));
		KUNIT_EXPECT_EQ(test, lookups(test, to4(n)), 0);
	}
	judged(w);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 1);
	for (n = 0; n < 10; n++)
		KUNIT_EXPECT_EQ(test, lookups(test, to4(n)), 0);
	KUNIT_EXPECT_EQ(test, used(w), 1);
}

static void mark_and_dscp_have_their_own(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_wire *wire = xk_wire_of(w->lower);
	struct sk_buff *skb;
	int i;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	share(test);
	for (i = 1; i >= 0; i--) {
		skb = to4(0);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb->mark = 5;
		KUNIT_EXPECT_EQ(test, lookups(test, skb), i);
		KUNIT_EXPECT_EQ(test, wire->mark, 5);

		skb = to4(0);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		ip_hdr(skb)->tos = 0x40;
		ip_send_check(ip_hdr(skb));
		KUNIT_EXPECT_EQ(test, lookups(test, skb), i);
	}
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 0);
	KUNIT_EXPECT_EQ(test, wire->mark, 0);
}

/* The one policy there is does not select everything. */
static void the_selector_is_obeyed(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_stats before, after;
	struct xfrm_state *x;

	x = xk_sa_add(w->net, &sa_out);
	KUNIT_ASSERT_NOT_NULL(test, x);
	xfrm_state_put(x);
	KUNIT_ASSERT_EQ(test, add_policy(w, XFRM_POLICY_ALLOW, XK_IN4_B, 1), 0);

	lookups(test, to4(0));
	judged(w);
	lookups(test, to4(0));
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 0);

	KUNIT_EXPECT_EQ(test, lookups(test, to4(1)), -EIO);
	xk_stats(w->dev, &before);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(1)), -EIO);
	xk_stats(w->dev, &after);
	KUNIT_EXPECT_EQ(test, xk_only_drop(&before, &after),
			XFRM_ACCEL_DROP_TX_NO_POLICY);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 0);
}

/* An SA that is for some flows only may be newer, and chosen for those. */
static void a_selective_sa_forbids_sharing(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	x = xk_sa_make(w->net, &sa_out);
	KUNIT_ASSERT_NOT_NULL(test, x);
	x->sel.family = AF_INET;
	x->sel.daddr.a4 = htonl(XK_IN4_B + 9);
	x->sel.prefixlen_d = 32;
	KUNIT_ASSERT_EQ(test, xfrm_state_add(x), 0);
	xk_sa_event(x, XFRM_MSG_NEWSA);

	lookups(test, to4(0));
	judged(w);
	lookups(test, to4(0));
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 0);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(9)), 1);
}

static void what_may_change_unseen_is_not_remembered(struct kunit *test)
{
	struct xk_world *w = test->priv;
	const struct xk_policy policy = {
		.dir = XFRM_POLICY_OUT,
		.inner = AF_INET,
		.outer = AF_INET,
		.if_id = XK_IF_ID,
		.action = XFRM_POLICY_ALLOW,
		.any_saddr = true,
	};
	struct xfrm_state *x;
	int i;

	x = xk_sa_add(w->net, &sa_out);
	KUNIT_ASSERT_NOT_NULL(test, x);
	xfrm_state_put(x);
	KUNIT_ASSERT_EQ(test, xk_policy_add(w->net, &policy), 0);

	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 1);
		judged(w);
	}
	KUNIT_EXPECT_EQ(test, used(w), 0);
}

/* However many flows and marks there are, and whichever comes again. */
static void the_number_is_bounded(struct kunit *test)
{
	const unsigned int most = 2 * 4 + 128 * 4;
	struct xk_world *w = test->priv;
	struct sk_buff *skb;
	unsigned int n;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	KUNIT_ASSERT_EQ(test, add_policy(w, XFRM_POLICY_ALLOW, XK_IN4_B + 50, 1), 0);
	for (n = 0; n < 6000; n++) {
		skb = to4(0);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb->mark = n / 2;
		KUNIT_ASSERT_EQ(test, lookups(test, skb), 1);
		if (n % 1000 == 0)
			cond_resched();
	}
	KUNIT_EXPECT_GT(test, used(w), 100);
	KUNIT_EXPECT_LE(test, used(w), most * num_online_cpus());

	xk_flush(w->net);
	KUNIT_EXPECT_EQ(test, used(w), 0);
	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	share(test);
	for (n = 0; n < 1000; n++) {
		skb = to4(0);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb->mark = n;
		KUNIT_ASSERT_GE(test, lookups(test, skb), 0);
	}
	KUNIT_EXPECT_LE(test, used(w), most * num_online_cpus());
}

/* Offers @bundle to the cache. True if the first allocation for it failed. */
static bool add_failing(struct xk_world *w, struct dst_entry *bundle,
			const struct flowi *fl)
{
	u32 generation = xac_cache_generation(w->xd);
	bool failed;

	local_bh_disable();
	xk_fail_nth(1);
	xac_cache_add(w->xd, generation, bundle, fl, AF_INET, XK_IF_ID);
	failed = xk_has_failed();
	local_bh_enable();

	return failed;
}

static void without_memory_nothing_is_remembered(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct dst_entry *bundle;
	struct flowi fl;
	int i;

	if (!xk_can_fail())
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION");

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	bundle = look_up(w, &fl);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(bundle));

	/* No table for flows; then a table, but no entry for this one. */
	KUNIT_EXPECT_TRUE(test, add_failing(w, bundle, &fl));
	KUNIT_EXPECT_EQ(test, used(w), 0);
	lookups(test, to4(9));
	for (i = 0; i < 2; i++)
		lookups(test, to4(8));
	KUNIT_EXPECT_EQ(test, used(w), 1);
	/* Seen for the first time, which needs no memory. */
	KUNIT_EXPECT_FALSE(test, add_failing(w, bundle, &fl));
	KUNIT_EXPECT_TRUE(test, add_failing(w, bundle, &fl));
	KUNIT_EXPECT_EQ(test, used(w), 1);
	dst_release(bundle);
}

/* --- what makes it wrong --- */

static void new_sa(struct xk_world *w)
{
	struct xfrm_state *x = xk_sa_add(w->net, &sa_out);

	if (x)
		xfrm_state_put(x);
}

/* The SA that is in use; a reference. */
static struct xfrm_state *the_sa(struct xk_world *w)
{
	const xfrm_address_t daddr = { .a4 = htonl(XK_OUT4_B) };

	return xfrm_state_lookup(w->net, 0, &daddr, htonl(XK_SPI_OUT),
				 IPPROTO_ESP, AF_INET);
}

static void sa_event(struct xk_world *w, u32 event)
{
	struct xfrm_state *x = the_sa(w);

	if (x) {
		xk_sa_event(x, event);
		xfrm_state_put(x);
	}
}

static void sa_expires(struct xk_world *w)
{
	sa_event(w, XFRM_MSG_EXPIRE);
}

/* An event of which this module knows nothing. */
static void sa_unheard_of(struct xk_world *w)
{
	sa_event(w, XFRM_MSG_MAX);
}

/*
 * An SA is changed in place, after which it has another if_id: the core tells
 * of the request's own SA, which is of no use any more.
 */
static void sa_leaves(struct xk_world *w)
{
	struct xk_sa sa = sa_out;
	struct xfrm_state *x;

	sa.if_id = OTHER_IF_ID;
	x = xk_sa_make(w->net, &sa);
	if (!x)
		return;
	x->km.state = XFRM_STATE_DEAD;
	xk_sa_event(x, XFRM_MSG_UPDSA);
	xfrm_state_put(x);
}

static void sas_flushed(struct xk_world *w)
{
	const struct km_event c = { .event = XFRM_MSG_FLUSHSA, .net = w->net };

	km_state_notify(NULL, &c);
}

static void policies_flushed(struct xk_world *w)
{
	const struct km_event c = { .event = XFRM_MSG_FLUSHPOLICY,
				    .net = w->net };

	km_policy_notify(NULL, 0, &c);
}

static void new_policy(struct xk_world *w)
{
	add_policy(w, XFRM_POLICY_ALLOW, XK_IN4_B + 50, 1);
}

static void other_policy_event(struct xk_world *w)
{
	struct xfrm_policy *policy = xfrm_policy_alloc(w->net, GFP_KERNEL);

	if (!policy)
		return;
	policy->if_id = XK_IF_ID;
	xk_policy_event(policy, XFRM_POLICY_OUT, XFRM_MSG_POLEXPIRE);
	policy->walk.dead = 1;
	xfrm_pol_put(policy);
}

static void other_if_id(struct xk_world *w)
{
	struct xk_link link = {
		.name = "xkipsec",
		.if_id = OTHER_IF_ID,
		.link = w->lower->ifindex,
	};

	xk_link_change(w->net, &link);
	link.if_id = XK_IF_ID;
	xk_link_change(w->net, &link);
}

static void device_goes(struct xk_world *w)
{
	xk_unregister(xk_wire_create(w->net, "xkother", 1500));
}

static const struct change {
	const char *name;
	void (*make)(struct xk_world *w);
} changes[] = {
	{ "a new SA", new_sa },
	{ "an SA expires, softly", sa_expires },
	{ "an SA is changed in place", sa_leaves },
	{ "an SA event unheard of", sa_unheard_of },
	{ "all SAs are flushed", sas_flushed },
	{ "all policies are flushed", policies_flushed },
	{ "a new policy", new_policy },
	{ "a policy expires", other_policy_event },
	{ "the interface gets another if_id", other_if_id },
	{ "a device is unregistered", device_goes },
};

static void describe(const struct change *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(change, changes, describe);

/* What is remembered is let go at once, and the next packet looks anew. */
static void forgets_when(struct kunit *test)
{
	const struct change *change = test->param_value;
	struct xk_world *w = test->priv;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	share(test);
	KUNIT_EXPECT_GT(test, used(w), 0);
	change->make(w);
	KUNIT_EXPECT_EQ(test, used(w), 0);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 1);
}

static void other_if_ids_do_not_matter(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_link link = {
		.name = "xkexternal",
		.external = true,
	};
	struct xk_sa sa = sa_out;
	struct xfrm_state *x;
	u32 generation;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	KUNIT_ASSERT_EQ(test, xk_link_new(w->net, &link), 0);
	share(test);
	generation = xac_cache_generation(netdev_priv(xk_dev_by_name(w->net, link.name)));

	sa.if_id = OTHER_IF_ID;
	x = xk_sa_add(w->net, &sa);
	KUNIT_EXPECT_NOT_NULL(test, x);
	if (x) {
		/* Replay counters of an SA of ours do not either. */
		xfrm_state_put(x);
		sa_event(w, XFRM_MSG_NEWAE);
	}
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 0);

	/* But all if_ids are the external interface's. */
	KUNIT_EXPECT_NE(test, generation,
			xac_cache_generation(netdev_priv(xk_dev_by_name(w->net, link.name))));
	xk_link_del(w->net, link.name);
}

/* The event came while the bundle was being made. */
static void made_before_the_change(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct dst_entry *bundle;
	struct flowi fl;
	u32 generation;
	int i;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	share(test);
	generation = xac_cache_generation(w->xd);
	bundle = look_up(w, &fl);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(bundle));

	sa_event(w, XFRM_MSG_EXPIRE);
	for (i = 0; i < 3; i++) {
		local_bh_disable();
		xac_cache_add(w->xd, generation, bundle, &fl, AF_INET, XK_IF_ID);
		local_bh_enable();
		KUNIT_EXPECT_EQ(test, used(w), 0);
	}
	dst_release(bundle);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 1);
}

/* Nobody tells, but dst_check() sees it. */
static void what_dst_check_sees(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	share(test);
	x = the_sa(w);
	KUNIT_ASSERT_NOT_NULL(test, x);
	x->genid++;
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 1);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 0);

	xfrm_state_delete(x);
	xfrm_state_put(x);
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), -EIO);
}

/* Killed after the bundle was made, so that its genid says nothing. */
static void a_dead_policy(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_policy *policy;
	struct dst_entry *bundle;
	struct flowi fl;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	share(test);
	bundle = look_up(w, &fl);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(bundle));
	policy = ((struct xfrm_dst *)bundle)->pols[0];

	policy->walk.dead = 1;
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 1);
	policy->walk.dead = 0;
	dst_release(bundle);
}

/* User space may have a policy expire that is not used any more. */
static void use_of_the_policy_is_stamped(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_policy *policy;
	struct dst_entry *bundle;
	struct flowi fl;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	share(test);
	bundle = look_up(w, &fl);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(bundle));
	policy = ((struct xfrm_dst *)bundle)->pols[0];

	policy->curlft.use_time = 1;
	KUNIT_EXPECT_EQ(test, lookups(test, to4(0)), 0);
	KUNIT_EXPECT_GT(test, (s64)policy->curlft.use_time, 1);
	dst_release(bundle);
}

/* --- nothing is held --- */

static void the_lower_device_can_go(struct kunit *test)
{
	struct xk_world *w = test->priv;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	share(test);
	/* Waits for references; the kernel complains if one stays. */
	xk_unregister(w->lower);
	w->lower = NULL;
	KUNIT_EXPECT_EQ(test, used(w), 0);
}

static void the_interface_can_go(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xac_table *table = w->xd->table;
	struct xk_link link = {
		.name = "xksecond",
		.if_id = OTHER_IF_ID,
		.link = w->lower->ifindex,
	};
	struct xk_policy policy = {
		.dir = XFRM_POLICY_OUT,
		.inner = AF_INET,
		.outer = AF_INET,
		.if_id = OTHER_IF_ID,
		.action = XFRM_POLICY_ALLOW,
	};
	struct xk_sa sa = sa_out;
	struct net_device *dev;
	struct xfrm_state *x;
	struct sk_buff *skb;
	int i;

	KUNIT_ASSERT_EQ(test, xk_dev_make(w, &link, OTHER4_A, &dev), 0);
	sa.if_id = OTHER_IF_ID;
	x = xk_sa_add(w->net, &sa);
	KUNIT_EXPECT_NOT_NULL(test, x);
	KUNIT_EXPECT_EQ(test, xk_policy_add(w->net, &policy), 0);

	/* It is deleted while it waits for the judge. */
	for (i = 0; i < 2; i++) {
		skb = xk_skb4(100, false);
		if (skb)
			ip_hdr(skb)->daddr = htonl(OTHER4_A + 1);
		KUNIT_EXPECT_EQ(test, lookups_on(dev, skb), 1);
	}
	KUNIT_EXPECT_GT(test, atomic_read(&table->cache.used), 0);
	KUNIT_EXPECT_FALSE(test, list_empty(&table->cache.judge.asking));
	xk_unregister(dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&table->cache.used), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&table->cache.judge.asking));
	judged(w);
	if (x)
		xfrm_state_put(x);
}

static struct kunit_case cache_cases[] = {
	KUNIT_CASE(a_flow_has_its_entry_from_the_second_packet_on),
	KUNIT_CASE(one_policy_one_bundle),
	KUNIT_CASE(older_flows_share_too),
	KUNIT_CASE(flows_take_turns),
	KUNIT_CASE(mark_and_dscp_have_their_own),
	KUNIT_CASE(the_selector_is_obeyed),
	KUNIT_CASE(a_selective_sa_forbids_sharing),
	KUNIT_CASE(what_may_change_unseen_is_not_remembered),
	KUNIT_CASE(the_number_is_bounded),
	KUNIT_CASE(without_memory_nothing_is_remembered),
	KUNIT_CASE_PARAM(forgets_when, change_gen_params),
	KUNIT_CASE(other_if_ids_do_not_matter),
	KUNIT_CASE(made_before_the_change),
	KUNIT_CASE(what_dst_check_sees),
	KUNIT_CASE(a_dead_policy),
	KUNIT_CASE(use_of_the_policy_is_stamped),
	KUNIT_CASE(the_lower_device_can_go),
	KUNIT_CASE(the_interface_can_go),
	{}
};

struct kunit_suite xac_cache_suite = {
	.name = "xac_cache",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = cache_cases,
};
