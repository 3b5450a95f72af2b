/* The boot, in its order: from Multiboot2's entry to every pCPU in our hands. */
#include "boot/boot.h"
#include "boot/console.h"
#include "boot/firmware.h"
#include "boot/memory.h"
#include "boot/ports.h"
#include "boot/smp.h"
#include "cpu/apic.h"
#include "cpu/init.h"
#include "cpu/insn.h"
#include "cpu/panic.h"
#include "cpu/trap.h"
#include "drivers/pic.h"
#include "drivers/reset.h"
#include "drivers/serial.h"
#include "drivers/tsc_calibrate.h"
#include "guest/vm.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "loader/options.h"
#include "loader/words.h"
#include "mm/hostmap.h"
#include "mm/page.h"
#include "mm/space.h"
#include "sched/sched.h"

extern uint8_t boot_stack_top[];               /* header.S */
void boot_main(uint32_t magic, uint32_t info); /* called by header.S */

static struct boot boot;

/* `[cpu] `, or `[cpu vm.vcpu] ` while a vCPU is the pCPU's current. */
static size_t log_prefix(char *buf, size_t size)
{
	const struct runq *rq = sched_this_runq();
	const struct sched_entity *se = rq ? rq->current : NULL;
	const struct vcpu *vcpu;

	if (!se)
		return (size_t)fmt_snprintf(buf, size, "[%u] ", this_cpu_id());
	vcpu = list_entry(se, struct vcpu, se);
	return (size_t)fmt_snprintf(buf, size, "[%u %s.%u] ", this_cpu_id(), vcpu->vm->name,
				    vcpu->index);
}

void boot_end(uint8_t status, const char *why)
{
	static const enum machine_end how[] = {
		[HV_END_POWEROFF] = MACHINE_POWEROFF,
		[HV_END_RESET] = MACHINE_RESET,
		[HV_END_HALT] = MACHINE_HALT,
		[HV_END_BOCHS] = MACHINE_BOCHS,
		[HV_END_DEBUG_EXIT] = MACHINE_DEBUG_EXIT,
	};
	char line[128];
	int len = fmt_snprintf(line, sizeof(line), "end: status %u: %s\n", status, why);

	host_uart_flush(&serial_console);
	if (serial_console.lost)
		log_warn("the console's port was not ready for long: %llu bytes are lost",
			 (unsigned long long)serial_console.lost);
	log_raw(line, MIN((size_t)len, sizeof(line) - 1));
	host_uart_flush(&serial_console);
	machine_end(how[boot.config.options.end], status);
}

/* With a screen the machine stays as it is, and the report readable; emulators end. */
static void end_after_panic(void)
{
	uint8_t *how = &boot.config.options.end;

	/* It came so early that nobody has heard of it: the ring has the report. */
	if (!console_is_begun())
		console_init(&boot);
	if (console_has_screen() && (*how == HV_END_POWEROFF || *how == HV_END_RESET)) {
		*how = HV_END_HALT;
		log_error("the machine halts here: note this screen down, then switch it off");
	}
	boot_end(3, "the hypervisor failed");
}

/* The strings lie in the boot loader's structure, which is ours now and writable. */
static void unescape_strings(struct mb2 *mb2)
{
	if (strncmp(mb2->loader_name, "GRUB", 4) != 0)
		return;
	words_unescape((char *)(uintptr_t)mb2->cmdline);
	for (uint32_t i = 0; i < mb2->module_count; i++)
		words_unescape((char *)(uintptr_t)mb2->module[i].string);
}

/* False when the machine cannot be started with what the boot loader gave; boot.mb2 is empty then.
 */
static bool read_boot_information(uint32_t magic, uint32_t info)
{
	struct mb2 *mb2 = &boot.mb2;
	bool is_good = false;

	if (magic != MB2_BOOTLOADER_MAGIC)
		log_error("not started by a Multiboot2 boot loader (EAX is %#x)", magic);
	else
		is_good = !mb2_parse(mb2, hpa_to_ptr(HPA(info)), GIB(4) - info);
	if (!is_good)
		*mb2 = (struct mb2){.cmdline = "", .loader_name = ""};
	unescape_strings(mb2);
	for (uint32_t i = 0; i < mb2->module_count; i++)
		boot.module[i] = (struct boot_module){
			.cmdline = mb2->module[i].string,
			.data = hpa_to_ptr(HPA(mb2->module[i].start)),
			.size = mb2->module[i].end - mb2->module[i].start,
		};
	/* For the console now; again, for `pin=`, when the pCPUs are counted. */
	config_parse(&boot.config, mb2->cmdline, boot.module, mb2->module_count, MAX_PCPUS);
	fault_set((enum fault_kind)boot.config.options.fault, boot.config.options.fault_n);
	return is_good;
}

/* From the boot loader's tables to ours. Firmware's are read first: they are not mapped afterwards.
 * The console must be mapped before the next line of the log. */
static hpa_t init_memory(void)
{
	uint64_t apic = apic_mmio_base();
	hpa_t trampoline = HPA(0);

	if (memory_read_map(&boot))
		boot_end(2, "no usable memory map");
	firmware_tell_machine(&boot);
	firmware_read_acpi(&boot);
	if (!memory_take_low_page(&boot, &trampoline))
		log_warn("no free page below 640 KiB: other CPUs cannot be started");
	if (memory_init(&boot) || console_map() || (apic && space_map_device(HPA(apic), PAGE_SIZE)))
		boot_end(2, "memory cannot be set up");
	machine_end_init(boot.has_fadt ? &boot.fadt : NULL);
	log_info("memory: %llu MiB, %llu MiB free",
		 (unsigned long long)memmap_total(&boot.ram) >> 20,
		 (unsigned long long)page_free_bytes() >> 20);
	return trampoline;
}

static void init_interrupts(void)
{
	host_pic_disable();
	if (apic_init())
		boot_end(2, "no local APIC");
	if (tsc_calibrate(&boot.tsc))
		boot_end(2, "no clock");
	ipi_init(boot.tsc.hz);
	apic_timer_calibrate(boot.tsc.hz);
	log_info("TSC: %llu.%03llu MHz, %s%s", (unsigned long long)boot.tsc.hz / 1000000,
		 (unsigned long long)boot.tsc.hz / 1000 % 1000,
		 apic_is_x2apic() ? "x2APIC" : "xAPIC",
		 apic_has_tsc_deadline() ? "" : ", no TSC deadline (its timer counts instead)");
}

void boot_main(uint32_t magic, uint32_t info)
{
	hpa_t trampoline;
	bool is_good;

	percpu_init_boot(boot_stack_top);
	trap_init();
	lockdep_init();
	log_set_prefix(log_prefix);
	panic_set_end(end_after_panic);
	hv_options_set_defaults(&boot.config.options);
	is_good = read_boot_information(magic, info);
	if (boot.config.options.is_panic_early)
		panic("asked for before there is a console");
	console_init(&boot);
	if (!is_good)
		boot_end(2, "the boot loader's information cannot be used");
	log_info("Carousel, started by %s",
		 *boot.mb2.loader_name ? boot.mb2.loader_name : "an unnamed boot loader");
	trampoline = init_memory();
	init_interrupts();
	if (trampoline.v)
		smp_start(&boot, trampoline);
	log_info("%u pCPU%s online", percpu_count(), percpu_count() == 1 ? "" : "s");
	config_parse(&boot.config, boot.mb2.cmdline, boot.module, boot.mb2.module_count,
		     percpu_count());
	/* Not before: as long as interrupts are off a line must not wait for one. */
	ports_open(&boot.config.options);
	ports_route(&boot);
	irq_enable();
	carousel_main(&boot);
}
