/* Calls that are posted to a VM from outside: platform->post. */
#ifndef GUEST_POST_H
#define GUEST_POST_H

#include "devices/platform.h"
#include "sched/timer.h"

struct vm;

struct vm_calls {
	struct platform_call *first; /* (a) posted and not run yet, the last one first */
	struct sched_timer timer;    /* armed by whoever finds the list empty */
};

void vm_calls_init(struct vm *vm);

/* See devices/platform.h. */
void vm_post(struct vm *vm, struct platform_call *call);

#endif
