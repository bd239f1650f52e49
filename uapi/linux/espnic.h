/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What user space may rely on from the link kind "espnic": a network device
 * that encrypts and decrypts ESP behind the kernel's offload API.
 *
 * Numbers are never changed or used again; new ones are appended.
 */
#ifndef _UAPI_LINUX_ESPNIC_H
#define _UAPI_LINUX_ESPNIC_H

#define ESPNIC_DRIVER_NAME	"espnic"	/* ethtool -i */

/**
 * enum - attributes in IFLA_INFO_DATA of the link kind "espnic"
 * @IFLA_ESPNIC_UNSPEC: none
 * @IFLA_ESPNIC_SA_MAX: u32, how many SAs the device has room for
 * @IFLA_ESPNIC_SA_COUNT: u32, how many it has; read only
 * @IFLA_ESPNIC_PEER: u32, index of the device at the other end of the wire,
 *	instead of IFLA_LINK; both are of this kind, and have no lower device
 * @IFLA_ESPNIC_REFUSE: u8, enum espnic_refuse: what becomes of new SAs
 * @IFLA_ESPNIC_CORRUPT: u32, so many received ESP packets, and the ICV of the
 *	last of them is found wrong; 0: none
 * @IFLA_ESPNIC_REORDER: u32, so many packets sent, and the last of them is
 *	overtaken by the next; 0: none
 * @IFLA_ESPNIC_STALL: u8, 1: the transmit queues stand still
 * @IFLA_ESPNIC_LOSE: u32, an SPI in network byte order: the device forgets the
 *	SAs that have it now; write only
 * @__IFLA_ESPNIC_MAX: the number of attributes, not an attribute
 */
enum {
	IFLA_ESPNIC_UNSPEC,
	IFLA_ESPNIC_SA_MAX,
	IFLA_ESPNIC_SA_COUNT,
	IFLA_ESPNIC_PEER,
	IFLA_ESPNIC_REFUSE,
	IFLA_ESPNIC_CORRUPT,
	IFLA_ESPNIC_REORDER,
	IFLA_ESPNIC_STALL,
	IFLA_ESPNIC_LOSE,
	__IFLA_ESPNIC_MAX
};

#define IFLA_ESPNIC_MAX (__IFLA_ESPNIC_MAX - 1)

/**
 * enum espnic_refuse - what an espnic says to new SAs
 * @ESPNIC_REFUSE_NONE: it takes them
 * @ESPNIC_REFUSE_ERROR: -EIO, and the request fails
 * @ESPNIC_REFUSE_UNSUPPORTED: -EOPNOTSUPP, and the kernel encrypts itself
 * @__ESPNIC_REFUSE_MAX: the number of answers, not an answer
 */
enum espnic_refuse {
	ESPNIC_REFUSE_NONE		= 0,
	ESPNIC_REFUSE_ERROR		= 1,
	ESPNIC_REFUSE_UNSUPPORTED	= 2,
	__ESPNIC_REFUSE_MAX
};

#endif /* _UAPI_LINUX_ESPNIC_H */
