// SPDX-License-Identifier: GPL-2.0
/*
 * Encrypts one packet.
 */
#include <linux/netdevice.h>
#include <net/esp.h>

#include "esp/esp.h"
#include "esp/layout.h"
#include "esp/request.h"

/* Apart: a packet without a cipher does not pay for the preparations. */
static noinline int xac_seal(struct xfrm_state *x, struct sk_buff *skb, u64 seq,
			     void (*late)(struct sk_buff *skb, int err))
{
	struct crypto_aead *aead = x->data;
	struct ip_esp_hdr *esph = ip_esp_hdr(skb);
	unsigned int iv_len = crypto_aead_ivsize(aead);
	unsigned int encrypted = skb_tail_pointer(skb) - esph->enc_data -
				 crypto_aead_authsize(aead);
	unsigned int used = min_t(unsigned int, iv_len, sizeof(__be64));
	struct aead_request *req;
	struct xac_request *r;
	__be64 number;
	u8 *iv;

	r = xac_request_get(aead);
	if (!r)
		return -ENOMEM;

	number = cpu_to_be64(seq);
	iv = xac_request_iv(r);
	memset(iv, 0, iv_len);
	memcpy(iv + iv_len - used, (u8 *)(&number + 1) - used, used);

	xac_request_packet(r, x, skb, esph, htonl(seq >> 32), late);
	req = xac_request_aead(r);
	aead_request_set_crypt(req, &r->sg, &r->sg, encrypted, iv);

	return xac_request_end(r, crypto_aead_encrypt(req));
}

/**
 * xac_esp_seal - encrypt a packet, and write its IV and ICV
 * @x: the SA
 * @skb: the packet; owned (xac_esp_own()), complete but for IV and ICV, the
 * transport header at the ESP header
 * @seq: sequence number
 * @late: is given the packet when a driver that took its time has finished,
 * and what the driver said; in whatever context
 *
 * The IV is the sequence number: the transform makes a nonce of it that is
 * its key's own (RFC 4106, section 3), or encrypts it (CBC).
 *
 * Context: bottom halves off.
 * Return: 0; -EINPROGRESS if the packet has been taken, and @late will get
 * it; another negative errno with the packet left to the caller, and
 * nothing of the payload encrypted for sure.
 */
int xac_esp_seal(struct xfrm_state *x, struct sk_buff *skb, u64 seq,
		 void (*late)(struct sk_buff *skb, int err))
{
	if (xac_esp_is_plain(x))
		return 0;

	return xac_seal(x, skb, seq, late);
}
