/* The segments and descriptor tables of a pCPU: every one has its own GDT and TSS, all share one
 * IDT (cpu/trap.h). */
#ifndef CPU_DESC_H
#define CPU_DESC_H

#define SEL_CODE 0x08 /* 64-bit, ring 0 */
#define SEL_DATA 0x10
#define SEL_TSS  0x18 /* two entries wide */

#define STACK_PAGES     7 /* a pCPU's own */
#define IST_STACK_PAGES 3

#ifndef __ASSEMBLER__

#include "lib/types.h"

/* Interrupt stacks of the TSS: the events that can come on a stack that is not usable. */
enum ist { IST_NONE, IST_NMI, IST_DOUBLE_FAULT, IST_MACHINE_CHECK, IST_COUNT };

/* Bases for VMX host-state fields. Of this pCPU, after its percpu_load. */
uint64_t desc_gdt_base(void);
uint64_t desc_tss_base(void);

/* Loads the segment registers: CS with SEL_CODE, the others with null or SEL_DATA. Clears the GS
 * base. In trap.S. */
void desc_reload_segments(void);

#endif /* __ASSEMBLER__ */
#endif
