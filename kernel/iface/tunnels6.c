// SPDX-License-Identifier: GPL-2.0
/*
 * IP-in-IPv6 packets of xfrm: the IPv6 side of tunnels4.c.
 */
#include <net/xfrm.h>

#include "iface/handlers.h"
#include "iface/iface.h"

/* The SPI of such an SA stands in a table, by IPv6 source address. */
static int xac_tunnel6_rcv(struct sk_buff *skb)
{
	const xfrm_address_t *saddr =
		(const xfrm_address_t *)&ipv6_hdr(skb)->saddr;
	__be32 spi = xfrm6_tunnel_spi_lookup(dev_net(skb->dev), saddr);

	return xac_input(skb, IPPROTO_IPV6, spi, 0, AF_INET6);
}

/* Lower is asked first: after ip6_tunnel, before xfrm6_tunnel. */
#define XAC_TUNNEL6_PRIORITY	2

static struct xfrm6_tunnel xac_ipv6_in_ipv6 = {
	.handler	= xac_tunnel6_rcv,
	.cb_handler	= xac_receive_cb,
	.err_handler	= xac_err6,
	.priority	= XAC_TUNNEL6_PRIORITY,
};

static struct xfrm6_tunnel xac_ipv4_in_ipv6 = {
	.handler	= xac_tunnel6_rcv,
	.cb_handler	= xac_receive_cb,
	.err_handler	= xac_err6,
	.priority	= XAC_TUNNEL6_PRIORITY,
};

/**
 * xac_tunnels6_register - register both handlers, or none
 *
 * Return: 0 or a negative errno, -EEXIST where another module holds a slot.
 */
int xac_tunnels6_register(void)
{
	int err;

	err = xfrm6_tunnel_register(&xac_ipv6_in_ipv6, AF_INET6);
	if (err) {
		pr_err("cannot register the IPv6-in-IPv6 receive handler\n");
		return err;
	}

	err = xfrm6_tunnel_register(&xac_ipv4_in_ipv6, AF_INET);
	if (err) {
		pr_err("cannot register the IPv4-in-IPv6 receive handler\n");
		xfrm6_tunnel_deregister(&xac_ipv6_in_ipv6, AF_INET6);
	}

	return err;
}

/**
 * xac_tunnels6_unregister - undo that
 */
void xac_tunnels6_unregister(void)
{
	xfrm6_tunnel_deregister(&xac_ipv4_in_ipv6, AF_INET);
	xfrm6_tunnel_deregister(&xac_ipv6_in_ipv6, AF_INET6);
}
