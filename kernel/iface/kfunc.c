// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that BPF programs at the tc hooks call to read and write the
 * metadata of external interfaces. Built where the kernel's own xfrm
 * interface offers them; names, arguments and errors are the same.
 */
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>
#include <net/dst_metadata.h>

#include "compat/dst.h"
#include "iface/iface.h"

/**
 * struct bpf_xfrm_info - what a BPF program sees of the metadata
 * @if_id: transmit: of the policies and SAs to use; receive: of the SA used
 * @link: index of the lower device
 */
struct bpf_xfrm_info {
	u32 if_id;
	int link;
};

__bpf_kfunc_start_defs();

/**
 * bpf_skb_get_xfrm_info - read a packet's metadata
 * @skb_ctx: the packet
 * @to: filled
 *
 * Return: 0, or -EINVAL if the packet has none.
 */
__bpf_kfunc int bpf_skb_get_xfrm_info(struct __sk_buff *skb_ctx,
				      struct bpf_xfrm_info *to)
{
	const struct xfrm_md_info *info =
		skb_xfrm_md_info((struct sk_buff *)skb_ctx);

	if (!info)
		return -EINVAL;

	to->if_id = info->if_id;
	to->link = info->link;

	return 0;
}

/**
 * bpf_skb_set_xfrm_info - give a packet metadata
 * @skb_ctx: the packet
 * @from: the metadata
 *
 * The packet keeps its route inside the metadata; the interface puts it back.
 * Each packet has metadata of its own, so that one that waits in a queue
 * loses neither.
 *
 * Return: 0, -EINVAL if the packet has metadata already, or -ENOMEM.
 */
__bpf_kfunc int bpf_skb_set_xfrm_info(struct __sk_buff *skb_ctx,
				      const struct bpf_xfrm_info *from)
{
	struct sk_buff *skb = (struct sk_buff *)skb_ctx;
	struct metadata_dst *metadata;

	if (skb_metadata_dst(skb))
		return -EINVAL;

	metadata = xac_metadata_alloc(from->if_id, from->link);
	if (!metadata)
		return -ENOMEM;

	xac_metadata_replace_route(skb, metadata);

	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(xac_kfuncs)
BTF_ID_FLAGS(func, bpf_skb_get_xfrm_info)
BTF_ID_FLAGS(func, bpf_skb_set_xfrm_info)
BTF_KFUNCS_END(xac_kfuncs)

static const struct btf_kfunc_id_set xac_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &xac_kfuncs,
};

/**
 * xac_kfunc_register - offer the functions to tc programs
 *
 * Lasts until the module goes; a program that calls one pins it.
 *
 * Return: 0 or a negative errno.
 */
int xac_kfunc_register(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_SCHED_CLS,
					 &xac_kfunc_set);
}
