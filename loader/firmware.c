/* What a VM finds in fw_cfg: its command line, its memory map, and the files that it was given. */
#include "loader/firmware.h"
#include "lib/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "loader/image.h"

static const char *why(int error)
{
	switch (error) {
	case -EINVAL:
		return "its name is too long, or there already; a name has at most 55 characters";
	case -EFBIG:
		return "it has 4 GiB or more; give a smaller file";
	default:
		return "there are too many; leave one out";
	}
}

int firmware_describe(const struct vm_config *config, const struct guest_shape *shape,
		      struct fw_cfg *fw, char *error, size_t error_size)
{
	struct memory_map_row row[MEMORY_MAP_MAX];
	uint32_t rows = memory_map(shape, row);
	int err = 0;

	fw_cfg_set_cmdline(fw, config->append ? config->append : "");
	for (uint32_t i = 0; i < rows && !err; i++)
		err = fw_cfg_add_e820(fw, row[i].base, row[i].len, row[i].type);
	for (uint32_t i = 0; i < config->file_count; i++) {
		const struct vm_module *file = &config->file[i];

		err = fw_cfg_add_file(fw, file->string, strlen(file->string), file->module->data,
				      file->module->size);
		if (err) {
			fmt_snprintf(error, error_size, "vm '%s': file '%.64s' for fw_cfg: %s",
				     config->name, file->string, why(err));
			return err;
		}
	}
	return err;
}
