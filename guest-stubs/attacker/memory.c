/* Attacks by memory: code in many places, page tables that change. */
#include "guest-stubs/attacker/attack.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/paging.h"
#include "guest-stubs/common/pci.h"

#define OPCODE_RET 0xc3
#define ALIAS      0x40000000ull

/* A RET in each 2 MiB of its memory: each may cost the hypervisor a page table. */
static void execute_begin(void)
{
	for (uint64_t at = attack_memory(); at < stub_ram_size; at += SIZE_2M)
		*(volatile uint8_t *)at = OPCODE_RET;
}

static void execute(uint64_t n)
{
	uint64_t first = attack_memory(), count = (stub_ram_size - first) / SIZE_2M;
	uint64_t at = first + n % count * SIZE_2M;

	__asm__ volatile("call *%0" : : "r"(at) : "memory");
}

/* Another mapping at once, of memory, of devices, of nothing. */
static void remap(uint64_t n)
{
	static const uint64_t there[] = {0, 0xfec00000, 0xfee00000, 0xd0000000, 0x400000};

	paging_map_2m(ALIAS, there[n % ARRAY_SIZE(there)]);
	*(volatile uint32_t *)(ALIAS + 0x1ff000);
}

/* A locked access to device memory. */
static void locked(uint64_t n)
{
	__asm__ volatile("lock addl %0, (%1)"
			 :
			 : "r"((uint32_t)n), "r"(0xd0000000ull + (n & 0xfff) * 4)
			 : "memory", "cc");
}

const struct attack attacks_by_memory[] = {
	{"exec-split", execute_begin, execute, NULL},
	{"remap", NULL, remap, NULL},
	{"locked-mmio", NULL, locked, NULL},
	{NULL},
};
