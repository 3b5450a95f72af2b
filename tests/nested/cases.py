"""All whole-system tests, as tables."""

from __future__ import annotations

import re

import attack_cases
import bound_cases
import entry_cases
import fault_cases
import fixtures
import gdb_cases
import monitor_cases
import report_cases
import typing_cases
from boot_cases import NO_VMX, boot_cases

from case import (APIC_BY_CPU, APIC_IN_SOFTWARE, APIC_NO_VID, IPS_TIME, RELEASE_ELF, Case, Guest, baseline,
                  hello, stub_path)
from device_cases import net, virtio
from linux_cases import linux_cases, linux_smp_cases
from sched_cases import polling, scheduling, shares
from trace_cases import tracing


def no_vmx() -> list[Case]:
    cases = [Case(f"tcg-bios-{cpus}cpu-no-vmx", [], host="qemu", cpus=cpus, status=(2,),
                  raw=[(fixtures.foreign(), "vm=a kernel")], must=[NO_VMX, rf"\b{cpus} pCPUs online"],
                  timeout=60)
             for cpus in (2, 72)]
    # RAM above 4 GiB, and two threads a core.
    cases.append(Case("tcg-bios-threads-5g", [], host="qemu", cpus=4, memory=5120, status=(2,),
                      raw=[(fixtures.foreign(), "vm=a kernel")], timeout=90,
                      host_options=["-smp", "4,sockets=1,cores=2,threads=2"],
                      must=[NO_VMX, r"memory: 5119 MiB, 511[0-9] MiB free",
                            r"topology: 1 package, 2 cores, 4 threads; second threads: pCPU 1 3"]))
    # Most of a terabyte, none of which QEMU has: what is touched for it is little, and quick.
    cases.append(Case("tcg-bios-900g", [], host="qemu", memory=900 << 10, status=(2,),
                      raw=[(fixtures.foreign(), "vm=a kernel")], timeout=90,
                      host_options=["-object", "memory-backend-ram,id=ram,size=900G,reserve=off",
                                    "-machine", "memory-backend=ram"],
                      must=[NO_VMX, r"memory: 9215\d\d MiB, 921\d\d\d MiB free"]))
    # 'ryzen' answers the VMX capability MSRs, but its CPUID has no VMX: CPUID is what counts.
    cases.append(Case("bochs-ryzen-no-vmx", [], model="ryzen", status=(2,),
                      raw=[(fixtures.foreign(), "vm=a kernel")], must=[NO_VMX]))
    return cases


def consoles() -> list[Case]:
    """What a person without a serial cable sees, up to a panic: a machine check of the last pCPU, which
    QEMU tells to all, as Intel's CPUs do. Whoever is first panics."""
    no_guest = [(fixtures.foreign(), "vm=a kernel")]
    end = [r"^end: status 2: this machine cannot run Carousel"]
    # An uncorrected error in bank 9, with an address.
    machine_check = "mce -b 1 9 0xbd00000000000134 5 0x12345000 0x8c"
    panic = [r"^PANIC on pCPU [01]: #MC machine check", r"^pCPU 0: no vCPU",
             r"^pCPU 1: IA32_MC9_STATUS 0xbd00000000000134 ADDR 0x12345000", r"^rip +[0-9a-f]{16}  rsp ",
             r"^cr0 [0-9a-f]+  cr2 ", r"^  at 0x[0-9a-f]+ \w+\+0x", r"^  from 0x[0-9a-f]+ (ap|boot)_main\+0x",
             r"^PANIC on pCPU ([01]): .*(\n.*)*^PANIC on pCPU \1: "]
    common = dict(host="qemu", raw=no_guest, timeout=120)
    cases = [
        Case("screen-bios", status=(2,), screens={"end.ppm": [NO_VMX] + end},
             monitor=["screendump end.ppm"], must=[r"screen: 1024 x 768"], **common),
        Case("screen-uefi", is_uefi=True, status=(2,), screens={"end.ppm": [NO_VMX] + end},
             monitor=["screendump end.ppm"], must=[r"screen: 1024 x 768"],
             needs=["/usr/lib/grub/x86_64-efi", "/usr/share/OVMF/OVMF_CODE_4M.fd"], **common),
        Case("screen-own", is_uefi=True, medium="usb", status=(2,), screens={"end.ppm": [NO_VMX] + end},
             monitor=["screendump end.ppm"], must=[r"screen: \d+ x \d+"],
             needs=["/usr/share/OVMF/OVMF_CODE_4M.fd"], **common),
        Case("screen-panic", cpus=2, status=(3,), must=panic, must_not=[],
             screens={"end.ppm": [NO_VMX] + end,
                      "panic.ppm": panic + [r"^end: status 3: the hypervisor failed"]},
             monitor=["screendump end.ppm", "nmi", "wait 1", machine_check, "wait 2", "screendump panic.ppm"],
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
        replies=[(r"^# busy for", b""), (r"^# busy for", b"\x01:panic\n")]))
    return cases


def panic_report(result) -> list[str]:
    text = "\n".join(line.text for line in result.lines)
    wanted = [r"^PANIC on pCPU 0: asked for on the console", r"^pCPU 0: one\.0, last exits [A-Za-z]",
              r"^pCPU 1: two\.0, last exits [A-Za-z]", r"^current VMCS: one\.0, launched 1",
              r"^ EXIT_REASON +[0-9a-f]{16}", r"GUEST_RIP +0{8}[0-9a-f]{8}", r"HOST_RIP +0{10}2[0-9a-f]{5}",
              r"^  from 0x[0-9a-f]+ vmx_run\+0x", r"^  from 0x[0-9a-f]+ sched_loop\+0x"]
    return [f"the report lacks /{pattern}/" for pattern in wanted if not re.search(pattern, text, re.M)]


# The stub's UD2, by the name of its function; what the one that halts did before.
END_REPORT = [r"VM 'triple' vCPU 0: triple fault at RIP", r"RIP 0{10}2[0-9a-f]{5} stub_main\+0x",
              r"code:( [0-9a-f]{2})+ <0f> 0b", r"stack \+[0-9a-f]{2}: 0x2[0-9a-f]{5} stub_start\+0x",
              r"I/O instruction port 0x3f8.* RIP 0x2", r"HLT RIP 0x2[0-9a-f]{5} stub_main\+0x",
              r"VM 'exit-ok' vCPU 0: port 0xf4"]


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
        ], cpus=cpus, status=(1,), must=END_REPORT, must_not=[r"(?i)\bpanic\b", r"cli_hlt-ok' vCPU"]),
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


def programs() -> list[Case]:
    """Programs at CPL 3 on device memory; and with two vCPUs, one of which writes the other's instructions."""
    return [Case(f"program-{cpus}cpu-vid-{vid}", [
        Guest("program", words=[f"vcpus={cpus}"], append=f"cpus={cpus}"), hello(),
    ], cpus=cpus, words=f"vid={vid}", ips=IPS_TIME, timeout=120) for cpus, vid in ((1, "off"), (2, "on"))]


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
    # Three VMs to a boot, each on a pCPU of its own.
    withdrawn = [conformance(word, 1, append=f"features={KVM_FEATURES & ~bits:#x}", words=[f"{word}=off"])
                 for word, bits in KVM_WORDS.items()]
    cases += [Case(f"kvm-withdrawn-{n // 3 + 1}", withdrawn[n:n + 3], cpus=3, **no_vid)
              for n in range(0, len(withdrawn), 3)]
    # The hint is per VM: not for one that shares a pCPU, nor where it is withdrawn.
    cases.append(Case("kvm-realtime", [
        conformance("one", 1, "0", "hints=1"), conformance("two", 1, "1", "hints=0"),
        conformance("three", 1, "1", "hints=0"),
        conformance("four", 2, "2,3", "hints=0", words=["kvm-realtime=off"]),
    ], cpus=4, **no_vid))
    return cases


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


def hot_paths() -> list[Case]:
    """What an exit costs does not depend on how many vCPUs its VM has: the stored figures are one vCPU's."""
    def equal(result) -> list[str]:
        rows = [re.match(r"bench (\S+) (\d+) ticks", line) for line in result.guest_lines("many")]
        many = {row[1]: int(row[2]) for row in rows if row}
        one = baseline()
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
    """All of them; the runner begins with the longest."""
    cases = linux_cases() + linux_smp_cases() + scheduling() + polling() + tracing() + typing_cases.cases()
    cases += gdb_cases.cases()
    for cpus in (1, 2, 4):
        cases += stubs(cpus) + smp(cpus) + restarts(cpus)
    cases += kvm_cases() + local_apic() + programs() + multiboot() + virtio() + net()
    cases += hot_paths() + monitor_cases.cases() + attack_cases.cases() + bound_cases.cases()
    return cases + boot_cases() + repeatability() + firmware_and_models() + bad_modules() + no_vmx() + \
        consoles() + report_cases.cases() + fault_cases.cases() + entry_cases.cases()
