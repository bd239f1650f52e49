// SPDX-License-Identifier: GPL-2.0
/*
 * Crypto requests: their memory, and what is the same for both directions.
 */
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <net/esp.h>

#include "compat/crypto.h"
#include "esp/layout.h"
#include "esp/request.h"

static DEFINE_PER_CPU(struct xac_request *, xac_spare_request);

/**
 * xac_request_get - memory for a request to a transform
 * @aead: the transform
 *
 * Return: the request, its transform set, or NULL: no memory.
 */
struct xac_request *xac_request_get(struct crypto_aead *aead)
{
	/* The memory's own alignment counts as far as the IV needs more. */
	unsigned int align = crypto_aead_alignmask(aead) + 1;
	unsigned int slack = align > CRYPTO_MINALIGN ?
			     align - CRYPTO_MINALIGN : 0;
	unsigned int iv = ALIGN(crypto_aead_ivsize(aead) + slack,
				CRYPTO_MINALIGN);
	unsigned int size = iv + sizeof(struct aead_request) +
			    crypto_aead_reqsize(aead);
	struct xac_request *r = this_cpu_xchg(xac_spare_request, NULL);

	if (!r || r->size < size) {
		kfree(r);
		r = kmalloc(struct_size(r, memory, size), GFP_ATOMIC);
		if (!r)
			return NULL;
		r->size = size;
	}

	r->iv_offset = PTR_ALIGN(&r->memory[0], align) - r->memory;
	r->req_offset = iv;
	aead_request_set_tfm(xac_request_aead(r), aead);

	return r;
}

/**
 * xac_request_put - give the memory of a request back
 * @r: the request, finished
 */
void xac_request_put(struct xac_request *r)
{
	kfree(this_cpu_xchg(xac_spare_request, r));
}

/* The ESP header goes back to its place. */
static void xac_request_restore(struct xac_request *r)
{
	__be32 *aad = sg_virt(&r->sg);

	if (!r->esn)
		return;

	aad[1] = aad[0];
	aad[0] = r->shifted;
}

static void xac_request_done(xac_crypto_base *base, int err)
{
	struct xac_request *r = xac_crypto_data(base);
	struct sk_buff *skb = r->skb;
	struct net_device *dev = skb->dev;

	/* A driver says so when a request leaves its backlog. */
	if (err == -EINPROGRESS)
		return;

	xac_request_restore(r);
	r->done(skb, err);
	xac_request_put(r);
	dev_put(dev);
}

/**
 * xac_request_packet - point a request at a packet
 * @r: the request
 * @x: the SA
 * @skb: the packet; linear, in memory of its own
 * @esph: its ESP header; the packet ends with the ICV
 * @seq_hi: upper half of the sequence number
 * @done: called when the request is finished that has returned -EINPROGRESS;
 * takes the packet
 *
 * The AAD is SPI and sequence number, with ESN 64 bits of it (RFC 4303,
 * section 2.2.1; RFC 4106, section 5). Drivers are fast only where AAD and
 * IV are contiguous, so the header moves 4 bytes forward, over what lies
 * there, until the request has ended.
 *
 * A driver that takes its time finds packet, SA and device as they are: the
 * packet holds the SA, the request the device, and that its namespace.
 *
 * The caller sets the lengths, aead_request_set_crypt(), and tells what the
 * transform returned, xac_request_end().
 */
void xac_request_packet(struct xac_request *r, struct xfrm_state *x,
			struct sk_buff *skb, struct ip_esp_hdr *esph,
			__be32 seq_hi,
			void (*done)(struct sk_buff *skb, int err))
{
	struct aead_request *req = xac_request_aead(r);
	u8 *start = (u8 *)esph;

	dev_hold(skb->dev);
	r->skb = skb;
	r->done = done;
	r->esn = x->props.flags & XFRM_STATE_ESN;
	if (r->esn) {
		__be32 *aad = (__be32 *)esph - 1;

		r->shifted = aad[0];
		aad[0] = esph->spi;
		aad[1] = seq_hi;
		start = (u8 *)aad;
	}

	sg_init_one(&r->sg, start, skb_tail_pointer(skb) - start);
	aead_request_set_callback(req, 0, xac_request_done, r);
	aead_request_set_ad(req, sizeof(*esph) + (r->esn ? 4 : 0));
}

/**
 * xac_request_end - what is to be done after encrypting or decrypting
 * @r: the request
 * @err: what the transform returned; with -EINPROGRESS the request is not
 * ours any more
 *
 * Return: @err.
 */
int xac_request_end(struct xac_request *r, int err)
{
	if (err == -EINPROGRESS)
		return err;

	xac_request_restore(r);
	dev_put(r->skb->dev);
	xac_request_put(r);

	return err;
}

/**
 * xac_requests_free - free what the CPUs keep
 *
 * Context: process; no packet is on its way any more.
 */
void xac_requests_free(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		kfree(per_cpu(xac_spare_request, cpu));
		per_cpu(xac_spare_request, cpu) = NULL;
	}
}
