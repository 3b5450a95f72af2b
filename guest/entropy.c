/* Random bytes for a guest's devices. The generator is ChaCha20's block function (RFC 8439, 'The
 * ChaCha20 Block Function') over a counter. */
#include "guest/entropy.h"

#include "cpu/insn.h"
#include "lib/string.h"

#define CPUID_1_ECX_RDRAND BIT(30)
#define CPUID_7_EBX_RDSEED BIT(18)
/* 'The DRNG Library and Manual': ten tries for RDRAND; RDSEED may run dry for longer. */
#define TRIES              16u
#define ROUNDS             20u
#define BLOCK_WORDS        16u

static uint32_t rotate(uint32_t x, unsigned by)
{
	return x << by | x >> (32 - by);
}

static void quarter_round(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
	s[a] += s[b];
	s[d] = rotate(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotate(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotate(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotate(s[b] ^ s[c], 7);
}

static void make_block(struct entropy *e, uint32_t out[BLOCK_WORDS])
{
	uint32_t start[BLOCK_WORDS] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(start + 4, e->key, sizeof(e->key));
	start[12] = (uint32_t)e->block;
	start[13] = (uint32_t)(e->block++ >> 32);
	memcpy(out, start, sizeof(start));
	for (unsigned i = 0; i < ROUNDS; i += 2) {
		for (unsigned k = 0; k < 4; k++)
			quarter_round(out, k, k + 4, k + 8, k + 12);
		for (unsigned k = 0; k < 4; k++)
			quarter_round(out, k, (k + 1) % 4 + 4, (k + 2) % 4 + 8, (k + 3) % 4 + 12);
	}
	for (unsigned i = 0; i < BLOCK_WORDS; i++)
		out[i] += start[i];
}

static bool take_from_cpu(const struct entropy *e, uint64_t *value)
{
	for (unsigned i = 0; i < TRIES; i++)
		if ((e->has_rdseed && rdseed(value)) || (e->has_rdrand && rdrand(value)))
			return true;
	return false;
}

void entropy_init(struct entropy *e, bool is_cpu_hidden, uint64_t salt)
{
	uint64_t seed[] = {rdtsc(), salt};

	memset(e, 0, sizeof(*e));
	memcpy(e->key, seed, sizeof(seed));
	if (is_cpu_hidden)
		return;
	e->has_rdrand = cpuid(1, 0).ecx & CPUID_1_ECX_RDRAND;
	e->has_rdseed = cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ebx & CPUID_7_EBX_RDSEED);
}

void entropy_fill(struct entropy *e, void *to, size_t len)
{
	uint32_t block[BLOCK_WORDS];
	uint64_t value;
	size_t n;

	for (size_t done = 0; done < len; done += n) {
		if (take_from_cpu(e, &value)) {
			n = MIN(len - done, sizeof(value));
			memcpy((uint8_t *)to + done, &value, n);
		} else {
			make_block(e, block);
			n = MIN(len - done, sizeof(block));
			memcpy((uint8_t *)to + done, block, n);
		}
	}
}
