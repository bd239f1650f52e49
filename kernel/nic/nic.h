/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_NIC_NIC_H
#define _XAC_NIC_NIC_H

#include <linux/espnic.h>
#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <linux/timer.h>
#include <linux/u64_stats_sync.h>
#include <net/gro_cells.h>
#include <net/xfrm.h>

/**
 * DOC: espnic, a network device that encrypts and decrypts ESP
 *
 * It is to the kernel what a network card with crypto offload is: it takes SAs
 * by xfrmdev_ops, gets packets that are ESP but for IV and ICV, or trains of
 * them, and hands on decrypted ones with the word of the device that they are
 * genuine. The work is done by the engine of esp/, on the CPU that sends or
 * receives.
 *
 * Its wire is a lower device, of which it takes all that is received, or
 * another espnic, its peer.
 *
 * link.c makes, changes and deletes the devices, sas.c is the offload API,
 * transmit.c and receive.c are the two ways of a packet, and ethtool.c shows
 * what came of them.
 *
 * Locks: RTNL for what the link is made of; what the packets' ways read of
 * it is read under RCU. The table of SAs has locks of its own; SAs come and go
 * in contexts that must not sleep.
 */

/* SAs that a device has room for, unless it is told otherwise. */
#define XAC_NIC_SA_MAX		65536

/**
 * enum xac_nic_count - what is counted; named in ethtool.c
 * @XAC_NIC_RX_PKTS: decrypted
 * @XAC_NIC_RX_BYTES: of them, from the ESP header on
 * @XAC_NIC_RX_AUTH_FAILED: with a wrong ICV; the kernel drops and counts them
 * @XAC_NIC_RX_FAILED: not decrypted for another reason; likewise
 * @XAC_NIC_RX_NO_SA: no SA here: the kernel is to decrypt
 * @XAC_NIC_RX_NO_MEMORY: dropped, no memory for the security path
 * @XAC_NIC_TX_PKTS: encrypted; each segment of a train
 * @XAC_NIC_TX_BYTES: of them, from the ESP header on
 * @XAC_NIC_TX_NO_SA: dropped, the device does not have the SA
 * @XAC_NIC_TX_UNFINISHED: dropped, the kernel has not prepared the packet
 * @XAC_NIC_TX_FAILED: dropped, not encrypted or not cut into segments
 * @XAC_NIC_COUNTS: how many there are
 */
enum xac_nic_count {
	XAC_NIC_RX_PKTS,
	XAC_NIC_RX_BYTES,
	XAC_NIC_RX_AUTH_FAILED,
	XAC_NIC_RX_FAILED,
	XAC_NIC_RX_NO_SA,
	XAC_NIC_RX_NO_MEMORY,
	XAC_NIC_TX_PKTS,
	XAC_NIC_TX_BYTES,
	XAC_NIC_TX_NO_SA,
	XAC_NIC_TX_UNFINISHED,
	XAC_NIC_TX_FAILED,
	XAC_NIC_COUNTS
};

/**
 * struct xac_nic_counts - one CPU's
 * @count: by enum xac_nic_count
 * @syncp: for readers on other CPUs
 */
struct xac_nic_counts {
	u64_stats_t count[XAC_NIC_COUNTS];
	struct u64_stats_sync syncp;
};

/**
 * struct xac_nic_faults - what the device does wrong, because it was told to
 * @refuse: enum espnic_refuse
 * @corrupt: of so many received packets the last is found wrong; 0: none
 * @reorder: of so many packets sent the last is overtaken; 0: none
 * @stall: the queues stand still
 * @received: packets that @corrupt has counted
 * @sent: packets that @reorder has counted
 * @held: the packet that is to be overtaken
 * @release: lets it go when nobody overtakes it
 */
struct xac_nic_faults {
	u8 refuse;
	u32 corrupt;
	u32 reorder;
	bool stall;
	atomic_t received;
	atomic_t sent;
	struct sk_buff *held;
	struct timer_list release;
};

/**
 * struct xac_nic - private part of an espnic
 * @dev: the device
 * @lower: what it sends by, or NULL; as long as it is linked to it
 * @peer: or the espnic at the other end of its wire
 * @sas: its SAs, by struct xac_nic_key
 * @sa_max: how many it has room for
 * @sa_count: how many it has
 * @cells: queue of received packets on their way to GRO
 * @counts: what came of them
 * @faults: what it is to do wrong
 */
struct xac_nic {
	struct net_device *dev;
	struct net_device __rcu *lower;
	struct xac_nic __rcu *peer;
	struct rhltable sas;
	u32 sa_max;
	atomic_t sa_count;
	struct gro_cells cells;
	struct xac_nic_counts __percpu *counts;
	struct xac_nic_faults faults;
};

static inline void xac_nic_count(struct xac_nic *nic, enum xac_nic_count what,
				 unsigned int n)
{
	struct xac_nic_counts *counts = this_cpu_ptr(nic->counts);

	u64_stats_update_begin(&counts->syncp);
	u64_stats_add(&counts->count[what], n);
	u64_stats_update_end(&counts->syncp);
}

/* link.c */
bool xac_is_nic(const struct net_device *dev);
int xac_nic_register(void);
void xac_nic_unregister(void);

/* sas.c */
extern const struct xfrmdev_ops xac_nic_xfrmdev_ops;
int xac_nic_sas_init(struct xac_nic *nic);
void xac_nic_sas_exit(struct xac_nic *nic);
struct xfrm_state *xac_nic_sa_find(struct xac_nic *nic, const void *daddr,
				   __be32 spi, unsigned short family);
bool xac_nic_has_sa(struct xac_nic *nic, const struct xfrm_state *x);
void xac_nic_sa_lose(struct xac_nic *nic, __be32 spi);

/* transmit.c */
netdev_tx_t xac_nic_start_xmit(struct sk_buff *skb, struct net_device *dev);
void xac_nic_transmit_init(struct xac_nic *nic);
void xac_nic_transmit_stop(struct xac_nic *nic);

/* receive.c */
rx_handler_result_t xac_nic_handle_frame(struct sk_buff **pskb);
void xac_nic_receive_from_peer(struct xac_nic *nic, struct sk_buff *skb);

/* ethtool.c */
extern const struct ethtool_ops xac_nic_ethtool_ops;

#endif /* _XAC_NIC_NIC_H */
