/* Proves that HLT ends with its interrupt and not before: an interrupt that is pending already,
 * short sleeps (which the hypervisor may poll for), long ones (which block), and POLL_CONTROL,
 * which keeps what the guest wrote. Words: short= and long= (sleeps), short_us=, long_us=, late_us=
 * (allowed). */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/timer.h"
#include "guest-stubs/common/trap.h"

#include <asm/kvm_para.h>

#define VECTOR_IPI     0x50
#define PENDING_ROUNDS 100
/* A poll limit that doubles from 10 us reaches KVM's ceiling of 200 us in that many halts. */
#define GROWTH_ROUNDS  10

static volatile uint64_t ipis, ipi_rip;

static void note_ipi(struct trap_frame *frame)
{
	ipis++;
	ipi_rip = frame->rip;
	apic_eoi();
}

/* STI's shadow covers HLT: the interrupt that is pending ends the halt, so it comes behind HLT. */
static void check_pending(void)
{
	unsigned wrong = 0;

	trap_set(VECTOR_IPI, note_ipi);
	for (unsigned i = 0; i < PENDING_ROUNDS; i++) {
		uint64_t behind, before = ipis;

		apic_self_ipi(VECTOR_IPI);
		__asm__ volatile("lea 1f(%%rip), %0\n"
				 "sti\n"
				 "hlt\n"
				 "1: cli\n"
				 : "=r"(behind)
				 :
				 : "memory");
		wrong += ipis != before + 1 || ipi_rip != behind;
	}
	is(wrong, 0, "a pending interrupt ends STI; HLT, behind the HLT");
}

/* `rounds` sleeps of `us`: reports the least, mean and greatest delay of the wake-up. */
static void check_sleeps(const char *what, uint64_t rounds, uint64_t us, uint64_t allowed_us)
{
	uint64_t least = UINT64_MAX, greatest = 0, sum = 0, early = 0;
	uint64_t tolerance = timer_is_exact() ? 0 : clock_ns_to_tsc(us * NS_PER_US) / 20;

	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t deadline = rdtsc() + clock_ns_to_tsc(us * NS_PER_US);
		uint64_t woken = timer_halt_until(deadline), late = 0;

		if (woken < deadline)
			early += woken + tolerance < deadline;
		else
			late = woken - deadline;
		least = late < least ? late : least;
		greatest = late > greatest ? late : greatest;
		sum += late;
	}
	diag("%s: %lu sleeps of %lu us, wake-up late by %lu / %lu / %lu ticks (least, mean, most)",
	     what, rounds, us, least, rounds ? sum / rounds : 0, greatest);
	is(early, 0, "%s: never woken early", what);
	ok(clock_tsc_to_ns(greatest) <= allowed_us * NS_PER_US, "%s: never later than %lu us", what,
	   allowed_us);
}

void stub_main(void)
{
	uint64_t shorts = cmdline_u64("short", 50), short_us = cmdline_u64("short_us", 100);
	uint64_t longs = cmdline_u64("long", 20), long_us = cmdline_u64("long_us", 5000);
	uint64_t allowed_us = cmdline_u64("late_us", 200000);
	bool has_poll_control = kvm_has(KVM_FEATURE_POLL_CONTROL);

	plan(8);
	timer_init();
	check_pending();
	check_sleeps("short, polling grows", GROWTH_ROUNDS, short_us, allowed_us);
	check_sleeps("short, polled", shorts, short_us, allowed_us);
	check_sleeps("long", longs, long_us, allowed_us);
	if (!has_poll_control) {
		skip("POLL_CONTROL stays 0", "no KVM_FEATURE_POLL_CONTROL");
		return;
	}
	wrmsr(MSR_KVM_POLL_CONTROL, 0);
	for (uint64_t i = 0; i < shorts; i++)
		timer_halt_ns(short_us * NS_PER_US);
	is(rdmsr(MSR_KVM_POLL_CONTROL), 0, "POLL_CONTROL stays 0 over %lu halts", shorts);
	wrmsr(MSR_KVM_POLL_CONTROL, 1);
}
