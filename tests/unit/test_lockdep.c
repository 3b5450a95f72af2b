/* The lock checker of debug builds: lib/spinlock.h's rules, and that its message names both locks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "cpu/init.h"
#include "cpu/insn.h"
#include "fakes/panic.h"
#include "fakes/percpu.h"
#include "lib/spinlock.h"
#include "mm/hostmap.h"
#include "mm/page.h"

static const char *const names[LOCK_RANKS] = {
	[LOCK_MONITOR] = "MONITOR", [LOCK_VM] = "VM",     [LOCK_SWITCH] = "SWITCH",
	[LOCK_GMEM] = "GMEM",       [LOCK_RUNQ] = "RUNQ", [LOCK_TIMERS] = "TIMERS",
	[LOCK_PAGES] = "PAGES",     [LOCK_LOG] = "LOG",   [LOCK_CONSOLE] = "CONSOLE",
};

static const struct spinlock_debug *was;

static int setup(void **state)
{
	(void)state;
	fake_percpu_reset();
	was = spinlock_debug;
	lockdep_init();
	assert_ptr_not_equal(spinlock_debug, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	this_cpu()->lock_ranks_held = 0;
	spinlock_debug = was;
	irq_enable();
	return 0;
}

/* 'By ascending rank only': no rank twice, and none below one that is held; the message names the
 * one that is taken and the lowest that is in its way. */
static void test_order(void **state)
{
	(void)state;
	irq_disable();
	for (unsigned held = 0; held < LOCK_RANKS; held++) {
		for (unsigned taken = 0; taken < LOCK_RANKS; taken++) {
			struct spinlock first = SPINLOCK_INIT(held), second = SPINLOCK_INIT(taken);
			char message[80];

			spin_lock(&first);
			assert_int_equal(this_cpu()->lock_ranks_held, BIT(held));
			if (taken > held) {
				spin_lock(&second);
				assert_int_equal(this_cpu()->lock_ranks_held,
						 BIT(held) | BIT(taken));
				spin_unlock(&second);
				spin_unlock(&first);
				assert_int_equal(this_cpu()->lock_ranks_held, 0);
				continue;
			}
			expect_assert_failure(spin_lock(&second));
			strcpy(message, "lock order: ");
			strcat(message, names[taken]);
			strcat(message, " is taken while ");
			strcat(message, names[held]);
			strcat(message, " is held");
			assert_string_equal(fake_panic_message(), message);
			this_cpu()->lock_ranks_held = 0;
		}
	}
}

static void test_release_of_what_is_not_held(void **state)
{
	struct spinlock lock = SPINLOCK_INIT(LOCK_RUNQ), other = SPINLOCK_INIT(LOCK_VM);

	(void)state;
	spin_lock(&other);
	lock.next++; /* as if another pCPU had it */
	expect_assert_failure(spin_unlock(&lock));
	assert_string_equal(fake_panic_message(),
			    "lock RUNQ is released by a pCPU that does not hold it");
	assert_int_equal(this_cpu()->lock_ranks_held, BIT(LOCK_VM));
	spin_unlock(&other);
}

/* During a panic locks are taken as they come, and nobody keeps book. */
static void test_not_in_a_panic(void **state)
{
	struct spinlock high = SPINLOCK_INIT(LOCK_CONSOLE), low = SPINLOCK_INIT(LOCK_VM);

	(void)state;
	irq_enable();
	fake_panic_set_active(true);
	spin_lock(&high);
	spin_lock(&low);
	assert_int_equal(this_cpu()->lock_ranks_held, 0);
	spin_unlock(&low);
	this_cpu()->lock_ranks_held = BIT(LOCK_CONSOLE);
	spin_unlock(&high);
	assert_int_equal(this_cpu()->lock_ranks_held, BIT(LOCK_CONSOLE));
	fake_panic_set_active(false);
}

/* The page allocator's lock may be taken under all but the log's. */
static void test_rank_of_the_page_allocator(void **state)
{
	static uint8_t ram[4 * PAGE_SIZE] __aligned(PAGE_SIZE), state_bytes[4];
	struct spinlock below = SPINLOCK_INIT(LOCK_PAGES - 1),
			above = SPINLOCK_INIT(LOCK_PAGES + 1);
	hpa_t start = ptr_to_hpa(ram), page;

	(void)state;
	irq_disable();
	page_init(start, HPA(start.v + sizeof(ram)), state_bytes);
	page_add_range(start, HPA(start.v + sizeof(ram)));
	spin_lock(&below);
	assert_true(page_alloc(0, &page));
	spin_unlock(&below);
	spin_lock(&above);
	expect_assert_failure(page_free(page, 0));
}

/* The console's lock is interrupt handlers', too. */
static void test_console_with_interrupts_on(void **state)
{
	struct spinlock lock = SPINLOCK_INIT(LOCK_CONSOLE);

	(void)state;
	irq_enable();
	expect_assert_failure(spin_lock(&lock));
	assert_string_equal(fake_panic_message(), "lock CONSOLE is taken with interrupts on");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order),
		TEST(test_release_of_what_is_not_held),
		TEST(test_rank_of_the_page_allocator),
		TEST(test_not_in_a_panic),
		TEST(test_console_with_interrupts_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
