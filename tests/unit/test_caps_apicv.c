/* The local APIC's virtualisation is used whole or not at all ('VM-Execution Control Fields'). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/errno.h"
#include "lib/types.h"
#include "vmx/caps.h"
#include "vmx/vmcs.h"

/* The allowed-1 halves, to begin with those of corei7_skylake_x in Bochs. */
static uint32_t primary, secondary, primary_fixed;

static uint64_t fake_rdmsr(uint32_t msr)
{
	switch (msr) {
	case 0x480:
		return 0x00d810000000002b;
	case 0x482:
	case 0x48e:
		return (uint64_t)primary << 32 | 0x04006172 | primary_fixed;
	case 0x48b:
		return (uint64_t)secondary << 32;
	case 0x48c:
		return 0x00000f0106334141;
	case 0x481:
	case 0x48d:
		return 0x0000007f00000016;
	case 0x483:
	case 0x48f:
		return 0x007fffff00036dfb;
	case 0x484:
	case 0x490:
		return 0x0000ffff000011fb;
	default:
		return 0;
	}
}

static int setup(void **state)
{
	(void)state;
	primary = 0xf7f9fffe;
	primary_fixed = 0;
	secondary = 0x02177fff;
	return 0;
}

static struct vmx_caps read_caps(void)
{
	struct vmx_caps caps;
	char error[VMX_ERROR_MAX];

	assert_int_equal(vmx_caps_read(&caps, fake_rdmsr, error, sizeof(error)), 0);
	return caps;
}

static void test_all_there(void **state)
{
	const uint32_t cr8 = PRIMARY_CR8_LOAD_EXITING | PRIMARY_CR8_STORE_EXITING;
	struct vmx_caps caps = read_caps();

	(void)state;
	assert_true(caps.has_apicv);
	/* Until they are wanted the words are those of the software path. */
	assert_int_equal(caps.primary & (cr8 | PRIMARY_USE_TPR_SHADOW), cr8);
	assert_int_equal(caps.secondary & (SECONDARY_APIC_REGISTER_VIRTUALIZATION |
					   SECONDARY_VIRTUAL_INTERRUPT_DELIVERY),
			 0);
	vmx_caps_add_apicv(&caps);
	assert_int_equal(caps.primary & (cr8 | PRIMARY_USE_TPR_SHADOW), PRIMARY_USE_TPR_SHADOW);
	assert_true(caps.secondary & SECONDARY_APIC_REGISTER_VIRTUALIZATION);
	assert_true(caps.secondary & SECONDARY_VIRTUAL_INTERRUPT_DELIVERY);
	/* Those that follow the APIC's mode are set later. */
	assert_false(caps.secondary &
		     (SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC_MODE));
}

static void test_one_is_missing(void **state)
{
	static const uint32_t needed[] = {
		SECONDARY_VIRTUALIZE_APIC_ACCESSES,
		SECONDARY_VIRTUALIZE_X2APIC_MODE,
		SECONDARY_APIC_REGISTER_VIRTUALIZATION,
		SECONDARY_VIRTUAL_INTERRUPT_DELIVERY,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
		secondary = 0x02177fff & ~needed[i];
		assert_false(read_caps().has_apicv);
	}
	secondary = 0x02177fff;
	primary &= ~PRIMARY_USE_TPR_SHADOW;
	assert_false(read_caps().has_apicv);
}

/* 'Use TPR shadow' is of no use where MOV to CR8 must exit. */
static void test_cr8_exits_fixed(void **state)
{
	(void)state;
	primary_fixed = PRIMARY_CR8_LOAD_EXITING;
	assert_false(read_caps().has_apicv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_there, setup),
		cmocka_unit_test_setup(test_one_is_missing, setup),
		cmocka_unit_test_setup(test_cr8_exits_fixed, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
