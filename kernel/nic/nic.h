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

#include "xfrm_accel_probes.h"

struct xac_esp_family;

/**
 * DOC: espnic, a network device that encrypts and decrypts ESP
 *
 * It is to the kernel what a network card with crypto offload is: it takes SAs
 * by xfrmdev_ops, gets packets that are ESP but for IV and ICV, or trains of
 * them, and hands on decrypted ones with the word of the device that they are
 * genuine. The work is done by the engine of esp/, on the CPU that sends or
 * receives. What an xfrm interface sends by it is encrypted before it comes
 * here, where the device would do nothing else (xac_nic_seals()).
 *
 * Its wire is a lower device, of which it takes all that is received, what it
 * has an SA for already in GRO, or another espnic, its peer.
 *
 * link.c makes, changes and deletes the devices, sas.c is the offload API,
 * transmit.c and receive.c are the two ways of a packet, and ethtool.c shows
 * what came of them.
 *
 * With packet offload the kernel gives and gets plain packets, and the device
 * adds and removes all of ESP: packet.c is these two ways, packet_sa.c keeps
 * number, window and limits of the SA, policies.c what may come in.
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
 * @XAC_NIC_RX_REPLAY: dropped, seen before or older than the window
 * @XAC_NIC_RX_EXPIRED: dropped, the SA has ended
 * @XAC_NIC_RX_MISMATCH: dropped, decrypted with another SA than it should
 * @XAC_NIC_RX_POLICY: dropped, blocked by a policy or not protected
 * @XAC_NIC_TX_PKTS: encrypted; each segment of a train, which may be later
 * @XAC_NIC_TX_BYTES: of them, from the ESP header on
 * @XAC_NIC_TX_NO_SA: dropped, the device does not have the SA
 * @XAC_NIC_TX_UNFINISHED: dropped, the kernel has not prepared the packet
 * @XAC_NIC_TX_FAILED: dropped, not encrypted or not cut into segments
 * @XAC_NIC_TX_EXPIRED: dropped, the SA has ended, or its numbers have
 * @XAC_NIC_COUNTS: how many there are
 */
enum xac_nic_count {
	XAC_NIC_RX_PKTS,
	XAC_NIC_RX_BYTES,
	XAC_NIC_RX_AUTH_FAILED,
	XAC_NIC_RX_FAILED,
	XAC_NIC_RX_NO_SA,
	XAC_NIC_RX_NO_MEMORY,
	XAC_NIC_RX_REPLAY,
	XAC_NIC_RX_EXPIRED,
	XAC_NIC_RX_MISMATCH,
	XAC_NIC_RX_POLICY,
	XAC_NIC_TX_PKTS,
	XAC_NIC_TX_BYTES,
	XAC_NIC_TX_NO_SA,
	XAC_NIC_TX_UNFINISHED,
	XAC_NIC_TX_FAILED,
	XAC_NIC_TX_EXPIRED,
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

struct xac_nic_sa;

/**
 * struct xac_nic_last - the SA that a CPU's last received packet had
 * @sa: the SA
 * @epoch: &xac_nic.epoch when it was found
 */
struct xac_nic_last {
	struct xac_nic_sa *sa;
	s64 epoch;
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
 * @epoch: changes whenever an SA comes or goes
 * @last: the SA that comes to mind first, see xac_nic_sa_last()
 * @sa_max: how many it has room for
 * @sa_count: how many it has
 * @policies: those of incoming packets, by priority, read under RCU
 * @policies_lock: for changing them
 * @cells: queue of received packets on their way to GRO
 * @counts: what came of them
 * @faults: what it is to do wrong
 */
struct xac_nic {
	struct net_device *dev;
	struct net_device __rcu *lower;
	struct xac_nic __rcu *peer;
	struct rhltable sas;
	atomic64_t epoch;
	struct xac_nic_last __percpu *last;
	u32 sa_max;
	atomic_t sa_count;
	struct list_head policies;
	spinlock_t policies_lock;	/* writers of policies */
	struct gro_cells cells;
	struct xac_nic_counts __percpu *counts;
	struct xac_nic_faults faults;
};

/**
 * struct xac_packet_sa - what the device counts for an SA with packet offload
 * @lock: of all of it
 * @bytes: in plain packets, as the following since the kernel last asked
 * @packets: of those
 * @replayed: not accepted, their number had been seen
 * @late: not accepted, their number is older than the window
 * @forged: not accepted, with a wrong ICV
 * @invalid: not accepted, with a payload or trailer that makes no sense
 * @used: when the last packet was accepted or sent, in seconds
 */
struct xac_packet_sa {
	spinlock_t lock;	/* everything below */
	u64 bytes;
	u64 packets;
	u32 replayed;
	u32 late;
	u32 forged;
	u32 invalid;
	time64_t used;
};

static inline void xac_nic_count(struct xac_nic *nic, enum xac_nic_count what,
				 unsigned int n)
{
	struct xac_nic_counts *counts = this_cpu_ptr(nic->counts);

	u64_stats_update_begin(&counts->syncp);
	u64_stats_add(&counts->count[what], n);
	u64_stats_update_end(&counts->syncp);
}

/* Encrypted or decrypted: @what are the packets, and next to it their bytes. */
static inline void xac_nic_count_done(struct xac_nic *nic,
				      enum xac_nic_count what,
				      unsigned int packets, unsigned int bytes)
{
	struct xac_nic_counts *counts = this_cpu_ptr(nic->counts);

	u64_stats_update_begin(&counts->syncp);
	u64_stats_add(&counts->count[what], packets);
	u64_stats_add(&counts->count[what + 1], bytes);
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
int xac_nic_refused(struct xac_nic *nic, struct netlink_ext_ack *extack);
struct xac_packet_sa *xac_nic_packet_sa(const struct xfrm_state *x);

/* transmit.c */
bool xac_nic_seals(const struct net_device *dev, const struct xfrm_state *x);
void xac_nic_count_sealed(struct net_device *dev, const struct sk_buff *skb,
			  int err);
netdev_tx_t xac_nic_start_xmit(struct sk_buff *skb, struct net_device *dev);
void xac_nic_send(struct xac_nic *nic, struct sk_buff *skb);
void xac_nic_tx_drop(struct xac_nic *nic, struct sk_buff *skb,
		     enum xac_nic_count why);
void xac_nic_transmit_init(struct xac_nic *nic);
void xac_nic_transmit_stop(struct xac_nic *nic);

/* receive.c */
void xac_nic_rx_drop(struct xac_nic *nic, struct sk_buff *skb,
		     enum xac_nic_count why);
rx_handler_result_t xac_nic_handle_frame(struct sk_buff **pskb);
bool xac_nic_is_elsewhere(const struct net_device *lower);
bool xac_nic_gro_receive(const struct xac_esp_family *fam, struct sk_buff *skb,
			 const void *iph, __be32 spi);
void xac_nic_receive_from_peer(struct xac_nic *nic, struct sk_buff *skb);

/* ethtool.c */
extern const struct ethtool_ops xac_nic_ethtool_ops;
void xac_nic_discard(struct sk_buff *skb, enum xac_nic_count why);

static inline bool xac_nic_is_packet(const struct xfrm_state *x)
{
	return x->xso.type == XFRM_DEV_OFFLOAD_PACKET;
}

#ifdef XAC_HAVE_PACKET_OFFLOAD

/* packet_sa.c */
int xac_packet_check(const struct net_device *dev, const struct xfrm_state *x,
		     struct netlink_ext_ack *extack);
bool xac_packet_is_acquire(const struct xfrm_state *x);
int xac_packet_number(struct xfrm_state *x, const struct sk_buff *skb,
		      u64 *seq);
bool xac_packet_expected(struct xac_nic *nic, struct xfrm_state *x,
			 struct sk_buff *skb);
enum xac_nic_count xac_packet_accept(struct xfrm_state *x,
				     const struct sk_buff *skb);
void xac_packet_failed(struct xfrm_state *x, int err);
void xac_packet_report(struct xac_packet_sa *sa, struct xfrm_state *x);
void xac_xdo_update_stats(struct xfrm_state *x);

/* packet.c */
bool xac_packet_offload_ok(struct sk_buff *skb, struct xfrm_state *x);
bool xac_packet_transmit(struct xac_nic *nic, struct sk_buff *skb);
void xac_packet_opened(struct xac_nic *nic, struct sk_buff *skb, int err);

/* policies.c */
void xac_policies_init(struct xac_nic *nic);
int xac_xdo_policy_add(struct xfrm_policy *xp, struct netlink_ext_ack *extack);
void xac_xdo_policy_delete(struct xfrm_policy *xp);
bool xac_policy_admits(struct xac_nic *nic, struct sk_buff *skb);
bool xac_policy_admits_opened(struct xac_nic *nic, struct sk_buff *skb,
			      const struct xfrm_state *x);

#else

static inline int xac_packet_check(const struct net_device *dev,
				   const struct xfrm_state *x,
				   struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack,
		       "espnic: packet offload needs a newer kernel");
	return -EOPNOTSUPP;
}

static inline bool xac_packet_is_acquire(const struct xfrm_state *x)
{
	return false;
}

static inline bool xac_packet_expected(struct xac_nic *nic,
				       struct xfrm_state *x,
				       struct sk_buff *skb)
{
	return false;
}

static inline void xac_packet_report(struct xac_packet_sa *sa,
				     struct xfrm_state *x)
{
}

static inline bool xac_packet_offload_ok(struct sk_buff *skb,
					 struct xfrm_state *x)
{
	return false;
}

static inline bool xac_packet_transmit(struct xac_nic *nic,
				       struct sk_buff *skb)
{
	return false;
}

static inline void xac_packet_opened(struct xac_nic *nic, struct sk_buff *skb,
				     int err)
{
}

static inline void xac_policies_init(struct xac_nic *nic)
{
}

static inline bool xac_policy_admits(struct xac_nic *nic, struct sk_buff *skb)
{
	return true;
}

#endif

#endif /* _XAC_NIC_NIC_H */
