/* The emulator against the CPU that runs this test: random instructions on registers and RAM are
 * executed by both, from the same registers and bytes at the same addresses, and all registers, the
 * defined flags and all bytes are compared. What the decoder's tables have and this test has not
 * executed is an error, but for what a 64-bit process cannot: see cannot_run.
 *
 * CASES=n and SEED=n (the first case's) in the environment; a failure prints its case's seed. */
#define _GNU_SOURCE /* MAP_FIXED_NOREPLACE */
#include "emulate_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "guest/decode_table.h"

#define CASES     1000000ull
#define DATA_SIZE 0x4000u
#define MIDDLE    (DATA + DATA_SIZE / 2)
#define STATUS    (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* What goes into the CPU and comes out, by encoding number; for the assembly below. */
uint64_t native_gpr[16], native_flags, native_entry, native_host_rsp;
void native_run(void);
extern char native_return[];

/* The registers by MOV, which leaves the flags; RSP last, for nothing may use the stack then. */
__asm__(".text\n"
	".globl native_run, native_return\n"
	"native_run:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, native_host_rsp(%rip)\n"
	"	pushq native_flags(%rip)\n"
	"	popfq\n"
	"	mov native_gpr+0(%rip), %rax\n"
	"	mov native_gpr+8(%rip), %rcx\n"
	"	mov native_gpr+16(%rip), %rdx\n"
	"	mov native_gpr+24(%rip), %rbx\n"
	"	mov native_gpr+40(%rip), %rbp\n"
	"	mov native_gpr+48(%rip), %rsi\n"
	"	mov native_gpr+56(%rip), %rdi\n"
	"	mov native_gpr+64(%rip), %r8\n"
	"	mov native_gpr+72(%rip), %r9\n"
	"	mov native_gpr+80(%rip), %r10\n"
	"	mov native_gpr+88(%rip), %r11\n"
	"	mov native_gpr+96(%rip), %r12\n"
	"	mov native_gpr+104(%rip), %r13\n"
	"	mov native_gpr+112(%rip), %r14\n"
	"	mov native_gpr+120(%rip), %r15\n"
	"	mov native_gpr+32(%rip), %rsp\n"
	"	jmp *native_entry(%rip)\n"
	"native_return:\n"
	"	mov %rax, native_gpr+0(%rip)\n"
	"	mov %rcx, native_gpr+8(%rip)\n"
	"	mov %rdx, native_gpr+16(%rip)\n"
	"	mov %rbx, native_gpr+24(%rip)\n"
	"	mov %rsp, native_gpr+32(%rip)\n"
	"	mov %rbp, native_gpr+40(%rip)\n"
	"	mov %rsi, native_gpr+48(%rip)\n"
	"	mov %rdi, native_gpr+56(%rip)\n"
	"	mov %r8, native_gpr+64(%rip)\n"
	"	mov %r9, native_gpr+72(%rip)\n"
	"	mov %r10, native_gpr+80(%rip)\n"
	"	mov %r11, native_gpr+88(%rip)\n"
	"	mov %r12, native_gpr+96(%rip)\n"
	"	mov %r13, native_gpr+104(%rip)\n"
	"	mov %r14, native_gpr+112(%rip)\n"
	"	mov %r15, native_gpr+120(%rip)\n"
	"	mov native_host_rsp(%rip), %rsp\n"
	"	pushfq\n"
	"	popq native_flags(%rip)\n"
	"	cld\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

static uint64_t seed, case_seed;
static uint8_t *code, *data;        /* at the guest's addresses */
static uint8_t *guest, *guest_code; /* the guest's bytes there */

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t rnd(uint64_t below)
{
	return fake_random(&seed) % below;
}

/* Often where carries and signs change. */
static uint64_t random_value(void)
{
	static const uint64_t edges[] = {0,         1,          2,          0x7f,       0x80,
					 0xff,      0x100,      0x7fff,     0x8000,     0xffff,
					 0x10000,   0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
					 INT64_MAX, BIT_ULL(63)};
	uint64_t r = fake_random(&seed);

	switch (rnd(4)) {
	case 0:
		return edges[r % ARRAY_SIZE(edges)];
	case 1:
		return -edges[r % ARRAY_SIZE(edges)];
	default:
		return r;
	}
}

struct text {
	uint8_t bytes[32];
	unsigned len;
};

static void put(struct text *t, uint64_t value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		t->bytes[t->len++] = (uint8_t)(value >> (8 * i));
}

/* The opcodes that take a ModRM byte. `ext`: ModRM.reg is part of the opcode. */
struct shape {
	uint8_t opcode[2];
	uint8_t first_ext, last_ext; /* 0, 7: a register */
	bool is_byte, is_lockable, is_bit, needs_w, is_memory_only;
	uint8_t imm; /* 0, 1: a byte, 2: operand size, 4 at most */
};

/* clang-format off */
static const struct shape shapes[] = {
	{{0x80}, 0, 6, true, true, false, false, false, 1},
	{{0x81}, 0, 6, false, true, false, false, false, 2},
	{{0x83}, 0, 6, false, true, false, false, false, 1},
	{{0x80}, 7, 7, true, false, false, false, false, 1},
	{{0x81}, 7, 7, false, false, false, false, false, 2},
	{{0x83}, 7, 7, false, false, false, false, false, 1},
	{{0xf6}, 0, 0, true, false, false, false, false, 1},
	{{0xf7}, 0, 0, false, false, false, false, false, 2},
	{{0xf6}, 2, 3, true, true, false, false, false, 0},
	{{0xf7}, 2, 3, false, true, false, false, false, 0},
	{{0xfe}, 0, 1, true, true, false, false, false, 0},
	{{0xff}, 0, 1, false, true, false, false, false, 0},
	{{0xc6}, 0, 0, true, false, false, false, false, 1},
	{{0xc7}, 0, 0, false, false, false, false, false, 2},
	{{0x63}, 0, 7, false, false, false, true, false, 0},
	{{0x84}, 0, 7, true, false, false, false, false, 0},
	{{0x85}, 0, 7, false, false, false, false, false, 0},
	{{0x86}, 0, 7, true, true, false, false, false, 0},
	{{0x87}, 0, 7, false, true, false, false, false, 0},
	{{0x88}, 0, 7, true, false, false, false, false, 0},
	{{0x89}, 0, 7, false, false, false, false, false, 0},
	{{0x8a}, 0, 7, true, false, false, false, false, 0},
	{{0x8b}, 0, 7, false, false, false, false, false, 0},
	{{0x0f, 0xa3}, 0, 7, false, false, true, false, false, 0},
	{{0x0f, 0xab}, 0, 7, false, true, true, false, false, 0},
	{{0x0f, 0xb3}, 0, 7, false, true, true, false, false, 0},
	{{0x0f, 0xbb}, 0, 7, false, true, true, false, false, 0},
	{{0x0f, 0xba}, 4, 4, false, false, false, false, false, 1},
	{{0x0f, 0xba}, 5, 7, false, true, false, false, false, 1},
	{{0x0f, 0xb0}, 0, 7, true, true, false, false, false, 0},
	{{0x0f, 0xb1}, 0, 7, false, true, false, false, false, 0},
	{{0x0f, 0xb6}, 0, 7, false, false, false, false, false, 0},
	{{0x0f, 0xb7}, 0, 7, false, false, false, false, false, 0},
	{{0x0f, 0xbe}, 0, 7, false, false, false, false, false, 0},
	{{0x0f, 0xbf}, 0, 7, false, false, false, false, false, 0},
	{{0x0f, 0xc0}, 0, 7, true, true, false, false, false, 0},
	{{0x0f, 0xc1}, 0, 7, false, true, false, false, false, 0},
	{{0x0f, 0xc3}, 0, 7, false, false, false, false, true, 0},
};
/* clang-format on */

/* One of the table's, or an ALU operation between register and memory, both ways. */
static struct shape random_shape(void)
{
	unsigned n = (unsigned)rnd(ARRAY_SIZE(shapes) + 32);
	uint8_t op, form;

	if (n < ARRAY_SIZE(shapes))
		return shapes[n];
	op = (uint8_t)((n - ARRAY_SIZE(shapes)) / 4 * 8);
	form = (n - ARRAY_SIZE(shapes)) % 4;
	return (struct shape){.opcode = {op | form},
			      .last_ext = 7,
			      .is_byte = !(form & 1),
			      .is_lockable = form < 2 && op != 0x38};
}

/* ModRM, SIB and displacement of a random form whose address is near MIDDLE; sets base and index.
 * `tail`: immediate bytes that follow, for RIP-relative ones. */
static void put_address(struct text *t, uint64_t *regs, unsigned reg, uint8_t *rex, unsigned rex_at,
			bool is_32, unsigned tail)
{
	uint64_t target = MIDDLE - 64 + rnd(128);
	unsigned base = (unsigned)rnd(16), index = (unsigned)rnd(16), shift = (unsigned)rnd(4);
	unsigned form = (unsigned)rnd(8), disp_size;
	int32_t disp = 0;
	uint64_t index_part = 0;

	disp_size = (unsigned[]){0, 1, 4}[rnd(3)];
	if (form == 0) { /* [RIP + disp32] */
		put(t, reg << 3 | 5, 1);
		put(t, target - (CODE + t->len + 4 + tail), 4);
		return;
	}
	if (form < 5 || (base & 7) == 4) { /* SIB */
		bool has_base = form != 1;

		if (index == base)
			index = 4; /* none */
		if (index != 4) {
			regs[index] = rnd(64);
			index_part = regs[index] << shift;
			if (is_32)
				regs[index] |= fake_random(&seed) << 32;
		}
		if (!has_base)
			base = 5;
		if (has_base && (base & 7) == 5 && disp_size == 0)
			disp_size = 1;
		put(t, (has_base && disp_size ? disp_size == 1 ? 0x40 : 0x80 : 0) | reg << 3 | 4,
		    1);
		put(t, shift << 6 | (index & 7) << 3 | (base & 7), 1);
		*rex |= (uint8_t)(index >> 3 << 1);
		if (!has_base) {
			put(t, target - index_part, 4);
			t->bytes[rex_at] = *rex;
			return;
		}
	} else {
		if ((base & 7) == 5 && disp_size == 0)
			disp_size = 1;
		put(t, (disp_size ? disp_size == 1 ? 0x40 : 0x80 : 0) | reg << 3 | (base & 7), 1);
	}
	*rex |= (uint8_t)(base >> 3);
	t->bytes[rex_at] = *rex;
	if (disp_size == 1)
		disp = (int8_t)fake_random(&seed);
	else if (disp_size == 4)
		disp = (int32_t)fake_random(&seed);
	put(t, (uint32_t)disp, disp_size);
	regs[base] = target - index_part - (uint64_t)(int64_t)disp;
	if (is_32)
		regs[base] = (uint32_t)regs[base] | fake_random(&seed) << 32;
}

/* ModRM with a register as r/m. */
static void put_register(struct text *t, unsigned reg, uint8_t *rex, unsigned rex_at)
{
	unsigned rm = (unsigned)rnd(16);

	*rex |= (uint8_t)(rm >> 3);
	t->bytes[rex_at] = *rex;
	put(t, 0xc0 | reg << 3 | (rm & 7), 1);
}

/* A prefix without effect takes its place where there is none. A RIP-relative address moves with
 * the length: those keep it. */
static void drop_rex(struct text *t, unsigned at, unsigned modrm_at)
{
	if ((t->bytes[modrm_at] & 0xc7) == 5)
		return;
	memmove(t->bytes + at, t->bytes + at + 1, t->len - at - 1);
	t->len--;
}

/* A random instruction with ModRM, and registers for its address. */
static struct text random_modrm(uint64_t *regs)
{
	struct shape s = random_shape();
	struct text t = {.len = 0};
	bool is_register = !s.is_memory_only && rnd(3) == 0;
	bool has_66 = rnd(4) == 0 && !s.is_memory_only, is_32 = rnd(4) == 0;
	uint8_t rex = 0x40;
	unsigned reg = s.first_ext + (unsigned)rnd(s.last_ext - s.first_ext + 1u), rex_at, size,
		 imm;

	if (s.is_lockable && !is_register && rnd(2))
		put(&t, 0xf0, 1);
	if (has_66)
		put(&t, 0x66, 1);
	if (is_32)
		put(&t, 0x67, 1);
	if (s.needs_w || rnd(3) == 0)
		rex |= 8;
	if (s.first_ext == 0 && s.last_ext == 7 && rnd(2))
		rex |= 4;
	rex_at = t.len;
	put(&t, rex, 1);
	put(&t, s.opcode[0], 1);
	if (s.opcode[0] == 0x0f)
		put(&t, s.opcode[1], 1);
	size = s.is_byte ? 1 : rex & 8 ? 8 : has_66 ? 2 : 4;
	imm = s.imm == 2 ? MIN(size, 4u) : s.imm;
	if (is_register)
		put_register(&t, reg, &rex, rex_at);
	else
		put_address(&t, regs, reg, &rex, rex_at, is_32, imm);
	put(&t, random_value(), imm);
	if (rex == 0x40 && rnd(2)) /* without REX the byte registers are others */
		drop_rex(&t, rex_at, rex_at + 2 + (s.opcode[0] == 0x0f));
	return t;
}

/* And one without: the accumulator or a register in the opcode, an immediate or an absolute
 * address. */
static struct text random_plain(uint64_t *regs)
{
	struct text t = {.len = 0};
	bool has_66 = rnd(4) == 0, has_67 = rnd(4) == 0;
	uint8_t rex = (uint8_t)(0x40 | rnd(16)), op;
	unsigned size;

	(void)regs;
	if (has_66)
		put(&t, 0x66, 1);
	if (has_67)
		put(&t, 0x67, 1);
	if (rnd(2))
		put(&t, rex, 1);
	else
		rex = 0;
	size = rex & 8 ? 8 : has_66 ? 2 : 4;
	switch (rnd(5)) {
	case 0: /* ALU, accumulator and immediate; TEST */
		op = (uint8_t)(rnd(9) * 8 + 4 + rnd(2));
		op = op >= 0x40 ? (uint8_t)(0xa8 | (op & 1)) : op;
		put(&t, op, 1);
		put(&t, random_value(), op & 1 ? MIN(size, 4u) : 1);
		break;
	case 1: /* MOV, an absolute address */
		put(&t, 0xa0 + rnd(4), 1);
		put(&t, MIDDLE - 64 + rnd(128), has_67 ? 4 : 8);
		break;
	case 2:
		put(&t, 0xb0 + rnd(8), 1);
		put(&t, random_value(), 1);
		break;
	case 3:
		put(&t, 0xb8 + rnd(8), 1);
		put(&t, random_value(), size);
		break;
	default: /* XCHG with the accumulator; 90 is NOP, which is not decoded */
		put(&t, 0x91 + rnd(7), 1);
		break;
	}
	return t;
}

/* A bit offset in a register moves the address: not too far. False where the register is part of
 * the address too. */
static bool tame_bit_offset(const struct insn *insn, uint64_t *regs)
{
	if (insn->op < INSN_BT || insn->op > INSN_BTC || insn->src.kind != OPERAND_REG)
		return true;
	if (insn->src.reg == insn->base || insn->src.reg == insn->index)
		return false;
	regs[insn->src.reg] = rnd(0x4000) - 0x2000;
	if (insn->dst.size < 8 && rnd(2)) /* what is above the operand's size does not count */
		regs[insn->src.reg] ^= fake_random(&seed) << (8 * insn->dst.size);
	return true;
}

/* What the SDM leaves open, instruction by instruction. All other flags are compared. */
static uint64_t undefined_flags(unsigned op)
{
	switch (op) {
	case INSN_AND: /* 'The state of the AF flag is undefined.' */
	case INSN_OR:
	case INSN_XOR:
	case INSN_TEST:
		return RFLAGS_AF;
	case INSN_BT: /* 'The OF, SF, AF, and PF flags are undefined'; ZF is unaffected. */
	case INSN_BTS:
	case INSN_BTR:
	case INSN_BTC:
		return STATUS & ~(RFLAGS_CF | RFLAGS_ZF);
	default:
		return 0;
	}
}

static const char *hex_of(const struct text *t)
{
	static char text[128];
	int at = snprintf(text, sizeof(text), "SEED=%#lx: ", case_seed);

	for (unsigned i = 0; i < t->len; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%02x", t->bytes[i]);
	return text;
}

/* Both execute it, from these registers and flags and what `data` and `guest` hold alike. */
static void compare(const struct text *t, const uint64_t *regs, uint64_t flags, uint64_t undefined)
{
	const void *const back = native_return;
	enum emulate_result r;

	for (unsigned i = 0; i < 16; i++)
		*gpr((enum vcpu_gpr)i) = regs[i];
	*rflags() = flags;
	memcpy(guest_code, t->bytes, t->len);
	rig.fake->reg[VCPU_RIP] = CODE;
	do
		r = step();
	while (r == EMULATE_AGAIN);
	if (r != EMULATE_DONE || rig.e.len != t->len)
		fail_msg("%s: result %d, vector %u, %s", hex_of(t), r, rig.fake->vector,
			 r == EMULATE_FAILED ? rig.e.why : "");

	memcpy(code, t->bytes, t->len);
	memcpy(code + t->len, "\xff\x25\0\0\0\0", 6); /* jmp [rip] */
	memcpy(code + t->len + 6, &back, sizeof(back));
	memcpy(native_gpr, regs, sizeof(native_gpr));
	native_flags = flags;
	native_entry = CODE;
	native_run();

	for (unsigned i = 0; i < 16; i++)
		if (*gpr((enum vcpu_gpr)i) != native_gpr[i])
			fail_msg("%s: register %u is %#lx, the CPU says %#lx (it was %#lx)",
				 hex_of(t), i, *gpr((enum vcpu_gpr)i), native_gpr[i], regs[i]);
	if ((*rflags() ^ native_flags) & (STATUS | RFLAGS_DF) & ~undefined)
		fail_msg("%s: flags are %#lx, the CPU says %#lx (they were %#lx)", hex_of(t),
			 *rflags(), native_flags, flags);
	if (!memcmp(guest, data, DATA_SIZE))
		return;
	for (unsigned i = 0; i < DATA_SIZE; i++)
		if (guest[i] != data[i])
			fail_msg("%s: the byte at %#x is %#x, the CPU says %#x", hex_of(t),
				 DATA + i, guest[i], data[i]);
}

static void fill(unsigned from, uint8_t value, unsigned len)
{
	memset(data + from, value, len);
	memset(guest + from, value, len);
}

/* `data` and `guest` are alike before and after each case. */
static void fill_random(unsigned from, unsigned len)
{
	for (unsigned i = 0; i < len; i += 8) {
		uint64_t value = random_value();

		memcpy(data + from + i, &value, 8);
	}
	memcpy(guest + from, data + from, len);
}

static uint64_t random_flags(void)
{
	return 0x202 | (fake_random(&seed) & STATUS);
}

/* --- what was executed --------------------------------------------------------------------------
 */

/* By opcode, ModRM.reg and log2 of the operand's size. */
static uint32_t seen_one[256][8][4], seen_two[256][8][4];

static void note(const struct text *t, const struct insn *insn)
{
	unsigned at = 0, size = insn->dst.size ? insn->dst.size : insn->src.size;
	unsigned log = (unsigned)__builtin_ctz(size);

	while (memchr("\xf0\xf2\xf3\x66\x67", t->bytes[at], 5) || (t->bytes[at] & 0xf0) == 0x40)
		at++;
	if (t->bytes[at] == 0x0f)
		seen_two[t->bytes[at + 1]][t->bytes[at + 2] >> 3 & 7][log]++;
	else
		seen_one[t->bytes[at]][t->bytes[at + 1] >> 3 & 7][log]++;
}

/* What a 64-bit process cannot execute, or the emulator does not. */
static bool cannot_run(const struct opcode *o)
{
	return o->form == FORM_NONE || o->form == FORM_IMPLIED || (o->flags & OP_NO64) ||
	       o->op == INSN_PUSH || o->op == INSN_POP || /* only decoded */
	       o->op == INSN_INS || o->op == INSN_OUTS;   /* a process has no ports */
}

static void check_seen(const char *map, unsigned opcode, int ext, const struct opcode *o,
		       uint32_t seen[8][4])
{
	uint32_t sizes[4] = {0};

	if (cannot_run(o))
		return;
	for (unsigned i = 0; i < 32; i++)
		if (ext < 0 || (unsigned)ext == i / 4)
			sizes[i % 4] += seen[i / 4][i % 4];
	for (unsigned log = 0; log < 4; log++) {
		bool is_byte = o->flags & OP_BYTE;
		bool exists = is_byte == (log == 0);

		if (o->flags & (OP_STORE | OP_SRC32)) /* MOVNTI: no 16 bits; MOVSXD: by REX.W */
			exists = log == 3 || (log == 2 && (o->flags & OP_STORE));
		if (exists && sizes[log] < 20)
			fail_msg("%s %02x /%d with %u bytes was executed %u times", map, opcode,
				 ext, 1u << log, sizes[log]);
	}
}

static void check_map(const char *map, const struct opcode *table, uint32_t seen[256][8][4])
{
	for (unsigned i = 0; i < 256; i++) {
		if (i == 0x90 && table == opcode_one_byte)
			continue; /* NOP, but with REX.B */
		if (table[i].form != FORM_GROUP) {
			check_seen(map, i, -1, &table[i], seen[i]);
			continue;
		}
		for (int ext = 0; ext < 8; ext++) {
			struct opcode o = opcode_groups[table[i].op][ext];

			o.flags |= table[i].flags;
			check_seen(map, i, ext, &o, seen[i]);
		}
	}
}

/* --- the cases ----------------------------------------------------------------------------------
 */

static void run_one(void)
{
	uint64_t regs[16];
	struct insn insn;
	struct text t;

	for (unsigned i = 0; i < 16; i++)
		regs[i] = random_value();
	t = rnd(5) ? random_modrm(regs) : random_plain(regs);
	if (insn_decode(t.bytes, t.len, INSN_MODE_64, false, &insn) || insn.len != t.len)
		fail_msg("%s: the decoder refuses it", hex_of(&t));
	if (insn.dst.kind == OPERAND_MEM && !tame_bit_offset(&insn, regs))
		return;
	fill_random(DATA_SIZE / 2 - 80, 160);
	if (insn.op == INSN_CMPXCHG && rnd(2)) { /* often equal */
		fill(DATA_SIZE / 2 - 80, (uint8_t)regs[0], 160);
		if (insn.base != 0 && insn.index != 0)
			regs[0] = (regs[0] & 0xff) * 0x0101010101010101ull;
	}
	/* 'DEST := TEMP' when they differ clears a register's upper half by the SDM's text, and
	 * leaves it on CPUs: that form never touches memory, so it does not matter which. */
	if (insn.op == INSN_CMPXCHG && insn.dst.kind == OPERAND_REG && insn.dst.size == 4)
		regs[insn.dst.reg] = (uint32_t)regs[insn.dst.reg];
	note(&t, &insn);
	compare(&t, regs, random_flags(), undefined_flags(insn.op));
}

static void test_random_instructions(void **state)
{
	uint64_t cases = number("CASES", CASES);

	(void)state;
	if (!code)
		skip();
	seed = number("SEED", 0xca40);
	fill_random(0, DATA_SIZE);
	for (uint64_t i = 0; i < cases; i++) {
		case_seed = seed;
		run_one();
	}
}

/* One of the string instructions in any width, repeated more often than one call does, up and down.
 */
static void run_string(void)
{
	static const uint8_t opcodes[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa,
					  0xab, 0xac, 0xad, 0xae, 0xaf};
	struct text t = {.len = 0};
	bool is_32 = rnd(4) == 0;
	uint64_t regs[16], flags = random_flags() | (rnd(2) ? RFLAGS_DF : 0);
	struct insn insn;

	for (unsigned i = 0; i < 16; i++)
		regs[i] = random_value();
	regs[GPR_RSI] = MIDDLE - 64 + rnd(128);
	regs[GPR_RDI] = MIDDLE - 64 + rnd(128);
	/* A count of 0 in ECX clears RCX's upper half on CPUs; it touches no memory, either. */
	regs[GPR_RCX] = rnd(rnd(4) ? 40 : 300) + is_32;
	regs[GPR_RAX] = 0x5555555555555555;
	if (is_32) {
		put(&t, 0x67, 1);
		for (unsigned i = 0; i < 16; i++)
			regs[i] |= fake_random(&seed) << 32;
		regs[GPR_RAX] = 0x5555555555555555;
	}
	if (rnd(3))
		put(&t, rnd(2) ? 0xf3 : 0xf2, 1);
	if (rnd(3) == 0)
		put(&t, 0x66, 1);
	if (rnd(3) == 0)
		put(&t, 0x48, 1);
	put(&t, opcodes[rnd(ARRAY_SIZE(opcodes))], 1);
	/* Mostly the same, so that comparisons go on for a while; or mostly not. */
	fill(0, rnd(2) ? 0x55 : 0x33, DATA_SIZE);
	for (unsigned i = rnd(4) ? 0 : 40; i < 40; i++)
		fill((unsigned)rnd(DATA_SIZE), (uint8_t)fake_random(&seed), 1);
	if (insn_decode(t.bytes, t.len, INSN_MODE_64, false, &insn))
		fail_msg("%s: the decoder refuses it", hex_of(&t));
	note(&t, &insn);
	compare(&t, regs, flags, 0);
}

static void test_random_strings(void **state)
{
	uint64_t cases = number("CASES", CASES) / 40;

	(void)state;
	if (!code)
		skip();
	seed = number("SEED", 0x57a1);
	for (uint64_t i = 0; i < cases; i++) {
		case_seed = seed;
		run_string();
	}
}

/* After both: every row of the decoder's tables, in every size, many times. */
static void test_all_were_executed(void **state)
{
	(void)state;
	if (!code || number("CASES", CASES) < CASES)
		skip();
	check_map("opcode", opcode_one_byte, seen_one);
	check_map("opcode 0f", opcode_two_byte, seen_two);
}

static int native_setup(void **state)
{
	rig_setup(state);
	guest = gmem_ptr(&rig.vm->gmem, GPA(DATA), DATA_SIZE);
	guest_code = gmem_ptr(&rig.vm->gmem, GPA(CODE), PAGE_SIZE);
	assert_true(guest && guest_code);
	if (code)
		memset(data, 0, DATA_SIZE);
	return 0;
}

static int group_setup(void **state)
{
	(void)state;
	/* Where the guest has them, if this process has room there. */
	data = mmap((void *)(uintptr_t)DATA, CODE + PAGE_SIZE - DATA,
		    PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (data != (void *)(uintptr_t)DATA) {
		print_message("no room at %#x for native code: skipped\n", DATA);
		data = NULL;
		return 0;
	}
	code = data + (CODE - DATA);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, native_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_random_instructions),
		TEST(test_random_strings),
		TEST(test_all_were_executed),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
