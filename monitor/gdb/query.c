/* What gdb asks about the stub, the threads and the target ('General Query Packets'), and the Z
 * packets. */

#include "lib/errno.h"
#include "lib/string.h"
#include "monitor/gdb/packets.h"
#include "monitor/gdb/registers.h"

#define DESCRIPTION_MAX 64u

static void tell_features(struct gdb_stub *stub)
{
	gdb_put(&stub->reply, "PacketSize=");
	gdb_put_number(&stub->reply, GDB_PACKET_MAX);
	gdb_put(&stub->reply, ";QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;"
			      "vContSupported+");
	/* A gdb that has just come looks at what stands still. */
	if (stub->is_running && !stub->is_ended)
		stub->target->interrupt(stub->target->context);
}

static void list_threads(struct gdb_stub *stub)
{
	for (uint32_t i = 1; i <= stub->target->threads; i++) {
		gdb_put(&stub->reply, i == 1 ? "m" : ",");
		gdb_put_number(&stub->reply, i);
	}
}

static void describe_thread(struct gdb_stub *stub, struct gdb_cursor *c)
{
	int32_t thread = gdb_thread(c);
	char text[DESCRIPTION_MAX] = "";

	if (c->is_bad || thread < 1 || (uint32_t)thread > stub->target->threads) {
		gdb_put(&stub->reply, GDB_MALFORMED);
		return;
	}
	stub->target->describe(stub->target->context, (uint32_t)thread, text, sizeof(text));
	gdb_put_hex(&stub->reply, text, strlen(text));
}

/* OFFSET,LENGTH: 'm' and data when there is more behind it, 'l' when not. */
static void describe_target(struct gdb_stub *stub, struct gdb_cursor *c)
{
	struct gdb_text *reply = &stub->reply;
	uint64_t offset = gdb_number(c), len;

	gdb_expect(c, ",");
	len = gdb_number(c);
	if (c->is_bad) {
		gdb_put(reply, GDB_MALFORMED);
		return;
	}
	gdb_put(reply, "l");
	/* '}', '#', '$' and '*', which are not in it, would need room for their escapes. */
	if (gdb_put_description(reply, offset, MIN(len, GDB_PACKET_MAX - 1u)))
		reply->data[0] = 'm';
}

void gdb_query(struct gdb_stub *stub, struct gdb_cursor *c)
{
	if (gdb_take(c, "qSupported")) {
		tell_features(stub);
	} else if (gdb_take(c, "QStartNoAckMode")) {
		gdb_put(&stub->reply, "OK");
		stub->is_without_acks = true;
	} else if (gdb_take(c, "qXfer:features:read:target.xml:")) {
		describe_target(stub, c);
	} else if (gdb_take(c, "qfThreadInfo")) {
		list_threads(stub);
	} else if (gdb_take(c, "qsThreadInfo")) {
		gdb_put(&stub->reply, "l");
	} else if (gdb_take(c, "qThreadExtraInfo,")) {
		describe_thread(stub, c);
	} else if (gdb_take(c, "qAttached")) {
		gdb_put(&stub->reply, "1"); /* so that its end detaches and does not kill */
	} else if (gdb_take(c, "qC") && gdb_is_at_end(c)) {
		gdb_put(&stub->reply, "QC");
		gdb_put_number(&stub->reply, stub->read_thread);
	}
}

/* TYPE,ADDRESS,KIND: the kind of a breakpoint is of no interest, that of a watchpoint its length.
 */
void gdb_set_point(struct gdb_stub *stub, struct gdb_cursor *c, bool is_insertion)
{
	const struct gdb_target *target = stub->target;
	uint64_t type = gdb_number(c), address, len;
	int ret;

	gdb_expect(c, ",");
	address = gdb_number(c);
	gdb_expect(c, ",");
	len = gdb_number(c);
	if (c->is_bad || !gdb_is_at_end(c)) { /* conditions and commands are not offered */
		gdb_put(&stub->reply, GDB_MALFORMED);
		return;
	}
	if (type >= DEBUG_POINT_TYPES)
		return; /* not supported */
	if (is_insertion)
		ret = target->insert(target->context, stub->read_thread,
				     (enum debug_point_type)type, address, len);
	else
		ret = target->remove(target->context, (enum debug_point_type)type, address, len);
	if (ret == -ENOSPC)
		gdb_put(&stub->reply, "E.Carousel: no debug register is left (the CPU has four)");
	else if (ret == -ENOENT)
		gdb_put(&stub->reply, "OK"); /* gone already, with a restart */
	else
		gdb_put(&stub->reply, ret ? GDB_REFUSED : "OK");
}
