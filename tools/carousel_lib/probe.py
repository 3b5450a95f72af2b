"""Whether KVM offers nested VMX here, found by running: /dev/kvm can open and still offer none."""

from __future__ import annotations

import array
import fcntl
import glob
import os
import re
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass

KVM_GET_API_VERSION = 0xAE00
KVM_GET_SUPPORTED_CPUID = 0xC008AE05
CPUID_ENTRIES = 256
VMX_BIT = 5  # CPUID leaf 1, ECX

# A boot sector for a 16-bit PC: the verdict goes to isa-debug-exit at port 0xf4.
PROBE_SECTOR = bytes.fromhex(
    "66b801000000"  # mov  eax, 1
    "0fa2"          # cpuid
    "b011"          # mov  al, 0x11      no VMX
    "f6c120"        # test cl, 0x20
    "7423"          # jz   out
    "66b982040000"  # mov  ecx, 0x482    IA32_VMX_PROCBASED_CTLS
    "0f32"          # rdmsr
    "b012"          # mov  al, 0x12      no secondary controls
    "6685d2"        # test edx, edx
    "7914"          # jns  out
    "66b98b040000"  # mov  ecx, 0x48b    IA32_VMX_PROCBASED_CTLS2
    "0f32"          # rdmsr
    "b013"          # mov  al, 0x13      no EPT or no unrestricted guest
    "80e282"        # and  dl, 0x82
    "80fa82"        # cmp  dl, 0x82
    "7502"          # jne  out
    "b010"          # mov  al, 0x10      all that Carousel needs
    "e6f4"          # out: out 0xf4, al
    "f4ebfd"        # hlt; jmp hlt
).ljust(510, b"\0") + b"\x55\xaa"
PROBE_SAYS = {
    0x10: "",
    0x11: "its guests see no VMX",
    0x12: "its nested VMX has no secondary controls",
    0x13: "its nested VMX lacks EPT or unrestricted guest",
}


@dataclass
class KvmProbe:
    """The outcome: `reason` is empty when KVM can be used, else says why not, and `remedy` the cure."""

    reason: str = ""
    remedy: str = ""
    has_run: bool = False  # whether a probe guest really ran

    def is_usable(self) -> bool:
        return not self.reason


def cpu_vendor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            match = re.search(r"vendor_id\s*:\s*(\S+)", file.read())
    except OSError:
        match = None
    return match.group(1) if match else "unknown"


def nested_parameters() -> dict[str, str]:
    """The `nested` parameter of each loaded KVM vendor module: {'kvm_intel': 'Y'}."""
    found = {}
    for path in glob.glob("/sys/module/kvm*/parameters/nested"):
        with open(path, encoding="ascii", errors="replace") as file:
            found[path.split("/")[3]] = file.read().strip()
    return found


def is_vmx_offered(device: int) -> bool:
    """Whether leaf 1 of what KVM can give its guests has VMX."""
    buffer = array.array("B", struct.pack("II", CPUID_ENTRIES, 0) + bytes(40 * CPUID_ENTRIES))
    fcntl.ioctl(device, KVM_GET_SUPPORTED_CPUID, buffer, True)
    count, = struct.unpack_from("I", buffer)
    for index in range(count):
        leaf, _, _, _, _, ecx, _ = struct.unpack_from("7I", buffer, 8 + 40 * index)
        if leaf == 1:
            return bool(ecx >> VMX_BIT & 1)
    return False


def run_sector(accelerator: str, model: str, seconds: float = 20) -> int | None:
    """What the probe sector wrote to port 0xf4, or None when it never did."""
    with tempfile.TemporaryDirectory(prefix="carousel-probe-") as folder:
        disk = os.path.join(folder, "probe.img")
        with open(disk, "wb") as file:
            file.write(PROBE_SECTOR)
            file.truncate(1440 * 1024)
        command = ["qemu-system-x86_64", "-machine", "pc", "-accel", accelerator, "-cpu", model,
                   "-m", "32M", "-nodefaults", "-display", "none", "-no-reboot",
                   "-drive", "if=floppy,format=raw,file=probe.img",
                   "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        try:
            done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, timeout=seconds,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        except (subprocess.TimeoutExpired, OSError):
            return None
    return done.returncode >> 1 if done.returncode > 0 and done.returncode & 1 else None


def _no_vmx() -> KvmProbe:
    nested = nested_parameters()
    if cpu_vendor() != "GenuineIntel":
        return KvmProbe(f"KVM offers its guests no VMX (this CPU is {cpu_vendor()})",
                        "Carousel needs an Intel CPU; Bochs emulates one")
    if nested.get("kvm_intel") in ("N", "0"):
        return KvmProbe("kvm_intel is loaded without nested VMX",
                        "as root: modprobe -r kvm_intel; modprobe kvm_intel nested=1")
    return KvmProbe("KVM offers its guests no VMX",
                    "if this machine is itself a VM, its owner must turn nested virtualisation on")


def probe_kvm() -> KvmProbe:
    if not os.path.exists("/dev/kvm"):
        return KvmProbe("there is no /dev/kvm", "turn virtualisation on in the firmware's setup, "
                        "and as root: modprobe kvm_intel nested=1")
    try:
        device = os.open("/dev/kvm", os.O_RDWR)
    except OSError as error:
        return KvmProbe(f"/dev/kvm cannot be opened ({error.strerror})",
                        "as root: adduser YOU kvm, then log in again")
    try:
        if fcntl.ioctl(device, KVM_GET_API_VERSION) != 12:
            return KvmProbe("/dev/kvm has an unknown API version", "use Linux's own KVM")
        if not is_vmx_offered(device):
            return _no_vmx()
    except OSError as error:
        return KvmProbe(f"/dev/kvm opens but does not answer ({error.strerror})")
    finally:
        os.close(device)
    if not shutil.which("qemu-system-x86_64"):
        return KvmProbe("QEMU is not installed", "apt-get install qemu-system-x86")
    value = run_sector("kvm", "host,migratable=off")
    if value is None:
        return KvmProbe("a probe guest under KVM did not run to its end",
                        "try: qemu-system-x86_64 -accel kvm -cpu host", has_run=True)
    said = PROBE_SAYS.get(value, f"the probe guest said {value:#x}")
    if said:
        return KvmProbe(f"a probe guest ran under KVM, but {said}",
                        "this CPU, or the hypervisor below this machine, is too old", has_run=True)
    return KvmProbe(has_run=True)
