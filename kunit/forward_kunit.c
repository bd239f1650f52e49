// SPDX-License-Identifier: GPL-2.0
/*
 * The forward cache: which packets are remembered, and which never are; what makes
 * the memory wrong; that it is bounded.
 *
 * Packets go through the stack, from the interface to the lower device. Where a
 * change has to come between two hooks, the hooks are called by hand.
 */
#include <linux/delay.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/jhash.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/rtnetlink.h>
#include <linux/timekeeping.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>

#include "compat/kunit.h"
#include "kunit/fixture.h"

#define FAR4		0xc0000209u	/* 192.0.2.9, behind the lower device */
#define PORT		9000
#define SETS		4096
#define WAYS		4

/**
 * struct scene - what is needed to forward
 * @w: where
 * @x: the SA that decrypts; in no table
 * @second: another one, transport mode
 * @route: of the last packet that was forwarded, with a reference
 * @forwarding6: what the namespace had before
 * @spy: sees what is forwarded
 */
struct scene {
	struct xk_world *w;
	struct xfrm_state *x;
	struct xfrm_state *second;
	struct dst_entry *route;
	int forwarding6;
	struct nf_hook_ops spy[2];
};

static struct scene scene;

static struct xac_forward_net *cache(void)
{
	return &scene.w->xd->table->forward;
}

static int used(void)
{
	return atomic_read(&cache()->used);
}

static unsigned int spy(void *priv, struct sk_buff *skb,
			const struct nf_hook_state *state)
{
	if (state->in == scene.w->dev) {
		dst_release(scene.route);
		skb_dst_force(skb);
		scene.route = dst_clone(skb_dst(skb));
	}

	return NF_ACCEPT;
}

static void forget_route(void)
{
	dst_release(scene.route);
	scene.route = NULL;
}

static int policy(unsigned short family, u8 action)
{
	const struct xk_policy policy = {
		.dir = XFRM_POLICY_FWD,
		.inner = family,
		.outer = AF_INET,
		.if_id = XK_IF_ID,
		.action = action,
	};

	return xk_policy_add(scene.w->net, &policy);
}

static void forwarding(bool on)
{
	struct in_device *in_dev;

	rtnl_lock();
	in_dev = __in_dev_get_rtnl(scene.w->dev);
	if (in_dev)
		IN_DEV_CONF_SET(in_dev, FORWARDING, on);
	rtnl_unlock();
}

static int forward_init(struct kunit *test)
{
	struct xk_sa transport = xk_sa_in;
	int err, i;

	err = xk_world_init(test);
	if (err)
		return err;

	memset(&scene, 0, sizeof(scene));
	scene.w = test->priv;
	forwarding(true);
	scene.forwarding6 = scene.w->net->ipv6.devconf_all->forwarding;
	scene.w->net->ipv6.devconf_all->forwarding = 1;
	scene.x = xk_sa_make(scene.w->net, &xk_sa_in);
	transport.mode = XFRM_MODE_TRANSPORT;
	scene.second = xk_sa_make(scene.w->net, &transport);
	for (i = 0; i < 2; i++)
		scene.spy[i] = (struct nf_hook_ops) {
			.hook = spy,
			.pf = i ? NFPROTO_IPV6 : NFPROTO_IPV4,
			.hooknum = NF_INET_FORWARD,
		};
	nf_register_net_hooks(scene.w->net, scene.spy, 2);

	return scene.x && scene.second ? 0 : -ENOMEM;
}

static void forward_exit(struct kunit *test)
{
	if (!test->priv)
		return;

	nf_unregister_net_hooks(scene.w->net, scene.spy, 2);
	forget_route();
	scene.w->net->ipv6.devconf_all->forwarding = scene.forwarding6;
	xk_settle();
	if (scene.x)
		xk_sa_free(scene.x);
	if (scene.second)
		xk_sa_free(scene.second);
	xk_world_exit(test);
}

/* Most tests end within the second they begin in. */
static void early_in_a_second(void)
{
	struct timespec64 now;

	ktime_get_real_ts64(&now);
	if (now.tv_nsec > 600 * NSEC_PER_MSEC)
		msleep(1010 - now.tv_nsec / NSEC_PER_MSEC);
}

static void another_second(void)
{
	time64_t now = ktime_get_real_seconds();

	while (ktime_get_real_seconds() == now)
		msleep(20);
}

/* A flow from behind the tunnel to behind the lower device. */
static struct sk_buff *flow(unsigned short family, u16 sport)
{
	struct sk_buff *skb = family == AF_INET ? xk_skb4(100, false) : xk_skb6(120);
	struct udphdr *uh;

	if (!skb)
		return NULL;

	if (family == AF_INET) {
		ip_hdr(skb)->saddr = htonl(XK_IN4_B);
		ip_hdr(skb)->daddr = htonl(FAR4);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->saddr = xk_in6_b;
		ipv6_hdr(skb)->daddr = xk_out6_b;
		ipv6_hdr(skb)->daddr.s6_addr[15] = 9;
	}
	uh = udp_hdr(skb);
	uh->source = htons(sport);
	uh->dest = htons(PORT);
	uh->len = htons(skb->len - skb_transport_offset(skb));

	return skb;
}

static void decrypted_by(struct sk_buff *skb, struct xfrm_state *x)
{
	struct sec_path *sp = secpath_set(skb);

	if (sp) {
		xfrm_state_hold(x);
		sp->xvec[sp->len++] = x;
	}
}

/*
 * The packet arrives on the interface.
 *
 * Return: how many lookups it cost, -EPERM if it was not forwarded.
 */
static int arrives(struct sk_buff *skb)
{
	struct xk_wire *wire = xk_wire_of(scene.w->lower);
	struct xk_stats before, after;
	unsigned int udp;

	if (!skb)
		return -ENOMEM;

	skb->dev = scene.w->dev;
	local_bh_disable();
	xk_stats(scene.w->dev, &before);
	udp = wire->plain;
	netif_receive_skb(skb);
	xk_stats(scene.w->dev, &after);
	udp = wire->plain - udp;
	local_bh_enable();

	if (udp != 1)
		return udp ? -E2BIG : -EPERM;

	return after.drop[XAC_LOOKUPS + XAC_LOOKUP_FORWARD] -
	       before.drop[XAC_LOOKUPS + XAC_LOOKUP_FORWARD];
}

static int lookups(unsigned short family, u16 sport)
{
	struct sk_buff *skb = flow(family, sport);

	if (skb)
		decrypted_by(skb, scene.x);

	return arrives(skb);
}

/* A flow that no test has met: what was seen last outlives a test. */
static u16 stranger(void)
{
	static u16 sport = 50000;

	return sport++;
}

/* The cache has its sets. */
static void begin(struct kunit *test, unsigned short family)
{
	KUNIT_ASSERT_EQ(test, policy(family, XFRM_POLICY_ALLOW), 0);
	early_in_a_second();
	KUNIT_ASSERT_EQ(test, lookups(family, stranger()), 1);
	flush_delayed_work(&cache()->make);
	KUNIT_ASSERT_NOT_NULL(test, cache()->sets);
	KUNIT_ASSERT_EQ(test, used(), 0);
}

static void learn(struct kunit *test, unsigned short family, u16 sport)
{
	int i;

	/* IPv6 of a new device may change routes of its own accord. */
	for (i = 0; i < 8; i++)
		if (!lookups(family, sport))
			return;
	KUNIT_ASSERT_EQ(test, lookups(family, sport), 0);
}

static const struct family {
	const char *name;
	unsigned short family;
} families[] = {
	{ "IPv4", AF_INET },
	{ "IPv6", AF_INET6 },
};

static void describe_family(const struct family *f, char *desc)
{
	strscpy(desc, f->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(family, families, describe_family);

static unsigned short family_of(const struct kunit *test)
{
	return ((const struct family *)test->param_value)->family;
}

/* --- what is remembered --- */

static void a_flow_is_known_from_its_third_packet_on(struct kunit *test)
{
	const unsigned short family = family_of(test);
	const u16 sport = stranger();
	int i;

	begin(test, family);
	KUNIT_EXPECT_EQ(test, lookups(family, sport), 1);
	/* A flow of one packet gets no place. */
	KUNIT_EXPECT_EQ(test, used(), 0);
	KUNIT_EXPECT_EQ(test, lookups(family, sport), 1);
	KUNIT_EXPECT_EQ(test, used(), 1);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, lookups(family, sport), 0);
	KUNIT_EXPECT_EQ(test, used(), 1);
	KUNIT_EXPECT_EQ(test, lookups(family, stranger()), 1);
}

static void change_tos(struct sk_buff *skb)
{
	ip_hdr(skb)->tos = 0x40;
}

static void change_saddr(struct sk_buff *skb)
{
	ip_hdr(skb)->saddr = htonl(XK_IN4_B + 1);
}

static void change_daddr(struct sk_buff *skb)
{
	ip_hdr(skb)->daddr = htonl(FAR4 + 1);
}

static void change_dport(struct sk_buff *skb)
{
	udp_hdr(skb)->dest = htons(PORT + 1);
}

static void change_mark(struct sk_buff *skb)
{
	skb->mark = 5;
}

static void change_protocol(struct sk_buff *skb)
{
	ip_hdr(skb)->protocol = IPPROTO_TCP;
}

static void make_fragment(struct sk_buff *skb)
{
	ip_hdr(skb)->frag_off = htons(IP_MF);
}

static void make_later_fragment(struct sk_buff *skb)
{
	ip_hdr(skb)->frag_off = htons(8);
}

static void make_icmp(struct sk_buff *skb)
{
	ip_hdr(skb)->protocol = IPPROTO_ICMP;
}

/* Options take the place of the UDP header, which moves behind them. */
static void make_options(struct sk_buff *skb)
{
	memset(ip_hdr(skb) + 1, IPOPT_NOOP, 20);
	ip_hdr(skb)->ihl = 10;
	memcpy((u8 *)ip_hdr(skb) + 40, "\x00\x07\x23\x28", 4);
}

/* There is no room for two ports. */
static void make_short(struct sk_buff *skb)
{
	skb_trim(skb, sizeof(struct iphdr) + 2);
	ip_hdr(skb)->tot_len = htons(skb->len);
}

static void add_sa(struct sk_buff *skb)
{
	struct sec_path *sp = skb_sec_path(skb);

	if (!sp)
		return;
	xfrm_state_hold(scene.second);
	sp->xvec[sp->len++] = sp->xvec[0];
	sp->xvec[0] = scene.second;
}

#if IS_ENABLED(CONFIG_NF_CONNTRACK)
static struct nf_conn translated;

static void translate(struct sk_buff *skb)
{
	/* Nobody puts the last reference. */
	refcount_set(&translated.ct_general.use, 1000);
	translated.status = IPS_SRC_NAT;
	nf_ct_set(skb, &translated, IP_CT_ESTABLISHED);
}
#endif

static const struct variant {
	const char *name;
	void (*make)(struct sk_buff *skb);
	bool remembered;
} variants[] = {
	{ "DSCP", change_tos, true },
	{ "source", change_saddr, true },
	{ "destination", change_daddr, true },
	{ "destination port", change_dport, true },
	{ "protocol", change_protocol, true },
	{ "mark", change_mark, true },
	{ "first fragment", make_fragment },
	{ "later fragment", make_later_fragment },
	{ "ICMP", make_icmp },
	{ "IP options", make_options },
	{ "too short for ports", make_short },
	{ "by two SAs", add_sa },
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	{ "translated", translate },
#endif
};

static void describe_variant(const struct variant *v, char *desc)
{
	strscpy(desc, v->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(variant, variants, describe_variant);

static int lookups_of(const struct variant *v)
{
	struct sk_buff *skb = flow(AF_INET, 7);

	if (!skb)
		return -ENOMEM;
	decrypted_by(skb, scene.x);
	v->make(skb);
	ip_send_check(ip_hdr(skb));

	return arrives(skb);
}

/* One that differs from a known flow in this is not taken for it. */
static void another_flow(struct kunit *test)
{
	const struct variant *v = test->param_value;
	int i;

	begin(test, AF_INET);
	learn(test, AF_INET, 7);
	KUNIT_EXPECT_EQ(test, lookups_of(v), 1);
	KUNIT_EXPECT_GE(test, lookups_of(v), 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, lookups_of(v), !v->remembered);
	KUNIT_EXPECT_EQ(test, used(), 1 + v->remembered);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 0);
}

/*
 * What came by another SA is not let in by this one's verdict; what came by none is
 * asked for policies without if_id, of which there are none.
 */
static void the_sa_matters(struct kunit *test)
{
	struct xk_sa other = xk_sa_in;
	struct xfrm_state *x;
	struct sk_buff *skb;

	begin(test, AF_INET);
	learn(test, AF_INET, 7);
	KUNIT_EXPECT_EQ(test, arrives(flow(AF_INET, 7)), 1);
	KUNIT_EXPECT_EQ(test, arrives(flow(AF_INET, 7)), 1);

	other.if_id = XK_IF_ID + 1;
	x = xk_sa_make(scene.w->net, &other);
	KUNIT_ASSERT_NOT_NULL(test, x);
	skb = flow(AF_INET, 7);
	if (skb)
		decrypted_by(skb, x);
	KUNIT_EXPECT_EQ(test, arrives(skb), -EPERM);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 0);
	xk_settle();
	xk_sa_free(x);

	/* What a deleted one still decrypts is not remembered. */
	scene.x->km.state = XFRM_STATE_DEAD;
	xac_forward_empty(scene.w->xd->table);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 1);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 1);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 1);
	KUNIT_EXPECT_EQ(test, used(), 0);
	scene.x->km.state = XFRM_STATE_VALID;
}

/* --- what makes it wrong --- */

static void another_policy(struct kunit *test)
{
	const unsigned short family = family_of(test);

	begin(test, family);
	learn(test, family, 7);
	xk_flush(scene.w->net);
	KUNIT_EXPECT_EQ(test, lookups(family, 7), -EPERM);
	KUNIT_ASSERT_EQ(test, policy(family, XFRM_POLICY_ALLOW), 0);
	KUNIT_EXPECT_EQ(test, lookups(family, 7), 1);
	KUNIT_EXPECT_EQ(test, lookups(family, 7), 0);
	xk_flush(scene.w->net);
	KUNIT_ASSERT_EQ(test, policy(family, XFRM_POLICY_BLOCK), 0);
	KUNIT_EXPECT_EQ(test, lookups(family, 7), -EPERM);
}

static void another_generation(struct kunit *test)
{
	begin(test, AF_INET);
	learn(test, AF_INET, 7);
	xac_forward_forget(scene.w->xd->table);
	KUNIT_EXPECT_EQ(test, used(), 1);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 1);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 0);

	xac_forward_empty(scene.w->xd->table);
	KUNIT_EXPECT_EQ(test, used(), 0);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 1);
}

static void each_second_is_another(struct kunit *test)
{
	const unsigned short family = family_of(test);

	begin(test, family);
	learn(test, family, 7);
	another_second();
	KUNIT_EXPECT_EQ(test, lookups(family, 7), 1);
	KUNIT_EXPECT_EQ(test, lookups(family, 7), 0);
	KUNIT_EXPECT_EQ(test, used(), 1);
}

/* The known flow is found again after routes have changed, and is known again. */
static void routes_change(struct kunit *test)
{
	const unsigned short family = family_of(test);
	const struct in6_addr addr6 = { { { 0x20, 0x01, 0x0d, 0xb8, 0, 99, 1 } } };
	const __be32 addr4 = htonl(0xc6336401u);

	begin(test, family);
	learn(test, family, 7);
	KUNIT_ASSERT_EQ(test, xk_addr_add(scene.w->net, scene.w->lower, family,
					  family == AF_INET ? (void *)&addr4 : (void *)&addr6, 24),
			0);
	/* IPv6 goes on changing a little. */
	msleep(50);
	early_in_a_second();
	KUNIT_EXPECT_EQ(test, lookups(family, 7), 1);
	KUNIT_EXPECT_EQ(test, lookups(family, 7), 0);
	KUNIT_EXPECT_EQ(test, used(), 1);
}

/* --- between the hooks --- */

static struct sk_buff *before_routing(unsigned short family, u16 sport)
{
	const struct nf_hook_ops *ops = &cache()->hooks[family == AF_INET6];
	struct sk_buff *skb = flow(family, sport);
	struct nf_hook_state state;

	if (!skb)
		return NULL;
	memset(skb->cb, 0, sizeof(skb->cb));
	skb->dev = scene.w->dev;
	decrypted_by(skb, scene.x);
	nf_hook_state_init(&state, NF_INET_PRE_ROUTING, ops->pf, skb->dev, NULL,
			   NULL, scene.w->net, NULL);
	ops->hook(ops->priv, skb, &state);

	return skb;
}

static void forwarded(struct sk_buff *skb, unsigned short family)
{
	const struct nf_hook_ops *ops = &cache()->hooks[2 + (family == AF_INET6)];
	struct nf_hook_state state;

	nf_hook_state_init(&state, NF_INET_FORWARD, ops->pf, skb->dev,
			   scene.w->lower, NULL, scene.w->net, NULL);
	ops->hook(ops->priv, skb, &state);
}

enum between { NOTHING, FORGET, NO_NOTE, COPIED, SA_TAKEN, UNPACKED, NO_MEMORY };

/* Return: how many flows are known then, -errno if that was not even tried. */
static int by_hand(unsigned short family, enum between what, u16 sport)
{
	struct sk_buff *skb, *copy;
	int i;

	/* The first packet of a flow is only seen. */
	for (i = 0; i < 2; i++) {
		local_bh_disable();
		rcu_read_lock();
		skb = before_routing(family, sport);
		if (skb && !skb_dst(skb))
			skb_dst_set(skb, dst_clone(scene.route));
		if (skb && what == FORGET)
			xac_forward_empty(scene.w->xd->table);
		if (skb && what == NO_NOTE)
			memset(skb->cb, 0, sizeof(skb->cb));
		if (skb && what == SA_TAKEN)
			secpath_reset(skb);
		if (skb && what == UNPACKED)
			udp_hdr(skb)->dest ^= htons(1);
		if (skb && what == COPIED) {
			copy = skb_copy(skb, GFP_ATOMIC);
			kfree_skb(skb);
			skb = copy;
		}
		if (skb) {
			if (what == NO_MEMORY && i)
				xk_fail_nth(1);
			forwarded(skb, family);
			if (what == NO_MEMORY && i && !xk_has_failed())
				i = 3;
		}
		rcu_read_unlock();
		local_bh_enable();
		kfree_skb(skb);
		if (!skb)
			return -ENOMEM;
	}

	return i > 2 ? -EIO : used();
}

/* Only what was checked after all changes so far, as its own note says. */
static void changes_between_the_hooks(struct kunit *test)
{
	const unsigned short family = family_of(test);

	begin(test, family);
	KUNIT_ASSERT_NOT_NULL(test, scene.route);
	KUNIT_EXPECT_EQ(test, by_hand(family, FORGET, 20), 0);
	KUNIT_EXPECT_EQ(test, by_hand(family, NO_NOTE, 21), 0);
	KUNIT_EXPECT_EQ(test, by_hand(family, COPIED, 22), 0);
	KUNIT_EXPECT_EQ(test, by_hand(family, SA_TAKEN, 25), 0);
	KUNIT_EXPECT_EQ(test, by_hand(family, UNPACKED, 26), 0);
	KUNIT_EXPECT_EQ(test, by_hand(family, NOTHING, 23), 1);
	if (xk_can_fail())
		KUNIT_EXPECT_EQ(test, by_hand(family, NO_MEMORY, 24), 1);
	KUNIT_EXPECT_EQ(test, lookups(family, 23), 0);
	KUNIT_EXPECT_EQ(test, lookups(family, 24), 1);
}

/* A packet has its route without a reference; and nothing is learnt from it. */
static void told(struct kunit *test)
{
	const unsigned short family = family_of(test);
	struct sk_buff *skb;

	begin(test, family);
	learn(test, family, 7);
	local_bh_disable();
	rcu_read_lock();
	skb = before_routing(family, 7);
	KUNIT_EXPECT_NOT_NULL(test, skb);
	if (skb) {
		KUNIT_EXPECT_PTR_EQ(test, skb_dst(skb), scene.route);
		KUNIT_EXPECT_TRUE(test, skb_dst_is_noref(skb));
		KUNIT_EXPECT_EQ(test, !!(IPCB(skb)->flags & IPSKB_NOPOLICY),
				family == AF_INET);
		skb_dst_force(skb);
	}
	rcu_read_unlock();
	local_bh_enable();
	if (!skb)
		return;

	/* It comes out of the checks in the next second. */
	another_second();
	local_bh_disable();
	rcu_read_lock();
	forwarded(skb, family);
	rcu_read_unlock();
	local_bh_enable();
	kfree_skb(skb);
	KUNIT_EXPECT_EQ(test, lookups(family, 7), 1);
}

static unsigned int bystander(void *priv, struct sk_buff *skb,
			      const struct nf_hook_state *state)
{
	return NF_ACCEPT;
}

/* Where hooks of others come after ours or before them, nothing is told or learnt. */
static void other_hooks_at_the_ends(struct kunit *test)
{
	struct xk_link link = { .name = "xkipsec", .if_id = XK_IF_ID };
	const struct nf_hook_ops last = {
		.hook = bystander,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = INT_MAX,
	};
	const struct nf_hook_ops first = {
		.hook = bystander,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_FORWARD,
		.priority = INT_MIN,
	};
	struct xk_world *w = scene.w;
	int i;

	begin(test, AF_INET);
	/* Registered later than ours, it comes before them. */
	KUNIT_ASSERT_EQ(test, nf_register_net_hook(w->net, &last), 0);
	learn(test, AF_INET, 7);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 0);

	xk_unregister(w->dev);
	w->dev = NULL;
	link.link = w->lower->ifindex;
	KUNIT_EXPECT_EQ(test, xk_dev_make(w, &link, XK_IN4_A, &w->dev), 0);
	if (w->dev) {
		w->xd = netdev_priv(w->dev);
		forwarding(true);
		for (i = 0; i < 4; i++)
			KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 1);
	}
	nf_unregister_net_hook(w->net, &last);
	KUNIT_ASSERT_NOT_NULL(test, w->dev);
	early_in_a_second();
	lookups(AF_INET, 7);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, 7), 0);

	xac_forward_empty(w->xd->table);
	KUNIT_ASSERT_EQ(test, nf_register_net_hook(w->net, &first), 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_GE(test, lookups(AF_INET, 7), 0);
	KUNIT_EXPECT_EQ(test, used(), 0);
	nf_unregister_net_hook(w->net, &first);
}

/* --- how many --- */

static u32 set_of(u16 sport)
{
	const u32 ports = (__force u32)htonl(sport << 16 | PORT);

	return jhash_3words((__force u32)htonl(XK_IN4_B) ^
			    (u32)(unsigned long)scene.x,
			    (__force u32)htonl(FAR4) ^
			    (u32)(unsigned long)scene.w->dev,
			    ports, AF_INET << 8 | IPPROTO_UDP) % SETS;
}

/* The @n-th source port with the same place as 100. */
static u16 neighbour(unsigned int n)
{
	u32 sport = 100;

	while (n--)
		do
			sport++;
		while (sport < 0x10000 && set_of(sport) != set_of(100));

	return sport;
}

static void busy_flows_keep_their_places(struct kunit *test)
{
	int i, j;

	begin(test, AF_INET);
	for (i = 0; i < WAYS; i++)
		learn(test, AF_INET, neighbour(i));
	KUNIT_EXPECT_EQ(test, used(), WAYS);

	for (j = 0; j < 3; j++)
		KUNIT_EXPECT_EQ(test, lookups(AF_INET, neighbour(WAYS)), 1);
	for (i = 0; i < WAYS; i++)
		KUNIT_EXPECT_EQ(test, lookups(AF_INET, neighbour(i)), 0);
	KUNIT_EXPECT_EQ(test, used(), WAYS);

	/* Who has not come in this second or the last makes room. */
	another_second();
	another_second();
	for (i = 0; i < WAYS - 1; i++)
		KUNIT_EXPECT_EQ(test, lookups(AF_INET, neighbour(i)), 1);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, neighbour(WAYS)), 1);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, neighbour(WAYS)), 0);
	for (i = 0; i < WAYS - 1; i++)
		KUNIT_EXPECT_EQ(test, lookups(AF_INET, neighbour(i)), 0);
	KUNIT_EXPECT_EQ(test, lookups(AF_INET, neighbour(WAYS - 1)), 1);
	KUNIT_EXPECT_EQ(test, used(), WAYS);
}

/* As many as there is room for come in turns, each a packet at a time. */
static void flows_take_turns(struct kunit *test)
{
	int round, i;

	begin(test, AF_INET);
	for (round = 0; round < 2; round++)
		for (i = 0; i < WAYS; i++)
			lookups(AF_INET, neighbour(i));
	for (i = 0; i < WAYS; i++)
		KUNIT_EXPECT_EQ(test, lookups(AF_INET, neighbour(i)), 0);
	KUNIT_EXPECT_EQ(test, used(), WAYS);
}

static void the_interface_can_go(struct kunit *test)
{
	struct xac_forward_net *forward = cache();

	begin(test, AF_INET);
	learn(test, AF_INET, 7);
	forget_route();
	xk_unregister(scene.w->dev);
	scene.w->dev = NULL;
	KUNIT_EXPECT_EQ(test, atomic_read(&forward->used), 0);
	KUNIT_EXPECT_FALSE(test, forward->hooked);
}

static struct kunit_case forward_cases[] = {
	KUNIT_CASE_PARAM(a_flow_is_known_from_its_third_packet_on, family_gen_params),
	KUNIT_CASE_PARAM(another_flow, variant_gen_params),
	KUNIT_CASE(the_sa_matters),
	KUNIT_CASE_PARAM(another_policy, family_gen_params),
	KUNIT_CASE(another_generation),
	KUNIT_CASE_PARAM(each_second_is_another, family_gen_params),
	KUNIT_CASE_PARAM(routes_change, family_gen_params),
	KUNIT_CASE_PARAM(changes_between_the_hooks, family_gen_params),
	KUNIT_CASE_PARAM(told, family_gen_params),
	KUNIT_CASE(other_hooks_at_the_ends),
	KUNIT_CASE(busy_flows_keep_their_places),
	KUNIT_CASE(flows_take_turns),
	KUNIT_CASE(the_interface_can_go),
	{}
};

struct kunit_suite xac_forward_suite = {
	.name = "xac_forward",
	.init = forward_init,
	.exit = forward_exit,
	.test_cases = forward_cases,
};
