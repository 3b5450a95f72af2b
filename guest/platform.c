/* The devices' outside: time, timers, signals, memory, console; and the wiring of the interrupt
 * lines. */
#include "guest/platform.h"

#include <asm/kvm_para.h>

#include "cpu/insn.h"
#include "guest/kvm.h"
#include "guest/pci.h"
#include "guest/vcpu_arch.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "lib/printf.h"

#define PM_BASE   0x600 /* loader/load.h tells the guest so */
#define NOTES_MAX 8

static uint64_t platform_now_op(void *ctx)
{
	return vm_tsc(ctx, rdtsc());
}

/* VM-wide timers: one sched_timer stands for the nearest. */
static void arm_vm_timer(struct vm *vm)
{
	struct sched_entity *current = sched_this_runq()->current;
	uint64_t next = deadline_next(&vm->timers), host = next - vm->tsc_offset;

	/* The host's TSC is ahead of the VM's. A guest can name a time that it never reaches. */
	if (next == DEADLINE_NEVER || host < next)
		sched_timer_cancel(&vm->timer);
	else if (sched_is_turn_of(&vm->payer))
		sched_timer_arm_here(&vm->timer, host);
	else
		sched_timer_arm(&vm->timer, host);
	/* The vCPU that runs here may have to leave the guest earlier now. */
	if (current && container_of(current, struct vcpu, se)->vm == vm)
		vcpu_arch_deadline_changed(container_of(current, struct vcpu, se));
}

/* The devices' work is not done now: it comes again at `when`, or in one of the VM's own turns. */
static void put_off(struct vm *vm, uint64_t when)
{
	sched_timer_retry(&vm->timer, when);
	/* As with requests (sched_kick): set, and then looked who runs; whoever is picked is
	 * RUNNING, and then looks. */
	if (__atomic_exchange_n(&vm->is_work_put_off, true, __ATOMIC_SEQ_CST))
		return;
	for (uint32_t i = 0; i < vm->params.vcpus; i++) {
		if (__atomic_load_n(&vm->vcpu[i]->se.state, __ATOMIC_SEQ_CST) != SCHED_RUNNING)
			continue;
		vcpu_request(vm->vcpu[i], VCPU_REQ_DEVICES);
		return;
	}
}

void platform_fetch_work(struct vm *vm)
{
	__atomic_store_n(&vm->is_work_put_off, false, __ATOMIC_SEQ_CST);
	spin_lock(&vm->lock);
	arm_vm_timer(vm);
	spin_unlock(&vm->lock);
}

bool platform_lock_for_work(struct vm *vm)
{
	if (!sched_is_turn_of(&vm->payer))
		return spin_trylock(&vm->lock);
	spin_lock(&vm->lock);
	return true;
}

/* One piece of work: what is due besides comes next, if there is time for it. */
static void vm_timer_expired(struct sched_timer *timer, uint64_t now)
{
	struct vm *vm = container_of(timer, struct vm, timer);
	uint64_t at = sched_timer_may_work_at(timer, now);
	struct deadline *d;

	if (at > now || !platform_lock_for_work(vm)) {
		put_off(vm, MAX(at, now + ns_to_tsc(&vm_machine.tsc, LOCK_RETRY_NS)));
		return;
	}
	__atomic_store_n(&vm->is_work_put_off, false, __ATOMIC_SEQ_CST);
	now = vm_tsc(vm, now);
	d = vm->has_ended ? NULL : deadline_pop_expired(&vm->timers, now);
	if (d) {
		struct platform_timer *t = container_of(d, struct platform_timer, deadline);

		t->is_armed = false;
		t->expire(t->owner, now);
	}
	if (!vm->has_ended)
		arm_vm_timer(vm);
	spin_unlock(&vm->lock);
}

static void timer_arm_op(void *ctx, struct platform_timer *timer, uint64_t when)
{
	struct vm *vm = ctx;

	timer->is_armed = true;
	timer->when = when;
	if (timer->vcpu == TIMER_VM_WIDE) {
		deadline_arm(&vm->timers, &timer->deadline, when);
		arm_vm_timer(vm);
	} else {
		struct vcpu *vcpu = vm->vcpu[timer->vcpu];

		deadline_arm(&vcpu->timers, &timer->deadline, when);
		vcpu_arch_deadline_changed(vcpu);
	}
}

static void timer_cancel_op(void *ctx, struct platform_timer *timer)
{
	struct vm *vm = ctx;

	timer->is_armed = false;
	if (timer->vcpu == TIMER_VM_WIDE) {
		deadline_cancel(&vm->timers, &timer->deadline);
		arm_vm_timer(vm);
	} else {
		deadline_cancel(&vm->vcpu[timer->vcpu]->timers, &timer->deadline);
		vcpu_arch_deadline_changed(vm->vcpu[timer->vcpu]);
	}
}

static void post_op(void *ctx, struct platform_call *call)
{
	vm_post(ctx, call);
}

static void signal_op(void *ctx, uint32_t index, enum vcpu_signal what, uint8_t value)
{
	struct vcpu *vcpu = ((struct vm *)ctx)->vcpu[index];

	switch (what) {
	case VCPU_SIGNAL_EVENT:
		vcpu_request(vcpu, VCPU_REQ_EVENT);
		break;
	case VCPU_SIGNAL_NMI:
		vcpu_request(vcpu, VCPU_REQ_NMI);
		break;
	case VCPU_SIGNAL_INIT:
		vcpu_request(vcpu, VCPU_REQ_INIT);
		break;
	case VCPU_SIGNAL_STARTUP:
		__atomic_store_n(&vcpu->startup_vector, value, __ATOMIC_RELEASE);
		vcpu_request(vcpu, VCPU_REQ_STARTUP);
		break;
	}
}

static void signal_self_op(void *ctx, uint32_t index)
{
	__atomic_fetch_or(&((struct vm *)ctx)->vcpu[index]->requests, VCPU_REQ_EVENT,
			  __ATOMIC_RELAXED);
}

static int gmem_read_op(void *ctx, gpa_t from, void *to, size_t len)
{
	return gmem_read(&((struct vm *)ctx)->gmem, from, to, len);
}

static int gmem_write_op(void *ctx, gpa_t to, const void *from, size_t len)
{
	return gmem_write(&((struct vm *)ctx)->gmem, to, from, len);
}

static void *gmem_ptr_op(void *ctx, gpa_t at, size_t len)
{
	return gmem_ptr(&((struct vm *)ctx)->gmem, at, len);
}

static void random_op(void *ctx, void *to, size_t len)
{
	entropy_fill(&((struct vm *)ctx)->dev.entropy, to, len);
}

static inline bool put_console(struct vm *vm, struct guest_console *console, uint8_t byte)
{
	uint32_t given = guest_console_put(console, vm->name, byte);

	if (likely(!given && !__atomic_load_n(&vm->output.is_ahead, __ATOMIC_RELAXED)))
		return true;
	return vm_output_given(vm, given);
}

static bool console_op(void *ctx, uint8_t byte)
{
	struct vm *vm = ctx;

	return put_console(vm, &vm->console, byte);
}

/* COM2's lines are told from COM1's; it has no input. */
static bool console2_send(void *ctx, uint8_t byte)
{
	struct vm *vm = ctx;

	return put_console(vm, &vm->console2, byte);
}

/* A guest that drives the virtio console listens there. */
static bool console_receive(struct vm *vm, uint8_t byte)
{
	if (virtio_console_is_open(&vm->dev.console))
		return virtio_console_receive(&vm->dev.console, byte);
	return uart_room(&vm->dev.uart) && uart_receive(&vm->dev.uart, byte);
}

/* A driver's buffer for one byte can be a chain of 256 descriptors. */
static bool console_room_op(void *ctx)
{
	struct vm *vm = ctx;
	uint64_t end = platform_work_end(&vm->platform);
	int byte;

	while ((byte = guest_input_peek(&vm->input)) >= 0 && console_receive(vm, (uint8_t)byte)) {
		(void)guest_input_take(&vm->input);
		if (platform_is_work_over(&vm->platform, end))
			return true;
	}
	return false;
}

static void end_op(void *ctx, enum vm_end how, uint32_t value)
{
	struct vm *vm = ctx;

	switch (how) {
	case VM_END_POWEROFF:
		vm_end(vm, true, "powered off");
		break;
	case VM_END_RESET:
		vm_reset(vm);
		break;
	case VM_END_SHUTDOWN:
		vm_end(vm, true, "'Shutdown' at port 0x8900");
		break;
	case VM_END_DEBUG_EXIT:
		vm_end(vm, value == vm->params.exit_ok,
		       "port 0xf4: value %u (QEMU's exit status would be %u)", value,
		       (value << 1 | 1) & 0xff);
		break;
	}
}

static uint64_t wall_ns_op(void *ctx, uint64_t now)
{
	struct vm *vm = ctx;

	return vm_machine.boot_wall_ns + tsc_to_ns(&vm_machine.tsc, now - vm->tsc_offset);
}

static void note_op(void *ctx, const char *fmt, ...)
{
	struct vm *vm = ctx;
	char text[160];
	va_list args;

	if (vm->notes++ >= NOTES_MAX)
		return;
	va_start(args, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_info("VM '%s': %s%s", vm->name, text,
		 vm->notes == NOTES_MAX ? " (further notes are only counted)" : "");
}

static const struct platform_ops ops = {
	.now = platform_now_op,
	.timer_arm = timer_arm_op,
	.timer_cancel = timer_cancel_op,
	.post = post_op,
	.signal = signal_op,
	.signal_self = signal_self_op,
	.gmem_read = gmem_read_op,
	.gmem_write = gmem_write_op,
	.gmem_ptr = gmem_ptr_op,
	.random = random_op,
	.console = console_op,
	.console_room = console_room_op,
	.end = end_op,
	.wall_ns = wall_ns_op,
	.note = note_op,
};

/* The 8259s' INT: vCPU 0's LINT0. */
static void pic_output(void *ctx, uint32_t pin, bool level)
{
	struct vm *vm = ctx;

	(void)pin;
	if (level && vm->vcpu[0])
		vcpu_request(vm->vcpu[0], VCPU_REQ_EVENT);
}

/* An ISA line goes to the 8259s and to the IOAPIC, the timer's to its pin 2 as the MADT says. */
static void isa_line(void *ctx, uint32_t irq, bool level)
{
	struct vm *vm = ctx;

	pic_set_irq(&vm->dev.pic, irq, level);
	ioapic_set_pin(&vm->dev.ioapic, irq == 0 ? 2 : irq, level);
}

static bool isa_is_pending(void *ctx, uint32_t irq)
{
	struct vm *vm = ctx;

	if (pic_is_edge_waiting(&vm->dev.pic, irq) && vm->vcpu[0] &&
	    lapic_is_extint_open(&vm->vcpu[0]->lapic))
		return true;
	return ioapic_is_edge_waiting(&vm->dev.ioapic, irq == 0 ? 2 : irq);
}

static struct irq_line isa_irq(struct vm *vm, uint32_t irq)
{
	return (struct irq_line){
		.set = isa_line, .ctx = vm, .pin = irq, .is_pending = isa_is_pending};
}

/* The 8254's and the RTC's lines, cut while the HPET has them. */
static void replaceable_line(void *ctx, uint32_t irq, bool level)
{
	struct vm *vm = ctx;

	if (!vm->dev.is_legacy_replaced)
		isa_line(vm, irq, level);
}

static struct irq_line replaceable_irq(struct vm *vm, uint32_t irq)
{
	struct irq_line line = isa_irq(vm, irq);

	line.set = replaceable_line;
	return line;
}

static void replace_legacy(void *ctx, uint32_t pin, bool is_replaced)
{
	struct vm *vm = ctx;

	(void)pin;
	vm->dev.is_legacy_replaced = is_replaced;
	isa_line(vm, 0, false); /* each of the 8254's edges comes with its own low phase */
	isa_line(vm, 8, !is_replaced && vm->dev.rtc.irq_level);
}

/* Lines that only the IOAPIC has. */
static void ioapic_line(void *ctx, uint32_t pin, bool level)
{
	ioapic_set_pin(&((struct vm *)ctx)->dev.ioapic, pin, level);
}

static bool ioapic_is_pending(void *ctx, uint32_t pin)
{
	return ioapic_is_edge_waiting(&((struct vm *)ctx)->dev.ioapic, pin);
}

static void init_timers(struct vm *vm)
{
	struct guest_devices *dev = &vm->dev;

	pit_init(&dev->pit, &vm->platform, replaceable_irq(vm, 0));
	hpet_init(&dev->hpet, &vm->platform);
	dev->hpet.route =
		(struct irq_line){.set = ioapic_line, .ctx = vm, .is_pending = ioapic_is_pending};
	dev->hpet.legacy[0] = isa_irq(vm, 0);
	dev->hpet.legacy[1] = isa_irq(vm, 8);
	dev->hpet.legacy_select = (struct irq_line){.set = replace_legacy, .ctx = vm};
}

/* The local APIC's EOI of a level-triggered vector. */
static void lapic_eoi_to_ioapic(void *ctx, uint8_t vector)
{
	struct vm *vm = ctx;

	spin_lock(&vm->lock);
	ioapic_eoi(&vm->dev.ioapic, vector);
	spin_unlock(&vm->lock);
}

/* All but the RTC, wired. */
static int init_devices(struct vm *vm)
{
	struct guest_devices *dev = &vm->dev;
	const struct bus_region ioapic = {
		.base = IOAPIC_DEFAULT_BASE,
		.len = IOAPIC_MMIO_SIZE,
		.dev = &dev->ioapic,
		.read = ioapic_read,
		.write = ioapic_write,
		.name = "IOAPIC",
	};

	vm->platform = (struct platform){.ops = &ops, .ctx = vm, .tsc = vm_machine.tsc};
	bus_init(&dev->ports);
	bus_init(&dev->mmio);
	dev->apic_bus = (struct apic_bus){
		.platform = &vm->platform,
		.eoi = lapic_eoi_to_ioapic,
		.eoi_ctx = vm,
		.is_ext_dest_id_off = !kvm_is_offered(vm, KVM_FEATURE_MSI_EXT_DEST_ID),
	};
	ioapic_init(&dev->ioapic, &dev->apic_bus);
	pic_init(&dev->pic, (struct irq_line){.set = pic_output, .ctx = vm});
	init_timers(vm);
	uart_init(&dev->uart, &vm->platform, isa_irq(vm, 4));
	uart_init(&dev->uart2, &vm->platform, isa_irq(vm, 3));
	dev->uart2.send = console2_send;
	vm->console2.tag = "[com2] ";
	fw_cfg_init(&dev->fw_cfg, &vm->platform, vm->params.mem, (uint16_t)vm->params.vcpus);
	acpi_pm_init(&dev->pm, &vm->platform, isa_irq(vm, 9));
	i8042_init(&dev->i8042, &vm->platform, isa_irq(vm, 1), isa_irq(vm, 12));
	sysctl_init(&dev->sysctl, &vm->platform);
	debug_exit_init(&dev->debug_exit, &vm->platform);
	if (bus_add(&dev->mmio, &ioapic) || hpet_attach(&dev->hpet, &dev->mmio) ||
	    pic_attach(&dev->pic, &dev->ports) || pit_attach(&dev->pit, &dev->ports) ||
	    rtc_attach(&dev->rtc, &dev->ports) || uart_attach(&dev->uart, &dev->ports, 0x3f8) ||
	    uart_attach(&dev->uart2, &dev->ports, 0x2f8) ||
	    fw_cfg_attach(&dev->fw_cfg, &dev->ports) ||
	    acpi_pm_attach(&dev->pm, &dev->ports, PM_BASE) ||
	    i8042_attach(&dev->i8042, &dev->ports) || sysctl_attach(&dev->sysctl, &dev->ports) ||
	    debug_exit_attach(&dev->debug_exit, &dev->ports))
		return -EINVAL;
	entropy_init(&dev->entropy, vm->params.is_rdrand_hidden, vm_machine.boot_wall_ns);
	return guest_pci_init(vm, isa_irq);
}

int platform_init(struct vm *vm)
{
	int ret = init_devices(vm);

	sched_timer_init(&vm->timer, vm_timer_expired);
	vm->timer.payer = &vm->payer;
	vm_calls_init(vm);
	vm_output_init(vm);
	rtc_init(&vm->dev.rtc, &vm->platform, replaceable_irq(vm, 8));
	rtc_set_memory(&vm->dev.rtc, vm->low_end, vm->high_end);
	return ret;
}

int platform_reset(struct vm *vm)
{
	vm->dev.is_legacy_replaced = false;
	rtc_reset(&vm->dev.rtc);
	/* The timers of the other models are forgotten with their state. */
	vm->timers = (struct deadline_heap){0};
	arm_vm_timer(vm);
	return init_devices(vm);
}

void platform_add_vcpu(struct vcpu *vcpu)
{
	struct apic_bus *bus = &vcpu->vm->dev.apic_bus;

	lapic_init(&vcpu->lapic, bus, &vcpu->vm->platform, vcpu->index, vcpu->apic_id);
	if (vcpu_arch_has_virtual_interrupt_delivery(vcpu->vm))
		lapic_share(&vcpu->lapic);
	bus->lapic[bus->count++] = &vcpu->lapic;
}

int platform_take_extint(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	int vector = -1;

	if (vcpu->index || !lapic_is_extint_open(&vcpu->lapic))
		return -1;
	spin_lock(&vm->lock);
	if (pic_is_pending(&vm->dev.pic))
		vector = pic_acknowledge(&vm->dev.pic);
	spin_unlock(&vm->lock);
	return vector;
}

void platform_hurry_ticks(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct guest_devices *dev = &vm->dev;

	lapic_timer_hurry(&vcpu->lapic);
	if (likely(!tick_is_owed(&dev->pit.debt) && !tick_is_owed(&dev->rtc.debt) &&
		   !hpet_is_tick_owed(&dev->hpet)))
		return;
	spin_lock(&vm->lock);
	pit_hurry(&dev->pit);
	rtc_hurry(&dev->rtc);
	hpet_hurry(&dev->hpet);
	spin_unlock(&vm->lock);
}

bool platform_can_end_any_halt(struct vm *vm)
{
	bool has_one;

	spin_lock(&vm->lock);
	has_one = ioapic_can_end_any_halt(&vm->dev.ioapic) || pci_can_end_any_halt(&vm->dev.pci);
	spin_unlock(&vm->lock);
	return has_one;
}

bool platform_console_input(struct vm *vm, uint8_t byte)
{
	bool is_taken;

	spin_lock(&vm->lock);
	is_taken = guest_input_put(&vm->input, byte);
	if (virtio_console_is_open(&vm->dev.console))
		virtio_console_input_waits(&vm->dev.console);
	else
		(void)console_room_op(vm);
	spin_unlock(&vm->lock);
	return is_taken;
}
