"""Boot images: a fast one for emulators (a GRUB core with the commands inside), a general one
(grub-mkrescue: BIOS and UEFI, and a menu), and a disk with an EFI system partition (carousel.efi)."""

from __future__ import annotations

import os
import shutil
import tempfile

from . import gpt
from .common import CAROUSEL_EFI, Failure, run_tool, tool
from .words import Module, conf_line, grub_line

GRUB_BIOS = "/usr/lib/grub/i386-pc"
GRUB_UEFI = "/usr/lib/grub/x86_64-efi"


def _put(source: str, target: str) -> None:
    """A file into the staging folder: a hard link where that works, else a copy."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise Failure(f"cannot read {source}: {error.strerror}") from error


def _stage(folder: str, carousel: str, words: list[str], modules: list[Module]) -> list[str]:
    """Copies everything below folder/boot and returns the GRUB commands that boot it."""
    if not os.path.isfile(carousel):
        raise Failure(f"{carousel} is not there", "run `make` first")
    os.makedirs(os.path.join(folder, "boot"))
    _put(carousel, os.path.join(folder, "boot", "carousel.elf"))
    # --nounzip: GRUB hands gzip-compressed modules over as they are.
    lines = [grub_line("multiboot2", "/boot/carousel.elf", words)]
    for number, module in enumerate(modules):
        name = f"/boot/module{number:02}"
        _put(module.path, folder + name)
        lines.append(grub_line("module2 --nounzip", name, module.words))
    return lines + ["boot"]


def build_fast(out: str, carousel: str, words: list[str], modules: list[Module],
               has_framebuffer: bool = False) -> None:
    """A BIOS CD whose GRUB core holds only what it needs and the commands themselves."""
    with tempfile.TemporaryDirectory(prefix="carousel-", dir=os.path.dirname(out) or ".") as work:
        root = os.path.join(work, "root")
        config = os.path.join(work, "boot.cfg")
        lines = _stage(root, carousel, words, modules)
        with open(config, "w", encoding="utf-8") as file:
            # Text on the screen unless a picture is wanted: emulators paint slowly.
            payload = [] if has_framebuffer else ["set gfxpayload=text"]
            file.write("\n".join(["set root=cd"] + lines[:-1] + payload + lines[-1:]) + "\n")
        _build_cd(out, root, config, "multiboot2")


def build_linux(out: str, kernel: str, initrd: str, append: str) -> None:
    """A BIOS CD that boots a Linux kernel."""
    with tempfile.TemporaryDirectory(prefix="carousel-", dir=os.path.dirname(out) or ".") as work:
        root = os.path.join(work, "root")
        config = os.path.join(work, "boot.cfg")
        os.mkdir(root)
        _put(kernel, os.path.join(root, "vmlinuz"))
        _put(initrd, os.path.join(root, "initrd"))
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"set root=cd\nlinux /vmlinuz {append}\ninitrd /initrd\nset gfxpayload=text\nboot\n")
        _build_cd(out, root, config, "linux")


def _build_cd(out: str, root: str, config: str, module: str) -> None:
    """A BIOS CD of what is below `root`, whose GRUB core has these commands and the module that they need."""
    mkimage, xorriso = tool("grub-mkimage", "grub-common"), tool("xorriso", "xorriso")
    if not os.path.isdir(GRUB_BIOS):
        raise Failure("GRUB's BIOS modules are not installed", "apt-get install grub-pc-bin")
    run_tool([mkimage, "-O", "i386-pc-eltorito", "-o", os.path.join(root, "core.img"),
              "-p", "/boot/grub", "-c", config, "biosdisk", "iso9660", module, "boot"], "grub-mkimage")
    run_tool([xorriso, "-as", "mkisofs", "-quiet", "-R", "-o", out, "-b", "core.img",
              "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", root], "xorriso")


def general_config(lines: list[str], timeout: int = 3) -> str:
    menu = "\n".join("\t" + line for line in lines)
    return ("if serial --unit=0 --speed=115200; then\n"
            "\tterminal_input console serial\n\tterminal_output console serial\nfi\n"
            # Without a driver GRUB leaves no framebuffer, and under UEFI the screen stays dark.
            "insmod all_video\n"
            f"set timeout={timeout}\nset default=0\n"
            f'menuentry "Carousel" {{\n{menu}\n}}\n')


def build_general(out: str, carousel: str, words: list[str], modules: list[Module],
                  timeout: int = 3) -> None:
    """A CD (or USB stick) for any PC: boots by BIOS and, if GRUB's UEFI modules are there, by UEFI."""
    mkrescue = tool("grub-mkrescue", "grub-common")
    tool("xorriso", "xorriso")
    if os.path.isdir(GRUB_UEFI):
        tool("mformat", "mtools")
    with tempfile.TemporaryDirectory(prefix="carousel-", dir=os.path.dirname(out) or ".") as root:
        lines = _stage(root, carousel, words, modules)
        grub = os.path.join(root, "boot", "grub")
        os.makedirs(grub)
        with open(os.path.join(grub, "grub.cfg"), "w", encoding="utf-8") as file:
            file.write(general_config(lines, timeout))
        run_tool([mkrescue, "-o", out, "--locales=", "--themes=", "--fonts=", root], "grub-mkrescue")


def conf_text(lines: list[str], timeout: int = 3) -> str:
    """carousel.conf with one entry."""
    return f"timeout {timeout}\nentry Carousel\n" + "".join("\t" + line + "\n" for line in lines)


def build_usb(out: str, carousel: str, words: list[str], modules: list[Module], timeout: int = 3,
              conf: str = "") -> None:
    """A disk for UEFI machines: an EFI system partition with carousel.efi. `conf` in place of the
    configuration that the modules make."""
    if not os.path.isfile(CAROUSEL_EFI):
        raise Failure(f"{CAROUSEL_EFI} is not there", "run `make` first")
    files = [("EFI/BOOT/BOOTX64.EFI", CAROUSEL_EFI), ("carousel/carousel.elf", carousel)]
    lines = [conf_line("multiboot2", "/carousel/carousel.elf", words)]
    for number, module in enumerate(modules):
        name = f"carousel/module{number:02}"
        files.append((name, module.path))
        lines.append(conf_line("module2", "/" + name, module.words))
    with tempfile.TemporaryDirectory(prefix="carousel-", dir=os.path.dirname(out) or ".") as work:
        config = os.path.join(work, "carousel.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(conf or conf_text(lines, timeout))
        gpt.build(out, files + [("carousel/carousel.conf", config)])


def build(out: str, carousel: str, words: list[str], modules: list[Module], is_uefi: bool,
          is_disk: bool, has_framebuffer: bool = False) -> None:
    """For an emulator: whatever is quickest for its firmware, or a disk with carousel.efi."""
    if is_disk:
        build_usb(out, carousel, words, modules, timeout=0)
    elif is_uefi:
        build_general(out, carousel, words, modules, timeout=0)
    else:
        build_fast(out, carousel, words, modules, has_framebuffer)


def has_uefi() -> bool:
    return os.path.isdir(GRUB_UEFI)
