// SPDX-License-Identifier: GPL-2.0
/*
 * link_espnic.so: with it `ip link` knows the options of the kind "espnic".
 *
 * For a kind that it does not know itself ip loads link_KIND.so from its
 * library directory and takes KIND_link_util from there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/espnic.h>
#include <linux/rtnetlink.h>

#include "ip.h"

/* --- options --- */

static const char * const refusals[__ESPNIC_REFUSE_MAX] = {
	[ESPNIC_REFUSE_NONE]		= "none",
	[ESPNIC_REFUSE_ERROR]		= "error",
	[ESPNIC_REFUSE_UNSUPPORTED]	= "unsupported",
};

/* Decimal, or hexadecimal after 0x; nothing else, and no sign. */
static bool read_number(const char *word, __u32 *value)
{
	bool hex = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
	const char *digits = hex ? word + 2 : word;
	const char *known = hex ? "0123456789abcdefABCDEF" : "0123456789";
	unsigned long long number;

	if (!*digits || digits[strspn(digits, known)])
		return false;

	errno = 0;
	number = strtoull(digits, NULL, hex ? 16 : 10);
	*value = number;

	return !errno && number == *value;
}

static bool read_spi(const char *word, __u32 *value)
{
	if (!read_number(word, value))
		return false;
	*value = htonl(*value);

	return true;
}

static bool read_device(const char *word, __u32 *value)
{
	*value = if_nametoindex(word);

	return *value;
}

static bool read_refusal(const char *word, __u32 *value)
{
	for (*value = 0; *value < __ESPNIC_REFUSE_MAX; ++*value)
		if (!strcmp(word, refusals[*value]))
			return true;

	return false;
}

static bool read_switch(const char *word, __u32 *value)
{
	*value = !strcmp(word, "on");

	return *value || !strcmp(word, "off");
}

#define A_NUMBER	"a number from 0 to 4294967295"

/**
 * struct option - an option, and its attribute
 * @name: the option
 * @attr: IFLA_ESPNIC_*
 * @len: of the attribute
 * @read: makes its value of the word after the option; false: it is none
 * @wants: what that word has to be
 */
struct option {
	const char *name;
	int attr;
	int len;
	bool (*read)(const char *word, __u32 *value);
	const char *wants;
};

static const struct option options[] = {
	{ "sa-max", IFLA_ESPNIC_SA_MAX, 4, read_number, A_NUMBER },
	{ "peer", IFLA_ESPNIC_PEER, 4, read_device, "the name of a device" },
	{ "refuse", IFLA_ESPNIC_REFUSE, 1, read_refusal,
	  "one of none, error, unsupported" },
	{ "corrupt", IFLA_ESPNIC_CORRUPT, 4, read_number, A_NUMBER },
	{ "reorder", IFLA_ESPNIC_REORDER, 4, read_number, A_NUMBER },
	{ "stall", IFLA_ESPNIC_STALL, 1, read_switch, "on or off" },
	{ "lose", IFLA_ESPNIC_LOSE, 4, read_spi, "an SPI, " A_NUMBER },
};

#define OPTIONS		(sizeof(options) / sizeof(*options))

static void print_help(struct link_util *util, int argc, char **argv, FILE *out)
{
	(void)util;
	(void)argc;
	(void)argv;
	fputs("Usage: ... espnic [ sa-max NUMBER ] [ peer DEV ]\n"
	      "		[ refuse { none | error | unsupported } ]\n"
	      "		[ corrupt NUMBER ] [ reorder NUMBER ]\n"
	      "		[ stall { on | off } ] [ lose SPI ]\n"
	      "\n"
	      "Where:	sa-max	is how many SAs the device has room for\n"
	      "	peer	is the espnic at the other end of the wire (add only)\n"
	      "	refuse	is what becomes of new SAs\n"
	      "	corrupt	finds every so many-th received ESP packet wrong, 0: none\n"
	      "	reorder	lets every so many-th packet sent be overtaken, 0: none\n"
	      "	stall	stops the transmit queues\n"
	      "	lose	forgets the SAs with this SPI (change only)\n"
	      "NUMBER and SPI are decimal, or hexadecimal after 0x. Seeespnic(8).\n",
	      out);
}

static const struct option *find_option(const char *name)
{
	size_t i;

	for (i = 0; i < OPTIONS; i++)
		if (!strcmp(name, options[i].name))
			return &options[i];

	return NULL;
}

static int add_option(struct nlmsghdr *request, const struct option *option,
		      __u32 value)
{
	__u8 byte = value;

	return addattr_l(request, REQUEST_MAX, option->attr,
			 option->len == 1 ? (void *)&byte : (void *)&value,
			 option->len);
}

/* An error returns, or ip would not go on with the next line of a batch. */
static int parse_opt(struct link_util *util, int argc, char **argv,
		     struct nlmsghdr *request)
{
	const struct option *option;
	bool seen[OPTIONS] = {};
	__u32 value;

	for (; argc > 0; argc -= 2, argv += 2) {
		if (!strcmp(argv[0], "help")) {
			print_help(util, argc, argv, stderr);
			return -1;
		}
		option = find_option(argv[0]);
		if (!option) {
			fprintf(stderr,
				"espnic: there is no option \"%s\". Try \"ip link help espnic\".\n",
				argv[0]);
			return -1;
		}
		if (argc < 2) {
			fprintf(stderr, "espnic: %s wants %s\n",
				option->name, option->wants);
			return -1;
		}
		if (seen[option - options]) {
			fprintf(stderr, "espnic: %s is there twice\n",
				option->name);
			return -1;
		}
		seen[option - options] = true;
		if (!option->read(argv[1], &value)) {
			fprintf(stderr, "espnic: %s: \"%s\" is not %s\n",
				option->name, argv[1], option->wants);
			return -1;
		}
		if (add_option(request, option, value))
			return -1;
	}

	return 0;
}

/* --- show --- */

/* The value of an attribute; 0 also if it is not there, or is cut off. */
static __u32 value_of(struct rtattr *attrs[], int attr, size_t len)
{
	__u32 value = 0;

	if (!attrs[attr] || RTA_PAYLOAD(attrs[attr]) < len)
		return 0;
	if (len == sizeof(__u8))
		return *(__u8 *)RTA_DATA(attrs[attr]);
	memcpy(&value, RTA_DATA(attrs[attr]), sizeof(value));

	return value;
}

static void show_number(FILE *out, const char *name, const char *key,
			__u32 value)
{
	if (is_json_context())
		jsonw_uint_field(get_json_writer(), key, value);
	else
		fprintf(out, "%s %u ", name, value);
}

static void show_refusal(FILE *out, __u32 value)
{
	char number[sizeof("4294967295")];
	const char *word = number;

	if (value < __ESPNIC_REFUSE_MAX)
		word = refusals[value];
	else
		snprintf(number, sizeof(number), "%u", value);

	if (is_json_context())
		jsonw_string_field(get_json_writer(), "refuse", word);
	else
		fprintf(out, "refuse %s ", word);
}

static void show_stall(FILE *out)
{
	if (is_json_context())
		jsonw_bool_field(get_json_writer(), "stall", true);
	else
		fputs("stall on ", out);
}

static void print_opt(struct link_util *util, FILE *out, struct rtattr *attrs[])
{
	__u32 value;

	(void)util;
	if (!attrs)
		return;

	show_number(out, "sa-max", "sa_max",
		    value_of(attrs, IFLA_ESPNIC_SA_MAX, sizeof(__u32)));
	show_number(out, "sa-count", "sa_count",
		    value_of(attrs, IFLA_ESPNIC_SA_COUNT, sizeof(__u32)));
	value = value_of(attrs, IFLA_ESPNIC_REFUSE, sizeof(__u8));
	if (value != ESPNIC_REFUSE_NONE)
		show_refusal(out, value);
	value = value_of(attrs, IFLA_ESPNIC_CORRUPT, sizeof(__u32));
	if (value)
		show_number(out, "corrupt", "corrupt", value);
	value = value_of(attrs, IFLA_ESPNIC_REORDER, sizeof(__u32));
	if (value)
		show_number(out, "reorder", "reorder", value);
	if (value_of(attrs, IFLA_ESPNIC_STALL, sizeof(__u8)))
		show_stall(out);
}

/* --- what ip takes --- */

/* The room: what a later ip may have at the end of a kind is NULL in this one. */
static union {
	struct link_util util;
	char room[256];
} kind = {
	.util = {
		.id		= "espnic",
		.maxattr	= IFLA_ESPNIC_MAX,
		.parse_opt	= parse_opt,
		.print_opt	= print_opt,
		.print_help	= print_help,
	},
};

/* Is a kind to this ip what it is here? Its own one for xfrm tells. */
static bool same_layout(void)
{
	const struct link_util *xfrm = &xfrm_link_util;

	return xfrm->id && !strcmp(xfrm->id, "xfrm") &&
	       xfrm->maxattr >= IFLA_XFRM_IF_ID && xfrm->maxattr < 256 &&
	       xfrm->parse_opt && xfrm->print_opt &&
	       !xfrm->print_xstats && xfrm->print_help;
}

/*
 * Called when ip asks for espnic_link_util, and the answer is what ip gets;
 * after NULL it goes on as if there were no plugin.
 */
static void (*offer(void))(void)
{
	static bool told;

	if (same_layout())
		return (void (*)(void))&kind.util;

	if (!told)
		fputs("espnic: ip has no use for this plugin, it is another iproute2\n",
		      stderr);
	told = true;

	return NULL;
}

void espnic_link_util(void) __attribute__((ifunc("offer")));
