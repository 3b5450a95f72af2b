/* The local APIC's timer. Rules from the SDM, 'APIC Timer'. Its clock is 1 GHz: a count of 1 is the
 * divider in nanoseconds. */
#include "lapic_rig.h"

#include <stdlib.h>

#define VECTOR   0x40
#define PERIODIC BIT(17)
#define DEADLINE BIT(18)
#define DIVIDE_1 0xb
#define ODD_HZ   2893202123ull
#define SLOW_HZ  333333333ull

static struct lapic *const cpu = &rig.lapic[1];

static void set_divide_1(void)
{
	lapic_mmio_write(cpu, LAPIC_TDCR, DIVIDE_1);
}

static void run_to(uint64_t when)
{
	fake_platform_run_until(&rig.fake, when);
}

static uint32_t current(void)
{
	return lapic_mmio_read(cpu, LAPIC_TMCCT);
}

/* Has the timer's vector come? Ends it. */
static bool has_fired(void)
{
	int vector = take_pending(cpu);

	if (vector < 0)
		return false;
	assert_int_equal(vector, VECTOR);
	lapic_mmio_write(cpu, LAPIC_EOI, 0);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	return true;
}

/* 'In one-shot mode, the timer is started by programming its initial-count register. The initial
 * count value is then copied into the current-count register and count-down begins. After the timer
 * reaches zero, an timer interrupt is generated and the timer remains at its 0 value until
 * reprogrammed.' */
static void test_one_shot(void **state)
{
	(void)state;
	set_divide_1();
	run_to(5000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	assert_int_equal(current(), 1000);
	run_to(5001);
	assert_int_equal(current(), 999);
	run_to(5999);
	assert_int_equal(current(), 1);
	assert_false(has_fired());
	rig.fake.signal_count = 0;
	run_to(6000);
	assert_int_equal(current(), 0);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(1));
	assert_true(has_fired());
	run_to(100000);
	assert_int_equal(current(), 0);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_TMICT), 1000);
	assert_false(has_fired());
	assert_false(cpu->timer.is_armed);
}

/* 'Remains at its 0 value until reprogrammed': another mode is no new count. */
static void test_one_shot_is_over(void **state)
{
	static const uint32_t modes[] = {PERIODIC | VECTOR, VECTOR, PERIODIC | MASKED | VECTOR};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		rig_init(1000000000);
		set_divide_1();
		lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
		lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
		run_to(1000);
		assert_true(has_fired());
		lapic_mmio_write(cpu, LAPIC_LVT_TIMER, modes[i]);
		assert_int_equal(current(), 0);
		assert_false(cpu->timer.is_armed);
		run_to(10000);
		assert_int_equal(current(), 0);
		assert_false(has_fired());
	}
}

/* 'Divide Configuration Register': 000 is 2, 001 4, 010 8, 011 16, 100 32, 101 64, 110 128, 111 1;
 * bit 2 of the register is not one of the three. */
static void test_divide(void **state)
{
	static const struct {
		uint8_t tdcr, divide;
	} cases[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t divide = cases[i].divide;

		rig_init(1000000000);
		lapic_mmio_write(cpu, LAPIC_TDCR, cases[i].tdcr);
		lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
		lapic_mmio_write(cpu, LAPIC_TMICT, 100);
		run_to(divide - 1);
		assert_int_equal(current(), 100);
		run_to(divide);
		assert_int_equal(current(), 99);
		run_to(100ull * divide - 1);
		assert_int_equal(current(), 1);
		assert_false(has_fired());
		run_to(100ull * divide);
		assert_int_equal(current(), 0);
		assert_true(has_fired());
	}
}

/* The largest count with the largest divider: 550 seconds. */
static void test_longest(void **state)
{
	uint64_t ticks = mul_div_u64(0xffffffffull * 128, ODD_HZ, NSEC_PER_SEC);

	(void)state;
	rig_init(ODD_HZ);
	lapic_mmio_write(cpu, LAPIC_TDCR, 10);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 0xffffffff);
	run_to(ticks - 1);
	assert_int_equal(current(), 1);
	assert_false(has_fired());
	run_to(ticks + 1);
	assert_int_equal(current(), 0);
	assert_true(has_fired());
}

/* The interrupt comes with the very tick at which the count reaches 0, at any TSC rate. */
static void test_exact_at_odd_rates(void **state)
{
	static const uint64_t rates[] = {SLOW_HZ, 1000000000, ODD_HZ, 19200000};

	(void)state;
	srand(2);
	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		for (unsigned n = 0; n < 500; n++) {
			uint32_t count = 1 + (uint32_t)rand() % 1000000;
			uint64_t start = (uint64_t)rand() * 4;
			uint64_t when = start + mul_div_u64(count, rates[i], NSEC_PER_SEC);

			rig_init(rates[i]);
			set_divide_1();
			lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
			run_to(start);
			lapic_mmio_write(cpu, LAPIC_TMICT, count);
			while (tsc_to_ns(&rig.fake.platform.tsc, when - start) < count)
				when++;
			run_to(when - 1);
			assert_true(current() > 0);
			assert_false(has_fired());
			run_to(when);
			assert_int_equal(current(), 0);
			assert_true(has_fired());
		}
	}
}

/* 'In periodic mode, the current-count register is automatically reloaded from the initial-count
 * register when the count reaches 0 and a timer interrupt is generated, and the count-down is
 * repeated.' */
static void test_periodic(void **state)
{
	(void)state;
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 20000);
	for (uint64_t n = 1; n < 10; n++) {
		run_to(n * 20000 - 1);
		assert_int_equal(current(), 1);
		assert_false(has_fired());
		run_to(n * 20000);
		assert_int_equal(current(), 20000);
		assert_true(has_fired());
	}
	/* 'Writing 0 stops the timer.' */
	lapic_mmio_write(cpu, LAPIC_TMICT, 0);
	assert_int_equal(current(), 0);
	run_to(1000000);
	assert_false(has_fired());
}

/* A million periods of 1,000,003 ns take 10^15 + 3 * 10^9 ns to the tick, though a period is no
 * whole number of ticks. */
static void test_periodic_does_not_drift(void **state)
{
	uint64_t fired = 0, end;

	(void)state;
	rig_init(ODD_HZ);
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000003);
	end = mul_div_u64(1000003ull * 1000000, ODD_HZ, NSEC_PER_SEC);
	while (rig.fake.now < end - 1) {
		run_to(MIN(end - 1, cpu->timer.when));
		fired += has_fired();
		rig.fake.signal_count = 0;
	}
	assert_int_equal(fired, 999999);
	assert_int_equal(current(), 1);
	run_to(end + 1);
	assert_true(has_fired());
}

/* Of a period too short to be owed, those that passed unserved are one interrupt, and the grid of
 * times stays. */
static void test_periodic_late(void **state)
{
	(void)state;
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 20000);
	rig.fake.now = 20000 * 7 + 5000;
	run_to(rig.fake.now);
	assert_true(has_fired());
	assert_int_equal(current(), 15000);
	run_to(20000 * 8 - 1);
	assert_false(has_fired());
	run_to(20000 * 8);
	assert_true(has_fired());
}

/* Periods that went by while the vCPU did not run, or while its last interrupt still waited, are
 * owed: they come one at a time, no faster than the vCPU takes them, and exactly as many. */
static void test_periodic_owed(void **state)
{
	unsigned n = 0;

	(void)state;
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000000);
	rig.fake.now = 10500000; /* descheduled for ten periods */
	run_to(rig.fake.now);
	run_to(20500000); /* and deaf for ten more */
	assert_int_equal(cpu->timer_debt.owed, 19);
	while (rig.fake.now < 30500000) {
		n += has_fired();
		run_to(MIN(30500000ull, cpu->timer.when));
		rig.fake.signal_count = 0;
	}
	n += has_fired();
	assert_int_equal(n, 30);
	assert_int_equal(cpu->timer_debt.owed, 0);
	/* A vCPU that halts gets the next at once, as often as there are some. */
	run_to(40500000);
	assert_int_equal(cpu->timer_debt.owed, 9);
	for (n = 0; has_fired(); n++)
		lapic_timer_hurry(cpu);
	assert_int_equal(n, 10);
	run_to(40999999);
	assert_false(has_fired());
	rig.fake.signal_count = 0;
	/* A new count, or the mask, forgets the debt. */
	run_to(44500000);
	assert_int_equal(cpu->timer_debt.owed, 3);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000000);
	assert_int_equal(cpu->timer_debt.owed, 0);
	run_to(50500000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, MASKED | PERIODIC | VECTOR);
	assert_int_equal(cpu->timer_debt.owed, 0);
	assert_true(has_fired());
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	run_to(51499999);
	assert_false(has_fired());
	run_to(51500000);
	assert_true(has_fired());
	assert_int_equal(cpu->timer_debt.owed, 0);
}

/* A tiny period counts as it should, but its interrupts are no nearer than 10 us. */
static void test_periodic_flood(void **state)
{
	uint32_t fired = 0;

	(void)state;
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 7);
	for (uint64_t t = 0; t <= 1000000; t += 100) {
		rig.fake.signal_count = 0;
		run_to(t);
		assert_int_equal(current(), 7 - t % 7);
		fired += has_fired();
	}
	assert_in_range(fired, 99, 101);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1);
	assert_true(cpu->timer.when - rig.fake.now >= 10000);
}

/* A masked timer counts, and what it reaches while masked is not made up for. */
static void test_masked(void **state)
{
	(void)state;
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, MASKED | VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	assert_false(cpu->timer.is_armed);
	run_to(400);
	assert_int_equal(current(), 600);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
	run_to(999);
	assert_false(has_fired());
	run_to(1000);
	assert_true(has_fired());

	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, MASKED | VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	run_to(5000);
	assert_int_equal(current(), 0);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
	run_to(100000);
	assert_false(has_fired());

	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, MASKED | PERIODIC | VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 20000);
	run_to(150000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	run_to(159999);
	assert_false(has_fired());
	run_to(160000);
	assert_true(has_fired());
}

/* An interrupt whose time had come before software touched the timer is there, however late the
 * platform. */
static void test_overdue_is_not_lost(void **state)
{
	static const uint16_t touched[] = {LAPIC_LVT_TIMER, LAPIC_TMICT, LAPIC_TDCR, LAPIC_SVR};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(touched); i++) {
		rig_init(1000000000);
		set_divide_1();
		lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
		lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
		rig.fake.now = 1000;
		lapic_mmio_write(cpu, touched[i], touched[i] == LAPIC_LVT_TIMER ? MASKED : 0);
		assert_true(has_fired());
		run_to(100000);
		assert_false(has_fired());
	}
	rig_init(1000000000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	lapic_tsc_deadline_write(cpu, 500);
	rig.fake.now = 500;
	lapic_tsc_deadline_write(cpu, 700);
	assert_true(has_fired());
	run_to(700);
	assert_true(has_fired());
}

/* A new divider goes on from the present count; so does a change between one-shot and periodic. */
static void test_change_while_counting(void **state)
{
	(void)state;
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	run_to(400);
	lapic_mmio_write(cpu, LAPIC_TDCR, 1); /* by 4 */
	assert_int_equal(current(), 600);
	run_to(404);
	assert_int_equal(current(), 599);
	run_to(400 + 600 * 4 - 1);
	assert_false(has_fired());
	run_to(400 + 600 * 4);
	assert_true(has_fired());

	rig_init(1000000000);
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
	lapic_mmio_write(cpu, LAPIC_TMICT, 50000);
	run_to(10000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	run_to(50000);
	assert_true(has_fired());
	run_to(100000);
	assert_true(has_fired());
	run_to(110000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
	assert_int_equal(current(), 40000);
	run_to(150000);
	assert_true(has_fired());
	run_to(300000);
	assert_false(has_fired());
	/* Run out, it stays at 0 in periodic mode too. */
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_int_equal(current(), 0);
	run_to(500000);
	assert_false(has_fired());
}

/* 'TSC-Deadline Mode'. */
static void test_deadline(void **state)
{
	(void)state;
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	/* 'Writes to the initial-count register are ignored; and current-count register always
	 * reads 0.' */
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	assert_int_equal(lapic_mmio_read(cpu, LAPIC_TMICT), 0);
	lapic_tsc_deadline_write(cpu, 5000);
	assert_int_equal(lapic_tsc_deadline_read(cpu), 5000);
	assert_int_equal(current(), 0);
	run_to(4999);
	assert_int_equal(lapic_tsc_deadline_read(cpu), 5000);
	assert_false(has_fired());
	rig.fake.signal_count = 0;
	run_to(5000);
	assert_int_equal(who_was_signalled(VCPU_SIGNAL_EVENT), BIT(1));
	assert_true(has_fired());
	/* 'When the timer generates an interrupt, it disarms itself and clears the
	 * IA32_TSC_DEADLINE MSR.' */
	assert_int_equal(lapic_tsc_deadline_read(cpu), 0);
	/* A time that has passed: at once. */
	lapic_tsc_deadline_write(cpu, 1);
	run_to(5000);
	assert_true(has_fired());
	/* 'Writing zero disarms'; writing anew moves it. */
	lapic_tsc_deadline_write(cpu, 6000);
	lapic_tsc_deadline_write(cpu, 0);
	run_to(7000);
	assert_false(has_fired());
	lapic_tsc_deadline_write(cpu, 8000);
	lapic_tsc_deadline_write(cpu, 9000);
	run_to(8999);
	assert_false(has_fired());
	run_to(9000);
	assert_true(has_fired());
	/* Masked: it ends silently. */
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, MASKED | DEADLINE | VECTOR);
	lapic_tsc_deadline_write(cpu, 9500);
	assert_int_equal(lapic_tsc_deadline_read(cpu), 9500);
	run_to(9500);
	assert_int_equal(lapic_tsc_deadline_read(cpu), 0);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	run_to(20000);
	assert_false(has_fired());
	/* Unmasked in time, it comes. */
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, MASKED | DEADLINE | VECTOR);
	lapic_tsc_deadline_write(cpu, 30000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	run_to(30000);
	assert_true(has_fired());
}

/* 'In other timer modes (LVT bit 18 = 0), the IA32_TSC_DEADLINE MSR reads zero and writes are
 * ignored'; 'transitioning between TSC-deadline mode and other timer modes also disarms the timer'.
 */
static void test_deadline_transitions(void **state)
{
	(void)state;
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
	lapic_tsc_deadline_write(cpu, 500);
	assert_int_equal(lapic_tsc_deadline_read(cpu), 0);
	run_to(1000);
	assert_false(has_fired());
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	run_to(5000);
	assert_false(has_fired());
	lapic_tsc_deadline_write(cpu, 6000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_int_equal(lapic_tsc_deadline_read(cpu), 0);
	assert_int_equal(current(), 0);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	assert_int_equal(lapic_tsc_deadline_read(cpu), 0);
	/* Mode 11b is reserved: nothing runs. */
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, PERIODIC | DEADLINE | VECTOR);
	lapic_tsc_deadline_write(cpu, 7000);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	run_to(100000);
	assert_false(has_fired());
	assert_false(cpu->timer.is_armed);
}

/* The vector and the mask are those of the moment at which it fires. */
static void test_vector_at_expiry(void **state)
{
	(void)state;
	set_divide_1();
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, 0x77);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	run_to(500);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, VECTOR);
	run_to(1000);
	assert_true(has_fired());
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, MASKED | VECTOR);
	run_to(5000);
	assert_false(has_fired());
	/* An illegal vector is an error, no interrupt. */
	lapic_mmio_write(cpu, LAPIC_LVT_TIMER, 0x0f);
	lapic_mmio_write(cpu, LAPIC_TMICT, 1000);
	run_to(10000);
	assert_int_equal(lapic_pending_vector(cpu), -1);
	assert_int_equal(read_esr(cpu), BIT(6));
}

#define TEST(name) cmocka_unit_test_setup(name, rig_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_shot),
		TEST(test_one_shot_is_over),
		TEST(test_divide),
		TEST(test_longest),
		TEST(test_exact_at_odd_rates),
		TEST(test_periodic),
		TEST(test_periodic_does_not_drift),
		TEST(test_periodic_late),
		TEST(test_periodic_owed),
		TEST(test_periodic_flood),
		TEST(test_masked),
		TEST(test_overdue_is_not_lost),
		TEST(test_change_while_counting),
		TEST(test_deadline),
		TEST(test_deadline_transitions),
		TEST(test_vector_at_expiry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
