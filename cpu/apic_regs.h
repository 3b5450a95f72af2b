/* The local APIC's registers, as offsets in its page; an x2APIC MSR is 0x800 + offset / 16 ('Local
 * APIC Register Address Map'). Known to cpu/apic*.c only. */
#ifndef CPU_APIC_REGS_H
#define CPU_APIC_REGS_H

#include "lib/types.h"

#define APIC_ID            0x020u
#define APIC_TPR           0x080u
#define APIC_EOI           0x0b0u
#define APIC_SVR           0x0f0u
#define APIC_ICR_LOW       0x300u
#define APIC_ICR_HIGH      0x310u
#define APIC_LVT_TIMER     0x320u
#define APIC_LVT_LINT0     0x350u
#define APIC_LVT_LINT1     0x360u
#define APIC_TIMER_INITIAL 0x380u
#define APIC_TIMER_CURRENT 0x390u
#define APIC_TIMER_DIVIDE  0x3e0u

#define APIC_SVR_ENABLE       BIT(8)
#define APIC_LVT_NMI          0x400u
#define APIC_LVT_MASKED       BIT(16)
#define APIC_LVT_TSC_DEADLINE BIT(18)
#define APIC_DIVIDE_BY_1      0xbu

/* 'Interrupt Command Register': physical destination, edge. */
#define APIC_ICR_FIXED   0x000u
#define APIC_ICR_NMI     0x400u
#define APIC_ICR_INIT    0x500u
#define APIC_ICR_STARTUP 0x600u
#define APIC_ICR_PENDING BIT(12)
#define APIC_ICR_ASSERT  BIT(14)
#define APIC_ICR_OTHERS  0xc0000u

uint32_t apic_read(uint32_t reg);
void apic_write(uint32_t reg, uint32_t value);

/* This pCPU's timer: mode chosen, vector set, nothing armed. From apic_init. */
void apic_timer_init(void);

#endif
