/* Virtio's block device: requests, each a header, data, and a status byte at the end. */
#include <linux/virtio_ids.h>

#include "devices/virtio_blk.h"
#include "lib/checked.h"
#include "lib/string.h"

#define CLASS_STORAGE    0x018000u
#define SECTOR           512ull
#define QUEUE_SIZE       128u
#define SEGMENTS_MAX     (QUEUE_SIZE - 2) /* besides the header and the status */
#define STEP_MAX         KIB(4)           /* bytes between two looks at the time */
#define ZERO_SECTORS_MAX 0x3fffffu

/* What is left of the chain is the status byte. */
static void finish(struct virtio_blk *blk, struct virtqueue *vq, uint8_t status)
{
	struct virtq_chain *chain = &blk->dev.chain;

	blk->is_busy = false;
	virtq_skip_write(chain, chain->writable - sizeof(status));
	if (virtq_write(vq, chain, &status, sizeof(status)) == sizeof(status))
		virtqueue_push(vq, chain);
}

/* Does the piece lie on the disk? Then it is what the request is about. */
static bool set_range(struct virtio_blk *blk, uint64_t sector, uint64_t len)
{
	uint64_t at;

	if (len % SECTOR || !checked_mul(sector, SECTOR, &at) ||
	    !range_is_inside(at, len, 0, blk->disk.size))
		return false;
	blk->at = at;
	blk->left = len;
	return true;
}

/* DISCARD and WRITE_ZEROES: one segment, as the configuration says. What is discarded reads as zero
 * afterwards. */
static uint8_t begin_zero(struct virtio_blk *blk, struct virtqueue *vq)
{
	struct virtio_blk_discard_write_zeroes range;
	uint32_t permitted =
		blk->type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	if (blk->disk.is_read_only || blk->dev.chain.readable != sizeof(range) ||
	    virtq_read(vq, &blk->dev.chain, &range, sizeof(range)) != sizeof(range))
		return VIRTIO_BLK_S_IOERR;
	/* 'The device MUST set the status byte to VIRTIO_BLK_S_UNSUPP ... if any unknown flag is
	 * set', and for discard 'if the unmap flag is set'. */
	if (range.flags & ~permitted)
		return VIRTIO_BLK_S_UNSUPP;
	return set_range(blk, range.sector, range.num_sectors * SECTOR) ? VIRTIO_BLK_S_OK
									: VIRTIO_BLK_S_IOERR;
}

static uint8_t get_id(struct virtio_blk *blk, struct virtqueue *vq)
{
	struct virtq_chain *chain = &blk->dev.chain;
	uint64_t len = MIN(chain->writable - 1, (uint64_t)sizeof(blk->disk.serial));

	return virtq_write(vq, chain, blk->disk.serial, len) < 0 ? VIRTIO_BLK_S_IOERR
								 : VIRTIO_BLK_S_OK;
}

/* Looks at the header: is there something to do, and what is it? */
static uint8_t begin(struct virtio_blk *blk, struct virtqueue *vq, uint64_t sector)
{
	const struct virtq_chain *chain = &blk->dev.chain;

	switch (blk->type) {
	case VIRTIO_BLK_T_IN:
		return set_range(blk, sector, chain->writable - 1) ? VIRTIO_BLK_S_OK
								   : VIRTIO_BLK_S_IOERR;
	case VIRTIO_BLK_T_OUT:
		return !blk->disk.is_read_only && set_range(blk, sector, chain->readable)
			       ? VIRTIO_BLK_S_OK
			       : VIRTIO_BLK_S_IOERR;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return begin_zero(blk, vq);
	case VIRTIO_BLK_T_GET_ID:
		return get_id(blk, vq);
	case VIRTIO_BLK_T_FLUSH:
		/* What has been written is where it will stay. */
		return VIRTIO_BLK_S_OK;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* Takes the next request; one without data is done then. */
static bool take(struct virtio_blk *blk, struct virtqueue *vq)
{
	struct virtq_chain *chain = &blk->dev.chain;
	struct virtio_blk_outhdr header;
	uint8_t status;

	if (!virtqueue_pop(vq, chain))
		return false;
	if (!chain->writable || chain->readable < sizeof(header)) {
		virtio_fail(&blk->dev, "a request without a header or a status byte");
		return false;
	}
	if (virtq_read(vq, chain, &header, sizeof(header)) < 0)
		return false;
	blk->is_busy = true;
	blk->type = header.type;
	blk->left = 0;
	status = begin(blk, vq, header.sector);
	if (status != VIRTIO_BLK_S_OK || !blk->left)
		finish(blk, vq, status);
	return true;
}

/* Does the next bytes of the request in progress. */
static void go_on(struct virtio_blk *blk, struct virtqueue *vq)
{
	uint64_t len = MIN(blk->left, STEP_MAX);
	uint8_t *at = blk->disk.data + blk->at;
	int64_t done = (int64_t)len;

	if (blk->type == VIRTIO_BLK_T_IN)
		done = virtq_write(vq, &blk->dev.chain, at, len);
	else if (blk->type == VIRTIO_BLK_T_OUT)
		done = virtq_read(vq, &blk->dev.chain, at, len);
	else
		memset(at, 0, len);
	if (done < 0) {
		blk->is_busy = false;
		return;
	}
	blk->at += len;
	blk->left -= len;
	if (!blk->left)
		finish(blk, vq, VIRTIO_BLK_S_OK);
}

static bool serve(struct virtio_device *dev, struct virtqueue *vq)
{
	struct virtio_blk *blk = container_of(dev, struct virtio_blk, dev);

	do {
		if (!blk->is_busy && !take(blk, vq))
			return false;
		if (blk->is_busy)
			go_on(blk, vq);
	} while (!virtio_is_work_over(dev));
	return true;
}

static void reset(struct virtio_device *dev)
{
	container_of(dev, struct virtio_blk, dev)->is_busy = false;
}

static const struct virtio_ops ops = {.serve = serve, .reset = reset};

static void set_config(struct virtio_blk *blk)
{
	struct virtio_blk_config *c = &blk->config;

	c->capacity = blk->disk.size / SECTOR;
	c->seg_max = SEGMENTS_MAX;
	c->blk_size = SECTOR;
	blk->dev.offered = virtio_common_features() | BIT_ULL(VIRTIO_BLK_F_SEG_MAX) |
			   BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) | BIT_ULL(VIRTIO_BLK_F_FLUSH);
	if (blk->disk.is_read_only) {
		blk->dev.offered |= BIT_ULL(VIRTIO_BLK_F_RO);
		return;
	}
	blk->dev.offered |= BIT_ULL(VIRTIO_BLK_F_DISCARD) | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	c->max_discard_sectors = c->max_write_zeroes_sectors = ZERO_SECTORS_MAX;
	c->max_discard_seg = c->max_write_zeroes_seg = 1;
	c->discard_sector_alignment = 1;
	c->write_zeroes_may_unmap = 1;
}

int virtio_blk_add(struct virtio_blk *blk, struct platform *platform, struct pci_bus *bus,
		   uint32_t slot, const struct virtio_blk_disk *disk)
{
	memset(blk, 0, sizeof(*blk));
	blk->disk = *disk;
	blk->dev.name = "virtio-blk";
	blk->dev.type = VIRTIO_ID_BLOCK;
	blk->dev.config = &blk->config;
	blk->dev.config_len = sizeof(blk->config);
	set_config(blk);
	virtio_init(&blk->dev, platform, &ops, 1, QUEUE_SIZE);
	return virtio_pci_add(&blk->pci, bus, slot, &blk->dev, CLASS_STORAGE);
}
