/* The words of a monitor command. */
#include "monitor/args.h"

#include "lib/string.h"

struct arg args_next(const char **line)
{
	struct arg arg;

	while (**line == ' ' || **line == '\t')
		++*line;
	arg.text = *line;
	while (**line && **line != ' ' && **line != '\t')
		++*line;
	arg.len = (size_t)(*line - arg.text);
	while (**line == ' ' || **line == '\t')
		++*line;
	return arg;
}

bool arg_is(struct arg arg, const char *text)
{
	return strlen(text) == arg.len && !memcmp(arg.text, text, arg.len);
}

bool arg_number(struct arg arg, uint64_t *value)
{
	return !parse_u64(arg.text, arg.len, false, value);
}

bool arg_vm(struct arg arg, struct vm **vm, struct vcpu **vcpu)
{
	size_t dot = arg.len;
	uint64_t index;

	*vcpu = NULL;
	*vm = vm_find(arg.text, arg.len);
	if (*vm)
		return true;
	while (dot && arg.text[dot - 1] != '.')
		dot--;
	if (!dot || !arg_number((struct arg){arg.text + dot, arg.len - dot}, &index))
		return false;
	*vm = vm_find(arg.text, dot - 1);
	if (!*vm || index >= (*vm)->params.vcpus)
		return false;
	*vcpu = (*vm)->vcpu[index];
	return *vcpu;
}

bool arg_format(struct arg arg, struct look_format *format)
{
	static const char sizes[] = "bhwg";
	uint64_t count;
	size_t digits = 1;

	*format = (struct look_format){.count = 1, .format = 'x', .size = 4};
	if (arg.len < 2 || arg.text[0] != '/')
		return false;
	while (digits < arg.len && arg.text[digits] >= '0' && arg.text[digits] <= '9')
		digits++;
	if (digits > 1) {
		if (!arg_number((struct arg){arg.text + 1, digits - 1}, &count) || !count ||
		    count > LOOK_COUNT_MAX)
			return false;
		format->count = (uint32_t)count;
	}
	for (size_t i = digits; i < arg.len; i++) {
		char c = arg.text[i];
		const char *size = strchr(sizes, c);

		if (size)
			format->size = (uint8_t)(1u << (size - sizes));
		else if (strchr("xduocs", c))
			format->format = c;
		else
			return false;
	}
	if (format->format == 'c' || format->format == 's')
		format->size = 1;
	return true;
}
