/* Proves PCI and virtio from the guest's side: configuration mechanism 1, BARs that move, the
 * entropy, console and block devices by polling, MSI-X and INTx, and a bad ring that costs the
 * device and nothing else. The disk's byte i is i * 7 mod 251. */
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/pci.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"
#include "guest-stubs/common/virtio.h"

#define VECTOR_QUEUE  0x50
#define VECTOR_CONFIG 0x51
#define VECTOR_INTX   0x52
#define SECTOR        512u
#define MOVED_TO      0xe8000000u
#define IOAPIC_LEVEL  BIT(15)

static struct virtio rng, console, blk;
static uint8_t data[8 * SECTOR] __aligned(16);
static struct virtio_blk_outhdr header;
static volatile uint8_t status;
static volatile unsigned counts[256];
static volatile uint8_t isr_seen;

static void note(struct trap_frame *frame)
{
	counts[frame->vector]++;
	/* Level-triggered: the cause goes before the EOI. */
	if (frame->vector == VECTOR_INTX)
		isr_seen = *blk.isr;
	apic_eoi();
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 7 % 251);
}

static int64_t disk(uint32_t type, uint64_t sector, uint32_t len)
{
	const struct virtio_buffer buffers[] = {
		{&header, sizeof(header), false},
		{data, len, type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID},
		{&status, 1, true},
	};
	const struct virtio_buffer no_data[] = {buffers[0], buffers[2]};

	header = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	status = 0xff;
	return len ? virtio_request(&blk, 0, buffers, 3) : virtio_request(&blk, 0, no_data, 2);
}

static bool is_pattern(uint64_t from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (data[i] != pattern(from + i))
			return false;
	return true;
}

static void check_config_space(void)
{
	unsigned count = 0;

	outl(PCI_CONFIG_ADDRESS, PCI_CONFIG_ENABLE);
	is(inl(PCI_CONFIG_ADDRESS), PCI_CONFIG_ENABLE, "CONFIG_ADDRESS reads back");
	is(pci_read16(0, PCI_CLASS_DEVICE), 0x0600, "00:00.0 is a host bridge");
	is(pci_read32(31, PCI_VENDOR_ID), UINT32_MAX, "an empty slot reads all ones");
	outl(PCI_CONFIG_ADDRESS, 0);
	is(inl(PCI_CONFIG_DATA), UINT32_MAX, "without the enable bit nothing answers");
	for (uint32_t slot = 0; slot < PCI_SLOTS; slot++)
		count += pci_read16(slot, PCI_VENDOR_ID) != 0xffff;
	diag("%u PCI functions", count);
	ok(virtio_find(&rng, VIRTIO_ID_RNG, 0), "there is an entropy device");
	ok(virtio_find(&console, VIRTIO_ID_CONSOLE, 0), "there is a console");
	ok(virtio_find(&blk, VIRTIO_ID_BLOCK, 0), "there is a disk");
}

static void check_rng(void)
{
	const struct virtio_buffer buffer = {data, 32, true};

	memset(data, 0, sizeof(data));
	ok(virtio_start(&rng, 0, 1), "the entropy device starts");
	ok(virtio_request(&rng, 0, &buffer, 1) > 0, "it fills a buffer");
	memcpy(data + 64, data, 32);
	ok(virtio_request(&rng, 0, &buffer, 1) > 0, "and another");
	ok(memcmp(data, data + 64, 32), "with other bytes");
	ok(!data[32] && !data[63], "and nothing behind it");
}

static void check_console(void)
{
	static const char line[] = "# by the virtio console\n";
	const struct virtio_buffer buffers[] = {{line, 10, false}, {line + 10, 14, false}};

	ok(virtio_start(&console, BIT_ULL(VIRTIO_RING_F_EVENT_IDX), 2), "the console starts");
	is((uint64_t)virtio_request(&console, 1, buffers, 2), 0, "it takes a line");
}

static void check_disk(void)
{
	uint64_t sectors;

	ok(virtio_start(&blk, 0, 1), "the disk starts");
	sectors = *(volatile uint64_t *)blk.device;
	diag("%lu sectors", (unsigned long)sectors);
	is((uint64_t)disk(VIRTIO_BLK_T_IN, 2, 4 * SECTOR), 4 * SECTOR + 1, "four sectors are read");
	ok(status == VIRTIO_BLK_S_OK && is_pattern(2 * SECTOR, 4 * SECTOR), "as they should be");
	is((uint64_t)disk(VIRTIO_BLK_T_OUT, 0, 2 * SECTOR), 1, "two are written");
	memset(data, 0, sizeof(data));
	disk(VIRTIO_BLK_T_IN, 0, 3 * SECTOR);
	ok(is_pattern(2 * SECTOR, 2 * SECTOR), "and read back");
	is(data[2 * SECTOR + 1], pattern(2 * SECTOR + 1), "the next one is what it was");
	disk(VIRTIO_BLK_T_FLUSH, 0, 0);
	is(status, VIRTIO_BLK_S_OK, "a flush");
	disk(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES);
	ok(status == VIRTIO_BLK_S_OK && !memcmp(data, "stub-disk", 10), "its serial number");
	disk(VIRTIO_BLK_T_IN, sectors, SECTOR);
	is(status, VIRTIO_BLK_S_IOERR, "a read beyond its end is refused");
	disk(VIRTIO_BLK_T_IN, UINT64_MAX / SECTOR, SECTOR);
	is(status, VIRTIO_BLK_S_IOERR, "and one where the address wraps");
	disk(99, 0, SECTOR);
	is(status, VIRTIO_BLK_S_UNSUPP, "an unknown request is not supported");
}

static void check_msix(void)
{
	virtio_set_vector(&blk, 0, VECTOR_QUEUE, false);
	virtio_set_vector(&blk, 1, VECTOR_CONFIG, false);
	virtio_enable_msix(&blk, true, false);
	disk(VIRTIO_BLK_T_IN, 0, SECTOR);
	irq_window();
	is(counts[VECTOR_QUEUE], 1, "MSI-X: an interrupt for a request");
	virtio_set_vector(&blk, 0, VECTOR_QUEUE, true);
	disk(VIRTIO_BLK_T_IN, 0, SECTOR);
	irq_window();
	is(counts[VECTOR_QUEUE], 1, "MSI-X: none while the vector is masked");
	is(blk.msix[2048 / sizeof(uint32_t)], 1, "MSI-X: it is pending");
	virtio_set_vector(&blk, 0, VECTOR_QUEUE, false);
	irq_window();
	is(counts[VECTOR_QUEUE], 2, "MSI-X: it comes when the mask goes");
	virtio_enable_msix(&blk, true, true);
	disk(VIRTIO_BLK_T_IN, 0, SECTOR);
	irq_window();
	is(counts[VECTOR_QUEUE], 2, "MSI-X: none while the function is masked");
	virtio_enable_msix(&blk, true, false);
	irq_window();
	is(counts[VECTOR_QUEUE], 3, "MSI-X: it comes when that mask goes");
	virtio_enable_msix(&blk, false, false);
}

static void check_intx(void)
{
	uint8_t pin = pci_read8(blk.slot, PCI_INTERRUPT_LINE);

	ok(pin == 10 || pin == 11, "INTx: the line register names IRQ 10 or 11");
	/* The line is shared, and what has been polled for is still asserted. */
	ok(*rng.isr == 1 && *rng.isr == 0, "INTx: reading ISR clears it");
	*console.isr;
	*blk.isr;
	ioapic_route(pin, VECTOR_INTX, apic_id());
	ioapic_write((uint8_t)IOAPIC_ENTRY(pin), VECTOR_INTX | IOAPIC_LEVEL);
	irq_window();
	is(counts[VECTOR_INTX], 0, "INTx: quiet without a cause");
	disk(VIRTIO_BLK_T_IN, 0, SECTOR);
	irq_window();
	is(counts[VECTOR_INTX], 1, "INTx: one interrupt for a request");
	is(isr_seen, 1, "INTx: ISR says that a queue has something");
	irq_window();
	is(counts[VECTOR_INTX], 1, "INTx: reading ISR takes the line down");
	pci_write16(blk.slot, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	disk(VIRTIO_BLK_T_IN, 0, SECTOR);
	irq_window();
	is(counts[VECTOR_INTX], 1, "INTx: 'Interrupt Disable' holds it back");
	*blk.isr;
	pci_write16(blk.slot, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ioapic_mask(pin);
}

static void check_moving(void)
{
	volatile uint32_t *before = (volatile uint32_t *)pci_bar(blk.slot, 0);
	uint32_t size;

	pci_write32(blk.slot, PCI_BASE_ADDRESS_0, UINT32_MAX);
	size = ~(pci_read32(blk.slot, PCI_BASE_ADDRESS_0) & ~0xfu) + 1;
	is(size, 0x4000, "BAR 0 has 16 KiB");
	pci_write32(blk.slot, PCI_BASE_ADDRESS_0, MOVED_TO);
	is(*before, UINT32_MAX, "moved away: nothing is left at the old place");
	virtio_locate(&blk);
	is((uintptr_t)blk.common, MOVED_TO, "it is at the new one");
	disk(VIRTIO_BLK_T_IN, 3, SECTOR);
	ok(status == VIRTIO_BLK_S_OK && is_pattern(3 * SECTOR, SECTOR), "and works there");
	pci_write16(blk.slot, PCI_COMMAND, 0);
	is(blk.common->num_queues, 0xffff, "without memory decode it is not reached");
	pci_write16(blk.slot, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	is(blk.common->num_queues, 1, "with it, it is again");
}

static void check_bad_ring(void)
{
	const struct virtio_buffer buffer = {data, 32, true};

	virtio_enable_msix(&blk, true, false);
	blk.ring[0].avail.idx = (uint16_t)(blk.ring[0].avail.idx + 100);
	virtio_send(&blk, 0, &buffer, 1);
	ok(blk.common->device_status & VIRTIO_CONFIG_S_NEEDS_RESET,
	   "an index that runs ahead makes the device need a reset");
	irq_window();
	is(counts[VECTOR_CONFIG], 1, "and it says so by an interrupt");
	ok(virtio_start(&blk, 0, 1), "the reset mends it");
	disk(VIRTIO_BLK_T_IN, 3, SECTOR);
	ok(status == VIRTIO_BLK_S_OK && is_pattern(3 * SECTOR, SECTOR), "it reads as before");
	virtio_enable_msix(&blk, false, false);
}

void stub_main(void)
{
	clock_init();
	apic_enable(false);
	trap_set(VECTOR_QUEUE, note);
	trap_set(VECTOR_CONFIG, note);
	trap_set(VECTOR_INTX, note);
	check_config_space();
	if (tap_failures())
		bail("without these there is nothing to try");
	check_rng();
	check_console();
	check_disk();
	check_msix();
	check_intx();
	check_moving();
	check_bad_ring();
}
