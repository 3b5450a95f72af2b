/* Modules that are disks: `vm=NAME disk [ro] [serial=TEXT]`. */
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "loader/options.h"

#define SECTOR 512u

static bool parse_serial(void *target, struct span value)
{
	struct vm_disk *disk = target;

	if (!value.len || value.len > sizeof(disk->serial))
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (value.text[i] < ' ' || value.text[i] > '~')
			return false;
	memset(disk->serial, 0, sizeof(disk->serial));
	memcpy(disk->serial, value.text, value.len);
	return true;
}

static const struct word_rule disk_word_rules[] = {
	{.name = "ro", WORD_FIELD(struct vm_disk, is_read_only), .kind = WORD_FLAG, .max = 1},
	{.name = "serial",
	 .kind = WORD_PARSED,
	 .parse = parse_serial,
	 .takes = "1 to 20 printable characters"},
};

/* What the scan of all modules reads. */
static bool is_own_word(const struct word *word)
{
	return span_is(word->whole, "disk") || (word->has_value && span_is(word->key, "vm"));
}

static void apply(struct vm_config *vm, struct vm_disk *disk, const struct word *word,
		  uint64_t *seen)
{
	const struct word_rule *rule;
	int err =
		words_apply(disk_word_rules, ARRAY_SIZE(disk_word_rules), word, disk, seen, &rule);

	if (err == -ENOENT)
		vm_config_fail(vm, "unknown word '%.*s' at a disk; known: ro serial=",
			       SPAN_ARGS(word->whole));
	else if (err == -EEXIST)
		vm_config_fail(vm, "'%s' is there twice; keep one", rule->name);
	else if (err)
		vm_config_fail(vm, "bad value in '%.*s': %s= takes %s", SPAN_ARGS(word->whole),
			       rule->name, rule->takes);
}

static void parse_words(struct vm_config *vm, struct vm_disk *disk, const char *cmdline)
{
	const char *cursor = words_skip_file_name(cmdline);
	uint64_t seen = 0;
	struct word word;

	for (;;) {
		enum word_status status = word_next(&cursor, &word);

		if (status == WORD_END || status == WORD_SEPARATOR)
			return;
		if (status == WORD_BAD_QUOTE)
			vm_config_fail(vm,
				       "bad quote in '%.*s'; quote a whole word or a whole value",
				       SPAN_ARGS(word.whole));
		else if (!is_own_word(&word))
			apply(vm, disk, &word, &seen);
	}
}

void config_add_disk(struct vm_config *vm, const struct boot_module *module, uint32_t number,
		     bool has_tail)
{
	struct vm_disk *disk = &vm->disk[vm->disk_count];

	if (vm->disk_count == CONFIG_DISKS_MAX) {
		vm_config_fail(vm, "module %u is one disk too many: a VM has at most %u", number,
			       CONFIG_DISKS_MAX);
		return;
	}
	if (!module->size || module->size % SECTOR)
		vm_config_fail(vm,
			       "module %u: a disk of %llu bytes; make it a multiple of 512, as by: "
			       "truncate -s %%512 FILE",
			       number, (unsigned long long)module->size);
	if (has_tail)
		vm_config_fail(vm, "text behind '--' at a disk, which takes none");
	*disk = (struct vm_disk){.module = module};
	(void)fmt_snprintf(disk->serial, sizeof(disk->serial), "disk%u", vm->disk_count++);
	parse_words(vm, disk, module->cmdline);
}
