/* The page tables that the loader built. */
#include "guest-stubs/common/paging.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"

#define PTE_PRESENT  BIT_ULL(0)
#define PTE_WRITABLE BIT_ULL(1)
#define PTE_USER     BIT_ULL(2)
#define PTE_PCD      BIT_ULL(4)
#define PTE_LARGE    BIT_ULL(7)
#define PTE_ADDRESS  0x000ffffffffff000ull

static uint64_t *entry_at(uint64_t table, uint64_t va, unsigned shift)
{
	return (uint64_t *)(table & PTE_ADDRESS) + (va >> shift & 0x1ff);
}

void paging_map_2m(uint64_t va, uint64_t pa)
{
	uint64_t *pml4e = entry_at(read_cr3(), va, 39), *pdpte, *pde;

	if (!(*pml4e & PTE_PRESENT))
		bail("no page tables for 0x%lx", va);
	pdpte = entry_at(*pml4e, va, 30);
	if (!(*pdpte & PTE_PRESENT) || (*pdpte & PTE_LARGE))
		bail("no page directory for 0x%lx", va);
	pde = entry_at(*pdpte, va, 21);
	if (!(*pde & PTE_LARGE))
		bail("no 2 MiB page at 0x%lx", va);
	*pde = pa | PTE_PRESENT | PTE_WRITABLE | PTE_PCD | PTE_LARGE;
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

void paging_allow_user(uint64_t va)
{
	uint64_t *pml4e = entry_at(read_cr3(), va, 39), *pdpte = entry_at(*pml4e, va, 30);

	*pml4e |= PTE_USER;
	*pdpte |= PTE_USER;
	*entry_at(*pdpte, va, 21) |= PTE_USER;
	write_cr3(read_cr3());
}
