// SPDX-License-Identifier: GPL-2.0
/*
 * ESP packets that nobody would make, through GRO and decryption: authentic
 * ones with some bits changed, cut off or made longer, in every shape an skb
 * can have, and under SAs that authenticate nothing, so that the damage gets
 * to what is behind. Nothing crashes, every packet ends exactly once, and
 * every reference comes back.
 *
 * The seed is fixed: a failure repeats itself.
 */
#include <linux/delay.h>
#include <linux/prandom.h>
#include <net/esp.h>
#include <net/inet_frag.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/kunit.h"
#include "kunit/fixture_esp.h"

#define SEED	0x65737021

/* The debug kernel looks closely at each, and needs its time for that. */
#define PACKETS	(IS_ENABLED(CONFIG_KASAN) ? 50000 : 1000000)

#define LONGEST	400

static struct rnd_state rnd;

static u32 below(u32 limit)
{
	return prandom_u32_state(&rnd) % limit;
}

static bool one_in(u32 n)
{
	return below(n) == 0;
}

/* An authentic packet, and its SA. */
struct origin {
	struct xfrm_state *x;
	unsigned short family;
	unsigned int len;
	u8 bytes[LONGEST];
	int refs;
};

static const struct {
	unsigned short family;
	unsigned short inner;
	u8 mode;
	const struct xk_cipher *cipher;
	bool esn;
} kinds[] = {
	{ AF_INET, AF_INET, XFRM_MODE_TUNNEL, &xk_gcm, false },
	{ AF_INET6, AF_INET6, XFRM_MODE_TUNNEL, &xk_chacha, true },
	{ AF_INET, AF_INET, XFRM_MODE_TRANSPORT, &xk_null_hmac, true },
	{ AF_INET, AF_INET6, XFRM_MODE_TUNNEL, &xk_cbc, false },
	{ AF_INET6, AF_INET, XFRM_MODE_TUNNEL, &xk_plain, false },
	{ AF_INET, AF_INET, XFRM_MODE_TUNNEL, &xk_plain, false },
	{ AF_INET6, AF_INET6, XFRM_MODE_TRANSPORT, &xk_plain, false },
	{ AF_INET, AF_INET, XFRM_MODE_BEET, &xk_plain, false },
};

/* One family within the other goes as far as to the policy. */
static int allow_in(struct xk_world *w, unsigned short family)
{
	const struct xk_policy policy = {
		.dir = XFRM_POLICY_IN,
		.inner = family,
		.outer = family,
		.if_id = XK_IF_ID,
		.action = XFRM_POLICY_ALLOW,
	};

	return xk_policy_add(w->net, &policy);
}

static bool origin_make(struct xk_world *w, struct origin *o, unsigned int i)
{
	struct xk_sa sa = xk_sa_in;
	u8 inner[200];
	struct xk_esp p = {
		.payload = inner,
		.len = sizeof(inner),
		.seq = 1,
	};
	struct sk_buff *skb;

	sa.family = kinds[i].family;
	sa.mode = kinds[i].mode;
	sa.cipher = kinds[i].cipher;
	sa.esn = kinds[i].esn;
	sa.spi = XK_SPI_IN + i;
	o->family = sa.family;
	o->x = xk_sa_add(w->net, &sa);
	if (!o->x)
		return false;

	p.proto = xk_inner(inner, kinds[i].inner, sizeof(inner));
	if (sa.mode != XFRM_MODE_TUNNEL) {
		unsigned int header = sa.family == AF_INET ? 20 : 40;

		p.payload = inner + header;
		p.len -= header;
		p.proto = IPPROTO_UDP;
	}
	skb = xk_esp_sealed(w, o->x, &p);
	if (!skb || skb->len > LONGEST) {
		kfree_skb(skb);
		return false;
	}
	o->len = skb->len;
	memcpy(o->bytes, skb->data, skb->len);
	kfree_skb(skb);
	o->refs = refcount_read(&o->x->refcnt);

	return true;
}

static void damage(struct sk_buff *skb, unsigned int header)
{
	u32 changes = below(6);

	while (changes--) {
		u32 from = one_in(8) ? 0 : header;
		u32 at = one_in(2) ? from + below(skb->len - from) :
			 one_in(2) ? from + min(below(40), skb->len - from - 1)
				   : skb->len - 1 -
				     below(min(skb->len - from, 40u));

		skb->data[at] ^= 1 << below(8);
	}
	/* So much of the outer header has been looked at before. */
	if (header == sizeof(struct iphdr)) {
		skb->data[0] = 0x45;
		ip_send_check(ip_hdr(skb));
	}
	if (one_in(4))
		skb_trim(skb, header + below(skb->len - header + 1));
	else if (one_in(8))
		skb_put_zero(skb, below(60));
}

/* Moves what is behind a random point into a page. */
static bool into_page(struct sk_buff *skb, unsigned int header)
{
	u32 keep = header + below(skb->len - header + 1);
	u32 rest = skb->len - keep;
	struct page *page;

	if (!rest)
		return true;
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return false;
	memcpy(page_address(page), skb->data + keep, rest);
	skb_trim(skb, keep);
	skb_add_rx_frag(skb, 0, page, 0, rest, PAGE_SIZE);

	return true;
}

static bool into_list(struct sk_buff *skb, unsigned int header)
{
	u32 keep = header + below(skb->len - header + 1);
	u32 len = skb->len - keep;
	struct sk_buff *rest = alloc_skb(LONGEST, GFP_KERNEL);

	if (!rest)
		return false;
	skb_put_data(rest, skb->data + keep, len);
	skb_trim(skb, keep);
	skb_shinfo(skb)->frag_list = rest;
	skb->len += len;
	skb->data_len += len;
	skb->truesize += rest->truesize;

	return true;
}

/* As if a device had decrypted it, or another SA were around it. */
static bool with_sec_path(struct sk_buff *skb, struct xfrm_state *x)
{
	struct xfrm_offload *xo;

	if (!xk_came_under(skb, x))
		return false;
	if (one_in(4))
		return true;
	skb_sec_path(skb)->olen = 1;
	xo = xfrm_offload(skb);
	xo->flags = one_in(8) ? 0 : CRYPTO_DONE;
	xo->status = one_in(2) ? CRYPTO_SUCCESS : 1 << below(8);

	return true;
}

static struct sk_buff *random_esp(struct xk_world *w, struct origin *o,
				  struct sk_buff **clone)
{
	unsigned int header = o->family == AF_INET ? sizeof(struct iphdr) :
						     sizeof(struct ipv6hdr);
	struct sk_buff *skb = alloc_skb(NET_SKB_PAD + LONGEST + 64,
					GFP_KERNEL);
	bool ok = true;

	*clone = NULL;
	if (!skb)
		return NULL;

	skb_reserve(skb, NET_SKB_PAD);
	skb_put_data(skb, o->bytes, o->len);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, header);
	skb->protocol = o->family == AF_INET ? htons(ETH_P_IP) :
					       htons(ETH_P_IPV6);
	skb->dev = w->lower;
	/* As it is, it would arrive; that takes longer than a refusal. */
	if (!one_in(64))
		damage(skb, header);
	skb->ip_summed = one_in(4) ? CHECKSUM_COMPLETE : CHECKSUM_NONE;
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->csum = skb_checksum(skb, 0, skb->len, 0);

	switch (below(5)) {
	case 0:
		ok = into_page(skb, header);
		break;
	case 1:
		ok = into_list(skb, header);
		break;
	case 2:
		*clone = skb_clone(skb, GFP_KERNEL);
		break;
	}
	if (one_in(10))
		ok = ok && with_sec_path(skb, o->x);
	if (!ok) {
		kfree_skb(*clone);
		kfree_skb(skb);
		*clone = NULL;
		return NULL;
	}
	xk_watch(skb);

	return skb;
}

/* What follows xac_esp_open(, NULL) goes by the SA that the packet came under. */
static void open_alone(struct origin *o, struct sk_buff *skb)
{
	if (skb->len < skb_transport_offset(skb) + sizeof(__be64) ||
	    !pskb_may_pull(skb, skb_transport_offset(skb) + sizeof(__be64)))
		return;

	__skb_pull(skb, skb_transport_offset(skb));
	local_bh_disable();
	if (!xac_esp_open(o->x, skb, ip_esp_hdr(skb)->seq_no, NULL))
		o->x->type_offload->input_tail(o->x, skb);
	local_bh_enable();
}

/*
 * A payload that has become a fragment waits for the others, and keeps its SA
 * for so long.
 */
static void fragments_wait(struct net *net, int timeout)
{
	WRITE_ONCE(net->ipv4.fqdir->timeout, timeout);
	WRITE_ONCE(net->ipv6.fqdir->timeout, timeout);
}

static bool refs_are_back(const struct origin *o)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (refcount_read(&o->x->refcnt) == o->refs)
			return true;
		msleep(50);
	}

	return false;
}

static void gro_and_decryption(struct kunit *test)
{
	struct xk_world *w = test->priv;
	unsigned int made = 0, taken = 0, ended = 0, i;
	struct origin *origins;
	unsigned long arrived;
	int timeout = w->net->ipv4.fqdir->timeout;

	origins = kunit_kcalloc(test, ARRAY_SIZE(kinds), sizeof(*origins),
				GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, origins);
	KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET), 0);
	KUNIT_ASSERT_EQ(test, allow_in(w, AF_INET6), 0);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		KUNIT_ASSERT_TRUE_MSG(test, origin_make(w, &origins[i], i),
				      "kind %u", i);

	prandom_seed_state(&rnd, SEED);
	xk_settle();
	fragments_wait(w->net, HZ / 10);
	arrived = xk_arrived(w->net);
	xk_ended();
	while (made < PACKETS) {
		struct origin *o = &origins[below(ARRAY_SIZE(kinds))];
		struct sk_buff *clone, *skb = random_esp(w, o, &clone);

		if (!skb)
			continue;
		made++;
		if (one_in(4)) {
			open_alone(o, skb);
			kfree_skb(skb);
		} else if (xk_gro(skb, o->family)) {
			taken++;
		} else {
			kfree_skb(skb);
		}
		kfree_skb(clone);
		ended += xk_ended();
		cond_resched();
	}
	xk_settle();
	ended += xk_ended();
	arrived = xk_arrived(w->net) - arrived;

	kunit_info(test, "%u packets, %u taken, %lu arrived\n", made, taken,
		   arrived);
	KUNIT_EXPECT_EQ(test, ended, made);
	KUNIT_EXPECT_GT(test, taken, made / 4);
	KUNIT_EXPECT_LT(test, taken, made);
	KUNIT_EXPECT_GT(test, arrived, made / 1000);
	/* One on the device would not let it be deleted. */
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		KUNIT_EXPECT_TRUE_MSG(test, refs_are_back(&origins[i]),
				      "kind %u", i);
		xfrm_state_put(origins[i].x);
	}
	fragments_wait(w->net, timeout);
}

static struct kunit_case esp_fuzz_cases[] = {
	KUNIT_CASE(gro_and_decryption),
	{}
};

struct kunit_suite xac_esp_fuzz_suite = {
	.name = "xac_esp_fuzz",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = esp_fuzz_cases,
};
