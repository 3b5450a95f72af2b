"""Takes the kernel's own vmlinux out of a bzImage (Linux' boot protocol 2.08 and later says where its
compressed payload is)."""

from __future__ import annotations

import bz2
import lzma
import shutil
import struct
import subprocess
import zlib

from .common import Failure

SETUP_SECTS, BOOT_FLAG, HEADER, VERSION = 0x1f1, 0x1fe, 0x202, 0x206
PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x248, 0x24c

EHDR_SIZE, PT_LOAD, PAGE = 64, 1, 4096
PHDR = struct.Struct("<IIQQQQQQ")  # type, flags, offset, vaddr, paddr, filesz, memsz, align


def _xz(data: bytes) -> bytes:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(data)


def _lzma(data: bytes) -> bytes:
    return lzma.LZMADecompressor(format=lzma.FORMAT_ALONE).decompress(data)


def _gzip(data: bytes) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data)


def _bzip2(data: bytes) -> bytes:
    return bz2.BZ2Decompressor().decompress(data)


def _program(name: str, package: str):
    """A format that Python's standard library does not know, by its usual program. The four bytes of
    the size that stand behind the payload are no part of it."""
    def decompress(data: bytes) -> bytes:
        if not shutil.which(name):
            raise Failure(f"this bzImage is {name}-compressed and {name} is not installed",
                          f"apt-get install {package}")
        done = subprocess.run([name, "-dc"], input=data[:-4], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise ValueError(done.stderr.decode("utf-8", "replace").strip())
        return done.stdout
    return decompress


FORMATS = (
    (b"\xfd7zXZ\0", "xz", _xz),
    (b"\x1f\x8b", "gzip", _gzip),
    (b"BZh", "bzip2", _bzip2),
    (b"\x5d\0\0", "lzma", _lzma),
    (b"\x28\xb5\x2f\xfd", "zstd", _program("zstd", "zstd")),
    (b"\x02\x21\x4c\x18", "lz4", _program("lz4", "lz4")),
    (b"\x89LZO", "lzo", _program("lzop", "lzop")),
)


def payload(image: bytes, name: str = "the file") -> bytes:
    """The compressed kernel inside a bzImage, by its header's offset and length."""
    if len(image) < 0x250 or image[BOOT_FLAG:BOOT_FLAG + 2] != b"\x55\xaa" \
            or image[HEADER:HEADER + 4] != b"HdrS":
        raise Failure(f"{name} is not a bzImage (no HdrS magic)", "give a Linux bzImage")
    version, = struct.unpack_from("<H", image, VERSION)
    if version < 0x208:
        raise Failure(f"{name} has boot protocol {version >> 8}.{version & 255:02}",
                      "2.08 or later says where the payload is; boot the bzImage itself")
    offset, length = struct.unpack_from("<II", image, PAYLOAD_OFFSET)
    start = ((image[SETUP_SECTS] or 4) + 1) * 512 + offset
    if not length or start + length > len(image):
        raise Failure(f"{name}: the payload that its header names ends at byte {start + length}, "
                      f"the file at {len(image)}", "it is truncated or damaged: fetch it again")
    return image[start:start + length]


def slim(elf: bytes, name: str = "the file") -> bytes:
    """The same memory image in a smaller file: the segments without the zeros at their ends, no
    sections, and nothing of the bzImage's own that stands behind. A boot loader in an emulator needs
    a dozen instructions for each byte."""
    if elf[:6] != b"\x7fELF\x02\x01" or len(elf) < EHDR_SIZE:
        raise Failure(f"{name} does not hold a 64-bit ELF kernel", "boot the bzImage itself")
    phoff, = struct.unpack_from("<Q", elf, 32)
    phentsize, phnum = struct.unpack_from("<HH", elf, 54)
    if phentsize != PHDR.size or phoff + phnum * PHDR.size > len(elf):
        raise Failure(f"{name}: its ELF program headers are damaged", "fetch it again")
    headers = [list(PHDR.unpack_from(elf, phoff + index * PHDR.size)) for index in range(phnum)]
    out = bytearray(EHDR_SIZE + phnum * PHDR.size)
    moves = []  # (old offset, its end, new offset) of each segment
    for header in headers:
        kind, _, offset, vaddr, _, filesz, _, _ = header
        if offset + filesz > len(elf):
            raise Failure(f"{name}: a segment lies beyond the file's end", "fetch it again")
        if kind == PT_LOAD:
            body = elf[offset:offset + filesz].rstrip(b"\0")
            out += bytes((vaddr - len(out)) % PAGE)
            moves.append((offset, offset + filesz, len(out)))
            header[2], header[5], header[7] = len(out), len(body), PAGE
            out += body
    for header in headers:
        if header[0] != PT_LOAD:
            _place(header, moves, elf, out)
    struct.pack_into("<16sHHIQQQIHHHHHH", out, 0, *struct.unpack_from("<16sHHIQ", elf), EHDR_SIZE, 0,
                     0, EHDR_SIZE, PHDR.size, phnum, 0, 0, 0)
    for index, header in enumerate(headers):
        PHDR.pack_into(out, EHDR_SIZE + index * PHDR.size, *header)
    return bytes(out)


def _place(header: list, moves: list, elf: bytes, out: bytearray) -> None:
    """A segment that is no PT_LOAD (the notes): inside one that was moved, or on its own."""
    offset, filesz = header[2], header[5]
    for start, end, new in moves:
        if start <= offset and offset + filesz <= end and new + offset - start + filesz <= len(out):
            header[2] = new + offset - start
            return
    out += bytes(-len(out) % 8)
    header[2] = len(out)
    out += elf[offset:offset + filesz]


def extract(image: bytes, name: str = "the file") -> bytes:
    data = payload(image, name)
    for magic, label, decompress in FORMATS:
        if data.startswith(magic):
            try:
                elf = decompress(data)
            except (ValueError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
                raise Failure(f"{name}: its {label} payload is damaged ({error})",
                              "fetch it again") from error
            return slim(elf, name)
    if data.startswith(b"\x7fELF"):
        return slim(data, name)
    raise Failure(f"{name}: payload of an unknown compression (it starts {data[:6].hex()})",
                  "boot the bzImage itself")


def extract_file(source: str, target: str) -> None:
    try:
        with open(source, "rb") as file:
            image = file.read()
    except OSError as error:
        raise Failure(f"cannot read {source}: {error.strerror}") from error
    elf = extract(image, source)
    with open(target, "wb") as file:
        file.write(elf)
