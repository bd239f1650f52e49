// SPDX-License-Identifier: GPL-2.0
/*
 * The device table: what is found, what is refused, what a lookup costs.
 */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/rtnetlink.h>
#include <linux/vmalloc.h>

#include "kunit/fixture.h"

/*
 * A table of its own and interfaces that are only their private parts: the
 * table looks at nothing else than the flags of the device.
 */
struct tk {
	struct xac_table table;
	struct net_device *up;
	struct net_device *down;
};

static int table_init(struct kunit *test)
{
	struct tk *tk = kunit_kzalloc(test, sizeof(*tk), GFP_KERNEL);

	if (!tk)
		return -ENOMEM;

	tk->up = kunit_kzalloc(test, sizeof(*tk->up), GFP_KERNEL);
	tk->down = kunit_kzalloc(test, sizeof(*tk->down), GFP_KERNEL);
	if (!tk->up || !tk->down)
		return -ENOMEM;
	tk->up->flags = IFF_UP;
	test->priv = tk;

	return xac_table_init(&tk->table);
}

static void table_exit(struct kunit *test)
{
	struct tk *tk = test->priv;
	struct xac_dev *xd, *next;

	rtnl_lock();
	list_for_each_entry_safe(xd, next, &tk->table.all, siblings)
		xac_table_del(&tk->table, xd);
	rtnl_unlock();
	xac_table_destroy(&tk->table);
	/* The entries are freed by RCU, the module may go after that. */
	rcu_barrier();
}

static struct xac_dev *make(struct kunit *test, u32 if_id)
{
	struct xac_dev *xd = kunit_kzalloc(test, sizeof(*xd), GFP_KERNEL);
	struct tk *tk = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, xd);
	INIT_LIST_HEAD(&xd->siblings);
	xd->dev = tk->up;
	xd->if_id = if_id;
	xd->external = !if_id;

	return xd;
}

static int add(struct kunit *test, struct xac_dev *xd)
{
	struct tk *tk = test->priv;
	int err;

	rtnl_lock();
	err = xac_table_add(&tk->table, xd);
	rtnl_unlock();

	return err;
}

static void del(struct kunit *test, struct xac_dev *xd)
{
	struct tk *tk = test->priv;

	rtnl_lock();
	xac_table_del(&tk->table, xd);
	rtnl_unlock();
}

static int rekey(struct kunit *test, struct xac_dev *xd, u32 if_id)
{
	struct tk *tk = test->priv;
	int err;

	rtnl_lock();
	err = xac_table_rekey(&tk->table, xd, if_id);
	rtnl_unlock();

	return err;
}

static struct xac_dev *find(struct kunit *test, u32 if_id)
{
	struct tk *tk = test->priv;
	struct xac_dev *xd;

	rcu_read_lock();
	xd = xac_table_find(&tk->table, if_id);
	rcu_read_unlock();

	return xd;
}

static bool has(struct kunit *test, u32 if_id)
{
	struct tk *tk = test->priv;
	bool yes;

	rtnl_lock();
	yes = xac_table_has(&tk->table, if_id);
	rtnl_unlock();

	return yes;
}

static size_t listed(struct kunit *test)
{
	struct tk *tk = test->priv;

	return list_count_nodes(&tk->table.all);
}

static void found_between_add_and_del(struct kunit *test)
{
	struct xac_dev *a = make(test, 1), *b = make(test, U32_MAX);

	KUNIT_EXPECT_PTR_EQ(test, find(test, 1), NULL);
	KUNIT_ASSERT_EQ(test, add(test, a), 0);
	KUNIT_ASSERT_EQ(test, add(test, b), 0);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 1), a);
	KUNIT_EXPECT_PTR_EQ(test, find(test, U32_MAX), b);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 2), NULL);
	KUNIT_EXPECT_TRUE(test, has(test, 1));
	KUNIT_EXPECT_FALSE(test, has(test, 2));
	KUNIT_EXPECT_EQ(test, listed(test), 2);

	del(test, a);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 1), NULL);
	KUNIT_EXPECT_FALSE(test, has(test, 1));
	KUNIT_EXPECT_PTR_EQ(test, find(test, U32_MAX), b);
	KUNIT_EXPECT_EQ(test, listed(test), 1);

	KUNIT_EXPECT_EQ(test, add(test, a), 0);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 1), a);
}

static void duplicate_refused_and_changes_nothing(struct kunit *test)
{
	struct xac_dev *a = make(test, 5), *b = make(test, 5);

	KUNIT_ASSERT_EQ(test, add(test, a), 0);
	KUNIT_EXPECT_EQ(test, add(test, b), -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 5), a);
	KUNIT_EXPECT_EQ(test, listed(test), 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&b->siblings));
}

static void one_external_takes_the_rest(struct kunit *test)
{
	struct xac_dev *e = make(test, 0), *second = make(test, 0);
	struct xac_dev *a = make(test, 9);

	KUNIT_EXPECT_FALSE(test, has(test, 0));
	KUNIT_ASSERT_EQ(test, add(test, e), 0);
	KUNIT_ASSERT_EQ(test, add(test, a), 0);
	KUNIT_EXPECT_TRUE(test, has(test, 0));
	KUNIT_EXPECT_EQ(test, add(test, second), -EEXIST);
	KUNIT_EXPECT_EQ(test, listed(test), 2);

	KUNIT_EXPECT_PTR_EQ(test, find(test, 9), a);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 10), e);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 0), e);

	del(test, e);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 10), NULL);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 9), a);
	KUNIT_EXPECT_EQ(test, add(test, second), 0);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 10), second);
}

static void down_is_not_found(struct kunit *test)
{
	struct xac_dev *a = make(test, 3), *e = make(test, 0);
	struct tk *tk = test->priv;

	KUNIT_ASSERT_EQ(test, add(test, a), 0);
	a->dev = tk->down;
	KUNIT_EXPECT_PTR_EQ(test, find(test, 3), NULL);
	/* The if_id is taken all the same. */
	KUNIT_EXPECT_TRUE(test, has(test, 3));

	KUNIT_ASSERT_EQ(test, add(test, e), 0);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 3), e);
	e->dev = tk->down;
	KUNIT_EXPECT_PTR_EQ(test, find(test, 3), NULL);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 4), NULL);
	a->dev = tk->up;
	KUNIT_EXPECT_PTR_EQ(test, find(test, 3), a);
}

static void rekey_moves(struct kunit *test)
{
	struct xac_dev *a = make(test, 3), *b = make(test, 3);

	KUNIT_ASSERT_EQ(test, add(test, a), 0);
	KUNIT_ASSERT_EQ(test, rekey(test, a, 4), 0);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 3), NULL);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 4), a);
	KUNIT_EXPECT_EQ(test, a->if_id, 4);

	/* The old if_id is free again, the interface can go as usual. */
	KUNIT_EXPECT_EQ(test, add(test, b), 0);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 3), b);
	del(test, a);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 4), NULL);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 3), b);
}

static void refused_rekey_changes_nothing(struct kunit *test)
{
	struct xac_dev *a = make(test, 3), *b = make(test, 4);

	KUNIT_ASSERT_EQ(test, add(test, a), 0);
	KUNIT_ASSERT_EQ(test, add(test, b), 0);
	KUNIT_EXPECT_EQ(test, rekey(test, a, 4), -EEXIST);
	KUNIT_EXPECT_EQ(test, rekey(test, a, 3), -EEXIST);
	KUNIT_EXPECT_EQ(test, a->if_id, 3);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 3), a);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 4), b);
	KUNIT_EXPECT_EQ(test, listed(test), 2);
}

static void no_memory_changes_nothing(struct kunit *test)
{
	struct xac_dev *a, *b;
	int err;

	if (!xk_can_fail())
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION");

	a = make(test, 3);
	b = make(test, 4);
	xk_fail_nth(1);
	err = add(test, a);
	KUNIT_EXPECT_TRUE(test, xk_has_failed());
	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 3), NULL);
	KUNIT_EXPECT_EQ(test, listed(test), 0);

	KUNIT_ASSERT_EQ(test, add(test, b), 0);
	xk_fail_nth(1);
	err = rekey(test, b, 5);
	KUNIT_EXPECT_TRUE(test, xk_has_failed());
	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	KUNIT_EXPECT_EQ(test, b->if_id, 4);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 4), b);
	KUNIT_EXPECT_PTR_EQ(test, find(test, 5), NULL);
}

/*
 * A reader that interrupts the writer, as packets do. The writer sets it off
 * before each change, to arrive somewhere within.
 */
struct reader {
	struct hrtimer timer;
	struct xac_table *table;
	struct xac_dev *expected;
	unsigned long reads;
	unsigned long missed;
};

#define OLD_ID	100
#define NEW_ID	200

static enum hrtimer_restart read_once(struct hrtimer *timer)
{
	struct reader *r = container_of(timer, struct reader, timer);
	struct xac_dev *xd;

	rcu_read_lock();
	/* Thrice: on another CPU the change may fall between two questions. */
	xd = xac_table_find(r->table, OLD_ID);
	if (!xd)
		xd = xac_table_find(r->table, NEW_ID);
	if (!xd)
		xd = xac_table_find(r->table, OLD_ID);
	if (xd != r->expected)
		WRITE_ONCE(r->missed, r->missed + 1);
	rcu_read_unlock();
	WRITE_ONCE(r->reads, r->reads + 1);

	return HRTIMER_NORESTART;
}

static void rekey_hides_the_interface_at_no_time(struct kunit *test)
{
	const unsigned long deadline = jiffies + 100 * HZ;
	struct xac_dev *a = make(test, OLD_ID);
	struct tk *tk = test->priv;
	struct reader *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	/* With coarse timers, one at each tick. */
	const unsigned long reads = hrtimer_resolution > 1000 ? 100 : 3000;
	unsigned long rekeys = 0;
	u32 wanted = NEW_ID;
	int err = 0;

	KUNIT_ASSERT_NOT_NULL(test, r);
	KUNIT_ASSERT_EQ(test, add(test, a), 0);
	r->table = &tk->table;
	r->expected = a;
	hrtimer_init(&r->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	r->timer.function = read_once;

	while (!err && READ_ONCE(r->reads) < reads &&
	       time_before(jiffies, deadline)) {
		if (!hrtimer_active(&r->timer))
			hrtimer_start(&r->timer, ns_to_ktime(rekeys * 97 % 20000),
				      HRTIMER_MODE_REL);
		err = rekey(test, a, wanted);
		wanted = wanted == NEW_ID ? OLD_ID : NEW_ID;
		rekeys++;
		cond_resched();
	}
	hrtimer_cancel(&r->timer);

	kunit_info(test, "%lu lookups during %lu changes\n", r->reads, rekeys);
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_GE(test, r->reads, reads);
	KUNIT_EXPECT_GE(test, rekeys, reads);
	KUNIT_EXPECT_EQ(test, r->missed, 0);
}

/* The table grows on a workqueue: wait until it has caught up. */
static bool settled(struct xac_table *table, unsigned int entries)
{
	const unsigned long deadline = jiffies + 100 * HZ;
	bool done;

	do {
		struct bucket_table *tbl;

		rcu_read_lock();
		tbl = rcu_dereference(table->by_if_id.tbl);
		done = !rcu_access_pointer(tbl->future_tbl) &&
		       tbl->size >= entries;
		rcu_read_unlock();
		if (!done)
			schedule_timeout_uninterruptible(1);
	} while (!done && time_before(jiffies, deadline));

	return done;
}

/*
 * How many entries does a lookup compare, on average over all entries of the
 * table, in hundredths?
 */
static u64 compared_x100(struct xac_table *table, unsigned int *seen)
{
	struct bucket_table *tbl;
	struct rhash_head *pos;
	unsigned int i;
	u64 sum = 0;

	*seen = 0;
	rcu_read_lock();
	tbl = rcu_dereference(table->by_if_id.tbl);
	for (i = 0; i < tbl->size; i++) {
		unsigned int chain = 0;

		rht_for_each_rcu(pos, tbl, i)
			chain++;
		*seen += chain;
		sum += (u64)chain * (chain + 1) / 2;
	}
	rcu_read_unlock();

	return *seen ? div_u64(sum * 100, *seen) : 0;
}

#define LOOKUPS	50000

static u64 round_ns(struct xac_table *table, unsigned int used,
		    unsigned int *wrong)
{
	unsigned int i, id = 1;
	ktime_t begin;

	begin = ktime_get();
	rcu_read_lock();
	for (i = 0; i < LOOKUPS; i++) {
		struct xac_dev *xd = xac_table_find(table, id);

		if (!xd || xd->if_id != id)
			(*wrong)++;
		/* A stride that is prime visits them all, in no order. */
		id = (id + 7919 - 1) % used + 1;
	}
	rcu_read_unlock();

	return ktime_to_ns(ktime_sub(ktime_get(), begin));
}

/*
 * The time of a lookup in tenths of a nanosecond, over @used of the entries:
 * a few show what the table costs, all of them what the CPU's caches add. The
 * best of some rounds: the machine has other things to do.
 */
static u64 lookup_ns_x10(struct xac_table *table, unsigned int used,
			 unsigned int *wrong)
{
	u64 best = U64_MAX;
	int i;

	for (i = 0; i < 5; i++)
		best = min(best, round_ns(table, used, wrong));

	return div_u64(best * 10, LOOKUPS);
}

static void lookup_costs_the_same_at_any_size(struct kunit *test)
{
	static const unsigned int sizes[] = { 1, 10000, 100000 };
	struct tk *tk = test->priv;
	struct xac_dev *devs;
	unsigned int n = 0;
	size_t i;

	devs = vzalloc(array_size(100000, sizeof(*devs)));
	KUNIT_ASSERT_NOT_NULL(test, devs);

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int seen = 0, wrong = 0;
		u64 compared, few, all;
		int err = 0;

		rtnl_lock();
		for (; n < sizes[i] && !err; n++) {
			devs[n].if_id = n + 1;
			devs[n].dev = tk->up;
			err = xac_table_add(&tk->table, &devs[n]);
			cond_resched();
		}
		rtnl_unlock();
		KUNIT_EXPECT_EQ(test, err, 0);
		if (err)
			break;

		KUNIT_EXPECT_TRUE(test, settled(&tk->table, sizes[i]));
		compared = compared_x100(&tk->table, &seen);
		few = lookup_ns_x10(&tk->table, min(sizes[i], 50u), &wrong);
		all = lookup_ns_x10(&tk->table, sizes[i], &wrong);
		kunit_info(test, "%u entries: %llu.%02llu comparisons a lookup, %llu.%llu ns for 50 of them, %llu.%llu ns for all\n",
			   sizes[i], compared / 100, compared % 100, few / 10,
			   few % 10, all / 10, all % 10);
		KUNIT_EXPECT_EQ(test, seen, sizes[i]);
		KUNIT_EXPECT_EQ(test, wrong, 0);
		/* At most one entry a bucket on average: 1.5 by chance. */
		KUNIT_EXPECT_LE(test, compared, 200);
	}

	rtnl_lock();
	for (i = 0; i < sizes[ARRAY_SIZE(sizes) - 1]; i++) {
		if (devs[i].entry)
			xac_table_del(&tk->table, &devs[i]);
		cond_resched();
	}
	rtnl_unlock();
	vfree(devs);
}

static struct kunit_case table_cases[] = {
	KUNIT_CASE(found_between_add_and_del),
	KUNIT_CASE(duplicate_refused_and_changes_nothing),
	KUNIT_CASE(one_external_takes_the_rest),
	KUNIT_CASE(down_is_not_found),
	KUNIT_CASE(rekey_moves),
	KUNIT_CASE(refused_rekey_changes_nothing),
	KUNIT_CASE(no_memory_changes_nothing),
	KUNIT_CASE(rekey_hides_the_interface_at_no_time),
	KUNIT_CASE(lookup_costs_the_same_at_any_size),
	{}
};

struct kunit_suite xac_table_suite = {
	.name = "xac_table",
	.init = table_init,
	.exit = table_exit,
	.test_cases = table_cases,
};
