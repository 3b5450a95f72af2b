/* The GDT, page tables, command line and stack that a guest starts with. */
#include "loader/lowmem.h"
#include "lib/errno.h"
#include "lib/string.h"

/* Segment descriptors, accessed already: SDM, 'Segment Descriptors'. Base 0, limit 4 GiB. */
#define GDT_CODE32 0x00cf9b000000ffffull
#define GDT_CODE64 0x00af9b000000ffffull
#define GDT_DATA   0x00cf93000000ffffull

/* SDM, '4-Level Paging': present, writable, and in a PDE page size 2 MiB. */
#define PTE_P  BIT_ULL(0)
#define PTE_RW BIT_ULL(1)
#define PDE_PS BIT_ULL(7)

#define IDENTITY_GIB 4u

/* devices/ has a UART there. */
#define COM1_PORT 0x3f8u

/* push bp; mov bp, sp; or byte [bp + 6], 1 (the caller's carry); mov ah, 0x86; pop bp; iret */
static const uint8_t bios_call[] = {0x55, 0x89, 0xe5, 0x80, 0x4e, 0x06,
				    0x01, 0xb4, 0x86, 0x5d, 0xcf};

int lowmem_build_firmware(struct image *image)
{
	const uint16_t com1 = COM1_PORT, kib = GUEST_HOLE_BASE / 1024;
	const uint16_t vector[] = {LOWMEM_BIOS_CALL & 0xffff, LOWMEM_BIOS_CALL >> 4 & 0xf000};
	int err = image_write(image, LOWMEM_BIOS_CALL, bios_call, sizeof(bios_call));

	for (uint32_t i = 0; i < LOWMEM_VECTORS && !err; i++)
		err = image_write(image, i * sizeof(vector), vector, sizeof(vector));
	if (!err)
		err = image_write(image, LOWMEM_BDA_COM1, &com1, sizeof(com1));
	return err ? err : image_write(image, LOWMEM_BDA_KIB, &kib, sizeof(kib));
}

static int put_gdt(struct image *image, uint8_t mode)
{
	const uint64_t gdt[] = {0, mode == 64 ? GDT_CODE32 : GDT_CODE64,
				mode == 64 ? GDT_CODE64 : GDT_CODE32, GDT_DATA};
	struct guest_entry *entry = image->entry;
	int err = image_claim(image, LOWMEM_GDT, PAGE_SIZE, "the loader's GDT");

	if (err)
		return err;
	entry->gdt_base = LOWMEM_GDT;
	entry->gdt_limit = sizeof(gdt) - 1;
	entry->cs = LOWMEM_CS;
	entry->ds = LOWMEM_DS;
	return image_write(image, LOWMEM_GDT, gdt, sizeof(gdt));
}

static int put_entry(struct image *image, uint64_t table, uint32_t index, uint64_t value)
{
	return image_write(image, table + index * sizeof(value), &value, sizeof(value));
}

/* One page directory, of 2M pages from `pa` on, some entries at a time. */
static int put_page_directory(struct image *image, uint64_t table, uint64_t pa)
{
	uint64_t entry[64];
	int err = 0;

	for (uint32_t i = 0; i < 512 && !err; i += ARRAY_SIZE(entry)) {
		for (uint32_t k = 0; k < ARRAY_SIZE(entry); k++)
			entry[k] = (pa + (i + k) * SIZE_2M) | PTE_P | PTE_RW | PDE_PS;
		err = image_write(image, table + i * sizeof(entry[0]), entry, sizeof(entry));
	}
	return err;
}

static int put_page_tables(struct image *image)
{
	uint64_t len = LOWMEM_INFO - LOWMEM_PML4;
	int err = image_claim(image, LOWMEM_PML4, len, "the loader's page tables");

	if (!err)
		err = image_zero(image, LOWMEM_PML4, len);
	if (!err)
		err = put_entry(image, LOWMEM_PML4, 0, LOWMEM_PDPT | PTE_P | PTE_RW);
	for (uint32_t i = 0; i < IDENTITY_GIB && !err; i++)
		err = put_entry(image, LOWMEM_PDPT, i,
				(LOWMEM_PD + i * PAGE_SIZE) | PTE_P | PTE_RW);
	for (uint32_t i = 0; i < IDENTITY_GIB && !err; i++)
		err = put_page_directory(image, LOWMEM_PD + i * PAGE_SIZE, i * SIZE_1G);
	image->entry->cr3 = LOWMEM_PML4;
	return err;
}

static int put_cmdline(struct image *image, const char *format, uint32_t cmdline_max)
{
	const char *text = image->config->append;
	size_t len = strlen(text), max = MIN(cmdline_max, PAGE_SIZE - 1);
	int err;

	if (len > max)
		return image_fail(image, -EINVAL,
				  "the guest's command line has %zu bytes, a %s kernel takes %zu; "
				  "shorten what stands behind '--'",
				  len, format, max);
	err = image_claim(image, LOWMEM_CMDLINE, PAGE_SIZE, "the loader's command line");
	return err ? err : image_write(image, LOWMEM_CMDLINE, text, len + 1);
}

int lowmem_build_mode(struct image *image, uint8_t mode)
{
	int err = put_gdt(image, mode);

	image->entry->mode = mode;
	if (!err && mode == 64)
		err = put_page_tables(image);
	return err;
}

int lowmem_build(struct image *image, uint8_t mode, const char *format, uint32_t cmdline_max)
{
	int err = lowmem_build_mode(image, mode);

	return err ? err : put_cmdline(image, format, cmdline_max);
}

int lowmem_build_stack(struct image *image)
{
	image->entry->rsp = LOWMEM_STACK_TOP;
	image->entry->rdi = LOWMEM_CMDLINE;
	image->entry->rsi = image->config->mem;
	return image_claim(image, LOWMEM_STACK, LOWMEM_STACK_TOP - LOWMEM_STACK,
			   "the loader's stack");
}
