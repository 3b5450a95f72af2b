"""Linux, from its first instruction to that of its /init, as a guest and bare: the same kernel with the same command
line in the same emulator. Bochs' debugger tells the tick at both ends."""

from __future__ import annotations

import os

from .. import bzshell, cpio, image, kvmrig
from ..common import BUILD, CAROUSEL_ELF, STATUS_HYPERVISOR, Failure
from ..machines import Bochs, Options
from ..words import Vm
from .boot import STOP, address_of, symbols
from .table import Figure, Figures

INIT = os.path.join(BUILD, "bench", "init")
VMLINUX = os.path.join(kvmrig.DEMO, "vmlinux")
METRICS = ("linux_guest", "linux_bare", "linux_ratio")
GUEST_MEMORY = 256  # MiB, and as much when bare
APPEND = f"{kvmrig.APPEND} mitigations=off"


def make_initrd(path: str) -> None:
    archive = cpio.Archive()
    archive.folder("dev")
    archive.char_device("dev/console", 5, 1)
    with open(INIT, "rb") as file:
        archive.file("init", file.read())
    with open(path, "wb") as file:
        file.write(archive.data())


def ticks_between(text: str, stops: int) -> int:
    """From the last stop but one to the last one, of so many."""
    ticks = [int(tick) for tick in STOP.findall(text)]
    if len(ticks) != stops:
        raise Failure(f"Linux: {len(ticks)} stops of Bochs' debugger, not {stops}", "see build/logs/bench-linux-*",
                      STATUS_HYPERVISOR)
    return ticks[-1] - ticks[-2]


def _run(folder: str, iso: str, memory: int, debugger: list[str]) -> str:
    # Bare Linux reads MSRs at its start that no model of Bochs has.
    options = Options(memory=memory, debugger=debugger, extra=["cpu: ignore_bad_msrs=1"])
    try:
        kvmrig.run(Bochs(folder, options), iso)
    finally:
        os.unlink(iso)
    with open(os.path.join(folder, "bochs.out"), encoding="utf-8", errors="replace") as file:
        return file.read()


def as_guest(folder: str, initrd: str) -> int:
    vm = Vm("linux", kernel=VMLINUX, initrd=initrd, mem=f"{GUEST_MEMORY}M", append=APPEND)
    iso = os.path.join(folder, "image.iso")
    image.build_fast(iso, CAROUSEL_ELF, [f"end={Bochs.end_word}", "rdrand=off"], vm.boot_modules())
    # The first VMLAUNCH after the run loop began is the guest's.
    debugger = [f"pb {symbols(CAROUSEL_ELF)['sched_loop']:#x}", "c", "d 1",
                f"pb {address_of('vmlaunch', 'vmx_enter_guest', CAROUSEL_ELF):#x}", "c", "d 2", "c", "quit"]
    return ticks_between(_run(folder, iso, 2 * GUEST_MEMORY, debugger), 4)


def bare(folder: str, initrd: str) -> int:
    iso, kernel = os.path.join(folder, "image.iso"), os.path.join(folder, "vmlinuz")
    kvmrig.build_kernel(kernel)
    image.build_linux(iso, kernel, initrd, APPEND)
    os.unlink(kernel)
    return ticks_between(_run(folder, iso, GUEST_MEMORY, [f"pb {bzshell.KERNEL:#x}", "c", "d 1", "c", "quit"]), 3)


def figures() -> Figures:
    for path in (INIT, VMLINUX):
        if not os.path.isfile(path):
            raise Failure(f"{path} is not there", "run `make bench LINUX=1`")
    found = {}
    for name, measure in (("guest", as_guest), ("bare", bare)):
        folder = os.path.join(BUILD, "logs", f"bench-linux-{name}")
        os.makedirs(folder, exist_ok=True)
        initrd = os.path.join(folder, "initrd.cpio")
        make_initrd(initrd)
        found[name] = measure(folder, initrd)
    return {"linux_guest": Figure(found["guest"], "ticks"), "linux_bare": Figure(found["bare"], "ticks"),
            "linux_ratio": Figure(round(found["guest"] / found["bare"], 4), "times")}
