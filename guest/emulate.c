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
#include "lib/string.h"

#define EFER_LMA BIT_ULL(10)

enum { VECTOR_UD = 6 };

static const char not_executed[] = "not an instruction that Carousel executes on device memory";

void emulate_load_context(struct emulate_context *c, struct vcpu *vcpu)
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
	if (vcpu_arch_is_64bit(vcpu)) {
		c->mode = INSN_MODE_64;
		return;
	}
	/* In real mode, too, where it is what protected mode has left. */
	vcpu_arch_get_segment(vcpu, SEG_CS, &cs);
	c->is_default_32 = cs.access & RIGHTS_DB;
	c->mode = c->is_default_32 ? INSN_MODE_32 : INSN_MODE_16;
}

/* --- operands --- */

static uint64_t read_reg_operand(struct emulate_context *c, const struct operand *op)
{
	uint64_t value = emulate_read_gpr(c, op->reg);

	return alu_cut(op->is_high_byte ? value >> 8 : value, op->size);
}

static void write_reg_operand(struct emulate_context *c, const struct operand *op, uint64_t value)
{
	if (op->is_high_byte) {
		uint64_t old = emulate_read_gpr(c, op->reg);

		emulate_write_gpr(c, op->reg, 8, (old & ~0xff00ull) | (value & 0xff) << 8);
	} else {
		emulate_write_gpr(c, op->reg, op->size, value);
	}
}

static bool read_operand(struct emulate_context *c, const struct operand *op,
			 enum emulate_access access, uint64_t *value)
{
	switch (op->kind) {
	case OPERAND_REG:
		*value = read_reg_operand(c, op);
		return true;
	case OPERAND_MEM:
		return emulate_access_memory(c, c->insn.segment, c->offset, op->size, access,
					     value);
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
		return emulate_access_memory(c, c->insn.segment, c->offset, op->size, MEMORY_WRITE,
					     &value);
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
	emulate_write_gpr(c, GPR_RAX, size, dst);
	return true;
}

static bool execute(struct emulate_context *c)
{
	const struct insn *insn = &c->insn;
	bool is_test = emulate_is_test(insn);
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

	emulate_write_gpr(c, reg, c->insn.address_size, emulate_read_gpr(c, reg) + step);
}

/* One iteration of a string instruction; false after a fault. */
static bool string_step(struct emulate_context *c, unsigned size)
{
	const struct insn *insn = &c->insn;
	uint64_t rsi = alu_cut(emulate_read_gpr(c, GPR_RSI), insn->address_size);
	uint64_t rdi = alu_cut(emulate_read_gpr(c, GPR_RDI), insn->address_size);
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
		emulate_write_gpr(c, GPR_RAX, size, value);
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
		uint64_t count = alu_cut(emulate_read_gpr(c, GPR_RCX), insn->address_size);

		if (!count)
			return EMULATE_DONE;
		if (!string_step(c, size))
			return EMULATE_FAULT;
		emulate_write_gpr(c, GPR_RCX, insn->address_size, count - 1);
		if (is_comparing && !(c->rflags & RFLAGS_ZF) != insn->has_repne)
			return EMULATE_DONE;
		/* The VM may have ended by what was written. */
	} while (!__atomic_load_n(&c->vcpu->requests, __ATOMIC_RELAXED) && rdtsc() < end);
	return alu_cut(emulate_read_gpr(c, GPR_RCX), insn->address_size) ? EMULATE_AGAIN
									 : EMULATE_DONE;
}

/* --- fetch --- */

enum emulate_result emulate_fetch(struct emulate_context *c, struct emulation *e)
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
	if (ret == -EILSEQ) /* the CPU would not have come this far */
		return EMULATE_AGAIN;
	if (ret) {
		e->why = not_executed;
		return EMULATE_FAILED;
	}
	e->len = c->insn.len;
	c->offset = emulate_offset(c);
	return EMULATE_DONE;
}

bool emulate_is_at(struct vcpu *vcpu, const uint8_t *bytes, unsigned count)
{
	uint8_t found[INSN_MAX_LEN];
	struct emulate_context c;

	emulate_load_context(&c, vcpu);
	for (unsigned i = 0, n; i < count; i += n) {
		gpa_t gpa;

		n = count - i;
		if (!emulate_look_for_code(&c, i, &n, &gpa) ||
		    gmem_read(&vcpu->vm->gmem, gpa, found, n) || memcmp(found, bytes + i, n) != 0)
			return false;
	}
	return true;
}

/* --- the whole --- */

enum emulate_result emulate_execute(struct emulate_context *c, struct emulation *e)
{
	uint64_t rflags = c->rflags;
	enum emulate_result result;

	switch (c->insn.op) {
	case INSN_VMCALL:
	case INSN_VMMCALL:
	case INSN_PUSH:
	case INSN_POP:
		e->why = not_executed;
		return EMULATE_FAILED;
	case INSN_MOVS:
	case INSN_STOS:
	case INSN_LODS:
	case INSN_CMPS:
	case INSN_SCAS:
	case INSN_INS:
	case INSN_OUTS:
		result = execute_string(c);
		break;
	default:
		result = execute(c) ? EMULATE_DONE : EMULATE_FAULT;
		break;
	}
	if (c->rflags != rflags && result != EMULATE_FAULT)
		vcpu_arch_set(c->vcpu, VCPU_RFLAGS, c->rflags);
	return result;
}

/* PUSH and POP reach memory that their operands do not show: those are refused before. */
static bool may_execute(const struct emulate_context *c)
{
	return c->insn.op == INSN_PUSH || c->insn.op == INSN_POP || emulate_agrees(c);
}

enum emulate_result emulate_instruction(struct vcpu *vcpu, const struct emulate_cause *cause,
					struct emulation *e)
{
	enum emulate_result result;
	struct emulate_context c;

	emulate_load_context(&c, vcpu);
	c.cause = cause;
	result = emulate_fetch(&c, e);
	if (result == EMULATE_DONE)
		result = may_execute(&c) ? emulate_execute(&c, e) : EMULATE_AGAIN;
	if (result != EMULATE_FAILED)
		return result;
	/* Every INS and OUTS is known: these are other bytes now. */
	if (cause->kind == EMULATE_PORT)
		return EMULATE_AGAIN;
	if (c.paging.cpl == 0)
		return EMULATE_FAILED;
	vcpu_arch_inject_exception(vcpu, VECTOR_UD, false, 0);
	return EMULATE_FAULT;
}
