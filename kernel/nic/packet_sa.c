// SPDX-License-Identifier: GPL-2.0
/*
 * What a device keeps of an SA with packet offload: sequence numbers and the
 * window of those received (RFC 4303, section 3.4.3), how much the SA has
 * carried, and what has been wrong.
 *
 * Numbers and window are in the SA itself, where the kernel has them: it takes
 * the packets that the device leaves to it, fragments for example, and a
 * packet must not be accepted once by each. The rest the device counts until
 * the kernel asks.
 *
 * Locks: the SA's, and within it that of the counts.
 */
#include "nic/nic.h"

/**
 * xac_packet_check - can the device do all of this SA's work?
 * @dev: the device
 * @x: the SA, of ESP, in tunnel or transport mode
 * @extack: is told why not
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int xac_packet_check(const struct net_device *dev, const struct xfrm_state *x,
		     struct netlink_ext_ack *extack)
{
	if (x->xso.dev != dev) {
		NL_SET_ERR_MSG(extack,
			       "espnic: no packet offload through a bond");
		return -EOPNOTSUPP;
	}
	if (x->if_id && x->xso.dir == XFRM_DEV_OFFLOAD_IN) {
		NL_SET_ERR_MSG(extack,
			       "espnic: no packet offload of incoming SAs with an if_id");
		return -EOPNOTSUPP;
	}
	if (x->props.mode == XFRM_MODE_TUNNEL && x->sel.family &&
	    x->sel.family != x->props.family) {
		NL_SET_ERR_MSG(extack,
			       "espnic: packet offload only of tunnels in one IP version");
		return -EOPNOTSUPP;
	}
	if (x->props.extra_flags & XFRM_SA_XFLAG_OSEQ_MAY_WRAP) {
		NL_SET_ERR_MSG(extack,
			       "espnic: packet offload never uses a sequence number twice");
		return -EOPNOTSUPP;
	}

	return 0;
}

/**
 * xac_packet_is_acquire - is this but a place kept for an SA to come?
 * @x: the SA
 */
bool xac_packet_is_acquire(const struct xfrm_state *x)
{
	return x->xso.flags & XFRM_DEV_OFFLOAD_FLAG_ACQ;
}

/* --- the window: its newest number, and which of those before were seen --- */

static bool xac_window_is_esn(const struct xfrm_state *x)
{
	return x->props.flags & XFRM_STATE_ESN;
}

static u32 xac_window_size(const struct xfrm_state *x)
{
	return x->replay_esn ? x->replay_esn->replay_window :
			       x->props.replay_window;
}

static u64 xac_window_newest(const struct xfrm_state *x)
{
	if (!x->replay_esn)
		return x->replay.seq;
	if (!xac_window_is_esn(x))
		return x->replay_esn->seq;

	return (u64)x->replay_esn->seq_hi << 32 | x->replay_esn->seq;
}

/* The large windows are a ring; the bit of the number @back before the newest. */
static u32 xac_window_bit(const struct xfrm_replay_state_esn *esn, u32 back)
{
	u32 size = esn->replay_window;

	return ((esn->seq - 1) % size + size - back) % size;
}

static bool xac_window_has(const struct xfrm_state *x, u32 back)
{
	const struct xfrm_replay_state_esn *esn = x->replay_esn;
	u32 bit;

	if (!esn)
		return x->replay.bitmap & BIT(back);
	bit = xac_window_bit(esn, back);

	return esn->bmp[bit / 32] & BIT(bit % 32);
}

static void xac_window_set(struct xfrm_state *x, u32 back, bool seen)
{
	struct xfrm_replay_state_esn *esn = x->replay_esn;
	u32 bit, *word;

	if (esn) {
		bit = xac_window_bit(esn, back);
		word = &esn->bmp[bit / 32];
	} else {
		bit = back;
		word = &x->replay.bitmap;
	}
	if (seen)
		*word |= BIT(bit % 32);
	else
		*word &= ~BIT(bit % 32);
}

/* The newest is now @seq, and nothing is known of those in between. */
static void xac_window_move(struct xfrm_state *x, u64 seq)
{
	u64 shift = seq - xac_window_newest(x);
	u32 size = xac_window_size(x), i;

	if (!x->replay_esn) {
		x->replay.bitmap = shift < 32 ? x->replay.bitmap << shift : 0;
		x->replay.seq = seq;
		return;
	}

	x->replay_esn->seq = lower_32_bits(seq);
	if (xac_window_is_esn(x))
		x->replay_esn->seq_hi = upper_32_bits(seq);
	for (i = 0; i < min_t(u64, shift, size); i++)
		xac_window_set(x, i, false);
}

/* Return: 0; -EEXIST: it was seen before; -ESTALE: too old to tell. */
static int xac_window_check(const struct xfrm_state *x, u64 seq)
{
	u64 newest = xac_window_newest(x), back = newest - seq;

	if (!xac_window_size(x))
		return 0;
	if (!seq)
		return -ESTALE;
	if (seq > newest)
		return 0;
	if (back >= xac_window_size(x))
		return -ESTALE;

	return xac_window_has(x, back) ? -EEXIST : 0;
}

static void xac_window_note(struct xfrm_state *x, u64 seq)
{
	if (!xac_window_size(x))
		return;

	if (seq > xac_window_newest(x))
		xac_window_move(x, seq);
	xac_window_set(x, xac_window_newest(x) - seq, true);
}

/* --- counts and limits --- */

/* It may have been deleted: nobody is left to be told, then. */
static void xac_packet_note(struct xac_packet_sa *sa, int err)
{
	if (!sa)
		return;

	spin_lock(&sa->lock);
	switch (err) {
	case -EEXIST:
		sa->replayed++;
		break;
	case -ESTALE:
		sa->late++;
		break;
	case -EBADMSG:
		sa->forged++;
		break;
	default:
		sa->invalid++;
		break;
	}
	spin_unlock(&sa->lock);
}

/*
 * A packet more. When that is as much as the SA may carry, or as it should,
 * the kernel is to say so now; it asks for the counts first.
 */
static void xac_packet_count(struct xfrm_state *x, struct xac_packet_sa *sa,
			     unsigned int len)
{
	const struct xfrm_lifetime_cfg *lft = &x->lft;
	u64 bytes, packets;

	spin_lock(&sa->lock);
	sa->packets++;
	sa->bytes += len;
	sa->used = ktime_get_real_seconds();
	packets = sa->packets + x->curlft.packets;
	bytes = sa->bytes + x->curlft.bytes;
	spin_unlock(&sa->lock);

	if (packets >= lft->hard_packet_limit ||
	    bytes >= lft->hard_byte_limit ||
	    (!x->km.dying && (packets >= lft->soft_packet_limit ||
			      bytes >= lft->soft_byte_limit)))
		xfrm_state_check_expire(x);
}

/**
 * xac_packet_report - the kernel gets what the device has counted
 * @sa: the counts; zero after that
 * @x: the SA
 */
void xac_packet_report(struct xac_packet_sa *sa, struct xfrm_state *x)
{
	struct net *net = xs_net(x);

	spin_lock_bh(&sa->lock);
	x->curlft.packets += sa->packets;
	x->curlft.bytes += sa->bytes;
	if (sa->used) {
		x->lastused = sa->used;
		if (!x->curlft.use_time)
			x->curlft.use_time = sa->used;
	}
	x->stats.replay += sa->replayed;
	x->stats.replay_window += sa->late;
	x->stats.integrity_failed += sa->forged;
	XFRM_ADD_STATS(net, LINUX_MIB_XFRMINSTATESEQERROR,
		       sa->replayed + sa->late);
	XFRM_ADD_STATS(net, LINUX_MIB_XFRMINSTATEPROTOERROR,
		       sa->forged + sa->invalid);
	sa->packets = 0;
	sa->bytes = 0;
	sa->replayed = 0;
	sa->late = 0;
	sa->forged = 0;
	sa->invalid = 0;
	spin_unlock_bh(&sa->lock);
}

/**
 * xac_xdo_update_stats - xdo_dev_state_update_stats of an espnic
 * @x: an SA of its
 *
 * Context: whatever the kernel asks from; the SA may be locked.
 */
void xac_xdo_update_stats(struct xfrm_state *x)
{
	struct xac_packet_sa *sa;

	rcu_read_lock();
	sa = xac_nic_packet_sa(x);
	if (sa)
		xac_packet_report(sa, x);
	rcu_read_unlock();
}

/* --- out --- */

static int xac_packet_next(struct xfrm_state *x, u64 *seq)
{
	struct xfrm_replay_state_esn *esn = x->replay_esn;
	u32 *low = esn ? &esn->oseq : &x->replay.oseq;

	if (*low == U32_MAX) {
		if (!xac_window_is_esn(x) || esn->oseq_hi == U32_MAX)
			return -EOVERFLOW;
		esn->oseq_hi++;
	}
	*seq = ++*low;
	if (xac_window_is_esn(x))
		*seq |= (u64)esn->oseq_hi << 32;

	return 0;
}

/**
 * xac_packet_number - a packet is to be sent: it is counted, and numbered
 * @x: the SA
 * @skb: the packet, data at its IP header
 * @seq: its number (RFC 4303, section 3.3.3)
 *
 * Context: bottom halves off, RCU.
 * Return: 0, or a negative errno: the SA has ended, or its numbers have.
 */
int xac_packet_number(struct xfrm_state *x, const struct sk_buff *skb, u64 *seq)
{
	struct xac_packet_sa *sa;
	int err = -EKEYEXPIRED;

	spin_lock(&x->lock);
	sa = xac_nic_packet_sa(x);
	if (sa && x->km.state == XFRM_STATE_VALID)
		err = xac_packet_next(x, seq);
	if (!err)
		xac_packet_count(x, sa, skb->len);
	spin_unlock(&x->lock);

	return err;
}

/* --- in --- */

/**
 * xac_packet_expected - may a packet with this number still come?
 * @nic: the device
 * @x: the SA, in the packet's security path, which remembers the number
 * @skb: the packet, data at its ESP header; consumed if not
 *
 * Context: softirq, RCU.
 */
bool xac_packet_expected(struct xac_nic *nic, struct xfrm_state *x,
			 struct sk_buff *skb)
{
	__be32 low = ((const struct ip_esp_hdr *)skb->data)->seq_no;
	struct xfrm_offload *xo = xfrm_offload(skb);
	int err;

	spin_lock(&x->lock);
	xo->seq.low = ntohl(low);
	xo->seq.hi = xfrm_replay_seqhi(x, low);
	err = xac_window_check(x, (u64)xo->seq.hi << 32 | xo->seq.low);
	if (err)
		xac_packet_note(xac_nic_packet_sa(x), err);
	spin_unlock(&x->lock);
	if (err)
		xac_nic_rx_drop(nic, skb, XAC_NIC_RX_REPLAY);

	return !err;
}

/**
 * xac_packet_accept - a packet is genuine: is it the first with its number?
 * @x: the SA
 * @skb: the packet, data at the IP header of what is to be handed on
 *
 * Context: softirq, RCU.
 * Return: XAC_NIC_RX_PKTS if so; else what it is to be dropped as.
 */
enum xac_nic_count xac_packet_accept(struct xfrm_state *x,
				     const struct sk_buff *skb)
{
	const struct xfrm_offload *xo = xfrm_offload((struct sk_buff *)skb);
	u64 seq = (u64)xo->seq.hi << 32 | xo->seq.low;
	enum xac_nic_count what = XAC_NIC_RX_PKTS;
	struct xac_packet_sa *sa;
	int err;

	spin_lock(&x->lock);
	sa = xac_nic_packet_sa(x);
	err = xac_window_check(x, seq);
	if (!sa || x->km.state != XFRM_STATE_VALID) {
		what = XAC_NIC_RX_EXPIRED;
	} else if (err) {
		xac_packet_note(sa, err);
		what = XAC_NIC_RX_REPLAY;
	} else {
		xac_window_note(x, seq);
		xac_packet_count(x, sa, skb->len);
	}
	spin_unlock(&x->lock);

	return what;
}

/**
 * xac_packet_failed - a packet is not genuine, or makes no sense
 * @x: the SA
 * @err: -EBADMSG, or another negative errno
 *
 * Context: softirq, RCU.
 */
void xac_packet_failed(struct xfrm_state *x, int err)
{
	xac_packet_note(xac_nic_packet_sa(x), err);
}
