/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <linux/netdevice.h>: the lockless-transmit flag moved out of the feature
 * bits, the core learned to allocate and free per-CPU statistics, what
 * lockdep is told moved to <net/netdev_lock.h>, what is known of RPS to
 * <net/rps.h>, and tc has another field.
 */
#ifndef _XAC_COMPAT_NETDEVICE_H
#define _XAC_COMPAT_NETDEVICE_H

#include <linux/netdevice.h>

#include "xfrm_accel_probes.h"

#ifdef XAC_HAVE_NETDEV_LOCK_H
#include <net/netdev_lock.h>
#endif
#ifdef XAC_HAVE_RPS_H
#include <net/rps.h>
#endif

/**
 * xac_dev_set_lockless_tx - transmit on @dev takes no queue lock
 * @dev: a device that is being set up
 */
static inline void xac_dev_set_lockless_tx(struct net_device *dev)
{
#ifdef XAC_HAVE_DEV_LLTX
	dev->lltx = true;
#else
	dev->features |= NETIF_F_LLTX;
#endif
}

/**
 * xac_dev_stats_setup - ask the core for per-CPU packet and byte counters
 * @dev: a device that is being set up
 */
static inline void xac_dev_stats_setup(struct net_device *dev)
{
#ifdef XAC_HAVE_PCPU_STAT_TYPE
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
#endif
}

/**
 * xac_dev_stats_init - allocate those counters where the core does not
 * @dev: a device in its ndo_init
 *
 * Return: 0 or -ENOMEM.
 */
static inline int xac_dev_stats_init(struct net_device *dev)
{
#ifndef XAC_HAVE_PCPU_STAT_TYPE
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	if (!dev->tstats)
		return -ENOMEM;
#endif
	return 0;
}

/**
 * xac_dev_stats_free - free them where the core does not
 * @dev: a device in its priv_destructor
 */
static inline void xac_dev_stats_free(struct net_device *dev)
{
#ifndef XAC_HAVE_PCPU_STAT_TYPE
	free_percpu(dev->tstats);
	dev->tstats = NULL;
#endif
}

/**
 * xac_dev_has_ingress - do tc or nft look at what @dev receives?
 * @dev: the device
 */
static inline bool xac_dev_has_ingress(const struct net_device *dev)
{
#if defined(CONFIG_NET_XGRESS)
	if (rcu_access_pointer(dev->tcx_ingress))
		return true;
#elif defined(CONFIG_NET_CLS_ACT)
	if (rcu_access_pointer(dev->miniq_ingress))
		return true;
#endif
#ifdef CONFIG_NETFILTER_INGRESS
	if (rcu_access_pointer(dev->nf_hooks_ingress))
		return true;
#endif
	return false;
}

/**
 * xac_receiving_spreads - does any device have RPS?
 */
static inline bool xac_receiving_spreads(void)
{
#ifdef CONFIG_RPS
	return static_branch_unlikely(&rps_needed);
#else
	return false;
#endif
}

#endif /* _XAC_COMPAT_NETDEVICE_H */
