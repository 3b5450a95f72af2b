"""The stored figures of KVM, tests/bench/kvm.tsv: metric, unit, and a column for each way to load KVM; and where
they go: the two last columns of build/bench.tsv."""

from __future__ import annotations

import os

from .common import PROJECT, Failure

STORED = os.path.join(PROJECT, "tests", "bench", "kvm.tsv")
MAIN = "kvm"  # the column that Carousel is compared with

# build/bench.tsv: metric, unit, carousel, baseline, goal, kvm, kvm/carousel.
CAROUSEL, KVM, RATIO = 2, 5, 6

# {column: {metric: (value, unit)}}
Figures = dict[str, dict[str, tuple[float, str]]]


def metrics(figures: Figures) -> dict[str, str]:
    """{metric: unit} of all columns, in the order in which they first stand."""
    return {metric: unit for rows in figures.values() for metric, (_, unit) in rows.items()}


def text(figures: Figures, comments: list[str]) -> str:
    lines = [f"# {comment}" for comment in comments]
    lines.append("\t".join(["metric", "unit", *figures]))
    for metric, unit in metrics(figures).items():
        values = [f"{rows[metric][0]:.10g}" if metric in rows else "" for rows in figures.values()]
        lines.append("\t".join([metric, unit, *values]))
    return "\n".join(lines) + "\n"


def read(path: str = STORED) -> Figures:
    """The stored figures; none when there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        return {}
    if not lines or lines[0][:2] != ["metric", "unit"]:
        raise Failure(f"{path}: its first line is not metric, unit and columns with tabs between",
                      "make bench-kvm STORE=1 writes it")
    figures: Figures = {column: {} for column in lines[0][2:]}
    for fields in lines[1:]:
        try:
            for column, value in zip(figures, fields[2:], strict=True):
                if value:
                    figures[column][fields[0]] = (float(value), fields[1])
        except ValueError as error:
            raise Failure(f"{path}: '{fields[0]}' has not one number for each column ({error})",
                          "make bench-kvm STORE=1 writes it") from error
    return figures


def ratio(kvm: str, carousel: str) -> str:
    """The last column: empty where one of both is missing or zero."""
    if not kvm or not carousel or not float(carousel):
        return ""
    return f"{float(kvm) / float(carousel):.2f}"


def fill(bench: str, figures: Figures) -> str:
    """build/bench.tsv's text with KVM's two columns filled from `figures`."""
    lines = []
    for line in bench.splitlines():
        fields = line.split("\t")
        value = figures.get(MAIN, {}).get(fields[0])
        if not line.startswith("#") and value:
            fields += [""] * (RATIO + 1 - len(fields))
            fields[KVM] = f"{value[0]:.10g}"
            fields[RATIO] = ratio(fields[KVM], fields[CAROUSEL])
        lines.append("\t".join(fields))
    return "\n".join(lines) + "\n" if lines else ""


def table(figures: Figures, stored: Figures) -> list[str]:
    """Rows for a person: each column's figure, and how MAIN's differs from the stored one; then the counts
    (METRIC.COLUMN), which only the first column has, those of one metric in one row."""
    rows = [f"{'metric':24}" + "".join(f"{column:>21}" for column in figures) + f"{'change':>10}"]
    counts: dict[str, dict[str, str]] = {}
    for metric in metrics(figures):
        path, _, counted = metric.partition(".")
        if counted:
            first = next(iter(figures.values()))
            counts.setdefault(path, {})[counted] = f"{first[metric][0]:g}"
            continue
        cells = [f"{columns[metric][0]:21g}" if metric in columns else f"{'-':>21}" for columns in figures.values()]
        new, old = (where.get(MAIN, {}).get(metric, (None,))[0] for where in (figures, stored))
        change = "" if new is None else "new" if not old else f"{(new - old) / old * 100:+.1f} %"
        rows.append(f"{metric:24}" + "".join(cells) + f"{change:>10}")
    if counts:
        names = list(next(iter(counts.values())))
        rows += ["", f"{'one round executes':24}" + "".join(f"{name:>9}" for name in names)]
        rows += [f"{path:24}" + "".join(f"{row.get(name, ''):>9}" for name in names) for path, row in counts.items()]
    return rows
