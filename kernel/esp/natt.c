// SPDX-License-Identifier: GPL-2.0
/*
 * GRO of ESP in UDP (RFC 3948), which the kernel either has not, or has only
 * for daemons that ask for it.
 *
 * UDP has one gro_receive callback of each family. Ours stands in its place,
 * takes what comes in under one of our SAs, and gives everything else to the
 * kernel's, which sees it as if we were not there: IKE, keepalives, all other
 * UDP. Newer kernels do not look for the callback of IPv6, they know its name:
 * there ours stands in the place of IPv6's own.
 */
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/esp.h>
#include <net/protocol.h>

#include "compat/gro.h"
#include "esp/esp.h"

/**
 * struct xac_natt_hook - UDP's callbacks of one family
 * @fam: the family
 * @kernel: the kernel's, NULL while it is not replaced
 * @ours: put in its place: the same but for gro_receive
 */
struct xac_natt_hook {
	const struct xac_esp_family *fam;
	const struct net_offload *kernel;
	struct net_offload ours;
};

static struct xac_natt_hook xac_natt4 = { .fam = &xac_esp_ipv4 };
static struct xac_natt_hook xac_natt6 = { .fam = &xac_esp_ipv6 };

/*
 * The SA of a packet of ESP in UDP, referenced, or NULL. In place of the SPI,
 * IKE has zeros (RFC 3948, section 2.2). The peer's port may change, ours is
 * the SA's.
 */
static struct xfrm_state *xac_natt_state(const struct xac_esp_family *fam,
					 struct sk_buff *skb,
					 const struct udphdr *udph)
{
	const struct ip_esp_hdr *esph = (const void *)(udph + 1);
	struct xfrm_state *x;

	/* What went through another tunnel's GRO is not ours to look at. */
	if (!esph->spi || NAPI_GRO_CB(skb)->encap_mark ||
	    ntohs(udph->len) != skb_gro_len(skb))
		return NULL;

	x = xac_esp_gro_state(fam, skb, xac_gro_ip_header(skb, udph),
			      esph->spi);
	if (!x)
		return NULL;
	if (!xac_esp_is_ours(x) || !x->encap ||
	    x->encap->encap_type != UDP_ENCAP_ESPINUDP ||
	    x->encap->encap_dport != udph->dest) {
		xfrm_state_put(x);
		return NULL;
	}

	return x;
}

/* Is UDP's checksum right, or zero? (RFC 3948, section 2.1: it should be zero.) */
static bool xac_natt_sum_ok(const struct xac_esp_family *fam,
			    struct sk_buff *skb, const struct udphdr *udph)
{
	if (!udph->check)
		return true;

	return !(fam->family == AF_INET6 ?
		 skb_gro_checksum_validate(skb, IPPROTO_UDP,
					   ip6_gro_compute_pseudo) :
		 skb_gro_checksum_validate(skb, IPPROTO_UDP,
					   inet_gro_compute_pseudo));
}

/*
 * The SA of a packet whose GRO offset is at its UDP header, referenced, or
 * NULL. Nobody pays for this who has no SA; and what an SA has carried goes no
 * further here.
 */
static struct xfrm_state *xac_natt_find(const struct xac_esp_family *fam,
					struct sk_buff *skb)
{
	unsigned int offset = skb_gro_offset(skb);
	const struct udphdr *udph;

	if (!READ_ONCE(dev_net(skb->dev)->xfrm.state_num) || skb_sec_path(skb))
		return NULL;

	udph = skb_gro_header(skb, offset + sizeof(*udph) +
			      sizeof(struct ip_esp_hdr), offset);

	return udph ? xac_natt_state(fam, skb, udph) : NULL;
}

/* The packet is the SA's, which is given away. */
static struct sk_buff *xac_natt_open(const struct xac_esp_family *fam,
				     struct sk_buff *skb, struct xfrm_state *x)
{
	unsigned int offset = skb_gro_offset(skb);

	if (!xac_natt_sum_ok(fam, skb,
			     skb_gro_header(skb, offset + sizeof(struct udphdr),
					    offset))) {
		/* The checksum's state is spent: UDP itself finds out again. */
		xfrm_state_put(x);
	} else {
		skb_gro_pull(skb, sizeof(struct udphdr));
		if (xac_esp_gro_take(fam, skb, x, UDP_ENCAP_ESPINUDP))
			return ERR_PTR(-EINPROGRESS);
	}
	NAPI_GRO_CB(skb)->same_flow = 0;
	NAPI_GRO_CB(skb)->flush = 1;

	return NULL;
}

static struct sk_buff *xac_natt_receive(const struct xac_natt_hook *hook,
					struct list_head *head,
					struct sk_buff *skb)
{
	struct xfrm_state *x = xac_natt_find(hook->fam, skb);

	return x ? xac_natt_open(hook->fam, skb, x) :
		   hook->kernel->callbacks.gro_receive(head, skb);
}

static struct sk_buff *xac_natt4_receive(struct list_head *head,
					 struct sk_buff *skb)
{
	return xac_natt_receive(&xac_natt4, head, skb);
}

static struct sk_buff *xac_natt6_receive(struct list_head *head,
					 struct sk_buff *skb)
{
	return xac_natt_receive(&xac_natt6, head, skb);
}

/* --- in the place of IPv6's --- */

static struct packet_offload *xac_natt_ipv6;
static gro_receive_t xac_natt_ipv6_kernel;

/*
 * Behind its header, unless other headers follow, as if IPv6 had called us. If
 * there is nothing for us, the packet is as it was, and IPv6 comes to the same.
 */
static struct sk_buff *xac_natt_ipv6_receive(struct list_head *head,
					     struct sk_buff *skb)
{
	unsigned int offset = skb_gro_offset(skb);
	struct napi_gro_cb *cb = NAPI_GRO_CB(skb);
	const struct ipv6hdr *iph;
	struct xfrm_state *x;
	__wsum csum;

	iph = skb_gro_header(skb, offset + sizeof(*iph), offset);
	if (!iph || iph->nexthdr != IPPROTO_UDP)
		goto kernel;

	csum = cb->csum;
	xac_gro_set_network_offset(skb, offset);
	skb_gro_pull(skb, sizeof(*iph));
	skb_gro_postpull_rcsum(skb, iph, sizeof(*iph));
	x = xac_natt_find(&xac_esp_ipv6, skb);
	if (x)
		return xac_natt_open(&xac_esp_ipv6, skb, x);
	cb->data_offset = offset;
	cb->csum = csum;

kernel:
	return xac_natt_ipv6_kernel(head, skb);
}

static int xac_natt_ipv6_take(void)
{
	rcu_read_lock();
	xac_natt_ipv6 = gro_find_receive_by_type(htons(ETH_P_IPV6));
	rcu_read_unlock();
	if (!xac_natt_ipv6)
		return -EOPNOTSUPP;

	xac_natt_ipv6_kernel = READ_ONCE(xac_natt_ipv6->callbacks.gro_receive);
	if (cmpxchg(&xac_natt_ipv6->callbacks.gro_receive, xac_natt_ipv6_kernel,
		    xac_natt_ipv6_receive) == xac_natt_ipv6_kernel)
		return 0;
	xac_natt_ipv6 = NULL;

	return -EBUSY;
}

static void xac_natt_ipv6_give_back(void)
{
	if (xac_natt_ipv6 &&
	    WARN_ON(cmpxchg(&xac_natt_ipv6->callbacks.gro_receive,
			    xac_natt_ipv6_receive, xac_natt_ipv6_kernel) !=
		    xac_natt_ipv6_receive))
		pr_err("another module stands on our IPv6 callback\n");
	xac_natt_ipv6 = NULL;
}

/* --- in the place of UDP's --- */

/* One step, so that UDP's GSO is there at any time. */
static int xac_natt_exchange(struct xac_natt_hook *hook,
			     const struct net_offload *from,
			     const struct net_offload *to)
{
	const struct net_offload **slot =
		(const struct net_offload **)&hook->fam->offloads[IPPROTO_UDP];

	return cmpxchg(slot, from, to) == from ? 0 : -EBUSY;
}

static int xac_natt_take(struct xac_natt_hook *hook, gro_receive_t receive)
{
	const struct net_offload *kernel;
	int err;

	rcu_read_lock();
	kernel = rcu_dereference(hook->fam->offloads[IPPROTO_UDP]);
	rcu_read_unlock();
	if (!kernel || !kernel->callbacks.gro_receive)
		return -EOPNOTSUPP;

	hook->ours = *kernel;
	hook->ours.callbacks.gro_receive = receive;
	hook->kernel = kernel;
	err = xac_natt_exchange(hook, kernel, &hook->ours);
	if (err)
		hook->kernel = NULL;

	return err;
}

static void xac_natt_give_back(struct xac_natt_hook *hook)
{
	if (hook->kernel &&
	    WARN_ON(xac_natt_exchange(hook, &hook->ours, hook->kernel)))
		pr_err("another module stands on our UDP callbacks\n");
}

/**
 * xac_natt_register - take ESP in UDP out of UDP's GRO
 *
 * Return: 0 or a negative errno.
 */
int xac_natt_register(void)
{
	int err;

	err = xac_natt_take(&xac_natt4, xac_natt4_receive);
	if (err)
		return err;
	if (XAC_UDP6_GRO_BY_NAME)
		err = xac_natt_ipv6_take();
	else
		err = xac_natt_take(&xac_natt6, xac_natt6_receive);
	if (err)
		xac_natt_unregister();

	return err;
}

/**
 * xac_natt_unregister - UDP's GRO is the kernel's alone again
 *
 * Context: process. No callback of ours runs afterwards.
 */
void xac_natt_unregister(void)
{
	xac_natt_ipv6_give_back();
	xac_natt_give_back(&xac_natt6);
	xac_natt_give_back(&xac_natt4);
	synchronize_net();
	xac_natt4.kernel = NULL;
	xac_natt6.kernel = NULL;
}
