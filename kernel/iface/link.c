// SPDX-License-Identifier: GPL-2.0
/*
 * The link kind "xfrm" as rtnetlink sees it: create, change, show, delete,
 * and the network namespaces in which that happens.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/module.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/netns/generic.h>

#include "compat/kunit.h"
#include "compat/netdevice.h"
#include "compat/rtnetlink.h"
#include "iface/iface.h"

/*
 * The most that one standard ESP SA in tunnel mode puts around a packet:
 * outer IPv6 header 40, UDP header of NAT traversal 8, ESP header 8, IV of
 * AES-CBC 16, ICV of HMAC-SHA-512 32 (RFC 4868). What is left is filled with
 * blocks of AES-CBC, the last of which ends with the ESP trailer (RFC 4303,
 * section 2.4). An interface made without "mtu" leaves room for all that, so
 * that no SA that an IKE daemon negotiates makes packets too big. SAs that add
 * more are served by path MTU discovery.
 */
#define XAC_ESP_OVERHEAD	104
#define XAC_ESP_BLOCK		16
#define XAC_ESP_TRAILER		2

/*
 * Headroom to ask for beyond the lower device's own: IPv6, ESP and an 8-byte
 * IV. Asking for the rare maximum instead would push a received packet, which
 * brings NET_SKB_PAD, over the edge at which the IP layer copies its head.
 */
#define XAC_HEADROOM		48

/* Trailer and ICV: padding to a 16-byte block, 2 and 16 bytes. */
#define XAC_TAILROOM		34

#define XAC_FEATURES	(NETIF_F_SG | NETIF_F_FRAGLIST |	\
			 NETIF_F_GSO_SOFTWARE | NETIF_F_HW_CSUM)

static unsigned int xac_net_id __read_mostly;

/**
 * xac_net_table - the table of the interfaces whose SAs live in a namespace
 * @net: the namespace
 */
struct xac_table *xac_net_table(struct net *net)
{
	return net_generic(net, xac_net_id);
}

static int xac_dev_init(struct net_device *dev)
{
	struct xac_dev *xd = netdev_priv(dev);
	struct net_device *lower;
	int err;

	err = xac_dev_stats_init(dev);
	if (err)
		return err;

	err = -ENOMEM;
	xd->counters = xac_counters_alloc();
	if (!xd->counters)
		goto free_stats;

	err = xac_cache_init(xd);
	if (err)
		goto free_counters;

	dev->needed_headroom = XAC_HEADROOM;
	dev->needed_tailroom = XAC_TAILROOM;

	lower = __dev_get_by_index(xd->net, xd->link);
	if (lower) {
		dev->needed_headroom += lower->hard_header_len +
					lower->needed_headroom;
		dev->needed_tailroom += lower->needed_tailroom;
		/* One given by the user at creation stays. */
		if (is_zero_ether_addr(dev->dev_addr))
			eth_hw_addr_inherit(dev, lower);
	} else {
		dev->needed_headroom += ETH_HLEN;
		eth_hw_addr_random(dev);
	}

	return 0;

free_counters:
	free_percpu(xd->counters);
free_stats:
	xac_dev_stats_free(dev);

	return err;
}

static void xac_dev_free(struct net_device *dev)
{
	struct xac_dev *xd = netdev_priv(dev);

	xac_cache_free(xd);
	free_percpu(xd->counters);
	xac_dev_stats_free(dev);
}

static void xac_dev_uninit(struct net_device *dev)
{
	struct xac_dev *xd = netdev_priv(dev);

	/* Registration may have failed before the interface was listed. */
	if (!list_empty(&xd->siblings))
		xac_table_del(xd->table, xd);

	/* It is down, and sends nothing any more. */
	xac_judge_withdraw(xd);
	xac_cache_forget(xd);
}

static int xac_get_iflink(const struct net_device *dev)
{
	const struct xac_dev *xd = netdev_priv(dev);

	return xd->link;
}

static const struct net_device_ops xac_netdev_ops = {
	.ndo_init	 = xac_dev_init,
	.ndo_uninit	 = xac_dev_uninit,
	.ndo_start_xmit	 = xac_start_xmit,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_get_iflink	 = xac_get_iflink,
};

/**
 * xac_is_xac_dev - is this device an xfrm interface of ours?
 * @dev: any device
 */
bool xac_is_xac_dev(const struct net_device *dev)
{
	return dev->netdev_ops == &xac_netdev_ops;
}

static void xac_dev_setup(struct net_device *dev)
{
	struct xac_dev *xd = netdev_priv(dev);

	INIT_LIST_HEAD(&xd->siblings);

	dev->netdev_ops		= &xac_netdev_ops;
	dev->ethtool_ops	= &xac_ethtool_ops;
	dev->header_ops		= &ip_tunnel_header_ops;
	dev->type		= ARPHRD_NONE;
	dev->mtu		= ETH_DATA_LEN;
	dev->min_mtu		= ETH_MIN_MTU;
	dev->max_mtu		= IP_MAX_MTU;
	dev->flags		= IFF_NOARP;
	dev->features		|= XAC_FEATURES;
	dev->hw_features	|= XAC_FEATURES;
	dev->needs_free_netdev	= true;
	dev->priv_destructor	= xac_dev_free;

	netif_keep_dst(dev);
	xac_dev_set_lockless_tx(dev);
	xac_dev_stats_setup(dev);
	eth_broadcast_addr(dev->broadcast);
}

/**
 * struct xac_parms - what a request says about an interface
 * @link: index of the lower device, 0 if not given
 * @if_id: 0 if not given
 * @external: the flag was given
 */
struct xac_parms {
	u32 link;
	u32 if_id;
	bool external;
};

static struct xac_parms xac_parse(struct nlattr *data[])
{
	struct xac_parms parms = {};

	if (!data)
		return parms;

	if (data[IFLA_XFRM_LINK])
		parms.link = nla_get_u32(data[IFLA_XFRM_LINK]);
	if (data[IFLA_XFRM_IF_ID])
		parms.if_id = nla_get_u32(data[IFLA_XFRM_IF_ID]);
	parms.external = nla_get_flag(data[IFLA_XFRM_COLLECT_METADATA]);

	return parms;
}

VISIBLE_IF_KUNIT
unsigned int xac_default_mtu(const struct xac_dev *xd)
{
	const struct net_device *lower = __dev_get_by_index(xd->net, xd->link);
	unsigned int lower_mtu = lower ? lower->mtu : ETH_DATA_LEN;
	int mtu;

	mtu = min_t(unsigned int, lower_mtu, IP_MAX_MTU) - XAC_ESP_OVERHEAD;
	mtu = round_down(mtu, XAC_ESP_BLOCK) - XAC_ESP_TRAILER;

	/* IPv6 wants 1280 of every link: better fragments than no IPv6. */
	return max_t(int, mtu, lower_mtu >= IPV6_MIN_MTU ? IPV6_MIN_MTU :
							   ETH_MIN_MTU);
}

/* Is the place that @parms ask for free? */
static int xac_check_free(struct xac_table *table,
			  const struct xac_parms *parms,
			  struct netlink_ext_ack *extack)
{
	if (!xac_table_has(table, parms->if_id))
		return 0;

	if (parms->external)
		NL_SET_ERR_MSG(extack,
			       "this network namespace has an external xfrm interface already");
	else
		NL_SET_ERR_MSG(extack, "another xfrm interface has this if_id");

	return -EEXIST;
}

static int xac_check_new(struct net *net, const struct xac_parms *parms,
			 struct netlink_ext_ack *extack)
{
	if (parms->external) {
		if (parms->link || parms->if_id) {
			NL_SET_ERR_MSG(extack,
				       "an external interface takes neither dev nor if_id: they come with each packet");
			return -EINVAL;
		}
	} else if (!parms->if_id) {
		NL_SET_ERR_MSG(extack, "if_id is missing or zero");
		return -EINVAL;
	}

	if (parms->link > INT_MAX) {
		NL_SET_ERR_MSG(extack, "dev is not a valid interface index");
		return -EINVAL;
	}

	return xac_check_free(xac_net_table(net), parms, extack);
}

static int xac_new(struct net *net, struct net *link_net,
		   struct net_device *dev, struct nlattr *tb[],
		   struct nlattr *data[], struct netlink_ext_ack *extack)
{
	const struct xac_parms parms = xac_parse(data);
	struct xac_dev *xd = netdev_priv(dev);
	int err;

	err = xac_check_new(net, &parms, extack);
	if (err)
		return err;

	xd->net = net;
	xd->table = xac_net_table(net);
	xd->dev = dev;
	xd->link = parms.link;
	xd->if_id = parms.if_id;
	xd->external = parms.external;

	if (!tb[IFLA_MTU])
		dev->mtu = xac_default_mtu(xd);

	err = register_netdevice(dev);
	if (err)
		return err;

	err = xac_table_add(xd->table, xd);
	if (err)
		unregister_netdevice(dev);

	return err;
}

static int xac_check_change(const struct xac_dev *xd,
			    const struct xac_parms *parms,
			    struct netlink_ext_ack *extack)
{
	int err;

	/* The SAs live in a namespace that the caller may have no say in. */
	if (!rtnl_dev_link_net_capable(xd->dev, xd->net)) {
		NL_SET_ERR_MSG(extack,
			       "no CAP_NET_ADMIN in the network namespace of the interface's SAs");
		return -EPERM;
	}

	/* CVE-2025-38500: neither into external nor out of it. */
	if (parms->external || xd->external) {
		NL_SET_ERR_MSG(extack,
			       "external is set when the interface is made and cannot be changed");
		return -EINVAL;
	}

	if (!parms->if_id) {
		NL_SET_ERR_MSG(extack, "if_id is missing or zero");
		return -EINVAL;
	}

	if (parms->if_id != xd->if_id) {
		err = xac_check_free(xd->table, parms, extack);
		if (err)
			return err;
	}

	if (parms->link != xd->link) {
		NL_SET_ERR_MSG(extack,
			       "dev cannot be changed: repeat the one the interface was made with");
		return -EINVAL;
	}

	return 0;
}

static int xac_changelink(struct net_device *dev, struct nlattr *tb[],
			  struct nlattr *data[],
			  struct netlink_ext_ack *extack)
{
	const struct xac_parms parms = xac_parse(data);
	struct xac_dev *xd = netdev_priv(dev);
	int err;

	err = xac_check_change(xd, &parms, extack);
	if (err)
		return err;

	if (parms.if_id != xd->if_id) {
		err = xac_table_rekey(xd->table, xd, parms.if_id);
		if (err)
			return err;
		xac_cache_forget(xd);
		xac_forward_forget(xd->table);
	}

	/* Also where nothing changed: who asks may wait for the answer here. */
	netdev_state_change(dev);

	return 0;
}

static void xac_dellink(struct net_device *dev, struct list_head *head)
{
	unregister_netdevice_queue(dev, head);
}

static size_t xac_get_size(const struct net_device *dev)
{
	return nla_total_size(sizeof(u32)) +	/* IFLA_XFRM_LINK */
	       nla_total_size(sizeof(u32)) +	/* IFLA_XFRM_IF_ID */
	       nla_total_size(0);		/* IFLA_XFRM_COLLECT_METADATA */
}

static int xac_fill_info(struct sk_buff *skb, const struct net_device *dev)
{
	const struct xac_dev *xd = netdev_priv(dev);

	if (nla_put_u32(skb, IFLA_XFRM_LINK, xd->link) ||
	    nla_put_u32(skb, IFLA_XFRM_IF_ID, READ_ONCE(xd->if_id)))
		return -EMSGSIZE;

	if (xd->external && nla_put_flag(skb, IFLA_XFRM_COLLECT_METADATA))
		return -EMSGSIZE;

	return 0;
}

static struct net *xac_get_link_net(const struct net_device *dev)
{
	const struct xac_dev *xd = netdev_priv(dev);

	return xd->net;
}

static const struct nla_policy xac_policy[IFLA_XFRM_MAX + 1] = {
	/* Every attribute is checked strictly: exact length, no rest. */
	[IFLA_XFRM_UNSPEC]	     = { .strict_start_type = IFLA_XFRM_LINK },
	[IFLA_XFRM_LINK]	     = { .type = NLA_U32 },
	[IFLA_XFRM_IF_ID]	     = { .type = NLA_U32 },
	[IFLA_XFRM_COLLECT_METADATA] = { .type = NLA_FLAG },
};

static struct rtnl_link_ops xac_link_ops __read_mostly = {
	.kind		= "xfrm",
	.maxtype	= IFLA_XFRM_MAX,
	.policy		= xac_policy,
	.priv_size	= sizeof(struct xac_dev),
	.setup		= xac_dev_setup,
	.newlink	= xac_newlink,
	.changelink	= xac_changelink,
	.dellink	= xac_dellink,
	.get_size	= xac_get_size,
	.fill_info	= xac_fill_info,
	.get_link_net	= xac_get_link_net,
};

static int __net_init xac_net_init(struct net *net)
{
	return xac_table_init(xac_net_table(net));
}

/* A grace period passes between this and the exit below. */
static void __net_exit xac_net_pre_exit(struct net *net)
{
	xac_table_close(xac_net_table(net));
}

/*
 * A namespace goes: interfaces that still stand in it are deleted by the
 * core, but those whose SAs were here and who themselves moved elsewhere are
 * deleted by nobody else.
 */
static void __net_exit xac_net_exit_batch(struct list_head *nets)
{
	LIST_HEAD(kill);
	struct xac_dev *xd;
	struct net *net;

	rtnl_lock();
	list_for_each_entry(net, nets, exit_list)
		list_for_each_entry(xd, &xac_net_table(net)->all, siblings)
			unregister_netdevice_queue(xd->dev, &kill);
	unregister_netdevice_many(&kill);
	rtnl_unlock();

	list_for_each_entry(net, nets, exit_list)
		xac_table_destroy(xac_net_table(net));
}

static struct pernet_operations xac_net_ops = {
	.init		= xac_net_init,
	.pre_exit	= xac_net_pre_exit,
	.exit_batch	= xac_net_exit_batch,
	.id		= &xac_net_id,
	.size		= sizeof(struct xac_table),
};

/**
 * xac_link_net_init - make the tables, in every namespace
 *
 * Return: 0 or a negative errno.
 */
int xac_link_net_init(void)
{
	return register_pernet_device(&xac_net_ops);
}

/**
 * xac_link_net_exit - free them; no interface may be left
 */
void xac_link_net_exit(void)
{
	unregister_pernet_device(&xac_net_ops);
}

/**
 * xac_link_register - from now on interfaces can be made
 *
 * Return: 0, or -EEXIST where another module provides the kind.
 */
int xac_link_register(void)
{
	return rtnl_link_register(&xac_link_ops);
}

/**
 * xac_link_unregister - delete every interface in every namespace
 */
void xac_link_unregister(void)
{
	rtnl_link_unregister(&xac_link_ops);
}
