// SPDX-License-Identifier: GPL-2.0
/*
 * The policies that a device has taken, by the kernel's offload API.
 *
 * Outgoing packets the kernel judges itself, and says by which SA they are to
 * go. Of incoming ones it believes the device: what that has decrypted it takes
 * as it is, and what matches an offloaded policy it takes even in plain text.
 * So it is the device that must block, and insist on protection (RFC 4301,
 * section 5.2).
 */
#include <linux/slab.h>

#include "compat/xfrm.h"
#include "nic/nic.h"

/**
 * struct xac_policy - a policy in the device
 * @node: in the list of its device, which is by priority
 * @nic: the device
 * @selector: whose packets
 * @tmpl: how they are to have been protected
 * @priority: the lower, the sooner
 * @action: XFRM_POLICY_ALLOW or _BLOCK
 * @protected: allowed only as @tmpl says; else as they are
 * @rcu: for the end
 */
struct xac_policy {
	struct list_head node;
	struct xac_nic *nic;
	struct xfrm_selector selector;
	struct xfrm_tmpl tmpl;
	u32 priority;
	u8 action;
	bool protected;
	struct rcu_head rcu;
};

/**
 * xac_policies_init - a device has no policies yet
 * @nic: the device
 */
void xac_policies_init(struct xac_nic *nic)
{
	INIT_LIST_HEAD(&nic->policies);
	spin_lock_init(&nic->policies_lock);
}

/* --- the offload API --- */

static int xac_policy_check_tmpl(const struct xfrm_tmpl *tmpl,
				 struct netlink_ext_ack *extack)
{
	if (tmpl->id.proto != IPPROTO_ESP ||
	    (tmpl->mode != XFRM_MODE_TUNNEL &&
	     tmpl->mode != XFRM_MODE_TRANSPORT)) {
		NL_SET_ERR_MSG(extack,
			       "espnic: only policies for ESP in tunnel or transport mode");
		return -EOPNOTSUPP;
	}
	if (tmpl->optional) {
		NL_SET_ERR_MSG(extack, "espnic: no optional templates");
		return -EOPNOTSUPP;
	}

	return 0;
}

static int xac_policy_check(const struct xfrm_policy *xp,
			    struct netlink_ext_ack *extack)
{
	bool in = xp->xdo.dir == XFRM_DEV_OFFLOAD_IN;

	if (!(xp->xdo.dev->features & NETIF_F_HW_ESP)) {
		NL_SET_ERR_MSG(extack,
			       "espnic: esp-hw-offload is off (ethtool -K)");
		return -EOPNOTSUPP;
	}
	if (xp->type != XFRM_POLICY_TYPE_MAIN) {
		NL_SET_ERR_MSG(extack, "espnic: only main policies");
		return -EOPNOTSUPP;
	}
	if (!in && xp->xdo.dir != XFRM_DEV_OFFLOAD_OUT) {
		NL_SET_ERR_MSG(extack,
			       "espnic: no forward policies: those of dir in are for forwarded packets as well");
		return -EOPNOTSUPP;
	}
	if (in && xp->if_id) {
		NL_SET_ERR_MSG(extack,
			       "espnic: no incoming policies with an if_id");
		return -EOPNOTSUPP;
	}
	if (in && xp->mark.m) {
		NL_SET_ERR_MSG(extack,
			       "espnic: no incoming policies with a mark");
		return -EOPNOTSUPP;
	}
	if (xp->action == XFRM_POLICY_BLOCK || !xp->xfrm_nr)
		return 0;
	if (xp->xfrm_nr > 1) {
		NL_SET_ERR_MSG(extack,
			       "espnic: no policies with more than one template");
		return -EOPNOTSUPP;
	}

	return xac_policy_check_tmpl(&xp->xfrm_vec[0], extack);
}

static void xac_policy_insert(struct xac_nic *nic, struct xac_policy *policy)
{
	struct list_head *before = &nic->policies;
	struct xac_policy *pos;

	spin_lock_bh(&nic->policies_lock);
	list_for_each_entry(pos, &nic->policies, node) {
		if (pos->priority > policy->priority)
			break;
		before = &pos->node;
	}
	list_add_rcu(&policy->node, before);
	spin_unlock_bh(&nic->policies_lock);
}

/**
 * xac_xdo_policy_add - xdo_dev_policy_add of an espnic
 * @xp: the policy
 * @extack: is told why not
 *
 * Return: 0 or a negative errno.
 */
int xac_xdo_policy_add(struct xfrm_policy *xp, struct netlink_ext_ack *extack)
{
	struct xac_nic *nic = netdev_priv(xp->xdo.dev);
	struct xac_policy *policy;
	int err;

	err = xac_policy_check(xp, extack);
	if (!err)
		err = xac_nic_refused(nic, extack);
	if (err || xp->xdo.dir != XFRM_DEV_OFFLOAD_IN)
		return err;

	policy = kzalloc(sizeof(*policy), GFP_ATOMIC);
	if (!policy)
		return -ENOMEM;
	policy->nic = nic;
	policy->selector = xp->selector;
	policy->priority = xp->priority;
	policy->action = xp->action;
	policy->protected = xp->xfrm_nr;
	if (policy->protected)
		policy->tmpl = xp->xfrm_vec[0];
	xac_policy_insert(nic, policy);
	xp->xdo.offload_handle = (unsigned long)policy;

	return 0;
}

/**
 * xac_xdo_policy_delete - xdo_dev_policy_delete of an espnic
 * @xp: the policy; it may be told more than once
 *
 * Context: locks may be held.
 */
void xac_xdo_policy_delete(struct xfrm_policy *xp)
{
	struct xac_policy *policy;

	policy = (struct xac_policy *)xchg(&xp->xdo.offload_handle, 0);
	if (!policy)
		return;

	spin_lock_bh(&policy->nic->policies_lock);
	list_del_rcu(&policy->node);
	spin_unlock_bh(&policy->nic->policies_lock);
	kfree_rcu(policy, rcu);
}

/* --- received packets --- */

static bool xac_selector_has(const struct xfrm_selector *sel,
			     const struct flowi *fl, unsigned short family)
{
	const union flowi_uli *uli;
	const void *saddr, *daddr;

	if (sel->family != family)
		return false;

	if (family == AF_INET6) {
		uli = &fl->u.ip6.uli;
		saddr = &fl->u.ip6.saddr;
		daddr = &fl->u.ip6.daddr;
	} else {
		uli = &fl->u.ip4.uli;
		saddr = &fl->u.ip4.saddr;
		daddr = &fl->u.ip4.daddr;
	}

	return addr_match(saddr, &sel->saddr, sel->prefixlen_s) &&
	       addr_match(daddr, &sel->daddr, sel->prefixlen_d) &&
	       !((xfrm_flowi_sport(fl, uli) ^ sel->sport) & sel->sport_mask) &&
	       !((xfrm_flowi_dport(fl, uli) ^ sel->dport) & sel->dport_mask) &&
	       (!sel->proto || sel->proto == fl->flowi_proto);
}

static const struct xac_policy *xac_policy_find(const struct xac_nic *nic,
						const struct flowi *fl,
						unsigned short family)
{
	const struct xac_policy *policy;

	list_for_each_entry_rcu(policy, &nic->policies, node)
		if (xac_selector_has(&policy->selector, fl, family) &&
		    (!policy->selector.ifindex ||
		     policy->selector.ifindex == nic->dev->ifindex))
			return policy;

	return NULL;
}

/* The flow of a packet, its network header set; 0 if it is no IP. */
static unsigned short xac_policy_flow(struct xac_nic *nic, struct sk_buff *skb,
				      struct flowi *fl)
{
	unsigned short family;

	switch (skb->protocol) {
	case htons(ETH_P_IP):
		family = AF_INET;
		break;
	case htons(ETH_P_IPV6):
		family = AF_INET6;
		break;
	default:
		return 0;
	}
	memset(fl, 0, sizeof(*fl));
	xac_decode_session(dev_net(nic->dev), skb, fl, family);

	return family;
}

/* What is protected is the kernel's to unpack, and to judge what is inside. */
static bool xac_policy_is_ipsec(u8 proto)
{
	return proto == IPPROTO_ESP || proto == IPPROTO_AH ||
	       proto == IPPROTO_COMP;
}

/**
 * xac_policy_admits - may a packet come in that was not decrypted here?
 * @nic: the device
 * @skb: the packet, data at its IP header if it has one; consumed if not
 *
 * Context: softirq, RCU.
 */
bool xac_policy_admits(struct xac_nic *nic, struct sk_buff *skb)
{
	const struct xac_policy *policy;
	unsigned short family;
	struct flowi fl;

	/* GRO of the wire has decrypted it for the kernel, which is to judge. */
	if (list_empty(&nic->policies) || skb_sec_path(skb))
		return true;

	skb_reset_network_header(skb);
	family = xac_policy_flow(nic, skb, &fl);
	if (!family || xac_policy_is_ipsec(fl.flowi_proto))
		return true;
	policy = xac_policy_find(nic, &fl, family);
	if (!policy || (policy->action == XFRM_POLICY_ALLOW &&
			!policy->protected))
		return true;

	xac_nic_rx_drop(nic, skb, XAC_NIC_RX_POLICY);

	return false;
}

static bool xac_policy_addr_fits(const xfrm_address_t *wanted,
				 const xfrm_address_t *addr,
				 unsigned short family)
{
	return xfrm_addr_any(wanted, family) ||
	       xfrm_addr_equal(wanted, addr, family);
}

/* Is the SA one of those that the template asks for? */
static bool xac_policy_tmpl_fits(const struct xfrm_tmpl *tmpl,
				 const struct xfrm_state *x)
{
	unsigned short family = x->props.family;

	if (tmpl->mode != x->props.mode || tmpl->id.proto != x->id.proto ||
	    (tmpl->id.spi && tmpl->id.spi != x->id.spi) ||
	    (tmpl->reqid && tmpl->reqid != x->props.reqid) ||
	    (!tmpl->allalgs && !(tmpl->aalgos & BIT(x->props.aalgo))))
		return false;

	return tmpl->mode == XFRM_MODE_TRANSPORT ||
	       (tmpl->encap_family == family &&
		xac_policy_addr_fits(&tmpl->saddr, &x->props.saddr, family) &&
		xac_policy_addr_fits(&tmpl->id.daddr, &x->id.daddr, family));
}

/**
 * xac_policy_admits_opened - may a packet come in as what it was decrypted as?
 * @nic: the device
 * @skb: the packet, data at its IP header; consumed if not
 * @x: the SA that it came by
 *
 * As in the kernel, no policy means no packets out of a tunnel.
 *
 * Context: softirq, RCU.
 */
bool xac_policy_admits_opened(struct xac_nic *nic, struct sk_buff *skb,
			      const struct xfrm_state *x)
{
	enum xac_nic_count why = XAC_NIC_RX_MISMATCH;
	const struct xac_policy *policy;
	unsigned short family;
	struct flowi fl;

	family = xac_policy_flow(nic, skb, &fl);
	if (!family ||
	    (x->sel.family && !xac_selector_has(&x->sel, &fl, family)))
		goto drop;

	policy = xac_policy_find(nic, &fl, family);
	if (policy && policy->action == XFRM_POLICY_BLOCK) {
		why = XAC_NIC_RX_POLICY;
		goto drop;
	}
	if (policy && policy->protected) {
		if (xac_policy_tmpl_fits(&policy->tmpl, x))
			return true;
	} else if (x->props.mode == XFRM_MODE_TRANSPORT) {
		return true;
	}

drop:
	xac_nic_rx_drop(nic, skb, why);

	return false;
}
