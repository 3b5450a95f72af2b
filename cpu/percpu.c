/* The per-CPU blocks, and each pCPU's GDT and TSS. */
#include "cpu/init.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "cpu/panic.h"

/* '64-Bit TSS Format' */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t ist[8]; /* [0] is reserved */
	uint64_t reserved1;
	uint16_t reserved2;
	uint16_t io_map_base;
} __packed;
_Static_assert(sizeof(struct tss) == 104, "the TSS has the CPU's layout");

enum { GDT_NULL, GDT_CODE, GDT_DATA, GDT_TSS, GDT_TSS_HIGH, GDT_ENTRIES };

/* Present, ring 0, accessed: code with L, data writable ('Segment Descriptors'). */
#define DESC_CODE 0x00af9b000000ffffull
#define DESC_DATA 0x00cf93000000ffffull
#define DESC_TSS  0x0000890000000000ull /* available 64-bit TSS, byte-granular */

struct percpu_arch {
	uint64_t gdt[GDT_ENTRIES];   /* (o) */
	struct tss tss;              /* (o) */
	struct percpu_stacks stacks; /* (i) once the pCPU is online */
} __aligned(16);

static struct percpu percpus[MAX_PCPUS];
static struct percpu_arch archs[MAX_PCPUS];
static uint32_t online; /* (a) */

/* One for all three interrupt stacks of the boot CPU, until it has memory for better. */
static uint8_t early_stack[IST_STACK_PAGES * PAGE_SIZE] __aligned(16);

struct percpu *percpu_get(uint32_t id)
{
	return id < percpu_count() ? &percpus[id] : NULL;
}

uint32_t percpu_count(void)
{
	return __atomic_load_n(&online, __ATOMIC_ACQUIRE);
}

static void fill_tables(struct percpu_arch *arch)
{
	uint64_t base = (uint64_t)(uintptr_t)&arch->tss;

	arch->gdt[GDT_NULL] = 0;
	arch->gdt[GDT_CODE] = DESC_CODE;
	arch->gdt[GDT_DATA] = DESC_DATA;
	arch->gdt[GDT_TSS] = DESC_TSS | (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 |
			     (base >> 24 & 0xff) << 56;
	arch->gdt[GDT_TSS_HIGH] = base >> 32;
	arch->tss.io_map_base = sizeof(struct tss);
}

static struct percpu *prepare(uint32_t id, uint32_t apic_id)
{
	struct percpu *cpu = &percpus[id];

	*cpu = (struct percpu){.self = cpu, .id = id, .apic_id = apic_id, .arch = &archs[id]};
	fill_tables(cpu->arch);
	return cpu;
}

struct percpu *percpu_prepare(uint32_t apic_id)
{
	return percpu_count() < MAX_PCPUS ? prepare(percpu_count(), apic_id) : NULL;
}

void percpu_set_stacks(struct percpu *cpu, const struct percpu_stacks *stacks)
{
	struct percpu_arch *arch = cpu->arch;

	arch->stacks = *stacks;
	for (unsigned i = IST_NONE + 1; i < IST_COUNT; i++)
		arch->tss.ist[i] = (uint64_t)(uintptr_t)stacks->ist[i];
}

void percpu_load(struct percpu *cpu)
{
	struct percpu_arch *arch = cpu->arch;
	struct descriptor_pointer gdt = {sizeof(arch->gdt) - 1, (uint64_t)(uintptr_t)arch->gdt};

	lgdt(&gdt);
	desc_reload_segments();
	wrmsr(MSR_IA32_GS_BASE, (uint64_t)(uintptr_t)cpu);
	ltr(SEL_TSS);
}

void percpu_set_online(struct percpu *cpu)
{
	__atomic_store_n(&cpu->is_online, true, __ATOMIC_RELEASE);
	__atomic_store_n(&online, cpu->id + 1, __ATOMIC_RELEASE);
}

void percpu_init_boot(void *stack_top)
{
	/* 'CPUID: Additional Information': EBX bits 31:24 are the initial APIC ID; apic_init puts
	 * the full one there. */
	struct percpu *cpu = prepare(0, cpuid(1, 0).ebx >> 24);
	struct percpu_stacks stacks = {.main = stack_top};

	for (unsigned i = IST_NONE + 1; i < IST_COUNT; i++)
		stacks.ist[i] = early_stack + sizeof(early_stack);
	percpu_set_stacks(cpu, &stacks);
	percpu_load(cpu);
	percpu_set_online(cpu);
}

bool percpu_find_stack(uint64_t address, uint64_t *bottom, uint64_t *top)
{
	const struct percpu_stacks *stacks = &this_cpu()->arch->stacks;

	for (unsigned i = IST_NONE; i < IST_COUNT; i++) {
		*top = (uint64_t)(uintptr_t)(i == IST_NONE ? stacks->main : stacks->ist[i]);
		*bottom = *top -
			  (i == IST_NONE ? STACK_PAGES : IST_STACK_PAGES) * (uint64_t)PAGE_SIZE;
		if (address >= *bottom - PAGE_SIZE && address < *top)
			return true;
	}
	return false;
}

uint64_t desc_gdt_base(void)
{
	return (uint64_t)(uintptr_t)this_cpu()->arch->gdt;
}

uint64_t desc_tss_base(void)
{
	return (uint64_t)(uintptr_t)&this_cpu()->arch->tss;
}
