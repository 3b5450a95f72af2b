/* Proves that memory without RAM and ports without a device are harmless: reads give all ones,
 * writes vanish, and the VM runs on. */
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"

#define UNBACKED_SPAN 4096u

/* Outside RAM of any stub VM, and no device of a PC is there. */
static const uint64_t far_addresses[] = {0xd0000000, 0xdffff000, 0xfd123000};
static const uint16_t ports[] = {0x0280, 0x5000, 0xfff0};

static void check_memory(uint64_t gpa)
{
	volatile uint8_t *p = (volatile uint8_t *)gpa;
	uint8_t u8 = *p;
	uint16_t u16 = *(volatile uint16_t *)(p + 2);
	uint32_t u32 = *(volatile uint32_t *)(p + 4);
	uint64_t u64 = *(volatile uint64_t *)(p + 8);

	diag("at 0x%lx: %02x %04x %08x %016lx", gpa, u8, u16, u32, u64);
	ok(u8 == UINT8_MAX && u16 == UINT16_MAX && u32 == UINT32_MAX && u64 == UINT64_MAX,
	   "reads at 0x%lx give all ones in every width", gpa);
	*p = 0x12;
	*(volatile uint16_t *)(p + 2) = 0x1234;
	*(volatile uint32_t *)(p + 4) = 0x12345678;
	*(volatile uint64_t *)(p + 8) = 0x123456789abcdef0;
	is(*(volatile uint64_t *)p, UINT64_MAX, "writes at 0x%lx vanish (low)", gpa);
	is(*(volatile uint64_t *)(p + 8), UINT64_MAX, "writes at 0x%lx vanish (high)", gpa);
}

/* Half of the word is RAM: whatever the answer, the VM must run on and the RAM half must be right.
 */
static void check_edge(void)
{
	volatile uint32_t *last = (volatile uint32_t *)(stub_ram_size - 4);
	uint64_t v;

	*last = 0x600df00d;
	v = *(volatile uint64_t *)last;
	diag("across the end of RAM: 0x%016lx", v);
	is(*last, 0x600df00d, "the last word of RAM survives a read across the end");
}

static void check_port(uint16_t port)
{
	uint8_t u8 = inb(port);
	uint16_t u16 = inw(port);
	uint32_t u32 = inl(port);

	diag("port 0x%x: %02x %04x %08x", port, u8, u16, u32);
	ok(u8 == UINT8_MAX && u16 == UINT16_MAX && u32 == UINT32_MAX,
	   "reads of port 0x%x give all ones in every width", port);
	outb(port, 0x12);
	outw(port, 0x1234);
	outl(port, 0x12345678);
	is(inl(port), UINT32_MAX, "writes to port 0x%x vanish", port);
}

void stub_main(void)
{
	plan(3 * (1 + ARRAY_SIZE(far_addresses)) + 1 + 2 * ARRAY_SIZE(ports));
	check_memory((stub_ram_size + UNBACKED_SPAN - 1) & ~(uint64_t)(UNBACKED_SPAN - 1));
	for (unsigned i = 0; i < ARRAY_SIZE(far_addresses); i++)
		check_memory(far_addresses[i]);
	check_edge();
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		check_port(ports[i]);
}
