"""Boot images: a fast one for emulators (a GRUB core with the commands inside) and a general one
(grub-mkrescue: BIOS, UEFI where grub-efi-amd64-bin is installed, and a menu)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from .common import Failure, tool
from .words import Module, grub_line

GRUB_BIOS = "/usr/lib/grub/i386-pc"
GRUB_UEFI = "/usr/lib/grub/x86_64-efi"


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        text = done.stdout.decode("utf-8", "replace").strip()
        raise Failure(f"{what} failed (status {done.returncode})", "it said: " + text[-1500:])


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
    mkimage, xorriso = tool("grub-mkimage", "grub-common"), tool("xorriso", "xorriso")
    if not os.path.isdir(GRUB_BIOS):
        raise Failure("GRUB's BIOS modules are not installed", "apt-get install grub-pc-bin")
    with tempfile.TemporaryDirectory(prefix="carousel-", dir=os.path.dirname(out) or ".") as work:
        root = os.path.join(work, "root")
        config = os.path.join(work, "boot.cfg")
        lines = _stage(root, carousel, words, modules)
        with open(config, "w", encoding="utf-8") as file:
            # Text on the screen unless a picture is wanted: emulators paint slowly.
            payload = [] if has_framebuffer else ["set gfxpayload=text"]
            file.write("\n".join(["set root=cd"] + lines[:-1] + payload + lines[-1:]) + "\n")
        _run([mkimage, "-O", "i386-pc-eltorito", "-o", os.path.join(root, "core.img"),
              "-p", "/boot/grub", "-c", config, "biosdisk", "iso9660", "multiboot2", "boot"],
             "grub-mkimage")
        _run([xorriso, "-as", "mkisofs", "-quiet", "-R", "-o", out, "-b", "core.img",
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
        _run([mkrescue, "-o", out, "--locales=", "--themes=", "--fonts=", root], "grub-mkrescue")


def has_uefi() -> bool:
    return os.path.isdir(GRUB_UEFI)
