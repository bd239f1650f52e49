/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_IFACE_SEEN_H
#define _XAC_IFACE_SEEN_H

#include <linux/compiler.h>
#include <linux/types.h>

/*
 * A flow of one packet is not worth a place in a cache. So many flows of a set may
 * take turns, and each is known to have come again.
 */
#define XAC_SEEN	4

/**
 * xac_seen - has the flow come before? It has now
 * @seen: hashes of the last flows that had no place, the latest first
 * @hash: that of the flow
 *
 * Other CPUs may do the same at once: then one of the flows has not come.
 */
static inline bool xac_seen(u32 seen[XAC_SEEN], u32 hash)
{
	unsigned int i;

	for (i = 0; i < XAC_SEEN; i++)
		if (READ_ONCE(seen[i]) == hash)
			return true;

	for (i = XAC_SEEN - 1; i; i--)
		WRITE_ONCE(seen[i], READ_ONCE(seen[i - 1]));
	WRITE_ONCE(seen[0], hash);

	return false;
}

#endif /* _XAC_IFACE_SEEN_H */
