"""A run that the boot loader, and not Carousel, is to answer: a line ends it well."""

from __future__ import annotations

import re

from carousel_lib.console import Line
from carousel_lib.machines import Machine
from carousel_lib.run import Run, Watch


class ScriptedRun(Run):
    def __init__(self, machine: Machine, watch: dict[str, Watch], timeout: float,
                 replies: list[tuple[str, bytes]], until: str) -> None:
        super().__init__(machine, watch, timeout, replies=replies)
        self._until = until
        self._is_done = False

    def _take(self, line: Line) -> None:
        super()._take(line)
        if self._until and re.search(self._until, line.text):
            self._is_done = True

    def _is_over(self) -> bool:
        return self._is_done or super()._is_over()

    def _judge(self) -> tuple[int, str]:
        return (0, "the line came") if self._is_done else super()._judge()
