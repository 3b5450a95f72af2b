/* Work that uses every general register and the flags without changing the pattern in them, so that
 * whoever interrupts it must restore all of them. */

/* void burst_run(struct burst *burst), see burst.h. RCX counts, RAX sums, thirteen registers keep a
 * pattern each; LEA, JRCXZ and JMP change no flags. */
	.text
	.globl burst_run
burst_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rdi, burst_pointer(%rip)

	mov 0(%rdi), %rcx
	mov 8(%rdi), %rax
	mov 24(%rdi), %rbx
	mov 32(%rdi), %rdx
	mov 40(%rdi), %rsi
	mov 48(%rdi), %rbp
	mov 56(%rdi), %r8
	mov 64(%rdi), %r9
	mov 72(%rdi), %r10
	mov 80(%rdi), %r11
	mov 88(%rdi), %r12
	mov 96(%rdi), %r13
	mov 104(%rdi), %r14
	mov 112(%rdi), %r15
	push 16(%rdi)
	mov 120(%rdi), %rdi
	popfq
1:	jrcxz 2f
	lea 1(%rax,%rax,4), %rax
	lea -1(%rcx), %rcx
	jmp 1b
2:	pushfq
	cld
	push %rdi
	mov burst_pointer(%rip), %rdi
	mov %rax, 8(%rdi)
	mov %rbx, 24(%rdi)
	mov %rdx, 32(%rdi)
	mov %rsi, 40(%rdi)
	mov %rbp, 48(%rdi)
	mov %r8, 56(%rdi)
	mov %r9, 64(%rdi)
	mov %r10, 72(%rdi)
	mov %r11, 80(%rdi)
	mov %r12, 88(%rdi)
	mov %r13, 96(%rdi)
	mov %r14, 104(%rdi)
	mov %r15, 112(%rdi)
	pop 120(%rdi)
	pop 16(%rdi)

	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.bss
	.balign 8
burst_pointer:
	.skip 8
