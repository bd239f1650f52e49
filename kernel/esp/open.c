// SPDX-License-Identifier: GPL-2.0
/*
 * Decrypts one packet.
 */
#include <linux/netdevice.h>
#include <net/esp.h>

#include "esp/esp.h"
#include "esp/layout.h"
#include "esp/request.h"

/**
 * xac_esp_open - check and decrypt a packet
 * @x: the SA
 * @skb: the packet, data at the ESP header, its last SA @x
 * @seq: the sequence number of its ESP header
 * @late: is given the packet when a driver that took its time has finished,
 * and what the driver said; in whatever context
 *
 * Context: softirq.
 * Return: 0 with ESP header, IV, plaintext, trailer and ICV where they were;
 * -EINPROGRESS if the packet has been taken, and @late will get it; another negative errno,
 * -EBADMSG for a wrong ICV, -EINVAL for a packet too short, with the packet
 * left to the caller.
 */
int xac_esp_open(struct xfrm_state *x, struct sk_buff *skb, __be32 seq,
		 void (*late)(struct sk_buff *skb, int err))
{
	struct crypto_aead *aead = x->data;
	unsigned int header = xac_esp_header_len(aead);
	struct aead_request *req;
	struct ip_esp_hdr *esph;
	struct xac_request *r;
	__be32 seq_hi;
	int err;

	if (skb->len <= header + crypto_aead_authsize(aead))
		return -EINVAL;

	if (xac_esp_is_plain(x))
		return 0;

	err = xac_esp_own(skb, 0);
	if (err)
		return err;
	r = xac_request_get(aead);
	if (!r)
		return -ENOMEM;

	esph = (struct ip_esp_hdr *)skb->data;
	seq_hi = htonl(xfrm_replay_seqhi(x, seq));
	xac_request_packet(r, x, skb, esph, seq_hi, late);
	req = xac_request_aead(r);
	/* The transform takes the IV from the packet. */
	aead_request_set_crypt(req, &r->sg, &r->sg,
			       skb->len - sizeof(*esph), xac_request_iv(r));

	return xac_request_end(r, crypto_aead_decrypt(req));
}
