/* Offsets of structure members that entry.S uses; compiled to assembly only, see the Makefile. */
#include "vmx/vmx.h"

#define DEFINE(name, value) __asm__ volatile("@@" #name " %0" : : "i"(value))

void vmx_offsets(void);
void vmx_offsets(void)
{
	DEFINE(VCPU_RAX, offsetof(struct vmx_vcpu, vcpu.regs.gpr[0]));
	DEFINE(VCPU_RCX, offsetof(struct vmx_vcpu, vcpu.regs.gpr[1]));
	DEFINE(VCPU_RDX, offsetof(struct vmx_vcpu, vcpu.regs.gpr[2]));
	DEFINE(VCPU_RBX, offsetof(struct vmx_vcpu, vcpu.regs.gpr[3]));
	DEFINE(VCPU_RBP, offsetof(struct vmx_vcpu, vcpu.regs.gpr[5]));
	DEFINE(VCPU_RSI, offsetof(struct vmx_vcpu, vcpu.regs.gpr[6]));
	DEFINE(VCPU_RDI, offsetof(struct vmx_vcpu, vcpu.regs.gpr[7]));
	DEFINE(VCPU_R8, offsetof(struct vmx_vcpu, vcpu.regs.gpr[8]));
	DEFINE(VCPU_R9, offsetof(struct vmx_vcpu, vcpu.regs.gpr[9]));
	DEFINE(VCPU_R10, offsetof(struct vmx_vcpu, vcpu.regs.gpr[10]));
	DEFINE(VCPU_R11, offsetof(struct vmx_vcpu, vcpu.regs.gpr[11]));
	DEFINE(VCPU_R12, offsetof(struct vmx_vcpu, vcpu.regs.gpr[12]));
	DEFINE(VCPU_R13, offsetof(struct vmx_vcpu, vcpu.regs.gpr[13]));
	DEFINE(VCPU_R14, offsetof(struct vmx_vcpu, vcpu.regs.gpr[14]));
	DEFINE(VCPU_R15, offsetof(struct vmx_vcpu, vcpu.regs.gpr[15]));
	DEFINE(VCPU_LAUNCHED, offsetof(struct vmx_vcpu, loaded.launched));
	DEFINE(VCPU_HOST_RSP, offsetof(struct vmx_vcpu, vcpu.regs.gpr[GPR_RSP]));
}
