/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <net/xfrm.h>: decoding a packet's flow got the network namespace as an
 * argument.
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

#endif /* _XAC_COMPAT_XFRM_H */
