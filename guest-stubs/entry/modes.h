/* What modes.S and entry.c agree on. */
#ifndef GUEST_STUBS_ENTRY_MODES_H
#define GUEST_STUBS_ENTRY_MODES_H

/* The GDT that entry.c loads; the first four are those of crt.S. */
#define SEL_CODE64 0x08
#define SEL_CODE32 0x18
#define SEL_TSS64  0x30
#define SEL_TSS16  0x40
#define SEL_TSS32  0x48

/* struct legacy */
#define LEGACY_CR0      0
#define LEGACY_CR3      4
#define LEGACY_CR4      8
#define LEGACY_EFER     12
#define LEGACY_TR       16
#define LEGACY_POKE     20
#define LEGACY_POKED    24
#define LEGACY_THEN_CR4 28
#define LEGACY_VECTOR   32
#define LEGACY_SEEN_CR0 36

#ifndef __ASSEMBLER__
#include "guest-stubs/common/stub.h"

/* What to do in protected mode without paging, one after the other. */
struct legacy {
	uint32_t cr0, cr3, cr4; /* the values to load, CR0 last */
	uint32_t efer;          /* bits to set besides: LME */
	uint32_t tr;            /* 0, or the selector of a TSS to load first */
	uint32_t poke, poked;   /* an address and what is written there, once paging is on */
	uint32_t then_cr4;      /* and this into CR4 */
	/* What came of it: the vector of a fault, or -1; CR0 afterwards. */
	int32_t vector;
	uint32_t seen_cr0;
};

uint64_t entry_run_32(uint64_t eip, uint64_t rax, uint64_t rdx);
uint64_t entry_run_64(uint64_t rip);
void entry_run_legacy(struct legacy *legacy);
void entry_step(uint32_t is_hlt);
void entry_fault_in_iret(void (*send_nmi)(void));
void entry_back(void);
void entry_nmi(void);

extern const uint8_t entry_mov_cr0[], entry_mov_cr4[], legacy_gp[];
extern const uint8_t entry_after_sti[], entry_after_shadow[], entry_after_ss[], entry_after_cpuid[];
extern const uint8_t entry_steps[], entry_steps_end[];
extern uint64_t legacy_idt[14];
extern uint8_t entry_user_stack[];
#endif

#endif
