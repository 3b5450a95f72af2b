/* The machine's and the firmware's names in the SMBIOS structures. */
#include <efi/efi.h>
#include <efi/libsmbios.h>

#include "boot/smbios.h"
#include "lib/printf.h"
#include "lib/string.h"

/* 'BIOS Information', 'System Information', 'End-of-Table' */
#define TYPE_FIRMWARE 0
#define TYPE_SYSTEM   1
#define TYPE_END      127

#define STRING_SHOWN_MAX 48u

/* A structure: its formatted part of `len` bytes, and its strings up to `end`. */
struct structure {
	const uint8_t *bytes, *strings, *end;
	uint8_t type, len;
};

static bool is_sum_zero(const uint8_t *bytes, uint32_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *bytes++);
	return !sum;
}

/* Does the entry point lie in the `size` bytes, and are they what it says? */
static bool is_entry(const uint8_t *bytes, uint32_t len, uint32_t len_min, uint32_t size)
{
	return len >= len_min && len <= size && is_sum_zero(bytes, len);
}

/* 'SMBIOS 2.1 (32-bit) Entry Point', whose length 'was incorrectly stated as 1Eh' once, and 'SMBIOS
 * 3.0 (64-bit) Entry Point'. */
static bool read_entry(const uint8_t *bytes, uint32_t size, struct smbios_place *place)
{
	SMBIOS3_STRUCTURE_TABLE new;
	SMBIOS_STRUCTURE_TABLE old;

	if (size >= sizeof(new) && !memcmp(bytes, "_SM3_", 5)) {
		memcpy(&new, bytes, sizeof(new));
		*place = (struct smbios_place){new.TableAddress, new.TableMaximumSize};
		return is_entry(bytes, new.EntryPointLength, sizeof(new), size);
	}
	if (size >= sizeof(old) && !memcmp(bytes, "_SM_", 4)) {
		memcpy(&old, bytes, sizeof(old));
		*place = (struct smbios_place){old.TableAddress, old.TableLength};
		return is_entry(bytes, old.EntryPointLength, sizeof(old) - 1, size);
	}
	return false;
}

bool smbios_find(const uint8_t *area, uint32_t size, struct smbios_place *place)
{
	for (uint32_t at = 0; at < size; at += 16)
		if (read_entry(area + at, size - at, place))
			return true;
	return false;
}

/* The structure at `bytes`, of which `left` are there, and in *size how many of them it takes. */
static bool read_structure(struct structure *s, const uint8_t *bytes, uint32_t left, uint32_t *size)
{
	if (left < 4 || bytes[1] < 4 || bytes[1] > left)
		return false;
	*s = (struct structure){
		.bytes = bytes, .strings = bytes + bytes[1], .type = bytes[0], .len = bytes[1]};
	/* 'each structure is terminated by a double-null (0000h)' */
	for (uint32_t at = s->len; at + 1 < left; at++) {
		if (!bytes[at] && !bytes[at + 1]) {
			s->end = bytes + at + 1;
			*size = at + 2;
			return true;
		}
	}
	return false;
}

/* The string whose number, from 1, stands at `field`; NULL: none. */
static const char *string_of(const struct structure *s, uint8_t field)
{
	const uint8_t *p = s->strings;

	if (field >= s->len || !s->bytes[field])
		return NULL;
	for (unsigned n = s->bytes[field]; p < s->end && *p; p++) {
		if (--n == 0)
			return (const char *)p;
		p = memchr(p, '\0', (size_t)(s->end - p));
		if (!p)
			return NULL;
	}
	return NULL;
}

/* Adds the words to `text`, nothing but letters that can be printed, and no spaces at the end. */
static size_t add_strings(char *text, size_t size, size_t len, const struct structure *s,
			  const uint8_t *fields, unsigned count)
{
	for (unsigned i = 0; i < count && len + 1 < size; i++) {
		const char *string = string_of(s, fields[i]);
		size_t from = len;

		if (!string || !*string)
			continue;
		len += (size_t)fmt_snprintf(text + len, size - len, " %.*s", (int)STRING_SHOWN_MAX,
					    string);
		len = MIN(len, size - 1);
		for (size_t at = from; at < len; at++)
			if (text[at] < ' ' || text[at] > '~')
				text[at] = '?';
		while (len > from && text[len - 1] == ' ')
			len--;
		text[len] = '\0';
	}
	return len;
}

bool smbios_describe(const uint8_t *structures, uint32_t len, char *text, size_t size)
{
	static const uint8_t system[] = {offsetof(SMBIOS_TYPE1, Manufacturer),
					 offsetof(SMBIOS_TYPE1, ProductName)};
	static const uint8_t firmware[] = {offsetof(SMBIOS_TYPE0, Vendor),
					   offsetof(SMBIOS_TYPE0, BiosVersion),
					   offsetof(SMBIOS_TYPE0, BiosReleaseDate)};
	char firmware_text[SMBIOS_TEXT_MAX / 2] = "", machine_text[SMBIOS_TEXT_MAX / 2] = "";
	struct structure s;
	uint32_t at = 0, taken;

	while (at < len && read_structure(&s, structures + at, len - at, &taken)) {
		if (s.type == TYPE_END)
			break;
		if (s.type == TYPE_SYSTEM)
			add_strings(machine_text, sizeof(machine_text), 0, &s, system,
				    ARRAY_SIZE(system));
		if (s.type == TYPE_FIRMWARE)
			add_strings(firmware_text, sizeof(firmware_text), 0, &s, firmware,
				    ARRAY_SIZE(firmware));
		at += taken;
	}
	fmt_snprintf(text, size, "%s, firmware%s", *machine_text ? machine_text + 1 : "unnamed",
		     *firmware_text ? firmware_text : " unnamed");
	return *machine_text || *firmware_text;
}
