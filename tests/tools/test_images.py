"""Words for GRUB, the command line, the initrd, and the vmlinux inside a bzImage."""

import contextlib
import gzip
import io
import lzma
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

import support  # noqa: F401
from carousel_lib import cli, cpio, vmlinux
from carousel_lib.common import Failure
from carousel_lib.words import Vm, check_name, grub_line, grub_quote, size_in_bytes


class Words(unittest.TestCase):
    def test_quoting(self):
        self.assertEqual(grub_quote("mem=256M"), "mem=256M")
        self.assertEqual(grub_quote("a$b;{c}#\"\\"), "'a$b;{c}#\"\\'")
        self.assertEqual(grub_quote("it's"), "'it'\\''s'")

    def test_words_never_hold_a_space(self):
        self.assertEqual(grub_line("module2", "/m", ["vm=a", "x y"]), "module2 /m vm=a x y")

    def test_control_characters_are_refused(self):
        with self.assertRaises(Failure):
            grub_quote("a\nboot")

    def test_sizes(self):
        self.assertEqual(size_in_bytes("256M", "x"), 256 << 20)
        self.assertEqual(size_in_bytes("4096", "x"), 4096)
        for bad in ("", "M", "1T", "-1", "1.5G"):
            with self.assertRaises(Failure):
                size_in_bytes(bad, "x")

    def test_names(self):
        check_name("linux-6.1_a")
        for bad in ("", "a b", "a|b", "-a", "x" * 40):
            with self.assertRaises(Failure):
                check_name(bad)

    def test_modules_of_a_vm(self):
        vm = Vm("a", kernel="k", initrd="i", modules=[("m", "x y")], disks=[("d", ""), ("e", "ro,serial=x")], mem="1G", pin="0,1",
                words=["background"], append="console=ttyS0  quiet")
        self.assertEqual([module.words for module in vm.boot_modules()], [
            ["vm=a", "kernel", "mem=1G", "pin=0,1", "background", "--", "console=ttyS0", "quiet"],
            ["vm=a", "initrd"], ["vm=a", "module", "--", "x", "y"],
            ["vm=a", "disk"], ["vm=a", "disk", "ro", "serial=x"]])


class CommandLine(unittest.TestCase):
    def fail(self, *words):
        err = io.StringIO()
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            try:
                status = cli.main(list(words))
            except SystemExit as stop:  # argparse's own way out
                status = stop.code
        self.assertEqual(status, 2, words)
        return err.getvalue()

    def test_bad_usage_is_named(self):
        here = os.path.abspath(__file__)
        self.assertIn("no VM", self.fail("run"))
        self.assertIn("--vm", self.fail("run", "--kernel", "x"))
        self.assertIn("no kernel", self.fail("run", "--vm", "a"))
        self.assertIn("no such file", self.fail("run", "--vm", "a", "--kernel", "/nonexistent"))
        self.assertIn("--disk", self.fail("run", "--vm", "a", "--kernel", here, "--disk", "/nonexistent:ro"))
        self.assertIn("twice", self.fail("run", "--vm", "a", "--vm", "a"))
        self.assertIn("twice", self.fail("run", "--vm", "a", "--mem", "1M", "--mem", "2M"))
        self.assertIn("size", self.fail("run", "--vm", "a", "--kernel", here, "--mem", "lots"))
        self.assertIn("regular", self.fail("run", "--vm", "a", "--expect", "("))
        self.assertIn("number", self.fail("run", "--cpus", "0"))
        self.assertIn("unrecognized", self.fail("run", "--memo", "1M"))
        self.assertIn("one VM", self.fail("run", "--status", "guest", "--vm", "a", "--kernel", here,
                                          "--vm", "b", "--kernel", here))

    def test_module_with_a_string(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a:b")
            with open(path, "w", encoding="ascii"):
                pass
            self.assertEqual(cli._module(path + ":x:y"), (path, "x:y"))
            self.assertEqual(cli._module(path), (path, ""))


def small_elf(zeros=5000):
    """A 64-bit ELF with one segment (code, a note in it, and zeros behind) and one empty one."""
    note = b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0" + struct.pack("<Q", 0x1000050)
    body = b"CODE" * 64 + note
    phdrs = [(1, 5, 0x200, 0xffffffff81000000, 0x1000000, len(body) + zeros, 0x8000, 0x200),
             (1, 6, 0x200, 0xffffffff82000000, 0x2000000, 0, 0x1000, 0x1000),
             (4, 4, 0x200 + 256, 0xffffffff81000100, 0x1000100, len(note), len(note), 4)]
    elf = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0x1000000, 64, 0, 0, 64,
                      56, len(phdrs), 0, 0, 0)
    elf += b"".join(vmlinux.PHDR.pack(*phdr) for phdr in phdrs)
    return elf.ljust(0x200, b"\0") + body + bytes(zeros), note


def bzimage(payload):
    image = bytearray(1024)
    image[0x1f1] = 1
    image[0x1fe:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x20f)
    struct.pack_into("<II", image, 0x248, 16, len(payload))
    return bytes(image) + bytes(16) + payload


class Vmlinux(unittest.TestCase):
    def segments(self, elf):
        phnum, = struct.unpack_from("<H", elf, 56)
        for index in range(phnum):
            kind, flags, offset, vaddr, paddr, filesz, memsz, _ = \
                vmlinux.PHDR.unpack_from(elf, 64 + 56 * index)
            data = elf[offset:offset + filesz]
            yield kind, flags, vaddr, paddr, memsz, data.ljust(memsz, b"\0") if kind == 1 else data

    def test_each_compression(self):
        elf, note = small_elf()
        for data in (gzip.compress(elf), lzma.compress(elf), elf,
                     lzma.compress(elf, format=lzma.FORMAT_ALONE)):
            found = vmlinux.extract(bzimage(data + struct.pack("<I", len(elf))))
            self.assertEqual(list(self.segments(found)), list(self.segments(elf)))
            self.assertLess(len(found), 10000)
            self.assertEqual(list(self.segments(found))[2][5], note)

    @unittest.skipUnless(shutil.which("zstd"), "zstd is not installed")
    def test_zstd(self):
        elf, _ = small_elf()
        data = subprocess.run(["zstd", "-c"], input=elf, stdout=subprocess.PIPE, check=True).stdout
        found = vmlinux.extract(bzimage(data + struct.pack("<I", len(elf))))
        self.assertEqual(list(self.segments(found)), list(self.segments(elf)))

    def test_bad_files_are_named(self):
        elf, _ = small_elf()
        whole = bzimage(lzma.compress(elf))
        for image, word in ((b"", "bzImage"), (b"x" * 5000, "bzImage"), (whole[:-20], "truncated"),
                            (bzimage(b"\xfd7zXZ\0" + bytes(99)), "damaged"),
                            (bzimage(b"nonsense" * 9), "compression"),
                            (bzimage(gzip.compress(b"no ELF" * 99)), "ELF")):
            with self.assertRaises(Failure) as caught:
                vmlinux.extract(image, "it")
            self.assertIn(word, str(caught.exception))


class Cpio(unittest.TestCase):
    @unittest.skipUnless(shutil.which("cpio"), "cpio is not installed")
    def test_cpio_reads_it(self):
        archive = cpio.Archive()
        archive.folder("dev")
        archive.char_device("dev/console", 5, 1)
        archive.file("init", b"#!/bin/sh\n", 0o755)
        archive.link("sh", "init")
        done = subprocess.run(["cpio", "-itv"], input=archive.data(), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=True)
        text = done.stdout.decode()
        self.assertRegex(text, r"crw-------.* 5, +1 .* dev/console")
        self.assertRegex(text, r"-rwxr-xr-x .* 10 .* init\n")
        self.assertIn("sh -> init", text)

    def test_every_header_is_aligned(self):
        archive = cpio.Archive()
        for length in range(1, 9):
            archive.file("n" * length, b"x" * length)
        data = archive.data()
        self.assertEqual(len(data) % 4, 0)
        self.assertTrue(all(data.index(b"070701", at) == at for at in (0,)))
        self.assertEqual(data.count(b"070701"), 9)
        self.assertTrue(all(at % 4 == 0 for at in range(len(data)) if data.startswith(b"070701", at)))


if __name__ == "__main__":
    unittest.main()
