// SPDX-License-Identifier: GPL-2.0
/*
 * Decryption that completes later: it is told apart, and the packet arrives
 * without a reference lost or invented.
 */
#include <crypto/aead.h>
#include <crypto/hash.h>
#include <linux/interrupt.h>
#include <linux/workqueue.h>
#include <net/ah.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "compat/kunit.h"
#include "iface/handlers.h"
#include "kunit/fixture.h"

/* A cipher of which only the flags matter. */
struct cipher {
	struct crypto_alg alg;
	struct crypto_aead aead;
};

static void cipher_init(struct cipher *c, bool async)
{
	memset(c, 0, sizeof(*c));
	c->alg.cra_flags = async ? CRYPTO_ALG_ASYNC : 0;
	c->aead.base.__crt_alg = &c->alg;
}

struct question {
	struct work_struct work;
	struct tasklet_struct tasklet;
	const struct sk_buff *skb;
	bool async;
};

static void ask_in_work(struct work_struct *work)
{
	struct question *q = container_of(work, struct question, work);

	local_bh_disable();
	q->async = xac_completed_async(q->skb);
	local_bh_enable();
}

static void ask_in_softirq(struct tasklet_struct *tasklet)
{
	struct question *q = from_tasklet(q, tasklet, tasklet);

	q->async = xac_completed_async(q->skb);
}

enum where { HERE, IN_WORK, IN_SOFTIRQ };

static bool async(const struct sk_buff *skb, enum where where)
{
	struct question q = { .skb = skb };

	switch (where) {
	case HERE:
		local_bh_disable();
		q.async = xac_completed_async(skb);
		local_bh_enable();
		break;
	case IN_WORK:
		INIT_WORK_ONSTACK(&q.work, ask_in_work);
		schedule_work(&q.work);
		flush_work(&q.work);
		destroy_work_on_stack(&q.work);
		break;
	case IN_SOFTIRQ:
		tasklet_setup(&q.tasklet, ask_in_softirq);
		tasklet_schedule(&q.tasklet);
		tasklet_kill(&q.tasklet);
		break;
	}

	return q.async;
}

static void late_completion_is_told(struct kunit *test)
{
	static const struct {
		bool cipher_is_async;
		bool gro;
		enum where where;
		bool late;
	} cases[] = {
		{ false, false, HERE,	    false },
		{ false, false, IN_WORK,    false },
		{ false, true,	IN_WORK,    false },
		{ true,	 false, HERE,	    true },
		{ true,	 false, IN_SOFTIRQ, true },
		{ true,	 false, IN_WORK,    true },
		{ true,	 true,	HERE,	    false },
		{ true,	 true,	IN_SOFTIRQ, false },
		{ true,	 true,	IN_WORK,    true },
	};
	struct xk_world *w = test->priv;
	struct xfrm_state *x = xk_sa_make(w->net, &xk_sa_in);
	struct cipher *cipher = kunit_kzalloc(test, sizeof(*cipher),
					      GFP_KERNEL);
	struct crypto_ahash *hash = kunit_kzalloc(test, sizeof(*hash),
						  GFP_KERNEL);
	struct ah_data ah = { .ahash = hash };
	struct sk_buff *skb;
	void *aead;
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, x);
	KUNIT_ASSERT_NOT_NULL(test, cipher);
	KUNIT_ASSERT_NOT_NULL(test, hash);
	skb = xk_decrypted(w, x, xk_skb4(100, false));
	KUNIT_ASSERT_NOT_NULL(test, skb);

	aead = x->data;
	x->data = &cipher->aead;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sec_path *sp = skb_sec_path(skb);

		cipher_init(cipher, cases[i].cipher_is_async);
		sp->olen = cases[i].gro;
		sp->ovec[0].flags = 0;
		if (cases[i].gro)
			sp->ovec[0].flags = XFRM_GRO;
		KUNIT_EXPECT_EQ_MSG(test, async(skb, cases[i].where),
				    cases[i].late, "case %zu", i);
	}

	/* AH has a hash, and its private data is something else. */
	skb_sec_path(skb)->olen = 0;
	x->id.proto = IPPROTO_AH;
	x->data = &ah;
	hash->base.__crt_alg = &cipher->alg;
	cipher_init(cipher, true);
	KUNIT_EXPECT_TRUE(test, async(skb, HERE));
	cipher_init(cipher, false);
	KUNIT_EXPECT_FALSE(test, async(skb, HERE));

	/* Of IPComp there is nothing to wait for. */
	x->id.proto = IPPROTO_COMP;
	x->data = NULL;
	KUNIT_EXPECT_FALSE(test, async(skb, HERE));
	x->id.proto = IPPROTO_ESP;
	x->data = aead;
	kfree_skb(skb);
	xk_sa_free(x);
}

/*
 * An ESP of our own: it "decrypts" by cutting the ESP header off, at once or
 * when told to.
 */
static struct sk_buff *parked;
static bool park;
static bool in_handler;

#define ESP_LEN	8

static void cut_esp(struct sk_buff *skb, bool transport)
{
	int ihl = skb_transport_header(skb) - skb_network_header(skb);

	__skb_pull(skb, ESP_LEN);
	if (transport)
		skb_set_transport_header(skb, -ihl);
	else
		skb_reset_transport_header(skb);
}

static int cut_input(struct xfrm_state *x, struct sk_buff *skb)
{
	in_handler = xac_in_own_handler(skb);
	if (park) {
		parked = skb;
		return -EINPROGRESS;
	}
	cut_esp(skb, x->props.mode == XFRM_MODE_TRANSPORT);

	return x->props.mode == XFRM_MODE_TRANSPORT ? IPPROTO_UDP :
						      IPPROTO_IPIP;
}

static const struct xfrm_type cut_type = {
	.proto = IPPROTO_ESP,
	.input = cut_input,
};

/* A UDP datagram to a port that nobody listens on. */
static void put_udp(struct udphdr *udph)
{
	udph->source = htons(9);
	udph->dest = htons(9);
	udph->len = htons(sizeof(*udph));
}

/* From the peer: outer header, ESP, then an IPv4 packet or, bare, UDP. */
static struct sk_buff *encrypted4(struct xk_world *w, bool bare)
{
	unsigned int inner = bare ? 8 : 28;
	struct sk_buff *skb = xk_skb4(20 + ESP_LEN + inner, false);
	struct iphdr *iph;

	if (!skb)
		return NULL;

	iph = ip_hdr(skb);
	iph->protocol = IPPROTO_ESP;
	iph->saddr = htonl(XK_OUT4_B);
	iph->daddr = htonl(XK_OUT4_A);
	ip_send_check(iph);
	*(__be32 *)(iph + 1) = htonl(XK_SPI_IN);
	if (!bare) {
		iph = (void *)(iph + 1) + ESP_LEN;
		iph->version = 4;
		iph->ihl = 5;
		iph->ttl = 64;
		iph->tot_len = htons(inner);
		iph->protocol = IPPROTO_UDP;
		iph->saddr = htonl(XK_IN4_B);
		iph->daddr = htonl(XK_IN4_A);
		ip_send_check(iph);
	}
	put_udp((void *)skb_tail_pointer(skb) - sizeof(struct udphdr));
	skb->dev = w->lower;
	__skb_pull(skb, 20);

	return skb;
}

/* The same over IPv6, always bare. */
static struct sk_buff *encrypted6(struct xk_world *w)
{
	struct sk_buff *skb = xk_skb6(40 + ESP_LEN + sizeof(struct udphdr));
	struct ipv6hdr *iph;
	struct udphdr *udph;

	if (!skb)
		return NULL;

	iph = ipv6_hdr(skb);
	iph->nexthdr = IPPROTO_ESP;
	iph->saddr = xk_out6_b;
	iph->daddr = xk_out6_a;
	*(__be32 *)(iph + 1) = htonl(XK_SPI_IN);
	udph = (void *)(iph + 1) + ESP_LEN;
	put_udp(udph);
	udph->check = csum_ipv6_magic(&iph->saddr, &iph->daddr, sizeof(*udph),
				      IPPROTO_UDP,
				      csum_partial(udph, sizeof(*udph), 0));
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
	IP6CB(skb)->iif = w->lower->ifindex;
	skb->dev = w->lower;
	__skb_pull(skb, 40);

	return skb;
}

/* The route of a packet to us. */
static int route_in(struct xk_world *w, struct sk_buff *skb, bool ipv4)
{
	struct flowi6 fl6 = { .daddr = xk_out6_a };

	if (ipv4)
		return ip_route_input_noref(skb, htonl(XK_OUT4_A),
					    htonl(XK_OUT4_B), 0, w->lower);

	skb_dst_set(skb, ip6_route_output(w->net, NULL, &fl6));

	return skb_dst(skb)->error;
}

/* What the IP layer does with a packet that it has received, up to ESP. */
static bool receive_one(struct xk_world *w, const struct xk_sa *sa)
{
	bool bare = sa->mode == XFRM_MODE_TRANSPORT;
	bool ipv4 = sa->family == AF_INET;
	struct sk_buff *skb = ipv4 ? encrypted4(w, bare) : encrypted6(w);
	int err;

	if (!skb)
		return false;

	xk_watch(skb);
	local_bh_disable();
	rcu_read_lock();
	err = route_in(w, skb, ipv4);
	if (!err)
		xac_input(skb, IPPROTO_ESP, 0, 0, sa->family);
	else
		kfree_skb(skb);
	rcu_read_unlock();
	local_bh_enable();

	return !err;
}

static void resume_one(struct xfrm_state *x)
{
	struct sk_buff *skb = parked;
	bool transport = x->props.mode == XFRM_MODE_TRANSPORT;

	parked = NULL;
	if (!skb)
		return;
	local_bh_disable();
	cut_esp(skb, transport);
	xfrm_input_resume(skb, transport ? IPPROTO_UDP : IPPROTO_IPIP);
	local_bh_enable();
}

/*
 * Some packets at once, then some later: all arrive and are counted, and no
 * reference on a device is lost or invented.
 */
static void expect_references_kept(struct kunit *test, const struct xk_sa *sa)
{
	struct xk_world *w = test->priv;
	struct cipher *cipher = kunit_kzalloc(test, sizeof(*cipher),
					      GFP_KERNEL);
	const struct xfrm_type *type;
	struct xk_stats before, after;
	unsigned long udp;
	int lower, dev, i;
	struct xfrm_state *x;
	void *aead;

	KUNIT_ASSERT_NOT_NULL(test, cipher);
	x = xk_sa_add(w->net, sa);
	KUNIT_ASSERT_NOT_NULL(test, x);
	type = x->type;
	aead = x->data;
	cipher_init(cipher, true);
	x->type = &cut_type;
	x->data = &cipher->aead;

	/* The first packets fill caches, which hold references. */
	udp = xk_arrived(w->net);
	park = false;
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, receive_one(w, sa));
	KUNIT_EXPECT_TRUE(test, in_handler);
	xk_settle();
	KUNIT_EXPECT_EQ(test, xk_arrived(w->net), udp + 3);

	lower = netdev_refcnt_read(w->lower);
	dev = netdev_refcnt_read(w->dev);
	xk_ended();
	xk_stats(w->dev, &before);
	park = true;
	for (i = 0; i < 5; i++) {
		KUNIT_EXPECT_TRUE(test, receive_one(w, sa));
		KUNIT_EXPECT_NOT_NULL(test, parked);
		KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->lower), lower + 1);
		resume_one(x);
		xk_settle();
	}
	park = false;

	xk_stats(w->dev, &after);
	KUNIT_EXPECT_EQ(test, xk_arrived(w->net), udp + 8);
	KUNIT_EXPECT_EQ(test, xk_ended(), 5);
	/* The answers to the datagrams have no SA to go out with. */
	for (i = XFRM_ACCEL_DROP_RX_ERROR; i <= XFRM_ACCEL_DROP_RX_NOMEM; i++)
		KUNIT_EXPECT_EQ(test, after.drop[i], before.drop[i]);
	KUNIT_EXPECT_EQ(test, after.dev.rx_packets, before.dev.rx_packets + 5);
	KUNIT_EXPECT_EQ(test, after.dev.rx_errors, before.dev.rx_errors);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->lower), lower);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(w->dev), dev);
	/* Otherwise the devices could not be deleted after a failure. */
	while (netdev_refcnt_read(w->lower) > lower)
		dev_put(w->lower);
	while (netdev_refcnt_read(w->dev) < dev)
		dev_hold(w->dev);

	x->type = type;
	x->data = aead;
	xfrm_state_put(x);
}

static void late_tunnel_packets(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, xk_allow_in(test->priv, AF_INET), 0);
	expect_references_kept(test, &xk_sa_in);
}

static void late_transport_packets(struct kunit *test)
{
	static const unsigned short family[] = { AF_INET, AF_INET6 };
	struct xk_world *w = test->priv;
	struct xk_sa sa = xk_sa_in;
	size_t i;

	sa.mode = XFRM_MODE_TRANSPORT;
	for (i = 0; i < ARRAY_SIZE(family); i++) {
		sa.family = family[i];
		expect_references_kept(test, &sa);
		xk_flush(w->net);
	}
}

static struct kunit_case late_cases[] = {
	KUNIT_CASE(late_completion_is_told),
	KUNIT_CASE(late_tunnel_packets),
	KUNIT_CASE(late_transport_packets),
	{}
};

struct kunit_suite xac_late_suite = {
	.name = "xac_late",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = late_cases,
};
