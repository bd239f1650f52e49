// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata of external interfaces: routes that say "encap xfrm if_id N
 * link_dev D", and what a received packet tells of its SA.
 */
#include <linux/lwtunnel.h>
#include <linux/module.h>
#include <net/dst_metadata.h>
#include <net/lwtunnel.h>

#include "iface/iface.h"

static const struct nla_policy xac_encap_policy[LWT_XFRM_MAX + 1] = {
	[LWT_XFRM_IF_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[LWT_XFRM_LINK]	 = NLA_POLICY_MIN(NLA_U32, 1),
};

static int xac_encap_build(struct net *net, struct nlattr *nla,
			   unsigned int family, const void *cfg,
			   struct lwtunnel_state **ts,
			   struct netlink_ext_ack *extack)
{
	struct nlattr *tb[LWT_XFRM_MAX + 1];
	struct lwtunnel_state *encap;
	struct xfrm_md_info *info;
	int err;

	err = nla_parse_nested(tb, LWT_XFRM_MAX, nla, xac_encap_policy, extack);
	if (err)
		return err;

	if (!tb[LWT_XFRM_IF_ID]) {
		NL_SET_ERR_MSG(extack, "encap xfrm needs an if_id");
		return -EINVAL;
	}

	if (tb[LWT_XFRM_LINK] && nla_get_u32(tb[LWT_XFRM_LINK]) > INT_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, tb[LWT_XFRM_LINK],
				    "link_dev is not a valid interface index");
		return -EINVAL;
	}

	encap = lwtunnel_state_alloc(sizeof(*info));
	if (!encap)
		return -ENOMEM;

	encap->type = LWTUNNEL_ENCAP_XFRM;
	info = lwt_xfrm_info(encap);
	info->if_id = nla_get_u32(tb[LWT_XFRM_IF_ID]);
	if (tb[LWT_XFRM_LINK])
		info->link = nla_get_u32(tb[LWT_XFRM_LINK]);

	*ts = encap;

	return 0;
}

static void xac_encap_destroy(struct lwtunnel_state *encap)
{
}

static int xac_encap_fill(struct sk_buff *skb, struct lwtunnel_state *encap)
{
	const struct xfrm_md_info *info = lwt_xfrm_info(encap);

	if (nla_put_u32(skb, LWT_XFRM_IF_ID, info->if_id))
		return -EMSGSIZE;
	if (info->link && nla_put_u32(skb, LWT_XFRM_LINK, info->link))
		return -EMSGSIZE;

	return 0;
}

static int xac_encap_size(struct lwtunnel_state *encap)
{
	return nla_total_size(sizeof(u32)) +	/* LWT_XFRM_IF_ID */
	       nla_total_size(sizeof(u32));	/* LWT_XFRM_LINK */
}

static int xac_encap_cmp(struct lwtunnel_state *a, struct lwtunnel_state *b)
{
	const struct xfrm_md_info *ia = lwt_xfrm_info(a);
	const struct xfrm_md_info *ib = lwt_xfrm_info(b);

	return ia->if_id != ib->if_id || ia->link != ib->link;
}

/* A route with this encap pins the module. */
static const struct lwtunnel_encap_ops xac_encap_ops = {
	.build_state	= xac_encap_build,
	.destroy_state	= xac_encap_destroy,
	.fill_encap	= xac_encap_fill,
	.get_encap_size	= xac_encap_size,
	.cmp_encap	= xac_encap_cmp,
	.owner		= THIS_MODULE,
};

/**
 * xac_lwtunnel_register - let routes carry "encap xfrm"
 *
 * Return: 0, also where the kernel knows no such routes; -EEXIST where
 *	   another module holds the slot.
 */
int xac_lwtunnel_register(void)
{
	int err = lwtunnel_encap_add_ops(&xac_encap_ops, LWTUNNEL_ENCAP_XFRM);

	if (!err || err == -EOPNOTSUPP)
		return 0;

	/* The one error there is; the kernel gives it no number of its own. */
	pr_err("cannot register the route encapsulation \"xfrm\"\n");

	return -EEXIST;
}

/**
 * xac_lwtunnel_unregister - undo that
 */
void xac_lwtunnel_unregister(void)
{
	lwtunnel_encap_del_ops(&xac_encap_ops, LWTUNNEL_ENCAP_XFRM);
}

/**
 * xac_metadata_alloc - metadata that stands in for a packet's route
 * @if_id: of the packet's SA
 * @link: index of the lower device
 *
 * Context: any.
 * Return: a reference for skb_dst_set(), or NULL.
 */
struct metadata_dst *xac_metadata_alloc(u32 if_id, int link)
{
	struct metadata_dst *metadata;

	metadata = metadata_dst_alloc(0, METADATA_XFRM, GFP_ATOMIC);
	if (metadata) {
		metadata->u.xfrm_info.if_id = if_id;
		metadata->u.xfrm_info.link = link;
	}

	return metadata;
}
