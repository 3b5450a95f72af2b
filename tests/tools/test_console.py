"""The console protocol, the keys, and what a run's exit status is made of."""

import os
import tempfile
import unittest

import support  # noqa: F401
from carousel_lib.console import (KeyFilter, LineSplitter, command_verdict, parse_line)
from carousel_lib.machines import Machine, Options
from carousel_lib.run import Run, Watch, guest_status


class Lines(unittest.TestCase):
    def test_guest(self):
        line = parse_line("linux| [    0.000000] Linux version 6.1\r\n")
        self.assertEqual((line.kind, line.vm, line.text),
                         ("guest", "linux", "[    0.000000] Linux version 6.1"))
        self.assertEqual(parse_line("a|").text, "")

    def test_a_guest_cannot_speak_for_the_hypervisor(self):
        for text in ("end: status 0: fine", "verdict: b: ok: x", "[0] error: x"):
            self.assertEqual(parse_line("a| " + text).kind, "guest")

    def test_host(self):
        line = parse_line("[1 linux.0] error: EPT violation")
        self.assertEqual((line.kind, line.vm, line.level, line.text),
                         ("host", "linux", "error", "EPT violation"))
        self.assertEqual(parse_line("[0] Carousel").level, "")

    def test_verdict(self):
        line = parse_line("verdict: a: failed: port 0xf4: value 3 (QEMU's exit status would be 7)")
        self.assertEqual((line.kind, line.vm, line.ok, line.exit_value()), ("verdict", "a", False, 3))
        self.assertTrue(parse_line("[0] verdict: a: ok: powered off").ok)
        self.assertIsNone(parse_line("verdict: a: ok: powered off").exit_value())

    def test_end(self):
        line = parse_line("end: status 2: this CPU has no VMX")
        self.assertEqual((line.kind, line.status, line.text), ("end", 2, "this CPU has no VMX"))

    def test_other(self):
        self.assertEqual(parse_line("\x1b[2J\x1b[01;01HBdsDxe: loading").text, "BdsDxe: loading")

    def test_splitting(self):
        splitter = LineSplitter()
        self.assertEqual(splitter.feed(b"a| on"), [])
        self.assertEqual([line.text for line in splitter.feed(b"e\na| two\nen")], ["one", "two"])
        self.assertEqual([line.text for line in splitter.flush()], ["en"])

    def test_a_command_is_one_line(self):
        self.assertEqual(command_verdict("a", False, "x\ny\x01"), b"\x01verdict a failed x?y?\n")


class Keys(unittest.TestCase):
    def test_control_bytes_never_reach_the_machine(self):
        keys = KeyFilter()
        self.assertEqual(keys.feed(b"a\x01"), b"a")
        self.assertEqual(keys.feed(b"qb\x01\x01\x01hc"), b"bc")
        self.assertFalse(keys.wants_quit)
        self.assertTrue(keys.wants_help)

    def test_statistics(self):
        keys = KeyFilter()
        self.assertEqual(keys.feed(b"a\x01sb"), b"a\x01stats\nb")

    def test_quit(self):
        keys = KeyFilter()
        keys.feed(b"\x01x")
        self.assertTrue(keys.wants_quit)


class FakeMachine(Machine):
    """COM1 is a pipe that a script has filled already; what is sent is kept."""

    def __init__(self, log_dir, text, is_well=True):
        super().__init__(log_dir, Options())
        self.text, self.is_well, self.sent = text, is_well, b""
        self._read, self._write = os.pipe()

    @property
    def output(self):
        return self._read

    def send(self, data):
        self.sent += data

    def has_ended_well(self):
        return self.is_well

    def wait(self, seconds):
        return True

    def _start(self):
        os.write(self._write, self.text.encode())
        os.close(self._write)

    def stop(self):
        if self._read >= 0:
            os.close(self._read)
            self._read = -1


class Judging(unittest.TestCase):
    def run_text(self, text, watch=None, is_well=True):
        with tempfile.TemporaryDirectory() as folder:
            self.machine = FakeMachine(folder, text, is_well)
            return Run(self.machine, watch or {"a": Watch()}, 20).execute("/nonexistent.iso")

    def test_all_well(self):
        result = self.run_text("a| hi\nverdict: a: ok: powered off\nend: status 0: all well\n")
        self.assertEqual(result.status, 0)
        self.assertIsNotNone(result.first_guest_line)

    def test_no_last_line_is_the_hypervisors_failure(self):
        self.assertEqual(self.run_text("a| hi\nverdict: a: ok: powered off\n").status, 3)

    def test_a_silent_vm_is_an_error(self):
        self.assertEqual(self.run_text("end: status 0: all well\n").status, 3)

    def test_a_failed_verdict_outweighs_the_end_line(self):
        text = "verdict: a: failed: triple fault\nend: status 0: all well\n"
        self.assertEqual(self.run_text(text).status, 1)

    def test_a_background_vm_counts_not(self):
        text = "verdict: a: ok: powered off\nend: status 0: x\n"
        watch = {"a": Watch(), "b": Watch(is_background=True)}
        self.assertEqual(self.run_text(text, watch).status, 0)

    def test_a_machine_that_fails_after_the_end_line(self):
        text = "verdict: a: ok: powered off\nend: status 0: x\n"
        self.assertEqual(self.run_text(text, is_well=False).status, 3)

    def test_status_of_the_end_line(self):
        for status in (1, 2, 3):
            self.assertEqual(self.run_text(f"end: status {status}: x\n").status, status)
        self.assertEqual(self.run_text("end: status 9: x\n").status, 3)

    def test_guest_status(self):
        text = ("verdict: a: failed: port 0xf4: value 5 (QEMU's exit status would be 11)\n"
                "end: status 1: x\n")
        self.assertEqual(guest_status(self.run_text(text), "a"), 5)
        self.assertEqual(guest_status(self.run_text("end: status 3: x\n"), "a"), 3)

    def test_patterns_send_one_verdict(self):
        text = "a| login:\na| login:\na| Oops\n"
        self.run_text(text, {"a": Watch(expect=["login"], fail_on=["Oops"])})
        self.assertEqual(self.machine.sent, b"\x01verdict a ok --expect login\n")

    def test_failure_wins_on_one_line(self):
        self.run_text("a| login: Oops\n", {"a": Watch(expect=["login"], fail_on=["Oops"])})
        self.assertEqual(self.machine.sent, b"\x01verdict a failed --fail-on Oops\n")


if __name__ == "__main__":
    unittest.main()
