/* The features that a guest can be told: one row for each CPUID bit, with what must be true for it.
 * What has no row is hidden. Pure. */
#ifndef GUEST_CPUID_FEATURES_H
#define GUEST_CPUID_FEATURES_H

#include "lib/types.h"

enum cpuid_reg { REG_EAX, REG_EBX, REG_ECX, REG_EDX };

/* What must be true besides a feature's `needs` and `xcr0`. */
enum cpuid_condition {
	CPUID_HOST = 0,    /* the host has the bit */
	CPUID_HOST_RANDOM, /* the same, and the configuration does not hide it */
	CPUID_HOST_XSAVEC, /* the same, and it was found to work */
	CPUID_ALWAYS,
	CPUID_IF_X2APIC, /* the configuration says so: emulated, whatever the host has */
	CPUID_IF_DEADLINE,
	CPUID_IF_INVARIANT_TSC,
};

struct cpuid_feature {
	const char *name; /* as Linux' /proc/cpuinfo or its cpufeatures.h has it */
	uint32_t leaf;
	uint8_t subleaf, reg, bit;
	uint8_t condition; /* enum cpuid_condition */
	uint16_t xcr0;     /* the state components that it uses: switched, or it is hidden */
	const char *needs; /* a feature of an earlier row without which it makes no sense */
};

extern const struct cpuid_feature cpuid_features[];
extern const unsigned cpuid_feature_count;
#define CPUID_FEATURES_MAX 128 /* at least the count */

/* The row of that name (`len` bytes, not terminated), or NULL. */
const struct cpuid_feature *cpuid_feature_find(const char *name, size_t len);

#endif
