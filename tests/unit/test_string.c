/* lib/string.c against libc. The Makefile gives its functions other names here (lib_memcpy ...);
 * both see buffers of their own that end, or begin, at an unreadable page, so that a byte too far
 * is a signal. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include "fakes/guest_ram.h"

void *lib_memcpy(void *restrict dst, const void *restrict src, size_t n);
void *lib_memmove(void *dst, const void *src, size_t n);
void *lib_memset(void *dst, int c, size_t n);
int lib_memcmp(const void *a, const void *b, size_t n);
void *lib_memchr(const void *s, int c, size_t n);
size_t lib_strlen(const char *s);
size_t lib_strnlen(const char *s, size_t max);
int lib_strcmp(const char *a, const char *b);
int lib_strncmp(const char *a, const char *b, size_t n);
char *lib_strchr(const char *s, int c);

#define PAGE  4096u
#define SMALL 70u /* all lengths up to here: several words, and all remainders */

/* A page between two that cannot be touched. */
struct fenced {
	uint8_t *page, *end;
};

static struct fenced dst, src;
static uint8_t want[PAGE];
static uint64_t seed = 0x57;

static struct fenced fence(void)
{
	uint8_t *p = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	return (struct fenced){p + PAGE, p + 2 * PAGE};
}

static int setup(void **state)
{
	(void)state;
	if (!dst.page) {
		dst = fence();
		src = fence();
	}
	for (unsigned i = 0; i < PAGE; i++) {
		dst.page[i] = (uint8_t)fake_random(&seed);
		src.page[i] = (uint8_t)fake_random(&seed);
	}
	memcpy(want, dst.page, PAGE);
	return 0;
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void test_memcpy(void **state)
{
	(void)state;
	for (size_t n = 0; n <= SMALL; n++)
		for (unsigned skew = 0; skew < 9; skew++) {
			/* At both ends of both pages. */
			uint8_t *to = skew & 1 ? dst.page + skew / 2 : dst.end - n - skew / 2;
			const uint8_t *from = skew & 2 ? src.page + skew : src.end - n - skew / 3;

			memcpy(want + (to - dst.page), from, n);
			assert_ptr_equal(lib_memcpy(to, from, n), to);
			assert_memory_equal(dst.page, want, PAGE);
		}
	assert_ptr_equal(lib_memcpy(dst.page, src.page, PAGE), dst.page);
	assert_memory_equal(dst.page, src.page, PAGE);
}

/* All overlaps, both ways, to the byte. */
static void test_memmove(void **state)
{
	(void)state;
	for (size_t n = 0; n <= SMALL; n++)
		for (int distance = -40; distance <= 40; distance++) {
			uint8_t *from = dst.page + 1000, *to = from + distance;

			memmove(want + (to - dst.page), want + (from - dst.page), n);
			assert_ptr_equal(lib_memmove(to, from, n), to);
			assert_memory_equal(dst.page, want, PAGE);
		}
	for (unsigned round = 0; round < 2000; round++) {
		size_t n = fake_random(&seed) % PAGE;
		size_t from = fake_random(&seed) % (PAGE - n), to = fake_random(&seed) % (PAGE - n);

		memmove(want + to, want + from, n);
		lib_memmove(dst.page + to, dst.page + from, n);
		assert_memory_equal(dst.page, want, PAGE);
	}
	lib_memmove(dst.page, dst.page + 1, PAGE - 1);
	lib_memmove(dst.page + 1, dst.page, PAGE - 1);
}

/* 'Converted to an unsigned char.' */
static void test_memset(void **state)
{
	static const int value[] = {0, 1, 0x80, 0xff, -1, 0x1234};

	(void)state;
	for (size_t n = 0; n <= SMALL; n++)
		for (unsigned i = 0; i < ARRAY_SIZE(value); i++) {
			uint8_t *at = i & 1 ? dst.end - n : dst.page + i;

			memset(want + (at - dst.page), value[i], n);
			assert_ptr_equal(lib_memset(at, value[i], n), at);
			assert_memory_equal(dst.page, want, PAGE);
		}
	lib_memset(dst.page, 0x77, PAGE);
	memset(want, 0x77, PAGE);
	assert_memory_equal(dst.page, want, PAGE);
}

/* The sign is that of the first pair of bytes that differ, as unsigned ones. */
static void test_memcmp(void **state)
{
	(void)state;
	for (size_t n = 0; n <= SMALL; n++)
		for (unsigned skew = 0; skew < 8; skew++) {
			uint8_t *a = dst.end - n, *b = src.end - n - skew;

			memcpy(a, b, n);
			assert_int_equal(lib_memcmp(a, b, n), 0);
			for (size_t i = 0; i < n; i++) {
				uint8_t was = a[i];

				a[i] ^= (uint8_t)(1u << fake_random(&seed) % 8);
				/* What follows the first difference does not count. */
				if (i + 1 < n)
					a[n - 1] ^= 0x80;
				assert_int_equal(sign(lib_memcmp(a, b, n)), sign(memcmp(a, b, n)));
				assert_int_equal(sign(lib_memcmp(b, a, n)), sign(memcmp(b, a, n)));
				assert_int_equal(lib_memcmp(a, b, i), 0);
				if (i + 1 < n)
					a[n - 1] ^= 0x80;
				a[i] = was;
			}
		}
}

static void test_memchr(void **state)
{
	(void)state;
	for (size_t n = 0; n <= SMALL; n++) {
		uint8_t *s = dst.end - n;

		memset(s, 'x', n);
		assert_null(lib_memchr(s, 'y', n));
		for (size_t i = 0; i < n; i++) {
			s[i] = 0xfe;
			s[n - 1] = 0xfe;
			assert_ptr_equal(lib_memchr(s, 0xfe, n), s + i);
			assert_ptr_equal(lib_memchr(s, -2, n), s + i);
			assert_null(lib_memchr(s, 0xfe, i));
			s[i] = s[n - 1] = 'x';
		}
	}
}

static void test_strlen(void **state)
{
	(void)state;
	for (size_t n = 0; n <= SMALL; n++) {
		char *s = (char *)dst.end - n - 1;

		memset(s, 'x', n);
		s[n] = '\0';
		assert_int_equal(lib_strlen(s), n);
		for (size_t max = 0; max <= n + 5; max++)
			assert_int_equal(lib_strnlen(s, max), MIN(n, max));
		/* Not terminated: nothing beyond `max` is read. */
		assert_int_equal(lib_strnlen((char *)src.end - n, 0), 0);
		s[n] = 'x';
		assert_int_equal(lib_strnlen(s, n + 1), n + 1);
	}
}

static void test_strcmp(void **state)
{
	static const char *const word[] = {"",      "a",        "b",         "ab",
					   "abc",   "abd",      "\x80",      "a\x80",
					   "a\x7f", "abcdefgh", "abcdefghi", "abcdefg\xff"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(word); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(word); k++) {
			char *a = (char *)dst.end - strlen(word[i]) - 1;
			char *b = (char *)src.end - strlen(word[k]) - 1;

			strcpy(a, word[i]);
			strcpy(b, word[k]);
			assert_int_equal(sign(lib_strcmp(a, b)), sign(strcmp(a, b)));
			for (size_t n = 0; n < 12; n++)
				assert_int_equal(sign(lib_strncmp(a, b, n)),
						 sign(strncmp(a, b, n)));
		}
	/* Neither is terminated within n. */
	memcpy(dst.end - 3, "abc", 3);
	memcpy(src.end - 3, "abc", 3);
	assert_int_equal(lib_strncmp((char *)dst.end - 3, (char *)src.end - 3, 3), 0);
}

static void test_strchr(void **state)
{
	char *s = (char *)dst.end - 6;

	(void)state;
	strcpy(s, "ab\xe4"
		  "ba");
	assert_ptr_equal(lib_strchr(s, 'a'), s);
	assert_ptr_equal(lib_strchr(s, 'b'), s + 1);
	assert_ptr_equal(lib_strchr(s, 0xe4), s + 2);
	assert_null(lib_strchr(s, 'c'));
	/* 'The terminating null byte is considered part of the string.' */
	assert_ptr_equal(lib_strchr(s, 0), s + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_memcpy, setup),
		cmocka_unit_test_setup(test_memmove, setup),
		cmocka_unit_test_setup(test_memset, setup),
		cmocka_unit_test_setup(test_memcmp, setup),
		cmocka_unit_test_setup(test_memchr, setup),
		cmocka_unit_test_setup(test_strlen, setup),
		cmocka_unit_test_setup(test_strcmp, setup),
		cmocka_unit_test_setup(test_strchr, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
