/* Where the host came from, for the panic report. */
#ifndef CPU_BACKTRACE_H
#define CPU_BACKTRACE_H

#include "lib/types.h"

struct trap_frame;

/* Logs the return addresses on this pCPU's stack, newest first, with the names of their functions:
 * from `frame`, or from the caller when that is NULL. `addr2line -e carousel.elf` turns them into
 * lines. */
void backtrace_print(const struct trap_frame *frame);

/* Logs "  HOW ADDRESS NAME+OFFSET". */
void backtrace_print_place(const char *how, uint64_t address);

/* Does it lie in the hypervisor's code? */
bool backtrace_is_text(uint64_t address);

#endif
