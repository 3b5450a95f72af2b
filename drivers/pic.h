/* The two 8259s, which Carousel does not use: out of the way. */
#ifndef DRIVERS_PIC_H
#define DRIVERS_PIC_H

/* Masks both, and moves their vectors off the exceptions', for a spurious one still to come. Once.
 */
void host_pic_disable(void);

#endif
