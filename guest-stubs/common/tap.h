/* Reporting in TAP, the Test Anything Protocol: a plan `1..N`, `ok` and `not ok` lines, `# `
 * comments. */
#ifndef GUEST_STUBS_COMMON_TAP_H
#define GUEST_STUBS_COMMON_TAP_H

#include "guest-stubs/common/stub.h"

/* Announces how many results there will be. A stub that cannot know leaves it out: done() then
 * prints the plan behind the results. */
void plan(unsigned count);

/* One result; gives `is_true` back. The name is a printf format. */
bool ok(bool is_true, const char *name, ...) __printf_like(2, 3);

/* One result: is `got` what it has to be? Prints both when it is not. */
bool is(uint64_t got, uint64_t want, const char *name, ...) __printf_like(3, 4);

/* One result that does not apply here, and why. */
void skip(const char *name, const char *why);

/* A comment line. */
void diag(const char *fmt, ...) __printf_like(1, 2);

/* How many results failed up to now. */
unsigned tap_failures(void);

/* Gives up: nothing sensible can follow. */
void __noreturn bail(const char *fmt, ...) __printf_like(1, 2);

/* Ends the VM: well if there were results, none failed and their number is the planned one. */
void __noreturn done(void);

#endif
