/* Every opcode of the one-byte and the 0F map: which decode, to what, how wide, and which may be
 * locked. By the SDM's 'Opcode Map' and 'LOCK'; the decoder's own words on what it leaves out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "guest/decode.h"
#include "lib/errno.h"

/* Opcodes [from, to], with /reg (or ANY), in 64-bit mode and a memory operand where there is ModRM.
 */
#define ANY 8
struct row {
	uint8_t from, to, reg;
	enum insn_op op;
	uint8_t size; /* of the destination, without prefixes; 0: not looked at */
	bool is_lockable;
};

#define ALU(base, op, lock)                                                                        \
	{base, base, ANY, op, 1, lock}, {base + 1, base + 1, ANY, op, 4, lock},                    \
		{base + 2, base + 2, ANY, op, 1, false}, {base + 3, base + 3, ANY, op, 4, false},  \
		{base + 4, base + 4, ANY, op, 1, false},                                           \
	{                                                                                          \
		base + 5, base + 5, ANY, op, 4, false                                              \
	}
#define GROUP_1(opcode, size)                                                                      \
	{opcode, opcode, 0, INSN_ADD, size, true}, {opcode, opcode, 1, INSN_OR, size, true},       \
		{opcode, opcode, 2, INSN_ADC, size, true},                                         \
		{opcode, opcode, 3, INSN_SBB, size, true},                                         \
		{opcode, opcode, 4, INSN_AND, size, true},                                         \
		{opcode, opcode, 5, INSN_SUB, size, true},                                         \
		{opcode, opcode, 6, INSN_XOR, size, true},                                         \
	{                                                                                          \
		opcode, opcode, 7, INSN_CMP, size, false                                           \
	}

static const struct row one_byte[] = {
	ALU(0x00, INSN_ADD, true),
	ALU(0x08, INSN_OR, true),
	ALU(0x10, INSN_ADC, true),
	ALU(0x18, INSN_SBB, true),
	ALU(0x20, INSN_AND, true),
	ALU(0x28, INSN_SUB, true),
	ALU(0x30, INSN_XOR, true),
	ALU(0x38, INSN_CMP, false),
	{0x50, 0x57, ANY, INSN_PUSH, 0, false},
	{0x58, 0x5f, ANY, INSN_POP, 8, false},
	{0x68, 0x68, ANY, INSN_PUSH, 0, false},
	{0x6a, 0x6a, ANY, INSN_PUSH, 0, false},
	{0x6c, 0x6d, ANY, INSN_INS, 0, false},
	{0x6e, 0x6f, ANY, INSN_OUTS, 0, false},
	GROUP_1(0x80, 1),
	GROUP_1(0x81, 4),
	GROUP_1(0x83, 4),
	{0x84, 0x84, ANY, INSN_TEST, 1, false},
	{0x85, 0x85, ANY, INSN_TEST, 4, false},
	{0x86, 0x86, ANY, INSN_XCHG, 1, true},
	{0x87, 0x87, ANY, INSN_XCHG, 4, true},
	{0x88, 0x88, ANY, INSN_MOV, 1, false},
	{0x89, 0x89, ANY, INSN_MOV, 4, false},
	{0x8a, 0x8a, ANY, INSN_MOV, 1, false},
	{0x8b, 0x8b, ANY, INSN_MOV, 4, false},
	{0x8f, 0x8f, 0, INSN_POP, 8, false},
	{0x91, 0x97, ANY, INSN_XCHG, 4, false},
	{0xa0, 0xa0, ANY, INSN_MOV, 1, false},
	{0xa1, 0xa1, ANY, INSN_MOV, 4, false},
	{0xa2, 0xa2, ANY, INSN_MOV, 1, false},
	{0xa3, 0xa3, ANY, INSN_MOV, 4, false},
	{0xa4, 0xa4, ANY, INSN_MOVS, 1, false},
	{0xa5, 0xa5, ANY, INSN_MOVS, 4, false},
	{0xa6, 0xa7, ANY, INSN_CMPS, 0, false},
	{0xa8, 0xa8, ANY, INSN_TEST, 1, false},
	{0xa9, 0xa9, ANY, INSN_TEST, 4, false},
	{0xaa, 0xaa, ANY, INSN_STOS, 1, false},
	{0xab, 0xab, ANY, INSN_STOS, 4, false},
	{0xac, 0xac, ANY, INSN_LODS, 1, false},
	{0xad, 0xad, ANY, INSN_LODS, 4, false},
	{0xae, 0xaf, ANY, INSN_SCAS, 0, false},
	{0xb0, 0xb7, ANY, INSN_MOV, 1, false},
	{0xb8, 0xbf, ANY, INSN_MOV, 4, false},
	{0xc6, 0xc6, 0, INSN_MOV, 1, false},
	{0xc7, 0xc7, 0, INSN_MOV, 4, false},
	{0xf6, 0xf6, 0, INSN_TEST, 1, false},
	{0xf6, 0xf6, 2, INSN_NOT, 1, true},
	{0xf6, 0xf6, 3, INSN_NEG, 1, true},
	{0xf7, 0xf7, 0, INSN_TEST, 4, false},
	{0xf7, 0xf7, 2, INSN_NOT, 4, true},
	{0xf7, 0xf7, 3, INSN_NEG, 4, true},
	{0xfe, 0xfe, 0, INSN_INC, 1, true},
	{0xfe, 0xfe, 1, INSN_DEC, 1, true},
	{0xff, 0xff, 0, INSN_INC, 4, true},
	{0xff, 0xff, 1, INSN_DEC, 4, true},
	{0xff, 0xff, 6, INSN_PUSH, 0, false},
};

static const struct row two_byte[] = {
	{0xa3, 0xa3, ANY, INSN_BT, 4, false},     {0xab, 0xab, ANY, INSN_BTS, 4, true},
	{0xb3, 0xb3, ANY, INSN_BTR, 4, true},     {0xbb, 0xbb, ANY, INSN_BTC, 4, true},
	{0xba, 0xba, 4, INSN_BT, 4, false},       {0xba, 0xba, 5, INSN_BTS, 4, true},
	{0xba, 0xba, 6, INSN_BTR, 4, true},       {0xba, 0xba, 7, INSN_BTC, 4, true},
	{0xb0, 0xb0, ANY, INSN_CMPXCHG, 1, true}, {0xb1, 0xb1, ANY, INSN_CMPXCHG, 4, true},
	{0xb6, 0xb7, ANY, INSN_MOVZX, 4, false},  {0xbe, 0xbf, ANY, INSN_MOVSX, 4, false},
	{0xc0, 0xc0, ANY, INSN_XADD, 1, true},    {0xc1, 0xc1, ANY, INSN_XADD, 4, true},
	{0xc3, 0xc3, ANY, INSN_MOV, 4, false},
};

static const struct row *find(const struct row *rows, unsigned count, unsigned opcode, unsigned reg)
{
	for (unsigned i = 0; i < count; i++)
		if (opcode >= rows[i].from && opcode <= rows[i].to &&
		    (rows[i].reg == ANY || rows[i].reg == reg))
			return &rows[i];
	return NULL;
}

/* [lock] [0f] opcode ModRM([rax], reg), zeros behind it. */
static int decode(bool is_locked, bool is_two, unsigned opcode, unsigned reg, struct insn *in)
{
	uint8_t bytes[15] = {0}, at = 0;

	if (is_locked)
		bytes[at++] = 0xf0;
	if (is_two)
		bytes[at++] = 0x0f;
	bytes[at++] = (uint8_t)opcode;
	bytes[at] = (uint8_t)(reg << 3);
	return insn_decode(bytes, sizeof(bytes), INSN_MODE_64, true, in);
}

/* Each row, as it is and locked. */
static void check(bool is_two, const struct row *rows, unsigned count)
{
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		for (unsigned reg = 0; reg < 8; reg++) {
			const struct row *row = find(rows, count, opcode, reg);
			struct insn in;

			if (!row)
				continue;
			if (decode(false, is_two, opcode, reg, &in))
				fail_msg("opcode %x /%u", opcode, reg);
			assert_int_equal(in.op, row->op);
			if (row->size)
				assert_int_equal(in.dst.size, row->size);
			assert_int_equal(decode(true, is_two, opcode, reg, &in) == 0,
					 row->is_lockable);
		}
	}
}

static void test_one_byte(void **state)
{
	(void)state;
	check(false, one_byte, ARRAY_SIZE(one_byte));
}

static void test_two_bytes(void **state)
{
	(void)state;
	check(true, two_byte, ARRAY_SIZE(two_byte));
}

/* In 32-bit mode 40 to 4F are INC and DEC, and 82 is 80; in 64-bit mode they are prefixes and
 * nothing. */
static void test_what_64_bit_mode_lost(void **state)
{
	struct insn in;

	(void)state;
	for (unsigned opcode = 0x40; opcode < 0x50; opcode++) {
		uint8_t bytes[15] = {(uint8_t)opcode};

		assert_int_equal(insn_decode(bytes, sizeof(bytes), INSN_MODE_32, true, &in), 0);
		assert_int_equal(in.len, 1);
		assert_int_equal(in.op, opcode < 0x48 ? INSN_INC : INSN_DEC);
		assert_int_equal(in.dst.reg, opcode & 7);
		assert_int_equal(in.dst.size, 4);
	}
	for (unsigned reg = 0; reg < 8; reg++) {
		uint8_t bytes[15] = {0x82, (uint8_t)(reg << 3)};
		struct insn same;

		assert_int_equal(insn_decode(bytes, sizeof(bytes), INSN_MODE_32, true, &in), 0);
		assert_true(insn_decode(bytes, sizeof(bytes), INSN_MODE_64, true, &same) != 0);
		bytes[0] = 0x80;
		assert_int_equal(insn_decode(bytes, sizeof(bytes), INSN_MODE_32, true, &same), 0);
		assert_int_equal(in.op, same.op);
		assert_int_equal(in.len, same.len);
		assert_int_equal(in.dst.size, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_byte),
		cmocka_unit_test(test_two_bytes),
		cmocka_unit_test(test_what_64_bit_mode_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
