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
 *   ADDRESS COUNT [TARGET]		in hex, decimal, hex
 *
 * with TARGET where the instruction is a direct call or jump. User space is
 * not counted. There is one counter for each address, and code that the kernel
 * patches keeps its counter.
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

/* A hash table that never moves: the translated code points into it. */
#define SLOT_BITS	21
#define SLOTS		(1u << SLOT_BITS)

struct slot {
	uint64_t address;
	uint64_t target;
	uint64_t count;
};

static qemu_plugin_id_t self;
static bool counting;
static struct slot *slots;
static unsigned int slots_used;
static unsigned int interval;
static FILE *out;

static void die(const char *what)
{
	fprintf(stderr, "counter: %s\n", what);
	exit(1);
}

static struct slot *slot_of(uint64_t address)
{
	uint32_t i = (address * 0x9e3779b97f4a7c15ull) >> (64 - SLOT_BITS);

	while (slots[i].address && slots[i].address != address)
		i = (i + 1) % SLOTS;

	if (!slots[i].address) {
		if (++slots_used > SLOTS / 4 * 3)
			die("more code than there are counters");
		slots[i].address = address;
	}

	return &slots[i];
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

	for (unsigned int i = 0; i < SLOTS; i++)
		slots[i].count = 0;
}

static void interval_ends(unsigned int vcpu, void *unused)
{
	fprintf(out, "interval %u\n", interval++);
	for (unsigned int i = 0; i < SLOTS; i++) {
		const struct slot *s = &slots[i];

		if (!s->count)
			continue;
		fprintf(out, "%" PRIx64 " %" PRIu64, s->address, s->count);
		if (s->target)
			fprintf(out, " %" PRIx64, s->target);
		fputc('\n', out);
	}
	if (fflush(out))
		die("cannot write the counts");
}

/* --- the guest's code, as QEMU translates it --- */

static const uint8_t mark_begin[] = { 0x4d, 0x87, 0xed };
static const uint8_t mark_end[] = { 0x4d, 0x87, 0xe4 };

/* Where a direct call or jump goes; 0 for any other instruction. */
static uint64_t target_of(uint64_t address, const uint8_t *code, size_t size)
{
	int32_t distance;

	if (size != 5 || (code[0] != 0xe8 && code[0] != 0xe9))
		return 0;
	memcpy(&distance, code + 1, sizeof(distance));

	return address + size + distance;
}

static void user_insn(struct qemu_plugin_insn *insn, const uint8_t *code,
		      size_t size)
{
	qemu_plugin_vcpu_udata_cb_t cb = NULL;

	if (size != sizeof(mark_begin))
		return;
	if (!memcmp(code, mark_begin, size))
		cb = interval_begins;
	else if (!memcmp(code, mark_end, size))
		cb = interval_ends;
	if (cb)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, cb,
						       QEMU_PLUGIN_CB_NO_REGS,
						       NULL);
}

static void kernel_insn(struct qemu_plugin_insn *insn, uint64_t address,
			const uint8_t *code, size_t size)
{
	struct slot *slot = slot_of(address);

	slot->target = target_of(address, code, size);
	qemu_plugin_register_vcpu_insn_exec_inline(insn,
						   QEMU_PLUGIN_INLINE_ADD_U64,
						   &slot->count, 1);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		const uint8_t *code = qemu_plugin_insn_data(insn);
		size_t size = qemu_plugin_insn_size(insn);

		/* The kernel has the upper half of the addresses. */
		if (!(address >> 63))
			user_insn(insn, code, size);
		else if (counting)
			kernel_insn(insn, address, code, size);
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

	slots = calloc(SLOTS, sizeof(*slots));
	out = fopen(file, "w");
	if (!slots || !out)
		die("no memory, or FILE cannot be written");

	self = id;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);

	return 0;
}
