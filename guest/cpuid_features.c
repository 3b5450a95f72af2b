/* The table of CPUID features. Hidden on purpose, by having no row: VMX, SMX, SGX, MONITOR, power
 * and thermal control, debug store, performance counters and Intel PT (not emulated); TSC_ADJUST,
 * IA32_XSS (XSAVES), CET, AMX, MPX, protection keys for supervisor pages, SPEC_CTRL and its kin
 * (not switched); WAITPKG, ENQCMD, PCONFIG, Key Locker; TSX; LA57 (the page walk is 4-level). */
#include "guest/cpuid_features.h"
#include "lib/string.h"

#define XCR0_X87_SSE 0x003u
#define XCR0_AVX     0x004u
#define XCR0_AVX512  0x0e0u
#define XCR0_PKRU    0x200u

#define F(n, l, s, r, b, ...)                                                                      \
	{                                                                                          \
		.name = n, .leaf = l, .subleaf = s, .reg = r, .bit = b, ##__VA_ARGS__              \
	}

/* clang-format off */
const struct cpuid_feature cpuid_features[] = {
	F("pni", 1, 0, REG_ECX, 0),
	F("pclmulqdq", 1, 0, REG_ECX, 1),
	F("ssse3", 1, 0, REG_ECX, 9),
	F("cx16", 1, 0, REG_ECX, 13),
	F("pcid", 1, 0, REG_ECX, 17),
	F("sse4_1", 1, 0, REG_ECX, 19),
	F("sse4_2", 1, 0, REG_ECX, 20),
	F("x2apic", 1, 0, REG_ECX, 21, .condition = CPUID_IF_X2APIC),
	F("movbe", 1, 0, REG_ECX, 22),
	F("popcnt", 1, 0, REG_ECX, 23),
	F("tsc_deadline_timer", 1, 0, REG_ECX, 24, .condition = CPUID_IF_DEADLINE),
	F("aes", 1, 0, REG_ECX, 25),
	F("xsave", 1, 0, REG_ECX, 26, .xcr0 = XCR0_X87_SSE),
	F("avx", 1, 0, REG_ECX, 28, .xcr0 = XCR0_AVX, .needs = "xsave"),
	F("fma", 1, 0, REG_ECX, 12, .needs = "avx"),
	F("f16c", 1, 0, REG_ECX, 29, .needs = "avx"),
	F("rdrand", 1, 0, REG_ECX, 30, .condition = CPUID_HOST_RANDOM),
	F("hypervisor", 1, 0, REG_ECX, 31, .condition = CPUID_ALWAYS),

	F("fpu", 1, 0, REG_EDX, 0),
	F("vme", 1, 0, REG_EDX, 1),
	F("de", 1, 0, REG_EDX, 2),
	F("pse", 1, 0, REG_EDX, 3),
	F("tsc", 1, 0, REG_EDX, 4),
	F("msr", 1, 0, REG_EDX, 5),
	F("pae", 1, 0, REG_EDX, 6),
	F("mce", 1, 0, REG_EDX, 7),
	F("cx8", 1, 0, REG_EDX, 8),
	F("sep", 1, 0, REG_EDX, 11),
	F("mtrr", 1, 0, REG_EDX, 12),
	F("pge", 1, 0, REG_EDX, 13),
	F("mca", 1, 0, REG_EDX, 14),
	F("cmov", 1, 0, REG_EDX, 15),
	F("pat", 1, 0, REG_EDX, 16),
	F("pse36", 1, 0, REG_EDX, 17),
	F("clflush", 1, 0, REG_EDX, 19),
	F("mmx", 1, 0, REG_EDX, 23),
	F("fxsr", 1, 0, REG_EDX, 24),
	F("sse", 1, 0, REG_EDX, 25),
	F("sse2", 1, 0, REG_EDX, 26),
	F("ss", 1, 0, REG_EDX, 27),

	/* The virtual APIC timer never stops. */
	F("arat", 6, 0, REG_EAX, 2, .condition = CPUID_ALWAYS),

	F("fsgsbase", 7, 0, REG_EBX, 0),
	F("bmi1", 7, 0, REG_EBX, 3),
	F("avx2", 7, 0, REG_EBX, 5, .needs = "avx"),
	F("fdp_excptn_only", 7, 0, REG_EBX, 6),
	F("smep", 7, 0, REG_EBX, 7),
	F("bmi2", 7, 0, REG_EBX, 8),
	F("erms", 7, 0, REG_EBX, 9),
	F("zero_fcs_fds", 7, 0, REG_EBX, 13),
	F("invpcid", 7, 0, REG_EBX, 10, .needs = "pcid"),
	F("avx512f", 7, 0, REG_EBX, 16, .xcr0 = XCR0_AVX512, .needs = "avx2"),
	F("avx512dq", 7, 0, REG_EBX, 17, .needs = "avx512f"),
	F("rdseed", 7, 0, REG_EBX, 18, .condition = CPUID_HOST_RANDOM),
	F("adx", 7, 0, REG_EBX, 19),
	F("smap", 7, 0, REG_EBX, 20),
	F("avx512ifma", 7, 0, REG_EBX, 21, .needs = "avx512f"),
	F("clflushopt", 7, 0, REG_EBX, 23),
	F("clwb", 7, 0, REG_EBX, 24),
	F("avx512pf", 7, 0, REG_EBX, 26, .needs = "avx512f"),
	F("avx512er", 7, 0, REG_EBX, 27, .needs = "avx512f"),
	F("avx512cd", 7, 0, REG_EBX, 28, .needs = "avx512f"),
	F("sha_ni", 7, 0, REG_EBX, 29),
	F("avx512bw", 7, 0, REG_EBX, 30, .needs = "avx512f"),
	F("avx512vl", 7, 0, REG_EBX, 31, .needs = "avx512f"),

	F("avx512vbmi", 7, 0, REG_ECX, 1, .needs = "avx512f"),
	F("umip", 7, 0, REG_ECX, 2),
	F("pku", 7, 0, REG_ECX, 3, .xcr0 = XCR0_PKRU, .needs = "xsave"),
	F("avx512_vbmi2", 7, 0, REG_ECX, 6, .needs = "avx512f"),
	F("gfni", 7, 0, REG_ECX, 8),
	F("vaes", 7, 0, REG_ECX, 9, .needs = "avx"),
	F("vpclmulqdq", 7, 0, REG_ECX, 10, .needs = "avx"),
	F("avx512_vnni", 7, 0, REG_ECX, 11, .needs = "avx512f"),
	F("avx512_bitalg", 7, 0, REG_ECX, 12, .needs = "avx512f"),
	F("avx512_vpopcntdq", 7, 0, REG_ECX, 14, .needs = "avx512f"),
	F("cldemote", 7, 0, REG_ECX, 25),
	F("movdiri", 7, 0, REG_ECX, 27),
	F("movdir64b", 7, 0, REG_ECX, 28),

	F("avx512_4vnniw", 7, 0, REG_EDX, 2, .needs = "avx512f"),
	F("avx512_4fmaps", 7, 0, REG_EDX, 3, .needs = "avx512f"),
	/* Linux hangs on FSRM without ERMS. */
	F("fsrm", 7, 0, REG_EDX, 4, .needs = "erms"),
	F("avx512_vp2intersect", 7, 0, REG_EDX, 8, .needs = "avx512f"),
	F("md_clear", 7, 0, REG_EDX, 10),
	F("serialize", 7, 0, REG_EDX, 14),
	F("avx512_fp16", 7, 0, REG_EDX, 23, .needs = "avx512f"),

	F("sha512", 7, 1, REG_EAX, 0, .needs = "avx"),
	F("sm3", 7, 1, REG_EAX, 1, .needs = "avx"),
	F("sm4", 7, 1, REG_EAX, 2, .needs = "avx"),
	F("avx_vnni", 7, 1, REG_EAX, 4, .needs = "avx"),
	F("avx512_bf16", 7, 1, REG_EAX, 5, .needs = "avx512f"),
	F("cmpccxadd", 7, 1, REG_EAX, 7),
	F("fzrm", 7, 1, REG_EAX, 10, .needs = "erms"),
	F("fsrs", 7, 1, REG_EAX, 11, .needs = "erms"),
	F("fsrc", 7, 1, REG_EAX, 12, .needs = "erms"),
	F("avx_ifma", 7, 1, REG_EAX, 23, .needs = "avx"),
	F("avx_vnni_int8", 7, 1, REG_EDX, 4, .needs = "avx"),
	F("avx_ne_convert", 7, 1, REG_EDX, 5, .needs = "avx"),
	F("avx_vnni_int16", 7, 1, REG_EDX, 10, .needs = "avx"),
	F("prefetchi", 7, 1, REG_EDX, 14),

	F("xsaveopt", 0xd, 1, REG_EAX, 0, .needs = "xsave"),
	F("xsavec", 0xd, 1, REG_EAX, 1, .needs = "xsave", .condition = CPUID_HOST_XSAVEC),
	F("xgetbv1", 0xd, 1, REG_EAX, 2, .needs = "xsave"),

	F("lahf_lm", 0x80000001, 0, REG_ECX, 0),
	F("abm", 0x80000001, 0, REG_ECX, 5),
	F("3dnowprefetch", 0x80000001, 0, REG_ECX, 8),
	F("syscall", 0x80000001, 0, REG_EDX, 11),
	F("nx", 0x80000001, 0, REG_EDX, 20),
	F("pdpe1gb", 0x80000001, 0, REG_EDX, 26),
	F("rdtscp", 0x80000001, 0, REG_EDX, 27),
	F("lm", 0x80000001, 0, REG_EDX, 29),
	F("rdpid", 7, 0, REG_ECX, 22, .needs = "rdtscp"),
	F("nonstop_tsc", 0x80000007, 0, REG_EDX, 8, .condition = CPUID_IF_INVARIANT_TSC),
};
/* clang-format on */

const unsigned cpuid_feature_count = ARRAY_SIZE(cpuid_features);
_Static_assert(ARRAY_SIZE(cpuid_features) <= CPUID_FEATURES_MAX, "raise CPUID_FEATURES_MAX");

const struct cpuid_feature *cpuid_feature_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < cpuid_feature_count; i++)
		if (strlen(cpuid_features[i].name) == len &&
		    !memcmp(cpuid_features[i].name, name, len))
			return &cpuid_features[i];
	return NULL;
}
