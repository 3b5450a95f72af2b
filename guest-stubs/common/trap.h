/* Exceptions and interrupts: the IDT, handlers by vector, and faults that are expected. */
#ifndef GUEST_STUBS_COMMON_TRAP_H
#define GUEST_STUBS_COMMON_TRAP_H

#include "guest-stubs/common/stub.h"

enum vector {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_NMI = 2,
	VECTOR_UD = 6,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
};

/* As crt.S pushes it. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

typedef void trap_handler_fn(struct trap_frame *frame);

void trap_init(void);

/* Loads the IDT that trap_init has filled: for each further CPU. */
void trap_load(void);

/* Who answers a vector; NULL: nobody, it ends the stub with a report. Called with interrupts off.
 * An interrupt's handler sends its own EOI. */
void trap_set(uint8_t vector, trap_handler_fn *handler);

/* Puts an assembly routine that ends in IRETQ straight into the IDT. */
void trap_set_raw(uint8_t vector, void (*entry)(void));

/* What the last expected fault was. */
#define NO_FAULT (-1)
struct fault {
	int vector; /* NO_FAULT when the instruction went through */
	uint64_t error, cr2;
};
extern volatile struct fault last_fault;

/* Inside an asm statement: a fault between label 1 and label 2 lets execution go on at label 2, and
 * `last_fault` says which it was. */
#define EXPECT_FAULT                                                                               \
	".pushsection .fixups, \"a\"\n"                                                            \
	".quad 1b, 2b\n"                                                                           \
	".popsection\n"

#endif
