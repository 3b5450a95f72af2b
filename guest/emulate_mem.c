/* The emulator's way to guest memory. */
#include "guest/emulate_mem.h"

#include <asm/processor-flags.h>

#include "guest/alu.h"
#include "guest/io.h"
#include "guest/vcpu_arch.h"
#include "guest/vm.h"
#include "lib/checked.h"
#include "lib/errno.h"

enum { VECTOR_SS = 12, VECTOR_GP = 13, VECTOR_PF = 14 };

static bool is_canonical(uint64_t la)
{
	return (uint64_t)((int64_t)(la << 16) >> 16) == la;
}

/* Outside 64-bit mode linear addresses have 32 bits. */
static uint64_t cut_linear(const struct emulate_context *c, uint64_t la)
{
	return c->mode == INSN_MODE_64 ? la : (uint32_t)la;
}

/* May a segment be used so outside 64-bit mode? ('Limit Checking', 'Type Checking') */
static bool is_segment_open(const struct emulate_context *c, const struct vcpu_segment *seg,
			    uint64_t offset, unsigned size, bool is_write)
{
	bool is_code = seg->access & RIGHTS_CODE;
	uint64_t last;

	if (!checked_add(offset, (uint64_t)size - 1, &last))
		return false;
	if ((c->paging.cr0 & X86_CR0_PE) && !(c->rflags & X86_EFLAGS_VM)) {
		if (seg->access & RIGHTS_UNUSABLE)
			return false;
		/* Code is never written, data can always be read; bit 1 permits the rest. */
		if (is_write && is_code)
			return false;
		if (is_write != is_code && !(seg->access & RIGHTS_RW))
			return false;
	}
	if (!is_code && (seg->access & RIGHTS_EXPAND_DOWN))
		return offset > seg->limit &&
		       last <= (seg->access & RIGHTS_DB ? UINT32_MAX : UINT16_MAX);
	return last <= seg->limit;
}

uint64_t emulate_linear(const struct emulate_context *c, unsigned segment, uint64_t offset)
{
	struct vcpu_segment seg;

	if (!emulate_has_segment(c, segment))
		return offset;
	vcpu_arch_get_segment(c->vcpu, (enum insn_segment)segment, &seg);
	return cut_linear(c, seg.base + offset);
}

/* Segment and offset to a linear address; false after the guest has been given #GP or #SS. */
static bool linearize(struct emulate_context *c, unsigned segment, uint64_t offset, unsigned size,
		      bool is_write, uint64_t *la)
{
	struct vcpu_segment seg;
	bool is_open = true;

	*la = offset;
	if (emulate_has_segment(c, segment)) {
		vcpu_arch_get_segment(c->vcpu, (enum insn_segment)segment, &seg);
		*la = cut_linear(c, seg.base + offset);
		if (c->mode != INSN_MODE_64)
			is_open = is_segment_open(c, &seg, offset, size, is_write);
	}
	if (c->mode == INSN_MODE_64)
		is_open = is_canonical(*la) && is_canonical(*la + size - 1);
	if (is_open)
		return true;
	vcpu_arch_inject_exception(c->vcpu, segment == SEG_SS ? VECTOR_SS : VECTOR_GP, true, 0);
	return false;
}

/* Has the CPU translated this for the exit, with the rights that it needs now? What can be written
 * can be read, too. */
static bool is_known(const struct emulate_context *c, uint64_t la, enum pgwalk_access access)
{
	const struct emulate_cause *cause = c->cause;

	return cause && cause->kind == EMULATE_MEMORY && cause->has_la && c->paging.cpl != 3 &&
	       (cause->la ^ la) < PAGE_SIZE &&
	       (access == PGWALK_READ || (access == PGWALK_WRITE && cause->is_write));
}

bool emulate_translate(struct emulate_context *c, uint64_t la, enum pgwalk_access access,
		       gpa_t *gpa)
{
	uint32_t error = 0;
	int ret;

	if (is_known(c, la, access)) {
		*gpa = GPA((c->cause->gpa.v & ~(uint64_t)(PAGE_SIZE - 1)) | (la & (PAGE_SIZE - 1)));
		return true;
	}
	ret = pgwalk(&c->vcpu->vm->gmem, &c->paging, la, access, gpa, &error);
	if (!ret)
		return true;
	/* A table outside RAM: what the CPU reads there is all ones, with reserved bits set. */
	if (ret == -ENXIO)
		error = BIT(0) | BIT(3) | (access == PGWALK_WRITE ? BIT(1) : 0) |
			(c->paging.cpl == 3 ? BIT(2) : 0);
	vcpu_arch_set(c->vcpu, VCPU_CR2, la);
	vcpu_arch_inject_exception(c->vcpu, VECTOR_PF, true, error);
	return false;
}

/* The linear address of the instruction's bytes from its `skip`th on; `*n` is cut to those that lie
 * in the same page, and in the segment. False: #GP. */
static bool is_code_open(const struct emulate_context *c, unsigned skip, unsigned *n, uint64_t *la)
{
	uint64_t offset = c->rip + skip;
	bool is_open = is_canonical(offset);
	struct vcpu_segment cs;

	*la = offset;
	if (c->mode != INSN_MODE_64) {
		vcpu_arch_get_segment(c->vcpu, SEG_CS, &cs);
		*la = (uint32_t)(offset + cs.base);
		is_open = offset <= cs.limit;
		*n = (unsigned)MIN((uint64_t)*n, cs.limit - offset + 1);
	}
	*n = MIN(*n, (unsigned)(PAGE_SIZE - (*la & (PAGE_SIZE - 1))));
	return is_open;
}

bool emulate_find_code(struct emulate_context *c, unsigned skip, unsigned *n, gpa_t *gpa)
{
	uint64_t la;

	if (is_code_open(c, skip, n, &la))
		return emulate_translate(c, la, PGWALK_FETCH, gpa);
	vcpu_arch_inject_exception(c->vcpu, VECTOR_GP, true, 0);
	return false;
}

bool emulate_look_for_code(struct emulate_context *c, unsigned skip, unsigned *n, gpa_t *gpa)
{
	uint32_t error;
	uint64_t la;

	return is_code_open(c, skip, n, &la) &&
	       !pgwalk(&c->vcpu->vm->gmem, &c->paging, la, PGWALK_FETCH, gpa, &error);
}

bool emulate_find_place(struct emulate_context *c, unsigned segment, uint64_t offset, unsigned size,
			bool is_write, struct emulate_place *place)
{
	enum pgwalk_access access = is_write ? PGWALK_WRITE : PGWALK_READ;
	uint64_t la;

	if (!linearize(c, segment, offset, size, is_write, &la))
		return false;
	place->size = size;
	place->first = MIN(size, (unsigned)(PAGE_SIZE - (la & (PAGE_SIZE - 1))));
	return emulate_translate(c, la, access, &place->gpa[0]) &&
	       (place->first == size ||
		emulate_translate(c, cut_linear(c, la + place->first), access, &place->gpa[1]));
}

/* How many of `left` bytes at `gpa` make one access to a device: all of them, but where a page's
 * end has left 3, 5, 6 or 7 of an operand: then aligned parts. */
static unsigned device_size(gpa_t gpa, unsigned left)
{
	unsigned most = 1u << (31 - __builtin_clz(left));

	if (most == left)
		return left;
	return MIN(most, 1u << __builtin_ctzll(gpa.v | 8));
}

/* The parts of one page: all RAM, or none. */

static uint64_t load_part(struct emulate_context *c, gpa_t gpa, unsigned n)
{
	uint64_t value = 0;

	if (gmem_find(&c->vcpu->vm->gmem, gpa)) {
		if (gmem_read(&c->vcpu->vm->gmem, gpa, &value, n))
			value = alu_cut(UINT64_MAX, n);
		return value;
	}
	for (unsigned done = 0, size; done < n; done += size) {
		gpa_t at = GPA(gpa.v + done);

		size = device_size(at, n - done);
		value |= alu_cut(mmio_read(c->vcpu, at, size), size) << (8 * done);
	}
	return value;
}

static void store_part(struct emulate_context *c, gpa_t gpa, unsigned n, uint64_t value)
{
	if (!gmem_write(&c->vcpu->vm->gmem, gpa, &value, n))
		return;
	for (unsigned done = 0, size; done < n; done += size) {
		gpa_t at = GPA(gpa.v + done);

		size = device_size(at, n - done);
		mmio_write(c->vcpu, at, size, alu_cut(value >> (8 * done), size));
	}
}

static uint64_t load(struct emulate_context *c, const struct emulate_place *place)
{
	uint64_t value = load_part(c, place->gpa[0], place->first);

	if (place->first < place->size)
		value |= load_part(c, place->gpa[1], place->size - place->first)
			 << (8 * place->first);
	return value;
}

void emulate_store(struct emulate_context *c, const struct emulate_place *place, uint64_t value)
{
	store_part(c, place->gpa[0], place->first, value);
	if (place->first < place->size)
		store_part(c, place->gpa[1], place->size - place->first,
			   value >> (8 * place->first));
}

bool emulate_access_memory(struct emulate_context *c, unsigned segment, uint64_t offset,
			   unsigned size, enum emulate_access access, uint64_t *value)
{
	struct emulate_place place;

	if (!emulate_find_place(c, segment, offset, size, access != MEMORY_READ, &place))
		return false;
	if (access == MEMORY_WRITE)
		emulate_store(c, &place, *value);
	else
		*value = load(c, &place);
	return true;
}
