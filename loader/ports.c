/* Which serial ports of the host's have which role. */
#include "loader/options.h"

#include "lib/string.h"

#define UART_PORTS 8u /* the registers of a 16550 */

bool config_parse_port(struct span value, uint16_t *port)
{
	static const struct word_choice names[] = {
		{"com1", 0x3f8}, {"com2", 0x2f8}, {"com3", 0x3e8}, {"com4", 0x2e8}};
	uint64_t number;

	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (span_is(value, names[i].name)) {
			*port = (uint16_t)names[i].value;
			return true;
		}
	}
	if (parse_u64(value.text, value.len, false, &number) || !number ||
	    number > 0x10000 - UART_PORTS)
		return false;
	*port = (uint16_t)number;
	return true;
}

const char *hv_port_word(enum hv_port_role role)
{
	static const char *const words[HV_PORT_ROLES] = {
		[HV_PORT_MONITOR] = "monitor",
		[HV_PORT_GDB] = "gdb-port",
		[HV_PORT_DUMP] = "dump",
	};

	return role < HV_PORT_ROLES ? words[role] : "";
}

static bool do_overlap(uint16_t a, uint16_t b)
{
	return a && b && a < b + UART_PORTS && b < a + UART_PORTS;
}

const char *config_port_conflict(const struct hv_options *options, enum hv_port_role role)
{
	if (do_overlap(options->port[role], options->console_port))
		return "console";
	for (unsigned other = 0; other < role; other++)
		if (do_overlap(options->port[role], options->port[other]))
			return hv_port_word(other);
	return NULL;
}
