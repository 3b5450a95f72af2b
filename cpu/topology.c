/* Threads, cores and packages by their APIC IDs. */
#include "cpu/topology.h"
#include "cpu/insn.h"
#include "lib/printf.h"
#include "lib/string.h"

#define LEAF_TOPOLOGY_V2 0x1fu
#define LEAF_TOPOLOGY    0x0bu
#define LEVELS_MAX       8u
#define LEVEL_INVALID    0u
#define LEVEL_SMT        1u
#define SHIFT_MAX        31u

#define CPUID_1_EDX_HTT BIT(28)

/* The bits that numbers below `count` take. */
static uint8_t bits_for(uint32_t count)
{
	return count > 1 ? (uint8_t)(32 - __builtin_clz(count - 1)) : 0;
}

/* 'Extended Topology Enumeration': each level tells by how much to shift for the next one. */
static bool read_extended(struct topology *topology, uint32_t leaf)
{
	bool is_there = false;

	*topology = (struct topology){0};
	for (uint32_t level = 0; level < LEVELS_MAX; level++) {
		struct cpuid_regs r = cpuid(leaf, level);
		uint32_t type = r.ecx >> 8 & 0xff;

		if (type == LEVEL_INVALID || !(r.ebx & 0xffff))
			break;
		topology->package_shift = (uint8_t)(r.eax & SHIFT_MAX);
		if (type == LEVEL_SMT)
			topology->core_shift = topology->package_shift;
		is_there = true;
	}
	return is_there && topology->core_shift <= topology->package_shift;
}

static void read_legacy(struct topology *topology, uint32_t max_leaf)
{
	struct cpuid_regs r = cpuid(1, 0);
	uint32_t logical = r.edx & CPUID_1_EDX_HTT ? r.ebx >> 16 & 0xff : 1;
	uint8_t core_bits = max_leaf >= 4 ? bits_for((cpuid(4, 0).eax >> 26) + 1) : 0;

	topology->package_shift = (uint8_t)MAX(bits_for(logical), core_bits);
	topology->core_shift = (uint8_t)(topology->package_shift - core_bits);
}

void topology_read(struct topology *topology)
{
	uint32_t max_leaf = cpuid(0, 0).eax;

	if (max_leaf >= LEAF_TOPOLOGY_V2 && read_extended(topology, LEAF_TOPOLOGY_V2))
		return;
	if (max_leaf >= LEAF_TOPOLOGY && read_extended(topology, LEAF_TOPOLOGY))
		return;
	read_legacy(topology, max_leaf);
}

/* Does an earlier one agree in all bits from `shift` on? */
static bool is_repeated(const uint32_t *apic_ids, uint32_t index, uint8_t shift)
{
	for (uint32_t i = 0; i < index; i++)
		if (apic_ids[i] >> shift == apic_ids[index] >> shift)
			return true;
	return false;
}

static uint32_t count_groups(const uint32_t *apic_ids, uint32_t count, uint8_t shift)
{
	uint32_t groups = 0;

	for (uint32_t i = 0; i < count; i++)
		groups += !is_repeated(apic_ids, i, shift);
	return groups;
}

static const char *plural(uint32_t count)
{
	return count == 1 ? "" : "s";
}

void topology_describe(const struct topology *topology, const uint32_t *apic_ids, uint32_t count,
		       char *buf, size_t size)
{
	uint32_t packages = count_groups(apic_ids, count, topology->package_shift);
	uint32_t cores = count_groups(apic_ids, count, topology->core_shift);
	size_t len =
		(size_t)fmt_snprintf(buf, size, "%u package%s, %u core%s, %u thread%s", packages,
				     plural(packages), cores, plural(cores), count, plural(count));
	const char *before = "; second threads: pCPU";

	for (uint32_t i = 0; i < count && len < size; i++) {
		if (!is_repeated(apic_ids, i, topology->core_shift))
			continue;
		len += (size_t)fmt_snprintf(buf + len, size - len, "%s %u", before, i);
		before = "";
	}
	if (len >= size && size > 4)
		memcpy(buf + size - 4, "...", 4);
}
