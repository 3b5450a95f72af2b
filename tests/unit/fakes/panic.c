/* Panic for the unit tests, told to cmocka. */
#define _GNU_SOURCE /* gettid */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fakes/panic.h"

static char message[512];

const char *fake_panic_message(void)
{
	return message;
}

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	/* Both of cmocka's ways out are jumps into the stack of the thread that runs the test. */
	if (gettid() == getpid())
		mock_assert(0, message, "panic", 0);
	fprintf(stderr, "panic on a thread: %s\n", message);
	abort();
}

static bool is_active;

void fake_panic_set_active(bool active)
{
	is_active = active;
}

bool panic_is_active(void)
{
	return is_active;
}
