/* Panic in the unit tests: inside expect_assert_failure() it is what is expected, elsewhere on the
 * test's own thread it fails the test with the message, on any other thread it aborts the process.
 */
#ifndef FAKES_PANIC_H
#define FAKES_PANIC_H

#include "cpu/panic.h"

/* The message of the last panic, or "". */
const char *fake_panic_message(void);

/* What panic_is_active() says from now on; at first it is false. */
void fake_panic_set_active(bool active);

#endif
