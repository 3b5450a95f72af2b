/* The backtrace: by frame pointers in debug builds; otherwise every word on the stack that could be
 * a return address, which is one that points into the text right behind a call. */
#include "cpu/backtrace.h"
#include "cpu/init.h"
#include "cpu/symbols.h"
#include "cpu/trap.h"
#include "lib/log.h"

#define ENTRIES_MAX 16

extern const uint8_t text_start[], text_end[]; /* linker.ld */

bool backtrace_is_text(uint64_t address)
{
	return address >= (uint64_t)(uintptr_t)text_start &&
	       address < (uint64_t)(uintptr_t)text_end;
}

/* `inside`: an address in the function. A return address may be the first byte of the next one. */
static void print_entry(const char *how, uint64_t address, uint64_t inside)
{
	const struct symbol *symbol =
		backtrace_is_text(inside) ? symbol_find(&symbol_table, inside) : NULL;

	if (symbol)
		log_error("  %s %#llx %s+%#llx", how, (unsigned long long)address, symbol->name,
			  (unsigned long long)(address - symbol->address));
	else
		log_error("  %s %#llx", how, (unsigned long long)address);
}

void backtrace_print_place(const char *how, uint64_t address)
{
	print_entry(how, address, address);
}

static void print_return(uint64_t address)
{
	print_entry("from", address, address - 1);
}

#ifdef CONFIG_DEBUG

static void walk(uint64_t rsp, uint64_t rbp, uint64_t top)
{
	uint64_t low = rsp;

	for (unsigned n = 0; n < ENTRIES_MAX; n++) {
		const uint64_t *link = (const uint64_t *)(uintptr_t)rbp;

		/* Each frame lies above the one it called. */
		if (rbp < low || rbp > top - 16 || rbp % 8 || !backtrace_is_text(link[1]))
			return;
		print_return(link[1]);
		low = rbp + 16;
		rbp = link[0];
	}
}

#else

/* CALL rel32 is E8 and four bytes; CALL r/m is FF /2 in two to seven. */
static bool is_behind_call(uint64_t address)
{
	const uint8_t *p = (const uint8_t *)(uintptr_t)address;

	if (!backtrace_is_text(address - 7) || !backtrace_is_text(address))
		return false;
	if (p[-5] == 0xe8)
		return true;
	for (int len = 2; len <= 7; len++)
		if (p[-len] == 0xff && (p[1 - len] >> 3 & 7) == 2)
			return true;
	return false;
}

static void walk(uint64_t rsp, uint64_t rbp __unused, uint64_t top)
{
	const uint64_t *word = (const uint64_t *)(uintptr_t)ALIGN_UP(rsp, 8);
	unsigned n = 0;

	for (; (uint64_t)(uintptr_t)word < top && n < ENTRIES_MAX; word++) {
		if (is_behind_call(*word)) {
			print_return(*word);
			n++;
		}
	}
}

#endif

void backtrace_print(const struct trap_frame *frame)
{
	uint64_t rsp = frame ? frame->rsp : (uint64_t)(uintptr_t)__builtin_frame_address(0);
	uint64_t rbp = frame ? frame->rbp : rsp;
	uint64_t bottom, top;

	if (frame)
		print_entry("at", frame->rip, frame->rip);
	if (!percpu_find_stack(rsp, &bottom, &top)) {
		log_error("  rsp %#llx is on no stack of this pCPU", (unsigned long long)rsp);
		return;
	}
	if (rsp < bottom)
		log_error("  the stack has overflowed");
	walk(MAX(rsp, bottom), rbp, top);
}
