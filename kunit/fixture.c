// SPDX-License-Identifier: GPL-2.0
/*
 * What most suites start from: one interface over one lower device, and its
 * counters.
 */
#include <linux/workqueue.h>
#include <net/udp.h>

#include "kunit/fixture.h"

#define XK_ADDR6(subnet, host) { { {					\
	0x20, 0x01, 0x0d, 0xb8, 0, subnet, 0, 0, 0, 0, 0, 0, 0, 0, 0, host } } }

const struct in6_addr xk_out6_a = XK_ADDR6(1, 1);
const struct in6_addr xk_out6_b = XK_ADDR6(1, 2);
const struct in6_addr xk_in6_a = XK_ADDR6(7, 1);
const struct in6_addr xk_in6_b = XK_ADDR6(7, 2);

/**
 * xk_dev_make - make an xfrm interface, up, with an IPv4 address
 * @w: where
 * @link: what to say
 * @addr4: address of its /24 network, host byte order
 * @dev: set, also after a later error; to be given to xk_unregister()
 *
 * Return: 0 or a negative errno.
 */
int xk_dev_make(struct xk_world *w, struct xk_link *link, u32 addr4,
		struct net_device **dev)
{
	const __be32 addr = htonl(addr4);
	int err;

	*dev = NULL;
	err = xk_link_new(w->net, link);
	if (err)
		return err;

	*dev = xk_dev_by_name(w->net, link->name);
	if (!*dev)
		return -ENODEV;

	err = xk_set_up(*dev, true);
	if (err)
		return err;

	return xk_addr_add(w->net, *dev, AF_INET, &addr, 24);
}

static int xk_world_make(struct xk_world *w)
{
	struct xk_link link = { .name = "xkipsec", .if_id = XK_IF_ID };
	int err;

	w->net = &init_net;
	w->lower = xk_wire_create(w->net, "xkwire", 1500);
	if (!w->lower)
		return -ENODEV;

	link.link = w->lower->ifindex;
	err = xk_dev_make(w, &link, XK_IN4_A, &w->dev);
	if (err)
		return err;
	w->xd = netdev_priv(w->dev);

	return xk_addr_add(w->net, w->dev, AF_INET6, &xk_in6_a, 64);
}

static void xk_world_free(struct xk_world *w)
{
	xk_flush(w->net);
	xk_unregister(w->dev);
	xk_unregister(w->lower);
	kfree(w);
}

/**
 * xk_world_init - init of a suite that starts from an interface
 * @test: its priv becomes a struct xk_world
 *
 * Return: 0 or a negative errno.
 */
int xk_world_init(struct kunit *test)
{
	struct xk_world *w = kzalloc(sizeof(*w), GFP_KERNEL);
	int err;

	test->priv = NULL;
	if (!w)
		return -ENOMEM;

	err = xk_world_make(w);
	if (err) {
		kunit_err(test, "no interface to test with: %d\n", err);
		xk_world_free(w);
		return err;
	}
	xk_ended();
	test->priv = w;

	return 0;
}

/**
 * xk_world_exit - exit of such a suite
 * @test: the test
 */
void xk_world_exit(struct kunit *test)
{
	if (test->priv)
		xk_world_free(test->priv);
}

/**
 * xk_tunnel_by - an SA and the policies that carry both inner families by it
 * @w: where to
 * @outer: AF_INET or AF_INET6
 * @cipher: of the SA; NULL: none
 * @esn: with extended sequence numbers
 *
 * Return: the SA, referenced, or NULL.
 */
struct xfrm_state *xk_tunnel_by(struct xk_world *w, unsigned short outer,
				const struct xk_cipher *cipher, bool esn)
{
	static const unsigned short inner[] = { AF_INET, AF_INET6 };
	const struct xk_sa sa = {
		.family = outer,
		.mode = XFRM_MODE_TUNNEL,
		.spi = XK_SPI_OUT,
		.if_id = XK_IF_ID,
		.cipher = cipher,
		.esn = esn,
	};
	struct xk_policy policy = {
		.dir = XFRM_POLICY_OUT,
		.outer = outer,
		.if_id = XK_IF_ID,
		.action = XFRM_POLICY_ALLOW,
	};
	struct xfrm_state *x = xk_sa_add(w->net, &sa);
	size_t i;

	for (i = 0; x && i < ARRAY_SIZE(inner); i++) {
		policy.inner = inner[i];
		if (xk_policy_add(w->net, &policy)) {
			xfrm_state_put(x);
			return NULL;
		}
	}

	return x;
}

/**
 * xk_tunnel_out - the same without a cipher
 * @w: where to
 * @outer: AF_INET or AF_INET6
 *
 * Return: 0 or a negative errno.
 */
int xk_tunnel_out(struct xk_world *w, unsigned short outer)
{
	struct xfrm_state *x = xk_tunnel_by(w, outer, NULL, false);

	if (!x)
		return -ENODEV;
	xfrm_state_put(x);

	return 0;
}

/**
 * xk_allow_in - the input policy for xk_sa_in
 * @w: where to
 * @inner: the family that may pass
 *
 * Return: 0 or a negative errno.
 */
int xk_allow_in(struct xk_world *w, unsigned short inner)
{
	const struct xk_policy policy = {
		.dir = XFRM_POLICY_IN,
		.inner = inner,
		.outer = AF_INET,
		.if_id = XK_IF_ID,
		.action = XFRM_POLICY_ALLOW,
	};

	return xk_policy_add(w->net, &policy);
}

/**
 * xk_decrypted - make a packet look as the core hands it to the callback
 * @w: received on its lower device
 * @x: the SA that has decrypted it; the packet holds a reference
 * @skb: the packet, or NULL; consumed after an error
 *
 * Return: @skb or NULL.
 */
struct sk_buff *xk_decrypted(struct xk_world *w, struct xfrm_state *x,
			     struct sk_buff *skb)
{
	struct sec_path *sp;

	if (!skb)
		return NULL;

	sp = secpath_set(skb);
	if (!sp) {
		kfree_skb(skb);
		return NULL;
	}
	xfrm_state_hold(x);
	sp->xvec[sp->len++] = x;
	skb->dev = w->lower;
	memset(skb->cb, 0, sizeof(skb->cb));
	XFRM_MODE_SKB_CB(skb)->protocol =
		skb->protocol == htons(ETH_P_IPV6) ? IPPROTO_IPV6 :
						     IPPROTO_IPIP;

	return skb;
}

/**
 * xk_stats - read an interface's counters
 * @dev: an xfrm interface
 * @stats: filled
 */
void xk_stats(struct net_device *dev, struct xk_stats *stats)
{
	struct xac_dev *xd = netdev_priv(dev);

	xac_counters_read(xd->counters, stats->drop);
	dev_get_stats(dev, &stats->dev);
}

/**
 * xk_only_drop - the one drop that was counted between two readings
 * @before: the first one
 * @after: the second one
 *
 * Return: the reason, -ENOENT if there was no drop, -E2BIG if there were
 *	   several.
 */
int xk_only_drop(const struct xk_stats *before, const struct xk_stats *after)
{
	int reason = -ENOENT;
	int i;

	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++) {
		if (after->drop[i] == before->drop[i])
			continue;
		if (reason >= 0 || after->drop[i] != before->drop[i] + 1)
			return -E2BIG;
		reason = i;
	}

	return reason;
}

/**
 * xk_transmit - give a packet to an interface as the core would
 * @skb: consumed
 * @dev: an xfrm interface
 * @before: filled with its counters as they were, or NULL
 * @after: filled with its counters as they are then, or NULL
 *
 * With bottom halves off from the first to the last, so that no packet of the
 * kernel's own (router solicitation, MLD) is counted in between.
 */
void xk_transmit(struct sk_buff *skb, struct net_device *dev,
		 struct xk_stats *before, struct xk_stats *after)
{
	skb->dev = dev;
	local_bh_disable();
	rcu_read_lock();
	if (before)
		xk_stats(dev, before);
	xac_start_xmit(skb, dev);
	if (after)
		xk_stats(dev, after);
	rcu_read_unlock();
	local_bh_enable();
}

/**
 * xk_settle - wait until everything that was handed on has arrived
 *
 * Softirqs and work are done, and what RCU frees is freed; that may leave
 * more to be freed, such as the route of a bundle.
 */
void xk_settle(void)
{
	flush_scheduled_work();
	local_bh_disable();
	local_bh_enable();
	synchronize_net();
	rcu_barrier();
	rcu_barrier();
}

/**
 * xk_arrived - datagrams that came through to UDP and found nobody there
 * @net: namespace
 */
unsigned long xk_arrived(struct net *net)
{
	return snmp_fold_field(net->mib.udp_statistics, UDP_MIB_NOPORTS) +
	       snmp_fold_field(net->mib.udp_stats_in6, UDP_MIB_NOPORTS);
}
