/* The grammar of module command lines: docs/guests.md. 'Everything wrong gets a message that names
 * the module or VM, the word, and the remedy'; 'one VM's errors never hurt another VM'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <asm/kvm_para.h>
#include <stdio.h>
#include <stdio.h>
#include <string.h>

#include "fakes/guest_ram.h"
#include "lib/log.h"
#include "loader/config.h"
#include "loader/words.h"

static struct config config;
static struct boot_module modules[200];

/* Parses with 4 pCPUs the command lines given, each a module. */
#define PARSE(...)                                                                                 \
	do {                                                                                       \
		const char *lines[] = {__VA_ARGS__};                                               \
		parse_lines("", lines, sizeof(lines) / sizeof(lines[0]));                          \
	} while (0)

static void parse_lines(const char *cmdline, const char *const *lines, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		modules[i] = (struct boot_module){.cmdline = lines[i]};
	config_parse(&config, cmdline, modules, count, 4);
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' does not contain '%s'", text, part);
}

static void assert_printable(const char text[CONFIG_ERROR_MAX])
{
	assert_in_range(strnlen(text, CONFIG_ERROR_MAX), 0, CONFIG_ERROR_MAX - 1);
	for (; *text; text++)
		assert_in_range(*text, ' ', '~');
}

/* The one VM of these lines has an error that holds the parts. */
#define ASSERT_VM_ERROR(part1, part2, ...)                                                         \
	do {                                                                                       \
		PARSE(__VA_ARGS__);                                                                \
		assert_int_equal(config.error_count, 0);                                           \
		assert_int_equal(config.vm_count, 1);                                              \
		assert_contains(config.vm[0].error, "vm 'web': ");                                 \
		assert_contains(config.vm[0].error, part1);                                        \
		assert_contains(config.vm[0].error, part2);                                        \
	} while (0)

static void test_all_words(void **state)
{
	(void)state;
	PARSE("vm=web kernel mem=256M vcpus=2 pin=0,1 format=elf64 exit-ok=3 on-halt=ok "
	      "on-reset=fail background slice_us=500 cpuid=-avx,-x2apic kvm=off -- root=/dev/vda  "
	      "x");
	const struct vm_config *vm = &config.vm[0];

	assert_int_equal(config.error_count, 0);
	assert_int_equal(config.vm_count, 1);
	assert_string_equal(vm->error, "");
	assert_string_equal(vm->name, "web");
	assert_ptr_equal(vm->kernel, &modules[0]);
	assert_null(vm->initrd);
	assert_string_equal(vm->append, "root=/dev/vda  x");
	assert_int_equal(vm->mem, MIB(256));
	assert_int_equal(vm->vcpus, 2);
	assert_int_equal(vm->pin_count, 2);
	assert_int_equal(vm->pin[0], 0);
	assert_int_equal(vm->pin[1], 1);
	assert_int_equal(vm->format, FORMAT_ELF64);
	assert_int_equal(vm->exit_ok, 3);
	assert_true(vm->is_halt_ok);
	assert_false(vm->is_reset_ok);
	assert_true(vm->is_background);
	assert_int_equal(vm->slice_us, 500);
	assert_int_equal(vm->cpuid_len, strlen("-avx,-x2apic"));
	assert_memory_equal(vm->cpuid, "-avx,-x2apic", vm->cpuid_len);
	assert_true(vm->is_kvm_off);
}

/* kvm-NAME=off: one word a feature, by its number in asm/kvm_para.h. */
static void test_kvm_words(void **state)
{
	static const struct {
		const char *word;
		unsigned feature;
	} words[] = {
		{"kvm-clock", KVM_FEATURE_CLOCKSOURCE2},
		{"kvm-steal-time", KVM_FEATURE_STEAL_TIME},
		{"kvm-pv-eoi", KVM_FEATURE_PV_EOI},
		{"kvm-pv-unhalt", KVM_FEATURE_PV_UNHALT},
		{"kvm-pv-tlb-flush", KVM_FEATURE_PV_TLB_FLUSH},
		{"kvm-pv-send-ipi", KVM_FEATURE_PV_SEND_IPI},
		{"kvm-poll-control", KVM_FEATURE_POLL_CONTROL},
		{"kvm-pv-sched-yield", KVM_FEATURE_PV_SCHED_YIELD},
		{"kvm-msi-ext-dest-id", KVM_FEATURE_MSI_EXT_DEST_ID},
	};
	char text[64];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		snprintf(text, sizeof(text), "vm=a kernel %s=off", words[i].word);
		PARSE(text);
		assert_string_equal(config.vm[0].error, "");
		for (unsigned f = 0; f < 32; f++)
			assert_int_equal(config.vm[0].is_kvm_withdrawn[f], f == words[i].feature);
		assert_false(config.vm[0].is_kvm_realtime_off);
	}
	PARSE("vm=a kernel kvm-realtime=off kvm-pv-eoi=on");
	assert_true(config.vm[0].is_kvm_realtime_off);
	assert_false(config.vm[0].is_kvm_withdrawn[KVM_FEATURE_PV_EOI]);
}

static void test_defaults(void **state)
{
	(void)state;
	PARSE("vm=a kernel");
	const struct vm_config *vm = &config.vm[0];

	assert_string_equal(vm->error, "");
	assert_string_equal(vm->append, "");
	assert_int_equal(vm->mem, MIB(128));
	assert_int_equal(vm->vcpus, 1);
	assert_int_equal(vm->pin_count, 0);
	assert_int_equal(vm->format, FORMAT_AUTO);
	assert_int_equal(vm->flat_address, 0x100000);
	assert_int_equal(vm->flat_mode, 64);
	assert_int_equal(vm->exit_ok, 0);
	assert_false(vm->is_halt_ok);
	assert_true(vm->is_reset_ok);
	assert_int_equal(vm->restarts, 0);
	assert_int_equal(vm->topology.sockets, 1);
	assert_int_equal(vm->topology.cores, 1);
	assert_int_equal(vm->topology.threads, 1);
	assert_false(vm->is_background);
	assert_int_equal(vm->slice_us, 0);
	assert_int_equal(vm->cap, 100);
	assert_null(vm->cpuid);
	assert_false(vm->is_kvm_off);
}

/* GRUB2's module2 strips the file name; other loaders pass it. */
static void test_file_name_in_front_is_tolerated(void **state)
{
	(void)state;
	PARSE("/boot/vmlinuz vm=a kernel -- quiet", "(hd0,gpt2)/initrd vm=a initrd");
	assert_int_equal(config.error_count, 0);
	assert_int_equal(config.vm_count, 1);
	assert_string_equal(config.vm[0].error, "");
	assert_string_equal(config.vm[0].append, "quiet");
	assert_ptr_equal(config.vm[0].initrd, &modules[1]);
	/* Only in front. */
	ASSERT_VM_ERROR("unknown word '/boot/vmlinuz'", "known: kernel",
			"vm=web kernel /boot/vmlinuz");
}

static void test_quotes(void **state)
{
	(void)state;
	PARSE("vm=\"a\" 'mem=64M' \"kernel\" cpuid='-avx' -- x=\"a b\" 'c'");
	const struct vm_config *vm = &config.vm[0];

	assert_int_equal(config.error_count, 0);
	assert_string_equal(vm->error, "");
	assert_string_equal(vm->name, "a");
	assert_int_equal(vm->mem, MIB(64));
	assert_int_equal(vm->cpuid_len, 4);
	assert_memory_equal(vm->cpuid, "-avx", 4);
	/* What stands behind `--` is the guest's: quotes and all. */
	assert_string_equal(vm->append, "x=\"a b\" 'c'");

	ASSERT_VM_ERROR("bad quote in 'mem=\"64M", "quote a whole word", "vm=web kernel mem=\"64M");
	ASSERT_VM_ERROR("bad quote in 'mem=6\"4M\"'", "quote", "vm=web kernel mem=6\"4M\"");
	ASSERT_VM_ERROR("bad quote in 'mem=\"64M\"x'", "quote", "vm=web kernel mem=\"64M\"x");
}

static void test_modules_and_order(void **state)
{
	(void)state;
	/* Roles and words in any order, modules in any order, two VMs mixed. */
	PARSE("initrd vm=a", "vm=b mem=2M kernel", "module vm=a -- first one", "kernel vm=a",
	      "vm=a module");
	assert_int_equal(config.error_count, 0);
	assert_int_equal(config.vm_count, 2);
	assert_string_equal(config.vm[0].error, "");
	assert_string_equal(config.vm[1].error, "");
	assert_ptr_equal(config.vm[0].initrd, &modules[0]);
	assert_ptr_equal(config.vm[0].kernel, &modules[3]);
	assert_int_equal(config.vm[0].module_count, 2);
	assert_ptr_equal(config.vm[0].module[0].module, &modules[2]);
	assert_string_equal(config.vm[0].module[0].string, "first one");
	assert_string_equal(config.vm[0].module[1].string, "");
	assert_int_equal(config.vm[1].mem, MIB(2));
}

/* A string that begins with opt/ makes the module a file of fw_cfg, of that name; the kernel's
 * loader does not see it. */
static void test_files(void **state)
{
	const char *many[CONFIG_FILES_MAX + 2] = {"vm=a kernel"};

	(void)state;
	PARSE("kernel vm=a", "module vm=a -- opt/com.example/a b", "module vm=a -- other",
	      "module vm=a -- opt", "module vm=a -- opt/");
	assert_string_equal(config.vm[0].error, "");
	assert_int_equal(config.vm[0].file_count, 2);
	assert_ptr_equal(config.vm[0].file[0].module, &modules[1]);
	assert_string_equal(config.vm[0].file[0].string, "opt/com.example/a b");
	assert_string_equal(config.vm[0].file[1].string, "opt/");
	assert_int_equal(config.vm[0].module_count, 2);
	assert_string_equal(config.vm[0].module[1].string, "opt");
	for (unsigned i = 1; i <= CONFIG_FILES_MAX + 1; i++)
		many[i] = "vm=a module -- opt/x";
	parse_lines("", many, CONFIG_FILES_MAX + 2);
	assert_int_equal(config.vm[0].file_count, CONFIG_FILES_MAX);
	assert_contains(config.vm[0].error,
			"module 18 is one too many: a VM has at most 16 opt/ files");
}

static void test_no_modules(void **state)
{
	(void)state;
	parse_lines("", NULL, 0);
	assert_int_equal(config.vm_count, 0);
	assert_int_equal(config.error_count, 1);
	assert_contains(config.error[0], "no modules");
	assert_contains(config.error[0], "module2");
}

static void test_module_without_vm(void **state)
{
	(void)state;
	PARSE("vm=web kernel", "kernel mem=64M", "", "-- vm=x");
	assert_int_equal(config.vm_count, 1);
	assert_string_equal(config.vm[0].error, "");
	assert_int_equal(config.error_count, 3);
	assert_contains(config.error[0], "module 2 ('kernel mem=64M')");
	assert_contains(config.error[0], "vm=NAME");
	assert_contains(config.error[1], "module 3");
	assert_contains(config.error[2], "module 4");
}

static void test_names(void **state)
{
	static const char *const bad[] = {
		"vm= kernel",      "vm=a/b kernel",
		"vm='a b' kernel", "vm=0123456789012345678901234567890x kernel",
		"vm=a\x01 kernel", "vm=caf\xc3\xa9 kernel",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		parse_lines("", &bad[i], 1);
		assert_int_equal(config.vm_count, 0);
		assert_int_equal(config.error_count, 1);
		assert_contains(config.error[0], "module 1: bad VM name '");
		assert_contains(config.error[0], "A-Z a-z 0-9 . _ -");
		assert_printable(config.error[0]);
	}
	PARSE("vm=0123456789012345678901234567.Z_- kernel");
	assert_int_equal(config.error_count, 1);
	PARSE("vm=012345678901234567890123456.Z_- kernel");
	assert_int_equal(config.error_count, 0);
	assert_string_equal(config.vm[0].name, "012345678901234567890123456.Z_-");
}

static void test_unknown_words(void **state)
{
	(void)state;
	PARSE("vm=web kernel memm=64M");
	assert_string_equal(
		config.vm[0].error,
		"vm 'web': unknown word 'memm=64M'; known: kernel initrd module mem= vcpus= pin= "
		"format= address= mode= exit-ok= on-halt= on-reset= hlt-exit= background slice_us= "
		"weight= "
		"cap= cpuid= "
		"kvm= net=");
	/* The policy of a later issue. */
	ASSERT_VM_ERROR("weight=0", "1 to 100", "vm=web kernel weight=0");
	ASSERT_VM_ERROR("cap=101", "1 to 100", "vm=web kernel cap=101");
	ASSERT_VM_ERROR("unknown word 'mem'", "mem=", "vm=web kernel mem");
	ASSERT_VM_ERROR("unknown word 'background=1'", "background ", "vm=web kernel background=1");
	ASSERT_VM_ERROR("unknown word '=5'", "known: ", "vm=web kernel =5");
	ASSERT_VM_ERROR("unknown word 'quiet'", "known: ", "vm=web kernel quiet");
}

/* One socket that has all the vCPUs, unless the word says otherwise, wherever it stands. */
static void test_topology(void **state)
{
	static const char *const bad[] = {
		"topology=",     "topology=4",       "topology=1:4",
		"topology=1:4:", "topology=1:4:1:1", "topology=0:4:1",
		"topology=1::4", "topology=1:4:17",  "topology=1:x:4",
	};
	char text[64];

	(void)state;
	PARSE("vm=a kernel vcpus=12", "vm=b kernel topology=2:3:2 vcpus=12");
	assert_string_equal(config.vm[0].error, "");
	assert_int_equal(config.vm[0].topology.sockets, 1);
	assert_int_equal(config.vm[0].topology.cores, 12);
	assert_int_equal(config.vm[0].topology.threads, 1);
	assert_string_equal(config.vm[1].error, "");
	assert_int_equal(config.vm[1].topology.sockets, 2);
	assert_int_equal(config.vm[1].topology.cores, 3);
	assert_int_equal(config.vm[1].topology.threads, 2);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "vm=web kernel vcpus=4 %s", bad[i]);
		ASSERT_VM_ERROR(bad[i], "SOCKETS:CORES:THREADS", text);
	}
	ASSERT_VM_ERROR("topology=2:2:2 has 8 CPUs", "vcpus=4: make them equal",
			"vm=web kernel vcpus=4 topology=2:2:2");
	ASSERT_VM_ERROR("topology=16:16:16 has 4096 CPUs", "vcpus=1: make them equal",
			"vm=web kernel topology=16:16:16");
}

static void test_on_reset(void **state)
{
	static const char *const bad[] = {
		"on-reset=maybe",     "on-reset=",           "on-reset=restarts",
		"on-reset=restart:",  "on-reset=restart:0",  "on-reset=restart:1000001",
		"on-reset=restart:x", "on-reset=restart:-1",
	};
	char text[64];

	(void)state;
	PARSE("vm=a kernel on-reset=ok", "vm=b kernel on-reset=fail",
	      "vm=c kernel on-reset=restart", "vm=d kernel on-reset=restart:1000000");
	assert_true(config.vm[0].is_reset_ok);
	assert_int_equal(config.vm[0].restarts, 0);
	assert_false(config.vm[1].is_reset_ok);
	assert_int_equal(config.vm[1].restarts, 0);
	/* When the restarts are used up, a reset is a failure. */
	assert_false(config.vm[2].is_reset_ok);
	assert_int_equal(config.vm[2].restarts, 10);
	assert_int_equal(config.vm[3].restarts, 1000000);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "vm=web kernel %s", bad[i]);
		ASSERT_VM_ERROR(bad[i], "ok, fail, restart or restart:COUNT", text);
	}
}

static void test_roles(void **state)
{
	(void)state;
	ASSERT_VM_ERROR("module 2 is a second kernel", "rename", "vm=web kernel", "vm=web kernel");
	ASSERT_VM_ERROR("an initrd without a kernel", "vm=web kernel", "vm=web initrd");
	ASSERT_VM_ERROR("modules without a kernel", "vm=web kernel", "vm=web module -- x");
	ASSERT_VM_ERROR("second initrd", "join", "vm=web kernel", "vm=web initrd", "vm=web initrd");
	ASSERT_VM_ERROR("no role", "kernel, initrd, module or disk", "vm=web mem=64M");
	ASSERT_VM_ERROR("two roles", "keep one", "vm=web kernel initrd");
	ASSERT_VM_ERROR("'mem=64M' stands at the initrd", "at the VM's kernel", "vm=web kernel",
			"vm=web initrd mem=64M");
	ASSERT_VM_ERROR("behind '--' at the initrd", "at its kernel", "vm=web kernel",
			"vm=web initrd -- quiet");
}

static void test_values(void **state)
{
	(void)state;
	ASSERT_VM_ERROR("'vcpus=0'", "1 to 16", "vm=web kernel vcpus=0");
	ASSERT_VM_ERROR("'vcpus=17'", "1 to 16", "vm=web kernel vcpus=17");
	ASSERT_VM_ERROR("'vcpus=two'", "1 to 16", "vm=web kernel vcpus=two");
	ASSERT_VM_ERROR("'vcpus=4294967297'", "1 to 16", "vm=web kernel vcpus=4294967297");
	ASSERT_VM_ERROR("pin=4: there is no such CPU", "there are 4", "vm=web kernel pin=0,4");
	ASSERT_VM_ERROR("'pin='", "such as 0,1", "vm=web kernel pin=");
	ASSERT_VM_ERROR("'pin=0,'", "such as 0,1", "vm=web kernel pin=0,");
	ASSERT_VM_ERROR("'pin=0,,1'", "such as 0,1", "vm=web kernel pin=0,,1");
	ASSERT_VM_ERROR("'pin=4294967296'", "such as 0,1", "vm=web kernel pin=4294967296");
	ASSERT_VM_ERROR("'pin=0,0,0", "up to 16",
			"vm=web kernel pin=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0");
	ASSERT_VM_ERROR("'mem='", "256M", "vm=web kernel mem=");
	ASSERT_VM_ERROR("'mem=0'", "at least 1M", "vm=web kernel mem=0");
	ASSERT_VM_ERROR("'mem=512'", "at least 1M", "vm=web kernel mem=512");
	ASSERT_VM_ERROR("'mem=1023K'", "at least 1M", "vm=web kernel mem=1023K");
	ASSERT_VM_ERROR("'mem=64MB'", "256M", "vm=web kernel mem=64MB");
	ASSERT_VM_ERROR("'mem=-1'", "256M", "vm=web kernel mem=-1");
	ASSERT_VM_ERROR("'mem=99999999999G'", "256M", "vm=web kernel mem=99999999999G");
	ASSERT_VM_ERROR("multiple of 4096", "mem=", "vm=web kernel mem=1048577");
	ASSERT_VM_ERROR("'format=exe'", "bzimage", "vm=web kernel format=exe");
	ASSERT_VM_ERROR("'on-halt=maybe'", "ok or fail", "vm=web kernel on-halt=maybe");
	ASSERT_VM_ERROR("'slice_us=0'", "10 to", "vm=web kernel slice_us=0");
	ASSERT_VM_ERROR("'cpuid='", "-x2apic", "vm=web kernel cpuid=");
	ASSERT_VM_ERROR("'exit-ok=4294967296'", "0xf4", "vm=web kernel exit-ok=4294967296");
	PARSE("vm=web kernel mem=1M vcpus=16 pin=3");
	assert_string_equal(config.vm[0].error, "");
}

/* Each number's first and last value are taken, and their neighbours outside are not. */
static void test_bounds(void **state)
{
	static const struct {
		const char *word;
		uint64_t min, max;
	} rows[] = {
		{"vcpus", 1, 16},           {"weight", 1, 100},         {"cap", 1, 100},
		{"slice_us", 10, 10000000}, {"exit-ok", 0, UINT32_MAX},
	};
	char line[80];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned n = 0; n < 4; n++) {
			uint64_t value = n < 2 ? rows[i].min - n : rows[i].max + n - 2;
			bool is_good = n == 0 || n == 2;

			if (value == UINT64_MAX)
				continue;
			snprintf(line, sizeof(line), "vm=web kernel %s=%lu", rows[i].word, value);
			PARSE(line);
			assert_int_equal(!config.vm[0].error[0], is_good);
		}
	}
}

/* cpus= leaves fewer CPUs to pin to. */
static void test_pin_follows_cpus(void **state)
{
	const char *line = "vm=web kernel pin=2";

	(void)state;
	parse_lines("cpus=2", &line, 1);
	assert_contains(config.vm[0].error, "there are 2");
}

static void test_duplicates(void **state)
{
	(void)state;
	ASSERT_VM_ERROR("'mem' is there twice", "keep one", "vm=web kernel mem=64M mem=64M");
	ASSERT_VM_ERROR("'background' is there twice", "keep one",
			"vm=web kernel background background");
	ASSERT_VM_ERROR("'vm' is there twice", "keep one", "vm=web kernel vm=web");
	/* Behind `--` nothing counts. */
	PARSE("vm=web kernel mem=64M -- mem=64M vm=x kernel");
	assert_string_equal(config.vm[0].error, "");
}

static void test_flat(void **state)
{
	(void)state;
	PARSE("vm=a kernel format=flat address=0x8000 mode=32",
	      "vm=b kernel format=flat mode=real");
	assert_string_equal(config.vm[0].error, "");
	assert_int_equal(config.vm[0].flat_address, 0x8000);
	assert_int_equal(config.vm[0].flat_mode, 32);
	assert_int_equal(config.vm[1].flat_address, 0x7c00);
	assert_int_equal(config.vm[1].flat_mode, 16);
	ASSERT_VM_ERROR("address= is for flat images", "format=flat",
			"vm=web kernel address=0x8000");
	ASSERT_VM_ERROR("mode= is for flat images", "format=flat",
			"vm=web kernel format=pvh mode=32");
	ASSERT_VM_ERROR("'mode=16'", "real, 32 or 64", "vm=web kernel format=flat mode=16");
}

static void test_first_error_stays_and_others_run_on(void **state)
{
	(void)state;
	PARSE("vm=web kernel vcpus=0 bogus mem=0", "vm=ok kernel mem=64M -- fine");
	assert_contains(config.vm[0].error, "vcpus=0");
	assert_string_equal(config.vm[1].error, "");
	assert_int_equal(config.vm[1].mem, MIB(64));
	assert_string_equal(config.vm[1].append, "fine");
}

static void test_too_many(void **state)
{
	static char lines[CONFIG_VMS_MAX + 2][40];
	const char *ptr[CONFIG_VMS_MAX + 2];

	(void)state;
	for (unsigned i = 0; i < CONFIG_VMS_MAX + 2; i++) {
		snprintf(lines[i], sizeof(lines[i]), "vm=v%u kernel", i);
		ptr[i] = lines[i];
	}
	/* The last is for a VM that is there. */
	snprintf(lines[CONFIG_VMS_MAX + 1], sizeof(lines[0]), "vm=v3 initrd");
	parse_lines("", ptr, CONFIG_VMS_MAX + 2);
	assert_int_equal(config.vm_count, CONFIG_VMS_MAX);
	assert_int_equal(config.error_count, 1);
	assert_contains(config.error[0], "vm 'v64' is one VM too many");
	assert_string_equal(config.vm[3].error, "");
	assert_non_null(config.vm[3].initrd);

	ptr[0] = "vm=a kernel";
	for (unsigned i = 1; i <= CONFIG_MODULES_MAX + 1; i++)
		ptr[i] = "vm=a module";
	parse_lines("", ptr, CONFIG_MODULES_MAX + 2);
	assert_int_equal(config.vm[0].module_count, CONFIG_MODULES_MAX);
	assert_contains(config.vm[0].error, "module 50 is one too many: a VM has at most 48");
}

static void test_global_errors_are_bounded(void **state)
{
	const char *lines[CONFIG_ERRORS_MAX + 3];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		lines[i] = "kernel";
	parse_lines("", lines, ARRAY_SIZE(lines));
	assert_int_equal(config.error_count, CONFIG_ERRORS_MAX);
	assert_int_equal(config.more_errors, 3);
}

static void test_hypervisor_words(void **state)
{
	const char *line = "vm=a kernel";

	(void)state;
	parse_lines("/boot/carousel.elf", &line, 1);
	assert_int_equal(config.error_count, 0);
	assert_int_equal(config.options.slice_us, 10000);
	assert_int_equal(config.options.halt_poll_ns, 200000);
	assert_int_equal(config.options.halt_poll_ns_grow, 2);
	assert_int_equal(config.options.halt_poll_ns_grow_start, 10000);
	assert_int_equal(config.options.halt_poll_ns_shrink, 0);
	assert_int_equal(config.options.cpus, 0);
	assert_int_equal(config.options.console_port, 0x3f8);
	assert_int_equal(config.options.log_level, LOG_INFO);
	assert_false(config.options.is_mitigations_off || config.options.is_switch_eager ||
		     config.options.is_guest_rdrand_off);
	assert_int_equal(config.options.vid, HV_VID_AUTO);
	assert_int_equal(config.options.end, HV_END_POWEROFF);

	parse_lines("slice_us=500 halt_poll_ns=0 halt_poll_ns_grow=3 halt_poll_ns_grow_start=1 "
		    "halt_poll_ns_shrink=4 cpus=2 console=com2 loglevel=debug mitigations=off "
		    "switch=eager vid=on rdrand=off end=bochs",
		    &line, 1);
	assert_int_equal(config.error_count, 0);
	assert_int_equal(config.options.slice_us, 500);
	assert_int_equal(config.options.halt_poll_ns, 0);
	assert_int_equal(config.options.halt_poll_ns_grow, 3);
	assert_int_equal(config.options.halt_poll_ns_grow_start, 1);
	assert_int_equal(config.options.halt_poll_ns_shrink, 4);
	assert_int_equal(config.options.cpus, 2);
	assert_int_equal(config.options.console_port, 0x2f8);
	assert_int_equal(config.options.log_level, LOG_DEBUG);
	assert_true(config.options.is_mitigations_off && config.options.is_switch_eager &&
		    config.options.is_guest_rdrand_off);
	assert_int_equal(config.options.vid, HV_VID_ON);
	assert_int_equal(config.options.end, HV_END_BOCHS);

	parse_lines("console=none", &line, 1);
	assert_int_equal(config.options.console_port, 0);
	assert_false(config.options.is_console_pci);
	parse_lines("console=pci", &line, 1);
	assert_true(config.options.is_console_pci);
	assert_int_equal(config.options.console_port, 0);
	parse_lines("console=0x2e8", &line, 1);
	assert_int_equal(config.options.console_port, 0x2e8);
}

/* Serial ports by their roles: none unless named, and each its own. */
static void test_port_roles(void **state)
{
	static const struct {
		const char *cmdline, *error;
	} bad[] = {
		{"monitor=com1", "monitor= and console= name the same serial port (0x3f8); give "
				 "each one of its own"},
		{"console=com2 gdb-port=0x2f8", "gdb-port= and console= name the same"},
		{"monitor=com2 dump=com2", "dump= and monitor= name the same"},
		{"monitor=com2 dump=0x2f1", "dump= and monitor= name the same"}, /* overlap */
	};
	const char *line = "vm=a kernel";

	(void)state;
	parse_lines("", &line, 1);
	for (unsigned role = 0; role < HV_PORT_ROLES; role++)
		assert_int_equal(config.options.port[role], 0);
	parse_lines("monitor=com2 gdb-port=com3 dump=0x2f0", &line, 1);
	assert_int_equal(config.error_count, 0);
	assert_int_equal(config.options.port[HV_PORT_MONITOR], 0x2f8);
	assert_int_equal(config.options.port[HV_PORT_GDB], 0x3e8);
	assert_int_equal(config.options.port[HV_PORT_DUMP], 0x2f0);
	parse_lines("console=none monitor=com1", &line, 1);
	assert_int_equal(config.error_count, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		parse_lines(bad[i].cmdline, &line, 1);
		assert_int_equal(config.error_count, 1);
		assert_non_null(strstr(config.error[0], bad[i].error));
	}
	parse_lines("monitor=none", &line, 1);
	assert_non_null(strstr(config.error[0], "monitor= takes com1, com2, com3, com4 or"));
}

/* gdb=VM[,wait], at COM2 unless gdb-port= says otherwise, in either order. */
static void test_gdb(void **state)
{
	const char *line = "vm=a,b kernel", *plain = "vm=a kernel";

	(void)state;
	parse_lines("gdb=a", &plain, 1);
	assert_int_equal(config.error_count, 0);
	assert_string_equal(config.options.gdb_vm, "a");
	assert_false(config.options.is_gdb_wait);
	assert_int_equal(config.options.port[HV_PORT_GDB], 0x2f8);
	parse_lines("gdb-port=com4 gdb=a,wait", &plain, 1);
	assert_int_equal(config.error_count, 0);
	assert_string_equal(config.options.gdb_vm, "a");
	assert_true(config.options.is_gdb_wait);
	assert_int_equal(config.options.port[HV_PORT_GDB], 0x2e8);
	parse_lines("gdb=a gdb-port=com3", &plain, 1);
	assert_int_equal(config.options.port[HV_PORT_GDB], 0x3e8);
	parse_lines("gdb=b", &plain, 1);
	assert_int_equal(config.error_count, 1);
	assert_string_equal(config.error[0], "carousel: gdb=b: no VM has that name");
	parse_lines("gdb=,wait", &plain, 1);
	assert_non_null(strstr(config.error[0], "no VM has that name"));
	parse_lines("gdb=", &plain, 1);
	assert_non_null(strstr(config.error[0], "gdb= takes the name of a VM"));
	parse_lines("console=com2 gdb=a", &line, 1);
	assert_non_null(strstr(config.error[0], "gdb-port= and console= name the same"));
}

static void test_hypervisor_errors(void **state)
{
	static const struct {
		const char *cmdline, *part1, *part2;
	} bad[] = {
		{"slice=5", "carousel: unknown word 'slice=5'", "known: slice_us="},
		{"--", "unknown word '--'", "known: "},
		{"cpus=0", "bad value in 'cpus=0'", "1 to 512"},
		{"cpus=2 cpus=2", "'cpus' is there twice", "keep one"},
		{"console=com9", "'console=com9'", "com1"},
		{"console=0x10000", "'console=0x10000'", "0x3f8"},
		{"loglevel=all", "'loglevel=all'", "error, warn"},
		{"end='x", "bad quote in 'end='x'", "quote"},
		{"halt_poll_ns=1000000001", "'halt_poll_ns=1000000001'", "1000000000"},
	};
	const char *line = "vm=a kernel";

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		parse_lines(bad[i].cmdline, &line, 1);
		assert_int_equal(config.error_count, 1);
		assert_contains(config.error[0], bad[i].part1);
		assert_contains(config.error[0], bad[i].part2);
		assert_string_equal(config.vm[0].error, "");
	}
}

/* Whatever stands on the lines: errors are terminated and printable, names are names. */
static void test_mutations(void **state)
{
	static const char *const good[] = {
		"vm=web kernel mem=256M vcpus=2 pin=0,1 format='flat' address=1M mode=32 -- a b",
		"(hd0)/x vm=web initrd",
		"vm=\"db\" kernel exit-ok=3 on-halt=ok background slice_us=500 cpuid=-avx kvm=off",
		"vm=db module -- string",
	};
	static char lines[ARRAY_SIZE(good)][100];
	const char *ptr[ARRAY_SIZE(good)];
	uint64_t seed = 0x853c49e6748fea9b;

	(void)state;
	for (unsigned n = 0; n < 5000; n++) {
		for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
			strcpy(lines[i], good[i]);
			fake_mutate(&seed, (uint8_t *)lines[i], strlen(good[i]), 20);
			ptr[i] = lines[i];
		}
		parse_lines(lines[n % ARRAY_SIZE(good)], ptr, ARRAY_SIZE(good));
		assert_in_range(config.error_count, 1, CONFIG_ERRORS_MAX);
		for (unsigned i = 0; i < config.error_count; i++)
			assert_printable(config.error[i]);
		for (unsigned i = 0; i < config.vm_count; i++) {
			assert_printable(config.vm[i].error);
			assert_in_range(strlen(config.vm[i].name), 1, CONFIG_NAME_MAX - 1);
			assert_true(config.vm[i].kernel || config.vm[i].error[0]);
			assert_in_range(config.vm[i].vcpus, 0,
					config.vm[i].error[0] ? UINT32_MAX : 16);
		}
	}
}

/* GRUB 2.06, grub_create_loader_cmdline: '\\', '\'' and '"' get a backslash in front. */
static void test_unescape(void **state)
{
	const struct {
		const char *from, *to;
	} cases[] = {
		{"", ""},
		{"vm=a kernel", "vm=a kernel"},
		{"a \\\"b c\\\" d", "a \"b c\" d"},
		{"\\'x\\'", "'x'"},
		{"back\\\\slash", "back\\slash"},
		{"\\\\\\\"", "\\\""},
		{"no\\escape \\", "no\\escape \\"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[64];

		strcpy(text, cases[i].from);
		words_unescape(text);
		assert_string_equal(text, cases[i].to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unescape),
		cmocka_unit_test(test_all_words),
		cmocka_unit_test(test_kvm_words),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_file_name_in_front_is_tolerated),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_modules_and_order),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_no_modules),
		cmocka_unit_test(test_module_without_vm),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_unknown_words),
		cmocka_unit_test(test_topology),
		cmocka_unit_test(test_on_reset),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_pin_follows_cpus),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_first_error_stays_and_others_run_on),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_global_errors_are_bounded),
		cmocka_unit_test(test_hypervisor_words),
		cmocka_unit_test(test_port_roles),
		cmocka_unit_test(test_gdb),
		cmocka_unit_test(test_hypervisor_errors),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
