// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/net/xfrm_accel: for each ESP SA of the namespace, who encrypts and
 * decrypts, and why it is not the engine.
 */
#include <linux/capability.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/udp.h>
#include <net/net_namespace.h>

#include "esp/esp.h"

#define XAC_PROC_NAME	"xfrm_accel"

/*
 * Why the engine does not send by an SA, or does not receive by it: in words,
 * or NULL if it does.
 */
static const char *xac_esp_why_not(const struct xfrm_state *x, bool send)
{
	if (x->xso.dev)
		return "a device does";
	if (!x->type_offload)
		return "made before the module was loaded, or not by netlink";
	if (!xac_esp_is_ours(x))
		return "another module has it";
	if (x->encap && x->encap->encap_type != UDP_ENCAP_ESPINUDP)
		return "in TCP, or with a marker that is obsolete";
	if (x->encap && send)
		return "in UDP";

	return NULL;
}

static void xac_show_side(struct seq_file *seq, const struct xfrm_state *x,
			  bool send)
{
	const char *why = xac_esp_why_not(x, send);

	seq_printf(seq, " %s %s", send ? "send" : "receive",
		   why ? "kernel" : "engine");
	if (why)
		seq_printf(seq, " (%s)", why);
}

static int xac_show_state(struct xfrm_state *x, int count, void *data)
{
	bool ipv6 = x->props.family == AF_INET6;
	struct seq_file *seq = data;

	seq_printf(seq, ipv6 ? "src %pI6c dst %pI6c" : "src %pI4 dst %pI4",
		   &x->props.saddr, &x->id.daddr);
	seq_printf(seq, " spi 0x%08x if_id 0x%x", ntohl(x->id.spi), x->if_id);
	xac_show_side(seq, x, true);
	xac_show_side(seq, x, false);
	seq_putc(seq, '\n');

	return 0;
}

/* SPIs and addresses are for those who may see the SAs themselves. */
static int xac_show_states(struct seq_file *seq, void *unused)
{
	struct net *net = seq_file_single_net(seq);
	struct xfrm_state_walk walk;
	int err;

	if (!file_ns_capable(seq->file, net->user_ns, CAP_NET_ADMIN))
		return -EPERM;

	xfrm_state_walk_init(&walk, IPPROTO_ESP, NULL);
	err = xfrm_state_walk(net, &walk, xac_show_state, seq);
	xfrm_state_walk_done(&walk, net);

	/* That there is no SA at all is no error. */
	return err == -ENOENT ? 0 : err;
}

static int __net_init xac_show_init(struct net *net)
{
	if (!proc_create_net_single(XAC_PROC_NAME, 0400, net->proc_net,
				    xac_show_states, NULL))
		return -ENOMEM;

	return 0;
}

static void __net_exit xac_show_exit(struct net *net)
{
	remove_proc_entry(XAC_PROC_NAME, net->proc_net);
}

static struct pernet_operations xac_show_ops = {
	.init = xac_show_init,
	.exit = xac_show_exit,
};

/**
 * xac_esp_show_register - make the file in every namespace
 *
 * Return: 0 or a negative errno.
 */
int xac_esp_show_register(void)
{
	return register_pernet_subsys(&xac_show_ops);
}

/**
 * xac_esp_show_unregister - remove it everywhere
 */
void xac_esp_show_unregister(void)
{
	unregister_pernet_subsys(&xac_show_ops);
}
