"""Draws a trace of `carousel run --trace`: who ran on each pCPU, what each vCPU did, and the histograms. A
column of pixels that covers several spans is filled by their shares of it, so that nothing is lost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from . import svg
from .common import Failure
from .histogram_svg import histograms
from .perfetto import PCPUS_PID

WIDTH, LEFT, RIGHT = 1200, 140, 180
PLOT = WIDTH - LEFT - RIGHT
LANE, GAP, BAR = 30, 6, 24      # a track's height, the space between two, its bar's
WAKES_MAX = 500                 # more marks than that only hide the rest

Spans = list[tuple[float, float]]


@dataclass
class Track:
    """Spans of microseconds by what they are: a pCPU's by the VM that ran, a vCPU's by its state."""

    name: str
    vm: str = ""
    spans: dict[str, Spans] = field(default_factory=lambda: defaultdict(list))
    labels: dict[str, Spans] = field(default_factory=lambda: defaultdict(list))  # a pCPU's, by vCPU
    wakes: list[float] = field(default_factory=list)


@dataclass
class Trace:
    pcpus: list[Track]
    vcpus: list[Track]
    vms: list[str]
    end: float
    info: dict


def read(trace: dict) -> Trace:
    """Takes the tracks out of the document."""
    names: dict[tuple[int, int], str] = {}
    tracks: dict[tuple[int, int], Track] = {}
    for event in trace["traceEvents"]:
        if event["ph"] == "M" and event["name"] in ("process_name", "thread_name"):
            key = (event["pid"], event["tid"] if event["name"] == "thread_name" else 0)
            names[key] = event["args"]["name"]
    for (pid, tid), name in names.items():
        if tid:
            tracks[pid, tid] = Track(name, "" if pid == PCPUS_PID else names[pid, 0])
    by_name = {track.name: track for track in tracks.values()}
    for event in trace["traceEvents"]:
        track = tracks.get((event["pid"], event.get("tid", 0)))
        if not track:
            continue
        if event["ph"] == "X" and event["cat"] in ("sched", "poll"):
            span = (event["ts"], event["ts"] + event["dur"])
            vm = by_name[event["name"]].vm if event["name"] in by_name else event["name"]
            track.spans[vm].append(span)
            if not track.vm:
                track.labels[event["name"]].append(span)
        elif event["ph"] == "i" and event["name"] == "wake":
            woken = by_name.get(event["args"].get("vcpu", ""))
            if woken:
                woken.wakes.append(event["ts"])
    info = trace["carousel"]
    end = (info["end"] - info["begin"]) * 1e6 / info["stats"]["tsc_hz"]
    pcpus = [track for (pid, _), track in sorted(tracks.items()) if pid == PCPUS_PID]
    vcpus = [track for (pid, _), track in sorted(tracks.items()) if pid != PCPUS_PID]
    return Trace(pcpus, vcpus, [vm["name"] for vm in info["stats"]["vms"]], end, info)


class View:
    """A window of time, and its columns of a pixel each."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end
        self.width = (end - start) / PLOT

    def x(self, at: float) -> float:
        return LEFT + (at - self.start) / self.width

    def columns(self, spans: Spans) -> list[float]:
        """The share of each column that the spans cover."""
        shares = [0.0] * PLOT
        for begin, end in spans:
            begin, end = (max(begin, self.start) - self.start) / self.width, \
                (min(end, self.end) - self.start) / self.width
            if end <= begin:
                continue
            first, last = int(begin), min(int(end), PLOT - 1)
            if first >= last:
                shares[min(first, PLOT - 1)] += end - begin
                continue
            shares[first] += first + 1 - begin
            for at in range(first + 1, last):
                shares[at] = 1.0
            shares[last] += end - last
        return [min(share, 1.0) for share in shares]

    def percent(self, spans: Spans) -> float:
        covered = sum(max(0.0, min(end, self.end) - max(begin, self.start)) for begin, end in spans)
        return 100 * covered / (self.end - self.start)


def outline(shares: list[float], base: float, height: float) -> str:
    """The area under the columns, as a path: steps, from the left to the right."""
    path, level = "", 0
    for at, share in enumerate(shares + [0.0]):
        # What is there at all is seen, if only as the lowest step.
        new = max(1, round(share * height)) if share > 0.002 else 0
        if new == level:
            continue
        x, y = LEFT + at, svg.short(base - new)
        path += f"H{x}V{y}" if path and not path.endswith("z") else f"M{x} {svg.short(base)}V{y}"
        if not new:
            path += "z"
        level = new
    return path


def stack(layers: list[tuple[list[float], dict, str]], base: float) -> list[str]:
    """Areas upon each other: the upper ones are painted first, and reach down behind the lower."""
    total = [0.0] * PLOT
    painted = []
    for shares, attributes, title in layers:
        if not any(shares):
            continue
        total = [min(1.0, one + other) for one, other in zip(total, shares)]
        own = [height if share > 0 else 0.0 for share, height in zip(shares, total)]
        painted.append(svg.element("path", svg.tooltip(title), d=outline(own, base, BAR), **attributes))
    return painted[::-1]


def _labels(view: View, track: Track, base: float, whites: dict[str, bool], vm_of: dict[str, str]) -> list[str]:
    """Names of vCPUs where their bars have room for them."""
    parts = []
    for name, spans in track.labels.items():
        merged: list[list[float]] = []
        for begin, end in sorted(spans):
            begin, end = view.x(max(begin, view.start)), view.x(min(end, view.end))
            if end <= begin:
                continue
            if merged and begin - merged[-1][1] < 0.3:
                merged[-1][1] = end
            else:
                merged.append([begin, end])
        room = 6.3 * len(name) + 8
        for begin, end in sorted(merged, key=lambda span: span[0] - span[1])[:12]:
            if end - begin >= room:
                white = " white" if whites[vm_of.get(name, name)] else ""
                parts.append(svg.text(begin + 5, base - 8, name, "on" + white))
    return parts


class Picture:
    def __init__(self, trace: Trace, view: View, title: str) -> None:
        self.trace, self.view = trace, view
        self.parts: list[str] = []
        self.y = 0.0
        colours = [svg.PALETTE[at % len(svg.PALETTE)] for at in range(len(trace.vms))]
        self.fill = {vm: colour for vm, (colour, _) in zip(trace.vms, colours)}
        self.is_white = {vm: white for vm, (_, white) in zip(trace.vms, colours)}
        self.vm_of = {track.name: track.vm for track in trace.vcpus}
        self._head(title)
        self._legend()

    def add(self, *parts: str) -> None:
        self.parts += parts

    def _head(self, title: str) -> None:
        info, view = self.trace.info, self.view
        stats = info["stats"]
        is_all = view.end - view.start >= 0.999 * self.trace.end
        what = [f"{svg.duration(view.end)} in all" if is_all else
                f"the first {svg.duration(view.end)} of {svg.duration(self.trace.end)}" if not view.start else
                f"{svg.duration(view.start)} to {svg.duration(view.end)} of {svg.duration(self.trace.end)}",
                f"{len(self.trace.pcpus)} pCPU{'s' * (len(self.trace.pcpus) != 1)}",
                f"{len(self.trace.vcpus)} vCPU{'s' * (len(self.trace.vcpus) != 1)}",
                f"TSC at {stats['tsc_hz'] / 1e6:.4g} MHz"]
        if info["lost"]:
            what.append(f"{info['lost']} older events were written over")
        self.add(svg.text(24, 40, title, "title"), svg.text(24, 62, " \u00b7 ".join(what), "muted"))
        self.y = 84

    def _legend(self) -> None:
        """States by their shapes, in the first VM's colour; VMs by colour, and by name in their tracks."""
        colour = self.fill[self.trace.vms[0]] if self.trace.vms else svg.PALETTE[0][0]
        x, y = 24.0, self.y
        for what, fills in (("running", [colour]), ("polling for an event", [colour, "url(#poll)"]),
                            ("waiting for a pCPU (steal)", ["url(#wait)"]), ("halted", [])):
            for fill in fills:
                self.add(svg.element("rect", x=x, y=y, width=26, height=12, fill=fill))
            if not fills:
                self.add(svg.element("path", d=f"M{svg.short(x)} {svg.short(y + 11)}h26", class_="line"))
            self.add(svg.text(x + 32, y + 10, what))
            x += 32 + 6.6 * len(what) + 22
        self.add(svg.element("path", d=f"M{svg.short(x + 4)} {svg.short(y + 9)}l-4-7h8z", class_="mark"),
                 svg.text(x + 14, y + 10, "wake-up"))
        self.y += 40

    def _axis(self, bottom: float) -> None:
        view, span = self.view, self.view.end - self.view.start
        scale, unit = next(((scale, unit) for scale, unit in ((1e6, "s"), (1e3, "ms")) if span >= 2 * scale),
                           (1.0, "\u00b5s"))
        ticks = svg.nice_ticks(view.start / scale, view.end / scale, 10)
        path = "".join(f"M{svg.short(view.x(tick * scale))} {svg.short(self.y)}V{svg.short(bottom)}"
                       for tick in ticks)
        self.add(svg.element("path", d=path, class_="grid"))
        for tick in ticks:
            self.add(svg.text(view.x(tick * scale), self.y - 6, f"{tick:.6g}", "axis"))
        self.add(svg.text(LEFT - 26, self.y - 6, f"time, {unit}", "muted name"))

    def _lane(self, name: str, fill: str, *numbers: str) -> float:
        """One track's name, colour and figures; gives the line on which its bar stands."""
        base = self.y + LANE - 3
        self.add(svg.text(LEFT - 26, base - 8, name, "name"))
        if fill:
            self.add(svg.element("rect", x=LEFT - 20, y=base - 18, width=11, height=11, rx=2, fill=fill))
        for at, number in enumerate(numbers):
            if number:
                self.add(svg.text(WIDTH - 100 + 76 * at, base - 8, number, "number"))
        self.y += LANE + GAP
        return base

    def _lanes(self, count: int) -> None:
        self.add(*(svg.element("rect", x=LEFT, y=self.y + at * (LANE + GAP), width=PLOT, height=LANE,
                               class_="lane") for at in range(count)))

    def _pcpu(self, track: Track) -> None:
        view = self.view
        busy = sum(view.percent(spans) for spans in track.spans.values())
        base = self._lane(track.name, "", "", f"guests {busy:.1f} %")
        layers = [(view.columns(track.spans[vm]), {"fill": self.fill[vm]},
                   f"{vm} on {track.name}: {view.percent(track.spans[vm]):.1f} %")
                  for vm in self.trace.vms if vm in track.spans]
        self.add(*stack(layers, base), *_labels(view, track, base, self.is_white, self.vm_of))

    def _vcpu(self, track: Track) -> None:
        view = self.view
        percent = {what: view.percent(track.spans.get(what, [])) for what in
                   ("running", "polling", "waiting", "halted")}
        base = self._lane(track.name, self.fill[track.vm], f"run {percent['running']:.1f} %",
                          f"wait {percent['waiting']:.1f} %")
        run, poll = view.columns(track.spans.get("running", [])), view.columns(track.spans.get("polling", []))
        halted = view.columns(track.spans.get("halted", []))
        colour = self.fill[track.vm]
        title = f"{track.name}: " + ", ".join(f"{what} {share:.1f} %" for what, share in percent.items())
        busy = [max(0.0, one - other) for one, other in zip(run, poll)]
        layers = [(busy, {"fill": colour}, title), (poll, {"fill": colour}, title),
                  (view.columns(track.spans.get("waiting", [])), {"fill": "url(#wait)"}, title)]
        self.add(*stack(layers, base))
        if any(poll):
            dots = [(busy, {"fill": colour}, title), (poll, {"fill": "url(#poll)"}, title)]
            self.add(stack(dots, base)[0], *(stack(dots[:1], base)))
        line = "".join(f"M{LEFT + begin} {svg.short(base)}H{LEFT + end}" for begin, end in _stretches(halted))
        if line:
            self.add(svg.element("path", svg.tooltip(title), d=line, class_="line"))
        self._wakes(track, base)

    def _wakes(self, track: Track, base: float) -> None:
        columns = sorted({round(self.view.x(at)) for at in track.wakes
                          if self.view.start <= at <= self.view.end})
        if columns and len(columns) <= WAKES_MAX:
            foot = svg.short(base - BAR + 3)
            self.add(svg.element("path", svg.tooltip(f"{len(track.wakes)} wake-ups"), class_="mark",
                                 d="".join(f"M{x} {foot}l-3-6h6z" for x in columns)))

    def timeline(self) -> None:
        view = self.view
        shown = [track for track in self.trace.vcpus if any(map(view.percent, track.spans.values()))]
        self._axis(self.y + (len(self.trace.pcpus) + len(shown)) * (LANE + GAP) + 16)
        self.y += 4
        self._lanes(len(self.trace.pcpus))
        for track in self.trace.pcpus:
            self._pcpu(track)
        self.y += 12
        self._lanes(len(shown))
        for track in shown:
            self._vcpu(track)
        if len(shown) < len(self.trace.vcpus):
            self.add(svg.text(LEFT, self.y + 12, "left out, because they had not started or had stopped: "
                              f"{len(self.trace.vcpus) - len(shown)}", "muted"))
            self.y += 16
        self.y += 24

    def finish(self, label: str) -> str:
        parts, self.y = histograms(self.trace.info["stats"], self.y, WIDTH)
        self.add(*parts)
        return svg.document(WIDTH, self.y + 16, label, self.parts)


def _stretches(shares: list[float]) -> list[tuple[int, int]]:
    """Where there is something, as ranges of columns."""
    found: list[tuple[int, int]] = []
    for at, share in enumerate(shares):
        if share <= 0:
            continue
        if found and found[-1][1] == at:
            found[-1] = (found[-1][0], at + 1)
        else:
            found.append((at, at + 1))
    return found


def draw(document: dict, title: str = "", start_ms: float | None = None, end_ms: float | None = None) -> str:
    trace = read(document)
    start = 0.0 if start_ms is None else start_ms * 1000
    end = trace.end if end_ms is None else min(end_ms * 1000, trace.end)
    if end <= start or start < 0:
        raise Failure(f"there is nothing between {svg.duration(start)} and {svg.duration(end)}",
                      f"the trace has {svg.duration(trace.end)}")
    title = title or "Carousel: who ran when"
    picture = Picture(trace, View(start, end), title)
    picture.timeline()
    return picture.finish(title)
