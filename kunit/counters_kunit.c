// SPDX-License-Identifier: GPL-2.0
/*
 * Drop counters: exact, 64 bits wide, named as in the uapi header.
 */
#include <linux/ethtool.h>
#include <linux/xfrm_accel.h>

#include "kunit/fixture.h"

/*
 * What user space was promised, written down once more: a number or name that
 * changes in the header breaks programs that were compiled with it.
 */
static const struct {
	unsigned int number;
	const char *name;
} promised[] = {
	{ 0, "tx_not_ip" },	 { 1, "tx_malformed" },
	{ 2, "tx_no_route" },	 { 3, "tx_no_metadata" },
	{ 4, "tx_no_policy" },	 { 5, "tx_policy_block" },
	{ 6, "tx_no_sa" },	 { 7, "tx_wrong_if_id" },
	{ 8, "tx_lookup" },	 { 9, "tx_loop" },
	{ 10, "tx_too_big" },	 { 11, "tx_output" },
	{ 12, "rx_error" },	 { 13, "rx_policy" },
	{ 14, "rx_mode" },	 { 15, "rx_nomem" },
};

static void names_are_as_promised(struct kunit *test)
{
	static const unsigned int none[] = {
		__XFRM_ACCEL_DROP_MAX, 1000, INT_MAX, UINT_MAX,
	};
	size_t i;

	KUNIT_EXPECT_GE(test, (size_t)__XFRM_ACCEL_DROP_MAX,
			ARRAY_SIZE(promised));
	for (i = 0; i < ARRAY_SIZE(promised); i++)
		KUNIT_EXPECT_STREQ(test, xac_drop_name(promised[i].number),
				   promised[i].name);
	for (i = 0; i < ARRAY_SIZE(none); i++)
		KUNIT_EXPECT_STREQ(test, xac_drop_name(none[i]), "unknown");
}

static void every_name_is_unlike_the_others(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++) {
		KUNIT_EXPECT_STRNEQ(test, xac_drop_name(i), "unknown");
		KUNIT_EXPECT_LT(test, strlen(XFRM_ACCEL_DROP_PREFIX) +
				strlen(xac_drop_name(i)),
				(size_t)ETH_GSTRING_LEN);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_STRNEQ(test, xac_drop_name(i),
					    xac_drop_name(j));
	}
}

static void sums_are_exact(struct kunit *test)
{
	struct xk_world *w = test->priv;
	u64 sum[XAC_COUNTERS];
	struct xac_counters __percpu *counters = xac_counters_alloc();
	unsigned int i, n;

	KUNIT_ASSERT_NOT_NULL(test, (void __force *)counters);
	xac_counters_read(counters, sum);
	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++)
		KUNIT_EXPECT_EQ(test, sum[i], 0);

	local_bh_disable();
	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++)
		for (n = 0; n < 1000 + i; n++)
			xac_count_drop(w->dev, counters, NULL, i);
	local_bh_enable();

	xac_counters_read(counters, sum);
	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++)
		KUNIT_EXPECT_EQ(test, sum[i], 1000 + i);
	free_percpu(counters);
}

/* Every CPU has a share that is near the end of 32 bits. */
static void counts_beyond_32_bits(struct kunit *test)
{
	struct xk_world *w = test->priv;
	const u64 share = U32_MAX - 1;
	u64 sum[XAC_COUNTERS];
	struct xac_counters __percpu *counters = xac_counters_alloc();
	unsigned int n;
	int cpu;

	KUNIT_ASSERT_NOT_NULL(test, (void __force *)counters);
	for_each_possible_cpu(cpu)
		u64_stats_set(&per_cpu_ptr(counters, cpu)->drop[3], share);
	local_bh_disable();
	for (n = 0; n < 5; n++)
		xac_count_drop(w->dev, counters, NULL, 3);
	local_bh_enable();

	xac_counters_read(counters, sum);
	KUNIT_EXPECT_EQ(test, sum[3], share * num_possible_cpus() + 5);
	KUNIT_EXPECT_EQ(test, sum[2], 0);
	KUNIT_EXPECT_EQ(test, sum[4], 0);
	free_percpu(counters);
}

static void drop_counts_once_and_frees(struct kunit *test)
{
	struct xk_world *w = test->priv;
	struct xk_stats before, after;
	int i;

	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++) {
		struct sk_buff *skb = xk_skb4(100, false);

		KUNIT_ASSERT_NOT_NULL(test, skb);
		xk_ended();
		xk_watch(skb);
		local_bh_disable();
		xk_stats(w->dev, &before);
		xac_drop(skb, w->dev, w->xd->counters, i);
		xk_stats(w->dev, &after);
		local_bh_enable();
		KUNIT_EXPECT_EQ(test, xk_ended(), 1);
		KUNIT_EXPECT_EQ(test, xk_only_drop(&before, &after), i);
	}
}

static void ethtool_shows_them(struct kunit *test)
{
	struct xk_world *w = test->priv;
	const struct ethtool_ops *ops = w->dev->ethtool_ops;
	u64 data[XAC_COUNTERS];
	struct ethtool_drvinfo info = {};
	char *strings;
	int count, i;

	count = ops->get_sset_count(w->dev, ETH_SS_STATS);
	KUNIT_ASSERT_EQ(test, count, XAC_COUNTERS);
	KUNIT_EXPECT_EQ(test, ops->get_sset_count(w->dev, ETH_SS_TEST),
			-EOPNOTSUPP);

	strings = kunit_kzalloc(test, count * ETH_GSTRING_LEN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, strings);
	ops->get_strings(w->dev, ETH_SS_STATS, strings);

	local_bh_disable();
	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++) {
		int n;

		for (n = 0; n <= i; n++)
			xac_count_drop(w->dev, w->xd->counters, NULL, i);
	}
	ops->get_ethtool_stats(w->dev, NULL, data);
	local_bh_enable();

	KUNIT_EXPECT_STREQ(test, strings + XAC_LOOKUPS * ETH_GSTRING_LEN,
			   XFRM_ACCEL_LOOKUPS);
	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++) {
		char *name = strings + i * ETH_GSTRING_LEN;

		KUNIT_EXPECT_EQ(test, strncmp(name, XFRM_ACCEL_DROP_PREFIX,
					      strlen(XFRM_ACCEL_DROP_PREFIX)),
				0);
		KUNIT_EXPECT_STREQ(test, name + strlen(XFRM_ACCEL_DROP_PREFIX),
				   xac_drop_name(i));
		/* The kernel may have dropped a packet of its own before. */
		KUNIT_EXPECT_GE(test, data[i], i + 1);
		KUNIT_EXPECT_LT(test, data[i], i + 20);
	}

	ops->get_drvinfo(w->dev, &info);
	KUNIT_EXPECT_STREQ(test, info.driver, XFRM_ACCEL_DRIVER_NAME);
	KUNIT_EXPECT_STRNEQ(test, info.version, "");
}

static struct kunit_case counters_cases[] = {
	KUNIT_CASE(names_are_as_promised),
	KUNIT_CASE(every_name_is_unlike_the_others),
	KUNIT_CASE(sums_are_exact),
	KUNIT_CASE(counts_beyond_32_bits),
	KUNIT_CASE(drop_counts_once_and_frees),
	KUNIT_CASE(ethtool_shows_them),
	{}
};

struct kunit_suite xac_counters_suite = {
	.name = "xac_counters",
	.init = xk_world_init,
	.exit = xk_world_exit,
	.test_cases = counters_cases,
};
