"""The person's terminal during a run: COM1 out, keys in."""

from __future__ import annotations

import os
import re
import sys
import termios

# What a full-screen program may have left behind when its VM ends.
ALTERNATE_ON, ALTERNATE_OFF = b"\x1b[?1049h", b"\x1b[?1049l"
RESTORE = b"\x1b[?25h\x1b[m"


class Terminal:
    """A context manager: while it is open, a terminal at standard input hands over each key at once.
    Other standard input is passed on as it comes."""

    def __init__(self, is_shown: bool = True, has_input: bool = False, skip_to: str = "") -> None:
        self._is_shown = is_shown
        self.input: int | None = sys.stdin.fileno() if has_input and not sys.stdin.closed else None
        self._saved: list | None = None
        self._is_at_line_start = True
        self._is_raw = False
        self._is_alternate = False
        # Firmware may talk on COM1 before Carousel does: nothing is shown before this pattern.
        self._skip_to = re.compile(skip_to.encode()) if skip_to else None
        self._held = b""

    def __enter__(self) -> "Terminal":
        if self.input is not None and os.isatty(self.input):
            self._saved = termios.tcgetattr(self.input)
            self._set_mode()
        return self

    def __exit__(self, *_exception) -> None:
        self._leave_raw()
        if self._saved is not None and self.input is not None:
            termios.tcsetattr(self.input, termios.TCSADRAIN, self._saved)
            self._saved = None
        if not self._is_at_line_start:
            self._write(b"\n")

    def _set_mode(self) -> None:
        """Keys come at once and unchanged; and bytes go out unchanged while they are a VM's own."""
        if self._saved is None or self.input is None:
            return
        changed = termios.tcgetattr(self.input)
        changed[0] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR | termios.IXON | termios.ISTRIP)
        changed[1] = changed[1] & ~termios.OPOST if self._is_raw else self._saved[1]
        changed[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        termios.tcsetattr(self.input, termios.TCSADRAIN, changed)

    def _leave_raw(self) -> None:
        if not self._is_raw:
            return
        if self._saved is not None:
            self._write((ALTERNATE_OFF if self._is_alternate else b"") + RESTORE)
        if not self._is_at_line_start:
            self._write(b"\r\n")
        self._is_raw = self._is_alternate = False
        self._set_mode()

    def show(self, data: bytes) -> None:
        """A part of the lines."""
        self._leave_raw()
        if self._skip_to:
            self._held += data
            match = self._skip_to.search(self._held)
            if not match:
                self._held = self._held[-256:]
                return
            data, self._held, self._skip_to = self._held[match.start():], b"", None
        self._write(data.replace(b"\r\n", b"\n"))

    def show_raw(self, data: bytes) -> None:
        """A part of a VM's raw console: every byte as it is."""
        if not self._is_raw:
            self._is_raw = True
            self._set_mode()
        on, off = data.rfind(ALTERNATE_ON), data.rfind(ALTERNATE_OFF)
        if on != off:
            self._is_alternate = on > off
        self._write(data)

    def show_between(self, text: str) -> None:
        """A line that was asked for, among a VM's raw bytes."""
        end = "\r\n" if self._is_raw else "\n"
        self._write((("" if self._is_at_line_start else end) + text + end).encode())

    def note(self, text: str) -> None:
        """A line of our own, between the console's."""
        if self._is_shown:
            end = "\r\n" if self._is_raw else "\n"
            if not self._is_at_line_start:
                self._write(end.encode())
            print(f"carousel: {text}", file=sys.stderr, end=end, flush=True)

    def _write(self, data: bytes) -> None:
        if self._is_shown and data:
            try:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                self._is_shown = False
            self._is_at_line_start = data.endswith(b"\n")
