/* Dumps go to a serial port or to the parallel port. */
#include "boot/dump.h"

#include "boot/ports.h"
#include "drivers/parport.h"
#include "lib/log.h"
#include "monitor/dump.h"

static struct parport parallel;

static void write_parallel(struct dump_sink *sink, const void *bytes, size_t len)
{
	bool was_dead = parallel.is_dead;

	(void)sink;
	if (!parport_write(&parallel, bytes, len) && !was_dead)
		log_warn("nobody takes the dump at lpt1: it is incomplete (dump=)");
}

static void write_serial(struct dump_sink *sink, const void *bytes, size_t len)
{
	struct host_uart *uart = ports_get(HV_PORT_DUMP);
	const uint8_t *p = bytes;

	(void)sink;
	while (len) {
		uint32_t taken = host_uart_write(uart, p, (uint32_t)len);

		p += taken;
		len -= taken;
		if (len)
			host_uart_flush(uart);
	}
}

static void flush_serial(struct dump_sink *sink)
{
	(void)sink;
	host_uart_flush(ports_get(HV_PORT_DUMP));
}

void dump_open(const struct hv_options *options)
{
	static struct dump_sink to_parallel = {.write = write_parallel};
	static struct dump_sink to_serial = {.write = write_serial, .flush = flush_serial};

	if (ports_get(HV_PORT_DUMP))
		dump_set_sink(&to_serial);
	else if (options->is_dump_parallel && !parport_open(&parallel, PARPORT_LPT1))
		dump_set_sink(&to_parallel);
	else if (options->is_dump_parallel)
		log_warn("no parallel port answers at %#x (dump=)", PARPORT_LPT1);
}
