/* Resets itself and looks at what its second life finds: memory, CPUs and devices as after
 * power-up, but for the CMOS memory, which is how it knows. Words: via=cf9|8042|port92, cpus=, cpu=
 * (the one that resets), for-ever (resets again and again). */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/tap.h"

#include <asm/kvm_para.h>
#include <asm/processor-flags.h>
#include <linux/serial_reg.h>

#define COM1        0x3f8
#define CMOS_INDEX  0x70
#define CMOS_DATA   0x71
#define CMOS_BYTE   0x50
#define MAGIC       0xa5
#define VALUE       0x123456789000ull
#define ECX1_XSAVE  BIT(26)
#define AREA        0x600000ul /* pvclock, and steal time behind it */
#define STEAL_AREA  (AREA + 0x1000)
#define TIMER_TICKS 20000

static const uint64_t marks[] = {0x500, 0x9f000, 0xc0000, 0x500000, AREA, STEAL_AREA, 0x700000};

static uint64_t life = 1; /* .data: the image is loaded again */
static volatile bool is_beating;

/* The compiler takes small addresses for null pointers' members. */
static volatile uint64_t *at(uint64_t address)
{
	__asm__("" : "+r"(address));
	return (volatile uint64_t *)address;
}

static uint8_t cmos_read(void)
{
	outb(CMOS_INDEX, CMOS_BYTE);
	return inb(CMOS_DATA);
}

static void cmos_write(uint8_t value)
{
	outb(CMOS_INDEX, CMOS_BYTE);
	outb(CMOS_DATA, value);
}

/* Leaves something of everything behind. */
static void make_traces(void)
{
	life = 2;
	for (unsigned i = 0; i < ARRAY_SIZE(marks); i++)
		*at(marks[i]) = VALUE;
	*at(stub_ram_size - 8) = VALUE;
	wrmsr(MSR_STAR, VALUE);
	wrmsr(MSR_LSTAR, VALUE);
	wrmsr(MSR_KERNEL_GS_BASE, VALUE);
	wrmsr(MSR_PAT, 0);
	wrmsr(MSR_MTRR_DEF_TYPE, 0);
	write_dr0(VALUE);
	if (cpuid(1, 0).ecx & ECX1_XSAVE) {
		write_cr4(read_cr4() | X86_CR4_OSXSAVE);
		xsetbv(0, 3);
	}
	if (kvm_has(KVM_FEATURE_STEAL_TIME)) {
		wrmsr(MSR_KVM_SYSTEM_TIME_NEW, AREA | 1);
		wrmsr(MSR_KVM_STEAL_TIME, STEAL_AREA | 1);
		wrmsr(MSR_KVM_POLL_CONTROL, 0);
	}
	outb(COM1 + UART_SCR, 0x5a);
	outb(COM1 + UART_IER, UART_IER_THRI);
	/* A timer that is due in the next life, and an interrupt that nobody takes. */
	apic_write(APIC_LVT_TIMER, 0x60 | APIC_LVT_PERIODIC);
	apic_write(APIC_TMICT, TIMER_TICKS);
	apic_self_ipi(0x61);
}

static void reset(uint64_t arg)
{
	(void)arg;
	if (cmdline_is("via", "8042")) {
		outb(0x64, 0xfe);
	} else if (cmdline_is("via", "port92")) {
		outb(0x92, inb(0x92) | 1);
	} else {
		outb(0xcf9, 0x02);
		outb(0xcf9, 0x06);
	}
	diag("the reset has no effect"); /* without a plan it fails */
	stub_exit(2);
}

static void beat(uint64_t arg)
{
	volatile uint64_t *word = at(arg);

	is_beating = true;
	for (;;)
		++*word;
}

static void first_life(void)
{
	unsigned cpus = (unsigned)cmdline_u64("cpus", 1), who = (unsigned)cmdline_u64("cpu", 0);

	apic_enable(apic_has_x2apic());
	smp_start(cpus);
	make_traces();
	cmos_write(MAGIC);
	diag("CPU %u of %u resets", who, cpus);
	if (cpus > 1 && who != 1) {
		smp_run(1, beat, marks[0]);
		while (!is_beating)
			cpu_relax();
	}
	if (!who)
		reset(0);
	smp_run(who, reset, 0);
	for (;;)
		++*at(marks[1]);
}

static void check_memory(void)
{
	unsigned left = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(marks); i++)
		left += *at(marks[i]) != 0;
	left += *at(stub_ram_size - 8) != 0;
	is(left, 0, "the memory is zero");
	is(life, 1, "the image is as it was");
}

static void check_cpu(void)
{
	const struct entry_regs *r = &entry_regs;

	is(r->rax | r->rcx | r->rbp | r->r8 | r->r9 | r->r10 | r->r11 | r->r12 | r->r13 | r->r14 |
		   r->r15,
	   0, "the general registers are zero");
	is(read_cr4() & X86_CR4_OSXSAVE, 0, "CR4.OSXSAVE is clear");
	is(rdmsr(MSR_STAR) | rdmsr(MSR_LSTAR) | rdmsr(MSR_KERNEL_GS_BASE), 0, "MSRs are zero");
	is(rdmsr(MSR_PAT), PAT_RESET, "PAT is as after a reset");
	is(rdmsr(MSR_MTRR_DEF_TYPE), 0xc06, "and the MTRRs");
	is(read_dr0(), 0, "DR0 is zero");
	is(rdmsr(MSR_APIC_BASE) & (APIC_BASE_BSP | APIC_BASE_ENABLE | APIC_BASE_X2APIC),
	   APIC_BASE_BSP | APIC_BASE_ENABLE, "the local APIC is in xAPIC mode");
	is(apic_read(APIC_SVR), 0xff, "and disabled by software");
	is(apic_read(APIC_TMICT), 0, "its timer stands");
	ok(!apic_bit(APIC_IRR, 0x60) && !apic_bit(APIC_IRR, 0x61), "no interrupt is pending");
	if (cpuid(1, 0).ecx & ECX1_XSAVE) {
		write_cr4(read_cr4() | X86_CR4_OSXSAVE);
		is(xgetbv(0), 1, "XCR0 has x87 alone");
	}
	if (kvm_has(KVM_FEATURE_STEAL_TIME)) {
		is(rdmsr(MSR_KVM_SYSTEM_TIME_NEW) | rdmsr(MSR_KVM_STEAL_TIME), 0,
		   "KVM's areas are off");
		is(rdmsr(MSR_KVM_POLL_CONTROL), 1, "POLL_CONTROL is on");
	}
}

static void second_life(void)
{
	unsigned cpus = (unsigned)cmdline_u64("cpus", 1);

	cmos_write(0);
	check_memory();
	check_cpu();
	is(inb(COM1 + UART_SCR) | inb(COM1 + UART_IER), 0, "the UART is as after a reset");
	clock_init();
	apic_enable(apic_has_x2apic());
	smp_start(cpus);
	ok(1, "all CPUs start again");
}

void stub_main(void)
{
	bool is_second;

	/* kvmclock's area is written in the stub's own memory: not before the first looks. */
	is_second = cmos_read() == MAGIC;
	if (is_second && !cmdline_is("for-ever", "")) {
		second_life();
		return;
	}
	clock_init();
	first_life();
}
