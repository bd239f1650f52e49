// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a packet may be transformed in.
 */
#include <linux/skbuff.h>

#include "esp/esp.h"

/**
 * xac_esp_own - make a packet linear, in memory that nobody else can see
 * @skb: the packet; pointers into it are to be taken anew
 * @tail: bytes of room that are needed behind it
 *
 * The linear part of a packet that is no clone is its own. Pages may belong
 * to a page cache, a socket or another packet as well, whatever the flags
 * say that were copied from packet to packet, so they are always left alone.
 *
 * Encrypting from there to here would not save the copy: the templates that
 * make the IV (seqiv, echainiv) copy first, and encrypt in place.
 *
 * Return: 0, or -ENOMEM with the packet as it was.
 */
int xac_esp_own(struct sk_buff *skb, unsigned int tail)
{
	unsigned int pages = skb->data_len;
	int room = skb->end - skb->tail;
	int err;

	if (likely(!skb_cloned(skb) && !pages && room >= tail))
		return 0;

	room -= pages + tail;
	/*
	 * Pages that user space waits for are let go with the rest; the copy
	 * has nothing of theirs.
	 */
	err = pskb_expand_head(skb, 0, room < 0 ? -room : 0, GFP_ATOMIC);
	if (err)
		return err;
	if (pages && !__pskb_pull_tail(skb, pages))
		return -ENOMEM;

	return 0;
}
