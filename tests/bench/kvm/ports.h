/* The ports that KVM leaves to user space: COM1 and the debug exit. */
#ifndef TESTS_BENCH_KVM_PORTS_H
#define TESTS_BENCH_KVM_PORTS_H

#include <stdbool.h>
#include <stdint.h>

/* Each line of the guest's console is printed behind `name` and '| ', all of them by ports_flush:
 * a console that prints meanwhile would disturb the figures. */
void ports_init(const char *name);
void ports_flush(void);

/* True when the guest has ended; its value is in `*value`. */
bool ports_write(uint16_t port, uint32_t data, uint32_t *value);

/* All ones where nothing is. */
uint32_t ports_read(uint16_t port);

#endif
