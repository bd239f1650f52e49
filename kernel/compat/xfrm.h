/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <net/xfrm.h>: decoding a packet's flow got the network namespace as an
 * argument, flows got a type for the DSCP, SAs may belong to one CPU and have a
 * direction.
 */
#ifndef _XAC_COMPAT_XFRM_H
#define _XAC_COMPAT_XFRM_H

#include <net/xfrm.h>

#include "xfrm_accel_probes.h"

/**
 * xac_decode_session - fill a flow from a packet's headers
 * @net: namespace of the device the packet leaves through
 * @skb: the packet
 * @fl: the flow; must be zeroed by the caller
 * @family: AF_INET or AF_INET6, of the packet
 */
static inline void xac_decode_session(struct net *net, struct sk_buff *skb,
				      struct flowi *fl, unsigned int family)
{
#ifdef XAC_HAVE_DECODE_SESSION_NET
	xfrm_decode_session(net, skb, fl, family);
#else
	xfrm_decode_session(skb, fl, family);
#endif
}

/**
 * xac_flowi_dscp - the DSCP of a flow, as the upper bits of a TOS byte
 * @fl: the flow
 * @family: AF_INET or AF_INET6; for the latter the core ignores it
 */
static inline u8 xac_flowi_dscp(const struct flowi *fl, unsigned int family)
{
	if (family != AF_INET)
		return 0;
#ifdef XAC_HAVE_FLOWI4_DSCP
	return inet_dscp_to_dsfield(fl->u.ip4.flowi4_dscp);
#else
	return fl->u.ip4.flowi4_tos;
#endif
}

/**
 * xac_policy_acquires_per_cpu - does the policy want an SA for each CPU?
 * @policy: the policy
 */
static inline bool
xac_policy_acquires_per_cpu(const struct xfrm_policy *policy)
{
#ifdef XFRM_POLICY_CPU_ACQUIRE
	return policy->flags & XFRM_POLICY_CPU_ACQUIRE;
#else
	return false;
#endif
}

/**
 * xac_state_is_tunnel - does the SA wrap whole IP packets?
 * @x: the SA
 *
 * BEET does not: it leaves the inner IP header out.
 */
static inline bool xac_state_is_tunnel(const struct xfrm_state *x)
{
#ifdef XFRM_MODE_IPTFS
	if (x->props.mode == XFRM_MODE_IPTFS)
		return true;
#endif
	return x->props.mode == XFRM_MODE_TUNNEL;
}

/**
 * xac_input_state_lookup - the SA of a received ESP packet
 * @net: namespace of the device it came in by
 * @mark: of the packet
 * @daddr: destination of the outer header
 * @spi: of the ESP header
 * @family: of the outer header
 *
 * Context: softirq, RCU.
 * Return: the SA, referenced, or NULL.
 */
static inline struct xfrm_state *
xac_input_state_lookup(struct net *net, u32 mark, const void *daddr,
		       __be32 spi, unsigned short family)
{
#ifdef XAC_HAVE_INPUT_STATE_LOOKUP
	return xfrm_input_state_lookup(net, mark, daddr, spi, IPPROTO_ESP,
				       family);
#else
	return xfrm_state_lookup(net, mark, daddr, spi, IPPROTO_ESP, family);
#endif
}

/**
 * xac_state_receives - may packets come in under the SA?
 * @x: the SA
 */
static inline bool xac_state_receives(const struct xfrm_state *x)
{
#ifdef XAC_HAVE_STATE_DIR
	return !x->dir || x->dir == XFRM_SA_DIR_IN;
#else
	return true;
#endif
}

/**
 * xac_state_used - note when an SA was used, where the core does so
 * @x: the SA, locked
 */
static inline void xac_state_used(struct xfrm_state *x)
{
#ifdef XAC_HAVE_STATE_DIR
	x->lastused = ktime_get_real_seconds();
#endif
}

#endif /* _XAC_COMPAT_XFRM_H */
