"""Whole-system tests of the way to Carousel: BIOS and UEFI, GRUB and carousel.efi, images as CD and as
disk, and what carousel.efi says of a broken configuration."""

from __future__ import annotations

import fixtures
import typing_cases
from case import Case, Guest, hello
from carousel_lib.common import OVMF_BOCHS, OVMF_CODE

NO_VMX = r"(?i)this CPU has no VMX"
GRUB_UEFI = "/usr/lib/grub/x86_64-efi"

# What boots it, as the fields of a Case.
WAYS = {
    "bios": dict(),
    "bios-stick": dict(medium="stick"),
    "uefi": dict(is_uefi=True, needs=[OVMF_CODE, GRUB_UEFI]),
    "uefi-stick": dict(is_uefi=True, medium="stick", needs=[OVMF_CODE, GRUB_UEFI]),
    "own": dict(is_uefi=True, medium="usb", needs=[OVMF_CODE]),
}

FOREIGN = [(fixtures.foreign(), "vm=a kernel")]


def tcg(way: str, cpus: int, memory: int = 512) -> Case:
    """QEMU's own emulation, which has no VMX, up to Carousel's message."""
    started = r"started by carousel\.efi" if way == "own" else "started by GRUB"
    name = f"tcg-{way}-{cpus}cpu" + (f"-{memory >> 10}g" if memory >= 1024 else "") + "-no-vmx"
    # GRUB passes no SMBIOS tables under UEFI.
    machine = {"bios": [r"machine: QEMU Standard PC .*, firmware SeaBIOS"],
               "own": [r"machine: QEMU Standard PC .*, firmware EFI Development Kit II"]}.get(way, [])
    # The firmware keeps some MiB for itself.
    found = rf"memory: {'6' if memory == 6144 else ''}[15]\d\d MiB"
    return Case(name, [], host="qemu", cpus=cpus, memory=memory, status=(2,), raw=FOREIGN, timeout=150,
                must=[NO_VMX, started, rf"\b{cpus} pCPUs? online", found, *machine], **WAYS[way])


def bochs(way: str) -> Case:
    """Bochs with OVMF: no RSDP, VMX not enabled by firmware, no interrupt for the console. Three stubs on
    two CPUs, one of which is typed at: more than a UART's FIFO takes."""
    firmware = dict(WAYS[way], needs=[OVMF_BOCHS] + WAYS[way]["needs"][1:])
    typed = b"typed where no interrupt tells of it, " * 4
    return Case(f"bochs-{way}-2cpu", [
        typing_cases.echo("echo", typed), hello(words=["pin=1"]), Guest("ticker"),
    ], cpus=2, memory=512, timeout=200, replies=[(r"^# ready", typed + typing_cases.CTRL_D)], must=[
        r"no ACPI MADT lists the CPUs: looking for others by broadcast INIT-SIPI-SIPI", r"\b2 pCPUs online",
        r"the serial console has no interrupt: its input is polled",
    ], **firmware)


BACK = r"failed to (start|load) Boot.*(Load Error|Aborted)"


def configuration(name: str, conf: str, must: list[str], **changes) -> Case:
    """carousel.efi with this carousel.conf: its message, a key, and the firmware goes on."""
    settings = dict(host="qemu", memory=512, raw=FOREIGN, conf=conf, timeout=90, until=BACK,
                    replies=[("Press a key", b" ")], **WAYS["own"])
    settings.update(changes)
    return Case(f"own-{name}", [], must=must, **settings)


def configurations() -> list[Case]:
    good = "multiboot2 /carousel/carousel.elf end=debug-exit"
    where = r"error: \\carousel\\carousel\.conf:"
    return [
        configuration("bad-line", f"# one\n{good}\nmodul /carousel/module00\n",
                      [where + r"3: 'modul' is unknown: a line begins with"]),
        configuration("no-file", f"timeout 0\n{good}\nmodule2 /carousel/none vm=a kernel\n",
                      [where + r"3: \\carousel\\none cannot be opened \(there is no such file\)"]),
        configuration("folder", f"timeout 0\n{good}\nmodule2 /carousel vm=a kernel\n",
                      [where + r"3: \\carousel is a folder"]),
        configuration("foreign", "timeout 0\nmultiboot2 /carousel/module00\n",
                      [where + r"2: \\carousel\\module00 is no 64-bit ELF file"]),
        configuration("too-large", f"timeout 0\n{good}\nmodule2 module00 vm=a kernel\n",
                      [where + r"3: there is not enough memory below 4 GiB for module00 \(245760 KiB\)"],
                      memory=256, raw=[(fixtures.huge(), "vm=a kernel")]),
        # OVMF keeps memory of its own for S3 there (PcdOvmfSecPeiTempRamBase and what follows).
        configuration("not-free", f"timeout 0\n{good}\n", [
            r"error: the memory at 0x820000 to 0x[0-9a-f]+, where the hypervisor runs, is not free"],
                      carousel=fixtures.carousel_elsewhere(0x820000)),
        configuration("escape", f"timeout none\n{good}\n", [r"  1  Carousel"], replies=[
            ("Enter starts", b"\x1b")]),
        # The second entry, by the time.
        configuration("timeout", "timeout 2\ndefault 2\n"
                      "entry First\nmultiboot2 /carousel/none\n"
                      f"entry Second\n{good} cpus=1\nmodule2 /carousel/module00 vm=a kernel\n",
                      [NO_VMX, r"2  Second .* in +1 s", r"\\carousel\\module00: \d+ KiB", r"\b1 pCPU online"],
                      cpus=2, status=(2,), until="", replies=[]),
        # The second entry, by keys: its command line reaches the hypervisor.
        configuration("menu", "timeout none\n"
                      "entry First\nmultiboot2 /carousel/none\n"
                      f"entry Second\n{good} cpus=1\nmodule2 /carousel/module00 vm=a kernel\n",
                      [NO_VMX, "^ *2  Second", r"\b1 pCPU online"], cpus=2, status=(2,), until="",
                      replies=[("Enter starts", b"2\r")]),
    ]


def boot_cases() -> list[Case]:
    cases = [bochs("uefi"), bochs("own")]
    cases += [tcg(way, *size) for way in ("bios", "uefi", "own") for size in ((1,), (8, 6144))]
    return cases + [tcg("bios-stick", 2), tcg("uefi-stick", 2)] + configurations()
