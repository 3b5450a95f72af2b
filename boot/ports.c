/* Opening the serial ports by their roles, and bringing their interrupts here. */
#include "boot/ports.h"

#include "boot/console.h"
#include "cpu/apic.h"
#include "cpu/insn.h"
#include "cpu/percpu.h"
#include "drivers/ioapic.h"
#include "drivers/serial.h"
#include "guest/vm.h"
#include "lib/log.h"
#include "sched/timer.h"

#define RING_SIZE 32768u
/* A FIFO has 16 bytes, and a byte takes 87 microseconds. */
#define POLL_NS   1000000

static uint8_t ring[HV_PORT_ROLES][RING_SIZE];
static struct host_uart port[HV_PORT_ROLES] = {
	HOST_UART_INIT(ring[0]),
	HOST_UART_INIT(ring[1]),
	HOST_UART_INIT(ring[2]),
};
_Static_assert(HV_PORT_ROLES == 3, "one port a role");

static struct host_uart *polled[HV_PORT_ROLES + 1]; /* (i) after ports_route, as the next */
static unsigned polled_count;

void ports_open(const struct hv_options *options)
{
	for (unsigned role = 0; role < HV_PORT_ROLES; role++) {
		const struct uart_place place = {.port = options->port[role]};

		if (place.port && host_uart_open(&port[role], &place))
			log_warn("no serial port answers at %#x (%s=)", place.port,
				 hv_port_word(role));
	}
}

struct host_uart *ports_get(enum hv_port_role role)
{
	return host_uart_is_open(&port[role]) ? &port[role] : NULL;
}

/* ISA interrupt `irq` (negative: there is none) to this pCPU. */
static bool route(int irq, bool has_ioapic)
{
	return irq >= 0 && has_ioapic &&
	       !host_ioapic_route_isa((uint8_t)irq, VECTOR_UART, this_cpu()->apic_id);
}

/* Lets the interrupt serve the port, or the timer where there is none. Says whether it has one. */
static bool serve(struct host_uart *uart, int irq, bool has_ioapic)
{
	bool has_irq = route(irq, has_ioapic);

	if (has_irq)
		host_uart_enable_interrupts(uart);
	else
		polled[polled_count++] = uart;
	return has_irq;
}

void ports_route(const struct boot *boot)
{
	bool has_ioapic = boot->has_madt && !host_ioapic_init(&boot->madt);

	if (host_uart_is_open(&serial_console) &&
	    !serve(&serial_console, console_isa_irq(), has_ioapic))
		log_info("the serial console has no interrupt: its input is polled");
	for (unsigned role = 0; role < HV_PORT_ROLES; role++) {
		uint16_t at = port[role].at.port;

		if (ports_get(role))
			log_info("%s=: port %#x%s", hv_port_word(role), at,
				 serve(&port[role], host_uart_isa_irq(at), has_ioapic)
					 ? ""
					 : ", polled: it has no interrupt");
	}
}

static void poll(struct sched_timer *timer, uint64_t now)
{
	for (unsigned i = 0; i < polled_count; i++)
		host_uart_poll(polled[i]);
	sched_timer_arm(timer, now + ns_to_tsc(&vm_machine.tsc, POLL_NS));
}

void ports_start(void)
{
	static struct sched_timer timer = {.expire = poll};

	if (polled_count)
		sched_timer_arm(&timer, rdtsc());
}
