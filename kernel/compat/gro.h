/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <net/gro.h>: where the network header is moved from the packet to the GRO
 * control block.
 */
#ifndef _XAC_COMPAT_GRO_H
#define _XAC_COMPAT_GRO_H

#include <net/gro.h>

#include "xfrm_accel_probes.h"

/**
 * xac_gro_network_offset - where the IP header of a packet in GRO begins
 * @skb: the packet
 *
 * Return: the offset from skb->data.
 */
static inline int xac_gro_network_offset(const struct sk_buff *skb)
{
#ifdef XAC_HAVE_GRO_NETWORK_OFFSET
	return skb_gro_receive_network_offset(skb);
#else
	return skb_network_offset(skb);
#endif
}

#endif /* _XAC_COMPAT_GRO_H */
