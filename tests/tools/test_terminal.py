"""The person's terminal: every byte of a raw console as it is, and its settings as they were, whatever
happens."""

import os
import pty
import select
import sys
import termios
import unittest

import support  # noqa: F401
from carousel_lib.run import Stopped
from carousel_lib.terminal import Terminal

IFLAG, OFLAG, LFLAG = 0, 1, 3


class InTerminal(unittest.TestCase):
    def setUp(self):
        self.ours, self.theirs = pty.openpty()
        self.saved = sys.stdin, sys.stdout
        sys.stdin = os.fdopen(os.dup(self.theirs), "r", closefd=True)
        sys.stdout = os.fdopen(os.dup(self.theirs), "w", closefd=True)
        self.before = self.settings()

    def tearDown(self):
        sys.stdin.close()
        sys.stdout.close()
        sys.stdin, sys.stdout = self.saved
        os.close(self.ours)
        os.close(self.theirs)

    def settings(self):
        return termios.tcgetattr(self.theirs)

    def screen(self):
        """What was written since the last look."""
        data = b""
        while select.select([self.ours], [], [], 0.1)[0]:
            data += os.read(self.ours, 65536)
        return data

    def test_keys_come_unchanged(self):
        with Terminal(has_input=True):
            now = self.settings()
            self.assertFalse(now[IFLAG] & (termios.ICRNL | termios.IXON))
            self.assertFalse(now[LFLAG] & (termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN))
            self.assertEqual(now[OFLAG], self.before[OFLAG])
        self.assertEqual(self.settings(), self.before)

    def test_raw_bytes_go_out_unchanged(self):
        every = bytes(range(256))
        with Terminal(has_input=True) as terminal:
            terminal.show(b"lines\r\n")
            self.assertEqual(self.screen(), b"lines\r\n")
            terminal.show_raw(every)
            self.assertEqual(self.screen(), every)
            terminal.show_between("asked for")
            self.assertEqual(self.screen(), b"\r\nasked for\r\n")
            terminal.show(b"lines\r\n")
            self.assertTrue(self.screen().endswith(b"lines\r\n"))
            self.assertEqual(self.settings()[OFLAG], self.before[OFLAG])
        self.assertEqual(self.settings(), self.before)

    def test_a_full_screen_program_that_did_not_leave(self):
        with Terminal(has_input=True) as terminal:
            terminal.show_raw(b"\x1b[?1049l\x1b[?1049hx")
            self.screen()
        self.assertIn(b"\x1b[?1049l\x1b[?25h\x1b[m", self.screen())

    def test_one_that_did(self):
        with Terminal(has_input=True) as terminal:
            terminal.show_raw(b"\x1b[?1049hx\x1b[?1049l\n")
            self.screen()
        self.assertNotIn(b"1049", self.screen())

    def test_exceptions(self):
        for error in (Stopped("SIGTERM"), OSError(), AssertionError(), KeyboardInterrupt()):
            with self.assertRaises(type(error)):
                with Terminal(has_input=True) as terminal:
                    terminal.show_raw(b"x")
                    raise error
            self.assertEqual(self.settings(), self.before)


class NotATerminal(unittest.TestCase):
    def test_a_pipe_is_left_alone(self):
        read, write = os.pipe()
        saved, sys.stdin = sys.stdin, os.fdopen(read)
        try:
            with Terminal(is_shown=False, has_input=True) as terminal:
                self.assertEqual(terminal.input, read)
                terminal.show_raw(b"x")
        finally:
            sys.stdin.close()
            sys.stdin = saved
            os.close(write)


if __name__ == "__main__":
    unittest.main()
