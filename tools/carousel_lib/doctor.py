"""`carousel doctor`: what this machine offers, why KVM is or is not used, and how to mend it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from . import image, probe
from .common import CAROUSEL_EFI, CAROUSEL_ELF, OVMF_BOCHS, OVMF_CODE, STATUS_OK, STATUS_USAGE

BOCHS_FILES = ("/usr/share/bochs/BIOS-bochs-latest", "/usr/share/bochs/VGABIOS-lgpl-latest")
BOCHS_TERM = "/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so"


def _version(program: str, pattern: str, *arguments: str) -> str:
    try:
        done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              env=dict(os.environ, TERM="dumb"))
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(pattern, done.stdout.decode("utf-8", "replace"))
    return match.group(1) if match else ""


def _say(is_good: bool, name: str, text: str, remedy: str = "") -> bool:
    print(f"  {'yes' if is_good else 'no ':3}  {name:22} {text}")
    if not is_good and remedy:
        print(f"       {'':22} -> {remedy}")
    return is_good


def _cpu() -> None:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        text = ""
    model = re.search(r"model name\s*:\s*(.*)", text)
    has_vmx = bool(re.search(r"^flags\s*:.*\bvmx\b", text, re.M))
    print(f"This CPU: {probe.cpu_vendor()}, {model.group(1) if model else 'unknown'}")
    _say(has_vmx, "VMX", "Carousel runs on this machine itself, too" if has_vmx
         else "not offered to this system", "turn VT-x on in the firmware's setup, or in the "
         "settings of the VM that this machine is; AMD CPUs have none")


def _kvm() -> bool:
    print("\nKVM with nested VMX (fast):")
    for module, value in probe.nested_parameters().items():
        print(f"       {module}'s nested parameter is {value}")
    found = probe.probe_kvm()
    how = "a probe guest ran and found VMX, EPT and unrestricted guest"
    return _say(found.is_usable(), "nested VMX", how if found.is_usable() else found.reason,
                found.remedy)


def _bochs() -> bool:
    print("\nBochs (emulates a CPU with VMX; slow, exact, repeatable):")
    version = _version("bochs-bin", r"Emulator (\S+)", "--help")
    is_good = _say(bool(version), "bochs", version or "not installed", "apt-get install bochs")
    for path, package in ((BOCHS_FILES[0], "bochsbios"), (BOCHS_FILES[1], "vgabios"),
                          (BOCHS_TERM, "bochs-term")):
        is_good &= _say(os.path.exists(path), package, os.path.basename(path),
                        f"apt-get install {package}")
    return is_good


def _qemu() -> None:
    print("\nQEMU (needed for KVM; its own emulation has no VMX):")
    version = _version("qemu-system-x86_64", r"version (\S+)", "--version")
    _say(bool(version), "qemu", version or "not installed", "apt-get install qemu-system-x86")
    _say(os.path.exists(OVMF_CODE) and os.path.exists(OVMF_BOCHS), "UEFI firmware",
         "for --firmware uefi", "apt-get install ovmf")


def _images() -> bool:
    print("\nImages:")
    is_good = True
    for program, package in (("grub-mkimage", "grub-common"), ("xorriso", "xorriso")):
        is_good &= _say(bool(shutil.which(program)), program, "", f"apt-get install {package}")
    is_good &= _say(os.path.isdir(image.GRUB_BIOS), "GRUB for BIOS", "",
                    "apt-get install grub-pc-bin")
    _say(image.has_uefi(), "GRUB for UEFI", "for `iso` and --firmware uefi",
         "apt-get install grub-efi-amd64-bin")
    _say(bool(shutil.which("mformat")), "mtools", "for `iso`, `usb` and --firmware uefi",
         "apt-get install mtools")
    _say(os.path.isfile(CAROUSEL_ELF), "carousel.elf", "the hypervisor", "run `make`")
    _say(os.path.isfile(CAROUSEL_EFI), "carousel.efi", "its UEFI loader, for `usb`", "run `make`")
    return is_good


def report() -> int:
    _cpu()
    has_kvm = _kvm()
    has_bochs = _bochs()
    _qemu()
    has_images = _images()
    host = "kvm" if has_kvm else "bochs" if has_bochs else ""
    if host and has_images:
        print(f"\n`carousel run --host auto` takes {host} here.")
        return STATUS_OK
    print("\n`carousel run` cannot work here yet: mend what says 'no' above, or run `make deps`.")
    return STATUS_USAGE
