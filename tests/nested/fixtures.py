"""Files that cases need and no package has: damaged kernels, firmware that locks VMX."""

from __future__ import annotations

import hashlib
import os
import struct

from carousel_lib.common import BUILD, CAROUSEL_ELF
from carousel_lib.machines import BOCHS_SHARE

from case import stub_path

FOLDER = os.path.join(BUILD, "fixtures")


def _write(name: str, body: bytes) -> str:
    os.makedirs(FOLDER, exist_ok=True)
    path = os.path.join(FOLDER, name)
    if not os.path.isfile(path) or open(path, "rb").read() != body:
        with open(path, "wb") as file:
            file.write(body)
    return path


def _hello() -> bytes:
    try:
        with open(stub_path("hello"), "rb") as file:
            return file.read()
    except OSError:
        return b""  # not built: the cases that use it say so


def module(letter: str, size: int) -> str:
    """A boot module of one letter."""
    return _write(f"module-{letter}", letter.encode() * size)


def empty() -> str:
    return _write("empty", b"")


def contents() -> str:
    """A file for a guest to find."""
    return _write("contents", b"contents")


def truncated_elf() -> str:
    """An ELF whose first segment reaches beyond the end of the file."""
    return _write("truncated.elf", _hello()[:1024])


def multiboot2_with_screen() -> str:
    """A Multiboot2 header that cannot do without a framebuffer."""
    tags = struct.pack("<HHII4x", 1, 0, 12, 8)                                        # request
    tags += struct.pack("<HHI4I", 2, 0, 24, 1 << 20, 1 << 20, 0, 0)                   # addresses
    tags += struct.pack("<HHII4x", 3, 0, 12, 1 << 20) + struct.pack("<HHI", 0, 0, 8)  # entry, end
    length = 16 + len(tags)
    header = struct.pack("<4I", 0xe85250d6, 0, length, -(0xe85250d6 + length) & 0xffffffff)
    return _write("screen.bin", header + tags)


def bios_call() -> str:
    """Real-mode code that calls INT 15h and writes 0 to port 0xf4 if that fails as it must."""
    return _write("bios-call.bin", bytes.fromhex(
        "31c0 8ed8 f8 cd15"   # xor ax, ax; mov ds, ax; clc; int 0x15
        "730b 80fc86 7506"    # jnc bad; cmp ah, 0x86; jne bad
        "30c0 e6f4 f4"        # xor al, al; out 0xf4, al; hlt
        "90 b001 e6f4 f4"))   # bad: mov al, 1; out 0xf4, al; hlt


def foreign() -> str:
    """A file of no format that Carousel knows."""
    return _write("foreign", b"This is a text file, and no kernel.\n" * 200)


def disk(size: int = 1 << 16) -> str:
    """A disk whose byte i is i * 7 mod 251."""
    return _write(f"disk{size}.img", (bytes(at * 7 % 251 for at in range(251)) * (size // 251 + 1))[:size])


def md5_of(path: str, start: int = 0) -> str:
    """Of a file's bytes from `start` on."""
    with open(path, "rb") as file:
        return hashlib.md5(file.read()[start:]).hexdigest()


def odd_disk() -> str:
    """A disk that is no multiple of 512 bytes."""
    return _write("odd.img", bytes(1000))


def lying_bzimage() -> str:
    """A bzImage header without its kernel: the setup sectors and the payload that it names are not
    there."""
    image = bytearray(4096)
    image[0x1f1] = 200                                    # setup_sects: beyond the file
    image[0x1fe:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x20f)           # boot protocol 2.15
    image[0x211] = 1                                      # LOADED_HIGH
    struct.pack_into("<II", image, 0x248, 0x1000, 0x7fffffff)  # payload_offset, payload_length
    struct.pack_into("<I", image, 0x260, 0xfffff000)      # init_size
    return _write("lying.bzImage", bytes(image))


def bios_with_feature_control(value: int):
    """For a Case's `prepare`: Bochs' BIOS, changed to leave IA32_FEATURE_CONTROL at `value`: 1 is
    locked without VMX, 0 unlocked. The BIOS itself writes 5, on each CPU."""
    def prepare(log_dir: str) -> None:
        with open(f"{BOCHS_SHARE}/BIOS-bochs-latest", "rb") as file:
            rom = file.read()
        before, after = b"\x83\xc8\x05\x0f\x30", b"\x83\xc8" + bytes([value]) + b"\x0f\x30"
        assert rom.count(before) == 2, "another BIOS than the one that this was written for"
        with open(os.path.join(log_dir, "bios.rom"), "wb") as file:
            file.write(rom.replace(before, after))
    return prepare


def huge() -> str:
    """240 MiB of nothing: more than a machine with 256 MiB has in one piece."""
    os.makedirs(FOLDER, exist_ok=True)
    path = os.path.join(FOLDER, "huge")
    with open(path, "ab") as file:
        file.truncate(240 << 20)
    return path


def carousel_elsewhere(address: int) -> str:
    """The hypervisor's ELF file as if it had been linked at another address: for its loader only."""
    try:
        with open(CAROUSEL_ELF, "rb") as file:
            elf = bytearray(file.read())
    except OSError:
        return _write("carousel-elsewhere.elf", b"")  # not built: the case says so
    entry, phoff = struct.unpack_from("<QQ", elf, 24)
    count, = struct.unpack_from("<H", elf, 56)
    places = [phoff + 56 * index + 24 for index in range(count)]
    shift = address - min(struct.unpack_from("<Q", elf, place)[0] for place in places)
    struct.pack_into("<Q", elf, 24, entry + shift)
    for place in places:
        struct.pack_into("<Q", elf, place, struct.unpack_from("<Q", elf, place)[0] + shift)
    return _write("carousel-elsewhere.elf", bytes(elf))


BIOS_ROM_OPTION = "romimage: file=bios.rom"


def many_symbols(count: int = 300000) -> str:
    """The stub that ends by a triple fault, with a symbol table of its own: so many names of functions in its
    code, the nearest of which are the last."""
    try:
        with open(stub_path("triple"), "rb") as file:
            body = bytearray(file.read())
    except OSError:
        return _write("many-symbols.elf", b"")
    base, size, names = 0x200000, 0x3000, b"\0far\0near\0"
    table = b"".join(struct.pack("<IBBHQQ", 1, 2, 0, 1, base + 1 + at % 15, 0) for at in range(count - 1))
    table += struct.pack("<IBBHQQ", 5, 2, 0, 1, base, 0)
    at = len(body)
    body += table + names
    headers = [struct.pack("<IIQQQQIIQQ", *fields) for fields in (
        (0,) * 10,
        (0, 1, 6, base, 0, size, 0, 0, 16, 0),                                  # code
        (0, 2, 0, 0, at, len(table), 3, 0, 8, 24),                              # symbols
        (0, 3, 0, 0, at + len(table), len(names), 0, 0, 1, 0))]                 # their names
    struct.pack_into("<Q", body, 0x28, len(body))
    struct.pack_into("<HHH", body, 0x3a, 64, len(headers), 0)
    return _write("many-symbols.elf", bytes(body) + b"".join(headers))


def many_notes(count: int) -> str:
    """An ELF file of so many PT_NOTE headers over the same 4 MiB, in which there is no note of Xen's."""
    size = 4 << 20
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 1 << 20, 64, 0, 0, 64, 56, count,
                                                        0, 0, 0)
    at = 64 + 56 * count
    notes = struct.pack("<III4s", 4, 0, 1, b"GNU\0") * (size // 16)
    return _write(f"many-notes-{count}.elf",
                  header + struct.pack("<IIQQQQQQ", 4, 0, at, 0, 0, size, size, 4) * count + notes)


def many_sections(count: int = 1023, size: int = 16 << 10) -> str:
    """A Multiboot kernel that resets at once, with so many sections that no segment loads, all of the same bytes
    of the file."""
    base, text, contents = 1 << 20, 0x1000, 0x2000
    code = bytes.fromhex("66baf90c b006 ee f4")  # mov dx, 0xcf9; mov al, 6; out dx, al; hlt
    body = bytearray(contents) + b"A" * size
    struct.pack_into("<3I", body, text, 0x1badb002, 0, -0x1badb002 & 0xffffffff)
    body[text + 16:text + 16 + len(code)] = code
    struct.pack_into("<7s9xHHIIIIIHHHHHH", body, 0, b"\x7fELF\1\1\1", 2, 3, 1, base + 16, 52, len(body), 0, 52, 32, 1,
                     40, count + 1, 0)
    struct.pack_into("<8I", body, 52, 1, text, base, base, 0x100, 0x100, 7, 0x1000)
    section = struct.pack("<10I", 0, 1, 0, 0, contents, size, 0, 0, 1, 0)
    return _write("many-sections.elf", bytes(body) + bytes(40) + section * count)


def partial_line() -> str:
    """A flat image for real mode: a line that does not end (255 bytes that a terminal gets as four each), then a
    reset."""
    # mov dx, 0xe9; mov cx, 255; mov al, 0x80; l: out dx, al; loop l; mov dx, 0xcf9; mov al, 6; out dx, al; jmp $
    return _write("partial-line.bin", bytes.fromhex("bae900" "b9ff00" "b080" "ee" "e2fd" "baf90c" "b006" "ee" "ebfe"))


def ends_with_others() -> str:
    """A flat image for real mode: lines on port 0xe9 and COM2 that do not end; then, when the second turns from odd to
    even, 0 to port 0xf4."""
    return _write("ends-with-others.bin", bytes.fromhex(
        "bae900 b9ff00 b080 ee e2fd"                # 255 bytes of 0x80 to 0xe9
        "baf802 b9ff00 ee e2fd"                     # and to 0x2f8
        "30c0 e670 e471 2401 3c01 75f4"             # until the second is odd
        "30c0 e670 e471 2401 75f6"                  # until it is even
        "30c0 e6f4 f4"))
