// SPDX-License-Identifier: GPL-2.0
/*
 * From the wire to the kernel: ESP of SAs that the device has is decrypted,
 * everything else passes.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <net/esp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/gro.h"
#include "compat/netdevice.h"
#include "esp/esp.h"
#include "nic/nic.h"

/*
 * The outer family of an ESP packet, data at its IP header; NULL if it is
 * another one, or one with options, extension headers or in fragments, which
 * the kernel is to look at.
 */
static const struct xac_esp_family *xac_nic_esp(struct sk_buff *skb)
{
	const struct iphdr *iph;

	switch (skb->protocol) {
	case htons(ETH_P_IP):
		if (!pskb_may_pull(skb, sizeof(struct iphdr) +
					sizeof(struct ip_esp_hdr)))
			return NULL;
		iph = (const struct iphdr *)skb->data;
		if (iph->version != 4 || iph->ihl != sizeof(*iph) / 4 ||
		    iph->protocol != IPPROTO_ESP || ip_is_fragment(iph) ||
		    ip_fast_csum(iph, iph->ihl))
			return NULL;
		return &xac_esp_ipv4;
	case htons(ETH_P_IPV6):
		if (!pskb_may_pull(skb, sizeof(struct ipv6hdr) +
					sizeof(struct ip_esp_hdr)))
			return NULL;
		if (((const struct ipv6hdr *)skb->data)->nexthdr != IPPROTO_ESP)
			return NULL;
		return &xac_esp_ipv6;
	default:
		return NULL;
	}
}

/**
 * xac_nic_rx_drop - a received packet goes no further
 * @nic: the device
 * @skb: the packet; consumed
 * @why: what it counts as
 */
void xac_nic_rx_drop(struct xac_nic *nic, struct sk_buff *skb,
		     enum xac_nic_count why)
{
	xac_nic_count(nic, why, 1);
	DEV_STATS_INC(nic->dev, rx_dropped);
	xac_nic_discard(skb, why);
}

/*
 * Would GRO give the packet to ESP at once? Nobody else sees it before, and it
 * needs not wait for a poll of its own: what was inside will have one.
 */
static bool xac_nic_skips_gro(const struct xac_nic *nic,
			      const struct sk_buff *skb)
{
	return nic->dev->flags & IFF_UP && !netif_elide_gro(nic->dev) &&
	       !skb_cloned(skb);
}

static void xac_nic_count_opened(struct xac_nic *nic,
				 const struct sk_buff *skb, int err)
{
	switch (err) {
	case 0:
		xac_nic_count_done(nic, XAC_NIC_RX_PKTS, 1, skb->len);
		break;
	case -EBADMSG:
		xac_nic_count(nic, XAC_NIC_RX_AUTH_FAILED, 1);
		break;
	default:
		xac_nic_count(nic, XAC_NIC_RX_FAILED, 1);
		break;
	}
}

/* Decrypted, or not: the kernel is told with the packet, which it takes. */
static void xac_nic_opened(struct xac_nic *nic, struct sk_buff *skb, int err)
{
	const struct xfrm_state *x = xfrm_input_state(skb);

	xac_nic_count_opened(nic, skb, err);
	if (xac_nic_is_packet(x)) {
		xac_packet_opened(nic, skb, err);
		return;
	}
	xac_esp_opened(x, skb, err);
	if (xac_nic_skips_gro(nic, skb)) {
		xac_esp_gro_skip(xac_esp_family(x->props.family), skb);
		return;
	}
	skb_push(skb, -skb_network_offset(skb));
	gro_cells_receive(&nic->cells, skb);
}

/* The cipher's driver took its time. */
static void xac_nic_opened_late(struct sk_buff *skb, int err)
{
	local_bh_disable();
	rcu_read_lock();
	xac_nic_opened(netdev_priv(skb->dev), skb, err);
	rcu_read_unlock();
	local_bh_enable();
}

static bool xac_nic_corrupts(struct xac_nic *nic)
{
	u32 every = READ_ONCE(nic->faults.corrupt);

	return every && !(atomic_inc_return(&nic->faults.received) % every);
}

/* The packet gets a security path with its SA, which is taken as well. */
static bool xac_nic_note_sa(struct sk_buff *skb, struct xfrm_state *x)
{
	struct sec_path *sp = secpath_set(skb);

	if (!sp) {
		xfrm_state_put(x);
		return false;
	}
	sp->xvec[sp->len++] = x;
	sp->olen++;

	return true;
}

/*
 * Decrypts the packet, data at its ESP header, by an SA that it has noted.
 *
 * Return: as xac_esp_open(), for xac_nic_opened().
 */
static int xac_nic_open(struct xac_nic *nic, struct xfrm_state *x,
			struct sk_buff *skb)
{
	if (xac_nic_corrupts(nic))
		return -EBADMSG;

	return xac_esp_open(x, skb, ip_esp_hdr(skb)->seq_no,
			    xac_nic_opened_late);
}

/*
 * Decrypts the packet, data at its IP header, if the device has an SA for it.
 *
 * Return: true: the packet was consumed.
 */
static bool xac_nic_decrypts(struct xac_nic *nic, struct sk_buff *skb)
{
	const struct xac_esp_family *fam;
	struct xfrm_state *x;
	unsigned int total;
	int err;

	if (skb_is_gso(skb) || skb_sec_path(skb))
		return false;
	fam = xac_nic_esp(skb);
	if (!fam)
		return false;
	total = fam->total_len(skb->data);
	if (total < fam->header_len + sizeof(struct ip_esp_hdr) ||
	    total > skb->len)
		return false;

	skb_reset_network_header(skb);
	skb_reset_mac_len(skb);
	skb_set_transport_header(skb, fam->header_len);
	x = xac_nic_sa_find(nic, skb->data + fam->daddr_offset,
			    ip_esp_hdr(skb)->spi, fam->family);
	if (!x) {
		if (nic->dev->features & NETIF_F_HW_ESP)
			xac_nic_count(nic, XAC_NIC_RX_NO_SA, 1);
		return false;
	}
	/* The kernel can do it instead, unless it has left it all to us. */
	if (!(nic->dev->features & NETIF_F_HW_ESP) && !xac_nic_is_packet(x)) {
		xfrm_state_put(x);
		return false;
	}

	if (!xac_nic_note_sa(skb, x) || pskb_trim_rcsum(skb, total)) {
		xac_nic_rx_drop(nic, skb, XAC_NIC_RX_NO_MEMORY);
		return true;
	}

	__skb_pull(skb, fam->header_len);
	if (xac_nic_is_packet(x) && !xac_packet_expected(nic, x, skb))
		return true;
	err = xac_nic_open(nic, x, skb);
	if (err != -EINPROGRESS)
		xac_nic_opened(nic, skb, err);

	return true;
}

/* To whom the frame is addressed, as this device sees it. */
static void xac_nic_classify(struct sk_buff *skb, const struct net_device *dev)
{
	if (skb->pkt_type != PACKET_HOST && skb->pkt_type != PACKET_OTHERHOST)
		return;

	skb->pkt_type = ether_addr_equal(eth_hdr(skb)->h_dest, dev->dev_addr) ?
			PACKET_HOST : PACKET_OTHERHOST;
}

static void xac_nic_count_received(struct net_device *dev,
				   const struct sk_buff *skb)
{
	dev_sw_netstats_rx_add(dev, skb->len + ETH_HLEN);
	if (skb->pkt_type == PACKET_MULTICAST)
		DEV_STATS_INC(dev, multicast);
}

/**
 * xac_nic_handle_frame - rx_handler of the lower device
 * @pskb: the frame, data behind the Ethernet header
 *
 * Context: softirq, RCU.
 * Return: what becomes of the frame.
 */
rx_handler_result_t xac_nic_handle_frame(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	struct xac_nic *nic;

	if (skb->pkt_type == PACKET_LOOPBACK)
		return RX_HANDLER_PASS;

	nic = rcu_dereference(skb->dev->rx_handler_data);
	if (!netif_running(nic->dev)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
		return RX_HANDLER_CONSUMED;
	}
	skb = skb_share_check(skb, GFP_ATOMIC);
	*pskb = skb;
	if (!skb)
		return RX_HANDLER_CONSUMED;

	skb->dev = nic->dev;
	xac_nic_classify(skb, nic->dev);
	xac_nic_count_received(nic->dev, skb);
	if (skb->pkt_type == PACKET_HOST && xac_nic_decrypts(nic, skb))
		return RX_HANDLER_CONSUMED;
	if (!xac_policy_admits(nic, skb))
		return RX_HANDLER_CONSUMED;

	return RX_HANDLER_ANOTHER;
}

static struct xac_nic *xac_nic_on(const struct net_device *lower)
{
	if (rcu_access_pointer(lower->rx_handler) != xac_nic_handle_frame)
		return NULL;

	return rcu_dereference(lower->rx_handler_data);
}

/**
 * xac_nic_is_elsewhere - is a device the wire of one in another namespace?
 * @lower: the device
 *
 * Then what it receives is for the SAs of that.
 *
 * Context: RCU.
 */
bool xac_nic_is_elsewhere(const struct net_device *lower)
{
	const struct xac_nic *nic = xac_nic_on(lower);

	return nic && !net_eq(dev_net(nic->dev), dev_net(lower));
}

/*
 * The device that a packet in GRO of its wire is for, if nobody on the way there
 * is to see it: no capture on the wire, no tc or nft at its ingress, no VLAN, no
 * tunnel around it. (A capture on all devices is not to be known of here.) Nor may
 * RPS give it to another CPU.
 */
static struct xac_nic *xac_nic_of_wire(const struct sk_buff *skb)
{
	const struct net_device *lower = skb->dev;
	struct xac_nic *nic = xac_nic_on(lower);

	if (!nic || !list_empty(&lower->ptype_all) ||
	    xac_dev_has_ingress(lower) || xac_receiving_spreads() ||
	    skb_vlan_tag_present(skb) || xac_gro_network_offset(skb) ||
	    skb_sec_path(skb) || skb_is_gso(skb))
		return NULL;

	if (!(nic->dev->features & NETIF_F_HW_ESP) ||
	    !xac_nic_skips_gro(nic, skb) ||
	    !ether_addr_equal(eth_hdr(skb)->h_dest, nic->dev->dev_addr))
		return NULL;

	return nic;
}

/**
 * xac_nic_gro_receive - take a packet out of GRO of a device's wire
 * @fam: outer family
 * @skb: the packet, its GRO offset at the ESP header
 * @iph: its IP header
 * @spi: of its ESP header
 *
 * It would come to the device a little later. Packet offload waits for that:
 * policies and windows are looked at in one place.
 *
 * Context: softirq, RCU.
 * Return: true if the packet has been taken.
 */
bool xac_nic_gro_receive(const struct xac_esp_family *fam, struct sk_buff *skb,
			 const void *iph, __be32 spi)
{
	unsigned int offset = skb_gro_offset(skb);
	struct xac_nic *nic = xac_nic_of_wire(skb);
	struct xfrm_state *x;
	int err;

	/* Behind a short packet there is Ethernet's padding: that waits as well. */
	if (!nic || offset != fam->header_len ||
	    fam->total_len(iph) != skb->len)
		return false;
	x = xac_nic_sa_find(nic, iph + fam->daddr_offset, spi, fam->family);
	if (!x)
		return false;
	/* Without memory for that GRO finds the packet as it was. */
	if (xac_nic_is_packet(x) ||
	    !pskb_may_pull(skb, offset + sizeof(struct ip_esp_hdr))) {
		xfrm_state_put(x);
		return false;
	}

	skb->dev = nic->dev;
	if (!xac_nic_note_sa(skb, x)) {
		xac_nic_rx_drop(nic, skb, XAC_NIC_RX_NO_MEMORY);
		return true;
	}
	skb->pkt_type = PACKET_HOST;
	xac_nic_count_received(nic->dev, skb);
	skb_reset_network_header(skb);
	__skb_pull(skb, offset);
	skb_reset_transport_header(skb);
	err = xac_nic_open(nic, x, skb);
	if (err == -EINPROGRESS)
		return true;
	xac_nic_count_opened(nic, skb, err);
	xac_esp_opened(x, skb, err);
	xac_esp_gro_skip(fam, skb);

	return true;
}

/**
 * xac_nic_receive_from_peer - a frame from the other end of the wire
 * @nic: the device that receives; it is up
 * @skb: the frame, data at the Ethernet header; consumed
 *
 * Context: bottom halves off, RCU.
 */
void xac_nic_receive_from_peer(struct xac_nic *nic, struct sk_buff *skb)
{
	/* What it refuses it frees, and counts as dropped. */
	if (__dev_forward_skb(nic->dev, skb))
		return;

	xac_nic_count_received(nic->dev, skb);
	if (skb->pkt_type == PACKET_HOST && xac_nic_decrypts(nic, skb))
		return;
	if (xac_policy_admits(nic, skb))
		gro_cells_receive(&nic->cells, skb);
}
