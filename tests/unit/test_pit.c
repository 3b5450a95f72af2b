/* The 8254; rules from its data sheet. The TSC runs at a thousand times the PIT's rate, so that PIT
 * tick t is TSC t * 1000; one test takes a rate that does not divide. */
#include "device_rig.h"
#include "devices/pit8254.h"

#define TICK 1000ull

static struct fake_platform fake;
static struct wire irq;
static struct pit pit;

static int setup(void **state)
{
	(void)state;
	fake_platform_init(&fake, PIT_HZ * TICK);
	pit_init(&pit, &fake.platform, wire_line(&irq, 0));
	fake_platform_run_until(&fake, 100 * TICK);
	return 0;
}

static void go(uint64_t ticks)
{
	fake_platform_run_until(&fake, fake.now + ticks * TICK);
}

static void control(uint8_t value)
{
	pit_write(&pit, 0x43, value);
}

static void count(unsigned channel, uint16_t value)
{
	pit_write(&pit, (uint16_t)(0x40 + channel), (uint8_t)value);
	pit_write(&pit, (uint16_t)(0x40 + channel), (uint8_t)(value >> 8));
}

static uint16_t read_count(unsigned channel)
{
	uint16_t port = (uint16_t)(0x40 + channel), low;

	control((uint8_t)(channel << 6));
	low = pit_read(&pit, port);
	return (uint16_t)(low | pit_read(&pit, port) << 8);
}

static uint8_t read_status(unsigned channel)
{
	control((uint8_t)(0xe0 | 2u << channel));
	return pit_read(&pit, (uint16_t)(0x40 + channel));
}

static bool out(unsigned channel)
{
	return read_status(channel) & 0x80;
}

static void gate2(bool gate)
{
	pit_write(&pit, 0x61, gate);
}

/* Nothing happens before a channel is programmed, and programming alone makes no edge. */
static void test_silent_until_programmed(void **state)
{
	(void)state;
	go(1000000);
	control(0x34);
	go(1000000);
	assert_int_equal(irq.rises, 0);
	assert_false(pit.timer.is_armed);
}

/* Mode 0: 'OUT is initially low, and will remain low until the Counter reaches zero'; it 'does not
 * go high until N + 1 CLK pulses after the initial count is written', and stays so. */
static void test_mode0(void **state)
{
	(void)state;
	control(0x30);
	assert_false(out(0));
	count(0, 500);
	go(500);
	assert_int_equal(irq.rises, 0);
	assert_false(out(0));
	assert_int_equal(read_count(0), 1);
	go(1);
	assert_int_equal(irq.rises, 1);
	assert_true(out(0));
	go(10);
	assert_int_equal(read_count(0), 65536 - 10); /* goes on */
	go(200000);
	assert_int_equal(irq.rises, 1);

	/* Linux's pit_next_event: a new count without a control word. 'Writing the first byte
	 * disables counting; OUT is set low immediately.' */
	pit_write(&pit, 0x40, 10);
	assert_false(irq.level);
	assert_false(out(0));
	go(1000);
	assert_int_equal(irq.rises, 1);
	pit_write(&pit, 0x40, 0);
	go(11);
	assert_int_equal(irq.rises, 2);

	/* A control word sets OUT low and forgets the count that ran. */
	count(0, 10);
	control(0x30);
	assert_false(irq.level);
	go(100);
	assert_int_equal(irq.rises, 2);
	control(0x70); /* another channel's does not */
	count(0, 10);
	control(0xb0);
	go(11);
	assert_int_equal(irq.rises, 3);
}

/* Mode 2: 'OUT goes low for one CLK pulse' when the count is 1, 'then goes high again, the Counter
 * reloads the initial count and the process is repeated'. */
static void test_mode2(void **state)
{
	(void)state;
	control(0x34);
	count(0, 1000);
	go(1);
	assert_int_equal(read_count(0), 1000);
	go(998);
	assert_int_equal(read_count(0), 2);
	assert_true(out(0));
	go(1);
	assert_int_equal(read_count(0), 1);
	assert_false(out(0));
	assert_int_equal(irq.rises, 0); /* the line was never told of a rise */
	go(1);
	assert_int_equal(irq.rises, 1);
	assert_int_equal(read_count(0), 1000);
	go(9999);
	assert_int_equal(irq.rises, 10);
	go(1);
	assert_int_equal(irq.rises, 11);
}

/* 'The counter is loaded with the new count at the end of the current counting cycle.' */
static void test_mode2_new_count(void **state)
{
	(void)state;
	control(0x34);
	count(0, 1000);
	go(1 + 400);
	count(0, 300);
	assert_int_equal(read_count(0), 600);
	assert_true(read_status(0) & 0x40); /* null count: not yet loaded */
	go(600);
	assert_int_equal(irq.rises, 1);
	assert_int_equal(read_count(0), 300);
	assert_false(read_status(0) & 0x40);
	go(300);
	assert_int_equal(irq.rises, 2);
}

/* Mode 3: 'OUT will be high for (N + 1)/2 counts and low for (N - 1)/2'; counts by two. */
static void test_mode3(void **state)
{
	(void)state;
	for (unsigned n = 600; n <= 601; n++) {
		setup(NULL);
		control(0x36);
		count(0, (uint16_t)n);
		go(1);
		assert_int_equal(read_count(0), 600);
		go(100);
		assert_int_equal(read_count(0), 400);
		go((n + 1) / 2 - 101);
		assert_true(out(0));
		go(1);
		assert_false(out(0));
		assert_int_equal(read_count(0), 600);
		go(n / 2 - 1);
		assert_false(out(0));
		assert_int_equal(irq.rises, 0);
		go(1);
		assert_true(out(0));
		assert_int_equal(irq.rises, 1);
		go(n * 7);
		assert_int_equal(irq.rises, 8);
	}
}

/* 'Otherwise, the new count will be loaded at the end of the current half-cycle.' */
static void test_mode3_new_count(void **state)
{
	(void)state;
	control(0x36);
	count(0, 1000);
	go(1 + 100); /* in the high half: low from 500 on, for half of the new count */
	count(0, 400);
	go(400);
	assert_false(out(0));
	go(199);
	assert_false(out(0));
	assert_int_equal(irq.rises, 0);
	go(1);
	assert_true(out(0));
	assert_int_equal(irq.rises, 1);
	go(300);
	count(0, 800); /* in the low half: the cycle ends as it was */
	go(100);
	assert_int_equal(irq.rises, 2);
	go(399);
	assert_true(out(0));
	go(1);
	assert_false(out(0));
	go(400);
	assert_int_equal(irq.rises, 3);

	go(400); /* just as the low half begins */
	count(0, 200);
	go(399);
	assert_false(out(0));
	go(1);
	assert_int_equal(irq.rises, 4);
	go(200);
	assert_int_equal(irq.rises, 5);
}

/* Mode 4: 'OUT will go low for one CLK pulse' N + 1 pulses after the count, once. */
static void test_mode4(void **state)
{
	(void)state;
	control(0x38);
	count(0, 200);
	go(200);
	assert_true(out(0));
	go(1);
	assert_false(out(0));
	go(1);
	assert_true(out(0));
	assert_int_equal(irq.rises, 1);
	go(70000);
	assert_int_equal(irq.rises, 1);
	count(0, 200);
	go(202);
	assert_int_equal(irq.rises, 2);
}

/* Mode 1: the gate's rising edge starts a low pulse of N; it can be retriggered. Mode 5: a strobe.
 */
static void test_triggered_modes(void **state)
{
	(void)state;
	control(0xb2); /* channel 2, mode 1 */
	count(2, 100);
	go(1000);
	assert_true(out(2));
	gate2(true);
	go(1);
	assert_false(out(2));
	gate2(false); /* no effect */
	go(99);
	assert_false(out(2));
	go(1);
	assert_true(out(2));
	gate2(true);
	go(51);
	count(2, 30); /* 'not affected unless the Counter is retriggered' */
	assert_int_equal(read_count(2), 50);
	gate2(false);
	gate2(true);
	go(1);
	assert_int_equal(read_count(2), 30);
	assert_false(out(2));
	go(30);
	assert_true(out(2));

	control(0xba); /* mode 5 */
	count(2, 10);
	gate2(false);
	gate2(true);
	go(10);
	assert_true(out(2));
	go(1);
	assert_false(out(2));
	go(1);
	assert_true(out(2));

	control(0x32); /* channel 0's gate never rises */
	count(0, 10);
	go(100);
	assert_int_equal(irq.rises, 0);
	assert_false(pit.timer.is_armed);
}

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

/* Modes 2 and 3: 'GATE = 0 disables counting. If GATE goes low during an output pulse, OUT is set
 * high immediately. A trigger reloads the Counter with the initial count on the next CLK pulse.' */
static void test_gate_in_periodic_modes(void **state)
{
	(void)state;
	for (unsigned mode = 2; mode <= 3; mode++) {
		setup(NULL);
		gate2(true);
		control((uint8_t)(0xb0 | mode << 1));
		count(2, 100);
		go(1 + 99);
		assert_false(out(2));
		gate2(false);
		assert_true(out(2));
		go(1000);
		assert_true(out(2));
		gate2(true);
		go(1);
		assert_int_equal(read_count(2), 100);
		go(99);
		assert_false(out(2));
	}
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
		cmocka_unit_test_setup(test_silent_until_programmed, setup),
		cmocka_unit_test_setup(test_mode0, setup),
		cmocka_unit_test_setup(test_mode2, setup),
		cmocka_unit_test_setup(test_mode2_new_count, setup),
		cmocka_unit_test_setup(test_mode3, setup),
		cmocka_unit_test_setup(test_mode3_new_count, setup),
		cmocka_unit_test_setup(test_mode4, setup),
		cmocka_unit_test_setup(test_triggered_modes, setup),
		cmocka_unit_test_setup(test_port61, setup),
		cmocka_unit_test_setup(test_gate_in_periodic_modes, setup),
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
