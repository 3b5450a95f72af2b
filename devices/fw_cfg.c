/* QEMU's firmware configuration device. */
#include "devices/fw_cfg.h"
#include "lib/checked.h"
#include "lib/errno.h"
#include "lib/string.h"

#define E820_FILE "etc/e820"

/* A guest may ask for 4 GiB at once. It is copied in pieces of so many bytes, as many as the time
 * for one go permits, and the rest so much later, with the VM's lock free in between. Guests wait
 * for the control word anyway. */
#define DMA_PIECE    4096u
#define DMA_PAUSE_NS 10000u

static const uint8_t zeros[DMA_PIECE];
static const char dma_signature[8] = {'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G'};

/* --- items --- */

static struct fw_cfg_item *find_item(struct fw_cfg *fw, uint16_t key)
{
	for (uint32_t i = 0; i < fw->item_count; i++)
		if (fw->item[i].key == key)
			return &fw->item[i];
	return NULL;
}

static void add_item(struct fw_cfg *fw, uint16_t key, const void *data, uint32_t len)
{
	fw->item[fw->item_count++] = (struct fw_cfg_item){key, len, data};
}

static bool has_file(const struct fw_cfg *fw, const char *name, size_t len)
{
	for (uint32_t i = 0; i < fw->file_count; i++) {
		const char *other = fw->directory.file[i].name;

		if (strlen(other) == len && !memcmp(other, name, len))
			return true;
	}
	return false;
}

int fw_cfg_add_file(struct fw_cfg *fw, const char *name, size_t name_len, const void *data,
		    uint64_t len)
{
	struct fw_cfg_file *file = &fw->directory.file[fw->file_count];
	uint16_t key = (uint16_t)(FW_CFG_FILE_FIRST + fw->file_count);

	if (!name_len || name_len >= FW_CFG_MAX_FILE_PATH || has_file(fw, name, name_len))
		return -EINVAL;
	if (len > UINT32_MAX)
		return -EFBIG;
	if (fw->file_count == FW_CFG_FILES_MAX)
		return -ENOSPC;
	file->size = __builtin_bswap32((uint32_t)len);
	file->select = __builtin_bswap16(key);
	memcpy(file->name, name, name_len);
	add_item(fw, key, data, (uint32_t)len);
	fw->file_count++;
	fw->directory.count = __builtin_bswap32(fw->file_count);
	find_item(fw, FW_CFG_FILE_DIR)->len =
		(uint32_t)(sizeof(uint32_t) + fw->file_count * sizeof(*file));
	return 0;
}

int fw_cfg_add_e820(struct fw_cfg *fw, uint64_t base, uint64_t len, uint32_t type)
{
	struct fw_cfg_item *item = NULL;
	uint32_t rows;

	for (uint32_t i = 0; i < fw->item_count; i++)
		if (fw->item[i].data == fw->e820)
			item = &fw->item[i];
	if (!item) {
		int error = fw_cfg_add_file(fw, E820_FILE, strlen(E820_FILE), fw->e820, 0);

		if (error)
			return error;
		item = &fw->item[fw->item_count - 1];
	}
	rows = (uint32_t)(item->len / sizeof(fw->e820[0]));
	if (rows == FW_CFG_E820_MAX)
		return -ENOSPC;
	fw->e820[rows] = (struct fw_cfg_e820){base, len, type};
	item->len += (uint32_t)sizeof(fw->e820[0]);
	fw->directory.file[item->key - FW_CFG_FILE_FIRST].size = __builtin_bswap32(item->len);
	return 0;
}

void fw_cfg_set_cmdline(struct fw_cfg *fw, const char *cmdline)
{
	fw->cmdline_size = (uint32_t)strlen(cmdline) + 1;
	add_item(fw, FW_CFG_CMDLINE_SIZE, &fw->cmdline_size, sizeof(fw->cmdline_size));
	add_item(fw, FW_CFG_CMDLINE_DATA, cmdline, fw->cmdline_size);
}

/* --- the ports --- */

static void select_item(struct fw_cfg *fw, uint16_t key)
{
	/* The write channel's bit: nothing here can be written. */
	fw->selected = find_item(fw, key & (uint16_t)~FW_CFG_WRITE_CHANNEL);
	fw->offset = 0;
}

/* 'Reading past the end of the item's data gives zeros.' */
static uint8_t read_data(struct fw_cfg *fw)
{
	if (!fw->selected || fw->offset >= fw->selected->len)
		return 0;
	return ((const uint8_t *)fw->selected->data)[fw->offset++];
}

static void finish_dma(struct fw_cfg *fw, uint32_t control)
{
	uint32_t value = __builtin_bswap32(control);

	fw->dma_left = 0;
	if (fw->platform->ops->gmem_write(fw->platform->ctx, GPA(fw->dma_descriptor), &value,
					  sizeof(value)))
		fw->platform->ops->note(fw->platform->ctx,
					"fw_cfg: DMA descriptor at 0x%llx is not in RAM",
					(unsigned long long)fw->dma_descriptor);
}

/* Copies the next piece; false when it does not go. */
static bool copy_piece(struct fw_cfg *fw)
{
	const struct fw_cfg_item *item = fw->selected;
	bool has_data = item && fw->offset < item->len;
	uint32_t len = MIN(fw->dma_left, DMA_PIECE);
	const void *from = zeros;

	len = has_data ? MIN(len, item->len - fw->offset) : len;
	if (has_data)
		from = (const uint8_t *)item->data + fw->offset;
	if (fw->platform->ops->gmem_write(fw->platform->ctx, GPA(fw->dma_to), from, len) ||
	    !checked_add(fw->dma_to, (uint64_t)len, &fw->dma_to))
		return false;
	fw->offset += has_data ? len : 0;
	fw->dma_left -= len;
	return true;
}

static void run_dma(struct fw_cfg *fw)
{
	uint64_t end = platform_work_end(fw->platform);

	while (fw->dma_left) {
		if (!copy_piece(fw)) {
			finish_dma(fw, FW_CFG_DMA_CTL_ERROR);
			return;
		}
		if (platform_is_work_over(fw->platform, end))
			break;
	}
	if (!fw->dma_left)
		finish_dma(fw, 0);
	else
		platform_timer_arm(fw->platform, &fw->timer,
				   platform_now(fw->platform) +
					   ns_to_tsc(&fw->platform->tsc, DMA_PAUSE_NS));
}

static void fw_cfg_expire(void *owner, uint64_t now)
{
	(void)now;
	run_dma(owner);
}

static void skip(struct fw_cfg *fw, uint32_t len)
{
	uint32_t left = fw->selected ? fw->selected->len - fw->offset : 0;

	fw->offset += MIN(len, left);
}

/* The lower half of the descriptor's address was written. A transfer that still goes on is given
 * up. */
static void start_dma(struct fw_cfg *fw, uint64_t descriptor)
{
	struct fw_cfg_dma_access access;
	uint32_t control;

	if (fw->dma_left) {
		platform_timer_cancel(fw->platform, &fw->timer);
		if (fw->dma_descriptor != descriptor)
			finish_dma(fw, FW_CFG_DMA_CTL_ERROR);
		fw->dma_left = 0;
	}
	fw->dma_high = 0;
	fw->dma_descriptor = descriptor;
	if (fw->platform->ops->gmem_read(fw->platform->ctx, GPA(descriptor), &access,
					 sizeof(access))) {
		finish_dma(fw, FW_CFG_DMA_CTL_ERROR);
		return;
	}
	control = __builtin_bswap32(access.control);
	fw->dma_to = __builtin_bswap64(access.address);
	if (control & FW_CFG_DMA_CTL_SELECT)
		select_item(fw, (uint16_t)(control >> 16));
	if (control & FW_CFG_DMA_CTL_READ) {
		fw->dma_left = __builtin_bswap32(access.length);
		run_dma(fw);
		return;
	}
	if (control & FW_CFG_DMA_CTL_WRITE) {
		finish_dma(fw, FW_CFG_DMA_CTL_ERROR);
		return;
	}
	if (control & FW_CFG_DMA_CTL_SKIP)
		skip(fw, __builtin_bswap32(access.length));
	finish_dma(fw, 0);
}

/* As in QEMU: a byte is read at either of the two ports, 16 bits are written at the first; nothing
 * else has a meaning. */
static uint64_t port_read(void *dev, uint64_t offset, unsigned size)
{
	(void)offset;
	return size == 1 ? read_data(dev) : 0;
}

static void port_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	if (offset == 0 && size == FW_CFG_CTL_SIZE)
		select_item(dev, (uint16_t)value);
}

static uint64_t dma_read(void *dev, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)dev;
	memcpy(&value, dma_signature + offset, size);
	return value;
}

static void dma_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
	struct fw_cfg *fw = dev;
	uint32_t half = __builtin_bswap32((uint32_t)value);

	if (size == 4 && offset == 0)
		fw->dma_high = half;
	else if (size == 4 && offset == 4)
		start_dma(fw, (uint64_t)fw->dma_high << 32 | half);
}

void fw_cfg_init(struct fw_cfg *fw, struct platform *platform, uint64_t ram_size, uint16_t vcpus)
{
	memset(fw, 0, sizeof(*fw));
	fw->platform = platform;
	fw->id = FW_CFG_VERSION | FW_CFG_VERSION_DMA;
	fw->ram_size = ram_size;
	fw->vcpus = vcpus;
	fw->is_nographic = 1;
	add_item(fw, FW_CFG_SIGNATURE, dma_signature, FW_CFG_SIG_SIZE); /* 'QEMU' */
	add_item(fw, FW_CFG_ID, &fw->id, sizeof(fw->id));
	add_item(fw, FW_CFG_RAM_SIZE, &fw->ram_size, sizeof(fw->ram_size));
	add_item(fw, FW_CFG_NOGRAPHIC, &fw->is_nographic, sizeof(fw->is_nographic));
	add_item(fw, FW_CFG_NB_CPUS, &fw->vcpus, sizeof(fw->vcpus));
	add_item(fw, FW_CFG_MAX_CPUS, &fw->vcpus, sizeof(fw->vcpus));
	add_item(fw, FW_CFG_FILE_DIR, &fw->directory, sizeof(fw->directory.count));
	platform_timer_init(&fw->timer, TIMER_VM_WIDE, fw, fw_cfg_expire);
}

int fw_cfg_attach(struct fw_cfg *fw, struct bus *ports)
{
	static const struct bus_region regions[] = {
		{.base = FW_CFG_PORT,
		 .len = 2,
		 .read = port_read,
		 .write = port_write,
		 .name = "fw_cfg"},
		{.base = FW_CFG_DMA_PORT,
		 .len = 8,
		 .read = dma_read,
		 .write = dma_write,
		 .name = "fw_cfg DMA"},
	};

	return bus_add_all(ports, fw, regions, ARRAY_SIZE(regions));
}
