// SPDX-License-Identifier: GPL-2.0
/*
 * ethtool -i: which module drives this interface; ethtool -S: its drops, and
 * how well it remembers.
 */
#include <linux/ethtool.h>
#include <linux/xfrm_accel.h>

#include "iface/iface.h"

static void xac_get_drvinfo(struct net_device *dev,
			    struct ethtool_drvinfo *info)
{
	strscpy(info->driver, XFRM_ACCEL_DRIVER_NAME, sizeof(info->driver));
	strscpy(info->version, XAC_VERSION, sizeof(info->version));
}

static int xac_get_sset_count(struct net_device *dev, int sset)
{
	return sset == ETH_SS_STATS ? XAC_COUNTERS : -EOPNOTSUPP;
}

static void xac_get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	unsigned int i;

	if (sset != ETH_SS_STATS)
		return;

	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++)
		ethtool_sprintf(&data, XFRM_ACCEL_DROP_PREFIX "%s",
				xac_drop_name(i));
	ethtool_sprintf(&data, XFRM_ACCEL_LOOKUPS);
	ethtool_sprintf(&data, XFRM_ACCEL_FORWARD_LOOKUPS);
}

static void xac_get_ethtool_stats(struct net_device *dev,
				  struct ethtool_stats *stats, u64 *data)
{
	const struct xac_dev *xd = netdev_priv(dev);

	xac_counters_read(xd->counters, data);
}

const struct ethtool_ops xac_ethtool_ops = {
	.get_drvinfo		= xac_get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_sset_count		= xac_get_sset_count,
	.get_strings		= xac_get_strings,
	.get_ethtool_stats	= xac_get_ethtool_stats,
};
