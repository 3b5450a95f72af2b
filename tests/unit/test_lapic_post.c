/* lapic_post() from several threads against the owner's lapic_pending_vector(): 'a vector posted
 * before the signal is never lost'. Meant for ThreadSanitizer, too. */
#include "lapic_rig.h"

#include <pthread.h>
#include <sched.h>

#define POSTERS    3
#define ROUNDS     20000u
#define PER_POSTER 64 /* vectors, spread over all words: some level-, some edge-triggered */
#define FIRST      0x20

static struct lapic *const cpu = &rig.lapic[1];

/* By vector: how often it was posted (written after the post: the signal), and taken by the owner.
 */
static uint32_t signalled[256], taken[256], ended[256];

static uint32_t get(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static bool is_level(uint32_t vector)
{
	return vector % 3 == 0;
}

static void *poster(void *arg)
{
	uint32_t first = FIRST + *(uint32_t *)arg;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t vector = first + round * 7 % PER_POSTER * POSTERS;
		uint32_t count = signalled[vector];

		while (get(&taken[vector]) != count)
			sched_yield(); /* its last one is still on its way: they would merge */
		lapic_post(cpu, (uint8_t)vector, is_level(vector));
		__atomic_store_n(&signalled[vector], count + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void count_eoi(void *ctx, uint8_t vector)
{
	(void)ctx;
	ended[vector]++;
}

/* One look of the owner: whatever was signalled before it, it must find. The count that is found
 * taken releases the poster for the next. */
static void look(void)
{
	uint32_t before[256];
	int vector;

	for (unsigned v = 0; v < 256; v++)
		before[v] = get(&signalled[v]);
	while ((vector = take_pending(cpu)) >= 0) {
		lapic_mmio_write(cpu, LAPIC_EOI, 0);
		__atomic_store_n(&taken[vector], taken[vector] + 1, __ATOMIC_RELEASE);
	}
	for (unsigned v = 0; v < 256; v++)
		assert_true(taken[v] >= before[v]);
}

static void test_nothing_is_lost(void **state)
{
	pthread_t thread[POSTERS];
	uint32_t number[POSTERS], total = 0;

	(void)state;
	rig.bus.eoi = count_eoi;
	for (uint32_t i = 0; i < POSTERS; i++) {
		number[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, poster, &number[i]), 0);
	}
	while (total < POSTERS * ROUNDS) {
		look();
		total = 0;
		for (unsigned v = 0; v < 256; v++)
			total += taken[v];
	}
	for (uint32_t i = 0; i < POSTERS; i++)
		pthread_join(thread[i], NULL);
	look();
	for (unsigned v = 0; v < 256; v++) {
		assert_int_equal(taken[v], signalled[v]);
		assert_int_equal(ended[v], is_level(v) ? taken[v] : 0);
	}
}

static bool is_over; /* atomic */

/* While the owner changes modes, IDs and enables, others ask about them, and post. */

static void *asker(void *arg)
{
	struct apic_message msg = {.dest = 1, .vector = 0x55};
	unsigned n = 0;

	(void)arg;
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		msg.is_logical = n++ % 2;
		if (lapic_matches(cpu, &msg) && lapic_is_enabled(cpu))
			lapic_post(cpu, lapic_is_x2apic(cpu) ? 0x55 : 0x66, n % 3 == 0);
	}
	return NULL;
}

static void test_states_may_be_read(void **state)
{
	pthread_t thread[2];

	(void)state;
	rig.bus.eoi = NULL;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, asker, NULL), 0);
	for (unsigned n = 0; n < 2000; n++) {
		lapic_reset(cpu, n % 2);
		if (!lapic_is_x2apic(cpu)) {
			lapic_mmio_write(cpu, LAPIC_SVR, 0x1ff);
			lapic_mmio_write(cpu, LAPIC_LDR, 0x01000000);
			lapic_mmio_write(cpu, LAPIC_DFR, n % 4 ? 0xffffffff : 0);
			lapic_mmio_write(cpu, LAPIC_ID, n << 24);
			to_x2apic(cpu);
		}
		while (take_pending(cpu) >= 0)
			wrmsr(cpu, LAPIC_EOI, 0);
		rig.fake.signal_count = 0;
	}
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup(name, rig_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_lost),
		TEST(test_states_may_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
