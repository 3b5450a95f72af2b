"""Whole-system tests of the monitor: its prompt, scripts at its own serial port, and that it disturbs
nobody."""

from __future__ import annotations

import re

from case import IPS_TIME, RELEASE_ELF, Case, Guest, baseline
from typing_cases import CTRL_A, CTRL_D, echo

# Instructions' round trips that the bench guest measures first.
METRICS = ("cpuid", "port_read_21", "uart_write", "cpuid_kvm_leaf", "vmcall_unknown", "rdmsr_poll_control")


def prompt() -> Case:
    """The prompt, beside guests that run and in place of a raw console; editing, completion, history;
    pause and resume; each of the ways out."""
    return Case("monitor-prompt", [echo("one", b"hi"), echo("two", b"")], cpus=2, ips=IPS_TIME, timeout=60,
                console="one", script=[
                    ("# ready", CTRL_A + b"m"),
                    (r"monitor: help lists.*\(carousel\) ", b"vmz\x7fs\r"),
                    (r"\(carousel\) vms\r*\n.*^one +0 running .*^two +1 running ", b"pau\ttw\t\r"),
                    (r"\(carousel\) pause two *\r*\n", b"\x1b[A\x1b[A\r"),  # the second last: vms
                    (r"^one +0 running .*^two +1 paused ", b"z\x1b[Hvcpus \x1b[F\x08two\r"),
                    (r"^two +0 paused ", b"resum\t two\r"),
                    (r"\(carousel\) resume +two\r*\n", b"pin two 7\r"),
                    (r"^error: there is no pCPU '7': there are 2", b"pin two 1\r" + b"vcpus two\r"),
                    (r"^two +0 (running|waiting) +1 1 ", b"exit\r"),
                    (r"^raw: one", CTRL_A + b"m"),
                    (r"\(carousel\) ", b"\x1b"),  # Esc, after a moment
                    (r"^raw: one", b"hi" + CTRL_D),
                    (r"verdict: one: ok", CTRL_A + b"n" + CTRL_D),
                ])


def script() -> Case:
    """--monitor-script: every command, each with its answer."""
    guests = [echo("one", verdict="failed", is_tap=False, reason="^killed: enough$"),
              Guest("ticker", append="ticks=100000", is_tap=False, reason="^reset$")]
    return Case("monitor-script", guests, cpus=2, ips=IPS_TIME, timeout=60, status=(1,), monitor_script=[
        "# every command", "wait-for one\\| # ready", "help", "vms", "vcpus", "pcpus", "stats one", "exits one.0",
        "loglevel", "audit", "room", "focus ticker",
        "pause one", "vcpus one", "wait 0.2", "dump one", "x /2xg one.0 0x200000", "x /4xw one 0x200000",
        "x /1xb host 0x100000", "x /1s one 0x200000", "resume one",
        "weight one 3", "vms", "pin one 1", "vcpus one", "pin one any", "trace on", "trace off",
        "reset ticker", "kill one enough",
    ], answers=[
        r"^monitor> vms\nVM +ID STATE +VCPUS.*\none +0 running +1 +16 +1 +100 +0 -\nticker +1 running ",
        r"^PCPU +APIC STATE .*\n +0 +0 (busy|idle)", r"^VM +VCPU +COUNT +TICKS REASON\none +0 +\d+ +\d+ ",
        r"^loglevel: info\nok$", r"^one: its memory is its own\n", r"^room: 8192\nok$", r"^one +0 paused ",
        r"^RIP=0000000000[0-9a-f]{6} RFLAGS=[0-9a-f]{8} CPL=0 .*\nRAX=", r"^code:( [0-9a-f]{2}){16}\nok$",
        r"^0x0000000000200000: 0x[0-9a-f]{16} 0x[0-9a-f]{16}\nok$", r"^one +0 running +1 +16 +3 +100 ",
        r"^one +0 (running|waiting) +1 1 ", r"^monitor> kill one enough\nok$"])


def pausing() -> Case:
    """A paused VM misses no timer; it can begin anew, and end, without being resumed first."""
    guests = [Guest("ticker", append="ticks=40"),
              Guest("again", stub="ticker", append="ticks=100000", words=["on-reset=restart"], verdict="failed",
                    is_tap=False, reason="^killed: twice$", must=[r"(?s)tick 1 of 100000.*tick 1 of 100000"]),
              Guest("gone", stub="spinner", append="slices=1000000", verdict="failed", is_tap=False,
                    reason="^killed: paused$")]
    return Case("monitor-pause", guests, cpus=2, ips=IPS_TIME, timeout=60, status=(1,), monitor_script=[
        r"wait-for again\| # tick 1 ", r"wait-for ticker\| # tick ", "pause ticker", "vcpus ticker", "pause again", "pause gone", "wait 0.3",
        "reset again", "vcpus gone", "kill gone paused", "resume again", "resume ticker",
        r"wait-for again\| # tick 1 ", "pause again", "kill again twice"],
        answers=[r"^ticker +0 paused ", r"^gone +0 paused ", r"^monitor> kill again twice\nok$"])


def refused() -> Case:
    """An error ends the run, and says where it stands."""
    return Case("monitor-script-error", [echo("one", verdict="failed", is_tap=False, reason="quit")], status=(1,),
                timeout=60, monitor_script=["vms", "x /2xw one 0x10000000", "vcpus"],
                answers=[r"^error: no memory at 0x10000000$"],
                screen=[b"'x /2xw one 0x10000000': error: no memory at 0x10000000"])


def cost() -> Case:
    """With the prompt open and commands served on its pCPU, what the guest measures is what it always is."""
    def undisturbed(result) -> list[str]:
        rows = [re.match(r"bench (\S+) (\d+) ticks", line) for line in result.guest_lines("bench")]
        found = {row[1]: int(row[2]) for row in rows if row}
        stored = baseline()
        return [f"{name}: {stored[name]} ticks alone, {found.get(name)} beside the monitor"
                for name in METRICS if abs(found.get(name, 0) - stored[name]) > 0.02 * stored[name]]

    return Case("monitor-cost", [Guest("bench", append="rounds=10000", is_tap=False,
                                       expect=[f"bench {METRICS[-1]} "])],
                ips=IPS_TIME, timeout=60, carousel=RELEASE_ELF, check=undisturbed, script=[
                    ("input: bench", CTRL_A + b"mstats\r"), *[(r"VM +vCPU pCPU", b"stats\r")] * 4])


def cases() -> list[Case]:
    return [prompt(), script(), pausing(), refused(), cost()]
