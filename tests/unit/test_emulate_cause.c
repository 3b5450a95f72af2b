/* What the emulator fetches against what the CPU exited for. Another vCPU writes the instruction's
 * bytes, or the page tables, between the two: here, whatever stands there is held against every
 * cause. What does not agree touches nothing, gives no fault, and the guest is entered again.
 *
 * And who pays for what the emulator cannot do: a program with #UD, the kernel with its VM. */
#include "emulate_rig.h"

#include "fakes/insn.h"

enum { UD = 6 };

static struct emulate_cause cause;

static int setup(void **state)
{
	rig_setup(state);
	rig.cause = &cause;
	*gpr(GPR_RSI) = *gpr(GPR_RDI) = DEV + 0x20;
	*gpr(GPR_RDX) = PORT;
	*gpr(GPR_RCX) = 1;
	return 0;
}

static void exits_by_memory(uint64_t la, bool is_write)
{
	cause = (struct emulate_cause){.kind = EMULATE_MEMORY,
				       .is_write = is_write,
				       .has_la = true,
				       .la = la,
				       .gpa = GPA(la)};
}

/* As an APIC access tells it: no linear address. */
static void exits_in_page(uint64_t gpa, bool is_write)
{
	exits_by_memory(gpa, is_write);
	cause.has_la = false;
}

static void exits_by_port(bool is_out, unsigned size, bool is_repeated)
{
	cause = (struct emulate_cause){.kind = EMULATE_PORT,
				       .is_write = is_out,
				       .port = PORT,
				       .size = (uint8_t)size,
				       .is_repeated = is_repeated};
}

/* Nothing was done, and the guest is entered again. */
static void assert_again(const char *bytes, size_t len)
{
	struct vcpu_regs regs = rig.vcpu->regs;
	uint64_t flags = *rflags(), rsp = *gpr(GPR_RSP), data = ram(DATA, 8);

	assert_int_equal(execute_at(CODE, bytes, len), EMULATE_AGAIN);
	assert_int_equal(rig.count, 0);
	assert_int_equal(rig.fake->exceptions, 0);
	assert_memory_equal(&rig.vcpu->regs, &regs, sizeof(regs));
	assert_int_equal(*rflags(), flags);
	assert_int_equal(*gpr(GPR_RSP), rsp);
	assert_true(ram(DATA, 8) == data);
}
#define assert_disagrees(bytes) assert_again(bytes, sizeof(bytes) - 1)

/* An I/O instruction in place of what touched the device: nobody has looked at CPL, IOPL and the
 * I/O bitmap for it. At no CPL, whatever its memory operand is. */
static void test_ports_by_a_memory_exit(void **state)
{
	(void)state;
	for (unsigned cpl = 0; cpl <= 3; cpl++) {
		fake_vcpu_set_cpl(rig.vcpu, cpl);
		for (unsigned is_write = 0; is_write < 2; is_write++) {
			exits_by_memory(DEV + 0x20, is_write);
			assert_disagrees("\x6c");     /* insb */
			assert_disagrees("\x6d");     /* insd */
			assert_disagrees("\x6e");     /* outsb */
			assert_disagrees("\x6f");     /* outsd */
			assert_disagrees("\xf3\x6c"); /* rep insb */
			assert_disagrees("\xf2\x6f"); /* repne outsd */
			assert_disagrees("\x66\x6d");
			exits_in_page(DEV + 0x20, is_write);
			assert_disagrees("\x6c");
			assert_disagrees("\xf3\x6f");
		}
	}
}

/* 'Exit Qualification for I/O Instructions': size, direction, string, REP, port. */
static void test_port_exits(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = *gpr(GPR_RDI) = DATA;
	exits_by_port(true, 1, false);
	assert_done("\x6e");
	assert_disagrees("\x66\x6f");
	assert_disagrees("\x6f");
	assert_disagrees("\x6c");     /* the other direction */
	assert_disagrees("\xf3\x6e"); /* more than one */
	assert_disagrees("\xf2\x6e");
	exits_by_port(true, 2, false);
	assert_done("\x66\x6f");
	assert_disagrees("\x6f");
	exits_by_port(true, 4, true);
	assert_done("\xf3\x6f");
	assert_done("\xf2\x6f");
	*gpr(GPR_RCX) = 1;
	assert_disagrees("\x6f");
	exits_by_port(false, 4, false);
	assert_done("\x6d");
	assert_disagrees("\x6f");
	*gpr(GPR_RDX) = PORT + 1;
	assert_disagrees("\x6d");
	*gpr(GPR_RDX) = 0xffff0000 | PORT; /* DX counts */
	assert_done("\x6d");
	cause.address_size = 8;
	assert_done("\x6d");
	assert_disagrees("\x67\x6d");
	cause.address_size = 4;
	assert_disagrees("\x6d");
	assert_done("\x67\x6d");
}

/* Anything else in place of INS or OUTS, also what the decoder does not know: the CPU looks again.
 */
static void test_other_bytes_at_a_port_exit(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = *gpr(GPR_RDI) = DATA;
	for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
		fake_vcpu_set_cpl(rig.vcpu, cpl);
		exits_by_port(true, 1, false);
		assert_disagrees("\xa4");             /* movsb */
		assert_disagrees("\xac");             /* lodsb */
		assert_disagrees("\x8a\x06");         /* mov al, [rsi] */
		assert_disagrees("\x88\x06");         /* mov [rsi], al */
		assert_disagrees("\xf3\x0f\x7f\x07"); /* movdqu [rdi], xmm0 */
		assert_disagrees("\x0f\x0b");         /* ud2 */
		assert_disagrees("\xee");             /* out dx, al */
		assert_disagrees("\x50");             /* push rax */
		assert_disagrees("\xf0\x6e");         /* lock outsb */
	}
}

/* Direction and place of ordinary operands. */
static void test_memory_exits(void **state)
{
	(void)state;
	exits_by_memory(DEV + 0x20, false);
	assert_done("\x8b\x06");         /* mov eax, [rsi] */
	assert_done("\x0f\xb6\x06");     /* movzx eax, byte [rsi] */
	assert_done("\x03\x06");         /* add eax, [rsi] */
	assert_done("\x39\x06");         /* cmp [rsi], eax */
	assert_done("\xf7\x06\1\0\0\0"); /* test dword [rsi], 1 */
	assert_done("\x01\x06");         /* add [rsi], eax: reads first */
	assert_done("\xf0\xff\x06");     /* lock inc dword [rsi] */
	assert_disagrees("\x89\x06");    /* mov [rsi], eax */
	assert_disagrees("\xc6\x06\x01");
	exits_by_memory(DEV + 0x20, true);
	assert_done("\x89\x06");
	assert_done("\xc7\x06\1\0\0\0");
	assert_done("\x01\x06");
	assert_done("\xf0\xff\x06");
	assert_done("\x87\x06");         /* xchg [rsi], eax */
	assert_done("\xf0\x0f\xb1\x0e"); /* lock cmpxchg [rsi], ecx */
	assert_done("\x0f\xba\x2e\x03"); /* bts dword [rsi], 3 */
	assert_disagrees("\x8b\x06");
	assert_disagrees("\x03\x06");
	assert_disagrees("\x39\x06");
	assert_disagrees("\xf6\x06\x01");
	assert_disagrees("\x0f\xba\x26\x03"); /* bt */
	/* No memory at all. */
	assert_disagrees("\x01\xc8"); /* add eax, ecx */
	assert_disagrees("\xb8\1\0\0\0");
	assert_disagrees("\x0f\x01\xc1"); /* vmcall */
	assert_disagrees("\x0f\x01\xd9"); /* vmmcall */
	/* Another page, be it RAM or a device's. */
	*gpr(GPR_RSI) = DATA;
	assert_disagrees("\x89\x06");
	*gpr(GPR_RSI) = DEV + 0x1020;
	assert_disagrees("\x89\x06");
	*gpr(GPR_RSI) = DEV + 0x1000;
	assert_disagrees("\x89\x06");
	*gpr(GPR_RSI) = DEV - 4;
	assert_disagrees("\x89\x06");
	*gpr(GPR_RSI) = DEV - 3; /* its last byte is there */
	assert_done("\x89\x06");
	*gpr(GPR_RSI) = DEV + 0xffe; /* and of this one, the first two */
	assert_done("\x89\x06");
	exits_by_memory(DEV + 0x1000, true);
	assert_done("\x89\x06");
}

/* A bit number in a register moves the operand. */
static void test_bit_strings(void **state)
{
	(void)state;
	exits_by_memory(DEV + 0x20, true);
	*gpr(GPR_RAX) = 0;
	*gpr(GPR_RSI) = DEV + 0x1020;
	assert_disagrees("\x0f\xab\x06"); /* bts [rsi], eax */
	*gpr(GPR_RAX) = (uint32_t)-0x1000 * 8;
	assert_done("\x0f\xab\x06");
	*gpr(GPR_RSI) = DEV + 0x20;
	assert_disagrees("\x0f\xab\x06");
}

/* Linear addresses have 32 bits outside 64-bit mode, and segments have bases. */
static void test_segments(void **state)
{
	(void)state;
	rig.fake->segment[SEG_FS].base = 0x1000;
	rig.fake->segment[SEG_DS].base = 0x5000; /* of no effect here */
	exits_by_memory(DEV + 0x20, false);
	assert_done("\x8b\x06");
	assert_disagrees("\x64\x8b\x06"); /* mov eax, fs:[rsi] */
	*gpr(GPR_RSI) = DEV - 0x1000 + 0x20;
	assert_done("\x64\x8b\x06");
	fake_vcpu_set_mode_32(rig.vcpu);
	rig.fake->segment[SEG_DS].base = 0xfffff000;
	*gpr(GPR_RSI) = DEV + 0x1020;
	assert_done("\x8b\x06");
	*gpr(GPR_RSI) = DEV + 0x20;
	assert_disagrees("\x8b\x06");
	rig.fake->segment[SEG_SS].base = 0x1000;
	*gpr(GPR_RBP) = DEV - 0x1000 + 0x20;
	assert_done("\x8b\x45\x00"); /* mov eax, [ebp] */
}

/* The local APIC's accesses have an offset, and no linear address. */
static void test_exits_without_linear_address(void **state)
{
	(void)state;
	exits_in_page(DEV + 0x20, false);
	assert_done("\x8b\x06");
	assert_disagrees("\x89\x06");
	*gpr(GPR_RSI) = DEV + 0x1f;
	assert_done("\x8b\x06"); /* reaches it */
	assert_disagrees("\x8a\x06");
	*gpr(GPR_RSI) = DEV + 0x24;
	assert_disagrees("\x8b\x06");
	*gpr(GPR_RSI) = DEV + 0x1c;
	assert_disagrees("\x8b\x06");
	*gpr(GPR_RSI) =
		DATA + 0x20; /* paging says that it is elsewhere: the CPU's rules hold there */
	assert_done("\x8b\x06");
	assert_int_equal(rig.count, 0);
}

/* Strings: each operand in its direction, and the iterations still to come. */
static void test_string_exits(void **state)
{
	(void)state;
	exits_by_memory(DEV + 0x20, false);
	*gpr(GPR_RDI) = DATA;
	assert_done("\xa4"); /* movsb: from the device */
	*gpr(GPR_RSI) = DATA;
	assert_disagrees("\xa4");
	*gpr(GPR_RDI) = DEV + 0x20;
	assert_disagrees("\xa4"); /* to the device: a write */
	assert_disagrees("\xaa"); /* stosb */
	assert_disagrees("\xac"); /* lodsb, from RAM */
	assert_done("\xae");      /* scasb */
	*gpr(GPR_RDI) = DEV + 0x20;
	assert_done("\xa6"); /* cmpsb: one of the two */
	*gpr(GPR_RSI) = DEV + 0x20;
	assert_done("\xac");
	exits_by_memory(DEV + 0x20, true);
	*gpr(GPR_RSI) = DATA;
	*gpr(GPR_RDI) = DEV + 0x20;
	assert_done("\xa4");
	assert_done("\xaa");
	assert_disagrees("\xa6");
	assert_disagrees("\xae");
	*gpr(GPR_RSI) = DEV + 0x20;
	assert_disagrees("\xac");
	*gpr(GPR_RDI) = DATA;
	assert_disagrees("\xa4");
	assert_disagrees("\xaa");
	/* From one page of the device to the other, whichever of the two exited. */
	*gpr(GPR_RDI) = DEV + 0x1020;
	exits_by_memory(DEV + 0x20, false);
	assert_done("\xa4");
	exits_by_memory(DEV + 0x1020, true);
	assert_done("\xa4");
	exits_by_memory(DEV + 0x1020, false);
	assert_disagrees("\xa4");
}

static void test_repeated_string_exits(void **state)
{
	(void)state;
	exits_by_memory(DEV + 0x20, true);
	*gpr(GPR_RAX) = 0x77;
	*gpr(GPR_RCX) = 0; /* then it touches nothing */
	assert_disagrees("\xf3\xaa");
	*gpr(GPR_RDI) = DEV - 3;
	*gpr(GPR_RCX) = 3;
	assert_disagrees("\xf3\xaa");
	*gpr(GPR_RCX) = 4;
	assert_disagrees("\xaa");
	assert_done("\xf3\xaa");
	assert_device_write(0, 0, 1, 0x77);
	*rflags() |= RFLAGS_DF;
	*gpr(GPR_RDI) = DEV + 0x1002;
	*gpr(GPR_RCX) = 3;
	assert_disagrees("\xf3\xaa");
	*gpr(GPR_RCX) = 4;
	assert_done("\xf3\xaa");
	assert_device_write(3, 0xfff, 1, 0x77);
	/* A count that overflows, in both directions. */
	fake_tsc_set_step(WORK_NS / 200);
	*gpr(GPR_RCX) = UINT64_MAX;
	*gpr(GPR_RDI) = DEV + 0x20;
	assert_int_equal(execute("\xf3\x48\xab"), EMULATE_AGAIN);
	assert_in_range(rig.count, 1, 1000);
	*rflags() &= ~RFLAGS_DF;
	*gpr(GPR_RCX) = UINT64_MAX;
	*gpr(GPR_RDI) = DATA;
	assert_disagrees("\xf3\x48\xab");
}

/* The CPU would have refused these before it touched memory: it is asked again. */
static void test_what_the_cpu_refuses(void **state)
{
	static const char long_mov[] =
		"\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x8b\x06";

	(void)state;
	for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
		fake_vcpu_set_cpl(rig.vcpu, cpl);
		exits_by_memory(DEV + 0x20, false);
		assert_disagrees("\xf0\x8b\x06");         /* lock mov */
		assert_disagrees("\xf0\x39\x06");         /* lock cmp */
		assert_disagrees("\xf0\x0f\xba\x26\x03"); /* lock bt */
		assert_disagrees("\xf0\xa4");             /* lock movsb */
		assert_again(long_mov, sizeof(long_mov) - 1);
	}
}

static const struct {
	const char *bytes;
	size_t len;
} unknown[] = {
	{"\x0f\x6f\x06", 3},     /* movq mm0, [rsi] */
	{"\xf3\x0f\x7f\x07", 4}, /* movdqu [rdi], xmm0 */
	{"\xff\x36", 2},         /* push qword [rsi] */
	{"\x8f\x06", 2},         /* pop qword [rsi] */
	{"\xc3", 1},             /* ret, with the stack on the device */
	{"\x8e\x1e", 2},         /* mov ds, [rsi] */
	{"\xf0\x0f\xc7\x0e", 4}, /* lock cmpxchg8b [rsi] */
	{"\xcd\x80", 2},         /* int 0x80 */
};

/* 'At CPL 3 the program gets #UD and the VM lives.' */
static void test_unknown_by_a_program(void **state)
{
	(void)state;
	for (unsigned cpl = 1; cpl <= 3; cpl++) {
		fake_vcpu_set_cpl(rig.vcpu, cpl);
		for (unsigned i = 0; i < 2 * ARRAY_SIZE(unknown); i++) {
			struct vcpu_regs before = rig.vcpu->regs;

			exits_by_memory(DEV + 0x20, i & 1);
			cause.has_la = !(i & 2);
			assert_int_equal(execute_at(CODE, unknown[i / 2].bytes, unknown[i / 2].len),
					 EMULATE_FAULT);
			assert_int_equal(rig.fake->exceptions, 1);
			assert_int_equal(rig.fake->vector, UD);
			assert_false(rig.fake->has_error);
			assert_memory_equal(&rig.vcpu->regs, &before, sizeof(before));
			assert_int_equal(rig.count, 0);
			assert_int_equal(rig.fake->reg[VCPU_RIP], CODE);
		}
		rig.fake->reg[VCPU_RIP] = DEV; /* its bytes are in a device */
		assert_int_equal(step(), EMULATE_FAULT);
		assert_int_equal(rig.fake->vector, UD);
	}
}

static void test_unknown_by_the_kernel(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
		exits_by_memory(DEV + 0x20, true);
		assert_int_equal(execute_at(CODE, unknown[i].bytes, unknown[i].len),
				 EMULATE_FAILED);
		assert_non_null(rig.e.why);
		assert_memory_equal(rig.e.bytes, unknown[i].bytes, unknown[i].len);
		assert_int_equal(rig.fake->exceptions, 0);
	}
}

/* Random bytes against random causes: a port is reached by an agreeing port exit only, and a
 * program never gets EMULATE_FAILED. */
static void test_random_bytes(void **state)
{
	uint64_t seed = 0xca05e;
	unsigned ports = 0, done = 0;

	(void)state;
	for (unsigned round = 0; round < 300000; round++) {
		static const uint8_t usual[] = {0x6c, 0x6d, 0x6e, 0x6f, 0xf3, 0x66, 0x67, 0xa4,
						0xab, 0x88, 0x8b, 0xf0, 0x0f, 0x06, 0x07, 0xc7};
		char bytes[INSN_MAX_LEN];
		uint64_t r = fake_random(&seed);
		enum emulate_result result;
		bool is_port = r & 8;

		for (unsigned i = 0; i < sizeof(bytes); i++) {
			uint64_t b = fake_random(&seed);

			bytes[i] = (char)(b & 0x100 ? usual[b % sizeof(usual)] : b);
		}
		fake_vcpu_set_cpl(rig.vcpu, r & 3);
		exits_by_memory(r & 4 ? DEV : DATA, r & 16);
		cause.has_la = r & 64;
		if (is_port)
			exits_by_port(r & 16, 1u << (r >> 8) % 3, r & 32);
		*gpr(GPR_RSI) = r & 128 ? DEV : DATA;
		*gpr(GPR_RDI) = r & 256 ? DEV : DATA;
		*gpr(GPR_RDX) = PORT + (r >> 12 & 1);
		*gpr(GPR_RCX) = r >> 16 & 3;
		result = execute_at(CODE, bytes, sizeof(bytes));
		if ((r & 3) || is_port)
			assert_int_not_equal(result, EMULATE_FAILED);
		for (unsigned i = 0; i < rig.count; i++) {
			if (!rig.log[i].is_port)
				continue;
			assert_true(is_port);
			assert_int_equal(rig.log[i].offset, 0);
			assert_int_equal(rig.log[i].size, cause.size);
			assert_int_equal(rig.log[i].is_write, cause.is_write);
			ports++;
		}
		done += result == EMULATE_DONE;
	}
	assert_true(ports > 500 && done > 5000);
}

/* A #UD exit asks what stands there: up to the segment's end and no further, as the CPU fetches. */
static void test_is_at(void **state)
{
	static const uint8_t vmmcall[] = {0x0f, 0x01, 0xd9};

	(void)state;
	ram_write(CODE, vmmcall, sizeof(vmmcall));
	rig.fake->reg[VCPU_RIP] = CODE;
	assert_true(emulate_is_at(rig.vcpu, vmmcall, sizeof(vmmcall)));
	set_ram(CODE + 2, 1, 0xd8);
	assert_false(emulate_is_at(rig.vcpu, vmmcall, sizeof(vmmcall)));
	set_ram(CODE + 2, 1, 0xd9);
	fake_vcpu_set_mode_32(rig.vcpu);
	rig.fake->segment[SEG_CS].limit = CODE + 2;
	assert_true(emulate_is_at(rig.vcpu, vmmcall, sizeof(vmmcall)));
	rig.fake->segment[SEG_CS].limit = CODE + 1;
	assert_false(emulate_is_at(rig.vcpu, vmmcall, sizeof(vmmcall)));
	fake_vcpu_set_mode_64(rig.vcpu);
	/* Across a page, and not across the canonical range's end, nor in a device. */
	ram_write(CODE + 0xfff, vmmcall, sizeof(vmmcall));
	rig.fake->reg[VCPU_RIP] = CODE + 0xfff;
	assert_true(emulate_is_at(rig.vcpu, vmmcall, sizeof(vmmcall)));
	rig.fake->reg[VCPU_RIP] = 0x800000000000ull + CODE;
	ram_write(CODE, vmmcall, sizeof(vmmcall));
	assert_false(emulate_is_at(rig.vcpu, vmmcall, sizeof(vmmcall)));
	rig.fake->reg[VCPU_RIP] = DEV;
	memcpy(rig.memory, vmmcall, sizeof(vmmcall));
	assert_false(emulate_is_at(rig.vcpu, vmmcall, sizeof(vmmcall)));
	assert_int_equal(rig.fake->exceptions, 0);
	assert_int_equal(rig.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ports_by_a_memory_exit),
		TEST(test_port_exits),
		TEST(test_other_bytes_at_a_port_exit),
		TEST(test_memory_exits),
		TEST(test_bit_strings),
		TEST(test_segments),
		TEST(test_exits_without_linear_address),
		TEST(test_string_exits),
		TEST(test_repeated_string_exits),
		TEST(test_what_the_cpu_refuses),
		TEST(test_unknown_by_a_program),
		TEST(test_unknown_by_the_kernel),
		TEST(test_random_bytes),
		TEST(test_is_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
