/* Turning the trace on and off: rings for all pCPUs, once; and every pCPU is told, because whether
 * exits are traced is looked at when a vCPU begins to run. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cpu/apic.h"
#include "cpu/trace.h"
#include "fakes/interrupts.h"
#include "fakes/percpu.h"
#include "fakes/vcpu_arch.h"
#include "mm/page.h"
#include "monitor/tracing.h"
#include "sched/sched.h"

static unsigned hooks;

static void count_hook(void)
{
	hooks++;
}

static int setup(void **state)
{
	(void)state;
	fake_machine_start(0);
	fake_percpu_attach(1);
	fake_percpu_attach(0);
	sched_set_kick_hook(count_hook);
	hooks = 0;
	trace_switch.groups = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	trace_switch.groups = 0;
	/* In life they are never freed. */
	for (uint32_t i = 0; i < 2; i++) {
		const struct trace_ring *ring = &percpu_get(i)->trace;

		if (ring->records)
			pages_free(ring->records, (ring->mask + 1) * sizeof(*ring->records));
	}
	fake_machine_end();
	return 0;
}

static void test_on_and_off(void **state)
{
	struct trace_ring *ring = &percpu_get(1)->trace;
	struct trace_record *records;

	(void)state;
	assert_true(tracing_set(TRACE_GROUP_EXIT, 1000));
	assert_int_equal(trace_switch.groups, TRACE_GROUP_EXIT);
	assert_int_equal(ring->mask, 1023);
	assert_non_null(percpu_get(0)->trace.records);
	assert_int_equal(fake_ipi_count(1, VECTOR_KICK), 1);
	assert_int_equal(hooks, 1);
	/* 'What was traced before stays in the rings.' */
	records = ring->records;
	assert_true(tracing_set(0, 2048));
	assert_int_equal(trace_switch.groups, 0);
	assert_ptr_equal(ring->records, records);
	assert_int_equal(fake_ipi_count(1, VECTOR_KICK), 2);
	assert_true(tracing_set(TRACE_GROUPS_ALL, 2048));
	assert_ptr_equal(ring->records, records);
	assert_int_equal(ring->mask, 1023);
}

/* 'False when there is no memory for it': and then nothing is traced. */
static void test_no_memory(void **state)
{
	(void)state;
	assert_false(tracing_set(TRACE_GROUPS_ALL, 1u << 22));
	assert_int_equal(trace_switch.groups, 0);
	assert_null(percpu_get(1)->trace.records);
	assert_int_equal(hooks, 0);
	assert_true(tracing_set(0, 1024));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_on_and_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
