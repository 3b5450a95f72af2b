/* The opcode tables (SDM, 'Opcode Map'): what kernels use on device memory and for string I/O. */
#include "guest/decode_table.h"
#include "guest/decode.h"

enum group { GROUP_ALU, GROUP_TEST, GROUP_INC, GROUP_PUSH, GROUP_MOV, GROUP_POP, GROUP_BT };

/* clang-format off */
const struct opcode opcode_groups[][8] = {
	[GROUP_ALU] = {
		{INSN_ADD, FORM_RM_IMM, OP_LOCK}, {INSN_OR, FORM_RM_IMM, OP_LOCK},
		{INSN_ADC, FORM_RM_IMM, OP_LOCK}, {INSN_SBB, FORM_RM_IMM, OP_LOCK},
		{INSN_AND, FORM_RM_IMM, OP_LOCK}, {INSN_SUB, FORM_RM_IMM, OP_LOCK},
		{INSN_XOR, FORM_RM_IMM, OP_LOCK}, {INSN_CMP, FORM_RM_IMM, 0},
	},
	[GROUP_TEST] = {
		[0] = {INSN_TEST, FORM_RM_IMM, 0},
		[2] = {INSN_NOT, FORM_RM_DST, OP_LOCK},
		[3] = {INSN_NEG, FORM_RM_DST, OP_LOCK},
	},
	[GROUP_INC] = {{INSN_INC, FORM_RM_DST, OP_LOCK}, {INSN_DEC, FORM_RM_DST, OP_LOCK}},
	[GROUP_PUSH] = {
		[0] = {INSN_INC, FORM_RM_DST, OP_LOCK},
		[1] = {INSN_DEC, FORM_RM_DST, OP_LOCK},
		[6] = {INSN_PUSH, FORM_RM_SRC, OP_DEF64},
	},
	[GROUP_MOV] = {{INSN_MOV, FORM_RM_IMM, 0}},
	[GROUP_POP] = {{INSN_POP, FORM_RM_DST, OP_DEF64}},
	[GROUP_BT] = {
		[4] = {INSN_BT, FORM_RM_IMM, OP_SRC8},
		[5] = {INSN_BTS, FORM_RM_IMM, OP_SRC8 | OP_LOCK},
		[6] = {INSN_BTR, FORM_RM_IMM, OP_SRC8 | OP_LOCK},
		[7] = {INSN_BTC, FORM_RM_IMM, OP_SRC8 | OP_LOCK},
	},
};

#define ALU(base, op, lock)                                                                        \
	[(base)] = {op, FORM_RM_R, OP_BYTE | (lock)}, [(base) + 1] = {op, FORM_RM_R, lock},        \
	[(base) + 2] = {op, FORM_R_RM, OP_BYTE}, [(base) + 3] = {op, FORM_R_RM, 0},                \
	[(base) + 4] = {op, FORM_ACC_IMM, OP_BYTE}, [(base) + 5] = {op, FORM_ACC_IMM, 0}

const struct opcode opcode_one_byte[256] = {
	ALU(0x00, INSN_ADD, OP_LOCK), ALU(0x08, INSN_OR, OP_LOCK), ALU(0x10, INSN_ADC, OP_LOCK),
	ALU(0x18, INSN_SBB, OP_LOCK), ALU(0x20, INSN_AND, OP_LOCK), ALU(0x28, INSN_SUB, OP_LOCK),
	ALU(0x30, INSN_XOR, OP_LOCK), ALU(0x38, INSN_CMP, 0),
	[0x40 ... 0x47] = {INSN_INC, FORM_OPC_DST, OP_NO64},
	[0x48 ... 0x4f] = {INSN_DEC, FORM_OPC_DST, OP_NO64},
	[0x50 ... 0x57] = {INSN_PUSH, FORM_OPC_SRC, OP_DEF64},
	[0x58 ... 0x5f] = {INSN_POP, FORM_OPC_DST, OP_DEF64},
	[0x63] = {INSN_MOVSX, FORM_R_RM, OP_SRC32},
	[0x68] = {INSN_PUSH, FORM_IMM_SRC, OP_DEF64},
	[0x6a] = {INSN_PUSH, FORM_IMM_SRC, OP_DEF64 | OP_IMM8},
	[0x6c] = {INSN_INS, FORM_STR_IN, OP_BYTE}, [0x6d] = {INSN_INS, FORM_STR_IN, OP_MAX32},
	[0x6e] = {INSN_OUTS, FORM_STR_OUT, OP_BYTE}, [0x6f] = {INSN_OUTS, FORM_STR_OUT, OP_MAX32},
	[0x80] = {GROUP_ALU, FORM_GROUP, OP_BYTE}, [0x81] = {GROUP_ALU, FORM_GROUP, 0},
	[0x82] = {GROUP_ALU, FORM_GROUP, OP_BYTE | OP_NO64},
	[0x83] = {GROUP_ALU, FORM_GROUP, OP_IMM8},
	[0x84] = {INSN_TEST, FORM_RM_R, OP_BYTE}, [0x85] = {INSN_TEST, FORM_RM_R, 0},
	[0x86] = {INSN_XCHG, FORM_RM_R, OP_BYTE | OP_LOCK},
	[0x87] = {INSN_XCHG, FORM_RM_R, OP_LOCK},
	[0x88] = {INSN_MOV, FORM_RM_R, OP_BYTE}, [0x89] = {INSN_MOV, FORM_RM_R, 0},
	[0x8a] = {INSN_MOV, FORM_R_RM, OP_BYTE}, [0x8b] = {INSN_MOV, FORM_R_RM, 0},
	[0x8f] = {GROUP_POP, FORM_GROUP, 0},
	[0x90 ... 0x97] = {INSN_XCHG, FORM_ACC_OPC, 0},
	[0xa0] = {INSN_MOV, FORM_ACC_MOFFS, OP_BYTE}, [0xa1] = {INSN_MOV, FORM_ACC_MOFFS, 0},
	[0xa2] = {INSN_MOV, FORM_MOFFS_ACC, OP_BYTE}, [0xa3] = {INSN_MOV, FORM_MOFFS_ACC, 0},
	[0xa4] = {INSN_MOVS, FORM_STR_BOTH, OP_BYTE}, [0xa5] = {INSN_MOVS, FORM_STR_BOTH, 0},
	[0xa6] = {INSN_CMPS, FORM_STR_COMPARE, OP_BYTE}, [0xa7] = {INSN_CMPS, FORM_STR_COMPARE, 0},
	[0xa8] = {INSN_TEST, FORM_ACC_IMM, OP_BYTE}, [0xa9] = {INSN_TEST, FORM_ACC_IMM, 0},
	[0xaa] = {INSN_STOS, FORM_STR_DST, OP_BYTE}, [0xab] = {INSN_STOS, FORM_STR_DST, 0},
	[0xac] = {INSN_LODS, FORM_STR_SRC, OP_BYTE}, [0xad] = {INSN_LODS, FORM_STR_SRC, 0},
	[0xae] = {INSN_SCAS, FORM_STR_CMP, OP_BYTE}, [0xaf] = {INSN_SCAS, FORM_STR_CMP, 0},
	[0xb0 ... 0xb7] = {INSN_MOV, FORM_OPC_IMM, OP_BYTE},
	[0xb8 ... 0xbf] = {INSN_MOV, FORM_OPC_IMM, 0},
	[0xc6] = {GROUP_MOV, FORM_GROUP, OP_BYTE}, [0xc7] = {GROUP_MOV, FORM_GROUP, 0},
	[0xf6] = {GROUP_TEST, FORM_GROUP, OP_BYTE}, [0xf7] = {GROUP_TEST, FORM_GROUP, 0},
	[0xfe] = {GROUP_INC, FORM_GROUP, OP_BYTE}, [0xff] = {GROUP_PUSH, FORM_GROUP, 0},
};

const struct opcode opcode_two_byte[256] = {
	[0x01] = {0, FORM_IMPLIED, 0},
	[0xa3] = {INSN_BT, FORM_RM_R, 0}, [0xab] = {INSN_BTS, FORM_RM_R, OP_LOCK},
	[0xb3] = {INSN_BTR, FORM_RM_R, OP_LOCK}, [0xbb] = {INSN_BTC, FORM_RM_R, OP_LOCK},
	[0xba] = {GROUP_BT, FORM_GROUP, OP_IMM8},
	[0xb0] = {INSN_CMPXCHG, FORM_RM_R, OP_BYTE | OP_LOCK},
	[0xb1] = {INSN_CMPXCHG, FORM_RM_R, OP_LOCK},
	[0xb6] = {INSN_MOVZX, FORM_R_RM, OP_SRC8}, [0xb7] = {INSN_MOVZX, FORM_R_RM, OP_SRC16},
	[0xbe] = {INSN_MOVSX, FORM_R_RM, OP_SRC8}, [0xbf] = {INSN_MOVSX, FORM_R_RM, OP_SRC16},
	[0xc0] = {INSN_XADD, FORM_RM_R, OP_BYTE | OP_LOCK},
	[0xc1] = {INSN_XADD, FORM_RM_R, OP_LOCK},
	[0xc3] = {INSN_MOV, FORM_RM_R, OP_STORE},
};
/* clang-format on */
