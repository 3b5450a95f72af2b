/* The audit of translations: what changes them and is not flushed is found before an entry. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>

#include "vmx/cr.h"
#include "vmx/tlb_audit.h"

static struct tlb_vpid_audit vpid;
static struct tlb_ept_audit ept;

static int setup(void **state)
{
	(void)state;
	tlb_vpid_init(&vpid);
	tlb_ept_init(&ept);
	return 0;
}

/* A VPID, or an EPT at an address, may have had an earlier user. */
static void nothing_is_flushed_at_first(void **state)
{
	(void)state;
	assert_string_equal(tlb_vpid_stale(&vpid, 0), "a new VPID");
	for (uint32_t pcpu = 0; pcpu < MAX_PCPUS; pcpu += MAX_PCPUS - 1) {
		assert_string_equal(tlb_ept_stale(&ept, pcpu), "a new EPT");
		tlb_ept_flushes(&ept, pcpu);
		assert_null(tlb_ept_stale(&ept, pcpu));
	}
	assert_non_null(tlb_ept_stale(&ept, 1));
}

static void a_flush_serves_what_was_before(void **state)
{
	(void)state;
	tlb_vpid_flushes(&vpid, 0);
	assert_null(tlb_vpid_stale(&vpid, 0));
	tlb_vpid_changed(&vpid, "CR3");
	tlb_vpid_changed(&vpid, "INIT");
	assert_string_equal(tlb_vpid_stale(&vpid, 0), "INIT");
	tlb_vpid_flushes(&vpid, 0);
	assert_null(tlb_vpid_stale(&vpid, 0));
	assert_null(tlb_vpid_stale(&vpid, 0));
}

/* Away and back: what it left on the first pCPU is older than what it did on the second. */
static void each_move_needs_a_flush(void **state)
{
	(void)state;
	tlb_vpid_flushes(&vpid, 0);
	assert_string_equal(tlb_vpid_stale(&vpid, 1), "it has run on another pCPU");
	tlb_vpid_flushes(&vpid, 1);
	assert_null(tlb_vpid_stale(&vpid, 1));
	assert_non_null(tlb_vpid_stale(&vpid, 0));
	/* And a change that was flushed elsewhere only. */
	tlb_vpid_changed(&vpid, "CR0.PG");
	tlb_vpid_flushes(&vpid, 0);
	assert_string_equal(tlb_vpid_stale(&vpid, 1), "it has run on another pCPU");
}

/* All flush before the changer enters: until then an entry elsewhere may still use the old ones. */
static void a_change_of_ept_is_due_when_its_changer_enters(void **state)
{
	(void)state;
	tlb_ept_flushes(&ept, 0);
	tlb_ept_flushes(&ept, 1);
	tlb_ept_flushes(&ept, 2);
	tlb_ept_changed(&ept, 1, "a leaf was split");
	assert_null(tlb_ept_stale(&ept, 0));
	tlb_ept_flushes(&ept, 0);
	assert_string_equal(tlb_ept_stale(&ept, 1), "a leaf was split"); /* not even itself */
	tlb_ept_flushes(&ept, 1);
	assert_null(tlb_ept_stale(&ept, 1));
	assert_null(tlb_ept_stale(&ept, 0));
	assert_string_equal(tlb_ept_stale(&ept, 2), "a leaf was split"); /* forgotten */
	tlb_ept_flushes(&ept, 2);
	assert_null(tlb_ept_stale(&ept, 2));
	/* Where the VM has never run. */
	assert_non_null(tlb_ept_stale(&ept, 3));
}

/* What changes between the flush and the entry is not covered. */
static void a_flush_does_not_serve_what_comes_later(void **state)
{
	(void)state;
	tlb_ept_flushes(&ept, 0);
	tlb_ept_changed(&ept, 0, "one");
	tlb_ept_flushes(&ept, 0);
	tlb_ept_changed(&ept, 0, "two");
	assert_string_equal(tlb_ept_stale(&ept, 0), "two");
	/* Two changers: the second one's flush serves both. */
	tlb_ept_changed(&ept, 1, "three");
	tlb_ept_flushes(&ept, 0);
	tlb_ept_flushes(&ept, 1);
	assert_null(tlb_ept_stale(&ept, 0));
	assert_null(tlb_ept_stale(&ept, 1));
}

/* 'MOV to CR0. The instruction invalidates all TLB entries … if it changes the value of CR0.PG from
 * 1 to 0'; the other way there were none of this kind, but combined ones from the time without
 * paging. */
static void control_registers(void **state)
{
	(void)state;
	assert_non_null(tlb_cr0_change(CR0_PG | CR0_PE, CR0_PE));
	assert_non_null(tlb_cr0_change(CR0_PE, CR0_PG | CR0_PE));
	assert_null(tlb_cr0_change(CR0_PG | CR0_PE, CR0_PG | CR0_PE | CR0_WP | CR0_NE));
	/* 'MOV to CR4 … invalidates all TLB entries … if (1) it changes the value of CR4.PGE; or
	 * (2) it changes the value of the CR4.PCIDE from 1 to 0'; '… if (1) it changes the value of
	 * CR4.PAE; or (2) it changes the value of CR4.SMEP from 0 to 1.' */
	assert_string_equal(tlb_cr4_change(0, CR4_PGE), "CR4.PGE");
	assert_string_equal(tlb_cr4_change(CR4_PGE, 0), "CR4.PGE");
	assert_string_equal(tlb_cr4_change(CR4_PCIDE, 0), "CR4.PCIDE");
	assert_null(tlb_cr4_change(0, CR4_PCIDE));
	assert_string_equal(tlb_cr4_change(CR4_PAE, 0), "CR4.PAE");
	assert_string_equal(tlb_cr4_change(0, CR4_PAE), "CR4.PAE");
	assert_string_equal(tlb_cr4_change(0, CR4_SMEP), "CR4.SMEP");
	assert_null(tlb_cr4_change(CR4_SMEP, 0));
	assert_null(tlb_cr4_change(CR4_PAE, CR4_PAE | CR4_OSXSAVE | CR4_TSD | CR4_UMIP));
	assert_string_equal(tlb_efer_change(EFER_NX, 0), "EFER.NXE");
	assert_string_equal(tlb_efer_change(0, EFER_NX), "EFER.NXE");
	assert_null(tlb_efer_change(EFER_LME, EFER_LME | EFER_SCE));
}

/* --- threads as pCPUs ----------------------------------------------------------------------------
 */

#define PCPUS  3u
#define ROUNDS 20000u

static uint32_t asked[PCPUS], stale_entries;

/* A pCPU that enters again and again, and serves the others' IPIs in between; pCPU 0 changes the
 * EPT, flushes itself, and has the others flush before it enters. */
static void *pcpu_main(void *arg)
{
	uint32_t id = (uint32_t)(uintptr_t)arg;

	tlb_ept_flushes(&ept, id);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		uint32_t want = __atomic_load_n(&asked[id], __ATOMIC_SEQ_CST);

		if (id && want & 1) {
			tlb_ept_flushes(&ept, id);
			__atomic_store_n(&asked[id], want + 1, __ATOMIC_SEQ_CST);
		}
		if (!id && round % 64 == 0) {
			tlb_ept_changed(&ept, id, "remap");
			tlb_ept_flushes(&ept, id);
			for (uint32_t k = 1; k < PCPUS; k++) {
				uint32_t mine = asked[k] + 1;

				__atomic_store_n(&asked[k], mine, __ATOMIC_SEQ_CST);
				while (__atomic_load_n(&asked[k], __ATOMIC_SEQ_CST) == mine)
					;
			}
		}
		if (tlb_ept_stale(&ept, id))
			__atomic_fetch_add(&stale_entries, 1, __ATOMIC_SEQ_CST);
		if (id && round == ROUNDS && __atomic_load_n(&asked[0], __ATOMIC_SEQ_CST) == 0)
			round--; /* until pCPU 0 has done */
	}
	if (!id)
		__atomic_store_n(&asked[0], 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void no_false_alarm_among_pcpus(void **state)
{
	pthread_t threads[PCPUS];

	(void)state;
	for (uint32_t id = 0; id < PCPUS; id++)
		tlb_ept_flushes(&ept, id);
	for (uint32_t id = 0; id < PCPUS; id++)
		assert_int_equal(
			pthread_create(&threads[id], NULL, pcpu_main, (void *)(uintptr_t)id), 0);
	for (uint32_t id = 0; id < PCPUS; id++)
		pthread_join(threads[id], NULL);
	assert_int_equal(stale_entries, 0);
	assert_int_equal(ept.changes, 1 + ROUNDS / 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_flushed_at_first, setup),
		cmocka_unit_test_setup(a_flush_serves_what_was_before, setup),
		cmocka_unit_test_setup(each_move_needs_a_flush, setup),
		cmocka_unit_test_setup(a_change_of_ept_is_due_when_its_changer_enters, setup),
		cmocka_unit_test_setup(a_flush_does_not_serve_what_comes_later, setup),
		cmocka_unit_test_setup(control_registers, setup),
		cmocka_unit_test_setup(no_false_alarm_among_pcpus, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
