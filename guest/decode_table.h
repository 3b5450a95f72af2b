/* The opcode tables of the decoder: guest/decode.c's own. */
#ifndef GUEST_DECODE_TABLE_H
#define GUEST_DECODE_TABLE_H

#include "lib/types.h"

/* Where the operands of an opcode come from. */
enum opcode_form {
	FORM_NONE = 0, /* not an instruction that the decoder knows */
	FORM_RM_R,     /* dst = r/m, src = reg */
	FORM_R_RM,
	FORM_RM_IMM,
	FORM_RM_DST, /* one operand: r/m */
	FORM_RM_SRC,
	FORM_ACC_IMM,   /* dst = AL/AX/EAX/RAX */
	FORM_ACC_MOFFS, /* src = an address that follows the opcode */
	FORM_MOFFS_ACC,
	FORM_OPC_DST, /* a register in the opcode's low three bits */
	FORM_OPC_SRC,
	FORM_OPC_IMM,
	FORM_ACC_OPC, /* dst = the register in the opcode, src = the accumulator */
	FORM_IMM_SRC,
	FORM_STR_DST,     /* dst = ES:[RDI], src = accumulator */
	FORM_STR_SRC,     /* dst = accumulator, src = DS:[RSI] */
	FORM_STR_CMP,     /* dst = accumulator, src = ES:[RDI] */
	FORM_STR_BOTH,    /* dst = ES:[RDI], src = DS:[RSI] */
	FORM_STR_COMPARE, /* dst = DS:[RSI], src = ES:[RDI] */
	FORM_STR_IN,      /* dst = ES:[RDI], src = DX */
	FORM_STR_OUT,     /* dst = DX, src = DS:[RSI] */
	FORM_IMPLIED,     /* no operands; the ModRM byte is part of the opcode */
	FORM_GROUP,       /* `op` is a group's number, ModRM.reg selects in it */
};

enum opcode_flag {
	OP_BYTE = 1 << 0,  /* 8-bit operands */
	OP_LOCK = 1 << 1,  /* LOCK is legal when dst is memory */
	OP_DEF64 = 1 << 2, /* 64-bit operands by default in 64-bit mode */
	OP_NO64 = 1 << 3,  /* not in 64-bit mode */
	OP_IMM8 = 1 << 4,  /* the immediate is one byte, sign-extended */
	OP_SRC8 = 1 << 5,  /* src is 8 bits, whatever dst is */
	OP_SRC16 = 1 << 6,
	OP_SRC32 = 1 << 7, /* in 64-bit mode with REX.W only: MOVSXD */
	OP_STORE = 1 << 8, /* memory only, 32 or 64 bits, no 66, F2 or F3 prefix: MOVNTI */
	OP_MAX32 = 1 << 9, /* REX.W does not make it 64 bits: port I/O */
};

struct opcode {
	uint8_t op;   /* enum insn_op; or a group's number */
	uint8_t form; /* enum opcode_form */
	uint16_t flags;
};

extern const struct opcode opcode_one_byte[256];
extern const struct opcode opcode_two_byte[256]; /* after 0F */
extern const struct opcode opcode_groups[][8];

#endif
