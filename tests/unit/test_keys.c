/* What is typed at the console: 'Ctrl-A is the escape'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "monitor/keys.h"

static struct keys keys;
static char events[1024]; /* text as it is, a key as <k>, a command as {line} */

static int setup(void **state)
{
	(void)state;
	memset(&keys, 0, sizeof(keys));
	events[0] = '\0';
	return 0;
}

static void add(char before, const char *text, char after)
{
	char part[KEYS_LINE_MAX + 3];

	part[0] = before;
	strcpy(part + 1, text);
	part[strlen(part) + 1] = '\0';
	part[strlen(part)] = after;
	strcat(events, before ? part : text);
}

static void type_bytes(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		enum keys_event event = keys_feed(&keys, (uint8_t)bytes[i]);
		char byte[2] = {(char)keys.byte, '\0'};

		if (event == KEYS_TEXT)
			add('\0', byte, '\0');
		else if (event == KEYS_KEY)
			add('<', byte, '>');
		else if (event == KEYS_COMMAND)
			add('{', keys.line, '}');
	}
}

#define assert_events(bytes, want)                                                                 \
	do {                                                                                       \
		type_bytes(bytes, sizeof(bytes) - 1);                                              \
		assert_string_equal(events, want);                                                 \
	} while (0)

static void test_text(void **state)
{
	(void)state;
	assert_events("ls -l\r\x03\x1b[A", "ls -l\r\x03\x1b[A");
}

static void test_keys(void **state)
{
	(void)state;
	assert_events("a\001nb\0011\001x", "a<n>b<1><x>");
}

/* 'Ctrl-A twice, or Ctrl-A a, is the text Ctrl-A' */
static void test_ctrl_a_itself(void **state)
{
	(void)state;
	assert_events("\001\001n\001an", "\001n\001n");
}

static void test_commands(void **state)
{
	(void)state;
	assert_events("a\001:focus vm\nb\001:stats\rc", "a{focus vm}b{stats}c");
}

static void test_a_mistake_is_mended(void **state)
{
	(void)state;
	assert_events("\001:\x7fquip\bt\n", "{quit}");
}

/* 'Inside a command Ctrl-A gives the command up and is the escape again' */
static void test_a_command_given_up(void **state)
{
	(void)state;
	assert_events("\001:verdict\001:quit\n\001:foc\001nx", "{quit}<n>x");
}

static void test_a_long_command_is_cut(void **state)
{
	(void)state;
	type_bytes("\001:", 2);
	for (unsigned i = 0; i < 2 * KEYS_LINE_MAX; i++)
		type_bytes("z", 1);
	type_bytes("\ny", 2);
	assert_int_equal(strlen(keys.line), KEYS_LINE_MAX - 1);
	assert_string_equal(events + strlen(events) - 3, "z}y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_text, setup),
		cmocka_unit_test_setup(test_keys, setup),
		cmocka_unit_test_setup(test_ctrl_a_itself, setup),
		cmocka_unit_test_setup(test_commands, setup),
		cmocka_unit_test_setup(test_a_mistake_is_mended, setup),
		cmocka_unit_test_setup(test_a_command_given_up, setup),
		cmocka_unit_test_setup(test_a_long_command_is_cut, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
