/* Where an ELF file keeps its functions' names. Pure. */
#ifndef LOADER_ELF_SYMBOLS_H
#define LOADER_ELF_SYMBOLS_H

#include "guest/symbols.h"

/* Finds the symbol table of an executable with fixed addresses; `symbols` is empty when the file
 * has none, is none, or is damaged. Keeps the file by reference. */
void elf_symbols_open(struct guest_symbols *symbols, const uint8_t *file, uint64_t size);

#endif
