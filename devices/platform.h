/* The outside, as a device model sees it: one table of functions and nothing else. guest/platform.c
 * answers it in the hypervisor, tests/unit/fakes/platform.c in the unit tests.
 *
 * Locking: every function of a model that is VM-wide (all but the local APIC's own-vCPU paths, see
 * lapic.h) is called with the VM's lock held; so are `expire` callbacks of VM-wide timers. */
#ifndef DEVICES_PLATFORM_H
#define DEVICES_PLATFORM_H

#include "lib/deadline.h"
#include "lib/tsc.h"
#include "lib/types.h"

#define TIMER_VM_WIDE UINT32_MAX

/* How long a device, or the emulator, works in one go. Whoever does so holds the VM's lock, and may
 * do it on a pCPU whose turn is another VM's. Every loop whose length a guest chooses asks after
 * each step (platform_is_work_over), so that a step must be small; it does one at the least, and
 * what is left comes with a timer, or when the guest executes its instruction again. */
#define WORK_NS 50000u

/* A timer of a model. Embedded in the model's struct; set up by platform_timer_init. */
struct platform_timer {
	struct deadline deadline; /* the platform's */
	uint32_t vcpu;            /* (i) the vCPU whose timer it is, or TIMER_VM_WIDE */
	bool is_armed;            /* the model armed it and it has not expired */
	uint64_t when;            /* VM TSC ticks, while armed */
	void *owner;              /* (i) the model */
	void (*expire)(void *owner, uint64_t now); /* (i) called once; may arm again */
};

/* What a model is called for from outside of its VM: by another VM's doing. Embedded in the model's
 * struct; set up by platform_call_init. */
struct platform_call {
	struct platform_call *next; /* the platform's */
	bool is_posted;             /* (a) and not run yet */
	void *owner;                /* (i) the model */
	void (*run)(void *owner);   /* (i) with the VM's lock held */
};

/* What a vCPU can be told by another (the ICR) or by a device. */
enum vcpu_signal {
	VCPU_SIGNAL_EVENT, /* an interrupt may be pending in its local APIC */
	VCPU_SIGNAL_NMI,
	VCPU_SIGNAL_INIT,
	VCPU_SIGNAL_STARTUP, /* value: the vector (page number) */
};

/* How a VM ends by its own doing. */
enum vm_end {
	VM_END_POWEROFF,   /* ACPI S5 or the like */
	VM_END_RESET,      /* 8042, 0xcf9, port 0x92, the ACPI reset register */
	VM_END_DEBUG_EXIT, /* port 0xf4; value: what was written */
	VM_END_SHUTDOWN,   /* 'Shutdown' at port 0x8900 */
};

struct platform_ops {
	/* The VM's TSC, in ticks: monotonic, the same for all its vCPUs. */
	uint64_t (*now)(void *ctx);

	/* Arms (or moves) `timer` for VM TSC time `when`; a past time expires at once, but never
	 * inside this call. Cancel makes sure that `expire` is not called any more. */
	void (*timer_arm)(void *ctx, struct platform_timer *timer, uint64_t when);
	void (*timer_cancel)(void *ctx, struct platform_timer *timer);

	/* Has `call` run soon, once for all posts until then; what was written before the post, it
	 * sees. Callable from any pCPU, with another VM's lock held. */
	void (*post)(void *ctx, struct platform_call *call);

	/* Tells vCPU number `vcpu` of this VM. Callable from any pCPU, without the VM's lock too.
	 */
	void (*signal)(void *ctx, uint32_t vcpu, enum vcpu_signal what, uint8_t value);

	/* The same with VCPU_SIGNAL_EVENT, by the pCPU that runs that vCPU: nobody needs to be
	 * woken. */
	void (*signal_self)(void *ctx, uint32_t vcpu);

	/* Checked access to guest memory: 0, or -EFAULT when any byte lies outside the VM's RAM
	 * (then nothing was copied). */
	int (*gmem_read)(void *ctx, gpa_t from, void *to, size_t len);
	int (*gmem_write)(void *ctx, gpa_t to, const void *from, size_t len);

	/* `len` bytes of RAM that lie together, or NULL: for words that are shared with the running
	 * guest, which are read and written with single aligned accesses. */
	void *(*gmem_ptr)(void *ctx, gpa_t at, size_t len);

	/* Random bytes, good enough for keys where the machine has a source of such. */
	void (*random)(void *ctx, void *to, size_t len);

	/* A byte that the guest sent to its console; it is taken in any case. False when the guest
	 * is faster than the port behind the console: what a model can keep back it should. */
	bool (*console)(void *ctx, uint8_t byte);

	/* The console's UART, or virtio's, may have room for input again. May call uart_receive or
	 * virtio_console_receive. True when the work was over (WORK_NS) before the room or the
	 * input was: virtio's asks again then. */
	bool (*console_room)(void *ctx);

	/* The VM ends; the vCPU that runs this stops after the current instruction, the others
	 * soon. */
	void (*end)(void *ctx, enum vm_end how, uint32_t value);

	/* The wall clock: nanoseconds since 1970 UTC at VM TSC time `now`. */
	uint64_t (*wall_ns)(void *ctx, uint64_t now);

	/* A guest did something that a person who debugs it wants to know: rate-limited by the
	 * platform. */
	void (*note)(void *ctx, const char *fmt, ...) __printf_like(2, 3);
};

struct platform {
	const struct platform_ops *ops;
	void *ctx;
	struct tsc_rate tsc; /* (i) the rate of `now` */
};

static inline uint64_t platform_now(const struct platform *p)
{
	return p->ops->now(p->ctx);
}

/* When work that begins now is to end. */
static inline uint64_t platform_work_end(const struct platform *p)
{
	return platform_now(p) + ns_to_tsc(&p->tsc, WORK_NS);
}

static inline bool platform_is_work_over(const struct platform *p, uint64_t end)
{
	return platform_now(p) >= end;
}

static inline void platform_timer_init(struct platform_timer *t, uint32_t vcpu, void *owner,
				       void (*expire)(void *owner, uint64_t now))
{
	*t = (struct platform_timer){.vcpu = vcpu, .owner = owner, .expire = expire};
}

static inline void platform_call_init(struct platform_call *call, void *owner,
				      void (*run)(void *owner))
{
	*call = (struct platform_call){.owner = owner, .run = run};
}

static inline void platform_timer_arm(const struct platform *p, struct platform_timer *t,
				      uint64_t when)
{
	p->ops->timer_arm(p->ctx, t, when);
}

static inline void platform_timer_cancel(const struct platform *p, struct platform_timer *t)
{
	p->ops->timer_cancel(p->ctx, t);
}

#endif
