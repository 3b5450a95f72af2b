/* What another VM has for this one must not wait for one of its vCPUs, which may all be halted, and
 * cannot be done at once, with the other's lock held: two VMs' locks are of one rank. The pCPU that
 * posts does it as soon as it holds no lock: before it enters a guest again, or halts.
 *
 * The list needs no lock: posts push, and the timer takes all of it. Who pushes to the empty list
 * arms the timer, on this pCPU, where alone it expires and empties the list: nobody else arms it in
 * between. What it takes is charged to the VM that has posted: to whose turn it is, or whose device
 * is served. It is never put off: the sender is what is throttled. */
#include "guest/post.h"

#include "guest/platform.h"
#include "guest/vm.h"
#include "sched/sched.h"

static void run_calls(struct sched_timer *timer, uint64_t now)
{
	struct vm *vm = container_of(timer, struct vm, calls.timer);
	struct platform_call *call, *next;

	/* Whoever has posted waits for nobody. The list is not empty: nobody else arms this. */
	if (!platform_lock_for_work(vm)) {
		sched_timer_arm(timer, now + ns_to_tsc(&vm_machine.tsc, LOCK_RETRY_NS));
		return;
	}
	call = __atomic_exchange_n(&vm->calls.first, NULL, __ATOMIC_ACQ_REL);
	for (; call; call = next) {
		next = call->next;
		/* What is posted from here on comes again. */
		(void)__atomic_exchange_n(&call->is_posted, false, __ATOMIC_ACQ_REL);
		if (!vm->has_ended)
			call->run(call->owner);
	}
	spin_unlock(&vm->lock);
}

void vm_calls_init(struct vm *vm)
{
	sched_timer_init(&vm->calls.timer, run_calls);
}

void vm_post(struct vm *vm, struct platform_call *call)
{
	struct platform_call *first;

	if (__atomic_exchange_n(&call->is_posted, true, __ATOMIC_ACQ_REL))
		return;
	first = __atomic_load_n(&vm->calls.first, __ATOMIC_RELAXED);
	do {
		call->next = first;
	} while (!__atomic_compare_exchange_n(&vm->calls.first, &first, call, false,
					      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (first)
		return;
	vm->calls.timer.payer = sched_this_payer();
	sched_timer_arm(&vm->calls.timer, 0);
	/* The vCPU that runs here looks before it goes on. */
	sched_run_kick_hook();
}
