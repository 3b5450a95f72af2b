"""The real gdb at a guest of a whole-system test: what it is told, and what it must say."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time

from carousel_lib.machines import Machine
from carousel_lib.ports import Bridge, listen

# A command file's line that asks for Ctrl-C, half a second after it was reached.
INTERRUPT = "echo INTERRUPT\\n"
# What stands for where the guest can be reached.
ADDRESS = "ADDRESS"
END_SECONDS = 10

TRY_IT = """\
python
def try_it(command):
    try:
        gdb.execute(command)
    except gdb.error as error:
        print(error)
end"""


def has_gdb() -> bool:
    return shutil.which("gdb") is not None


class Gdb:
    """A companion of the machine: gdb in batch mode, joined to COM2."""

    def __init__(self, kernel: str, commands: list[tuple[str, str]], log_dir: str) -> None:
        self._kernel, self._commands = kernel, commands
        self._log = os.path.join(log_dir, "gdb.log")
        self._process: subprocess.Popen | None = None
        self._bridge: Bridge | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.text = ""

    def start(self, machine: Machine) -> None:
        listener = listen("127.0.0.1:0")
        self._bridge = Bridge(machine.ports["com2"], listener)
        self._bridge.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        setup = ["set pagination off", "set remotetimeout 60", TRY_IT, f"target remote {address}"]
        script = self._log + ".commands"
        with open(script, "w", encoding="utf-8") as file:
            file.write("\n".join(setup) + "\n")
            for number, (command, _) in enumerate(self._commands):
                # A command that fails ends a command file: Python's does not.
                file.write(f"echo [{number}] \\n\npython try_it({command.replace(ADDRESS, address)!r})\n")
        self._process = subprocess.Popen(["gdb", "-nx", "-batch", self._kernel, "-x", script],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, errors="replace")
        self._thread.start()

    def _read(self) -> None:
        assert self._process and self._process.stdout
        with open(self._log, "w", encoding="utf-8") as log:
            for line in self._process.stdout:
                log.write(line)
                self.text += line
                if line == "INTERRUPT\n":
                    time.sleep(0.5)
                    self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        if self._process:
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self.text += "\n(gdb did not end)\n"
            self._thread.join(END_SECONDS)
        if self._bridge:
            self._bridge.stop()

    def problems(self) -> list[str]:
        """The answers that are not as they must be."""
        answers = re.split(r"^\[(\d+)\] \n", self.text, flags=re.M)
        said = dict(zip(answers[1::2], answers[2::2]))
        found = []
        for number, (command, pattern) in enumerate(self._commands):
            answer = said.get(str(number))
            if answer is None:
                found.append(f"gdb did not come to '{command}':\n{self.text[-1000:]}")
                break
            if not re.search(pattern, answer, re.S):
                found.append(f"gdb's answer to '{command}' lacks /{pattern}/:\n{answer}")
        return found
