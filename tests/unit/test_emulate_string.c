/* The emulator's string instructions, on device memory and on ports. The assembler's text stands
 * beside the bytes. */
#include "emulate_rig.h"

#include "fakes/insn.h"

static void test_single_strings(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = DEV + 4;
	*gpr(GPR_RDI) = DATA;
	*gpr(GPR_RCX) = 5;
	assert_done("\xa5"); /* movsd */
	assert_device_read(0, 4, 4);
	assert_int_equal(ram(DATA, 4), dev(4, 4));
	assert_int_equal(*gpr(GPR_RSI), DEV + 8);
	assert_int_equal(*gpr(GPR_RDI), DATA + 4);
	assert_int_equal(*gpr(GPR_RCX), 5);
	*rflags() |= RFLAGS_DF;
	assert_done("\x48\xad"); /* lodsq, down */
	assert_device_read(0, 8, 8);
	assert_true(*gpr(GPR_RAX) == dev(8, 8));
	assert_int_equal(*gpr(GPR_RSI), DEV);
	*gpr(GPR_RDI) = DEV + 0x10;
	assert_done("\xaa"); /* stosb, down */
	assert_device_write(0, 0x10, 1, *gpr(GPR_RAX) & 0xff);
	assert_int_equal(*gpr(GPR_RDI), DEV + 0xf);
	*rflags() &= ~RFLAGS_DF;
	*gpr(GPR_RAX) = dev(0xf, 2);
	assert_done("\x66\xaf"); /* scasw */
	assert_true(*rflags() & RFLAGS_ZF);
	assert_int_equal(*gpr(GPR_RDI), DEV + 0x11);
	set_ram(DATA, 1, dev(0x11, 1) + 1);
	*gpr(GPR_RSI) = DATA;
	assert_done("\xa6"); /* cmpsb: [rsi] - [rdi] */
	assert_false(*rflags() & (RFLAGS_ZF | RFLAGS_CF));
}

/* 'A part at a time': RIP stays until the count is 0, and a part is what goes in WORK_NS. */
static void test_rep_is_bounded(void **state)
{
	unsigned calls = 1;

	(void)state;
	fake_tsc_set_step(WORK_NS / 200);
	*gpr(GPR_RAX) = 0x5a;
	*gpr(GPR_RDI) = DEV;
	*gpr(GPR_RCX) = 1000;
	assert_int_equal(execute("\xf3\xaa"), EMULATE_AGAIN); /* rep stosb */
	while (true) {
		enum emulate_result result;
		uint64_t done = 1000 - *gpr(GPR_RCX);

		assert_in_range(rig.count, 1, 256);
		assert_int_equal(*gpr(GPR_RDI), DEV + done);
		assert_device_write(0, done - rig.count, 1, 0x5a);
		result = step();
		calls++;
		if (result == EMULATE_DONE)
			break;
		assert_int_equal(result, EMULATE_AGAIN);
	}
	assert_in_range(calls, 4, 100);
	assert_int_equal(*gpr(GPR_RCX), 0);
	assert_int_equal(*gpr(GPR_RDI), DEV + 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(rig.memory[i], 0x5a);
	assert_int_not_equal(rig.memory[1000], 0x5a);
	assert_int_equal(step(), EMULATE_DONE);
	assert_int_equal(rig.count, 0);
}

/* However long an iteration takes, each call does one, and no more when the time is over. */
static void test_rep_does_one_at_least(void **state)
{
	(void)state;
	fake_tsc_set_step(100 * WORK_NS);
	*gpr(GPR_RDX) = PORT;
	*gpr(GPR_RSI) = DATA;
	*gpr(GPR_RCX) = 3;
	assert_int_equal(execute("\xf3\x6f"), EMULATE_AGAIN); /* rep outsd */
	assert_int_equal(rig.count, 1);
	assert_int_equal(*gpr(GPR_RCX), 2);
	assert_int_equal(step(), EMULATE_AGAIN);
	assert_int_equal(rig.count, 1);
	assert_int_equal(step(), EMULATE_DONE);
	assert_int_equal(*gpr(GPR_RSI), DATA + 12);
}

/* A request interrupts it, but each call gets on by one at least. */
static void test_rep_gives_way_to_requests(void **state)
{
	(void)state;
	*gpr(GPR_RDI) = DEV;
	*gpr(GPR_RCX) = 3;
	__atomic_store_n(&rig.vcpu->requests, VCPU_REQ_EVENT, __ATOMIC_RELAXED);
	assert_int_equal(execute("\xf3\xab"), EMULATE_AGAIN); /* rep stosd */
	assert_int_equal(rig.count, 1);
	assert_int_equal(*gpr(GPR_RCX), 2);
	assert_int_equal(step(), EMULATE_AGAIN);
	assert_int_equal(step(), EMULATE_DONE);
	assert_int_equal(*gpr(GPR_RDI), DEV + 12);
}

static void test_repeated_comparison(void **state)
{
	(void)state;
	memset(rig.memory, 7, 64);
	rig.memory[10] = 8;
	*gpr(GPR_RAX) = 7;
	*gpr(GPR_RDI) = DEV;
	*gpr(GPR_RCX) = 64;
	assert_done("\xf3\xae"); /* repe scasb */
	assert_int_equal(rig.count, 11);
	assert_int_equal(*gpr(GPR_RDI), DEV + 11);
	assert_int_equal(*gpr(GPR_RCX), 53);
	assert_false(*rflags() & RFLAGS_ZF);
	*gpr(GPR_RAX) = 8;
	*gpr(GPR_RDI) = DEV;
	*gpr(GPR_RCX) = 64;
	assert_done("\xf2\xae"); /* repne scasb */
	assert_int_equal(*gpr(GPR_RDI), DEV + 11);
	assert_true(*rflags() & RFLAGS_ZF);
	/* The count ends it too. */
	*gpr(GPR_RDI) = DEV;
	*gpr(GPR_RCX) = 10;
	assert_done("\xf2\xae");
	assert_int_equal(*gpr(GPR_RCX), 0);
	assert_false(*rflags() & RFLAGS_ZF);
}

/* In 64-bit mode with a 32-bit address size the registers are ESI, EDI, ECX. */
static void test_32_bit_string_in_64_bit_mode(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = 0xaaaaaaaa00000000 | (DEV + 4);
	*gpr(GPR_RDI) = 0xbbbbbbbb00000000 | DATA;
	*gpr(GPR_RCX) = 0xcccccccc00000002;
	assert_done("\x67\xf3\xa4"); /* rep movsb, a32 */
	assert_int_equal(rig.count, 2);
	assert_true(*gpr(GPR_RSI) == DEV + 6);
	assert_true(*gpr(GPR_RDI) == DATA + 2);
	assert_true(*gpr(GPR_RCX) == 0);
}

static void test_ins(void **state)
{
	(void)state;
	*gpr(GPR_RDX) = 0xffff0000 | PORT;
	*gpr(GPR_RDI) = DATA;
	*gpr(GPR_RCX) = 3;
	set_ram(DATA, 8, UINT64_MAX);
	assert_done("\x6c"); /* insb */
	assert_access(0, false, 0, 1, 0x10);
	assert_true(ram(DATA, 8) == 0xffffffffffffff10);
	assert_done("\xf3\x66\x6d"); /* rep insw */
	assert_int_equal(rig.count, 3);
	assert_int_equal(ram(DATA + 1, 2), 0x2011);
	assert_int_equal(ram(DATA + 5, 2), 0x2013);
	assert_int_equal(*gpr(GPR_RDI), DATA + 7);
	assert_int_equal(*gpr(GPR_RCX), 0);
	assert_done("\x48\x6d"); /* insd: REX.W does not make it 64 bits */
	assert_access(0, false, 0, 4, 0x40302014);
	assert_int_equal(*gpr(GPR_RDI), DATA + 11);
	/* Into another device's memory. */
	*gpr(GPR_RDI) = DEV;
	assert_done("\x6d");
	assert_int_equal(rig.count, 2);
	assert_device_write(1, 0, 4, 0x40302015);
}

static void test_outs(void **state)
{
	(void)state;
	*gpr(GPR_RDX) = PORT + 4;
	*gpr(GPR_RSI) = DATA;
	*gpr(GPR_RCX) = 2;
	set_ram(DATA, 8, 0x8877665544332211);
	assert_done("\x6e"); /* outsb */
	assert_device_write(0, 4, 1, 0x11);
	assert_done("\xf3\x66\x6f"); /* rep outsw */
	assert_device_write(0, 4, 2, 0x3322);
	assert_device_write(1, 4, 2, 0x5544);
	assert_int_equal(*gpr(GPR_RSI), DATA + 5);
	rig.fake->segment[SEG_FS].base = DATA;
	*gpr(GPR_RSI) = 2;
	assert_done("\x64\x6f"); /* outsd fs:[rsi] */
	assert_device_write(0, 4, 4, 0x66554433);
	assert_true(rig.log[0].is_port);
}

static void test_long_ins_is_bounded(void **state)
{
	unsigned calls = 0;

	(void)state;
	fake_tsc_set_step(WORK_NS / 100);
	*gpr(GPR_RDX) = PORT;
	*gpr(GPR_RDI) = DATA;
	*gpr(GPR_RCX) = 512;
	for (enum emulate_result r = execute("\xf3\x6d"); r != EMULATE_DONE; r = step()) {
		assert_int_equal(r, EMULATE_AGAIN);
		assert_in_range(++calls, 1, 100);
	}
	assert_in_range(calls, 2, 100);
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(ram(DATA + 4 * i, 4), 0x40302010 + i);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_single_strings),
		TEST(test_rep_is_bounded),
		TEST(test_rep_does_one_at_least),
		TEST(test_rep_gives_way_to_requests),
		TEST(test_repeated_comparison),
		TEST(test_32_bit_string_in_64_bit_mode),
		TEST(test_ins),
		TEST(test_outs),
		TEST(test_long_ins_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
