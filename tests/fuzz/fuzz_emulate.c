/* Decoder and emulator: instructions of the input's bytes on registers of the input's, in 16, 32
 * and 64 bits, at CPL 0 and 3, in front of RAM and of a device whose accesses are recorded. What is
 * executed is as long as it was decoded, a fault changes no register, no step makes more than a
 * bounded number of accesses, and each is one that the bus permits (emulate_rig.h). */
#include "emulate_rig.h"

#include <asm/processor-flags.h>

#include "fakes/insn.h"
#include "fuzz.h"
#include "guest/decode.h"
#include "mm/hostmap.h"

#define STEPS_MAX    4u
#define REPEATS_MAX  8u
#define ACCESSES_MAX 900u    /* of the device, in one step */
#define PIECE        0x4000u /* of RAM around DATA, CODE and 0, cleared before each run */

static struct fake_vcpu start;

static void clear(uint64_t at)
{
	for (uint32_t i = 0; i < rig.vm->gmem.count; i++) {
		const struct gmem_chunk *c = &rig.vm->gmem.chunk[i];

		if (at >= c->base.v && at + PIECE <= c->base.v + c->len)
			memset((uint8_t *)hpa_to_ptr(c->host) + (at - c->base.v), 0, PIECE);
	}
}

static void begin(void)
{
	if (!rig.vm) {
		rig_setup(NULL);
		start = *rig.fake;
	}
	/* Not what is linked into lists elsewhere. */
	rig.vcpu->regs = start.vcpu.regs;
	memcpy(rig.fake->reg, start.reg, sizeof(start.reg));
	memcpy(rig.fake->segment, start.segment, sizeof(start.segment));
	fake_tsc_set_step(WORK_NS / 50);
	rig.cause = NULL;
	rig.vcpu->requests = 0;
	memset(rig.memory, 0x5a, sizeof(rig.memory));
	clear(0);
	clear(DATA);
	clear(CODE);
	clear(DEV - PIECE);
}

/* Near what there is, or anything. */
static uint64_t take_register(struct input *in)
{
	static const uint64_t near[] = {0,    DATA, DEV,         DEV_LOW,
					PORT, CODE, RAM_END - 8, 0xc0000 - 4};
	uint8_t how = take8(in);

	if (how & 0x80)
		return take64(in);
	return near[how & 7] + (uint64_t)(int64_t)(int8_t)take8(in);
}

static void set_state(struct input *in)
{
	uint8_t mode = take8(in);

	if ((mode & 3) == 1)
		fake_vcpu_set_mode_32(rig.vcpu);
	else if ((mode & 3) == 2)
		fake_vcpu_set_mode_16(rig.vcpu);
	else
		fake_vcpu_set_mode_64(rig.vcpu);
	if (mode & 4 && (mode & 3) != 2)
		fake_vcpu_set_cpl(rig.vcpu, 3);
	*rflags() = 2 | (take16(in) & 0xed5);
	if (mode & 8)
		*rflags() |= X86_EFLAGS_AC;
	for (unsigned i = 0; i < 16; i++)
		*gpr((enum vcpu_gpr)i) = i < 8 || mode & 0x10 ? take_register(in) : i;
	if (mode & 0x20)
		rig.fake->segment[SEG_DS].limit = take16(in);
}

/* What the exit told, which need not agree with the instruction: another vCPU may have written it
 * anew. NULL, that the rig finds one that agrees, more often than not. */
static void set_cause(struct input *in)
{
	static struct emulate_cause cause;
	uint8_t how = take8(in);

	rig.cause = NULL;
	if (how & 3)
		return;
	cause = (struct emulate_cause){.kind = how & 4 ? EMULATE_PORT : EMULATE_MEMORY};
	if (how & 4) {
		cause.is_write = how & 0x80;
		cause.port = PORT + (how >> 6);
		cause.size = (uint8_t)(1u << (how >> 3 & 3) % 3);
		cause.address_size = how & 0x20 ? 8 : 0;
		cause.is_repeated = how & 0x40;
	} else {
		cause.is_write = how & 8;
		cause.has_la = how & 0x10;
		cause.la = take_register(in);
		cause.gpa = GPA(how & 0x20 ? DEV + (cause.la & 0xfff) : take_register(in));
	}
	rig.cause = &cause;
}

static void check(enum emulate_result result, const struct vcpu_regs *before, uint64_t rsp)
{
	REQUIRE(rig.count <= ACCESSES_MAX);
	/* A port is reached only where the CPU has found it permitted. */
	for (unsigned i = 0; rig.cause && i < rig.count; i++)
		REQUIRE(!rig.log[i].is_port || (rig.cause->kind == EMULATE_PORT &&
						rig.log[i].offset == rig.cause->port - PORT));
	switch (result) {
	case EMULATE_DONE:
		REQUIRE(rig.e.len >= 1 && rig.e.len <= INSN_MAX_LEN);
		REQUIRE(!rig.fake->exceptions);
		break;
	case EMULATE_FAULT:
		REQUIRE(rig.fake->exceptions == 1 && rig.fake->vector < 32);
		REQUIRE(*gpr(GPR_RSP) == rsp);
		break;
	case EMULATE_FAILED:
		REQUIRE(rig.e.why && *rig.e.why && rig.e.byte_count <= INSN_MAX_LEN);
		REQUIRE(!memcmp(before, &rig.vcpu->regs, sizeof(*before)));
		break;
	case EMULATE_AGAIN:
		REQUIRE(!rig.fake->exceptions);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t code[INSN_MAX_LEN];

	begin();
	set_state(&in);
	for (unsigned i = 0; i < STEPS_MAX && in.left; i++) {
		unsigned len = 1 + take8(&in) % INSN_MAX_LEN, repeats = 0;
		enum emulate_result result;

		set_cause(&in);

		take_bytes(&in, code, sizeof(code));
		ram_write(CODE, code, len);
		rig.fake->reg[VCPU_RIP] = CODE - rig.fake->segment[SEG_CS].base;
		do {
			struct vcpu_regs before = rig.vcpu->regs;
			uint64_t rsp = *gpr(GPR_RSP);

			result = step();
			check(result, &before, rsp);
		} while (result == EMULATE_AGAIN && ++repeats < REPEATS_MAX);
	}
	return 0;
}
