/* A CPU that comes back. */
#include "guest-stubs/fuzz/cpu.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/hpet.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/fuzz/memory.h"

#include <asm/processor-flags.h>

#define IST_FAULT     1
#define IST_NMI       2
#define IST_INTERRUPT 3
#define TSS_IST(n)    (36 + 8 * ((n)-1))
#define TSS_RSP0      4

#define WATCH_PIN     20
#define WATCH_PERIOD  100000 /* 1 ms at 100 MHz */
#define WATCH_AHEAD   200000
#define IOAPIC_DM_NMI (4u << 8)
#define TICKS         2 /* that may find the same op */
#define RTC_LIFE      0x50

#define GATE        0x8e00u
#define VECTOR_SIZE 16

struct gate {
	uint16_t offset_low, selector, flags, offset_mid;
	uint32_t offset_high, reserved;
};

extern const uint8_t vector_entries[], stub_gdt[];
void __noreturn fuzz_enter(struct trap_frame *frame);
void __noreturn fuzz_leave(struct fuzz_cpu *cpu);
void fuzz_ap_entry(void);
void __noreturn fuzz_begin(struct fuzz_cpu *cpu);
void __noreturn fuzz_loop(struct fuzz_cpu *cpu);

struct fuzz_cpu fuzz_cpus[FUZZ_CPUS];
struct gate fuzz_idt[256] __aligned(16);
static unsigned cpu_count;
static void (*work_of_all)(struct fuzz_cpu *cpu);
static uint64_t first_seed;

_Static_assert(sizeof(struct fuzz_cpu) == FUZZ_CPU_SIZE, "entry.S and this_cpu count on it");

uint64_t fuzz_random(struct fuzz_cpu *cpu)
{
	cpu->random ^= cpu->random << 13;
	cpu->random ^= cpu->random >> 7;
	cpu->random ^= cpu->random << 17;
	return cpu->random * 0x2545f4914f6cdd1dull;
}

uint64_t fuzz_below(struct fuzz_cpu *cpu, uint64_t n)
{
	return (fuzz_random(cpu) >> 20) % n;
}

bool fuzz_once_in(struct fuzz_cpu *cpu, uint64_t n)
{
	return !fuzz_below(cpu, n);
}

unsigned fuzz_count(void)
{
	return cpu_count;
}

/* --- what has to be right for C to run --- */

static void load_tables(struct fuzz_cpu *cpu)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} gdt = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt},
	  idt = {sizeof(fuzz_idt) - 1, (uint64_t)fuzz_idt};

	cpu->gdt[FUZZ_TSS / 8] &= ~(2ull << 40); /* not busy */
	__asm__ volatile("lgdt %0; lidt %1; ltr %w2; lldt %w3"
			 :
			 : "m"(gdt), "m"(idt), "r"(FUZZ_TSS), "r"(0)
			 : "memory");
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(FUZZ_DATA) : "memory");
}

/* The snippet may have changed any of these. */
static void put_right(struct fuzz_cpu *cpu)
{
	load_tables(cpu);
	if (read_cr3() != cpu->cr3)
		write_cr3(cpu->cr3);
	if (read_cr4() != cpu->cr4)
		write_cr4(cpu->cr4);
	if (read_cr0() != cpu->cr0)
		write_cr0(cpu->cr0);
	if (read_cr8())
		write_cr8(0);
	write_dr7(0x400);
	if (cpu->xcr0 && xgetbv(0) != cpu->xcr0)
		xsetbv(0, cpu->xcr0);
	if (cpu->ops % 16 == 0 && rdmsr(MSR_EFER) != cpu->efer)
		wrmsr(MSR_EFER, cpu->efer);
}

static struct fuzz_cpu *this_cpu(void)
{
	return (struct fuzz_cpu *)((uint64_t)__builtin_frame_address(0) & ~(FUZZ_CPU_SIZE - 1ull));
}

static void __noreturn leave(struct fuzz_cpu *cpu)
{
	put_right(cpu);
	fuzz_leave(cpu);
}

static void on_fault(struct trap_frame *frame)
{
	struct fuzz_cpu *cpu = this_cpu();

	(void)frame;
	cpu->faults++;
	leave(cpu);
}

/* The third tick that finds the same op ends it. */
static void look(struct fuzz_cpu *cpu)
{
	if (cpu->watched_op != cpu->ops) {
		cpu->watched_op = cpu->ops;
		cpu->watched = 0;
		return;
	}
	if (cpu->watched++ < TICKS)
		return;
	cpu->taken_back++;
	leave(cpu);
}

static bool is_in_c(const struct trap_frame *frame)
{
	return frame->cs == FUZZ_CODE64 && frame->rip >= 0x200000 &&
	       frame->rip < (uint64_t)image_end;
}

static void on_nmi(struct trap_frame *frame)
{
	if (!is_in_c(frame))
		look(this_cpu());
}

static void on_interrupt(struct trap_frame *frame)
{
	struct fuzz_cpu *cpu = this_cpu();
	uint64_t base = rdmsr(MSR_APIC_BASE);

	cpu->interrupts++;
	if (base & APIC_BASE_X2APIC)
		wrmsr(MSR_X2APIC + (APIC_EOI >> 4), 0);
	else if (base & APIC_BASE_ENABLE)
		*(volatile uint32_t *)(APIC_MMIO_BASE + APIC_EOI) = 0;
	if (!is_in_c(frame))
		look(cpu);
}

/* --- setting up --- */

static void set_gates(void)
{
	for (unsigned v = 0; v < ARRAY_SIZE(fuzz_idt); v++) {
		uint64_t entry = (uint64_t)vector_entries + v * VECTOR_SIZE;
		unsigned ist = v == VECTOR_NMI ? IST_NMI : v < 32 ? IST_FAULT : IST_INTERRUPT;

		fuzz_idt[v] = (struct gate){(uint16_t)entry,         FUZZ_CODE64,
					    (uint16_t)(GATE | ist),  (uint16_t)(entry >> 16),
					    (uint32_t)(entry >> 32), 0};
		trap_set((uint8_t)v, v == VECTOR_NMI ? on_nmi : v < 32 ? on_fault : on_interrupt);
	}
	/* CPL 3 may use some. */
	fuzz_idt[3].flags |= 0x6000;
	fuzz_idt[4].flags |= 0x6000;
	fuzz_idt[0x40].flags |= 0x6000;
}

static void set_descriptors(struct fuzz_cpu *cpu)
{
	static const uint64_t user[] = {0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff};
	uint64_t tss = (uint64_t)cpu->tss, code = (uint64_t)fuzz_code(cpu);

	memset(cpu->gdt, 0, sizeof(cpu->gdt));
	memcpy(cpu->gdt, stub_gdt, 4 * sizeof(uint64_t));
	cpu->gdt[FUZZ_CODE16 / 8] =
		0x008f9b000000ffff | (code & 0xffffff) << 16 | (code >> 24 & 0xff) << 56;
	memcpy(&cpu->gdt[FUZZ_USER32 / 8], user, sizeof(user));
	cpu->gdt[FUZZ_TSS / 8] =
		0x0000890000000067 | (tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
	cpu->gdt[FUZZ_TSS / 8 + 1] = tss >> 32;
	memset(cpu->tss, 0, sizeof(cpu->tss));
	for (unsigned i = 0; i < ARRAY_SIZE(cpu->ist); i++) {
		uint64_t top = (uint64_t)cpu->ist[i] + sizeof(cpu->ist[i]);

		memcpy(cpu->tss + TSS_IST(i + 1), &top, sizeof(top));
		memcpy(cpu->tss + TSS_RSP0, &top, sizeof(top));
	}
	cpu->tss[102] = sizeof(cpu->tss); /* no I/O bitmap */
}

/* What is offered, so that snippets can use it. */
static void enable_extensions(struct fuzz_cpu *cpu)
{
	write_cr0((read_cr0() & ~(uint64_t)(X86_CR0_EM | X86_CR0_TS)) | X86_CR0_MP);
	write_cr4(read_cr4() | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT);
	cpu->xcr0 = 0;
	if (cpuid(1, 0).ecx & BIT(26)) {
		write_cr4(read_cr4() | X86_CR4_OSXSAVE);
		cpu->xcr0 = cpuid(0xd, 0).eax & 7;
		xsetbv(0, cpu->xcr0);
	}
	wrmsr(MSR_EFER,
	      rdmsr(MSR_EFER) | EFER_SCE | (cpuid(0x80000001, 0).edx & BIT(20) ? EFER_NX : 0));
	cpu->cr0 = read_cr0();
	cpu->cr3 = read_cr3();
	cpu->cr4 = read_cr4();
	cpu->efer = rdmsr(MSR_EFER);
}

void fuzz_watch(struct fuzz_cpu *cpu)
{
	if (rdmsr(MSR_APIC_BASE) != cpu->apic_base) {
		wrmsr(MSR_APIC_BASE, cpu->apic_base & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC));
		apic_enable(apic_has_x2apic());
	}
	ioapic_write((uint8_t)(IOAPIC_ENTRY(WATCH_PIN) + 1), 0xff000000);
	ioapic_write((uint8_t)IOAPIC_ENTRY(WATCH_PIN), IOAPIC_DM_NMI);
	hpet_write(HPET_CONFIG, HPET_CONFIG_ENABLE);
	hpet_write(HPET_TIMER(0), HPET_TIMER_ROUTE(WATCH_PIN) | HPET_TIMER_ENABLE |
					  HPET_TIMER_PERIODIC | HPET_TIMER_SET);
	hpet_write(HPET_COMPARATOR(0), hpet_read(HPET_COUNTER) + WATCH_AHEAD);
	hpet_write(HPET_COMPARATOR(0), WATCH_PERIOD);
	apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_LVT_TIMER, 0xe0 | APIC_LVT_PERIODIC);
	apic_write(APIC_TDCR, APIC_TDCR_1);
	apic_write(APIC_TMICT, 1000000);
}

/* On its own stack; again after each INIT and SIPI. */
void fuzz_begin(struct fuzz_cpu *cpu)
{
	set_descriptors(cpu);
	load_tables(cpu);
	enable_extensions(cpu);
	apic_enable(apic_has_x2apic());
	cpu->apic_base = rdmsr(MSR_APIC_BASE);
	set_gates();
	fuzz_watch(cpu);
	fuzz_loop(cpu);
}

void fuzz_loop(struct fuzz_cpu *cpu)
{
	for (;;)
		work_of_all(cpu);
}

/* Which of its lives this is: the CMOS memory outlives a reset. */
static uint8_t count_lives(void)
{
	uint8_t life;

	outb(0x70, RTC_LIFE);
	life = inb(0x71);
	outb(0x70, RTC_LIFE);
	outb(0x71, (uint8_t)(life + 1));
	return life;
}

void fuzz_put_trampoline(void)
{
	smp_put_trampoline(FUZZ_TRAMPOLINE, fuzz_ap_entry);
}

void fuzz_start(uint64_t seed, unsigned count, void (*work)(struct fuzz_cpu *cpu))
{
	uint8_t life = count_lives();

	if (count > FUZZ_CPUS)
		bail("%u CPUs are too many", count);
	clock_init();
	apic_enable(apic_has_x2apic());
	cpu_count = count;
	work_of_all = work;
	first_seed = seed * 256 + life;
	for (unsigned i = 0; i < count; i++) {
		fuzz_cpus[i].index = i;
		fuzz_cpus[i].random = (first_seed * FUZZ_CPUS + i + 1) * 0x9e3779b97f4a7c15ull;
	}
	diag("seed %lu, life %u", seed, life);
	fuzz_put_trampoline();
	for (unsigned i = 1; i < count; i++) {
		apic_icr(i, APIC_DM_INIT | APIC_ICR_ASSERT);
		apic_icr(i, APIC_DM_STARTUP | APIC_ICR_ASSERT | (uint32_t)(FUZZ_TRAMPOLINE >> 12));
	}
	__asm__ volatile("mov %0, %%rsp; call fuzz_begin"
			 :
			 : "r"(fuzz_cpus[0].stack + FUZZ_STACK_TOP), "D"(&fuzz_cpus[0])
			 : "memory");
	__builtin_unreachable();
}

/* XCHG BX, BX stops Bochs, where `magic_break` is on. */
static void leave_emulator_alone(uint8_t *code)
{
	for (unsigned i = 1; i < FUZZ_CODE_SIZE; i++)
		if (code[i - 1] == 0x87 && code[i] == 0xdb)
			code[i] = 0xda;
}

void fuzz_run(struct fuzz_cpu *cpu, struct trap_frame *frame)
{
	leave_emulator_alone(fuzz_code(cpu));
	cpu->ops++;
	fuzz_enter(frame);
}
