/* gdb's packets for registers and memory. */
#include "lib/string.h"
#include "monitor/gdb/packets.h"
#include "monitor/gdb/registers.h"

static struct debug_regs *registers(struct gdb_stub *stub)
{
	return stub->target->registers(stub->target->context, stub->read_thread);
}

void gdb_read_registers(struct gdb_stub *stub)
{
	for (uint32_t n = 0; n < gdb_register_count(); n++)
		gdb_put_register(&stub->reply, registers(stub), n);
}

/* The end of a change: all of it, or none. */
static void accept(struct gdb_stub *stub, const struct gdb_cursor *c,
		   const struct debug_regs *before, bool is_wanted)
{
	if (!c->is_bad && is_wanted &&
	    stub->target->accept_registers(stub->target->context, stub->read_thread)) {
		gdb_put(&stub->reply, "OK");
		return;
	}
	*registers(stub) = *before;
	gdb_put(&stub->reply, c->is_bad ? GDB_MALFORMED : GDB_REFUSED);
}

/* gdb writes all to change one: those that cannot be changed do not matter. */
void gdb_write_registers(struct gdb_stub *stub, struct gdb_cursor *c)
{
	struct debug_regs before = *registers(stub);

	for (uint32_t n = 0; n < gdb_register_count() && !gdb_is_at_end(c); n++)
		(void)gdb_take_register(c, registers(stub), n);
	accept(stub, c, &before, true);
}

void gdb_read_register(struct gdb_stub *stub, struct gdb_cursor *c)
{
	uint64_t n = gdb_number(c);

	if (c->is_bad || n >= gdb_register_count())
		gdb_put(&stub->reply, GDB_MALFORMED);
	else
		gdb_put_register(&stub->reply, registers(stub), (uint32_t)n);
}

void gdb_write_register(struct gdb_stub *stub, struct gdb_cursor *c)
{
	struct debug_regs before = *registers(stub);
	uint64_t n = gdb_number(c);
	bool is_wanted;

	gdb_expect(c, "=");
	if (n >= gdb_register_count())
		c->is_bad = true;
	is_wanted = !c->is_bad && gdb_take_register(c, registers(stub), (uint32_t)n);
	accept(stub, c, &before, is_wanted);
}

/* ADDRESS,LENGTH */
static void take_range(struct gdb_cursor *c, uint64_t *address, uint64_t *len)
{
	*address = gdb_number(c);
	gdb_expect(c, ",");
	*len = gdb_number(c);
}

void gdb_read_memory(struct gdb_stub *stub, struct gdb_cursor *c)
{
	const struct gdb_target *target = stub->target;
	uint8_t bytes[GDB_PACKET_MAX / 2];
	uint64_t address, len;
	size_t done;

	take_range(c, &address, &len);
	if (c->is_bad || !gdb_is_at_end(c)) {
		gdb_put(&stub->reply, GDB_MALFORMED);
		return;
	}
	/* 'The reply may contain fewer addressable memory units than requested.' */
	done = target->read(target->context, stub->read_thread, address, bytes,
			    MIN(len, sizeof(bytes)));
	if (!done && len)
		gdb_put(&stub->reply, GDB_NO_MEMORY);
	gdb_put_hex(&stub->reply, bytes, done);
}

void gdb_write_memory(struct gdb_stub *stub, struct gdb_cursor *c, bool is_binary)
{
	const struct gdb_target *target = stub->target;
	uint8_t bytes[GDB_PACKET_MAX];
	uint64_t address, len;

	take_range(c, &address, &len);
	gdb_expect(c, ":");
	if (len > sizeof(bytes))
		c->is_bad = true;
	if (!c->is_bad && is_binary) {
		c->is_bad = (uint64_t)(c->end - c->at) != len;
		memcpy(bytes, c->at, c->is_bad ? 0 : len);
	} else {
		gdb_bytes(c, bytes, len);
		c->is_bad |= !gdb_is_at_end(c);
	}
	if (c->is_bad)
		gdb_put(&stub->reply, GDB_MALFORMED);
	else if (target->write(target->context, stub->read_thread, address, bytes, len))
		gdb_put(&stub->reply, GDB_NO_MEMORY);
	else
		gdb_put(&stub->reply, "OK");
}

/* The address that c and s may have. */
void gdb_set_pc(struct gdb_stub *stub, struct gdb_cursor *c)
{
	struct debug_regs before = *registers(stub);

	registers(stub)->rip = gdb_number(c);
	if (!c->is_bad && stub->target->accept_registers(stub->target->context, stub->read_thread))
		return;
	c->is_bad = true;
	*registers(stub) = before;
	gdb_put(&stub->reply, GDB_MALFORMED);
}
