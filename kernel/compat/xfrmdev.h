/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <linux/netdevice.h>: the functions of struct xfrmdev_ops got an extack, and
 * later the device: that of a bond's slave is not the one that the SA names.
 * Before, xso.real_dev named it, but not always in time.
 */
#ifndef _XAC_COMPAT_XFRMDEV_H
#define _XAC_COMPAT_XFRMDEV_H

#include <linux/netdevice.h>
#include <net/bonding.h>
#include <net/xfrm.h>

#include "nic/nic.h"
#include "xfrm_accel_probes.h"

/* The file that includes this one says what these mean. */
static int xac_sa_add(struct net_device *dev, struct xfrm_state *x,
		      struct netlink_ext_ack *extack);
static void xac_sa_delete(struct xfrm_state *x);

#if defined(XAC_HAVE_STATE_ADD_DEV)

static int xac_xdo_state_add(struct net_device *dev, struct xfrm_state *x,
			     struct netlink_ext_ack *extack)
{
	return xac_sa_add(dev, x, extack);
}

static void xac_xdo_state_delete(struct net_device *dev, struct xfrm_state *x)
{
	xac_sa_delete(x);
}

#else

static void xac_xdo_state_delete(struct xfrm_state *x)
{
	xac_sa_delete(x);
}

#ifdef XAC_HAVE_STATE_ADD_EXTACK

/* Bonds of these kernels add to the active slave, and name it afterwards. */
static struct net_device *xac_xdo_dev(const struct xfrm_state *x)
{
	const struct bonding *bond = netdev_priv(x->xso.dev);
	const struct slave *slave;

	/* What an acquire reserves has but the device that it names. */
	if (!netif_is_bond_master(x->xso.dev))
		return x->xso.real_dev ?: x->xso.dev;
	slave = rcu_dereference(bond->curr_active_slave);

	return slave ? slave->dev : NULL;
}

static int xac_xdo_state_add(struct xfrm_state *x,
			     struct netlink_ext_ack *extack)
{
	struct net_device *dev;
	int err = -ENODEV;

	rcu_read_lock();
	dev = xac_xdo_dev(x);
	/* By now it may be another one, which is not ours. */
	if (dev && xac_is_nic(dev))
		err = xac_sa_add(dev, x, extack);
	rcu_read_unlock();

	return err;
}

#else

static int xac_xdo_state_add(struct xfrm_state *x)
{
	return xac_sa_add(x->xso.real_dev, x, NULL);
}

#endif
#endif

#endif /* _XAC_COMPAT_XFRMDEV_H */
