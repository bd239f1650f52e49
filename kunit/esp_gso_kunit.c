// SPDX-License-Identifier: GPL-2.0
/*
 * ESP in GSO: trains are cut into segments that can be encrypted without
 * anything going wrong any more, and each gets a number of its own.
 */
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/esp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "compat/gso.h"
#include "compat/kunit.h"
#include "esp/layout.h"
#include "kunit/fixture_esp.h"

#define PAYLOAD	4500
#define SIZE	1000

static const struct xk_train train4 = {
	.family = AF_INET,
	.proto = IPPROTO_TCP,
	.payload = PAYLOAD,
	.size = SIZE,
};

static unsigned int segments_of(const struct xk_train *t)
{
	return DIV_ROUND_UP(t->payload, t->size);
}

static struct xfrm_state *sa_out(struct xk_world *w, unsigned short outer,
				 unsigned short inner, u8 mode, bool esn)
{
	const struct xk_sa sa = {
		.family = outer,
		.mode = mode,
		.spi = XK_SPI_OUT,
		.esn = esn,
		.selects = mode == XFRM_MODE_BEET ? inner : 0,
	};

	return xk_sa_make(w->net, &sa);
}

/* A train that is on its way to the device; it has been watched. */
static struct sk_buff *under_way(struct xk_world *w, struct xfrm_state *x,
				 const struct xk_train *t)
{
	struct sk_buff *train = xk_train(t);

	if (!train)
		return NULL;
	xk_watch(train);

	return xk_output(w, x, train);
}

/* --- what a segment is like --- */

static bool owned(const struct sk_buff *skb, struct xfrm_state *x)
{
	unsigned int esp = skb->len - skb_transport_offset(skb) -
			   xac_esp_header_len(x->data);

	return !skb_is_nonlinear(skb) && !skb_cloned(skb) &&
	       !skb_is_gso(skb) && skb->ip_summed == CHECKSUM_NONE &&
	       skb_tailroom(skb) >= xac_esp_trailer_len(x->data, esp);
}

static bool checksum_good(const struct sk_buff *skb, unsigned int offset,
			  const struct xk_train *t)
{
	unsigned int len = skb->len - offset;
	__wsum sum = skb_checksum(skb, offset, len, 0);

	if (t->family == AF_INET)
		return !csum_tcpudp_magic(htonl(XK_IN4_A), htonl(XK_IN4_B),
					  len, t->proto, sum);

	return !csum_ipv6_magic(&xk_in6_a, &xk_in6_b, len, t->proto, sum);
}

static bool inner_length_good(const struct sk_buff *skb,
			      const struct xk_train *t)
{
	if (t->family == AF_INET)
		return ((struct iphdr *)skb->data)->tot_len == htons(skb->len);

	return ((struct ipv6hdr *)skb->data)->payload_len ==
	       htons(skb->len - sizeof(struct ipv6hdr));
}

/* What the SA's payload begins with. */
static unsigned int before_transport(const struct xfrm_state *x,
				     const struct xk_train *t)
{
	switch (x->props.mode) {
	case XFRM_MODE_TUNNEL:
		return t->family == AF_INET ?
		       sizeof(struct iphdr) + t->options :
		       sizeof(struct ipv6hdr);
	case XFRM_MODE_BEET:
		return t->options ? round_up(sizeof(struct ip_beet_phdr) +
					     t->options, 8) : 0;
	default:
		return 0;
	}
}

/* Of packets on a list, the last TCP segment has a FIN, and no other. */
static bool ends_well(const struct sk_buff *skb, unsigned int offset,
		      const struct xk_train *t, unsigned int nth)
{
	const struct tcphdr *tcph = (void *)(skb->data + offset);

	return t->proto != IPPROTO_TCP ||
	       tcph->fin == (t->shape == XK_ARRIVED &&
			     nth + 1 == segments_of(t));
}

/* The payload of the @nth segment, decrypted, data at the SA's payload. */
static bool carries(const struct sk_buff *skb, struct xfrm_state *x,
		    const struct xk_train *t, unsigned int nth)
{
	unsigned int l4 = t->proto == IPPROTO_TCP ? sizeof(struct tcphdr) :
						    sizeof(struct udphdr);
	bool tunnel = x->props.mode == XFRM_MODE_TUNNEL;
	unsigned int ip = before_transport(x, t);
	unsigned int len = min(t->size, t->payload - nth * t->size);
	u8 *all = kmalloc(t->payload, GFP_KERNEL);
	bool ok;

	if (!all)
		return false;
	xk_fill(all, t->payload);
	ok = skb->len == ip + l4 + len && ends_well(skb, ip, t, nth) &&
	     !memcmp(skb->data + ip + l4, all + nth * t->size, len) &&
	     checksum_good(skb, ip, t) &&
	     (!tunnel || inner_length_good(skb, t));
	kfree(all);

	return ok;
}

/* What is sent has the outer header of a packet of its length. */
static bool outer_good(const struct sk_buff *skb, const struct xfrm_state *x)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (skb->data != skb_network_header(skb))
		return false;
	if (x->props.family == AF_INET6)
		return ipv6_hdr(skb)->nexthdr == IPPROTO_ESP &&
		       ipv6_hdr(skb)->payload_len ==
		       htons(skb->len - sizeof(struct ipv6hdr));

	return iph->protocol == IPPROTO_ESP &&
	       iph->tot_len == htons(skb->len) &&
	       !ip_fast_csum(iph, iph->ihl);
}

/* Cuts and sends a train: every segment is what it should be. */
static void expect_segments(struct kunit *test, struct xfrm_state *x,
			    const struct xk_train *t, u64 seq)
{
	struct xk_world *w = test->priv;
	struct sk_buff *train = under_way(w, x, t), *segs, *skb, *next;
	unsigned int n = 0;

	KUNIT_ASSERT_NOT_NULL(test, train);
	/* By which the core measures its segments. */
	KUNIT_EXPECT_EQ(test, skb_inner_transport_offset(train),
			skb_transport_offset(train) +
			xac_esp_header_len(x->data) + before_transport(x, t));
	segs = xk_segment(train);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(segs), 0);
	if (IS_ERR_OR_NULL(segs)) {
		kfree_skb(train);
		return;
	}
	consume_skb(train);
	KUNIT_EXPECT_EQ(test, xk_list_len(segs), segments_of(t));
	for (skb = segs; skb; skb = skb->next)
		KUNIT_EXPECT_TRUE(test, owned(skb, x));

	segs = xk_validate(segs);
	KUNIT_EXPECT_EQ(test, xk_list_len(segs), segments_of(t));
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		KUNIT_EXPECT_TRUE(test, outer_good(skb, x));
		KUNIT_EXPECT_NULL(test, skb_sec_path(skb));
		KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(skb)->seq_no),
				lower_32_bits(seq + n));
		KUNIT_EXPECT_GT_MSG(test,
				    xk_opened_by_kernel(x, skb, seq + n), 0,
				    "segment %u", n);
		KUNIT_EXPECT_TRUE_MSG(test, carries(skb, x, t, n),
				      "segment %u", n);
		kfree_skb(skb);
		n++;
	}
}

static const u8 modes[] = {
	XFRM_MODE_TUNNEL, XFRM_MODE_TRANSPORT, XFRM_MODE_BEET,
};

static void every_mode_and_family(struct kunit *test)
{
	static const unsigned short family[] = { AF_INET, AF_INET6 };
	struct xk_world *w = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes) * 8; i++) {
		unsigned short outer = family[i >> 1 & 1];
		u8 mode = modes[i / 8];
		struct xk_train t = train4;
		struct xfrm_state *x;

		t.family = family[i & 1];
		t.proto = i & 4 ? IPPROTO_UDP : IPPROTO_TCP;
		if (mode == XFRM_MODE_TRANSPORT && t.family != outer)
			continue;
		x = sa_out(w, outer, t.family, mode, false);
		KUNIT_ASSERT_NOT_NULL(test, x);
		expect_segments(test, x, &t, 1);
		xk_settle();
		KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
		xk_sa_free(x);
	}
}

/* BEET puts IPv4 options into a header of their own. */
static void options_of_any_length(struct kunit *test)
{
	static const u8 options[] = { 4, 8, 12, 16, 40 };
	struct xk_world *w = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(options) * 4; i++) {
		u8 mode = i & 1 ? XFRM_MODE_BEET : XFRM_MODE_TUNNEL;
		unsigned short outer = i & 2 ? AF_INET6 : AF_INET;
		struct xk_train t = train4;
		struct xfrm_state *x;

		t.options = options[i / 4];
		x = sa_out(w, outer, AF_INET, mode, false);
		KUNIT_ASSERT_NOT_NULL(test, x);
		expect_segments(test, x, &t, 1);
		xk_sa_free(x);
	}
}

/* Payload in pages, or in packets that GRO has put together. */
static void every_shape(struct kunit *test)
{
	static const unsigned int payload[] = { 2 * SIZE, PAYLOAD, 12001 };
	struct xk_world *w = test->priv;
	struct xk_train t = train4;
	unsigned int i, shape;

	for (shape = XK_LINEAR; shape <= XK_LIST; shape++)
		for (i = 0; i < ARRAY_SIZE(payload); i++) {
			struct xfrm_state *x;

			x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL, true);
			KUNIT_ASSERT_NOT_NULL(test, x);
			t.payload = payload[i];
			t.shape = shape;
			expect_segments(test, x, &t, 1);
			xk_sa_free(x);
		}
}

/*
 * Packets as they came in, which GRO has but put on a list: the kernel would
 * take them off again, but they are not the SA's yet.
 */
static void lists_of_packets(struct kunit *test)
{
	static const unsigned short family[] = { AF_INET, AF_INET6 };
	struct xk_world *w = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes) * 16; i++) {
		unsigned short outer = family[i >> 1 & 1];
		u8 mode = modes[i / 16];
		struct xk_train t = train4;
		struct xfrm_state *x;

		t.family = family[i & 1];
		t.proto = i & 4 ? IPPROTO_UDP : IPPROTO_TCP;
		t.shape = XK_ARRIVED;
		t.unsummed = i & 8;
		if (mode == XFRM_MODE_TRANSPORT && t.family != outer)
			continue;
		x = sa_out(w, outer, t.family, mode, false);
		KUNIT_ASSERT_NOT_NULL(test, x);
		expect_segments(test, x, &t, 1);
		xk_settle();
		KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
		xk_sa_free(x);
	}
}

/* Whatever the allocator leaves behind a segment, its trailer has room. */
static void room_whatever_the_size(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      false);
	struct xk_train t = train4;
	u64 seq = 1;

	KUNIT_ASSERT_NOT_NULL(test, x);
	for (t.size = 480; t.size < 720; t.size++) {
		t.payload = 2 * t.size;
		expect_segments(test, x, &t, seq);
		seq += segments_of(&t);
	}
	xk_sa_free(x);
}

/* --- numbers --- */

/*
 * Trains and single packets one after another: every number once, across the
 * end of the lower 32 bits as well.
 */
static void numbers_are_dense(struct kunit *test)
{
	static const unsigned int trains[] = { 3, 1, 7, 2, 1, 1, 5, 4 };
	struct xk_world *w = test->priv;
	struct xk_train t = train4;
	struct xfrm_state *x;
	unsigned int start;
	u64 seq;
	size_t i;

	for (start = 1; start <= 24; start++) {
		x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL, true);
		KUNIT_ASSERT_NOT_NULL(test, x);
		x->replay_esn->oseq = -start;
		x->replay_esn->oseq_hi = 6;
		seq = (6ULL << 32 | (u32)-start) + 1;
		for (i = 0; i < ARRAY_SIZE(trains); i++) {
			t.payload = max(trains[i], 2u) * SIZE;
			expect_segments(test, x, &t, seq);
			seq += segments_of(&t);
		}
		xk_sa_free(x);
	}
}

/* A list of the same segments, with their data. */
static struct sk_buff *copied(struct sk_buff *segs)
{
	struct sk_buff *first = NULL, **end = &first;

	for (; segs && (*end = skb_clone(segs, GFP_KERNEL)); segs = segs->next)
		end = &(*end)->next;
	*end = NULL;

	return first;
}

static bool same_packets(const struct sk_buff *a, const struct sk_buff *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (a->len != b->len || memcmp(a->data, b->data, a->len))
			return false;

	return a == b;
}

/*
 * Whoever copies a train on its way, or a segment, gets no other use of its
 * numbers: encrypted, all are the same.
 */
static void copies_are_the_same(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      true);
	struct sk_buff *train, *copy, *cut[3] = {}, *skb;
	unsigned int n = 0;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	train = under_way(w, x, &train4);
	KUNIT_ASSERT_NOT_NULL(test, train);
	copy = skb_clone(train, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);

	cut[0] = xk_segment(train);
	KUNIT_EXPECT_FALSE(test, xfrm_offload(copy)->flags & XFRM_GSO_SEGMENT);
	cut[1] = xk_segment(copy);
	KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(cut[0]), 0);
	KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(cut[1]), 0);
	cut[2] = copied(cut[0]);
	consume_skb(train);
	consume_skb(copy);

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, xk_list_len(cut[i]),
				segments_of(&train4));
		cut[i] = xk_validate(cut[i]);
		KUNIT_EXPECT_TRUE(test, same_packets(cut[0], cut[i]));
	}
	for (skb = cut[0]; skb; skb = skb->next)
		KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(skb)->seq_no), ++n);
	for (i = 0; i < 3; i++)
		kfree_skb_list(cut[i]);

	expect_segments(test, x, &train4, n + 1);
	xk_sa_free(x);
}

/* Whoever edits a segment before it is encrypted does not come to its number. */
static void edited_header_keeps_its_number(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      true);
	struct sk_buff *train, *segs, *skb;
	unsigned int n = 0;

	KUNIT_ASSERT_NOT_NULL(test, x);
	train = under_way(w, x, &train4);
	KUNIT_ASSERT_NOT_NULL(test, train);
	segs = xk_segment(train);
	KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(segs), 0);
	consume_skb(train);
	for (skb = segs; skb; skb = skb->next) {
		u8 *esph = skb->data + sizeof(struct iphdr);

		((struct ip_esp_hdr *)esph)->seq_no = htonl(3);
	}
	segs = xk_validate(segs);
	for (skb = segs; skb; skb = skb->next) {
		KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(skb)->seq_no), ++n);
		KUNIT_EXPECT_EQ(test, skb_shinfo(skb)->gso_segs, 0);
	}
	KUNIT_EXPECT_EQ(test, n, segments_of(&train4));
	kfree_skb_list(segs);
	xk_sa_free(x);
}

static void single_packets_are_numbered(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      true);
	u64 seq = 2ULL << 32 | 0xfffffffe;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	x->replay_esn->oseq = lower_32_bits(seq - 1);
	x->replay_esn->oseq_hi = upper_32_bits(seq - 1);
	for (i = 0; i < 5; i++, seq++) {
		struct sk_buff *skb = xk_skb4(500, true);

		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb = xk_output(w, x, skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb = xk_validate(skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_TRUE(test, outer_good(skb, x));
		KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(skb)->seq_no),
				lower_32_bits(seq));
		KUNIT_EXPECT_EQ(test, xk_opened_by_kernel(x, skb, seq),
				IPPROTO_IPIP);
		KUNIT_EXPECT_EQ(test, skb->len, 500);
		kfree_skb(skb);
	}
	xk_sa_free(x);
}

/* --- padding that hides the length --- */

/* Opened, a payload of @len with the padding that goes with it. */
static void expect_padded(struct kunit *test, struct xfrm_state *x,
			  struct sk_buff *skb, u64 seq, unsigned int len,
			  unsigned int padded)
{
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, outer_good(skb, x));
	KUNIT_EXPECT_LE(test, skb->len, 1500);
	KUNIT_EXPECT_GT(test, xk_opened_by_kernel(x, skb, seq), 0);
	KUNIT_EXPECT_EQ(test, skb->len, padded);
	KUNIT_EXPECT_EQ(test, ntohs(((struct iphdr *)skb->data)->tot_len), len);
	for (i = len; i < skb->len && !skb->data[i]; i++)
		;
	KUNIT_EXPECT_EQ(test, i, padded);
}

/* As long as was asked for, as long as the path allows, never shorter. */
static void packets_of_one_length(struct kunit *test)
{
	static const u32 tfcpad[] = { 1, 500, 501, 1000, 1400, 9000, U32_MAX };
	struct xk_world *w = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tfcpad); i++) {
		struct xfrm_state *x = sa_out(w, AF_INET, AF_INET,
					      XFRM_MODE_TUNNEL, false);
		struct sk_buff *skb = xk_skb4(500, true);
		u32 padded;

		KUNIT_ASSERT_NOT_NULL(test, x);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		x->tfcpad = tfcpad[i];
		padded = max(500U, min(tfcpad[i], xfrm_state_mtu(x, 1500)));
		skb = xk_output(w, x, skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb = xk_validate(skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		expect_padded(test, x, skb, 1, 500, padded);
		kfree_skb(skb);
		xk_sa_free(x);
	}
}

/* The last segment of a train is as long as the others. */
static void segments_of_one_length(struct kunit *test)
{
	const unsigned int headers = sizeof(struct iphdr) +
				     sizeof(struct tcphdr);
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      false);
	struct sk_buff *train, *segs, *skb, *next;
	unsigned int n = 0;

	KUNIT_ASSERT_NOT_NULL(test, x);
	x->tfcpad = 9000;
	train = under_way(w, x, &train4);
	KUNIT_ASSERT_NOT_NULL(test, train);
	segs = xk_segment(train);
	KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(segs), 0);
	consume_skb(train);
	segs = xk_validate(segs);
	KUNIT_EXPECT_EQ(test, xk_list_len(segs), segments_of(&train4));
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		expect_padded(test, x, skb, 1 + n, headers +
			      min(SIZE, PAYLOAD - n * SIZE),
			      xfrm_state_mtu(x, 1500));
		kfree_skb(skb);
		n++;
	}
	xk_sa_free(x);
}

/* A UDP datagram behind extension headers, of 8 bytes each. */
static struct sk_buff *behind_headers(const u8 *headers, unsigned int n)
{
	struct sk_buff *skb = xk_skb6(sizeof(struct ipv6hdr) + n * 8 + 200);
	u8 *nexthdr, *ext;

	if (!skb)
		return NULL;

	nexthdr = &ipv6_hdr(skb)->nexthdr;
	ext = skb_transport_header(skb);
	for (; n; n--, ext += 8) {
		*nexthdr = *headers++;
		/* One option that pads the rest: PadN. */
		ext[2] = 1;
		ext[3] = 4;
		nexthdr = ext;
	}
	*nexthdr = IPPROTO_UDP;
	skb_set_transport_header(skb, ext - skb->data);
	xk_fill(ext, 200);

	return skb;
}

/* In transport mode they stay in front of ESP, and the payload is known. */
static void extension_headers_in_front(struct kunit *test)
{
	static const u8 headers[] = { NEXTHDR_HOP, NEXTHDR_DEST };
	struct xk_world *w = test->priv;
	unsigned int n;

	for (n = 0; n <= ARRAY_SIZE(headers); n++) {
		struct xfrm_state *x;
		struct sk_buff *skb;
		u8 payload[200];

		x = sa_out(w, AF_INET6, AF_INET6, XFRM_MODE_TRANSPORT, false);
		KUNIT_ASSERT_NOT_NULL(test, x);
		xk_fill(payload, sizeof(payload));
		skb = behind_headers(headers, n);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb = xk_output(w, x, skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb = xk_validate(skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_EQ(test, ipv6_hdr(skb)->nexthdr,
				n ? headers[0] : IPPROTO_ESP);
		skb_set_transport_header(skb, sizeof(struct ipv6hdr) + n * 8);
		KUNIT_EXPECT_EQ_MSG(test, xk_opened_by_kernel(x, skb, 1),
				    IPPROTO_UDP, "%u headers", n);
		KUNIT_EXPECT_EQ(test, skb->len, sizeof(payload));
		KUNIT_EXPECT_EQ(test, memcmp(skb->data, payload,
					     sizeof(payload)), 0);
		kfree_skb(skb);
		xk_sa_free(x);
	}
}

/* --- what is refused --- */

/* The train is as it was before an error, and ends once. */
static void expect_error(struct kunit *test, struct sk_buff *train, int err)
{
	struct sk_buff *segs = xk_segment(train);

	KUNIT_EXPECT_TRUE(test, IS_ERR(segs));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(segs), err);
	KUNIT_EXPECT_EQ(test, xk_ended(), 0);
	if (!IS_ERR(segs))
		kfree_skb_list(segs);
	kfree_skb(train);
	KUNIT_EXPECT_EQ(test, xk_ended(), 1);
}

/*
 * What an untrusted source says is not believed: its trains are counted here, each
 * segment has a number that nobody else gets.
 */
static void untrusted_trains(struct kunit *test)
{
	static const u32 start[] = { 0, 41, -8, -5, -2, -1 };
	struct xk_world *w = test->priv;
	struct sk_buff *train, *segs;
	struct xfrm_state *x;
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(start) * 2; i++) {
		n = start[i / 2];
		x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL, i & 1);
		KUNIT_ASSERT_NOT_NULL(test, x);
		*(x->replay_esn ? &x->replay_esn->oseq : &x->replay.oseq) = n;
		train = xk_train(&train4);
		KUNIT_ASSERT_NOT_NULL(test, train);
		skb_shinfo(train)->gso_type |= SKB_GSO_DODGY;
		skb_shinfo(train)->gso_segs = 0;
		xk_watch(train);
		train = xk_output(w, x, train);
		KUNIT_ASSERT_NOT_NULL(test, train);
		/* As a newer kernel does in front of a device. */
		skb_shinfo(train)->gso_segs = segments_of(&train4);
		if (n > U32_MAX - segments_of(&train4) && !x->replay_esn) {
			expect_error(test, train, -EINVAL);
			xk_sa_free(x);
			continue;
		}

		segs = xk_segment(train);
		KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(segs), 0);
		consume_skb(train);
		segs = xk_validate(segs);
		KUNIT_EXPECT_EQ(test, xk_list_len(segs), segments_of(&train4));
		for (train = segs; train; train = train->next)
			KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(train)->seq_no),
					++n);
		kfree_skb_list(segs);
		xk_ended();
		KUNIT_EXPECT_EQ(test, n, x->replay_esn ? x->replay_esn->oseq :
							 x->replay.oseq);
		xk_sa_free(x);
	}
}

/* A train without an end does not use up the SA. */
static void untrusted_train_of_bytes(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      false);
	struct sk_buff *train = xk_train(&train4);

	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_NOT_NULL(test, train);
	skb_shinfo(train)->gso_type |= SKB_GSO_DODGY;
	skb_shinfo(train)->gso_size = 2;
	train->ignore_df = 1;
	skb_shinfo(train)->gso_segs = 0;
	xk_watch(train);
	train = xk_output(w, x, train);
	KUNIT_ASSERT_NOT_NULL(test, train);
	KUNIT_EXPECT_EQ(test, x->replay.oseq, 0);
	expect_error(test, train, -EINVAL);
	xk_sa_free(x);
}

/*
 * What the core cuts, because it was in a tunnel already, has one security path,
 * in which each packet's number is written.
 */
static void trains_in_another_tunnel(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      true);
	struct sk_buff *train = xk_train(&train4), *segs, *skb, *next;
	unsigned int n = 0;

	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_NOT_NULL(test, train);
	skb_set_inner_protocol(train, htons(ETH_P_IP));
	segs = xk_output(w, x, train);
	KUNIT_EXPECT_EQ(test, xk_list_len(segs), segments_of(&train4));
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		skb = xk_validate(skb);
		KUNIT_EXPECT_NOT_NULL(test, skb);
		if (!skb)
			continue;
		KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(skb)->seq_no), ++n);
		KUNIT_EXPECT_EQ(test, xk_opened_by_kernel(x, skb, n),
				IPPROTO_IPIP);
		kfree_skb(skb);
	}
	xk_settle();
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
	xk_sa_free(x);
}

static void as_a_fragment(struct sk_buff *skb)
{
	ip_hdr(skb)->frag_off = htons(IP_MF);
}

static void with_another_spi(struct sk_buff *skb)
{
	ip_esp_hdr(skb)->spi ^= htonl(1);
}

static void without_a_place(struct sk_buff *skb)
{
	skb_shinfo(skb)->gso_segs = 0;
}

/* What has a packet's security path, but is not the packet, is not encrypted. */
static void parts_of_packets(struct kunit *test)
{
	static void (* const changes[])(struct sk_buff *skb) = {
		as_a_fragment, with_another_spi, without_a_place,
	};
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      false);
	struct sk_buff *train, *segs, *rest;
	unsigned long errors;
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		train = under_way(w, x, &train4);
		KUNIT_ASSERT_NOT_NULL(test, train);
		segs = xk_segment(train);
		KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(segs), 0);
		consume_skb(train);
		rest = segs->next;
		skb_mark_not_on_list(segs);
		skb_set_transport_header(segs, sizeof(struct iphdr));
		changes[i](segs);
		errors = xk_mib(w->net, LINUX_MIB_XFRMOUTSTATEPROTOERROR);
		KUNIT_EXPECT_NULL(test, xk_validate(segs));
		KUNIT_EXPECT_EQ(test, errors + 1,
				xk_mib(w->net,
				       LINUX_MIB_XFRMOUTSTATEPROTOERROR));
		kfree_skb_list(rest);
	}
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
	xk_sa_free(x);
}

static void more_segments_than_numbers(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      false);
	struct sk_buff *train;
	unsigned int segs;

	KUNIT_ASSERT_NOT_NULL(test, x);
	for (segs = 0; segs < segments_of(&train4); segs++) {
		train = under_way(w, x, &train4);
		KUNIT_ASSERT_NOT_NULL(test, train);
		xac_esp_note(xfrm_offload(train), 0, segs);
		expect_error(test, train, -EINVAL);
	}
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
	xk_sa_free(x);
}

static void not_a_train_of_esp(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      false);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	for (i = 0; i < 4; i++) {
		struct sk_buff *train = under_way(w, x, &train4);

		KUNIT_ASSERT_NOT_NULL(test, train);
		switch (i) {
		case 0:
			ip_esp_hdr(train)->spi ^= htonl(1);
			break;
		case 1:
			skb_shinfo(train)->gso_type &= ~SKB_GSO_ESP;
			break;
		case 2:
			secpath_reset(train);
			break;
		case 3:
			skb_sec_path(train)->olen = 0;
			break;
		}
		expect_error(test, train, -EINVAL);
	}
	xk_sa_free(x);
}

/* A proto that no tunnel has, and a mode that the engine does not know. */
static void impossible_trains(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TRANSPORT,
				      false);
	struct sk_buff *train;

	KUNIT_ASSERT_NOT_NULL(test, x);
	train = under_way(w, x, &train4);
	KUNIT_ASSERT_NOT_NULL(test, train);
	xfrm_offload(train)->proto = 253;
	expect_error(test, train, -EINVAL);

	train = under_way(w, x, &train4);
	KUNIT_ASSERT_NOT_NULL(test, train);
	x->outer_mode.encap = XFRM_MODE_ROUTEOPTIMIZATION;
	expect_error(test, train, -EOPNOTSUPP);
	xk_sa_free(x);
}

static void by_an_unknown_protocol(struct sk_buff *train)
{
	xfrm_offload(train)->proto = 253;
}

static void by_a_missing_number(struct sk_buff *train)
{
	struct xfrm_offload *xo = xfrm_offload(train);

	xac_esp_note(xo, 0, xac_esp_reserved(xo) - 1);
}

static u64 tx_dropped(const struct xk_world *w)
{
	struct rtnl_link_stats64 stats;

	return dev_get_stats(w->lower, &stats)->tx_dropped;
}

/* The core counts it as dropped by the device; the next train leaves. */
static void expect_dropped(struct kunit *test, struct xfrm_state *x,
			   void (*spoilt)(struct sk_buff *train))
{
	struct xk_world *w = test->priv;
	struct xk_wire *wire = xk_wire_of(w->lower);
	struct sk_buff *train = under_way(w, x, &train4);
	unsigned int esp = wire->esp;
	u64 dropped = tx_dropped(w);
	u32 number = x->replay.oseq;

	KUNIT_ASSERT_NOT_NULL(test, train);
	spoilt(train);
	xk_ended();
	dev_queue_xmit(train);
	KUNIT_EXPECT_EQ(test, xk_ended(), 1);
	KUNIT_EXPECT_EQ(test, tx_dropped(w), dropped + 1);
	KUNIT_EXPECT_EQ(test, wire->esp, esp);
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);

	train = under_way(w, x, &train4);
	KUNIT_ASSERT_NOT_NULL(test, train);
	wire->keep = true;
	dev_queue_xmit(train);
	wire->keep = false;
	KUNIT_EXPECT_EQ(test, xk_ended(), 1);
	KUNIT_EXPECT_EQ(test, tx_dropped(w), dropped + 1);
	KUNIT_EXPECT_EQ(test, wire->esp, esp + segments_of(&train4));
	KUNIT_ASSERT_NOT_NULL(test, wire->kept);
	/* The numbers of the lost one do not come again. */
	KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(wire->kept)->seq_no),
			number + 1);
	kfree_skb(wire->kept);
	wire->kept = NULL;
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
}

static void dropped_by_the_device(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TRANSPORT,
				      false);

	KUNIT_ASSERT_NOT_NULL(test, x);
	expect_dropped(test, x, by_an_unknown_protocol);
	expect_dropped(test, x, by_a_missing_number);
	xk_sa_free(x);
}

/*
 * Every allocation that there is fails once. One that failed and was not missed
 * may have been somebody else's: then the same is tried again.
 */
static void expect_memory_missed(struct kunit *test, const struct xk_train *t)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x;
	bool failed = true, missed;
	int nth, refs, unmissed = 0;

	x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL, false);
	KUNIT_ASSERT_NOT_NULL(test, x);
	for (nth = 1; failed; nth++) {
		struct sk_buff *train = under_way(w, x, t), *segs;
		unsigned int len;
		u8 head[64];

		KUNIT_ASSERT_NOT_NULL(test, train);
		refs = refcount_read(&x->refcnt);
		len = train->len;
		memcpy(head, train->data, sizeof(head));
		local_bh_disable();
		xk_fail_nth(nth);
		segs = xk_segment(train);
		failed = xk_has_failed();
		local_bh_enable();
		missed = IS_ERR(segs);
		if (failed && !missed && !unmissed++) {
			nth--;
		} else if (failed) {
			unmissed = 0;
			KUNIT_EXPECT_TRUE_MSG(test, missed, "%d", nth);
			KUNIT_EXPECT_EQ(test, train->len, len);
			KUNIT_EXPECT_EQ(test, memcmp(train->data, head,
						     sizeof(head)), 0);
			KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), refs);
		}
		if (!IS_ERR_OR_NULL(segs))
			kfree_skb_list(segs);
		xk_ended();
		kfree_skb(train);
		KUNIT_EXPECT_EQ(test, xk_ended(), 1);
		KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
	}
	KUNIT_EXPECT_GT(test, nth, (int)segments_of(t));
	xk_sa_free(x);
}

static void no_memory(struct kunit *test)
{
	struct xk_train t = train4;

	if (!xk_can_fail())
		kunit_skip(test, "needs failing allocations");

	t.shape = XK_LIST;
	expect_memory_missed(test, &t);
	t.shape = XK_ARRIVED;
	expect_memory_missed(test, &t);
}

/* --- a cipher that fails --- */

/* In a train nobody may learn of it: the segments go, without the payload. */
static void failed_segments_say_nothing(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      true);
	struct sk_buff *train, *segs, *skb, *next;
	unsigned long counted;
	u32 n = 0;

	KUNIT_ASSERT_NOT_NULL(test, x);
	train = under_way(w, x, &train4);
	KUNIT_ASSERT_NOT_NULL(test, train);
	segs = xk_segment(train);
	kfree_skb(train);
	KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(segs), 0);

	counted = xk_mib(w->net, LINUX_MIB_XFRMOUTSTATEPROTOERROR);
	crypto_aead_set_flags(x->data, CRYPTO_TFM_NEED_KEY);
	segs = xk_validate(segs);
	crypto_aead_clear_flags(x->data, CRYPTO_TFM_NEED_KEY);
	KUNIT_EXPECT_EQ(test, xk_list_len(segs), segments_of(&train4));
	KUNIT_EXPECT_EQ(test, xk_mib(w->net, LINUX_MIB_XFRMOUTSTATEPROTOERROR),
			counted + segments_of(&train4));
	skb_list_walk_safe(segs, skb, next) {
		struct ip_esp_hdr *esph = ip_esp_hdr(skb);

		skb_mark_not_on_list(skb);
		KUNIT_EXPECT_TRUE(test, outer_good(skb, x));
		KUNIT_EXPECT_EQ(test, ntohl(esph->seq_no), ++n);
		KUNIT_EXPECT_NULL(test, memchr_inv(esph->enc_data, 0,
						   skb_tail_pointer(skb) -
						   esph->enc_data));
		KUNIT_EXPECT_EQ(test, xk_opened_by_kernel(x, skb, n),
				-EBADMSG);
		kfree_skb(skb);
	}
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
	xk_sa_free(x);
}

static void failed_packet_is_dropped(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_out(w, AF_INET, AF_INET, XFRM_MODE_TUNNEL,
				      false);
	unsigned long counted;
	struct sk_buff *skb;

	KUNIT_ASSERT_NOT_NULL(test, x);
	skb = xk_skb4(500, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	xk_ended();
	xk_watch(skb);
	skb = xk_output(w, x, skb);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	counted = xk_mib(w->net, LINUX_MIB_XFRMOUTSTATEPROTOERROR);
	crypto_aead_set_flags(x->data, CRYPTO_TFM_NEED_KEY);
	KUNIT_EXPECT_NULL(test, xk_validate(skb));
	crypto_aead_clear_flags(x->data, CRYPTO_TFM_NEED_KEY);
	KUNIT_EXPECT_EQ(test, xk_ended(), 1);
	KUNIT_EXPECT_EQ(test, xk_mib(w->net, LINUX_MIB_XFRMOUTSTATEPROTOERROR),
			counted + 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
	xk_sa_free(x);
}

static struct kunit_case gso_cases[] = {
	KUNIT_CASE(every_mode_and_family),
	KUNIT_CASE(options_of_any_length),
	KUNIT_CASE(every_shape),
	KUNIT_CASE(lists_of_packets),
	KUNIT_CASE(room_whatever_the_size),
	KUNIT_CASE(numbers_are_dense),
	KUNIT_CASE(copies_are_the_same),
	KUNIT_CASE(edited_header_keeps_its_number),
	KUNIT_CASE(single_packets_are_numbered),
	KUNIT_CASE(packets_of_one_length),
	KUNIT_CASE(segments_of_one_length),
	KUNIT_CASE(extension_headers_in_front),
	KUNIT_CASE(untrusted_trains),
	KUNIT_CASE(untrusted_train_of_bytes),
	KUNIT_CASE(trains_in_another_tunnel),
	KUNIT_CASE(parts_of_packets),
	KUNIT_CASE(more_segments_than_numbers),
	KUNIT_CASE(not_a_train_of_esp),
	KUNIT_CASE(impossible_trains),
	KUNIT_CASE(dropped_by_the_device),
	KUNIT_CASE(no_memory),
	KUNIT_CASE(failed_segments_say_nothing),
	KUNIT_CASE(failed_packet_is_dropped),
	{}
};

struct kunit_suite xac_esp_gso_suite = {
	.name = "xac_esp_gso",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = gso_cases,
};
