/* Results and flags. */
#include "guest/alu.h"

#define STATUS_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static uint64_t sign_bit(unsigned size)
{
	return 1ull << (size * 8 - 1);
}

/* SF, ZF and PF of a result. */
static uint64_t flags_of(uint64_t result, unsigned size)
{
	uint64_t flags = 0;

	if (!result)
		flags |= RFLAGS_ZF;
	if (result & sign_bit(size))
		flags |= RFLAGS_SF;
	if (!__builtin_parity((unsigned)(result & 0xff)))
		flags |= RFLAGS_PF;
	return flags;
}

static uint64_t add(uint64_t a, uint64_t b, uint64_t carry, unsigned size, uint64_t *flags)
{
	uint64_t result = alu_cut(a + b + carry, size);

	*flags = flags_of(result, size);
	if (result < a || (carry && result == a))
		*flags |= RFLAGS_CF;
	if ((a ^ result) & (b ^ result) & sign_bit(size))
		*flags |= RFLAGS_OF;
	if ((a ^ b ^ result) & 0x10)
		*flags |= RFLAGS_AF;
	return result;
}

static uint64_t subtract(uint64_t a, uint64_t b, uint64_t borrow, unsigned size, uint64_t *flags)
{
	uint64_t result = alu_cut(a - b - borrow, size);

	*flags = flags_of(result, size);
	if (a < b || (borrow && a == b))
		*flags |= RFLAGS_CF;
	if ((a ^ b) & (a ^ result) & sign_bit(size))
		*flags |= RFLAGS_OF;
	if ((a ^ b ^ result) & 0x10)
		*flags |= RFLAGS_AF;
	return result;
}

static uint64_t bit_test(enum insn_op op, uint64_t dst, uint64_t src, unsigned size,
			 uint64_t *rflags)
{
	uint64_t bit = 1ull << (src & (size * 8 - 1));

	/* CF is the bit; the other flags stay. */
	*rflags = (*rflags & ~RFLAGS_CF) | (dst & bit ? RFLAGS_CF : 0);
	switch (op) {
	case INSN_BTS:
		return dst | bit;
	case INSN_BTR:
		return dst & ~bit;
	case INSN_BTC:
		return dst ^ bit;
	default:
		return dst;
	}
}

uint64_t alu(enum insn_op op, uint64_t dst, uint64_t src, unsigned size, uint64_t *rflags)
{
	uint64_t carry = *rflags & RFLAGS_CF, flags = 0, result = dst;

	dst = alu_cut(dst, size);
	src = alu_cut(src, size);
	switch (op) {
	case INSN_AND:
	case INSN_TEST:
		result = dst & src;
		flags = flags_of(result, size);
		break;
	case INSN_OR:
		result = dst | src;
		flags = flags_of(result, size);
		break;
	case INSN_XOR:
		result = dst ^ src;
		flags = flags_of(result, size);
		break;
	case INSN_ADD:
		result = add(dst, src, 0, size, &flags);
		break;
	case INSN_ADC:
		result = add(dst, src, carry, size, &flags);
		break;
	case INSN_SUB:
	case INSN_CMP:
		result = subtract(dst, src, 0, size, &flags);
		break;
	case INSN_SBB:
		result = subtract(dst, src, carry, size, &flags);
		break;
	case INSN_NEG:
		result = subtract(0, dst, 0, size, &flags);
		break;
	case INSN_INC: /* INC and DEC leave CF */
		result = add(dst, 1, 0, size, &flags);
		flags = (flags & ~RFLAGS_CF) | carry;
		break;
	case INSN_DEC:
		result = subtract(dst, 1, 0, size, &flags);
		flags = (flags & ~RFLAGS_CF) | carry;
		break;
	case INSN_NOT: /* no flags */
		return alu_cut(~dst, size);
	default:
		return bit_test(op, dst, src, size, rflags);
	}
	*rflags = (*rflags & ~STATUS_FLAGS) | flags;
	return op == INSN_CMP || op == INSN_TEST ? dst : result;
}
