/* From the assembly entry to the stub, and out again. */
#include "guest-stubs/common/console.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/stub.h"
#include "guest-stubs/common/tap.h"
#include "guest-stubs/common/trap.h"

#define DEBUG_EXIT_PORT 0xf4

const char *stub_cmdline = "";
uint64_t stub_ram_size;

void __noreturn stub_start(const char *cmdline, uint64_t ram_size);

void stub_start(const char *cmdline, uint64_t ram_size)
{
	console_init();
	trap_init();
	if (cmdline)
		stub_cmdline = cmdline;
	stub_ram_size = ram_size;
	stub_main();
	done();
}

void stub_exit(uint32_t value)
{
	outl(DEBUG_EXIT_PORT, value);
	for (;;)
		__asm__ volatile("cli; hlt");
}
