/* What a person needs to see of a vCPU that ended badly. */
#include <asm/vmx.h>

#include "cpu/insn.h"
#include "cpu/trap.h"
#include "guest/exit_log.h"
#include "guest/linear.h"
#include "guest/output.h"
#include "guest/vcpu_arch.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "vmx/vmx.h"

/* More than this before the port, of whomever: the next part waits, or it would wait for the port
 * in the middle of a line. For a port that stands still so long it does not. */
#define PORT_BEHIND   GUEST_OUTPUT_QUOTAS
#define PORT_STUCK_NS 1000000000u

#define CODE_BEFORE 16u
#define CODE_BYTES  32u
#define STACK_WORDS 24u /* a multiple of 8 */

/* A machine of many VMs that all fail must still be readable. */
#define FULL_REPORTS_MAX 16u
#define LINE_REPORTS_MAX 256u

/* RIP, the stack's words, the last exits' RIPs. */
#define FULL_PLACES (1 + STACK_WORDS + VCPU_EXIT_LOG)

/* A report takes as long as its VM's file has symbols, and the console for its lines: the vCPU
 * gives it in its turns, piece by piece. First the names of all its addresses are looked for. */
struct report {
	struct symbol_search names;
	uint32_t part; /* the next */
	bool is_full;
	uint32_t sent;     /* how far the port was at the last look, */
	uint64_t moved_at; /* and since when it is there (TSC) */
};

/* " NAME+0xOFFSET" where the guest's file knows the address, else "". */
struct place {
	char text[GUEST_SYMBOL_MAX + 24];
};

static struct place place_of(const struct vmx_vcpu *v, uint64_t address)
{
	struct guest_symbol symbol;
	struct place place = {""};

	if (symbol_search_find(&v->report->names, address, &symbol))
		fmt_snprintf(place.text, sizeof(place.text), " %s+%#lx", symbol.name,
			     symbol.offset);
	return place;
}

/* --- the last exit, and what is pending --------------------------------------------------------
 */

static const char *event_type(uint32_t info)
{
	switch (info & INTR_INFO_TYPE) {
	case INTR_TYPE_EXTERNAL:
		return "interrupt";
	case INTR_TYPE_NMI:
		return "NMI";
	case INTR_TYPE_HARDWARE_EXCEPTION:
		return "exception";
	case INTR_TYPE_SOFTWARE_INTERRUPT:
		return "INT n";
	case INTR_TYPE_PRIVILEGED_SOFTWARE_EXCEPTION:
		return "INT1";
	case INTR_TYPE_SOFTWARE_EXCEPTION:
		return "INT3 or INTO";
	default:
		return "reserved type";
	}
}

static void report_event(const char *what, uint64_t info, uint64_t error)
{
	const char *name = trap_exception_name(info & INTR_INFO_VECTOR);

	if (!(info & INTR_INFO_VALID))
		return;
	if (info & INTR_INFO_ERROR_CODE)
		log_info("  %s: %s, vector %#lx (%s), error code %#lx", what,
			 event_type((uint32_t)info), info & INTR_INFO_VECTOR, name ? name : "-",
			 error);
	else
		log_info("  %s: %s, vector %#lx%s%s", what, event_type((uint32_t)info),
			 info & INTR_INFO_VECTOR, name ? " " : "", name ? name : "");
}

static void report_exit(struct vmx_vcpu *v)
{
	uint32_t reason = vcpu_last_exit(&v->vcpu)->reason;

	log_info("  exit: %s, qualification %#lx, instruction length %lu",
		 vcpu_arch_exit_name((uint16_t)reason), vmread(EXIT_QUALIFICATION),
		 vmread(EXIT_INSTRUCTION_LENGTH));
	if (reason == EXIT_REASON_EPT_VIOLATION || reason == EXIT_REASON_EPT_MISCONFIG)
		log_info("  guest-physical address %#lx, linear address %#lx",
			 vmread(GUEST_PHYSICAL_ADDRESS), vmread(GUEST_LINEAR_ADDRESS));
}

static const char *activity_name(const struct vmx_vcpu *v)
{
	static const char *const name[] = {
		[VCPU_ACTIVE] = "active",
		[VCPU_HALTED] = "halted",
		[VCPU_WAIT_FOR_STARTUP] = "waits for a SIPI",
	};

	return name[v->vcpu.activity];
}

static void report_pending(struct vmx_vcpu *v)
{
	uint64_t blocking = vmread(GUEST_INTERRUPTIBILITY_STATE);

	report_event("was being delivered", vmread(IDT_VECTORING_INFORMATION),
		     vmread(IDT_VECTORING_ERROR_CODE));
	report_event("is to be delivered", vmread(ENTRY_INTERRUPTION_INFORMATION),
		     vmread(ENTRY_EXCEPTION_ERROR_CODE));
	log_info("  %s; interruptibility %#lx%s%s%s; NMI %spending; requests %#x", activity_name(v),
		 blocking, blocking & BLOCKING_BY_STI ? " (after STI)" : "",
		 blocking & BLOCKING_BY_MOV_SS ? " (after MOV SS)" : "",
		 blocking & BLOCKING_BY_NMI ? " (in an NMI)" : "",
		 v->vcpu.is_nmi_pending ? "" : "not ",
		 __atomic_load_n(&v->vcpu.requests, __ATOMIC_RELAXED));
	log_info("  local APIC: highest requested %#x, highest in service %#x",
		 lapic_highest_irr(&v->vcpu.lapic), lapic_highest_isr(&v->vcpu.lapic));
}

/* --- registers ---------------------------------------------------------------------------------
 */

static void report_registers(struct vmx_vcpu *v)
{
	const uint64_t *r = v->vcpu.regs.gpr;
	uint64_t rip = vmread(GUEST_RIP);

	log_info("  RIP %016lx%s", rip, place_of(v, rip).text);
	log_info("  RSP %016lx RFLAGS %08lx CPL %u", vmread(GUEST_RSP), vmread(GUEST_RFLAGS),
		 vcpu_arch_cpl(&v->vcpu));
	log_info("  RAX %016lx RBX %016lx RCX %016lx RDX %016lx", r[GPR_RAX], r[GPR_RBX],
		 r[GPR_RCX], r[GPR_RDX]);
	log_info("  RSI %016lx RDI %016lx RBP %016lx R8  %016lx", r[GPR_RSI], r[GPR_RDI],
		 r[GPR_RBP], r[8]);
	log_info("  R9  %016lx R10 %016lx R11 %016lx R12 %016lx", r[9], r[10], r[11], r[12]);
	log_info("  R13 %016lx R14 %016lx R15 %016lx", r[13], r[14], r[15]);
	log_info("  CR0 %08lx CR2 %016lx CR3 %016lx CR4 %08lx EFER %04lx",
		 vcpu_arch_get(&v->vcpu, VCPU_CR0), vcpu_arch_get(&v->vcpu, VCPU_CR2),
		 vmread(GUEST_CR3), vcpu_arch_get(&v->vcpu, VCPU_CR4), vmread(GUEST_IA32_EFER));
}

static const struct {
	const char *name;
	uint16_t selector, base, limit, access;
} segments[] = {
	{"CS", GUEST_CS_SELECTOR, GUEST_CS_BASE, GUEST_CS_LIMIT, GUEST_CS_ACCESS_RIGHTS},
	{"SS", GUEST_SS_SELECTOR, GUEST_SS_BASE, GUEST_SS_LIMIT, GUEST_SS_ACCESS_RIGHTS},
	{"DS", GUEST_DS_SELECTOR, GUEST_DS_BASE, GUEST_DS_LIMIT, GUEST_DS_ACCESS_RIGHTS},
	{"ES", GUEST_ES_SELECTOR, GUEST_ES_BASE, GUEST_ES_LIMIT, GUEST_ES_ACCESS_RIGHTS},
	{"FS", GUEST_FS_SELECTOR, GUEST_FS_BASE, GUEST_FS_LIMIT, GUEST_FS_ACCESS_RIGHTS},
	{"GS", GUEST_GS_SELECTOR, GUEST_GS_BASE, GUEST_GS_LIMIT, GUEST_GS_ACCESS_RIGHTS},
	{"TR", GUEST_TR_SELECTOR, GUEST_TR_BASE, GUEST_TR_LIMIT, GUEST_TR_ACCESS_RIGHTS},
	{"LDTR", GUEST_LDTR_SELECTOR, GUEST_LDTR_BASE, GUEST_LDTR_LIMIT, GUEST_LDTR_ACCESS_RIGHTS},
};

static void report_segments(struct vmx_vcpu *v)
{
	(void)v;
	for (unsigned i = 0; i < ARRAY_SIZE(segments); i++)
		log_info("  %-4s %04lx base %016lx limit %08lx access %05lx", segments[i].name,
			 vmread(segments[i].selector), vmread(segments[i].base),
			 vmread(segments[i].limit), vmread(segments[i].access));
	log_info("  GDTR base %016lx limit %04lx  IDTR base %016lx limit %04lx",
		 vmread(GUEST_GDTR_BASE), vmread(GUEST_GDTR_LIMIT), vmread(GUEST_IDTR_BASE),
		 vmread(GUEST_IDTR_LIMIT));
}

/* --- memory ------------------------------------------------------------------------------------
 */

/* The bytes around RIP, of which the one at RIP is marked. */
static void report_code(struct vmx_vcpu *v)
{
	uint64_t at = vcpu_linear(&v->vcpu, SEG_CS, vmread(GUEST_RIP));
	uint8_t code[CODE_BYTES];
	char line[4 * CODE_BYTES + 8] = "";
	unsigned before = CODE_BEFORE;
	size_t n, len = 0;

	n = vcpu_read_linear(&v->vcpu, at - before, code, sizeof(code));
	if (n <= before) {
		before = 0; /* the page before it may not be there */
		n = vcpu_read_linear(&v->vcpu, at, code, sizeof(code));
	}
	for (unsigned i = 0; i < n; i++)
		len += (size_t)fmt_snprintf(line + len, sizeof(line) - len,
					    i == before ? " <%02x>" : " %02x", code[i]);
	log_info("  code:%s", n ? line : " not mapped");
}

static uint64_t stack_word(const uint8_t *bytes, unsigned width)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < width; i++)
		word |= (uint64_t)bytes[i] << (8 * i);
	return word;
}

/* The words on top of the stack, as the guest pushes them. */
struct stack {
	unsigned width, words;
	uint64_t word[STACK_WORDS];
};

static void read_stack(struct vmx_vcpu *v, struct stack *stack)
{
	unsigned width = vcpu_stack_width(&v->vcpu);
	uint64_t rsp = vmread(GUEST_RSP) & (width == 8 ? UINT64_MAX : BIT_ULL(8 * width) - 1);
	uint8_t bytes[STACK_WORDS * 8];
	size_t n = vcpu_read_linear(&v->vcpu, vcpu_linear(&v->vcpu, SEG_SS, rsp), bytes,
				    (size_t)STACK_WORDS * width);

	*stack = (struct stack){.width = width, .words = (unsigned)(n / width)};
	for (unsigned i = 0; i < stack->words; i++)
		stack->word[i] = stack_word(bytes + (size_t)i * width, width);
}

/* In as many lines as they are bytes wide. */
static void report_stack(struct vmx_vcpu *v)
{
	struct stack stack;
	unsigned a_line;

	read_stack(v, &stack);
	a_line = 32 / stack.width;
	if (!stack.words)
		log_info("  stack: not mapped");
	for (unsigned i = 0; i < stack.words; i += a_line) {
		char line[128] = "";
		size_t len = 0;

		for (unsigned k = i; k < MIN(stack.words, i + a_line); k++)
			len += (size_t)fmt_snprintf(line + len, sizeof(line) - len, " %0*lx",
						    (int)(2 * stack.width), stack.word[k]);
		log_info("  stack +%02x:%s", i * stack.width, line);
	}
}

/* Those that point into a function. */
static void report_stack_names(struct vmx_vcpu *v)
{
	struct stack stack;

	read_stack(v, &stack);
	for (unsigned i = 0; i < stack.words; i++) {
		struct place place = place_of(v, stack.word[i]);

		if (place.text[0])
			log_info("  stack +%02x: %#lx%s", i * stack.width, stack.word[i],
				 place.text);
	}
}

static void report_exits(struct vmx_vcpu *v)
{
	struct exit_run run[VCPU_EXIT_LOG];
	uint32_t count = exit_log_runs(&v->vcpu, EXIT_REASON_IO_INSTRUCTION, run);

	log_info("  the last exits, newest last:");
	for (uint32_t i = 0; i < count; i++) {
		const struct vcpu_exit_log *exit = &run[i].exit;
		char port[16] = "", times[24] = "";

		if (exit->reason == EXIT_REASON_IO_INSTRUCTION)
			fmt_snprintf(port, sizeof(port), " port %#x", exit->info);
		if (run[i].times > 1)
			fmt_snprintf(times, sizeof(times), ", %u times", run[i].times);
		log_info("    %s%s%s RIP %#lx%s", vcpu_arch_exit_name((uint16_t)exit->reason), port,
			 times, exit->rip, place_of(v, exit->rip).text);
	}
}

static void report_reason(struct vmx_vcpu *v)
{
	log_info("VM '%s' vCPU %u: %s", v->vcpu.vm->name, v->vcpu.index, v->vcpu.vm->reason);
}

/* Nothing has been logged of a vCPU that waits for its first SIPI. */
static const char *last_exit_name(struct vmx_vcpu *v)
{
	const struct vcpu_exit_log *last = vcpu_last_exit(&v->vcpu);

	return last->reason || last->rip ? vcpu_arch_exit_name((uint16_t)last->reason) : "none";
}

static void report_line(struct vmx_vcpu *v)
{
	uint64_t rip = vmread(GUEST_RIP);

	log_info("VM '%s' vCPU %u: RIP %016lx%s RSP %016lx, %s, last exit %s", v->vcpu.vm->name,
		 v->vcpu.index, rip, place_of(v, rip).text, vmread(GUEST_RSP), activity_name(v),
		 last_exit_name(v));
}

/* All that there is to know of the vCPU, in some sixty lines; or one. Nothing changes. */
static void (*const full_parts[])(struct vmx_vcpu *v) = {
	report_reason, report_exit,  report_pending,     report_registers, report_segments,
	report_code,   report_stack, report_stack_names, report_exits,
};
static void (*const line_parts[])(struct vmx_vcpu *v) = {report_line};

/* The next of `max` numbers; false when there are no more. */
static bool take_number(uint32_t *count, uint32_t max, uint32_t *number)
{
	*number = __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
	if (*number == max)
		log_info("there were %u reports of this kind: the others are left out", max);
	return *number < max;
}

static struct report *begin_full(struct vmx_vcpu *v, uint32_t number)
{
	static struct report reports[FULL_REPORTS_MAX];
	static struct symbol_place places[FULL_REPORTS_MAX][FULL_PLACES];
	uint64_t address[FULL_PLACES];
	uint32_t count = 0;
	struct stack stack;

	read_stack(v, &stack);
	address[count++] = vmread(GUEST_RIP);
	for (unsigned i = 0; i < stack.words; i++)
		address[count++] = stack.word[i];
	for (uint32_t age = 0; age < VCPU_EXIT_LOG; age++)
		address[count++] = vcpu_past_exit(&v->vcpu, age)->rip;
	reports[number].is_full = true;
	symbol_search_begin(&reports[number].names, &v->vcpu.vm->symbols, places[number], address,
			    count);
	return &reports[number];
}

static struct report *begin_line(struct vmx_vcpu *v, uint32_t number)
{
	static struct report reports[LINE_REPORTS_MAX];
	static struct symbol_place places[LINE_REPORTS_MAX];
	uint64_t rip = vmread(GUEST_RIP);

	symbol_search_begin(&reports[number].names, &v->vcpu.vm->symbols, &places[number], &rip, 1);
	return &reports[number];
}

/* NULL when there were too many. */
static struct report *begin(struct vmx_vcpu *v)
{
	static uint32_t full_reports, line_reports; /* (a) */
	uint32_t number;

	if (v->vcpu.vm->ended_by == v->vcpu.index &&
	    take_number(&full_reports, FULL_REPORTS_MAX, &number))
		return begin_full(v, number);
	return take_number(&line_reports, LINE_REPORTS_MAX, &number) ? begin_line(v, number) : NULL;
}

static bool is_port_behind(struct report *report)
{
	struct log_pace pace = log_pace();
	uint64_t now = rdtsc();

	if (!report->moved_at || pace.sent != report->sent)
		report->moved_at = now;
	report->sent = pace.sent;
	return pace.given - pace.sent > PORT_BEHIND &&
	       now - report->moved_at < ns_to_tsc(&vm_machine.tsc, PORT_STUCK_NS);
}

bool vmx_report_end(struct vmx_vcpu *v)
{
	const struct vm *vm = v->vcpu.vm;
	uint64_t began = rdtsc();
	struct report *report;
	uint32_t parts;

	if (!__atomic_load_n(&vm->has_ended, __ATOMIC_ACQUIRE) || vm->is_ok || vm->is_quit)
		return true;
	if (!v->report)
		v->report = begin(v);
	report = v->report;
	if (!report)
		return true;
	parts = report->is_full ? ARRAY_SIZE(full_parts) : ARRAY_SIZE(line_parts);
	while (report->part < parts) {
		if (is_port_behind(report))
			return false;
		if (symbol_search_step(&report->names))
			(report->is_full ? full_parts : line_parts)[report->part++](v);
		if (report->part < parts && vcpu_is_piece_over(&v->vcpu, began))
			return false;
	}
	return true;
}
