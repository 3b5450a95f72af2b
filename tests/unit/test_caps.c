/* VMX capabilities against made-up MSRs and those of a Skylake-X. Quotes: SDM, 'VMX Capability
 * Reporting Facility' and 'Algorithms for Determining VMX Capabilities'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/errno.h"
#include "vmx/caps.h"
#include "vmx/vmcs.h"

#define BASIC 0x480u
#define LAST  0x491u
#define MSRS  (LAST - BASIC + 1)

enum {
	PIN = 0x481,
	PRIMARY,
	EXIT,
	ENTRY,
	MISC,
	CR0_FIXED0,
	CR0_FIXED1,
	CR4_FIXED0,
	CR4_FIXED1,
	SECONDARY = 0x48b,
	EPT_VPID,
	TRUE_PIN,
	TRUE_PRIMARY,
	TRUE_EXIT,
	TRUE_ENTRY,
};

/* Measured: what the emulator's corei7_skylake_x answers. */
static const uint64_t skylake_x[MSRS] = {
	[BASIC - BASIC] = 0x00d810000000002b,
	[PIN - BASIC] = 0x0000007f00000016,
	[PRIMARY - BASIC] = 0xf7f9fffe0401e172,
	[EXIT - BASIC] = 0x007fffff00036dff,
	[ENTRY - BASIC] = 0x0000ffff000011ff,
	[MISC - BASIC] = 0x00000000600401e0,
	[CR0_FIXED0 - BASIC] = 0x80000021,
	[CR0_FIXED1 - BASIC] = 0xffffffff,
	[CR4_FIXED0 - BASIC] = 0x2000,
	[CR4_FIXED1 - BASIC] = 0x3727ff,
	[0x48a - BASIC] = 0x34,
	[SECONDARY - BASIC] = 0x02177fff00000000,
	[EPT_VPID - BASIC] = 0x00000f0106334141,
	[TRUE_PIN - BASIC] = 0x0000007f00000016,
	[TRUE_PRIMARY - BASIC] = 0xf7f9fffe04006172,
	[TRUE_EXIT - BASIC] = 0x007fffff00036dfb,
	[TRUE_ENTRY - BASIC] = 0x0000ffff000011fb,
	[0x491 - BASIC] = 1,
};

static uint64_t msr[MSRS];
static bool was_read[MSRS];
static struct vmx_caps caps;
static char error[VMX_ERROR_MAX];

static uint64_t read_msr(uint32_t number)
{
	assert_in_range(number, BASIC, LAST);
	was_read[number - BASIC] = true;
	return msr[number - BASIC];
}

static int setup(void **state)
{
	(void)state;
	memcpy(msr, skylake_x, sizeof(msr));
	memset(was_read, 0, sizeof(was_read));
	memset(&caps, 0xa5, sizeof(caps));
	memset(error, 0xa5, sizeof(error));
	return 0;
}

static int read_caps(void)
{
	return vmx_caps_read(&caps, read_msr, error, sizeof(error));
}

/* Takes bits away from the allowed-1 half of a control MSR, as from the CPU. */
static void take(unsigned number, uint32_t bits)
{
	msr[number - BASIC] &= ~((uint64_t)bits << 32);
}

/* 'Bits 31:0 indicate the allowed 0-settings [...]: bit X of the control may be 0 if bit X in the
 * MSR is cleared to 0. [...] Bits 63:32 indicate the allowed 1-settings.' */
static void test_fit(void **state)
{
	uint32_t word;

	(void)state;
	assert_int_equal(vmx_fit_control(0x000000ff00000016, 0x81, 0, &word), 0);
	assert_int_equal(word, 0x97);
	/* A required bit that is not allowed is named, and not set. */
	assert_int_equal(vmx_fit_control(0x000000fe00000016, 0x181, 0, &word), 0x101);
	assert_int_equal(word, 0x96);
	/* An optional one is set where it is allowed. */
	assert_int_equal(vmx_fit_control(0x000000ff00000000, 1, 0x1f2, &word), 0);
	assert_int_equal(word, 0xf3);
	assert_int_equal(vmx_fit_control(0xffffffff00000000, 0, UINT32_MAX, &word), 0);
	assert_int_equal(word, UINT32_MAX);
}

static void test_skylake_x(void **state)
{
	(void)state;
	assert_int_equal(read_caps(), 0);
	assert_string_equal(error, "");
	assert_int_equal(caps.revision, 0x2b);
	assert_true(caps.has_true_controls);
	assert_true(caps.has_ins_outs_information);
	/* Each word: what must be 1 by the true MSR, what Carousel wants, and nothing else. */
	assert_int_equal(caps.pin, 0x16 | 0x01 | 0x08 | 0x20 | 0x40);
	assert_int_equal(caps.primary,
			 0x04006172 | PRIMARY_USE_TSC_OFFSETTING | PRIMARY_HLT_EXITING |
				 PRIMARY_MWAIT_EXITING | PRIMARY_MONITOR_EXITING |
				 PRIMARY_RDPMC_EXITING | PRIMARY_CR8_LOAD_EXITING |
				 PRIMARY_CR8_STORE_EXITING | PRIMARY_USE_IO_BITMAPS |
				 PRIMARY_USE_MSR_BITMAPS | PRIMARY_SECONDARY_CONTROLS);
	/* CR3 does not exit: the true MSR permits it, the other one does not. */
	assert_false(caps.primary & (PRIMARY_CR3_LOAD_EXITING | PRIMARY_CR3_STORE_EXITING));
	assert_int_equal(caps.secondary, SECONDARY_ENABLE_EPT | SECONDARY_UNRESTRICTED_GUEST |
						 SECONDARY_ENABLE_RDTSCP | SECONDARY_ENABLE_VPID |
						 SECONDARY_WBINVD_EXITING |
						 SECONDARY_ENABLE_INVPCID |
						 SECONDARY_PAUSE_LOOP_EXITING);
	assert_int_equal(caps.exit, 0x00036dfb | EXIT_SAVE_DEBUG_CONTROLS |
					    EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_SAVE_IA32_PAT |
					    EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_EFER |
					    EXIT_LOAD_IA32_EFER | EXIT_SAVE_PREEMPTION_TIMER);
	assert_int_equal(caps.entry, 0x000011fb | ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_IA32_PAT |
					     ENTRY_LOAD_IA32_EFER);
	assert_int_equal(caps.preemption_shift, 0);
	assert_true(caps.has_preemption_timer);
	assert_int_equal(caps.ept_max_leaf, SIZE_1G);
	assert_true(caps.has_ept_ad);
	assert_true(caps.has_invept_single);
	assert_true(caps.has_invvpid_single);
	assert_true(caps.has_invvpid_address);
}

/* A CPU that forces nothing and permits all: each word is what Carousel wants, bit by bit. */
static void test_what_is_wanted(void **state)
{
	static const unsigned words[] = {TRUE_PIN, TRUE_PRIMARY, TRUE_EXIT, TRUE_ENTRY, SECONDARY};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		msr[words[i] - BASIC] = (uint64_t)UINT32_MAX << 32;
	assert_int_equal(read_caps(), 0);
	assert_int_equal(caps.pin, 0x01 | 0x08 | 0x20 | 0x40);
	assert_int_equal(caps.primary, PRIMARY_USE_TSC_OFFSETTING | PRIMARY_HLT_EXITING |
					       PRIMARY_MWAIT_EXITING | PRIMARY_MONITOR_EXITING |
					       PRIMARY_RDPMC_EXITING | PRIMARY_CR8_LOAD_EXITING |
					       PRIMARY_CR8_STORE_EXITING | PRIMARY_USE_IO_BITMAPS |
					       PRIMARY_USE_MSR_BITMAPS |
					       PRIMARY_SECONDARY_CONTROLS);
	assert_int_equal(caps.exit, EXIT_SAVE_DEBUG_CONTROLS | EXIT_HOST_ADDRESS_SPACE_SIZE |
					    EXIT_SAVE_IA32_PAT | EXIT_LOAD_IA32_PAT |
					    EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_EFER |
					    EXIT_SAVE_PREEMPTION_TIMER);
	assert_int_equal(caps.entry,
			 ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_IA32_PAT | ENTRY_LOAD_IA32_EFER);
	/* And the secondary ones are a part of what may be: each of them is one of Carousel's. */
	assert_int_equal(caps.secondary & (SECONDARY_ENABLE_EPT | SECONDARY_UNRESTRICTED_GUEST |
					   SECONDARY_ENABLE_RDTSCP | SECONDARY_ENABLE_VPID),
			 SECONDARY_ENABLE_EPT | SECONDARY_UNRESTRICTED_GUEST |
				 SECONDARY_ENABLE_RDTSCP | SECONDARY_ENABLE_VPID);
}

/* 'If bit 55 [of IA32_VMX_BASIC] is read as 0, IA32_VMX_TRUE_[...] are not supported': reading them
 * gives #GP, and the default-1 class is as the other MSRs say. */
static void test_without_true_controls(void **state)
{
	(void)state;
	msr[0] &= ~BIT_ULL(55);
	assert_int_equal(read_caps(), 0);
	assert_false(caps.has_true_controls);
	for (unsigned i = TRUE_PIN; i <= TRUE_ENTRY; i++)
		assert_false(was_read[i - BASIC]);
	assert_true(caps.primary & PRIMARY_CR3_LOAD_EXITING);
	assert_int_equal(caps.exit & 0x4, 0x4);
}

/* 'If bit 54 is read as 1, [...] the VM-exit instruction-information field [is valid] on VM exits
 * due to execution of the INS and OUTS instructions'. */
static void test_without_ins_outs_information(void **state)
{
	(void)state;
	msr[0] &= ~BIT_ULL(54);
	assert_int_equal(read_caps(), 0);
	assert_false(caps.has_ins_outs_information);
	assert_true(caps.has_true_controls);
}

static void test_true_controls_alone_count(void **state)
{
	(void)state;
	for (unsigned i = PIN; i <= ENTRY; i++)
		msr[i - BASIC] = 0;
	assert_int_equal(read_caps(), 0);
	assert_true(caps.has_true_controls);
}

/* Each control that is required, taken away alone, is missing under the SDM's name. */
static void test_each_missing_control_is_named(void **state)
{
	static const struct {
		unsigned msr;
		uint32_t bit;
		const char *name;
	} control[] = {
		{TRUE_PIN, BIT(0), "'external-interrupt exiting'"},
		{TRUE_PIN, BIT(3), "'NMI exiting'"},
		{TRUE_PIN, BIT(5), "'virtual NMIs'"},
		{TRUE_PRIMARY, BIT(3), "'use TSC offsetting'"},
		{TRUE_PRIMARY, BIT(7), "'HLT exiting'"},
		{TRUE_PRIMARY, BIT(10), "'MWAIT exiting'"},
		{TRUE_PRIMARY, BIT(11), "'RDPMC exiting'"},
		{TRUE_PRIMARY, BIT(19), "'CR8-load exiting'"},
		{TRUE_PRIMARY, BIT(20), "'CR8-store exiting'"},
		{TRUE_PRIMARY, BIT(25), "'use I/O bitmaps'"},
		{TRUE_PRIMARY, BIT(28), "'use MSR bitmaps'"},
		{TRUE_PRIMARY, BIT(29), "'MONITOR exiting'"},
		{SECONDARY, BIT(1), "'enable EPT'"},
		{SECONDARY, BIT(7), "'unrestricted guest'"},
		{TRUE_EXIT, BIT(2), "'save debug controls'"},
		{TRUE_EXIT, BIT(9), "'host address-space size'"},
		{TRUE_EXIT, BIT(18), "'save IA32_PAT'"},
		{TRUE_EXIT, BIT(19), "'load IA32_PAT (exit)'"},
		{TRUE_EXIT, BIT(20), "'save IA32_EFER'"},
		{TRUE_EXIT, BIT(21), "'load IA32_EFER (exit)'"},
		{TRUE_ENTRY, BIT(2), "'load debug controls'"},
		{TRUE_ENTRY, BIT(14), "'load IA32_PAT (entry)'"},
		{TRUE_ENTRY, BIT(15), "'load IA32_EFER (entry)'"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(control); i++) {
		setup(state);
		take(control[i].msr, control[i].bit);
		assert_int_equal(read_caps(), -ENODEV);
		assert_string_equal(error, control[i].name);
	}
}

/* An Ivy-Bridge-like CPU without unrestricted guest (a Lynnfield). */
static void test_no_unrestricted_guest(void **state)
{
	(void)state;
	take(SECONDARY, SECONDARY_UNRESTRICTED_GUEST | SECONDARY_ENABLE_INVPCID);
	assert_int_equal(read_caps(), -ENODEV);
	assert_string_equal(error, "'unrestricted guest'");
	assert_false(was_read[EPT_VPID - BASIC]);
}

/* 'IA32_VMX_PROCBASED_CTLS2 [...] exists only on processors that support the 1-setting of the
 * "activate secondary controls" VM-execution control': RDMSR of it would give #GP. What cannot be
 * is named all the same: who reads the message wants to know of EPT. */
static void test_no_secondary_controls(void **state)
{
	(void)state;
	take(TRUE_PRIMARY, PRIMARY_SECONDARY_CONTROLS);
	assert_int_equal(read_caps(), -ENODEV);
	assert_false(was_read[SECONDARY - BASIC]);
	assert_false(was_read[EPT_VPID - BASIC]);
	assert_string_equal(error, "'activate secondary controls', 'enable EPT', "
				   "'unrestricted guest'");
}

/* A Penryn: no true controls, secondary controls but no EPT, no PAT and EFER switching. */
static void test_penryn(void **state)
{
	(void)state;
	msr[0] &= ~BIT_ULL(55);
	take(EXIT, 0xf << 18);
	take(ENTRY, 3 << 14);
	msr[SECONDARY - BASIC] = 0x0000004100000000;
	assert_int_equal(read_caps(), -ENODEV);
	assert_non_null(strstr(error, "'enable EPT', 'unrestricted guest'"));
	assert_non_null(strstr(error, "'load IA32_EFER (entry)'"));
	assert_null(strstr(error, "secondary"));
	assert_false(was_read[EPT_VPID - BASIC]);
}

static void describe(const char *wanted)
{
	char text[VMX_DESCRIPTION_MAX];

	assert_int_equal(read_caps(), 0);
	vmx_caps_describe(&caps, text, sizeof(text));
	assert_string_equal(text, wanted);
	assert_in_range(strlen(text), 1, sizeof(text) - 2);
}

/* A CPU with less is served by the next best, and the description says by which. */
static void test_description(void **state)
{
	describe("EPT leaves up to 1G with A/D, VPID, preemption timer");
	msr[EPT_VPID - BASIC] &= ~(BIT_ULL(17) | BIT_ULL(21));
	describe("EPT leaves up to 2M, VPID, preemption timer");
	msr[EPT_VPID - BASIC] &= ~(BIT_ULL(16) | BIT_ULL(25));
	describe("EPT leaves up to 4K, VPID, preemption timer, no single-context INVEPT (all VMs "
		 "flushed)");
	setup(state);
	take(TRUE_PIN, PIN_PREEMPTION_TIMER);
	take(SECONDARY, SECONDARY_ENABLE_VPID | SECONDARY_PAUSE_LOOP_EXITING);
	msr[MISC - BASIC] &= ~BIT_ULL(6);
	msr[EPT_VPID - BASIC] = BIT_ULL(6) | BIT_ULL(14) | BIT_ULL(20) | BIT_ULL(26);
	describe("EPT leaves up to 4K, no VPID (TLB flushed at each switch), no preemption timer "
		 "(LAPIC timer instead), no single-context INVEPT (all VMs flushed), no pause-loop "
		 "exiting (who spins keeps its slice), no HLT activity state (hlt-exit=off does "
		 "nothing)");
}

/* A message that does not fit is cut, and terminated. */
static void test_long_message(void **state)
{
	char small[24];

	(void)state;
	for (unsigned i = PIN; i <= TRUE_ENTRY; i++)
		if (i < MISC || i > EPT_VPID)
			msr[i - BASIC] = 0;
	assert_int_equal(vmx_caps_read(&caps, read_msr, small, sizeof(small)), -ENODEV);
	assert_string_equal(small, "'external-interrupt exi");
	assert_int_equal(read_caps(), -ENODEV);
	assert_true(strlen(error) < sizeof(error));
	assert_non_null(strstr(error, "'enable EPT'"));
}

/* EPT needs: a page walk of 4, write-back, INVEPT of some type. */
static void test_ept_capabilities(void **state)
{
	static const uint64_t needed[] = {BIT_ULL(6), BIT_ULL(14), BIT_ULL(20),
					  BIT_ULL(25) | BIT_ULL(26)};

	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
		setup(state);
		msr[EPT_VPID - BASIC] &= ~needed[i];
		assert_int_equal(read_caps(), -ENODEV);
		assert_non_null(strstr(error, "EPT"));
	}
	setup(state);
	msr[EPT_VPID - BASIC] &= ~(BIT_ULL(17) | BIT_ULL(21) | BIT_ULL(25));
	assert_int_equal(read_caps(), 0);
	assert_int_equal(caps.ept_max_leaf, SIZE_2M);
	assert_false(caps.has_ept_ad);
	assert_false(caps.has_invept_single);
	setup(state);
	msr[EPT_VPID - BASIC] &= ~(BIT_ULL(17) | BIT_ULL(16));
	assert_int_equal(read_caps(), 0);
	assert_int_equal(caps.ept_max_leaf, PAGE_SIZE);
}

/* A VPID that INVVPID cannot flush is not used. */
static void test_no_invvpid_no_vpid(void **state)
{
	static const unsigned bit[] = {32, 41};

	for (unsigned i = 0; i < ARRAY_SIZE(bit); i++) {
		setup(state);
		msr[EPT_VPID - BASIC] &= ~BIT_ULL(bit[i]);
		assert_int_equal(read_caps(), 0);
		assert_false(caps.secondary & SECONDARY_ENABLE_VPID);
	}
	setup(state);
	msr[EPT_VPID - BASIC] &= ~BIT_ULL(40);
	assert_int_equal(read_caps(), 0);
	assert_true(caps.secondary & SECONDARY_ENABLE_VPID);
	assert_false(caps.has_invvpid_address);
}

/* The preemption timer and its saving: both, or none. */
static void test_preemption_timer(void **state)
{
	static const struct {
		unsigned msr;
		uint32_t bit;
	} half[] = {{TRUE_PIN, PIN_PREEMPTION_TIMER}, {TRUE_EXIT, EXIT_SAVE_PREEMPTION_TIMER}};

	for (unsigned i = 0; i < ARRAY_SIZE(half); i++) {
		setup(state);
		take(half[i].msr, half[i].bit);
		assert_int_equal(read_caps(), 0);
		assert_false(caps.has_preemption_timer);
		assert_false(caps.pin & PIN_PREEMPTION_TIMER);
		assert_false(caps.exit & EXIT_SAVE_PREEMPTION_TIMER);
	}
	/* 'Bits 4:0 report a value X that specifies the relationship between the rate of the
	 * VMX-preemption timer and that of the TSC.' */
	setup(state);
	msr[MISC - BASIC] |= 5;
	assert_int_equal(read_caps(), 0);
	assert_int_equal(caps.preemption_shift, 5);
}

/* 'If bit X is 1 in IA32_VMX_CR0_FIXED0, then that bit of CR0 is fixed to 1 in VMX operation.
 * Similarly, if bit X is 0 in IA32_VMX_CR0_FIXED1, then that bit is fixed to 0'; but PE and PG may
 * be 0 with unrestricted guest. */
/* What VM entry's checks are held against is kept as it was read. */
static void test_raw_capabilities(void **state)
{
	(void)state;
	assert_int_equal(read_caps(), 0);
	assert_int_equal(caps.pin_allowed, msr[TRUE_PIN - BASIC]);
	assert_int_equal(caps.primary_allowed, msr[TRUE_PRIMARY - BASIC]);
	assert_int_equal(caps.secondary_allowed, msr[SECONDARY - BASIC]);
	assert_int_equal(caps.exit_allowed, msr[TRUE_EXIT - BASIC]);
	assert_int_equal(caps.entry_allowed, msr[TRUE_ENTRY - BASIC]);
	assert_int_equal(caps.basic, msr[0]);
	assert_int_equal(caps.misc, msr[MISC - BASIC]);
	assert_int_equal(caps.ept_vpid, msr[EPT_VPID - BASIC]);
	/* Without the true MSRs the others count. */
	msr[0] &= ~(1ull << 55);
	assert_int_equal(read_caps(), 0);
	assert_int_equal(caps.pin_allowed, msr[PIN - BASIC]);
	assert_int_equal(caps.primary_allowed, msr[PRIMARY - BASIC]);
	assert_int_equal(caps.exit_allowed, msr[EXIT - BASIC]);
	assert_int_equal(caps.entry_allowed, msr[ENTRY - BASIC]);
}

static struct cpuid_regs leaf_7, widths;
static uint32_t highest_leaf;

static struct cpuid_regs ask(uint32_t leaf, uint32_t subleaf)
{
	assert_int_equal(subleaf, 0);
	if (leaf == 0)
		return (struct cpuid_regs){.eax = highest_leaf};
	assert_true(leaf == 7 ? highest_leaf >= 7 : leaf == 0x80000008);
	return leaf == 7 ? leaf_7 : widths;
}

/* CPUID 80000008H: 'EAX Bits 07-00: #Physical Address Bits. Bits 15-08: #Linear Address Bits.'; 7:
 * EBX bit 11 RTM, ECX bit 24 BUS_LOCK_DETECT. */
static void test_cpuid(void **state)
{
	(void)state;
	widths.eax = 0x00123927;
	highest_leaf = 7;
	leaf_7 = (struct cpuid_regs){.ebx = 1u << 11};
	vmx_caps_read_cpuid(&caps, ask);
	assert_int_equal(caps.physical_bits, 39);
	assert_int_equal(caps.linear_bits, 57);
	assert_true(caps.has_rtm);
	assert_false(caps.has_bus_lock_debug);
	leaf_7 = (struct cpuid_regs){.ecx = 1u << 24};
	vmx_caps_read_cpuid(&caps, ask);
	assert_false(caps.has_rtm);
	assert_true(caps.has_bus_lock_debug);
	highest_leaf = 6;
	vmx_caps_read_cpuid(&caps, ask);
	assert_false(caps.has_bus_lock_debug);
}

static void test_fixed_bits(void **state)
{
	(void)state;
	assert_int_equal(read_caps(), 0);
	assert_int_equal(vmx_fix_cr0(&caps, 0), 0x20);
	assert_int_equal(vmx_fix_cr0(&caps, 0x80000001), 0x80000021);
	assert_int_equal(vmx_fix_cr0(&caps, 0x1ffffffffull), 0xffffffff);
	assert_int_equal(vmx_fix_cr4(&caps, 0), 0x2000);
	assert_int_equal(vmx_fix_cr4(&caps, UINT64_MAX), 0x3727ff);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fit),
		TEST(test_skylake_x),
		TEST(test_what_is_wanted),
		TEST(test_without_true_controls),
		TEST(test_without_ins_outs_information),
		TEST(test_true_controls_alone_count),
		TEST(test_each_missing_control_is_named),
		TEST(test_no_unrestricted_guest),
		TEST(test_no_secondary_controls),
		TEST(test_penryn),
		TEST(test_description),
		TEST(test_long_message),
		TEST(test_ept_capabilities),
		TEST(test_no_invvpid_no_vpid),
		TEST(test_preemption_timer),
		TEST(test_fixed_bits),
		TEST(test_raw_capabilities),
		TEST(test_cpuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
