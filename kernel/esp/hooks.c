// SPDX-License-Identifier: GPL-2.0
/*
 * The engine takes the kernel's hooks for ESP, and lets them go.
 */
#include <linux/module.h>
#include <net/protocol.h>

#include "esp/esp.h"
#include "esp/request.h"

static struct sk_buff *xac_esp4_gro_receive(struct list_head *head,
					    struct sk_buff *skb)
{
	return xac_esp_gro_receive(&xac_esp_ipv4, skb);
}

static struct sk_buff *xac_esp6_gro_receive(struct list_head *head,
					    struct sk_buff *skb)
{
	return xac_esp_gro_receive(&xac_esp_ipv6, skb);
}

static struct sk_buff *xac_esp4_gso_segment(struct sk_buff *skb,
					    netdev_features_t features)
{
	return xac_esp_gso_segment(&xac_esp_ipv4, skb, features);
}

static struct sk_buff *xac_esp6_gso_segment(struct sk_buff *skb,
					    netdev_features_t features)
{
	return xac_esp_gso_segment(&xac_esp_ipv6, skb, features);
}

static const struct net_offload xac_esp4_offload = {
	.callbacks = {
		.gro_receive = xac_esp4_gro_receive,
		.gso_segment = xac_esp4_gso_segment,
	},
};

static const struct net_offload xac_esp6_offload = {
	.callbacks = {
		.gro_receive = xac_esp6_gro_receive,
		.gso_segment = xac_esp6_gso_segment,
	},
};

static bool xac_engine_on;

/*
 * The core overwrites a type offload without a question, so it is looked at
 * first; xac_veto_register() sees to it that nobody comes in between.
 */
static int xac_esp_check_slot(unsigned short family)
{
	const struct xfrm_type_offload *holder = NULL;
	const struct xfrm_state_afinfo *afinfo;
	int err = -EAFNOSUPPORT;

	rcu_read_lock();
	afinfo = xfrm_state_afinfo_get_rcu(family);
	if (afinfo) {
		holder = afinfo->type_offload_esp;
		err = holder ? -EBUSY : 0;
	}
	if (holder)
		pr_err("not loaded: %s holds the offload of ESP, for %d SAs; delete them (ip xfrm state flush), unload it (rmmod %s) and load xfrm_accel again\n",
		       module_name(holder->owner),
		       holder->owner ? module_refcount(holder->owner) : 0,
		       module_name(holder->owner));
	rcu_read_unlock();

	return err;
}

/**
 * xac_esp_register - put the engine into the kernel's hooks
 *
 * Where the kernel has its own built in, nobody else can be: the module then
 * is without an engine, and says so.
 *
 * Return: 0; -EBUSY if another module holds a hook; another negative errno.
 */
int xac_esp_register(void)
{
	int err;

	if (IS_BUILTIN(CONFIG_INET_ESP_OFFLOAD) ||
	    IS_BUILTIN(CONFIG_INET6_ESP_OFFLOAD)) {
		pr_info("this kernel's own offload of ESP is built in: interfaces only\n");
		return 0;
	}

	err = xac_esp_check_slot(AF_INET);
	if (!err)
		err = xac_esp_check_slot(AF_INET6);
	if (err)
		return err;

	err = xac_esp_show_register();
	if (err)
		return err;

	err = -EBUSY;
	if (inet_add_offload(&xac_esp4_offload, IPPROTO_ESP))
		goto unregister_show;
	if (inet6_add_offload(&xac_esp6_offload, IPPROTO_ESP))
		goto del_ipv4;

	err = xac_natt_register();
	if (err)
		goto del_ipv6;

	err = xfrm_register_type_offload(&xac_esp_type_ipv4, AF_INET);
	if (err)
		goto unregister_natt;
	err = xfrm_register_type_offload(&xac_esp_type_ipv6, AF_INET6);
	if (err)
		goto unregister_ipv4;
	xac_engine_on = true;

	return 0;

unregister_ipv4:
	xfrm_unregister_type_offload(&xac_esp_type_ipv4, AF_INET);
unregister_natt:
	xac_natt_unregister();
del_ipv6:
	inet6_del_offload(&xac_esp6_offload, IPPROTO_ESP);
del_ipv4:
	inet_del_offload(&xac_esp4_offload, IPPROTO_ESP);
	/* What came in meanwhile has used requests. */
	xac_requests_free();
unregister_show:
	xac_esp_show_unregister();
	pr_err("not loaded: ESP's GRO and GSO cannot be taken (%d)\n", err);

	return err;
}

/**
 * xac_esp_unregister - take the engine out of the kernel's hooks
 *
 * No SA is bound to it any more: each holds the module.
 */
void xac_esp_unregister(void)
{
	if (!xac_engine_on)
		return;

	xfrm_unregister_type_offload(&xac_esp_type_ipv6, AF_INET6);
	xfrm_unregister_type_offload(&xac_esp_type_ipv4, AF_INET);
	xac_natt_unregister();
	inet6_del_offload(&xac_esp6_offload, IPPROTO_ESP);
	inet_del_offload(&xac_esp4_offload, IPPROTO_ESP);
	xac_requests_free();
	xac_esp_show_unregister();
}
