// SPDX-License-Identifier: GPL-2.0
/*
 * tc programs that write and read the metadata of an external xfrm interface.
 * They are told what to write, and tell what they read, by the packet's mark:
 *
 *	sent	  bits 0 to 7: if_id; bits 16 and up: index of the lower device
 *	received  the same, out of the metadata; 0 where there is none
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct bpf_xfrm_info {
	__u32 if_id;
	int link;
};

extern int bpf_skb_get_xfrm_info(struct __sk_buff *skb_ctx,
				 struct bpf_xfrm_info *to) __ksym;
extern int bpf_skb_set_xfrm_info(struct __sk_buff *skb_ctx,
				 const struct bpf_xfrm_info *from) __ksym;

SEC("tc/set")
int set_info(struct __sk_buff *skb)
{
	struct bpf_xfrm_info info = {
		.if_id = skb->mark & 0xff,
		.link = skb->mark >> 16,
	};

	/* A packet without a mark is none of the test's. */
	if (!info.if_id)
		return TC_ACT_SHOT;

	return bpf_skb_set_xfrm_info(skb, &info) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* As above; the packet passes only if everything is as it should be. */
SEC("tc/set_strictly")
int set_info_strictly(struct __sk_buff *skb)
{
	struct bpf_xfrm_info other = { .if_id = 99, .link = 1 };
	struct bpf_xfrm_info info = {};
	int action;

	if (bpf_skb_get_xfrm_info(skb, &info) != -22)
		return TC_ACT_SHOT;

	action = set_info(skb);
	if (action != TC_ACT_OK)
		return action;

	if (bpf_skb_set_xfrm_info(skb, &other) != -22)
		return TC_ACT_SHOT;

	if (bpf_skb_get_xfrm_info(skb, &info) ||
	    info.if_id != (skb->mark & 0xff) || info.link != skb->mark >> 16)
		return TC_ACT_SHOT;

	return TC_ACT_OK;
}

SEC("tc/get")
int get_info(struct __sk_buff *skb)
{
	struct bpf_xfrm_info info = {};

	if (bpf_skb_get_xfrm_info(skb, &info))
		skb->mark = 0;
	else
		skb->mark = (__u32)info.link << 16 | info.if_id;

	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
