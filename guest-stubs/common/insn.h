/* One-instruction wrappers. Those that may fault on purpose are in safe.h. */
#ifndef GUEST_STUBS_COMMON_INSN_H
#define GUEST_STUBS_COMMON_INSN_H

#include "guest-stubs/common/stub.h"

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

#define DEFINE_PORT_IO(suffix, type)                                                               \
	static inline type in##suffix(uint16_t port)                                               \
	{                                                                                          \
		type v;                                                                            \
                                                                                                   \
		__asm__ volatile("in" #suffix " %1, %0" : "=a"(v) : "Nd"(port) : "memory");        \
		return v;                                                                          \
	}                                                                                          \
	static inline void out##suffix(uint16_t port, type v)                                      \
	{                                                                                          \
		__asm__ volatile("out" #suffix " %0, %1" : : "a"(v), "Nd"(port) : "memory");       \
	}
DEFINE_PORT_IO(b, uint8_t)
DEFINE_PORT_IO(w, uint16_t)
DEFINE_PORT_IO(l, uint32_t)
#undef DEFINE_PORT_IO

#define DEFINE_REGISTER(reg)                                                                       \
	static inline uint64_t read_##reg(void)                                                    \
	{                                                                                          \
		uint64_t v;                                                                        \
                                                                                                   \
		__asm__ volatile("mov %%" #reg ", %0" : "=r"(v) : : "memory");                     \
		return v;                                                                          \
	}                                                                                          \
	static inline void write_##reg(uint64_t v)                                                 \
	{                                                                                          \
		__asm__ volatile("mov %0, %%" #reg : : "r"(v) : "memory");                         \
	}
DEFINE_REGISTER(cr0)
DEFINE_REGISTER(cr2)
DEFINE_REGISTER(cr3)
DEFINE_REGISTER(cr4)
DEFINE_REGISTER(cr8)
DEFINE_REGISTER(dr0)
DEFINE_REGISTER(dr1)
DEFINE_REGISTER(dr2)
DEFINE_REGISTER(dr3)
DEFINE_REGISTER(dr6)
DEFINE_REGISTER(dr7)
#undef DEFINE_REGISTER

static inline uint64_t xgetbv(uint32_t xcr)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(xcr) : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline void xsetbv(uint32_t xcr, uint64_t value)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(xcr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void irq_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* Interrupts on for a moment: what is pending is delivered. */
static inline void irq_window(void)
{
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

/* Waits in HLT for an interrupt, without a window in which it could be missed. */
static inline void irq_enable_and_halt(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* A KVM hypercall without arguments: the number in RAX, the answer there too. */
static inline int64_t hypercall0(uint64_t nr)
{
	int64_t answer;

	__asm__ volatile("vmcall" : "=a"(answer) : "0"(nr) : "memory");
	return answer;
}

#endif
