/* What a debugger does to a VM: it stops all of its vCPUs, looks at them and changes them while
 * they are parked (guest/pause.h), and has them stop by themselves at break and watch points and
 * after a step.
 *
 * A vCPU's registers can be reached only on the pCPU where it is loaded. So the vCPU itself copies
 * them to struct vcpu_debug when it parks for the debugger, and takes them back from there when it
 * goes on. In between they are the debugger's.
 *
 * Legend: (i) immutable after creation, (d) the debugger's while the vCPU, or all of the VM's, are
 * parked for it, and the vCPUs' to read otherwise, (a) atomic. */
#ifndef GUEST_DEBUG_H
#define GUEST_DEBUG_H

#include "guest/vcpu_arch.h"
#include "guest/vm.h"

#define DEBUG_HARDWARE_POINTS 4u
#define DEBUG_MEMORY_POINTS   64u

/* The numbers of gdb's Z packets. */
enum debug_point_type {
	DEBUG_BREAK,          /* INT3 in memory or, where nothing is mapped yet, a debug register */
	DEBUG_HARDWARE_BREAK, /* the others: debug registers */
	DEBUG_WATCH_WRITE,
	DEBUG_WATCH_READ, /* the CPU has none: stops at writes too */
	DEBUG_WATCH_ACCESS,
	DEBUG_POINT_TYPES
};

/* Why a vCPU has stopped by itself. */
enum debug_stop_kind {
	DEBUG_NOT_STOPPED,
	DEBUG_STOP_STEP,
	DEBUG_STOP_MEMORY_POINT,
	DEBUG_STOP_HARDWARE_POINT,
};

struct debug_stop {
	enum debug_stop_kind kind;
	enum debug_point_type type; /* of the point that was hit */
	uint64_t address;           /* the point's */
};

struct debug_regs {
	uint64_t gpr[16], rip, rflags;
	uint64_t fs_base, gs_base, kernel_gs_base;
	uint64_t cr0, cr2, cr3, cr4, efer;
	uint64_t cs_base;
	uint32_t cs_access;
	uint16_t selector[6]; /* by enum insn_segment */
	uint8_t fxsave[VCPU_FXSAVE_SIZE];
};

struct vcpu_debug {
	bool has_regs; /* (a) set by the vCPU: `regs` is its state */
	bool is_dirty; /* (d) what can be written of `regs` has been */
	bool is_step;  /* (d) one instruction when it goes on, then it stops */
	struct debug_regs regs;
	uint64_t pdpte[4];      /* (d) */
	struct debug_stop stop; /* (d) written by the vCPU before it parks */
};

struct vm_debug {
	/* (i) A vCPU has stopped by itself and parks. In its context, no lock held. */
	void (*on_stop)(struct vm *vm);
	/* (d) Debug registers: all vCPUs have the same. `point` is what was asked for, of which
	 * [address, address + len) is a piece that a register can watch. */
	struct {
		bool is_used;
		enum debug_point_type type;
		uint8_t len;
		uint64_t address, point, point_len;
	} hardware[DEBUG_HARDWARE_POINTS];
	/* (d) INT3 in memory, and what was there. */
	uint32_t memory_count;
	struct {
		uint64_t address;
		gpa_t gpa;
		uint8_t old;
	} memory[DEBUG_MEMORY_POINTS];
	struct vcpu_debug vcpu[MAX_VM_VCPUS];
};

/* Lets a VM be debugged; before it starts. -ENOMEM. */
int __must_check debug_create(struct vm *vm, void (*on_stop)(struct vm *vm));

void debug_destroy(struct vm *vm);

/* The vCPU's part. Owner pCPU: it parks for the debugger; it goes on; it has stopped by itself, and
 * parks before its next entry; its VM begins anew; it was reset, and what the debugger has set must
 * be set again. */
void debug_park(struct vcpu *vcpu);
void debug_go_on(struct vcpu *vcpu);
void debug_stop(struct vcpu *vcpu, const struct debug_stop *stop);
void debug_forget(struct vcpu *vcpu);
void debug_apply(struct vcpu *vcpu);

/* Is this linear address that of a breakpoint in memory? Any vCPU of the VM. */
bool debug_has_memory_point(const struct vm *vm, uint64_t address);

/* The debugger's part. Are all vCPUs parked for it, or stopped for good? Any pCPU; for what follows
 * this must be so. */
bool debug_is_parked(const struct vm *vm);

/* Memory as the vCPU would see it at that linear address, permissions aside; physical where its
 * paging is off. Breakpoints in memory do not show. The number of bytes, from the first on, that
 * are RAM. */
size_t debug_read(const struct vm *vm, uint32_t vcpu, uint64_t address, void *to, size_t len);
/* 0, or -EFAULT: then bytes before the first that is not RAM may have been written. */
int __must_check debug_write(struct vm *vm, uint32_t vcpu, uint64_t address, const void *from,
			     size_t len);

/* Could the CPU have these registers? False for values that VM entry would refuse. */
bool debug_is_possible(const struct debug_regs *regs);

/* A point that is there already is one still. 0; -ENOSPC: no debug register, or no place for a
 * breakpoint, is left; -EINVAL: not a length that can be watched. */
int __must_check debug_insert(struct vm *vm, uint32_t vcpu, enum debug_point_type type,
			      uint64_t address, uint64_t len);
/* -ENOENT when there is none. */
int __must_check debug_remove(struct vm *vm, enum debug_point_type type, uint64_t address,
			      uint64_t len);
void debug_remove_all(struct vm *vm);

#endif
