/* The two 8259 interrupt controllers. */
#ifndef GUEST_STUBS_COMMON_PIC_H
#define GUEST_STUBS_COMMON_PIC_H

#include "guest-stubs/common/insn.h"

#define PIC1     0x20
#define PIC2     0xa0
#define PIC_DATA 1
#define PIC_EOI  0x20

/* Vectors from `base` (PIC 1) and `base` + 8 (PIC 2), everything masked. */
static inline void pic_init(uint8_t base)
{
	outb(PIC1, 0x11); /* ICW1: cascade, ICW4 follows */
	outb(PIC2, 0x11);
	outb(PIC1 + PIC_DATA, base);
	outb(PIC2 + PIC_DATA, (uint8_t)(base + 8));
	outb(PIC1 + PIC_DATA, 0x04); /* ICW3: slave at line 2 */
	outb(PIC2 + PIC_DATA, 0x02);
	outb(PIC1 + PIC_DATA, 0x01); /* ICW4: 8086 mode */
	outb(PIC2 + PIC_DATA, 0x01);
	outb(PIC1 + PIC_DATA, 0xff);
	outb(PIC2 + PIC_DATA, 0xff);
}

#endif
