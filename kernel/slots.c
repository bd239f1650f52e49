// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's hooks that only one module can hold: those who would take them
 * after us are refused, and who holds them before us is named.
 */
#include <linux/module.h>
#include <linux/notifier.h>

#include "compat/kunit.h"
#include "slots.h"

/* Modules that provide what we provide. */
static const char * const xac_rivals[] = {
	"xfrm_interface",
	"esp4_offload",
	"esp6_offload",
};

/*
 * Asked before the init function of another module runs. The error goes to
 * whoever loads it.
 */
VISIBLE_IF_KUNIT
int xac_module_event(struct notifier_block *nb, unsigned long event,
		     void *data)
{
	const struct module *mod = data;
	size_t i;

	if (event != MODULE_STATE_COMING)
		return NOTIFY_DONE;

	for (i = 0; i < ARRAY_SIZE(xac_rivals); i++) {
		if (strcmp(mod->name, xac_rivals[i]))
			continue;
		pr_warn("%s is refused: xfrm_accel provides the same; unload it first (rmmod xfrm_accel)\n",
			mod->name);
		return notifier_from_errno(-EBUSY);
	}

	return NOTIFY_DONE;
}

static struct notifier_block xac_module_nb = {
	.notifier_call = xac_module_event,
};

/**
 * xac_veto_register - refuse the modules that would take our slots
 *
 * Return: 0 or a negative errno.
 */
int xac_veto_register(void)
{
	return register_module_notifier(&xac_module_nb);
}

/**
 * xac_veto_unregister - let them load again
 */
void xac_veto_unregister(void)
{
	unregister_module_notifier(&xac_module_nb);
}

/**
 * xac_load_error - the errno that our load ends with
 * @err: of the step that failed
 *
 * modprobe takes -EEXIST for "is loaded already" and reports success.
 *
 * Return: @err, but -EBUSY for a taken slot, with the way out in the log.
 */
int xac_load_error(int err)
{
	if (err != -EEXIST)
		return err;

	if (IS_BUILTIN(CONFIG_XFRM_INTERFACE))
		pr_err("not loaded: xfrm_interface is built into this kernel and holds the slot\n");
	else
		pr_err("not loaded: another module, xfrm_interface most likely, holds the slot; delete the xfrm links, unload it (rmmod xfrm_interface) and load xfrm_accel again\n");

	return -EBUSY;
}
