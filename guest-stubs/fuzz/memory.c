/* The memory that snippets play with. */
#include "guest-stubs/fuzz/memory.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/paging.h"
#include "guest-stubs/common/string.h"

#define REGION       0x40000000ull /* 2 MiB of pages that change */
#define DEVICE_PAGES 256u          /* from here on the region may lead to devices */
#define PTE_PRESENT  BIT_ULL(0)
#define PTE_WRITABLE BIT_ULL(1)
#define PTE_USER     BIT_ULL(2)
#define PTE_ADDRESS  0x000ffffffffff000ull
#define HIGHEST_2M   0xffe00000ull /* where small negative numbers of 32 bits go */
#define LOW_PAGES    32            /* for the trampoline */
#define DATA_OFFSET  0x10000
#define DATA_SIZE    0x80000
#define STACKS       0x100000

struct gate {
	uint64_t low, high;
};

static uint64_t scratch;
static struct {
	uint64_t pml4[512], pdpt[512], pd[4][512], low[512];
} tables __aligned(4096);
static uint64_t region_table[512] __aligned(4096);
static uint64_t *region_entry; /* the page directory's */
extern struct gate fuzz_idt[256];

/* Devices, holes, ends of memory. What a loader has put below 64 KiB stays as it is. */
static const uint64_t windows[] = {
	0xfec00000, 0xfec00010, 0xfed00000, 0xfed00100, 0xfee00000, 0xfee00300, 0xfee00ff0,
	0xe0000000, 0xe0004000, 0xe0008000, 0xe000c000, 0xe0010000, 0xe0020000, 0xd0000000,
	0xa0000,    0xb8000,    0xe0000,    0xffff0,    0xfffffff0, 0x9fff8,
};

/* The loader's tables lie where 16-bit code writes at random: copies of them, in which what is
 * neither memory nor a window is not mapped. (What a number at random hits there would end the VM,
 * if the instruction is none that is executed on devices.) */
static void copy_tables(void)
{
	const uint64_t *pml4 = (uint64_t *)(read_cr3() & PTE_ADDRESS);
	const uint64_t *pdpt = (uint64_t *)(pml4[0] & PTE_ADDRESS);

	for (unsigned i = 0; i < 4; i++) {
		memcpy(tables.pd[i], (void *)(pdpt[i] & PTE_ADDRESS), sizeof(tables.pd[i]));
		tables.pdpt[i] = (uint64_t)tables.pd[i] | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
	}
	tables.pml4[0] = (uint64_t)tables.pdpt | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
}

static void unmap_holes(void)
{
	uint64_t end = (stub_ram_size + SIZE_2M - 1) & ~(SIZE_2M - 1);

	for (uint64_t at = end; at < 4ull << 30; at += SIZE_2M) {
		bool is_window = false;

		for (unsigned i = 0; i < ARRAY_SIZE(windows); i++)
			is_window |= (windows[i] & ~(SIZE_2M - 1)) == at;
		if (!is_window || at >= HIGHEST_2M)
			tables.pd[at >> 30][at >> 21 & 511] = 0;
	}
	for (unsigned i = 0; i < LOW_PAGES; i++)
		tables.low[i] = i * 4096ull | PTE_PRESENT | PTE_WRITABLE;
	tables.pd[0][0] = (uint64_t)tables.low | PTE_PRESENT | PTE_WRITABLE;
}

void fuzz_memory_init(void)
{
	copy_tables();
	unmap_holes();
	scratch = ((uint64_t)image_end + SIZE_2M - 1) & ~(SIZE_2M - 1);
	tables.pd[0][scratch / SIZE_2M] |= PTE_USER;
	for (unsigned i = 0; i < ARRAY_SIZE(region_table); i++)
		region_table[i] = (scratch + DATA_OFFSET + (i & 63) * 4096ull) | PTE_PRESENT |
				  PTE_WRITABLE | PTE_USER;
	region_entry = &tables.pd[REGION >> 30][REGION >> 21 & 511];
	*region_entry = (uint64_t)region_table | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
	write_cr3((uint64_t)tables.pml4);
}

uint8_t *fuzz_code(const struct fuzz_cpu *cpu)
{
	return (uint8_t *)scratch + cpu->index * 4096;
}

uint64_t fuzz_stack(const struct fuzz_cpu *cpu)
{
	return scratch + STACKS + (cpu->index + 1) * 8192;
}

static uint64_t offset_in_page(struct fuzz_cpu *cpu)
{
	uint64_t any = fuzz_below(cpu, 4096);

	switch (fuzz_below(cpu, 4)) {
	case 0:
		return any & ~7ull;
	case 1:
		return 4096 - 1 - fuzz_below(cpu, 8); /* across its end */
	case 2:
		return any & 0x3f8;
	default:
		return any;
	}
}

uint64_t fuzz_address(struct fuzz_cpu *cpu)
{
	uint64_t page = fuzz_below(cpu, DATA_SIZE / 4096) * 4096;

	switch (fuzz_below(cpu, 12)) {
	case 0:
		return stub_ram_size - fuzz_below(cpu, 16); /* across the end of memory */
	case 1:
		return fuzz_value(cpu) | 0x800000;
	case 2:
	case 3:
	case 4:
	case 5:
		return REGION + fuzz_below(cpu, DEVICE_PAGES) * 4096 + offset_in_page(cpu);
	default:
		return scratch + DATA_OFFSET + page + offset_in_page(cpu);
	}
}

uint64_t fuzz_device(struct fuzz_cpu *cpu)
{
	switch (fuzz_below(cpu, 4)) {
	case 0:
		return REGION + (DEVICE_PAGES + fuzz_below(cpu, 512 - DEVICE_PAGES)) * 4096 +
		       offset_in_page(cpu);
	case 1:
		return FUZZ_PICK(cpu, windows) + (fuzz_below(cpu, 16) << 2);
	default:
		return FUZZ_PICK(cpu, windows) + offset_in_page(cpu);
	}
}

uint64_t fuzz_value(struct fuzz_cpu *cpu)
{
	uint64_t one = 1ull << fuzz_below(cpu, 64);

	switch (fuzz_below(cpu, 7)) {
	case 0:
		return fuzz_below(cpu, 16);
	case 1:
		return one;
	case 2:
		return one - 1;
	case 3:
		return ~one;
	case 4:
		return 0x7fffffffffffull + fuzz_below(cpu, 3);
	case 5:
		return fuzz_random(cpu) & UINT32_MAX;
	default:
		return fuzz_random(cpu);
	}
}

static uint64_t entry(struct fuzz_cpu *cpu, bool is_device)
{
	uint64_t flags = fuzz_random(cpu) & 0xfff;
	uint64_t to = is_device ? FUZZ_PICK(cpu, windows)
				: scratch + DATA_OFFSET + fuzz_below(cpu, 64) * 4096;

	if (!fuzz_once_in(cpu, 4))
		flags |= PTE_PRESENT | PTE_USER;
	if (fuzz_once_in(cpu, 16)) /* a bit too many, or the keys, or no-execute */
		to |= 1ull << (40 + fuzz_below(cpu, 24));
	return (to & ~0xfffull) | flags;
}

void fuzz_change_pages(struct fuzz_cpu *cpu)
{
	uint64_t good = (uint64_t)region_table | PTE_PRESENT | PTE_WRITABLE | PTE_USER;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t n = fuzz_below(cpu, 512);

		region_table[n] = entry(cpu, n >= DEVICE_PAGES);
	}
	*region_entry = fuzz_once_in(cpu, 8) ? entry(cpu, false) : good;
	if (fuzz_once_in(cpu, 2))
		__asm__ volatile("invlpg (%0)"
				 :
				 : "r"(REGION + fuzz_below(cpu, 512) * 4096)
				 : "memory");
	else if (fuzz_once_in(cpu, 2))
		write_cr3(read_cr3());
}

void fuzz_change_descriptors(struct fuzz_cpu *cpu)
{
	struct gate *gate = &fuzz_idt[FUZZ_WEIRD_GATE + fuzz_below(cpu, 16)];
	unsigned at = FUZZ_WEIRD / 8 + (unsigned)fuzz_below(cpu, FUZZ_GDT_SIZE - FUZZ_WEIRD / 8);
	uint64_t code = (uint64_t)fuzz_code(cpu);
	uint64_t access = fuzz_random(cpu) & 0xffff;

	/* Flat, of any type; or of any base and limit. */
	cpu->gdt[at] = fuzz_once_in(cpu, 3)
			       ? fuzz_random(cpu)
			       : 0x000f00000000ffff | access << 40 | (access & 0xf0) << 48;
	gate->low = (code & 0xffff) | fuzz_below(cpu, FUZZ_GDT_SIZE) << 19 |
		    (fuzz_random(cpu) & 0xe707ull) << 32 | (code >> 16 & 0xffff) << 48;
	if (fuzz_once_in(cpu, 2))
		gate->low |= 0x8e00ull << 32;
	gate->high = 0;
}
