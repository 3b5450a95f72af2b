/* Proves that a triple fault ends this VM alone, and as a failure: an exception without an IDT. */
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"

void stub_main(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} empty = {0, 0};

	plan(1);
	ok(true, "about to cause a triple fault on purpose");
	__asm__ volatile("lidt %0; ud2" : : "m"(empty) : "memory");
	bail("UD2 without an IDT came back");
}
