/* ACPI's fixed hardware ('ACPI Specification', 'ACPI Hardware Specification'): PM1a event and
 * control blocks, the power management timer, the SCI. ACPI-only hardware: SCI_EN is always set,
 * and the FADT's SMI_CMD is 0. The timer has 32 bits (FADT flag TMR_VAL_EXT). */
#ifndef DEVICES_ACPI_PM_H
#define DEVICES_ACPI_PM_H

#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/platform.h"

#define ACPI_PM_TIMER_HZ 3579545

/* Offsets from the base; FADT's PM1a_EVT_BLK, PM1a_CNT_BLK, PM_TMR_BLK. */
#define ACPI_PM_EVENT   0 /* 4 bytes: status, enable */
#define ACPI_PM_CONTROL 4 /* 2 bytes */
#define ACPI_PM_TIMER   8 /* 4 bytes */
#define ACPI_PM_SIZE    12

/* SLP_TYP for the DSDT's \_S5. */
#define ACPI_PM_S5_SLEEP_TYPE 5

struct acpi_pm {
	struct platform *platform; /* (i) */
	struct irq_line sci;       /* (i) level-triggered */
	bool sci_level;
	uint16_t status, enable, control;
	uint64_t seen_half; /* the timer's half periods up to which TMR_STS was computed */
	struct platform_timer timer;
};

void acpi_pm_init(struct acpi_pm *pm, struct platform *platform, struct irq_line sci);

/* ACPI_PM_SIZE ports at `base`. As bus_add. */
int __must_check acpi_pm_attach(struct acpi_pm *pm, struct bus *ports, uint16_t base);

/* Accesses of 1, 2 or 4 bytes inside the block. */
uint64_t acpi_pm_read(struct acpi_pm *pm, uint64_t offset, unsigned size);
void acpi_pm_write(struct acpi_pm *pm, uint64_t offset, unsigned size, uint64_t value);

/* A person presses the power button: the guest's operating system is asked to shut down. */
void acpi_pm_power_button(struct acpi_pm *pm);

#endif
