"""Initrds with a static busybox."""

from __future__ import annotations

import os
import struct

from . import cpio
from .common import Failure

PT_INTERP = 3
BUSYBOX = ("/bin/busybox", "/usr/bin/busybox")


def is_static(elf: bytes) -> bool:
    """Whether this is a 64-bit ELF program that names no interpreter."""
    if elf[:5] != b"\x7fELF\x02":
        return False
    phoff, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    return all(struct.unpack_from("<I", elf, phoff + index * size)[0] != PT_INTERP
               for index in range(count))


def make(target: str, init: str, files: dict[str, str], nodes: dict[str, tuple[int, int]] | None = None) -> None:
    """A static busybox, `init` as /init, files (name in the initrd to path), and character devices besides
    /dev/console and /dev/port (name to numbers)."""
    busybox = next((path for path in BUSYBOX if os.path.isfile(path)), "")
    if not busybox:
        raise Failure("busybox is not installed", "apt-get install busybox-static, or `make deps`")
    with open(busybox, "rb") as file:
        body = file.read()
    if not is_static(body):
        raise Failure(f"{busybox} is not a static one", "apt-get install busybox-static")
    archive = cpio.Archive()
    for folder in ("bin", "dev", "lib", "proc", "sys"):
        archive.folder(folder)
    archive.char_device("dev/console", 5, 1)
    archive.char_device("dev/port", 1, 4)
    for name, numbers in (nodes or {}).items():
        archive.char_device(name, *numbers)
    archive.file("bin/busybox", body)
    archive.link("bin/sh", "busybox")
    archive.file("init", init.encode())
    for name, path in files.items():
        with open(path, "rb") as file:
            archive.file(name, file.read())
    with open(target, "wb") as file:
        file.write(archive.data())
