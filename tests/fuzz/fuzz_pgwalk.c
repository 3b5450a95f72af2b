/* The walk of guest page tables: eight pages of tables, of which the input writes entries; the
 * state and the address; the same walk as a peek, then twice. The answer has the address's offset
 * and fits MAXPHYADDR, an error code is one that a CPU gives, a peek changes nothing, and the
 * second walk gives what the first one gave. */
#include <asm/processor-flags.h>

#include "fuzz.h"
#include "guest/pgwalk.h"
#include "lib/errno.h"
#include "mm/hostmap.h"

#define BASE  0x100000ull
#define PAGES 8u
#define PF    0x3fu /* P, W, U, RSVD, I, PK */

static uint8_t ram[PAGES][4096] __aligned(4096);
static uint8_t before[PAGES][4096];

static uint64_t near_table(struct input *in)
{
	return BASE + (uint64_t)(take8(in) % (PAGES + 1)) * 4096;
}

/* Entries where the walk of `la` would look, in each format. */
static void put_entries(struct input *in, uint64_t la)
{
	for (unsigned n = take8(in) % 8; n; n--) {
		uint8_t where = take8(in), page = where % PAGES, level = where >> 3 & 3;
		uint64_t entry = take16(in) & 0xfff;

		entry |= (where & 0x20) ? take64(in) : near_table(in);
		if (where & 0x40) {
			uint32_t low = (uint32_t)entry;

			memcpy(ram[page] + 4 * (la >> (12 + 10 * (level & 1)) & 0x3ff), &low, 4);
		} else {
			memcpy(ram[page] + 8 * (la >> (12 + 9 * level) & 0x1ff), &entry, 8);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gmem gmem = {.count = 1};
	struct input in = {data, size};
	struct pgwalk_state st = {.cr0 = X86_CR0_PE};
	uint8_t flags = take8(&in), mode = take8(&in);
	enum pgwalk_access access = (enum pgwalk_access)(take8(&in) % 3);
	uint64_t la = take64(&in);
	gpa_t gpa[3] = {GPA(0)};
	uint32_t code[3] = {0};
	int ret[3];

	gmem.chunk[0] =
		(struct gmem_chunk){.base = GPA(BASE), .len = sizeof(ram), .host = ptr_to_hpa(ram)};
	memset(ram, 0, sizeof(ram));
	st.cr0 |= (mode & 1 ? X86_CR0_PG : 0) | (mode & 2 ? X86_CR0_WP : 0);
	st.cr4 = (mode & 4 ? X86_CR4_PAE : 0) | (mode & 8 ? X86_CR4_PSE : 0) |
		 (mode & 16 ? X86_CR4_SMEP : 0) | (mode & 32 ? X86_CR4_SMAP : 0) |
		 (mode & 64 ? X86_CR4_PKE : 0);
	st.efer = flags & 2 ? BIT_ULL(11) : 0;
	/* IA-32e mode has paging, with PAE, and addresses are canonical; else they have 32 bits. */
	if (flags & 1) {
		st.efer |= BIT_ULL(10);
		st.cr0 |= X86_CR0_PG;
		st.cr4 |= X86_CR4_PAE;
		la = (uint64_t)((int64_t)(la << 16) >> 16);
	} else {
		la &= UINT32_MAX;
	}
	st.cpl = flags & 4 ? 3 : 0;
	st.rflags = flags & 8 ? BIT_ULL(18) : 0;
	st.has_1g_pages = flags & 16;
	st.maxphyaddr = (uint8_t)(32 + (flags >> 5) * 3);
	st.pkru = take32(&in);
	st.cr3 = near_table(&in) | (take16(&in) & 0xfff);
	for (unsigned i = 0; i < 4; i++)
		st.pdpte[i] = near_table(&in) | (take8(&in) & 1);
	put_entries(&in, la);

	memcpy(before, ram, sizeof(ram));
	for (unsigned i = 0; i < 3; i++) {
		st.is_peek = !i;
		ret[i] = pgwalk(&gmem, &st, la, access, &gpa[i], &code[i]);
		REQUIRE(!ret[i] || ret[i] == -EFAULT || ret[i] == -ENXIO);
		if (!ret[i])
			REQUIRE((gpa[i].v & 0xfff) == (la & 0xfff) && !(gpa[i].v >> 52));
		if (ret[i] == -EFAULT)
			REQUIRE(!(code[i] & ~PF) && !(code[i] & 2) == (access != PGWALK_WRITE) &&
				!(code[i] & 4) == (st.cpl != 3));
		if (!i)
			REQUIRE(!memcmp(before, ram, sizeof(ram)));
		REQUIRE(ret[i] == ret[0] && code[i] == code[0] && gpa[i].v == gpa[0].v);
	}
	return 0;
}
