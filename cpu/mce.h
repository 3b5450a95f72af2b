/* What the machine-check banks say, for the panic report ('Machine-Check Architecture'). */
#ifndef CPU_MCE_H
#define CPU_MCE_H

/* A panic dumper. On the pCPU that took the #MC. */
void mce_dump(void);

#endif
