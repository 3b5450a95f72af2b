/* Is what was fetched what the CPU exited for? Another vCPU may have written the bytes, or the page
 * tables, in between. */
#include "guest/alu.h"
#include "guest/emulate_mem.h"

/* Does an access of `len` bytes from `offset` of the segment on reach what exited? Where the CPU
 * has told no linear address, its place in the page is compared: that paging leaves alone. */
static bool reaches(const struct emulate_context *c, unsigned segment, uint64_t offset,
		    uint64_t len)
{
	uint64_t la = offset, in_page, pages;

	if (emulate_has_segment(c, segment))
		la = emulate_linear(c, segment, offset);
	if (!c->cause->has_la)
		return ((c->cause->gpa.v - la) & (PAGE_SIZE - 1)) < len;
	in_page = la & (PAGE_SIZE - 1);
	pages = c->cause->la - (la - in_page);
	if (c->mode != INSN_MODE_64)
		pages = (uint32_t)pages;
	return pages / PAGE_SIZE <= (in_page + len - 1) / PAGE_SIZE;
}

/* All iterations of a string instruction, for one of its two operands. */
static bool string_reaches(const struct emulate_context *c, unsigned segment, unsigned reg,
			   unsigned size)
{
	const struct insn *insn = &c->insn;
	uint64_t start = alu_cut(emulate_read_gpr(c, reg), insn->address_size), count = 1;

	if (insn->has_rep || insn->has_repne)
		count = alu_cut(emulate_read_gpr(c, GPR_RCX), insn->address_size);
	if (!count)
		return false;
	/* It stops sooner: at the first byte that exits. This is enough, and does not overflow. */
	count = MIN(count, (uint64_t)PAGE_SIZE);
	if (c->rflags & RFLAGS_DF)
		start -= (count - 1) * size;
	return reaches(c, segment, start, count * size);
}

static bool string_agrees(const struct emulate_context *c, unsigned size)
{
	bool is_write = c->cause->is_write;

	switch (c->insn.op) {
	case INSN_MOVS:
		return is_write ? string_reaches(c, SEG_ES, GPR_RDI, size)
				: string_reaches(c, c->insn.segment, GPR_RSI, size);
	case INSN_STOS:
		return is_write && string_reaches(c, SEG_ES, GPR_RDI, size);
	case INSN_LODS:
		return !is_write && string_reaches(c, c->insn.segment, GPR_RSI, size);
	case INSN_CMPS:
		return !is_write && (string_reaches(c, c->insn.segment, GPR_RSI, size) ||
				     string_reaches(c, SEG_ES, GPR_RDI, size));
	case INSN_SCAS:
		return !is_write && string_reaches(c, SEG_ES, GPR_RDI, size);
	default:
		/* INS and OUTS exit for their port first. Here nobody has looked at CPL, IOPL and
		 * the I/O bitmap. */
		return false;
	}
}

static bool memory_agrees(const struct emulate_context *c)
{
	const struct insn *insn = &c->insn;
	const struct operand *op = insn->dst.kind == OPERAND_MEM ? &insn->dst : &insn->src;
	bool is_read, is_written;

	if (op->kind != OPERAND_MEM)
		return false;
	if (insn->op >= INSN_MOVS && insn->op <= INSN_OUTS)
		return string_agrees(c, op->size);
	is_written = op == &insn->dst && !emulate_is_test(insn);
	is_read = op == &insn->src || insn->op != INSN_MOV;
	return (c->cause->is_write ? is_written : is_read) &&
	       reaches(c, insn->segment, c->offset, op->size);
}

/* The port is DX in both: the vCPU's own. */
static bool port_agrees(const struct emulate_context *c)
{
	const struct emulate_cause *cause = c->cause;
	const struct insn *insn = &c->insn;
	unsigned size = cause->is_write ? insn->src.size : insn->dst.size;

	return insn->op == (cause->is_write ? INSN_OUTS : INSN_INS) && size == cause->size &&
	       (insn->has_rep || insn->has_repne) == cause->is_repeated &&
	       (!cause->address_size || insn->address_size == cause->address_size) &&
	       (uint16_t)c->vcpu->regs.gpr[GPR_RDX] == cause->port;
}

bool emulate_agrees(const struct emulate_context *c)
{
	return c->cause->kind == EMULATE_PORT ? port_agrees(c) : memory_agrees(c);
}
