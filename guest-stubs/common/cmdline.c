/* Words of the stub's command line. */
#include "guest-stubs/common/cmdline.h"
#include "guest-stubs/common/string.h"
#include "guest-stubs/common/tap.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_word_end(char c)
{
	return c == '\0' || is_blank(c);
}

/* What stands behind the last `name=` or `name`; NULL when there is none. */
static const char *find(const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (const char *p = stub_cmdline; *p; p++) {
		if (p != stub_cmdline && !is_blank(p[-1]))
			continue;
		if (strlen(p) < len || memcmp(p, name, len))
			continue;
		if (p[len] == '=')
			found = p + len + 1;
		else if (is_word_end(p[len]))
			found = p + len;
	}
	return found;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

uint64_t cmdline_u64(const char *name, uint64_t otherwise)
{
	const char *p = find(name);
	unsigned base = 10;
	uint64_t v = 0;

	if (!p)
		return otherwise;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	if (is_word_end(*p))
		bail("command line: '%s=' wants a number", name);
	for (; !is_word_end(*p); p++) {
		unsigned digit = (unsigned)digit_value(*p);

		if (digit >= base)
			bail("command line: '%s=' wants a number", name);
		v = v * base + digit;
	}
	return v;
}

bool cmdline_is(const char *name, const char *value)
{
	const char *p = find(name);
	size_t len = strlen(value);

	return p && strlen(p) >= len && !memcmp(p, value, len) && is_word_end(p[len]);
}
