/* The dump (monitor/dump_format.h): its frames, and byte for byte the dump of a small machine,
 * tests/fixtures/dump/two-vms.hex, which tests/tools/test_dump.py reads. After an intended change
 * STORE=1 in the environment writes it anew. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/trace.h"
#include "fakes/insn.h"
#include "fakes/percpu.h"
#include "fakes/vcpu_arch.h"
#include "lib/crc32.h"
#include "monitor/dump.h"

#define FIXTURE   "tests/fixtures/dump/two-vms.hex"
#define BYTES_MAX 65536u
#define LINE      32u
#define T0        1000000u

static uint8_t bytes[BYTES_MAX];
static size_t length;
static unsigned flushes;

static void collect(struct dump_sink *sink, const void *data, size_t len)
{
	(void)sink;
	assert_true(length + len <= sizeof(bytes));
	if (len)
		memcpy(bytes + length, data, len);
	length += len;
}

static void count_flush(struct dump_sink *sink)
{
	(void)sink;
	flushes++;
}

static struct dump_sink sink = {.write = collect, .flush = count_flush};

static int setup(void **state)
{
	(void)state;
	length = 0;
	flushes = 0;
	dump_set_sink(&sink);
	return 0;
}

/* RFC 1952's polynomial: the CRC of these nine digits is in every table of CRCs. */
static void test_crc32(void **state)
{
	(void)state;
	assert_int_equal(crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32(crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
	assert_int_equal(crc32(0, NULL, 0), 0);
}

static void test_frame(void **state)
{
	struct frame_writer writer = {.sink = &sink};
	struct dump_frame frame;
	uint32_t crc;

	(void)state;
	frame_write(&writer, DUMP_PCPU, "head", 4, "tail!", 5);
	frame_write(&writer, DUMP_END, "", 0, NULL, 0);
	assert_int_equal(writer.frames, 2);
	assert_int_equal(length, 2 * sizeof(frame) + 9);
	memcpy(&frame, bytes, sizeof(frame));
	assert_memory_equal(bytes, "CRSL", 4);
	assert_int_equal(frame.version, DUMP_VERSION);
	assert_int_equal(frame.type, DUMP_PCPU);
	assert_int_equal(frame.length, 9);
	crc = crc32(0, bytes, 12);
	assert_int_equal(frame.crc, crc32(crc, bytes + 16, 9));
	assert_memory_equal(bytes + 16, "headtail!", 9);
}

static void test_nowhere_to_go(void **state)
{
	(void)state;
	dump_set_sink(NULL);
	assert_false(dump_has_sink());
	assert_false(dump_write(DUMP_AT_END));
}

/* --- a small machine --- */

/* On pCPU `cpu` the vCPU comes into this state, and the trace tells of it. */
static void step(uint32_t cpu, struct vcpu *vcpu, uint64_t at, enum sched_state next,
		 enum trace_event event, uint32_t arg)
{
	fake_percpu_attach(cpu);
	sched_set_state(&vcpu->se, next, T0 + at);
	trace_write(event, T0 + at, vcpu->se.id, 0, arg);
}

static void note(uint32_t cpu, const struct vcpu *vcpu, uint64_t at, enum trace_event event,
		 uint8_t info, uint32_t arg)
{
	fake_percpu_attach(cpu);
	trace_write(event, T0 + at, vcpu ? vcpu->se.id : 0, info, arg);
}

/* a.0 runs on pCPU 0, halts and is woken from pCPU 1; b.0 runs on pCPU 1, and moves. */
static void live(struct vcpu *a, struct vcpu *b)
{
	step(0, a, 0, SCHED_RUNNABLE, TRACE_START, 0);
	step(0, b, 10, SCHED_RUNNABLE, TRACE_START, 1);
	step(0, a, 100, SCHED_RUNNING, TRACE_SWITCH, 0);
	step(1, b, 150, SCHED_RUNNING, TRACE_SWITCH, 0);
	note(0, a, 180, TRACE_ENTRY, 0, 0);
	note(0, a, 1000, TRACE_EXIT, 0, 0);
	note(0, a, 1100, TRACE_ENTRY, 0, 0);
	note(0, a, 2000, TRACE_EXIT, 0, 1);
	note(0, a, 2010, TRACE_POLL, 0, 0);
	note(0, a, 3000, TRACE_POLL_END, 0, 0);
	step(0, a, 3050, SCHED_BLOCKED, TRACE_BLOCK, 0);
	step(1, a, 6000, SCHED_RUNNABLE, TRACE_WAKE, 0);
	note(1, NULL, 6020, TRACE_IPI, 0xe1, 0);
	note(0, NULL, 6100, TRACE_IPI_TAKEN, 0xe1, 0);
	step(0, a, 6200, SCHED_RUNNING, TRACE_SWITCH, 0);
	note(0, a, 6250, TRACE_INJECT, 0, 0x30);
	note(0, a, 6260, TRACE_ENTRY, 0, 0);
	note(0, a, 7000, TRACE_LEND, 0, 2);
	sched_lend(&a->se, 200);
	note(0, a, 7200, TRACE_LEND_END, 0, 2);
	step(1, b, 8000, SCHED_RUNNABLE, TRACE_PREEMPT, 0);
	step(0, a, 9000, SCHED_STOPPED, TRACE_STOP, 0);
	note(0, b, 9100, TRACE_MIGRATE, 1, 0);
	step(0, b, 9200, SCHED_RUNNING, TRACE_SWITCH, 0);
}

static void set_figures(struct vm *a, struct vm *b)
{
	struct vcpu *vcpu = a->vcpu[0];

	snprintf(a->name, sizeof(a->name), "a");
	snprintf(b->name, sizeof(b->name), "b");
	a->has_ended = a->is_ok = true;
	vcpu->se.switches = 2;
	vcpu->se.wakes = 1;
	vcpu->se.wake_hist[7] = 1;
	vcpu->injections = 1;
	vcpu->halt_poll = (struct halt_poll){.halt_attempted_poll = 1,
					     .halt_wakeup = 1,
					     .halt_poll_fail_ns = 990,
					     .halt_wait_ns = 3050};
	vcpu->halt_poll.poll_fail_hist[9] = 1;
	vcpu->halt_poll.wait_hist[11] = 1;
	fake_vcpu(vcpu)->exits[0] = 1;
	fake_vcpu(vcpu)->exits[1] = 1;
	fake_vcpu(vcpu)->exits[FAKE_EXIT_REASONS] = 2;
	b->vcpu[0]->se.switches = 2;
	b->vcpu[0]->se.moves = 1;
	b->payer.spent = 200;
	percpu_get(1)->ipi_sent = 1;
	percpu_get(0)->ipi_taken = 1;
}

static void store(const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file,
		"# The dump of tests/unit/test_dump.c's small machine, which writes this file.\n");
	for (size_t i = 0; i < length; i++)
		fprintf(file, "%02x%s", bytes[i],
			i % LINE == LINE - 1 || i == length - 1 ? "\n" : "");
	fclose(file);
}

static void compare(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[128];
	size_t at = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		unsigned byte;

		if (line[0] == '#')
			continue;
		for (char *p = line; sscanf(p, "%2x", &byte) == 1; p += 2) {
			assert_true(at < length);
			if (bytes[at] != byte)
				fail_msg("byte %zu is %#x, not %#x (STORE=1: an intended change)",
					 at, bytes[at], byte);
			at++;
		}
	}
	fclose(file);
	assert_int_equal(at, length);
}

static void test_small_machine(void **state)
{
	static struct trace_record records[2][64];
	struct vm *a, *b;

	(void)state;
	fake_machine_start(T0);
	for (uint32_t i = 0; i < 2; i++) {
		fake_percpu_attach(i);
		sched_init_cpu();
		trace_ring_init(&percpu_get(i)->trace, records[i], ARRAY_SIZE(records[i]));
	}
	trace_switch.groups = TRACE_GROUPS_ALL;
	a = fake_vm_create(MIB(2), 1);
	b = fake_vm_create(MIB(2), 2);
	assert_int_equal(vm_list(a), 0);
	assert_int_equal(vm_list(b), 0);
	live(a->vcpu[0], b->vcpu[0]);
	set_figures(a, b);
	fake_tsc_set(T0 + 10000);
	assert_true(dump_has_sink());
	assert_true(dump_write(DUMP_AT_END));
	assert_int_equal(flushes, 1);
	trace_switch.groups = 0;
	vm_destroy(a);
	vm_destroy(b);
	fake_machine_end();
	if (getenv("STORE"))
		store(FIXTURE);
	compare(FIXTURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_crc32, setup),
		cmocka_unit_test_setup(test_frame, setup),
		cmocka_unit_test_setup(test_nowhere_to_go, setup),
		cmocka_unit_test_setup(test_small_machine, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
