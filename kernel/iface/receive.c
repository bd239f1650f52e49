// SPDX-License-Identifier: GPL-2.0
/*
 * From a decrypted packet to the xfrm interface it belongs to.
 *
 * The core decrypts, then asks the protocol handlers' callbacks whose packet
 * this is: here. Later, when the packet's policy is checked, the core asks
 * which if_id the packet came in under: xac_decode_session_cb().
 */
#include <crypto/aead.h>
#include <crypto/hash.h>
#include <linux/if_vlan.h>
#include <net/ah.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/kunit.h"
#include "compat/xfrm.h"
#include "iface/handlers.h"
#include "iface/iface.h"

/**
 * xac_dev_of_state - the interface that an SA's packets appear on
 * @net: namespace of the SA
 * @if_id: the SA's if_id
 *
 * Context: RCU.
 * Return: the interface, up, or NULL.
 */
struct xac_dev *xac_dev_of_state(struct net *net, u32 if_id)
{
	return xac_table_find(xac_net_table(net), if_id);
}

static struct xfrm_state *xac_last_state(const struct sk_buff *skb)
{
	const struct sec_path *sp = skb_sec_path(skb);

	return sp && sp->len ? sp->xvec[sp->len - 1] : NULL;
}

/* The address family of what was inside, 0 if the SA does not carry it. */
static unsigned short xac_inner_family(struct sk_buff *skb,
				       const struct xfrm_state *x)
{
	const struct xfrm_mode *mode = &x->inner_mode;

	if (x->sel.family == AF_UNSPEC)
		mode = xfrm_ip2inner_mode((struct xfrm_state *)x,
					  XFRM_MODE_SKB_CB(skb)->protocol);

	return mode ? mode->family : 0;
}

/*
 * The packet enters another namespace: its policy is checked now, in the
 * namespace of the SA, because afterwards nobody could.
 *
 * Return: 0, or a negative errno with the drop counted.
 */
static int xac_check_crossing(struct sk_buff *skb, const struct xac_dev *xd,
			      const struct xfrm_state *x)
{
	unsigned short family = xac_inner_family(skb, x);

	if (!family) {
		XFRM_INC_STATS(xd->net, LINUX_MIB_XFRMINSTATEMODEERROR);
		xac_count_drop(xd->dev, xd->counters, skb,
			       XFRM_ACCEL_DROP_RX_MODE);
		return -EINVAL;
	}

	if (!xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, family)) {
		xac_count_drop(xd->dev, xd->counters, skb,
			       XFRM_ACCEL_DROP_RX_POLICY);
		return -EPERM;
	}

	return 0;
}

static int xac_attach_metadata(struct sk_buff *skb, const struct xac_dev *xd,
			       u32 if_id, int link)
{
	struct metadata_dst *metadata = xac_metadata_alloc(if_id, link);

	if (!metadata) {
		xac_count_drop(xd->dev, xd->counters, skb,
			       XFRM_ACCEL_DROP_RX_NOMEM);
		return -ENOMEM;
	}
	skb_dst_set(skb, (struct dst_entry *)metadata);

	return 0;
}

/*
 * Make the packet the interface's own.
 *
 * Return: 0, or a negative errno with the drop counted by reason.
 */
static int xac_deliver(struct sk_buff *skb, const struct xac_dev *xd,
		       const struct xfrm_state *x)
{
	bool crosses_netns = !net_eq(xd->net, dev_net(xd->dev));
	int link = skb->dev->ifindex;
	u32 if_id = x->if_id;
	int err;

	skb->dev = xd->dev;

	if (crosses_netns) {
		err = xac_check_crossing(skb, xd, x);
		if (err)
			return err;
	}

	/*
	 * GRO may have taken the packet off a VLAN's lower device before the
	 * tag was looked at. The tag was the outer packet's.
	 */
	__vlan_hwaccel_clear_tag(skb);

	/* May end the packet's reference on @x: then only RCU holds it. */
	xac_scrub(skb, crosses_netns);

	if (xd->external) {
		err = xac_attach_metadata(skb, xd, if_id, link);
		if (err)
			return err;
	}

	dev_sw_netstats_rx_add(xd->dev, skb->len);

	return 0;
}

static void xac_count_rx_failure(const struct xac_dev *xd)
{
	DEV_STATS_INC(xd->dev, rx_errors);
	DEV_STATS_INC(xd->dev, rx_dropped);
}

/* May the SA's algorithm complete a packet later, on another stack? */
static bool xac_may_be_async(const struct xfrm_state *x)
{
	const struct crypto_tfm *tfm;

	switch (x->id.proto) {
	case IPPROTO_ESP:
		tfm = crypto_aead_tfm(x->data);
		break;
	case IPPROTO_AH:
		tfm = crypto_ahash_tfm(((const struct ah_data *)x->data)->ahash);
		break;
	default:
		return false;
	}

	return tfm->__crt_alg->cra_flags & CRYPTO_ALG_ASYNC;
}

/*
 * Did this packet's decryption complete asynchronously?
 *
 * Certain where the packet came through our own protocol handler: that one
 * is still on the stack if not. A packet that ESP GRO took was decrypted in
 * softirq or in a NAPI thread; software that completes later (cryptd, pcrypt)
 * does so on a workqueue. A wrong "yes" costs a little time, no more.
 */
VISIBLE_IF_KUNIT
bool xac_completed_async(const struct sk_buff *skb)
{
	const struct sec_path *sp = skb_sec_path(skb);
	const struct xfrm_offload *xo;
	int i;

	if (xac_in_own_handler(skb))
		return false;

	xo = xfrm_offload((struct sk_buff *)skb);
	if (xo && (xo->flags & XFRM_GRO) &&
	    (!(current->flags & PF_WQ_WORKER) || in_serving_softirq()))
		return false;

	for (i = 0; i < sp->len; i++)
		if (xac_may_be_async(sp->xvec[i]))
			return true;

	return false;
}

/*
 * What the core does after the callback for a mode without an inner IP
 * header: the outer one becomes the packet's own again.
 *
 * Return: 0 or -ENOMEM.
 */
static int xac_finish_transport(struct sk_buff *skb, unsigned short family)
{
	const u8 protocol = XFRM_MODE_SKB_CB(skb)->protocol;
	const unsigned int len = -skb_network_offset(skb);

	/* The original still shares the header. */
	if (skb_unclone(skb, GFP_ATOMIC))
		return -ENOMEM;

	__skb_push(skb, len);
	skb_reset_mac_header(skb);

	if (family == AF_INET) {
		struct iphdr *iph = ip_hdr(skb);

		iph->protocol = protocol;
		iph->tot_len = htons(skb->len);
		ip_send_check(iph);
	} else {
		skb_network_header(skb)[IP6CB(skb)->nhoff] = protocol;
		ipv6_hdr(skb)->payload_len =
			htons(skb->len - sizeof(struct ipv6hdr));
		skb_postpush_rcsum(skb, skb_network_header(skb), len);
	}

	return 0;
}

/* Give a packet whose secpath nobody else shares to the interface. */
static int xac_deliver_clone(struct sk_buff *clone, const struct xac_dev *xd,
			     const struct xfrm_state *x)
{
	int err = xac_deliver(clone, xd, x);
	struct sec_path *sp;

	if (err)
		return err;

	sp = skb_sec_path(clone);
	if (sp)
		sp->olen = 0;

	if (!(x->outer_mode.flags & XFRM_MODE_FLAG_TUNNEL)) {
		err = xac_finish_transport(clone, x->props.family);
		if (err) {
			xac_count_drop(xd->dev, xd->counters, clone,
				       XFRM_ACCEL_DROP_RX_NOMEM);
			return err;
		}
	}

	netif_rx(clone);

	return 0;
}

/*
 * xfrm_input() of 6.1 and 6.12 takes a reference on skb->dev before it
 * decrypts and, when decryption completed later, gives one back on skb->dev
 * after this callback: but then that is the xfrm interface, so that one
 * device can never be deleted and the other is freed too early. So the core
 * does not get to see the change: it keeps the original, and drops it with
 * our error and the right reference, while a clone goes on.
 *
 * Return: a negative errno, always.
 */
static int xac_deliver_async(struct sk_buff *skb, const struct xac_dev *xd,
			     const struct xfrm_state *x)
{
	struct sk_buff *clone = skb_clone(skb, GFP_ATOMIC);

	/*
	 * From here on the clone owns the secpath alone; RCU keeps the SA. And
	 * without one the core's error callback is not counted again.
	 */
	secpath_reset(skb);

	if (!clone) {
		xac_count_drop(xd->dev, xd->counters, skb,
			       XFRM_ACCEL_DROP_RX_NOMEM);
		xac_count_rx_failure(xd);
		return -ENOMEM;
	}

	if (xac_deliver_clone(clone, xd, x)) {
		xac_count_rx_failure(xd);
		kfree_skb(clone);
	}

	return -EINPROGRESS;
}

static int xac_receive(struct sk_buff *skb, const struct xac_dev *xd,
		       struct xfrm_state *x)
{
	int err;

	if (xac_completed_async(skb))
		return xac_deliver_async(skb, xd, x);

	err = xac_deliver(skb, xd, x);
	if (err) {
		xac_count_rx_failure(xd);
		secpath_reset(skb);
	}

	return err;
}

/**
 * xac_receive_cb - callback of every protocol handler, after decryption
 * @skb: the decrypted packet, or what is left of one that failed
 * @err: 0, or that it failed
 *
 * Context: bottom halves off. The packet stays the core's: after a negative
 * return the core frees it, and calls here again with that error.
 *
 * Return: 0 if the packet is an xfrm interface's (skb->dev is set to it), a
 *	   negative errno to drop it, 1 if it is nobody's here.
 */
int xac_receive_cb(struct sk_buff *skb, int err)
{
	struct xfrm_state *x = xac_last_state(skb);
	struct xac_dev *xd;
	int ret;

	/* No SA was found, or the packet has been dealt with before. */
	if (!x)
		return err ? 0 : 1;

	rcu_read_lock();

	xd = xac_dev_of_state(xs_net(x), x->if_id);
	if (!xd) {
		ret = 1;
	} else if (err) {
		xac_count_rx_failure(xd);
		xac_count_drop(xd->dev, xd->counters, skb,
			       XFRM_ACCEL_DROP_RX_ERROR);
		ret = 0;
	} else {
		ret = xac_receive(skb, xd, x);
	}

	rcu_read_unlock();

	return ret;
}

/* The index of the slave device where a VRF has made skb->dev its own. */
static int xac_slave_ifindex(const struct sk_buff *skb, unsigned short family)
{
	switch (family) {
	case AF_INET:
		return inet_sdif(skb);
	case AF_INET6:
		return inet6_sdif(skb);
	default:
		return 0;
	}
}

/*
 * Which if_id must the input policy have, and in which namespace does it
 * live? Asked by __xfrm_policy_check(), under RCU.
 */
VISIBLE_IF_KUNIT
bool xac_decode_session_cb(struct sk_buff *skb, unsigned short family,
			   struct xfrm_if_decode_session_result *res)
{
	struct xfrm_state *x = xac_last_state(skb);
	struct net_device *dev = skb->dev;
	const struct xac_dev *xd;
	int slave;

	if (!x || !dev)
		return false;

	slave = xac_slave_ifindex(skb, family);
	if (slave)
		dev = dev_get_by_index_rcu(dev_net(dev), slave);

	if (!dev || !(dev->flags & IFF_UP) || !xac_is_xac_dev(dev))
		return false;

	xd = netdev_priv(dev);
	res->net = xd->net;
	res->if_id = xd->external ? x->if_id : READ_ONCE(xd->if_id);

	return true;
}

static const struct xfrm_if_cb xac_if_cb = {
	.decode_session = xac_decode_session_cb,
};

/**
 * xac_session_register - let policy checks know our interfaces
 *
 * The slot is overwritten without a question: to be called only when the
 * slots that do answer are ours.
 */
void xac_session_register(void)
{
	xfrm_if_register_cb(&xac_if_cb);
}

/**
 * xac_session_unregister - undo that; waits for checks under way
 */
void xac_session_unregister(void)
{
	xfrm_if_unregister_cb();
}
