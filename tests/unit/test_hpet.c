/* The HPET; rules from the 'IA-PC HPET (High Precision Event Timers) Specification'. The TSC runs
 * at 1 GHz, so that ten TSC ticks are one of the counter's. */
#include "device_rig.h"
#include "devices/hpet.h"

#define TICK     10ull
#define LEVEL    BIT(1)
#define ENABLE   BIT(2)
#define PERIODIC BIT(3)
#define VAL_SET  BIT(6)
#define MODE_32  BIT(8)
#define ROUTE(n) ((uint64_t)(n) << 9)

static struct fake_platform fake;
static struct hpet hpet;
static struct bus mmio;
static struct wire route, legacy[2], select_wire;

static int setup(void **state)
{
	(void)state;
	fake_platform_init(&fake, 1000000000);
	hpet_init(&hpet, &fake.platform);
	hpet.route = wire_line(&route, 0);
	hpet.legacy[0] = wire_line(&legacy[0], 0);
	hpet.legacy[1] = wire_line(&legacy[1], 8);
	hpet.legacy_select = wire_line(&select_wire, 0);
	bus_init(&mmio);
	assert_int_equal(hpet_attach(&hpet, &mmio), 0);
	return 0;
}

static uint64_t rd(uint64_t offset)
{
	uint64_t value;

	assert_true(bus_read(&mmio, 0xfed00000 + offset, 8, &value));
	return value;
}

static void wr(uint64_t offset, uint64_t value)
{
	assert_true(bus_write(&mmio, 0xfed00000 + offset, 8, value));
}

static void wr32(uint64_t offset, uint32_t value)
{
	assert_true(bus_write(&mmio, 0xfed00000 + offset, 4, value));
}

static void go(uint64_t ticks)
{
	fake_platform_run_until(&fake, fake.now + ticks * TICK);
}

static uint64_t conf(unsigned n)
{
	return 0x100 + 0x20ull * n;
}

static uint64_t comparator(unsigned n)
{
	return 0x108 + 0x20ull * n;
}

/* 'REV_ID must not be 00h'; 'NUM_TIM_CAP: the number of the last timer'; 'COUNTER_CLK_PERIOD ... in
 * femtoseconds ... must be less than or equal to 05F5E100h'. */
static void test_capabilities(void **state)
{
	(void)state;
	assert_int_equal(rd(0) & 0xff, 1);
	assert_int_equal(rd(0) >> 8 & 0x1f, 2);
	assert_int_equal(rd(0) >> 13 & 7, 5); /* 64 bits, legacy replacement */
	assert_int_equal(rd(0) >> 16 & 0xffff, 0x8086);
	assert_int_equal(rd(0) >> 32, 10000000);
	wr(0, UINT64_MAX);
	assert_int_equal(rd(0) >> 32, 10000000);
	/* What a comparator can: periodic, 64 bits, no FSB delivery, pins that exist. */
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(rd(conf(n)) & 0xffff, 0x30);
		assert_int_equal(rd(conf(n)) >> 32, 0x00f00000);
		assert_true(rd(comparator(n)) == UINT64_MAX);
		assert_int_equal(rd(comparator(n) + 8), 0);
	}
	assert_int_equal(rd(0x160), 0); /* no fourth */
}

/* 'ENABLE_CNF: 0 - halt main count'; the counter can be written while halted. */
static void test_counter(void **state)
{
	(void)state;
	go(1000);
	assert_int_equal(rd(0xf0), 0);
	wr(0xf0, 0x1fffffff0);
	go(10);
	assert_int_equal(rd(0xf0), 0x1fffffff0);
	wr(0x10, 1);
	assert_int_equal(rd(0x10), 1);
	go(0x20);
	assert_int_equal(rd(0xf0), 0x200000010);
	wr(0x10, 0);
	go(100);
	assert_int_equal(rd(0xf0), 0x200000010);
	/* By halves. */
	wr32(0xf4, 7);
	assert_int_equal(rd(0xf0), 0x700000010);
	wr32(0xf0, 9);
	assert_int_equal(rd(0xf0), 0x700000009);
	assert_int_equal(hpet_read(&hpet, 0xf4, 4), 7);
	assert_int_equal(hpet_read(&hpet, 0xf0, 1), 9);
	/* Narrow and unaligned writes vanish. */
	hpet_write(&hpet, 0xf0, 1, 0x55);
	hpet_write(&hpet, 0xf2, 4, 0x55);
	hpet_write(&hpet, 0xf4, 8, 0x55);
	assert_int_equal(rd(0xf0), 0x700000009);
}

/* 'Non-periodic mode: an interrupt when the main counter matches the comparator'. */
static void test_one_shot(void **state)
{
	(void)state;
	wr(0x10, 1);
	wr(conf(0), ROUTE(21) | ENABLE);
	assert_int_equal(rd(conf(0)) & 0xffff, (ROUTE(21) | ENABLE | 0x30));
	wr(comparator(0), 1000);
	go(999);
	assert_int_equal(route.rises, 0);
	go(1);
	assert_int_equal(route.rises, 1);
	assert_int_equal(route.pin, 21);
	assert_false(route.level); /* an edge */
	assert_int_equal(rd(comparator(0)), 1000);
	go(10000000);
	assert_int_equal(route.rises, 1);
	assert_false(hpet.timer[0].timer.is_armed);
	/* One that is due before the guest programs it anew is not lost. */
	wr(comparator(0), rd(0xf0) + 50);
	fake.now += 60 * TICK;
	wr(comparator(0), rd(0xf0) + 1000);
	assert_int_equal(route.rises, 2);
	/* A comparator in the past waits for the counter to come round. */
	wr(comparator(0), rd(0xf0) - 1);
	go(10000000);
	assert_int_equal(route.rises, 2);
	/* Without INT_ENB, without a route, without ENABLE_CNF: nothing. */
	wr(conf(0), ROUTE(21));
	wr(comparator(0), rd(0xf0) + 50);
	go(100);
	wr(conf(1), ENABLE);
	wr(comparator(1), rd(0xf0) + 50);
	go(100);
	wr(conf(0), ROUTE(21) | ENABLE);
	wr(comparator(0), rd(0xf0) + 50);
	wr(0x10, 0);
	go(100);
	assert_int_equal(route.rises, 2);
	assert_false(hpet.timer[0].timer.is_armed);
	wr(0x10, 1);
	go(50);
	assert_int_equal(route.rises, 3);
}

/* 'Another interrupt will be generated when the main counter matches the value in the timer's
 * comparator register after a wrap around.' In 32-bit mode only the low halves count. */
static void test_32_bits(void **state)
{
	(void)state;
	wr(0xf0, 0x5fffffff0);
	wr(0x10, 1);
	wr(conf(2), ROUTE(20) | ENABLE | MODE_32);
	wr(comparator(2), 0xabc00000010);
	assert_int_equal(rd(comparator(2)), 0x10);
	go(0x1f);
	assert_int_equal(route.rises, 0);
	go(1);
	assert_int_equal(route.rises, 1);
	go(0xffffffff);
	assert_int_equal(route.rises, 1);
	go(1);
	assert_int_equal(route.rises, 2);
	/* In 64-bit mode a match beyond the wrap of the whole counter comes too. */
	wr(conf(2), ROUTE(20) | ENABLE);
	wr(0xf0, UINT64_MAX - 9);
	wr(comparator(2), 5);
	go(14);
	assert_int_equal(route.rises, 2);
	go(1);
	assert_int_equal(route.rises, 3);
}

/* One that the TSC never reaches is never armed: neither as a time in the past. */
static void test_end_of_time(void **state)
{
	(void)state;
	wr(0x10, 1);
	go(100);
	for (unsigned bit = 40; bit < 64; bit++) {
		wr(conf(0), ROUTE(20) | ENABLE);
		wr(comparator(0), (BIT_ULL(bit) - 1) * 2 + 1);
		assert_true(!hpet.timer[0].timer.is_armed ||
			    hpet.timer[0].timer.when > BIT_ULL(bit));
		wr(comparator(0), rd(0xf0) - 1);
		assert_false(hpet.timer[0].timer.is_armed);
	}
	go(1000000);
	assert_int_equal(route.rises, 0);
}

/* 'Periodic mode': Linux's way, VAL_SET and the first time, then the period. */
static void test_periodic(void **state)
{
	(void)state;
	wr(0x10, 1);
	go(12345);
	wr(conf(0), ROUTE(22) | ENABLE | PERIODIC | VAL_SET | MODE_32);
	assert_true(rd(conf(0)) & VAL_SET);
	wr32(comparator(0), 20000);
	assert_false(rd(conf(0)) & VAL_SET);
	wr32(comparator(0), 10000);
	assert_int_equal(rd(comparator(0)), 20000);
	go(20000 - 12345 - 1);
	assert_int_equal(route.rises, 0);
	go(1);
	assert_int_equal(route.rises, 1);
	assert_int_equal(rd(comparator(0)), 30000);
	go(95000);
	assert_int_equal(route.rises, 10);
	assert_int_equal(rd(comparator(0)), 120000);
	/* One write with VAL_SET gives both. */
	wr(conf(0), ROUTE(22) | ENABLE | PERIODIC | VAL_SET);
	wr(0x10, 0);
	wr(0xf0, 0);
	wr(comparator(0), 5000);
	wr(0x10, 1);
	go(50000);
	assert_int_equal(route.rises, 20);
	/* By halves: 'set VAL_SET, write the lower half, set it again, write the upper half'. */
	wr(conf(0), PERIODIC | VAL_SET);
	wr32(comparator(0), 1);
	wr(conf(0), PERIODIC | VAL_SET);
	wr32(comparator(0) + 4, 2);
	assert_int_equal(rd(comparator(0)), 0x200000001);
	/* A period of 0 and of 1 neither hang nor flood. */
	wr(conf(0), ROUTE(22) | ENABLE | PERIODIC | VAL_SET);
	wr(comparator(0), rd(0xf0) + 10);
	wr(comparator(0), 0);
	go(1000000);
	assert_in_range(route.rises, 20, 21);
	wr(conf(0), ROUTE(22) | ENABLE | PERIODIC | VAL_SET);
	wr(comparator(0), rd(0xf0) + 10);
	wr(comparator(0), 1);
	go(1000000);
	assert_in_range(route.rises, 1000, 1030);
}

/* An edge that the CPU has not taken would swallow the next: that is owed, and comes later. */
static void test_periodic_owed(void **state)
{
	(void)state;
	wr(conf(0), ROUTE(22) | ENABLE | PERIODIC | VAL_SET);
	wr(comparator(0), 100000);
	wr(0x10, 1);
	go(100000);
	route.is_pending = true;
	go(1000000);
	assert_int_equal(route.rises, 1);
	route.is_pending = false;
	go(1000000);
	assert_int_equal(route.rises, 21);
	go(1000000);
	assert_int_equal(route.rises, 31);
	route.is_pending = true;
	go(300000);
	route.is_pending = false;
	assert_true(hpet_is_tick_owed(&hpet));
	for (unsigned i = 0; i < 10; i++)
		hpet_hurry(&hpet);
	assert_false(hpet_is_tick_owed(&hpet));
	assert_int_equal(route.rises, 34);
	go(700000);
	assert_int_equal(route.rises, 41);
	/* The timer is late. */
	fake.now += 500000 * TICK;
	go(500000);
	assert_int_equal(route.rises, 51);
	/* A second's at most. */
	route.is_pending = true;
	go(10 * HPET_HZ);
	assert_int_equal(hpet.timer[0].debt.owed, 1000);
	wr(0x10, 0);
	assert_int_equal(hpet.timer[0].debt.owed, 0);
}

/* 'Tn_INT_STS: in level-triggered mode set by hardware ... cleared by writing a 1'. */
static void test_level(void **state)
{
	(void)state;
	wr(0x10, 1);
	wr(conf(1), ROUTE(23) | ENABLE | LEVEL);
	wr(conf(2), ROUTE(23) | ENABLE | LEVEL);
	wr(comparator(1), 100);
	wr(comparator(2), 200);
	go(100);
	assert_true(route.level);
	assert_int_equal(route.pin, 23);
	assert_int_equal(rd(0x20), 2);
	go(100);
	assert_int_equal(rd(0x20), 6);
	assert_int_equal(route.rises, 1);
	wr(0x20, 2); /* the other one still holds it */
	assert_true(route.level);
	wr(0x20, 0);
	assert_true(route.level);
	wr32(0x20, 4);
	assert_false(route.level);
	assert_int_equal(rd(0x20), 0);
	/* Without INT_ENB the status still comes, and the line follows the enable. */
	wr(conf(1), ROUTE(23) | LEVEL);
	wr(comparator(1), 300);
	go(200);
	assert_int_equal(rd(0x20), 2);
	assert_false(route.level);
	wr(conf(1), ROUTE(23) | LEVEL | ENABLE);
	assert_true(route.level);
	/* An edge-triggered one has no status. */
	wr(conf(1), ROUTE(23) | ENABLE);
	assert_false(route.level);
	assert_int_equal(rd(0x20), 0);
}

/* 'LEG_RT_CNF: timer 0 to IRQ0 / IRQ2, timer 1 to IRQ8; the routing bits have no impact'. */
static void test_legacy(void **state)
{
	(void)state;
	wr(0x10, 3);
	assert_true(select_wire.level);
	for (unsigned n = 0; n < 3; n++) {
		wr(conf(n), ROUTE(20) | ENABLE);
		wr(comparator(n), 100);
	}
	go(100);
	assert_int_equal(legacy[0].rises, 1);
	assert_int_equal(legacy[1].rises, 1);
	assert_int_equal(route.rises, 1); /* timer 2 */
	wr(conf(1), ENABLE | LEVEL);
	wr(comparator(1), 200);
	go(100);
	assert_true(legacy[1].level);
	wr(0x10, 1);
	assert_false(legacy[1].level);
	assert_false(select_wire.level);
	/* 'If the value is not supported ... the value read back will not match'. */
	wr(conf(0), ROUTE(20));
	wr(conf(0), ROUTE(2));
	assert_int_equal(rd(conf(0)) >> 9 & 0x1f, 20);
}

/* At a TSC rate that divides nothing a period does not drift. */
static void test_no_drift(void **state)
{
	(void)state;
	fake_platform_init(&fake, 2893202123ull);
	wr(conf(0), ROUTE(20) | ENABLE | PERIODIC | VAL_SET);
	wr(comparator(0), 99991);
	wr(0x10, 1);
	fake_platform_run_until(&fake, mul_div_u64(99991ull * 10000, 2893202123ull, HPET_HZ) - 1);
	assert_int_equal(route.rises, 9999);
	fake_platform_run_until(&fake, fake.now + 2);
	assert_int_equal(route.rises, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_capabilities, setup),
		cmocka_unit_test_setup(test_counter, setup),
		cmocka_unit_test_setup(test_one_shot, setup),
		cmocka_unit_test_setup(test_32_bits, setup),
		cmocka_unit_test_setup(test_end_of_time, setup),
		cmocka_unit_test_setup(test_periodic, setup),
		cmocka_unit_test_setup(test_periodic_owed, setup),
		cmocka_unit_test_setup(test_level, setup),
		cmocka_unit_test_setup(test_legacy, setup),
		cmocka_unit_test_setup(test_no_drift, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
