// SPDX-License-Identifier: GPL-2.0
/*
 * ethtool -i and -S: what the device did with ESP. The names are those of
 * mlx5's counters, where that has one.
 *
 * And the kernel's own drop reason that comes nearest, for those who watch
 * skb:kfree_skb.
 */
#include <linux/ethtool.h>

#include "nic/nic.h"

static const char * const xac_nic_names[] = {
	[XAC_NIC_RX_PKTS]	 = "ipsec_rx_pkts",
	[XAC_NIC_RX_BYTES]	 = "ipsec_rx_bytes",
	[XAC_NIC_RX_AUTH_FAILED] = "ipsec_rx_auth_failed",
	[XAC_NIC_RX_FAILED]	 = "ipsec_rx_failed",
	[XAC_NIC_RX_NO_SA]	 = "ipsec_rx_no_sa",
	[XAC_NIC_RX_NO_MEMORY]	 = "ipsec_rx_drop_sp_alloc",
	[XAC_NIC_RX_REPLAY]	 = "ipsec_rx_drop_replay",
	[XAC_NIC_RX_EXPIRED]	 = "ipsec_rx_drop_expired",
	[XAC_NIC_RX_MISMATCH]	 = "ipsec_rx_drop_mismatch_sa_sel",
	[XAC_NIC_RX_POLICY]	 = "ipsec_rx_drop_policy",
	[XAC_NIC_TX_PKTS]	 = "ipsec_tx_pkts",
	[XAC_NIC_TX_BYTES]	 = "ipsec_tx_bytes",
	[XAC_NIC_TX_NO_SA]	 = "ipsec_tx_drop_no_state",
	[XAC_NIC_TX_UNFINISHED]	 = "ipsec_tx_drop_bundle",
	[XAC_NIC_TX_FAILED]	 = "ipsec_tx_drop_pkts",
	[XAC_NIC_TX_EXPIRED]	 = "ipsec_tx_drop_expired",
};

static_assert(ARRAY_SIZE(xac_nic_names) == XAC_NIC_COUNTS);

static const enum skb_drop_reason xac_nic_core_reasons[XAC_NIC_COUNTS] = {
	[XAC_NIC_RX_AUTH_FAILED] = SKB_DROP_REASON_NOT_SPECIFIED,
	[XAC_NIC_RX_FAILED]	 = SKB_DROP_REASON_NOT_SPECIFIED,
	[XAC_NIC_RX_NO_MEMORY]	 = SKB_DROP_REASON_NOMEM,
	[XAC_NIC_RX_REPLAY]	 = SKB_DROP_REASON_NOT_SPECIFIED,
	[XAC_NIC_RX_EXPIRED]	 = SKB_DROP_REASON_XFRM_POLICY,
	[XAC_NIC_RX_MISMATCH]	 = SKB_DROP_REASON_XFRM_POLICY,
	[XAC_NIC_RX_POLICY]	 = SKB_DROP_REASON_XFRM_POLICY,
	[XAC_NIC_TX_NO_SA]	 = SKB_DROP_REASON_XFRM_POLICY,
	[XAC_NIC_TX_UNFINISHED]	 = SKB_DROP_REASON_DEV_READY,
	[XAC_NIC_TX_FAILED]	 = SKB_DROP_REASON_NOT_SPECIFIED,
	[XAC_NIC_TX_EXPIRED]	 = SKB_DROP_REASON_XFRM_POLICY,
};

static void xac_nic_get_drvinfo(struct net_device *dev,
				struct ethtool_drvinfo *info)
{
	strscpy(info->driver, ESPNIC_DRIVER_NAME, sizeof(info->driver));
	strscpy(info->version, XAC_VERSION, sizeof(info->version));
}

static int xac_nic_get_sset_count(struct net_device *dev, int sset)
{
	return sset == ETH_SS_STATS ? XAC_NIC_COUNTS : -EOPNOTSUPP;
}

static void xac_nic_get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	unsigned int i;

	if (sset != ETH_SS_STATS)
		return;

	for (i = 0; i < XAC_NIC_COUNTS; i++)
		ethtool_sprintf(&data, "%s", xac_nic_names[i]);
}

static void xac_nic_get_stats(struct net_device *dev,
			      struct ethtool_stats *stats, u64 *data)
{
	const struct xac_nic *nic = netdev_priv(dev);
	unsigned int cpu, start, i;

	memset(data, 0, XAC_NIC_COUNTS * sizeof(*data));
	for_each_possible_cpu(cpu) {
		const struct xac_nic_counts *counts =
			per_cpu_ptr(nic->counts, cpu);
		u64 now[XAC_NIC_COUNTS];

		do {
			start = u64_stats_fetch_begin(&counts->syncp);
			for (i = 0; i < XAC_NIC_COUNTS; i++)
				now[i] = u64_stats_read(&counts->count[i]);
		} while (u64_stats_fetch_retry(&counts->syncp, start));
		for (i = 0; i < XAC_NIC_COUNTS; i++)
			data[i] += now[i];
	}
}

/**
 * xac_nic_discard - free a packet that goes no further
 * @skb: the packet
 * @why: what it has been counted as
 */
void xac_nic_discard(struct sk_buff *skb, enum xac_nic_count why)
{
	kfree_skb_reason(skb, xac_nic_core_reasons[why]);
}

const struct ethtool_ops xac_nic_ethtool_ops = {
	.get_drvinfo		= xac_nic_get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_sset_count		= xac_nic_get_sset_count,
	.get_strings		= xac_nic_get_strings,
	.get_ethtool_stats	= xac_nic_get_stats,
};
