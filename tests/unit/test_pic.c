/* The two 8259As; rules from the 8259A data sheet and the PIIX4's on ELCR. */
#include "device_rig.h"
#include "devices/pic8259.h"

static struct pic pic;
static struct wire intr;

/* What Linux's init_8259A writes: bases 0x30 and 0x38, nothing masked. */
static int setup(void **state)
{
	(void)state;
	pic_init(&pic, wire_line(&intr, 0));
	pic_write(&pic, 0x20, 0x11);
	pic_write(&pic, 0x21, 0x30);
	pic_write(&pic, 0x21, 0x04);
	pic_write(&pic, 0x21, 0x01);
	pic_write(&pic, 0xa0, 0x11);
	pic_write(&pic, 0xa1, 0x38);
	pic_write(&pic, 0xa1, 0x02);
	pic_write(&pic, 0xa1, 0x01);
	return 0;
}

static void pulse(uint32_t irq)
{
	pic_set_irq(&pic, irq, true);
	pic_set_irq(&pic, irq, false);
}

static uint8_t irr(uint16_t port)
{
	pic_write(&pic, port, 0x0a);
	return pic_read(&pic, port);
}

static uint8_t isr(uint16_t port)
{
	pic_write(&pic, port, 0x0b);
	return pic_read(&pic, port);
}

static void test_masked_until_programmed(void **state)
{
	(void)state;
	pic_init(&pic, wire_line(&intr, 0));
	pulse(0);
	pulse(8);
	assert_false(pic_is_pending(&pic));
	assert_int_equal(pic_read(&pic, 0x21), 0xff);
	pic_write(&pic, 0x21, 0xfb); /* Linux's probe: the mask reads back */
	assert_int_equal(pic_read(&pic, 0x21), 0xfb);
}

static void test_edge_and_eoi(void **state)
{
	(void)state;
	pic_set_irq(&pic, 4, true);
	assert_true(intr.level);
	assert_int_equal(irr(0x20), 0x10);
	assert_int_equal(pic_acknowledge(&pic), 0x34);
	assert_false(intr.level);
	assert_int_equal(irr(0x20), 0);
	assert_int_equal(isr(0x20), 0x10);
	pic_set_irq(&pic, 4, true); /* still high: no edge */
	assert_int_equal(irr(0x20), 0);
	pulse(4); /* falls here, rises with the next */
	pulse(4);
	assert_int_equal(irr(0x20), 0x10);
	assert_false(intr.level); /* in service */
	pic_write(&pic, 0x20, 0x20);
	assert_true(intr.level);
	assert_int_equal(pic_acknowledge(&pic), 0x34);
	pic_write(&pic, 0x20, 0x64); /* specific */
	assert_int_equal(isr(0x20), 0);
}

/* 'Fully Nested Mode': IR0 highest; a higher one interrupts, a lower one waits. */
static void test_nesting(void **state)
{
	(void)state;
	pulse(5);
	assert_int_equal(pic_acknowledge(&pic), 0x35);
	pulse(6);
	assert_false(intr.level);
	pulse(1);
	assert_true(intr.level);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
	assert_int_equal(isr(0x20), 0x22);
	pic_write(&pic, 0x20, 0x20); /* the highest: IR1 */
	assert_int_equal(isr(0x20), 0x20);
	assert_false(intr.level);
	pic_write(&pic, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&pic), 0x36);
}

static void test_cascade(void **state)
{
	(void)state;
	pic_set_irq(&pic, 2, true); /* has no line */
	assert_false(intr.level);
	pulse(12);
	pulse(3);
	assert_int_equal(irr(0x20), 0x0c);
	assert_int_equal(pic_acknowledge(&pic), 0x3c); /* IR2 goes before IR3 */
	assert_int_equal(isr(0x20), 0x04);
	assert_int_equal(isr(0xa0), 0x10);
	pulse(8); /* higher in the slave, but the master serves IR2 */
	assert_false(intr.level);
	pic_write(&pic, 0xa0, 0x20);
	pic_write(&pic, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&pic), 0x38);
	pic_write(&pic, 0xa0, 0x20);
	pic_write(&pic, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&pic), 0x33);
}

/* 'Special Fully Nested Mode': a higher request of a slave in service comes through. */
static void test_special_fully_nested(void **state)
{
	(void)state;
	pic_write(&pic, 0x20, 0x11);
	pic_write(&pic, 0x21, 0x30);
	pic_write(&pic, 0x21, 0x04);
	pic_write(&pic, 0x21, 0x11); /* SFNM */
	pulse(12);
	assert_int_equal(pic_acknowledge(&pic), 0x3c);
	pulse(14);
	assert_false(intr.level);
	pulse(9);
	assert_true(intr.level);
	assert_int_equal(pic_acknowledge(&pic), 0x39);
}

static void test_level_triggered(void **state)
{
	(void)state;
	pic_write(&pic, 0x4d0, 0xff);
	pic_write(&pic, 0x4d1, 0xff);
	/* IRQ 0, 1, 2, 8 and 13 cannot be. */
	assert_int_equal(pic_read(&pic, 0x4d0), 0xf8);
	assert_int_equal(pic_read(&pic, 0x4d1), 0xde);
	pic_set_irq(&pic, 9, true);
	assert_int_equal(pic_acknowledge(&pic), 0x39);
	pic_write(&pic, 0xa0, 0x20);
	pic_write(&pic, 0x20, 0x20);
	assert_true(intr.level); /* 'must be removed before the EOI' */
	pic_set_irq(&pic, 9, false);
	assert_false(intr.level);
	assert_int_equal(irr(0xa0), 0);
	/* An edge input that becomes level-triggered follows its line at once. */
	pic_write(&pic, 0x4d0, 0);
	pulse(5);
	assert_true(intr.level);
	pic_write(&pic, 0x4d0, 0x20);
	assert_false(intr.level);
}

/* 'If no interrupt request is present ... the 8259A will issue an interrupt level 7'; no ISR bit.
 */
static void test_spurious(void **state)
{
	(void)state;
	pic_write(&pic, 0x4d0, 0x20);
	pic_write(&pic, 0x4d1, 0x02);
	pic_set_irq(&pic, 5, true);
	pic_set_irq(&pic, 5, false);
	assert_int_equal(pic_acknowledge(&pic), 0x37);
	assert_int_equal(isr(0x20), 0);
	/* A real IRQ 7 sets its bit: so software tells them apart. */
	pulse(7);
	assert_int_equal(pic_acknowledge(&pic), 0x37);
	assert_int_equal(isr(0x20), 0x80);
	pic_write(&pic, 0x20, 0x20);
	/* The slave's request takes the master's with it. */
	pic_set_irq(&pic, 9, true);
	assert_true(intr.level);
	pic_set_irq(&pic, 9, false);
	assert_false(intr.level);
	assert_int_equal(pic_acknowledge(&pic), 0x37);
	assert_int_equal(isr(0xa0), 0);
	/* A real IRQ 15. */
	pulse(15);
	assert_int_equal(pic_acknowledge(&pic), 0x3f);
	assert_int_equal(isr(0xa0), 0x80);
}

static void test_mask(void **state)
{
	(void)state;
	pic_write(&pic, 0x21, 0x10);
	pulse(4);
	assert_int_equal(irr(0x20), 0x10);
	assert_false(intr.level);
	pic_write(&pic, 0x21, 0);
	assert_true(intr.level);
	pic_write(&pic, 0x21, 0x04);
	pulse(8);
	assert_int_equal(pic_acknowledge(&pic), 0x34);
	assert_int_equal(irr(0xa0), 1);
}

/* 'Special Mask Mode': a masked in-service level lets all others through, and is not cleared by a
 * non-specific EOI. */
static void test_special_mask(void **state)
{
	(void)state;
	pulse(3);
	assert_int_equal(pic_acknowledge(&pic), 0x33);
	pulse(6);
	assert_false(intr.level);
	pic_write(&pic, 0x21, 0x08);
	assert_false(intr.level);
	pic_write(&pic, 0x20, 0x68);
	assert_true(intr.level);
	assert_int_equal(pic_acknowledge(&pic), 0x36);
	pic_write(&pic, 0x20, 0x20);
	assert_int_equal(isr(0x20), 0x08);
	pic_write(&pic, 0x20, 0x20);
	assert_int_equal(isr(0x20), 0x08);
	pic_write(&pic, 0x20, 0x48); /* leaves the mode */
	pic_write(&pic, 0x20, 0x20);
	assert_int_equal(isr(0x20), 0);
}

static void test_rotation(void **state)
{
	(void)state;
	pulse(4);
	pulse(6);
	assert_int_equal(pic_acknowledge(&pic), 0x34);
	pic_write(&pic, 0x20, 0xa0); /* rotate on non-specific EOI: 4 becomes the lowest */
	pulse(4);
	assert_int_equal(pic_acknowledge(&pic), 0x36);
	pulse(5); /* now the highest */
	assert_true(intr.level);
	assert_int_equal(pic_acknowledge(&pic), 0x35);
	pic_write(&pic, 0x20, 0x20); /* the highest of the rotated order: 5, then 6 */
	assert_int_equal(isr(0x20), 0x40);
	pic_write(&pic, 0x20, 0xe6); /* rotate on specific EOI: 6 the lowest */
	assert_int_equal(isr(0x20), 0);
	pulse(7);
	pulse(0);
	assert_int_equal(pic_acknowledge(&pic), 0x37);
	pic_write(&pic, 0x20, 0x20);
	pic_write(&pic, 0x20, 0xc3); /* set priority: 3 the lowest, 4 the highest */
	assert_int_equal(pic_acknowledge(&pic), 0x34);
	pic_write(&pic, 0x20, 0x20);
	pic_write(&pic, 0x20, 0x40); /* no operation */
	assert_int_equal(pic_acknowledge(&pic), 0x30);
}

/* Serves nothing, asks for nothing, IR7 has the lowest priority. */
static void restart(void)
{
	(void)setup(NULL);
	pic_write(&pic, 0x20, 0x68); /* special mask mode off */
}

/* The input that the master serves first when all eight ask: the top of the order. */
static unsigned first_of_all(void)
{
	unsigned first;

	pic_write(&pic, 0x21, 0x04); /* the cascade follows the slave */
	for (unsigned i = 0; i < 8; i++)
		pulse(i);
	first = pic_acknowledge(&pic) & 7u;
	return first;
}

/* OCW2, R SL EOI and L2-L0: 'specific EOI command: the in-service bit of that level is reset';
 * 'rotate on specific EOI', 'set priority': that level becomes the lowest; the rest leaves it
 * alone. */
static void test_ocw2_by_level(void **state)
{
	(void)state;
	for (unsigned level = 0; level < 8; level++) {
		for (unsigned command = 0; command < 8; command++) {
			bool is_set = command == 6 || command == 7;
			unsigned first = is_set ? (level + 1) % 8 : 0;
			unsigned expected = 0xfb;

			restart();
			for (unsigned i = 8; i--;) { /* all but the cascade are being served */
				if (i == 2)
					continue;
				pulse(i);
				assert_int_equal(pic_acknowledge(&pic), 0x30 + i);
			}
			pic_write(&pic, 0x20, (uint8_t)(command << 5 | level));
			if (command == 3 || command == 7) /* specific EOI */
				expected &= ~BIT(level);
			if (command == 1 || command == 5) /* the highest, which is 0 */
				expected &= ~BIT(0);
			if (command == 5)
				first = 1;
			assert_int_equal(isr(0x20), expected);
			for (unsigned i = 0; i < 8; i++)
				pic_write(&pic, 0x20, 0x60 | (uint8_t)i);
			assert_int_equal(isr(0x20), 0);
			if (first == 2) /* nothing asks at the slave */
				first = 3;
			assert_int_equal(first_of_all(), first);
		}
	}
}

/* The master's order does not depend on the slave's, whose commands are the same. */
static void test_ocw2_of_the_slave(void **state)
{
	(void)state;
	for (unsigned level = 0; level < 8; level++) {
		restart();
		pic_write(&pic, 0xa0, 0xc0 | (uint8_t)level);
		for (unsigned i = 8; i < 16; i++)
			pulse(i);
		pulse(0);
		assert_int_equal(pic_acknowledge(&pic), 0x30);
		pic_write(&pic, 0x20, 0x20);
		assert_int_equal(pic_acknowledge(&pic), 0x38 + (level + 1) % 8);
	}
}

/* PIIX4, ELCR1 and ELCR2: 'bits 0, 1, 2, 8 and 13 are reserved', the others choose level. */
static void test_elcr_by_input(void **state)
{
	const uint32_t edge_only = BIT(0) | BIT(1) | BIT(2) | BIT(8) | BIT(13);

	(void)state;
	for (uint32_t irq = 0; irq < 16; irq++) {
		uint16_t elcr = irq < 8 ? 0x4d0 : 0x4d1, port = irq < 8 ? 0x20 : 0xa0;
		bool is_level = !(edge_only & BIT(irq));
		uint8_t bit = (uint8_t)BIT(irq % 8);

		if (irq == 2)
			continue;
		restart();
		pic_write(&pic, elcr, bit);
		assert_int_equal(pic_read(&pic, elcr), is_level ? bit : 0);
		assert_int_equal(pic_read(&pic, elcr ^ 1), 0);
		pic_set_irq(&pic, irq, true);
		assert_int_equal(pic_acknowledge(&pic), 0x30 + irq);
		/* A level is a request as long as it is there. */
		assert_int_equal(irr(port) & bit, is_level ? bit : 0);
		pic_set_irq(&pic, irq, false);
		assert_int_equal(irr(port) & bit, 0);
		pic_set_irq(&pic, irq, true);
		assert_int_equal(irr(port) & bit, bit);
		pic_set_irq(&pic, irq, false);
		assert_int_equal(irr(port) & bit, is_level ? 0 : bit);
		assert_int_equal(pic_is_edge_waiting(&pic, irq), !is_level);
	}
	restart();
	pic_write(&pic, 0x4d0, 0xff);
	pic_write(&pic, 0x4d1, 0xff);
	assert_int_equal(pic_read(&pic, 0x4d0) | pic_read(&pic, 0x4d1) << 8, 0xffff & ~edge_only);
}

static void test_automatic_eoi(void **state)
{
	(void)state;
	pic_write(&pic, 0x20, 0x11);
	pic_write(&pic, 0x21, 0x30);
	pic_write(&pic, 0x21, 0x04);
	pic_write(&pic, 0x21, 0x03);
	pulse(1);
	pulse(3);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
	assert_int_equal(isr(0x20), 0);
	assert_true(intr.level);
	assert_int_equal(pic_acknowledge(&pic), 0x33);
	pic_write(&pic, 0x20, 0x80); /* rotate in automatic EOI mode */
	pulse(1);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
	pulse(1); /* the lowest now, and IR2 the highest */
	pulse(3);
	pulse(9);
	assert_int_equal(pic_acknowledge(&pic), 0x39);
	pic_write(&pic, 0xa0, 0x20);
	assert_int_equal(pic_acknowledge(&pic), 0x33);
	pic_write(&pic, 0x20, 0x00); /* no rotation any more */
	pulse(2 + 3);
	assert_int_equal(pic_acknowledge(&pic), 0x35);
	pulse(4);
	assert_int_equal(pic_acknowledge(&pic), 0x34);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
	/* Two slave requests one after the other, each with its own edge at the master. */
	pulse(10);
	pulse(11);
	assert_int_equal(pic_acknowledge(&pic), 0x3a);
	assert_false(intr.level);
	pic_write(&pic, 0xa0, 0x20);
	assert_int_equal(pic_acknowledge(&pic), 0x3b);
}

/* 'Poll Command': the next read is the acknowledge; bit 7 tells whether there was a request. */
static void test_poll(void **state)
{
	(void)state;
	pic_write(&pic, 0x20, 0x0c);
	assert_int_equal(pic_read(&pic, 0x20), 0);
	pulse(6);
	pic_write(&pic, 0x20, 0x0c);
	assert_int_equal(pic_read(&pic, 0x20), 0x86);
	assert_int_equal(isr(0x20), 0x40);
	assert_int_equal(pic_read(&pic, 0x21), 0);
	pulse(0);
	pulse(1);
	pic_write(&pic, 0x20, 0x0a);
	pic_write(&pic, 0x20, 0x0c);
	assert_int_equal(pic_read(&pic, 0x20), 0x80);
	assert_int_equal(pic_read(&pic, 0x20), 0x02); /* IRR again */
	assert_int_equal(isr(0x20), 0x41);
	assert_false(intr.level);
	pic_write(&pic, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&pic), 0x31);
	pic_write(&pic, 0x20, 0x20);
	pulse(0);
	assert_true(intr.level);
	assert_int_equal(pic_acknowledge(&pic), 0x30);
	pic_write(&pic, 0x20, 0x20);
	pulse(13);
	pic_write(&pic, 0xa0, 0x0c);
	assert_int_equal(pic_read(&pic, 0xa0), 0x85);
	assert_false(intr.level);
}

/* ICW1: 'the edge sense circuit is reset', IMR cleared, IR7 lowest, special mask off, read IRR. */
static void test_icw1_resets(void **state)
{
	(void)state;
	pic_write(&pic, 0x4d0, 0x20);
	pic_set_irq(&pic, 5, true);
	pic_set_irq(&pic, 4, true);
	pulse(3);
	assert_int_equal(pic_acknowledge(&pic), 0x33);
	pic_write(&pic, 0x20, 0xc3);
	pic_write(&pic, 0x20, 0x6b);
	pic_write(&pic, 0x21, 0xff);
	pic_write(&pic, 0x20, 0x12); /* single, no ICW4: ICW2 alone */
	pic_write(&pic, 0x21, 0x47);
	assert_int_equal(pic_read(&pic, 0x20), 0x20); /* the level-triggered one stays */
	assert_int_equal(pic_read(&pic, 0x21), 0);
	assert_int_equal(isr(0x20), 0);
	pic_write(&pic, 0x21, 0x81); /* a mask already */
	assert_int_equal(pic_read(&pic, 0x21), 0x81);
	assert_int_equal(pic_acknowledge(&pic), 0x45); /* ICW2's low bits are the input's */
	pulse(4);
	pic_set_irq(&pic, 4, true);
	assert_int_equal(pic_acknowledge(&pic), 0x44);
}

static void test_ports(void **state)
{
	static struct bus ports;

	(void)state;
	bus_init(&ports);
	assert_int_equal(pic_attach(&pic, &ports), 0);
	port_out(&ports, 0x21, 1, 0x5a);
	port_out(&ports, 0xa1, 1, 0xa5);
	assert_int_equal(port_in(&ports, 0x21, 1), 0x5a);
	assert_int_equal(port_in(&ports, 0xa1, 1), 0xa5);
	port_out(&ports, 0x4d0, 2, 0x0c20);
	assert_int_equal(port_in(&ports, 0x4d1, 1), 0x0c);
	assert_int_equal(port_in(&ports, 0x4d0, 2), 0x0c20);
}

/* 'The request is latched until the acknowledge': a second edge before it would merge. */
static void test_edge_waiting(void **state)
{
	(void)state;
	assert_false(pic_is_edge_waiting(&pic, 0));
	pulse(0);
	pulse(8);
	assert_true(pic_is_edge_waiting(&pic, 0));
	assert_true(pic_is_edge_waiting(&pic, 8));
	pic_write(&pic, 0x21, 0x05); /* IRQ 0 and the cascade masked */
	assert_false(pic_is_edge_waiting(&pic, 0));
	assert_false(pic_is_edge_waiting(&pic, 8));
	pic_write(&pic, 0x21, 0x00);
	assert_int_equal(pic_acknowledge(&pic), 0x30);
	assert_false(pic_is_edge_waiting(&pic, 0));
	assert_true(pic_is_edge_waiting(&pic, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_masked_until_programmed, setup),
		cmocka_unit_test_setup(test_edge_and_eoi, setup),
		cmocka_unit_test_setup(test_nesting, setup),
		cmocka_unit_test_setup(test_cascade, setup),
		cmocka_unit_test_setup(test_special_fully_nested, setup),
		cmocka_unit_test_setup(test_level_triggered, setup),
		cmocka_unit_test_setup(test_spurious, setup),
		cmocka_unit_test_setup(test_mask, setup),
		cmocka_unit_test_setup(test_special_mask, setup),
		cmocka_unit_test_setup(test_rotation, setup),
		cmocka_unit_test_setup(test_ocw2_by_level, setup),
		cmocka_unit_test_setup(test_ocw2_of_the_slave, setup),
		cmocka_unit_test_setup(test_elcr_by_input, setup),
		cmocka_unit_test_setup(test_automatic_eoi, setup),
		cmocka_unit_test_setup(test_poll, setup),
		cmocka_unit_test_setup(test_icw1_resets, setup),
		cmocka_unit_test_setup(test_ports, setup),
		cmocka_unit_test_setup(test_edge_waiting, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
