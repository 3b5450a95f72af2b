/* The monitor's line editing: what each key does, history, and how a line is shown. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "monitor/edit.h"

static struct edit edit;

static int setup(void **state)
{
	(void)state;
	memset(&edit, 0, sizeof(edit));
	return 0;
}

/* Types it all; the last byte's event. */
static enum edit_event type(const char *bytes)
{
	enum edit_event event = EDIT_NONE;

	for (size_t i = 0; bytes[i]; i++) {
		event = edit_feed(&edit, (uint8_t)bytes[i]);
		assert_true(edit.at <= edit.len && edit.len < EDIT_LINE_MAX);
		assert_int_equal(strlen(edit.line), edit.len);
	}
	return event;
}

#define assert_line(want_line, want_at)                                                            \
	do {                                                                                       \
		assert_string_equal(edit.line, want_line);                                         \
		assert_int_equal(edit.at, want_at);                                                \
	} while (0)

static void test_insert_and_move(void **state)
{
	(void)state;
	assert_int_equal(type("vms"), EDIT_CHANGED);
	assert_line("vms", 3);
	type("\x1b[D\x1b[D\x1b[D\x1b[D"); /* no further than the beginning */
	assert_line("vms", 0);
	type("x \x1b[C");
	assert_line("x vms", 3);
	type("\x1b[F\x1b[C");
	assert_line("x vms", 5);
	type("\x1b[H!");
	assert_line("!x vms", 1);
	type("\x05?\x01\x06");
	assert_line("!x vms?", 1);
	type("\x1bOF\x1bOH\x1b[4~\x1b[1~\x05\x02");
	assert_line("!x vms?", 6);
}

static void test_delete(void **state)
{
	(void)state;
	type("pause one two");
	type("\x7f\x08");
	assert_line("pause one t", 11);
	type("\x17"); /* 'the word before' */
	assert_line("pause one ", 10);
	type("\x17");
	assert_line("pause ", 6);
	type("one\x02\x02\x1b[3~");
	assert_line("pause oe", 7);
	type("\x04");
	assert_line("pause o", 7);
	type("\x1b[H\x1b[C\x1b[C\x0b"); /* 'what is behind' */
	assert_line("pa", 2);
	type("\x15"); /* 'all' */
	assert_line("", 0);
	type("\x7f\x17\x0b\x15\x1b[3~"); /* of nothing */
	assert_line("", 0);
}

static void enter(const char *line)
{
	type(line);
	assert_int_equal(type("\r"), EDIT_LINE);
	assert_string_equal(edit.line, line);
	edit_next(&edit);
	assert_line("", 0);
}

static void test_history(void **state)
{
	(void)state;
	type("\x1b[A\x1b[B"); /* there is none */
	assert_line("", 0);
	enter("vms");
	enter("");
	enter("vcpus");
	enter("vcpus"); /* 'unless it is empty or the same as the last' */
	type("pa");
	type("\x1b[A");
	assert_line("vcpus", 5);
	type("\x10");
	assert_line("vms", 3);
	type("\x1b[A"); /* no further */
	assert_line("vms", 3);
	type("\x1b[B\x0e");
	assert_line("pa", 2); /* the new one is still there */
	type("\x1b[B");
	assert_line("pa", 2);
	type("\x1b[A!\r");
	assert_string_equal(edit.line, "vcpus!");
	edit_next(&edit);
	type("\x1b[A\x1b[A");
	assert_line("vcpus", 5); /* the old one has not changed */
}

/* Backspace takes what is left of it, also the first; Delete what is under it, also the last. */
static void test_delete_at_the_ends(void **state)
{
	(void)state;
	type("a\x7f");
	assert_line("", 0);
	type("\x7f");
	assert_line("", 0);
	type("abc\x01\x06\x7f");
	assert_line("bc", 0);
	type("\x7f");
	assert_line("bc", 0);
	type("\x05\x02\x1b[3~");
	assert_line("b", 1);
	type("\x1b[3~");
	assert_line("b", 1);
	type("\x01\x04");
	assert_line("", 0);
}

/* Back one at a time, and forth one at a time. */
static void test_history_by_steps(void **state)
{
	(void)state;
	enter("one");
	enter("two");
	enter("three");
	type("now");
	type("\x10");
	assert_line("three", 5);
	type("\x10");
	assert_line("two", 3);
	type("\x10");
	assert_line("one", 3);
	type("\x0e");
	assert_line("two", 3);
	type("\x0e");
	assert_line("three", 5);
	type("\x0e");
	assert_line("now", 3);
}

/* CSI and SS3 sequences end with a byte from @ up: with the first of those, too; what stands behind
 * it is text again. */
static void test_ends_of_sequences(void **state)
{
	(void)state;
	type("\x1b[@a");
	assert_line("a", 1);
	type("\x1b[5?b");
	assert_line("a", 1);
	type("@c");
	assert_line("a@c", 3);
	type("\x1b[~d\x1b[12345678901234567890~e");
	assert_line("a@cde", 5);
	type("\x1b[7~0\x1b[8~9\x1b[1~-\x1b[4~+\x1bOA\x1bOB\x1bOH<\x1bOF>\x1bOD\x1bOC.");
	assert_int_equal(strspn(edit.line, "<-0"), 3);
}

static void test_history_is_bounded(void **state)
{
	char line[16];

	(void)state;
	for (unsigned i = 0; i < EDIT_HISTORY_MAX + 5; i++) {
		snprintf(line, sizeof(line), "line %u", i);
		enter(line);
	}
	for (unsigned i = 0; i < 2 * EDIT_HISTORY_MAX; i++)
		type("\x1b[A");
	assert_string_equal(edit.line, "line 5");
}

static void test_events(void **state)
{
	(void)state;
	assert_int_equal(type("\t"), EDIT_TAB);
	assert_int_equal(type("\x03"), EDIT_LEAVE);
	assert_int_equal(type("\x04"), EDIT_LEAVE); /* on an empty line */
	assert_int_equal(type("a\x02\x04"), EDIT_CHANGED);
	assert_int_equal(type("\n"), EDIT_LINE);
	assert_int_equal(type("\x1b"), EDIT_NONE);
	assert_true(edit_is_escape_pending(&edit));
	assert_int_equal(type("\x1b"), EDIT_LEAVE);
	assert_false(edit_is_escape_pending(&edit));
	assert_int_equal(type("\x1b["), EDIT_NONE);
	assert_false(edit_is_escape_pending(&edit)); /* it is another key's */
	/* What is not known is left out, whole. */
	assert_int_equal(type("Z\x1b[1;5C\x1b[99999999999~"), EDIT_NONE);
	assert_int_equal(type("x"), EDIT_CHANGED);
	assert_line("x", 1);
}

/* 'As much as there is room for.' */
static void test_a_long_line(void **state)
{
	char more[EDIT_LINE_MAX];

	(void)state;
	for (unsigned i = 0; i < EDIT_LINE_MAX + 10; i++)
		type("x");
	assert_int_equal(edit.len, EDIT_LINE_MAX - 1);
	memset(more, 'y', sizeof(more));
	type("\x1b[H\x1b[3~");
	edit_insert(&edit, more, sizeof(more));
	assert_int_equal(edit.len, EDIT_LINE_MAX - 1);
	assert_int_equal(edit.at, 1);
}

static const char *render(uint32_t columns)
{
	static char buf[128];
	size_t len = edit_render(&edit, "> ", columns, buf, sizeof(buf));

	assert_int_equal(len, strlen(buf));
	return buf;
}

/* 'The part of the line around the cursor that fits, and the cursor put back.' */
static void test_render(void **state)
{
	(void)state;
	assert_string_equal(render(80), "> ");
	type("vcpus one");
	assert_string_equal(render(80), "> vcpus one");
	type("\x1b[D\x1b[D\x1b[D");
	assert_string_equal(render(80), "> vcpus one\x1b[3D");
	assert_string_equal(render(8), "> cpus "); /* five columns, and the cursor's */
	type("\x1b[H");
	assert_string_equal(render(8), "> vcpus\x1b[5D");
	for (unsigned i = 0; i < 300; i++)
		type("x");
	assert_true(strlen(render(80)) < 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_insert_and_move, setup),
		cmocka_unit_test_setup(test_delete, setup),
		cmocka_unit_test_setup(test_history, setup),
		cmocka_unit_test_setup(test_history_is_bounded, setup),
		cmocka_unit_test_setup(test_history_by_steps, setup),
		cmocka_unit_test_setup(test_delete_at_the_ends, setup),
		cmocka_unit_test_setup(test_ends_of_sequences, setup),
		cmocka_unit_test_setup(test_events, setup),
		cmocka_unit_test_setup(test_a_long_line, setup),
		cmocka_unit_test_setup(test_render, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
