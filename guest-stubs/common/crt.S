/* The first instructions of a stub, and the entry of every vector.
 *
 * Entry (docs/guests.md, 64-bit ELF): long mode, the first 4 GiB mapped one to one, IF=0, RDI: the
 * command line, RSI: bytes of RAM. The registers are kept as they were for those who look for leaks. */

	.section .text.start, "ax"
	.globl _start
_start:
	mov %rax, entry_regs(%rip)
	mov %rbx, entry_regs + 8(%rip)
	mov %rcx, entry_regs + 16(%rip)
	mov %rdx, entry_regs + 24(%rip)
	mov %rbp, entry_regs + 32(%rip)
	mov %r8, entry_regs + 40(%rip)
	mov %r9, entry_regs + 48(%rip)
	mov %r10, entry_regs + 56(%rip)
	mov %r11, entry_regs + 64(%rip)
	mov %r12, entry_regs + 72(%rip)
	mov %r13, entry_regs + 80(%rip)
	mov %r14, entry_regs + 88(%rip)
	mov %r15, entry_regs + 96(%rip)

	/* Our own GDT and stack. FS and GS stay untouched: loading them would change their bases. */
	lgdt gdt_pointer(%rip)
	lea stack_end(%rip), %rsp
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	push $0x08
	lea 1f(%rip), %rax
	push %rax
	lretq
1:	xor %ebp, %ebp
	cld
	call stub_start
2:	cli
	hlt
	jmp 2b

	.section .rodata
	.balign 8
	.globl stub_gdt
stub_gdt:
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 0x08: code, long mode, accessed */
	.quad 0x00cf93000000ffff /* 0x10: data, accessed */
	.quad 0x00cf9b000000ffff /* 0x18: code, 32-bit (compatibility mode), accessed */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt

	.bss
	.balign 16
	.globl entry_regs
entry_regs:
	.skip 13 * 8
	.balign 4096
	.skip 32768
	.globl stack_end
stack_end:

/* 256 entries of 16 bytes: an error code where the CPU pushes none, the vector, the common part. */
	.text
	.balign 16
	.globl vector_entries
vector_entries:
	vector = 0
	.rept 256
	.balign 16
	.if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21
	push $0
	.endif
	push $vector
	jmp vector_common
	vector = vector + 1
	.endr

vector_common:
	push %rax
	push %rbx
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %rbp
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	call trap_dispatch
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
