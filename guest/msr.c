/* The MSR table. Rows are sorted by number; a range shares a row. The x2APIC's range and KVM's have
 * tables of their own. */
#include "guest/msr.h"

#include "cpu/msr.h"
#include "guest/kvm.h"
#include "guest/mtrr.h"
#include "guest/vcpu_arch.h"
#include "guest/vm.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/log.h"

#define CR0_PG   BIT_ULL(31)
#define EFER_SCE BIT_ULL(0)
#define EFER_LME BIT_ULL(8)
#define EFER_LMA BIT_ULL(10)
#define EFER_NX  BIT_ULL(11)

#define CPUID_1_ECX_TSC_DEADLINE BIT(24)

#define X2APIC_MSRS 0x800
#define KVM_MSRS    0x4b564d00

struct msr_row {
	uint32_t first, last;
	int (*read)(struct vcpu *vcpu, uint32_t msr, uint64_t *value); /* NULL: #GP */
	int (*write)(struct vcpu *vcpu, uint32_t msr, uint64_t value); /* NULL: #GP */
	uint8_t reg; /* enum vcpu_reg, for rows that are a register of the arch layer */
};

static const struct msr_row *find_row(uint32_t msr);

/* 48-bit linear addresses: bits 63:47 are equal ('Canonical Addressing'). */
static bool is_canonical(uint64_t value)
{
	return (uint64_t)((int64_t)(value << 16) >> 16) == value;
}

static int read_arch(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	*value = vcpu_arch_get(vcpu, find_row(msr)->reg);
	return 0;
}

static int write_arch(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	vcpu_arch_set(vcpu, find_row(msr)->reg, value);
	return 0;
}

static int write_arch_canonical(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return is_canonical(value) ? write_arch(vcpu, msr, value) : -EPERM;
}

static int write_arch_32bit(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return value >> 32 ? -EPERM : write_arch(vcpu, msr, value);
}

static int read_zero(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	(void)msr;
	*value = 0;
	return 0;
}

static int write_ignored(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)vcpu;
	(void)msr;
	(void)value;
	return 0;
}

static int read_tsc(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu_tsc(vcpu);
	return 0;
}

/* A deadline of the vCPU's own TSC in VM TSC ticks. One that has passed stays in the past, also
 * when the VM's TSC was never there, and one that the VM's TSC never reaches is never: neither may
 * become the 0 that disarms, nor a time of the other kind. */
static uint64_t deadline_to_vm(const struct vcpu *vcpu, uint64_t deadline)
{
	uint64_t now, when;

	if (likely(!vcpu->tsc_adjust) || !deadline)
		return deadline;
	now = vcpu_tsc(vcpu);
	if (deadline <= now)
		return 1;
	if (!checked_add(now - vcpu->tsc_adjust, deadline - now, &when))
		return DEADLINE_NEVER;
	return when;
}

/* A guest write moves this vCPU's own TSC. */
static int write_tsc(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	__atomic_store_n(&vcpu->tsc_adjust, vcpu->tsc_adjust + (value - vcpu_tsc(vcpu)),
			 __ATOMIC_RELAXED);
	vcpu_arch_set_tsc_offset(vcpu, vcpu->vm->tsc_offset + vcpu->tsc_adjust);
	kvm_tsc_moved(vcpu);
	/* 'APIC Timer': the deadline is compared with the TSC as software sees it, so an armed one
	 * comes earlier or later now. */
	if (lapic_tsc_deadline_read(&vcpu->lapic))
		lapic_tsc_deadline_write(&vcpu->lapic, deadline_to_vm(vcpu, vcpu->tsc_deadline));
	return 0;
}

static int read_apic_base(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vcpu->lapic.base;
	return 0;
}

static int write_apic_base(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	unsigned maxphyaddr = cpuid_maxphyaddr(&vcpu->cpuid);
	int ret;

	(void)msr;
	/* x2APIC mode only when the guest has been told of it. */
	if ((value & BIT(10)) && !cpuid_has(&vcpu->cpuid, 1, 0, 2, 21))
		return -EPERM;
	kvm_sync_pv_eoi(vcpu);
	ret = lapic_base_write(&vcpu->lapic, value, maxphyaddr);
	if (ret)
		return ret;
	cpuid_update_apic_enable(&vcpu->cpuid, value & BIT(11));
	vcpu_arch_apic_mode_changed(vcpu);
	return 0;
}

static int read_x2apic(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	kvm_sync_pv_eoi(vcpu);
	return lapic_msr_read(&vcpu->lapic, msr, value);
}

static int write_x2apic(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	kvm_sync_pv_eoi(vcpu);
	return lapic_msr_write(&vcpu->lapic, msr, value);
}

/* IA32_TSC_DEADLINE is in the vCPU's own TSC. */
static int read_tsc_deadline(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	uint64_t when = lapic_tsc_deadline_read(&vcpu->lapic);

	(void)msr;
	*value = when ? vcpu->tsc_deadline : 0;
	return vcpu->cpuid.basic[1].ecx & CPUID_1_ECX_TSC_DEADLINE ? 0 : -EPERM;
}

static int write_tsc_deadline(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	if (!(vcpu->cpuid.basic[1].ecx & CPUID_1_ECX_TSC_DEADLINE))
		return -EPERM;
	vcpu->tsc_deadline = value;
	lapic_tsc_deadline_write(&vcpu->lapic, deadline_to_vm(vcpu, value));
	return 0;
}

static int read_misc_enable(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)msr;
	/* Fast strings as set; performance monitoring, BTS and PEBS are not there. */
	*value = vcpu->misc_enable | BIT(11) | BIT(12);
	return 0;
}

static int write_misc_enable(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	/* Fast strings, limit CPUID maxval is refused, XD disable is refused: the CPUID says
	 * otherwise. */
	vcpu->misc_enable = value & 1;
	return 0;
}

/* Microcode: a revision must be there; loading one is ignored, as on a machine that has the newest.
 */
static int read_bios_sign_id(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	(void)msr;
	*value = 0x100000000ull;
	return 0;
}

static int write_pat(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++) {
		uint8_t type = value >> (8 * i) & 0xff;

		if (!mtrr_is_type(type) && type != 7)
			return -EPERM;
	}
	return write_arch(vcpu, msr, value);
}

static int write_mcg_status(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	(void)vcpu;
	(void)msr;
	return value ? -EPERM : 0;
}

static bool has_rdtscp(const struct vcpu *vcpu)
{
	return cpuid_has(&vcpu->cpuid, 0x80000001, 0, 3, 27);
}

/* IA32_TSC_AUX comes with RDTSCP; so does the host's, into which the guest's value goes. */
static int read_tsc_aux(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	return has_rdtscp(vcpu) ? read_arch(vcpu, msr, value) : -EPERM;
}

static int write_tsc_aux(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	return has_rdtscp(vcpu) ? write_arch_32bit(vcpu, msr, value) : -EPERM;
}

/* Last-branch recording and the like are not offered: only 0 and the bits without effect (BTF) go.
 */
static int write_debugctl(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (value & ~2ull)
		return -EPERM;
	return write_arch(vcpu, msr, value);
}

/* 'Extended Feature Enable Register': LME cannot change while paging is on; LMA is the CPU's. */
static int write_efer(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t old = vcpu_arch_get(vcpu, VCPU_EFER);
	uint64_t allowed = EFER_LMA;

	(void)msr;
	if (cpuid_has(&vcpu->cpuid, 0x80000001, 0, 3, 11))
		allowed |= EFER_SCE;
	if (cpuid_has(&vcpu->cpuid, 0x80000001, 0, 3, 20))
		allowed |= EFER_NX;
	if (cpuid_has(&vcpu->cpuid, 0x80000001, 0, 3, 29))
		allowed |= EFER_LME;
	if (value & ~allowed)
		return -EPERM;
	if (((value ^ old) & EFER_LME) && (vcpu_arch_get(vcpu, VCPU_CR0) & CR0_PG))
		return -EPERM;
	vcpu_arch_set_efer(vcpu, value);
	return 0;
}

#define ROW(msr, rd, wr)                                                                           \
	{                                                                                          \
		.first = (msr), .last = (msr), .read = (rd), .write = (wr)                         \
	}
#define RANGE(lo, hi, rd, wr)                                                                      \
	{                                                                                          \
		.first = (lo), .last = (hi), .read = (rd), .write = (wr)                           \
	}
#define ARCH(msr, wr, arch_reg)                                                                    \
	{                                                                                          \
		.first = (msr), .last = (msr), .read = read_arch, .write = (wr), .reg = (arch_reg) \
	}

static const struct msr_row rows[] = {
	ROW(MSR_IA32_TSC, read_tsc, write_tsc),
	RANGE(0x011, 0x012, kvm_msr_read, kvm_msr_write), /* KVM's old clock MSRs */
	ROW(0x017, read_zero, NULL),                      /* IA32_PLATFORM_ID */
	ROW(MSR_IA32_APIC_BASE, read_apic_base, write_apic_base),
	ROW(0x02a, read_zero, write_ignored), /* EBL_CR_POWERON */
	ROW(0x079, NULL, write_ignored),      /* IA32_BIOS_UPDT_TRIG */
	ROW(MSR_IA32_BIOS_SIGN_ID, read_bios_sign_id, write_ignored),
	ROW(MSR_IA32_MTRRCAP, mtrr_read_cap, NULL),
	ARCH(MSR_IA32_SYSENTER_CS, write_arch_32bit, VCPU_SYSENTER_CS),
	ARCH(MSR_IA32_SYSENTER_ESP, write_arch_canonical, VCPU_SYSENTER_ESP),
	ARCH(MSR_IA32_SYSENTER_EIP, write_arch_canonical, VCPU_SYSENTER_EIP),
	ROW(MSR_IA32_MCG_CAP, read_zero, NULL), /* no banks */
	ROW(MSR_IA32_MCG_STATUS, read_zero, write_mcg_status),
	ROW(MSR_IA32_MISC_ENABLE, read_misc_enable, write_misc_enable),
	ARCH(MSR_IA32_DEBUGCTL, write_debugctl, VCPU_DEBUGCTL),
	RANGE(0x200, 0x20f, mtrr_read, mtrr_write),
	ROW(0x250, mtrr_read, mtrr_write),
	RANGE(0x258, 0x259, mtrr_read, mtrr_write),
	RANGE(0x268, 0x26f, mtrr_read, mtrr_write),
	ARCH(MSR_IA32_PAT, write_pat, VCPU_PAT),
	ROW(MSR_IA32_MTRR_DEF_TYPE, mtrr_read, mtrr_write),
	ROW(MSR_IA32_TSC_DEADLINE, read_tsc_deadline, write_tsc_deadline),
	ARCH(MSR_IA32_EFER, write_efer, VCPU_EFER),
	ARCH(MSR_IA32_STAR, write_arch, VCPU_STAR),
	ARCH(MSR_IA32_LSTAR, write_arch_canonical, VCPU_LSTAR),
	ARCH(MSR_IA32_CSTAR, write_arch_canonical, VCPU_CSTAR),
	ARCH(MSR_IA32_FMASK, write_arch_32bit, VCPU_FMASK),
	ARCH(MSR_IA32_FS_BASE, write_arch_canonical, VCPU_FS_BASE),
	ARCH(MSR_IA32_GS_BASE, write_arch_canonical, VCPU_GS_BASE),
	ARCH(MSR_IA32_KERNEL_GS_BASE, write_arch_canonical, VCPU_KERNEL_GS_BASE),
	{.first = MSR_IA32_TSC_AUX,
	 .last = MSR_IA32_TSC_AUX,
	 .read = read_tsc_aux,
	 .write = write_tsc_aux,
	 .reg = VCPU_TSC_AUX},
};

static const struct msr_row *find_row(uint32_t msr)
{
	unsigned low = 0, high = ARRAY_SIZE(rows);

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (msr > rows[middle].last)
			low = middle + 1;
		else if (msr < rows[middle].first)
			high = middle;
		else
			return &rows[middle];
	}
	return NULL;
}

static void note_unknown(const struct vcpu *vcpu, const char *what, uint32_t msr)
{
	struct vm *vm = vcpu->vm;

	if (__atomic_fetch_add(&vm->unknown_msrs, 1, __ATOMIC_RELAXED) < 4)
		log_debug("VM '%s' %s unknown MSR %#x: #GP", vm->name, what, msr);
}

static __attribute__((noinline)) int read_row(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const struct msr_row *row = find_row(msr);

	if (row && row->read)
		return row->read(vcpu, msr, value);
	note_unknown(vcpu, "reads", msr);
	return -EPERM;
}

static __attribute__((noinline)) int write_row(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	const struct msr_row *row = find_row(msr);

	if (row && row->write)
		return row->write(vcpu, msr, value);
	note_unknown(vcpu, "writes", msr);
	return -EPERM;
}

int msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (msr >> 8 == X2APIC_MSRS >> 8)
		return read_x2apic(vcpu, msr, value);
	if (msr >> 8 == KVM_MSRS >> 8)
		return kvm_msr_read(vcpu, msr, value);
	return read_row(vcpu, msr, value);
}

/* What a guest writes at each interrupt or halt comes first. */
int msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (msr >> 8 == X2APIC_MSRS >> 8)
		return write_x2apic(vcpu, msr, value);
	if (msr == MSR_IA32_TSC_DEADLINE)
		return write_tsc_deadline(vcpu, msr, value);
	if (msr >> 8 == KVM_MSRS >> 8)
		return kvm_msr_write(vcpu, msr, value);
	return write_row(vcpu, msr, value);
}
