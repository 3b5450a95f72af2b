/* Where the host came from, for the panic report. */
#ifndef CPU_BACKTRACE_H
#define CPU_BACKTRACE_H

struct trap_frame;

/* Logs the return addresses on this pCPU's stack, newest first, with the names of their functions:
 * from `frame`, or from the caller when that is NULL. `addr2line -e carousel.elf` turns them into
 * lines. */
void backtrace_print(const struct trap_frame *frame);

#endif
