/* A vCPU that is never idle, and notes between which two instructions it did not run; one that
 * halts in turn; one that always does; one that ends at once.
 *
 * What others do on its pCPU is seen from its own TSC, and told in the host's: `origin NS` is the
 * wall clock at TSC 0, `gap OUT IN` the TSC behind the last instruction before a gap and at the
 * first after it. tools/bench puts the lines of two VMs together: the end of one's turn is followed
 * by the beginning of the other's. The loop's length, six instructions, is the uncertainty.
 *
 *  migration: a vCPU is preempted on one pCPU and goes on on another, which was idle: the gap. Told
 *             by one that may run on both (word migration=1). */
#include "guest-stubs/bench/measure.h"
#include "guest-stubs/bench/parts.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"
#include "guest-stubs/common/msr.h"

#include <asm/kvm_para.h>

#define GAP_TICKS      100
#define GAPS_MAX       256
#define MIGRATIONS_MIN 5
#define MARKED_TURN    8 /* the marks are before it and behind it */

struct gap {
	uint64_t out, in;
};

static struct gap gaps[GAPS_MAX];
static volatile struct pvclock_wall wall __aligned(4);

/* Until `end`; how many gaps there were. One that is longer than `turn` is somebody else's turn. */
static unsigned watch(uint64_t end, uint64_t turn)
{
	uint64_t last = rdtsc();
	unsigned count = 0, turns = 0;

	while (last < end && count < GAPS_MAX) {
		uint64_t now = rdtsc();

		if (now - last > GAP_TICKS) {
			gaps[count++] = (struct gap){last, now};
			turns += now - last > turn;
			if (has_marks() && now - last > turn &&
			    (turns == MARKED_TURN || turns == MARKED_TURN + 1))
				mark();
			now = rdtsc();
		}
		last = now;
	}
	return count;
}

/* The wall clock when the TSC was 0. */
static uint64_t origin_ns(void)
{
	uint64_t tsc, now;

	wrmsr(MSR_KVM_WALL_CLOCK_NEW, (uintptr_t)&wall);
	tsc = rdtsc();
	now = clock_ns();
	return wall.sec * NS_PER_SEC + wall.nsec + now - clock_tsc_to_ns(tsc);
}

static void report_migrations(unsigned count, uint64_t slice)
{
	uint64_t moves = 0;

	/* A turn of somebody else lasts a slice, and an interrupt a small part of one. */
	for (unsigned i = 0; i < count; i++) {
		uint64_t ticks = gaps[i].in - gaps[i].out;

		if (slice / 8 < ticks && ticks < slice / 2)
			samples[moves++] = ticks;
	}
	diag("%lu of %u gaps were migrations", moves, count);
	if (!ok(moves >= MIGRATIONS_MIN, "it has gone to the other pCPU"))
		return;
	rounds = moves;
	/* On the way of some there are interrupts, which make several heaps of them. */
	report_low("migration");
}

void bench_busy(void)
{
	uint64_t ms = cmdline_u64("ms", 30), after = cmdline_u64("after_ms", 0);
	uint64_t slice = clock_ns_to_tsc(cmdline_u64("slice_us", 200) * NS_PER_US);
	unsigned count;

	timer_init();
	if (after)
		timer_halt_until(began + clock_ns_to_tsc(after * NS_PER_MS));
	irq_enable();
	count = watch(rdtsc() + clock_ns_to_tsc(ms * NS_PER_MS), slice / 2);
	irq_disable();
	if (cmdline_u64("migration", 0)) {
		report_migrations(count, slice);
		return;
	}
	if (!clock_is_kvm()) {
		diag("no KVM: when it ran cannot be compared with others");
		return;
	}
	print("origin %lu at %lu\n", origin_ns(), clock_tsc_hz());
	for (unsigned i = 0; i < count; i++)
		print("gap %lu %lu\n", gaps[i].out, gaps[i].in);
}

void bench_nap(void)
{
	uint64_t end, ms = cmdline_u64("ms", 30), turn_us = cmdline_u64("turn_us", 700);

	timer_init();
	wrmsr(MSR_KVM_POLL_CONTROL, 0);
	end = rdtsc() + clock_ns_to_tsc(ms * NS_PER_MS);
	while (rdtsc() < end) {
		clock_spin_ns(turn_us * NS_PER_US);
		timer_halt_ns(turn_us * NS_PER_US);
	}
}

void bench_idle(void)
{
	for (;;)
		irq_enable_and_halt();
}

void bench_quick(void)
{
}
