/* Trace rings. The writer publishes a record by `head`. A reader copies, and then looks how far the
 * writer has come meanwhile: what may have been written over is thrown away and counted. */
#include "lib/trace.h"

#include "lib/string.h"

struct trace_switch trace_switch;

_Static_assert(sizeof(struct trace_record) == 2 * sizeof(uint64_t), "two words, no holes");

static const struct {
	const char *name;
	uint32_t groups;
} names[] = {
	{"all", TRACE_GROUPS_ALL},    {"off", 0},
	{"sched", TRACE_GROUP_SCHED}, {"poll", TRACE_GROUP_POLL},
	{"exit", TRACE_GROUP_EXIT},   {"inject", TRACE_GROUP_INJECT},
	{"ipi", TRACE_GROUP_IPI},
};

static bool add_group(const char *text, size_t len, uint32_t *groups)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i].name) == len && !memcmp(names[i].name, text, len)) {
			*groups |= names[i].groups;
			return true;
		}
	}
	return false;
}

bool trace_parse_groups(const char *text, size_t len, uint32_t *groups)
{
	const char *end = text + len;

	*groups = 0;
	for (;;) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *stop = comma ? comma : end;

		if (!add_group(text, (size_t)(stop - text), groups))
			return false;
		if (!comma)
			return true;
		text = comma + 1;
	}
}

void trace_ring_init(struct trace_ring *ring, struct trace_record *records, uint64_t count)
{
	ring->mask = count - 1;
	__atomic_store_n(&ring->head, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->records, records, __ATOMIC_RELEASE);
}

void trace_ring_write(struct trace_ring *ring, const struct trace_record *record)
{
	struct trace_record *records = __atomic_load_n(&ring->records, __ATOMIC_ACQUIRE);
	uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
	const uint64_t *word = (const void *)record;
	uint64_t *slot;

	if (!records)
		return;
	slot = (void *)&records[head & ring->mask];
	/* Who sees one of these stores also sees the `head` before them: see trace_reader_read. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&slot[0], word[0], __ATOMIC_RELAXED);
	__atomic_store_n(&slot[1], word[1], __ATOMIC_RELAXED);
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
}

void trace_reader_init(struct trace_reader *reader, const struct trace_ring *ring)
{
	*reader = (struct trace_reader){
		.ring = ring,
		.end = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE),
	};
}

/* Counts as lost what is no longer in the ring, or may be being written over now. */
static uint64_t skip_lost(struct trace_reader *reader)
{
	const struct trace_ring *ring = reader->ring;
	uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	uint64_t oldest = head > ring->mask ? head - ring->mask : 0, skipped;

	if (reader->next >= oldest)
		return 0;
	skipped = MIN(oldest, reader->end) - reader->next;
	reader->lost += skipped;
	reader->next += skipped;
	return skipped;
}

size_t trace_reader_read(struct trace_reader *reader, struct trace_record *out, size_t max)
{
	const struct trace_ring *ring = reader->ring;
	const struct trace_record *records = __atomic_load_n(&ring->records, __ATOMIC_ACQUIRE);
	uint64_t count, lost;

	if (!records)
		return 0;
	do {
		skip_lost(reader);
		count = MIN(reader->end - reader->next, (uint64_t)max);
		for (uint64_t i = 0; i < count; i++) {
			const uint64_t *slot =
				(const void *)&records[(reader->next + i) & ring->mask];
			uint64_t *word = (void *)&out[i];

			word[0] = __atomic_load_n(&slot[0], __ATOMIC_RELAXED);
			word[1] = __atomic_load_n(&slot[1], __ATOMIC_RELAXED);
		}
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		lost = skip_lost(reader);
		/* All of it: the next look finds what is there now. */
	} while (count && lost >= count);
	memmove(out, out + lost, (count - lost) * sizeof(*out));
	reader->next += count - lost;
	return count - lost;
}
