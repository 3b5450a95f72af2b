/* The exceptions that the emulator gives, and what it refuses. After a fault nothing has changed:
 * assert_fault looks at all registers, and no device was touched. Quotes: SDM, 'Interrupt and
 * Exception Handling', 'Page-Fault Exceptions', 'Limit Checking', 'Type Checking'. */
#include "emulate_rig.h"

enum { SS = 12, GP = 13, PF = 14 };

/* Error code of #PF. */
enum { P = 1, W = 2, U = 4, RSVD = 8, I = 16, PK = 32 };

#define PML4          0x20000u
#define LOW_TABLE     0x24000u /* maps [0, 2 MiB) one to one */
#define DEV_TABLE     0x25000u /* maps DEV_LA upwards */
#define DEV_LA        0xc0000000u
#define ENTRY_P       1ull
#define ENTRY_W       2ull
#define ENTRY_U       4ull
#define ENTRY_XD      BIT_ULL(63)
#define CR0_PAGING    0x80010001ull /* PG, WP, PE */
#define NON_CANONICAL 0x0000800000000000ull

/* 4-level paging: low memory one to one; 16 pages at DEV_LA, of which the first two are the
 * device's and the others are not present. */
static void page_on(void)
{
	const uint64_t all = ENTRY_P | ENTRY_W | ENTRY_U;

	set_ram(PML4, 8, 0x21000 | all);
	set_ram(0x21000, 8, 0x22000 | all);
	set_ram(0x21000 + 3 * 8, 8, 0x23000 | all);
	set_ram(0x22000, 8, LOW_TABLE | all);
	set_ram(0x23000, 8, DEV_TABLE | all);
	for (unsigned i = 0; i < 512; i++)
		set_ram(LOW_TABLE + 8 * i, 8, (i * 0x1000ull) | all);
	set_ram(DEV_TABLE, 8, DEV | all);
	set_ram(DEV_TABLE + 8, 8, (DEV + 0x1000) | all);
	rig.fake->reg[VCPU_CR0] = CR0_PAGING;
	rig.fake->reg[VCPU_CR3] = PML4;
	rig.fake->reg[VCPU_CR4] = 0x20;      /* PAE */
	rig.fake->reg[VCPU_EFER] |= BIT(11); /* NXE */
}

/* Changes page `n` at DEV_LA. */
static void set_page(unsigned n, uint64_t entry)
{
	set_ram(DEV_TABLE + 8 * n, 8, entry);
}

static int setup(void **state)
{
	rig_setup(state);
	page_on();
	for (unsigned i = 0; i < 16; i++)
		if (i != GPR_RSP)
			*gpr((enum vcpu_gpr)i) = 0x0101010101010101ull * i;
	return 0;
}

#define assert_page_fault(bytes, code, address)                                                    \
	do {                                                                                       \
		assert_fault(bytes, PF, code);                                                     \
		assert_int_equal(rig.fake->reg[VCPU_CR2], address);                                \
	} while (0)

static void test_paging_finds_the_device(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = DEV_LA + 0x1008;
	assert_done("\x8b\x06"); /* mov eax, [rsi] */
	assert_device_read(0, 0x1008, 4);
	/* Accessed and dirty, as the CPU sets them. */
	assert_int_equal(ram(DEV_TABLE + 8, 8) & 0x60, 0x20);
	assert_done("\x89\x06"); /* mov [rsi], eax */
	assert_int_equal(ram(DEV_TABLE + 8, 8) & 0x60, 0x60);
}

static void test_not_present(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = DEV_LA + 0x2004;
	assert_page_fault("\x8b\x06", 0, DEV_LA + 0x2004);
	assert_page_fault("\x89\x06", W, DEV_LA + 0x2004);
	fake_vcpu_set_cpl(rig.vcpu, 3);
	assert_page_fault("\x8b\x06", U, DEV_LA + 0x2004);
	assert_page_fault("\x89\x06", U | W, DEV_LA + 0x2004);
}

/* 'CR2: the linear address that caused the fault': in the second page it is that page's start. */
static void test_second_page(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = DEV_LA + 0x1ffe;
	assert_page_fault("\x8b\x06", 0, DEV_LA + 0x2000);
	assert_page_fault("\x89\x06", W, DEV_LA + 0x2000);
	assert_page_fault("\x48\x87\x06", W, DEV_LA + 0x2000); /* xchg [rsi], rax */
	*gpr(GPR_RSI) = DEV_LA + 0x1ffc;
	assert_done("\x8b\x06");
}

/* What the CPU has translated for the exit is taken as it is, for that page and with the rights
 * that it has checked: the tables, which say something else here, are walked for all the rest. */
static void test_known_translation(void **state)
{
	struct emulate_cause cause = {
		.has_la = true, .la = DEV_LA + 0x3010, .gpa = GPA(DEV + 0x1010)};

	(void)state;
	rig.cause = &cause;
	*gpr(GPR_RSI) = DEV_LA + 0x3ff8;
	assert_done("\x8b\x06"); /* mov eax, [rsi] */
	assert_device_read(0, 0x1ff8, 4);
	*gpr(GPR_RDI) = DEV_LA + 0x3ff0;
	assert_int_equal(execute("\xa4"), EMULATE_FAULT); /* movsb: the same page, to be written */
	assert_int_equal(rig.fake->vector, PF);
	assert_int_equal(rig.fake->error, W);
	assert_page_fault("\x09\x06", W, DEV_LA + 0x3ff8); /* or [rsi], eax */
	*gpr(GPR_RSI) = DEV_LA + 0x3ffe;
	assert_page_fault("\x8b\x06", 0, DEV_LA + 0x4000);
	cause.is_write = true;
	*gpr(GPR_RSI) = DEV_LA + 0x3020;
	*gpr(GPR_RAX) = 0x1234;
	assert_done("\x89\x06");
	assert_device_write(0, 0x1020, 4, 0x1234);
	assert_done("\x09\x06");
	*gpr(GPR_RSI) = DEV_LA + 0x2000;
	*gpr(GPR_RDI) = DEV_LA + 0x3020;
	assert_page_fault("\xa4", 0, DEV_LA + 0x2000);
	/* Code is always looked up. */
	cause = (struct emulate_cause){.has_la = true, .la = CODE, .gpa = GPA(DEV)};
	*gpr(GPR_RSI) = CODE;
	assert_done("\x8b\x06");
	assert_device_read(0, 0, 4);
}

/* What exits at CPL 3 may have been an access of the CPU's own, with a supervisor's rights
 * ('Implicit supervisor-mode accesses': descriptor tables, the TSS): the bytes are another thread's
 * by now, and its program has its own rights. */
static void test_known_translation_of_a_program(void **state)
{
	struct emulate_cause cause = {.has_la = true, .la = DEV_LA, .gpa = GPA(DEV)};

	(void)state;
	rig.cause = &cause;
	*gpr(GPR_RSI) = DEV_LA;
	fake_vcpu_set_cpl(rig.vcpu, 3);
	assert_done("\x8b\x06");
	set_page(0, DEV | ENTRY_P | ENTRY_W);
	assert_page_fault("\x8b\x06", P | U, DEV_LA);
	cause.is_write = true;
	assert_page_fault("\x89\x06", P | W | U, DEV_LA);
	set_page(0, DEV | ENTRY_P | ENTRY_U);
	assert_page_fault("\x89\x06", P | W | U, DEV_LA);
}

static void test_read_only_page(void **state)
{
	(void)state;
	set_page(0, DEV | ENTRY_P | ENTRY_U);
	*gpr(GPR_RSI) = *gpr(GPR_RDI) = DEV_LA;
	assert_done("\x8b\x06");
	assert_page_fault("\x89\x06", P | W, DEV_LA);
	/* Without CR0.WP the supervisor may. */
	rig.fake->reg[VCPU_CR0] &= ~BIT_ULL(16);
	assert_done("\x89\x06");
	assert_device_write(0, 0, 4, *gpr(GPR_RAX) & 0xffffffff);
}

/* An instruction that reads what it writes needs the right to write first: the device does not see
 * a read that will be done again. */
static void test_modify_read_only_page(void **state)
{
	(void)state;
	set_page(0, DEV | ENTRY_P | ENTRY_U);
	*gpr(GPR_RSI) = DEV_LA;
	*gpr(GPR_RAX) = dev(0, 4);
	assert_page_fault("\x09\x06", P | W, DEV_LA);     /* or [rsi], eax */
	assert_page_fault("\xf0\xff\x06", P | W, DEV_LA); /* lock inc dword [rsi] */
	assert_page_fault("\x87\x06", P | W, DEV_LA);     /* xchg [rsi], eax */
	assert_page_fault("\x0f\xc1\x1e", P | W, DEV_LA); /* xadd [rsi], ebx */
	assert_page_fault("\x0f\xb1\x1e", P | W, DEV_LA); /* cmpxchg [rsi], ebx: equal */
	*gpr(GPR_RAX) = dev(0, 4) + 1;
	assert_page_fault("\x0f\xb1\x1e", P | W, DEV_LA);     /* and unequal */
	assert_page_fault("\x0f\xba\x2e\x03", P | W, DEV_LA); /* bts dword [rsi], 3 */
	assert_done("\x39\x06");                              /* cmp [rsi], eax */
	assert_done("\x85\x06");                              /* test [rsi], eax */
	assert_done("\x0f\xba\x26\x03");                      /* bt dword [rsi], 3 */
	assert_done("\x03\x06");                              /* add eax, [rsi] */
}

static void test_supervisor_page(void **state)
{
	(void)state;
	set_page(0, DEV | ENTRY_P | ENTRY_W);
	*gpr(GPR_RSI) = DEV_LA;
	assert_done("\x8b\x06");
	fake_vcpu_set_cpl(rig.vcpu, 3);
	assert_page_fault("\x8b\x06", P | U, DEV_LA);
	assert_page_fault("\x89\x06", P | W | U, DEV_LA);
}

static void test_smap(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = DEV_LA;
	rig.fake->reg[VCPU_CR4] |= BIT(21);
	assert_page_fault("\x8b\x06", P, DEV_LA);
	*rflags() |= BIT(18); /* AC */
	assert_done("\x8b\x06");
}

/* A user page whose key is write-disabled is not written with what comes from a device, nor by a
 * device's page with such a key. */
static void test_protection_keys(void **state)
{
	(void)state;
	rig.fake->reg[VCPU_CR4] |= BIT(22);
	rig.fake->pkru = 2u << (2 * 7);
	set_ram(LOW_TABLE + 8 * (DATA >> 12), 8, DATA | 7ull << 59 | ENTRY_P | ENTRY_W | ENTRY_U);
	for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
		fake_vcpu_set_cpl(rig.vcpu, cpl);
		*gpr(GPR_RSI) = DEV_LA;
		*gpr(GPR_RDI) = DATA;
		assert_int_equal(execute("\xa4"), EMULATE_FAULT); /* movsb */
		assert_int_equal(rig.fake->vector, PF);
		assert_int_equal(rig.fake->error, PK | P | W | (cpl ? U : 0));
		assert_int_equal(rig.fake->reg[VCPU_CR2], DATA);
		assert_int_equal(*gpr(GPR_RDI), DATA);
		rig.fake->pkru = 0;
		assert_done("\xa4");
		rig.fake->pkru = 2u << (2 * 7);
	}
	set_page(0, DEV | 7ull << 59 | ENTRY_P | ENTRY_W | ENTRY_U);
	*gpr(GPR_RSI) = DEV_LA;
	assert_done("\x8b\x06");
	assert_page_fault("\x89\x06", PK | P | W | U, DEV_LA);
	rig.fake->pkru = 1u << (2 * 7);
	assert_page_fault("\x8b\x06", PK | P | U, DEV_LA);
}

static void test_reserved_bits(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = DEV_LA;
	set_page(0, BIT_ULL(39) | DEV | ENTRY_P | ENTRY_W); /* 39 bits of address */
	assert_page_fault("\x8b\x06", P | RSVD, DEV_LA);
	assert_page_fault("\x89\x06", P | RSVD | W, DEV_LA);
}

/* A table that is not in RAM: 'what the CPU reads there is all ones, with reserved bits set'. */
static void test_table_outside_ram(void **state)
{
	(void)state;
	set_ram(0x23000, 8, 0xfe000000 | ENTRY_P | ENTRY_W | ENTRY_U);
	*gpr(GPR_RSI) = DEV_LA + 0x10;
	assert_page_fault("\x8b\x06", P | RSVD, DEV_LA + 0x10);
	fake_vcpu_set_cpl(rig.vcpu, 3);
	assert_page_fault("\x89\x06", P | RSVD | W | U, DEV_LA + 0x10);
}

/* --- general protection --- */

/* 'If the memory address is in a non-canonical form: #GP(0); if it references the SS segment:
 * #SS(0)'. */
static void test_non_canonical(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = *gpr(GPR_RBP) = NON_CANONICAL;
	assert_fault("\x8b\x06", GP, 0);
	assert_fault("\x8b\x45\x00", SS, 0);     /* mov eax, [rbp] */
	assert_fault("\x64\x8b\x45\x00", GP, 0); /* mov eax, fs:[rbp] */
	*gpr(GPR_RSP) = 0xffff7ffffffffff0;
	assert_fault("\x8b\x04\x24", SS, 0); /* mov eax, [rsp] */
	*gpr(GPR_RSI) = 0;
	rig.fake->segment[SEG_GS].base = NON_CANONICAL;
	assert_fault("\x65\x8b\x06", GP, 0); /* mov eax, gs:[rsi] */
	*gpr(GPR_RDI) = NON_CANONICAL;
	*gpr(GPR_RSI) = DEV_LA;
	assert_fault("\xaa", GP, 0); /* stosb */
}

/* All of the operand counts, not its first byte. */
static void test_partly_non_canonical(void **state)
{
	(void)state;
	*gpr(GPR_RSI) = *gpr(GPR_RBP) = NON_CANONICAL - 4;
	assert_fault("\x48\x8b\x06", GP, 0);     /* mov rax, [rsi] */
	assert_fault("\x48\x89\x45\x00", SS, 0); /* mov [rbp], rax */
	assert_page_fault("\x8b\x06", 0, NON_CANONICAL - 4);
}

static void to_32_bit(void)
{
	fake_vcpu_set_mode_32(rig.vcpu);
	*gpr(GPR_RSI) = *gpr(GPR_RBP) = DEV;
}

/* 'Causes a #GP(0) any time an attempt is made to access [...] a byte at an offset greater than the
 * effective limit; a word at an offset greater than (limit - 1) [...]'. */
static void test_limits(void **state)
{
	(void)state;
	to_32_bit();
	rig.fake->segment[SEG_DS].limit = DEV + 3;
	rig.fake->segment[SEG_SS].limit = DEV + 3;
	assert_done("\x8b\x06"); /* mov eax, [esi] */
	*gpr(GPR_RSI) += 1;
	assert_fault("\x8b\x06", GP, 0);
	assert_done("\x8a\x46\x02"); /* mov al, [esi+2] */
	assert_fault("\x8a\x46\x03", GP, 0);
	assert_fault("\x36\x8b\x06", SS, 0); /* mov eax, ss:[esi] */
	assert_fault("\x8b\x45\x01", SS, 0); /* mov eax, [ebp+1] */
	assert_done("\x26\x8b\x06");         /* mov eax, es:[esi] */
	*gpr(GPR_RSI) = 0xfffffffe;
	rig.fake->segment[SEG_DS].limit = UINT32_MAX;
	assert_fault("\x8b\x06", GP, 0);
}

/* 'For expand-down data segments [...] the range is from (effective limit + 1) to FFFFFFFFH if the
 * B flag is set and [...] FFFFH if it is clear'. */
static void test_expand_down(void **state)
{
	struct vcpu_segment *ds = &rig.fake->segment[SEG_DS];

	(void)state;
	to_32_bit();
	ds->access |= BIT(2);
	ds->limit = DEV - 1;
	assert_done("\x8b\x06");
	*gpr(GPR_RSI) = DEV - 1;
	assert_fault("\x8b\x06", GP, 0);
	ds->access &= ~BIT(14);
	ds->limit = 0xfff;
	ds->base = DEV;
	*gpr(GPR_RSI) = 0x1000;
	assert_done("\x8b\x06");
	*gpr(GPR_RSI) = 0xfffd;
	assert_fault("\x8b\x06", GP, 0);
	*gpr(GPR_RSI) = 0xffc;
	assert_fault("\x8b\x06", GP, 0);
}

/* 'Attempting to write to a read-only data segment or a code segment, to read an execute-only code
 * segment'; 'null segment selector'. */
static void test_segment_types(void **state)
{
	struct vcpu_segment *ds = &rig.fake->segment[SEG_DS];
	const uint32_t flat = ds->access;

	(void)state;
	to_32_bit();
	ds->access = flat & ~BIT(1);
	assert_done("\x8b\x06");
	assert_fault("\x89\x06", GP, 0);
	assert_fault("\x01\x06", GP, 0); /* add [esi], eax */
	ds->access = flat | BIT(3);
	assert_done("\x8b\x06");
	assert_fault("\x89\x06", GP, 0);
	ds->access = (flat | BIT(3)) & ~BIT(1);
	assert_fault("\x8b\x06", GP, 0);
	ds->access = BIT(16);
	assert_fault("\x8b\x06", GP, 0);
	/* In 64-bit mode none of it is looked at. */
	fake_vcpu_set_mode_64(rig.vcpu);
	ds->access = BIT(16);
	assert_done("\x8b\x06");
	assert_done("\x89\x06");
}

/* Real mode has no types; the limit it has. */
static void test_real_mode_limit(void **state)
{
	(void)state;
	fake_vcpu_set_mode_16(rig.vcpu);
	rig.fake->reg[VCPU_EFER] = 0;
	rig.fake->segment[SEG_CS].base = CODE;
	rig.fake->segment[SEG_DS].base = 0xb0000;
	rig.fake->segment[SEG_DS].access = 0;
	*gpr(GPR_RBX) = 0xffff;
	assert_done("\x8a\x07"); /* mov al, [bx] */
	assert_fault("\x8b\x07", GP, 0);
}

/* --- strings --- */

/* 'A repeating string operation can be suspended by an exception [...]. When this happens, the
 * state of the registers is preserved to allow the string operation to be resumed': what was done
 * before stays done. */
static void test_rep_fault_keeps_what_was_done(void **state)
{
	(void)state;
	*gpr(GPR_RAX) = 0x33;
	*gpr(GPR_RDI) = DEV_LA + 0x1ffd;
	*gpr(GPR_RCX) = 10;
	assert_int_equal(execute("\xf3\xaa"), EMULATE_FAULT); /* rep stosb */
	assert_int_equal(rig.fake->vector, PF);
	assert_int_equal(rig.fake->error, W);
	assert_int_equal(rig.fake->reg[VCPU_CR2], DEV_LA + 0x2000);
	assert_int_equal(rig.count, 3);
	assert_int_equal(*gpr(GPR_RCX), 7);
	assert_int_equal(*gpr(GPR_RDI), DEV_LA + 0x2000);
	/* The guest's handler maps the page. */
	set_page(2, DEV | ENTRY_P | ENTRY_W | ENTRY_U);
	assert_int_equal(step(), EMULATE_DONE);
	assert_int_equal(rig.count, 7);
	assert_int_equal(*gpr(GPR_RCX), 0);
	assert_int_equal(rig.memory[6], 0x33);
}

/* 'When a page fault occurs during CMPS or SCAS instructions that are prefixed with REPNE, the
 * EFLAGS value is restored to the state prior to the execution of the instruction.' */
static void test_rep_fault_keeps_flags(void **state)
{
	const uint64_t flags = 2 | RFLAGS_CF | RFLAGS_OF | RFLAGS_ZF;

	(void)state;
	memset(rig.memory, 9, sizeof(rig.memory));
	*rflags() = flags;
	*gpr(GPR_RAX) = 0x33;
	*gpr(GPR_RDI) = DEV_LA + 0x1ffc;
	*gpr(GPR_RCX) = 100;
	assert_int_equal(execute("\xf2\xae"), EMULATE_FAULT); /* repne scasb */
	assert_int_equal(*gpr(GPR_RCX), 96);
	assert_int_equal(*rflags(), flags);
}

/* The destination of INS, all of it, is found writable before the port is read. */
static void test_ins_destination_first(void **state)
{
	(void)state;
	*gpr(GPR_RDX) = PORT;
	*gpr(GPR_RDI) = DEV_LA + 0x2000;
	assert_page_fault("\x6d", W, DEV_LA + 0x2000); /* insd */
	*gpr(GPR_RDI) = DEV_LA + 0x1ffe;
	assert_page_fault("\x6d", W, DEV_LA + 0x2000);
	*gpr(GPR_RDI) = NON_CANONICAL;
	assert_fault("\x6c", GP, 0);
	*gpr(GPR_RSI) = NON_CANONICAL;
	assert_fault("\x6e", GP, 0); /* outsb */
}

static void test_movs_to_read_only(void **state)
{
	struct vcpu_regs before;

	(void)state;
	set_ram(LOW_TABLE + 8 * (DATA >> 12), 8, DATA | ENTRY_P | ENTRY_U);
	*gpr(GPR_RSI) = DEV_LA;
	*gpr(GPR_RDI) = DATA;
	before = rig.vcpu->regs;
	assert_int_equal(execute("\xa5"), EMULATE_FAULT); /* movsd */
	assert_int_equal(rig.fake->error, P | W);
	assert_int_equal(rig.fake->reg[VCPU_CR2], DATA);
	assert_memory_equal(&rig.vcpu->regs, &before, sizeof(before));
}

/* --- fetch --- */

static void test_fetch_faults(void **state)
{
	const uint64_t code = ENTRY_P | ENTRY_W | ENTRY_U | CODE;

	(void)state;
	*gpr(GPR_RSI) = DEV_LA;
	set_ram(LOW_TABLE + 8 * (CODE >> 12), 8, code & ~ENTRY_P);
	assert_page_fault("\x8b\x06", I, CODE);
	set_ram(LOW_TABLE + 8 * (CODE >> 12), 8, code | ENTRY_XD);
	assert_page_fault("\x8b\x06", P | I, CODE);
	set_ram(LOW_TABLE + 8 * (CODE >> 12), 8, code & ~ENTRY_U);
	assert_done("\x8b\x06");
	fake_vcpu_set_cpl(rig.vcpu, 3);
	assert_page_fault("\x8b\x06", P | U | I, CODE);
	fake_vcpu_set_cpl(rig.vcpu, 0);
	set_ram(LOW_TABLE + 8 * (CODE >> 12), 8, code);
	rig.fake->reg[VCPU_CR4] |= BIT(20); /* SMEP */
	assert_page_fault("\x8b\x06", P | I, CODE);
}

/* An instruction that crosses into a page is fetched from it; one that ends before is not. */
static void test_fetch_across_pages(void **state)
{
	const uint64_t next = LOW_TABLE + 8 * ((CODE >> 12) + 1);

	(void)state;
	*gpr(GPR_RSI) = DEV_LA;
	/* mov eax, [rsi+0x100] */
	assert_int_equal(execute_at(CODE + 0xffd, "\x8b\x86\x00\x01\x00\x00", 6), EMULATE_DONE);
	assert_device_read(0, 0x100, 4);
	assert_int_equal(rig.e.len, 6);
	set_ram(next, 8, 0);
	assert_int_equal(execute_at(CODE + 0xffd, "\x8b\x86\x00\x01\x00\x00", 6), EMULATE_FAULT);
	assert_int_equal(rig.fake->vector, PF);
	assert_int_equal(rig.fake->error, I);
	assert_int_equal(rig.fake->reg[VCPU_CR2], CODE + 0x1000);
	assert_int_equal(rig.count, 0);
	assert_int_equal(execute_at(CODE + 0xffe, "\x8b\x06", 2), EMULATE_DONE);
}

/* 'Limit Checking': a byte of the instruction beyond the code segment's limit is #GP(0); one that
 * ends at the limit is not. */
static void test_fetch_limit(void **state)
{
	(void)state;
	fake_vcpu_set_mode_32(rig.vcpu);
	*gpr(GPR_RSI) = DEV_LA;
	rig.fake->segment[SEG_CS].limit = CODE + 1;
	assert_done("\x8b\x06"); /* mov eax, [esi] */
	assert_fault("\x8b\x46\x04", GP, 0);
	rig.fake->segment[SEG_CS].limit = CODE - 1;
	assert_fault("\x8b\x06", GP, 0);
}

/* 'A memory address in a non-canonical form' is #GP(0) for a fetch, too. */
static void test_fetch_not_canonical(void **state)
{
	(void)state;
	rig.fake->reg[VCPU_RIP] = NON_CANONICAL;
	assert_int_equal(step(), EMULATE_FAULT);
	assert_int_equal(rig.fake->vector, GP);
	assert_int_equal(rig.fake->error, 0);
	assert_int_equal(rig.count, 0);
}

static void test_fetch_outside_ram(void **state)
{
	(void)state;
	rig.fake->reg[VCPU_RIP] = DEV_LA;
	assert_int_equal(step(), EMULATE_FAILED);
	assert_non_null(strstr(rig.e.why, "not in RAM"));
	assert_int_equal(rig.e.byte_count, 0);
	assert_int_equal(rig.count, 0);
}

/* What Carousel does not execute is said, with the bytes, and no exception is made up for it. */
static void test_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} refused[] = {
		{"\x0f\x6f\x06", 3},     /* movq mm0, [rsi] */
		{"\xf3\x0f\x7f\x07", 4}, /* movdqu [rdi], xmm0 */
		{"\xff\x36", 2},         /* push qword [rsi] */
		{"\x8f\x06", 2},         /* pop qword [rsi] */
		{"\x0f\x01\xc1", 3},     /* vmcall */
		{"\x0f\x01\xd9", 3},     /* vmmcall */
		{"\xd9\x06", 2},         /* fld dword [rsi] */
	};

	(void)state;
	*gpr(GPR_RSI) = *gpr(GPR_RDI) = DEV_LA;
	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
		struct vcpu_regs before = rig.vcpu->regs;

		assert_int_equal(execute_at(CODE, refused[i].bytes, refused[i].len),
				 EMULATE_FAILED);
		assert_non_null(rig.e.why);
		assert_memory_equal(rig.e.bytes, refused[i].bytes, MIN(refused[i].len, 15u));
		assert_in_range(rig.e.byte_count, MIN(refused[i].len, 15u), 15);
		assert_memory_equal(&rig.vcpu->regs, &before, sizeof(before));
		assert_int_equal(rig.count, 0);
		assert_int_equal(rig.fake->exceptions, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_paging_finds_the_device),
		TEST(test_not_present),
		TEST(test_second_page),
		TEST(test_known_translation),
		TEST(test_known_translation_of_a_program),
		TEST(test_read_only_page),
		TEST(test_modify_read_only_page),
		TEST(test_supervisor_page),
		TEST(test_smap),
		TEST(test_protection_keys),
		TEST(test_reserved_bits),
		TEST(test_table_outside_ram),
		TEST(test_non_canonical),
		TEST(test_partly_non_canonical),
		TEST(test_limits),
		TEST(test_expand_down),
		TEST(test_segment_types),
		TEST(test_real_mode_limit),
		TEST(test_rep_fault_keeps_what_was_done),
		TEST(test_rep_fault_keeps_flags),
		TEST(test_ins_destination_first),
		TEST(test_movs_to_read_only),
		TEST(test_fetch_faults),
		TEST(test_fetch_across_pages),
		TEST(test_fetch_limit),
		TEST(test_fetch_not_canonical),
		TEST(test_fetch_outside_ram),
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
