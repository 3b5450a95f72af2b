/* A debugged VM's vCPUs: their registers on the way to the debugger and back, and where they stop.
 */
#include "guest/debug.h"

#include "guest/pause.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/page.h"

#define RFLAGS_FIXED    BIT_ULL(1)
#define RFLAGS_VM       BIT_ULL(17)
#define RFLAGS_RESERVED (~0x3f7fd5ull)
#define EFER_LMA        BIT_ULL(10)
#define ACCESS_L        BIT(13)
#define CANONICAL_BITS  47

static struct vcpu_debug *of(const struct vcpu *vcpu)
{
	return &vcpu->vm->debug->vcpu[vcpu->index];
}

int debug_create(struct vm *vm, void (*on_stop)(struct vm *vm))
{
	vm->debug = pages_alloc_zeroed(sizeof(*vm->debug));
	if (!vm->debug)
		return -ENOMEM;
	vm->debug->on_stop = on_stop;
	return 0;
}

void debug_destroy(struct vm *vm)
{
	if (vm->debug)
		pages_free(vm->debug, sizeof(*vm->debug));
	vm->debug = NULL;
}

void debug_park(struct vcpu *vcpu)
{
	struct vcpu_debug *debug = of(vcpu);
	struct debug_regs *r = &debug->regs;
	struct vcpu_segment segment;

	if (debug->has_regs)
		return;
	/* A step that did not come to its end is none. */
	debug->is_step = false;
	debug_apply(vcpu);
	memcpy(r->gpr, vcpu->regs.gpr, sizeof(r->gpr));
	r->gpr[GPR_RSP] = vcpu_arch_get(vcpu, VCPU_RSP);
	r->rip = vcpu_arch_get(vcpu, VCPU_RIP);
	r->rflags = vcpu_arch_get(vcpu, VCPU_RFLAGS);
	r->fs_base = vcpu_arch_get(vcpu, VCPU_FS_BASE);
	r->gs_base = vcpu_arch_get(vcpu, VCPU_GS_BASE);
	r->kernel_gs_base = vcpu_arch_get(vcpu, VCPU_KERNEL_GS_BASE);
	r->cr0 = vcpu_arch_get(vcpu, VCPU_CR0);
	r->cr2 = vcpu_arch_get(vcpu, VCPU_CR2);
	r->cr3 = vcpu_arch_get(vcpu, VCPU_CR3);
	r->cr4 = vcpu_arch_get(vcpu, VCPU_CR4);
	r->efer = vcpu_arch_get(vcpu, VCPU_EFER);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
		vcpu_arch_get_segment(vcpu, (enum insn_segment)i, &segment);
		r->selector[i] = segment.selector;
		if (i == SEG_CS) {
			r->cs_base = segment.base;
			r->cs_access = segment.access;
		}
	}
	vcpu_arch_get_fxsave(vcpu, r->fxsave);
	vcpu_arch_get_pdptes(vcpu, debug->pdpte);
	debug->is_dirty = false;
	__atomic_store_n(&debug->has_regs, true, __ATOMIC_SEQ_CST);
}

/* Virtual-8086 mode comes with segments of its own, which the debugger does not write: the flag
 * stays. */
static void take_back(struct vcpu *vcpu)
{
	const struct debug_regs *r = &of(vcpu)->regs;
	uint64_t rsp = r->gpr[GPR_RSP], vm = vcpu_arch_get(vcpu, VCPU_RFLAGS) & RFLAGS_VM;

	memcpy(vcpu->regs.gpr, r->gpr, sizeof(r->gpr));
	vcpu_arch_set(vcpu, VCPU_RSP, rsp);
	vcpu_arch_set(vcpu, VCPU_RIP, r->rip);
	vcpu_arch_set(vcpu, VCPU_RFLAGS, (r->rflags & ~RFLAGS_VM) | vm);
	vcpu_arch_set(vcpu, VCPU_FS_BASE, r->fs_base);
	vcpu_arch_set(vcpu, VCPU_GS_BASE, r->gs_base);
	vcpu_arch_set(vcpu, VCPU_KERNEL_GS_BASE, r->kernel_gs_base);
}

void debug_go_on(struct vcpu *vcpu)
{
	struct vcpu_debug *debug = of(vcpu);

	if (!debug->has_regs)
		return;
	if (debug->is_dirty)
		take_back(vcpu);
	__atomic_store_n(&debug->has_regs, false, __ATOMIC_SEQ_CST);
	debug_apply(vcpu);
}

void debug_forget(struct vcpu *vcpu)
{
	of(vcpu)->stop.kind = DEBUG_NOT_STOPPED;
	__atomic_store_n(&of(vcpu)->has_regs, false, __ATOMIC_SEQ_CST);
}

void debug_stop(struct vcpu *vcpu, const struct debug_stop *stop)
{
	of(vcpu)->stop = *stop;
	__atomic_fetch_or(&vcpu->requests, VCPU_REQ_PAUSE_DEBUGGER, __ATOMIC_SEQ_CST);
	vcpu->vm->debug->on_stop(vcpu->vm);
}

/* 'Debug Control Register (DR7)': G0-G3; R/W and LEN of each. */
static uint64_t control_bits(unsigned n, enum debug_point_type type, uint8_t len)
{
	static const uint8_t access[DEBUG_POINT_TYPES] = {
		[DEBUG_WATCH_WRITE] = 1, [DEBUG_WATCH_READ] = 3, [DEBUG_WATCH_ACCESS] = 3};
	uint64_t size = len == 8 ? 2 : len - 1u;

	return BIT_ULL(2 * n + 1) | (size << 2 | access[type]) << (16 + 4 * n);
}

void debug_apply(struct vcpu *vcpu)
{
	const struct vm_debug *debug = vcpu->vm->debug;
	struct vcpu_debug_control control = {.dr7 = BIT_ULL(10), .is_step = of(vcpu)->is_step};

	for (unsigned i = 0; i < DEBUG_HARDWARE_POINTS; i++) {
		if (!debug->hardware[i].is_used)
			continue;
		control.has_registers = true;
		control.dr[i] = debug->hardware[i].address;
		control.dr7 |= control_bits(i, debug->hardware[i].type, debug->hardware[i].len);
	}
	control.is_int3_intercepted = debug->memory_count != 0;
	vcpu_arch_set_debug(vcpu, &control);
}

bool debug_has_memory_point(const struct vm *vm, uint64_t address)
{
	for (uint32_t i = 0; i < vm->debug->memory_count; i++)
		if (vm->debug->memory[i].address == address)
			return true;
	return false;
}

bool debug_is_parked(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		if (!vcpu_is_parked(vm->vcpu[i]) ||
		    (__atomic_load_n(&vm->vcpu[i]->se.state, __ATOMIC_ACQUIRE) != SCHED_STOPPED &&
		     !__atomic_load_n(&vm->debug->vcpu[i].has_regs, __ATOMIC_SEQ_CST)))
			return false;
	return true;
}

static bool is_canonical(uint64_t address)
{
	uint64_t top = address >> CANONICAL_BITS;

	return !top || top == UINT64_MAX >> CANONICAL_BITS;
}

bool debug_is_possible(const struct debug_regs *r)
{
	bool is_long = r->efer & EFER_LMA, is_64 = is_long && (r->cs_access & ACCESS_L);

	if ((r->rflags & RFLAGS_RESERVED & ~RFLAGS_FIXED) || !(r->rflags & RFLAGS_FIXED) ||
	    (is_long && (r->rflags & RFLAGS_VM)))
		return false;
	if (!is_canonical(r->fs_base) || !is_canonical(r->gs_base) ||
	    !is_canonical(r->kernel_gs_base))
		return false;
	return is_64 ? is_canonical(r->rip) : !(r->rip >> 32);
}
