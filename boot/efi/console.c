/* The console of carousel.efi. */
#include "boot/efi/console.h"
#include "boot/efi/serial.h"
#include "lib/printf.h"
#include "lib/string.h"

#define LINE_MAX 512u

static EFI_SYSTEM_TABLE *table;
static bool has_own_serial; /* COM1 is there, and the firmware's console is not on a UART already */

/* 'ConOut' holds device paths, one instance behind the other: is a UART in one of them? */
static bool is_console_on_uart(void)
{
	static EFI_GUID global = EFI_GLOBAL_VARIABLE;
	static uint8_t path[1024];
	UINTN size = sizeof(path);
	EFI_DEVICE_PATH_PROTOCOL node;

	if (EFI_ERROR(table->RuntimeServices->GetVariable(L"ConOut", &global, NULL, &size, path)))
		return false;
	for (UINTN at = 0; at + sizeof(node) <= size;) {
		uint16_t len;

		memcpy(&node, path + at, sizeof(node));
		len = (uint16_t)(node.Length[0] | node.Length[1] << 8);
		if (len < sizeof(node))
			return false;
		if (node.Type == MESSAGING_DEVICE_PATH && node.SubType == MSG_UART_DP)
			return true;
		at += len;
	}
	return false;
}

void console_init(EFI_SYSTEM_TABLE *st)
{
	table = st;
	has_own_serial = !is_console_on_uart() && serial_init();
	if (st->ConOut)
		st->ConOut->EnableCursor(st->ConOut, FALSE);
}

static void put(const char *text)
{
	CHAR16 wide[2 * LINE_MAX + 1];
	size_t n = 0;

	for (const char *p = text; *p; p++) {
		if (*p == '\n')
			wide[n++] = '\r';
		wide[n++] = (uint8_t)*p;
	}
	wide[n] = 0;
	if (table->ConOut)
		table->ConOut->OutputString(table->ConOut, wide);
	if (has_own_serial)
		for (size_t i = 0; i < n; i++)
			serial_put((uint8_t)wide[i]);
}

void console_print(const char *fmt, ...)
{
	char text[LINE_MAX];
	va_list args;

	va_start(args, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	put(text);
}

/* A timer event for `ms`, or NULL. */
static EFI_EVENT start_timer(uint32_t ms)
{
	EFI_BOOT_SERVICES *bs = table->BootServices;
	EFI_EVENT timer;

	if (ms == UINT32_MAX || EFI_ERROR(bs->CreateEvent(EVT_TIMER, 0, NULL, NULL, &timer)))
		return NULL;
	/* In units of 100 ns. */
	if (!EFI_ERROR(bs->SetTimer(timer, TimerRelative, (uint64_t)ms * 10000)))
		return timer;
	bs->CloseEvent(timer);
	return NULL;
}

uint32_t console_key(uint32_t ms)
{
	EFI_BOOT_SERVICES *bs = table->BootServices;
	EFI_EVENT events[2] = {table->ConIn ? table->ConIn->WaitForKey : NULL, start_timer(ms)};
	uint32_t result = CONSOLE_NO_KEY;
	EFI_INPUT_KEY key;
	UINTN index;

	if (!events[0] || (ms != UINT32_MAX && !events[1]))
		return CONSOLE_NO_KEY;
	while (!EFI_ERROR(bs->WaitForEvent(events[1] ? 2 : 1, events, &index)) && index == 0)
		/* A shift key alone wakes, too, and is no key. */
		if (!EFI_ERROR(table->ConIn->ReadKeyStroke(table->ConIn, &key))) {
			result = key.UnicodeChar ? key.UnicodeChar : key.ScanCode + CONSOLE_SCAN;
			break;
		}
	if (events[1])
		bs->CloseEvent(events[1]);
	return result;
}
