/* More CPUs. */
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"

#define TRAMPOLINE 0x10000ul
#define STACK_SIZE 16384
#define START_NS   (2000 * NS_PER_MS)

extern const uint8_t smp_trampoline[], smp_trampoline_cr3[], smp_trampoline_target[],
	smp_trampoline_end[];
extern uint64_t smp_start_stack;
extern uint8_t smp_small_stacks[];
void __noreturn smp_entry(void);
void smp_start_one(void);

struct cpu {
	void (*work)(uint64_t arg); /* NULL: idle */
	uint64_t arg;
	bool is_online;
	uint8_t stack[STACK_SIZE] __aligned(16);
};

static struct cpu cpus[SMP_CPUS_MAX];
static unsigned cpu_count = 1, starting;
uint64_t smp_start_stack;
uint8_t smp_small_stacks[SMP_CPUS_MAX * SMP_SMALL_STACK] __aligned(16);
uint32_t smp_stacks_taken;
void (*smp_many_entry)(uint32_t cs);

static void note_work(struct trap_frame *frame)
{
	(void)frame;
	apic_eoi();
}

void smp_entry(void)
{
	struct cpu *cpu = &cpus[starting];

	trap_load();
	apic_enable(apic_is_x2apic());
	__atomic_store_n(&cpu->is_online, true, __ATOMIC_RELEASE);
	for (;;) {
		void (*work)(uint64_t) = __atomic_load_n(&cpu->work, __ATOMIC_ACQUIRE);

		if (!work) {
			irq_enable_and_halt();
			continue;
		}
		work(cpu->arg);
		__atomic_store_n(&cpu->work, NULL, __ATOMIC_RELEASE);
	}
}

void smp_put_trampoline(uint64_t page, void (*target)(void))
{
	uint32_t cr3 = (uint32_t)read_cr3(), rip = (uint32_t)(uintptr_t)target;
	uint8_t *copy = (uint8_t *)page;

	memcpy(copy, smp_trampoline, (size_t)(smp_trampoline_end - smp_trampoline));
	memcpy(copy + (smp_trampoline_cr3 - smp_trampoline), &cr3, sizeof(cr3));
	memcpy(copy + (smp_trampoline_target - smp_trampoline), &rip, sizeof(rip));
}

static void start(unsigned index)
{
	uint64_t end = rdtsc() + clock_ns_to_tsc(START_NS);
	struct cpu *cpu = &cpus[index];

	starting = index;
	smp_start_stack = (uint64_t)(cpu->stack + STACK_SIZE);
	apic_icr(index, APIC_DM_INIT | APIC_ICR_ASSERT);
	apic_icr(index, APIC_DM_STARTUP | APIC_ICR_ASSERT | TRAMPOLINE >> 12);
	while (!__atomic_load_n(&cpu->is_online, __ATOMIC_ACQUIRE)) {
		if (rdtsc() > end)
			bail("CPU %u does not start", index);
		cpu_relax();
	}
}

void smp_start(unsigned count)
{
	if (count > SMP_CPUS_MAX)
		bail("%u CPUs are too many", count);
	trap_set(VECTOR_WORK, note_work);
	smp_put_trampoline(TRAMPOLINE, smp_start_one);
	for (; cpu_count < count; cpu_count++)
		start(cpu_count);
}

void smp_restart(unsigned cpu)
{
	cpus[cpu].is_online = false;
	__atomic_store_n(&cpus[cpu].work, NULL, __ATOMIC_RELEASE);
	start(cpu);
}

unsigned smp_count(void)
{
	return cpu_count;
}

void smp_run(unsigned cpu, void (*work)(uint64_t arg), uint64_t arg)
{
	cpus[cpu].arg = arg;
	__atomic_store_n(&cpus[cpu].work, work, __ATOMIC_RELEASE);
	apic_icr(cpu, APIC_DM_FIXED | APIC_ICR_ASSERT | VECTOR_WORK);
}

bool smp_is_idle(unsigned cpu)
{
	return !__atomic_load_n(&cpus[cpu].work, __ATOMIC_ACQUIRE);
}

void smp_wait(unsigned cpu)
{
	while (!smp_is_idle(cpu))
		cpu_relax();
}

void smp_call(unsigned cpu, void (*work)(uint64_t arg), uint64_t arg)
{
	smp_run(cpu, work, arg);
	smp_wait(cpu);
}
