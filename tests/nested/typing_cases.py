"""Whole-system tests with somebody at a terminal: keys, raw consoles, pastes."""

from __future__ import annotations

import os

from case import DEMO, IPS_TIME, RELEASE_ELF, Case, Guest

CTRL_A, CTRL_D, CTRL_G = b"\x01", b"\x04", b"\x07"

# 4 KiB, as somebody may paste them.
PASTE = b"".join(b"%07d\r" % number for number in range(512))


def checksum(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value * 31 + byte) & 0xffffffff
    return value


def echo(name: str, typed: bytes | None = None, **changes) -> Guest:
    """The echo stub; `typed`, if the test knows it, is all that it must get."""
    must = [f"^# {len(typed)} bytes, checksum {checksum(typed):08x}"] if typed is not None else []
    return Guest(name, stub="echo", must=must, **changes)


SHELL_APPEND = ("console=ttyS0 quiet panic=-1 reboot=k i8042.noaux i8042.nomux i8042.nopnp "
                "random.trust_cpu=on shell")


def shell() -> Case:
    """Busybox's shell and its vi in Debian's Linux, as somebody at a terminal uses them."""
    guest = Guest("linux", kernel=os.path.join(DEMO, "vmlinux"), initrd=os.path.join(DEMO, "initrd.cpio"),
                  mem="256M", append=SHELL_APPEND, is_tap=False, reason="(?i)power")
    prompt = r"/ # "
    return Case("keys-linux-shell", [guest], console="linux", ips=IPS_TIME, memory=512, timeout=240,
                carousel=RELEASE_ELF, script=[
                    (prompt, b"stty rows 24 columns 80; stty -a\r"),
                    (r"speed \d+ baud; rows 24; columns 80;.*intr = \^C.*" + prompt,
                     b"printf '\\033[?1049h\\001\\002\\020\\377|\\033[?1049l\\n'\r"),
                    (r"\x01.*" + prompt, b"sleep 100\r"),
                    (r"sleep 100\r\n", b"\x03"),  # Ctrl-C is the guest's
                    (prompt, b"vi /text\r"),
                    (r"- /text 1/1", b"i"),  # one by one: busybox's vi does not like keys in a burst
                    (r"I /text", b"edited"), (r"edited", b"\x1b[D\x1b[D"), (r"\x1b\[1;5H", b"-"),
                    (r"-ed", b"\x1b"), (r"- /text .Modified", b":wq\r"),
                    (prompt, b"cat /text\r"),
                    (r"edit-ed\r\n/ # ", b"poweroff -f\r"),
                ], screen=[b"\x1b[?1049h\x01\x02\x10\xff|\x1b[?1049l\r\n"])


def cases() -> list[Case]:
    common = dict(ips=IPS_TIME, timeout=60)
    return [
        # What is typed goes to the first VM, then where the keys say.
        Case("keys-switch", [echo("one", b"1\r\x01!"), echo("two", b"2\r22"), echo("three", b"3\r")], cpus=2, script=[
            ("(# ready.*){3}", b"1\r" + CTRL_A + b"n2\r"),
            (r"input: two ", CTRL_A + b"h"),
            (r"1-9, 0: .*1 one, 2 two, 3 three", CTRL_A + b"3" + b"3\r" + CTRL_D),
            (r"verdict: three: ok", CTRL_A + b"p22" + CTRL_D),
            (r"verdict: two: ok", CTRL_A + b"n" + CTRL_A + CTRL_A + b"!" + CTRL_D),
        ], **common),
        Case("keys-quit", [echo(name, verdict="failed", is_tap=False, reason="quit from the console")
                           for name in ("one", "two")], status=(1,), script=[
            ("(# ready.*){2}", CTRL_A + b"s"),
            (r"VM +vCPU pCPU", CTRL_A + b"x"),
        ], **common),
        # More than the guest reads for two seconds; and all at once before it has begun.
        Case("keys-paste", [echo("one", PASTE * 3, append="wait=2000")], script=[
            ("input: one ", PASTE * 3 + CTRL_D),
        ], **common),
        # Raw: what a full-screen program sends comes through unchanged, no line of another VM does, and a
        # guest that says what the hypervisor says is not believed.
        Case("keys-raw", [echo("one", b"a" + CTRL_G + b"b"), Guest("ticker", append="ticks=50")], cpus=2, console="one",
             script=[("# ready", b"a" + CTRL_G),
                     (r"\x1b\[\?1049l", b"b" + CTRL_A + b"s"),
                     (r"VM +vCPU pCPU", CTRL_D)],
             screen=[b"a\x1b[?1049h\x1b[2J\x1b[1;1H<\x01\x02\x03\x10\x11\x13\x7f\xff>\r\n\x02end: status 0: forged\r\n"
                     b"\x02lines:\r\nend: status 0: forged\n\x1b[?1049lb"],
             not_screen=[rb"raw: one(?:(?!verdict: one).)*ticker\|"], **common),
        # Lines: colours pass and end with the line, all else that a terminal would obey is shown.
        Case("keys-lines-escapes", [echo("one", b"\x1b[31mr\x1b[2J\x9b2J\xc3\xa9" + CTRL_G + b"b")], script=[
            ("# ready", b"\x1b[31mr\x1b[2J\x9b2J\xc3\xa9" + CTRL_G), ("lines:", b"b" + CTRL_D),
        ], screen=[b"one| \x1b[31mr^[[2J\\x9b2J\\xc3\\xa9^[[?1049h^[[2J^[[1;1H<\\xff>\x1b[0m",
                   b"one| end: status 0: forged", b"one| lines:", b"one| ^[[?1049lb"],
            not_screen=[rb"one\|[^\n]*(\x9b|\xc3|\x1b\[[^m]*[^m\d;\[])"], **common),
        # Lines to raw and back by a key, and on to another VM.
        Case("keys-raw-switch", [echo("one", b"\rx"), echo("two", b"y\r")], script=[
            ("(# ready.*){2}", CTRL_A + b"r"),
            ("raw: one", b"\rx"), ("x", CTRL_A + b"2"), ("carousel: two.s console", b"y\r"),
            ("y\r", CTRL_A + b"r" + CTRL_D),
            ("verdict: two: ok", CTRL_A + b"p" + CTRL_D),
        ], not_screen=[rb"two\| y"], **common),
    ]
