/* Into a snippet, to the next, and the beginning of a CPU that a SIPI has started. */
#include "guest-stubs/fuzz/cpu.h"

	.text
/* void fuzz_enter(struct trap_frame *frame): does not return. */
	.globl fuzz_enter
fuzz_enter:
	mov %rdi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rbp
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rbx
	pop %rax
	add $16, %rsp
	iretq

/* void fuzz_leave(struct fuzz_cpu *cpu): to fuzz_loop, by IRET, so that NMIs are no longer blocked. */
	.globl fuzz_leave
fuzz_leave:
	lea FUZZ_STACK_TOP - 8(%rdi), %rax
	pushq $0x10
	push %rax
	pushq $2
	pushq $0x08
	lea fuzz_loop(%rip), %rax
	push %rax
	iretq

/* In long mode, by the trampoline: the initial APIC ID says who it is. */
	.globl fuzz_ap_entry
fuzz_ap_entry:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $1, %eax
	cpuid
	shr $24, %ebx
	imul $FUZZ_CPU_SIZE, %rbx, %rdi
	lea fuzz_cpus(%rip), %rax
	add %rax, %rdi
	lea FUZZ_STACK_TOP(%rdi), %rsp
	xor %ebp, %ebp
	call fuzz_begin
