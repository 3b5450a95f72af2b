/* The hypervisor's own address space: RAM identity-mapped writable and never executable, the image
 * by its sections, devices uncached, page 0 and the guards below stacks absent. */
#include <asm/processor-flags.h>

#include "cpu/insn.h"
#include "cpu/msr.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "mm/hostmap.h"
#include "mm/page.h"
#include "mm/pt.h"
#include "mm/space.h"

/* '4-Level Paging': flags of an entry. */
#define PTE_P   BIT_ULL(0)
#define PTE_RW  BIT_ULL(1)
#define PTE_PWT BIT_ULL(3)
#define PTE_PCD BIT_ULL(4)
#define PTE_A   BIT_ULL(5)
#define PTE_D   BIT_ULL(6)
#define PTE_PS  BIT_ULL(7)
#define PTE_G   BIT_ULL(8)
#define PTE_XD  BIT_ULL(63)

/* Accessed and dirty are set beforehand: nothing here looks at them, and the CPU need not write. */
#define FLAGS_TEXT   (PTE_P | PTE_A | PTE_D | PTE_G)
#define FLAGS_RODATA (FLAGS_TEXT | PTE_XD)
#define FLAGS_DATA   (FLAGS_RODATA | PTE_RW)
#define FLAGS_DEVICE (FLAGS_DATA | PTE_PCD | PTE_PWT) /* PAT entry 3: UC */
#define FLAGS_FB     (FLAGS_DATA | PTE_PWT)           /* PAT entry 1: WC */

/* The PAT's value at reset ('Programming the PAT') is WB WT UC- UC, twice; here entry 1 is WC. */
#define PAT_VALUE 0x0007040600070106ull

#define EFER_NXE              BIT_ULL(11)
#define CPUID_7_EBX_SMEP      BIT(7)
#define CPUID_7_ECX_UMIP      BIT(2)
#define CPUID_80000001_EDX_XD BIT(20)
#define CPUID_80000001_EDX_1G BIT(26)

/* linker.ld and boot/header.S */
extern const uint8_t image_start[], text_start[], text_end[], data_start[];
extern const uint8_t boot_stack_guard[];

static struct pt_format format = {
	.present_mask = PTE_P,
	.table_flags = PTE_P | PTE_RW | PTE_A,
	.leaf_large = PTE_PS,
};
static struct pt space; /* changed by the boot CPU only */

static int map(uint64_t start, uint64_t end, uint64_t flags)
{
	return pt_map(&space, start, start, end - start, flags, SIZE_1G);
}

static int map_section(const uint8_t *start, const uint8_t *end, uint64_t flags)
{
	return map((uint64_t)(uintptr_t)start, (uint64_t)(uintptr_t)end, flags);
}

static int build(const struct memmap *ram)
{
	int err = pt_init(&space, &format);

	for (uint32_t i = 0; !err && i < ram->count; i++) {
		uint64_t start = ALIGN_UP(ram->range[i].start, (uint64_t)PAGE_SIZE);
		uint64_t end = ALIGN_DOWN(ram->range[i].end, (uint64_t)PAGE_SIZE);

		start = MAX(start, (uint64_t)PAGE_SIZE); /* a null pointer faults */
		if (start < end)
			err = map(start, end, FLAGS_DATA);
	}
	/* .boot, .text, .rodata; what follows is data, mapped with the RAM. */
	if (!err)
		err = map_section(image_start, text_start, FLAGS_RODATA);
	if (!err)
		err = map_section(text_start, text_end, FLAGS_TEXT);
	if (!err)
		err = map_section(text_end, data_start, FLAGS_RODATA);
	if (!err)
		err = pt_unmap(&space, (uint64_t)(uintptr_t)boot_stack_guard, PAGE_SIZE);
	return err;
}

int space_init(const struct memmap *ram)
{
	uint32_t features = cpuid(0x80000001, 0).edx;
	int err;

	if (!(features & CPUID_80000001_EDX_XD)) {
		log_error(
			"the CPU's execute-disable is off: switch 'XD' or 'NX' on in the firmware");
		return -ENODEV;
	}
	format.has_1g = features & CPUID_80000001_EDX_1G;
	err = build(ram);
	if (err)
		return err;
	space_load();
	return 0;
}

void space_load(void)
{
	uint64_t cr4 = read_cr4();

	wrmsr(MSR_IA32_EFER, rdmsr(MSR_IA32_EFER) | EFER_NXE);
	wrmsr(MSR_IA32_PAT, PAT_VALUE);
	write_cr0((read_cr0() & ~(uint64_t)(X86_CR0_CD | X86_CR0_NW | X86_CR0_EM | X86_CR0_TS)) |
		  X86_CR0_WP | X86_CR0_NE | X86_CR0_MP);
	write_cr3(ptr_to_hpa(space.root).v);
	cr4 |= X86_CR4_PGE;
	if (cpuid(0, 0).eax >= 7) {
		struct cpuid_regs r = cpuid(7, 0);

		cr4 |= r.ebx & CPUID_7_EBX_SMEP ? X86_CR4_SMEP : 0;
		cr4 |= r.ecx & CPUID_7_ECX_UMIP ? X86_CR4_UMIP : 0;
	}
	write_cr4(cr4);
}

/* A page's translation has changed on this pCPU; no other has used it. */
static void flush(uint64_t start, uint64_t end)
{
	for (uint64_t va = start; va < end; va += PAGE_SIZE)
		invlpg((const void *)(uintptr_t)va);
}

static int map_device(hpa_t base, uint64_t len, uint64_t flags)
{
	uint64_t start = ALIGN_DOWN(base.v, (uint64_t)PAGE_SIZE);
	uint64_t end = ALIGN_UP(base.v + len, (uint64_t)PAGE_SIZE);
	int err = map(start, end, flags);

	flush(start, end);
	return err;
}

int space_map_device(hpa_t base, uint64_t len)
{
	return map_device(base, len, FLAGS_DEVICE);
}

int space_map_framebuffer(hpa_t base, uint64_t len)
{
	return map_device(base, len, FLAGS_FB);
}

bool space_is_memory(hpa_t address)
{
	uint64_t size;
	const uint64_t *entry = pt_lookup(&space, address.v, &size);

	return entry && (*entry & PTE_P) && !(*entry & (PTE_PCD | PTE_PWT));
}

void *space_alloc_stack(unsigned pages)
{
	unsigned order = 0;
	hpa_t block;

	while ((1u << order) < pages + 1)
		order++;
	if (!page_alloc(order, &block))
		return NULL;
	if (pt_unmap(&space, block.v, PAGE_SIZE)) {
		page_free(block, order);
		return NULL;
	}
	flush(block.v, block.v + PAGE_SIZE);
	return (uint8_t *)hpa_to_ptr(block) + ((uint64_t)PAGE_SIZE << order);
}
