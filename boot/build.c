/* Building the VMs. */
#include "boot/build.h"
#include "boot/ports.h"
#include "cpu/insn.h"
#include "cpu/percpu.h"
#include "drivers/rtc.h"
#include "guest/vcpu_arch.h"
#include "guest/vm.h"
#include "lib/errno.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "loader/elf_symbols.h"
#include "loader/firmware.h"
#include "loader/load.h"
#include "mm/page.h"
#include "monitor/gdb/session.h"

#define CPUID_80000007_EDX_INVARIANT_TSC BIT(8)

static const struct boot *booted; /* (i) once the VMs are built */

/* Guests may trust the TSC when it is invariant and every pCPU's shows the same time. */
static bool is_tsc_stable(void)
{
	if (cpuid(0x80000000, 0).eax < 0x80000007 ||
	    !(cpuid(0x80000007, 0).edx & CPUID_80000007_EDX_INVARIANT_TSC)) {
		log_info("TSC not invariant: guests are told not to trust it");
		return false;
	}
	for (uint32_t i = 0; i < percpu_count(); i++)
		if (percpu_get(i)->tsc_offset_to_bsp)
			return false;
	return true;
}

static void set_entry(struct vm *vm, const struct guest_entry *entry)
{
	struct vcpu *vcpu = vm->vcpu[0];
	const struct vcpu_start start = {
		.mode = entry->mode,
		.rip = entry->rip,
		.rsp = entry->rsp,
		.cr3 = entry->cr3,
		.gdt_base = entry->gdt_base,
		.gdt_limit = entry->gdt_limit,
		.cs = entry->cs,
		.ds = entry->ds,
	};

	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs.gpr[GPR_RAX] = entry->rax;
	vcpu->regs.gpr[GPR_RBX] = entry->rbx;
	vcpu->regs.gpr[GPR_RSI] = entry->rsi;
	vcpu->regs.gpr[GPR_RDI] = entry->rdi;
	vcpu_arch_set_start(vcpu, &start);
}

static void fail(const struct vm_config *config, const char *error)
{
	log_error("%s", error);
	if (!vm_create_failed(config->name, error))
		log_error("VM '%s' cannot even be listed", config->name);
}

static uint32_t kvm_withdrawn_by(const struct vm_config *config)
{
	uint32_t features = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(config->is_kvm_withdrawn); i++)
		features |= config->is_kvm_withdrawn[i] ? BIT(i) : 0;
	return features;
}

/* A module belongs to one VM, and is not used for anything else: its memory is the disk. */
static void set_disks(struct vm_params *params, const struct vm_config *config)
{
	_Static_assert(CONFIG_DISKS_MAX == VM_DISKS_MAX, "each has a slot");
	_Static_assert(CONFIG_SERIAL_MAX == VIRTIO_BLK_ID_BYTES, "it fits");

	for (uint32_t i = 0; i < config->disk_count; i++) {
		const struct vm_disk *disk = &config->disk[i];

		params->disk[i] = (struct virtio_blk_disk){
			.data = (uint8_t *)disk->module->data,
			.size = disk->module->size,
			.is_read_only = disk->is_read_only,
		};
		memcpy(params->disk[i].serial, disk->serial, sizeof(disk->serial));
	}
}

static void set_nics(struct vm_params *params, const struct vm_config *config)
{
	_Static_assert(CONFIG_NICS_MAX == VM_NICS_MAX && CONFIG_LAN_MAX == LAN_NAME_MAX,
		       "one each");

	for (uint32_t i = 0; i < config->nic_count; i++) {
		struct vm_nic *nic = &params->nic[params->nic_count++];

		memcpy(nic->lan, config->nic[i].lan, sizeof(nic->lan));
		memcpy(nic->mac, config->nic[i].mac, sizeof(nic->mac));
	}
}

/* Puts the VM's image into its memory, files' bytes later if there is a `fill`, and vCPU 0 to its
 * start. */
static int load_vm(struct vm *vm, const struct vm_config *config, struct guest_fill *fill,
		   const char **format, char *error, size_t error_size)
{
	struct guest_shape shape = {
		.vcpus = config->vcpus,
		.topology = config->topology,
		.tsc_hz = vm_machine.tsc.hz,
		.low_end = vm->low_end,
		.high_end = vm->high_end,
		/* Only one that nobody can guess is worth telling. */
		.has_seed = vm->dev.entropy.has_rdseed || vm->dev.entropy.has_rdrand,
		.fill = fill,
	};
	struct guest_entry entry;
	int err;

	if (shape.has_seed)
		entropy_fill(&vm->dev.entropy, shape.seed, sizeof(shape.seed));
	err = load_guest(config, &shape, &vm->gmem, &entry, error, error_size);
	if (!err)
		err = firmware_describe(config, &shape, &vm->dev.fw_cfg, error, error_size);
	if (err)
		return err;
	if (!entry.is_moved)
		elf_symbols_open(&vm->symbols, config->kernel->data, config->kernel->size);
	set_entry(vm, &entry);
	*format = entry.format;
	return 0;
}

/* The boot modules are where they were: their memory was never given away. */
static int reload_vm(struct vm *vm, char *error, size_t error_size)
{
	const struct config *config = &booted->config;
	const char *format;

	for (uint32_t i = 0; i < config->vm_count; i++)
		if (!strcmp(config->vm[i].name, vm->name))
			return load_vm(vm, &config->vm[i], vm->restart.fill, &format, error,
				       error_size);
	return -ENOENT;
}

void build_machine(const struct boot *boot, void (*on_end)(void))
{
	const struct hv_options *o = &boot->config.options;

	vm_machine.tsc = boot->tsc;
	vm_machine.is_tsc_stable = is_tsc_stable();
	vm_machine.halt_poll = (struct halt_poll_params){
		.halt_poll_ns = o->halt_poll_ns,
		.halt_poll_ns_grow = o->halt_poll_ns_grow,
		.halt_poll_ns_grow_start = o->halt_poll_ns_grow_start,
		.halt_poll_ns_shrink = o->halt_poll_ns_shrink,
	};
	vm_machine.boot_wall_ns =
		rtc_read_seconds() * NSEC_PER_SEC - tsc_to_ns(&boot->tsc, rdtsc());
	vm_machine.on_end = on_end;
	vm_machine.reload = reload_vm;
	booted = boot;
}

/* gdb= */
static void attach_debugger(const struct hv_options *options, struct vm *vm)
{
	struct host_uart *uart = ports_get(HV_PORT_GDB);

	if (strcmp(vm->name, options->gdb_vm) != 0)
		return;
	if (!uart)
		log_warn("VM '%s' cannot be debugged: its serial port does not answer (gdb-port=)",
			 vm->name);
	else if (gdb_attach(vm, uart, options->is_gdb_wait))
		log_warn("VM '%s' cannot be debugged: no memory is left", vm->name);
}

static uint64_t ram_of(const struct vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->gmem.count; i++)
		sum += vm->gmem.chunk[i].len;
	return sum;
}

static void build_vm(const struct boot *boot, uint32_t index)
{
	const struct vm_config *config = &boot->config.vm[index];
	const struct hv_options *options = &boot->config.options;
	uint64_t slice_us = config->slice_us ? config->slice_us : options->slice_us;
	struct vm_params params = {
		.name = config->name,
		.mem = config->mem,
		.vcpus = config->vcpus,
		.topology = config->topology,
		.pin_count = config->pin_count,
		.exit_ok = config->exit_ok,
		.is_halt_ok = config->is_halt_ok,
		.is_reset_ok = config->is_reset_ok,
		.restarts = config->restarts,
		.is_background = config->is_background,
		.is_hlt_exit_off = config->is_hlt_exit_off,
		.is_kvm_off = config->is_kvm_off,
		.kvm_withdrawn = kvm_withdrawn_by(config),
		.is_kvm_realtime =
			!config->is_kvm_realtime_off && config_is_alone(&boot->config, index),
		.is_rdrand_hidden = options->is_guest_rdrand_off,
		.cpuid = config->cpuid,
		.cpuid_len = config->cpuid_len,
		.weight = config->weight,
		.slice = ns_to_tsc(&boot->tsc, slice_us * 1000 * config->weight),
		.cap = config->cap,
		.has_virtio_console = config->has_virtio_console,
		.has_virtio_rng = config->has_virtio_rng,
		.disk_count = config->disk_count,
	};
	uint64_t free = page_free_bytes();
	const char *format;
	char error[CONFIG_ERROR_MAX];
	struct vm *vm;

	if (config->error[0]) {
		fail(config, config->error);
		return;
	}
	if (config->is_hlt_exit_off && !config_is_alone(&boot->config, index)) {
		fmt_snprintf(error, sizeof(error),
			     "vm '%s': hlt-exit=off needs pin= to pCPUs that no other VM may use",
			     config->name);
		fail(config, error);
		return;
	}
	memcpy(params.pin, config->pin, sizeof(params.pin));
	set_disks(&params, config);
	set_nics(&params, config);
	if (vm_create(&params, &vm, error, sizeof(error))) {
		fail(config, error);
		return;
	}
	if (load_vm(vm, config, NULL, &format, error, sizeof(error))) {
		vm_destroy(vm);
		fail(config, error);
		return;
	}
	if (vm_list(vm)) {
		vm_destroy(vm);
		fail(config, "too many VMs");
		return;
	}
	log_info("VM '%s': %s, %luM, %u vCPU%s", vm->name, format, config->mem >> 20, config->vcpus,
		 config->vcpus == 1 ? "" : "s");
	log_debug("VM '%s': %lu KiB besides its RAM", vm->name,
		  (free - page_free_bytes() - ram_of(vm)) >> 10);
	attach_debugger(&boot->config.options, vm);
	vm_start(vm);
}

static void tell_memory(const struct boot *boot)
{
	uint64_t modules = 0;

	for (uint32_t i = 0; i < boot->mb2.module_count; i++)
		modules += ALIGN_UP(boot->module[i].size, PAGE_SIZE);
	log_debug("memory: %lu KiB, of which boot modules %lu KiB, free %lu KiB",
		  memmap_total(&boot->ram) >> 10, modules >> 10, page_free_bytes() >> 10);
}

bool build_vms(const struct boot *boot)
{
	const struct config *config = &boot->config;

	tell_memory(boot);
	for (uint32_t i = 0; i < config->error_count; i++)
		log_error("%s", config->error[i]);
	if (config->more_errors)
		log_error("and %u more errors like these", config->more_errors);
	if (fault_n(FAULT_VM_PAGE))
		fault_set(FAULT_PAGE, fault_n(FAULT_VM_PAGE));
	for (uint32_t i = 0; i < config->vm_count; i++)
		build_vm(boot, i);
	return config->error_count != 0;
}
