/* The MC146818 real-time clock with 128 bytes of CMOS memory ('MC146818 Real-Time Clock plus RAM'
 * data sheet). The time is the platform's wall clock plus an offset that the guest makes when it
 * sets it. Flags are computed when somebody looks; a timer runs only for an enabled interrupt, and
 * none while the guest has not read register C. */
#ifndef DEVICES_RTC_H
#define DEVICES_RTC_H

#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/platform.h"
#include "devices/tick.h"

#define RTC_CMOS_SIZE 128

struct rtc {
	struct platform *platform; /* (i) */
	struct irq_line irq;       /* (i) IRQ 8 */
	bool irq_level;
	struct tick_debt debt; /* periodic interrupts that the guest has not had */
	struct platform_timer timer;

	uint8_t index;               /* port 0x70, bits 6-0 */
	bool is_nmi_masked;          /* port 0x70, bit 7: the platform gates its NMI button by it */
	uint8_t cmos[RTC_CMOS_SIZE]; /* time bytes: valid only while the clock is stopped */

	/* second = floor((wall_ns + phase) / 10^9) + shift */
	uint32_t phase;
	int64_t shift;
	uint8_t weekday_shift; /* the guest's idea of the weekday, minus the calendar's */

	int64_t seen_second; /* up to where UF and AF were computed */
	uint64_t seen_tick;  /* and PF: 32768 Hz ticks since VM TSC 0 */
};

/* Running, 24 hours, BCD, in the platform's UTC; memory-size bytes zero. */
void rtc_init(struct rtc *rtc, struct platform *platform, struct irq_line irq);

/* The RESET pin: no interrupt is enabled or flagged; the time, its alarm and the memory stay. */
void rtc_reset(struct rtc *rtc);

/* The memory-size bytes, as firmware writes them, for RAM in [0, low_end) and, unless high_end is
 * 0, [4 GiB, high_end). */
void rtc_set_memory(struct rtc *rtc, uint64_t low_end, uint64_t high_end);

/* Ports 0x70 and 0x71. As bus_add. */
int __must_check rtc_attach(struct rtc *rtc, struct bus *ports);

/* An owed periodic interrupt, if there is one, comes now. */
void rtc_hurry(struct rtc *rtc);

uint8_t rtc_read(struct rtc *rtc, uint16_t port);
void rtc_write(struct rtc *rtc, uint16_t port, uint8_t value);

#endif
