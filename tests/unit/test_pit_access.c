/* The 8254 from outside: ports, formats, latches, and its edges over a long time. Rules from its
 * data sheet. */
#include "pit_rig.h"

/* Channel 2 through port 0x61, as Linux's pit_calibrate_tsc uses it. */
static void test_port61(void **state)
{
	uint8_t value;

	(void)state;
	gate2(false);
	control(0xb0);
	count(2, 1000);
	go(5000);
	assert_false(pit_read(&pit, 0x61) & 0x20);
	gate2(true);
	go(600);
	assert_int_equal(read_count(2), 400);
	gate2(false); /* the gate suspends the count */
	go(5000);
	assert_int_equal(read_count(2), 400);
	gate2(true);
	go(399);
	assert_false(pit_read(&pit, 0x61) & 0x20);
	go(1);
	assert_true(pit_read(&pit, 0x61) & 0x20);

	pit_write(&pit, 0x61, 0xff);
	assert_int_equal(pit_read(&pit, 0x61) & 0xcf, 0x0f);
	value = pit_read(&pit, 0x61);
	go(18);
	assert_int_equal((value ^ pit_read(&pit, 0x61)) & 0x10, 0x10);
}

/* Access to one byte only, and the flip-flop of two-byte reads. */
static void test_read_write_formats(void **state)
{
	uint8_t low;

	(void)state;
	control(0x10 | 4); /* LSB only */
	pit_write(&pit, 0x40, 0x80);
	go(1);
	assert_int_equal(pit_read(&pit, 0x40), 0x80);
	assert_int_equal(pit_read(&pit, 0x40), 0x80);
	control(0x20 | 4); /* MSB only */
	pit_write(&pit, 0x40, 0x12);
	go(1);
	assert_int_equal(pit_read(&pit, 0x40), 0x12);
	go(0x200);
	assert_int_equal(pit_read(&pit, 0x40), 0x10);
	control(0x34);
	count(0, 0); /* 65536 */
	go(1);
	assert_int_equal(read_count(0), 0);
	go(1);
	low = pit_read(&pit, 0x40); /* unlatched: two bytes */
	assert_int_equal(low, 0xff);
	assert_int_equal(pit_read(&pit, 0x40), 0xff);
	assert_int_equal(pit_read(&pit, 0x43), 0xff);
}

/* 'If a Counter is latched and then, some time later, latched again before the count is read, the
 * second Counter Latch Command is ignored.' */
static void test_latch(void **state)
{
	(void)state;
	control(0x34);
	count(0, 5000);
	go(1 + 1000);
	control(0x00);
	go(1000);
	control(0x00);
	assert_int_equal(pit_read(&pit, 0x40), 4000 & 0xff);
	go(1);
	assert_int_equal(pit_read(&pit, 0x40), 4000 >> 8);
	assert_int_equal(read_count(0), 2999);
}

/* 'Read-Back Command': any counters at once; 'if both count and status of a counter are latched,
 * the first read operation will return latched status'. */
static void test_read_back(void **state)
{
	(void)state;
	control(0x34);
	count(0, 5000);
	control(0xb5); /* channel 2: mode 2, BCD */
	assert_int_equal(read_status(2), 0x80 | 0x40 | 0x35);
	gate2(true);
	count(2, 0x2000);
	go(1 + 1);
	control(0xc0 | 2 | 8); /* count and status of 0 and 2 */
	go(100);
	assert_int_equal(pit_read(&pit, 0x40), 0x80 | 0x34);
	assert_int_equal(pit_read(&pit, 0x40), 4999 & 0xff);
	assert_int_equal(pit_read(&pit, 0x40), 4999 >> 8);
	assert_int_equal(pit_read(&pit, 0x42), 0x80 | 0x35);
	assert_int_equal(pit_read(&pit, 0x42), 0x99);
	assert_int_equal(pit_read(&pit, 0x42), 0x19);
	/* Mode 6 is mode 2, but reads as written. */
	control(0x3c);
	count(0, 200);
	go(201);
	assert_int_equal(irq.rises, 1);
	assert_int_equal(read_status(0) & 0x3f, 0x3c);
}

static void test_bcd(void **state)
{
	(void)state;
	control(0x31); /* mode 0, BCD */
	count(0, 0x0123);
	go(1);
	assert_int_equal(read_count(0), 0x0123);
	go(24);
	assert_int_equal(read_count(0), 0x0099);
	go(98);
	assert_int_equal(irq.rises, 0);
	go(1);
	assert_int_equal(irq.rises, 1);
	go(1);
	assert_int_equal(read_count(0), 0x9999);
	control(0x35);
	count(0, 0); /* 10000 */
	go(10000);
	assert_int_equal(irq.rises, 1);
	go(1);
	assert_int_equal(irq.rises, 2);
}

/* 'No drift': at a rate that divides nothing, the nth edge comes n periods after the start, to the
 * TSC tick, however late the timers run. */
static void test_no_drift(void **state)
{
	const uint64_t hz = 2893202123ull, periods = 100000, n = 11932;
	uint64_t end;

	(void)state;
	fake_platform_init(&fake, hz);
	pit_init(&pit, &fake.platform, wire_line(&irq, 0));
	control(0x34);
	count(0, (uint16_t)n); /* at time 0: starts at PIT tick 1 */
	end = mul_div_u64(1 + periods * n, hz, PIT_HZ);
	fake_platform_run_until(&fake, end - 1);
	assert_int_equal(irq.rises, periods - 1);
	fake_platform_run_until(&fake, end + 1);
	assert_int_equal(irq.rises, periods);
}

/* Edges whose time went by while nobody ran come one after the other, not as one, and then the next
 * at its own time. */
static void test_missed_edges_are_owed(void **state)
{
	(void)state;
	control(0x34);
	count(0, 1000);
	fake.now += 5500 * TICK; /* the timer is late */
	fake_platform_run_until(&fake, fake.now);
	assert_int_equal(irq.rises, 1);
	go(500);
	assert_int_equal(irq.rises, 5);
	go(1);
	assert_int_equal(irq.rises, 6);

	/* A due edge is not lost when the guest programs the channel first; what is owed of the old
	 * program is forgotten. */
	fake.now += 3000 * TICK;
	count(0, 1000);
	assert_int_equal(irq.rises, 7);
	go(999);
	assert_int_equal(irq.rises, 7);
	go(1);
	assert_int_equal(irq.rises, 8);
}

/* While the CPU has not taken the last edge, another would merge with it: it is owed, and the debt
 * is paid when the CPU takes interrupts again. Neither lost nor doubled. */
static void test_edges_owed_to_a_waiting_cpu(void **state)
{
	(void)state;
	control(0x34);
	count(0, 1000);
	go(1001);
	irq.is_pending = true;
	go(10000);
	assert_int_equal(irq.rises, 1);
	irq.is_pending = false;
	go(3000);
	assert_int_equal(irq.rises, 14);
	go(10000);
	assert_int_equal(irq.rises, 24);

	/* A vCPU that halts gets the next at once, and no more than there are. */
	irq.is_pending = true;
	go(3000);
	irq.is_pending = false;
	for (unsigned i = 0; i < 10; i++)
		pit_hurry(&pit);
	assert_int_equal(irq.rises, 27);
	go(1000);
	assert_int_equal(irq.rises, 28);

	/* No more than a second's are owed: 1193 of these. */
	irq.is_pending = true;
	go(10 * PIT_HZ);
	irq.is_pending = false;
	go(1000ull * 1193);
	assert_in_range(irq.rises, 28 + 2 * 1193, 28 + 2 * 1193 + 1);
	/* The one-shot modes have one edge, and owe none. */
	control(0x30);
	irq.is_pending = true;
	count(0, 100);
	go(101);
	assert_true(irq.level);
	assert_int_equal(pit.debt.owed, 0);
}

/* A period of a few ticks: at most one edge in PIT_EDGE_GAP, still a multiple of the period. */
static void test_short_period_does_not_flood(void **state)
{
	(void)state;
	for (uint16_t n = 1; n <= 3; n++) {
		for (uint8_t mode = 2; mode <= 3; mode++) {
			unsigned period = (PIT_EDGE_GAP + n - 1u) / n * n;

			setup(NULL);
			control((uint8_t)(0x30 | mode << 1));
			count(0, n);
			go(period);
			assert_int_equal(irq.rises, 0);
			go(1);
			assert_int_equal(irq.rises, 1);
			go(period * 1000);
			assert_int_equal(irq.rises, 1001);
			(void)read_count(0);
		}
	}
}

/* Any write sequence leaves the model sane: no overflow, no endless timers. */
static void test_random_access(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint16_t port;

		seed = seed * 1664525 + 1013904223;
		port = (uint16_t)(0x40 + (seed >> 24) % 5);
		if (port == 0x44)
			port = 0x61;
		if (seed & 0x10000)
			pit_write(&pit, port, (uint8_t)(seed >> 8));
		else
			(void)pit_read(&pit, port);
		go((seed >> 17) % 7);
		assert_true(!pit.timer.is_armed || pit.timer.when > fake.now);
	}
}

static void test_ports(void **state)
{
	static struct bus ports;

	(void)state;
	bus_init(&ports);
	assert_int_equal(pit_attach(&pit, &ports), 0);
	port_out(&ports, 0x43, 1, 0x34);
	port_out(&ports, 0x40, 1, 0xe8);
	port_out(&ports, 0x40, 1, 0x03);
	port_out(&ports, 0x61, 1, 1);
	go(1001);
	assert_int_equal(irq.rises, 1);
	assert_int_equal(port_in(&ports, 0x61, 1) & 0x0f, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_port61, setup),
		cmocka_unit_test_setup(test_read_write_formats, setup),
		cmocka_unit_test_setup(test_latch, setup),
		cmocka_unit_test_setup(test_read_back, setup),
		cmocka_unit_test_setup(test_bcd, setup),
		cmocka_unit_test_setup(test_no_drift, setup),
		cmocka_unit_test_setup(test_missed_edges_are_owed, setup),
		cmocka_unit_test_setup(test_edges_owed_to_a_waiting_cpu, setup),
		cmocka_unit_test_setup(test_short_period_does_not_flood, setup),
		cmocka_unit_test_setup(test_random_access, setup),
		cmocka_unit_test_setup(test_ports, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
