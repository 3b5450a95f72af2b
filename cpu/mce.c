/* What the machine-check banks say ('Machine-Check Architecture', 'Error-Reporting Register
 * Banks'). */
#include "cpu/mce.h"
#include "cpu/msr.h"
#include "lib/log.h"

#define MCG_CAP_COUNT    0xffu
#define MCG_CAP_CTL_P    BIT_ULL(8)
#define MCI_CTL(bank)    (0x400u + 4 * (bank))
#define MCI_STATUS(bank) (0x401u + 4 * (bank))
#define MCI_ADDR(bank)   (0x402u + 4 * (bank))
#define MCI_STATUS_VAL   BIT_ULL(63)
#define MCI_STATUS_ADDRV BIT_ULL(58)

/* What the log makes of a bank that has an error. */
static void report_bank(enum log_level level, uint32_t bank, const char *when)
{
	uint64_t status, addr;

	if (msr_read_safe(MCI_STATUS(bank), &status) || !(status & MCI_STATUS_VAL))
		return;
	if (!(status & MCI_STATUS_ADDRV) || msr_read_safe(MCI_ADDR(bank), &addr))
		addr = 0;
	log_printf(level, "%sIA32_MC%u_STATUS %#llx ADDR %#llx", when, bank,
		   (unsigned long long)status, (unsigned long long)addr);
}

/* 'Machine-Check Initialization'. What cannot be written is left as it is: a hypervisor below may
 * have fewer banks than it says. */
void mce_init(void)
{
	uint64_t cap;
	bool is_left_alone = false;

	if (msr_read_safe(MSR_IA32_MCG_CAP, &cap))
		return;
	if (cap & MCG_CAP_CTL_P)
		is_left_alone = msr_write_safe(MSR_IA32_MCG_CTL, UINT64_MAX);
	for (uint32_t bank = 0; bank < (cap & MCG_CAP_COUNT); bank++) {
		report_bank(LOG_WARN, bank, "machine check before this start: ");
		is_left_alone |= msr_write_safe(MCI_CTL(bank), UINT64_MAX) != 0;
		is_left_alone |= msr_write_safe(MCI_STATUS(bank), 0) != 0;
	}
	if (is_left_alone)
		log_debug("some machine-check registers cannot be written");
}

void mce_dump(void)
{
	uint64_t cap, status;

	if (msr_read_safe(MSR_IA32_MCG_CAP, &cap) || msr_read_safe(MSR_IA32_MCG_STATUS, &status))
		return;
	log_error("IA32_MCG_STATUS %#llx", (unsigned long long)status);
	for (uint32_t bank = 0; bank < (cap & MCG_CAP_COUNT); bank++)
		report_bank(LOG_ERROR, bank, "");
}
