"""The generated parts of docs/performance.md: between `<!-- NAME -->` and `<!-- /NAME -->`."""

from __future__ import annotations

import collections
import os
import re

from ..common import PROJECT, Failure
from . import scale, trace
from .table import Row, number

DOCUMENT = os.path.join(PROJECT, "docs", "performance.md")
SHARES = 16
SHOWN = ("vmread", "vmwrite", "wrmsr", "rdmsr", "vmptrld", "vmclear", "xsave", "xrstor", "entry", "atomic")


def replace(text: str, name: str, lines: list[str]) -> str:
    """The document with that part anew."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    if not pattern.search(text):
        raise Failure(f"{DOCUMENT} has no part <!-- {name} -->", "put its two comments where it is to stand")
    return pattern.sub(lambda match: match[1] + "\n".join(lines) + "\n" + match[2], text)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1),
            *("| " + " | ".join(row) + " |" for row in rows)]


def figures(rows: list[Row]) -> list[str]:
    body = []
    for row in rows:
        if "." in row.metric or row.value is None:
            continue
        ratio = f"{row.kvm / row.value:.1f}" if row.kvm and row.value else ""
        goal = f"{number(row.goal)}{', ' + row.met() if row.goal else ''}"
        unit = "" if row.unit == "ticks" else f" {row.unit}"
        body.append([f"`{row.metric}`", number(row.value) + unit, goal, number(row.kvm), ratio])
    return _table(["metric", "Carousel", "goal", "KVM", "KVM / Carousel"], body)


def counts(rows: list[Row]) -> list[str]:
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        metric, _, column = row.metric.partition(".")
        if column:
            found.setdefault(metric, {})[column] = number(row.value)
    return _table(["one round of"] + [column if column in ("entry", "atomic") else column.upper() for column in SHOWN],
                  [[f"`{metric}`"] + [values.get(column, "") for column in SHOWN] for metric, values in found.items()])


def scales(points: scale.Points) -> list[str]:
    return _table(["VMs, pCPUs"] + [f"`{metric}`" for metric in scale.METRICS],
                  [[f"{vms}, {cpus}"] + [f"{values[m]:.1f}" if m in values else "" for m in scale.METRICS]
                   for (vms, cpus), values in points.items()])


def accounts(paths: dict[str, list[trace.Step]], rows: list[Row]) -> list[str]:
    """Each function's share of the paths whose goal is missed."""
    missed = [row.metric for row in rows if row.met() == "missed" and row.metric in paths]
    lines = []
    for metric in missed:
        steps = paths[metric]
        shares = collections.Counter(step.owner for step in steps)
        words = [f"{owner} {share}" for owner, share in shares.most_common(SHARES)]
        rest = len(steps) - sum(share for _, share in shares.most_common(SHARES))
        words += [f"others {rest}"] if rest else []
        lines += [f"- `{metric}`, {len(steps)} in its marked round: {', '.join(words)}."]
    return lines or ["None."]


def write(parts: dict[str, list[str]], path: str = DOCUMENT) -> None:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for name, lines in parts.items():
        text = replace(text, name, lines)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
