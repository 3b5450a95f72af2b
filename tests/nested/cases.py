"""All whole-system tests, as tables."""

from __future__ import annotations

import os
import re

import fixtures
from case import DEMO, IPS_TIME, RELEASE_ELF, Case, Guest, stub_path, vcpu_times

NO_VMX = r"(?i)this CPU has no VMX"


def hello(**changes) -> Guest:
    """The well-behaved neighbour: whatever happens to others, it runs to its end."""
    return Guest("hello", must=[r"Hello from a guest", r"^1\.\.5"], **changes)


def no_vmx() -> list[Case]:
    cases = [Case(f"tcg-bios-{cpus}cpu-no-vmx", [], host="qemu", cpus=cpus, status=(2,),
                  raw=[(fixtures.foreign(), "vm=a kernel")], must=[NO_VMX], timeout=60)
             for cpus in (1, 2, 4, 8)]
    cases.append(Case("tcg-uefi-2cpu-no-vmx", [], host="qemu", cpus=2, is_uefi=True, status=(2,),
                      raw=[(fixtures.foreign(), "vm=a kernel")], must=[NO_VMX], timeout=120,
                      needs=["/usr/lib/grub/x86_64-efi", "/usr/share/OVMF/OVMF_CODE_4M.fd"]))
    # RAM above 4 GiB, and two threads a core.
    cases.append(Case("tcg-bios-threads-5g", [], host="qemu", cpus=4, memory=5120, status=(2,),
                      raw=[(fixtures.foreign(), "vm=a kernel")], timeout=90,
                      host_options=["-smp", "4,sockets=1,cores=2,threads=2"],
                      must=[NO_VMX, r"memory: 5119 MiB, 511[0-9] MiB free",
                            r"topology: 1 package, 2 cores, 4 threads; second threads: pCPU 1 3"]))
    # 'ryzen' answers the VMX capability MSRs, but its CPUID has no VMX: CPUID is what counts.
    cases.append(Case("bochs-ryzen-no-vmx", [], model="ryzen", status=(2,),
                      raw=[(fixtures.foreign(), "vm=a kernel")], must=[NO_VMX]))
    return cases


def consoles() -> list[Case]:
    """What a person without a serial cable sees, up to a panic: a machine check that QEMU injects into
    the last pCPU."""
    no_guest = [(fixtures.foreign(), "vm=a kernel")]
    end = [r"^end: status 2: this machine cannot run Carousel"]
    # An uncorrected error in bank 9, with an address.
    machine_check = "mce 1 9 0xbd00000000000134 5 0x12345000 0x8c"
    panic = [r"^PANIC on pCPU 1: #MC machine check", r"^pCPU 0: no vCPU",
             r"^IA32_MC9_STATUS 0xbd00000000000134 ADDR 0x12345000", r"^rip +[0-9a-f]{16}  rsp ",
             r"^cr0 [0-9a-f]+  cr2 ", r"^  at 0x[0-9a-f]+ \w+\+0x", r"^  from 0x[0-9a-f]+ ap_main\+0x",
             r"^PANIC on pCPU 1: .*(\n.*)*^PANIC on pCPU 1: "]
    common = dict(host="qemu", raw=no_guest, timeout=120)
    cases = [
        Case("screen-bios", status=(2,), screens={"end.ppm": [NO_VMX] + end},
             monitor=["screendump end.ppm"], must=[r"screen: 1024 x 768"], **common),
        Case("screen-uefi", is_uefi=True, status=(2,), screens={"end.ppm": [NO_VMX] + end},
             monitor=["screendump end.ppm"], must=[r"screen: 1024 x 768"],
             needs=["/usr/lib/grub/x86_64-efi", "/usr/share/OVMF/OVMF_CODE_4M.fd"], **common),
        Case("screen-panic", cpus=2, status=(3,), must=panic, must_not=[],
             screens={"end.ppm": [NO_VMX] + end,
                      "panic.ppm": panic + [r"^end: status 3: the hypervisor failed"]},
             monitor=["screendump end.ppm", "nmi", machine_check, "wait 2", "screendump panic.ppm"],
             **common),
        Case("console-pci-serial", status=(2,), is_pci_serial=True, words="console=pci",
             must=[r"serial console: PCI 00:\w\w\.0, port 0x", NO_VMX], **common),
        # Nothing at COM1: the card is taken unasked.
        Case("console-pci-serial-unasked", status=(2,), is_pci_serial=True,
             must=[r"no serial port answers at 0x3f8", r"serial console: PCI", NO_VMX], **common),
    ]
    # With vCPUs on both pCPUs: what they did last, and the VMCS of the one that was interrupted.
    cases.append(Case("panic-vmcs", raw=[
        (stub_path("spinner"), f"vm={name} kernel mem=16M pin={cpu} -- slices=100000")
        for cpu, name in enumerate(("one", "two"))
    ], cpus=2, status=(3,), must_not=[], check=panic_report,
        replies=[(r"^# busy for", b""), (r"^# busy for", b"\x01panic\n")]))
    return cases


def panic_report(result) -> list[str]:
    text = "\n".join(line.text for line in result.lines)
    wanted = [r"^PANIC on pCPU 0: asked for on the console", r"^pCPU 0: one\.0, last exits [A-Za-z]",
              r"^pCPU 1: two\.0, last exits [A-Za-z]", r"^current VMCS: one\.0, launched 1",
              r"^ EXIT_REASON +[0-9a-f]{16}", r"GUEST_RIP +0{8}[0-9a-f]{8}", r"HOST_RIP +0{10}2[0-9a-f]{5}",
              r"^  from 0x[0-9a-f]+ vmx_run\+0x", r"^  from 0x[0-9a-f]+ sched_loop\+0x"]
    return [f"the report lacks /{pattern}/" for pattern in wanted if not re.search(pattern, text, re.M)]


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
        Case("linux-bzimage-1cpu", [linux("linux", "bzImage")], timeout=700,
             needs=[os.path.join(DEMO, "bzImage")], **common),
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
        return [Guest("apic_modes"), Guest("irq"), Guest("mmio"), Guest("msr")]

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
        "realtime": linux("linux", "vmlinux", words=["vcpus=2", "pin=0,1"]),
    }
    guests["share"].must = LINUX_MUST + LINUX_SMP_MUST + [LINUX_STOLEN]
    guests["2cpu"].must = LINUX_MUST + LINUX_SMP_MUST
    guests["2cpu"].append += " cpuidle_haltpoll.force=Y"
    guests["realtime"].must_not = LINUX_MUST_NOT + [r"pv remote TLB flush", r"PV sched yield",
                                                    r"PV spinlocks enabled"]
    return [
        # The local APIC in software: PV_EOI is offered, and used.
        Case("linux-smp-share", [guests["share"]], words="vid=off",
             must=[APIC_IN_SOFTWARE, r"pv_eoi [1-9]"], **common),
        Case("linux-smp-2cpu", [guests["2cpu"]], cpus=2, must=[r"poll_control 0"], **common),
        Case("linux-smp-realtime", [guests["realtime"]], cpus=2, **common),
    ]


def repeatability() -> list[Case]:
    """The same image twice: the same log, to the last TSC digit."""
    return [Case(f"repeat-{cpus}cpu", [hello(), Guest("ticker"), Guest("spinner", append="slices=3")],
                 cpus=cpus, ips=IPS_TIME, words="rdrand=off", carousel=RELEASE_ELF, repeat=True)
            for cpus in (1, 2, 4)]


def all_cases() -> list[Case]:
    """The slow ones first, so that the last minute is not one case on one core."""
    cases = linux_cases() + linux_smp_cases() + scheduling() + polling()
    for cpus in (1, 2, 4):
        cases += stubs(cpus)
    cases += kvm_cases() + local_apic()
    return cases + repeatability() + firmware_and_models() + bad_modules() + no_vmx() + consoles()
