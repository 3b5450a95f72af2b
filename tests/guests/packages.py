"""The programs that `make test-guests` runs: fetched from Debian, unpacked below build/, never
installed."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess

from carousel_lib import debian, vmlinux
from carousel_lib.common import BUILD, PROJECT, Failure

from case import DEMO

GUESTS = os.path.join(BUILD, "guests")
CLOUD = os.path.join(GUESTS, "cloud", "vmlinux")
MEMTEST = os.path.join(GUESTS, "memtest86+", "root", "boot", "memtest86+x64.bin")
XEN = os.path.join(GUESTS, "xen", "xen")


def _linux() -> None:
    done = subprocess.run([os.path.join(PROJECT, "tools", "demo-linux"), DEMO], check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failure((done.stdout.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[0])


def _cloud() -> None:
    def newest() -> str:
        return debian.dependency("linux-image-cloud-amd64", r"linux-image-6\.1\.[0-9-]+-cloud-amd64")

    bzimage = debian.unpack(newest, os.path.join(GUESTS, "cloud"), "boot/vmlinuz-6.1.*-cloud-amd64")
    vmlinux.extract_file(bzimage, CLOUD)


def _memtest() -> None:
    debian.unpack("memtest86+", os.path.join(GUESTS, "memtest86+"), "boot/memtest86+x64.bin")


def _xen() -> None:
    """GRUB would unpack it."""
    packed = debian.unpack("xen-hypervisor-4.17-amd64", os.path.join(GUESTS, "xen"), "boot/xen-4.17-amd64.gz")
    with gzip.open(packed) as source, open(XEN, "wb") as target:
        shutil.copyfileobj(source, target)


FETCHERS = {"linux": _linux, "cloud": _cloud, "memtest86+": _memtest, "xen": _xen}


def fetch() -> dict[str, str]:
    """Has all packages there. Why not, for those that cannot be fetched."""
    missing = {}
    for name, fetcher in FETCHERS.items():
        try:
            fetcher()
        except (Failure, OSError) as error:
            missing[name] = str(error)
    return missing
