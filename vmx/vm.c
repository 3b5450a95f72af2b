/* A VM's second-level translation and bitmaps, and the memory of its vCPUs. */
#include "cpu/msr.h"
#include "guest/vcpu_arch.h"
#include "lib/errno.h"
#include "lib/fault.h"
#include "lib/string.h"
#include "mm/hostmap.h"
#include "mm/page.h"
#include "vmx/audit.h"
#include "vmx/ept.h"
#include "vmx/vmx.h"

#define EPTP_MEMORY_WB 6ull
#define EPTP_WALK_4    (3ull << 3)
#define EPTP_AD        BIT_ULL(6)

#define IO_BITMAP_SIZE  8192u
#define MSR_BITMAP_SIZE 4096u

/* The MSRs that need no exit: VM entry and exit switch them, or vmx/state.c does, and the CPU
 * itself checks what is written. */
static const uint32_t passed_through_rw[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP,   MSR_IA32_SYSENTER_EIP, MSR_IA32_FS_BASE,
	MSR_IA32_GS_BASE,     MSR_IA32_KERNEL_GS_BASE, MSR_IA32_PAT,
};

/* Reads of what is in the CPU while the vCPU runs (vmx/state.c); writes exit. */
static const uint32_t passed_through_read[] = {
	MSR_IA32_TSC, MSR_IA32_EFER, MSR_IA32_STAR, MSR_IA32_LSTAR, MSR_IA32_CSTAR, MSR_IA32_FMASK,
};

/* 'MSR-Bitmap Address': reads of low and of high MSRs, then writes; a clear bit is no exit. */
static void pass_through(uint8_t *bitmap, uint32_t msr, bool is_write)
{
	uint32_t bit = (msr & 0x1fff) + (msr >= 0xc0000000 ? 0x2000 : 0) + (is_write ? 0x4000 : 0);

	bitmap[bit / 8] &= (uint8_t) ~(1u << (bit % 8));
}

/* What APIC-register virtualisation answers from the virtual-APIC page: every register that x2APIC
 * mode has, but the timer's current count, which is computed. ('MSR 8xx: register offset >> 4'.) */
static const struct {
	uint16_t first, last;
} x2apic_read[] = {
	{0x802, 0x803}, {0x808, 0x808}, {0x80a, 0x80a}, {0x80d, 0x80d},
	{0x80f, 0x828}, {0x82f, 0x830}, {0x832, 0x838}, {0x83e, 0x83e},
};

/* And what virtual-interrupt delivery does on its own: TPR, EOI, SELF IPI. */
static const uint16_t x2apic_write[] = {0x808, 0x80b, 0x83f};

static void fill_msr_bitmap(uint8_t *bitmap)
{
	memset(bitmap, 0xff, MSR_BITMAP_SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(passed_through_rw); i++) {
		pass_through(bitmap, passed_through_rw[i], false);
		pass_through(bitmap, passed_through_rw[i], true);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(passed_through_read); i++)
		pass_through(bitmap, passed_through_read[i], false);
}

static void pass_x2apic_through(uint8_t *bitmap)
{
	for (unsigned i = 0; i < ARRAY_SIZE(x2apic_read); i++)
		for (uint32_t msr = x2apic_read[i].first; msr <= x2apic_read[i].last; msr++)
			pass_through(bitmap, msr, false);
	for (unsigned i = 0; i < ARRAY_SIZE(x2apic_write); i++)
		pass_through(bitmap, x2apic_write[i], true);
}

static int map_memory(struct vmx_vm *vm, const struct gmem *gmem)
{
	for (uint32_t i = 0; i < gmem->count; i++) {
		const struct gmem_chunk *chunk = &gmem->chunk[i];
		int ret = ept_map_ram(&vm->ept, chunk->base, chunk->host, chunk->len,
				      vmx_machine.caps.ept_max_leaf,
				      !vmx_machine.has_split_executable);

		if (ret)
			return ret;
	}
	if (fault_is_due(FAULT_LEAF)) {
		const hpa_t second = HPA(gmem->chunk[0].host.v + PAGE_SIZE);

		if (ept_map_ram(&vm->ept, GPA(0), second, PAGE_SIZE, PAGE_SIZE, false))
			return -ENOMEM;
	}
	/* What the VM may ever need for make_executable: another VM's fetches must not take it. */
	return vmx_machine.has_split_executable ? pt_reserve_splits(&vm->ept) : 0;
}

int vm_arch_create(struct vm *vm)
{
	struct vmx_vm *x = pages_alloc_zeroed(sizeof(*x));

	if (!x)
		return -ENOMEM;
	vm->arch = x;
	x->lock = (struct spinlock)SPINLOCK_INIT(LOCK_GMEM);
	vmx_audit_init_vm(x);
	x->io_bitmap = pages_alloc_zeroed(IO_BITMAP_SIZE);
	x->msr_bitmap = pages_alloc_zeroed(MSR_BITMAP_SIZE);
	if (!x->io_bitmap || !x->msr_bitmap || ept_init(&x->ept) || map_memory(x, &vm->gmem))
		return -ENOMEM;
	memset(x->io_bitmap, 0xff, IO_BITMAP_SIZE);
	fill_msr_bitmap(x->msr_bitmap);
	if (vmx_machine.has_vid) {
		x->msr_bitmap_x2apic = pages_alloc_zeroed(MSR_BITMAP_SIZE);
		if (!x->msr_bitmap_x2apic || vmx_apicv_create(x))
			return -ENOMEM;
		fill_msr_bitmap(x->msr_bitmap_x2apic);
		pass_x2apic_through(x->msr_bitmap_x2apic);
	}
	x->eptp = ptr_to_hpa(x->ept.root).v | EPTP_MEMORY_WB | EPTP_WALK_4 |
		  (vmx_machine.caps.has_ept_ad ? EPTP_AD : 0);
	return 0;
}

static uint64_t vcpu_size(void)
{
	return sizeof(struct vmx_vcpu) + vmx_machine.xsave_size;
}

void vm_arch_destroy(struct vm *vm)
{
	struct vmx_vm *x = vm->arch;

	for (uint32_t i = 0; i < MAX_VM_VCPUS; i++) {
		struct vmx_vcpu *v = vm->vcpu[i] ? to_vmx(vm->vcpu[i]) : NULL;

		if (!v)
			continue;
		vmx_vmcs_release(v);
		page_free(v->loaded.vmcs, ORDER_4K);
		pages_free(v, vcpu_size());
		vm->vcpu[i] = NULL;
	}
	if (!x)
		return;
	if (x->io_bitmap)
		pages_free(x->io_bitmap, IO_BITMAP_SIZE);
	if (x->msr_bitmap)
		pages_free(x->msr_bitmap, MSR_BITMAP_SIZE);
	if (x->msr_bitmap_x2apic)
		pages_free(x->msr_bitmap_x2apic, MSR_BITMAP_SIZE);
	vmx_apicv_destroy(x);
	if (x->ept.root)
		pt_destroy(&x->ept);
	pages_free(x, sizeof(*x));
	vm->arch = NULL;
}

struct vcpu *vcpu_arch_create(struct vm *vm, uint32_t index)
{
	static uint16_t next_vpid = 1;
	struct vmx_vcpu *v = pages_alloc_zeroed(vcpu_size());
	uint32_t *region = page_alloc_zeroed();

	(void)index;
	if (!v || !region) {
		if (v)
			pages_free(v, vcpu_size());
		if (region)
			page_free_ptr(region);
		return NULL;
	}
	region[0] = vmx_machine.caps.revision;
	v->loaded.vmcs = ptr_to_hpa(region);
	v->loaded.pcpu = VMCS_NOT_ACTIVE;
	list_init(&v->loaded.node);
	/* Initialises what the CPU keeps in the region; its contents are undefined before. */
	vmclear(v->loaded.vmcs);
	v->vpid = next_vpid++;
	vmx_audit_init_vcpu(v);
	v->vcpu.vm = vm;
	return &v->vcpu;
}

const struct sched_ops *vcpu_arch_sched_ops(void)
{
	return &vmx_sched_ops;
}
