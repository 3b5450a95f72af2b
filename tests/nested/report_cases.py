"""Whole-system tests of what a run leaves behind."""

from __future__ import annotations

import json
import os

from carousel_lib import tap
from carousel_lib.common import BUILD
from carousel_lib.junit import FAILED, read_junit

from case import Case, Guest, stub_path


def _output_problems(name: str) -> list[str]:
    """The three files tell the same: the TAP of the good guest, the bad one's point and its bad end."""
    folder = os.path.join(BUILD, "logs", name)
    tests = read_junit(os.path.join(folder, "junit.xml"), name)
    with open(os.path.join(folder, "results.json"), encoding="utf-8") as file:
        found = json.load(file)
    with open(os.path.join(folder, "results.tap"), encoding="utf-8") as file:
        points = tap.read(file.read().splitlines())
    problems = points.problems()
    failed = [(test.suite, test.name) for test in tests if test.state == FAILED]
    if failed != [(name, "verdict")]:
        problems.append(f"JUnit has the failures {failed}")
    if len(tests) < 5 or len(points.points) != len(tests):
        problems.append(f"{len(tests)} tests in JUnit, {len(points.points)} in TAP")
    verdicts = {vm["name"]: vm["verdict"] for vm in found["vms"]}
    if (found["status"], found["host"], verdicts) != (1, "bochs", {"cpuid": "ok", "triple": "failed"}):
        problems.append(f"JSON: status {found['status']}, {found['host']}, {verdicts}")
    if not any("triple fault at RIP" in line for line in found["vms"][1]["log"]):
        problems.append("JSON lacks the report of the triple fault")
    return problems


# Two busy vCPUs, and what then is typed on the console.
BUSY = [(stub_path("spinner"), f"vm={name} kernel mem=16M pin={cpu} -- slices=100000")
        for cpu, name in enumerate(("one", "two"))]


def panics() -> list[Case]:
    """The hypervisor fails in each of the ways that `panic KIND` knows: a report, and status 3."""
    def panic(kind: str, *must: str, **changes) -> Case:
        return Case(f"panic-{kind}", raw=BUSY, cpus=2, status=(3,), must=[*must], must_not=["PANIC.*(\n.*)*while rep"]
                    if kind != "twice" else [], timeout=40, replies=[
                        (r"^# busy for", b""), (r"^# busy for", f"\x01:panic {kind}\n".encode())], **changes)

    return [
        # On another pCPU than the console's, in its interrupt handler; the stack goes on to what it
        # interrupted.
        panic("other", r"^PANIC on pCPU 1: #PF page fault at 0, error code 0x2 \(not mapped, write\)",
              r"^  pCPU 0 was at 0x[0-9a-f]+ ipi_call\+0x", r"^ exit .*, guest rip 0x2",
              r"^code:( [0-9a-f]{2})+ <c7>", r"^stack \+00: [0-9a-f]{16} ", r"^cr0 .* efer [0-9a-f]*d00",
              r"^  at 0x[0-9a-f]+ write_nowhere", r"^  from 0x[0-9a-f]+ sched_loop\+0x"),
        panic("lock", r"^PANIC on pCPU 0: with the log's lock held", r"^  pCPU 1 was (in its guest|at 0x)",
              r"^  from 0x[0-9a-f]+ log_add_sink\+0x"),
        panic("twice", r"^PANIC on pCPU 0: asked for twice", r"^panic while reporting: in a dumper"),
        panic("stack", r"^PANIC on pCPU 0: #DF double fault", r"^  the stack has overflowed",
              r"^  at 0x[0-9a-f]+ overflow"),
        # The watchdog: the console's pCPU with interrupts off, and on; another in an interrupt handler.
        panic("stuck", r"^PANIC on pCPU 0: stuck in the hypervisor for 1\d\d\d ms", r"^  at 0x[0-9a-f]+ loop"),
        panic("stuck-open", r"^PANIC on pCPU 0: stuck in the hypervisor for 1\d\d\d ms",
              r"^  at 0x[0-9a-f]+ loop"),
        panic("stuck-other", r"^PANIC on pCPU 1: stuck in the hypervisor for 1\d\d\d ms",
              r"^  at 0x[0-9a-f]+ loop", r"^  from 0x[0-9a-f]+ trap_common\+0x"),
        Case("panic-early", raw=BUSY, words="panic=early", status=(3,), must_not=[], timeout=40,
             must=[r"^PANIC on pCPU 0: asked for before there is a console", r"^  from 0x[0-9a-f]+ boot_main"]),
    ]


def cases() -> list[Case]:
    name = "ci-outputs"
    return panics() + [
        Case(name, [Guest("cpuid"), Guest("triple", verdict="failed", reason="triple fault")], status=(1,),
             tool=["--junit", "LOGS/junit.xml", "--tap", "LOGS/results.tap", "--json", "LOGS/results.json"],
             script=[("verdict: triple: failed", b"")], check=lambda _result: _output_problems(name)),
    ]
