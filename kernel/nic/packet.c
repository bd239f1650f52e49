// SPDX-License-Identifier: GPL-2.0
/*
 * Packet offload: the kernel sends and receives plain packets, and the device
 * adds and removes ESP header, trailer and the outer header of a tunnel.
 */
#include <linux/etherdevice.h>
#include <net/esp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/neighbour.h>

#include "compat/gso.h"
#include "esp/esp.h"
#include "esp/layout.h"
#include "nic/nic.h"

/* --- out --- */

/* In transport mode the ESP header has its place behind the IP header alone. */
static bool xac_packet_is_simple(const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		return ip_hdr(skb)->ihl == sizeof(struct iphdr) / 4;

	return !ipv6_ext_hdr(ipv6_hdr(skb)->nexthdr);
}

/**
 * xac_packet_offload_ok - xdo_dev_offload_ok for an SA with packet offload
 * @skb: a packet that the kernel is about to send by it
 * @x: the SA
 *
 * The kernel hands the packet on without a word about the SA; so it gets a
 * security path that names it, but not as one of the SAs that are offloaded
 * crypto.
 *
 * A tunnel's packet the kernel would send to the next hop of the inner
 * destination, if a socket had it. So that has no more: it then comes here
 * straight, without a header of Ethernet, with the outer route.
 *
 * Return: false if the packet cannot be sent by this SA; it is dropped then.
 */
bool xac_packet_offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	const struct dst_entry *dst = skb_dst(skb);
	struct sec_path *sp;

	if (dst->ops->family != x->props.family ||
	    xfrm_dst_path(dst)->dev != x->xso.dev ||
	    xfrm_dst_child(dst)->xfrm)
		return false;
	if (x->props.mode == XFRM_MODE_TRANSPORT && !xac_packet_is_simple(skb))
		return false;

	secpath_reset(skb);
	sp = secpath_set(skb);
	if (!sp)
		return false;
	xfrm_state_hold(x);
	sp->xvec[sp->len++] = x;
	if (x->props.mode == XFRM_MODE_TUNNEL)
		skb_orphan(skb);

	return true;
}

/* By which SA the kernel has sent this packet, or NULL. */
static struct xfrm_state *xac_packet_state(const struct sk_buff *skb)
{
	const struct sec_path *sp = skb_sec_path(skb);
	struct xfrm_state *x;

	if (!sp || sp->len != 1 || sp->olen)
		return NULL;
	x = sp->xvec[0];

	return xac_nic_is_packet(x) && x->xso.dir == XFRM_DEV_OFFLOAD_OUT ?
	       x : NULL;
}

/* To the outer destination, or the gateway on the way to it. */
static void xac_packet_to_neighbour(struct xac_nic *nic,
				    const struct xfrm_state *x,
				    struct sk_buff *skb)
{
	struct neighbour *neigh = dst_neigh_lookup(skb_dst(skb), &x->id.daddr);

	if (IS_ERR_OR_NULL(neigh)) {
		xac_nic_tx_drop(nic, skb, XAC_NIC_TX_FAILED);
		return;
	}
	secpath_reset(skb);
	neigh_output(neigh, skb, false);
	neigh_release(neigh);
}

/* Encrypted, or not; data at the outer IP header. Consumes the packet. */
static void xac_packet_sealed(struct xac_nic *nic, struct sk_buff *skb, int err)
{
	const struct xfrm_state *x = skb_sec_path(skb)->xvec[0];

	if (err) {
		xac_nic_tx_drop(nic, skb, XAC_NIC_TX_FAILED);
		return;
	}

	xac_nic_count_done(nic, XAC_NIC_TX_PKTS, 1,
			   skb_tail_pointer(skb) - skb_transport_header(skb));
	if (x->props.mode == XFRM_MODE_TUNNEL) {
		xac_packet_to_neighbour(nic, x, skb);
		return;
	}
	secpath_reset(skb);
	skb_push(skb, ETH_HLEN);
	xac_nic_send(nic, skb);
}

/* The cipher's driver took its time. */
static void xac_packet_sealed_late(struct sk_buff *skb, int err)
{
	local_bh_disable();
	rcu_read_lock();
	xac_packet_sealed(netdev_priv(skb->dev), skb, err);
	rcu_read_unlock();
	local_bh_enable();
}

/*
 * Between IP header and payload comes the ESP header, behind it the trailer.
 * Data is at the IP header, the one of Ethernet in front of it.
 */
static void xac_packet_insert(struct xfrm_state *x, struct sk_buff *skb,
			      u64 seq)
{
	const struct xac_esp_family *fam = xac_esp_family(x->props.family);
	struct crypto_aead *aead = x->data;
	unsigned int header = xac_esp_header_len(aead);
	unsigned int tail = xac_esp_trailer_len(aead,
						skb->len - fam->header_len);
	struct ip_esp_hdr *esph;
	u8 *front, *nexthdr;

	front = skb_push(skb, header) - ETH_HLEN;
	memmove(front, front + header, ETH_HLEN + fam->header_len);
	skb_set_mac_header(skb, -ETH_HLEN);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, fam->header_len);

	nexthdr = fam->family == AF_INET6 ? &ipv6_hdr(skb)->nexthdr :
					    &ip_hdr(skb)->protocol;
	xac_esp_put_trailer(skb_tail_pointer(skb), tail,
			    crypto_aead_authsize(aead), *nexthdr);
	skb_put(skb, tail);
	*nexthdr = IPPROTO_ESP;

	esph = ip_esp_hdr(skb);
	esph->spi = x->id.spi;
	esph->seq_no = htonl(lower_32_bits(seq));
}

/* Memory of its own, with all the room that is needed. */
static int xac_packet_room(const struct xac_nic *nic,
			   const struct xfrm_state *x, struct sk_buff *skb)
{
	struct crypto_aead *aead = x->data;
	int err;

	err = skb_cow(skb, xac_esp_family(x->props.family)->header_len +
			   xac_esp_header_len(aead) +
			   LL_RESERVED_SPACE(nic->dev));
	if (err)
		return err;

	/* The longest trailer that there can be. */
	return xac_esp_own(skb, xac_esp_block_len(aead) + 1 +
				crypto_aead_authsize(aead));
}

/* A packet, data at the header of Ethernet or the room for it. Consumes it. */
static void xac_packet_seal(struct xac_nic *nic, struct xfrm_state *x,
			    struct sk_buff *skb)
{
	u64 seq;
	int err = 0;

	if (skb->ip_summed == CHECKSUM_PARTIAL)
		err = skb_csum_hwoffload_help(skb, 0);
	if (err || skb_network_offset(skb) != ETH_HLEN ||
	    xac_packet_room(nic, x, skb)) {
		xac_nic_tx_drop(nic, skb, XAC_NIC_TX_FAILED);
		return;
	}

	__skb_pull(skb, ETH_HLEN);
	if (xac_packet_number(x, skb, &seq)) {
		xac_nic_tx_drop(nic, skb, XAC_NIC_TX_EXPIRED);
		return;
	}
	if (x->props.mode == XFRM_MODE_TUNNEL)
		xac_esp_wrap(x, skb, seq, skb_dst(skb));
	else
		xac_packet_insert(x, skb, seq);
	xac_esp_family(x->props.family)->set_length(skb);

	err = xac_esp_seal(x, skb, seq, xac_packet_sealed_late);
	if (err != -EINPROGRESS)
		xac_packet_sealed(nic, skb, err);
}

/* A train becomes packets, each in memory of its own, with its checksum. */
static void xac_packet_seal_train(struct xac_nic *nic, struct xfrm_state *x,
				  struct sk_buff *train)
{
	struct sk_buff *segs = skb_gso_segment(train, 0), *skb, *next;

	if (IS_ERR_OR_NULL(segs)) {
		xac_nic_tx_drop(nic, train, XAC_NIC_TX_FAILED);
		return;
	}

	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		xac_packet_seal(nic, x, skb);
	}
	/* Only now: its security path holds the SA. */
	consume_skb(train);
}

/**
 * xac_packet_transmit - send a packet by an SA with packet offload
 * @nic: the device
 * @skb: a frame; consumed, if it is for such an SA
 *
 * Context: bottom halves off, RCU.
 * Return: true: it was.
 */
bool xac_packet_transmit(struct xac_nic *nic, struct sk_buff *skb)
{
	struct xfrm_state *x = xac_packet_state(skb);

	if (!x)
		return false;

	if (!xac_nic_has_sa(nic, x) ||
	    (x->props.mode == XFRM_MODE_TUNNEL && !skb_dst(skb)))
		xac_nic_tx_drop(nic, skb, XAC_NIC_TX_NO_SA);
	else if (skb_is_gso(skb))
		xac_packet_seal_train(nic, x, skb);
	else
		xac_packet_seal(nic, x, skb);

	return true;
}

/* --- in --- */

/* What the outer header says of the way that the packet has come. */
static void xac_packet_decapsulate(const struct xfrm_state *x,
				   struct sk_buff *skb, u8 outer)
{
	bool copy = x->props.flags & XFRM_STATE_DECAP_DSCP;
	bool congested = INET_ECN_is_ce(outer) &&
			 !(x->props.flags & XFRM_STATE_NOECN);

	if (skb->protocol == htons(ETH_P_IP)) {
		if (copy)
			ipv4_copy_dscp(outer, ip_hdr(skb));
		if (congested)
			IP_ECN_set_ce(ip_hdr(skb));
	} else {
		if (copy)
			ipv6_copy_dscp(outer, ipv6_hdr(skb));
		if (congested)
			IP6_ECN_set_ce(skb, ipv6_hdr(skb));
	}
}

/* The payload, where data is, is an IP packet. */
static int xac_packet_out_of_tunnel(const struct xfrm_state *x,
				    struct sk_buff *skb, u8 proto)
{
	const u8 *mac = skb_mac_header(skb);
	u8 outer;

	outer = x->props.family == AF_INET6 ? ipv6_get_dsfield(ipv6_hdr(skb)) :
					      ipv4_get_dsfield(ip_hdr(skb));
	if (proto == IPPROTO_IPIP && skb->len >= sizeof(struct iphdr))
		skb->protocol = htons(ETH_P_IP);
	else if (proto == IPPROTO_IPV6 && skb->len >= sizeof(struct ipv6hdr))
		skb->protocol = htons(ETH_P_IPV6);
	else
		return -EINVAL;

	skb_reset_network_header(skb);
	memmove(skb->data - ETH_HLEN, mac, ETH_HLEN);
	skb_set_mac_header(skb, -ETH_HLEN);
	eth_hdr(skb)->h_proto = skb->protocol;
	xac_packet_decapsulate(x, skb, outer);

	return 0;
}

/* The headers in front of ESP come to the payload, where data is. */
static void xac_packet_close_up(const struct xfrm_state *x, struct sk_buff *skb,
				u8 proto)
{
	const struct xac_esp_family *fam = xac_esp_family(x->props.family);
	unsigned int len = ETH_HLEN + fam->header_len;
	const u8 *mac = skb_mac_header(skb);

	skb_reset_transport_header(skb);
	skb_push(skb, fam->header_len);
	memmove(skb->data - ETH_HLEN, mac, len);
	skb_reset_network_header(skb);
	skb_set_mac_header(skb, -ETH_HLEN);
	if (fam->family == AF_INET6)
		ipv6_hdr(skb)->nexthdr = proto;
	else
		ip_hdr(skb)->protocol = proto;
	fam->set_length(skb);
}

/*
 * ESP goes; data is then at the IP header of what is handed on.
 *
 * Return: 0, or a negative errno: the payload makes no sense.
 */
static int xac_packet_strip(struct xfrm_state *x, struct sk_buff *skb)
{
	int proto, err;

	/* An SA that neither encrypts nor authenticates has left it alone. */
	err = xac_esp_own(skb, 0);
	if (err)
		return err;
	skb->ip_summed = CHECKSUM_NONE;
	proto = xac_esp_strip(skb, x->data);
	if (proto < 0)
		return proto;
	skb_clear_hash(skb);
	skb->mark = xfrm_smark_get(skb->mark, x);

	if (x->props.mode == XFRM_MODE_TUNNEL)
		return xac_packet_out_of_tunnel(x, skb, proto);
	xac_packet_close_up(x, skb, proto);

	return 0;
}

/**
 * xac_packet_opened - a packet has been decrypted, or has not
 * @nic: the device
 * @skb: the packet, data at its ESP header; consumed
 * @err: what xac_esp_open() returned, or its driver said later; it is counted
 * for the device already
 *
 * Context: softirq, RCU.
 */
void xac_packet_opened(struct xac_nic *nic, struct sk_buff *skb, int err)
{
	struct xfrm_state *x = xfrm_input_state(skb);
	enum xac_nic_count what;

	if (err) {
		xac_packet_failed(x, err);
		DEV_STATS_INC(nic->dev, rx_dropped);
		xac_nic_discard(skb, err == -EBADMSG ? XAC_NIC_RX_AUTH_FAILED :
						       XAC_NIC_RX_FAILED);
		return;
	}

	err = xac_packet_strip(x, skb);
	what = xac_packet_accept(x, skb);
	if (what == XAC_NIC_RX_PKTS && err) {
		xac_packet_failed(x, err);
		what = XAC_NIC_RX_FAILED;
	}
	if (what != XAC_NIC_RX_PKTS) {
		xac_nic_rx_drop(nic, skb, what);
		return;
	}
	if (!xac_policy_admits_opened(nic, skb, x))
		return;

	xac_esp_opened(x, skb, 0);
	gro_cells_receive(&nic->cells, skb);
}
