"""Somebody at a terminal: runs tools/carousel in a pseudo terminal, types, and looks at the screen."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

from carousel_lib.common import PROJECT
from carousel_lib.console import Decoder
from carousel_lib.run import Result

from case import Case


def command(case: Case, log_dir: str) -> list[str]:
    words = [sys.executable, os.path.join(PROJECT, "tools", "carousel"), "run", "--host", case.host,
             "--cpus", str(case.cpus), "--memory", f"{case.memory}M", "--ips", str(case.ips),
             "--timeout", str(case.timeout), "--carousel", case.carousel, "--log-dir", log_dir,
             "--option", case.words]
    if case.console:
        words += ["--console", case.console]
    words += [word.replace("LOGS", log_dir) for word in case.tool]
    if case.monitor_script:
        with open(os.path.join(log_dir, "script"), "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in case.monitor_script)
        words += ["--monitor-script", file.name]
    for guest in case.guests:
        words += ["--vm", guest.name, "--kernel", guest.kernel_path(), "--mem", guest.mem,
                  f"--append={guest.append}"]
        words += ["--initrd", guest.initrd] if guest.initrd else []
        for word in guest.words:
            words += ["--set", word]
        for pattern in guest.expect:
            words += ["--expect", pattern]
    return words


class Keyboard:
    """The person's side of the pseudo terminal."""

    def __init__(self, line: int, until: float) -> None:
        self._line, self._until = line, until
        self.screen = b""
        self._seen = 0      # what earlier steps have matched
        self._unsent = b""
        self.is_gone = False

    def turn(self) -> None:
        """Reads what has come, writes what goes."""
        readable, writable, _ = select.select([self._line], [self._line] if self._unsent else [], [], 1)
        if writable:
            self._unsent = self._unsent[os.write(self._line, self._unsent[:512]):]
        if readable:
            try:
                data = os.read(self._line, 65536)
            except OSError:
                data = b""  # so Linux says that the other side is closed
            self.is_gone = not data
            self.screen += data

    def step(self, wanted: str, keys: bytes) -> str:
        """Waits for `wanted` on the screen, then types. What is wrong, or nothing."""
        pattern = re.compile(wanted.encode(), re.S | re.M)
        while not self.is_late():
            found = pattern.search(self.screen, self._seen)
            if found:
                self._seen = found.end()
                self._unsent += keys
                return ""
            self.turn()
        return f"the screen never had /{wanted}/"

    def is_late(self) -> bool:
        return time.monotonic() >= self._until

    def to_the_end(self) -> None:
        """After the other side is closed."""
        while not self.is_gone and not self.is_late():
            self.turn()


def result_of(log: str, status: int, seconds: float) -> Result:
    """What the run's log says, with the tool's exit status."""
    decoder = Decoder()
    with open(log, "rb") as file:
        events = decoder.feed(file.read()) + decoder.flush()
    lines = [event.line for event in events if event.line]
    verdicts = {line.vm: line for line in lines if line.kind == "verdict"}
    why = next((line.text for line in lines if line.kind == "end"), "there is no last line")
    return Result(status, why, lines, seconds, verdicts=verdicts)


def play(case: Case, log_dir: str) -> tuple[Result, list[str]]:
    """The case's script, to its end: the result, and what was wrong at the terminal."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    began = time.monotonic()
    with subprocess.Popen(command(case, log_dir), stdin=theirs, stdout=theirs, stderr=theirs,
                          start_new_session=True) as process:
        keyboard = Keyboard(ours, began + case.timeout + 20)
        try:
            # Our own end of `theirs` stays open, for its settings: the end is the process's.
            wrong = next((text for step in case.script if (text := keyboard.step(*step))), "")
            while process.poll() is None and not keyboard.is_late():
                keyboard.turn()
        finally:
            process.terminate()
    problems = [wrong] if wrong else []
    if termios.tcgetattr(theirs) != before:
        problems.append("the terminal's settings are not what they were")
    os.close(theirs)
    keyboard.to_the_end()
    os.close(ours)
    with open(os.path.join(log_dir, "screen"), "wb") as file:
        file.write(keyboard.screen)
    problems += [f"the screen lacks {text!r}" for text in case.screen if text not in keyboard.screen]
    problems += [f"the screen has /{pattern!r}/" for pattern in case.not_screen
                 if re.search(pattern, keyboard.screen, re.S)]
    if case.answers:
        with open(os.path.join(log_dir, "monitor.log"), encoding="utf-8") as file:
            answers = file.read()
        problems += [f"the monitor's answers lack /{pattern}/" for pattern in case.answers
                     if not re.search(pattern, answers, re.M)]
    log = os.path.join(log_dir, "console.log")
    return result_of(log, process.returncode, time.monotonic() - began), problems
