/* vCPUs without a CPU, and the machine around them. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <stdlib.h>
#include <sys/mman.h>

#include "cpu/panic.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/percpu.h"
#include "fakes/vcpu_arch.h"
#include "guest/pause.h"
#include "lib/string.h"
#include "mm/hostmap.h"
#include "mm/page.h"

#define CR0_PE    BIT_ULL(0)
#define CR0_PG    BIT_ULL(31)
#define CR4_PKE   BIT_ULL(22)
#define EFER_LME  BIT_ULL(8)
#define EFER_LMA  BIT_ULL(10)
#define RFLAGS_1  BIT_ULL(1)
#define ARENA     MIB(64)
#define CODE_64   0xa09bu /* present, code, readable; L; G */
#define CODE_32   0xc09bu /* D */
#define DATA_FLAT 0xc093u
#define REAL      0x0093u

int vm_arch_create(struct vm *vm)
{
	(void)vm;
	return 0;
}

void vm_arch_audit(struct vm *vm)
{
	(void)vm;
}

void vm_arch_destroy(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		if (vm->vcpu[i])
			free(fake_vcpu(vm->vcpu[i]));
}

struct vcpu *vcpu_arch_create(struct vm *vm, uint32_t index)
{
	struct fake_vcpu *v = aligned_alloc(_Alignof(struct fake_vcpu), sizeof(*v));

	(void)vm;
	(void)index;
	memset(v, 0, sizeof(*v));
	return &v->vcpu;
}

uint32_t vcpu_arch_exit_reasons(void)
{
	return FAKE_EXIT_REASONS;
}

const char *vcpu_arch_exit_name(uint32_t reason)
{
	static const char *const names[FAKE_EXIT_REASONS + 1] = {"CPUID", "HLT", "start of a turn"};

	return names[reason];
}

uint64_t vcpu_arch_exit_count(const struct vcpu *vcpu, uint32_t reason)
{
	return fake_vcpu((struct vcpu *)vcpu)->exits[reason];
}

/* Each has cost 100 ticks. */
uint64_t vcpu_arch_exit_ticks(const struct vcpu *vcpu, uint32_t reason)
{
	return vcpu_arch_exit_count(vcpu, reason) * 100;
}

uint32_t vcpu_arch_exit_cost(const struct vcpu *vcpu, uint32_t reason, uint32_t bucket)
{
	return bucket == 6 - VCPU_EXIT_COST_FIRST ? (uint32_t)vcpu_arch_exit_count(vcpu, reason)
						  : 0;
}

static enum sched_verdict run(struct sched_entity *se)
{
	(void)se;
	return SCHED_WAIT;
}

static void nothing(struct sched_entity *se)
{
	(void)se;
}

static bool is_woken(struct sched_entity *se)
{
	return vcpu_is_woken(container_of(se, struct vcpu, se));
}

const struct sched_ops *vcpu_arch_sched_ops(void)
{
	static const struct sched_ops ops = {
		.run = run, .switch_in = nothing, .switch_out = nothing, .is_woken = is_woken};

	return &ops;
}

void vcpu_arch_reset(struct vcpu *vcpu, bool is_init)
{
	(void)is_init;
	fake_vcpu_set_mode_16(vcpu);
}

void vcpu_arch_startup(struct vcpu *vcpu, uint8_t vector)
{
	fake_vcpu(vcpu)->segment[SEG_CS].base = (uint64_t)vector << 12;
}

uint64_t vcpu_arch_get(struct vcpu *vcpu, enum vcpu_reg reg)
{
	return fake_vcpu(vcpu)->reg[reg];
}

void vcpu_arch_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	fake_vcpu(vcpu)->reg[reg] = value;
}

void vcpu_arch_get_segment(struct vcpu *vcpu, enum insn_segment seg, struct vcpu_segment *out)
{
	*out = fake_vcpu(vcpu)->segment[seg];
}

uint8_t vcpu_arch_cpl(struct vcpu *vcpu)
{
	return fake_vcpu(vcpu)->segment[SEG_SS].access >> 5 & 3;
}

bool vcpu_arch_is_64bit(struct vcpu *vcpu)
{
	return (fake_vcpu(vcpu)->segment[SEG_CS].access & BIT(13)) &&
	       (vcpu_arch_get(vcpu, VCPU_EFER) & EFER_LMA);
}

void vcpu_arch_get_pdptes(struct vcpu *vcpu, uint64_t pdpte[4])
{
	memcpy(pdpte, fake_vcpu(vcpu)->pdpte, sizeof(fake_vcpu(vcpu)->pdpte));
}

uint32_t vcpu_arch_pkru(struct vcpu *vcpu)
{
	return vcpu_arch_get(vcpu, VCPU_CR4) & CR4_PKE ? fake_vcpu(vcpu)->pkru : 0;
}

void vcpu_arch_set_efer(struct vcpu *vcpu, uint64_t value)
{
	struct fake_vcpu *v = fake_vcpu(vcpu);
	bool is_lma = (value & EFER_LME) && (v->reg[VCPU_CR0] & CR0_PG);

	v->reg[VCPU_EFER] = (value & ~EFER_LMA) | (is_lma ? EFER_LMA : 0);
}

void vcpu_arch_set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	fake_vcpu(vcpu)->tsc_offset = offset;
}

void vcpu_arch_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
	struct fake_vcpu *v = fake_vcpu(vcpu);

	v->exceptions++;
	v->vector = vector;
	v->has_error = has_error;
	v->error = error;
}

bool vcpu_arch_has_virtual_interrupt_delivery(const struct vm *vm)
{
	(void)vm;
	return false;
}

void vcpu_arch_apic_mode_changed(struct vcpu *vcpu)
{
	(void)vcpu;
}

void vcpu_arch_flush_tlb(struct vcpu *vcpu)
{
	fake_vcpu(vcpu)->tlb_flushes++;
}

void vcpu_arch_set_debug(struct vcpu *vcpu, const struct vcpu_debug_control *control)
{
	fake_vcpu(vcpu)->debug = *control;
}

void vcpu_arch_get_fxsave(struct vcpu *vcpu, uint8_t to[VCPU_FXSAVE_SIZE])
{
	(void)vcpu;
	memset(to, 0, VCPU_FXSAVE_SIZE);
}

void vcpu_arch_deadline_changed(struct vcpu *vcpu)
{
	fake_vcpu(vcpu)->deadline_changes++;
}

static void set_mode(struct vcpu *vcpu, uint64_t cr0, uint64_t efer, uint32_t code, uint32_t data,
		     uint32_t limit)
{
	struct fake_vcpu *v = fake_vcpu(vcpu);

	v->reg[VCPU_CR0] = cr0;
	v->reg[VCPU_EFER] = efer;
	v->reg[VCPU_RFLAGS] = RFLAGS_1;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		v->segment[i] =
			(struct vcpu_segment){.limit = limit, .access = i == SEG_CS ? code : data};
}

void fake_vcpu_set_mode_64(struct vcpu *vcpu)
{
	set_mode(vcpu, CR0_PE, EFER_LME | EFER_LMA, CODE_64, DATA_FLAT, UINT32_MAX);
}

void fake_vcpu_set_mode_32(struct vcpu *vcpu)
{
	set_mode(vcpu, CR0_PE, 0, CODE_32, DATA_FLAT, UINT32_MAX);
}

void fake_vcpu_set_mode_16(struct vcpu *vcpu)
{
	set_mode(vcpu, 0, 0, REAL, REAL, 0xffff);
}

void fake_vcpu_set_cpl(struct vcpu *vcpu, unsigned cpl)
{
	for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
		struct vcpu_segment *s = &fake_vcpu(vcpu)->segment[i];

		s->access = (s->access & ~(3u << 5)) | cpl << 5;
	}
}

/* --- the machine --- */

static uint8_t *arena, *page_state;
static unsigned ends;

static void count_end(void)
{
	ends++;
}

unsigned fake_machine_ends(void)
{
	return ends;
}

void fake_machine_start(uint64_t tsc)
{
	static const struct fake_cpuid cpuids[] = {
		{0, 0, {0xd, 0x756e6547, 0x6c65746e, 0x49656e69}},
		{1, 0, {0x00050654, 0x800, 0x7ffefbff, 0xbfebfbff}},
		{7, 0, {0, 0xd39ffffb, 0, 0}},
		{0xd, 0, {7, 0x340, 0x340, 0}},
		{0xd, 1, {1, 0, 0, 0}},
		{0xd, 2, {0x100, 0x240, 0, 0}},
		{0x80000000, 0, {0x80000008, 0, 0, 0}},
		{0x80000001, 0, {0, 0, 0x121, 0x2c100800}},
		{0x80000008, 0, {0x3027, 0, 0, 0}}, /* 39 physical, 48 linear address bits */
	};
	hpa_t start, end;

	ends = 0;
	fake_percpu_reset();
	fake_interrupts_reset();
	fake_tsc_set(tsc);
	fake_cpuid_set(cpuids, ARRAY_SIZE(cpuids));
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(arena != MAP_FAILED);
	start = ptr_to_hpa(arena);
	end = HPA(start.v + ARENA);
	page_state = calloc(1, page_state_bytes(start, end));
	page_init(start, end, page_state);
	page_add_range(start, end);
	vm_machine = (struct vm_machine){
		.tsc = {.hz = 1000000000},
		.is_tsc_stable = true,
		.xcr0 = 7,
		.halt_poll = {.halt_poll_ns = 200000,
			      .halt_poll_ns_grow = 2,
			      .halt_poll_ns_grow_start = 10000},
		.boot_wall_ns = 946684800000000000ull,
		.on_end = count_end,
	};
	sched_init_cpu();
}

void fake_machine_end(void)
{
	ASSERT(page_free_bytes() == page_total_bytes()); /* every VM was destroyed whole */
	munmap(arena, ARENA);
	free(page_state);
	fake_cpuid_set(NULL, 0);
}

struct vm *fake_vm_create(uint64_t mem, uint32_t vcpus)
{
	const struct vm_params params = {
		.name = "test",
		.mem = mem,
		.vcpus = vcpus,
		.topology = {1, vcpus, 1},
		.slice = 1000000,
	};
	char error[128];
	struct vm *vm;

	if (vm_create(&params, &vm, error, sizeof(error)))
		panic("%s", error);
	return vm;
}
