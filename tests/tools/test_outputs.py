"""`run --tap FILE --junit FILE --json FILE`, however the run ends."""

import contextlib
import io
import json
import os
import re
import shlex
import signal
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock
from xml.etree import ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import support  # noqa: E402,F401

from carousel_lib import cli, junit, outputs, tap  # noqa: E402
from carousel_lib.junit import FAILED, PASSED, SKIPPED, read_junit  # noqa: E402
from carousel_lib.machines import Machine  # noqa: E402

GOOD = ("[0] VM 'a': ELF64, 16M, 1 vCPU\na| 1..3\na| ok 1 - first\na| ok 2 - second # SKIP no disk\n"
        "a| ok 3\nb| hello \x1b[1mworld\x1b[0m \x07\x0c<&>\nverdict: a: ok: port 0xf4: value 0\n"
        "[0 b.0] VM 'b' vCPU 0: reset\nverdict: b: ok: reset\nend: status 0: every VM ended well\n")


class PipeMachine(Machine):
    """COM1 is a pipe that holds the class's text; it stays open when the text is to be all."""

    text, is_open = "", False
    end_word = "bochs"

    def __init__(self, log_dir, options):
        super().__init__(log_dir, options)
        self._read, self._write = os.pipe()

    @property
    def output(self):
        return self._read

    def send(self, data):
        # It answers a `quit`, as Carousel does.
        if b":quit" in data and self.is_open:
            os.write(self._write, b"verdict: a: failed: the time ran out\nend: status 1: x\n")
            os.close(self._write)
            self._write = -1

    def has_ended_well(self):
        return True

    def wait(self, seconds):
        return True

    def _start(self):
        os.write(self._write, self.text.encode())
        if not self.is_open:
            os.close(self._write)
            self._write = -1

    def stop(self):
        for end in (self._read, self._write):
            if end >= 0:
                os.close(end)
        self._read = self._write = -1


class Outputs(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = self._folder.name
        self.addCleanup(self._folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_cli(self, text, *words, is_open=False, vms=("a", "b")):
        machine = type("Piped", (PipeMachine,), {"text": text, "is_open": is_open})
        line = ["run", "--host", "bochs", "--log-dir", self.path("logs")]
        for option in ("tap", "junit", "json"):
            line += [f"--{option}", self.path(option)]
        for vm in vms:
            line += ["--vm", vm, "--kernel", __file__]
        with mock.patch.dict(cli.MACHINES, {"bochs": machine}), mock.patch.object(cli.image, "build"), \
                contextlib.redirect_stderr(io.StringIO()), \
                contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
            status = cli.main(line + list(words))
        with open(self.path("json"), encoding="utf-8") as file:
            self.json = json.load(file)
        with open(self.path("tap"), encoding="utf-8") as file:
            self.tap = file.read()
        self.junit = read_junit(self.path("junit"), "x")
        self.assertEqual(status, self.json["status"])
        return status

    def states(self):
        return [(test.name, test.state) for test in self.junit]

    def test_tap_is_printable(self):
        """A raw console's lines have what the guest sent."""
        self.assertEqual(outputs._one_line("a\tb \x1b[2J\x9b\u202e\u2713"), "a b ?[2J??\u2713")

    def test_junit_is_printable(self):
        self.assertEqual(junit._clean("a\tb\n\x1b[2J\x9b\x7f\u202e\ufffe\u2713"), "a\tb\n?[2J????\u2713")

    def test_numbers_without_end(self):
        """A raw console's line can have more digits than Python reads."""
        read = tap.read(["1..2", "ok 1", "not ok " + "2" * 5000, "1.." + "2" * 5000])
        self.assertEqual([(point.ok, point.number) for point in read.points], [(True, 1), (False, None)])
        self.assertEqual(read.problems(), [])

    def test_a_test_each_vm_or_tap_line(self):
        self.assertEqual(self.run_cli(GOOD), 0)
        self.assertEqual(self.states(), [("1 first", PASSED), ("2 second", SKIPPED), ("3", PASSED),
                                         ("b", PASSED)])
        self.assertEqual(self.json["counts"], {"passed": 3, "failed": 0, "skipped": 1})
        self.assertEqual([vm["verdict"] for vm in self.json["vms"]], ["ok", "ok"])
        self.assertEqual(self.json["vms"][0]["exit_value"], 0)
        read = tap.read(self.tap.splitlines())
        self.assertEqual(read.problems(), [])
        self.assertEqual([(point.name, point.directive) for point in read.points],
                         [("a: 1 first", ""), ("a: 2 second", "SKIP"), ("a: 3", ""), ("b", "")])

    def test_the_consoles_are_attached_as_legal_xml(self):
        self.run_cli(GOOD)
        suites = ElementTree.parse(self.path("junit")).getroot().findall("testsuite")
        self.assertEqual(suites[1].findtext("system-out"), "hello world ??<&>")
        self.assertEqual(suites[1].findtext("system-err"), "VM 'b' vCPU 0: reset")
        self.assertEqual(self.json["vms"][1]["console"], ["hello world \x07\x0c<&>"])

    def test_a_failed_point_is_the_failure(self):
        status = self.run_cli("a| 1..2\na| ok 1\na| not ok 2 - disk\nverdict: a: failed: value 1\n"
                              "verdict: b: ok: reset\nend: status 1: x\n")
        self.assertEqual(status, 1)
        self.assertEqual(self.states(), [("1", PASSED), ("2 disk", FAILED), ("b", PASSED)])

    def test_good_points_do_not_hide_a_bad_end(self):
        self.run_cli("a| 1..3\na| ok 1\na| ok 2\nverdict: a: failed: triple fault\nverdict: b: ok: x\n"
                     "end: status 1: x\n")
        self.assertEqual(self.states(), [("1", PASSED), ("2", PASSED), ("verdict", FAILED), ("b", PASSED)])
        self.assertIn("triple fault", self.junit[2].text)
        self.assertIn("the TAP plan has 3 tests, 2 reported", self.junit[2].text)

    def test_todo_is_no_failure(self):
        self.run_cli("a| 1..1\na| not ok 1 - later # TODO one day\nverdict: a: ok: x\nverdict: b: ok: x\n"
                     "end: status 0: x\n")
        self.assertEqual(self.states()[0], ("1 later", SKIPPED))

    def test_an_ordinary_line_is_no_tap(self):
        self.run_cli("a| ok, here we go\nverdict: a: ok: x\nverdict: b: ok: x\nend: status 0: x\n")
        self.assertEqual(self.states(), [("a", PASSED), ("b", PASSED)])

    def test_background_vms_are_no_tests(self):
        self.run_cli("verdict: a: ok: x\nend: status 0: x\n", "--set", "background")
        self.assertEqual(self.states(), [("a", PASSED)])
        self.assertTrue(self.json["vms"][1]["background"])

    def test_the_hypervisor_fails(self):
        self.assertEqual(self.run_cli("a| hi\nPANIC on pCPU 0: x\nend: status 3: the hypervisor failed\n"), 3)
        self.assertEqual(self.states(), [("a", FAILED), ("b", FAILED), ("run", FAILED)])
        self.assertIn("no verdict", self.junit[0].text)
        suite = ElementTree.parse(self.path("junit")).getroot().findall("testsuite")[-1]
        self.assertIn("PANIC on pCPU 0", suite.findtext("system-out"))

    def test_the_machine_dies(self):
        self.assertEqual(self.run_cli("a| hi\n"), 3)
        self.assertEqual(self.states()[-1], ("run", FAILED))

    def test_the_time_runs_out(self):
        self.assertEqual(self.run_cli("a| 1..2\na| ok 1\n", "--timeout", "0.5", is_open=True, vms=["a"]), 124)
        self.assertEqual(self.states(), [("1", PASSED), ("verdict", FAILED), ("run", FAILED)])
        self.assertIn("the time ran out", self.junit[1].text)

    def test_a_signal_comes(self):
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        self.assertEqual(self.run_cli("a| hi\n", is_open=True, vms=["a"]), 130)
        self.assertEqual(self.states(), [("a", FAILED), ("run", FAILED)])

    def test_a_signal_comes_before_the_machine(self):
        def build(*_):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

        line = ["run", "--host", "bochs", "--junit", self.path("junit"), "--log-dir", self.path("logs"),
                "--vm", "a", "--kernel", __file__]
        with mock.patch.object(cli.image, "build", build), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(cli.main(line), 130)
        self.junit = read_junit(self.path("junit"), "x")
        self.assertEqual(self.states(), [("run", FAILED)])

    def test_a_run_that_does_not_begin(self):
        with mock.patch.object(cli, "choose_host", side_effect=cli.Failure("KVM cannot be used here")):
            self.assertEqual(self.run_cli(""), 2)
        self.assertEqual(self.states(), [("run", FAILED)])
        self.assertIn("KVM cannot be used here", self.junit[0].text)

    def test_bad_paths(self):
        for words in (["--tap", "/nonexistent/x"], ["--tap", self.folder],
                      ["--tap", self.path("x"), "--json", self.path("x")]):
            error = io.StringIO()
            with contextlib.redirect_stderr(error):
                self.assertEqual(cli.main(["run", *words, "--vm", "a", "--kernel", __file__]), 2)
            self.assertRegex(error.getvalue(), "--(tap|json)")


class Workflow(unittest.TestCase):
    """The example pipeline: what it calls is there."""

    def test_its_commands_are_understood(self):
        with open(os.path.join(support.PROJECT, "docs", "ci", "workflow.yml"), encoding="utf-8") as file:
            text = file.read().replace("\\\n", " ")
        lines = re.findall(r"tools/carousel (.*?)(?: \||\n)", text)
        self.assertEqual([line.split()[0] for line in lines], ["doctor", "run"])
        words = shlex.split(lines[1].replace("$CAROUSEL_HOST", "auto"))
        arguments = cli._parser().parse_args(words)
        self.assertEqual((arguments.junit, arguments.host), ("junit.xml", "auto"))
        for path in ("logs/", "junit.xml", "results.tap", "results.json"):
            self.assertIn(f"            {path}\n", text)


if __name__ == "__main__":
    unittest.main()
