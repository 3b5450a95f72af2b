/* The hypervisor's ELF file as carousel.efi reads it: a small good one, and each defect. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/image.h"
#include "boot/mb2.h"

#define CODE_OFFSET 0x1000u
#define FILE_SIZE   0x1400u

struct elf_file {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[3];
	uint32_t mb2[4];
};

static struct elf_file good(void)
{
	struct elf_file f = {
		.ehdr = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				     1},
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_entry = 0x200010,
			 .e_phoff = offsetof(struct elf_file, phdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 3},
		.phdr = {{.p_type = PT_LOAD,
			  .p_offset = CODE_OFFSET,
			  .p_paddr = 0x200000,
			  .p_filesz = 0x300,
			  .p_memsz = 0x300},
			 {.p_type = PT_GNU_STACK, .p_offset = UINT64_MAX},
			 {.p_type = PT_LOAD,
			  .p_offset = CODE_OFFSET + 0x300,
			  .p_paddr = 0x201000,
			  .p_filesz = 0x100,
			  .p_memsz = 0x5000}},
		.mb2 = {MB2_HEADER_MAGIC, MB2_HEADER_ARCH_I386, 16,
			-(MB2_HEADER_MAGIC + MB2_HEADER_ARCH_I386 + 16)},
	};

	_Static_assert(offsetof(struct elf_file, mb2) % MB2_HEADER_ALIGN == 0, "as it must be");
	return f;
}

static struct efi_image image;

static const char *read_file(const struct elf_file *f, size_t size)
{
	uint8_t *file = calloc(1, size);
	const char *wrong;

	memcpy(file, f, MIN(size, sizeof(*f)));
	wrong = efi_image_read(&image, file, size);
	free(file);
	return wrong;
}

static void test_good(void **state)
{
	struct elf_file f = good();

	(void)state;
	assert_null(read_file(&f, FILE_SIZE));
	assert_int_equal(image.entry, 0x200010);
	assert_int_equal(image.start, 0x200000);
	assert_int_equal(image.end, 0x206000);
	assert_int_equal(image.segment_count, 2);
	assert_int_equal(image.segment[1].offset, CODE_OFFSET + 0x300);
	assert_int_equal(image.segment[1].to, 0x201000);
	assert_int_equal(image.segment[1].file_size, 0x100);
	assert_int_equal(image.segment[1].zero_size, 0x4f00);
}

/* As many segments as there is room for, and one more. */
static void test_many_segments(void **state)
{
	(void)state;
	for (unsigned n = EFI_IMAGE_SEGMENTS_MAX; n <= EFI_IMAGE_SEGMENTS_MAX + 1; n++) {
		uint8_t *file = calloc(1, FILE_SIZE);
		struct elf_file f = good();
		const char *wrong;

		f.ehdr.e_phoff = 0x800;
		f.ehdr.e_phnum = (uint16_t)n;
		memcpy(file, &f, sizeof(f));
		for (unsigned i = 0; i < n; i++) {
			Elf64_Phdr phdr = f.phdr[0];

			phdr.p_paddr += i * 0x1000;
			memcpy(file + 0x800 + i * sizeof(phdr), &phdr, sizeof(phdr));
		}
		wrong = efi_image_read(&image, file, FILE_SIZE);
		free(file);
		if (n == EFI_IMAGE_SEGMENTS_MAX)
			assert_null(wrong);
		else
			assert_string_equal(wrong, "has too many segments");
		assert_int_equal(image.segment_count, EFI_IMAGE_SEGMENTS_MAX);
	}
}

#define EXPECT(message, change)                                                                    \
	do {                                                                                       \
		struct elf_file f = good();                                                        \
		change;                                                                            \
		assert_string_equal(read_file(&f, FILE_SIZE), message);                            \
	} while (0)

static void test_foreign_files(void **state)
{
	static const char no_elf[] = "is no 64-bit ELF file", no_mb2[] = "has no Multiboot2 header";

	(void)state;
	EXPECT(no_elf, f.ehdr.e_ident[0] = 'x');
	EXPECT(no_elf, f.ehdr.e_ident[EI_CLASS] = ELFCLASS32);
	EXPECT(no_elf, f.ehdr.e_machine = EM_AARCH64);
	EXPECT(no_elf, f.ehdr.e_type = ET_DYN);
	EXPECT(no_elf, f.ehdr.e_phentsize = 32);
	EXPECT(no_elf, f.ehdr.e_phoff = UINT64_MAX);
	EXPECT(no_elf, f.ehdr.e_phnum = 1000);
	EXPECT(no_mb2, f.mb2[0]++);
	EXPECT(no_mb2, f.mb2[3]++);
	EXPECT(no_mb2, (f.mb2[1] = 4, f.mb2[3] -= 4)); /* MIPS */
}

static void test_bad_segments(void **state)
{
	static const char unloadable[] = "has a segment that cannot be loaded";

	(void)state;
	EXPECT("is cut off", f.phdr[2].p_filesz = 0x101);
	EXPECT("is cut off", f.phdr[2].p_offset = UINT64_MAX);
	EXPECT(unloadable, f.phdr[2].p_memsz = 0xff);
	EXPECT(unloadable, f.phdr[2].p_paddr = 0x1000);
	EXPECT(unloadable, f.phdr[2].p_paddr = GIB(4) - 0x1000);
	EXPECT(unloadable, f.phdr[2].p_paddr = UINT64_MAX);
	EXPECT(unloadable, f.phdr[2].p_memsz = UINT64_MAX);
	EXPECT("has segments on each other", f.phdr[2].p_paddr = 0x2002ff);
	EXPECT("begins outside its segments", f.ehdr.e_entry = 0x200300);
	EXPECT("begins outside its segments", f.ehdr.e_phnum = 0);
}

/* Cut off at any byte: refused, without a read behind the end. */
static void test_cut_off(void **state)
{
	struct elf_file f = good();

	(void)state;
	for (size_t size = 1; size < FILE_SIZE; size++)
		assert_non_null(read_file(&f, size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),          cmocka_unit_test(test_many_segments),
		cmocka_unit_test(test_foreign_files), cmocka_unit_test(test_bad_segments),
		cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests_name("efi_image", tests, NULL, NULL);
}
