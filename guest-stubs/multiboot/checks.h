/* What the stubs for Multiboot 1 and 2 check alike: the state they were entered with, and what the
 * case (tests/nested/cases.py) gave them. */
#ifndef GUEST_STUBS_MULTIBOOT_CHECKS_H
#define GUEST_STUBS_MULTIBOOT_CHECKS_H

#include "guest-stubs/common/stub.h"

/* As start.S found it. */
struct multiboot_entry {
	uint32_t eax, ebx, cr0, eflags;
	uint32_t through_es, through_fs, through_gs;
};
extern const struct multiboot_entry multiboot_entry;

/* How many results each of these reports. */
#define CHECKS_OF_ENTRY   4
#define CHECKS_OF_STRINGS 2
#define CHECKS_OF_MODULE  4
#define CHECKS_OF_MAP     4
#define CHECKS_OF_SYMBOLS 2

void check_entry(uint32_t magic);
void check_strings(const char *cmdline, const char *loader_name);

/* Module `i` of the case: its bytes, its string, its place. */
void check_module(unsigned i, uint32_t start, uint32_t end, const char *string);

/* The memory map, one entry after the other, and then all of it against the amounts. */
void map_entry(uint64_t base, uint64_t len, uint32_t type);
void check_map(uint32_t mem_lower, uint32_t mem_upper);

/* ELF64 section headers: do they lead to the symbol stub_main? */
void check_symbols(const void *headers, uint32_t num, uint32_t entsize, uint32_t shndx);

#endif
