"""The person's terminal during a run: COM1's bytes out, keys in."""

from __future__ import annotations

import os
import re
import sys
import termios


class Terminal:
    """A context manager: while it is open, a terminal at standard input hands over each key at once.
    Other standard input is passed on as it comes."""

    def __init__(self, is_shown: bool = True, has_input: bool = False, skip_to: str = "") -> None:
        self._is_shown = is_shown
        self.input: int | None = sys.stdin.fileno() if has_input and not sys.stdin.closed else None
        self._saved: list | None = None
        self._is_at_line_start = True
        # Firmware may talk on COM1 before Carousel does: nothing is shown before this pattern.
        self._skip_to = re.compile(skip_to.encode()) if skip_to else None
        self._held = b""

    def __enter__(self) -> "Terminal":
        if self.input is not None and os.isatty(self.input):
            self._saved = termios.tcgetattr(self.input)
            changed = termios.tcgetattr(self.input)
            changed[0] &= ~(termios.ICRNL | termios.IXON)
            changed[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
            termios.tcsetattr(self.input, termios.TCSADRAIN, changed)
        return self

    def __exit__(self, *_exception) -> None:
        if self._saved is not None and self.input is not None:
            termios.tcsetattr(self.input, termios.TCSADRAIN, self._saved)
            self._saved = None
        if not self._is_at_line_start:
            self._write(b"\n")

    def show(self, data: bytes) -> None:
        if self._skip_to:
            self._held += data
            match = self._skip_to.search(self._held)
            if not match:
                self._held = self._held[-256:]
                return
            data, self._held, self._skip_to = self._held[match.start():], b"", None
        self._write(data.replace(b"\r\n", b"\n"))

    def note(self, text: str) -> None:
        """A line of our own, between the console's."""
        if self._is_shown:
            if not self._is_at_line_start:
                self._write(b"\n")
            print(f"carousel: {text}", file=sys.stderr, flush=True)

    def _write(self, data: bytes) -> None:
        if self._is_shown and data:
            try:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                self._is_shown = False
            self._is_at_line_start = data.endswith(b"\n")
