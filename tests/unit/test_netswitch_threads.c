/* The switch between VMs that run: each thread is a VM with a lock of its own, sends and takes
 * under it, and is told of what comes by a flag alone. Nothing is lost but what is counted, nothing
 * comes twice or out of its order, and no wake-up is lost. Meant for ThreadSanitizer, too. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "devices/netswitch.h"
#include "lib/string.h"

#define VMS   4u
#define BURST 8u

struct vm {
	struct netport port;
	pthread_mutex_t lock; /* the VM's */
	bool is_ready;        /* atomic: what platform->post sets */
	uint32_t id;
	uint64_t sent, taken, last[VMS]; /* last[n]: the number of the last frame from VM n */
};

struct message {
	struct ethhdr header;
	uint32_t from;
	uint64_t number, check;
};

static struct netswitch lan;
static struct vm vm[VMS];
static bool is_over; /* atomic */
static uint32_t still_sending;

static void ready(void *owner)
{
	__atomic_store_n(&((struct vm *)owner)->is_ready, true, __ATOMIC_SEQ_CST);
}

static void send_one(struct vm *v)
{
	uint32_t to = (v->id + 1 + (uint32_t)(v->sent % (VMS - 1))) % VMS;
	struct message m = {.from = v->id, .number = ++v->sent};

	m.check = m.number * 31 + m.from;
	m.header.h_source[0] = 2;
	m.header.h_source[5] = (uint8_t)v->id;
	memcpy(m.header.h_dest, m.header.h_source, ETH_ALEN);
	m.header.h_dest[5] = (uint8_t)to;
	if (v->sent % 16 == 0)
		memset(m.header.h_dest, 0xff, ETH_ALEN);
	netport_send(&v->port, &m, sizeof(m), v->sent);
}

/* As a device does: to the queue's end, and then only when told. */
static void take_all(struct vm *v)
{
	const struct netframe *frame;

	while ((frame = netport_peek(&v->port))) {
		struct message m;

		assert_int_equal(frame->len, sizeof(m));
		memcpy(&m, frame->data, sizeof(m));
		assert_in_range(m.from, 0, VMS - 1);
		assert_int_equal(m.check, m.number * 31 + m.from);
		assert_true(m.number > v->last[m.from]);
		v->last[m.from] = m.number;
		netport_take(&v->port, true);
		v->taken++;
	}
}

static void serve(struct vm *v)
{
	if (!__atomic_exchange_n(&v->is_ready, false, __ATOMIC_SEQ_CST))
		return;
	pthread_mutex_lock(&v->lock);
	take_all(v);
	pthread_mutex_unlock(&v->lock);
}

static void *run(void *arg)
{
	struct vm *v = arg;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&v->lock);
		for (unsigned i = 0; i < BURST; i++)
			send_one(v);
		/* Now and then its driver resets the device. */
		if (v->sent % (BURST * 512) == 0) {
			netport_set_link(&v->port, false);
			netport_set_link(&v->port, true);
		}
		pthread_mutex_unlock(&v->lock);
		serve(v);
		sched_yield();
	}
	__atomic_fetch_sub(&still_sending, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&still_sending, __ATOMIC_SEQ_CST))
		sched_yield();
	serve(v);
	return NULL;
}

/* A VM that begins and ends all the time, on a thread that holds no VM's lock. */
static void *come_and_go(void *arg)
{
	struct vm *v = calloc(1, sizeof(*v));

	(void)arg;
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		memset(v, 0, sizeof(*v));
		netport_join(&v->port, &lan, ready, v);
		netport_set_link(&v->port, true);
		for (unsigned i = 0; i < 20; i++)
			sched_yield();
		netport_leave(&v->port);
	}
	free(v);
	return NULL;
}

static void sleep_for_test(void)
{
	const char *stress = getenv("STRESS");
	struct timespec t = {.tv_sec = stress ? atoi(stress) : 1};

	nanosleep(&t, NULL);
}

static void test_threads(void **state)
{
	pthread_t thread[VMS], guest;
	uint64_t received = 0;

	(void)state;
	netswitch_init(&lan);
	still_sending = VMS;
	for (uint32_t i = 0; i < VMS; i++) {
		vm[i].id = i;
		pthread_mutex_init(&vm[i].lock, NULL);
		netport_join(&vm[i].port, &lan, ready, &vm[i]);
		netport_set_link(&vm[i].port, true);
	}
	for (uint32_t i = 0; i < VMS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run, &vm[i]), 0);
	assert_int_equal(pthread_create(&guest, NULL, come_and_go, NULL), 0);
	sleep_for_test();
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < VMS; i++)
		pthread_join(thread[i], NULL);
	pthread_join(guest, NULL);
	for (uint32_t i = 0; i < VMS; i++) {
		struct netport_counters c;

		netport_read_counters(&vm[i].port, &c);
		/* All that came before the end has been taken: no wake-up was lost. */
		assert_null(netport_peek(&vm[i].port));
		assert_int_equal(c.tx_frames, vm[i].sent);
		assert_int_equal(c.rx_frames, vm[i].taken);
		assert_int_equal(c.tx_drops, 0);
		assert_true(vm[i].sent >= BURST);
		received += vm[i].taken;
	}
	assert_true(received > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
