/* One-instruction wrappers. A seam: hosted, tests/unit/fakes/insn.c implements the prototypes. */
#ifndef CPU_INSN_H
#define CPU_INSN_H

#include "lib/types.h"

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

/* What LGDT and LIDT load ('Pseudo-Descriptor Formats'). */
struct descriptor_pointer {
	uint16_t limit;
	uint64_t base;
} __packed;

#if __STDC_HOSTED__

uint64_t rdtsc(void);
struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t irq_save(void);
void irq_restore(uint64_t flags);
void irq_disable(void);
void irq_enable(void);
void irq_enable_and_halt(void);
bool irq_is_enabled(void);
void cpu_relax(void);
bool rdrand(uint64_t *value);
bool rdseed(uint64_t *value);
uint8_t inb(uint16_t port);
void outb(uint16_t port, uint8_t v);
uint16_t inw(uint16_t port);
void outw(uint16_t port, uint16_t v);
uint32_t inl(uint16_t port);
void outl(uint16_t port, uint32_t v);
void lidt(const struct descriptor_pointer *p);
void int_nmi(void);
void magic_break(void);
void halt_forever(void) __noreturn;

#else

/* True when the CPU had a number ready. */
static inline bool rdrand(uint64_t *value)
{
	bool is_ready;

	__asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(is_ready));
	return is_ready;
}

static inline bool rdseed(uint64_t *value)
{
	bool is_ready;

	__asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(is_ready));
	return is_ready;
}

static inline uint64_t rdtsc(void)
{
	uint64_t lo, hi; /* it clears the upper halves */

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return hi << 32 | lo;
}

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

/* Interrupts off; the flags as they were. */
static inline uint64_t irq_save(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void irq_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void irq_restore(uint64_t flags)
{
	if (flags & BIT(9))
		irq_enable();
}

/* Interrupts on and halt, without a window between them; returns after an interrupt, with
 * interrupts off. */
static inline void irq_enable_and_halt(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* #GP panics: for MSRs that the architecture or CPUID guarantees. See cpu/msr.h for the rest. */
static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

#define DEFINE_CR_ACCESS(cr)                                                                       \
	static inline uint64_t read_##cr(void)                                                     \
	{                                                                                          \
		uint64_t v;                                                                        \
                                                                                                   \
		__asm__ volatile("movq %%" #cr ", %0" : "=r"(v));                                  \
		return v;                                                                          \
	}                                                                                          \
	static inline void write_##cr(uint64_t v)                                                  \
	{                                                                                          \
		__asm__ volatile("movq %0, %%" #cr : : "r"(v) : "memory");                         \
	}
DEFINE_CR_ACCESS(cr0)
DEFINE_CR_ACCESS(cr2)
DEFINE_CR_ACCESS(cr3)
DEFINE_CR_ACCESS(cr4)
DEFINE_CR_ACCESS(dr0)
DEFINE_CR_ACCESS(dr1)
DEFINE_CR_ACCESS(dr2)
DEFINE_CR_ACCESS(dr3)
DEFINE_CR_ACCESS(dr6)
DEFINE_CR_ACCESS(dr7)
#undef DEFINE_CR_ACCESS

static inline void xsetbv(uint32_t xcr, uint64_t value)
{
	__asm__ volatile("xsetbv" : : "c"(xcr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline uint64_t xgetbv(uint32_t xcr)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(xcr));
	return (uint64_t)hi << 32 | lo;
}

/* CR4.PKE must be set. */
static inline uint32_t rdpkru(void)
{
	uint32_t value;

	__asm__ volatile("rdpkru" : "=a"(value) : "c"(0) : "rdx");
	return value;
}

static inline void invlpg(const void *va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* The number of the highest bit that is 1; `value` is not 0. The compiler's own count of leading
 * zeros, taken from 63, is not always made into this one instruction. */
static inline uint64_t bsr(uint64_t value)
{
	uint64_t bit;

	__asm__("bsrq %1, %0" : "=r"(bit) : "r"(value) : "cc");
	return bit;
}

/* The TSC at this point of the program: neither earlier loads nor later ones move across. */
static inline uint64_t rdtsc_ordered(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* RFLAGS.IF of this pCPU. */
static inline bool irq_is_enabled(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	return flags & BIT(9);
}

/* This pCPU does nothing more; an NMI or machine check comes back here. */
static inline void __noreturn halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* Stores before it are visible before a following WRMSR to an x2APIC register takes effect: that
 * WRMSR is not serializing (SDM, 'MSR Access in x2APIC Mode'). */
static inline void fence_before_x2apic(void)
{
	__asm__ volatile("mfence; lfence" : : : "memory");
}

/* The handlers of vectors 2 and 18 as if the event had come here; their IRET ends NMI blocking. */
static inline void int_nmi(void)
{
	__asm__ volatile("int $2" : : : "memory");
}

static inline void int_machine_check(void)
{
	__asm__ volatile("int $18" : : : "memory");
}

/* Bochs' magic break: with a debugger it stops there. Elsewhere it does nothing. */
static inline void magic_break(void)
{
	__asm__ volatile("xchgw %%bx, %%bx" : : : "memory");
}

static inline void lgdt(const struct descriptor_pointer *p)
{
	__asm__ volatile("lgdt %0" : : "m"(*p));
}

static inline void lidt(const struct descriptor_pointer *p)
{
	__asm__ volatile("lidt %0" : : "m"(*p));
}

static inline void ltr(uint16_t selector)
{
	__asm__ volatile("ltr %0" : : "r"(selector));
}

/* Faults are survived through the fixup table (cpu/trap.h): 0, or -5 (-EIO) after a #GP. */
static inline int rdmsr_fixup(uint32_t msr, uint64_t *value)
{
	uint32_t lo = 0, hi = 0;
	int error = -5;

	__asm__ volatile("1: rdmsr; xorl %0, %0; 2:\n"
			 ".pushsection .fixup, \"a\"; .quad 1b, 2b; .popsection"
			 : "+r"(error), "+a"(lo), "+d"(hi)
			 : "c"(msr));
	*value = (uint64_t)hi << 32 | lo;
	return error;
}

static inline int wrmsr_fixup(uint32_t msr, uint64_t value)
{
	int error = -5;

	__asm__ volatile("1: wrmsr; xorl %0, %0; 2:\n"
			 ".pushsection .fixup, \"a\"; .quad 1b, 2b; .popsection"
			 : "+r"(error)
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
	return error;
}

/* Where LIDT put the IDT. */
static inline void sidt(struct descriptor_pointer *p)
{
	__asm__ volatile("sidt %0" : "=m"(*p));
}

/* All components of XCR0. XSAVEOPT leaves out what is unchanged since this area's XRSTOR. `area` is
 * 64-byte aligned. */
static inline void xsave(void *area)
{
	__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

static inline void xsaveopt(void *area)
{
	__asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

static inline void xsavec(void *area)
{
	__asm__ volatile("xsavec64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

static inline void xrstor(const void *area)
{
	__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

/* Clears what MDS-affected CPUs buffer, where the microcode says MD_CLEAR; `selector` names a
 * writable data segment. */
static inline void verw(uint16_t selector)
{
	__asm__ volatile("verw %0" : : "m"(selector) : "cc");
}

#endif /* __STDC_HOSTED__ */
#endif
