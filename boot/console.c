/* The consoles: VGA text or a framebuffer, and one 16550: at the port that console= names or, when
 * nothing answers there, on a PCI card. */
#include "boot/console.h"
#include "cpu/insn.h"
#include "drivers/fbtext.h"
#include "drivers/pci.h"
#include "drivers/serial.h"
#include "drivers/vgatext.h"
#include "lib/errno.h"
#include "lib/log.h"
#include "mm/hostmap.h"
#include "mm/space.h"

#define VGA_COLUMNS 80u
#define VGA_ROWS    25u
#define FB_BPP      32u

/* How far boot/header.S' tables reach. */
#define BOOT_MAP_END GIB(4)

static bool is_begun;              /* (a) console_init has been called */
static bool is_vga;                /* (i) after console_init */
static struct fb_mode framebuffer; /* (i) the same; no base: none */
static bool is_framebuffer_shown;  /* (i) after console_map */
static struct uart_place serial;   /* (i) after console_map; none where nothing answered */

static uint64_t framebuffer_address(void)
{
	return ptr_to_hpa(framebuffer.base).v;
}

static uint64_t framebuffer_size(void)
{
	return (uint64_t)framebuffer.pitch * framebuffer.height;
}

static void show_framebuffer(void)
{
	struct log_sink *sink = fbtext_init(&framebuffer);

	if (sink) {
		log_add_sink(sink);
		log_info("screen: %u x %u pixels at %#llx", framebuffer.width, framebuffer.height,
			 (unsigned long long)framebuffer_address());
	} else {
		log_warn("the screen is too small for text: %u x %u pixels", framebuffer.width,
			 framebuffer.height);
	}
	is_framebuffer_shown = sink;
}

static void take_framebuffer(const struct mb2_framebuffer *fb)
{
	if (fb->type != MB2_FB_RGB || fb->bpp != FB_BPP) {
		log_warn("no text on the screen: its pixels have %u bits (type %u), not %u of "
			 "direct colour",
			 fb->bpp, fb->type, FB_BPP);
		return;
	}
	framebuffer = (struct fb_mode){
		.base = hpa_to_ptr(HPA(fb->address)),
		.pitch = fb->pitch,
		.width = fb->width,
		.height = fb->height,
		.red = {fb->red_pos, fb->red_size},
		.green = {fb->green_pos, fb->green_size},
		.blue = {fb->blue_pos, fb->blue_size},
	};
	if (fb->address + framebuffer_size() <= BOOT_MAP_END)
		show_framebuffer();
}

/* Text mode, when the boot loader says so or, under BIOS, says nothing. */
static void init_screen(const struct mb2 *mb2)
{
	const struct mb2_framebuffer *fb = &mb2->framebuffer;

	if (!mb2->has_framebuffer && !mb2->efi_mmap.data) {
		is_vga = true;
		log_add_sink(vgatext_init(VGA_COLUMNS, VGA_ROWS));
	} else if (mb2->has_framebuffer && fb->type == MB2_FB_EGA_TEXT) {
		is_vga = fb->address == VGATEXT_BASE && fb->width - 1 < VGATEXT_COLUMNS_MAX &&
			 fb->height - 1 < VGATEXT_ROWS_MAX;
		if (is_vga)
			log_add_sink(vgatext_init(fb->width, fb->height));
	} else if (mb2->has_framebuffer) {
		take_framebuffer(fb);
	}
}

static bool start_serial(const struct uart_place *place)
{
	if (host_uart_open(&serial_console, place))
		return false;
	serial = *place;
	log_add_sink(serial_sink());
	return true;
}

/* The first 16550 on a card that answers; one that is out of reach yet is kept for console_map. */
static void start_pci_serial(bool is_wanted)
{
	struct pci_uart uart;

	for (unsigned i = 0; pci_find_uart(&pci_ports, i, &uart); i++) {
		if (uart.place.memory + PCI_UART_SIZE > BOOT_MAP_END)
			serial = uart.place;
		else if (!start_serial(&uart.place))
			continue;
		log_info("serial console: PCI %02x:%02x.%u, %s %#llx", uart.bus, uart.device,
			 uart.function, uart.place.memory ? "memory" : "port",
			 (unsigned long long)(uart.place.memory ? uart.place.memory
								: uart.place.port));
		return;
	}
	if (is_wanted)
		log_warn("no serial port on a PCI card answers (console=)");
}

void console_init(const struct boot *boot)
{
	const struct hv_options *options = &boot->config.options;
	const struct uart_place place = {.port = options->console_port};

	__atomic_store_n(&is_begun, true, __ATOMIC_RELEASE);
	log_set_level((enum log_level)options->log_level);
	init_screen(&boot->mb2);
	if (!options->console_port && !options->is_console_pci)
		return;
	if (options->console_port && start_serial(&place))
		return;
	if (options->console_port)
		log_warn("no serial port answers at %#x (console=)", options->console_port);
	start_pci_serial(options->is_console_pci);
}

int console_map(void)
{
	if (is_vga && space_map_device(HPA(VGATEXT_BASE), VGATEXT_SIZE))
		return -ENOMEM;
	if (framebuffer.base &&
	    space_map_framebuffer(HPA(framebuffer_address()), framebuffer_size())) {
		if (is_framebuffer_shown)
			return -ENOMEM;
		log_warn("no text on the screen: its memory at %#llx cannot be mapped",
			 (unsigned long long)framebuffer_address());
		framebuffer.base = NULL;
	}
	if (serial.memory && space_map_device(HPA(serial.memory), PCI_UART_SIZE))
		return -ENOMEM;
	if (framebuffer.base && !is_framebuffer_shown &&
	    framebuffer_address() + framebuffer_size() > BOOT_MAP_END)
		show_framebuffer();
	if (serial.memory + PCI_UART_SIZE > BOOT_MAP_END && !start_serial(&serial)) {
		log_warn("the serial port on the PCI card does not answer (console=)");
		serial = (struct uart_place){0};
	}
	return 0;
}

bool console_is_begun(void)
{
	return __atomic_load_n(&is_begun, __ATOMIC_ACQUIRE);
}

bool console_has_screen(void)
{
	return is_vga || is_framebuffer_shown;
}

int console_isa_irq(void)
{
	return serial.memory ? -ENODEV : host_uart_isa_irq(serial.port);
}
