/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_KUNIT_FIXTURE_H
#define _XAC_KUNIT_FIXTURE_H

#include <kunit/test.h>
#include <linux/netdevice.h>
#include <net/xfrm.h>

#include "iface/iface.h"

/**
 * DOC: What the suites share
 *
 * Everything goes through the interfaces that user space and the stack use:
 * links are made by netlink requests, SAs and policies are real ones. Two
 * things are made up: the lower device, which looks at what would go onto the
 * wire and throws it away, and the packets.
 *
 * Nothing here asserts: helpers return errors, so that no test is thrown out
 * while a lock is held.
 */

/* Addresses: outer ones on the lower device, inner ones behind the tunnel. */
#define XK_OUT4_A	0xc0000201u	/* 192.0.2.1, ours */
#define XK_OUT4_B	0xc0000202u	/* 192.0.2.2, the peer */
#define XK_IN4_A	0x0a070001u	/* 10.7.0.1, on the interface */
#define XK_IN4_B	0x0a070002u	/* 10.7.0.2, behind it */

#define XK_IF_ID	7
#define XK_REQID	77
#define XK_SPI_OUT	0x1001
#define XK_SPI_IN	0x1002

extern const struct in6_addr xk_out6_a, xk_out6_b, xk_in6_a, xk_in6_b;

/* fixture_wire.c */

/**
 * struct xk_wire - what the lower device was given to send
 * @esp: ESP packets, IPv4 and IPv6
 * @plain: UDP, TCP and ICMP packets from behind the tunnel, IPv4 and IPv6
 * @fragments: IP fragments among all packets
 * @too_big: "fragmentation needed" and "packet too big" messages
 * @mtu: that the last of these named
 * @mark: of the last ESP packet
 * @verdict: what its ndo_start_xmit answers
 * @keep: the next packet is kept
 * @kept: it, for the test to take and free; data at the IP header
 */
struct xk_wire {
	unsigned int esp;
	unsigned int plain;
	unsigned int fragments;
	unsigned int too_big;
	u32 mtu;
	u32 mark;
	int verdict;
	bool keep;
	struct sk_buff *kept;
};

struct net_device *xk_wire_create(struct net *net, const char *name,
				  unsigned int mtu);
struct xk_wire *xk_wire_of(const struct net_device *dev);

/* fixture_links.c */

#define XK_WHY_LEN	160

/**
 * struct xk_link - what a request says about an xfrm link
 * @name: of the device
 * @if_id: IFLA_XFRM_IF_ID, left out if 0 and not @say_if_id
 * @link: IFLA_XFRM_LINK, left out if 0
 * @mtu: IFLA_MTU, left out if 0
 * @external: IFLA_XFRM_COLLECT_METADATA
 * @say_if_id: send IFLA_XFRM_IF_ID even if it is 0
 * @no_data: send no IFLA_INFO_DATA at all
 * @why: receives the message of a refusal; "" if there was none
 */
struct xk_link {
	const char *name;
	u32 if_id;
	u32 link;
	u32 mtu;
	bool external;
	bool say_if_id;
	bool no_data;
	char why[XK_WHY_LEN];
};

int xk_link_new(struct net *net, struct xk_link *link);
int xk_link_change(struct net *net, struct xk_link *link);
int xk_link_del(struct net *net, const char *name);
int xk_nic_new(struct net *net, const char *name, u32 peer);
int xk_addr_add(struct net *net, const struct net_device *dev,
		unsigned short family, const void *addr, u8 prefix);
struct net_device *xk_dev_by_name(struct net *net, const char *name);
int xk_set_up(struct net_device *dev, bool up);
int xk_set_mtu(struct net_device *dev, unsigned int mtu);
int xk_move(struct net_device *dev, struct net *net);
void xk_unregister(struct net_device *dev);
struct net *xk_other_net(void);

/* fixture_keys.c */

/**
 * struct xk_cipher - how an SA encrypts and authenticates
 * @name: for messages
 * @aead: does both, or NULL
 * @encr: encrypts, or NULL
 * @auth: authenticates, or NULL
 * @geniv: makes the IV, or NULL
 * @key_len: bytes of key, with the salt
 * @auth_key_len: bytes of key of the authentication
 * @icv_len: bytes of the ICV
 */
struct xk_cipher {
	const char *name;
	const char *aead;
	const char *encr;
	const char *auth;
	const char *geniv;
	u8 key_len;
	u8 auth_key_len;
	u8 icv_len;
};

struct xk_sa;

extern const struct xk_cipher xk_gcm, xk_chacha, xk_cbc_hmac, xk_cbc,
			      xk_null_hmac, xk_plain;
int xk_sa_keys(struct xfrm_state *x, const struct xk_sa *sa);

/* fixture_xfrm.c */

/**
 * struct xk_sa - an SA between the outer addresses
 * @family: of the outer addresses
 * @mode: XFRM_MODE_TUNNEL and its like
 * @in: from B to A instead of from A to B
 * @spi: host byte order
 * @if_id: if_id
 * @daddr: destination instead of B's address; IPv4, host byte order
 * @one_family: the selector is for the outer family, not for any
 * @selects: family of the selector instead, or 0
 * @cipher: instead of AES-GCM
 * @key: its key, and behind it that of the authentication; or NULL: zeroes
 * @esn: extended sequence numbers, a window of 32 packets
 */
struct xk_sa {
	unsigned short family;
	u8 mode;
	bool in;
	u32 spi;
	u32 if_id;
	u32 daddr;
	bool one_family;
	unsigned short selects;
	const struct xk_cipher *cipher;
	const u8 *key;
	bool esn;
};

struct xfrm_state *xk_sa_make(struct net *net, const struct xk_sa *sa);
void xk_sa_free(struct xfrm_state *x);
struct xfrm_state *xk_sa_add(struct net *net, const struct xk_sa *sa);

/**
 * struct xk_policy - a policy for every inner address
 * @dir: XFRM_POLICY_OUT and its like
 * @inner: family of its selector
 * @outer: family of its template
 * @if_id: if_id
 * @action: XFRM_POLICY_ALLOW or _BLOCK
 * @daddr: tunnel endpoint instead of B's address; IPv4, host byte order
 * @selects: the one inner destination it is for, or 0; IPv4, host byte order
 * @any_saddr: the template leaves the local endpoint open
 * @priority: a lower number goes first
 */
struct xk_policy {
	int dir;
	unsigned short inner;
	unsigned short outer;
	u32 if_id;
	u8 action;
	u32 daddr;
	u32 selects;
	bool any_saddr;
	u32 priority;
};

int xk_policy_add(struct net *net, const struct xk_policy *policy);
void xk_flush(struct net *net);
void xk_sa_event(struct xfrm_state *x, u32 event);
void xk_policy_event(struct xfrm_policy *policy, int dir, u32 event);

/* The tunnel SA from B to A, with the interface's if_id. */
extern const struct xk_sa xk_sa_in;

/* fixture_packets.c */

void xk_set_saddr4(struct sk_buff *skb, u32 saddr);
struct sk_buff *xk_skb4(unsigned int len, bool df);
struct sk_buff *xk_skb6(unsigned int len);
struct sk_buff *xk_skb_gso4(unsigned int payload, unsigned int gso_size,
			    bool df);

/* Counts how often packets that were watched came to their end. */
void xk_watch(struct sk_buff *skb);
unsigned int xk_ended(void);

/* fixture.c */

/**
 * struct xk_world - what most suites start from
 * @net: namespace of everything
 * @lower: the lower device, with both outer addresses' networks
 * @dev: an xfrm interface over it, up, with both inner networks
 * @xd: its private part
 */
struct xk_world {
	struct net *net;
	struct net_device *lower;
	struct net_device *dev;
	struct xac_dev *xd;
};

int xk_world_init(struct kunit *test);
void xk_world_exit(struct kunit *test);
int xk_dev_make(struct xk_world *w, struct xk_link *link, u32 addr4,
		struct net_device **dev);
struct xfrm_state *xk_tunnel_by(struct xk_world *w, unsigned short outer,
				const struct xk_cipher *cipher, bool esn);
int xk_tunnel_out(struct xk_world *w, unsigned short outer);
int xk_allow_in(struct xk_world *w, unsigned short inner);
struct sk_buff *xk_decrypted(struct xk_world *w, struct xfrm_state *x,
			     struct sk_buff *skb);

/**
 * struct xk_stats - an interface's counters, to be compared
 * @drop: by reason; the last one counts lookups
 * @dev: the standard ones
 */
struct xk_stats {
	u64 drop[XAC_COUNTERS];
	struct rtnl_link_stats64 dev;
};

void xk_stats(struct net_device *dev, struct xk_stats *stats);
int xk_only_drop(const struct xk_stats *before, const struct xk_stats *after);
void xk_transmit(struct sk_buff *skb, struct net_device *dev,
		 struct xk_stats *before, struct xk_stats *after);
void xk_settle(void);
unsigned long xk_arrived(struct net *net);

/* --- failing allocations: needs CONFIG_FAULT_INJECTION --- */

#ifdef CONFIG_FAULT_INJECTION
#define xk_can_fail()	true
/* The @nth allocation of this task from now on fails. */
#define xk_fail_nth(nth)	WRITE_ONCE(current->fail_nth, nth)
/* Ends it. True if it has come to that. */
#define xk_has_failed()							\
({									\
	bool __failed = !READ_ONCE(current->fail_nth);			\
									\
	WRITE_ONCE(current->fail_nth, 0);				\
	__failed;							\
})
#else
#define xk_can_fail()		false
#define xk_fail_nth(nth)	do { } while (0)
#define xk_has_failed()		false
#endif

/* --- the suites --- */

extern struct kunit_suite xac_cache_suite;
extern struct kunit_suite xac_esp_suite;
extern struct kunit_suite xac_esp_cipher_suite;
extern struct kunit_suite xac_esp_fuzz_suite;
extern struct kunit_suite xac_esp_gro_suite;
extern struct kunit_suite xac_esp_gso_suite;
extern struct kunit_suite xac_esp_hardware_suite;
extern struct kunit_suite xac_esp_output_suite;
extern struct kunit_suite xac_forward_suite;
extern struct kunit_suite xac_table_suite;
extern struct kunit_suite xac_link_suite;
extern struct kunit_suite xac_transmit_suite;
extern struct kunit_suite xac_receive_suite;
extern struct kunit_suite xac_icmp_suite;
extern struct kunit_suite xac_late_suite;
extern struct kunit_suite xac_lwtunnel_suite;
extern struct kunit_suite xac_counters_suite;
extern struct kunit_suite xac_nic_suite;
extern struct kunit_suite xac_slots_suite;
extern struct kunit_suite xac_fuzz_suite;

#endif /* _XAC_KUNIT_FIXTURE_H */
