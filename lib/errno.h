/* Error numbers: the kernel's own user-space values, so that the host's libc agrees with them. */
#ifndef LIB_ERRNO_H
#define LIB_ERRNO_H

#include <asm/errno.h>

#endif
