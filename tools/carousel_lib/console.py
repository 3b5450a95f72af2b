"""Carousel's console protocol: what each line on COM1 means, and the control channel back.

    NAME| text                          a guest's console line
    [cpu] text, [cpu vm.vcpu] text      the hypervisor's, with 'error: ' or 'warning: ' first or not
    verdict: NAME: ok|failed: REASON    how a VM ended
    end: status N: text                 the last line

Towards Carousel, byte 0x01 starts a command that a newline ends; all else is the guest's input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

GUEST = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)\| ?(.*)", re.S)
HOST = re.compile(r"\[\s*(\d+)(?: ([A-Za-z0-9_.-]+)\.(\d+))?\] ?(?:(error|warning): )?(.*)", re.S)
VERDICT = re.compile(r"verdict: ([A-Za-z0-9_.-]+): (ok|failed)(?:: (.*))?", re.S)
END = re.compile(r"end: status (\d+)(?:: (.*))?", re.S)
EXIT_VALUE = re.compile(r"port 0xf4: value (0x[0-9a-fA-F]+|\d+)")
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>c])")

CONTROL = b"\x01"


@dataclass(frozen=True)
class Line:
    """One line: `kind` is guest, host, verdict, end or other; what does not apply is empty."""

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


def parse_line(raw: str) -> Line:
    text = ESCAPES.sub("", raw).rstrip("\r\n")
    match = GUEST.fullmatch(text)
    if match:
        return Line("guest", match.group(2), vm=match.group(1))
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
    return Line("other", text)


class LineSplitter:
    """Bytes in, parsed lines out; what has no newline yet stays behind."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Line]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [parse_line(line.decode("utf-8", "replace")) for line in whole]

    def flush(self) -> list[Line]:
        """What stands behind the last newline, at the very end."""
        rest, self._rest = self._rest, b""
        return [parse_line(rest.decode("utf-8", "replace"))] if rest else []


def command_verdict(vm: str, is_ok: bool, reason: str) -> bytes:
    clean = re.sub(r"[^\x20-\x7e]", "?", reason)[:120]
    return CONTROL + f"verdict {vm} {'ok' if is_ok else 'failed'} {clean}\n".encode()


def command_quit() -> bytes:
    return CONTROL + b"quit\n"


class KeyFilter:
    """What a person types, with Ctrl-A as the escape: Ctrl-A x quits, Ctrl-A s asks for the statistics,
    Ctrl-A h helps. Byte 0x01 gets through to the machine only in front of such a command."""

    HELP = ("Ctrl-A x: quit   Ctrl-A s: statistics   Ctrl-A h: this line   all else goes to the guest's "
            "console")

    def __init__(self) -> None:
        self._is_escaped = False
        self.wants_quit = False
        self.wants_help = False

    def feed(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if self._is_escaped:
                self._is_escaped = byte == 1
                self.wants_quit |= byte in b"xX"
                self.wants_help |= byte in b"hH?"
                if byte in b"sS":
                    out += CONTROL + b"stats\n"
            elif byte == 1:
                self._is_escaped = True
            else:
                out.append(byte)
        return bytes(out)
