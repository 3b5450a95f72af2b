/* A debugger's break and watch points and single steps on VMX: debug registers, #DB and INT3.
 *
 * While the debugger has points in DR0 to DR3, they and DR7 hold its values, MOV DR exits, and the
 * guest reads and writes what it believes to be in them. DR6 stays the guest's: an exit for #DB
 * does not change it ('Other Causes of VM Exits').
 *
 * A step is RFLAGS.TF, which every CPU has. What the guest could see of it is put right: no event
 * is injected before the step is over, PUSHF's copy of the flags is mended, and blocking by STI and
 * MOV SS, or a halt in the guest, is ended first, as VM entry refuses TF together with them
 * ('Checks on Guest Non-Register State'). What remains: an instruction that faults, or INT n, saves
 * flags with TF set, and the step ends when its handler has returned. */
#include "cpu/insn.h"
#include "guest/debug.h"
#include "lib/string.h"
#include "vmx/cr.h"
#include "vmx/events.h"
#include "vmx/vmx.h"

#define EXCEPTION_BP   BIT(3)
#define DB_HITS        0xfull      /* the exit qualification: B0-B3 */
#define DB_BS          BIT_ULL(14) /* single step */
#define DR6_BD         BIT_ULL(13)
#define DR6_WRITABLE   0xe00full
#define DR6_FIXED      0xffff0ff0ull
#define DR7_FIXED      0x400ull
#define DR7_GD         BIT_ULL(13)
#define DR7_WRITABLE   0xffff2bffull
#define INTERRUPT_SVI  0xff00u
#define ACCESS_L       BIT(13)
#define XSAVE_STATE_BV 512u
#define FXSAVE_X87_LEN 160u /* up to XMM0, but for MXCSR and its mask */
#define FXSAVE_MXCSR   24u

enum { VECTOR_DB = 1, VECTOR_BP = 3, VECTOR_UD = 6, VECTOR_GP = 13 };

/* --- debug registers ----------------------------------------------------------------------------
 */

static void read_registers(const struct vmx_vcpu *v, uint64_t dr[4])
{
	if (this_vmx()->loaded != v) {
		memcpy(dr, v->dr, sizeof(v->dr));
		return;
	}
	dr[0] = read_dr0();
	dr[1] = read_dr1();
	dr[2] = read_dr2();
	dr[3] = read_dr3();
}

static void write_registers(struct vmx_vcpu *v, const uint64_t dr[4])
{
	memcpy(v->dr, dr, sizeof(v->dr));
	if (this_vmx()->loaded != v)
		return;
	write_dr0(dr[0]);
	write_dr1(dr[1]);
	write_dr2(dr[2]);
	write_dr3(dr[3]);
}

static void set_registers(struct vmx_vcpu *v, const struct vcpu_debug_control *control)
{
	if (control->has_registers) {
		if (!v->debug.has_registers) {
			read_registers(v, v->debug.guest_dr);
			v->debug.guest_dr7 = vmread(GUEST_DR7);
		}
		write_registers(v, control->dr);
		vmwrite(GUEST_DR7, control->dr7);
	} else if (v->debug.has_registers) {
		write_registers(v, v->debug.guest_dr);
		vmwrite(GUEST_DR7, v->debug.guest_dr7);
	}
	v->debug.has_registers = control->has_registers;
	vmx_set_primary(v, PRIMARY_MOV_DR_EXITING, control->has_registers);
}

static enum exit_verdict inject_fault(struct vmx_vcpu *v, uint8_t vector)
{
	vcpu_arch_inject_exception(&v->vcpu, vector, vector == VECTOR_GP, 0);
	return EXIT_RESUME;
}

static uint64_t read_guest_register(const struct vmx_vcpu *v, unsigned dr)
{
	if (dr < 4)
		return v->debug.guest_dr[dr];
	return dr == 6 ? read_dr6() : v->debug.guest_dr7;
}

/* False for #GP ('Debug Registers': the upper halves of DR6 and DR7 must be 0). */
static bool write_guest_register(struct vmx_vcpu *v, unsigned dr, uint64_t value)
{
	if (dr < 4) {
		v->debug.guest_dr[dr] = value;
		return true;
	}
	if (value >> 32)
		return false;
	if (dr == 6)
		write_dr6((value & DR6_WRITABLE) | DR6_FIXED);
	else
		v->debug.guest_dr7 = (value & DR7_WRITABLE) | DR7_FIXED;
	return true;
}

/* MOV to or from a debug register while these are the debugger's. */
enum exit_verdict vmx_handle_dr_access(struct vmx_vcpu *v)
{
	uint64_t qualification = vmread(EXIT_QUALIFICATION), value;
	unsigned dr = qualification & 7, reg = qualification >> 8 & 0xf;
	bool is_read = qualification & BIT(4);

	if ((dr == 4 || dr == 5) && (vmread(CR4_READ_SHADOW) & CR4_DE))
		return inject_fault(v, VECTOR_UD);
	if (v->debug.guest_dr7 & DR7_GD) {
		v->debug.guest_dr7 &= ~DR7_GD;
		write_dr6(read_dr6() | DR6_BD);
		vmx_raise(v, VECTOR_DB | INTR_TYPE_HARDWARE_EXCEPTION, 0, 0);
		return EXIT_RESUME;
	}
	if (dr == 4 || dr == 5) /* aliases of DR6 and DR7 */
		dr += 2;
	if (is_read) {
		value = read_guest_register(v, dr);
		if (reg == GPR_RSP)
			vmwrite(GUEST_RSP, value);
		else
			v->vcpu.regs.gpr[reg] = value;
		return EXIT_SKIP;
	}
	value = reg == GPR_RSP ? vmread(GUEST_RSP) : v->vcpu.regs.gpr[reg];
	if (!vcpu_arch_is_64bit(&v->vcpu))
		value = (uint32_t)value;
	return write_guest_register(v, dr, value) ? EXIT_SKIP : inject_fault(v, VECTOR_GP);
}

/* --- single steps -------------------------------------------------------------------------------
 */

static bool is_prefix(uint8_t byte, bool is_64)
{
	static const uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e,
					   0x36, 0x3e, 0x26, 0x64, 0x65};

	return memchr(prefixes, byte, sizeof(prefixes)) || (is_64 && (byte & 0xf0) == 0x40);
}

/* What the next instruction does with the flags as a whole. */
static void look_at_instruction(struct vmx_vcpu *v)
{
	bool is_64 = vmread(GUEST_CS_ACCESS_RIGHTS) & ACCESS_L;
	uint64_t address = vmread(GUEST_CS_BASE) + vmread(GUEST_RIP);
	uint8_t code[INSN_MAX_LEN];
	size_t n = debug_read(v->vcpu.vm, v->vcpu.index, address, code, sizeof(code)), i = 0;

	while (i < n && is_prefix(code[i], is_64))
		i++;
	v->debug.is_pushf = i < n && code[i] == 0x9c;
	v->debug.is_popf = i < n && (code[i] == 0x9d || code[i] == 0xcf);
}

static void set_stepping(struct vmx_vcpu *v, bool is_on)
{
	v->debug.is_stepping = is_on;
	vmx_set_odd(v);
}

static void begin_step(struct vmx_vcpu *v)
{
	uint64_t rflags = vmread(GUEST_RFLAGS), blocking = vmread(GUEST_INTERRUPTIBILITY_STATE);

	look_at_instruction(v);
	v->debug.was_tf = rflags & RFLAGS_TF;
	vmwrite(GUEST_RFLAGS, rflags | RFLAGS_TF);
	vmx_end_shadow(blocking);
	/* hlt-exit=off: the step leads out of the halt. */
	vmwrite(GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
	/* Windows would exit for ever: what waits for them is not injected now. */
	vmx_set_primary(v, PRIMARY_INTERRUPT_WINDOW_EXITING | PRIMARY_NMI_WINDOW_EXITING, false);
	if (vmx_machine.has_vid)
		vmwrite(GUEST_INTERRUPT_STATUS, vmread(GUEST_INTERRUPT_STATUS) & INTERRUPT_SVI);
	set_stepping(v, true);
}

/* The copy of the flags that PUSHF has just made: TF is bit 0 of its second byte. */
static void mend_pushed_flags(struct vmx_vcpu *v)
{
	uint64_t address = vmread(GUEST_SS_BASE) + vmread(GUEST_RSP) + 1;
	uint8_t byte;

	if (v->debug.was_tf || debug_read(v->vcpu.vm, v->vcpu.index, address, &byte, 1) != 1)
		return;
	byte &= (uint8_t)~1u;
	if (debug_write(v->vcpu.vm, v->vcpu.index, address, &byte, 1))
		return;
}

static void end_step(struct vmx_vcpu *v, bool is_done)
{
	uint64_t rflags = vmread(GUEST_RFLAGS);

	if (is_done && v->debug.is_pushf)
		mend_pushed_flags(v);
	if (!is_done || !v->debug.is_popf)
		rflags = v->debug.was_tf ? rflags | RFLAGS_TF : rflags & ~(uint64_t)RFLAGS_TF;
	vmwrite(GUEST_RFLAGS, rflags);
	if (!(rflags & RFLAGS_TF))
		vmwrite(GUEST_PENDING_DEBUG_EXCEPTIONS,
			vmread(GUEST_PENDING_DEBUG_EXCEPTIONS) & ~PENDING_DEBUG_BS);
	set_stepping(v, false);
	/* What came meanwhile was not injected. */
	__atomic_fetch_or(&v->vcpu.requests, VCPU_REQ_EVENT, __ATOMIC_RELAXED);
}

/* --- exceptions ---------------------------------------------------------------------------------
 */

/* The first of the enabled points that were hit; 4 for none. B0-B3 'may be set even if its enabling
 * bit in DR7 is not set'. */
static unsigned first_hit(const struct vmx_vcpu *v, uint64_t qualification)
{
	uint64_t dr7 = vmread(GUEST_DR7);
	unsigned n = 0;

	while (n < 4 && !(v->debug.has_registers && (qualification & DB_HITS & BIT(n)) &&
			  (dr7 >> (2 * n) & 3)))
		n++;
	return n;
}

static bool takes_debug_exception(struct vmx_vcpu *v)
{
	const struct vm_debug *debug = v->vcpu.vm->debug;
	uint64_t qualification = vmread(EXIT_QUALIFICATION);
	unsigned hit = first_hit(v, qualification);
	bool is_step = v->debug.is_stepping && (qualification & DB_BS);
	struct debug_stop stop = {.kind = DEBUG_STOP_STEP};

	if (hit == 4 && !is_step)
		return false;
	if (v->debug.is_stepping)
		end_step(v, is_step);
	if (hit < 4) {
		stop.kind = DEBUG_STOP_HARDWARE_POINT;
		stop.type = debug->hardware[hit].type;
		stop.address = debug->hardware[hit].address;
	}
	debug_stop(&v->vcpu, &stop);
	return true;
}

static bool takes_int3(struct vmx_vcpu *v, uint32_t info)
{
	struct debug_stop stop = {
		.kind = DEBUG_STOP_MEMORY_POINT,
		.type = DEBUG_BREAK,
		.address = vmread(GUEST_CS_BASE) + vmread(GUEST_RIP),
	};

	/* RIP is that of the INT3. One of the guest's own it gets as if nothing had been. */
	if (debug_has_memory_point(v->vcpu.vm, stop.address))
		debug_stop(&v->vcpu, &stop);
	else
		vmx_raise(v, info & (INTR_INFO_VECTOR | INTR_INFO_TYPE), 0,
			  (uint32_t)vmread(EXIT_INSTRUCTION_LENGTH));
	return true;
}

bool vmx_debug_takes(struct vmx_vcpu *v, uint32_t info)
{
	if (!v->vcpu.vm->debug)
		return false;
	if ((info & INTR_INFO_VECTOR) == VECTOR_BP)
		return takes_int3(v, info);
	return (info & (INTR_INFO_VECTOR | INTR_INFO_TYPE)) ==
		       (VECTOR_DB | INTR_TYPE_HARDWARE_EXCEPTION) &&
	       takes_debug_exception(v);
}

/* --- what guest/ asks ---------------------------------------------------------------------------
 */

void vcpu_arch_set_debug(struct vcpu *vcpu, const struct vcpu_debug_control *control)
{
	struct vmx_vcpu *v = to_vmx(vcpu);

	ASSERT(this_vmx()->current == v);
	set_registers(v, control);
	vmx_set_exceptions(EXCEPTION_BP, control->is_int3_intercepted);
	if (control->is_step && !v->debug.is_stepping)
		begin_step(v);
	else if (!control->is_step && v->debug.is_stepping)
		end_step(v, false);
	/* The debugger may have written RFLAGS. */
	vmx_keep_if_shut(v);
	vmx_fit_state();
}

void vmx_debug_reset(struct vmx_vcpu *v)
{
	v->debug.has_registers = false;
	set_stepping(v, false);
	if (v->vcpu.vm->debug)
		debug_apply(&v->vcpu);
}

/* XSAVE leaves out a component in its initial state ('XSAVE Area'): memory keeps what was there. */
void vcpu_arch_get_fxsave(struct vcpu *vcpu, uint8_t to[VCPU_FXSAVE_SIZE])
{
	struct vmx_vcpu *v = to_vmx(vcpu);
	uint8_t components;

	if (this_vmx()->loaded == v) {
		uint64_t flags = irq_save();

		vmx_state_save(v);
		vmx_state_load(v);
		irq_restore(flags);
	}
	components = v->xsave[XSAVE_STATE_BV];
	memcpy(to, v->xsave, VCPU_FXSAVE_SIZE);
	if (!(components & 1)) {
		memset(to, 0, FXSAVE_MXCSR);
		memset(to + FXSAVE_MXCSR + 8, 0, FXSAVE_X87_LEN - FXSAVE_MXCSR - 8);
		to[0] = 0x7f; /* FCW 0x37f */
		to[1] = 0x03;
	}
	if (!(components & 2))
		memset(to + FXSAVE_X87_LEN, 0, VCPU_FXSAVE_SIZE - FXSAVE_X87_LEN);
}
