/* The instruction decoder: prefixes, ModRM/SIB addressing and immediates (SDM,
 * 'Instruction Format'). */
#include "guest/decode.h"
#include "guest/decode_table.h"
#include "lib/errno.h"

#define REX_B BIT(0)
#define REX_X BIT(1)
#define REX_R BIT(2)
#define REX_W BIT(3)

#define REG_RAX 0
#define REG_RDX 2
#define REG_RBX 3
#define REG_RSP 4
#define REG_RBP 5
#define REG_RSI 6
#define REG_RDI 7

#define NO_OVERRIDE 0xff

/* A decoding under way. The first error stays; what is taken after it reads as 0. */
struct decoder {
	const uint8_t *bytes;
	unsigned len, at;
	int err;
	enum insn_mode mode;
	bool default_operand_32;
	bool has_66, has_67;
	uint8_t rex;      /* 0 when there is none */
	uint8_t override; /* enum insn_segment or NO_OVERRIDE */
	uint8_t opcode;
	uint16_t flags;
	uint8_t size;  /* operand size in bytes */
	uint8_t modrm; /* valid once operand_rm has run */
	struct insn *out;
};

static uint64_t take(struct decoder *d, unsigned n)
{
	uint64_t v = 0;

	if (d->err)
		return 0;
	if (n > d->len - d->at) {
		/* SDM, 'Instruction Format': 'maximum instruction length of 15 bytes'. */
		d->err = d->len < INSN_MAX_LEN ? -EAGAIN : -EILSEQ;
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)d->bytes[d->at + i] << (8 * i);
	d->at += n;
	return v;
}

static uint64_t take_signed(struct decoder *d, unsigned n)
{
	unsigned shift = 64 - 8 * n;

	return (uint64_t)((int64_t)(take(d, n) << shift) >> shift);
}

static void fail(struct decoder *d)
{
	if (!d->err)
		d->err = -EINVAL;
}

/* In 64-bit mode the CS, DS, ES and SS override prefixes are ignored. */
static void set_override(struct decoder *d, enum insn_segment segment)
{
	if (d->mode != INSN_MODE_64 || segment >= SEG_FS)
		d->override = (uint8_t)segment;
}

static void take_prefixes(struct decoder *d)
{
	for (;;) {
		uint8_t byte = (uint8_t)take(d, 1);

		if (d->err)
			return;
		switch (byte) {
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			set_override(d, (enum insn_segment)(SEG_ES + (byte - 0x26) / 8));
			break;
		case 0x64:
		case 0x65:
			set_override(d, (enum insn_segment)(SEG_FS + byte - 0x64));
			break;
		case 0x66:
			d->has_66 = true;
			break;
		case 0x67:
			d->has_67 = true;
			break;
		case 0xf0:
			d->out->has_lock = true;
			break;
		case 0xf2:
		case 0xf3: /* the last one counts */
			d->out->has_rep = byte == 0xf3;
			d->out->has_repne = byte == 0xf2;
			break;
		default:
			if (d->mode == INSN_MODE_64 && (byte & 0xf0) == 0x40) {
				d->rex = byte;
				continue;
			}
			d->opcode = byte;
			return;
		}
		d->rex = 0; /* a REX prefix that is not the last one is ignored */
	}
}

/* --- operands -----------------------------------------------------------------------------------
 */

/* A register by its encoding. Without REX, byte registers 4-7 are AH, CH, DH, BH. */
static void operand_reg(const struct decoder *d, struct operand *o, unsigned reg, unsigned size)
{
	o->kind = OPERAND_REG;
	o->size = (uint8_t)size;
	o->is_high_byte = size == 1 && !d->rex && reg >= 4;
	o->reg = (uint8_t)(o->is_high_byte ? reg - 4 : reg);
}

static void operand_mem(struct operand *o, unsigned size)
{
	o->kind = OPERAND_MEM;
	o->size = (uint8_t)size;
	o->reg = INSN_NO_REG;
}

/* SDM, '16-Bit Addressing Forms with the ModR/M Byte'. */
static void address_16(struct decoder *d, unsigned mod, unsigned rm)
{
	static const uint8_t base[8] = {REG_RBX, REG_RBX, REG_RBP, REG_RBP,
					REG_RSI, REG_RDI, REG_RBP, REG_RBX};
	static const uint8_t index[8] = {REG_RSI,     REG_RDI,     REG_RSI,     REG_RDI,
					 INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG};
	struct insn *out = d->out;

	if (mod == 0 && rm == 6) {
		out->disp = (int64_t)take_signed(d, 2);
		return;
	}
	out->base = base[rm];
	out->index = index[rm];
	if (mod)
		out->disp = (int64_t)take_signed(d, mod);
}

/* SDM, '32-Bit Addressing Forms with the ModR/M Byte' and '[...] with the SIB Byte', and
 * 'RIP-Relative Addressing'. */
static void address_32(struct decoder *d, unsigned mod, unsigned rm)
{
	struct insn *out = d->out;
	unsigned base = rm;

	if (rm == 4) {
		uint8_t sib = (uint8_t)take(d, 1);
		unsigned index = (sib >> 3 & 7) | (d->rex & REX_X ? 8 : 0);

		base = sib & 7;
		if (index != 4) {
			out->index = (uint8_t)index;
			out->scale = (uint8_t)(1 << (sib >> 6));
		}
	}
	if (mod == 0 && base == 5) {
		out->disp = (int64_t)take_signed(d, 4);
		out->is_rip_relative = rm == 5 && d->mode == INSN_MODE_64;
		return;
	}
	out->base = (uint8_t)(base | (d->rex & REX_B ? 8 : 0));
	if (mod)
		out->disp = (int64_t)take_signed(d, mod == 1 ? 1 : 4);
}

/* Takes ModRM and what follows it, and makes its r/m operand. */
static void operand_rm(struct decoder *d, struct operand *o, unsigned size)
{
	struct insn *out = d->out;
	unsigned mod, rm;

	d->modrm = (uint8_t)take(d, 1);
	mod = d->modrm >> 6;
	rm = d->modrm & 7;
	if (mod == 3) {
		operand_reg(d, o, rm | (d->rex & REX_B ? 8 : 0), size);
		return;
	}
	operand_mem(o, size);
	if (out->address_size == 2)
		address_16(d, mod, rm);
	else
		address_32(d, mod, rm);
	/* The stack segment for addresses by RSP or RBP, the data segment for the rest. */
	out->segment = out->base == REG_RSP || out->base == REG_RBP ? SEG_SS : SEG_DS;
	if (d->override != NO_OVERRIDE)
		out->segment = d->override;
}

/* The register operand of ModRM.reg; after operand_rm. */
static void operand_modrm_reg(const struct decoder *d, struct operand *o)
{
	operand_reg(d, o, (d->modrm >> 3 & 7) | (d->rex & REX_R ? 8 : 0), d->size);
}

static void operand_imm(struct decoder *d, struct operand *o)
{
	o->kind = OPERAND_IMM;
	o->size = d->flags & OP_SRC8 ? 1 : d->size;
	o->reg = INSN_NO_REG;
	o->imm = take_signed(d, d->flags & OP_IMM8 ? 1 : MIN((unsigned)d->size, 4u));
}

static void operand_moffs(struct decoder *d, struct operand *o)
{
	operand_mem(o, d->size);
	d->out->disp = (int64_t)take(d, d->out->address_size);
	d->out->segment = d->override != NO_OVERRIDE ? d->override : SEG_DS;
}

/* [RSI] can be overridden, ES:[RDI] cannot. */
static void operands_string(struct decoder *d, enum opcode_form form)
{
	struct insn *out = d->out;
	bool has_rsi = form == FORM_STR_SRC || form == FORM_STR_BOTH || form == FORM_STR_COMPARE ||
		       form == FORM_STR_OUT;

	operand_mem(&out->dst, d->size);
	operand_mem(&out->src, d->size);
	if (form == FORM_STR_DST)
		operand_reg(d, &out->src, REG_RAX, d->size);
	else if (form == FORM_STR_SRC || form == FORM_STR_CMP)
		operand_reg(d, &out->dst, REG_RAX, d->size);
	else if (form == FORM_STR_IN)
		operand_reg(d, &out->src, REG_RDX, 2);
	else if (form == FORM_STR_OUT)
		operand_reg(d, &out->dst, REG_RDX, 2);
	out->segment = SEG_ES;
	if (has_rsi)
		out->segment = d->override != NO_OVERRIDE ? d->override : SEG_DS;
}

static unsigned source_size(const struct decoder *d)
{
	return d->flags & OP_SRC8 ? 1 : d->flags & OP_SRC16 ? 2 : d->flags & OP_SRC32 ? 4 : d->size;
}

static void take_operands(struct decoder *d, enum opcode_form form)
{
	struct insn *out = d->out;
	unsigned opc_reg = (d->opcode & 7) | (d->rex & REX_B ? 8 : 0);

	switch (form) {
	case FORM_RM_R:
		operand_rm(d, &out->dst, d->size);
		operand_modrm_reg(d, &out->src);
		break;
	case FORM_R_RM:
		operand_rm(d, &out->src, source_size(d));
		operand_modrm_reg(d, &out->dst);
		break;
	case FORM_RM_IMM:
		operand_rm(d, &out->dst, d->size);
		operand_imm(d, &out->src);
		break;
	case FORM_RM_DST:
		operand_rm(d, &out->dst, d->size);
		break;
	case FORM_RM_SRC:
		operand_rm(d, &out->src, d->size);
		break;
	case FORM_ACC_IMM:
		operand_reg(d, &out->dst, REG_RAX, d->size);
		operand_imm(d, &out->src);
		break;
	case FORM_ACC_MOFFS:
		operand_reg(d, &out->dst, REG_RAX, d->size);
		operand_moffs(d, &out->src);
		break;
	case FORM_MOFFS_ACC:
		operand_moffs(d, &out->dst);
		operand_reg(d, &out->src, REG_RAX, d->size);
		break;
	case FORM_OPC_DST:
		operand_reg(d, &out->dst, opc_reg, d->size);
		break;
	case FORM_OPC_SRC:
		operand_reg(d, &out->src, opc_reg, d->size);
		break;
	case FORM_OPC_IMM:
		operand_reg(d, &out->dst, opc_reg, d->size);
		operand_imm(d, &out->src);
		if (d->size == 8) /* MOV alone has a 64-bit immediate: its upper half follows */
			out->src.imm = (uint32_t)out->src.imm | take(d, 4) << 32;
		break;
	case FORM_ACC_OPC:
		operand_reg(d, &out->dst, opc_reg, d->size);
		operand_reg(d, &out->src, REG_RAX, d->size);
		if (opc_reg == REG_RAX || out->has_rep) /* NOP and PAUSE */
			fail(d);
		break;
	case FORM_IMM_SRC:
		operand_imm(d, &out->src);
		break;
	default:
		operands_string(d, form);
		break;
	}
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static void set_sizes(struct decoder *d)
{
	bool is_64 = d->mode == INSN_MODE_64;
	bool is_32 = (is_64 || d->default_operand_32) != d->has_66;

	if (d->flags & OP_BYTE)
		d->size = 1;
	else if (d->rex & REX_W)
		d->size = d->flags & OP_MAX32 ? 4 : 8;
	else if (d->flags & OP_STORE)
		d->size = 4;
	else if ((d->flags & OP_DEF64) && is_64 && !d->has_66)
		d->size = 8;
	else
		d->size = is_32 ? 4 : 2;

	if (is_64)
		d->out->address_size = d->has_67 ? 4 : 8;
	else
		d->out->address_size = (d->mode == INSN_MODE_32) != d->has_67 ? 4 : 2;
}

/* VMCALL and VMMCALL: the byte after 0F 01 is part of the opcode. */
static void take_implied(struct decoder *d)
{
	uint8_t byte = (uint8_t)take(d, 1);

	if (byte == 0xc1)
		d->out->op = INSN_VMCALL;
	else if (byte == 0xd9)
		d->out->op = INSN_VMMCALL;
	else
		fail(d);
	if (d->has_66 || d->out->has_rep || d->out->has_repne)
		fail(d);
}

/* The opcode's entry, with a group's member looked up and the flags of both. */
static struct opcode find_opcode(struct decoder *d)
{
	struct opcode entry = opcode_one_byte[d->opcode];

	if (d->opcode == 0x0f) {
		d->opcode = (uint8_t)take(d, 1);
		entry = opcode_two_byte[d->opcode];
	}
	if (entry.form == FORM_GROUP) {
		uint16_t flags = entry.flags;

		entry = opcode_groups[entry.op][take(d, 1) >> 3 & 7];
		if (!d->err)
			d->at--; /* operand_rm takes the ModRM byte */
		entry.flags |= flags;
	}
	return entry;
}

int insn_decode(const uint8_t *bytes, unsigned len, enum insn_mode mode, bool default_operand_32,
		struct insn *out)
{
	struct decoder d = {
		.bytes = bytes,
		.len = MIN(len, (unsigned)INSN_MAX_LEN),
		.mode = mode,
		.default_operand_32 = default_operand_32,
		.override = NO_OVERRIDE,
		.out = out,
	};
	struct opcode entry;

	*out = (struct insn){
		.base = INSN_NO_REG, .index = INSN_NO_REG, .scale = 1, .segment = SEG_DS};
	out->dst.reg = out->src.reg = INSN_NO_REG;
	take_prefixes(&d);
	entry = find_opcode(&d);
	if (d.err)
		return d.err;
	d.flags = entry.flags;
	out->op = entry.op;
	out->has_rex = d.rex;
	set_sizes(&d);
	if (entry.form == FORM_NONE || ((d.flags & OP_NO64) && mode == INSN_MODE_64))
		return -EINVAL;
	if ((d.flags & OP_SRC32) && !(d.rex & REX_W)) /* ARPL outside 64-bit mode */
		return -EINVAL;
	if (entry.form == FORM_IMPLIED)
		take_implied(&d);
	else
		take_operands(&d, (enum opcode_form)entry.form);
	/* SDM, 'LOCK': #UD with any instruction that is not in its list, and without a memory
	 * destination. */
	if (!d.err && out->has_lock && (!(d.flags & OP_LOCK) || out->dst.kind != OPERAND_MEM))
		d.err = -EILSEQ;
	if ((d.flags & OP_STORE) &&
	    (out->dst.kind != OPERAND_MEM || d.has_66 || out->has_rep || out->has_repne))
		fail(&d);
	out->len = (uint8_t)d.at;
	return d.err;
}
