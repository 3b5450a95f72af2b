/* `net=` and `mac=`, and the addresses that NICs get: docs/guests.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "loader/config.h"

static struct config config;

static void parse(const char *const *lines, uint32_t count)
{
	struct boot_module modules[8] = {0};

	for (uint32_t i = 0; i < count; i++)
		modules[i].cmdline = lines[i];
	config_parse(&config, "", modules, count, 4);
	assert_int_equal(config.error_count, 0);
}

#define PARSE(...)                                                                                 \
	do {                                                                                       \
		const char *lines[] = {__VA_ARGS__};                                               \
		parse(lines, sizeof(lines) / sizeof(lines[0]));                                    \
	} while (0)

static void assert_mac(const struct vm_nic_config *nic, const char *text)
{
	char got[18];

	snprintf(got, sizeof(got), "%02x:%02x:%02x:%02x:%02x:%02x", nic->mac[0], nic->mac[1],
		 nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5]);
	assert_string_equal(got, text);
}

static void test_no_net_no_nic(void **state)
{
	(void)state;
	PARSE("vm=web kernel");
	assert_int_equal(config.vm[0].nic_count, 0);
}

/* 'locally administered, from the VM's name and the NIC's number: 02 and the low 40 bits of the
 * 64-bit FNV-1a hash of NAME/NUMBER'; the values are from another program. */
static void test_addresses_come_from_the_name(void **state)
{
	(void)state;
	PARSE("vm=web kernel net=lan0", "vm=db kernel net=lan0,lan1");
	assert_string_equal(config.vm[0].error, "");
	assert_int_equal(config.vm[0].nic_count, 1);
	assert_string_equal(config.vm[0].nic[0].lan, "lan0");
	assert_mac(&config.vm[0].nic[0], "02:2e:09:61:79:fe");
	assert_int_equal(config.vm[1].nic_count, 2);
	assert_string_equal(config.vm[1].nic[0].lan, "lan0");
	assert_string_equal(config.vm[1].nic[1].lan, "lan1");
	assert_mac(&config.vm[1].nic[0], "02:67:2a:9c:b2:7c");
	assert_mac(&config.vm[1].nic[1], "02:67:2a:9c:b4:2f");
}

static void test_addresses_may_be_given(void **state)
{
	(void)state;
	PARSE("vm=web kernel mac=52:54:00:aB:Cd:01 net=a,b",
	      "vm=db kernel net=a,b mac=00:00:00:00:00:01,02:ff:ff:ff:ff:ff");
	assert_string_equal(config.vm[0].error, "");
	assert_mac(&config.vm[0].nic[0], "52:54:00:ab:cd:01");
	assert_mac(&config.vm[0].nic[1], "02:2e:09:61:7b:b1");
	assert_string_equal(config.vm[1].error, "");
	assert_mac(&config.vm[1].nic[0], "00:00:00:00:00:01");
	assert_mac(&config.vm[1].nic[1], "02:ff:ff:ff:ff:ff");
}

static void test_bad_words(void **state)
{
	static const char *const bad[] = {
		"net=",
		"net=a,",
		"net=,a",
		"net=a,b,c",
		"net=abcdefghijklmnop",
		"net=a/b",
		"net=a:b",
		"net=a mac=",
		"net=a mac=02:00:00:00:00",
		"net=a mac=02:00:00:00:00:0",
		"net=a mac=02:00:00:00:00:000",
		"net=a mac=02:00:00:00:00:0g",
		"net=a mac=02-00-00-00-00-01",
		"net=a mac=01:00:00:00:00:01",
		"net=a mac=ff:ff:ff:ff:ff:ff",
		"net=a mac=00:00:00:00:00:00",
		"net=a mac=02:00:00:00:00:01,",
		"net=a,b mac=02:00:00:00:00:01,02:00:00:00:00:02,"
		"02:00:00:00:00:03",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "vm=web kernel %s", bad[i]);
		PARSE(line);
		if (!strstr(config.vm[0].error, "vm 'web': bad value in '"))
			fail_msg("%s: '%s'", bad[i], config.vm[0].error);
	}
	PARSE("vm=web kernel net=abcdefghijklmno");
	assert_string_equal(config.vm[0].error, "");
	PARSE("vm=web kernel mac=02:00:00:00:00:01");
	assert_non_null(strstr(config.vm[0].error, "1 addresses for 0 NICs; add net="));
}

/* The one that comes later is wrong, and its message says where the other is. */
static void test_an_address_is_there_once(void **state)
{
	(void)state;
	PARSE("vm=a kernel net=x mac=02:00:00:00:00:01", "vm=b kernel net=y mac=02:00:00:00:00:01",
	      "vm=c kernel net=x mac=02:00:00:00:00:01");
	assert_string_equal(config.vm[0].error, "");
	assert_string_equal(config.vm[1].error, "");
	assert_non_null(
		strstr(config.vm[2].error, "02:00:00:00:00:01 is on x already, as vm 'a''s"));
	PARSE("vm=a kernel net=x,x");
	assert_string_equal(config.vm[0].error, "");
	PARSE("vm=a kernel net=x,x mac=02:00:00:00:00:01,02:00:00:00:00:01");
	assert_non_null(strstr(config.vm[0].error, "is on x already, as vm 'a''s"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_net_no_nic),
		cmocka_unit_test(test_addresses_come_from_the_name),
		cmocka_unit_test(test_addresses_may_be_given),
		cmocka_unit_test(test_bad_words),
		cmocka_unit_test(test_an_address_is_there_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
