/* ELF images: System V ABI, 'ELF Header' and 'Program Header', and docs/guests.md. 'Kernel files
 * are untrusted: truncated, foreign, lying headers each get a message naming the defect.' */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "lib/errno.h"
#include "loader/elf.h"

/* Two segments: code at 2 MiB with bss behind it, data at 0x20000. */
struct file {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[3];
	uint8_t code[0x100], data[0x80];
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
		.e_version = EV_CURRENT,
		.e_entry = 0x200010,
		.e_phoff = offsetof(struct file, phdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};
	file.phdr[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				    .p_offset = offsetof(struct file, code),
				    .p_vaddr = 0xffffffff80200000,
				    .p_paddr = 0x200000,
				    .p_filesz = sizeof(file.code),
				    .p_memsz = 0x3000};
	file.phdr[1] = (Elf64_Phdr){.p_type = PT_LOAD,
				    .p_offset = offsetof(struct file, data),
				    .p_vaddr = 0x20000,
				    .p_paddr = 0x20000,
				    .p_filesz = sizeof(file.data),
				    .p_memsz = sizeof(file.data)};
	/* Not loadable: its numbers do not count. */
	file.phdr[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_paddr = 0x200000, .p_memsz = 0x1000};
	memset(file.code, 0xc0, sizeof(file.code));
	memset(file.data, 0xda, sizeof(file.data));
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

static void assert_refused(uint64_t size, const char *part)
{
	assert_true(fake_guest_load(&guest, &file, size) < 0);
	if (strncmp(guest.error, "vm 'test': ", 11) || !strstr(guest.error, part))
		fail_msg("'%s' does not contain '%s'", guest.error, part);
	assert_true(strlen(guest.error) < CONFIG_ERROR_MAX - 1);
}

static void test_loads(void **state)
{
	const struct guest_entry *e = &guest.entry;

	(void)state;
	guest.config.append = "hi";
	assert_int_equal(fake_guest_load(&guest, &file, sizeof(file)), 0);
	assert_string_equal(guest.error, "");
	assert_string_equal(e->format, "ELF64");
	assert_int_equal(e->mode, 64);
	assert_int_equal(e->rip, 0x200010);
	assert_int_equal(e->rsp, 0x80000);
	assert_int_equal(e->rsi, MIB(4));
	assert_int_equal(e->rbx, 0);
	assert_int_equal(fake_guest_u32(&guest, e->rdi), 'h' | 'i' << 8 | 0xa5u << 24);
	assert_int_equal(fake_guest_u8(&guest, 0x2000ff), 0xc0);
	assert_int_equal(fake_guest_u8(&guest, 0x20000 + 0x7f), 0xda);
	/* p_memsz beyond p_filesz is zero; what lies behind the segments is untouched. */
	for (uint64_t gpa = 0x200100; gpa < 0x203000; gpa++)
		assert_int_equal(fake_guest_u8(&guest, gpa), 0);
	assert_int_equal(fake_guest_u8(&guest, 0x203000), 0xa5);
	assert_int_equal(fake_guest_u8(&guest, 0x20080), 0xa5);
}

static void test_truncated(void **state)
{
	(void)state;
	assert_refused(20, "cut off inside its header");
	assert_refused(sizeof(Elf64_Ehdr), "program headers, 3 at 0x40, lie outside the file");
	assert_refused(sizeof(file) - 1,
		       "segment 1, 0x80 bytes at offset 0x1e8, lies outside the file");
	/* Every shorter file is refused, with a message. */
	for (uint64_t size = 0; size < sizeof(file); size++)
		assert_refused(size, "");
}

static void test_foreign(void **state)
{
	(void)state;
	file.ehdr.e_machine = EM_AARCH64;
	assert_refused(sizeof(file), "for another CPU (e_machine 183)");
	file.ehdr.e_machine = EM_X86_64;
	file.ehdr.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_refused(sizeof(file), "for another CPU");
	file.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	file.ehdr.e_type = ET_DYN;
	assert_refused(sizeof(file), "-no-pie");
	file.ehdr.e_type = ET_REL;
	assert_refused(sizeof(file), "e_type 1) is no executable");
	guest.config.format = FORMAT_ELF64;
	file.ehdr.e_ident[0] = 0;
	assert_refused(sizeof(file), "not an ELF file");
}

/* A 32-bit file without the PVH note starts in 32-bit mode, with the registers of ELF64. */
static void test_32_bit(void **state)
{
	struct {
		Elf32_Ehdr ehdr;
		Elf32_Phdr phdr;
		uint8_t code[16];
	} small = {
		.ehdr = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
				     EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = EM_386,
			 .e_entry = 0x180004,
			 .e_phoff = sizeof(Elf32_Ehdr),
			 .e_phentsize = sizeof(Elf32_Phdr),
			 .e_phnum = 1},
		.phdr = {.p_type = PT_LOAD,
			 .p_offset = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr),
			 .p_paddr = 0x180000,
			 .p_filesz = 16,
			 .p_memsz = 32},
		.code = {1, 2, 3, 4, 0xf4},
	};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		guest.config.format = i ? FORMAT_ELF32 : FORMAT_AUTO;
		assert_int_equal(fake_guest_load(&guest, &small, sizeof(small)), 0);
		assert_string_equal(guest.entry.format, "ELF32");
		assert_int_equal(guest.entry.mode, 32);
		assert_int_equal(guest.entry.rip, 0x180004);
		assert_int_equal(guest.entry.cr3, 0);
		assert_int_equal(guest.entry.rsp, 0x80000);
		assert_int_equal(guest.entry.rsi, MIB(4));
		assert_int_equal(fake_guest_u64(&guest, guest.entry.gdt_base + guest.entry.cs),
				 0x00cf9b000000ffff);
		assert_int_equal(fake_guest_u8(&guest, 0x180004), 0xf4);
		assert_int_equal(fake_guest_u8(&guest, 0x18001f), 0);
	}
	assert_refused(sizeof(file), "an ELF file of 64 bits, format= says 32");
	guest.config.format = FORMAT_ELF64;
	memcpy(&file, &small, sizeof(small));
	assert_refused(sizeof(file), "an ELF file of 32 bits, format= says 64");
}

static void test_lying_headers(void **state)
{
	(void)state;
	file.ehdr.e_phnum = 0;
	assert_refused(sizeof(file), "no program headers");
	file.ehdr.e_phnum = 3;
	file.ehdr.e_phentsize = 8;
	assert_refused(sizeof(file), "no program headers of the right size");
	file.ehdr.e_phentsize = sizeof(Elf64_Phdr);
	file.ehdr.e_phoff = UINT64_MAX - 8;
	assert_refused(sizeof(file), "lie outside the file");
	reset_file();
	file.phdr[0].p_filesz = 0x4000;
	assert_refused(sizeof(file), "more bytes in the file (0x4000) than in memory (0x3000)");
	file.phdr[0].p_filesz = 0x3000;
	assert_refused(sizeof(file), "outside the file");
	file.phdr[0].p_filesz = 0x100;
	file.phdr[0].p_offset = UINT64_MAX;
	assert_refused(sizeof(file), "outside the file");
	reset_file();
	file.phdr[0].p_type = file.phdr[1].p_type = PT_NULL;
	assert_refused(sizeof(file), "has nothing to load");
}

static void test_bad_places(void **state)
{
	(void)state;
	file.phdr[1].p_paddr = 0x202fff;
	assert_refused(sizeof(file), "overlaps an ELF segment at 0x200000-0x202fff");
	file.phdr[1].p_paddr = 0x4000;
	assert_refused(sizeof(file), "overlaps the loader's page tables at 0x2000-0x7fff");
	file.phdr[1].p_paddr = 0xf0000;
	assert_refused(sizeof(file), "outside the VM's RAM (0-0x9ffff, 0x100000-0x3fffff)");
	file.phdr[1].p_paddr = MIB(4);
	assert_refused(sizeof(file), "more mem=");
	file.phdr[1].p_paddr = UINT64_MAX;
	assert_refused(sizeof(file), "outside the VM's RAM");
	file.phdr[1].p_paddr = 0x20000;
	file.phdr[0].p_memsz = UINT64_MAX - 0x1000;
	assert_refused(sizeof(file), "outside the VM's RAM");
}

static void test_entry_outside(void **state)
{
	(void)state;
	file.ehdr.e_entry = 0xffffffff80200010;
	assert_refused(sizeof(file), "entry point 0xffffffff80200010 lies outside");
	/* In the part that does not come from the file. */
	file.ehdr.e_entry = 0x200100;
	assert_refused(sizeof(file), "entry point 0x200100");
	file.ehdr.e_entry = 0x2000ff;
	assert_int_equal(fake_guest_load(&guest, &file, sizeof(file)), 0);
}

static void test_initrd_and_modules_are_refused(void **state)
{
	(void)state;
	guest.initrd = (struct boot_module){"", file.data, 4};
	guest.config.initrd = &guest.initrd;
	assert_refused(sizeof(file), "an ELF64 image cannot be given an initrd");
	guest.config.initrd = NULL;
	guest.config.module[0] = (struct vm_module){&guest.initrd, ""};
	guest.config.module_count = 1;
	assert_refused(sizeof(file), "an ELF64 image cannot be given modules");
}

static void test_too_many_segments(void **state)
{
	static struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr[40];
		uint8_t code[16];
	} many;

	(void)state;
	many.ehdr = file.ehdr;
	many.ehdr.e_phnum = 40;
	many.ehdr.e_phoff = offsetof(__typeof__(many), phdr);
	for (unsigned i = 0; i < 40; i++)
		many.phdr[i] =
			(Elf64_Phdr){.p_type = PT_LOAD, .p_paddr = 0x200000 + i, .p_memsz = 1};
	assert_true(fake_guest_load(&guest, &many, sizeof(many)) < 0);
	assert_non_null(strstr(guest.error, "more than 32 loadable segments"));
}

/* So many headers that looking through them takes long, and notes that are one over another. */
static void test_too_many_headers(void **state)
{
	const uint32_t size = sizeof(Elf64_Ehdr) + ELF_SEGMENTS_MAX * sizeof(Elf64_Phdr) + KIB(4);
	uint8_t *many = calloc(1, size);
	Elf64_Phdr *ph = (Elf64_Phdr *)(many + sizeof(Elf64_Ehdr));
	Elf64_Ehdr *ehdr = (Elf64_Ehdr *)many;

	(void)state;
	*ehdr = file.ehdr;
	ehdr->e_phoff = sizeof(*ehdr);
	ehdr->e_phnum = ELF_SEGMENTS_MAX;
	ehdr->e_entry = 0x200000;
	ph[0] = (Elf64_Phdr){.p_type = PT_LOAD,
			     .p_offset = size - 16,
			     .p_paddr = 0x200000,
			     .p_filesz = 16,
			     .p_memsz = 16};
	for (unsigned i = 1; i <= ELF_NOTES_MAX / KIB(4); i++)
		ph[i] = (Elf64_Phdr){
			.p_type = PT_NOTE, .p_offset = size - KIB(4), .p_filesz = KIB(4)};
	assert_int_equal(fake_guest_load(&guest, many, size), 0);
	ph[ELF_SEGMENTS_MAX - 1] =
		(Elf64_Phdr){.p_type = PT_NOTE, .p_offset = size - 1, .p_filesz = 1};
	assert_int_equal(fake_guest_load(&guest, many, size), -ENOEXEC);
	assert_non_null(strstr(guest.error, "ELF notes have more than 65536 bytes in all"));
	ehdr->e_phnum = ELF_SEGMENTS_MAX + 1;
	assert_int_equal(fake_guest_load(&guest, many, size), -ENOEXEC);
	assert_non_null(strstr(guest.error, "has 257 program headers; at most 256"));
	free(many);
}

/* A few thousand files that are wrong somewhere: a message or a load, and nothing outside. */
static void test_mutations(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15;
	unsigned refused = 0, loaded = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct file bad = file;
		uint64_t size =
			fake_random(&seed) % 8 ? sizeof(bad) : fake_random(&seed) % sizeof(bad);

		fake_mutate(&seed, (uint8_t *)&bad, sizeof(bad), offsetof(struct file, code));
		if (fake_guest_load(&guest, &bad, size)) {
			assert_int_equal(strncmp(guest.error, "vm 'test': ", 11), 0);
			refused++;
			continue;
		}
		assert_string_equal(guest.error, "");
		assert_in_range(guest.entry.rip, 0, MIB(4) - 1);
		loaded++;
	}
	assert_true(refused > 300 && loaded > 300);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_loads),
		TEST(test_truncated),
		TEST(test_foreign),
		TEST(test_32_bit),
		TEST(test_lying_headers),
		TEST(test_bad_places),
		TEST(test_entry_outside),
		TEST(test_initrd_and_modules_are_refused),
		TEST(test_too_many_segments),
		TEST(test_too_many_headers),
		TEST(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
