"""Runs an image on a machine: shows COM1 live, matches console text, steers Carousel by its control
channel, and finds the exit status."""

from __future__ import annotations

import os
import re
import selectors
import signal
import time
from dataclasses import dataclass, field
from typing import Callable

from .common import (STATUS_HYPERVISOR, STATUS_OK, STATUS_SIGNAL, STATUS_TIMEOUT,
                     STATUS_VM_FAILED)
from .console import (Decoder, Event, Line, command_quit, command_raw, command_room,
                      command_verdict)
from .keys import HELP, KeyFilter, Typed
from .machines import Machine
from .terminal import Terminal

STOP_SECONDS = 10.0   # from Carousel's last line to the emulator's own end
GRACE_SECONDS = 5.0   # from a `quit` or the time limit to Carousel's last line
SILENCE_SECONDS = 10.0


@dataclass
class Watch:
    """What to look for on one VM's console."""

    expect: list[str] = field(default_factory=list)
    fail_on: list[str] = field(default_factory=list)
    is_background: bool = False


@dataclass
class Result:
    """How a run went. `status` is the exit status, `why` says it in words."""

    status: int
    why: str
    lines: list[Line]
    seconds: float
    first_guest_line: float | None = None
    verdicts: dict[str, Line] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)  # when each line came, seconds from the start

    def guest_lines(self, vm: str) -> list[str]:
        return [line.text for line in self.lines if line.kind == "guest" and line.vm == vm]


class Stopped(Exception):
    """SIGINT or SIGTERM came."""


def _on_signal(number, _frame):
    raise Stopped(signal.Signals(number).name)


class Run:
    """One run of one machine, from its start to its end."""

    def __init__(self, machine: Machine, watch: dict[str, Watch], timeout: float = 0,
                 terminal: Terminal | None = None, has_progress: bool = False,
                 console: str = "", at_end: Callable[[], None] | None = None,
                 replies: list[tuple[str, bytes]] | None = None) -> None:
        self.machine = machine
        self.console = console  # the VM whose console is raw from the start
        self._decoder = Decoder()
        self._keys = KeyFilter()
        self._typed = Typed(command_room())
        self._reading: int | None = None  # where keys are read from
        self._has_input = False   # Carousel serves input
        self.watch = watch
        self.timeout = timeout
        self.terminal = terminal or Terminal(is_shown=False)
        self.has_progress = has_progress
        self.replies = [(re.compile(pattern), data) for pattern, data in replies or []]
        self.at_end = at_end  # is called at Carousel's last line; the machine need not stop by itself
        self.patterns = {vm: ([re.compile(text) for text in what.expect],
                              [re.compile(text) for text in what.fail_on])
                         for vm, what in watch.items()}
        self.lines: list[Line] = []
        self.times: list[float] = []
        self.verdicts: dict[str, Line] = {}
        self.decided: set[str] = set()
        self.end: Line | None = None
        self.first_guest_line: float | None = None
        self.is_timed_out = False
        self.is_quit = False
        self._began = self._last_output = time.monotonic()
        self._deadline: float | None = self._began + timeout if timeout else None

    def execute(self, image: str) -> Result:
        """Runs the image to its end. SIGINT, SIGTERM and SIGHUP end the machine, too."""
        handlers = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                handlers[number] = signal.signal(number, _on_signal)
        except ValueError:
            pass  # not the main thread: the caller minds the signals
        stopped = ""
        try:
            self.machine.start(image)
            with open(os.path.join(self.machine.log_dir, "console.log"), "wb") as log, self.terminal:
                self._loop(log)
        except Stopped as signal_name:
            stopped = str(signal_name)
        finally:
            self.machine.stop()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        for event in self._decoder.flush():
            self._serve(event)
        status, why = (STATUS_SIGNAL, f"stopped by {stopped}") if stopped else self._judge()
        return Result(status, why, self.lines, time.monotonic() - self._began,
                      self.first_guest_line, self.verdicts, self.times)

    def _loop(self, log) -> None:
        with selectors.SelectSelector() as selector:
            selector.register(self.machine.output, selectors.EVENT_READ, "output")
            while True:
                self._mind_input(selector)
                for key, _ in selector.select(0.25):
                    if key.data == "keys":
                        self._type()
                        continue
                    try:
                        data = os.read(key.fd, 65536)
                    except ConnectionResetError:
                        data = b""
                    if not data:
                        self.machine.wait(STOP_SECONDS)
                        return
                    log.write(data)
                    log.flush()
                    self._last_output = time.monotonic()
                    for event in self._decoder.feed(data):
                        self._serve(event)
                if self._is_over():
                    return

    def _is_over(self) -> bool:
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            if self.end or self.is_timed_out or self.is_quit:
                return True
            self.is_timed_out = True
            self._deadline = now + GRACE_SECONDS
            self.terminal.note(f"the time ran out ({self.timeout:g} s)")
            for vm in self.watch:
                if vm not in self.verdicts:
                    self.machine.send(command_verdict(vm, False, "the time ran out"))
            self.machine.send(command_quit())
        if self.has_progress and now - self._last_output >= SILENCE_SECONDS:
            self._last_output = now
            open_vms = ", ".join(vm for vm in self.watch if vm not in self.verdicts)
            what = (f"nothing new on the console ({open_vms})" if open_vms else
                    "nothing new on the console") if self.lines else "GRUB loads the images"
            self.terminal.note(f"{now - self._began:.0f} s: working, {what}")
        return False

    def _mind_input(self, selector: selectors.BaseSelector) -> None:
        """Sends what there is room for, and reads on what is typed unless too much waits."""
        out = self._typed.take(time.monotonic())
        if out:
            self.machine.send(out)
        source = None if self._typed.is_full() else self.terminal.input
        if source != self._reading:
            if self._reading is not None:
                selector.unregister(self._reading)
            if source is not None:
                selector.register(source, selectors.EVENT_READ, "keys")
            self._reading = source

    def _type(self) -> None:
        """Takes what was typed. The end of the input is no more than that: the run goes on."""
        assert self.terminal.input is not None
        try:
            data = os.read(self.terminal.input, 4096)
        except OSError:
            data = b""  # the terminal has gone
        if not data:
            self.terminal.input = None
        keys = self._keys
        keys.is_raw = bool(self._decoder.raw_vm)
        self._typed.add(keys.feed(data))
        if keys.wants_help:
            keys.wants_help = False
            names = ", ".join(f"{number % 10} {vm}" for number, vm in enumerate(list(self.watch)[:10], 1))
            self.terminal.note(f"{HELP}. The VMs: {names}")
        if keys.wants_quit and not self.is_quit:
            self.is_quit = True
            self.machine.send(command_quit())
            self._deadline = time.monotonic() + GRACE_SECONDS

    def _serve(self, event: Event) -> None:
        if event.text:
            self.terminal.show(event.text)
        if event.raw:
            self.terminal.show_raw(event.raw)
        line = event.line
        if not line:
            return
        # Among raw bytes only what was asked for, the table, is shown; the log has all.
        if event.is_in_raw and line.kind == "other":
            self.terminal.show_between(line.text)
        if line.kind == "input":
            if not self._has_input:
                self._has_input = True
                self._typed.begin()
                if self.console:
                    self.machine.send(command_raw(self.console))
            elif event.is_in_raw:
                self.terminal.note(f"{line.vm}'s console (Ctrl-A h: the keys)")
        elif line.kind == "room":
            self._typed.answer(line.status, time.monotonic())
        self._take(line)

    def _take(self, line: Line) -> None:
        self.lines.append(line)
        self.times.append(time.monotonic() - self._began)
        if self.replies and self.replies[0][0].search(line.text):
            self.machine.send(self.replies.pop(0)[1])
        if line.kind == "verdict":
            self.verdicts[line.vm] = line
        elif line.kind == "end":
            self.end = line
            seconds = STOP_SECONDS
            if self.at_end:
                self.at_end()
                seconds = GRACE_SECONDS / 5
            self._deadline = time.monotonic() + seconds
        elif line.kind == "guest":
            if self.first_guest_line is None:
                self.first_guest_line = time.monotonic() - self._began
            self._match(line)

    def _match(self, line: Line) -> None:
        if line.vm not in self.patterns or line.vm in self.decided or line.vm in self.verdicts:
            return
        expect, fail_on = self.patterns[line.vm]
        for patterns, is_ok, word in ((fail_on, False, "--fail-on"), (expect, True, "--expect")):
            for pattern in patterns:
                if pattern.search(line.text):
                    self.decided.add(line.vm)
                    self.machine.send(command_verdict(line.vm, is_ok, f"{word} {pattern.pattern}"))
                    return

    def _judge(self) -> tuple[int, str]:
        if self.is_timed_out:
            return STATUS_TIMEOUT, f"the time ran out ({self.timeout:g} s)"
        if self.end is None:
            if self.is_quit:
                return STATUS_VM_FAILED, "quit from the keyboard; Carousel did not answer"
            code = self.machine.process.returncode if self.machine.process else None
            return STATUS_HYPERVISOR, ("the machine stopped without Carousel's last line "
                                       f"(the emulator's status: {code})")
        status, why = self.end.status, self.end.text
        if status not in (STATUS_OK, STATUS_VM_FAILED, 2, STATUS_HYPERVISOR):
            return STATUS_HYPERVISOR, f"Carousel ended with the unknown status {status}: {why}"
        if status != STATUS_OK:
            return status, why
        waited = [vm for vm, what in self.watch.items() if not what.is_background]
        silent = [vm for vm in waited if vm not in self.verdicts]
        if silent:
            return STATUS_HYPERVISOR, f"no verdict for {', '.join(silent)} though all is said to be well"
        failed = [vm for vm in waited if not self.verdicts[vm].ok]
        if failed:
            return STATUS_VM_FAILED, f"{', '.join(failed)} failed"
        if not self.machine.has_ended_well():
            code = self.machine.process.returncode if self.machine.process else None
            return STATUS_HYPERVISOR, f"the machine did not stop as it should (its status: {code})"
        return status, why


def guest_status(result: Result, vm: str) -> int:
    """The exit status for `--status guest`: the value that the only VM wrote to port 0xf4, where it
    ended that way; else the run's own."""
    verdict = result.verdicts.get(vm)
    value = verdict.exit_value() if verdict else None
    if value is None or result.status not in (STATUS_OK, STATUS_VM_FAILED):
        return result.status
    return value & 0xff
