/* gdb's remote protocol: the session, stops, and how threads go on ('Packets' in gdb's manual). */
#include "monitor/gdb/stub.h"

#include "lib/string.h"
#include "monitor/gdb/packets.h"

static void send_reply(struct gdb_stub *stub)
{
	stub->frame_len = gdb_frame(&stub->reply, stub->frame);
	stub->target->send(stub->target->context, stub->frame, stub->frame_len);
	stub->reply = (struct gdb_text){0};
}

static void put_ok(struct gdb_stub *stub)
{
	gdb_put(&stub->reply, "OK");
}

static bool is_thread(const struct gdb_stub *stub, int32_t thread)
{
	return thread >= 1 && (uint32_t)thread <= stub->target->threads;
}

/* --- stops --------------------------------------------------------------------------------------
 */

static void put_reason(struct gdb_text *reply, const struct debug_stop *reason)
{
	static const char *const watch[DEBUG_POINT_TYPES] = {
		[DEBUG_WATCH_WRITE] = "watch:",
		[DEBUG_WATCH_READ] = "rwatch:",
		[DEBUG_WATCH_ACCESS] = "awatch:",
	};

	if (reason->kind == DEBUG_STOP_MEMORY_POINT) {
		gdb_put(reply, "swbreak:;");
	} else if (reason->kind == DEBUG_STOP_HARDWARE_POINT && watch[reason->type]) {
		gdb_put(reply, watch[reason->type]);
		gdb_put_number(reply, reason->address);
		gdb_put(reply, ";");
	} else if (reason->kind == DEBUG_STOP_HARDWARE_POINT) {
		/* gdb believes a breakpoint in memory where a register took its place. */
		gdb_put(reply, reason->type == DEBUG_BREAK ? "swbreak:;" : "hwbreak:;");
	}
}

static void put_stop(struct gdb_stub *stub)
{
	const uint8_t signal = (uint8_t)stub->stop.signal;

	if (stub->is_ended) {
		gdb_put(&stub->reply, "W");
		gdb_put_hex(&stub->reply, &stub->exit_status, 1);
		return;
	}
	gdb_put(&stub->reply, "T");
	gdb_put_hex(&stub->reply, &signal, 1);
	gdb_put(&stub->reply, "thread:");
	gdb_put_number(&stub->reply, stub->stop.thread);
	gdb_put(&stub->reply, ";");
	put_reason(&stub->reply, &stub->stop.reason);
}

/* Is this no more than one of the steps through a range? */
static bool is_in_range(const struct gdb_stub *stub, const struct gdb_stop *stop)
{
	const struct gdb_target *target = stub->target;
	uint64_t pc;

	if (!stub->range_thread || stop->thread != stub->range_thread ||
	    stop->reason.kind != DEBUG_STOP_STEP)
		return false;
	pc = target->registers(target->context, stop->thread)->rip;
	return pc >= stub->range_start && pc < stub->range_end;
}

static void answer_stop(struct gdb_stub *stub)
{
	stub->is_running = false;
	if (!stub->is_reply_owed)
		return;
	stub->is_reply_owed = false;
	put_stop(stub);
	send_reply(stub);
}

void gdb_stopped(struct gdb_stub *stub, const struct gdb_stop *stop)
{
	if (stub->is_ended)
		return;
	if (is_in_range(stub, stop)) {
		stub->target->resume(stub->target->context, stub->action);
		return;
	}
	stub->range_thread = 0;
	stub->stop = *stop;
	stub->read_thread = stop->thread;
	answer_stop(stub);
}

void gdb_ended(struct gdb_stub *stub, uint8_t status)
{
	stub->is_ended = true;
	stub->exit_status = status;
	answer_stop(stub);
}

/* ?: why have they stopped? When they run, it is asked for by a gdb that has just come. */
static void tell_stop(struct gdb_stub *stub)
{
	if (!stub->is_running) {
		put_stop(stub);
		return;
	}
	stub->is_silent = true;
	stub->is_reply_owed = true;
	stub->target->interrupt(stub->target->context);
}

/* --- going on -----------------------------------------------------------------------------------
 */

static void resume(struct gdb_stub *stub, const enum gdb_action *action)
{
	memcpy(stub->action, action, sizeof(stub->action));
	stub->is_silent = true;
	stub->is_running = true;
	stub->is_reply_owed = true;
	stub->target->resume(stub->target->context, action);
}

/* c, s, with an address or without: 'vCont' is what gdb uses. A step is of one thread. */
static void resume_plainly(struct gdb_stub *stub, struct gdb_cursor *c, enum gdb_action what)
{
	enum gdb_action action[MAX_VM_VCPUS] = {GDB_STAY};
	int32_t thread = stub->resume_thread ? stub->resume_thread : (int32_t)stub->read_thread;

	if (!gdb_is_at_end(c)) {
		gdb_set_pc(stub, c);
		if (c->is_bad)
			return;
	}
	for (uint32_t i = 0; i < stub->target->threads; i++)
		if (what == GDB_CONTINUE && thread < 1)
			action[i] = GDB_CONTINUE;
	action[(thread < 1 ? stub->read_thread : (uint32_t)thread) - 1] = what;
	resume(stub, action);
}

static enum gdb_action take_action(struct gdb_stub *stub, struct gdb_cursor *c, bool *is_range)
{
	*is_range = gdb_take(c, "r");
	if (*is_range) {
		stub->range_start = gdb_number(c);
		gdb_expect(c, ",");
		stub->range_end = gdb_number(c);
		return GDB_STEP;
	}
	/* Signals mean nothing to a CPU. */
	if (gdb_take(c, "C")) {
		(void)gdb_number(c);
		return GDB_CONTINUE;
	}
	if (gdb_take(c, "S")) {
		(void)gdb_number(c);
		return GDB_STEP;
	}
	if (gdb_take(c, "s"))
		return GDB_STEP;
	gdb_expect(c, "c");
	return GDB_CONTINUE;
}

/* vCont;ACTION[:THREAD]...: 'for each inferior thread, the leftmost action with a matching
 * thread-id is applied'. */
static void resume_by_list(struct gdb_stub *stub, struct gdb_cursor *c)
{
	enum gdb_action action[MAX_VM_VCPUS] = {GDB_STAY};

	do {
		enum gdb_action what;
		int32_t thread = -1;
		bool is_range;

		gdb_expect(c, ";");
		what = take_action(stub, c, &is_range);
		if (gdb_take(c, ":"))
			thread = gdb_thread(c);
		if (thread > 0 && !is_thread(stub, thread))
			c->is_bad = true;
		for (uint32_t i = 0; i < stub->target->threads; i++)
			if (action[i] == GDB_STAY && (thread < 1 || (uint32_t)thread == i + 1))
				action[i] = what;
		if (is_range && thread > 0)
			stub->range_thread = (uint32_t)thread;
	} while (!gdb_is_at_end(c) && !c->is_bad);
	if (!c->is_bad) {
		resume(stub, action);
		return;
	}
	stub->range_thread = 0;
	gdb_put(&stub->reply, GDB_MALFORMED);
}

/* --- packets ------------------------------------------------------------------------------------
 */

/* H: which thread the following are about. */
static void set_thread(struct gdb_stub *stub, struct gdb_cursor *c)
{
	bool is_resume = gdb_take(c, "c");
	int32_t thread;

	if (!is_resume)
		gdb_expect(c, "g");
	thread = gdb_thread(c);
	if (c->is_bad || (thread > 0 && !is_thread(stub, thread))) {
		gdb_put(&stub->reply, GDB_MALFORMED);
		return;
	}
	if (is_resume)
		stub->resume_thread = thread;
	else if (thread > 0)
		stub->read_thread = (uint32_t)thread;
	put_ok(stub);
}

static void tell_alive(struct gdb_stub *stub, struct gdb_cursor *c)
{
	int32_t thread = gdb_thread(c);

	gdb_put(&stub->reply, !c->is_bad && is_thread(stub, thread) ? "OK" : GDB_MALFORMED);
}

static void leave(struct gdb_stub *stub, void (*how)(void *context))
{
	stub->is_running = !stub->is_ended;
	if (!stub->is_ended)
		how(stub->target->context);
}

static void serve_v(struct gdb_stub *stub, struct gdb_cursor *c)
{
	if (gdb_take(c, "Cont?")) {
		gdb_put(&stub->reply, "vCont;c;C;s;S;r");
	} else if (gdb_take(c, "Cont")) {
		resume_by_list(stub, c);
	} else if (gdb_take(c, "Kill;")) {
		put_ok(stub);
		leave(stub, stub->target->kill);
	}
}

/* What needs stopped threads. */
static void serve_stopped(struct gdb_stub *stub, char kind, struct gdb_cursor *c)
{
	switch (kind) {
	case 'g':
		gdb_read_registers(stub);
		break;
	case 'G':
		gdb_write_registers(stub, c);
		break;
	case 'p':
		gdb_read_register(stub, c);
		break;
	case 'P':
		gdb_write_register(stub, c);
		break;
	case 'm':
		gdb_read_memory(stub, c);
		break;
	case 'M':
	case 'X':
		gdb_write_memory(stub, c, kind == 'X');
		break;
	case 'c':
	case 's':
		resume_plainly(stub, c, kind == 's' ? GDB_STEP : GDB_CONTINUE);
		break;
	case 'v':
		serve_v(stub, c);
		break;
	case 'D':
		put_ok(stub);
		leave(stub, stub->target->detach);
		break;
	case 'Z':
	case 'z':
		gdb_set_point(stub, c, kind == 'Z');
		break;
	default:
		break;
	}
}

/* What does not. False: it is none of these. */
static bool serve_any(struct gdb_stub *stub, char kind, struct gdb_cursor *c)
{
	switch (kind) {
	case '?':
		tell_stop(stub);
		break;
	case 'H':
		set_thread(stub, c);
		break;
	case 'T':
		tell_alive(stub, c);
		break;
	case 'q':
	case 'Q':
		c->at--;
		gdb_query(stub, c);
		break;
	case 'k':
		stub->is_silent = true;
		leave(stub, stub->target->kill);
		break;
	default:
		return false;
	}
	return true;
}

static void serve(struct gdb_stub *stub)
{
	struct gdb_cursor c = gdb_cursor(stub->in.data, stub->in.len);
	char kind = '\0';

	stub->is_silent = false;
	if (!gdb_is_at_end(&c))
		kind = *c.at++;
	if (!serve_any(stub, kind, &c)) {
		if (stub->is_running || stub->is_ended)
			gdb_put(&stub->reply, kind == 'v' ? "" : GDB_MALFORMED);
		else
			serve_stopped(stub, kind, &c);
	}
	if (!stub->is_silent)
		send_reply(stub);
}

static void acknowledge(struct gdb_stub *stub, const char *sign)
{
	if (!stub->is_without_acks)
		stub->target->send(stub->target->context, sign, 1);
}

void gdb_begin(struct gdb_stub *stub, const struct gdb_target *target)
{
	*stub = (struct gdb_stub){.target = target, .is_running = true, .read_thread = 1};
}

void gdb_feed(struct gdb_stub *stub, uint8_t byte)
{
	switch (gdb_receive(&stub->in, byte)) {
	case GDB_PACKET:
		/* The first packet of a gdb that has just come, and expects an answer to it. */
		if (!strncmp(stub->in.data, "qSupported", 10)) {
			stub->range_thread = 0;
			stub->is_without_acks = false;
			stub->is_reply_owed = false;
		}
		acknowledge(stub, "+");
		serve(stub);
		break;
	case GDB_BROKEN:
		acknowledge(stub, "-");
		break;
	case GDB_NACK:
		if (!stub->is_without_acks)
			stub->target->send(stub->target->context, stub->frame, stub->frame_len);
		break;
	case GDB_INTERRUPT:
		stub->range_thread = 0;
		if (stub->is_running && !stub->is_ended)
			stub->target->interrupt(stub->target->context);
		break;
	case GDB_ACK:
	case GDB_NOTHING:
		break;
	}
}
