// SPDX-License-Identifier: GPL-2.0
/*
 * Routes and verdicts of packets that are forwarded from a tunnel or to it.
 * forward_cache.h begins with the rules.
 */
#include <linux/jhash.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
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
#include "iface/seen.h"

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
} __aligned(sizeof(u64));

/**
 * struct xac_forward - what is remembered of a flow
 * @key: the flow
 * @route: the route it takes; a reference
 * @stamp: generation and second of the last check: xac_stamp(). 32-bit machines may
 *	read half of one and half of the next: both are of checks that were passed
 * @cookie: of @route, for dst_check()
 * @sernum: IPv6: no route was added since, in no table: xac_forward_sernum()
 * @multipath: flag of the control block: @route is one of several
 * @rcu: for the end
 */
struct xac_forward {
	struct xac_forward_key key;
	struct dst_entry *route;
	u64 stamp;
	u32 cookie;
	u32 sernum;
	u16 multipath;
	struct rcu_head rcu;
};

/**
 * struct xac_forward_set - flows with the same hash; in one cache line
 * @ways: the flows
 * @tags: their hashes
 * @seen: see xac_seen(): a flow gets a place when it comes again
 */
struct xac_forward_set {
	struct xac_forward __rcu *ways[XAC_FORWARD_WAYS];
	u32 tags[XAC_FORWARD_WAYS];
	u32 seen[XAC_SEEN];
} ____cacheline_aligned;

/**
 * struct xac_forward_note - what a packet takes from one hook to the other
 * @ip: what IP keeps in the control block; the rest is nobody's until the packet
 *	has been forwarded
 * @generation: as it was before the packet's route and policies were looked up
 * @sernum: likewise, IPv6: xac_forward_sernum()
 * @flow: xac_forward_hash() there. What the core has decapsulated since, or taken
 *	  the SA from (a device with packet offload), is another one
 * @of: xac_forward_note_of(): without that, all this is something else. Where
 *	segmentation has its own note, which its segments inherit
 *
 * Not kept by CPU: packets wait for user space in between, and there may be
 * preempted.
 */
struct xac_forward_note {
	union {
		struct inet_skb_parm h4;
		struct inet6_skb_parm h6;
	} ip;
	u32 generation;
	u32 sernum;
	u32 flow;
	unsigned long of;
};

/* In @of: the packet has its route from the cache. */
#define XAC_NOTE_TOLD	1UL

static u64 xac_stamp(u32 generation)
{
	return (u64)generation << 32 | (u32)ktime_get_real_seconds();
}

static u32 xac_forward_generation(const struct xac_table *table)
{
	return atomic_read_acquire(&table->forward.generation);
}

/*
 * The cookie of an IPv6 route tells of changes in its own table only; this number
 * grows after any route or rule was added, in any table.
 */
static u32 xac_forward_sernum(const struct net *net, u8 family)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (family == AF_INET6)
		return atomic_read_acquire(&net->ipv6.fib6_sernum);
#endif
	return 0;
}

static struct xac_forward_note *xac_forward_note(const struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct xac_forward_note) >
		     sizeof_field(struct sk_buff, cb));

	return (struct xac_forward_note *)skb->cb;
}

static unsigned long xac_forward_note_of(const struct sk_buff *skb,
					 const struct xac_table *table)
{
	return (unsigned long)skb ^ (unsigned long)table;
}

static const struct nf_hook_entries *
xac_forward_hooks_of(const struct nf_hook_state *state)
{
	const struct netns_nf *nf = &state->net->nf;

	return state->pf == NFPROTO_IPV4 ?
	       rcu_dereference(nf->hooks_ipv4[state->hook]) :
	       rcu_dereference(nf->hooks_ipv6[state->hook]);
}

/*
 * Is no hook after this one? One of the same priority that was there before is.
 * What it does to mark or addresses, or how long it keeps the packet, nobody knows.
 */
static bool xac_is_last_hook(const struct nf_hook_state *state, nf_hookfn *hook)
{
	const struct nf_hook_entries *hooks = xac_forward_hooks_of(state);

	return hooks && hooks->hooks[hooks->num_hook_entries - 1].hook == hook;
}

/* And none before it? One of the same priority that came later is. */
static bool xac_is_first_hook(const struct nf_hook_state *state, nf_hookfn *hook)
{
	const struct nf_hook_entries *hooks = xac_forward_hooks_of(state);

	return hooks && hooks->hooks[0].hook == hook;
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

	/* Routes to groups are those of packets that are sent. */
	if (!xac_has_ports(ip6h->nexthdr) ||
	    ipv6_addr_is_multicast(&ip6h->daddr))
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

/*
 * No more than a place in a table of bounded size: folded addresses will do. SA and
 * device are in it, so that what was remembered of former ones is not compared.
 */
static u32 xac_forward_hash(const struct xac_forward_key *key)
{
	return jhash_3words(ipv6_addr_hash(&key->saddr) ^
			    (u32)(unsigned long)key->x,
			    ipv6_addr_hash(&key->daddr) ^
			    (u32)(unsigned long)key->in,
			    (__force u32)key->ports, key->kind ^ key->mark);
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
	/* Pairs with smp_store_release() in xac_forward_make_sets(). */
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

static bool xac_forward_good(const struct xac_forward *f,
			     const struct xac_forward_note *note)
{
	return READ_ONCE(f->stamp) == xac_stamp(note->generation) &&
	       f->sernum == note->sernum && dst_check(f->route, f->cookie);
}

/* The last hook before routing: spare the packet what is known. */
static unsigned int xac_forward_pre_routing(void *priv, struct sk_buff *skb,
					    const struct nf_hook_state *state)
{
	const struct xac_table *table = priv;
	const struct xac_forward_set *set;
	struct xac_forward_note *note;
	const struct xac_forward *f;
	struct xac_forward_key key;
	unsigned int way;
	u32 hash;

	if (!xac_forward_concerns(&table->forward, skb->dev) ||
	    READ_ONCE(table->closed))
		return NF_ACCEPT;

	note = xac_forward_note(skb);
	note->of = 0;
	if (!xac_forward_key(skb, state->pf, &key))
		return NF_ACCEPT;

	hash = xac_forward_hash(&key);
	note->generation = xac_forward_generation(table);
	note->sernum = xac_forward_sernum(state->net, state->pf);
	note->flow = hash;
	note->of = xac_forward_note_of(skb, table);
	if (skb_dst(skb) || !xac_is_last_hook(state, xac_forward_pre_routing))
		return NF_ACCEPT;

	set = xac_forward_set_of(&table->forward, hash);
	if (!set)
		return NF_ACCEPT;

	f = xac_forward_find(set, &key, hash, &way);
	if (f && xac_forward_good(f, note)) {
		xac_forward_tell(skb, f, state->pf);
		note->of |= XAC_NOTE_TOLD;
	}

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

static struct xac_forward *xac_forward_make(const struct xac_forward_key *key,
					    struct sk_buff *skb, u8 family,
					    u64 stamp, u32 cookie)
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
	f->cookie = cookie;
	f->sernum = xac_forward_note(skb)->sernum;
	if (family == AF_INET)
		f->multipath = IPCB(skb)->flags & XAC_IPSKB_MULTIPATH;
	else
		f->multipath = IP6CB(skb)->flags & XAC_IP6SKB_MULTIPATH;

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

/* The packet was let through by the policies of the generation in its note. */
static void xac_forward_learn(struct xac_table *table, struct sk_buff *skb,
			      u8 family)
{
	const struct xac_forward_note *note = xac_forward_note(skb);
	const u64 stamp = xac_stamp(note->generation);
	struct xac_forward_net *forward = &table->forward;
	struct dst_entry *route = skb_dst(skb);
	struct xac_forward_set *set;
	struct xac_forward_key key;
	struct xac_forward *f;
	unsigned int way;
	u32 hash, cookie;

	/*
	 * A security label of the SA decides as well. One that is deleted may make
	 * room for another at the same address, of which is told only when it
	 * already decrypts.
	 */
	if (!xac_forward_key(skb, family, &key) ||
	    (key.x && (key.x->security ||
		       READ_ONCE(key.x->km.state) != XFRM_STATE_VALID)))
		return;

	hash = xac_forward_hash(&key);
	if (hash != note->flow)
		return;
	set = xac_forward_set_of(forward, hash);
	if (!set) {
		schedule_delayed_work(&forward->make,
				      READ_ONCE(forward->no_memory) ? HZ : 0);
		return;
	}

	cookie = family == AF_INET ? 0 :
		 rt6_get_cookie((const struct rt6_info *)route);
	f = xac_forward_find(set, &key, hash, &way);
	if (f && f->route == route && f->cookie == cookie &&
	    f->sernum == note->sernum) {
		WRITE_ONCE(f->stamp, stamp);
		return;
	}

	if (!f) {
		if (!xac_seen(set->seen, hash))
			return;
		way = xac_forward_room(set, stamp);
		if (way == XAC_FORWARD_WAYS)
			return;
	}

	f = xac_forward_make(&key, skb, family, stamp, cookie);
	if (f)
		xac_forward_add(table, set, way, hash, f);
}

static bool xac_forward_may_learn(struct xac_dev *xd, struct xac_table *table,
				  struct sk_buff *skb, u8 family)
{
	unsigned long *feeders = table->forward.feeders;
	unsigned int bit = skb->dev->ifindex % XAC_FEEDERS;
	struct dst_entry *route = skb_dst(skb);

	if (READ_ONCE(table->closed) ||
	    !xac_is_forward_route(route, skb->dev, family))
		return false;

	if (skb->dev == xd->dev) {
		/* Decrypted: the policies are those of the interface. */
		if (xd->external || xd->table != table)
			return false;
		if (family == AF_INET)
			xac_cache_exempt(xd, route);
	} else if (!test_bit(bit, feeders)) {
		/* To be encrypted: there may be more where it came from. */
		set_bit(bit, feeders);
	}

	return xac_forward_note(skb)->of == xac_forward_note_of(skb, table);
}

/* The first hook for forwarded packets: all checks are behind them. */
static unsigned int xac_forward_forward(void *priv, struct sk_buff *skb,
					const struct nf_hook_state *state)
{
	struct xac_table *table = priv;
	const u8 family = state->pf;
	struct xac_dev *xd;

	if (xac_forward_note(skb)->of ==
	    (xac_forward_note_of(skb, table) | XAC_NOTE_TOLD))
		return NF_ACCEPT;

	if (xac_is_xac_dev(skb->dev))
		xd = netdev_priv(skb->dev);
	else if (xac_is_xac_dev(state->out))
		xd = netdev_priv(state->out);
	else
		return NF_ACCEPT;

	/*
	 * With this flag the policies were not asked: disable_policy. And who is
	 * not the first may not be in a softirq: a packet that a hook had given to
	 * user space comes back in the context of that.
	 */
	if ((family == AF_INET && IPCB(skb)->flags & IPSKB_NOPOLICY) ||
	    !xac_is_first_hook(state, xac_forward_forward))
		return NF_ACCEPT;

	xac_count_lookup(xd->counters, XAC_LOOKUP_FORWARD);
	if (xac_forward_may_learn(xd, table, skb, family))
		xac_forward_learn(table, skb, family);

	return NF_ACCEPT;
}

static void xac_forward_make_sets(struct work_struct *work)
{
	struct xac_forward_net *forward =
		container_of(work, struct xac_forward_net, make.work);
	struct xac_forward_set *sets;

	if (forward->sets)
		return;

	sets = kvcalloc(XAC_FORWARD_SETS, sizeof(*sets),
			GFP_KERNEL | __GFP_NOWARN);
	WRITE_ONCE(forward->no_memory, !sets);
	/* Who sees them sees them empty. */
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

	INIT_DELAYED_WORK(&forward->make, xac_forward_make_sets);
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
	cancel_delayed_work_sync(&table->forward.make);
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
	/* Pairs with smp_store_release() in xac_forward_make_sets(). */
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
