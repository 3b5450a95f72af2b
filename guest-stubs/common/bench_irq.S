/* The shortest interrupt handler, for xAPIC and x2APIC mode: notes the TSC, counts, sends the EOI. */

	.text
	.globl bench_irq_xapic, bench_irq_x2apic
bench_irq_xapic:
	push %rax
	push %rdx
	rdtsc
	mov %eax, bench_irq_tsc(%rip)
	mov %edx, bench_irq_tsc + 4(%rip)
	incq bench_irq_count(%rip)
	xor %eax, %eax
	movabs %eax, 0xfee000b0
	pop %rdx
	pop %rax
	iretq

bench_irq_x2apic:
	push %rax
	push %rdx
	push %rcx
	rdtsc
	mov %eax, bench_irq_tsc(%rip)
	mov %edx, bench_irq_tsc + 4(%rip)
	incq bench_irq_count(%rip)
	xor %eax, %eax
	xor %edx, %edx
	mov $0x80b, %ecx
	wrmsr
	pop %rcx
	pop %rdx
	pop %rax
	iretq
