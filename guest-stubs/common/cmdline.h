/* Words of the stub's command line, `name` or `name=value`, separated by blanks. */
#ifndef GUEST_STUBS_COMMON_CMDLINE_H
#define GUEST_STUBS_COMMON_CMDLINE_H

#include "guest-stubs/common/stub.h"

/* The value of `name=`, decimal or 0x hexadecimal, or `otherwise` when there is no such word. A
 * value that is no number ends the stub. The last one counts. */
uint64_t cmdline_u64(const char *name, uint64_t otherwise);

/* Is there the word `name`, or `name=value` with exactly this value? */
bool cmdline_is(const char *name, const char *value);

#endif
