/* The rules of MOV to CR0 and CR4. Quotes: SDM, 'MOV - Move to/from Control Registers', 'Control
 * Registers' and what the header names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "vmx/cr.h"
#include "vmx/cr_rules.h"

#define CS_L      BIT(13)
#define TSS32     0x8bu
#define TSS16     0x83u
#define PROTECTED (CR0_PE | CR0_ET | CR0_NE)
#define PAGED     (PROTECTED | CR0_PG)
#define ALLOWED   (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PCIDE | CR4_OSFXSR)

/* Protected mode without paging; ready for IA-32e mode. */
static const struct cr_state flat = {.cr0 = PROTECTED, .cr4 = CR4_PAE, .tr_access = TSS32};
static const struct cr_state ready = {
	.cr0 = PROTECTED, .cr4 = CR4_PAE, .efer = EFER_LME, .tr_access = TSS32};
static const struct cr_state compat = {
	.cr0 = PAGED, .cr4 = CR4_PAE, .efer = EFER_LME | EFER_LMA, .tr_access = TSS32};

/* '#GP(0): if an attempt is made to write invalid bit combinations in CR0 (such as setting the PG
 * flag to 1 when the PE flag is set to 0, or setting the CD flag to 0 when the NW flag is set to
 * 1)'; 'if an attempt is made to write a 1 to any reserved bit in CR0[63:32]'. */
static void test_cr0_bits(void **state)
{
	(void)state;
	assert_true(cr0_is_legal(&flat, PAGED));
	assert_true(cr0_is_legal(&flat, 0));
	assert_false(cr0_is_legal(&flat, CR0_PG));
	assert_false(cr0_is_legal(&flat, PROTECTED | CR0_NW));
	assert_true(cr0_is_legal(&flat, PROTECTED | CR0_NW | CR0_CD));
	assert_true(cr0_is_legal(&flat, PROTECTED | CR0_CD));
	assert_false(cr0_is_legal(&flat, PROTECTED | BIT_ULL(32)));
	assert_false(cr0_is_legal(&flat, PROTECTED | BIT_ULL(63)));
}

/* 'If an attempt is made to activate IA-32e mode and either the current CS has the L-bit set or
 * the TR references a 16-bit TSS'; 'if CR4.PAE = 0'. */
static void test_cr0_activates_long_mode(void **state)
{
	struct cr_state s = ready;

	(void)state;
	assert_true(cr0_is_legal(&s, PAGED));
	s.tr_access = TSS16;
	assert_false(cr0_is_legal(&s, PAGED));
	assert_true(cr0_is_legal(&s, PROTECTED)); /* not activated */
	s.tr_access = TSS16 & ~2u;                /* available */
	assert_false(cr0_is_legal(&s, PAGED));
	s.tr_access = TSS32 & ~2u;
	assert_true(cr0_is_legal(&s, PAGED));
	s = ready;
	s.cs_access = CS_L;
	assert_false(cr0_is_legal(&s, PAGED));
	s = ready;
	s.cr4 = 0;
	assert_false(cr0_is_legal(&s, PAGED));
	/* Without LME none of it matters. */
	s = (struct cr_state){.cr0 = PROTECTED, .cs_access = CS_L, .tr_access = TSS16};
	assert_true(cr0_is_legal(&s, PAGED));
	/* Nor when it is active already. */
	s = compat;
	s.tr_access = TSS16;
	assert_true(cr0_is_legal(&s, PAGED | CR0_CD));
}

/* 'If an attempt is made to clear CR0.PG [...] in 64-bit mode' and 'while CR4.PCIDE = 1'. */
static void test_cr0_ends_paging(void **state)
{
	struct cr_state s = compat;

	(void)state;
	assert_true(cr0_is_legal(&s, PROTECTED));
	s.cs_access = CS_L;
	assert_false(cr0_is_legal(&s, PROTECTED));
	assert_true(cr0_is_legal(&s, PAGED));
	/* CS.L means nothing outside IA-32e mode. */
	s.efer = 0;
	assert_true(cr0_is_legal(&s, PROTECTED));
	s = compat;
	s.cr4 |= CR4_PCIDE;
	assert_false(cr0_is_legal(&s, PROTECTED));
	assert_true(cr0_is_legal(&s, PAGED));
	s.cr0 = PROTECTED;
	assert_true(cr0_is_legal(&s, PROTECTED | CR0_CD)); /* it was not on */
}

/* 'If an attempt is made to leave IA-32e mode by clearing CR4.PAE[bit 5]'; 'to change CR4.PCIDE
 * from 0 to 1 while CR3[11:0] != 000H' or outside IA-32e mode; reserved bits. */
static void test_cr4(void **state)
{
	struct cr_state s = compat;

	(void)state;
	assert_true(cr4_is_legal(&s, CR4_PAE, ALLOWED));
	assert_false(cr4_is_legal(&s, 0, ALLOWED));
	assert_true(cr4_is_legal(&flat, 0, ALLOWED));
	assert_false(cr4_is_legal(&flat, CR4_UMIP, ALLOWED));
	assert_false(cr4_is_legal(&s, CR4_PAE | BIT_ULL(32), ALLOWED));
	assert_true(cr4_is_legal(&s, CR4_PAE | CR4_PCIDE, ALLOWED));
	s.cr3 = 0x1000;
	assert_true(cr4_is_legal(&s, CR4_PAE | CR4_PCIDE, ALLOWED));
	s.cr3 = 0x1001;
	assert_false(cr4_is_legal(&s, CR4_PAE | CR4_PCIDE, ALLOWED));
	s.cr3 = 0x1800;
	assert_false(cr4_is_legal(&s, CR4_PAE | CR4_PCIDE, ALLOWED));
	s.cr4 |= CR4_PCIDE; /* it stays */
	assert_true(cr4_is_legal(&s, CR4_PAE | CR4_PCIDE, ALLOWED));
	assert_false(cr4_is_legal(&flat, CR4_PAE | CR4_PCIDE, ALLOWED));
}

/* 'PDPTE Registers': 'If PAE paging would be in use following an execution of MOV to CR0 or MOV to
 * CR4 and the instruction is modifying any of CR0.CD, CR0.NW, CR0.PG, CR4.PAE, CR4.PGE, CR4.PSE, or
 * CR4.SMEP; then the PDPTEs are loaded from the address in CR3.' */
static void test_loads_pdptes(void **state)
{
	static const uint64_t cr0_bits[] = {CR0_CD, CR0_CD | CR0_NW};
	static const uint64_t cr4_bits[] = {CR4_PGE, CR4_PSE, CR4_SMEP};
	struct cr_state s = flat;

	(void)state;
	assert_true(cr0_loads_pdptes(&s, PAGED));
	assert_false(cr0_loads_pdptes(&s, PROTECTED | CR0_CD));
	assert_false(cr0_loads_pdptes(&ready, PAGED));
	s.cr4 = 0;
	assert_false(cr0_loads_pdptes(&s, PAGED));
	s = flat;
	s.cr0 = PAGED;
	assert_false(cr0_loads_pdptes(&s, PAGED));
	assert_false(cr0_loads_pdptes(&s, PAGED | CR0_WP));
	for (unsigned i = 0; i < ARRAY_SIZE(cr0_bits); i++)
		assert_true(cr0_loads_pdptes(&s, PAGED | cr0_bits[i]));
	s.cr0 = PAGED | CR0_CD | CR0_NW;
	assert_true(cr0_loads_pdptes(&s, PAGED | CR0_CD));

	s = flat;
	assert_false(cr4_loads_pdptes(&s, CR4_PAE | CR4_PGE));
	s.cr0 = PAGED;
	assert_false(cr4_loads_pdptes(&s, CR4_PAE));
	assert_false(cr4_loads_pdptes(&s, CR4_PAE | CR4_SMAP));
	assert_false(cr4_loads_pdptes(&s, CR4_PGE)); /* no longer PAE paging */
	for (unsigned i = 0; i < ARRAY_SIZE(cr4_bits); i++) {
		assert_true(cr4_loads_pdptes(&s, CR4_PAE | cr4_bits[i]));
		assert_false(cr4_loads_pdptes(&compat, CR4_PAE | cr4_bits[i]));
	}
	s.cr4 = 0;
	assert_true(cr4_loads_pdptes(&s, CR4_PAE));
}

/* 'Bits 2:1: reserved (must be 0); 8:5: reserved (must be 0); 63:M: reserved (must be 0)'; 'if the
 * P flag is 0, bits 63:1 are ignored'. */
static void test_pdptes(void **state)
{
	static const unsigned reserved[] = {1, 2, 5, 6, 7, 8, 40, 45, 51, 52, 62, 63};
	static const unsigned permitted[] = {3, 4, 9, 10, 11, 12, 39};

	(void)state;
	for (unsigned place = 0; place < 4; place++) {
		for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) {
			uint64_t pdpte[4] = {0};

			pdpte[place] = BIT_ULL(reserved[i]);
			assert_true(pdptes_are_legal(pdpte, 40));
			pdpte[place] |= 1;
			assert_false(pdptes_are_legal(pdpte, 40));
		}
		for (unsigned i = 0; i < ARRAY_SIZE(permitted); i++) {
			uint64_t pdpte[4] = {0};

			pdpte[place] = BIT_ULL(permitted[i]) | 1;
			assert_true(pdptes_are_legal(pdpte, 40));
		}
	}
	assert_true(pdptes_are_legal((uint64_t[4]){BIT_ULL(51) | 1}, 52));
	assert_false(pdptes_are_legal((uint64_t[4]){BIT_ULL(36) | 1}, 36));
}

/* 'Operations that Invalidate TLBs and Paging-Structure Caches'. */
static void test_flushes(void **state)
{
	(void)state;
	assert_false(cr0_flushes(PAGED, PAGED));
	assert_true(cr0_flushes(PAGED, PROTECTED));
	assert_true(cr0_flushes(PROTECTED, PAGED));
	assert_true(cr0_flushes(PAGED, PAGED | CR0_WP));
	assert_true(cr0_flushes(PAGED | CR0_CD, PAGED));
	assert_true(cr0_flushes(PAGED | CR0_CD | CR0_NW, PAGED | CR0_CD));
	assert_false(cr0_flushes(PAGED, PAGED & ~CR0_NE));

	assert_false(cr4_flushes(CR4_PAE, CR4_PAE | CR4_OSFXSR));
	assert_true(cr4_flushes(CR4_PAE, 0));
	assert_true(cr4_flushes(0, CR4_PGE));
	assert_true(cr4_flushes(CR4_PGE, 0));
	assert_true(cr4_flushes(CR4_PCIDE, 0));
	assert_true(cr4_flushes(0, CR4_SMEP));
	assert_true(cr4_flushes(CR4_PSE, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cr0_bits),
		cmocka_unit_test(test_cr0_activates_long_mode),
		cmocka_unit_test(test_cr0_ends_paging),
		cmocka_unit_test(test_cr4),
		cmocka_unit_test(test_loads_pdptes),
		cmocka_unit_test(test_pdptes),
		cmocka_unit_test(test_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
