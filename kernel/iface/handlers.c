// SPDX-License-Identifier: GPL-2.0
/*
 * Receive handlers for ESP, AH and IPComp over IPv4 and IPv6.
 *
 * They stand before those of esp4, ah4 and so on, and do the same thing: hand
 * the packet to the core. What they are here for is their callback.
 */
#include <linux/percpu.h>
#include <net/xfrm.h>

#include "iface/handlers.h"
#include "iface/iface.h"

/* Higher is asked first; esp4 and its like have 0. */
#define XAC_PROTOCOL_PRIORITY	10

DEFINE_PER_CPU(const struct sk_buff *, xac_handled);

/**
 * xac_input - hand an encrypted packet to the core
 * @skb: the packet; consumed
 * @nexthdr: IPPROTO_ESP, _AH, _COMP, or the inner protocol of an IP tunnel
 * @spi: the SPI in network byte order, 0 to have it read from the packet
 * @encap_type: UDP_ENCAP_ESPINUDP and its like, or 0
 * @family: AF_INET or AF_INET6, of the outer header
 *
 * Context: bottom halves off.
 * Return: 0, or minus the protocol to go on with, as xfrm_input().
 */
int xac_input(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type,
	      unsigned short family)
{
	const struct sk_buff *outer = this_cpu_read(xac_handled);
	int ret;

	XFRM_SPI_SKB_CB(skb)->family = family;
	if (family == AF_INET) {
		XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip4 = NULL;
		XFRM_SPI_SKB_CB(skb)->daddroff = offsetof(struct iphdr, daddr);
	} else {
		XFRM_TUNNEL_SKB_CB(skb)->tunnel.ip6 = NULL;
		XFRM_SPI_SKB_CB(skb)->daddroff =
			offsetof(struct ipv6hdr, daddr);
	}

	this_cpu_write(xac_handled, skb);
	ret = xfrm_input(skb, nexthdr, spi, encap_type);
	this_cpu_write(xac_handled, outer);

	return ret;
}

/*
 * ESP inside ESP: what came through the first SA obeys its policy before the
 * second one is looked at.
 */
static int xac_esp_input(struct sk_buff *skb, int nexthdr, __be32 spi,
			 int encap_type, unsigned short family)
{
	const struct sec_path *sp = skb_sec_path(skb);

	if (sp && (sp->len || sp->olen) &&
	    !xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, family)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_XFRM_POLICY);
		return 0;
	}

	return xac_input(skb, nexthdr, spi, encap_type, family);
}

static int xac_protocol6(const struct sk_buff *skb)
{
	return skb_network_header(skb)[IP6CB(skb)->nhoff];
}

static int xac_esp4_rcv(struct sk_buff *skb)
{
	return xac_esp_input(skb, ip_hdr(skb)->protocol, 0, 0, AF_INET);
}

static int xac_esp6_rcv(struct sk_buff *skb)
{
	return xac_esp_input(skb, xac_protocol6(skb), 0, 0, AF_INET6);
}

static int xac_esp4_encap_rcv(struct sk_buff *skb, int nexthdr, __be32 spi,
			      int encap_type)
{
	return xac_esp_input(skb, nexthdr, spi, encap_type, AF_INET);
}

static int xac_esp6_encap_rcv(struct sk_buff *skb, int nexthdr, __be32 spi,
			      int encap_type)
{
	return xac_esp_input(skb, nexthdr, spi, encap_type, AF_INET6);
}

static int xac_rcv4(struct sk_buff *skb)
{
	return xac_input(skb, ip_hdr(skb)->protocol, 0, 0, AF_INET);
}

static int xac_rcv6(struct sk_buff *skb)
{
	return xac_input(skb, xac_protocol6(skb), 0, 0, AF_INET6);
}

static int xac_encap_rcv4(struct sk_buff *skb, int nexthdr, __be32 spi,
			  int encap_type)
{
	return xac_input(skb, nexthdr, spi, encap_type, AF_INET);
}

static int xac_encap_rcv6(struct sk_buff *skb, int nexthdr, __be32 spi,
			  int encap_type)
{
	return xac_input(skb, nexthdr, spi, encap_type, AF_INET6);
}

#define XAC_PROTOCOL4(rcv, encap_rcv) {			\
	.handler	= rcv,				\
	.input_handler	= encap_rcv,			\
	.cb_handler	= xac_receive_cb,		\
	.err_handler	= xac_err4,			\
	.priority	= XAC_PROTOCOL_PRIORITY,	\
}

#define XAC_PROTOCOL6(rcv, encap_rcv) {			\
	.handler	= rcv,				\
	.input_handler	= encap_rcv,			\
	.cb_handler	= xac_receive_cb,		\
	.err_handler	= xac_err6,			\
	.priority	= XAC_PROTOCOL_PRIORITY,	\
}

static struct xac_protocol {
	const char *name;
	u8 protocol;
	struct xfrm4_protocol ipv4;
	struct xfrm6_protocol ipv6;
} xac_protocols[] = {
	{
		.name		= "ESP",
		.protocol	= IPPROTO_ESP,
		.ipv4		= XAC_PROTOCOL4(xac_esp4_rcv, xac_esp4_encap_rcv),
		.ipv6		= XAC_PROTOCOL6(xac_esp6_rcv, xac_esp6_encap_rcv),
	}, {
		.name		= "AH",
		.protocol	= IPPROTO_AH,
		.ipv4		= XAC_PROTOCOL4(xac_rcv4, xac_encap_rcv4),
		.ipv6		= XAC_PROTOCOL6(xac_rcv6, xac_encap_rcv6),
	}, {
		.name		= "IPComp",
		.protocol	= IPPROTO_COMP,
		.ipv4		= XAC_PROTOCOL4(xac_rcv4, xac_encap_rcv4),
		.ipv6		= XAC_PROTOCOL6(xac_rcv6, xac_encap_rcv6),
	},
};

static int xac_protocol_register(struct xac_protocol *p)
{
	int err;

	err = xfrm4_protocol_register(&p->ipv4, p->protocol);
	if (err) {
		pr_err("cannot register the %s receive handler for IPv4\n",
		       p->name);
		return err;
	}

	err = xfrm6_protocol_register(&p->ipv6, p->protocol);
	if (err) {
		pr_err("cannot register the %s receive handler for IPv6\n",
		       p->name);
		xfrm4_protocol_deregister(&p->ipv4, p->protocol);
	}

	return err;
}

static void xac_protocols_unregister(size_t count)
{
	while (count--) {
		struct xac_protocol *p = &xac_protocols[count];

		xfrm6_protocol_deregister(&p->ipv6, p->protocol);
		xfrm4_protocol_deregister(&p->ipv4, p->protocol);
	}
}

/**
 * xac_handlers_register - register every receive handler, or none
 *
 * Return: 0, -EEXIST where another module holds a slot, or another errno; the
 *	   kernel log says which handler it was.
 */
int xac_handlers_register(void)
{
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(xac_protocols); i++) {
		err = xac_protocol_register(&xac_protocols[i]);
		if (err)
			goto unregister_protocols;
	}

	err = xac_tunnels4_register();
	if (err)
		goto unregister_protocols;

	err = xac_tunnels6_register();
	if (err)
		goto unregister_tunnels4;

	return 0;

unregister_tunnels4:
	xac_tunnels4_unregister();
unregister_protocols:
	xac_protocols_unregister(i);

	return err;
}

/**
 * xac_handlers_unregister - undo that; waits for packets in the handlers
 */
void xac_handlers_unregister(void)
{
	xac_tunnels6_unregister();
	xac_tunnels4_unregister();
	xac_protocols_unregister(ARRAY_SIZE(xac_protocols));
}
