/* Proves that a VM starts as documented: the image loaded and its BSS zero, the command line, all
 * of its RAM there, CPUID answered, and the way out through port 0xf4. */
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"

#define DATA_MARK 0x43617238756c536cull

static volatile uint64_t data_word = DATA_MARK;
static volatile uint64_t bss_words[1024];

static bool is_bss_zero(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(bss_words); i++)
		if (bss_words[i])
			return false;
	return true;
}

/* Is the last word of RAM zero at first, and does it keep what is written? */
static bool is_last_word_ram(void)
{
	volatile uint64_t *last = (volatile uint64_t *)(stub_ram_size - sizeof(uint64_t));

	if (*last)
		return false;
	*last = DATA_MARK;
	return *last == DATA_MARK;
}

void stub_main(void)
{
	struct cpuid_regs leaf = cpuid(0, 0);
	struct cpuid_regs hv = cpuid(0x40000000, 0);
	char vendor[13] = {0}, hypervisor[13] = {0};

	memcpy(vendor, &leaf.ebx, 4);
	memcpy(vendor + 4, &leaf.edx, 4);
	memcpy(vendor + 8, &leaf.ecx, 4);
	/* Without a hypervisor the leaf is out of range and holds no name. */
	if (cpuid(1, 0).ecx & BIT(31))
		memcpy(hypervisor, &hv.ebx, 12);

	diag("Hello from a guest.");
	diag("command line: '%s'", stub_cmdline);
	diag("RAM: %lu KiB", stub_ram_size >> 10);
	diag("CPU vendor: %s, hypervisor: %s", vendor, hypervisor);
	plan(5);
	ok(data_word == DATA_MARK, "initialised data was loaded");
	ok(is_bss_zero(), "the BSS is zero");
	ok(stub_ram_size > (uint64_t)image_end, "RAM holds the image");
	ok(stub_ram_size > 0x100000000ull || is_last_word_ram(), "the last word of RAM is RAM");
	ok(leaf.eax >= 1 && vendor[0], "CPUID answers");
}
