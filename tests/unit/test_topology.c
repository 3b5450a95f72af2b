/* Threads, cores and packages: CPUID as CPUs and emulators have it, and what is made of APIC IDs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "cpu/topology.h"
#include "fakes/insn.h"

static struct cpu_topology read_with(const struct fake_cpuid *table, size_t count)
{
	struct cpu_topology t;

	fake_cpuid_set(table, count);
	cpu_topology_read(&t);
	fake_cpuid_set(NULL, 0);
	return t;
}

/* 'Extended Topology Enumeration': a desktop with 8 cores of 2 threads. */
static void test_leaf_b(void **state)
{
	static const struct fake_cpuid table[] = {
		{0, 0, {.eax = 0x16}},
		{0xb, 0, {.eax = 1, .ebx = 2, .ecx = 0x100}},
		{0xb, 1, {.eax = 4, .ebx = 16, .ecx = 0x201}},
		{0xb, 2, {.ecx = 2}},
	};
	struct cpu_topology t = read_with(table, ARRAY_SIZE(table));

	(void)state;
	assert_int_equal(t.core_shift, 1);
	assert_int_equal(t.package_shift, 4);
}

/* A level with a type and no CPUs is none. */
static void test_level_without_cpus(void **state)
{
	static const struct fake_cpuid table[] = {
		{0, 0, {.eax = 0x16}},
		{0xb, 0, {.eax = 1, .ebx = 0xffff0002, .ecx = 0x100}},
		{0xb, 1, {.eax = 4, .ebx = 0xffff0000, .ecx = 0x201}},
	};
	struct cpu_topology t = read_with(table, ARRAY_SIZE(table));

	(void)state;
	assert_int_equal(t.core_shift, 1);
	assert_int_equal(t.package_shift, 1);
}

/* A CPU that has levels without end: the eighth is the last that is looked at. */
static void test_endless_levels(void **state)
{
	struct fake_cpuid table[13] = {{0, 0, {.eax = 0x16}}};
	struct cpu_topology t;

	(void)state;
	for (uint32_t i = 0; i < 12; i++)
		table[1 + i] = (struct fake_cpuid){
			0xb, i, {.eax = i + 1, .ebx = 2, .ecx = (i ? 2u : 1u) << 8 | i}};
	t = read_with(table, ARRAY_SIZE(table));
	assert_int_equal(t.core_shift, 1);
	assert_int_equal(t.package_shift, 8);
}

/* A CPU without leaf 4 has one core. */
static void test_without_leaf_4(void **state)
{
	static const struct fake_cpuid table[] = {
		{0, 0, {.eax = 3}}, {1, 0, {.ebx = 0x00010800}}, {4, 0, {.eax = 3u << 26}}};
	struct cpu_topology t = read_with(table, ARRAY_SIZE(table));

	(void)state;
	assert_int_equal(t.core_shift, 0);
	assert_int_equal(t.package_shift, 0);
}

/* Leaf 0x1f has modules and dies besides: the last level's shift is the package's. */
static void test_leaf_1f_comes_first(void **state)
{
	static const struct fake_cpuid table[] = {
		{0, 0, {.eax = 0x20}},
		{0xb, 0, {.eax = 1, .ebx = 2, .ecx = 0x100}},
		{0xb, 1, {.eax = 5, .ebx = 16, .ecx = 0x201}},
		{0x1f, 0, {.eax = 1, .ebx = 2, .ecx = 0x100}},
		{0x1f, 1, {.eax = 5, .ebx = 16, .ecx = 0x201}},
		{0x1f, 2, {.eax = 6, .ebx = 32, .ecx = 0x502}},
		{0x1f, 3, {.ecx = 3}},
	};
	struct cpu_topology t = read_with(table, ARRAY_SIZE(table));

	(void)state;
	assert_int_equal(t.core_shift, 1);
	assert_int_equal(t.package_shift, 6);
}

/* Bochs with one core a package: leaf 0xb is there and says nothing. */
static void test_legacy(void **state)
{
	static const struct fake_cpuid none[] = {{0, 0, {.eax = 0xd}}, {1, 0, {.ebx = 0x00010800}}};
	/* HTT, 8 logical CPUs, 4 cores: 2 threads. */
	static const struct fake_cpuid four[] = {
		{0, 0, {.eax = 4}},
		{1, 0, {.ebx = 0x00080800, .edx = 1u << 28}},
		{4, 0, {.eax = 3u << 26}},
	};
	/* More cores than logical CPUs: firmware that has been told to limit CPUID does that. */
	static const struct fake_cpuid odd[] = {
		{0, 0, {.eax = 4}},
		{1, 0, {.ebx = 0x00020800, .edx = 1u << 28}},
		{4, 0, {.eax = 7u << 26}},
	};
	struct cpu_topology t = read_with(none, ARRAY_SIZE(none));

	(void)state;
	assert_true(t.core_shift == 0 && t.package_shift == 0);
	t = read_with(four, ARRAY_SIZE(four));
	assert_true(t.core_shift == 1 && t.package_shift == 3);
	t = read_with(odd, ARRAY_SIZE(odd));
	assert_true(t.core_shift == 0 && t.package_shift == 3);
}

static void test_describe(void **state)
{
	static const uint32_t one[] = {0}, four[] = {0, 1, 2, 3}, two[] = {0, 16, 1, 17, 2, 300};
	const struct cpu_topology t = {.core_shift = 1, .package_shift = 4}, flat = {0};
	char buf[80], small[50];

	(void)state;
	cpu_topology_describe(&t, one, 1, buf, sizeof(buf));
	assert_string_equal(buf, "1 package, 1 core, 1 thread");
	cpu_topology_describe(&t, four, 4, buf, sizeof(buf));
	assert_string_equal(buf, "1 package, 2 cores, 4 threads; second threads: pCPU 1 3");
	cpu_topology_describe(&flat, four, 4, buf, sizeof(buf));
	assert_string_equal(buf, "4 packages, 4 cores, 4 threads");
	cpu_topology_describe(&t, two, 6, buf, sizeof(buf));
	assert_string_equal(buf, "3 packages, 4 cores, 6 threads; second threads: pCPU 2 3");
	cpu_topology_describe(&t, four, 4, small, sizeof(small));
	assert_string_equal(small, "1 package, 2 cores, 4 threads; second threads:...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaf_b),
		cmocka_unit_test(test_without_leaf_4),
		cmocka_unit_test(test_endless_levels),
		cmocka_unit_test(test_level_without_cpus),
		cmocka_unit_test(test_leaf_1f_comes_first),
		cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
