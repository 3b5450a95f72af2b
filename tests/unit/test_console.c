/* A guest's console lines: 'a full line or one that is ended by \n goes out as NAME| line'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/log.h"
#include "guest/console.h"

static struct guest_console console;

static int setup(void **state)
{
	(void)state;
	memset(&console, 0, sizeof(console));
	fake_log_clear();
	return 0;
}

static void put_bytes(const char *name, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		guest_console_put(&console, name, (uint8_t)bytes[i]);
}

static void put(const char *text)
{
	put_bytes("vm", text, strlen(text));
}

static void test_lines(void **state)
{
	(void)state;
	put("one\ntwo\r\nthr");
	assert_string_equal(fake_log_text(), "vm| one\nvm| two\n");
	put("ee\n");
	assert_string_equal(fake_log_text(), "vm| one\nvm| two\nvm| three\n");
}

static void test_an_empty_line_is_a_line(void **state)
{
	(void)state;
	put("a\n\n\r\nb\n");
	assert_int_equal(fake_log_count("vm| "), 4);
	assert_int_equal(fake_log_count("\n"), 4);
}

/* 'Control characters but tab and escape sequences' ESC are dropped': nothing that a guest sends
 * can end its line's prefix. */
static void test_control_characters(void **state)
{
	static const char bytes[] = "a\0b\a\b\v\fc\x7f\td\x1b[1me\n";

	(void)state;
	put_bytes("vm", bytes, sizeof(bytes) - 1);
	assert_string_equal(fake_log_text(), "vm| abc\td\x1b[1me\x1b[0m\n");
}

/* 'With what lib/visible.h lets pass and shows of it': a guest cannot paint over Carousel's lines,
 * in 7 bits, in 8 or in UTF-8, and its colours end with its line. */
static void test_nothing_is_repainted(void **state)
{
	(void)state;
	put("\x1b[2A\r\x1b[Kverdict: vm: ok: forged\x1b[E\n");
	assert_string_equal(fake_log_text(), "vm| ^[[2A^[[Kverdict: vm: ok: forged^[[E\n");
	fake_log_clear();
	put("\x9b"
	    "2J\xc2\x9b"
	    "2J\n");
	assert_string_equal(fake_log_text(), "vm| \\x9b2J\\xc2\\x9b2J\n");
	fake_log_clear();
	/* A sequence that a full line cuts is none. */
	for (unsigned i = 0; i < GUEST_LINE_MAX - 2; i++)
		put("x");
	put("\x1b[31mred\n");
	assert_int_equal(fake_log_count("\x1b"), 0);
	assert_int_equal(fake_log_count("xx^[[\nvm| 31mred\n"), 1);
}

static void test_full_line(void **state)
{
	char line[GUEST_LINE_MAX + 1];
	char want[GUEST_LINE_MAX + 32];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[GUEST_LINE_MAX] = '\0';
	memcpy(want, "vm| ", 4);
	memcpy(want + 4, line, GUEST_LINE_MAX);
	strcpy(want + 4 + GUEST_LINE_MAX, "\n");
	line[GUEST_LINE_MAX - 1] = '\0';
	put(line);
	assert_string_equal(fake_log_text(), "");
	put("x");
	assert_string_equal(fake_log_text(), want);
	/* The end of the line that has filled it is not one more line. */
	put("\r\n");
	assert_string_equal(fake_log_text(), want);
	/* But the next one is. */
	put("\n");
	assert_int_equal(fake_log_count("vm| "), 2);
	fake_log_clear();
	put("y\n");
	assert_string_equal(fake_log_text(), "vm| y\n");
}

/* What goes on after a full line is a line of its own. */
static void test_longer_line(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GUEST_LINE_MAX + 3; i++)
		put("z");
	put("\n");
	assert_int_equal(fake_log_count("vm| "), 2);
	assert_int_equal(fake_log_count("vm| zzz\n"), 1);
	put("\n");
	assert_int_equal(fake_log_count("vm| "), 3);
}

static void test_flush(void **state)
{
	(void)state;
	guest_console_flush(&console, "vm");
	assert_string_equal(fake_log_text(), "");
	put("login: ");
	guest_console_flush(&console, "vm");
	assert_string_equal(fake_log_text(), "vm| login: \n");
	guest_console_flush(&console, "vm");
	assert_string_equal(fake_log_text(), "vm| login: \n");
}

/* The longest name that a VM can have, and a full line. */
static void test_long_name(void **state)
{
	const char *name = "0123456789abcdef0123456789abcde";

	(void)state;
	for (unsigned i = 0; i < GUEST_LINE_MAX; i++)
		put_bytes(name, "w", 1);
	assert_int_equal(strlen(fake_log_text()), strlen(name) + 2 + GUEST_LINE_MAX + 1);
	assert_int_equal(fake_log_count("w\n"), 1);
	fake_log_clear();
	for (unsigned i = 0; i < GUEST_LINE_MAX; i++)
		put_bytes(name, "\xff", 1);
	assert_int_equal(strlen(fake_log_text()), strlen(name) + 2 + 4 * GUEST_LINE_MAX + 1);
}

/* A second console of the same VM is told by its tag. */
static void test_tag(void **state)
{
	(void)state;
	console.tag = "[com2] ";
	put_bytes("vm", "hello\nrest", 10);
	guest_console_flush(&console, "vm");
	assert_string_equal(fake_log_text(), "vm| [com2] hello\nvm| [com2] rest\n");
}

/* 'Raw: as it is, at once'; what is there of a line goes out first. */
static void test_raw(void **state)
{
	static const char bytes[] = "a\0\r\n\x10\x1b[2J\xff";

	(void)state;
	put("login: ");
	guest_console_set_raw(&console, "vm", true);
	assert_string_equal(fake_log_stream(), "login: ");
	fake_log_clear();
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		put_bytes("vm", bytes + i, 1);
		assert_int_equal(fake_log_stream_len(), i + 1);
	}
	assert_memory_equal(fake_log_stream(), bytes, sizeof(bytes) - 1);
	assert_string_equal(fake_log_text(), "");
	guest_console_set_raw(&console, "vm", false);
	put("b\r\n");
	assert_string_equal(fake_log_text(), "vm| b\n");
}

/* Once more raw changes nothing; back in lines, nothing of the raw time is left. */
static void test_raw_twice(void **state)
{
	(void)state;
	guest_console_set_raw(&console, "vm", true);
	put("ab");
	guest_console_set_raw(&console, "vm", true);
	put("c");
	guest_console_set_raw(&console, "vm", false);
	assert_string_equal(fake_log_stream(), "abc");
	assert_string_equal(fake_log_text(), "");
}

static void test_input(void **state)
{
	static struct guest_input input;
	unsigned next_in = 0, next_out = 0;

	(void)state;
	assert_int_equal(guest_input_take(&input), -1);
	for (unsigned round = 0; round < 5; round++) {
		while (guest_input_room(&input))
			assert_true(guest_input_put(&input, (uint8_t)(next_in++ * 7)));
		assert_int_equal(next_in - next_out, GUEST_INPUT_MAX);
		assert_false(guest_input_put(&input, 'x'));
		for (unsigned i = 0; i < GUEST_INPUT_MAX / 3; i++)
			assert_int_equal(guest_input_take(&input), (uint8_t)(next_out++ * 7));
		assert_int_equal(guest_input_room(&input), GUEST_INPUT_MAX / 3);
	}
	while (next_out < next_in)
		assert_int_equal(guest_input_take(&input), (uint8_t)(next_out++ * 7));
	assert_int_equal(guest_input_take(&input), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lines, setup),
		cmocka_unit_test_setup(test_an_empty_line_is_a_line, setup),
		cmocka_unit_test_setup(test_control_characters, setup),
		cmocka_unit_test_setup(test_nothing_is_repainted, setup),
		cmocka_unit_test_setup(test_full_line, setup),
		cmocka_unit_test_setup(test_longer_line, setup),
		cmocka_unit_test_setup(test_flush, setup),
		cmocka_unit_test_setup(test_long_name, setup),
		cmocka_unit_test_setup(test_tag, setup),
		cmocka_unit_test_setup(test_raw, setup),
		cmocka_unit_test_setup(test_raw_twice, setup),
		cmocka_unit_test_setup(test_input, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
