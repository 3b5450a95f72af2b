/* Makes a VM and puts a guest stub into it. */
#include "tests/bench/kvm/machine.h"

#include <asm/processor-flags.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The guest's low memory, as loader/lowmem.h has it. */
#define GDT       0x1000u
#define PML4      0x2000u
#define PDPT      0x3000u
#define PD        0x4000u
#define CMDLINE   0x9000u
#define PAGE      0x1000u
#define STACK_TOP 0x80000u

#define PTE_RW       0x003ull
#define PDE_2M_RW    0x083ull
#define IDENTITY_GIB 4ull
#define EFER_LME_LMA 0x500u
#define LARGE_PAGE   (2u << 20)
#define TSS_ADDRESS  0xfffbd000ul
#define CPUID_MAX    128u

#define CPUID1_ECX_X2APIC       (1u << 21)
#define CPUID1_ECX_TSC_DEADLINE (1u << 24)
#define CPUID1_ECX_RDRAND       (1u << 30)
#define CPUID7_EBX_RDSEED       (1u << 18)

void fail(const char *what)
{
	fprintf(stderr, "runner: %s: %s\n", what, errno ? strerror(errno) : "bad input");
	exit(2);
}

static int call(int fd, unsigned long request, const void *argument, const char *what)
{
	int answer = ioctl(fd, request, argument);

	if (answer < 0)
		fail(what);
	return answer;
}

static void set_cpuid(struct machine *machine, struct vcpu *vcpu, uint32_t apic_id)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + CPUID_MAX * sizeof(cpuid->entries[0]));

	if (!cpuid)
		fail("memory for CPUID");
	cpuid->nent = CPUID_MAX;
	call(machine->kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 1) {
			e->ecx |= CPUID1_ECX_X2APIC | CPUID1_ECX_TSC_DEADLINE;
			e->ecx &= ~CPUID1_ECX_RDRAND;
			e->ebx = (e->ebx & 0x00ffffff) | apic_id << 24;
		} else if (e->function == 7 && e->index == 0) {
			e->ebx &= ~CPUID7_EBX_RDSEED;
		} else if (e->function == 0xb) {
			e->edx = apic_id;
		}
	}
	call(vcpu->fd, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
}

static void add_vcpu(struct machine *machine, unsigned index)
{
	struct vcpu *vcpu = &machine->vcpus[index];
	int size = call(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");

	vcpu->fd = call(machine->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)index, "KVM_CREATE_VCPU");
	vcpu->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		fail("a vCPU's kvm_run");
	set_cpuid(machine, vcpu, index);
}

/* Aligned, and advised, so that both page tables can have large pages. */
static void add_ram(struct machine *machine, size_t size)
{
	struct kvm_userspace_memory_region region = {.memory_size = size};

	machine->ram_size = size;
	machine->ram = aligned_alloc(LARGE_PAGE, size);
	if (!machine->ram || madvise(machine->ram, size, MADV_HUGEPAGE) ||
	    madvise(machine->ram, size, MADV_POPULATE_WRITE))
		fail("the guest's memory");
	region.userspace_addr = (uintptr_t)machine->ram;
	call(machine->fd, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
}

void machine_create(struct machine *machine, size_t ram_size)
{
	const struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};

	machine->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (machine->kvm < 0)
		fail("/dev/kvm");
	machine->fd = call(machine->kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	call(machine->fd, KVM_SET_TSS_ADDR, (void *)TSS_ADDRESS, "KVM_SET_TSS_ADDR");
	call(machine->fd, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	call(machine->fd, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
	add_ram(machine, ram_size);
	for (unsigned i = 0; i < machine->vcpu_count; i++)
		add_vcpu(machine, i);
}

static uint64_t load_elf(struct machine *machine, const uint8_t *file, size_t size)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
	const Elf64_Phdr *segment;

	errno = 0;
	if (size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_ident[EI_CLASS] != ELFCLASS64)
		fail("the guest is no ELF64 file");
	if (header->e_phoff > size || size - header->e_phoff < header->e_phnum * sizeof(*segment))
		fail("the guest's ELF file is truncated");
	segment = (const Elf64_Phdr *)(file + header->e_phoff);
	for (const Elf64_Phdr *end = segment + header->e_phnum; segment < end; segment++) {
		if (segment->p_type != PT_LOAD)
			continue;
		if (segment->p_offset > size || size - segment->p_offset < segment->p_filesz)
			fail("the guest's ELF file is truncated");
		if (segment->p_paddr > machine->ram_size ||
		    machine->ram_size - segment->p_paddr < segment->p_memsz)
			fail("the guest does not fit into its memory");
		memcpy(machine->ram + segment->p_paddr, file + segment->p_offset,
		       segment->p_filesz);
	}
	return header->e_entry;
}

static uint64_t load_file(struct machine *machine, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint64_t entry;
	void *file;

	if (fd < 0 || fstat(fd, &st))
		fail(path);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		fail(path);
	entry = load_elf(machine, file, (size_t)st.st_size);
	munmap(file, (size_t)st.st_size);
	close(fd);
	return entry;
}

static void put_tables(struct machine *machine)
{
	const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff};
	uint64_t *pml4 = (uint64_t *)(machine->ram + PML4);
	uint64_t *pdpt = (uint64_t *)(machine->ram + PDPT);
	uint64_t *pd = (uint64_t *)(machine->ram + PD);

	memcpy(machine->ram + GDT, gdt, sizeof(gdt));
	pml4[0] = PDPT | PTE_RW;
	for (uint64_t i = 0; i < IDENTITY_GIB; i++)
		pdpt[i] = (PD + i * PAGE) | PTE_RW;
	for (uint64_t i = 0; i < IDENTITY_GIB * 512; i++)
		pd[i] = i << 21 | PDE_2M_RW;
}

static void set_long_mode(struct vcpu *vcpu)
{
	const struct kvm_segment code = {.limit = 0xffffffff,
					 .selector = 0x10,
					 .type = 0xb,
					 .present = 1,
					 .s = 1,
					 .l = 1,
					 .g = 1};
	const struct kvm_segment data = {.limit = 0xffffffff,
					 .selector = 0x18,
					 .type = 0x3,
					 .present = 1,
					 .s = 1,
					 .db = 1,
					 .g = 1};
	struct kvm_sregs sregs;

	call(vcpu->fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt = (struct kvm_dtable){.base = GDT, .limit = 4 * sizeof(uint64_t) - 1};
	sregs.cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_PG;
	sregs.cr3 = PML4;
	sregs.cr4 = X86_CR4_PAE;
	sregs.efer = EFER_LME_LMA;
	call(vcpu->fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
}

void machine_load(struct machine *machine, const char *path, const char *cmdline)
{
	struct kvm_regs regs = {.rsp = STACK_TOP,
				.rdi = CMDLINE,
				.rsi = machine->ram_size,
				.rflags = X86_EFLAGS_FIXED};

	regs.rip = load_file(machine, path);
	put_tables(machine);
	errno = 0;
	if (strlen(cmdline) >= PAGE)
		fail("the guest's command line is too long");
	memcpy(machine->ram + CMDLINE, cmdline, strlen(cmdline) + 1);
	set_long_mode(&machine->vcpus[0]);
	call(machine->vcpus[0].fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}
