"""Programs that nobody here wrote, as they come from Debian's packages, as a table. Linux gets its
default command line and a console. One run is of the untouched bzImage, which spends 4.5 G instructions
on unpacking itself; the others enter the same kernel's vmlinux."""

from __future__ import annotations

import dataclasses
import os

from case import DEMO, IPS_TIME, RELEASE_ELF, Case, Guest
from linux_cases import LINUX_MUST, LINUX_MUST_NOT, linux_net, linux_virtio
from packages import CLOUD, MEMTEST, XEN, fetch
from typing_cases import shell

INITRD = os.path.join(DEMO, "initrd.cpio")
# memtest86+ never opens interrupts, so that a defect of Bochs costs an exit every 50 microseconds
# (docs/architecture.md, 'Time'), and it waits for 160 seconds: between the two this is the least.
IPS_MEMTEST = 30_000_000
# What it redraws on the serial console every second: the head of the screen, not the banner below it.
MEMTEST_PASS = r"Status: Pass|\| Pass: +1 "
MEMTEST_FAIL = r"Status: Failed|Errors: +[1-9]"


def linux(kernel: str, vcpus: int, words: tuple[str, ...] = (), append: str = "", must=(), must_not=(),
          reason: str = "powered off") -> Guest:
    """Linux to a busybox that says what it sees: how many CPUs, and that each takes timer interrupts."""
    return Guest("linux", kernel=kernel, initrd=INITRD, mem="256M", words=[f"vcpus={vcpus}", *words],
                 append=f"console=ttyS0 {append}".strip(), is_tap=False, reason=reason,
                 must=[*LINUX_MUST, rf"^cpus: {vcpus}$", r"^irq LOC:( +[1-9]\d*){%d} " % vcpus, *must],
                 must_not=[*LINUX_MUST_NOT, *must_not])


def linux_cases(skip: str) -> list[Case]:
    vmlinux = os.path.join(DEMO, "vmlinux")
    common = dict(ips=IPS_TIME, memory=512, carousel=RELEASE_ELF, skip=skip)
    return [
        Case("guest-linux-bzimage", [linux(os.path.join(DEMO, "bzImage"), 1)], timeout=900, **common),
        # Each vCPU has a pCPU of its own, and the kernel is told so.
        Case("guest-linux-2cpu", [linux(vmlinux, 2, words=("pin=0,1",), must=[r"Brought up 1 node, 2 CPUs"],
                                        must_not=[r"pv remote TLB flush", r"PV sched yield",
                                                  r"PV spinlocks enabled"])],
             cpus=2, timeout=500, **common),
        # Two sockets of two threads, on half as many pCPUs.
        Case("guest-linux-4cpu", [linux(vmlinux, 4, words=("topology=2:1:2",),
                                        must=[r"Brought up 1 node, 4 CPUs", r"Max logical packages: 2"])],
             cpus=2, timeout=700, **common),
        Case("guest-linux-reboot", [linux(
            vmlinux, 1, words=("on-reset=restart:1",), append="carousel=reboot-once",
            must=[r"(?s)init: rebooting.*Linux version 6\.1\..*init: this is the second life"])],
             must=[r"VM 'linux': reset, restart 1 of 1", r"^ +restarts 1$"], timeout=600, **common),
        *[dataclasses.replace(case, skip=skip) for case in (linux_net(), linux_virtio(), shell())],
    ]


def guest_cases(is_listing: bool = False) -> list[Case]:
    """All of them. Fetches what is not there, unless the cases are only to be named."""
    missing = {} if is_listing else fetch()
    return [
        Case("guest-memtest86+", [Guest(
            "memtest", kernel=MEMTEST, mem="16M", append="console=ttyS0,115200 nosmp nobench nopause",
            expect=[MEMTEST_PASS], fail_on=[MEMTEST_FAIL], is_tap=False, reason=r"^--expect")],
            ips=IPS_MEMTEST, carousel=RELEASE_ELF, timeout=1400, skip=missing.get("memtest86+", "")),
        *linux_cases(missing.get("linux", "")),
        Case("guest-linux-cloud", [linux(CLOUD, 1, must=[r"Linux version 6\.1\.\S*-cloud-amd64"])],
             ips=IPS_TIME, memory=512, carousel=RELEASE_ELF, timeout=400,
             skip=missing.get("cloud", "") or missing.get("linux", "")),
        # By Multiboot2. Without a domain 0 kernel it says so, and reboots.
        Case("guest-xen", [Guest(
            "xen", kernel=XEN, mem="256M", append="xen console=com1 com1=115200,8n1", is_tap=False,
            reason="reset", must=[r"Xen version 4\.17", r"dom0 kernel not specified"])],
             ips=IPS_TIME, memory=512, carousel=RELEASE_ELF, timeout=300, skip=missing.get("xen", "")),
    ]
