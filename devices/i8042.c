/* The 8042 keyboard controller, without keyboard and mouse. */
#include "devices/i8042.h"
#include "devices/isa.h"
#include "lib/string.h"

enum {
	PORT_DATA = 0x60,
	PORT_STATUS = 0x64,

	STATUS_OBF = 0x01,
	STATUS_SYSTEM = 0x04,
	STATUS_COMMAND = 0x08, /* the last write was to port 0x64 */
	STATUS_UNLOCKED = 0x10,
	STATUS_AUX = 0x20,
	STATUS_TIMEOUT = 0x40,

	MODE_KEYBOARD_IRQ = 0x01,
	MODE_AUX_IRQ = 0x02,
	MODE_SYSTEM = 0x04,
	MODE_KEYBOARD_OFF = 0x10,
	MODE_AUX_OFF = 0x20,
	MODE_TRANSLATE = 0x40,

	OUTPUT_NO_RESET = 0x01,
	OUTPUT_A20 = 0x02,
	OUTPUT_KEYBOARD_FULL = 0x10,
	OUTPUT_AUX_FULL = 0x20,
	OUTPUT_IDLE_LINES = 0xc0, /* the keyboard's clock and data */

	INPUT_UNLOCKED = 0x80,
	RESEND = 0xfe,
};

enum i8042_command {
	CMD_READ_RAM = 0x20,  /* to 0x3f */
	CMD_WRITE_RAM = 0x60, /* to 0x7f */
	CMD_TEST_PASSWORD = 0xa4,
	CMD_AUX_DISABLE = 0xa7,
	CMD_AUX_ENABLE = 0xa8,
	CMD_AUX_TEST = 0xa9,
	CMD_SELF_TEST = 0xaa,
	CMD_KEYBOARD_TEST = 0xab,
	CMD_KEYBOARD_DISABLE = 0xad,
	CMD_KEYBOARD_ENABLE = 0xae,
	CMD_READ_INPUT = 0xc0,
	CMD_READ_OUTPUT = 0xd0,
	CMD_WRITE_OUTPUT = 0xd1,
	CMD_KEYBOARD_LOOP = 0xd2,
	CMD_AUX_LOOP = 0xd3,
	CMD_AUX_WRITE = 0xd4,
	CMD_A20_OFF = 0xdd,
	CMD_A20_ON = 0xdf,
	CMD_READ_TEST_INPUTS = 0xe0,
	CMD_PULSE = 0xf0, /* to 0xff */
};

static void kbc_update(struct i8042 *kbc)
{
	bool is_full = kbc->status & STATUS_OBF, is_aux = kbc->status & STATUS_AUX;
	bool level[2] = {
		is_full && !is_aux && (kbc->ram[0] & MODE_KEYBOARD_IRQ),
		is_full && is_aux && (kbc->ram[0] & MODE_AUX_IRQ),
	};

	for (unsigned i = 0; i < 2; i++) {
		if (level[i] == kbc->irq_level[i])
			continue;
		kbc->irq_level[i] = level[i];
		irq_line_set(&kbc->irq[i], level[i]);
	}
}

/* Fills the output buffer; `flags` are STATUS_AUX and STATUS_TIMEOUT. */
static void kbc_put(struct i8042 *kbc, uint8_t byte, uint8_t flags)
{
	/* The interrupt is an edge for each byte. */
	kbc->status &= (uint8_t) ~(STATUS_OBF | STATUS_AUX | STATUS_TIMEOUT);
	kbc_update(kbc);
	kbc->output = byte;
	kbc->status |= STATUS_OBF | flags;
	kbc_update(kbc);
}

static void kbc_reset(struct i8042 *kbc)
{
	kbc->platform->ops->end(kbc->platform->ctx, VM_END_RESET, 0);
}

static void kbc_set_output_port(struct i8042 *kbc, uint8_t value)
{
	if ((kbc->output_port & OUTPUT_A20) && !(value & OUTPUT_A20))
		kbc->platform->ops->note(kbc->platform->ctx,
					 "8042: A20 off; addresses do not wrap at 1 MiB here");
	kbc->output_port = value & (OUTPUT_A20 | OUTPUT_NO_RESET);
	if (!(value & OUTPUT_NO_RESET))
		kbc_reset(kbc);
}

static uint8_t kbc_output_port(const struct i8042 *kbc)
{
	uint8_t value = kbc->output_port | OUTPUT_IDLE_LINES;

	if (kbc->status & STATUS_OBF)
		value |= kbc->status & STATUS_AUX ? OUTPUT_AUX_FULL : OUTPUT_KEYBOARD_FULL;
	return value;
}

/* Bits that no interrupt depends on. */
static void kbc_set_mode(struct i8042 *kbc, uint8_t set, uint8_t clear)
{
	kbc->ram[0] = (kbc->ram[0] | set) & (uint8_t)~clear;
}

static void kbc_command(struct i8042 *kbc, uint8_t command)
{
	kbc->command = 0;
	switch (command) {
	case CMD_READ_RAM ... CMD_READ_RAM + 0x1f:
		kbc_put(kbc, kbc->ram[command & 0x1f], 0);
		break;
	case CMD_WRITE_RAM ... CMD_WRITE_RAM + 0x1f:
	case CMD_WRITE_OUTPUT ... CMD_AUX_WRITE:
		kbc->command = command;
		break;
	case CMD_TEST_PASSWORD:
		kbc_put(kbc, 0xf1, 0); /* none is installed */
		break;
	case CMD_AUX_DISABLE:
		kbc_set_mode(kbc, MODE_AUX_OFF, 0);
		break;
	case CMD_AUX_ENABLE:
		kbc_set_mode(kbc, 0, MODE_AUX_OFF);
		break;
	case CMD_AUX_TEST:
	case CMD_KEYBOARD_TEST:
	case CMD_READ_TEST_INPUTS:
		kbc_put(kbc, 0x00, 0); /* no line is stuck */
		break;
	case CMD_SELF_TEST:
		kbc_set_mode(kbc, MODE_SYSTEM, 0);
		kbc_put(kbc, 0x55, 0);
		break;
	case CMD_KEYBOARD_DISABLE:
		kbc_set_mode(kbc, MODE_KEYBOARD_OFF, 0);
		break;
	case CMD_KEYBOARD_ENABLE:
		kbc_set_mode(kbc, 0, MODE_KEYBOARD_OFF);
		break;
	case CMD_READ_INPUT:
		kbc_put(kbc, INPUT_UNLOCKED, 0);
		break;
	case CMD_READ_OUTPUT:
		kbc_put(kbc, kbc_output_port(kbc), 0);
		break;
	case CMD_A20_OFF:
		kbc_set_output_port(kbc, kbc->output_port & (uint8_t)~OUTPUT_A20);
		break;
	case CMD_A20_ON:
		kbc_set_output_port(kbc, kbc->output_port | OUTPUT_A20);
		break;
	case CMD_PULSE ... CMD_PULSE + 0x0f: /* bits that are 0 are pulsed low: bit 0 is reset */
		if (!(command & OUTPUT_NO_RESET))
			kbc_reset(kbc);
		break;
	default: /* the controller's program has no others */
		break;
	}
}

static void kbc_data(struct i8042 *kbc, uint8_t value)
{
	uint8_t command = kbc->command;

	kbc->command = 0;
	switch (command) {
	case CMD_WRITE_RAM ... CMD_WRITE_RAM + 0x1f:
		kbc->ram[command & 0x1f] = value;
		kbc_update(kbc);
		break;
	case CMD_WRITE_OUTPUT:
		kbc_set_output_port(kbc, value);
		break;
	case CMD_KEYBOARD_LOOP:
		kbc_put(kbc, value, 0);
		break;
	case CMD_AUX_LOOP:
		kbc_put(kbc, value, STATUS_AUX);
		break;
	case CMD_AUX_WRITE:
		kbc_set_mode(kbc, 0, MODE_AUX_OFF);
		kbc_put(kbc, RESEND, STATUS_AUX | STATUS_TIMEOUT);
		break;
	default: /* to the keyboard; sending enables the interface */
		kbc_set_mode(kbc, 0, MODE_KEYBOARD_OFF);
		kbc_put(kbc, RESEND, STATUS_TIMEOUT);
		break;
	}
}

uint8_t i8042_read(struct i8042 *kbc, uint16_t port)
{
	if (port == PORT_STATUS)
		return kbc->status | (kbc->ram[0] & MODE_SYSTEM ? STATUS_SYSTEM : 0);
	kbc->status &= (uint8_t) ~(STATUS_OBF | STATUS_AUX | STATUS_TIMEOUT);
	kbc_update(kbc);
	return kbc->output;
}

void i8042_write(struct i8042 *kbc, uint16_t port, uint8_t value)
{
	if (port == PORT_STATUS) {
		kbc->status |= STATUS_COMMAND;
		kbc_command(kbc, value);
	} else {
		kbc->status &= (uint8_t)~STATUS_COMMAND;
		kbc_data(kbc, value);
	}
}

void i8042_init(struct i8042 *kbc, struct platform *platform, struct irq_line keyboard,
		struct irq_line auxiliary)
{
	memset(kbc, 0, sizeof(*kbc));
	kbc->platform = platform;
	kbc->irq[0] = keyboard;
	kbc->irq[1] = auxiliary;
	/* As firmware leaves it: self test passed, A20 on. */
	kbc->status = STATUS_UNLOCKED;
	kbc->ram[0] = MODE_TRANSLATE | MODE_AUX_OFF | MODE_SYSTEM | MODE_KEYBOARD_IRQ;
	kbc->output_port = OUTPUT_A20 | OUTPUT_NO_RESET;
}

ISA_BYTE_PORTS(i8042_data, i8042, PORT_DATA)
ISA_BYTE_PORTS(i8042_status, i8042, PORT_STATUS)

int i8042_attach(struct i8042 *kbc, struct bus *ports)
{
	static const struct bus_region regions[] = {
		ISA_REGION(i8042_data, PORT_DATA, 1, "8042 data"),
		ISA_REGION(i8042_status, PORT_STATUS, 1, "8042 command"),
	};

	return bus_add_all(ports, kbc, regions, ARRAY_SIZE(regions));
}
