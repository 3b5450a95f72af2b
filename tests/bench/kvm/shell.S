/* Stands where a bzImage has its decompressor, before a kernel that needs none: enters long mode and
 * jumps to it. tools/carousel_lib/bzshell.py puts this file's bytes before the kernel's memory image.
 *
 * Entry: 'The Linux/x86 Boot Protocol', 32-bit: protected mode, paging off, ESI the boot_params. The
 * kernel's entry is that of the 64-bit protocol: paging on, the kernel and all that it was given
 * mapped to themselves, CS 0x10, DS, ES and SS 0x18, IF=0, RSI the boot_params. */
#include <asm/processor-flags.h>

#define SHELL_SIZE 0x8000 /* the same in bzshell.py */
#define KERNEL     0x1000000
#define GIB_MAPPED 4
#define BOOT_PARAMS_SCRATCH 0x1e4 /* a field for the boot loader's own use */
#define TABLE_RW   0x003 /* present, writable */
#define PAGE_2M_RW 0x083
#define MSR_EFER   0xc0000080
#define EFER_LME   0x100
#define COM1       0x3f8

	.text
	.code32
	.globl _start
_start:
	cli
	cld
	/* Everything here is linked to where it must lie. */
	lea BOOT_PARAMS_SCRATCH + 4(%esi), %esp
	call 1f
1:	pop %eax
	cmp $1b, %eax
	jne misplaced

	lgdt gdt_pointer
	mov $0x18, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss

	movl $(pdpt + TABLE_RW), pml4
	mov $pdpt, %edi
	mov $(directories + TABLE_RW), %eax
	mov $GIB_MAPPED, %ecx
2:	mov %eax, (%edi)
	add $8, %edi
	add $0x1000, %eax
	loop 2b
	mov $directories, %edi
	mov $PAGE_2M_RW, %eax
	mov $(GIB_MAPPED * 512), %ecx
3:	mov %eax, (%edi)
	add $8, %edi
	add $0x200000, %eax
	loop 3b

	mov $pml4, %eax
	mov %eax, %cr3
	mov $X86_CR4_PAE, %eax
	mov %eax, %cr4
	mov $MSR_EFER, %ecx
	mov $EFER_LME, %eax
	xor %edx, %edx
	wrmsr
	mov $(X86_CR0_PG | X86_CR0_PE), %eax
	mov %eax, %cr0
	ljmp $0x10, $KERNEL

/* The boot loader had no room at the kernel's preferred address. */
misplaced:
	mov $'!', %al
	mov $COM1, %dx
	out %al, %dx
4:	hlt
	jmp 4b

	.balign 16
gdt:
	.quad 0
	.quad 0
	.quad 0x00af9b000000ffff /* 0x10: code, long mode */
	.quad 0x00cf93000000ffff /* 0x18: data */
gdt_pointer:
	.word . - gdt - 1
	.long gdt

	.balign 0x1000
pml4:
	.skip 0x1000
pdpt:
	.skip 0x1000
directories:
	.skip GIB_MAPPED * 0x1000
	.org SHELL_SIZE
