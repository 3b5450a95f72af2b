/* Snippets: instructions that are well formed, with whatever operands. */
#ifndef GUEST_STUBS_FUZZ_GENERATE_H
#define GUEST_STUBS_FUZZ_GENERATE_H

#include "guest-stubs/fuzz/cpu.h"

/* Writes the next snippet and sets the frame: registers, flags, mode, RIP. */
void fuzz_generate(struct fuzz_cpu *cpu, struct trap_frame *frame);

/* Any registers and flags, code of any mode and CPL, for code at fuzz_code(). */
void fuzz_any_frame(struct fuzz_cpu *cpu, struct trap_frame *frame);

#endif
