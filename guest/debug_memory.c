/* A debugged VM's memory, and the points in it and in debug registers. */
#include "guest/debug.h"

#include "guest/pgwalk.h"
#include "lib/errno.h"
#include "lib/string.h"

#define INT3       0xcc
#define CR4_SMAP   BIT_ULL(21)
#define EFER_LMA   BIT_ULL(10)
#define MAXPHYADDR 52
#define CANONICAL  47
#define PIECE_MAX  8ull

/* Where the byte at a linear address is. The debugger reads what the CPU would, and more:
 * supervisor and user pages alike. */
static int translate(const struct vm *vm, uint32_t vcpu, uint64_t address, gpa_t *gpa)
{
	const struct vcpu_debug *debug = &vm->debug->vcpu[vcpu];
	struct pgwalk_state state = {
		.cr0 = debug->regs.cr0,
		.cr3 = debug->regs.cr3,
		.cr4 = debug->regs.cr4 & ~CR4_SMAP,
		.efer = debug->regs.efer,
		.maxphyaddr = MAXPHYADDR,
		.has_1g_pages = true,
	};
	uint64_t top = address >> CANONICAL;
	uint32_t error;

	if ((debug->regs.efer & EFER_LMA) && top && top != UINT64_MAX >> CANONICAL)
		return -EFAULT;
	memcpy(state.pdpte, debug->pdpte, sizeof(state.pdpte));
	return pgwalk(&vm->gmem, &state, address, PGWALK_READ, gpa, &error);
}

static size_t in_page(uint64_t address, size_t len)
{
	return MIN(len, PAGE_SIZE - (address & (PAGE_SIZE - 1)));
}

/* What the guest has where there is an INT3 of the debugger's. */
static void hide_memory_points(const struct vm *vm, gpa_t gpa, uint8_t *bytes, size_t len)
{
	for (uint32_t i = 0; i < vm->debug->memory_count; i++) {
		uint64_t offset = vm->debug->memory[i].gpa.v - gpa.v;

		if (offset < len && bytes[offset] == INT3)
			bytes[offset] = vm->debug->memory[i].old;
	}
}

size_t debug_read(const struct vm *vm, uint32_t vcpu, uint64_t address, void *to, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t n = in_page(address + done, len - done);
		uint8_t *piece = (uint8_t *)to + done;
		gpa_t gpa;

		if (translate(vm, vcpu, address + done, &gpa) ||
		    gmem_read(&vm->gmem, gpa, piece, n))
			break;
		hide_memory_points(vm, gpa, piece, n);
		done += n;
	}
	return done;
}

/* Under an INT3 of the debugger's goes what is there when it is removed. */
static int write_piece(struct vm *vm, gpa_t gpa, const uint8_t *bytes, size_t len)
{
	int ret = gmem_write(&vm->gmem, gpa, bytes, len);

	for (uint32_t i = 0; !ret && i < vm->debug->memory_count; i++) {
		uint64_t offset = vm->debug->memory[i].gpa.v - gpa.v;

		if (offset >= len)
			continue;
		vm->debug->memory[i].old = bytes[offset];
		*(uint8_t *)gmem_ptr(&vm->gmem, vm->debug->memory[i].gpa, 1) = INT3;
	}
	return ret;
}

int debug_write(struct vm *vm, uint32_t vcpu, uint64_t address, const void *from, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t n = in_page(address + done, len - done);
		gpa_t gpa;

		if (translate(vm, vcpu, address + done, &gpa) ||
		    write_piece(vm, gpa, (const uint8_t *)from + done, n))
			return -EFAULT;
		done += n;
	}
	return 0;
}

/* --- points in debug registers ------------------------------------------------------------------
 */

static bool is_piece_of(const struct vm_debug *debug, unsigned n, enum debug_point_type type,
			uint64_t address, uint64_t len)
{
	return debug->hardware[n].is_used && debug->hardware[n].type == type &&
	       debug->hardware[n].point == address && debug->hardware[n].point_len == len;
}

static int remove_hardware(struct vm_debug *debug, enum debug_point_type type, uint64_t address,
			   uint64_t len)
{
	int ret = -ENOENT;

	for (unsigned i = 0; i < DEBUG_HARDWARE_POINTS; i++) {
		if (!is_piece_of(debug, i, type, address, len))
			continue;
		debug->hardware[i].is_used = false;
		ret = 0;
	}
	return ret;
}

static int take_register(struct vm_debug *debug, enum debug_point_type type, uint64_t address,
			 uint8_t len, uint64_t point, uint64_t point_len)
{
	for (unsigned i = 0; i < DEBUG_HARDWARE_POINTS; i++) {
		if (debug->hardware[i].is_used)
			continue;
		debug->hardware[i].is_used = true;
		debug->hardware[i].type = type;
		debug->hardware[i].len = len;
		debug->hardware[i].address = address;
		debug->hardware[i].point = point;
		debug->hardware[i].point_len = point_len;
		return 0;
	}
	return -ENOSPC;
}

/* A register watches 1, 2, 4 or 8 bytes that are aligned to as many: a longer or unaligned region
 * takes several. */
static int insert_hardware(struct vm_debug *debug, enum debug_point_type type, uint64_t address,
			   uint64_t len)
{
	uint64_t done = 0;

	(void)remove_hardware(debug, type, address, len);
	if (type == DEBUG_BREAK || type == DEBUG_HARDWARE_BREAK)
		return take_register(debug, type, address, 1, address, len);
	if (!len || len > (uint64_t)DEBUG_HARDWARE_POINTS * PIECE_MAX)
		return -EINVAL;
	while (done < len) {
		uint64_t piece = PIECE_MAX;

		while (piece > len - done || !IS_ALIGNED(address + done, piece))
			piece /= 2;
		if (take_register(debug, type, address + done, (uint8_t)piece, address, len)) {
			(void)remove_hardware(debug, type, address, len);
			return -ENOSPC;
		}
		done += piece;
	}
	return 0;
}

/* --- breakpoints in memory ----------------------------------------------------------------------
 */

static int insert_memory(struct vm *vm, uint32_t vcpu, uint64_t address)
{
	struct vm_debug *debug = vm->debug;
	uint8_t *byte = NULL;
	gpa_t gpa;

	if (debug_has_memory_point(vm, address))
		return 0;
	if (!translate(vm, vcpu, address, &gpa))
		byte = gmem_ptr(&vm->gmem, gpa, sizeof(*byte));
	if (!byte)
		return -EFAULT;
	if (debug->memory_count == DEBUG_MEMORY_POINTS)
		return -ENOSPC;
	debug->memory[debug->memory_count].address = address;
	debug->memory[debug->memory_count].gpa = gpa;
	debug->memory[debug->memory_count].old = *byte;
	debug->memory_count++;
	*byte = INT3;
	return 0;
}

/* The guest may have overwritten it, or begun anew: what is no INT3 is left alone. */
static void remove_memory_at(struct vm *vm, uint32_t n)
{
	struct vm_debug *debug = vm->debug;
	uint8_t *byte = gmem_ptr(&vm->gmem, debug->memory[n].gpa, sizeof(*byte));

	if (byte && *byte == INT3)
		*byte = debug->memory[n].old;
	debug->memory[n] = debug->memory[--debug->memory_count];
}

static int remove_memory(struct vm *vm, uint64_t address)
{
	for (uint32_t i = 0; i < vm->debug->memory_count; i++) {
		if (vm->debug->memory[i].address != address)
			continue;
		remove_memory_at(vm, i);
		return 0;
	}
	return -ENOENT;
}

int debug_insert(struct vm *vm, uint32_t vcpu, enum debug_point_type type, uint64_t address,
		 uint64_t len)
{
	int ret;

	if (type != DEBUG_BREAK)
		return insert_hardware(vm->debug, type, address, len);
	ret = insert_memory(vm, vcpu, address);
	/* Before paging is as it will be, the address may be nowhere: a register needs no memory.
	 */
	return ret == -EFAULT ? insert_hardware(vm->debug, type, address, len) : ret;
}

int debug_remove(struct vm *vm, enum debug_point_type type, uint64_t address, uint64_t len)
{
	if (type == DEBUG_BREAK && !remove_memory(vm, address))
		return 0;
	return remove_hardware(vm->debug, type, address, len);
}

void debug_remove_all(struct vm *vm)
{
	while (vm->debug->memory_count)
		remove_memory_at(vm, 0);
	for (unsigned i = 0; i < DEBUG_HARDWARE_POINTS; i++)
		vm->debug->hardware[i].is_used = false;
}
