/* What every stub uses: types, its entry point and what it was started with.
 *
 * A stub is one file with a `stub_main`. It checks one behaviour, reports in TAP over the serial
 * port, and returns; the exit value at port 0xf4 then is 0 when every check passed and 1 otherwise.
 */
#ifndef GUEST_STUBS_COMMON_STUB_H
#define GUEST_STUBS_COMMON_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define __printf_like(f, a) __attribute__((format(printf, f, a)))
#define __noreturn          __attribute__((noreturn))
#define __aligned(n)        __attribute__((aligned(n)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (1u << (n))
#define BIT_ULL(n)    (1ull << (n))

/* The general registers at the stub's first instruction, but for RSP, RSI and RDI. */
struct entry_regs {
	uint64_t rax, rbx, rcx, rdx, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
};
extern const struct entry_regs entry_regs;

/* The command line, never NULL, and the bytes of RAM, as the loader gave them. */
extern const char *stub_cmdline;
extern uint64_t stub_ram_size;

/* The first byte behind the stub's image. */
extern uint8_t image_end[];

/* The stub itself: called with interrupts off; returning ends the VM with the verdict. */
void stub_main(void);

/* Ends the VM through port 0xf4 with this value. */
void __noreturn stub_exit(uint32_t value);

#endif
