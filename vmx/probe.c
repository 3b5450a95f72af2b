/* The probe guests: one real-mode page of code, no devices. */
#include "vmx/probe.h"

#include "cpu/apic.h"
#include "cpu/insn.h"
#include "guest/vcpu_arch.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/hostmap.h"
#include "vmx/vmx.h"

#define INTERRUPT_AFTER_NS 20000
#define BOUND_NS           200000

#define CODE         0x1000u
#define STACK        0x800u
#define EXIT_NOT_RUN UINT32_MAX

/* Enters the probe's vCPU until something other than a first touch of its memory ends it; the exit
 * reason. A host interrupt comes on the way, and the preemption timer is the bound. */
static uint32_t enter(struct vmx_vcpu *v)
{
	const struct tsc_rate *tsc = &vmx_machine.tsc;
	uint64_t bound = ns_to_tsc(tsc, BOUND_NS) >> vmx_machine.caps.preemption_shift;
	uint32_t reason;

	do {
		irq_disable();
		vmwrite(PREEMPTION_TIMER_VALUE, bound);
		apic_timer_arm(rdtsc() + ns_to_tsc(tsc, INTERRUPT_AFTER_NS));
		reason = vmx_enter(v) ? (uint32_t)vmread(EXIT_REASON) : EXIT_NOT_RUN;
		irq_enable();
	} while (reason == EXIT_REASON_EPT_VIOLATION && vmx_handle_ept_violation(v) == EXIT_RESUME);
	apic_timer_arm(DEADLINE_NEVER);
	return reason;
}

/* The interrupt that a probe guest sends to itself, and where its handler stands: a HLT. */
#define SELF_VECTOR 0x20
#define HANDLER     0x80u

struct outcome {
	uint32_t reason;
	uint64_t rip; /* from CODE on */
};

/* Makes a VM with `code` at CODE, puts its local APIC into x2APIC mode if asked to, and runs it.
 * How it ended. */
static struct outcome run(const uint8_t *code, uint64_t size, bool is_x2apic)
{
	const struct vm_params params = {
		.name = "probe", .mem = MIB(1), .vcpus = 1, .topology = {1, 1, 1}};
	const struct vcpu_start start = {.mode = 16, .rip = CODE, .rsp = STACK};
	/* A real-mode vector: offset and segment. */
	const uint16_t vector[2] = {HANDLER, CODE >> 4};
	const uint8_t hlt = 0xf4;
	struct outcome outcome = {.reason = EXIT_NOT_RUN};
	struct vmx_vcpu *v;
	struct vm *vm;
	char error[64];

	if (vm_create(&params, &vm, error, sizeof(error))) {
		log_warn("the probe guest cannot be made: %s", error);
		return outcome;
	}
	v = to_vmx(vm->vcpu[0]);
	if (!gmem_write(&vm->gmem, GPA(CODE), code, size) &&
	    !gmem_write(&vm->gmem, GPA(4ull * SELF_VECTOR), vector, sizeof(vector)) &&
	    !gmem_write(&vm->gmem, GPA(CODE + HANDLER), &hlt, sizeof(hlt))) {
		vcpu_arch_set_start(&v->vcpu, &start);
		vmx_vmcs_load(v);
		/* Its tables may stand where an earlier probe's stood. */
		invept(INVEPT_ALL_CONTEXTS, 0);
		if (is_x2apic) {
			v->vcpu.lapic.base |= LAPIC_BASE_EXTD;
			vcpu_arch_apic_mode_changed(&v->vcpu);
		}
		outcome.reason = enter(v);
		outcome.rip = vmread(GUEST_RIP);
		vmx_vmcs_release(v);
	}
	vm_destroy(vm);
	if (outcome.reason != EXIT_REASON_EXTERNAL_INTERRUPT && outcome.reason != EXIT_REASON_HLT &&
	    outcome.reason != EXIT_REASON_PREEMPTION_TIMER)
		log_warn("a probe guest ended with exit reason %#x", outcome.reason);
	return outcome;
}

bool vmx_probe_if0_defect(void)
{
	static const uint8_t jump_to_itself[] = {0xeb, 0xfe};

	/* A probe that did not run shows nothing: the CPU is taken for one with the defect. */
	return vmx_machine.caps.has_preemption_timer &&
	       run(jump_to_itself, sizeof(jump_to_itself), false).reason !=
		       EXIT_REASON_EXTERNAL_INTERRUPT;
}

bool vmx_probe_vid_defect(void)
{
	static const uint8_t self_ipi_with_if0[] = {
		0xfb,                                      /* sti */
		0x90,                                      /* nop */
		0xfa,                                      /* cli */
		0x66, 0xb9, 0x3f,        0x08, 0x00, 0x00, /* mov ecx, IA32_X2APIC_SELF_IPI */
		0x66, 0xb8, SELF_VECTOR, 0x00, 0x00, 0x00, /* mov eax, SELF_VECTOR */
		0x66, 0x31, 0xd2,                          /* xor edx, edx */
		0x0f, 0x30,                                /* wrmsr */
		0xeb, 0xfe,                                /* jmp . */
	};

	struct outcome outcome;

	if (!vmx_machine.has_vid || !vmx_machine.caps.has_preemption_timer)
		return false;
	outcome = run(self_ipi_with_if0, sizeof(self_ipi_with_if0), true);
	/* In its handler it is found by the HLT there, or by the host's interrupt right before.
	 * Where it never ran, nothing is known. */
	return (outcome.reason != EXIT_REASON_EXTERNAL_INTERRUPT &&
		outcome.reason != EXIT_REASON_PREEMPTION_TIMER) ||
	       outcome.rip >= HANDLER;
}
