/* From the command lines to the configuration: which module is whose, and what is wrong with it. */
#include <stdarg.h>

#include "loader/config.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "loader/options.h"

enum module_role { ROLE_NONE, ROLE_KERNEL, ROLE_INITRD, ROLE_MODULE, ROLE_DISK };

/* What a module's command line says before its words are looked at. */
struct module_head {
	struct span vm;
	bool has_vm;
	bool has_two_roles;
	enum module_role role;
	bool has_tail;
	const char *tail; /* what stands behind `--` */
};

struct parse {
	struct config *config;
	uint32_t pcpus; /* that Carousel will use */
	const struct boot_module *module;
	uint32_t number; /* of the module, from 1 */
};

static const char *const role_name[] = {[ROLE_KERNEL] = "kernel",
					[ROLE_INITRD] = "initrd",
					[ROLE_MODULE] = "module",
					[ROLE_DISK] = "disk"};

/* What a person typed may hold anything: a message holds printable characters only. */
static void write_message(char *buf, const char *fmt, va_list args)
{
	(void)fmt_vsnprintf(buf, CONFIG_ERROR_MAX, fmt, args);
	for (; *buf; buf++)
		if (*buf < ' ' || *buf > '~')
			*buf = '?';
}

static void __printf_like(2, 3) fail(struct config *config, const char *fmt, ...)
{
	va_list args;

	if (config->error_count == CONFIG_ERRORS_MAX) {
		config->more_errors++;
		return;
	}
	va_start(args, fmt);
	write_message(config->error[config->error_count++], fmt, args);
	va_end(args);
}

/* The VM's first error stays. */
void vm_config_fail(struct vm_config *vm, const char *fmt, ...)
{
	char text[CONFIG_ERROR_MAX];
	va_list args;

	if (vm->error[0])
		return;
	va_start(args, fmt);
	write_message(text, fmt, args);
	va_end(args);
	(void)fmt_snprintf(vm->error, sizeof(vm->error), "vm '%s': %s", vm->name, text);
}

const char *image_format_name(enum image_format format)
{
	static const char *const names[] = {
		[FORMAT_AUTO] = "auto",
		[FORMAT_FLAT] = "flat",
		[FORMAT_ELF32] = "ELF32",
		[FORMAT_ELF64] = "ELF64",
		[FORMAT_PVH] = "PVH",
		[FORMAT_BZIMAGE] = "bzImage",
		[FORMAT_MULTIBOOT1] = "Multiboot1",
		[FORMAT_MULTIBOOT2] = "Multiboot2",
	};

	return names[format];
}

static enum module_role role_of(const struct word *word)
{
	for (enum module_role role = ROLE_KERNEL; role <= ROLE_DISK; role++)
		if (span_is(word->whole, role_name[role]))
			return role;
	return ROLE_NONE;
}

static bool is_vm_word(const struct word *word)
{
	return word->has_value && span_is(word->key, "vm");
}

static struct module_head scan_module(const char *cmdline)
{
	struct module_head head = {.tail = ""};
	const char *cursor = words_skip_file_name(cmdline);
	struct word word;

	for (;;) {
		enum word_status status = word_next(&cursor, &word);
		enum module_role role;

		if (status == WORD_END)
			return head;
		if (status == WORD_SEPARATOR) {
			head.has_tail = true;
			head.tail = cursor;
			return head;
		}
		if (status == WORD_BAD_QUOTE)
			continue;
		role = role_of(&word);
		if (role && head.role)
			head.has_two_roles = true;
		else if (role)
			head.role = role;
		if (is_vm_word(&word) && !head.has_vm) {
			head.has_vm = true;
			head.vm = word.value;
		}
	}
}

static bool is_name(struct span name)
{
	if (!name.len || name.len >= CONFIG_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.text[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

/* The VM with this name, made when it is new; NULL, and an error, when there is no place. */
static struct vm_config *vm_by_name(struct parse *parse, struct span name)
{
	struct config *config = parse->config;
	struct vm_config *vm;

	for (uint32_t i = 0; i < config->vm_count; i++)
		if (span_is(name, config->vm[i].name))
			return &config->vm[i];
	if (config->vm_count == CONFIG_VMS_MAX) {
		fail(config,
		     "module %u: vm '%.*s' is one VM too many: %u are the most; leave one out",
		     parse->number, (int)name.len, name.text, CONFIG_VMS_MAX);
		return NULL;
	}
	vm = &config->vm[config->vm_count++];
	vm_config_set_defaults(vm);
	memcpy(vm->name, name.text, name.len);
	return vm;
}

static void unknown_vm_word(struct vm_config *vm, const struct word *word)
{
	char known[160];

	words_list(vm_word_rules, vm_word_rule_count, known, sizeof(known));
	vm_config_fail(vm, "unknown word '%.*s'; known: kernel initrd module %s",
		       (int)SPAN_ARGS(word->whole), known);
}

/* A word of the hypervisor's tables: what it did, in words. `who` stands in front. */
static void vm_word(struct vm_config *vm, enum module_role role, const struct word *word,
		    uint64_t *seen)
{
	const struct word_rule *rule;
	struct vm_config ignored = {0};
	int err = words_apply(vm_word_rules, vm_word_rule_count, word,
			      role == ROLE_KERNEL ? vm : &ignored, seen, &rule);

	if (err == -ENOENT)
		unknown_vm_word(vm, word);
	else if (role != ROLE_KERNEL)
		vm_config_fail(vm, "'%.*s' stands at the %s; put it at the VM's kernel",
			       SPAN_ARGS(word->whole), role_name[role]);
	else if (err == -EEXIST)
		vm_config_fail(vm, "'%s' is there twice; keep one", rule->name);
	else if (err)
		vm_config_fail(vm, "bad value in '%.*s': %s= takes %s", SPAN_ARGS(word->whole),
			       rule->name, rule->takes);
}

/* All words up to `--`. */
static void module_words(struct vm_config *vm, enum module_role role, const char *cmdline)
{
	const char *cursor = words_skip_file_name(cmdline);
	bool has_vm = false;
	uint64_t seen = 0;
	struct word word;

	for (;;) {
		enum word_status status = word_next(&cursor, &word);

		if (status == WORD_END || status == WORD_SEPARATOR)
			return;
		if (status == WORD_BAD_QUOTE) {
			vm_config_fail(vm,
				       "bad quote in '%.*s'; quote a whole word or a whole value",
				       SPAN_ARGS(word.whole));
		} else if (is_vm_word(&word)) {
			if (has_vm)
				vm_config_fail(vm, "'vm' is there twice in one module; keep one");
			has_vm = true;
		} else if (!role_of(&word)) {
			vm_word(vm, role, &word, &seen);
		}
	}
}

/* False when there is no room. */
static void add_string_module(struct parse *parse, struct vm_config *vm, const char *string)
{
	bool is_file = !strncmp(string, "opt/", 4);
	struct vm_module *place = is_file ? vm->file : vm->module;
	uint32_t *count = is_file ? &vm->file_count : &vm->module_count;
	uint32_t max = is_file ? CONFIG_FILES_MAX : CONFIG_MODULES_MAX;

	if (*count == max)
		vm_config_fail(vm,
			       "module %u is one too many: a VM has at most %u %s; leave one out",
			       parse->number, max, is_file ? "opt/ files" : "modules");
	else
		place[(*count)++] = (struct vm_module){.module = parse->module, .string = string};
}

static void add_module(struct parse *parse, struct vm_config *vm, const struct module_head *head)
{
	switch (head->role) {
	case ROLE_KERNEL:
		if (vm->kernel) {
			vm_config_fail(
				vm,
				"module %u is a second kernel; a VM has one: rename the VM or "
				"leave it out",
				parse->number);
			return;
		}
		vm->kernel = parse->module;
		vm->append = head->tail;
		break;
	case ROLE_INITRD:
		if (vm->initrd)
			vm_config_fail(
				vm,
				"module %u is a second initrd; a VM has one: join them with cat",
				parse->number);
		if (head->has_tail)
			vm_config_fail(vm,
				       "text behind '--' at the initrd; the guest's command line "
				       "stands at its kernel");
		vm->initrd = parse->module;
		break;
	case ROLE_MODULE:
		add_string_module(parse, vm, head->tail);
		break;
	case ROLE_DISK:
		config_add_disk(vm, parse->module, parse->number, head->has_tail);
		return;
	case ROLE_NONE:
		vm_config_fail(vm,
			       "module %u has no role; add the word kernel, initrd, module or disk",
			       parse->number);
		return;
	}
	module_words(vm, head->role, parse->module->cmdline);
}

static void parse_module(struct parse *parse)
{
	struct module_head head = scan_module(parse->module->cmdline);
	struct vm_config *vm;

	if (!head.has_vm) {
		fail(parse->config,
		     "module %u ('%.*s'): no vm=NAME; write: module2 FILE vm=NAME "
		     "kernel|initrd|module|disk",
		     parse->number, WORD_SHOWN_MAX, parse->module->cmdline);
		return;
	}
	if (!is_name(head.vm)) {
		fail(parse->config,
		     "module %u: bad VM name '%.*s'; a name is 1 to %u of A-Z a-z 0-9 . _ -",
		     parse->number, SPAN_ARGS(head.vm), CONFIG_NAME_MAX - 1);
		return;
	}
	vm = vm_by_name(parse, head.vm);
	if (!vm)
		return;
	if (head.has_two_roles)
		vm_config_fail(vm, "module %u has two roles; keep one of kernel, initrd and module",
			       parse->number);
	add_module(parse, vm, &head);
}

static void check_pins(const struct parse *parse, struct vm_config *vm)
{
	for (uint32_t i = 0; i < vm->pin_count; i++) {
		if (vm->pin[i] >= parse->pcpus) {
			vm_config_fail(
				vm, "pin=%u: there is no such CPU; there are %u, numbered from 0",
				vm->pin[i], parse->pcpus);
			return;
		}
	}
}

static void finish_topology(struct vm_config *vm)
{
	struct topology *t = &vm->topology;

	if (!t->sockets)
		*t = (struct topology){1, vm->vcpus, 1};
	else if (t->sockets * t->cores * t->threads != vm->vcpus)
		vm_config_fail(vm, "topology=%u:%u:%u has %u CPUs, vcpus=%u: make them equal",
			       t->sockets, t->cores, t->threads, t->sockets * t->cores * t->threads,
			       vm->vcpus);
}

static void finish_flat(struct vm_config *vm)
{
	bool has_address = vm->flat_address != VM_FLAT_ADDRESS_UNSET;

	if ((has_address || vm->flat_mode) && vm->format != FORMAT_FLAT)
		vm_config_fail(vm, "%s= is for flat images only; add format=flat or leave it out",
			       has_address ? "address" : "mode");
	if (!vm->flat_mode)
		vm->flat_mode = 64;
	if (!has_address)
		vm->flat_address = vm->flat_mode == 16 ? 0x7c00 : 0x100000;
}

/* What can be judged only when all modules are known. */
static void finish_vm(const struct parse *parse, struct vm_config *vm)
{
	if (!vm->kernel)
		vm_config_fail(vm, "%s without a kernel; add: module2 FILE vm=%s kernel",
			       vm->initrd         ? "an initrd"
			       : vm->module_count ? "modules"
						  : "a disk",
			       vm->name);
	if (!IS_ALIGNED(vm->mem, PAGE_SIZE))
		vm_config_fail(
			vm,
			"mem= of %llu bytes is not a multiple of 4096; round it, as in mem=256M",
			(unsigned long long)vm->mem);
	check_pins(parse, vm);
	config_finish_nics(parse->config, vm);
	finish_topology(vm);
	finish_flat(vm);
}

static void parse_options(struct config *config, const char *cmdline)
{
	const char *cursor = words_skip_file_name(cmdline);
	const struct word_rule *rule;
	char known[160];
	uint64_t seen = 0;
	struct word word;

	hv_options_set_defaults(&config->options);
	words_list(hv_word_rules, hv_word_rule_count, known, sizeof(known));
	for (;;) {
		enum word_status status = word_next(&cursor, &word);
		int err;

		if (status == WORD_END)
			return;
		if (status == WORD_BAD_QUOTE) {
			fail(config,
			     "carousel: bad quote in '%.*s'; quote a whole word or a whole value",
			     SPAN_ARGS(word.whole));
			continue;
		}
		if (status == WORD_SEPARATOR)
			word.whole = (struct span){"--", 2};
		err = status == WORD_OK ? words_apply(hv_word_rules, hv_word_rule_count, &word,
						      &config->options, &seen, &rule)
					: -ENOENT;
		if (err == -ENOENT)
			fail(config, "carousel: unknown word '%.*s'; known: %s",
			     SPAN_ARGS(word.whole), known);
		else if (err == -EEXIST)
			fail(config, "carousel: '%s' is there twice; keep one", rule->name);
		else if (err)
			fail(config, "carousel: bad value in '%.*s': %s= takes %s",
			     SPAN_ARGS(word.whole), rule->name, rule->takes);
	}
}

/* A port of which two would read and write each other's bytes has the first word's role only. */
static void check_ports(struct config *config)
{
	struct hv_options *options = &config->options;

	for (unsigned role = 0; role < HV_PORT_ROLES; role++) {
		const char *other = config_port_conflict(options, role);

		if (!other)
			continue;
		fail(config,
		     "carousel: %s= and %s= name the same serial port (%#x); give each one of its "
		     "own",
		     hv_port_word(role), other, options->port[role]);
		options->port[role] = 0;
	}
}

/* gdb= names one of the VMs. */
static void check_gdb(struct config *config)
{
	const char *name = config->options.gdb_vm;

	for (uint32_t i = 0; i < config->vm_count; i++)
		if (!strcmp(config->vm[i].name, name))
			return;
	if (*name)
		fail(config, "carousel: gdb=%s: no VM has that name", name);
}

void config_parse(struct config *config, const char *cmdline, const struct boot_module *modules,
		  uint32_t module_count, uint32_t pcpus)
{
	struct parse parse = {.config = config, .pcpus = pcpus};

	memset(config, 0, sizeof(*config));
	parse_options(config, cmdline);
	check_ports(config);
	if (config->options.cpus)
		parse.pcpus = MIN(pcpus, config->options.cpus);
	if (!module_count)
		fail(config, "no modules, so no VM to run; in GRUB add a line such as: "
			     "module2 /vmlinuz vm=linux kernel mem=256M -- console=ttyS0");
	for (uint32_t i = 0; i < module_count; i++) {
		parse.module = &modules[i];
		parse.number = i + 1;
		parse_module(&parse);
	}
	for (uint32_t i = 0; i < config->vm_count; i++)
		finish_vm(&parse, &config->vm[i]);
	check_gdb(config);
}
