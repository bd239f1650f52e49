// SPDX-License-Identifier: GPL-2.0
/*
 * What the suites share: links, addresses, SAs, policies, packets, and a
 * lower device that looks at what it is given.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netlink.h>
#include <net/tcp.h>

#include "kunit/fixture.h"

#define XK_ADDR6(subnet, host) { { {					\
	0x20, 0x01, 0x0d, 0xb8, 0, subnet, 0, 0, 0, 0, 0, 0, 0, 0, 0, host } } }

const struct in6_addr xk_out6_a = XK_ADDR6(1, 1);
const struct in6_addr xk_out6_b = XK_ADDR6(1, 2);
const struct in6_addr xk_in6_a = XK_ADDR6(7, 1);
const struct in6_addr xk_in6_b = XK_ADDR6(7, 2);

/* --- the lower device --- */

/**
 * xk_wire_of - what a lower device has seen
 * @dev: made by xk_wire_create()
 */
struct xk_wire *xk_wire_of(const struct net_device *dev)
{
	return netdev_priv(dev);
}

static void xk_wire_look4(struct xk_wire *wire, const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	const struct icmphdr *icmph = (void *)iph + iph->ihl * 4;

	if (ip_is_fragment(iph))
		wire->fragments++;
	if (iph->frag_off & htons(IP_OFFSET))
		return;
	if (iph->protocol == IPPROTO_ESP) {
		wire->esp++;
		wire->mark = skb->mark;
	}
	if (iph->protocol == IPPROTO_ICMP &&
	    icmph->type == ICMP_DEST_UNREACH &&
	    icmph->code == ICMP_FRAG_NEEDED) {
		wire->too_big++;
		wire->mtu = ntohs(icmph->un.frag.mtu);
	}
}

static void xk_wire_look6(struct xk_wire *wire, const struct sk_buff *skb)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	const struct icmp6hdr *icmph = (void *)(iph + 1);

	if (iph->nexthdr == IPPROTO_FRAGMENT)
		wire->fragments++;
	if (iph->nexthdr == IPPROTO_ESP) {
		wire->esp++;
		wire->mark = skb->mark;
	}
	if (iph->nexthdr == IPPROTO_ICMPV6 &&
	    icmph->icmp6_type == ICMPV6_PKT_TOOBIG) {
		wire->too_big++;
		wire->mtu = ntohl(icmph->icmp6_mtu);
	}
}

static netdev_tx_t xk_wire_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct xk_wire *wire = xk_wire_of(dev);

	if (skb_linearize(skb) == 0) {
		if (skb->protocol == htons(ETH_P_IP))
			xk_wire_look4(wire, skb);
		else if (skb->protocol == htons(ETH_P_IPV6))
			xk_wire_look6(wire, skb);
	}
	kfree_skb(skb);

	return wire->verdict;
}

static const struct net_device_ops xk_wire_ops = {
	.ndo_start_xmit = xk_wire_xmit,
};

static void xk_wire_setup(struct net_device *dev)
{
	dev->netdev_ops	= &xk_wire_ops;
	dev->type	= ARPHRD_NONE;
	dev->flags	= IFF_NOARP;
	dev->min_mtu	= 0;
	dev->max_mtu	= 0;
	dev->features	= NETIF_F_SG | NETIF_F_FRAGLIST;
	dev->needs_free_netdev = true;
}

/**
 * xk_wire_create - make a lower device; it is up and has the outer addresses
 * @net: namespace
 * @name: of the device
 * @mtu: of the device
 *
 * Return: the device, to be given to xk_unregister(), or NULL.
 */
struct net_device *xk_wire_create(struct net *net, const char *name,
				  unsigned int mtu)
{
	const __be32 out4 = htonl(XK_OUT4_A);
	struct net_device *dev;
	int err;

	dev = alloc_netdev(sizeof(struct xk_wire), name, NET_NAME_USER,
			   xk_wire_setup);
	if (!dev)
		return NULL;

	dev_net_set(dev, net);
	dev->mtu = mtu;
	err = register_netdev(dev);
	if (err) {
		free_netdev(dev);
		return NULL;
	}

	err = xk_set_up(dev, true);
	if (!err)
		err = xk_addr_add(net, dev, AF_INET, &out4, 24);
	if (!err && mtu >= IPV6_MIN_MTU)
		err = xk_addr_add(net, dev, AF_INET6, &xk_out6_a, 64);
	if (err) {
		xk_unregister(dev);
		return NULL;
	}

	return dev;
}

/* --- rtnetlink --- */

static void xk_copy_why(char *why, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *error = nlmsg_data(nlh);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;

	/* The request was left out of the answer: NLM_F_CAPPED. */
	attr = nla_find((void *)(error + 1),
			nlmsg_len(nlh) - sizeof(*error), NLMSGERR_ATTR_MSG);
	if (attr)
		nla_strscpy(why, attr, XK_WHY_LEN);
}

/*
 * Sends one request as user space would and returns the errno of the answer.
 * Consumes @msg.
 */
static int xk_rtnl(struct net *net, struct sk_buff *msg, char *why)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr hdr = {
		.msg_name = &kernel,
		.msg_namelen = sizeof(kernel),
	};
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	char answer[512] __aligned(4);
	struct socket *sock;
	struct kvec vec;
	int err, on = 1;

	if (why)
		why[0] = '\0';

	err = sock_create_kern(net, PF_NETLINK, SOCK_RAW, NETLINK_ROUTE, &sock);
	if (err)
		goto free_msg;

	err = sock->ops->setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK,
				    KERNEL_SOCKPTR(&on), sizeof(on));
	if (!err)
		err = sock->ops->setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK,
					    KERNEL_SOCKPTR(&on), sizeof(on));
	if (err)
		goto release;

	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlmsg_end(msg, nlh);
	vec.iov_base = nlh;
	vec.iov_len = nlh->nlmsg_len;
	err = kernel_sendmsg(sock, &hdr, &vec, 1, vec.iov_len);
	if (err < 0)
		goto release;

	memset(&hdr, 0, sizeof(hdr));
	vec.iov_base = answer;
	vec.iov_len = sizeof(answer);
	err = kernel_recvmsg(sock, &hdr, &vec, 1, sizeof(answer), MSG_DONTWAIT);
	nlh = (struct nlmsghdr *)answer;
	if (err < 0)
		goto release;
	if (!nlmsg_ok(nlh, err) || nlh->nlmsg_type != NLMSG_ERROR) {
		err = -EPROTO;
		goto release;
	}

	err = ((struct nlmsgerr *)nlmsg_data(nlh))->error;
	if (why)
		xk_copy_why(why, nlh);

release:
	sock_release(sock);
free_msg:
	nlmsg_free(msg);

	return err;
}

static struct sk_buff *xk_msg(int type, int flags, const void *header,
			      size_t len)
{
	struct sk_buff *msg = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	struct nlmsghdr *nlh;

	if (!msg)
		return NULL;

	nlh = nlmsg_put(msg, 0, 0, type, len, flags);
	memcpy(nlmsg_data(nlh), header, len);

	return msg;
}

static int xk_put_data(struct sk_buff *msg, const struct xk_link *link)
{
	struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);

	if (!data)
		return -EMSGSIZE;
	if (link->link && nla_put_u32(msg, IFLA_XFRM_LINK, link->link))
		return -EMSGSIZE;
	if ((link->if_id || link->say_if_id) &&
	    nla_put_u32(msg, IFLA_XFRM_IF_ID, link->if_id))
		return -EMSGSIZE;
	if (link->external && nla_put_flag(msg, IFLA_XFRM_COLLECT_METADATA))
		return -EMSGSIZE;
	nla_nest_end(msg, data);

	return 0;
}

static int xk_link_request(struct net *net, struct xk_link *link, int flags)
{
	const struct ifinfomsg ifm = {};
	struct nlattr *info;
	struct sk_buff *msg;

	msg = xk_msg(RTM_NEWLINK, flags, &ifm, sizeof(ifm));
	if (!msg)
		return -ENOMEM;

	if (nla_put_string(msg, IFLA_IFNAME, link->name))
		goto free_msg;
	if (link->mtu && nla_put_u32(msg, IFLA_MTU, link->mtu))
		goto free_msg;
	info = nla_nest_start(msg, IFLA_LINKINFO);
	if (!info || nla_put_string(msg, IFLA_INFO_KIND, "xfrm"))
		goto free_msg;
	if (!link->no_data && xk_put_data(msg, link))
		goto free_msg;
	nla_nest_end(msg, info);

	return xk_rtnl(net, msg, link->why);

free_msg:
	nlmsg_free(msg);

	return -EMSGSIZE;
}

/**
 * xk_link_new - "ip link add"
 * @net: namespace
 * @link: what to say
 *
 * Return: the errno that the kernel answered.
 */
int xk_link_new(struct net *net, struct xk_link *link)
{
	return xk_link_request(net, link, NLM_F_CREATE | NLM_F_EXCL);
}

/**
 * xk_link_change - "ip link change"
 * @net: namespace
 * @link: what to say
 *
 * Return: the errno that the kernel answered.
 */
int xk_link_change(struct net *net, struct xk_link *link)
{
	return xk_link_request(net, link, 0);
}

/**
 * xk_link_del - "ip link del"
 * @net: namespace
 * @name: of the device
 *
 * Return: the errno that the kernel answered.
 */
int xk_link_del(struct net *net, const char *name)
{
	const struct ifinfomsg ifm = {};
	struct sk_buff *msg = xk_msg(RTM_DELLINK, 0, &ifm, sizeof(ifm));

	if (!msg)
		return -ENOMEM;
	if (nla_put_string(msg, IFLA_IFNAME, name)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}

	return xk_rtnl(net, msg, NULL);
}

/**
 * xk_addr_add - "ip addr add ... nodad"
 * @net: namespace of @dev
 * @dev: the device
 * @family: AF_INET or AF_INET6
 * @addr: in network byte order
 * @prefix: length
 *
 * Return: the errno that the kernel answered.
 */
int xk_addr_add(struct net *net, const struct net_device *dev,
		unsigned short family, const void *addr, u8 prefix)
{
	const struct ifaddrmsg ifa = {
		.ifa_family = family,
		.ifa_prefixlen = prefix,
		.ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_index = dev->ifindex,
	};
	int len = family == AF_INET ? 4 : 16;
	struct sk_buff *msg;

	msg = xk_msg(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa));
	if (!msg)
		return -ENOMEM;
	if (nla_put(msg, IFA_LOCAL, len, addr)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}

	return xk_rtnl(net, msg, NULL);
}

/**
 * xk_dev_by_name - find a device without a reference
 * @net: namespace
 * @name: of the device
 *
 * Nobody but the test deletes devices here.
 */
struct net_device *xk_dev_by_name(struct net *net, const char *name)
{
	struct net_device *dev;

	rcu_read_lock();
	dev = dev_get_by_name_rcu(net, name);
	rcu_read_unlock();

	return dev;
}

/**
 * xk_set_up - "ip link set up" or "down"
 * @dev: the device
 * @up: which of the two
 *
 * Return: 0 or a negative errno.
 */
int xk_set_up(struct net_device *dev, bool up)
{
	unsigned int flags;
	int err;

	rtnl_lock();
	flags = dev_get_flags(dev);
	flags = up ? flags | IFF_UP : flags & ~IFF_UP;
	err = dev_change_flags(dev, flags, NULL);
	rtnl_unlock();

	return err;
}

/**
 * xk_set_mtu - "ip link set mtu"
 * @dev: the device
 * @mtu: its new MTU
 *
 * Return: 0 or a negative errno.
 */
int xk_set_mtu(struct net_device *dev, unsigned int mtu)
{
	int err;

	rtnl_lock();
	err = dev_set_mtu(dev, mtu);
	rtnl_unlock();

	return err;
}

/**
 * xk_move - "ip link set netns"
 * @dev: the device
 * @net: where to
 *
 * Return: 0 or a negative errno.
 */
int xk_move(struct net_device *dev, struct net *net)
{
	int err;

	rtnl_lock();
	err = dev_change_net_namespace(dev, net, NULL);
	rtnl_unlock();

	return err;
}

/**
 * xk_unregister - delete a device
 * @dev: the device, or NULL
 */
void xk_unregister(struct net_device *dev)
{
	if (dev)
		unregister_netdev(dev);
}

/**
 * xk_other_net - a namespace besides the initial one
 *
 * A module cannot make one: whoever loads it for these tests does.
 *
 * Return: a reference for put_net(), or NULL if there is none.
 */
struct net *xk_other_net(void)
{
	struct net *net, *found = NULL;

	down_read(&net_rwsem);
	for_each_net(net) {
		if (net_eq(net, &init_net))
			continue;
		found = maybe_get_net(net);
		if (found)
			break;
	}
	up_read(&net_rwsem);

	return found;
}

/* --- SAs and policies --- */

static void xk_out_addr(xfrm_address_t *addr, unsigned short family, bool ours)
{
	if (family == AF_INET)
		addr->a4 = htonl(ours ? XK_OUT4_A : XK_OUT4_B);
	else
		addr->in6 = ours ? xk_out6_a : xk_out6_b;
}

static struct xfrm_algo_aead *xk_aead(void)
{
	static const char name[] = "rfc4106(gcm(aes))";
	struct xfrm_algo_aead *aead;

	/* 16 bytes of key, 4 of salt; all zero will do. */
	aead = kzalloc(sizeof(*aead) + 20, GFP_KERNEL);
	if (aead) {
		strscpy(aead->alg_name, name, sizeof(aead->alg_name));
		aead->alg_key_len = 160;
		aead->alg_icv_len = 128;
	}

	return aead;
}

/**
 * xk_sa_make - make an SA that is in no table
 * @net: namespace
 * @sa: its parameters
 *
 * Return: the SA, to be given to xk_sa_free(), or NULL.
 */
struct xfrm_state *xk_sa_make(struct net *net, const struct xk_sa *sa)
{
	struct xfrm_state *x = xfrm_state_alloc(net);

	if (!x)
		return NULL;

	x->id.proto = IPPROTO_ESP;
	x->id.spi = htonl(sa->spi);
	xk_out_addr(&x->props.saddr, sa->family, !sa->in);
	xk_out_addr(&x->id.daddr, sa->family, sa->in);
	if (sa->daddr)
		x->id.daddr.a4 = htonl(sa->daddr);
	x->props.family = sa->family;
	x->props.mode = sa->mode;
	x->props.reqid = XK_REQID;
	x->if_id = sa->if_id;
	x->lft.soft_byte_limit = XFRM_INF;
	x->lft.hard_byte_limit = XFRM_INF;
	x->lft.soft_packet_limit = XFRM_INF;
	x->lft.hard_packet_limit = XFRM_INF;
	if (sa->one_family || sa->mode != XFRM_MODE_TUNNEL)
		x->sel.family = sa->family;
	else
		x->props.flags |= XFRM_STATE_AF_UNSPEC;

	x->geniv = "seqiv";
	x->aead = xk_aead();
	if (!x->aead || xfrm_init_state(x)) {
		xk_sa_free(x);
		return NULL;
	}
	x->km.state = XFRM_STATE_VALID;

	return x;
}

/**
 * xk_sa_free - put an SA that is in no table
 * @x: the SA; no packet refers to it any more
 */
void xk_sa_free(struct xfrm_state *x)
{
	x->km.state = XFRM_STATE_DEAD;
	xfrm_state_put(x);
}

/**
 * xk_sa_add - make an SA and let it be found; xk_flush() deletes it
 * @net: namespace
 * @sa: its parameters
 *
 * Return: the SA, a reference for xfrm_state_put(), or NULL.
 */
struct xfrm_state *xk_sa_add(struct net *net, const struct xk_sa *sa)
{
	struct xfrm_state *x = xk_sa_make(net, sa);

	if (!x)
		return NULL;

	xfrm_state_hold(x);
	if (xfrm_state_add(x)) {
		xfrm_state_put(x);
		xk_sa_free(x);
		return NULL;
	}

	return x;
}

/**
 * xk_policy_add - add a policy; xk_flush() deletes it
 * @net: namespace
 * @policy: its parameters
 *
 * Return: 0 or a negative errno.
 */
int xk_policy_add(struct net *net, const struct xk_policy *policy)
{
	bool out = policy->dir == XFRM_POLICY_OUT;
	struct xfrm_policy *pol;
	struct xfrm_tmpl *tmpl;
	int err;

	pol = xfrm_policy_alloc(net, GFP_KERNEL);
	if (!pol)
		return -ENOMEM;

	pol->if_id = policy->if_id;
	pol->family = policy->inner;
	pol->selector.family = policy->inner;
	pol->action = policy->action;
	pol->type = XFRM_POLICY_TYPE_MAIN;
	pol->lft.soft_byte_limit = XFRM_INF;
	pol->lft.hard_byte_limit = XFRM_INF;
	pol->lft.soft_packet_limit = XFRM_INF;
	pol->lft.hard_packet_limit = XFRM_INF;

	if (policy->action == XFRM_POLICY_ALLOW) {
		pol->xfrm_nr = 1;
		tmpl = &pol->xfrm_vec[0];
		tmpl->id.proto = IPPROTO_ESP;
		tmpl->mode = XFRM_MODE_TUNNEL;
		tmpl->reqid = XK_REQID;
		tmpl->encap_family = policy->outer;
		tmpl->aalgos = ~0;
		tmpl->ealgos = ~0;
		tmpl->calgos = ~0;
		xk_out_addr(&tmpl->saddr, policy->outer, out);
		xk_out_addr(&tmpl->id.daddr, policy->outer, !out);
		if (policy->daddr)
			tmpl->id.daddr.a4 = htonl(policy->daddr);
	}

	err = xfrm_policy_insert(policy->dir, pol, 1);
	if (err)
		pol->walk.dead = 1;
	xfrm_pol_put(pol);

	return err;
}

/**
 * xk_flush - delete every SA and policy
 * @net: namespace
 */
void xk_flush(struct net *net)
{
	xfrm_policy_flush(net, XFRM_POLICY_TYPE_MAIN, false);
	xfrm_state_flush(net, IPSEC_PROTO_ANY, false);
}

/* --- packets --- */

static struct sk_buff *xk_skb(unsigned int len, __be16 protocol)
{
	struct sk_buff *skb = alloc_skb(LL_MAX_HEADER + len + 128, GFP_KERNEL);

	if (!skb)
		return NULL;

	skb_reserve(skb, LL_MAX_HEADER);
	skb_put_zero(skb, len);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb->protocol = protocol;

	return skb;
}

/**
 * xk_skb4 - an IPv4 packet from inner A to inner B: UDP, without ports
 * @len: with the header, at least 28
 * @df: set Don't Fragment
 *
 * Return: the packet or NULL.
 */
struct sk_buff *xk_skb4(unsigned int len, bool df)
{
	struct sk_buff *skb = xk_skb(len, htons(ETH_P_IP));
	struct iphdr *iph;

	if (!skb)
		return NULL;

	iph = ip_hdr(skb);
	iph->version = 4;
	iph->ihl = 5;
	iph->tot_len = htons(len);
	iph->frag_off = df ? htons(IP_DF) : 0;
	iph->ttl = 64;
	iph->protocol = IPPROTO_UDP;
	iph->saddr = htonl(XK_IN4_A);
	iph->daddr = htonl(XK_IN4_B);
	ip_send_check(iph);
	skb_set_transport_header(skb, sizeof(*iph));

	return skb;
}

/**
 * xk_set_saddr4 - change the source address of an IPv4 packet
 * @skb: the packet
 * @saddr: host byte order
 */
void xk_set_saddr4(struct sk_buff *skb, u32 saddr)
{
	ip_hdr(skb)->saddr = htonl(saddr);
	ip_send_check(ip_hdr(skb));
}

/**
 * xk_skb6 - an IPv6 packet from inner A to inner B: UDP, without ports
 * @len: with the header, at least 48
 *
 * Return: the packet or NULL.
 */
struct sk_buff *xk_skb6(unsigned int len)
{
	struct sk_buff *skb = xk_skb(len, htons(ETH_P_IPV6));
	struct ipv6hdr *iph;

	if (!skb)
		return NULL;

	iph = ipv6_hdr(skb);
	iph->version = 6;
	iph->payload_len = htons(len - sizeof(*iph));
	iph->nexthdr = IPPROTO_UDP;
	iph->hop_limit = 64;
	iph->saddr = xk_in6_a;
	iph->daddr = xk_in6_b;
	skb_set_transport_header(skb, sizeof(*iph));

	return skb;
}

/**
 * xk_skb_gso4 - a TCP segment over IPv4 that stands for several
 * @payload: bytes of TCP payload
 * @gso_size: payload of each of the segments
 * @df: set Don't Fragment
 *
 * Return: the packet or NULL.
 */
struct sk_buff *xk_skb_gso4(unsigned int payload, unsigned int gso_size,
			    bool df)
{
	const unsigned int headers = sizeof(struct iphdr) +
				     sizeof(struct tcphdr);
	struct sk_buff *skb = xk_skb4(headers + payload, df);
	struct tcphdr *tcph;
	struct iphdr *iph;

	if (!skb)
		return NULL;

	iph = ip_hdr(skb);
	iph->protocol = IPPROTO_TCP;
	ip_send_check(iph);

	tcph = tcp_hdr(skb);
	tcph->doff = sizeof(*tcph) / 4;
	tcph->ack = 1;
	tcph->check = ~tcp_v4_check(sizeof(*tcph) + payload, iph->saddr,
				    iph->daddr, 0);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);

	skb_shinfo(skb)->gso_type = SKB_GSO_TCPV4;
	skb_shinfo(skb)->gso_size = gso_size;
	skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(payload, gso_size);

	return skb;
}

static atomic_t xk_ends;

static void xk_count_end(struct sk_buff *skb)
{
	atomic_inc(&xk_ends);
}

/**
 * xk_watch - count the end of a packet, however it ends
 * @skb: a packet that belongs to no socket
 *
 * An end that is counted twice is one that the kernel warns about.
 */
void xk_watch(struct sk_buff *skb)
{
	skb->destructor = xk_count_end;
}

/**
 * xk_ended - how many watched packets have ended since the last call
 */
unsigned int xk_ended(void)
{
	return atomic_xchg(&xk_ends, 0);
}

/* --- one interface over one lower device --- */

/**
 * xk_dev_make - make an xfrm interface, up, with an IPv4 address
 * @w: where
 * @link: what to say
 * @addr4: address of its /24 network, host byte order
 * @dev: set, also after a later error; to be given to xk_unregister()
 *
 * Return: 0 or a negative errno.
 */
int xk_dev_make(struct xk_world *w, struct xk_link *link, u32 addr4,
		struct net_device **dev)
{
	const __be32 addr = htonl(addr4);
	int err;

	*dev = NULL;
	err = xk_link_new(w->net, link);
	if (err)
		return err;

	*dev = xk_dev_by_name(w->net, link->name);
	if (!*dev)
		return -ENODEV;

	err = xk_set_up(*dev, true);
	if (err)
		return err;

	return xk_addr_add(w->net, *dev, AF_INET, &addr, 24);
}

static int xk_world_make(struct xk_world *w)
{
	struct xk_link link = { .name = "xkipsec", .if_id = XK_IF_ID };
	int err;

	w->net = &init_net;
	w->lower = xk_wire_create(w->net, "xkwire", 1500);
	if (!w->lower)
		return -ENODEV;

	link.link = w->lower->ifindex;
	err = xk_dev_make(w, &link, XK_IN4_A, &w->dev);
	if (err)
		return err;
	w->xd = netdev_priv(w->dev);

	return xk_addr_add(w->net, w->dev, AF_INET6, &xk_in6_a, 64);
}

static void xk_world_free(struct xk_world *w)
{
	xk_flush(w->net);
	xk_unregister(w->dev);
	xk_unregister(w->lower);
	kfree(w);
}

/**
 * xk_world_init - init of a suite that starts from an interface
 * @test: its priv becomes a struct xk_world
 *
 * Return: 0 or a negative errno.
 */
int xk_world_init(struct kunit *test)
{
	struct xk_world *w = kzalloc(sizeof(*w), GFP_KERNEL);
	int err;

	test->priv = NULL;
	if (!w)
		return -ENOMEM;

	err = xk_world_make(w);
	if (err) {
		kunit_err(test, "no interface to test with: %d\n", err);
		xk_world_free(w);
		return err;
	}
	xk_ended();
	test->priv = w;

	return 0;
}

/**
 * xk_world_exit - exit of such a suite
 * @test: the test
 */
void xk_world_exit(struct kunit *test)
{
	if (test->priv)
		xk_world_free(test->priv);
}

/**
 * xk_tunnel_out - the SA and the policies that carry both inner families
 * @w: where to
 * @outer: AF_INET or AF_INET6
 *
 * Return: 0 or a negative errno.
 */
int xk_tunnel_out(struct xk_world *w, unsigned short outer)
{
	const struct xk_sa sa = {
		.family = outer,
		.mode = XFRM_MODE_TUNNEL,
		.spi = XK_SPI_OUT,
		.if_id = XK_IF_ID,
	};
	struct xk_policy policy = {
		.dir = XFRM_POLICY_OUT,
		.inner = AF_INET,
		.outer = outer,
		.if_id = XK_IF_ID,
		.action = XFRM_POLICY_ALLOW,
	};
	struct xfrm_state *x;
	int err;

	x = xk_sa_add(w->net, &sa);
	if (!x)
		return -ENODEV;
	xfrm_state_put(x);

	err = xk_policy_add(w->net, &policy);
	if (err)
		return err;
	policy.inner = AF_INET6;

	return xk_policy_add(w->net, &policy);
}

/**
 * xk_stats - read an interface's counters
 * @dev: an xfrm interface
 * @stats: filled
 */
void xk_stats(struct net_device *dev, struct xk_stats *stats)
{
	struct xac_dev *xd = netdev_priv(dev);

	xac_counters_read(xd->counters, stats->drop);
	dev_get_stats(dev, &stats->dev);
}

/**
 * xk_only_drop - the one drop that was counted between two readings
 * @before: the first one
 * @after: the second one
 *
 * Return: the reason, -ENOENT if there was no drop, -E2BIG if there were
 *	   several.
 */
int xk_only_drop(const struct xk_stats *before, const struct xk_stats *after)
{
	int reason = -ENOENT;
	int i;

	for (i = 0; i < __XFRM_ACCEL_DROP_MAX; i++) {
		if (after->drop[i] == before->drop[i])
			continue;
		if (reason >= 0 || after->drop[i] != before->drop[i] + 1)
			return -E2BIG;
		reason = i;
	}

	return reason;
}

/**
 * xk_transmit - give a packet to an interface as the core would
 * @skb: consumed
 * @dev: an xfrm interface
 * @before: filled with its counters as they were, or NULL
 * @after: filled with its counters as they are then, or NULL
 *
 * With bottom halves off from the first to the last, so that no packet of the
 * kernel's own (router solicitation, MLD) is counted in between.
 */
void xk_transmit(struct sk_buff *skb, struct net_device *dev,
		 struct xk_stats *before, struct xk_stats *after)
{
	skb->dev = dev;
	local_bh_disable();
	rcu_read_lock();
	if (before)
		xk_stats(dev, before);
	xac_start_xmit(skb, dev);
	if (after)
		xk_stats(dev, after);
	rcu_read_unlock();
	local_bh_enable();
}
