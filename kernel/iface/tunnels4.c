// SPDX-License-Identifier: GPL-2.0
/*
 * IP-in-IPv4 packets of xfrm: what IPComp could not make smaller, and the
 * tunnel SAs that the kernel makes for that.
 */
#include <net/xfrm.h>

#include "iface/handlers.h"
#include "iface/iface.h"

/* The SPI of such an SA is its IPv4 source address. */
static int xac_tunnel4_rcv(struct sk_buff *skb)
{
	return xac_input(skb, IPPROTO_IPIP, ip_hdr(skb)->saddr, 0, AF_INET);
}

/* Lower is asked first: after ipip and sit, before xfrm4_tunnel. */
static struct xfrm_tunnel xac_ipv4_in_ipv4 = {
	.handler	= xac_tunnel4_rcv,
	.cb_handler	= xac_receive_cb,
	.err_handler	= xac_err4,
	.priority	= 3,
};

static struct xfrm_tunnel xac_ipv6_in_ipv4 = {
	.handler	= xac_tunnel4_rcv,
	.cb_handler	= xac_receive_cb,
	.err_handler	= xac_err4,
	.priority	= 2,
};

/**
 * xac_tunnels4_register - register both handlers, or none
 *
 * Return: 0 or a negative errno, -EEXIST where another module holds a slot.
 */
int xac_tunnels4_register(void)
{
	int err;

	err = xfrm4_tunnel_register(&xac_ipv4_in_ipv4, AF_INET);
	if (err) {
		pr_err("cannot register the IPv4-in-IPv4 receive handler\n");
		return err;
	}

	err = xfrm4_tunnel_register(&xac_ipv6_in_ipv4, AF_INET6);
	if (err) {
		pr_err("cannot register the IPv6-in-IPv4 receive handler\n");
		xfrm4_tunnel_deregister(&xac_ipv4_in_ipv4, AF_INET);
	}

	return err;
}

/**
 * xac_tunnels4_unregister - undo that
 */
void xac_tunnels4_unregister(void)
{
	xfrm4_tunnel_deregister(&xac_ipv6_in_ipv4, AF_INET6);
	xfrm4_tunnel_deregister(&xac_ipv4_in_ipv4, AF_INET);
}
