/* Names of a guest's functions: System V ABI, 'Sections' and 'Symbol Table'. 'Whatever the file
 * says, nothing outside it is read, and a name is printable' (guest/symbols.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "loader/elf_symbols.h"

#define TEXT  0xffffffff80001000ull
#define DATA  0xffffffff80002000ull
#define NAMES "\0start\0mid\0mid_alias\0last\0data\0odd\x01\xff name\0"

enum { N_START = 1, N_MID = 7, N_ALIAS = 11, N_LAST = 21, N_DATA = 26, N_ODD = 31 };
enum { S_NULL, S_TEXT, S_DATA, S_SYMBOLS, S_STRINGS, SECTIONS };
enum { SYMBOLS = 9 };

static struct {
	Elf64_Ehdr ehdr;
	Elf64_Shdr shdr[SECTIONS];
	Elf64_Sym sym[SYMBOLS];
	char names[sizeof(NAMES)];
} file;

static struct {
	Elf32_Ehdr ehdr;
	Elf32_Shdr shdr[SECTIONS];
	Elf32_Sym sym[3];
	char names[sizeof(NAMES)];
} file32;

static struct guest_symbols symbols;

static Elf64_Sym sym(uint32_t name, unsigned bind, unsigned type, uint16_t section, uint64_t value,
		     uint64_t size)
{
	return (Elf64_Sym){.st_name = name,
			   .st_info = (unsigned char)ELF64_ST_INFO(bind, type),
			   .st_shndx = section,
			   .st_value = value,
			   .st_size = size};
}

static int setup(void **state)
{
	(void)state;
	memset(&file, 0, sizeof(file));
	file.ehdr = (Elf64_Ehdr){
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_shoff = offsetof(__typeof__(file), shdr),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = SECTIONS,
	};
	file.shdr[S_TEXT] = (Elf64_Shdr){.sh_type = SHT_PROGBITS,
					 .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
					 .sh_addr = TEXT,
					 .sh_size = 0x400};
	file.shdr[S_DATA] = (Elf64_Shdr){
		.sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC, .sh_addr = DATA, .sh_size = 0x400};
	file.shdr[S_SYMBOLS] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
					    .sh_offset = offsetof(__typeof__(file), sym),
					    .sh_size = sizeof(file.sym),
					    .sh_entsize = sizeof(Elf64_Sym),
					    .sh_link = S_STRINGS};
	file.shdr[S_STRINGS] = (Elf64_Shdr){.sh_type = SHT_STRTAB,
					    .sh_offset = offsetof(__typeof__(file), names),
					    .sh_size = sizeof(file.names)};
	/* Unsorted, as linkers leave them. */
	file.sym[1] = sym(N_LAST, STB_GLOBAL, STT_NOTYPE, S_TEXT, TEXT + 0x200, 0);
	file.sym[2] = sym(N_MID, STB_GLOBAL, STT_FUNC, S_TEXT, TEXT + 0x100, 0x40);
	file.sym[3] = sym(N_ALIAS, STB_LOCAL, STT_FUNC, S_TEXT, TEXT + 0x100, 0x40);
	file.sym[4] = sym(N_ALIAS, STB_GLOBAL, STT_NOTYPE, S_TEXT, TEXT + 0x100, 0);
	file.sym[5] = sym(N_START, STB_LOCAL, STT_FUNC, S_TEXT, TEXT, 0x100);
	file.sym[6] = sym(N_DATA, STB_GLOBAL, STT_OBJECT, S_DATA, DATA, 0x10);
	file.sym[7] = sym(N_START, STB_LOCAL, STT_FILE, SHN_ABS, TEXT + 0x300, 0);
	file.sym[8] = sym(N_ODD, STB_GLOBAL, STT_FUNC, S_TEXT, TEXT + 0x3f0, 4);
	memcpy(file.names, NAMES, sizeof(NAMES));
	elf_symbols_open(&symbols, (const uint8_t *)&file, sizeof(file));
	return 0;
}

static void assert_name(uint64_t address, const char *name, uint64_t offset)
{
	struct guest_symbol found;

	assert_true(guest_symbol_find(&symbols, address, &found));
	assert_string_equal(found.name, name);
	assert_int_equal(found.offset, offset);
}

static void assert_no_name(uint64_t address)
{
	struct guest_symbol found;

	assert_false(guest_symbol_find(&symbols, address, &found));
}

static void test_each_address_has_its_function(void **state)
{
	(void)state;
	assert_name(TEXT, "start", 0);
	assert_name(TEXT + 0xff, "start", 0xff);
	/* A function before a label, a global one before a local one. */
	assert_name(TEXT + 0x100, "mid", 0);
	assert_name(TEXT + 0x13f, "mid", 0x3f);
	assert_no_name(TEXT + 0x140); /* behind its size */
	assert_name(TEXT + 0x200, "last", 0);
	assert_name(TEXT + 0x300, "last",
		    0x100); /* STT_FILE is no function, and this has no size */
	assert_no_name(TEXT - 1);
	assert_no_name(TEXT + 0x400); /* behind the section */
	assert_no_name(DATA);
	assert_no_name(0);
	assert_no_name(UINT64_MAX);
}

static void test_names_are_printable_and_bounded(void **state)
{
	(void)state;
	assert_name(TEXT + 0x3f0, "odd???name", 0);
	/* A name that runs into the end of the strings is none. */
	file.shdr[S_STRINGS].sh_size = N_ODD + 3;
	elf_symbols_open(&symbols, (const uint8_t *)&file, sizeof(file));
	assert_no_name(TEXT + 0x3f0);
	assert_name(TEXT, "start", 0);
	/* One beyond them, too. */
	file.sym[5].st_name = UINT32_MAX;
	assert_no_name(TEXT);
}

static void test_a_long_name_is_cut(void **state)
{
	static struct {
		__typeof__(file) file;
		char names[200];
	} long_file;
	struct guest_symbol found;

	(void)state;
	memset(long_file.names, 'x', sizeof(long_file.names) - 1);
	file.shdr[S_STRINGS].sh_offset = offsetof(__typeof__(long_file), names);
	file.shdr[S_STRINGS].sh_size = sizeof(long_file.names);
	long_file.file = file;
	elf_symbols_open(&symbols, (const uint8_t *)&long_file, sizeof(long_file));
	assert_true(guest_symbol_find(&symbols, TEXT, &found));
	assert_int_equal(strlen(found.name), GUEST_SYMBOL_MAX - 1);
}

static void test_files_without_names(void **state)
{
	const uint8_t *bytes = (const uint8_t *)&file;

	(void)state;
	elf_symbols_open(&symbols, bytes, 0);
	assert_no_name(TEXT);
	file.ehdr.e_type = ET_DYN; /* where it lies is not where it was linked */
	elf_symbols_open(&symbols, bytes, sizeof(file));
	assert_no_name(TEXT);
	file.ehdr.e_type = ET_EXEC;
	{
		static uint8_t many[sizeof(file) + 1025 * sizeof(Elf64_Shdr)];

		memcpy(many, &file, sizeof(file));
		((Elf64_Ehdr *)many)->e_shnum = 1024;
		elf_symbols_open(&symbols, many, sizeof(many));
		assert_name(TEXT, "start", 0);
		((Elf64_Ehdr *)many)->e_shnum = 1025;
		elf_symbols_open(&symbols, many, sizeof(many));
		assert_no_name(TEXT);
	}
	file.shdr[S_SYMBOLS].sh_type = SHT_DYNSYM;
	elf_symbols_open(&symbols, bytes, sizeof(file));
	assert_no_name(TEXT);
	file.shdr[S_SYMBOLS].sh_type = SHT_SYMTAB;
	file.shdr[S_SYMBOLS].sh_link = S_TEXT; /* not strings */
	elf_symbols_open(&symbols, bytes, sizeof(file));
	assert_no_name(TEXT);
	file.shdr[S_SYMBOLS].sh_link = S_STRINGS;
	file.shdr[S_SYMBOLS].sh_size = UINT64_MAX;
	elf_symbols_open(&symbols, bytes, sizeof(file));
	assert_no_name(TEXT);
}

/* Many addresses at once find what each finds alone, in as many steps as there are symbols, not as
 * there are addresses. */
static void test_many_addresses_at_once(void **state)
{
	static struct {
		__typeof__(file) file;
		Elf64_Sym sym[1000];
	} many;
	uint32_t random = 7, found_count = 0;
	struct symbol_place place[57];
	struct symbol_search search;
	uint64_t address[57];

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		unsigned steps = 1;

		many.file = file;
		many.file.shdr[S_SYMBOLS].sh_offset = offsetof(__typeof__(many), sym);
		many.file.shdr[S_SYMBOLS].sh_size = sizeof(many.sym);
		/* Two sections of code, of which the second lies in the first. */
		many.file.shdr[S_DATA].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
		many.file.shdr[S_DATA].sh_addr = TEXT + 0x300;
		for (unsigned i = 0; i < 1000; i++) {
			random = random * 1664525 + 1013904223;
			many.sym[i] =
				sym(round % 2 || i < 20 ? (random >> 3) % 40 : 0, random >> 30,
				    (random >> 28) % 3, (uint16_t)((random >> 25) % 4),
				    TEXT - 16 + (random >> 8) % 0x800, (random >> 20) % 0x40);
		}
		for (unsigned i = 0; i < 57; i++) {
			random = random * 1664525 + 1013904223;
			address[i] = TEXT - 32 + (random >> 8) % 0x820;
		}
		elf_symbols_open(&symbols, (const uint8_t *)&many, sizeof(many));
		symbol_search_begin(&search, &symbols, place, address, 57);
		while (!symbol_search_step(&search))
			assert_in_range(++steps, 1, SECTIONS / 4 + 1000 / 32 + 3);
		for (unsigned i = 0; i < 57; i++) {
			struct guest_symbol together = {"", 0}, alone = {"", 0};
			bool is_found = symbol_search_find(&search, address[i], &together);

			assert_int_equal(guest_symbol_find(&symbols, address[i], &alone), is_found);
			assert_string_equal(together.name, alone.name);
			assert_int_equal(together.offset, alone.offset);
			found_count += is_found;
		}
		assert_false(symbol_search_find(&search, 1, &(struct guest_symbol){"", 0}));
	}
	assert_in_range(found_count, 1000, 200 * 57 - 1000);
}

static void test_32_bits(void **state)
{
	(void)state;
	memset(&file32, 0, sizeof(file32));
	file32.ehdr = (Elf32_Ehdr){
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_shoff = offsetof(__typeof__(file32), shdr),
		.e_shentsize = sizeof(Elf32_Shdr),
		.e_shnum = SECTIONS,
	};
	file32.shdr[S_TEXT] = (Elf32_Shdr){
		.sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addr = 0xc0100000, .sh_size = 0x400};
	file32.shdr[S_SYMBOLS] = (Elf32_Shdr){.sh_type = SHT_SYMTAB,
					      .sh_offset = offsetof(__typeof__(file32), sym),
					      .sh_size = sizeof(file32.sym),
					      .sh_entsize = sizeof(Elf32_Sym),
					      .sh_link = S_STRINGS};
	file32.shdr[S_STRINGS] = (Elf32_Shdr){.sh_type = SHT_STRTAB,
					      .sh_offset = offsetof(__typeof__(file32), names),
					      .sh_size = sizeof(file32.names)};
	file32.sym[1] = (Elf32_Sym){.st_name = N_MID,
				    .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_FUNC),
				    .st_shndx = S_TEXT,
				    .st_value = 0xc0100010,
				    .st_size = 0x10};
	memcpy(file32.names, NAMES, sizeof(NAMES));
	elf_symbols_open(&symbols, (const uint8_t *)&file32, sizeof(file32));
	assert_name(0xc010001f, "mid", 0xf);
	assert_no_name(0xc0100000);
	assert_no_name(0xffffffffc010001full);
}

/* One wrong byte at a time, and the file cut at each length: the sanitizer sees what is read. */
static void test_damaged_files(void **state)
{
	static const uint8_t wrong[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	struct guest_symbol found;

	(void)state;
	for (size_t at = 0; at < sizeof(file); at++) {
		for (unsigned i = 0; i < sizeof(wrong); i++) {
			uint8_t *copy = malloc(sizeof(file));

			memcpy(copy, &file, sizeof(file));
			copy[at] = wrong[i];
			elf_symbols_open(&symbols, copy, sizeof(file));
			(void)guest_symbol_find(&symbols, TEXT + 0x3f0, &found);
			(void)guest_symbol_find(&symbols, UINT64_MAX, &found);
			free(copy);
		}
	}
	for (size_t size = 0; size < sizeof(file); size++) {
		uint8_t *copy = malloc(size ? size : 1);

		memcpy(copy, &file, size);
		elf_symbols_open(&symbols, copy, size);
		(void)guest_symbol_find(&symbols, TEXT + 0x3f0, &found);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_address_has_its_function, setup),
		cmocka_unit_test_setup(test_names_are_printable_and_bounded, setup),
		cmocka_unit_test_setup(test_a_long_name_is_cut, setup),
		cmocka_unit_test_setup(test_files_without_names, setup),
		cmocka_unit_test_setup(test_many_addresses_at_once, setup),
		cmocka_unit_test_setup(test_32_bits, setup),
		cmocka_unit_test_setup(test_damaged_files, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
