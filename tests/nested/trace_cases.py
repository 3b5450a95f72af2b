"""Counters and traces of whole runs: do they agree with each other?"""

from __future__ import annotations

import json
import os

from carousel_lib import dump, perfetto, stats, timeline, trace_svg
from carousel_lib.common import BUILD, Failure

from case import Case, Guest


STATES = ("run", "wait", "halt", "stop", "lent")


def _counts(found: dump.Dump, vcpu: int, event: int) -> int:
    return sum(record.event == event and record.vcpu == vcpu
               for pcpu in found.pcpus.values() for record in pcpu.records)


def _vcpu_problems(found: dump.Dump, document: dict) -> list[str]:
    problems = []
    for vm in document["vms"]:
        for vcpu in vm["vcpus"]:
            name, number, ticks = f"{vm['name']}.{vcpu['index']}", vcpu["id"], vcpu["ticks"]
            if sum(ticks[state] for state in STATES) != ticks["life"]:
                problems.append(f"{name}: {ticks} do not add up")
            exits = sum(one["count"] for one in vcpu["exits"])
            for what, counted, event in (("switches", vcpu["switches"], timeline.SWITCH),
                                         ("migrations", vcpu["migrations"], timeline.MIGRATE),
                                         ("exits", exits, timeline.EXIT),
                                         ("latencies", sum(vcpu["histograms"].get("wake_latency", {}).get("log2", [])),
                                          timeline.WAKE),
                                         ("polls", vcpu["halt_poll"]["halt_attempted_poll"], timeline.POLL)):
                if counted != _counts(found, number, event):
                    problems.append(f"{name}: {counted} {what} counted, {_counts(found, number, event)} traced")
            if sum(vcpu["histograms"]["exit_cost"]["log2"]) != exits:
                problems.append(f"{name}: the histogram of {exits} exits is of another number")
    return problems


def _pcpu_problems(line: timeline.Timeline, document: dict) -> list[str]:
    problems = []
    for pcpu in document["pcpus"]:
        run = sum(span.ticks for span, _ in line.runs[pcpu["id"]])
        if not 0 < run <= pcpu["ticks"]["busy"] <= pcpu["ticks"]["life"]:
            problems.append(f"pCPU {pcpu['id']}: vCPUs ran for {run} ticks of {pcpu['ticks']}")
    for what in ("ipis_sent", "ipis_taken", "timers"):
        if not any(pcpu[what] for pcpu in document["pcpus"]):
            problems.append(f"{what}: none on any pCPU")
    return problems


def by_command() -> Case:
    """The monitor turns the trace on and off while a vCPU runs that never gives way by itself, and has it
    dumped."""
    name = "trace-command"

    def check(_result) -> list[str]:
        with open(os.path.join(BUILD, "logs", name, dump.FILE), "rb") as file:
            dumps = dump.read(file.read())
        if [found.reason for found in dumps] != ["command", "end"]:
            return [f"dumps: {[found.reason for found in dumps]}"]
        lines = [timeline.build(found) for found in dumps]
        exits, later = [len(line.vcpus[1].exits) for line in lines]
        counted = sum(one["count"] for one in dumps[1].vcpus[1].exits)
        problems = []
        if not 10 < exits < counted / 2 or exits != later:
            problems.append(f"{exits} exits traced while it was on, {later} in the end, of {counted}")
        for vcpu in (found.vcpus[1].values for found in dumps):
            if sum(vcpu[state] for state in STATES) != vcpu["at"] - vcpu["created"]:
                problems.append(f"the times of {vcpu} do not add up")
        with open(os.path.join(BUILD, "logs", name, "trace.json"), encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        if sum(event.get("cat") == "exit" for event in events) != exits:
            problems.append("the trace in JSON has another number of exits")
        return problems

    return Case(name, [Guest("spinner", append="slices=100000", is_tap=False, reason="enough")], check=check,
                words="trace=off", tool=["--stats", "LOGS/stats.json", "--trace", "LOGS/trace.json"], timeout=60,
                monitor_script=["wait 0.3", "trace sched,exit", "wait 0.1", "trace off", "wait 0.3", "trace dump",
                                "verdict spinner ok enough"],
                answers=[r"^monitor> trace dump\nok$"])


def tracing() -> list[Case]:
    """Two VMs on two pCPUs, everything traced."""
    name = "trace-stats"

    def check(_result) -> list[str]:
        try:
            found = dump.read_file(os.path.join(BUILD, "logs", name, dump.FILE))
        except Failure as failure:
            return [str(failure)]
        line, document = timeline.build(found), stats.document(found)
        problems = timeline.problems(line, found) + _vcpu_problems(found, document) + \
            _pcpu_problems(line, document)
        polls = sum(len(vcpu.polls) for vcpu in line.vcpus.values())
        if line.lost or not line.wakes or not polls:
            problems.append(f"{line.lost} events were lost, {len(line.wakes)} wake-ups and {polls} polls traced")
        if "wake.1" not in trace_svg.draw(perfetto.convert(found)):
            problems.append("the picture lacks a vCPU")
        return problems

    # vCPU 1 wakes vCPU 0, which at first shares its pCPU with a busy VM, and later polls.
    return [Case(name, [Guest("wake", append="rounds=50 gap_us=2000", words=["vcpus=2", "pin=0,1"]),
                        Guest("spinner", append="slices=5")],
                 cpus=2, words="dump=lpt1 trace=all halt_poll_ns=10000000", check=check,
                 host_options=[f"parport1: enabled=1, file={dump.FILE}"]),
            by_command()]
