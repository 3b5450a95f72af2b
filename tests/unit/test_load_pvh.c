/* PVH: Xen's 'x86/HVM direct boot ABI': the ELF note, the 32-bit entry with paging off and EBX at
 * struct hvm_start_info, version 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "lib/errno.h"

struct note {
	Elf32_Nhdr header;
	char name[4];
	uint32_t desc[2];
};

/* A note of another owner, one of another type, and the one; code at 1 MiB. */
struct file {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[2];
	struct note note[3];
	uint8_t code[0x100];
};

struct file32 {
	Elf32_Ehdr ehdr;
	Elf32_Phdr phdr[2];
	struct note note;
	uint8_t code[0x100];
};

static struct fake_guest guest;
static struct file file;

static void reset_file(void)
{
	memset(&file, 0, sizeof(file));
	file.ehdr = (Elf64_Ehdr){
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = 0xffffffff81000000,
		.e_phoff = offsetof(struct file, phdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	file.phdr[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				    .p_offset = offsetof(struct file, code),
				    .p_vaddr = 0xffffffff80100000,
				    .p_paddr = 0x100000,
				    .p_filesz = sizeof(file.code),
				    .p_memsz = 0x1000};
	file.phdr[1] = (Elf64_Phdr){.p_type = PT_NOTE,
				    .p_offset = offsetof(struct file, note),
				    .p_filesz = sizeof(file.note),
				    .p_memsz = sizeof(file.note),
				    .p_align = 4};
	file.note[0] = (struct note){{4, 8, 18}, "GNU", {0x666, 0}};
	file.note[1] = (struct note){{4, 8, 1}, "Xen", {0x777, 0}};
	file.note[2] = (struct note){{4, 8, 18}, "Xen", {0x100040, 0}};
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

static void assert_loads(const void *data, uint64_t size)
{
	if (fake_guest_load(&guest, data, size))
		fail_msg("%s", guest.error);
	assert_string_equal(guest.error, "");
	assert_string_equal(guest.entry.format, "PVH");
}

static void assert_refused(uint64_t size, const char *part)
{
	assert_true(fake_guest_load(&guest, &file, size) < 0);
	if (strncmp(guest.error, "vm 'test': ", 11) || !strstr(guest.error, part))
		fail_msg("'%s' does not contain '%s'", guest.error, part);
	assert_true(strlen(guest.error) < CONFIG_ERROR_MAX - 1);
}

/* 'ebx: contains the physical memory address where the loader has placed the boot start info
 * structure'; cs and ds flat 32-bit segments; paging off. */
static void test_entry_state(void **state)
{
	const struct guest_entry *e = &guest.entry;

	(void)state;
	assert_loads(&file, sizeof(file));
	assert_int_equal(e->mode, 32);
	assert_int_equal(e->rip, 0x100040);
	assert_int_equal(e->cr3, 0);
	assert_int_equal(fake_guest_u32(&guest, e->rbx), 0x336ec578);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base + e->cs), 0x00cf9b000000ffff);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base + e->ds), 0x00cf93000000ffff);
}

static void test_start_info(void **state)
{
	uint64_t info, memmap;
	char text[8] = {0};

	(void)state;
	guest.config.append = "quiet";
	assert_loads(&file, sizeof(file));
	info = guest.entry.rbx;
	assert_int_equal(fake_guest_u32(&guest, info + 4), 1);  /* version */
	assert_int_equal(fake_guest_u32(&guest, info + 8), 0);  /* flags */
	assert_int_equal(fake_guest_u32(&guest, info + 12), 0); /* nr_modules */
	assert_int_equal(fake_guest_u64(&guest, info + 16), 0); /* modlist_paddr */
	assert_int_equal(gmem_read(&guest.gmem, GPA(fake_guest_u64(&guest, info + 24)), text, 6),
			 0);
	assert_string_equal(text, "quiet");
	assert_int_equal(fake_guest_u64(&guest, info + 32), 0xe0000); /* rsdp_paddr */
	assert_int_equal(fake_guest_u64(&guest, 0xe0000), 0x2052545020445352);
	memmap = fake_guest_u64(&guest, info + 40);
	assert_int_equal(fake_guest_u32(&guest, info + 48), 3); /* memmap_entries */
	assert_int_equal(fake_guest_u64(&guest, memmap), 0);
	assert_int_equal(fake_guest_u64(&guest, memmap + 8), 0xa0000);
	assert_int_equal(fake_guest_u32(&guest, memmap + 16), 1);
	assert_int_equal(fake_guest_u64(&guest, memmap + 24), 0xa0000);
	assert_int_equal(fake_guest_u32(&guest, memmap + 24 + 16), 2);
	assert_int_equal(fake_guest_u64(&guest, memmap + 48), 0x100000);
	assert_int_equal(fake_guest_u64(&guest, memmap + 56), MIB(3));
	assert_int_equal(fake_guest_u64(&guest, memmap + 64), 1);
}

/* The initrd is module 0; every module page-aligned, inside RAM, its string where cmdline_paddr
 * says. */
static void test_modules(void **state)
{
	static uint8_t initrd[5000], second[3];
	struct boot_module module = {"", second, sizeof(second)};
	uint64_t list, paddr;
	char text[8] = {0};

	(void)state;
	memset(initrd, 0x11, sizeof(initrd));
	memset(second, 0x22, sizeof(second));
	guest.initrd = (struct boot_module){"", initrd, sizeof(initrd)};
	guest.config.initrd = &guest.initrd;
	guest.config.module[0] = (struct vm_module){&module, "one"};
	guest.config.module[1] = (struct vm_module){&module, ""};
	guest.config.module[2] = (struct vm_module){&module, "three"};
	guest.config.module_count = 3;
	assert_loads(&file, sizeof(file));
	assert_int_equal(fake_guest_u32(&guest, guest.entry.rbx + 12), 4);
	list = fake_guest_u64(&guest, guest.entry.rbx + 16);
	paddr = fake_guest_u64(&guest, list);
	assert_int_equal(paddr, MIB(4) - 0x2000);
	assert_int_equal(fake_guest_u64(&guest, list + 8), 5000);
	assert_int_equal(fake_guest_u64(&guest, list + 16), 0);
	assert_int_equal(fake_guest_u8(&guest, paddr), 0x11);
	assert_int_equal(fake_guest_u8(&guest, paddr + 4999), 0x11);
	for (unsigned i = 1; i < 4; i++) {
		paddr = fake_guest_u64(&guest, list + i * 32);
		assert_int_equal(paddr, MIB(4) - 0x2000 - i * 0x1000);
		assert_int_equal(fake_guest_u64(&guest, list + i * 32 + 8), 3);
		assert_int_equal(fake_guest_u8(&guest, paddr + 2), 0x22);
	}
	assert_int_equal(fake_guest_u64(&guest, list + 64 + 16), 0);
	paddr = fake_guest_u64(&guest, list + 96 + 16);
	assert_int_equal(gmem_read(&guest.gmem, GPA(paddr), text, 6), 0);
	assert_string_equal(text, "three");
}

static void test_bad_modules(void **state)
{
	static uint8_t big[MIB(3)];
	static char text[6000];
	struct boot_module module = {"", big, 16};

	(void)state;
	guest.initrd = (struct boot_module){"", big, 0};
	guest.config.initrd = &guest.initrd;
	assert_refused(sizeof(file), "the initrd's file is empty");
	guest.initrd.size = sizeof(big);
	assert_refused(sizeof(file), "no place in RAM for the initrd of 3072 KiB; give more mem=");
	guest.initrd.size = sizeof(big) - 0x1000;
	assert_loads(&file, sizeof(file));
	guest.config.initrd = NULL;
	memset(text, 'x', sizeof(text) - 1);
	for (unsigned i = 0; i < 3; i++)
		guest.config.module[i] = (struct vm_module){&module, text};
	guest.config.module_count = 3;
	assert_refused(sizeof(file), "the modules' strings have more than 16384 bytes");
	guest.config.module_count = 2;
	assert_loads(&file, sizeof(file));
	module.size = 0;
	assert_refused(sizeof(file), "a module's file is empty");
}

/* PVH kernels are 32-bit ELF files as well; the descriptor has 4 or 8 bytes. */
static void test_32_bit_file(void **state)
{
	struct file32 small = {
		.ehdr = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
				     EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = EM_386,
			 .e_phoff = offsetof(struct file32, phdr),
			 .e_phentsize = sizeof(Elf32_Phdr),
			 .e_phnum = 2},
		.phdr = {{.p_type = PT_NOTE,
			  .p_offset = offsetof(struct file32, note),
			  .p_filesz = sizeof(struct note) - 4,
			  .p_align = 4},
			 {.p_type = PT_LOAD,
			  .p_offset = offsetof(struct file32, code),
			  .p_paddr = 0x200000,
			  .p_filesz = 0x100,
			  .p_memsz = 0x200}},
		.note = {{4, 4, 18}, "Xen", {0x200000, 0}},
		.code = {0xf4},
	};

	(void)state;
	assert_loads(&small, sizeof(small));
	assert_int_equal(guest.entry.rip, 0x200000);
	assert_int_equal(fake_guest_u8(&guest, 0x200000), 0xf4);
	assert_int_equal(fake_guest_u8(&guest, 0x2001ff), 0);
}

static void test_bad_notes(void **state)
{
	(void)state;
	file.note[2].header.n_descsz = 2;
	assert_refused(sizeof(file), "PVH note has 2 bytes, not 4 or 8");
	reset_file();
	file.note[2].desc[0] = 0x300000;
	assert_refused(sizeof(file), "entry point 0x300000 lies outside");
	reset_file();
	file.note[2].desc[1] = 1;
	assert_refused(sizeof(file), "entry point 0x100100040 lies outside");
	reset_file();
	/* A length that runs out of the segment ends the search. */
	file.note[1].header.n_descsz = 0xffffffff;
	guest.config.format = FORMAT_PVH;
	assert_refused(sizeof(file), "no PVH note");
	file.note[1].header.n_descsz = 8;
	file.note[1].header.n_namesz = 0xffffffff;
	assert_refused(sizeof(file), "no PVH note");
	reset_file();
	file.phdr[1].p_filesz = UINT64_MAX;
	assert_refused(sizeof(file), "segment 1, 0xffffffffffffffff bytes at offset");
	reset_file();
	file.ehdr.e_ident[0] = 0;
	assert_refused(sizeof(file), "not an ELF file");
	assert_refused(0, "empty");
}

static void test_truncated(void **state)
{
	(void)state;
	for (uint64_t size = 0; size < sizeof(file); size++)
		assert_refused(size, "");
}

static void test_places_of_the_loader(void **state)
{
	(void)state;
	file.phdr[0].p_memsz = file.phdr[0].p_filesz;
	file.phdr[0].p_paddr = 0x8f00;
	file.note[2].desc[0] = 0x8f00;
	assert_refused(sizeof(file), "overlaps the loader's PVH start info");
	file.phdr[0].p_paddr = 0xd000;
	assert_refused(sizeof(file), "overlaps the loader's module strings");
	/* What other formats have there is free: no page tables, no stack. */
	file.phdr[0].p_paddr = 0x3000;
	file.note[2].desc[0] = 0x3000;
	assert_loads(&file, sizeof(file));
}

static void test_mutations(void **state)
{
	static const uint8_t initrd[100];
	uint64_t seed = 0x2545f4914f6cdd1d;
	unsigned refused = 0, loaded = 0;

	(void)state;
	guest.initrd = (struct boot_module){"", initrd, sizeof(initrd)};
	guest.config.initrd = &guest.initrd;
	guest.config.format = FORMAT_PVH;
	for (unsigned i = 0; i < 5000; i++) {
		struct file bad = file;
		uint64_t size =
			fake_random(&seed) % 8 ? sizeof(bad) : fake_random(&seed) % sizeof(bad);

		fake_mutate(&seed, (uint8_t *)&bad, sizeof(bad), offsetof(struct file, code));
		if (fake_guest_load(&guest, &bad, size)) {
			assert_int_equal(strncmp(guest.error, "vm 'test': ", 11), 0);
			refused++;
			continue;
		}
		assert_in_range(guest.entry.rip, 0, MIB(4) - 1);
		loaded++;
	}
	assert_true(refused > 500 && loaded > 500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_entry_state), TEST(test_start_info),           TEST(test_modules),
		TEST(test_bad_modules), TEST(test_32_bit_file),          TEST(test_bad_notes),
		TEST(test_truncated),   TEST(test_places_of_the_loader), TEST(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
