/* What the machine-check banks say ('Machine-Check Architecture', 'Error-Reporting Register
 * Banks'). */
#include "cpu/mce.h"
#include "cpu/msr.h"
#include "lib/log.h"

#define MCG_CAP_COUNT    0xffu
#define MCI_STATUS(bank) (0x401u + 4 * (bank))
#define MCI_ADDR(bank)   (0x402u + 4 * (bank))
#define MCI_STATUS_VAL   BIT_ULL(63)
#define MCI_STATUS_ADDRV BIT_ULL(58)

void mce_dump(void)
{
	uint64_t cap, status, addr;

	if (msr_read_safe(MSR_IA32_MCG_CAP, &cap) || msr_read_safe(MSR_IA32_MCG_STATUS, &status))
		return;
	log_error("IA32_MCG_STATUS %#llx", (unsigned long long)status);
	for (uint32_t bank = 0; bank < (cap & MCG_CAP_COUNT); bank++) {
		if (msr_read_safe(MCI_STATUS(bank), &status) || !(status & MCI_STATUS_VAL))
			continue;
		if (!(status & MCI_STATUS_ADDRV) || msr_read_safe(MCI_ADDR(bank), &addr))
			addr = 0;
		log_error("IA32_MC%u_STATUS %#llx ADDR %#llx", bank, (unsigned long long)status,
			  (unsigned long long)addr);
	}
}
