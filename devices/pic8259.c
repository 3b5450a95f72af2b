/* The two 8259A interrupt controllers. */
#include "devices/isa.h"
#include "devices/pic8259.h"
#include "lib/string.h"

#define CASCADE 2 /* the master's input that the slave drives */

enum {
	ICW1_IC4 = 0x01,
	ICW1_SNGL = 0x02, /* bit 3, LTIM, is replaced by ELCR in PC chipsets */
	ICW1 = 0x10,      /* at the even port: this bit tells ICW1, the next one OCW3 */
	OCW3 = 0x08,

	ICW4_AEOI = 0x02,
	ICW4_SFNM = 0x10,

	OCW2_LEVEL = 0x07,
	OCW2_EOI = 0x20,
	OCW2_SL = 0x40,
	OCW2_R = 0x80,

	OCW3_RIS = 0x01,
	OCW3_RR = 0x02,
	OCW3_P = 0x04,
	OCW3_SMM = 0x20,
	OCW3_ESMM = 0x40,
};

enum pic_step { STEP_READY, STEP_ICW2, STEP_ICW3, STEP_ICW4 };

/* The set input of highest priority, or -1. */
static int chip_highest(const struct pic_chip *chip, uint8_t inputs)
{
	unsigned rotated = (unsigned)(inputs << 8 | inputs) >> chip->top & 0xff;

	return rotated ? (__builtin_ctz(rotated) + chip->top) & 7 : -1;
}

/* How far from the top an input stands: 0 is first. */
static unsigned chip_rank(const struct pic_chip *chip, int input)
{
	return ((unsigned)input - chip->top) & 7;
}

/* The input that INT asks for, or -1 ('Fully Nested Mode' and the modes that change it). */
static int chip_pending(const struct pic *pic, const struct pic_chip *chip)
{
	int input = chip_highest(chip, chip->irr & (uint8_t)~chip->imr);
	uint8_t serving = chip->isr;
	int served;

	if (input < 0)
		return -1;
	/* Special mask mode: what is masked 'enables interrupts from all other levels'. */
	if (chip->is_special_mask)
		serving &= (uint8_t)~chip->imr;
	/* Special fully nested mode: the slave is 'not locked out from the master's priority
	 * logic'. */
	if (chip->is_special_nested && chip == &pic->chip[0])
		serving &= (uint8_t)~BIT(CASCADE);
	served = chip_highest(chip, serving);
	return served < 0 || chip_rank(chip, input) < chip_rank(chip, served) ? input : -1;
}

static void chip_set(struct pic_chip *chip, unsigned input, bool level)
{
	uint8_t bit = (uint8_t)BIT(input);

	if (level && ((chip->elcr | ~chip->lines) & bit))
		chip->irr |= bit;
	else if (!level && (chip->elcr & bit))
		chip->irr &= (uint8_t)~bit;
	chip->lines = level ? chip->lines | bit : chip->lines & (uint8_t)~bit;
}

/* Carries the slave's INT to the master, and the master's outside. The request at the cascade
 * follows the slave's INT, which falls at each INTA and when nothing is left to ask for. */
static void pic_update(struct pic *pic)
{
	struct pic_chip *master = &pic->chip[0];
	bool level;

	if (chip_pending(pic, &pic->chip[1]) >= 0)
		master->irr |= BIT(CASCADE);
	else
		master->irr &= (uint8_t)~BIT(CASCADE);
	level = chip_pending(pic, master) >= 0;
	if (level != pic->output_level) {
		pic->output_level = level;
		irq_line_set(&pic->output, level);
	}
}

/* One chip's INTA: the input, or -1 when there is no request any more. */
static int chip_acknowledge(struct pic *pic, struct pic_chip *chip)
{
	int input = chip_pending(pic, chip);
	uint8_t bit;

	if (input < 0)
		return -1;
	bit = (uint8_t)BIT((unsigned)input);
	if (!(chip->elcr & bit))
		chip->irr &= (uint8_t)~bit;
	if (!chip->is_aeoi)
		chip->isr |= bit;
	else if (chip->is_rotating_aeoi)
		chip->top = (uint8_t)(input + 1) & 7;
	return input;
}

static uint8_t chip_vector(const struct pic_chip *chip, int input)
{
	/* 'If no interrupt request is present at step 4 ... the 8259A will issue an interrupt
	 * level 7', and sets no in-service bit. */
	return chip->base | (uint8_t)(input < 0 ? 7 : input);
}

uint8_t pic_acknowledge(struct pic *pic)
{
	struct pic_chip *chip = &pic->chip[0];
	int input = chip_acknowledge(pic, chip);

	if (input == CASCADE && !chip->is_single) {
		chip = &pic->chip[1];
		input = chip_acknowledge(pic, chip);
	}
	pic_update(pic);
	return chip_vector(chip, input);
}

void pic_set_irq(struct pic *pic, uint32_t irq, bool level)
{
	if (irq >= 16 || irq == CASCADE)
		return;
	chip_set(&pic->chip[irq / 8], irq % 8, level);
	pic_update(pic);
}

bool pic_is_edge_waiting(const struct pic *pic, uint32_t irq)
{
	const struct pic_chip *chip = &pic->chip[irq / 8 & 1];
	uint8_t bit = (uint8_t)BIT(irq % 8);

	return (chip->irr & bit) && !((chip->imr | chip->elcr) & bit) &&
	       (irq < 8 || !(pic->chip[0].imr & BIT(CASCADE)));
}

static void chip_icw1(struct pic_chip *chip, uint8_t value)
{
	/* 'The edge sense circuit is reset': requests of edge inputs are forgotten, and a line that
	 * is high must fall first. The mask is cleared, IR7 has the lowest priority, status read is
	 * IRR; without ICW4 its functions are off. */
	chip->irr = chip->lines & chip->elcr;
	chip->isr = 0;
	chip->imr = 0;
	chip->top = 0;
	chip->is_special_mask = false;
	chip->is_reading_isr = false;
	chip->is_polled = false;
	chip->is_rotating_aeoi = false;
	chip->is_aeoi = false;
	chip->is_special_nested = false;
	chip->is_single = value & ICW1_SNGL;
	chip->has_icw4 = value & ICW1_IC4;
	chip->step = STEP_ICW2;
}

static void chip_ocw2(struct pic_chip *chip, uint8_t value)
{
	bool is_rotate = value & OCW2_R, is_specific = value & OCW2_SL;
	uint8_t serving = chip->isr;
	int input = value & OCW2_LEVEL;

	if (!(value & OCW2_EOI)) {
		if (is_specific && is_rotate) /* set priority */
			chip->top = (uint8_t)(input + 1) & 7;
		else if (!is_specific) /* rotate in automatic EOI mode: set or clear */
			chip->is_rotating_aeoi = is_rotate;
		return;
	}
	if (!is_specific) {
		/* In special mask mode a masked in-service bit 'will not be cleared by a
		 * non-specific EOI'. */
		if (chip->is_special_mask)
			serving &= (uint8_t)~chip->imr;
		input = chip_highest(chip, serving);
		if (input < 0)
			return;
	}
	chip->isr &= (uint8_t)~BIT((unsigned)input);
	if (is_rotate)
		chip->top = (uint8_t)(input + 1) & 7;
}

static void chip_ocw3(struct pic_chip *chip, uint8_t value)
{
	if (value & OCW3_ESMM)
		chip->is_special_mask = value & OCW3_SMM;
	if (value & OCW3_RR)
		chip->is_reading_isr = value & OCW3_RIS;
	chip->is_polled = value & OCW3_P;
}

/* The odd port: the ICWs in their order, then the mask. */
static void chip_write_data(struct pic_chip *chip, uint8_t value)
{
	switch ((enum pic_step)chip->step) {
	case STEP_READY:
		chip->imr = value;
		break;
	case STEP_ICW2:
		chip->base = value & 0xf8;
		chip->step = STEP_ICW3;
		if (chip->is_single)
			chip->step = chip->has_icw4 ? STEP_ICW4 : STEP_READY;
		break;
	case STEP_ICW3: /* the wiring is the board's: slave at input 2 */
		chip->step = chip->has_icw4 ? STEP_ICW4 : STEP_READY;
		break;
	case STEP_ICW4:
		chip->is_aeoi = value & ICW4_AEOI;
		chip->is_special_nested = value & ICW4_SFNM;
		chip->step = STEP_READY;
		break;
	}
}

static uint8_t chip_poll(struct pic *pic, struct pic_chip *chip)
{
	int input = chip_acknowledge(pic, chip);

	chip->is_polled = false;
	pic_update(pic);
	return input < 0 ? 0 : 0x80 | (uint8_t)input;
}

/* IRQ 0, 1, 2, 8 and 13 are edge-triggered for good. */
static void chip_write_elcr(struct pic_chip *chip, uint8_t value, uint8_t writable)
{
	chip->elcr = value & writable;
	chip->irr = (chip->irr & (uint8_t)~chip->elcr) | (chip->lines & chip->elcr);
}

uint8_t pic_read(struct pic *pic, uint16_t port)
{
	struct pic_chip *chip = &pic->chip[port >= 0xa0];

	switch (port) {
	case 0x4d0:
		return pic->chip[0].elcr;
	case 0x4d1:
		return pic->chip[1].elcr;
	default:
		if (chip->is_polled)
			return chip_poll(pic, chip);
		if (port & 1)
			return chip->imr;
		return chip->is_reading_isr ? chip->isr : chip->irr;
	}
}

void pic_write(struct pic *pic, uint16_t port, uint8_t value)
{
	struct pic_chip *chip = &pic->chip[port >= 0xa0];

	if (port == 0x4d0)
		chip_write_elcr(&pic->chip[0], value, 0xf8);
	else if (port == 0x4d1)
		chip_write_elcr(&pic->chip[1], value, 0xde);
	else if (port & 1)
		chip_write_data(chip, value);
	else if (value & ICW1)
		chip_icw1(chip, value);
	else if (value & OCW3)
		chip_ocw3(chip, value);
	else
		chip_ocw2(chip, value);
	pic_update(pic);
}

void pic_init(struct pic *pic, struct irq_line output)
{
	memset(pic, 0, sizeof(*pic));
	pic->output = output;
	pic->chip[0].base = 0x08;
	pic->chip[1].base = 0x70;
	pic->chip[0].imr = pic->chip[1].imr = 0xff;
}

ISA_BYTE_PORTS(pic_master, pic, 0x20)
ISA_BYTE_PORTS(pic_slave, pic, 0xa0)
ISA_BYTE_PORTS(pic_elcr, pic, 0x4d0)

int pic_attach(struct pic *pic, struct bus *ports)
{
	static const struct bus_region regions[] = {
		ISA_REGION(pic_master, 0x20, 2, "8259 master"),
		ISA_REGION(pic_slave, 0xa0, 2, "8259 slave"),
		ISA_REGION(pic_elcr, 0x4d0, 2, "ELCR"),
	};

	return bus_add_all(ports, pic, regions, ARRAY_SIZE(regions));
}
