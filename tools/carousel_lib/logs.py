"""The directory of one run: its raw logs stay, its image does not unless asked for."""

from __future__ import annotations

import os
import shutil
import tempfile

from .common import Failure


class LogDir:
    def __init__(self, path: str | None, is_image_kept: bool) -> None:
        if path:
            try:
                os.makedirs(path, exist_ok=True)
            except OSError as error:
                raise Failure(f"--log-dir {path}: {error.strerror}") from error
            self.path = os.path.abspath(path)
        else:
            self.path = tempfile.mkdtemp(prefix="carousel-")
        self.image = os.path.join(self.path, "image.iso")
        self._is_image_kept = is_image_kept

    def __enter__(self) -> "LogDir":
        return self

    def __exit__(self, *_exception) -> None:
        if not self._is_image_kept and os.path.lexists(self.image):
            os.unlink(self.image)

    def discard(self) -> None:
        """For a directory that nobody wants to read."""
        shutil.rmtree(self.path, ignore_errors=True)
