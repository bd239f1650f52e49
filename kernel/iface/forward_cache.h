/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_IFACE_FORWARD_CACHE_H
#define _XAC_IFACE_FORWARD_CACHE_H

#include <linux/atomic.h>
#include <linux/netfilter.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct net_device;
struct xac_forward_set;
struct xac_table;

/* Devices that bring packets for a tunnel are known by so many bits. */
#define XAC_FEEDERS	256

/**
 * DOC: The forward cache
 *
 * A packet on its way from a tunnel to another host, or from another host to a
 * tunnel, costs the core a route, a policy that lets it in
 * (__xfrm_policy_check()) and the question whether a policy wants it encrypted
 * on its way out (__xfrm_route_forward()): up to a sixth of what a small packet
 * costs. The cache remembers, for a flow and the SA that it came by, if any,
 * which route it took and that the policies let it pass, so that the next
 * packet need not ask.
 *
 * It learns and tells in netfilter hooks: learns as the first of the hooks for
 * forwarded packets, which sees those that have passed all the checks, with
 * the route that was found; tells as the last of the hooks before routing,
 * when other hooks have done what they will to mark and addresses. So nothing
 * that the core does is done again here, and all hooks, taps and traffic
 * control see every packet.
 *
 * The route is given to the packet, as early demultiplexing does for local
 * sockets. That its policy was checked is said, for IPv4, by the flag which a
 * device with disable_policy has the core set (IPSKB_NOPOLICY); that the route
 * needs no output policy by the mark that bundle_cache.h tells of. IPv6 has
 * such a flag in the route only, which other packets share: there the policies
 * are asked for each packet, and only the route is remembered. A copy of the route
 * for the flow alone would not do: what looks policies up later goes by its flags
 * (a VTI, the second look after SNAT), bundles are found by the route, and others
 * may hold it longer than the cache does.
 *
 * What is remembered is good while dst_check() agrees, no policy or SA of the
 * namespace has changed, by a generation as in bundle_cache.h, and the clock
 * shows the second in which it was checked. So the core stamps the policies of
 * flows that are in use as exactly as it can (struct xfrm_lifetime_cur counts
 * in seconds), and whatever no generation tells of is overlooked for a second at
 * most. Each packet carries the generation from before its checks to the hook that
 * learns, in its control block; nothing is learnt from one that was told.
 *
 * Only for TCP and UDP without IP options or fragments, by no more than one SA,
 * of the same namespace, not translated by NAT (the core checks the policy for
 * the addresses that the packet had before). Of packets that neither come from
 * an xfrm interface nor go to one nothing is remembered; and only devices that
 * have brought one for an xfrm interface have theirs looked for (@feeders).
 *
 * One table for each namespace, shared by all CPUs: sets of four, made when
 * there is a first flow to remember. An entry is found under RCU, is replaced by
 * xchg(), and holds nothing but its route.
 */

/**
 * struct xac_forward_net - the forward cache of a namespace
 * @sets: the entries, or NULL: none as yet
 * @feeders: by ifindex modulo XAC_FEEDERS: this device has brought packets for an
 *	     xfrm interface
 * @make: makes @sets
 * @no_memory: it could not, and is to wait before it tries again
 * @used: how many entries there are
 * @generation: grows with each change of a policy or an SA
 * @users: interfaces that receive here; under RTNL
 * @hooked: @hooks are registered; under RTNL
 * @hooks: of this namespace
 */
struct xac_forward_net {
	struct xac_forward_set *sets;
	DECLARE_BITMAP(feeders, XAC_FEEDERS);
	struct delayed_work make;
	bool no_memory;
	atomic_t used;
	atomic_t generation;
	unsigned int users;
	bool hooked;
	struct nf_hook_ops hooks[4];
};

#ifdef CONFIG_NETFILTER
void xac_forward_init(struct xac_table *table);
void xac_forward_exit(struct xac_table *table);
void xac_forward_forget(struct xac_table *table);
void xac_forward_empty(struct xac_table *table);
void xac_forward_dev_added(struct net_device *dev);
void xac_forward_dev_gone(struct net_device *dev);
#else
static inline void xac_forward_init(struct xac_table *table)
{
}

static inline void xac_forward_exit(struct xac_table *table)
{
}

static inline void xac_forward_forget(struct xac_table *table)
{
}

static inline void xac_forward_empty(struct xac_table *table)
{
}

static inline void xac_forward_dev_added(struct net_device *dev)
{
}

static inline void xac_forward_dev_gone(struct net_device *dev)
{
}
#endif

#endif /* _XAC_IFACE_FORWARD_CACHE_H */
