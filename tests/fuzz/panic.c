/* Panic for the fuzz targets: whatever brings the hypervisor to it is a finding. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/panic.h"

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "panic: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
	va_end(args);
	abort();
}

bool panic_is_active(void)
{
	return false;
}
