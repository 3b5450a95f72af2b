"""Linux with kvm_intel in Bochs, which runs the benchmark guest: the figures that tools/bench holds
Carousel's against. docs/performance.md ('KVM in the same emulator') says what is compared and how."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from . import bzshell, image, initrd
from .common import BUILD, STATUS_HYPERVISOR, STATUS_TIMEOUT, Failure, tail
from .kvmtable import Figures
from .machines import BOCHS_IPS, Bochs, Options

DEMO = os.path.join(BUILD, "demo")
RIG = os.path.join(BUILD, "kvm")
STUB = os.path.join(BUILD, "stubs", "bench.elf")
MEMORY = 384        # MiB
SECONDS = 600       # for one boot and all its runs

# Linux' idea of the TSC's rate is what Bochs does (leaf 0x15 lies); RDRAND and RDSEED are hidden, since Bochs seeds
# them from the date; the rest spares it what only costs time.
APPEND = (f"console=ttyS0 quiet panic=-1 tsc=reliable tsc_early_khz={BOCHS_IPS // 1000} no_timer_check idle=halt "
          "clearcpuid=rdrand,rdseed security=none audit=0 nokaslr random.trust_cpu=off")

MODULES = {"irqbypass": "virt/lib/irqbypass.ko", "kvm": "arch/x86/kvm/kvm.ko",
           "kvm-intel": "arch/x86/kvm/kvm-intel.ko"}


@dataclass(frozen=True)
class Variant:
    """One way to load KVM: a column of figures."""

    name: str
    kvm: str = ""        # parameters of kvm.ko
    intel: str = ""      # parameters of kvm-intel.ko
    append: str = "mitigations=off"

    def words(self) -> str:
        """All of it, for a comment."""
        return " ".join(filter(None, (f"kvm {self.kvm}" if self.kvm else "",
                                      f"kvm_intel {self.intel}" if self.intel else "", self.append)))


# The first is what Carousel is compared with.
VARIANTS = (
    Variant("kvm", "lapic_timer_advance_ns=0"),
    Variant("no_preemption_timer", "lapic_timer_advance_ns=0", "preemption_timer=0"),
    Variant("timer_advance"),
    Variant("mitigations", "lapic_timer_advance_ns=0", append="mitigations=auto"),
)


@dataclass(frozen=True)
class Guest:
    """A VM: on which CPUs its vCPUs are, and its command line."""

    cpus: str
    words: str


@dataclass(frozen=True)
class Case:
    """VMs that run at the same time, on a machine with so many CPUs."""

    name: str
    cpus: int
    guests: tuple[Guest, ...]


CASES = (
    Case("alone", 1, (Guest("0", "rounds=1000"),)),
)

INIT = """\
#!/bin/busybox sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox --install -s /bin
mount -t sysfs sysfs /sys
insmod /lib/irqbypass.ko
load() { # VARIANT, kvm's parameters, kvm-intel's parameters
	insmod /lib/kvm.ko $2 || echo "rig: failed: kvm.ko"
	insmod /lib/kvm-intel.ko $3 || echo "rig: failed: kvm-intel.ko"
	for name in enable_apicv preemption_timer; do
		echo "rig: $1: $name $(cat /sys/module/kvm_intel/parameters/$name)"
	done
}
unload() { rmmod kvm_intel; rmmod kvm; }
ended() { [ $2 = 0 ] || echo "rig: failed: $1: status $2"; }
"""

# The text must be out before the machine stops.
INIT_END = """\
echo "rig: end"
sleep 1
for letter in S h u t d o w n; do
	printf $letter | dd of=/dev/port bs=1 seek=35072 conv=notrunc 2>/dev/null # 0x8900
done
"""

LINE = re.compile(r"(\w+):(\w+)\.\d+\| bench (\S+) (\d+(?:\.\d+)?) (\S+)")


def script(variants: list[Variant], cases: list[Case]) -> str:
    """/init of one boot."""
    text = INIT
    for variant in variants:
        text += f"load {variant.name} '{variant.kvm}' '{variant.intel}'\n"
        for case in cases:
            names = [f"{variant.name}:{case.name}.{number}" for number in range(len(case.guests))]
            for number, (name, guest) in enumerate(zip(names, case.guests)):
                text += f"runner {name} {guest.cpus} /lib/bench.elf '{guest.words}' & p{number}=$!\n"
            text += "".join(f"wait $p{number}; ended {name} $?\n" for number, name in enumerate(names))
        text += "unload\n"
    return text + INIT_END


def boots(variants: tuple[Variant, ...], cases: tuple[Case, ...]) -> list[tuple[str, int, list[Variant], list[Case]]]:
    """(command line's words, CPUs, variants, cases) of each boot that is needed."""
    found = []
    for cpus in sorted({case.cpus for case in cases}):
        for append in dict.fromkeys(variant.append for variant in variants):
            found.append((append, cpus, [variant for variant in variants if variant.append == append],
                          [case for case in cases if case.cpus == cpus]))
    return found


def kernel_release(folder: str = DEMO) -> str:
    """Of the kernel that tools/demo-linux has unpacked."""
    found = sorted(os.listdir(os.path.join(folder, "debian/root/lib/modules"))) \
        if os.path.isdir(os.path.join(folder, "debian/root/lib/modules")) else []
    if not found:
        raise Failure(f"{folder} has no kernel's modules", f"remove {folder} and run `make demo`")
    return found[-1]


def find_modules(folder: str = DEMO) -> dict[str, str]:
    """KVM's modules in the unpacked package: name in the initrd to path."""
    kernel = os.path.join(folder, "debian/root/lib/modules", kernel_release(folder), "kernel")
    found = {f"lib/{name}.ko": os.path.join(kernel, path) for name, path in MODULES.items()}
    for path in found.values():
        if not os.path.isfile(path):
            raise Failure(f"the kernel's package has no {path}", f"remove {folder} and run `make demo`")
    return found


def read_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}", "run `make bench-kvm`") from error


def build_kernel(target: str) -> None:
    """The kernel that tools/demo-linux fetched, ready to be entered without a decompression."""
    body = bzshell.wrap(read_bytes(os.path.join(DEMO, "bzImage")), read_bytes(os.path.join(DEMO, "vmlinux")),
                        read_bytes(os.path.join(RIG, "shell.bin")))
    with open(target, "wb") as file:
        file.write(body)


def parse(text: str) -> Figures:
    """The figures that a console tells, a column for each variant; or a Failure when it tells of one."""
    found: Figures = {}
    for line in text.splitlines():
        if re.search(r"rig: failed|\| not ok |\| Bail out!", line):
            raise Failure(f"a run of the benchmark guest failed: {line.strip()}", status=1)
        match = LINE.search(line)
        if match:
            found.setdefault(match[1], {})[match[3]] = (float(match[4]), match[5])
    if "rig: end" not in text:
        raise Failure("Linux did not come to its end", status=STATUS_HYPERVISOR)
    return found


def run(machine: Bochs, iso: str) -> str:
    """The console of one boot."""
    deadline = time.monotonic() + SECONDS
    text = bytearray()
    machine.start(iso)
    try:
        while time.monotonic() < deadline:
            try:
                data = os.read(machine.output, 65536)
            except ConnectionResetError:
                break
            if not data:
                break
            text += data
        else:
            raise Failure(f"the time ran out ({SECONDS} s)", f"see {machine.log_dir}", STATUS_TIMEOUT)
    finally:
        machine.stop()
        with open(os.path.join(machine.log_dir, "console.log"), "wb") as file:
            file.write(text)
    return text.decode("utf-8", "replace").replace("\r", "")


def boot(append: str, cpus: int, variants: list[Variant], cases: list[Case], model: str, folder: str) -> str:
    """Makes the image of one boot and runs it: its console."""
    os.makedirs(folder, exist_ok=True)
    kernel, disk, iso = (os.path.join(folder, name) for name in ("vmlinuz", "initrd.cpio", "image.iso"))
    files = {**find_modules(), "bin/runner": os.path.join(RIG, "runner"), "lib/bench.elf": STUB}
    build_kernel(kernel)
    initrd.make(disk, script(variants, cases), files, {"dev/null": (1, 3), "dev/kvm": (10, 232)})
    image.build_linux(iso, kernel, disk, f"{APPEND} {append}")
    # Linux reads MSRs at its start that no model of Bochs has.
    options = Options(cpus=cpus, memory=MEMORY, cpu_model=model, extra=["cpu: ignore_bad_msrs=1"])
    try:
        return run(Bochs(folder, options), iso)
    finally:
        for path in (kernel, disk, iso):
            os.unlink(path)


def measure(model: str, variants: tuple[Variant, ...] = VARIANTS, cases: tuple[Case, ...] = CASES) -> Figures:
    """The figures of all boots, a column for each variant."""
    figures: Figures = {variant.name: {} for variant in variants}
    for number, (append, cpus, some_variants, some_cases) in enumerate(boots(variants, cases)):
        folder = os.path.join(BUILD, "logs", "bench-kvm", str(number))
        names = ", ".join(variant.name for variant in some_variants)
        print(f"Linux with {cpus} CPU(s), {append}: {names}", flush=True)
        try:
            found = parse(boot(append, cpus, some_variants, some_cases, model, folder))
        except Failure as failure:
            last = tail(os.path.join(folder, "console.log"), 5)
            raise Failure(failure.message, failure.remedy or f"see {folder}; it ends: {last}",
                          failure.status) from failure
        for name, rows in found.items():
            figures[name].update(rows)
    return figures
