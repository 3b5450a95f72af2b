/* What is typed for a VM: to its first UART, or to its virtio console when the guest drives that
 * one; in order, nothing lost, and refused when the queue is full (guest/platform.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <linux/virtio_config.h>

#include "fakes/vcpu_arch.h"
#include "guest/io.h"
#include "guest/platform.h"

#define COM1    0x3f8
#define LSR     (COM1 + 5)
#define LSR_DR  1u /* 'Data Ready' */
#define RECEIVE 0

static struct vm *vm;
static struct vcpu *vcpu;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000);
	vm = fake_vm_create(MIB(2), 1);
	vcpu = vm->vcpu[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sched_timer_cancel(&vm->timer);
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

/* The byte that COM1 has, or -1. */
static int read_com1(void)
{
	return io_read(vcpu, LSR, 1) & LSR_DR ? (int)io_read(vcpu, COM1, 1) : -1;
}

static void test_uart(void **state)
{
	(void)state;
	assert_int_equal(read_com1(), -1);
	for (unsigned i = 0; i < 40; i++)
		assert_true(platform_console_input(vm, (uint8_t)('0' + i)));
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(read_com1(), '0' + i);
	assert_int_equal(read_com1(), -1);
	assert_int_equal(guest_input_room(&vm->input), GUEST_INPUT_MAX);
	/* Later ones find their way, too. */
	assert_true(platform_console_input(vm, 0xff));
	assert_int_equal(read_com1(), 0xff);
}

/* Without a FIFO one byte is in the UART, the others wait: there is room for GUEST_INPUT_MAX of
 * them. */
static void test_full(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GUEST_INPUT_MAX + 1; i++)
		assert_true(platform_console_input(vm, (uint8_t)(i * 7)));
	assert_int_equal(guest_input_room(&vm->input), 0);
	assert_false(platform_console_input(vm, 'x'));
	for (unsigned i = 0; i < GUEST_INPUT_MAX + 1; i++)
		assert_int_equal(read_com1(), (uint8_t)(i * 7));
	assert_int_equal(read_com1(), -1);
}

/* COM2 has no input. */
static void test_com2(void **state)
{
	(void)state;
	assert_true(platform_console_input(vm, 'a'));
	assert_int_equal(io_read(vcpu, 0x2fd, 1) & LSR_DR, 0);
}

/* 'A guest that drives the virtio console listens there': what it has no buffer for waits, and the
 * UART gets none of it. */
static void test_virtio_console(void **state)
{
	struct virtio_console *console = &vm->dev.console;

	(void)state;
	if (!console->dev.platform)
		assert_int_equal(virtio_console_add(console, &vm->platform, &vm->dev.pci, 9), 0);
	/* Enabled queues alone, or a driver alone, are not enough. */
	console->dev.queue[RECEIVE].is_enabled = true;
	assert_true(platform_console_input(vm, 'u'));
	assert_int_equal(read_com1(), 'u');
	console->dev.queue[RECEIVE].is_enabled = false;
	console->dev.status = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;
	assert_true(platform_console_input(vm, 'v'));
	assert_int_equal(read_com1(), 'v');
	console->dev.queue[RECEIVE].is_enabled = true;
	assert_true(platform_console_input(vm, 'w'));
	assert_int_equal(read_com1(), -1);
	assert_int_equal(guest_input_peek(&vm->input), 'w');
	/* The driver goes: the UART has it. */
	console->dev.status = 0;
	assert_true(platform_console_input(vm, 'x'));
	assert_int_equal(read_com1(), 'w');
	assert_int_equal(read_com1(), 'x');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_uart), TEST(test_full), TEST(test_com2),
					   TEST(test_virtio_console)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
