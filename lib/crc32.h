/* The CRC-32 of IEEE 802.3, as zlib's crc32() has it. */
#ifndef LIB_CRC32_H
#define LIB_CRC32_H

#include "lib/types.h"

/* Goes on from `crc`, which is 0 for the first bytes. */
uint32_t crc32(uint32_t crc, const void *bytes, size_t len);

#endif
