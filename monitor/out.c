/* Formatting for the monitor's answers. */
#include "monitor/out.h"

#include "lib/printf.h"

void out_vprintf(struct out *out, const char *fmt, va_list args)
{
	char line[OUT_LINE_MAX];
	size_t len = (size_t)fmt_vsnprintf(line, sizeof(line), fmt, args);

	if (len >= sizeof(line)) {
		len = sizeof(line) - 1;
		line[len - 1] = '\n';
	}
	out->write(out, line, len);
}

void out_printf(struct out *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	out_vprintf(out, fmt, args);
	va_end(args);
}
