/* The machine-check banks ('Machine-Check Architecture'). */
#ifndef CPU_MCE_H
#define CPU_MCE_H

/* Logs what the banks kept from before this start, clears them, and switches all reporting on. On
 * each pCPU, before CR4.MCE. */
void mce_init(void);

/* A panic dumper. On the pCPU that took the #MC. */
void mce_dump(void);

#endif
