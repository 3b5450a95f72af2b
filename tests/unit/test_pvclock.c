/* kvmclock: the layout and the version protocol of Linux' Documentation/virt/kvm/x86/msr.rst,
 * quoted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "guest/pvclock.h"
#include "lib/errno.h"
#include "mm/hostmap.h"

static uint8_t ram[2][4096] __aligned(64);
static struct gmem gmem;

static int setup(void **state)
{
	(void)state;
	memset(ram, 0xcc, sizeof(ram));
	gmem.count = 2;
	for (uint32_t i = 0; i < 2; i++)
		gmem.chunk[i] = (struct gmem_chunk){
			.base = GPA(0x1000 + i * 0x1000), .len = 4096, .host = ptr_to_hpa(ram[i])};
	return 0;
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static const struct tsc_rate rate_4g = {.hz = 4000000000ull};

/* 'struct pvclock_vcpu_time_info { u32 version; u32 pad0; u64 tsc_timestamp; u64 system_time;
 * u32 tsc_to_system_mul; s8 tsc_shift; u8 flags; u8 pad[2]; } __attribute__((__packed__)); 32
 * bytes' */
static void test_time_layout(void **state)
{
	const uint8_t *p = ram[0] + 0x40;
	uint32_t mul;
	int8_t shift;

	(void)state;
	tsc_rate_to_pvclock(&rate_4g, &mul, &shift);
	assert_int_equal(pvclock_write_time(&gmem, GPA(0x1040), &rate_4g, 0x1122334455667788,
					    0x99aabbccddeeff00, true),
			 0);
	assert_int_equal(get(p + 4, 4), 0);
	assert_true(get(p + 8, 8) == 0x1122334455667788);
	assert_true(get(p + 16, 8) == 0x99aabbccddeeff00);
	assert_int_equal(get(p + 24, 4), mul);
	assert_int_equal((int8_t)p[28], shift);
	assert_int_equal(p[29], 1); /* 'flags bit 0: time measures taken across multiple cpus are
				     * guaranteed to be monotonic' */
	assert_int_equal(get(p + 30, 2), 0);
	assert_int_equal(p[-1], 0xcc);
	assert_int_equal(p[32], 0xcc);

	assert_int_equal(pvclock_write_time(&gmem, GPA(0x1040), &rate_4g, 0, 0, false), 0);
	assert_int_equal(p[29], 0);
}

/* 'version: [...] guest has to check version before and after grabbing time information and check
 * that they are both equal and even. An odd version indicates an in-progress update.' */
static void test_version_is_even_and_moves(void **state)
{
	uint32_t version = 6;

	(void)state;
	memcpy(ram[0], &version, 4);
	assert_int_equal(pvclock_write_time(&gmem, GPA(0x1000), &rate_4g, 1, 2, true), 0);
	assert_int_equal(get(ram[0], 4), 8);
	assert_int_equal(pvclock_write_wall(&gmem, GPA(0x1000), 3), 0);
	assert_int_equal(get(ram[0], 4), 10);

	version = 7; /* the guest's memory may hold anything before the first write */
	memcpy(ram[0], &version, 4);
	assert_int_equal(pvclock_write_time(&gmem, GPA(0x1000), &rate_4g, 1, 2, true), 0);
	assert_int_equal(get(ram[0], 4), 8);

	version = UINT32_MAX - 1;
	memcpy(ram[0], &version, 4);
	assert_int_equal(pvclock_write_time(&gmem, GPA(0x1000), &rate_4g, 1, 2, true), 0);
	assert_int_equal(get(ram[0], 4), 0);
}

/* 'struct pvclock_wall_clock { u32 version; u32 sec; u32 nsec; }' */
static void test_wall_layout(void **state)
{
	(void)state;
	assert_int_equal(pvclock_write_wall(&gmem, GPA(0x1ff4), 1700000000987654321ull), 0);
	assert_int_equal(get(ram[0] + 0xff8, 4), 1700000000);
	assert_int_equal(get(ram[0] + 0xffc, 4), 987654321);
	assert_int_equal(ram[0][0xff3], 0xcc);
	assert_int_equal(ram[1][0], 0xcc);
}

/* 'any alignment that lies in RAM; -EFAULT otherwise': and then nothing is touched. */
static void test_where_it_may_lie(void **state)
{
	uint8_t before[4096];

	(void)state;
	assert_int_equal(
		pvclock_write_time(&gmem, GPA(0x1ff1), &rate_4g, 0x0102030405060708, 9, true), 0);
	assert_int_equal(get(ram[0] + 0xff1, 4) & 1, 0);
	assert_true(get(ram[0] + 0xff9, 7) == 0x02030405060708);
	assert_int_equal(ram[1][0], 0x01);
	assert_int_equal(get(ram[1] + 1, 8), 9);
	assert_int_equal(pvclock_write_time(&gmem, GPA(0x1ffd), &rate_4g, 1, 2, true), 0);

	memcpy(before, ram[1], sizeof(before));
	assert_int_equal(pvclock_write_time(&gmem, GPA(0x2fe1), &rate_4g, 1, 2, true), -EFAULT);
	assert_int_equal(pvclock_write_wall(&gmem, GPA(0x2ff5), 1), -EFAULT);
	assert_memory_equal(ram[1], before, sizeof(before));
	assert_int_equal(pvclock_write_time(&gmem, GPA(0x2fe0), &rate_4g, 1, 2, true), 0);
	assert_int_equal(pvclock_write_wall(&gmem, GPA(0x2ff4), 1), 0);
	assert_int_equal(pvclock_write_time(&gmem, GPA(0), &rate_4g, 1, 2, true), -EFAULT);
	assert_int_equal(pvclock_write_time(&gmem, GPA(UINT64_MAX - 2), &rate_4g, 1, 2, true),
			 -EFAULT);
}

#define ROUNDS 200000u

static void *reader(void *arg)
{
	volatile uint32_t *version = (void *)ram[0];
	volatile uint64_t *tsc = (void *)(ram[0] + 8), *ns = (void *)(ram[0] + 16);
	unsigned *good = arg;
	uint64_t last = 0;

	while (last < ROUNDS) {
		uint32_t v = __atomic_load_n(version, __ATOMIC_ACQUIRE);
		uint64_t a = *tsc, b = *ns;

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if ((v & 1) || v != __atomic_load_n(version, __ATOMIC_RELAXED))
			continue;
		if (b != a * 3)
			return "torn";
		last = a;
		++*good;
	}
	return NULL;
}

/* The reader's loop of the guest, on another CPU: what it accepts was never half written. */
static void test_no_reader_sees_half(void **state)
{
	unsigned good = 0;
	pthread_t thread;
	void *result;

	(void)state;
	memset(ram[0], 0, 32);
	assert_int_equal(pthread_create(&thread, NULL, reader, &good), 0);
	for (uint64_t i = 1; i <= ROUNDS; i++)
		assert_int_equal(pvclock_write_time(&gmem, GPA(0x1000), &rate_4g, i, i * 3, true),
				 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	assert_true(good > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_time_layout, setup),
		cmocka_unit_test_setup(test_version_is_even_and_moves, setup),
		cmocka_unit_test_setup(test_wall_layout, setup),
		cmocka_unit_test_setup(test_where_it_may_lie, setup),
		cmocka_unit_test_setup(test_no_reader_sees_half, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
