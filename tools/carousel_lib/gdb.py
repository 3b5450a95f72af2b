"""`run --gdb VM:PORT`: a TCP port of this machine that leads to the hypervisor's gdb stub."""

from __future__ import annotations

import argparse
import re
import shlex
import socket
import sys

from .common import Failure
from .machines import Machine, Options
from .ports import COM, Bridge, listen
from .words import Vm

PORT_MAX = 65535
USAGE = "write VM:PORT, as in --gdb linux:1234, or VM:PORT,nowait"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gdb", default="", metavar="VM:PORT[,nowait]",
                        help="gdb can debug this VM by `target remote 127.0.0.1:PORT` (0: any that is free); "
                        "the VM waits at its first instruction until gdb continues it, or runs at once (docs/debugging.md)")


class GdbPort:
    """One --gdb: which port of the machine it takes, what Carousel must be told, and the bridge."""

    def __init__(self, text: str, vms: list[Vm], options: Options) -> None:
        match = re.fullmatch(r"(.+):(\d+)(,nowait)?", text)
        if not match or int(match[2]) > PORT_MAX:
            raise Failure(f"--gdb {text}: that is not a VM and a port", USAGE)
        chosen = [vm for vm in vms if vm.name == match[1]]
        if not chosen:
            raise Failure(f"--gdb {text}: there is no VM {match[1]!r}", "name one of --vm")
        self._vm = chosen[0]
        self._is_waiting = not match[3]
        free = [name for name in COM
                if name != "com1" and name not in options.ports and name not in options.port_files]
        if not free:
            raise Failure("--gdb finds no serial port that is not taken", "leave out an option that takes one")
        self._port = free[0]
        self._listener: socket.socket = listen(f"127.0.0.1:{match[2]}")
        options.ports.append(self._port)
        self._bridge: Bridge | None = None

    def words(self) -> list[str]:
        """For the hypervisor's command line."""
        return [f"gdb={self._vm.name}{',wait' if self._is_waiting else ''}", f"gdb-port={self._port}"]

    def start(self, machine: Machine) -> None:
        """The machine runs, its ports are connected."""
        self._bridge = Bridge(machine.ports[self._port], self._listener)
        self._bridge.start()
        port = self._listener.getsockname()[1]
        what = "waits for gdb" if self._is_waiting else "can be debugged"
        print(f"carousel: {self._vm.name} {what}: gdb {shlex.quote(self._vm.kernel)} "
              f"-ex 'target remote 127.0.0.1:{port}'", file=sys.stderr, flush=True)

    def stop(self) -> None:
        if self._bridge:
            self._bridge.stop()
        else:
            self._listener.close()
        self._bridge = None
