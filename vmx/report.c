/* What a person needs to see of a vCPU that ended badly. */
#include "guest/pgwalk.h"
#include "guest/vcpu_arch.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "vmx/vmx.h"

#define CODE_BYTES  16
#define STACK_WORDS 8

static void report_registers(struct vmx_vcpu *v)
{
	const uint64_t *r = v->vcpu.regs.gpr;

	log_info("  RIP %016lx RSP %016lx RFLAGS %08lx CPL %u", vmread(GUEST_RIP),
		 vmread(GUEST_RSP), vmread(GUEST_RFLAGS), vcpu_arch_cpl(&v->vcpu));
	log_info("  RAX %016lx RBX %016lx RCX %016lx RDX %016lx", r[0], r[3], r[1], r[2]);
	log_info("  RSI %016lx RDI %016lx RBP %016lx R8  %016lx", r[6], r[7], r[5], r[8]);
	log_info("  R9  %016lx R10 %016lx R11 %016lx R12 %016lx", r[9], r[10], r[11], r[12]);
	log_info("  R13 %016lx R14 %016lx R15 %016lx", r[13], r[14], r[15]);
	log_info("  CR0 %08lx CR2 %016lx CR3 %016lx CR4 %08lx EFER %04lx",
		 vcpu_arch_get(&v->vcpu, VCPU_CR0), vcpu_arch_get(&v->vcpu, VCPU_CR2),
		 vmread(GUEST_CR3), vcpu_arch_get(&v->vcpu, VCPU_CR4), vmread(GUEST_IA32_EFER));
}

static void report_segments(struct vmx_vcpu *v)
{
	static const char *const name[] = {"ES", "CS", "SS", "DS", "FS", "GS"};

	for (unsigned i = 0; i < ARRAY_SIZE(name); i++) {
		struct vcpu_segment s;

		vcpu_arch_get_segment(&v->vcpu, (enum insn_segment)i, &s);
		log_info("  %s %04x base %016lx limit %08x access %05x", name[i], s.selector,
			 s.base, s.limit, s.access);
	}
	log_info("  GDTR %016lx/%04lx IDTR %016lx/%04lx TR %04lx LDTR %04lx",
		 vmread(GUEST_GDTR_BASE), vmread(GUEST_GDTR_LIMIT), vmread(GUEST_IDTR_BASE),
		 vmread(GUEST_IDTR_LIMIT), vmread(GUEST_TR_SELECTOR), vmread(GUEST_LDTR_SELECTOR));
}

/* `len` bytes of guest memory at a linear address, as far as they are mapped. */
static unsigned read_linear(struct vmx_vcpu *v, uint64_t la, void *to, unsigned len)
{
	const struct pgwalk_state state = {
		.cr0 = vcpu_arch_get(&v->vcpu, VCPU_CR0),
		.cr3 = vmread(GUEST_CR3),
		.cr4 = vmread(GUEST_CR4) & ~BIT_ULL(21), /* SMAP is not for us */
		.efer = vmread(GUEST_IA32_EFER),
		.pdpte = {vmread(GUEST_PDPTE0), vmread(GUEST_PDPTE1), vmread(GUEST_PDPTE2),
			  vmread(GUEST_PDPTE3)},
		.maxphyaddr = 52,
	};
	unsigned done = 0;

	while (done < len) {
		unsigned n = MIN(len - done, (unsigned)(PAGE_SIZE - ((la + done) & 0xfff)));
		uint32_t error;
		gpa_t gpa;

		if (pgwalk(&v->vcpu.vm->gmem, &state, la + done, PGWALK_READ, &gpa, &error) ||
		    gmem_read(&v->vcpu.vm->gmem, gpa, (uint8_t *)to + done, n))
			break;
		done += n;
	}
	return done;
}

static void report_memory(struct vmx_vcpu *v)
{
	uint8_t code[CODE_BYTES];
	uint64_t stack[STACK_WORDS];
	char line[160];
	int len = 0;
	unsigned n = read_linear(v, vmread(GUEST_CS_BASE) + vmread(GUEST_RIP), code, sizeof(code));

	line[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		len += fmt_snprintf(line + len, sizeof(line) - (size_t)len, " %02x", code[i]);
	log_info("  code at RIP:%s", n ? line : " not mapped");
	n = read_linear(v, vmread(GUEST_SS_BASE) + vmread(GUEST_RSP), stack, sizeof(stack));
	for (unsigned i = 0; i + 3 < n / 8; i += 4)
		log_info("  stack +%02x: %016lx %016lx %016lx %016lx", i * 8, stack[i],
			 stack[i + 1], stack[i + 2], stack[i + 3]);
}

static void report_exits(const struct vmx_vcpu *v)
{
	log_info("  last exits, newest last:");
	for (uint32_t age = VCPU_EXIT_LOG; age-- > 0;) {
		const struct vcpu_exit_log *log = vcpu_past_exit(&v->vcpu, age);

		if (log->reason == EXIT_REASON_IO_INSTRUCTION)
			log_info("    %-26s RIP %#lx port %#x", vcpu_arch_exit_name(log->reason),
				 log->rip, log->info);
		else if (log->reason || log->rip)
			log_info("    %-26s RIP %#lx", vcpu_arch_exit_name(log->reason), log->rip);
	}
}

void vmx_report(struct vmx_vcpu *v)
{
	log_info("VM '%s' vCPU %u: %s", v->vcpu.vm->name, v->vcpu.index, v->vcpu.vm->reason);
	report_registers(v);
	report_segments(v);
	report_memory(v);
	report_exits(v);
}

void vcpu_arch_report(struct vcpu *vcpu)
{
	vmx_report(to_vmx(vcpu));
}
