/* The walk of guest page tables: SDM, 'Paging', quoted at each test. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include <asm/processor-flags.h>

#include "guest/pgwalk.h"
#include "lib/errno.h"
#include "mm/hostmap.h"

#define LMA BIT_ULL(10)
#define NXE BIT_ULL(11)
#define XD  BIT_ULL(63)

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80 };
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, PF_PK = 32 };

/* Guest RAM is [0x2f0000, 0x2f8000): the tables. What leaves map need not be RAM. */
#define RAM 0x2f0000ull
static uint8_t ram[8][PAGE_SIZE] __aligned(PAGE_SIZE);
static struct gmem gmem;
static struct pgwalk_state st;
static gpa_t gpa;
static uint32_t code;

static uint64_t table_at(unsigned n)
{
	return RAM + n * PAGE_SIZE;
}

static uint64_t *e8(unsigned table, unsigned index)
{
	return &((uint64_t *)(void *)ram[table])[index];
}

static uint32_t *e4(unsigned table, unsigned index)
{
	return &((uint32_t *)(void *)ram[table])[index];
}

static int walk(uint64_t la, enum pgwalk_access access)
{
	gpa.v = 0xdeadull;
	code = 0xdead;
	return pgwalk(&gmem, &st, la, access, &gpa, &code);
}

#define assert_maps(la, access, to)                                                                \
	do {                                                                                       \
		assert_int_equal(walk(la, access), 0);                                             \
		assert_true(gpa.v == (to));                                                        \
	} while (0)

#define assert_faults(la, access, error)                                                           \
	do {                                                                                       \
		assert_int_equal(walk(la, access), -EFAULT);                                       \
		assert_int_equal(code, error);                                                     \
		assert_true(gpa.v == 0xdead);                                                      \
	} while (0)

static int setup(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	gmem.count = 1;
	gmem.chunk[0] =
		(struct gmem_chunk){.base = GPA(RAM), .len = sizeof(ram), .host = ptr_to_hpa(ram)};
	st = (struct pgwalk_state){.maxphyaddr = 40, .has_1g_pages = true};
	return 0;
}

/* Linear address of 4-level indexes, and tables 0..3 that map it to a 4K page at `pte`. */
#define LA4(a, b, c, d) ((uint64_t)(a) << 39 | (uint64_t)(b) << 30 | (c) << 21 | (d) << 12)
#define LA              (LA4(1, 2, 3, 4) | 0x567)

static int setup_4level(void **state)
{
	setup(state);
	st.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
	st.cr3 = table_at(0) | 0x123; /* a PCID in the low bits */
	st.cr4 = X86_CR4_PAE;
	st.efer = LMA | NXE;
	*e8(0, 1) = table_at(1) | P | W | U;
	*e8(1, 2) = table_at(2) | P | W | U;
	*e8(2, 3) = table_at(3) | P | W | U;
	*e8(3, 4) = 0x1234567000 | P | W | U;
	return 0;
}

/* 'CR0.PG = 0: paging is not used. [...] linear addresses are treated as physical addresses.' */
static void test_no_paging(void **state)
{
	(void)state;
	st.cr3 = 0xfffff000;
	assert_maps(0xfee00300, PGWALK_WRITE, 0xfee00300);
	assert_maps(0x1fee00300, PGWALK_FETCH, 0xfee00300);
}

static void test_4level_leaves(void **state)
{
	(void)state;
	assert_maps(LA, PGWALK_READ, 0x1234567567);
	*e8(2, 3) = 0x00ffe00000 | P | W | U | PS; /* 2M */
	assert_maps(LA, PGWALK_READ, 0x00ffe04567);
	*e8(1, 2) = 0x80c0000000 | P | W | U | PS; /* 1G */
	assert_maps(LA, PGWALK_READ, 0x80c0604567);
	/* The canonical upper half: bits 63:48 take no part. */
	*e8(0, 511) = table_at(1) | P | W | U;
	assert_maps(0xffff000000000000 | LA4(511, 2, 0, 0), PGWALK_READ, 0x80c0000000);
	/* 'Ignored' bits: 11:9, 58:52, and 62:59 without protection keys. */
	*e8(1, 2) |= 0x7ff0000000000e00;
	assert_maps(LA, PGWALK_READ, 0x80c0604567);
}

/* 'P flag (bit 0). This flag is 0 if there is no translation for the linear address because the P
 * flag was 0 in one of the paging-structure entries.' */
static void test_not_present_at_each_level(void **state)
{
	uint64_t *entry[4] = {e8(0, 1), e8(1, 2), e8(2, 3), e8(3, 4)};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t was = *entry[i];

		*entry[i] = 0x7ffffffffffffffe; /* whatever else is in it */
		assert_faults(LA, PGWALK_READ, 0);
		assert_faults(LA, PGWALK_WRITE, PF_W);
		st.cpl = 3;
		assert_faults(LA, PGWALK_WRITE, PF_W | PF_U);
		st.cpl = 0;
		*entry[i] = was;
	}
	assert_maps(LA, PGWALK_READ, 0x1234567567);
}

/* 'RSVD flag (bit 3). This flag is 1 if [...] a reserved bit was set in one of the paging-structure
 * entries.' */
static void test_reserved_bits_4level(void **state)
{
	uint64_t *entry[4] = {e8(0, 1), e8(1, 2), e8(2, 3), e8(3, 4)};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		/* '51:M Reserved (must be 0)' */
		for (unsigned bit = st.maxphyaddr; bit < 52; bit++) {
			*entry[i] ^= BIT_ULL(bit);
			assert_faults(LA, PGWALK_READ, PF_P | PF_RSVD);
			*entry[i] ^= BIT_ULL(bit);
		}
		/* 'If IA32_EFER.NXE = 1, execute-disable [...]; otherwise, reserved (must be 0)' */
		st.efer = LMA;
		*entry[i] ^= XD;
		assert_faults(LA, PGWALK_WRITE, PF_P | PF_RSVD | PF_W);
		*entry[i] ^= XD;
		st.efer = LMA | NXE;
	}
	/* PML4E: bit 7 'Reserved (must be 0)'. */
	*entry[0] |= PS;
	assert_faults(LA, PGWALK_READ, PF_P | PF_RSVD);
	*entry[0] &= ~(uint64_t)PS;
	/* 2M page: '20:13 Reserved (must be 0)'; bit 12 is PAT. */
	*entry[2] = 0x200000 | BIT(12) | P | U | W | PS;
	assert_maps(LA, PGWALK_READ, 0x204567);
	for (unsigned bit = 13; bit < 21; bit++) {
		*entry[2] ^= BIT_ULL(bit);
		assert_faults(LA, PGWALK_READ, PF_P | PF_RSVD);
		*entry[2] ^= BIT_ULL(bit);
	}
	/* 1G page: '29:13 Reserved (must be 0)'. */
	*entry[1] = 0x40000000 | BIT(12) | P | U | W | PS;
	assert_maps(LA, PGWALK_READ, 0x40604567);
	for (unsigned bit = 13; bit < 30; bit++) {
		*entry[1] ^= BIT_ULL(bit);
		assert_faults(LA, PGWALK_READ, PF_P | PF_RSVD);
		*entry[1] ^= BIT_ULL(bit);
	}
	st.maxphyaddr = 52;
	*entry[1] |= BIT_ULL(51);
	assert_maps(LA, PGWALK_READ, 0x8000040604567);
}

/* 'every paging-structure entry controlling the translation' must have U/S (user-mode) and R/W
 * (write). */
static void test_rights_of_each_level(void **state)
{
	uint64_t *entry[4] = {e8(0, 1), e8(1, 2), e8(2, 3), e8(3, 4)};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		*entry[i] &= ~(uint64_t)U;
		assert_maps(LA, PGWALK_WRITE, 0x1234567567);
		st.cpl = 3;
		assert_faults(LA, PGWALK_READ, PF_P | PF_U);
		assert_faults(LA, PGWALK_FETCH, PF_P | PF_U | PF_I);
		*entry[i] |= U;
		*entry[i] &= ~(uint64_t)W;
		assert_maps(LA, PGWALK_READ, 0x1234567567);
		assert_faults(LA, PGWALK_WRITE, PF_P | PF_U | PF_W);
		st.cpl = 0;
		assert_faults(LA, PGWALK_WRITE, PF_P | PF_W);
		/* 'If CR0.WP = 0, data may be written to any supervisor-mode address' and user-mode
		 * address; user-mode writes still need R/W. */
		st.cr0 &= ~X86_CR0_WP;
		assert_maps(LA, PGWALK_WRITE, 0x1234567567);
		st.cpl = 3;
		assert_faults(LA, PGWALK_WRITE, PF_P | PF_U | PF_W);
		st.cpl = 0;
		st.cr0 |= X86_CR0_WP;
		*entry[i] |= W;
		*entry[i] |= XD;
		assert_maps(LA, PGWALK_READ, 0x1234567567);
		assert_faults(LA, PGWALK_FETCH, PF_P | PF_I);
		*entry[i] &= ~XD;
	}
	assert_maps(LA, PGWALK_FETCH, 0x1234567567);
}

/* 'CR4.SMEP = 1: instructions may [not] be fetched from any user-mode address' in supervisor mode.
 */
static void test_smep(void **state)
{
	(void)state;
	assert_maps(LA, PGWALK_FETCH, 0x1234567567);
	st.cr4 |= X86_CR4_SMEP;
	assert_faults(LA, PGWALK_FETCH, PF_P | PF_I);
	assert_maps(LA, PGWALK_WRITE, 0x1234567567);
	st.cpl = 3;
	assert_maps(LA, PGWALK_FETCH, 0x1234567567);
	st.cpl = 0;
	*e8(3, 4) &= ~(uint64_t)U;
	assert_maps(LA, PGWALK_FETCH, 0x1234567567);
}

/* 'If CR4.SMAP = 1, access rights depend on the value of EFLAGS.AC: if AC = 1 [...] data may be
 * read from any user-mode address; if AC = 0, [...] may not' */
static void test_smap(void **state)
{
	(void)state;
	st.cr4 |= X86_CR4_SMAP;
	assert_faults(LA, PGWALK_READ, PF_P);
	assert_faults(LA, PGWALK_WRITE, PF_P | PF_W);
	assert_maps(LA, PGWALK_FETCH, 0x1234567567);
	st.cr0 &= ~X86_CR0_WP; /* WP does not matter */
	assert_faults(LA, PGWALK_WRITE, PF_P | PF_W);
	st.rflags = X86_EFLAGS_AC;
	assert_maps(LA, PGWALK_WRITE, 0x1234567567);
	st.rflags = 0;
	st.cpl = 3;
	assert_maps(LA, PGWALK_WRITE, 0x1234567567);
	st.cpl = 0;
	*e8(0, 1) &= ~(uint64_t)U;
	assert_maps(LA, PGWALK_WRITE, 0x1234567567);
}

#define KEY(n) ((uint64_t)(n) << 59)

/* 'ADi: data accesses to user-mode addresses with protection key i are prohibited', 'WDi: writes
 * [...] from user mode are prohibited; from supervisor mode if CR0.WP = 1'. The error code says
 * that it was the key whenever the key alone would have prohibited it. */
static void test_protection_keys(void **state)
{
	(void)state;
	for (unsigned key = 0; key < 16; key++) {
		const uint32_t access_off = BIT(2 * key), write_off = BIT(2 * key + 1);

		*e8(3, 4) = 0x1234567000 | P | W | U | KEY(key);
		st.cr4 |= X86_CR4_PKE;
		st.pkru = ~(access_off | write_off); /* every other key is closed */
		assert_maps(LA, PGWALK_READ, 0x1234567567);
		assert_maps(LA, PGWALK_WRITE, 0x1234567567);
		for (unsigned cpl = 0; cpl < 4; cpl++) {
			uint32_t user = cpl == 3 ? PF_U : 0;

			st.cpl = (uint8_t)cpl;
			st.pkru = access_off;
			assert_faults(LA, PGWALK_READ, PF_P | PF_PK | user);
			assert_faults(LA, PGWALK_WRITE, PF_P | PF_PK | PF_W | user);
			assert_maps(LA, PGWALK_FETCH, 0x1234567567);
			st.pkru = write_off;
			assert_maps(LA, PGWALK_READ, 0x1234567567);
			assert_faults(LA, PGWALK_WRITE, PF_P | PF_PK | PF_W | user);
			st.cr0 &= ~X86_CR0_WP;
			if (user)
				assert_faults(LA, PGWALK_WRITE, PF_P | PF_PK | PF_W | user);
			else
				assert_maps(LA, PGWALK_WRITE, 0x1234567567);
			st.pkru = access_off; /* CR0.WP has nothing to do with it */
			assert_faults(LA, PGWALK_READ, PF_P | PF_PK | user);
			st.cr0 |= X86_CR0_WP;
		}
		st.cpl = 0;
		st.pkru = access_off | write_off;
		st.cr4 &= ~X86_CR4_PKE; /* the bits are ignored then */
		assert_maps(LA, PGWALK_WRITE, 0x1234567567);
	}
}

/* A key is the leaf's, of every size, and means nothing on supervisor pages. */
static void test_protection_keys_of_leaves(void **state)
{
	(void)state;
	st.cr4 |= X86_CR4_PKE;
	st.pkru = BIT(2 * 5);
	for (unsigned i = 0; i < 3; i++)
		*e8(i, i + 1) |= KEY(5); /* not leaves */
	assert_maps(LA, PGWALK_WRITE, 0x1234567567);
	*e8(2, 3) = 0xffe00000 | P | W | U | PS | KEY(5);
	assert_faults(LA, PGWALK_READ, PF_P | PF_PK);
	*e8(1, 2) = 0x80c0000000 | P | W | U | PS | KEY(5);
	assert_faults(LA, PGWALK_READ, PF_P | PF_PK);
	assert_int_equal(*e8(1, 2) & (A | D), 0); /* a fault leaves no trace in it */
	for (unsigned i = 0; i < 2; i++) {
		*e8(i, i + 1) &= ~(uint64_t)U;
		assert_maps(LA, PGWALK_READ, 0x80c0604567);
		st.cpl = 3; /* no key is looked at for the supervisor's */
		assert_faults(LA, PGWALK_READ, PF_P | PF_U);
		st.cpl = 0;
		*e8(i, i + 1) |= U;
	}
	/* 'SMAP': both say no, and the key is told. A read-only page likewise. */
	st.cr4 |= X86_CR4_SMAP;
	assert_faults(LA, PGWALK_READ, PF_P | PF_PK);
	st.rflags = X86_EFLAGS_AC;
	assert_faults(LA, PGWALK_READ, PF_P | PF_PK);
	*e8(1, 2) &= ~(uint64_t)W;
	assert_faults(LA, PGWALK_WRITE, PF_P | PF_PK | PF_W);
	/* Not present, or malformed: nothing is said about keys. */
	*e8(1, 2) |= BIT_ULL(13);
	assert_faults(LA, PGWALK_READ, PF_P | PF_RSVD);
	*e8(1, 2) &= ~(uint64_t)P;
	assert_faults(LA, PGWALK_READ, 0);
}

/* 'If the processor does not support 1-GByte pages, bit 7 [of a PDPTE] is reserved (must be 0).' */
static void test_without_1g_pages(void **state)
{
	(void)state;
	*e8(1, 2) = 0x80c0000000 | P | W | U | PS;
	assert_maps(LA, PGWALK_READ, 0x80c0604567);
	st.has_1g_pages = false;
	assert_faults(LA, PGWALK_READ, PF_P | PF_RSVD);
	*e8(1, 2) = table_at(2) | P | W | U;
	*e8(2, 3) = 0xffe00000 | P | W | U | PS;
	assert_maps(LA, PGWALK_READ, 0xffe04567);
}

/* 'Whenever there is a write to a linear address, the processor sets the dirty flag [...] in the
 * paging-structure entry that identifies the final physical address'; the accessed flag in each. */
static void test_accessed_and_dirty(void **state)
{
	uint64_t *entry[4] = {e8(0, 1), e8(1, 2), e8(2, 3), e8(3, 4)};

	(void)state;
	st.cpl = 3;
	*entry[3] &= ~(uint64_t)W;
	assert_faults(LA, PGWALK_WRITE, PF_P | PF_U | PF_W);
	for (unsigned i = 0; i < 4; i++)
		assert_false(*entry[i] & (A | D)); /* a fault leaves no dirty page behind */
	assert_maps(LA, PGWALK_READ, 0x1234567567);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(*entry[i] & (A | D), A);
	*entry[3] |= W;
	assert_maps(LA, PGWALK_WRITE, 0x1234567567);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(*entry[i] & (A | D), i == 3 ? A | D : A);
	*entry[2] = 0x200000 | P | W | U | PS;
	assert_maps(LA, PGWALK_WRITE, 0x204567);
	assert_int_equal(*entry[2] & (A | D), A | D);
}

/* '-ENXIO when a table lies outside guest RAM' */
static void test_tables_outside_ram(void **state)
{
	(void)state;
	*e8(2, 3) = 0x7ffff000 | P | W | U;
	assert_int_equal(walk(LA, PGWALK_READ), -ENXIO);
	st.cr3 = 0xfffffff000;
	assert_int_equal(walk(LA, PGWALK_READ), -ENXIO);
}

/* A table that points to itself is a translation like any other, and ends. */
static void test_recursive_tables(void **state)
{
	(void)state;
	*e8(0, 7) = table_at(0) | P | W;
	assert_maps(LA4(7, 7, 7, 7) | 8, PGWALK_WRITE, table_at(0) + 8);
	assert_int_equal(*e8(0, 7) & (A | D), A | D);
}

static void *flipper(void *arg)
{
	uint32_t *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(e8(3, 4), 0x1000 | P | W | U, __ATOMIC_SEQ_CST);
		__atomic_store_n(e8(3, 4), 0x5000, __ATOMIC_SEQ_CST); /* swapped out */
	}
	return NULL;
}

/* Another vCPU takes the entry away meanwhile: the walk faults or succeeds, never marks what it did
 * not use, and ends. */
static void test_an_entry_that_changes(void **state)
{
	uint32_t stop = 0;
	pthread_t thread;

	(void)state;
	*e8(3, 4) = 0x5000;
	assert_int_equal(pthread_create(&thread, NULL, flipper, &stop), 0);
	for (unsigned i = 0; i < 200000; i++) {
		int err = walk(LA, PGWALK_WRITE);
		uint64_t now = __atomic_load_n(e8(3, 4), __ATOMIC_SEQ_CST);

		assert_true(err == 0 ? gpa.v == 0x1567 : err == -EFAULT && code == PF_W);
		assert_true((now & P) || now == 0x5000);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

/* --- PAE and 32-bit ------------------------------------------------------------------------------
 */

static int setup_pae(void **state)
{
	setup(state);
	st.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
	st.cr3 = 0xbad000; /* the PDPTEs are loaded, CR3 is not looked at */
	st.cr4 = X86_CR4_PAE;
	st.pdpte[3] = table_at(1) | P;
	*e8(1, 0x123) = table_at(2) | P | W | U;
	*e8(2, 0x45) = 0x9876543000 | P | W | U;
	return 0;
}

#define LA_PAE (3ull << 30 | 0x123ull << 21 | 0x45ull << 12 | 0x678)

static void test_pae(void **state)
{
	(void)state;
	assert_maps(LA_PAE, PGWALK_WRITE, 0x9876543678);
	assert_maps(0x500000000 | LA_PAE, PGWALK_READ, 0x9876543678); /* 32 bits count */
	assert_int_equal(*e8(1, 0x123) & (A | D), A);
	assert_int_equal(*e8(2, 0x45) & (A | D), A | D);
	assert_int_equal(st.pdpte[3], table_at(1) | P); /* has no flags */
	st.cpl = 3;
	assert_maps(LA_PAE, PGWALK_WRITE, 0x9876543678); /* and no rights */
	assert_faults(0x40000000, PGWALK_READ, PF_U);    /* PDPTE 1 is not present */
	st.cpl = 0;
	st.cr4 |= X86_CR4_PKE; /* keys come with 4-level paging only */
	st.pkru = UINT32_MAX;
	assert_maps(LA_PAE, PGWALK_WRITE, 0x9876543678);

	/* The I/D flag wants NXE or SMEP. */
	*e8(2, 0x45) = 0;
	assert_faults(LA_PAE, PGWALK_FETCH, 0);
	st.efer = NXE;
	assert_faults(LA_PAE, PGWALK_FETCH, PF_I);
	st.efer = 0;
	st.cr4 |= X86_CR4_SMEP;
	assert_faults(LA_PAE, PGWALK_FETCH, PF_I);

	*e8(1, 0x123) = 0x9800000000 | P | W | PS; /* 2M */
	assert_maps(LA_PAE, PGWALK_READ, 0x9800045678);
	/* '62:M Reserved (must be 0)': here also 62:52. */
	for (unsigned bit = 40; bit < 64; bit++) {
		*e8(1, 0x123) ^= BIT_ULL(bit);
		assert_faults(LA_PAE, PGWALK_READ, PF_P | PF_RSVD);
		*e8(1, 0x123) ^= BIT_ULL(bit);
	}
	st.efer = NXE;
	*e8(1, 0x123) |= XD;
	assert_maps(LA_PAE, PGWALK_READ, 0x9800045678);
	assert_faults(LA_PAE, PGWALK_FETCH, PF_P | PF_I);
	*e8(1, 0x123) |= BIT(13);
	assert_faults(LA_PAE, PGWALK_READ, PF_P | PF_RSVD);
}

static int setup_32(void **state)
{
	setup(state);
	st.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
	st.cr3 = table_at(1) | 0x18;
	*e4(1, 0x3ab) = (uint32_t)table_at(2) | P | W | U;
	*e4(2, 0x12c) = 0xfee00000 | P | W | U;
	*e4(2, 0x12d) = 0x55555000 | P | W | U; /* the neighbour in the same 8 bytes */
	return 0;
}

#define LA_32 (0x3abu << 22 | 0x12cu << 12 | 0x300)

static void test_32bit(void **state)
{
	(void)state;
	assert_maps(LA_32, PGWALK_WRITE, 0xfee00300);
	assert_maps(0x700000000 | LA_32, PGWALK_READ, 0xfee00300);
	assert_int_equal(*e4(1, 0x3ab), table_at(2) | P | W | U | A);
	assert_int_equal(*e4(2, 0x12c), 0xfee00000 | P | W | U | A | D);
	assert_int_equal(*e4(2, 0x12d), 0x55555000 | P | W | U);
	st.cr4 |= X86_CR4_PKE; /* no keys */
	st.pkru = UINT32_MAX;
	assert_maps(LA_32, PGWALK_WRITE, 0xfee00300);
	*e4(2, 0x12c) &= ~(uint32_t)W;
	assert_faults(LA_32, PGWALK_WRITE, PF_P | PF_W);
	st.cr0 &= ~X86_CR0_WP;
	assert_maps(LA_32, PGWALK_WRITE, 0xfee00300);
	st.cpl = 3;
	assert_faults(LA_32, PGWALK_WRITE, PF_P | PF_W | PF_U);
	*e4(1, 0x3ab) &= ~(uint32_t)U;
	assert_faults(LA_32, PGWALK_FETCH, PF_P | PF_U);
	*e4(1, 0x3ab) = 0;
	assert_faults(LA_32, PGWALK_READ, PF_U);
}

/* 'CR4.PSE = 1 and the PDE's PS flag is 1: a 4-MByte page'; with PSE-36 its bits 20:13 are address
 * bits 39:32, and of bits 21:13 those above MAXPHYADDR are reserved. */
static void test_32bit_4m_pages(void **state)
{
	(void)state;
	*e4(1, 0x3ab) = 0x7fc00000 | P | W | U | PS;
	assert_int_equal(walk(LA_32, PGWALK_READ), -ENXIO); /* PSE is off: bit 7 is ignored */
	st.cr4 = X86_CR4_PSE;
	assert_maps(LA_32, PGWALK_WRITE, 0x7fd2c300);
	assert_int_equal(*e4(1, 0x3ab), 0x7fc00000 | P | W | U | PS | A | D);
	*e4(1, 0x3ab) |= 0xa5 << 13;
	assert_maps(LA_32, PGWALK_READ, 0xa57fd2c300);
	st.maxphyaddr = 39; /* bit 20 is reserved */
	assert_faults(LA_32, PGWALK_READ, PF_P | PF_RSVD);
	*e4(1, 0x3ab) = 0x7fc00000 | 0x25 << 13 | P | W | U | PS;
	assert_maps(LA_32, PGWALK_READ, 0x257fd2c300);
	st.maxphyaddr = 52;
	*e4(1, 0x3ab) |= BIT(21);
	assert_faults(LA_32, PGWALK_READ, PF_P | PF_RSVD);
	st.maxphyaddr = 32;
	*e4(1, 0x3ab) = 0x7fc00000 | BIT(13) | P | W | U | PS;
	assert_faults(LA_32, PGWALK_READ, PF_P | PF_RSVD);
	/* Bit 12 is PAT; a PTE has no reserved bits. */
	*e4(1, 0x3ab) = 0x7fc00000 | BIT(12) | P | W | U | PS;
	assert_maps(LA_32, PGWALK_READ, 0x7fd2c300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_paging, setup),
		cmocka_unit_test_setup(test_4level_leaves, setup_4level),
		cmocka_unit_test_setup(test_not_present_at_each_level, setup_4level),
		cmocka_unit_test_setup(test_reserved_bits_4level, setup_4level),
		cmocka_unit_test_setup(test_rights_of_each_level, setup_4level),
		cmocka_unit_test_setup(test_smep, setup_4level),
		cmocka_unit_test_setup(test_smap, setup_4level),
		cmocka_unit_test_setup(test_protection_keys, setup_4level),
		cmocka_unit_test_setup(test_protection_keys_of_leaves, setup_4level),
		cmocka_unit_test_setup(test_without_1g_pages, setup_4level),
		cmocka_unit_test_setup(test_accessed_and_dirty, setup_4level),
		cmocka_unit_test_setup(test_tables_outside_ram, setup_4level),
		cmocka_unit_test_setup(test_recursive_tables, setup_4level),
		cmocka_unit_test_setup(test_an_entry_that_changes, setup_4level),
		cmocka_unit_test_setup(test_pae, setup_pae),
		cmocka_unit_test_setup(test_32bit, setup_32),
		cmocka_unit_test_setup(test_32bit_4m_pages, setup_32),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
