/* Trace rings (lib/trace.h): 'only that pCPU writes, over the oldest; any other may read while it
 * does'. The last test is meant for ThreadSanitizer, too. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "cpu/trace.h"
#include "fakes/insn.h"
#include "fakes/percpu.h"

#define COUNT 8u

static struct trace_ring ring;
static struct trace_record records[COUNT];

static int setup(void **state)
{
	(void)state;
	memset(&ring, 0, sizeof(ring));
	memset(records, 0, sizeof(records));
	trace_switch.groups = 0;
	return 0;
}

/* Record number n tells its number in all its parts. */
static struct trace_record numbered(uint64_t n)
{
	return (struct trace_record){
		.tsc = n, .arg = (uint32_t)n, .vcpu = (uint16_t)n, .event = (uint8_t)n};
}

static bool is_numbered(const struct trace_record *r, uint64_t n)
{
	struct trace_record wanted = numbered(n);

	return !memcmp(r, &wanted, sizeof(wanted));
}

static void write_numbers(uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		struct trace_record r = numbered(n);

		trace_ring_write(&ring, &r);
	}
}

static void test_without_room_nothing_is_written(void **state)
{
	struct trace_reader reader;
	struct trace_record out[COUNT];

	(void)state;
	write_numbers(0, 3);
	trace_reader_init(&reader, &ring);
	assert_int_equal(trace_reader_read(&reader, out, COUNT), 0);
	assert_int_equal(reader.lost, 0);
}

static void test_in_the_order_written(void **state)
{
	struct trace_reader reader;
	struct trace_record out[COUNT];

	(void)state;
	trace_ring_init(&ring, records, COUNT);
	write_numbers(0, 5);
	trace_reader_init(&reader, &ring);
	/* What comes after the beginning of a look is for the next one. */
	write_numbers(5, 6);
	assert_int_equal(trace_reader_read(&reader, out, 3), 3);
	assert_int_equal(trace_reader_read(&reader, out + 3, COUNT - 3), 2);
	assert_int_equal(trace_reader_read(&reader, out, COUNT), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_true(is_numbered(&out[i], i));
	assert_int_equal(reader.lost, 0);
}

/* The oldest are written over, and counted. One place may be being written: it is never given out.
 */
static void test_overwrites_the_oldest(void **state)
{
	struct trace_reader reader;
	struct trace_record out[2 * COUNT];

	(void)state;
	trace_ring_init(&ring, records, COUNT);
	write_numbers(0, 3 * COUNT + 2);
	trace_reader_init(&reader, &ring);
	assert_int_equal(trace_reader_read(&reader, out, 2 * COUNT), COUNT - 1);
	for (unsigned i = 0; i < COUNT - 1; i++)
		assert_true(is_numbered(&out[i], 2 * COUNT + 3 + i));
	assert_int_equal(reader.lost, 2 * COUNT + 3);
}

/* Written over during the look: lost, too, and no more than the look would have given. */
static void test_overtaken_reader(void **state)
{
	struct trace_reader reader;
	struct trace_record out[COUNT];

	(void)state;
	trace_ring_init(&ring, records, COUNT);
	write_numbers(0, 6);
	trace_reader_init(&reader, &ring);
	assert_int_equal(trace_reader_read(&reader, out, 2), 2);
	write_numbers(6, 11); /* the ring has 4 to 10 */
	assert_int_equal(trace_reader_read(&reader, out, COUNT), 2);
	assert_true(is_numbered(&out[0], 4));
	assert_true(is_numbered(&out[1], 5));
	assert_int_equal(reader.lost, 2);
	write_numbers(11, 40);
	trace_reader_init(&reader, &ring);
	write_numbers(40, 80);
	assert_int_equal(trace_reader_read(&reader, out, COUNT), 0);
	assert_int_equal(reader.lost, 40);
}

static void check_groups(const char *text, bool is_good, uint32_t wanted)
{
	uint32_t groups;

	assert_int_equal(trace_parse_groups(text, strlen(text), &groups), is_good);
	if (is_good)
		assert_int_equal(groups, wanted);
}

static void test_group_names(void **state)
{
	(void)state;
	check_groups("all", true, TRACE_GROUPS_ALL);
	check_groups("off", true, 0);
	check_groups("sched", true, TRACE_GROUP_SCHED);
	check_groups("sched,poll,exit,inject,ipi", true, TRACE_GROUPS_ALL);
	check_groups("", false, 0);
	check_groups("sched,", false, 0);
	check_groups(",sched", false, 0);
	check_groups("sched poll", false, 0);
	check_groups("Sched", false, 0);
	check_groups("sch", false, 0);
}

/* Each pCPU writes to its own ring, with interrupts off meanwhile and as before afterwards. */
static void test_this_cpus_ring(void **state)
{
	struct trace_reader reader;
	struct trace_record out[COUNT];

	(void)state;
	fake_percpu_reset();
	trace_ring_init(&this_cpu()->trace, records, COUNT);
	trace_write(TRACE_WAKE, 77, 5, 1, 3);
	assert_true(fake_irq_is_enabled());
	fake_percpu_attach(1);
	trace_write(TRACE_BLOCK, 78, 6, 0, 0);
	fake_percpu_attach(0);
	trace_reader_init(&reader, &percpu_get(0)->trace);
	assert_int_equal(trace_reader_read(&reader, out, COUNT), 1);
	assert_int_equal(out[0].tsc, 77);
	assert_int_equal(out[0].event, TRACE_WAKE);
	assert_int_equal(out[0].vcpu, 5);
	assert_int_equal(out[0].info, 1);
	assert_int_equal(out[0].arg, 3);
	fake_percpu_reset();
}

static void test_is_on_by_group(void **state)
{
	(void)state;
	assert_false(trace_is_on(TRACE_GROUPS_ALL));
	trace_switch.groups = TRACE_GROUP_POLL;
	assert_true(trace_is_on(TRACE_GROUP_POLL));
	assert_false(trace_is_on(TRACE_GROUP_SCHED));
}

#define WRITES 200000u

static bool is_writer_done; /* (a) */

static void *writer(void *arg)
{
	(void)arg;
	write_numbers(0, WRITES);
	__atomic_store_n(&is_writer_done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* A reader beside the writer gets whole records, each as it was written, in order, and knows how
 * many it missed. */
static void test_reader_beside_the_writer(void **state)
{
	pthread_t thread;
	uint64_t given = 0;
	bool is_last;

	(void)state;
	trace_ring_init(&ring, records, COUNT);
	is_writer_done = false;
	assert_int_equal(pthread_create(&thread, NULL, writer, NULL), 0);
	do {
		struct trace_reader reader;
		struct trace_record out[COUNT];
		size_t count;

		is_last = __atomic_load_n(&is_writer_done, __ATOMIC_ACQUIRE);
		trace_reader_init(&reader, &ring);
		while ((count = trace_reader_read(&reader, out, 3))) {
			for (size_t i = 0; i < count; i++)
				assert_true(is_numbered(&out[i], reader.next - count + i));
			given += count;
		}
		assert_int_equal(reader.next, reader.end);
		assert_true(reader.lost <= reader.end);
	} while (!is_last);
	assert_true(given >= COUNT - 1);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_without_room_nothing_is_written, setup),
		cmocka_unit_test_setup(test_in_the_order_written, setup),
		cmocka_unit_test_setup(test_overwrites_the_oldest, setup),
		cmocka_unit_test_setup(test_overtaken_reader, setup),
		cmocka_unit_test_setup(test_group_names, setup),
		cmocka_unit_test_setup(test_this_cpus_ring, setup),
		cmocka_unit_test_setup(test_is_on_by_group, setup),
		cmocka_unit_test_setup(test_reader_beside_the_writer, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
