/* Proves that the local APIC is one, whoever holds its registers (the hypervisor, or a CPU that
 * virtualises it): every register reads back what was written, in memory and as MSRs; priorities
 * hold interrupts back and let them go; level-triggered interrupts come again until their cause is
 * gone; modes change, and what they forget is forgotten. */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"

#include <linux/serial_reg.h>

#define VECTOR_LOW   0x41
#define VECTOR_HIGH  0x72
#define VECTOR_LEVEL 0x63
#define VECTOR_TIMER 0xe1

#define COM1_PIN          4
#define IOAPIC_LEVEL      BIT(15)
#define IOAPIC_REMOTE_IRR BIT(14)
#define ESR_SEND_ILLEGAL  BIT(5)
#define ESR_RECV_ILLEGAL  BIT(6)
#define WAIT_NS           (20 * NS_PER_MS)

static volatile unsigned counts[256];
static volatile unsigned times_asserted; /* level-triggered interrupts before the cause goes */
static volatile uint32_t entry_in_service, tmr_in_service, ppr_in_service;

static void note(struct trap_frame *frame)
{
	counts[frame->vector]++;
	ppr_in_service = apic_read(APIC_PPR);
	apic_eoi();
}

static void note_level(struct trap_frame *frame)
{
	if (++counts[frame->vector] >= times_asserted)
		outb(COM1 + UART_IER, 0);
	entry_in_service = ioapic_read(IOAPIC_ENTRY(COM1_PIN));
	tmr_in_service = apic_bit(APIC_TMR, VECTOR_LEVEL);
	apic_eoi();
}

static void forget(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++)
		counts[i] = 0;
}

static void wait(uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	while (clock_ns() < end)
		irq_window();
}

static void check_registers(const char *mode)
{
	static const struct {
		enum apic_reg reg;
		uint32_t write, read;
	} rw[] = {
		{APIC_LVT_LINT1, APIC_LVT_MASKED | 0x55, APIC_LVT_MASKED | 0x55},
		{APIC_LVT_ERROR, APIC_LVT_MASKED | 0x56, APIC_LVT_MASKED | 0x56},
		{APIC_LVT_TIMER, APIC_LVT_MASKED | APIC_LVT_PERIODIC | VECTOR_TIMER,
		 APIC_LVT_MASKED | APIC_LVT_PERIODIC | VECTOR_TIMER},
		{APIC_TDCR, 0x3, 0x3},
		{APIC_TMICT, 0, 0},
		{APIC_TPR, 0x35, 0x35},
		{APIC_SVR, APIC_SVR_ENABLE | 0xef, APIC_SVR_ENABLE | 0xef},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rw); i++) {
		apic_write(rw[i].reg, rw[i].write);
		is(apic_read(rw[i].reg), rw[i].read, "%s: register %#x reads back", mode,
		   (unsigned)rw[i].reg);
	}
	is(read_cr8(), 3, "%s: CR8 is TPR's class", mode);
	is(apic_read(APIC_PPR), 0x35, "%s: with nothing in service PPR is TPR", mode);
	write_cr8(0);
	is(apic_read(APIC_TPR), 0, "%s: and CR8 writes TPR", mode);
	is(apic_read(APIC_VERSION) & 0xff, 0x14, "%s: version", mode);
	apic_write(APIC_SVR, APIC_SVR_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TMICT, 0x7fffffff);
	is(apic_read(APIC_TMICT), 0x7fffffff, "%s: the initial count reads back", mode);
	ok(apic_read(APIC_TMCCT) < 0x7fffffff, "%s: and the current one runs", mode);
	apic_write(APIC_TMICT, 0);
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
	if (apic_is_x2apic()) {
		uint64_t icr =
			(uint64_t)0x1234 << 32 | APIC_ICR_ASSERT | APIC_DM_FIXED | VECTOR_LOW;

		wrmsr(MSR_X2APIC + (APIC_ICR_LOW >> 4), icr);
		is(rdmsr(MSR_X2APIC + (APIC_ICR_LOW >> 4)), icr, "%s: all of the ICR reads back",
		   mode);
	} else {
		apic_write(APIC_ICR_HIGH, 0x12000000);
		is(apic_read(APIC_ICR_HIGH), 0x12000000, "%s: ICR, high half", mode);
		apic_write(APIC_DFR, 0);
		is(apic_read(APIC_DFR), 0x0fffffff, "%s: DFR, other bits are ones", mode);
		apic_write(APIC_DFR, UINT32_MAX);
	}
}

static void check_errors(const char *mode)
{
	apic_write(APIC_ESR, 0);
	if (apic_is_x2apic())
		wrmsr(MSR_X2APIC + (APIC_SELF_IPI >> 4), 5);
	else
		apic_self_ipi(5);
	apic_write(APIC_ESR, 0);
	is(apic_read(APIC_ESR), ESR_SEND_ILLEGAL | ESR_RECV_ILLEGAL,
	   "%s: an illegal vector to ourselves is in ESR", mode);
	apic_write(APIC_ESR, 0);
	is(apic_read(APIC_ESR), 0, "%s: once", mode);
}

static void check_priorities(const char *mode)
{
	forget();
	apic_write(APIC_TPR, 0x50);
	apic_self_ipi(VECTOR_LOW);
	apic_self_ipi(VECTOR_HIGH);
	ok(apic_bit(APIC_IRR, VECTOR_LOW) && apic_bit(APIC_IRR, VECTOR_HIGH),
	   "%s: two self-IPIs are in IRR", mode);
	irq_window();
	is(counts[VECTOR_HIGH] << 8 | counts[VECTOR_LOW], 0x100,
	   "%s: TPR lets the upper one through", mode);
	is(ppr_in_service, VECTOR_HIGH & 0xf0, "%s: PPR is its class meanwhile", mode);
	ok(apic_bit(APIC_IRR, VECTOR_LOW) && !apic_bit(APIC_IRR, VECTOR_HIGH),
	   "%s: the lower one stays in IRR", mode);
	write_cr8(3);
	irq_window();
	is(counts[VECTOR_LOW], 1, "%s: until CR8 lets it", mode);
	apic_write(APIC_TPR, 0);
}

/* A halt that one interrupt must not end, since TPR holds it back, and another must. */
static void check_halt(const char *mode)
{
	uint32_t count;
	uint64_t start;

	forget();
	apic_write(APIC_TDCR, APIC_TDCR_1);
	count = (uint32_t)(apic_timer_hz() / 500);
	apic_write(APIC_TPR, 0x50);
	apic_self_ipi(VECTOR_LOW);
	apic_write(APIC_LVT_TIMER, VECTOR_TIMER | APIC_LVT_ONE_SHOT);
	start = clock_ns();
	apic_write(APIC_TMICT, count);
	irq_enable_and_halt();
	irq_disable();
	ok(counts[VECTOR_TIMER] == 1 && clock_ns() - start >= NS_PER_MS,
	   "%s: a halt lasts until an interrupt that TPR lets through", mode);
	is(counts[VECTOR_LOW], 0, "%s: and the other waits on", mode);
	apic_write(APIC_TPR, 0);
	irq_window();
	is(counts[VECTOR_LOW], 1, "%s: and comes then", mode);
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
}

/* The UART's 'transmitter empty' stays asserted as long as it is enabled. */
static void check_level(const char *mode)
{
	forget();
	times_asserted = 3;
	ioapic_write(IOAPIC_ENTRY(COM1_PIN) + 1, apic_id() << 24);
	ioapic_write(IOAPIC_ENTRY(COM1_PIN), IOAPIC_LEVEL | VECTOR_LEVEL);
	outb(COM1 + UART_IER, UART_IER_THRI);
	wait(WAIT_NS);
	is(counts[VECTOR_LEVEL], 3, "%s: a level comes again after its EOI until it is gone", mode);
	ok(entry_in_service & IOAPIC_REMOTE_IRR, "%s: with remote IRR set meanwhile", mode);
	ok(tmr_in_service, "%s: and its bit in TMR", mode);
	ok(!(ioapic_read(IOAPIC_ENTRY(COM1_PIN)) & IOAPIC_REMOTE_IRR),
	   "%s: the last EOI has cleared remote IRR", mode);
	ioapic_mask(COM1_PIN);
}

/* What an edge-triggered interrupt of the same vector then does to TMR. */
static void check_edge_after_level(const char *mode)
{
	forget();
	trap_set(VECTOR_LEVEL, note);
	ioapic_route(COM1_PIN, VECTOR_LEVEL, apic_id());
	outb(COM1 + UART_IER, UART_IER_THRI);
	wait(WAIT_NS);
	outb(COM1 + UART_IER, 0);
	is(counts[VECTOR_LEVEL], 1, "%s: the same as an edge comes once", mode);
	ok(!apic_bit(APIC_TMR, VECTOR_LEVEL), "%s: and clears the vector's bit in TMR", mode);
	ioapic_mask(COM1_PIN);
	trap_set(VECTOR_LEVEL, note_level);
}

static void check_mode(const char *mode)
{
	check_registers(mode);
	check_errors(mode);
	check_priorities(mode);
	check_halt(mode);
	check_level(mode);
	check_edge_after_level(mode);
}

static void check_changes(void)
{
	volatile uint32_t *version = (volatile uint32_t *)(APIC_MMIO_BASE + APIC_VERSION);

	forget();
	apic_self_ipi(VECTOR_LOW);
	is(*version, UINT32_MAX, "in x2APIC mode there is nothing at the registers' address");
	*version = 0;
	is(*version, UINT32_MAX, "and nothing can be left there");
	apic_enable(false); /* through 'disabled' */
	ok(!apic_bit(APIC_IRR, VECTOR_LOW), "disabling forgets what was pending");
	irq_window();
	is(counts[VECTOR_LOW], 0, "and it does not come");
	check_mode("xAPIC again");
	apic_write(APIC_TPR, 0x50);
	apic_self_ipi(VECTOR_LOW);
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	is(rdmsr(MSR_X2APIC + (APIC_TPR >> 4)), 0x50, "from xAPIC to x2APIC mode TPR stays");
	ok(rdmsr(MSR_X2APIC + ((APIC_IRR + VECTOR_LOW / 32 * 0x10) >> 4)) & BIT(VECTOR_LOW % 32),
	   "and what is pending");
	apic_enable(true);
	irq_window();
	is(counts[VECTOR_LOW], 1, "and it comes");
}

void stub_main(void)
{
	trap_set(VECTOR_LOW, note);
	trap_set(VECTOR_HIGH, note);
	trap_set(VECTOR_TIMER, note);
	trap_set(VECTOR_LEVEL, note_level);
	clock_init();
	apic_enable(false);
	check_mode("xAPIC");
	if (!apic_has_x2apic()) {
		skip("x2APIC mode", "not offered");
		return;
	}
	apic_enable(true);
	check_mode("x2APIC");
	check_changes();
}
