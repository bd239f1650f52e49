// SPDX-License-Identifier: GPL-2.0
/*
 * The SAs that an espnic has taken, by the kernel's offload API.
 *
 * An entry is there from xdo_dev_state_add() to xdo_dev_state_delete(). The
 * kernel frees an SA, its keys first, a grace period after it is deleted: so
 * who finds one under RCU, or holds it, may use its transform.
 */
#include <linux/jhash.h>
#include <linux/slab.h>

#include "compat/xfrmdev.h"
#include "nic/nic.h"

/**
 * struct xac_nic_key - what a received packet tells of its SA
 * @daddr: destination; an IPv4 address comes first, with zeros behind
 * @spi: Security Parameters Index
 * @family: AF_INET or AF_INET6
 */
struct xac_nic_key {
	xfrm_address_t daddr;
	__be32 spi;
	u32 family;
};

/**
 * struct xac_nic_sa - an SA in the device
 * @node: in the table; an SA is replaced while the old one is there
 * @key: what it is found by
 * @nic: the device
 * @x: the SA
 * @packet: what it counts itself, with packet offload
 * @lost: the device has forgotten it, and the kernel does not know
 * @rcu: for the end
 */
struct xac_nic_sa {
	struct rhlist_head node;
	struct xac_nic_key key;
	struct xac_nic *nic;
	struct xfrm_state *x;
	struct xac_packet_sa packet;
	bool lost;
	struct rcu_head rcu;
};

/*
 * Said so that the compiler can put it in line; the default is two calls for
 * any length of key. Others choose the SPIs of outbound SAs: no weaker hash.
 */
static u32 xac_nic_key_hash(const void *data, u32 length, u32 seed)
{
	const struct xac_nic_key *key = data;
	const __be32 *daddr = key->daddr.a6;

	return jhash_2words((__force u32)(daddr[0] ^ daddr[1] ^ daddr[2] ^
					  daddr[3]),
			    (__force u32)key->spi, seed);
}

static int xac_nic_key_differs(struct rhashtable_compare_arg *arg,
			       const void *entry)
{
	const struct xac_nic_key *key = arg->key;
	const struct xac_nic_sa *sa = entry;

	return key->spi != sa->key.spi || key->family != sa->key.family ||
	       !ipv6_addr_equal(&key->daddr.in6, &sa->key.daddr.in6);
}

static const struct rhashtable_params xac_nic_sas = {
	.key_len = sizeof(struct xac_nic_key),
	.key_offset = offsetof(struct xac_nic_sa, key),
	.head_offset = offsetof(struct xac_nic_sa, node),
	.hashfn = xac_nic_key_hash,
	.obj_cmpfn = xac_nic_key_differs,
	.automatic_shrinking = true,
};

/**
 * xac_nic_sas_init - make a device's tables of SAs and policies
 * @nic: the device
 *
 * Return: 0 or a negative errno.
 */
int xac_nic_sas_init(struct xac_nic *nic)
{
	int err;

	xac_policies_init(nic);
	nic->last = alloc_percpu(struct xac_nic_last);
	if (!nic->last)
		return -ENOMEM;
	/* What is zeroed is nobody's last SA. */
	atomic64_set(&nic->epoch, 1);
	err = rhltable_init(&nic->sas, &xac_nic_sas);
	if (err)
		free_percpu(nic->last);

	return err;
}

/**
 * xac_nic_sas_exit - free it
 * @nic: the device; its SAs have been deleted
 */
void xac_nic_sas_exit(struct xac_nic *nic)
{
	rhltable_destroy(&nic->sas);
	free_percpu(nic->last);
}

static void xac_nic_key_set(struct xac_nic_key *key, const void *daddr,
			    __be32 spi, unsigned short family)
{
	memset(key, 0, sizeof(*key));
	memcpy(&key->daddr, daddr, family == AF_INET6 ?
				   sizeof(struct in6_addr) : sizeof(__be32));
	key->spi = spi;
	key->family = family;
}

static struct xac_nic_sa *xac_nic_sa_of(const struct xfrm_state *x)
{
	return (struct xac_nic_sa *)READ_ONCE(x->xso.offload_handle);
}

/* Who sees the new epoch sees the table as it is now. */
static void xac_nic_sas_changed(struct xac_nic *nic)
{
	atomic64_inc_return_release(&nic->epoch);
}

/* The SA, referenced, if the device is to decrypt by it. */
static struct xfrm_state *xac_nic_sa_get(const struct xac_nic_sa *sa)
{
	struct xfrm_state *x = sa->x;

	return x->xso.dir == XFRM_DEV_OFFLOAD_IN && !READ_ONCE(sa->lost) &&
	       x->km.state == XFRM_STATE_VALID &&
	       refcount_inc_not_zero(&x->refcnt) ? x : NULL;
}

/*
 * The SA of the last packet, if this one has the same. In the epoch in which it
 * was found it is in the table, or it went while we are here under RCU.
 */
static struct xfrm_state *xac_nic_sa_last(const struct xac_nic_last *last,
					  s64 epoch, const void *daddr,
					  __be32 spi, unsigned short family)
{
	const struct xac_nic_key *key;

	if (last->epoch != epoch)
		return NULL;
	key = &last->sa->key;
	if (key->spi != spi || key->family != family ||
	    !xfrm_addr_equal(&key->daddr, daddr, family))
		return NULL;

	return xac_nic_sa_get(last->sa);
}

/**
 * xac_nic_sa_find - the SA of a received packet
 * @nic: the device
 * @daddr: destination of the outer header
 * @spi: of the ESP header
 * @family: AF_INET or AF_INET6
 *
 * Context: bottom halves off, RCU.
 * Return: the SA, referenced, or NULL: the device has none.
 */
struct xfrm_state *xac_nic_sa_find(struct xac_nic *nic, const void *daddr,
				   __be32 spi, unsigned short family)
{
	struct xac_nic_last *last = this_cpu_ptr(nic->last);
	/* Before the table: what changes that afterwards changes this, too. */
	s64 epoch = atomic64_read_acquire(&nic->epoch);
	struct rhlist_head *list, *pos;
	struct xac_nic_key key;
	struct xac_nic_sa *sa;
	struct xfrm_state *x;

	x = xac_nic_sa_last(last, epoch, daddr, spi, family);
	if (likely(x))
		return x;

	xac_nic_key_set(&key, daddr, spi, family);
	list = rhltable_lookup(&nic->sas, &key, xac_nic_sas);
	rhl_for_each_entry_rcu(sa, pos, list, node) {
		x = xac_nic_sa_get(sa);
		if (!x)
			continue;
		last->sa = sa;
		last->epoch = epoch;
		return x;
	}

	return NULL;
}

/*
 * A bond moves its SAs from slave to slave, and these need not be espnics: what
 * the handle means is not known before the SA is found here.
 */
static const struct xac_nic_sa *xac_nic_sa_of_bond(struct xac_nic *nic,
						   const struct xfrm_state *x)
{
	struct rhlist_head *list, *pos;
	struct xac_nic_key key;
	struct xac_nic_sa *sa;

	xac_nic_key_set(&key, &x->id.daddr, x->id.spi, x->props.family);
	list = rhltable_lookup(&nic->sas, &key, xac_nic_sas);
	rhl_for_each_entry_rcu(sa, pos, list, node)
		if (sa->x == x)
			return sa;

	return NULL;
}

/**
 * xac_nic_has_sa - does the device encrypt for this SA?
 * @nic: the device
 * @x: the SA, which a packet holds
 *
 * Context: RCU.
 */
bool xac_nic_has_sa(struct xac_nic *nic, const struct xfrm_state *x)
{
	const struct xac_nic_sa *sa = x->xso.dev == nic->dev ?
				      xac_nic_sa_of(x) :
				      xac_nic_sa_of_bond(nic, x);

	return sa && sa->nic == nic && !READ_ONCE(sa->lost);
}

/**
 * xac_nic_packet_sa - what the device counts for an SA with packet offload
 * @x: the SA
 *
 * Context: RCU.
 * Return: that, or NULL: no device has the SA any more.
 */
struct xac_packet_sa *xac_nic_packet_sa(const struct xfrm_state *x)
{
	struct xac_nic_sa *sa = xac_nic_sa_of(x);

	return sa && xac_nic_is_packet(x) ? &sa->packet : NULL;
}

/**
 * xac_nic_sa_lose - forget SAs, without a word to the kernel
 * @nic: the device
 * @spi: their SPI
 *
 * Context: process, may sleep.
 */
void xac_nic_sa_lose(struct xac_nic *nic, __be32 spi)
{
	struct rhashtable_iter walk;
	struct xac_nic_sa *sa;

	rhltable_walk_enter(&nic->sas, &walk);
	rhashtable_walk_start(&walk);
	while ((sa = rhashtable_walk_next(&walk))) {
		/* The table was resized: it goes on, and twice does no harm. */
		if (IS_ERR(sa))
			continue;
		if (sa->key.spi == spi)
			WRITE_ONCE(sa->lost, true);
	}
	rhashtable_walk_stop(&walk);
	rhashtable_walk_exit(&walk);
}

/* Is this an SA that the device can work for? */
static int xac_nic_check(const struct net_device *dev,
			 const struct xfrm_state *x,
			 struct netlink_ext_ack *extack)
{
	if (!(dev->features & NETIF_F_HW_ESP)) {
		NL_SET_ERR_MSG(extack,
			       "espnic: esp-hw-offload is off (ethtool -K)");
		return -EOPNOTSUPP;
	}
	if (x->id.proto != IPPROTO_ESP) {
		NL_SET_ERR_MSG(extack, "espnic: only ESP");
		return -EOPNOTSUPP;
	}
	if (x->encap) {
		NL_SET_ERR_MSG(extack, "espnic: not ESP in UDP");
		return -EOPNOTSUPP;
	}
	if (x->props.mode != XFRM_MODE_TUNNEL &&
	    x->props.mode != XFRM_MODE_TRANSPORT) {
		NL_SET_ERR_MSG(extack,
			       "espnic: only tunnel and transport mode");
		return -EOPNOTSUPP;
	}

	return xac_nic_is_packet(x) ? xac_packet_check(dev, x, extack) : 0;
}

/**
 * xac_nic_refused - is the device told to take nothing new?
 * @nic: the device
 * @extack: is told so
 *
 * Return: 0, or the answer to the request.
 */
int xac_nic_refused(struct xac_nic *nic, struct netlink_ext_ack *extack)
{
	switch (READ_ONCE(nic->faults.refuse)) {
	case ESPNIC_REFUSE_ERROR:
		NL_SET_ERR_MSG(extack, "espnic: told to fail");
		return -EIO;
	case ESPNIC_REFUSE_UNSUPPORTED:
		NL_SET_ERR_MSG(extack, "espnic: told to refuse");
		return -EOPNOTSUPP;
	default:
		return 0;
	}
}

/* Called with locks held; and by a bond under RCU. */
static int xac_sa_add(struct net_device *dev, struct xfrm_state *x,
		      struct netlink_ext_ack *extack)
{
	struct xac_nic *nic = netdev_priv(dev);
	struct xac_nic_sa *sa;
	int err;

	err = xac_nic_check(dev, x, extack);
	if (!err)
		err = xac_nic_refused(nic, extack);
	/* A place that is kept until there are keys: nothing to do yet. */
	if (err || xac_packet_is_acquire(x))
		return err;

	if (atomic_inc_return(&nic->sa_count) > READ_ONCE(nic->sa_max)) {
		NL_SET_ERR_MSG(extack, "espnic: no room for more SAs (sa-max)");
		err = -ENOSPC;
		goto uncount;
	}

	err = -ENOMEM;
	sa = kzalloc(sizeof(*sa), GFP_ATOMIC);
	if (!sa)
		goto uncount;
	sa->nic = nic;
	sa->x = x;
	spin_lock_init(&sa->packet.lock);
	xac_nic_key_set(&sa->key, &x->id.daddr, x->id.spi, x->props.family);
	err = rhltable_insert(&nic->sas, &sa->node, xac_nic_sas);
	if (err)
		goto free;
	xac_nic_sas_changed(nic);
	WRITE_ONCE(x->xso.offload_handle, (unsigned long)sa);

	return 0;

free:
	kfree(sa);
uncount:
	atomic_dec(&nic->sa_count);

	return err;
}

/* Called with the SA locked or not; it may be told more than once. */
static void xac_sa_delete(struct xfrm_state *x)
{
	struct xac_nic_sa *sa;

	sa = (struct xac_nic_sa *)xchg(&x->xso.offload_handle, 0);
	if (!sa)
		return;

	if (xac_nic_is_packet(x))
		xac_packet_report(&sa->packet, x);
	rhltable_remove(&sa->nic->sas, &sa->node, xac_nic_sas);
	xac_nic_sas_changed(sa->nic);
	atomic_dec(&sa->nic->sa_count);
	kfree_rcu(sa, rcu);
}

/* What the device cannot encrypt the kernel does; not so whole packets. */
static bool xac_nic_offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	return !xac_nic_is_packet(x) || xac_packet_offload_ok(skb, x);
}

/* The upper half of the number is looked up for each packet. */
static void xac_nic_advance_esn(struct xfrm_state *x)
{
}

const struct xfrmdev_ops xac_nic_xfrmdev_ops = {
	.xdo_dev_state_add		= xac_xdo_state_add,
	.xdo_dev_state_delete		= xac_xdo_state_delete,
	.xdo_dev_offload_ok		= xac_nic_offload_ok,
	.xdo_dev_state_advance_esn	= xac_nic_advance_esn,
#ifdef XAC_HAVE_PACKET_OFFLOAD
	.xdo_dev_state_update_stats	= xac_xdo_update_stats,
	.xdo_dev_policy_add		= xac_xdo_policy_add,
	.xdo_dev_policy_delete		= xac_xdo_policy_delete,
#endif
};
