/* The host's exceptions and interrupts. */
#ifndef CPU_TRAP_H
#define CPU_TRAP_H

#include "lib/types.h"

/* What trap.S leaves on the stack; the order is the assembly's. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error_code;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* The fixup table (section .fixup): an exception at `instruction` goes on at `landing` instead of
 * panicking. The entries are written by cpu/insn.h's wrappers that end in _fixup; vmx_enter's stand
 * for a VM entry that fails, at the instruction behind it. */
struct trap_fixup {
	uint64_t instruction, landing;
};

/* 0 when the table does not have it. */
uint64_t trap_find_landing(uint64_t instruction);

/* `handler` runs with interrupts off and must not take a lock that is not marked 'irq'; the EOI is
 * sent after it. Once, at boot. */
void trap_set_irq_handler(uint8_t vector, void (*handler)(void));

/* "#PF page fault"; NULL for a vector that is no exception's. */
const char *trap_exception_name(uint8_t vector);

/* Loads this pCPU's IDT. On each pCPU. */
void trap_init(void);

/* An NMI that a VM exit took: run the handler now, as if it had come here, and end NMI blocking. */
void trap_reflect_nmi(void);

/* A machine check that a VM exit took. */
void trap_reflect_machine_check(void);

/* An interrupt that a VM exit acknowledged: the handler and the EOI, now. Interrupts off. trap.S's
 * interrupts take the same way. */
void trap_handle_irq(uint8_t vector);

/* Where the one IDT of all pCPUs is: a VMX host-state field. */
const void *trap_idt(void);

#endif
