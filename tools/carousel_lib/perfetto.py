"""A timeline in the Chrome trace event format, as ui.perfetto.dev and chrome://tracing read it: a process
`pCPUs` with a track for each pCPU, and a process for each VM with a track for each vCPU. The counters go
with it, under `carousel`."""

from __future__ import annotations

from .dump import Dump
from .stats import document
from .timeline import RUN, STOPPED, Timeline, build

PCPUS_PID = 1
VM_PID = 100  # and the VM's number


class _Writer:
    def __init__(self, dump: Dump, timeline: Timeline) -> None:
        self.dump, self.timeline = dump, timeline
        self.events: list[dict] = []

    def us(self, ticks: int) -> float:
        return round((ticks - self.timeline.begin) * 1e6 / self.timeline.tsc_hz, 4)

    def vcpu_track(self, number: int) -> dict:
        values = self.dump.vcpus[number].values
        return {"pid": VM_PID + values["vm"], "tid": 1000 + number}

    @staticmethod
    def pcpu_track(number: int) -> dict:
        return {"pid": PCPUS_PID, "tid": 1 + number}

    def name(self, what: str, pid: int, tid: int, name: str, index: int) -> None:
        self.events += [{"ph": "M", "name": f"{what}_name", "pid": pid, "tid": tid, "args": {"name": name}},
                        {"ph": "M", "name": f"{what}_sort_index", "pid": pid, "tid": tid,
                         "args": {"sort_index": index}}]

    def slice(self, track: dict, category: str, name: str, start: int, end: int, **args) -> None:
        first = self.us(start)
        event = {"ph": "X", "cat": category, "name": name, "ts": first, "dur": round(self.us(end) - first, 4),
                 **track}
        self.events.append(event | ({"args": args} if args else {}))

    def names(self) -> None:
        self.name("process", PCPUS_PID, 0, "pCPUs", 0)
        for number in self.dump.pcpus:
            self.name("thread", name=f"pCPU {number}", index=number, **self.pcpu_track(number))
        for vm in self.dump.vms.values():
            self.name("process", VM_PID + vm.id, 0, vm.name, 1 + vm.id)
        for number in self.dump.vcpus:
            self.name("thread", name=self.dump.name(number), index=number, **self.vcpu_track(number))

    def spans(self) -> None:
        for pcpu, runs in self.timeline.runs.items():
            for span, number in runs:
                self.slice(self.pcpu_track(pcpu), "sched", self.dump.name(number), span.start, span.end)
        for pcpu, spans in self.timeline.devices.items():
            for span in spans:
                self.slice(self.pcpu_track(pcpu), "devices", span.what, span.start, span.end)
        for number, vcpu in self.timeline.vcpus.items():
            track = self.vcpu_track(number)
            for span in vcpu.states:
                if span.what != STOPPED:
                    self.slice(track, "sched", span.what, span.start, span.end,
                               **({"pcpu": span.pcpu} if span.what == RUN else {}))
            for span in vcpu.exits:
                self.slice(track, "exit", span.what, span.start, span.end, **span.detail)
            for span in vcpu.polls:
                self.slice(track, "poll", span.what, span.start, span.end, **span.detail)

    def instants(self) -> None:
        for instant in self.timeline.instants:
            is_vcpus = instant.what.startswith("inject") and instant.vcpu in self.dump.vcpus
            track = self.vcpu_track(instant.vcpu) if is_vcpus else self.pcpu_track(instant.pcpu)
            args = dict(instant.detail)
            if instant.vcpu in self.dump.vcpus:
                args["vcpu"] = self.dump.name(instant.vcpu)
            self.events.append({"ph": "i", "s": "t", "cat": instant.what.split()[0].lower(), "name": instant.what,
                                "ts": self.us(instant.at), "args": args, **track})

    def flows(self) -> None:
        """An arrow needs a slice at both ends: none from a pCPU that was idle."""
        for number, (wake, at) in enumerate(self.timeline.wakes):
            if not any(span.start <= wake.at < span.end for span, _ in self.timeline.runs.get(wake.pcpu, [])):
                continue
            flow = {"cat": "wake", "name": "wake", "id": number}
            self.events += [{"ph": "s", "ts": self.us(wake.at), **flow, **self.pcpu_track(wake.pcpu)},
                            {"ph": "f", "bp": "e", "ts": self.us(at), **flow, **self.vcpu_track(wake.vcpu)}]


def convert(dump: Dump) -> dict:
    writer = _Writer(dump, build(dump))
    writer.names()
    writer.spans()
    writer.instants()
    writer.flows()
    return {"displayTimeUnit": "ns", "traceEvents": writer.events,
            "carousel": {"begin": writer.timeline.begin, "end": writer.timeline.end,
                         "lost": writer.timeline.lost, "stats": document(dump)}}
