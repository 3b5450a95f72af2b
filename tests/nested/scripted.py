"""A run that the boot loader, and not Carousel, is to answer: what is typed after which line, and the line
that ends it well."""

from __future__ import annotations

import re

from carousel_lib.console import Line
from carousel_lib.machines import Machine
from carousel_lib.run import Run, Watch


class ScriptedRun(Run):
    def __init__(self, machine: Machine, watch: dict[str, Watch], timeout: float,
                 keys: list[tuple[str, bytes]], until: str) -> None:
        super().__init__(machine, watch, timeout)
        self._keys = list(keys)
        self._until = until
        self._is_done = False

    def _take(self, line: Line) -> None:
        super()._take(line)
        if self._keys and re.search(self._keys[0][0], line.text):
            self.machine.send(self._keys.pop(0)[1])
        if self._until and re.search(self._until, line.text):
            self._is_done = True

    def _is_over(self) -> bool:
        return self._is_done or super()._is_over()

    def _judge(self) -> tuple[int, str]:
        return (0, "the line came") if self._is_done else super()._judge()
