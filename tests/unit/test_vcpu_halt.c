/* A vCPU's halt: polling, blocking, and what ends it, with made-up time. Quotes:
 * Documentation/virt/kvm/halt-polling.rst; SDM, 'HLT'. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <linux/pci_regs.h>

#include "cpu/apic.h"
#include "devices/lapic.h"
#include "fakes/insn.h"
#include "fakes/interrupts.h"
#include "fakes/percpu.h"
#include "fakes/vcpu_arch.h"
#include "guest/io.h"
#include "guest/platform.h"
#include <string.h>

#define TSC0    1000000ull
#define STEP    100u /* ticks (ns) that pass at each look at the TSC */
#define VECTOR  0x50
#define CEILING 200000u

static struct vm *vm;
static struct vcpu *vcpu;
static struct sched_entity other;
static struct sched_timer event;
static bool was_polling;

static int setup_vcpus(uint32_t count)
{
	fake_machine_start(TSC0);
	vm = fake_vm_create(MIB(2), count);
	vcpu = vm->vcpu[0];
	vcpu->activity = VCPU_ACTIVE;
	vcpu->requests = 0;
	lapic_mmio_write(&vcpu->lapic, LAPIC_SVR, 0x1ff);
	sched_entity_init(&other, vcpu_arch_sched_ops(), &CPUMASK(1), 1000, TSC0);
	was_polling = false;
	vcpu->requests = 0;
	fake_tsc_set_step(STEP);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_vcpus(1);
}

static int setup_two(void **state)
{
	(void)state;
	return setup_vcpus(2);
}

static int teardown(void **state)
{
	(void)state;
	sched_timer_cancel(&event);
	vcpu_cancel_wake_timer(vcpu);
	vm_destroy(vm);
	fake_machine_end();
	return 0;
}

/* An interrupt as another vCPU or a device sends it. */
static void interrupt(void)
{
	lapic_post(&vcpu->lapic, VECTOR, false);
	vcpu_request(vcpu, VCPU_REQ_EVENT);
}

static void event_interrupts(struct sched_timer *timer, uint64_t now)
{
	(void)timer;
	(void)now;
	was_polling = vcpu->se.is_polling;
	interrupt();
}

static void event_starts_other(struct sched_timer *timer, uint64_t now)
{
	(void)timer;
	(void)now;
	was_polling = vcpu->se.is_polling;
	sched_start(&other);
}

/* Something happens on this pCPU in `ns`. */
static void in(uint64_t ns, void (*expire)(struct sched_timer *, uint64_t))
{
	sched_timer_init(&event, expire);
	sched_timer_arm(&event, rdtsc() + ns);
}

/* The halt, which must end by itself; the vCPU goes on, and its event is still to be injected. */
static void assert_goes_on(bool is_interrupt_open)
{
	vcpu->requests &= ~VCPU_REQ_EVENT;
	assert_true(vcpu_halt(vcpu, is_interrupt_open));
	assert_int_equal(vcpu->activity, VCPU_ACTIVE);
	assert_true(vcpu->requests & VCPU_REQ_EVENT);
	assert_false(vcpu->se.is_polling);
}

static void assert_blocks(bool is_interrupt_open)
{
	assert_false(vcpu_halt(vcpu, is_interrupt_open));
	assert_int_equal(vcpu->activity, VCPU_HALTED);
	assert_false(vcpu->se.is_polling);
}

static void accept(void)
{
	assert_int_equal(platform_take_interrupt(vcpu, platform_find_interrupt(vcpu)), VECTOR);
	lapic_mmio_write(&vcpu->lapic, LAPIC_EOI, 0);
}

/* An interrupt whose delivery an exception has cut short has left the local APIC's IRR: it ends a
 * halt that is open for it all the same, and is nothing to one that is not. INIT forgets it. */
static void test_kept_interrupt(void **state)
{
	(void)state;
	vcpu->kept_interrupt = VCPU_KEPT_INTERRUPT; /* vector 0 */
	assert_goes_on(true);
	assert_int_equal(vcpu->kept_interrupt, VCPU_KEPT_INTERRUPT);
	assert_blocks(false);
	vcpu->is_nmi_pending = true;
	vcpu->is_unhalted = true;
	vcpu_reset(vcpu, true);
	assert_int_equal(vcpu->kept_interrupt, 0);
	assert_false(vcpu->is_nmi_pending);
	assert_false(vcpu->is_unhalted);
}

/* The event was there before the halt: no poll, no block, nothing to count. */
static void test_event_already_there(void **state)
{
	(void)state;
	vcpu->halt_poll.limit_ns = 50000;
	interrupt();
	assert_goes_on(true);
	assert_int_equal(vcpu->halt_poll.halt_attempted_poll, 0);
	assert_int_equal(vcpu->halt_poll.halt_wakeup, 0);
	assert_int_equal(vcpu->halt_poll.limit_ns, 50000);
}

/* 'A new vCPU's limit is 0': it blocks at once; having been woken before the ceiling, the limit
 * grows to `grow_start`. */
static void test_first_halt_blocks_and_grows(void **state)
{
	uint64_t before = rdtsc();

	(void)state;
	assert_blocks(true);
	assert_in_range(rdtsc() - before, 0, 10 * STEP);
	fake_tsc_advance(50000);
	assert_false(vcpu_resume_from_halt(vcpu)); /* woken for nothing */
	assert_int_equal(vcpu->activity, VCPU_HALTED);
	interrupt();
	assert_true(vcpu_resume_from_halt(vcpu));
	assert_int_equal(vcpu->activity, VCPU_ACTIVE);
	assert_true(vcpu->requests & VCPU_REQ_EVENT);
	assert_int_equal(vcpu->halt_poll.halt_attempted_poll, 0);
	assert_int_equal(vcpu->halt_poll.halt_wakeup, 1);
	assert_in_range(vcpu->halt_poll.halt_wait_ns, 50000, 51000);
	assert_int_equal(vcpu->halt_poll.limit_ns, 10000);
}

/* 'Woken within the limit: a successful poll, limit unchanged.' Who kicks sees that it polls. */
static void test_successful_poll(void **state)
{
	(void)state;
	vcpu->halt_poll.limit_ns = 50000;
	in(30000, event_interrupts);
	assert_goes_on(true);
	assert_true(was_polling);
	assert_int_equal(vcpu->halt_poll.halt_attempted_poll, 1);
	assert_int_equal(vcpu->halt_poll.halt_successful_poll, 1);
	assert_int_equal(vcpu->halt_poll.halt_wakeup, 0);
	assert_in_range(vcpu->halt_poll.halt_poll_success_ns, 29000, 31000);
	assert_int_equal(vcpu->halt_poll.halt_poll_fail_ns, 0);
	assert_int_equal(vcpu->halt_poll.limit_ns, 50000);
	accept();
}

/* The vCPU's own timer ends a poll too. */
static void test_own_timer_in_a_poll(void **state)
{
	(void)state;
	vcpu->halt_poll.limit_ns = 50000;
	lapic_mmio_write(&vcpu->lapic, LAPIC_TDCR, 0xb);
	lapic_mmio_write(&vcpu->lapic, LAPIC_LVT_TIMER, VECTOR);
	lapic_mmio_write(&vcpu->lapic, LAPIC_TMICT, 20000); /* ns */
	assert_goes_on(true);
	assert_in_range(vcpu->halt_poll.halt_poll_success_ns, 19000, 21000);
	accept();
}

/* A poll that ends without an event, then the block: both times are counted apart; 'halted longer
 * than the limit but strictly shorter than the ceiling: the limit grows'. */
static void test_failed_poll(void **state)
{
	uint64_t before = rdtsc();

	(void)state;
	vcpu->halt_poll.limit_ns = 20000;
	in(60000, event_interrupts);
	assert_blocks(true);
	assert_in_range(rdtsc() - before, 20000, 22000);
	fake_tsc_advance(40000);
	sched_run_timers(rdtsc());
	assert_false(was_polling);
	assert_true(vcpu_resume_from_halt(vcpu));
	assert_int_equal(vcpu->halt_poll.halt_attempted_poll, 1);
	assert_int_equal(vcpu->halt_poll.halt_successful_poll, 0);
	assert_int_equal(vcpu->halt_poll.halt_wakeup, 1);
	assert_in_range(vcpu->halt_poll.halt_poll_fail_ns, 19900, 21000);
	assert_in_range(vcpu->halt_poll.halt_wait_ns, 39000, 42000);
	assert_int_equal(vcpu->halt_poll.limit_ns, 40000);
}

/* 'Halted longer than the ceiling: it shrinks', by default to 0. */
static void test_long_halt_shrinks(void **state)
{
	(void)state;
	vcpu->halt_poll.limit_ns = 20000;
	assert_blocks(true);
	fake_tsc_advance(CEILING);
	interrupt();
	assert_true(vcpu_resume_from_halt(vcpu));
	assert_int_equal(vcpu->halt_poll.limit_ns, 0);
}

/* 'Only while nothing else is runnable on the pCPU': not begun ... */
static void test_no_poll_while_others_wait(void **state)
{
	uint64_t before;

	(void)state;
	vcpu->halt_poll.limit_ns = 50000;
	sched_start(&other);
	before = rdtsc();
	assert_blocks(true);
	assert_in_range(rdtsc() - before, 0, 10 * STEP);
	assert_int_equal(vcpu->halt_polled, 0);
	fake_tsc_advance(1000);
	interrupt();
	assert_true(vcpu_resume_from_halt(vcpu));
	assert_int_equal(vcpu->halt_poll.halt_attempted_poll, 0);
}

/* ... and ended when somebody comes. */
static void test_poll_gives_way(void **state)
{
	uint64_t before = rdtsc();

	(void)state;
	vcpu->halt_poll.limit_ns = 50000;
	in(10000, event_starts_other);
	assert_blocks(true);
	assert_true(was_polling);
	assert_in_range(rdtsc() - before, 10000, 12000);
	assert_in_range(vcpu->halt_polled, 9000, 12000);
}

/* 'POLL_CONTROL bit 0 clear stops host-side polling for that vCPU'; 'while it is 0 nothing is
 * adjusted'. */
static void test_poll_control(void **state)
{
	uint64_t before;

	(void)state;
	vcpu->halt_poll.limit_ns = 50000;
	vcpu->kvm_poll_control = 0;
	before = rdtsc();
	assert_blocks(true);
	assert_in_range(rdtsc() - before, 0, 10 * STEP);
	fake_tsc_advance(CEILING * 2);
	interrupt();
	assert_true(vcpu_resume_from_halt(vcpu));
	assert_int_equal(vcpu->halt_poll.limit_ns, 50000);
	assert_int_equal(vcpu->halt_poll.halt_attempted_poll, 0);
	assert_int_equal(vcpu->halt_poll.halt_wakeup, 1);
}

static void test_polling_switched_off(void **state)
{
	(void)state;
	vm_machine.halt_poll.halt_poll_ns = 0;
	vcpu->halt_poll.limit_ns = 50000;
	assert_blocks(true);
	assert_int_equal(vcpu->halt_polled, 0);
}

/* 'HLT: [...] an enabled interrupt, NMI [...] will resume execution': with IF=0 an interrupt does
 * not, and where nothing else can come the VM is over. */
static void test_halt_with_interrupts_disabled(void **state)
{
	(void)state;
	interrupt();
	assert_blocks(false);
	assert_int_equal(fake_machine_ends(), 1);
	assert_true(vm->has_ended);
	assert_false(vm->is_ok);
	assert_non_null(strstr(vm->reason, "HLT with interrupts disabled"));
	assert_true(vcpu->requests & VCPU_REQ_STOP);
}

static void test_nmi_ends_a_halt(void **state)
{
	(void)state;
	vcpu->is_nmi_pending = true;
	assert_goes_on(false);
	vcpu->is_nmi_pending = false;
	vcpu_request(vcpu, VCPU_REQ_NMI);
	assert_goes_on(false);
	assert_int_equal(fake_machine_ends(), 0);
}

/* halt=ok: that is how some kernels power off. */
static void test_halt_may_be_the_end(void **state)
{
	(void)state;
	vm->params.is_halt_ok = true;
	assert_blocks(false);
	assert_true(vm->is_ok);
}

static void assert_ends(unsigned ends)
{
	vm_check_halted(vm);
	assert_int_equal(fake_machine_ends(), ends);
}

/* A device that can still send an NMI, INIT or SIPI keeps the VM; no other message does. */
static void test_ioapic_keeps_the_vm(void **state)
{
	const uint64_t masked = BIT_ULL(16);

	(void)state;
	vcpu->activity = VCPU_HALTED;
	for (unsigned mode = LAPIC_DM_NMI; mode <= LAPIC_DM_STARTUP; mode++) {
		vm->dev.ioapic.redir[23] = (uint64_t)mode << 8;
		assert_ends(0);
	}
	vm->dev.ioapic.redir[23] |= masked;
	vm->dev.ioapic.redir[0] = LAPIC_DM_NMI << 8;
	assert_ends(0);
	vm->dev.ioapic.redir[0] |= masked;
	vm->dev.ioapic.redir[1] = LAPIC_DM_FIXED << 8;
	vm->dev.ioapic.redir[2] = LAPIC_DM_LOWEST << 8;
	vm->dev.ioapic.redir[3] = LAPIC_DM_SMI << 8;
	vm->dev.ioapic.redir[4] = LAPIC_DM_EXTINT << 8;
	assert_ends(1);
}

/* The same by MSI-X: enabled, neither the function nor the entry masked, and a local APIC's
 * address. */
static void test_msix_keeps_the_vm(void **state)
{
	struct pci_function *f;
	struct pci_msix_entry *entry;

	(void)state;
	assert_int_equal(virtio_rng_add(&vm->dev.rng, &vm->platform, &vm->dev.pci, PCI_SLOTS - 1),
			 0);
	f = vm->dev.pci.function[PCI_SLOTS - 1];
	entry = &f->msix.entry[f->msix.count - 1];
	vcpu->activity = VCPU_HALTED;
	pci_put(f, f->msix.cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	for (unsigned mode = LAPIC_DM_NMI; mode <= LAPIC_DM_STARTUP; mode++) {
		*entry = (struct pci_msix_entry){.address = 0xfee00000, .data = mode << 8};
		assert_ends(0);
	}
	entry->data = LAPIC_DM_NMI << 8;
	entry->control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	assert_false(pci_can_end_any_halt(&vm->dev.pci));
	entry->control = 0;
	assert_true(pci_can_end_any_halt(&vm->dev.pci));
	entry->address = 0xfed00000;
	assert_false(pci_can_end_any_halt(&vm->dev.pci));
	entry->address = 0xfee00000;
	pci_put(f, f->msix.cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_false(pci_can_end_any_halt(&vm->dev.pci));
	pci_put(f, f->msix.cap + PCI_MSIX_FLAGS, 2, 0);
	assert_false(pci_can_end_any_halt(&vm->dev.pci));
	pci_put(f, f->msix.cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	entry->data = LAPIC_DM_FIXED << 8 | VECTOR;
	assert_ends(1);
}

/* Nor is it over while another vCPU runs, or can be interrupted. */
static void test_other_vcpus_keep_the_vm(void **state)
{
	struct vcpu *second = vm->vcpu[1];

	(void)state;
	second->activity = VCPU_ACTIVE;
	assert_blocks(false);
	assert_int_equal(fake_machine_ends(), 0);
	second->activity = VCPU_HALTED;
	second->is_interrupt_open = true;
	vm_check_halted(vm);
	assert_int_equal(fake_machine_ends(), 0);
	second->is_interrupt_open = false;
	second->requests = VCPU_REQ_NMI;
	vm_check_halted(vm);
	assert_int_equal(fake_machine_ends(), 0);
	second->requests = VCPU_REQ_EVENT;
	vm_check_halted(vm);
	assert_int_equal(fake_machine_ends(), 1);
	assert_true(second->requests & VCPU_REQ_STOP);
	vm_check_halted(vm);
	assert_int_equal(fake_machine_ends(), 1);
}

/* The one that waits for a SIPI is nobody's interrupt; INIT and SIPI it sees. */
static void test_wait_for_startup(void **state)
{
	struct vcpu *second = vm->vcpu[1];

	(void)state;
	second->requests = 0;
	second->activity = VCPU_WAIT_FOR_STARTUP;
	second->is_nmi_pending = true;
	assert_false(vcpu_has_wake_event(second));
	second->requests = VCPU_REQ_EVENT;
	assert_false(vcpu_has_wake_event(second));
	second->requests = VCPU_REQ_STARTUP;
	assert_true(vcpu_has_wake_event(second));
	second->requests = VCPU_REQ_INIT;
	assert_true(vcpu_has_wake_event(second));
	second->requests = 0;
	assert_blocks(false);
	assert_int_equal(fake_machine_ends(), 1);
}

/* An ExtINT of the 8259s is vCPU 0's. */
static void test_pic_ends_a_halt(void **state)
{
	(void)state;
	assert_true(lapic_is_extint_open(&vcpu->lapic));
	io_write(vcpu, 0x20, 1, 0x11);
	io_write(vcpu, 0x21, 1, 0x20);
	io_write(vcpu, 0x21, 1, 4);
	io_write(vcpu, 0x21, 1, 1);
	io_write(vcpu, 0x21, 1, 0xfd);
	assert_blocks(true);
	pic_set_irq(&vm->dev.pic, 1, true);
	assert_true(vcpu->requests & VCPU_REQ_EVENT);
	assert_true(vcpu_resume_from_halt(vcpu));
	assert_int_equal(platform_take_interrupt(vcpu, platform_find_interrupt(vcpu)), 0x21);
	assert_int_equal(platform_find_interrupt(vcpu), -1);
}

/* 'A vCPU's timer sits in a pCPU's heap only while it runs or is blocked there.' */
static void test_wake_timer(void **state)
{
	uint64_t due;

	(void)state;
	vcpu_arm_wake_timer(vcpu); /* no timer: nothing to stand for */
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	lapic_mmio_write(&vcpu->lapic, LAPIC_TDCR, 0xb);
	lapic_mmio_write(&vcpu->lapic, LAPIC_LVT_TIMER, VECTOR);
	lapic_mmio_write(&vcpu->lapic, LAPIC_TMICT, 1000000);
	assert_true(fake_vcpu(vcpu)->deadline_changes > 0);
	assert_blocks(true);
	due = vcpu_next_timer(vcpu);
	assert_in_range(due, TSC0 + 1000000, TSC0 + 1001000);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	vcpu_arm_wake_timer(vcpu);
	assert_int_equal(sched_next_deadline(), due);
	vcpu_cancel_wake_timer(vcpu);
	assert_true(sched_next_deadline() == DEADLINE_NEVER);
	vcpu_arm_wake_timer(vcpu);
	vcpu->requests = 0;
	sched_run_timers(due - 1);
	assert_int_equal(vcpu->requests, 0);
	sched_run_timers(due);
	assert_int_equal(vcpu->requests, VCPU_REQ_EVENT);
	/* What follows at switch-in. */
	vcpu_run_timers(vcpu, due);
	assert_true(vcpu_resume_from_halt(vcpu));
	accept();
}

/* Ticks that it missed while it was away come to a vCPU that halts, one a halt, until it has had
 * all of them: here ten of the 8254's, through the IOAPIC, and ten of its own timer's. */
static void test_owed_ticks_come_at_once(void **state)
{
	unsigned halts = 0;

	(void)state;
	fake_tsc_set_step(0);
	vcpu->kvm_poll_control = 0;
	mmio_write(vcpu, GPA(0xfec00000), 4, 0x14); /* pin 2, low half */
	mmio_write(vcpu, GPA(0xfec00010), 4, VECTOR);
	io_write(vcpu, 0x43, 1, 0x34);
	io_write(vcpu, 0x40, 1, 1193 & 0xff);
	io_write(vcpu, 0x40, 1, 1193 >> 8); /* 1 ms less 152 ns */
	for (unsigned i = 0; i < 10; i++) {
		fake_tsc_advance(1000000);
		sched_run_timers(rdtsc());
	}
	while (vcpu_halt(vcpu, true)) {
		accept();
		halts++;
	}
	assert_int_equal(halts, 10);
	vcpu->activity = VCPU_ACTIVE;

	lapic_mmio_write(&vcpu->lapic, LAPIC_TDCR, 0xb);
	lapic_mmio_write(&vcpu->lapic, LAPIC_LVT_TIMER, BIT(17) | VECTOR);
	lapic_mmio_write(&vcpu->lapic, LAPIC_TMICT, 1000000);
	mmio_write(vcpu, GPA(0xfec00010), 4, BIT(16));
	fake_tsc_advance(10000000);
	for (halts = 0; vcpu_halt(vcpu, true); halts++)
		accept();
	assert_int_equal(halts, 10);
	/* A closed vCPU takes none. */
	fake_tsc_advance(2000000);
	assert_blocks(false);
	sched_timer_cancel(&vm->timer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TWO(name)  cmocka_unit_test_setup_teardown(name, setup_two, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kept_interrupt),
		TEST(test_event_already_there),
		TEST(test_owed_ticks_come_at_once),
		TEST(test_first_halt_blocks_and_grows),
		TEST(test_successful_poll),
		TEST(test_own_timer_in_a_poll),
		TEST(test_failed_poll),
		TEST(test_long_halt_shrinks),
		TEST(test_no_poll_while_others_wait),
		TEST(test_poll_gives_way),
		TEST(test_poll_control),
		TEST(test_polling_switched_off),
		TEST(test_halt_with_interrupts_disabled),
		TEST(test_nmi_ends_a_halt),
		TEST(test_halt_may_be_the_end),
		TEST(test_ioapic_keeps_the_vm),
		TEST(test_msix_keeps_the_vm),
		TWO(test_other_vcpus_keep_the_vm),
		TWO(test_wait_for_startup),
		TEST(test_pic_ends_a_halt),
		TEST(test_wake_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
