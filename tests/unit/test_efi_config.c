/* carousel.conf: each statement, each defect with its line, random text. The rules are
 * docs/hardware.md's. Each text is a malloc of its size and one byte, so that a read behind it is
 * the sanitizer's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/config.h"
#include "lib/errno.h"

static struct efi_config config;
static char *text;

static int parse_bytes(const void *bytes, size_t size)
{
	free(text);
	text = malloc(size + 1);
	memcpy(text, bytes, size);
	text[size] = 'x'; /* the parser's own terminator goes here */
	return efi_config_parse(&config, text, size);
}

static int parse(const char *source)
{
	return parse_bytes(source, strlen(source));
}

static void expect_error(const char *source, uint32_t line, const char *message)
{
	assert_int_equal(parse(source), -EINVAL);
	assert_string_equal(config.error, message);
	assert_int_equal(config.error_line, line);
}

static int free_text(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static void test_whole(void **state)
{
	(void)state;
	assert_int_equal(parse("# two ways\n"
			       "timeout 10\n"
			       "default 2\n"
			       "\n"
			       "entry  Two stubs, \"quoted\" \n"
			       "\tmultiboot2 /carousel/carousel.elf slice_us=5000  console=com2\n"
			       "\tmodule2 /carousel/hello.elf vm=a kernel -- # no comment\n"
			       "  \t# a comment\n"
			       "\tmodule2 --nounzip \"my file.elf\"\tvm=b kernel\n"
			       "entry Empty\n"
			       "multiboot2 \\c.elf\n"
			       "module2 x"),
			 0);
	assert_int_equal(config.timeout, 10);
	assert_int_equal(config.chosen, 1);
	assert_int_equal(config.entry_count, 2);
	assert_int_equal(config.module_count, 3);
	assert_string_equal(config.entry[0].name, "Two stubs, \"quoted\"");
	assert_int_equal(config.entry[0].line, 5);
	assert_string_equal(config.entry[0].hypervisor.path, "\\carousel\\carousel.elf");
	assert_string_equal(config.entry[0].hypervisor.words, "slice_us=5000  console=com2");
	assert_int_equal(config.entry[0].hypervisor.line, 6);
	assert_int_equal(config.entry[0].first_module, 0);
	assert_int_equal(config.entry[0].module_count, 2);
	assert_string_equal(config.module[0].path, "\\carousel\\hello.elf");
	assert_string_equal(config.module[0].words, "vm=a kernel -- # no comment");
	assert_string_equal(config.module[1].path, "my file.elf");
	assert_string_equal(config.module[1].words, "vm=b kernel");
	assert_int_equal(config.module[1].line, 9);
	assert_string_equal(config.entry[1].hypervisor.path, "\\c.elf");
	assert_string_equal(config.entry[1].hypervisor.words, "");
	assert_int_equal(config.entry[1].first_module, 2);
	assert_int_equal(config.entry[1].module_count, 1);
	assert_string_equal(config.module[2].words, "");
}

/* What editors of other systems leave: a mark at the front, carriage returns. */
static void test_foreign_text(void **state)
{
	static const char utf16[] = "\xff\xfe"
				    "e\0n\0";

	(void)state;
	assert_int_equal(parse("\xef\xbb\xbf"
			       "multiboot2 /c.elf\r\nmodule2 /a x=\xc3\xa4\r\n"),
			 0);
	assert_string_equal(config.entry[0].name, "Carousel");
	assert_string_equal(config.entry[0].hypervisor.path, "\\c.elf");
	assert_string_equal(config.module[0].words, "x=\xc3\xa4");
	assert_int_equal(parse_bytes(utf16, 6), -EINVAL);
	assert_string_equal(config.error, "this is UTF-16: save it as UTF-8 or plain text");
	assert_int_equal(parse_bytes("entry a\nen\0try", 14), -EINVAL);
	assert_string_equal(config.error, "there is a zero byte: this is no text");
	assert_int_equal(config.error_line, 2);
	expect_error("entry \x1b[0m", 1, "there is a control character (0x1b)");
}

static void test_timeout(void **state)
{
	(void)state;
	assert_int_equal(parse("multiboot2 /c\n"), 0);
	assert_int_equal(config.timeout, EFI_CONFIG_TIMEOUT);
	assert_int_equal(parse("timeout 0\nmultiboot2 /c\n"), 0);
	assert_int_equal(config.timeout, 0);
	assert_int_equal(parse("timeout 3600\nmultiboot2 /c\n"), 0);
	assert_int_equal(parse("timeout none\nmultiboot2 /c\n"), 0);
	assert_int_equal(config.timeout, EFI_CONFIG_TIMEOUT_NEVER);
	expect_error("timeout 3601\n", 1, "timeout takes seconds, 0 to 3600, or none, not '3601'");
	expect_error("\ntimeout\n", 2, "timeout takes seconds, 0 to 3600, or none, not ''");
	expect_error("timeout -1\n", 1, "timeout takes seconds, 0 to 3600, or none, not '-1'");
	expect_error("timeout 1\ntimeout 1\n", 2, "timeout stands in line 1, too: keep one");
}

static void test_default(void **state)
{
	(void)state;
	expect_error("default 0\n", 1, "default takes the number of an entry, from 1, not '0'");
	expect_error("default x\n", 1, "default takes the number of an entry, from 1, not 'x'");
	expect_error("default 1\ndefault 1\n", 2, "default stands in line 1, too: keep one");
	expect_error("#\ndefault 2\nmultiboot2 /c\n", 2, "default is 2, but there are 1 entries");
}

static void test_entries(void **state)
{
	char many[4096] = "";

	(void)state;
	expect_error("", 1, "there is no entry: a multiboot2 line is missing");
	expect_error("# nothing\n\n", 2, "there is no entry: a multiboot2 line is missing");
	expect_error("entry\n", 1, "entry takes a name");
	expect_error("entry a\n\nentry b\nmultiboot2 /c\n", 1,
		     "the entry 'a' has no multiboot2 line");
	expect_error("entry a\nmultiboot2 /c\nentry b\n", 3,
		     "the entry 'b' has no multiboot2 line");
	expect_error("multiboot2 /c\nmultiboot2 /d\n", 2,
		     "the entry has a multiboot2 line already, line 1");
	expect_error("module2 /m\n", 1, "module2 stands before its entry's multiboot2");
	expect_error("entry a\nmodule2 /m\n", 2, "module2 stands before its entry's multiboot2");
	expect_error("kernel /c\n", 1,
		     "'kernel' is unknown: a line begins with timeout, default, entry, multiboot2, "
		     "module2 or #");
	expect_error("entry a\nmultiboot /c\n", 2,
		     "'multiboot' is unknown: a line begins with timeout, default, entry, "
		     "multiboot2, module2 or #");
	for (unsigned i = 0; i <= EFI_CONFIG_ENTRIES_MAX; i++)
		strcat(many, "entry e\nmultiboot2 /c\n");
	expect_error(many, 2 * EFI_CONFIG_ENTRIES_MAX + 1, "there are more than 16 entries");
}

static void test_files(void **state)
{
	char line[400] = "multiboot2 /";

	(void)state;
	expect_error("multiboot2\n", 1, "the name of a file is missing");
	expect_error("multiboot2 \"\" x\n", 1, "the name of a file is missing");
	expect_error("multiboot2 /c\nmodule2 --nounzip \n", 2, "the name of a file is missing");
	expect_error("multiboot2 \"/a b\n", 1, "the quotes around the file's name do not close");
	expect_error("multiboot2 \"/a\"b\n", 1, "the quotes around the file's name do not close");
	expect_error("multiboot2 (hd0,1)/c:d\n", 1,
		     "'(hd0,1)\\c:d' cannot be the name of a file on this volume");
	expect_error("multiboot2 /\xc3\xa4\n", 1,
		     "'\\\xc3\xa4' cannot be the name of a file on this volume");
	memset(line + strlen(line), 'n', EFI_CONFIG_PATH_MAX - 1);
	assert_int_equal(parse(line), 0);
	strcat(line, "n");
	expect_error(line, 1, "the file's name is longer than 255 bytes");
}

static void test_many_modules(void **state)
{
	char *many = malloc(16 + 16 * (EFI_CONFIG_MODULES_MAX + 1));

	(void)state;
	strcpy(many, "multiboot2 /c\n");
	for (unsigned i = 0; i < EFI_CONFIG_MODULES_MAX; i++)
		strcat(many, "module2 /m vm=a\n");
	assert_int_equal(parse(many), 0);
	assert_int_equal(config.entry[0].module_count, EFI_CONFIG_MODULES_MAX);
	strcat(many, "module2 /m");
	expect_error(many, EFI_CONFIG_MODULES_MAX + 2, "there are more than 256 modules");
	free(many);
}

/* Random text of the grammar's own pieces: what is accepted can be read to its end. */
static void test_random(void **state)
{
	static const char *const pieces[] = {
		"timeout", "default", "entry",     "multiboot2", "module2", " ",
		"\n",      "\t",      "\"",        "/c",         "1",       "none",
		"#",       "\r",      "--nounzip", "\x80",       "a\nb"};
	unsigned accepted = 0;
	size_t total = 0;

	(void)state;
	srandom(1);
	for (unsigned round = 0; round < 200000; round++) {
		char source[256] = "";

		for (long i = random() % 14; i > 0; i--)
			strcat(source, pieces[(size_t)random() % ARRAY_SIZE(pieces)]);
		if (parse(source)) {
			assert_true(config.error[0] && config.error_line);
			continue;
		}
		accepted++;
		assert_true(config.chosen < config.entry_count);
		for (uint32_t i = 0; i < config.entry_count; i++)
			total += strlen(config.entry[i].name) +
				 strlen(config.entry[i].hypervisor.path) +
				 strlen(config.entry[i].hypervisor.words);
		for (uint32_t i = 0; i < config.module_count; i++)
			total += strlen(config.module[i].path) + strlen(config.module[i].words);
	}
	assert_true(accepted > 100 && total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),        cmocka_unit_test(test_foreign_text),
		cmocka_unit_test(test_timeout),      cmocka_unit_test(test_default),
		cmocka_unit_test(test_entries),      cmocka_unit_test(test_files),
		cmocka_unit_test(test_many_modules), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("efi_config", tests, NULL, free_text);
}
