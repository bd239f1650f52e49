// SPDX-License-Identifier: GPL-2.0
/*
 * From the kernel to the wire: what the kernel has prepared for the device to
 * encrypt is encrypted, everything else passes: also what our interfaces have
 * encrypted already (esp/output.c).
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <net/checksum.h>
#include <net/esp.h>
#include <net/sch_generic.h>

#include "compat/gso.h"
#include "compat/kunit.h"
#include "esp/esp.h"
#include "esp/layout.h"
#include "nic/nic.h"

/* A packet that is to be overtaken does not wait longer for it. */
#define XAC_NIC_HOLD	msecs_to_jiffies(20)

/* Consumes the packet. */
static void xac_nic_to_wire(struct xac_nic *nic, struct sk_buff *skb)
{
	struct net_device *lower = rcu_dereference(nic->lower);
	struct xac_nic *peer = rcu_dereference(nic->peer);
	unsigned int len = skb->len;
	int ret;

	if (peer && netif_running(peer->dev)) {
		dev_sw_netstats_tx_add(nic->dev, 1, len);
		xac_nic_receive_from_peer(peer, skb);
		return;
	}

	if (!lower) {
		DEV_STATS_INC(nic->dev, tx_carrier_errors);
		DEV_STATS_INC(nic->dev, tx_dropped);
		kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
		return;
	}

	skb->dev = lower;
	ret = dev_queue_xmit(skb);
	if (net_xmit_eval(ret) == 0)
		dev_sw_netstats_tx_add(nic->dev, 1, len);
	else
		DEV_STATS_INC(nic->dev, tx_dropped);
}

static void xac_nic_release(struct xac_nic *nic)
{
	struct sk_buff *held;

	if (!READ_ONCE(nic->faults.held))
		return;

	held = xchg(&nic->faults.held, NULL);
	if (held)
		xac_nic_to_wire(nic, held);
}

static void xac_nic_release_late(struct timer_list *timer)
{
	struct xac_nic_faults *faults = container_of(timer,
						     struct xac_nic_faults,
						     release);

	rcu_read_lock();
	xac_nic_release(container_of(faults, struct xac_nic, faults));
	rcu_read_unlock();
}

/* True if the packet is held back until the next has overtaken it. */
static bool xac_nic_holds(struct xac_nic *nic, struct sk_buff *skb)
{
	struct xac_nic_faults *faults = &nic->faults;
	u32 every = READ_ONCE(faults->reorder);

	if (!every || atomic_inc_return(&faults->sent) % every)
		return false;

	skb = xchg(&faults->held, skb);
	if (skb)
		xac_nic_to_wire(nic, skb);
	mod_timer(&faults->release, jiffies + XAC_NIC_HOLD);

	return true;
}

/**
 * xac_nic_send - a frame leaves the device
 * @nic: the device
 * @skb: the frame; consumed
 *
 * Context: bottom halves off, RCU.
 */
void xac_nic_send(struct xac_nic *nic, struct sk_buff *skb)
{
	if (xac_nic_holds(nic, skb))
		return;

	xac_nic_to_wire(nic, skb);
	xac_nic_release(nic);
}

static void xac_nic_count_drop(struct xac_nic *nic, enum xac_nic_count why)
{
	xac_nic_count(nic, why, 1);
	DEV_STATS_INC(nic->dev, tx_dropped);
}

/**
 * xac_nic_tx_drop - a packet is not sent
 * @nic: the device
 * @skb: the packet, or train; consumed
 * @why: what it counts as
 */
void xac_nic_tx_drop(struct xac_nic *nic, struct sk_buff *skb,
		     enum xac_nic_count why)
{
	xac_nic_count_drop(nic, why);
	xac_nic_discard(skb, why);
}

/**
 * xac_nic_seals - would the device encrypt for the SA now?
 * @dev: a device
 * @x: an SA of it
 *
 * Then what leaves by it may be encrypted before it comes here. What is sealed
 * so is safe wherever it goes, and passes here like any other packet.
 *
 * Context: RCU.
 */
bool xac_nic_seals(const struct net_device *dev, const struct xfrm_state *x)
{
	struct xac_nic *nic;

	if (!xac_is_nic(dev) || !(dev->features & NETIF_F_HW_ESP) ||
	    x->xso.type != XFRM_DEV_OFFLOAD_CRYPTO)
		return false;

	nic = netdev_priv(dev);

	return xac_nic_has_sa(nic, x) && !READ_ONCE(nic->faults.stall) &&
	       netif_running(dev) && netif_carrier_ok(dev);
}

/**
 * xac_nic_count_sealed - a packet was encrypted on the device's account
 * @dev: an espnic
 * @skb: the packet, the transport header at the ESP header
 * @err: or was not, and will be dropped
 *
 * Context: bottom halves off.
 */
void xac_nic_count_sealed(struct net_device *dev, const struct sk_buff *skb,
			  int err)
{
	struct xac_nic *nic = netdev_priv(dev);

	if (err) {
		xac_nic_count_drop(nic, XAC_NIC_TX_FAILED);
		return;
	}

	xac_nic_count_done(nic, XAC_NIC_TX_PKTS, 1,
			   skb_tail_pointer(skb) - skb_transport_header(skb));
}

/* Encrypted, or not. Consumes the packet. */
static void xac_nic_sealed(struct xac_nic *nic, struct sk_buff *skb, int err)
{
	xac_nic_count_sealed(nic->dev, skb, err);
	if (err) {
		xac_nic_discard(skb, XAC_NIC_TX_FAILED);
		return;
	}

	secpath_reset(skb);
	skb_push(skb, skb->data - skb_mac_header(skb));
	xac_nic_send(nic, skb);
}

/* The cipher's driver took its time. */
static void xac_nic_sealed_late(struct sk_buff *skb, int err)
{
	local_bh_disable();
	rcu_read_lock();
	xac_nic_sealed(netdev_priv(skb->dev), skb, err);
	rcu_read_unlock();
	local_bh_enable();
}

/*
 * The checksum of what is inside (esp-tx-csum-hw-offload), which ends before
 * the trailer.
 *
 * @skb: linear, in memory of its own
 *
 * Return: 0 or -EINVAL.
 */
static int xac_nic_sum(struct sk_buff *skb, struct crypto_aead *aead)
{
	int tail = crypto_aead_authsize(aead) + 2;
	int start = skb_checksum_start_offset(skb), end;
	__wsum sum;

	end = skb->len - tail - skb->data[skb->len - tail];
	if (start + skb->csum_offset + (int)sizeof(__sum16) > end)
		return -EINVAL;

	sum = skb_checksum(skb, start, end - start, 0);
	*(__sum16 *)(skb->data + start + skb->csum_offset) =
		csum_fold(sum) ?: CSUM_MANGLED_0;
	skb->ip_summed = CHECKSUM_NONE;

	return 0;
}

/*
 * The number of a packet: the header has the lower half; the security path has
 * the upper one, as of the number that it names: this packet's, or the one after
 * it, which is what the kernel's own ESP leaves there for a segment.
 */
VISIBLE_IF_KUNIT u64 xac_nic_seq(const struct sk_buff *skb,
				 const struct xfrm_offload *xo)
{
	u32 low = ntohl(ip_esp_hdr(skb)->seq_no);
	u32 high = xo->seq.hi - (low > xo->seq.low);

	return (u64)high << 32 | low;
}

/* The kernel has written all but IV and ICV. Consumes the packet. */
static void xac_nic_seal(struct xac_nic *nic, struct xfrm_state *x,
			 struct sk_buff *skb, const struct xfrm_offload *xo)
{
	int err = xac_esp_own(skb, 0);

	if (!err && skb->ip_summed == CHECKSUM_PARTIAL)
		err = xac_nic_sum(skb, x->data);
	if (!err)
		err = xac_esp_seal(x, skb, xac_nic_seq(skb, xo),
				   xac_nic_sealed_late);
	if (err != -EINPROGRESS)
		xac_nic_sealed(nic, skb, err);
}

/* A train (tx-esp-segmentation). Consumes it. */
static void xac_nic_seal_train(struct xac_nic *nic, struct xfrm_state *x,
			       struct sk_buff *train)
{
	struct sk_buff *segs = xac_esp_cut(x, train), *skb, *next;
	int err;

	if (IS_ERR(segs)) {
		xac_nic_tx_drop(nic, train, XAC_NIC_TX_FAILED);
		return;
	}
	consume_skb(train);

	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		err = xac_esp_complete(x, skb, xac_nic_sealed_late);
		if (err != -EINPROGRESS)
			xac_nic_sealed(nic, skb, err);
	}
}

/* A queue that packets might wait in; context: RCU, bottom halves off. */
static bool xac_nic_has_queue(const struct net_device *lower)
{
	const struct netdev_queue *txq = netdev_get_tx_queue(lower, 0);

	return rcu_dereference_bh(txq->qdisc)->enqueue;
}

/**
 * xac_nic_whole_by - the lower device, if a train need not be cut here
 * @nic: the device
 * @train: the train
 *
 * Below is the kernel, which has a train cut and encrypted by the engine when it
 * is sent by the device there, and passes the segments on all at once. Not so
 * if the train would wait in a queue, holding the SA, for one CPU after another
 * to encrypt what it finds there; nor while packets that are encrypted wait for
 * a device: then the kernel sends one without a queue in plaintext.
 *
 * Context: bottom halves off, RCU.
 * Return: that, or NULL.
 */
VISIBLE_IF_KUNIT struct net_device *
xac_nic_whole_by(const struct xac_nic *nic, const struct sk_buff *train)
{
	struct net_device *lower = rcu_dereference(nic->lower);

	if (!lower || READ_ONCE(nic->faults.reorder) ||
	    !skb_queue_empty(&this_cpu_ptr(&softnet_data)->xfrm_backlog) ||
	    xac_nic_has_queue(lower) || xac_esp_train_data(train) <= 0)
		return NULL;

	return lower;
}

/*
 * A train goes to the lower device as it is. Consumes it. If nothing is left to
 * send, because the cipher has all of it or it was dropped there, and is counted
 * there, the kernel answers -ENOMEM: nothing is wrong here.
 */
static void xac_nic_send_train(struct xac_nic *nic, struct net_device *lower,
			       struct xfrm_state *x, struct sk_buff *train)
{
	unsigned int packets = skb_shinfo(train)->gso_segs;
	unsigned int headers = skb_transport_offset(train);
	unsigned int bytes = xac_esp_train_len(x, train);
	int ret;

	if (xac_esp_take_back(train)) {
		xac_nic_tx_drop(nic, train, XAC_NIC_TX_FAILED);
		return;
	}

	xac_nic_count_done(nic, XAC_NIC_TX_PKTS, packets, bytes);
	bytes += packets * headers;
	train->dev = lower;
	ret = dev_queue_xmit(train);
	if (net_xmit_eval(ret) == 0 || ret == -ENOMEM)
		dev_sw_netstats_tx_add(nic->dev, packets, bytes);
	else
		DEV_STATS_ADD(nic->dev, tx_dropped, packets);
	xac_nic_release(nic);
}

static void xac_nic_transmit(struct xac_nic *nic, struct sk_buff *skb)
{
	const struct xfrm_offload *xo = xfrm_offload(skb);
	struct net_device *lower;
	struct xfrm_state *x;

	if (!xo) {
		if (!xac_packet_transmit(nic, skb))
			xac_nic_send(nic, skb);
		return;
	}

	/* Still in plain text: the kernel's queue was stopped in between. */
	if (!(xo->flags & XFRM_XMIT)) {
		xac_nic_tx_drop(nic, skb, XAC_NIC_TX_UNFINISHED);
		return;
	}

	x = xfrm_input_state(skb);
	if (!xac_nic_has_sa(nic, x)) {
		xac_nic_tx_drop(nic, skb, XAC_NIC_TX_NO_SA);
		return;
	}
	if (!skb_is_gso(skb)) {
		xac_nic_seal(nic, x, skb, xo);
		return;
	}
	lower = xac_nic_whole_by(nic, skb);
	if (lower)
		xac_nic_send_train(nic, lower, x, skb);
	else
		xac_nic_seal_train(nic, x, skb);
}

/**
 * xac_nic_start_xmit - ndo_start_xmit of an espnic
 * @skb: a frame; consumed
 * @dev: the device
 *
 * Context: bottom halves off; any number of CPUs may be here.
 * Return: always NETDEV_TX_OK.
 */
netdev_tx_t xac_nic_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	/* The core's lock is rcu_read_lock_bh(), not what rhashtable wants. */
	rcu_read_lock();
	xac_nic_transmit(netdev_priv(dev), skb);
	rcu_read_unlock();

	return NETDEV_TX_OK;
}

/**
 * xac_nic_transmit_init - before the first packet
 * @nic: the device
 */
void xac_nic_transmit_init(struct xac_nic *nic)
{
	timer_setup(&nic->faults.release, xac_nic_release_late, 0);
}

/**
 * xac_nic_transmit_stop - the device is down, or goes
 * @nic: the device
 *
 * Context: process, may sleep.
 */
void xac_nic_transmit_stop(struct xac_nic *nic)
{
	struct sk_buff *held;

	timer_delete_sync(&nic->faults.release);
	held = xchg(&nic->faults.held, NULL);
	if (!held)
		return;

	DEV_STATS_INC(nic->dev, tx_dropped);
	kfree_skb_reason(held, SKB_DROP_REASON_DEV_READY);
}
