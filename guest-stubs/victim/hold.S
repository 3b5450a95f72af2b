/* void hold_run(struct hold *hold), see hold.h. RBX: the last TSC, RSI: own time, R14: longest, R9: limit,
 * RBP: memory, R15: key; the rest keeps the pattern. */
#include "guest-stubs/victim/hold.h"

	.text
	.globl hold_run
hold_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov 0(%rdi), %rcx
	mov 8(%rdi), %r9
	mov 16(%rdi), %rsi
	mov 24(%rdi), %r14
	mov 32(%rdi), %rbx
	mov 56(%rdi), %rbp
	mov 64(%rdi), %r15
	mov 72(%rdi), %r8
	mov 80(%rdi), %r10
	mov 88(%rdi), %r11
	mov 96(%rdi), %r12
	mov 104(%rdi), %r13

1:	rdtsc
	shl $32, %rdx
	or %rax, %rdx
	mov %rdx, %rax
	sub %rbx, %rdx
	mov %rax, %rbx
	cmp %r9, %rdx
	ja 4f
	add %rdx, %rsi
2:	mov %ecx, %eax
	and $(HOLD_WORDS - 1), %eax
	mov %r15, %rdx
	xor %rax, %rdx
	cmp %rdx, (%rbp,%rax,8)
	jne 5f
3:	dec %rcx
	jnz 1b

	mov %rsi, 16(%rdi)
	mov %r14, 24(%rdi)
	mov %rbx, 32(%rdi)
	mov %r8, 72(%rdi)
	mov %r10, 80(%rdi)
	mov %r11, 88(%rdi)
	mov %r12, 96(%rdi)
	mov %r13, 104(%rdi)
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

4:	incq 40(%rdi)
	cmp %r14, %rdx
	cmova %rdx, %r14
	jmp 2b
5:	incq 48(%rdi)
	jmp 3b
