// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that nobody would make: random bytes and damaged headers, in every
 * shape an skb can have, through the ways in. Nothing crashes (the debug
 * kernel looks closely) and every packet comes to its end exactly once.
 *
 * The seed is fixed: a failure repeats itself.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/prandom.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/ndisc.h>
#include <net/route.h>

#include "iface/handlers.h"
#include "kunit/fixture.h"

#define SEED	0x786d6163
#define PACKETS	20000

static struct rnd_state rnd;

static u32 below(u32 limit)
{
	return prandom_u32_state(&rnd) % limit;
}

static bool one_in(u32 n)
{
	return below(n) == 0;
}

/* Changes some bits, most of them in the headers. */
static void damage(struct sk_buff *skb)
{
	u32 changes = below(8);

	while (changes-- && skb_headlen(skb))
		skb->data[below(min(skb_headlen(skb), 60u))] ^= 1 << below(8);
}

static struct sk_buff *made_up(void)
{
	u32 len = one_in(4) ? below(2000) : below(200);
	struct sk_buff *skb;

	switch (below(4)) {
	case 0:
		skb = xk_skb4(28 + len, one_in(2));
		break;
	case 1:
		skb = xk_skb6(48 + len);
		break;
	default:
		skb = xk_skb4(28 + len, false);
		if (!skb)
			return NULL;
		prandom_bytes_state(&rnd, skb->data, skb->len);
		skb_trim(skb, below(skb->len + 1));
		if (one_in(2) && skb->len)
			*skb->data = one_in(2) ? 0x45 : 0x60;
		return skb;
	}
	if (skb && !one_in(8))
		damage(skb);

	return skb;
}

/* Moves what is behind a random point into a page. */
static bool into_page(struct sk_buff *skb)
{
	u32 keep = below(skb->len + 1);
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return false;
	memcpy(page_address(page), skb->data + keep, skb->len - keep);
	if (keep == skb->len) {
		__free_page(page);
		return true;
	}
	keep = skb->len - keep;
	skb_trim(skb, skb->len - keep);
	skb_add_rx_frag(skb, 0, page, 0, keep, PAGE_SIZE);

	return true;
}

/* Hangs another packet's bytes behind. */
static bool into_list(struct sk_buff *skb)
{
	struct sk_buff *rest = xk_skb4(28 + below(400), false);

	if (!rest)
		return false;
	skb_shinfo(skb)->frag_list = rest;
	skb->len += rest->len;
	skb->data_len += rest->len;
	skb->truesize += rest->truesize;

	return true;
}

/*
 * A random packet in a random shape; @clone is set to a second owner of its
 * data, or NULL.
 */
static struct sk_buff *random_skb(struct sk_buff **clone)
{
	static const u16 protocols[] = {
		ETH_P_IP, ETH_P_IP, ETH_P_IP, ETH_P_IPV6, ETH_P_IPV6,
		ETH_P_ARP, 0,
	};
	struct sk_buff *skb = made_up();
	bool ok = true;

	*clone = NULL;
	if (!skb)
		return NULL;

	if (one_in(3))
		skb->protocol =
			htons(protocols[below(ARRAY_SIZE(protocols))]);
	skb->mark = below(3);
	skb->ip_summed = below(3);
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
	memset(skb->cb, below(256), sizeof(skb->cb));

	switch (below(4)) {
	case 0:
		ok = into_page(skb);
		break;
	case 1:
		ok = into_list(skb);
		break;
	case 2:
		*clone = skb_clone(skb, GFP_KERNEL);
		break;
	}
	if (!ok) {
		kfree_skb(skb);
		return NULL;
	}
	xk_watch(skb);

	return skb;
}

/* Packets that did not end exactly once. */
static unsigned int transmit_many(struct net_device *dev, unsigned int count)
{
	unsigned int bad = 0;

	while (count--) {
		struct sk_buff *clone, *skb = random_skb(&clone);
		struct metadata_dst *metadata;

		if (!skb)
			continue;
		if (one_in(3)) {
			metadata = xac_metadata_alloc(below(2) * XK_IF_ID, 0);
			if (metadata)
				skb_dst_set(skb, &metadata->dst);
		}
		xk_ended();
		xk_transmit(skb, dev, NULL, NULL);
		bad += xk_ended() != 1;
		kfree_skb(clone);
		cond_resched();
	}

	return bad;
}

static void transmit(struct kunit *test)
{
	static const unsigned short outer[] = { AF_INET, AF_INET6 };
	struct xk_world *w = test->priv;
	struct xk_stats before, after;
	u64 drops = 0, sent;
	size_t i;
	int reason;

	prandom_seed_state(&rnd, SEED);
	xk_stats(w->dev, &before);
	for (i = 0; i < ARRAY_SIZE(outer); i++) {
		KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, outer[i]), 0);
		KUNIT_EXPECT_EQ(test, transmit_many(w->dev, PACKETS / 2), 0);
		xk_flush(w->net);
	}
	xk_stats(w->dev, &after);

	for (reason = 0; reason < __XFRM_ACCEL_DROP_MAX; reason++)
		drops += after.drop[reason] - before.drop[reason];
	sent = after.dev.tx_packets - before.dev.tx_packets;
	kunit_info(test, "%llu sent, %llu dropped\n", sent, drops);
	/* Sent or dropped for a reason; the kernel sends some of its own. */
	KUNIT_EXPECT_GE(test, sent + drops, PACKETS);
	KUNIT_EXPECT_LT(test, sent + drops, PACKETS + PACKETS / 10);
	/* The damage is neither so great nor so small that nothing is tested. */
	KUNIT_EXPECT_GT(test, sent, PACKETS / 10);
	KUNIT_EXPECT_GT(test, drops, PACKETS / 10);
}

static void transmit_external(struct kunit *test)
{
	struct xk_link link = { .name = "xkext", .external = true };
	struct xk_world *w = test->priv;
	struct net_device *dev;

	prandom_seed_state(&rnd, SEED + 1);
	KUNIT_ASSERT_EQ(test, xk_dev_make(w, &link, 0x0a090001, &dev), 0);
	KUNIT_EXPECT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	KUNIT_EXPECT_EQ(test, transmit_many(dev, PACKETS / 2), 0);
	xk_unregister(dev);
}

/* Up to as many SAs as a packet can have gone through, of any if_id. */
static bool random_secpath(struct sk_buff *skb, struct xfrm_state **states,
			   size_t count)
{
	struct sec_path *sp = secpath_set(skb);
	int n = below(XFRM_MAX_DEPTH + 1);

	if (!sp)
		return false;
	while (n--) {
		struct xfrm_state *x = states[below(count)];

		xfrm_state_hold(x);
		sp->xvec[sp->len++] = x;
	}

	return true;
}

static void receive_callback(struct kunit *test)
{
	struct xk_sa sa = {
		.family = AF_INET,
		.mode = XFRM_MODE_TUNNEL,
		.in = true,
		.spi = XK_SPI_IN,
	};
	struct xk_world *w = test->priv;
	struct xfrm_state *states[4] = {};
	unsigned int bad = 0, i;
	bool made = true;

	prandom_seed_state(&rnd, SEED + 2);
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		sa.if_id = i < 2 ? XK_IF_ID : i;
		sa.family = i % 2 ? AF_INET : AF_INET6;
		states[i] = xk_sa_make(w->net, &sa);
		made &= !!states[i];
	}

	for (i = 0; made && i < PACKETS; i++) {
		struct sk_buff *clone, *skb = random_skb(&clone);
		int ret;

		if (!skb)
			continue;
		skb->dev = w->lower;
		if (!one_in(4) && !random_secpath(skb, states, 4))
			bad++;
		xk_ended();
		local_bh_disable();
		ret = xac_receive_cb(skb, one_in(2) ? -EBADMSG : 0);
		local_bh_enable();
		/* It stays the core's, whatever the answer. */
		bad += ret > 1 || xk_ended() != 0;
		kfree_skb(skb);
		bad += xk_ended() != 1;
		kfree_skb(clone);
		cond_resched();
	}
	KUNIT_EXPECT_TRUE(test, made);
	KUNIT_EXPECT_EQ(test, bad, 0);
	for (i = 0; i < ARRAY_SIZE(states); i++)
		if (states[i])
			xk_sa_free(states[i]);
}

/* The outer header is whole: the IP layer has seen to that. */
static struct sk_buff *random_esp(struct xk_world *w)
{
	struct sk_buff *skb = xk_skb4(20 + below(300) + 8, false);
	struct iphdr *iph;

	if (!skb)
		return NULL;

	prandom_bytes_state(&rnd, skb->data + 20, skb->len - 20);
	iph = ip_hdr(skb);
	iph->saddr = htonl(XK_OUT4_B);
	iph->daddr = htonl(XK_OUT4_A);
	ip_send_check(iph);
	if (!one_in(4))
		*(__be32 *)(iph + 1) = htonl(XK_SPI_IN);
	skb_trim(skb, 20 + below(skb->len - 19));
	skb->dev = w->lower;
	skb_set_transport_header(skb, 20);
	__skb_pull(skb, 20);

	return skb;
}

static void input(struct kunit *test)
{
	static const u8 protocols[] = { IPPROTO_ESP, IPPROTO_ESP, IPPROTO_ESP,
					IPPROTO_AH, IPPROTO_COMP };
	const struct xk_sa sa = {
		.family = AF_INET,
		.mode = XFRM_MODE_TUNNEL,
		.in = true,
		.spi = XK_SPI_IN,
		.if_id = XK_IF_ID,
	};
	struct xk_world *w = test->priv;
	struct xk_stats before, after;
	struct xfrm_state *x = xk_sa_add(w->net, &sa);
	unsigned int bad = 0, i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	xfrm_state_put(x);
	prandom_seed_state(&rnd, SEED + 3);
	xk_stats(w->dev, &before);
	for (i = 0; i < PACKETS / 2; i++) {
		struct sk_buff *skb = random_esp(w);

		if (!skb)
			continue;
		xk_ended();
		xk_watch(skb);
		local_bh_disable();
		rcu_read_lock();
		if (ip_route_input_noref(skb, htonl(XK_OUT4_A),
					 htonl(XK_OUT4_B), 0, w->lower))
			bad++;
		xac_input(skb, protocols[below(ARRAY_SIZE(protocols))], 0, 0,
			  AF_INET);
		rcu_read_unlock();
		local_bh_enable();
		bad += xk_ended() != 1;
		cond_resched();
	}
	xk_stats(w->dev, &after);
	KUNIT_EXPECT_EQ(test, bad, 0);
	/* None of them was authentic; those that found the SA are counted. */
	KUNIT_EXPECT_EQ(test, after.dev.rx_packets, before.dev.rx_packets);
	KUNIT_EXPECT_GT(test, after.drop[XFRM_ACCEL_DROP_RX_ERROR],
			before.drop[XFRM_ACCEL_DROP_RX_ERROR] + PACKETS / 10);
}

/* The ICMP layer has made sure of the quoted header and 8 bytes behind it. */
static struct sk_buff *random_error(struct xk_world *w, u32 header)
{
	u32 hidden = header + 8;
	struct sk_buff *skb = xk_skb4(hidden + 60 + 8 + below(100), false);

	if (!skb)
		return NULL;
	prandom_bytes_state(&rnd, skb->data, skb->len);
	skb_set_transport_header(skb, header);
	skb->dev = w->lower;
	__skb_pull(skb, hidden);
	xk_watch(skb);

	return skb;
}

static void icmp_errors(struct kunit *test)
{
	static const u8 protocols[] = { IPPROTO_ESP, IPPROTO_AH, IPPROTO_COMP,
					IPPROTO_IPIP, IPPROTO_UDP };
	struct xk_world *w = test->priv;
	unsigned int bad = 0, i;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, AF_INET), 0);
	prandom_seed_state(&rnd, SEED + 4);
	for (i = 0; i < PACKETS; i++) {
		bool ipv4 = one_in(2);
		struct sk_buff *skb = random_error(w, ipv4 ? 20 : 40);
		u8 protocol = protocols[below(ARRAY_SIZE(protocols))];
		struct iphdr *iph;

		if (!skb)
			continue;
		xk_ended();
		local_bh_disable();
		rcu_read_lock();
		if (ipv4) {
			iph = (struct iphdr *)skb->data;
			iph->ihl = 5 + below(11);
			iph->protocol = protocol;
			if (one_in(2))
				iph->daddr = htonl(XK_OUT4_B);
			if (one_in(2))
				*(__be32 *)((u8 *)iph + iph->ihl * 4) =
					htonl(XK_SPI_OUT);
			icmp_hdr(skb)->type = one_in(2) ? ICMP_DEST_UNREACH :
							  below(20);
			icmp_hdr(skb)->code = one_in(2) ? ICMP_FRAG_NEEDED :
							  below(16);
			bad += xac_err4(skb, below(2000)) > 0;
		} else {
			((struct ipv6hdr *)skb->data)->nexthdr = protocol;
			bad += xac_err6(skb, NULL,
					one_in(2) ? ICMPV6_PKT_TOOBIG :
						    NDISC_REDIRECT, 0,
					40, htonl(below(2000))) > 0;
		}
		rcu_read_unlock();
		local_bh_enable();
		bad += xk_ended() != 0;
		kfree_skb(skb);
		bad += xk_ended() != 1;
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

static struct kunit_case fuzz_cases[] = {
	KUNIT_CASE(transmit),
	KUNIT_CASE(transmit_external),
	KUNIT_CASE(receive_callback),
	KUNIT_CASE(input),
	KUNIT_CASE(icmp_errors),
	{}
};

struct kunit_suite xac_fuzz_suite = {
	.name = "xac_fuzz",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = fuzz_cases,
};
