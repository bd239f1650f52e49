// SPDX-License-Identifier: GPL-2.0
/*
 * Links and addresses for the suites, by netlink requests as user space sends
 * them.
 */
#include <linux/espnic.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/netlink.h>

#include "kunit/fixture.h"

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
 * xk_nic_new - "ip link add NAME type espnic [peer PEER]"
 * @net: namespace
 * @name: of the device
 * @peer: index of another one, or 0
 *
 * Return: the errno that the kernel answered.
 */
int xk_nic_new(struct net *net, const char *name, u32 peer)
{
	const struct ifinfomsg ifm = {};
	struct nlattr *info, *data;
	struct sk_buff *msg;

	msg = xk_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifm, sizeof(ifm));
	if (!msg)
		return -ENOMEM;

	if (nla_put_string(msg, IFLA_IFNAME, name))
		goto free_msg;
	info = nla_nest_start(msg, IFLA_LINKINFO);
	if (!info || nla_put_string(msg, IFLA_INFO_KIND, "espnic"))
		goto free_msg;
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	if (!data || (peer && nla_put_u32(msg, IFLA_ESPNIC_PEER, peer)))
		goto free_msg;
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);

	return xk_rtnl(net, msg, NULL);

free_msg:
	nlmsg_free(msg);

	return -EMSGSIZE;
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
