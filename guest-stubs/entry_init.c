/* Proves that INIT leaves nothing pending: the second CPU is started anew by INIT and SIPI, time
 * and again, at the moments when it has just been given an exception with an error code or without,
 * an NMI, an interrupt, a single-step trap; it begins in real mode, where such an error code or
 * event has no place. And that NMIs come in wherever they find it, behind an STI too. Word:
 * rounds=. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/safe.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/tap.h"

#define UNKNOWN_MSR 0x12345678u
#define VECTOR_IPI  0x51
#define RFLAGS_TF   0x100
#define STEP_TICKS  37
#define STEPS       61
#define BEATS       5
#define NMIS        300
#define NMI_NS      (500 * NS_PER_MS)

static volatile uint64_t nmis, traps, ipis, shadows, beats;
static volatile bool is_over;

static void note_nmi(struct trap_frame *frame)
{
	(void)frame;
	nmis++;
}

static void note_trap(struct trap_frame *frame)
{
	(void)frame;
	traps++;
}

static void note_ipi(struct trap_frame *frame)
{
	(void)frame;
	ipis++;
	apic_eoi();
}

/* --- what the second CPU does, for ever --- */

static void be_refused(uint64_t unused)
{
	uint64_t value;

	(void)unused;
	for (;; beats++)
		rdmsr_safe(UNKNOWN_MSR, &value);
}

static void be_undefined(uint64_t unused)
{
	(void)unused;
	for (;; beats++)
		__asm__ volatile("1: ud2\n"
				 "2:\n" EXPECT_FAULT
				 :
				 :
				 : "memory");
}

static void send_itself_nmis(uint64_t unused)
{
	(void)unused;
	for (;; beats++)
		apic_icr(apic_id(), APIC_DM_NMI | APIC_ICR_ASSERT);
}

static void interrupt_itself(uint64_t unused)
{
	(void)unused;
	for (;; beats++) {
		apic_self_ipi(VECTOR_IPI);
		irq_window();
	}
}

static void step(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("pushfq; orl %1, (%%rsp); popfq\n"
			 "1: sti; cpuid; cli; incq %0; jmp 1b"
			 : "+m"(beats)
			 : "i"(RFLAGS_TF)
			 : "rax", "rbx", "rcx", "rdx", "memory");
}

static void wait_behind_sti(uint64_t unused)
{
	(void)unused;
	while (!is_over) {
		__asm__ volatile("sti; nop; cli" : : : "memory");
		shadows++;
	}
}

/* --- and the first --- */

static const struct {
	const char *what;
	void (*work)(uint64_t unused);
} works[] = {
	{"#GP, which has an error code", be_refused},
	{"#UD, which has none", be_undefined},
	{"an NMI", send_itself_nmis},
	{"an interrupt", interrupt_itself},
	{"a single-step trap", step},
};

static void check_init(unsigned rounds)
{
	for (unsigned w = 0; w < ARRAY_SIZE(works); w++) {
		for (unsigned i = 0; i < rounds; i++) {
			uint64_t until;

			smp_run(1, works[w].work, 0);
			for (uint64_t start = beats; beats < start + BEATS;)
				cpu_relax();
			until = rdtsc() + i % STEPS * STEP_TICKS;
			while (rdtsc() < until)
				;
			/* Ends the stub when the CPU does not come. */
			smp_restart(1);
		}
		ok(true, "%u times INIT upon %s", rounds, works[w].what);
	}
	ok(nmis && traps && ipis, "what was to be interrupted did come");
}

static void check_nmis(void)
{
	unsigned lost = 0;

	smp_run(1, wait_behind_sti, 0);
	for (unsigned i = 0; i < NMIS && !lost; i++) {
		uint64_t before = nmis, until = rdtsc() + clock_ns_to_tsc(NMI_NS);

		apic_icr(1, APIC_DM_NMI | APIC_ICR_ASSERT);
		while (nmis == before && rdtsc() < until)
			cpu_relax();
		lost += nmis == before;
	}
	is(lost, 0, "%u NMIs to a CPU that is behind an STI mostly", NMIS);
	is_over = true;
	smp_wait(1);
	ok(shadows > NMIS, "and goes on");
}

void stub_main(void)
{
	plan(ARRAY_SIZE(works) + 3);
	clock_init();
	trap_set(VECTOR_NMI, note_nmi);
	trap_set(VECTOR_DB, note_trap);
	trap_set(VECTOR_IPI, note_ipi);
	apic_enable(cmdline_is("x2apic", ""));
	smp_start(2);
	check_init((unsigned)cmdline_u64("rounds", 40));
	check_nmis();
}
