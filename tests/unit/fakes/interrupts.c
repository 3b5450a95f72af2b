/* Interrupts of the unit tests: one lock and one condition for each pCPU. */
#include <pthread.h>
#include <setjmp.h>
#include <time.h>

#include "cpu/apic.h"
#include "cpu/nmi.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "cpu/trap.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "lib/deadline.h"

#define VECTORS      256u
#define NSEC_PER_SEC 1000000000u

struct pcpu {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_pending[VECTORS]; /* under lock */
	uint64_t sent[VECTORS];   /* under lock */
	uint64_t timer;           /* under lock */
	uint64_t latest;          /* under lock */
};

static struct pcpu pcpus[MAX_PCPUS];
static struct fake_nmi nmis[MAX_PCPUS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void (*handlers[VECTORS])(void);
static bool is_stopping; /* (a) */
static _Thread_local jmp_buf *end_of_run;

static void init(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* the TSC that is a clock */
	for (unsigned i = 0; i < MAX_PCPUS; i++) {
		pthread_mutex_init(&pcpus[i].lock, NULL);
		pthread_cond_init(&pcpus[i].changed, &attr);
		pcpus[i].timer = pcpus[i].latest = DEADLINE_NEVER;
	}
}

static struct pcpu *pcpu(uint32_t cpu)
{
	pthread_once(&once, init);
	ASSERT(cpu < MAX_PCPUS);
	return &pcpus[cpu];
}

void fake_interrupts_reset(void)
{
	for (unsigned i = 0; i < MAX_PCPUS; i++) {
		struct pcpu *p = pcpu(i);

		for (unsigned v = 0; v < VECTORS; v++) {
			p->is_pending[v] = false;
			p->sent[v] = 0;
		}
		p->timer = p->latest = DEADLINE_NEVER;
		nmis[i] = (struct fake_nmi){.answers = true};
	}
	for (unsigned v = 0; v < VECTORS; v++)
		handlers[v] = NULL;
	__atomic_store_n(&is_stopping, false, __ATOMIC_SEQ_CST);
}

void trap_set_irq_handler(uint8_t vector, void (*handler)(void))
{
	handlers[vector] = handler;
}

/* Fake APIC IDs are pCPU numbers (fakes/percpu.c). */
void apic_send_ipi(uint32_t apic_id, uint8_t vector)
{
	struct pcpu *p = pcpu(apic_id);

	this_cpu()->ipi_sent++;
	pthread_mutex_lock(&p->lock);
	p->is_pending[vector] = true;
	p->sent[vector]++;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* NMIs are only counted; the sign of life is the test's to give. */
void nmi_probe(uint32_t cpu)
{
	nmis[cpu].probes++;
	nmis[cpu].is_silent = !nmis[cpu].answers;
}

bool nmi_has_answered(uint32_t cpu)
{
	return !nmis[cpu].is_silent;
}

void nmi_panic(uint32_t cpu, uint32_t ms)
{
	nmis[cpu].stuck_ms = ms;
}

struct fake_nmi *fake_nmi(uint32_t cpu)
{
	return &nmis[cpu];
}

void apic_timer_arm(uint64_t deadline)
{
	struct pcpu *p = pcpu(this_cpu_id());

	ASSERT(!fake_irq_is_enabled());
	pthread_mutex_lock(&p->lock);
	p->timer = MIN(deadline, p->latest);
	pthread_mutex_unlock(&p->lock);
}

void apic_timer_set_latest(uint64_t latest)
{
	struct pcpu *p = pcpu(this_cpu_id());

	pthread_mutex_lock(&p->lock);
	p->latest = latest;
	pthread_mutex_unlock(&p->lock);
}

uint64_t fake_ipi_count(uint32_t cpu, uint8_t vector)
{
	struct pcpu *p = pcpu(cpu);
	uint64_t count;

	pthread_mutex_lock(&p->lock);
	count = p->sent[vector];
	pthread_mutex_unlock(&p->lock);
	return count;
}

uint64_t fake_apic_timer(uint32_t cpu)
{
	struct pcpu *p = pcpu(cpu);
	uint64_t timer;

	pthread_mutex_lock(&p->lock);
	timer = p->timer;
	pthread_mutex_unlock(&p->lock);
	return timer;
}

/* Is there one? The timer's becomes one when its time has come. Lock held. */
static bool has_interrupt(struct pcpu *p)
{
	if (p->timer <= rdtsc()) {
		p->timer = DEADLINE_NEVER;
		p->is_pending[VECTOR_TIMER] = true;
	}
	for (unsigned v = 0; v < VECTORS; v++)
		if (p->is_pending[v])
			return true;
	return false;
}

void fake_interrupts_take(void)
{
	struct pcpu *p = pcpu(this_cpu_id());

	pthread_mutex_lock(&p->lock);
	while (has_interrupt(p)) {
		unsigned v = VECTORS - 1;

		while (!p->is_pending[v])
			v--;
		p->is_pending[v] = false;
		pthread_mutex_unlock(&p->lock);
		this_cpu()->irq_count++;
		if (!handlers[v])
			panic("interrupt %#x has no handler", v);
		handlers[v]();
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
}

/* Lock held; released meanwhile. */
static void wait_until(struct pcpu *p, uint64_t deadline)
{
	/* A second at most: who waits for ever looks again whether it shall stop. */
	uint64_t until = MIN(deadline, rdtsc() + NSEC_PER_SEC);
	struct timespec when = {.tv_sec = (time_t)(until / NSEC_PER_SEC),
				.tv_nsec = (long)(until % NSEC_PER_SEC)};

	pthread_cond_timedwait(&p->changed, &p->lock, &when);
}

void fake_interrupts_wait(uint64_t deadline)
{
	struct pcpu *p = pcpu(this_cpu_id());

	pthread_mutex_lock(&p->lock);
	while (!has_interrupt(p) && rdtsc() < deadline)
		wait_until(p, MIN(deadline, p->timer));
	pthread_mutex_unlock(&p->lock);
}

void fake_interrupts_halt(void)
{
	struct pcpu *p = pcpu(this_cpu_id());
	bool is_over = false;

	pthread_mutex_lock(&p->lock);
	while (!is_over && !has_interrupt(p)) {
		if (!fake_tsc_is_clock()) {
			is_over = p->timer == DEADLINE_NEVER;
			if (!is_over)
				fake_tsc_advance(p->timer - rdtsc());
		} else if (__atomic_load_n(&is_stopping, __ATOMIC_SEQ_CST) &&
			   p->timer == DEADLINE_NEVER) {
			is_over = true;
		} else {
			wait_until(p, p->timer);
		}
	}
	pthread_mutex_unlock(&p->lock);
	if (!is_over)
		return;
	ASSERT(end_of_run);
	longjmp(*end_of_run, 1);
}

void fake_pcpus_stop(void)
{
	__atomic_store_n(&is_stopping, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < MAX_PCPUS; i++) {
		struct pcpu *p = pcpu(i);

		pthread_mutex_lock(&p->lock);
		pthread_cond_signal(&p->changed);
		pthread_mutex_unlock(&p->lock);
	}
}

void fake_pcpu_run(void (*fn)(void))
{
	jmp_buf end;

	end_of_run = &end;
	if (!setjmp(end))
		fn();
	end_of_run = NULL;
	irq_enable();
}
