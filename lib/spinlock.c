/* The one variable that all spinlocks share: the debug build's rank checker, when there is one. */
#include "lib/spinlock.h"

const struct spinlock_debug *spinlock_debug;
