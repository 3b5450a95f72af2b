#!/usr/bin/env python3
"""Runs whole-system tests, two emulators at a time.

    tests/nested/run.py [--suite nested|guests|guest-fuzz] [--list] [--only REGEX] [--jobs N]

Prints `ok`, `FAIL` or `skipped: reason` for each case as it ends, leaves the logs in
build/logs/CASE/ and JUnit XML in build/junit/SUITE.xml. The suite `nested` is ours (cases.py), `guests`
are programs that nobody here wrote (tests/guests), `guest-fuzz` are fuzzers in guests (fuzz_cases.py)."""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import shutil
import signal
import sys
import threading
import time
from typing import Callable

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(TESTS, "guests"), os.path.join(os.path.dirname(TESTS), "tools")]
sys.dont_write_bytecode = True

from carousel_lib import image  # noqa: E402
from carousel_lib.common import BUILD, Failure, tail  # noqa: E402
from carousel_lib.junit import FAILED, PASSED, SKIPPED, Outcome, write_junit  # noqa: E402
from carousel_lib.machines import MACHINES, Machine, Options  # noqa: E402
from carousel_lib.run import Result, Run, Watch  # noqa: E402

import keyboard  # noqa: E402
from case import Case, instructions, problems  # noqa: E402
from cases import all_cases  # noqa: E402
from debugging import Gdb  # noqa: E402
from fuzz_cases import fuzz_cases  # noqa: E402
from guest_cases import guest_cases  # noqa: E402
from scripted import ScriptedRun  # noqa: E402
from screen import screen_problems  # noqa: E402

JOBS = 2
SUITES = {"nested": all_cases, "guests": guest_cases, "guest-fuzz": fuzz_cases}
HEARTBEAT_SECONDS = 30
TAIL_LINES = 30


class Runner:
    """Runs a suite's cases in threads; `stop()` ends what they have started."""

    def __init__(self, suite: str) -> None:
        self._suite = suite
        self._lock = threading.Lock()
        self._machines: set[Machine] = set()
        self._running: dict[str, float] = {}
        self._is_stopped = False

    def running(self) -> list[str]:
        now = time.monotonic()
        with self._lock:
            return [f"{name} ({now - since:.0f} s)" for name, since in self._running.items()]

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            machines = list(self._machines)
        for machine in machines:
            machine.stop()

    def _boot(self, case: Case, log_dir: str, image_path: str) -> tuple[Result, list[str]]:
        """The result, and what is wrong besides."""
        options = Options(cpus=case.cpus, memory=case.memory, cpu_model=case.model, ips=case.ips,
                          is_uefi=case.is_uefi, is_disk=bool(case.medium),
                          is_pci_serial=case.is_pci_serial, has_monitor=bool(case.monitor),
                          extra=case.host_options, ports=["com2"] if case.gdb else [])
        machine = MACHINES[case.host](log_dir, options)
        watch = {guest.name: Watch(guest.expect, guest.fail_on, is_background="background" in guest.words)
                 for guest in case.guests}
        if case.prepare:
            case.prepare(log_dir)
        commands = list(case.monitor)

        def use_monitor() -> None:
            # Once: what the commands do may make Carousel end again.
            todo, commands[:] = commands[:], []
            if todo:
                machine.monitor(todo)

        debugger = Gdb(case.guests[0].kernel_path(), case.gdb, log_dir) if case.gdb else None
        machine.companions += [debugger] if debugger else []
        at_end = use_monitor if case.monitor else None
        with self._lock:
            if self._is_stopped:
                raise Failure("stopped")
            self._machines.add(machine)
        try:
            result = self._run_of(case, machine, watch, at_end).execute(image_path)
            return result, debugger.problems() if debugger else []
        finally:
            with self._lock:
                self._machines.discard(machine)

    def _play(self, case: Case, log_dir: str) -> list[str]:
        result, found = keyboard.play(case, log_dir)
        return found + problems(case, result)

    def _run_of(self, case: Case, machine: Machine, watch: dict[str, Watch],
                at_end: Callable[[], None] | None) -> Run:
        if case.until:
            return ScriptedRun(machine, watch, case.timeout, case.replies, case.until)
        return Run(machine, watch, case.timeout, at_end=at_end, replies=case.replies)

    def _build(self, case: Case, image_path: str) -> None:
        end_word = "halt" if case.monitor else MACHINES[case.host].end_word
        words = [f"end={end_word}"] + case.words.split()
        if case.medium == "stick":
            image.build_general(image_path, case.carousel, words, case.boot_modules(), timeout=0)
        elif case.conf:
            image.build_usb(image_path, case.carousel, words, case.boot_modules(), conf=case.conf)
        else:
            image.build(image_path, case.carousel, words, case.boot_modules(), case.is_uefi,
                        case.medium == "usb", has_framebuffer=bool(case.screens))

    def _attempt(self, case: Case, log_dir: str) -> tuple[list[str], int]:
        """What is wrong, and the instructions that it took."""
        image_path = os.path.join(log_dir, "image.iso")
        logs = []
        found: list[str] = []
        spent = 0
        try:
            self._build(case, image_path)
            for number in range(2 if case.repeat else 1):
                folder = os.path.join(log_dir, f"run{number + 1}") if case.repeat else log_dir
                os.makedirs(folder, exist_ok=True)
                result, others = self._boot(case, folder, image_path)
                found += problems(case, result) + others
                spent += instructions(result)
                with open(os.path.join(folder, "console.log"), "rb") as file:
                    logs.append(file.read())
            for name, patterns in case.screens.items():
                found += screen_problems(os.path.join(log_dir, name), patterns)
        finally:
            if os.path.exists(image_path):
                os.unlink(image_path)
        if case.repeat and logs[0] != logs[1]:
            found.append("two runs of the same image differ: " + first_difference(*logs))
        return found, spent

    def run(self, case: Case) -> Outcome:
        missing = [path for path in case.needs if not os.path.exists(path)]
        if case.skip or missing:
            return Outcome(self._suite, case.name, SKIPPED, 0, case.skip or f"{missing[0]} is not there")
        log_dir = os.path.join(BUILD, "logs", case.name)
        shutil.rmtree(log_dir, ignore_errors=True)
        os.makedirs(log_dir)
        began = time.monotonic()
        with self._lock:
            self._running[case.name] = began
        try:
            found, spent = (self._play(case, log_dir), 0) if case.script or case.monitor_script else \
                self._attempt(case, log_dir)
        except (Failure, OSError, AssertionError) as error:
            found, spent = [str(error) or type(error).__name__], 0
        finally:
            with self._lock:
                del self._running[case.name]
        seconds = time.monotonic() - began
        if not found:
            return Outcome(self._suite, case.name, PASSED, seconds,
                           f"{spent / 1e9:.2f} G instructions" if self._suite == "guests" else "")
        log = os.path.join(log_dir, "run1" if case.repeat else "", "console.log")
        text = "\n".join(found) + f"\n--- the end of {os.path.relpath(log)}:\n" + tail(log, TAIL_LINES)
        return Outcome(self._suite, case.name, FAILED, seconds, text)


def first_difference(one: bytes, other: bytes) -> str:
    pairs = zip(one.splitlines() + [b"(end)"], other.splitlines() + [b"(end)"])
    for number, (left, right) in enumerate(pairs, 1):
        if left != right:
            return f"line {number}: {left.decode(errors='replace')!r} and {right.decode(errors='replace')!r}"
    return "one is longer"


def show(outcome: Outcome) -> None:
    if outcome.state == SKIPPED:
        print(f"skipped: {outcome.text}: {outcome.name}", flush=True)
        return
    print(f"{'ok  ' if outcome.state == PASSED else 'FAIL'} {outcome.name} {outcome.seconds:.1f} s",
          flush=True)
    for line in outcome.text.splitlines():
        print(f"     {line}", flush=True)


def run_all(suite: str, cases: list[Case], jobs: int) -> list[Outcome]:
    runner = Runner(suite)
    outcomes: list[Outcome] = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # The longest first, so that the last minute is not one case on one core: a case's time limit
        # tells how long it takes.
        pending = {pool.submit(runner.run, case)
                   for case in sorted(cases, key=lambda case: case.timeout, reverse=True)}
        try:
            while pending:
                done, pending = concurrent.futures.wait(
                    pending, HEARTBEAT_SECONDS, concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    outcomes.append(future.result())
                    show(outcomes[-1])
                if not done:
                    print(f"     ... running: {', '.join(runner.running())}", flush=True)
        except KeyboardInterrupt:
            for future in pending:
                future.cancel()
            runner.stop()
            raise
    order = {case.name: number for number, case in enumerate(cases)}
    return sorted(outcomes, key=lambda outcome: order[outcome.name])


def _terminate(*_signal) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=list(SUITES), default="nested")
    parser.add_argument("--list", action="store_true", help="only name the cases")
    parser.add_argument("--only", default="", metavar="REGEX", help="cases whose name has this")
    parser.add_argument("--jobs", type=int, default=JOBS, metavar="N", help="emulators at a time")
    arguments = parser.parse_args()
    suite = arguments.suite
    cases = [case for case in SUITES[suite](arguments.list) if re.search(arguments.only, case.name)]
    if arguments.list:
        print("\n".join(case.name for case in cases))
        return 0
    if not cases:
        print(f"{suite}: no case is named like {arguments.only!r}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _terminate)
    try:
        outcomes = run_all(suite, cases, arguments.jobs)
    except KeyboardInterrupt:
        return 130
    write_junit(os.path.join(BUILD, "junit", f"{suite}.xml"), suite, outcomes)
    counts = {state: sum(outcome.state == state for outcome in outcomes)
              for state in (PASSED, FAILED, SKIPPED)}
    print(", ".join(f"{count} {state}" for state, count in counts.items()), flush=True)
    return 1 if counts[FAILED] else 0


if __name__ == "__main__":
    sys.exit(main())
