// SPDX-License-Identifier: GPL-2.0
/*
 * Who may load beside us, and the errno of a load that fails.
 */
#include <linux/lwtunnel.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <net/lwtunnel.h>
#include <net/xfrm.h>

#include "compat/kunit.h"
#include "kunit/fixture.h"
#include "slots.h"

/* The errno that a module of this name gets when it loads. */
static int verdict(struct kunit *test, const char *name, unsigned long event)
{
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mod);
	strscpy(mod->name, name, sizeof(mod->name));

	return notifier_to_errno(xac_module_event(NULL, event, mod));
}

static void rival_is_refused(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, verdict(test, "xfrm_interface",
				      MODULE_STATE_COMING), -EBUSY);
}

static void others_load(struct kunit *test)
{
	static const char * const others[] = {
		"", "xfrm", "xfrm_user", "xfrm_interface2", "xfrm_interfac",
		"ip_vti", "esp4", "xfrm_accel",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		KUNIT_EXPECT_EQ(test, verdict(test, others[i],
					      MODULE_STATE_COMING), 0);
}

/* A rival's own unloading, or failure to load, is nothing to object to. */
static void only_the_load_is_refused(struct kunit *test)
{
	static const unsigned long events[] = {
		MODULE_STATE_LIVE, MODULE_STATE_GOING, MODULE_STATE_UNFORMED,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		KUNIT_EXPECT_EQ(test, verdict(test, "xfrm_interface",
					      events[i]), 0);
}

/* modprobe takes -EEXIST for success: a taken slot is -EBUSY. */
static void taken_slot_is_busy(struct kunit *test)
{
	int err;

	for (err = 0; err >= -MAX_ERRNO; err--)
		if (err != -EEXIST)
			KUNIT_EXPECT_EQ(test, xac_load_error(err), err);
	KUNIT_EXPECT_EQ(test, xac_load_error(-EEXIST), -EBUSY);
}

/* The module is loaded: who asks for a slot of ours finds it taken. */
static void slots_are_ours(struct kunit *test)
{
	static const struct lwtunnel_encap_ops encap = {};
	struct xfrm4_protocol ipv4 = { .priority = 10 };
	struct xfrm6_protocol ipv6 = { .priority = 10 };
	static const u8 protocols[] = { IPPROTO_ESP, IPPROTO_AH, IPPROTO_COMP };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protocols); i++) {
		KUNIT_EXPECT_EQ(test, xfrm4_protocol_register(&ipv4,
							      protocols[i]),
				-EEXIST);
		KUNIT_EXPECT_EQ(test, xfrm6_protocol_register(&ipv6,
							      protocols[i]),
				-EEXIST);
	}
	KUNIT_EXPECT_NE(test, lwtunnel_encap_add_ops(&encap,
						     LWTUNNEL_ENCAP_XFRM), 0);
}

/*
 * Each step of our own load, repeated: the slot is taken (by us), the step
 * says so and undoes what it has done. Afterwards everything works as before:
 * the other suites see to that.
 */
static void second_load_fails_and_leaves_no_trace(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, xac_handlers_register(), -EEXIST);
	KUNIT_EXPECT_EQ(test, xac_lwtunnel_register(), -EEXIST);
	KUNIT_EXPECT_EQ(test, xac_link_register(), -EEXIST);
}

static struct kunit_case slots_cases[] = {
	KUNIT_CASE(rival_is_refused),
	KUNIT_CASE(others_load),
	KUNIT_CASE(only_the_load_is_refused),
	KUNIT_CASE(taken_slot_is_busy),
	KUNIT_CASE(slots_are_ours),
	KUNIT_CASE(second_load_fails_and_leaves_no_trace),
	{}
};

struct kunit_suite xac_slots_suite = {
	.name = "xac_slots",
	.test_cases = slots_cases,
};
