"""A dump's counters as a JSON document; docs/tracing.md describes it."""

from __future__ import annotations

from .dump import Dump, Vcpu
from .timeline import STATES

TURN_STARTS = 0xffffffff  # DUMP_TURN_STARTS of monitor/dump_format.h


def _times(dump: Dump, **ticks: int) -> dict:
    return {"ticks": ticks, "ms": {name: round(count * 1000 / dump.tsc_hz, 6) for name, count in ticks.items()}}


def _sum(histograms: list[list[int]]) -> list[int]:
    length = max(map(len, histograms), default=0)
    return [sum(counts[at] for counts in histograms if at < len(counts)) for at in range(length)]


def _vcpu(dump: Dump, vcpu: Vcpu) -> dict:
    values = vcpu.values
    exits = sorted((dict(exit) for exit in vcpu.exits if exit["reason"] != TURN_STARTS),
                   key=lambda exit: (-exit["count"], exit["reason"]))
    turns = next((exit for exit in vcpu.exits if exit["reason"] == TURN_STARTS), {})
    halt_poll = ["halt_attempted_poll", "halt_successful_poll", "halt_poll_invalid", "halt_wakeup",
                 "halt_poll_success_ns", "halt_poll_fail_ns", "halt_wait_ns"]
    plain = ["switches", "migrations", "wakes", "injections", "spin_yields", "pv_eois", "pv_tlb_flushes"]
    times = {name: values[name] for name in ("run", "wait", "halt", "stop", "lent")}
    return {
        "index": values["index"], "id": values["id"], "pcpu": values["pcpu"],
        "state": STATES.get(values["state"], str(values["state"])),
        **_times(dump, life=values["at"] - values["created"], **times),
        **{name: values[name] for name in plain},
        "halt_poll": {name: values[name] for name in halt_poll},
        "exits": exits,
        "turn_starts": {name: turns[name] for name in ("count", "ticks", "log2")} if turns else None,
        "histograms": {"exit_cost": {"unit": "ticks", "log2": _sum([exit["log2"] for exit in exits])},
                       **vcpu.histograms},
    }


def document(dump: Dump) -> dict:
    vms = []
    for vm in dump.vms.values():
        vcpus = [_vcpu(dump, vcpu) for vcpu in dump.vcpus.values() if vcpu.values["vm"] == vm.id]
        vms.append({"id": vm.id, "name": vm.name, "ended": vm.has_ended, "ok": vm.is_ok,
                    "restarts": vm.restarts, "devices": _times(dump, lent=vm.devices), "vcpus": vcpus})
    pcpus = []
    for pcpu in dump.pcpus.values():
        values = dict(pcpu.values)
        life, idle = values.pop("life"), values.pop("idle")
        pcpus.append({**values, **_times(dump, life=life, busy=life - idle, idle=idle),
                      "trace": {"records": len(pcpu.records), "lost": pcpu.lost}})
    return {"format": "carousel-stats", "version": 1, "reason": dump.reason, "tsc": dump.tsc,
            "tsc_hz": dump.tsc_hz, "pcpus": pcpus, "vms": vms}
