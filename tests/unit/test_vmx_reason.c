/* Which exits carry a machine check of the host's. Quotes: SDM, 'VM Entries' and 'VM Exits'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "vmx/reason.h"

/* 'Basic exit reason 41: VM-entry failure due to machine-check event. A machine-check event
 * occurred during VM entry'; 'bit 31: VM-entry failure (0 = true VM exit; 1 = VM-entry failure)'.
 */
static void test_entry_failure(void **state)
{
	(void)state;
	assert_true(is_machine_check_entry_failure(0x80000029));
	/* Bits 26 to 30 say more of the same exit. */
	assert_true(is_machine_check_entry_failure(0x88000029));
	assert_false(is_machine_check_entry_failure(41)); /* a true exit has no such reason */
	assert_false(is_machine_check_entry_failure(0x80000021)); /* invalid guest state */
	assert_false(is_machine_check_entry_failure(0x80000022)); /* MSR loading */
	assert_false(is_machine_check_entry_failure(0x80000129));
}

/* 'Format of the VM-Exit Interruption-Information Field': vector 18, type 3, valid. */
static void test_event(void **state)
{
	(void)state;
	assert_true(is_machine_check_event(0x80000312));
	assert_true(is_machine_check_event(0x80001312));  /* NMI unblocking due to IRET */
	assert_false(is_machine_check_event(0x80000202)); /* NMI */
	assert_false(is_machine_check_event(0x80000301)); /* #DB */
	assert_false(is_machine_check_event(0x80000012)); /* an external interrupt, vector 18 */
}

/* 'VM-Instruction Error Numbers'. */
static void test_entry_error(void **state)
{
	(void)state;
	assert_true(is_entry_error_of_one_vm(7));   /* invalid control field(s) */
	assert_false(is_entry_error_of_one_vm(4));  /* VMLAUNCH with non-clear VMCS */
	assert_false(is_entry_error_of_one_vm(5));  /* VMRESUME with non-launched VMCS */
	assert_false(is_entry_error_of_one_vm(8));  /* invalid host-state field(s) */
	assert_false(is_entry_error_of_one_vm(26)); /* events blocked by MOV SS: the host's */
	assert_false(is_entry_error_of_one_vm(-1)); /* no current VMCS */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry_failure),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_entry_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
