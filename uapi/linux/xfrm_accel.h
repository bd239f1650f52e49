/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What user space may rely on from xfrm_accel.
 *
 * Every packet that an "xfrm" interface discards is counted under exactly one
 * drop reason. The counts are per interface, 64 bits wide, and read with
 * ethtool's statistics under the names below, after XFRM_ACCEL_DROP_PREFIX:
 * "ethtool -S ipsec0" prints "drop_tx_no_policy: 3". The tracepoint
 * xfrm_accel:xfrm_accel_drop carries number and name.
 *
 * Numbers and names are never changed or used again; new ones are appended.
 */
#ifndef _UAPI_LINUX_XFRM_ACCEL_H
#define _UAPI_LINUX_XFRM_ACCEL_H

#define XFRM_ACCEL_DRIVER_NAME	"xfrm_accel"	/* ethtool -i */
#define XFRM_ACCEL_DROP_PREFIX	"drop_"

/*
 * How often policy and SA were looked up for a packet to send; beside that,
 * packets were sent by what is remembered of their flow.
 */
#define XFRM_ACCEL_LOOKUPS	"tx_bundle_lookups"

/*
 * How often route and policies were looked up for a packet that was forwarded
 * from the interface or to it; beside that, what is remembered of its flow was
 * enough.
 */
#define XFRM_ACCEL_FORWARD_LOOKUPS	"forward_lookups"

/**
 * enum xfrm_accel_drop_reason - why an xfrm interface discarded a packet
 * @XFRM_ACCEL_DROP_TX_NOT_IP: the packet given to the interface is neither
 *	IPv4 nor IPv6
 * @XFRM_ACCEL_DROP_TX_MALFORMED: its IP header is truncated or not what its
 *	protocol says
 * @XFRM_ACCEL_DROP_TX_NO_ROUTE: it came without a route and none was found
 * @XFRM_ACCEL_DROP_TX_NO_METADATA: an external interface got a packet that
 *	names no if_id
 * @XFRM_ACCEL_DROP_TX_NO_POLICY: no output policy with the interface's if_id
 *	matches
 * @XFRM_ACCEL_DROP_TX_POLICY_BLOCK: the matching policy blocks the packet
 * @XFRM_ACCEL_DROP_TX_NO_SA: a policy matches but has no SA yet: the key
 *	manager was asked
 * @XFRM_ACCEL_DROP_TX_WRONG_IF_ID: the SA found belongs to another if_id
 * @XFRM_ACCEL_DROP_TX_LOOKUP: the lookup of policy and SA failed for another
 *	cause (memory, outer route)
 * @XFRM_ACCEL_DROP_TX_LOOP: the route of the encrypted packet leads back into
 *	the interface
 * @XFRM_ACCEL_DROP_TX_TOO_BIG: larger than the tunnel's path MTU; the sender
 *	was told by ICMP
 * @XFRM_ACCEL_DROP_TX_OUTPUT: encryption or the way out through the lower
 *	device failed
 * @XFRM_ACCEL_DROP_RX_ERROR: decryption failed: integrity, replay, expiry,
 *	header; see /proc/net/xfrm_stat
 * @XFRM_ACCEL_DROP_RX_POLICY: no input policy of the SA's network namespace
 *	allows the packet
 * @XFRM_ACCEL_DROP_RX_MODE: the inner protocol is not one that the SA carries
 * @XFRM_ACCEL_DROP_RX_NOMEM: no memory to deliver the packet
 * @__XFRM_ACCEL_DROP_MAX: the number of reasons, not a reason
 */
enum xfrm_accel_drop_reason {
	XFRM_ACCEL_DROP_TX_NOT_IP	= 0,
	XFRM_ACCEL_DROP_TX_MALFORMED	= 1,
	XFRM_ACCEL_DROP_TX_NO_ROUTE	= 2,
	XFRM_ACCEL_DROP_TX_NO_METADATA	= 3,
	XFRM_ACCEL_DROP_TX_NO_POLICY	= 4,
	XFRM_ACCEL_DROP_TX_POLICY_BLOCK	= 5,
	XFRM_ACCEL_DROP_TX_NO_SA	= 6,
	XFRM_ACCEL_DROP_TX_WRONG_IF_ID	= 7,
	XFRM_ACCEL_DROP_TX_LOOKUP	= 8,
	XFRM_ACCEL_DROP_TX_LOOP		= 9,
	XFRM_ACCEL_DROP_TX_TOO_BIG	= 10,
	XFRM_ACCEL_DROP_TX_OUTPUT	= 11,
	XFRM_ACCEL_DROP_RX_ERROR	= 12,
	XFRM_ACCEL_DROP_RX_POLICY	= 13,
	XFRM_ACCEL_DROP_RX_MODE		= 14,
	XFRM_ACCEL_DROP_RX_NOMEM	= 15,
	__XFRM_ACCEL_DROP_MAX
};

/* Their names, in the order of the numbers: an initialiser for char *[]. */
#define XFRM_ACCEL_DROP_NAMES {		\
	"tx_not_ip",			\
	"tx_malformed",			\
	"tx_no_route",			\
	"tx_no_metadata",		\
	"tx_no_policy",			\
	"tx_policy_block",		\
	"tx_no_sa",			\
	"tx_wrong_if_id",		\
	"tx_lookup",			\
	"tx_loop",			\
	"tx_too_big",			\
	"tx_output",			\
	"rx_error",			\
	"rx_policy",			\
	"rx_mode",			\
	"rx_nomem",			\
}

/* How many reasons this header knows. */
#define XFRM_ACCEL_DROP_COUNT	((unsigned int)__XFRM_ACCEL_DROP_MAX)

#endif /* _UAPI_LINUX_XFRM_ACCEL_H */
