/* A vCPU in front of a device whose every access is recorded, for the emulator's tests. RAM is
 * [0, 0xa0000) and [0xc0000, 2 MiB); the device's memory fills the page before the second piece and
 * the two behind it, so that an access can be half RAM and half device; and it has 8 ports. */
#ifndef UNIT_EMULATE_RIG_H
#define UNIT_EMULATE_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "fakes/vcpu_arch.h"
#include "guest/alu.h"
#include "guest/emulate_mem.h"

#define RAM_END  MIB(2)
#define DEV      RAM_END  /* 8 KiB of device */
#define DEV_LOW  0xbf000u /* its last 4 KiB, before RAM at 0xc0000 */
#define PORT     0x300u
#define CODE     0x190000u /* where instructions are put */
#define DATA     0x180000u
#define LOG_SIZE 1024u

struct device_access {
	uint64_t offset, value;
	unsigned size;
	bool is_write, is_port;
};

static struct {
	struct vm *vm;
	struct vcpu *vcpu;
	struct fake_vcpu *fake;
	uint8_t memory[0x2000];
	uint64_t port; /* what reads of its ports give: then the next number */
	struct device_access log[LOG_SIZE];
	unsigned count;
	const struct emulate_cause *cause; /* NULL: the instruction is executed whatever it is */
	struct emulation e;
} rig;

static inline void rig_log(uint64_t offset, unsigned size, uint64_t value, bool is_write,
			   bool is_port)
{
	/* 'size 1, 2, 4 or 8' is the bus's contract. */
	assert_true(size == 1 || size == 2 || size == 4 || size == 8);
	assert_true(value == alu_cut(value, size));
	assert_true(rig.count < LOG_SIZE);
	rig.log[rig.count++] = (struct device_access){offset, value, size, is_write, is_port};
}

static inline uint64_t rig_read(void *dev, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, (uint8_t *)dev + offset, size);
	rig_log(offset + (uint64_t)((uint8_t *)dev - rig.memory), size, value, false, false);
	return value;
}

static inline void rig_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	memcpy((uint8_t *)dev + offset, &value, size);
	rig_log(offset + (uint64_t)((uint8_t *)dev - rig.memory), size, value, true, false);
}

static inline uint64_t rig_port_read(void *dev, uint64_t offset, unsigned size)
{
	uint64_t value = alu_cut(rig.port++, size);

	(void)dev;
	rig_log(offset, size, value, false, true);
	return value;
}

static inline void rig_port_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	(void)dev;
	rig_log(offset, size, value, true, true);
}

static inline int rig_setup(void **state)
{
	const struct bus_region memory = {.base = DEV,
					  .len = 0x2000,
					  .dev = rig.memory,
					  .read = rig_read,
					  .write = rig_write};
	const struct bus_region low = {.base = DEV_LOW,
				       .len = 0x1000,
				       .dev = rig.memory + 0x1000,
				       .read = rig_read,
				       .write = rig_write};
	const struct bus_region ports = {
		.base = PORT, .len = 8, .read = rig_port_read, .write = rig_port_write};

	(void)state;
	memset(&rig, 0, sizeof(rig));
	fake_machine_start(1000);
	rig.vm = fake_vm_create(RAM_END, 1);
	rig.vcpu = rig.vm->vcpu[0];
	rig.fake = fake_vcpu(rig.vcpu);
	for (unsigned i = 0; i < sizeof(rig.memory); i++)
		rig.memory[i] = (uint8_t)(i * 7 + (i >> 8));
	rig.port = 0x8070605040302010;
	assert_int_equal(bus_add(&rig.vm->dev.mmio, &memory), 0);
	assert_int_equal(bus_add(&rig.vm->dev.mmio, &low), 0);
	assert_int_equal(bus_add(&rig.vm->dev.ports, &ports), 0);
	fake_vcpu_set_mode_64(rig.vcpu);
	__atomic_store_n(&rig.vcpu->requests, 0, __ATOMIC_RELAXED);
	return 0;
}

static inline int rig_teardown(void **state)
{
	(void)state;
	vm_destroy(rig.vm);
	fake_machine_end();
	return 0;
}

static inline void ram_write(uint64_t gpa, const void *bytes, size_t len)
{
	assert_int_equal(gmem_write(&rig.vm->gmem, GPA(gpa), bytes, len), 0);
}

static inline uint64_t ram(uint64_t gpa, size_t len)
{
	uint64_t value = 0;

	assert_int_equal(gmem_read(&rig.vm->gmem, GPA(gpa), &value, len), 0);
	return value;
}

static inline void set_ram(uint64_t gpa, size_t len, uint64_t value)
{
	ram_write(gpa, &value, len);
}

/* What the device has at an offset. */
static inline uint64_t dev(unsigned offset, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, rig.memory + offset, size);
	return value;
}

static inline uint64_t *gpr(enum vcpu_gpr reg)
{
	return reg == GPR_RSP ? &rig.fake->reg[VCPU_RSP] : &rig.vcpu->regs.gpr[reg];
}

static inline uint64_t *rflags(void)
{
	return &rig.fake->reg[VCPU_RFLAGS];
}

static inline enum emulate_result execute_whatever(void)
{
	struct emulate_context c;
	enum emulate_result result;

	emulate_load_context(&c, rig.vcpu);
	result = emulate_fetch(&c, &rig.e);
	return result == EMULATE_DONE ? emulate_execute(&c, &rig.e) : result;
}

/* One call of the emulator for the instruction at CS:RIP; what is recorded is of it alone. */
static inline enum emulate_result step(void)
{
	rig.count = 0;
	rig.fake->exceptions = 0;
	return rig.cause ? emulate_instruction(rig.vcpu, rig.cause, &rig.e) : execute_whatever();
}

static inline enum emulate_result execute_at(uint64_t rip, const char *bytes, size_t len)
{
	ram_write(rip, bytes, len);
	rig.fake->reg[VCPU_RIP] = rip - rig.fake->segment[SEG_CS].base;
	return step();
}

#define execute(bytes) execute_at(CODE, bytes, sizeof(bytes) - 1)

/* It is executed, and is as long as its bytes. */
#define assert_done(bytes)                                                                         \
	do {                                                                                       \
		assert_int_equal(execute(bytes), EMULATE_DONE);                                    \
		assert_int_equal(rig.e.len, sizeof(bytes) - 1);                                    \
		assert_int_equal(rig.fake->exceptions, 0);                                         \
	} while (0)

/* The n-th access of the device. */
#define assert_access(n, write, off, bytes, val)                                                   \
	do {                                                                                       \
		assert_true(rig.count > (n));                                                      \
		assert_int_equal(rig.log[n].is_write, write);                                      \
		assert_int_equal(rig.log[n].offset, off);                                          \
		assert_int_equal(rig.log[n].size, bytes);                                          \
		assert_true(rig.log[n].value == (uint64_t)(val));                                  \
	} while (0)
#define assert_device_read(n, off, bytes)       assert_access(n, false, off, bytes, dev(off, bytes))
#define assert_device_write(n, off, bytes, val) assert_access(n, true, off, bytes, val)

/* The guest is given this exception, and neither a register, the device nor memory has changed
 * (the caller's `rip` is where the instruction is). */
#define assert_fault(bytes, vec, code)                                                             \
	do {                                                                                       \
		struct vcpu_regs regs_ = rig.vcpu->regs;                                           \
		uint64_t rsp_ = *gpr(GPR_RSP), flags_ = *rflags();                                 \
                                                                                                   \
		assert_int_equal(execute(bytes), EMULATE_FAULT);                                   \
		assert_int_equal(rig.fake->exceptions, 1);                                         \
		assert_int_equal(rig.fake->vector, vec);                                           \
		assert_true(rig.fake->has_error);                                                  \
		assert_int_equal(rig.fake->error, code);                                           \
		assert_memory_equal(&rig.vcpu->regs, &regs_, sizeof(regs_));                       \
		assert_int_equal(*gpr(GPR_RSP), rsp_);                                             \
		assert_int_equal(*rflags(), flags_);                                               \
		assert_int_equal(rig.fake->reg[VCPU_RIP], CODE - rig.fake->segment[SEG_CS].base);  \
		assert_int_equal(rig.count, 0);                                                    \
	} while (0)

#endif
