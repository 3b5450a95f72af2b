/* carousel.conf: one line, one statement; see docs/hardware.md. The words of multiboot2 and module2
 * are the hypervisor's to judge. */
#include "boot/efi/config.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

#define NAME_SHOWN_MAX 30

struct parser {
	struct efi_config *config;
	struct efi_config_entry *entry; /* the one that the lines belong to, or NULL */
	uint32_t line;
	uint32_t timeout_line, default_line; /* 0: not there */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static char *skip_space(char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

static int fail(struct parser *parser, const char *fmt, ...) __printf_like(2, 3);
static int fail(struct parser *parser, const char *fmt, ...)
{
	struct efi_config *config = parser->config;
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(config->error, sizeof(config->error), fmt, args);
	va_end(args);
	config->error_line = parser->line;
	return -EINVAL;
}

/* Terminates the word at `text`; what follows it, without the space in between. */
static char *cut_word(char *text)
{
	while (*text && !is_space(*text))
		text++;
	if (!*text)
		return text;
	*text = '\0';
	return skip_space(text + 1);
}

static int read_timeout(struct parser *parser, char *text)
{
	uint64_t seconds;

	if (parser->timeout_line)
		return fail(parser, "timeout stands in line %u, too: keep one",
			    parser->timeout_line);
	parser->timeout_line = parser->line;
	if (!strcmp(text, "none")) {
		parser->config->timeout = EFI_CONFIG_TIMEOUT_NEVER;
		return 0;
	}
	if (parse_u64(text, strlen(text), false, &seconds) || seconds > EFI_CONFIG_TIMEOUT_MAX)
		return fail(parser, "timeout takes seconds, 0 to %u, or none, not '%.*s'",
			    EFI_CONFIG_TIMEOUT_MAX, NAME_SHOWN_MAX, text);
	parser->config->timeout = (uint32_t)seconds;
	return 0;
}

static int read_default(struct parser *parser, char *text)
{
	uint64_t number;

	if (parser->default_line)
		return fail(parser, "default stands in line %u, too: keep one",
			    parser->default_line);
	parser->default_line = parser->line;
	if (parse_u64(text, strlen(text), false, &number) || !number ||
	    number > EFI_CONFIG_ENTRIES_MAX)
		return fail(parser, "default takes the number of an entry, from 1, not '%.*s'",
			    NAME_SHOWN_MAX, text);
	parser->config->chosen = (uint32_t)number - 1;
	return 0;
}

/* The entry that ends here is complete, or the line to blame is its first. */
static int end_entry(struct parser *parser)
{
	if (!parser->entry || parser->entry->hypervisor.path)
		return 0;
	parser->line = parser->entry->line;
	return fail(parser, "the entry '%.*s' has no multiboot2 line", NAME_SHOWN_MAX,
		    parser->entry->name);
}

static int begin_entry(struct parser *parser, const char *name)
{
	struct efi_config *config = parser->config;
	int err = end_entry(parser);

	if (err)
		return err;
	if (!*name)
		return fail(parser, "entry takes a name");
	if (config->entry_count == EFI_CONFIG_ENTRIES_MAX)
		return fail(parser, "there are more than %u entries", EFI_CONFIG_ENTRIES_MAX);
	parser->entry = &config->entry[config->entry_count++];
	*parser->entry = (struct efi_config_entry){
		.name = name, .line = parser->line, .first_module = config->module_count};
	return 0;
}

static int read_entry(struct parser *parser, char *text)
{
	return begin_entry(parser, text);
}

/* What FAT permits ('Microsoft FAT specification', 'Long file names'), in ASCII. */
static bool is_path_good(char *path)
{
	for (; *path; path++) {
		if (*path == '/')
			*path = '\\';
		if (*path < 0x20 || *path > 0x7e || strchr(":*?<>|\"", *path))
			return false;
	}
	return true;
}

/* The file and the words behind it. Quotes may stand around a name with spaces. */
static int read_file(struct parser *parser, char *text, struct efi_config_file *file)
{
	char *path = text, *close;

	if (*text == '"') {
		path++;
		close = strchr(path, '"');
		if (!close || (close[1] && !is_space(close[1])))
			return fail(parser, "the quotes around the file's name do not close");
		*close = '\0';
		text = skip_space(close + 1);
	} else {
		text = cut_word(text);
	}
	if (!*path)
		return fail(parser, "the name of a file is missing");
	if (strlen(path) > EFI_CONFIG_PATH_MAX)
		return fail(parser, "the file's name is longer than %u bytes", EFI_CONFIG_PATH_MAX);
	if (!is_path_good(path))
		return fail(parser, "'%.*s' cannot be the name of a file on this volume",
			    NAME_SHOWN_MAX, path);
	*file = (struct efi_config_file){.path = path, .words = text, .line = parser->line};
	return 0;
}

static int read_hypervisor(struct parser *parser, char *text)
{
	int err = parser->entry ? 0 : begin_entry(parser, "Carousel");

	if (err)
		return err;
	if (parser->entry->hypervisor.path)
		return fail(parser, "the entry has a multiboot2 line already, line %u",
			    parser->entry->hypervisor.line);
	return read_file(parser, text, &parser->entry->hypervisor);
}

static int read_module(struct parser *parser, char *text)
{
	struct efi_config *config = parser->config;
	static const char nounzip[] = "--nounzip";
	const size_t len = sizeof(nounzip) - 1;

	if (!parser->entry || !parser->entry->hypervisor.path)
		return fail(parser, "module2 stands before its entry's multiboot2");
	if (config->module_count == EFI_CONFIG_MODULES_MAX)
		return fail(parser, "there are more than %u modules", EFI_CONFIG_MODULES_MAX);
	/* GRUB's word for what is always so here. */
	if (!strncmp(text, nounzip, len) && (!text[len] || is_space(text[len])))
		text = skip_space(text + len);
	parser->entry->module_count++;
	return read_file(parser, text, &config->module[config->module_count++]);
}

static const struct statement {
	const char *word;
	int (*read)(struct parser *parser, char *text);
} statements[] = {
	{"timeout", read_timeout},       {"default", read_default}, {"entry", read_entry},
	{"multiboot2", read_hypervisor}, {"module2", read_module},
};

static int read_line(struct parser *parser, char *text)
{
	char *rest, *end;

	text = skip_space(text);
	for (end = text + strlen(text); end > text && is_space(end[-1]); end--)
		;
	*end = '\0';
	if (!*text || *text == '#')
		return 0;
	for (const char *p = text; *p; p++)
		if ((*p > 0 && *p < ' ' && !is_space(*p)) || *p == 0x7f)
			return fail(parser, "there is a control character (0x%02x)", *p);
	rest = cut_word(text);
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++)
		if (!strcmp(text, statements[i].word))
			return statements[i].read(parser, rest);
	return fail(parser,
		    "'%.*s' is unknown: a line begins with timeout, default, entry, multiboot2, "
		    "module2 or #",
		    NAME_SHOWN_MAX, text);
}

/* What can be said only when all is read. */
static int read_end(struct parser *parser)
{
	struct efi_config *config = parser->config;
	int err = end_entry(parser);

	if (err)
		return err;
	parser->line = MAX(parser->line - 1, 1u);
	if (!config->entry_count)
		return fail(parser, "there is no entry: a multiboot2 line is missing");
	if (config->chosen >= config->entry_count) {
		parser->line = parser->default_line;
		return fail(parser, "default is %u, but there are %u entries", config->chosen + 1,
			    config->entry_count);
	}
	return 0;
}

int efi_config_parse(struct efi_config *config, char *text, size_t size)
{
	struct parser parser = {.config = config, .line = 1};
	char *end = text + size, *next;

	memset(config, 0, sizeof(*config));
	config->timeout = EFI_CONFIG_TIMEOUT;
	*end = '\0';
	if (size >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
		return fail(&parser, "this is UTF-16: save it as UTF-8 or plain text");
	if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	for (; text < end; text = next, parser.line++) {
		char *newline = memchr(text, '\n', (size_t)(end - text));
		char *last = newline ? newline : end;
		int err;

		next = last < end ? last + 1 : end;
		if (last > text && last[-1] == '\r')
			last--;
		*last = '\0';
		if (strlen(text) != (size_t)(last - text))
			return fail(&parser, "there is a zero byte: this is no text");
		err = read_line(&parser, text);
		if (err)
			return err;
	}
	return read_end(&parser);
}
