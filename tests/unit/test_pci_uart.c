/* Serial ports on PCI cards, in configuration spaces that are made up: QEMU's pci-serial has a port
 * BAR; a memory BAR exists here only. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "drivers/pci.h"

#define FUNCTIONS 16u

/* What answers: a function's place and its first 16 registers of 32 bits. */
struct function {
	uint8_t bus, device, function;
	uint32_t reg[16];
};

static struct function functions[FUNCTIONS];
static unsigned count, reads;

static struct function *find(uint8_t bus, uint8_t devfn)
{
	for (unsigned i = 0; i < count; i++)
		if (functions[i].bus == bus && functions[i].device == devfn >> 3 &&
		    functions[i].function == (devfn & 7))
			return &functions[i];
	return NULL;
}

static uint32_t read(void *ctx, uint8_t bus, uint8_t devfn, uint8_t reg)
{
	const struct function *f = find(bus, devfn);

	assert_ptr_equal(ctx, functions);
	assert_true(reg % 4 == 0 && reg < 64);
	reads++;
	return f ? f->reg[reg / 4] : 0xffffffff;
}

static void write(void *ctx, uint8_t bus, uint8_t devfn, uint8_t reg, uint32_t value)
{
	struct function *f = find(bus, devfn);

	assert_ptr_equal(ctx, functions);
	assert_non_null(f);
	f->reg[reg / 4] = value;
}

static const struct pci_access pci = {.read = read, .write = write, .ctx = functions};

static struct function *add(uint8_t bus, uint8_t device, uint8_t function, uint32_t class,
			    uint32_t bar0)
{
	struct function *f = &functions[count++];

	assert_true(count <= FUNCTIONS);
	*f = (struct function){.bus = bus, .device = device, .function = function};
	f->reg[PCI_VENDOR_ID / 4] = 0x00021b36;
	f->reg[PCI_COMMAND / 4] = 0x02900000; /* status bits that a write would clear */
	f->reg[PCI_CLASS_REVISION / 4] = class << 8 | 1;
	f->reg[PCI_BASE_ADDRESS_0 / 4] = bar0;
	return f;
}

static int setup(void **state)
{
	(void)state;
	count = reads = 0;
	return 0;
}

static void test_none(void **state)
{
	struct pci_uart uart;

	(void)state;
	add(0, 0, 0, 0x060000, 0);
	add(0, 1, 0, 0x030000, 0xfd000008);
	assert_false(pci_find_uart(&pci, 0, &uart));
	/* One look at each of 256 * 32 devices, a few more at those that are there. */
	assert_in_range(reads, 256 * 32, 256 * 32 + 10);
}

static void test_a_port(void **state)
{
	struct pci_uart uart;
	struct function *f;

	(void)state;
	add(0, 0, 0, 0x060000, 0);
	f = add(0, 4, 0, 0x070002, 0xc001);
	assert_true(pci_find_uart(&pci, 0, &uart));
	assert_true(uart.bus == 0 && uart.device == 4 && uart.function == 0);
	assert_int_equal(uart.place.port, 0xc000);
	assert_int_equal(uart.place.memory, 0);
	/* Decoding on, status bits written as zero: a one would clear them. */
	assert_int_equal(f->reg[PCI_COMMAND / 4], PCI_COMMAND_IO);
	assert_false(pci_find_uart(&pci, 1, &uart));
}

static void test_memory(void **state)
{
	struct pci_uart uart;
	struct function *f;

	(void)state;
	f = add(3, 0, 0, 0x070002, 0xfe801000);
	assert_true(pci_find_uart(&pci, 0, &uart));
	assert_int_equal(uart.place.memory, 0xfe801000);
	assert_int_equal(uart.place.port, 0);
	assert_int_equal(f->reg[PCI_COMMAND / 4], PCI_COMMAND_MEMORY);
	/* 64 bits, prefetchable: the flags are not part of the address. */
	f->reg[PCI_BASE_ADDRESS_0 / 4] = 0x0000100c;
	f->reg[PCI_BASE_ADDRESS_1 / 4] = 0x40;
	assert_true(pci_find_uart(&pci, 0, &uart));
	assert_int_equal(uart.place.memory, 0x4000001000);
	/* Beyond what can be mapped. */
	f->reg[PCI_BASE_ADDRESS_1 / 4] = 0x8000;
	assert_false(pci_find_uart(&pci, 0, &uart));
}

static void test_what_is_none(void **state)
{
	struct pci_uart uart;

	(void)state;
	add(0, 1, 0, 0x070000, 0xc001); /* 8250 */
	add(0, 2, 0, 0x070001, 0xc001); /* 16450: no FIFO */
	add(0, 3, 0, 0x070007, 0xc001); /* not defined */
	add(0, 4, 0, 0x070100, 0xc001); /* a parallel port */
	add(0, 5, 0, 0x070002, 1);      /* no address given */
	add(0, 6, 0, 0x070002, 0);
	add(0, 7, 0, 0x070002, 0x10001);
	add(0, 8, 0, 0x070002, 0xfff9 | 1); /* its last register would be beyond the last port */
	assert_true(pci_find_uart(&pci, 0, &uart));
	assert_int_equal(uart.device, 8);
	assert_int_equal(uart.place.port, 0xfff8);
	assert_false(pci_find_uart(&pci, 1, &uart));
}

static void test_functions_and_buses(void **state)
{
	struct pci_uart uart;
	struct function *first;

	(void)state;
	/* 'Header Type': bit 7 says that there are more functions than 0. Intel's AMT has its at 3.
	 */
	first = add(0, 22, 0, 0x078000, 0);
	add(0, 22, 3, 0x070002, 0x3061);
	add(0xff, 31, 0, 0x070006, 0x4001);
	assert_true(pci_find_uart(&pci, 0, &uart));
	assert_int_equal(uart.bus, 0xff);
	first->reg[PCI_CACHE_LINE_SIZE / 4] = 0x00800000;
	assert_true(pci_find_uart(&pci, 0, &uart));
	assert_true(uart.device == 22 && uart.function == 3);
	assert_int_equal(uart.place.port, 0x3060);
	assert_true(pci_find_uart(&pci, 1, &uart));
	assert_true(uart.bus == 0xff && uart.device == 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_none, setup),
		cmocka_unit_test_setup(test_a_port, setup),
		cmocka_unit_test_setup(test_memory, setup),
		cmocka_unit_test_setup(test_what_is_none, setup),
		cmocka_unit_test_setup(test_functions_and_buses, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
