/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What user space may rely on from xfrm_accel.
 *
 * Drop reasons: every packet that an "xfrm" interface discards is counted
 * under exactly one of them. The counts are per interface, 64 bits wide, and
 * read with ethtool's statistics under the names below, prefixed with
 * XFRM_ACCEL_DROP_PREFIX ("ethtool -S ipsec0" prints "drop_tx_no_policy: 3").
 * The tracepoint xfrm_accel:xfrm_accel_drop carries the number.
 *
 * Numbers and names are never reused or renumbered; new ones are appended.
 */
#ifndef _UAPI_LINUX_XFRM_ACCEL_H
#define _UAPI_LINUX_XFRM_ACCEL_H

#define XFRM_ACCEL_DRIVER_NAME	"xfrm_accel"	/* ethtool -i */
#define XFRM_ACCEL_DROP_PREFIX	"drop_"

/*
 * X(NAME, name, number, meaning)
 */
#define XFRM_ACCEL_DROP_REASONS(X)					\
	X(TX_NOT_IP, "tx_not_ip", 0,					\
	  "the packet given to the interface is neither IPv4 nor IPv6")	\
	X(TX_MALFORMED, "tx_malformed", 1,				\
	  "the packet's IP header is truncated or not what its protocol says") \
	X(TX_NO_ROUTE, "tx_no_route", 2,				\
	  "the packet came without a route and none was found")		\
	X(TX_NO_METADATA, "tx_no_metadata", 3,				\
	  "an external interface got a packet that names no if_id")	\
	X(TX_NO_POLICY, "tx_no_policy", 4,				\
	  "no output policy with the interface's if_id matches")	\
	X(TX_POLICY_BLOCK, "tx_policy_block", 5,			\
	  "the matching policy blocks the packet")			\
	X(TX_NO_SA, "tx_no_sa", 6,					\
	  "a policy matches but has no SA yet: the key manager was asked") \
	X(TX_WRONG_IF_ID, "tx_wrong_if_id", 7,				\
	  "the SA found belongs to another if_id")			\
	X(TX_LOOKUP, "tx_lookup", 8,					\
	  "the lookup of policy and SA failed for another cause (memory, outer route)") \
	X(TX_LOOP, "tx_loop", 9,					\
	  "the route of the encrypted packet leads back into the interface") \
	X(TX_TOO_BIG, "tx_too_big", 10,					\
	  "larger than the tunnel's path MTU; the sender was told by ICMP") \
	X(TX_OUTPUT, "tx_output", 11,					\
	  "encryption or the way out through the lower device failed")	\
	X(RX_ERROR, "rx_error", 12,					\
	  "decryption failed: integrity, replay, expiry, header; see /proc/net/xfrm_stat") \
	X(RX_POLICY, "rx_policy", 13,					\
	  "no input policy of the SA's network namespace allows the packet") \
	X(RX_MODE, "rx_mode", 14,					\
	  "the inner protocol is not one that the SA carries")		\
	X(RX_NOMEM, "rx_nomem", 15,					\
	  "no memory for the receive metadata")

#define XFRM_ACCEL_DROP_ENUM(NAME, name, number, meaning)		\
	XFRM_ACCEL_DROP_##NAME = (number),

enum xfrm_accel_drop_reason {
	XFRM_ACCEL_DROP_REASONS(XFRM_ACCEL_DROP_ENUM)
	__XFRM_ACCEL_DROP_MAX
};

#undef XFRM_ACCEL_DROP_ENUM

/* Number of drop reasons this header knows. */
#define XFRM_ACCEL_DROP_COUNT	((unsigned int)__XFRM_ACCEL_DROP_MAX)

#endif /* _UAPI_LINUX_XFRM_ACCEL_H */
