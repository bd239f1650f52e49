/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <net/gro.h>: where the network header is moved from the packet to the GRO
 * control block; whether IPv6 calls UDP by its name; and whether UDP calls ESP.
 */
#ifndef _XAC_COMPAT_GRO_H
#define _XAC_COMPAT_GRO_H

#include <linux/udp.h>
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

/**
 * xac_gro_set_network_offset - the same, for what is behind it to know
 * @skb: the packet
 * @offset: the offset from skb->data
 */
static inline void xac_gro_set_network_offset(struct sk_buff *skb, int offset)
{
#ifdef XAC_HAVE_GRO_NETWORK_OFFSET
	NAPI_GRO_CB(skb)->network_offsets[NAPI_GRO_CB(skb)->encap_mark] =
		offset;
#else
	skb_set_network_header(skb, offset);
#endif
}

/**
 * xac_gro_ip_header - the IP header of a packet in GRO
 * @skb: the packet
 * @header: what is at its GRO offset, contiguous with all before it
 *
 * The kernel's skb_gro_network_header() may still go by memory that the packet
 * has left when that had to be made contiguous.
 */
static inline const void *xac_gro_ip_header(const struct sk_buff *skb,
					    const void *header)
{
	return header - (skb_gro_offset(skb) - xac_gro_network_offset(skb));
}

/**
 * xac_gro_encap_type - what a packet that ESP's callback gets is in
 * @skb: the packet
 *
 * Older kernels do not call it for ESP in UDP, nor say what they call it for.
 *
 * Return: UDP_ENCAP_ESPINUDP, or 0.
 */
static inline int xac_gro_encap_type(const struct sk_buff *skb)
{
#ifdef XAC_HAVE_UDP_GRO_ESP
	if (NAPI_GRO_CB(skb)->proto == IPPROTO_UDP)
		return UDP_ENCAP_ESPINUDP;
#endif
	return 0;
}

/* Does GRO of IPv6 pass by inet6_offloads[IPPROTO_UDP]? */
#ifdef XAC_HAVE_UDP6_GRO_BY_NAME
#define XAC_UDP6_GRO_BY_NAME	true
#else
#define XAC_UDP6_GRO_BY_NAME	false
#endif

#endif /* _XAC_COMPAT_GRO_H */
