/* The log: prefixes, levels, cutting, the ring and its replay, rate limits, several threads, and
 * the panic mode, which must never wait. The log has one state: the tests run in order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fakes/log.h"
#include "lib/spinlock.h"

static size_t prefix(char *buf, size_t size)
{
	assert_true(size >= 16);
	memcpy(buf, "[0 vm1.2] ", 10);
	return 10;
}

static void test_level_words_follow_the_prefix(void **state)
{
	(void)state;
	fake_log_clear();
	log_info("one %d", 1);
	log_set_prefix(prefix);
	log_error("two");
	log_warn("three\n");
	log_info("four");
	log_set_prefix(NULL);
	assert_string_equal(fake_log_text(), "one 1\n"
					     "[0 vm1.2] error: two\n"
					     "[0 vm1.2] warning: three\n"
					     "[0 vm1.2] four\n");
}

static void test_levels(void **state)
{
	(void)state;
	fake_log_clear();
	log_debug("not by default");
	log_set_level(LOG_DEBUG);
	log_debug("now");
	log_set_level(LOG_ERROR);
	log_warn("not now");
	log_error("but this");
	log_set_level(LOG_INFO);
	log_info("back");
	assert_string_equal(fake_log_text(), "now\nerror: but this\nback\n");
}

static void test_raw_is_not_touched(void **state)
{
	(void)state;
	fake_log_clear();
	log_set_prefix(prefix);
	log_raw("a\nb", 3);
	log_raw("c\n", 2);
	log_raw("", 0);
	log_set_prefix(NULL);
	assert_string_equal(fake_log_text(), "a\nbc\n");
}

/* 'What is not printable ASCII becomes ?': a name in it begins no line and moves no cursor. */
static void test_untrusted_text(void **state)
{
	(void)state;
	fake_log_clear();
	log_info("VM '%s'", "a\nverdict: b: ok: x\x1b[2J\x9b\t.");
	assert_string_equal(fake_log_text(), "VM 'a?verdict: b: ok: x?[2J?\t.'\n");
}

/* 'Formats one line (a missing '\n' is added)': one that is too long says that it was cut. */
static void test_long_line_is_cut(void **state)
{
	char text[2000];
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int n = 500; n < 530; n++) {
		bool is_cut;

		fake_log_clear();
		log_info("%.*s", n, text);
		len = strlen(fake_log_text());
		is_cut = strstr(fake_log_text(), "...\n");
		assert_int_equal(fake_log_text()[len - 1], '\n');
		assert_int_equal(len, is_cut ? 512 : n + 1);
		assert_int_equal(is_cut, n > 511);
	}
	fake_log_clear();
	log_set_prefix(prefix);
	log_error("%s", text);
	log_set_prefix(NULL);
	assert_memory_equal(fake_log_text(), "[0 vm1.2] error: xxx", 20);
	assert_string_equal(fake_log_text() + 508, "...\n");
}

/* 'At most `burst` messages a place, then one 'further messages of this kind are counted only''. */
static void test_limit(void **state)
{
	struct log_limit limit = {0};

	(void)state;
	fake_log_clear();
	for (int i = 0; i < 100; i++)
		log_limited(&limit, "guest did %d", i);
	assert_int_equal(fake_log_count("warning: guest did"), 8);
	assert_int_equal(fake_log_count("further messages of this kind are counted only"), 1);
	assert_int_equal(limit.count, 100);
	/* The count does not wrap round to a new burst. */
	limit.count = UINT32_MAX - 1;
	fake_log_clear();
	for (int i = 0; i < 20; i++)
		assert_true(log_limit_is_passed(&limit, 8));
	assert_int_equal(limit.count, UINT32_MAX);
	assert_string_equal(fake_log_text(), "");
}

/* A sink that keeps all it gets, and checks the contract: whole lines. */
struct keeper {
	struct log_sink sink;
	char *text;
	size_t len, calls;
};

static void keeper_write(struct log_sink *sink, const char *text, size_t len)
{
	struct keeper *k = container_of(sink, struct keeper, sink);

	assert_true(len > 0 && text[len - 1] == '\n');
	k->text = realloc(k->text, k->len + len + 1);
	memcpy(k->text + k->len, text, len);
	k->len += len;
	k->text[k->len] = '\0';
	k->calls++;
}

/* 'A sink that is added late gets the ring replayed': the last 64 KiB, beginning with a whole line.
 */
static void test_replay(void **state)
{
	static struct keeper early = {.sink.write = keeper_write},
			     late = {.sink.write = keeper_write};
	static struct log_sink *sinks[] = {&early.sink, &late.sink};

	(void)state;
	log_add_sink(sinks[0]);
	for (int i = 0; i < 5000; i++)
		log_info("line %d of a length that varies %.*s", i, i % 37,
			 "-------------------------------------");
	log_add_sink(sinks[1]);
	assert_true(late.len <= KIB(64) && late.len > KIB(64) - 100);
	assert_string_equal(late.text, early.text + early.len - late.len);
	assert_memory_equal(late.text, "line ", 5);
	/* From here on both get the same, once. */
	log_info("after");
	assert_string_equal(late.text + late.len - 6, "after\n");
	assert_string_equal(late.text, early.text + early.len - late.len);
	for (size_t i = 0; i < ARRAY_SIZE(sinks); i++) {
		struct keeper *k = container_of(sinks[i], struct keeper, sink);

		free(k->text);
		k->text = NULL;
		k->len = 0;
	}
}

/* A text that is larger than the ring goes to the sinks whole; the ring has its end. */
static void test_text_larger_than_the_ring(void **state)
{
	static struct keeper late = {.sink.write = keeper_write};
	size_t size = 3 * KIB(64);
	char *text = malloc(size);

	(void)state;
	for (size_t i = 0; i < size; i++)
		text[i] = i % 64 == 63 ? '\n' : (char)('a' + i / 64 % 26);
	log_raw(text, size);
	log_add_sink(&late.sink);
	assert_int_equal(late.len, KIB(64) - 64);
	assert_memory_equal(late.text, text + size - late.len, late.len);
	free(text);
	free(late.text);
	late.text = NULL;
	late.len = 0;
}

static void *talk(void *arg)
{
	/* Few: a ticket lock is slow where there are more threads than free CPUs. */
	for (int i = 0; i < 60; i++)
		log_info("<%c%c%c%c>", *(char *)arg, *(char *)arg, *(char *)arg, *(char *)arg);
	return NULL;
}

/* Lines of several pCPUs do not mix. */
static void test_threads(void **state)
{
	char names[] = "pq";
	pthread_t thread[2];
	const char *text;

	(void)state;
	fake_log_clear();
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, talk, &names[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	text = fake_log_text();
	assert_int_equal(strlen(text), 2 * 60 * 7);
	for (; *text; text += 7) {
		assert_true(text[0] == '<' && text[5] == '>' && text[6] == '\n');
		assert_true(text[1] == text[2] && text[2] == text[3] && text[3] == text[4]);
	}
}

/* 'From here on no lock is taken': even when another pCPU stopped while it held the log's lock,
 * which a sink that never returns stands for. */
static struct {
	struct log_sink sink;
	uint32_t is_inside, may_go; /* (a) */
} stuck;

static void stuck_write(struct log_sink *sink, const char *text, size_t len)
{
	static const char wanted[] = "stuck\n";

	(void)sink;
	/* No terminator: what stands behind is the stack's. */
	if (len != sizeof(wanted) - 1 || memcmp(text, wanted, len) != 0)
		return;
	__atomic_store_n(&stuck.is_inside, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&stuck.may_go, __ATOMIC_SEQ_CST))
		sched_yield();
}

static void *say_stuck(void *arg)
{
	(void)arg;
	log_info("stuck");
	return NULL;
}

static void test_panic_mode_never_waits(void **state)
{
	pthread_t thread;

	(void)state;
	stuck.sink.write = stuck_write;
	log_add_sink(&stuck.sink);
	assert_int_equal(pthread_create(&thread, NULL, say_stuck, NULL), 0);
	while (!__atomic_load_n(&stuck.is_inside, __ATOMIC_SEQ_CST))
		sched_yield();
	fake_log_clear();
	log_panic_mode();
	/* Short lines: a screen may be all that shows them. Nothing is below the level. */
	log_set_level(LOG_ERROR);
	log_set_prefix(prefix);
	log_error("the last");
	log_info("words");
	log_set_prefix(NULL);
	assert_string_equal(fake_log_text(), "the last\nwords\n");
	__atomic_store_n(&stuck.may_go, 1, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
}

static const struct spinlock *seen_acquired, *seen_released;

static void saw_acquiring(const struct spinlock *lock)
{
	seen_acquired = lock;
}

static void saw_released(const struct spinlock *lock)
{
	seen_released = lock;
}

/* 'LOCK_LOG: the log ring and its sinks': the rank checker sees it. */
static void test_lock_has_its_rank(void **state)
{
	static const struct spinlock_debug debug = {saw_acquiring, saw_released};

	(void)state;
	spinlock_debug = &debug;
	log_info("seen");
	spinlock_debug = NULL;
	assert_non_null(seen_acquired);
	assert_ptr_equal(seen_acquired, seen_released);
	assert_int_equal(seen_acquired->rank, LOCK_LOG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_level_words_follow_the_prefix),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_raw_is_not_touched),
		cmocka_unit_test(test_untrusted_text),
		cmocka_unit_test(test_long_line_is_cut),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_text_larger_than_the_ring),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_lock_has_its_rank),
		cmocka_unit_test(test_panic_mode_never_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
