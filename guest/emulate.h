/* Executes one guest instruction in software: the one that touched device memory, or string I/O.
 * Operands in RAM are read and written as the CPU would. */
#ifndef GUEST_EMULATE_H
#define GUEST_EMULATE_H

#include "guest/decode.h"
#include "guest/vcpu.h"

enum emulate_result {
	EMULATE_DONE,  /* executed: RIP goes on by `len` */
	EMULATE_AGAIN, /* enter the guest again: a repeated string instruction has done what WORK_NS
			* permit, or nothing was done, as what is at RIP now is not what exited */
	EMULATE_FAULT, /* the guest has been given an exception: RIP stays */
	EMULATE_FAILED, /* not an instruction that Carousel executes; `why`, and the bytes */
};

struct emulation {
	unsigned len; /* bytes of the instruction */
	const char *why;
	uint8_t bytes[INSN_MAX_LEN];
	unsigned byte_count;
};

enum emulate_cause_kind {
	EMULATE_MEMORY, /* an access to memory that is not RAM */
	EMULATE_PORT,   /* INS or OUTS: the CPU has found the port permitted */
};

/* What the CPU was about to do when it exited, in the exit's own words. The instruction is fetched
 * later, when other vCPUs may have changed its bytes: it is executed only if it does this, for only
 * this has the CPU checked. */
struct emulate_cause {
	enum emulate_cause_kind kind;
	bool is_write; /* writes the memory, or the port: OUTS */

	/* EMULATE_MEMORY. For the kernel (CPL 0 to 2) the page's translation is taken from here,
	 * and not looked up again. For a program it is: the CPU may have made an access of its own,
	 * to a descriptor table, with a supervisor's rights. */
	bool has_la;
	uint64_t la; /* linear */
	gpa_t gpa;

	/* EMULATE_PORT */
	uint16_t port;
	uint8_t size;         /* bytes: 1, 2, 4 */
	uint8_t address_size; /* bytes: 2, 4, 8; 0: the CPU does not tell */
	bool is_repeated;
};

/* Executes the instruction at the vCPU's CS:RIP if it does what the `cause` says. A program (CPL
 * above 0) is given #UD where EMULATE_FAILED would be returned: it must not end its VM. Owner pCPU,
 * no lock held. */
enum emulate_result emulate_instruction(struct vcpu *vcpu, const struct emulate_cause *cause,
					struct emulation *emulation);

/* Do these bytes stand at CS:RIP, as the vCPU would fetch them? Gives it no fault. Owner pCPU. */
bool emulate_is_at(struct vcpu *vcpu, const uint8_t *bytes, unsigned count);

#endif
