/* A VM that begins anew after a reset (on-reset=restart). Its vCPUs stop; vCPU 0 then puts
 * the devices into their power-up state, zeroes the memory piece by piece, in its own turns, so
 * that nobody else waits for a large VM; powers the vCPUs up; has the image loaded again, what
 * comes from files in steps, too; and starts the others. Whoever
 * ends the VM meanwhile is served as ever: vCPU 0 looks for VCPU_REQ_STOP before each piece. */
#include "cpu/insn.h"
#include "guest/debug.h"
#include "guest/kvm.h"
#include "guest/platform.h"
#include "guest/vcpu_arch.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/hostmap.h"

#define ZERO_STEP     KIB(16)
#define RESTARTS_TOLD 8u

void vm_reset(struct vm *vm)
{
	uint32_t restarts = __atomic_load_n(&vm->restarts, __ATOMIC_RELAXED);
	bool expected = false;

	if (!vm->params.restarts) {
		vm_end(vm, vm->params.is_reset_ok, "reset");
		return;
	}
	if (restarts >= vm->params.restarts) {
		vm_end(vm, false, "reset after %u restart%s; on-reset=restart:COUNT permits more",
		       restarts, restarts == 1 ? "" : "s");
		return;
	}
	if (!__atomic_compare_exchange_n(&vm->is_resetting, &expected, true, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		vcpu_request(vm->vcpu[i], VCPU_REQ_STOP);
	vm_machine.on_end();
}

void vm_begin_restart(struct vm *vm)
{
	/* vm_end says that the VM has ended, then requests the stop. Whose request is lost here is
	 * seen to have ended. */
	for (uint32_t i = 0; i < vm->params.vcpus; i++) {
		__atomic_fetch_and(&vm->vcpu[i]->requests, VCPU_REQ_PAUSED, __ATOMIC_SEQ_CST);
		__atomic_store_n(&vm->vcpu[i]->parked, 0, __ATOMIC_SEQ_CST);
		if (vm->debug)
			debug_forget(vm->vcpu[i]);
	}
	__atomic_store_n(&vm->is_resetting, false, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&vm->has_ended, __ATOMIC_SEQ_CST))
		return;
	vm->restart.phase = RESTART_DEVICES;
	/* Nobody writes to the guest's memory behind its back: neither this, nor a device. */
	for (uint32_t i = 0; i < vm->params.vcpus; i++)
		kvm_reset(vm->vcpu[i]);
	__atomic_store_n(&vm->restarts, vm->restarts + 1, __ATOMIC_RELAXED);
	if (vm->restarts <= RESTARTS_TOLD)
		log_info("VM '%s': reset, restart %u of %u%s", vm->name, vm->restarts,
			 vm->params.restarts,
			 vm->restarts == RESTARTS_TOLD ? " (further ones are only counted)" : "");
	__atomic_fetch_or(&vm->vcpu[0]->requests, VCPU_REQ_RESTART, __ATOMIC_SEQ_CST);
	sched_start(&vm->vcpu[0]->se);
}

/* Zeroes the next bytes. */
static void zero_step(struct vm *vm)
{
	struct vm_restart *r = &vm->restart;
	const struct gmem_chunk *chunk = &vm->gmem.chunk[r->index];
	uint64_t len = MIN(chunk->len - r->done, ZERO_STEP);

	memset((uint8_t *)hpa_to_ptr(chunk->host) + r->done, 0, len);
	r->done += len;
	if (r->done < chunk->len)
		return;
	r->done = 0;
	if (++r->index < vm->gmem.count)
		return;
	r->index = 0;
	r->phase = RESTART_VCPUS;
}

static int reset_devices(struct vm *vm, char *error, size_t error_size)
{
	int ret;

	spin_lock(&vm->lock);
	/* A line that did not end counts, too: else this vCPU would fill the port by resets. */
	(void)vm_output_given(vm, guest_console_flush(&vm->console, vm->name));
	vm->console.is_cut = false;
	ret = platform_reset(vm);
	spin_unlock(&vm->lock);
	__atomic_store_n(&vm->has_unequal_tscs, false, __ATOMIC_RELAXED);
	if (ret)
		str_copy(error, "the devices cannot be wired again", error_size);
	vm->restart.phase = RESTART_ZERO;
	vm->restart.index = 0;
	vm->restart.done = 0;
	return ret;
}

static void power_up_next(struct vm *vm)
{
	struct vcpu *vcpu = vm->vcpu[vm->restart.index];

	vcpu->timers = (struct deadline_heap){0};
	vm_power_up_vcpu(vcpu);
	if (++vm->restart.index == vm->params.vcpus)
		vm->restart.phase = RESTART_LOAD;
}

/* True after the last step. */
static bool step(struct vm *vm)
{
	struct vm_restart *r = &vm->restart;
	char error[VM_REASON_MAX];
	int ret = 0;

	switch (r->phase) {
	case RESTART_DEVICES:
		ret = reset_devices(vm, error, sizeof(error));
		break;
	case RESTART_ZERO:
		zero_step(vm);
		break;
	case RESTART_VCPUS:
		power_up_next(vm);
		break;
	case RESTART_LOAD:
		if (r->fill)
			guest_fill_begin(r->fill);
		ret = vm_machine.reload(vm, error, sizeof(error));
		r->phase = RESTART_FILL;
		break;
	case RESTART_FILL:
		if (r->fill && guest_fill_step(r->fill, &vm->gmem))
			break;
		for (uint32_t i = 1; i < vm->params.vcpus; i++)
			sched_start(&vm->vcpu[i]->se);
		return true;
	}
	if (ret)
		vm_end(vm, false, "restart: %s", error);
	return ret != 0;
}

bool vm_restart_step(struct vm *vm)
{
	uint64_t began = rdtsc();

	while (!step(vm))
		if (vcpu_is_piece_over(vm->vcpu[0], began))
			return false;
	return true;
}
