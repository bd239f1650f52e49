// SPDX-License-Identifier: GPL-2.0
/*
 * The short way out: what leaves is to the byte what leaves by the core's way,
 * and SA, counters and netfilter cannot tell them apart.
 */
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/udp.h>
#include <net/esp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "compat/dst.h"
#include "compat/kunit.h"
#include "compat/xfrm.h"
#include "esp/layout.h"
#include "kunit/fixture_esp.h"

#define LONGEST	1600

static const unsigned short family[] = { AF_INET, AF_INET6 };

/* --- packets --- */

/* How a packet lies in memory: a combination. */
enum {
	CLONED = BIT(0),
	PAGED = BIT(1),
	NO_HEADROOM = BIT(2),
	NOT_SUMMED = BIT(3),
	ALL_SHAPES = BIT(4),
};

struct packet {
	unsigned short family;
	unsigned int len;
	u8 dsfield;
	bool df;
	u32 label;
	unsigned int shape;
};

static bool into_page(struct sk_buff *skb, unsigned int keep)
{
	unsigned int len = skb->len - keep;
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return false;
	memcpy(page_address(page), skb->data + keep, len);
	skb_trim(skb, keep);
	skb_add_rx_frag(skb, 0, page, 0, len, PAGE_SIZE);

	return true;
}

static struct sk_buff *without_headroom(struct sk_buff *skb)
{
	struct sk_buff *copy = skb_copy_expand(skb, 0, 0, GFP_KERNEL);

	kfree_skb(skb);

	return copy;
}

static struct sk_buff *make(const struct packet *p)
{
	bool ipv4 = p->family == AF_INET;
	unsigned int header = ipv4 ? sizeof(struct iphdr) :
				     sizeof(struct ipv6hdr);
	struct sk_buff *skb = ipv4 ? xk_skb4(p->len, p->df) : xk_skb6(p->len);

	if (!skb)
		return NULL;
	xk_fill(skb->data + header, p->len - header);
	if (ipv4) {
		ip_hdr(skb)->tos = p->dsfield;
		ip_hdr(skb)->id = htons(77);
		ip_send_check(ip_hdr(skb));
	} else {
		ip6_flow_hdr(ipv6_hdr(skb), p->dsfield, htonl(p->label));
	}
	if (p->shape & NOT_SUMMED) {
		skb->ip_summed = CHECKSUM_PARTIAL;
		skb->csum_start = skb_transport_header(skb) - skb->head;
		skb->csum_offset = offsetof(struct udphdr, check);
	}
	if (p->shape & NO_HEADROOM)
		skb = without_headroom(skb);
	if (skb && p->shape & PAGED && !into_page(skb, header + 8)) {
		kfree_skb(skb);
		return NULL;
	}

	return skb;
}

/* --- ways --- */

typedef int (*way)(struct net *net, struct sock *sk, struct sk_buff *skb);

static const way ways[] = { dst_output, xac_short_output };

enum { THE_CORES, THE_SHORT };

static struct dst_entry *route_of(struct xk_world *w, unsigned short af)
{
	struct flowi4 fl4 = { .daddr = htonl(XK_IN4_B) };
	struct flowi6 fl6 = { .daddr = xk_in6_b };
	struct rtable *rt;

	if (af == AF_INET6)
		return ip6_route_output(w->net, NULL, &fl6);
	rt = ip_route_output_key(w->net, &fl4);

	return IS_ERR(rt) ? ERR_CAST(rt) : &rt->dst;
}

/* Gives the packet its bundle. */
static bool bundle(struct xk_world *w, struct sk_buff *skb,
		   unsigned short af)
{
	struct dst_entry *dst = route_of(w, af);
	struct flowi fl;

	if (IS_ERR(dst))
		return false;
	memset(&fl, 0, sizeof(fl));
	xac_decode_session(w->net, skb, &fl, af);
	fl.flowi_oif = w->lower->ifindex;
	dst = xfrm_lookup_with_ifid(w->net, dst, &fl, NULL, 0, XK_IF_ID);
	if (IS_ERR_OR_NULL(dst))
		return false;
	skb_dst_set(skb, dst);
	skb->dev = xac_dst_dev(dst);
	memset(skb->cb, 0, sizeof(skb->cb));

	return dst->xfrm;
}

/* Sends a packet that has its bundle; what the wire has kept, or NULL. */
static struct sk_buff *sent(struct xk_world *w, struct sk_buff *skb, way output,
			    int *err)
{
	struct xk_wire *wire = xk_wire_of(w->lower);

	wire->keep = true;
	wire->kept = NULL;
	local_bh_disable();
	rcu_read_lock();
	*err = output(w->net, NULL, skb);
	rcu_read_unlock();
	local_bh_enable();
	wire->keep = false;

	return wire->kept;
}

static struct sk_buff *leaves(struct xk_world *w, const struct packet *p,
			      way output)
{
	struct sk_buff *skb = make(p), *clone = NULL, *out;
	bool untouched = true;
	static u8 before[LONGEST], after[LONGEST];
	int err;

	if (!skb || !bundle(w, skb, p->family)) {
		kfree_skb(skb);
		return NULL;
	}
	if (p->shape & CLONED) {
		clone = skb_clone(skb, GFP_KERNEL);
		skb_copy_bits(skb, 0, before, p->len);
	}
	out = sent(w, skb, output, &err);
	if (clone) {
		skb_copy_bits(clone, 0, after, p->len);
		untouched = !memcmp(before, after, p->len);
		kfree_skb(clone);
	}
	if (out && (err || !untouched)) {
		kfree_skb(out);
		return NULL;
	}

	return out;
}

/* --- SAs --- */

/* The only SA, for both inner families; a reference, or NULL. */
static struct xfrm_state *tunnel(struct xk_world *w, unsigned short outer,
				 const struct xk_cipher *cipher, bool esn)
{
	xk_flush(w->net);

	return xk_tunnel_by(w, outer, cipher, esn);
}

static void set_number(struct xfrm_state *x, u32 number)
{
	if (x->replay_esn)
		x->replay_esn->oseq = number;
	else
		x->replay.oseq = number;
}

static u32 number_of(const struct xfrm_state *x)
{
	return x->replay_esn ? x->replay_esn->oseq : x->replay.oseq;
}

/* Identical, but for the ID of a packet that may be fragmented. */
static bool same(struct sk_buff *a, struct sk_buff *b)
{
	struct iphdr *iph = ip_hdr(a);

	if (a->len != b->len || a->protocol != b->protocol ||
	    a->mark != b->mark || skb_network_offset(a) ||
	    skb_network_offset(b) ||
	    skb_transport_offset(a) != skb_transport_offset(b))
		return false;
	if (iph->version == 4 && !(iph->frag_off & htons(IP_DF))) {
		ip_hdr(b)->id = iph->id;
		ip_send_check(ip_hdr(b));
	}

	return !memcmp(a->data, b->data, a->len);
}

/* The same packet, by both ways, under the same number. */
static bool equal(struct xk_world *w, struct xfrm_state *x,
		  const struct packet *p)
{
	struct xfrm_lifetime_cur counted[ARRAY_SIZE(ways)];
	struct sk_buff *out[ARRAY_SIZE(ways)];
	u32 number = number_of(x);
	bool ok = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		set_number(x, number);
		x->curlft.bytes = 0;
		x->curlft.packets = 0;
		out[i] = leaves(w, p, ways[i]);
		counted[i] = x->curlft;
		ok &= out[i] && number_of(x) == number + 1;
	}
	ok = ok && same(out[THE_CORES], out[THE_SHORT]) &&
	     !skb_sec_path(out[THE_SHORT]) &&
	     counted[THE_SHORT].packets == 1 &&
	     counted[THE_SHORT].bytes == counted[THE_CORES].bytes;
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		kfree_skb(out[i]);

	return ok;
}

static void expect_equal(struct kunit *test, struct xfrm_state *x,
			 const struct packet *p)
{
	KUNIT_EXPECT_TRUE_MSG(test, equal(test->priv, x, p),
			      "IPv%d in IPv%d, %u bytes, field %02x, DF %d, flags %x %x, shape %x",
			      p->family == AF_INET ? 4 : 6,
			      x->props.family == AF_INET ? 4 : 6, p->len,
			      p->dsfield, p->df, x->props.flags,
			      x->props.extra_flags, p->shape);
}

/* --- the packets are the same --- */

static void every_header(struct kunit *test)
{
	static const u8 flags[] = {
		0, XFRM_STATE_NOECN, XFRM_STATE_NOPMTUDISC,
		XFRM_STATE_NOECN | XFRM_STATE_NOPMTUDISC,
	};
	static const u8 dsfield[] = {
		0, INET_ECN_ECT_0, INET_ECN_ECT_1, INET_ECN_CE, 0xb8,
		0xb8 | INET_ECN_CE,
	};
	static const unsigned int len[] = { 60, IPV6_MIN_MTU, 1350 };
	struct xk_world *w = test->priv;
	struct packet p = { .label = 0x54321 };
	struct xfrm_state *x;
	size_t inner, outer;
	unsigned int i, f, d, l;
	u32 own_flags;

	for (outer = 0; outer < ARRAY_SIZE(family); outer++) {
		x = tunnel(w, family[outer], &xk_gcm, false);
		KUNIT_ASSERT_NOT_NULL(test, x);
		own_flags = x->props.flags;
		for (i = 0; i < 2 * 2 * ARRAY_SIZE(family); i++) {
			inner = i % 2;
			p.family = family[inner];
			p.df = i & 2;
			x->props.extra_flags = i & 4 ?
				XFRM_SA_XFLAG_DONT_ENCAP_DSCP : 0;
			for (f = 0; f < ARRAY_SIZE(flags); f++)
				for (d = 0; d < ARRAY_SIZE(dsfield); d++)
					for (l = 0; l < ARRAY_SIZE(len); l++) {
						x->props.flags = own_flags |
								 flags[f];
						p.dsfield = dsfield[d];
						p.len = len[l];
						expect_equal(test, x, &p);
					}
		}
		xfrm_state_put(x);
	}
}

static void every_cipher(struct kunit *test)
{
	static const struct xk_cipher *const ciphers[] = {
		&xk_gcm, &xk_chacha, &xk_cbc_hmac, &xk_null_hmac, &xk_cbc,
		&xk_plain,
	};
	struct xk_world *w = test->priv;
	struct packet p = { .family = AF_INET };
	struct xfrm_state *x;
	unsigned int i, esn;

	for (i = 0; i < ARRAY_SIZE(ciphers); i++)
		for (esn = 0; esn < 2; esn++) {
			/* An ESN is nothing without authentication. */
			if (esn && !ciphers[i]->icv_len)
				continue;
			x = tunnel(w, AF_INET, ciphers[i], esn);
			KUNIT_ASSERT_NOT_NULL(test, x);
			if (esn)
				x->replay_esn->oseq_hi = 3;
			for (p.len = 28; p.len < 28 + 40; p.len++)
				expect_equal(test, x, &p);
			p.len = 1400;
			expect_equal(test, x, &p);
			xfrm_state_put(x);
		}
}

static void every_shape(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct packet p = { .len = 700 };
	struct xfrm_state *x;
	unsigned int f;

	x = tunnel(w, AF_INET, &xk_gcm, false);
	KUNIT_ASSERT_NOT_NULL(test, x);
	for (f = 0; f < ARRAY_SIZE(family); f++)
		for (p.shape = 0; p.shape < ALL_SHAPES; p.shape++) {
			p.family = family[f];
			expect_equal(test, x, &p);
		}
	xfrm_state_put(x);
}

static void mark_of_the_sa(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct packet p = { .family = AF_INET, .len = 100 };
	struct xfrm_state *x;

	x = tunnel(w, AF_INET, &xk_gcm, false);
	KUNIT_ASSERT_NOT_NULL(test, x);
	x->props.smark.v = 0x1234;
	x->props.smark.m = 0xffff;
	expect_equal(test, x, &p);
	KUNIT_EXPECT_EQ(test, xk_wire_of(w->lower)->mark, 0x1234);
	xfrm_state_put(x);
}

/* --- what is left to the core --- */

static void others_take_the_cores_way(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct packet p = { .family = AF_INET, .len = 100 };
	struct xfrm_state *x;

	x = tunnel(w, AF_INET, &xk_gcm, true);
	KUNIT_ASSERT_NOT_NULL(test, x);
	/* Padding that hides the length. */
	x->tfcpad = 500;
	expect_equal(test, x, &p);
	x->tfcpad = 0;
	/* The number after the last of an epoch. */
	x->replay_esn->oseq_hi = 1;
	set_number(x, U32_MAX);
	kfree_skb(leaves(w, &p, xac_short_output));
	KUNIT_EXPECT_EQ(test, x->replay_esn->oseq, 0);
	KUNIT_EXPECT_EQ(test, x->replay_esn->oseq_hi, 2);
	xfrm_state_put(x);

	x = tunnel(w, AF_INET6, &xk_gcm, false);
	KUNIT_ASSERT_NOT_NULL(test, x);
	p.family = AF_INET6;
	x->tfcpad = 500;
	expect_equal(test, x, &p);
	xfrm_state_put(x);
}

static void exhaust(struct xfrm_state *x)
{
	set_number(x, U32_MAX);
}

static void break_cipher(struct xfrm_state *x)
{
	crypto_aead_set_flags(x->data, CRYPTO_TFM_NEED_KEY);
}

/* Its timer then deletes the SA. */
static void use_up(struct xfrm_state *x)
{
	x->lft.hard_packet_limit = x->curlft.packets;
}

static void invalidate(struct xfrm_state *x)
{
	x->km.state = XFRM_STATE_ERROR;
}

/* The packet is lost by both ways, for the same reason. */
static void expect_lost(struct kunit *test, void (*spoil)(struct xfrm_state *x),
			int mib)
{
	const struct packet p = { .family = AF_INET, .len = 100 };
	struct xk_world *w = test->priv;
	unsigned long counted;
	struct xfrm_state *x;
	struct sk_buff *skb;
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		x = tunnel(w, AF_INET, &xk_gcm, false);
		KUNIT_ASSERT_NOT_NULL(test, x);
		skb = make(&p);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_ASSERT_TRUE(test, bundle(w, skb, AF_INET));
		spoil(x);
		xk_ended();
		xk_watch(skb);
		counted = xk_mib(w->net, mib);
		KUNIT_EXPECT_NULL(test, sent(w, skb, ways[i], &err));
		KUNIT_EXPECT_LT(test, err, 0);
		KUNIT_EXPECT_EQ(test, xk_ended(), 1);
		KUNIT_EXPECT_EQ_MSG(test, xk_mib(w->net, mib), counted + 1,
				    "way %zu, counter %d", i, mib);
		xfrm_state_put(x);
	}
}

static void lost_for_the_same_reason(struct kunit *test)
{
	expect_lost(test, exhaust, LINUX_MIB_XFRMOUTSTATESEQERROR);
	expect_lost(test, break_cipher, LINUX_MIB_XFRMOUTSTATEPROTOERROR);
	expect_lost(test, use_up, LINUX_MIB_XFRMOUTSTATEEXPIRED);
	expect_lost(test, invalidate, LINUX_MIB_XFRMOUTSTATEINVALID);
}

/* Every allocation fails once: the packet is lost, and nothing else. */
static void no_memory(struct kunit *test)
{
	const struct packet p = {
		.family = AF_INET, .len = 700, .shape = PAGED | NO_HEADROOM,
	};
	struct xk_world *w = test->priv;
	unsigned int nth, lost = 0;
	struct xfrm_state *x;
	bool failed = true;
	int err;

	if (!xk_can_fail())
		kunit_skip(test, "needs failing allocations");

	x = tunnel(w, AF_INET, &xk_gcm, false);
	KUNIT_ASSERT_NOT_NULL(test, x);
	/* What the first packet of all needs is not looked at. */
	kfree_skb(leaves(w, &p, xac_short_output));
	for (nth = 1; failed; nth++) {
		struct sk_buff *skb = make(&p), *out;

		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_ASSERT_TRUE(test, bundle(w, skb, AF_INET));
		xk_ended();
		xk_watch(skb);
		xk_fail_nth(nth);
		out = sent(w, skb, xac_short_output, &err);
		failed = xk_has_failed();
		lost += !out;
		KUNIT_EXPECT_TRUE(test, !out || !err);
		KUNIT_EXPECT_TRUE(test, failed || out);
		kfree_skb(out);
		KUNIT_EXPECT_EQ(test, xk_ended(), 1);
	}
	KUNIT_EXPECT_GT(test, lost, 0);
	xfrm_state_put(x);
}

/* --- netfilter --- */

/**
 * struct seen - what netfilter saw
 * @plain: packets in POST_ROUTING that are still plain
 * @esp: ESP packets there
 * @made: ESP packets in LOCAL_OUT
 */
struct seen {
	unsigned int plain;
	unsigned int esp;
	unsigned int made;
};

static struct seen seen;
static bool stop_plain, reroute_plain;

static bool is_esp(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IP) ?
	       ip_hdr(skb)->protocol == IPPROTO_ESP :
	       ipv6_hdr(skb)->nexthdr == IPPROTO_ESP;
}

static unsigned int look(void *priv, struct sk_buff *skb,
			 const struct nf_hook_state *state)
{
	struct dst_entry *route;

	if (state->hook == NF_INET_LOCAL_OUT) {
		seen.made += is_esp(skb);
		return NF_ACCEPT;
	}
	if (is_esp(skb)) {
		seen.esp++;
		return NF_ACCEPT;
	}
	seen.plain += !!skb_dst(skb)->xfrm;
	if (stop_plain)
		return NF_DROP;
	if (reroute_plain && skb_dst(skb)->xfrm) {
		route = dst_clone(xfrm_dst_path(skb_dst(skb)));
		skb_dst_drop(skb);
		skb_dst_set(skb, route);
	}

	return NF_ACCEPT;
}

static const struct nf_hook_ops hooks[] = {
	{ .hook = look, .pf = NFPROTO_IPV4, .hooknum = NF_INET_POST_ROUTING },
	{ .hook = look, .pf = NFPROTO_IPV4, .hooknum = NF_INET_LOCAL_OUT },
	{ .hook = look, .pf = NFPROTO_IPV6, .hooknum = NF_INET_POST_ROUTING },
	{ .hook = look, .pf = NFPROTO_IPV6, .hooknum = NF_INET_LOCAL_OUT },
};

static void netfilter_sees_the_same(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct packet p = { .len = 100 };
	struct xfrm_state *x;
	size_t f, i;

	KUNIT_ASSERT_EQ(test, nf_register_net_hooks(w->net, hooks,
						    ARRAY_SIZE(hooks)), 0);
	for (f = 0; f < ARRAY_SIZE(family); f++) {
		p.family = family[f];
		x = tunnel(w, family[f], &xk_gcm, false);
		for (i = 0; x && i < ARRAY_SIZE(ways); i++) {
			struct sk_buff *out;

			memset(&seen, 0, sizeof(seen));
			out = leaves(w, &p, ways[i]);
			KUNIT_EXPECT_NOT_NULL(test, out);
			kfree_skb(out);
			KUNIT_EXPECT_EQ(test, seen.plain, 1);
			KUNIT_EXPECT_EQ(test, seen.made, 1);
			KUNIT_EXPECT_EQ(test, seen.esp, 1);

			stop_plain = true;
			KUNIT_EXPECT_NULL(test, leaves(w, &p, ways[i]));
			stop_plain = false;
			KUNIT_EXPECT_EQ(test, number_of(x), i + 1);

			/* As a rule that takes a packet out of the tunnel. */
			reroute_plain = true;
			out = leaves(w, &p, ways[i]);
			reroute_plain = false;
			KUNIT_EXPECT_TRUE(test, out && !is_esp(out));
			kfree_skb(out);
			KUNIT_EXPECT_EQ(test, number_of(x), i + 1);
		}
		KUNIT_EXPECT_NOT_NULL(test, x);
		xfrm_state_put(x);
	}
	nf_unregister_net_hooks(w->net, hooks, ARRAY_SIZE(hooks));
}

static struct kunit_case output_cases[] = {
	KUNIT_CASE(every_header),
	KUNIT_CASE(every_cipher),
	KUNIT_CASE(every_shape),
	KUNIT_CASE(mark_of_the_sa),
	KUNIT_CASE(others_take_the_cores_way),
	KUNIT_CASE(lost_for_the_same_reason),
	KUNIT_CASE(no_memory),
	KUNIT_CASE(netfilter_sees_the_same),
	{}
};

struct kunit_suite xac_esp_output_suite = {
	.name = "xac_esp_output",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = output_cases,
};
