/* Puts a guest's image into its memory and says how its first vCPU starts. Pure. */
#ifndef LOADER_LOAD_H
#define LOADER_LOAD_H

#include "guest/gmem.h"
#include "guest/topology.h"
#include "loader/config.h"

/* The state of vCPU 0 at its first instruction. What is not here is as after a reset; IF is 0. */
struct guest_entry {
	/* 16: real mode, cs:ip = rip>>4:0, the other segments 0; 32: flat, paging off; 64: long
	 * mode, paging on. */
	uint8_t mode;
	uint64_t rip, rsp;
	uint64_t rax, rbx, rsi, rdi;
	uint64_t cr3;      /* mode 64: tables that the loader built in guest memory */
	uint64_t gdt_base; /* modes 32, 64: a flat GDT in guest memory */
	uint16_t gdt_limit;
	uint16_t cs, ds;    /* its selectors; DS is for ES and SS too. Mode 16: rip>>4 and 0 */
	const char *format; /* what the image was taken for: 'bzImage', 'PVH', ... */
	bool is_moved;      /* it lies elsewhere than its file says */
};

/* What the ACPI tables and the memory map describe. */
struct guest_shape {
	uint32_t vcpus;
	struct topology topology;
	uint64_t tsc_hz;
	/* [0, low_end) with the hole at 0xa0000-0xfffff reserved but for RAM there; and above 4 GiB
	 * [4 GiB, high_end), high_end 0 when there is none. */
	uint64_t low_end, high_end;
	/* Random bytes for the guest's own generator, by a bzImage's setup_data. */
	bool has_seed;
	uint8_t seed[32];
	/* Where the image's large pieces are noted, to be copied later from the files, which stay;
	 * NULL: they are copied at once. */
	struct guest_fill *fill;
};

/* Loads config->kernel with its initrd, modules and command line. Builds the ACPI tables. 0; or a
 * negative errno and in `error` a message that names the file's defect and the remedy. */
int __must_check load_guest(const struct vm_config *config, const struct guest_shape *shape,
			    const struct gmem *gmem, struct guest_entry *entry, char *error,
			    size_t error_size);

/* Where in guest memory the fixed things are. */
#define GUEST_ACPI_BASE 0xe0000u /* RSDP first, the tables behind it, up to 0xfffff */
#define GUEST_ACPI_SIZE 0x20000u

/* The ACPI fixed hardware that the tables describe; devices/ answers there. */
#define GUEST_PM_BASE     0x600u /* PM1a event 0x600, control 0x604, PM timer 0x608 */
#define GUEST_SCI_IRQ     9
#define GUEST_IOAPIC_BASE 0xfec00000u
#define GUEST_LAPIC_BASE  0xfee00000u

#endif
