"""PCI and virtio: disks, entropy, console, network."""

from __future__ import annotations

import fixtures
from case import IPS_TIME, RELEASE_ELF, Case, Guest, hello
from sched_cases import spinners


def virtio() -> list[Case]:
    """PCI and virtio: a stub that drives the devices, with and without another VM on its pCPU."""
    guest = Guest("virtio", disks=[(fixtures.disk(), "serial=stub-disk")],
                  words=["virtio-rng=on", "virtio-console=on"],
                  must=[r"^# by the virtio console$"])
    return [Case("virtio-stub", [guest], must=[r"virtio-blk: .*idx.*needs a reset"]),
            Case("virtio-stub-rdrand-off", [guest, hello()], words="rdrand=off", cpus=2)]


def net_guest(role: str, append: str = "", words: tuple[str, ...] = ()) -> Guest:
    return Guest(f"net-{role}", stub="net", append=f"role={role} {append}", words=["net=lan0", *words])


def net() -> list[Case]:
    """Virtio's network device: two VMs on one to four pCPUs, sharing one or not, and a third that listens."""
    cases = []
    for cpus in (1, 2, 4):
        cases.append(Case(f"net-{cpus}cpu", [net_guest("a", "peers=2"), net_guest("b"), net_guest("c")],
                          cpus=cpus, ips=IPS_TIME, timeout=150, must=[
                              r"net-a +nic0 lan0 02:.*: rx \d+ frames, \d+ bytes, 0 dropped; .*, 2 bad$",
                              r"net-c +nic0 lan0 02:.*, 0 dropped; .*, 0 bad$"]))
    # Two on one pCPU beside a third that never halts; and two LANs that know nothing of each other.
    cases.append(Case("net-share", [net_guest("a", "rounds=30 late_us=100000", ("pin=0",)), net_guest("b", "", ("pin=0",)),
                                    *spinners(1, 100, words=["pin=0"])], cpus=2, ips=IPS_TIME, timeout=150))
    others = [Guest(f"other-{role}", stub="net", append=f"role={role} polls=5 rounds=50", words=["net=lan1"])
              for role in "ab"]
    # A round is asserted, and what debug builds look at before each entry has them wait for one another.
    cases.append(Case("net-two-lans", [net_guest("a", "polls=5 rounds=50"), net_guest("b"), *others], cpus=2, ips=IPS_TIME,
                      carousel=RELEASE_ELF, words="vid=on", timeout=150, must=[r"other-a +nic0 lan1 .*, 2 bad$"]))
    return cases
