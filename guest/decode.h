/* A decoder for the instructions that kernels use on device memory and for string I/O: from bytes
 * to operands. Knows nothing of VMX, nothing of registers' values. Pure. */
#ifndef GUEST_DECODE_H
#define GUEST_DECODE_H

#include "lib/types.h"

#define INSN_MAX_LEN 15

enum insn_op {
	INSN_MOV,   /* dst = src */
	INSN_MOVZX, /* dst = zero-extended src */
	INSN_MOVSX,
	INSN_AND, /* from here to SBB: read-modify-write */
	INSN_OR,
	INSN_XOR,
	INSN_ADD,
	INSN_SUB,
	INSN_ADC,
	INSN_SBB,
	INSN_CMP,
	INSN_TEST,
	INSN_NOT,
	INSN_NEG,
	INSN_INC,
	INSN_DEC,
	INSN_XCHG,
	INSN_CMPXCHG,
	INSN_XADD,
	INSN_BT,
	INSN_BTS,
	INSN_BTR,
	INSN_BTC,
	INSN_MOVS,
	INSN_STOS,
	INSN_LODS,
	INSN_CMPS,
	INSN_SCAS,
	INSN_INS,
	INSN_OUTS,
	INSN_PUSH,
	INSN_POP,
	INSN_VMCALL,
	INSN_VMMCALL,
};

enum insn_mode { INSN_MODE_16, INSN_MODE_32, INSN_MODE_64 };

enum insn_segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

enum operand_kind { OPERAND_NONE, OPERAND_REG, OPERAND_MEM, OPERAND_IMM };

#define INSN_NO_REG 0xff

struct operand {
	uint8_t kind;      /* enum operand_kind */
	uint8_t size;      /* bytes: 1, 2, 4, 8 */
	uint8_t reg;       /* encoding number 0-15 */
	bool is_high_byte; /* AH, CH, DH, BH: reg is 0-3 */
	uint64_t imm;      /* sign-extended to 64 bits; cut it to `size` */
};

struct insn {
	uint8_t op;              /* enum insn_op */
	uint8_t len;             /* bytes */
	struct operand dst, src; /* at most one is memory, but for MOVS and CMPS (both implicit) */
	/* The memory operand: segment base + base + index * scale + disp (+ RIP of the next
	 * instruction when is_rip_relative), cut to address_size. For string instructions RSI/RDI
	 * are implied. */
	uint8_t segment;      /* enum insn_segment: the default or the override */
	uint8_t base, index;  /* encoding numbers or INSN_NO_REG */
	uint8_t scale;        /* 1, 2, 4, 8 */
	uint8_t address_size; /* bytes: 2, 4, 8 */
	bool is_rip_relative;
	int64_t disp;
	bool has_lock, has_rep, has_repne, has_rex;
};

/* What is implied and not in the operands: the stack's memory of PUSH and POP (which have one
 * operand), the accumulator of CMPXCHG, RCX of a repeat. For string instructions dst and src are
 * what the SDM's text calls them, and `segment` is that of [RSI], or ES where there is only [RDI].
 * BT, BTS, BTR and BTC with a register as src reach memory outside the operand: its bits above
 * log2(size * 8) are part of the address.
 *
 * Decodes the instruction at `bytes` (`len` available, up to 15). 0; -EAGAIN when the instruction
 * is longer than `len` bytes; -EINVAL when it is not one that the decoder knows; -EILSEQ when it is
 * one that the CPU refuses, whatever its operands are (LOCK where it gives #UD, more than 15
 * bytes). `mode` gives the default address size, `default_operand_32` (CS.D; of no effect in 64-bit
 * mode) the operand size. */
int __must_check insn_decode(const uint8_t *bytes, unsigned len, enum insn_mode mode,
			     bool default_operand_32, struct insn *out);

#endif
