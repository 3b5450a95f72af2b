/* Results and flags against the CPU that runs this test: each operation is executed natively on the
 * same operands. Flags that the SDM calls undefined after an operation are not compared. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fakes/guest_ram.h"
#include "guest/alu.h"

#define ROUNDS 20000
#define STATUS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

struct native {
	uint64_t dst, flags;
};

/* The flags go in and out through the stack, below the red zone. */
#define NATIVE(insn)                                                                               \
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"                                              \
			 "push %[flags]\n\tpopfq\n\t" insn "\n\t"                                  \
			 "pushfq\n\tpop %[flags]\n\t"                                              \
			 "lea 128(%%rsp), %%rsp"                                                   \
			 : [dst] "+r"(d), [flags] "+r"(flags)                                      \
			 : [src] "r"(s)                                                            \
			 : "cc", "memory")

#define TWO(name, mnemonic)                                                                        \
	static struct native name(uint64_t dst, uint64_t src, unsigned size, uint64_t flags)       \
	{                                                                                          \
		switch (size) {                                                                    \
		case 1: {                                                                          \
			uint8_t d = (uint8_t)dst, s = (uint8_t)src;                                \
			NATIVE(mnemonic "b %b[src], %b[dst]");                                     \
			return (struct native){d, flags};                                          \
		}                                                                                  \
		case 2: {                                                                          \
			uint16_t d = (uint16_t)dst, s = (uint16_t)src;                             \
			NATIVE(mnemonic "w %w[src], %w[dst]");                                     \
			return (struct native){d, flags};                                          \
		}                                                                                  \
		case 4: {                                                                          \
			uint32_t d = (uint32_t)dst, s = (uint32_t)src;                             \
			NATIVE(mnemonic "l %k[src], %k[dst]");                                     \
			return (struct native){d, flags};                                          \
		}                                                                                  \
		default: {                                                                         \
			uint64_t d = dst, s = src;                                                 \
			NATIVE(mnemonic "q %q[src], %q[dst]");                                     \
			return (struct native){d, flags};                                          \
		}                                                                                  \
		}                                                                                  \
	}

#define ONE(name, mnemonic)                                                                        \
	static struct native name(uint64_t dst, uint64_t s, unsigned size, uint64_t flags)         \
	{                                                                                          \
		switch (size) {                                                                    \
		case 1: {                                                                          \
			uint8_t d = (uint8_t)dst;                                                  \
			NATIVE(mnemonic "b %b[dst]");                                              \
			return (struct native){d, flags};                                          \
		}                                                                                  \
		case 2: {                                                                          \
			uint16_t d = (uint16_t)dst;                                                \
			NATIVE(mnemonic "w %w[dst]");                                              \
			return (struct native){d, flags};                                          \
		}                                                                                  \
		case 4: {                                                                          \
			uint32_t d = (uint32_t)dst;                                                \
			NATIVE(mnemonic "l %k[dst]");                                              \
			return (struct native){d, flags};                                          \
		}                                                                                  \
		default: {                                                                         \
			uint64_t d = dst;                                                          \
			NATIVE(mnemonic "q %q[dst]");                                              \
			return (struct native){d, flags};                                          \
		}                                                                                  \
		}                                                                                  \
	}

/* There is no BT of bytes. */
#define BITS(name, mnemonic)                                                                       \
	static struct native name(uint64_t dst, uint64_t src, unsigned size, uint64_t flags)       \
	{                                                                                          \
		uint64_t d = dst, s = src;                                                         \
                                                                                                   \
		if (size == 2)                                                                     \
			NATIVE(mnemonic "w %w[src], %w[dst]");                                     \
		else if (size == 4)                                                                \
			NATIVE(mnemonic "l %k[src], %k[dst]");                                     \
		else                                                                               \
			NATIVE(mnemonic "q %q[src], %q[dst]");                                     \
		return (struct native){d, flags};                                                  \
	}

TWO(native_and, "and")
TWO(native_or, "or")
TWO(native_xor, "xor")
TWO(native_add, "add")
TWO(native_sub, "sub")
TWO(native_adc, "adc")
TWO(native_sbb, "sbb")
TWO(native_cmp, "cmp")
TWO(native_test, "test")
ONE(native_not, "not")
ONE(native_neg, "neg")
ONE(native_inc, "inc")
ONE(native_dec, "dec")
BITS(native_bt, "bt")
BITS(native_bts, "bts")
BITS(native_btr, "btr")
BITS(native_btc, "btc")

static const struct {
	enum insn_op op;
	const char *name;
	struct native (*run)(uint64_t dst, uint64_t src, unsigned size, uint64_t flags);
	uint64_t undefined; /* flags */
} operations[] = {
	{INSN_AND, "and", native_and, RFLAGS_AF},
	{INSN_OR, "or", native_or, RFLAGS_AF},
	{INSN_XOR, "xor", native_xor, RFLAGS_AF},
	{INSN_TEST, "test", native_test, RFLAGS_AF},
	{INSN_ADD, "add", native_add, 0},
	{INSN_SUB, "sub", native_sub, 0},
	{INSN_ADC, "adc", native_adc, 0},
	{INSN_SBB, "sbb", native_sbb, 0},
	{INSN_CMP, "cmp", native_cmp, 0},
	{INSN_NOT, "not", native_not, 0},
	{INSN_NEG, "neg", native_neg, 0},
	{INSN_INC, "inc", native_inc, 0},
	{INSN_DEC, "dec", native_dec, 0},
	{INSN_BT, "bt", native_bt, STATUS & ~(RFLAGS_CF | RFLAGS_ZF)},
	{INSN_BTS, "bts", native_bts, STATUS & ~(RFLAGS_CF | RFLAGS_ZF)},
	{INSN_BTR, "btr", native_btr, STATUS & ~(RFLAGS_CF | RFLAGS_ZF)},
	{INSN_BTC, "btc", native_btc, STATUS & ~(RFLAGS_CF | RFLAGS_ZF)},
};

/* Random operands, and often those at the edges, where carries and signs change. */
static uint64_t operand(uint64_t *seed, unsigned size)
{
	static const uint64_t edge[] = {0, 1, 0xf, 0x10, 0x7f, 0x80, 0xff, UINT64_MAX};
	uint64_t r = fake_random(seed);

	switch (r % 4) {
	case 0:
		return edge[(r >> 8) % ARRAY_SIZE(edge)];
	case 1: /* around the sign bit of its size */
		return (1ull << (size * 8 - 1)) - 1 + (r >> 8) % 3;
	default:
		return r;
	}
}

static void compare(unsigned n, uint64_t dst, uint64_t src, unsigned size, uint64_t status)
{
	const uint64_t others = 0x202; /* IF and the bit that is always 1 */
	struct native want = operations[n].run(dst, src, size, others | status);
	uint64_t flags = others | status, got;

	got = alu(operations[n].op, dst, src, size, &flags);
	if (got == alu_cut(want.dst, size) &&
	    !((flags ^ want.flags) & STATUS & ~operations[n].undefined) &&
	    (flags & ~STATUS) == others)
		return;
	fail_msg("%s of %u bytes: %#lx, %#lx with flags %#lx give %#lx %#lx, the CPU says %#lx "
		 "%#lx",
		 operations[n].name, size, dst, src, others | status, got, flags, want.dst,
		 want.flags);
}

static void test_against_the_cpu(void **state)
{
	static const uint64_t bits[] = {RFLAGS_CF, RFLAGS_PF, RFLAGS_AF,
					RFLAGS_ZF, RFLAGS_SF, RFLAGS_OF};
	uint64_t seed = 0x5eed;

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(operations); n++) {
		bool is_bit = operations[n].op >= INSN_BT && operations[n].op <= INSN_BTC;

		for (unsigned round = 0; round < ROUNDS; round++) {
			unsigned size = 1u << fake_random(&seed) % 4;
			uint64_t r = fake_random(&seed), status = 0;

			if (is_bit && size == 1)
				continue;
			for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
				status |= r >> i & 1 ? bits[i] : 0;
			compare(n, operand(&seed, size), operand(&seed, size), size, status);
		}
	}
}

/* All pairs of bytes, with and without carry. */
static void test_all_bytes(void **state)
{
	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(operations); n++) {
		if (operations[n].op >= INSN_BT && operations[n].op <= INSN_BTC)
			continue;
		for (unsigned a = 0; a < 256; a++)
			for (unsigned b = 0; b < 256; b++) {
				compare(n, a, b, 1, 0);
				compare(n, a, b, 1, RFLAGS_CF);
			}
	}
}

/* 'NOT: flags affected: none'; 'INC: the CF flag is not affected'; 'BT: the ZF flag is unaffected':
 * and none of them touches another flag of RFLAGS. */
static void test_flags_that_stay(void **state)
{
	uint64_t flags = UINT64_MAX;

	(void)state;
	assert_int_equal(alu(INSN_NOT, 0xff, 0, 1, &flags), 0);
	assert_true(flags == UINT64_MAX);
	alu(INSN_INC, 1, 0, 4, &flags);
	assert_true(flags & RFLAGS_CF);
	assert_true((flags | STATUS) == UINT64_MAX);
	flags = 0;
	alu(INSN_DEC, 0, 0, 4, &flags);
	assert_false(flags & RFLAGS_CF);
}

static void test_cut(void **state)
{
	(void)state;
	assert_int_equal(alu_cut(0x1122334455667788, 1), 0x88);
	assert_int_equal(alu_cut(0x1122334455667788, 2), 0x7788);
	assert_int_equal(alu_cut(0x1122334455667788, 4), 0x55667788);
	assert_true(alu_cut(0x1122334455667788, 8) == 0x1122334455667788);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_the_cpu),
		cmocka_unit_test(test_all_bytes),
		cmocka_unit_test(test_flags_that_stay),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
