/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_ESP_ESP_H
#define _XAC_ESP_ESP_H

#include <net/protocol.h>
#include <net/xfrm.h>

/**
 * DOC: The ESP engine
 *
 * It stands where the kernel's esp4_offload and esp6_offload would, in the
 * hooks of ESP's GRO and GSO and in xfrm_type_offload, and builds and takes
 * apart ESP packets itself. Keys and transforms are those of the SA, as the
 * kernel has initialised it.
 *
 * layout.c knows the form of a packet, request.c the crypto requests, seal.c
 * and open.c encrypt and decrypt one packet. What our interfaces send goes
 * through output.c, the short way, as far as that serves; gso.c, gro.c and
 * type_offload.c are what the kernel calls, and natt.c for ESP in UDP. None of
 * them is there twice: what IPv4 and IPv6 do differently is in family.c.
 *
 * A packet is transformed in place, in memory that nobody else can see; one
 * that lies elsewhere is copied first: xac_esp_own().
 */

/**
 * struct xac_esp_inner - what a tunnel's outer header says of the inner one
 * @flow_label: of IPv6, network byte order
 * @proto: IP protocol number of the inner packet
 * @dsfield: the outer header's
 * @df: may the outer packet not be fragmented?
 */
struct xac_esp_inner {
	__be32 flow_label;
	u8 proto;
	u8 dsfield;
	bool df;
};

/**
 * struct xac_esp_family - where IPv4 and IPv6 differ as the outer family
 * @family: AF_INET or AF_INET6
 * @header_len: of the IP header
 * @daddr_offset: of the destination address in it
 * @offloads: GRO and GSO callbacks of the protocols within
 * @ipip_gso_type: of a train of packets of the other family within
 * @ipip_proto: the IP protocol number of such a packet
 * @put_header: the outer header of a tunnel, all but its length; data is
 * there. The route is the one that the packet leaves by
 * @set_length: the outer header learns how long the packet has become; data
 * is at that header
 * @total_len: of the packet, as its IP header says
 * @nexthdr_offset: where the outer headers name a protocol, given the length
 * of all of them; 0 if they do not. NULL: where there is only one such place
 * @nat_source: the peer's address as seen now
 */
struct xac_esp_family {
	unsigned short family;
	unsigned short header_len;
	unsigned short daddr_offset;
	const struct net_offload __rcu **offloads;
	unsigned int ipip_gso_type;
	u8 ipip_proto;
	void (*put_header)(struct sk_buff *skb, const struct xfrm_state *x,
			   const struct xac_esp_inner *inner,
			   struct dst_entry *route);
	void (*set_length)(struct sk_buff *skb);
	unsigned int (*total_len)(const void *iph);
	unsigned int (*nexthdr_offset)(const struct sk_buff *skb,
				       unsigned int headers, u8 proto);
	void (*nat_source)(const struct sk_buff *skb, xfrm_address_t *addr);
};

/*
 * What a packet is to have when it leaves is kept in the status of its security
 * path, which only a received one has a use for.
 *
 * @tfc: length that its payload is padded to
 * @reserved: of a train, sequence numbers that its segments have
 */
static inline void xac_esp_note(struct xfrm_offload *xo, u16 tfc, u16 reserved)
{
	xo->status = (u32)reserved << 16 | tfc;
}

static inline u16 xac_esp_tfc(const struct xfrm_offload *xo)
{
	return xo->status & U16_MAX;
}

static inline u16 xac_esp_reserved(const struct xfrm_offload *xo)
{
	return xo->status >> 16;
}

/* family.c */
extern const struct xac_esp_family xac_esp_ipv4, xac_esp_ipv6;
const struct xac_esp_family *xac_esp_family(unsigned short family);

/* memory.c */
int xac_esp_own(struct sk_buff *skb, unsigned int tail);

/* seal.c */
int xac_esp_seal(struct xfrm_state *x, struct sk_buff *skb, u64 seq,
		 void (*late)(struct sk_buff *skb, int err));

/* open.c */
int xac_esp_open(struct xfrm_state *x, struct sk_buff *skb, __be32 seq,
		 void (*late)(struct sk_buff *skb, int err));

/* output.c */
void xac_esp_wrap(struct xfrm_state *x, struct sk_buff *skb, u64 seq,
		  struct dst_entry *route);
int xac_short_output(struct net *net, struct sock *sk, struct sk_buff *skb);

/* gso.c */
int xac_beet_payload(const struct xfrm_state *x, struct sk_buff *skb,
		     u8 *proto);
struct sk_buff *xac_esp_gso_segment(const struct xac_esp_family *fam,
				    struct sk_buff *skb,
				    netdev_features_t features);
int xac_esp_train_data(const struct sk_buff *train);
int xac_esp_take_back(struct sk_buff *train);
unsigned int xac_esp_train_len(const struct xfrm_state *x,
			       struct sk_buff *train);
struct sk_buff *xac_esp_cut(struct xfrm_state *x, struct sk_buff *train);

/* gro.c */
struct xfrm_state *xac_esp_gro_state(const struct xac_esp_family *fam,
				     struct sk_buff *skb, const void *iph,
				     __be32 spi);
bool xac_esp_gro_take(const struct xac_esp_family *fam, struct sk_buff *skb,
		      struct xfrm_state *x, int encap_type);
void xac_esp_gro_skip(const struct xac_esp_family *fam, struct sk_buff *skb);
struct sk_buff *xac_esp_gro_receive(const struct xac_esp_family *fam,
				    struct sk_buff *skb);
void xac_esp_opened(const struct xfrm_state *x, struct sk_buff *skb, int err);

/* natt.c */
int xac_natt_register(void);
void xac_natt_unregister(void);

/* type_offload.c */
bool xac_esp_in_hardware(const struct xfrm_state *x,
			 const struct net_device *dev,
			 netdev_features_t features);
bool xac_esp_is_ours(const struct xfrm_state *x);
u64 xac_esp_seq(const struct xfrm_offload *xo, const struct sk_buff *skb);
int xac_esp_hand_over_segment(struct xfrm_state *x, struct sk_buff *skb);
int xac_esp_complete(struct xfrm_state *x, struct sk_buff *skb,
		     void (*late)(struct sk_buff *skb, int err));
extern const struct xfrm_type_offload xac_esp_type_ipv4, xac_esp_type_ipv6;

/* show.c */
int xac_esp_show_register(void);
void xac_esp_show_unregister(void);

/* hooks.c */
int xac_esp_register(void);
void xac_esp_unregister(void);

#endif /* _XAC_ESP_ESP_H */
