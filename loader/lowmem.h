/* The fixed places in a guest's low memory that the loader fills; docs/guests.md has the table too.
 * Pure; for loader/ only. */
#ifndef LOADER_LOWMEM_H
#define LOADER_LOWMEM_H

#include "loader/image.h"

/* clang-format off */
/* address          what                                                      there for
 * 0x00000-0x003ff  real-mode vectors, all to 0xfff53: 'not supported'        all
 * 0x00400-0x00fff  zero but for the BIOS data area: COM1's port at 0x400, the
 *                  KiB of low memory at 0x413; the real-mode stack           all; mode 16 keeps it
 * 0x01000-0x01fff  GDT: 0x08 code of the other mode, 0x10 code (32-bit in
 *                  mode 32, 64-bit in mode 64), 0x18 data; all flat          modes 32, 64
 * 0x02000-0x02fff  PML4                                                      mode 64
 * 0x03000-0x03fff  PDPT                                                      mode 64
 * 0x04000-0x07fff  four page directories: the first 4 GiB mapped to
 *                  themselves, writable, 2 MiB pages                         mode 64
 * 0x08000-0x08fff  boot_params; or hvm_start_info, its module list at
 *                  0x8100, its memory map at 0x8800                          bzImage; PVH
 * from 0x08000     Multiboot's information with its strings, at the first
 *                  pages that the kernel leaves                              Multiboot
 * 0x09000-0x09fff  the command line, terminated                              the others but mode 16
 * 0x0a000-0x0dfff  the strings of modules; or setup_data, one page            PVH; bzImage
 * 0x70000-0x7ffff  the stack, from 0x80000 down                              flat, ELF32, ELF64
 * 0xa0000-0xfffff  reserved in the memory map; ACPI tables from 0xe0000 on,
 *                  the firmware's answer at 0xfff53                          all
 *
 * An image must not lie on what its own start has there. All but the ACPI tables is RAM that the
 * guest may use for other things as soon as it no longer needs them. */
/* clang-format on */
#define LOWMEM_VECTORS      256u
#define LOWMEM_BDA_COM1     0x400u
#define LOWMEM_BDA_KIB      0x413u
#define LOWMEM_GDT          0x1000u
#define LOWMEM_PML4         0x2000u
#define LOWMEM_PDPT         0x3000u
#define LOWMEM_PD           0x4000u
#define LOWMEM_INFO         0x8000u
#define LOWMEM_CMDLINE      0x9000u
#define LOWMEM_STRINGS      0xa000u
#define LOWMEM_STRINGS_SIZE 0x4000u
#define LOWMEM_SETUP_DATA   0xa000u
#define LOWMEM_STACK        0x70000u
#define LOWMEM_STACK_TOP    0x80000u
#define LOWMEM_REAL_STACK   0x1000u
#define LOWMEM_BIOS_CALL    0xfff53u /* where many a BIOS has its IRET */
#define GUEST_HOLE_BASE     0xa0000u
#define GUEST_HOLE_END      0x100000u

/* Linux's __BOOT_CS and __BOOT_DS; the same for all formats. */
#define LOWMEM_CS 0x10u
#define LOWMEM_DS 0x18u

/* Writes what a PC's firmware leaves: real-mode vectors, whose calls all fail with carry set and AH
 * 0x86, and the BIOS data area. Xen calls it before it looks whether there is any. Reserves
 * nothing: an image may lie on it. */
int __must_check lowmem_build_firmware(struct image *image);

/* Reserves and fills the GDT, and for mode 64 page tables. Sets the entry's mode, cr3, GDT and
 * selectors. */
int __must_check lowmem_build_mode(struct image *image, uint8_t mode);

/* Reserves and fills what mode 32 or 64 has: GDT, page tables, the command line. Sets the entry's
 * mode, cr3, GDT and selectors. `format`: what the guest is told to be; `cmdline_max`: the longest
 * command line, without its terminator, that the guest takes. */
int __must_check lowmem_build(struct image *image, uint8_t mode, const char *format,
			      uint32_t cmdline_max);

/* Reserves the stack and sets the registers that flat and ELF64 images start with: RSP, RDI the
 * command line, RSI the bytes of RAM. After lowmem_build. */
int __must_check lowmem_build_stack(struct image *image);

#endif
