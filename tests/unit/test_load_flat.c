/* Flat images, the low memory that all formats share, and recognition: docs/guests.md, 'Formats and
 * entry states' and 'Low memory'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "lib/errno.h"
#include "loader/image.h"
#include "loader/lowmem.h"

static struct fake_guest guest;
static const uint8_t code[] = {0xb0, 0x01, 0xe6, 0xf4, 0xf4};

static int setup(void **state)
{
	(void)state;
	fake_guest_init(&guest, MIB(4));
	guest.config.format = FORMAT_FLAT;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_free(&guest);
	return 0;
}

static void assert_loads(const void *data, uint64_t size)
{
	if (fake_guest_load(&guest, data, size))
		fail_msg("%s", guest.error);
	assert_string_equal(guest.error, "");
}

static void assert_refused(const void *data, uint64_t size, const char *part)
{
	assert_true(fake_guest_load(&guest, data, size) < 0);
	if (strncmp(guest.error, "vm 'test': ", 11) || !strstr(guest.error, part))
		fail_msg("'%s' does not contain '%s'", guest.error, part);
	assert_true(strlen(guest.error) < CONFIG_ERROR_MAX - 1);
}

/* Mode 64: long mode, the first 4 GiB mapped to themselves with 2M pages, flat GDT, RSP a stack's
 * top below 0x80000, RDI the command line, RSI the bytes of RAM, RBX 0. */
static void test_mode_64(void **state)
{
	const struct guest_entry *e = &guest.entry;
	char text[8];

	(void)state;
	guest.config.append = "a b  c";
	assert_loads(code, sizeof(code));
	assert_int_equal(e->mode, 64);
	assert_string_equal(e->format, "flat");
	assert_int_equal(e->rip, 0x100000);
	assert_int_equal(e->rsp, 0x80000);
	assert_int_equal(e->rsi, MIB(4));
	assert_int_equal(e->rax, 0);
	assert_int_equal(e->rbx, 0);
	for (unsigned i = 0; i < sizeof(code); i++)
		assert_int_equal(fake_guest_u8(&guest, 0x100000 + i), code[i]);
	assert_int_equal(gmem_read(&guest.gmem, GPA(e->rdi), text, 7), 0);
	assert_string_equal(text, "a b  c");

	/* SDM, 'Segment Descriptors': L and not D for 64-bit code, D and not L for 32-bit code. */
	assert_int_equal(e->cs, 0x10);
	assert_int_equal(e->ds, 0x18);
	assert_int_equal(e->gdt_limit, 31);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base), 0);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base + 8), 0x00cf9b000000ffff);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base + 16), 0x00af9b000000ffff);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base + 24), 0x00cf93000000ffff);

	/* SDM, '4-Level Paging': walk every 2 MiB. */
	for (uint64_t la = 0; la < GIB(4); la += MIB(2)) {
		uint64_t pml4e = fake_guest_u64(&guest, e->cr3 + (la >> 39) * 8);
		uint64_t pdpte = fake_guest_u64(&guest, (pml4e & ~0xfffull) + (la >> 30 & 511) * 8);
		uint64_t pde = fake_guest_u64(&guest, (pdpte & ~0xfffull) + (la >> 21 & 511) * 8);

		assert_int_equal(pml4e & 0xfff, 3);
		assert_int_equal(pdpte & 0xfff, 3);
		assert_int_equal(pde, la | 0x83);
	}
	/* Nothing else is mapped, though the RAM was not zero before. */
	for (unsigned i = 1; i < 512; i++)
		assert_int_equal(fake_guest_u64(&guest, e->cr3 + i * 8), 0);
	for (unsigned i = 4; i < 512; i++)
		assert_int_equal(fake_guest_u64(&guest, LOWMEM_PDPT + i * 8), 0);
}

static void test_mode_32(void **state)
{
	(void)state;
	guest.config.flat_mode = 32;
	guest.config.flat_address = 0x10000;
	assert_loads(code, sizeof(code));
	assert_int_equal(guest.entry.mode, 32);
	assert_int_equal(guest.entry.rip, 0x10000);
	assert_int_equal(guest.entry.rsp, 0x80000);
	assert_int_equal(guest.entry.cr3, 0);
	assert_int_equal(guest.entry.cs, 0x10);
	assert_int_equal(fake_guest_u64(&guest, guest.entry.gdt_base + 16), 0x00cf9b000000ffff);
	assert_int_equal(fake_guest_u64(&guest, guest.entry.gdt_base + 8), 0x00af9b000000ffff);
	/* No page tables in mode 32: their place is free. */
	guest.config.flat_address = 0x2000;
	assert_loads(code, sizeof(code));
}

static void test_mode_real(void **state)
{
	(void)state;
	guest.config.flat_mode = 16;
	guest.config.flat_address = 0x7c00;
	assert_loads(code, sizeof(code));
	assert_int_equal(guest.entry.mode, 16);
	assert_int_equal(guest.entry.rip, 0x7c00);
	assert_int_equal(guest.entry.cs, 0x7c0);
	assert_int_equal(guest.entry.ds, 0);
	assert_int_equal(guest.entry.rsp, 0x1000);
	assert_int_equal(guest.entry.rsi, 0);
	guest.config.flat_address = 0x7c08;
	assert_refused(code, sizeof(code), "multiple of 16");
	guest.config.flat_address = 0x100000;
	assert_refused(code, sizeof(code), "use address=0x7c00");
	guest.config.flat_address = 0xff0;
	assert_refused(code, sizeof(code), "the real-mode vectors and stack");
	guest.config.flat_address = 0x7c00;
	guest.config.append = "x";
	assert_refused(code, sizeof(code), "remove what stands behind '--'");
}

static void test_bad_places(void **state)
{
	static uint8_t big[0x1000];

	(void)state;
	guest.config.flat_address = 0x1800;
	assert_refused(code, sizeof(code), "overlaps the loader's GDT");
	guest.config.flat_address = 0x7ffc;
	assert_refused(code, sizeof(code), "overlaps the loader's page tables");
	guest.config.flat_address = 0x9fff;
	assert_refused(code, sizeof(code), "overlaps the loader's command line");
	guest.config.flat_address = 0x7ffff;
	assert_refused(code, sizeof(code), "overlaps the loader's stack");
	guest.config.flat_address = 0x9fffc;
	assert_refused(code, sizeof(code), "outside the VM's RAM");
	guest.config.flat_address = 0xe0000;
	assert_refused(code, sizeof(code), "outside the VM's RAM");
	guest.config.flat_address = MIB(4) - 4;
	assert_refused(code, sizeof(code), "more mem=");
	guest.config.flat_address = UINT64_MAX - 1;
	assert_refused(code, sizeof(code), "above 4 GiB");
	guest.config.flat_address = MIB(4) - sizeof(big);
	assert_loads(big, sizeof(big));
}

static void test_what_a_flat_image_cannot_take(void **state)
{
	static const uint8_t bytes[4];
	static char longer[4200];

	(void)state;
	guest.initrd = (struct boot_module){"", bytes, sizeof(bytes)};
	guest.config.initrd = &guest.initrd;
	assert_refused(code, sizeof(code), "leave the initrd's module out");
	guest.config.initrd = NULL;
	guest.config.module[0].module = &guest.initrd;
	guest.config.module_count = 1;
	assert_refused(code, sizeof(code), "cannot be given modules");
	guest.config.module_count = 0;
	memset(longer, 'x', 4096);
	guest.config.append = longer;
	assert_refused(code, sizeof(code), "4096 bytes, a flat kernel takes 4095");
	longer[4095] = '\0';
	assert_loads(code, sizeof(code));
}

/* Formats with a mark are recognised; a flat image never is. */
static void test_unknown_files(void **state)
{
	static uint8_t file[0x9000];

	(void)state;
	guest.config.format = FORMAT_AUTO;
	assert_refused("", 0, "empty");
	assert_refused(code, sizeof(code), "format=flat");
	assert_refused(file, sizeof(file), "neither a bzImage nor an ELF file");
	assert_refused("\x1f\x8b\x08\x00", 4, "gzip");
	assert_refused("\xfd"
		       "7zXZ\0\0",
		       7, "xz");
	assert_refused("070701000", 9, "cpio");
	memcpy(file + 0x38, "ARMd", 4);
	assert_refused(file, sizeof(file), "arm64");
	memset(file, 0, sizeof(file));
	memcpy(file + 0x8001, "CD001", 5);
	assert_refused(file, sizeof(file), "ISO image");
}

/* 'The Multiboot header must be contained completely within the first 8192 bytes of the OS image,
 * and must be longword (32-bit) aligned'; Multiboot2: 'the first 32768 bytes, 64-bit aligned'. */
static void test_multiboot_is_recognised(void **state)
{
	const uint32_t mb1[] = {0x1badb002, 3, 0u - 0x1badb002 - 3};
	const uint32_t mb2[] = {0xe85250d6, 0, 24, 0u - 0xe85250d6 - 24};
	static uint8_t file[0x9000];

	(void)state;
	guest.config.format = FORMAT_AUTO;
	memcpy(file + 8180, mb1, sizeof(mb1));
	assert_refused(file, sizeof(file), "has a Multiboot header, but neither");
	assert_string_equal(guest.entry.format, "Multiboot1");
	assert_refused(file, 8191, "neither a bzImage");
	memcpy(file + 32752, mb2, sizeof(mb2));
	assert_refused(file, sizeof(file), "the kernel's Multiboot2 header");
	assert_string_equal(guest.entry.format, "Multiboot2");
	file[32760]++; /* the sum is wrong */
	assert_refused(file, sizeof(file), "has a Multiboot header, but neither");
	assert_string_equal(guest.entry.format, "Multiboot1");
	guest.config.format = FORMAT_MULTIBOOT2;
	assert_refused(file, sizeof(file), "no Multiboot2 header in its first 32768 bytes");
	file[8180]++;
	guest.config.format = FORMAT_MULTIBOOT1;
	assert_refused(file, sizeof(file), "no Multiboot1 header in its first 8192 bytes");
}

/* '[0, low_end) with the hole at 0xa0000-0xfffff reserved; and above 4 GiB [4 GiB, high_end).' */
static void test_memory_map(void **state)
{
	struct guest_shape shape = {.low_end = MIB(1)};
	struct memory_map_row row[MEMORY_MAP_MAX];

	(void)state;
	assert_int_equal(memory_map(&shape, row), 2);
	assert_int_equal(row[0].base, 0);
	assert_int_equal(row[0].len, 0xa0000);
	assert_int_equal(row[0].type, 1);
	assert_int_equal(row[1].base, 0xa0000);
	assert_int_equal(row[1].len, 0x60000);
	assert_int_equal(row[1].type, 2);
	shape = (struct guest_shape){.low_end = GIB(3), .high_end = GIB(5)};
	assert_int_equal(memory_map(&shape, row), 4);
	assert_int_equal(row[2].base, MIB(1));
	assert_int_equal(row[2].len, GIB(3) - MIB(1));
	assert_int_equal(row[3].base, GIB(4));
	assert_int_equal(row[3].len, GIB(1));
	assert_int_equal(row[3].type, 1);
}

/* Every guest finds the RSDP, real-mode vectors, and in the BIOS data area COM1's port and the KiB
 * of low memory. */
static void test_firmware_is_there(void **state)
{
	(void)state;
	assert_loads(code, sizeof(code));
	assert_int_equal(fake_guest_u64(&guest, GUEST_ACPI_BASE), 0x2052545020445352);
	/* All vectors lead to F000:FF53, which sets carry in the caller's flags and returns. */
	for (unsigned vector = 0; vector < 256; vector++)
		assert_int_equal(fake_guest_u32(&guest, vector * 4), 0xf000ff53);
	assert_int_equal(fake_guest_u8(&guest, 0xfff53), 0x55);
	assert_int_equal(fake_guest_u8(&guest, 0xfff53 + 10), 0xcf);
	assert_int_equal(fake_guest_u32(&guest, 0x400) & 0xffff, 0x3f8);
	assert_int_equal(fake_guest_u32(&guest, 0x413) & 0xffff, 640);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mode_64),
		TEST(test_mode_32),
		TEST(test_mode_real),
		TEST(test_bad_places),
		TEST(test_what_a_flat_image_cannot_take),
		TEST(test_unknown_files),
		TEST(test_multiboot_is_recognised),
		TEST(test_memory_map),
		TEST(test_firmware_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
