"""The console protocol, the keys, and what a run's exit status is made of."""

import os
import tempfile
import unittest

import support  # noqa: F401
from carousel_lib.console import RAW_LINE_MAX, Decoder, command_room, command_verdict, parse_line
from carousel_lib.keys import ROOM, ROOM_LOW, TYPED_MAX, KeyFilter, Typed
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

    def test_what_is_shown_of_bytes_is_text_again(self):
        line = parse_line("a| \x1b[32m\\xe2\\x9c\\x93 gr\\xc3\\xbcn\x1b[0m \\x5cxe2 \\n")
        self.assertEqual(line.text, "\u2713 gr\u00fcn \\xe2 \\n")
        # Neither what is no UTF-8, nor a C1 control, nor one that turns the direction.
        for text in ("\\x9b2J", "\\xc2\\x9b2J", "\\xe2\\x80\\xae", "\\xc0\\xaf", "\\xed\\xa0\\x80"):
            self.assertEqual(parse_line("a| " + text).text, text)
        self.assertEqual(parse_line("[0] \\xc3\\xbc").text, "\\xc3\\xbc")

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

    def test_console_lines(self):
        self.assertEqual(parse_line("input: a (Ctrl-A h: the keys)").vm, "a")
        self.assertEqual(parse_line("room: 8192\r\n").status, 8192)
        self.assertEqual(parse_line("raw: a").vm, "a")

    def test_a_command_is_one_line(self):
        self.assertEqual(command_verdict("a", False, "x\ny\x01"), b"\x01:verdict a failed x?y?\n")


class PromptLines(unittest.TestCase):
    """The monitor's prompt stands below all lines, and each takes its place."""

    DATA = (b"a| one\r\n(carousel) vm\r\x1b[Ka| two\r\n(carousel) vm\r\x1b[K(carousel) vms\r\n"
            b"(carousel) \r\x1b[Kroom: 12\r\n(carousel) x\r\x1b[Kverdict: a: ok: x\r\n")

    def test_lines_begin_behind_it(self):
        for step in (0, 1, 3):
            text, _, lines = decode(self.DATA, step)
            self.assertEqual([line[0] for line in lines], ["guest", "guest", "other", "room", "verdict"])
            self.assertEqual(lines[1], ("guest", "a", "two"))
            # It is shown as it comes, but for the answer to a question of ours.
            self.assertEqual(text, self.DATA.replace(b"room: 12\r\n", b""))


def decode(data, step=0):
    """What the decoder makes of the data in pieces of `step` bytes: text, raw bytes, lines."""
    decoder = Decoder()
    step = step or len(data)
    events = [event for at in range(0, len(data), step) for event in decoder.feed(data[at:at + step])]
    events += decoder.flush()
    return (b"".join(event.text for event in events), b"".join(event.raw for event in events),
            [(event.line.kind, event.line.vm, event.line.text) for event in events if event.line])


class Decoding(unittest.TestCase):
    def check(self, data, text, raw, lines):
        for step in (0, 1, 2, 3, 7):
            self.assertEqual(decode(data, step), (text, raw, lines), f"in pieces of {step}")

    def test_lines(self):
        self.check(b"a| one\na| two\nen", b"a| one\na| two\nen", b"",
                   [("guest", "a", "one"), ("guest", "a", "two"), ("other", "", "en")])

    def test_text_is_given_as_it_comes(self):
        decoder = Decoder()
        self.assertEqual([event.text for event in decoder.feed(b"[0] hal")], [b"[0] hal"])
        self.assertEqual(decoder.feed(b"f\n")[0].text, b"f\n")

    def test_an_answer_is_not_shown(self):
        self.check(b"room: 17\nroom| x\nroo\n", b"room| x\nroo\n", b"",
                   [("room", "", "room: 17"), ("guest", "room", "x"), ("other", "", "roo")])

    def test_raw(self):
        """'STX in front of each line; STX and DLE of the VM's are DLE and themselves XOR 0x40'"""
        self.check(b"\x02raw: a\r\n\x1b[2J$ \x10\x42\x10\x50\xff\x02b| between\r\nls\r\n\x02lines:\r\nb| x\n",
                   b"raw: a\r\nb| x\n", b"\x1b[2J$ \x02\x10\xffls\r\n",
                   [("raw", "a", "raw: a"), ("guest", "b", "between"), ("guest", "a", "$ \x02\x10\ufffdls"),
                    ("lines", "", "lines:"), ("guest", "b", "x")])

    def test_a_raw_guest_cannot_speak_for_the_hypervisor(self):
        forged = b"\nend: status 0: fine\n\x10\x42end: status 0: fine\r\n\x10\x42lines:\n"
        _, raw, lines = decode(b"\x02raw: a\n" + forged + b"\x02end: status 1: no\n")
        self.assertEqual(raw, forged.replace(b"\x10\x42", b"\x02"))
        self.assertEqual([line for line in lines if line[0] == "end"], [("end", "", "no")])
        self.assertFalse([line for line in lines if line[0] == "lines"])

    def test_raw_from_one_to_the_other(self):
        self.check(b"\x02raw: a\nx\x02lines:\n\x02raw: b\ny\nz", b"raw: a\nraw: b\n", b"xy\nz",
                   [("raw", "a", "raw: a"), ("lines", "", "lines:"), ("guest", "a", "x"),
                    ("raw", "b", "raw: b"), ("guest", "b", "y")])

    def test_a_raw_console_without_newlines(self):
        """It is neither kept without bound nor copied again for every piece of it."""
        decoder = Decoder()
        decoder.feed(b"\x02raw: a\n")
        for _ in range(33):
            events = decoder.feed(b"x" * 4096)
        self.assertEqual([len(event.line.text) for event in events if event.line], [RAW_LINE_MAX])
        events = decoder.feed(b"\n")
        self.assertEqual([len(event.line.text) for event in events if event.line], [4096])
        events = decoder.feed(b"y" * (2 * RAW_LINE_MAX + 1) + b"\n")
        self.assertEqual([len(event.line.text) for event in events if event.line], [RAW_LINE_MAX, RAW_LINE_MAX, 1])

    def test_an_unmarked_announcement_is_not_believed(self):
        """A plain terminal's raw part has no marks: what comes then cannot be told apart."""
        self.check(b"raw: a\n[0] x\n", b"raw: a\n[0] x\n", b"", [("raw", "a", "raw: a"), ("host", "", "x")])


class Keys(unittest.TestCase):
    def test_keys_for_carousel_go_on(self):
        keys = KeyFilter()
        self.assertEqual(keys.feed(b"a\x01"), b"a")
        self.assertEqual(keys.feed(b"nb\x01P\x011\x01s"), b"\x01nb\x01p\x011\x01s")

    def test_others_do_not(self):
        keys = KeyFilter()
        self.assertEqual(keys.feed(b"\x01q\x01:\x01hc"), b"c")
        self.assertFalse(keys.wants_quit)
        self.assertTrue(keys.wants_help)

    def test_ctrl_a_itself(self):
        self.assertEqual(KeyFilter().feed(b"\x01\x01x\x01ax"), b"\x01ax\x01ax")

    def test_raw_is_asked_for_with_marks(self):
        keys = KeyFilter()
        self.assertEqual(keys.feed(b"\x01r"), b"\x01:raw\n")
        keys.is_raw = True
        self.assertEqual(keys.feed(b"\x01r"), b"\x01:lines\n")

    def test_quit(self):
        keys = KeyFilter()
        keys.feed(b"\x01x")
        self.assertTrue(keys.wants_quit)


class Pacing(unittest.TestCase):
    """What is typed goes no faster than there is room for it."""

    def test_nothing_before_input_is_served(self):
        typed = Typed(b"?")
        typed.add(b"ls\n")
        self.assertEqual(typed.take(0), b"")
        typed.begin()
        self.assertEqual(typed.take(0), b"ls\n")
        self.assertEqual(typed.take(99), b"")

    def test_a_paste(self):
        """A guest that reads 1000 bytes between two questions: never more on the way than the room."""
        typed, sent, room = Typed(b"\0"), b"", 2 * ROOM
        text = bytes(range(32, 127)) * 500
        typed.begin()
        typed.add(text)
        for second in range(200):
            out = typed.take(second)
            body = out.rstrip(b"\0")
            sent += body
            room -= len(body)
            self.assertGreaterEqual(room, 0)
            if len(body) != len(out):
                typed.answer(room, second)
            room = min(room + 1000, 2 * ROOM)
        self.assertEqual(sent, text)

    def test_a_guest_that_reads_nothing(self):
        typed = Typed(b"?")
        typed.begin()
        typed.add(b"x" * 2 * TYPED_MAX)
        self.assertTrue(typed.is_full())
        questions = sent = 0
        for tenth in range(100):
            out = typed.take(tenth / 10)
            sent += out.count(b"x")
            if b"?" in out:
                questions += 1
                typed.answer(max(2 * ROOM - sent, 0), tenth / 10)
        self.assertEqual(sent, 2 * ROOM)
        self.assertLess(questions, 40)

    def test_what_is_sent_meanwhile_counts(self):
        typed = Typed(b"?")
        typed.begin()
        typed.add(b"x" * (ROOM - ROOM_LOW + 1))
        self.assertTrue(typed.take(0).endswith(b"?"))
        typed.add(b"y" * 100)
        self.assertEqual(typed.take(0), b"y" * 100)
        typed.answer(100, 0)  # as it was before the last hundred
        typed.add(b"z")
        self.assertEqual(typed.take(0.1), b"")

    def test_one_question_at_a_time(self):
        """A late answer is not one to a later question."""
        typed = Typed(b"?")
        typed.begin()
        typed.add(b"x" * 3 * ROOM)
        self.assertEqual(typed.take(0).count(b"?"), 1)
        self.assertEqual(typed.take(9), b"")
        typed.answer(ROOM, 10)
        self.assertEqual(len(typed.take(10)), ROOM + 1)

    def test_a_key_gets_past_a_guest_that_reads_nothing(self):
        typed = Typed(b"?")
        typed.begin()
        typed.add(b"x" * 2 * ROOM + b"\x01nls\x01:raw\nls")
        self.assertEqual(len(typed.take(0)), ROOM + 1)
        typed.answer(0, 1)
        self.assertEqual(typed.take(1), b"\x01n")
        self.assertEqual(typed.take(2), b"\x01:raw\n?")
        typed.answer(2 * ROOM, 3)
        self.assertEqual(typed.take(3), b"ls")

    def test_a_key_is_not_torn(self):
        for room in range(1, 6):
            typed = Typed(command_room())
            typed.begin()
            typed.take(0)
            typed.add(b"x" * (ROOM - room) + b"\x01n\x01:raw\n\x01a")
            out = typed.take(0)
            self.assertTrue(out.endswith(b"\x01n" + command_room()) or
                            out.endswith(b"\x01:raw\n" + command_room()), room)


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
        os.write(self._write, self.text if isinstance(self.text, bytes) else self.text.encode())
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
        self.assertEqual(self.machine.sent, b"\x01:verdict a ok --expect login\n")

    def test_a_raw_console(self):
        """Its lines are looked at, too; and the verdict is found among its bytes."""
        text = (b"input: a (x)\n\x02raw: a\nlog\x02[0] hm\r\nin:\r\nend: status 0: x\n"
                b"\x02lines:\nverdict: a: failed: x\nend: status 1: y\n")
        result = self.run_text(text, {"a": Watch(expect=["^login"])})
        self.assertEqual((result.status, result.why), (1, "y"))
        self.assertEqual(self.machine.sent, b"\x01:verdict a ok --expect ^login\n")

    def test_failure_wins_on_one_line(self):
        self.run_text("a| login: Oops\n", {"a": Watch(expect=["login"], fail_on=["Oops"])})
        self.assertEqual(self.machine.sent, b"\x01:verdict a failed --fail-on Oops\n")


if __name__ == "__main__":
    unittest.main()
