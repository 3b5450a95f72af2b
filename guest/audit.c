/* The audit of memory: no page is in two VMs, none of the hypervisor's is in one, and every VM's
 * second-level tables map its own. Panics with names and values when it is not so. */
#include "cpu/panic.h"
#include "guest/vcpu_arch.h"
#include "guest/vm.h"
#include "mm/hostmap.h"

static bool overlaps(const struct gmem_chunk *chunk, hpa_t host, uint64_t len)
{
	return chunk->host.v < host.v + len && host.v < chunk->host.v + chunk->len;
}

void vm_audit_memory(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->gmem.count; i++) {
		const struct gmem_chunk *a = &vm->gmem.chunk[i];

		for (uint32_t id = 0; id < vm_count(); id++) {
			const struct vm *other = vm_get(id);

			for (uint32_t k = 0; k < other->gmem.count; k++) {
				const struct gmem_chunk *b = &other->gmem.chunk[k];

				if (a != b && overlaps(a, b->host, b->len))
					panic("host memory 0x%lx is in VM '%s' and in VM '%s'",
					      a->host.v, vm->name, other->name);
			}
		}
	}
}

void vm_audit_host(hpa_t host, uint64_t len, const char *what)
{
	for (uint32_t id = 0; id < vm_count(); id++) {
		const struct vm *vm = vm_get(id);

		for (uint32_t i = 0; i < vm->gmem.count; i++)
			if (overlaps(&vm->gmem.chunk[i], host, len))
				panic("host memory 0x%lx, %s, is in VM '%s'", host.v, what,
				      vm->name);
	}
}

void vm_audit(struct vm *vm)
{
	vm_audit_memory(vm);
	vm_audit_host(ptr_to_hpa(vm), sizeof(*vm), "a VM's");
	/* One that could not be made has none. */
	if (vm->arch)
		vm_arch_audit(vm);
}
