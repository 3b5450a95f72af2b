/* bzImage: 'The Linux/x86 Boot Protocol' (Documentation/arch/x86/boot.rst), which the tests quote.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <asm/bootparam.h>
#include <stdlib.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "lib/errno.h"

#define SETUP_LEN  (2 * 512)
#define KERNEL_LEN 0x800
#define FILE_LEN   (SETUP_LEN + KERNEL_LEN)
#define HDR_AT     0x1f1

static struct fake_guest guest;
static uint8_t file[FILE_LEN];
static struct setup_header *const hdr = (struct setup_header *)(file + HDR_AT);

static void reset_file(void)
{
	memset(file, 0xee, sizeof(file));
	*hdr = (struct setup_header){
		.setup_sects = 1,
		.syssize = KERNEL_LEN / 16,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb, /* the header ends at 0x26c */
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.code32_start = 0x100000,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047,
		.pref_address = 0x200000,
		.init_size = 0x100000,
		.setup_data = 0x1234,
	};
	memset(file + SETUP_LEN, 0xc0, KERNEL_LEN);
}

static int setup(void **state)
{
	(void)state;
	fake_guest_init(&guest, MIB(4));
	reset_file();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_free(&guest);
	return 0;
}

static void load(struct boot_params *bp)
{
	if (fake_guest_load(&guest, file, sizeof(file)))
		fail_msg("%s", guest.error);
	assert_string_equal(guest.error, "");
	assert_string_equal(guest.entry.format, "bzImage");
	assert_int_equal(gmem_read(&guest.gmem, GPA(guest.entry.rsi), bp, sizeof(*bp)), 0);
}

static void assert_refused(uint64_t size, const char *part)
{
	assert_true(fake_guest_load(&guest, file, size) < 0);
	if (strncmp(guest.error, "vm 'test': ", 11) || !strstr(guest.error, part))
		fail_msg("'%s' does not contain '%s'", guest.error, part);
	assert_true(strlen(guest.error) < CONFIG_ERROR_MAX - 1);
}

/* '64-bit boot protocol: the entry point is the start address of the loaded 64-bit kernel plus
 * 0x200';
 * '%rsi must hold the base address of the struct boot_params'; 'CS must be __BOOT_CS (0x10) and DS,
 * ES, SS must be __BOOT_DS (0x18)'. */
static void test_64_bit_entry(void **state)
{
	struct boot_params bp;

	(void)state;
	load(&bp);
	assert_int_equal(guest.entry.mode, 64);
	assert_int_equal(guest.entry.rip, 0x200200);
	assert_int_equal(guest.entry.cs, 0x10);
	assert_int_equal(guest.entry.ds, 0x18);
	assert_true(guest.entry.cr3);
	assert_int_equal(fake_guest_u8(&guest, 0x200000), 0xc0);
	assert_int_equal(fake_guest_u8(&guest, 0x200000 + KERNEL_LEN - 1), 0xc0);
	assert_int_equal(fake_guest_u8(&guest, 0x200000 + KERNEL_LEN), 0xa5);
}

/* '32-bit boot protocol': '%esi must hold the base address of the struct boot_params; %ebp, %edi
 * and %ebx must be zero'; entered at the load address, paging off. */
static void test_32_bit_entry(void **state)
{
	struct boot_params bp;

	(void)state;
	hdr->xloadflags = 0;
	load(&bp);
	assert_int_equal(guest.entry.mode, 32);
	assert_int_equal(guest.entry.rip, 0x200000);
	assert_int_equal(guest.entry.rdi, 0);
	assert_int_equal(guest.entry.rbx, 0);
	/* Before protocol 2.12 the field was padding. */
	reset_file();
	hdr->version = 0x020a;
	load(&bp);
	assert_int_equal(guest.entry.mode, 32);
}

static void test_boot_params(void **state)
{
	struct boot_params bp;
	char text[8] = {0};

	(void)state;
	guest.config.append = "quiet";
	load(&bp);
	/* 'The setup header is to be copied into a zeroed boot_params.' */
	assert_int_equal(bp.hdr.header, 0x53726448);
	assert_int_equal(bp.hdr.version, 0x020f);
	assert_int_equal(bp.hdr.init_size, 0x100000);
	assert_int_equal(bp.hdr.type_of_loader, 0xff);
	assert_int_equal(bp.hdr.code32_start, 0x200000);
	assert_int_equal(bp.hdr.setup_data, 0);
	assert_int_equal(bp.hdr.ramdisk_image, 0);
	assert_int_equal(bp.hdr.ramdisk_size, 0);
	assert_int_equal(bp.sentinel, 0);
	assert_int_equal(bp.acpi_rsdp_addr, 0xe0000);
	assert_int_equal(gmem_read(&guest.gmem, GPA(bp.hdr.cmd_line_ptr), text, 6), 0);
	assert_string_equal(text, "quiet");
	assert_int_equal(bp.e820_entries, 3);
	assert_int_equal(bp.e820_table[0].addr, 0);
	assert_int_equal(bp.e820_table[0].size, 0xa0000);
	assert_int_equal(bp.e820_table[0].type, 1);
	assert_int_equal(bp.e820_table[1].type, 2);
	assert_int_equal(bp.e820_table[2].addr, 0x100000);
	assert_int_equal(bp.e820_table[2].size, MIB(3));
	/* All else is zero: nothing of the setup code behind the header (0xee) came along. */
	for (size_t i = 0; i < HDR_AT; i++)
		if (i - 0x70 >= 8 && i != offsetof(struct boot_params, e820_entries))
			assert_int_equal(((uint8_t *)&bp)[i], 0);
	for (size_t i = 0x26c; i < offsetof(struct boot_params, e820_table); i++)
		assert_int_equal(((uint8_t *)&bp)[i], 0);
}

/* 'The end of setup header can be calculated as 0x0202 + byte value at offset 0x0201.' */
static void test_header_is_copied_as_far_as_it_goes(void **state)
{
	struct boot_params bp;

	(void)state;
	hdr->jump = 0x62eb; /* up to init_size */
	hdr->handover_offset = 0x5555;
	load(&bp);
	assert_int_equal(bp.hdr.init_size, 0x100000);
	assert_int_equal(bp.hdr.handover_offset, 0);
	hdr->jump = 0xffeb; /* more than struct setup_header has */
	load(&bp);
	assert_int_equal(bp.hdr.handover_offset, 0x5555);
	assert_int_equal(bp.edd_mbr_sig_buffer[0], 0);
	hdr->jump = 0x61eb;
	assert_refused(sizeof(file), "setup header ends at 0x263, before init_size");
}

/* 'initrd_addr_max: the maximum address that may be occupied by the initial ramdisk contents.' */
static void test_initrd(void **state)
{
	static uint8_t initrd[0x1800];
	struct boot_params bp;

	(void)state;
	memset(initrd, 0x11, sizeof(initrd));
	guest.initrd = (struct boot_module){"", initrd, sizeof(initrd)};
	guest.config.initrd = &guest.initrd;
	load(&bp);
	assert_int_equal(bp.hdr.ramdisk_image, MIB(4) - 0x2000);
	assert_int_equal(bp.hdr.ramdisk_size, sizeof(initrd));
	assert_int_equal(fake_guest_u8(&guest, MIB(4) - 0x2000 + 0x17ff), 0x11);
	hdr->initrd_addr_max = 0x3817ff;
	load(&bp);
	assert_int_equal(bp.hdr.ramdisk_image, 0x380000);
	hdr->initrd_addr_max = 0x3817fe;
	load(&bp);
	assert_int_equal(bp.hdr.ramdisk_image, 0x37f000);
	/* Not where the kernel will be: [0x200000, 0x300000). */
	hdr->initrd_addr_max = 0x3017fe;
	load(&bp);
	assert_int_equal(bp.hdr.ramdisk_image, 0x1fe000);
	hdr->initrd_addr_max = 0x1000;
	assert_refused(sizeof(file), "no place in RAM for the initrd of 6 KiB");
}

static void test_placement(void **state)
{
	struct boot_params bp;

	(void)state;
	/* 'kernel_alignment: alignment unit required by the kernel (if relocatable_kernel is
	 * true).' */
	hdr->pref_address = 0x180000;
	load(&bp);
	assert_int_equal(guest.entry.rip, 0x200200);
	hdr->relocatable_kernel = 0;
	load(&bp);
	assert_int_equal(guest.entry.rip, 0x180200);
	hdr->pref_address = 0x300000;
	load(&bp);
	hdr->init_size++;
	assert_refused(sizeof(file), "needs 0x100001 bytes (init_size) at 0x300000");
	hdr->init_size = 0xffffffff;
	assert_refused(sizeof(file), "give more mem=");
	hdr->init_size = 0x100000;
	hdr->pref_address = 0x10000;
	assert_refused(sizeof(file), "the VM's RAM there is 0x100000-0x3fffff");
	hdr->pref_address = UINT64_MAX - 0x1000;
	assert_refused(sizeof(file), "pref_address");
	hdr->relocatable_kernel = 1;
	assert_refused(sizeof(file), "pref_address");
}

static void test_truncated(void **state)
{
	(void)state;
	assert_refused(0x205, "truncated or foreign");
	assert_refused(0x206, "cut off after 518 bytes");
	assert_refused(SETUP_LEN - 1, "cut off after 1023 bytes");
	assert_refused(SETUP_LEN, "setup_sects 1 reaches past the end of the file of 1024 bytes");
	assert_refused(FILE_LEN - 16, "syssize says 2048 bytes of kernel, the file has 2032");
	for (uint64_t size = 0; size <= FILE_LEN - 16; size++)
		assert_refused(size, "");
}

/* 'syssize: the size of the protected-mode code in units of 16-byte paragraphs'. */
static void test_last_paragraph_is_not_full(void **state)
{
	(void)state;
	assert_int_equal(fake_guest_load(&guest, file, FILE_LEN - 15), 0);
	assert_int_equal(fake_guest_u8(&guest, 0x200000 + KERNEL_LEN - 16), 0xc0);
	assert_int_equal(fake_guest_u8(&guest, 0x200000 + KERNEL_LEN - 15), 0xa5);
}

static void test_lying_header(void **state)
{
	(void)state;
	hdr->setup_sects = 0xff;
	assert_refused(sizeof(file), "setup_sects 255 reaches past the end");
	/* 'If the setup_sects field contains 0, the real value is 4': 2560 bytes of setup. */
	hdr->setup_sects = 0;
	assert_refused(sizeof(file), "the file has 512");
	reset_file();
	hdr->syssize = 0xffffffff;
	assert_refused(sizeof(file), "syssize says 68719476720 bytes");
	hdr->syssize = 0;
	assert_refused(sizeof(file), "syssize says 0 bytes");
	hdr->syssize = 0x200 / 16;
	assert_refused(sizeof(file), "syssize says 512 bytes");
	reset_file();
	hdr->init_size = KERNEL_LEN - 1;
	assert_refused(sizeof(file), "init_size 0x7ff is smaller than its kernel of 0x800");
	reset_file();
	hdr->kernel_alignment = 0;
	assert_refused(sizeof(file), "kernel_alignment 0x0");
	hdr->kernel_alignment = 0x300000;
	assert_refused(sizeof(file), "not a power of two");
	reset_file();
	hdr->boot_flag = 0;
	assert_refused(sizeof(file), "boot_flag is 0x0");
	reset_file();
	hdr->version = 0x0209;
	assert_refused(sizeof(file), "boot protocol 2.09; Carousel needs 2.10");
	reset_file();
	hdr->loadflags = 0;
	assert_refused(sizeof(file), "zImage");
	reset_file();
	hdr->header = 0;
	guest.config.format = FORMAT_BZIMAGE;
	assert_refused(sizeof(file), "no 'HdrS' at 0x202");
}

/* 'cmdline_size: the maximum size of the command line without the terminating zero.' */
static void test_command_line_length(void **state)
{
	static char text[2100];
	struct boot_params bp;

	(void)state;
	memset(text, 'x', 2048);
	guest.config.append = text;
	assert_refused(sizeof(file), "2048 bytes, a bzImage kernel takes 2047");
	text[2047] = '\0';
	load(&bp);
}

/* 'setup_data: the 64-bit physical pointer to NULL terminated single linked list of struct
 * setup_data: u64 next, u32 type, u32 len, u8 data[]'; SETUP_RNG_SEED is 9. */
static void test_setup_data(void **state)
{
	struct boot_params bp;
	uint64_t at;

	(void)state;
	load(&bp);
	assert_int_equal(bp.hdr.setup_data, 0);
	guest.shape.has_seed = true;
	memset(guest.shape.seed, 0x5e, sizeof(guest.shape.seed));
	load(&bp);
	at = bp.hdr.setup_data;
	assert_in_range(at, 0xa000, 0x9f000);
	assert_int_equal(fake_guest_u64(&guest, at), 0);
	assert_int_equal(fake_guest_u32(&guest, at + 8), 9);
	assert_int_equal(fake_guest_u32(&guest, at + 12), 32);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(fake_guest_u8(&guest, at + 16 + i), 0x5e);
	assert_int_equal(fake_guest_u8(&guest, at + 48), 0xa5);
}

static void test_modules_are_refused(void **state)
{
	(void)state;
	guest.config.module[0] = (struct vm_module){&guest.kernel, ""};
	guest.config.module_count = 1;
	assert_refused(sizeof(file), "a bzImage cannot be given modules");
}

static void test_mutations(void **state)
{
	static const uint8_t initrd[5000];
	uint64_t seed = 0xda942042e4dd58b5;
	unsigned refused = 0, loaded = 0;

	(void)state;
	guest.initrd = (struct boot_module){"", initrd, sizeof(initrd)};
	guest.config.initrd = &guest.initrd;
	for (unsigned i = 0; i < 4000; i++) {
		uint64_t size = fake_random(&seed) % 8 ? FILE_LEN : fake_random(&seed) % FILE_LEN;
		uint8_t saved[FILE_LEN];
		int err;

		memcpy(saved, file, FILE_LEN);
		fake_mutate(&seed, (uint8_t *)hdr, FILE_LEN - HDR_AT, sizeof(*hdr));
		err = fake_guest_load(&guest, file, size);
		memcpy(file, saved, FILE_LEN);
		if (err) {
			assert_int_equal(strncmp(guest.error, "vm 'test': ", 11), 0);
			refused++;
			continue;
		}
		assert_in_range(guest.entry.rip, 0x100000, MIB(4) - 1);
		loaded++;
	}
	assert_true(refused > 400 && loaded > 400);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_64_bit_entry), TEST(test_32_bit_entry),
		TEST(test_boot_params),  TEST(test_header_is_copied_as_far_as_it_goes),
		TEST(test_initrd),       TEST(test_placement),
		TEST(test_truncated),    TEST(test_last_paragraph_is_not_full),
		TEST(test_lying_header), TEST(test_command_line_length),
		TEST(test_setup_data),   TEST(test_modules_are_refused),
		TEST(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
