/* The target of gdb's stub: a VM of this machine.
 *
 * Bytes come in the port's interrupt and are served where locks may be taken. A stop begins in any
 * vCPU's exit, or with gdb's Ctrl-C: all vCPUs are paused, and a timer looks until they are parked;
 * then the stub is told. */
#include "monitor/gdb/session.h"

#include "cpu/insn.h"
#include "guest/debug.h"
#include "guest/pause.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "monitor/gdb/stub.h"
#include "sched/timer.h"

#define RING_SIZE     8192u /* a power of two; more than a packet */
#define LOOK_AGAIN_NS 100000

static struct {
	struct spinlock lock;     /* all but the ring and what is (i) */
	struct vm *vm;            /* (i) */
	struct host_uart *uart;   /* (i) */
	struct gdb_target target; /* (i) */
	struct gdb_stub stub;
	struct sched_timer timer; /* while is_stopping */
	bool is_stopping;
	enum gdb_signal signal; /* for a stop that no vCPU has a reason for */
	uint32_t thread;        /* the last that had one */
	uint8_t ring[RING_SIZE];
	uint32_t head, tail; /* (a) written by the interrupt handler; by serve() */
} session = {.lock = SPINLOCK_INIT(LOCK_MONITOR), .thread = 1};

static struct vcpu_debug *debug_of(uint32_t thread)
{
	return &session.vm->debug->vcpu[thread - 1];
}

/* --- stopping -----------------------------------------------------------------------------------
 */

/* Lock held. */
static void begin_stop(enum gdb_signal signal)
{
	vm_pause(session.vm, VCPU_REQ_PAUSE_DEBUGGER);
	if (session.is_stopping)
		return;
	session.is_stopping = true;
	session.signal = signal;
	sched_timer_arm(&session.timer, rdtsc());
}

/* A vCPU, in its own context, has stopped by itself. */
static void vcpu_stopped(struct vm *vm __unused)
{
	spin_lock(&session.lock);
	begin_stop(GDB_SIGNAL_TRAP);
	spin_unlock(&session.lock);
}

static bool is_watch(const struct debug_stop *stop)
{
	return stop->kind == DEBUG_STOP_HARDWARE_POINT && stop->type != DEBUG_BREAK &&
	       stop->type != DEBUG_HARDWARE_BREAK;
}

/* The next thread behind the last with a reason of its own; 0 when there is none. */
static uint32_t find_stopped(bool is_watch_wanted)
{
	uint32_t threads = session.target.threads;

	for (uint32_t i = 0; i < threads; i++) {
		uint32_t thread = (session.thread + i) % threads + 1;
		const struct debug_stop *stop = &debug_of(thread)->stop;

		if (stop->kind != DEBUG_NOT_STOPPED && (!is_watch_wanted || is_watch(stop)))
			return thread;
	}
	return 0;
}

/* All are parked. One reason is told; who stands at a breakpoint besides comes to it again, what a
 * watchpoint has seen is kept for the next time. */
static void tell_stop(void)
{
	struct gdb_stop stop = {.signal = session.signal, .thread = session.thread};
	uint32_t thread = find_stopped(false);

	if (thread) {
		stop.signal = GDB_SIGNAL_TRAP;
		stop.thread = session.thread = thread;
		stop.reason = debug_of(thread)->stop;
		debug_of(thread)->stop.kind = DEBUG_NOT_STOPPED;
	}
	for (uint32_t i = 1; i <= session.target.threads; i++)
		if (!is_watch(&debug_of(i)->stop))
			debug_of(i)->stop.kind = DEBUG_NOT_STOPPED;
	gdb_stopped(&session.stub, &stop);
}

static void look(struct sched_timer *timer, uint64_t now)
{
	spin_lock(&session.lock);
	if (session.is_stopping && debug_is_parked(session.vm)) {
		session.is_stopping = false;
		tell_stop();
	} else if (session.is_stopping) {
		sched_timer_arm(timer, now + ns_to_tsc(&vm_machine.tsc, LOOK_AGAIN_NS));
	}
	spin_unlock(&session.lock);
}

/* --- the target ---------------------------------------------------------------------------------
 */

static void target_send(void *context __unused, const char *bytes, size_t len)
{
	/* gdb waits for each reply, so that there is room for one. */
	(void)host_uart_write(session.uart, bytes, (uint32_t)len);
}

static void target_interrupt(void *context __unused)
{
	begin_stop(GDB_SIGNAL_INT);
}

static void target_resume(void *context __unused, const enum gdb_action *action)
{
	if (find_stopped(true)) {
		begin_stop(GDB_SIGNAL_TRAP);
		return;
	}
	for (uint32_t i = 0; i < session.target.threads; i++) {
		if (action[i] == GDB_STAY)
			continue;
		debug_of(i + 1)->is_step = action[i] == GDB_STEP;
		vcpu_resume(session.vm->vcpu[i], VCPU_REQ_PAUSE_DEBUGGER);
	}
}

static struct debug_regs *target_registers(void *context __unused, uint32_t thread)
{
	return &debug_of(thread)->regs;
}

static bool target_accept_registers(void *context __unused, uint32_t thread)
{
	if (!debug_is_possible(&debug_of(thread)->regs))
		return false;
	debug_of(thread)->is_dirty = true;
	return true;
}

static size_t target_read(void *context __unused, uint32_t thread, uint64_t address, void *to,
			  size_t len)
{
	return debug_read(session.vm, thread - 1, address, to, len);
}

static int target_write(void *context __unused, uint32_t thread, uint64_t address, const void *from,
			size_t len)
{
	return debug_write(session.vm, thread - 1, address, from, len);
}

static int target_insert(void *context __unused, uint32_t thread, enum debug_point_type type,
			 uint64_t address, uint64_t len)
{
	return debug_insert(session.vm, thread - 1, type, address, len);
}

static int target_remove(void *context __unused, enum debug_point_type type, uint64_t address,
			 uint64_t len)
{
	return debug_remove(session.vm, type, address, len);
}

static void target_describe(void *context __unused, uint32_t thread, char *text, size_t size)
{
	static const char *const what[] = {
		[VCPU_ACTIVE] = "active",
		[VCPU_HALTED] = "halted",
		[VCPU_WAIT_FOR_STARTUP] = "waits for a SIPI",
	};
	const struct vcpu *vcpu = session.vm->vcpu[thread - 1];

	(void)fmt_snprintf(text, size, "vCPU %u: %s, on pCPU %u", vcpu->index,
			   what[__atomic_load_n(&vcpu->activity, __ATOMIC_RELAXED)],
			   __atomic_load_n(&vcpu->se.pcpu, __ATOMIC_RELAXED));
}

static void target_detach(void *context __unused)
{
	debug_remove_all(session.vm);
	for (uint32_t i = 1; i <= session.target.threads; i++) {
		debug_of(i)->is_step = false;
		debug_of(i)->stop.kind = DEBUG_NOT_STOPPED;
	}
	vm_resume(session.vm, VCPU_REQ_PAUSE_DEBUGGER);
}

static void target_kill(void *context __unused)
{
	vm_end(session.vm, false, "killed by the debugger");
}

/* --- the port -----------------------------------------------------------------------------------
 */

static void received(struct host_uart *uart __unused, uint8_t byte)
{
	uint32_t head = session.head;

	/* A full ring drops the byte, and gdb sends the packet again. */
	if (head - __atomic_load_n(&session.tail, __ATOMIC_ACQUIRE) < RING_SIZE) {
		session.ring[head % RING_SIZE] = byte;
		__atomic_store_n(&session.head, head + 1, __ATOMIC_RELEASE);
	}
	sched_defer();
}

static void serve(void)
{
	uint32_t tail = session.tail;

	while (tail != __atomic_load_n(&session.head, __ATOMIC_ACQUIRE)) {
		spin_lock(&session.lock);
		gdb_feed(&session.stub, session.ring[tail++ % RING_SIZE]);
		spin_unlock(&session.lock);
		__atomic_store_n(&session.tail, tail, __ATOMIC_RELEASE);
	}
}

int gdb_attach(struct vm *vm, struct host_uart *uart, bool is_waiting)
{
	int ret = debug_create(vm, vcpu_stopped);

	if (ret)
		return ret;
	session.vm = vm;
	session.uart = uart;
	session.target = (struct gdb_target){
		.threads = vm->params.vcpus,
		.send = target_send,
		.interrupt = target_interrupt,
		.resume = target_resume,
		.registers = target_registers,
		.accept_registers = target_accept_registers,
		.read = target_read,
		.write = target_write,
		.insert = target_insert,
		.remove = target_remove,
		.describe = target_describe,
		.detach = target_detach,
		.kill = target_kill,
	};
	gdb_begin(&session.stub, &session.target);
	sched_timer_init(&session.timer, look);
	sched_add_deferred(serve);
	host_uart_set_consumer(uart, received);
	if (is_waiting) {
		spin_lock(&session.lock);
		begin_stop(GDB_SIGNAL_TRAP);
		spin_unlock(&session.lock);
	}
	log_info("VM '%s': gdb at port %#x%s", vm->name, uart->at.port,
		 is_waiting ? ", which it waits for" : "");
	return 0;
}

void gdb_vm_ended(const struct vm *vm)
{
	if (session.vm != vm)
		return;
	spin_lock(&session.lock);
	gdb_ended(&session.stub, vm->is_ok ? 0 : 1);
	spin_unlock(&session.lock);
	host_uart_flush(session.uart);
}
