/* I/O instructions. */
#include "guest/emulate.h"
#include "guest/io.h"
#include "lib/printf.h"
#include "vmx/vmx.h"

#define QUALIFICATION_IN     BIT(3)
#define QUALIFICATION_STRING BIT(4)

enum exit_verdict vmx_emulate(struct vmx_vcpu *v, const struct emulate_known *known,
			      const char *what)
{
	struct emulation e;
	char bytes[3 * INSN_MAX_LEN + 1] = "";
	size_t len = 0;

	switch (emulate_instruction(&v->vcpu, known, &e)) {
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

enum exit_verdict vmx_handle_io(struct vmx_vcpu *v)
{
	uint64_t qualification = vmread(EXIT_QUALIFICATION);
	unsigned size = (qualification & 7) + 1;
	uint16_t port = (uint16_t)(qualification >> 16);
	uint64_t *rax = &v->vcpu.regs.gpr[GPR_RAX];

	vcpu_last_exit(&v->vcpu)->info = port;
	if (unlikely(qualification & QUALIFICATION_STRING))
		return vmx_emulate(v, NULL, "string I/O");
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
