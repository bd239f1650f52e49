// SPDX-License-Identifier: GPL-2.0
/*
 * Receive: whose packet it is, what is forgotten and what is kept, which
 * policy is asked for, and decryption that completes later.
 */
#include <crypto/aead.h>
#include <crypto/hash.h>
#include <linux/if_vlan.h>
#include <linux/interrupt.h>
#include <linux/workqueue.h>
#include <net/ah.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/udp.h>

#include "compat/kunit.h"
#include "iface/handlers.h"
#include "kunit/fixture.h"

static const struct xk_sa sa_in = {
	.family = AF_INET,
	.mode = XFRM_MODE_TUNNEL,
	.in = true,
	.spi = XK_SPI_IN,
	.if_id = XK_IF_ID,
};

/* --- the callback --- */

/* A packet that @x has decrypted, as the core hands it to the callback. */
static struct sk_buff *decrypted(struct xk_world *w, struct xfrm_state *x,
				 struct sk_buff *skb)
{
	struct sec_path *sp;

	if (!skb)
		return NULL;

	sp = secpath_set(skb);
	if (!sp) {
		kfree_skb(skb);
		return NULL;
	}
	xfrm_state_hold(x);
	sp->xvec[sp->len++] = x;
	skb->dev = w->lower;
	memset(skb->cb, 0, sizeof(skb->cb));
	XFRM_MODE_SKB_CB(skb)->protocol =
		skb->protocol == htons(ETH_P_IPV6) ? IPPROTO_IPV6 :
						     IPPROTO_IPIP;

	return skb;
}

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
	struct xk_sa other = sa_in;
	struct xk_world *w = test->priv;
	struct xfrm_state *x, *ours;
	struct sk_buff *skb;

	other.if_id = XK_IF_ID + 1;
	x = xk_sa_make(w->net, &other);
	KUNIT_ASSERT_NOT_NULL(test, x);
	skb = decrypted(w, x, xk_skb4(100, false));
	KUNIT_ASSERT_NOT_NULL(test, skb);
	expect_answer(test, w->dev, skb, 0, 1, -ENOENT, 0);
	expect_answer(test, w->dev, skb, -1, 1, -ENOENT, 0);
	KUNIT_EXPECT_PTR_EQ(test, skb->dev, w->lower);
	kfree_skb(skb);
	xk_sa_free(x);

	/* The interface is there, but down. */
	ours = xk_sa_make(w->net, &sa_in);
	KUNIT_ASSERT_NOT_NULL(test, ours);
	KUNIT_EXPECT_EQ(test, xk_set_up(w->dev, false), 0);
	skb = decrypted(w, ours, xk_skb4(100, false));
	KUNIT_ASSERT_NOT_NULL(test, skb);
	expect_answer(test, w->dev, skb, 0, 1, -ENOENT, 0);
	KUNIT_EXPECT_PTR_EQ(test, skb->dev, w->lower);
	kfree_skb(skb);
	xk_sa_free(ours);
}

static void failed_decryption_is_counted(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = xk_sa_make(w->net, &sa_in);
	struct sk_buff *skb;

	KUNIT_ASSERT_NOT_NULL(test, x);
	skb = decrypted(w, x, xk_skb4(100, false));
	KUNIT_ASSERT_NOT_NULL(test, skb);
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

	skb = decrypted(w, x, skb);
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
	struct xfrm_state *x = xk_sa_make(w->net, &sa_in);
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
	struct xk_sa other = sa_in;
	struct xk_world *w = test->priv;
	struct xfrm_state *outer, *inner;
	struct sk_buff *skb;
	struct sec_path *sp;

	other.if_id = XK_IF_ID + 1;
	outer = xk_sa_make(w->net, &other);
	inner = xk_sa_make(w->net, &sa_in);
	KUNIT_ASSERT_NOT_NULL(test, outer);
	KUNIT_ASSERT_NOT_NULL(test, inner);
	skb = decrypted(w, outer, xk_skb4(100, false));
	KUNIT_ASSERT_NOT_NULL(test, skb);
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

static int allow_in(struct xk_world *w, unsigned short inner)
{
	const struct xk_policy policy = {
		.dir = XFRM_POLICY_IN,
		.inner = inner,
		.outer = AF_INET,
		.if_id = XK_IF_ID,
		.action = XFRM_POLICY_ALLOW,
	};

	return xk_policy_add(w->net, &policy);
}

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
	x = xk_sa_make(w->net, &sa_in);
	if (!x)
		goto back;

	/* Without a policy where the SA lives, nothing passes. */
	expect_refused_there(test, laden(w, x, xk_skb4(100, false)), -EPERM,
			     XFRM_ACCEL_DROP_RX_POLICY);

	/* One SA carries both families; each needs its own policy. */
	KUNIT_EXPECT_EQ(test, allow_in(w, AF_INET), 0);
	expect_refused_there(test, laden(w, x, xk_skb6(100)), -EPERM,
			     XFRM_ACCEL_DROP_RX_POLICY);
	KUNIT_EXPECT_EQ(test, allow_in(w, AF_INET6), 0);
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
	struct xk_sa sa = sa_in;
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
	struct xk_sa other = sa_in;
	struct xk_world *w = test->priv;
	struct xfrm_state *x;
	struct sk_buff *skb;

	other.if_id = XK_IF_ID + 1;
	x = xk_sa_make(w->net, &other);
	KUNIT_ASSERT_NOT_NULL(test, x);
	skb = decrypted(w, x, xk_skb4(100, false));
	KUNIT_ASSERT_NOT_NULL(test, skb);
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
	struct xk_sa sa = sa_in;
	struct xk_world *w = test->priv;
	struct net_device *dev;
	struct xfrm_state *x;
	struct sk_buff *skb;

	sa.if_id = 4711;
	x = xk_sa_make(w->net, &sa);
	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_EQ(test, xk_dev_make(w, &link, 0x0a090001, &dev), 0);
	skb = decrypted(w, x, xk_skb4(100, false));
	if (skb) {
		memset(skb->cb, 0, sizeof(skb->cb));
		skb->dev = dev;
		KUNIT_EXPECT_TRUE(test, session(skb, &res));
		KUNIT_EXPECT_EQ(test, res.if_id, 4711);
		KUNIT_EXPECT_PTR_EQ(test, res.net, w->net);
		kfree_skb(skb);
	}
	xk_unregister(dev);
	xk_sa_free(x);
}

/* --- decryption that completes later --- */

/* A cipher of which only the flags matter. */
struct cipher {
	struct crypto_alg alg;
	struct crypto_aead aead;
};

static void cipher_init(struct cipher *c, bool async)
{
	memset(c, 0, sizeof(*c));
	c->alg.cra_flags = async ? CRYPTO_ALG_ASYNC : 0;
	c->aead.base.__crt_alg = &c->alg;
}

struct question {
	struct work_struct work;
	struct tasklet_struct tasklet;
	const struct sk_buff *skb;
	bool async;
};

static void ask_in_work(struct work_struct *work)
{
	struct question *q = container_of(work, struct question, work);

	local_bh_disable();
	q->async = xac_completed_async(q->skb);
	local_bh_enable();
}

static void ask_in_softirq(struct tasklet_struct *tasklet)
{
	struct question *q = from_tasklet(q, tasklet, tasklet);

	q->async = xac_completed_async(q->skb);
}

enum where { HERE, IN_WORK, IN_SOFTIRQ };

static bool async(const struct sk_buff *skb, enum where where)
{
	struct question q = { .skb = skb };

	switch (where) {
	case HERE:
		local_bh_disable();
		q.async = xac_completed_async(skb);
		local_bh_enable();
		break;
	case IN_WORK:
		INIT_WORK_ONSTACK(&q.work, ask_in_work);
		schedule_work(&q.work);
		flush_work(&q.work);
		destroy_work_on_stack(&q.work);
		break;
	case IN_SOFTIRQ:
		tasklet_setup(&q.tasklet, ask_in_softirq);
		tasklet_schedule(&q.tasklet);
		tasklet_kill(&q.tasklet);
		break;
	}

	return q.async;
}

static void late_completion_is_told(struct kunit *test)
{
	static const struct {
		bool cipher_is_async;
		bool gro;
		enum where where;
		bool late;
	} cases[] = {
		{ false, false, HERE,	    false },
		{ false, false, IN_WORK,    false },
		{ false, true,	IN_WORK,    false },
		{ true,	 false, HERE,	    true },
		{ true,	 false, IN_SOFTIRQ, true },
		{ true,	 false, IN_WORK,    true },
		{ true,	 true,	HERE,	    false },
		{ true,	 true,	IN_SOFTIRQ, false },
		{ true,	 true,	IN_WORK,    true },
	};
	struct xk_world *w = test->priv;
	struct xfrm_state *x = xk_sa_make(w->net, &sa_in);
	struct cipher *cipher = kunit_kzalloc(test, sizeof(*cipher),
					      GFP_KERNEL);
	struct crypto_ahash *hash = kunit_kzalloc(test, sizeof(*hash),
						  GFP_KERNEL);
	struct ah_data ah = { .ahash = hash };
	struct sk_buff *skb;
	void *aead;
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_NOT_NULL(test, cipher);
	KUNIT_ASSERT_NOT_NULL(test, hash);
	skb = decrypted(w, x, xk_skb4(100, false));
	KUNIT_ASSERT_NOT_NULL(test, skb);

	aead = x->data;
	x->data = &cipher->aead;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sec_path *sp = skb_sec_path(skb);

		cipher_init(cipher, cases[i].cipher_is_async);
		sp->olen = cases[i].gro;
		sp->ovec[0].flags = 0;
		if (cases[i].gro)
			sp->ovec[0].flags = XFRM_GRO;
		KUNIT_EXPECT_EQ_MSG(test, async(skb, cases[i].where),
				    cases[i].late, "case %zu", i);
	}

	/* AH has a hash, and its private data is something else. */
	skb_sec_path(skb)->olen = 0;
	x->id.proto = IPPROTO_AH;
	x->data = &ah;
	hash->base.__crt_alg = &cipher->alg;
	cipher_init(cipher, true);
	KUNIT_EXPECT_TRUE(test, async(skb, HERE));
	cipher_init(cipher, false);
	KUNIT_EXPECT_FALSE(test, async(skb, HERE));

	/* Of IPComp there is nothing to wait for. */
	x->id.proto = IPPROTO_COMP;
	x->data = NULL;
	KUNIT_EXPECT_FALSE(test, async(skb, HERE));
	x->id.proto = IPPROTO_ESP;
	x->data = aead;
	kfree_skb(skb);
	xk_sa_free(x);
}

/*
 * An ESP of our own: it "decrypts" by cutting the ESP header off, at once or
 * when told to.
 */
static struct sk_buff *parked;
static bool park;
static bool in_handler;

#define ESP_LEN	8

static void cut_esp(struct sk_buff *skb, bool transport)
{
	int ihl = skb_transport_header(skb) - skb_network_header(skb);

	__skb_pull(skb, ESP_LEN);
	if (transport)
		skb_set_transport_header(skb, -ihl);
	else
		skb_reset_transport_header(skb);
}

static int cut_input(struct xfrm_state *x, struct sk_buff *skb)
{
	in_handler = xac_in_own_handler(skb);
	if (park) {
		parked = skb;
		return -EINPROGRESS;
	}
	cut_esp(skb, x->props.mode == XFRM_MODE_TRANSPORT);

	return x->props.mode == XFRM_MODE_TRANSPORT ? IPPROTO_UDP :
						      IPPROTO_IPIP;
}

static const struct xfrm_type cut_type = {
	.proto = IPPROTO_ESP,
	.input = cut_input,
};

/* A UDP datagram to a port that nobody listens on. */
static void put_udp(struct udphdr *udph)
{
	udph->source = htons(9);
	udph->dest = htons(9);
	udph->len = htons(sizeof(*udph));
}

/* From the peer: outer header, ESP, then an IPv4 packet or, bare, UDP. */
static struct sk_buff *encrypted4(struct xk_world *w, bool bare)
{
	unsigned int inner = bare ? 8 : 28;
	struct sk_buff *skb = xk_skb4(20 + ESP_LEN + inner, false);
	struct iphdr *iph;

	if (!skb)
		return NULL;

	iph = ip_hdr(skb);
	iph->protocol = IPPROTO_ESP;
	iph->saddr = htonl(XK_OUT4_B);
	iph->daddr = htonl(XK_OUT4_A);
	ip_send_check(iph);
	*(__be32 *)(iph + 1) = htonl(XK_SPI_IN);
	if (!bare) {
		iph = (void *)(iph + 1) + ESP_LEN;
		iph->version = 4;
		iph->ihl = 5;
		iph->ttl = 64;
		iph->tot_len = htons(inner);
		iph->protocol = IPPROTO_UDP;
		iph->saddr = htonl(XK_IN4_B);
		iph->daddr = htonl(XK_IN4_A);
		ip_send_check(iph);
	}
	put_udp((void *)skb_tail_pointer(skb) - sizeof(struct udphdr));
	skb->dev = w->lower;
	__skb_pull(skb, 20);

	return skb;
}

/* The same over IPv6, always bare. */
static struct sk_buff *encrypted6(struct xk_world *w)
{
	struct sk_buff *skb = xk_skb6(40 + ESP_LEN + sizeof(struct udphdr));
	struct ipv6hdr *iph;
	struct udphdr *udph;

	if (!skb)
		return NULL;

	iph = ipv6_hdr(skb);
	iph->nexthdr = IPPROTO_ESP;
	iph->saddr = xk_out6_b;
	iph->daddr = xk_out6_a;
	*(__be32 *)(iph + 1) = htonl(XK_SPI_IN);
	udph = (void *)(iph + 1) + ESP_LEN;
	put_udp(udph);
	udph->check = csum_ipv6_magic(&iph->saddr, &iph->daddr, sizeof(*udph),
				      IPPROTO_UDP,
				      csum_partial(udph, sizeof(*udph), 0));
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
	IP6CB(skb)->iif = w->lower->ifindex;
	skb->dev = w->lower;
	__skb_pull(skb, 40);

	return skb;
}

/* The route of a packet to us. */
static int route_in(struct xk_world *w, struct sk_buff *skb, bool ipv4)
{
	struct flowi6 fl6 = { .daddr = xk_out6_a };

	if (ipv4)
		return ip_route_input_noref(skb, htonl(XK_OUT4_A),
					    htonl(XK_OUT4_B), 0, w->lower);

	skb_dst_set(skb, ip6_route_output(w->net, NULL, &fl6));

	return skb_dst(skb)->error;
}

/* What the IP layer does with a packet that it has received, up to ESP. */
static bool receive_one(struct xk_world *w, const struct xk_sa *sa)
{
	bool bare = sa->mode == XFRM_MODE_TRANSPORT;
	bool ipv4 = sa->family == AF_INET;
	struct sk_buff *skb = ipv4 ? encrypted4(w, bare) : encrypted6(w);
	int err;

	if (!skb)
		return false;

	xk_watch(skb);
	local_bh_disable();
	rcu_read_lock();
	err = route_in(w, skb, ipv4);
	if (!err)
		xac_input(skb, IPPROTO_ESP, 0, 0, sa->family);
	else
		kfree_skb(skb);
	rcu_read_unlock();
	local_bh_enable();

	return !err;
}

/* Datagrams that came through to UDP and found nobody there. */
static unsigned long arrived(struct net *net)
{
	return snmp_fold_field(net->mib.udp_statistics, UDP_MIB_NOPORTS) +
	       snmp_fold_field(net->mib.udp_stats_in6, UDP_MIB_NOPORTS);
}

static void resume_one(struct xfrm_state *x)
{
	struct sk_buff *skb = parked;
	bool transport = x->props.mode == XFRM_MODE_TRANSPORT;

	parked = NULL;
	if (!skb)
		return;
	local_bh_disable();
	cut_esp(skb, transport);
	xfrm_input_resume(skb, transport ? IPPROTO_UDP : IPPROTO_IPIP);
	local_bh_enable();
}

/* Everything that was handed on has arrived: softirqs and work are done. */
static void settle(void)
{
	flush_scheduled_work();
	local_bh_disable();
	local_bh_enable();
	synchronize_net();
	rcu_barrier();
}

/*
 * Some packets at once, then some later: all arrive and are counted, and no
 * reference on a device is lost or invented.
 */
static void expect_references_kept(struct kunit *test, const struct xk_sa *sa)
{
	struct xk_world *w = test->priv;
	struct cipher *cipher = kunit_kzalloc(test, sizeof(*cipher),
					      GFP_KERNEL);
	const struct xfrm_type *type;
	struct xk_stats before, after;
	unsigned long udp;
	int lower, dev, i;
	struct xfrm_state *x;
	void *aead;

	KUNIT_ASSERT_NOT_NULL(test, cipher);
	x = xk_sa_add(w->net, sa);
	KUNIT_ASSERT_NOT_NULL(test, x);
	type = x->type;
	aead = x->data;
	cipher_init(cipher, true);
	x->type = &cut_type;
	x->data = &cipher->aead;

	/* The first packets fill caches, which hold references. */
	udp = arrived(w->net);
	park = false;
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, receive_one(w, sa));
	KUNIT_EXPECT_TRUE(test, in_handler);
	settle();
	KUNIT_EXPECT_EQ(test, arrived(w->net), udp + 3);

	lower = netdev_refcnt_read(w->lower);
	dev = netdev_refcnt_read(w->dev);
	xk_ended();
	xk_stats(w->dev, &before);
	park = true;
	for (i = 0; i < 5; i++) {
		KUNIT_EXPECT_TRUE(test, receive_one(w, sa));
		KUNIT_EXPECT_NOT_NULL(test, parked);
		KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->lower), lower + 1);
		resume_one(x);
		settle();
	}
	park = false;

	xk_stats(w->dev, &after);
	KUNIT_EXPECT_EQ(test, arrived(w->net), udp + 8);
	KUNIT_EXPECT_EQ(test, xk_ended(), 5);
	/* The answers to the datagrams have no SA to go out with. */
	for (i = XFRM_ACCEL_DROP_RX_ERROR; i <= XFRM_ACCEL_DROP_RX_NOMEM; i++)
		KUNIT_EXPECT_EQ(test, after.drop[i], before.drop[i]);
	KUNIT_EXPECT_EQ(test, after.dev.rx_packets, before.dev.rx_packets + 5);
	KUNIT_EXPECT_EQ(test, after.dev.rx_errors, before.dev.rx_errors);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->lower), lower);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->dev), dev);
	/* Otherwise the devices could not be deleted after a failure. */
	while (netdev_refcnt_read(w->lower) > lower)
		dev_put(w->lower);
	while (netdev_refcnt_read(w->dev) < dev)
		dev_hold(w->dev);

	x->type = type;
	x->data = aead;
	xfrm_state_put(x);
}

static void late_tunnel_packets(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, allow_in(test->priv, AF_INET), 0);
	expect_references_kept(test, &sa_in);
}

static void late_transport_packets(struct kunit *test)
{
	static const unsigned short family[] = { AF_INET, AF_INET6 };
	struct xk_world *w = test->priv;
	struct xk_sa sa = sa_in;
	size_t i;

	sa.mode = XFRM_MODE_TRANSPORT;
	for (i = 0; i < ARRAY_SIZE(family); i++) {
		sa.family = family[i];
		expect_references_kept(test, &sa);
		xk_flush(w->net);
	}
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
	KUNIT_CASE(late_completion_is_told),
	KUNIT_CASE(late_tunnel_packets),
	KUNIT_CASE(late_transport_packets),
	{}
};

struct kunit_suite xac_receive_suite = {
	.name = "xac_receive",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = receive_cases,
};
