"""What Bochs' debugger lists between two marks of the benchmark guest: every instruction of a path, the
guest's and the hypervisor's. From it come the counts of the dear ones, and who executed how many.

A line is `(CPU).[TICK] [PHYSICAL] SELECTOR:LINEAR (CONTEXT): INSTRUCTION ; BYTES`. The hypervisor's code lies
where its ELF file says, mapped to itself; all else is a guest's. Instructions that repeat (REP) are one line."""

from __future__ import annotations

import bisect
import collections
import re
import subprocess
from dataclasses import dataclass

from ..common import Failure, tool

LINE = re.compile(r"\((\d+)\)\.\[(\d+)\] \[0x([0-9a-f]+)\] [0-9a-f]+:([0-9a-f]+) \(.*?\): (.*?)\s*; [0-9a-f]+$")
STOP = "Magic breakpoint"
GUEST = "guest"

# Columns of the counts, and which instructions they count. An exchange with memory is locked as it is.
DEAR = {"vmread": ("vmread",), "vmwrite": ("vmwrite",), "wrmsr": ("wrmsr",), "rdmsr": ("rdmsr",),
        "vmptrld": ("vmptrld",), "vmclear": ("vmclear",),
        "xsave": ("xsave", "xsaveopt", "xsavec", "xsaves", "xsave64", "xsaveopt64", "xsavec64", "xsaves64"),
        "xrstor": ("xrstor", "xrstors", "xrstor64", "xrstors64"),
        "entry": ("vmresume", "vmlaunch")}
ATOMIC = "atomic"
COLUMNS = (*DEAR, ATOMIC)

# What is folded to one: a loop of so many parts, that comes so often.
LOOP_PARTS = 8
LOOP_TIMES = 3


@dataclass
class Step:
    """One executed instruction. `owner` is the hypervisor's function, or GUEST."""

    cpu: int
    tick: int
    address: int
    text: str
    owner: str

    def is_host(self) -> bool:
        return self.owner != GUEST

    def kind(self) -> str:
        """The column that it counts in, or ''."""
        words = self.text.split()
        if words[0] == "lock" or (words[0] == "xchg" and "[" in self.text):
            return ATOMIC
        return next((column for column, names in DEAR.items() if words[0] in names), "")


class Symbols:
    """The hypervisor's functions by address."""

    def __init__(self, elf: str) -> None:
        done = subprocess.run([tool("nm", "binutils"), "-n", "--", elf], stdout=subprocess.PIPE, text=True,
                              check=False)
        rows = [line.split() for line in done.stdout.splitlines()]
        found = {row[2]: int(row[0], 16) for row in rows if len(row) == 3}
        if done.returncode or "text_start" not in found or "text_end" not in found:
            raise Failure(f"{elf} has no symbols that say where its code is", "run `make` first")
        self.start, self.end = found["text_start"], found["text_end"]
        self._rows = [(int(row[0], 16), row[2]) for row in rows
                      if len(row) == 3 and row[1] in "tT" and row[2] != "text_start"
                      and self.start <= int(row[0], 16) < self.end]
        self._addresses = [address for address, _ in self._rows]

    def owner(self, physical: int, linear: int) -> str:
        if physical != linear or not self.start <= linear < self.end:
            return GUEST
        return self._rows[max(bisect.bisect(self._addresses, linear) - 1, 0)][1]


def parse(text: str, symbols: Symbols) -> list[list[Step]]:
    """The steps between each two stops at a mark. What was not listed leaves an empty list."""
    sections: list[list[Step]] = []
    for line in text.splitlines():
        if line.endswith(STOP):
            sections.append([])
            continue
        match = LINE.match(line)
        if match and sections:
            physical, linear = int(match[3], 16), int(match[4], 16)
            sections[-1].append(Step(int(match[1]), int(match[2]), linear, match[5],
                                     symbols.owner(physical, linear)))
    return sections


def count(steps: list[Step]) -> dict[str, int]:
    """How many of each column the hypervisor executed."""
    found = collections.Counter(step.kind() for step in steps if step.is_host())
    return {column: found[column] for column in COLUMNS}


def runs(steps: list[Step]) -> list[tuple[str, list[Step]]]:
    """Consecutive steps of one owner, one after the other."""
    found: list[tuple[str, list[Step]]] = []
    for step in steps:
        if not found or found[-1][0] != step.owner or found[-1][1][-1].cpu != step.cpu:
            found.append((step.owner, []))
        found[-1][1].append(step)
    return found


def fold(parts: list[tuple[str, list[Step]]]) -> list[tuple[int, list[tuple[str, list[Step]]]]]:
    """Loops: how often a group of parts comes, and the group. Parts are alike by owner and length."""
    keys = [(owner, len(steps)) for owner, steps in parts]
    found: list[tuple[int, list[tuple[str, list[Step]]]]] = []
    at = 0
    while at < len(parts):
        times, length = 1, 1
        for size in range(1, LOOP_PARTS + 1):
            n = 1
            while keys[at + n * size:at + (n + 1) * size] == keys[at:at + size]:
                n += 1
            if n >= LOOP_TIMES:
                times, length = n, size
                break
        found.append((times, parts[at:at + length]))
        at += times * length
    return found


def source_lines(elf: str, addresses: set[int]) -> dict[int, str]:
    """`function file:line` of each address, the innermost function where it was inlined."""
    words = [tool("addr2line", "binutils"), "-a", "-f", "-s", "-e", elf]
    done = subprocess.run(words, input="".join(f"{address:#x}\n" for address in sorted(addresses)),
                          stdout=subprocess.PIPE, text=True, check=False)
    rows = done.stdout.splitlines()
    return {int(rows[i], 16): f"{rows[i + 1]} {rows[i + 2].split(' ')[0]}" for i in range(0, len(rows) - 2, 3)}


def _dear_words(steps: list[Step]) -> str:
    return ", ".join(f"{number} {column}" for column, number in count(steps).items() if number)


def account(metric: str, steps: list[Step], elf: str = "") -> str:
    """The path step by step: who executed how many instructions, in order; then each function's share. With
    `elf`, every instruction and its source line."""
    host = [step for step in steps if step.is_host()]
    where = source_lines(elf, {step.address for step in host}) if elf else {}
    lines = [f"{metric}: {len(steps)} instructions, {len(host)} of them the hypervisor's"]
    cpus = len({step.cpu for step in steps}) > 1
    for times, group in fold(runs(steps)):
        if times > 1:
            lines.append(f"        {times} times:")
        for owner, part in group:
            cpu = f"[{part[0].cpu}] " if cpus else ""
            lines.append(f"{len(part):6}  {'  ' * (times > 1)}{cpu}{owner:32} {_dear_words(part)}".rstrip())
            if elf:
                lines += [f"          {step.address:x} {step.text:44} {where.get(step.address, '')}".rstrip()
                          for step in part if step.is_host()]
    lines.append(f"{metric}: by function")
    shares = collections.Counter(step.owner for step in steps)
    for owner, number in sorted(shares.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"{number:6}  {owner:32} {_dear_words([s for s in steps if s.owner == owner])}".rstrip())
    lines.append(f"{metric}: {_dear_words(steps) or 'nothing dear'}")
    return "\n".join(lines)
