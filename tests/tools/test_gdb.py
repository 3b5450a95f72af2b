"""`run --gdb`: what is written, what Carousel is told, and where gdb comes to."""

import io
import socket
import unittest
from contextlib import redirect_stderr

import support  # noqa: F401
from carousel_lib.common import Failure
from carousel_lib.gdb import GdbPort
from carousel_lib.machines import Options
from carousel_lib.ports import Port
from carousel_lib.words import Vm


class FakeMachine:
    def __init__(self, name):
        self.ports = {name: Port(name)}
        self.emulator = socket.create_connection(self.ports[name].address)
        assert self.ports[name].accept(5)


class Gdb(unittest.TestCase):
    def setUp(self):
        self.vms = [Vm("a", kernel="a.elf"), Vm("b:2", kernel="the b.elf")]

    def made(self, text, options=None):
        port = GdbPort(text, self.vms, options or Options())
        self.addCleanup(port.stop)
        return port

    def test_words(self):
        options = Options()
        self.assertEqual(self.made("a:0", options).words(), ["gdb=a,wait", "gdb-port=com2"])
        self.assertEqual(options.ports, ["com2"])
        taken = Options(ports=["com2"], port_files={"com3": "out"})
        self.assertEqual(self.made("b:2:0,nowait", taken).words(), ["gdb=b:2", "gdb-port=com4"])

    def test_mistakes(self):
        for text, what in (("a", "not a VM and a port"), ("a:x", "not a VM and a port"),
                           ("a:65536", "not a VM and a port"), ("a:1,wait", "not a VM and a port"),
                           (":1", "not a VM and a port"), ("c:0", "there is no VM 'c'")):
            with self.assertRaisesRegex(Failure, what):
                GdbPort(text, self.vms, Options())

    def test_gdb_comes_to_this_machine_only(self):
        port = self.made("b:2:0")
        machine = FakeMachine("com2")
        self.addCleanup(machine.ports["com2"].close)
        self.addCleanup(machine.emulator.close)
        with redirect_stderr(io.StringIO()) as said:
            port.start(machine)
        self.assertRegex(said.getvalue(), r"b:2 waits for gdb: gdb 'the b.elf' -ex 'target remote 127.0.0.1:\d+'")
        number = int(said.getvalue().rstrip("'\n").rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", number)) as client:
            client.sendall(b"$?#3f")
            self.assertEqual(machine.emulator.recv(64), b"$?#3f")
            machine.emulator.sendall(b"+$W00#b7")
            self.assertEqual(client.recv(64), b"+$W00#b7")


if __name__ == "__main__":
    unittest.main()
