/* A virtual CPU as every layer but vmx/ knows it. It sits inside struct vmx_vcpu.
 *
 * Legend: (i) immutable after creation, (o) the pCPU that runs it (or its creator before it is
 * started), (a) atomic. */
#ifndef GUEST_VCPU_H
#define GUEST_VCPU_H

#include "devices/lapic.h"
#include "guest/cpuid.h"
#include "sched/halt_poll.h"
#include "sched/sched.h"
#include "sched/timer.h"

struct vm;

/* Requests: bits of vcpu->requests, set by vcpu_request(), served before each entry. */
#define VCPU_REQ_EVENT          BIT(0) /* an interrupt may have to be injected */
#define VCPU_REQ_NMI            BIT(1)
#define VCPU_REQ_INIT           BIT(2)
#define VCPU_REQ_STARTUP        BIT(3)
#define VCPU_REQ_STOP           BIT(4) /* the VM has ended */
#define VCPU_REQ_UNHALT         BIT(5) /* KVM_HC_KICK_CPU: ends this halt, or the next */
#define VCPU_REQ_CLOCK          BIT(6) /* the pvclock area is out of date */
#define VCPU_REQ_RESTART        BIT(7) /* of vCPU 0: to begin the VM anew (guest/restart.c) */
#define VCPU_REQ_RESUME         BIT(8) /* a reason to be paused has gone (guest/pause.c) */
/* Reasons to be paused: not served, but kept until they are taken back. */
#define VCPU_REQ_PAUSE_MONITOR  BIT(9)
#define VCPU_REQ_PAUSE_DEBUGGER BIT(10)
#define VCPU_REQ_PAUSE_CONSOLE  BIT(11) /* guest/output.h */
#define VCPU_REQ_PAUSED         (VCPU_REQ_PAUSE_MONITOR | VCPU_REQ_PAUSE_DEBUGGER | VCPU_REQ_PAUSE_CONSOLE)
/* Work of the VM's devices was put off until one of its turns (platform_fetch_work). */
#define VCPU_REQ_DEVICES        BIT(12)
/* Those that end a halt by themselves. */
#define VCPU_REQ_WAKES          (VCPU_REQ_NMI | VCPU_REQ_INIT | VCPU_REQ_STOP | VCPU_REQ_UNHALT)

enum vcpu_activity {
	VCPU_ACTIVE,
	VCPU_HALTED,           /* HLT: waits for an interrupt or NMI */
	VCPU_WAIT_FOR_STARTUP, /* waits for INIT and SIPI */
};

/* General registers, by their encoding numbers; RSP (4) is not here but with the arch layer. */
enum vcpu_gpr { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI };

struct vcpu_regs {
	uint64_t gpr[16];
};

#define VCPU_KEPT_INTERRUPT BIT(8)

#define VCPU_EXIT_LOG 32 /* power of two */

struct vcpu_exit_log {
	uint32_t reason;
	uint32_t info; /* reason-specific: the port */
	uint64_t rip;
};

#define VCPU_MTRR_COUNT (11 + 16 + 1) /* fixed ranges, 8 variable pairs, default type */

struct vcpu {
	struct vcpu_regs regs; /* (o) first: the entry code's */
	uint32_t requests;     /* (a) */
	uint32_t parked;       /* (o) written, (a) read: the reasons for which it is paused */
	uint32_t activity;     /* (o) written, (a) read: enum vcpu_activity */
	struct sched_entity se;
	struct vm *vm;          /* (i) */
	uint32_t index;         /* (i) number within the VM */
	uint32_t apic_id;       /* (i) */
	uint8_t startup_vector; /* (a) of the last SIPI */
	bool is_nmi_pending;    /* (o) */
	/* (o) VCPU_KEPT_INTERRUPT and the vector of an interrupt whose delivery an exception has
	 * cut short: in service already, and delivered when the guest is open for it. Or 0. */
	uint16_t kept_interrupt;
	bool is_unhalted;       /* (o) kicked while it ran: the next HLT does not halt */
	bool is_interrupt_open; /* (o) HALTED: was RFLAGS.IF set? (a) read for the end of the VM */
	bool is_pv_eoi_armed;   /* (o) the guest may end the interrupt by a bit in memory */
	/* (o) written, (a) read: what guest writes have added to this vCPU's TSC, ticks */
	uint64_t tsc_adjust;

	struct lapic lapic;
	struct deadline_heap timers;   /* (o) its platform timers; VM TSC ticks */
	struct sched_timer wake_timer; /* armed while blocked, for the nearest of them */
	bool has_wake_timer;           /* (o) it was armed since it was cancelled last */
	struct halt_poll halt_poll;    /* (o) */
	uint64_t halt_start;           /* (o) TSC when HLT exited */
	uint64_t halt_polled;          /* (o) TSC ticks polled in this halt */

	/* (o) MSRs that live in software */
	uint64_t kvm_system_time, kvm_wall_clock, kvm_poll_control, kvm_steal_time, kvm_pv_eoi;
	uint64_t misc_enable;
	uint64_t tsc_deadline; /* IA32_TSC_DEADLINE as last written: in its own TSC */
	uint64_t mtrr[VCPU_MTRR_COUNT];
	uint64_t xcr0;

	/* (o) The areas in guest memory that two of them name, checked; NULL: off. */
	struct kvm_steal_time *steal_area;
	uint8_t *pv_eoi_area;

	/* (o) */
	uint64_t injections;
	uint32_t last_yielded_to; /* vCPU number, for the round robin of vcpu_spins */
	uint64_t spin_yields;
	uint64_t pv_eois;        /* interrupts that ended without an EOI write */
	uint64_t pv_tlb_flushes; /* flushes asked for while it was preempted */
	uint8_t exit_log_at;     /* the newest in: */
	struct vcpu_exit_log exit_log[VCPU_EXIT_LOG];
	struct cpuid_table cpuid;
};

/* The log's newest entry stands at twice `exit_log_at`, which wraps by itself as the log does. */
#define VCPU_EXIT_LOG_STEP (sizeof(struct vcpu_exit_log) / 2)
_Static_assert(VCPU_EXIT_LOG *VCPU_EXIT_LOG_STEP == 256, "exit_log_at has 8 bits");

static inline struct vcpu_exit_log *vcpu_last_exit(struct vcpu *vcpu)
{
	return (void *)((char *)vcpu->exit_log + (size_t)2 * vcpu->exit_log_at);
}

/* `age` 0 is the last exit, 1 the one before. The owner, or when the vCPU rests. */
static inline const struct vcpu_exit_log *vcpu_past_exit(const struct vcpu *vcpu, uint32_t age)
{
	uint32_t newest = (uint32_t)(vcpu->exit_log_at / VCPU_EXIT_LOG_STEP);

	return &vcpu->exit_log[(newest - age) % VCPU_EXIT_LOG];
}

/* Six instructions an exit. */
static inline void vcpu_log_exit(struct vcpu *vcpu, uint32_t reason, uint64_t rip)
{
	uint64_t at = (uint8_t)(vcpu->exit_log_at + VCPU_EXIT_LOG_STEP);
	struct vcpu_exit_log *log;

	hide_origin(at);
	log = (void *)((char *)vcpu->exit_log + 2 * at);
	vcpu->exit_log_at = (uint8_t)at;
	log->reason = reason;
	log->rip = rip;
}

/* Do these requests keep a vCPU out of the guest? A stop they do not keep. */
static inline bool vcpu_is_held(uint32_t requests)
{
	return (requests & VCPU_REQ_PAUSED) && !(requests & VCPU_REQ_STOP);
}

/* Sets the request bits and makes the vCPU look. Any pCPU, the VM's lock may be held. */
void vcpu_request(struct vcpu *vcpu, uint32_t bits);

/* Has something come that ends a halt (or the wait for SIPI)? Owner pCPU. */
bool vcpu_has_wake_event(struct vcpu *vcpu);

/* HLT: polls, adaptively, for an event; true when one has come and the guest can go on at once,
 * false when the vCPU must block (SCHED_WAIT). Owner pCPU, interrupts on. */
bool vcpu_halt(struct vcpu *vcpu, bool is_interrupt_open);

/* A blocked vCPU is back on its pCPU: true when its halt is over; false when it woke for nothing
 * and must wait on. Owner pCPU, from switch-in. */
bool vcpu_resume_from_halt(struct vcpu *vcpu);

/* Before it blocks and after it is back: its nearest timer stands in the pCPU's heap meanwhile. */
void vcpu_arm_wake_timer(struct vcpu *vcpu);
static inline void vcpu_cancel_wake_timer(struct vcpu *vcpu)
{
	/* Whether it is armed still only its heap's lock can tell. */
	if (!vcpu->has_wake_timer)
		return;
	vcpu->has_wake_timer = false;
	sched_timer_cancel(&vcpu->wake_timer);
}

/* Before the first reset. */
void vcpu_init_timers(struct vcpu *vcpu);

/* INIT and the power-up reset of what this layer holds. Owner pCPU. */
void vcpu_reset(struct vcpu *vcpu, bool is_init);

/* The state at switch-in and switch-out that this layer holds: pvclock after a move; steal time and
 * its preempted flag. Owner pCPU; vcpu_switched_in before the vCPU enters the guest. */
void vcpu_moved(struct vcpu *vcpu);
void vcpu_switched_in(struct vcpu *vcpu);
void vcpu_switched_out(struct vcpu *vcpu);

/* It spins in a loop of PAUSEs: yields to a vCPU of its VM that was preempted, if there is one.
 * Owner pCPU. */
void vcpu_spins(struct vcpu *vcpu);

/* Work that a vCPU does in its turns instead of its guest, for its VM's end or new beginning, is
 * done in pieces of steps, of WORK_NS each at the most. After each step of a piece that began at
 * `began` (TSC), runs this pCPU's timers; is the piece over, because the turn is, or after a
 * millisecond? The vCPU then gives way, and goes on in its next turn, which comes at once when
 * nobody waits. Owner pCPU, no lock held. */
bool vcpu_is_piece_over(const struct vcpu *vcpu, uint64_t began);

/* The guest's TSC as this vCPU reads it, now, in ticks. */
uint64_t vcpu_tsc(const struct vcpu *vcpu);

#endif
