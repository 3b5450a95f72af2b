/* A gdb at one end of the stub and a machine at the other, for its tests. */
#ifndef GDB_RIG_H
#define GDB_RIG_H

#include <string.h>

#include "lib/errno.h"
#include "lib/printf.h"
#include "monitor/gdb/registers.h"
#include "monitor/gdb/stub.h"

#define RIG_THREADS 3u
#define RIG_MEMORY  0x1000u

static struct {
	struct gdb_stub stub;
	struct gdb_target target;
	char sent[1 << 16]; /* what the stub has sent since rig_clear */
	size_t sent_len;
	struct debug_regs regs[RIG_THREADS];
	uint8_t memory[RIG_MEMORY]; /* at address 0 */
	bool is_refusing;           /* registers */
	int point_error;
	char log[256]; /* calls that are not reads */
	unsigned interrupts;
	bool is_stopping; /* stops by itself as soon as it is told to run */
} rig;

static void rig_log(const char *fmt, ...) __printf_like(1, 2);
static void rig_log(const char *fmt, ...)
{
	size_t len = strlen(rig.log);
	va_list args;

	va_start(args, fmt);
	(void)fmt_vsnprintf(rig.log + len, sizeof(rig.log) - len, fmt, args);
	va_end(args);
}

static void rig_send(void *context, const char *bytes, size_t len)
{
	(void)context;
	if (len > sizeof(rig.sent) - 1 - rig.sent_len)
		len = 0;
	memcpy(rig.sent + rig.sent_len, bytes, len);
	rig.sent_len += len;
	rig.sent[rig.sent_len] = '\0';
}

static void rig_interrupt(void *context)
{
	(void)context;
	rig.interrupts++;
}

static void rig_resume(void *context, const enum gdb_action *action)
{
	static const char letter[] = {'.', 'c', 's'};

	(void)context;
	for (unsigned i = 0; i < RIG_THREADS; i++)
		rig_log("%c", letter[action[i]]);
	rig_log(" ");
}

static struct debug_regs *rig_registers(void *context, uint32_t thread)
{
	(void)context;
	return &rig.regs[thread - 1];
}

static bool rig_accept(void *context, uint32_t thread)
{
	(void)context;
	(void)thread;
	return !rig.is_refusing;
}

static size_t rig_read(void *context, uint32_t thread, uint64_t address, void *to, size_t len)
{
	size_t n = address < RIG_MEMORY ? MIN(len, RIG_MEMORY - address) : 0;

	(void)context;
	(void)thread;
	memcpy(to, rig.memory + (n ? address : 0), n);
	return n;
}

static int rig_write(void *context, uint32_t thread, uint64_t address, const void *from, size_t len)
{
	(void)context;
	(void)thread;
	if (address > RIG_MEMORY || len > RIG_MEMORY - address)
		return -EFAULT;
	memcpy(rig.memory + address, from, len);
	return 0;
}

static int rig_insert(void *context, uint32_t thread, enum debug_point_type type, uint64_t address,
		      uint64_t len)
{
	(void)context;
	(void)thread;
	rig_log("Z%u,%lx,%lu ", type, address, len);
	return rig.point_error;
}

static int rig_remove(void *context, enum debug_point_type type, uint64_t address, uint64_t len)
{
	(void)context;
	rig_log("z%u,%lx,%lu ", type, address, len);
	return rig.point_error;
}

static void rig_describe(void *context, uint32_t thread, char *text, size_t size)
{
	(void)context;
	(void)fmt_snprintf(text, size, "vCPU %u", thread - 1);
}

static void rig_detach(void *context)
{
	(void)context;
	rig_log("detach ");
}

static void rig_kill(void *context)
{
	(void)context;
	rig_log("kill ");
}

static void rig_clear(void)
{
	rig.sent_len = 0;
	rig.sent[0] = rig.log[0] = '\0';
}

/* All have stopped: thread 2 at a step. */
static void rig_stop(void)
{
	const struct gdb_stop stop = {
		.signal = GDB_SIGNAL_TRAP, .thread = 2, .reason = {.kind = DEBUG_STOP_STEP}};

	gdb_stopped(&rig.stub, &stop);
}

static void rig_begin(void)
{
	memset(&rig, 0, sizeof(rig));
	rig.target = (struct gdb_target){
		.threads = RIG_THREADS,
		.send = rig_send,
		.interrupt = rig_interrupt,
		.resume = rig_resume,
		.registers = rig_registers,
		.accept_registers = rig_accept,
		.read = rig_read,
		.write = rig_write,
		.insert = rig_insert,
		.remove = rig_remove,
		.describe = rig_describe,
		.detach = rig_detach,
		.kill = rig_kill,
	};
	gdb_begin(&rig.stub, &rig.target);
}

static void rig_feed(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		gdb_feed(&rig.stub, (uint8_t)bytes[i]);
}

#endif
