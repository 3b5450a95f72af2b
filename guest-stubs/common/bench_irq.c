/* The shortest interrupt handler: which of the two, and its results. */
#include "guest-stubs/common/bench_irq.h"
#include "guest-stubs/common/apic.h"
#include "guest-stubs/common/trap.h"

volatile uint64_t bench_irq_tsc, bench_irq_count;

void bench_irq_xapic(void);
void bench_irq_x2apic(void);

void bench_irq_init(uint8_t vector)
{
	trap_set_raw(vector, apic_is_x2apic() ? bench_irq_x2apic : bench_irq_xapic);
}
