"""Linux with kvm_intel in Bochs, which runs the benchmark guest: the figures that tools/bench holds
Carousel's against. docs/performance.md ('KVM in the same emulator') says what is compared and how."""

from __future__ import annotations

import os
import re
import statistics
import time
from dataclasses import dataclass

from . import bzshell, image, initrd
from .bench import suite, trace
from .common import BUILD, STATUS_HYPERVISOR, STATUS_TIMEOUT, Failure, tail
from .kvmtable import Figures
from .machines import BOCHS_IPS, Bochs, Options

DEMO = os.path.join(BUILD, "demo")
RIG = os.path.join(BUILD, "kvm")
MEMORY = 384        # MiB
SECONDS = 600       # for one boot and all its runs
METRICS_MAX = 50    # of one boot
MARKS = f" rounds={suite.TRACED_ROUNDS} marks=1"

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
    """A VM: on which CPUs its vCPUs are, its command line, and its memory."""

    cpus: str
    words: str
    mem: int = 8  # MiB


@dataclass(frozen=True)
class Case:
    """VMs that run at the same time, on a machine with so many CPUs."""

    name: str
    cpus: int
    guests: tuple[Guest, ...]


SMALL, LARGE = 8, 136  # MiB: what the large VM takes more to make is for so many MiB

# The same words as for Carousel. But a turn lasts 4 ms here (Debian's HZ is 250).
CASES = (
    Case("alone", 1, (Guest("0", "part=alone"),)),
    Case("pingpong", 1, (Guest("0,0", "part=pingpong"),)),
    Case("switch", 1, (Guest("0", "part=busy ms=200"), Guest("0", "part=busy ms=200"))),
    Case("small", 1, (Guest("0", "part=quick", SMALL),)),
    Case("large", 1, (Guest("0", "part=quick", LARGE),)),
    Case("pair", 2, (Guest("0,1", "part=pair rounds=200"),)),
)

INIT = """\
#!/bin/busybox sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox --install -s /bin
mount -t sysfs sysfs /sys
echo always >/sys/kernel/mm/transparent_hugepage/enabled # off by itself with so little memory
insmod /lib/irqbypass.ko
load() { # VARIANT, kvm's parameters, kvm-intel's parameters
	insmod /lib/kvm.ko $2 || echo "rig: failed: kvm.ko"
	insmod /lib/kvm-intel.ko $3 || echo "rig: failed: kvm-intel.ko"
	for name in enable_apicv preemption_timer; do
		echo "rig: $1: $name $(cat /sys/module/kvm_intel/parameters/$name)"
	done
	echo "rig: $1: l1tf: $(cat /sys/devices/system/cpu/vulnerabilities/l1tf)"
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

LINE = re.compile(r"(\w+):(\w+)\.(\d+)\| (.*)")  # variant, case, number of the guest
CREATED = re.compile(r"created (\d+)$")


@dataclass(frozen=True)
class Boot:
    """One start of Linux: what KVM is loaded with one after the other, and what runs each time. `is_counted`: the
    guests have marks, and Bochs' debugger lists what is executed between them."""

    append: str
    cpus: int
    variants: tuple[Variant, ...]
    cases: tuple[Case, ...]
    is_counted: bool = False

    def script(self) -> str:
        """/init."""
        text = INIT
        for variant in self.variants:
            text += f"load {variant.name} '{variant.kvm}' '{variant.intel}'\n"
            for case in self.cases:
                names = [f"{variant.name}:{case.name}.{number}" for number in range(len(case.guests))]
                for number, (name, guest) in enumerate(zip(names, case.guests)):
                    words = guest.words + (MARKS if self.is_counted and number == 0 else "")
                    text += f"runner {name} {guest.cpus} {guest.mem} /lib/bench.elf '{words}' & p{number}=$!\n"
                text += "".join(f"wait $p{number}; ended {name} $?\n" for number, name in enumerate(names))
            text += "unload\n"
        return text + INIT_END

    def title(self) -> str:
        names = ", ".join(variant.name for variant in self.variants)
        return f"Linux with {self.cpus} CPU(s), {self.append}: {names}{', counted' if self.is_counted else ''}"


def boots(variants: tuple[Variant, ...], cases: tuple[Case, ...]) -> list[Boot]:
    """One for each kernel command line and number of CPUs; and the first variant's once more, counted."""
    found = []
    for cpus in sorted({case.cpus for case in cases}):
        here = tuple(case for case in cases if case.cpus == cpus)
        for append in dict.fromkeys(variant.append for variant in variants):
            found.append(Boot(append, cpus, tuple(v for v in variants if v.append == append), here))
        found.append(Boot(variants[0].append, cpus, variants[:1], here, is_counted=True))
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
    created: dict[str, dict[str, int]] = {}
    for (variant, case), guests in consoles(text).items():
        rows = found.setdefault(variant, {})
        for lines in guests:
            rows.update(suite.parse_lines(lines))
        created.setdefault(variant, {})[case] = next((int(match[1]) for match in map(CREATED.match, guests[0])
                                                      if match), 0)
        taken = suite.switches([suite.parse_gaps(lines) for lines in guests])
        if taken:
            rows["switch"] = (round(statistics.median(taken)), "ticks")
    for variant, ticks in created.items():
        if "small" in ticks and "large" in ticks:
            each = (ticks["large"] - ticks["small"]) / (LARGE - SMALL)
            found[variant]["vm_creation_mib"] = (round(each), "ticks")
    return found


def consoles(text: str) -> dict[tuple[str, str], list[list[str]]]:
    """{(variant, case): each guest's lines}; a Failure when one of them failed, or Linux did."""
    found: dict[tuple[str, str], list[list[str]]] = {}
    for line in text.splitlines():
        if re.search(r"rig: failed|\| not ok |\| Bail out!", line):
            raise Failure(f"a run of the benchmark guest failed: {line.strip()}", status=1)
        match = LINE.search(line)
        if match:
            guests = found.setdefault((match[1], match[2]), [])
            number = int(match[3])
            guests += [[] for _ in range(number + 1 - len(guests))]
            guests[number].append(match[4])
    if "rig: end" not in text:
        raise Failure("Linux did not come to its end", status=STATUS_HYPERVISOR)
    return found


class LinuxCode:
    """Whose an instruction is: the kernel's by its address; else the guest's, or the runner's in user space."""

    @staticmethod
    def owner(_physical: int, linear: int) -> str:
        return "linux" if linear >> 63 else trace.GUEST


def parse_counts(text: str, listing: str) -> Figures:
    """How many of the dear instructions the kernel executes in one round of each path: rows METRIC.COLUMN. `text` is
    the console of a counted boot, `listing` what Bochs' debugger printed."""
    sections = trace.parse(listing, LinuxCode)
    found: Figures = {}
    metrics = []
    for (variant, case), guests in consoles(text).items():
        told = list(suite.parse_lines(guests[0])) or [metric for metric in ("switch",) if metric == case]
        metrics += [(variant, metric, 2 if metric == "switch" else 1) for metric in told]
    if len(sections) != 2 * len(metrics):
        raise Failure(f"{len(sections)} marks for {len(metrics)} metrics", "each has two", STATUS_HYPERVISOR)
    for (variant, metric, passes), steps in zip(metrics, sections[::2]):
        for column, number in trace.count(steps).items():
            found.setdefault(variant, {})[f"{metric}.{column}"] = (-(-number // passes), "count")
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


def start(boot: Boot, model: str, folder: str) -> Figures:
    """Makes the image of one boot and runs it: what it tells."""
    os.makedirs(folder, exist_ok=True)
    kernel, disk, iso = (os.path.join(folder, name) for name in ("vmlinuz", "initrd.cpio", "image.iso"))
    files = {**find_modules(), "bin/runner": os.path.join(RIG, "runner"), "lib/bench.elf": suite.STUB}
    build_kernel(kernel)
    initrd.make(disk, boot.script(), files, {"dev/null": (1, 3), "dev/kvm": (10, 232)})
    image.build_linux(iso, kernel, disk, f"{APPEND} {boot.append}")
    # Linux reads MSRs at its start that no model of Bochs has.
    options = Options(cpus=boot.cpus, memory=MEMORY, cpu_model=model, extra=["cpu: ignore_bad_msrs=1"])
    if boot.is_counted:
        options.debugger = ["c"] + ["trace on", "c", "trace off", "c"] * METRICS_MAX
    try:
        text = run(Bochs(folder, options), iso)
    finally:
        for path in (kernel, disk, iso):
            os.unlink(path)
    if not boot.is_counted:
        return parse(text)
    with open(os.path.join(folder, "bochs.out"), encoding="utf-8", errors="replace") as file:
        return parse_counts(text, file.read())


def measure(model: str, variants: tuple[Variant, ...] = VARIANTS, cases: tuple[Case, ...] = CASES) -> Figures:
    """The figures of all boots, a column for each variant."""
    figures: Figures = {variant.name: {} for variant in variants}
    for number, boot in enumerate(boots(variants, cases)):
        folder = os.path.join(BUILD, "logs", "bench-kvm", str(number))
        print(boot.title(), flush=True)
        try:
            found = start(boot, model, folder)
        except Failure as failure:
            last = tail(os.path.join(folder, "console.log"), 5)
            raise Failure(failure.message, failure.remedy or f"see {folder}; it ends: {last}",
                          failure.status) from failure
        for name, rows in found.items():
            figures[name].update(rows)
    return figures
