"""Who runs when, and for how long: shares of a pCPU, halt polling."""

from __future__ import annotations

from case import IPS_TIME, Case, Guest, hello, vcpu_times


def spinners(count: int, slices: int, **changes) -> list[Guest]:
    """Busy VMs b1, b2, ... of one vCPU each, for so many slices of 10 ms of their own time."""
    return [Guest(f"b{n + 1}", stub="spinner", append=f"slices={slices}", **changes)
            for n in range(count)]


def shares(result, wanted: dict[str, float], within: float) -> list[str]:
    """Is each vCPU's part of the time that it wanted a pCPU what it should be?"""
    problems = []
    times = vcpu_times(result)
    for name, share in wanted.items():
        if name not in times:
            problems.append(f"{name} is not in the end table")
            continue
        got = times[name].run / max(times[name].run + times[name].wait, 1)
        if abs(got - share) > within:
            problems.append(f"{name} ran {got:.3f} of its time, not {share:.3f} within {within:.3f}")
    return problems


def polling() -> list[Case]:
    """Halt polling where it wins (a wake-up soon, from another pCPU) and where it must stop by itself."""
    def wins(result) -> list[str]:
        times = vcpu_times(result)["wake.0"]
        return [] if times.hits >= 0.8 * times.halts else [f"{times.hits} polls hit in {times.halts} halts"]

    def stops(result) -> list[str]:
        times = vcpu_times(result)["wake.0"]
        return [] if times.polls <= 0.1 * times.halts else [f"{times.polls} polls in {times.halts} halts"]

    return [Case(f"poll-{what}", [Guest("wake", append=f"rounds=100 gap_us={gap}",
                                        words=["vcpus=2", "pin=0,1"])],
                 cpus=2, ips=IPS_TIME, check=check)
            for what, gap, check in (("short-wakes", 50, wins), ("long-sleeps", 5000, stops))]


def scheduling() -> list[Case]:
    """Fairness, weights, caps, and many VMs and pCPUs."""
    def equal(count: int, cpus: int, slices: int, within: float):
        share = min(cpus / count, 1)
        return lambda result: shares(result, {f"b{n + 1}.0": share for n in range(count)}, within)

    def weighted(result) -> list[str]:
        # Both are pinned to one pCPU and busy for 1 s of wall time from their start.
        return shares(result, {"one.0": 1 / 3, "two.0": 2 / 3}, 0.04)

    def yielded(result) -> list[str]:
        # vCPU 1 spins until vCPU 0, which waits for the same pCPU, has run: 100 times. A slice is 10 ms.
        run = vcpu_times(result)["wake.1"].run
        return [] if run < 500 else [f"vCPU 1 spun for {run} ms: it kept its slices"]

    return [
        # The first VMs wait while the others are built.
        Case("sched-4-on-1", spinners(4, 400), ips=IPS_TIME, check=equal(4, 1, 400, 0.02)),
        Case("sched-3-on-2", spinners(3, 200), cpus=2, ips=IPS_TIME, check=equal(3, 2, 200, 2 / 3 * 0.05)),
        Case("sched-5-on-4", spinners(5, 200), cpus=4, ips=IPS_TIME, check=equal(5, 4, 200, 0.8 * 0.05)),
        Case("sched-weight", [
            Guest("one", stub="spinner", append="slices=100", words=["pin=0"]),
            Guest("two", stub="spinner", append="slices=100", words=["pin=0", "weight=2"]),
        ], ips=IPS_TIME, check=weighted),
        Case("sched-slice", [
            Guest("one", stub="spinner", append="slices=100", words=["pin=0"]),
            Guest("two", stub="spinner", append="slices=100", words=["pin=0", "slice_us=20000"]),
        ], ips=IPS_TIME, check=weighted),
        # Pause-loop exits: who spins in vain gives the rest of its slice to the other vCPU.
        Case("sched-pause-loop", [Guest("wake", append="rounds=100 gap_us=50", words=["vcpus=2", "pin=0"])],
             ips=IPS_TIME, must=[r"\bPAUSE [1-9]\d\d"], check=yielded),
        Case("sched-cap", [Guest("tenth", stub="spinner", append="slices=100", words=["cap=10"])],
             ips=IPS_TIME, check=lambda result: shares(result, {"tenth.0": 0.1}, 0.02)),
        # Started one after the other, for a short time: only that all get on.
        Case("sched-8-pcpus", spinners(12, 20), cpus=8, check=equal(12, 8, 20, 0.35)),
        Case("sched-64-vms", [Guest(f"v{n + 1}", stub="ticker", mem="8M") for n in range(64)],
             cpus=4, memory=768, timeout=150),
        # Alone on its pCPU: no HLT exit is counted; a VM that is not alone is refused, and says why.
        *[Case(f"sched-hlt-exit-off{what}", [Guest("ticker", words=["pin=1", "hlt-exit=off"]),
                                             hello(words=["pin=0"])], words=words,
               cpus=2, ips=IPS_TIME, must_not=[r"\bHLT \d", r"(?i)\bpanic\b", r"(?i)assert"])
          for what, words in (("", ""), ("-vid", "vid=on"))],
        Case("sched-hlt-exit-off-shared", [
            Guest("hlt", words=["hlt-exit=off"], verdict="failed", reason="pin=", is_tap=False),
            hello()], status=(1,)),
        # VMCLEAR at every switch-out: the same behaviour.
        Case("sched-eager", [hello(), Guest("ticker"), Guest("spinner", append="slices=10"),
                             *[Guest(f"leak{seed}", stub="fpu_leak",
                                     append=f"seed={seed} rounds=10 us=1000") for seed in (1, 2)]],
             cpus=2, ips=IPS_TIME, words="switch=eager", timeout=120),
    ]
