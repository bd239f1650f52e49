/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <net/ip.h>, <linux/ipv6.h>: since when a packet says that its route is one of
 * several.
 */
#ifndef _XAC_COMPAT_IP_H
#define _XAC_COMPAT_IP_H

#include <linux/ipv6.h>
#include <net/ip.h>

#ifdef IPSKB_MULTIPATH
#define XAC_IPSKB_MULTIPATH	IPSKB_MULTIPATH
#else
#define XAC_IPSKB_MULTIPATH	0
#endif

#ifdef IP6SKB_MULTIPATH
#define XAC_IP6SKB_MULTIPATH	IP6SKB_MULTIPATH
#else
#define XAC_IP6SKB_MULTIPATH	0
#endif

#endif /* _XAC_COMPAT_IP_H */
