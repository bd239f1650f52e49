// SPDX-License-Identifier: GPL-2.0
/*
 * Encrypts one packet.
 */
#include <linux/netdevice.h>
#include <net/esp.h>

#include "esp/esp.h"
#include "esp/layout.h"
#include "esp/request.h"

/*
 * The driver took its time. The core has given the packet away, and gets it
 * back as validate_xmit_xfrm() would have left it.
 */
static void xac_sealed_late(struct sk_buff *skb, int err)
{
	if (err) {
		XFRM_INC_STATS(dev_net(skb->dev),
			       LINUX_MIB_XFRMOUTSTATEPROTOERROR);
		kfree_skb(skb);
		return;
	}

	skb_push(skb, skb->data - skb_mac_header(skb));
	secpath_reset(skb);
	xfrm_dev_resume(skb);
}

/* Apart: a packet without a cipher does not pay for the preparations. */
static noinline int xac_seal(struct xfrm_state *x, struct sk_buff *skb, u64 seq)
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

	xac_request_packet(r, x, skb, esph, htonl(seq >> 32), xac_sealed_late);
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
 *
 * The IV is the sequence number: the transform makes a nonce of it that is
 * its key's own (RFC 4106, section 3), or encrypts it (CBC).
 *
 * Context: bottom halves off.
 * Return: 0; -EINPROGRESS if the packet has been taken, and will go on by
 * itself; another negative errno with the packet left to the caller, and
 * nothing of the payload encrypted for sure.
 */
int xac_esp_seal(struct xfrm_state *x, struct sk_buff *skb, u64 seq)
{
	if (xac_esp_is_plain(x))
		return 0;

	return xac_seal(x, skb, seq);
}
