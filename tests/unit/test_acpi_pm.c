/* ACPI's fixed hardware; rules from the ACPI specification, 'ACPI Hardware Specification'. */
#include "device_rig.h"
#include "devices/acpi_pm.h"

#define HZ (ACPI_PM_TIMER_HZ * 100ull) /* a hundred TSC ticks a timer tick */

#define TMR    0x0001
#define PWRBTN 0x0100
#define SLP_EN 0x2000

static struct fake_platform fake;
static struct wire sci;
static struct acpi_pm pm;

static int setup(void **state)
{
	(void)state;
	fake_platform_init(&fake, HZ);
	acpi_pm_init(&pm, &fake.platform, wire_line(&sci, 9));
	return 0;
}

static uint64_t in(uint64_t offset, unsigned size)
{
	return acpi_pm_read(&pm, offset, size);
}

static void out(uint64_t offset, unsigned size, uint64_t value)
{
	acpi_pm_write(&pm, offset, size, value);
}

/* 'A 3.579545 MHz free-running up-counter', 32 bits. */
static void test_timer_counts(void **state)
{
	(void)state;
	assert_int_equal(in(8, 4), 0);
	fake_platform_run_until(&fake, 99);
	assert_int_equal(in(8, 4), 0);
	fake_platform_run_until(&fake, 100);
	assert_int_equal(in(8, 4), 1);
	fake_platform_run_until(&fake, 0x12345678ull * 100);
	assert_int_equal(in(8, 4), 0x12345678);
	assert_int_equal(in(8, 2), 0x5678);
	assert_int_equal(in(0xa, 2), 0x1234);
	assert_int_equal(in(9, 1), 0x56);
	out(8, 4, 0);
	assert_int_equal(in(8, 4), 0x12345678);
	fake_platform_run_until(&fake, 0x100000005ull * 100);
	assert_int_equal(in(8, 4), 5);
}

/* 'TMR_STS is set any time the most significant bit changes from clear to set or set to clear.' */
static void test_timer_status(void **state)
{
	(void)state;
	fake_platform_run_until(&fake, (1ull << 31) * 100 - 1);
	assert_int_equal(in(0, 2), 0);
	fake_platform_run_until(&fake, (1ull << 31) * 100);
	assert_int_equal(in(0, 2), TMR);
	assert_false(pm.timer.is_armed); /* nobody wants to hear of it */
	out(0, 2, TMR);
	assert_int_equal(in(0, 2), 0);
	out(2, 2, TMR);
	assert_true(pm.timer.is_armed);
	fake_platform_run_until(&fake, (1ull << 32) * 100 - 1);
	assert_false(sci.level);
	fake_platform_run_until(&fake, (1ull << 32) * 100 + 1);
	assert_true(sci.level);
	assert_int_equal(sci.pin, 9);
	assert_false(pm.timer.is_armed);
	out(0, 2, 0xfffe); /* only ones clear */
	assert_true(sci.level);
	out(0, 1, TMR);
	assert_false(sci.level);
	assert_true(pm.timer.is_armed);
	out(2, 2, 0);
	assert_false(pm.timer.is_armed);
}

static void test_power_button(void **state)
{
	(void)state;
	acpi_pm_power_button(&pm);
	assert_false(sci.level);
	assert_int_equal(in(0, 4), PWRBTN);
	out(2, 2, PWRBTN);
	assert_true(sci.level);
	assert_int_equal(in(0, 4), PWRBTN << 16 | PWRBTN);
	out(1, 1, PWRBTN >> 8);
	assert_false(sci.level);
	acpi_pm_power_button(&pm);
	assert_true(sci.level);
	assert_int_equal(sci.rises, 2);
	out(0, 4, (uint64_t)PWRBTN << 16 | PWRBTN); /* both registers in one access */
	assert_false(sci.level);
	assert_int_equal(in(2, 2), PWRBTN);
	assert_false(fake.has_ended);
}

static void test_register_bits(void **state)
{
	(void)state;
	out(2, 2, 0xffff);
	assert_int_equal(in(2, 2), 0x0721);
	out(3, 1, 0);
	assert_int_equal(in(2, 2), 0x0021);
	assert_int_equal(in(4, 2), 1); /* SCI_EN, always */
	out(4, 2, 0x0002);
	assert_int_equal(in(4, 2), 3);
	out(4, 2, 0x0404); /* GBL_RLS is write-only */
	assert_int_equal(in(4, 2), 0x0401);
	assert_int_equal(in(6, 2), 0);
}

static void test_soft_off(void **state)
{
	static const uint8_t others[] = {1, 2, 3, 4, 6, 7};

	(void)state;
	out(4, 2, 5 << 10); /* the type alone does nothing */
	assert_false(fake.has_ended);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		out(4, 2, (uint64_t)others[i] << 10 | SLP_EN);
		assert_false(fake.has_ended);
		assert_int_equal(fake.notes, i + 1);
	}
	out(4, 2, ACPI_PM_S5_SLEEP_TYPE << 10 | SLP_EN);
	assert_true(fake.has_ended);
	assert_int_equal(fake.end_how, VM_END_POWEROFF);
	assert_int_equal(in(4, 2), 5 << 10 | 1); /* 'SLP_EN: write-only' */

	/* Small kernels written for QEMU: outw(0x604, 0x2000), here in bytes. */
	setup(NULL);
	out(4, 1, 0x00);
	assert_false(fake.has_ended);
	out(5, 1, 0x20);
	assert_int_equal(fake.end_how, VM_END_POWEROFF);
	assert_true(fake.has_ended);
}

static void test_ports(void **state)
{
	static struct bus ports;

	(void)state;
	bus_init(&ports);
	assert_int_equal(acpi_pm_attach(&pm, &ports, 0x600), 0);
	fake_platform_run_until(&fake, 4200);
	assert_int_equal(port_in(&ports, 0x608, 4), 42);
	assert_null(bus_find(&ports, 0x60c, 1));
	port_out(&ports, 0x604, 2, 0x3400);
	assert_true(fake.has_ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_timer_counts, setup),
		cmocka_unit_test_setup(test_timer_status, setup),
		cmocka_unit_test_setup(test_power_button, setup),
		cmocka_unit_test_setup(test_register_bits, setup),
		cmocka_unit_test_setup(test_soft_off, setup),
		cmocka_unit_test_setup(test_ports, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
