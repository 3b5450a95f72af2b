/* VMCSs as tables of fields for VM entry's checks: the states in which guests are, all good. */
#ifndef TESTS_ENTRY_RIG_H
#define TESTS_ENTRY_RIG_H

#include "vmx/check_entry.h"
#include "vmx/cr.h"

#define RIG_ENCODINGS 0x7000u

enum rig_state {
	RIG_REAL,       /* as after INIT */
	RIG_PROTECTED,  /* 32-bit, no paging */
	RIG_PAE,        /* 32-bit, PAE paging, CPL 3 */
	RIG_LONG,       /* 64-bit mode, CPL 0 */
	RIG_COMPATIBLE, /* IA-32e mode, 32-bit code, CPL 3 */
	RIG_V8086,
	RIG_HALTED,     /* 64-bit mode, HLT activity state */
	RIG_APICV,      /* 64-bit mode, virtual-interrupt delivery, x2APIC */
	RIG_RESTRICTED, /* 64-bit mode, no unrestricted guest, no EPT */
	RIG_STATES,
};

struct rig {
	struct entry_input in; /* first */
	struct vmx_caps caps;
	uint64_t value[RIG_ENCODINGS];
	uint32_t parts;                 /* that are being checked: fields of others are not read */
	uint8_t read_by[RIG_ENCODINGS]; /* the single parts that have read a field */
	unsigned foreign;               /* reads of fields that vmx_entry_parts does not name */
};

static inline uint64_t rig_read(const struct entry_input *in, enum vmcs_field field)
{
	struct rig *rig = (struct rig *)(uintptr_t)in;

	if (!(rig->parts & (rig->parts - 1)))
		rig->read_by[field] |= (uint8_t)rig->parts;
	if (!(vmx_entry_parts(field) & rig->parts))
		rig->foreign++;
	return rig->value[field];
}

/* Of the emulator's corei7_skylake_x, with a monitor trap flag and CET besides. */
static const struct vmx_caps rig_caps = {
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = 0x2000,
	.cr4_fixed1 = 0xb727ff, /* with CET */
	.pin_allowed = 0x0000007f00000016,
	.primary_allowed = 0xfff9fffe04006172,
	.secondary_allowed = 0x02177fff00000000,
	.exit_allowed = 0x007fffff00036dfb,
	.entry_allowed = 0x0000ffff000011fb,
	.basic = 0x00d810000000002b,
	.misc = 0x00000000600401e0,
	.ept_vpid = 0x00000f0106334141,
	.physical_bits = 40,
	.linear_bits = 48,
};

static inline void rig_segment(struct rig *rig, unsigned n, uint16_t selector, uint64_t base,
			       uint32_t limit, uint32_t rights)
{
	rig->value[GUEST_ES_SELECTOR + 2 * n] = selector;
	rig->value[GUEST_ES_BASE + 2 * n] = base;
	rig->value[GUEST_ES_LIMIT + 2 * n] = limit;
	rig->value[GUEST_ES_ACCESS_RIGHTS + 2 * n] = rights;
}

static inline void rig_segments(struct rig *rig, uint16_t cs, uint32_t cs_rights, uint16_t ds,
				uint32_t ds_rights, uint32_t limit)
{
	for (unsigned n = 0; n < 6; n++)
		rig_segment(rig, n, ds, 0, limit, ds_rights);
	rig_segment(rig, 1, cs, 0, limit, cs_rights);
}

static inline void rig_set_controls(struct rig *rig)
{
	uint64_t *v = rig->value;

	v[PIN_BASED_CONTROLS] = 0x16 | PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING |
				PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER;
	v[PRIMARY_CONTROLS] = 0x04006172 | PRIMARY_USE_TSC_OFFSETTING | PRIMARY_HLT_EXITING |
			      PRIMARY_CR8_LOAD_EXITING | PRIMARY_CR8_STORE_EXITING |
			      PRIMARY_USE_IO_BITMAPS | PRIMARY_USE_MSR_BITMAPS |
			      PRIMARY_SECONDARY_CONTROLS;
	v[SECONDARY_CONTROLS] = SECONDARY_ENABLE_EPT | SECONDARY_UNRESTRICTED_GUEST |
				SECONDARY_ENABLE_VPID | SECONDARY_PAUSE_LOOP_EXITING;
	v[EXIT_CONTROLS] = 0x36dfb | EXIT_SAVE_DEBUG_CONTROLS | EXIT_HOST_ADDRESS_SPACE_SIZE |
			   EXIT_SAVE_IA32_PAT | EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_EFER |
			   EXIT_LOAD_IA32_EFER | EXIT_SAVE_PREEMPTION_TIMER;
	v[ENTRY_CONTROLS] =
		0x11fb | ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_IA32_PAT | ENTRY_LOAD_IA32_EFER;
	v[IO_BITMAP_A] = 0x100000;
	v[IO_BITMAP_B] = 0x101000;
	v[MSR_BITMAP] = 0x102000;
	v[VIRTUAL_APIC_ADDRESS] = 0x103000;
	v[APIC_ACCESS_ADDRESS] = 0x104000;
	v[EPT_POINTER] = 0x105000 | 3u << 3 | 6 | 1u << 6;
	v[VPID] = 1;
	v[VMCS_LINK_POINTER] = UINT64_MAX;
}

static inline void rig_set_host(struct rig *rig)
{
	uint64_t *v = rig->value;

	v[HOST_CR0] = 0x80010031;
	v[HOST_CR3] = 0x200000;
	v[HOST_CR4] = 0x2020;
	v[HOST_CS_SELECTOR] = 8;
	v[HOST_SS_SELECTOR] = 16;
	v[HOST_TR_SELECTOR] = 24;
	v[HOST_GS_BASE] = 0x201000;
	v[HOST_TR_BASE] = 0x202000;
	v[HOST_GDTR_BASE] = 0x203000;
	v[HOST_IDTR_BASE] = 0xffff800000000000;
	v[HOST_IA32_PAT] = 0x0007040600070406;
	v[HOST_IA32_EFER] = 0xd01;
	v[HOST_RIP] = 0x204000;
}

static inline void rig_set_long(struct rig *rig)
{
	uint64_t *v = rig->value;

	v[GUEST_CR0] = 0x80010033;
	v[GUEST_CR4] = 0x2060;
	v[GUEST_IA32_EFER] = 0xd01;
	v[ENTRY_CONTROLS] |= ENTRY_IA32E_MODE_GUEST;
	v[GUEST_RIP] = 0xffffffff81000000;
	rig_segments(rig, 8, 0xa09b, 16, 0xc093, UINT32_MAX);
	v[GUEST_FS_BASE] = 0x7fffffffffff;
	v[GUEST_GS_BASE] = 0xffff888000000000;
	rig_segment(rig, 7, 0x40, 0xfffffe0000001000, 0x67, 0x8b);
	/* Null selectors, unusable; their other bits do not count. */
	v[GUEST_ES_SELECTOR] = 0;
	v[GUEST_ES_ACCESS_RIGHTS] = ACCESS_RIGHTS_UNUSABLE;
}

static inline void rig_set_paged(struct rig *rig)
{
	uint64_t *v = rig->value;

	v[GUEST_CR0] = 0x80010033;
	v[GUEST_CR4] = 0x2020;
	v[GUEST_PDPTE0] = 0x3001;
	v[GUEST_PDPTE3] = 0xff7000 | 0x19;    /* PWT, PCD */
	v[GUEST_PDPTE1] = 0xfffffffffffffffe; /* not present */
}

/* A good VMCS in this state. */
static inline void rig_set(struct rig *rig, enum rig_state state)
{
	uint64_t *v = rig->value;

	for (unsigned i = 0; i < RIG_ENCODINGS; i++)
		v[i] = 0;
	rig->in = (struct entry_input){.caps = &rig->caps, .read = rig_read};
	rig->caps = rig_caps;
	rig->parts = PART_ALL;
	rig_set_controls(rig);
	rig_set_host(rig);
	v[GUEST_CR0] = 0x60000030;
	v[GUEST_CR4] = 0x2000;
	v[GUEST_DR7] = 0x400;
	v[GUEST_IA32_PAT] = 0x0007040600070406;
	v[GUEST_RIP] = 0xfff0;
	v[GUEST_RFLAGS] = 2;
	v[GUEST_GDTR_LIMIT] = v[GUEST_IDTR_LIMIT] = 0xffff;
	rig_segments(rig, 0xf000, 0x9b, 0, 0x93, 0xffff);
	v[GUEST_CS_BASE] = 0xffff0000;
	rig_segment(rig, 6, 0, 0, 0xffff, 0x82);
	rig_segment(rig, 7, 0, 0, 0xffff, 0x8b);
	switch (state) {
	case RIG_PROTECTED:
		v[GUEST_CR0] = 0x33;
		rig_segments(rig, 8, 0xc09b, 16, 0xc093, UINT32_MAX);
		break;
	case RIG_PAE:
		rig_set_paged(rig);
		rig_segments(rig, 0x1b, 0xc0fb, 0x23, 0xc0f3, UINT32_MAX);
		v[GUEST_RFLAGS] = 0x202;
		break;
	case RIG_V8086:
		rig_set_paged(rig);
		for (unsigned n = 0; n < 6; n++)
			rig_segment(rig, n, (uint16_t)(0x1003 * n), 0x10030 * n, 0xffff, 0xf3);
		v[GUEST_RFLAGS] = 0x23202;
		break;
	case RIG_COMPATIBLE:
		rig_set_long(rig);
		v[GUEST_RIP] = 0xffffffff;
		rig_segments(rig, 0x23, 0xc0fb, 0x2b, 0xc0f3, UINT32_MAX);
		break;
	case RIG_LONG:
		rig_set_long(rig);
		break;
	case RIG_HALTED:
		rig_set_long(rig);
		v[GUEST_ACTIVITY_STATE] = ACTIVITY_HLT;
		v[GUEST_RFLAGS] = 0x202;
		break;
	case RIG_APICV:
		rig_set_long(rig);
		v[PRIMARY_CONTROLS] |= PRIMARY_USE_TPR_SHADOW;
		v[SECONDARY_CONTROLS] |= SECONDARY_APIC_REGISTER_VIRTUALIZATION |
					 SECONDARY_VIRTUAL_INTERRUPT_DELIVERY |
					 SECONDARY_VIRTUALIZE_X2APIC_MODE;
		v[TPR_THRESHOLD] = 0xff; /* does not count */
		break;
	case RIG_RESTRICTED:
		rig_set_long(rig);
		v[SECONDARY_CONTROLS] = 0;
		v[GUEST_CS_SELECTOR] = 0x33;
		v[GUEST_CS_ACCESS_RIGHTS] = 0xa0fb;
		for (unsigned n = 2; n < 6; n++)
			rig_segment(rig, n, 0x2b, 0, UINT32_MAX, 0xc0f3);
		break;
	default:
		break;
	}
}

#endif
