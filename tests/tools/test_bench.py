"""What tools/bench makes of consoles and of a listing of Bochs' debugger, and how it judges."""

import os
import tempfile
import unittest

import support  # noqa: F401
from carousel_lib.bench import boot, docs, linux, scale, suite, table, trace
from carousel_lib.bench.table import Figure
from carousel_lib.common import Failure

LISTING = """\
Next at t=0
(0) [0x0000fffffff0] f000:fff0 (unk. ctxt): jmpf 0xf000:e05b          ; ea5be000f0
(0) Magic breakpoint
Next at t=99
Tracing enabled for CPU0
(0).[100] [0x00000fc00a03] 0008:0000000000200a03 (unk. ctxt): cpuid                     ; 0fa2
(0).[101] [0x000000200100] 0008:0000000000200100 (unk. ctxt): vmread rdx, rdx           ; 0f78d2
(0).[102] [0x000000200103] 0008:0000000000200103 (unk. ctxt): lock add dword ptr ds:[rax], 0x01 ; f0830001
(0).[103] [0x000000200110] 0008:0000000000200110 (unk. ctxt): xchg byte ptr ds:[rax], dl ; 8610
(0).[104] [0x000000200112] 0008:0000000000200112 (unk. ctxt): xchg rax, rbx             ; 4893
(0).[105] [0x000000200114] 0008:0000000000200114 (unk. ctxt): xsaveopt64 ds:[rdi]       ; 480fae37
(0).[106] [0x000000200118] 0008:0000000000200118 (unk. ctxt): wrmsr                     ; 0f30
(0).[107] [0x00000020011a] 0008:000000000020011a (unk. ctxt): vmresume                  ; 0f01c3
(0).[108] [0x00000fc00a05] 0008:0000000000200a05 (unk. ctxt): wrmsr                     ; 0f30
(0) Magic breakpoint
Next at t=109
"""


class FakeSymbols(trace.Symbols):
    def __init__(self):
        self.start, self.end = 0x200100, 0x201000
        self._rows = [(0x200100, "exit"), (0x200110, "switch")]
        self._addresses = [address for address, _ in self._rows]


class Trace(unittest.TestCase):
    def setUp(self):
        self.sections = trace.parse(LISTING, FakeSymbols())

    def test_sections_lie_between_marks(self):
        self.assertEqual([len(section) for section in self.sections], [9, 0])

    def test_an_address_that_is_mapped_elsewhere_is_the_guests(self):
        self.assertEqual([step.owner for step in self.sections[0]],
                         ["guest"] + ["exit"] * 2 + ["switch"] * 5 + ["guest"])

    def test_counts_are_the_hypervisors_alone(self):
        found = trace.count(self.sections[0])
        self.assertEqual({name: number for name, number in found.items() if number},
                         {"vmread": 1, "atomic": 2, "xsave": 1, "wrmsr": 1, "entry": 1})
        self.assertEqual(list(found), list(trace.COLUMNS))

    def test_the_account_is_in_order_and_summed(self):
        text = trace.account("cpuid", self.sections[0])
        self.assertIn("cpuid: 9 instructions, 7 of them the hypervisor's\n     1  guest\n     2  exit", text)
        self.assertTrue(text.endswith("1 vmread, 1 wrmsr, 1 xsave, 1 entry, 2 atomic"), text)

    def test_loops_are_folded(self):
        def part(owner, number):
            return owner, [trace.Step(0, 0, 0, "nop", owner)] * number

        parts = [part("a", 1)] + [part("b", 2), part("c", 3)] * 5 + [part("b", 2), part("d", 1)]
        self.assertEqual([(times, [owner for owner, _ in group]) for times, group in trace.fold(parts)],
                         [(1, ["a"]), (5, ["b", "c"]), (1, ["b"]), (1, ["d"])])

    def test_a_round_of_two_passes_is_halved(self):
        case = suite.Case("switch", 1, (), passes=2)
        self.assertEqual(suite.counts_of(case, self.sections[0])["atomic"], 1)
        self.assertEqual(suite.counts_of(case, self.sections[0])["wrmsr"], 1)  # rounded up


class Console(unittest.TestCase):
    def test_lines(self):
        self.assertEqual(suite.parse_lines(["bench cpuid 112 ticks", "ok 1", "bench bad x y", "mean a 1.5 ticks"]),
                         {"cpuid": (112.0, "ticks")})
        self.assertEqual(suite.parse_lines(["mean a 1.50 ticks", "bench a 1 ticks"], suite.MEAN),
                         {"a": (1.5, "ticks")})

    def test_switches_are_found_in_the_hosts_time(self):
        # The second VM's TSC began 1000 ticks (20000 ns at 50 MHz) later.
        first = suite.parse_gaps(["origin 0 at 50000000", "gap 5000 6100", "gap 7000 8100"])
        second = suite.parse_gaps(["origin 20000 at 50000000", "gap 4000 4100", "gap 5000 5900"])
        self.assertEqual(second[0], (5000.0, "out"))
        # First out at 5000, second in at 5100; second out at 6000, first in at 6100; 7000 to 6900 is no switch.
        self.assertEqual(suite.switches([first[:2], second[:2]]), [])
        self.assertEqual(suite.switches([[(10, "in"), (50, "out"), (190, "in")], [(60, "in"), (180, "out")]]), [10, 10])

    def test_an_interrupt_is_no_switch(self):
        self.assertEqual(suite.switches([[(10, "out"), (20, "in")], [(100, "out"), (120, "in")]]), [])

    def test_gaps_without_an_origin_do_not_count(self):
        self.assertEqual(suite.parse_gaps(["gap 1 2"]), [])

    def test_stops_of_the_debugger(self):
        text = "Next at t=0\n(0) x\nNext at t=100\n(0) Magic breakpoint\nNext at t=350\n"
        self.assertEqual(linux.ticks_between(text, 3), 250)
        self.assertRaises(Failure, linux.ticks_between, text, 4)

    def test_sizes(self):
        lines = ["[0] memory: 1000 KiB, of which boot modules 200 KiB, free 700 KiB", "[0] VM 'one': 40 KiB besides its RAM"]
        self.assertEqual(boot.parse_sizes(lines), {"hypervisor": 100, "one": 40})


class Judge(unittest.TestCase):
    def rows(self, now, old, **more):
        found = table.judge(now, old, more.get("goals", {}), more.get("kvm", {}), more.get("caps", []), 2.0)
        return {row.metric: row for row in found}

    def test_worse_by_more_than_the_tolerance_is_wrong(self):
        old = {"a": Figure(100, "i"), "b": Figure(100, "i"), "c": Figure(1, "i")}
        rows = self.rows({"a": Figure(102, "i"), "b": Figure(102.1, "i"), "d": Figure(5, "i")}, old)
        self.assertEqual({name: bool(row.wrong) for name, row in rows.items()},
                         {"a": False, "b": True, "d": False, "c": True})
        self.assertEqual(rows["b"].change(), "+2.1 %")

    def test_a_count_is_judged_too(self):
        rows = self.rows({"a": Figure(1, "i", {"vmread": 6, "wrmsr": 1})}, {"a": Figure(1, "i", {"vmread": 5, "wrmsr": 0})})
        self.assertTrue(rows["a.vmread"].wrong and rows["a.wrmsr"].wrong)
        self.assertFalse(rows["a"].wrong)

    def test_a_cap_holds_whatever_the_baseline_says(self):
        now = {"cpuid": Figure(151, "ticks", {"vmread": 6, "vmwrite": 1})}
        rows = self.rows(now, now, caps=[("cpuid", "ticks", 150), ("cpuid", "vmread", 5), ("cpuid", "vmwrite", 1)])
        self.assertEqual([name for name, row in rows.items() if row.wrong], ["cpuid", "cpuid.vmread"])

    def test_goals_and_kvm(self):
        row = self.rows({"a": Figure(90, "i")}, {}, goals={"a": (100, 400)}, kvm={})["a"]
        self.assertEqual((row.met(), row.kvm, row.change()), ("met", 400, "new"))
        row = self.rows({"a": Figure(110, "i")}, {}, goals={"a": (100, 400)}, kvm={"a": 500})["a"]
        self.assertEqual((row.met(), row.kvm), ("missed", 500))

    def test_another_unit_is_wrong(self):
        self.assertIn("unit", self.rows({"a": Figure(1, "us")}, {"a": Figure(1, "i")})["a"].wrong)

    def test_what_a_person_and_a_program_read(self):
        now = {"a": Figure(200, "i", {"vmread": 5}), "b": Figure(3, "KiB")}
        rows = table.judge(now, {"a": Figure(190, "i", {"vmread": 4})}, {"a": (100, 400)}, {}, [])
        text = "\n".join(table.table(rows))
        self.assertRegex(text, r"a +i +200 +190 +\+5.3 % +100 missed +400  <- worse")
        self.assertIn("<- a.vmread: worse than 4", text)
        self.assertEqual(table.tsv(rows).splitlines()[1:], ["a\ti\t200\t190\t100\t400\t2.00", "a.vmread\tcount\t5\t4\t\t\t",
                                                           "b\tKiB\t3\t\t\t\t"])

    def test_the_baseline_comes_back_as_it_was_stored(self):
        figures = {"a": Figure(1234567, "i", dict.fromkeys(trace.COLUMNS, 2)), "b": Figure(0.5, "us")}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "b.tsv")
            self.assertEqual(table.read_baseline(path), {})
            table.write_baseline(path, figures, "here")
            self.assertEqual(table.read_baseline(path), figures)
            with open(path, "w", encoding="utf-8") as file:
                file.write("a\ti\tmany\n")
            self.assertRaises(Failure, table.read_baseline, path)

    def test_the_projects_own_files_can_be_read(self):
        metrics = {metric for case in suite.CASES for metric in case.metrics}
        self.assertLessEqual({metric for metric, _, _ in table.read_caps()}, metrics)
        self.assertLessEqual(set(table.read_goals()) - {"linux_ratio"}, metrics)
        self.assertLessEqual(metrics, set(table.read_baseline()))


class Docs(unittest.TestCase):
    def test_a_part_is_replaced_and_nothing_else(self):
        text = "a\n<!-- figures -->\nold\n<!-- /figures -->\nb\n"
        self.assertEqual(docs.replace(text, "figures", ["new"]), "a\n<!-- figures -->\nnew\n<!-- /figures -->\nb\n")
        self.assertEqual(docs.replace(docs.replace(text, "figures", []), "figures", ["old"]), text)
        self.assertRaises(Failure, docs.replace, text, "counts", [])

    def test_what_misses_its_goal_is_accounted_for(self):
        rows = [table.Row("a", "ticks", 9, 9, 8), table.Row("b", "ticks", 7, 7, 8)]
        steps = [trace.Step(0, 0, 0, "nop", owner) for owner in ("guest", "exit", "exit")]
        self.assertEqual(docs.accounts({"a": steps, "b": steps}, rows),
                         ["- `a`, 3 in its marked round: exit 2, guest 1."])
        self.assertEqual(docs.figures([table.Row("a", "KiB", 8, None, None, 40)])[2:], ["| `a` | 8 KiB |  | 40 | 5.0 |"])

    def test_the_document_has_all_parts(self):
        with open(docs.DOCUMENT, encoding="utf-8") as file:
            text = file.read()
        for part in ("figures", "counts", "accounts", "scale"):
            docs.replace(text, part, [])


class Scale(unittest.TestCase):
    def test_what_grows_is_told(self):
        points = {(1, 1): {"cpuid": 100.0, "hlt_timer_blocked": 900.0}, (2, 1): {"switch": 500.0, "cpuid": 101.0},
                  (64, 8): {"switch": 505.0, "cpuid": 103.0, "hlt_timer_blocked": 880.0}}
        found = scale.problems(points)
        self.assertEqual(len(found), 2)
        self.assertRegex(found[0], r"cpuid: 64 VMs on 8 pCPUs: 103.0, \+3.0 %")
        self.assertRegex(found[1], r"hlt_timer_blocked: .* -2.2 %")

    def test_what_was_measured_nowhere_is_a_problem(self):
        self.assertEqual(len(scale.problems({(1, 1): {"cpuid": 1.0}, (2, 1): {"cpuid": 1.0}})), 2)


if __name__ == "__main__":
    unittest.main()
