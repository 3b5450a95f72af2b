#!/usr/bin/env python3
"""All tests: what `make test` runs.

    tests/run.py [--part NAME]... [--only REGEX]

Parts: build, layers, format, tools, unit, nested; in CI, or when they are named: lint, tsan (STRESS in
the environment: seconds for each of its programs), bench; when they are named: guests (what `make test-guests`
runs), guest-fuzz (`make guest-fuzz`), fuzz (what `make fuzz` runs; FUZZ in the environment: seconds for each target). Leaves JUnit XML in build/junit/; the last line counts what passed, failed and was skipped."""

from __future__ import annotations

import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(PROJECT, "tools"))
sys.dont_write_bytecode = True

from carousel_lib.common import BUILD  # noqa: E402
from carousel_lib.junit import (FAILED, PASSED, SKIPPED, Outcome, read_junit,  # noqa: E402
                                write_junit)

JUNIT = os.path.join(BUILD, "junit")
UNIT_SECONDS = 120
SHOWN_LINES = 60  # of a failure; the JUnit file has all
FORMATTED = ("lib", "cpu", "mm", "drivers", "sched", "devices", "guest", "loader", "vmx", "monitor",
             "boot", "guest-stubs", "tests")


def command(suite: str, name: str, *words: str) -> Outcome:
    """One command as one test: it passes with status 0. Its output is kept, and shown on failure."""
    began = time.monotonic()
    done = subprocess.run(words, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode("utf-8", "replace")
    seconds = time.monotonic() - began
    if done.returncode:
        return Outcome(suite, name, FAILED, seconds, f"status {done.returncode}\n{text}")
    return Outcome(suite, name, PASSED, seconds)


def show(outcome: Outcome) -> None:
    word = {PASSED: "ok  ", FAILED: "FAIL", SKIPPED: "skip"}[outcome.state]
    print(f"{word} {outcome.name} {outcome.seconds:.1f} s", flush=True)
    for line in outcome.text.splitlines()[-SHOWN_LINES:]:
        print(f"     {line}", flush=True)


def part_build(_only: str) -> list[Outcome]:
    """Everything that the later parts need, each with make's own output when it fails."""
    targets = (("release", ["all", "bench-kvm-build"]), ("debug", ["DEBUG=1", "build/debug/carousel.elf"]),
               ("unit tests", ["unit-build"]))
    outcomes = []
    for name, words in targets:
        outcomes.append(command("build", name, "make", "-j2", "--no-print-directory", *words))
        show(outcomes[-1])
    fetched = command("build", "Linux for the guests", "tools/demo-linux", "build/demo")
    if fetched.state == FAILED and "Traceback" not in fetched.text:
        # No network, no kernel: the cases that need it are skipped, each with its reason.
        fetched.state, fetched.text = SKIPPED, fetched.text.split("\n", 1)[-1].strip()
    show(fetched)
    return outcomes + [fetched]


def part_layers(_only: str) -> list[Outcome]:
    outcome = command("layers", "check-layers", "tools/check-layers")
    show(outcome)
    return [outcome]


def part_format(_only: str) -> list[Outcome]:
    """clang-format, a test for each folder."""
    outcomes = []
    for folder in FORMATTED:
        files = sorted(path for ending in ("c", "h") for path in
                       glob.glob(os.path.join(PROJECT, folder, "**", f"*.{ending}"), recursive=True))
        if not files:
            continue
        names = [os.path.relpath(path, PROJECT) for path in files]
        outcome = command("format", folder, "clang-format", "--dry-run", "-Werror", *names)
        if outcome.state == FAILED:
            bad = sorted(set(re.findall(r"^(\S+?):\d+:", outcome.text, re.M))) or [outcome.text]
            outcome.text = "clang-format -i " + " ".join(bad)
        outcomes.append(outcome)
        show(outcome)
    return outcomes


def part_lint(_only: str) -> list[Outcome]:
    """clang-tidy and cppcheck, two files at a time."""
    print("     clang-tidy and cppcheck; about 70 s when every file is new", flush=True)
    outcome = command("lint", "clang-tidy, cppcheck", "make", "-k", "-j2", "--no-print-directory", "lint")
    show(outcome)
    return [outcome]


def part_tsan(_only: str) -> list[Outcome]:
    """The tests with threads as pCPUs under ThreadSanitizer, two at a time: the scheduler's for a minute."""
    built = command("tsan", "build", "make", "-j2", "--no-print-directory", "tsan-build")
    show(built)
    outcomes = [built]
    programs = [] if built.state == FAILED else \
        [path for path in glob.glob(os.path.join(BUILD, "tsan", "test_*")) if "." not in os.path.basename(path)]

    def run(program: str) -> Outcome:
        name = os.path.basename(program)
        seconds = os.environ.get("STRESS", "60" if name == "test_sched" else "15")
        return command("tsan", name, "env", f"STRESS={seconds}", program)

    # The longest first.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for outcome in pool.map(run, sorted(programs, key=lambda path: (not path.endswith("test_sched"), path))):
            outcomes.append(outcome)
            show(outcome)
    return outcomes


class _Recorder(unittest.TestResult):
    """Turns unittest's calls into outcomes."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[Outcome] = []
        self._began = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._began = time.monotonic()

    def _add(self, test, state: str, text: str = "") -> None:
        self.outcomes.append(Outcome("tools", test.id(), state, time.monotonic() - self._began, text))

    def addSuccess(self, test):
        self._add(test, PASSED)

    def addFailure(self, test, err):
        self._add(test, FAILED, self._exc_info_to_string(err, test))

    addError = addFailure

    def addSkip(self, test, reason):
        self._add(test, SKIPPED, reason)


def part_tools(_only: str) -> list[Outcome]:
    """The Python tests of the tools."""
    recorder = _Recorder()
    unittest.defaultTestLoader.discover(os.path.join(HERE, "tools")).run(recorder)
    for outcome in recorder.outcomes:
        if outcome.state != PASSED:
            show(outcome)
    print(f"     {len(recorder.outcomes)} tests of the tools", flush=True)
    return recorder.outcomes


def run_unit(program: str) -> list[Outcome]:
    """One cmocka program: an outcome for each of its tests, and one more when it dies."""
    name = os.path.basename(program)
    folder = os.path.join(JUNIT, "unit")
    for old in glob.glob(os.path.join(folder, f"{name}-*.xml")):
        os.unlink(old)
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="xml",
               CMOCKA_XML_FILE=os.path.join(folder, f"{name}-%g.xml"))
    began = time.monotonic()
    try:
        done = subprocess.run([program], cwd=PROJECT, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=UNIT_SECONDS)
        status, text = done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        status, text = 124, f"did not end within {UNIT_SECONDS} s"
    outcomes: list[Outcome] = []
    try:
        for path in sorted(glob.glob(os.path.join(folder, f"{name}-*.xml"))):
            outcomes += read_junit(path, name)
    except ValueError as error:
        text, status = f"{error}\n{text}", status or 1
    has_failed = any(outcome.state == FAILED for outcome in outcomes)
    if not outcomes or (status and not has_failed):
        outcomes.append(Outcome(name, "(the program)", FAILED, time.monotonic() - began,
                                f"status {status}, {len(outcomes)} tests reported\n{text[-6000:]}"))
    return outcomes


def part_unit(only: str) -> list[Outcome]:
    """All cmocka programs, two at a time."""
    os.makedirs(os.path.join(JUNIT, "unit"), exist_ok=True)
    names = [os.path.basename(path)[:-2]
             for path in sorted(glob.glob(os.path.join(HERE, "unit", "test_*.c")))]
    outcomes = []

    def run(name: str) -> tuple[str, list[Outcome], float]:
        began = time.monotonic()
        program = os.path.join(BUILD, "host", name)
        found = run_unit(program) if os.path.exists(program) else \
            [Outcome(name, "(the program)", FAILED, 0, "it was not built")]
        return name, found, time.monotonic() - began

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, found, seconds in pool.map(run, filter(re.compile(only).search, names)):
            bad = sum(outcome.state == FAILED for outcome in found)
            print(f"{'FAIL' if bad else 'ok  '} {name}: {len(found)} tests {seconds:.1f} s", flush=True)
            for outcome in found:
                if outcome.state != PASSED:
                    show(outcome)
            outcomes += found
    return outcomes


def whole_systems(suite: str, only: str) -> list[Outcome]:
    report = os.path.join(JUNIT, f"{suite}.xml")
    if os.path.exists(report):
        os.unlink(report)
    words = [sys.executable, os.path.join(HERE, "nested", "run.py"), "--suite", suite]
    status = subprocess.run(words + (["--only", only] if only else []), cwd=PROJECT,
                            stdin=subprocess.DEVNULL, check=False).returncode
    try:
        return read_junit(report, suite)
    except ValueError:
        return [Outcome(suite, "(the runner)", FAILED, 0, f"it ended with status {status}")]


def part_nested(only: str) -> list[Outcome]:
    return whole_systems("nested", only)


def part_bench(_only: str) -> list[Outcome]:
    """The figures against the stored ones, the caps and the counts; and whether they are the same with more VMs
    and pCPUs. `make bench LINUX=1` is left to people."""
    outcomes = []
    for name, words in (("figures", ()), ("scale", ("--scale",))):
        outcomes.append(command("bench", name, "tools/bench", *words))
        show(outcomes[-1])
    return outcomes


def part_guests(only: str) -> list[Outcome]:
    """Programs from Debian packages."""
    return whole_systems("guests", only)


def part_guest_fuzz(only: str) -> list[Outcome]:
    return whole_systems("guest-fuzz", only)


def part_fuzz(only: str) -> list[Outcome]:
    """libFuzzer's targets, two at a time: everything stored, then some seconds each."""
    sys.path.insert(0, os.path.join(HERE, "fuzz"))
    import run as fuzz  # pylint: disable=import-outside-toplevel
    names = [name for name in fuzz.targets() if re.search(only, name)]
    probe = subprocess.run(["clang", "-fsanitize=fuzzer,address", "-x", "c", "-", "-o", "/dev/null"],
                           input=b"#include <stddef.h>\nint LLVMFuzzerTestOneInput(char *p, size_t n) { return 0; }\n",
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False) \
        if shutil.which("clang") else None
    if not probe or probe.returncode:
        missing = Outcome("fuzz", "build", SKIPPED, 0, "no clang with libFuzzer: apt-get install clang libclang-rt-dev")
        show(missing)
        return [missing]
    built = command("fuzz", "build", "make", "-j2", "--no-print-directory", "fuzz-build")
    show(built)
    outcomes = [built]

    def run(name: str) -> Outcome:
        began = time.monotonic()
        found = fuzz.run(name, int(os.environ.get("FUZZ", "20")))
        outcome = Outcome("fuzz", name, FAILED if found.text else PASSED, time.monotonic() - began, found.text)
        print(f"     {name}: {found.executions} executions", flush=True)
        return outcome

    if built.state == PASSED:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for outcome in pool.map(run, names):
                outcomes.append(outcome)
                show(outcome)
    return outcomes


PARTS = {"build": part_build, "layers": part_layers, "format": part_format, "lint": part_lint,
         "tools": part_tools,
         "unit": part_unit, "tsan": part_tsan, "nested": part_nested, "bench": part_bench, "guests": part_guests, "guest-fuzz": part_guest_fuzz,
         "fuzz": part_fuzz}
# These take minutes: lint, tsan and bench are for CI, or to be named; guests and fuzzers only to be named.
FOR_CI = ("lint", "tsan", "bench")
BY_NAME = ("guests", "guest-fuzz", "fuzz")
WRITTEN_BY_RUNNER = ("nested", "guests", "guest-fuzz")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this one; may be "
                        "repeated")
    parser.add_argument("--only", default="", metavar="REGEX", help="of the unit programs and the "
                        "nested cases, those whose name has this")
    arguments = parser.parse_args()
    if not arguments.part and os.path.isdir(JUNIT):
        shutil.rmtree(JUNIT)
    everything: list[Outcome] = []
    table = []
    for name in arguments.part or [name for name in PARTS
                                   if name not in BY_NAME and (name not in FOR_CI or os.environ.get("CI"))]:
        print(f"=== {name}", flush=True)
        began = time.monotonic()
        outcomes = PARTS[name](arguments.only)
        seconds = time.monotonic() - began
        table.append((name, outcomes, seconds))
        everything += outcomes
        if name not in WRITTEN_BY_RUNNER:
            write_junit(os.path.join(JUNIT, f"{name}.xml"), name, outcomes)
    print("\npart      passed  failed skipped  seconds")
    for name, outcomes, seconds in table:
        counts = [sum(outcome.state == state for outcome in outcomes)
                  for state in (PASSED, FAILED, SKIPPED)]
        print(f"{name:8} {counts[0]:7} {counts[1]:7} {counts[2]:7} {seconds:8.1f}")
    for outcome in everything:
        if outcome.state == FAILED:
            print(f"failed: {outcome.suite}: {outcome.name}")
    counts = {state: sum(outcome.state == state for outcome in everything)
              for state in (PASSED, FAILED, SKIPPED)}
    print("\n" + ", ".join(f"{count} {state}" for state, count in counts.items()), flush=True)
    return 1 if counts[FAILED] or not counts[PASSED] else 0


if __name__ == "__main__":
    sys.exit(main())
