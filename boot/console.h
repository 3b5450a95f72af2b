/* Where the log goes: the screen as the boot loader left it, and a 16550. */
#ifndef BOOT_CONSOLE_H
#define BOOT_CONSOLE_H

#include "boot/boot.h"

/* Starts what boot/header.S' tables reach, by the options and the framebuffer in `boot`. */
void console_init(const struct boot *boot);

/* Has that been called? Any pCPU. */
bool console_is_begun(void);

/* Maps what is in use into the hypervisor's own tables, and starts what was out of reach before.
 * Right after space_init. -ENOMEM. */
int __must_check console_map(void);

/* Can a person read the log on a screen? */
bool console_has_screen(void);

/* The ISA interrupt of the serial console, or -ENODEV. */
int __must_check console_isa_irq(void);

#endif
