/* How far a VM's console may be ahead of the serial port behind it. A port takes 11 bytes a
 * millisecond and a guest can say thousands: what would have to wait would wait with the log's lock
 * held, in the guest's turn and in everybody's way. So a VM whose output is a quota ahead is held
 * itself: the vCPU that says more is parked (guest/pause.h) until enough has left. Nothing is lost,
 * the VM loses only its own time, and others find room in the port's ring. */
#ifndef GUEST_OUTPUT_H
#define GUEST_OUTPUT_H

#include "lib/log.h"
#include "sched/timer.h"

struct vm;

struct guest_output {
	uint32_t mark;   /* (a) what was given to the port up to here has to leave it first; */
	uint32_t bytes;  /* (l) what this VM has given since */
	bool is_ahead;   /* (a) vCPUs are parked, or will be when they say more */
	uint32_t sent;   /* the timer's: how far the port was at its last look, */
	uint32_t stands; /* and at how many looks it stood there */
	struct sched_timer timer;
};

/* `quota`: bytes between two marks; all VMs' together are a fraction of the port's ring. So a VM is
 * at most two quotas and a line ahead. */
#define GUEST_OUTPUT_QUOTAS 16384u

/* The rule, pure: the VM has given `bytes` more to the log, and the port is at `pace`. True when it
 * is a quota ahead. VM's lock held. */
bool guest_output_count(struct guest_output *output, uint32_t bytes, struct log_pace pace,
			uint32_t quota);

/* The timer's look, pure: has enough left, or does the port stand still? Then the log may find out
 * that it is stuck (drivers/uart16550.c). */
bool guest_output_may_go_on(struct guest_output *output, struct log_pace pace);

/* `bytes` of the VM's output have gone to the log: parks the vCPU of this VM that runs here when
 * that is too much. False then: a device that can keep back more should. VM's lock held. */
bool vm_output_given(struct vm *vm, uint32_t bytes);

void vm_output_init(struct vm *vm);

#endif
