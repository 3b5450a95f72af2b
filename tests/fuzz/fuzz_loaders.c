/* The loaders: a kernel in any of the formats, with a command line, an initrd and a module, into
 * RAM whose pieces are mallocs of their own. A failure has its words; a success begins in a mode
 * that there is, with tables inside RAM. Then the names of functions for reports, out of the same
 * file. Multiboot's magic and checksums are put right, if the input says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fakes/guest_ram.h"
#include "fuzz.h"
#include "guest/symbols.h"
#include "lib/checked.h"
#include "loader/elf_symbols.h"

#define MEM     MIB(4)
#define MAGIC_1 0x1badb002u
#define MAGIC_2 0xe85250d6u

static struct fake_guest guest;

static uint32_t word(const uint8_t *file, size_t at)
{
	uint32_t value;

	memcpy(&value, file + at, sizeof(value));
	return value;
}

static void set_word(uint8_t *file, size_t at, uint32_t value)
{
	memcpy(file + at, &value, sizeof(value));
}

/* 'The field checksum, when added to the other magic fields, must have a 32-bit unsigned sum of
 * zero.' The first header of each version. */
static void fix_multiboot(uint8_t *file, size_t size)
{
	bool has_1 = false, has_2 = false;

	for (size_t at = 0; at + 16 <= size && at < 8192; at += 4) {
		if (word(file, at) == MAGIC_1 && !has_1) {
			has_1 = true;
			set_word(file, at + 8, -(MAGIC_1 + word(file, at + 4)));
		}
		if (word(file, at) == MAGIC_2 && at % 8 == 0 && !has_2) {
			has_2 = true;
			set_word(file, at + 12,
				 -(MAGIC_2 + word(file, at + 4) + word(file, at + 8)));
		}
	}
}

static void find_names(const uint8_t *file, size_t size)
{
	static const uint64_t addresses[] = {0, 0x100000, 0x200010, 0xffffffff80000000};
	struct guest_symbols symbols = {0};
	struct guest_symbol found;

	elf_symbols_open(&symbols, file, size);
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		if (guest_symbol_find(&symbols, addresses[i], &found))
			require_printable(found.name, sizeof(found.name));
}

static void check_entry(const struct guest_entry *entry)
{
	REQUIRE(entry->mode == 16 || entry->mode == 32 || entry->mode == 64);
	REQUIRE(entry->format && *entry->format);
	if (entry->mode == 16)
		return;
	REQUIRE(range_is_inside(entry->gdt_base, entry->gdt_limit + 1ull, 0, MEM));
	REQUIRE(entry->mode == 64 || !(entry->rip >> 32));
	REQUIRE(entry->mode == 32 || range_is_inside(entry->cr3, 4096, 0, MEM));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t initrd[64];
	static struct boot_module module = {"", initrd, sizeof(initrd)};
	static const uint8_t modes[] = {16, 32, 64, 64};
	static char words[64];
	struct input in = {data, size};
	uint8_t what = take8(&in), how = take8(&in);
	uint8_t *file;
	int err;

	if (!guest.gmem.count)
		fake_guest_init(&guest, MEM);
	memset(words, 'w', how & 0x3f);
	words[how & 0x3f] = '\0';
	guest.config.append = words;
	guest.config.format = (enum image_format)(what & 7);
	guest.config.flat_mode = modes[what >> 3 & 3];
	guest.config.flat_address = (uint64_t)take16(&in) << 8;
	guest.config.initrd = what & 0x20 ? &module : NULL;
	guest.config.module_count = what & 0x40 ? 1 : 0;
	guest.config.module[0] = (struct vm_module){&module, "a module"};
	file = copy_of(in.at, in.left);
	if (!(how & 0x40))
		fix_multiboot(file, in.left);
	err = fake_guest_load(&guest, file, in.left);
	REQUIRE(err <= 0);
	if (err)
		REQUIRE(guest.error[0]);
	require_printable(guest.error, sizeof(guest.error));
	if (!err)
		check_entry(&guest.entry);
	find_names(file, in.left);
	free(file);
	return 0;
}
