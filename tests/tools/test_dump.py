"""The dump of a running Carousel, and what is made of it: the fixture is what tests/unit/test_dump.c writes."""

import json
import os
import re
import struct
import tempfile
import unittest
import xml.dom.minidom
import zlib

from support import PROJECT
from carousel_lib import dump, figures, perfetto, stats, timeline, trace_svg
from carousel_lib.cli import main
from carousel_lib.common import Failure
from carousel_lib.ports import bochs_config, qemu_arguments

T0 = 1000000


def stream() -> bytes:
    with open(os.path.join(PROJECT, "tests/fixtures/dump/two-vms.hex"), encoding="ascii") as file:
        return bytes.fromhex("".join(line for line in file if not line.startswith("#")))


def the_dump() -> dump.Dump:
    return dump.read(stream())[-1]


def frame(kind: int, payload: bytes, version: int = dump.VERSION) -> bytes:
    head = struct.pack("<4sHHI", dump.MAGIC, version, kind, len(payload))
    return head + struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))) + payload


class Frames(unittest.TestCase):
    def test_what_the_hypervisor_wrote(self):
        found = the_dump()
        self.assertEqual((found.tsc, found.tsc_hz, found.reason, found.trace_groups),
                         (T0 + 10000, 10 ** 9, "end", 0x1f))
        self.assertEqual([(vm.name, vm.has_ended, vm.is_ok) for vm in found.vms.values()],
                         [("a", True, True), ("b", False, False)])
        self.assertEqual([found.name(number) for number in found.vcpus], ["a.0", "b.0", "b.1"])
        self.assertEqual([len(pcpu.records) for pcpu in found.pcpus.values()], [19, 4])
        self.assertEqual(found.pcpus[1].values["ipis_sent"], 1)

    def test_noise_and_a_dump_cut_short(self):
        good = stream()
        for before in (b"\xff\x00CRS", b"CRSL", good[:len(good) // 2], good[:-1]):
            self.assertEqual(len(dump.read(before + good)), 1, before[:8])
        self.assertEqual(len(dump.read(good + good[:100])), 1)
        self.assertEqual(len(dump.read(good + good)), 2)

    def test_a_wrong_byte_anywhere(self):
        good = stream()
        for at in range(0, len(good), 7):
            bad = good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1:]
            self.assertEqual(dump.read(bad), [], f"byte {at}")

    def test_a_missing_frame(self):
        good = stream()
        second = good.index(dump.MAGIC, 4)
        third = good.index(dump.MAGIC, second + 4)
        self.assertEqual(dump.read(good[:second] + good[third:]), [])

    def test_what_is_new_is_skipped(self):
        good = stream()
        end = good.rindex(dump.MAGIC)
        count = struct.unpack_from("<I", good, end + dump.FRAME.size)[0]
        longer = good[:end] + frame(999, b"?") + frame(8, struct.pack("<II", count + 1, 0) + b"more")
        self.assertEqual(len(dump.read(longer)), 1)

    def test_a_good_crc_over_nonsense(self):
        for kind in range(1, 9):
            for payload in (b"", b"\xff" * 16, b"\xff" * 200):
                dump.read(stream()[:48] + frame(kind, payload))
        self.assertEqual(dump.read(frame(1, bytes(32)) + frame(8, struct.pack("<II", 2, 0))), [])

    def test_messages(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "dump.bin")
            with self.assertRaisesRegex(Failure, "wrote no dump"):
                dump.read_file(path)
            for data, message in ((b"", "no complete dump in its 0 bytes"), (stream()[:-9], "no complete dump"),
                                  (frame(1, bytes(32), 7), "version 7, this program reads 1")):
                with open(path, "wb") as file:
                    file.write(data)
                with self.assertRaisesRegex(Failure, message):
                    dump.read_file(path)


class Timelines(unittest.TestCase):
    def test_states(self):
        line = timeline.build(the_dump())
        a = [(span.start - T0, span.end - T0, span.what, span.pcpu) for span in line.vcpus[1].states]
        self.assertEqual(a, [(0, 100, "waiting", -1), (100, 3050, "running", 0), (3050, 6000, "halted", -1),
                             (6000, 6200, "waiting", -1), (6200, 9000, "running", 0),
                             (9000, 10000, "stopped", -1)])
        b = [(span.what, span.pcpu) for span in line.vcpus[17].states]
        self.assertEqual(b, [("stopped", -1), ("waiting", -1), ("running", 1), ("waiting", -1), ("running", 0)])
        self.assertEqual([(span.what, span.ticks) for span in line.vcpus[1].exits], [("CPUID", 100), ("HLT", 1050)])
        self.assertEqual([span.ticks for span in line.vcpus[1].polls], [990])
        self.assertEqual([(wake.at - T0, at - T0) for wake, at in line.wakes], [(6000, 6200)])

    def test_others_work(self):
        line = timeline.build(the_dump())
        self.assertEqual([(span.what, span.start - T0, span.end - T0) for span in line.devices[0]],
                         [("devices of b", 7000, 7200)])
        self.assertEqual([span.ticks for span in line.vcpus[1].lent], [200])
        found = the_dump()
        found.vcpus[1].values["lent"] -= 1
        self.assertRegex(timeline.problems(line, found)[0], "a.0: lent 200 ticks")

    def test_agrees_with_the_counters(self):
        self.assertEqual(timeline.problems(timeline.build(the_dump()), the_dump()), [])

    def test_finds_what_cannot_be(self):
        found = the_dump()
        found.vcpus[1].values["run"] += 1
        self.assertRegex(timeline.problems(timeline.build(found), found)[0], "a.0: running for 5550 ticks")
        found = the_dump()
        # b.0 runs on pCPU 0, too, while a.0 does.
        found.pcpus[0].records += [record for record in found.pcpus[1].records if record.event == timeline.SWITCH]
        found.pcpus[1].records = [record for record in found.pcpus[1].records if record.event != timeline.SWITCH]
        self.assertTrue(any("pCPU 0 runs" in text for text in timeline.problems(timeline.build(found), found)))

    def test_begins_where_nothing_is_missing(self):
        found = the_dump()
        found.pcpus[0].records = found.pcpus[0].records[9:]  # from BLOCK on
        found.pcpus[0].lost = 9
        line = timeline.build(found)
        self.assertEqual(line.begin - T0, 3050)
        self.assertEqual([span.what for span in line.vcpus[1].states],
                         ["halted", "waiting", "running", "stopped"])
        # Of b.0 the first that is known is that it gives way: it ran.
        self.assertEqual((line.vcpus[17].states[0].what, line.vcpus[17].states[0].start - T0), ("running", 3050))

    def test_without_events_the_state_at_the_end(self):
        found = the_dump()
        for pcpu in found.pcpus.values():
            pcpu.records = []
        line = timeline.build(found)
        self.assertEqual([span.what for span in line.vcpus[17].states], ["running"])


class Json(unittest.TestCase):
    def test_stats(self):
        document = json.loads(json.dumps(stats.document(the_dump())))
        self.assertEqual((document["format"], document["version"]), ("carousel-stats", 1))
        for vm in document["vms"]:
            for vcpu in vm["vcpus"]:
                ticks = vcpu["ticks"]
                self.assertEqual(sum(ticks[state] for state in ("run", "wait", "halt", "stop", "lent")), ticks["life"])
        a = document["vms"][0]["vcpus"][0]
        self.assertEqual([(one["name"], one["count"], one["ticks"]) for one in a["exits"]],
                         [("CPUID", 1, 100), ("HLT", 1, 100)])
        self.assertEqual(a["turn_starts"]["count"], 2)
        self.assertEqual(a["histograms"]["exit_cost"], {"unit": "ticks", "log2": [0, 0, 0, 0, 0, 0, 2]})
        self.assertEqual(a["histograms"]["poll_fail"]["log2"].index(1), 9)
        self.assertEqual(a["ms"]["run"], 0.00555)
        self.assertEqual(a["ticks"]["lent"], 200)
        self.assertEqual([vm["devices"]["ticks"]["lent"] for vm in document["vms"]], [0, 200])

    def test_trace_events(self):
        """By 'Trace Event Format': each event has what its phase needs; slices of a track lie beside or in
        each other."""
        events = perfetto.convert(the_dump())["traceEvents"]
        needs = {"M": {"name", "pid", "tid", "args"}, "X": {"name", "cat", "pid", "tid", "ts", "dur"},
                 "i": {"name", "pid", "tid", "ts", "s"}, "s": {"name", "cat", "id", "pid", "tid", "ts"},
                 "f": {"name", "cat", "id", "pid", "tid", "ts", "bp"}}
        tracks = {}
        for event in events:
            self.assertFalse(needs[event["ph"]] - set(event), event)
            if event["ph"] == "X":
                self.assertGreaterEqual(event["dur"], 0)
                tracks.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
        for spans in tracks.values():
            for one in spans:
                for other in spans:
                    self.assertFalse(one[0] + 1e-6 < other[0] < one[1] - 1e-6 < other[1] - 2e-6, (one, other))
        names = {event["args"]["name"] for event in events if event["name"] in ("thread_name", "process_name")}
        self.assertEqual(names, {"pCPUs", "pCPU 0", "pCPU 1", "a", "b", "a.0", "b.0", "b.1"})
        self.assertEqual([event["ts"] for event in events if event["ph"] in "sf"], [6.0, 6.2])


class Pictures(unittest.TestCase):
    def test_is_xml_and_alone(self):
        picture = trace_svg.draw(perfetto.convert(the_dump()), "A <title> & more")
        root = xml.dom.minidom.parseString(picture).documentElement
        self.assertEqual(root.tagName, "svg")
        self.assertNotRegex(picture.replace("http://www.w3.org/2000/svg", ""), r"https?:|href|@import|<script")
        for what in ("pCPU 0", "a.0", "had not started or had stopped: 1<", "halted", "cost of an exit", "CPUID"):
            self.assertIn(what, picture)
        self.assertNotRegex(picture, r"\bnan\b|\binf\b|None")

    def test_shares_of_a_column(self):
        view = trace_svg.View(0, trace_svg.PLOT * 10.0)  # 10 us a column
        columns = view.columns([(0, 5), (12, 18), (25, 47)])
        self.assertEqual([round(share, 3) for share in columns[:6]], [0.5, 0.6, 0.5, 1.0, 0.7, 0.0])
        self.assertEqual(view.columns([(-5, 5)])[0], 0.5)
        self.assertEqual(round(view.percent([(0, trace_svg.PLOT * 5.0)]), 3), 50)

    def test_command(self):
        with tempfile.TemporaryDirectory() as folder:
            trace, picture = os.path.join(folder, "t.json"), os.path.join(folder, "t.svg")
            with open(trace, "w", encoding="utf-8") as file:
                json.dump(perfetto.convert(the_dump()), file)
            self.assertEqual(main(["trace", "--svg", trace, "-o", picture, "--from", "0.002"]), 0)
            self.assertTrue(os.path.getsize(picture) > 1000)
            self.assertEqual(main(["trace", "--svg", trace, "-o", picture, "--from", "5"]), 2)
            self.assertEqual(main(["trace", "--svg", picture, "-o", trace]), 2)
            self.assertEqual(main(["trace", "--svg", os.path.join(folder, "none"), "-o", picture]), 2)


class Options(unittest.TestCase):
    class Arguments:
        stats = trace = ""

    def test_words(self):
        arguments = self.Arguments()
        words = ["loglevel=warn"]
        self.assertEqual((figures.prepare(arguments, words), words), ({}, ["loglevel=warn"]))
        arguments.stats = "s.json"
        self.assertEqual(figures.prepare(arguments, words), {"lpt1": "dump.bin"})
        self.assertEqual(words, ["loglevel=warn", "dump=lpt1"])
        arguments.trace = "t.json"
        for given, wanted in (([], ["dump=lpt1", "trace=all"]), (["trace=sched"], ["trace=sched", "dump=lpt1"])):
            figures.prepare(arguments, given)
            self.assertEqual(given, wanted)
        with self.assertRaisesRegex(Failure, "leave out dump="):
            figures.prepare(arguments, ["dump=com2"])
        arguments.trace = "/nowhere/t.json"
        with self.assertRaisesRegex(Failure, "--trace /nowhere/t.json: there is no folder"):
            figures.prepare(arguments, [])

    def test_machines(self):
        self.assertEqual(bochs_config([], {"lpt1": "dump.bin"}), "parport1: enabled=1, file=dump.bin\n")
        self.assertEqual(qemu_arguments([], {"lpt1": "dump.bin"}), ["-parallel", "file:dump.bin"])


if __name__ == "__main__":
    unittest.main()
