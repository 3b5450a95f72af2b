/* The emulator on device memory: what the device sees, what the registers get. The assembler's text
 * stands beside the bytes. Strings: test_emulate_string; faults: test_emulate_fault; against the
 * real CPU: test_emulate_native. */
#include "emulate_rig.h"

#define GPR_R9 ((enum vcpu_gpr)9)

static void test_mov_from_device(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = DEV + 0x10;
	*gpr(GPR_RAX) = UINT64_MAX;
	assert_done("\x8a\x06"); /* mov al, [rsi] */
	assert_int_equal(rig.count, 1);
	assert_device_read(0, 0x10, 1);
	assert_true(*gpr(GPR_RAX) == (0xffffffffffffff00 | dev(0x10, 1)));
	assert_done("\x66\x8b\x06"); /* mov ax, [rsi] */
	assert_device_read(0, 0x10, 2);
	assert_true(*gpr(GPR_RAX) == (0xffffffffffff0000 | dev(0x10, 2)));
	assert_done("\x8b\x06"); /* mov eax, [rsi]: clears the upper half */
	assert_device_read(0, 0x10, 4);
	assert_true(*gpr(GPR_RAX) == dev(0x10, 4));
	assert_done("\x48\x8b\x06"); /* mov rax, [rsi] */
	assert_device_read(0, 0x10, 8);
	assert_true(*gpr(GPR_RAX) == dev(0x10, 8));
	*gpr(GPR_RBX) = 0x1111222233334444;
	assert_done("\x8a\x3e"); /* mov bh, [rsi] */
	assert_true(*gpr(GPR_RBX) == (0x1111222233330044 | dev(0x10, 1) << 8));
	assert_done("\xa1\x20\x00\x20\x00\x00\x00\x00\x00"); /* mov eax, [0x200020] */
	assert_device_read(0, 0x20, 4);
}

static void test_mov_to_device(void **state)
{
	(void)state;
	*gpr(GPR_RDI) = DEV + 0x40;
	*gpr(GPR_RCX) = 0x8877665544332211;
	assert_done("\x88\x0f"); /* mov [rdi], cl */
	assert_device_write(0, 0x40, 1, 0x11);
	assert_done("\x88\x2f"); /* mov [rdi], ch */
	assert_device_write(0, 0x40, 1, 0x22);
	assert_done("\x66\x89\x4f\x02"); /* mov [rdi+2], cx */
	assert_device_write(0, 0x42, 2, 0x2211);
	assert_done("\x89\x8f\x00\x01\x00\x00"); /* mov [rdi+0x100], ecx */
	assert_device_write(0, 0x140, 4, 0x44332211);
	assert_done("\x48\x89\x0f"); /* mov [rdi], rcx */
	assert_device_write(0, 0x40, 8, 0x8877665544332211);
	assert_done("\x48\xc7\x07\xfe\xff\xff\xff"); /* mov qword [rdi], -2 */
	assert_device_write(0, 0x40, 8, -2ll);
	assert_done("\xc6\x07\x7b"); /* mov byte [rdi], 0x7b */
	assert_device_write(0, 0x40, 1, 0x7b);
	assert_done("\x66\xc7\x07\x34\x12"); /* mov word [rdi], 0x1234 */
	assert_device_write(0, 0x40, 2, 0x1234);
	assert_done("\x0f\xc3\x0f"); /* movnti [rdi], ecx */
	assert_device_write(0, 0x40, 4, 0x44332211);
	*gpr(GPR_RSP) = 0x123456789abcdef0;
	assert_done("\x48\x89\x27"); /* mov [rdi], rsp */
	assert_device_write(0, 0x40, 8, 0x123456789abcdef0);
	assert_int_equal(rig.count, 1);
	assert_int_equal(*rflags(), 2);
}

static void test_extension(void **state)
{
	(void)state;
	*gpr(GPR_RDI) = DEV;
	rig.memory[0] = 0x81;
	rig.memory[1] = 0xff;
	rig.memory[2] = 0x00;
	rig.memory[3] = 0x80;
	*gpr(GPR_RAX) = UINT64_MAX;
	assert_done("\x0f\xb6\x07"); /* movzx eax, byte [rdi] */
	assert_true(*gpr(GPR_RAX) == 0x81);
	*gpr(GPR_RAX) = UINT64_MAX;
	assert_done("\x66\x0f\xb6\x07"); /* movzx ax, byte [rdi] */
	assert_true(*gpr(GPR_RAX) == 0xffffffffffff0081);
	assert_done("\x48\x0f\xb7\x07"); /* movzx rax, word [rdi] */
	assert_device_read(0, 0, 2);
	assert_true(*gpr(GPR_RAX) == 0xff81);
	assert_done("\x0f\xbe\x07"); /* movsx eax, byte [rdi] */
	assert_device_read(0, 0, 1);
	assert_true(*gpr(GPR_RAX) == 0xffffff81);
	assert_done("\x48\x0f\xbf\x07"); /* movsx rax, word [rdi] */
	assert_true(*gpr(GPR_RAX) == 0xffffffffffffff81);
	assert_done("\x48\x63\x07"); /* movsxd rax, dword [rdi] */
	assert_device_read(0, 0, 4);
	assert_true(*gpr(GPR_RAX) == 0xffffffff8000ff81);
}

/* A read, then a write, of the same width; the flags are the instruction's. */
static void test_read_modify_write(void **state)
{
	(void)state;
	*gpr(GPR_RDI) = DEV + 8;
	rig.memory[8] = 0xf0;
	*gpr(GPR_RDX) = 0x2f;
	assert_done("\xf0\x08\x17"); /* lock or [rdi], dl */
	assert_int_equal(rig.count, 2);
	assert_access(0, false, 8, 1, 0xf0);
	assert_device_write(1, 8, 1, 0xff);
	assert_int_equal(*rflags() & (RFLAGS_SF | RFLAGS_ZF | RFLAGS_CF), RFLAGS_SF);
	assert_done("\x80\x07\x01"); /* add byte [rdi], 1 */
	assert_device_write(1, 8, 1, 0);
	assert_int_equal(*rflags() & (RFLAGS_SF | RFLAGS_ZF | RFLAGS_CF), RFLAGS_ZF | RFLAGS_CF);
	assert_done("\x80\x17\x05"); /* adc byte [rdi], 5: with the carry */
	assert_device_write(1, 8, 1, 6);
	assert_done("\xf6\x17"); /* not byte [rdi] */
	assert_device_write(1, 8, 1, 0xf9);
	assert_done("\xf6\x1f"); /* neg byte [rdi] */
	assert_device_write(1, 8, 1, 7);
	assert_done("\xfe\x07"); /* inc byte [rdi] */
	assert_device_write(1, 8, 1, 8);
	assert_done("\xfe\x0f"); /* dec byte [rdi] */
	assert_device_write(1, 8, 1, 7);
	assert_done("\x83\x27\xfe"); /* and dword [rdi], -2 */
	assert_access(1, true, 8, 4, (dev(8, 4) & ~0xffull) | 6);
	*gpr(GPR_RAX) = 0x100000000;
	assert_done("\x03\x07"); /* add eax, [rdi] */
	assert_int_equal(rig.count, 1);
	assert_true(*gpr(GPR_RAX) == dev(8, 4));
}

/* Tests read, and write nothing. */
static void test_compare(void **state)
{
	(void)state;
	*gpr(GPR_RDI) = DEV + 8;
	rig.memory[8] = 0x40;
	assert_done("\x80\x3f\x40"); /* cmp byte [rdi], 0x40 */
	assert_int_equal(rig.count, 1);
	assert_true(*rflags() & RFLAGS_ZF);
	assert_done("\xf6\x07\x41"); /* test byte [rdi], 0x41 */
	assert_int_equal(rig.count, 1);
	assert_false(*rflags() & RFLAGS_ZF);
	assert_done("\x0f\xba\x27\x06"); /* bt dword [rdi], 6 */
	assert_int_equal(rig.count, 1);
	assert_device_read(0, 8, 4);
	assert_true(*rflags() & RFLAGS_CF);
}

static void test_exchange(void **state)
{
	uint64_t was = dev(0x20, 4);

	(void)state;
	*gpr(GPR_RDI) = DEV + 0x20;
	*gpr(GPR_RBX) = 0xaaaaaaaa55667788;
	assert_done("\x87\x1f"); /* xchg [rdi], ebx */
	assert_int_equal(rig.count, 2);
	assert_access(0, false, 0x20, 4, was);
	assert_device_write(1, 0x20, 4, 0x55667788);
	assert_true(*gpr(GPR_RBX) == was);
	assert_done("\xf0\x0f\xc1\x1f"); /* lock xadd [rdi], ebx */
	assert_device_write(1, 0x20, 4, (uint32_t)(0x55667788 + was));
	assert_true(*gpr(GPR_RBX) == 0x55667788);
	/* 'XADD: TEMP := SRC + DEST; SRC := DEST; DEST := TEMP': a register with itself doubles. */
	*gpr(GPR_RAX) = 21;
	assert_done("\x0f\xc1\xc0"); /* xadd eax, eax */
	assert_int_equal(*gpr(GPR_RAX), 42);
}

/* 'The destination operand is written back if the comparison fails; otherwise, the source operand
 * is written into the destination. (The processor never produces a locked read without also
 * producing a locked write.)' */
static void test_compare_exchange(void **state)
{
	(void)state;
	*gpr(GPR_RDI) = DEV + 0x20;
	memset(rig.memory + 0x20, 0x11, 4);
	*gpr(GPR_RAX) = 0xffffffff11111111;
	*gpr(GPR_RCX) = 0x22222222;
	assert_done("\xf0\x0f\xb1\x0f"); /* lock cmpxchg [rdi], ecx */
	assert_int_equal(rig.count, 2);
	assert_device_write(1, 0x20, 4, 0x22222222);
	assert_true(*rflags() & RFLAGS_ZF);
	assert_true(*gpr(GPR_RAX) == 0xffffffff11111111);
	assert_done("\xf0\x0f\xb1\x0f");
	assert_int_equal(rig.count, 2);
	assert_device_write(1, 0x20, 4, 0x22222222);
	assert_false(*rflags() & RFLAGS_ZF);
	assert_true(*rflags() & RFLAGS_CF); /* 0x11111111 - 0x22222222 borrows */
	assert_true(*gpr(GPR_RAX) == 0x22222222);
}

/* 'BT: [...] memory can be accessed at an effective address + (size * (BitOffset DIV bits))', the
 * offset signed. */
static void test_bit_strings(void **state)
{
	(void)state;
	memset(rig.memory, 0, sizeof(rig.memory));
	*gpr(GPR_RDI) = DEV + 0x100;
	*gpr(GPR_RCX) = 70;
	assert_done("\x0f\xab\x0f"); /* bts [rdi], ecx */
	assert_int_equal(rig.count, 2);
	assert_device_write(1, 0x108, 4, 0x40);
	assert_false(*rflags() & RFLAGS_CF);
	*gpr(GPR_RCX) = 0xffffffff; /* -1 in ECX, far away in RCX */
	assert_done("\xf0\x0f\xab\x0f");
	assert_device_write(1, 0xfc, 4, 0x80000000);
	*gpr(GPR_RCX) = (uint64_t)-65;
	assert_done("\x48\x0f\xab\x0f"); /* bts [rdi], rcx */
	assert_device_write(1, 0xf0, 8, 1ull << 63);
	assert_done("\x48\x0f\xb3\x0f"); /* btr [rdi], rcx */
	assert_device_write(1, 0xf0, 8, 0);
	assert_true(*rflags() & RFLAGS_CF);
	*gpr(GPR_RCX) = 0xfff0;                  /* -16 in CX */
	assert_done("\x66\x0f\xbb\x0f");         /* btc [rdi], cx */
	assert_device_write(1, 0xfe, 2, 0x8001); /* its top bit: the one of the second BTS */
	/* An immediate stays inside the operand. */
	assert_done("\x0f\xba\x2f\x25"); /* bts dword [rdi], 37 */
	assert_device_write(1, 0x100, 4, 1 << 5);
}

static void test_addresses(void **state)
{
	(void)state;
	*gpr(GPR_RBX) = DEV;
	*gpr(GPR_R9) = 4;
	assert_done("\x42\x8b\x44\xcb\x10"); /* mov eax, [rbx+r9*8+0x10] */
	assert_device_read(0, 0x30, 4);
	*gpr(GPR_RBX) = 0xffffffff00000000 | DEV;
	assert_done("\x67\x8b\x03"); /* mov eax, [ebx] */
	assert_device_read(0, 0, 4);
	assert_done("\x8b\x05\x00\x00\x07\x00"); /* mov eax, [rip+0x70000] */
	assert_device_read(0, CODE + 6 + 0x70000 - DEV, 4);
	rig.fake->segment[SEG_GS].base = DEV;
	rig.fake->segment[SEG_DS].base = 0x5000;         /* has no effect in 64-bit mode */
	assert_done("\x65\x8b\x04\x25\x24\x00\x00\x00"); /* mov eax, gs:[0x24] */
	assert_device_read(0, 0x24, 4);
	*gpr(GPR_RBX) = DEV;
	assert_done("\x8b\x03"); /* mov eax, [rbx] */
	assert_device_read(0, 0, 4);
}

static void test_32_bit_mode(void **state)
{
	(void)state;
	fake_vcpu_set_mode_32(rig.vcpu);
	rig.fake->segment[SEG_DS].base = DEV - 0x1000;
	rig.fake->segment[SEG_ES].base = DATA;
	*gpr(GPR_RSI) = 0x1020;
	*gpr(GPR_RDI) = 0x10;
	*gpr(GPR_RCX) = 3;
	*rflags() |= RFLAGS_DF;
	assert_done("\xf3\xa5"); /* rep movsd, down */
	assert_device_read(0, 0x20, 4);
	assert_device_read(2, 0x18, 4);
	assert_int_equal(ram(DATA + 8, 4), dev(0x18, 4));
	assert_int_equal(*gpr(GPR_RSI), 0x1014);
	assert_int_equal(*gpr(GPR_RDI), 4);
	*gpr(GPR_RBX) = 0x1000;
	assert_done("\x8b\x03"); /* mov eax, [ebx] */
	assert_device_read(0, 0, 4);
	/* The base and the offset wrap at 4 GiB. */
	rig.fake->segment[SEG_ES].base = 0xfffffff0;
	*gpr(GPR_RBX) = DEV + 0x30;
	assert_done("\x26\x8b\x03"); /* mov eax, es:[ebx] */
	assert_device_read(0, 0x20, 4);
	*rflags() &= ~RFLAGS_DF;
}

/* Real mode: 16-bit registers that wrap in their segment. */
static void test_16_bit_mode(void **state)
{
	(void)state;
	fake_vcpu_set_mode_16(rig.vcpu);
	rig.fake->segment[SEG_CS].base = CODE;
	rig.fake->segment[SEG_DS].base = 0xb0000; /* DEV_LOW is its last page */
	rig.fake->segment[SEG_ES].base = 0x10000;
	*gpr(GPR_RSI) = 0x7777fffe;
	*gpr(GPR_RDI) = 0x88880000;
	*gpr(GPR_RCX) = 0x99990001;
	assert_done("\xf3\xa5"); /* rep movsw */
	assert_int_equal(rig.count, 1);
	assert_device_read(0, 0x1ffe, 2);
	assert_int_equal(ram(0x10000, 2), dev(0x1ffe, 2));
	assert_true(*gpr(GPR_RSI) == 0x77770000);
	assert_true(*gpr(GPR_RDI) == 0x88880002);
	assert_true(*gpr(GPR_RCX) == 0x99990000);
	*gpr(GPR_RBX) = 0xf000;
	*gpr(GPR_RSI) = 0x10;
	assert_done("\x8b\x40\x02"); /* mov ax, [bx+si+2] */
	assert_device_read(0, 0x1012, 2);
	assert_done("\x66\x8b\x40\x02"); /* mov eax, [bx+si+2] */
	assert_device_read(0, 0x1012, 4);
	assert_done("\x67\x8b\x03"); /* mov ax, [ebx] */
	assert_device_read(0, 0x1000, 2);
	*gpr(GPR_RBX) = 0x8000;
	*gpr(GPR_RSI) = 0x7008;
	assert_done("\x8a\x00"); /* mov al, [bx+si] */
	assert_device_read(0, 0x1008, 1);
}

/* All widths at all places across the two boundaries: the bytes come from where they are, and the
 * device is only asked for its own, in parts that a bus can carry. */
static void test_half_ram_half_device(void **state)
{
	static const struct {
		uint64_t edge;
		bool is_device_first;
	} boundary[] = {{DEV, false}, {0xc0000, true}};
	uint64_t seed = 1;

	(void)state;
	for (unsigned n = 0; n < 2; n++) {
		uint64_t edge = boundary[n].edge;
		bool is_first = boundary[n].is_device_first;

		for (unsigned first = 1; first < 8; first++) {
			uint64_t low = fake_random(&seed), high = fake_random(&seed), got;
			uint64_t value = fake_random(&seed);
			unsigned device_bytes = is_first ? first : 8 - first, seen = 0;

			/* 8 bytes on each side: `low` ends at the edge, `high` begins there. */
			set_ram(is_first ? edge : edge - 8, 8, is_first ? high : low);
			memcpy(rig.memory + (is_first ? 0x1ff8 : 0), is_first ? &low : &high, 8);
			*gpr(GPR_RSI) = edge - first;
			assert_done("\x48\x8b\x06"); /* mov rax, [rsi] */
			got = low >> (8 * (8 - first)) | high << (8 * first);
			assert_true(*gpr(GPR_RAX) == got);
			for (unsigned i = 0; i < rig.count; i++)
				seen += rig.log[i].size;
			assert_int_equal(seen, device_bytes);

			*gpr(GPR_RAX) = value;
			assert_done("\x48\x89\x06"); /* mov [rsi], rax */
			seen = 0;
			for (unsigned i = 0; i < rig.count; i++) {
				assert_true(rig.log[i].is_write);
				assert_true(IS_ALIGNED(rig.log[i].offset, rig.log[i].size));
				seen += rig.log[i].size;
			}
			assert_int_equal(seen, device_bytes);
			*gpr(GPR_RAX) = 0;
			assert_done("\x48\x8b\x06");
			assert_true(*gpr(GPR_RAX) == value);
		}
	}
}

/* An unaligned access inside the device's page is one access: splitting is the bus's business. */
static void test_unaligned_in_device(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = DEV + 0x103;
	assert_done("\x8b\x06"); /* mov eax, [rsi] */
	assert_int_equal(rig.count, 1);
	assert_device_read(0, 0x103, 4);
	/* From one page of it to the next. */
	*gpr(GPR_RSI) = DEV + 0xffe;
	assert_done("\x8b\x06");
	assert_true(*gpr(GPR_RAX) == dev(0xffe, 4));
	assert_int_equal(rig.count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mov_from_device),
		TEST(test_mov_to_device),
		TEST(test_extension),
		TEST(test_read_modify_write),
		TEST(test_compare),
		TEST(test_exchange),
		TEST(test_compare_exchange),
		TEST(test_bit_strings),
		TEST(test_addresses),
		TEST(test_32_bit_mode),
		TEST(test_16_bit_mode),
		TEST(test_half_ram_half_device),
		TEST(test_unaligned_in_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
