// SPDX-License-Identifier: GPL-2.0
/*
 * SAs that a device encrypts for (crypto offload): it gets packets that are
 * complete but for IV and ICV, and nothing that it cannot do.
 */
#include <net/esp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/kunit.h"
#include "esp/layout.h"
#include "kunit/fixture_esp.h"

#define LEN	501
#define PAYLOAD	4500
#define SIZE	1000

static const struct xk_train train4 = {
	.family = AF_INET,
	.proto = IPPROTO_TCP,
	.payload = PAYLOAD,
	.size = SIZE,
};

/* An SA of the lower device's, which has these features. */
static struct xfrm_state *sa_of_device(struct kunit *test, u8 mode,
				       unsigned short outer,
				       netdev_features_t features)
{
	struct xk_world *w = test->priv;
	const struct xk_sa sa = {
		.family = outer,
		.mode = mode,
		.spi = XK_SPI_OUT,
		.selects = mode == XFRM_MODE_BEET ? AF_INET : 0,
	};
	struct xfrm_state *x = xk_sa_make(w->net, &sa);

	if (!x)
		return NULL;
	x->xso.dev = w->lower;
	x->xso.dir = XFRM_DEV_OFFLOAD_OUT;
	w->lower->features |= features;
	w->lower->hw_enc_features |= features;

	return x;
}

/* The device has not heard of the SA: the core must not tell it. */
static void sa_gone(struct kunit *test, struct xfrm_state *x,
		    netdev_features_t features)
{
	struct xk_world *w = test->priv;

	xk_settle();
	KUNIT_EXPECT_EQ(test, refcount_read(&x->refcnt), 1);
	w->lower->features &= ~features;
	w->lower->hw_enc_features &= ~features;
	x->xso.dev = NULL;
	xk_sa_free(x);
}

/* The driver finds the SA, and marks of its own. */
static bool handed_over(struct sk_buff *skb, const struct xfrm_state *x)
{
	const struct xfrm_offload *xo = xfrm_offload(skb);

	return xo && xo->flags & XFRM_XMIT && !(xo->flags & CRYPTO_FALLBACK) &&
	       xfrm_input_state(skb) == x &&
	       refcount_read(&skb->extensions->refcnt) == 1;
}

/* What the device does with it. */
static int encrypted_by_device(struct xfrm_state *x, struct sk_buff *skb)
{
	int err;

	local_bh_disable();
	err = xac_esp_seal(x, skb, ntohl(ip_esp_hdr(skb)->seq_no), NULL);
	local_bh_enable();
	secpath_reset(skb);

	return err;
}

static bool length_good(const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (iph->version == 6)
		return ipv6_hdr(skb)->payload_len ==
		       htons(skb->len - sizeof(struct ipv6hdr));

	return iph->tot_len == htons(skb->len) && !ip_fast_csum(iph, iph->ihl);
}

/* --- packets --- */

static void complete_but_for_encryption(struct kunit *test)
{
	static const u8 modes[] = {
		XFRM_MODE_TUNNEL, XFRM_MODE_TRANSPORT, XFRM_MODE_BEET,
	};
	struct xk_world *w = test->priv;
	unsigned int i, len;

	for (i = 0; i < ARRAY_SIZE(modes) * 2; i++) {
		unsigned short outer = i & 1 ? AF_INET6 : AF_INET;
		struct sk_buff *skb = xk_skb4(LEN, true);
		u8 mode = modes[i / 2], plain[LEN];
		struct xfrm_state *x;

		KUNIT_ASSERT_NOT_NULL(test, skb);
		if (mode == XFRM_MODE_TRANSPORT && outer == AF_INET6) {
			kfree_skb(skb);
			continue;
		}
		x = sa_of_device(test, mode, outer, NETIF_F_HW_ESP);
		KUNIT_ASSERT_NOT_NULL(test, x);
		/* In a tunnel the IP header is payload, too. */
		len = mode == XFRM_MODE_TUNNEL ? LEN :
						 LEN - sizeof(struct iphdr);
		memcpy(plain, skb_tail_pointer(skb) - len, len);

		skb = xk_output(w, x, skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb = xk_validate(skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_TRUE(test, handed_over(skb, x));
		KUNIT_EXPECT_TRUE(test, length_good(skb));
		KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(skb)->seq_no), 1);
		KUNIT_EXPECT_EQ(test, skb->len - skb_transport_offset(skb),
				xac_esp_header_len(x->data) + len +
				xac_esp_trailer_len(x->data, len));
		KUNIT_EXPECT_EQ(test, 0,
				memcmp(skb_transport_header(skb) +
				       xac_esp_header_len(x->data), plain, len));

		KUNIT_EXPECT_EQ(test, encrypted_by_device(x, skb), 0);
		KUNIT_EXPECT_GT(test, xk_opened_by_kernel(x, skb, 1), 0);
		KUNIT_EXPECT_EQ(test, skb->len, len);
		KUNIT_EXPECT_EQ(test, 0, memcmp(skb->data, plain, len));
		kfree_skb(skb);
		sa_gone(test, x, NETIF_F_HW_ESP);
	}
}

/* Someone else sees the packet's memory: the trailer is not written there. */
static void shared_packet_stays_as_it_is(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_of_device(test, XFRM_MODE_TUNNEL, AF_INET,
					    NETIF_F_HW_ESP);
	struct sk_buff *skb = xk_skb4(LEN, true), *clone;
	u8 *before;

	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb = xk_output(w, x, skb);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	clone = skb_clone(skb, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, clone);
	before = kunit_kzalloc(test, skb_end_offset(clone), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, before);
	memcpy(before, clone->head, skb_end_offset(clone));

	skb = xk_validate(skb);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_EQ(test, encrypted_by_device(x, skb), 0);
	KUNIT_EXPECT_EQ(test, 0, memcmp(before, clone->head,
					skb_end_offset(clone)));
	kfree_skb(clone);
	kfree_skb(skb);
	sa_gone(test, x, NETIF_F_HW_ESP);
}

/* --- trains --- */

/* The segments of a train, as the device gets them. */
static struct sk_buff *cut_and_sent(struct kunit *test, struct xfrm_state *x,
				    bool untrusted)
{
	struct sk_buff *train = xk_train(&train4), *segs;

	KUNIT_ASSERT_NOT_NULL(test, train);
	if (untrusted) {
		skb_shinfo(train)->gso_type |= SKB_GSO_DODGY;
		skb_shinfo(train)->gso_segs = 0;
	}
	train = xk_output(test->priv, x, train);
	KUNIT_ASSERT_NOT_NULL(test, train);
	segs = xk_segment(train);
	KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(segs), 0);
	consume_skb(train);
	segs = xk_validate(segs);
	KUNIT_EXPECT_EQ(test, xk_list_len(segs), DIV_ROUND_UP(PAYLOAD, SIZE));

	return segs;
}

/* Each segment is a packet as above, with its number. */
static void expect_segments(struct kunit *test, netdev_features_t features,
			    bool untrusted)
{
	struct xfrm_state *x = sa_of_device(test, XFRM_MODE_TUNNEL, AF_INET,
					    features);
	struct sk_buff *skb, *next;
	u32 seq = 1;

	KUNIT_ASSERT_NOT_NULL(test, x);
	skb_list_walk_safe(cut_and_sent(test, x, untrusted), skb, next) {
		skb_mark_not_on_list(skb);
		KUNIT_EXPECT_TRUE(test, handed_over(skb, x));
		KUNIT_EXPECT_TRUE(test, length_good(skb));
		KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(skb)->seq_no), seq);
		/* It sums up nothing either. */
		KUNIT_EXPECT_TRUE(test, skb->ip_summed == CHECKSUM_NONE);
		KUNIT_EXPECT_EQ(test, encrypted_by_device(x, skb), 0);
		KUNIT_EXPECT_GT(test, xk_opened_by_kernel(x, skb, seq), 0);
		kfree_skb(skb);
		seq++;
	}
	sa_gone(test, x, features);
}

/* The device cannot cut, or not what an untrusted source has made. */
static void segments_for_the_device(struct kunit *test)
{
	expect_segments(test, NETIF_F_HW_ESP, false);
	expect_segments(test, NETIF_F_HW_ESP, true);
	expect_segments(test, NETIF_F_HW_ESP | NETIF_F_GSO_ESP | NETIF_F_TSO |
			      NETIF_F_HW_CSUM | NETIF_F_SG, true);
}

/* The checksum within is left to a device that does it behind encryption. */
static void device_sums_up(struct kunit *test)
{
	const netdev_features_t features = NETIF_F_HW_ESP | NETIF_F_SG |
					   NETIF_F_HW_ESP_TX_CSUM |
					   NETIF_F_HW_CSUM;
	struct xfrm_state *x = sa_of_device(test, XFRM_MODE_TUNNEL, AF_INET,
					    features);
	struct sk_buff *segs, *skb;

	KUNIT_ASSERT_NOT_NULL(test, x);
	segs = cut_and_sent(test, x, false);
	for (skb = segs; skb; skb = skb->next) {
		KUNIT_EXPECT_TRUE(test, handed_over(skb, x));
		KUNIT_EXPECT_TRUE(test, skb->ip_summed == CHECKSUM_PARTIAL);
	}
	kfree_skb_list(segs);
	sa_gone(test, x, features);
}

/* The device cuts, and numbers: it gets the train, and its numbers are gone. */
static void device_cuts(struct kunit *test)
{
	const netdev_features_t features = NETIF_F_HW_ESP | NETIF_F_GSO_ESP |
					   NETIF_F_HW_ESP_TX_CSUM;
	struct xk_world *w = test->priv;
	struct xfrm_state *x = sa_of_device(test, XFRM_MODE_TUNNEL, AF_INET,
					    features);
	struct sk_buff *skb;
	unsigned int len, i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	for (i = 0; i < 2; i++) {
		struct sk_buff *train = xk_train(&train4);

		KUNIT_ASSERT_NOT_NULL(test, train);
		len = train->len;
		skb = xk_output(w, x, train);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb = xk_validate(skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_TRUE(test, handed_over(skb, x));
		KUNIT_EXPECT_TRUE(test, skb_is_gso(skb));
		/* The trailers are added to each segment. */
		KUNIT_EXPECT_EQ(test, skb->len, sizeof(struct iphdr) +
				xac_esp_header_len(x->data) + len);
		KUNIT_EXPECT_EQ(test, ntohl(ip_esp_hdr(skb)->seq_no),
				1 + i * DIV_ROUND_UP(PAYLOAD, SIZE));
		kfree_skb(skb);
	}
	sa_gone(test, x, features);
}

/* --- not after all --- */

/* The device lost the feature, or the packet its way to the device. */
static void software_takes_over(struct kunit *test)
{
	struct xk_world *w = test->priv;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		netdev_features_t features = i ? NETIF_F_HW_ESP : 0;
		struct sk_buff *skb = xk_skb4(LEN, true);
		struct xfrm_state *x;

		KUNIT_ASSERT_NOT_NULL(test, skb);
		x = sa_of_device(test, XFRM_MODE_TUNNEL, AF_INET, features);
		KUNIT_ASSERT_NOT_NULL(test, x);
		skb = xk_output(w, x, skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		/* It goes out by the lower device; the SA is another one's. */
		if (i)
			x->xso.dev = w->dev;
		skb = xk_validate(skb);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_NULL(test, skb_sec_path(skb));
		KUNIT_EXPECT_GT(test, xk_opened_by_kernel(x, skb, 1), 0);
		KUNIT_EXPECT_EQ(test, skb->len, LEN);
		kfree_skb(skb);
		sa_gone(test, x, features);
	}
}

static struct kunit_case hardware_cases[] = {
	KUNIT_CASE(complete_but_for_encryption),
	KUNIT_CASE(shared_packet_stays_as_it_is),
	KUNIT_CASE(segments_for_the_device),
	KUNIT_CASE(device_sums_up),
	KUNIT_CASE(device_cuts),
	KUNIT_CASE(software_takes_over),
	{}
};

struct kunit_suite xac_esp_hardware_suite = {
	.name = "xac_esp_hardware",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = hardware_cases,
};
