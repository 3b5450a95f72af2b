/* All upcalls that vmx/ answers: what the rest of the house may ask of a vCPU's hardware state. A
 * second vendor's extension would implement the same functions. Unless said otherwise they run on
 * the pCPU where the vCPU is loaded. */
#ifndef GUEST_VCPU_ARCH_H
#define GUEST_VCPU_ARCH_H

#include "guest/decode.h"
#include "guest/gmem.h"
#include "guest/vcpu.h"

enum vcpu_reg {
	VCPU_RIP,
	VCPU_RSP,
	VCPU_RFLAGS,
	VCPU_CR0,
	VCPU_CR2,
	VCPU_CR3,
	VCPU_CR4,
	VCPU_EFER,
	VCPU_DR7,
	VCPU_PAT,
	VCPU_DEBUGCTL,
	VCPU_SYSENTER_CS,
	VCPU_SYSENTER_ESP,
	VCPU_SYSENTER_EIP,
	VCPU_FS_BASE,
	VCPU_GS_BASE,
	VCPU_KERNEL_GS_BASE,
	VCPU_STAR,
	VCPU_LSTAR,
	VCPU_CSTAR,
	VCPU_FMASK,
	VCPU_TSC_AUX,
};

struct vcpu_segment {
	uint64_t base;
	uint32_t limit;
	uint32_t access; /* VMX format: type, S, DPL, P, AVL, L, D/B, G; bit 16 unusable */
	uint16_t selector;
};

/* The VM's second-level translation for all of gmem, and what its vCPUs share. Creator's pCPU,
 * before the first vCPU. -ENOMEM. */
int __must_check vm_arch_create(struct vm *vm);
/* Panics unless that translation maps the VM's own memory, as it is to be mapped, and what the VM
 * has of the hypervisor's is in no VM (vm_audit_host). Any pCPU. */
void vm_arch_audit(struct vm *vm);
/* All its vCPUs are stopped. Frees what vm_arch_create and vcpu_arch_create took. */
void vm_arch_destroy(struct vm *vm);

/* A vCPU's memory, zeroed but for what this layer owns; NULL when there is none. */
struct vcpu *vcpu_arch_create(struct vm *vm, uint32_t index);

/* Do the CPUs deliver this VM's local APIC interrupts, and end them, by themselves? Then nobody
 * else sees an EOI. Any time. */
bool vcpu_arch_has_virtual_interrupt_delivery(const struct vm *vm);

/* IA32_APIC_BASE has a new value. */
void vcpu_arch_apic_mode_changed(struct vcpu *vcpu);

/* How the scheduler runs vCPUs. */
const struct sched_ops *vcpu_arch_sched_ops(void);

/* Power-up or INIT state of everything that lives in hardware. Before the vCPU runs, or on its
 * pCPU. */
void vcpu_arch_reset(struct vcpu *vcpu, bool is_init);
/* Real mode at vector << 12, as a SIPI starts it. */
void vcpu_arch_startup(struct vcpu *vcpu, uint8_t vector);
/* The first state of vCPU 0. mode 16, 32 or 64 as struct guest_entry; before it runs. */
struct vcpu_start {
	uint8_t mode;
	uint64_t rip, rsp, cr3, gdt_base;
	uint16_t gdt_limit, cs, ds;
};
void vcpu_arch_set_start(struct vcpu *vcpu, const struct vcpu_start *start);

uint64_t vcpu_arch_get(struct vcpu *vcpu, enum vcpu_reg reg);
void vcpu_arch_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
void vcpu_arch_get_segment(struct vcpu *vcpu, enum insn_segment seg, struct vcpu_segment *out);
uint8_t vcpu_arch_cpl(struct vcpu *vcpu);
bool vcpu_arch_is_64bit(struct vcpu *vcpu); /* in 64-bit mode, and not in compatibility mode */
/* The four PDPTEs of PAE paging, as the CPU holds them. */
void vcpu_arch_get_pdptes(struct vcpu *vcpu, uint64_t pdpte[4]);

/* PKRU as RDPKRU reads it; 0, which permits everything, while CR4.PKE is 0. */
uint32_t vcpu_arch_pkru(struct vcpu *vcpu);

/* Calls `look` on the pCPU where the vCPU is loaded, with what is above readable there, and waits
 * for it. It may come in the midst of an exit: interrupts are off, and it must not take locks.
 * False, and no call, when it is loaded nowhere: it has not run, or goes from one pCPU to another
 * just now. Any pCPU, interrupts on. */
bool vcpu_arch_look(struct vcpu *vcpu, void (*look)(struct vcpu *vcpu, void *arg), void *arg);

/* IA32_EFER's value takes effect, LMA follows CR0.PG. */
void vcpu_arch_set_efer(struct vcpu *vcpu, uint64_t value);

/* This vCPU's TSC offset has changed: guest TSC = host TSC + offset. */
void vcpu_arch_set_tsc_offset(struct vcpu *vcpu, uint64_t offset);

/* Forgets what the TLB holds of the vCPU's linear addresses, before its next entry. */
void vcpu_arch_flush_tlb(struct vcpu *vcpu);

/* The guest gets this exception instead of the instruction that is being handled. */
void vcpu_arch_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error);

/* The x87 and SSE state, as FXSAVE writes it in 64-bit mode. */
#define VCPU_FXSAVE_SIZE 512u
void vcpu_arch_get_fxsave(struct vcpu *vcpu, uint8_t to[VCPU_FXSAVE_SIZE]);

/* What a debugger (guest/debug.h) wants of the CPU. */
struct vcpu_debug_control {
	/* The debug registers are the debugger's: they are loaded, and what hits them stops the
	 * vCPU. The guest's own have no effect then, but keep what it writes. */
	bool has_registers;
	uint64_t dr[4], dr7;
	bool is_int3_intercepted; /* INT3 at a debug_has_memory_point stops the vCPU */
	bool is_step; /* one instruction, without interrupts, then it stops: debug_stop */
};
void vcpu_arch_set_debug(struct vcpu *vcpu, const struct vcpu_debug_control *control);

/* A deadline of this vCPU or pCPU has changed: recompute before the next entry. */
void vcpu_arch_deadline_changed(struct vcpu *vcpu);

/* Statistics, any pCPU, as they stand: the number of exit reasons, each one's SDM name, its count,
 * the host TSC ticks from such exits to the next entry (or the end of the turn; polling in HLT
 * counts; one that ends the VM has none), and how many of them took from 2^(first + bucket) to
 * twice as many ticks; the first bucket has those below that, too. The number itself, as a reason,
 * is no exit but the beginnings of turns, up to the first entry. */
#define VCPU_EXIT_COST_BUCKETS 28u
#define VCPU_EXIT_COST_FIRST   4u
uint32_t vcpu_arch_exit_reasons(void);
const char *vcpu_arch_exit_name(uint32_t reason);
uint64_t vcpu_arch_exit_count(const struct vcpu *vcpu, uint32_t reason);
uint64_t vcpu_arch_exit_ticks(const struct vcpu *vcpu, uint32_t reason);
uint32_t vcpu_arch_exit_cost(const struct vcpu *vcpu, uint32_t reason, uint32_t bucket);

#endif
