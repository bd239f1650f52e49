// SPDX-License-Identifier: GPL-2.0
/*
 * All suites, run when the module has loaded completely: they test a module
 * that is registered everywhere, and use the kernel around it.
 *
 * kunit_test_suites() is of no use for that: those suites are run before the
 * module's init function.
 */
#include <linux/module.h>

#include "compat/kunit.h"
#include "kunit/fixture.h"

static struct kunit_suite *xac_suites[] = {
	&xac_cache_suite,
	&xac_counters_suite,
	&xac_esp_suite,
	&xac_esp_cipher_suite,
	&xac_esp_fuzz_suite,
	&xac_esp_gro_suite,
	&xac_esp_gso_suite,
	&xac_esp_hardware_suite,
	&xac_esp_output_suite,
	&xac_forward_suite,
	&xac_fuzz_suite,
	&xac_icmp_suite,
	&xac_late_suite,
	&xac_link_suite,
	&xac_lwtunnel_suite,
	&xac_nic_suite,
	&xac_receive_suite,
	&xac_slots_suite,
	&xac_table_suite,
	&xac_transmit_suite,
};

static char *xac_only_suite;
module_param_named(suite, xac_only_suite, charp, 0444);
MODULE_PARM_DESC(suite, "The only test suite to run");

static struct kunit_suite *xac_chosen[ARRAY_SIZE(xac_suites)];
static int xac_chosen_count;

static void xac_kunit_choose(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(xac_suites); i++)
		if (!xac_only_suite ||
		    !strcmp(xac_only_suite, xac_suites[i]->name))
			xac_chosen[xac_chosen_count++] = xac_suites[i];
}

/**
 * xac_kunit_run - run every suite, or the one asked for
 *
 * The results are in the kernel log and in debugfs, kunit/SUITE/results.
 */
void xac_kunit_run(void)
{
	xac_kunit_choose();
	__kunit_test_suites_init(xac_chosen, xac_chosen_count);
}

/**
 * xac_kunit_exit - take the results out of debugfs
 */
void xac_kunit_exit(void)
{
	__kunit_test_suites_exit(xac_chosen, xac_chosen_count);
}
