// SPDX-License-Identifier: GPL-2.0
/*
 * ICMP errors about encrypted packets: whose they are, and what is learned.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ndisc.h>
#include <net/route.h>

#include "compat/kunit.h"
#include "kunit/fixture.h"

static void spi_of_what_is_quoted(struct kunit *test)
{
	/* ESP: SPI first; AH: after 4 bytes; IPComp: a CPI of 16 bits at 2. */
	static const u8 header[] __aligned(4) = {
		0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
	};
	static const struct {
		int protocol;
		u32 spi;
	} known[] = {
		{ IPPROTO_ESP, 0x12345678 },
		{ IPPROTO_AH, 0x9abcdef0 },
		{ IPPROTO_COMP, 0x5678 },
	};
	__be32 spi;
	int i, others = 0;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		spi = 0;
		KUNIT_EXPECT_TRUE(test, xac_quoted_spi(header,
						       known[i].protocol,
						       &spi));
		KUNIT_EXPECT_EQ(test, ntohl(spi), known[i].spi);
	}
	for (i = 0; i < 256; i++)
		others += xac_quoted_spi(header, i, &spi);
	KUNIT_EXPECT_EQ(test, others, ARRAY_SIZE(known));
}

/* What an error quotes: one of our packets, if nothing is changed. */
struct quote {
	u8 protocol;
	u32 spi;
	bool other_daddr;
};

static const struct quote ours = { IPPROTO_ESP, XK_SPI_OUT, false };

/* From a router beyond the lower device: outer header, ICMP, quote. */
static struct sk_buff *error4(struct xk_world *w, u8 type, u8 code,
			      const struct quote *q)
{
	struct sk_buff *skb = xk_skb4(20 + 8 + 20 + 8, false);
	struct icmphdr *icmph;
	struct iphdr *iph;

	if (!skb)
		return NULL;

	skb_set_transport_header(skb, 20);
	icmph = icmp_hdr(skb);
	icmph->type = type;
	icmph->code = code;
	if (type == ICMP_REDIRECT)
		icmph->un.gateway = htonl(XK_OUT4_B + 1);
	iph = (struct iphdr *)(icmph + 1);
	iph->version = 4;
	iph->ihl = 5;
	iph->protocol = q->protocol;
	iph->saddr = htonl(XK_OUT4_A);
	iph->daddr = htonl(XK_OUT4_B + q->other_daddr);
	*(__be32 *)(iph + 1) = htonl(q->spi);
	skb->dev = w->lower;
	skb_pull(skb, 28);

	return skb;
}

static int err4(struct sk_buff *skb, u8 type, u8 code, u32 info)
{
	return xac_err4(skb, info);
}

static u32 path_mtu4(struct net *net)
{
	struct flowi4 fl4 = { .daddr = htonl(XK_OUT4_B) };
	struct rtable *rt = __ip_route_output_key(net, &fl4);
	u32 mtu;

	if (IS_ERR(rt))
		return 0;
	mtu = dst_mtu(&rt->dst);
	ip_rt_put(rt);

	return mtu;
}

static struct sk_buff *error6(struct xk_world *w, u8 type, u8 code,
			      const struct quote *q)
{
	struct sk_buff *skb = xk_skb6(40 + 8 + 40 + 8);
	struct ipv6hdr *iph;

	if (!skb)
		return NULL;

	skb_set_transport_header(skb, 40);
	iph = (void *)skb->data + 48;
	iph->version = 6;
	iph->nexthdr = q->protocol;
	iph->saddr = xk_out6_a;
	iph->daddr = xk_out6_b;
	iph->daddr.s6_addr[15] += q->other_daddr;
	*(__be32 *)(iph + 1) = htonl(q->spi);
	skb->dev = w->lower;
	skb_pull(skb, 48);

	return skb;
}

static int err6(struct sk_buff *skb, u8 type, u8 code, u32 info)
{
	return xac_err6(skb, NULL, type, code, sizeof(struct ipv6hdr),
			htonl(info));
}

static u32 path_mtu6(struct net *net)
{
	struct flowi6 fl6 = { .daddr = xk_out6_b };
	struct dst_entry *dst = ip6_route_output(net, NULL, &fl6);
	u32 mtu = dst->error ? 0 : dst_mtu(dst);

	dst_release(dst);

	return mtu;
}

/**
 * struct outer - the family of the tunnel, and of the errors about it
 * @name: of the case
 * @af: address family
 * @too_big: type of the error that tells a path MTU
 * @too_big_code: its code
 * @any_code: the code does not matter
 * @redirect: type of a redirect
 * @error: makes an error
 * @take: gives it to us
 * @path_mtu: what is known about the path to the peer
 */
struct outer {
	const char *name;
	unsigned short af;
	u8 too_big;
	u8 too_big_code;
	bool any_code;
	u8 redirect;
	struct sk_buff *(*error)(struct xk_world *w, u8 type, u8 code,
				 const struct quote *q);
	int (*take)(struct sk_buff *skb, u8 type, u8 code, u32 info);
	u32 (*path_mtu)(struct net *net);
};

static const struct outer outers[] = {
	{
		.name = "over IPv4",
		.af = AF_INET,
		.too_big = ICMP_DEST_UNREACH,
		.too_big_code = ICMP_FRAG_NEEDED,
		.redirect = ICMP_REDIRECT,
		.error = error4,
		.take = err4,
		.path_mtu = path_mtu4,
	}, {
		.name = "over IPv6",
		.af = AF_INET6,
		.too_big = ICMPV6_PKT_TOOBIG,
		.any_code = true,
		.redirect = NDISC_REDIRECT,
		.error = error6,
		.take = err6,
		.path_mtu = path_mtu6,
	},
};

static void outer_name(const struct outer *o, char *description)
{
	strscpy(description, o->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(outer, outers, outer_name);

static int take(struct kunit *test, u8 type, u8 code, const struct quote *q)
{
	const struct outer *o = test->param_value;
	struct sk_buff *skb = o->error(test->priv, type, code, q);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	xk_ended();
	xk_watch(skb);
	local_bh_disable();
	rcu_read_lock();
	ret = o->take(skb, type, code, 1400);
	rcu_read_unlock();
	local_bh_enable();
	/* The packet stays ours. */
	KUNIT_EXPECT_EQ(test, xk_ended(), 0);
	kfree_skb(skb);
	KUNIT_EXPECT_EQ(test, xk_ended(), 1);

	return ret;
}

static int take_too_big(struct kunit *test, const struct quote *q)
{
	const struct outer *o = test->param_value;

	return take(test, o->too_big, o->too_big_code, q);
}

static void path_mtu_is_learned(struct kunit *test)
{
	const struct outer *o = test->param_value;
	struct xk_world *w = test->priv;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, o->af), 0);
	KUNIT_EXPECT_EQ(test, o->path_mtu(w->net), 1500);
	KUNIT_EXPECT_EQ(test, take_too_big(test, &ours), 0);
	KUNIT_EXPECT_EQ(test, o->path_mtu(w->net), 1400);
}

static void redirects_are_ours(struct kunit *test)
{
	const struct outer *o = test->param_value;
	struct xk_world *w = test->priv;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, o->af), 0);
	KUNIT_EXPECT_EQ(test, take(test, o->redirect, ICMP_REDIR_HOST, &ours),
			0);
	KUNIT_EXPECT_EQ(test, o->path_mtu(w->net), 1500);
}

/* The next handler is asked, and nothing is learned. */
static void other_messages_are_not_ours(struct kunit *test)
{
	const struct outer *o = test->param_value;
	struct xk_world *w = test->priv;
	int type, code, taken = 0;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, o->af), 0);
	for (type = 0; type < 256; type++) {
		if (type == o->redirect || (type == o->too_big && o->any_code))
			continue;
		for (code = 0; code < 16; code++) {
			if (type == o->too_big && code == o->too_big_code)
				continue;
			taken += take(test, type, code, &ours) != -ENOENT;
		}
	}
	KUNIT_EXPECT_EQ(test, taken, 0);
	KUNIT_EXPECT_EQ(test, o->path_mtu(w->net), 1500);
}

static void packets_of_others_are_not_ours(struct kunit *test)
{
	static const struct quote others[] = {
		{ IPPROTO_ESP, XK_SPI_OUT + 1, false },
		{ IPPROTO_ESP, XK_SPI_OUT, true },
		{ IPPROTO_AH, XK_SPI_OUT, false },
		{ IPPROTO_COMP, XK_SPI_OUT, false },
		{ IPPROTO_UDP, XK_SPI_OUT, false },
		{ IPPROTO_TCP, XK_SPI_OUT, false },
	};
	const struct outer *o = test->param_value;
	struct xk_world *w = test->priv;
	size_t i;

	KUNIT_ASSERT_EQ(test, xk_tunnel_out(w, o->af), 0);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		KUNIT_EXPECT_EQ(test, take_too_big(test, &others[i]), -ENOENT);
	KUNIT_EXPECT_EQ(test, o->path_mtu(w->net), 1500);
}

/* An SA of ours, but no interface that is up: esp4 shall deal with it. */
static void without_interface_not_ours(struct kunit *test)
{
	static const struct quote quote = { IPPROTO_ESP, XK_SPI_OUT + 9, false };
	const struct outer *o = test->param_value;
	struct xk_sa sa = {
		.family = o->af,
		.mode = XFRM_MODE_TUNNEL,
		.spi = XK_SPI_OUT + 9,
		.if_id = XK_IF_ID + 1,
	};
	struct xk_world *w = test->priv;
	struct xfrm_state *x;

	x = xk_sa_add(w->net, &sa);
	KUNIT_ASSERT_NOT_NULL(test, x);
	xfrm_state_put(x);
	KUNIT_EXPECT_EQ(test, take_too_big(test, &quote), -ENOENT);
	xk_flush(w->net);

	sa.if_id = XK_IF_ID;
	x = xk_sa_add(w->net, &sa);
	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_EXPECT_EQ(test, xk_set_up(w->dev, false), 0);
	KUNIT_EXPECT_EQ(test, take_too_big(test, &quote), -ENOENT);
	KUNIT_EXPECT_EQ(test, xk_set_up(w->dev, true), 0);
	KUNIT_EXPECT_EQ(test, take_too_big(test, &quote), 0);
	/* The look at the SA has left no reference: the table's and ours. */
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 2);
	xfrm_state_put(x);
}

static struct kunit_case icmp_cases[] = {
	KUNIT_CASE(spi_of_what_is_quoted),
	KUNIT_CASE_PARAM(path_mtu_is_learned, outer_gen_params),
	KUNIT_CASE_PARAM(redirects_are_ours, outer_gen_params),
	KUNIT_CASE_PARAM(other_messages_are_not_ours, outer_gen_params),
	KUNIT_CASE_PARAM(packets_of_others_are_not_ours, outer_gen_params),
	KUNIT_CASE_PARAM(without_interface_not_ours, outer_gen_params),
	{}
};

struct kunit_suite xac_icmp_suite = {
	.name = "xac_icmp",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = icmp_cases,
};
