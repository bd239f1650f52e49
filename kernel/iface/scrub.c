// SPDX-License-Identifier: GPL-2.0
/*
 * What a packet must not take along when encryption or decryption makes
 * another packet of it.
 */
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/xfrm.h>

#include "iface/iface.h"

/**
 * xac_scrub - forget what belongs to the packet's way here
 * @skb: the packet, plain on its way out or decrypted on its way in
 * @crosses_netns: it leaves its namespace: then nothing may leak at all
 */
void xac_scrub(struct sk_buff *skb, bool crosses_netns)
{
	skb_clear_tstamp(skb);
	skb->pkt_type = PACKET_HOST;
	skb->skb_iif = 0;
	skb->ignore_df = 0;
	skb_dst_drop(skb);
	nf_reset_ct(skb);
	nf_reset_trace(skb);

	if (crosses_netns) {
		ipvs_reset(skb);
		secpath_reset(skb);
		skb_orphan(skb);
		skb->mark = 0;
	}
}
