"""What a whole-system test is: VMs, a machine, and what must come of it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Callable

from carousel_lib import tap
from carousel_lib.common import BUILD, CAROUSEL_ELF, PROJECT
from carousel_lib.run import Result
from carousel_lib.words import Module, Vm

RELEASE_ELF = CAROUSEL_ELF
DEBUG_ELF = os.path.join(BUILD, "debug", "carousel.elf")
DEMO = os.path.join(BUILD, "demo")

# For guests that assert no time: BIOS and GRUB delays are cheap.
IPS_FAST = 4_000_000
# For Linux, halt polling and benchmarks: time and instructions agree.
IPS_TIME = 50_000_000
# How the log says that the guests' local APICs are served.
APIC_BY_CPU = r"VMX: .*local APIC by virtual-interrupt delivery"
APIC_IN_SOFTWARE = r"VMX: .*local APIC in software \(vid=off\)"
APIC_VID_DEFECT = r"VMX: .*local APIC in software \(virtual-interrupt delivery does not heed IF=0\)"
APIC_NO_VID = r"VMX: .*local APIC in software \(the CPU cannot\)"


BASELINE = os.path.join(PROJECT, "tests", "bench", "baseline.tsv")


def baseline() -> dict[str, int]:
    """The stored figures of the bench guest, in ticks."""
    with open(BASELINE, encoding="utf-8") as file:
        rows = [line.split("\t") for line in file]
    return {row[0]: int(row[2]) for row in rows if len(row) >= 3 and row[1] == "ticks"}


def stub_path(name: str) -> str:
    return os.path.join(BUILD, "stubs", name + ".elf")


@dataclass
class Guest:
    """One VM of a case. `kernel` is a file; a stub when it is empty, named like the VM unless `stub`
    says otherwise. `verdict` is 'ok', 'failed' or 'any' (also none, in the background), `reason` a pattern
    of the verdict's reason."""

    name: str
    stub: str = ""
    kernel: str = ""
    initrd: str = ""
    modules: list[tuple[str, str]] = field(default_factory=list)  # files and their strings
    disks: list[tuple[str, str]] = field(default_factory=list)
    mem: str = "16M"
    words: list[str] = field(default_factory=list)
    append: str = ""
    expect: list[str] = field(default_factory=list)
    fail_on: list[str] = field(default_factory=list)
    verdict: str = "ok"
    reason: str = ""
    is_tap: bool = True
    must: list[str] = field(default_factory=list)
    must_not: list[str] = field(default_factory=list)

    def kernel_path(self) -> str:
        return self.kernel or stub_path(self.stub or self.name)

    def boot_modules(self) -> list[Module]:
        vm = Vm(self.name, kernel=self.kernel_path(), initrd=self.initrd, mem=self.mem,
                modules=self.modules, disks=self.disks, words=self.words, append=self.append)
        return vm.boot_modules()


def hello(**changes) -> Guest:
    """The well-behaved neighbour: whatever happens to others, it runs to its end."""
    return Guest("hello", must=[r"Hello from a guest", r"^1\.\.5"], **changes)


@dataclass
class Case:
    """One boot. `status`: the permitted exit statuses. `raw` are modules beside those of the guests,
    as (file, words). `repeat`: run it twice and compare COM1 byte for byte. `medium`: '' is a CD with
    GRUB, 'stick' the same image as a hard disk, 'usb' a disk with carousel.efi. `screens`: QEMU's
    screenshots and what must stand on each; `monitor` makes them, at Carousel's last line. `replies`:
    what is typed when a line has the pattern, one after the other. `until`: a line that ends the run with
    status 0."""

    name: str
    guests: list[Guest] = field(default_factory=list)
    host: str = "bochs"
    cpus: int = 1
    model: str = ""
    ips: int = IPS_FAST
    memory: int = 256
    is_uefi: bool = False
    medium: str = ""
    conf: str = ""  # carousel.conf, in place of the one that the modules make
    until: str = ""
    is_pci_serial: bool = False
    screens: dict[str, list[str]] = field(default_factory=dict)
    monitor: list[str] = field(default_factory=list)
    replies: list[tuple[str, bytes]] = field(default_factory=list)
    carousel: str = DEBUG_ELF
    words: str = ""
    raw: list[tuple[str, str]] = field(default_factory=list)
    host_options: list[str] = field(default_factory=list)
    status: tuple[int, ...] = (0,)
    must: list[str] = field(default_factory=list)
    must_not: list[str] = field(default_factory=lambda: [r"(?i)\bpanic\b", r"(?i)assert"])
    timeout: float = 90
    repeat: bool = False
    needs: list[str] = field(default_factory=list)  # files without which the case is skipped
    skip: str = ""  # why the case cannot be run here
    prepare: Callable[[str], None] | None = None    # is given the log directory, before the start
    check: Callable[[Result], list[str]] | None = None  # what else is wrong with the result
    # Somebody at a terminal, who waits for each pattern on the screen and then types; --console; and
    # what the screen must have had, byte for byte, or (patterns) must not.
    script: list[tuple[str, bytes]] = field(default_factory=list)
    # Lines for --monitor-script, and patterns that must be in the log of its answers.
    monitor_script: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    console: str = ""
    tool: list[str] = field(default_factory=list)  # more words for tools/carousel run; LOGS: log directory
    # gdb's commands on the first guest, by COM2, and what it must say to each.
    gdb: list[tuple[str, str]] = field(default_factory=list)
    screen: list[bytes] = field(default_factory=list)
    not_screen: list[bytes] = field(default_factory=list)

    def boot_modules(self) -> list[Module]:
        modules = [module for guest in self.guests for module in guest.boot_modules()]
        return modules + [Module(path, words.split()) for path, words in self.raw]


def tap_problems(lines: list[str]) -> list[str]:
    """What is wrong with a guest's TAP."""
    read = tap.read(lines)
    return [point.text for point in read.points if point.has_failed()] + read.problems()


def guest_problems(guest: Guest, result: Result) -> list[str]:
    lines = result.guest_lines(guest.name)
    text = "\n".join(lines)
    problems = []
    verdict = result.verdicts.get(guest.name)
    if guest.verdict == "any":
        pass
    elif not verdict:
        problems.append("there is no verdict")
    elif verdict.ok != (guest.verdict == "ok"):
        problems.append(f"the verdict is '{'ok' if verdict.ok else 'failed'}: {verdict.text}', not "
                        f"'{guest.verdict}'")
    elif not re.search(guest.reason, verdict.text):
        problems.append(f"the verdict's reason '{verdict.text}' lacks /{guest.reason}/")
    if guest.is_tap:
        problems += tap_problems(lines)
    problems += [f"its console lacks /{pattern}/" for pattern in guest.must
                 if not re.search(pattern, text, re.M)]
    problems += [f"its console has /{pattern}/" for pattern in guest.must_not
                 if re.search(pattern, text, re.M)]
    return [f"{guest.name}: {problem}" for problem in problems]


def problems(case: Case, result: Result) -> list[str]:
    """All that is not as the case says."""
    found = []
    if result.status not in case.status:
        wanted = " or ".join(map(str, case.status))
        found.append(f"exit status {result.status} ({result.why}) instead of {wanted}")
    for guest in case.guests:
        found += guest_problems(guest, result)
    # What Carousel itself says; the guests' own words are not searched.
    said = "\n".join(line.text for line in result.lines if line.kind != "guest")
    said += "\n" + "\n".join(f"{vm}: {verdict.text}" for vm, verdict in result.verdicts.items())
    found += [f"Carousel's log lacks /{pattern}/" for pattern in case.must
              if not re.search(pattern, said, re.M)]
    found += [f"Carousel's log has /{pattern}/" for pattern in case.must_not
              if re.search(pattern, said, re.M)]
    if case.check:
        found += case.check(result)
    return found


@dataclass
class Times:
    """A vCPU's row of the end table: milliseconds of running, waiting for a pCPU, and halting."""

    run: int
    wait: int
    halt: int
    halts: int
    hits: int      # halts that ended while the hypervisor polled
    polls: int     # halts that it polled in
    switches: int


def instructions(result: Result) -> int:
    """How far the TSC had come at the end: in Bochs, the instructions that each CPU had time for."""
    found = [re.match(r"TSC at the end: (\d+) ticks", line.text) for line in result.lines]
    return next((int(match[1]) for match in found if match), 0)


def vcpu_times(result: Result) -> dict[str, Times]:
    """The end table by 'VM.vCPU'."""
    row = re.compile(r"(\S+) +(\d+) +\d+ +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)/(\d+) +(\d+)$")
    matches = [row.match(line.text) for line in result.lines if line.kind != "guest"]
    return {f"{m[1]}.{m[2]}": Times(*map(int, m.group(3, 4, 5, 6, 7, 8, 9))) for m in matches if m}
