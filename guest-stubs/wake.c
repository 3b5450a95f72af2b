/* Shows what halt polling is worth: CPU 1 sends CPU 0 an interrupt some time after that has halted,
 * again and again. After short gaps the hypervisor polls and the wake-up is near; after long ones
 * it must have stopped to poll. How often it did stands in its end table; the delays here. Words:
 * rounds=, gap_us=. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/stub.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"
#include "guest-stubs/common/trap.h"

#define VECTOR_WAKE 0x50

static volatile uint64_t rounds_begun, sent_at, delay;
static uint64_t rounds, gap_ticks;

static void woken(struct trap_frame *frame)
{
	(void)frame;
	delay = rdtsc() - sent_at;
	apic_eoi();
}

/* CPU 1: waits until CPU 0 is about to halt, and the gap, and sends. */
static void send_wakes(uint64_t target)
{
	for (uint64_t i = 1; i <= rounds; i++) {
		uint64_t begun;

		while (rounds_begun < i)
			cpu_relax();
		begun = rdtsc();
		while (rdtsc() - begun < gap_ticks)
			cpu_relax();
		sent_at = rdtsc();
		apic_icr((uint32_t)target, APIC_ICR_ASSERT | VECTOR_WAKE);
	}
}

void stub_main(void)
{
	uint64_t least = UINT64_MAX, greatest = 0, sum = 0, late = 0;

	rounds = cmdline_u64("rounds", 100);
	timer_init();
	gap_ticks = clock_ns_to_tsc(cmdline_u64("gap_us", 50) * NS_PER_US);
	trap_set(VECTOR_WAKE, woken);
	smp_start(2);
	smp_run(1, send_wakes, apic_id());
	for (uint64_t i = 1; i <= rounds; i++) {
		delay = 0;
		rounds_begun = i;
		while (!delay)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		sum += delay;
		least = delay < least ? delay : least;
		greatest = delay > greatest ? delay : greatest;
		late += delay > gap_ticks + clock_ns_to_tsc(NS_PER_SEC / 10);
	}
	smp_wait(1);
	diag("%lu wake-ups after %lu ticks each, late by %lu / %lu / %lu ticks (least, mean, most)",
	     rounds, gap_ticks, least, sum / rounds, greatest);
	ok(1, "every one has come");
	is(late, 0, "and none was late by a tenth of a second");
	done();
}
