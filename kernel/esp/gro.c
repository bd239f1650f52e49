// SPDX-License-Identifier: GPL-2.0
/*
 * Receives ESP in GRO: decrypts, and hands on what was inside, so that it
 * goes through GRO itself.
 */
#include <net/gro.h>

#include "compat/xfrm.h"
#include "esp/esp.h"

/* The SA that a packet came under, referenced, or NULL. */
static struct xfrm_state *xac_gro_state(const struct xac_esp_family *fam,
					struct sk_buff *skb, __be32 spi)
{
	const void *iph = skb_gro_network_header(skb);
	struct xfrm_state *x;

	x = xac_input_state_lookup(dev_net(skb->dev), skb->mark,
				   iph + fam->daddr_offset, spi, fam->family);
	if (!x)
		return NULL;
	if (!xac_state_receives(x)) {
		xfrm_state_put(x);
		return NULL;
	}

	return x;
}

/* The packet has its SA: from now on it may be given to xfrm_input(). */
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

/**
 * xac_esp_opened - hand a packet on that has been decrypted, or has not
 * @x: the SA
 * @skb: the packet; is consumed
 * @err: what xac_esp_open() returned, or its driver said later
 *
 * The kernel counts what went wrong and frees the packet.
 *
 * Context: bottom halves off, RCU.
 */
void xac_esp_opened(struct xfrm_state *x, struct sk_buff *skb, int err)
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

	xfrm_input(skb, IPPROTO_ESP, x->id.spi, 0);
}

/* What is ours to decrypt; the rest the kernel does, or refuses. */
static bool xac_gro_opens(const struct xfrm_state *x)
{
	return xac_esp_is_ours(x) && !x->encap &&
	       x->km.state == XFRM_STATE_VALID;
}

/**
 * xac_esp_gro_receive - the gro_receive callback of ESP
 * @fam: outer family
 * @skb: the packet, its GRO offset at the ESP header
 *
 * A packet without an SA, or within another SA's tunnel, goes the kernel's
 * own way, which counts it.
 *
 * Context: softirq.
 * Return: ERR_PTR(-EINPROGRESS) if the packet has been taken, else NULL.
 */
struct sk_buff *xac_esp_gro_receive(const struct xac_esp_family *fam,
				    struct sk_buff *skb)
{
	unsigned int offset = skb_gro_offset(skb);
	struct xfrm_offload *xo = xfrm_offload(skb);
	const struct ip_esp_hdr *esph;
	struct xfrm_state *x;
	unsigned int nexthdr;
	__be32 spi, seq;
	int err;

	esph = skb_gro_header(skb, offset + sizeof(*esph), offset);
	if (!esph)
		goto refuse;
	spi = esph->spi;
	seq = esph->seq_no;

	if (xo && xo->flags & CRYPTO_DONE) {
		x = xfrm_input_state(skb);
		if (!pskb_pull(skb, offset))
			goto refuse;
	} else {
		if (skb_sec_path(skb))
			goto refuse;
		x = xac_gro_state(fam, skb, spi);
		if (!x)
			goto refuse;
		if (!pskb_pull(skb, offset)) {
			xfrm_state_put(x);
			goto refuse;
		}
		xo = xac_gro_claim(skb, x);
		if (!xo)
			goto push;
	}

	nexthdr = fam->nexthdr_offset(skb, offset);
	if (!nexthdr) {
		secpath_reset(skb);
		goto push;
	}

	/* This is where the GRO state ends: both lie in skb->cb. */
	xo->flags |= XFRM_GRO;
	if (fam->family == AF_INET6)
		IP6CB(skb)->nhoff = nexthdr;
	XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip4 = NULL;
	XFRM_SPI_SKB_CB(skb)->family = fam->family;
	XFRM_SPI_SKB_CB(skb)->daddroff = fam->daddr_offset;
	XFRM_SPI_SKB_CB(skb)->seq = seq;

	if (xo->flags & CRYPTO_DONE || !xac_gro_opens(x)) {
		xfrm_input(skb, IPPROTO_ESP, spi, 0);
	} else {
		err = xac_esp_open(x, skb, seq);
		if (err != -EINPROGRESS)
			xac_esp_opened(x, skb, err);
	}

	return ERR_PTR(-EINPROGRESS);

push:
	skb_push(skb, offset);
refuse:
	NAPI_GRO_CB(skb)->same_flow = 0;
	NAPI_GRO_CB(skb)->flush = 1;

	return NULL;
}
