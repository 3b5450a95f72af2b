/* QEMU's firmware configuration device, as its specification 'QEMU Firmware Configuration (fw_cfg)
 * Device' has it: selector and data port, and the DMA interface. What it hands out is the VM's real
 * shape, and files by name. Nothing in it can be written. */
#ifndef DEVICES_FW_CFG_H
#define DEVICES_FW_CFG_H

#include <linux/qemu_fw_cfg.h>

#include "devices/bus.h"
#include "devices/platform.h"

#define FW_CFG_PORT      0x510
#define FW_CFG_DMA_PORT  0x514
#define FW_CFG_FILES_MAX 20
#define FW_CFG_ITEMS_MAX (FW_CFG_FILES_MAX + 16)
#define FW_CFG_E820_MAX  8

struct fw_cfg_item {
	uint16_t key;
	uint32_t len;
	const void *data;
};

struct fw_cfg_e820 {
	uint64_t base, len;
	uint32_t type;
} __packed;

struct fw_cfg {
	struct platform *platform;                 /* (i) */
	struct fw_cfg_item item[FW_CFG_ITEMS_MAX]; /* (i) with what they point to */
	uint32_t item_count;                       /* (i) */

	/* (i) contents of items, as the guest reads them */
	uint32_t id, cmdline_size;
	uint64_t ram_size;
	uint16_t vcpus, is_nographic;
	struct {
		uint32_t count; /* big-endian */
		struct fw_cfg_file file[FW_CFG_FILES_MAX];
	} directory;
	uint32_t file_count;
	struct fw_cfg_e820 e820[FW_CFG_E820_MAX];

	const struct fw_cfg_item *selected; /* NULL: no such item */
	uint32_t offset;                    /* of the next byte in it */

	uint32_t dma_high;       /* the address's upper half, until the lower starts it */
	uint64_t dma_descriptor; /* of the transfer that goes on; dma_left says if one does */
	uint64_t dma_to;
	uint32_t dma_left;
	struct platform_timer timer; /* the rest of a long transfer */
};

/* Signature, ID, RAM size, CPU counts, an empty file directory. */
void fw_cfg_init(struct fw_cfg *fw, struct platform *platform, uint64_t ram_size, uint16_t vcpus);

/* While the VM is built. What is given is kept by reference. */
void fw_cfg_set_cmdline(struct fw_cfg *fw, const char *cmdline);
/* -EINVAL for a name that is empty, too long or there already; -EFBIG for more than 4 GiB; -ENOSPC.
 */
int __must_check fw_cfg_add_file(struct fw_cfg *fw, const char *name, size_t name_len,
				 const void *data, uint64_t len);
/* One row more of etc/e820, whose file comes with the first. -ENOSPC. */
int __must_check fw_cfg_add_e820(struct fw_cfg *fw, uint64_t base, uint64_t len, uint32_t type);

/* Ports 0x510, 0x511 and 0x514-0x51b. As bus_add. */
int __must_check fw_cfg_attach(struct fw_cfg *fw, struct bus *ports);

#endif
