/* The platform of the device models' unit tests. */
#include <stdlib.h>

#include "fakes/platform.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"

static uint64_t fake_now(void *ctx)
{
	struct fake_platform *fake = ctx;

	fake->now += fake->look_ticks;
	return fake->now;
}

static void fake_timer_arm(void *ctx, struct platform_timer *timer, uint64_t when)
{
	struct fake_platform *fake = ctx;

	timer->is_armed = true;
	timer->when = when;
	deadline_arm(&fake->timers, &timer->deadline, when);
}

static void fake_timer_cancel(void *ctx, struct platform_timer *timer)
{
	struct fake_platform *fake = ctx;

	timer->is_armed = false;
	deadline_cancel(&fake->timers, &timer->deadline);
}

/* The fake's own VM, or that of a sender: one thread. */
static void fake_post(void *ctx, struct platform_call *call)
{
	struct fake_platform *fake = ctx;

	if (call->is_posted)
		return;
	call->is_posted = true;
	call->next = fake->calls;
	fake->calls = call;
}

static void fake_signal(void *ctx, uint32_t vcpu, enum vcpu_signal what, uint8_t value)
{
	struct fake_platform *fake = ctx;

	if (fake->signal_count < FAKE_SIGNALS_MAX)
		fake->signal[fake->signal_count++] = (struct fake_signal){vcpu, what, value};
}

static void fake_signal_self(void *ctx, uint32_t vcpu)
{
	fake_signal(ctx, vcpu, VCPU_SIGNAL_EVENT, 0);
}

static int fake_gmem_read(void *ctx, gpa_t from, void *to, size_t len)
{
	struct fake_platform *fake = ctx;

	if (!range_is_inside(from.v, len, 0, FAKE_RAM_SIZE))
		return -EFAULT;
	memcpy(to, fake->ram + from.v, len);
	return 0;
}

static int fake_gmem_write(void *ctx, gpa_t to, const void *from, size_t len)
{
	struct fake_platform *fake = ctx;

	if (!range_is_inside(to.v, len, 0, FAKE_RAM_SIZE))
		return fake->is_ram_endless ? 0 : -EFAULT;
	memcpy(fake->ram + to.v, from, len);
	return 0;
}

static void *fake_gmem_ptr(void *ctx, gpa_t at, size_t len)
{
	struct fake_platform *fake = ctx;

	return range_is_inside(at.v, len, 0, FAKE_RAM_SIZE) ? fake->ram + at.v : NULL;
}

/* 1, 2, 3, ... */
static void fake_random(void *ctx, void *to, size_t len)
{
	struct fake_platform *fake = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = ++fake->random;
}

static bool fake_console(void *ctx, uint8_t byte)
{
	struct fake_platform *fake = ctx;

	if (fake->console_len < FAKE_CONSOLE_MAX)
		fake->console[fake->console_len++] = (char)byte;
	return !fake->is_console_slow;
}

static bool fake_console_room(void *ctx)
{
	struct fake_platform *fake = ctx;

	return fake->console_room && fake->console_room(fake);
}

static void fake_end(void *ctx, enum vm_end how, uint32_t value)
{
	struct fake_platform *fake = ctx;

	fake->has_ended = true;
	fake->end_how = how;
	fake->end_value = value;
}

static uint64_t fake_wall_ns(void *ctx, uint64_t now)
{
	struct fake_platform *fake = ctx;

	/* 2000-01-01 00:00:00 UTC at VM TSC time 0. */
	return 946684800ull * NSEC_PER_SEC + tsc_to_ns(&fake->platform.tsc, now);
}

static void fake_note(void *ctx, const char *fmt, ...)
{
	(void)fmt;
	((struct fake_platform *)ctx)->notes++;
}

static const struct platform_ops fake_ops = {
	.now = fake_now,
	.timer_arm = fake_timer_arm,
	.timer_cancel = fake_timer_cancel,
	.post = fake_post,
	.signal = fake_signal,
	.signal_self = fake_signal_self,
	.gmem_read = fake_gmem_read,
	.gmem_write = fake_gmem_write,
	.gmem_ptr = fake_gmem_ptr,
	.random = fake_random,
	.console = fake_console,
	.console_room = fake_console_room,
	.end = fake_end,
	.wall_ns = fake_wall_ns,
	.note = fake_note,
};

void fake_platform_init(struct fake_platform *fake, uint64_t hz)
{
	memset(fake, 0, sizeof(*fake));
	fake->platform = (struct platform){.ops = &fake_ops, .ctx = fake, .tsc = {.hz = hz}};
}

void fake_platform_run_until(struct fake_platform *fake, uint64_t when)
{
	while (deadline_next(&fake->timers) <= when) {
		struct deadline *d = deadline_pop_expired(&fake->timers, when);
		struct platform_timer *timer = container_of(d, struct platform_timer, deadline);

		fake->now = MAX(fake->now, timer->when);
		timer->is_armed = false;
		timer->expire(timer->owner, fake->now);
	}
	fake->now = MAX(fake->now, when);
}

void fake_platform_run_calls(struct fake_platform *fake)
{
	while (fake->calls) {
		struct platform_call *call = fake->calls;

		fake->calls = call->next;
		call->is_posted = false;
		call->run(call->owner);
	}
}

uint32_t fake_platform_signals(const struct fake_platform *fake, uint32_t vcpu,
			       enum vcpu_signal what)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < fake->signal_count; i++)
		n += fake->signal[i].vcpu == vcpu && fake->signal[i].what == what;
	return n;
}
