/* PCI. Rules from the 'PCI Local Bus Specification', revision 3.0: 'Configuration Mechanism',
 * 'Configuration Space Functions', 'Base Addresses', 'MSI-X Capability and Table Structure'. */
#include "pci_rig.h"

#include "devices/sysctl.h"
#include "lib/checked.h"

#define SLOT     5u
#define BAR_LEN  0x2000u
#define VECTORS  4u
#define MSIX_BAR 1u

static struct pci_function f;
static struct sysctl sysctl;
static unsigned reads, writes;
static uint64_t last_offset, last_value;
static uint32_t hook_at;

static uint64_t bar_read(void *dev, uint64_t offset, unsigned size)
{
	assert_ptr_equal(dev, &f);
	reads++;
	last_offset = offset;
	return 0x1122334455667788 & bus_unclaimed(size);
}

static void bar_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	(void)dev, (void)size;
	writes++;
	last_offset = offset;
	last_value = value;
}

static void before_read(struct pci_function *function, unsigned at, unsigned size)
{
	(void)size;
	if (at == 0xf0)
		pci_put(function, at, 4, 0x600d);
}

static void after_write(struct pci_function *function, unsigned at, unsigned size)
{
	(void)function, (void)size;
	hook_at = at;
}

static const struct pci_hooks hooks = {.before_read = before_read, .after_write = after_write};
static const struct pci_id id = {.vendor = 0x1234,
				 .device = 0x5678,
				 .subsystem_vendor = 0x9abc,
				 .subsystem = 0xdef0,
				 .class_code = 0x010203,
				 .revision = 4,
				 .has_intx = true};
static const struct pci_bar bar = {.len = BAR_LEN, .dev = &f, .read = bar_read, .write = bar_write};

static int setup(void **state)
{
	(void)state;
	pci_rig_init();
	reads = writes = 0;
	pci_function_init(&f, "test", &id);
	pci_set_bar(&f, 0, &bar);
	pci_add_msix(&f, MSIX_BAR, VECTORS);
	f.hooks = &hooks;
	assert_int_equal(pci_add(&pci_rig.pci, &f, SLOT), 0);
	return 0;
}

static uint32_t bar_of(uint32_t number)
{
	return config_in(SLOT, PCI_BASE_ADDRESS_0 + 4 * number, 4);
}

/* --- configuration mechanism 1 */

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(config_in(SLOT, PCI_VENDOR_ID, 4), 0x56781234);
	assert_int_equal(config_in(SLOT, PCI_DEVICE_ID, 2), 0x5678);
	assert_int_equal(config_in(SLOT, PCI_CLASS_REVISION, 4), 0x01020304);
	assert_int_equal(config_in(SLOT, PCI_CLASS_DEVICE + 1, 1), 0x01);
	assert_int_equal(config_in(SLOT, PCI_SUBSYSTEM_VENDOR_ID, 4), 0xdef09abc);
	assert_int_equal(config_in(SLOT, PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_NORMAL);
	assert_int_equal(config_in(SLOT, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(config_in(SLOT, PCI_INTERRUPT_LINE, 1), 10 + SLOT % PCI_LINES);
	assert_int_equal(config_in(0, PCI_CLASS_DEVICE, 2), 0x0600);
	assert_int_equal(config_in(0, PCI_INTERRUPT_PIN, 1), 0);
	/* Read-only registers stay. */
	config_out(SLOT, PCI_VENDOR_ID, 4, 0);
	config_out(SLOT, PCI_CLASS_REVISION, 4, 0);
	config_out(SLOT, PCI_INTERRUPT_PIN, 1, 3);
	assert_int_equal(config_in(SLOT, PCI_VENDOR_ID, 4), 0x56781234);
	assert_int_equal(config_in(SLOT, PCI_CLASS_REVISION, 4), 0x01020304);
	assert_int_equal(config_in(SLOT, PCI_INTERRUPT_PIN, 1), 1);
	/* 'POST software will write the routing information into this register'. */
	config_out(SLOT, PCI_INTERRUPT_LINE, 1, 7);
	assert_int_equal(config_in(SLOT, PCI_INTERRUPT_LINE, 1), 7);
}

/* 'a read from a nonexistent device must return all 1s' */
static void test_absent_functions_read_all_ones(void **state)
{
	(void)state;
	assert_int_equal(config_in(SLOT + 1, PCI_VENDOR_ID, 4), 0xffffffff);
	assert_int_equal(config_in(SLOT + 1, PCI_VENDOR_ID, 2), 0xffff);
	config_out(SLOT + 1, PCI_COMMAND, 2, 7);
	/* Another function, another bus, and CONFIG_ADDRESS without its enable bit. */
	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t address[] = {BIT(31) | SLOT << 11 | 1 << 8,
						   BIT(31) | 1 << 16 | SLOT << 11, SLOT << 11};

		pci_write_address(&pci_rig.pci, address[i]);
		assert_int_equal(port_in(&pci_rig.ports, 0xcfc, 4), 0xffffffff);
		port_out(&pci_rig.ports, 0xcfc, 4, 0);
	}
	assert_int_equal(config_in(SLOT, PCI_VENDOR_ID, 4), 0x56781234);
}

/* 'a full DWORD I/O write': narrower ones reach what else is there, the reset control at 0xcf9. */
static void test_address_port_is_shared(void **state)
{
	(void)state;
	sysctl_init(&sysctl, &rig.fake.platform);
	assert_int_equal(sysctl_attach(&sysctl, &pci_rig.ports), 0);
	assert_int_equal(port_in(&pci_rig.ports, 0xcf8, 4), 0xffffffff);
	sysctl.pci = &pci_rig.pci;
	port_out(&pci_rig.ports, 0xcf8, 4, 0xffffffff);
	assert_int_equal(port_in(&pci_rig.ports, 0xcf8, 4), 0x80fffffc);
	port_out(&pci_rig.ports, 0xcf9, 1, 0x02);
	port_out(&pci_rig.ports, 0xcf8, 2, 0);
	assert_int_equal(port_in(&pci_rig.ports, 0xcf8, 4), 0x80fffffc);
	assert_int_equal(port_in(&pci_rig.ports, 0xcf9, 1), 0x02);
	assert_int_equal(port_in(&pci_rig.ports, 0xcf8, 1), 0xff);
	port_out(&pci_rig.ports, 0xcf9, 1, 0x06);
	assert_true(rig.fake.has_ended);
}

static void test_hooks(void **state)
{
	(void)state;
	assert_int_equal(config_in(SLOT, 0xf0, 4), 0x600d);
	config_out(SLOT, 0xf4, 2, 0);
	assert_int_equal(hook_at, 0xf4);
}

static void test_capability_list(void **state)
{
	static const uint8_t body[5] = {0, 0, 5, 6, 7};
	struct pci_function other;
	uint32_t first, second;

	(void)state;
	pci_function_init(&other, "other", &id);
	assert_int_equal(pci_get(&other, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, 0);
	first = pci_add_capability(&other, PCI_CAP_ID_VNDR, body, sizeof(body));
	second = pci_add_capability(&other, PCI_CAP_ID_MSI, body, sizeof(body));
	assert_int_equal(pci_add(&pci_rig.pci, &other, SLOT + 1), 0);
	assert_true(config_in(SLOT + 1, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	assert_int_equal(find_capability(SLOT + 1, PCI_CAP_ID_VNDR, 0), first);
	assert_int_equal(find_capability(SLOT + 1, PCI_CAP_ID_MSI, 0), second);
	assert_int_equal(find_capability(SLOT + 1, PCI_CAP_ID_MSI, second), 0);
	/* 'These bits ... pointers are DWORD aligned'. */
	assert_int_equal(first % 4, 0);
	assert_int_equal(second % 4, 0);
	assert_int_equal(config_in(SLOT + 1, first + 4, 1), 7);
	assert_int_equal(pci_add(&pci_rig.pci, &other, SLOT + 1), -EEXIST);
}

/* --- base addresses */

static void test_bars_are_assigned_and_decoded(void **state)
{
	uint32_t at = bar_of(0);

	(void)state;
	assert_in_range(at, PCI_WINDOW_BASE, PCI_WINDOW_BASE + PCI_WINDOW_SIZE - BAR_LEN);
	assert_int_equal(at % BAR_LEN, 0);
	assert_int_equal(mem_in(at + 0x10, 4), 0x55667788);
	assert_int_equal(last_offset, 0x10);
	mem_out(at + BAR_LEN - 8, 8, 77);
	assert_int_equal(last_offset, BAR_LEN - 8);
	assert_int_equal(last_value, 77);
	assert_false(range_is_overlapping(at, BAR_LEN, bar_of(MSIX_BAR), 4096));
	assert_int_equal(bar_of(2), 0);
}

/* 'Software saves the original value, writes all 1s, then reads it back': the size. */
static void test_sizing(void **state)
{
	uint32_t at = bar_of(0);

	(void)state;
	config_out(SLOT, PCI_COMMAND, 2, 0);
	config_out(SLOT, PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	assert_int_equal(bar_of(0), ~(BAR_LEN - 1));
	config_out(SLOT, PCI_BASE_ADDRESS_0, 4, at);
	config_out(SLOT, PCI_BASE_ADDRESS_0 + 8, 4, 0xffffffff);
	assert_int_equal(bar_of(2), 0);
	config_out(SLOT, PCI_ROM_ADDRESS, 4, 0xffffffff);
	assert_int_equal(config_in(SLOT, PCI_ROM_ADDRESS, 4), 0);
	assert_false(is_mapped(at));
	config_out(SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(is_mapped(at));
}

static void test_bars_move(void **state)
{
	uint32_t at = bar_of(0);

	(void)state;
	config_out(SLOT, PCI_BASE_ADDRESS_0, 4, 0xf0000000);
	assert_false(is_mapped(at));
	assert_true(is_mapped(0xf0000000));
	/* By parts, too. */
	config_out(SLOT, PCI_BASE_ADDRESS_0 + 2, 1, 0x12);
	assert_true(is_mapped(0xf0120000));
	/* The last place below 4 GiB, and 0. */
	config_out(SLOT, PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	assert_true(is_mapped(0xffffffff));
	config_out(SLOT, PCI_BASE_ADDRESS_0, 4, 0);
	assert_true(is_mapped(0));
	assert_true(is_mapped(bar_of(MSIX_BAR)));
}

/* One that is put on another device's memory is not reached, and the other goes on; it comes back
 * when the other has gone. */
static void test_overlapping_bars(void **state)
{
	uint32_t msix = bar_of(MSIX_BAR), at = bar_of(0);

	(void)state;
	config_out(SLOT, PCI_BASE_ADDRESS_0 + 4 * MSIX_BAR, 4, at + 0x1000);
	assert_int_equal(mem_in(at + 0x1000, 4), 0x55667788);
	assert_false(is_mapped(msix));
	config_out(SLOT, PCI_BASE_ADDRESS_0, 4, 0xf0000000);
	assert_int_equal(mem_in(at + 0x100c, 4), PCI_MSIX_ENTRY_CTRL_MASKBIT);
	assert_false(is_mapped(at));
}

/* On what is no PCI device's: that stays, however often the BAR comes and goes. */
static void test_bars_on_other_devices(void **state)
{
	const struct bus_region other = {
		.base = 0xfec00000, .len = 0x1000, .dev = &f, .read = bar_read, .write = bar_write};

	(void)state;
	assert_int_equal(bus_add(&pci_rig.mmio, &other), 0);
	config_out(SLOT, PCI_BASE_ADDRESS_0 + 4 * MSIX_BAR, 4, 0xfec00000);
	assert_int_equal(mem_in(0xfec00000, 4), 0x55667788);
	config_out(SLOT, PCI_BASE_ADDRESS_0 + 4 * MSIX_BAR, 4, 0xf0000000);
	assert_int_equal(mem_in(0xfec00000, 4), 0x55667788);
	assert_true(is_mapped(0xf0000000));
}

static void test_the_window_ends(void **state)
{
	struct pci_function big[2];
	struct pci_bar half = bar;

	(void)state;
	half.len = PCI_WINDOW_SIZE / 2;
	for (uint32_t i = 0; i < 2; i++) {
		pci_function_init(&big[i], "big", &id);
		pci_set_bar(&big[i], 0, &half);
		assert_int_equal(pci_add(&pci_rig.pci, &big[i], 10 + i), i ? -ENOSPC : 0);
	}
	assert_int_equal(config_in(11, PCI_VENDOR_ID, 2), 0xffff);
}

/* --- INTx */

static void test_intx(void **state)
{
	const struct wire *wire = &pci_rig.wire[SLOT % PCI_LINES];

	(void)state;
	pci_set_intx(&f, true);
	assert_true(wire->level);
	assert_true(config_in(SLOT, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	/* 'This bit disables the device from asserting INTx#'; the status bit does not care. */
	config_out(SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	assert_false(wire->level);
	assert_true(config_in(SLOT, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	config_out(SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(wire->level);
	pci_set_intx(&f, false);
	assert_false(wire->level);
	assert_false(config_in(SLOT, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
}

static void test_a_line_is_shared(void **state)
{
	const struct wire *wire = &pci_rig.wire[SLOT % PCI_LINES];
	struct pci_function other;

	(void)state;
	pci_function_init(&other, "other", &id);
	assert_int_equal(pci_add(&pci_rig.pci, &other, SLOT + PCI_LINES), 0);
	pci_set_intx(&f, true);
	pci_set_intx(&other, true);
	pci_set_intx(&f, false);
	assert_true(wire->level);
	pci_set_intx(&other, false);
	assert_false(wire->level);
}

/* --- MSI-X */

static uint64_t entry_at(uint32_t vector)
{
	return bar_of(MSIX_BAR) + vector * PCI_MSIX_ENTRY_SIZE;
}

static void set_entry(uint32_t vector, uint64_t address, uint32_t data, uint32_t control)
{
	mem_out(entry_at(vector), 8, address);
	mem_out(entry_at(vector) + 8, 4, data);
	mem_out(entry_at(vector) + 12, 4, control);
}

static void set_control(uint32_t flags)
{
	config_out(SLOT, f.msix.cap + PCI_MSIX_FLAGS, 2, flags);
}

static uint64_t pending(void)
{
	return mem_in(bar_of(MSIX_BAR) + (config_in(SLOT, f.msix.cap + PCI_MSIX_PBA, 4) & ~7u), 8);
}

static void test_msix_messages(void **state)
{
	(void)state;
	assert_int_equal(config_in(SLOT, f.msix.cap + PCI_MSIX_FLAGS, 2), VECTORS - 1);
	assert_int_equal(config_in(SLOT, f.msix.cap + PCI_MSIX_TABLE, 4), MSIX_BAR);
	set_entry(2, 0xfee03000, 0x51, 0);
	/* Not enabled: nothing. */
	pci_msix_raise(&f, 2);
	assert_int_equal(who_got(0x51), 0);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	pci_msix_raise(&f, 2);
	assert_int_equal(who_got(0x51), BIT(3));
	/* Vectors that do not exist. */
	pci_msix_raise(&f, VECTORS);
	pci_msix_raise(&f, PCI_NO_VECTOR);
	assert_int_equal(pending(), 0);
}

/* 'While a vector is masked, the function is prohibited from sending the associated message, and
 * the function must set the associated Pending bit'. */
static void test_msix_masks(void **state)
{
	(void)state;
	set_entry(1, 0xfee02000, 0x52, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	pci_msix_raise(&f, 1);
	assert_int_equal(who_got(0x52), 0);
	assert_int_equal(pending(), BIT(1));
	mem_out(entry_at(1) + 12, 4, 0);
	assert_int_equal(who_got(0x52), BIT(2));
	assert_int_equal(pending(), 0);
	set_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_msix_raise(&f, 1);
	pci_msix_raise(&f, 1);
	assert_int_equal(pending(), BIT(1));
	assert_int_equal(who_got(0x52), 0);
	/* Two writes: the vector's mask still holds when the function's has gone. */
	mem_out(entry_at(1) + 12, 4, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(who_got(0x52), 0);
	mem_out(entry_at(1) + 12, 4, 0);
	assert_int_equal(who_got(0x52), BIT(2));
}

/* What is pending stays so while MSI-X is off, whatever is unmasked then. */
static void test_msix_pending_while_off(void **state)
{
	(void)state;
	set_entry(1, 0xfee02000, 0x52, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	pci_msix_raise(&f, 1);
	set_control(0);
	mem_out(entry_at(1) + 12, 4, 0);
	assert_int_equal(who_got(0x52), 0);
	assert_int_equal(pending(), BIT(1));
	set_control(PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(who_got(0x52), BIT(2));
	assert_int_equal(pending(), 0);
}

/* 'While enabled for MSI-X, a function is prohibited from using its INTx# pin'. */
static void test_msix_silences_intx(void **state)
{
	const struct wire *wire = &pci_rig.wire[SLOT % PCI_LINES];

	(void)state;
	pci_set_intx(&f, true);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	assert_false(wire->level);
	set_control(0);
	assert_true(wire->level);
}

/* KVM_FEATURE_MSI_EXT_DEST_ID: address bits 11-5 are destination bits 14-8, when it is offered. */
static void test_msix_extended_destination(void **state)
{
	(void)state;
	set_control(PCI_MSIX_FLAGS_ENABLE);
	set_entry(0, 0xfee03000 | 1 << 5, 0x53, 0);
	pci_msix_raise(&f, 0);
	assert_int_equal(who_got(0x53), 0);
	rig.bus.is_ext_dest_id_off = true;
	pci_msix_raise(&f, 0);
	assert_int_equal(who_got(0x53), BIT(3));
}

static void test_msix_hostile_table(void **state)
{
	(void)state;
	set_control(PCI_MSIX_FLAGS_ENABLE);
	/* No local APIC there: a note, no message, and no memory written. */
	set_entry(0, 0x1000, 0x54, 0);
	pci_msix_raise(&f, 0);
	assert_int_equal(rig.fake.notes, 1);
	set_entry(0, 0xffffffffffffffff, 0xffffffff, 0);
	pci_msix_raise(&f, 0);
	assert_int_equal(rig.fake.notes, 2);
	/* 'Software must use only full aligned DWORD or QWORD accesses': others do nothing. */
	set_entry(0, 0xfee01000, 0x55, 0);
	mem_out(entry_at(0) + 8, 1, 0x99);
	mem_out(entry_at(0) + 10, 4, 0x99);
	mem_out(entry_at(0) + 12, 2, 1);
	pci_msix_raise(&f, 0);
	assert_int_equal(who_got(0x55), BIT(1));
	assert_int_equal(mem_in(entry_at(0), 4), 0xfee01000);
	assert_int_equal(mem_in(entry_at(0) + 8, 1), 0x55);
	/* Beyond the table, and the read-only pending bits. */
	mem_out(entry_at(VECTORS), 8, UINT64_MAX);
	assert_int_equal(mem_in(entry_at(VECTORS), 8), 0);
	mem_out(bar_of(MSIX_BAR) + 2048, 8, UINT64_MAX);
	assert_int_equal(pending(), 0);
	for (uint32_t at = 0; at <= 4096 - 8; at++)
		for (unsigned size = 1; size <= 8; size *= 2)
			(void)mem_in(bar_of(MSIX_BAR) + at, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_identity, setup),
		cmocka_unit_test_setup(test_absent_functions_read_all_ones, setup),
		cmocka_unit_test_setup(test_address_port_is_shared, setup),
		cmocka_unit_test_setup(test_hooks, setup),
		cmocka_unit_test_setup(test_capability_list, setup),
		cmocka_unit_test_setup(test_bars_are_assigned_and_decoded, setup),
		cmocka_unit_test_setup(test_sizing, setup),
		cmocka_unit_test_setup(test_bars_move, setup),
		cmocka_unit_test_setup(test_overlapping_bars, setup),
		cmocka_unit_test_setup(test_bars_on_other_devices, setup),
		cmocka_unit_test_setup(test_the_window_ends, setup),
		cmocka_unit_test_setup(test_intx, setup),
		cmocka_unit_test_setup(test_a_line_is_shared, setup),
		cmocka_unit_test_setup(test_msix_messages, setup),
		cmocka_unit_test_setup(test_msix_masks, setup),
		cmocka_unit_test_setup(test_msix_pending_while_off, setup),
		cmocka_unit_test_setup(test_msix_silences_intx, setup),
		cmocka_unit_test_setup(test_msix_extended_destination, setup),
		cmocka_unit_test_setup(test_msix_hostile_table, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
