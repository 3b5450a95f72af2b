/* The rules of MOV to CR0 and CR4. */
#include "vmx/cr_rules.h"

#include "vmx/cr.h"
#include "vmx/vmcs.h"

#define CR0_PAGING_MODE (CR0_PG | CR0_CD | CR0_NW)
#define CR4_PAGING_MODE (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)
#define PDPTE_PRESENT   BIT_ULL(0)
#define PDPTE_RESERVED  0x1e6ull /* bits 1, 2 and 5 to 8 */
#define TSS_TYPE        0xfu
#define TSS_BUSY        BIT(1)
#define TSS16           1u

static bool is_long_code(const struct cr_state *state)
{
	return state->cs_access & ACCESS_RIGHTS_L;
}

static bool has_16bit_tss(const struct cr_state *state)
{
	return (state->tr_access & TSS_TYPE & ~TSS_BUSY) == TSS16;
}

bool cr0_is_legal(const struct cr_state *state, uint64_t value)
{
	bool is_paging = value & CR0_PG, was_paging = state->cr0 & CR0_PG;

	if (value >> 32)
		return false;
	if (is_paging && !(value & CR0_PE))
		return false;
	if ((value & CR0_NW) && !(value & CR0_CD))
		return false;
	if (is_paging && !was_paging && (state->efer & EFER_LME) &&
	    (!(state->cr4 & CR4_PAE) || is_long_code(state) || has_16bit_tss(state)))
		return false;
	if (!is_paging && was_paging &&
	    ((state->cr4 & CR4_PCIDE) || ((state->efer & EFER_LMA) && is_long_code(state))))
		return false;
	return true;
}

bool cr4_is_legal(const struct cr_state *state, uint64_t value, uint64_t allowed)
{
	bool is_long = state->efer & EFER_LMA;

	if (value & ~allowed)
		return false;
	if (is_long && !(value & CR4_PAE))
		return false;
	return !(value & CR4_PCIDE) || (state->cr4 & CR4_PCIDE) ||
	       (is_long && !(state->cr3 & 0xfff));
}

bool cr0_loads_pdptes(const struct cr_state *state, uint64_t value)
{
	return (value & CR0_PG) && !(state->efer & EFER_LME) && (state->cr4 & CR4_PAE) &&
	       ((value ^ state->cr0) & CR0_PAGING_MODE);
}

bool cr4_loads_pdptes(const struct cr_state *state, uint64_t value)
{
	return (state->cr0 & CR0_PG) && !(state->efer & EFER_LMA) && (value & CR4_PAE) &&
	       ((value ^ state->cr4) & CR4_PAGING_MODE);
}

bool pdptes_are_legal(const uint64_t pdpte[4], unsigned maxphyaddr)
{
	const uint64_t reserved = PDPTE_RESERVED | ~(BIT_ULL(maxphyaddr) - 1);

	for (unsigned i = 0; i < 4; i++)
		if ((pdpte[i] & PDPTE_PRESENT) && (pdpte[i] & reserved))
			return false;
	return true;
}

bool cr0_flushes(uint64_t old, uint64_t value)
{
	/* Paging switched off forgets all; with it, and for little, whatever else of CR0 has to do
	 * with memory. */
	return (old ^ value) & (CR0_PAGING_MODE | CR0_WP);
}

bool cr4_flushes(uint64_t old, uint64_t value)
{
	return (old ^ value) & (CR4_PAGING_MODE | CR4_PCIDE);
}
