/* The verdict line, the end table, and each line below a vCPU, letter by letter: README.md shows
 * them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "fakes/insn.h"
#include "fakes/log.h"
#include "fakes/percpu.h"
#include "fakes/vcpu_arch.h"
#include "guest/kvm.h"
#include "monitor/summary.h"

#define MS    1000000ull
#define START (5 * MS)

static struct vm *vm;
static char text[4096];

static void write_text(struct out *out, const char *from, size_t len)
{
	(void)out;
	strncat(text, from, len);
}

static struct out out = {.write = write_text};

static int setup(void **state)
{
	(void)state;
	fake_machine_start(START);
	vm = fake_vm_create(MIB(2), 2);
	strcpy(vm->name, "web");
	text[0] = '\0';
	out = (struct out){.write = write_text};
	fake_log_clear();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

static const char *vcpu_lines(uint32_t i)
{
	text[0] = '\0';
	summary_print_vcpu(&out, vm->vcpu[i]);
	return text;
}

static void test_verdict(void **state)
{
	(void)state;
	strcpy(vm->reason, "powered off");
	vm->is_ok = true;
	summary_print_verdict(vm);
	vm->is_ok = false;
	summary_print_verdict(vm);
	assert_string_equal(fake_log_text(), "verdict: web: ok: powered off\n"
					     "verdict: web: failed: powered off\n");
}

static void test_head(void **state)
{
	(void)state;
	summary_print_head(&out);
	assert_string_equal(text, "VM           vCPU pCPU   run ms  wait ms  halt ms    halts   "
				  "polls hit/of switches\n");
}

/* Whole milliseconds, rounded down, of each state, also of the one that goes on; counts. */
static void test_vcpu(void **state)
{
	struct sched_entity *se = &vm->vcpu[1]->se;
	struct fake_vcpu *fake = fake_vcpu(vm->vcpu[1]);

	(void)state;
	sched_set_state(se, SCHED_RUNNABLE, START);
	sched_set_state(se, SCHED_RUNNING, START + 3 * MS);
	sched_set_state(se, SCHED_BLOCKED, START + 10 * MS - 1);
	fake_tsc_set(START + 21 * MS);
	se->pcpu = 7;
	se->switches = 12;
	vm->vcpu[1]->halt_poll = (struct halt_poll){
		.halt_attempted_poll = 4,
		.halt_successful_poll = 3,
		.halt_poll_invalid = 1,
		.halt_wakeup = 5,
		.halt_poll_success_ns = 7999,
		.halt_poll_fail_ns = 2000,
		.poll_success_hist = {[0] = 1, [10] = 2},
		.poll_fail_hist = {[11] = 1},
		.wait_hist = {[20] = 3, [HALT_POLL_BUCKETS - 1] = 2},
	};
	fake->exits[0] = 3;
	fake->exits[1] = 40;
	fake->exits[FAKE_EXIT_REASONS] = 1000; /* is no exit */
	vm->vcpu[1]->pv_eois = 6;
	vm->vcpu[1]->pv_tlb_flushes = 8;
	vm->vcpu[1]->kvm_poll_control = 1;
	assert_string_equal(
		vcpu_lines(1),
		"web             1    7        6        3       11        9       3/4            "
		"12\n"
		"             exits 43, HLT 40, CPUID 3\n"
		"             steal 3 ms, pv_eoi 6, pv_tlb_flush 8, poll_control 1\n"
		"             halt_attempted_poll 4, halt_successful_poll 3, halt_poll_invalid 1, "
		"halt_wakeup 5, success 7 us, fail 2 us\n"
		"             log2 ns success 2^0:1 2^10:2; fail 2^11:1; wait 2^20:3 2^31:2\n");
	/* Without what there is none of: the lines are shorter. */
	vm->vcpu[1]->halt_poll = (struct halt_poll){.halt_wakeup = 1};
	fake->exits[1] = 0;
	vm->params.is_kvm_off = true;
	assert_string_equal(
		vcpu_lines(1),
		"web             1    7        6        3       11        1       0/0            "
		"12\n"
		"             exits 3, CPUID 3\n"
		"             halt_attempted_poll 0, halt_successful_poll 0, halt_poll_invalid 0, "
		"halt_wakeup 1, success 0 us, fail 0 us\n");
	vm->vcpu[1]->halt_poll = (struct halt_poll){.halt_attempted_poll = 1};
	assert_non_null(strstr(vcpu_lines(1), "halt_attempted_poll 1"));
	vm->vcpu[1]->halt_poll = (struct halt_poll){0};
	fake->exits[0] = 0;
	assert_string_equal(vcpu_lines(1), "web             1    7        6        3       11      "
					   "  0       0/0            12\n"
					   "             exits 0\n");
	sched_set_state(se, SCHED_RUNNABLE, START + 21 * MS);
	sched_set_state(se, SCHED_STOPPED, START + 21 * MS);
}

/* Restarts stand below the first vCPU. */
static void test_restarts(void **state)
{
	(void)state;
	vm->restarts = 2;
	vm->params.is_kvm_off = true;
	assert_non_null(strstr(vcpu_lines(0), "\n             restarts 2\n             exits 0\n"));
	assert_null(strstr(vcpu_lines(1), "restarts"));
	vm->restarts = 0;
	assert_null(strstr(vcpu_lines(0), "restarts"));
}

/* Of a stopped one, the times add up to its life, or the accounting is wrong. */
static void test_accounting(void **state)
{
	struct sched_entity *se = &vm->vcpu[0]->se;

	(void)state;
	fake_tsc_set(START + 100);
	(void)vcpu_lines(0);
	se->time[SCHED_BLOCKED]++;
	expect_assert_failure(summary_print_vcpu(&out, vm->vcpu[0]));
	se->time[SCHED_BLOCKED]--;
	se->state = SCHED_BLOCKED; /* it runs on meanwhile: not looked at */
	se->time[SCHED_BLOCKED]++;
	(void)vcpu_lines(0);
	se->time[SCHED_BLOCKED]--;
	se->state = SCHED_STOPPED;
}

static void test_nmis(void **state)
{
	(void)state;
	summary_print_tail(&out);
	assert_string_equal(text, "");
	percpu_get(0)->nmi_count = 3;
	summary_print_tail(&out);
	assert_string_equal(text, "pCPU 0: 3 NMIs that nobody asked for\n");
	percpu_get(0)->nmi_count = 0;
}

static void test_nic(void **state)
{
	static struct virtio_net net;
	static struct netswitch sw;

	(void)state;
	memset(&net, 0, sizeof(net));
	netswitch_init(&sw);
	net.port.sw = &sw;
	memcpy(net.config.mac, "\x02\x13\x24\x35\x46\x57", 6);
	strcpy(vm->params.nic[1].lan, "lan7");
	vm->dev.nic[1] = &net;
	net.port.counters = (struct netport_counters){.rx_frames = 1,
						      .rx_bytes = 60,
						      .rx_drops = 3,
						      .tx_frames = 4,
						      .tx_bytes = 500,
						      .tx_drops = 6};
	summary_print_nics(&out, vm);
	vm->dev.nic[1] = NULL;
	assert_string_equal(text,
			    "web          nic1 lan7 02:13:24:35:46:57: rx 1 frames, 60 bytes, 3 "
			    "dropped; tx 4 frames, 500 bytes, 6 bad\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_verdict),    TEST(test_head), TEST(test_vcpu), TEST(test_restarts),
		TEST(test_accounting), TEST(test_nmis), TEST(test_nic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
