// SPDX-License-Identifier: GPL-2.0
/*
 * Receive: whose packet it is, what is forgotten and what is kept, and which
 * policy is asked for.
 */
#include <linux/if_vlan.h>
#include <net/dst_metadata.h>
#include <net/ip.h>

#include "compat/kunit.h"
#include "kunit/fixture.h"

/* --- the callback --- */

static int callback(struct sk_buff *skb, int err)
{
	int ret;

	local_bh_disable();
	ret = xac_receive_cb(skb, err);
	local_bh_enable();

	return ret;
}

/* The callback, with a drop of @reason (or -ENOENT) and @failed rx_errors. */
static void expect_answer(struct kunit *test, struct net_device *dev,
			  struct sk_buff *skb, int err, int answer,
			  int reason, int failed)
{
	struct xk_stats before, after;
	int ret;

	local_bh_disable();
	xk_stats(dev, &before);
	ret = xac_receive_cb(skb, err);
	xk_stats(dev, &after);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, ret, answer);
	KUNIT_EXPECT_EQ(test, xk_only_drop(&before, &after), reason);
	KUNIT_EXPECT_EQ(test, after.dev.rx_errors,
			before.dev.rx_errors + failed);
	KUNIT_EXPECT_EQ(test, after.dev.rx_dropped,
			before.dev.rx_dropped + failed);
}

/*
 * A packet that an SA with @if_id has decrypted, and the SA: the caller frees
 * both.
 */
static struct sk_buff *decrypted_by(struct kunit *test, u32 if_id,
				    struct xfrm_state **x)
{
	struct xk_sa sa = xk_sa_in;
	struct xk_world *w = test->priv;
	struct sk_buff *skb;

	sa.if_id = if_id;
	*x = xk_sa_make(w->net, &sa);
	KUNIT_ASSERT_NOT_NULL(test, *x);
	skb = xk_decrypted(w, *x, xk_skb4(100, false));
	KUNIT_ASSERT_NOT_NULL(test, skb);

	return skb;
}

/* Nobody's: 1 where it might be another handler's, 0 for an error. */
static void without_sa_it_is_nobodys(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct sk_buff *skb = xk_skb4(100, false);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb->dev = w->lower;
	KUNIT_EXPECT_EQ(test, callback(skb, 0), 1);
	KUNIT_EXPECT_EQ(test, callback(skb, -1), 0);
	/* A secpath without an SA in it is none. */
	KUNIT_EXPECT_NOT_NULL(test, secpath_set(skb));
	KUNIT_EXPECT_EQ(test, callback(skb, 0), 1);
	KUNIT_EXPECT_PTR_EQ(test, skb->dev, w->lower);
	kfree_skb(skb);
}

static void without_interface_it_is_nobodys(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x;
	struct sk_buff *skb;

	skb = decrypted_by(test, XK_IF_ID + 1, &x);
	expect_answer(test, w->dev, skb, 0, 1, -ENOENT, 0);
	expect_answer(test, w->dev, skb, -1, 1, -ENOENT, 0);
	KUNIT_EXPECT_PTR_EQ(test, skb->dev, w->lower);
	kfree_skb(skb);
	xk_sa_free(x);

	/* The interface is there, but down. */
	KUNIT_EXPECT_EQ(test, xk_set_up(w->dev, false), 0);
	skb = decrypted_by(test, XK_IF_ID, &x);
	expect_answer(test, w->dev, skb, 0, 1, -ENOENT, 0);
	KUNIT_EXPECT_PTR_EQ(test, skb->dev, w->lower);
	kfree_skb(skb);
	xk_sa_free(x);
}

static void failed_decryption_is_counted(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x;
	struct sk_buff *skb = decrypted_by(test, XK_IF_ID, &x);

	xk_watch(skb);
	expect_answer(test, w->dev, skb, -1, 0, XFRM_ACCEL_DROP_RX_ERROR, 1);
	KUNIT_EXPECT_EQ(test, xk_ended(), 0);
	kfree_skb(skb);
	KUNIT_EXPECT_EQ(test, xk_ended(), 1);
	xk_sa_free(x);
}

/* A packet with everything on it that belongs to the encrypted one. */
static struct sk_buff *laden(struct xk_world *w, struct xfrm_state *x,
			     struct sk_buff *skb)
{
	struct metadata_dst *dst = xac_metadata_alloc(1, 1);

	skb = xk_decrypted(w, x, skb);
	if (!skb || !dst) {
		kfree_skb(skb);
		if (dst)
			dst_release(&dst->dst);
		return NULL;
	}
	__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), 5);
	skb_dst_set(skb, &dst->dst);
	skb->tstamp = 1;
	skb->pkt_type = PACKET_OTHERHOST;
	skb->skb_iif = 3;
	skb->ignore_df = 1;
	skb->mark = 5;

	return skb;
}

static void expect_scrubbed(struct kunit *test, const struct sk_buff *skb)
{
	KUNIT_EXPECT_FALSE(test, skb_vlan_tag_present(skb));
	KUNIT_EXPECT_EQ(test, skb->tstamp, 0);
	KUNIT_EXPECT_TRUE(test, skb->pkt_type == PACKET_HOST);
	KUNIT_EXPECT_EQ(test, skb->skb_iif, 0);
	KUNIT_EXPECT_FALSE(test, skb->ignore_df);
}

static void delivered_and_scrubbed(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = xk_sa_make(w->net, &xk_sa_in);
	struct xk_stats before, after;
	struct sk_buff *skb;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, x);
	skb = laden(w, x, xk_skb4(100, false));
	KUNIT_ASSERT_NOT_NULL(test, skb);
	local_bh_disable();
	xk_stats(w->dev, &before);
	ret = xac_receive_cb(skb, 0);
	xk_stats(w->dev, &after);
	local_bh_enable();

	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_PTR_EQ(test, skb->dev, w->dev);
	KUNIT_EXPECT_EQ(test, xk_only_drop(&before, &after), -ENOENT);
	KUNIT_EXPECT_EQ(test, after.dev.rx_packets, before.dev.rx_packets + 1);
	KUNIT_EXPECT_EQ(test, after.dev.rx_bytes, before.dev.rx_bytes + 100);
	KUNIT_EXPECT_EQ(test, after.dev.rx_errors, before.dev.rx_errors);
	expect_scrubbed(test, skb);
	KUNIT_EXPECT_PTR_EQ(test, skb_dst(skb), NULL);
	/* In the same namespace, mark and SA are still good for something. */
	KUNIT_EXPECT_EQ(test, skb->mark, 5);
	KUNIT_EXPECT_TRUE(test, secpath_exists(skb));
	kfree_skb(skb);
	xk_sa_free(x);
}

/* The last SA of several decides: it was the innermost. */
static void innermost_sa_decides(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *outer, *inner;
	struct sk_buff *skb;
	struct sec_path *sp;

	inner = xk_sa_make(w->net, &xk_sa_in);
	KUNIT_ASSERT_NOT_NULL(test, inner);
	skb = decrypted_by(test, XK_IF_ID + 1, &outer);
	sp = skb_sec_path(skb);
	xfrm_state_hold(inner);
	sp->xvec[sp->len++] = inner;
	KUNIT_EXPECT_EQ(test, callback(skb, 0), 0);
	KUNIT_EXPECT_PTR_EQ(test, skb->dev, w->dev);
	kfree_skb(skb);
	xk_sa_free(outer);
	xk_sa_free(inner);
}

/* --- into another namespace --- */

static void expect_refused_there(struct kunit *test, struct sk_buff *skb,
				 int answer, int reason)
{
	struct xk_world *w = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	expect_answer(test, w->dev, skb, 0, answer, reason, 1);
	/* The core calls again with the error: not to be counted twice. */
	expect_answer(test, w->dev, skb, -1, 0, -ENOENT, 0);
	kfree_skb(skb);
}

static void into_another_namespace(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct net *other = xk_other_net();
	struct sk_buff *skb;
	struct xfrm_state *x;

	if (!other)
		kunit_skip(test, "needs a second network namespace");
	KUNIT_EXPECT_EQ(test, xk_move(w->dev, other), 0);
	KUNIT_EXPECT_EQ(test, xk_set_up(w->dev, true), 0);
	x = xk_sa_make(w->net, &xk_sa_in);
	if (!x)
		goto back;

	/* Without a policy where the SA lives, nothing passes. */
	expect_refused_there(test, laden(w, x, xk_skb4(100, false)), -EPERM,
			     XFRM_ACCEL_DROP_RX_POLICY);

	/* One SA carries both families; each needs its own policy. */
	KUNIT_EXPECT_EQ(test, xk_allow_in(w, AF_INET), 0);
	expect_refused_there(test, laden(w, x, xk_skb6(100)), -EPERM,
			     XFRM_ACCEL_DROP_RX_POLICY);
	KUNIT_EXPECT_EQ(test, xk_allow_in(w, AF_INET6), 0);
	skb = laden(w, x, xk_skb6(100));
	KUNIT_EXPECT_EQ(test, callback(skb, 0), 0);
	kfree_skb(skb);

	skb = laden(w, x, xk_skb4(100, false));
	if (skb) {
		xk_watch(skb);
		expect_answer(test, w->dev, skb, 0, 0, -ENOENT, 0);
		KUNIT_EXPECT_PTR_EQ(test, skb->dev, w->dev);
		expect_scrubbed(test, skb);
		KUNIT_EXPECT_EQ(test, skb->mark, 0);
		KUNIT_EXPECT_FALSE(test, secpath_exists(skb));
		/* Its socket, had it one, knows that it is gone. */
		KUNIT_EXPECT_EQ(test, xk_ended(), 1);
		kfree_skb(skb);
	}

	/* An SA that does not carry the other family. */
	memset(&x->inner_mode_iaf, 0, sizeof(x->inner_mode_iaf));
	expect_refused_there(test, laden(w, x, xk_skb6(100)), -EINVAL,
			     XFRM_ACCEL_DROP_RX_MODE);

	xk_sa_free(x);
back:
	KUNIT_EXPECT_EQ(test, xk_move(w->dev, w->net), 0);
	put_net(other);
}

/* --- external --- */

static void external_learns_if_id_and_link(struct kunit *test)
{
	struct xk_link link = { .name = "xkext", .external = true };
	struct xk_sa sa = xk_sa_in;
	struct xk_world *w = test->priv;
	struct xfrm_md_info *info;
	struct net_device *dev;
	struct xfrm_state *x;
	struct sk_buff *skb;

	sa.if_id = 4711;
	KUNIT_ASSERT_EQ(test, xk_dev_make(w, &link, 0x0a090001, &dev), 0);
	x = xk_sa_make(w->net, &sa);
	skb = x ? laden(w, x, xk_skb4(100, false)) : NULL;
	if (!skb) {
		KUNIT_FAIL(test, "no packet");
		goto out;
	}
	expect_answer(test, dev, skb, 0, 0, -ENOENT, 0);
	KUNIT_EXPECT_PTR_EQ(test, skb->dev, dev);
	expect_scrubbed(test, skb);
	info = skb_xfrm_md_info(skb);
	KUNIT_EXPECT_NOT_NULL(test, info);
	if (info) {
		KUNIT_EXPECT_EQ(test, info->if_id, 4711);
		KUNIT_EXPECT_EQ(test, info->link, w->lower->ifindex);
	}
	kfree_skb(skb);

	if (xk_can_fail()) {
		skb = laden(w, x, xk_skb4(100, false));
		xk_fail_nth(1);
		expect_answer(test, dev, skb, 0, -ENOMEM,
			      XFRM_ACCEL_DROP_RX_NOMEM, 1);
		KUNIT_EXPECT_TRUE(test, xk_has_failed());
		kfree_skb(skb);
	}
out:
	if (x)
		xk_sa_free(x);
	xk_unregister(dev);
}

/* --- which policy is asked for --- */

static bool session(struct sk_buff *skb,
		    struct xfrm_if_decode_session_result *res)
{
	bool ours;

	memset(res, 0, sizeof(*res));
	rcu_read_lock();
	ours = xac_decode_session_cb(skb, AF_INET, res);
	rcu_read_unlock();

	return ours;
}

static void session_of_an_interface(struct kunit *test)
{
	struct xfrm_if_decode_session_result res;
	struct xk_world *w = test->priv;
	struct xfrm_state *x;
	struct sk_buff *skb = decrypted_by(test, XK_IF_ID + 1, &x);

	memset(skb->cb, 0, sizeof(skb->cb));

	/* The device decides, not the SA: its policy will refuse that SA. */
	skb->dev = w->dev;
	KUNIT_EXPECT_TRUE(test, session(skb, &res));
	KUNIT_EXPECT_EQ(test, res.if_id, XK_IF_ID);
	KUNIT_EXPECT_PTR_EQ(test, res.net, w->net);

	/* On other devices we have no say. */
	skb->dev = w->lower;
	KUNIT_EXPECT_FALSE(test, session(skb, &res));

	/* A VRF makes the device its own and remembers ours. */
	IPCB(skb)->flags = IPSKB_L3SLAVE;
	IPCB(skb)->iif = w->dev->ifindex;
	KUNIT_EXPECT_TRUE(test, session(skb, &res));
	KUNIT_EXPECT_EQ(test, res.if_id, XK_IF_ID);
	IPCB(skb)->iif = INT_MAX;
	KUNIT_EXPECT_FALSE(test, session(skb, &res));
	memset(skb->cb, 0, sizeof(skb->cb));

	skb->dev = NULL;
	KUNIT_EXPECT_FALSE(test, session(skb, &res));
	skb->dev = w->dev;
	KUNIT_EXPECT_EQ(test, xk_set_up(w->dev, false), 0);
	KUNIT_EXPECT_FALSE(test, session(skb, &res));
	KUNIT_EXPECT_EQ(test, xk_set_up(w->dev, true), 0);

	secpath_reset(skb);
	KUNIT_EXPECT_FALSE(test, session(skb, &res));
	kfree_skb(skb);
	xk_sa_free(x);
}

static void session_of_an_external_one(struct kunit *test)
{
	struct xk_link link = { .name = "xkext", .external = true };
	struct xfrm_if_decode_session_result res;
	struct xk_world *w = test->priv;
	struct net_device *dev;
	struct xfrm_state *x;
	struct sk_buff *skb = decrypted_by(test, 4711, &x);

	KUNIT_ASSERT_EQ(test, xk_dev_make(w, &link, 0x0a090001, &dev), 0);
	memset(skb->cb, 0, sizeof(skb->cb));
	skb->dev = dev;
	KUNIT_EXPECT_TRUE(test, session(skb, &res));
	KUNIT_EXPECT_EQ(test, res.if_id, 4711);
	KUNIT_EXPECT_PTR_EQ(test, res.net, w->net);
	kfree_skb(skb);
	xk_unregister(dev);
	xk_sa_free(x);
}

static struct kunit_case receive_cases[] = {
	KUNIT_CASE(without_sa_it_is_nobodys),
	KUNIT_CASE(without_interface_it_is_nobodys),
	KUNIT_CASE(failed_decryption_is_counted),
	KUNIT_CASE(delivered_and_scrubbed),
	KUNIT_CASE(innermost_sa_decides),
	KUNIT_CASE(into_another_namespace),
	KUNIT_CASE(external_learns_if_id_and_link),
	KUNIT_CASE(session_of_an_interface),
	KUNIT_CASE(session_of_an_external_one),
	{}
};

struct kunit_suite xac_receive_suite = {
	.name = "xac_receive",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = receive_cases,
};
