/* The VMX instructions, each with its CF and ZF checked. A seam: hosted, a fake implements the
 * prototypes.
 *
 * vmread and vmwrite act on the current VMCS. That they fail is a broken invariant (no current
 * VMCS, or a field that this CPU does not have): they panic, and in debug builds first assert that
 * this pCPU owns what is current (vmx_assert_current). */
#ifndef VMX_VMX_INSN_H
#define VMX_VMX_INSN_H

#include "cpu/panic.h"
#include "lib/fault.h"
#include "lib/types.h"
#include "vmx/vmcs.h"

void vmx_insn_failed(const char *insn, uint64_t operand) __noreturn __cold;

#ifdef CONFIG_DEBUG
void vmx_assert_current(void);
void vmx_note_write(enum vmcs_field field); /* vmx/audit.c: checked before the next entry */
#else
static inline void vmx_assert_current(void)
{
}
static inline void vmx_note_write(enum vmcs_field field)
{
	(void)field;
}
#endif

enum invept_type { INVEPT_SINGLE_CONTEXT = 1, INVEPT_ALL_CONTEXTS = 2 };
enum invvpid_type {
	INVVPID_INDIVIDUAL_ADDRESS,
	INVVPID_SINGLE_CONTEXT,
	INVVPID_ALL_CONTEXTS,
	INVVPID_SINGLE_RETAINING_GLOBALS,
};

#if __STDC_HOSTED__

uint64_t vmread(enum vmcs_field field);
void vmwrite(enum vmcs_field field, uint64_t value);
void vmptrld(hpa_t vmcs);
void vmclear(hpa_t vmcs);

#else

/* For fault=vmread:N: an encoding whose reserved bit is set. */
#define VMCS_NO_FIELD ((enum vmcs_field)0x1000)

static inline uint64_t vmread(enum vmcs_field field)
{
	uint64_t value;

	vmx_assert_current();
	if (fault_is_due(FAULT_VMREAD))
		field = VMCS_NO_FIELD;
	__asm__ goto volatile("vmread %1, %0; jbe %l[failed]"
			      : "=r"(value)
			      : "r"((uint64_t)field)
			      : "cc"
			      : failed);
	return value;
failed:
	vmx_insn_failed("VMREAD", field);
}

/* For the report of a failure: the field's value, or -1 when that VMREAD fails too. */
static inline int64_t vmread_or_minus_1(enum vmcs_field field)
{
	uint64_t value;

	__asm__ goto volatile("vmread %1, %0; jbe %l[failed]"
			      : "=r"(value)
			      : "r"((uint64_t)field)
			      : "cc"
			      : failed);
	return (int64_t)value;
failed:
	return -1;
}

static inline void vmwrite(enum vmcs_field field, uint64_t value)
{
	vmx_note_write(field);
	__asm__ goto volatile("vmwrite %1, %0; jbe %l[failed]"
			      :
			      : "r"((uint64_t)field), "rm"(value)
			      : "cc", "memory"
			      : failed);
	return;
failed:
	vmx_insn_failed("VMWRITE", field);
}

#define DEFINE_VMX_POINTER_INSN(insn, name)                                                        \
	static inline void insn(hpa_t region)                                                      \
	{                                                                                          \
		__asm__ goto volatile(#insn " %0; jbe %l[failed]"                                  \
				      :                                                            \
				      : "m"(region.v)                                              \
				      : "cc", "memory"                                             \
				      : failed);                                                   \
		return;                                                                            \
	failed:                                                                                    \
		vmx_insn_failed(name, region.v);                                                   \
	}
DEFINE_VMX_POINTER_INSN(vmptrld, "VMPTRLD")
DEFINE_VMX_POINTER_INSN(vmclear, "VMCLEAR")
DEFINE_VMX_POINTER_INSN(vmxon, "VMXON")
#undef DEFINE_VMX_POINTER_INSN

static inline void vmxoff(void)
{
	__asm__ goto volatile("vmxoff; jbe %l[failed]" : : : "cc", "memory" : failed);
	return;
failed:
	vmx_insn_failed("VMXOFF", 0);
}

/* For a panic: leaves VMX operation, or survives the #UD where this pCPU is not in it. */
static inline void vmxoff_fixup(void)
{
	__asm__ volatile("1: vmxoff; 2:\n"
			 ".pushsection .fixup, \"a\"; .quad 1b, 2b; .popsection"
			 :
			 :
			 : "cc", "memory");
}

struct vmx_vcpu;

/* entry.S: VMLAUNCH, or VMRESUME when it `was_launched`, has failed, called from where its return
 * address says; VM_INSTRUCTION_ERROR says why. Panics when it is the host's; else says where to go
 * on, and for which vCPU. */
struct vmx_entry_failure {
	uint64_t landing;
	struct vmx_vcpu *v;
};
struct vmx_entry_failure vmx_entry_failed(bool was_launched, uint64_t return_address) __cold;

/* Debug builds have frame pointers, which must survive. */
#ifdef CONFIG_DEBUG
#define ENTER_PUSH "pushq %%rbp;"
#define ENTER_POP  "popq %%rbp;"
#define ENTER_CLOBBERS_RBP
#else
#define ENTER_PUSH
#define ENTER_POP
#define ENTER_CLOBBERS_RBP "rbp",
#endif

/* entry.S: enters the guest and comes back after an exit. An ordinary call, but that every register
 * except the one that `v` is in is lost: the guest's were in them. False when the guest was not
 * entered, because of what it or Carousel has put into the VMCS's control fields. Interrupts off.
 * What an exit comes back with costs nothing: a failure comes back elsewhere, by the fixup table
 * (cpu/trap.h). */
static inline bool vmx_enter(struct vmx_vcpu *v)
{
	register struct vmx_vcpu *kept __asm__("rbx") = v;

	__asm__ goto volatile(ENTER_PUSH "call vmx_enter_guest\n"
					 "1: " ENTER_POP "\n"
					 ".pushsection .text.unlikely, \"ax\"\n"
					 "2: " ENTER_POP "jmp %l[failed]\n"
					 ".popsection\n"
					 ".pushsection .fixup, \"a\"; .quad 1b, 2b; .popsection"
			      :
			      : "r"(kept)
			      : "rax", "rcx", "rdx", "rsi", "rdi", ENTER_CLOBBERS_RBP "r8", "r9",
				"r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory"
			      : failed);
	return true;
failed:
	return false;
}

static inline void invept(enum invept_type type, uint64_t eptp)
{
	const struct {
		uint64_t eptp, reserved;
	} descriptor = {eptp, 0};

	__asm__ goto volatile("invept %0, %1; jbe %l[failed]"
			      :
			      : "m"(descriptor), "r"((uint64_t)type)
			      : "cc", "memory"
			      : failed);
	return;
failed:
	vmx_insn_failed("INVEPT", eptp);
}

static inline void invvpid(enum invvpid_type type, uint16_t vpid, uint64_t linear)
{
	const struct {
		uint64_t vpid, linear;
	} descriptor = {vpid, linear};

	__asm__ goto volatile("invvpid %0, %1; jbe %l[failed]"
			      :
			      : "m"(descriptor), "r"((uint64_t)type)
			      : "cc", "memory"
			      : failed);
	return;
failed:
	vmx_insn_failed("INVVPID", vpid);
}

#endif /* __STDC_HOSTED__ */
#endif
