/* The hypervisor's command line and the modules', a line each: whatever is wrong is named in
 * printable words, and a VM without an error has what it needs. */
#include "fuzz.h"
#include "loader/config.h"

#define PCPUS       4u
#define MODULES_MAX 12u

static struct config config;
static struct boot_module modules[MODULES_MAX];

static void check_vm(const struct vm_config *vm)
{
	require_printable(vm->error, sizeof(vm->error));
	require_printable(vm->name, sizeof(vm->name));
	REQUIRE(vm->name[0]);
	if (vm->error[0])
		return;
	REQUIRE(vm->kernel >= modules && vm->kernel < modules + MODULES_MAX);
	REQUIRE(vm->mem && vm->mem % 4096 == 0);
	REQUIRE(vm->vcpus >= 1 && vm->vcpus <= MAX_VM_VCPUS);
	REQUIRE(vm->topology.sockets * vm->topology.cores * vm->topology.threads == vm->vcpus);
	REQUIRE(vm->pin_count <= MAX_VM_VCPUS && vm->cap >= 1 && vm->cap <= 100 && vm->weight);
	for (uint32_t i = 0; i < vm->pin_count; i++)
		REQUIRE(vm->pin[i] < PCPUS);
	REQUIRE(vm->module_count <= CONFIG_MODULES_MAX && vm->disk_count <= CONFIG_DISKS_MAX);
	REQUIRE(vm->file_count <= CONFIG_FILES_MAX && vm->nic_count <= CONFIG_NICS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	char *line[MODULES_MAX + 1];
	uint32_t lines = 0;

	do {
		const uint8_t *end = in.left ? memchr(in.at, '\n', in.left) : NULL;
		size_t len = end ? (size_t)(end - in.at) : in.left;

		line[lines] = malloc(len + 1);
		take_bytes(&in, line[lines], len);
		line[lines++][len] = '\0';
		(void)take8(&in); /* the newline */
	} while (in.left && lines <= MODULES_MAX);
	for (uint32_t i = 1; i < lines; i++)
		modules[i - 1] = (struct boot_module){.cmdline = line[i], .size = 512};
	config_parse(&config, line[0], modules, lines - 1, PCPUS);
	REQUIRE(config.vm_count <= CONFIG_VMS_MAX && config.error_count <= CONFIG_ERRORS_MAX);
	for (uint32_t i = 0; i < config.error_count; i++)
		require_printable(config.error[i], sizeof(config.error[i]));
	for (uint32_t i = 0; i < config.vm_count; i++) {
		check_vm(&config.vm[i]);
		(void)config_is_alone(&config, i);
		for (uint32_t k = 0; k < i; k++)
			REQUIRE(strcmp(config.vm[i].name, config.vm[k].name));
	}
	for (uint32_t i = 0; i < lines; i++)
		free(line[i]);
	return 0;
}
