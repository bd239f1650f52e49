// SPDX-License-Identifier: GPL-2.0
/*
 * espnic: its table of SAs, and what becomes of packets when an SA, memory or
 * the other end of the wire is not there.
 */
#include <linux/etherdevice.h>
#include <linux/if_ether.h>
#include <net/esp.h>
#include <net/sch_generic.h>

#include "compat/kunit.h"
#include "esp/layout.h"
#include "kunit/fixture_esp.h"
#include "nic/nic.h"

#define OTHER4	0xc0000203u	/* 192.0.2.3 */

/* Two espnics, each other's wire, up; dev[0] has the SAs. */
struct nics {
	struct xk_world w;
	struct net_device *dev[2];
	struct xac_nic *nic;
};

static void nics_free(struct nics *n)
{
	xk_unregister(n->dev[1]);
	xk_unregister(n->dev[0]);
	kfree(n);
}

static int nics_make(struct nics *n)
{
	static const char * const names[] = { "xknic0", "xknic1" };
	unsigned int i;
	int err;

	n->w.net = &init_net;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		err = xk_nic_new(n->w.net, names[i],
				 i ? n->dev[0]->ifindex : 0);
		if (err)
			return err;
		n->dev[i] = xk_dev_by_name(n->w.net, names[i]);
		if (!n->dev[i])
			return -ENODEV;
		err = xk_set_up(n->dev[i], true);
		if (err)
			return err;
	}
	n->nic = netdev_priv(n->dev[0]);
	n->w.lower = n->dev[0];

	return 0;
}

static int nics_init(struct kunit *test)
{
	struct nics *n = kzalloc(sizeof(*n), GFP_KERNEL);
	int err;

	test->priv = NULL;
	if (!n)
		return -ENOMEM;
	err = nics_make(n);
	if (err) {
		kunit_err(test, "no espnic to test with: %d\n", err);
		nics_free(n);
		return err;
	}
	xk_ended();
	test->priv = n;

	return 0;
}

static void nics_exit(struct kunit *test)
{
	if (test->priv)
		nics_free(test->priv);
}

/* As "offload dev ... dir in|out" does. */
static int offload(struct nics *n, struct xfrm_state *x, bool in)
{
	struct xfrm_user_offload xuo = {
		.ifindex = n->dev[0]->ifindex,
		.flags = in ? XFRM_OFFLOAD_INBOUND : 0,
	};

	return xfrm_dev_state_add(n->w.net, x, &xuo, NULL);
}

static struct xfrm_state *sa_of_nic(struct nics *n, const struct xk_sa *sa,
				    int *err)
{
	struct xfrm_state *x = xk_sa_make(n->w.net, sa);

	*err = x ? offload(n, x, sa->in) : -ENOMEM;

	return x;
}

static void sa_gone(struct xfrm_state *x)
{
	if (!x)
		return;
	xfrm_dev_state_delete(x);
	xk_sa_free(x);
}

static u64 counted(const struct xac_nic *nic, enum xac_nic_count what)
{
	unsigned int cpu;
	u64 n = 0;

	for_each_possible_cpu(cpu)
		n += u64_stats_read(&per_cpu_ptr(nic->counts, cpu)->count[what]);

	return n;
}

/* The SA that a received packet would be decrypted by; no reference. */
static struct xfrm_state *found(struct nics *n, const void *daddr, u32 spi,
				unsigned short family)
{
	struct xfrm_state *x;

	local_bh_disable();
	rcu_read_lock();
	x = xac_nic_sa_find(n->nic, daddr, htonl(spi), family);
	rcu_read_unlock();
	local_bh_enable();
	if (x)
		xfrm_state_put(x);

	return x;
}

static bool has(struct nics *n, const struct xfrm_state *x)
{
	bool ret;

	rcu_read_lock();
	ret = xac_nic_has_sa(n->nic, x);
	rcu_read_unlock();

	return ret;
}

static const struct xk_sa sa_in = {
	.family = AF_INET,
	.mode = XFRM_MODE_TUNNEL,
	.in = true,
	.spi = XK_SPI_IN,
};

static const struct xk_sa sa_out = {
	.family = AF_INET,
	.mode = XFRM_MODE_TUNNEL,
	.spi = XK_SPI_OUT,
};

/* --- the table --- */

static void full_table_refuses(struct kunit *test)
{
	struct nics *n = test->priv;
	struct xfrm_state *x[3];
	struct xk_sa sa = sa_in;
	int i, err;

	n->nic->sa_max = 2;
	for (i = 0; i < 3; i++) {
		sa.spi = XK_SPI_IN + i;
		x[i] = sa_of_nic(n, &sa, &err);
		KUNIT_EXPECT_NOT_NULL(test, x[i]);
		KUNIT_EXPECT_EQ(test, err, i < 2 ? 0 : -ENOSPC);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&n->nic->sa_count), 2);
	sa_gone(x[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&n->nic->sa_count), 1);
	KUNIT_EXPECT_EQ(test, offload(n, x[2], true), 0);
	sa_gone(x[1]);
	sa_gone(x[2]);
	KUNIT_EXPECT_EQ(test, atomic_read(&n->nic->sa_count), 0);
}

/* The SA that was found last comes to mind first, but not past a change. */
static void last_is_forgotten(struct kunit *test)
{
	static const __be32 to4 = htonl(XK_OUT4_A);
	struct nics *n = test->priv;
	struct xfrm_state *x[3];
	struct xk_sa sa = sa_in;
	int i, err;
	s64 epoch;

	for (i = 0; i < 2; i++) {
		x[i] = sa_of_nic(n, &sa, &err);
		KUNIT_ASSERT_NOT_NULL(test, x[i]);
		KUNIT_EXPECT_EQ(test, err, 0);
		/* Of two that are alike the new one counts. */
		KUNIT_EXPECT_PTR_EQ(test, x[i], found(n, &to4, XK_SPI_IN, AF_INET));
		KUNIT_EXPECT_PTR_EQ(test, x[i], found(n, &to4, XK_SPI_IN, AF_INET));
	}
	sa.spi++;
	x[2] = sa_of_nic(n, &sa, &err);
	KUNIT_ASSERT_NOT_NULL(test, x[2]);
	KUNIT_EXPECT_PTR_EQ(test, x[2], found(n, &to4, XK_SPI_IN + 1, AF_INET));
	KUNIT_EXPECT_PTR_EQ(test, x[1], found(n, &to4, XK_SPI_IN, AF_INET));

	/* Only with a sanitizer is it seen that memory is used which is free. */
	epoch = atomic64_read(&n->nic->epoch);
	sa_gone(x[1]);
	KUNIT_EXPECT_GT(test, (s64)atomic64_read(&n->nic->epoch), epoch);
	rcu_barrier();
	KUNIT_EXPECT_PTR_EQ(test, x[0], found(n, &to4, XK_SPI_IN, AF_INET));
	xac_nic_sa_lose(n->nic, htonl(XK_SPI_IN));
	KUNIT_EXPECT_NULL(test, found(n, &to4, XK_SPI_IN, AF_INET));
	sa_gone(x[0]);
	sa_gone(x[2]);
	rcu_barrier();
	KUNIT_EXPECT_NULL(test, found(n, &to4, XK_SPI_IN, AF_INET));
	KUNIT_EXPECT_NULL(test, found(n, &to4, XK_SPI_IN + 1, AF_INET));
}

static void told_to_refuse(struct kunit *test)
{
	struct nics *n = test->priv;
	struct xfrm_state *x;
	int err;

	n->nic->faults.refuse = ESPNIC_REFUSE_ERROR;
	x = sa_of_nic(n, &sa_in, &err);
	KUNIT_EXPECT_EQ(test, err, -EIO);
	n->nic->faults.refuse = ESPNIC_REFUSE_UNSUPPORTED;
	KUNIT_EXPECT_EQ(test, offload(n, x, true), 0);
	KUNIT_EXPECT_TRUE(test, !x->xso.dev);
	KUNIT_EXPECT_EQ(test, atomic_read(&n->nic->sa_count), 0);
	xk_sa_free(x);
}

static void one_spi_of_many(struct kunit *test)
{
	static const __be32 ours = cpu_to_be32(XK_OUT4_A);
	static const __be32 other = cpu_to_be32(OTHER4);
	struct nics *n = test->priv;
	struct xfrm_state *x4, *x6, *xo, *out;
	struct xk_sa sa = sa_in;
	int err;

	x4 = sa_of_nic(n, &sa, &err);
	KUNIT_EXPECT_EQ(test, err, 0);
	sa.family = AF_INET6;
	x6 = sa_of_nic(n, &sa, &err);
	KUNIT_EXPECT_EQ(test, err, 0);
	sa = sa_in;
	sa.daddr = OTHER4;
	xo = sa_of_nic(n, &sa, &err);
	KUNIT_EXPECT_EQ(test, err, 0);
	/* To send by; a packet received must not be decrypted by it. */
	sa = sa_out;
	sa.spi = XK_SPI_IN;
	out = sa_of_nic(n, &sa, &err);
	KUNIT_EXPECT_EQ(test, err, 0);

	KUNIT_EXPECT_PTR_EQ(test, found(n, &ours, XK_SPI_IN, AF_INET), x4);
	KUNIT_EXPECT_PTR_EQ(test, found(n, &xk_out6_a, XK_SPI_IN, AF_INET6),
			    x6);
	KUNIT_EXPECT_PTR_EQ(test, found(n, &other, XK_SPI_IN, AF_INET), xo);
	KUNIT_EXPECT_TRUE(test, !found(n, &ours, XK_SPI_OUT, AF_INET));
	KUNIT_EXPECT_TRUE(test, !found(n, &out->id.daddr, XK_SPI_IN, AF_INET));
	KUNIT_EXPECT_TRUE(test, has(n, out));

	/* A packet may come before the SA is gone everywhere. */
	x4->km.state = XFRM_STATE_DEAD;
	KUNIT_EXPECT_TRUE(test, !found(n, &ours, XK_SPI_IN, AF_INET));
	sa_gone(x4);
	sa_gone(x6);
	sa_gone(xo);
	sa_gone(out);
}

static void replaced_while_it_is_there(struct kunit *test)
{
	static const __be32 ours = cpu_to_be32(XK_OUT4_A);
	struct nics *n = test->priv;
	struct xfrm_state *old, *new;
	int err;

	old = sa_of_nic(n, &sa_in, &err);
	KUNIT_EXPECT_EQ(test, err, 0);
	new = sa_of_nic(n, &sa_in, &err);
	KUNIT_EXPECT_EQ(test, err, 0);
	old->km.state = XFRM_STATE_DEAD;
	KUNIT_EXPECT_PTR_EQ(test, found(n, &ours, XK_SPI_IN, AF_INET), new);
	sa_gone(old);
	KUNIT_EXPECT_PTR_EQ(test, found(n, &ours, XK_SPI_IN, AF_INET), new);
	sa_gone(new);
}

static void lost_ones_are_forgotten(struct kunit *test)
{
	static const __be32 ours = cpu_to_be32(XK_OUT4_A);
	struct nics *n = test->priv;
	struct xfrm_state *in, *out;
	int err;

	in = sa_of_nic(n, &sa_in, &err);
	KUNIT_EXPECT_EQ(test, err, 0);
	out = sa_of_nic(n, &sa_out, &err);
	KUNIT_EXPECT_EQ(test, err, 0);

	xac_nic_sa_lose(n->nic, htonl(XK_SPI_OUT));
	KUNIT_EXPECT_TRUE(test, !has(n, out));
	KUNIT_EXPECT_PTR_EQ(test, found(n, &ours, XK_SPI_IN, AF_INET), in);
	xac_nic_sa_lose(n->nic, htonl(XK_SPI_IN));
	KUNIT_EXPECT_TRUE(test, !found(n, &ours, XK_SPI_IN, AF_INET));
	KUNIT_EXPECT_EQ(test, atomic_read(&n->nic->sa_count), 2);
	sa_gone(in);
	sa_gone(out);
	KUNIT_EXPECT_EQ(test, atomic_read(&n->nic->sa_count), 0);
}

/* The handle of a bond's SA is whatever the slave before has left there. */
static void handle_of_another_driver(struct kunit *test)
{
	struct nics *n = test->priv;
	struct xfrm_state *x = xk_sa_make(n->w.net, &sa_out);
	unsigned long handle;

	KUNIT_ASSERT_NOT_NULL(test, x);
	x->xso.dev = n->dev[1];
	x->xso.offload_handle = 0x80000001;
	KUNIT_EXPECT_TRUE(test, !has(n, x));
	x->xso.offload_handle = 0;
	x->xso.dev = NULL;

	KUNIT_EXPECT_EQ(test, offload(n, x, false), 0);
	KUNIT_EXPECT_TRUE(test, has(n, x));
	x->xso.dev = n->dev[1];
	KUNIT_EXPECT_TRUE(test, has(n, x));
	handle = x->xso.offload_handle;
	x->xso.offload_handle = 0x80000001;
	KUNIT_EXPECT_TRUE(test, has(n, x));
	x->xso.offload_handle = handle;
	x->xso.dev = n->dev[0];
	sa_gone(x);
}

static void no_memory_for_an_sa(struct kunit *test)
{
	struct nics *n = test->priv;
	struct xfrm_state *x;
	int nth, err;

	if (!xk_can_fail())
		kunit_skip(test, "allocations cannot fail in this kernel");

	x = xk_sa_make(n->w.net, &sa_in);
	KUNIT_ASSERT_NOT_NULL(test, x);
	/* The first is the core's own, to keep track of the device. */
	for (nth = 2; nth < 20; nth++) {
		xk_fail_nth(nth);
		err = offload(n, x, true);
		if (!xk_has_failed())
			break;
		/* The table does without what it only would have liked. */
		if (err) {
			KUNIT_EXPECT_EQ(test, err, -ENOMEM);
			KUNIT_EXPECT_TRUE(test, !x->xso.dev);
			KUNIT_EXPECT_EQ(test, atomic_read(&n->nic->sa_count),
					0);
			continue;
		}
		KUNIT_EXPECT_EQ(test, atomic_read(&n->nic->sa_count), 1);
		break;
	}
	KUNIT_EXPECT_GT(test, nth, 2);
	KUNIT_EXPECT_EQ(test, err, 0);
	sa_gone(x);
}

/* --- numbers --- */

static void upper_half_is_that_of_the_number(struct kunit *test)
{
	static const struct {
		u32 next_hi, next, low;
		u64 want;
	} cases[] = {
		{ 0, 7, 7, 7 },
		{ 2, 7, 7, 0x200000007 },
		/* The next number stands behind the end of the lower half. */
		{ 3, 0, U32_MAX, 0x2ffffffff },
		{ 3, 5, 0xfffffff0, 0x2fffffff0 },
		{ 3, 5, 2, 0x300000002 },
	};
	struct sk_buff *skb = xk_skb4(100, true);
	struct xfrm_offload xo = {};
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_set_transport_header(skb, sizeof(struct iphdr));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ip_esp_hdr(skb)->seq_no = htonl(cases[i].low);
		xo.seq.low = cases[i].next;
		xo.seq.hi = cases[i].next_hi;
		KUNIT_EXPECT_EQ(test, xac_nic_seq(skb, &xo), cases[i].want);
	}
	kfree_skb(skb);
}

/* --- sending --- */

/* A frame that is to be encrypted for @x, or as good as. */
static struct sk_buff *frame(struct nics *n, struct xfrm_state *x, u32 flags)
{
	struct sk_buff *skb = xk_skb4(100, true);
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
	sp->olen++;
	xfrm_offload(skb)->flags = flags;
	skb->dev = n->dev[0];
	skb_set_transport_header(skb, sizeof(struct iphdr));
	skb_push(skb, ETH_HLEN);
	skb_reset_mac_header(skb);
	xk_watch(skb);

	return skb;
}

static void start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	rcu_read_lock_bh();
	xac_nic_start_xmit(skb, dev);
	rcu_read_unlock_bh();
}

static void what_is_not_to_be_sent(struct kunit *test)
{
	struct nics *n = test->priv;
	struct xfrm_state *x;
	struct sk_buff *skb;
	u64 was;
	int err;

	x = sa_of_nic(n, &sa_out, &err);
	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_EXPECT_EQ(test, err, 0);

	was = counted(n->nic, XAC_NIC_TX_UNFINISHED);
	skb = frame(n, x, 0);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	start_xmit(skb, n->dev[0]);
	KUNIT_EXPECT_EQ(test, counted(n->nic, XAC_NIC_TX_UNFINISHED), was + 1);

	xac_nic_sa_lose(n->nic, htonl(XK_SPI_OUT));
	was = counted(n->nic, XAC_NIC_TX_NO_SA);
	skb = frame(n, x, XFRM_XMIT);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	start_xmit(skb, n->dev[0]);
	KUNIT_EXPECT_EQ(test, counted(n->nic, XAC_NIC_TX_NO_SA), was + 1);

	xk_settle();
	KUNIT_EXPECT_EQ(test, xk_ended(), 2);
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
	sa_gone(x);
}

/*
 * In plaintext a train goes only to where it is encrypted at once: not to a peer,
 * not into a queue, not while the kernel would send it as it is, and not if it has
 * no bytes that could be counted.
 */
static void trains_that_are_cut(struct kunit *test)
{
	static const struct xk_train t = {
		.family = AF_INET,
		.proto = IPPROTO_TCP,
		.payload = 3000,
		.size = 1000,
	};
	struct nics *n = test->priv;
	struct netdev_queue *txq = netdev_get_tx_queue(n->dev[1], 0);
	typeof(*txq->qdisc) queue = {}, *was;
	struct sk_buff *skb = xk_skb4(100, true);
	struct sk_buff *train = xk_train(&t);
	struct xac_nic *nic = n->nic;
	struct sk_buff_head *behind;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_NOT_NULL(test, train);
	skb_set_inner_transport_header(train, skb_transport_offset(train));
	local_bh_disable();
	rcu_read_lock();
	behind = &this_cpu_ptr(&softnet_data)->xfrm_backlog;
	KUNIT_EXPECT_NULL(test, xac_nic_whole_by(nic, train));
	RCU_INIT_POINTER(nic->lower, n->dev[1]);
	KUNIT_EXPECT_PTR_EQ(test, xac_nic_whole_by(nic, train), n->dev[1]);

	__skb_queue_tail(behind, skb);
	KUNIT_EXPECT_NULL(test, xac_nic_whole_by(nic, train));
	__skb_unlink(skb, behind);
	nic->faults.reorder = 10;
	KUNIT_EXPECT_NULL(test, xac_nic_whole_by(nic, train));
	nic->faults.reorder = 0;
	was = rcu_dereference_bh(txq->qdisc);
	/* Nobody calls it. */
	queue.enqueue = (void *)trains_that_are_cut;
	RCU_INIT_POINTER(txq->qdisc, &queue);
	KUNIT_EXPECT_NULL(test, xac_nic_whole_by(nic, train));
	RCU_INIT_POINTER(txq->qdisc, was);
	skb_shinfo(train)->gso_size = GSO_BY_FRAGS;
	KUNIT_EXPECT_NULL(test, xac_nic_whole_by(nic, train));
	skb_shinfo(train)->gso_size = t.size;
	KUNIT_EXPECT_PTR_EQ(test, xac_nic_whole_by(nic, train), n->dev[1]);

	RCU_INIT_POINTER(nic->lower, NULL);
	rcu_read_unlock();
	local_bh_enable();
	kfree_skb(skb);
	kfree_skb(train);
}

static void without_a_wire(struct kunit *test)
{
	struct nics *n = test->priv;
	struct rtnl_link_stats64 stats;
	struct sk_buff *skb;

	xk_unregister(n->dev[1]);
	n->dev[1] = NULL;
	KUNIT_EXPECT_FALSE(test, netif_carrier_ok(n->dev[0]));

	skb = xk_skb4(100, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb->dev = n->dev[0];
	skb_push(skb, ETH_HLEN);
	skb_reset_mac_header(skb);
	xk_watch(skb);
	start_xmit(skb, n->dev[0]);
	KUNIT_EXPECT_EQ(test, xk_ended(), 1);
	dev_get_stats(n->dev[0], &stats);
	KUNIT_EXPECT_EQ(test, stats.tx_carrier_errors, 1);
	KUNIT_EXPECT_EQ(test, stats.tx_dropped, 1);
}

static struct kunit_case nic_cases[] = {
	KUNIT_CASE(full_table_refuses),
	KUNIT_CASE(last_is_forgotten),
	KUNIT_CASE(told_to_refuse),
	KUNIT_CASE(one_spi_of_many),
	KUNIT_CASE(replaced_while_it_is_there),
	KUNIT_CASE(lost_ones_are_forgotten),
	KUNIT_CASE(handle_of_another_driver),
	KUNIT_CASE(no_memory_for_an_sa),
	KUNIT_CASE(upper_half_is_that_of_the_number),
	KUNIT_CASE(what_is_not_to_be_sent),
	KUNIT_CASE(trains_that_are_cut),
	KUNIT_CASE(without_a_wire),
	{}
};

struct kunit_suite xac_nic_suite = {
	.name = "xac_nic",
	.init = nics_init,
	.exit = nics_exit,
	.test_cases = nic_cases,
};
