/* Random bytes for a guest's devices: from the CPU, or by ChaCha20 (RFC 8439). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fakes/insn.h"
#include "guest/entropy.h"
#include "lib/string.h"

/* RFC 8439, 'Test Vectors for the ChaCha20 Block Function', number 1: key, counter and nonce 0. */
static void test_block_function(void **state)
{
	static const uint8_t expected[64] = {
		0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53,
		0x86, 0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36,
		0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48,
		0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4,
		0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86};
	/* Number 2: counter 1. */
	static const uint8_t next[8] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a};
	struct entropy e;
	uint8_t out[72] = {0};

	(void)state;
	fake_tsc_set(0);
	entropy_init(&e, true, 0);
	entropy_fill(&e, out, 72);
	assert_memory_equal(out, expected, 64);
	assert_memory_equal(out + 64, next, 8);
}

static void test_seeds_differ(void **state)
{
	struct entropy a, b, c;
	uint8_t out[3][32];

	(void)state;
	fake_tsc_set(5);
	entropy_init(&a, true, 7);
	entropy_init(&b, true, 8);
	fake_tsc_set(6);
	entropy_init(&c, true, 7);
	entropy_fill(&a, out[0], 32);
	entropy_fill(&b, out[1], 32);
	entropy_fill(&c, out[2], 32);
	assert_memory_not_equal(out[0], out[1], 32);
	assert_memory_not_equal(out[0], out[2], 32);
	/* The same seed gives the same: runs repeat. */
	fake_tsc_set(5);
	entropy_init(&b, true, 7);
	entropy_fill(&b, out[1], 32);
	assert_memory_equal(out[0], out[1], 32);
}

static const struct fake_cpuid with_drng[] = {{0, 0, {.eax = 7}}, {1, 0, {.ecx = BIT(30)}}};
static const struct fake_cpuid without_drng[] = {{0, 0, {.eax = 7}}};

static void test_the_cpu_comes_first(void **state)
{
	struct entropy e;
	uint64_t out[3] = {0};

	(void)state;
	fake_cpuid_set(with_drng, ARRAY_SIZE(with_drng));
	entropy_init(&e, false, 0);
	fake_drng_set(0x1000, 3);
	entropy_fill(&e, out, 20);
	assert_int_equal(out[0], 0x1000);
	assert_int_equal(out[1], 0x1001);
	assert_int_equal(out[2], 0x1002);
	assert_int_equal(e.block, 0);
	/* It has nothing for long: the generator goes on. */
	fake_drng_set(0x2000, 1000);
	entropy_fill(&e, out, 8);
	assert_int_not_equal(out[0], 0x2000);
	assert_int_equal(e.block, 1);
	fake_cpuid_set(without_drng, ARRAY_SIZE(without_drng));
	entropy_init(&e, false, 0);
	fake_drng_set(0x3000, 0);
	entropy_fill(&e, out, 8);
	assert_int_not_equal(out[0], 0x3000);
	/* Hidden: the generator, though the CPU has one. */
	fake_cpuid_set(with_drng, ARRAY_SIZE(with_drng));
	entropy_init(&e, true, 0);
	entropy_fill(&e, out, 8);
	assert_int_equal(e.block, 1);
	fake_cpuid_set(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_function),
		cmocka_unit_test(test_seeds_differ),
		cmocka_unit_test(test_the_cpu_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
