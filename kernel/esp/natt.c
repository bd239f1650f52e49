// SPDX-License-Identifier: GPL-2.0
/*
 * GRO of ESP in UDP (RFC 3948), which the kernel either has not, or has only
 * for daemons that ask for it.
 *
 * UDP has one gro_receive callback. Ours stands in its place, takes what comes
 * in under one of our SAs, and gives everything else to the kernel's, which
 * sees it as if we were not there: IKE, keepalives, all other UDP.
 */
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

	x = xac_esp_gro_state(fam, skb, esph->spi);
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

static struct sk_buff *xac_natt_receive(const struct xac_natt_hook *hook,
					struct list_head *head,
					struct sk_buff *skb)
{
	const struct net *net = dev_net(skb->dev);
	unsigned int offset = skb_gro_offset(skb);
	const struct udphdr *udph;
	struct xfrm_state *x;

	/*
	 * Nobody pays for this who has no SA; and what an SA has carried goes
	 * no further here.
	 */
	if (!READ_ONCE(net->xfrm.state_num) || skb_sec_path(skb))
		goto kernel;

	udph = skb_gro_header(skb, offset + sizeof(*udph) +
			      sizeof(struct ip_esp_hdr), offset);
	if (!udph)
		goto kernel;
	x = xac_natt_state(hook->fam, skb, udph);
	if (!x)
		goto kernel;

	if (!xac_natt_sum_ok(hook->fam, skb, udph)) {
		/* The checksum's state is spent: UDP itself finds out again. */
		xfrm_state_put(x);
		goto flush;
	}
	skb_gro_pull(skb, sizeof(*udph));
	if (xac_esp_gro_take(hook->fam, skb, x, UDP_ENCAP_ESPINUDP))
		return ERR_PTR(-EINPROGRESS);

flush:
	NAPI_GRO_CB(skb)->same_flow = 0;
	NAPI_GRO_CB(skb)->flush = 1;

	return NULL;

kernel:
	return hook->kernel->callbacks.gro_receive(head, skb);
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

/* One step, so that UDP's GSO is there at any time. */
static int xac_natt_exchange(struct xac_natt_hook *hook,
			     const struct net_offload *from,
			     const struct net_offload *to)
{
	const struct net_offload **slot =
		(const struct net_offload **)&hook->fam->offloads[IPPROTO_UDP];

	return cmpxchg(slot, from, to) == from ? 0 : -EBUSY;
}

static int xac_natt_take(struct xac_natt_hook *hook,
			 struct sk_buff *(*receive)(struct list_head *head,
						    struct sk_buff *skb))
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
	xac_natt_give_back(&xac_natt6);
	xac_natt_give_back(&xac_natt4);
	synchronize_net();
	xac_natt4.kernel = NULL;
	xac_natt6.kernel = NULL;
}
