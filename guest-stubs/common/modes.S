/* Hypercalls from where they are refused or cut: from CPL 3, and from 32-bit code. */

	.text
/* uint64_t hypercall_at_cpl3(uint64_t number): by SYSRET and back by SYSCALL; modes.c has set their
 * MSRs. Interrupts off. */
	.globl hypercall_at_cpl3, hypercall_back
hypercall_at_cpl3:
	push %rbx
	push %rbp
	mov %rsp, saved_rsp(%rip)
	mov %rdi, %rax
	lea 1f(%rip), %rcx
	mov $2, %r11d
	sysretq
1:	vmcall
	syscall
hypercall_back:
	mov saved_rsp(%rip), %rsp
	pop %rbp
	pop %rbx
	ret

/* uint64_t hypercall_32(const uint64_t args[5]): number, a0-a3, in compatibility mode. */
	.globl hypercall_32
hypercall_32:
	push %rbx
	push %rbp
	mov (%rdi), %rax
	mov 8(%rdi), %rbx
	mov 16(%rdi), %rcx
	mov 24(%rdi), %rdx
	mov 32(%rdi), %rsi
	pushq $0x18
	lea 1f(%rip), %r8
	push %r8
	lretq
	.code32
1:	vmcall
	ljmp $0x08, $2f
	.code64
2:	pop %rbp
	pop %rbx
	ret

	.bss
	.balign 8
saved_rsp:
	.skip 8
