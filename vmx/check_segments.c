/* 'Checks on Guest Segment Registers' and '… Descriptor-Table Registers'. */
#include "vmx/check_entry.h"
#include "vmx/cr.h"

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

/* Access rights. */
#define TYPE_ACCESSED BIT(0)
#define TYPE_READABLE BIT(1)
#define TYPE_CODE     BIT(3)
#define RIGHTS_TYPE   0xfu
#define RIGHTS_S      BIT(4)
#define RIGHTS_P      BIT(7)
#define RIGHTS_DB     BIT(14)
#define RIGHTS_G      BIT(15)
#define RIGHTS_11_8   0xf00u
#define RIGHTS_31_17  0xfffe0000u
#define RIGHTS_V8086  0xf3u

#define SELECTOR_RPL 3u
#define SELECTOR_TI  BIT(2)
#define RFLAGS_VM    BIT(17)

/* A segment's fields, and what of the rest they are held against. */
struct segment {
	uint32_t selector, limit, rights, type, dpl, rpl;
	uint64_t base;
	bool is_usable;
};

static struct segment get_segment(const struct entry_input *in, unsigned n)
{
	struct segment s = {
		.selector = (uint32_t)entry_get(in, GUEST_ES_SELECTOR + 2 * n),
		.limit = (uint32_t)entry_get(in, GUEST_ES_LIMIT + 2 * n),
		.rights = (uint32_t)entry_get(in, GUEST_ES_ACCESS_RIGHTS + 2 * n),
		.base = entry_get(in, GUEST_ES_BASE + 2 * n),
	};

	s.type = s.rights & RIGHTS_TYPE;
	s.dpl = s.rights >> 5 & 3;
	s.rpl = s.selector & SELECTOR_RPL;
	/* CS and TR have no such bit to be excused by. */
	s.is_usable = n == CS || n == TR || !(s.rights & ACCESS_RIGHTS_UNUSABLE);
	return s;
}

static struct entry_breach check_v8086(const struct entry_input *in)
{
	for (unsigned n = ES; n <= GS; n++) {
		struct segment s = get_segment(in, n);

		if (s.base != (uint64_t)s.selector << 4)
			return BREACH_OF(RULE_V8086_BASE, n);
		if (s.limit != 0xffff)
			return BREACH_OF(RULE_V8086_LIMIT, n);
		if (s.rights != RIGHTS_V8086)
			return BREACH_OF(RULE_V8086_ACCESS, n);
	}
	return BREACH_NONE;
}

static struct entry_breach check_base(const struct entry_input *in, unsigned n,
				      const struct segment *s)
{
	switch (n) {
	case CS:
		return s->base >> 32 ? BREACH_OF(RULE_CS_BASE, n) : BREACH_NONE;
	case SS:
	case DS:
	case ES:
		return s->is_usable && s->base >> 32 ? BREACH_OF(RULE_DATA_BASE, n) : BREACH_NONE;
	case LDTR:
		if (!s->is_usable)
			return BREACH_NONE;
		break;
	default: /* TR, FS and GS: even if unusable */
		break;
	}
	return entry_is_canonical(in, s->base) ? BREACH_NONE : BREACH_OF(RULE_BASE_CANONICAL, n);
}

/* What holds for all that are usable, code, data or system. */
static struct entry_breach check_rights(unsigned n, const struct segment *s)
{
	if (!(s->rights & RIGHTS_P))
		return BREACH_OF(RULE_SEGMENT_P, n);
	if (s->rights & RIGHTS_11_8)
		return BREACH_OF(RULE_SEGMENT_RESERVED, n);
	if ((s->limit & 0xfff) != 0xfff && (s->rights & RIGHTS_G))
		return BREACH_OF(RULE_SEGMENT_G_SMALL, n);
	if ((s->limit >> 20) && !(s->rights & RIGHTS_G))
		return BREACH_OF(RULE_SEGMENT_G_LARGE, n);
	if (s->rights & RIGHTS_31_17)
		return BREACH_OF(RULE_SEGMENT_HIGH, n);
	return BREACH_NONE;
}

static struct entry_breach check_cs(const struct entry_input *in, const struct segment *cs,
				    bool is_unrestricted)
{
	uint32_t ss_dpl = (uint32_t)entry_get(in, GUEST_SS_ACCESS_RIGHTS) >> 5 & 3;

	switch (cs->type) {
	case 3:
		if (!is_unrestricted)
			return BREACH_OF(RULE_CS_TYPE, CS);
		if (cs->dpl)
			return BREACH_OF(RULE_CS_DPL_DATA, CS);
		break;
	case 9:
	case 11:
		if (cs->dpl != ss_dpl)
			return BREACH_OF(RULE_CS_DPL_NON_CONFORMING, CS);
		break;
	case 13:
	case 15:
		if (cs->dpl > ss_dpl)
			return BREACH_OF(RULE_CS_DPL_CONFORMING, CS);
		break;
	default:
		return BREACH_OF(RULE_CS_TYPE, CS);
	}
	if (entry_has(in, ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST) &&
	    (cs->rights & ACCESS_RIGHTS_L) && (cs->rights & RIGHTS_DB))
		return BREACH_OF(RULE_CS_DB, CS);
	return BREACH_NONE;
}

/* SS' RPL and DPL count even if it is unusable: its DPL is the CPL. */
static struct entry_breach check_ss(const struct entry_input *in, const struct segment *ss,
				    bool is_unrestricted)
{
	uint32_t cs_rpl = (uint32_t)entry_get(in, GUEST_CS_SELECTOR) & SELECTOR_RPL;
	uint32_t cs_type = (uint32_t)entry_get(in, GUEST_CS_ACCESS_RIGHTS) & RIGHTS_TYPE;

	if (!is_unrestricted && ss->rpl != cs_rpl)
		return BREACH_OF(RULE_SS_RPL, SS);
	if (ss->is_usable && ss->type != 3 && ss->type != 7)
		return BREACH_OF(RULE_SS_TYPE, SS);
	if (!is_unrestricted && ss->dpl != ss->rpl)
		return BREACH_OF(RULE_SS_DPL_RPL, SS);
	if (ss->dpl && (cs_type == 3 || !(entry_get(in, GUEST_CR0) & CR0_PE)))
		return BREACH_OF(RULE_SS_DPL_REAL, SS);
	return BREACH_NONE;
}

static struct entry_breach check_data(unsigned n, const struct segment *s, bool is_unrestricted)
{
	if (!(s->type & TYPE_ACCESSED))
		return BREACH_OF(RULE_DATA_ACCESSED, n);
	if ((s->type & TYPE_CODE) && !(s->type & TYPE_READABLE))
		return BREACH_OF(RULE_DATA_READABLE, n);
	if (!is_unrestricted && s->type <= 11 && s->dpl < s->rpl)
		return BREACH_OF(RULE_DATA_DPL, n);
	return BREACH_NONE;
}

static struct entry_breach check_code_or_data(const struct entry_input *in, unsigned n)
{
	bool is_unrestricted = entry_secondary(in) & SECONDARY_UNRESTRICTED_GUEST;
	struct segment s = get_segment(in, n);
	struct entry_breach breach = check_base(in, n, &s);

	if (breach.rule)
		return breach;
	if (n == CS)
		breach = check_cs(in, &s, is_unrestricted);
	else if (n == SS)
		breach = check_ss(in, &s, is_unrestricted);
	else if (s.is_usable)
		breach = check_data(n, &s, is_unrestricted);
	if (breach.rule || !s.is_usable)
		return breach;
	return s.rights & RIGHTS_S ? check_rights(n, &s) : BREACH_OF(RULE_SEGMENT_S, n);
}

static struct entry_breach check_tr(const struct entry_input *in, const struct segment *tr)
{
	bool is_ia32e = entry_has(in, ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST);

	if (tr->selector & SELECTOR_TI)
		return BREACH_OF(RULE_TR_TI, TR);
	if (tr->rights & ACCESS_RIGHTS_UNUSABLE)
		return BREACH_OF(RULE_TR_UNUSABLE, TR);
	if (is_ia32e && tr->type != 11)
		return BREACH_OF(RULE_TR_TYPE_IA32E, TR);
	if (tr->type != 3 && tr->type != 11)
		return BREACH_OF(RULE_TR_TYPE, TR);
	return BREACH_NONE;
}

static struct entry_breach check_ldtr(const struct segment *ldtr)
{
	if (ldtr->selector & SELECTOR_TI)
		return BREACH_OF(RULE_LDTR_TI, LDTR);
	return ldtr->type == 2 ? BREACH_NONE : BREACH_OF(RULE_LDTR_TYPE, LDTR);
}

static struct entry_breach check_system(const struct entry_input *in, unsigned n)
{
	struct segment s = get_segment(in, n);
	struct entry_breach breach;

	if (!s.is_usable)
		return BREACH_NONE;
	breach = n == TR ? check_tr(in, &s) : check_ldtr(&s);
	if (!breach.rule)
		breach = check_base(in, n, &s);
	if (breach.rule)
		return breach;
	return s.rights & RIGHTS_S ? BREACH_OF(RULE_SYSTEM_S, n) : check_rights(n, &s);
}

static struct entry_breach check_tables(const struct entry_input *in)
{
	if (!entry_is_canonical(in, entry_get(in, GUEST_GDTR_BASE)))
		return BREACH(RULE_GDTR_BASE);
	if (!entry_is_canonical(in, entry_get(in, GUEST_IDTR_BASE)))
		return BREACH(RULE_IDTR_BASE);
	if (entry_get(in, GUEST_GDTR_LIMIT) >> 16)
		return BREACH(RULE_GDTR_LIMIT);
	return entry_get(in, GUEST_IDTR_LIMIT) >> 16 ? BREACH(RULE_IDTR_LIMIT) : BREACH_NONE;
}

struct entry_breach vmx_check_segments(const struct entry_input *in)
{
	struct entry_breach breach = BREACH_NONE;

	if (entry_get(in, GUEST_RFLAGS) & RFLAGS_VM)
		breach = check_v8086(in);
	else
		for (unsigned n = ES; n <= GS && !breach.rule; n++)
			breach = check_code_or_data(in, n);
	for (unsigned n = LDTR; n <= TR && !breach.rule; n++)
		breach = check_system(in, n);
	return breach.rule ? breach : check_tables(in);
}
