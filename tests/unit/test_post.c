/* Calls that are posted to a VM from outside (guest/post.h): 'run soon, once for all posts until
 * then; what was written before the post, it sees'. Threads are pCPUs; meant for ThreadSanitizer,
 * too. STRESS in the environment: how many seconds (default 1). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu/insn.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/percpu.h"
#include "cpu/init.h"
#include "guest/platform.h"
#include "guest/vm.h"
#include "sched/sched.h"

#define PCPUS 3u
#define CALLS (PCPUS + 1u) /* one for each pCPU, and one for all */
#define STUCK 10           /* seconds */

static struct vm vm;

struct model {
	struct platform_call call;
	uint64_t runs;
	uint64_t written[PCPUS], seen[PCPUS]; /* atomic */
};

static struct model model[CALLS];
static unsigned kicks;

static void run(void *owner)
{
	struct model *m = owner;

	m->runs++;
	for (uint32_t i = 0; i < PCPUS; i++)
		__atomic_store_n(&m->seen[i], __atomic_load_n(&m->written[i], __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

static void count_kick(void)
{
	__atomic_fetch_add(&kicks, 1, __ATOMIC_RELAXED);
}

static int setup(void **state)
{
	(void)state;
	fake_percpu_reset();
	fake_interrupts_reset();
	for (uint32_t i = PCPUS; i--;) {
		fake_percpu_attach(i);
		sched_init_cpu();
	}
	memset(&vm, 0, sizeof(vm));
	memset(model, 0, sizeof(model));
	vm.lock = (struct spinlock)SPINLOCK_INIT(LOCK_VM);
	vm_calls_init(&vm);
	for (uint32_t i = 0; i < CALLS; i++)
		platform_call_init(&model[i].call, &model[i], run);
	sched_set_kick_hook(count_kick);
	kicks = 0;
	return 0;
}

/* Not inside the post, whose caller holds another VM's lock; then at the first look at the pCPU's
 * timers, which the vCPU that runs here is told to take. */
static void test_runs_once_and_later(void **state)
{
	(void)state;
	vm_post(&vm, &model[0].call);
	assert_int_equal(model[0].runs, 0);
	assert_int_equal(sched_next_deadline(), 0);
	assert_int_equal(kicks, 1);
	vm_post(&vm, &model[0].call);
	vm_post(&vm, &model[1].call);
	sched_run_timers(1);
	assert_int_equal(model[0].runs, 1);
	assert_int_equal(model[1].runs, 1);
	sched_run_timers(2);
	assert_int_equal(model[0].runs, 1);
	vm_post(&vm, &model[0].call);
	sched_run_timers(3);
	assert_int_equal(model[0].runs, 2);
}

static void test_not_after_the_end(void **state)
{
	(void)state;
	vm_post(&vm, &model[0].call);
	vm.has_ended = true;
	sched_run_timers(1);
	assert_int_equal(model[0].runs, 0);
}

/* 'Whoever has posted waits for nobody', and it is charged to whose turn it is. */
static void test_never_waits(void **state)
{
	static struct sched_payer payer[2];
	static struct sched_entity self = {.payer = &payer[0], .state = SCHED_RUNNING};
	struct runq *rq = sched_this_runq();

	(void)state;
	vm_machine.tsc.hz = 1000000000;
	rq->current = &self;
	vm_post(&vm, &model[0].call);
	assert_ptr_equal(vm.calls.timer.payer, &payer[0]);
	spin_lock(&vm.lock);
	sched_run_timers(1);
	assert_int_equal(model[0].runs, 0);
	assert_int_equal(sched_next_deadline(), 1 + LOCK_RETRY_NS);
	spin_unlock(&vm.lock);
	self.payer = &payer[1]; /* somebody else's turn by now */
	sched_run_timers(1 + LOCK_RETRY_NS);
	assert_int_equal(model[0].runs, 1);
	assert_ptr_equal(vm.calls.timer.payer, &payer[0]);
	rq->current = NULL;
}

static bool is_over; /* atomic */

static void post(struct model *m, uint32_t id, uint64_t n)
{
	__atomic_store_n(&m->written[id], n, __ATOMIC_RELAXED);
	vm_post(&vm, &m->call);
}

/* So much later that what waits for the VM's lock is due again. */
static void look(void)
{
	static uint64_t now;

	sched_run_timers(__atomic_add_fetch(&now, 2 * LOCK_RETRY_NS, __ATOMIC_RELAXED));
}

/* Nobody else posts this pCPU's own call: what is lost of it stays lost. */
static void wait_until_seen(struct model *m, uint32_t id, uint64_t n)
{
	time_t end = time(NULL) + STUCK;

	while (__atomic_load_n(&m->seen[id], __ATOMIC_RELAXED) < n && time(NULL) < end) {
		look();
		sched_yield();
	}
	assert_true(__atomic_load_n(&m->seen[id], __ATOMIC_RELAXED) >= n);
}

static void *pcpu(void *arg)
{
	uint32_t id = *(uint32_t *)arg;

	fake_percpu_attach(id);
	for (uint64_t n = 1; !__atomic_load_n(&is_over, __ATOMIC_RELAXED); n++) {
		post(&model[PCPUS], id, n);
		post(&model[id], id, 2 * n);
		if (n % 3)
			look();
		post(&model[id], id, 2 * n + 1);
		look();
		wait_until_seen(&model[id], id, 2 * n + 1);
	}
	while (sched_next_deadline() != DEADLINE_NEVER)
		look();
	return NULL;
}

static void test_no_post_is_lost(void **state)
{
	const char *stress = getenv("STRESS");
	struct timespec t = {.tv_sec = stress ? atoi(stress) : 1};
	pthread_t thread[PCPUS];
	uint32_t id[PCPUS];

	(void)state;
	for (uint32_t i = 0; i < PCPUS; i++) {
		id[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, pcpu, &id[i]), 0);
	}
	nanosleep(&t, NULL);
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < PCPUS; i++)
		pthread_join(thread[i], NULL);
	assert_null(vm.calls.first);
	for (uint32_t i = 0; i < CALLS; i++) {
		assert_true(model[i].runs > 0);
		for (uint32_t k = 0; k < PCPUS; k++)
			assert_int_equal(model[i].seen[k], model[i].written[k]);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_runs_once_and_later),
		TEST(test_not_after_the_end),
		TEST(test_never_waits),
		TEST(test_no_post_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
