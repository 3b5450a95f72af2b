/* The instruction decoder: cases by hand, with the assembler's text beside the bytes. Capstone's
 * opinion is test_decode_capstone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "guest/decode.h"
#include "lib/errno.h"

#define NONE INSN_NO_REG

static struct insn in;

/* Decodes a string literal's bytes from a malloc of exactly that size: a byte read too far is seen.
 */
static int decode_len(enum insn_mode mode, const char *bytes, unsigned len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, bytes, len);
	err = insn_decode(copy, len, mode, mode != INSN_MODE_16, &in);
	free(copy);
	return err;
}

#define decode(mode, bytes) decode_len(INSN_MODE_##mode, bytes, sizeof(bytes) - 1)

#define assert_insn(mode, bytes, want)                                                             \
	do {                                                                                       \
		assert_int_equal(decode(mode, bytes), 0);                                          \
		assert_int_equal(in.len, sizeof(bytes) - 1);                                       \
		assert_int_equal(in.op, want);                                                     \
	} while (0)

#define assert_refused(mode, bytes) assert_int_equal(decode(mode, bytes), -EINVAL)
#define assert_illegal(mode, bytes) assert_int_equal(decode(mode, bytes), -EILSEQ)

#define assert_reg(o, n, bytes)                                                                    \
	do {                                                                                       \
		assert_int_equal((o).kind, OPERAND_REG);                                           \
		assert_int_equal((o).reg, n);                                                      \
		assert_int_equal((o).size, bytes);                                                 \
		assert_false((o).is_high_byte);                                                    \
	} while (0)

#define assert_high(o, n)                                                                          \
	do {                                                                                       \
		assert_int_equal((o).kind, OPERAND_REG);                                           \
		assert_int_equal((o).reg, n);                                                      \
		assert_int_equal((o).size, 1);                                                     \
		assert_true((o).is_high_byte);                                                     \
	} while (0)

#define assert_imm(o, value, bytes)                                                                \
	do {                                                                                       \
		assert_int_equal((o).kind, OPERAND_IMM);                                           \
		assert_true((o).imm == (uint64_t)(value));                                         \
		assert_int_equal((o).size, bytes);                                                 \
	} while (0)

#define assert_mem(o, bytes, seg, b, i, s, d)                                                      \
	do {                                                                                       \
		assert_int_equal((o).kind, OPERAND_MEM);                                           \
		assert_int_equal((o).size, bytes);                                                 \
		assert_int_equal(in.segment, seg);                                                 \
		assert_int_equal(in.base, b);                                                      \
		assert_int_equal(in.index, i);                                                     \
		assert_int_equal(in.scale, s);                                                     \
		assert_true(in.disp == (int64_t)(d));                                              \
	} while (0)

/* What Linux' native_apic_mem_read/write and readl/writel compile to. */
static void test_mmio_moves(void **state)
{
	(void)state;
	assert_insn(64, "\x89\xb7\x00\xd0\x5f\xff", INSN_MOV); /* mov [rdi-0xa03000], esi */
	assert_mem(in.dst, 4, SEG_DS, 7, NONE, 1, -0xa03000);
	assert_reg(in.src, 6, 4);
	assert_int_equal(in.address_size, 8);
	assert_insn(64, "\x8b\x04\x25\x20\xd0\x5f\xff",
		    INSN_MOV); /* mov eax, [0xffffffffff5fd020] */
	assert_mem(in.src, 4, SEG_DS, NONE, NONE, 1, -0xa02fe0);
	assert_reg(in.dst, 0, 4);
	assert_insn(64, "\xc7\x04\x25\xb0\xd0\x5f\xff\x00\x00\x00\x00", INSN_MOV);
	assert_mem(in.dst, 4, SEG_DS, NONE, NONE, 1, -0xa02f50);
	assert_imm(in.src, 0, 4);
	assert_insn(64, "\x48\x8b\x05\x10\x00\x00\x00", INSN_MOV); /* mov rax, [rip+0x10] */
	assert_true(in.is_rip_relative);
	assert_mem(in.src, 8, SEG_DS, NONE, NONE, 1, 0x10);
	assert_insn(64, "\x4f\x0f\xc3\x64\xae\xf0", INSN_MOV); /* movnti [r14+r13*4-16], r12 */
	assert_mem(in.dst, 8, SEG_DS, 14, 13, 4, -16);
	assert_reg(in.src, 12, 8);
	assert_insn(32, "\xa1\x20\x00\xe0\xfe", INSN_MOV); /* mov eax, [0xfee00020] */
	assert_mem(in.src, 4, SEG_DS, NONE, NONE, 1, 0xfee00020);
	assert_insn(64, "\x48\xa3\x08\x07\x06\x05\x04\x03\x02\x01", INSN_MOV);
	assert_mem(in.dst, 8, SEG_DS, NONE, NONE, 1, 0x0102030405060708);
	assert_reg(in.src, 0, 8);
	assert_insn(64, "\x67\xa0\x01\x02\x03\x04", INSN_MOV); /* mov al, [0x04030201], 32-bit */
	assert_int_equal(in.address_size, 4);
	assert_mem(in.src, 1, SEG_DS, NONE, NONE, 1, 0x04030201);
	assert_insn(64, "\x0f\xb6\x03", INSN_MOVZX); /* movzx eax, byte [rbx] */
	assert_mem(in.src, 1, SEG_DS, 3, NONE, 1, 0);
	assert_reg(in.dst, 0, 4);
	assert_insn(64, "\x66\x44\x0f\xbf\x03", INSN_MOVSX);
	assert_mem(in.src, 2, SEG_DS, 3, NONE, 1, 0);
	assert_reg(in.dst, 8, 2);
	assert_insn(64, "\x48\x63\x03", INSN_MOVSX); /* movsxd rax, dword [rbx] */
	assert_mem(in.src, 4, SEG_DS, 3, NONE, 1, 0);
	assert_reg(in.dst, 0, 8);
}

/* 'REX.W: 0 = operand size determined by CS.D, 1 = 64 bit'; immediates are sign-extended. */
static void test_sizes_and_immediates(void **state)
{
	(void)state;
	assert_insn(64, "\x48\xc7\x00\xfe\xff\xff\xff", INSN_MOV); /* mov qword [rax], -2 */
	assert_imm(in.src, -2, 8);
	assert_insn(64, "\x66\xc7\x00\xfe\xff", INSN_MOV);
	assert_imm(in.src, -2, 2);
	assert_insn(64, "\x66\x48\xc7\x00\xfe\xff\xff\x7f", INSN_MOV); /* REX.W wins over 66 */
	assert_imm(in.src, 0x7ffffffe, 8);
	assert_insn(64, "\x49\xb8\xf0\xde\xbc\x9a\x78\x56\x34\x92", INSN_MOV);
	assert_reg(in.dst, 8, 8);
	assert_imm(in.src, 0x923456789abcdef0, 8);
	assert_insn(32, "\xb8\x78\x56\x34\x92", INSN_MOV);
	assert_imm(in.src, 0xffffffff92345678, 4);
	assert_insn(64, "\x83\x08\x80", INSN_OR); /* or dword [rax], 0xffffff80 */
	assert_imm(in.src, -128, 4);
	assert_insn(16, "\x83\x07\x01", INSN_ADD); /* add word [bx], 1 */
	assert_mem(in.dst, 2, SEG_DS, 3, NONE, 1, 0);
	assert_insn(16, "\x66\x81\x07\x01\x02\x03\x04", INSN_ADD);
	assert_imm(in.src, 0x04030201, 4);
	assert_insn(32, "\x66\x89\x03", INSN_MOV);
	assert_reg(in.src, 0, 2);
	assert_insn(64, "\x3d\x01\x02\x03\x04", INSN_CMP);
	assert_reg(in.dst, 0, 4);
	assert_insn(64, "\xf6\x00\x80", INSN_TEST); /* test byte [rax], 0x80 */
	assert_imm(in.src, -128, 1);
	assert_insn(64, "\xf7\x10", INSN_NOT);
	assert_int_equal(in.src.kind, OPERAND_NONE);
	assert_insn(64, "\xff\x08", INSN_DEC);
	assert_insn(32, "\x47", INSN_INC);
	assert_reg(in.dst, 7, 4);
	assert_insn(64, "\x0f\xba\x28\x1f", INSN_BTS); /* bts dword [rax], 31 */
	assert_imm(in.src, 31, 1);
	assert_mem(in.dst, 4, SEG_DS, 0, NONE, 1, 0);
}

/* Without REX byte registers 4-7 are AH, CH, DH, BH; with any REX they are SPL, BPL, SIL, DIL. */
static void test_byte_registers(void **state)
{
	(void)state;
	assert_insn(64, "\x88\x20", INSN_MOV); /* mov [rax], ah */
	assert_high(in.src, 0);
	assert_insn(64, "\x40\x88\x20", INSN_MOV); /* mov [rax], spl */
	assert_reg(in.src, 4, 1);
	assert_insn(32, "\x8a\x3b", INSN_MOV); /* mov bh, [ebx] */
	assert_high(in.dst, 3);
	assert_insn(64, "\x44\x8a\x3b", INSN_MOV); /* mov r15b, [rbx] */
	assert_reg(in.dst, 15, 1);
	assert_insn(64, "\x48\x66\x88\x20", INSN_MOV); /* a REX before 66 is ignored */
	assert_high(in.src, 0);
	assert_false(in.has_rex);
}

/* '16-Bit Addressing Forms with the ModR/M Byte' */
static void test_16bit_addressing(void **state)
{
	static const struct {
		char bytes[4];
		uint8_t segment, base, index;
	} forms[] = {
		{"\x8a\x40\xfe", SEG_DS, 3, 6},    {"\x8a\x41\xfe", SEG_DS, 3, 7},
		{"\x8a\x42\xfe", SEG_SS, 5, 6},    {"\x8a\x43\xfe", SEG_SS, 5, 7},
		{"\x8a\x44\xfe", SEG_DS, 6, NONE}, {"\x8a\x45\xfe", SEG_DS, 7, NONE},
		{"\x8a\x46\xfe", SEG_SS, 5, NONE}, {"\x8a\x47\xfe", SEG_DS, 3, NONE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		assert_int_equal(decode_len(INSN_MODE_16, forms[i].bytes, 3), 0);
		assert_mem(in.src, 1, forms[i].segment, forms[i].base, forms[i].index, 1, -2);
		assert_int_equal(in.address_size, 2);
		assert_int_equal(in.len, 3);
	}
	assert_insn(16, "\x8a\x06\xfe\xff", INSN_MOV); /* mov al, [0xfffe] */
	assert_mem(in.src, 1, SEG_DS, NONE, NONE, 1, -2);
	assert_insn(16, "\x8a\x80\x00\x80", INSN_MOV); /* [bx+si-0x8000] */
	assert_mem(in.src, 1, SEG_DS, 3, 6, 1, -0x8000);
	assert_insn(16, "\x67\x8a\x04\x8b", INSN_MOV); /* mov al, [ebx+ecx*4] */
	assert_mem(in.src, 1, SEG_DS, 3, 1, 4, 0);
	assert_insn(32, "\x67\x8a\x07", INSN_MOV); /* mov al, [bx] */
	assert_int_equal(in.address_size, 2);
}

/* '32-Bit Addressing Forms with the SIB Byte', and what REX.X and REX.B add. */
static void test_sib(void **state)
{
	(void)state;
	assert_insn(32, "\x8b\x04\x24", INSN_MOV); /* [esp] */
	assert_mem(in.src, 4, SEG_SS, 4, NONE, 1, 0);
	assert_insn(32, "\x8b\x45\x08", INSN_MOV); /* [ebp+8] */
	assert_mem(in.src, 4, SEG_SS, 5, NONE, 1, 8);
	assert_insn(32, "\x8b\x04\x8d\x44\x33\x22\x11", INSN_MOV); /* [ecx*4+0x11223344] */
	assert_mem(in.src, 4, SEG_DS, NONE, 1, 4, 0x11223344);
	assert_insn(32, "\x8b\x05\x44\x33\x22\x11", INSN_MOV); /* no RIP outside 64-bit mode */
	assert_false(in.is_rip_relative);
	assert_mem(in.src, 4, SEG_DS, NONE, NONE, 1, 0x11223344);
	assert_insn(64, "\x42\x8b\x04\x24", INSN_MOV); /* [rsp+r12]: REX.X makes an index of 4 */
	assert_mem(in.src, 4, SEG_SS, 4, 12, 1, 0);
	assert_insn(64, "\x41\x8b\x04\x24", INSN_MOV); /* [r12] */
	assert_mem(in.src, 4, SEG_DS, 12, NONE, 1, 0);
	assert_insn(64, "\x41\x8b\x45\x00", INSN_MOV); /* [r13+0] */
	assert_mem(in.src, 4, SEG_DS, 13, NONE, 1, 0);
	assert_insn(64, "\x41\x8b\x05\x44\x33\x22\x11", INSN_MOV); /* RIP-relative all the same */
	assert_true(in.is_rip_relative);
	assert_insn(64, "\x67\x8b\x04\xcd\x00\x00\x00\x80", INSN_MOV); /* [ecx*8-0x80000000] */
	assert_mem(in.src, 4, SEG_DS, NONE, 1, 8, INT32_MIN);
	assert_int_equal(in.address_size, 4);
}

/* 'In 64-bit mode, the CS, DS, ES, and SS segment overrides are ignored.' */
static void test_segments(void **state)
{
	(void)state;
	assert_insn(32, "\x26\x8b\x03", INSN_MOV);
	assert_int_equal(in.segment, SEG_ES);
	assert_insn(32, "\x2e\x8b\x03", INSN_MOV);
	assert_int_equal(in.segment, SEG_CS);
	assert_insn(32, "\x36\x8b\x03", INSN_MOV);
	assert_int_equal(in.segment, SEG_SS);
	assert_insn(32, "\x3e\x8b\x45\x00", INSN_MOV);
	assert_int_equal(in.segment, SEG_DS);
	assert_insn(64, "\x65\x8b\x03", INSN_MOV);
	assert_int_equal(in.segment, SEG_GS);
	assert_insn(64, "\x64\x26\x8b\x03", INSN_MOV);
	assert_int_equal(in.segment, SEG_FS);
	assert_insn(64, "\x26\x8b\x03", INSN_MOV);
	assert_int_equal(in.segment, SEG_DS);
	assert_insn(16, "\x64\xa0\x34\x12", INSN_MOV);
	assert_mem(in.src, 1, SEG_FS, NONE, NONE, 1, 0x1234);
}

static void test_strings(void **state)
{
	(void)state;
	assert_insn(64, "\xf3\xa4", INSN_MOVS);
	assert_true(in.has_rep);
	assert_mem(in.dst, 1, SEG_DS, NONE, NONE, 1, 0);
	assert_int_equal(in.src.kind, OPERAND_MEM);
	assert_insn(64, "\x65\x48\xa5", INSN_MOVS); /* the source can be overridden */
	assert_mem(in.src, 8, SEG_GS, NONE, NONE, 1, 0);
	assert_insn(32, "\x65\xf3\xab", INSN_STOS); /* the destination cannot */
	assert_mem(in.dst, 4, SEG_ES, NONE, NONE, 1, 0);
	assert_reg(in.src, 0, 4);
	assert_insn(16, "\xad", INSN_LODS);
	assert_reg(in.dst, 0, 2);
	assert_insn(32, "\xf2\xae", INSN_SCAS);
	assert_true(in.has_repne);
	assert_false(in.has_rep);
	assert_mem(in.src, 1, SEG_ES, NONE, NONE, 1, 0);
	assert_insn(32, "\xf3\xf2\xa6", INSN_CMPS); /* the last of the two counts */
	assert_true(in.has_repne);
	assert_false(in.has_rep);
	assert_insn(64, "\xf3\x48\x6d", INSN_INS); /* port I/O has 32 bits at most */
	assert_mem(in.dst, 4, SEG_ES, NONE, NONE, 1, 0);
	assert_reg(in.src, 2, 2);
	assert_insn(16, "\x2e\x6e", INSN_OUTS);
	assert_mem(in.src, 1, SEG_CS, NONE, NONE, 1, 0);
	assert_reg(in.dst, 2, 2);
}

static void test_stack_and_hypercalls(void **state)
{
	(void)state;
	assert_insn(64, "\xff\x30", INSN_PUSH); /* push qword [rax] */
	assert_mem(in.src, 8, SEG_DS, 0, NONE, 1, 0);
	assert_int_equal(in.dst.kind, OPERAND_NONE);
	assert_insn(64, "\x66\x8f\x00", INSN_POP);
	assert_mem(in.dst, 2, SEG_DS, 0, NONE, 1, 0);
	assert_insn(64, "\x41\x57", INSN_PUSH);
	assert_reg(in.src, 15, 8);
	assert_insn(64, "\x6a\xff", INSN_PUSH);
	assert_imm(in.src, -1, 8);
	assert_insn(16, "\x68\x34\x12", INSN_PUSH);
	assert_imm(in.src, 0x1234, 2);
	assert_insn(64, "\x0f\x01\xc1", INSN_VMCALL);
	assert_insn(64, "\x0f\x01\xd9", INSN_VMMCALL);
	assert_int_equal(in.dst.kind, OPERAND_NONE);
	assert_int_equal(in.src.kind, OPERAND_NONE);
}

/* 'LOCK [...] can be prepended only to [...] ADD, ADC, AND, BTC, BTR, BTS, CMPXCHG, CMPXCH8B,
 * CMPXCHG16B, DEC, INC, NEG, NOT, OR, SBB, SUB, XOR, XADD, and XCHG', and only where 'the
 * destination operand is a memory operand'; else #UD. */
static void test_lock(void **state)
{
	(void)state;
	assert_insn(64, "\xf0\x01\x00", INSN_ADD);
	assert_true(in.has_lock);
	assert_insn(64, "\xf0\x48\x0f\xb1\x0a", INSN_CMPXCHG);
	assert_mem(in.dst, 8, SEG_DS, 2, NONE, 1, 0);
	assert_reg(in.src, 1, 8);
	assert_insn(64, "\xf0\x0f\xc1\x0a", INSN_XADD);
	assert_insn(64, "\xf0\x87\x0a", INSN_XCHG);
	assert_insn(64, "\xf0\x0f\xba\x2a\x07", INSN_BTS);
	assert_insn(64, "\xf0\xff\x02", INSN_INC);
	assert_illegal(64, "\xf0\x01\xc0");         /* a register */
	assert_illegal(64, "\xf0\x03\x00");         /* memory is the source */
	assert_illegal(64, "\xf0\x39\x00");         /* CMP */
	assert_illegal(64, "\xf0\x89\x00");         /* MOV */
	assert_illegal(64, "\xf0\x0f\xba\x22\x07"); /* BT */
	assert_illegal(64, "\xf0\xa4");
	assert_illegal(64, "\xf0\xf7\x00\x01\x00\x00\x00"); /* TEST */
	assert_illegal(64, "\xf0\x0f\x01\xc1");
	assert_illegal(64, "\xf0\x50");
	/* What nobody knows may be one of those that LOCK goes with. */
	assert_refused(64, "\xf0\x0f\xc7\x08"); /* CMPXCHG8B */
}

static void test_refusals(void **state)
{
	(void)state;
	assert_refused(64, "\x90");             /* NOP */
	assert_refused(64, "\xf3\x90");         /* PAUSE */
	assert_refused(64, "\x0f\x0b");         /* UD2 */
	assert_refused(64, "\x82\x00\x01");     /* not in 64-bit mode */
	assert_refused(64, "\x06");             /* PUSH ES */
	assert_refused(32, "\x63\x00");         /* ARPL */
	assert_refused(64, "\x63\x00");         /* MOVSXD without REX.W */
	assert_refused(64, "\xc6\xf8\x00");     /* XABORT */
	assert_refused(64, "\xf6\x08\x00");     /* F6 /1 */
	assert_refused(64, "\xfe\x30");         /* FE /6 */
	assert_refused(64, "\x8f\x08");         /* XOP */
	assert_refused(64, "\xff\x10");         /* CALL */
	assert_refused(64, "\x0f\xba\x00\x00"); /* 0F BA /0 */
	assert_refused(64, "\x0f\xc3\xc0");     /* MOVNTI to a register */
	assert_refused(64, "\x66\x0f\xc3\x00");
	assert_refused(64, "\x66\x0f\x01\xc1");
	assert_refused(64, "\x0f\x01\xd8"); /* VMRUN */
	assert_refused(64, "\xc5\xf9\x6f\x00");
	assert_refused(64, "\x0f\x6f\x00"); /* MMX */
}

/* '-EAGAIN when the instruction is longer than len bytes', whatever its byte is that is missing; 15
 * bytes are the longest, and what is longer is not legal. */
static void test_truncation_and_length(void **state)
{
	static const char longest[] =
		"\x65\x66\x67\xf0\x36\x36\x81\x84\x88\x11\x22\x33\x44\x55\x66";
	static const char *const whole[] = {
		"\x65\x48\xc7\x84\x88\x11\x22\x33\x44\x55\x66\x77\x88",
		"\x66\x0f\xba\x6c\x24\x11\x22",
		"\x49\xb8\x11\x22\x33\x44\x55\x66\x77\x88",
		"\x0f\x01\xd9",
		"\x48\xa1\x11\x22\x33\x44\x55\x66\x77\x88",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		unsigned len = (unsigned)strlen(whole[i]);

		assert_int_equal(decode_len(INSN_MODE_64, whole[i], len), 0);
		assert_int_equal(in.len, len);
		for (unsigned n = 0; n < len; n++)
			assert_int_equal(decode_len(INSN_MODE_64, whole[i], n), -EAGAIN);
	}
	assert_insn(64, "\x65\x66\x67\xf0\x36\x36\x81\x84\x88\x11\x22\x33\x44\x55\x66", INSN_ADD);
	assert_int_equal(in.len, INSN_MAX_LEN);
	assert_int_equal(decode_len(INSN_MODE_64, longest, 14), -EAGAIN);
	assert_illegal(64, "\x65\x66\x67\xf0\x36\x36\x36\x81\x84\x88\x11\x22\x33\x44\x55\x66");
	assert_illegal(64, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66");
	assert_int_equal(decode_len(INSN_MODE_64, "\x66\x66\x66", 3), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mmio_moves),
		cmocka_unit_test(test_sizes_and_immediates),
		cmocka_unit_test(test_byte_registers),
		cmocka_unit_test(test_16bit_addressing),
		cmocka_unit_test(test_sib),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_stack_and_hypercalls),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_truncation_and_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
