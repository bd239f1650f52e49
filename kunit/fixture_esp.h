/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_KUNIT_FIXTURE_ESP_H
#define _XAC_KUNIT_FIXTURE_ESP_H

#include "esp/esp.h"
#include "kunit/fixture.h"

/* fixture_esp.c */

/**
 * struct xk_esp - what an ESP packet carries
 * @payload: the payload
 * @len: of it, in bytes
 * @proto: its type, an IP protocol number
 * @seq: sequence number, with an ESN all 64 bits of it
 */
struct xk_esp {
	const void *payload;
	unsigned int len;
	u8 proto;
	u64 seq;
};

void xk_fill(u8 *buf, unsigned int len);
u8 xk_inner(u8 *buf, unsigned short family, unsigned int len);
struct sk_buff *xk_outer(struct xk_world *w, const struct xfrm_state *x,
			 unsigned int len);
struct sk_buff *xk_esp_built(struct xk_world *w, struct xfrm_state *x,
			     const struct xk_esp *p);
struct sk_buff *xk_esp_sealed(struct xk_world *w, struct xfrm_state *x,
			      const struct xk_esp *p);
struct sk_buff *xk_esp_sealed_by_kernel(struct xk_world *w,
					struct xfrm_state *x,
					const struct xk_esp *p);
bool xk_came_under(struct sk_buff *skb, struct xfrm_state *x);
int xk_opened(struct xfrm_state *x, struct sk_buff *skb);
int xk_opened_by_kernel(struct xfrm_state *x, struct sk_buff *skb, u64 seq);
void xk_gro_begin(struct sk_buff *skb, unsigned int offset);
bool xk_gro(struct sk_buff *skb, unsigned short family);
unsigned long xk_mib(struct net *net, int field);

/* fixture_trains.c */

/**
 * struct xk_train - a packet that stands for several
 * @family: AF_INET or AF_INET6
 * @proto: IPPROTO_TCP or IPPROTO_UDP
 * @options: bytes of IPv4 options
 * @payload: bytes of it
 * @size: payload of each segment but the last
 * @shape: how it lies in memory. XK_ARRIVED: packets as they came in, which GRO
 * has but put on a list (SKB_GSO_FRAGLIST); of TCP, the last has a FIN
 * @unsummed: the checksums of XK_ARRIVED are left to the device
 */
struct xk_train {
	unsigned short family;
	u8 proto;
	u8 options;
	unsigned int payload;
	unsigned int size;
	enum { XK_LINEAR, XK_PAGES, XK_LIST, XK_ARRIVED } shape;
	bool unsummed;
};

struct sk_buff *xk_train(const struct xk_train *t);
struct sk_buff *xk_output(struct xk_world *w, struct xfrm_state *x,
			  struct sk_buff *skb);
struct sk_buff *xk_segment(struct sk_buff *train);
struct sk_buff *xk_validate(struct sk_buff *segs);
unsigned int xk_list_len(const struct sk_buff *segs);

/* esp_vectors.c */

/**
 * struct xk_vector - an ESP packet that was published with what is in it
 * @source: where
 * @cipher: what it is encrypted with
 * @key: its key
 * @mode: of the SA
 * @esp: the packet from its ESP header on
 * @esp_len: of it, in bytes
 * @payload: the payload
 * @len: of it, in bytes
 * @proto: its type, an IP protocol number
 */
struct xk_vector {
	const char *source;
	const struct xk_cipher *cipher;
	const u8 *key;
	u8 mode;
	const u8 *esp;
	unsigned int esp_len;
	const u8 *payload;
	unsigned int len;
	u8 proto;
};

extern const struct xk_vector xk_vectors[];
extern const unsigned int xk_vectors_count;

#endif /* _XAC_KUNIT_FIXTURE_ESP_H */
