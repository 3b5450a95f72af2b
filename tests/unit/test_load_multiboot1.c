/* 'Multiboot Specification version 0.6.96': the header with its a.out kludge, ELF kernels, the
 * machine state, and the information structure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "lib/errno.h"

#define MAGIC 0x1badb002u

enum { FLAGS, CHECKSUM, HEADER_ADDR, LOAD_ADDR, LOAD_END, BSS_END, ENTRY, MODE_TYPE, FIELDS = 11 };

/* The header of 12 words, then code: loaded at 1 MiB by addresses. */
struct flat_file {
	uint8_t before[0x20];
	uint32_t magic, field[FIELDS];
	uint8_t code[0x100];
};

/* An ELF file of 32 bits: linked at 0xc0100000, loaded at 1 MiB, with symbols. */
struct elf_file32 {
	Elf32_Ehdr ehdr;
	Elf32_Phdr phdr[1];
	uint32_t header[3];
	uint8_t code[0x100], symbols[0x30], names[0x11];
	Elf32_Shdr shdr[5];
};

static struct fake_guest guest;
static struct flat_file flat;
static struct elf_file32 elf;

static void sign(uint32_t *header)
{
	header[2] = -(header[0] + header[1]);
}

static void reset_files(void)
{
	memset(&flat, 0x11, sizeof(flat));
	flat.magic = MAGIC;
	flat.field[FLAGS] = 0x10003;
	flat.field[HEADER_ADDR] = 0x100010;
	flat.field[LOAD_ADDR] = 0x100000;
	flat.field[LOAD_END] = 0x100080;
	flat.field[BSS_END] = 0x103000;
	flat.field[ENTRY] = 0x100040;
	sign(&flat.magic);
	memset(&elf, 0, sizeof(elf));
	elf.ehdr = (Elf32_Ehdr){
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_entry = 0xc0100010,
		.e_phoff = offsetof(struct elf_file32, phdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 1,
		.e_shoff = offsetof(struct elf_file32, shdr),
		.e_shentsize = sizeof(Elf32_Shdr),
		.e_shnum = 5,
		.e_shstrndx = 3,
	};
	elf.phdr[0] = (Elf32_Phdr){.p_type = PT_LOAD,
				   .p_offset = offsetof(struct elf_file32, header),
				   .p_vaddr = 0xc0100000,
				   .p_paddr = 0x100000,
				   .p_filesz = sizeof(elf.header) + sizeof(elf.code),
				   .p_memsz = 0x1800};
	elf.header[0] = MAGIC;
	elf.header[1] = 3;
	sign(elf.header);
	memset(elf.code, 0xc0, sizeof(elf.code));
	memset(elf.symbols, 0x51, sizeof(elf.symbols));
	memset(elf.names, 0x52, sizeof(elf.names));
	elf.shdr[1] = (Elf32_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_addr = 0xc0100000,
				   .sh_offset = offsetof(struct elf_file32, code),
				   .sh_size = sizeof(elf.code)};
	elf.shdr[2] = (Elf32_Shdr){.sh_type = SHT_SYMTAB,
				   .sh_offset = offsetof(struct elf_file32, symbols),
				   .sh_size = sizeof(elf.symbols),
				   .sh_addralign = 4};
	elf.shdr[3] = (Elf32_Shdr){.sh_type = SHT_STRTAB,
				   .sh_offset = offsetof(struct elf_file32, names),
				   .sh_size = sizeof(elf.names),
				   .sh_addralign = 32};
	/* Without bytes in the file: its offset means nothing. */
	elf.shdr[4] = (Elf32_Shdr){.sh_type = SHT_NOBITS, .sh_offset = 0x99999, .sh_size = 64};
}

static int setup(void **state)
{
	(void)state;
	fake_guest_init(&guest, MIB(4));
	reset_files();
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
	assert_string_equal(guest.entry.format, "Multiboot1");
}

static void assert_refused(const void *data, uint64_t size, const char *part)
{
	assert_true(fake_guest_load(&guest, data, size) < 0);
	if (strncmp(guest.error, "vm 'test': ", 11) || !strstr(guest.error, part))
		fail_msg("'%s' does not contain '%s'", guest.error, part);
	assert_true(strlen(guest.error) < CONFIG_ERROR_MAX - 1);
}

static void assert_flat_refused(const char *part)
{
	sign(&flat.magic);
	assert_refused(&flat, sizeof(flat), part);
	reset_files();
}

static uint32_t info(uint32_t offset)
{
	return fake_guest_u32(&guest, guest.entry.rbx + offset);
}

static void assert_text(uint32_t gpa, const char *want)
{
	char text[64] = {0};

	assert_int_equal(gmem_read(&guest.gmem, GPA(gpa), text, strlen(want) + 1), 0);
	assert_string_equal(text, want);
}

/* 'Machine state': EAX 0x2BADB002, EBX the information; CS and the data segments 32-bit, offset 0,
 * limit 0xffffffff; paging off. */
static void test_machine_state(void **state)
{
	const struct guest_entry *e = &guest.entry;

	(void)state;
	assert_loads(&elf, sizeof(elf));
	assert_int_equal(e->mode, 32);
	assert_int_equal(e->cr3, 0);
	assert_int_equal(e->rax, 0x2badb002);
	assert_int_equal(e->rip, 0x100010);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base + e->cs), 0x00cf9b000000ffff);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base + e->ds), 0x00cf93000000ffff);
	assert_int_equal(e->rbx % 4, 0);
	assert_in_range(e->rbx, 0x2000, 0x9f000);
}

/* 'load_addr ... the offset in the OS image file at which to start loading is defined by the offset
 * at which the header was found, minus (header_addr - load_addr)'; 'bss_end_addr: the boot loader
 * initializes this area to zero'. */
static void test_aout_kludge(void **state)
{
	(void)state;
	assert_loads(&flat, sizeof(flat));
	assert_int_equal(guest.entry.rip, 0x100040);
	assert_int_equal(fake_guest_u32(&guest, 0x100010), MAGIC);
	assert_int_equal(fake_guest_u8(&guest, 0x10007f), 0x11);
	assert_int_equal(fake_guest_u8(&guest, 0x100080), 0);
	assert_int_equal(fake_guest_u8(&guest, 0x102fff), 0);
	assert_int_equal(fake_guest_u8(&guest, 0x103000), 0xa5);
	/* 'If this field is zero, ... the whole OS image file', '... no bss segment'. */
	flat.field[LOAD_END] = flat.field[BSS_END] = 0;
	assert_loads(&flat, sizeof(flat));
	assert_int_equal(fake_guest_u8(&guest, 0x100000 + sizeof(flat) - 0x10 - 1), 0x11);
	/* 'must be used instead of the fields in the actual executable header': no sections then.
	 */
	assert_int_equal(info(0) & 0x20, 0);
}

static void test_bad_addresses(void **state)
{
	(void)state;
	flat.field[LOAD_ADDR] = 0x100011;
	assert_flat_refused("load_addr 0x100011 lies above header_addr");
	flat.field[LOAD_ADDR] = 0xfffe0;
	assert_flat_refused("load_addr 0xfffe0 lies before the file");
	flat.field[LOAD_END] = 0xfffff;
	assert_flat_refused("load_end_addr 0xfffff is below load_addr");
	flat.field[LOAD_END] = 0x101000;
	assert_flat_refused("load_end_addr 0x101000 reaches past the end of the file");
	flat.field[BSS_END] = 0x10007f;
	assert_flat_refused("bss_end_addr 0x10007f is below the end");
	flat.field[BSS_END] = 0x400001;
	assert_flat_refused("the kernel, 0x300001 bytes at 0x100000, lies outside the VM's RAM");
	flat.field[ENTRY] = 0x100080;
	assert_flat_refused("entry_addr 0x100080 lies outside");
	flat.field[ENTRY] = 0xfffff;
	assert_flat_refused("entry_addr 0xfffff lies outside");
	flat.field[HEADER_ADDR] = 0x1010;
	flat.field[LOAD_ADDR] = flat.field[ENTRY] = 0x1000;
	flat.field[LOAD_END] = 0x1080;
	flat.field[BSS_END] = 0;
	assert_flat_refused("overlaps the loader's GDT");
}

/* 'Bits 0-15 indicate requirements; if the boot loader sees any of these bits set but doesn't
 * understand the flag it must notify the user and fail.' */
static void test_requirements(void **state)
{
	(void)state;
	flat.field[FLAGS] = 0x10000 | 0x8008;
	assert_flat_refused("requires features that nobody knows (flags 0x8008)");
	/* Bits 16 to 31 are optional. */
	flat.field[FLAGS] = 0xffff0003;
	sign(&flat.magic);
	assert_loads(&flat, sizeof(flat));
	/* A video mode: the kernel starts and finds no video fields, as with GRUB without video. */
	flat.field[FLAGS] = 0x10007;
	flat.field[MODE_TYPE] = 1;
	sign(&flat.magic);
	assert_loads(&flat, sizeof(flat));
	assert_int_equal(info(0) >> 11, 0);
	for (uint32_t at = 72; at < 116; at += 4)
		assert_int_equal(info(at), 0);
	flat.field[MODE_TYPE] = 2;
	flat.field[FLAGS] = 0x10007;
	assert_flat_refused("unknown mode_type 2");
	flat.field[FLAGS] = 3;
	assert_flat_refused("has a Multiboot header, but neither");
}

static void test_truncated(void **state)
{
	(void)state;
	for (uint64_t size = 0; size < offsetof(struct flat_file, code); size++)
		assert_refused(&flat, size, "");
	flat.field[FLAGS] = 0x10007;
	sign(&flat.magic);
	assert_refused(&flat, offsetof(struct flat_file, code) - 1, "ends inside its Multiboot1");
	for (uint64_t size = 0; size < sizeof(elf); size++)
		assert_refused(&elf, size, "");
}

/* 'Boot information format': flags, memory, command line, memory map, boot loader name. */
static void test_information(void **state)
{
	uint32_t map;

	(void)state;
	guest.shape.high_end = GIB(5);
	guest.config.append = "root=x  y \"z\"";
	assert_loads(&elf, sizeof(elf));
	assert_int_equal(info(0), 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 9);
	assert_int_equal(info(4), 640);
	assert_int_equal(info(8), 3 * 1024);
	assert_text(info(16), "root=x  y \"z\"");
	assert_int_equal(info(20), 0);
	assert_int_equal(info(44), 4 * 24);
	map = info(48);
	for (unsigned i = 0; i < 4; i++) {
		static const uint64_t row[4][3] = {{0, 0xa0000, 1},
						   {0xa0000, 0x60000, 2},
						   {0x100000, MIB(3), 1},
						   {GIB(4), GIB(1), 1}};

		assert_int_equal(fake_guest_u32(&guest, map + i * 24), 20);
		assert_int_equal(fake_guest_u64(&guest, map + i * 24 + 4), row[i][0]);
		assert_int_equal(fake_guest_u64(&guest, map + i * 24 + 12), row[i][1]);
		assert_int_equal(fake_guest_u32(&guest, map + i * 24 + 20), row[i][2]);
	}
	assert_text(info(64), "Carousel");
}

/* A command line may be as long as its module's. */
static void test_long_command_line(void **state)
{
	static char text[30000];
	uint32_t at;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	guest.config.append = text;
	assert_loads(&flat, sizeof(flat));
	at = info(16);
	assert_int_equal(fake_guest_u8(&guest, at + sizeof(text) - 2), 'x');
	assert_int_equal(fake_guest_u8(&guest, at + sizeof(text) - 1), 0);
}

/* Too large for low memory: behind the kernel. Too large for that: a message. */
static void test_information_of_all_sizes(void **state)
{
	static char text[MIB(3)];

	(void)state;
	memset(text, 'x', MIB(1));
	guest.config.append = text;
	assert_loads(&flat, sizeof(flat));
	assert_int_equal(guest.entry.rbx, 0x103000);
	memset(text, 'x', sizeof(text) - 1);
	assert_refused(&flat, sizeof(flat), "no place in RAM for the Multiboot information of");
}

/* 'mod_start and mod_end contain the start and end addresses of the boot module itself; string ...
 * a zero-terminated ASCII string'; page-aligned (header flag 0), behind the kernel. */
static void test_modules(void **state)
{
	static uint8_t initrd[5000], second[3];
	struct boot_module module = {"", second, sizeof(second)};
	uint32_t list;

	(void)state;
	memset(initrd, 0x11, sizeof(initrd));
	memset(second, 0x22, sizeof(second));
	guest.initrd = (struct boot_module){"", initrd, sizeof(initrd)};
	guest.config.initrd = &guest.initrd;
	guest.config.module[0] = (struct vm_module){&module, "one and  two"};
	guest.config.module[1] = (struct vm_module){&module, ""};
	guest.config.module_count = 2;
	assert_loads(&elf, sizeof(elf));
	assert_int_equal(info(20), 3);
	list = info(24);
	assert_int_equal(fake_guest_u32(&guest, list), 0x102000);
	assert_int_equal(fake_guest_u32(&guest, list + 4), 0x102000 + 5000);
	assert_text(fake_guest_u32(&guest, list + 8), "");
	assert_int_equal(fake_guest_u8(&guest, 0x102000 + 4999), 0x11);
	assert_int_equal(fake_guest_u32(&guest, list + 16), 0x104000);
	assert_int_equal(fake_guest_u32(&guest, list + 20), 0x104003);
	assert_text(fake_guest_u32(&guest, list + 24), "one and  two");
	assert_int_equal(fake_guest_u32(&guest, list + 32), 0x105000);
	assert_text(fake_guest_u32(&guest, list + 40), "");
	assert_int_equal(fake_guest_u8(&guest, 0x105002), 0x22);
}

/* As many as a VM may have, each with its own page and string. */
static void test_many_modules(void **state)
{
	static const uint8_t byte = 0x77;
	static char string[CONFIG_MODULES_MAX][8];
	struct boot_module module = {"", &byte, 1};

	(void)state;
	guest.initrd = module;
	guest.config.initrd = &guest.initrd;
	guest.config.module_count = CONFIG_MODULES_MAX;
	for (unsigned i = 0; i < CONFIG_MODULES_MAX; i++) {
		snprintf(string[i], sizeof(string[i]), "m%u", i);
		guest.config.module[i] = (struct vm_module){&module, string[i]};
	}
	assert_loads(&elf, sizeof(elf));
	assert_int_equal(info(20), CONFIG_MODULES_MAX + 1);
	for (unsigned i = 0; i < CONFIG_MODULES_MAX; i++) {
		uint32_t row = info(24) + (i + 1) * 16;

		assert_int_equal(fake_guest_u32(&guest, row), 0x103000 + i * 0x1000);
		assert_text(fake_guest_u32(&guest, row + 8), string[i]);
	}
}

static void test_modules_that_do_not_fit(void **state)
{
	static uint8_t big[MIB(3)];
	struct boot_module module = {"", big, sizeof(big)};

	(void)state;
	guest.config.module[0] = (struct vm_module){&module, ""};
	guest.config.module_count = 1;
	assert_refused(&flat, sizeof(flat), "no place in RAM for a module of 3072 KiB");
	module.size = sizeof(big) - 0x3000;
	assert_loads(&flat, sizeof(flat));
	assert_int_equal(fake_guest_u32(&guest, info(24)), 0x103000);
	/* There is none behind a kernel at the top: before it, then. */
	flat.field[HEADER_ADDR] = 0x3fe010;
	flat.field[LOAD_ADDR] = flat.field[ENTRY] = 0x3fe000;
	flat.field[LOAD_END] = 0x3fe080;
	flat.field[BSS_END] = 0x400000;
	assert_loads(&flat, sizeof(flat));
	assert_int_equal(fake_guest_u32(&guest, info(24)), 0x100000);
	module.size = 0;
	assert_refused(&flat, sizeof(flat), "a module's file is empty");
}

/* 'The section header table from an ELF kernel, the size of each entry, number of entries, and the
 * string table used as the index of names; ... the physical address fields of the ELF section
 * header then refer to where the sections are in memory.' */
static void test_sections(void **state)
{
	uint32_t at, symbols, names;

	(void)state;
	assert_loads(&elf, sizeof(elf));
	assert_int_equal(info(28), 5);
	assert_int_equal(info(32), sizeof(Elf32_Shdr));
	assert_int_equal(info(40), 3);
	at = info(36);
	/* Loaded with its segment: as it was. */
	assert_int_equal(fake_guest_u32(&guest, at + 40 + 12), 0xc0100000);
	symbols = fake_guest_u32(&guest, at + 80 + 12);
	names = fake_guest_u32(&guest, at + 120 + 12);
	assert_int_equal(symbols, 0x102000);
	assert_int_equal(names, 0x102040); /* a multiple of 32 */
	assert_int_equal(fake_guest_u8(&guest, symbols + sizeof(elf.symbols) - 1), 0x51);
	assert_int_equal(fake_guest_u8(&guest, names + sizeof(elf.names) - 1), 0x52);
	assert_int_equal(fake_guest_u32(&guest, at + 160 + 12), 0);

	elf.shdr[2].sh_size = sizeof(elf);
	assert_refused(&elf, sizeof(elf), "ELF section 2, 0x");
	elf.shdr[2].sh_size = 0xffffffff;
	assert_refused(&elf, sizeof(elf), "lies outside the file");
	reset_files();
	elf.ehdr.e_shnum = 6;
	assert_refused(&elf, sizeof(elf), "section headers, 6 of 40 bytes");
	elf.ehdr.e_shnum = 5;
	elf.ehdr.e_shentsize = 39;
	assert_refused(&elf, sizeof(elf), "section headers, 5 of 39 bytes");
	elf.ehdr.e_shnum = 1025;
	elf.ehdr.e_shentsize = 40;
	assert_refused(&elf, sizeof(elf), "has 1025 sections; at most 1024");
	elf.ehdr.e_shnum = 0;
	assert_loads(&elf, sizeof(elf));
	assert_int_equal(info(0) & 0x20, 0);
}

/* An entry that is no virtual address of a segment counts as physical. */
static void test_entry(void **state)
{
	(void)state;
	elf.ehdr.e_entry = 0x100020;
	assert_loads(&elf, sizeof(elf));
	assert_int_equal(guest.entry.rip, 0x100020);
	elf.ehdr.e_entry = 0xc0101000; /* in what is zeroed */
	assert_refused(&elf, sizeof(elf), "entry point 0x101000 lies outside");
	elf.ehdr.e_entry = 0x300000;
	assert_refused(&elf, sizeof(elf), "entry point 0x300000 lies outside");
	reset_files();
	elf.ehdr.e_type = ET_DYN; /* goes where it says all the same, as with GRUB */
	assert_loads(&elf, sizeof(elf));
	elf.phdr[0].p_paddr = 0xfffff000;
	assert_refused(&elf, sizeof(elf), "end at 0x100000800, above 4 GiB");
}

/* ELF64 kernels start in 32-bit mode, too. */
static void test_elf64(void **state)
{
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr;
		uint32_t header[3];
		uint32_t code;
		Elf64_Shdr shdr[2];
	} big = {
		.ehdr = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				     EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_entry = 0xffffffff8020000c,
			 .e_phoff = sizeof(Elf64_Ehdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1,
			 .e_shoff = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 16,
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = 2,
			 .e_shstrndx = 1},
		.phdr = {.p_type = PT_LOAD,
			 .p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			 .p_vaddr = 0xffffffff80200000,
			 .p_paddr = 0x200000,
			 .p_filesz = 16,
			 .p_memsz = 16},
		.header = {MAGIC, 3},
		.shdr = {[1] = {.sh_type = SHT_STRTAB, .sh_size = 4, .sh_addralign = 0x10000}},
	};

	(void)state;
	sign(big.header);
	assert_loads(&big, sizeof(big));
	assert_int_equal(guest.entry.mode, 32);
	assert_int_equal(guest.entry.rip, 0x20000c);
	assert_int_equal(info(28), 2);
	assert_int_equal(info(32), sizeof(Elf64_Shdr));
	assert_int_equal(info(36) % 8, 0);
	assert_int_equal(fake_guest_u64(&guest, info(36) + 64 + 16), 0x201000);
	assert_int_equal(fake_guest_u32(&guest, 0x201000), 0x464c457f);
	big.phdr.p_paddr = UINT64_MAX - 7;
	assert_refused(&big, sizeof(big), "segment 0, 0x10 bytes at 0xfffffffffffffff8, ends");
	big.phdr.p_paddr = GIB(4);
	guest.shape.high_end = GIB(5);
	assert_refused(&big, sizeof(big), "end at 0x100000010, above 4 GiB");
}

static unsigned mutate(uint64_t *seed, const void *file, uint64_t size, uint64_t hot,
		       uint64_t header_at)
{
	uint8_t *bad = malloc(size);
	uint64_t len = fake_random(seed) % 8 ? size : fake_random(seed) % size;
	unsigned loaded = 0;

	memcpy(bad, file, size);
	fake_mutate(seed, bad, size, hot);
	/* Mostly the sum is made right again, so that the fields are looked at. */
	if (fake_random(seed) % 4)
		sign((uint32_t *)(void *)(bad + header_at));
	if (fake_guest_load(&guest, bad, len)) {
		assert_int_equal(strncmp(guest.error, "vm 'test': ", 11), 0);
	} else {
		assert_string_equal(guest.error, "");
		assert_in_range(guest.entry.rip, 0, MIB(4) - 1);
		assert_in_range(guest.entry.rbx, 0x2000, MIB(4) - 116);
		loaded = 1;
	}
	free(bad);
	return loaded;
}

/* A few thousand files that are wrong somewhere: a message or a load, and nothing outside. */
static void test_mutations(void **state)
{
	static const uint8_t bytes[5000];
	struct boot_module module = {"", bytes, sizeof(bytes)};
	uint64_t seed = 0x853c49e6748fea9b;
	unsigned by_addresses = 0, by_elf = 0, count = 4000;

	(void)state;
	guest.config.module[0] = (struct vm_module){&module, "string"};
	guest.config.module_count = 1;
	guest.config.format = FORMAT_MULTIBOOT1;
	for (unsigned i = 0; i < count; i++) {
		by_addresses += mutate(&seed, &flat, sizeof(flat), offsetof(struct flat_file, code),
				       offsetof(struct flat_file, magic));
		by_elf += mutate(&seed, &elf, sizeof(elf), sizeof(elf),
				 offsetof(struct elf_file32, header));
	}
	assert_in_range(by_addresses, count / 10, count * 9 / 10);
	assert_in_range(by_elf, count / 10, count * 9 / 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_machine_state),
		TEST(test_aout_kludge),
		TEST(test_bad_addresses),
		TEST(test_requirements),
		TEST(test_truncated),
		TEST(test_information),
		TEST(test_long_command_line),
		TEST(test_information_of_all_sizes),
		TEST(test_modules),
		TEST(test_many_modules),
		TEST(test_modules_that_do_not_fit),
		TEST(test_sections),
		TEST(test_entry),
		TEST(test_elf64),
		TEST(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
