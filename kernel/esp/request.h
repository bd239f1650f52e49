/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_ESP_REQUEST_H
#define _XAC_ESP_REQUEST_H

#include <crypto/aead.h>
#include <linux/scatterlist.h>
#include <net/xfrm.h>

/**
 * DOC: Memory of crypto requests
 *
 * Every CPU keeps the memory of one request. Whoever needs one takes it away,
 * and gives it back to whatever CPU it is then on. A request that the driver
 * has not finished yet keeps its memory, and so does one of a preempted task:
 * whoever comes then finds nothing and allocates. So nothing here needs a
 * lock or a context.
 */

/**
 * struct xac_request - one packet being encrypted or decrypted
 * @size: bytes that follow this struct
 * @iv_offset: of the IV from @memory
 * @req_offset: of the crypto request from @memory
 * @shifted: the 4 bytes in front of the ESP header while the ESN is there
 * @esn: the ESP header is shifted to make room for the ESN
 * @skb: the packet
 * @sg: its bytes
 * @done: called when a driver that took its time has finished
 * @memory: IV and crypto request
 */
struct xac_request {
	unsigned int size;
	unsigned int iv_offset;
	unsigned int req_offset;
	__be32 shifted;
	bool esn;
	struct sk_buff *skb;
	struct scatterlist sg;
	void (*done)(struct sk_buff *skb, int err);
	u8 memory[] __aligned(CRYPTO_MINALIGN);
};

static inline u8 *xac_request_iv(struct xac_request *r)
{
	return r->memory + r->iv_offset;
}

static inline struct aead_request *xac_request_aead(struct xac_request *r)
{
	return (struct aead_request *)(r->memory + r->req_offset);
}

struct xac_request *xac_request_get(struct crypto_aead *aead);
void xac_request_put(struct xac_request *r);
void xac_request_packet(struct xac_request *r, struct xfrm_state *x,
			struct sk_buff *skb, struct ip_esp_hdr *esph,
			__be32 seq_hi,
			void (*done)(struct sk_buff *skb, int err));
int xac_request_end(struct xac_request *r, int err);
void xac_requests_free(void);

#endif /* _XAC_ESP_REQUEST_H */
