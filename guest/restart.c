/* A VM that begins anew after a reset (on-reset=restart). Its vCPUs stop; vCPU 0 then zeroes the
 * memory piece by piece, in its own turns, so that nobody else waits for a large VM; puts devices
 * and vCPUs into their power-up state; has the image loaded again; and starts the others. Whoever
 * ends the VM meanwhile is served as ever: vCPU 0 looks for VCPU_REQ_STOP before each piece. */
#include "guest/debug.h"
#include "guest/kvm.h"
#include "guest/platform.h"
#include "guest/vcpu_arch.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/hostmap.h"

#define PIECE MIB(4)

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
	vm->zeroed = 0;
	__atomic_store_n(&vm->restarts, vm->restarts + 1, __ATOMIC_RELAXED);
	log_info("VM '%s': reset, restart %u of %u", vm->name, vm->restarts, vm->params.restarts);
	__atomic_fetch_or(&vm->vcpu[0]->requests, VCPU_REQ_RESTART, __ATOMIC_SEQ_CST);
	sched_start(&vm->vcpu[0]->se);
}

/* Zeroes the next piece; false when nothing was left. */
static bool zero_piece(struct vm *vm)
{
	uint64_t at = vm->zeroed;

	for (uint32_t i = 0; i < vm->gmem.count; i++) {
		const struct gmem_chunk *chunk = &vm->gmem.chunk[i];

		if (at < chunk->len) {
			uint64_t len = MIN(chunk->len - at, PIECE);

			memset((uint8_t *)hpa_to_ptr(chunk->host) + at, 0, len);
			vm->zeroed += len;
			return true;
		}
		at -= chunk->len;
	}
	return false;
}

/* False when the devices cannot be wired. */
static bool power_up(struct vm *vm)
{
	int ret;

	spin_lock(&vm->lock);
	guest_console_flush(&vm->console, vm->name);
	vm->console.is_cut = false;
	ret = platform_reset(vm);
	spin_unlock(&vm->lock);
	if (ret)
		return false;
	__atomic_store_n(&vm->has_unequal_tscs, false, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < vm->params.vcpus; i++) {
		vm->vcpu[i]->timers = (struct deadline_heap){0};
		vm_power_up_vcpu(vm->vcpu[i]);
	}
	return true;
}

bool vm_restart_step(struct vm *vm)
{
	char error[VM_REASON_MAX] = "the devices cannot be wired again";
	bool is_loaded;

	/* From here on nobody writes to the guest's memory behind its back. */
	for (uint32_t i = 0; !vm->zeroed && i < vm->params.vcpus; i++)
		kvm_reset(vm->vcpu[i]);
	if (zero_piece(vm))
		return false;
	percpu_set_long_work(true);
	is_loaded = power_up(vm) && !vm_machine.reload(vm, error, sizeof(error));
	percpu_set_long_work(false);
	if (!is_loaded) {
		vm_end(vm, false, "restart: %s", error);
		return true;
	}
	for (uint32_t i = 1; i < vm->params.vcpus; i++)
		sched_start(&vm->vcpu[i]->se);
	return true;
}
