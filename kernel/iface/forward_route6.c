// SPDX-License-Identifier: GPL-2.0
/*
 * IPv6 routes of the forward cache's own.
 */
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>

#include "compat/dst.h"
#include "iface/forward_cache.h"

/**
 * xac_forward_route6 - a copy of a route, for packets that all policies let pass
 * @route: what the core gives to packets that are forwarded, an IPv6 route
 *
 * That the policies need not be asked IPv6 can note in the route only, and the
 * core's is for other packets as well. The copy has the same path: not one with
 * a path MTU or gateway of its own, which may change. It is good as long as @route
 * is, and must be let go when the device is unregistered, see dst_dev_put().
 *
 * Context: RCU.
 * Return: the copy, with a reference, or NULL.
 */
struct dst_entry *xac_forward_route6(const struct dst_entry *route)
{
	const struct rt6_info *rt = (const struct rt6_info *)route;
	struct net_device *dev = xac_dst_dev(route);
	struct fib6_info *from;
	struct rt6_info *own;

	if (rt->rt6i_flags & RTF_CACHE || !rt->rt6i_idev)
		return NULL;

	own = ip6_dst_alloc(dev_net(dev), dev,
			    DST_NOPOLICY | DST_NOXFRM | DST_NOCOUNT);
	if (!own)
		return NULL;
	from = rcu_dereference(rt->from);
	if (!from || !fib6_info_hold_safe(from)) {
		dst_release(&own->dst);
		return NULL;
	}

	rcu_assign_pointer(own->from, from);
	ip_dst_init_metrics(&own->dst, from->fib6_metrics);
	own->dst.input = route->input;
	own->dst.output = route->output;
	own->rt6i_dst = rt->rt6i_dst;
	own->rt6i_src = rt->rt6i_src;
	own->rt6i_gateway = rt->rt6i_gateway;
	own->rt6i_flags = rt->rt6i_flags & ~RTF_PCPU;
	own->rt6i_idev = rt->rt6i_idev;
	in6_dev_hold(own->rt6i_idev);

	return &own->dst;
}
