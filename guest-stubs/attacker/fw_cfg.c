/* Attacks by fw_cfg and the console ports. */
#include "guest-stubs/attacker/attack.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/paging.h"
#include "guest-stubs/common/string.h"

#include <linux/qemu_fw_cfg.h>

#define FW_CFG_DATA   0x511
#define FW_CFG_DMA    0x514
#define COM1          0x3f8
#define DEBUG_CONSOLE 0xe9
#define DESCRIPTORS   4096

static struct fw_cfg_dma_access access[2] __aligned(16);
static uint32_t ports[DESCRIPTORS];
static char text[4096];

/* Zeros over all free memory. */
static void describe(struct fw_cfg_dma_access *a)
{
	uint64_t to = attack_memory();

	a->control = __builtin_bswap32(FW_CFG_DMA_CTL_READ);
	a->address = __builtin_bswap64(to);
	a->length = __builtin_bswap32((uint32_t)(stub_ram_size - to));
}

static void start(struct fw_cfg_dma_access *a)
{
	describe(a);
	outl(FW_CFG_DMA + 4, __builtin_bswap32((uint32_t)(uintptr_t)a));
}

static bool is_over(const volatile struct fw_cfg_dma_access *a)
{
	return !(a->control & ~__builtin_bswap32(FW_CFG_DMA_CTL_ERROR));
}

/* Halts while it is copied, and begins again each half millisecond. */
static void dma_begin(void)
{
	attack_tick(500 * NS_PER_US);
	start(&access[0]);
}

static void dma(uint64_t n)
{
	attack_halt(n);
	if (is_over(&access[0]))
		start(&access[0]);
}

static void dma_busy(uint64_t n)
{
	start(&access[0]);
	while (!is_over(&access[0]))
		attack_spin(n);
}

/* Each start gives up the transfer before, after its first piece. */
static void dma_again(uint64_t n)
{
	start(&access[n & 1]);
}

static void dma_rep_begin(void)
{
	describe(&access[0]);
	for (unsigned i = 0; i < DESCRIPTORS; i++)
		ports[i] = __builtin_bswap32((uint32_t)(uintptr_t)&access[0]);
}

static void dma_rep(uint64_t n)
{
	const void *from = ports;
	uint64_t count = DESCRIPTORS;

	(void)n;
	__asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(FW_CFG_DMA + 4) : "memory");
}

static void write_text(uint16_t port)
{
	const void *from = text;
	uint64_t count = sizeof(text);

	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static void console_begin(void)
{
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (char)(i % 16 == 15 ? '\n' : 'a' + i % 16);
}

static void console(uint64_t n)
{
	write_text(n & 1 ? COM1 : DEBUG_CONSOLE);
}

static void console_busy(uint64_t n)
{
	(void)n;
	outb(COM1, 'x');
	outb(COM1, '\n');
}

const struct attack attacks_by_fw_cfg[] = {
	{"fwcfg-dma", dma_begin, dma, NULL},
	{"fwcfg-dma-busy", NULL, dma_busy, NULL},
	{"fwcfg-dma-again", NULL, dma_again, NULL},
	{"fwcfg-rep", dma_rep_begin, dma_rep, dma_rep},
	{"console", console_begin, console, NULL},
	{"console-out", NULL, console_busy, NULL},
	{NULL},
};
