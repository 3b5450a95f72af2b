/* The port of `dump=`. */
#ifndef BOOT_DUMP_H
#define BOOT_DUMP_H

#include "loader/config.h"

/* Opens it, and says so when it does not answer. Boot CPU, after ports_open. */
void dump_open(const struct hv_options *options);

#endif
