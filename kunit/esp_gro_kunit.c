// SPDX-License-Identifier: GPL-2.0
/*
 * ESP in GRO: what the engine takes and what becomes of it, what it leaves to
 * the kernel, and what each is counted as.
 */
#include <crypto/internal/aead.h>
#include <net/esp.h>
#include <net/gro.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/kunit.h"
#include "esp/layout.h"
#include "esp/request.h"
#include "kunit/fixture_esp.h"

#define INNER	120

/* --- packets and what became of them --- */

static int allow_in(struct xk_world *w, unsigned short outer)
{
	struct xk_policy policy = {
		.dir = XFRM_POLICY_IN,
		.inner = AF_INET,
		.outer = outer,
		.if_id = XK_IF_ID,
		.action = XFRM_POLICY_ALLOW,
	};
	int err = xk_policy_add(w->net, &policy);

	policy.inner = AF_INET6;

	return err ?: xk_policy_add(w->net, &policy);
}

/* An SA that packets are found under; the caller's reference. */
static struct xfrm_state *sa_add(struct xk_world *w, unsigned short outer,
				 u8 mode, bool esn)
{
	struct xk_sa sa = xk_sa_in;

	sa.family = outer;
	sa.mode = mode;
	sa.esn = esn;

	return xk_sa_add(w->net, &sa);
}

/* A packet of the peer's, encrypted or not yet. */
static struct sk_buff *from_peer(struct xk_world *w, struct xfrm_state *x,
				 unsigned short inner, u32 seq, bool sealed)
{
	u8 buf[INNER];
	struct xk_esp p = { .payload = buf, .len = sizeof(buf), .seq = seq };
	struct sk_buff *skb;

	p.proto = xk_inner(buf, inner, sizeof(buf));
	if (x->props.mode == XFRM_MODE_TRANSPORT) {
		/* A datagram without a checksum; over IPv6 none arrives. */
		p.payload = buf + sizeof(struct iphdr);
		p.len -= sizeof(struct iphdr);
		p.proto = IPPROTO_UDP;
	}
	skb = sealed ? xk_esp_sealed(w, x, &p) : xk_esp_built(w, x, &p);
	if (skb)
		xk_watch(skb);

	return skb;
}

/* What may change when a packet comes in. */
struct before {
	unsigned long mib[__LINUX_MIB_XFRMMAX];
	unsigned long arrived;
	unsigned int integrity_failed;
	int state_refs;
	int lower_refs;
};

static void note(struct xk_world *w, struct xfrm_state *x, struct before *b)
{
	int i;

	xk_settle();
	for (i = 0; i < __LINUX_MIB_XFRMMAX; i++)
		b->mib[i] = xk_mib(w->net, i);
	b->arrived = xk_arrived(w->net);
	b->integrity_failed = x->stats.integrity_failed;
	b->state_refs = refcount_read(&x->refcnt);
	b->lower_refs = netdev_refcnt_read(w->lower);
	xk_ended();
}

/*
 * So many packets have ended: they arrived, or were counted under @field, or
 * neither where that is 0. Every reference has come back.
 */
static void expect_fate(struct kunit *test, struct xfrm_state *x,
			const struct before *b, unsigned int packets,
			unsigned int arrived, int field)
{
	struct xk_world *w = test->priv;
	int i;

	xk_settle();
	KUNIT_EXPECT_EQ(test, xk_ended(), packets);
	KUNIT_EXPECT_EQ(test, xk_arrived(w->net), b->arrived + arrived);
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), b->state_refs);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->lower), b->lower_refs);
	for (i = LINUX_MIB_XFRMINERROR; i <= LINUX_MIB_XFRMINSTATEINVALID; i++)
		KUNIT_EXPECT_EQ_MSG(test, xk_mib(w->net, i),
				    b->mib[i] + (i == field ? packets : 0),
				    "counter %d", i);
}

/* --- what is taken --- */

/* Six packets under a new SA, and what they leave. */
static void expect_arrival(struct kunit *test, unsigned short outer,
			   unsigned short inner, u8 mode, bool esn)
{
	struct xk_world *w = test->priv;
	struct before b;
	struct xfrm_state *x;
	u32 seq;

	x = sa_add(w, outer, mode, esn);
	KUNIT_ASSERT_NOT_NULL(test, x);
	/* The first packet fills caches, which hold references. */
	for (seq = 1; seq <= 6; seq++) {
		struct sk_buff *skb = from_peer(w, x, inner, seq, true);

		KUNIT_ASSERT_NOT_NULL(test, skb);
		if (seq <= 2)
			note(w, x, &b);
		KUNIT_EXPECT_TRUE(test, xk_gro(skb, outer));
	}
	expect_fate(test, x, &b, 5, 5, 0);
	KUNIT_EXPECT_EQ(test, x->curlft.packets, 6);
	xfrm_state_put(x);
	xk_flush(w->net);
}

static void tunnels_of_all_families(struct kunit *test)
{
	static const unsigned short family[] = { AF_INET, AF_INET6 };
	int i;

	for (i = 0; i < 8; i++) {
		unsigned short outer = family[i & 1];

		KUNIT_ASSERT_EQ(test, allow_in(test->priv, outer), 0);
		expect_arrival(test, outer, family[i >> 1 & 1],
			       XFRM_MODE_TUNNEL, i >> 2);
	}
}

static void transport_mode(struct kunit *test)
{
	expect_arrival(test, AF_INET, AF_INET, XFRM_MODE_TRANSPORT, false);
}

/* tcpdump and the like have clones of what they have seen. */
static void others_keep_the_ciphertext(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, true);
	struct sk_buff *skb, *clone;
	u8 bytes[256];
	unsigned int len;

	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET), 0);
	skb = from_peer(w, x, AF_INET, 1, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	clone = skb_clone(skb, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, clone);
	len = skb->len;
	KUNIT_ASSERT_LE(test, len, sizeof(bytes));
	memcpy(bytes, skb->data, len);
	KUNIT_EXPECT_TRUE(test, xk_gro(skb, AF_INET));
	xk_settle();
	KUNIT_EXPECT_EQ(test, x->curlft.packets, 1);
	KUNIT_EXPECT_EQ(test, clone->len, len);
	KUNIT_EXPECT_EQ(test, memcmp(clone->data, bytes, len), 0);
	kfree_skb(clone);
	xfrm_state_put(x);
}

/* --- what is taken and dropped --- */

static void expect_forgery_counted(struct kunit *test, unsigned short outer,
				   u8 mode)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, outer, mode, false);
	struct sk_buff *skb;
	struct before b;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	note(w, x, &b);
	for (i = 0; i < 5; i++) {
		skb = from_peer(w, x, AF_INET, 1 + i, true);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb_tail_pointer(skb)[-1 - i] ^= 0x10;
		KUNIT_EXPECT_TRUE(test, xk_gro(skb, outer));
	}
	expect_fate(test, x, &b, 5, 0, LINUX_MIB_XFRMINSTATEPROTOERROR);
	KUNIT_EXPECT_EQ(test, x->stats.integrity_failed,
			b.integrity_failed + 5);
	KUNIT_EXPECT_EQ(test, x->curlft.packets, 0);
	xfrm_state_put(x);
	xk_flush(w->net);
}

static void forgeries_are_counted(struct kunit *test)
{
	expect_forgery_counted(test, AF_INET, XFRM_MODE_TUNNEL);
	expect_forgery_counted(test, AF_INET6, XFRM_MODE_TUNNEL);
	expect_forgery_counted(test, AF_INET, XFRM_MODE_TRANSPORT);
	expect_forgery_counted(test, AF_INET6, XFRM_MODE_TRANSPORT);
}

/* Authentic, but there is nothing in them that could be handed on. */
static void dummies_and_bad_padding(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, false);
	struct crypto_aead *aead;
	struct before b;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	aead = x->data;
	note(w, x, &b);
	for (i = 0; i < 2; i++) {
		struct sk_buff *skb = from_peer(w, x, AF_INET, 1, false);
		u8 *end;

		KUNIT_ASSERT_NOT_NULL(test, skb);
		end = skb_tail_pointer(skb) - crypto_aead_authsize(aead) - 2;
		end[i] = i ? IPPROTO_NONE : 200;
		local_bh_disable();
		KUNIT_EXPECT_EQ(test, xac_esp_seal(x, skb, 1, NULL), 0);
		local_bh_enable();
		KUNIT_EXPECT_TRUE(test, xk_gro(skb, AF_INET));
	}
	expect_fate(test, x, &b, 2, 0, LINUX_MIB_XFRMINSTATEPROTOERROR);
	KUNIT_EXPECT_EQ(test, x->stats.integrity_failed, b.integrity_failed);
	xfrm_state_put(x);
}

static void truncated(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, false);
	unsigned int offset = sizeof(struct iphdr), len = offset;
	unsigned int full, taken = 0;
	struct before b;

	KUNIT_ASSERT_NOT_NULL(test, x);
	note(w, x, &b);
	do {
		struct sk_buff *skb = from_peer(w, x, AF_INET, 1, true);
		bool took;

		KUNIT_ASSERT_NOT_NULL(test, skb);
		full = skb->len;
		skb_trim(skb, len);
		ip_hdr(skb)->tot_len = htons(len);
		took = xk_gro(skb, AF_INET);
		KUNIT_EXPECT_EQ_MSG(test, took,
				    len >= offset + sizeof(struct ip_esp_hdr),
				    "%u bytes", len);
		taken += took;
		if (!took)
			kfree_skb(skb);
	} while (++len < full);
	xk_settle();
	KUNIT_EXPECT_EQ(test, xk_ended(), full - offset);
	KUNIT_EXPECT_EQ(test, xk_mib(w->net, LINUX_MIB_XFRMINSTATEPROTOERROR),
			b.mib[LINUX_MIB_XFRMINSTATEPROTOERROR] + taken);
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), b.state_refs);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->lower), b.lower_refs);
	xfrm_state_put(x);
}

/* What Ethernet has padded is the IP layer's to cut; so is what is too short. */
static void longer_or_shorter_than_it_says(struct kunit *test)
{
	static const unsigned short family[] = { AF_INET, AF_INET6 };
	struct xk_world *w = test->priv;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(family); i++) {
		struct xfrm_state *x = sa_add(w, family[i], XFRM_MODE_TUNNEL,
					      false);
		struct before b;
		int by;

		KUNIT_ASSERT_NOT_NULL(test, x);
		note(w, x, &b);
		for (by = -1; by <= 1; by++) {
			struct sk_buff *skb = from_peer(w, x, family[i], 1,
							true);
			bool took;

			KUNIT_ASSERT_NOT_NULL(test, skb);
			if (family[i] == AF_INET)
				be16_add_cpu(&ip_hdr(skb)->tot_len, by);
			else
				be16_add_cpu(&ipv6_hdr(skb)->payload_len, by);
			took = xk_gro(skb, family[i]);
			KUNIT_EXPECT_EQ(test, took, by == 0);
			if (!took)
				kfree_skb(skb);
		}
		xk_settle();
		KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), b.state_refs);
		xfrm_state_put(x);
		xk_flush(w->net);
	}
}

static void replayed(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, true);
	struct before b;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET), 0);
	for (i = 0; i < 4; i++) {
		struct sk_buff *skb = from_peer(w, x, AF_INET, 5, true);

		KUNIT_ASSERT_NOT_NULL(test, skb);
		if (i == 1)
			note(w, x, &b);
		KUNIT_EXPECT_TRUE(test, xk_gro(skb, AF_INET));
		xk_settle();
	}
	expect_fate(test, x, &b, 3, 0, LINUX_MIB_XFRMINSTATESEQERROR);
	KUNIT_EXPECT_EQ(test, x->curlft.packets, 1);
	xfrm_state_put(x);
}

/* --- what the engine cannot decrypt --- */

/* A transform whose driver fails, at once or later. */
struct failing {
	struct aead_alg alg;
	struct crypto_aead aead;
	struct aead_request *req;
	bool late;
	int err;
};

static int failing_decrypt(struct aead_request *req)
{
	struct aead_alg *alg = crypto_aead_alg(crypto_aead_reqtfm(req));
	struct failing *d = container_of(alg, struct failing, alg);

	if (!d->late)
		return d->err;
	d->req = req;

	return -EINPROGRESS;
}

/* It takes the place of @real, whose lengths it has. */
static void failing_init(struct failing *d, struct crypto_aead *real, bool late,
			 int err)
{
	memset(d, 0, sizeof(*d));
	d->alg.base.cra_blocksize = crypto_aead_blocksize(real);
	d->alg.ivsize = crypto_aead_ivsize(real);
	d->alg.decrypt = failing_decrypt;
	d->aead.base.__crt_alg = &d->alg.base;
	d->aead.authsize = crypto_aead_authsize(real);
	d->late = late;
	d->err = err;
}

static void failing_says(struct failing *d, int err)
{
	local_bh_disable();
	aead_request_complete(d->req, err);
	local_bh_enable();
}

/* While the driver has the packet, nothing is decided. */
static void expect_pending(struct kunit *test, struct failing *d,
			   struct xfrm_state *x, const struct before *b)
{
	struct xk_world *w = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, d->req);
	/* It had to wait before its turn came. */
	failing_says(d, -EINPROGRESS);
	xk_settle();
	KUNIT_EXPECT_EQ(test, xk_mib(w->net, LINUX_MIB_XFRMINBUFFERERROR),
			b->mib[LINUX_MIB_XFRMINBUFFERERROR]);
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), b->state_refs + 1);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->lower), b->lower_refs + 1);
}

/* The number of a packet that was lost so is free: it was not authentic yet. */
static void expect_arrives(struct kunit *test, struct xfrm_state *x, u32 seq,
			   struct before *b)
{
	struct xk_world *w = test->priv;
	struct sk_buff *skb;

	note(w, x, b);
	skb = from_peer(w, x, AF_INET, seq, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_TRUE(test, xk_gro(skb, x->props.family));
	expect_fate(test, x, b, 1, 1, 0);
}

static void expect_lost_by_driver(struct kunit *test, unsigned short outer,
				  u8 mode, bool late)
{
	static const int errors[] = { -EIO, -ENOMEM, -ENOSPC, -ENOKEY };
	struct xk_world *w = test->priv;
	struct failing *d = kunit_kzalloc(test, sizeof(*d), GFP_KERNEL);
	struct xfrm_state *x = sa_add(w, outer, mode, true);
	struct crypto_aead *real;
	struct sk_buff *skb;
	struct before b;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, d);
	KUNIT_ASSERT_NOT_NULL(test, x);
	real = x->data;
	/* The first packet fills caches, which hold references. */
	skb = from_peer(w, x, AF_INET, 1, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_TRUE(test, xk_gro(skb, outer));

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		note(w, x, &b);
		skb = from_peer(w, x, AF_INET, 2 + i, true);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		failing_init(d, real, late, errors[i]);
		x->data = &d->aead;
		KUNIT_EXPECT_TRUE(test, xk_gro(skb, outer));
		if (late) {
			expect_pending(test, d, x, &b);
			failing_says(d, errors[i]);
		}
		x->data = real;
		expect_fate(test, x, &b, 1, 0, LINUX_MIB_XFRMINBUFFERERROR);
		KUNIT_EXPECT_EQ(test, x->stats.integrity_failed,
				b.integrity_failed);
		expect_arrives(test, x, 2 + i, &b);
	}
	KUNIT_EXPECT_EQ(test, x->curlft.packets, 1 + ARRAY_SIZE(errors));
	xfrm_state_put(x);
	xk_flush(w->net);
}

static void driver_that_fails(struct kunit *test)
{
	struct xk_world *w = test->priv;
	int late;

	for (late = 0; late <= 1; late++) {
		KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET), 0);
		expect_lost_by_driver(test, AF_INET, XFRM_MODE_TUNNEL, late);
		KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET6), 0);
		expect_lost_by_driver(test, AF_INET6, XFRM_MODE_TUNNEL, late);
		expect_lost_by_driver(test, AF_INET, XFRM_MODE_TRANSPORT,
				      late);
	}
}

/*
 * Every allocation on the way of a packet that has to be copied fails once.
 * Without its security path it is not taken; otherwise it is counted.
 */
static void no_memory(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x;
	bool failed = true;
	unsigned int nth, counted = 0;

	if (!xk_can_fail())
		kunit_skip(test, "needs failing allocations");

	KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET), 0);
	x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, true);
	KUNIT_ASSERT_NOT_NULL(test, x);
	for (nth = 0; failed; nth++) {
		struct sk_buff *skb, *clone;
		struct before b;
		bool took, lost;

		note(w, x, &b);
		skb = from_peer(w, x, AF_INET, 1 + nth, true);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		clone = skb_clone(skb, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, clone);
		/* That the next request has to allocate. */
		xac_requests_free();
		xk_fail_nth(nth);
		took = xk_gro(skb, AF_INET);
		/* The first time nothing fails, and caches are filled. */
		failed = xk_has_failed() || !nth;
		if (!took)
			kfree_skb(skb);
		kfree_skb(clone);
		xk_settle();
		lost = xk_mib(w->net, LINUX_MIB_XFRMINBUFFERERROR) !=
		       b.mib[LINUX_MIB_XFRMINBUFFERERROR];
		counted += lost;
		KUNIT_EXPECT_TRUE(test, failed || !lost);
		if (nth)
			expect_fate(test, x, &b, 1, took && !lost,
				    lost ? LINUX_MIB_XFRMINBUFFERERROR : 0);
	}
	/* The copy, and the request. */
	KUNIT_EXPECT_GE(test, counted, 2);
	xfrm_state_put(x);
}

/* --- what is left to the kernel --- */

/* Not taken: it is as it came in, and GRO sends it on at once. */
static void expect_refused(struct kunit *test, struct sk_buff *skb,
			   unsigned short outer, struct xfrm_state *x)
{
	unsigned char *data = skb->data;
	unsigned int len = skb->len;
	int refs = x ? refcount_read(&x->refcnt) : 0;
	u32 mark = skb->mark;

	KUNIT_EXPECT_FALSE(test, xk_gro(skb, outer));
	KUNIT_EXPECT_PTR_EQ(test, skb->data, data);
	KUNIT_EXPECT_EQ(test, skb->len, len);
	KUNIT_EXPECT_EQ(test, skb->mark, mark);
	KUNIT_EXPECT_EQ(test, NAPI_GRO_CB(skb)->flush, 1);
	KUNIT_EXPECT_FALSE(test, !!NAPI_GRO_CB(skb)->same_flow);
	if (x)
		KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), refs);
}

static void unknown_spi(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, false);
	struct before b;
	struct sk_buff *skb;

	KUNIT_ASSERT_NOT_NULL(test, x);
	note(w, x, &b);
	skb = from_peer(w, x, AF_INET, 1, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	ip_esp_hdr(skb)->spi ^= htonl(1);
	expect_refused(test, skb, AF_INET, x);
	KUNIT_EXPECT_NULL(test, skb_sec_path(skb));
	kfree_skb(skb);
	expect_fate(test, x, &b, 1, 0, 0);
	xfrm_state_put(x);
}

static void nested_tunnel(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, false);
	struct before b;
	struct sk_buff *skb;

	KUNIT_ASSERT_NOT_NULL(test, x);
	note(w, x, &b);
	skb = from_peer(w, x, AF_INET, 1, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_TRUE(test, xk_came_under(skb, x));
	expect_refused(test, skb, AF_INET, x);
	KUNIT_ASSERT_NOT_NULL(test, skb_sec_path(skb));
	KUNIT_EXPECT_EQ(test, skb_sec_path(skb)->len, 1);
	KUNIT_EXPECT_EQ(test, skb_sec_path(skb)->olen, 0);
	kfree_skb(skb);
	expect_fate(test, x, &b, 1, 0, 0);
	xfrm_state_put(x);
}

/* The SA was made before the module was loaded: the kernel decrypts. */
static void sa_that_is_not_ours(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, true);
	const struct xfrm_type_offload *type_offload;
	struct before b;
	u32 seq;

	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET), 0);
	type_offload = x->type_offload;
	x->type_offload = NULL;
	for (seq = 1; seq <= 6; seq++) {
		struct sk_buff *skb = from_peer(w, x, AF_INET, seq, true);

		KUNIT_EXPECT_NOT_NULL(test, skb);
		if (seq <= 2)
			note(w, x, &b);
		if (skb)
			KUNIT_EXPECT_TRUE(test, xk_gro(skb, AF_INET));
	}
	expect_fate(test, x, &b, 5, 5, 0);
	x->type_offload = type_offload;
	xfrm_state_put(x);
}

/* Bare ESP, but the SA's packets come in UDP. */
static void sa_in_udp(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, false);
	struct xfrm_encap_tmpl encap = { .encap_type = UDP_ENCAP_ESPINUDP };
	struct sk_buff *skb;
	struct before b;

	KUNIT_ASSERT_NOT_NULL(test, x);
	note(w, x, &b);
	skb = from_peer(w, x, AF_INET, 1, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	x->encap = &encap;
	KUNIT_EXPECT_TRUE(test, xk_gro(skb, AF_INET));
	x->encap = NULL;
	expect_fate(test, x, &b, 1, 0, LINUX_MIB_XFRMINSTATEMISMATCH);
	xfrm_state_put(x);
}

static void sa_that_is_not_valid(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, false);
	struct sk_buff *skb;
	struct before b;

	KUNIT_ASSERT_NOT_NULL(test, x);
	note(w, x, &b);
	skb = from_peer(w, x, AF_INET, 1, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	x->km.state = XFRM_STATE_EXPIRED;
	KUNIT_EXPECT_TRUE(test, xk_gro(skb, AF_INET));
	x->km.state = XFRM_STATE_VALID;
	expect_fate(test, x, &b, 1, 0, LINUX_MIB_XFRMINSTATEINVALID);
	xfrm_state_put(x);
}

/* Destination options between the IPv6 header and ESP. */
static struct sk_buff *with_options(struct sk_buff *skb, u8 nexthdr)
{
	struct ipv6_opt_hdr *opt;

	skb_push(skb, 8);
	memmove(skb->data, skb->data + 8, sizeof(struct ipv6hdr));
	skb_reset_network_header(skb);
	ipv6_hdr(skb)->nexthdr = IPPROTO_DSTOPTS;
	be16_add_cpu(&ipv6_hdr(skb)->payload_len, 8);
	opt = (void *)(ipv6_hdr(skb) + 1);
	memset(opt, 0, 8);
	opt->nexthdr = nexthdr;
	/* One option that pads the rest: PadN. */
	((u8 *)opt)[2] = 1;
	((u8 *)opt)[3] = 4;

	return skb;
}

static void extension_headers(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x;
	struct sk_buff *skb;
	struct before b;
	u32 seq;

	KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET6), 0);
	x = sa_add(w, AF_INET6, XFRM_MODE_TUNNEL, false);
	KUNIT_ASSERT_NOT_NULL(test, x);
	for (seq = 1; seq <= 6; seq++) {
		skb = from_peer(w, x, AF_INET, seq, true);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		if (seq <= 2)
			note(w, x, &b);
		KUNIT_EXPECT_TRUE(test, xk_gro(with_options(skb, IPPROTO_ESP),
					       AF_INET6));
	}
	expect_fate(test, x, &b, 5, 5, 0);

	/* None of them says that ESP is next. */
	note(w, x, &b);
	skb = from_peer(w, x, AF_INET, 7, true);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	expect_refused(test, with_options(skb, IPPROTO_UDP), AF_INET6, x);
	KUNIT_EXPECT_NULL(test, skb_sec_path(skb));
	kfree_skb(skb);
	expect_fate(test, x, &b, 1, 0, 0);
	xfrm_state_put(x);
}

/* A device has decrypted, or tried to. */
static struct sk_buff *by_device(struct xk_world *w, struct xfrm_state *x,
				 u32 seq, u32 status)
{
	struct sk_buff *skb = from_peer(w, x, AF_INET, seq, false);
	struct xfrm_offload *xo;

	if (!skb)
		return NULL;
	if (!xk_came_under(skb, x)) {
		kfree_skb(skb);
		return NULL;
	}
	skb_sec_path(skb)->olen = 1;
	xo = xfrm_offload(skb);
	xo->flags = CRYPTO_DONE;
	xo->status = status;

	return skb;
}

static void decrypted_by_a_device(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_add(w, AF_INET, XFRM_MODE_TUNNEL, false);
	struct sk_buff *skb;
	struct before b;
	u32 seq;

	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET), 0);
	for (seq = 1; seq <= 6; seq++) {
		skb = by_device(w, x, seq, CRYPTO_SUCCESS);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		if (seq == 2) {
			kfree_skb(skb);
			note(w, x, &b);
			continue;
		}
		KUNIT_EXPECT_TRUE(test, xk_gro(skb, AF_INET));
	}
	expect_fate(test, x, &b, 4, 4, 0);

	note(w, x, &b);
	skb = by_device(w, x, 7, CRYPTO_TUNNEL_ESP_AUTH_FAILED);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_TRUE(test, xk_gro(skb, AF_INET));
	KUNIT_EXPECT_EQ(test, x->stats.integrity_failed,
			b.integrity_failed + 1);
	/* Its reference was in the packet when they were counted. */
	expect_fate(test, x, &b, 1, 0, LINUX_MIB_XFRMINSTATEPROTOERROR);
	xfrm_state_put(x);
}

static struct kunit_case gro_cases[] = {
	KUNIT_CASE(tunnels_of_all_families),
	KUNIT_CASE(transport_mode),
	KUNIT_CASE(others_keep_the_ciphertext),
	KUNIT_CASE(forgeries_are_counted),
	KUNIT_CASE(dummies_and_bad_padding),
	KUNIT_CASE(truncated),
	KUNIT_CASE(longer_or_shorter_than_it_says),
	KUNIT_CASE(replayed),
	KUNIT_CASE(driver_that_fails),
	KUNIT_CASE(no_memory),
	KUNIT_CASE(unknown_spi),
	KUNIT_CASE(nested_tunnel),
	KUNIT_CASE(sa_that_is_not_ours),
	KUNIT_CASE(sa_in_udp),
	KUNIT_CASE(sa_that_is_not_valid),
	KUNIT_CASE(extension_headers),
	KUNIT_CASE(decrypted_by_a_device),
	{}
};

struct kunit_suite xac_esp_gro_suite = {
	.name = "xac_esp_gro",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = gro_cases,
};
