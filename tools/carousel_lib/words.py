"""The words of the boot modules' command lines, and how GRUB must be told them.

GRUB's two parsers (the one of the embedded configuration and the one of grub.cfg) agree on single
quotes: everything between them is literal. GRUB then joins the arguments with one space, writes a
backslash before each backslash and quote, and puts double quotes around an argument with a space; so
words are handed over one by one and never hold a space. Carousel undoes the backslashes
(docs/guests.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .common import Failure

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}")
SIZE = re.compile(r"[0-9]+[KMGkmg]?")


@dataclass
class Module:
    """A boot module: a file of the build machine and the words of its command line."""

    path: str
    words: list[str]


@dataclass
class Vm:
    """What the command line says of one VM."""

    name: str
    kernel: str = ""
    unpack: bool = False
    initrd: str = ""
    modules: list[tuple[str, str]] = field(default_factory=list)
    disks: list[tuple[str, str]] = field(default_factory=list)
    mem: str = ""
    vcpus: str = ""
    pin: str = ""
    words: list[str] = field(default_factory=list)
    append: str = ""
    expect: list[str] = field(default_factory=list)
    fail_on: list[str] = field(default_factory=list)

    def is_background(self) -> bool:
        return "background" in self.words

    def boot_modules(self) -> list[Module]:
        words = [f"vm={self.name}", "kernel"]
        words += [f"{word}={value}" for word, value in
                  (("mem", self.mem), ("vcpus", self.vcpus), ("pin", self.pin)) if value]
        words += self.words
        if self.append.split():
            words += ["--"] + self.append.split()
        modules = [Module(self.kernel, words)]
        if self.initrd:
            modules.append(Module(self.initrd, [f"vm={self.name}", "initrd"]))
        for path, string in self.modules:
            words = [f"vm={self.name}", "module"]
            modules.append(Module(path, words + (["--"] + string.split() if string.split() else [])))
        modules += [Module(path, [f"vm={self.name}", "disk"] + [word for word in words.split(",") if word])
                    for path, words in self.disks]
        return modules


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Failure(f"--vm {name!r} is not a name",
                      "letters, digits, '_', '.' and '-', at most 31, a letter or digit first")


def size_in_bytes(text: str, what: str) -> int:
    if not SIZE.fullmatch(text):
        raise Failure(f"{what} {text!r} is not a size", "a number with K, M or G behind it, as 256M")
    unit = {"K": 10, "M": 20, "G": 30}.get(text[-1].upper())
    return int(text[:-1]) << unit if unit else int(text)


def _check_plain(word: str) -> None:
    if any(ord(char) < 0x20 or ord(char) == 0x7f for char in word):
        raise Failure(f"{word!r} holds a control character", "command lines are plain text")


def grub_quote(word: str) -> str:
    """One word as GRUB's parsers take it back unchanged."""
    _check_plain(word)
    if re.fullmatch(r"[A-Za-z0-9_./:=,+@%-]+", word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def _split(words: list[str]) -> list[str]:
    return [part for word in words for part in word.split(" ") if part]


def grub_line(command: str, path: str, words: list[str]) -> str:
    return " ".join([command, path] + [grub_quote(word) for word in _split(words)])


def conf_line(command: str, path: str, words: list[str]) -> str:
    """The same for carousel.efi, which hands over what it reads."""
    for word in words:
        _check_plain(word)
    return " ".join([command, path] + _split(words))
