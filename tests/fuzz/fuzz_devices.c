/* All devices of a VM by its two buses, wired as guest/platform.c does it. The first byte says
 * which of them the accesses are for, or all; then accesses of any width, alignment and value,
 * fw_cfg's DMA, local APIC MSRs, time, interrupts taken and bytes typed. Nothing answers more bits
 * than were asked for; what is pending can be taken; the VM's lock is free at the end of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fakes/insn.h"
#include "fakes/vcpu_arch.h"
#include "fuzz.h"
#include "guest/io.h"
#include "guest/msr.h"
#include "guest/platform.h"
#include "mm/hostmap.h"
#include "sched/sched.h"

#define TSC0      1000000ull
#define RAM       MIB(1)
#define DMA_PAGES 16u /* where fw_cfg's DMA mostly goes */
#define VCPUS     2u
#define STEPS_MAX 160u
#define LAPIC     0xfee00000ull

static struct vm *vm;
static struct platform_ops ops;

static void count_end(void *ctx, enum vm_end how, uint32_t value)
{
	(void)ctx;
	(void)how;
	(void)value;
}

static void no_note(void *ctx, const char *fmt, ...)
{
	(void)ctx;
	(void)fmt;
}

static bool no_console(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
	return true;
}

static void plug_in(void)
{
	static const uint8_t file[5000];

	fw_cfg_set_cmdline(&vm->dev.fw_cfg, "a=b");
	REQUIRE(!fw_cfg_add_e820(&vm->dev.fw_cfg, 0, RAM, 1));
	REQUIRE(!fw_cfg_add_file(&vm->dev.fw_cfg, "opt/file", 8, file, sizeof(file)));
	vm->platform.ops = &ops;
	/* What they say goes to the log, and costs more than the rest. */
	vm->dev.uart2.send = no_console;
}

static void create(void)
{
	const struct vm_params params = {
		.name = "fuzz",
		.mem = RAM,
		.vcpus = VCPUS,
		.topology = {1, VCPUS, 1},
		.slice = 1000000,
		.has_virtio_console = true,
		.has_virtio_rng = true,
	};
	char error[128];

	fake_machine_start(TSC0);
	REQUIRE(!vm_create(&params, &vm, error, sizeof(error)));
	ops = *vm->platform.ops;
	ops.end = count_end;
	ops.note = no_note;
	ops.console = no_console;
}

/* As a restart does it (guest/restart.c). Afterwards no timer is armed, nor thinks that it is. */
static void restart(void)
{
	fake_tsc_set(TSC0);
	fake_tsc_set_step(WORK_NS / 100);
	spin_lock(&vm->lock);
	REQUIRE(!platform_reset(vm));
	spin_unlock(&vm->lock);
	for (unsigned i = 0; i < VCPUS; i++) {
		vm->vcpu[i]->timers = (struct deadline_heap){0};
		vm->vcpu[i]->requests = 0;
		vm_power_up_vcpu(vm->vcpu[i]);
		sched_timer_cancel(&vm->vcpu[i]->wake_timer);
	}
	vm->input.head = vm->input.tail = 0;
	memset(hpa_to_ptr(vm->gmem.chunk[0].host), 0, DMA_PAGES * 4096);
	REQUIRE(deadline_next(&vm->timers) == DEADLINE_NEVER && !vm->dev.rtc.timer.is_armed);
	plug_in();
}

/* A value with many bits, few, or one. */
static uint64_t take_value(struct input *in, unsigned size)
{
	uint8_t how = take8(in);

	if (how < 0x40)
		return BIT_ULL(how) & bus_unclaimed(size);
	return how < 0xa0 ? take8(in) : take(in, size);
}

static void access_port(struct input *in, struct vcpu *vcpu, uint8_t what, uint8_t which)
{
	const struct bus *bus = &vm->dev.ports;
	const struct bus_region *r = &bus->region[(which ? which : take8(in)) % bus->count];
	uint16_t port = (uint16_t)(r->base + take8(in) % (r->len + 2));
	unsigned size = 1u << (what >> 4 & 3) % 3;

	if (what & 8)
		io_write(vcpu, port, size, take_value(in, size));
	else
		REQUIRE(io_read(vcpu, port, size) <= bus_unclaimed(size));
}

static void access_memory(struct input *in, struct vcpu *vcpu, uint8_t what, uint8_t which)
{
	const struct bus *bus = &vm->dev.mmio;
	const struct bus_region *r = &bus->region[(which ? which : take8(in)) % bus->count];
	uint64_t base = what & 0x80 ? LAPIC : r->base;
	uint16_t offset = take16(in);
	gpa_t at = GPA(base + (offset & 0x8000 ? offset & 0xfff : (offset & 0xff) << 4));
	unsigned size = 1u << (what >> 4 & 3);

	if (what & 8)
		mmio_write(vcpu, at, size, take_value(in, size));
	else
		REQUIRE(mmio_read(vcpu, at, size) <= bus_unclaimed(size));
}

static void transfer(struct input *in, struct vcpu *vcpu)
{
	uint64_t at = (uint64_t)take16(in) % (DMA_PAGES * 4096);
	struct fw_cfg_dma_access access = {
		.control = __builtin_bswap32((uint32_t)take8(in) << 16 | (take8(in) & 0x1f)),
		.length = __builtin_bswap32(take8(in) & 0xf0 ? take16(in) : take32(in)),
		.address = __builtin_bswap64(take8(in) & 0xf0 ? take16(in) : take64(in)),
	};

	(void)!gmem_write(&vm->gmem, GPA(at), &access, sizeof(access));
	io_write(vcpu, FW_CFG_DMA_PORT, 4, 0);
	io_write(vcpu, FW_CFG_DMA_PORT + 4, 4, __builtin_bswap32((uint32_t)at));
}

static void access_msr(struct input *in, struct vcpu *vcpu, uint8_t what)
{
	uint32_t msr = 0x800 + take8(in) % 0x40;
	uint64_t value;

	if (what & 0x40)
		msr = what & 0x20 ? 0x1b : 0x6e0;
	if (what & 8)
		(void)!msr_write(vcpu, msr, take_value(in, 8));
	else
		(void)!msr_read(vcpu, msr, &value);
}

static void pass_time(struct input *in, struct vcpu *vcpu)
{
	uint8_t how = take8(in);
	uint64_t now;

	fake_tsc_advance((uint64_t)take16(in) << (how % 28));
	now = rdtsc();
	sched_run_timers(now);
	vcpu_run_timers(vcpu, now);
}

static void take_interrupts(struct vcpu *vcpu, uint8_t what)
{
	for (unsigned i = 0; i < 4 && platform_has_interrupt(vcpu); i++)
		REQUIRE(platform_take_interrupt(vcpu, platform_find_interrupt(vcpu)) < 256);
	if (what & 8)
		platform_hurry_ticks(vcpu);
	if (what & 0x10)
		(void)!platform_console_input(vm, what);
	(void)platform_can_end_any_halt(vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t which = take8(&in);

	if (!vm) {
		create();
		restart();
	}
	for (unsigned i = 0; i < STEPS_MAX && in.left; i++) {
		uint8_t what = take8(&in);
		struct vcpu *vcpu = vm->vcpu[what >> 6 & 1];

		switch (what & 7) {
		case 0:
		case 1:
			access_port(&in, vcpu, what, which);
			break;
		case 2:
		case 3:
			access_memory(&in, vcpu, what, which);
			break;
		case 4:
			access_msr(&in, vcpu, what);
			break;
		case 5:
			transfer(&in, vcpu);
			break;
		case 6:
			pass_time(&in, vcpu);
			break;
		default:
			take_interrupts(vcpu, what);
			break;
		}
		REQUIRE(vm->lock.owner == vm->lock.next);
	}
	restart();
	return 0;
}
