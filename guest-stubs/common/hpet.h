/* The high precision event timers. */
#ifndef GUEST_STUBS_COMMON_HPET_H
#define GUEST_STUBS_COMMON_HPET_H

#include "guest-stubs/common/stub.h"

#define HPET_BASE          0xfed00000ull
#define HPET_ID            0x000
#define HPET_CONFIG        0x010
#define HPET_STATUS        0x020
#define HPET_COUNTER       0x0f0
#define HPET_TIMER(n)      (0x100 + 0x20 * (n))
#define HPET_COMPARATOR(n) (0x108 + 0x20 * (n))

#define HPET_CONFIG_ENABLE  BIT(0)
#define HPET_CONFIG_LEGACY  BIT(1)
#define HPET_TIMER_LEVEL    BIT(1)
#define HPET_TIMER_ENABLE   BIT(2)
#define HPET_TIMER_PERIODIC BIT(3)
#define HPET_TIMER_SET      BIT(6)
#define HPET_TIMER_ROUTE(p) ((uint32_t)(p) << 9)

static inline uint64_t hpet_read(unsigned reg)
{
	return *(volatile uint64_t *)(HPET_BASE + reg);
}

static inline void hpet_write(unsigned reg, uint64_t value)
{
	*(volatile uint64_t *)(HPET_BASE + reg) = value;
}

#endif
