// SPDX-License-Identifier: GPL-2.0
/*
 * What makes remembered bundles wrong although dst_check() is content, or
 * keeps alive what should go: changes of SAs and policies, which the core
 * tells its key managers, and devices that are unregistered.
 *
 * The core tells after it has changed its tables and before the request that
 * asked for the change is answered.
 */
#include <linux/netdevice.h>
#include <net/xfrm.h>

#include "iface/bundle_cache.h"
#include "iface/iface.h"

/* Under RCU: SAs or policies with this if_id have changed. */
static void xac_if_id_changed(struct net *net, u32 if_id)
{
	struct xac_table *table = xac_net_table(net);
	struct xac_dev *xd;

	xd = xac_table_lookup(table, if_id);
	if (xd)
		xac_cache_forget(xd);

	/* Takes any if_id. */
	xd = xac_table_external(table);
	if (xd)
		xac_cache_forget(xd);
}

static void xac_net_changed(struct net *net)
{
	struct xac_table *table = xac_net_table(net);

	xac_cache_forget_all(table);
	xac_forward_forget(table);
}

static int xac_km_notify(struct xfrm_state *x, const struct km_event *c)
{
	if (!x) {
		xac_net_changed(c->net);
		return 0;
	}

	/* Replay state and lifetime so far: no other SA is chosen. */
	if (c->event == XFRM_MSG_NEWAE)
		return 0;

	xac_forward_forget(xac_net_table(xs_net(x)));

	switch (c->event) {
	case XFRM_MSG_UPDSA:
		/*
		 * An SA that was changed in place, which may have given it
		 * another if_id: the request's own SA is discarded then, and
		 * the former if_id is not known here.
		 */
		if (x->km.state == XFRM_STATE_DEAD) {
			xac_net_changed(xs_net(x));
			break;
		}
		fallthrough;
	case XFRM_MSG_NEWSA:
	case XFRM_MSG_DELSA:
	case XFRM_MSG_EXPIRE:
		xac_if_id_changed(xs_net(x), x->if_id);
		break;
	default:
		xac_net_changed(xs_net(x));
		break;
	}

	return 0;
}

static int xac_km_notify_policy(struct xfrm_policy *policy, int dir,
				const struct km_event *c)
{
	struct net *net;

	if (!policy) {
		xac_net_changed(c->net);
		return 0;
	}

	net = xp_net(policy);
	xac_forward_forget(xac_net_table(net));

	if (dir == XFRM_POLICY_OUT) {
		xac_if_id_changed(net, policy->if_id);
		if (!policy->if_id && policy->family == AF_INET)
			xac_cache_unexempt(xac_net_table(net), net);
	}

	return 0;
}

static int xac_km_migrate(const struct xfrm_selector *sel, u8 dir, u8 type,
			  const struct xfrm_migrate *m, int num_bundles,
			  const struct xfrm_kmaddress *k, struct net *net,
			  const struct xfrm_encap_tmpl *encap)
{
	xac_net_changed(net);

	/* Only a manager that told somebody may say that this was done. */
	return -EOPNOTSUPP;
}

/* The two that the core calls without asking whether they are there. */

static int xac_km_acquire(struct xfrm_state *x, struct xfrm_tmpl *tmpl,
			  struct xfrm_policy *policy)
{
	return -EOPNOTSUPP;
}

/* Leaves the error as the other managers have set it. */
static struct xfrm_policy *xac_km_compile_policy(struct sock *sk, int opt,
						 u8 *data, int len, int *dir)
{
	return NULL;
}

static struct xfrm_mgr xac_km = {
	.notify		= xac_km_notify,
	.acquire	= xac_km_acquire,
	.compile_policy	= xac_km_compile_policy,
	.notify_policy	= xac_km_notify_policy,
	.migrate	= xac_km_migrate,
};

static bool xac_dev_takes_sas(const struct net_device *dev)
{
#ifdef CONFIG_XFRM_OFFLOAD
	return dev->xfrmdev_ops;
#else
	return false;
#endif
}

/*
 * A bundle holds the device that its packets leave through, and the routes
 * from the interface's own namespace. The core repeats the event as long as
 * somebody holds the device. SAs that a device encrypts for it deletes when that
 * goes down, without a word to key managers. Routes of the forward cache are let
 * go on the occasion.
 */
static int xac_netdev_event(struct notifier_block *nb, unsigned long event,
			    void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);

	if (event == NETDEV_REGISTER && xac_is_xac_dev(dev))
		xac_forward_dev_added(dev);

	if (event != NETDEV_UNREGISTER &&
	    !(event == NETDEV_DOWN && xac_dev_takes_sas(dev)))
		return NOTIFY_DONE;

	xac_net_changed(dev_net(dev));
	if (event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;

	xac_forward_empty(xac_net_table(dev_net(dev)));
	if (xac_is_xac_dev(dev)) {
		xac_cache_forget(netdev_priv(dev));
		xac_forward_dev_gone(dev);
	}

	return NOTIFY_DONE;
}

static struct notifier_block xac_netdev_nb = {
	.notifier_call = xac_netdev_event,
};

/**
 * xac_bundle_events_register - from now on the caches hear of changes
 *
 * Context: process context; to be called before interfaces can be made.
 * Return: 0 or a negative errno.
 */
int xac_bundle_events_register(void)
{
	int err;

	err = register_netdevice_notifier(&xac_netdev_nb);
	if (err)
		return err;

	xfrm_register_km(&xac_km);

	return 0;
}

/**
 * xac_bundle_events_unregister - undo that; no interface is left
 */
void xac_bundle_events_unregister(void)
{
	xfrm_unregister_km(&xac_km);
	unregister_netdevice_notifier(&xac_netdev_nb);
}
