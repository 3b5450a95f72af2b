"""Guest fuzzers: VMs that throw operations and bytes at the hypervisor, beside a victim that must not notice.

    make guest-fuzz [SEED=n] [OPS=n]

They may end by what they do (a triple fault, a power-off); a reset begins them anew with the next numbers. Nobody
else may end, and the hypervisor neither: the debug build, so that every assertion looks on."""

from __future__ import annotations

import os

from case import APIC_BY_CPU, APIC_IN_SOFTWARE, IPS_TIME, Case, Guest

SEEDS = range(1, 9)
WINDOW_MS = 500
FUZZERS = ("fuzz_ops", "fuzz_bytes")


def fuzzer(stub: str, seed: int, vcpus: int, ops: int) -> Guest:
    pins = ",".join(map(str, range(vcpus)))
    waits = [] if ops else ["background"]
    return Guest(stub.replace("_", "-"), stub=stub, mem="16M", verdict="any", is_tap=False,
                 words=[f"vcpus={vcpus}", f"pin={pins}", "on-reset=restart:1000", "virtio-rng=on",
                        "virtio-console=on", "net=lan0"] + waits,
                 append=f"seed={seed} cpus={vcpus} ops={ops}", must=[rf"^# seed {seed}, life \d+"])


def case(seed: int, vcpus: int, vid: str, ops: int = 0) -> Case:
    # On each pCPU a vCPU of each fuzzer; the victim is on the first. A debug build takes several times as long for an
    # exit and for a timer in the victim's turn: 90 % of the fair share, where attack_cases.py wants 95 %. A report
    # of an end is made in the turn of who ended.
    busy = len(FUZZERS)
    victim = Guest("victim", mem="8M", words=["pin=0"], append=f"ms={WINDOW_MS} delay_ms=40 seed={seed} "
                   f"share={900 // (1 + busy)} gap_us={busy * 10000 + 25000}")
    return Case(f"fuzz-{seed}-{vcpus}cpu-vid-{vid}", [*(fuzzer(stub, seed, vcpus, ops) for stub in FUZZERS), victim],
                cpus=vcpus, ips=IPS_TIME, words=f"vid={vid} rdrand=off", status=(0, 1),
                must=[APIC_BY_CPU if vid == "on" else APIC_IN_SOFTWARE], timeout=3600 if ops else 100)


def fuzz_cases(_is_listing: bool = False) -> list[Case]:
    seed, ops = os.environ.get("SEED"), int(os.environ.get("OPS") or 0)
    return [case(one, vcpus, vid, ops) for one in ([int(seed)] if seed else SEEDS)
            for vcpus in (1, 2, 4) for vid in ("on", "off")]
