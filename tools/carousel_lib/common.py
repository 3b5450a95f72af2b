"""Errors that a person can act on, exit statuses, and where the project's own files are."""

from __future__ import annotations

import os
import shutil
import subprocess

# The exit statuses of tools/carousel.
STATUS_OK = 0          # every VM ended well
STATUS_VM_FAILED = 1   # a VM reported failure
STATUS_USAGE = 2       # bad usage or input
STATUS_HYPERVISOR = 3  # the hypervisor itself failed
STATUS_TIMEOUT = 124   # the time ran out
STATUS_SIGNAL = 130    # ended by Ctrl-C or a signal

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(PROJECT, "build")
CAROUSEL_ELF = os.path.join(BUILD, "carousel.elf")
CAROUSEL_EFI = os.path.join(BUILD, "carousel.efi")

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
OVMF_BOCHS = "/usr/share/ovmf/OVMF.fd"


class Failure(Exception):
    """Something that the user can mend: says what is wrong and what to do about it."""

    def __init__(self, message: str, remedy: str = "", status: int = STATUS_USAGE):
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.status = status

    def __str__(self) -> str:
        return self.message + (": " + self.remedy if self.remedy else "")


def tool(name: str, package: str) -> str:
    """The path of a program, or a Failure that names the Debian package that has it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    if not path:
        raise Failure(f"{name} is not installed", f"apt-get install {package}, or `make deps`")
    return path


def run_tool(command: list[str], what: str) -> None:
    """Runs a program that is silent when all is well."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        text = done.stdout.decode("utf-8", "replace").strip()
        raise Failure(f"{what} failed (status {done.returncode})", "it said: " + text[-1500:])


def tail(path: str, lines: int = 20) -> str:
    """The last lines of a text file, or '' when there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 200 * lines))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
