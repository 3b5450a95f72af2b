"""A menu entry for a GRUB that is installed already: it reads the files where they are."""

from __future__ import annotations

import os
import subprocess

from .common import Failure, tool
from .words import Module, grub_line, grub_quote


def _place(path: str) -> tuple[int, str]:
    """The file system that a file is on, and the file's path in it, as GRUB sees it."""
    if not os.path.isfile(path):
        raise Failure(f"{path} is not there", "run `make` first, or name another file")
    path = os.path.realpath(path)
    done = subprocess.run([tool("grub-mkrelpath", "grub-common"), path], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode:
        raise Failure(f"{path}: GRUB cannot tell its place", f"copy it to /boot; it said: {text}")
    return os.stat(path).st_dev, text


def text(carousel: str, words: list[str], modules: list[Module], name: str = "Carousel") -> str:
    """The entry. The hypervisor's file system becomes the root; each other one gets a variable. Without a
    video driver GRUB leaves no framebuffer."""
    device, path = _place(carousel)
    searches = [f"search --no-floppy --file --set=root {grub_quote(path)}"]
    lines = [grub_line("multiboot2", grub_quote(path), words)]
    others: dict[int, str] = {}
    for module in modules:
        where, path = _place(module.path)
        target = grub_quote(path)
        if where != device:
            if where not in others:
                others[where] = f"carousel{len(others) + 1}"
                searches.append(f"search --no-floppy --file --set={others[where]} {target}")
            target = f"(${others[where]}){target}"
        lines.append(grub_line("module2 --nounzip", target, module.words))
    body = "".join(f"\t{line}\n" for line in ["insmod multiboot2", "insmod all_video"] + searches + lines)
    return f"menuentry {grub_quote(name)} {{\n{body}}}\n"
