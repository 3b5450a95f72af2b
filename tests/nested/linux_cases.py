"""Debian's Linux as a guest: alone, beside stubs, with two vCPUs, with disks, two of them on a LAN."""

from __future__ import annotations

import os
import re

import fixtures
from case import APIC_IN_SOFTWARE, APIC_VID_DEFECT, DEMO, IPS_TIME, RELEASE_ELF, Case, Guest, hello

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


def linux_virtio() -> Case:
    """Debian's own virtio drivers: disks read, written and read back; entropy; the console."""
    size = 2 << 20
    disk = fixtures.disk(size)
    guest = Guest(
        "linux", kernel=os.path.join(DEMO, "vmlinux"), initrd=os.path.join(DEMO, "initrd-virtio.cpio"),
        mem="256M", is_tap=False, append=LINUX_APPEND, reason="powered off",
        words=["virtio-rng=on", "virtio-console=on"], disks=[(disk, "serial=written"), (disk, "ro")], must=[
            r"vda: 4096 sectors, ro 0, serial written", r"vdb: 4096 sectors, ro 1, serial disk1",
            "vda: all " + fixtures.md5_of(disk), "vdb: all " + fixtures.md5_of(disk),
            "vda: written and read back: " + fixtures.md5_of(disk, size // 2),
            r"hwrng: virtio_rng\.0, 64 bytes", r"^hvc0: a line by the virtio console",
            r"PCI-MSI.*virtio\d-req", r"init: powering off"], must_not=[r"insmod .* failed"])
    return Case("linux-virtio", [guest], ips=IPS_TIME, memory=512, carousel=RELEASE_ELF, timeout=400)


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
                must=[rf"{name} +nic0 lan0 02:.*, 0 bad$" for name in ("one", "two")])
