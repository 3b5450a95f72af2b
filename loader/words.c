/* The words of a command line: see words.h. */
#include "loader/words.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

static bool is_word_end(char c)
{
	return !c || is_space(c);
}

static const char *skip_space(const char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

bool span_is(struct span span, const char *text)
{
	return strlen(text) == span.len && !memcmp(span.text, text, span.len);
}

/* Splits `whole` at its first '='. */
static void split(struct word *word)
{
	const char *equals = memchr(word->whole.text, '=', word->whole.len);

	word->has_value = equals;
	word->key = word->whole;
	word->value = (struct span){"", 0};
	if (!equals)
		return;
	word->key.len = (size_t)(equals - word->whole.text);
	word->value.text = equals + 1;
	word->value.len = word->whole.len - word->key.len - 1;
}

/* The end of the quoted text whose opening quote is at `open`: its closing quote, when a word may
 * end behind it; otherwise NULL. */
static const char *closing_quote(const char *open)
{
	const char *close = strchr(open + 1, *open);

	return close && is_word_end(close[1]) ? close : NULL;
}

enum word_status word_next(const char **cursor, struct word *word)
{
	const char *start = skip_space(*cursor), *p = start, *open = NULL, *close;

	*word = (struct word){.whole = {start, 0}};
	*cursor = start;
	if (!*start)
		return WORD_END;
	while (!is_word_end(*p) && !is_quote(*p))
		p++;
	if (is_quote(*p))
		open = p;
	if (!open) {
		word->whole.len = (size_t)(p - start);
		*cursor = p;
		if (!span_is(word->whole, "--")) {
			split(word);
			return WORD_OK;
		}
		*cursor = skip_space(p);
		return WORD_SEPARATOR;
	}
	close = closing_quote(open);
	/* The quote stands in front of the word, or right behind its first '='. */
	if (close && open != start &&
	    memchr(start, '=', (size_t)(open - start)) != (const void *)(open - 1))
		close = NULL;
	if (!close) {
		while (!is_word_end(*p))
			p++;
		word->whole.len = (size_t)(p - start);
		*cursor = p;
		return WORD_BAD_QUOTE;
	}
	*cursor = close + 1;
	if (open == start) {
		word->whole = (struct span){open + 1, (size_t)(close - open - 1)};
		split(word);
		return WORD_OK;
	}
	word->whole.len = (size_t)(close + 1 - start);
	split(word);
	word->value = (struct span){open + 1, (size_t)(close - open - 1)};
	return WORD_OK;
}

const char *words_skip_file_name(const char *text)
{
	text = skip_space(text);
	if (*text != '/' && *text != '(')
		return text;
	while (!is_word_end(*text))
		text++;
	return text;
}

void words_unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '\\' && (text[1] == '\\' || is_quote(text[1])))
			text++;
		*to++ = *text;
	}
	*to = '\0';
}

static bool parse_value(const struct word_rule *rule, struct span value, uint64_t *out)
{
	switch (rule->kind) {
	case WORD_FLAG:
		*out = rule->max;
		return true;
	case WORD_NUMBER:
	case WORD_SIZE:
		return !parse_u64(value.text, value.len, rule->kind == WORD_SIZE, out) &&
		       *out >= rule->min && *out <= rule->max;
	case WORD_CHOICE:
		for (const struct word_choice *c = rule->choices; c->name; c++) {
			if (span_is(value, c->name)) {
				*out = c->value;
				return true;
			}
		}
		return false;
	case WORD_PARSED:
		break;
	}
	return false;
}

static void store(void *target, const struct word_rule *rule, uint64_t value)
{
	/* x86 is little-endian: the low bytes are the narrower number. */
	memcpy((char *)target + rule->offset, &value, rule->size);
}

int words_apply(const struct word_rule *rules, uint32_t count, const struct word *word,
		void *target, uint64_t *seen, const struct word_rule **rule)
{
	uint64_t value;

	for (uint32_t i = 0; i < count; i++) {
		if (!span_is(word->key, rules[i].name) ||
		    word->has_value != (rules[i].kind != WORD_FLAG))
			continue;
		*rule = &rules[i];
		if (*seen & BIT_ULL(i))
			return -EEXIST;
		*seen |= BIT_ULL(i);
		if (rules[i].kind == WORD_PARSED)
			return rules[i].parse(target, word->value) ? 0 : -EINVAL;
		if (!parse_value(&rules[i], word->value, &value))
			return -EINVAL;
		store(target, &rules[i], value);
		return 0;
	}
	return -ENOENT;
}

void words_list(const struct word_rule *rules, uint32_t count, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < count && used < size; i++) {
		if (rules[i].is_unlisted)
			continue;
		used += (size_t)fmt_snprintf(buf + used, size - used, "%s%s%s", used ? " " : "",
					     rules[i].name, rules[i].kind == WORD_FLAG ? "" : "=");
	}
}
