"""Serial ports besides the console: what the emulators are told, and the bridge to this machine."""

import os
import socket
import tempfile
import threading
import unittest

import support  # noqa: F401
from carousel_lib import ports
from carousel_lib.common import Failure


def connected():
    """A port whose other end, as an emulator would have it, is the second value."""
    port = ports.Port("com2")
    emulator = socket.create_connection(port.address)
    assert port.accept(5)
    return port, emulator


class Arguments(unittest.TestCase):
    def test_what_bochs_and_qemu_are_told(self):
        port = ports.Port("com2")
        number = port.address[1]
        self.assertEqual(ports.bochs_config([port], {"com3": "out"}),
                         f"com2: enabled=1, mode=socket-client, dev=127.0.0.1:{number}\n"
                         "com3: enabled=1, mode=file, dev=out\n")
        self.assertEqual(ports.qemu_arguments([port], {"com4": "out"}), [
            "-chardev", f"socket,id=com2,host=127.0.0.1,port={number}",
            "-device", "isa-serial,chardev=com2,index=1,iobase=0x2f8,irq=3",
            "-chardev", "file,id=com4,path=out",
            "-device", "isa-serial,chardev=com4,index=3,iobase=0x2e8,irq=3"])
        port.close()


class Bridged(unittest.TestCase):
    def bridge(self, address):
        port, emulator = connected()
        listener = ports.listen(address)
        self.has_left = threading.Event()
        bridge = ports.Bridge(port, listener, on_close=self.has_left.set)
        bridge.start()
        self.addCleanup(emulator.close)
        self.addCleanup(port.close)
        self.addCleanup(bridge.stop)
        return listener, emulator

    def exchange(self, client, emulator):
        client.sendall(b"vms\n")
        self.assertEqual(emulator.recv(64), b"vms\n")
        emulator.sendall(b"ok\n")
        self.assertEqual(client.recv(64), b"ok\n")

    def test_one_client_after_the_other(self):
        listener, emulator = self.bridge("127.0.0.1:0")
        with socket.create_connection(listener.getsockname()) as client:
            self.exchange(client, emulator)
            with socket.create_connection(listener.getsockname()) as second:
                self.assertEqual(second.recv(64), b"")  # there is one
        self.assertTrue(self.has_left.wait(5))
        with socket.create_connection(listener.getsockname()) as client:
            self.exchange(client, emulator)

    def test_a_unix_socket_is_removed_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "monitor")
            port, emulator = connected()
            bridge = ports.Bridge(port, ports.listen(path))
            bridge.start()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                self.exchange(client, emulator)
            bridge.stop()
            self.assertFalse(os.path.exists(path))
            port.close()
            emulator.close()

    def test_bad_addresses_are_named(self):
        for bad in ("", "host", "1:2:x", "127.0.0.1:70000"):
            with self.assertRaises(Failure):
                ports.listen(bad)
        with socket.create_server(("127.0.0.1", 0)) as taken, self.assertRaises(Failure) as caught:
            ports.listen(f"127.0.0.1:{taken.getsockname()[1]}")
        self.assertIn("cannot listen at 127.0.0.1", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
