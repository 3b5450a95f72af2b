/* VM entry's checks, rule by rule: good states pass; with one field broken, the very rule that this
 * breaks is named. Quotes: SDM, chapter 'VM Entries'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "entry_rig.h"

static struct rig rig;
static bool is_hit[ENTRY_RULES];

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

#define VALID     0x80000000u
#define EXCEPTION 0x300u
#define NMI       0x202u
#define MOV_SS    BLOCKING_BY_MOV_SS
#define STI       BLOCKING_BY_STI
#define RIGHTS(n) (GUEST_ES_ACCESS_RIGHTS + 2 * (n))
#define LIMIT(n)  (GUEST_ES_LIMIT + 2 * (n))
#define BASE(n)   (GUEST_ES_BASE + 2 * (n))
#define SELECT(n) (GUEST_ES_SELECTOR + 2 * (n))
#define INFO      ENTRY_INTERRUPTION_INFORMATION
#define BLOCKING  GUEST_INTERRUPTIBILITY_STATE
#define PENDING   GUEST_PENDING_DEBUG_EXCEPTIONS
#define ACTIVITY  GUEST_ACTIVITY_STATE

/* Fields set in a good state. With `rule` RULE_NONE it is good still. */
struct breaking {
	enum entry_rule rule;
	enum rig_state state;
	struct {
		unsigned field;
		uint64_t value;
	} set[4];
	unsigned segment;
};

/* --- good states ---------------------------------------------------------------------------------
 */

static struct entry_breach check(uint32_t parts)
{
	struct entry_breach breach;

	rig.parts = parts;
	breach = vmx_check_entry(&rig.in, parts);
	return breach;
}

static void good_states_pass(void **state)
{
	(void)state;
	for (unsigned s = 0; s < RIG_STATES; s++) {
		rig_set(&rig, s);
		assert_int_equal(check(PART_ALL).rule, RULE_NONE);
		for (unsigned part = 0; part < 8; part++)
			assert_int_equal(check(1u << part).rule, RULE_NONE);
	}
}

/* --- one broken field at a time ------------------------------------------------------------------
 */

static void run(const struct breaking *b)
{
	struct entry_breach breach;
	char text[ENTRY_BREACH_MAX];
	uint8_t part = vmx_entry_rules[b->rule].part;

	rig_set(&rig, b->state);
	for (unsigned i = 0; i < 4 && b->set[i].field; i++)
		rig.value[b->set[i].field] = b->set[i].value;
	breach = check(PART_ALL);
	if (breach.rule != b->rule || breach.segment != b->segment) {
		vmx_describe_breach(&rig.in, breach, text, sizeof(text));
		print_message("expected: %s (%u)\nfound: %s (%u)\n", vmx_entry_rules[b->rule].words,
			      b->segment, text, breach.segment);
	}
	assert_int_equal(breach.rule, b->rule);
	assert_int_equal(breach.segment, b->segment);
	is_hit[b->rule] = true;
	if (b->rule == RULE_NONE)
		return;
	/* Its part alone finds it, too, and what is read is what vmx_entry_parts says. */
	assert_int_equal(check(part).rule, b->rule);
	assert_int_equal(rig.foreign, 0);
	vmx_describe_breach(&rig.in, breach, text, sizeof(text));
	assert_non_null(strstr(text, vmx_entry_rules[b->rule].words));
	assert_null(strstr(text, "?"));
	assert_true(strlen(text) < sizeof(text) - 1);
}

#define RUN(table)                                                                                 \
	do {                                                                                       \
		for (unsigned i_ = 0; i_ < ARRAY_SIZE(table); i_++)                                \
			run(&(table)[i_]);                                                         \
	} while (0)

/* The rig's own value of a control field, for the changes below. */
static uint64_t own(enum rig_state state, unsigned field)
{
	static struct rig other;

	rig_set(&other, state);
	return other.value[field];
}

static void run_controls(enum entry_rule rule, enum rig_state state, unsigned field, uint64_t set,
			 uint64_t clear)
{
	const struct breaking b = {rule, state, {{field, (own(state, field) | set) & ~clear}}, 0};

	run(&b);
}

/* 'Reserved bits … must be set properly': every bit that the capability MSR fixes, in every word.
 */
static void control_words(void **state)
{
	const struct {
		unsigned field;
		uint64_t allowed;
		enum entry_rule reserved, unused;
		uint32_t unused_bits;
	} words[] = {
		{PIN_BASED_CONTROLS, rig_caps.pin_allowed, RULE_PIN_RESERVED, RULE_PIN_UNUSED, 0},
		{PRIMARY_CONTROLS, rig_caps.primary_allowed, RULE_PRIMARY_RESERVED,
		 RULE_PRIMARY_UNUSED,
		 0x49000200 /* INVLPG, MTF, PAUSE, unconditional I/O exiting */},
		{SECONDARY_CONTROLS, rig_caps.secondary_allowed, RULE_SECONDARY_RESERVED,
		 RULE_SECONDARY_UNUSED, 0x02166004},
		{EXIT_CONTROLS, rig_caps.exit_allowed, RULE_EXIT_RESERVED, RULE_EXIT_UNUSED,
		 0x00009000},
		{ENTRY_CONTROLS, rig_caps.entry_allowed, RULE_ENTRY_RESERVED, RULE_ENTRY_UNUSED,
		 0x00002c00},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		for (unsigned bit = 0; bit < 32; bit++) {
			uint64_t one = 1ull << bit;

			if (!(words[i].allowed >> 32 & one))
				run_controls(words[i].reserved, RIG_LONG, words[i].field, one, 0);
			else if (words[i].allowed & one)
				run_controls(words[i].reserved, RIG_LONG, words[i].field, 0, one);
			else if (words[i].unused_bits & one)
				run_controls(words[i].unused, RIG_LONG, words[i].field, one, 0);
		}
	}
	/* Posted interrupts, which the rig's CPU does not have. */
	rig_set(&rig, RIG_LONG);
	rig.caps.pin_allowed |= 0x80ull << 32;
	rig.value[PIN_BASED_CONTROLS] |= 0x80;
	assert_int_equal(check(PART_CONTROLS).rule, RULE_PIN_UNUSED);
	is_hit[RULE_PIN_UNUSED] = true;
	/* Without 'activate secondary controls' the secondary controls do not count. */
	rig_set(&rig, RIG_LONG);
	rig.value[PRIMARY_CONTROLS] &= ~(uint64_t)PRIMARY_SECONDARY_CONTROLS;
	rig.value[SECONDARY_CONTROLS] = UINT32_MAX;
	assert_int_equal(check(PART_CONTROLS).rule, RULE_NONE);
}

static void controls(void **state)
{
	static const struct breaking rows[] = {
		{RULE_CR3_TARGET_COUNT, RIG_LONG, {{CR3_TARGET_COUNT, 5}}, 0},
		{RULE_NONE, RIG_LONG, {{CR3_TARGET_COUNT, 4}}, 0},
		{RULE_IO_BITMAP_A, RIG_LONG, {{IO_BITMAP_A, 0x100800}}, 0},
		{RULE_IO_BITMAP_A, RIG_LONG, {{IO_BITMAP_A, 1ull << 40}}, 0},
		{RULE_NONE, RIG_LONG, {{IO_BITMAP_A, (1ull << 40) - PAGE_SIZE}}, 0},
		{RULE_IO_BITMAP_B, RIG_LONG, {{IO_BITMAP_B, 1}}, 0},
		{RULE_IO_BITMAP_B, RIG_LONG, {{IO_BITMAP_B, 1ull << 63}}, 0},
		{RULE_MSR_BITMAP, RIG_LONG, {{MSR_BITMAP, 0x800}}, 0},
		{RULE_MSR_BITMAP, RIG_LONG, {{MSR_BITMAP, 1ull << 52}}, 0},
		{RULE_VIRTUAL_APIC_ADDRESS, RIG_APICV, {{VIRTUAL_APIC_ADDRESS, 0x10}}, 0},
		{RULE_VIRTUAL_APIC_ADDRESS, RIG_APICV, {{VIRTUAL_APIC_ADDRESS, 1ull << 45}}, 0},
		/* without the TPR shadow it is not looked at */
		{RULE_NONE, RIG_LONG, {{VIRTUAL_APIC_ADDRESS, 0x10}}, 0},
		{RULE_NONE, RIG_LONG, {{APIC_ACCESS_ADDRESS, 0x10}}, 0},
		{RULE_EXIT_MSR_STORE, RIG_LONG, {{EXIT_MSR_STORE_COUNT, 1}}, 0},
		{RULE_EXIT_MSR_LOAD, RIG_LONG, {{EXIT_MSR_LOAD_COUNT, 1}}, 0},
		{RULE_ENTRY_MSR_LOAD, RIG_LONG, {{ENTRY_MSR_LOAD_COUNT, 1}}, 0},
		{RULE_EPTP_MEMORY_TYPE, RIG_LONG, {{EPT_POINTER, 0x10501d}}, 0},
		{RULE_EPTP_MEMORY_TYPE, RIG_LONG, {{EPT_POINTER, 0x10501c}}, 0},
		{RULE_NONE, RIG_LONG, {{EPT_POINTER, 0x105018}}, 0}, /* UC: it has that */
		{RULE_EPTP_WALK, RIG_LONG, {{EPT_POINTER, 0x105016}}, 0},
		{RULE_EPTP_WALK, RIG_LONG, {{EPT_POINTER, 0x105026}}, 0}, /* five levels */
		{RULE_EPTP_RESERVED, RIG_LONG, {{EPT_POINTER, 0x10509e}}, 0},
		{RULE_EPTP_RESERVED, RIG_LONG, {{EPT_POINTER, 0x10581e}}, 0},
		{RULE_EPTP_RESERVED, RIG_LONG, {{EPT_POINTER, 0x1000000001e | 1ull << 40}}, 0},
		{RULE_NONE, RIG_RESTRICTED, {{EPT_POINTER, 7}}, 0},
	};
	const uint64_t secondary = own(RIG_LONG, SECONDARY_CONTROLS);
	const struct breaking eptp = {
		RULE_UNRESTRICTED_GUEST, RIG_LONG, {{SECONDARY_CONTROLS, secondary & ~2ull}}, 0};

	(void)state;
	RUN(rows);
	run(&eptp);
	/* The VPID's encoding is 0. */
	rig_set(&rig, RIG_LONG);
	rig.value[VPID] = 0;
	assert_int_equal(check(PART_ALL).rule, RULE_VPID);
	assert_int_equal(check(PART_CONTROLS).rule, RULE_VPID);
	is_hit[RULE_VPID] = true;
	rig_set(&rig, RIG_RESTRICTED);
	rig.value[VPID] = 0;
	assert_int_equal(check(PART_ALL).rule, RULE_NONE);
	/* 'If … is not supported, bit 6 must be 0' */
	rig_set(&rig, RIG_LONG);
	rig.caps.ept_vpid &= ~(1ull << 21);
	assert_int_equal(check(PART_ALL).rule, RULE_EPTP_ACCESSED_DIRTY);
	is_hit[RULE_EPTP_ACCESSED_DIRTY] = true;
	/* Memory type and walk length as the CPU has them. */
	rig_set(&rig, RIG_LONG);
	rig.caps.ept_vpid = EPT_CAP_AD | EPT_CAP_WALK_4 | EPT_CAP_UC;
	assert_int_equal(check(PART_ALL).rule, RULE_EPTP_MEMORY_TYPE);
	rig.caps.ept_vpid = EPT_CAP_AD | EPT_CAP_WALK_5 | EPT_CAP_WB;
	assert_int_equal(check(PART_ALL).rule, RULE_EPTP_WALK);
	rig.value[EPT_POINTER] = 0x105066;
	assert_int_equal(check(PART_ALL).rule, RULE_NONE);
	/* The rule stands above the fields of the host: a CPU with fewer address bits. */
	rig_set(&rig, RIG_LONG);
	rig.caps.physical_bits = 20;
	assert_int_equal(check(PART_ALL).rule, RULE_IO_BITMAP_A);
}

static void controls_of_each_other(void **state)
{
	const struct breaking access = {
		RULE_APIC_ACCESS_ADDRESS,
		RIG_LONG,
		{{SECONDARY_CONTROLS, own(RIG_LONG, SECONDARY_CONTROLS) | 1},
		 {APIC_ACCESS_ADDRESS, 0x104001}},
		0};
	const struct breaking threshold = {
		RULE_TPR_THRESHOLD,
		RIG_LONG,
		{{PRIMARY_CONTROLS, own(RIG_LONG, PRIMARY_CONTROLS) | PRIMARY_USE_TPR_SHADOW},
		 {TPR_THRESHOLD, 0x10}},
		0};
	const struct breaking timer = {
		RULE_SAVE_PREEMPTION_TIMER, RIG_LONG, {{PIN_BASED_CONTROLS, 0x3f}}, 0};
	const struct breaking nmi = {RULE_VIRTUAL_NMIS, RIG_LONG, {{PIN_BASED_CONTROLS, 0x77}}, 0};
	const struct breaking window = {
		RULE_NMI_WINDOW,
		RIG_LONG,
		{{PIN_BASED_CONTROLS, 0x5f},
		 {PRIMARY_CONTROLS, own(RIG_LONG, PRIMARY_CONTROLS) | PRIMARY_NMI_WINDOW_EXITING}},
		0};
	const struct breaking external = {
		RULE_VIRTUAL_INTERRUPT_DELIVERY, RIG_APICV, {{PIN_BASED_CONTROLS, 0x7e}}, 0};

	(void)state;
	run(&access);
	run(&threshold);
	run_controls(RULE_TPR_SHADOW_ALONE, RIG_LONG, PRIMARY_CONTROLS, PRIMARY_USE_TPR_SHADOW, 0);
	run(&timer);
	run(&nmi);
	run(&window);
	run(&external);
	run_controls(RULE_NONE, RIG_LONG, PRIMARY_CONTROLS,
		     PRIMARY_NMI_WINDOW_EXITING | PRIMARY_INTERRUPT_WINDOW_EXITING |
			     PRIMARY_MOV_DR_EXITING,
		     PRIMARY_HLT_EXITING);
	run_controls(RULE_X2APIC_AND_APIC_ACCESSES, RIG_APICV, SECONDARY_CONTROLS, 1, 0);
	run_controls(RULE_NONE, RIG_APICV, SECONDARY_CONTROLS, 1, SECONDARY_VIRTUALIZE_X2APIC_MODE);
	for (unsigned i = 0; i < 3; i++) {
		const uint32_t bits[] = {SECONDARY_VIRTUALIZE_X2APIC_MODE,
					 SECONDARY_APIC_REGISTER_VIRTUALIZATION,
					 SECONDARY_VIRTUAL_INTERRUPT_DELIVERY};

		run_controls(RULE_APICV_WITHOUT_TPR_SHADOW, RIG_LONG, SECONDARY_CONTROLS, bits[i],
			     0);
	}
}

/* --- the event that is injected ------------------------------------------------------------------
 */

static void events(void **state)
{
	static const struct breaking rows[] = {
		{RULE_NONE, RIG_LONG, {{INFO, 0x7fffffff}}, 0}, /* not valid: nothing counts */
		{RULE_EVENT_TYPE, RIG_LONG, {{INFO, VALID | 0x100}}, 0},
		{RULE_EVENT_NMI_VECTOR, RIG_LONG, {{INFO, VALID | 0x203}}, 0},
		{RULE_NONE, RIG_LONG, {{INFO, VALID | NMI}}, 0},
		{RULE_EVENT_EXCEPTION_VECTOR, RIG_LONG, {{INFO, VALID | EXCEPTION | 32}}, 0},
		{RULE_EVENT_EXCEPTION_VECTOR, RIG_LONG, {{INFO, VALID | EXCEPTION | 255}}, 0},
		{RULE_NONE, RIG_LONG, {{INFO, VALID | EXCEPTION | 31}}, 0},
		{RULE_EVENT_OTHER_VECTOR, RIG_LONG, {{INFO, VALID | 0x701}}, 0},
		{RULE_NONE, RIG_LONG, {{INFO, VALID | 0x700}}, 0},
		/* 'deliver-error-code': with a type that has none */
		{RULE_EVENT_NO_ERROR_CODE, RIG_LONG, {{INFO, VALID | 0x800 | NMI}}, 0},
		{RULE_EVENT_NO_ERROR_CODE,
		 RIG_LONG,
		 {{INFO, VALID | 0x80d}, {GUEST_RFLAGS, 0x202}},
		 0},
		{RULE_EVENT_NO_ERROR_CODE,
		 RIG_LONG,
		 {{INFO, VALID | 0xe0d}, {ENTRY_INSTRUCTION_LENGTH, 1}},
		 0},
		/* with a vector that has none */
		{RULE_EVENT_NO_ERROR_CODE, RIG_LONG, {{INFO, VALID | EXCEPTION | 0x806}}, 0},
		{RULE_EVENT_NO_ERROR_CODE, RIG_LONG, {{INFO, VALID | EXCEPTION | 0x810}}, 0},
		/* issue 10: INIT has cleared CR0.PE under an injection with an error code */
		{RULE_EVENT_NO_ERROR_CODE, RIG_REAL, {{INFO, VALID | EXCEPTION | 0x80d}}, 0},
		{RULE_NONE, RIG_REAL, {{INFO, VALID | EXCEPTION | 0x0d}}, 0},
		/* and one without that has one */
		{RULE_EVENT_ERROR_CODE, RIG_LONG, {{INFO, VALID | EXCEPTION | 13}}, 0},
		{RULE_EVENT_ERROR_CODE, RIG_PROTECTED, {{INFO, VALID | EXCEPTION | 14}}, 0},
		{RULE_EVENT_RESERVED, RIG_LONG, {{INFO, VALID | 0x1000 | NMI}}, 0},
		{RULE_EVENT_RESERVED, RIG_LONG, {{INFO, VALID | 0x40000000 | NMI}}, 0},
		{RULE_EVENT_ERROR_CODE_VALUE,
		 RIG_LONG,
		 {{INFO, VALID | EXCEPTION | 0x80e}, {ENTRY_EXCEPTION_ERROR_CODE, 0x10000}},
		 0},
		{RULE_NONE,
		 RIG_LONG,
		 {{INFO, VALID | EXCEPTION | 0x80e}, {ENTRY_EXCEPTION_ERROR_CODE, 0xffff}},
		 0},
		{RULE_NONE,
		 RIG_LONG,
		 {{INFO, VALID | EXCEPTION | 6}, {ENTRY_EXCEPTION_ERROR_CODE, 0x10000}},
		 0},
		/* software interrupt, INT1, INT3 */
		{RULE_NONE, RIG_LONG, {{INFO, VALID | 0x480}, {ENTRY_INSTRUCTION_LENGTH, 15}}, 0},
		{RULE_EVENT_LENGTH,
		 RIG_LONG,
		 {{INFO, VALID | 0x480}, {ENTRY_INSTRUCTION_LENGTH, 16}},
		 0},
		{RULE_EVENT_LENGTH,
		 RIG_LONG,
		 {{INFO, VALID | 0x501}, {ENTRY_INSTRUCTION_LENGTH, 16}},
		 0},
		{RULE_EVENT_LENGTH,
		 RIG_LONG,
		 {{INFO, VALID | 0x603}, {ENTRY_INSTRUCTION_LENGTH, 16}},
		 0},
		{RULE_NONE,
		 RIG_LONG,
		 {{INFO, VALID | EXCEPTION | 6}, {ENTRY_INSTRUCTION_LENGTH, 16}},
		 0},
	};
	/* 'Length 0 is allowed only if IA32_VMX_MISC[30] is read as 1.' */
	static const struct breaking no_length = {
		RULE_NONE, RIG_LONG, {{INFO, VALID | 0x480}, {ENTRY_INSTRUCTION_LENGTH, 0}}, 0};

	(void)state;
	RUN(rows);
	run(&no_length);
	rig.caps.misc &= ~(1ull << 30);
	assert_int_equal(check(PART_EVENT).rule, RULE_EVENT_LENGTH);
	/* 'Value 7 is reserved on processors that do not support … monitor trap flag' */
	rig_set(&rig, RIG_LONG);
	rig.value[INFO] = VALID | 0x700;
	rig.caps.primary_allowed &= ~(1ull << (32 + 27));
	assert_int_equal(check(PART_EVENT).rule, RULE_EVENT_TYPE);
	/* Without 'unrestricted guest' CR0.PE is always 1, whatever the field says. */
	rig_set(&rig, RIG_RESTRICTED);
	rig.value[GUEST_CR0] &= ~1ull;
	rig.value[INFO] = VALID | EXCEPTION | 0x80d;
	assert_int_equal(check(PART_EVENT).rule, RULE_NONE);
	rig.value[INFO] = VALID | EXCEPTION | 0x0d;
	assert_int_equal(check(PART_EVENT).rule, RULE_EVENT_ERROR_CODE);
}

/* Which vectors normally have an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC. With bit 56 of
 * IA32_VMX_BASIC software may choose for all of them, in protected mode. */
static void error_codes_by_vector(void **state)
{
	const uint32_t with =
		1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;

	(void)state;
	for (unsigned vector = 0; vector < 32; vector++) {
		bool has = with & 1u << vector;

		for (unsigned delivered = 0; delivered < 2; delivered++) {
			enum entry_rule rule =
				delivered ? RULE_EVENT_NO_ERROR_CODE : RULE_EVENT_ERROR_CODE;

			rig_set(&rig, RIG_LONG);
			rig.value[INFO] = VALID | EXCEPTION | delivered << 11 | vector;
			assert_int_equal(check(PART_ALL).rule, delivered == has ? RULE_NONE : rule);
			rig.caps.basic |= 1ull << 56;
			assert_int_equal(check(PART_ALL).rule, RULE_NONE);
			rig.value[GUEST_CR0] &= ~1ull;
			assert_int_equal(check(PART_EVENT).rule,
					 delivered ? RULE_EVENT_NO_ERROR_CODE : RULE_NONE);
		}
	}
}

/* --- the host ------------------------------------------------------------------------------------
 */

static void host(void **state)
{
	static const struct breaking rows[] = {
		{RULE_HOST_CR0, RIG_LONG, {{HOST_CR0, 0x80010011}}, 0}, /* NE */
		{RULE_HOST_CR0, RIG_LONG, {{HOST_CR0, 0x80010030}}, 0}, /* PE: no exception here */
		{RULE_HOST_CR0, RIG_LONG, {{HOST_CR0, 0x180010031}}, 0},
		{RULE_HOST_CR4, RIG_LONG, {{HOST_CR4, 0x20}}, 0}, /* VMXE */
		{RULE_HOST_CR4, RIG_LONG, {{HOST_CR4, 0x2820}}, 0},
		{RULE_HOST_CET, RIG_LONG, {{HOST_CR4, 0x802020}, {HOST_CR0, 0x80000031}}, 0},
		{RULE_NONE, RIG_LONG, {{HOST_CR4, 0x802020}}, 0},
		{RULE_HOST_CR3, RIG_LONG, {{HOST_CR3, 1ull << 40}}, 0},
		{RULE_HOST_CR3, RIG_LONG, {{HOST_CR3, 1ull << 63}}, 0},
		{RULE_HOST_SYSENTER_ESP, RIG_LONG, {{HOST_IA32_SYSENTER_ESP, 1ull << 47}}, 0},
		{RULE_HOST_SYSENTER_EIP, RIG_LONG, {{HOST_IA32_SYSENTER_EIP, 1ull << 63}}, 0},
		{RULE_HOST_PAT, RIG_LONG, {{HOST_IA32_PAT, 0x0207040600070406}}, 0},
		{RULE_HOST_PAT, RIG_LONG, {{HOST_IA32_PAT, 3}}, 0},
		{RULE_HOST_EFER_RESERVED, RIG_LONG, {{HOST_IA32_EFER, 0x1d01}}, 0},
		{RULE_HOST_EFER_RESERVED, RIG_LONG, {{HOST_IA32_EFER, 1ull << 63 | 0xd01}}, 0},
		{RULE_HOST_EFER_MODE, RIG_LONG, {{HOST_IA32_EFER, 0x901}}, 0},
		{RULE_HOST_EFER_MODE, RIG_LONG, {{HOST_IA32_EFER, 0xc01}}, 0},
		{RULE_HOST_CS, RIG_LONG, {{HOST_CS_SELECTOR, 0}}, 0},
		{RULE_HOST_TR, RIG_LONG, {{HOST_TR_SELECTOR, 0}}, 0},
		{RULE_NONE, RIG_LONG, {{HOST_SS_SELECTOR, 0}}, 0}, /* a 64-bit host may */
		{RULE_HOST_FS_BASE, RIG_LONG, {{HOST_FS_BASE, 1ull << 47}}, 0},
		{RULE_HOST_GS_BASE, RIG_LONG, {{HOST_GS_BASE, 0x7fff800000000000}}, 0},
		{RULE_HOST_GDTR_BASE, RIG_LONG, {{HOST_GDTR_BASE, 1ull << 48}}, 0},
		{RULE_HOST_IDTR_BASE, RIG_LONG, {{HOST_IDTR_BASE, 1ull << 62}}, 0},
		{RULE_HOST_TR_BASE, RIG_LONG, {{HOST_TR_BASE, 0xfffe800000000000}}, 0},
		{RULE_HOST_PAE, RIG_LONG, {{HOST_CR4, 0x2000}}, 0},
		{RULE_HOST_RIP, RIG_LONG, {{HOST_RIP, 1ull << 47}}, 0},
	};

	(void)state;
	RUN(rows);
	for (unsigned n = 0; n < 7; n++) {
		for (uint64_t bit = 1; bit <= 4; bit <<= 1) {
			const struct breaking b = {
				RULE_HOST_SELECTOR,
				RIG_LONG,
				{{HOST_ES_SELECTOR + 2 * n,
				  own(RIG_LONG, HOST_ES_SELECTOR + 2 * n) | bit}},
				n};

			run(&b);
		}
	}
	run_controls(RULE_HOST_ADDRESS_SPACE, RIG_LONG, EXIT_CONTROLS, 0,
		     EXIT_HOST_ADDRESS_SPACE_SIZE);
	/* What is not loaded is not checked. */
	rig_set(&rig, RIG_LONG);
	rig.value[EXIT_CONTROLS] &= ~(uint64_t)(EXIT_LOAD_IA32_PAT | EXIT_LOAD_IA32_EFER);
	rig.value[HOST_IA32_PAT] = 2;
	rig.value[HOST_IA32_EFER] = 0;
	assert_int_equal(check(PART_ALL).rule, RULE_NONE);
}

/* --- the guest's registers -----------------------------------------------------------------------
 */

static void registers(void **state)
{
	static const struct breaking rows[] = {
		{RULE_CR0, RIG_REAL, {{GUEST_CR0, 0x10}}, 0}, /* NE */
		{RULE_CR0, RIG_LONG, {{GUEST_CR0, 0x180010033}}, 0},
		{RULE_CR0, RIG_RESTRICTED, {{GUEST_CR0, 0x80010032}}, 0}, /* PE */
		{RULE_CR0, RIG_RESTRICTED, {{GUEST_CR0, 0x00010033}}, 0}, /* PG */
		{RULE_NONE, RIG_LONG, {{GUEST_CR0, 0xe0010033}}, 0}, /* CD, NW: never checked */
		{RULE_CR0_PAGING, RIG_PAE, {{GUEST_CR0, 0x80010032}}, 0},
		{RULE_CR4, RIG_REAL, {{GUEST_CR4, 0}}, 0}, /* VMXE */
		{RULE_CR4, RIG_LONG, {{GUEST_CR4, 0x2860}}, 0},
		{RULE_CR4, RIG_LONG, {{GUEST_CR4, 0x100002060}}, 0},
		{RULE_CET, RIG_LONG, {{GUEST_CR4, 0x802060}, {GUEST_CR0, 0x80000033}}, 0},
		{RULE_NONE, RIG_LONG, {{GUEST_CR4, 0x802060}}, 0},
		{RULE_IA32E_PAGING, RIG_LONG, {{GUEST_CR0, 0x33}}, 0},
		{RULE_IA32E_PAE, RIG_LONG, {{GUEST_CR4, 0x2040}}, 0},
		{RULE_PCIDE, RIG_PAE, {{GUEST_CR4, 0x22020}}, 0},
		{RULE_NONE, RIG_LONG, {{GUEST_CR4, 0x22060}}, 0},
		{RULE_CR3, RIG_LONG, {{GUEST_CR3, 1ull << 40}}, 0},
		{RULE_CR3, RIG_REAL, {{GUEST_CR3, 1ull << 63}}, 0},
		{RULE_CR3, RIG_LONG, {{GUEST_CR3, 1ull << 52}}, 0},
		{RULE_NONE, RIG_LONG, {{GUEST_CR3, (1ull << 40) - 1}}, 0},
		{RULE_DEBUGCTL, RIG_LONG, {{GUEST_IA32_DEBUGCTL, 0x8}}, 0},
		{RULE_DEBUGCTL, RIG_LONG, {{GUEST_IA32_DEBUGCTL, 0x20}}, 0},
		{RULE_DEBUGCTL, RIG_LONG, {{GUEST_IA32_DEBUGCTL, 0x10000}}, 0},
		{RULE_DEBUGCTL, RIG_LONG, {{GUEST_IA32_DEBUGCTL, 1ull << 63}}, 0},
		{RULE_DEBUGCTL, RIG_LONG, {{GUEST_IA32_DEBUGCTL, 0x4}}, 0},
		{RULE_DEBUGCTL, RIG_LONG, {{GUEST_IA32_DEBUGCTL, 0x8000}}, 0},
		{RULE_NONE, RIG_LONG, {{GUEST_IA32_DEBUGCTL, 0x7fc3}}, 0},
		{RULE_DR7, RIG_LONG, {{GUEST_DR7, 0x100000400}}, 0},
		{RULE_DR7, RIG_REAL, {{GUEST_DR7, 1ull << 63}}, 0},
		{RULE_SYSENTER_ESP, RIG_REAL, {{GUEST_IA32_SYSENTER_ESP, 1ull << 47}}, 0},
		{RULE_SYSENTER_EIP, RIG_LONG, {{GUEST_IA32_SYSENTER_EIP, 1ull << 63}}, 0},
		{RULE_PAT, RIG_LONG, {{GUEST_IA32_PAT, 0x0300000000000000}}, 0},
		{RULE_PAT, RIG_LONG, {{GUEST_IA32_PAT, 0x0800}}, 0},
		{RULE_EFER_RESERVED, RIG_LONG, {{GUEST_IA32_EFER, 0x1d01}}, 0}, /* SVME */
		{RULE_EFER_RESERVED, RIG_LONG, {{GUEST_IA32_EFER, 0xd03}}, 0},
		{RULE_EFER_LMA, RIG_LONG, {{GUEST_IA32_EFER, 0x901}}, 0},
		{RULE_EFER_LMA, RIG_PAE, {{GUEST_IA32_EFER, 0x400}}, 0},
		{RULE_EFER_LME, RIG_LONG, {{GUEST_IA32_EFER, 0xc01}}, 0},
		{RULE_EFER_LME, RIG_PAE, {{GUEST_IA32_EFER, 0x100}}, 0},
		{RULE_NONE, RIG_PROTECTED, {{GUEST_IA32_EFER, 0x100}}, 0}, /* PG is 0 */
	};

	(void)state;
	RUN(rows);
	/* What the guest's CPU has: bus-lock detection, RTM. */
	rig_set(&rig, RIG_LONG);
	rig.caps.has_bus_lock_debug = true;
	rig.value[GUEST_IA32_DEBUGCTL] = 0x4;
	assert_int_equal(check(PART_ALL).rule, RULE_NONE);
	rig.caps.has_rtm = true;
	rig.value[GUEST_IA32_DEBUGCTL] = 0x8000;
	assert_int_equal(check(PART_ALL).rule, RULE_NONE);
	/* What is not loaded is not checked. */
	rig_set(&rig, RIG_LONG);
	rig.value[ENTRY_CONTROLS] &=
		~(uint64_t)(ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_IA32_PAT | ENTRY_LOAD_IA32_EFER);
	rig.value[GUEST_DR7] = rig.value[GUEST_IA32_DEBUGCTL] = UINT64_MAX;
	rig.value[GUEST_IA32_PAT] = 2;
	rig.value[GUEST_IA32_EFER] = 0;
	assert_int_equal(check(PART_REGISTERS).rule, RULE_NONE);
}

/* 'Each byte … 0 (UC), 1 (WC), 4 (WT), 5 (WP), 6 (WB), or 7 (UC-)', at each of the eight places. */
static void pat_bytes(void **state)
{
	(void)state;
	for (unsigned place = 0; place < 8; place++) {
		for (uint64_t byte = 0; byte < 256; byte++) {
			bool is_good = byte < 8 && byte != 2 && byte != 3;

			rig_set(&rig, RIG_LONG);
			rig.value[GUEST_IA32_PAT] = byte << (8 * place);
			assert_int_equal(check(PART_ALL).rule, is_good ? RULE_NONE : RULE_PAT);
		}
	}
}

/* --- segments ------------------------------------------------------------------------------------
 */

static void segments(void **state)
{
	static const struct breaking rows[] = {
		{RULE_TR_TI, RIG_LONG, {{SELECT(TR), 0x44}}, TR},
		{RULE_LDTR_TI, RIG_LONG, {{SELECT(LDTR), 4}}, LDTR},
		{RULE_NONE, RIG_LONG, {{SELECT(LDTR), 4}, {RIGHTS(LDTR), 0x10000}}, 0},
		{RULE_SS_RPL, RIG_RESTRICTED, {{SELECT(SS), 0x28}}, SS},
		{RULE_NONE, RIG_COMPATIBLE, {{SELECT(SS), 0x28}}, 0}, /* unrestricted */
		/* bases */
		{RULE_BASE_CANONICAL, RIG_LONG, {{BASE(TR), 1ull << 47}}, TR},
		{RULE_BASE_CANONICAL, RIG_LONG, {{BASE(FS), 1ull << 47}}, FS},
		{RULE_BASE_CANONICAL, RIG_REAL, {{BASE(GS), 1ull << 63}}, GS},
		{RULE_BASE_CANONICAL,
		 RIG_LONG,
		 {{BASE(GS), 1ull << 63}, {RIGHTS(GS), 0x10000}},
		 GS}, /* even if unusable */
		{RULE_BASE_CANONICAL, RIG_LONG, {{BASE(LDTR), 1ull << 62}}, LDTR},
		{RULE_NONE, RIG_LONG, {{BASE(LDTR), 1ull << 62}, {RIGHTS(LDTR), 0x10000}}, 0},
		{RULE_CS_BASE, RIG_LONG, {{BASE(CS), 1ull << 32}}, CS},
		{RULE_DATA_BASE, RIG_LONG, {{BASE(SS), 1ull << 32}}, SS},
		{RULE_DATA_BASE, RIG_PROTECTED, {{BASE(DS), 1ull << 32}}, DS},
		{RULE_DATA_BASE, RIG_PROTECTED, {{BASE(ES), 1ull << 63}}, ES},
		{RULE_NONE, RIG_LONG, {{BASE(ES), 1ull << 63}}, 0}, /* unusable */
		/* types */
		{RULE_CS_TYPE, RIG_LONG, {{RIGHTS(CS), 0xa09a}}, CS},
		{RULE_CS_TYPE, RIG_LONG, {{RIGHTS(CS), 0xa097}}, CS},
		{RULE_CS_TYPE, RIG_RESTRICTED, {{RIGHTS(CS), 0xa0f3}}, CS},
		{RULE_NONE, RIG_REAL, {{RIGHTS(CS), 0x93}}, 0},
		{RULE_SS_TYPE, RIG_LONG, {{RIGHTS(SS), 0xc091}}, SS},
		{RULE_SS_TYPE, RIG_LONG, {{RIGHTS(SS), 0xc09b}}, SS},
		{RULE_NONE, RIG_LONG, {{RIGHTS(SS), 0xc097}}, 0},
		{RULE_NONE, RIG_LONG, {{RIGHTS(SS), 0x10000}}, 0},
		{RULE_DATA_ACCESSED, RIG_LONG, {{RIGHTS(DS), 0xc092}}, DS},
		{RULE_DATA_ACCESSED, RIG_PROTECTED, {{RIGHTS(ES), 0xc09a}}, ES},
		{RULE_DATA_READABLE, RIG_LONG, {{RIGHTS(FS), 0xc099}}, FS},
		{RULE_NONE, RIG_LONG, {{RIGHTS(FS), 0xc09b}}, 0},
		{RULE_NONE, RIG_LONG, {{RIGHTS(GS), 0xc091}}, 0},
		/* S */
		{RULE_SEGMENT_S, RIG_LONG, {{RIGHTS(CS), 0xa08b}}, CS},
		{RULE_SEGMENT_S, RIG_LONG, {{RIGHTS(SS), 0xc083}}, SS},
		{RULE_SEGMENT_S, RIG_LONG, {{RIGHTS(GS), 0xc083}}, GS},
		/* DPL */
		{RULE_CS_DPL_DATA, RIG_PROTECTED, {{RIGHTS(CS), 0xc0f3}}, CS},
		{RULE_CS_DPL_NON_CONFORMING, RIG_LONG, {{RIGHTS(CS), 0xa0fb}}, CS},
		{RULE_CS_DPL_NON_CONFORMING, RIG_COMPATIBLE, {{RIGHTS(CS), 0xc099}}, CS},
		{RULE_CS_DPL_CONFORMING, RIG_LONG, {{RIGHTS(CS), 0xa0bf}}, CS},
		{RULE_CS_DPL_CONFORMING, RIG_LONG, {{RIGHTS(CS), 0xa0bd}}, CS},
		{RULE_NONE, RIG_COMPATIBLE, {{RIGHTS(CS), 0xc09f}}, 0},
		{RULE_SS_DPL_RPL, RIG_RESTRICTED, {{RIGHTS(SS), 0xc0d3}, {RIGHTS(CS), 0xa0bd}}, SS},
		{RULE_SS_DPL_REAL, RIG_REAL, {{RIGHTS(SS), 0xf3}, {RIGHTS(CS), 0xfb}}, SS},
		{RULE_SS_DPL_REAL, RIG_PROTECTED, {{RIGHTS(SS), 0xc0f3}, {RIGHTS(CS), 0xc093}}, SS},
		{RULE_DATA_DPL, RIG_RESTRICTED, {{RIGHTS(DS), 0xc0d3}}, DS},
		{RULE_DATA_DPL, RIG_RESTRICTED, {{RIGHTS(GS), 0xc09b}}, GS},
		{RULE_NONE, RIG_RESTRICTED, {{RIGHTS(GS), 0xc09f}}, 0}, /* conforming */
		{RULE_NONE, RIG_COMPATIBLE, {{RIGHTS(DS), 0xc093}}, 0}, /* unrestricted */
		{RULE_CS_DB, RIG_LONG, {{RIGHTS(CS), 0xe09b}}, CS},
		{RULE_NONE, RIG_PROTECTED, {{RIGHTS(CS), 0xe09b}}, 0}, /* no IA-32e mode */
		/* system segments */
		{RULE_TR_TYPE, RIG_PROTECTED, {{RIGHTS(TR), 0x89}}, TR},
		{RULE_TR_TYPE, RIG_PROTECTED, {{RIGHTS(TR), 0x82}}, TR},
		{RULE_NONE, RIG_PROTECTED, {{RIGHTS(TR), 0x83}}, 0},
		{RULE_TR_TYPE_IA32E, RIG_LONG, {{RIGHTS(TR), 0x83}}, TR},
		{RULE_TR_TYPE_IA32E, RIG_COMPATIBLE, {{RIGHTS(TR), 0x89}}, TR},
		{RULE_TR_UNUSABLE, RIG_LONG, {{RIGHTS(TR), 0x1008b}}, TR},
		{RULE_LDTR_TYPE, RIG_LONG, {{RIGHTS(LDTR), 0x83}}, LDTR},
		{RULE_NONE, RIG_LONG, {{RIGHTS(LDTR), 0x10003}}, 0},
		{RULE_SYSTEM_S, RIG_LONG, {{RIGHTS(TR), 0x9b}}, TR},
		{RULE_SYSTEM_S, RIG_LONG, {{RIGHTS(LDTR), 0x92}}, LDTR},
		/* tables */
		{RULE_GDTR_BASE, RIG_LONG, {{GUEST_GDTR_BASE, 1ull << 47}}, 0},
		{RULE_IDTR_BASE, RIG_LONG, {{GUEST_IDTR_BASE, 1ull << 63}}, 0},
		{RULE_GDTR_LIMIT, RIG_LONG, {{GUEST_GDTR_LIMIT, 0x10000}}, 0},
		{RULE_IDTR_LIMIT, RIG_LONG, {{GUEST_IDTR_LIMIT, 0x80000000}}, 0},
	};

	(void)state;
	RUN(rows);
}

/* What is alike for all segments: P, bits 11:8 and 31:17, G and the limit; and none of it for one
 * that is unusable, but CS and TR cannot be. */
static void every_segment(void **state)
{
	(void)state;
	for (unsigned n = ES; n <= TR; n++) {
		uint64_t rights = own(RIG_PROTECTED, RIGHTS(n));
		const struct {
			enum entry_rule rule;
			uint64_t rights, limit;
		} rows[] = {
			{RULE_SEGMENT_P, rights & ~0x80ull, 0xffff},
			{RULE_SEGMENT_RESERVED, rights | 0x100, UINT32_MAX},
			{RULE_SEGMENT_RESERVED, rights | 0x800, UINT32_MAX},
			{RULE_SEGMENT_HIGH, rights | 0x20000, UINT32_MAX},
			{RULE_SEGMENT_HIGH, rights | 0x80000000, UINT32_MAX},
			{RULE_SEGMENT_G_SMALL, rights | 0x8000, 0xffffeffe},
			{RULE_SEGMENT_G_SMALL, rights | 0x8000, 0x7ff},
			{RULE_SEGMENT_G_LARGE, rights & ~0x8000ull, 0x100000},
			{RULE_SEGMENT_G_LARGE, rights & ~0x8000ull, UINT32_MAX},
			{RULE_NONE, rights & ~0x8000ull, 0xfffff},
			{RULE_NONE, rights | 0x8000, 0xfff},
		};

		for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
			bool is_big =
				rows[i].limit == UINT32_MAX && rows[i].rule != RULE_SEGMENT_G_LARGE;
			const struct breaking b = {
				rows[i].rule,
				RIG_PROTECTED,
				{{RIGHTS(n), rows[i].rights | (is_big ? 0x8000 : 0)},
				 {LIMIT(n), rows[i].limit}},
				rows[i].rule ? n : 0};
			const struct breaking unusable = {
				RULE_NONE,
				RIG_PROTECTED,
				{{RIGHTS(n), b.set[0].value | 0x10000}, {LIMIT(n), rows[i].limit}},
				0};

			run(&b);
			if (n != CS && n != TR)
				run(&unusable);
			else if (n == CS && rows[i].rule) {
				rig.value[RIGHTS(n)] |= 0x10000;
				assert_int_equal(check(PART_ALL).rule, rows[i].rule);
			}
		}
	}
}

static void types_of_code(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 16; type++) {
		bool is_code = type == 9 || type == 11 || type == 13 || type == 15;

		rig_set(&rig, RIG_PROTECTED);
		rig.value[RIGHTS(CS)] = 0xc090 | type;
		assert_int_equal(check(PART_ALL).rule,
				 is_code || type == 3 ? RULE_NONE : RULE_CS_TYPE);
		rig_set(&rig, RIG_RESTRICTED);
		rig.value[RIGHTS(CS)] = 0xa0f0 | type;
		assert_int_equal(check(PART_ALL).rule, is_code ? RULE_NONE : RULE_CS_TYPE);
	}
}

static void v8086_segments(void **state)
{
	(void)state;
	for (unsigned n = ES; n <= GS; n++) {
		const struct breaking rows[] = {
			{RULE_V8086_BASE, RIG_V8086, {{BASE(n), 0x10030 * n + 1}}, n},
			{RULE_V8086_LIMIT, RIG_V8086, {{LIMIT(n), 0xfffff}}, n},
			{RULE_V8086_ACCESS, RIG_V8086, {{RIGHTS(n), 0x93}}, n},
			{RULE_V8086_ACCESS, RIG_V8086, {{RIGHTS(n), 0x100f3}}, n},
			{RULE_V8086_ACCESS, RIG_V8086, {{RIGHTS(n), 0x10000}}, n},
		};

		RUN(rows);
	}
}

/* --- RIP and RFLAGS ------------------------------------------------------------------------------
 */

static void rip_and_rflags(void **state)
{
	static const struct breaking rows[] = {
		/* issue 10: CPUID at 0xfffffffe outside 64-bit mode */
		{RULE_RIP_HIGH, RIG_PROTECTED, {{GUEST_RIP, 0x100000000}}, 0},
		{RULE_RIP_HIGH, RIG_COMPATIBLE, {{GUEST_RIP, 0x100000000}}, 0},
		{RULE_RIP_HIGH, RIG_REAL, {{GUEST_RIP, 1ull << 63}}, 0},
		{RULE_NONE, RIG_PROTECTED, {{GUEST_RIP, 0xffffffff}}, 0},
		/* L does not count outside IA-32e mode */
		{RULE_RIP_HIGH, RIG_PROTECTED, {{RIGHTS(CS), 0xa09b}, {GUEST_RIP, 1ull << 32}}, 0},
		{RULE_RIP_IDENTICAL, RIG_LONG, {{GUEST_RIP, 0x0001000000000000}}, 0},
		{RULE_RIP_IDENTICAL, RIG_LONG, {{GUEST_RIP, 0x8000000000000000}}, 0},
		{RULE_RIP_IDENTICAL, RIG_LONG, {{GUEST_RIP, 0xfffe800000000000}}, 0},
		/* behind the last canonical address: the guest's next fetch faults */
		{RULE_NONE, RIG_LONG, {{GUEST_RIP, 0x0000800000000000}}, 0},
		{RULE_NONE, RIG_LONG, {{GUEST_RIP, 0xffff7fffffffffff}}, 0},
		{RULE_NONE, RIG_LONG, {{GUEST_RIP, 0x00007fffffffffff}}, 0},
		{RULE_NONE, RIG_LONG, {{GUEST_RIP, 0xffff800000000000}}, 0},
		{RULE_RFLAGS_RESERVED, RIG_LONG, {{GUEST_RFLAGS, 0}}, 0},
		{RULE_RFLAGS_RESERVED, RIG_LONG, {{GUEST_RFLAGS, 0xa}}, 0},
		{RULE_RFLAGS_RESERVED, RIG_LONG, {{GUEST_RFLAGS, 0x22}}, 0},
		{RULE_RFLAGS_RESERVED, RIG_LONG, {{GUEST_RFLAGS, 0x8002}}, 0},
		{RULE_RFLAGS_RESERVED, RIG_LONG, {{GUEST_RFLAGS, 0x400002}}, 0},
		{RULE_RFLAGS_RESERVED, RIG_LONG, {{GUEST_RFLAGS, 0x80000002}}, 0},
		{RULE_RFLAGS_RESERVED, RIG_LONG, {{GUEST_RFLAGS, 0x100000002}}, 0},
		{RULE_NONE, RIG_LONG, {{GUEST_RFLAGS, 0x3d7fd7}}, 0},
		{RULE_RFLAGS_IF, RIG_LONG, {{INFO, VALID | 0x20}}, 0},
		{RULE_RFLAGS_IF, RIG_REAL, {{INFO, VALID | 8}}, 0},
		{RULE_NONE, RIG_LONG, {{INFO, VALID | 0x20}, {GUEST_RFLAGS, 0x202}}, 0},
		{RULE_NONE, RIG_LONG, {{INFO, 0x20}}, 0},
	};
	/* 'The VM flag must be 0': with segments as in virtual-8086 mode, or they are named first.
	 */
	const uint64_t entry = own(RIG_V8086, ENTRY_CONTROLS);

	(void)state;
	RUN(rows);
	rig_set(&rig, RIG_V8086);
	rig.value[ENTRY_CONTROLS] = entry | ENTRY_IA32E_MODE_GUEST;
	rig.value[GUEST_IA32_EFER] = 0x500;
	assert_int_equal(check(PART_ALL).rule, RULE_RFLAGS_VM);
	rig_set(&rig, RIG_V8086);
	rig.value[GUEST_CR0] = 0x30;
	assert_int_equal(check(PART_ALL).rule, RULE_RFLAGS_VM);
	assert_int_equal(check(PART_RIP).rule, RULE_RFLAGS_VM);
	is_hit[RULE_RFLAGS_VM] = true;
	/* 57 linear-address bits. */
	rig_set(&rig, RIG_LONG);
	rig.caps.linear_bits = 57;
	rig.value[GUEST_RIP] = 0x00ffffffffffffff;
	assert_int_equal(check(PART_ALL).rule, RULE_NONE);
	rig.value[GUEST_RIP] = 0x0100000000000000;
	assert_int_equal(check(PART_ALL).rule, RULE_NONE);
	rig.value[GUEST_RIP] = 0x0200000000000000;
	assert_int_equal(check(PART_ALL).rule, RULE_RIP_IDENTICAL);
}

/* --- non-register state --------------------------------------------------------------------------
 */

static void activity(void **state)
{
	static const struct breaking rows[] = {
		{RULE_ACTIVITY, RIG_LONG, {{ACTIVITY, 4}}, 0},
		{RULE_ACTIVITY, RIG_LONG, {{ACTIVITY, 0x80000000}}, 0},
		{RULE_NONE, RIG_LONG, {{ACTIVITY, ACTIVITY_SHUTDOWN}}, 0},
		{RULE_NONE, RIG_LONG, {{ACTIVITY, ACTIVITY_WAIT_FOR_SIPI}}, 0},
		{RULE_ACTIVITY_HLT_DPL, RIG_COMPATIBLE, {{ACTIVITY, ACTIVITY_HLT}}, 0},
		{RULE_NONE, RIG_COMPATIBLE, {{ACTIVITY, ACTIVITY_SHUTDOWN}}, 0},
		{RULE_ACTIVITY_BLOCKING, RIG_HALTED, {{BLOCKING, MOV_SS}}, 0},
		{RULE_ACTIVITY_BLOCKING, RIG_HALTED, {{BLOCKING, STI}}, 0},
		{RULE_NONE, RIG_HALTED, {{BLOCKING, BLOCKING_BY_NMI}}, 0},
		{RULE_ACTIVITY_BLOCKING,
		 RIG_LONG,
		 {{ACTIVITY, ACTIVITY_SHUTDOWN}, {BLOCKING, MOV_SS}},
		 0},
		/* HLT: 'external interrupt or NMI … #DB … #MC … pending MTF VM exit' */
		{RULE_NONE, RIG_HALTED, {{INFO, VALID | 0x30}}, 0},
		{RULE_NONE, RIG_HALTED, {{INFO, VALID | NMI}}, 0},
		{RULE_NONE, RIG_HALTED, {{INFO, VALID | EXCEPTION | 1}}, 0},
		{RULE_NONE, RIG_HALTED, {{INFO, VALID | EXCEPTION | 18}}, 0},
		{RULE_NONE, RIG_HALTED, {{INFO, VALID | 0x700}}, 0},
		{RULE_ACTIVITY_HLT_EVENT, RIG_HALTED, {{INFO, VALID | EXCEPTION | 6}}, 0},
		{RULE_ACTIVITY_HLT_EVENT, RIG_HALTED, {{INFO, VALID | EXCEPTION | 0x80d}}, 0},
		{RULE_ACTIVITY_HLT_EVENT, RIG_HALTED, {{INFO, VALID | 0x480}}, 0},
		{RULE_ACTIVITY_HLT_EVENT, RIG_HALTED, {{INFO, VALID | 0x501}}, 0},
		/* shutdown: 'only NMI or machine-check exception' */
		{RULE_NONE, RIG_LONG, {{ACTIVITY, ACTIVITY_SHUTDOWN}, {INFO, VALID | NMI}}, 0},
		{RULE_NONE,
		 RIG_LONG,
		 {{ACTIVITY, ACTIVITY_SHUTDOWN}, {INFO, VALID | EXCEPTION | 18}},
		 0},
		{RULE_ACTIVITY_SHUTDOWN_EVENT,
		 RIG_LONG,
		 {{ACTIVITY, ACTIVITY_SHUTDOWN}, {INFO, VALID | EXCEPTION | 1}},
		 0},
		{RULE_ACTIVITY_SHUTDOWN_EVENT,
		 RIG_HALTED,
		 {{ACTIVITY, ACTIVITY_SHUTDOWN}, {INFO, VALID | 0x30}},
		 0},
		/* wait for SIPI: 'no interruptions are allowed' */
		{RULE_ACTIVITY_SIPI_EVENT,
		 RIG_LONG,
		 {{ACTIVITY, ACTIVITY_WAIT_FOR_SIPI}, {INFO, VALID | NMI}},
		 0},
	};

	(void)state;
	RUN(rows);
	/* 'Should read the VMX capability MSR IA32_VMX_MISC to determine … support' */
	for (unsigned i = ACTIVITY_HLT; i <= ACTIVITY_WAIT_FOR_SIPI; i++) {
		rig_set(&rig, RIG_LONG);
		rig.caps.misc &= ~(32ull << i);
		rig.value[ACTIVITY] = i;
		assert_int_equal(check(PART_ALL).rule, RULE_ACTIVITY);
		rig.value[ACTIVITY] = i % 3 + 1;
		assert_int_equal(check(PART_ALL).rule, RULE_NONE);
	}
}

static void interruptibility(void **state)
{
	static const struct breaking rows[] = {
		{RULE_BLOCKING_RESERVED, RIG_LONG, {{BLOCKING, 0x20}}, 0},
		{RULE_BLOCKING_RESERVED, RIG_LONG, {{BLOCKING, 0x80000000}}, 0},
		{RULE_BLOCKING_BOTH, RIG_LONG, {{BLOCKING, 3}, {GUEST_RFLAGS, 0x202}}, 0},
		{RULE_BLOCKING_STI_IF, RIG_LONG, {{BLOCKING, STI}}, 0},
		{RULE_NONE, RIG_LONG, {{BLOCKING, STI}, {GUEST_RFLAGS, 0x202}}, 0},
		{RULE_NONE, RIG_LONG, {{BLOCKING, MOV_SS}}, 0},
		{RULE_BLOCKING_SMI, RIG_LONG, {{BLOCKING, BLOCKING_BY_SMI}}, 0},
		{RULE_BLOCKING_ENCLAVE, RIG_LONG, {{BLOCKING, BLOCKING_ENCLAVE}}, 0},
		{RULE_BLOCKING_INTERRUPT,
		 RIG_LONG,
		 {{BLOCKING, STI}, {GUEST_RFLAGS, 0x202}, {INFO, VALID | 0x30}},
		 0},
		{RULE_BLOCKING_INTERRUPT,
		 RIG_LONG,
		 {{BLOCKING, MOV_SS}, {GUEST_RFLAGS, 0x202}, {INFO, VALID | 0x30}},
		 0},
		{RULE_NONE,
		 RIG_LONG,
		 {{BLOCKING, BLOCKING_BY_NMI}, {GUEST_RFLAGS, 0x202}, {INFO, VALID | 0x30}},
		 0},
		{RULE_BLOCKING_MOV_SS_NMI, RIG_LONG, {{BLOCKING, MOV_SS}, {INFO, VALID | NMI}}, 0},
		{RULE_BLOCKING_STI_NMI,
		 RIG_LONG,
		 {{BLOCKING, STI}, {GUEST_RFLAGS, 0x202}, {INFO, VALID | NMI}},
		 0},
		{RULE_BLOCKING_NMI,
		 RIG_LONG,
		 {{BLOCKING, BLOCKING_BY_NMI}, {INFO, VALID | NMI}},
		 0},
		/* An exception is not blocked. */
		{RULE_NONE, RIG_LONG, {{BLOCKING, MOV_SS}, {INFO, VALID | EXCEPTION | 6}}, 0},
		{RULE_NONE, RIG_LONG, {{BLOCKING, BLOCKING_BY_NMI}}, 0},
		{RULE_LINK_POINTER, RIG_LONG, {{VMCS_LINK_POINTER, 0}}, 0},
		{RULE_LINK_POINTER, RIG_LONG, {{VMCS_LINK_POINTER, 0xffffffff}}, 0},
	};

	(void)state;
	RUN(rows);
	/* 'If the "virtual NMIs" VM-execution control is 1' */
	rig_set(&rig, RIG_LONG);
	rig.value[PIN_BASED_CONTROLS] &= ~(uint64_t)PIN_VIRTUAL_NMIS;
	rig.value[BLOCKING] = BLOCKING_BY_NMI;
	rig.value[INFO] = VALID | NMI;
	assert_int_equal(check(PART_ALL).rule, RULE_NONE);
}

static void pending_debug_exceptions(void **state)
{
	static const struct breaking rows[] = {
		{RULE_NONE, RIG_LONG, {{PENDING, 0x500f}}, 0},
		{RULE_PENDING_RESERVED, RIG_LONG, {{PENDING, 0x10}}, 0},
		{RULE_PENDING_RESERVED, RIG_LONG, {{PENDING, 0x400}}, 0},
		{RULE_PENDING_RESERVED, RIG_LONG, {{PENDING, 0x800}}, 0},
		{RULE_PENDING_RESERVED, RIG_LONG, {{PENDING, 0x2000}}, 0},
		{RULE_PENDING_RESERVED, RIG_LONG, {{PENDING, 0x8000}}, 0},
		{RULE_PENDING_RESERVED, RIG_LONG, {{PENDING, 0x20000}}, 0},
		{RULE_PENDING_RESERVED, RIG_LONG, {{PENDING, 1ull << 63}}, 0},
		/* issue 10: #DB given back while STI or MOV SS blocks and TF is set */
		{RULE_PENDING_BS_MISSING,
		 RIG_LONG,
		 {{BLOCKING, STI}, {GUEST_RFLAGS, 0x302}, {INFO, VALID | EXCEPTION | 1}},
		 0},
		{RULE_PENDING_BS_MISSING, RIG_LONG, {{BLOCKING, MOV_SS}, {GUEST_RFLAGS, 0x102}}, 0},
		{RULE_PENDING_BS_MISSING, RIG_HALTED, {{GUEST_RFLAGS, 0x302}}, 0},
		{RULE_NONE,
		 RIG_LONG,
		 {{BLOCKING, STI}, {GUEST_RFLAGS, 0x302}, {PENDING, 0x4000}},
		 0},
		{RULE_NONE,
		 RIG_LONG,
		 {{BLOCKING, MOV_SS}, {GUEST_RFLAGS, 0x102}, {GUEST_IA32_DEBUGCTL, 2}},
		 0},
		{RULE_NONE, RIG_LONG, {{GUEST_RFLAGS, 0x102}}, 0}, /* nothing blocks */
		{RULE_PENDING_BS, RIG_LONG, {{BLOCKING, MOV_SS}, {PENDING, 0x4000}}, 0},
		{RULE_PENDING_BS, RIG_HALTED, {{PENDING, 0x4000}}, 0},
		{RULE_PENDING_BS,
		 RIG_LONG,
		 {{BLOCKING, MOV_SS},
		  {PENDING, 0x4000},
		  {GUEST_RFLAGS, 0x102},
		  {GUEST_IA32_DEBUGCTL, 2}},
		 0},
		{RULE_NONE, RIG_LONG, {{PENDING, 0x4000}}, 0},
		{RULE_NONE, RIG_LONG, {{BLOCKING, MOV_SS}, {PENDING, 0xf}}, 0},
		{RULE_PENDING_RTM, RIG_LONG, {{PENDING, 0x11000}}, 0}, /* no RTM */
	};
	const struct {
		uint64_t pending;
		enum entry_rule rule;
	} with_rtm[] = {
		{0x11000, RULE_NONE},        {0x10000, RULE_PENDING_RTM},
		{0x11001, RULE_PENDING_RTM}, {0x15000, RULE_PENDING_RTM},
		{0x1000, RULE_NONE},
	};

	(void)state;
	RUN(rows);
	for (unsigned i = 0; i < ARRAY_SIZE(with_rtm); i++) {
		rig_set(&rig, RIG_LONG);
		rig.caps.has_rtm = true;
		rig.value[PENDING] = with_rtm[i].pending;
		assert_int_equal(check(PART_ALL).rule, with_rtm[i].rule);
	}
	rig.value[PENDING] = 0x11000;
	rig.value[BLOCKING] = MOV_SS;
	assert_int_equal(check(PART_ALL).rule, RULE_PENDING_RTM_MOV_SS);
	is_hit[RULE_PENDING_RTM_MOV_SS] = true;
	rig_set(&rig, RIG_LONG);
	rig.caps.has_bus_lock_debug = true;
	rig.value[PENDING] = 0x800;
	assert_int_equal(check(PART_ALL).rule, RULE_NONE);
}

/* --- PDPTEs --------------------------------------------------------------------------------------
 */

static void pdptes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		unsigned field = GUEST_PDPTE0 + 2 * i;

		for (unsigned bit = 0; bit < 64; bit++) {
			bool is_reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) ||
					   bit >= rig_caps.physical_bits;
			const struct breaking b = {is_reserved ? RULE_PDPTE : RULE_NONE,
						   RIG_PAE,
						   {{field, 1ull << bit | 1}},
						   is_reserved ? i : 0};
			const struct breaking absent = {
				RULE_NONE, RIG_PAE, {{field, (1ull << bit) & ~1ull}}, 0};
			const struct breaking other = {
				RULE_NONE, RIG_LONG, {{field, 1ull << bit | 1}}, 0};

			run(&b);
			run(&absent);
			run(&other);
		}
	}
	/* Without EPT, without PAE, without paging they are not used. */
	rig_set(&rig, RIG_PAE);
	rig.value[GUEST_PDPTE0] = 3;
	assert_int_equal(check(PART_PDPTES).rule, RULE_PDPTE);
	rig.value[GUEST_CR4] &= ~0x20ull;
	assert_int_equal(check(PART_PDPTES).rule, RULE_NONE);
	rig_set(&rig, RIG_PAE);
	rig.value[GUEST_PDPTE0] = 3;
	rig.value[GUEST_CR0] &= 0x7fffffff;
	assert_int_equal(check(PART_PDPTES).rule, RULE_NONE);
	rig_set(&rig, RIG_PAE);
	rig.value[GUEST_PDPTE0] = 3;
	rig.value[SECONDARY_CONTROLS] = 0;
	assert_int_equal(check(PART_PDPTES).rule, RULE_NONE);
}

/* --- about the table -----------------------------------------------------------------------------
 */

/* 'The current VMCS may be in any of these states': the parts come in their order. */
static void the_first_part_is_named(void **state)
{
	(void)state;
	rig_set(&rig, RIG_LONG);
	rig.value[VPID] = 0;
	rig.value[INFO] = VALID | 0x100;
	rig.value[HOST_CR0] = 0;
	rig.value[GUEST_CR0] = 0;
	rig.value[GUEST_RFLAGS] = 0;
	assert_int_equal(check(PART_ALL).rule, RULE_VPID);
	assert_int_equal(check(PART_ALL & ~PART_CONTROLS).rule, RULE_EVENT_TYPE);
	assert_int_equal(check(PART_HOST | PART_RIP).rule, RULE_HOST_CR0);
	assert_int_equal(check(PART_RIP).rule, RULE_RFLAGS_RESERVED);
	assert_int_equal(check(0).rule, RULE_NONE);
}

static void words_name_fields_and_values(void **state)
{
	char text[ENTRY_BREACH_MAX];

	(void)state;
	rig_set(&rig, RIG_LONG);
	rig.value[RIGHTS(FS)] = 0xc092;
	vmx_describe_breach(&rig.in, check(PART_ALL), text, sizeof(text));
	assert_string_equal(text,
			    "DS, ES, FS, GS: if usable, bit 0 of the type must be 1 (accessed): "
			    "GUEST_FS_ACCESS_RIGHTS 0xc092");
	rig_set(&rig, RIG_LONG);
	rig.value[HOST_TR_SELECTOR] = 0x1b;
	vmx_describe_breach(&rig.in, check(PART_ALL), text, sizeof(text));
	assert_string_equal(text, "the RPL and the TI flag of the host's selectors must be 0: "
				  "HOST_TR_SELECTOR 0x1b");
	rig_set(&rig, RIG_PROTECTED);
	rig.value[GUEST_RIP] = 0x100000000;
	vmx_describe_breach(&rig.in, check(PART_ALL), text, sizeof(text));
	assert_string_equal(
		text, "bits 63:32 of RIP must be 0 if 'IA-32e mode guest' is 0 or L in CS is 0: "
		      "GUEST_RIP 0x100000000, GUEST_CS_ACCESS_RIGHTS 0xc09b, ENTRY_CONTROLS "
		      "0xd1ff");
	/* What does not fit is cut off. */
	vmx_describe_breach(&rig.in, check(PART_ALL), text, 20);
	assert_string_equal(text, "bits 63:32 of RIP m");
}

/* Last: each rule of the table has been broken above, and has words and a part; each field that
 * vmx_entry_parts names is read by just these parts. */
static void every_rule_was_broken(void **state)
{
	(void)state;
	for (unsigned rule = RULE_NONE + 1; rule < ENTRY_RULES; rule++) {
		const struct entry_rule_row *row = &vmx_entry_rules[rule];

		if (!is_hit[rule])
			print_message("not broken by any test: rule %u, %s\n", rule, row->words);
		assert_true(is_hit[rule]);
		assert_non_null(row->words);
		assert_true(row->part && !(row->part & (row->part - 1)));
		assert_true(row->field[0]);
	}
	for (unsigned field = 0; field < RIG_ENCODINGS; field += 2) {
		/* No field has an index above 31. */
		uint8_t expected = field & 0x13c0 ? 0 : vmx_entry_parts(field);

		if (rig.read_by[field] != expected)
			print_message("%s is read by 0x%x\n", vmx_field_name(field),
				      rig.read_by[field]);
		assert_int_equal(rig.read_by[field], expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_states_pass),
		cmocka_unit_test(control_words),
		cmocka_unit_test(controls),
		cmocka_unit_test(controls_of_each_other),
		cmocka_unit_test(events),
		cmocka_unit_test(error_codes_by_vector),
		cmocka_unit_test(host),
		cmocka_unit_test(registers),
		cmocka_unit_test(pat_bytes),
		cmocka_unit_test(segments),
		cmocka_unit_test(every_segment),
		cmocka_unit_test(types_of_code),
		cmocka_unit_test(v8086_segments),
		cmocka_unit_test(rip_and_rflags),
		cmocka_unit_test(activity),
		cmocka_unit_test(interruptibility),
		cmocka_unit_test(pending_debug_exceptions),
		cmocka_unit_test(pdptes),
		cmocka_unit_test(the_first_part_is_named),
		cmocka_unit_test(words_name_fields_and_values),
		cmocka_unit_test(every_rule_was_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
