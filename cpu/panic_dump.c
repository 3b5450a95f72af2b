/* Registers, code and stack of a panic's report. */
#include "cpu/panic_dump.h"

#include "cpu/backtrace.h"
#include "cpu/init.h"
#include "cpu/insn.h"
#include "cpu/msr.h"
#include "cpu/trap.h"
#include "lib/log.h"
#include "lib/printf.h"

#define CODE_BEFORE  16u
#define CODE_BYTES   32u
#define STACK_WORDS  16u
#define WORDS_A_LINE 4u

static void dump_registers(const struct trap_frame *f)
{
	const struct {
		const char *name;
		uint64_t value;
	} reg[] = {
		{"rip", f->rip}, {"rsp", f->rsp}, {"rflags", f->rflags}, {"rax", f->rax},
		{"rbx", f->rbx}, {"rcx", f->rcx}, {"rdx", f->rdx},       {"rsi", f->rsi},
		{"rdi", f->rdi}, {"rbp", f->rbp}, {"r8", f->r8},         {"r9", f->r9},
		{"r10", f->r10}, {"r11", f->r11}, {"r12", f->r12},       {"r13", f->r13},
		{"r14", f->r14}, {"r15", f->r15},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(reg); i += 3)
		log_error("%-6s %016llx  %-6s %016llx  %-6s %016llx", reg[i].name,
			  (unsigned long long)reg[i].value, reg[i + 1].name,
			  (unsigned long long)reg[i + 1].value, reg[i + 2].name,
			  (unsigned long long)reg[i + 2].value);
	log_error("cs %04llx  ss %04llx", (unsigned long long)f->cs, (unsigned long long)f->ss);
}

/* The bytes around RIP, of which the one at RIP is marked. */
static void dump_code(uint64_t rip)
{
	char line[4 * CODE_BYTES + 8] = "";
	size_t len = 0;

	for (uint64_t at = rip - CODE_BEFORE; at != rip - CODE_BEFORE + CODE_BYTES; at++)
		if (backtrace_is_text(at))
			len += (size_t)fmt_snprintf(line + len, sizeof(line) - len,
						    at == rip ? " <%02x>" : " %02x",
						    *(const uint8_t *)(uintptr_t)at);
	log_error("code:%s", backtrace_is_text(rip) ? line : " rip is outside the text");
}

/* Only a stack of this pCPU is known to be mapped; its guard page is not. */
static void dump_stack(uint64_t rsp)
{
	uint64_t bottom, top, at = ALIGN_UP(rsp, 8);

	if (!percpu_find_stack(rsp, &bottom, &top) || rsp < bottom)
		return; /* the backtrace says so */
	for (unsigned n = 0; n < STACK_WORDS && at < top; n += WORDS_A_LINE) {
		char line[WORDS_A_LINE * 17 + 1] = "";
		size_t len = 0;

		for (unsigned i = 0; i < WORDS_A_LINE && at < top; i++, at += 8)
			len += (size_t)fmt_snprintf(
				line + len, sizeof(line) - len, " %016llx",
				(unsigned long long)*(const uint64_t *)(uintptr_t)at);
		log_error("stack +%02x:%s", n * 8, line);
	}
}

void panic_dump(const struct trap_frame *frame)
{
	if (frame) {
		dump_registers(frame);
		dump_code(frame->rip);
		dump_stack(frame->rsp);
	}
	log_error("cr0 %llx  cr2 %llx  cr3 %llx  cr4 %llx  efer %llx",
		  (unsigned long long)read_cr0(), (unsigned long long)read_cr2(),
		  (unsigned long long)read_cr3(), (unsigned long long)read_cr4(),
		  (unsigned long long)rdmsr(MSR_IA32_EFER));
}
