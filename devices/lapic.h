/* The local APIC of one vCPU (SDM, 'Advanced Programmable Interrupt Controller'): state,
 * priorities, timer, ICR decoding, in xAPIC and x2APIC mode.
 *
 * The registers that software sees live in a page of the SDM's layout, `regs`. A CPU that
 * virtualises the local APIC (VMX: 'virtual-APIC page') may work on that page while the guest runs:
 * see lapic_share().
 *
 * Ownership: all functions run on the pCPU that runs the vCPU, without a lock, except
 * lapic_post(), lapic_matches(), lapic_is_enabled() and lapic_is_x2apic(), which any pCPU may call
 * at any time: they touch only the fields marked (a). The timer's `expire` is such an owner's
 * function too: it must not interrupt another one.
 *
 * Whenever lapic_pending_vector() may turn from -1 to a vector, platform->signal has been called
 * with VCPU_SIGNAL_EVENT, or signal_self for what the vCPU does to itself (EOI, TPR, self-IPI,
 * timer). The one exception is lapic_post(), whose caller signals. */
#ifndef DEVICES_LAPIC_H
#define DEVICES_LAPIC_H

#include "devices/platform.h"
#include "devices/tick.h"
#include "lib/bitmap.h"

#define LAPIC_DEFAULT_BASE 0xfee00000u
#define LAPIC_MMIO_SIZE    0x1000u
#define APIC_BROADCAST     0xffffffffu /* a destination, physical or logical, that means all */

/* IA32_APIC_BASE. */
#define LAPIC_BASE_BSP    BIT_ULL(8)
#define LAPIC_BASE_EXTD   BIT_ULL(10) /* x2APIC mode */
#define LAPIC_BASE_ENABLE BIT_ULL(11)

/* The xAPIC register offsets; x2APIC MSR 0x800 + (offset >> 4). */
enum lapic_reg {
	LAPIC_ID = 0x020,
	LAPIC_VERSION = 0x030,
	LAPIC_TPR = 0x080,
	LAPIC_APR = 0x090,
	LAPIC_PPR = 0x0a0,
	LAPIC_EOI = 0x0b0,
	LAPIC_RRD = 0x0c0,
	LAPIC_LDR = 0x0d0,
	LAPIC_DFR = 0x0e0,
	LAPIC_SVR = 0x0f0,
	LAPIC_ISR = 0x100,
	LAPIC_TMR = 0x180,
	LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280,
	LAPIC_LVT_CMCI = 0x2f0,
	LAPIC_ICR_LOW = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_THERMAL = 0x330,
	LAPIC_LVT_PMC = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TMICT = 0x380,
	LAPIC_TMCCT = 0x390,
	LAPIC_TDCR = 0x3e0,
	LAPIC_SELF_IPI = 0x3f0,
};

enum lapic_delivery_mode {
	LAPIC_DM_FIXED,
	LAPIC_DM_LOWEST,
	LAPIC_DM_SMI,
	LAPIC_DM_RESERVED,
	LAPIC_DM_NMI,
	LAPIC_DM_INIT,
	LAPIC_DM_STARTUP,
	LAPIC_DM_EXTINT,
};

/* Does a message of this mode wake a vCPU that takes no interrupts? SMI is not carried. */
static inline bool lapic_mode_ends_any_halt(unsigned mode)
{
	return mode == LAPIC_DM_NMI || mode == LAPIC_DM_INIT || mode == LAPIC_DM_STARTUP;
}

enum apic_shorthand { APIC_TO_DEST, APIC_TO_SELF, APIC_TO_ALL, APIC_TO_OTHERS };

/* An interrupt message on its way to one or more local APICs: from an ICR, the IOAPIC or an MSI. */
struct apic_message {
	uint32_t dest; /* APIC ID, logical destination or APIC_BROADCAST */
	uint8_t vector;
	uint8_t mode; /* enum lapic_delivery_mode */
	bool is_logical;
	bool is_level;     /* trigger mode */
	bool is_assert;    /* with is_level: a de-assert (INIT, MSI) reaches nobody */
	uint8_t shorthand; /* enum apic_shorthand */
};

/* All local APICs of a VM, and the IOAPIC that wants to hear of EOIs. */
struct lapic;
struct apic_bus {
	struct platform *platform;         /* (i) */
	uint32_t count;                    /* (i) */
	struct lapic *lapic[MAX_VM_VCPUS]; /* (i) by vCPU number */
	/* (i) Called by the owner pCPU for the EOI of a level-triggered vector; without the VM's
	 * lock. */
	void (*eoi)(void *ctx, uint8_t vector);
	void *eoi_ctx;
	uint32_t arbiter; /* (a) lowest-priority round robin */
	/* (i) the IOAPIC entries' bits for extended destination IDs are reserved */
	bool is_ext_dest_id_off;
};

#define LAPIC_CHANGED_ISR BIT(0)
#define LAPIC_CHANGED_TMR BIT(1) /* a bit has been set */

/* What is known of the 256 bits of IRR or ISR, so that the highest is found without a search. */
struct lapic_vectors {
	uint32_t words; /* bit n: the n-th 32-bit register is not 0 */
	int max;        /* the highest vector, -1 for none */
};

struct lapic {
	struct apic_bus *bus;      /* (i) */
	struct platform *platform; /* (i) */
	uint32_t vcpu;             /* (i) number within the VM */
	uint32_t initial_id;       /* (i) what the x2APIC ID register shows */
	bool is_shared;            /* (i) lapic_share() */
	uint64_t base;             /* (a) IA32_APIC_BASE; written by the owner */

	/* (a) Vectors posted by anyone and not yet in irr, edge- and level-triggered apart; in
	 * has_posted bit n says that word n of either may hold some. On cache lines of their own.
	 */
	uint64_t posted[4] __aligned(CACHE_LINE);
	uint64_t posted_level[4];
	uint32_t has_posted;

	/* (o) from here on */
	struct lapic_vectors irr __aligned(CACHE_LINE), isr; /* stale, when shared, at each exit */
	uint32_t changed; /* LAPIC_CHANGED_: by the model; whoever serves a shared one clears it */
	uint32_t esr_pending;   /* what software will read after its next write to ESR */
	uint32_t timer_lvt;     /* what the timer works with: LVT, TMICT and TDCR as last taken */
	uint32_t timer_initial; /* (a shared register changes before the model hears of it) */
	uint32_t timer_divide;
	uint64_t timer_start;   /* VM TSC ticks when the count began at timer_initial */
	uint64_t timer_period;  /* ns from there to 0; 0 when no count runs */
	uint64_t timer_counted; /* periods since then whose interrupts are sent or owed */
	struct tick_debt timer_debt;
	uint64_t timer_deadline;     /* IA32_TSC_DEADLINE's value in VM TSC ticks; 0 is off */
	struct platform_timer timer; /* armed only while the timer's LVT is not masked */

	/* The registers, each where its xAPIC offset says: lapic_get(). ID and LDR are in the
	 * mode's own format; the ICR's high half stands at 0x304 (x2APIC) and at 0x310 (xAPIC).
	 * ID, LDR, DFR and SVR: (a). */
	uint32_t regs[LAPIC_MMIO_SIZE / 4] __aligned(PAGE_SIZE);
};

/* The power-up state; `vcpu` 0 is the BSP. The caller then puts it into bus->lapic[vcpu], before
 * the VM runs. */
void lapic_init(struct lapic *lapic, struct apic_bus *bus, struct platform *platform, uint32_t vcpu,
		uint32_t apic_id);
/* What an INIT leaves (the ID and IA32_APIC_BASE stay), and a power-up reset. Unlike bare hardware
 * the BSP's LINT0 then lets ExtINT through: the virtual wire mode that a PC's firmware sets up. */
void lapic_reset(struct lapic *lapic, bool is_init);

/* From now on the CPU works on `regs` while the guest runs: it takes vectors from IRR to ISR, ends
 * them, and changes TPR and PPR. The model then keeps nothing of them elsewhere, and calls signal
 * also when the CPU's own idea of the highest vectors is to be set: lapic_highest_irr(). Before the
 * VM runs. */
void lapic_share(struct lapic *lapic);

/* A register as it stands, without a read's side effects. */
static inline uint32_t lapic_get(const struct lapic *lapic, uint32_t reg)
{
	return __atomic_load_n(&lapic->regs[reg / 4], __ATOMIC_RELAXED);
}

/* For a shared one: the highest vector in IRR, what has been posted included, and in ISR; 0 for
 * none, as the CPU wants to know them. The second is news only when LAPIC_CHANGED_ISR is set. */
uint8_t lapic_highest_irr(struct lapic *lapic);
uint8_t lapic_highest_isr(struct lapic *lapic);

/* The vectors whose EOI the IOAPIC wants to hear of. It has more than before only when
 * LAPIC_CHANGED_TMR is set. */
void lapic_level_vectors(const struct lapic *lapic, uint64_t tmr[4]);

/* For a shared one: the CPU has ended `vector`, and has written `offset`, which has an effect. */
void lapic_ended(struct lapic *lapic, uint8_t vector);
void lapic_written(struct lapic *lapic, uint32_t offset);

/* xAPIC MMIO, 32-bit registers on 16-byte places. Elsewhere reads give 0, writes vanish, both set
 * ESR. In x2APIC mode or disabled nobody answers: all ones. */
uint32_t lapic_mmio_read(struct lapic *lapic, uint32_t offset);
void lapic_mmio_write(struct lapic *lapic, uint32_t offset, uint32_t value);

/* x2APIC MSRs 0x800-0x8ff: 0, or -EPERM where the SDM says #GP (absent, reserved, wrong direction,
 * reserved bits, or not in x2APIC mode). */
int __must_check lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *value);
int __must_check lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value);

/* IA32_APIC_BASE: -EPERM for the transitions and bits that give #GP. `maxphyaddr` in bits. Where
 * x2APIC is not offered, the caller refuses LAPIC_BASE_EXTD; where the registers appear is the
 * caller's, too. */
int __must_check lapic_base_write(struct lapic *lapic, uint64_t value, unsigned maxphyaddr);

/* IA32_TSC_DEADLINE in VM TSC ticks (0 disarms). Ignored unless the LVT is in that mode. */
void lapic_tsc_deadline_write(struct lapic *lapic, uint64_t when);
uint64_t lapic_tsc_deadline_read(const struct lapic *lapic);

/* An owed tick of the periodic timer, if there is one, comes now. */
void lapic_timer_hurry(struct lapic *lapic);

/* The task priority as the TPR register has it: for CR8, its value << 4. */
void lapic_set_tpr(struct lapic *lapic, uint8_t tpr);

static inline uint8_t lapic_tpr(const struct lapic *lapic)
{
	return (uint8_t)lapic_get(lapic, LAPIC_TPR);
}

static inline bool lapic_is_x2apic(const struct lapic *lapic)
{
	return __atomic_load_n(&lapic->base, __ATOMIC_RELAXED) & LAPIC_BASE_EXTD;
}

/* Globally enabled (IA32_APIC_BASE bit 11) and software enabled (SVR bit 8). */
bool lapic_is_enabled(const struct lapic *lapic);

/* Posts an edge- or level-triggered vector. Any pCPU, no lock; the caller signals the vCPU. A
 * vector below 16 becomes a 'received illegal vector' error. */
void lapic_post(struct lapic *lapic, uint8_t vector, bool is_level);

/* Is this APIC addressed by the message's destination (shorthands are resolved before)? */
bool lapic_matches(const struct lapic *lapic, const struct apic_message *msg);

/* Brings what is known of IRR up to date: posted vectors, and what the CPU did to a shared one. */
void lapic_refresh_irr(struct lapic *lapic);

/* Is the highest that is known to be requested above the processor priority? */
static inline bool lapic_has_deliverable(const struct lapic *lapic)
{
	return lapic->irr.max > (int)(lapic_get(lapic, LAPIC_PPR) | 0xf);
}

/* The highest vector that may be delivered now (in IRR, above the processor priority), or -1; moves
 * posted vectors to IRR first. */
static inline int lapic_pending_vector(struct lapic *lapic)
{
	/* Relaxed is enough to look: what a signal announced is visible once the signal is, and
	 * lapic_take_posted orders the rest. */
	if (unlikely(__atomic_load_n(&lapic->has_posted, __ATOMIC_RELAXED) || lapic->is_shared))
		lapic_refresh_irr(lapic);
	return lapic_has_deliverable(lapic) ? lapic->irr.max : -1;
}

/* Delivered: IRR to ISR. `vector` is what lapic_pending_vector just gave. Not for a shared one. */
void lapic_accept(struct lapic *lapic, uint8_t vector);

/* A write to the EOI register, or what stands for one. */
void lapic_eoi(struct lapic *lapic);

/* Would an EOI now do no more than end the one interrupt in service? Nothing else is in service or
 * requested, and the IOAPIC does not wait for it. */
bool lapic_is_eoi_silent(const struct lapic *lapic);

/* Is a PIC interrupt (ExtINT) let through by LINT0, or by an APIC that IA32_APIC_BASE disables? */
bool lapic_is_extint_open(const struct lapic *lapic);

/* An edge at pin LINT0 or LINT1 (`lint` 0, 1), for the platform's NMI button: delivers as the LVT
 * says, or as the CPU's INTR and NMI pins when the APIC is disabled. */
void lapic_line(struct lapic *lapic, unsigned lint);

/* Sends a message to all that it addresses: fixed and lowest-priority vectors are posted and
 * signalled, NMI, INIT and STARTUP go to platform->signal; SMI, ExtINT and reserved are noted and
 * dropped. `self` is the sender, whose owner calls this, or NULL for a device. The number of local
 * APICs that took it. Any pCPU. */
unsigned apic_bus_deliver(struct apic_bus *bus, const struct apic_message *msg, struct lapic *self);

/* The same to those whose IDs are `first` + n for the bits n that are set in `ids`; the message's
 * destination does not count. */
unsigned apic_bus_deliver_set(struct apic_bus *bus, const struct apic_message *msg, uint64_t first,
			      const uint64_t ids[2], struct lapic *self);

/* Is the message's vector, fixed or lowest priority, requested already in a local APIC that it
 * addresses? Another would merge with it. Any pCPU; out of date at once. */
bool apic_bus_is_requested(const struct apic_bus *bus, const struct apic_message *msg);

/* The number of the vCPU whose local APIC has this ID, or -1. Any pCPU. */
int apic_bus_find(const struct apic_bus *bus, uint64_t id);

/* What a write of `data` to `address` means as an MSI, with the extended destination ID. -EINVAL
 * when the address is not the local APICs'. */
int __must_check apic_msi_message(uint64_t address, uint32_t data, struct apic_message *msg);

#endif
