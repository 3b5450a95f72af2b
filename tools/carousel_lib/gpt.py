"""A disk image with a GUID partition table and one EFI system partition of FAT32 ('UEFI specification',
'GUID Partition Table (GPT) Disk Layout')."""

from __future__ import annotations

import binascii
import os
import struct
import uuid

from .common import Failure, run_tool, tool

SECTOR = 512
ENTRIES, ENTRY_SIZE = 128, 128
ENTRY_SECTORS = ENTRIES * ENTRY_SIZE // SECTOR
FIRST = 2048  # the partition begins at 1 MiB
# A whole number of cylinders of 16 heads and 63 sectors: where a BIOS or an emulator still counts in them,
# the second table at the end of the disk is there, too.
CYLINDER = 16 * 63
ESP_TYPE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
# FAT32 has at least 65525 clusters ('Microsoft FAT specification', 'FAT Type Determination').
ESP_MIN = 40 << 20
LARGE = 512 << 20  # from here on clusters of 4 KiB


def _header(lba: int, other: int, entries_lba: int, last: int, disk: uuid.UUID, crc: int) -> bytes:
    fields = (b"EFI PART", 0x00010000, 92, 0, 0, lba, other, 2 + ENTRY_SECTORS, last, disk.bytes_le,
              entries_lba, ENTRIES, ENTRY_SIZE, crc)
    form = "<8sIIIIQQQQ16sQIII"
    plain = struct.pack(form, *fields)
    return plain[:16] + struct.pack("<I", binascii.crc32(plain)) + plain[20:]


def tables(sectors: int) -> tuple[list[tuple[int, bytes]], int]:
    """What goes where, as (sector, bytes), on a disk of so many sectors; and the partition's length."""
    last = sectors - 2 - ENTRY_SECTORS  # the last sector that a partition may have
    entry = struct.pack("<16s16sQQQ72s", ESP_TYPE.bytes_le, uuid.uuid4().bytes_le, FIRST, last, 0,
                        "Carousel".encode("utf-16-le"))
    entries = entry.ljust(ENTRIES * ENTRY_SIZE, b"\0")
    crc, disk = binascii.crc32(entries), uuid.uuid4()
    # 'Protective MBR': one partition of type 0xee over all that 32 bits reach.
    mbr = bytearray(SECTOR)
    mbr[446:462] = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", 0xee, b"\xff\xff\xff", 1,
                               min(sectors - 1, 0xffffffff))
    mbr[510:512] = b"\x55\xaa"
    return [(0, bytes(mbr)),
            (1, _header(1, sectors - 1, 2, last, disk, crc)), (2, entries),
            (sectors - 1 - ENTRY_SECTORS, entries),
            (sectors - 1, _header(sectors - 1, 1, sectors - 1 - ENTRY_SECTORS, last, disk, crc))], \
        last - FIRST + 1


def build(out: str, files: list[tuple[str, str]]) -> None:
    """Writes the image. `files`: (path on the partition, as EFI/BOOT/BOOTX64.EFI; file here)."""
    mformat, mmd, mcopy = (tool(name, "mtools") for name in ("mformat", "mmd", "mcopy"))
    total = 0
    for _, path in files:
        size = os.path.getsize(path)
        if size >= 1 << 32:
            raise Failure(f"{path} is {size >> 20} MiB: FAT32 takes files below 4 GiB")
        total += size + 4096
    esp = max(ESP_MIN, total + total // 64 + (4 << 20))  # the tables of FAT32 take 1 in 64 at most
    sectors = -(-(FIRST + esp // SECTOR + ENTRY_SECTORS + 1) // CYLINDER) * CYLINDER
    parts, length = tables(sectors)
    with open(out, "wb") as file:
        file.truncate(sectors * SECTOR)
        for lba, data in parts:
            file.seek(lba * SECTOR)
            file.write(data)
    drive = f"{out}@@{FIRST * SECTOR}"
    run_tool([mformat, "-i", drive, "-F", "-T", str(length), "-h", "16", "-s", "63", "-H", str(FIRST),
              "-c", "1" if length * SECTOR < LARGE else "8", "-v", "CAROUSEL", "::"], "mformat")
    folders: list[str] = []
    for target, _ in files:
        names = target.split("/")[:-1]
        for depth in range(1, len(names) + 1):
            folder = "/".join(names[:depth])
            if folder not in folders:
                folders.append(folder)
    run_tool([mmd, "-i", drive] + ["::/" + folder for folder in folders], "mmd")
    for target, path in files:
        run_tool([mcopy, "-i", drive, path, "::/" + target], "mcopy")
