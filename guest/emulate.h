/* Executes one guest instruction in software: the one that touched device memory, or string I/O.
 * Operands in RAM are read and written as the CPU would. */
#ifndef GUEST_EMULATE_H
#define GUEST_EMULATE_H

#include "guest/decode.h"
#include "guest/vcpu.h"

enum emulate_result {
	EMULATE_DONE,   /* executed: RIP goes on by `len` */
	EMULATE_AGAIN,  /* a repeated string instruction has done what WORK_NS permit: RIP stays */
	EMULATE_FAULT,  /* the guest has been given an exception: RIP stays */
	EMULATE_FAILED, /* not an instruction that Carousel executes; `why`, and the bytes */
};

struct emulation {
	unsigned len; /* bytes of the instruction */
	const char *why;
	uint8_t bytes[INSN_MAX_LEN];
	unsigned byte_count;
};

/* A translation that the CPU has made for the instruction's data, with the rights that it has
 * checked. */
struct emulate_known {
	uint64_t la; /* linear */
	gpa_t gpa;
	bool is_write;
};

/* The instruction at the vCPU's CS:RIP. What is `known`, or NULL, is not looked up in the guest's
 * page tables again. Owner pCPU, no lock held. */
enum emulate_result emulate_instruction(struct vcpu *vcpu, const struct emulate_known *known,
					struct emulation *emulation);

/* Do these bytes stand at CS:RIP, as the vCPU would fetch them? Gives it no fault. Owner pCPU. */
bool emulate_is_at(struct vcpu *vcpu, const uint8_t *bytes, unsigned count);

#endif
