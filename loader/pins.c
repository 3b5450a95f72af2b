/* Who shares pCPUs with whom, by pin=. */
#include "loader/config.h"

#include "lib/cpumask.h"

/* The pCPUs that a VM's vCPUs may run on. */
static struct cpumask pcpus_of(const struct vm_config *vm)
{
	struct cpumask set = {0};

	if (!vm->pin_count)
		return CPUMASK_ALL;
	for (uint32_t i = 0; i < MIN(vm->vcpus, vm->pin_count); i++)
		cpumask_set(&set, vm->pin[i] % MAX_PCPUS);
	return set;
}

bool config_is_alone(const struct config *config, uint32_t index)
{
	const struct vm_config *vm = &config->vm[index];
	struct cpumask own = pcpus_of(vm);

	/* Each vCPU has a pCPU of its own, and no other VM may run on one of them. */
	if (!vm->pin_count || cpumask_count(&own) != vm->vcpus)
		return false;
	for (uint32_t i = 0; i < config->vm_count; i++) {
		struct cpumask other = pcpus_of(&config->vm[i]);

		if (i != index && !config->vm[i].error[0] && cpumask_intersects(&other, &own))
			return false;
	}
	return true;
}
