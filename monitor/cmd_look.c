/* A vCPU's registers; and memory, a guest's by physical or linear address, or the host's. Nothing
 * is stopped or changed for it. */
#include "guest/linear.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/hostmap.h"
#include "mm/space.h"
#include "monitor/commands.h"

#define ROW_BYTES  16u
#define PIECE_ROWS 8u /* of memory that a piece shows */
#define STRING_MAX 64u

/* --- dump --------------------------------------------------------------------------------------
 */

/* A vCPU's registers as they were at one moment. The general ones of a vCPU that is in the guest
 * are those of its next exit, which the look causes. */
struct view {
	uint64_t gpr[16];
	uint64_t rip, rflags, cr0, cr2, cr3, cr4, efer, dr7, rsp;
	uint8_t cpl;
	struct vcpu_segment segment[6];
	uint8_t code[ROW_BYTES];
	size_t code_len;
};

static const char *const segment_names[] = {
	[SEG_ES] = "ES", [SEG_CS] = "CS", [SEG_SS] = "SS",
	[SEG_DS] = "DS", [SEG_FS] = "FS", [SEG_GS] = "GS",
};

static void take_view(struct vcpu *vcpu, void *arg)
{
	struct view *v = arg;

	memcpy(v->gpr, vcpu->regs.gpr, sizeof(v->gpr));
	v->rip = vcpu_arch_get(vcpu, VCPU_RIP);
	v->rsp = vcpu_arch_get(vcpu, VCPU_RSP);
	v->rflags = vcpu_arch_get(vcpu, VCPU_RFLAGS);
	v->cr0 = vcpu_arch_get(vcpu, VCPU_CR0);
	v->cr2 = vcpu_arch_get(vcpu, VCPU_CR2);
	v->cr3 = vcpu_arch_get(vcpu, VCPU_CR3);
	v->cr4 = vcpu_arch_get(vcpu, VCPU_CR4);
	v->efer = vcpu_arch_get(vcpu, VCPU_EFER);
	v->dr7 = vcpu_arch_get(vcpu, VCPU_DR7);
	v->cpl = vcpu_arch_cpl(vcpu);
	for (unsigned i = 0; i < ARRAY_SIZE(segment_names); i++)
		vcpu_arch_get_segment(vcpu, (enum insn_segment)i, &v->segment[i]);
	v->code_len =
		vcpu_read_linear(vcpu, vcpu_linear(vcpu, SEG_CS, v->rip), v->code, sizeof(v->code));
}

static void print_registers(struct out *out, const struct vcpu *vcpu, const struct view *v)
{
	const uint64_t *r = v->gpr;
	struct guest_symbol symbol;

	out_printf(out, "RIP=%016lx RFLAGS=%08lx CPL=%u", v->rip, v->rflags, v->cpl);
	if (guest_symbol_find(&vcpu->vm->symbols, v->rip, &symbol))
		out_printf(out, " %s+%#lx", symbol.name, symbol.offset);
	out_printf(out, "\nRAX=%016lx RBX=%016lx RCX=%016lx RDX=%016lx\n", r[GPR_RAX], r[GPR_RBX],
		   r[GPR_RCX], r[GPR_RDX]);
	out_printf(out, "RSI=%016lx RDI=%016lx RBP=%016lx RSP=%016lx\n", r[GPR_RSI], r[GPR_RDI],
		   r[GPR_RBP], v->rsp);
	for (unsigned i = 8; i < 16; i += 4)
		out_printf(out, "R%u=%016lx R%u=%016lx R%u=%016lx R%u=%016lx\n", i, r[i], i + 1,
			   r[i + 1], i + 2, r[i + 2], i + 3, r[i + 3]);
	out_printf(out, "CR0=%08lx CR2=%016lx CR3=%016lx CR4=%08lx EFER=%04lx DR7=%08lx\n", v->cr0,
		   v->cr2, v->cr3, v->cr4, v->efer, v->dr7);
}

static void print_segments(struct out *out, const struct view *v)
{
	for (unsigned i = 0; i < ARRAY_SIZE(segment_names); i++)
		out_printf(out, "%s=%04x base=%016lx limit=%08x access=%05x\n", segment_names[i],
			   v->segment[i].selector, v->segment[i].base, v->segment[i].limit,
			   v->segment[i].access);
}

static void print_code(struct out *out, const struct view *v)
{
	char line[ROW_BYTES * 3 + 1] = "";

	for (size_t i = 0; i < v->code_len; i++)
		fmt_snprintf(line + 3 * i, sizeof(line) - 3 * i, " %02x", v->code[i]);
	out_printf(out, "code:%s\n", v->code_len ? line : " not mapped");
}

enum command_result command_dump(struct session *s)
{
	struct arg name = args_next(&s->args);
	struct vcpu *vcpu;
	struct view view;
	struct vm *vm;

	if (!arg_vm(name, &vm, &vcpu) || !vm->params.vcpus) {
		session_fail(s, "there is no VM or vCPU '%.*s'", ARG(name));
		return COMMAND_DONE;
	}
	if (!vcpu)
		vcpu = vm->vcpu[0];
	if (!vcpu_arch_look(vcpu, take_view, &view)) {
		session_fail(s, "vCPU %u of VM '%s' is on no pCPU now", vcpu->index, vm->name);
		return COMMAND_DONE;
	}
	print_registers(&s->out, vcpu, &view);
	print_segments(&s->out, &view);
	print_code(&s->out, &view);
	return COMMAND_DONE;
}

/* --- x -----------------------------------------------------------------------------------------
 */

/* Whose memory: a vCPU's by linear address, a VM's by physical, the host's. */
struct place {
	struct vm *vm;
	struct vcpu *vcpu;
};

struct linear_read {
	uint64_t address;
	void *to;
	size_t len, done;
};

static void read_linear(struct vcpu *vcpu, void *arg)
{
	struct linear_read *read = arg;

	read->done = vcpu_read_linear(vcpu, read->address, read->to, read->len);
}

/* How many bytes of `len` at `address` could be read, from the first on. */
static size_t read_memory(const struct place *place, uint64_t address, void *to, size_t len)
{
	size_t done = 0;

	if (place->vcpu) {
		struct linear_read read = {.address = address, .to = to, .len = len};

		(void)vcpu_arch_look(place->vcpu, read_linear, &read);
		return read.done;
	}
	while (done < len) {
		uint64_t at = address + done;
		size_t n = MIN(len - done, (size_t)(PAGE_SIZE - (at & (PAGE_SIZE - 1))));

		if (place->vm) {
			if (gmem_read(&place->vm->gmem, GPA(at), (uint8_t *)to + done, n))
				break;
		} else {
			if (!space_is_memory(HPA(at)))
				break;
			memcpy((uint8_t *)to + done, hpa_to_ptr(HPA(at)), n);
		}
		done += n;
	}
	return done;
}

static int format_unit(char *buf, size_t size, const struct look_format *f, const uint8_t *from)
{
	uint64_t value = 0;
	unsigned bits = 8u * f->size;

	memcpy(&value, from, f->size);
	switch (f->format) {
	case 'c':
		return fmt_snprintf(buf, size, value >= ' ' && value < 0x7f ? " '%c'" : " %02x",
				    (int)value);
	case 'd':
		return fmt_snprintf(buf, size, " %ld",
				    (int64_t)(value << (64 - bits)) >> (64 - bits));
	case 'u':
		return fmt_snprintf(buf, size, " %lu", value);
	case 'o':
		return fmt_snprintf(buf, size, " 0%lo", value);
	default:
		return fmt_snprintf(buf, size, " 0x%0*lx", (int)(2 * f->size), value);
	}
}

/* One row, of as many units as fit into it and are left: how many were shown. 0: not mapped. */
static uint32_t print_row(struct out *out, const struct place *place, const struct look_format *f,
			  uint64_t address, uint32_t left)
{
	size_t units = MIN(left, ROW_BYTES / f->size), shown;
	uint8_t bytes[ROW_BYTES];
	char line[ROW_BYTES * 12];
	int len = 0;

	shown = read_memory(place, address, bytes, units * f->size) / f->size;
	for (size_t i = 0; i < shown; i++)
		len += format_unit(line + len, sizeof(line) - (size_t)len, f, bytes + i * f->size);
	if (shown)
		out_printf(out, "0x%016lx:%s\n", address, line);
	return (uint32_t)shown;
}

/* One string, which ends with its zero; how long it is with that. 0: not mapped. */
static uint32_t print_string(struct out *out, const struct place *place, uint64_t address)
{
	char text[STRING_MAX + 1];
	size_t n = read_memory(place, address, text, STRING_MAX), len = strnlen(text, n);

	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] >= 0x7f)
			text[i] = '.';
	if (n)
		out_printf(out, "0x%016lx: \"%.*s\"%s\n", address, (int)len, text,
			   len == n ? "..." : "");
	return (uint32_t)(len < n ? len + 1 : n);
}

/* The words, anew for each piece. */
static bool take_place(struct session *s, struct look_format *f, struct place *place,
		       uint64_t *address)
{
	const char *args = s->args;
	struct arg word = args_next(&args);

	*f = (struct look_format){.count = 1, .format = 'x', .size = 4};
	if (word.len && word.text[0] == '/') {
		if (!arg_format(word, f)) {
			session_fail(s, "bad format '%.*s': as in /16xw, with x d u o c s, b h w g",
				     ARG(word));
			return false;
		}
		word = args_next(&args);
	}
	place->vm = NULL;
	place->vcpu = NULL;
	if (!arg_is(word, "host") && !arg_vm(word, &place->vm, &place->vcpu)) {
		session_fail(s, "whose memory? VM, VM.VCPU or host, not '%.*s'", ARG(word));
		return false;
	}
	word = args_next(&args);
	if (!arg_number(word, address) || *args) {
		session_fail(s, "'%.*s' is no address, such as 0x100000", ARG(word));
		return false;
	}
	return true;
}

/* state[0]: units shown, state[1]: bytes. */
enum command_result command_x(struct session *s)
{
	struct look_format f;
	struct place place;
	uint64_t address;

	if (!take_place(s, &f, &place, &address))
		return COMMAND_DONE;
	for (unsigned row = 0; row < PIECE_ROWS && s->state[0] < f.count; row++) {
		uint32_t left = f.count - (uint32_t)s->state[0], n;
		uint64_t at = address + s->state[1];

		n = f.format == 's' ? print_string(&s->out, &place, at)
				    : print_row(&s->out, &place, &f, at, left);
		if (!n) {
			session_fail(s, "no memory at %#lx", at);
			return COMMAND_DONE;
		}
		s->state[0] += f.format == 's' ? 1 : n;
		s->state[1] += f.format == 's' ? n : n * f.size;
	}
	return s->state[0] < f.count ? COMMAND_MORE : COMMAND_DONE;
}
