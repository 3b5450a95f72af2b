"""`run --monitor-script FILE` and `run --monitor-port ADDRESS`: Carousel's monitor (docs/monitor.md) at a
serial port of its own. A command is a line; its answer ends with a line `ok` or `error: WHY`."""

from __future__ import annotations

import argparse
import os
import re
import threading
import time
from dataclasses import dataclass

from .common import Failure, STATUS_OK, STATUS_VM_FAILED
from .console import Line, command_quit
from .machines import Machine, Options
from .ports import COM, Bridge, Port, listen
from .run import Result, Run

READY = "monitor: ready"
LOG = "monitor.log"


@dataclass(frozen=True)
class Step:
    """A line of a script: a command of Carousel's, or `wait` or `wait-for` of our own."""

    number: int
    text: str
    seconds: float = 0
    pattern: re.Pattern | None = None


def parse_script(text: str, name: str) -> list[Step]:
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        try:
            if word == "wait":
                steps.append(Step(number, line, seconds=float(rest)))
            elif word == "wait-for":
                steps.append(Step(number, line, pattern=re.compile(rest.strip())))
            else:
                steps.append(Step(number, line))
        except (ValueError, re.error) as error:
            raise Failure(f"{name}:{number}: {line!r}: {error}",
                          "`wait SECONDS`, `wait-for REGEX`, or a command of docs/monitor.md") from error
    return steps


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--monitor-script", metavar="FILE", help="give the monitor these commands, one a line, when "
                        "it is ready; `wait SECONDS` and `wait-for REGEX` (a console line) are there, too; an "
                        "`error:` ends the run as failed")
    parser.add_argument("--monitor-port", metavar="ADDRESS", help="the monitor for programs: its commands at a TCP "
                        "port of this machine ([HOST:]PORT), or a socket's path (with a / in it)")


def prepare(arguments: argparse.Namespace, options: Options) -> "Monitor | None":
    """What the run needs for these options; takes a serial port that is free."""
    if not arguments.monitor_script and not arguments.monitor_port:
        return None
    if arguments.monitor_script and arguments.monitor_port:
        raise Failure("--monitor-script and --monitor-port both want the monitor's port", "give one of them")
    steps = []
    if arguments.monitor_script:
        try:
            with open(arguments.monitor_script, encoding="utf-8") as file:
                steps = parse_script(file.read(), arguments.monitor_script)
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"--monitor-script {arguments.monitor_script}: {error}") from error
    free = [name for name in COM
            if name != "com1" and name not in options.ports and name not in options.port_files]
    if not free:
        raise Failure("no serial port is left for the monitor", "give up one of the other ports")
    options.ports.append(free[0])
    return Monitor(free[0], arguments.monitor_script or "", steps, arguments.monitor_port or "")


class Monitor:
    """A companion of the machine: its serial port, and the script or the bridge."""

    def __init__(self, port: str, name: str, steps: list[Step], address: str) -> None:
        self._name, self._steps = port, steps
        self._script = name
        self._listener = listen(address) if address else None
        self._address = address
        self._bridge: Bridge | None = None
        self._thread: threading.Thread | None = None
        self._port: Port | None = None
        self._machine: Machine | None = None
        self._run: Run | None = None
        self._is_over = threading.Event()
        self._text = b""     # received, and no whole line yet
        self._seen = 0       # console lines that `wait-for` is past
        self.error = ""

    def words(self) -> list[str]:
        """For the hypervisor's command line."""
        return [f"monitor={self._name}"]

    def attach(self, run: Run) -> None:
        """Whose console `wait-for` looks at, and whose terminal shows the answers."""
        self._run = run

    def start(self, machine: Machine) -> None:
        self._machine, self._port = machine, machine.ports[self._name]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The machine has ended."""
        self._is_over.set()
        if self._bridge:
            self._bridge.stop()
        elif self._listener:
            self._listener.close()
        if self._port and self._thread:
            self._thread.join(0.5)  # what came last
            self._port.close()
            self._thread.join()

    def judge(self, result: Result) -> None:
        """What was wrong with the script is the run's failure, unless there is a worse one."""
        if self.error and result.status in (STATUS_OK, STATUS_VM_FAILED):
            result.status, result.why = STATUS_VM_FAILED, f"--monitor-script: {self.error}"

    # The thread.

    def _serve(self) -> None:
        while (line := self._read_line()) is not None and line != READY:
            pass
        if line is None:
            if self._steps:
                self.error = "the monitor never was ready"
            return
        if self._listener:
            assert self._port
            self._bridge = Bridge(self._port, self._listener)
            self._bridge.start()
            self._show(f"the monitor is at {self._address}")
            return
        assert self._machine
        with open(os.path.join(self._machine.log_dir, LOG), "w", encoding="utf-8") as log:
            for at, step in enumerate(self._steps):
                if not self._do(step, log, is_last=at == len(self._steps) - 1):
                    self._machine.send(command_quit())
                    return
        # Carousel must not wait for somebody who reads.
        while self._read_line() is not None:
            pass

    def _show(self, text: str) -> None:
        if self._run:
            self._run.terminal.note(text)

    def _read_line(self) -> str | None:
        """The next line; None when the emulator has ended."""
        assert self._port
        while b"\n" not in self._text:
            data = self._port.receive()
            if not data:
                return None
            self._text += data
        line, _, self._text = self._text.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    def _do(self, step: Step, log, is_last: bool) -> bool:
        place = f"{self._script}:{step.number}: {step.text!r}"
        if step.pattern:
            if self._wait_for(step.pattern):
                return True
            self.error = f"{place}: the run ended, and no line of the console had that"
            return False
        if step.seconds:
            self._is_over.wait(step.seconds)
            return True
        self._tell(log, f"monitor> {step.text}")
        assert self._port
        self._port.send(step.text.encode() + b"\n")
        while (line := self._read_line()) is not None:
            self._tell(log, line)
            if line == "ok":
                return True
            if line.startswith("error: "):
                self.error = f"{place}: {line}"
                return False
        if not is_last:  # the last may have been what ended it
            self.error = f"{place}: the run ended before the answer"
        return is_last

    def _tell(self, log, text: str) -> None:
        log.write(text + "\n")
        log.flush()
        self._show(text)

    def _wait_for(self, pattern: re.Pattern) -> bool:
        """Whether a console line behind the last such has the pattern, before the run ends."""
        while True:
            is_over = self._is_over.is_set()
            lines: list[Line] = self._run.lines if self._run else []
            while self._seen < len(lines):
                line = lines[self._seen]
                self._seen += 1
                if pattern.search(f"{line.vm}| {line.text}" if line.kind == "guest" else line.text):
                    return True
            if is_over:
                return False
            time.sleep(0.02)
