"""The layer check, TAP, and JUnit files: each must be able to fail."""

import importlib.machinery
import importlib.util
import os
import subprocess
import tempfile
import unittest

import support
import case
from carousel_lib.junit import FAILED, PASSED, SKIPPED, Outcome, read_junit, write_junit


def load(name, path):
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(support.PROJECT, path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


layers = load("check_layers", "tools/check-layers")


class Layers(unittest.TestCase):
    def problems(self, files):
        """What the check says of a small tree."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="ascii") as file:
                    file.write(text)
            return [problem for path in layers.sources(root)
                    for problem in layers.check_source(path, root)]

    def test_a_permitted_tree(self):
        self.assertEqual(self.problems({
            "lib/a.h": "", "devices/b.c": '#include "lib/a.h"\n', "cpu/insn.h": "asm(\"hlt\");\n",
            "vmx/c.c": "#include <asm/vmx.h>\nvmread(1);\n",
            "guest/d.c": '/* the VMCS, by vmread */\nlog("vmread");\n'}), [])

    def test_an_upward_include(self):
        found = self.problems({"guest/a.h": "", "lib/b.c": '\n#include "guest/a.h"\n'})
        self.assertEqual(found, ["lib/b.c:2: lib -> guest: lib/ may include nothing"])

    def test_monitor_and_vmx(self):
        self.assertEqual(len(self.problems({"vmx/a.h": "", "monitor/b.c": '#include "vmx/a.h"\n'})), 1)

    def test_an_include_without_a_folder(self):
        self.assertEqual(len(self.problems({"lib/a.h": "", "lib/b.c": '#include "a.h"\n'})), 1)

    def test_pure_code_and_hardware(self):
        self.assertEqual(len(self.problems({
            "cpu/desc.h": "", "cpu/insn.h": "", "cpu/apic.h": "",
            "sched/runq.c": '#include "cpu/desc.h"\n', "sched/sched.c": '#include "cpu/apic.h"\n',
            "guest/gmem.c": '#include "cpu/insn.h"\n'})), 1)

    def test_vmx_names(self):
        for line in ("#include <asm/vmx.h>", "x = EXIT_REASON_CPUID;", "struct loaded_vmcs *p;",
                     "vmread(f, &v);", "invept();"):
            self.assertEqual(len(self.problems({"guest/a.c": line + "\n"})), 1, line)

    def test_assembly(self):
        self.assertEqual(len(self.problems({"guest/a.c": 'asm volatile("hlt");\n'})), 1)
        self.assertEqual(len(self.problems({"guest/a.S": "hlt\n"})), 1)

    def test_symbols(self):
        with tempfile.TemporaryDirectory() as root:
            sources = {"lib/a.c": "int up(void); int low(void) { return up(); }\n",
                       "guest/b.c": "int go(void); int bad(void); int up(void) { return go() + bad(); }\n",
                       "guest/vcpu_arch.h": "int go(void);\n",
                       "vmx/c.c": "int go(void) { return 1; } int bad(void) { return 2; }\n"}
            for path, text in sources.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="ascii") as file:
                    file.write(text)
                if path.endswith(".c"):
                    target = os.path.join(root, "build", path[:-1] + "o")
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    subprocess.run(["gcc", "-c", "-w", "-o", target, os.path.join(root, path)],
                                   check=True)
            found, count = layers.check_objects(root, "build")
        self.assertEqual(count, 3)
        self.assertEqual(sorted(text.split(" needs")[0] for text in found),
                         ["guest/b.c:1: guest -> vmx:", "lib/a.c:1: lib -> guest:"])


class Tap(unittest.TestCase):
    def test_good(self):
        self.assertEqual(case.tap_problems(["1..2", "# hi", "ok 1 - a", "ok 2 - b # SKIP none"]), [])
        self.assertEqual(case.tap_problems(["ok 1", "1..1"]), [])

    def test_bad(self):
        for lines in ([], ["ok 1"], ["1..2", "ok 1"], ["1..1", "not ok 1 - x"], ["1..1", "ok 2"],
                      ["1..1", "ok 1", "Bail out! x"], ["1..1", "1..1", "ok 1"]):
            self.assertTrue(case.tap_problems(lines), lines)


class Junit(unittest.TestCase):
    def test_round_trip(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x", "a.xml")
            write_junit(path, "s", [Outcome("s", "a<b>", PASSED, 1.5), Outcome("s", "f", FAILED, 0,
                                    "why & \x00 how\nmore"), Outcome("s", "k", SKIPPED, 0, "no net")])
            found = read_junit(path, "s")
        self.assertEqual([outcome.state for outcome in found], [PASSED, FAILED, SKIPPED])
        self.assertEqual(found[0].name, "a<b>")
        self.assertIn("how\nmore", found[1].text)


if __name__ == "__main__":
    unittest.main()
