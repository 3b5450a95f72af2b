"""What is run for the figures: cases of guests on a machine, and what their consoles and Bochs' debugger say."""

from __future__ import annotations

import os
import re
import statistics
from dataclasses import dataclass

from .. import image
from ..common import BUILD, CAROUSEL_ELF, STATUS_HYPERVISOR, Failure
from ..logs import LogDir
from ..machines import Machine, Options
from ..run import Result, Run, Watch
from ..words import Vm
from . import trace

STUB = os.path.join(BUILD, "stubs", "bench.elf")
LINE = re.compile(r"bench (\S+) (\d+(?:\.\d+)?) (\S+)")
MEAN = re.compile(r"mean (\S+) (\d+\.\d+) \S+")
ORIGIN = re.compile(r"origin (\d+) at (\d+)")
GAP = re.compile(r"gap (\d+) (\d+)")
SECONDS = 300
TRACED_ROUNDS = 20  # each path is warm by then
SLICE = "slice_us=200"  # short, where slices are to end often

Figures = dict[str, tuple[float, str]]


@dataclass(frozen=True)
class Guest:
    """A VM with the benchmark guest: its command line, and words of docs/guests.md."""

    name: str
    append: str
    vcpus: str = ""
    pin: str = ""
    words: tuple[str, ...] = ()

    def vm(self, append: str = "", mem: str = "8M") -> Vm:
        return Vm(self.name, kernel=STUB, mem=mem, vcpus=self.vcpus, pin=self.pin, words=list(self.words),
                  append=f"{self.append} {append}".strip())


@dataclass(frozen=True)
class Case:
    """VMs that run at the same time. `metrics` are those that the first guest has marks for, in its order; a marked
    round goes through the path `passes` times."""

    name: str
    cpus: int
    guests: tuple[Guest, ...]
    words: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    passes: int = 1


CASES = (
    Case("alone", 1, (Guest("alone", "part=alone"),),
         metrics=("empty_loop", "cpuid", "port_read_21", "uart_write", "cpuid_kvm_leaf", "vmcall_unknown",
                  "rdmsr_poll_control", "wrmsr_poll_control", "mmio_read", "self_ipi", "self_ipi_msr",
                  "wrmsr_tsc_deadline", "timer_running", "hlt_timer_blocked", "hlt_timer_polled")),
    Case("pingpong", 1, (Guest("pair", "part=pingpong", vcpus="2"),), metrics=("pingpong_vcpus",)),
    Case("net", 1, (Guest("a", "part=net", words=("net=lan0",)),
                    Guest("b", "part=net role=b", words=("net=lan0",))), metrics=("pingpong_vms",)),
    Case("switch", 1, (Guest("a", "part=busy"), Guest("b", "part=busy")), (SLICE,), ("switch",), passes=2),
    Case("pair", 2, (Guest("pair", "part=pair rounds=200", vcpus="2", pin="0,1"),),
         metrics=("ipi_running", "ipi_halted", "wake_blocked", "wake_polled")),
    Case("migration", 2, (Guest("moving", "part=busy migration=1 after_ms=60 ms=60"),
                          Guest("busy", "part=busy ms=200", pin="0"),
                          Guest("nap", "part=nap ms=200", pin="1")), (SLICE,)),
)


def parse_lines(lines: list[str], pattern: re.Pattern = LINE) -> Figures:
    """{metric: (value, unit)} of the guest's `bench METRIC VALUE UNIT` lines."""
    found: Figures = {}
    for line in lines:
        match = pattern.fullmatch(line.strip())
        if match:
            found[match[1]] = (float(match[2]), match[3] if pattern is LINE else "ticks")
    return found


def parse_gaps(lines: list[str]) -> list[tuple[float, str]]:
    """The ends and beginnings of a VM's turns, (host ticks since some moment, 'out' or 'in'), from its `origin`
    and `gap` lines."""
    origin, found = None, []
    for line in lines:
        match = ORIGIN.fullmatch(line.strip())
        if match:
            origin = int(match[1]) * int(match[2]) / 1e9
        match = GAP.fullmatch(line.strip())
        if match and origin is not None:
            found += [(origin + int(match[1]), "out"), (origin + int(match[2]), "in")]
    return found


def switches(turns: list[list[tuple[float, str]]]) -> list[float]:
    """Ticks from the end of one VM's turn to the beginning of another's."""
    events = sorted((at, kind, vm) for vm, of_vm in enumerate(turns) for at, kind in of_vm)
    return [after - before for (before, kind, vm), (after, next_kind, next_vm) in zip(events, events[1:])
            if kind == "out" and next_kind == "in" and vm != next_vm]


def figures_of(case: Case, result: Result) -> Figures:
    """All that the guests' consoles tell."""
    found: Figures = {}
    for guest in case.guests:
        found.update(parse_lines(result.guest_lines(guest.name)))
    taken = switches([parse_gaps(result.guest_lines(guest.name)) for guest in case.guests])
    if taken:
        found["switch"] = (round(statistics.median(taken)), "ticks")
    return found


def run(case: Case, machine_class: type[Machine], append: str = "", debugger: list[str] | None = None,
        hv_words: tuple[str, ...] = (), mem: str = "8M", memory: int = 256) -> tuple[Result, str]:
    """Runs the case; the first guest's command line gets `append`. The result, and what Bochs printed."""
    if not os.path.isfile(STUB):
        raise Failure(f"{STUB} is not there", "run `make` first")
    vms = [guest.vm(append if guest is case.guests[0] else "", mem) for guest in case.guests]
    options = Options(cpus=case.cpus, memory=memory)
    if debugger:
        options.debugger = debugger
    watch = {vm.name: Watch(is_background=vm.is_background()) for vm in vms}
    with LogDir(os.path.join(BUILD, "logs", f"bench-{case.name}"), False) as logs:
        modules = [module for vm in vms for module in vm.boot_modules()]
        image.build_fast(logs.image, CAROUSEL_ELF, [f"end={machine_class.end_word}", *case.words, *hv_words], modules)
        result = Run(machine_class(logs.path, options), watch, SECONDS).execute(logs.image)
        if result.status:
            raise Failure(f"bench-{case.name}: {result.why}", f"see {logs.path}", result.status)
        try:
            with open(os.path.join(logs.path, "bochs.out"), encoding="utf-8", errors="replace") as file:
                return result, file.read()
        except FileNotFoundError:
            return result, ""


def measure(case: Case, machine_class: type[Machine], append: str = "") -> Figures:
    figures = figures_of(case, run(case, machine_class, append)[0])
    if not figures:
        raise Failure(f"bench-{case.name}: no figures", f"see {BUILD}/logs/bench-{case.name}", STATUS_HYPERVISOR)
    return figures


def trace_paths(case: Case, machine_class: type[Machine]) -> dict[str, list[trace.Step]]:
    """{metric: the steps of its marked round} on the pCPU that has the marks."""
    if not case.metrics:
        return {}
    debugger = ["c"] + ["trace on", "c", "trace off", "c"] * len(case.metrics) + ["quit"]
    _, text = run(case, machine_class, f"rounds={TRACED_ROUNDS} marks=1", debugger)
    sections = trace.parse(text, trace.Symbols(CAROUSEL_ELF))
    if len(sections) != 2 * len(case.metrics) + 1:
        raise Failure(f"bench-{case.name}: {len(sections)} marks for {len(case.metrics)} metrics",
                      "each has two, Carousel's end one", STATUS_HYPERVISOR)
    return dict(zip(case.metrics, sections[::2]))


def counts_of(case: Case, steps: list[trace.Step]) -> dict[str, int]:
    """Of one pass, rounded up."""
    return {column: -(-number // case.passes) for column, number in trace.count(steps).items()}
