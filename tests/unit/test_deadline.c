/* The deadline heap against the plainest model there is: a table of times, searched from end to
 * end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/deadline.h"

#define NODES 200u

struct model {
	struct deadline_heap heap;
	struct deadline node[NODES];
	uint64_t when[NODES]; /* DEADLINE_NEVER: not armed */
};

static uint64_t model_next(const struct model *m)
{
	uint64_t next = DEADLINE_NEVER;

	for (unsigned i = 0; i < NODES; i++)
		next = MIN(next, m->when[i]);
	return next;
}

static void model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < NODES; i++)
		m->when[i] = DEADLINE_NEVER;
}

static void model_pop(struct model *m, uint64_t now)
{
	uint64_t next = model_next(m);
	struct deadline *d = deadline_pop_expired(&m->heap, now);

	if (next > now) {
		assert_null(d);
		return;
	}
	assert_non_null(d);
	assert_false(d->is_armed);
	assert_int_equal(d->when, next);
	assert_int_equal(m->when[d - m->node], next);
	m->when[d - m->node] = DEADLINE_NEVER;
}

static void test_empty(void **state)
{
	struct deadline_heap heap = {0};
	struct deadline d = {0};

	(void)state;
	assert_int_equal(deadline_next(&heap), DEADLINE_NEVER);
	assert_null(deadline_pop_expired(&heap, UINT64_MAX));
	deadline_cancel(&heap, &d);
	deadline_arm(&heap, &d, 5);
	deadline_cancel(&heap, &d);
	deadline_cancel(&heap, &d);
	assert_int_equal(deadline_next(&heap), DEADLINE_NEVER);
}

/* 'Takes out one whose time is at or before `now`.' */
static void test_at_or_before_now(void **state)
{
	struct deadline_heap heap = {0};
	struct deadline d = {0};

	(void)state;
	deadline_arm(&heap, &d, 1000);
	assert_int_equal(deadline_next(&heap), 1000);
	assert_null(deadline_pop_expired(&heap, 999));
	assert_true(d.is_armed);
	assert_ptr_equal(deadline_pop_expired(&heap, 1000), &d);
	assert_null(deadline_pop_expired(&heap, 1000));
	assert_false(d.is_armed);
}

/* 'An armed one is moved': earlier and later. */
static void test_moved(void **state)
{
	struct deadline_heap heap = {0};
	struct deadline a = {0}, b = {0};

	(void)state;
	deadline_arm(&heap, &a, 10);
	deadline_arm(&heap, &b, 20);
	deadline_arm(&heap, &a, 30);
	assert_int_equal(deadline_next(&heap), 20);
	deadline_arm(&heap, &a, 5);
	assert_ptr_equal(deadline_pop_expired(&heap, 100), &a);
	assert_ptr_equal(deadline_pop_expired(&heap, 100), &b);
	assert_null(deadline_pop_expired(&heap, 100));
}

static void test_random(void **state)
{
	static struct model m;

	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++) {
		/* Few distinct times for some seeds, so that many are equal. */
		uint64_t spread = seed % 2 ? 1000000 : 10;
		uint64_t now = 0;

		srand(seed);
		model_init(&m);
		for (unsigned step = 0; step < 20000; step++) {
			unsigned i = (unsigned)rand() % NODES;

			switch (rand() % 5) {
			case 0:
			case 1:
				m.when[i] = now + (uint64_t)rand() % spread;
				deadline_arm(&m.heap, &m.node[i], m.when[i]);
				break;
			case 2:
				m.when[i] = DEADLINE_NEVER;
				deadline_cancel(&m.heap, &m.node[i]);
				break;
			case 3:
				now += (uint64_t)rand() % (spread / 10);
				model_pop(&m, now);
				break;
			default:
				model_pop(&m, now);
			}
			assert_int_equal(deadline_next(&m.heap), model_next(&m));
			assert_int_equal(m.node[i].is_armed, m.when[i] != DEADLINE_NEVER);
		}
		while (model_next(&m) != DEADLINE_NEVER)
			model_pop(&m, UINT64_MAX - 1);
		assert_null(m.heap.root);
	}
}

/* A long list of siblings, and a long chain of children, are no deep recursion. */
static void test_many(void **state)
{
	const unsigned n = 1000000;
	struct deadline *d = calloc(n, sizeof(*d));

	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		struct deadline_heap heap = {0};

		for (unsigned i = 0; i < n; i++)
			deadline_arm(&heap, &d[i], order ? i : n - 1 - i);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(deadline_pop_expired(&heap, n)->when, i);
		assert_null(deadline_pop_expired(&heap, n));
	}
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty), cmocka_unit_test(test_at_or_before_now),
		cmocka_unit_test(test_moved), cmocka_unit_test(test_random),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
