// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU's TCG: how often was each instruction of the guest's
 * kernel executed between two marks?
 *
 *   qemu-system-x86_64 ... -smp 1 -plugin counter.so,out=FILE
 *
 * A program in the guest marks an interval by executing two instructions that
 * do nothing and that no compiler makes:
 *
 *   xchg %r13,%r13	it begins: all counts become zero
 *   xchg %r12,%r12	it ends: the counts are written to FILE
 *
 * Until the first of them nothing is counted, and the guest boots the faster:
 * counting begins soon after it, the first interval is to begin with another.
 *
 * FILE then has, for each interval,
 *
 *   interval NUMBER			from 0
 *   ADDRESS COUNT STRETCH [TARGET]	in hex, decimal, decimal, hex
 *
 * with TARGET where the instruction is a direct call or jump. User space is
 * not counted. There is one counter for each address, and code that the kernel
 * patches keeps its counter.
 *
 * STRETCH is the part of COUNT that was executed on a stretch of the packets'
 * way: from one function of the kernel to another. Before the first interval
 * the program tells where a stretch begins or ends, any number of times, with
 *
 *   xchg %r11,%r11; movabs $ADDRESS,%rax	a stretch begins at ADDRESS
 *   xchg %r10,%r10; movabs $ADDRESS,%rax	a stretch ends at ADDRESS
 *
 * Debian's QEMU 7.2 accepts plugins but ships no header for them, so what is
 * used of its interface (version 1) is declared here.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* --- what qemu-plugin.h would declare --- */

typedef uint64_t qemu_plugin_id_t;
struct qemu_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id,
					       struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned int vcpu, void *userdata);
typedef void (*qemu_plugin_simple_cb_t)(qemu_plugin_id_t id);

void qemu_plugin_reset(qemu_plugin_id_t id, qemu_plugin_simple_cb_t cb);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   qemu_plugin_vcpu_tb_trans_cb_t cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    qemu_plugin_vcpu_udata_cb_t cb,
					    enum qemu_plugin_cb_flags flags,
					    void *userdata);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
						enum qemu_plugin_op op,
						void *counter, uint64_t add);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
			       int argc, char **argv);

/* --- the counters --- */

/*
 * They never move, since the translated code points into them. What a stretch
 * works on are arrays of their own, for it goes through all of them.
 */
#define COUNTERS	(1u << 20)
#define HASH_BITS	21
#define HASH_SIZE	(1u << HASH_BITS)

static uint64_t address_of[COUNTERS];
static uint64_t target_of[COUNTERS];
static uint64_t count[COUNTERS];
static uint64_t count_before[COUNTERS];	/* when the stretch began */
static uint64_t in_stretches[COUNTERS];
static unsigned int used = 1;		/* 0 is nobody's */
static uint32_t hash[HASH_SIZE];	/* from address to index of a counter */

static qemu_plugin_id_t self;
static bool counting;
static bool in_stretch;
static unsigned int interval;
static FILE *out;

static void die(const char *what)
{
	fprintf(stderr, "counter: %s\n", what);
	exit(1);
}

static unsigned int counter_of(uint64_t address)
{
	uint32_t i = (address * 0x9e3779b97f4a7c15ull) >> (64 - HASH_BITS);

	while (hash[i] && address_of[hash[i]] != address)
		i = (i + 1) % HASH_SIZE;

	if (!hash[i]) {
		if (used == COUNTERS)
			die("more code than there are counters");
		hash[i] = used++;
		address_of[hash[i]] = address;
	}

	return hash[i];
}

static void stretch_begins(unsigned int vcpu, void *unused)
{
	in_stretch = true;
	memcpy(count_before, count, used * sizeof(*count));
}

static void stretch_ends(unsigned int vcpu, void *unused)
{
	if (!in_stretch)
		return;

	in_stretch = false;
	for (unsigned int i = 1; i < used; i++)
		in_stretches[i] += count[i] - count_before[i];
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

/* QEMU has forgotten all translated code; it comes to translate() again. */
static void start_counting(qemu_plugin_id_t id)
{
	counting = true;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
}

static void interval_begins(unsigned int vcpu, void *unused)
{
	if (!counting)
		qemu_plugin_reset(self, start_counting);

	memset(count, 0, used * sizeof(*count));
	memset(in_stretches, 0, used * sizeof(*in_stretches));
	in_stretch = false;
}

static void interval_ends(unsigned int vcpu, void *unused)
{
	fprintf(out, "interval %u\n", interval++);
	for (unsigned int i = 1; i < used; i++) {
		if (!count[i])
			continue;
		fprintf(out, "%" PRIx64 " %" PRIu64 " %" PRIu64, address_of[i],
			count[i], in_stretches[i]);
		if (target_of[i])
			fprintf(out, " %" PRIx64, target_of[i]);
		fputc('\n', out);
	}
	if (fflush(out))
		die("cannot write the counts");
}

/* --- the guest's code, as QEMU translates it --- */

#define MARK_SIZE	3

static const struct mark {
	uint8_t code[MARK_SIZE];
	qemu_plugin_vcpu_udata_cb_t executed;	/* by the program */
	qemu_plugin_vcpu_udata_cb_t passed;	/* by the kernel, there */
} marks[] = {
	{ .code = { 0x4d, 0x87, 0xed }, .executed = interval_begins },
	{ .code = { 0x4d, 0x87, 0xe4 }, .executed = interval_ends },
	{ .code = { 0x4d, 0x87, 0xdb }, .passed = stretch_begins },
	{ .code = { 0x4d, 0x87, 0xd2 }, .passed = stretch_ends },
};

/* Where stretches begin and end. */
#define PLACES		32

static struct place {
	uint64_t address;
	qemu_plugin_vcpu_udata_cb_t passed;
} places[PLACES];
static unsigned int places_used;

static void add_place(uint64_t address, qemu_plugin_vcpu_udata_cb_t passed)
{
	for (unsigned int i = 0; i < places_used; i++)
		if (places[i].address == address)
			return; /* this code has been translated before */

	if (places_used == PLACES)
		die("too many stretches");
	places[places_used++] = (struct place){ address, passed };
}

/* Where a direct call or jump goes; 0 for any other instruction. */
static uint64_t jump_target(uint64_t address, const uint8_t *code, size_t size)
{
	int32_t distance;

	if (size != 5 || (code[0] != 0xe8 && code[0] != 0xe9))
		return 0;
	memcpy(&distance, code + 1, sizeof(distance));

	return address + size + distance;
}

static void call_at(struct qemu_plugin_insn *insn,
		    qemu_plugin_vcpu_udata_cb_t cb)
{
	qemu_plugin_register_vcpu_insn_exec_cb(insn, cb, QEMU_PLUGIN_CB_NO_REGS,
					       NULL);
}

/* next: the instruction after this one, NULL where the block ends */
static void user_insn(struct qemu_plugin_insn *insn,
		      struct qemu_plugin_insn *next)
{
	const uint8_t *code = qemu_plugin_insn_data(insn);
	uint64_t address;

	if (qemu_plugin_insn_size(insn) != MARK_SIZE)
		return;

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		if (memcmp(code, marks[i].code, MARK_SIZE))
			continue;
		if (marks[i].executed) {
			call_at(insn, marks[i].executed);
		} else if (next && qemu_plugin_insn_size(next) == 10) {
			/* movabs: 48 b8, then the number */
			code = qemu_plugin_insn_data(next);
			memcpy(&address, code + 2, sizeof(address));
			add_place(address, marks[i].passed);
		}
	}
}

static void kernel_insn(struct qemu_plugin_insn *insn)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	unsigned int c = counter_of(address);

	for (unsigned int i = 0; i < places_used; i++)
		if (places[i].address == address)
			call_at(insn, places[i].passed);

	target_of[c] = jump_target(address, qemu_plugin_insn_data(insn),
				   qemu_plugin_insn_size(insn));
	qemu_plugin_register_vcpu_insn_exec_inline(insn,
						   QEMU_PLUGIN_INLINE_ADD_U64,
						   &count[c], 1);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		/* The kernel has the upper half of the addresses. */
		if (!(qemu_plugin_insn_vaddr(insn) >> 63))
			user_insn(insn, i + 1 < n ?
				  qemu_plugin_tb_get_insn(tb, i + 1) : NULL);
		else if (counting)
			kernel_insn(insn);
	}
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
			int argc, char **argv)
{
	const char *file = NULL;

	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			file = argv[i] + 4;
	if (!file)
		die("out=FILE is missing");

	out = fopen(file, "w");
	if (!out)
		die("FILE cannot be written");

	self = id;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);

	return 0;
}
