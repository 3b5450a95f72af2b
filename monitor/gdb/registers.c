/* The registers that gdb is told of, and where they are in struct debug_regs. */
#include "monitor/gdb/registers.h"

#include "lib/printf.h"
#include "lib/string.h"

/* In FXSAVE's area ('FXSAVE', 64-bit). */
#define FX(offset)         (offsetof(struct debug_regs, fxsave) + (offset))
#define FX_FCW             0
#define FX_FSW             2
#define FX_FTW             4 /* a bit for each register that is not empty */
#define FX_FOP             6
#define FX_FIP             8
#define FX_FDP             16
#define FX_MXCSR           24
#define FX_ST(n)           (32 + 16ul * (n))
#define FX_XMM(n)          (160 + 16ul * (n))
#define REGISTER_MAX_BYTES 16u

enum register_flags {
	WRITABLE = 1,
	ABRIDGED_TAG = 2, /* gdb wants two bits for each */
	ABSENT = 4,       /* not in 64-bit mode: 0 */
};

struct reg {
	const char *name, *type;
	uint16_t offset;
	uint8_t bytes; /* in struct debug_regs */
	uint8_t size;  /* in gdb's packets */
	uint8_t flags;
};

#define FIELD(member) offsetof(struct debug_regs, member)
#define GPR(n, i)                                                                                  \
	{                                                                                          \
		n, "int64", FIELD(gpr) + 8ul * (i), 8, 8, WRITABLE                                 \
	}
#define SELECTOR(n, i)                                                                             \
	{                                                                                          \
		n, "int32", FIELD(selector) + 2ul * (i), 2, 4, 0                                   \
	}
#define ST(n)                                                                                      \
	{                                                                                          \
		"st" #n, "i387_ext", FX(FX_ST(n)), 10, 10, 0                                       \
	}
#define CONTROL(n, offset, bytes, flags)                                                           \
	{                                                                                          \
		n, "int", FX(offset), bytes, 4, flags                                              \
	}
#define XMM(n)                                                                                     \
	{                                                                                          \
		"xmm" #n, "vec128", FX(FX_XMM(n)), 16, 16, 0                                       \
	}
#define WIDE(n, member, flags)                                                                     \
	{                                                                                          \
		n, "int64", FIELD(member), 8, 8, flags                                             \
	}

/* The core feature's are fixed by gdb, in this order. */
static const struct reg core[] = {
	GPR("rax", GPR_RAX),
	GPR("rbx", GPR_RBX),
	GPR("rcx", GPR_RCX),
	GPR("rdx", GPR_RDX),
	GPR("rsi", GPR_RSI),
	GPR("rdi", GPR_RDI),
	{"rbp", "data_ptr", FIELD(gpr) + 8ul * GPR_RBP, 8, 8, WRITABLE},
	{"rsp", "data_ptr", FIELD(gpr) + 8ul * GPR_RSP, 8, 8, WRITABLE},
	GPR("r8", 8),
	GPR("r9", 9),
	GPR("r10", 10),
	GPR("r11", 11),
	GPR("r12", 12),
	GPR("r13", 13),
	GPR("r14", 14),
	GPR("r15", 15),
	{"rip", "code_ptr", FIELD(rip), 8, 8, WRITABLE},
	{"eflags", "i386_eflags", FIELD(rflags), 4, 4, WRITABLE},
	SELECTOR("cs", SEG_CS),
	SELECTOR("ss", SEG_SS),
	SELECTOR("ds", SEG_DS),
	SELECTOR("es", SEG_ES),
	SELECTOR("fs", SEG_FS),
	SELECTOR("gs", SEG_GS),
	ST(0),
	ST(1),
	ST(2),
	ST(3),
	ST(4),
	ST(5),
	ST(6),
	ST(7),
	CONTROL("fctrl", FX_FCW, 2, 0),
	CONTROL("fstat", FX_FSW, 2, 0),
	CONTROL("ftag", FX_FTW, 1, ABRIDGED_TAG),
	CONTROL("fiseg", 0, 0, ABSENT),
	CONTROL("fioff", FX_FIP, 4, 0),
	CONTROL("foseg", 0, 0, ABSENT),
	CONTROL("fooff", FX_FDP, 4, 0),
	CONTROL("fop", FX_FOP, 2, 0),
};

static const struct reg sse[] = {
	XMM(0),
	XMM(1),
	XMM(2),
	XMM(3),
	XMM(4),
	XMM(5),
	XMM(6),
	XMM(7),
	XMM(8),
	XMM(9),
	XMM(10),
	XMM(11),
	XMM(12),
	XMM(13),
	XMM(14),
	XMM(15),
	CONTROL("mxcsr", FX_MXCSR, 4, 0),
};

static const struct reg segments[] = {
	WIDE("fs_base", fs_base, WRITABLE),
	WIDE("gs_base", gs_base, WRITABLE),
};

static const struct reg system[] = {
	WIDE("k_gs_base", kernel_gs_base, WRITABLE),
	WIDE("cr0", cr0, 0),
	WIDE("cr2", cr2, 0),
	WIDE("cr3", cr3, 0),
	WIDE("cr4", cr4, 0),
	WIDE("efer", efer, 0),
};

static const struct feature {
	const char *name, *types;
	const struct reg *regs;
	uint32_t count;
} features[] = {
	{"org.gnu.gdb.i386.core",
	 "<flags id=\"i386_eflags\" size=\"4\">"
	 "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"\" start=\"1\" end=\"1\"/>"
	 "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
	 "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
	 "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
	 "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/>"
	 "<field name=\"NT\" start=\"14\" end=\"14\"/><field name=\"RF\" start=\"16\" end=\"16\"/>"
	 "<field name=\"VM\" start=\"17\" end=\"17\"/><field name=\"AC\" start=\"18\" end=\"18\"/>"
	 "<field name=\"ID\" start=\"21\" end=\"21\"/></flags>",
	 core, ARRAY_SIZE(core)},
	{"org.gnu.gdb.i386.sse",
	 "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
	 "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	 "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
	 "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	 "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
	 "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
	 "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/>"
	 "</union>",
	 sse, ARRAY_SIZE(sse)},
	{"org.gnu.gdb.i386.segments", "", segments, ARRAY_SIZE(segments)},
	{"org.carousel.system", "", system, ARRAY_SIZE(system)},
};

/* NULL beyond the last. */
static const struct reg *find(uint32_t n)
{
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		if (n < features[i].count)
			return &features[i].regs[n];
		n -= features[i].count;
	}
	return NULL;
}

uint32_t gdb_register_count(void)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
		count += features[i].count;
	return count;
}

/* 'x87 FPU Tag Word': 3 is empty. Registers that are not are said to be valid, whatever is in them.
 */
static uint16_t full_tag(uint8_t abridged)
{
	uint16_t tag = 0;

	for (unsigned i = 0; i < 8; i++)
		if (!(abridged & BIT(i)))
			tag |= (uint16_t)(3u << (2 * i));
	return tag;
}

static void read_register(const struct debug_regs *regs, const struct reg *reg,
			  uint8_t value[REGISTER_MAX_BYTES])
{
	memset(value, 0, REGISTER_MAX_BYTES);
	memcpy(value, (const uint8_t *)regs + reg->offset, reg->bytes);
	if (reg->flags & ABRIDGED_TAG) {
		uint16_t tag = full_tag(value[0]);

		memcpy(value, &tag, sizeof(tag));
	}
}

void gdb_put_register(struct gdb_text *text, const struct debug_regs *regs, uint32_t n)
{
	const struct reg *reg = find(n);
	uint8_t value[REGISTER_MAX_BYTES];

	if (!reg)
		return;
	read_register(regs, reg, value);
	gdb_put_hex(text, value, reg->size);
}

bool gdb_take_register(struct gdb_cursor *c, struct debug_regs *regs, uint32_t n)
{
	const struct reg *reg = find(n);
	uint8_t value[REGISTER_MAX_BYTES], old[REGISTER_MAX_BYTES];

	if (!reg) {
		c->is_bad = true;
		return false;
	}
	gdb_bytes(c, value, reg->size);
	if (c->is_bad)
		return false;
	if (reg->flags & WRITABLE) {
		memcpy((uint8_t *)regs + reg->offset, value, reg->bytes);
		return true;
	}
	read_register(regs, reg, old);
	return !memcmp(value, old, reg->size);
}

/* --- the target description ---------------------------------------------------------------------
 */

/* A window onto a text that is written from its beginning. */
struct window {
	struct gdb_text *text;
	uint64_t skip, room;
	bool is_more;
};

static void write(struct window *w, const char *string)
{
	size_t len = strlen(string), skipped = MIN(w->skip, len), taken;

	w->skip -= skipped;
	taken = MIN(w->room, len - skipped);
	gdb_put_bytes(w->text, string + skipped, taken);
	w->room -= taken;
	w->is_more |= skipped + taken < len;
}

static void write_register(struct window *w, const struct reg *reg)
{
	char line[96];

	(void)fmt_snprintf(line, sizeof(line), "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>",
			   reg->name, reg->size * 8u, reg->type);
	write(w, line);
}

bool gdb_put_description(struct gdb_text *text, uint64_t offset, uint64_t len)
{
	struct window w = {.text = text, .skip = offset, .room = len};

	write(&w, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
		  "<target version=\"1.0\"><architecture>i386:x86-64</architecture>");
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		write(&w, "<feature name=\"");
		write(&w, features[i].name);
		write(&w, "\">");
		write(&w, features[i].types);
		for (uint32_t n = 0; n < features[i].count; n++)
			write_register(&w, &features[i].regs[n]);
		write(&w, "</feature>");
	}
	write(&w, "</target>");
	return w.is_more;
}
