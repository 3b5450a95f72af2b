"""tests/mutate/equivalents: the mutations that no test can notice, each with the reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Equivalent:
    file: str
    before: str
    after: str
    above: str = ""  # the line above, where the line alone is not enough


def squeeze(line: str) -> str:
    return " ".join(line.split())


def parse(text: str) -> dict[Equivalent, str]:
    """Paragraphs: `file FILE`, where needed `= THE LINE ABOVE`, `- LINE BEFORE`, `+ LINE AFTER`, and why in
    the rest. A line of code stands by its text, and not by its number. Raises ValueError at what is none."""
    found: dict[Equivalent, str] = {}
    for paragraph in text.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        above = squeeze(lines.pop(1)[2:]) if len(lines) > 1 and lines[1].startswith("= ") else ""
        if len(lines) < 4 or not lines[0].startswith("file ") or lines[1][:2] != "- " or lines[2][:2] not in ("+ ", "+"):
            raise ValueError(f"not an equivalent: {lines[0]}")
        key = Equivalent(lines[0][5:], squeeze(lines[1][2:]), squeeze(lines[2][2:]), above)
        if key in found:
            raise ValueError(f"twice: {lines[0]}: {lines[1]}")
        found[key] = " ".join(lines[3:])
    return found
