/* Creating, starting and ending virtual machines. */
#include "guest/vm.h"

#include <asm/kvm_para.h>

#include "cpu/insn.h"
#include "cpu/panic.h"
#include "guest/debug.h"
#include "guest/kvm.h"
#include "guest/platform.h"
#include "guest/vcpu_arch.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "lib/visible.h"
#include "mm/hostmap.h"
#include "mm/page.h"

#define VMS_MAX       64
#define CAP_PERIOD_NS 100000000ull
#define VGA_HOLE      0xa0000ull
#define VGA_END       0xc0000ull
#define LOW_RAM_MAX   GIB(3) /* above it the local APIC, the IOAPIC and firmware have their place */

struct vm_machine vm_machine;

static struct vm *vms[VMS_MAX];
static uint32_t vm_total;

uint32_t vm_count(void)
{
	return __atomic_load_n(&vm_total, __ATOMIC_ACQUIRE);
}

struct vm *vm_get(uint32_t id)
{
	return vms[id];
}

struct vm *vm_find(const char *name, size_t len)
{
	for (uint32_t i = 0; i < vm_total; i++)
		if (strlen(vms[i]->name) == len && !memcmp(vms[i]->name, name, len))
			return vms[i];
	return NULL;
}

static uint64_t order_bytes(unsigned order)
{
	return (uint64_t)PAGE_SIZE << order;
}

/* A piece of RAM at [base, base + len): the largest blocks that fit there, so that EPT leaves are
 * large. */
static int add_ram(struct vm *vm, uint64_t base, uint64_t len)
{
	struct gmem *gmem = &vm->gmem;

	while (len) {
		unsigned order = ORDER_1G;
		hpa_t block;

		while (order_bytes(order) > len || !IS_ALIGNED(base, order_bytes(order)))
			order--;
		while (!page_alloc(order, &block)) {
			if (order == 0)
				return -ENOMEM;
			order--;
		}
		memset(hpa_to_ptr(block), 0, order_bytes(order));
		if (gmem->count == GMEM_CHUNKS_MAX) {
			page_free(block, order);
			return -ENOSPC;
		}
		gmem->chunk[gmem->count++] = (struct gmem_chunk){
			.base = GPA(base),
			.len = order_bytes(order),
			.host = block,
			.order = (uint8_t)order,
		};
		base += order_bytes(order);
		len -= order_bytes(order);
	}
	return 0;
}

static int create_memory(struct vm *vm)
{
	uint64_t mem = vm->params.mem;
	int ret;

	vm->low_end = MIN(mem, LOW_RAM_MAX);
	vm->high_end = mem > LOW_RAM_MAX ? GIB(4) + (mem - LOW_RAM_MAX) : 0;
	ret = add_ram(vm, 0, VGA_HOLE);
	if (!ret)
		ret = add_ram(vm, VGA_END, vm->low_end - VGA_END);
	if (!ret && vm->high_end)
		ret = add_ram(vm, GIB(4), vm->high_end - GIB(4));
	return ret;
}

static void free_memory(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->gmem.count; i++)
		page_free(vm->gmem.chunk[i].host, vm->gmem.chunk[i].order);
	vm->gmem.count = 0;
}

void vm_power_up_vcpu(struct vcpu *vcpu)
{
	platform_add_vcpu(vcpu);
	vcpu_reset(vcpu, false);
	vcpu_arch_reset(vcpu, false);
	vcpu->activity = VCPU_WAIT_FOR_STARTUP;
}

static int create_vcpu(struct vm *vm, uint32_t index, char *error, size_t error_size)
{
	const struct cpuid_config config = {
		.host = cpuid,
		.xcr0_supported = vm_machine.xcr0,
		.kvm_features = kvm_features() & ~vm->params.kvm_withdrawn,
		.kvm_hints = vm->params.is_kvm_realtime ? BIT(KVM_HINTS_REALTIME) : 0,
		.is_kvm_off = vm->params.is_kvm_off,
		.has_tsc_deadline = true,
		.has_x2apic = true,
		.has_invariant_tsc = vm_machine.is_tsc_stable,
		.is_rdrand_hidden = vm->params.is_rdrand_hidden,
		.is_xsavec_broken = vm_machine.is_xsavec_broken,
		.delta = vm->params.cpuid,
		.delta_len = vm->params.cpuid_len,
		.topology = vm->params.topology,
	};
	struct vcpu *vcpu = vcpu_arch_create(vm, index);
	struct cpumask affinity = CPUMASK_ALL;
	char bad[32];

	if (!vcpu) {
		fmt_snprintf(error, error_size, "vm '%s': no memory for vCPU %u", vm->name, index);
		return -ENOMEM;
	}
	vm->vcpu[index] = vcpu; /* from here on vm_destroy frees it */
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->apic_id = topology_apic_id(&vm->params.topology, index);
	if (cpuid_build(&vcpu->cpuid, &config, vcpu->apic_id, bad, sizeof(bad))) {
		fmt_snprintf(error, error_size,
			     "vm '%s': cpuid=: '%s' is not '-' and the name of a feature that can "
			     "be taken away",
			     vm->name, bad);
		return -EINVAL;
	}
	if (vm->params.pin_count)
		affinity = cpumask_of(vm->params.pin[index % vm->params.pin_count]);
	vcpu_init_timers(vcpu);
	vm_power_up_vcpu(vcpu);
	sched_entity_init(&vcpu->se, vcpu_arch_sched_ops(), &affinity, vm->params.slice, rdtsc());
	vcpu->se.payer = &vm->payer;
	if (vm->params.cap && vm->params.cap < 100) {
		vcpu->se.cap_period = ns_to_tsc(&vm_machine.tsc, CAP_PERIOD_NS);
		vcpu->se.cap_budget = vcpu->se.cap_period * vm->params.cap / 100;
	}
	return 0;
}

void vm_destroy(struct vm *vm)
{
	vm_arch_destroy(vm);
	vm_free_nics(vm);
	if (vm->restart.fill)
		pages_free(vm->restart.fill, sizeof(*vm->restart.fill));
	debug_destroy(vm);
	free_memory(vm);
	pages_free(vm, sizeof(*vm));
}

int vm_create(const struct vm_params *params, struct vm **out, char *error, size_t error_size)
{
	struct vm *vm = pages_alloc_zeroed(sizeof(*vm));
	int ret;

	*out = NULL;
	if (!vm) {
		fmt_snprintf(error, error_size, "vm '%s': no memory for another VM", params->name);
		return -ENOMEM;
	}
	vm->params = *params;
	str_copy(vm->name, params->name, sizeof(vm->name));
	vm->params.name = vm->name;
	vm->params.kvm_withdrawn = kvm_withdrawn(params);
	/* The CPU ends such a VM's interrupts itself. */
	if (vcpu_arch_has_virtual_interrupt_delivery(vm))
		vm->params.kvm_withdrawn |= BIT(KVM_FEATURE_PV_EOI);
	vm->id = UINT32_MAX; /* until it is listed */
	vm->lock = (struct spinlock)SPINLOCK_INIT(LOCK_VM);
	vm->tsc_offset = -rdtsc();
	ret = create_memory(vm);
	if (ret) {
		fmt_snprintf(error, error_size,
			     "vm '%s': mem=%luM: only %luM of the machine's %luM are free: give "
			     "the VM less, or the "
			     "machine more",
			     vm->name, params->mem >> 20, page_free_bytes() >> 20,
			     page_total_bytes() >> 20);
		goto fail;
	}
	if (params->restarts && !(vm->restart.fill = pages_alloc_zeroed(sizeof(*vm->restart.fill))))
		ret = -ENOMEM;
	if (!ret)
		ret = platform_init(vm);
	if (!ret)
		ret = vm_arch_create(vm);
	if (ret) {
		fmt_snprintf(
			error, error_size,
			"vm '%s': no memory for its page tables: give the VM less mem=, or the "
			"machine more",
			vm->name);
		goto fail;
	}
	for (uint32_t i = 0; i < params->vcpus; i++) {
		ret = create_vcpu(vm, i, error, error_size);
		if (ret)
			goto fail;
	}
	*out = vm;
	return 0;
fail:
	vm_destroy(vm);
	return ret;
}

int vm_list(struct vm *vm)
{
	if (vm_total == VMS_MAX)
		return -ENOSPC;
	vm->id = vm_total;
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		vm->vcpu[i]->se.id = (uint16_t)(vm->id * MAX_VM_VCPUS + i + 1);
	vm->payer.id = (uint16_t)(vm->id + 1);
	vms[vm_total] = vm;
	/* Other pCPUs look at the table while it grows. */
	__atomic_store_n(&vm_total, vm_total + 1, __ATOMIC_RELEASE);
	vm_audit_memory(vm);
	return 0;
}

struct vm *vm_create_failed(const char *name, const char *reason)
{
	struct vm *vm = vm_total < VMS_MAX ? pages_alloc_zeroed(sizeof(*vm)) : NULL;

	if (!vm)
		return NULL;
	str_copy(vm->name, name, sizeof(vm->name));
	str_copy(vm->reason, reason, sizeof(vm->reason));
	visible_plain(vm->reason, strlen(vm->reason));
	vm->params.name = vm->name;
	vm->id = vm_total;
	vm->has_ended = true;
	vms[vm_total] = vm;
	/* Other pCPUs look at the table while it grows. */
	__atomic_store_n(&vm_total, vm_total + 1, __ATOMIC_RELEASE);
	return vm;
}

void vm_start(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		sched_start(&vm->vcpu[i]->se);
}

/* The vCPU whose report tells most: the one that is running here, when it is the VM's; else, when
 * the end comes from outside, one that has not halted. */
static uint32_t find_culprit(const struct vm *vm)
{
	const struct runq *rq = sched_this_runq();
	const struct sched_entity *se = rq ? rq->current : NULL;
	const struct vcpu *here = se ? list_entry(se, struct vcpu, se) : NULL;

	if (here && here->vm == vm)
		return here->index;
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		if (__atomic_load_n(&vm->vcpu[i]->activity, __ATOMIC_RELAXED) == VCPU_ACTIVE)
			return i;
	return 0;
}

static bool end(struct vm *vm, bool is_ok, bool is_quit, const char *reason)
{
	bool expected = false;

	if (!__atomic_compare_exchange_n(&vm->is_ending, &expected, true, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	vm->is_ok = is_ok;
	vm->is_quit = is_quit;
	vm->ended_at = rdtsc();
	vm->ended_by = find_culprit(vm);
	str_copy(vm->reason, reason, sizeof(vm->reason));
	visible_plain(vm->reason, strlen(vm->reason));
	__atomic_store_n(&vm->has_ended, true, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		vcpu_request(vm->vcpu[i], VCPU_REQ_STOP);
	vm_unplug_nics(vm);
	vm_machine.on_end();
	return true;
}

bool vm_end(struct vm *vm, bool is_ok, const char *fmt, ...)
{
	char reason[VM_REASON_MAX];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	return end(vm, is_ok, false, reason);
}

bool vm_quit(struct vm *vm, const char *why)
{
	return end(vm, false, true, why);
}

/* Can this vCPU still run, or be about to? The requests first: what ends a halt is cleared when the
 * vCPU is active already. One that is paused is looked at again when it goes on. */
static bool is_alive(struct vcpu *vcpu, uint32_t *activity)
{
	uint32_t requests = __atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST);

	*activity = __atomic_load_n(&vcpu->activity, __ATOMIC_SEQ_CST);
	if (*activity == VCPU_ACTIVE || (requests & (VCPU_REQ_WAKES | VCPU_REQ_PAUSED)))
		return true;
	if (*activity == VCPU_WAIT_FOR_STARTUP)
		return requests & VCPU_REQ_STARTUP;
	return __atomic_load_n(&vcpu->is_interrupt_open, __ATOMIC_SEQ_CST);
}

void vm_check_halted(struct vm *vm)
{
	uint32_t wakeups = __atomic_load_n(&vm->wakeups, __ATOMIC_SEQ_CST), activity;
	bool is_waiting_for_startup = true;

	for (uint32_t i = 0; i < vm->params.vcpus; i++) {
		if (is_alive(vm->vcpu[i], &activity))
			return;
		is_waiting_for_startup &= activity == VCPU_WAIT_FOR_STARTUP;
	}
	/* One that was looked at early may have been woken by one that was looked at late. The
	 * waker, or the woken one, then comes here by itself. */
	if (__atomic_load_n(&vm->wakeups, __ATOMIC_SEQ_CST) != wakeups ||
	    platform_can_end_any_halt(vm))
		return;
	vm_end(vm, vm->params.is_halt_ok, "halted: %s",
	       is_waiting_for_startup ? "all vCPUs wait for a SIPI that nobody can send"
				      : "HLT with interrupts disabled, and nothing can wake it");
}
