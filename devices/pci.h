/* PCI: configuration mechanism 1 (ports 0xcf8 and 0xcfc), and functions with type-0 headers, memory
 * BARs, capabilities, an INTx pin and MSI-X, as the 'PCI Local Bus Specification', revision 3.0,
 * has them. One bus; one function a device. Called with the VM's lock held. */
#ifndef DEVICES_PCI_H
#define DEVICES_PCI_H

#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/lapic.h"

#define PCI_SLOTS       32u
#define PCI_CONFIG_SIZE 256u
#define PCI_BARS        6u
#define PCI_LINES       2u
#define PCI_VECTORS_MAX 4u /* of one function's MSI-X */
#define PCI_DATA_PORT   0xcfcu
#define PCI_NO_VECTOR   0xffffu

/* Where BARs are put when the VM is made; loader/acpi_pci.c tells the guest so. */
#define PCI_WINDOW_BASE 0xe0000000u
#define PCI_WINDOW_SIZE 0x10000000u

struct pci_bus;
struct pci_function;

/* A memory BAR of 32 bits. `len` is a power of two from 4096 on, or 0: there is none. */
struct pci_bar {
	uint32_t len;
	void *dev;
	uint64_t (*read)(void *dev, uint64_t offset, unsigned size);
	void (*write)(void *dev, uint64_t offset, unsigned size, uint64_t value);
	bool is_mapped; /* on the bus, at mapped_at */
	uint32_t mapped_at;
};

struct pci_msix_entry {
	uint64_t address;
	uint32_t data, control;
};

struct pci_msix {
	uint8_t cap; /* (i) where the capability stands, 0: there is none */
	uint16_t count;
	uint64_t pending; /* the pending bit array */
	struct pci_msix_entry entry[PCI_VECTORS_MAX];
};

/* What a model has to say about its configuration space, beyond what stands there. Both may be
 * NULL. */
struct pci_hooks {
	/* The register at `at` is about to be read. */
	void (*before_read)(struct pci_function *f, unsigned at, unsigned size);
	/* The guest has written there: what it may write of it has changed already. */
	void (*after_write)(struct pci_function *f, unsigned at, unsigned size);
};

struct pci_function {
	struct pci_bus *bus; /* (i) */
	uint32_t slot;       /* (i) */
	const char *name;    /* (i) */
	const struct pci_hooks *hooks;
	void *owner; /* (i) the model, for the hooks */
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE]; /* (i) the bits that the guest may write */
	uint8_t last_cap, cap_end;         /* (i) the capabilities list and what it takes */
	struct pci_bar bar[PCI_BARS];      /* (i) but for where it is mapped */
	bool is_asserted;                  /* the model drives INTx, gated or not */
	struct pci_msix msix;
};

struct pci_bus {
	struct platform *platform; /* (i) */
	struct bus *mmio;          /* (i) where BARs appear */
	struct apic_bus *apics;    /* (i) where messages go */
	struct irq_line line[PCI_LINES];
	uint8_t irq[PCI_LINES];       /* (i) each line's number, for the Interrupt Line registers */
	uint32_t asserted[PCI_LINES]; /* by slot: who drives the line */
	uint32_t address;             /* CONFIG_ADDRESS */
	uint32_t window_used;         /* (i) bytes of the window that BARs have taken */
	struct pci_function bridge;   /* 00:00.0 */
	struct pci_function *function[PCI_SLOTS];
};

struct pci_id {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* class, subclass, interface: 24 bits */
	uint8_t revision;
	bool has_intx; /* pin INTA# */
};

/* An empty bus with its host bridge. `line` and `irq`: the wires of slots by `slot % PCI_LINES`. */
void pci_init(struct pci_bus *bus, struct platform *platform, struct bus *mmio,
	      struct apic_bus *apics);
void pci_set_line(struct pci_bus *bus, uint32_t number, struct irq_line line, uint8_t irq);

/* CONFIG_DATA at 0xcfc. CONFIG_ADDRESS shares its port with the reset control register: sysctl.h.
 * As bus_add. */
int __must_check pci_attach(struct pci_bus *bus, struct bus *ports);

uint32_t pci_read_address(const struct pci_bus *bus);
void pci_write_address(struct pci_bus *bus, uint32_t value);

/* The line that a slot's INTA# is on. */
static inline uint32_t pci_line_of(uint32_t slot)
{
	return slot % PCI_LINES;
}

/* Makes a function of cleared memory: identity, command, pin. Then its BARs and capabilities, then
 * pci_add. */
void pci_function_init(struct pci_function *f, const char *name, const struct pci_id *id);
void pci_set_bar(struct pci_function *f, unsigned number, const struct pci_bar *bar);

/* Adds a capability of `len` bytes behind those that are there: where it stands. */
unsigned pci_add_capability(struct pci_function *f, uint8_t id, const void *body, unsigned len);

/* Adds MSI-X with `count` vectors in BAR `bar`, which becomes 4096 bytes for it. */
void pci_add_msix(struct pci_function *f, unsigned bar, unsigned count);

/* Puts it at its slot, gives its BARs addresses, and switches memory decode on, as firmware would.
 * -EEXIST, -ENOSPC. */
int __must_check pci_add(struct pci_bus *bus, struct pci_function *f, uint32_t slot);

/* The model drives its INTx pin. */
void pci_set_intx(struct pci_function *f, bool level);

/* Has the guest enabled MSI-X? Then INTx is silent. */
bool pci_is_msix_enabled(const struct pci_function *f);

/* An interrupt by this vector; masked ones wait in the pending bits. PCI_NO_VECTOR, and one that
 * does not exist: nothing. */
void pci_msix_raise(struct pci_function *f, unsigned vector);

/* Can a function of the bus still send a message that ends any halt (lapic_mode_ends_any_halt)? A
 * vector that nothing raises counts, too. VM's lock held. */
bool pci_can_end_any_halt(const struct pci_bus *bus);

/* For pci.c: the guest has written the capability's control word; the BAR of table and pending
 * bits. */
void pci_msix_control_changed(struct pci_function *f);
/* For pci_msix.c: the INTx wire follows what gates it. */
void pci_update_intx(struct pci_function *f);

/* An access to a BAR's memory by the function itself (virtio's configuration access capability):
 * false where there is none. */
bool pci_bar_read(struct pci_function *f, unsigned bar, uint32_t offset, unsigned size,
		  uint64_t *value);
bool pci_bar_write(struct pci_function *f, unsigned bar, uint32_t offset, unsigned size,
		   uint64_t value);

/* Little-endian fields of the configuration space, for the models. */
uint32_t pci_get(const struct pci_function *f, unsigned at, unsigned size);
void pci_put(struct pci_function *f, unsigned at, unsigned size, uint32_t value);

#endif
