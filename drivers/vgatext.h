/* The screen in VGA text mode, as a sink of the log. */
#ifndef DRIVERS_VGATEXT_H
#define DRIVERS_VGATEXT_H

#include "lib/log.h"
#include "lib/types.h"

/* Where colour text modes have their characters: a window that must be mapped. */
#define VGATEXT_BASE 0xb8000u
#define VGATEXT_SIZE 0x8000u

#define VGATEXT_COLUMNS_MAX 132u
#define VGATEXT_ROWS_MAX    60u

/* Clears the screen of columns x rows characters, at most the maxima, and returns its sink. Once.
 */
struct log_sink *vgatext_init(uint32_t columns, uint32_t rows);

#endif
