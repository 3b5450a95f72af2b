"""All whole-system tests, as tables."""

from __future__ import annotations

import os
import re

import fixtures
import typing_cases
from carousel_lib.common import PROJECT
from case import DEMO, IPS_TIME, RELEASE_ELF, Case, Guest, vcpu_times

NO_VMX = r"(?i)this CPU has no VMX"


def hello(**changes) -> Guest:
    """The well-behaved neighbour: whatever happens to others, it runs to its end."""
    return Guest("hello", must=[r"Hello from a guest", r"^1\.\.5"], **changes)


def no_vmx() -> list[Case]:
    cases = [Case(f"tcg-bios-{cpus}cpu-no-vmx", [], host="qemu", cpus=cpus, status=(2,),
                  raw=[(fixtures.foreign(), "vm=a kernel")], must=[NO_VMX], timeout=60)
             for cpus in (1, 2, 4)]
    cases.append(Case("tcg-uefi-2cpu-no-vmx", [], host="qemu", cpus=2, is_uefi=True, status=(2,),
                      raw=[(fixtures.foreign(), "vm=a kernel")], must=[NO_VMX], timeout=120,
                      needs=["/usr/lib/grub/x86_64-efi", "/usr/share/OVMF/OVMF_CODE_4M.fd"]))
    # 'ryzen' answers the VMX capability MSRs, but its CPUID has no VMX: CPUID is what counts.
    cases.append(Case("bochs-ryzen-no-vmx", [], model="ryzen", status=(2,),
                      raw=[(fixtures.foreign(), "vm=a kernel")], must=[NO_VMX]))
    return cases


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


def virtio() -> list[Case]:
    """PCI and virtio: a stub that drives the devices, with and without another VM on its pCPU, and Linux'
    own drivers."""
    devices = ["virtio-rng=on", "virtio-console=on"]
    guest = Guest("virtio", disks=[(fixtures.disk(), "serial=stub-disk")], words=devices,
                  must=[r"^# by the virtio console$"])
    size = 2 << 20
    disk = fixtures.disk(size)
    virtio_linux = Guest(
        "linux", kernel=os.path.join(DEMO, "vmlinux"), initrd=os.path.join(DEMO, "initrd-virtio.cpio"),
        mem="256M", is_tap=False, append=LINUX_APPEND, reason="powered off",
        words=devices, disks=[(disk, "serial=written"), (disk, "ro")], must=[
            r"vda: 4096 sectors, ro 0, serial written", r"vdb: 4096 sectors, ro 1, serial disk1",
            "vda: all " + fixtures.md5_of(disk), "vdb: all " + fixtures.md5_of(disk),
            "vda: written and read back: " + fixtures.md5_of(disk, size // 2),
            r"hwrng: virtio_rng\.0, 64 bytes", r"^hvc0: a line by the virtio console",
            r"PCI-MSI.*virtio\d-req", r"init: powering off"], must_not=[r"insmod .* failed"])
    return [Case("virtio-stub", [guest], must=[r"virtio-blk: .*idx.*needs a reset"]),
            Case("virtio-stub-rdrand-off", [guest, hello()], words="rdrand=off", cpus=2),
            Case("linux-virtio", [virtio_linux], ips=IPS_TIME, memory=512, carousel=RELEASE_ELF, timeout=400,
                 needs=[os.path.join(DEMO, "initrd-virtio.cpio")])]


def net_guest(role: str, append: str = "", words: tuple[str, ...] = ()) -> Guest:
    return Guest(f"net-{role}", stub="net", append=f"role={role} {append}", words=["net=lan0", *words])


def linux_net() -> Case:
    """Two of Debian's kernels ping each other; then one sends the other what must arrive unchanged, by TCP."""
    def guest(name: str, address: int, peer: int, append: str) -> Guest:
        return Guest(name, kernel=os.path.join(DEMO, "vmlinux"), initrd=os.path.join(DEMO, "initrd-virtio.cpio"),
                     mem="160M", words=["net=lan0"], is_tap=False, reason="powered off",
                     append=f"{LINUX_APPEND} address=10.0.0.{address} peer=10.0.0.{peer} {append}",
                     must=[r"^eth0: address 02:", r"^eth0: mtu 1500", r"^eth0: carrier 1",
                           r"5 packets transmitted, 5 packets received", r"PCI-MSI.*virtio\d-input"],
                     must_not=LINUX_MUST_NOT + [r"insmod .* failed"])

    def same(result) -> list[str]:
        sums = [[line for line in result.guest_lines(name) if re.match(r"[0-9a-f]{32}  -", line)]
                for name in ("one", "two")]
        return [] if sums[0] == sums[1] and len(sums[0]) == 1 else [f"sent and received: {sums}"]

    return Case("linux-net", [guest("one", 1, 2, "send=200000"), guest("two", 2, 1, "")], cpus=2, check=same,
                ips=IPS_TIME, memory=512, carousel=RELEASE_ELF, timeout=600,
                must=[rf"{name} +nic0 lan0 02:.*, 0 bad$" for name in ("one", "two")],
                needs=[os.path.join(DEMO, "initrd-virtio.cpio")])


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
    cases.append(Case("net-two-lans", [net_guest("a", "polls=5 rounds=50"), net_guest("b"), *others], cpus=2, ips=IPS_TIME,
                      words="vid=on", timeout=150, must=[r"other-a +nic0 lan1 .*, 2 bad$"]))
    cases.append(linux_net())
    return cases


def stubs(cpus: int) -> list[Case]:
    """Each stub on this many pCPUs, several to a boot. ips counts where time is asserted."""
    def name(what: str) -> str:
        return f"stubs-{cpus}cpu-{what}"

    return [
        Case(name("first"), [hello(), Guest("ticker"), Guest("spinner", append="slices=5")],
             cpus=cpus, ips=IPS_TIME),
        Case(name("policy"), [Guest("cpuid"), Guest("msr"), Guest("stray")], cpus=cpus),
        Case(name("hlt"), [Guest("hlt")], cpus=cpus, ips=IPS_TIME),
        Case(name("clock"), [Guest("wallclock")], cpus=cpus, ips=IPS_TIME),
        *([Case("clocks-alone", [Guest("clocks")], ips=IPS_TIME, timeout=150),
           Case("clocks-share", [Guest("clocks", append="share", words=["vcpus=2", "pin=0"])],
                ips=IPS_TIME, timeout=150),
           Case("devices", [Guest("devices", words=["vcpus=2"], append="cpus=2 mem=0x1000000 file",
                                  must=[r"^\[com2\] hello from COM2"])], ips=IPS_TIME,
                raw=[(fixtures.contents(), "vm=devices module -- opt/test/file")])]
          if cpus == 1 else []),
        # Each of these ends its own VM and no other.
        Case(name("ends"), [
            hello(), Guest("triple", verdict="failed", reason="(?i)triple fault"),
            Guest("cli_hlt", verdict="failed", reason="(?i)halted"),
            Guest("cli_hlt-ok", stub="cli_hlt", words=["on-halt=ok"], reason="(?i)halted"),
            Guest("exit-ok", stub="hello", words=["exit-ok=7"], verdict="failed",
                  reason=r"port 0xf4: value 0 \(QEMU's exit status would be 1\)"),
        ], cpus=cpus, status=(1,)),
        Case(name("pingpong"), [
            Guest("ping", stub="pingpong", append="role=a rounds=100", words=["pin=0"]),
            Guest("pong", stub="pingpong", append="role=b rounds=100", words=["pin=0"]),
        ], cpus=cpus, ips=IPS_TIME, timeout=120),
        Case(name("leak"), [
            Guest(f"{what}{seed}", stub=what, append=f"seed={seed} rounds=20 us=1000",
                  words=["pin=0"])
            for what in ("fpu_leak", "msr_leak") for seed in (1, 2)
        ], cpus=cpus, ips=IPS_TIME, timeout=120),
    ]


def bad_modules() -> list[Case]:
    """The list of bad input: each is named, with its remedy, and the others run on."""
    bad = [
        Guest("unknown-word", stub="hello", words=["colour=red"], reason=r"colour=red"),
        Guest("too-much-memory", stub="hello", mem="64G", reason=r"(?i)memory"),
        Guest("no-vcpus", stub="hello", words=["vcpus=0"], reason=r"vcpus"),
        Guest("many-vcpus", stub="hello", words=["vcpus=1000"], reason=r"vcpus"),
        Guest("bad-pin", stub="hello", words=["pin=9"], reason=r"pin=9"),
        Guest("empty", kernel=fixtures.empty(), reason=r"(?i)empty"),
        Guest("truncated", kernel=fixtures.truncated_elf(), reason=r"(?i)truncated|beyond|outside"),
        Guest("odd-disk", stub="hello", disks=[(fixtures.odd_disk(), "")], reason=r"multiple of 512"),
        Guest("foreign", kernel=fixtures.foreign(), reason=r"(?i)format|no kernel|not a"),
        Guest("lying", kernel=fixtures.lying_bzimage(), reason=r"(?i)bzImage|truncated|setup"),
    ]
    for guest in bad:
        guest.verdict, guest.is_tap = "failed", False
    raw = [
        (bad[0].kernel_path(), "vm=two-kernels kernel"),
        (bad[0].kernel_path(), "vm=two-kernels kernel"),
        (bad[0].kernel_path(), "vm=lonely-initrd initrd"),
    ]
    return [
        Case("bad-vms", bad + [hello()], cpus=2, raw=raw, status=(1, 2), must=[
            r"two-kernels.*second kernel", r"lonely-initrd.*without a kernel"]),
        Case("bad-module-without-vm", [hello()], raw=[(bad[0].kernel_path(), "kernel mem=16M")],
             status=(1, 2), must=[r"no vm=NAME"]),
        Case("bad-hypervisor-word", [hello()], words="colour=red", status=(1, 2),
             must=[r"colour=red"]),
        Case("bad-no-modules", [], status=(2,), must=[r"(?i)no modules|module2"]),
    ]


def multiboot() -> list[Case]:
    """Kernels that were built for GRUB: what they find, by the entry point of each version."""
    modules = [(fixtures.module("a", 5000), "first module=1"), (fixtures.module("b", 1), "")]
    append = "root=here quiet"
    return [
        Case("multiboot", [
            Guest("multiboot1", modules=modules, append=append), hello(),
            Guest("multiboot2", modules=modules, append=append)], cpus=2,
             must=[r"'multiboot1': Multiboot1, 16M", r"'multiboot2': Multiboot2, 16M"]),
        Case("bios-call", [Guest("real", kernel=fixtures.bios_call(), is_tap=False,
                                 words=["format=flat", "mode=real"])]),
        # One that asks for more than there is, and one whose modules have no place.
        Case("multiboot-bad", [
            Guest("screen", kernel=fixtures.multiboot2_with_screen(), verdict="failed",
                  is_tap=False, reason=r"requires information .* tag 8, framebuffer"),
            Guest("full", stub="multiboot1", mem="4M", verdict="failed", is_tap=False,
                  modules=[(fixtures.module("c", 4 << 20), "")],
                  reason=r"no place in RAM for a module of 4096 KiB"),
            hello()], cpus=2, status=(1, 2)),
    ]


def firmware_and_models() -> list[Case]:
    """What the machine itself may lack."""
    return [
        Case("vmx-locked-off", [], cpus=2, status=(2,), must=[r"(?i)locked|firmware"],
             raw=[(fixtures.foreign(), "vm=a kernel")],
             prepare=fixtures.bios_with_feature_control(1),
             host_options=[fixtures.BIOS_ROM_OPTION]),
        Case("vmx-unlocked", [hello()], cpus=2, prepare=fixtures.bios_with_feature_control(0),
             host_options=[fixtures.BIOS_ROM_OPTION]),
        Case("model-lynnfield-no-unrestricted-guest", [], model="corei5_lynnfield_750", status=(2,),
             raw=[(fixtures.foreign(), "vm=a kernel")], must=[r"(?i)unrestricted guest"]),
        Case("model-penryn-no-ept", [], model="core2_penryn_t9600", status=(2,),
             raw=[(fixtures.foreign(), "vm=a kernel")], must=[r"(?i)\bEPT\b"]),
        # Less than the default model has: no VID, no 1G EPT pages, no accessed/dirty bits.
        Case("model-ivy-bridge", [hello(), Guest("cpuid"), Guest("msr"), Guest("ticker")],
             cpus=2, model="corei7_ivy_bridge_3770k", ips=IPS_TIME),
        Case("model-cannonlake", [hello(), Guest("cpuid"), Guest("msr"), Guest("ticker")],
             cpus=2, model="corei3_cnl", ips=IPS_TIME),
    ]


LINUX_APPEND = ("console=ttyS0 earlyprintk=ttyS0 panic=-1 reboot=k i8042.noaux i8042.nomux "
                "i8042.nopnp random.trust_cpu=on")
LINUX_MUST = [r"Linux version 6\.1\.", r"^Linux .* x86_64 GNU/Linux", r"^Hypervisor detected: KVM",
              r"^uptime: \d+\.\d+", r"^init: powering off"]
LINUX_MUST_NOT = [r"(?i)kernel panic", r"\bBUG:", r"\bOops\b", r"(?i)\bWARNING: CPU"]


def linux(name: str, image: str, **changes) -> Guest:
    return Guest(name, kernel=os.path.join(DEMO, image), initrd=os.path.join(DEMO, "initrd.cpio"),
                 mem="256M", append=LINUX_APPEND, is_tap=False, must=LINUX_MUST,
                 must_not=LINUX_MUST_NOT, reason="(?i)power", **changes)


def linux_cases() -> list[Case]:
    common = dict(ips=IPS_TIME, memory=512, carousel=RELEASE_ELF)
    return [
        Case("linux-pvh-1cpu", [linux("linux", "vmlinux")], timeout=300, must=[APIC_VID_DEFECT],
             needs=[os.path.join(DEMO, "vmlinux")], **common),
        Case("linux-pvh-2cpu-with-stubs",
             [linux("linux", "vmlinux"), hello(), Guest("ticker"), Guest("spinner")], cpus=2,
             timeout=400, needs=[os.path.join(DEMO, "vmlinux")], **common),
    ]


APIC_BY_CPU = r"VMX: .*local APIC by virtual-interrupt delivery"
APIC_IN_SOFTWARE = r"VMX: .*local APIC in software \(vid=off\)"
APIC_VID_DEFECT = r"VMX: .*local APIC in software \(virtual-interrupt delivery does not heed IF=0\)"
APIC_NO_VID = r"VMX: .*local APIC in software \(the CPU cannot\)"


def local_apic() -> list[Case]:
    """The local APIC by the CPU, with that switched off, and on a CPU that has no such thing."""
    def guests() -> list[Guest]:
        return [Guest("apic_modes"), Guest("irq"), Guest("mmio"), Guest("mmio_forms"), Guest("msr")]

    def halts() -> list[Guest]:
        return [Guest("hlt"), Guest("ticker"),
                Guest("ping", stub="pingpong", append="role=a rounds=100", words=["pin=0"]),
                Guest("pong", stub="pingpong", append="role=b rounds=100", words=["pin=0"])]

    cases = []
    for cpus in (1, 2, 4):
        common = dict(cpus=cpus, ips=IPS_TIME, timeout=120)
        for what, vms in (("registers", guests), ("halts", halts)):
            cases += [
                Case(f"apic-{cpus}cpu-{what}-vid", vms(), words="vid=on", must=[APIC_BY_CPU],
                     **common),
                Case(f"apic-{cpus}cpu-{what}-vid-off", vms(), words="vid=off",
                     must=[APIC_IN_SOFTWARE], **common),
            ]
    cases.append(Case("apic-2cpu-no-vid", guests() + [Guest("hlt")], cpus=2, must=[APIC_NO_VID],
                      model="corei7_ivy_bridge_3770k", words="vid=on", ips=IPS_TIME, timeout=120))
    cases.append(Case("apic-2cpu-vid-eager", halts(), cpus=2, words="switch=eager vid=on",
                      must=[APIC_BY_CPU], ips=IPS_TIME, timeout=120))
    return cases


# PV_EOI (0x40) is for VMs whose interrupts the CPU does not end itself.
KVM_FEATURES = 0x0100baeb
KVM_FEATURES_VID = KVM_FEATURES & ~0x40
# The word that withdraws a feature, and the bits that are then gone.
KVM_WORDS = {"kvm-clock": 0x01000009, "kvm-steal-time": 0x2220, "kvm-pv-eoi": 0x40,
             "kvm-pv-unhalt": 0x80, "kvm-pv-tlb-flush": 0x200, "kvm-pv-send-ipi": 0x800,
             "kvm-poll-control": 0x1000, "kvm-pv-sched-yield": 0x2000,
             "kvm-msi-ext-dest-id": 0x8000}


def conformance(name: str, vcpus: int, pin: str = "", append: str = "", **changes) -> Guest:
    words = [f"vcpus={vcpus}"] + ([f"pin={pin}"] if pin else []) + changes.pop("words", [])
    return Guest(name, stub="kvm_conformance", words=words, append=f"cpus={vcpus} {append}", **changes)


def kvm_cases() -> list[Case]:
    """KVM's interface, from inside: on 1, 2 and 4 vCPUs, pinned and sharing, whole and withdrawn."""
    cases = []
    no_vid = dict(ips=IPS_TIME, words="vid=off")
    for vcpus in (1, 2, 4):
        pins = ",".join(map(str, range(vcpus)))
        cases += [
            Case(f"kvm-{vcpus}vcpu-alone", [conformance("kvm", vcpus, pins, "alone hints=1")],
                 cpus=vcpus, must=[r"pv_eoi 13\b"], **no_vid),
            Case(f"kvm-{vcpus}vcpu-share", [conformance("kvm", vcpus, "0", "share hints=%d" % (vcpus == 1))],
                 cpus=1, must=[r"pv_tlb_flush 1\b"] if vcpus > 1 else [], **no_vid),
            Case(f"kvm-{vcpus}vcpu-vid", [
                conformance("kvm", vcpus, append=f"features={KVM_FEATURES_VID:#x}"), hello()],
                 cpus=2, ips=IPS_TIME, words="vid=on"),
            Case(f"kvm-{vcpus}vcpu-bad",
                 [Guest("bad", stub="kvm_bad", words=[f"vcpus={vcpus}"], append=f"cpus={vcpus}"),
                  hello()], cpus=vcpus, ips=IPS_TIME),
        ]
    for word, bits in KVM_WORDS.items():
        cases.append(Case(f"kvm-withdrawn-{word}", [
            conformance("kvm", 1, append=f"features={KVM_FEATURES & ~bits:#x}", words=[f"{word}=off"]),
        ], **no_vid))
    # The hint is per VM: not for one that shares a pCPU, nor where it is withdrawn.
    cases.append(Case("kvm-realtime", [
        conformance("one", 1, "0", "hints=1"), conformance("two", 1, "1", "hints=0"),
        conformance("three", 1, "1", "hints=0"),
        conformance("four", 2, "2,3", "hints=0", words=["kvm-realtime=off"]),
    ], cpus=4, **no_vid))
    return cases


# What an SMP kernel finds when no vCPU is sure to be alone.
LINUX_SMP_MUST = [r"smp: Brought up 1 node, 2 CPUs", r"kvm-guest: KVM setup pv remote TLB flush",
                  r"kvm-guest: setup PV sched yield", r"kvm-guest: PV spinlocks enabled",
                  r"kvm-guest: setup PV IPIs"]
# The eighth number of /proc/stat's first line is steal time.
LINUX_STOLEN = r"^cpu  (\d+ ){7}[1-9]"


def linux_smp_cases() -> list[Case]:
    common = dict(ips=IPS_TIME, memory=512, carousel=RELEASE_ELF, timeout=500,
                  needs=[os.path.join(DEMO, "vmlinux")])
    guests = {
        "share": linux("linux", "vmlinux", words=["vcpus=2", "pin=0"]),
        "2cpu": linux("linux", "vmlinux", words=["vcpus=2"]),
    }
    guests["share"].must = LINUX_MUST + LINUX_SMP_MUST + [LINUX_STOLEN]
    guests["2cpu"].must = LINUX_MUST + LINUX_SMP_MUST
    guests["2cpu"].append += " cpuidle_haltpoll.force=Y"
    return [
        # The local APIC in software: PV_EOI is offered, and used.
        Case("linux-smp-share", [guests["share"]], words="vid=off",
             must=[APIC_IN_SOFTWARE, r"pv_eoi [1-9]"], **common),
        Case("linux-smp-2cpu", [guests["2cpu"]], cpus=2, must=[r"poll_control 0"], **common),
    ]


def smp(cpus: int) -> list[Case]:
    """Sixteen vCPUs, and twelve in a topology with gaps between the APIC IDs, started in all ways."""
    return [Case(f"smp-startup-{cpus}cpu", [
        Guest("startup", words=["vcpus=16"], append="cores=16"),
        Guest("gaps", stub="startup", words=["vcpus=12", "topology=2:3:2"],
              append="sockets=2 cores=3 threads=2"),
    ], cpus=cpus, ips=IPS_TIME, timeout=180)]


# Not those of timers and of HLT: whether the neighbour waits just then makes a difference to them.
HOT_PATHS = ("cpuid", "cpuid_kvm_leaf", "vmcall_unknown", "rdmsr_poll_control", "wrmsr_poll_control",
             "port_read_21", "uart_write", "mmio_read", "self_ipi")
BASELINE = os.path.join(PROJECT, "tests", "bench", "baseline.tsv")


def hot_paths() -> list[Case]:
    """What an exit costs does not depend on how many vCPUs its VM has: the stored figures are one vCPU's."""
    def equal(result) -> list[str]:
        rows = [re.match(r"bench (\S+) (\d+) ticks", line) for line in result.guest_lines("many")]
        many = {row[1]: int(row[2]) for row in rows if row}
        with open(BASELINE, encoding="utf-8") as file:
            one = {row[0]: int(row[2]) for row in (line.split("\t") for line in file) if len(row) == 3}
        return [f"{name}: {one[name]} ticks with 1 vCPU, {many.get(name)} with 16"
                for name in HOT_PATHS if abs(many.get(name, 0) - one[name]) > 0.02 * one[name]]

    return [Case("smp-hot-paths", [Guest("many", stub="bench", words=["vcpus=16"])], ips=IPS_TIME,
                 carousel=RELEASE_ELF, check=equal)]


def restarts(cpus: int) -> list[Case]:
    """on-reset=restart: the VM's second life is as its first, and nobody else notices."""
    def reboot(name: str, vcpus: int, append: str, restart: str = "restart", **changes) -> Guest:
        return Guest(name, stub="reboot", words=[f"vcpus={vcpus}", f"on-reset={restart}"],
                     append=f"cpus={vcpus} {append}", **changes)

    return [Case(f"restart-{cpus}cpu" + ("-vid" if vid else ""), [
        hello(), Guest("spinner", append="slices=5"),
        reboot("one", 1, "via=cf9"), reboot("two", 2, "via=8042", mem="32M"),
        reboot("other", 2, "via=port92 cpu=1", restart="restart:1"),
        reboot("again", 2, "for-ever", restart="restart:3", verdict="failed", is_tap=False,
               reason=r"reset after 3 restarts"),
        reboot("never", 1, "", restart="fail", verdict="failed", is_tap=False, reason=r"^reset$"),
    ], cpus=cpus, ips=IPS_TIME, status=(1,), timeout=120, words="vid=on" if vid else "", must=[
        r"VM 'one': reset, restart 1 of 10", r"VM 'other': reset, restart 1 of 1",
        r"VM 'again': reset, restart 3 of 3", r"^ +restarts 3$"])
        for vid in ((False, True) if cpus == 2 else (False,))]


def repeatability() -> list[Case]:
    """The same image twice: the same log, to the last TSC digit."""
    return [Case(f"repeat-{cpus}cpu", [hello(), Guest("ticker"), Guest("spinner", append="slices=3")],
                 cpus=cpus, ips=IPS_TIME, words="rdrand=off", carousel=RELEASE_ELF, repeat=True)
            for cpus in (1, 2, 4)]


def all_cases(_is_listing: bool = False) -> list[Case]:
    """The slow ones first, so that the last minute is not one case on one core."""
    cases = linux_cases() + linux_smp_cases() + scheduling() + polling() + typing_cases.cases()
    for cpus in (1, 2, 4):
        cases += stubs(cpus) + smp(cpus) + restarts(cpus)
    cases += kvm_cases() + local_apic() + multiboot() + virtio() + net()
    cases += hot_paths()
    return cases + repeatability() + firmware_and_models() + bad_modules() + no_vmx()
