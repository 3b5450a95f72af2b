"""The GPT disk, the words for carousel.efi, and the entry for an installed GRUB."""

import binascii
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
import uuid

import support
from carousel_lib import cli, gpt, grub_entry, image
from carousel_lib.common import Failure
from carousel_lib.words import Module, conf_line


def header(disk, lba):
    names = ("signature", "revision", "size", "crc", "reserved", "lba", "other", "first", "last", "guid",
             "entries", "count", "entry_size", "entries_crc")
    raw = disk[lba * 512:lba * 512 + 92]
    return dict(zip(names, struct.unpack("<8sIIIIQQQQ16sQIII", raw))), raw


class Gpt(unittest.TestCase):
    SECTORS = 86 * gpt.CYLINDER

    def setUp(self):
        parts, self.length = gpt.tables(self.SECTORS)
        self.disk = bytearray(self.SECTORS * 512)
        for lba, data in parts:
            self.disk[lba * 512:lba * 512 + len(data)] = data

    def test_both_headers(self):
        """'GPT Header': each is at its own MyLBA and names the other; the CRCs cover header and entries."""
        for lba, other in ((1, self.SECTORS - 1), (self.SECTORS - 1, 1)):
            head, raw = header(self.disk, lba)
            self.assertEqual(head["signature"], b"EFI PART")
            self.assertEqual((head["lba"], head["other"]), (lba, other))
            self.assertEqual(head["crc"], binascii.crc32(raw[:16] + bytes(4) + raw[20:]))
            entries = self.disk[head["entries"] * 512:head["entries"] * 512 + 128 * 128]
            self.assertEqual(head["entries_crc"], binascii.crc32(entries))
            kind, _, first, last = struct.unpack_from("<16s16sQQ", entries)
            self.assertEqual(uuid.UUID(bytes_le=kind), gpt.ESP_TYPE)
            self.assertGreaterEqual(first, head["first"])
            self.assertLessEqual(last, head["last"])
            self.assertEqual(last - first + 1, self.length)
            # Neither table lies in the partition.
            self.assertTrue(head["entries"] + 32 <= first or head["entries"] > last)

    def test_protective_mbr(self):
        """'Protective MBR': one partition of type 0xEE from sector 1 to the end."""
        self.assertEqual(self.disk[510:512], b"\x55\xaa")
        self.assertEqual(self.disk[450], 0xee)
        self.assertEqual(struct.unpack_from("<II", self.disk, 454), (1, self.SECTORS - 1))
        self.assertEqual(bytes(self.disk[462:510]), bytes(48))

    @unittest.skipUnless(shutil.which("sgdisk"), "sgdisk is not installed")
    def test_sgdisk_verifies(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.disk)
            file.flush()
            done = subprocess.run(["sgdisk", "-v", file.name], stdout=subprocess.PIPE, check=True)
        self.assertIn(b"No problems found", done.stdout)

    @unittest.skipUnless(shutil.which("mformat"), "mtools is not installed")
    def test_files_come_back(self):
        with tempfile.TemporaryDirectory() as folder:
            source, out = os.path.join(folder, "source"), os.path.join(folder, "out.img")
            with open(source, "wb") as file:
                file.write(os.urandom(100000))
            gpt.build(out, [("EFI/BOOT/BOOTX64.EFI", source), ("carousel/a long name.conf", source)])
            self.assertEqual(os.path.getsize(out) % (gpt.CYLINDER * 512), 0)
            drive = f"{out}@@{gpt.FIRST * 512}"
            for name in ("EFI/BOOT/BOOTX64.EFI", "carousel/a long name.conf"):
                back = os.path.join(folder, "back")
                subprocess.run(["mcopy", "-n", "-o", "-i", drive, "::/" + name, back], check=True)
                with open(source, "rb") as one, open(back, "rb") as other:
                    self.assertEqual(one.read(), other.read())
            with open(out, "rb") as file:
                file.seek(gpt.FIRST * 512)
                boot = file.read(90)
            # 'BPB': the partition begins behind so many sectors; FAT32 by its own name.
            self.assertEqual(struct.unpack_from("<I", boot, 28)[0], gpt.FIRST)
            self.assertEqual(boot[82:90], b"FAT32   ")


class Conf(unittest.TestCase):
    def test_words_stay_as_they_are(self):
        self.assertEqual(conf_line("module2", "/m", ["vm=a", "--", "it's", "\"x\"", "a b"]),
                         "module2 /m vm=a -- it's \"x\" a b")
        with self.assertRaises(Failure):
            conf_line("module2", "/m", ["a\nentry"])

    def test_text(self):
        self.assertEqual(image.conf_text(["multiboot2 /c"], 5),
                         "timeout 5\nentry Carousel\n\tmultiboot2 /c\n")


class GrubEntry(unittest.TestCase):
    @unittest.skipUnless(shutil.which("grub-mkrelpath"), "grub-common is not installed")
    def test_entry(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("carousel.elf", "a b.elf", "i.cpio")]
            for path in paths:
                with open(path, "w", encoding="ascii"):
                    pass
            text = grub_entry.text(paths[0], ["cpus=2"], [
                Module(paths[1], ["vm=a", "kernel", "--", "it's"]), Module(paths[2], ["vm=a", "initrd"])])
            script = os.path.join(folder, "grub.cfg")
            with open(script, "w", encoding="utf-8") as file:
                file.write(text)
            subprocess.run(["grub-script-check", script], check=True)
            # One file system: one search, absolute paths.
            place = grub_entry._place(paths[0])[1]
            self.assertTrue(place.startswith("/"))
            self.assertEqual(text.count("search "), 1)
            self.assertIn(f"search --no-floppy --file --set=root {place}\n", text)
            self.assertIn(f"multiboot2 {place} cpus=2\n", text)
            self.assertIn("/a b.elf' vm=a kernel -- 'it'\\''s'\n", text)
            with self.assertRaises(Failure):
                grub_entry.text(paths[0] + "x", [], [])

    def test_own_loader_wants_uefi(self):
        here = os.path.abspath(support.__file__)
        with self.assertRaises(Failure) as caught:
            cli.command_run(cli._parser().parse_args(
                ["run", "--loader", "own", "--vm", "a", "--kernel", here]))
        self.assertIn("--firmware uefi", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
