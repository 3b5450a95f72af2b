/* All devices of a VM, wired as guest/platform.c does it, against accesses that no sane guest
 * makes: any width, alignment, register and value, on and around every region of both buses.
 * 'Guests are not trusted': nothing asserts, hangs, or answers more bits than were asked for; the
 * sanitizers see the rest. FUZZ=seconds goes on for so long, SEED=n begins elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "fakes/guest_ram.h"
#include "fakes/insn.h"
#include "fakes/vcpu_arch.h"
#include "guest/io.h"
#include "guest/msr.h"
#include "guest/platform.h"
#include "sched/sched.h"

#define TSC0      1000000ull
#define RAM       MIB(2)
#define VCPUS     2
#define VM_COUNT  200
#define ACCESSES  4000
#define LAPIC     0xfee00000ull
#define SECOND_NS 1000000000ull

static uint64_t seed = 0x5eed;
static struct vm *vm;
static unsigned ends, interrupts;

static uint64_t random_below(uint64_t n)
{
	return fake_random(&seed) % n;
}

static bool is_one_in(unsigned n)
{
	return !random_below(n);
}

/* Edges of all kinds, guest addresses among them. */
static uint64_t random_value(void)
{
	static const uint64_t edge[] = {
		0,    1,      0x7f,   0x80,      0xff,       0x34,
		0xb6, 0x36,   0x8000, 0xffff,    0x80000000, UINT32_MAX,
		0x20, 0x1000, RAM,    INT64_MAX, UINT64_MAX, UINT64_MAX - 0xfff};
	uint64_t any = fake_random(&seed);

	switch (random_below(4)) {
	case 0:
		return edge[random_below(ARRAY_SIZE(edge))];
	case 1:
		return BIT_ULL(any % 64);
	case 2:
		return any & 0xff;
	default:
		return any;
	}
}

/* An address on a region of the bus, or just beside it. */
static uint64_t random_address(const struct bus *bus)
{
	const struct bus_region *region = &bus->region[random_below(bus->count)];

	return region->base + random_below(region->len + 16) - 8;
}

static void access_port(struct vcpu *vcpu)
{
	uint16_t port = (uint16_t)random_address(&vm->dev.ports);
	unsigned size = 1u << random_below(3);

	if (is_one_in(2))
		assert_true(io_read(vcpu, port, size) <= bus_unclaimed(size));
	else
		io_write(vcpu, port, size, random_value() & bus_unclaimed(size));
}

static void access_memory(struct vcpu *vcpu)
{
	uint64_t base = is_one_in(3) ? LAPIC + random_below(0x1008) : random_address(&vm->dev.mmio);
	unsigned size = 1u << random_below(4);

	/* Mostly where the registers are. */
	if (!is_one_in(4))
		base &= ~(uint64_t)(is_one_in(2) ? 3 : 0xf);
	if (is_one_in(2))
		assert_true(mmio_read(vcpu, GPA(base), size) <= bus_unclaimed(size));
	else
		mmio_write(vcpu, GPA(base), size, random_value() & bus_unclaimed(size));
}

/* A transfer by fw_cfg's DMA, nonsense more often than not. */
static void transfer(struct vcpu *vcpu)
{
	uint64_t at = is_one_in(8) ? random_value() : random_below(RAM);
	struct fw_cfg_dma_access access = {
		.control =
			__builtin_bswap32((uint32_t)(random_below(0x28) << 16 | random_below(32))),
		.length = (uint32_t)random_value(),
		.address = __builtin_bswap64(is_one_in(2) ? random_below(RAM) : random_value()),
	};

	(void)!gmem_write(&vm->gmem, GPA(at), &access, sizeof(access));
	io_write(vcpu, FW_CFG_DMA_PORT, 4, __builtin_bswap32((uint32_t)(at >> 32)));
	io_write(vcpu, FW_CFG_DMA_PORT + 4, 4, __builtin_bswap32((uint32_t)at));
}

static void access_msr(struct vcpu *vcpu)
{
	static const uint32_t msr[] = {0x10, 0x1b, 0x6e0, 0x808, 0x80b, 0x832, 0x838, 0x83e, 0x2ff};
	uint32_t which = msr[random_below(ARRAY_SIZE(msr))];
	uint64_t value;

	if (is_one_in(2))
		(void)!msr_read(vcpu, which, &value);
	else
		(void)!msr_write(vcpu, which, random_value());
}

/* Time goes on: mostly little, now and then for minutes, as for a VM that was kept from its pCPU.
 */
static void pass_time(struct vcpu *vcpu)
{
	uint64_t now;

	fake_tsc_advance(is_one_in(50) ? random_below(600 * SECOND_NS)
				       : random_below(SECOND_NS / 100));
	now = rdtsc();
	sched_run_timers(now);
	vcpu_run_timers(vcpu, now);
}

static void take_interrupts(struct vcpu *vcpu)
{
	for (unsigned i = 0; i < 4 && platform_has_interrupt(vcpu); i++)
		interrupts += platform_take_interrupt(vcpu, platform_find_interrupt(vcpu)) >= 0;
	if (is_one_in(2))
		platform_hurry_ticks(vcpu);
	if (is_one_in(4))
		(void)!platform_console_input(vm, (uint8_t)random_value());
}

/* Resets and the like are what a guest does by accident soon; here it lives on. */
static void count_end(void *ctx, enum vm_end how, uint32_t value)
{
	(void)ctx;
	(void)how;
	(void)value;
	ends++;
}

static void start_vm(void)
{
	static const uint8_t file[100000];
	static struct platform_ops ops;

	fake_machine_start(TSC0 + random_below(SECOND_NS));
	vm = fake_vm_create(RAM, VCPUS);
	fw_cfg_set_cmdline(&vm->dev.fw_cfg, "a=b");
	assert_int_equal(fw_cfg_add_e820(&vm->dev.fw_cfg, 0, RAM, 1), 0);
	assert_int_equal(fw_cfg_add_file(&vm->dev.fw_cfg, "opt/file", 8, file, sizeof(file)), 0);
	ops = *vm->platform.ops;
	ops.end = count_end;
	vm->platform.ops = &ops;
}

static void end_vm(void)
{
	assert_int_equal(vm->lock.owner, vm->lock.next);
	sched_timer_cancel(&vm->timer);
	vm_destroy(vm);
	fake_machine_end();
}

static void run_vm(void)
{
	start_vm();
	for (unsigned i = 0; i < ACCESSES; i++) {
		struct vcpu *vcpu = vm->vcpu[random_below(VCPUS)];

		switch (random_below(9)) {
		case 0:
		case 1:
		case 2:
			access_port(vcpu);
			break;
		case 3:
		case 4:
			access_memory(vcpu);
			break;
		case 5:
			access_msr(vcpu);
			break;
		case 8:
			transfer(vcpu);
			break;
		case 6:
			pass_time(vcpu);
			break;
		default:
			take_interrupts(vcpu);
			break;
		}
	}
	end_vm();
}

static void test_fuzz(void **state)
{
	const char *seconds = getenv("FUZZ"), *start = getenv("SEED");
	time_t end = time(NULL) + (seconds ? atoi(seconds) : 0);

	(void)state;
	if (start)
		seed = strtoull(start, NULL, 0) | 1;
	for (unsigned i = 0; i < VM_COUNT || time(NULL) < end; i++)
		run_vm();
	/* It got somewhere: guests asked for their end, and devices interrupted. */
	assert_true(ends > 0);
	assert_true(interrupts > 0);
}

/* Each region, each offset and width, with zeros and ones: also what the dice do not hit. */
static void test_each_place(void **state)
{
	static const uint64_t values[] = {0, UINT64_MAX, 0x5555555555555555};

	(void)state;
	start_vm();
	for (uint32_t i = 0; i < vm->dev.ports.count; i++) {
		const struct bus_region *region = &vm->dev.ports.region[i];

		for (uint64_t at = region->base; at < region->base + region->len; at++)
			for (unsigned n = 0; n < 9; n++) {
				unsigned size = 1u << n % 3;

				assert_true(io_read(vm->vcpu[0], (uint16_t)at, size) <=
					    bus_unclaimed(size));
				io_write(vm->vcpu[0], (uint16_t)at, size,
					 values[n / 3] & bus_unclaimed(size));
			}
	}
	for (uint32_t i = 0; i < vm->dev.mmio.count; i++) {
		const struct bus_region *region = &vm->dev.mmio.region[i];

		for (uint64_t at = region->base; at < region->base + region->len; at++)
			for (unsigned n = 0; n < 12; n++) {
				unsigned size = 1u << n % 4;

				assert_true(mmio_read(vm->vcpu[0], GPA(at), size) <=
					    bus_unclaimed(size));
				mmio_write(vm->vcpu[0], GPA(at), size,
					   values[n / 4] & bus_unclaimed(size));
			}
	}
	pass_time(vm->vcpu[0]);
	end_vm();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_place),
		cmocka_unit_test(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
