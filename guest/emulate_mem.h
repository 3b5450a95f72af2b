/* The emulator's way to guest memory: segmentation, paging, and then RAM or a device. Not for
 * others than guest/emulate.c. */
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
	const struct emulate_known *known; /* NULL: nothing */
	struct pgwalk_state paging;
	enum insn_mode mode;
	bool is_default_32;
	uint64_t rip, rflags;
	struct insn insn;
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

/* All of them, on the owner pCPU: false after the guest has been given an exception. */

/* Translates one byte's linear address; #PF. */
bool emulate_translate(struct emulate_context *c, uint64_t la, enum pgwalk_access access,
		       gpa_t *gpa);

/* Where the instruction's bytes from its `skip`th on are, and how many of `*n` lie there together:
 * #GP, #PF. */
bool emulate_find_code(struct emulate_context *c, unsigned skip, unsigned *n, gpa_t *gpa);

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
