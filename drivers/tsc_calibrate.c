/* The TSC's rate, measured against the PIT's channel 2 (8254, mode 0: the output rises when the
 * count is over). What CPUID claims is only the way out where there is no PIT: emulators lie there.
 */
#include "cpu/insn.h"
#include "drivers/tsc_calibrate.h"
#include "lib/errno.h"
#include "lib/log.h"

#define PIT_HZ         1193182u
#define PIT_CHANNEL2   0x42
#define PIT_CONTROL    0x43
#define PIT_CH2_MODE0  0xb0 /* channel 2, low then high byte, mode 0, binary */
#define PORT_B         0x61
#define PORT_B_GATE2   BIT(0)
#define PORT_B_SPEAKER BIT(1)
#define PORT_B_OUT2    BIT(5)

#define RUNS_MAX  12
#define PIT_TICKS 29830u /* 25 ms a run */
/* A run is over after so many looks at port B, each of half a microsecond or more, or the PIT is
 * dead. */
#define LOOKS_MAX 2000000u
#define HZ_MIN    1000000u
#define HZ_MAX    20000000000ull
#define ACCURACY  1000u /* runs that differ by less than one part in so many agree */

/* One run: how many TSC ticks the PIT took, and by how many that may be wrong. */
struct run {
	uint64_t ticks, error;
};

/* The PIT starts between the TSC times first and started, and is done between before and now. What
 * delays this pCPU in between (an SMI, an emulator) does no harm; at the ends it shows as error.
 * -EIO when the PIT does not count. */
static int measure(struct run *run)
{
	uint8_t port_b = (uint8_t)((inb(PORT_B) & ~PORT_B_SPEAKER) | PORT_B_GATE2);
	uint64_t first, started, before, now;

	outb(PORT_B, port_b);
	outb(PIT_CONTROL, PIT_CH2_MODE0);
	outb(PIT_CHANNEL2, PIT_TICKS & 0xff);
	first = rdtsc_ordered();
	outb(PIT_CHANNEL2, PIT_TICKS >> 8);
	started = now = rdtsc_ordered();
	for (uint32_t i = 0; i < LOOKS_MAX; i++) {
		bool is_done = inb(PORT_B) & PORT_B_OUT2;

		before = now;
		now = rdtsc_ordered();
		if (!is_done)
			continue;
		run->ticks = (before + now) / 2 - (first + started) / 2;
		run->error = (now - before + started - first) / 2;
		return i ? 0 : -EIO; /* a port that is not there reads as all ones */
	}
	return -EIO;
}

static bool is_agreeing(const struct run *a, const struct run *b)
{
	uint64_t apart = a->ticks > b->ticks ? a->ticks - b->ticks : b->ticks - a->ticks;

	return apart <= a->ticks / ACCURACY && a->error <= a->ticks / ACCURACY;
}

/* By the run that gives the lowest upper bound, since disturbances only add to it (a TSC that an
 * emulator moves forward within a run, too); once two others agree with it. 0 when the PIT does not
 * count. */
static uint64_t measure_hz(void)
{
	uint8_t port_b = inb(PORT_B);
	struct run run[RUNS_MAX], *best = &run[0];
	unsigned agreeing = 0;

	for (unsigned i = 0; i < RUNS_MAX && agreeing < 3; i++) {
		if (measure(&run[i]))
			return 0;
		if (run[i].ticks + run[i].error < best->ticks + best->error)
			best = &run[i];
		agreeing = 0; /* the best itself counts */
		for (unsigned k = 0; k <= i; k++)
			agreeing += is_agreeing(best, &run[k]);
	}
	outb(PORT_B, port_b);
	if (agreeing < 3)
		log_warn("the TSC's rate could not be measured exactly: is this machine busy?");
	return mul_div_u64(best->ticks, PIT_HZ, PIT_TICKS);
}

/* 'Determining the Processor Base Frequency': crystal * EBX / EAX; 0 when it is not told. */
static uint64_t claimed_hz(void)
{
	struct cpuid_regs r;

	if (cpuid(0, 0).eax < 0x15)
		return 0;
	r = cpuid(0x15, 0);
	return r.eax && r.ebx && r.ecx ? mul_div_u64(r.ecx, r.ebx, r.eax) : 0;
}

int tsc_calibrate(struct tsc_rate *rate)
{
	rate->hz = measure_hz();
	if (!rate->hz) {
		rate->hz = claimed_hz();
		log_warn("the PIT does not count: the TSC's rate is what CPUID claims");
	}
	if (rate->hz < HZ_MIN || rate->hz > HZ_MAX) {
		log_error("the TSC's rate cannot be measured (%llu Hz is not plausible)",
			  (unsigned long long)rate->hz);
		return -EIO;
	}
	return 0;
}
