"""Serial ports of the emulated machine besides the console: this program's end of each, and a bridge
from one to a TCP port or a Unix socket of this machine."""

from __future__ import annotations

import os
import re
import selectors
import socket
import threading
from typing import Callable

from .common import Failure

# name: I/O port, interrupt, QEMU's index
COM = {"com1": (0x3f8, 4, 0), "com2": (0x2f8, 3, 1), "com3": (0x3e8, 4, 2), "com4": (0x2e8, 3, 3)}


LPT = "lpt1"  # the parallel port, for files only


class Port:
    """The other end of a serial port: a TCP connection on this machine that the emulator makes. The
    emulator waits when nobody reads, so somebody must."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._line: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where the emulator is to connect to."""
        assert self._listener
        return self._listener.getsockname()

    def accept(self, seconds: float) -> bool:
        """Whether the emulator has connected within the time."""
        assert self._listener
        self._listener.settimeout(seconds)
        try:
            self._line, _ = self._listener.accept()
        except socket.timeout:
            return False
        self._line.settimeout(None)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listener.close()
        self._listener = None
        return True

    def fileno(self) -> int:
        assert self._line
        return self._line.fileno()

    def receive(self) -> bytes:
        """What has come, after waiting for it; b"" when the emulator has ended."""
        if not self._line:
            return b""
        try:
            # Bochs sends byte by byte, and each byte waits for the acknowledgement of those before it.
            self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            return self._line.recv(65536)
        except OSError:
            return b""

    def send(self, data: bytes) -> None:
        try:
            if self._line:
                self._line.sendall(data)
        except OSError:
            pass  # the emulator has just ended; the reader notices

    def close(self) -> None:
        """Wakes whoever receives, too."""
        for end in (self._listener, self._line):
            if end:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()


def bochs_config(ports: list[Port], files: dict[str, str]) -> str:
    """Lines of a bochsrc: ports to this program, and ports that are written into files."""
    lines = [f"{port.name}: enabled=1, mode=socket-client, dev={port.address[0]}:{port.address[1]}\n"
             for port in ports]
    lines += [f"parport1: enabled=1, file={path}\n" if name == LPT else
              f"{name}: enabled=1, mode=file, dev={path}\n" for name, path in files.items()]
    return "".join(lines)


def qemu_arguments(ports: list[Port], files: dict[str, str]) -> list[str]:
    chardevs = {port.name: f"socket,host={port.address[0]},port={port.address[1]}" for port in ports}
    chardevs |= {name: f"file,path={path}" for name, path in files.items() if name != LPT}
    arguments = ["-parallel", f"file:{files[LPT]}"] if LPT in files else []
    for name, what in chardevs.items():
        iobase, irq, index = COM[name]
        kind, _, rest = what.partition(",")
        arguments += ["-chardev", f"{kind},id={name},{rest}", "-device",
                      f"isa-serial,chardev={name},index={index},iobase={iobase:#x},irq={irq}"]
    return arguments


def listen(address: str) -> socket.socket:
    """Listens at HOST:PORT, PORT (of 127.0.0.1), or the path of a Unix socket (with a `/` in it)."""
    try:
        if "/" in address:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(address)
            listener.listen(1)
            return listener
        match = re.fullmatch(r"(?:(.*):)?(\d+)", address)
        if not match or int(match[2]) > 65535:
            raise Failure(f"{address!r} is no address to listen at",
                          "write HOST:PORT, PORT or the path of a socket, with a / in it")
        return socket.create_server((match[1] or "127.0.0.1", int(match[2])), backlog=1)
    except OSError as error:
        raise Failure(f"cannot listen at {address}: {error.strerror or error}",
                      "choose a free port, or remove the old socket") from error


class Bridge:
    """Joins a serial port to an address of this machine, for one client at a time; what comes while
    there is none is dropped. `on_open` and `on_close` are told of clients, in the bridge's thread."""

    def __init__(self, port: Port, listener: socket.socket, on_open: Callable[[], None] = lambda: None,
                 on_close: Callable[[], None] = lambda: None) -> None:
        self._port, self._listener = port, listener
        self._on_open, self._on_close = on_open, on_close
        self._client: socket.socket | None = None
        self._path = listener.getsockname() if listener.family == socket.AF_UNIX else ""
        self._wake, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.join(0.5)  # when the emulator has ended: what it said last is handed on
        os.write(self._woken, b"x")
        self._thread.join()
        for end in (self._wake, self._woken):
            os.close(end)
        self._listener.close()
        if self._path:
            os.unlink(self._path)

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            selector.register(self._port, selectors.EVENT_READ, self._from_port)
            selector.register(self._listener, selectors.EVENT_READ, self._accept)
            while True:
                for key, _ in selector.select():
                    if key.data is None or not key.data(selector):
                        self._drop(selector)
                        return

    def _accept(self, selector: selectors.BaseSelector) -> bool:
        client, _ = self._listener.accept()
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._client:
            client.close()  # there is one
            return True
        self._client = client
        selector.register(client, selectors.EVENT_READ, self._from_client)
        self._on_open()
        return True

    def _from_port(self, selector: selectors.BaseSelector) -> bool:
        data = self._port.receive()
        if self._client and data:
            try:
                self._client.sendall(data)
            except OSError:
                self._drop(selector)
        return bool(data)

    def _from_client(self, selector: selectors.BaseSelector) -> bool:
        if not self._client:
            return True  # dropped in this very round
        try:
            data = self._client.recv(4096)
        except OSError:
            data = b""
        if data:
            self._port.send(data)
        else:
            self._drop(selector)
        return True

    def _drop(self, selector: selectors.BaseSelector) -> None:
        if self._client:
            selector.unregister(self._client)
            self._client.close()
            self._client = None
            self._on_close()
