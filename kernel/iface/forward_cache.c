// SPDX-License-Identifier: GPL-2.0
/*
 * Routes and verdicts of packets that are forwarded from a tunnel or to it.
 * forward_cache.h begins with the rules.
 */
#include <linux/jhash.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/percpu.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>
#include <net/xfrm.h>

#include "compat/dst.h"
#include "compat/ip.h"
#include "iface/forward_cache.h"
#include "iface/iface.h"

/* Flows of a namespace: so many sets of so many. */
#define XAC_FORWARD_SETS	4096
#define XAC_FORWARD_WAYS	4

/**
 * struct xac_forward_key - a flow, as routes and policies tell it from others
 * @saddr: source address; IPv4 in the first word
 * @daddr: destination address
 * @x: the SA that decrypted it, or NULL; only compared
 * @in: the interface it came in by; only compared
 * @ports: source and destination port
 * @mark: skb->mark
 * @flow: IPv6: traffic class and flow label; IPv4: DSCP
 * @kind: address family and protocol
 */
struct xac_forward_key {
	struct in6_addr saddr;
	struct in6_addr daddr;
	const struct xfrm_state *x;
	const struct net_device *in;
	__be32 ports;
	u32 mark;
	__be32 flow;
	u32 kind;
};

/**
 * struct xac_forward - what is remembered of a flow
 * @key: the flow
 * @route: the route it takes; a reference
 * @stamp: generation and second of the last check: xac_stamp()
 * @cookie: of @route, for dst_check()
 * @multipath: flag of the control block: @route is one of several
 * @rcu: for the end
 */
struct xac_forward {
	struct xac_forward_key key;
	struct dst_entry *route;
	u64 stamp;
	u32 cookie;
	u16 multipath;
	struct rcu_head rcu;
};

/**
 * struct xac_forward_set - flows with the same hash; in one cache line
 * @ways: the flows
 * @tags: their hashes
 * @seen: hash of the last flow that had no place: it gets one when it comes
 *	  again
 */
struct xac_forward_set {
	struct xac_forward __rcu *ways[XAC_FORWARD_WAYS];
	u32 tags[XAC_FORWARD_WAYS];
	u32 seen;
} ____cacheline_aligned;

/**
 * struct xac_forward_begin - when the packets of a CPU began to be looked at
 * @table: in which namespace
 * @generation: its generation then
 *
 * The core checks a packet's policies after it has passed the hook before
 * routing, and before any other passes that on this CPU, except packets of the
 * same list, which pass it earlier. So @generation is never younger than the
 * check of a packet that is learnt from.
 */
struct xac_forward_begin {
	const struct xac_table *table;
	u32 generation;
};

static DEFINE_PER_CPU(struct xac_forward_begin, xac_forward_begin);

static u64 xac_stamp(u32 generation)
{
	return (u64)generation << 32 | (u32)ktime_get_real_seconds();
}

static u32 xac_forward_generation(const struct xac_table *table)
{
	return atomic_read_acquire(&table->forward.generation);
}

/* Was the packet's address changed, or will it be? */
static bool xac_is_translated(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(skb, &info);

	return ct && ct->status & IPS_NAT_MASK;
#else
	return false;
#endif
}

static bool xac_has_ports(u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static bool xac_forward_ports(const struct sk_buff *skb, unsigned int thoff,
			      struct xac_forward_key *key)
{
	const __be32 *ports;
	__be32 buffer;

	ports = skb_header_pointer(skb, thoff, sizeof(buffer), &buffer);
	if (!ports)
		return false;
	key->ports = *ports;

	return true;
}

static bool xac_forward_key4(const struct sk_buff *skb,
			     struct xac_forward_key *key)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (iph->ihl != sizeof(*iph) / 4 || ip_is_fragment(iph) ||
	    !xac_has_ports(iph->protocol))
		return false;

	key->saddr = (struct in6_addr) { .s6_addr32 = { iph->saddr } };
	key->daddr = (struct in6_addr) { .s6_addr32 = { iph->daddr } };
	key->flow = (__force __be32)(u32)(iph->tos & ~INET_ECN_MASK);
	key->kind = AF_INET << 8 | iph->protocol;

	return xac_forward_ports(skb, skb_network_offset(skb) + sizeof(*iph),
				 key);
}

static bool xac_forward_key6(const struct sk_buff *skb,
			     struct xac_forward_key *key)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);

	if (!xac_has_ports(ip6h->nexthdr))
		return false;

	key->saddr = ip6h->saddr;
	key->daddr = ip6h->daddr;
	key->flow = ip6_flowinfo(ip6h);
	key->kind = AF_INET6 << 8 | ip6h->nexthdr;

	return xac_forward_ports(skb, skb_network_offset(skb) + sizeof(*ip6h),
				 key);
}

/* A frame that is bridged, and shown to netfilter's IP hooks by br_netfilter. */
static bool xac_is_bridged(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	return skb_ext_exist(skb, SKB_EXT_BRIDGE_NF);
#else
	return false;
#endif
}

/*
 * Which flow is the packet of?
 *
 * Return: false if it is none to be remembered.
 */
static bool xac_forward_key(const struct sk_buff *skb, u8 family,
			    struct xac_forward_key *key)
{
	const struct sec_path *sp = skb_sec_path(skb);

	if (skb->sk || xac_is_translated(skb) || xac_is_bridged(skb) ||
	    netif_is_l3_slave(skb->dev) || netif_is_l3_master(skb->dev))
		return false;

	if (sp) {
		if (sp->len != 1)
			return false;
		key->x = sp->xvec[0];
	} else {
		/* From a namespace that has the SAs: checked there, unseen here. */
		if (xac_is_xac_dev(skb->dev))
			return false;
		key->x = NULL;
	}

	key->in = skb->dev;
	key->mark = skb->mark;

	return family == AF_INET ? xac_forward_key4(skb, key) :
				   xac_forward_key6(skb, key);
}

static u32 xac_forward_hash(const struct xac_forward_key *key)
{
	if (key->kind >> 8 == AF_INET)
		return jhash_3words((__force u32)key->saddr.s6_addr32[0],
				    (__force u32)key->daddr.s6_addr32[0],
				    (__force u32)key->ports,
				    key->kind ^ key->mark);

	return jhash2((const u32 *)key, 2 * sizeof(key->saddr) / sizeof(u32),
		      (__force u32)key->ports ^ key->kind);
}

/* Word by word: shorter than a call. */
static bool xac_forward_same(const struct xac_forward_key *a,
			     const struct xac_forward_key *b)
{
	const u64 *l = (const u64 *)a, *r = (const u64 *)b;
	u64 differs = 0;
	int i;

	BUILD_BUG_ON(sizeof(*a) % sizeof(*l));

	for (i = 0; i < sizeof(*a) / sizeof(*l); i++)
		differs |= l[i] ^ r[i];

	return !differs;
}

static struct xac_forward_set *
xac_forward_set_of(const struct xac_forward_net *forward, u32 hash)
{
	/* Pairs with xac_forward_make_sets(): they are empty, not garbage. */
	struct xac_forward_set *sets = smp_load_acquire(&forward->sets);

	return sets ? &sets[hash % XAC_FORWARD_SETS] : NULL;
}

/* Under RCU. *@way says where the flow is; it may have left that place since. */
static struct xac_forward *xac_forward_find(const struct xac_forward_set *set,
					    const struct xac_forward_key *key,
					    u32 hash, unsigned int *way)
{
	struct xac_forward *f;
	unsigned int i;

	for (i = 0; i < XAC_FORWARD_WAYS; i++) {
		if (READ_ONCE(set->tags[i]) != hash)
			continue;

		f = rcu_dereference(set->ways[i]);
		if (f && xac_forward_same(&f->key, key)) {
			*way = i;
			return f;
		}
	}

	return NULL;
}

/* Who has taken an entry out of its place ends it with this. */
static void xac_forward_end(struct xac_forward_net *forward,
			    struct xac_forward *f)
{
	dst_release(f->route);
	kfree_rcu(f, rcu);
	atomic_dec(&forward->used);
}

static void xac_forward_put(struct xac_forward_net *forward,
			    struct xac_forward __rcu **way,
			    struct xac_forward *f)
{
	struct xac_forward *old;

	old = unrcu_pointer(xchg(way, RCU_INITIALIZER(f)));
	if (old)
		xac_forward_end(forward, old);
}

static void xac_forward_tell(struct sk_buff *skb, const struct xac_forward *f,
			     u8 family)
{
	skb_dst_set_noref(skb, f->route);

	if (family == AF_INET)
		IPCB(skb)->flags |= IPSKB_NOPOLICY | f->multipath;
	else
		IP6CB(skb)->flags |= f->multipath;
}

/* May packets that come in by this device be of flows that are remembered? */
static bool xac_forward_concerns(const struct xac_forward_net *forward,
				 const struct net_device *dev)
{
	return xac_is_xac_dev(dev) ||
	       test_bit(dev->ifindex % XAC_FEEDERS, forward->feeders);
}

/* The last hook before routing: spare the packet what is known. */
static unsigned int xac_forward_pre_routing(void *priv, struct sk_buff *skb,
					    const struct nf_hook_state *state)
{
	const struct xac_table *table = priv;
	const struct xac_forward_set *set;
	struct xac_forward_begin *begin;
	const struct xac_forward *f;
	struct xac_forward_key key;
	unsigned int way;
	u32 hash;

	if (!xac_forward_concerns(&table->forward, skb->dev) ||
	    READ_ONCE(table->closed))
		return NF_ACCEPT;

	begin = this_cpu_ptr(&xac_forward_begin);
	begin->table = table;
	begin->generation = xac_forward_generation(table);

	if (skb_dst(skb) || !xac_forward_key(skb, state->pf, &key))
		return NF_ACCEPT;

	hash = xac_forward_hash(&key);
	set = xac_forward_set_of(&table->forward, hash);
	if (!set)
		return NF_ACCEPT;

	f = xac_forward_find(set, &key, hash, &way);
	if (f && READ_ONCE(f->stamp) == xac_stamp(begin->generation) &&
	    dst_check(f->route, f->cookie))
		xac_forward_tell(skb, f, state->pf);

	return NF_ACCEPT;
}

/* Is this what the core gives to packets that are simply forwarded? */
static bool xac_is_forward_route(struct dst_entry *route,
				 const struct net_device *in, u8 family)
{
	const struct rtable *rt = (const struct rtable *)route;
	const struct rt6_info *rt6 = (const struct rt6_info *)route;

	if (route->xfrm || route->lwtstate || route->error ||
	    route->ops->family != family)
		return false;

	/* The core may have to tell the sender of a better way. */
	if (xac_dst_dev(route) == in)
		return false;

	if (family == AF_INET)
		return rt->rt_is_input && rt->rt_type == RTN_UNICAST;

	return !(rt6->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST | RTF_REJECT)) &&
	       !(route->flags & DST_NOPOLICY);
}

/* What dst_check() is to be asked with. */
static u32 xac_forward_cookie(const struct dst_entry *route, u8 family)
{
	return family == AF_INET6 ?
	       rt6_get_cookie((const struct rt6_info *)route) : 0;
}

static struct xac_forward *xac_forward_make(const struct xac_forward_key *key,
					    struct sk_buff *skb, u8 family,
					    u64 stamp)
{
	struct dst_entry *route = skb_dst(skb);
	struct xac_forward *f;

	f = kmalloc(sizeof(*f), GFP_ATOMIC | __GFP_NOWARN);
	if (!f)
		return NULL;

	if (!dst_hold_safe(route)) {
		kfree(f);
		return NULL;
	}

	f->key = *key;
	f->route = route;
	f->stamp = stamp;
	f->cookie = xac_forward_cookie(route, family);
	f->multipath = family == AF_INET ?
		       IPCB(skb)->flags & XAC_IPSKB_MULTIPATH :
		       IP6CB(skb)->flags & XAC_IP6SKB_MULTIPATH;

	return f;
}

/* Where a new flow may go: a free place, or one of a flow at rest. */
static unsigned int xac_forward_room(const struct xac_forward_set *set, u64 stamp)
{
	unsigned int i;

	for (i = 0; i < XAC_FORWARD_WAYS; i++) {
		const struct xac_forward *f = rcu_dereference(set->ways[i]);

		if (!f)
			break;
		/* Of another generation, or not checked in this second or the last. */
		if (stamp - READ_ONCE(f->stamp) > 1)
			break;
	}

	return i;
}

static void xac_forward_add(struct xac_table *table, struct xac_forward_set *set,
			    unsigned int way, u32 hash, struct xac_forward *f)
{
	struct xac_forward_net *forward = &table->forward;

	atomic_inc(&forward->used);
	WRITE_ONCE(set->tags[way], hash);
	xac_forward_put(forward, &set->ways[way], f);

	/*
	 * Orders after xchg(): whoever empties the table from now on finds the
	 * entry, who did so before has let the generation grow.
	 */
	if (xac_forward_generation(table) != f->stamp >> 32)
		xac_forward_put(forward, &set->ways[way], NULL);
}

/*
 * The packet was let through by the policies of this generation.
 *
 * Return: false if that was not known. If it was, a packet of IPv6 was told its
 * route; one of IPv4 would not be here.
 */
static bool xac_forward_learn(struct xac_table *table, struct sk_buff *skb,
			      u8 family, u32 generation)
{
	struct xac_forward_net *forward = &table->forward;
	const struct dst_entry *route = skb_dst(skb);
	const u64 stamp = xac_stamp(generation);
	struct xac_forward_set *set;
	struct xac_forward_key key;
	struct xac_forward *f;
	unsigned int way;
	u32 hash;

	/* A security label of the SA decides as well. */
	if (!xac_forward_key(skb, family, &key) || (key.x && key.x->security))
		return false;

	hash = xac_forward_hash(&key);
	set = xac_forward_set_of(forward, hash);
	if (!set) {
		schedule_work(&forward->make);
		return false;
	}

	f = xac_forward_find(set, &key, hash, &way);
	if (f && f->route == route &&
	    f->cookie == xac_forward_cookie(route, family)) {
		if (READ_ONCE(f->stamp) == stamp)
			return true;
		WRITE_ONCE(f->stamp, stamp);
		return false;
	}

	if (!f) {
		/* A flow of one packet is not worth a place. */
		if (READ_ONCE(set->seen) != hash) {
			WRITE_ONCE(set->seen, hash);
			return false;
		}
		way = xac_forward_room(set, stamp);
		if (way == XAC_FORWARD_WAYS)
			return false;
	}

	f = xac_forward_make(&key, skb, family, stamp);
	if (f)
		xac_forward_add(table, set, way, hash, f);

	return false;
}

/*
 * A packet that was decrypted. Its policies are those of the interface, which
 * have its if_id.
 */
static bool xac_forward_from_tunnel(struct xac_dev *xd,
				    const struct xac_table *table,
				    struct dst_entry *route, u8 family)
{
	if (xd->external || xd->table != table)
		return false;

	if (family == AF_INET)
		xac_cache_exempt(xd, route);

	return true;
}

/* A packet that will be encrypted, from a device that may bring more of them. */
static bool xac_forward_to_tunnel(struct xac_forward_net *forward,
				  const struct net_device *in)
{
	unsigned int bit = in->ifindex % XAC_FEEDERS;

	if (!test_bit(bit, forward->feeders))
		set_bit(bit, forward->feeders);

	return true;
}

/* The first hook for forwarded packets: all checks are behind them. */
static unsigned int xac_forward_forward(void *priv, struct sk_buff *skb,
					const struct nf_hook_state *state)
{
	const struct xac_forward_begin *begin = this_cpu_ptr(&xac_forward_begin);
	struct dst_entry *route = skb_dst(skb);
	struct xac_table *table = priv;
	const u8 family = state->pf;
	struct xac_dev *xd;
	bool may;

	/*
	 * With this flag the policies were not asked, be it because of us or
	 * because of disable_policy.
	 */
	if ((family == AF_INET && IPCB(skb)->flags & IPSKB_NOPOLICY) ||
	    READ_ONCE(table->closed))
		return NF_ACCEPT;

	if (xac_is_xac_dev(skb->dev)) {
		xd = netdev_priv(skb->dev);
		may = xac_is_forward_route(route, skb->dev, family) &&
		      xac_forward_from_tunnel(xd, table, route, family);
	} else if (xac_is_xac_dev(state->out)) {
		xd = netdev_priv(state->out);
		may = xac_is_forward_route(route, skb->dev, family) &&
		      xac_forward_to_tunnel(&table->forward, skb->dev);
	} else {
		return NF_ACCEPT;
	}

	if (may && begin->table == table &&
	    xac_forward_learn(table, skb, family, begin->generation) &&
	    family == AF_INET6)
		return NF_ACCEPT;

	xac_count_lookup(xd->counters, XAC_LOOKUP_FORWARD);

	return NF_ACCEPT;
}

static void xac_forward_make_sets(struct work_struct *work)
{
	struct xac_forward_net *forward =
		container_of(work, struct xac_forward_net, make);
	struct xac_forward_set *sets;

	if (forward->sets)
		return;

	sets = kvcalloc(XAC_FORWARD_SETS, sizeof(*sets),
			GFP_KERNEL | __GFP_NOWARN);
	/* Pairs with xac_forward_set_of(). */
	smp_store_release(&forward->sets, sets);
}

static const struct nf_hook_ops xac_forward_hooks[] = {
	{
		.hook		= xac_forward_pre_routing,
		.pf		= NFPROTO_IPV4,
		.hooknum	= NF_INET_PRE_ROUTING,
		.priority	= INT_MAX,
	}, {
		.hook		= xac_forward_pre_routing,
		.pf		= NFPROTO_IPV6,
		.hooknum	= NF_INET_PRE_ROUTING,
		.priority	= INT_MAX,
	}, {
		.hook		= xac_forward_forward,
		.pf		= NFPROTO_IPV4,
		.hooknum	= NF_INET_FORWARD,
		.priority	= INT_MIN,
	}, {
		.hook		= xac_forward_forward,
		.pf		= NFPROTO_IPV6,
		.hooknum	= NF_INET_FORWARD,
		.priority	= INT_MIN,
	},
};

/**
 * xac_forward_init - a namespace gets its cache, empty and not in use
 * @table: the namespace's
 */
void xac_forward_init(struct xac_table *table)
{
	struct xac_forward_net *forward = &table->forward;
	int i;

	INIT_WORK(&forward->make, xac_forward_make_sets);
	atomic_set(&forward->used, 0);
	atomic_set(&forward->generation, 0);
	bitmap_zero(forward->feeders, XAC_FEEDERS);

	BUILD_BUG_ON(ARRAY_SIZE(forward->hooks) != ARRAY_SIZE(xac_forward_hooks));
	for (i = 0; i < ARRAY_SIZE(xac_forward_hooks); i++) {
		forward->hooks[i] = xac_forward_hooks[i];
		forward->hooks[i].priv = table;
	}
}

/**
 * xac_forward_exit - free it
 * @table: was closed, and a grace period has passed since
 *
 * Context: process context, may sleep.
 */
void xac_forward_exit(struct xac_table *table)
{
	cancel_work_sync(&table->forward.make);
	xac_forward_empty(table);
	kvfree(table->forward.sets);
	table->forward.sets = NULL;
}

/**
 * xac_forward_forget - nothing that is remembered here is good any more
 * @table: the namespace's
 *
 * To be called after the change. Entries keep their routes; see
 * xac_forward_empty().
 *
 * Context: any.
 */
void xac_forward_forget(struct xac_table *table)
{
	atomic_inc_return(&table->forward.generation);
}

/**
 * xac_forward_empty - let go of all routes as well
 * @table: the namespace's
 *
 * Context: any; takes the RCU lock.
 */
void xac_forward_empty(struct xac_table *table)
{
	struct xac_forward_net *forward = &table->forward;
	struct xac_forward_set *sets;
	unsigned int i, way;

	bitmap_zero(forward->feeders, XAC_FEEDERS);
	/* Orders before the look at what there is. */
	xac_forward_forget(table);
	if (!atomic_read(&forward->used))
		return;

	rcu_read_lock();
	/* Pairs with xac_forward_make_sets(). */
	sets = smp_load_acquire(&forward->sets);
	for (i = 0; sets && i < XAC_FORWARD_SETS; i++)
		for (way = 0; way < XAC_FORWARD_WAYS; way++)
			if (rcu_access_pointer(sets[i].ways[way]))
				xac_forward_put(forward, &sets[i].ways[way],
						NULL);
	rcu_read_unlock();
}

/**
 * xac_forward_dev_added - an interface has come to a namespace
 * @dev: the interface
 *
 * Where there is one the hooks are. Without them packets are forwarded as ever.
 *
 * Context: RTNL; may sleep.
 */
void xac_forward_dev_added(struct net_device *dev)
{
	struct xac_forward_net *forward = &xac_net_table(dev_net(dev))->forward;
	struct xac_dev *xd = netdev_priv(dev);

	if (xd->forward_user)
		return;
	xd->forward_user = true;

	if (forward->users++)
		return;

	forward->hooked = !nf_register_net_hooks(dev_net(dev), forward->hooks,
						 ARRAY_SIZE(forward->hooks));
	if (!forward->hooked)
		netdev_warn(dev, "forwards without cache: no hooks\n");
}

/**
 * xac_forward_dev_gone - and has gone from it
 * @dev: the interface; still has that namespace
 *
 * Context: RTNL; may sleep. May be called again for the same interface.
 */
void xac_forward_dev_gone(struct net_device *dev)
{
	struct xac_forward_net *forward = &xac_net_table(dev_net(dev))->forward;
	struct xac_dev *xd = netdev_priv(dev);

	if (!xd->forward_user)
		return;
	xd->forward_user = false;

	if (--forward->users || !forward->hooked)
		return;

	nf_unregister_net_hooks(dev_net(dev), forward->hooks,
				ARRAY_SIZE(forward->hooks));
	forward->hooked = false;
}
