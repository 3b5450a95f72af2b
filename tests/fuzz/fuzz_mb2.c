/* Multiboot2's information: what is accepted lies inside the structure, and the RAM that comes of
 * it is whole pages, in order. The first word, the total size, is put right unless bit 0 of the
 * input's first byte says not to. */
#include "boot/mb2.h"
#include "fuzz.h"
#include "mm/memmap.h"

static struct mb2 mb2;
static struct memmap map;

static void require_inside(const void *at, size_t len)
{
	REQUIRE((const uint8_t *)at >= mb2.info);
	REQUIRE((const uint8_t *)at + len <= mb2.info + mb2.size);
}

static void check(void)
{
	struct mb2_range r;

	require_inside(mb2.info, mb2.size);
	if (*mb2.cmdline)
		require_inside(mb2.cmdline, strlen(mb2.cmdline) + 1);
	if (*mb2.loader_name)
		require_inside(mb2.loader_name, strlen(mb2.loader_name) + 1);
	REQUIRE(mb2.module_count <= MB2_MODULES_MAX);
	for (uint32_t i = 0; i < mb2.module_count; i++) {
		require_inside(mb2.module[i].string, strlen(mb2.module[i].string) + 1);
		REQUIRE(mb2.module[i].start <= mb2.module[i].end);
	}
	for (uint32_t i = 0; mb2.mmap.data && i < mb2.mmap.count; i++)
		r = mb2_mmap_entry(&mb2.mmap, i);
	for (uint32_t i = 0; mb2.efi_mmap.data && i < mb2.efi_mmap.count; i++)
		r = mb2_efi_entry(&mb2.efi_mmap, i);
	(void)r;
	if (mb2.rsdp)
		require_inside(mb2.rsdp, mb2.rsdp_len);
	if (mb2.smbios)
		require_inside(mb2.smbios, mb2.smbios_len);
	if (mb2_memmap(&mb2, &map))
		return;
	for (uint32_t i = 0; i < map.count; i++) {
		REQUIRE(map.range[i].start < map.range[i].end);
		REQUIRE(!((map.range[i].start | map.range[i].end) % 4096));
		REQUIRE(!i || map.range[i - 1].end < map.range[i].start);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	bool is_size_kept = take8(&in) & 1;
	uint32_t total = (uint32_t)in.left;
	uint8_t *info = copy_of(in.at, total);

	if (!is_size_kept && total >= sizeof(total))
		memcpy(info, &total, sizeof(total));
	if (!mb2_parse(&mb2, info, total))
		check();
	free(info);
	return 0;
}
