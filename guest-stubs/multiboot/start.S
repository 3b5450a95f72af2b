/* The entry of a stub that a Multiboot loader starts: 32-bit protected mode, flat segments, paging
 * off, EAX the magic, EBX the information. Keeps what it found and goes on to _start in long mode. */
#include <asm/processor-flags.h>

#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define PTE_P_RW 0x3
#define PDE_PS   0x80

	.text
	.code32
	.globl multiboot_start
multiboot_start:
	mov %eax, multiboot_entry
	mov %ebx, multiboot_entry + 4
	mov %cr0, %eax
	mov %eax, multiboot_entry + 8
	mov $stack_end, %esp
	pushf
	pop multiboot_entry + 12
	/* Through each data segment: with a limit of 64 KiB this would fault. SS by the push. */
	mov %es:multiboot_mark, %eax
	mov %eax, multiboot_entry + 16
	mov %fs:multiboot_mark, %eax
	mov %eax, multiboot_entry + 20
	mov %gs:multiboot_mark, %eax
	mov %eax, multiboot_entry + 24

	/* The first GiB one to one. */
	movl $pdpt + PTE_P_RW, pml4
	movl $pd + PTE_P_RW, pdpt
	xor %ecx, %ecx
	mov $(PDE_PS | PTE_P_RW), %eax
1:	mov %eax, pd(, %ecx, 8)
	add $0x200000, %eax
	inc %ecx
	cmp $512, %ecx
	jne 1b
	mov $pml4, %eax
	mov %eax, %cr3
	mov %cr4, %eax
	or $X86_CR4_PAE, %eax
	mov %eax, %cr4
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov %cr0, %eax
	or $X86_CR0_PG, %eax
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $0x08, $2f

	.code64
	/* No command line, no size of RAM: the stub looks into the information. */
2:	xor %edi, %edi
	xor %esi, %esi
	jmp _start

	.section .rodata
gdt_pointer:
	.word 31
	.long stub_gdt
	.globl multiboot_mark
	.balign 4
multiboot_mark:
	.long 0x4d617264

	.bss
	.balign 4
	.globl multiboot_entry
multiboot_entry:
	.skip 28
	.balign 4096
pml4:	.skip 4096
pdpt:	.skip 4096
pd:	.skip 4096
