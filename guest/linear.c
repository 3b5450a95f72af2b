/* Guest memory by linear address. */
#include "guest/linear.h"

#include <asm/processor-flags.h>

#include "guest/pgwalk.h"
#include "guest/vcpu_arch.h"
#include "guest/vm.h"

#define EFER_LMA  BIT_ULL(10)
#define ACCESS_L  BIT(13)
#define ACCESS_DB BIT(14)

static bool is_64bit(struct vcpu *vcpu)
{
	struct vcpu_segment cs;

	vcpu_arch_get_segment(vcpu, SEG_CS, &cs);
	return (vcpu_arch_get(vcpu, VCPU_EFER) & EFER_LMA) && (cs.access & ACCESS_L);
}

unsigned vcpu_stack_width(struct vcpu *vcpu)
{
	struct vcpu_segment ss;

	if (is_64bit(vcpu))
		return 8;
	vcpu_arch_get_segment(vcpu, SEG_SS, &ss);
	return ss.access & ACCESS_DB ? 4 : 2;
}

uint64_t vcpu_linear(struct vcpu *vcpu, enum insn_segment segment, uint64_t offset)
{
	struct vcpu_segment s;

	if (is_64bit(vcpu))
		return offset;
	vcpu_arch_get_segment(vcpu, segment, &s);
	return (uint32_t)(s.base + offset);
}

/* Bits 63:47 are equal ('Canonical Addressing'). */
static bool is_canonical(uint64_t la)
{
	return (uint64_t)((int64_t)(la << 16) >> 16) == la;
}

size_t vcpu_read_linear(struct vcpu *vcpu, uint64_t la, void *to, size_t len)
{
	const struct gmem *gmem = &vcpu->vm->gmem;
	struct pgwalk_state state = {
		.cr0 = vcpu_arch_get(vcpu, VCPU_CR0),
		.cr3 = vcpu_arch_get(vcpu, VCPU_CR3),
		.cr4 = vcpu_arch_get(vcpu, VCPU_CR4) & ~(uint64_t)X86_CR4_SMAP,
		.efer = vcpu_arch_get(vcpu, VCPU_EFER),
		.maxphyaddr = 52,
		.has_1g_pages = true,
		.is_peek = true,
	};
	size_t done = 0;

	vcpu_arch_get_pdptes(vcpu, state.pdpte);
	while (done < len) {
		uint64_t at = la + done;
		size_t n = MIN(len - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
		uint32_t error;
		gpa_t gpa;

		if (!is_canonical(at) || pgwalk(gmem, &state, at, PGWALK_READ, &gpa, &error) ||
		    gmem_read(gmem, gpa, (uint8_t *)to + done, n))
			break;
		done += n;
	}
	return done;
}
