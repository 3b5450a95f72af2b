/* The memory type range registers ('Memory Type Range Registers'). */
#include "lib/string.h"
#include "guest/mtrr.h"

#include "cpu/msr.h"
#include "lib/errno.h"

#define MTRR_FIXED_COUNT      11
#define MTRR_VARIABLE_COUNT   8
#define MTRR_DEF_TYPE_INDEX   (VCPU_MTRR_COUNT - 1)
#define MTRRCAP_FIX           BIT_ULL(8)
#define MTRRCAP_WC            BIT_ULL(10)
#define MTRR_WRITE_BACK       6u
#define MTRR_FIXED_WRITE_BACK 0x0606060606060606ull
#define MTRR_PHYSMASK_VALID   BIT_ULL(11)
#define MTRR_DEF_TYPE_FE      BIT_ULL(10)
#define MTRR_DEF_TYPE_E       BIT_ULL(11)

int mtrr_read_cap(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	(void)vcpu;
	(void)msr;
	*value = MTRR_VARIABLE_COUNT | MTRRCAP_FIX | MTRRCAP_WC;
	return 0;
}

/* The place of an MTRR in vcpu->mtrr: 11 fixed ones, 8 pairs, the default type. */
static unsigned mtrr_index(uint32_t msr)
{
	if (msr >= 0x200 && msr <= 0x20f)
		return MTRR_FIXED_COUNT + (msr - 0x200);
	if (msr == MSR_IA32_MTRR_DEF_TYPE)
		return MTRR_DEF_TYPE_INDEX;
	if (msr == 0x250)
		return 0;
	if (msr == 0x258 || msr == 0x259)
		return 1 + (msr - 0x258);
	return 3 + (msr - 0x268);
}

/* 'Memory Type Range Registers': off at reset. As firmware leaves them: RAM is write-back by
 * default, but for the VGA's window and for the devices below 4 GiB. */
void mtrr_reset(struct vcpu *vcpu)
{
	unsigned maxphyaddr = vcpu->cpuid.ext[8].eax & 0xff;

	memset(vcpu->mtrr, 0, sizeof(vcpu->mtrr));
	for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
		vcpu->mtrr[i] = MTRR_FIXED_WRITE_BACK;
	vcpu->mtrr[mtrr_index(0x259)] = 0;      /* 0xa0000-0xbffff: uncacheable */
	vcpu->mtrr[mtrr_index(0x200)] = GIB(3); /* the same */
	vcpu->mtrr[mtrr_index(0x201)] =
		((BIT_ULL(maxphyaddr) - 1) & ~(GIB(1) - 1)) | MTRR_PHYSMASK_VALID;
	vcpu->mtrr[MTRR_DEF_TYPE_INDEX] = MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE | MTRR_WRITE_BACK;
}

int mtrr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	*value = vcpu->mtrr[mtrr_index(msr)];
	return 0;
}

/* Reserved bits and types that are not there give #GP. */
int mtrr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	unsigned maxphyaddr = vcpu->cpuid.ext[8].eax & 0xff;
	uint64_t above = ~(BIT_ULL(maxphyaddr) - 1);

	if (msr == MSR_IA32_MTRR_DEF_TYPE) {
		if ((value & ~0xcffull) || !mtrr_is_type(value & 0xff))
			return -EPERM;
	} else if (msr >= 0x200 && msr <= 0x20f) {
		if (value & above)
			return -EPERM;
		if (msr & 1 ? value & 0x7ff : (value & 0xf00) || !mtrr_is_type(value & 0xff))
			return -EPERM;
	} else {
		for (unsigned i = 0; i < 8; i++)
			if (!mtrr_is_type(value >> (8 * i) & 0xff))
				return -EPERM;
	}
	vcpu->mtrr[mtrr_index(msr)] = value;
	return 0;
}
