/* Where a SIPI starts a CPU: copied to SMP_TRAMPOLINE, below 1 MiB, and from there straight from real
 * mode to long mode, with the first CPU's page tables and GDT. */

#define SMP_TRAMPOLINE 0x10000
#define AT(label)      (label - smp_trampoline)

	.section .rodata
	.globl smp_trampoline, smp_trampoline_cr3, smp_trampoline_end
	.balign 16
	.code16
smp_trampoline:
	cli
	mov %cs, %ax
	mov %ax, %ds
	lgdtl AT(gdt_pointer_32)
	mov $0x20, %eax              /* CR4.PAE */
	mov %eax, %cr4
	mov AT(smp_trampoline_cr3), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx        /* IA32_EFER.LME */
	rdmsr
	or $0x100, %eax
	wrmsr
	mov $0x80000031, %eax        /* CR0: PG, NE, ET, PE */
	mov %eax, %cr0
	ljmpl $0x08, $(SMP_TRAMPOLINE + AT(long_mode))

	.code64
long_mode:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov smp_start_stack, %rsp
	xor %ebp, %ebp
	mov $smp_entry, %rax
	call *%rax

	.balign 8
gdt_pointer_32:
	.word 4 * 8 - 1 /* as crt.S has it */
	.long stub_gdt
	.balign 4
smp_trampoline_cr3:
	.long 0
smp_trampoline_end:
