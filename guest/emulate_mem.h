/* Inside the emulator: its parts, and its way to guest memory: segmentation, paging, and then RAM
 * or a device. Not for others than guest/emulate*.c. */
#ifndef GUEST_EMULATE_MEM_H
#define GUEST_EMULATE_MEM_H

#include "guest/decode.h"
#include "guest/emulate.h"
#include "guest/pgwalk.h"
#include "guest/vcpu.h"

/* Access rights of a segment. */
#define RIGHTS_RW          BIT(1)
#define RIGHTS_EXPAND_DOWN BIT(2)
#define RIGHTS_CODE        BIT(3)
#define RIGHTS_L           BIT(13)
#define RIGHTS_DB          BIT(14)
#define RIGHTS_UNUSABLE    BIT(16)

/* One instruction under emulation, and what it finds. */
struct emulate_context {
	struct vcpu *vcpu;
	const struct emulate_cause *cause; /* NULL: unit tests that execute only */
	struct pgwalk_state paging;
	enum insn_mode mode;
	bool is_default_32;
	uint64_t rip, rflags;
	struct insn insn;
	uint64_t offset; /* of the memory operand that ModRM or moffs gives */
};

enum emulate_access {
	MEMORY_READ,
	MEMORY_WRITE,
	MEMORY_MODIFY, /* reads what is written next: it faults as the write would */
};

/* Where an access of up to 8 bytes goes: to one page, or to the end of one and the start of
 * another. */
struct emulate_place {
	gpa_t gpa[2];
	unsigned size, first; /* bytes, and how many of them are in the first page */
};

/* What follows is called on the owner pCPU. */

/* guest/emulate.c: the parts of emulate_instruction */
void emulate_load_context(struct emulate_context *c, struct vcpu *vcpu);
enum emulate_result emulate_fetch(struct emulate_context *c, struct emulation *e);
enum emulate_result emulate_execute(struct emulate_context *c, struct emulation *e);

/* guest/emulate_cause.c: does what was fetched do what c->cause says? */
bool emulate_agrees(const struct emulate_context *c);

/* CMP, TEST, BT: their destination is only read. */
static inline bool emulate_is_test(const struct insn *insn)
{
	return insn->op == INSN_CMP || insn->op == INSN_TEST || insn->op == INSN_BT;
}

/* guest/emulate_operand.c: registers, and the offset of the memory operand that ModRM or moffs
 * gives */
uint64_t emulate_read_gpr(const struct emulate_context *c, unsigned reg);
void emulate_write_gpr(struct emulate_context *c, unsigned reg, unsigned size, uint64_t value);
uint64_t emulate_offset(const struct emulate_context *c);

/* In 64-bit mode all segments but FS and GS are flat. */
static inline bool emulate_has_segment(const struct emulate_context *c, unsigned segment)
{
	return c->mode != INSN_MODE_64 || segment == SEG_FS || segment == SEG_GS;
}

/* guest/emulate_mem.c. Segment and offset to a linear address, nothing checked. */
uint64_t emulate_linear(const struct emulate_context *c, unsigned segment, uint64_t offset);

/* Those that follow are false after the guest has been given an exception. */

/* Translates one byte's linear address; #PF. */
bool emulate_translate(struct emulate_context *c, uint64_t la, enum pgwalk_access access,
		       gpa_t *gpa);

/* Where the instruction's bytes from its `skip`th on are, and how many of `*n` lie there together:
 * #GP, #PF. */
bool emulate_find_code(struct emulate_context *c, unsigned skip, unsigned *n, gpa_t *gpa);

/* The same, but that false has given no exception. */
bool emulate_look_for_code(struct emulate_context *c, unsigned skip, unsigned *n, gpa_t *gpa);

/* Segment and offset to a place: #GP, #SS, #PF. Both its pages are looked up before anything is
 * touched. */
bool emulate_find_place(struct emulate_context *c, unsigned segment, uint64_t offset, unsigned size,
			bool is_write, struct emulate_place *place);

/* One access of up to 8 bytes. */
bool emulate_access_memory(struct emulate_context *c, unsigned segment, uint64_t offset,
			   unsigned size, enum emulate_access access, uint64_t *value);

/* Writes where a place was found. */
void emulate_store(struct emulate_context *c, const struct emulate_place *place, uint64_t value);

#endif
