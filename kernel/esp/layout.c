// SPDX-License-Identifier: GPL-2.0
/*
 * The trailer of an ESP packet: how it is written and taken away.
 */
#include <linux/skbuff.h>

#include "esp/layout.h"

/**
 * xac_esp_put_trailer - write padding, its length and the payload's type
 * @tail: where the payload ends
 * @len: of the trailer, with the ICV
 * @icv_len: bytes of @len that are left for the ICV
 * @nexthdr: type of the payload, an IP protocol number
 *
 * The padding is 1, 2, 3, ... (RFC 4303, section 2.4).
 */
void xac_esp_put_trailer(u8 *tail, unsigned int len, unsigned int icv_len,
			 u8 nexthdr)
{
	unsigned int padding = len - icv_len - 2, i;

	for (i = 0; i < padding; i++)
		tail[i] = i + 1;
	tail[padding] = padding;
	tail[padding + 1] = nexthdr;
}

/**
 * xac_esp_strip - take the ESP header and trailer off a decrypted packet
 * @skb: data at the ESP header, which lies in the linear part with its IV
 * @aead: transform of the SA
 *
 * Return: the type of the payload, an IP protocol number; -EINVAL for padding
 * longer than the packet and for dummy packets (RFC 4303, section 2.6).
 */
int xac_esp_strip(struct sk_buff *skb, struct crypto_aead *aead)
{
	unsigned int header = xac_esp_header_len(aead);
	unsigned int icv_len = crypto_aead_authsize(aead);
	u8 padding, proto;
	u8 buf[2], *end;
	int err;

	/* A payload of no bytes is no IP packet, whatever it claims to be. */
	if (skb->len <= header + icv_len + sizeof(buf))
		return -EINVAL;
	end = skb_header_pointer(skb, skb->len - icv_len - sizeof(buf),
				 sizeof(buf), buf);
	if (!end)
		return -EINVAL;

	padding = end[0];
	proto = end[1];
	if (proto == IPPROTO_NONE ||
	    skb->len <= header + icv_len + sizeof(buf) + padding)
		return -EINVAL;

	err = pskb_trim_rcsum(skb, skb->len - icv_len - sizeof(buf) - padding);
	if (err)
		return err;
	skb_pull_rcsum(skb, header);

	return proto;
}
