/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_ESP_LAYOUT_H
#define _XAC_ESP_LAYOUT_H

#include <crypto/aead.h>
#include <linux/pfkeyv2.h>
#include <net/ip.h>
#include <net/xfrm.h>

/**
 * DOC: Layout of an ESP packet (RFC 4303, section 2)
 *
 *	| SPI, sequence number | IV | payload | padding, its length, type | ICV |
 *	|<--- header length ------->|         |<------ trailer length -------->|
 *	                            |<------- encrypted -------->|
 *	|<------------------- authenticated -------------------->|
 *
 * With extended sequence numbers the upper 32 bits are authenticated, between
 * SPI and sequence number, but not sent.
 */

/**
 * xac_esp_header_len - bytes in front of the payload
 * @aead: transform of the SA
 */
static inline unsigned int xac_esp_header_len(struct crypto_aead *aead)
{
	return sizeof(struct ip_esp_hdr) + crypto_aead_ivsize(aead);
}

/**
 * xac_esp_block_len - what the encrypted part is a multiple of
 * @aead: transform of the SA
 *
 * Of the cipher's block, and of 4 bytes (RFC 4303, section 2.4).
 */
static inline unsigned int xac_esp_block_len(struct crypto_aead *aead)
{
	return ALIGN(crypto_aead_blocksize(aead), 4);
}

/**
 * xac_esp_trailer_len - bytes behind a payload
 * @aead: transform of the SA
 * @payload: length of the payload
 */
static inline unsigned int xac_esp_trailer_len(struct crypto_aead *aead,
					       unsigned int payload)
{
	return ALIGN(payload + 2, xac_esp_block_len(aead)) - payload +
	       crypto_aead_authsize(aead);
}

/**
 * xac_esp_is_plain - does the SA neither encrypt nor authenticate?
 * @x: the SA
 *
 * Null encryption (RFC 2410) without an ICV: the packet has the form of ESP,
 * and no byte of the payload changes.
 */
static inline bool xac_esp_is_plain(const struct xfrm_state *x)
{
	return x->props.ealgo == SADB_EALG_NULL &&
	       (x->props.aalgo == SADB_AALG_NONE ||
		x->props.aalgo == SADB_X_AALG_NULL);
}

void xac_esp_put_trailer(u8 *tail, unsigned int len, unsigned int icv_len,
			 u8 nexthdr);
int xac_esp_strip(struct sk_buff *skb, struct crypto_aead *aead);

#endif /* _XAC_ESP_LAYOUT_H */
