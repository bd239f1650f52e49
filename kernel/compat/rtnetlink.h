/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <net/rtnetlink.h>: newlink() got its arguments in a structure, which also
 * tells the network namespace that the user named with "link-netns".
 */
#ifndef _XAC_COMPAT_RTNETLINK_H
#define _XAC_COMPAT_RTNETLINK_H

#include <net/rtnetlink.h>

#include "xfrm_accel_probes.h"

/*
 * The file that includes this one says what making a link means.
 *
 * @net: the namespace named with "link-netns", or else the device's
 * @link_net: the namespace that IFLA_LINK is an index of
 */
static int xac_new(struct net *net, struct net *link_net,
		   struct net_device *dev, struct nlattr *tb[],
		   struct nlattr *data[], struct netlink_ext_ack *extack);

#ifdef XAC_HAVE_NEWLINK_PARAMS

static int xac_newlink(struct net_device *dev,
		       struct rtnl_newlink_params *params,
		       struct netlink_ext_ack *extack)
{
	struct net *net = params->link_net ?: dev_net(dev);

	return xac_new(net, rtnl_newlink_link_net(params), dev, params->tb,
		       params->data, extack);
}

#else

/* Here rtnetlink has made the device in the "link-netns" already. */
static int xac_newlink(struct net *src_net, struct net_device *dev,
		       struct nlattr *tb[], struct nlattr *data[],
		       struct netlink_ext_ack *extack)
{
	return xac_new(dev_net(dev), src_net, dev, tb, data, extack);
}

#endif

#endif /* _XAC_COMPAT_RTNETLINK_H */
