"""What a person types during a run: keys for us, keys for Carousel, and the guest's input."""

from __future__ import annotations

from .console import CONTROL

HELP = ("Ctrl-A and then: 1-9, 0: the first VM to the tenth; n, p: the next VM, the one before; r: raw or in "
        "lines; s: statistics; m: the monitor's prompt; h: this; x: quit; a or Ctrl-A: a Ctrl-A")

ROOM = 4096       # what Carousel has room for at first; it has 8192
ROOM_LOW = 1024   # below that, ask
AGAIN_SECONDS = 0.25
TYPED_MAX = 65536  # more is not read until some of it is gone


class KeyFilter:
    """Takes keys apart, with Ctrl-A as the escape. Carousel knows the same keys: x and h are ours, r is a
    command, since we want lines marked; the rest goes on."""

    def __init__(self) -> None:
        self._is_escaped = False
        self.is_raw = False
        self.wants_quit = False
        self.wants_help = False

    def feed(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if not self._is_escaped:
                if byte == CONTROL[0]:
                    self._is_escaped = True
                else:
                    out.append(byte)
                continue
            self._is_escaped = False
            self.wants_quit |= byte in b"xX"
            self.wants_help |= byte in b"hH?"
            if byte == CONTROL[0] or byte in b"aA":
                out += CONTROL + b"a"
            elif byte in b"0123456789npsmNPSM":
                out += CONTROL + bytes([byte]).lower()
            elif byte in b"rR":
                out += CONTROL + (b":lines\n" if self.is_raw else b":raw\n")
        return bytes(out)


class Typed:
    """What was typed and is on its way, no faster than Carousel has room for it. Nothing goes before
    Carousel serves input."""

    def __init__(self, ask: bytes) -> None:
        self._ask = ask
        self._waiting = bytearray()
        self._room = 0
        self._has_begun = False
        self._is_asked = False   # one question at a time: an answer says what was when it was asked
        self._since_asked = 0
        self._is_stuck = False   # nothing is read
        self._not_before = 0.0   # the next question

    def is_full(self) -> bool:
        return len(self._waiting) >= TYPED_MAX

    def add(self, data: bytes) -> None:
        self._waiting += data

    def begin(self) -> None:
        """Carousel serves input from now on."""
        if not self._has_begun:
            self._has_begun, self._room = True, ROOM

    def answer(self, room: int, now: float) -> None:
        self._room = max(room - self._since_asked, 0)
        self._is_asked, self._is_stuck = False, room == 0
        # A guest that reads nothing would keep the line busy with questions.
        self._not_before = now + AGAIN_SECONDS if self._room < ROOM_LOW else now

    def _key_end(self, start: int) -> int:
        is_command = self._waiting[start + 1:start + 2] == b":"
        return self._waiting.index(b"\n", start) + 1 if is_command else start + 2

    def _take_key(self) -> bytes:
        """The first key for Carousel; what waits in front of it is given up."""
        start = self._waiting.find(CONTROL)
        if start < 0:
            return b""
        end = self._key_end(start)
        key = bytes(self._waiting[start:end])
        del self._waiting[:end]
        return key

    def _take_text(self) -> bytes:
        count = min(self._room, len(self._waiting))
        # A key or command is not torn apart: a question may come between.
        start = self._waiting.rfind(CONTROL, 0, count)
        if start >= 0:
            count = max(count, self._key_end(start))
        out = bytes(self._waiting[:count])
        del self._waiting[:count]
        self._room = max(self._room - count, 0)
        self._since_asked += count
        return out

    def take(self, now: float) -> bytes:
        """What can be sent now. Keys get past a guest that reads nothing."""
        out = self._take_key() if self._is_stuck else self._take_text()
        is_due = self._has_begun and not self._is_asked and now >= self._not_before
        if is_due and self._room < ROOM_LOW and (out or self._waiting):
            self._is_asked, self._since_asked = True, 0
            out += self._ask
        return out
