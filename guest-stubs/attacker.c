/* Does one thing for ever that might take another VM's time. Words: attack= (which), cpus= (that
 * take part, default 1). It says when it has begun, and how far it has come after 10 ms. */
#include "guest-stubs/attacker/attack.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/paging.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"
#include "guest-stubs/common/trap.h"

#define REPORT_NS (10 * NS_PER_MS)
#define SPINS     1000
#define FIRST_IRQ 32
#define APIC_TICK 0xd0

volatile uint64_t attack_interrupts;
static const struct attack *attack;

uint64_t attack_random(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

void attack_halt(uint64_t n)
{
	(void)n;
	irq_enable_and_halt();
}

void attack_spin(uint64_t n)
{
	(void)n;
	for (volatile unsigned i = 0; i < SPINS; i++)
		;
}

uint64_t attack_memory(void)
{
	return ((uint64_t)image_end + SIZE_2M - 1) & ~(SIZE_2M - 1);
}

void attack_tick(uint64_t ns)
{
	apic_timer_hz();
	apic_write(APIC_LVT_TIMER, APIC_TICK | APIC_LVT_PERIODIC);
	apic_write(APIC_TMICT, (uint32_t)(ns * apic_timer_hz() / NS_PER_SEC));
}

static void take(struct trap_frame *frame)
{
	(void)frame;
	attack_interrupts++;
	apic_eoi();
}

static void ignore(struct trap_frame *frame)
{
	(void)frame;
}

static const struct attack *find(void)
{
	const struct attack *const tables[] = {
		attacks_on_turns, attacks_by_timers,  attacks_by_fw_cfg, attacks_by_virtio,
		attacks_by_exits, attacks_by_strings, attacks_by_apic,   attacks_by_memory};

	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct attack *a = tables[i]; a->name; a++)
			if (cmdline_is("attack", a->name))
				return a;
	bail("no such attack");
}

static void take_part(uint64_t cpu)
{
	(void)cpu;
	for (uint64_t n = 0;; n++)
		attack->others(n);
}

void stub_main(void)
{
	uint64_t began, end;
	bool is_said = false;

	attack = find();
	timer_init();
	for (unsigned vector = FIRST_IRQ; vector < VECTOR_TIMER; vector++)
		trap_set((uint8_t)vector, take);
	trap_set(VECTOR_NMI, ignore);
	smp_start((unsigned)cmdline_u64("cpus", 1));
	if (attack->begin)
		attack->begin();
	diag("%s begins", attack->name);
	for (unsigned cpu = 1; attack->others && cpu < smp_count(); cpu++)
		smp_run(cpu, take_part, cpu);
	began = rdtsc();
	end = began + clock_ns_to_tsc(REPORT_NS);
	for (uint64_t n = 0;; n++) {
		attack->round(n);
		if (is_said || rdtsc() < end)
			continue;
		diag("%s: %lu rounds, %lu interrupts in %lu us", attack->name, n + 1,
		     attack_interrupts, clock_tsc_to_ns(rdtsc() - began) / NS_PER_US);
		is_said = true;
	}
}
