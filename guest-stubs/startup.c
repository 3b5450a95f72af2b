/* Starts its CPUs in all the ways that kernels know: INIT and SIPI to all but self and to one after
 * the other, one SIPI or two, with the level de-assert of old kernels, without any delay, with
 * trampolines all over the first MiB, page 0 included, from xAPIC and from x2APIC mode; and looks
 * at the topology that each CPU finds in CPUID. Words: sockets=, cores=, threads=. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"

#define IDS_MAX      64
#define LEVEL        BIT(15)
#define TO_OTHERS    (3u << 18)
#define INIT         (APIC_DM_INIT | APIC_ICR_ASSERT)
#define SIPI         (APIC_DM_STARTUP | APIC_ICR_ASSERT)
#define START_NS     (3000 * NS_PER_MS)
#define SETTLE_NS    (30 * NS_PER_MS)
/* Longer than the turns of all the others on one pCPU together. */
#define BUSY_NS      (200 * NS_PER_MS)
#define DEFAULT_PAGE 0x10

enum way { OTHERS_ONE_SIPI, OTHERS_TWO_SIPIS, OTHERS_DEASSERT, EACH_IN_TURN, EACH_BY_STEPS };

/* What a CPU says of itself, by its APIC ID. */
static struct cpu {
	uint32_t starts, cs, beats;
	struct cpuid_regs leaf1, leafb[2], leaf1f[2], level1, level3;
} cpus[IDS_MAX];

static uint32_t ids[SMP_CPUS_MAX], cpu_count, strangers;
static uint32_t sockets, cores, threads;
static bool must_beat;

/* Bits that number so many. */
static uint32_t bits(uint32_t count)
{
	uint32_t n = 0;

	while (1u << n < count)
		n++;
	return n;
}

static uint32_t cpu_id(void)
{
	return cpuid(0xb, 0).edx;
}

static void describe(struct cpu *cpu)
{
	cpu->leaf1 = cpuid(1, 0);
	cpu->level1 = cpuid(4, 0);
	cpu->level3 = cpuid(4, 3);
	for (uint32_t i = 0; i < 2; i++) {
		cpu->leafb[i] = cpuid(0xb, i);
		cpu->leaf1f[i] = cpuid(0x1f, i);
	}
}

static void cpu_main(uint32_t cs)
{
	uint32_t id = cpu_id();
	struct cpu *cpu = &cpus[id % IDS_MAX];

	if (id >= IDS_MAX)
		__atomic_fetch_add(&strangers, 1, __ATOMIC_SEQ_CST);
	describe(cpu);
	cpu->cs = cs;
	__atomic_fetch_add(&cpu->starts, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&must_beat, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&cpu->beats, 1, __ATOMIC_RELAXED);
		cpu_relax();
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}

static uint32_t started(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < IDS_MAX; i++)
		sum += __atomic_load_n(&cpus[i].starts, __ATOMIC_SEQ_CST);
	return sum;
}

static void send_to_each(uint32_t what)
{
	for (uint32_t i = 1; i < cpu_count; i++)
		apic_icr(ids[i], what);
}

static void send(enum way way, uint32_t page)
{
	switch (way) {
	case OTHERS_DEASSERT:
		apic_icr(0, TO_OTHERS | INIT | LEVEL);
		apic_icr(0, TO_OTHERS | APIC_DM_INIT | LEVEL);
		apic_icr(0, TO_OTHERS | SIPI | page);
		apic_icr(0, TO_OTHERS | SIPI | page);
		break;
	case OTHERS_TWO_SIPIS:
		apic_icr(0, TO_OTHERS | INIT);
		apic_icr(0, TO_OTHERS | SIPI | page);
		clock_spin_ns(NS_PER_MS);
		apic_icr(0, TO_OTHERS | SIPI | page);
		break;
	case OTHERS_ONE_SIPI:
		apic_icr(0, TO_OTHERS | INIT);
		apic_icr(0, TO_OTHERS | SIPI | page);
		break;
	case EACH_IN_TURN:
		for (uint32_t i = 1; i < cpu_count; i++) {
			apic_icr(ids[i], INIT);
			apic_icr(ids[i], SIPI | page);
		}
		break;
	case EACH_BY_STEPS:
		send_to_each(INIT);
		send_to_each(SIPI | page);
		break;
	}
}

static void wait_for_all(void)
{
	uint64_t end = rdtsc() + clock_ns_to_tsc(START_NS);

	while (started() < cpu_count - 1 && rdtsc() < end)
		cpu_relax();
	clock_spin_ns(SETTLE_NS); /* whoever starts twice does so now */
}

/* Those that started other than once, or elsewhere than at the page. */
static uint32_t count_wrong(uint32_t page)
{
	uint32_t wrong = 0;

	for (uint32_t i = 1; i < cpu_count; i++) {
		const struct cpu *cpu = &cpus[ids[i]];

		wrong += cpu->starts != 1 || cpu->cs != page << 8;
	}
	return wrong;
}

static void start_all(enum way way, uint32_t page, const char *name)
{
	const char *mode = apic_is_x2apic() ? "x2APIC" : "xAPIC";
	uint32_t wrong;

	memset(cpus, 0, sizeof(cpus));
	smp_stacks_taken = 0;
	smp_put_trampoline((uint64_t)page << 12, smp_start_many);
	send(way, page);
	wait_for_all();
	wrong = count_wrong(page);
	ok(!wrong && started() == cpu_count - 1, "%s, %s, page 0x%02x: each of %u once", mode, name,
	   page, cpu_count - 1);
	if (wrong)
		diag("%u wrong, %u starts", wrong, started());
}

static void check_ways(void)
{
	start_all(OTHERS_ONE_SIPI, DEFAULT_PAGE, "all but self, one SIPI");
	start_all(OTHERS_TWO_SIPIS, DEFAULT_PAGE, "all but self, two SIPIs");
	start_all(OTHERS_DEASSERT, DEFAULT_PAGE, "all but self, INIT de-assert");
	start_all(EACH_IN_TURN, DEFAULT_PAGE, "one by one");
	start_all(EACH_BY_STEPS, DEFAULT_PAGE, "INIT to each, then SIPI");
}

/* The first page, the one with the loader's GDT, the last of conventional memory, and above it. */
static void check_pages(void)
{
	static const uint8_t pages[] = {0x00, 0x01, 0x7f, 0x9f, 0xc0, 0xdf};

	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
		start_all(OTHERS_ONE_SIPI, pages[i], "all but self, one SIPI");
}

static uint64_t beats(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 1; i < cpu_count; i++)
		sum += __atomic_load_n(&cpus[ids[i]].beats, __ATOMIC_RELAXED);
	return sum;
}

/* 'A SIPI is discarded by a CPU that does not wait for one'; INIT alone stops whoever is running.
 */
static void check_out_of_order(void)
{
	uint64_t before;

	must_beat = true;
	start_all(OTHERS_ONE_SIPI, DEFAULT_PAGE, "busy ones");
	before = beats();
	apic_icr(0, TO_OTHERS | SIPI | DEFAULT_PAGE);
	clock_spin_ns(BUSY_NS);
	is(started(), cpu_count - 1, "a SIPI to running CPUs starts none");
	ok(beats() > before, "and they run on");
	apic_icr(0, TO_OTHERS | INIT);
	clock_spin_ns(BUSY_NS);
	before = beats();
	clock_spin_ns(BUSY_NS);
	is(beats(), before, "INIT alone stops them");
	is(started(), cpu_count - 1, "and starts none");
	smp_stacks_taken = 0;
	must_beat = false;
	apic_icr(0, TO_OTHERS | SIPI | DEFAULT_PAGE);
	clock_spin_ns(BUSY_NS);
	is(started(), 2 * (cpu_count - 1), "the SIPI that follows starts each");
}

static bool is_level_right(const struct cpuid_regs r[2], uint32_t id)
{
	return r[0].eax == bits(threads) && r[0].ebx == threads && r[0].ecx == 0x100 &&
	       r[0].edx == id && r[1].eax == bits(threads) + bits(cores) &&
	       r[1].ebx == threads * cores && r[1].ecx == 0x201 && r[1].edx == id;
}

static void check_topology(void)
{
	uint32_t core_ids = 1u << bits(threads), ids_in_package = core_ids << bits(cores);
	unsigned wrong_ids = 0, wrong_levels = 0, wrong_caches = 0;

	describe(&cpus[ids[0]]);
	for (uint32_t i = 0; i < cpu_count; i++) {
		const struct cpu *cpu = &cpus[ids[i]];
		uint32_t count = cpu->leaf1.ebx >> 16 & 0xff;

		wrong_ids += cpu->leaf1.ebx >> 24 != ids[i] || count != ids_in_package ||
			     (cpu->leaf1.edx >> 28 & 1) != (ids_in_package > 1);
		wrong_levels +=
			!is_level_right(cpu->leafb, ids[i]) || !is_level_right(cpu->leaf1f, ids[i]);
		wrong_caches += cpu->level1.eax >> 26 != (1u << bits(cores)) - 1 ||
				(cpu->level1.eax >> 14 & 0xfff) != core_ids - 1 ||
				((cpu->level3.eax & 0x1f) &&
				 (cpu->level3.eax >> 14 & 0xfff) != ids_in_package - 1);
	}
	is(wrong_ids, 0, "leaf 1: APIC ID, IDs of the package, HTT");
	is(wrong_levels, 0, "leaves 0xB and 0x1F: %u:%u:%u", sockets, cores, threads);
	is(wrong_caches, 0, "leaf 4: who shares the caches");
	is(strangers, 0, "no other IDs");
}

void stub_main(void)
{
	sockets = (uint32_t)cmdline_u64("sockets", 1);
	cores = (uint32_t)cmdline_u64("cores", 1);
	threads = (uint32_t)cmdline_u64("threads", 1);
	clock_init();
	smp_many_entry = cpu_main;
	for (uint32_t s = 0; s < sockets; s++)
		for (uint32_t c = 0; c < cores; c++)
			for (uint32_t t = 0; t < threads && cpu_count < SMP_CPUS_MAX; t++)
				ids[cpu_count++] = (s << bits(cores) | c) << bits(threads) | t;
	apic_enable(false);
	check_ways();
	check_pages();
	if (apic_has_x2apic()) {
		apic_enable(true);
		check_ways();
	}
	check_out_of_order();
	check_topology();
}
