"""Whole-system tests of what a run leaves behind."""

from __future__ import annotations

import json
import os

from carousel_lib import tap
from carousel_lib.common import BUILD
from carousel_lib.junit import FAILED, read_junit

from case import Case, Guest


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


def cases() -> list[Case]:
    name = "ci-outputs"
    return [
        Case(name, [Guest("cpuid"), Guest("triple", verdict="failed", reason="triple fault")], status=(1,),
             tool=["--junit", "LOGS/junit.xml", "--tap", "LOGS/results.tap", "--json", "LOGS/results.json"],
             script=[("verdict: triple: failed", b"")], check=lambda _result: _output_problems(name)),
    ]
