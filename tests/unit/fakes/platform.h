/* A platform for the device models' unit tests: time stands still until the test moves it, and
 * whatever a model tells the outside is recorded. */
#ifndef FAKES_PLATFORM_H
#define FAKES_PLATFORM_H

#include "devices/platform.h"

#define FAKE_CONSOLE_MAX 4096
#define FAKE_SIGNALS_MAX 256
#define FAKE_RAM_SIZE    (1u << 20)

struct fake_signal {
	uint32_t vcpu;
	enum vcpu_signal what;
	uint8_t value;
};

struct fake_platform {
	struct platform platform; /* what the model under test is given */
	uint64_t now;             /* VM TSC ticks */
	uint64_t look_ticks;      /* so many go by with each look at the time, as work takes them */
	struct deadline_heap timers;
	struct platform_call *calls;
	char console[FAKE_CONSOLE_MAX];
	size_t console_len;
	bool is_console_slow; /* what the console answers: it is taken, but no more shall come */
	struct fake_signal signal[FAKE_SIGNALS_MAX];
	uint32_t signal_count;
	bool has_ended;
	enum vm_end end_how;
	uint32_t end_value;
	uint32_t notes;
	bool is_ram_endless; /* writes beyond `ram` vanish instead of failing */
	uint8_t random;      /* the last random byte */
	bool (*console_room)(struct fake_platform *fake); /* NULL: nothing waits for room */
	uint8_t ram[FAKE_RAM_SIZE] __aligned(16);
};

/* A fresh one with the TSC at `hz`. */
void fake_platform_init(struct fake_platform *fake, uint64_t hz);

/* Moves time to `when`, expiring timers in order, each at its own time. */
void fake_platform_run_until(struct fake_platform *fake, uint64_t when);

/* Runs what has been posted. */
void fake_platform_run_calls(struct fake_platform *fake);

/* How many signals of this kind the vCPU has got. */
uint32_t fake_platform_signals(const struct fake_platform *fake, uint32_t vcpu,
			       enum vcpu_signal what);

#endif
