/* What must not depend on how many VMs and pCPUs there are. With several pCPUs Bochs' TSC goes in
 * steps of five, so these are means of many. `mean METRIC VALUE ticks`, with two decimals.
 *
 *  cpuid: as in alone.c, but with interrupts on and a timer pending, as guests run
 *  hlt_timer_blocked: as in alone.c */
#include "guest-stubs/bench/measure.h"
#include "guest-stubs/bench/parts.h"
#include "guest-stubs/common/clock.h"
#include "guest-stubs/common/insn.h"
#include "guest-stubs/common/msr.h"
#include "guest-stubs/common/timer.h"

#include <asm/kvm_para.h>

#define OTHERS_NS (40 * NS_PER_MS) /* so long others may still start */

void bench_scale(void)
{
	report_means();
	timer_init();
	timer_halt_ns(OTHERS_NS);
	if (!deadline_init())
		return;
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + clock_tsc_hz());
	irq_enable();
	BENCH("cpuid", cpuid(0, 0));
	irq_disable();
	if (kvm_has(KVM_FEATURE_POLL_CONTROL))
		wrmsr(MSR_KVM_POLL_CONTROL, 0);
	bench_deadline("hlt_timer_blocked", BLOCKED_NS, true);
	bench_busy();
}
