/* Ports and MMIO: from a vCPU to the models. */
#include "guest/io.h"

#include "guest/kvm.h"
#include "guest/vm.h"

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static uint64_t read_bus(struct vm *vm, struct bus *bus, uint64_t addr, unsigned size)
{
	uint64_t value = bus_unclaimed(size);
	bool is_claimed;

	spin_lock(&vm->lock);
	is_claimed = bus_read(bus, addr, size, &value);
	spin_unlock(&vm->lock);
	if (!is_claimed)
		count(&vm->unclaimed_reads);
	return value;
}

static void write_bus(struct vm *vm, struct bus *bus, uint64_t addr, unsigned size, uint64_t value)
{
	bool is_claimed;

	spin_lock(&vm->lock);
	is_claimed = bus_write(bus, addr, size, value);
	spin_unlock(&vm->lock);
	if (!is_claimed)
		count(&vm->unclaimed_writes);
}

uint64_t io_read(struct vcpu *vcpu, uint16_t port, unsigned size)
{
	return read_bus(vcpu->vm, &vcpu->vm->dev.ports, port, size);
}

void io_write(struct vcpu *vcpu, uint16_t port, unsigned size, uint64_t value)
{
	write_bus(vcpu->vm, &vcpu->vm->dev.ports, port, size, value);
}

/* Is it in the page of this vCPU's own local APIC, in xAPIC mode? */
static bool is_lapic_page(const struct vcpu *vcpu, gpa_t gpa)
{
	uint64_t base = vcpu->lapic.base;

	return (gpa.v & ~0xfffull) == (base & ~0xfffull) && (base & LAPIC_BASE_ENABLE) &&
	       !(base & LAPIC_BASE_EXTD);
}

uint64_t mmio_read(struct vcpu *vcpu, gpa_t gpa, unsigned size)
{
	if (is_lapic_page(vcpu, gpa)) {
		uint32_t offset = gpa.v & 0xfff;
		uint64_t value;

		kvm_sync_pv_eoi(vcpu);
		value = lapic_mmio_read(&vcpu->lapic, offset & ~3u);

		/* Software should access 32 bits at a time; narrower reads get their part. */
		return value >> (8 * (offset & 3)) & bus_unclaimed(size);
	}
	return read_bus(vcpu->vm, &vcpu->vm->dev.mmio, gpa.v, size);
}

void mmio_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value)
{
	if (is_lapic_page(vcpu, gpa)) {
		kvm_sync_pv_eoi(vcpu);
		if (size == 4 && !(gpa.v & 3))
			lapic_mmio_write(&vcpu->lapic, gpa.v & 0xfff, (uint32_t)value);
		return;
	}
	write_bus(vcpu->vm, &vcpu->vm->dev.mmio, gpa.v, size, value);
}
