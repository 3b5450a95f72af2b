/* Pausing against wake-ups, with threads as pCPUs: 'once parked it stays out of the guest until the
 * last reason is taken away', 'what comes meanwhile stays pending', and nobody is left behind
 * blocked. Meant for ThreadSanitizer, too. STRESS in the environment: how many seconds (default 2).
 *
 * A vCPU is as vmx/ runs it, less the guest: it serves its requests, halts at random, and is 'in
 * the guest' until an interrupt comes. Two threads pause and resume, for two reasons; one sends
 * events and waits until each was served. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "cpu/init.h"
#include "fakes/guest_ram.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/panic.h"
#include "fakes/percpu.h"
#include "fakes/vcpu_arch.h"
#include "guest/pause.h"

#define PCPUS    2u
#define PAUSERS  2u
#define VCPUS    4u
#define QUIET_NS 5000000ull
#define STUCK_NS 10000000000ull
#define ENTRY_NS 20000u
#define SLICE    50000u

static struct vm *vm;
static struct {
	uint32_t sent, seen; /* (a) events */
	uint32_t frozen;     /* (a) pausers that have seen it parked and not resumed it */
	uint64_t seed;       /* (o) */
	uint64_t entries;    /* (o) */
} guests[VCPUS];
static bool is_over;   /* (a) */
static uint32_t quiet; /* (a) pausers that have waited for long: nobody else may help them out */
static uint64_t parks; /* (a) */
static uint64_t served;
static _Thread_local bool must_look;

static uint32_t get32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void kicked(void)
{
	must_look = true;
}

/* serve_requests of vmx/run.c. */
static bool serve(struct vcpu *vcpu, enum sched_verdict *verdict)
{
	uint32_t requests;

	*verdict = SCHED_WAIT;
	if (vcpu_hold(vcpu))
		return false;
	/* From here on its state changes: nobody may believe that it is parked. */
	ASSERT(!get32(&guests[vcpu->index].frozen));
	requests = get32(&vcpu->requests) & ~VCPU_REQ_PAUSED;
	__atomic_fetch_and(&vcpu->requests, ~requests, __ATOMIC_SEQ_CST);
	__atomic_store_n(&guests[vcpu->index].seen, get32(&guests[vcpu->index].sent),
			 __ATOMIC_SEQ_CST);
	*verdict = SCHED_ENDED;
	return !(requests & VCPU_REQ_STOP);
}

static enum sched_verdict run(struct sched_entity *se)
{
	struct vcpu *vcpu = container_of(se, struct vcpu, se);
	uint64_t *seed = &guests[vcpu->index].seed;
	enum sched_verdict verdict;

	for (;;) {
		uint64_t r = fake_random(seed), now = rdtsc();

		if (get32(&vcpu->requests) && !serve(vcpu, &verdict))
			return verdict;
		sched_run_timers(now);
		if (sched_is_slice_over(sched_this_runq(), se, now))
			return SCHED_PREEMPTED;
		if (r % 8 == 0)
			return SCHED_WAIT;
		irq_disable();
		if (!must_look && !get32(&vcpu->requests)) {
			ASSERT(!get32(&guests[vcpu->index].frozen));
			guests[vcpu->index].entries++;
			fake_interrupts_wait(now + (r >> 16) % ENTRY_NS);
		}
		must_look = false;
		irq_enable();
	}
}

static void nothing(struct sched_entity *se)
{
	(void)se;
}

static bool is_woken(struct sched_entity *se)
{
	return vcpu_is_woken(container_of(se, struct vcpu, se));
}

static const struct sched_ops ops = {
	.run = run, .switch_in = nothing, .switch_out = nothing, .is_woken = is_woken};

static void *pcpu_thread(void *arg)
{
	fake_percpu_attach(*(uint32_t *)arg);
	fake_pcpu_run(sched_loop);
	return NULL;
}

static void report_stuck(const char *what)
{
	for (unsigned i = 0; i < VCPUS; i++)
		print_message("vCPU %u: state %u, requests %#x, parked %u, sent %u, seen %u\n", i,
			      get32(&vm->vcpu[i]->se.state), get32(&vm->vcpu[i]->requests),
			      vcpu_is_parked(vm->vcpu[i]), get32(&guests[i].sent),
			      get32(&guests[i].seen));
	print_message("%s\n", what);
	abort(); /* the threads cannot be ended */
}

static void wait_until_parked(const struct vcpu *vcpu)
{
	uint64_t start = rdtsc();

	while (!vcpu_is_parked(vcpu)) {
		if (rdtsc() - start > STUCK_NS)
			report_stuck("a vCPU does not park");
		sched_yield();
	}
}

/* Resumed, it goes on, or another reason keeps it. A wake-up that was lost would come by way of the
 * next one: who waits for long keeps the others from sending any. */
static void wait_until_on(const struct vcpu *vcpu)
{
	uint64_t start = rdtsc();
	bool is_quiet = false;

	while (vcpu_is_parked(vcpu) && !(get32(&vcpu->requests) & VCPU_REQ_PAUSED)) {
		uint64_t waited = rdtsc() - start;

		if (waited > QUIET_NS && !is_quiet) {
			is_quiet = true;
			__atomic_fetch_add(&quiet, 1, __ATOMIC_SEQ_CST);
		}
		if (waited > STUCK_NS)
			report_stuck("a vCPU is resumed and does not go on");
		sched_yield();
	}
	if (is_quiet)
		__atomic_fetch_sub(&quiet, 1, __ATOMIC_SEQ_CST);
}

/* One reason: some vCPUs at a time. */
static void *pauser_thread(void *arg)
{
	uint32_t cpu = *(uint32_t *)arg;
	uint32_t reason = cpu == PCPUS ? VCPU_REQ_PAUSE_MONITOR : VCPU_REQ_PAUSE_DEBUGGER;
	uint64_t seed = cpu;

	fake_percpu_attach(cpu);
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		uint32_t set = (uint32_t)fake_random(&seed) & (BIT(VCPUS) - 1);

		while (get32(&quiet))
			sched_yield();
		for (unsigned i = 0; i < VCPUS; i++)
			if (set & BIT(i))
				vcpu_pause(vm->vcpu[i], reason);
		for (unsigned i = 0; i < VCPUS; i++) {
			if (!(set & BIT(i)))
				continue;
			if (fake_random(&seed) % 4) { /* else it is resumed on its way */
				wait_until_parked(vm->vcpu[i]);
				__atomic_fetch_add(&guests[i].frozen, 1, __ATOMIC_SEQ_CST);
				__atomic_fetch_add(&parks, 1, __ATOMIC_RELAXED);
				usleep((unsigned)(fake_random(&seed) % 50));
				__atomic_fetch_sub(&guests[i].frozen, 1, __ATOMIC_SEQ_CST);
			}
			vcpu_resume(vm->vcpu[i], reason);
			wait_until_on(vm->vcpu[i]);
		}
	}
	return NULL;
}

static void *sender_thread(void *arg)
{
	uint64_t seed = *(uint32_t *)arg;

	fake_percpu_attach(*(uint32_t *)arg);
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		uint32_t i = (uint32_t)fake_random(&seed) % VCPUS;
		uint64_t start = rdtsc();

		while (get32(&quiet))
			sched_yield();
		__atomic_fetch_add(&guests[i].sent, 1, __ATOMIC_SEQ_CST);
		vcpu_request(vm->vcpu[i], VCPU_REQ_EVENT);
		while (get32(&guests[i].seen) != get32(&guests[i].sent)) {
			if (rdtsc() - start > STUCK_NS)
				report_stuck("an event is never served");
			sched_yield();
		}
		served++;
	}
	return NULL;
}

static unsigned stress_seconds(void)
{
	const char *seconds = getenv("STRESS");

	return seconds ? (unsigned)strtoul(seconds, NULL, 10) : 2;
}

static void wait_until_stopped(void)
{
	uint64_t start = rdtsc();

	for (unsigned i = 0; i < VCPUS; i++)
		while (get32(&vm->vcpu[i]->se.state) != SCHED_STOPPED) {
			if (rdtsc() - start > STUCK_NS)
				report_stuck("a vCPU does not stop");
			usleep(1000);
		}
}

static void create(void)
{
	const struct cpumask anywhere = CPUMASK(BIT(PCPUS) - 1);

	fake_machine_start(1000000);
	fake_tsc_use_clock();
	vm = fake_vm_create(MIB(2), VCPUS);
	for (uint32_t i = 0; i < PCPUS + PAUSERS + 2; i++) {
		fake_percpu_attach(i);
		sched_init_cpu();
	}
	/* This thread stays on the last one, and runs nothing. */
	sched_set_kick_hook(kicked);
	for (unsigned i = 0; i < VCPUS; i++) {
		guests[i].seed = 0x1000 + i;
		vm->vcpu[i]->activity = VCPU_ACTIVE;
		vm->vcpu[i]->requests = 0;
		sched_entity_init(&vm->vcpu[i]->se, &ops, &anywhere, SLICE, rdtsc());
	}
}

static void test_pause_against_wakes(void **state)
{
	pthread_t pcpu[PCPUS], other[PAUSERS + 1];
	static uint32_t number[PCPUS + PAUSERS + 1];

	(void)state;
	create();
	for (uint32_t i = 0; i < ARRAY_SIZE(number); i++)
		number[i] = i;
	for (unsigned i = 0; i < PCPUS; i++)
		assert_int_equal(pthread_create(&pcpu[i], NULL, pcpu_thread, &number[i]), 0);
	vm_start(vm);
	for (unsigned i = 0; i <= PAUSERS; i++)
		assert_int_equal(pthread_create(&other[i], NULL,
						i < PAUSERS ? pauser_thread : sender_thread,
						&number[PCPUS + i]),
				 0);

	sleep(stress_seconds());

	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i <= PAUSERS; i++)
		pthread_join(other[i], NULL);
	/* They can be ended while they are paused. */
	vm_pause(vm, VCPU_REQ_PAUSE_MONITOR);
	assert_true(vm_end(vm, true, "enough"));
	wait_until_stopped();
	assert_true(vm_is_parked(vm));
	fake_pcpus_stop();
	for (unsigned i = 0; i < PCPUS; i++)
		pthread_join(pcpu[i], NULL);
	print_message("%lu events served, %lu parks\n", served, parks);
	assert_true(served > 20 && parks > 20);
	for (unsigned i = 0; i < VCPUS; i++)
		assert_true(guests[i].entries > 10);
	vm_destroy(vm);
	fake_machine_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pause_against_wakes),
	};

	return cmocka_run_group_tests_name("pause_threads", tests, NULL, NULL);
}
