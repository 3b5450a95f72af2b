"""Do figures depend on how many VMs and pCPUs there are? Two VMs measure on the first pCPU, the others have halted;
each figure is held against the same with the fewest VMs on one pCPU."""

from __future__ import annotations

import statistics

from ..machines import Bochs
from .suite import MEAN, SLICE, Case, Guest, parse_gaps, parse_lines, run, switches
from .table import worse_by

TOLERANCE = 2.0  # percent, either way
# (VMs, pCPUs). A switch is between two VMs, so it begins with two.
MACHINES = ((1, 1), (2, 1), (8, 1), (64, 1), (8, 2), (8, 4), (8, 8), (64, 8))
METRICS = ("cpuid", "hlt_timer_blocked", "switch")
AFTER_MS = 150  # by then what is measured before the switches is done

Points = dict[tuple[int, int], dict[str, float]]


def case_of(vms: int, cpus: int) -> Case:
    guests = [Guest("a", f"part=scale rounds=100 after_ms={AFTER_MS}", pin="0")]
    if vms > 1:
        guests.append(Guest("b", f"part=busy after_ms={AFTER_MS}", pin="0"))
    guests += [Guest(f"idle{number}", "part=idle", words=("background",)) for number in range(2, vms)]
    return Case(f"scale-{vms}-{cpus}", cpus, tuple(guests), (SLICE,))


def measure_one(vms: int, cpus: int) -> dict[str, float]:
    result, _ = run(case_of(vms, cpus), Bochs, mem="4M", memory=768)
    found = {metric: value for metric, (value, _) in parse_lines(result.guest_lines("a"), MEAN).items()}
    taken = switches([parse_gaps(result.guest_lines(name)) for name in ("a", "b")])
    if taken:
        found["switch"] = statistics.mean(taken)
    return found


def problems(points: Points) -> list[str]:
    """What differs from the first machine that has the figure by more than TOLERANCE."""
    found = []
    for metric in METRICS:
        has = [machine for machine in points if metric in points[machine]]
        if len(has) < 2:
            found.append(f"{metric}: measured on {len(has)} machines only")
            continue
        base = points[has[0]][metric]
        for machine in has[1:]:
            percent = worse_by(points[machine][metric], base)
            if abs(percent) > TOLERANCE:
                found.append(f"{metric}: {machine[0]} VMs on {machine[1]} pCPUs: {points[machine][metric]:.1f}, "
                             f"{percent:+.1f} % against {base:.1f}")
    return found


def table(points: Points) -> list[str]:
    lines = [f"{'VMs':>5} {'pCPUs':>5} " + " ".join(f"{metric:>18}" for metric in METRICS)]
    for (vms, cpus), values in points.items():
        lines.append(f"{vms:5} {cpus:5} " + " ".join(f"{values[m]:18.1f}" if m in values else f"{'':18}"
                                                     for m in METRICS))
    return lines
