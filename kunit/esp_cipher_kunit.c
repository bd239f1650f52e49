// SPDX-License-Identifier: GPL-2.0
/*
 * The ESP engine's encryption: what was published, what the kernel's own ESP
 * makes and understands, and what nobody may accept.
 */
#include <net/esp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/kunit.h"
#include "esp/layout.h"
#include "kunit/fixture_esp.h"

#define LONGEST	1500

static const unsigned short family[] = { AF_INET, AF_INET6 };

static const struct xk_cipher *const ciphers[] = {
	&xk_gcm, &xk_chacha, &xk_cbc_hmac, &xk_null_hmac, &xk_cbc, &xk_plain,
};

static bool authenticates(const struct xk_cipher *cipher)
{
	return cipher->icv_len;
}

/* The SA has last seen the packet before number @seq. */
static void expect_seq(struct xfrm_state *x, u64 seq)
{
	if (!x->replay_esn)
		return;
	x->replay_esn->seq = lower_32_bits(seq - 1);
	x->replay_esn->seq_hi = upper_32_bits(seq - 1);
}

static bool payload_is(const struct sk_buff *skb, const void *payload,
		       unsigned int len)
{
	return skb->len == len && skb_headlen(skb) == len &&
	       !memcmp(skb->data, payload, len);
}

static void published_packets(struct kunit *test)
{
	struct xk_world *w = test->priv;
	unsigned int i;
	size_t f;

	for (i = 0; i < xk_vectors_count * ARRAY_SIZE(family); i++) {
		const struct xk_vector *v = &xk_vectors[i / ARRAY_SIZE(family)];
		struct xk_sa sa = xk_sa_in;
		struct xfrm_state *x;
		struct sk_buff *skb;
		int offset;

		f = i % ARRAY_SIZE(family);
		sa.family = family[f];
		sa.mode = v->mode;
		sa.cipher = v->cipher;
		sa.key = v->key;
		x = xk_sa_make(w->net, &sa);
		KUNIT_ASSERT_NOT_NULL(test, x);
		skb = xk_outer(w, x, v->esp_len);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		memcpy(ip_esp_hdr(skb), v->esp, v->esp_len);

		KUNIT_EXPECT_EQ_MSG(test, xk_opened(x, skb), v->proto, "%s",
				    v->source);
		KUNIT_EXPECT_TRUE_MSG(test,
				      payload_is(skb, v->payload, v->len),
				      "%s", v->source);
		offset = v->mode == XFRM_MODE_TUNNEL ? 0 :
			 family[f] == AF_INET ? -(int)sizeof(struct iphdr) :
						-(int)sizeof(struct ipv6hdr);
		KUNIT_EXPECT_EQ(test, skb_transport_offset(skb), offset);
		kfree_skb(skb);
		xk_sa_free(x);
	}
}

/* An ESP packet that leaves bytes of its outer header changed would show. */
struct header {
	u8 bytes[sizeof(struct ipv6hdr)];
};

static void header_of(struct header *h, const struct sk_buff *skb)
{
	memcpy(h->bytes, skb_network_header(skb), skb_network_header_len(skb));
}

static bool header_kept(const struct header *h, const struct sk_buff *skb,
			unsigned int len)
{
	return !memcmp(h->bytes, skb_network_header(skb), len);
}

/* Nothing of the payload can be read in a packet; of 16 bytes or more. */
static bool hidden(const struct sk_buff *skb, const struct xk_esp *p)
{
	const u8 *esp = (u8 *)ip_esp_hdr(skb);
	unsigned int i, len = skb_tail_pointer(skb) - esp;

	for (i = 0; p->len >= 16 && i + 16 <= len; i++)
		if (!memcmp(esp + i, p->payload, 16))
			return false;

	return true;
}

/* The engine encrypts: the kernel and the engine itself decrypt. */
static bool seal_is_understood(struct xk_world *w, struct xfrm_state *x,
			       const struct xk_esp *p)
{
	struct sk_buff *plain = xk_esp_built(w, x, p);
	struct sk_buff *skb = xk_esp_sealed(w, x, p);
	struct sk_buff *copy = skb ? skb_copy(skb, GFP_KERNEL) : NULL;
	struct header h;
	bool ok = false;

	if (!plain || !copy)
		goto out;

	header_of(&h, plain);
	ok = header_kept(&h, skb, skb_network_header_len(plain));
	ok &= !x->aead || hidden(skb, p);
	ok &= xk_opened_by_kernel(x, copy, p->seq) == p->proto;
	ok &= payload_is(copy, p->payload, p->len);
	ok &= xk_opened(x, skb) == p->proto;
	ok &= payload_is(skb, p->payload, p->len);
	ok &= header_kept(&h, skb, skb_network_header_len(plain));
out:
	kfree_skb(plain);
	kfree_skb(skb);
	kfree_skb(copy);

	return ok;
}

/* The kernel encrypts, the engine decrypts. */
static bool kernel_is_understood(struct xk_world *w, struct xfrm_state *x,
				 const struct xk_esp *p)
{
	struct sk_buff *skb = xk_esp_sealed_by_kernel(w, x, p);
	bool ok;

	if (!skb)
		return false;

	ok = xk_opened(x, skb) == p->proto;
	ok &= payload_is(skb, p->payload, p->len);
	kfree_skb(skb);

	return ok;
}

typedef bool (*packet_fn)(struct xk_world *w, struct xfrm_state *x,
			  const struct xk_esp *p);

/* Packets of every length that matters, and some more. */
static unsigned int bad_lengths(struct xk_world *w, struct xfrm_state *x,
				bool esn, const u8 *payload, packet_fn good)
{
	struct xk_esp p = { .payload = payload, .proto = IPPROTO_UDP };
	unsigned int bad = 0;

	for (p.len = 1; p.len <= LONGEST; p.len += p.len < 70 ? 1 : 13) {
		p.seq = (esn ? 5ULL << 32 : 0) | (0xfffffff0u + p.len % 8);
		expect_seq(x, p.seq);
		bad += !good(w, x, &p);
	}

	return bad;
}

static void round_trips(struct kunit *test, packet_fn good)
{
	struct xk_world *w = test->priv;
	u8 *payload = kunit_kzalloc(test, LONGEST, GFP_KERNEL);
	struct xk_sa sa = xk_sa_in;
	size_t c, f;
	int esn;

	KUNIT_ASSERT_NOT_NULL(test, payload);
	xk_fill(payload, LONGEST);
	for (c = 0; c < ARRAY_SIZE(ciphers); c++)
		for (f = 0; f < ARRAY_SIZE(family); f++)
			for (esn = 0; esn <= 1; esn++) {
				struct xfrm_state *x;
				unsigned int bad;

				/* RFC 4303, 2.2.1: ESN needs an ICV. */
				if (esn && !authenticates(ciphers[c]))
					continue;
				sa.family = family[f];
				sa.cipher = ciphers[c];
				sa.esn = esn;
				x = xk_sa_make(w->net, &sa);
				KUNIT_ASSERT_NOT_NULL_MSG(test, x, "%s",
							  sa.cipher->name);
				bad = bad_lengths(w, x, esn, payload, good);
				KUNIT_EXPECT_EQ_MSG(test, bad, 0,
						    "%s, ESN %d, family %u",
						    sa.cipher->name, esn,
						    sa.family);
				xk_sa_free(x);
				cond_resched();
			}
}

static void the_kernel_opens_what_is_sealed(struct kunit *test)
{
	round_trips(test, seal_is_understood);
}

static void what_the_kernel_seals_is_opened(struct kunit *test)
{
	round_trips(test, kernel_is_understood);
}

/* --- what is refused --- */

/* One bit of a packet is wrong: of the ESP header, the payload or the ICV. */
static unsigned int accepted_bits(struct xk_world *w, struct xfrm_state *x,
				  const struct xk_esp *p)
{
	struct sk_buff *skb = xk_esp_sealed(w, x, p);
	unsigned int bad = 0, bit, offset;

	if (!skb)
		return 1;

	offset = skb_transport_offset(skb);
	for (bit = 0; bit < (skb->len - offset) * 8; bit += 3) {
		struct sk_buff *copy = skb_copy(skb, GFP_KERNEL);
		struct header before;

		if (!copy) {
			bad++;
			continue;
		}
		header_of(&before, copy);
		copy->data[offset + bit / 8] ^= 1 << bit % 8;
		bad += xk_opened(x, copy) != -EBADMSG;
		bad += !header_kept(&before, copy, offset);
		kfree_skb(copy);
	}
	kfree_skb(skb);

	return bad;
}

static void wrong_bits_are_told(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_sa sa = xk_sa_in;
	struct xk_esp p = { .len = 48, .proto = IPPROTO_UDP };
	u8 payload[48];
	size_t c;
	int esn;

	xk_fill(payload, sizeof(payload));
	p.payload = payload;
	for (c = 0; c < ARRAY_SIZE(ciphers); c++)
		for (esn = 0; esn <= 1; esn++) {
			struct xfrm_state *x;

			if (!authenticates(ciphers[c]))
				continue;
			sa.cipher = ciphers[c];
			sa.esn = esn;
			x = xk_sa_make(w->net, &sa);
			KUNIT_ASSERT_NOT_NULL(test, x);
			p.seq = (esn ? 9ULL << 32 : 0) | 0x80000001;
			expect_seq(x, p.seq);
			KUNIT_EXPECT_EQ_MSG(test, accepted_bits(w, x, &p), 0,
					    "%s, ESN %d", sa.cipher->name, esn);
			xk_sa_free(x);
		}
}

/* The upper half of the number is not sent, but authenticated. */
static void upper_half_of_the_number_counts(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_sa sa = xk_sa_in;
	u8 payload[48];
	struct xk_esp p = {
		.payload = payload,
		.len = sizeof(payload),
		.proto = IPPROTO_UDP,
		.seq = 1ULL << 32 | 1000,
	};
	size_t c;

	xk_fill(payload, sizeof(payload));
	sa.esn = true;
	for (c = 0; c < ARRAY_SIZE(ciphers); c++) {
		struct xfrm_state *x;
		struct sk_buff *skb;

		if (!authenticates(ciphers[c]))
			continue;
		sa.cipher = ciphers[c];
		x = xk_sa_make(w->net, &sa);
		KUNIT_ASSERT_NOT_NULL(test, x);
		skb = xk_esp_sealed(w, x, &p);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		expect_seq(x, p.seq + (1ULL << 32));
		KUNIT_EXPECT_EQ_MSG(test, xk_opened(x, skb), -EBADMSG, "%s",
				    sa.cipher->name);
		kfree_skb(skb);
		xk_sa_free(x);
	}
}

/* No IV is used twice, and those of different numbers differ. */
static void every_number_has_its_own_iv(struct kunit *test)
{
	static const u64 numbers[] = {
		1, 2, 0xffffffff, 1ULL << 32, 1ULL << 32 | 1, 2ULL << 32 | 1,
	};
	struct xk_world *w = test->priv;
	struct xk_esp p = { .proto = IPPROTO_UDP };
	struct xk_sa sa = xk_sa_in;
	u8 iv[ARRAY_SIZE(numbers)][16];
	u8 payload[20] = {};
	size_t c, i, j;

	p.payload = payload;
	p.len = sizeof(payload);
	sa.esn = true;
	for (c = 0; c < 3; c++) {
		struct xfrm_state *x;
		unsigned int iv_len;

		sa.cipher = ciphers[c];
		x = xk_sa_make(w->net, &sa);
		KUNIT_ASSERT_NOT_NULL(test, x);
		iv_len = crypto_aead_ivsize(x->data);
		for (i = 0; i < ARRAY_SIZE(numbers); i++) {
			struct sk_buff *skb;

			p.seq = numbers[i];
			skb = xk_esp_sealed(w, x, &p);
			KUNIT_ASSERT_NOT_NULL(test, skb);
			memcpy(iv[i], ip_esp_hdr(skb)->enc_data, iv_len);
			for (j = 0; j < i; j++)
				KUNIT_EXPECT_NE(test, memcmp(iv[i], iv[j],
							     iv_len), 0);
			kfree_skb(skb);
		}
		xk_sa_free(x);
	}
}

/* Whatever is cut off, an error: never a payload, never a crash. */
static void truncated_packets_are_refused(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_sa sa = xk_sa_in;
	u8 payload[48];
	struct xk_esp p = {
		.payload = payload,
		.len = sizeof(payload),
		.proto = IPPROTO_UDP,
		.seq = 7,
	};
	size_t c;

	xk_fill(payload, sizeof(payload));
	for (c = 0; c < ARRAY_SIZE(ciphers); c++) {
		unsigned int offset, len, bad = 0;
		struct xfrm_state *x;
		struct sk_buff *skb;

		if (!authenticates(ciphers[c]))
			continue;
		sa.cipher = ciphers[c];
		x = xk_sa_make(w->net, &sa);
		KUNIT_ASSERT_NOT_NULL(test, x);
		skb = xk_esp_sealed(w, x, &p);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		offset = skb_transport_offset(skb);
		for (len = skb->len - offset; len-- > sizeof(__be64);) {
			struct sk_buff *copy = skb_copy(skb, GFP_KERNEL);
			int err;

			KUNIT_ASSERT_NOT_NULL(test, copy);
			skb_trim(copy, offset + len);
			err = xk_opened(x, copy);
			bad += err != -EBADMSG && err != -EINVAL;
			kfree_skb(copy);
		}
		KUNIT_EXPECT_EQ_MSG(test, bad, 0, "%s", sa.cipher->name);
		kfree_skb(skb);
		xk_sa_free(x);
	}
}

/* A cipher that fails leaves packet and references as they were. */
static void failing_cipher(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = xk_sa_make(w->net, &xk_sa_in);
	u8 payload[48] = {};
	struct xk_esp p = {
		.payload = payload,
		.len = sizeof(payload),
		.proto = IPPROTO_UDP,
		.seq = 1,
	};
	struct sk_buff *skb;
	int refs, i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	skb = xk_esp_built(w, x, &p);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	refs = netdev_refcnt_read(w->lower);
	crypto_aead_set_flags(x->data, CRYPTO_TFM_NEED_KEY);
	local_bh_disable();
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, xac_esp_seal(x, skb, 1, NULL), -ENOKEY);
	__skb_pull(skb, skb_transport_offset(skb));
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, xac_esp_open(x, skb, htonl(1), NULL), -ENOKEY);
	local_bh_enable();
	crypto_aead_clear_flags(x->data, CRYPTO_TFM_NEED_KEY);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->lower), refs);
	kfree_skb(skb);
	xk_sa_free(x);
}

static struct kunit_case cipher_cases[] = {
	KUNIT_CASE(published_packets),
	KUNIT_CASE(the_kernel_opens_what_is_sealed),
	KUNIT_CASE(what_the_kernel_seals_is_opened),
	KUNIT_CASE(wrong_bits_are_told),
	KUNIT_CASE(upper_half_of_the_number_counts),
	KUNIT_CASE(every_number_has_its_own_iv),
	KUNIT_CASE(truncated_packets_are_refused),
	KUNIT_CASE(failing_cipher),
	{}
};

struct kunit_suite xac_esp_cipher_suite = {
	.name = "xac_esp_cipher",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = cipher_cases,
};
