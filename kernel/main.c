// SPDX-License-Identifier: GPL-2.0
/*
 * Load and unload: one chain of steps, unwound in reverse.
 */
#include <linux/module.h>
#include <net/rtnetlink.h>

#include "compat/kunit.h"
#include "esp/esp.h"
#include "iface/iface.h"
#include "nic/nic.h"
#include "slots.h"

static int __init xac_init(void)
{
	int err;

	/* First: nobody may take a slot while we look at them. */
	err = xac_veto_register();
	if (err)
		return err;

	err = xac_link_net_init();
	if (err)
		goto unregister_veto;

	err = xac_handlers_register();
	if (err)
		goto exit_net;

	err = xac_lwtunnel_register();
	if (err)
		goto unregister_handlers;

	err = xac_kfunc_register();
	if (err)
		goto unregister_lwtunnel;

	err = xac_bundle_events_register();
	if (err)
		goto unregister_lwtunnel;

	/*
	 * The one slot that is overwritten without a question. Whoever else
	 * would hold it holds the handlers as well, and those are ours now.
	 */
	xac_session_register();

	/* Interfaces can be made as soon as the kind is known. */
	err = xac_link_register();
	if (err) {
		pr_err("cannot register the link kind \"xfrm\"\n");
		goto unregister_session;
	}

	err = xac_nic_register();
	if (err) {
		pr_err("cannot register the link kind \"espnic\"\n");
		goto unregister_link;
	}

	/* Last: an SA that is bound to the engine holds the module. */
	err = xac_esp_register();
	if (err)
		goto unregister_nic;

	pr_info("version " XAC_VERSION " loaded: link kinds xfrm and espnic\n");
	xac_kunit_run();

	return 0;

unregister_nic:
	xac_nic_unregister();
unregister_link:
	xac_link_unregister();
unregister_session:
	xac_session_unregister();
	xac_bundle_events_unregister();
unregister_lwtunnel:
	xac_lwtunnel_unregister();
unregister_handlers:
	xac_handlers_unregister();
exit_net:
	xac_link_net_exit();
unregister_veto:
	xac_veto_unregister();

	return xac_load_error(err);
}

static void __exit xac_exit(void)
{
	xac_kunit_exit();
	xac_esp_unregister();
	xac_nic_unregister();
	xac_link_unregister();
	xac_session_unregister();
	xac_bundle_events_unregister();
	xac_lwtunnel_unregister();
	xac_handlers_unregister();
	xac_link_net_exit();
	xac_veto_unregister();
}

module_init(xac_init);
module_exit(xac_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("IPsec acceleration: xfrm interfaces, ESP engine, espnic");
MODULE_VERSION(XAC_VERSION);
MODULE_ALIAS_RTNL_LINK("xfrm");
MODULE_ALIAS_RTNL_LINK("espnic");
MODULE_ALIAS_NETDEV("xfrm0");
