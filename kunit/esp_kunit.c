// SPDX-License-Identifier: GPL-2.0
/*
 * The ESP engine, one packet at a time: layout, memory, encryption.
 */
#include <net/ip.h>

#include "compat/kunit.h"
#include "esp/layout.h"
#include "kunit/fixture_esp.h"

/* --- layout --- */

/* A transform of which only the lengths matter. */
struct lengths {
	struct aead_alg alg;
	struct crypto_aead aead;
};

static struct crypto_aead *lengths_init(struct lengths *l, unsigned int block,
					unsigned int iv, unsigned int icv)
{
	memset(l, 0, sizeof(*l));
	l->alg.base.cra_blocksize = block;
	l->alg.ivsize = iv;
	l->aead.base.__crt_alg = &l->alg.base;
	l->aead.authsize = icv;

	return &l->aead;
}

static void trailer_fills_the_block(struct kunit *test)
{
	static const unsigned int blocks[] = { 1, 2, 4, 8, 16, 32, 64 };
	static const unsigned int icvs[] = { 0, 8, 12, 16, 32 };
	struct lengths *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	unsigned int bad = 0, len;
	size_t b, i;

	KUNIT_ASSERT_NOT_NULL(test, l);
	for (b = 0; b < ARRAY_SIZE(blocks); b++) {
		for (i = 0; i < ARRAY_SIZE(icvs); i++) {
			unsigned int block = max(blocks[b], 4u);
			struct crypto_aead *aead;

			aead = lengths_init(l, blocks[b], 8, icvs[i]);
			for (len = 0; len <= 300; len++) {
				unsigned int n = xac_esp_trailer_len(aead, len);
				unsigned int more = n - icvs[i];

				bad += more < 2 || more >= block + 2;
				bad += (len + more) % block != 0;
			}
			KUNIT_EXPECT_EQ(test, xac_esp_block_len(aead), block);
			KUNIT_EXPECT_EQ(test, xac_esp_header_len(aead), 16);
		}
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

static void padding_counts_up(struct kunit *test)
{
	unsigned int padding, bad = 0, i;
	u8 buf[8 + 255 + 2 + 8];

	for (padding = 0; padding <= 255; padding++) {
		u8 *tail = buf + 8;

		memset(buf, 0xee, sizeof(buf));
		xac_esp_put_trailer(tail, padding + 2 + 4, 4, IPPROTO_UDP);
		for (i = 0; i < padding; i++)
			bad += tail[i] != i + 1;
		bad += tail[padding] != padding;
		bad += tail[padding + 1] != IPPROTO_UDP;
		bad += !!memchr_inv(buf, 0xee, 8);
		bad += !!memchr_inv(tail + padding + 2, 0xee,
				    255 - padding + 8);
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

#define ESP_HEADER	16
#define ICV		16

enum shape { LINEAR, PAGE_AT_TRAILER, PAGE_IN_TRAILER, PAGE_AT_PAYLOAD };

/* What is behind @keep bytes is moved into a page, after some other bytes. */
static bool into_page(struct sk_buff *skb, unsigned int keep)
{
	unsigned int len = skb->len - keep;
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return false;
	memset(page_address(page), 0xaa, PAGE_SIZE);
	memcpy(page_address(page) + 64, skb->data + keep, len);
	skb_trim(skb, keep);
	skb_add_rx_frag(skb, 0, page, 64, len, PAGE_SIZE);

	return true;
}

/* A decrypted packet, data at its ESP header, and its checksum. */
static struct sk_buff *decrypted(unsigned int len, u8 padding, u8 nexthdr,
				 enum shape shape)
{
	struct sk_buff *skb = alloc_skb(512, GFP_KERNEL);
	unsigned int keep[] = {
		[PAGE_AT_TRAILER] = ESP_HEADER + len,
		[PAGE_IN_TRAILER] = skb ? ESP_HEADER + len + padding + 1 : 0,
		[PAGE_AT_PAYLOAD] = ESP_HEADER,
	};
	u8 *end;

	if (!skb)
		return NULL;

	xk_fill(skb_put(skb, ESP_HEADER + len), ESP_HEADER + len);
	memset(skb_put(skb, padding), 0x55, padding);
	end = skb_put(skb, 2);
	end[0] = padding;
	end[1] = nexthdr;
	memset(skb_put(skb, ICV), 0xcc, ICV);
	skb->ip_summed = CHECKSUM_COMPLETE;
	skb->csum = csum_partial(skb->data, skb->len, 0);
	if (shape != LINEAR && !into_page(skb, keep[shape])) {
		kfree_skb(skb);
		return NULL;
	}

	return skb;
}

static void strip_leaves_the_payload(struct kunit *test)
{
	struct lengths *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	unsigned int bad = 0, len, padding;
	u8 expected[ESP_HEADER + 64];
	struct crypto_aead *aead;
	enum shape shape;

	KUNIT_ASSERT_NOT_NULL(test, l);
	aead = lengths_init(l, 4, ESP_HEADER - 8, ICV);
	xk_fill(expected, sizeof(expected));
	for (shape = LINEAR; shape <= PAGE_AT_PAYLOAD; shape++)
		for (len = 1; len <= 64; len++)
			for (padding = 0; padding < 256; padding += 51) {
				struct sk_buff *skb;
				u8 got[64];

				skb = decrypted(len, padding, 17, shape);
				KUNIT_ASSERT_NOT_NULL(test, skb);
				bad += xac_esp_strip(skb, aead) != 17;
				bad += skb->len != len ||
				       skb_copy_bits(skb, 0, got, len) ||
				       memcmp(got, expected + ESP_HEADER, len);
				bad += csum_fold(skb->csum) !=
				       csum_fold(skb_checksum(skb, 0, skb->len,
							      0));
				kfree_skb(skb);
			}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

static void strip_refuses(struct kunit *test)
{
	static const struct {
		unsigned int len;
		u8 padding;
		u8 claimed;
		u8 nexthdr;
	} cases[] = {
		{ 20, 2,   2,	IPPROTO_NONE },
		{ 0,  2,   2,	IPPROTO_UDP },
		{ 20, 2,   22,	IPPROTO_UDP },
		{ 20, 2,   23,	IPPROTO_UDP },
		{ 20, 0,   255, IPPROTO_UDP },
		{ 1,  0,   1,	IPPROTO_UDP },
	};
	struct lengths *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	struct crypto_aead *aead;
	unsigned int len;
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, l);
	aead = lengths_init(l, 4, ESP_HEADER - 8, ICV);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sk_buff *skb = decrypted(cases[i].len, cases[i].padding,
						cases[i].nexthdr, LINEAR);

		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb->data[skb->len - ICV - 2] = cases[i].claimed;
		KUNIT_EXPECT_EQ_MSG(test, xac_esp_strip(skb, aead), -EINVAL,
				    "case %zu", i);
		kfree_skb(skb);
	}

	/* Header, trailer and ICV alone, or less. */
	for (len = 0; len <= ESP_HEADER + 2 + ICV; len++) {
		struct sk_buff *skb = decrypted(40, 0, IPPROTO_UDP, LINEAR);

		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb_trim(skb, len);
		memset(skb->data, 0, len);
		KUNIT_EXPECT_EQ_MSG(test, xac_esp_strip(skb, aead), -EINVAL,
				    "%u bytes", len);
		KUNIT_EXPECT_EQ(test, skb->len, len);
		kfree_skb(skb);
	}
}

/* --- memory --- */

#define HEAD	100
#define MORE	300

/* What a packet's memory is like: a combination. */
enum {
	CLONED = BIT(0),
	PAGED = BIT(1),
	LISTED = BIT(2),
	NO_ROOM = BIT(3),
	ALL_SHAPES = BIT(4),
};

/*
 * A packet, and whoever else can see its memory; that of the page and of the
 * list as well.
 */
struct seen {
	struct sk_buff *skb;
	struct sk_buff *clone;
	struct sk_buff *listed;
	struct page *page;
	unsigned int len;
	u8 bytes[HEAD + 2 * MORE];
};

static bool seen_make(struct seen *s, unsigned int shape)
{
	unsigned int room = shape & NO_ROOM ? 0 : 64;
	struct sk_buff *skb;

	memset(s, 0, sizeof(*s));
	xk_fill(s->bytes, sizeof(s->bytes));
	skb = alloc_skb(SKB_WITH_OVERHEAD(1024), GFP_KERNEL);
	if (!skb)
		return false;
	s->skb = skb;
	skb_reserve(skb, skb_end_offset(skb) - HEAD - room);
	skb_put_data(skb, s->bytes, HEAD);

	if (shape & PAGED) {
		s->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!s->page)
			return false;
		memcpy(page_address(s->page), s->bytes + skb->len, MORE);
		get_page(s->page);
		skb_add_rx_frag(skb, 0, s->page, 0, MORE, PAGE_SIZE);
	}
	if (shape & LISTED) {
		s->listed = alloc_skb(MORE, GFP_KERNEL);
		if (!s->listed)
			return false;
		skb_put_data(s->listed, s->bytes + skb->len, MORE);
		skb_shinfo(skb)->frag_list = skb_get(s->listed);
		skb->len += MORE;
		skb->data_len += MORE;
		skb->truesize += s->listed->truesize;
	}
	s->len = skb->len;
	if (shape & CLONED)
		s->clone = skb_clone(skb, GFP_KERNEL);

	return !(shape & CLONED) || s->clone;
}

static bool seen_same(const struct seen *s, const struct sk_buff *skb)
{
	u8 bytes[sizeof(s->bytes)];

	return skb->len == s->len && !skb_copy_bits(skb, 0, bytes, s->len) &&
	       !memcmp(bytes, s->bytes, s->len);
}

/* What others see has stayed as it was. */
static bool seen_untouched(const struct seen *s)
{
	if (s->clone && !seen_same(s, s->clone))
		return false;
	if (s->page && memcmp(page_address(s->page), s->bytes + HEAD, MORE))
		return false;

	return !s->listed ||
	       !memcmp(s->listed->data, s->bytes + s->len - MORE, MORE);
}

/* Returns whether the references to the page and the list are one each. */
static bool seen_free(struct seen *s)
{
	bool ok = true;

	kfree_skb(s->skb);
	kfree_skb(s->clone);
	if (s->page) {
		ok = page_count(s->page) == 1;
		put_page(s->page);
	}
	if (s->listed) {
		ok = ok && refcount_read(&s->listed->users) == 1;
		kfree_skb(s->listed);
	}

	return ok;
}

static void own_memory_stays(struct kunit *test)
{
	struct seen *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	unsigned char *head, *data;

	KUNIT_ASSERT_NOT_NULL(test, s);
	KUNIT_ASSERT_TRUE(test, seen_make(s, 0));
	head = s->skb->head;
	data = s->skb->data;
	KUNIT_EXPECT_EQ(test, xac_esp_own(s->skb, 0), 0);
	KUNIT_EXPECT_EQ(test, xac_esp_own(s->skb, 64), 0);
	KUNIT_EXPECT_PTR_EQ(test, s->skb->head, head);
	KUNIT_EXPECT_PTR_EQ(test, s->skb->data, data);
	KUNIT_EXPECT_TRUE(test, seen_same(s, s->skb));
	KUNIT_EXPECT_TRUE(test, seen_free(s));
}

static void memory_of_others_is_left_alone(struct kunit *test)
{
	static const unsigned int tails[] = { 0, 1, 31, 64, 65, 300, 3000 };
	struct seen *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	unsigned int shape;
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, s);
	for (shape = 0; shape < ALL_SHAPES; shape++)
		for (i = 0; i < ARRAY_SIZE(tails); i++) {
			bool made = seen_make(s, shape), owned;
			struct sk_buff *skb = s->skb;

			KUNIT_EXPECT_TRUE(test, made);
			owned = made && !xac_esp_own(skb, tails[i]);
			KUNIT_EXPECT_TRUE(test, owned);
			if (owned) {
				KUNIT_EXPECT_TRUE(test, seen_same(s, skb));
				KUNIT_EXPECT_FALSE(test,
						   skb_is_nonlinear(skb));
				KUNIT_EXPECT_FALSE(test, skb_cloned(skb));
				KUNIT_EXPECT_GE(test, skb_tailroom(skb),
						(int)tails[i]);
				memset(skb->data, 0x66, skb->len);
				skb_put_zero(skb, tails[i]);
			}
			KUNIT_EXPECT_TRUE_MSG(test, seen_untouched(s),
					      "shape %x", shape);
			KUNIT_EXPECT_TRUE_MSG(test, seen_free(s), "shape %x",
					      shape);
		}
}

/* Every allocation that there is fails once: nothing is lost or changed. */
static void no_memory_changes_nothing(struct kunit *test)
{
	struct seen *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	unsigned int shape, nth, refused;

	if (!xk_can_fail())
		kunit_skip(test, "needs failing allocations");

	KUNIT_ASSERT_NOT_NULL(test, s);
	for (shape = 1; shape < ALL_SHAPES; shape++) {
		bool failed = true;

		refused = 0;
		for (nth = 1; failed; nth++) {
			int err;

			KUNIT_ASSERT_TRUE(test, seen_make(s, shape));
			xk_fail_nth(nth);
			err = xac_esp_own(s->skb, 200);
			failed = xk_has_failed();
			/* The kernel can do without some of them. */
			refused += err == -ENOMEM;
			if (err != -ENOMEM || !failed)
				KUNIT_EXPECT_EQ_MSG(test, err, 0,
						    "shape %x, %u", shape, nth);
			KUNIT_EXPECT_TRUE(test, seen_same(s, s->skb));
			KUNIT_EXPECT_TRUE(test, seen_untouched(s));
			KUNIT_EXPECT_TRUE(test, seen_free(s));
		}
		KUNIT_EXPECT_GT(test, refused, 0);
	}
}

static struct kunit_case esp_cases[] = {
	KUNIT_CASE(trailer_fills_the_block),
	KUNIT_CASE(padding_counts_up),
	KUNIT_CASE(strip_leaves_the_payload),
	KUNIT_CASE(strip_refuses),
	KUNIT_CASE(own_memory_stays),
	KUNIT_CASE(memory_of_others_is_left_alone),
	KUNIT_CASE(no_memory_changes_nothing),
	{}
};

struct kunit_suite xac_esp_suite = {
	.name = "xac_esp",
	.test_cases = esp_cases,
};
