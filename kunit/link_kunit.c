// SPDX-License-Identifier: GPL-2.0
/*
 * The link kind as rtnetlink drives it: create, refuse, change, move, delete,
 * and the default MTU.
 */
#include <linux/if_link.h>
#include <linux/kmod.h>
#include <net/ip.h>
#include <net/netlink.h>

#include "compat/kunit.h"
#include "kunit/fixture.h"

#define NAME	"xklink"

static struct net_device *made(const char *name)
{
	return xk_dev_by_name(&init_net, name);
}

static struct xac_dev *found(u32 if_id)
{
	struct xac_dev *xd;

	rcu_read_lock();
	xd = xac_dev_of_state(&init_net, if_id);
	rcu_read_unlock();

	return xd;
}

static bool taken(u32 if_id)
{
	bool yes;

	rtnl_lock();
	yes = xac_table_has(xac_net_table(&init_net), if_id);
	rtnl_unlock();

	return yes;
}

static void tidy(struct kunit *test)
{
	static const char * const names[] = { NAME, "xklink2", "xklower" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		xk_unregister(made(names[i]));
}

static void made_as_told(struct kunit *test)
{
	struct xk_link link = { .name = NAME, .if_id = 0xfffffffe };
	struct net_device *lower = xk_wire_create(&init_net, "xklower", 1500);
	struct net_device *dev;
	struct xac_dev *xd;

	KUNIT_ASSERT_NOT_NULL(test, lower);
	link.link = lower->ifindex;
	KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &link), 0);
	dev = made(NAME);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_TRUE(test, xac_is_xac_dev(dev));
	KUNIT_EXPECT_FALSE(test, xac_is_xac_dev(lower));

	xd = netdev_priv(dev);
	KUNIT_EXPECT_EQ(test, xd->if_id, 0xfffffffe);
	KUNIT_EXPECT_EQ(test, xd->link, lower->ifindex);
	KUNIT_EXPECT_FALSE(test, xd->external);
	KUNIT_EXPECT_PTR_EQ(test, xd->net, &init_net);
	KUNIT_EXPECT_EQ(test, dev_get_iflink(dev), lower->ifindex);
	KUNIT_EXPECT_EQ(test, dev->mtu, 1390);

	/* SAs find it as long as it is up. */
	KUNIT_EXPECT_PTR_EQ(test, found(0xfffffffe), NULL);
	KUNIT_EXPECT_EQ(test, xk_set_up(dev, true), 0);
	KUNIT_EXPECT_PTR_EQ(test, found(0xfffffffe), xd);
	KUNIT_EXPECT_EQ(test, xk_set_up(dev, false), 0);
	KUNIT_EXPECT_PTR_EQ(test, found(0xfffffffe), NULL);

	KUNIT_EXPECT_EQ(test, xk_link_del(&init_net, NAME), 0);
	KUNIT_EXPECT_PTR_EQ(test, made(NAME), NULL);
	KUNIT_EXPECT_FALSE(test, taken(0xfffffffe));
}

static void external_made(struct kunit *test)
{
	struct xk_link link = { .name = NAME, .external = true };
	struct net_device *dev;
	struct xac_dev *xd;

	KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &link), 0);
	dev = made(NAME);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	xd = netdev_priv(dev);
	KUNIT_EXPECT_TRUE(test, xd->external);
	KUNIT_EXPECT_EQ(test, xd->if_id, 0);
	KUNIT_EXPECT_EQ(test, dev->mtu, 1390);
	KUNIT_EXPECT_EQ(test, xk_set_up(dev, true), 0);
	KUNIT_EXPECT_PTR_EQ(test, found(77), xd);
}

static void shown_as_made(struct kunit *test)
{
	struct xk_link links[] = {
		{ .name = NAME, .if_id = 5, .link = 1 },
		{ .name = "xklink2", .external = true },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(links); i++) {
		struct nlattr *tb[IFLA_XFRM_MAX + 1];
		struct net_device *dev;
		struct sk_buff *msg;
		int err;

		KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &links[i]), 0);
		dev = made(links[i].name);
		msg = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, msg);
		err = dev->rtnl_link_ops->fill_info(msg, dev);
		KUNIT_EXPECT_EQ(test, err, 0);
		KUNIT_EXPECT_LE(test, msg->len,
				dev->rtnl_link_ops->get_size(dev));
		err = nla_parse(tb, IFLA_XFRM_MAX, (void *)msg->data, msg->len,
				dev->rtnl_link_ops->policy, NULL);
		KUNIT_EXPECT_EQ(test, err, 0);
		if (!err && tb[IFLA_XFRM_LINK] && tb[IFLA_XFRM_IF_ID]) {
			KUNIT_EXPECT_EQ(test, nla_get_u32(tb[IFLA_XFRM_LINK]),
					links[i].link);
			KUNIT_EXPECT_EQ(test, nla_get_u32(tb[IFLA_XFRM_IF_ID]),
					links[i].if_id);
			KUNIT_EXPECT_EQ(test,
					!!tb[IFLA_XFRM_COLLECT_METADATA],
					links[i].external);
		} else {
			KUNIT_FAIL(test, "link or if_id is not shown");
		}
		/* A message that is full is told, not cut. */
		skb_put(msg, skb_tailroom(msg));
		KUNIT_EXPECT_EQ(test, dev->rtnl_link_ops->fill_info(msg, dev),
				-EMSGSIZE);
		nlmsg_free(msg);
	}
}

static void refused_with_a_reason(struct kunit *test)
{
	static struct {
		struct xk_link link;
		int err;
	} bad[] = {
		{ { .no_data = true }, -EINVAL },
		{ { .link = 1 }, -EINVAL },
		{ { .say_if_id = true }, -EINVAL },
		{ { .if_id = 5, .external = true }, -EINVAL },
		{ { .link = 1, .external = true }, -EINVAL },
		{ { .if_id = 5, .link = 0x80000000 }, -EINVAL },
		{ { .if_id = 6 }, -EEXIST },
		{ { .external = true }, -EEXIST },
	};
	struct xk_link six = { .name = NAME, .if_id = 6 };
	struct xk_link external = { .name = "xklink2", .external = true };
	size_t i;

	KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &six), 0);
	KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &external), 0);

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		bad[i].link.name = "xklink3";
		KUNIT_EXPECT_EQ(test, xk_link_new(&init_net, &bad[i].link),
				bad[i].err);
		KUNIT_EXPECT_STRNEQ(test, bad[i].link.why, "");
		KUNIT_EXPECT_PTR_EQ(test, made("xklink3"), NULL);
	}
	KUNIT_EXPECT_FALSE(test, taken(5));
	KUNIT_EXPECT_TRUE(test, taken(6));
}

static void mtu_given_is_kept(struct kunit *test)
{
	struct xk_link link = { .name = NAME, .if_id = 5, .mtu = 9000 };
	struct xk_link large = { .name = "xklink2", .if_id = 6, .mtu = 65536 };

	KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &link), 0);
	KUNIT_EXPECT_EQ(test, made(NAME)->mtu, 9000);
	KUNIT_EXPECT_EQ(test, xk_link_new(&init_net, &large), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, made("xklink2"), NULL);
}

/* --- the default MTU --- */

/*
 * What the worst standard SA (RFC 4303, RFC 3948) makes of a packet: outer
 * IPv6 40, UDP 8, ESP 8, IV 16, ICV 32; 2 bytes of trailer, blocks of 16.
 */
static unsigned int encapsulated(unsigned int len)
{
	return 40 + 8 + 8 + 16 + round_up(len + 2, 16) + 32;
}

static unsigned int default_mtu(int link)
{
	const struct xac_dev xd = { .net = &init_net, .link = link };
	unsigned int mtu;

	rtnl_lock();
	mtu = xac_default_mtu(&xd);
	rtnl_unlock();

	return mtu;
}

static void default_mtu_at_the_edges(struct kunit *test)
{
	static const struct {
		unsigned int lower, mtu;
	} edges[] = {
		{ 68, 68 }, { 183, 68 }, { 184, 78 }, { 576, 462 },
		{ 1279, 1166 }, { 1280, 1280 }, { 1399, 1280 },
		{ 1400, 1294 }, { 1492, 1374 }, { 1500, 1390 },
		{ 9000, 8894 }, { 65535, 65422 }, { 65536, 65422 },
		{ INT_MAX, 65422 },
	};
	struct net_device *lower = xk_wire_create(&init_net, "xklower", 1500);
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, lower);
	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		WRITE_ONCE(lower->mtu, edges[i].lower);
		KUNIT_EXPECT_EQ(test, default_mtu(lower->ifindex),
				edges[i].mtu);
	}
	/* Without a lower device, or with one that is gone: Ethernet's. */
	KUNIT_EXPECT_EQ(test, default_mtu(0), 1390);
	KUNIT_EXPECT_EQ(test, default_mtu(INT_MAX), 1390);
}

/*
 * For every lower MTU: IPv6 works where it works below, the worst standard
 * encapsulation fits where there is room for it, and no room is wasted.
 */
static void default_mtu_leaves_room(struct kunit *test)
{
	struct net_device *lower = xk_wire_create(&init_net, "xklower", 1500);
	unsigned int below, mtu, floor, last = 0, bad = 0;

	KUNIT_ASSERT_NOT_NULL(test, lower);
	for (below = ETH_MIN_MTU; below <= IP_MAX_MTU; below++) {
		floor = below < IPV6_MIN_MTU ? ETH_MIN_MTU : IPV6_MIN_MTU;
		WRITE_ONCE(lower->mtu, below);
		mtu = default_mtu(lower->ifindex);
		if (mtu < floor || mtu < last)
			bad++;
		if (mtu > floor && encapsulated(mtu) > below)
			bad++;
		if (encapsulated(mtu + 1) <= below)
			bad++;
		last = mtu;
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/* --- change --- */

static void if_id_changes(struct kunit *test)
{
	struct xk_link link = { .name = NAME, .if_id = 5, .link = 1 };
	struct xac_dev *xd;

	KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &link), 0);
	KUNIT_ASSERT_EQ(test, xk_set_up(made(NAME), true), 0);
	xd = netdev_priv(made(NAME));

	link.if_id = 6;
	KUNIT_EXPECT_EQ(test, xk_link_change(&init_net, &link), 0);
	KUNIT_EXPECT_EQ(test, xd->if_id, 6);
	KUNIT_EXPECT_PTR_EQ(test, found(6), xd);
	KUNIT_EXPECT_PTR_EQ(test, found(5), NULL);
	/* To what it is already: no change, no error. */
	KUNIT_EXPECT_EQ(test, xk_link_change(&init_net, &link), 0);
	KUNIT_EXPECT_PTR_EQ(test, found(6), xd);
}

static void refused_change_changes_nothing(struct kunit *test)
{
	static struct {
		struct xk_link link;
		int err;
	} bad[] = {
		{ { .link = 1 }, -EINVAL },
		{ { .link = 1, .say_if_id = true }, -EINVAL },
		{ { .if_id = 6 }, -EINVAL },
		{ { .if_id = 6, .link = 2 }, -EINVAL },
		{ { .if_id = 6, .link = 0x80000001 }, -EINVAL },
		{ { .if_id = 7, .link = 1 }, -EEXIST },
		{ { .if_id = 7, .link = 2 }, -EEXIST },
		/* CVE-2025-38500, into external */
		{ { .external = true }, -EINVAL },
		{ { .external = true, .if_id = 5, .link = 1 }, -EINVAL },
		{ { .external = true, .link = 1 }, -EINVAL },
	};
	struct xk_link five = { .name = NAME, .if_id = 5, .link = 1 };
	struct xk_link seven = { .name = "xklink2", .if_id = 7 };
	struct xac_dev *xd;
	size_t i;

	KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &five), 0);
	KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &seven), 0);
	KUNIT_ASSERT_EQ(test, xk_set_up(made(NAME), true), 0);
	xd = netdev_priv(made(NAME));

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		bad[i].link.name = NAME;
		KUNIT_EXPECT_EQ(test, xk_link_change(&init_net, &bad[i].link),
				bad[i].err);
		KUNIT_EXPECT_STRNEQ(test, bad[i].link.why, "");
		KUNIT_EXPECT_EQ(test, xd->if_id, 5);
		KUNIT_EXPECT_EQ(test, xd->link, 1);
		KUNIT_EXPECT_FALSE(test, xd->external);
		KUNIT_EXPECT_PTR_EQ(test, found(5), xd);
		KUNIT_EXPECT_FALSE(test, taken(6));
		KUNIT_EXPECT_FALSE(test, taken(0));
	}
}

/* CVE-2025-38500, the other way. */
static void external_stays_external(struct kunit *test)
{
	struct xk_link link = { .name = NAME, .external = true };
	static struct xk_link bad[] = {
		{ .name = NAME, .if_id = 5 },
		{ .name = NAME, .if_id = 5, .link = 1 },
		{ .name = NAME, .if_id = 5, .external = true },
		{ .name = NAME, .external = true },
	};
	struct xac_dev *xd;
	size_t i;

	KUNIT_ASSERT_EQ(test, xk_link_new(&init_net, &link), 0);
	KUNIT_ASSERT_EQ(test, xk_set_up(made(NAME), true), 0);
	xd = netdev_priv(made(NAME));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ(test, xk_link_change(&init_net, &bad[i]),
				-EINVAL);
		KUNIT_EXPECT_STRNEQ(test, bad[i].why, "");
		KUNIT_EXPECT_TRUE(test, xd->external);
		KUNIT_EXPECT_EQ(test, xd->if_id, 0);
		KUNIT_EXPECT_PTR_EQ(test, found(5), xd);
		KUNIT_EXPECT_FALSE(test, taken(5));
	}
	KUNIT_EXPECT_EQ(test, xk_link_del(&init_net, NAME), 0);
	KUNIT_EXPECT_PTR_EQ(test, found(5), NULL);
	KUNIT_EXPECT_FALSE(test, taken(0));
}

/* --- namespaces --- */

static void moved_device_keeps_its_sas(struct kunit *test)
{
	struct xk_link link = { .name = NAME, .if_id = 5 };
	struct xk_link change = { .name = NAME, .if_id = 6 };
	struct net *other = xk_other_net();
	struct net_device *dev;
	struct xac_dev *xd;

	if (!other)
		kunit_skip(test, "needs a second network namespace");

	KUNIT_EXPECT_EQ(test, xk_link_new(&init_net, &link), 0);
	dev = made(NAME);
	if (!dev)
		goto put;
	xd = netdev_priv(dev);
	KUNIT_EXPECT_EQ(test, xk_move(dev, other), 0);
	KUNIT_EXPECT_EQ(test, xk_set_up(dev, true), 0);
	KUNIT_EXPECT_PTR_EQ(test, xd->net, &init_net);
	KUNIT_EXPECT_PTR_EQ(test, found(5), xd);
	KUNIT_EXPECT_EQ(test, xk_link_new(&init_net, &link), -EEXIST);
	/* Where it is now, its if_id is free. */
	link.name = "xklink2";
	KUNIT_EXPECT_EQ(test, xk_link_new(other, &link), 0);
	xk_unregister(xk_dev_by_name(other, "xklink2"));

	KUNIT_EXPECT_EQ(test, xk_link_change(other, &change), 0);
	KUNIT_EXPECT_PTR_EQ(test, found(6), xd);
	KUNIT_EXPECT_PTR_EQ(test, dev->rtnl_link_ops->get_link_net(dev),
			    &init_net);

	KUNIT_EXPECT_EQ(test, xk_link_del(other, NAME), 0);
	KUNIT_EXPECT_FALSE(test, taken(5));
	KUNIT_EXPECT_FALSE(test, taken(6));
put:
	put_net(other);
}

static int shell(const char *command)
{
	char *path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *argv[4] = { "/bin/sh", "-c", (char *)command };
	char *envp[2] = { path };

	return call_usermodehelper(argv[0], argv, envp, UMH_WAIT_PROC);
}

/* A namespace that is not @known: the one that was just made. */
static struct net *newest_net(const struct net *known)
{
	struct net *net, *found = NULL;

	down_read(&net_rwsem);
	for_each_net(net)
		if (!net_eq(net, &init_net) && !net_eq(net, known))
			found = net;
	if (found)
		found = maybe_get_net(found);
	up_read(&net_rwsem);

	return found;
}

/* A namespace that let_go() ends. */
static struct net *going_net(struct kunit *test)
{
	struct net *other = xk_other_net(), *net;

	if (!other)
		kunit_skip(test, "needs a second network namespace");

	KUNIT_EXPECT_EQ(test, shell("ip netns add xk-going"), 0);
	net = newest_net(other);
	put_net(other);
	KUNIT_ASSERT_NOT_NULL(test, net);

	return net;
}

static void let_go(struct kunit *test, struct net *net)
{
	put_net(net);
	KUNIT_EXPECT_EQ(test, shell("ip netns del xk-going"), 0);
}

static bool gone(const char *name)
{
	const unsigned long deadline = jiffies + 100 * HZ;

	while (made(name) && time_before(jiffies, deadline))
		schedule_timeout_uninterruptible(1);

	return !made(name);
}

/* An interface does not outlive the namespace that its SAs live in. */
static void namespace_of_the_sas_goes(struct kunit *test)
{
	struct xk_link links[] = {
		{ .name = NAME, .if_id = 5 },
		{ .name = "xklink2", .external = true },
	};
	struct net *net = going_net(test);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(links); i++) {
		struct net_device *dev;

		KUNIT_EXPECT_EQ(test, xk_link_new(net, &links[i]), 0);
		dev = xk_dev_by_name(net, links[i].name);
		if (dev)
			KUNIT_EXPECT_EQ(test, xk_move(dev, &init_net), 0);
	}
	KUNIT_EXPECT_NOT_NULL(test, made(NAME));
	KUNIT_EXPECT_NOT_NULL(test, made("xklink2"));

	let_go(test, net);
	KUNIT_EXPECT_TRUE(test, gone(NAME));
	KUNIT_EXPECT_TRUE(test, gone("xklink2"));
}

/* Its own namespace goes: the if_id is free again where its SAs live. */
static void namespace_of_the_device_goes(struct kunit *test)
{
	const unsigned long deadline = jiffies + 100 * HZ;
	struct xk_link link = { .name = NAME, .if_id = 5 };
	struct net *net = going_net(test);

	KUNIT_EXPECT_EQ(test, xk_link_new(&init_net, &link), 0);
	KUNIT_EXPECT_EQ(test, xk_move(made(NAME), net), 0);
	KUNIT_EXPECT_TRUE(test, taken(5));

	let_go(test, net);
	while (taken(5) && time_before(jiffies, deadline))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_FALSE(test, taken(5));
}

/* --- no memory --- */

static void no_memory_leaves_nothing(struct kunit *test)
{
	struct xk_link link = { .name = NAME, .if_id = 5 };
	unsigned int nth, refused = 0;
	bool failed = true;

	if (!xk_can_fail())
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION");

	for (nth = 1; failed && nth < 1000; nth++) {
		int err;

		xk_fail_nth(nth);
		err = xk_link_new(&init_net, &link);
		failed = xk_has_failed();
		if (err == -ENOMEM && !made(NAME))
			refused++;
		/* All or nothing. Some allocations may fail without harm. */
		KUNIT_EXPECT_EQ(test, !!made(NAME), taken(5));
		if (!err)
			KUNIT_EXPECT_NOT_NULL(test, made(NAME));
		xk_unregister(made(NAME));
		KUNIT_EXPECT_FALSE(test, taken(5));
	}
	kunit_info(test, "%u allocations failed, %u of them the request\n",
		   nth - 2, refused);
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, refused, 5);
}

/* Called last of all when the device is registered: then comes the table. */
static int fail_what_comes_next(struct notifier_block *nb, unsigned long event,
				void *data)
{
	struct net_device *dev = netdev_notifier_info_to_dev(data);

	if (event == NETDEV_REGISTER && !strcmp(dev->name, NAME))
		xk_fail_nth(1);

	return NOTIFY_DONE;
}

static void no_memory_for_the_table_leaves_no_device(struct kunit *test)
{
	struct notifier_block nb = {
		.notifier_call = fail_what_comes_next,
		.priority = INT_MIN,
	};
	struct xk_link link = { .name = NAME, .if_id = 5 };
	int err;

	if (!xk_can_fail())
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION");

	KUNIT_ASSERT_EQ(test, register_netdevice_notifier(&nb), 0);
	err = xk_link_new(&init_net, &link);
	KUNIT_EXPECT_TRUE(test, xk_has_failed());
	unregister_netdevice_notifier(&nb);

	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	KUNIT_EXPECT_PTR_EQ(test, made(NAME), NULL);
	KUNIT_EXPECT_FALSE(test, taken(5));
	KUNIT_EXPECT_EQ(test, xk_link_new(&init_net, &link), 0);
}

static struct kunit_case link_cases[] = {
	KUNIT_CASE(made_as_told),
	KUNIT_CASE(external_made),
	KUNIT_CASE(shown_as_made),
	KUNIT_CASE(refused_with_a_reason),
	KUNIT_CASE(mtu_given_is_kept),
	KUNIT_CASE(default_mtu_at_the_edges),
	KUNIT_CASE(default_mtu_leaves_room),
	KUNIT_CASE(if_id_changes),
	KUNIT_CASE(refused_change_changes_nothing),
	KUNIT_CASE(external_stays_external),
	KUNIT_CASE(moved_device_keeps_its_sas),
	KUNIT_CASE(namespace_of_the_sas_goes),
	KUNIT_CASE(namespace_of_the_device_goes),
	KUNIT_CASE(no_memory_leaves_nothing),
	KUNIT_CASE(no_memory_for_the_table_leaves_no_device),
	{}
};

struct kunit_suite xac_link_suite = {
	.name = "xac_link",
	.exit = tidy,
	.test_cases = link_cases,
};
