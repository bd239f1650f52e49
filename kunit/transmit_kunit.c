// SPDX-License-Identifier: GPL-2.0
/*
 * Transmit: every drop and what it counts, path MTU, what leaves.
 */
#include <linux/ip.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "compat/kunit.h"
#include "kunit/fixture.h"

/* Addresses of a second interface that has no lower device. */
#define FREE_IF_ID	8
#define FREE4_A		0x0a080001u	/* 10.8.0.1, on it */
#define FREE4_B		0x0a080063u	/* 10.8.0.99, behind it */
#define NOWHERE4	0xcb007101u	/* 203.0.113.1: no route */
#define FORWARDED4	0xc0000209u	/* 192.0.2.9: beyond the lower device */

static const struct in6_addr forwarded6 = { { {
	0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9 } } };

/* --- drops --- */

/* The standard statistics that must grow with a drop. */
enum { PLAIN = 0, CARRIER = 1, COLLISION = 2 };

static void expect_drop_on(struct kunit *test, struct net_device *dev,
			   struct sk_buff *skb, int reason, int also)
{
	struct xk_stats before, after;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	xk_ended();
	xk_watch(skb);
	xk_transmit(skb, dev, &before, &after);

	KUNIT_EXPECT_EQ(test, xk_ended(), 1);
	KUNIT_EXPECT_EQ(test, xk_only_drop(&before, &after), reason);
	KUNIT_EXPECT_EQ(test, after.dev.tx_errors, before.dev.tx_errors + 1);
	KUNIT_EXPECT_EQ(test, after.dev.tx_dropped, before.dev.tx_dropped + 1);
	KUNIT_EXPECT_EQ(test, after.dev.tx_carrier_errors,
			before.dev.tx_carrier_errors + (also == CARRIER));
	KUNIT_EXPECT_EQ(test, after.dev.collisions,
			before.dev.collisions + (also == COLLISION));
	KUNIT_EXPECT_EQ(test, after.dev.tx_packets, before.dev.tx_packets);
	KUNIT_EXPECT_EQ(test, after.dev.tx_bytes, before.dev.tx_bytes);
}

static void expect_drop(struct kunit *test, struct sk_buff *skb, int reason,
			int also)
{
	struct xk_world *w = test->priv;

	expect_drop_on(test, w->dev, skb, reason, also);
}

/* The packet leaves as so many ESP packets, and nothing else is counted. */
static void expect_sent_on(struct kunit *test, struct net_device *dev,
			   struct sk_buff *skb, unsigned int packets)
{
	struct xk_world *w = test->priv;
	struct xk_wire *wire = xk_wire_of(w->lower);
	struct xk_stats before, after;
	unsigned int len;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	len = skb->len;
	wire->esp = 0;
	xk_ended();
	xk_watch(skb);
	xk_transmit(skb, dev, &before, &after);

	KUNIT_EXPECT_EQ(test, xk_ended(), 1);
	KUNIT_EXPECT_EQ(test, wire->esp, packets);
	KUNIT_EXPECT_EQ(test, xk_only_drop(&before, &after), -ENOENT);
	KUNIT_EXPECT_EQ(test, after.dev.tx_errors, before.dev.tx_errors);
	KUNIT_EXPECT_EQ(test, after.dev.tx_dropped, before.dev.tx_dropped);
	KUNIT_EXPECT_EQ(test, after.dev.tx_packets, before.dev.tx_packets + 1);
	KUNIT_EXPECT_EQ(test, after.dev.tx_bytes, before.dev.tx_bytes + len);
}

static void expect_sent(struct kunit *test, struct sk_buff *skb,
			unsigned int packets)
{
	struct xk_world *w = test->priv;

	expect_sent_on(test, w->dev, skb, packets);
}

/* A forwarded packet: what its sender is told passes the lower device. */
static struct sk_buff *from_outside(unsigned short inner, unsigned int len,
				    bool df)
{
	struct sk_buff *skb;

	if (inner == AF_INET6) {
		skb = xk_skb6(len);
		if (skb)
			ipv6_hdr(skb)->saddr = forwarded6;
	} else {
		skb = xk_skb4(len, df);
		if (skb)
			xk_set_saddr4(skb, FORWARDED4);
	}

	return skb;
}

static void not_ip(struct kunit *test)
{
	struct sk_buff *skb = xk_skb4(100, false);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb->protocol = htons(ETH_P_ARP);
	expect_drop(test, skb, XFRM_ACCEL_DROP_TX_NOT_IP, PLAIN);

	skb = xk_skb4(100, false);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb->protocol = 0;
	expect_drop(test, skb, XFRM_ACCEL_DROP_TX_NOT_IP, PLAIN);
}

/* A packet of @protocol whose first byte is @first and that is @len long. */
static struct sk_buff *headed(u16 protocol, u8 first, unsigned int len)
{
	struct sk_buff *skb = xk_skb4(100, false);

	if (skb) {
		skb->protocol = htons(protocol);
		*skb->data = first;
		skb_trim(skb, len);
	}

	return skb;
}

static void malformed(struct kunit *test)
{
	static const struct {
		u16 protocol;
		u8 first;
		unsigned int len;
	} bad[] = {
		{ ETH_P_IP, 0x45, 0 },	{ ETH_P_IP, 0x45, 1 },
		{ ETH_P_IP, 0x45, 19 },	{ ETH_P_IP, 0x65, 100 },
		{ ETH_P_IP, 0x05, 100 }, { ETH_P_IP, 0x44, 100 },
		{ ETH_P_IP, 0x40, 100 }, { ETH_P_IPV6, 0x60, 0 },
		{ ETH_P_IPV6, 0x60, 39 }, { ETH_P_IPV6, 0x45, 100 },
		{ ETH_P_IPV6, 0x00, 100 },
	};
	struct xk_world *w = test->priv;
	size_t i;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		expect_drop(test, headed(bad[i].protocol, bad[i].first,
					 bad[i].len),
			    XFRM_ACCEL_DROP_TX_MALFORMED, PLAIN);
}

static void no_route(struct kunit *test)
{
	struct sk_buff *skb = xk_skb6(100);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	ipv6_hdr(skb)->daddr.s6_addr[5] = 0x99;
	expect_drop(test, skb, XFRM_ACCEL_DROP_TX_NO_ROUTE, CARRIER);
}

/* A received packet borrows its route; that one may have died meanwhile. */
static void dead_route(struct kunit *test)
{
	struct sk_buff *skb = xk_skb4(100, false);
	struct dst_ops ops = { .family = AF_INET };
	struct dst_entry *dst;

	dst = kunit_kzalloc(test, sizeof(*dst), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dst);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	dst_init(dst, &ops, NULL, 0, DST_OBSOLETE_DEAD, DST_NOCOUNT);
	rcu_read_lock();
	skb_dst_set_noref(skb, dst);
	rcu_read_unlock();
	expect_drop(test, skb, XFRM_ACCEL_DROP_TX_NO_ROUTE, CARRIER);
	KUNIT_EXPECT_EQ(test, atomic_read(&dst->__refcnt), 0);
}

static void no_metadata(struct kunit *test)
{
	struct xk_link link = { .name = "xkext", .external = true };
	struct xk_world *w = test->priv;
	struct net_device *dev;
	int err;

	err = xk_dev_make(w, &link, FREE4_A, &dev);
	KUNIT_EXPECT_EQ(test, err, 0);
	if (!err)
		expect_drop_on(test, dev, xk_skb4(100, false),
			       XFRM_ACCEL_DROP_TX_NO_METADATA, PLAIN);
	xk_unregister(dev);
}

static void no_policy(struct kunit *test)
{
	struct xk_policy other = {
		.dir = XFRM_POLICY_OUT,
		.inner = AF_INET,
		.outer = AF_INET,
		.if_id = XK_IF_ID + 1,
		.action = XFRM_POLICY_ALLOW,
	};
	struct xk_world *w = test->priv;

	expect_drop(test, xk_skb4(100, false), XFRM_ACCEL_DROP_TX_NO_POLICY,
		    CARRIER);
	expect_drop(test, from_outside(AF_INET6, 100, true),
		    XFRM_ACCEL_DROP_TX_NO_POLICY, CARRIER);

	/* Those of another if_id, and of none, are not ours. */
	KUNIT_ASSERT_EQ(test, xk_policy_add(w->net, &other), 0);
	other.if_id = 0;
	KUNIT_ASSERT_EQ(test, xk_policy_add(w->net, &other), 0);
	expect_drop(test, xk_skb4(100, false), XFRM_ACCEL_DROP_TX_NO_POLICY,
		    CARRIER);
}

static void policy_block(struct kunit *test)
{
	const struct xk_policy block = {
		.dir = XFRM_POLICY_OUT,
		.inner = AF_INET,
		.if_id = XK_IF_ID,
		.action = XFRM_POLICY_BLOCK,
	};
	struct xk_world *w = test->priv;

	KUNIT_ASSERT_EQ(test, xk_policy_add(w->net, &block), 0);
	expect_drop(test, xk_skb4(100, false), XFRM_ACCEL_DROP_TX_POLICY_BLOCK,
		    CARRIER);
}

static void default_policy_block(struct kunit *test)
{
	struct xk_world *w = test->priv;
	u8 *verdict = &w->net->xfrm.policy_default[XFRM_POLICY_OUT];
	u8 saved = *verdict;

	WRITE_ONCE(*verdict, XFRM_USERPOLICY_BLOCK);
	expect_drop(test, xk_skb4(100, false), XFRM_ACCEL_DROP_TX_POLICY_BLOCK,
		    CARRIER);
	WRITE_ONCE(*verdict, saved);
}

static void no_sa(struct kunit *test)
{
	const struct xk_policy policy = {
		.dir = XFRM_POLICY_OUT,
		.inner = AF_INET,
		.outer = AF_INET,
		.if_id = XK_IF_ID,
		.action = XFRM_POLICY_ALLOW,
	};
	const struct xk_sa other = {
		.family = AF_INET,
		.mode = XFRM_MODE_TUNNEL,
		.spi = XK_SPI_OUT,
		.if_id = XK_IF_ID + 1,
	};
	struct xk_world *w = test->priv;
	struct xfrm_state *x;
	int saved;

	KUNIT_ASSERT_EQ(test, xk_policy_add(w->net, &policy), 0);
	expect_drop(test, xk_skb4(100, false), XFRM_ACCEL_DROP_TX_NO_SA,
		    CARRIER);

	saved = w->net->xfrm.sysctl_larval_drop;
	w->net->xfrm.sysctl_larval_drop = !saved;
	expect_drop(test, xk_skb4(100, false), XFRM_ACCEL_DROP_TX_NO_SA,
		    CARRIER);
	w->net->xfrm.sysctl_larval_drop = saved;

	/* An SA that fits but for its if_id is none. */
	x = xk_sa_add(w->net, &other);
	KUNIT_ASSERT_NOT_NULL(test, x);
	xfrm_state_put(x);
	expect_drop(test, xk_skb4(100, false), XFRM_ACCEL_DROP_TX_NO_SA,
		    CARRIER);
}

/* The route of a packet that policies without if_id have looked at. */
static struct dst_entry *bundle_of_no_if_id(struct net *net)
{
	struct flowi4 fl4 = {
		.daddr = htonl(XK_IN4_B),
		.saddr = htonl(XK_IN4_A),
	};
	struct rtable *rt = __ip_route_output_key(net, &fl4);

	if (IS_ERR(rt))
		return ERR_CAST(rt);

	return xfrm_lookup(net, &rt->dst, flowi4_to_flowi(&fl4), NULL, 0);
}

static void wrong_if_id(struct kunit *test)
{
	const struct xk_policy policy = {
		.dir = XFRM_POLICY_OUT,
		.inner = AF_INET,
		.outer = AF_INET,
		.action = XFRM_POLICY_ALLOW,
	};
	const struct xk_sa sa = {
		.family = AF_INET,
		.mode = XFRM_MODE_TUNNEL,
		.spi = XK_SPI_OUT,
	};
	struct xk_world *w = test->priv;
	struct dst_entry *bundle;
	struct xfrm_state *x;
	struct sk_buff *skb;

	KUNIT_ASSERT_EQ(test, xk_policy_add(w->net, &policy), 0);
	x = xk_sa_add(w->net, &sa);
	KUNIT_ASSERT_NOT_NULL(test, x);
	xfrm_state_put(x);
	bundle = bundle_of_no_if_id(w->net);
	KUNIT_ASSERT_FALSE(test, IS_ERR(bundle));
	skb = xk_skb4(100, false);
	if (!skb || !bundle->xfrm) {
		dst_release(bundle);
		kfree_skb(skb);
		KUNIT_FAIL(test, "no bundle to start from");
		return;
	}

	skb_dst_set(skb, bundle);
	expect_drop(test, skb, XFRM_ACCEL_DROP_TX_WRONG_IF_ID, CARRIER);
}

/*
 * An SA to @daddr behind an interface without lower device: the outer route
 * is looked up freely.
 */
static void expect_drop_towards(struct kunit *test, u32 daddr, int reason,
				int also)
{
	const struct xk_policy policy = {
		.dir = XFRM_POLICY_OUT,
		.inner = AF_INET,
		.outer = AF_INET,
		.if_id = FREE_IF_ID,
		.action = XFRM_POLICY_ALLOW,
		.daddr = daddr,
	};
	const struct xk_sa sa = {
		.family = AF_INET,
		.mode = XFRM_MODE_TUNNEL,
		.spi = XK_SPI_OUT,
		.if_id = FREE_IF_ID,
		.daddr = daddr,
	};
	struct xk_link link = { .name = "xkfree", .if_id = FREE_IF_ID };
	struct xk_world *w = test->priv;
	struct net_device *dev;
	struct xfrm_state *x;
	int err;

	err = xk_dev_make(w, &link, FREE4_A, &dev);
	KUNIT_EXPECT_EQ(test, err, 0);
	if (!err)
		err = xk_policy_add(w->net, &policy);
	KUNIT_EXPECT_EQ(test, err, 0);
	x = xk_sa_add(w->net, &sa);
	KUNIT_EXPECT_NOT_NULL(test, x);
	if (!err && x)
		expect_drop_on(test, dev, xk_skb4(100, false), reason, also);
	if (x)
		xfrm_state_put(x);
	xk_unregister(dev);
}

static void lookup_fails(struct kunit *test)
{
	expect_drop_towards(test, NOWHERE4, XFRM_ACCEL_DROP_TX_LOOKUP, CARRIER);
}

static void loop(struct kunit *test)
{
	expect_drop_towards(test, FREE4_B, XFRM_ACCEL_DROP_TX_LOOP, COLLISION);
}

static void output_fails(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_wire *wire = xk_wire_of(w->lower);
	struct xk_stats before, after;
	struct sk_buff *skb = xk_skb4(100, false);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	wire->verdict = NET_XMIT_DROP;
	xk_watch(skb);
	xk_transmit(skb, w->dev, &before, &after);
	wire->verdict = NETDEV_TX_OK;

	KUNIT_EXPECT_EQ(test, xk_ended(), 1);
	KUNIT_EXPECT_EQ(test, xk_only_drop(&before, &after),
			XFRM_ACCEL_DROP_TX_OUTPUT);
	KUNIT_EXPECT_EQ(test, after.dev.tx_errors, before.dev.tx_errors + 1);
	KUNIT_EXPECT_EQ(test, after.dev.tx_aborted_errors,
			before.dev.tx_aborted_errors + 1);
	KUNIT_EXPECT_EQ(test, after.dev.tx_packets, before.dev.tx_packets);
}

/* Whichever errno the kernel's lookup ends with, the reason is right. */
static void lookup_verdicts(struct kunit *test)
{
	int err;

	for (err = -1; err >= -MAX_ERRNO; err--) {
		int verdict = xac_lookup_verdict(err);

		switch (err) {
		case -EAGAIN:
		case -EREMOTE:
			KUNIT_EXPECT_EQ(test, verdict,
					XFRM_ACCEL_DROP_TX_NO_SA);
			break;
		case -EPERM:
			KUNIT_EXPECT_EQ(test, verdict,
					XFRM_ACCEL_DROP_TX_POLICY_BLOCK);
			break;
		case -ENOENT:
			KUNIT_EXPECT_EQ(test, verdict,
					XFRM_ACCEL_DROP_TX_NO_POLICY);
			break;
		default:
			KUNIT_EXPECT_EQ(test, verdict,
					XFRM_ACCEL_DROP_TX_LOOKUP);
		}
	}
}

/* --- what leaves --- */

static void both_families_over_both(struct kunit *test)
{
	static const unsigned short outer[] = { AF_INET, AF_INET6 };
	struct xk_world *w = test->priv;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(outer); i++) {
		KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, outer[i]), 0);
		expect_sent(test, xk_skb4(100, false), 1);
		expect_sent(test, xk_skb6(100), 1);
		xk_flush(w->net);
	}
}

/* Everything behind the MAC header in a page: nothing is linear yet. */
static struct sk_buff *paged(struct sk_buff *skb)
{
	struct page *page = alloc_page(GFP_KERNEL);
	unsigned int len = skb->len;

	if (!page) {
		kfree_skb(skb);
		return NULL;
	}
	memcpy(page_address(page), skb->data, len);
	skb_trim(skb, 0);
	skb_add_rx_frag(skb, 0, page, 0, len, PAGE_SIZE);

	return skb;
}

static void header_in_a_page(struct kunit *test)
{
	struct xk_world *w = test->priv;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	expect_sent(test, paged(xk_skb4(100, false)), 1);
	expect_sent(test, paged(xk_skb6(100)), 1);
}

static void clone_leaves_the_original_alone(struct kunit *test)
{
	struct sk_buff *skb = xk_skb4(100, false), *original;
	struct xk_world *w = test->priv;
	u8 copy[100];

	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	original = skb_clone(skb, GFP_KERNEL);
	memcpy(copy, skb->data, sizeof(copy));
	expect_sent(test, skb, 1);
	if (original) {
		KUNIT_EXPECT_EQ(test, original->len, sizeof(copy));
		KUNIT_EXPECT_EQ(test, memcmp(original->data, copy,
					     sizeof(copy)), 0);
	}
	kfree_skb(original);
}

static void mark_stays_at_home(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_wire *wire = xk_wire_of(w->lower);
	struct net *other = xk_other_net();
	const __be32 in4 = htonl(XK_IN4_A);
	struct sk_buff *skb;
	int err;

	if (!other)
		kunit_skip(test, "needs a second network namespace");

	KUNIT_EXPECT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	skb = xk_skb4(100, false);
	if (skb) {
		skb->mark = 5;
		expect_sent(test, skb, 1);
		KUNIT_EXPECT_EQ(test, wire->mark, 5);
	}

	/* The device in another namespace: its marks mean nothing here. */
	err = xk_move(w->dev, other);
	if (!err)
		err = xk_set_up(w->dev, true);
	if (!err)
		err = xk_addr_add(other, w->dev, AF_INET, &in4, 24);
	KUNIT_EXPECT_EQ(test, err, 0);
	skb = xk_skb4(100, false);
	if (skb && !err) {
		skb->mark = 5;
		expect_sent(test, skb, 1);
		KUNIT_EXPECT_EQ(test, wire->mark, 0);
	}
	KUNIT_EXPECT_EQ(test, xk_move(w->dev, w->net), 0);
	put_net(other);
}

/* --- path MTU --- */

static void fits(struct kunit *test)
{
	struct sk_buff *skb = xk_skb4(1000, true);
	struct sk_buff *gso = xk_skb_gso4(8000, 1000, true);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_NOT_NULL(test, gso);
	KUNIT_EXPECT_TRUE(test, xac_fits(skb, 1000));
	KUNIT_EXPECT_FALSE(test, xac_fits(skb, 999));
	/* Each segment brings its own 20 and 20 bytes of headers. */
	KUNIT_EXPECT_TRUE(test, xac_fits(gso, 1040));
	KUNIT_EXPECT_FALSE(test, xac_fits(gso, 1039));
	kfree_skb(skb);
	kfree_skb(gso);
}

/* Too big: the sender is told @mtu, and nothing leaves. */
static void expect_told(struct kunit *test, struct sk_buff *skb, u32 mtu)
{
	struct xk_world *w = test->priv;
	struct xk_wire *wire = xk_wire_of(w->lower);

	wire->too_big = 0;
	wire->esp = 0;
	expect_drop(test, skb, XFRM_ACCEL_DROP_TX_TOO_BIG, PLAIN);
	KUNIT_EXPECT_EQ(test, wire->esp, 0);
	KUNIT_EXPECT_EQ(test, wire->too_big, 1);
	KUNIT_EXPECT_EQ(test, wire->mtu, mtu);
}

/* AES-GCM: ESP 8, IV 8, padding to 4 with 2 bytes of trailer, ICV 16. */
static u32 tunnel_mtu(u32 lower, unsigned short outer)
{
	u32 header = outer == AF_INET ? 20 : 40;

	return round_down(lower - header - 8 - 8 - 16, 4) - 2;
}

static void largest_that_fits_leaves_whole(struct kunit *test)
{
	static const unsigned short family[] = { AF_INET, AF_INET6 };
	struct xk_world *w = test->priv;
	struct xk_wire *wire = xk_wire_of(w->lower);
	size_t i, j;

	KUNIT_ASSERT_EQ(test, xk_set_mtu(w->dev, 1500), 0);
	for (i = 0; i < ARRAY_SIZE(family); i++) {
		u32 mtu = tunnel_mtu(1500, family[i]);

		KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, family[i]), 0);
		for (j = 0; j < ARRAY_SIZE(family); j++) {
			expect_told(test, from_outside(family[j], 1500, true),
				    mtu);
			expect_told(test, from_outside(family[j], mtu + 1,
						       true), mtu);
			expect_sent(test, from_outside(family[j], mtu, true),
				    1);
		}
		xk_flush(w->net);
	}
	KUNIT_EXPECT_EQ(test, wire->fragments, 0);
}

static void without_df_the_outer_packet_is_fragmented(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_wire *wire = xk_wire_of(w->lower);

	KUNIT_ASSERT_EQ(test, xk_set_mtu(w->dev, 1500), 0);
	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	expect_sent(test, from_outside(AF_INET, 1500, false), 1);
	KUNIT_EXPECT_EQ(test, wire->fragments, 2);
	KUNIT_EXPECT_EQ(test, wire->too_big, 0);
}

/*
 * No IPv6 sender is told less than 1280 bytes, and what is not larger gets
 * through, in whichever pieces.
 */
static void ipv6_floor(struct kunit *test)
{
	static const unsigned short outer[] = { AF_INET, AF_INET6 };
	struct xk_world *w = test->priv;
	struct xk_wire *wire = xk_wire_of(w->lower);
	struct xk_stats before, after;
	struct sk_buff *skb;
	size_t i;

	KUNIT_ASSERT_EQ(test, xk_set_mtu(w->lower, 1300), 0);
	KUNIT_ASSERT_EQ(test, xk_set_mtu(w->dev, 1500), 0);
	for (i = 0; i < ARRAY_SIZE(outer); i++) {
		KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, outer[i]), 0);
		expect_told(test, from_outside(AF_INET6, 1281, true), 1280);
		/* IPv4 has no such floor. */
		expect_told(test, from_outside(AF_INET, 1281, true),
			    tunnel_mtu(1300, outer[i]));

		wire->esp = 0;
		wire->too_big = 0;
		wire->fragments = 0;
		skb = from_outside(AF_INET6, 1280, true);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		xk_watch(skb);
		xk_transmit(skb, w->dev, &before, &after);
		KUNIT_EXPECT_EQ(test, xk_only_drop(&before, &after), -ENOENT);
		KUNIT_EXPECT_EQ(test, wire->too_big, 0);
		KUNIT_EXPECT_EQ(test, wire->esp + wire->fragments, 2);
		xk_flush(w->net);
	}
}

static void gso_is_judged_by_its_segments(struct kunit *test)
{
	struct xk_world *w = test->priv;
	u32 mtu = tunnel_mtu(1500, AF_INET);
	struct sk_buff *skb;

	KUNIT_ASSERT_EQ(test, xk_set_mtu(w->dev, 1500), 0);
	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	expect_sent(test, xk_skb_gso4(5 * (mtu - 40), mtu - 40, true), 5);

	skb = xk_skb_gso4(5 * (mtu - 39), mtu - 39, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	xk_set_saddr4(skb, FORWARDED4);
	expect_told(test, skb, mtu);

	/* Without DF each segment leaves, in fragments. */
	expect_sent(test, xk_skb_gso4(2 * (mtu - 39), mtu - 39, false), 2);
}

static struct kunit_case transmit_cases[] = {
	KUNIT_CASE(not_ip),
	KUNIT_CASE(malformed),
	KUNIT_CASE(no_route),
	KUNIT_CASE(dead_route),
	KUNIT_CASE(no_metadata),
	KUNIT_CASE(no_policy),
	KUNIT_CASE(policy_block),
	KUNIT_CASE(default_policy_block),
	KUNIT_CASE(no_sa),
	KUNIT_CASE(wrong_if_id),
	KUNIT_CASE(lookup_fails),
	KUNIT_CASE(loop),
	KUNIT_CASE(output_fails),
	KUNIT_CASE(lookup_verdicts),
	KUNIT_CASE(both_families_over_both),
	KUNIT_CASE(header_in_a_page),
	KUNIT_CASE(clone_leaves_the_original_alone),
	KUNIT_CASE(mark_stays_at_home),
	KUNIT_CASE(fits),
	KUNIT_CASE(largest_that_fits_leaves_whole),
	KUNIT_CASE(without_df_the_outer_packet_is_fragmented),
	KUNIT_CASE(ipv6_floor),
	KUNIT_CASE(gso_is_judged_by_its_segments),
	{}
};

struct kunit_suite xac_transmit_suite = {
	.name = "xac_transmit",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = transmit_cases,
};
