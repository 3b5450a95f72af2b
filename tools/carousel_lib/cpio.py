"""Writes an initrd: a cpio archive in the 'newc' format, device nodes included, without being root."""

from __future__ import annotations

import stat


class Archive:
    """Entries in the order of the calls; `data()` ends the archive."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._inode = 0

    def _entry(self, name: str, mode: int, body: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        raw = name.encode() + b"\0"
        nlink = 2 if stat.S_ISDIR(mode) else 1
        fields = (self._inode, mode, 0, 0, nlink, 0, len(body), 0, 0, device[0], device[1], len(raw), 0)
        self._out += b"070701" + b"".join(b"%08x" % value for value in fields) + raw
        self._pad()
        self._out += body
        self._pad()

    def _pad(self) -> None:
        self._out += bytes(-len(self._out) % 4)

    def folder(self, name: str) -> None:
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, body: bytes, mode: int = 0o755) -> None:
        self._entry(name, stat.S_IFREG | mode, body)

    def link(self, name: str, target: str) -> None:
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def char_device(self, name: str, major: int, minor: int) -> None:
        self._entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def data(self) -> bytes:
        self._inode = -1
        self._entry("TRAILER!!!", 0)
        return bytes(self._out)
