r"""Carousel's console protocol: what each line on COM1 means, and the control channel back.

    NAME| text                          a guest's console line
    [cpu] text, [cpu vm.vcpu] text      the hypervisor's, with 'error: ' or 'warning: ' first or not
    verdict: NAME: ok|failed: REASON    how a VM ended
    input: NAME (...)                   who is typed to; the first one says that input is served
    room: N                             the answer to `room`: so many bytes can be typed without loss
    raw: NAME, lines:                   a VM's raw console begins, ends
    end: status N: text                 the last line

A guest's line has only printable ASCII, tabs and colours; its other bytes stand there as \x80 to \xff.

In a raw part every byte is the VM's own, but for lines, which have STX in front; STX and DLE of the
VM's are DLE and themselves XOR 0x40. So no guest can write a line that is not marked as its own.

Towards Carousel, 0x01 (Ctrl-A) is the escape: before ':' and a command that a newline ends, or before one
key. All else is input of the VM that is typed to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

GUEST = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)\| ?(.*)", re.S)
HOST = re.compile(r"\[\s*(\d+)(?: ([A-Za-z0-9_.-]+)\.(\d+))?\] ?(?:(error|warning): )?(.*)", re.S)
VERDICT = re.compile(r"verdict: ([A-Za-z0-9_.-]+): (ok|failed)(?:: (.*))?", re.S)
END = re.compile(r"end: status (\d+)(?:: (.*))?", re.S)
INPUT = re.compile(r"input: ([A-Za-z0-9_.-]+) \(.*", re.S)
ROOM = re.compile(r"room: (\d+)")
RAW = re.compile(r"raw: ([A-Za-z0-9_.-]+)")
EXIT_VALUE = re.compile(r"port 0xf4: value (0x[0-9a-fA-F]+|\d+)")
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>c])")

SHOWN = re.compile(r"(?:\\x[0-9a-f]{2})+")

# The prompt of Carousel's monitor stands below all lines: each takes its place.
ERASE = b"\r\x1b[K"

CONTROL = b"\x01"
ANSWER = b"room: "
STX, DLE = b"\x02", b"\x10"
RAW_LINE_MAX = 1 << 16  # longer ones of a raw console are several


@dataclass(frozen=True)
class Line:
    """One line: `kind` is guest, host, verdict, input, room, raw, lines, end or other; what does not
    apply is empty."""

    kind: str
    text: str
    vm: str = ""
    level: str = ""   # of a host line: 'error', 'warning' or ''
    ok: bool = False  # of a verdict
    status: int = 0   # of the end line

    def exit_value(self) -> int | None:
        """Of a verdict: the value that the guest wrote to port 0xf4, if it ended that way."""
        match = EXIT_VALUE.search(self.text)
        return int(match.group(1), 0) if match else None


def _restore(match: re.Match[str]) -> str:
    """The text that bytes were shown of, if it is some that can be printed."""
    try:
        text = bytes.fromhex(match.group().replace("\\x", "")).decode("utf-8")
    except UnicodeDecodeError:
        return match.group()
    return text if text.isprintable() else match.group()


def parse_line(raw: str) -> Line:
    text = ESCAPES.sub("", raw).rstrip("\r\n")
    match = GUEST.fullmatch(text)
    if match:
        return Line("guest", SHOWN.sub(_restore, match.group(2)), vm=match.group(1))
    match = HOST.fullmatch(text)
    inner = match.group(5) if match else text
    found = VERDICT.fullmatch(inner)
    if found:
        return Line("verdict", found.group(3) or "", vm=found.group(1), ok=found.group(2) == "ok")
    found = END.fullmatch(inner)
    if found:
        return Line("end", found.group(2) or "", status=int(found.group(1)))
    if match:
        return Line("host", inner, vm=match.group(2) or "", level=match.group(4) or "")
    found = INPUT.fullmatch(text)
    if found:
        return Line("input", text, vm=found.group(1))
    found = ROOM.fullmatch(text)
    if found:
        return Line("room", text, status=int(found.group(1)))
    found = RAW.fullmatch(text)
    if found:
        return Line("raw", text, vm=found.group(1))
    return Line("lines" if text == "lines:" else "other", text)


@dataclass(frozen=True)
class Event:
    """What came: `text`, bytes of the part in lines as they come; `raw`, bytes of a VM's raw console;
    or a whole `line`, in a raw part or not."""

    text: bytes = b""
    raw: bytes = b""
    line: Line | None = None
    is_in_raw: bool = False


class Decoder:
    """Bytes of COM1 in, events out. `raw_vm` is the VM whose raw part this is, or empty."""

    def __init__(self) -> None:
        self.raw_vm = ""
        self._line = b""         # that has no newline yet
        self._shown = 0          # so much of it has been given as text
        self._is_marked = False  # in a raw part: inside a line
        self._is_escaped = False
        self._raw_line = b""     # the raw console's, for those who look for lines

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        while data:
            data = self._feed_raw(data, events) if self.raw_vm else self._feed_lines(data, events)
        return events

    def flush(self) -> list[Event]:
        """What stands behind the last newline, at the very end."""
        rest, self._line = self._line, b""
        return [Event(line=parse_line(self._decode(rest)))] if rest.strip(STX) else []

    @staticmethod
    def _decode(line: bytes) -> str:
        return line.lstrip(STX).decode("utf-8", "replace")

    def _feed_lines(self, data: bytes, events: list[Event]) -> bytes:
        part, newline, rest = data.partition(b"\n")
        self._line += part + newline
        erased = self._line.rfind(ERASE)
        if erased >= 0:
            erased += len(ERASE)
            events.append(Event(text=self._line[self._shown:erased]))
            self._line, self._shown = self._line[erased:], 0
        # The answer to `room` is ours alone.
        text = self._line.lstrip(STX)
        if text[:len(ANSWER)] != ANSWER[:len(text)]:
            events.append(Event(text=text[self._shown:]))
            self._shown = len(text)
        if newline:
            self._end_line(events)
        return rest

    def _feed_raw(self, data: bytes, events: list[Event]) -> bytes:
        if self._is_marked:
            part, newline, rest = data.partition(b"\n")
            self._line += part + newline
            if newline:
                self._is_marked = False
                self._end_line(events)
            return rest
        part, mark, rest = data.partition(STX)
        self._take_raw(part, events)
        if mark:
            self._is_marked, self._line = True, STX
        return rest

    def _take_raw(self, part: bytes, events: list[Event]) -> None:
        out = bytearray()
        for byte in part:
            if self._is_escaped:
                out.append(byte ^ 0x40)
                self._is_escaped = False
            elif byte == DLE[0]:
                self._is_escaped = True
            else:
                out.append(byte)
        if not out:
            return
        events.append(Event(raw=bytes(out)))
        *whole, rest = (self._raw_line + bytes(out)).split(b"\n")
        for line in whole:
            self._add_raw_line(self._cut_raw_line(line, events), events)
        self._raw_line = self._cut_raw_line(rest, events)

    def _cut_raw_line(self, line: bytes, events: list[Event]) -> bytes:
        """What is left of a line that is too long."""
        while len(line) > RAW_LINE_MAX:
            self._add_raw_line(line[:RAW_LINE_MAX], events)
            line = line[RAW_LINE_MAX:]
        return line

    def _add_raw_line(self, line: bytes, events: list[Event]) -> None:
        text = ESCAPES.sub("", line.decode("utf-8", "replace")).rstrip("\r")
        events.append(Event(line=Line("guest", text, vm=self.raw_vm), is_in_raw=True))

    def _end_line(self, events: list[Event]) -> None:
        data, self._line, self._shown = self._line, b"", 0
        line = parse_line(self._decode(data))
        events.append(Event(line=line, is_in_raw=bool(self.raw_vm)))
        # Without its mark it is not the part that we can read.
        if line.kind in ("raw", "lines") and data.startswith(STX):
            if self._raw_line:
                self._add_raw_line(self._raw_line, events)
                self._raw_line = b""
            self.raw_vm = line.vm


def command_verdict(vm: str, is_ok: bool, reason: str) -> bytes:
    clean = re.sub(r"[^\x20-\x7e]", "?", reason)[:120]
    return CONTROL + f":verdict {vm} {'ok' if is_ok else 'failed'} {clean}\n".encode()


def command_quit() -> bytes:
    return CONTROL + b":quit\n"


def command_raw(vm: str) -> bytes:
    return CONTROL + f":raw {vm}\n".encode()


def command_room() -> bytes:
    return CONTROL + b":room\n"
