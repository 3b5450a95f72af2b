/* A VM's NICs: `net=LAN,LAN`, `mac=ADDRESS,ADDRESS`, and the addresses of those that have none. */
#include "lib/string.h"
#include "loader/options.h"

#define GROUP_BIT    1u /* of an address's first byte: multicast */
#define LOCAL_BIT    2u /* locally administered: no manufacturer's */
#define FNV_OFFSET   0xcbf29ce484222325ull
#define FNV_PRIME    0x100000001b3ull
#define MAC_TEXT     (3 * CONFIG_MAC_LEN - 1)
#define MAC_FMT      "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_ARGS(m)  (m)[0], (m)[1], (m)[2], (m)[3], (m)[4], (m)[5]
#define IS_DIGIT(c)  ((c) >= '0' && (c) <= '9')
#define IS_LETTER(c) (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z')

/* The next element of a list with commas. False behind the last. */
static bool next_element(struct span *rest, struct span *element)
{
	const char *comma;

	if (!rest->text)
		return false;
	comma = memchr(rest->text, ',', rest->len);
	*element = (struct span){rest->text, comma ? (size_t)(comma - rest->text) : rest->len};
	if (comma)
		*rest = (struct span){comma + 1, rest->len - element->len - 1};
	else
		rest->text = NULL;
	return true;
}

static bool is_lan_name(struct span name)
{
	if (!name.len || name.len >= CONFIG_LAN_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.text[i];

		if (!IS_DIGIT(c) && !IS_LETTER(c) && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

bool config_parse_net(void *target, struct span value)
{
	struct vm_config *vm = target;
	struct span lan;

	while (next_element(&value, &lan)) {
		if (vm->nic_count == CONFIG_NICS_MAX || !is_lan_name(lan))
			return false;
		memcpy(vm->nic[vm->nic_count++].lan, lan.text, lan.len);
	}
	return true;
}

static int hex_digit(char c)
{
	if (IS_DIGIT(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Six pairs of digits between colons, no group's, not all zero. */
static bool parse_mac(struct span text, uint8_t mac[CONFIG_MAC_LEN])
{
	uint8_t any = 0;

	if (text.len != MAC_TEXT)
		return false;
	for (uint32_t i = 0; i < CONFIG_MAC_LEN; i++) {
		const char *pair = text.text + 3ul * i;
		int high = hex_digit(pair[0]), low = hex_digit(pair[1]);

		if (high < 0 || low < 0 || (i + 1 < CONFIG_MAC_LEN && pair[2] != ':'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
		any |= mac[i];
	}
	return any && !(mac[0] & GROUP_BIT);
}

bool config_parse_macs(void *target, struct span value)
{
	struct vm_config *vm = target;
	struct span mac;

	while (next_element(&value, &mac)) {
		if (vm->mac_count == CONFIG_NICS_MAX || !parse_mac(mac, vm->nic[vm->mac_count].mac))
			return false;
		vm->mac_count++;
	}
	return true;
}

/* 0x02 and 40 bits of the 64-bit FNV-1a hash of 'NAME/NUMBER'. */
static void derive_mac(struct vm_config *vm, uint32_t number)
{
	uint8_t *mac = vm->nic[number].mac;
	uint64_t hash = FNV_OFFSET;

	for (const char *c = vm->name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * FNV_PRIME;
	hash = (hash ^ '/') * FNV_PRIME;
	hash = (hash ^ ('0' + number)) * FNV_PRIME;
	mac[0] = LOCAL_BIT;
	for (uint32_t i = 1; i < CONFIG_MAC_LEN; i++)
		mac[i] = (uint8_t)(hash >> 8 * (CONFIG_MAC_LEN - 1 - i));
}

static bool is_same(const struct vm_nic_config *a, const struct vm_nic_config *b)
{
	return !strcmp(a->lan, b->lan) && !memcmp(a->mac, b->mac, CONFIG_MAC_LEN);
}

/* An address is there once on a LAN: whoever has it later is wrong. */
static void check_nic(const struct config *config, struct vm_config *vm, uint32_t number)
{
	const struct vm_nic_config *nic = &vm->nic[number];

	for (const struct vm_config *other = config->vm; other <= vm; other++)
		for (uint32_t i = 0; i < (other == vm ? number : other->nic_count); i++)
			if (is_same(&other->nic[i], nic))
				vm_config_fail(vm,
					       "its address " MAC_FMT
					       " is on %s already, as vm '%s''s; give it another, "
					       "as in mac=02:00:00:00:00:01",
					       MAC_ARGS(nic->mac), nic->lan, other->name);
}

void config_finish_nics(const struct config *config, struct vm_config *vm)
{
	if (vm->mac_count > vm->nic_count)
		vm_config_fail(vm, "mac= has %u addresses for %u NICs; add net= or leave some out",
			       vm->mac_count, vm->nic_count);
	for (uint32_t i = 0; i < vm->nic_count; i++) {
		if (i >= vm->mac_count)
			derive_mac(vm, i);
		check_nic(config, vm, i);
	}
}
