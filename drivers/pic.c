/* The two 8259s: remapped and masked ('8259A Programmable Interrupt Controller', 'Initialization
 * Command Words'). */
#include "cpu/insn.h"
#include "drivers/pic.h"

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1

#define ICW1_INIT_ICW4 0x11 /* edge, cascade, ICW4 follows */
#define ICW2_PIC1      0x20 /* vectors */
#define ICW2_PIC2      0x28
#define ICW3_PIC1      0x04 /* the second is at input 2 */
#define ICW3_PIC2      0x02
#define ICW4_8086      0x01
#define MASK_ALL       0xff

void host_pic_disable(void)
{
	outb(PIC1_COMMAND, ICW1_INIT_ICW4);
	outb(PIC2_COMMAND, ICW1_INIT_ICW4);
	outb(PIC1_DATA, ICW2_PIC1);
	outb(PIC2_DATA, ICW2_PIC2);
	outb(PIC1_DATA, ICW3_PIC1);
	outb(PIC2_DATA, ICW3_PIC2);
	outb(PIC1_DATA, ICW4_8086);
	outb(PIC2_DATA, ICW4_8086);
	outb(PIC1_DATA, MASK_ALL);
	outb(PIC2_DATA, MASK_ALL);
}
