/* For C and the assembler. */
#ifndef GUEST_STUBS_COMMON_SMP_STACK_H
#define GUEST_STUBS_COMMON_SMP_STACK_H

#define SMP_SMALL_STACK 2048 /* bytes, for a CPU that smp_start_many starts */

#endif
