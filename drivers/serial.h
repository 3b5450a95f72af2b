/* The serial console: a host's serial port as a sink of the log. A line that finds the transmit
 * ring full waits; before interrupts are routed, and in a panic, bytes are written at once. */
#ifndef DRIVERS_SERIAL_H
#define DRIVERS_SERIAL_H

#include "drivers/uart16550.h"
#include "lib/log.h"

/* The console's port: to be opened, given its interrupt and its consumer, and flushed. */
extern struct host_uart serial_console;

/* The sink for log_add_sink; after the port has been opened. */
struct log_sink *serial_sink(void);

/* How the log's lines and a guest's stream share the line. Neither can pass for the other. */
enum serial_mode {
	SERIAL_LINES, /* lines; a stream's bytes as they are */
	/* For a program at the other end: in front of each line stands STX; of a stream, the bytes
	 * STX and DLE become DLE and themselves XOR 0x40. */
	SERIAL_MARKED,
	/* For a plain terminal: the stream as it is, and lines are withheld and counted. */
	SERIAL_STREAM,
};
#define SERIAL_STX 0x02
#define SERIAL_DLE 0x10

/* Gives how many lines were withheld since the last call. Interrupts any. */
uint32_t serial_set_mode(enum serial_mode mode);

/* A text that stays below all lines while it is not empty, without a newline, the cursor where it
 * leaves it: each line takes its place (CR, CSI K) and is followed by it. With SERIAL_LINES only.
 * Interrupts any. */
#define SERIAL_PROMPT_MAX 128u
void serial_set_prompt(const char *text, size_t len);

#endif
