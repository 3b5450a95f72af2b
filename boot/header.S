/* The Multiboot2 header and the way from its 32-bit entry into 64-bit C ('Multiboot2 specification',
 * 'I386 machine state'): protected mode, flat segments, paging and interrupts off, EAX the magic,
 * EBX the information structure. The same under BIOS and UEFI. */
#include <asm/processor-flags.h>

#include "boot/mb2.h"
#include "cpu/desc.h"

#define MSR_EFER  0xc0000080
#define EFER_LME  0x100
#define COM1      0x3f8
#define VGA_TEXT  0xb8000

/* Page-table entries: present, writable; and a large page. */
#define PTE_TABLE 0x3
#define PTE_LARGE 0x83

	.section .boot.multiboot2, "a"
	.balign	MB2_HEADER_ALIGN
header:
	.long	MB2_HEADER_MAGIC
	.long	MB2_HEADER_ARCH_I386
	.long	header_end - header
	.long	-(MB2_HEADER_MAGIC + MB2_HEADER_ARCH_I386 + (header_end - header))

	.balign	8
request:
	.short	MB2_HEADER_TAG_INFORMATION_REQUEST, MB2_HEADER_TAG_OPTIONAL
	.long	request_end - request
	.long	MB2_TAG_CMDLINE, MB2_TAG_LOADER_NAME, MB2_TAG_MODULE, MB2_TAG_MMAP
	.long	MB2_TAG_FRAMEBUFFER, MB2_TAG_ACPI_OLD, MB2_TAG_ACPI_NEW
request_end:

	.balign	8
	.short	MB2_HEADER_TAG_FRAMEBUFFER, MB2_HEADER_TAG_OPTIONAL
	.long	20, MB2_HEADER_FB_WIDTH, MB2_HEADER_FB_HEIGHT, MB2_HEADER_FB_DEPTH

	.balign	8
	.short	MB2_HEADER_TAG_MODULE_ALIGN, 0
	.long	8

	.balign	8
	.short	MB2_HEADER_TAG_END, 0
	.long	8
header_end:

	.section .boot, "ax"
	.code32
	.globl	boot_entry32
boot_entry32:
	cli
	cld
	movl	$boot_stack_top, %esp
	movl	%eax, %ebp		/* CPUID takes EAX to EDX */
	movl	%ebx, %edi

	/* 'CPUID: Extended Processor Signature and Feature Bits': EDX bit 29 is Intel 64. */
	movl	$0x80000000, %eax
	cpuid
	cmpl	$0x80000001, %eax
	jb	no_long_mode
	movl	$0x80000001, %eax
	cpuid
	btl	$29, %edx
	jnc	no_long_mode

	/* The first 4 GiB, identity, in 2M pages: four directories side by side. */
	movl	$(boot_pdpt + PTE_TABLE), boot_pml4
	movl	$(boot_pd + PTE_TABLE), %eax
	movl	$boot_pdpt, %ebx
	movl	$4, %ecx
1:	movl	%eax, (%ebx)
	addl	$4096, %eax
	addl	$8, %ebx
	loop	1b
	movl	$PTE_LARGE, %eax
	movl	$boot_pd, %ebx
	movl	$(4 * 512), %ecx
1:	movl	%eax, (%ebx)
	addl	$0x200000, %eax
	addl	$8, %ebx
	loop	1b

	movl	%cr4, %eax
	orl	$X86_CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$boot_pml4, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$(X86_CR0_PG | X86_CR0_WP), %eax
	movl	%eax, %cr0
	lgdt	boot_gdt_pointer
	ljmp	$SEL_CODE, $boot_entry64

/* Says so on the serial line and on the screen, for neither is known to be there, and stops. */
no_long_mode:
	movl	$no_long_mode_text, %esi
	movl	$VGA_TEXT, %edi
	movb	$0x0f, %ah
1:	lodsb
	testb	%al, %al
	jz	3f
	stosw
	movb	%al, %bl
	movl	$0x10000, %ecx
	movw	$(COM1 + 5), %dx	/* the line status: wait for 'transmitter empty' */
2:	inb	%dx, %al
	testb	$0x20, %al
	loopz	2b
	movb	%bl, %al
	movw	$COM1, %dx
	outb	%al, %dx
	jmp	1b
3:	hlt
	jmp	3b

no_long_mode_text:
	.asciz	"Carousel needs a 64-bit CPU (Intel 64), and this one is not."

	.balign	8
	.globl	boot_gdt_pointer
boot_gdt_pointer:
	.short	boot_gdt_end - boot_gdt - 1
	.long	boot_gdt

/* Until percpu_load gives each pCPU its own. */
	.balign	8
	.globl	boot_gdt
boot_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 64-bit code */
	.quad	0x00cf93000000ffff	/* data */
boot_gdt_end:

	.text
	.code64
boot_entry64:
	movl	$SEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%edi, %esi		/* the upper halves were undefined: these clear them */
	movl	%ebp, %edi
	movl	$boot_stack_top, %esp
	xorl	%ebp, %ebp
	call	boot_main
1:	hlt
	jmp	1b

	.section .bss.boot, "aw", @nobits
	.balign	4096
	.globl	boot_pml4
boot_pml4:
	.skip	4096
boot_pdpt:
	.skip	4096
boot_pd:
	.skip	4 * 4096

/* The boot CPU's stack: STACK_PAGES of cpu/desc.h. linker.ld puts a guard page below it. */
	.section .bss.boot_stack, "aw", @nobits
	.balign	4096
	.skip	STACK_PAGES * 4096
	.globl	boot_stack_top
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
