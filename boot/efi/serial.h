/* COM1, where the firmware's console is not on a serial port: output only, without interrupts. */
#ifndef BOOT_EFI_SERIAL_H
#define BOOT_EFI_SERIAL_H

#include "lib/types.h"

/* 115200 8N1. False when no 16550 answers. */
bool serial_init(void);

void serial_put(uint8_t byte);

#endif
