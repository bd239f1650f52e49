// SPDX-License-Identifier: GPL-2.0
/*
 * SAs and policies for the suites: real ones.
 */
#include <net/xfrm.h>

#include "kunit/fixture.h"

const struct xk_sa xk_sa_in = {
	.family = AF_INET,
	.mode = XFRM_MODE_TUNNEL,
	.in = true,
	.spi = XK_SPI_IN,
	.if_id = XK_IF_ID,
};

static void xk_out_addr(xfrm_address_t *addr, unsigned short family, bool ours)
{
	if (family == AF_INET)
		addr->a4 = htonl(ours ? XK_OUT4_A : XK_OUT4_B);
	else
		addr->in6 = ours ? xk_out6_a : xk_out6_b;
}

/**
 * xk_sa_make - make an SA that is in no table
 * @net: namespace
 * @sa: its parameters
 *
 * Return: the SA, to be given to xk_sa_free(), or NULL.
 */
struct xfrm_state *xk_sa_make(struct net *net, const struct xk_sa *sa)
{
	struct xfrm_state *x = xfrm_state_alloc(net);

	if (!x)
		return NULL;

	x->id.proto = IPPROTO_ESP;
	x->id.spi = htonl(sa->spi);
	xk_out_addr(&x->props.saddr, sa->family, !sa->in);
	xk_out_addr(&x->id.daddr, sa->family, sa->in);
	if (sa->daddr)
		x->id.daddr.a4 = htonl(sa->daddr);
	x->props.family = sa->family;
	x->props.mode = sa->mode;
	x->props.reqid = XK_REQID;
	x->if_id = sa->if_id;
	x->lft.soft_byte_limit = XFRM_INF;
	x->lft.hard_byte_limit = XFRM_INF;
	x->lft.soft_packet_limit = XFRM_INF;
	x->lft.hard_packet_limit = XFRM_INF;
	if (sa->selects)
		x->sel.family = sa->selects;
	else if (sa->one_family || sa->mode != XFRM_MODE_TUNNEL)
		x->sel.family = sa->family;
	else
		x->props.flags |= XFRM_STATE_AF_UNSPEC;

	if (xk_sa_keys(x, sa) || xfrm_init_state(x)) {
		xk_sa_free(x);
		return NULL;
	}
	x->km.state = XFRM_STATE_VALID;

	return x;
}

/**
 * xk_sa_event - tell the key managers of an SA, as requests of user space do
 * @x: the SA
 * @event: XFRM_MSG_NEWSA and its like
 */
void xk_sa_event(struct xfrm_state *x, u32 event)
{
	const struct km_event c = { .event = event };

	km_state_notify(x, &c);
}

/**
 * xk_policy_event - tell the key managers of a policy
 * @policy: the policy
 * @dir: XFRM_POLICY_OUT and its like
 * @event: XFRM_MSG_NEWPOLICY and its like
 */
void xk_policy_event(struct xfrm_policy *policy, int dir, u32 event)
{
	const struct km_event c = { .event = event };

	km_policy_notify(policy, dir, &c);
}

/**
 * xk_sa_free - put an SA that is in no table
 * @x: the SA; no packet refers to it any more
 */
void xk_sa_free(struct xfrm_state *x)
{
	x->km.state = XFRM_STATE_DEAD;
	xfrm_state_put(x);
}

/**
 * xk_sa_add - make an SA and let it be found; xk_flush() deletes it
 * @net: namespace
 * @sa: its parameters
 *
 * Return: the SA, a reference for xfrm_state_put(), or NULL.
 */
struct xfrm_state *xk_sa_add(struct net *net, const struct xk_sa *sa)
{
	struct xfrm_state *x = xk_sa_make(net, sa);

	if (!x)
		return NULL;

	xfrm_state_hold(x);
	if (xfrm_state_add(x)) {
		xfrm_state_put(x);
		xk_sa_free(x);
		return NULL;
	}
	xk_sa_event(x, XFRM_MSG_NEWSA);

	return x;
}

/**
 * xk_policy_add - add a policy; xk_flush() deletes it
 * @net: namespace
 * @policy: its parameters
 *
 * Return: 0 or a negative errno.
 */
int xk_policy_add(struct net *net, const struct xk_policy *policy)
{
	bool out = policy->dir == XFRM_POLICY_OUT;
	struct xfrm_policy *pol;
	struct xfrm_tmpl *tmpl;
	int err;

	pol = xfrm_policy_alloc(net, GFP_KERNEL);
	if (!pol)
		return -ENOMEM;

	pol->if_id = policy->if_id;
	pol->family = policy->inner;
	pol->selector.family = policy->inner;
	pol->priority = policy->priority;
	if (policy->selects) {
		pol->selector.daddr.a4 = htonl(policy->selects);
		pol->selector.prefixlen_d = 32;
	}
	pol->action = policy->action;
	pol->type = XFRM_POLICY_TYPE_MAIN;
	pol->lft.soft_byte_limit = XFRM_INF;
	pol->lft.hard_byte_limit = XFRM_INF;
	pol->lft.soft_packet_limit = XFRM_INF;
	pol->lft.hard_packet_limit = XFRM_INF;

	if (policy->action == XFRM_POLICY_ALLOW) {
		pol->xfrm_nr = 1;
		tmpl = &pol->xfrm_vec[0];
		tmpl->id.proto = IPPROTO_ESP;
		tmpl->mode = XFRM_MODE_TUNNEL;
		tmpl->reqid = XK_REQID;
		tmpl->encap_family = policy->outer;
		tmpl->aalgos = ~0;
		tmpl->ealgos = ~0;
		tmpl->calgos = ~0;
		if (!policy->any_saddr)
			xk_out_addr(&tmpl->saddr, policy->outer, out);
		xk_out_addr(&tmpl->id.daddr, policy->outer, !out);
		if (policy->daddr)
			tmpl->id.daddr.a4 = htonl(policy->daddr);
	}

	err = xfrm_policy_insert(policy->dir, pol, 1);
	if (err)
		pol->walk.dead = 1;
	else
		xk_policy_event(pol, policy->dir, XFRM_MSG_NEWPOLICY);
	xfrm_pol_put(pol);

	return err;
}

/**
 * xk_flush - delete every SA and policy
 * @net: namespace
 */
void xk_flush(struct net *net)
{
	struct km_event c = { .event = XFRM_MSG_FLUSHPOLICY, .net = net };

	xfrm_policy_flush(net, XFRM_POLICY_TYPE_MAIN, false);
	km_policy_notify(NULL, 0, &c);

	c.event = XFRM_MSG_FLUSHSA;
	xfrm_state_flush(net, IPSEC_PROTO_ANY, false);
	km_state_notify(NULL, &c);
}
