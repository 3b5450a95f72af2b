/* Each register that gdb is told of: its number, name and width (gdb's manual, 'i386 Features'),
 * and that its bytes are those of the state. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "monitor/gdb/registers.h"

static struct debug_regs regs;

/* What register n is: its name, how many bits gdb sees, the state's bytes and how many of them
 * count, and whether it can be written. */
struct row {
	char name[12];
	unsigned bits, bytes;
	const void *at;
	bool is_writable;
};

static const char *const gprs[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
				   "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
/* In the CPU's numbers. */
static const unsigned gpr_numbers[] = {0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};
/* ES, CS, SS, DS, FS, GS in the CPU's numbers. */
static const struct {
	const char *name;
	unsigned number;
} selectors[] = {{"cs", 1}, {"ss", 2}, {"ds", 3}, {"es", 0}, {"fs", 4}, {"gs", 5}};
/* FXSAVE's layout (SDM). */
static const struct {
	const char *name;
	unsigned offset, bytes;
} controls[] = {{"fctrl", 0, 2}, {"fstat", 2, 2}, {"ftag", 4, 0},   {"fiseg", 0, 0},
		{"fioff", 8, 4}, {"foseg", 0, 0}, {"fooff", 16, 4}, {"fop", 6, 2}};

static struct row row_of(unsigned n)
{
	struct row row = {.bits = 64, .bytes = 8, .is_writable = true};
	const struct row wide[] = {
		{"fs_base", 64, 8, &regs.fs_base, true},
		{"gs_base", 64, 8, &regs.gs_base, true},
		{"k_gs_base", 64, 8, &regs.kernel_gs_base, true},
		{"cr0", 64, 8, &regs.cr0, false},
		{"cr2", 64, 8, &regs.cr2, false},
		{"cr3", 64, 8, &regs.cr3, false},
		{"cr4", 64, 8, &regs.cr4, false},
		{"efer", 64, 8, &regs.efer, false},
	};

	if (n < 16) {
		strcpy(row.name, gprs[n]);
		row.at = &regs.gpr[gpr_numbers[n]];
	} else if (n == 16) {
		strcpy(row.name, "rip");
		row.at = &regs.rip;
	} else if (n == 17) {
		row = (struct row){"eflags", 32, 4, &regs.rflags, true};
	} else if (n < 24) {
		row = (struct row){
			.bits = 32, .bytes = 2, .at = &regs.selector[selectors[n - 18].number]};
		strcpy(row.name, selectors[n - 18].name);
	} else if (n < 32) {
		row = (struct row){.bits = 80, .bytes = 10, .at = regs.fxsave + 32 + 16 * (n - 24)};
		snprintf(row.name, sizeof(row.name), "st%u", n - 24);
	} else if (n < 40) {
		row = (struct row){.bits = 32,
				   .bytes = controls[n - 32].bytes,
				   .at = regs.fxsave + controls[n - 32].offset};
		strcpy(row.name, controls[n - 32].name);
	} else if (n < 56) {
		row = (struct row){
			.bits = 128, .bytes = 16, .at = regs.fxsave + 160 + 16 * (n - 40)};
		snprintf(row.name, sizeof(row.name), "xmm%u", n - 40);
	} else if (n == 56) {
		row = (struct row){"mxcsr", 32, 4, regs.fxsave + 24, false};
	} else {
		row = wide[n - 57];
	}
	return row;
}

#define COUNT 65

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(regs); i++)
		((uint8_t *)&regs)[i] = (uint8_t)(i * 151 + (i >> 8) * 13 + 1);
	return 0;
}

static void expect_hex(const struct row *row, unsigned n, char *hex)
{
	for (unsigned i = 0; i < row->bits / 8; i++) {
		uint8_t byte = i < row->bytes ? ((const uint8_t *)row->at)[i] : 0;

		/* Two bits for each of the x87's registers: 3 where FXSAVE's bit is clear. */
		for (unsigned k = 4 * i; n == 34 && i < 2 && k < 4 * i + 4; k++)
			if (!(regs.fxsave[4] & BIT(k)))
				byte |= (uint8_t)(3u << 2 * (k % 4));
		sprintf(hex + 2 * i, "%02x", byte);
	}
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(gdb_register_count(), COUNT);
	for (unsigned n = 0; n < COUNT; n++) {
		struct row row = row_of(n);
		struct gdb_text got = {0};
		char hex[40] = "";

		expect_hex(&row, n, hex);
		gdb_put_register(&got, &regs, n);
		assert_int_equal(got.len, strlen(hex));
		assert_memory_equal(got.data, hex, got.len);
	}
	for (unsigned n = COUNT; n < COUNT + 3; n++) {
		struct gdb_text got = {0};

		gdb_put_register(&got, &regs, n);
		assert_int_equal(got.len, 0);
	}
}

/* What can be written is, whole and nothing beside it; of the rest only its own value is taken. */
static void test_writes(void **state)
{
	(void)state;
	for (unsigned n = 0; n < COUNT; n++) {
		struct row row = row_of(n);
		struct debug_regs before = regs;
		char hex[40] = "";
		struct gdb_cursor c;

		expect_hex(&row, n, hex);
		c = (struct gdb_cursor){.at = hex, .end = hex + strlen(hex)};
		assert_true(gdb_take_register(&c, &regs, n));
		assert_memory_equal(&regs, &before, sizeof(regs));
		hex[0] = hex[0] == '0' ? '1' : '0';
		c = (struct gdb_cursor){.at = hex, .end = hex + strlen(hex)};
		assert_int_equal(gdb_take_register(&c, &regs, n), row.is_writable);
		assert_false(c.is_bad);
		assert_ptr_equal(c.at, c.end);
		if (row.is_writable) {
			char now[40] = "";

			expect_hex(&row, n, now);
			assert_string_equal(now, hex);
			memcpy((void *)row.at,
			       (const uint8_t *)&before +
				       ((const uint8_t *)row.at - (const uint8_t *)&regs),
			       row.bytes);
		}
		assert_memory_equal(&regs, &before, sizeof(regs));
		c = (struct gdb_cursor){.at = hex, .end = hex + strlen(hex) - 1};
		assert_false(gdb_take_register(&c, &regs, n));
		assert_true(c.is_bad);
	}
}

/* In the description they stand in this order, with this width. */
static void test_description(void **state)
{
	static struct gdb_text all;
	static char whole[1 << 16];
	const char *at = whole;
	uint64_t len = 0;
	bool is_more;

	(void)state;
	do {
		all.len = 0;
		is_more = gdb_put_description(&all, len, 700);
		memcpy(whole + len, all.data, all.len);
		len += all.len;
	} while (is_more);
	for (unsigned n = 0; n < COUNT; n++) {
		struct row row = row_of(n);
		char want[64];

		snprintf(want, sizeof(want), "<reg name=\"%s\" bitsize=\"%u\" type=\"", row.name,
			 row.bits);
		at = strstr(at, "<reg ");
		assert_non_null(at);
		assert_int_equal(strncmp(at, want, strlen(want)), 0);
		at++;
	}
	assert_null(strstr(at, "<reg "));
	assert_string_equal(at + strlen(at) - 19, "</feature></target>");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_values), TEST(test_writes),
					   TEST(test_description)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
