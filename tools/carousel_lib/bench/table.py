"""The figures against what is stored: baseline, goals, caps, KVM; as a table for people and as build/bench.tsv."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ..common import PROJECT, Failure
from .trace import COLUMNS

FOLDER = os.path.join(PROJECT, "tests", "bench")
BASELINE = os.path.join(FOLDER, "baseline.tsv")
GOALS = os.path.join(FOLDER, "goals.tsv")
CAPS = os.path.join(FOLDER, "caps.tsv")
TOLERANCE = 2.0  # percent
TSV_HEAD = ("metric", "unit", "carousel", "baseline", "goal", "kvm", "kvm/carousel")


@dataclass
class Figure:
    """A metric's value, and how often its path executes each of trace.COLUMNS ({}: not counted)."""

    value: float
    unit: str
    counts: dict[str, int] = field(default_factory=dict)


Figures = dict[str, Figure]


@dataclass
class Row:
    """A metric beside all that is known of it."""

    metric: str
    unit: str
    value: float | None
    baseline: float | None
    goal: float | None = None
    kvm: float | None = None
    wrong: str = ""

    def change(self) -> str:
        if self.value is None or self.baseline is None:
            return "" if self.value is None else "new"
        percent = worse_by(self.value, self.baseline)
        return f"{percent:+.1f} %" if percent != float("inf") else "from 0"

    def met(self) -> str:
        if self.goal is None or self.value is None:
            return ""
        return "met" if self.value <= self.goal else "missed"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def worse_by(value: float, old: float) -> float:
    """Percent; less is better."""
    if old:
        return (value - old) / old * 100
    return float("inf") if value > 0 else 0.0


def read_tsv(path: str, fields: int) -> list[list[str]]:
    """The lines' fields. What is missing at a line's end is empty."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        return []
    for line in lines:
        if len(line) > fields:
            raise Failure(f"{path}: '{line[0]}' has {len(line)} fields, not {fields}", "put one tab between fields")
        line += [""] * (fields - len(line))
    return lines


def _value(path: str, line: list[str], at: int) -> float | None:
    try:
        return float(line[at]) if line[at] else None
    except ValueError as error:
        raise Failure(f"{path}: {line[at]!r} of '{line[0]}' is no number", "mend that line") from error


def read_baseline(path: str = BASELINE) -> Figures:
    found = {}
    for line in read_tsv(path, 3 + len(COLUMNS)):
        value = _value(path, line, 2)
        if value is None:
            raise Failure(f"{path}: '{line[0]}' has no value", "`make bench STORE=1` writes the file")
        counts = {column: int(text) for column, text in zip(COLUMNS, line[3:]) if text}
        found[line[0]] = Figure(value, line[1], counts)
    return found


def write_baseline(path: str, figures: Figures, machine: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"# measured in {machine}; empty: not counted\n# " + "\t".join(("metric", "unit", "value", *COLUMNS)))
        file.write("\n")
        for metric, figure in figures.items():
            counts = [str(figure.counts.get(column, "")) for column in COLUMNS] if figure.counts else []
            file.write("\t".join([metric, figure.unit, number(figure.value), *counts]) + "\n")


def read_goals(path: str = GOALS) -> dict[str, tuple[float | None, float | None]]:
    """{metric: (goal, KVM's figure)}."""
    return {line[0]: (_value(path, line, 1), _value(path, line, 2)) for line in read_tsv(path, 3)}


def read_caps(path: str = CAPS) -> list[tuple[str, str, float]]:
    """(metric, column or unit, at most)."""
    return [(line[0], line[1], _value(path, line, 2) or 0) for line in read_tsv(path, 3)]


def flatten(figures: Figures) -> dict[str, tuple[float, str]]:
    """A row of its own for each count, METRIC.COLUMN, where there is any."""
    found = {}
    for metric, figure in figures.items():
        found[metric] = (figure.value, figure.unit)
        for column, value in figure.counts.items():
            found[f"{metric}.{column}"] = (float(value), "count")
    return found


def over_cap(figures: Figures, caps: list[tuple[str, str, float]]) -> dict[str, str]:
    """{row: what is wrong}."""
    flat = flatten(figures)
    found = {}
    for metric, column, most in caps:
        name = metric if metric in figures and column == figures[metric].unit else f"{metric}.{column}"
        if name in flat and flat[name][0] > most:
            found[name] = f"at most {most:g} is allowed"
    return found


def judge(figures: Figures, baseline: Figures, goals: dict, kvm: dict[str, float], caps: list,
          tolerance: float = TOLERANCE, is_whole: bool = True) -> list[Row]:
    """A row for each figure and count, and, when all was measured, for what the baseline alone has."""
    now, old, capped = flatten(figures), flatten(baseline), over_cap(figures, caps)
    rows = []
    for name, (value, unit) in now.items():
        was, was_unit = old.get(name, (None, unit))
        goal, kvm_then = goals.get(name, (None, None))
        row = Row(name, unit, value, was, goal, kvm.get(name, kvm_then), capped.get(name, ""))
        if not row.wrong and unit != was_unit:
            row.wrong = f"unit {unit} instead of {was_unit}"
        if not row.wrong and was is not None and worse_by(value, was) > tolerance:
            row.wrong = f"worse than {was:g} by more than {tolerance:g} %"
        rows.append(row)
    if is_whole:
        for name, (value, unit) in old.items():
            if name not in now:
                rows.append(Row(name, unit, None, value, *goals.get(name, (None, None)),
                                wrong=f"missing (was {value:g})"))
    return rows


def table(rows: list[Row]) -> list[str]:
    """For people: the metrics, then the counts of each path, a column each; a wrong count stands below."""
    lines = [f"{'metric':24} {'unit':6} {'this run':>12} {'stored':>12} {'change':>9} {'goal':>8} {'':7} {'KVM':>8}"]
    counts: dict[str, dict[str, Row]] = {}
    for row in rows:
        metric, _, column = row.metric.partition(".")
        if column:
            counts.setdefault(metric, {})[column] = row
            continue
        lines.append(f"{row.metric:24} {row.unit:6} {number(row.value):>12} {number(row.baseline):>12} "
                     f"{row.change():>9} {number(row.goal):>8} {row.met():7} {number(row.kvm):>8}"
                     f"{'  <- ' + row.wrong if row.wrong else ''}".rstrip())
    if counts:
        lines += ["", f"{'one round executes':24} " + " ".join(f"{column:>8}" for column in COLUMNS)]
    for metric, columns in counts.items():
        lines.append(f"{metric:24} " + " ".join(f"{number(columns[c].value) if c in columns else '':>8}"
                                                for c in COLUMNS))
        lines += [f"  <- {row.metric}: {row.wrong}" for row in columns.values() if row.wrong]
    return lines


def tsv(rows: list[Row]) -> str:
    """build/bench.tsv."""
    lines = ["# " + "\t".join(TSV_HEAD)]
    for row in rows:
        ratio = f"{row.kvm / row.value:.2f}" if row.kvm and row.value else ""
        lines.append("\t".join([row.metric, row.unit, number(row.value), number(row.baseline), number(row.goal),
                                number(row.kvm), ratio]))
    return "\n".join(lines) + "\n"
