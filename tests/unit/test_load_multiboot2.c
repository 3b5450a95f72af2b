/* 'Multiboot2 specification': the header's tags, the machine state, and the tags of the information
 * structure. */
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

#define MAGIC    0xe85250d6u
#define OPTIONAL 1u

/* An ELF file of 32 bits at 2 MiB, with room for a header; `words` counts what is used of it. */
struct file {
	Elf32_Ehdr ehdr;
	Elf32_Phdr phdr[2];
	uint32_t pad;
	uint32_t header[64];
	uint8_t code[0x100], names[0x18];
	Elf32_Shdr shdr[2];
};

_Static_assert(offsetof(struct file, header) % 8 == 0, "64-bit aligned");

static struct fake_guest guest;
static struct file file;
static uint32_t words;

/* Sets the length and the sum of a header of so many words. */
static void sign(uint32_t *header, uint32_t count)
{
	header[0] = MAGIC;
	header[2] = count * 4;
	header[3] = -(header[0] + header[1] + header[2]);
}

/* A tag of the header: `count` words of contents, then the end tag, which the next one overwrites.
 */
static void add_tag(uint32_t type, uint32_t flags, uint32_t count, const uint32_t *contents)
{
	uint32_t *tag = &file.header[words];

	tag[0] = type | flags << 16;
	tag[1] = 8 + count * 4;
	for (uint32_t i = 0; i < count; i++)
		tag[2 + i] = contents[i];
	words += 2 + (count + 1) / 2 * 2;
	file.header[words] = 0;
	file.header[words + 1] = 8;
	sign(file.header, words + 2);
}

#define ADD(type, flags, ...)                                                                      \
	do {                                                                                       \
		const uint32_t contents_[] = {__VA_ARGS__};                                        \
		add_tag(type, flags, sizeof(contents_) / 4, contents_);                            \
	} while (0)

static void reset_file(void)
{
	memset(&file, 0, sizeof(file));
	file.ehdr = (Elf32_Ehdr){
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_entry = 0x200110,
		.e_phoff = offsetof(struct file, phdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 2,
		.e_shoff = offsetof(struct file, shdr),
		.e_shentsize = sizeof(Elf32_Shdr),
		.e_shnum = 2,
		.e_shstrndx = 1,
	};
	file.phdr[0] = (Elf32_Phdr){.p_type = PT_LOAD,
				    .p_offset = offsetof(struct file, header),
				    .p_vaddr = 0x200000,
				    .p_paddr = 0x200000,
				    .p_filesz = sizeof(file.header) + sizeof(file.code),
				    .p_memsz = 0x1800};
	file.phdr[1] = (Elf32_Phdr){
		.p_type = PT_LOAD, .p_vaddr = 0x204000, .p_paddr = 0x204000, .p_memsz = 0x1000};
	memset(file.code, 0xc0, sizeof(file.code));
	memset(file.names, 0x52, sizeof(file.names));
	file.shdr[1] = (Elf32_Shdr){.sh_type = SHT_STRTAB,
				    .sh_offset = offsetof(struct file, names),
				    .sh_size = sizeof(file.names)};
	file.header[4] = 0;
	file.header[5] = 8;
	sign(file.header, 6);
	words = 4;
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

static void assert_loads(void)
{
	if (fake_guest_load(&guest, &file, sizeof(file)))
		fail_msg("%s", guest.error);
	assert_string_equal(guest.error, "");
	assert_string_equal(guest.entry.format, "Multiboot2");
}

static void assert_refused(const char *part)
{
	assert_true(fake_guest_load(&guest, &file, sizeof(file)) < 0);
	if (strncmp(guest.error, "vm 'test': ", 11) || !strstr(guest.error, part))
		fail_msg("'%s' does not contain '%s'", guest.error, part);
	assert_true(strlen(guest.error) < CONFIG_ERROR_MAX - 1);
	reset_file();
}

/* The `nth` tag of this type in the information: where its contents begin; 0 without one. Checks
 * the structure on the way. */
static uint64_t find_tag(uint32_t type, unsigned nth, uint32_t *size)
{
	uint64_t info = guest.entry.rbx, at = info + 8, found = 0;
	uint32_t total = fake_guest_u32(&guest, info), t, len;

	assert_int_equal(fake_guest_u32(&guest, info + 4), 0);
	do {
		assert_int_equal(at % 8, 0);
		t = fake_guest_u32(&guest, at);
		len = fake_guest_u32(&guest, at + 4);
		assert_in_range(len, 8, total - (at - info));
		if (t == type && !found && !nth--) {
			found = at + 8;
			if (size)
				*size = len;
		}
		at += (len + 7) / 8 * 8;
	} while (t);
	assert_int_equal(at - info, total);
	return found;
}

static void assert_text(uint64_t gpa, const char *want)
{
	char text[64] = {0};

	assert_int_equal(gmem_read(&guest.gmem, GPA(gpa), text, strlen(want) + 1), 0);
	assert_string_equal(text, want);
}

/* 'I386 machine state': EAX 0x36d76289, EBX the information; flat 32-bit segments; paging off. */
static void test_machine_state(void **state)
{
	const struct guest_entry *e = &guest.entry;

	(void)state;
	assert_loads();
	assert_int_equal(e->mode, 32);
	assert_int_equal(e->cr3, 0);
	assert_int_equal(e->rax, 0x36d76289);
	assert_int_equal(e->rip, 0x200110);
	assert_int_equal(e->rbx % 8, 0);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base + e->cs), 0x00cf9b000000ffff);
	assert_int_equal(fake_guest_u64(&guest, e->gdt_base + e->ds), 0x00cf93000000ffff);
	assert_int_equal(fake_guest_u8(&guest, 0x200110), 0xc0);
	assert_int_equal(fake_guest_u8(&guest, 0x200200), 0);
}

/* 'Boot information': each tag that there is, and none of those that a VM has not. */
static void test_information(void **state)
{
	static const uint32_t absent[] = {5, 7, 8, 10, 11, 12, 13, 16, 17, 18, 19, 20};
	uint64_t at, rsdp;
	uint32_t size;

	(void)state;
	guest.config.append = "a  'b' c";
	assert_loads();
	assert_text(find_tag(1, 0, NULL), "a  'b' c");
	assert_text(find_tag(2, 0, NULL), "Carousel");
	at = find_tag(4, 0, &size);
	assert_int_equal(size, 16);
	assert_int_equal(fake_guest_u32(&guest, at), 640);
	assert_int_equal(fake_guest_u32(&guest, at + 4), 3 * 1024);
	at = find_tag(6, 0, &size);
	assert_int_equal(size, 16 + 3 * 24);
	assert_int_equal(fake_guest_u32(&guest, at), 24);    /* entry_size */
	assert_int_equal(fake_guest_u32(&guest, at + 4), 0); /* entry_version */
	assert_int_equal(fake_guest_u64(&guest, at + 8 + 24), 0xa0000);
	assert_int_equal(fake_guest_u64(&guest, at + 8 + 32), 0x60000);
	assert_int_equal(fake_guest_u32(&guest, at + 8 + 40), 2);
	assert_int_equal(fake_guest_u64(&guest, at + 8 + 48), 0x100000);
	assert_int_equal(fake_guest_u64(&guest, at + 8 + 56), MIB(3));
	assert_int_equal(fake_guest_u32(&guest, at + 8 + 64), 1);
	/* The RSDPs are copies of the one in memory, 20 and 36 bytes of it. */
	rsdp = find_tag(14, 0, &size);
	assert_int_equal(size, 8 + 20);
	assert_int_equal(fake_guest_u64(&guest, rsdp), 0x2052545020445352);
	rsdp = find_tag(15, 0, &size);
	assert_int_equal(size, 8 + 36);
	for (unsigned i = 0; i < 36; i++)
		assert_int_equal(fake_guest_u8(&guest, rsdp + i),
				 fake_guest_u8(&guest, 0xe0000 + i));
	at = find_tag(21, 0, &size);
	assert_int_equal(size, 12);
	assert_int_equal(fake_guest_u32(&guest, at), 0x200000);
	assert_int_equal(find_tag(3, 0, NULL), 0);
	for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		assert_int_equal(find_tag(absent[i], 0, NULL), 0);
}

/* 'num, entsize, shndx' and the headers; sections without an address have been loaded. */
static void test_sections(void **state)
{
	uint64_t at, names;
	uint32_t size;

	(void)state;
	assert_loads();
	at = find_tag(9, 0, &size);
	assert_int_equal(size, 20 + 2 * 40);
	assert_int_equal(fake_guest_u32(&guest, at), 2);
	assert_int_equal(fake_guest_u32(&guest, at + 4), 40);
	assert_int_equal(fake_guest_u32(&guest, at + 8), 1);
	names = fake_guest_u32(&guest, at + 12 + 40 + 12);
	assert_int_equal(names, 0x205000);
	assert_int_equal(fake_guest_u8(&guest, names + 0x17), 0x52);
	file.ehdr.e_shnum = 0;
	assert_loads();
	assert_int_equal(find_tag(9, 0, NULL), 0);
	ADD(1, 0, 9);
	assert_refused("requires information that is not there: tag 9, ELF symbols");
}

static void test_modules(void **state)
{
	static const uint8_t bytes[5000];
	struct boot_module module = {"", bytes, sizeof(bytes)};
	uint64_t at;
	uint32_t size;

	(void)state;
	guest.initrd = module;
	guest.config.initrd = &guest.initrd;
	guest.config.module[0] = (struct vm_module){&module, "first  one"};
	guest.config.module[1] = (struct vm_module){&module, ""};
	guest.config.module_count = 2;
	add_tag(6, 0, 0, NULL); /* 'modules must be page aligned' */
	assert_loads();
	for (unsigned i = 0; i < 3; i++) {
		at = find_tag(3, i, &size);
		assert_int_equal(fake_guest_u32(&guest, at), 0x205000 + i * 0x2000);
		assert_int_equal(fake_guest_u32(&guest, at + 4), 0x205000 + i * 0x2000 + 5000);
		assert_text(at + 8, i == 1 ? "first  one" : "");
		assert_int_equal(size, 16 + (i == 1 ? 11 : 1));
	}
	assert_int_equal(find_tag(3, 3, NULL), 0);
	module.size = 0;
	assert_refused("a module's file is empty");
}

/* 'If this tag is present and optional is set to 0, the bootloader must support the requested tag';
 * what a VM never has is refused by its name. */
static void test_requests(void **state)
{
	static const struct {
		uint32_t type;
		const char *name;
	} absent[] = {{5, "BIOS boot device"}, {8, "framebuffer"}, {12, "EFI 64-bit system table"},
		      {17, "EFI memory map"},  {22, "unknown"},    {0xffffffff, "unknown"}};
	char part[64];

	(void)state;
	ADD(1, 0, 1, 2, 3, 4, 6, 9, 14, 15, 21);
	assert_loads();
	for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		reset_file();
		ADD(1, OPTIONAL, absent[i].type);
		assert_loads();
		ADD(1, 0, 6, absent[i].type);
		snprintf(part, sizeof(part), "not there: tag %u, %s;", absent[i].type,
			 absent[i].name);
		assert_refused(part);
	}
}

/* 'If bit 0 of flags is set, the bootloader may ignore this tag if it lacks relevant support.' */
static void test_unknown_tags(void **state)
{
	(void)state;
	ADD(11, OPTIONAL, 1, 2, 3);
	add_tag(0xffff, OPTIONAL, 0, NULL);
	assert_loads();
	ADD(11, 0, 1);
	assert_refused("requires the unknown tag 11");
	/* A preferred mode and EFI's entries ask for nothing here. */
	ADD(5, 0, 1024, 768, 32);
	add_tag(7, 0, 0, NULL);
	ADD(8, 0, 0x200000);
	ADD(9, 0, 0x200000);
	assert_loads();
	assert_int_equal(guest.entry.rip, 0x200110);
}

/* 'If bit 0 of console_flags is set at least one of supported consoles must be present.' */
static void test_console(void **state)
{
	(void)state;
	ADD(4, 0, 2);
	ADD(4, OPTIONAL, 3);
	assert_loads();
	ADD(4, 0, 1);
	assert_refused("requires a console");
}

/* The entry address tag counts before e_entry; the address tag before the ELF headers. */
static void test_addresses(void **state)
{
	uint32_t at = offsetof(struct file, header);

	(void)state;
	ADD(3, 0, 0x200120);
	assert_loads();
	assert_int_equal(guest.entry.rip, 0x200120);
	ADD(2, 0, 0x300000 + at, 0x300000 + at, 0, 0x302000);
	ADD(3, 0, 0x300180);
	assert_loads();
	assert_int_equal(guest.entry.rip, 0x300180);
	assert_int_equal(fake_guest_u32(&guest, 0x300000 + at), MAGIC);
	assert_int_equal(fake_guest_u8(&guest, 0x301fff), 0);
	assert_int_equal(find_tag(9, 0, NULL), 0);
	assert_int_equal(fake_guest_u32(&guest, find_tag(21, 0, NULL)), 0x300000 + at);
	/* 'Special value -1 means that the file must be loaded from its beginning.' */
	reset_file();
	ADD(2, 0, 0x300000 + at, UINT32_MAX, 0, 0);
	ADD(3, 0, 0x300180);
	assert_loads();
	assert_int_equal(fake_guest_u32(&guest, 0x300000), 0x464c457f);
	reset_file();
	ADD(2, 0, at - 1, UINT32_MAX, 0, 0);
	assert_refused("lies before its offset in the file");
	ADD(2, 0, 0x300000 + at, 0x300000 + at, 0, 0);
	assert_refused("an address tag without an entry address tag");
	ADD(2, 0, 0x300000 + at, 0x300000 + at, 0, 0x300000);
	ADD(3, 0, 0x300180);
	assert_refused("bss_end_addr 0x300000 is below the end");
}

/* 'Lowest possible physical address at which image should be loaded ... highest possible physical
 * address at which loaded image should end'; align; preference: 0 none, 1 lowest, 2 highest. */
static void test_relocation(void **state)
{
	static const struct {
		uint32_t min_addr, max_addr, align, preference, base;
	} cases[] = {
		{0, UINT32_MAX, 0, 0, 0x200000},             /* where it was linked */
		{0x201000, UINT32_MAX, 0x1000, 0, 0x201000}, /* that is too low */
		{0x180000, 0x204fff, 0x1000, 0, 0x180000},   /* or too high: it ends at 0x205000 */
		{0x180000, 0x205000, 0x1000, 0, 0x200000},
		{0x100001, UINT32_MAX, 0x40000, 0, 0x200000},
		{0x100000, UINT32_MAX, 0x1000, 1, 0x100000},
		{0x100001, UINT32_MAX, 0x100000, 1, 0x200000},
		{0x100000, UINT32_MAX, 0x1000, 2, MIB(4) - 0x5000},
		{0x100000, UINT32_MAX, 0x200000, 2, 0x200000},
		{0x100000, 0x300000, 0x1000, 2, 0x300000 - 0x5000},
		{0x9c000, UINT32_MAX, 0x1000, 1, 0x100000}, /* over the hole */
		{0, UINT32_MAX, 0x1000, 1, 0x8000},         /* above what every start needs */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t base = cases[i].base;

		reset_file();
		ADD(10, 0, cases[i].min_addr, cases[i].max_addr, cases[i].align,
		    cases[i].preference);
		assert_loads();
		assert_int_equal(fake_guest_u32(&guest, find_tag(21, 0, NULL)), base);
		assert_int_equal(guest.entry.rip, base + 0x110);
		assert_int_equal(fake_guest_u32(&guest, base), MAGIC);
		assert_int_equal(fake_guest_u8(&guest, base + 0x110), 0xc0);
		assert_int_equal(fake_guest_u8(&guest, base + 0x4fff), 0);
	}
	reset_file();
	ADD(10, 0, 0x100000, UINT32_MAX, 0x3000, 0);
	assert_refused("has the align 0x3000, which is not a power of two");
	ADD(10, 0, 0x200001, 0x205000, 1, 1);
	assert_refused("no place in RAM for the kernel of 20 KiB between its min_addr 0x200001 and "
		       "max_addr 0x205000");
	ADD(10, 0, 0x3ff000, UINT32_MAX, 1, 1);
	assert_refused("no place in RAM for the kernel");
}

/* With addresses instead of an ELF file. */
static void test_relocation_by_addresses(void **state)
{
	uint32_t at = offsetof(struct file, header);

	(void)state;
	ADD(2, 0, 0x300000 + at, UINT32_MAX, 0, 0x310000);
	ADD(3, 0, 0x300180);
	ADD(10, 0, 0x100000, UINT32_MAX, 0x10000, 1);
	assert_loads();
	assert_int_equal(guest.entry.rip, 0x100180);
	assert_int_equal(fake_guest_u32(&guest, 0x100000), 0x464c457f);
	assert_int_equal(fake_guest_u8(&guest, 0x10ffff), 0);
	assert_int_equal(fake_guest_u32(&guest, find_tag(21, 0, NULL)), 0x100000);
}

static void test_bad_headers(void **state)
{
	(void)state;
	file.header[1] = 4;
	sign(file.header, 6);
	assert_refused("for another CPU (architecture 4)");
	sign(file.header, 0x1000);
	assert_refused("is longer than the file");
	sign(file.header, 4);
	assert_refused("has no end tag");
	file.header[5] = 7;
	assert_refused("a tag with an impossible size");
	file.header[4] = 6;
	file.header[5] = 0xfffffff8;
	assert_refused("a tag with an impossible size");
	ADD(2, 0, 1, 2, 3);
	assert_refused("address tag has 20 bytes, too few");
	add_tag(3, 0, 0, NULL);
	assert_refused("entry address tag has 8 bytes, too few");
	ADD(10, OPTIONAL, 1, 2, 3);
	assert_refused("relocatable tag has 20 bytes, too few");
	/* A length that wraps the sum of places. */
	file.header[2] = 0xfffffff0;
	file.header[3] = -(file.header[0] + file.header[2]);
	assert_refused("is longer than the file");
}

/* 'The Multiboot2 header must be contained completely within the first 32768 bytes'. */
static void test_header_beyond_its_place(void **state)
{
	static uint8_t big[KIB(40)];
	struct file *f = (struct file *)big;

	(void)state;
	*f = file;
	sign(f->header, KIB(36) / 4);
	assert_int_equal(fake_guest_load(&guest, big, sizeof(big)), -ENOEXEC);
	assert_non_null(strstr(guest.error, "does not end in the file's first 32768 bytes"));
}

static void test_truncated(void **state)
{
	(void)state;
	for (uint64_t size = 0; size < sizeof(file); size++) {
		assert_true(fake_guest_load(&guest, &file, size) < 0);
		assert_int_equal(strncmp(guest.error, "vm 'test': ", 11), 0);
	}
}

/* A few thousand files that are wrong somewhere: a message or a load, and nothing outside. */
static void test_mutations(void **state)
{
	static const uint8_t bytes[5000];
	struct boot_module module = {"", bytes, sizeof(bytes)};
	uint64_t seed = 0xda3e39cb94b95bdb;
	unsigned refused = 0, loaded = 0;

	(void)state;
	guest.config.module[0] = (struct vm_module){&module, "string"};
	guest.config.module_count = 1;
	guest.config.format = FORMAT_MULTIBOOT2;
	for (unsigned i = 0; i < 8000; i++) {
		struct file bad;
		uint64_t size =
			fake_random(&seed) % 8 ? sizeof(bad) : fake_random(&seed) % sizeof(bad);

		reset_file();
		ADD(1, 0, 1, 3, 6);
		ADD(3, 0, 0x200110);
		ADD(4, OPTIONAL, 3);
		if (i % 2)
			ADD(10, 0, 0x100000, UINT32_MAX, 0x1000, i / 2 % 3);
		if (i % 3 == 0)
			ADD(2, 0, 0x200000, 0x200000, 0x200200, 0x203000);
		bad = file;
		fake_mutate(&seed, (uint8_t *)&bad, sizeof(bad),
			    offsetof(struct file, header) + words * 4 + 8);
		if (fake_random(&seed) % 4)
			sign(bad.header, words + 2);
		if (fake_guest_load(&guest, &bad, size)) {
			assert_int_equal(strncmp(guest.error, "vm 'test': ", 11), 0);
			refused++;
			continue;
		}
		assert_string_equal(guest.error, "");
		assert_in_range(guest.entry.rip, 0, MIB(4) - 1);
		assert_true(find_tag(3, 0, NULL));
		loaded++;
	}
	assert_true(refused > 1000 && loaded > 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_machine_state),
		TEST(test_information),
		TEST(test_sections),
		TEST(test_modules),
		TEST(test_requests),
		TEST(test_unknown_tags),
		TEST(test_console),
		TEST(test_addresses),
		TEST(test_relocation),
		TEST(test_relocation_by_addresses),
		TEST(test_header_beyond_its_place),
		TEST(test_bad_headers),
		TEST(test_truncated),
		TEST(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
