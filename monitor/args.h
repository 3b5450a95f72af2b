/* The words of a monitor command. Pure. */
#ifndef MONITOR_ARGS_H
#define MONITOR_ARGS_H

#include "guest/vm.h"

/* A word of a line, not terminated; no text: there was none. */
struct arg {
	const char *text;
	size_t len;
};
#define ARG(a) (int)(a).len, (a).text /* for "%.*s" */

/* The next word of *line, which moves behind it and the spaces after it. */
struct arg args_next(const char **line);

bool arg_is(struct arg arg, const char *text);

/* Decimal or 0x-hexadecimal, to the last character. */
bool arg_number(struct arg arg, uint64_t *value);

/* `NAME`, or `NAME.NUMBER` for one vCPU (*vcpu is NULL otherwise). A VM's whole name comes first,
 * since names may have dots. */
bool arg_vm(struct arg arg, struct vm **vm, struct vcpu **vcpu);

/* How memory is shown: `/COUNT FORMAT SIZE` without spaces, each part optional, as gdb and QEMU
 * have it: /16xw, /4xg, /32xb, /2s. */
#define LOOK_COUNT_MAX 4096u
struct look_format {
	uint32_t count; /* 1 .. LOOK_COUNT_MAX; default 1 */
	char format;    /* x (default), d, u, o, c, s */
	uint8_t size;   /* 1 b, 2 h, 4 w (default), 8 g; c and s: 1 */
};
bool arg_format(struct arg arg, struct look_format *format);

#endif
