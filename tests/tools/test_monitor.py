"""The monitor's script: its lines, its own steps, and what becomes of answers."""

import os
import socket
import tempfile
import unittest

import support  # noqa: F401
from carousel_lib import monitor
from carousel_lib.common import Failure, STATUS_OK, STATUS_TIMEOUT, STATUS_VM_FAILED
from carousel_lib.console import parse_line
from carousel_lib.ports import Port
from carousel_lib.run import Result


class Script(unittest.TestCase):
    def test_lines(self):
        steps = monitor.parse_script("# all\n\n vms \nwait 0.5\nwait-for a\\| x+\n", "f")
        self.assertEqual([(step.number, step.text) for step in steps],
                         [(3, "vms"), (4, "wait 0.5"), (5, "wait-for a\\| x+")])
        self.assertEqual(steps[1].seconds, 0.5)
        self.assertTrue(steps[2].pattern.search("a| xx"))

    def test_bad_lines_are_named(self):
        for bad in ("wait long", "wait", "wait-for ("):
            with self.assertRaises(Failure) as caught:
                monitor.parse_script("vms\n" + bad, "f")
            self.assertIn("f:2: ", str(caught.exception))


class FakeMachine:
    def __init__(self, log_dir):
        self.log_dir = log_dir
        self.ports = {"com2": Port("com2")}
        self.sent = b""

    def send(self, data):
        self.sent += data


class FakeTerminal:
    def note(self, _text):
        pass


class FakeRun:
    def __init__(self):
        self.lines = []
        self.terminal = FakeTerminal()


class Served(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.machine = FakeMachine(folder.name)
        port = self.machine.ports["com2"]
        self.carousel = socket.create_connection(port.address)
        self.assertTrue(port.accept(5))
        self.addCleanup(self.carousel.close)
        self.run_ = FakeRun()

    def begin(self, script):
        self.monitor = monitor.Monitor("com2", "f", monitor.parse_script(script, "f"), "")
        self.monitor.attach(self.run_)
        self.monitor.start(self.machine)

    def answer(self, wanted, text):
        self.assertEqual(self.carousel.recv(64), wanted)
        self.carousel.sendall(text)

    def end(self):
        self.carousel.shutdown(socket.SHUT_RDWR)
        self.monitor.stop()

    def judged(self, status):
        result = Result(status, "", [], 0)
        self.monitor.judge(result)
        return result

    def log(self):
        with open(os.path.join(self.machine.log_dir, "monitor.log"), encoding="utf-8") as file:
            return file.read()

    def test_answers_are_kept(self):
        self.begin("vms\nquit")
        self.carousel.sendall(b"noise\nmonitor: ready\n")
        self.answer(b"vms\n", b"VM\na\no")
        self.carousel.sendall(b"k\n")
        self.assertEqual(self.carousel.recv(64), b"quit\n")
        self.end()  # the last command's answer need not come
        self.assertEqual(self.log(), "monitor> vms\nVM\na\nok\nmonitor> quit\n")
        self.assertEqual(self.judged(STATUS_OK).status, STATUS_OK)

    def test_an_error_ends_the_run(self):
        self.begin("vms\nkill b\nvms")
        self.carousel.sendall(b"monitor: ready\n")
        self.answer(b"vms\n", b"ok\n")
        self.answer(b"kill b\n", b"error: there is no VM 'b'\n")
        self.end()
        self.assertIn("f:2: 'kill b': error: there is no VM 'b'", self.monitor.error)
        self.assertIn(b":quit", self.machine.sent)
        self.assertEqual(self.judged(STATUS_OK).status, STATUS_VM_FAILED)
        self.assertIn("f:2", self.judged(STATUS_OK).why)
        self.assertEqual(self.judged(STATUS_TIMEOUT).status, STATUS_TIMEOUT)

    def test_a_script_that_is_not_done(self):
        self.begin("vms\nvms")
        self.carousel.sendall(b"monitor: ready\n")
        self.assertEqual(self.carousel.recv(64), b"vms\n")
        self.end()
        self.assertIn("ended before the answer", self.monitor.error)

    def test_waits_for_lines_one_behind_the_other(self):
        self.begin("wait-for a\\| x\nwait-for a\\| x\nvms")
        self.run_.lines.append(parse_line("a| x"))
        self.carousel.sendall(b"monitor: ready\n")
        self.carousel.settimeout(0.2)
        with self.assertRaises(socket.timeout):
            self.carousel.recv(64)
        self.carousel.settimeout(5)
        self.run_.lines.append(parse_line("a| x"))
        self.answer(b"vms\n", b"ok\n")
        self.end()
        self.assertEqual(self.monitor.error, "")

    def test_waits_in_vain(self):
        self.begin("wait-for nothing")
        self.carousel.sendall(b"monitor: ready\n")
        self.end()
        self.assertIn("no line of the console had that", self.monitor.error)


if __name__ == "__main__":
    unittest.main()
