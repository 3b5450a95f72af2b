/* The CPUID policy: what a guest is told, from what the host has and what the hypervisor really
 * switches, emulates or passes through. One table; a vCPU's answers are computed when it is built,
 * so that the exit is a look-up. Pure. */
#ifndef GUEST_CPUID_H
#define GUEST_CPUID_H

#include "cpu/insn.h"
#include "guest/topology.h"
#include "lib/types.h"

#define CPUID_BASIC_MAX 0x20u /* leaves 0 .. 0x1f */
#define CPUID_EXT_MAX   9u    /* 0x80000000 .. 0x80000008 */
#define CPUID_SUB_MAX   16u   /* subleaves kept of leaf 4 and 0xd */

struct cpuid_config {
	/* The host's CPUID: cpu/insn.h's, or a table in a test. */
	struct cpuid_regs (*host)(uint32_t leaf, uint32_t subleaf);
	uint64_t xcr0_supported; /* host XCR0 bits that Carousel switches */
	uint32_t kvm_features;   /* leaf 0x40000001 EAX; 0 with kvm_off */
	uint32_t kvm_hints;      /* its EDX */
	bool is_kvm_off;         /* no KVM leaves and no hypervisor signature (bit 31 stays set) */
	bool has_tsc_deadline, has_x2apic, has_invariant_tsc;
	bool is_rdrand_hidden;
	bool is_xsavec_broken; /* XSAVEC of this host (Bochs 2.7's) loses state: not told of */
	const char *delta;     /* cpuid=-name,-name: not terminated */
	size_t delta_len;
	struct topology topology; /* of the VM's vCPUs; all at least 1 */
};

struct cpuid_table {
	uint32_t basic_max, ext_max; /* highest leaf of each range */
	uint32_t plain;              /* bit n: basic leaf n is in range and does not look at ECX */
	bool is_kvm;
	struct cpuid_regs basic[CPUID_BASIC_MAX];
	struct cpuid_regs sub4[CPUID_SUB_MAX], sub7[2], subb[2], subd[CPUID_SUB_MAX];
	struct cpuid_regs kvm[2]; /* 0x40000000, 0x40000001 */
	struct cpuid_regs ext[CPUID_EXT_MAX];
};

/* Fills the table for the vCPU with APIC ID `apic_id`, as after a reset (XCR0 1, CR4 0, APIC
 * enabled). 0; or -EINVAL when `delta` has a word that is not '-' and the name of a feature that
 * can be taken away, which is then in `bad` (terminated, cut to its size). */
int __must_check cpuid_build(struct cpuid_table *table, const struct cpuid_config *config,
			     uint32_t apic_id, char *bad, size_t bad_size);

/* cpuid_lookup for what its fast path does not answer. */
struct cpuid_regs cpuid_lookup_slow(const struct cpuid_table *table, uint32_t leaf,
				    uint32_t subleaf);

/* Is table->basic[leaf] the answer, whatever the subleaf? */
static inline bool cpuid_is_plain(const struct cpuid_table *table, uint32_t leaf)
{
	return leaf < CPUID_BASIC_MAX && (table->plain >> leaf & 1);
}

/* What CPUID gives: out-of-range basic leaves give the highest basic leaf's answer, as Intel's do;
 * unknown hypervisor and extended leaves likewise, as KVM gives them. */
static inline struct cpuid_regs cpuid_lookup(const struct cpuid_table *table, uint32_t leaf,
					     uint32_t subleaf)
{
	if (likely(cpuid_is_plain(table, leaf)))
		return table->basic[leaf];
	return cpuid_lookup_slow(table, leaf, subleaf);
}

/* The parts that follow the vCPU's state: CR4.OSXSAVE, CR4.PKE, XCR0 (sizes in leaf 0xD),
 * IA32_APIC_BASE's enable bit. The owner calls them when the state changes. */
void cpuid_update_osxsave(struct cpuid_table *table, bool cr4_osxsave);
void cpuid_update_ospke(struct cpuid_table *table, bool cr4_pke);
void cpuid_update_xcr0(struct cpuid_table *table, uint64_t xcr0, uint64_t xss);
void cpuid_update_apic_enable(struct cpuid_table *table, bool is_enabled);

/* Is the feature bit told to the guest? For MSR and CR policies: `reg` 0-3 for EAX-EDX. */
bool cpuid_has(const struct cpuid_table *table, uint32_t leaf, uint32_t subleaf, unsigned reg,
	       unsigned bit);

/* The width of physical addresses: the host's own. 'If CPUID.80000008H is not supported, it is 36.'
 */
static inline unsigned cpuid_maxphyaddr(const struct cpuid_table *table)
{
	unsigned bits = table->ext[8].eax & 0xff;

	return bits ? bits : 36;
}

/* The bits that the guest may set in XCR0. */
static inline uint64_t cpuid_xcr0_allowed(const struct cpuid_table *table)
{
	return (uint64_t)table->subd[0].edx << 32 | table->subd[0].eax;
}

#endif
