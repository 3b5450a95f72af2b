/* A vCPU's registers as gdb knows them: by number, in the order and with the names of the target
 * description (gdb's manual, 'i386 Features'). Pure. */
#ifndef MONITOR_GDB_REGISTERS_H
#define MONITOR_GDB_REGISTERS_H

#include "guest/debug.h"
#include "monitor/gdb/packet.h"

/* How many there are. */
uint32_t gdb_register_count(void);

/* Appends register `n` as it stands in a g packet. */
void gdb_put_register(struct gdb_text *text, const struct debug_regs *regs, uint32_t n);

/* Takes register `n` from a packet. One that cannot be written is passed over: true when it has
 * that value already. */
bool gdb_take_register(struct gdb_cursor *c, struct debug_regs *regs, uint32_t n);

/* Appends at most `len` bytes, from `offset` on, of the target description. True when more follow.
 */
bool gdb_put_description(struct gdb_text *text, uint64_t offset, uint64_t len);

#endif
