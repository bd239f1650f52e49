/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <linux/netdevice.h>: the functions of struct xfrmdev_ops got an extack, and
 * later the device: that of a bond's slave is not the one that the SA names.
 */
#ifndef _XAC_COMPAT_XFRMDEV_H
#define _XAC_COMPAT_XFRMDEV_H

#include <linux/netdevice.h>
#include <net/xfrm.h>

#include "xfrm_accel_probes.h"

/* The file that includes this one says what these mean. */
static int xac_sa_add(struct net_device *dev, struct xfrm_state *x,
		      struct netlink_ext_ack *extack);
static void xac_sa_delete(struct net_device *dev, struct xfrm_state *x);

#if defined(XAC_HAVE_STATE_ADD_DEV)

static int xac_xdo_state_add(struct net_device *dev, struct xfrm_state *x,
			     struct netlink_ext_ack *extack)
{
	return xac_sa_add(dev, x, extack);
}

static void xac_xdo_state_delete(struct net_device *dev, struct xfrm_state *x)
{
	xac_sa_delete(dev, x);
}

#elif defined(XAC_HAVE_STATE_ADD_EXTACK)

static int xac_xdo_state_add(struct xfrm_state *x,
			     struct netlink_ext_ack *extack)
{
	return xac_sa_add(x->xso.real_dev, x, extack);
}

static void xac_xdo_state_delete(struct xfrm_state *x)
{
	xac_sa_delete(x->xso.real_dev, x);
}

#else

static int xac_xdo_state_add(struct xfrm_state *x)
{
	return xac_sa_add(x->xso.real_dev, x, NULL);
}

static void xac_xdo_state_delete(struct xfrm_state *x)
{
	xac_sa_delete(x->xso.real_dev, x);
}

#endif

#endif /* _XAC_COMPAT_XFRMDEV_H */
