/* The decoder against a real disassembler: millions of random byte strings with a fixed seed. What
 * Carousel decodes, Capstone decodes to the same length and the same operands; what it does not
 * know, it refuses. Links with -lcapstone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>

#include "guest/decode.h"
#include "lib/errno.h"

#define STRINGS 4000000u

static uint64_t random_state = 0x2545f4914f6cdd1dull;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 33) % n;
}

/* Prefixes, then an opcode; uniform bytes alone would seldom reach the rarer forms. */
static void random_string(uint8_t *bytes, enum insn_mode mode)
{
	static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
					   0x66, 0x67, 0xf0, 0xf2, 0xf3};
	unsigned n = random_below(2) ? random_below(4) : 0, at = 0;

	for (unsigned i = 0; i < INSN_MAX_LEN; i++)
		bytes[i] = (uint8_t)random_below(256);
	while (at < n)
		bytes[at++] = prefixes[random_below(sizeof(prefixes))];
	if (mode == INSN_MODE_64 && random_below(2))
		bytes[at++] = (uint8_t)(0x40 | random_below(16));
	if (random_below(3) == 0)
		bytes[at++] = 0x0f;
}

/* --- what Capstone says, in our terms -----------------------------------------------------------
 */

struct name {
	unsigned id;
	enum insn_op op;
};

static const struct name names[] = {
	{X86_INS_MOV, INSN_MOV},         {X86_INS_MOVABS, INSN_MOV},
	{X86_INS_MOVNTI, INSN_MOV},      {X86_INS_MOVZX, INSN_MOVZX},
	{X86_INS_MOVSX, INSN_MOVSX},     {X86_INS_MOVSXD, INSN_MOVSX},
	{X86_INS_AND, INSN_AND},         {X86_INS_OR, INSN_OR},
	{X86_INS_XOR, INSN_XOR},         {X86_INS_ADD, INSN_ADD},
	{X86_INS_SUB, INSN_SUB},         {X86_INS_ADC, INSN_ADC},
	{X86_INS_SBB, INSN_SBB},         {X86_INS_CMP, INSN_CMP},
	{X86_INS_TEST, INSN_TEST},       {X86_INS_NOT, INSN_NOT},
	{X86_INS_NEG, INSN_NEG},         {X86_INS_INC, INSN_INC},
	{X86_INS_DEC, INSN_DEC},         {X86_INS_XCHG, INSN_XCHG},
	{X86_INS_CMPXCHG, INSN_CMPXCHG}, {X86_INS_XADD, INSN_XADD},
	{X86_INS_BT, INSN_BT},           {X86_INS_BTS, INSN_BTS},
	{X86_INS_BTR, INSN_BTR},         {X86_INS_BTC, INSN_BTC},
	{X86_INS_MOVSB, INSN_MOVS},      {X86_INS_MOVSW, INSN_MOVS},
	{X86_INS_MOVSD, INSN_MOVS},      {X86_INS_MOVSQ, INSN_MOVS},
	{X86_INS_STOSB, INSN_STOS},      {X86_INS_STOSW, INSN_STOS},
	{X86_INS_STOSD, INSN_STOS},      {X86_INS_STOSQ, INSN_STOS},
	{X86_INS_LODSB, INSN_LODS},      {X86_INS_LODSW, INSN_LODS},
	{X86_INS_LODSD, INSN_LODS},      {X86_INS_LODSQ, INSN_LODS},
	{X86_INS_CMPSB, INSN_CMPS},      {X86_INS_CMPSW, INSN_CMPS},
	{X86_INS_CMPSD, INSN_CMPS},      {X86_INS_CMPSQ, INSN_CMPS},
	{X86_INS_SCASB, INSN_SCAS},      {X86_INS_SCASW, INSN_SCAS},
	{X86_INS_SCASD, INSN_SCAS},      {X86_INS_SCASQ, INSN_SCAS},
	{X86_INS_INSB, INSN_INS},        {X86_INS_INSW, INSN_INS},
	{X86_INS_INSD, INSN_INS},        {X86_INS_OUTSB, INSN_OUTS},
	{X86_INS_OUTSW, INSN_OUTS},      {X86_INS_OUTSD, INSN_OUTS},
	{X86_INS_PUSH, INSN_PUSH},       {X86_INS_POP, INSN_POP},
	{X86_INS_VMCALL, INSN_VMCALL},   {X86_INS_VMMCALL, INSN_VMMCALL},
};

static int op_of(unsigned id)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].id == id)
			return (int)names[i].op;
	return -1;
}

/* Encoding numbers of Capstone's registers, by size. */
static const unsigned regs[4][16] = {
	{X86_REG_AL, X86_REG_CL, X86_REG_DL, X86_REG_BL, X86_REG_SPL, X86_REG_BPL, X86_REG_SIL,
	 X86_REG_DIL, X86_REG_R8B, X86_REG_R9B, X86_REG_R10B, X86_REG_R11B, X86_REG_R12B,
	 X86_REG_R13B, X86_REG_R14B, X86_REG_R15B},
	{X86_REG_AX, X86_REG_CX, X86_REG_DX, X86_REG_BX, X86_REG_SP, X86_REG_BP, X86_REG_SI,
	 X86_REG_DI, X86_REG_R8W, X86_REG_R9W, X86_REG_R10W, X86_REG_R11W, X86_REG_R12W,
	 X86_REG_R13W, X86_REG_R14W, X86_REG_R15W},
	{X86_REG_EAX, X86_REG_ECX, X86_REG_EDX, X86_REG_EBX, X86_REG_ESP, X86_REG_EBP, X86_REG_ESI,
	 X86_REG_EDI, X86_REG_R8D, X86_REG_R9D, X86_REG_R10D, X86_REG_R11D, X86_REG_R12D,
	 X86_REG_R13D, X86_REG_R14D, X86_REG_R15D},
	{X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RBX, X86_REG_RSP, X86_REG_RBP, X86_REG_RSI,
	 X86_REG_RDI, X86_REG_R8, X86_REG_R9, X86_REG_R10, X86_REG_R11, X86_REG_R12, X86_REG_R13,
	 X86_REG_R14, X86_REG_R15},
};

static unsigned cs_reg(unsigned reg, unsigned size, bool is_high_byte)
{
	static const unsigned high[4] = {X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH};

	if (reg == INSN_NO_REG)
		return X86_REG_INVALID;
	if (is_high_byte)
		return high[reg];
	return regs[size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3][reg];
}

static const unsigned cs_segments[] = {X86_REG_ES, X86_REG_CS, X86_REG_SS,
				       X86_REG_DS, X86_REG_FS, X86_REG_GS};

/* Capstone names a segment only where a prefix does; in 64-bit mode also one that is ignored. */
static bool is_same_segment(const struct insn *in, const x86_op_mem *m, enum insn_mode mode)
{
	if (m->segment == X86_REG_INVALID)
		return in->segment != SEG_FS && in->segment != SEG_GS;
	if (mode == INSN_MODE_64 && m->segment != X86_REG_FS && m->segment != X86_REG_GS)
		return in->segment == SEG_SS || in->segment == SEG_DS || in->segment == SEG_ES;
	return cs_segments[in->segment] == (unsigned)m->segment;
}

static bool is_same_mem(const struct insn *in, const x86_op_mem *m, enum insn_mode mode)
{
	unsigned as = in->address_size;
	unsigned base = cs_reg(in->base, as, false);
	unsigned index = cs_reg(in->index, as, false);
	uint64_t mask = as == 8 ? UINT64_MAX : (1ull << (8 * as)) - 1;

	if (in->is_rip_relative)
		base = as == 8 ? X86_REG_RIP : X86_REG_EIP;
	if (m->index == X86_REG_EIZ || m->index == X86_REG_RIZ) {
		if (index != X86_REG_INVALID)
			return false;
	} else if ((unsigned)m->index != index) {
		return false;
	}
	return (unsigned)m->base == base &&
	       (in->index == INSN_NO_REG || (unsigned)m->scale == in->scale) &&
	       ((uint64_t)m->disp & mask) == ((uint64_t)in->disp & mask) &&
	       is_same_segment(in, m, mode);
}

static bool is_same_operand(const struct insn *in, const struct operand *o, const cs_x86_op *c,
			    enum insn_mode mode)
{
	uint64_t mask = o->size == 8 ? UINT64_MAX : (1ull << (8 * o->size)) - 1;

	switch (o->kind) {
	case OPERAND_REG:
		/* Capstone 4 names EAX for AX when another prefix stands beside 66. */
		if (o->size == 2 && o->reg == 0 && c->type == X86_OP_REG && c->reg == X86_REG_EAX)
			return true;
		return c->type == X86_OP_REG &&
		       (unsigned)c->reg == cs_reg(o->reg, o->size, o->is_high_byte);
	case OPERAND_IMM:
		return c->type == X86_OP_IMM && ((uint64_t)c->imm & mask) == (o->imm & mask);
	case OPERAND_MEM:
		return c->type == X86_OP_MEM && c->size == o->size &&
		       is_same_mem(in, &c->mem, mode);
	default:
		return false;
	}
}

static bool is_string(const struct insn *in)
{
	return in->op >= INSN_MOVS && in->op <= INSN_OUTS;
}

/* Capstone shows RSI and RDI as base registers and names ES: the sizes, the registers that are not
 * memory, and the segment of [RSI] are to be compared. */
static bool is_same_string(const struct insn *in, const cs_x86 *x, enum insn_mode mode)
{
	const struct operand *ours[2] = {&in->dst, &in->src};

	if (x->op_count != 2)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		const cs_x86_op *c = &x->operands[i];
		unsigned rsi = cs_reg(6, in->address_size, false);
		unsigned rdi = cs_reg(7, in->address_size, false);

		if (ours[i]->kind == OPERAND_REG) {
			if (!is_same_operand(in, ours[i], c, mode))
				return false;
			continue;
		}
		if (c->type != X86_OP_MEM || c->size != ours[i]->size)
			return false;
		if ((unsigned)c->mem.base == rsi) {
			if (!is_same_segment(in, &c->mem, mode))
				return false;
		} else if ((unsigned)c->mem.base != rdi) {
			return false;
		}
	}
	return true;
}

static bool is_same(const struct insn *in, const cs_insn *c, enum insn_mode mode)
{
	const cs_x86 *x = &c->detail->x86;
	const struct operand *ours[2];
	unsigned n = 0;

	if (in->len != c->size || op_of(c->id) != in->op)
		return false;
	if (is_string(in))
		return is_same_string(in, x, mode);
	if (in->dst.kind != OPERAND_NONE)
		ours[n++] = &in->dst;
	if (in->src.kind != OPERAND_NONE)
		ours[n++] = &in->src;
	if (n != x->op_count)
		return false;
	if (n == 2 && (in->op == INSN_XCHG || in->op == INSN_TEST) &&
	    is_same_operand(in, ours[0], &x->operands[1], mode) &&
	    is_same_operand(in, ours[1], &x->operands[0], mode))
		return true; /* the order says nothing */
	for (unsigned i = 0; i < n; i++)
		if (!is_same_operand(in, ours[i], &x->operands[i], mode))
			return false;
	return true;
}

/* Where Capstone 4 is known not to follow the SDM, and the string is left out. */
static bool is_capstone_off(const uint8_t *bytes, const struct insn *in, enum insn_mode mode)
{
	bool has_null = false, has_66 = false;

	for (unsigned i = 0; i < in->len; i++) {
		has_null |= (bytes[i] & 0xe7) == 0x26;
		has_66 |= bytes[i] == 0x66;
	}
	/* F2 and F3 beside 66 are mandatory prefixes of other opcodes: it forgets the 66 then. */
	if (has_66 && (in->has_rep || in->has_repne))
		return true;
	if (mode != INSN_MODE_64)
		return false;
	/* 'the CS, DS, ES, and SS segment overrides are ignored': it lets them undo FS and GS. */
	if (has_null && (in->segment == SEG_FS || in->segment == SEG_GS))
		return true;
	/* Port I/O has 32 bits at most, whatever REX says: 16 for it. */
	if (in->has_rex && (in->op == INSN_OUTS || in->op == INSN_INS))
		return true;
	/* 66 or 67 with REX: PUSH and POP become 16-bit, XCHG R8W, AX a NOP. */
	return (has_66 || in->address_size != 8) && in->has_rex &&
	       (in->op == INSN_PUSH || in->op == INSN_POP ||
		(in->op == INSN_XCHG && in->dst.kind == OPERAND_REG && in->dst.reg == 8));
}

static void show(const uint8_t *bytes, enum insn_mode mode, const struct insn *in, const cs_insn *c)
{
	print_message("mode %d:", mode);
	for (unsigned i = 0; i < INSN_MAX_LEN; i++)
		print_message(" %02x", bytes[i]);
	print_message("\n  ours: op %u len %u seg %u base %x index %x*%u disp %llx\n", in->op,
		      in->len, in->segment, in->base, in->index, in->scale,
		      (unsigned long long)in->disp);
	if (c)
		print_message("  Capstone: %s %s, length %u\n", c->mnemonic, c->op_str, c->size);
}

/* '-EAGAIN when the instruction is longer than `len` bytes', and nothing depends on what follows.
 */
static void assert_cut(const uint8_t *bytes, enum insn_mode mode, const struct insn *whole)
{
	bool is_32 = mode != INSN_MODE_16;
	struct insn in;

	for (unsigned len = 0; len < whole->len; len++)
		assert_int_equal(insn_decode(bytes, len, mode, is_32, &in), -EAGAIN);
	assert_int_equal(insn_decode(bytes, whole->len, mode, is_32, &in), 0);
	assert_memory_equal(&in, whole, sizeof(in));
}

static void test_random_strings(void **state)
{
	static const cs_mode modes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
	unsigned seen[3][INSN_VMMCALL + 1] = {{0}}, wrong = 0;
	csh handle[3];
	cs_insn *c;

	(void)state;
	for (unsigned m = 0; m < 3; m++) {
		assert_int_equal(cs_open(CS_ARCH_X86, modes[m], &handle[m]), CS_ERR_OK);
		cs_option(handle[m], CS_OPT_DETAIL, CS_OPT_ON);
	}
	c = cs_malloc(handle[0]);
	for (unsigned i = 0; i < STRINGS; i++) {
		enum insn_mode mode = (enum insn_mode)random_below(3);
		uint8_t bytes[INSN_MAX_LEN];
		const uint8_t *code = bytes;
		size_t left = sizeof(bytes);
		uint64_t address = 0;
		struct insn in;
		bool is_known;

		random_string(bytes, mode);
		if (insn_decode(bytes, sizeof(bytes), mode, mode != INSN_MODE_16, &in))
			continue;
		seen[mode][in.op]++;
		assert_cut(bytes, mode, &in);
		is_known = cs_disasm_iter(handle[mode], &code, &left, &address, c);
		if (is_capstone_off(bytes, &in, mode) || (is_known && is_same(&in, c, mode)))
			continue;
		if (wrong++ < 20)
			show(bytes, mode, &in, is_known ? c : NULL);
	}
	cs_free(c, 1);
	for (unsigned m = 0; m < 3; m++)
		cs_close(&handle[m]);
	assert_int_equal(wrong, 0);
	/* A decoder that refuses everything would agree with anything. */
	for (unsigned m = 0; m < 3; m++)
		for (unsigned op = 0; op <= INSN_VMMCALL; op++)
			if (seen[m][op] < (op < INSN_VMCALL ? 100u : 1u))
				fail_msg("operation %u was seen %u times only in mode %u", op,
					 seen[m][op], m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
