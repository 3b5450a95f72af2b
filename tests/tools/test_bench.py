"""What tools/bench makes of a listing of Bochs' debugger."""

import unittest

import support  # noqa: F401
from carousel_lib.bench import trace

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


if __name__ == "__main__":
    unittest.main()
