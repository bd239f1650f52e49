// SPDX-License-Identifier: GPL-2.0
/*
 * The link kind "espnic": how a device is made, changed and deleted, and how it
 * follows the one that is its wire.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>

#include "compat/netdevice.h"
#include "compat/rtnetlink.h"
#include "nic/nic.h"

/* What ethtool -K turns on and off of the device's own. */
#define XAC_NIC_ESP	(NETIF_F_HW_ESP | NETIF_F_HW_ESP_TX_CSUM |	\
			 NETIF_F_GSO_ESP)

/* What is left to the wire, or done for it when it cannot. */
#define XAC_NIC_PASSES	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA | \
			 NETIF_F_HW_CSUM | NETIF_F_SCTP_CRC |		\
			 NETIF_F_GSO_SOFTWARE | NETIF_F_GSO_ENCAP_ALL)

static struct net_device *xac_nic_lower(const struct xac_nic *nic)
{
	return rtnl_dereference(nic->lower);
}

static struct xac_nic *xac_nic_peer(const struct xac_nic *nic)
{
	return rtnl_dereference(nic->peer);
}

/* --- the device --- */

static int xac_nic_init(struct net_device *dev)
{
	struct xac_nic *nic = netdev_priv(dev);
	int err = -ENOMEM;

	netdev_lockdep_set_classes(dev);

	nic->counts = netdev_alloc_pcpu_stats(struct xac_nic_counts);
	if (!nic->counts)
		return -ENOMEM;
	err = xac_dev_stats_init(dev);
	if (err)
		goto free_counts;
	err = xac_nic_sas_init(nic);
	if (err)
		goto free_stats;
	err = gro_cells_init(&nic->cells, dev);
	if (err)
		goto exit_sas;
	xac_nic_transmit_init(nic);

	return 0;

exit_sas:
	xac_nic_sas_exit(nic);
free_stats:
	xac_dev_stats_free(dev);
free_counts:
	free_percpu(nic->counts);
	nic->counts = NULL;

	return err;
}

static void xac_nic_detach(struct xac_nic *nic)
{
	struct net_device *lower = xac_nic_lower(nic);
	struct xac_nic *peer = xac_nic_peer(nic);

	if (lower) {
		netdev_rx_handler_unregister(lower);
		netdev_upper_dev_unlink(lower, nic->dev);
		RCU_INIT_POINTER(nic->lower, NULL);
	}
	if (peer) {
		netif_carrier_off(peer->dev);
		RCU_INIT_POINTER(peer->peer, NULL);
		RCU_INIT_POINTER(nic->peer, NULL);
	}
}

/* A cipher's driver may still have packets: they find no wire, and no queue. */
static void xac_nic_uninit(struct net_device *dev)
{
	struct xac_nic *nic = netdev_priv(dev);

	xac_nic_detach(nic);
	gro_cells_destroy(&nic->cells);
}

static void xac_nic_free(struct net_device *dev)
{
	struct xac_nic *nic = netdev_priv(dev);

	if (!nic->counts)
		return;

	xac_nic_transmit_stop(nic);
	xac_nic_sas_exit(nic);
	xac_dev_stats_free(dev);
	free_percpu(nic->counts);
}

static void xac_nic_stall(struct xac_nic *nic)
{
	if (nic->faults.stall)
		netif_tx_stop_all_queues(nic->dev);
	else
		netif_tx_wake_all_queues(nic->dev);
}

/* The lower device lets pass what is addressed to this one. */
static int xac_nic_filter_add(struct net_device *dev)
{
	struct net_device *lower = xac_nic_lower(netdev_priv(dev));
	int err;

	if (!lower)
		return 0;

	err = dev_uc_add(lower, dev->dev_addr);
	if (!err && dev->flags & IFF_ALLMULTI)
		err = dev_set_allmulti(lower, 1);
	if (!err && dev->flags & IFF_PROMISC)
		err = dev_set_promiscuity(lower, 1);

	return err;
}

static void xac_nic_filter_del(struct net_device *dev)
{
	struct net_device *lower = xac_nic_lower(netdev_priv(dev));

	if (!lower)
		return;

	dev_uc_unsync(lower, dev);
	dev_mc_unsync(lower, dev);
	if (dev->flags & IFF_PROMISC)
		dev_set_promiscuity(lower, -1);
	if (dev->flags & IFF_ALLMULTI)
		dev_set_allmulti(lower, -1);
	dev_uc_del(lower, dev->dev_addr);
}

static void xac_nic_carrier(struct xac_nic *nic)
{
	struct net_device *lower = xac_nic_lower(nic);
	struct xac_nic *peer = xac_nic_peer(nic);

	if (lower) {
		netif_stacked_transfer_operstate(lower, nic->dev);
	} else if (peer && netif_running(nic->dev) &&
		   netif_running(peer->dev)) {
		netif_carrier_on(nic->dev);
		netif_carrier_on(peer->dev);
	} else {
		netif_carrier_off(nic->dev);
		if (peer)
			netif_carrier_off(peer->dev);
	}
}

static int xac_nic_open(struct net_device *dev)
{
	struct xac_nic *nic = netdev_priv(dev);
	struct net_device *lower = xac_nic_lower(nic);
	int err;

	if (lower && !(lower->flags & IFF_UP))
		return -ENETDOWN;

	err = xac_nic_filter_add(dev);
	if (err)
		return err;
	xac_nic_stall(nic);
	xac_nic_carrier(nic);

	return 0;
}

static int xac_nic_stop(struct net_device *dev)
{
	struct xac_nic *nic = netdev_priv(dev);
	struct xac_nic *peer = xac_nic_peer(nic);

	xac_nic_transmit_stop(nic);
	xac_nic_filter_del(dev);
	netif_carrier_off(dev);
	if (peer)
		netif_carrier_off(peer->dev);

	return 0;
}

static void xac_nic_set_rx_mode(struct net_device *dev)
{
	struct net_device *lower = xac_nic_lower(netdev_priv(dev));

	if (!lower)
		return;

	dev_uc_sync(lower, dev);
	dev_mc_sync(lower, dev);
}

static void xac_nic_change_rx_flags(struct net_device *dev, int change)
{
	struct net_device *lower = xac_nic_lower(netdev_priv(dev));

	if (!lower || !(dev->flags & IFF_UP))
		return;

	if (change & IFF_ALLMULTI)
		dev_set_allmulti(lower, dev->flags & IFF_ALLMULTI ? 1 : -1);
	if (change & IFF_PROMISC)
		dev_set_promiscuity(lower, dev->flags & IFF_PROMISC ? 1 : -1);
}

static int xac_nic_set_mac_address(struct net_device *dev, void *p)
{
	struct net_device *lower = xac_nic_lower(netdev_priv(dev));
	u8 old[ETH_ALEN];
	int err;

	err = eth_prepare_mac_addr_change(dev, p);
	if (err)
		return err;

	ether_addr_copy(old, dev->dev_addr);
	if (lower && netif_running(dev)) {
		err = dev_uc_add(lower, ((struct sockaddr *)p)->sa_data);
		if (err)
			return err;
		dev_uc_del(lower, old);
	}
	eth_commit_mac_addr_change(dev, p);

	return 0;
}

static int xac_nic_change_mtu(struct net_device *dev, int mtu)
{
	struct net_device *lower = xac_nic_lower(netdev_priv(dev));

	if (lower && mtu > lower->mtu)
		return -EINVAL;
	dev->mtu = mtu;

	return 0;
}

/*
 * Without the first of ESP there is nothing for the others to be of. And a bond
 * leaves sums to be made by whatever slave gets the packet: the core would make
 * them over the trailer as well.
 */
static netdev_features_t xac_nic_fix_features(struct net_device *dev,
					      netdev_features_t features)
{
	if (netif_is_bond_slave(dev))
		features |= NETIF_F_HW_CSUM;

	return features & NETIF_F_HW_ESP ? features : features & ~XAC_NIC_ESP;
}

static int xac_nic_get_iflink(const struct net_device *dev)
{
	const struct xac_nic *nic = netdev_priv(dev);
	const struct net_device *lower;
	const struct xac_nic *peer;
	int iflink = dev->ifindex;

	rcu_read_lock();
	lower = rcu_dereference(nic->lower);
	peer = rcu_dereference(nic->peer);
	if (lower)
		iflink = lower->ifindex;
	else if (peer)
		iflink = peer->dev->ifindex;
	rcu_read_unlock();

	return iflink;
}

static const struct net_device_ops xac_nic_netdev_ops = {
	.ndo_init		= xac_nic_init,
	.ndo_uninit		= xac_nic_uninit,
	.ndo_open		= xac_nic_open,
	.ndo_stop		= xac_nic_stop,
	.ndo_start_xmit		= xac_nic_start_xmit,
	.ndo_set_rx_mode	= xac_nic_set_rx_mode,
	.ndo_change_rx_flags	= xac_nic_change_rx_flags,
	.ndo_set_mac_address	= xac_nic_set_mac_address,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_change_mtu		= xac_nic_change_mtu,
	.ndo_fix_features	= xac_nic_fix_features,
	.ndo_get_stats64	= dev_get_tstats64,
	.ndo_get_iflink		= xac_nic_get_iflink,
};

/**
 * xac_is_nic - is this an espnic?
 * @dev: the device
 */
bool xac_is_nic(const struct net_device *dev)
{
	return dev->netdev_ops == &xac_nic_netdev_ops;
}

static void xac_nic_setup(struct net_device *dev)
{
	struct xac_nic *nic = netdev_priv(dev);

	ether_setup(dev);
	nic->dev		= dev;
	nic->sa_max		= XAC_NIC_SA_MAX;

	dev->netdev_ops		= &xac_nic_netdev_ops;
	dev->ethtool_ops	= &xac_nic_ethtool_ops;
	dev->xfrmdev_ops	= &xac_nic_xfrmdev_ops;
	dev->min_mtu		= ETH_MIN_MTU;
	dev->max_mtu		= ETH_MAX_MTU;
	dev->priv_flags		&= ~IFF_TX_SKB_SHARING;
	dev->priv_flags		|= IFF_UNICAST_FLT | IFF_LIVE_ADDR_CHANGE |
				   IFF_NO_QUEUE;
	dev->features		|= XAC_NIC_PASSES | XAC_NIC_ESP |
				   NETIF_F_HW_VLAN_CTAG_TX |
				   NETIF_F_HW_VLAN_STAG_TX;
	dev->hw_features	|= XAC_NIC_PASSES | XAC_NIC_ESP;
	dev->hw_enc_features	|= XAC_NIC_PASSES | XAC_NIC_ESP;
	dev->vlan_features	|= XAC_NIC_PASSES;
	dev->needs_free_netdev	= true;
	dev->priv_destructor	= xac_nic_free;

	/* A tunnel's packet needs the route, for the next hop's address. */
	netif_keep_dst(dev);
	xac_dev_set_lockless_tx(dev);
	xac_dev_stats_setup(dev);
}

/* --- requests --- */

static const struct nla_policy xac_nic_policy[IFLA_ESPNIC_MAX + 1] = {
	/* Every attribute is checked strictly: exact length, no rest. */
	[IFLA_ESPNIC_UNSPEC]	= { .strict_start_type = IFLA_ESPNIC_SA_MAX },
	[IFLA_ESPNIC_SA_MAX]	= { .type = NLA_U32 },
	[IFLA_ESPNIC_SA_COUNT]	= { .type = NLA_REJECT },
	[IFLA_ESPNIC_PEER]	= { .type = NLA_U32 },
	[IFLA_ESPNIC_REFUSE]	= NLA_POLICY_MAX(NLA_U8,
						 __ESPNIC_REFUSE_MAX - 1),
	[IFLA_ESPNIC_CORRUPT]	= { .type = NLA_U32 },
	[IFLA_ESPNIC_REORDER]	= { .type = NLA_U32 },
	[IFLA_ESPNIC_STALL]	= NLA_POLICY_MAX(NLA_U8, 1),
	[IFLA_ESPNIC_LOSE]	= { .type = NLA_U32 },
};

/* What may be said at any time; checked by the policy above. */
static void xac_nic_configure(struct xac_nic *nic, struct nlattr *data[])
{
	struct xac_nic_faults *faults = &nic->faults;

	if (data[IFLA_ESPNIC_SA_MAX])
		WRITE_ONCE(nic->sa_max, nla_get_u32(data[IFLA_ESPNIC_SA_MAX]));
	if (data[IFLA_ESPNIC_REFUSE])
		WRITE_ONCE(faults->refuse,
			   nla_get_u8(data[IFLA_ESPNIC_REFUSE]));
	if (data[IFLA_ESPNIC_CORRUPT])
		WRITE_ONCE(faults->corrupt,
			   nla_get_u32(data[IFLA_ESPNIC_CORRUPT]));
	if (data[IFLA_ESPNIC_REORDER])
		WRITE_ONCE(faults->reorder,
			   nla_get_u32(data[IFLA_ESPNIC_REORDER]));
	if (data[IFLA_ESPNIC_STALL])
		faults->stall = nla_get_u8(data[IFLA_ESPNIC_STALL]);
}

static int xac_nic_check_lower(struct net_device *lower,
			       struct netlink_ext_ack *extack)
{
	if (lower->type != ARPHRD_ETHER || lower->flags & IFF_LOOPBACK) {
		NL_SET_ERR_MSG(extack, "the lower device is not Ethernet");
		return -EINVAL;
	}
	if (netif_is_bridge_port(lower) || netif_is_lag_port(lower) ||
	    netif_is_ovs_port(lower) || netif_is_macvlan_port(lower) ||
	    netdev_master_upper_dev_get(lower) ||
	    netdev_is_rx_handler_busy(lower)) {
		NL_SET_ERR_MSG(extack,
			       "the lower device is taken: a bridge, bond, team, macvlan, Open vSwitch or another espnic has it");
		return -EBUSY;
	}

	return 0;
}

static int xac_nic_attach_lower(struct xac_nic *nic, struct net_device *lower,
				struct netlink_ext_ack *extack)
{
	int err;

	err = netdev_rx_handler_register(lower, xac_nic_handle_frame, nic);
	if (err)
		return err;
	err = netdev_master_upper_dev_link(lower, nic->dev, NULL, NULL, extack);
	if (err) {
		netdev_rx_handler_unregister(lower);
		return err;
	}
	rcu_assign_pointer(nic->lower, lower);
	netif_stacked_transfer_operstate(lower, nic->dev);

	return 0;
}

static int xac_nic_new_on_lower(struct xac_nic *nic, struct net_device *lower,
				struct nlattr *tb[],
				struct netlink_ext_ack *extack)
{
	struct net_device *dev = nic->dev;
	int err;

	err = xac_nic_check_lower(lower, extack);
	if (err)
		return err;
	if (!tb[IFLA_MTU]) {
		dev->mtu = lower->mtu;
	} else if (dev->mtu > lower->mtu) {
		NL_SET_ERR_MSG(extack, "mtu is above the lower device's");
		return -EINVAL;
	}
	if (!tb[IFLA_ADDRESS])
		eth_hw_addr_inherit(dev, lower);
	dev->needed_headroom = lower->needed_headroom;
	dev->needed_tailroom = lower->needed_tailroom;
	netif_inherit_tso_max(dev, lower);

	err = register_netdevice(dev);
	if (err)
		return err;
	err = xac_nic_attach_lower(nic, lower, extack);
	if (err)
		unregister_netdevice(dev);

	return err;
}

static struct xac_nic *xac_nic_find_peer(struct net *net, struct nlattr *attr,
					 struct netlink_ext_ack *extack)
{
	struct net_device *dev = __dev_get_by_index(net, nla_get_u32(attr));
	struct xac_nic *nic;

	if (!dev || !xac_is_nic(dev)) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "the peer is no espnic");
		return ERR_PTR(-ENODEV);
	}
	nic = netdev_priv(dev);
	if (xac_nic_lower(nic) || xac_nic_peer(nic)) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "the peer has a wire already");
		return ERR_PTR(-EBUSY);
	}

	return nic;
}

static int xac_nic_new_alone(struct xac_nic *nic, struct net *net,
			     struct nlattr *tb[], struct nlattr *attr,
			     struct netlink_ext_ack *extack)
{
	struct xac_nic *peer = NULL;
	int err;

	if (attr) {
		peer = xac_nic_find_peer(net, attr, extack);
		if (IS_ERR(peer))
			return PTR_ERR(peer);
	}
	if (!tb[IFLA_ADDRESS])
		eth_hw_addr_random(nic->dev);

	err = register_netdevice(nic->dev);
	if (err)
		return err;
	netif_carrier_off(nic->dev);
	if (peer) {
		rcu_assign_pointer(nic->peer, peer);
		rcu_assign_pointer(peer->peer, nic);
	}

	return 0;
}

static int xac_new(struct net *net, struct net *link_net,
		   struct net_device *dev, struct nlattr *tb[],
		   struct nlattr *data[], struct netlink_ext_ack *extack)
{
	struct nlattr *peer = data ? data[IFLA_ESPNIC_PEER] : NULL;
	struct xac_nic *nic = netdev_priv(dev);
	struct net_device *lower;

	if (data) {
		if (data[IFLA_ESPNIC_LOSE]) {
			NL_SET_ERR_MSG_ATTR(extack, data[IFLA_ESPNIC_LOSE],
					    "a new device has no SA to lose");
			return -EINVAL;
		}
		xac_nic_configure(nic, data);
	}

	if (!tb[IFLA_LINK])
		return xac_nic_new_alone(nic, net, tb, peer, extack);

	if (peer) {
		NL_SET_ERR_MSG_ATTR(extack, peer,
				    "a device has a lower device or a peer, not both");
		return -EINVAL;
	}
	lower = __dev_get_by_index(link_net, nla_get_u32(tb[IFLA_LINK]));
	if (!lower) {
		NL_SET_ERR_MSG_ATTR(extack, tb[IFLA_LINK],
				    "there is no such lower device");
		return -ENODEV;
	}

	return xac_nic_new_on_lower(nic, lower, tb, extack);
}

static int xac_nic_changelink(struct net_device *dev, struct nlattr *tb[],
			      struct nlattr *data[],
			      struct netlink_ext_ack *extack)
{
	struct xac_nic *nic = netdev_priv(dev);

	if (!data)
		return 0;

	if (data[IFLA_ESPNIC_PEER]) {
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_ESPNIC_PEER],
				    "the peer cannot be changed");
		return -EINVAL;
	}
	xac_nic_configure(nic, data);
	if (data[IFLA_ESPNIC_LOSE])
		xac_nic_sa_lose(nic, nla_get_be32(data[IFLA_ESPNIC_LOSE]));
	if (netif_running(dev))
		xac_nic_stall(nic);

	return 0;
}

static void xac_nic_dellink(struct net_device *dev, struct list_head *head)
{
	unregister_netdevice_queue(dev, head);
}

static size_t xac_nic_get_size(const struct net_device *dev)
{
	return nla_total_size(sizeof(u32)) +	/* IFLA_ESPNIC_SA_MAX */
	       nla_total_size(sizeof(u32)) +	/* IFLA_ESPNIC_SA_COUNT */
	       nla_total_size(sizeof(u8)) +	/* IFLA_ESPNIC_REFUSE */
	       nla_total_size(sizeof(u32)) +	/* IFLA_ESPNIC_CORRUPT */
	       nla_total_size(sizeof(u32)) +	/* IFLA_ESPNIC_REORDER */
	       nla_total_size(sizeof(u8));	/* IFLA_ESPNIC_STALL */
}

static int xac_nic_fill_info(struct sk_buff *skb, const struct net_device *dev)
{
	const struct xac_nic *nic = netdev_priv(dev);
	const struct xac_nic_faults *faults = &nic->faults;

	if (nla_put_u32(skb, IFLA_ESPNIC_SA_MAX, READ_ONCE(nic->sa_max)) ||
	    nla_put_u32(skb, IFLA_ESPNIC_SA_COUNT,
			atomic_read(&nic->sa_count)) ||
	    nla_put_u8(skb, IFLA_ESPNIC_REFUSE, READ_ONCE(faults->refuse)) ||
	    nla_put_u32(skb, IFLA_ESPNIC_CORRUPT,
			READ_ONCE(faults->corrupt)) ||
	    nla_put_u32(skb, IFLA_ESPNIC_REORDER,
			READ_ONCE(faults->reorder)) ||
	    nla_put_u8(skb, IFLA_ESPNIC_STALL, READ_ONCE(faults->stall)))
		return -EMSGSIZE;

	return 0;
}

static struct net *xac_nic_get_link_net(const struct net_device *dev)
{
	const struct xac_nic *nic = netdev_priv(dev);
	const struct net_device *lower = xac_nic_lower(nic);
	const struct xac_nic *peer = xac_nic_peer(nic);

	if (lower)
		return dev_net(lower);

	return dev_net(peer ? peer->dev : dev);
}

static struct rtnl_link_ops xac_nic_link_ops __read_mostly = {
	.kind		= "espnic",
	.maxtype	= IFLA_ESPNIC_MAX,
	.policy		= xac_nic_policy,
	.priv_size	= sizeof(struct xac_nic),
	.setup		= xac_nic_setup,
	.newlink	= xac_newlink,
	.changelink	= xac_nic_changelink,
	.dellink	= xac_nic_dellink,
	.get_size	= xac_nic_get_size,
	.fill_info	= xac_nic_fill_info,
	.get_link_net	= xac_nic_get_link_net,
};

/* --- the lower device changes --- */

static struct xac_nic *xac_nic_above(const struct net_device *lower)
{
	if (rtnl_dereference(lower->rx_handler) != xac_nic_handle_frame)
		return NULL;

	return rtnl_dereference(lower->rx_handler_data);
}

static int xac_nic_device_event(struct notifier_block *nb, unsigned long event,
				void *ptr)
{
	struct net_device *lower = netdev_notifier_info_to_dev(ptr);
	struct xac_nic *nic = xac_nic_above(lower);

	if (event == NETDEV_CHANGEUPPER && xac_is_nic(lower))
		netdev_update_features(lower);
	if (!nic)
		return NOTIFY_DONE;

	switch (event) {
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
		netif_stacked_transfer_operstate(lower, nic->dev);
		break;
	case NETDEV_CHANGEMTU:
		if (nic->dev->mtu > lower->mtu)
			dev_set_mtu(nic->dev, lower->mtu);
		break;
	case NETDEV_UNREGISTER:
		/* Not when it only moves to another namespace. */
		if (lower->reg_state == NETREG_UNREGISTERING)
			unregister_netdevice(nic->dev);
		break;
	case NETDEV_PRE_TYPE_CHANGE:
		return NOTIFY_BAD;
	}

	return NOTIFY_DONE;
}

static struct notifier_block xac_nic_device_nb = {
	.notifier_call = xac_nic_device_event,
};

/**
 * xac_nic_register - from now on devices can be made
 *
 * Return: 0 or a negative errno.
 */
int xac_nic_register(void)
{
	int err;

	err = register_netdevice_notifier(&xac_nic_device_nb);
	if (err)
		return err;
	err = rtnl_link_register(&xac_nic_link_ops);
	if (err)
		unregister_netdevice_notifier(&xac_nic_device_nb);

	return err;
}

/**
 * xac_nic_unregister - delete every device in every namespace
 */
void xac_nic_unregister(void)
{
	rtnl_link_unregister(&xac_nic_link_ops);
	unregister_netdevice_notifier(&xac_nic_device_nb);
}
