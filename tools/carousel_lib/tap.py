"""TAP, the Test Anything Protocol, as guests print it."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Longer numbers are none: Python refuses to read those of more than 4300 digits.
PLAN = re.compile(r"1\.\.(\d{1,9})\s*(?:#.*)?$")
POINT = re.compile(r"(not )?ok\b(?: (\d{1,9})\b)?([^#]*)(?:#\s*(TODO|SKIP)\b\S*\s*(.*))?", re.I)
NUMBERED = re.compile(r"(?:not )?ok \d+\b")


@dataclass
class Point:
    """One test point; `line` is its place among the lines that were read."""

    ok: bool
    number: int | None
    name: str
    directive: str  # TODO, SKIP or ''
    reason: str
    text: str
    line: int

    def has_failed(self) -> bool:
        return not self.ok and not self.directive


@dataclass
class Tap:
    plans: list[int]
    points: list[Point]
    bails: list[str]

    def problems(self) -> list[str]:
        """What is wrong with the whole, apart from the points that have failed."""
        found = list(self.bails)
        if len(self.plans) != 1:
            found.append(f"{len(self.plans)} TAP plans instead of one")
        elif self.plans[0] != len(self.points):
            found.append(f"the TAP plan has {self.plans[0]} tests, {len(self.points)} reported")
        numbers = [point.number for point in self.points if point.number is not None]
        if numbers and numbers != list(range(1, len(numbers) + 1)):
            found.append(f"the TAP numbers are {numbers}")
        return found


def read(lines: list[str]) -> Tap:
    tap = Tap([], [], [])
    for at, line in enumerate(lines):
        plan, point = PLAN.match(line), POINT.match(line)
        if plan:
            tap.plans.append(int(plan.group(1)))
        elif line.startswith("Bail out!"):
            tap.bails.append(line)
        elif point:
            tap.points.append(Point(not point.group(1), int(point.group(2)) if point.group(2) else None,
                                    point.group(3).strip(" -"), (point.group(4) or "").upper(),
                                    (point.group(5) or "").strip(), line.strip(), at))
    return tap


def is_tap(lines: list[str]) -> bool:
    """Does this guest speak TAP? A line that only begins with 'ok' says nothing."""
    return any(PLAN.match(line) or line.startswith("TAP version ") or NUMBERED.match(line)
               for line in lines)
