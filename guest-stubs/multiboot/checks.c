/* The checks that Multiboot 1 and 2 have in common. */
#include "guest-stubs/multiboot/checks.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"

#include <asm/processor-flags.h>
#include <elf.h>

#define MEMORY_AVAILABLE 1u
#define HOLE_BASE        0xa0000u
#define HOLE_END         0x100000u

extern const uint32_t multiboot_mark;

/* What the case gives: fixtures.module(letter, size) with these strings. */
static const struct {
	char letter;
	uint32_t size;
	const char *string;
} modules[] = {{'a', 5000, "first module=1"}, {'b', 1, ""}};

static struct {
	bool is_image_in_ram, is_hole_reserved;
	uint64_t low, high; /* bytes available from 0 and from 1 MiB on */
	unsigned entries;
} map;

static bool is_same(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && !memcmp(a, b, len);
}

void check_entry(uint32_t magic)
{
	const struct multiboot_entry *e = &multiboot_entry;

	is(e->eax, magic, "EAX: the magic");
	is(e->cr0 & (X86_CR0_PE | X86_CR0_PG), X86_CR0_PE, "protected mode, paging off");
	is(e->eflags & (X86_EFLAGS_IF | X86_EFLAGS_VM), 0, "EFLAGS: IF and VM clear");
	ok(e->through_es == multiboot_mark && e->through_fs == multiboot_mark &&
		   e->through_gs == multiboot_mark,
	   "ES, FS and GS: offset 0, beyond 64 KiB");
}

void check_strings(const char *cmdline, const char *loader_name)
{
	diag("command line '%s', boot loader '%s'", cmdline, loader_name);
	ok(is_same(cmdline, "root=here quiet"), "the command line");
	ok(is_same(loader_name, "Carousel"), "the boot loader's name");
}

void check_module(unsigned i, uint32_t start, uint32_t end, const char *string)
{
	const char *bytes = (const char *)(uintptr_t)start;
	uint32_t wrong = 0;

	if (i >= ARRAY_SIZE(modules))
		bail("there are more than %zu modules", ARRAY_SIZE(modules));
	is(end - start, modules[i].size, "module %u: its size", i);
	for (uint32_t at = 0; at < modules[i].size; at++)
		wrong += bytes[at] != modules[i].letter;
	is(wrong, 0, "module %u: its bytes", i);
	ok(is_same(string, modules[i].string), "module %u: its string '%s'", i, string);
	ok(!(start & 0xfff) && start >= (uintptr_t)image_end, "module %u: a page behind the image",
	   i);
}

void map_entry(uint64_t base, uint64_t len, uint32_t type)
{
	bool is_ram = type == MEMORY_AVAILABLE;

	diag("memory 0x%lx-0x%lx type %u", base, base + len - 1, type);
	map.entries++;
	map.is_image_in_ram |= is_ram && base <= 0x200000 && base + len >= (uintptr_t)image_end;
	map.is_hole_reserved |= !is_ram && base <= HOLE_BASE && base + len >= HOLE_END;
	if (is_ram && base == 0)
		map.low = len;
	if (is_ram && base == HOLE_END)
		map.high = len;
}

void check_map(uint32_t mem_lower, uint32_t mem_upper)
{
	ok(map.is_image_in_ram, "the image lies in RAM by the map of %u entries", map.entries);
	ok(map.is_hole_reserved, "0xa0000-0xfffff is reserved");
	is(mem_lower, map.low / 1024, "mem_lower agrees with the map");
	is(mem_upper, map.high / 1024, "mem_upper agrees with the map");
}

void check_symbols(const void *headers, uint32_t num, uint32_t entsize, uint32_t shndx)
{
	const Elf64_Shdr *sh = headers;
	uint64_t value = 0;

	if (entsize != sizeof(*sh) || shndx >= num)
		bail("%u section headers of %u bytes, names in %u", num, entsize, shndx);
	ok(is_same((const char *)sh[shndx].sh_addr + sh[shndx].sh_name, ".shstrtab"),
	   "the section with the sections' names is in memory");
	for (uint32_t i = 0; i < num; i++) {
		const Elf64_Sym *sym = (const Elf64_Sym *)sh[i].sh_addr;
		const char *names;

		if (sh[i].sh_type != SHT_SYMTAB || sh[i].sh_link >= num)
			continue;
		names = (const char *)sh[sh[i].sh_link].sh_addr;
		for (uint64_t s = 0; s < sh[i].sh_size / sizeof(*sym); s++)
			if (is_same(names + sym[s].st_name, "stub_main"))
				value = sym[s].st_value;
	}
	is(value, (uintptr_t)stub_main, "the symbol stub_main");
}
