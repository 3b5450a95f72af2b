/* The registers and addresses of operands. */
#include "guest/alu.h"
#include "guest/emulate_mem.h"
#include "guest/vcpu_arch.h"

uint64_t emulate_read_gpr(const struct emulate_context *c, unsigned reg)
{
	return reg == GPR_RSP ? vcpu_arch_get(c->vcpu, VCPU_RSP) : c->vcpu->regs.gpr[reg];
}

void emulate_write_gpr(struct emulate_context *c, unsigned reg, unsigned size, uint64_t value)
{
	uint64_t old = emulate_read_gpr(c, reg);

	/* 32-bit results clear the upper half; narrower ones leave the rest. */
	if (size == 4)
		value = (uint32_t)value;
	else
		value = (old & ~alu_cut(UINT64_MAX, size)) | alu_cut(value, size);
	if (reg == GPR_RSP)
		vcpu_arch_set(c->vcpu, VCPU_RSP, value);
	else
		c->vcpu->regs.gpr[reg] = value;
}

/* BT and its kin with a register bit number reach beyond the operand: floor division of the signed
 * number by the operand's bits, a power of two. */
static uint64_t bit_string_distance(const struct emulate_context *c)
{
	const struct insn *insn = &c->insn;
	unsigned bits = insn->dst.size * 8;
	int64_t bit = (int64_t)emulate_read_gpr(c, insn->src.reg);

	if (insn->dst.size == 4)
		bit = (int32_t)bit;
	else if (insn->dst.size == 2)
		bit = (int16_t)bit;
	return (uint64_t)((bit >> (bits == 64 ? 6 : bits == 32 ? 5 : 4)) * (int64_t)insn->dst.size);
}

uint64_t emulate_offset(const struct emulate_context *c)
{
	const struct insn *insn = &c->insn;
	uint64_t offset = (uint64_t)insn->disp;

	if (insn->base != INSN_NO_REG)
		offset += emulate_read_gpr(c, insn->base);
	if (insn->index != INSN_NO_REG)
		offset += emulate_read_gpr(c, insn->index) * insn->scale;
	if (insn->is_rip_relative)
		offset += c->rip + insn->len;
	if (insn->op >= INSN_BT && insn->op <= INSN_BTC && insn->src.kind == OPERAND_REG)
		offset += bit_string_distance(c);
	return alu_cut(offset, insn->address_size);
}
