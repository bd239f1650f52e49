/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a plugin uses of ip (iproute2), which has no header for that. The ones
 * of 6.1 and 6.15, Debian 12's and 13's, have been looked at: symbols, size and
 * layout are these.
 *
 * The functions have had these arguments for years; those that print text and
 * JSON alike have not, and are left out.
 */
#ifndef _XAC_IPROUTE2_IP_H
#define _XAC_IPROUTE2_IP_H

#include <stdbool.h>
#include <stdio.h>

#include <linux/rtnetlink.h>

/* A kind of link. What a plugin does not fill in has no type here. */
struct link_util {
	struct link_util *next;
	const char *id;
	int maxattr;
	int (*parse_opt)(struct link_util *util, int argc, char **argv,
			 struct nlmsghdr *request);
	void (*print_opt)(struct link_util *util, FILE *out,
			  struct rtattr *attrs[]);
	void *print_xstats;
	void (*print_help)(struct link_util *util, int argc, char **argv,
			   FILE *out);
	void *parse_ifla_xstats;
	void *print_ifla_xstats;
};

struct json_writer;

/* One of ip's own. */
extern struct link_util xfrm_link_util;

/* The length that a request may have: the kinds that are ip's own keep to it. */
#define REQUEST_MAX	1024

int addattr_l(struct nlmsghdr *request, int maxlen, int type, const void *data,
	      int len);
bool is_json_context(void);
struct json_writer *get_json_writer(void);
void jsonw_uint_field(struct json_writer *writer, const char *key,
		      unsigned int value);
void jsonw_string_field(struct json_writer *writer, const char *key,
			const char *value);
void jsonw_bool_field(struct json_writer *writer, const char *key, bool value);

#endif /* _XAC_IPROUTE2_IP_H */
