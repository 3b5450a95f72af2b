/* Arithmetic as the CPU does it: result and flags of the instructions that the emulator executes.
 * Pure. */
#ifndef GUEST_ALU_H
#define GUEST_ALU_H

#include "guest/decode.h"

#define RFLAGS_CF BIT_ULL(0)
#define RFLAGS_PF BIT_ULL(2)
#define RFLAGS_AF BIT_ULL(4)
#define RFLAGS_ZF BIT_ULL(6)
#define RFLAGS_SF BIT_ULL(7)
#define RFLAGS_DF BIT_ULL(10)
#define RFLAGS_OF BIT_ULL(11)

/* The low `size` bytes of a value. */
static inline uint64_t alu_cut(uint64_t value, unsigned size)
{
	return size >= 8 ? value : value & ((1ull << (size * 8)) - 1);
}

/* dst OP src for the two-operand and one-operand instructions of enum insn_op (AND OR XOR ADD SUB
 * ADC SBB CMP TEST NOT NEG INC DEC, BT BTS BTR BTC with src the bit number inside dst). The result,
 * cut to `size` bytes; CMP, TEST and BT give dst unchanged. The six status flags in *rflags are
 * updated as each instruction does. */
uint64_t alu(enum insn_op op, uint64_t dst, uint64_t src, unsigned size, uint64_t *rflags);

#endif
