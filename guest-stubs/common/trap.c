/* Exceptions and interrupts. */
#include "guest-stubs/common/trap.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/tap.h"

#define VECTOR_ENTRY_SIZE 16
#define CODE_SELECTOR     0x08
#define GATE_INTERRUPT    0x8e00u /* present, DPL 0, 64-bit interrupt gate, no IST */

struct idt_gate {
	uint16_t offset_low, selector, flags, offset_mid;
	uint32_t offset_high, reserved;
};

struct fixup {
	uint64_t insn, resume;
};

extern const uint8_t vector_entries[];
extern const struct fixup fixups_start[], fixups_end[];

static struct idt_gate idt[256] __aligned(16);
static trap_handler_fn *handlers[256];
volatile struct fault last_fault;

void trap_dispatch(struct trap_frame *frame);

static void set_gate(unsigned vector, uint64_t entry)
{
	idt[vector] = (struct idt_gate){
		.offset_low = (uint16_t)entry,
		.selector = CODE_SELECTOR,
		.flags = GATE_INTERRUPT,
		.offset_mid = (uint16_t)(entry >> 16),
		.offset_high = (uint32_t)(entry >> 32),
	};
}

void trap_load(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} pointer = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
}

void trap_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(idt); i++)
		set_gate(i, (uint64_t)vector_entries + i * VECTOR_ENTRY_SIZE);
	trap_load();
}

void trap_set(uint8_t vector, trap_handler_fn *handler)
{
	handlers[vector] = handler;
	set_gate(vector, (uint64_t)vector_entries + vector * VECTOR_ENTRY_SIZE);
}

void trap_set_raw(uint8_t vector, void (*entry)(void))
{
	set_gate(vector, (uint64_t)entry);
}

static bool fix_up(struct trap_frame *frame)
{
	for (const struct fixup *f = fixups_start; f < fixups_end; f++) {
		if (frame->rip != f->insn)
			continue;
		last_fault.vector = (int)frame->vector;
		last_fault.error = frame->error;
		last_fault.cr2 = read_cr2();
		frame->rip = f->resume;
		return true;
	}
	return false;
}

void trap_dispatch(struct trap_frame *frame)
{
	if (handlers[frame->vector]) {
		handlers[frame->vector](frame);
		return;
	}
	if (frame->vector < 32 && fix_up(frame))
		return;
	bail("unexpected vector %lu, error 0x%lx, rip 0x%lx, rflags 0x%lx, rsp 0x%lx, cr2 0x%lx",
	     frame->vector, frame->error, frame->rip, frame->rflags, frame->rsp, read_cr2());
}
