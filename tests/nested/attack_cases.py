"""Attackers, and a victim on the same pCPU: who takes another's time, or ends more than itself.

Each attack is a row of ATTACKS. The victim (guest-stubs/victim.c) has its share of the pCPU, at least 95 %
of what is fair, and is never away for longer than a slice of each of the attacker's vCPUs and 1 ms; its
memory and registers are its own. Up to four attacks go to a boot, each with its victim on a pCPU of their own.
The release build: a debug build's assertions are instructions that only an attacker's exits execute, and
that are the hypervisor's in no build that anybody runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import fixtures
from case import IPS_TIME, RELEASE_ELF, Case, Guest

SLICE_MS = 10
GAP_US = 1000  # beyond the slices of others
WINDOW_MS = 200
PAIRS = 4      # to a boot


@dataclass
class Attack:
    """`busy`: how many of the attacker's vCPUs want the pCPU all the time; 0: it halts, and all but its
    device work is the victim's. `ends`: it may have ended, with any verdict."""

    name: str
    busy: int = 1
    vcpus: int = 1
    mem: str = "16M"
    words: list[str] = field(default_factory=list)
    disks: list[tuple[str, str]] = field(default_factory=list)
    ends: bool = False
    stub_word: str = ""  # the attack's name in the stub, if it is another

    def share(self) -> int:
        """The permille that the victim must have."""
        return 950 // (1 + self.busy)

    def gap_us(self) -> int:
        return max(self.busy, 1) * SLICE_MS * 1000 + GAP_US

    def guest(self, pcpu: int) -> Guest:
        word = self.stub_word or self.name
        return Guest(self.name, stub="attacker", mem=self.mem, disks=self.disks, is_tap=False, verdict="any",
                     words=[f"vcpus={self.vcpus}", f"pin={pcpu}", "background"] + self.words,
                     append=f"attack={word} cpus={self.vcpus}", must=[rf"^# {word} begins$"],
                     must_not=[r"Bail out"])

    def victim(self, pcpu: int) -> Guest:
        return Guest(f"v-{self.name}", stub="victim", mem="8M", words=[f"pin={pcpu}"],
                     append=f"ms={WINDOW_MS} delay_ms=40 share={self.share()} gap_us={self.gap_us()} "
                            f"seed={pcpu + 1}")


def blk() -> list[tuple[str, str]]:
    return [(fixtures.disk(4 << 20), "")]


# What has to be mended before these can be shown (the numbers).
AWAITED = {name: what for what, names in {
}.items() for name in names.split()}

# By what they use, so that a failure of one blurs no others of another kind.
ATTACKS = [
    [Attack("spin", 2, 2), Attack("yield", 2, 2), Attack("yield-late", 2, 2), Attack("ple", 2, 2)],
    [Attack("kick", 2, 2), Attack("kick-halt", 2, 2), Attack("nap"), Attack("wake-often", 0)],
    [Attack("hpet", 0), Attack("hpet-busy"), Attack("hpet-irq"), Attack("hpet-irq-busy")],
    [Attack("hpet-level"), Attack("hpet-broadcast", 2, 2), Attack("hpet-rearm"), Attack("owed")],
    [Attack("pit", 0), Attack("pit-irq"), Attack("rtc"), Attack("all-timers")],
    [Attack("apic-timer"), Attack("apic-timer-masked", 0), Attack("deadline-past")],
    [Attack("fwcfg-dma", mem="64M"), Attack("fwcfg-dma-busy", mem="64M"),
     Attack("fwcfg-dma-again", mem="32M"), Attack("fwcfg-rep", 2, 2, mem="32M")],
    [Attack("virtio-blk", disks=blk()), Attack("virtio-blk-busy", disks=blk()),
     Attack("virtio-rng", words=["virtio-rng=on"]), Attack("virtio-rng-busy", words=["virtio-rng=on"])],
    [Attack("virtio-notify", words=["virtio-rng=on"]), Attack("virtio-reset", words=["virtio-rng=on"]),
     Attack("pci-bars", words=["virtio-rng=on"]), Attack("virtio-console", words=["virtio-console=on"])],
    [Attack("net-flood", words=["net=lan0,lan0"]), Attack("net-addresses", words=["net=lan0,lan0"]),
     Attack("net-receive", words=["net=lan0"])],
    [Attack("console"), Attack("console-out")],
    [Attack("rep-out"), Attack("rep-in"), Attack("rep-in-hpet"), Attack("rep-stos")],
    [Attack("rep-movs"), Attack("rep-movs-hpet"), Attack("rep-lods"), Attack("rep-scas")],
    [Attack("rep-ioapic"), Attack("ports"), Attack("unclaimed-mmio"), Attack("pci-config")],
    [Attack("cpuid"), Attack("rdmsr"), Attack("wrmsr"), Attack("clock-areas")],
    [Attack("cr"), Attack("wbinvd"), Attack("hypercall"), Attack("xsetbv")],
    [Attack("ipi-storm", 4, 4), Attack("ipi-halted", 4, 4), Attack("nmi-storm", 4, 4), Attack("nmi-halted", 4, 4)],
    [Attack("nmi-self"), Attack("init-storm", 2, 4), Attack("self-ipi"), Attack("apic-errors")],
    [Attack("tpr"), Attack("send-ipi", 4, 4), Attack("logical"), Attack("debug-loop")],
    [Attack("exec-split", mem="96M"), Attack("remap"), Attack("locked-mmio"),
     Attack("triple", 0, words=["on-reset=restart:1000"], ends=True)],
    [Attack("reset", mem="64M", words=["on-reset=restart:1000000"]),
     Attack("reset-small", stub_word="reset", words=["on-reset=restart:1000000"])],
]


def crowd() -> Case:
    """Sixteen at once on one pCPU, in slices of 1 ms."""
    attacks = [Attack(name, words=words.split()) for name, words in {
        "spin": "", "cpuid": "", "wrmsr": "", "deadline-past": "", "virtio-rng-busy": "virtio-rng=on",
        "net-flood": "net=lan0,lan0", "rep-stos": "", "rep-out": "", "self-ipi": "", "nmi-self": "",
        "apic-errors": "", "debug-loop": "", "locked-mmio": "", "wake-often": "", "cr": "", "remap": ""}.items()]
    guests = [attack.guest(0) for attack in attacks]
    for guest in guests:
        guest.mem = "8M"
    count = len(attacks)
    victim = Guest("victim", mem="8M", words=["pin=0"], append=f"ms=200 delay_ms=100 share={950 // (count + 1)} "
                   f"gap_us={count * 1000 + GAP_US}")
    return Case("attack-16", [*guests, victim], ips=IPS_TIME, words="slice_us=1000", carousel=RELEASE_ELF, timeout=60)


def partial_lines() -> Case:
    """A line that does not end and a reset, again and again, on each pCPU: the port would never be free."""
    guests = [Guest(f"partial-{pcpu}", kernel=fixtures.partial_line(), mem="1M", is_tap=False, verdict="any",
                    words=["format=flat", "mode=real", "background", f"pin={pcpu}", "on-reset=restart:1000000"])
              for pcpu in range(PAIRS)]
    victim = Guest("victim", mem="8M", words=["pin=0"], append=f"ms=200 delay_ms=300 share={950 // 2} "
                   f"gap_us={SLICE_MS * 1000 + GAP_US}")
    return Case("attack-partial-lines", [*guests, victim], cpus=PAIRS, ips=IPS_TIME, carousel=RELEASE_ELF, timeout=120)


def ends_at_once() -> Case:
    """Last words of 24 VMs, more than the port's ring has room for, while two compute."""
    guests = [Guest(f"end-{i}", kernel=fixtures.ends_with_others(), mem="1M", is_tap=False,
                    words=["format=flat", "mode=real", f"pin={i % 2}"]) for i in range(24)]
    guests += [Guest(f"victim-{pcpu}", stub="victim", mem="8M", words=[f"pin={pcpu}"],
                     append=f"ms=2200 delay_ms=20 share={950 // 13} gap_us={12 * 1000 + 10 * GAP_US}") for pcpu in range(2)]
    return Case("attack-ends-at-once", guests, cpus=2, ips=IPS_TIME, words="slice_us=1000", carousel=RELEASE_ELF,
                timeout=150)


def reports_at_once() -> Case:
    """Twenty fail together: their reports are more than the port's ring has room for, too."""
    guests = [Guest(f"victim-{pcpu}", stub="victim", mem="8M", words=[f"pin={pcpu}"],
                    append=f"ms=1000 delay_ms=1 share=50 gap_us={12 * 1000 + 10 * GAP_US}") for pcpu in range(2)]
    guests += [Guest(f"end-{i}", stub="attacker", mem="4M", is_tap=False, verdict="failed", reason="triple fault",
                     words=[f"pin={i % 2}"], append="attack=triple") for i in range(20)]
    return Case("attack-reports-at-once", guests, cpus=2, ips=IPS_TIME, words="slice_us=1000", carousel=RELEASE_ELF,
                timeout=150, memory=512, status=(1,))


def away() -> Case:
    """The work is on the victim's pCPU, where it was armed; the interrupts go to a vCPU on the other."""
    attack = Attack("hpet-away", 0, 2)
    guest, victim = attack.guest(0), attack.victim(0)
    guest.words[1] = "pin=0,1"
    return Case("attack-hpet-away", [guest, victim], cpus=2, ips=IPS_TIME, carousel=RELEASE_ELF, timeout=60,
                skip=f"awaits {AWAITED['hpet']}" if "hpet" in AWAITED else "")


def cases() -> list[Case]:
    found = [crowd(), away(), partial_lines(), ends_at_once(), reports_at_once()]
    for row in ATTACKS:
        awaited = [attack.name for attack in row if attack.name in AWAITED]
        shown = [attack for attack in row if attack.name not in AWAITED]
        found += [Case(f"attack-awaited-{name}", skip=f"awaits {AWAITED[name]}") for name in awaited]
        if not shown:
            continue
        guests = [attack.guest(pcpu) for pcpu, attack in enumerate(shown)]
        guests += [attack.victim(pcpu) for pcpu, attack in enumerate(shown)]
        found.append(Case(f"attack-{shown[0].name}", guests, cpus=len(shown), ips=IPS_TIME, carousel=RELEASE_ELF,
                          timeout=60, status=(0, 1) if any(attack.ends for attack in shown) else (0,),
                          memory=512 if any(attack.mem != "16M" for attack in shown) else 256))
    return found
