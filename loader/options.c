/* The words of the hypervisor and of a VM, a row each, and their defaults. */
#include "loader/options.h"

#include <asm/kvm_para.h>

#include "lib/fault.h"
#include "lib/log.h"
#include "lib/string.h"
#include "lib/trace.h"

#define CHOICES(...)                                                                               \
	(const struct word_choice[])                                                               \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			NULL, 0                                                                    \
		}                                                                                  \
	}

/* Slices between what an exit costs a few hundred times over and what a person notices. */
#define SLICE_US_MIN 10
#define SLICE_US_MAX 10000000
#define POLL_NS_MAX  1000000000
#define MEM_MAX      GIB(16384)

/* Enough for an installation; a guest that resets for ever ends all the same. */
#define RESTARTS_DEFAULT 10
#define RESTARTS_MAX     1000000

#define GDB_PORT_DEFAULT 0x2f8
#define WATCHDOG_S_MAX   3600

static bool parse_console(void *target, struct span value)
{
	struct hv_options *options = target;

	options->is_console_pci = span_is(value, "pci");
	if (options->is_console_pci || span_is(value, "none")) {
		options->console_port = 0;
		return true;
	}
	return config_parse_port(value, &options->console_port);
}

static bool parse_watchdog(void *target, struct span value)
{
	struct hv_options *options = target;

	options->watchdog_s = 0;
	if (span_is(value, "off"))
		return true;
	return !parse_u64(value.text, value.len, false, &options->watchdog_s) &&
	       options->watchdog_s && options->watchdog_s <= WATCHDOG_S_MAX;
}

static bool parse_monitor_port(void *target, struct span value)
{
	return config_parse_port(value, &((struct hv_options *)target)->port[HV_PORT_MONITOR]);
}

static bool parse_gdb_port(void *target, struct span value)
{
	return config_parse_port(value, &((struct hv_options *)target)->port[HV_PORT_GDB]);
}

/* NAME, NAME,wait. Without gdb-port= it is COM2, where the console rarely is. */
static bool parse_gdb(void *target, struct span value)
{
	static const char wait[] = ",wait";
	struct hv_options *options = target;
	size_t len = value.len;

	if (len > sizeof(wait) - 1 &&
	    !memcmp(value.text + len - (sizeof(wait) - 1), wait, sizeof(wait) - 1)) {
		options->is_gdb_wait = true;
		len -= sizeof(wait) - 1;
	}
	if (!len || len >= sizeof(options->gdb_vm))
		return false;
	memcpy(options->gdb_vm, value.text, len);
	options->gdb_vm[len] = '\0';
	if (!options->port[HV_PORT_GDB])
		options->port[HV_PORT_GDB] = GDB_PORT_DEFAULT;
	return true;
}

static bool parse_dump_port(void *target, struct span value)
{
	struct hv_options *options = target;

	options->is_dump_parallel = span_is(value, "lpt1");
	return options->is_dump_parallel || config_parse_port(value, &options->port[HV_PORT_DUMP]);
}

static bool parse_trace(void *target, struct span value)
{
	return trace_parse_groups(value.text, value.len,
				  &((struct hv_options *)target)->trace_groups);
}

#ifdef CONFIG_DEBUG
static bool parse_fault(void *target, struct span value)
{
	struct hv_options *options = target;
	enum fault_kind kind;

	if (!fault_parse(value.text, value.len, &kind, &options->fault_n))
		return false;
	options->fault = (uint8_t)kind;
	return true;
}
#endif

#define PORT_TAKES "com1, com2, com3, com4 or an I/O port such as 0x2f8"

#define HV(word, field) .name = (word), WORD_FIELD(struct hv_options, field)

const struct word_rule hv_word_rules[] = {
	{HV("slice_us", slice_us), .kind = WORD_NUMBER, .min = SLICE_US_MIN, .max = SLICE_US_MAX,
	 .takes = "microseconds, 10 to 10000000"},
	{HV("halt_poll_ns", halt_poll_ns), .kind = WORD_NUMBER, .max = POLL_NS_MAX,
	 .takes = "nanoseconds, 0 (no polling) to 1000000000"},
	{HV("halt_poll_ns_grow", halt_poll_ns_grow), .kind = WORD_NUMBER, .max = 1000,
	 .takes = "a factor, 0 (never grows) to 1000"},
	{HV("halt_poll_ns_grow_start", halt_poll_ns_grow_start), .kind = WORD_NUMBER,
	 .max = POLL_NS_MAX, .takes = "nanoseconds, 0 to 1000000000"},
	{HV("halt_poll_ns_shrink", halt_poll_ns_shrink), .kind = WORD_NUMBER, .max = 1000,
	 .takes = "a divisor, 0 (to zero at once) to 1000"},
	{HV("cpus", cpus), .kind = WORD_NUMBER, .min = 1, .max = MAX_PCPUS,
	 .takes = "how many CPUs to use at most, 1 to 512"},
	{.name = "console",
	 .kind = WORD_PARSED,
	 .parse = parse_console,
	 .takes = "com1, com2, com3, com4, an I/O port such as 0x3f8, pci, or none"},
	{.name = "monitor", .kind = WORD_PARSED, .parse = parse_monitor_port, .takes = PORT_TAKES},
	{.name = "gdb",
	 .kind = WORD_PARSED,
	 .parse = parse_gdb,
	 .takes = "the name of a VM, and ,wait behind it when it shall wait for gdb"},
	{.name = "gdb-port", .kind = WORD_PARSED, .parse = parse_gdb_port, .takes = PORT_TAKES},
	{.name = "dump",
	 .kind = WORD_PARSED,
	 .parse = parse_dump_port,
	 .takes = PORT_TAKES ", or lpt1"},
	{.name = "trace",
	 .kind = WORD_PARSED,
	 .parse = parse_trace,
	 .takes = "all, off, or some of sched,poll,exit,inject,ipi"},
	{HV("trace-records", trace_records), .kind = WORD_NUMBER, .min = 1024, .max = 4194304,
	 .takes = "how many for each pCPU, 1024 to 4194304"},
	{HV("loglevel", log_level), .kind = WORD_CHOICE,
	 .choices = CHOICES({"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO},
			    {"debug", LOG_DEBUG}),
	 .takes = "error, warn, info or debug"},
	{.name = "watchdog",
	 .kind = WORD_PARSED,
	 .parse = parse_watchdog,
	 .takes = "off, or seconds, 1 to 3600"},
	{HV("mitigations", is_mitigations_off), .kind = WORD_CHOICE,
	 .choices = CHOICES({"off", 1}, {"on", 0}), .takes = "on or off"},
	{HV("switch", is_switch_eager), .kind = WORD_CHOICE,
	 .choices = CHOICES({"eager", 1}, {"lazy", 0}), .takes = "eager or lazy"},
	{HV("vid", vid), .kind = WORD_CHOICE,
	 .choices = CHOICES({"auto", HV_VID_AUTO}, {"on", HV_VID_ON}, {"off", HV_VID_OFF}),
	 .takes = "auto, on or off"},
	{HV("rdrand", is_guest_rdrand_off), .kind = WORD_CHOICE,
	 .choices = CHOICES({"off", 1}, {"on", 0}), .takes = "on or off"},
	{HV("end", end), .kind = WORD_CHOICE,
	 .choices = CHOICES({"poweroff", HV_END_POWEROFF}, {"reset", HV_END_RESET},
			    {"halt", HV_END_HALT}, {"bochs", HV_END_BOCHS},
			    {"debug-exit", HV_END_DEBUG_EXIT}),
	 .takes = "poweroff, reset, halt, bochs or debug-exit"},
#ifdef CONFIG_DEBUG
	{HV("panic", is_panic_early), .kind = WORD_CHOICE, .choices = CHOICES({"early", 1}),
	 .takes = "early"},
	{.name = "fault", .kind = WORD_PARSED, .parse = parse_fault, .takes = FAULT_TAKES},
#endif
};
const uint32_t hv_word_rule_count = ARRAY_SIZE(hv_word_rules);

void hv_options_set_defaults(struct hv_options *options)
{
	*options = (struct hv_options){
		.slice_us = 10000,
		.halt_poll_ns = 200000,
		.halt_poll_ns_grow = 2,
		.halt_poll_ns_grow_start = 10000,
		.halt_poll_ns_shrink = 0,
		.console_port = 0x3f8,
		.trace_records = 32768,
		.watchdog_s = 1,
		.log_level = LOG_INFO,
		.end = HV_END_POWEROFF,
	};
}

static bool parse_pin(void *target, struct span value)
{
	struct vm_config *vm = target;
	const char *p = value.text, *end = value.text + value.len;

	while (vm->pin_count < MAX_VM_VCPUS) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end;
		uint64_t cpu;

		if (parse_u64(p, (size_t)(stop - p), false, &cpu) || cpu > UINT32_MAX)
			return false;
		vm->pin[vm->pin_count++] = (uint32_t)cpu;
		if (!comma)
			return true;
		p = comma + 1;
	}
	return false;
}

/* SOCKETS:CORES:THREADS. */
static bool parse_topology(void *target, struct span value)
{
	struct vm_config *vm = target;
	uint32_t *const level[] = {&vm->topology.sockets, &vm->topology.cores,
				   &vm->topology.threads};
	const char *p = value.text, *end = value.text + value.len;

	for (unsigned i = 0; i < ARRAY_SIZE(level); i++) {
		const char *colon = memchr(p, ':', (size_t)(end - p));
		const char *stop = colon ? colon : end;
		uint64_t count;

		if (!colon != (i == ARRAY_SIZE(level) - 1) ||
		    parse_u64(p, (size_t)(stop - p), false, &count) || !count ||
		    count > MAX_VM_VCPUS)
			return false;
		*level[i] = (uint32_t)count;
		p = stop + 1;
	}
	return true;
}

/* ok, fail, restart, restart:COUNT. */
static bool parse_on_reset(void *target, struct span value)
{
	static const char restart[] = "restart";
	const size_t len = sizeof(restart) - 1;
	struct vm_config *vm = target;
	uint64_t count = RESTARTS_DEFAULT;

	vm->is_reset_ok = span_is(value, "ok");
	if (vm->is_reset_ok || span_is(value, "fail"))
		return true;
	if (value.len < len || memcmp(value.text, restart, len) != 0)
		return false;
	if (value.len > len &&
	    (value.text[len] != ':' ||
	     parse_u64(value.text + len + 1, value.len - len - 1, false, &count)))
		return false;
	vm->restarts = (uint32_t)MIN(count, RESTARTS_MAX + 1ull);
	return count && count <= RESTARTS_MAX;
}

static bool parse_cpuid(void *target, struct span value)
{
	struct vm_config *vm = target;

	vm->cpuid = value.text;
	vm->cpuid_len = value.len;
	return value.len > 0;
}

#define VM(word, field) .name = (word), WORD_FIELD(struct vm_config, field)

/* A feature of KVM's that can be withdrawn; docs/kvm.md lists them. */
#define KVM_WORD(word, field)                                                                      \
	{                                                                                          \
		VM(word, field), .kind = WORD_CHOICE, .choices = CHOICES({"off", 1}, {"on", 0}),   \
				 .is_unlisted = true, .takes = "on or off"                         \
	}

const struct word_rule vm_word_rules[] = {
	{VM("mem", mem), .kind = WORD_SIZE, .min = MIB(1), .max = MEM_MAX,
	 .takes = "a size such as 256M, at least 1M"},
	{VM("vcpus", vcpus), .kind = WORD_NUMBER, .min = 1, .max = MAX_VM_VCPUS,
	 .takes = "1 to 16"},
	{.name = "pin",
	 .kind = WORD_PARSED,
	 .parse = parse_pin,
	 .takes = "up to 16 CPU numbers such as 0,1"},
	{.name = "topology",
	 .kind = WORD_PARSED,
	 .parse = parse_topology,
	 .is_unlisted = true,
	 .takes = "SOCKETS:CORES:THREADS such as 1:4:2"},
	{VM("format", format), .kind = WORD_CHOICE,
	 .choices =
		 CHOICES({"auto", FORMAT_AUTO}, {"flat", FORMAT_FLAT}, {"elf32", FORMAT_ELF32},
			 {"elf64", FORMAT_ELF64}, {"pvh", FORMAT_PVH}, {"bzimage", FORMAT_BZIMAGE},
			 {"multiboot1", FORMAT_MULTIBOOT1}, {"multiboot2", FORMAT_MULTIBOOT2}),
	 .takes = "auto, flat, elf32, elf64, pvh, bzimage, multiboot1 or multiboot2"},
	{VM("address", flat_address), .kind = WORD_SIZE, .max = VM_FLAT_ADDRESS_UNSET - 1,
	 .takes = "an address such as 0x100000 or 1M"},
	{VM("mode", flat_mode), .kind = WORD_CHOICE,
	 .choices = CHOICES({"real", 16}, {"32", 32}, {"64", 64}), .takes = "real, 32 or 64"},
	{VM("exit-ok", exit_ok), .kind = WORD_NUMBER, .max = UINT32_MAX,
	 .takes = "the value that a good end writes to port 0xf4, such as 0"},
	{VM("on-halt", is_halt_ok), .kind = WORD_CHOICE, .choices = CHOICES({"ok", 1}, {"fail", 0}),
	 .takes = "ok or fail"},
	{.name = "on-reset",
	 .kind = WORD_PARSED,
	 .parse = parse_on_reset,
	 .takes = "ok, fail, restart or restart:COUNT, 1 to 1000000"},
	{VM("hlt-exit", is_hlt_exit_off), .kind = WORD_CHOICE,
	 .choices = CHOICES({"off", 1}, {"on", 0}), .takes = "on or off"},
	{VM("background", is_background), .kind = WORD_FLAG, .max = 1},
	{VM("slice_us", slice_us), .kind = WORD_NUMBER, .min = SLICE_US_MIN, .max = SLICE_US_MAX,
	 .takes = "microseconds, 10 to 10000000"},
	{VM("weight", weight), .kind = WORD_NUMBER, .min = 1, .max = 100,
	 .takes = "1 to 100: the slice is so many times as long"},
	{VM("cap", cap), .kind = WORD_NUMBER, .min = 1, .max = 100,
	 .takes = "1 to 100: percent of a pCPU that each vCPU may use"},
	{.name = "cpuid",
	 .kind = WORD_PARSED,
	 .parse = parse_cpuid,
	 .takes = "features to hide, as /proc/cpuinfo names them, such as -x2apic,-avx"},
	{VM("kvm", is_kvm_off), .kind = WORD_CHOICE, .choices = CHOICES({"off", 1}, {"on", 0}),
	 .takes = "on or off"},
	{VM("virtio-console", has_virtio_console), .kind = WORD_CHOICE,
	 .choices = CHOICES({"off", 0}, {"on", 1}), .is_unlisted = true, .takes = "on or off"},
	{.name = "net",
	 .kind = WORD_PARSED,
	 .parse = config_parse_net,
	 .takes = "the names of one or two LANs, such as lan0"},
	{.name = "mac",
	 .kind = WORD_PARSED,
	 .parse = config_parse_macs,
	 .is_unlisted = true,
	 .takes = "an address for each NIC, such as 02:00:00:00:00:01, no group's"},
	{VM("virtio-rng", has_virtio_rng), .kind = WORD_CHOICE,
	 .choices = CHOICES({"off", 0}, {"on", 1}), .is_unlisted = true, .takes = "on or off"},
	KVM_WORD("kvm-clock", is_kvm_withdrawn[KVM_FEATURE_CLOCKSOURCE2]),
	KVM_WORD("kvm-steal-time", is_kvm_withdrawn[KVM_FEATURE_STEAL_TIME]),
	KVM_WORD("kvm-pv-eoi", is_kvm_withdrawn[KVM_FEATURE_PV_EOI]),
	KVM_WORD("kvm-pv-unhalt", is_kvm_withdrawn[KVM_FEATURE_PV_UNHALT]),
	KVM_WORD("kvm-pv-tlb-flush", is_kvm_withdrawn[KVM_FEATURE_PV_TLB_FLUSH]),
	KVM_WORD("kvm-pv-send-ipi", is_kvm_withdrawn[KVM_FEATURE_PV_SEND_IPI]),
	KVM_WORD("kvm-poll-control", is_kvm_withdrawn[KVM_FEATURE_POLL_CONTROL]),
	KVM_WORD("kvm-pv-sched-yield", is_kvm_withdrawn[KVM_FEATURE_PV_SCHED_YIELD]),
	KVM_WORD("kvm-msi-ext-dest-id", is_kvm_withdrawn[KVM_FEATURE_MSI_EXT_DEST_ID]),
	KVM_WORD("kvm-realtime", is_kvm_realtime_off),
};
const uint32_t vm_word_rule_count = ARRAY_SIZE(vm_word_rules);

void vm_config_set_defaults(struct vm_config *vm)
{
	*vm = (struct vm_config){
		.append = "",
		.mem = MIB(128),
		.vcpus = 1,
		.weight = 1,
		.cap = 100,
		.format = FORMAT_AUTO,
		.flat_address = VM_FLAT_ADDRESS_UNSET,
		.is_reset_ok = true,
	};
}
