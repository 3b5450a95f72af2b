/* The memory that snippets play with: their code, data, a region whose page tables change,
 * descriptors and gates. */
#ifndef GUEST_STUBS_FUZZ_MEMORY_H
#define GUEST_STUBS_FUZZ_MEMORY_H

#include "guest-stubs/fuzz/cpu.h"

#define FUZZ_CODE_SIZE 256u

/* Makes it; before fuzz_start. */
void fuzz_memory_init(void);

/* Where this CPU's snippet is to be: it may be executed and read at CPL 0 and 3. */
uint8_t *fuzz_code(const struct fuzz_cpu *cpu);

/* A stack of this CPU's for CPL 0 and 3: its upper end. */
uint64_t fuzz_stack(const struct fuzz_cpu *cpu);

/* An address for an operand: of memory, of the region that changes, across the end of a page, of
 * nothing, not canonical. And: of a device, or of a page of the region that may lead to one. */
uint64_t fuzz_address(struct fuzz_cpu *cpu);
uint64_t fuzz_device(struct fuzz_cpu *cpu);

/* Changes page tables of the region, descriptors and gates. */
void fuzz_change_pages(struct fuzz_cpu *cpu);
void fuzz_change_descriptors(struct fuzz_cpu *cpu);

/* A number that is something: small, a power of two, nearly one, an address, any. */
uint64_t fuzz_value(struct fuzz_cpu *cpu);

#endif
