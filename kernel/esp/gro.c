// SPDX-License-Identifier: GPL-2.0
/*
 * Receives ESP in GRO: decrypts, and hands on what was inside, so that it
 * goes through GRO itself.
 */
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/esp.h>

#include "compat/gro.h"
#include "compat/xfrm.h"
#include "esp/esp.h"
#include "nic/nic.h"

/**
 * xac_esp_gro_state - the SA of a packet in GRO
 * @fam: outer family
 * @skb: the packet
 * @iph: its outer IP header
 * @spi: of its ESP header
 *
 * Context: softirq, RCU.
 * Return: the SA, referenced; NULL if there is none, or if the packet comes
 * out of another SA, is a train, or is on the wire of another namespace's espnic.
 */
struct xfrm_state *xac_esp_gro_state(const struct xac_esp_family *fam,
				     struct sk_buff *skb, const void *iph,
				     __be32 spi)
{
	struct xfrm_state *x;

	if (skb_sec_path(skb) || skb_is_gso(skb) ||
	    xac_nic_is_elsewhere(skb->dev))
		return NULL;
	x = xac_input_state_lookup(dev_net(skb->dev), skb->mark,
				   iph + fam->daddr_offset, spi, fam->family);
	if (!x)
		return NULL;
	/* What another device is to decrypt is on its way there. */
	if (!xac_state_receives(x) || (x->xso.dev && x->xso.dev != skb->dev)) {
		xfrm_state_put(x);
		return NULL;
	}

	return x;
}

/* From now on the packet may be given to xfrm_input(); takes the SA. */
static struct xfrm_offload *xac_gro_claim(struct sk_buff *skb,
					  struct xfrm_state *x)
{
	struct sec_path *sp = secpath_set(skb);

	if (!sp) {
		xfrm_state_put(x);
		return NULL;
	}
	sp->xvec[sp->len++] = x;
	sp->olen++;
	skb->mark = xfrm_smark_get(skb->mark, x);

	return xfrm_offload(skb);
}

static int xac_encap_type(const struct xfrm_state *x)
{
	return x->encap ? x->encap->encap_type : 0;
}

/**
 * xac_esp_opened - note with a packet that it has been decrypted, or has not
 * @x: the SA
 * @skb: the packet, in its security path @x as the last
 * @err: what xac_esp_open() returned, or its driver said later
 *
 * xfrm_input() counts what went wrong and frees the packet.
 */
void xac_esp_opened(const struct xfrm_state *x, struct sk_buff *skb, int err)
{
	struct xfrm_offload *xo = xfrm_offload(skb);

	xo->flags |= CRYPTO_DONE;
	switch (err) {
	case 0:
		/* A checksum of the ciphertext says nothing any more. */
		skb->ip_summed = CHECKSUM_NONE;
		xo->status = CRYPTO_SUCCESS;
		break;
	case -EBADMSG:
		xo->status = x->props.mode == XFRM_MODE_TRANSPORT ?
			     CRYPTO_TRANSPORT_ESP_AUTH_FAILED :
			     CRYPTO_TUNNEL_ESP_AUTH_FAILED;
		break;
	case -EINVAL:
		xo->status = CRYPTO_INVALID_PROTOCOL;
		break;
	default:
		xo->status = CRYPTO_GENERIC_ERROR;
		break;
	}
}

static void xac_gro_opened(struct sk_buff *skb, int err)
{
	const struct xfrm_state *x = xfrm_input_state(skb);

	xac_esp_opened(x, skb, err);
	xfrm_input(skb, IPPROTO_ESP, x->id.spi, xac_encap_type(x));
}

/* The driver took its time: the packet goes on from a softirq of its own. */
static void xac_gro_opened_late(struct sk_buff *skb, int err)
{
	local_bh_disable();
	rcu_read_lock();
	xac_gro_opened(skb, err);
	rcu_read_unlock();
	local_bh_enable();
}

/* What is ours to decrypt; the rest the kernel does, or refuses. */
static bool xac_gro_opens(const struct xfrm_state *x, int encap_type)
{
	return xac_esp_is_ours(x) && xac_encap_type(x) == encap_type &&
	       x->km.state == XFRM_STATE_VALID;
}

/*
 * What xfrm_input() is to know of a packet that has never been to the IP layer.
 *
 * @nexthdr_offset: from the outer IP header to where ESP is named; IPv6
 */
static void xac_gro_tell(const struct xac_esp_family *fam, struct sk_buff *skb,
			 unsigned int nexthdr_offset, __be32 seq)
{
	xfrm_offload(skb)->flags |= XFRM_GRO;
	if (nexthdr_offset)
		IP6CB(skb)->nhoff = nexthdr_offset;
	XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip4 = NULL;
	XFRM_SPI_SKB_CB(skb)->family = fam->family;
	XFRM_SPI_SKB_CB(skb)->daddroff = fam->daddr_offset;
	XFRM_SPI_SKB_CB(skb)->seq = seq;
}

/**
 * xac_esp_gro_skip - what GRO would do with a packet that a device decrypted
 * @fam: outer family
 * @skb: the packet, xac_esp_opened(), data and transport header at the ESP
 * header, which follows the outer IP header; consumed
 *
 * Context: bottom halves off, RCU.
 */
void xac_esp_gro_skip(const struct xac_esp_family *fam, struct sk_buff *skb)
{
	const struct ip_esp_hdr *esph = ip_esp_hdr(skb);

	xac_gro_tell(fam, skb, fam->family == AF_INET6 ?
			       offsetof(struct ipv6hdr, nexthdr) : 0,
		     esph->seq_no);
	xfrm_input(skb, IPPROTO_ESP, esph->spi, 0);
}

/**
 * xac_esp_gro_take - take a packet out of GRO
 * @fam: outer family
 * @skb: the packet, its GRO offset at the ESP header
 * @x: the SA, referenced; is taken as well, whatever happens. NULL: a device
 * has decrypted, and the packet has its SA
 * @encap_type: UDP_ENCAP_ESPINUDP, or 0
 *
 * Context: softirq, RCU.
 * Return: true; false with the packet as it was, for the kernel's own way.
 */
bool xac_esp_gro_take(const struct xac_esp_family *fam, struct sk_buff *skb,
		      struct xfrm_state *x, int encap_type)
{
	unsigned int offset = skb_gro_offset(skb), nexthdr = 0;
	struct xfrm_offload *xo;
	__be32 spi, seq;
	int err;

	if (!pskb_may_pull(skb, offset + sizeof(struct ip_esp_hdr)))
		goto put;
	skb_set_network_header(skb, xac_gro_network_offset(skb));
	/* Padding of Ethernet may follow the packet: the IP layer cuts it off. */
	if (skb_network_offset(skb) +
	    fam->total_len(skb_network_header(skb)) != skb->len)
		goto put;
	if (fam->nexthdr_offset) {
		nexthdr = fam->nexthdr_offset(skb, offset,
					      encap_type ? IPPROTO_UDP :
							   IPPROTO_ESP);
		if (!nexthdr)
			goto put;
	}
	if (x) {
		xo = xac_gro_claim(skb, x);
		if (!xo)
			return false;
	} else {
		x = xfrm_input_state(skb);
		xo = xfrm_offload(skb);
	}

	/* This is where the GRO state ends: both lie in skb->cb. */
	__skb_pull(skb, offset);
	skb_reset_transport_header(skb);
	spi = ip_esp_hdr(skb)->spi;
	seq = ip_esp_hdr(skb)->seq_no;
	xac_gro_tell(fam, skb, nexthdr, seq);

	if (xo->flags & CRYPTO_DONE || !xac_gro_opens(x, encap_type)) {
		xfrm_input(skb, IPPROTO_ESP, spi, encap_type);
		return true;
	}
	err = xac_esp_open(x, skb, seq, xac_gro_opened_late);
	if (err != -EINPROGRESS)
		xac_gro_opened(skb, err);

	return true;

put:
	if (x)
		xfrm_state_put(x);

	return false;
}

/**
 * xac_esp_gro_receive - the gro_receive callback of ESP
 * @fam: outer family
 * @skb: the packet, its GRO offset at the ESP header
 *
 * What comes by the wire of an espnic that has the SA is that device's. A packet
 * without an SA, or within another SA's tunnel, goes the kernel's own way, which
 * counts it.
 *
 * Context: softirq, RCU.
 * Return: ERR_PTR(-EINPROGRESS) if the packet has been taken, else NULL.
 */
struct sk_buff *xac_esp_gro_receive(const struct xac_esp_family *fam,
				    struct sk_buff *skb)
{
	const struct xfrm_offload *xo = xfrm_offload(skb);
	unsigned int offset = skb_gro_offset(skb);
	struct xfrm_state *x = NULL;
	const struct ip_esp_hdr *esph;
	const void *iph;

	esph = skb_gro_header(skb, offset + sizeof(*esph), offset);
	if (!esph)
		goto refuse;
	if (!xo || !(xo->flags & CRYPTO_DONE)) {
		iph = xac_gro_ip_header(skb, esph);
		if (xac_nic_gro_receive(fam, skb, iph, esph->spi))
			return ERR_PTR(-EINPROGRESS);
		x = xac_esp_gro_state(fam, skb, iph, esph->spi);
		if (!x)
			goto refuse;
	}
	if (xac_esp_gro_take(fam, skb, x, xac_gro_encap_type(skb)))
		return ERR_PTR(-EINPROGRESS);

refuse:
	NAPI_GRO_CB(skb)->same_flow = 0;
	NAPI_GRO_CB(skb)->flush = 1;

	return NULL;
}
