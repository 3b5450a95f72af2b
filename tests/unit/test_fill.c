/* What the pieces of an image's files come to when they are copied later, step by step: the same as
 * at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <elf.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "guest/fill.h"
#include "lib/errno.h"

#define TEXT_SIZE KIB(70)
#define BSS_SIZE  KIB(100)

static struct fake_guest guest, other;
static struct guest_fill fill;

static struct {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[2];
	uint8_t text[TEXT_SIZE], data[64];
} file;

static int setup(void **state)
{
	(void)state;
	fake_guest_init(&guest, MIB(4));
	fake_guest_init(&other, MIB(4));
	memset(&fill, 0, sizeof(fill));
	file.ehdr = (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					     ELFDATA2LSB, EV_CURRENT},
				 .e_type = ET_EXEC,
				 .e_machine = EM_X86_64,
				 .e_entry = 0x200000,
				 .e_phoff = offsetof(__typeof__(file), phdr),
				 .e_phentsize = sizeof(Elf64_Phdr),
				 .e_phnum = 2};
	file.phdr[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				    .p_offset = offsetof(__typeof__(file), text),
				    .p_paddr = 0x200000,
				    .p_filesz = TEXT_SIZE,
				    .p_memsz = TEXT_SIZE + BSS_SIZE};
	file.phdr[1] = (Elf64_Phdr){.p_type = PT_LOAD,
				    .p_offset = offsetof(__typeof__(file), data),
				    .p_paddr = 0x300000,
				    .p_filesz = sizeof(file.data),
				    .p_memsz = sizeof(file.data)};
	for (unsigned i = 0; i < TEXT_SIZE; i++)
		file.text[i] = (uint8_t)(i * 7 + (i >> 8));
	memset(file.data, 0xda, sizeof(file.data));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_free(&guest);
	fake_guest_free(&other);
	return 0;
}

static int load_with_fill(void)
{
	static struct boot_module kernel;

	kernel = (struct boot_module){"", (const uint8_t *)&file, sizeof(file)};
	guest.config.kernel = &kernel;
	guest.shape.fill = &fill;
	return load_guest(&guest.config, &guest.shape, &guest.gmem, &guest.entry, guest.error,
			  sizeof(guest.error));
}

static void test_the_same_in_the_end(void **state)
{
	unsigned steps = 0;

	(void)state;
	assert_int_equal(fake_guest_load(&other, &file, sizeof(file)), 0);
	assert_int_equal(load_with_fill(), 0);
	/* What the loader made is there, nothing of the file yet, however small: of small pieces
	 * there can be many. */
	assert_int_equal(fake_guest_u8(&guest, 0x2000), 0x03); /* the page tables */
	assert_int_equal(fake_guest_u8(&guest, 0x300000), 0xa5);
	assert_int_equal(fake_guest_u8(&guest, 0x200000), 0xa5);
	assert_int_equal(fill.count, 3);
	while (guest_fill_step(&fill, &guest.gmem))
		steps++;
	assert_int_equal(steps, 5 + 7 + 1); /* 16 KiB each at most */
	assert_false(guest_fill_step(&fill, &guest.gmem));
	for (uint64_t gpa = 0; gpa < MIB(4); gpa += 8)
		assert_true(fake_guest_u64(&guest, gpa) == fake_guest_u64(&other, gpa));
}

static void test_what_does_not_go(void **state)
{
	static const uint8_t byte;

	(void)state;
	assert_int_equal(guest_fill_add(&fill, &guest.gmem, GPA(MIB(4) - 1), &byte, 2), -EFAULT);
	for (unsigned i = 0; i < GUEST_FILL_MAX; i++)
		assert_int_equal(guest_fill_add(&fill, &guest.gmem, GPA(0), &byte, 1), 0);
	assert_int_equal(guest_fill_add(&fill, &guest.gmem, GPA(0), &byte, 1), -ENOSPC);
}

/* A VM that is reset while it is being filled begins with the first byte of the first piece. */
static void test_anew_when_half_done(void **state)
{
	static const uint8_t bytes[2 * GUEST_FILL_STEP] = {0x11, 0x22};

	(void)state;
	assert_int_equal(guest_fill_add(&fill, &guest.gmem, GPA(0), bytes, sizeof(bytes)), 0);
	assert_true(guest_fill_step(&fill, &guest.gmem));
	guest_fill_begin(&fill);
	assert_int_equal(guest_fill_add(&fill, &guest.gmem, GPA(MIB(1)), bytes, 0), 0);
	assert_int_equal(guest_fill_add(&fill, &guest.gmem, GPA(MIB(1)), bytes, 1), 0);
	assert_true(guest_fill_step(&fill, &guest.gmem));
	assert_false(guest_fill_step(&fill, &guest.gmem));
	assert_int_equal(fake_guest_u8(&guest, MIB(1)), 0x11);
	assert_int_equal(fake_guest_u8(&guest, MIB(1) + 1), 0xa5);
	assert_int_equal(fake_guest_u8(&guest, MIB(1) + GUEST_FILL_STEP), 0xa5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_same_in_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_does_not_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_anew_when_half_done, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
