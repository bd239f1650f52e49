// SPDX-License-Identifier: GPL-2.0
/*
 * The table of one namespace: from an SA's if_id to the interface.
 *
 * An entry is separate from the interface, so that a change of if_id can put
 * the new entry in before it takes the old one out: no packet finds the
 * interface missing in between, and a refusal leaves everything as it was.
 */
#include <linux/hash.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "iface/iface.h"

struct xac_table_entry {
	struct rhash_head node;
	u32 if_id;
	struct xac_dev *xd;
	struct rcu_head rcu;
};

/*
 * The key is one word: said in a way that the compiler can put in line, this
 * costs a few instructions; the default is two calls for any length of key.
 */
static u32 xac_if_id_hash(const void *key, u32 length, u32 seed)
{
	u32 hash = hash_32(*(const u32 *)key ^ seed, 32);

	/* The table looks at the lower bits, the upper ones are the mixed. */
	return hash ^ hash >> 16;
}

static int xac_if_id_differs(struct rhashtable_compare_arg *arg,
			     const void *entry)
{
	return *(const u32 *)arg->key !=
	       ((const struct xac_table_entry *)entry)->if_id;
}

static const struct rhashtable_params xac_table_params = {
	.key_len	= sizeof_field(struct xac_table_entry, if_id),
	.key_offset	= offsetof(struct xac_table_entry, if_id),
	.head_offset	= offsetof(struct xac_table_entry, node),
	.hashfn		= xac_if_id_hash,
	.obj_cmpfn	= xac_if_id_differs,
	.automatic_shrinking = true,
};

/**
 * xac_table_init - make an empty table
 * @table: to be initialised
 *
 * Return: 0 or a negative errno.
 */
int xac_table_init(struct xac_table *table)
{
	INIT_LIST_HEAD(&table->all);
	atomic_set(&table->cache.used, 0);
	atomic_set(&table->cache.generation, 0);
	xac_judge_init(&table->cache.judge);
	xac_forward_init(table);
	table->closed = false;
	RCU_INIT_POINTER(table->external, NULL);

	return rhashtable_init(&table->by_if_id, &xac_table_params);
}

/**
 * xac_table_close - no reader finds anything from now on
 * @table: the table
 *
 * Packets go on arriving in a namespace that is being taken apart: its SAs and
 * the devices they come through are taken away after us.
 */
void xac_table_close(struct xac_table *table)
{
	WRITE_ONCE(table->closed, true);
}

/**
 * xac_table_destroy - free a table from which every interface is gone
 * @table: the table; it was closed, and a grace period has passed since
 *
 * Context: process context, may sleep.
 */
void xac_table_destroy(struct xac_table *table)
{
	WARN_ON_ONCE(!list_empty(&table->all));
	xac_judge_exit(&table->cache.judge);
	xac_forward_exit(table);
	rhashtable_destroy(&table->by_if_id);
}

/**
 * xac_table_has - is this if_id taken?
 * @table: the table
 * @if_id: the if_id, or 0 to ask for the external interface
 *
 * Context: RTNL. Whether the interface is up does not matter here.
 */
bool xac_table_has(struct xac_table *table, u32 if_id)
{
	ASSERT_RTNL();

	if (!if_id)
		return rtnl_dereference(table->external);

	return rhashtable_lookup_fast(&table->by_if_id, &if_id,
				      xac_table_params);
}

static struct xac_table_entry *xac_entry_insert(struct xac_table *table,
						struct xac_dev *xd, u32 if_id)
{
	struct xac_table_entry *entry;
	int err;

	entry = kmalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return ERR_PTR(-ENOMEM);

	entry->if_id = if_id;
	entry->xd = xd;
	err = rhashtable_lookup_insert_fast(&table->by_if_id, &entry->node,
					    xac_table_params);
	if (err) {
		kfree(entry);
		return ERR_PTR(err);
	}

	return entry;
}

static void xac_entry_remove(struct xac_table *table,
			     struct xac_table_entry *entry)
{
	rhashtable_remove_fast(&table->by_if_id, &entry->node,
			       xac_table_params);
	kfree_rcu(entry, rcu);
}

/**
 * xac_table_add - let an interface be found
 * @table: the table of the interface's namespace
 * @xd: the interface; its if_id (or external) is set
 *
 * Context: RTNL.
 * Return: 0, -EEXIST where the if_id or the external place is taken, -ENOMEM.
 */
int xac_table_add(struct xac_table *table, struct xac_dev *xd)
{
	ASSERT_RTNL();

	if (xd->external) {
		if (rtnl_dereference(table->external))
			return -EEXIST;
		rcu_assign_pointer(table->external, xd);
	} else {
		struct xac_table_entry *entry;

		entry = xac_entry_insert(table, xd, xd->if_id);
		if (IS_ERR(entry))
			return PTR_ERR(entry);
		xd->entry = entry;
	}

	list_add_tail_rcu(&xd->siblings, &table->all);

	return 0;
}

/**
 * xac_table_del - no reader finds the interface from now on
 * @table: the table it is in
 * @xd: the interface; readers may hold it until a grace period has passed
 *
 * Context: RTNL.
 */
void xac_table_del(struct xac_table *table, struct xac_dev *xd)
{
	ASSERT_RTNL();

	list_del_rcu(&xd->siblings);

	if (xd->external) {
		RCU_INIT_POINTER(table->external, NULL);
	} else {
		xac_entry_remove(table, xd->entry);
		xd->entry = NULL;
	}
}

/**
 * xac_table_rekey - give an interface another if_id
 * @table: the table it is in
 * @xd: the interface, not an external one
 * @if_id: the new if_id, not 0
 *
 * Packets under way are found under either of the two, none is lost.
 *
 * Context: RTNL.
 * Return: 0, -EEXIST or -ENOMEM; after an error nothing has changed.
 */
int xac_table_rekey(struct xac_table *table, struct xac_dev *xd, u32 if_id)
{
	struct xac_table_entry *entry;

	ASSERT_RTNL();

	entry = xac_entry_insert(table, xd, if_id);
	if (IS_ERR(entry))
		return PTR_ERR(entry);

	WRITE_ONCE(xd->if_id, if_id);
	xac_entry_remove(table, xd->entry);
	xd->entry = entry;

	return 0;
}

/**
 * xac_table_lookup - the interface with an if_id, whether it is up or not
 * @table: the table of the SA's namespace
 * @if_id: the if_id
 *
 * Context: RCU or bottom halves off; the result is valid as long.
 * Return: the interface or NULL.
 */
struct xac_dev *xac_table_lookup(struct xac_table *table, u32 if_id)
{
	struct xac_table_entry *entry;

	if (READ_ONCE(table->closed))
		return NULL;

	entry = rhashtable_lookup(&table->by_if_id, &if_id, xac_table_params);

	return entry ? entry->xd : NULL;
}

/**
 * xac_table_external - the external interface, whether it is up or not
 * @table: the table of the SA's namespace
 *
 * Context: RCU or bottom halves off; the result is valid as long.
 * Return: the interface or NULL.
 */
struct xac_dev *xac_table_external(struct xac_table *table)
{
	return rcu_dereference_check(table->external, rcu_read_lock_bh_held());
}

/**
 * xac_table_find - the interface that packets with an if_id belong to
 * @table: the table of the SA's namespace
 * @if_id: the SA's
 *
 * Context: RCU or bottom halves off; the result is valid as long.
 * Return: the interface with that if_id if it is up, else the external one if
 *	   that is up, else NULL.
 */
struct xac_dev *xac_table_find(struct xac_table *table, u32 if_id)
{
	struct xac_dev *xd;

	xd = xac_table_lookup(table, if_id);
	if (xd && (xd->dev->flags & IFF_UP))
		return xd;

	if (READ_ONCE(table->closed))
		return NULL;

	xd = xac_table_external(table);
	if (xd && (xd->dev->flags & IFF_UP))
		return xd;

	return NULL;
}
