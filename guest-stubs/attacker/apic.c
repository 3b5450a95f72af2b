/* Attacks by interrupts between the CPUs of a VM. */
#include "guest-stubs/attacker/attack.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/kvm.h"
#include "guest-stubs/common/smp.h"
#include "guest-stubs/common/trap.h"

#include <linux/kvm_para.h>

#define VECTOR_STORM 0x40
#define ALL          (2u << 18)
#define ALL_BUT_SELF (3u << 18)

static void broadcast(uint64_t n)
{
	(void)n;
	apic_icr(0, ALL | APIC_ICR_ASSERT | VECTOR_STORM);
	irq_window();
}

static void to_others(uint64_t n)
{
	apic_icr(0, ALL_BUT_SELF | APIC_ICR_ASSERT | (VECTOR_STORM + (n & 63)));
}

static void nmis(uint64_t n)
{
	(void)n;
	apic_icr(0, ALL_BUT_SELF | APIC_ICR_ASSERT | APIC_DM_NMI);
}

static void nmi_to_self(uint64_t n)
{
	(void)n;
	apic_icr(apic_id(), APIC_ICR_ASSERT | APIC_DM_NMI);
}

/* The others start in memory that is not there, or in HLT, and are stopped again. */
static void inits(uint64_t n)
{
	apic_icr(0, ALL_BUT_SELF | APIC_ICR_ASSERT | APIC_DM_INIT);
	apic_icr(0, ALL_BUT_SELF | APIC_ICR_ASSERT | APIC_DM_STARTUP | (n & 1 ? 0x10 : 0x11));
}

/* cli; hlt; jmp, in real mode, at 0x11000. */
static void inits_begin(void)
{
	static const uint8_t code[] = {0xfa, 0xf4, 0xeb, 0xfc};

	for (unsigned i = 0; i < sizeof(code); i++)
		((volatile uint8_t *)0x11000)[i] = code[i];
}

static void to_self(uint64_t n)
{
	apic_self_ipi((uint8_t)(VECTOR_STORM + (n & 127)));
	if (n % 64 == 0)
		irq_window();
}

/* Illegal vectors: the error register, and its interrupt. */
static void errors(uint64_t n)
{
	apic_icr(apic_id(), APIC_ICR_ASSERT | (n & 15));
	apic_write(APIC_ESR, 0);
	irq_window();
}

static void errors_begin(void)
{
	apic_write(APIC_LVT_ERROR, VECTOR_STORM);
}

static void priorities(uint64_t n)
{
	write_cr8(n & 15);
	apic_write(APIC_TPR, (uint32_t)(n * 16 & 0xf0));
	write_cr8(0);
}

/* 128 at once by the hypercall. */
static void many(uint64_t n)
{
	hypercall4(KVM_HC_SEND_IPI, ~0ull, ~0ull, 0, VECTOR_STORM + (n & 63));
	irq_window();
}

/* In xAPIC mode, by logical destinations that all match. */
static void logical_begin(void)
{
	apic_enable(false);
	apic_write(APIC_DFR, ~0u);
	apic_write(APIC_LDR, 0xff000000);
}

static void logical(uint64_t n)
{
	apic_icr(0xff, APIC_ICR_LOGICAL | APIC_ICR_ASSERT | (VECTOR_STORM + (n & 63)));
	irq_window();
}

const struct attack attacks_by_apic[] = {
	{"ipi-storm", NULL, broadcast, broadcast}, {"ipi-halted", NULL, to_others, attack_halt},
	{"nmi-storm", NULL, nmis, nmis},           {"nmi-halted", NULL, nmis, attack_halt},
	{"nmi-self", NULL, nmi_to_self, NULL},     {"init-storm", inits_begin, inits, NULL},
	{"self-ipi", NULL, to_self, NULL},         {"apic-errors", errors_begin, errors, NULL},
	{"tpr", NULL, priorities, NULL},           {"send-ipi", NULL, many, many},
	{"logical", logical_begin, logical, NULL}, {NULL},
};
