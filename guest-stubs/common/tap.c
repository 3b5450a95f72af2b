/* Reporting in TAP. */
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/console.h"

static unsigned planned, results, failures;

void plan(unsigned count)
{
	planned = count;
	print("1..%u\n", count);
}

static void result(bool is_true, const char *name, va_list args)
{
	results++;
	failures += !is_true;
	print("%sok %u - ", is_true ? "" : "not ", results);
	vprint(name, args);
	print("\n");
}

bool ok(bool is_true, const char *name, ...)
{
	va_list args;

	va_start(args, name);
	result(is_true, name, args);
	va_end(args);
	return is_true;
}

bool is(uint64_t got, uint64_t want, const char *name, ...)
{
	va_list args;

	va_start(args, name);
	result(got == want, name, args);
	va_end(args);
	if (got != want)
		diag("  got 0x%lx, want 0x%lx", got, want);
	return got == want;
}

void skip(const char *name, const char *why)
{
	results++;
	print("ok %u - %s # SKIP %s\n", results, name, why);
}

void diag(const char *fmt, ...)
{
	va_list args;

	print("# ");
	va_start(args, fmt);
	vprint(fmt, args);
	va_end(args);
	print("\n");
}

unsigned tap_failures(void)
{
	return failures;
}

void bail(const char *fmt, ...)
{
	va_list args;

	print("Bail out! ");
	va_start(args, fmt);
	vprint(fmt, args);
	va_end(args);
	print("\n");
	stub_exit(1);
}

void done(void)
{
	if (!planned)
		print("1..%u\n", results);
	else if (planned != results)
		diag("planned %u results, reported %u", planned, results);
	if (!results || failures || (planned && planned != results))
		stub_exit(1);
	stub_exit(0);
}
