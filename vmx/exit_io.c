/* I/O instructions. */
#include "guest/emulate.h"
#include "guest/io.h"
#include "guest/vcpu_arch.h"
#include "lib/printf.h"
#include "vmx/vmx.h"

#define QUALIFICATION_IN     BIT(3)
#define QUALIFICATION_STRING BIT(4)
#define QUALIFICATION_REP    BIT(5)

enum { VECTOR_UD = 6 };

bool vmx_refuses_program(struct vmx_vcpu *v)
{
	/* With an event's delivery under way it is the kernel's tables and stack. */
	if (vcpu_arch_cpl(&v->vcpu) == 0 || v->loaded.has_injection)
		return false;
	vcpu_arch_inject_exception(&v->vcpu, VECTOR_UD, false, 0);
	return true;
}

enum exit_verdict vmx_emulate(struct vmx_vcpu *v, const struct emulate_cause *cause,
			      const char *what)
{
	struct emulation e;
	char bytes[3 * INSN_MAX_LEN + 1] = "";
	size_t len = 0;

	switch (emulate_instruction(&v->vcpu, cause, &e)) {
	case EMULATE_DONE:
		vmx_advance_rip(vmread(GUEST_RIP), e.len);
		return EXIT_RESUME;
	case EMULATE_AGAIN:
	case EMULATE_FAULT:
		return EXIT_RESUME;
	case EMULATE_FAILED:
		break;
	}
	for (unsigned i = 0; i < e.byte_count; i++)
		len += (size_t)fmt_snprintf(bytes + len, sizeof(bytes) - len, "%02x ", e.bytes[i]);
	return vmx_end_vm(v, "%s at RIP 0x%lx: %s: %s", what, vmread(GUEST_RIP), e.why, bytes);
}

/* Which INS or OUTS it is ('Exit Qualification for I/O Instructions'). */
static __cold enum exit_verdict handle_string(struct vmx_vcpu *v, uint64_t qualification)
{
	const struct emulate_cause cause = {
		.kind = EMULATE_PORT,
		.is_write = !(qualification & QUALIFICATION_IN),
		.port = (uint16_t)(qualification >> 16),
		.size = (qualification & 7) + 1,
		.is_repeated = qualification & QUALIFICATION_REP,
		.address_size = vmx_machine.caps.has_ins_outs_information
					? 2 << (vmread(EXIT_INSTRUCTION_INFORMATION) >> 7 & 7)
					: 0,
	};

	return vmx_emulate(v, &cause, "string I/O");
}

enum exit_verdict vmx_handle_io(struct vmx_vcpu *v)
{
	uint64_t qualification = vmread(EXIT_QUALIFICATION);
	unsigned size = (qualification & 7) + 1;
	uint16_t port = (uint16_t)(qualification >> 16);
	uint64_t *rax = &v->vcpu.regs.gpr[GPR_RAX];

	vcpu_last_exit(&v->vcpu)->info = port;
	if (unlikely(qualification & QUALIFICATION_STRING))
		return handle_string(v, qualification);
	if (!(qualification & QUALIFICATION_IN)) {
		io_write(&v->vcpu, port, size, *rax & bus_unclaimed(size));
		return EXIT_SKIP;
	}
	if (size == 4) /* 32-bit results clear the upper half */
		*rax = io_read(&v->vcpu, port, size);
	else
		*rax = (*rax & ~bus_unclaimed(size)) | io_read(&v->vcpu, port, size);
	return EXIT_SKIP;
}
