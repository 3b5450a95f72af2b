"""Fetches Debian packages and unpacks them: nothing is installed."""

from __future__ import annotations

import glob
import os
import re
import subprocess

from .common import Failure, tool


def output_of(*command: str, folder: str | None = None) -> str:
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        last = (text.strip().splitlines() or ["it said nothing"])[-1]
        raise Failure(f"`{' '.join(command)}` failed: {last}",
                      "is the network there, and `apt-get update` done?")
    return text


def dependency(meta_package: str, pattern: str) -> str:
    """The package whose name has `pattern` and that the meta package depends on."""
    found = re.findall(pattern, output_of(tool("apt-cache", "apt"), "depends", meta_package))
    if not found:
        raise Failure(f"{meta_package} depends on nothing like {pattern} here",
                      "as root: apt-get update; this must be Debian 12")
    return found[0]


def _download(package: str, folder: str) -> str:
    """The path of the fetched package."""
    print(f"fetching {package}", flush=True)
    # Root's files are not readable for apt's own user: fetch as root then.
    output_of(tool("apt-get", "apt"), *(["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []),
              "download", package, folder=folder)
    packages = sorted(glob.glob(os.path.join(folder, package + "_*.deb")))
    if not packages:
        raise Failure(f"apt-get left no file of {package}", "try again")
    return packages[-1]


def unpack(package, folder: str, wanted: str) -> str:
    """The path of the file that `wanted` (a glob inside the package) names, below `folder`. `package`
    is a name, or a function that finds it and is asked only when the file is not there yet."""
    root = os.path.join(folder, "root")
    have = sorted(glob.glob(os.path.join(root, wanted)))
    if have:
        return have[-1]
    os.makedirs(folder, exist_ok=True)

    def fetch() -> str:
        return _download(package if isinstance(package, str) else package(), folder)

    try:
        file = fetch()
    except Failure:
        # The package lists may be missing, or older than the archive.
        if os.geteuid() != 0:
            raise
        output_of("apt-get", "update", "-q")
        file = fetch()
    output_of(tool("dpkg-deb", "dpkg"), "-x", file, root)
    os.unlink(file)
    have = sorted(glob.glob(os.path.join(root, wanted)))
    if not have:
        raise Failure(f"{os.path.basename(file)} has no {wanted}", "is this Debian 12?")
    return have[-1]
