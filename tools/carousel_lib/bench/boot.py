"""What lies before a guest's first instruction, and how big things are. Bochs' debugger tells the tick of each stop
at a breakpoint; the rest is told by Carousel's log at loglevel=debug, and by its ELF file."""

from __future__ import annotations

import re
import struct
import subprocess

from ..common import CAROUSEL_ELF, STATUS_HYPERVISOR, Failure, tool
from ..machines import Bochs
from .suite import Case, Guest, run
from .table import Figure, Figures

SMALL, LARGE = 8, 136  # MiB of the VM: the difference is what a MiB takes
STOP = re.compile(r"^Next at t=(\d+)", re.M)
MEMORY = re.compile(r"memory: (\d+) KiB, of which boot modules (\d+) KiB, free (\d+) KiB")
BESIDES = re.compile(r"VM '(\w+)': (\d+) KiB besides its RAM")


def elf_entry(path: str) -> int:
    with open(path, "rb") as file:
        return struct.unpack_from("<Q", file.read(64), 24)[0]


def address_of(instruction: str, function: str, elf: str) -> int:
    """Where the function has the instruction."""
    done = subprocess.run([tool("objdump", "binutils"), "-d", f"--disassemble={function}", elf],
                          stdout=subprocess.PIPE, text=True, check=False)
    match = re.search(rf"^ *([0-9a-f]+):.*\t{instruction}\b", done.stdout, re.M)
    if not match:
        raise Failure(f"{elf} has no {instruction} in {function}", "run `make`", STATUS_HYPERVISOR)
    return int(match[1], 16)


def symbols(elf: str) -> dict[str, int]:
    done = subprocess.run([tool("nm", "binutils"), "--", elf], stdout=subprocess.PIPE, text=True, check=False)
    return {row[2]: int(row[0], 16) for row in map(str.split, done.stdout.splitlines()) if len(row) == 3}


def handover(mem: int) -> int:
    """Instructions from the entry that GRUB jumps to, to the first of a guest with so many MiB."""
    case = Case(f"boot{mem}", 1, (Guest("quick", "rounds=1 part=quick", words=()),))
    at = symbols(CAROUSEL_ELF)
    # Probes at boot enter small guests of their own: only what comes after the run loop began is a VM's.
    stops = (elf_entry(CAROUSEL_ELF), at["sched_loop"], address_of("vmlaunch", "vmx_enter_guest", CAROUSEL_ELF))
    debugger = [f"pb {stops[0]:#x}", f"pb {stops[1]:#x}", "c", "c", "d 1", "d 2", f"pb {stops[2]:#x}", "c", "d 3", "c",
                "quit"]
    _, text = run(case, Bochs, debugger=debugger, mem=f"{mem}M")
    ticks = [int(tick) for tick in STOP.findall(text)]
    if len(ticks) != 5:
        raise Failure(f"bench-{case.name}: {len(ticks)} stops",
                      "the start, the entry, the run loop, VMLAUNCH and the end are five", STATUS_HYPERVISOR)
    return ticks[3] + 1 - ticks[1]


def start_figures() -> Figures:
    small, large = handover(SMALL), handover(LARGE)
    return {"handover": Figure(small, "ticks"),
            "vm_creation_mib": Figure(round((large - small) / (LARGE - SMALL)), "ticks")}


def parse_sizes(lines: list[str]) -> dict[str, int]:
    """KiB: the hypervisor before any VM, and each VM besides its RAM."""
    found = {}
    for line in lines:
        match = MEMORY.search(line)
        if match:
            total, modules, free = map(int, match.groups())
            found["hypervisor"] = total - modules - free
        match = BESIDES.search(line)
        if match:
            found[match[1]] = int(match[2])
    return found


def size_figures() -> Figures:
    case = Case("sizes", 1, (Guest("one", "part=quick"), Guest("two", "part=quick", vcpus="2")))
    result, _ = run(case, Bochs, hv_words=("loglevel=debug",))
    found = parse_sizes([line.text for line in result.lines])
    if sorted(found) != ["hypervisor", "one", "two"]:
        raise Failure("bench-sizes: the log does not tell all sizes", "see build/logs/bench-sizes", STATUS_HYPERVISOR)
    at = symbols(CAROUSEL_ELF)
    return {"text": Figure(at["text_end"] - at["text_start"], "bytes"),
            "memory_hypervisor": Figure(found["hypervisor"], "KiB"),
            "memory_vm": Figure(found["one"], "KiB"),
            "memory_vcpu": Figure(found["two"] - found["one"], "KiB")}
