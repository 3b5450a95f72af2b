/* The machine-check banks ('Machine-Check Architecture'). */
#ifndef CPU_MCE_H
#define CPU_MCE_H

/* Logs what the banks kept from before this start, clears them, and switches all reporting on. On
 * each pCPU, before CR4.MCE. */
void mce_init(void);

/* Takes down what this pCPU's banks have, for the report of a panic. In the handler of #MC, and
 * when this pCPU stops for a panic, which may have come before its own #MC. */
void mce_record(void);

#endif
