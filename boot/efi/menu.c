/* The menu of carousel.efi: arrows or digits choose, the time chooses the default. */
#include "boot/efi/console.h"
#include "boot/efi/loader.h"

#define SECOND_MS 1000u

static void show(const struct efi_config *config)
{
	console_print("\n");
	for (uint32_t i = 0; i < config->entry_count; i++)
		console_print("  %2u  %.70s\n", i + 1, config->entry[i].name);
	console_print(
		"\nEnter starts, up, down or a number chooses, Esc goes back to the firmware.\n");
}

static void show_choice(const struct efi_config *config, uint32_t chosen, uint32_t seconds)
{
	console_print("\r%2u  %-40.40s", chosen + 1, config->entry[chosen].name);
	if (seconds == EFI_CONFIG_TIMEOUT_NEVER)
		console_print("          ");
	else
		console_print(" in %4u s", seconds);
}

/* What the key makes of the choice. */
static uint32_t move(const struct efi_config *config, uint32_t chosen, uint32_t key)
{
	if (key == CONSOLE_SCAN + SCAN_UP && chosen)
		return chosen - 1;
	if (key == CONSOLE_SCAN + SCAN_DOWN && chosen + 1 < config->entry_count)
		return chosen + 1;
	if (key >= '1' && key <= '9' && key - '1' < config->entry_count)
		return key - '1';
	return chosen;
}

bool menu_choose(const struct efi_config *config, uint32_t *chosen)
{
	uint32_t seconds = config->timeout;

	*chosen = config->chosen;
	if (!seconds)
		return true;
	show(config);
	for (;;) {
		uint32_t key;

		show_choice(config, *chosen, seconds);
		key = console_key(seconds == EFI_CONFIG_TIMEOUT_NEVER ? UINT32_MAX : SECOND_MS);
		if (key == CONSOLE_NO_KEY && seconds != EFI_CONFIG_TIMEOUT_NEVER && --seconds)
			continue;
		/* Without a keyboard, the choice is made, too. */
		if (key == CONSOLE_NO_KEY || key == '\r' || key == '\n') {
			console_print("\n\n");
			return true;
		}
		if (key == CONSOLE_SCAN + SCAN_ESC || key == 0x1b) {
			console_print("\n");
			return false;
		}
		seconds = EFI_CONFIG_TIMEOUT_NEVER;
		*chosen = move(config, *chosen, key);
	}
}
