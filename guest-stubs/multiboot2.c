/* Proves that a Multiboot2 kernel finds what its header asks for and the 'Multiboot2 specification'
 * promises it: machine state, each tag, and none for what a VM has not. It is entered by the entry
 * address tag: e_entry is the long mode entry of the other stubs. */
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/multiboot/checks.h"

#define HEADER_MAGIC     0xe85250d6u
#define BOOTLOADER_MAGIC 0x36d76289u

#define HEADER_TAG_REQUEST     1
#define HEADER_TAG_ENTRY       3
#define HEADER_TAG_FRAMEBUFFER 5
#define HEADER_TAG_ALIGN       6
#define HEADER_OPTIONAL        1

enum {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER_NAME = 2,
	TAG_MODULE = 3,
	TAG_MEMINFO = 4,
	TAG_MMAP = 6,
	TAG_ELF = 9,
	TAG_RSDP_OLD = 14,
	TAG_RSDP_NEW = 15,
	TAG_LOAD_BASE = 21,
	TAGS = 32,
};

void multiboot_start(void);

struct header_tag {
	uint16_t type, flags;
	uint32_t size;
};

/* The address is a constant of the linker, not of the compiler: entry's 32 bits are those of a
 * pointer, whose upper half is the padding. */
struct header {
	uint32_t magic, architecture, length, checksum;
	struct header_tag request;
	uint32_t requests[10];
	struct header_tag nonsense; /* optional: to be left out of account */
	struct header_tag framebuffer;
	uint32_t mode[4];
	struct header_tag align, entry_tag;
	void (*entry)(void);
	struct header_tag end;
} __aligned(8);

_Static_assert(sizeof(struct header) == 0x80, "no padding where the tags have none");

static const struct header header __attribute__((section(".multiboot"), used)) = {
	.magic = HEADER_MAGIC,
	.length = sizeof(header),
	.checksum = -(HEADER_MAGIC + (uint32_t)sizeof(header)),
	.request = {HEADER_TAG_REQUEST, 0, 48},
	.requests = {TAG_CMDLINE, TAG_LOADER_NAME, TAG_MODULE, TAG_MEMINFO, TAG_MMAP, TAG_ELF,
		     TAG_RSDP_OLD, TAG_RSDP_NEW, TAG_LOAD_BASE, TAG_CMDLINE},
	.nonsense = {0x1234, HEADER_OPTIONAL, 8},
	.framebuffer = {HEADER_TAG_FRAMEBUFFER, 0, 20},
	.align = {HEADER_TAG_ALIGN, 0, 8},
	.entry_tag = {HEADER_TAG_ENTRY, 0, 12},
	.entry = multiboot_start,
	.end = {0, 0, 8},
};

struct tag {
	uint32_t type, size;
};

struct map_row {
	uint64_t base, len;
	uint32_t type, reserved;
};

/* The first tag of each type: its contents behind type and size, as 32-bit words. */
static const uint32_t *tags[TAGS];
static uint32_t sizes[TAGS];
static unsigned modules;

static void walk(const uint32_t *info)
{
	uint32_t at = 8;

	for (;;) {
		const struct tag *tag = (const void *)((const uint8_t *)info + at);
		const uint32_t *body = (const uint32_t *)(tag + 1);

		if (at + sizeof(*tag) > info[0] || tag->size < sizeof(*tag) ||
		    tag->size > info[0] - at)
			bail("the tag at 0x%x lies outside the %u bytes", at, info[0]);
		if (tag->type == TAG_MODULE)
			check_module(modules++, body[0], body[1], (const char *)&body[2]);
		if (tag->type < TAGS && !tags[tag->type]) {
			tags[tag->type] = body;
			sizes[tag->type] = tag->size;
		}
		at += (tag->size + 7) & ~7u;
		if (tag->type == TAG_END)
			break;
	}
	is(at, info[0], "total_size reaches to the end tag");
}

static bool are_only_known_tags(void)
{
	const uint32_t known = BIT(TAG_END) | BIT(TAG_CMDLINE) | BIT(TAG_LOADER_NAME) |
			       BIT(TAG_MODULE) | BIT(TAG_MEMINFO) | BIT(TAG_MMAP) | BIT(TAG_ELF) |
			       BIT(TAG_RSDP_OLD) | BIT(TAG_RSDP_NEW) | BIT(TAG_LOAD_BASE);

	for (uint32_t type = 0; type < TAGS; type++)
		if (!tags[type] != !(known & BIT(type)))
			return false;
	return true;
}

static bool is_rsdp(uint32_t type, uint32_t size)
{
	const uint8_t *rsdp = (const uint8_t *)tags[type];
	uint8_t sum = 0;

	for (uint32_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + rsdp[i]);
	return sizes[type] == sizeof(struct tag) + size && !sum && !memcmp(rsdp, "RSD PTR ", 8);
}

void stub_main(void)
{
	const uint32_t *info = (const uint32_t *)(uintptr_t)multiboot_entry.ebx;
	const struct map_row *row;

	plan(CHECKS_OF_ENTRY + 7 + CHECKS_OF_STRINGS + 2 * CHECKS_OF_MODULE + CHECKS_OF_MAP +
	     CHECKS_OF_SYMBOLS);
	check_entry(BOOTLOADER_MAGIC);
	ok(!(multiboot_entry.ebx & 7), "the information lies on 8 bytes");
	walk(info);
	is(modules, 2, "two modules");
	if (!ok(are_only_known_tags(), "all tags that were asked for, and none of video or EFI"))
		bail("there is no point in looking at tags that are not there");
	check_strings((const char *)tags[TAG_CMDLINE], (const char *)tags[TAG_LOADER_NAME]);
	row = (const struct map_row *)&tags[TAG_MMAP][2];
	for (uint32_t at = 16; at < sizes[TAG_MMAP]; at += tags[TAG_MMAP][0], row++)
		map_entry(row->base, row->len, row->type);
	check_map(tags[TAG_MEMINFO][0], tags[TAG_MEMINFO][1]);
	check_symbols(&tags[TAG_ELF][3], tags[TAG_ELF][0], tags[TAG_ELF][1], tags[TAG_ELF][2]);
	ok(is_rsdp(TAG_RSDP_OLD, 20), "the old RSDP: 20 bytes that add up to 0");
	ok(is_rsdp(TAG_RSDP_NEW, 36), "the new RSDP: 36 bytes that add up to 0");
	is(tags[TAG_LOAD_BASE][0], (uintptr_t)&header, "the load base address");
}
