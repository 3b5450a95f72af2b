"""What the vCPUs and pCPUs did when, from a dump's trace."""

from __future__ import annotations

from dataclasses import dataclass, field

from .dump import Dump, Record

# enum trace_event of lib/trace.h
(START, SWITCH, PREEMPT, BLOCK, STOP, WAKE, MIGRATE, POLL, POLL_END, EXIT, ENTRY, INJECT, IPI,
 IPI_TAKEN, LEND, LEND_END) = range(1, 17)

# What a vCPU does. A vCPU that has stopped, or has not begun, does nothing.
RUN, WAIT, HALT, STOPPED = "running", "waiting", "halted", "stopped"
STATES = {0: STOPPED, 1: WAIT, 2: RUN, 3: HALT}  # enum sched_state

NEXT = {START: WAIT, SWITCH: RUN, PREEMPT: WAIT, BLOCK: HALT, STOP: STOPPED, WAKE: WAIT}
# What it must have done before the first event that is known of it.
BEFORE = {START: STOPPED, SWITCH: WAIT, PREEMPT: RUN, BLOCK: RUN, STOP: RUN, WAKE: HALT, POLL: RUN,
          POLL_END: RUN, EXIT: RUN, ENTRY: RUN, INJECT: RUN, LEND: RUN, LEND_END: RUN}


@dataclass
class Span:
    """TSC times from `start` up to `end`. `pcpu` is where a running vCPU runs."""

    start: int
    end: int
    what: str
    pcpu: int = -1
    detail: dict = field(default_factory=dict)

    @property
    def ticks(self) -> int:
        return self.end - self.start


@dataclass
class Instant:
    at: int
    what: str
    pcpu: int       # where it happened
    vcpu: int = 0   # to whom; 0: to nobody
    detail: dict = field(default_factory=dict)


class Vcpu:
    """A vCPU's life: states one after the other without gaps, and, inside the running ones, exits and
    polls, and what its pCPU did for others meanwhile."""

    def __init__(self, begin: int) -> None:
        self.states: list[Span] = []
        self.exits: list[Span] = []
        self.polls: list[Span] = []
        self.lent: list[Span] = []
        self._since = begin
        self._state = ""
        self._pcpu = -1
        self._exit: Span | None = None
        self._poll: Span | None = None

    def _close(self, at: int) -> None:
        if self._state and at > self._since:
            self.states.append(Span(self._since, at, self._state, self._pcpu))
        self._since = at

    def infer(self, state: str, pcpu: int) -> None:
        if not self._state:
            self._state, self._pcpu = state, pcpu if state == RUN else -1

    def change(self, at: int, state: str, pcpu: int) -> None:
        self._end_inner(at)
        self._close(at)
        self._state, self._pcpu = state, pcpu if state == RUN else -1

    def _end_inner(self, at: int) -> None:
        for span, spans in ((self._poll, self.polls), (self._exit, self.exits)):
            if span:
                span.end = at
                spans.append(span)
        self._poll = self._exit = None

    def exit(self, at: int, name: str, pcpu: int) -> None:
        self._end_inner(at)
        self._exit = Span(at, at, name, pcpu)

    def entry(self, at: int) -> None:
        self._end_inner(at)

    def poll(self, at: int, pcpu: int) -> None:
        self._poll = Span(at, at, "polling", pcpu)

    def poll_end(self, at: int, is_hit: bool) -> None:
        if self._poll:
            self._poll.end = at
            self._poll.detail = {"event came": is_hit}
            self.polls.append(self._poll)
            self._poll = None

    def finish(self, at: int) -> None:
        self._end_inner(at)
        self._close(at)


@dataclass
class Timeline:
    """From `begin` on everything is known, up to `end`. `runs` are the vCPUs that a pCPU ran; `devices` what
    it did for others' devices while somebody wanted it; `wakes` pairs of a wake-up and the time when the
    vCPU then ran."""

    begin: int
    end: int
    tsc_hz: int
    vcpus: dict[int, Vcpu] = field(default_factory=dict)
    runs: dict[int, list[tuple[Span, int]]] = field(default_factory=dict)
    devices: dict[int, list[Span]] = field(default_factory=dict)
    instants: list[Instant] = field(default_factory=list)
    wakes: list[tuple[Instant, int]] = field(default_factory=list)
    lost: int = 0


def begin_of(dump: Dump) -> int:
    """From when on no pCPU's trace has a hole: rings keep the newest records. Otherwise the first event of a
    vCPU: what it did before is not known, when the trace began later."""
    holes = [pcpu.records[0].tsc for pcpu in dump.pcpus.values() if pcpu.lost and pcpu.records]
    if holes:
        return max(holes)
    created = min((vcpu.values["created"] for vcpu in dump.vcpus.values()), default=dump.tsc)
    return min((record.tsc for pcpu in dump.pcpus.values() for record in pcpu.records if record.vcpu),
               default=created)


class _Builder:
    def __init__(self, dump: Dump) -> None:
        self.dump = dump
        begin = begin_of(dump)
        self.timeline = Timeline(begin, dump.tsc, dump.tsc_hz,
                                 lost=sum(pcpu.lost for pcpu in dump.pcpus.values()))
        for number, vcpu in dump.vcpus.items():
            self.timeline.vcpus[number] = Vcpu(max(begin, vcpu.values["created"]))
        self._names = {exit["reason"]: exit["name"] for vcpu in dump.vcpus.values() for exit in vcpu.exits}
        self._apic = {pcpu.values["apic_id"]: number for number, pcpu in dump.pcpus.items()}
        self._woken: dict[int, Instant] = {}
        self._lending: dict[int, Span] = {}
        self.timeline.devices = {number: [] for number in dump.pcpus}

    def instant(self, record: Record, pcpu: int, what: str, **detail) -> Instant:
        found = Instant(record.tsc, what, pcpu, record.vcpu, detail)
        self.timeline.instants.append(found)
        return found

    def take(self, record: Record, pcpu: int) -> None:
        vcpu = self.timeline.vcpus.get(record.vcpu)
        event = record.event
        if vcpu:
            if event in BEFORE:
                vcpu.infer(BEFORE[event], pcpu)
            self._take_vcpu(record, pcpu, vcpu)
        if event == LEND:
            vm = self.dump.vms.get(record.arg - 1)
            self._lending[pcpu] = Span(record.tsc, record.tsc, f"devices of {vm.name}" if vm else "the hypervisor",
                                       pcpu)
        elif event == LEND_END and pcpu in self._lending:
            span = self._lending.pop(pcpu)
            span.end = record.tsc
            self.timeline.devices[pcpu].append(span)
            if vcpu:
                vcpu.lent.append(span)
        if event == WAKE:
            self._woken[record.vcpu] = self.instant(record, pcpu, "wake", to=record.arg)
        elif event == SWITCH and record.vcpu in self._woken:
            self.timeline.wakes.append((self._woken.pop(record.vcpu), record.tsc))
        elif event == MIGRATE:
            self.instant(record, pcpu, "migrate", to=record.arg, how="pulled" if record.info else "pushed")
        elif event == INJECT:
            self.instant(record, pcpu, f"inject {record.arg:#x}", vector=record.arg, type=record.info)
        elif event == IPI:
            target = self._apic.get(record.arg, record.arg)
            self.instant(record, pcpu, f"IPI to {target}", to=target, vector=record.info)
        elif event == IPI_TAKEN:
            self.instant(record, pcpu, "IPI taken", vector=record.info)

    def _take_vcpu(self, record: Record, pcpu: int, vcpu: Vcpu) -> None:
        event = record.event
        if event in NEXT:
            vcpu.change(record.tsc, NEXT[event], pcpu)
        elif event == POLL:
            vcpu.poll(record.tsc, pcpu)
        elif event == POLL_END:
            vcpu.poll_end(record.tsc, bool(record.info))
        elif event == EXIT:
            vcpu.exit(record.tsc, self._names.get(record.arg, f"exit {record.arg}"), pcpu)
        elif event == ENTRY:
            vcpu.entry(record.tsc)

    def finish(self) -> Timeline:
        timeline = self.timeline
        for number, vcpu in timeline.vcpus.items():
            values = self.dump.vcpus[number].values
            vcpu.infer(STATES.get(values["state"], STOPPED), values["pcpu"])
            vcpu.finish(max(timeline.end, vcpu.states[-1].end if vcpu.states else 0))
        timeline.runs = {number: [] for number in self.dump.pcpus}
        for number, vcpu in timeline.vcpus.items():
            for span in vcpu.states:
                if span.what == RUN and span.pcpu in timeline.runs:
                    timeline.runs[span.pcpu].append((span, number))
        for runs in timeline.runs.values():
            runs.sort(key=lambda run: run[0].start)
        return timeline


def build(dump: Dump) -> Timeline:
    builder = _Builder(dump)
    records = [(record, number) for number, pcpu in dump.pcpus.items() for record in pcpu.records
               if builder.timeline.begin <= record.tsc <= dump.tsc]  # it may go on while it is read
    # Stable: what one pCPU wrote with one stamp stays in order.
    records.sort(key=lambda pair: pair[0].tsc)
    for record, pcpu in records:
        builder.take(record, pcpu)
    return builder.finish()


def problems(timeline: Timeline, dump: Dump) -> list[str]:
    """What cannot be: two vCPUs on one pCPU at a time, a vCPU's states that overlap; and, of a trace of
    whole lives, states that do not add up to the counters."""
    found = []
    for pcpu, runs in timeline.runs.items():
        for (one, first), (other, second) in zip(runs, runs[1:]):
            if other.start < one.end:
                found.append(f"pCPU {pcpu} runs {dump.name(first)} up to {one.end} and "
                             f"{dump.name(second)} from {other.start}")
    for number, vcpu in timeline.vcpus.items():
        for one, other in zip(vcpu.states, vcpu.states[1:]):
            if other.start != one.end:
                found.append(f"{dump.name(number)}: {one.what} ends at {one.end}, {other.what} begins at "
                             f"{other.start}")
        if timeline.lost:
            continue
        values = dump.vcpus[number].values
        lent = sum(span.ticks for span in vcpu.lent)
        if lent != values["lent"]:
            found.append(f"{dump.name(number)}: lent {lent} ticks by the trace, {values['lent']} by the counters")
        for what, key in ((RUN, "run"), (WAIT, "wait"), (HALT, "halt")):
            ticks = sum(span.ticks for span in vcpu.states if span.what == what)
            if what == RUN:
                ticks -= lent
            if ticks != values[key]:
                found.append(f"{dump.name(number)}: {what} for {ticks} ticks by the trace, for "
                             f"{values[key]} by the counters")
    return found
