"""Test outcomes, and JUnit XML of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass
class Outcome:
    """How one test went; `text` says why it failed or was skipped."""

    suite: str
    name: str
    state: str
    seconds: float = 0.0
    text: str = ""


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\t\n" else "?" for c in text)


@dataclass
class Suite:
    """Tests that belong together, and what was said meanwhile."""

    name: str
    outcomes: list[Outcome]
    out: str = ""
    err: str = ""


def _count(outcomes: list[Outcome]) -> str:
    counts = {state: sum(outcome.state == state for outcome in outcomes) for state in (FAILED, SKIPPED)}
    return (f'tests="{len(outcomes)}" failures="{counts[FAILED]}" errors="0" '
            f'skipped="{counts[SKIPPED]}" time="{sum(outcome.seconds for outcome in outcomes):.3f}"')


def _case_lines(outcome: Outcome) -> list[str]:
    lines = [f"<testcase classname={quoteattr(_clean(outcome.suite))} "
             f"name={quoteattr(_clean(outcome.name))} time=\"{outcome.seconds:.3f}\">"]
    text = _clean(outcome.text)
    first = text.splitlines()[0] if text else ""
    if outcome.state == FAILED:
        lines.append(f"<failure message={quoteattr(first)}>{escape(text)}</failure>")
    elif outcome.state == SKIPPED:
        lines.append(f"<skipped message={quoteattr(first)}/>")
    return lines + ["</testcase>"]


def write_suites(path: str, suites: list[Suite]) -> None:
    """JUnit XML; characters that XML does not have, or that a terminal would obey, become '?'."""
    everything = [outcome for suite in suites for outcome in suite.outcomes]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {_count(everything)}>"]
    for suite in suites:
        lines.append(f"<testsuite name={quoteattr(_clean(suite.name))} {_count(suite.outcomes)}>")
        for outcome in suite.outcomes:
            lines += _case_lines(outcome)
        for tag, text in (("system-out", suite.out), ("system-err", suite.err)):
            if text:
                lines.append(f"<{tag}>{escape(_clean(text))}</{tag}>")
        lines.append("</testsuite>")
    lines.append("</testsuites>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def write_junit(path: str, suite: str, outcomes: list[Outcome]) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_suites(path, [Suite(suite, outcomes)])


def read_junit(path: str, suite: str) -> list[Outcome]:
    """The outcomes in a JUnit XML file, ours or cmocka's; ValueError when it is not one."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ValueError(f"{path}: {error}") from error
    outcomes = []
    for case in root.iter("testcase"):
        bad = next((child for child in case if child.tag in ("failure", "error")), None)
        skipped = case.find("skipped")
        state = FAILED if bad is not None else SKIPPED if skipped is not None else PASSED
        text = (bad.text or bad.get("message", "")) if bad is not None else \
            skipped.get("message", "") if skipped is not None else ""
        outcomes.append(Outcome(suite, case.get("name", "?"), state,
                                float(case.get("time") or 0), text))
    return outcomes
