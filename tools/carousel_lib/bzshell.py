"""Makes a bzImage of a kernel that is not compressed: the original's header, and its memory image behind
tests/bench/kvm/shell.S. Linux' own decompression takes minutes in an emulator."""

from __future__ import annotations

import struct

from .common import Failure
from .vmlinux import HEADER, PHDR, PT_LOAD, SETUP_SECTS

SHELL_SIZE = 0x8000  # the same in shell.S
KERNEL = 0x1000000   # where the kernel is linked to lie, and is entered

# The header's fields: 'The Linux/x86 Boot Protocol'.
SYSSIZE, RELOCATABLE, MIN_ALIGNMENT = 0x1f4, 0x234, 0x235
PAYLOAD_OFFSET, PAYLOAD_LENGTH, PREF_ADDRESS, INIT_SIZE = 0x248, 0x24c, 0x258, 0x260


def memory_image(elf: bytes) -> bytes:
    """What lies from KERNEL on when the ELF file is loaded."""
    entry, phoff = struct.unpack_from("<QQ", elf, 24)
    count, = struct.unpack_from("<H", elf, 56)
    out = bytearray()
    for index in range(count):
        kind, _, offset, _, paddr, filesz, _, _ = PHDR.unpack_from(elf, phoff + index * PHDR.size)
        if kind != PT_LOAD or not filesz:
            continue
        at = paddr - KERNEL
        if at < len(out):
            raise Failure(f"the kernel has a segment at {paddr:#x}, not above those before it from {KERNEL:#x} on",
                          "this kernel is laid out in another way: boot its bzImage itself")
        out += bytes(at - len(out)) + elf[offset:offset + filesz]
    if entry != KERNEL:
        raise Failure(f"the kernel's entry is {entry:#x}, not {KERNEL:#x}", "boot its bzImage itself")
    return bytes(out)


def wrap(bzimage: bytes, elf: bytes, shell: bytes) -> bytes:
    """The bzImage. `elf` is the vmlinux of `bzimage`."""
    if len(shell) != SHELL_SIZE:
        raise Failure(f"the shell has {len(shell)} bytes, not {SHELL_SIZE}", "run `make` again")
    if len(bzimage) < 0x1000 or bzimage[HEADER:HEADER + 4] != b"HdrS":
        raise Failure("this is not a bzImage (no HdrS magic)", "give a Linux bzImage")
    setup = bytearray(bzimage[:((bzimage[SETUP_SECTS] or 4) + 1) * 512])
    body = shell + memory_image(elf)
    body += bytes(-len(body) % 16)
    init_size, = struct.unpack_from("<I", setup, INIT_SIZE)
    struct.pack_into("<I", setup, SYSSIZE, len(body) // 16)
    struct.pack_into("<BB", setup, RELOCATABLE, 1, 12)
    struct.pack_into("<II", setup, PAYLOAD_OFFSET, 0, 0)
    struct.pack_into("<Q", setup, PREF_ADDRESS, KERNEL - SHELL_SIZE)
    struct.pack_into("<I", setup, INIT_SIZE, init_size + SHELL_SIZE)
    return bytes(setup) + body
