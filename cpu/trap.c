/* The host's exceptions, interrupts and NMIs. An exception is a defect of the host unless the fixup
 * table foresees it. */
#include <asm/processor-flags.h>

#include "cpu/apic.h"
#include "cpu/desc.h"
#include "cpu/insn.h"
#include "cpu/mce.h"
#include "cpu/nmi.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "cpu/trap.h"

#define VECTORS         256
#define FIRST_IRQ       32
#define VECTOR_NMI      2
#define VECTOR_DF       8
#define VECTOR_PF       14
#define VECTOR_MC       18
#define TRAP_ENTRY_SIZE 16

/* '64-Bit IDT Gate Descriptors' */
struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
};
#define GATE_INTERRUPT 0x8e /* present, ring 0: interrupts are off in the handler */

extern const uint8_t trap_entries[];                       /* trap.S */
extern const struct trap_fixup fixup_start[], fixup_end[]; /* linker.ld */
void trap_dispatch(struct trap_frame *frame);              /* called by trap.S */

static struct gate idt[VECTORS] __aligned(16);
static void (*irq_handlers[VECTORS])(void);

static const char *const exception_names[FIRST_IRQ] = {
	[0] = "#DE divide error",
	[1] = "#DB debug exception",
	[2] = "NMI",
	[3] = "#BP breakpoint",
	[4] = "#OF overflow",
	[5] = "#BR bound range exceeded",
	[6] = "#UD invalid opcode",
	[7] = "#NM device not available",
	[8] = "#DF double fault",
	[10] = "#TS invalid TSS",
	[11] = "#NP segment not present",
	[12] = "#SS stack fault",
	[13] = "#GP general protection",
	[14] = "#PF page fault",
	[16] = "#MF floating-point error",
	[17] = "#AC alignment check",
	[18] = "#MC machine check",
	[19] = "#XM SIMD floating-point exception",
	[20] = "#VE virtualization exception",
	[21] = "#CP control protection",
};

const char *trap_exception_name(uint8_t vector)
{
	return vector < FIRST_IRQ ? exception_names[vector] : NULL;
}

static void fill_idt(void)
{
	for (unsigned v = 0; v < VECTORS; v++) {
		uint64_t entry = (uint64_t)(uintptr_t)(trap_entries + (size_t)v * TRAP_ENTRY_SIZE);

		idt[v] = (struct gate){
			.offset_low = (uint16_t)entry,
			.offset_mid = (uint16_t)(entry >> 16),
			.offset_high = (uint32_t)(entry >> 32),
			.selector = SEL_CODE,
			.type = GATE_INTERRUPT,
		};
	}
	idt[VECTOR_NMI].ist = IST_NMI;
	idt[VECTOR_DF].ist = IST_DOUBLE_FAULT;
	idt[VECTOR_MC].ist = IST_MACHINE_CHECK;
}

void trap_init(void)
{
	struct descriptor_pointer p = {sizeof(idt) - 1, (uint64_t)(uintptr_t)idt};

	if (this_cpu_id() == 0)
		fill_idt();
	lidt(&p);
	mce_init();
	/* Without CR4.MCE a machine check is a shutdown that explains nothing. */
	write_cr4(read_cr4() | X86_CR4_MCE);
}

const void *trap_idt(void)
{
	return idt;
}

void trap_set_irq_handler(uint8_t vector, void (*handler)(void))
{
	ASSERT(vector >= FIRST_IRQ && !irq_handlers[vector]);
	__atomic_store_n(&irq_handlers[vector], handler, __ATOMIC_RELEASE);
}

void trap_handle_irq(uint8_t vector)
{
	void (*handler)(void) = __atomic_load_n(&irq_handlers[vector], __ATOMIC_ACQUIRE);

	this_cpu()->irq_count++;
	if (vector == VECTOR_TIMER)
		apic_timer_note_expired();
	if (handler)
		handler();
	/* 'Spurious Interrupt': its handler ends without an EOI. */
	if (vector != VECTOR_SPURIOUS)
		apic_eoi();
}

uint64_t trap_find_landing(uint64_t instruction)
{
	for (const struct trap_fixup *f = fixup_start; f < fixup_end; f++)
		if (f->instruction == instruction)
			return f->landing;
	return 0;
}

static bool is_fixed_up(struct trap_frame *frame)
{
	uint64_t landing = trap_find_landing(frame->rip);

	if (landing)
		frame->rip = landing;
	return landing;
}

static void handle_exception(struct trap_frame *frame)
{
	const char *name = trap_exception_name((uint8_t)frame->vector);

	if (frame->vector == VECTOR_MC)
		mce_record();
	else if (is_fixed_up(frame))
		return;
	if (frame->vector == VECTOR_PF)
		panic_with_frame(frame, "%s at %#llx, error code %#llx (%s, %s)", name,
				 (unsigned long long)read_cr2(),
				 (unsigned long long)frame->error_code,
				 frame->error_code & BIT(0) ? "protection" : "not mapped",
				 frame->error_code & BIT(4)   ? "fetch"
				 : frame->error_code & BIT(1) ? "write"
							      : "read");
	panic_with_frame(frame, "%s, error code %#llx", name ? name : "reserved exception",
			 (unsigned long long)frame->error_code);
}

void trap_dispatch(struct trap_frame *frame)
{
	if (frame->vector >= FIRST_IRQ)
		trap_handle_irq((uint8_t)frame->vector);
	else if (frame->vector == VECTOR_NMI)
		nmi_handle(frame);
	else
		handle_exception(frame);
}

void trap_reflect_nmi(void)
{
	nmi_reflect();
}

void trap_reflect_machine_check(void)
{
	int_machine_check();
}
