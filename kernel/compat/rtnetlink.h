/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <net/rtnetlink.h>: newlink() got its arguments in a structure, which also
 * tells the network namespace that the user named with "link-netns".
 */
#ifndef _XAC_COMPAT_RTNETLINK_H
#define _XAC_COMPAT_RTNETLINK_H

#include <net/rtnetlink.h>

#include "xfrm_accel_probes.h"

#ifdef XAC_HAVE_NEWLINK_PARAMS

/* Defines newlink() operation @name that calls @fn(net, dev, tb, data, extack). */
#define XAC_DEFINE_NEWLINK(name, fn)					\
static int name(struct net_device *dev,					\
		struct rtnl_newlink_params *params,			\
		struct netlink_ext_ack *extack)				\
{									\
	return fn(params->link_net ?: dev_net(dev), dev,		\
		  params->tb, params->data, extack);			\
}

#else

/* Here rtnetlink has created the device in the "link-netns" already. */
#define XAC_DEFINE_NEWLINK(name, fn)					\
static int name(struct net *src_net, struct net_device *dev,		\
		struct nlattr *tb[], struct nlattr *data[],		\
		struct netlink_ext_ack *extack)				\
{									\
	return fn(dev_net(dev), dev, tb, data, extack);			\
}

#endif

#endif /* _XAC_COMPAT_RTNETLINK_H */
