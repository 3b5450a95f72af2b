"""What `run --tap FILE --junit FILE --json FILE` writes: a test for each VM, or for each line of TAP that
its guest prints. Written however the run ends."""

from __future__ import annotations

import argparse
import json
import os
import signal
from dataclasses import dataclass, field

from . import tap
from .common import (STATUS_OK, STATUS_SIGNAL, STATUS_USAGE, STATUS_VM_FAILED, Failure)
from .console import Line
from .junit import FAILED, PASSED, SKIPPED, Outcome, Suite, write_suites
from .run import Result
from .words import Vm

RUN = "carousel"  # the suite of what is no VM's fault
OPTIONS = ("tap", "junit", "json")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("results for CI (docs/ci.md)")
    for name, what in (("tap", "TAP"), ("junit", "JUnit XML, with the consoles"),
                       ("json", "JSON, with all that is known of the run")):
        group.add_argument(f"--{name}", default="", metavar="FILE", help=f"write the results as {what}")


@dataclass
class VmOutcome:
    """What came of one VM."""

    name: str
    is_background: bool
    verdict: str  # ok, failed, or none
    reason: str
    seconds: float
    exit_value: int | None
    tests: list[Outcome]
    console: list[str]  # its own lines
    log: list[str]      # Carousel's of it


@dataclass
class Report:
    """A run, as it is written."""

    status: int
    why: str
    seconds: float = 0.0
    host: str = ""
    log_dir: str = ""
    vms: list[VmOutcome] = field(default_factory=list)
    log: list[str] = field(default_factory=list)  # Carousel's lines
    tests: list[Outcome] = field(default_factory=list)  # of the run itself: when it failed


def _text(line: Line) -> str:
    """A line of Carousel's, nearly as it came."""
    if line.kind == "verdict":
        return f"verdict: {line.vm}: {'ok' if line.ok else 'failed'}: {line.text}"
    if line.kind == "end":
        return f"end: status {line.status}: {line.text}"
    return f"{line.level}: {line.text}" if line.level else line.text


def _is_of(line: Line, vm: str) -> bool:
    """Is this a line of Carousel's that tells of the VM?"""
    return line.kind == "host" and (line.vm == vm or f"VM '{vm}'" in line.text)


def _point_outcome(vm: str, point: tap.Point, seconds: float) -> Outcome:
    name = " ".join(filter(None, (str(point.number) if point.number is not None else "", point.name)))
    state = SKIPPED if point.directive else PASSED if point.ok else FAILED
    text = f"{point.directive} {point.reason}".strip() if point.directive else \
        "" if point.ok else point.text
    return Outcome(vm, name or point.text, state, seconds, text)


def _tests_of(name: str, verdict: str, reason: str, began: float, ended: float, lines: list[str],
              times: list[float]) -> list[Outcome]:
    whole = Outcome(name, name, PASSED if verdict == "ok" else FAILED, ended - began, reason)
    if not tap.is_tap(lines):
        return [whole]
    found = tap.read(lines)
    outcomes, last = [], began
    for point in found.points:
        outcomes.append(_point_outcome(name, point, max(0.0, times[point.line] - last)))
        last = times[point.line]
    # What its points do not tell: they can be well, and the VM is not.
    problems = found.problems()
    if verdict != "ok" and not any(outcome.state == FAILED for outcome in outcomes):
        problems.insert(0, f"the verdict: {reason}")
    if problems or not outcomes:
        outcomes.append(Outcome(name, "verdict", FAILED, 0.0, "\n".join(problems) or reason))
    return outcomes


def _vm_outcome(vm: Vm, result: Result) -> VmOutcome:
    numbered = list(zip(result.lines, result.times))
    own = [(line.text, at) for line, at in numbered if line.kind == "guest" and line.vm == vm.name]
    of_it = [(_text(line), at) for line, at in numbered if _is_of(line, vm.name)]
    verdict = result.verdicts.get(vm.name)
    ended = next((at for line, at in numbered if line is verdict), result.seconds)
    began = min([at for _, at in own + of_it], default=ended)
    word = "none" if verdict is None else "ok" if verdict.ok else "failed"
    reason = verdict.text if verdict else f"no verdict: {result.why}"
    lines = [text for text, _ in own]
    tests = [] if vm.is_background() else _tests_of(vm.name, word, reason, began, ended, lines,
                                                    [at for _, at in own])
    return VmOutcome(vm.name, vm.is_background(), word, reason, max(0.0, ended - began),
                     verdict.exit_value() if verdict else None, tests, lines,
                     [text for text, _ in of_it])


def make_report(result: Result, vms: list[Vm], host: str, log_dir: str) -> Report:
    report = Report(result.status, result.why or "every VM ended well", result.seconds, host, log_dir,
                    [_vm_outcome(vm, result) for vm in vms],
                    [_text(line) for line in result.lines if line.kind != "guest"])
    has_failed = any(test.state == FAILED for vm in report.vms for test in vm.tests)
    if result.status not in (STATUS_OK, STATUS_VM_FAILED) or (result.status and not has_failed):
        report.tests = [Outcome(RUN, "run", FAILED, result.seconds,
                                f"status {result.status}: {report.why}")]
    return report


def failure_report(status: int, why: str) -> Report:
    """Of a run that did not even begin."""
    return Report(status, why, tests=[Outcome(RUN, "run", FAILED, 0.0, f"status {status}: {why}")])


def _all_tests(report: Report) -> list[Outcome]:
    return [test for vm in report.vms for test in vm.tests] + report.tests


def _one_line(text: str) -> str:
    """As it may be printed, too: a raw console's lines have what the guest sent."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def tap_text(report: Report) -> str:
    tests = _all_tests(report)
    out = ["TAP version 13", f"1..{len(tests)}"]
    for number, test in enumerate(tests, 1):
        name = test.suite if test.name == test.suite else f"{test.suite}: {test.name}"
        name = _one_line(name).replace("#", "\\#")
        skip = f" # SKIP {_one_line(test.text)}" if test.state == SKIPPED else ""
        out.append(f"{'not ok' if test.state == FAILED else 'ok'} {number} - {name}{skip}")
        out += ["  ---", f"  duration_ms: {test.seconds * 1000:.3f}"]
        if test.state == FAILED:
            out.append(f"  message: {json.dumps(test.text)}")
        out.append("  ...")
    return "\n".join(out) + "\n"


def suites(report: Report) -> list[Suite]:
    found = [Suite(vm.name, vm.tests, "\n".join(vm.console), "\n".join(vm.log)) for vm in report.vms]
    if report.tests:
        found.append(Suite(RUN, report.tests, "\n".join(report.log)))
    return found


def as_json(report: Report) -> dict:
    tests = _all_tests(report)

    def rows(outcomes: list[Outcome]) -> list[dict]:
        return [{"name": test.name, "state": test.state, "seconds": round(test.seconds, 3),
                 "text": test.text} for test in outcomes]

    return {
        "version": 1, "status": report.status, "why": report.why, "host": report.host,
        "seconds": round(report.seconds, 3), "log_dir": report.log_dir,
        "counts": {state: sum(test.state == state for test in tests)
                   for state in (PASSED, FAILED, SKIPPED)},
        "vms": [{"name": vm.name, "background": vm.is_background, "verdict": vm.verdict,
                 "reason": vm.reason, "exit_value": vm.exit_value, "seconds": round(vm.seconds, 3),
                 "tests": rows(vm.tests), "console": vm.console, "log": vm.log} for vm in report.vms],
        "run": rows(report.tests), "log": report.log,
    }


class Outputs:
    """The files of one run. As a context: whatever ends the run, they are written."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.paths = {option: getattr(arguments, option) for option in OPTIONS if getattr(arguments, option)}
        self.report: Report | None = None
        self._old_handler = None
        seen: dict[str, str] = {}
        for option, path in self.paths.items():
            real = os.path.realpath(path)
            if real in seen:
                raise Failure(f"--{option} {path} is the file of --{seen[real]}, too", "name another")
            seen[real] = option
            self._check(f"--{option} {path}", path)

    @staticmethod
    def _check(what: str, path: str) -> None:
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise Failure(f"{what}: there is no folder {folder}", "make it first")
        if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
            raise Failure(f"{what}: it cannot be written")

    def write(self, report: Report) -> None:
        for option, path in self.paths.items():
            if option == "junit":
                write_suites(path, suites(report))
                continue
            text = tap_text(report) if option == "tap" else json.dumps(as_json(report), indent=1) + "\n"
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)

    def __enter__(self) -> "Outputs":
        # While the image is made; Run minds the signals itself.
        if self.paths:
            self._old_handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
        return self

    def __exit__(self, kind, error, _traceback) -> None:
        if not self.paths:
            return
        signal.signal(signal.SIGTERM, self._old_handler)
        report = self.report
        if kind is KeyboardInterrupt:
            report = failure_report(STATUS_SIGNAL, "stopped by a signal")
        elif kind is not None and report is None:
            report = failure_report(error.status if isinstance(error, Failure) else STATUS_USAGE, str(error))
        if report is not None:
            self.write(report)
