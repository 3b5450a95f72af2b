/* The walk where tables and pages lie above 4 GiB: each bit of an address counts, in each place
 * that holds one. SDM, 'Paging', quoted at each test. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <asm/processor-flags.h>

#include "guest/pgwalk.h"
#include "lib/errno.h"
#include "mm/hostmap.h"

#define LMA   BIT_ULL(10)
#define FLAGS 7u /* present, writable, user */
#define LOW   0x3000ull
#define PAGE  0x1234000ull

static uint8_t ram[4][PAGE_SIZE] __aligned(PAGE_SIZE);
static struct gmem gmem;
static struct pgwalk_state st;

/* RAM of four tables at `base`, all empty. */
static uint64_t ram_at(uint64_t base)
{
	memset(ram, 0, sizeof(ram));
	gmem.count = 1;
	gmem.chunk[0] =
		(struct gmem_chunk){.base = GPA(base), .len = sizeof(ram), .host = ptr_to_hpa(ram)};
	return base;
}

static uint64_t *entry(unsigned table, unsigned index)
{
	return &((uint64_t *)(void *)ram[table])[index];
}

static uint64_t walk(uint64_t la)
{
	uint32_t code = 0;
	gpa_t gpa = GPA(0);

	assert_int_equal(pgwalk(&gmem, &st, la, PGWALK_WRITE, &gpa, &code), 0);
	return gpa.v;
}

/* '4-Level Paging': 'the physical address of the 4-KByte aligned table' is bits M-1:12, of CR3 and
 * of each entry; of a page of 4 KBytes M-1:12, of 2 MBytes M-1:21, of 1 GByte M-1:30. */
static void test_4_level(void **state)
{
	(void)state;
	st = (struct pgwalk_state){.maxphyaddr = 52,
				   .has_1g_pages = true,
				   .cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP,
				   .cr4 = X86_CR4_PAE,
				   .efer = LMA};
	for (unsigned bit = 15; bit < 52; bit++) {
		uint64_t base = ram_at(BIT_ULL(bit) | LOW), page = BIT_ULL(bit) | PAGE;

		st.cr3 = base;
		for (unsigned level = 0; level < 3; level++)
			*entry(level, level + 1) = (base + (level + 1) * PAGE_SIZE) | FLAGS;
		*entry(3, 4) = page | FLAGS;
		assert_true(walk(1ull << 39 | 2ull << 30 | 3 << 21 | 4 << 12 | 0x567) ==
			    (page | 0x567));
		if (bit >= 21) {
			*entry(2, 3) = BIT_ULL(bit) | FLAGS | 0x80;
			assert_true(walk(1ull << 39 | 2ull << 30 | 3 << 21 | 0x12345) ==
				    (BIT_ULL(bit) | 0x12345));
		}
		if (bit >= 30) {
			*entry(1, 2) = BIT_ULL(bit) | FLAGS | 0x80;
			assert_true(walk(1ull << 39 | 2ull << 30 | 0x12345678) ==
				    (BIT_ULL(bit) | 0x12345678));
		}
	}
}

/* 'PAE Paging': bits M-1:12 of the PDPTE, and of each entry; CR3 is not looked at. */
static void test_pae(void **state)
{
	(void)state;
	st = (struct pgwalk_state){.maxphyaddr = 52,
				   .has_1g_pages = true,
				   .cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP,
				   .cr3 = UINT64_MAX,
				   .cr4 = X86_CR4_PAE};
	for (unsigned which = 0; which < 4; which++) {
		for (unsigned bit = 15; bit < 52; bit++) {
			uint64_t base = ram_at(BIT_ULL(bit) | LOW), page = BIT_ULL(bit) | PAGE;
			uint64_t la = (uint64_t)which << 30;

			memset(st.pdpte, 0, sizeof(st.pdpte));
			st.pdpte[which] = base | 1;
			*entry(0, 511) = (base + PAGE_SIZE) | FLAGS;
			*entry(1, 510) = page | FLAGS;
			assert_true(walk(la | 511 << 21 | 510 << 12 | 0x567) == (page | 0x567));
			if (bit < 21)
				continue;
			*entry(0, 511) = BIT_ULL(bit) | FLAGS | 0x80;
			assert_true(walk(la | 511 << 21 | 0x12345) == (BIT_ULL(bit) | 0x12345));
		}
	}
}

/* '32-Bit Paging': CR3 31:12 and each entry's 31:12; 'bits 63:32 of CR3 are ignored'. A page of 4
 * MBytes has bits 39:32 of its address in 20:13. */
static void test_32_bit(void **state)
{
	(void)state;
	st = (struct pgwalk_state){
		.maxphyaddr = 40, .cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP, .cr4 = X86_CR4_PSE};
	for (unsigned bit = 15; bit < 32; bit++) {
		uint64_t base = ram_at(BIT_ULL(bit) | LOW), page = BIT_ULL(bit) | PAGE;

		st.cr3 = base | 0xabcdull << 32 | 0xfff;
		((uint32_t *)(void *)ram[0])[0x3ff] = (uint32_t)(base + PAGE_SIZE) | FLAGS;
		((uint32_t *)(void *)ram[1])[0x3fe] = (uint32_t)page | FLAGS;
		assert_true(walk(0xffffe567) == (page | 0x567));
	}
	for (unsigned bit = 32; bit < 40; bit++) {
		ram_at(LOW);
		st.cr3 = LOW;
		((uint32_t *)(void *)ram[0])[1] = 0xffc00000 | BIT(bit - 32 + 13) | FLAGS | 0x80;
		assert_true(walk(0x7fffff) == (BIT_ULL(bit) | 0xffffffff));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_4_level),
		cmocka_unit_test(test_pae),
		cmocka_unit_test(test_32_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
