"""KVM's side of the benchmark: the bzImage without compression, the boots and their scripts, what a console tells,
and the stored table."""

import os
import struct
import tempfile
import unittest

import support  # noqa: F401
from carousel_lib import bzshell, initrd, kvmrig, kvmtable, vmlinux
from carousel_lib.common import Failure
from carousel_lib.kvmrig import Case, Guest, Variant

SHELL = b"S" * bzshell.SHELL_SIZE


def elf(segments, entry=bzshell.KERNEL):
    """(physical address, bytes) each."""
    at = 64 + 56 * len(segments)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, entry, 64, 0, 0, 64, 56,
                       len(segments), 0, 0, 0)
    headers, bodies = b"", b""
    for paddr, body in segments:
        headers += vmlinux.PHDR.pack(1, 5, at + len(bodies), paddr, paddr, len(body), len(body) + 9, 4096)
        bodies += body
    return head + headers + bodies


def bzimage(sectors=4):
    setup = bytearray((sectors + 1) * 512)
    setup[0x1f1] = sectors
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<I", setup, bzshell.INIT_SIZE, 0x100000)
    return bytes(setup) + b"compressed" * 500


class BzShell(unittest.TestCase):
    def test_memory_image_has_the_gaps(self):
        image = bzshell.memory_image(elf([(0x1000000, b"text"), (0x1001000, b"data")]))
        self.assertEqual(image, b"text" + bytes(0x1000 - 4) + b"data")

    def test_header(self):
        found = bzshell.wrap(bzimage(), elf([(0x1000000, b"kernel")]), SHELL)
        setup, body = found[:5 * 512], found[5 * 512:]
        self.assertEqual(body[:bzshell.SHELL_SIZE], SHELL)
        self.assertEqual(body[bzshell.SHELL_SIZE:].rstrip(b"\0"), b"kernel")
        # 'The Linux/x86 Boot Protocol': syssize is in 16-byte paragraphs; a relocatable kernel is put at
        # pref_address where there are init_size bytes.
        self.assertEqual(len(body) % 16, 0)
        self.assertEqual(struct.unpack_from("<I", setup, bzshell.SYSSIZE)[0], len(body) // 16)
        self.assertEqual(setup[bzshell.RELOCATABLE], 1)
        self.assertEqual(struct.unpack_from("<Q", setup, bzshell.PREF_ADDRESS)[0] + bzshell.SHELL_SIZE, 0x1000000)
        self.assertEqual(struct.unpack_from("<I", setup, bzshell.INIT_SIZE)[0], 0x100000 + bzshell.SHELL_SIZE)

    def test_other_layouts_are_refused(self):
        with self.assertRaisesRegex(Failure, "entry is 0x2000000"):
            bzshell.memory_image(elf([(0x1000000, b"k")], entry=0x2000000))
        for segments in ([(0x200000, b"low")], [(0x1000000, b"long"), (0x1000002, b"over it")]):
            with self.assertRaisesRegex(Failure, "has a segment at"):
                bzshell.memory_image(elf(segments))

    def test_bad_files_are_named(self):
        kernel = elf([(0x1000000, b"k")])
        with self.assertRaisesRegex(Failure, "no HdrS magic"):
            bzshell.wrap(bytes(8192), kernel, SHELL)
        with self.assertRaisesRegex(Failure, "the shell has 3 bytes"):
            bzshell.wrap(bzimage(), kernel, b"abc")


class Static(unittest.TestCase):
    def test_static(self):
        program = elf([(0, b"x")])
        self.assertTrue(initrd.is_static(program))
        dynamic = bytearray(program)
        struct.pack_into("<I", dynamic, 64, initrd.PT_INTERP)
        self.assertFalse(initrd.is_static(bytes(dynamic)))
        self.assertFalse(initrd.is_static(b"#!/bin/sh\n"))


VARIANTS = (Variant("kvm", "a=1"), Variant("other", "", "b=2"), Variant("slow", append="mitigations=auto"))
CASES = (Case("alone", 1, (Guest("0", "rounds=5"),)), Case("pair", 1, (Guest("0", "role=a"), Guest("0", "role=b"))),
         Case("smp", 2, (Guest("0,1", "smp"),)))


class Boots(unittest.TestCase):
    def test_one_boot_for_each_command_line_and_number_of_cpus_and_a_counted_one(self):
        found = [(boot.append, boot.cpus, [v.name for v in boot.variants], [c.name for c in boot.cases], boot.is_counted)
                 for boot in kvmrig.boots(VARIANTS, CASES)]
        self.assertEqual(found, [("mitigations=off", 1, ["kvm", "other"], ["alone", "pair"], False),
                                 ("mitigations=auto", 1, ["slow"], ["alone", "pair"], False),
                                 ("mitigations=off", 1, ["kvm"], ["alone", "pair"], True),
                                 ("mitigations=off", 2, ["kvm", "other"], ["smp"], False),
                                 ("mitigations=auto", 2, ["slow"], ["smp"], False),
                                 ("mitigations=off", 2, ["kvm"], ["smp"], True)])

    def lines(self, is_counted):
        lines = kvmrig.Boot("", 1, VARIANTS[:1], CASES[1:2], is_counted).script().splitlines()
        start = lines.index("load kvm 'a=1' ''")
        return lines[start + 1:start + 6]

    def test_script_starts_the_vms_of_a_case_before_it_waits(self):
        self.assertEqual(self.lines(False), [
            "runner kvm:pair.0 0 8 /lib/bench.elf 'role=a' & p0=$!", "runner kvm:pair.1 0 8 /lib/bench.elf 'role=b' & p1=$!",
            "wait $p0; ended kvm:pair.0 $?", "wait $p1; ended kvm:pair.1 $?", "unload"])

    def test_the_first_vm_has_the_marks(self):
        first, second = self.lines(True)[:2]
        self.assertIn("'role=a rounds=20 marks=1'", first)
        self.assertNotIn("marks", second)

    def test_words_of_a_variant(self):
        self.assertEqual(Variant("x", "a=1", "b=2", "c").words(), "kvm a=1 kvm_intel b=2 c")


CONSOLE = """\
[    0.32] something of the kernel
rig: kvm: enable_apicv N
kvm:alone.0| # medians of 5
kvm:alone.0| bench cpuid 975 ticks
kvm:alone.0| bench ratio 1.5 times
kvm:alone.0| ok 1 - a row
other:pair.1| bench cpuid 969 ticks
rig: end
"""


class Console(unittest.TestCase):
    def test_figures(self):
        self.assertEqual(kvmrig.parse(CONSOLE), {"kvm": {"cpuid": (975, "ticks"), "ratio": (1.5, "times")},
                                                 "other": {"cpuid": (969, "ticks")}})

    def test_switches_between_the_vms_of_a_case(self):
        # One begins a second after the other; its turns begin 60 ticks after the other's end.
        console = "k:switch.0| origin 0 at 1000\nk:switch.0| gap 1100 1300\nk:switch.0| gap 1500 1700\n" \
            "k:switch.1| origin 1000000000 at 1000\nk:switch.1| gap 0 160\nk:switch.1| gap 240 560\nrig: end\n"
        self.assertEqual(kvmrig.parse(console), {"k": {"switch": (60, "ticks")}})

    def test_what_a_mib_takes_is_the_difference_of_two_sizes(self):
        console = "k:small.0| created 5000\nk:small.0| 1..1\nk:large.0| created 133000\nrig: end\n"
        self.assertEqual(kvmrig.parse(console), {"k": {"vm_creation_mib": (1000, "ticks")}})

    def test_counts(self):
        """The kernel's instructions between the first and the second mark of each metric."""
        console = "k:alone.0| bench cpuid 9 ticks\nk:switch.0| gap 1 2\nk:small.0| created 9\nrig: end\n"
        step = "(0).[{}] [0x00{}] 0010:{} (unk. ctxt): {:30} ; 0f"
        mark = "(0) Magic breakpoint"
        kernel, guest = "ffffffff81000000", "0000000000200000"
        listing = "\n".join([
            mark, step.format(1, "1", kernel, "vmread rax, rbx"), step.format(2, "2", guest, "wrmsr"),
            step.format(3, "1", kernel, "lock add dword ptr ds:[rbx], eax"), mark,
            step.format(4, "1", kernel, "vmread rax, rbx"), mark] +
            [step.format(5, "1", kernel, "vmread rax, rbx")] * 3 + [mark])
        found = kvmrig.parse_counts(console, listing)["k"]
        self.assertEqual({name: value for name, (value, _) in found.items() if value},
                         {"cpuid.vmread": 1, "cpuid.atomic": 1, "switch.vmread": 2})
        self.assertEqual(found["cpuid.wrmsr"], (0, "count"))
        with self.assertRaisesRegex(Failure, "3 marks for 2 metrics"):
            kvmrig.parse_counts(console, listing[:-len(mark)])

    def test_failures_are_told(self):
        for bad in ("kvm:alone.0| not ok 2 - each came", "kvm:alone.0| Bail out! no CPU 1",
                    "rig: failed: kvm:alone.0: status 3"):
            with self.assertRaises(Failure) as caught:
                kvmrig.parse(CONSOLE + bad + "\n")
            self.assertIn(bad, str(caught.exception))
            self.assertEqual(caught.exception.status, 1)

    def test_no_end(self):
        with self.assertRaisesRegex(Failure, "did not come to its end") as caught:
            kvmrig.parse(CONSOLE.replace("rig: end", ""))
        self.assertEqual(caught.exception.status, 3)


class Package(unittest.TestCase):
    def test_modules(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(Failure, "no kernel's modules"):
                kvmrig.find_modules(folder)
            kernel = os.path.join(folder, "debian/root/lib/modules/6.1.0-9-amd64/kernel")
            for path in kvmrig.MODULES.values():
                os.makedirs(os.path.dirname(os.path.join(kernel, path)), exist_ok=True)
                with open(os.path.join(kernel, path), "w", encoding="utf-8"):
                    pass
            self.assertEqual(kvmrig.kernel_release(folder), "6.1.0-9-amd64")
            self.assertEqual(kvmrig.find_modules(folder)["lib/kvm.ko"], os.path.join(kernel, "arch/x86/kvm/kvm.ko"))
            os.unlink(os.path.join(kernel, "arch/x86/kvm/kvm.ko"))
            with self.assertRaisesRegex(Failure, "has no .*/kvm.ko"):
                kvmrig.find_modules(folder)


FIGURES = {"kvm": {"cpuid": (975.0, "ticks"), "switch": (5000.0, "ticks")}, "mitigations": {"cpuid": (1071.0, "ticks")}}


class Table(unittest.TestCase):
    def write(self, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "kvm.tsv")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_what_is_written_is_read(self):
        text = kvmtable.text(FIGURES, ["how"])
        self.assertEqual(text, "# how\nmetric\tunit\tkvm\tmitigations\ncpuid\tticks\t975\t1071\nswitch\tticks\t5000\t\n")
        self.assertEqual(kvmtable.read(self.write(text)), FIGURES)

    def test_none_stored(self):
        self.assertEqual(kvmtable.read("/nowhere/kvm.tsv"), {})

    def test_damaged_lines_are_named(self):
        for text, why in (("cpuid\tticks\t1\n", "first line is not"), ("metric\tunit\tkvm\ncpuid\tticks\tx\n", "'cpuid' has"),
                          ("metric\tunit\tkvm\ncpuid\tticks\n", "'cpuid' has")):
            with self.assertRaisesRegex(Failure, why):
                kvmtable.read(self.write(text))

    def test_the_repository_s_own(self):
        self.assertIn(kvmtable.MAIN, kvmtable.read())

    def test_fill(self):
        bench = "metric\tunit\tcarousel\tbaseline\tgoal\tkvm\tkvm/carousel\ncpuid\tticks\t150\t150\t120\t1\t1\n" \
            "switch\tticks\t\t\t500\t\t\nown\tKiB\t7\t7\t\t\t\n"
        self.assertEqual(kvmtable.fill(bench, FIGURES).splitlines()[1:],
                         ["cpuid\tticks\t150\t150\t120\t975\t6.50", "switch\tticks\t\t\t500\t5000\t", "own\tKiB\t7\t7\t\t\t"])
        self.assertEqual(kvmtable.fill("cpuid\tticks\t0", FIGURES), "cpuid\tticks\t0\t\t\t975\t\n")
        self.assertEqual(kvmtable.fill("", FIGURES), "")

    def test_rows_for_a_person(self):
        rows = kvmtable.table(FIGURES, {"kvm": {"cpuid": (1000.0, "ticks")}})
        self.assertEqual(rows[1].split(), ["cpuid", "975", "1071", "-2.5", "%"])
        self.assertEqual(rows[2].split(), ["switch", "5000", "-", "new"])
        self.assertEqual(len(rows), 3)
        counted = {"kvm": {**FIGURES["kvm"], "cpuid.vmread": (7.0, "count"), "cpuid.atomic": (2.0, "count")}}
        self.assertEqual([row.split() for row in kvmtable.table(counted, {})[-2:]],
                         [["one", "round", "executes", "vmread", "atomic"], ["cpuid", "7", "2"]])
        # With --only, the first column may be another one.
        self.assertEqual(kvmtable.table({"mitigations": {"cpuid.vmread": (8.0, "count")}}, {})[-1].split(), ["cpuid", "8"])


if __name__ == "__main__":
    unittest.main()
