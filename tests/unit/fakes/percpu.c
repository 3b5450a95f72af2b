/* The per-CPU blocks of the unit tests. */
#include <string.h>

#include "cpu/panic.h"
#include "fakes/percpu.h"

static struct percpu blocks[MAX_PCPUS];
static uint32_t online = 1;
static _Thread_local uint32_t attached;

void fake_percpu_attach(uint32_t id)
{
	uint32_t count = __atomic_load_n(&online, __ATOMIC_RELAXED);

	ASSERT(id < MAX_PCPUS);
	attached = id;
	if (__atomic_load_n(&blocks[id].is_online, __ATOMIC_ACQUIRE))
		return; /* it has been one before */
	blocks[id].self = &blocks[id];
	blocks[id].id = id;
	blocks[id].apic_id = id;
	__atomic_store_n(&blocks[id].is_online, true, __ATOMIC_RELEASE);
	while (count <= id && !__atomic_compare_exchange_n(&online, &count, id + 1, false,
							   __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

void fake_percpu_reset(void)
{
	memset(blocks, 0, sizeof(blocks));
	online = 1;
	fake_percpu_attach(0);
}

struct percpu *this_cpu(void)
{
	if (!blocks[attached].self)
		fake_percpu_attach(attached);
	return &blocks[attached];
}

struct percpu *percpu_get(uint32_t id)
{
	return id < percpu_count() ? &blocks[id] : NULL;
}

uint32_t percpu_count(void)
{
	return __atomic_load_n(&online, __ATOMIC_ACQUIRE);
}
