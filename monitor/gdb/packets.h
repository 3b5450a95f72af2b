/* The packets that monitor/gdb/stub.c leaves to others. Each leaves its reply in stub->reply; an
 * empty one says: not supported. */
#ifndef MONITOR_GDB_PACKETS_H
#define MONITOR_GDB_PACKETS_H

#include "monitor/gdb/stub.h"

#define GDB_MALFORMED "E01"
#define GDB_NO_MEMORY "E0e" /* EFAULT */
#define GDB_REFUSED   "E16" /* EINVAL */

/* monitor/gdb/data.c: g, G, p, P; m, M and X; and the address behind c and s, which makes the
 * cursor bad when it cannot be. */
void gdb_read_registers(struct gdb_stub *stub);
void gdb_write_registers(struct gdb_stub *stub, struct gdb_cursor *c);
void gdb_read_register(struct gdb_stub *stub, struct gdb_cursor *c);
void gdb_write_register(struct gdb_stub *stub, struct gdb_cursor *c);
void gdb_read_memory(struct gdb_stub *stub, struct gdb_cursor *c);
void gdb_write_memory(struct gdb_stub *stub, struct gdb_cursor *c, bool is_binary);
void gdb_set_pc(struct gdb_stub *stub, struct gdb_cursor *c);

/* monitor/gdb/query.c: q and Q; Z and z. */
void gdb_query(struct gdb_stub *stub, struct gdb_cursor *c);
void gdb_set_point(struct gdb_stub *stub, struct gdb_cursor *c, bool is_insertion);

#endif
