/* The words of a command line: cutting a string into words, and setting the fields of a struct by
 * rules, one row a word. Pure; for loader/ only. */
#ifndef LOADER_WORDS_H
#define LOADER_WORDS_H

#include "lib/types.h"

/* A piece of a string, not terminated. */
struct span {
	const char *text;
	size_t len;
};

/* For printf's "%.*s": a span, cut so that a message stays readable. */
#define WORD_SHOWN_MAX 40
#define SPAN_ARGS(s)   (int)MIN((s).len, (size_t)WORD_SHOWN_MAX), (s).text

bool span_is(struct span span, const char *text);

struct word {
	struct span whole;      /* without the quotes around it */
	struct span key, value; /* what stands before and behind the first '=' */
	bool has_value;         /* there is a '=' */
};

enum word_status {
	WORD_OK,
	WORD_END,
	WORD_SEPARATOR, /* `--`: the cursor stands at the text behind it */
	WORD_BAD_QUOTE, /* `whole` is what was found */
};

/* Takes the next word at `*cursor` and moves it on. Quotes ("..." or '...') may stand around a
 * whole word or around the value behind its '='. */
enum word_status word_next(const char **cursor, struct word *word);

/* Moves over a file name in front (a first word that begins with '/' or '('): some boot loaders
 * pass it, some do not. */
const char *words_skip_file_name(const char *text);

/* GRUB 2 puts a backslash before each \\, ' and " of the strings that it hands over: takes them out
 * again, in place. Once a string, before anything else reads it. */
void words_unescape(char *text);

struct word_choice {
	const char *name;
	uint64_t value;
};

enum word_kind {
	WORD_FLAG,   /* no value; stores `max` */
	WORD_NUMBER, /* decimal or 0x-hexadecimal, min..max */
	WORD_SIZE,   /* the same with K, M, G, T */
	WORD_CHOICE, /* one of `choices` */
	WORD_PARSED, /* by `parse` */
};

struct word_rule {
	const char *name; /* the key, without '=' */
	enum word_kind kind;
	uint32_t offset, size; /* the field: where it is, and 1, 2, 4 or 8 bytes */
	uint64_t min, max;
	const struct word_choice *choices; /* ended by a NULL name */
	bool (*parse)(void *target, struct span value);
	bool is_unlisted;  /* words_list leaves it out */
	const char *takes; /* what a right value is: "a size such as 256M" */
};

#define WORD_FIELD(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)

/* Sets the field of `target` that the word's rule names, and marks the rule in `*seen`. 0, with the
 * rule in `*rule`; -ENOENT: no rule for the word; -EEXIST: seen before; -EINVAL: not a right value.
 */
int __must_check words_apply(const struct word_rule *rules, uint32_t count, const struct word *word,
			     void *target, uint64_t *seen, const struct word_rule **rule);

/* Writes the names of all listed rules, each with its '=', as in "mem= vcpus= background". */
void words_list(const struct word_rule *rules, uint32_t count, char *buf, size_t size);

#endif
