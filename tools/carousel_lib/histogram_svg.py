"""Small histograms side by side: a row for each VM, a column for each kind, one scale of time for a column;
and where the time of exits went."""

from __future__ import annotations

import math

from . import svg

LEFT, GAP = 140, 28
HEIGHT, ROW = 64, 112     # of the bars, of a row
WIDTH_MAX = 260.0
VMS_MAX = 16
REASONS = 5               # they need 19 pixels each
DECADES = [(10 ** power, svg.duration(10 ** power / 1000)) for power in range(0, 12)]  # ns

KINDS = [("exit_cost", "cost of an exit"), ("wake_latency", "wake-up to running"),
         ("halt_wait", "blocked in a halt"), ("poll", "halt polls")]


class Histogram:
    """Counts by log2 of nanoseconds; `offset` moves the buckets of ticks there."""

    def __init__(self, log2: list[int], offset: float = 0.0) -> None:
        self.log2, self.offset = log2, offset

    def bars(self):
        return [(bucket + self.offset, count) for bucket, count in enumerate(self.log2) if count]

    def total(self) -> int:
        return sum(self.log2)


def _sum(counts: list[list[int]]) -> list[int]:
    return [sum(one[at] for one in counts if at < len(one)) for at in range(max(map(len, counts), default=0))]


def _of_vm(vm: dict, kind: str, hz: int) -> Histogram:
    found = [vcpu["histograms"][kind] for vcpu in vm["vcpus"] if kind in vcpu["histograms"]]
    is_ticks = any(one["unit"] == "ticks" for one in found)
    return Histogram(_sum([one["log2"] for one in found]), math.log2(1e9 / hz) if is_ticks else 0.0)


def _kinds_of_vm(vm: dict, hz: int) -> dict[str, list[Histogram]]:
    return {kind: [_of_vm(vm, "poll_success", hz), _of_vm(vm, "poll_fail", hz)] if kind == "poll" else
            [_of_vm(vm, kind, hz)] for kind, _ in KINDS}


def _domain(charts: list[list[Histogram]]) -> tuple[float, float]:
    edges = [edge for chart in charts for one in chart for edge, _ in one.bars()]
    low, high = min(edges), max(edges) + 1
    return (low, high) if high - low >= 8 else (low - (8 - high + low) / 2, high + (8 - high + low) / 2)


def _chart(chart: list[Histogram], domain: tuple[float, float], x: float, y: float, width: float) -> list[str]:
    if not any(one.total() for one in chart):
        return [svg.element("rect", x=x, y=y, width=width, height=float(HEIGHT), class_="lane"),
                svg.text(x + width / 2, y + HEIGHT / 2 + 4, "none", "axis")]
    low, high = domain
    scale = width / (high - low)
    base = y + HEIGHT
    parts = [svg.element("rect", x=x, y=y, width=width, height=float(HEIGHT), class_="lane")]
    decades = [(x + (math.log2(ns) - low) * scale, name) for ns, name in DECADES if low <= math.log2(ns) <= high]
    while len(decades) * 44 > width:
        decades = decades[::2]
    parts.append(svg.element("path", class_="grid",
                             d="".join(f"M{svg.short(at)} {svg.short(y)}V{svg.short(base)}" for at, _ in decades)))
    most = max((count for one in chart for _, count in one.bars()), default=0)
    for number, one in enumerate(chart):
        share = scale / len(chart)
        for edge, count in one.bars():
            height = (HEIGHT - 8) * math.log2(1 + count) / math.log2(1 + most)
            left = x + (edge - low) * scale + number * share
            what = f"{svg.duration(2 ** edge / 1000)} to {svg.duration(2 ** (edge + 1) / 1000)}: {count}"
            parts.append(svg.element("rect", svg.tooltip(what), x=left + 0.5, y=base - height,
                                     width=max(1.0, share - 1), height=height,
                                     class_="bar2" if number else "bar"))
    parts += [svg.text(at, base + 14, name, "axis") for at, name in decades]
    totals = "n = " + ", ".join(f"{one.total():,}".replace(",", "\u2009") for one in chart)
    return parts + [svg.text(x + width, y - 5, totals, "number")]


def _reasons(vm: dict, x: float, y: float, width: float) -> list[str]:
    """Which exits took the most time."""
    ticks: dict[str, int] = {}
    for vcpu in vm["vcpus"]:
        for one in vcpu["exits"]:
            ticks[one["name"]] = ticks.get(one["name"], 0) + one["ticks"]
    total = sum(ticks.values())
    parts = []
    for at, (name, count) in enumerate(sorted(ticks.items(), key=lambda pair: -pair[1])[:REASONS]):
        top = y + at * 19.0
        share = count / max(total, 1)
        name = name if len(name) <= 26 else name[:25] + "\u2026"
        parts += [svg.text(x, top + 7, name, "muted"), svg.text(x + width, top + 7, f"{100 * share:.1f} %", "number"),
                  svg.element("rect", x=x, y=top + 10, width=max(1.0, width * share), height=3.0, class_="bar")]
    return parts


def histograms(stats: dict, y: float, page: float) -> tuple[list[str], float]:
    """The elements, and where the next thing can stand."""
    vms = [vm for vm in stats["vms"] if vm["vcpus"]]
    shown, hz = vms[:VMS_MAX], stats["tsc_hz"]
    by_vm = [_kinds_of_vm(vm, hz) for vm in shown]
    kinds = [(kind, name) for kind, name in KINDS
             if any(one.total() for charts in by_vm for one in charts[kind])]
    parts: list[str] = []
    columns = len(kinds) + 1
    width = min(WIDTH_MAX, (page - LEFT - 24 - GAP * (columns - 1)) / columns)
    parts += [svg.text(LEFT + at * (width + GAP), y + 14, name, "head")
              for at, name in enumerate([name for _, name in kinds] + ["exits by time"])]
    parts.append(svg.text(LEFT, y + 30, "bars: how many (on a logarithmic scale) took from a power of two to twice as "
                          "long", "muted"))
    if kinds and kinds[-1][0] == "poll":
        x = LEFT + (len(kinds) - 1) * (width + GAP)
        for what, class_ in (("event came", "bar"), ("in vain", "bar2")):
            parts += [svg.element("rect", x=x, y=y + 21, width=10, height=10, class_=class_),
                      svg.text(x + 15, y + 30, what, "muted")]
            x += 90
    y += 56
    domains = {kind: _domain([charts[kind] for charts in by_vm]) for kind, _ in kinds}
    for vm, charts in zip(shown, by_vm):
        parts.append(svg.text(LEFT - 26, y + HEIGHT / 2 + 4, vm["name"], "name"))
        for at, (kind, _) in enumerate(kinds):
            parts += _chart(charts[kind], domains[kind], LEFT + at * (width + GAP), y, width)
        parts += _reasons(vm, LEFT + len(kinds) * (width + GAP), y, width)
        y += ROW
    if len(vms) > len(shown):
        parts.append(svg.text(LEFT, y, f"and {len(vms) - len(shown)} more VMs", "muted"))
        y += 20
    return parts, y
