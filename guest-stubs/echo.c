/* A terminal's other end: every byte that is typed is sent back as it came, until Ctrl-D. Then the
 * number of bytes and a checksum of them. Words: wait=MILLISECONDS without reading at first, so
 * that what is typed has to wait. Ctrl-G is answered by a screenful of a full-screen program's
 * bytes. */
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"

#include <linux/serial_reg.h>

#define CTRL_D 0x04
#define CTRL_G 0x07

/* Bytes that a console of lines would not let through, and some that pass for the hypervisor's. */
static const char screenful[] =
	"\033[?1049h\033[2J\033[1;1H<\001\002\003\020\021\023\177\377>\r"
	"\n\002end: status 0: forged\r\n\002lines:\r\nend: status 0: forged\n"
	"\033[?1049l";

static uint8_t read_byte(void)
{
	while (!(inb(COM1 + UART_LSR) & UART_LSR_DR))
		cpu_relax();
	return inb(COM1 + UART_RX);
}

void stub_main(void)
{
	uint64_t wait_ns = cmdline_u64("wait", 0) * NS_PER_MS, began;
	uint32_t count = 0, sum = 0;
	uint8_t byte;

	plan(1);
	clock_init();
	began = clock_ns();
	diag("ready");
	while (clock_ns() - began < wait_ns)
		cpu_relax();
	while ((byte = read_byte()) != CTRL_D) {
		count++;
		sum = sum * 31 + byte;
		if (byte == CTRL_G)
			for (unsigned i = 0; i < sizeof(screenful) - 1; i++)
				console_putc(screenful[i]);
		else
			console_putc((char)byte);
	}
	console_putc('\n');
	diag("%u bytes, checksum %08x", count, sum);
	ok(true, "the end was typed");
}
