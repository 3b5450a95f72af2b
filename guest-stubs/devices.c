/* Proves the PC's smaller devices from inside: fw_cfg by ports and by DMA, the HPET's interrupts in
 * both trigger modes and by legacy replacement, the RTC's alarm and update interrupts, COM2 in
 * loopback and out, ELCR, and the MTRRs that firmware would have left. Words: cpus=, mem= (what
 * fw_cfg should say), file (there is one, opt/test/file, with 'contents'). */
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/hpet.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"

#include <linux/qemu_fw_cfg.h>
#include <linux/serial_reg.h>

#define FW_CFG_SELECT 0x510
#define FW_CFG_DATA   0x511
#define FW_CFG_DMA    0x514
#define COM2          0x2f8
#define ELCR          0x4d0

#define RTC_INDEX 0x70
#define RTC_DATA  0x71
#define RTC_B     0x0b
#define RTC_C     0x0c
#define RTC_B_AIE BIT(5)
#define RTC_B_UIE BIT(4)
#define RTC_B_DM  BIT(2)
#define RTC_B_24H BIT(1)

#define VECTOR_HPET  0x50
#define VECTOR_IRQ0  0x51
#define VECTOR_IRQ8  0x52
#define VECTOR_COM2  0x53
#define PIN_HPET     20
#define IOAPIC_LEVEL BIT(15)
#define IOAPIC_IRR   BIT(14)
#define TIMEOUT_NS   (1500 * NS_PER_MS)

static volatile unsigned counts[256];
static volatile uint8_t rtc_flags;
static volatile bool was_remote_irr;
static volatile uint8_t com2_iir, com2_byte;

/* --- fw_cfg --- */

static uint64_t fw_cfg_le(uint16_t key, unsigned len)
{
	uint64_t value = 0;

	outw(FW_CFG_SELECT, key);
	for (unsigned i = 0; i < len; i++)
		value |= (uint64_t)inb(FW_CFG_DATA) << (8 * i);
	return value;
}

static bool fw_cfg_dma(uint32_t control, void *to, uint32_t len)
{
	static volatile struct fw_cfg_dma_access access __aligned(16);

	access.control = __builtin_bswap32(control);
	access.length = __builtin_bswap32(len);
	access.address = __builtin_bswap64((uint64_t)to);
	outl(FW_CFG_DMA, 0);
	outl(FW_CFG_DMA + 4, __builtin_bswap32((uint32_t)(uint64_t)&access));
	while (access.control & ~__builtin_bswap32(FW_CFG_DMA_CTL_ERROR))
		cpu_relax();
	return !access.control;
}

/* The selector of a file, and its size; 0 when there is none. */
static uint16_t find_file(const char *name, uint32_t *size)
{
	static struct {
		uint32_t count;
		struct fw_cfg_file file[32];
	} directory;

	if (!fw_cfg_dma(FW_CFG_FILE_DIR << 16 | FW_CFG_DMA_CTL_SELECT | FW_CFG_DMA_CTL_READ,
			&directory, sizeof(directory)))
		return 0;
	for (uint32_t i = 0; i < __builtin_bswap32(directory.count) && i < 32; i++) {
		if (strlen(directory.file[i].name) != strlen(name) ||
		    memcmp(directory.file[i].name, name, strlen(name)))
			continue;
		*size = __builtin_bswap32(directory.file[i].size);
		return __builtin_bswap16(directory.file[i].select);
	}
	return 0;
}

static void check_fw_cfg(void)
{
	char text[64] = {0};
	uint32_t size = 0;
	uint16_t key;

	is(fw_cfg_le(FW_CFG_SIGNATURE, 4), 0x554d4551, "fw_cfg has its signature");
	is(fw_cfg_le(FW_CFG_ID, 4), 3, "fw_cfg offers DMA");
	is(fw_cfg_le(FW_CFG_RAM_SIZE, 8), cmdline_u64("mem", 0), "fw_cfg: RAM size");
	is(fw_cfg_le(FW_CFG_NB_CPUS, 2), cmdline_u64("cpus", 1), "fw_cfg: number of CPUs");
	size = (uint32_t)fw_cfg_le(FW_CFG_CMDLINE_SIZE, 4);
	ok(size == strlen(stub_cmdline) + 1 && size <= sizeof(text) &&
		   fw_cfg_dma(FW_CFG_CMDLINE_DATA << 16 | FW_CFG_DMA_CTL_SELECT |
				      FW_CFG_DMA_CTL_READ,
			      text, size) &&
		   !memcmp(text, stub_cmdline, size),
	   "fw_cfg: the command line, by DMA");
	key = find_file("etc/e820", &size);
	ok(key >= FW_CFG_FILE_FIRST && size == 60, "fw_cfg: etc/e820 has three rows");
	is(fw_cfg_le(key, 8), 0, "fw_cfg: its first begins at 0");
	if (!cmdline_is("file", "")) {
		skip("fw_cfg: opt/test/file", "not given");
		return;
	}
	memset(text, 0, sizeof(text));
	key = find_file("opt/test/file", &size);
	ok(key && size == 8 &&
		   fw_cfg_dma((uint32_t)key << 16 | FW_CFG_DMA_CTL_SELECT | FW_CFG_DMA_CTL_READ,
			      text, size) &&
		   !memcmp(text, "contents", 8),
	   "fw_cfg: opt/test/file");
}

/* --- interrupts --- */

static uint8_t rtc_read(uint8_t index)
{
	outb(RTC_INDEX, index);
	return inb(RTC_DATA);
}

static void rtc_write(uint8_t index, uint8_t value)
{
	outb(RTC_INDEX, index);
	outb(RTC_DATA, value);
}

static void note(struct trap_frame *frame)
{
	counts[frame->vector]++;
	if (frame->vector == VECTOR_HPET) {
		was_remote_irr = ioapic_read(IOAPIC_ENTRY(PIN_HPET)) & IOAPIC_IRR;
		hpet_write(HPET_STATUS, hpet_read(HPET_STATUS));
	}
	if (frame->vector == VECTOR_IRQ8 && !(hpet_read(HPET_CONFIG) & HPET_CONFIG_LEGACY))
		rtc_flags |= rtc_read(RTC_C);
	if (frame->vector == VECTOR_COM2) {
		com2_iir = inb(COM2 + UART_IIR);
		com2_byte = inb(COM2 + UART_RX);
	}
	apic_eoi();
}

static bool wait_for(uint8_t vector, unsigned count)
{
	uint64_t end = clock_ns() + TIMEOUT_NS;

	while (counts[vector] < count && clock_ns() < end)
		irq_window();
	return counts[vector] >= count;
}

static void hpet_arm(unsigned n, uint32_t config, uint64_t ticks)
{
	hpet_write(HPET_TIMER(n), config);
	hpet_write(HPET_COMPARATOR(n), hpet_read(HPET_COUNTER) + ticks);
}

static void check_hpet(void)
{
	const uint64_t ms = 1000000000000ull / (hpet_read(HPET_ID) >> 32);
	uint64_t start;

	hpet_write(HPET_CONFIG, HPET_CONFIG_ENABLE);
	start = hpet_read(HPET_COUNTER);
	ok(hpet_read(HPET_COUNTER) > start, "the HPET counts");
	ioapic_route(PIN_HPET, VECTOR_HPET, apic_id());
	hpet_arm(0, HPET_TIMER_ROUTE(PIN_HPET) | HPET_TIMER_ENABLE, ms);
	ok(wait_for(VECTOR_HPET, 1) && !was_remote_irr, "HPET: an edge through pin %u", PIN_HPET);
	ioapic_write(IOAPIC_ENTRY(PIN_HPET), VECTOR_HPET | IOAPIC_LEVEL);
	hpet_arm(0, HPET_TIMER_ROUTE(PIN_HPET) | HPET_TIMER_ENABLE | HPET_TIMER_LEVEL, ms);
	ok(wait_for(VECTOR_HPET, 2), "HPET: a level through pin %u", PIN_HPET);
	ok(was_remote_irr && !(ioapic_read(IOAPIC_ENTRY(PIN_HPET)) & IOAPIC_IRR),
	   "remote IRR is set while it is in service");
	irq_window();
	is(counts[VECTOR_HPET], 2, "HPET: once");
	ioapic_route(2, VECTOR_IRQ0, apic_id());
	ioapic_route(8, VECTOR_IRQ8, apic_id());
	hpet_write(HPET_CONFIG, HPET_CONFIG_ENABLE | HPET_CONFIG_LEGACY);
	hpet_arm(0, HPET_TIMER_ENABLE, ms);
	hpet_arm(1, HPET_TIMER_ENABLE, ms);
	ok(wait_for(VECTOR_IRQ0, 1), "HPET: legacy replacement of IRQ 0");
	ok(wait_for(VECTOR_IRQ8, 1), "HPET: legacy replacement of IRQ 8");
	hpet_write(HPET_CONFIG, HPET_CONFIG_ENABLE);
}

static void check_rtc(void)
{
	uint8_t b = RTC_B_DM | RTC_B_24H;

	counts[VECTOR_IRQ8] = 0;
	rtc_read(RTC_C);
	rtc_write(RTC_B, b | RTC_B_UIE);
	ok(wait_for(VECTOR_IRQ8, 1) && (rtc_flags & 0x90) == 0x90,
	   "RTC: the update-ended interrupt");
	rtc_flags = 0;
	counts[VECTOR_IRQ8] = 0;
	for (uint8_t i = 1; i <= 5; i += 2)
		rtc_write(i, 0xff); /* any time */
	rtc_write(RTC_B, b | RTC_B_AIE);
	ok(wait_for(VECTOR_IRQ8, 1) && (rtc_flags & 0xa0) == 0xa0, "RTC: the alarm");
	rtc_write(RTC_B, b);
}

static void check_com2(void)
{
	ioapic_route(3, VECTOR_COM2, apic_id());
	outb(COM2 + UART_FCR, UART_FCR_ENABLE_FIFO);
	outb(COM2 + UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2);
	outb(COM2 + UART_IER, UART_IER_RDI);
	outb(COM2 + UART_TX, 'x');
	ok(wait_for(VECTOR_COM2, 1) && com2_byte == 'x', "COM2: a byte in loopback, by IRQ 3");
	is(com2_iir, 0xc0 | UART_IIR_RDI, "COM2: IIR says why");
	outb(COM2 + UART_IER, 0);
	outb(COM2 + UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
	for (const char *p = "hello from COM2\n"; *p; p++)
		outb(COM2 + UART_TX, (uint8_t)*p);
}

static void check_rest(void)
{
	outb(ELCR + 1, 0x0c);
	is(inw(ELCR), 0x0c00, "ELCR keeps what is written");
	outb(ELCR + 1, 0);
	outb(0x92, 0x02);
	is(inb(0x92), 0x02, "port 0x92: A20 is on");
	is(inb(0xe9), 0xe9, "debugcon is there");
	is(rdmsr(MSR_MTRR_DEF_TYPE), 0xc06, "MTRRs: RAM is write-back");
	is(rdmsr(0x259), 0, "MTRRs: the VGA's window is uncacheable");
	is(rdmsr(0x200), 0xc0000000, "MTRRs: and so is what lies below 4 GiB");
}

void stub_main(void)
{
	plan(25);
	clock_init();
	apic_enable(apic_has_x2apic());
	for (unsigned vector = VECTOR_HPET; vector <= VECTOR_COM2; vector++)
		trap_set((uint8_t)vector, note);
	check_fw_cfg();
	check_hpet();
	check_rtc();
	check_com2();
	check_rest();
}
