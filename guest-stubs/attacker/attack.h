/* What an attacker does, and what its parts share. An attack is a row of a table: attacker.c looks
 * for the one that is asked for. */
#ifndef GUEST_STUBS_ATTACKER_ATTACK_H
#define GUEST_STUBS_ATTACKER_ATTACK_H

#include "guest-stubs/common/stub.h"

struct attack {
	const char *name;
	void (*begin)(void);        /* once, on the first CPU; or NULL */
	void (*round)(uint64_t n);  /* again and again, on the first CPU; it may never return */
	void (*others)(uint64_t n); /* again and again on each other CPU; NULL: they halt */
};

/* Each ends with a row without a name. */
extern const struct attack attacks_on_turns[], attacks_by_timers[], attacks_by_fw_cfg[],
	attacks_by_virtio[], attacks_by_exits[], attacks_by_strings[], attacks_by_apic[],
	attacks_by_memory[];

/* Interrupts (vectors from 32 on) that any CPU has taken. */
extern volatile uint64_t attack_interrupts;

/* A number that nobody foresees, but the same in each run. */
uint64_t attack_random(void);

/* Halts until an interrupt has come; n does not matter. */
void attack_halt(uint64_t n);

/* Spins for a while. */
void attack_spin(uint64_t n);

/* Where a guest's memory is free: behind the stub, on a 2 MiB border. */
uint64_t attack_memory(void);

/* The local APIC timer of this CPU, periodic. */
void attack_tick(uint64_t ns);

#endif
