/* kvmclock: writing the two structures into guest memory. */
#include "guest/pvclock.h"
#include "lib/string.h"

/* Linux keeps these in asm/pvclock-abi.h, which it does not export to user space. */
struct pvclock_vcpu_time_info {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad[2];
} __packed;
_Static_assert(sizeof(struct pvclock_vcpu_time_info) == PVCLOCK_TIME_SIZE, "the guest's ABI");

struct pvclock_wall_clock {
	uint32_t version;
	uint32_t sec;
	uint32_t nsec;
} __packed;
_Static_assert(sizeof(struct pvclock_wall_clock) == PVCLOCK_WALL_SIZE, "the guest's ABI");

#define PVCLOCK_TSC_STABLE_BIT BIT(0)

/* The version in one store where the guest aligned it, so that no reader sees half of it. */
static int write_version(const struct gmem *gmem, gpa_t area, uint32_t version)
{
	uint32_t *p = gmem_ptr(gmem, area, sizeof(version));

	if (!p || !IS_ALIGNED(area.v, sizeof(version)))
		return gmem_write(gmem, area, &version, sizeof(version));
	__atomic_store_n(p, version, __ATOMIC_RELEASE);
	return 0;
}

/* Writes the `len` bytes of `body` behind the version, with the version odd meanwhile. The two
 * fences keep the three steps in order for a reader on another pCPU, which does the reverse. The
 * version is the area's own: it goes on from what the guest left there. */
static int write_versioned(const struct gmem *gmem, gpa_t area, const void *body, size_t len)
{
	uint8_t old[PVCLOCK_TIME_SIZE];
	uint32_t version;
	int err;

	/* All of it, so that what follows cannot stop half way. */
	err = gmem_read(gmem, area, old, sizeof(version) + len);
	if (err)
		return err;
	memcpy(&version, old, sizeof(version));
	version |= 1;
	err = write_version(gmem, area, version);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (!err)
		err = gmem_write(gmem, GPA(area.v + sizeof(version)), body, len);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (!err)
		err = write_version(gmem, area, version + 1);
	return err;
}

int pvclock_write_time(const struct gmem *gmem, gpa_t area, const struct tsc_rate *rate,
		       uint64_t tsc, uint64_t system_ns, bool is_stable)
{
	struct pvclock_vcpu_time_info info = {
		.tsc_timestamp = tsc,
		.system_time = system_ns,
		.flags = is_stable ? PVCLOCK_TSC_STABLE_BIT : 0,
	};
	uint32_t mul;
	int8_t shift;

	tsc_rate_to_pvclock(rate, &mul, &shift);
	info.tsc_to_system_mul = mul;
	info.tsc_shift = shift;
	return write_versioned(gmem, area, (const uint8_t *)&info + sizeof(info.version),
			       sizeof(info) - sizeof(info.version));
}

int pvclock_write_wall(const struct gmem *gmem, gpa_t area, uint64_t boot_wall_ns)
{
	struct pvclock_wall_clock wall = {
		.sec = (uint32_t)(boot_wall_ns / NSEC_PER_SEC),
		.nsec = (uint32_t)(boot_wall_ns % NSEC_PER_SEC),
	};

	return write_versioned(gmem, area, (const uint8_t *)&wall + sizeof(wall.version),
			       sizeof(wall) - sizeof(wall.version));
}
