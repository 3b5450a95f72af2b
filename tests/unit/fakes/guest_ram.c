/* A guest's RAM for the loaders' tests. */
#include <stdlib.h>

#include "fakes/guest_ram.h"
#include "lib/string.h"
#include "mm/hostmap.h"

/* Where the pieces begin: in the middle of the page tables, at the hole's end, and just behind. */
static const uint64_t cut[] = {0, 0x5000, 0x100000, 0x201000};

void fake_guest_init(struct fake_guest *guest, uint64_t mem)
{
	memset(guest, 0, sizeof(*guest));
	for (unsigned i = 0; i < ARRAY_SIZE(cut) && cut[i] < mem; i++) {
		uint64_t end = i + 1 < ARRAY_SIZE(cut) ? MIN(cut[i + 1], mem) : mem;
		uint64_t len = end - cut[i];
		uint8_t *host = malloc(len);

		memset(host, 0xa5, len);
		guest->gmem.chunk[guest->gmem.count++] = (struct gmem_chunk){
			.base = GPA(cut[i]), .len = len, .host = ptr_to_hpa(host)};
	}
	guest->shape = (struct guest_shape){
		.vcpus = 1, .topology = {1, 1, 1}, .tsc_hz = 1000000000, .low_end = mem};
	guest->config = (struct vm_config){.name = "test",
					   .append = "",
					   .mem = mem,
					   .vcpus = 1,
					   .flat_address = 0x100000,
					   .flat_mode = 64};
}

void fake_guest_free(struct fake_guest *guest)
{
	for (uint32_t i = 0; i < guest->gmem.count; i++)
		free(hpa_to_ptr(guest->gmem.chunk[i].host));
}

int fake_guest_load(struct fake_guest *guest, const void *data, uint64_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	int err;

	memcpy(copy, data, size);
	guest->kernel = (struct boot_module){"", copy, size};
	guest->config.kernel = &guest->kernel;
	memset(guest->error, 0, sizeof(guest->error));
	err = load_guest(&guest->config, &guest->shape, &guest->gmem, &guest->entry, guest->error,
			 sizeof(guest->error));
	free(copy);
	return err;
}

static uint64_t read_number(const struct fake_guest *guest, uint64_t gpa, size_t len)
{
	uint64_t value = 0;

	if (gmem_read(&guest->gmem, GPA(gpa), &value, len))
		return 0;
	return value;
}

uint64_t fake_guest_u64(const struct fake_guest *guest, uint64_t gpa)
{
	return read_number(guest, gpa, 8);
}

uint32_t fake_guest_u32(const struct fake_guest *guest, uint64_t gpa)
{
	return (uint32_t)read_number(guest, gpa, 4);
}

uint8_t fake_guest_u8(const struct fake_guest *guest, uint64_t gpa)
{
	return (uint8_t)read_number(guest, gpa, 1);
}

uint64_t fake_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

void fake_mutate(uint64_t *state, uint8_t *data, uint64_t size, uint64_t hot)
{
	static const uint32_t edge[] = {0,          1,    0x7fffffff, 0x80000000, 0xffffffff,
					0xfffff000, 0x10, 0x1000,     0xa0000,    0x100000};

	for (uint64_t n = 1 + fake_random(state) % 4; n--;) {
		uint64_t span = fake_random(state) % 8 ? MIN(hot, size) : size;
		uint64_t at = fake_random(state) % span, what = fake_random(state);

		switch (what % 3) {
		case 0:
			data[at] = (uint8_t)(what >> 8);
			break;
		case 1:
			data[at] ^= (uint8_t)(1u << (what >> 8 & 7));
			break;
		default:
			if (at + 4 <= size)
				memcpy(data + at, &edge[(what >> 8) % ARRAY_SIZE(edge)], 4);
		}
	}
}
