/* What a panic's report says of this pCPU: registers, code, stack. */
#ifndef CPU_PANIC_DUMP_H
#define CPU_PANIC_DUMP_H

struct trap_frame;

/* The general registers, the code at RIP and the top of the stack, when an exception led here
 * (`frame` is not NULL); the control registers in any case. Nothing is read that could fault. */
void panic_dump(const struct trap_frame *frame);

#endif
