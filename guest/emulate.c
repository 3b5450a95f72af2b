/* The emulator: fetch, decode, operands, execution. */
#include "guest/emulate.h"

#include <asm/processor-flags.h>

#include "cpu/insn.h"
#include "guest/alu.h"
#include "guest/emulate_mem.h"
#include "guest/io.h"
#include "guest/vcpu_arch.h"
#include "guest/vm.h"
#include "lib/errno.h"

#define EFER_LMA BIT_ULL(10)

static void load_context(struct emulate_context *c, struct vcpu *vcpu)
{
	struct vcpu_segment cs;

	*c = (struct emulate_context){.vcpu = vcpu};
	c->rip = vcpu_arch_get(vcpu, VCPU_RIP);
	c->rflags = vcpu_arch_get(vcpu, VCPU_RFLAGS);
	c->paging.cr0 = vcpu_arch_get(vcpu, VCPU_CR0);
	c->paging.cr3 = vcpu_arch_get(vcpu, VCPU_CR3);
	c->paging.cr4 = vcpu_arch_get(vcpu, VCPU_CR4);
	c->paging.efer = vcpu_arch_get(vcpu, VCPU_EFER);
	c->paging.rflags = c->rflags;
	c->paging.cpl = vcpu_arch_cpl(vcpu);
	c->paging.maxphyaddr = vcpu->cpuid.ext[8].eax & 0xff;
	c->paging.has_1g_pages = vcpu->cpuid.ext[1].edx & BIT(26);
	if (unlikely(c->paging.cr4 & X86_CR4_PKE))
		c->paging.pkru = vcpu_arch_pkru(vcpu);
	if (!(c->paging.efer & EFER_LMA))
		vcpu_arch_get_pdptes(vcpu, c->paging.pdpte);
	vcpu_arch_get_segment(vcpu, SEG_CS, &cs);
	if ((c->paging.efer & EFER_LMA) && (cs.access & RIGHTS_L))
		c->mode = INSN_MODE_64;
	else if (!(c->paging.cr0 & X86_CR0_PE) || (c->rflags & X86_EFLAGS_VM))
		c->mode = INSN_MODE_16;
	else
		c->mode = cs.access & RIGHTS_DB ? INSN_MODE_32 : INSN_MODE_16;
	c->is_default_32 = cs.access & RIGHTS_DB;
}

/* --- registers --- */

static uint64_t read_gpr(struct emulate_context *c, unsigned reg)
{
	return reg == GPR_RSP ? vcpu_arch_get(c->vcpu, VCPU_RSP) : c->vcpu->regs.gpr[reg];
}

static void write_gpr(struct emulate_context *c, unsigned reg, unsigned size, uint64_t value)
{
	uint64_t old = read_gpr(c, reg);

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

static uint64_t read_reg_operand(struct emulate_context *c, const struct operand *op)
{
	uint64_t value = read_gpr(c, op->reg);

	return alu_cut(op->is_high_byte ? value >> 8 : value, op->size);
}

static void write_reg_operand(struct emulate_context *c, const struct operand *op, uint64_t value)
{
	if (op->is_high_byte) {
		uint64_t old = read_gpr(c, op->reg);

		write_gpr(c, op->reg, 8, (old & ~0xff00ull) | (value & 0xff) << 8);
	} else {
		write_gpr(c, op->reg, op->size, value);
	}
}

/* --- operands --- */

static uint64_t memory_offset(struct emulate_context *c)
{
	const struct insn *insn = &c->insn;
	uint64_t offset = (uint64_t)insn->disp;

	if (insn->base != INSN_NO_REG)
		offset += read_gpr(c, insn->base);
	if (insn->index != INSN_NO_REG)
		offset += read_gpr(c, insn->index) * insn->scale;
	if (insn->is_rip_relative)
		offset += c->rip + insn->len;
	return alu_cut(offset, insn->address_size);
}

/* BT and its kin with a register bit number reach beyond the operand. */
static uint64_t bit_string_offset(struct emulate_context *c, uint64_t offset)
{
	const struct insn *insn = &c->insn;

	if (insn->op >= INSN_BT && insn->op <= INSN_BTC && insn->src.kind == OPERAND_REG) {
		unsigned bits = insn->dst.size * 8;
		int64_t bit = (int64_t)read_gpr(c, insn->src.reg);

		if (insn->dst.size == 4)
			bit = (int32_t)bit;
		else if (insn->dst.size == 2)
			bit = (int16_t)bit;
		/* Floor division by a power of two. */
		offset += (uint64_t)((bit >> (bits == 64   ? 6
					      : bits == 32 ? 5
							   : 4)) *
				     (int64_t)insn->dst.size);
	}
	return alu_cut(offset, insn->address_size);
}

static bool read_operand(struct emulate_context *c, const struct operand *op,
			 enum emulate_access access, uint64_t *value)
{
	switch (op->kind) {
	case OPERAND_REG:
		*value = read_reg_operand(c, op);
		return true;
	case OPERAND_MEM:
		return emulate_access_memory(c, c->insn.segment,
					     bit_string_offset(c, memory_offset(c)), op->size,
					     access, value);
	case OPERAND_IMM:
		*value = op->imm;
		return true;
	default:
		*value = 0;
		return true;
	}
}

static bool write_operand(struct emulate_context *c, const struct operand *op, uint64_t value)
{
	if (op->kind == OPERAND_MEM)
		return emulate_access_memory(c, c->insn.segment,
					     bit_string_offset(c, memory_offset(c)), op->size,
					     MEMORY_WRITE, &value);
	write_reg_operand(c, op, value);
	return true;
}

static uint64_t sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): size >= 1 */
	return (uint64_t)((int64_t)(value << shift) >> shift);
}

/* --- instructions --- */

/* XCHG and XADD; a memory operand is dst, whose write may fault: the registers come after it. */
static bool exchange(struct emulate_context *c)
{
	const struct insn *insn = &c->insn;
	uint64_t dst, src, result;

	if (!read_operand(c, &insn->dst, MEMORY_MODIFY, &dst) ||
	    !read_operand(c, &insn->src, MEMORY_READ, &src))
		return false;
	result = src;
	if (insn->op == INSN_XADD)
		result = alu(INSN_ADD, dst, src, insn->dst.size, &c->rflags);
	if (insn->dst.kind == OPERAND_MEM)
		return write_operand(c, &insn->dst, result) && write_operand(c, &insn->src, dst);
	/* XADD of a register with itself leaves the sum. */
	return write_operand(c, &insn->src, dst) && write_operand(c, &insn->dst, result);
}

static bool compare_exchange(struct emulate_context *c)
{
	const struct insn *insn = &c->insn;
	unsigned size = insn->dst.size;
	uint64_t dst, src, accumulator = alu_cut(c->vcpu->regs.gpr[GPR_RAX], size);

	if (!read_operand(c, &insn->dst, MEMORY_MODIFY, &dst) ||
	    !read_operand(c, &insn->src, MEMORY_READ, &src))
		return false;
	alu(INSN_CMP, accumulator, dst, size, &c->rflags);
	if (accumulator == dst)
		return write_operand(c, &insn->dst, src);
	/* The CPU writes the destination in any case. */
	if (!write_operand(c, &insn->dst, dst))
		return false;
	write_gpr(c, GPR_RAX, size, dst);
	return true;
}

static bool execute(struct emulate_context *c)
{
	const struct insn *insn = &c->insn;
	bool is_test = insn->op == INSN_CMP || insn->op == INSN_TEST || insn->op == INSN_BT;
	uint64_t dst = 0, src = 0, result;

	switch (insn->op) {
	case INSN_MOV:
	case INSN_MOVZX:
		return read_operand(c, &insn->src, MEMORY_READ, &src) &&
		       write_operand(c, &insn->dst, src);
	case INSN_MOVSX:
		return read_operand(c, &insn->src, MEMORY_READ, &src) &&
		       write_operand(c, &insn->dst, sign_extend(src, insn->src.size));
	case INSN_XCHG:
	case INSN_XADD:
		return exchange(c);
	case INSN_CMPXCHG:
		return compare_exchange(c);
	default:
		if (!read_operand(c, &insn->dst, is_test ? MEMORY_READ : MEMORY_MODIFY, &dst) ||
		    !read_operand(c, &insn->src, MEMORY_READ, &src))
			return false;
		result = alu((enum insn_op)insn->op, dst, src, insn->dst.size, &c->rflags);
		return is_test || write_operand(c, &insn->dst, result);
	}
}

static void advance(struct emulate_context *c, unsigned reg, unsigned size)
{
	uint64_t step = c->rflags & RFLAGS_DF ? -(uint64_t)size : size;

	write_gpr(c, reg, c->insn.address_size, read_gpr(c, reg) + step);
}

/* One iteration of a string instruction; false after a fault. */
static bool string_step(struct emulate_context *c, unsigned size)
{
	const struct insn *insn = &c->insn;
	uint64_t rsi = alu_cut(read_gpr(c, GPR_RSI), insn->address_size);
	uint64_t rdi = alu_cut(read_gpr(c, GPR_RDI), insn->address_size);
	uint16_t port = (uint16_t)c->vcpu->regs.gpr[GPR_RDX];
	uint64_t value = alu_cut(c->vcpu->regs.gpr[GPR_RAX], size), other;
	struct emulate_place place;

	switch (insn->op) {
	case INSN_MOVS:
		if (!emulate_access_memory(c, insn->segment, rsi, size, MEMORY_READ, &value) ||
		    !emulate_access_memory(c, SEG_ES, rdi, size, MEMORY_WRITE, &value))
			return false;
		break;
	case INSN_STOS:
		if (!emulate_access_memory(c, SEG_ES, rdi, size, MEMORY_WRITE, &value))
			return false;
		break;
	case INSN_LODS:
		if (!emulate_access_memory(c, insn->segment, rsi, size, MEMORY_READ, &value))
			return false;
		write_gpr(c, GPR_RAX, size, value);
		break;
	case INSN_CMPS:
		if (!emulate_access_memory(c, insn->segment, rsi, size, MEMORY_READ, &value) ||
		    !emulate_access_memory(c, SEG_ES, rdi, size, MEMORY_READ, &other))
			return false;
		alu(INSN_CMP, value, other, size, &c->rflags);
		break;
	case INSN_SCAS:
		if (!emulate_access_memory(c, SEG_ES, rdi, size, MEMORY_READ, &other))
			return false;
		alu(INSN_CMP, value, other, size, &c->rflags);
		break;
	case INSN_OUTS:
		if (!emulate_access_memory(c, insn->segment, rsi, size, MEMORY_READ, &value))
			return false;
		io_write(c->vcpu, port, size, value);
		break;
	default: /* INS: the destination is found writable before the port is read */
		if (!emulate_find_place(c, SEG_ES, rdi, size, true, &place))
			return false;
		emulate_store(c, &place, io_read(c->vcpu, port, size));
		break;
	}
	if (insn->op == INSN_MOVS || insn->op == INSN_LODS || insn->op == INSN_CMPS ||
	    insn->op == INSN_OUTS)
		advance(c, GPR_RSI, size);
	if (insn->op != INSN_LODS && insn->op != INSN_OUTS)
		advance(c, GPR_RDI, size);
	return true;
}

static enum emulate_result execute_string(struct emulate_context *c)
{
	const struct insn *insn = &c->insn;
	unsigned size = insn->dst.kind == OPERAND_MEM ? insn->dst.size : insn->src.size;
	bool is_repeated = insn->has_rep || insn->has_repne;
	bool is_comparing = insn->op == INSN_CMPS || insn->op == INSN_SCAS;
	uint64_t end;

	if (!is_repeated)
		return string_step(c, size) ? EMULATE_DONE : EMULATE_FAULT;
	/* An iteration may be a device's whole piece of work. */
	end = rdtsc() + ns_to_tsc(&vm_machine.tsc, WORK_NS);
	do {
		uint64_t count = alu_cut(read_gpr(c, GPR_RCX), insn->address_size);

		if (!count)
			return EMULATE_DONE;
		if (!string_step(c, size))
			return EMULATE_FAULT;
		write_gpr(c, GPR_RCX, insn->address_size, count - 1);
		if (is_comparing && !(c->rflags & RFLAGS_ZF) != insn->has_repne)
			return EMULATE_DONE;
		/* The VM may have ended by what was written. */
	} while (!__atomic_load_n(&c->vcpu->requests, __ATOMIC_RELAXED) && rdtsc() < end);
	return alu_cut(read_gpr(c, GPR_RCX), insn->address_size) ? EMULATE_AGAIN : EMULATE_DONE;
}

/* --- fetch --- */

static enum emulate_result fetch(struct emulate_context *c, struct emulation *e)
{
	int ret = -EAGAIN;

	e->byte_count = 0;
	while (ret == -EAGAIN && e->byte_count < INSN_MAX_LEN) {
		unsigned n = INSN_MAX_LEN - e->byte_count;
		gpa_t gpa;

		if (!emulate_find_code(c, e->byte_count, &n, &gpa))
			return EMULATE_FAULT;
		if (gmem_read(&c->vcpu->vm->gmem, gpa, e->bytes + e->byte_count, n)) {
			e->why = "its bytes are not in RAM";
			return EMULATE_FAILED;
		}
		e->byte_count += n;
		ret = insn_decode(e->bytes, e->byte_count, c->mode, c->is_default_32, &c->insn);
	}
	if (ret) {
		e->why = "not an instruction that Carousel executes on device memory";
		return EMULATE_FAILED;
	}
	e->len = c->insn.len;
	return EMULATE_DONE;
}

bool emulate_is_at(struct vcpu *vcpu, const uint8_t *bytes, unsigned count)
{
	struct vcpu_segment cs;
	struct emulate_context c;

	load_context(&c, vcpu);
	vcpu_arch_get_segment(vcpu, SEG_CS, &cs);
	for (unsigned i = 0; i < count; i++) {
		uint64_t la = c.mode == INSN_MODE_64 ? c.rip + i : (uint32_t)(c.rip + i + cs.base);
		uint32_t error;
		uint8_t byte;
		gpa_t gpa;

		if (pgwalk(&vcpu->vm->gmem, &c.paging, la, PGWALK_FETCH, &gpa, &error) ||
		    gmem_read(&vcpu->vm->gmem, gpa, &byte, 1) || byte != bytes[i])
			return false;
	}
	return true;
}

enum emulate_result emulate_instruction(struct vcpu *vcpu, const struct emulate_known *known,
					struct emulation *e)
{
	enum emulate_result result;
	struct emulate_context c;
	uint64_t rflags;

	load_context(&c, vcpu);
	c.known = known;
	result = fetch(&c, e);
	if (result != EMULATE_DONE)
		return result;
	rflags = c.rflags;
	switch (c.insn.op) {
	case INSN_VMCALL:
	case INSN_VMMCALL:
	case INSN_PUSH:
	case INSN_POP:
		e->why = "not an instruction that Carousel executes on device memory";
		return EMULATE_FAILED;
	case INSN_MOVS:
	case INSN_STOS:
	case INSN_LODS:
	case INSN_CMPS:
	case INSN_SCAS:
	case INSN_INS:
	case INSN_OUTS:
		result = execute_string(&c);
		break;
	default:
		result = execute(&c) ? EMULATE_DONE : EMULATE_FAULT;
		break;
	}
	if (c.rflags != rflags && result != EMULATE_FAULT)
		vcpu_arch_set(vcpu, VCPU_RFLAGS, c.rflags);
	return result;
}
