/* The rules of events. Quotes: SDM, 'Interrupt 8 - Double Fault Exception (#DF)', 'VM Entries'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "vmx/events.h"

#define HW(vector) ((vector) | INTR_TYPE_HARDWARE_EXCEPTION)

#define TF  BIT_ULL(8)
#define IF  BIT_ULL(9)
#define BTF BIT_ULL(1)
#define BS  BIT_ULL(14)

/* 'Interrupt and Exception Classes'. */
static const uint32_t benign[] = {
	HW(1),
	HW(3),
	HW(4),
	HW(5),
	HW(6),
	HW(7),
	HW(9),
	HW(15),
	HW(16),
	HW(17),
	HW(18),
	HW(19),
	2 | INTR_TYPE_NMI,
	/* Whatever their vectors are. */
	8 | INTR_TYPE_EXTERNAL,
	13 | INTR_TYPE_EXTERNAL,
	14 | INTR_TYPE_EXTERNAL,
	13 | INTR_TYPE_SOFTWARE_INTERRUPT,
	1 | INTR_TYPE_PRIVILEGED_SOFTWARE_EXCEPTION,
	3 | INTR_TYPE_SOFTWARE_EXCEPTION,
};
static const uint32_t contributory[] = {HW(0), HW(10), HW(11), HW(12), HW(13)};
static const uint32_t page_fault = HW(14), double_fault = HW(8);

/* 'Conditions for Generating a Double Fault': 'Handle Exceptions Serially' for all pairs with a
 * benign one in it. */
static void test_benign(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(benign); i++) {
		assert_int_equal(event_combine(benign[i], page_fault), EVENT_SECOND);
		assert_int_equal(event_combine(page_fault, benign[i]), EVENT_SECOND);
		assert_int_equal(event_combine(double_fault, benign[i]), EVENT_SECOND);
		for (unsigned k = 0; k < ARRAY_SIZE(contributory); k++) {
			assert_int_equal(event_combine(benign[i], contributory[k]), EVENT_SECOND);
			assert_int_equal(event_combine(contributory[k], benign[i]), EVENT_SECOND);
		}
		for (unsigned k = 0; k < ARRAY_SIZE(benign); k++)
			assert_int_equal(event_combine(benign[i], benign[k]), EVENT_SECOND);
	}
}

static void test_double_fault(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(contributory); i++) {
		uint32_t fault = contributory[i];

		for (unsigned k = 0; k < ARRAY_SIZE(contributory); k++)
			assert_int_equal(event_combine(fault, contributory[k]), EVENT_DOUBLE_FAULT);
		/* 'Contributory, page fault: handle exceptions serially'. */
		assert_int_equal(event_combine(fault, page_fault), EVENT_SECOND);
		assert_int_equal(event_combine(page_fault, fault), EVENT_DOUBLE_FAULT);
		/* 'If another contributory or page fault exception occurs while attempting to call
		 * the double-fault handler, the processor enters shutdown mode.' */
		assert_int_equal(event_combine(double_fault, fault), EVENT_TRIPLE_FAULT);
	}
	assert_int_equal(event_combine(page_fault, page_fault), EVENT_DOUBLE_FAULT);
	assert_int_equal(event_combine(double_fault, page_fault), EVENT_TRIPLE_FAULT);
}

/* The bits beside type and vector say nothing of the class. */
static void test_combine_ignores(void **state)
{
	const uint32_t more = INTR_INFO_VALID | INTR_INFO_ERROR_CODE | INTR_INFO_NMI_UNBLOCKING;

	(void)state;
	assert_int_equal(event_combine(HW(13) | more, HW(13)), EVENT_DOUBLE_FAULT);
	assert_int_equal(event_combine(HW(14), HW(14) | more), EVENT_DOUBLE_FAULT);
}

static void test_kept(void **state)
{
	(void)state;
	assert_true(event_is_kept(2 | INTR_TYPE_NMI | INTR_INFO_VALID));
	assert_true(event_is_kept(0x31 | INTR_TYPE_EXTERNAL));
	assert_false(event_is_kept(HW(1)));
	assert_false(event_is_kept(0x80 | INTR_TYPE_SOFTWARE_INTERRUPT));
	assert_false(event_is_kept(3 | INTR_TYPE_SOFTWARE_EXCEPTION));
	assert_false(event_is_kept(1 | INTR_TYPE_PRIVILEGED_SOFTWARE_EXCEPTION));
}

/* 'VM-Entry Controls for Event Injection': 'the deliver-error-code bit (bit 11) is 1 if each of the
 * following holds: (1) the interruption type is hardware exception; (2) bit 0 (corresponding to
 * CR0.PE) is set in the CR0 field in the guest-state area; (3) [...] the vector indicates one of
 * #DF (vector 8), #TS (10), #NP (11), #SS (12), #GP (13), #PF (14), or #AC (17)', and 0 otherwise.
 */
static void test_error_code(void **state)
{
	static const uint32_t types[] = {
		INTR_TYPE_EXTERNAL,           INTR_TYPE_NMI,
		INTR_TYPE_SOFTWARE_INTERRUPT, INTR_TYPE_PRIVILEGED_SOFTWARE_EXCEPTION,
		INTR_TYPE_SOFTWARE_EXCEPTION,
	};
	const uint32_t with_error =
		BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17);

	(void)state;
	for (uint32_t vector = 0; vector < 32; vector++) {
		uint32_t plain = HW(vector), coded = plain | INTR_INFO_ERROR_CODE;
		bool has_error = with_error & BIT(vector);

		assert_int_equal(event_fit(plain, true), has_error ? coded : plain);
		assert_int_equal(event_fit(coded, true), has_error ? coded : plain);
		assert_int_equal(event_fit(plain, false), plain);
		assert_int_equal(event_fit(coded, false), plain);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		for (uint32_t vector = 0; vector < 256; vector++)
			assert_int_equal(event_fit(vector | types[i] | INTR_INFO_ERROR_CODE, true),
					 vector | types[i]);
	assert_int_equal(event_fit(HW(13) | INTR_INFO_VALID, true),
			 HW(13) | INTR_INFO_VALID | INTR_INFO_ERROR_CODE);
}

static void test_nmi_way(void **state)
{
	(void)state;
	assert_int_equal(event_nmi_way(0, false), NMI_NOW);
	assert_int_equal(event_nmi_way(BLOCKING_BY_NMI, false), NMI_BY_NMI_WINDOW);
	assert_int_equal(event_nmi_way(BLOCKING_BY_MOV_SS, false), NMI_BY_NMI_WINDOW);
	assert_int_equal(event_nmi_way(0, true), NMI_BY_NMI_WINDOW);
	assert_int_equal(event_nmi_way(BLOCKING_BY_STI, false), NMI_BY_INTERRUPT_WINDOW);
	/* What comes first ends the blocking by STI. */
	assert_int_equal(event_nmi_way(BLOCKING_BY_STI, true), NMI_BY_NMI_WINDOW);
	/* Blocked by NMI the NMI window is shut to the CPU, too. */
	assert_int_equal(event_nmi_way(BLOCKING_BY_STI | BLOCKING_BY_NMI, false),
			 NMI_BY_NMI_WINDOW);
	/* Bit 2, blocking by SMI, has nothing to do with it. */
	assert_int_equal(event_nmi_way(BIT(2), false), NMI_NOW);
}

/* 'Bit 12 is undefined in any of the following cases: if the VM exit sets the valid bit in the
 * IDT-vectoring information field; if the VM exit is due to a double fault'. */
static void test_unblocked(void **state)
{
	const uint64_t bit = BIT(12), ac = HW(17) | INTR_INFO_VALID, df = HW(8) | INTR_INFO_VALID;

	(void)state;
	assert_true(event_has_unblocked_nmi(ac | bit, true, 0));
	assert_true(event_has_unblocked_nmi(ac | bit, true, INTR_INFO_VALID - 1));
	assert_false(event_has_unblocked_nmi(ac, true, 0));
	assert_false(event_has_unblocked_nmi(ac | bit, true, INTR_INFO_VALID));
	assert_false(event_has_unblocked_nmi(df | bit, true, 0));
	/* In a qualification the same bits are something else. */
	assert_true(event_has_unblocked_nmi(df | bit, false, 0));
	assert_false(event_has_unblocked_nmi(~bit, false, 0));
	assert_false(event_has_unblocked_nmi(bit, false, INTR_INFO_VALID | 0x20));
}

static struct event_state fit(struct event_state state)
{
	event_fit_state(&state);
	return state;
}

/* 'Pending debug exceptions: the following checks are performed if [...] the interruptibility-state
 * field indicates blocking by STI, [...] blocking by MOV SS, or the activity-state field indicates
 * HLT: bit 14 (BS) must be 1 if the TF flag in the RFLAGS field is 1 and the BTF flag in the
 * IA32_DEBUGCTL field is 0; must be 0 if the TF flag is 0 or the BTF flag is 1.' */
static void test_single_step(void **state)
{
	static const struct {
		uint64_t interruptibility, activity;
		bool is_checked;
	} rows[] = {
		{0, ACTIVITY_ACTIVE, false},
		{BLOCKING_BY_NMI, ACTIVITY_ACTIVE, false},
		{BLOCKING_BY_STI, ACTIVITY_ACTIVE, true},
		{BLOCKING_BY_MOV_SS, ACTIVITY_ACTIVE, true},
		{BLOCKING_BY_MOV_SS | BLOCKING_BY_NMI, ACTIVITY_ACTIVE, true},
		{0, ACTIVITY_HLT, true},
		{0, 2, false}, /* shutdown */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned k = 0; k < 8; k++) {
			struct event_state before = {
				.rflags = IF | (k & 1 ? TF : 0),
				.debugctl = k & 2 ? BTF : 0,
				.interruptibility = rows[i].interruptibility,
				.activity = rows[i].activity,
				.pending_debug = 0x100f | (k & 4 ? BS : 0),
			};
			struct event_state after = fit(before);
			bool is_due = rows[i].is_checked ? (k & 3) == 1 : !!(k & 4);

			assert_int_equal(after.pending_debug, 0x100f | (is_due ? BS : 0));
			assert_int_equal(after.interruptibility, before.interruptibility);
			assert_int_equal(after.activity, before.activity);
			assert_int_equal(after.rflags, before.rflags);
			assert_int_equal(after.debugctl, before.debugctl);
		}
	}
}

/* 'Bit 0 (blocking by STI) must be 0 if the IF flag (bit 9) is 0 in the RFLAGS field.' */
static void test_sti(void **state)
{
	const uint64_t all = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS | BLOCKING_BY_NMI;
	struct event_state s;

	(void)state;
	s = fit((struct event_state){.interruptibility = all});
	assert_int_equal(s.interruptibility, BLOCKING_BY_MOV_SS | BLOCKING_BY_NMI);
	s = fit((struct event_state){.rflags = IF, .interruptibility = all});
	assert_int_equal(s.interruptibility, all);
	/* 'The activity-state field must indicate the active state if the interruptibility-state
	 * field indicates blocking by either MOV-SS or by STI': the HLT was what they lasted for.
	 */
	s = fit((struct event_state){
		.rflags = IF, .interruptibility = all, .activity = ACTIVITY_HLT});
	assert_int_equal(s.interruptibility, BLOCKING_BY_NMI);
	/* What no longer blocks asks for no BS. */
	s = fit((struct event_state){.rflags = TF, .interruptibility = BLOCKING_BY_STI});
	assert_int_equal(s.pending_debug, 0);
}

/* Outside 64-bit mode EIP is what counts; in it, a hole of non-canonical addresses is entered and
 * found by the next fetch. */
static void test_next_rip(void **state)
{
	(void)state;
	assert_int_equal(event_next_rip(0x1000 + 2, false), 0x1002);
	assert_int_equal(event_next_rip(0xfffffffeull + 2, false), 0);
	assert_int_equal(event_next_rip(0xffffffffull + 3, false), 2);
	assert_int_equal(event_next_rip(0xfffffffc + 3, false), 0xffffffff);
	/* 16-bit code: the limit of CS ends it, and nothing wraps. */
	assert_int_equal(event_next_rip(0xfffe + 2, false), 0x10000);
	assert_int_equal(event_next_rip(0xfffffffeull + 2, true), 0x100000000);
	assert_int_equal(event_next_rip(0x7ffffffffffe + 2, true), 0x800000000000);
	assert_int_equal(event_next_rip(0xfffffffffffffffe + 3, true), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_benign),
		cmocka_unit_test(test_double_fault),
		cmocka_unit_test(test_combine_ignores),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_error_code),
		cmocka_unit_test(test_nmi_way),
		cmocka_unit_test(test_unblocked),
		cmocka_unit_test(test_single_step),
		cmocka_unit_test(test_sti),
		cmocka_unit_test(test_next_rip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
