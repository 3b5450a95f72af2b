/* What carousel.efi says, on the firmware's console and on serial, and the keys that it takes. */
#ifndef BOOT_EFI_CONSOLE_H
#define BOOT_EFI_CONSOLE_H

#include <efi/efi.h>

#include "lib/types.h"

void console_init(EFI_SYSTEM_TABLE *st);

/* Plain text; at most 512 bytes. A '\n' goes to the next line, a '\r' to the beginning of this one.
 */
void console_print(const char *fmt, ...) __printf_like(1, 2);

enum { CONSOLE_NO_KEY = 0x10000 };

/* Waits for a key, at most `ms` milliseconds (UINT32_MAX: without end). The character, or a scan
 * code (SCAN_UP ...) with CONSOLE_SCAN added, or CONSOLE_NO_KEY. */
#define CONSOLE_SCAN 0x20000u
uint32_t console_key(uint32_t ms);

#endif
