/* What the machine-check banks say ('Machine-Check Architecture', 'Error-Reporting Register
 * Banks'). */
#include "cpu/mce.h"
#include "cpu/msr.h"
#include "cpu/panic.h"
#include "cpu/percpu.h"
#include "lib/log.h"

#define MCG_CAP_COUNT    0xffu
#define MCG_CAP_CTL_P    BIT_ULL(8)
#define MCI_CTL(bank)    (0x400u + 4 * (bank))
#define MCI_STATUS(bank) (0x401u + 4 * (bank))
#define MCI_ADDR(bank)   (0x402u + 4 * (bank))
#define MCI_STATUS_VAL   BIT_ULL(63)
#define MCI_STATUS_ADDRV BIT_ULL(58)

/* More is not told of one pCPU, nor of all of them. */
#define ERRORS_MAX 4u
#define LINES_MAX  16u

struct bank_error {
	uint32_t bank;
	uint64_t status, addr;
};

/* (o) What each pCPU has found when it stopped. An error is told to all CPUs, but its bank can be
 * read on one alone; the one that panics reads these when the others have stopped. */
static struct {
	uint64_t status;
	uint32_t count;
	struct bank_error error[ERRORS_MAX];
} found[MAX_PCPUS];
static bool is_dumped; /* (a) a panic's report has them */

static bool read_bank(uint32_t bank, struct bank_error *error)
{
	*error = (struct bank_error){.bank = bank};
	if (msr_read_safe(MCI_STATUS(bank), &error->status) || !(error->status & MCI_STATUS_VAL))
		return false;
	if (!(error->status & MCI_STATUS_ADDRV) || msr_read_safe(MCI_ADDR(bank), &error->addr))
		error->addr = 0;
	return true;
}

/* 'Machine-Check Initialization'. What cannot be written is left as it is: a hypervisor below may
 * have fewer banks than it says. */
void mce_init(void)
{
	struct bank_error error;
	uint64_t cap;
	bool is_left_alone = false;

	if (msr_read_safe(MSR_IA32_MCG_CAP, &cap))
		return;
	if (cap & MCG_CAP_CTL_P)
		is_left_alone = msr_write_safe(MSR_IA32_MCG_CTL, UINT64_MAX);
	for (uint32_t bank = 0; bank < (cap & MCG_CAP_COUNT); bank++) {
		if (read_bank(bank, &error))
			log_warn("machine check before this start: IA32_MC%u_STATUS %#llx ADDR "
				 "%#llx",
				 bank, (unsigned long long)error.status,
				 (unsigned long long)error.addr);
		is_left_alone |= msr_write_safe(MCI_CTL(bank), UINT64_MAX) != 0;
		is_left_alone |= msr_write_safe(MCI_STATUS(bank), 0) != 0;
	}
	if (is_left_alone)
		log_debug("some machine-check registers cannot be written");
}

static void dump(void)
{
	uint32_t lines = 0;

	for (uint32_t id = 0; id < percpu_count(); id++)
		for (uint32_t i = 0; i < found[id].count && lines < LINES_MAX; i++, lines++) {
			const struct bank_error *error = &found[id].error[i];

			log_error("pCPU %u: IA32_MC%u_STATUS %#llx ADDR %#llx, IA32_MCG_STATUS "
				  "%#llx",
				  id, error->bank, (unsigned long long)error->status,
				  (unsigned long long)error->addr,
				  (unsigned long long)found[id].status);
		}
}

void mce_record(void)
{
	uint32_t id = this_cpu_id(), count = 0;
	uint64_t cap;

	if (msr_read_safe(MSR_IA32_MCG_CAP, &cap) ||
	    msr_read_safe(MSR_IA32_MCG_STATUS, &found[id].status))
		return;
	for (uint32_t bank = 0; bank < (cap & MCG_CAP_COUNT) && count < ERRORS_MAX; bank++)
		count += read_bank(bank, &found[id].error[count]);
	found[id].count = count;
	if (count && !__atomic_exchange_n(&is_dumped, true, __ATOMIC_RELAXED))
		panic_add_dumper(dump);
}
