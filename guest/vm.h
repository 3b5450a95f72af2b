/* A virtual machine: its memory, its vCPUs, its devices, and how it ends.
 *
 * Legend: (i) immutable after creation, (l) under vm->lock, (a) atomic. */
#ifndef GUEST_VM_H
#define GUEST_VM_H

#include "guest/console.h"
#include "guest/devices.h"
#include "guest/fill.h"
#include "guest/gmem.h"
#include "guest/output.h"
#include "guest/post.h"
#include "guest/symbols.h"
#include "guest/vcpu.h"

#define VM_NAME_MAX   32
#define VM_REASON_MAX 256

struct vm_debug;

struct vm_params {
	const char *name;
	uint64_t mem;             /* bytes, a multiple of 4096 */
	uint32_t vcpus;           /* 1 .. MAX_VM_VCPUS */
	struct topology topology; /* of as many */
	uint32_t pin_count;       /* 0: any pCPU */
	uint32_t pin[MAX_VM_VCPUS];
	uint32_t exit_ok; /* the value at port 0xf4 that means success */
	bool is_halt_ok, is_reset_ok, is_background;
	uint32_t restarts;    /* so many resets begin it anew */
	bool is_hlt_exit_off; /* HLT halts the pCPU: nobody else may need it */
	bool is_kvm_off, is_rdrand_hidden;
	uint32_t kvm_withdrawn; /* KVM_FEATURE_* bits that it is not given */
	bool is_kvm_realtime;   /* KVM_HINTS_REALTIME: each vCPU is alone on its pCPU */
	const char *cpuid;      /* cpuid=, not terminated; NULL for none */
	size_t cpuid_len;
	uint64_t slice;  /* TSC ticks, times: */
	uint32_t weight; /* both change at run time (monitor/) */
	bool has_virtio_console, has_virtio_rng;
	uint32_t disk_count;
	struct virtio_blk_disk disk[VM_DISKS_MAX];
	uint32_t nic_count;
	struct vm_nic nic[VM_NICS_MAX];
	uint32_t cap; /* percent of a pCPU for each vCPU; 0 or 100: none */
};

/* What is the same for all VMs, set once before the first is created. */
struct vm_machine {
	struct tsc_rate tsc;
	bool is_tsc_stable;    /* invariant and synchronous on all pCPUs */
	uint64_t xcr0;         /* components that the arch layer switches */
	bool is_xsavec_broken; /* the arch layer has tried it */
	struct halt_poll_params halt_poll;
	uint64_t boot_wall_ns; /* wall clock at TSC 0, nanoseconds since 1970 UTC */
	/* A VM has ended, or stops to begin anew; on any pCPU, the VM's lock may be held. */
	void (*on_end)(void);
	/* Loads a VM's image into its zeroed memory again, but for what comes from files, which it
	 * notes in vm->restart.fill, if there is one, and sets how vCPU 0 begins, on the pCPU where
	 * that runs. A negative errno, and why. */
	int (*reload)(struct vm *vm, char *error, size_t error_size);
};
extern struct vm_machine vm_machine;

/* What a restart does, one after the other: guest/restart.c. */
enum restart_phase {
	RESTART_DEVICES,
	RESTART_ZERO,  /* chunk `index`, of which `done` bytes are zeroed */
	RESTART_VCPUS, /* vCPU `index` is next */
	RESTART_LOAD,
	RESTART_FILL,
};

struct vm_restart {
	enum restart_phase phase;
	uint32_t index;
	uint64_t done;
	struct guest_fill *fill; /* (i) of a VM that may begin anew; NULL: all at once */
};

struct vm {
	char name[VM_NAME_MAX];  /* (i) */
	uint32_t id;             /* (i) dense, from 0 */
	struct vm_params params; /* (i) */
	struct gmem gmem;        /* (i) */
	uint64_t low_end,
		high_end;    /* (i) RAM: [0, low_end) but for the hole; [4 GiB, high_end) or 0 */
	uint64_t tsc_offset; /* (i) VM TSC = host TSC + this */
	void *arch;          /* (i) the arch layer's */
	struct guest_symbols symbols;    /* (i) of its kernel's file, for reports */
	struct vm_debug *debug;          /* (i) guest/debug.h; NULL: not to be debugged */
	struct vcpu *vcpu[MAX_VM_VCPUS]; /* (i) */

	struct spinlock lock;                       /* rank LOCK_VM */
	struct platform platform;                   /* (i) */
	struct guest_devices dev;                   /* (l), but local APICs and what is (i) */
	struct deadline_heap timers;                /* (l) VM-wide platform timers; VM TSC ticks */
	struct sched_timer timer;                   /* armed for the nearest of them */
	bool is_work_put_off;                       /* (a) it came at somebody else's expense */
	struct sched_payer payer;                   /* what its devices cost others */
	struct guest_console console, console2;     /* (l) COM1's, COM2's */
	struct guest_output output;                 /* how far those are ahead */
	struct vm_calls calls;                      /* posted from outside */
	struct guest_input input;                   /* (l) */
	uint64_t unclaimed_reads, unclaimed_writes; /* (a) relaxed */
	uint32_t notes;                             /* (l) */
	uint32_t unknown_msrs;                      /* (a) relaxed */

	bool has_unequal_tscs; /* (l) written, (a) read: a guest write has moved a vCPU's own */
	uint32_t wakeups;      /* (a) requests made that end halts: see vm_check_halted */

	bool is_resetting;         /* (a) its vCPUs stop for a restart that has not begun */
	uint32_t restarts;         /* (a) relaxed: begun so far; one at a time writes */
	struct vm_restart restart; /* vCPU 0's: how far it has come */

	bool is_ending;             /* (a) the first to set it decides how it ends */
	bool has_ended;             /* (a) the verdict below is written */
	bool is_ok;                 /* (i) once has_ended */
	bool is_quit;               /* (i) once has_ended: a person ended it, not the guest */
	uint32_t ended_by;          /* (i) once has_ended: the vCPU that did it, or may tell why */
	uint64_t ended_at;          /* TSC */
	char reason[VM_REASON_MAX]; /* (i) once has_ended */
};

/* Creates a VM, not listed yet, with zeroed memory, devices and vCPUs in their reset state. 0; or a
 * negative errno and in `error` what is missing and the remedy; *vm is then NULL. Boot pCPU. */
int __must_check vm_create(const struct vm_params *params, struct vm **vm, char *error,
			   size_t error_size);

/* Gives it its place and number among the machine's VMs. -ENOSPC. Boot pCPU. */
int __must_check vm_list(struct vm *vm);

/* Frees one that was never listed, and whose vCPUs the scheduler has never had. */
void vm_destroy(struct vm *vm);

/* A VM that never ran because its configuration or image is bad: it only has a name and a verdict.
 */
struct vm *vm_create_failed(const char *name, const char *reason);

/* Gives its vCPUs to the scheduler. */
void vm_start(struct vm *vm);

/* Ends it, once: sets the verdict and stops its vCPUs. True for the call that did. Any pCPU. */
bool vm_end(struct vm *vm, bool is_ok, const char *fmt, ...) __printf_like(3, 4);

/* The same for a person who has seen enough: no verdict on the guest, and no report of it. */
bool vm_quit(struct vm *vm, const char *why);

/* The guest asks for a reset: begins the VM anew, or ends it, as on-reset= says. Any pCPU, the VM's
 * lock may be held. */
void vm_reset(struct vm *vm);

/* After vm_reset, when all vCPUs have stopped: has vCPU 0 do the restart. One caller at a time. */
void vm_begin_restart(struct vm *vm);

/* The next piece of the restart (vcpu_is_piece_over), by vCPU 0 (VCPU_REQ_RESTART), which then
 * gives way. True after the last, when the VM has begun anew or has ended. */
bool vm_restart_step(struct vm *vm);

/* A vCPU as after power-up; all but vCPU 0's first state. */
void vm_power_up_vcpu(struct vcpu *vcpu);

/* A vCPU halts with IF=0, or waits for SIPI: when no vCPU of the VM can ever run again, ends the
 * VM. Called by the owner pCPU after it has published its activity. */
void vm_check_halted(struct vm *vm);

/* How many VMs there are, and each. Filled at boot. */
uint32_t vm_count(void);
struct vm *vm_get(uint32_t id);
struct vm *vm_find(const char *name, size_t len);

/* Audits, guest/audit.c: they panic, with names and values. Any pCPU, no VM's lock held. */
void vm_audit_memory(const struct vm *vm); /* no page of it is in a VM twice; at creation */
/* This memory, which is the hypervisor's and `what` it is, is in no VM. */
void vm_audit_host(hpa_t host, uint64_t len, const char *what);
/* Both, and vm_arch_audit. Takes as long as there are leaves in its tables. */
void vm_audit(struct vm *vm);

/* The nearest of a vCPU's own timers in host TSC ticks, or DEADLINE_NEVER. Owner pCPU. */
static inline uint64_t vcpu_next_timer(const struct vcpu *vcpu)
{
	uint64_t next = deadline_next(&vcpu->timers), host = next - vcpu->vm->tsc_offset;

	/* The host's TSC is ahead of the VM's. A guest can name a deadline that it never reaches.
	 */
	return host < next ? DEADLINE_NEVER : host;
}

static inline uint64_t vm_tsc(const struct vm *vm, uint64_t host_tsc)
{
	return host_tsc + vm->tsc_offset;
}

/* Expires a vCPU's own timers that are due at host TSC time `now`. Owner pCPU. */
void vcpu_expire_timers(struct vcpu *vcpu, uint64_t now);
static inline void vcpu_run_timers(struct vcpu *vcpu, uint64_t now)
{
	if (unlikely(deadline_next(&vcpu->timers) <= vm_tsc(vcpu->vm, now)))
		vcpu_expire_timers(vcpu, now);
}

#endif
