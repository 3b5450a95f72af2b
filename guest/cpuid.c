/* The CPUID policy: a vCPU's table from the host's answers, the feature table and the
 * configuration.
 *
 * Leaves 0x15 and 0x16 (crystal and processor frequency) are zero: a guest that believes them stops
 * calibrating, takes the crystal for its APIC timer's clock too, and computes in kHz with 32 bits,
 * so that few rates come out exact. It calibrates, or has kvmclock. */
#include <asm/kvm_para.h>

#include "guest/cpuid.h"
#include "guest/cpuid_features.h"
#include "lib/bitmap.h"
#include "lib/errno.h"
#include "lib/string.h"

#define BASIC_MAX 0x1fu /* the second topology leaf; what lies above is not offered */
#define EXT_BASE  0x80000000u
#define EXT_MAX   (EXT_BASE + CPUID_EXT_MAX - 1)

/* clang-format off */
/* What passes from the host besides features: identity, sizes, caches. */
static const struct {
	uint32_t leaf;
	struct cpuid_regs mask;
} fields[] = {
	{0,          {0, ~0u, ~0u, ~0u}},         /* vendor */
	{1,          {0x0fff3fff, 0xff00, 0, 0}}, /* family, model, stepping; CLFLUSH line size */
	{2,          {~0u, ~0u, ~0u, ~0u}},       /* cache descriptors */
	{0x80000002, {~0u, ~0u, ~0u, ~0u}},       /* brand string */
	{0x80000003, {~0u, ~0u, ~0u, ~0u}},
	{0x80000004, {~0u, ~0u, ~0u, ~0u}},
	{0x80000006, {0, 0, ~0u, 0}},             /* L2 cache */
	{0x80000008, {0xffff, 0, 0, 0}},          /* physical and linear address bits */
};
/* clang-format on */

static uint32_t *reg_in(struct cpuid_regs *r, unsigned reg)
{
	switch (reg) {
	case REG_EAX:
		return &r->eax;
	case REG_EBX:
		return &r->ebx;
	case REG_ECX:
		return &r->ecx;
	default:
		return &r->edx;
	}
}

/* The table's answer for a leaf that is in range and a subleaf that is kept, or NULL. */
static const struct cpuid_regs *answer(const struct cpuid_table *t, uint32_t leaf, uint32_t subleaf)
{
	if (leaf >= EXT_BASE)
		return leaf <= t->ext_max ? &t->ext[leaf - EXT_BASE] : NULL;
	if (t->is_kvm && (leaf == KVM_CPUID_SIGNATURE || leaf == KVM_CPUID_FEATURES))
		return &t->kvm[leaf - KVM_CPUID_SIGNATURE];
	if (leaf > t->basic_max)
		return NULL;
	switch (leaf) {
	case 4:
		return subleaf < ARRAY_SIZE(t->sub4) ? &t->sub4[subleaf] : NULL;
	case 7:
		return subleaf < ARRAY_SIZE(t->sub7) ? &t->sub7[subleaf] : NULL;
	case 0xb:
	case 0x1f:
		return subleaf < ARRAY_SIZE(t->subb) ? &t->subb[subleaf] : NULL;
	case 0xd:
		return subleaf < ARRAY_SIZE(t->subd) ? &t->subd[subleaf] : NULL;
	default:
		return &t->basic[leaf];
	}
}

struct cpuid_regs cpuid_lookup_slow(const struct cpuid_table *table, uint32_t leaf,
				    uint32_t subleaf)
{
	const struct cpuid_regs *r;

	/* SDM, 'CPUID': 'If a value entered for CPUID.EAX is higher than the maximum input value
	 * for basic or extended function [...] the data for the highest basic information leaf is
	 * returned.' */
	if (leaf > table->basic_max && !answer(table, leaf, 0))
		leaf = table->basic_max;
	r = answer(table, leaf, subleaf);
	if (r)
		return *r;
	/* 'If an input value n in ECX returns the invalid level-type of 0, other input values with
	 * ECX > n also return 0': but for the subleaf's number and the x2APIC ID. */
	if (leaf == 0xb || leaf == 0x1f)
		return (struct cpuid_regs){.ecx = subleaf & 0xff, .edx = table->subb[0].edx};
	return (struct cpuid_regs){0};
}

bool cpuid_has(const struct cpuid_table *table, uint32_t leaf, uint32_t subleaf, unsigned reg,
	       unsigned bit)
{
	const struct cpuid_regs *r = answer(table, leaf, subleaf);
	struct cpuid_regs copy;

	if (!r)
		return false;
	copy = *r;
	return *reg_in(&copy, reg) >> bit & 1;
}

/* --- the parts that follow the vCPU's state -----------------------------------------------------
 */

static void set_bit(uint32_t *reg, unsigned bit, bool value)
{
	*reg = (*reg & ~BIT(bit)) | (uint32_t)value << bit;
}

void cpuid_update_osxsave(struct cpuid_table *table, bool cr4_osxsave)
{
	set_bit(&table->basic[1].ecx, 27, cr4_osxsave);
}

void cpuid_update_ospke(struct cpuid_table *table, bool cr4_pke)
{
	set_bit(&table->sub7[0].ecx, 4, cr4_pke);
}

void cpuid_update_apic_enable(struct cpuid_table *table, bool is_enabled)
{
	set_bit(&table->basic[1].edx, 9, is_enabled);
}

/* The bytes of an XSAVE area for `components`: SDM, 'XSAVE Area'. The legacy region and the header
 * always count. */
static uint32_t xsave_size(const struct cpuid_table *t, uint64_t components, bool is_compacted)
{
	uint32_t size = 512 + 64;

	for (unsigned i = 2; i < ARRAY_SIZE(t->subd); i++) {
		const struct cpuid_regs *c = &t->subd[i];

		if (!(components & BIT_ULL(i)))
			continue;
		if (!is_compacted)
			size = MAX(size, c->ebx + c->eax);
		else
			size = ((c->ecx & BIT(1)) ? ALIGN_UP(size, 64u) : size) + c->eax;
	}
	return size;
}

void cpuid_update_xcr0(struct cpuid_table *table, uint64_t xcr0, uint64_t xss)
{
	if (!table->subd[0].eax)
		return;
	table->subd[0].ebx = xsave_size(table, xcr0, false);
	/* SDM, 'CPUID': 'If EAX[3] is enumerated as 0 and EAX[1] is enumerated as 1, EBX enumerates
	 * the size of the XSAVE area containing all states enabled by XCR0. If EAX[1] and EAX[3]
	 * are both enumerated as 0, EBX enumerates zero.' */
	if (table->subd[1].eax & BIT(1))
		table->subd[1].ebx = xsave_size(table, xcr0 | xss, true);
}

/* --- building -----------------------------------------------------------------------------------
 */

/* The bit in the table that a feature's row stands for. */
static uint32_t *feature_reg(struct cpuid_table *t, const struct cpuid_feature *f)
{
	return reg_in((struct cpuid_regs *)answer(t, f->leaf, f->subleaf), f->reg);
}

static bool feature_is_shown(struct cpuid_table *t, const struct cpuid_feature *f)
{
	return *feature_reg(t, f) >> f->bit & 1;
}

/* Sets a bit in `removed` for each feature that the configuration takes away. */
static int parse_delta(const struct cpuid_config *config, uint64_t *removed, char *bad,
		       size_t bad_size)
{
	size_t at = 0;

	while (at < config->delta_len) {
		const char *word = config->delta + at;
		const char *comma = memchr(word, ',', config->delta_len - at);
		size_t len = comma ? (size_t)(comma - word) : config->delta_len - at;
		const struct cpuid_feature *f = NULL;

		if (word[0] == '-')
			f = cpuid_feature_find(word + 1, len - 1);
		if (!f) {
			size_t n = MIN(len, bad_size - 1);

			memcpy(bad, word, n);
			bad[n] = '\0';
			return -EINVAL;
		}
		bitmap_set(removed, (unsigned)(f - cpuid_features));
		at += len + 1;
	}
	return 0;
}

static bool is_condition_met(const struct cpuid_feature *f, const struct cpuid_config *config)
{
	struct cpuid_regs host;

	switch ((enum cpuid_condition)f->condition) {
	case CPUID_ALWAYS:
		return true;
	case CPUID_IF_X2APIC:
		return config->has_x2apic;
	case CPUID_IF_DEADLINE:
		return config->has_tsc_deadline;
	case CPUID_IF_INVARIANT_TSC:
		return config->has_invariant_tsc;
	case CPUID_HOST_RANDOM:
		if (config->is_rdrand_hidden)
			return false;
		break;
	case CPUID_HOST_XSAVEC:
		if (config->is_xsavec_broken)
			return false;
		break;
	case CPUID_HOST:
		break;
	}
	host = config->host(f->leaf & EXT_BASE, 0);
	if (host.eax < f->leaf)
		return false;
	/* 'If ECX contains an invalid sub-leaf index' of leaf 7: beyond the count in subleaf 0. */
	if (f->leaf == 7 && f->subleaf && config->host(7, 0).eax < f->subleaf)
		return false;
	host = config->host(f->leaf, f->subleaf);
	return *reg_in(&host, f->reg) >> f->bit & 1;
}

/* The state components that the CPU has, describes, and Carousel switches. */
static uint64_t usable_xcr0(const struct cpuid_config *config)
{
	uint64_t usable;

	if (config->host(0, 0).eax < 0xd)
		return 0;
	usable = config->host(0xd, 0).eax & config->xcr0_supported;
	for (unsigned i = 2; i < 32; i++)
		if ((usable & BIT_ULL(i)) && (i >= CPUID_SUB_MAX || !config->host(0xd, i).eax))
			usable &= ~BIT_ULL(i);
	return usable;
}

static void build_features(struct cpuid_table *t, const struct cpuid_config *config,
			   const uint64_t *removed)
{
	uint64_t usable = usable_xcr0(config);
	uint32_t xcr0 = 0;

	for (unsigned i = 0; i < cpuid_feature_count; i++) {
		const struct cpuid_feature *f = &cpuid_features[i];

		if (!answer(t, f->leaf, f->subleaf) || bitmap_is_set(removed, i) ||
		    (f->xcr0 & usable) != f->xcr0 || !is_condition_met(f, config))
			continue;
		if (f->needs &&
		    !feature_is_shown(t, cpuid_feature_find(f->needs, strlen(f->needs))))
			continue;
		set_bit(feature_reg(t, f), f->bit, true);
		xcr0 |= f->xcr0;
	}
	if (t->sub7[1].eax || t->sub7[1].edx)
		t->sub7[0].eax = 1;

	/* XCR0 may have what the features that are shown use. */
	t->subd[0].eax = xcr0;
	for (unsigned i = 2; i < CPUID_SUB_MAX; i++) {
		if (!(xcr0 & BIT(i)))
			continue;
		t->subd[i] = config->host(0xd, i);
		t->subd[i].ecx &= BIT(1); /* bit 0 would say that IA32_XSS has it */
		t->subd[i].edx = 0;
	}
	if (xcr0)
		t->subd[0].ecx = xsave_size(t, xcr0, false);
	cpuid_update_xcr0(t, 1, 0);
}

static void build_fields(struct cpuid_table *t, const struct cpuid_config *config)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint32_t leaf = fields[i].leaf;
		struct cpuid_regs *r = (struct cpuid_regs *)answer(t, leaf, 0);
		struct cpuid_regs host;

		if (!r || config->host(leaf & EXT_BASE, 0).eax < leaf)
			continue;
		host = config->host(leaf, 0);
		for (unsigned reg = REG_EAX; reg <= REG_EDX; reg++) {
			struct cpuid_regs mask = fields[i].mask;

			*reg_in(r, reg) = *reg_in(&host, reg) & *reg_in(&mask, reg);
		}
	}
	t->basic[0].eax = t->basic_max;
	t->ext[0].eax = t->ext_max;
}

/* The threads of a core share its caches of the first two levels, the cores of a package the rest.
 */
static void build_topology(struct cpuid_table *t, const struct cpuid_config *config,
			   uint32_t apic_id)
{
	const struct topology *topology = &config->topology;
	uint32_t core_shift = topology_core_shift(topology);
	uint32_t socket_shift = topology_socket_shift(topology);
	/* Addressable IDs: of threads in a core and in the package, of cores in the package. */
	uint32_t core_ids = 1u << core_shift, ids = 1u << socket_shift;
	uint32_t cores = ids >> core_shift;

	t->basic[1].ebx |= ids << 16 | (apic_id & 0xff) << 24;
	set_bit(&t->basic[1].edx, 28, ids > 1); /* HTT: bits 23:16 of EBX are valid */

	/* Level type 1: SMT, 2: core. EAX: how far to shift the ID right for the next level's. */
	t->subb[0] = (struct cpuid_regs){
		.eax = core_shift, .ebx = topology->threads, .ecx = 1 << 8, .edx = apic_id};
	t->subb[1] = (struct cpuid_regs){.eax = socket_shift,
					 .ebx = topology->threads * topology->cores,
					 .ecx = 2 << 8 | 1,
					 .edx = apic_id};

	if (config->host(0, 0).eax < 4)
		return;
	for (uint32_t i = 0; i < CPUID_SUB_MAX; i++) {
		struct cpuid_regs r = config->host(4, i);
		uint32_t level = r.eax >> 5 & 7;

		if (!(r.eax & 0x1f)) /* type 0: no more caches */
			break;
		r.eax &= 0x3fff;
		r.eax |= (cores - 1) << 26 | ((level >= 3 ? ids : core_ids) - 1) << 14;
		t->sub4[i] = r;
	}
}

static void build_kvm(struct cpuid_table *t, const struct cpuid_config *config)
{
	uint32_t signature[3];

	t->is_kvm = !config->is_kvm_off;
	memcpy(signature, KVM_SIGNATURE, sizeof(signature));
	t->kvm[0] =
		(struct cpuid_regs){KVM_CPUID_FEATURES, signature[0], signature[1], signature[2]};
	t->kvm[1] = (struct cpuid_regs){.eax = config->kvm_features, .edx = config->kvm_hints};
}

int cpuid_build(struct cpuid_table *table, const struct cpuid_config *config, uint32_t apic_id,
		char *bad, size_t bad_size)
{
	uint64_t removed[BITMAP_WORDS(CPUID_FEATURES_MAX)] = {0};
	int err = parse_delta(config, removed, bad, bad_size);

	if (err)
		return err;
	memset(table, 0, sizeof(*table));
	/* Leaves 0xB and 0x1F are ours, whatever the host has; what it lacks below them is zero. */
	table->basic_max = BASIC_MAX;
	table->ext_max = MIN(config->host(EXT_BASE, 0).eax, EXT_MAX);
	table->plain = ~(uint32_t)(BIT(4) | BIT(7) | BIT(0xb) | BIT(0xd) | BIT(0x1f));
	build_fields(table, config);
	build_features(table, config, removed);
	build_topology(table, config, apic_id);
	build_kvm(table, config);
	cpuid_update_apic_enable(table, true);
	return 0;
}
