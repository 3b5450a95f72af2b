/* Who shares pCPUs with whom, by pin=. */
#include "loader/config.h"

/* The pCPUs that a VM's vCPUs may run on. */
static uint64_t pcpus_of(const struct vm_config *vm)
{
	uint64_t set = 0;

	if (!vm->pin_count)
		return UINT64_MAX;
	for (uint32_t i = 0; i < MIN(vm->vcpus, vm->pin_count); i++)
		set |= BIT_ULL(vm->pin[i] % 64);
	return set;
}

bool config_is_alone(const struct config *config, uint32_t index)
{
	const struct vm_config *vm = &config->vm[index];
	uint64_t own = pcpus_of(vm);

	/* Each vCPU has a pCPU of its own, and no other VM may run on one of them. */
	if (!vm->pin_count || (uint32_t)__builtin_popcountll(own) != vm->vcpus)
		return false;
	for (uint32_t i = 0; i < config->vm_count; i++)
		if (i != index && !config->vm[i].error[0] && (pcpus_of(&config->vm[i]) & own))
			return false;
	return true;
}
