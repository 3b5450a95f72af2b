"""Packages: unpacked once, and what is missing is named."""

import os
import subprocess
import tempfile
import unittest
from unittest import mock

import support  # noqa: F401
from carousel_lib import debian
from carousel_lib.common import Failure


def make_package(folder: str) -> str:
    tree = os.path.join(folder, "tree")
    os.makedirs(os.path.join(tree, "DEBIAN"))
    os.makedirs(os.path.join(tree, "boot"))
    with open(os.path.join(tree, "DEBIAN", "control"), "w", encoding="utf-8") as file:
        file.write("Package: toy\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y>\nDescription: toy\n")
    with open(os.path.join(tree, "boot", "toy-1.bin"), "w", encoding="utf-8") as file:
        file.write("toy")
    path = os.path.join(folder, "toy_1_all.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, path], check=True,
                   stdout=subprocess.DEVNULL)
    return path


class Unpack(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.asked = []

        def download(package: str, _folder: str) -> str:
            self.asked.append(package)
            source = os.path.join(self.folder, f"source{len(self.asked)}")
            os.mkdir(source)
            return make_package(source)

        patch = mock.patch.object(debian, "_download", download)
        patch.start()
        self.addCleanup(patch.stop)

    def test_once(self):
        target = os.path.join(self.folder, "out")
        for _ in range(2):
            path = debian.unpack(lambda: "toy", target, "boot/toy-*.bin")
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), "toy")
        self.assertEqual(self.asked, ["toy"])
        # The archive itself is not kept.
        self.assertEqual(os.listdir(target), ["root"])

    def test_wanted_file_is_not_there(self):
        with self.assertRaisesRegex(Failure, "toy_1_all.deb has no boot/other"):
            debian.unpack("toy", os.path.join(self.folder, "out"), "boot/other")


class Fetch(unittest.TestCase):
    def test_reason_is_the_last_line(self):
        with self.assertRaisesRegex(Failure, "`sh -c .*failed: E: no such package"):
            debian.output_of("sh", "-c", "echo Reading lists; echo E: no such package; exit 100")

    def test_dependency(self):
        text = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n"
        with mock.patch.object(debian, "output_of", return_value=text):
            self.assertEqual(debian.dependency("m", r"linux-image-6\.1\.[0-9-]+-amd64"),
                             "linux-image-6.1.0-56-amd64")
            with self.assertRaisesRegex(Failure, "m depends on nothing like cloud"):
                debian.dependency("m", "cloud")


if __name__ == "__main__":
    unittest.main()
