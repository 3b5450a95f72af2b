/* Proves the interrupt path: self-IPIs in xAPIC and x2APIC mode, priorities, TPR and CR8, nesting
 * and the order of EOIs, the modes of the APIC timer, NMI, and the PIT through the PIC and the I/O
 * APIC. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/pic.h"
#include "guest-stubs/common/pit.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"

#define VECTOR_PIC  0x20 /* IRQ 0 */
#define VECTOR_TICK 0x58
#define VECTOR_PIN0 0x90
#define VECTOR_PIN2 0x92

#define DEST_LOGICAL BIT(11)
#define PIT_1000HZ   1193
#define TIMEOUT_NS   (500 * NS_PER_MS)
#define QUIET_NS     (5 * NS_PER_MS)
/* So far ahead that a preemption of this VM in between does not matter. */
#define DISTANT_NS   (40 * NS_PER_MS)
#define LOG_SIZE     16

/* The vectors in the order in which their handlers started. */
static volatile uint8_t order[LOG_SIZE];
static volatile unsigned taken;
static volatile unsigned counts[256];
static volatile bool was_in_service, was_requested;

static void note(struct trap_frame *frame)
{
	uint8_t vector = (uint8_t)frame->vector;

	if (taken < LOG_SIZE)
		order[taken] = vector;
	taken++;
	counts[vector]++;
	was_in_service = apic_bit(APIC_ISR, vector);
	was_requested = apic_bit(APIC_IRR, vector);
	apic_eoi();
}

static void forget(void)
{
	taken = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++)
		counts[i] = 0;
}

static bool is_order(uint8_t first, uint8_t second, uint8_t third)
{
	return taken == 3 && order[0] == first && order[1] == second && order[2] == third;
}

/* Interrupts on until `vector` came `count` times or time is up. */
static bool wait_for(uint8_t vector, unsigned count)
{
	uint64_t end = clock_ns() + TIMEOUT_NS;

	while (counts[vector] < count && clock_ns() < end)
		irq_window();
	return counts[vector] >= count;
}

/* Interrupts on for a while in which nothing should come. */
static void wait_quietly(uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	while (clock_ns() < end)
		irq_window();
}

static void check_ipi(const char *mode)
{
	uint32_t logical = apic_is_x2apic() ? apic_read(APIC_LDR) : 1;

	if (!apic_is_x2apic()) {
		apic_write(APIC_DFR, UINT32_MAX); /* flat */
		apic_write(APIC_LDR, 1u << 24);
	}
	forget();
	apic_self_ipi(0x40);
	ok(apic_bit(APIC_IRR, 0x40) && !taken, "%s: a self-IPI waits in IRR while IF=0", mode);
	irq_window();
	ok(taken == 1 && counts[0x40] == 1, "%s: it comes once when IF=1", mode);
	ok(was_in_service && !was_requested, "%s: in service then, and no longer requested", mode);
	ok(!apic_bit(APIC_ISR, 0x40) && !apic_bit(APIC_IRR, 0x40), "%s: gone after EOI", mode);
	apic_icr(apic_id(), APIC_ICR_ASSERT | 0x41);
	apic_icr(logical, APIC_ICR_ASSERT | DEST_LOGICAL | 0x51);
	apic_icr(apic_id() ^ 1, APIC_ICR_ASSERT | 0x61);
	irq_window();
	ok(counts[0x41] == 1, "%s: by physical destination", mode);
	ok(counts[0x51] == 1, "%s: by logical destination", mode);
	ok(counts[0x61] == 0, "%s: another's destination is not ours", mode);
	forget();
	apic_self_ipi(0x40);
	apic_self_ipi(0x40);
	irq_window();
	is(taken, 1, "%s: two requests of one vector merge", mode);
}

static void check_priority(const char *mode)
{
	forget();
	apic_self_ipi(0x40);
	apic_self_ipi(0x61);
	apic_self_ipi(0x50);
	irq_window();
	ok(is_order(0x61, 0x50, 0x40), "%s: the highest vector comes first", mode);

	forget();
	apic_write(APIC_TPR, 0x60);
	is(read_cr8(), 6, "%s: CR8 shows the TPR", mode);
	is(apic_read(APIC_PPR), 0x60, "%s: PPR follows the TPR", mode);
	apic_self_ipi(0x61);
	apic_self_ipi(0x71);
	irq_window();
	ok(taken == 1 && order[0] == 0x71, "%s: the TPR lets only higher classes through", mode);
	write_cr8(5);
	is(apic_read(APIC_TPR), 0x50, "%s: the TPR shows CR8", mode);
	irq_window();
	ok(taken == 2 && order[1] == 0x61, "%s: lowering CR8 lets the other through", mode);
	write_cr8(0);
}

static volatile bool nested_kept_order, nested_eoi_order;

/* Vector 0x40, nested: while it is in service, a higher class interrupts it and a vector of its own
 * class waits for its EOI. */
static void nest(struct trap_frame *frame)
{
	(void)frame;
	order[taken++] = 0x40;
	apic_self_ipi(0x45);
	apic_self_ipi(0x61);
	irq_window();
	nested_kept_order = taken == 2 && order[1] == 0x61;
	nested_eoi_order = apic_bit(APIC_ISR, 0x40) && !apic_bit(APIC_ISR, 0x61);
	apic_eoi();
}

static void check_nesting(const char *mode)
{
	forget();
	trap_set(0x40, nest);
	apic_self_ipi(0x40);
	irq_window();
	trap_set(0x40, note);
	ok(nested_kept_order, "%s: a higher class interrupts a handler, its own class waits", mode);
	ok(nested_eoi_order, "%s: an EOI ends the highest in service", mode);
	ok(is_order(0x40, 0x61, 0x45), "%s: what waited comes after the EOI", mode);
}

static void check_oneshot(const char *mode)
{
	uint64_t hz = apic_timer_hz();
	uint32_t first, second;

	forget();
	apic_write(APIC_LVT_TIMER, VECTOR_TICK | APIC_LVT_ONE_SHOT);
	apic_write(APIC_TMICT, UINT32_MAX);
	first = apic_read(APIC_TMCCT);
	clock_spin_ns(NS_PER_MS / 10);
	second = apic_read(APIC_TMCCT);
	ok(second && second < first, "%s: the timer counts down", mode);
	apic_write(APIC_TMICT, (uint32_t)(hz / 500));
	ok(wait_for(VECTOR_TICK, 1), "%s: one-shot timer interrupts", mode);
	wait_quietly(QUIET_NS);
	is(counts[VECTOR_TICK], 1, "%s: only once", mode);
	is(apic_read(APIC_TMCCT), 0, "%s: its count stays 0", mode);
	apic_write(APIC_TMICT, (uint32_t)(hz * DISTANT_NS / NS_PER_SEC));
	apic_write(APIC_TMICT, 0);
	wait_quietly(DISTANT_NS + QUIET_NS);
	is(counts[VECTOR_TICK], 1, "%s: an initial count of 0 stops it", mode);
}

static void check_periodic(const char *mode)
{
	uint64_t start;
	unsigned count;

	forget();
	apic_write(APIC_LVT_TIMER, VECTOR_TICK | APIC_LVT_PERIODIC);
	start = clock_ns();
	apic_write(APIC_TMICT, (uint32_t)(apic_timer_hz() / 1000));
	ok(wait_for(VECTOR_TICK, 8), "%s: periodic timer goes on", mode);
	ok(clock_ns() - start > 7 * NS_PER_MS, "%s: not faster than its period", mode);
	apic_write(APIC_LVT_TIMER, VECTOR_TICK | APIC_LVT_PERIODIC | APIC_LVT_MASKED);
	irq_window();
	count = counts[VECTOR_TICK];
	wait_quietly(QUIET_NS);
	is(counts[VECTOR_TICK], count, "%s: the mask holds it back", mode);
	apic_write(APIC_TMICT, 0);
}

static void check_deadline(const char *mode)
{
	if (!apic_has_tsc_deadline()) {
		skip("TSC-deadline mode", "not offered");
		return;
	}
	forget();
	apic_write(APIC_LVT_TIMER, VECTOR_TICK | APIC_LVT_ONE_SHOT);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1);
	is(rdmsr(MSR_TSC_DEADLINE), 0, "%s: outside its mode IA32_TSC_DEADLINE reads 0", mode);
	apic_write(APIC_LVT_TIMER, VECTOR_TICK | APIC_LVT_TSC_DEADLINE);
	__asm__ volatile("mfence" : : : "memory");
	wait_quietly(QUIET_NS);
	is(counts[VECTOR_TICK], 0, "%s: what was written there is not armed", mode);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + clock_ns_to_tsc(DISTANT_NS));
	ok(rdmsr(MSR_TSC_DEADLINE), "%s: an armed deadline reads back", mode);
	ok(wait_for(VECTOR_TICK, 1), "%s: the deadline interrupts", mode);
	is(rdmsr(MSR_TSC_DEADLINE), 0, "%s: and is 0 then", mode);
	wrmsr(MSR_TSC_DEADLINE, 1);
	ok(wait_for(VECTOR_TICK, 2), "%s: a deadline in the past interrupts at once", mode);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + clock_ns_to_tsc(DISTANT_NS));
	wrmsr(MSR_TSC_DEADLINE, 0);
	wait_quietly(DISTANT_NS + QUIET_NS);
	is(counts[VECTOR_TICK], 2, "%s: writing 0 disarms", mode);
	apic_write(APIC_TMICT, 1000);
	is(apic_read(APIC_TMCCT), 0, "%s: the count is not used in this mode", mode);
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
}

static void note_nmi(struct trap_frame *frame)
{
	(void)frame;
	counts[VECTOR_NMI]++;
}

static void check_nmi(const char *mode)
{
	forget();
	trap_set(VECTOR_NMI, note_nmi);
	apic_icr(apic_id(), APIC_ICR_ASSERT | APIC_DM_NMI);
	for (unsigned i = 0; i < 1000 && !counts[VECTOR_NMI]; i++)
		cpu_relax();
	is(counts[VECTOR_NMI], 1, "%s: an NMI to ourselves comes once, with IF=0", mode);
}

static void pic_note(struct trap_frame *frame)
{
	counts[frame->vector]++;
	outb(PIC1, PIC_EOI);
}

static void check_pic(void)
{
	unsigned count;

	forget();
	pic_init(VECTOR_PIC);
	trap_set(VECTOR_PIC, pic_note);
	trap_set(VECTOR_PIC + 7, pic_note); /* spurious; the EOI does no harm, nothing else is on */
	pit_program(PIT_CHANNEL_0, PIT_MODE_RATE, PIT_1000HZ);
	outb(PIC1 + PIC_DATA, 0xfe);
	is(inb(PIC1 + PIC_DATA), 0xfe, "the PIC's mask reads back");
	wait_quietly(QUIET_NS);
	is(counts[VECTOR_PIC], 0, "LINT0 masked: nothing comes from the PIC");
	apic_write(APIC_LVT_LINT0, APIC_DM_EXTINT);
	ok(wait_for(VECTOR_PIC, 5), "the PIT interrupts through the PIC and LINT0");
	outb(PIC1 + PIC_DATA, 0xff);
	irq_window();
	count = counts[VECTOR_PIC];
	wait_quietly(QUIET_NS);
	is(counts[VECTOR_PIC], count, "the PIC's mask holds it back");
	apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
}

static void check_ioapic(void)
{
	unsigned count;

	forget();
	ioapic_route(2, VECTOR_PIN2, apic_id());
	ok(wait_for(VECTOR_PIN2, 5), "the PIT interrupts through pin 2 of the I/O APIC");
	ioapic_mask(2);
	irq_window();
	count = counts[VECTOR_PIN2];
	wait_quietly(QUIET_NS);
	is(counts[VECTOR_PIN2], count, "the entry's mask holds it back");
	ioapic_route(0, VECTOR_PIN0, apic_id());
	wait_quietly(QUIET_NS);
	is(counts[VECTOR_PIN0], 0, "pin 0 is not the PIT's");
	ioapic_mask(0);
	pit_program(PIT_CHANNEL_0, PIT_MODE_ONE_SHOT, PIT_1000HZ);
}

static void check_mode(const char *mode)
{
	check_ipi(mode);
	check_priority(mode);
	check_nesting(mode);
	check_oneshot(mode);
	check_periodic(mode);
	check_deadline(mode);
	check_nmi(mode);
}

void stub_main(void)
{
	static const uint8_t vectors[] = {0x40, 0x41, 0x45,        0x50,        0x51,
					  0x61, 0x71, VECTOR_TICK, VECTOR_PIN0, VECTOR_PIN2};

	for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++)
		trap_set(vectors[i], note);
	clock_init();
	apic_enable(false);
	check_mode("xAPIC");
	check_pic();
	check_ioapic();
	if (!apic_has_x2apic()) {
		skip("x2APIC mode", "not offered");
		return;
	}
	apic_enable(true);
	check_mode("x2APIC");
	forget();
	wrmsr(MSR_X2APIC + (APIC_SELF_IPI >> 4), 0x40);
	irq_window();
	is(counts[0x40], 1, "x2APIC: the SELF IPI register");
}
