/* ACPI's fixed hardware: PM1a and the power management timer. */
#include "devices/acpi_pm.h"
#include "lib/string.h"

enum {
	TMR_STS = 0x0001,
	PWRBTN_STS = 0x0100,
	/* Enable bits that exist: TMR, GBL, PWRBTN, SLPBTN, RTC. */
	ENABLE_BITS = 0x0721,

	SCI_EN = 0x0001,
	BM_RLD = 0x0002,
	SLP_TYP = 0x1c00,
	SLP_TYP_SHIFT = 10,
	SLP_EN = 0x2000,
};

/* What QEMU's machines have for S5. Small kernels write it to port 0x604 without reading the DSDT,
 * and ours gives 0 no other meaning. */
#define QEMU_S5_SLEEP_TYPE 0

static uint64_t pm_ticks(const struct acpi_pm *pm, uint64_t now)
{
	return mul_div_u64(now, ACPI_PM_TIMER_HZ, pm->platform->tsc.hz);
}

/* 'TMR_STS is set any time the most significant bit of the counter changes.' */
static void pm_sync(struct acpi_pm *pm, uint64_t now)
{
	uint64_t half = pm_ticks(pm, now) >> 31;

	if (half != pm->seen_half)
		pm->status |= TMR_STS;
	pm->seen_half = half;
}

static void pm_update(struct acpi_pm *pm)
{
	bool level = pm->status & pm->enable;

	if (level != pm->sci_level) {
		pm->sci_level = level;
		irq_line_set(&pm->sci, level);
	}
	if ((pm->enable & TMR_STS) && !(pm->status & TMR_STS))
		platform_timer_arm(pm->platform, &pm->timer,
				   mul_div_u64((pm->seen_half + 1) << 31, pm->platform->tsc.hz,
					       ACPI_PM_TIMER_HZ) +
					   1);
	else if (pm->timer.is_armed)
		platform_timer_cancel(pm->platform, &pm->timer);
}

static void pm_expire(void *owner, uint64_t now)
{
	struct acpi_pm *pm = owner;

	pm_sync(pm, now);
	pm_update(pm);
}

static void pm_sleep(struct acpi_pm *pm)
{
	const struct platform_ops *ops = pm->platform->ops;
	unsigned type = (pm->control & SLP_TYP) >> SLP_TYP_SHIFT;

	if (type == ACPI_PM_S5_SLEEP_TYPE || type == QEMU_S5_SLEEP_TYPE)
		ops->end(pm->platform->ctx, VM_END_POWEROFF, 0);
	else
		ops->note(pm->platform->ctx, "ACPI sleep type %u is not offered: ignored", type);
}

static uint8_t pm_read_byte(const struct acpi_pm *pm, uint64_t offset, uint32_t ticks)
{
	switch (offset) {
	case 0 ... 1:
		return (uint8_t)(pm->status >> (8 * offset));
	case 2 ... 3:
		return (uint8_t)(pm->enable >> (8 * (offset - 2)));
	case 4 ... 5:
		return (uint8_t)(pm->control >> (8 * (offset - 4)));
	case 8 ... 11:
		return (uint8_t)(ticks >> (8 * (offset - 8)));
	default:
		return 0;
	}
}

uint64_t acpi_pm_read(struct acpi_pm *pm, uint64_t offset, unsigned size)
{
	uint64_t now = platform_now(pm->platform), value = 0;
	uint32_t ticks = (uint32_t)pm_ticks(pm, now);

	if (offset == ACPI_PM_TIMER && size == 4)
		return ticks;
	pm_sync(pm, now);
	pm_update(pm);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)pm_read_byte(pm, offset + i, ticks) << (8 * i);
	return value;
}

/* Every field lies inside one byte. */
static void pm_write_byte(struct acpi_pm *pm, uint64_t offset, uint8_t byte)
{
	uint16_t mask = (uint16_t)(offset & 1 ? 0xff00 : 0x00ff);
	uint16_t value = (uint16_t)(offset & 1 ? byte << 8 : byte);

	switch (offset) {
	case 0 ... 1: /* 'software can only clear this bit by writing a one to its position' */
		pm->status &= (uint16_t)~value;
		break;
	case 2 ... 3:
		pm->enable = (uint16_t)((pm->enable & ~mask) | (value & ENABLE_BITS));
		break;
	case 4 ... 5: /* GBL_RLS has no firmware that would listen; SLP_EN reads as 0 */
		pm->control =
			(uint16_t)((pm->control & ~mask) | (value & (BM_RLD | SLP_TYP)) | SCI_EN);
		if (value & SLP_EN)
			pm_sleep(pm);
		break;
	default: /* the timer is read-only */
		break;
	}
}

void acpi_pm_write(struct acpi_pm *pm, uint64_t offset, unsigned size, uint64_t value)
{
	pm_sync(pm, platform_now(pm->platform));
	for (unsigned i = 0; i < size; i++)
		pm_write_byte(pm, offset + i, (uint8_t)(value >> (8 * i)));
	pm_update(pm);
}

void acpi_pm_power_button(struct acpi_pm *pm)
{
	pm->status |= PWRBTN_STS;
	pm_update(pm);
}

void acpi_pm_init(struct acpi_pm *pm, struct platform *platform, struct irq_line sci)
{
	memset(pm, 0, sizeof(*pm));
	pm->platform = platform;
	pm->sci = sci;
	pm->control = SCI_EN;
	pm->seen_half = pm_ticks(pm, platform_now(platform)) >> 31;
	platform_timer_init(&pm->timer, TIMER_VM_WIDE, pm, pm_expire);
}

static uint64_t pm_bus_read(void *dev, uint64_t offset, unsigned size)
{
	return acpi_pm_read(dev, offset, size);
}

static void pm_bus_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	acpi_pm_write(dev, offset, size, value);
}

int acpi_pm_attach(struct acpi_pm *pm, struct bus *ports, uint16_t base)
{
	const struct bus_region region = {
		.base = base,
		.len = ACPI_PM_SIZE,
		.dev = pm,
		.read = pm_bus_read,
		.write = pm_bus_write,
		.name = "ACPI PM",
	};

	return bus_add(ports, &region);
}
