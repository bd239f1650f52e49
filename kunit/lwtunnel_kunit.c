// SPDX-License-Identifier: GPL-2.0
/*
 * Routes with "encap xfrm", through the kernel's own dispatch, and metadata.
 */
#include <linux/lwtunnel.h>
#include <net/dst_metadata.h>
#include <net/lwtunnel.h>
#include <net/netlink.h>

#include "kunit/fixture.h"

/* One attribute of a request: @type, @len bytes of @value. */
struct asked {
	int type;
	int len;
	u32 value;
};

static struct sk_buff *request(const struct asked *attrs, size_t count)
{
	struct sk_buff *msg = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	struct nlattr *nest;
	size_t i;

	if (!msg)
		return NULL;
	nest = nla_nest_start(msg, RTA_ENCAP);
	for (i = 0; i < count; i++)
		if (attrs[i].type)
			nla_put(msg, attrs[i].type, attrs[i].len,
				&attrs[i].value);
	nla_nest_end(msg, nest);

	return msg;
}

static int build(const struct asked *attrs, size_t count,
		 struct lwtunnel_state **state, struct netlink_ext_ack *extack)
{
	struct sk_buff *msg = request(attrs, count);
	int err;

	*state = NULL;
	if (!msg)
		return -ENOMEM;
	err = lwtunnel_build_state(&init_net, LWTUNNEL_ENCAP_XFRM,
				   (struct nlattr *)msg->data, AF_INET, NULL,
				   state, extack);
	nlmsg_free(msg);

	return err;
}

static struct lwtunnel_state *state_of(u32 if_id, u32 link)
{
	const struct asked attrs[] = {
		{ LWT_XFRM_IF_ID, 4, if_id },
		{ link ? LWT_XFRM_LINK : 0, 4, link },
	};
	struct lwtunnel_state *state;

	/* Who asked for it takes the first reference. */
	return build(attrs, ARRAY_SIZE(attrs), &state, NULL) ?
	       NULL : lwtstate_get(state);
}

static void what_is_asked_for_is_built_and_shown(struct kunit *test)
{
	static const struct {
		u32 if_id, link;
	} values[] = {
		{ 1, 0 }, { 1, 1 }, { 7, 3 }, { U32_MAX, INT_MAX },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		struct lwtunnel_state *state = state_of(values[i].if_id,
							values[i].link);
		struct nlattr *tb[LWT_XFRM_MAX + 1];
		struct sk_buff *msg;
		struct nlattr *nest;

		KUNIT_ASSERT_NOT_NULL(test, state);
		KUNIT_EXPECT_EQ(test, lwt_xfrm_info(state)->if_id,
				values[i].if_id);
		KUNIT_EXPECT_EQ(test, lwt_xfrm_info(state)->link,
				values[i].link);

		msg = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, msg);
		KUNIT_EXPECT_EQ(test, lwtunnel_fill_encap(msg, state, RTA_ENCAP,
							  RTA_ENCAP_TYPE), 0);
		KUNIT_EXPECT_LE(test, msg->len, lwtunnel_get_encap_size(state) +
				nla_total_size(0) + nla_total_size(2));
		nest = (struct nlattr *)msg->data;
		KUNIT_EXPECT_EQ(test, nla_type(nest), RTA_ENCAP);
		KUNIT_EXPECT_EQ(test, nla_parse(tb, LWT_XFRM_MAX,
						nla_data(nest), nla_len(nest),
						NULL, NULL), 0);
		KUNIT_EXPECT_NOT_NULL(test, tb[LWT_XFRM_IF_ID]);
		if (tb[LWT_XFRM_IF_ID])
			KUNIT_EXPECT_EQ(test, nla_get_u32(tb[LWT_XFRM_IF_ID]),
					values[i].if_id);
		KUNIT_EXPECT_EQ(test, !!tb[LWT_XFRM_LINK], !!values[i].link);
		if (tb[LWT_XFRM_LINK])
			KUNIT_EXPECT_EQ(test, nla_get_u32(tb[LWT_XFRM_LINK]),
					values[i].link);
		nlmsg_free(msg);
		lwtstate_put(state);
	}
}

static void refused(struct kunit *test)
{
	static const struct {
		struct asked attrs[2];
		int err;
	} bad[] = {
		{ { { 0 } }, -EINVAL },
		{ { { LWT_XFRM_LINK, 4, 1 } }, -EINVAL },
		{ { { LWT_XFRM_IF_ID, 4, 0 } }, -ERANGE },
		{ { { LWT_XFRM_IF_ID, 2, 1 } }, -EINVAL },
		{ { { LWT_XFRM_IF_ID, 0, 1 } }, -EINVAL },
		{ { { LWT_XFRM_IF_ID, 4, 1 }, { LWT_XFRM_LINK, 4, 0 } },
		  -ERANGE },
		{ { { LWT_XFRM_IF_ID, 4, 1 }, { LWT_XFRM_LINK, 1, 1 } },
		  -EINVAL },
		{ { { LWT_XFRM_IF_ID, 4, 1 },
		    { LWT_XFRM_LINK, 4, 0x80000000 } }, -EINVAL },
		{ { { LWT_XFRM_IF_ID, 4, 1 }, { LWT_XFRM_MAX + 1, 4, 1 } },
		  -EINVAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct netlink_ext_ack extack = {};
		struct lwtunnel_state *state;

		KUNIT_EXPECT_EQ_MSG(test, build(bad[i].attrs, 2, &state,
						&extack),
				    bad[i].err, "request %zu", i);
		KUNIT_EXPECT_TRUE(test, extack._msg || extack.bad_attr);
		KUNIT_EXPECT_PTR_EQ(test, state, NULL);
	}
}

static void compared_in_every_part(struct kunit *test)
{
	static const struct {
		u32 if_id, link;
		bool same;
	} others[] = {
		{ 7, 3, true }, { 7, 4, false }, { 8, 3, false },
		{ 7, 0, false }, { 3, 7, false },
	};
	struct lwtunnel_state *a = state_of(7, 3);
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, a);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		struct lwtunnel_state *b = state_of(others[i].if_id,
						    others[i].link);

		KUNIT_ASSERT_NOT_NULL(test, b);
		KUNIT_EXPECT_EQ(test, !lwtunnel_cmp_encap(a, b),
				others[i].same);
		lwtstate_put(b);
	}
	lwtstate_put(a);
}

static void full_message_is_told(struct kunit *test)
{
	struct lwtunnel_state *state = state_of(7, 3);
	struct sk_buff *msg = nlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	int room;

	KUNIT_ASSERT_NOT_NULL(test, state);
	KUNIT_ASSERT_NOT_NULL(test, msg);
	/* At every size below the needed one: an error and no rest. */
	for (room = 0; room < 28; room += 4) {
		unsigned int len;

		skb_trim(msg, 0);
		skb_put(msg, skb_tailroom(msg) - room);
		len = msg->len;
		KUNIT_EXPECT_EQ(test, lwtunnel_fill_encap(msg, state, RTA_ENCAP,
							  RTA_ENCAP_TYPE),
				-EMSGSIZE);
		KUNIT_EXPECT_EQ(test, msg->len, len);
	}
	nlmsg_free(msg);
	lwtstate_put(state);
}

static void metadata_says_what_it_was_given(struct kunit *test)
{
	struct metadata_dst *metadata = xac_metadata_alloc(U32_MAX, 42);

	KUNIT_ASSERT_NOT_NULL(test, metadata);
	KUNIT_EXPECT_EQ(test, metadata->type, METADATA_XFRM);
	KUNIT_EXPECT_EQ(test, metadata->u.xfrm_info.if_id, U32_MAX);
	KUNIT_EXPECT_EQ(test, metadata->u.xfrm_info.link, 42);
	KUNIT_EXPECT_EQ(test, atomic_read(&metadata->dst.__refcnt), 1);
	dst_release(&metadata->dst);
}

static void no_memory(struct kunit *test)
{
	const struct asked attr = { LWT_XFRM_IF_ID, 4, 7 };
	struct sk_buff *msg = request(&attr, 1);
	struct metadata_dst *metadata;
	struct lwtunnel_state *state = NULL;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, msg);
	if (!xk_can_fail()) {
		nlmsg_free(msg);
		kunit_skip(test, "needs CONFIG_FAULT_INJECTION");
	}

	xk_fail_nth(1);
	metadata = xac_metadata_alloc(7, 3);
	KUNIT_EXPECT_TRUE(test, xk_has_failed());
	KUNIT_EXPECT_PTR_EQ(test, metadata, NULL);

	xk_fail_nth(1);
	err = lwtunnel_build_state(&init_net, LWTUNNEL_ENCAP_XFRM,
				   (struct nlattr *)msg->data, AF_INET, NULL,
				   &state, NULL);
	KUNIT_EXPECT_TRUE(test, xk_has_failed());
	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	KUNIT_EXPECT_PTR_EQ(test, state, NULL);
	nlmsg_free(msg);
}

static struct kunit_case lwtunnel_cases[] = {
	KUNIT_CASE(what_is_asked_for_is_built_and_shown),
	KUNIT_CASE(refused),
	KUNIT_CASE(compared_in_every_part),
	KUNIT_CASE(full_message_is_told),
	KUNIT_CASE(metadata_says_what_it_was_given),
	KUNIT_CASE(no_memory),
	{}
};

struct kunit_suite xac_lwtunnel_suite = {
	.name = "xac_lwtunnel",
	.test_cases = lwtunnel_cases,
};
