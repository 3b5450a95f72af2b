/* What a VM finds in QEMU's firmware configuration device. Pure. */
#ifndef LOADER_FIRMWARE_H
#define LOADER_FIRMWARE_H

#include "devices/fw_cfg.h"
#include "loader/load.h"

/* Puts the command line, etc/e820 and the VM's files in. All of it is kept by reference. 0; or a
 * negative errno and in `error` a message that names the file. */
int __must_check firmware_describe(const struct vm_config *config, const struct guest_shape *shape,
				   struct fw_cfg *fw, char *error, size_t error_size);

#endif
