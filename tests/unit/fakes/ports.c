/* I/O ports, written down; device memory needs no mapping. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpu/insn.h"
#include "fakes/ports.h"
#include "mm/space.h"

#define TEXT_MAX 4096
#define SET_MAX  16

jmp_buf fake_halt;

static char text[TEXT_MAX];
static struct {
	uint16_t port;
	uint32_t value;
} set[SET_MAX];
static unsigned set_count;
static uint32_t reads[UINT16_MAX + 1];

void fake_ports_clear(void)
{
	text[0] = '\0';
	set_count = 0;
	memset(reads, 0, sizeof(reads));
}

void fake_port_set(uint16_t port, uint32_t value)
{
	if (set_count < SET_MAX) {
		set[set_count].port = port;
		set[set_count++].value = value;
	}
}

const char *fake_ports_text(void)
{
	return text;
}

static void note(const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, args);
	va_end(args);
}

uint32_t fake_port_reads(uint16_t port)
{
	return reads[port];
}

static uint32_t get(uint16_t port)
{
	reads[port]++;
	for (unsigned i = set_count; i-- > 0;)
		if (set[i].port == port)
			return set[i].value;
	return 0;
}

uint8_t inb(uint16_t port)
{
	return (uint8_t)get(port);
}

uint16_t inw(uint16_t port)
{
	return (uint16_t)get(port);
}

uint32_t inl(uint16_t port)
{
	return get(port);
}

void outb(uint16_t port, uint8_t v)
{
	note("outb %x %x; ", port, v);
}

void outw(uint16_t port, uint16_t v)
{
	note("outw %x %x; ", port, v);
}

void outl(uint16_t port, uint32_t v)
{
	note("outl %x %x; ", port, v);
}

void lidt(const struct descriptor_pointer *p)
{
	note("lidt %x; ", p->limit);
}

void int_nmi(void)
{
	note("int 2; ");
}

void magic_break(void)
{
	note("magic break; ");
}

void halt_forever(void)
{
	note("halt");
	longjmp(fake_halt, 1);
}

int space_map_device(hpa_t base, uint64_t len)
{
	(void)base;
	(void)len;
	return 0;
}
