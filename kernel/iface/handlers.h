/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_IFACE_HANDLERS_H
#define _XAC_IFACE_HANDLERS_H

#include <linux/kconfig.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>

/* The packet that xac_input() has given to the core on this CPU. */
DECLARE_PER_CPU(const struct sk_buff *, xac_handled);

/**
 * xac_in_own_handler - is xac_input() of this very packet on the stack?
 * @skb: the packet
 *
 * Context: bottom halves off.
 */
static inline bool xac_in_own_handler(const struct sk_buff *skb)
{
	return this_cpu_read(xac_handled) == skb;
}

/* handlers.c */
int xac_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type,
	      unsigned short family);

/* tunnels4.c, tunnels6.c: only where the kernel has such SAs */
#if IS_REACHABLE(CONFIG_INET_XFRM_TUNNEL)
int xac_tunnels4_register(void);
void xac_tunnels4_unregister(void);
#else
static inline int xac_tunnels4_register(void)
{
	return 0;
}

static inline void xac_tunnels4_unregister(void)
{
}
#endif

#if IS_REACHABLE(CONFIG_INET6_XFRM_TUNNEL)
int xac_tunnels6_register(void);
void xac_tunnels6_unregister(void);
#else
static inline int xac_tunnels6_register(void)
{
	return 0;
}

static inline void xac_tunnels6_unregister(void)
{
}
#endif

#endif /* _XAC_IFACE_HANDLERS_H */
