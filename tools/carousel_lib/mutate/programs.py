"""The unit programs over the pure code as one shared object: a mutation costs one compilation and one link,
and no program is linked again. A program's own functions of the same names come first, as with the archive."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass

# No leak check (a thread that is killed leaves some), no word about what a program defines itself, no swap.
ENVIRONMENT = {"ASAN_OPTIONS": "detect_odr_violation=0:detect_leaks=0:hard_rss_limit_mb=1500:allocator_may_return_null=1"}


class Broken(Exception):
    """The tree as it is does not build or pass."""


@dataclass
class Program:
    name: str
    seconds: float  # of CPU, as the code is
    needs: set[str]  # objects that it links
    names: set[str]  # objects that it calls itself


def copy_tree(root: str, to: str) -> None:
    """What git would have of `root`; a file that is the same stays, so that make leaves its object alone."""
    done = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"], check=True,
                          stdout=subprocess.PIPE, text=True)
    wanted = {name for name in done.stdout.split("\0") if name and os.path.isfile(os.path.join(root, name))}
    for folder, folders, files in os.walk(to):
        if folder == to and "build" in folders:
            folders.remove("build")
        for name in files:
            if os.path.relpath(os.path.join(folder, name), to) not in wanted:
                os.unlink(os.path.join(folder, name))
    for name in wanted:
        source, target = os.path.join(root, name), os.path.join(to, name)
        if not os.path.exists(target) or read_bytes(source) != read_bytes(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)


def read_bytes(path: str) -> bytes:
    with open(path, "rb") as f:
        return f.read()


class Suite:
    """The programs of a copied tree, built by `make mutate-build` there. `cc` compiles and `link` links, as
    the Makefile says; `plain` compiles as for the target, to see whether a change is one."""

    def __init__(self, tree: str, cc: list[str], link: list[str], plain: list[str], sources: list[str]) -> None:
        self.tree, self.cc, self.link_flags, self.plain = tree, cc, link, plain
        self.host = os.path.join(tree, "build/mutate")
        self.objects = {source: source[:-2] + ".o" for source in sources}
        self.library = os.path.join(self.host, "changed/libpure.so")
        self.programs: list[Program] = []
        self.kills: dict[tuple[str, str], int] = defaultdict(int)

    def prepare(self) -> None:
        """Finds out who links what, and that all pass."""
        os.makedirs(os.path.dirname(self.library), exist_ok=True)
        shutil.copy(os.path.join(self.host, "libpure.so"), self.library)
        fakes = [os.path.join("tests/unit/fakes", f) for f in sorted(os.listdir(os.path.join(self.host, "tests/unit/fakes")))
                 if f.endswith(".o")]
        self.members = sorted(self.objects.values()) + fakes + ["font.o"]
        defines: dict[str, str] = {}
        wants: dict[str, set[str]] = {}
        tests = sorted(f[:-2] for f in os.listdir(os.path.join(self.host, "tests/unit")) if f.startswith("test_") and f.endswith(".o"))
        for path in self.members:
            mine, wants[path] = self.symbols(path)
            defines.update(dict.fromkeys(mine, path))
        for test in tests:
            if not os.path.exists(os.path.join(self.host, test)):
                continue
            mine, direct = self.symbols(f"tests/unit/{test}.o")
            names = {defines[s] for s in direct if s in defines}
            needs, todo = set(names), list(names)
            while todo:
                for symbol in wants[todo.pop()] - mine:
                    path = defines.get(symbol)
                    if path and path not in needs:
                        needs.add(path)
                        todo.append(path)
            self.programs.append(Program(test, 0.0, needs, names))
        for program in self.programs:
            began = time.process_time()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            if not self.passes(program, 120):
                raise Broken(f"{program.name} fails on the code as it is")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            program.seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime + time.process_time() - began

    def symbols(self, path: str) -> tuple[set[str], set[str]]:
        """What an object defines and what it wants."""
        done = subprocess.run(["nm", "-g", "--", os.path.join(self.host, path)], check=True, stdout=subprocess.PIPE, text=True)
        rows = [line.split() for line in done.stdout.splitlines()]
        return {r[-1] for r in rows if r[-2] != "U"}, {r[-1] for r in rows if r[-2] == "U"}

    def relevant(self, source: str) -> list[Program]:
        """The programs that link an object, the likeliest first: who has killed one of its mutations, who is
        named like it, who calls it, who is quick."""
        path = self.objects[source]
        stem = os.path.basename(source)[:-2]
        rows = [p for p in self.programs if path in p.needs]
        return sorted(rows, key=lambda p: (-min(self.kills[p.name, source], 3), p.name != "test_" + stem, path not in p.names,
                                           p.seconds, p.name))

    def compile(self, source: str, text: str, flags: list[str], to: str) -> bool:
        """`text` in `source`'s place."""
        path = os.path.join(self.host, "changed", source)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        done = subprocess.run([*flags, "-c", "-o", to, os.path.relpath(path, self.tree)], cwd=self.tree,
                              stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def build(self, source: str, text: str) -> bool:
        """The shared object with `text` in `source`'s place; False when that does not compile."""
        changed = os.path.join(self.host, "changed.o")
        if not self.compile(source, text, self.cc, changed):
            return False
        mine = self.objects[source]
        paths = [changed if path == mine else path for path in self.members]
        done = subprocess.run([*self.link_flags, "-shared", "-o", self.library, "@missing", *paths], cwd=self.host,
                              stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def is_same(self, source: str, old: str, new: str) -> bool:
        """Whether the target's object is the same, byte for byte."""
        objects = []
        for text in (old, new):
            path = os.path.join(self.host, "plain.o")
            if not self.compile(source, text, self.plain, path):
                return False
            objects.append(read_bytes(path))
        return objects[0] == objects[1]

    def killer(self, source: str) -> str | None:
        """The first program that fails with the shared object as it is now."""
        for program in self.relevant(source):
            if not self.passes(program, 3 + 10 * program.seconds):
                self.kills[program.name, source] += 1
                return program.name
        return None

    def passes(self, program: Program, cpu_seconds: float) -> bool:
        """Runs it, for so long of CPU time: a machine with other work kills nothing."""
        limit = max(int(cpu_seconds), 1)

        def limits() -> None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        child = subprocess.Popen([os.path.join(self.host, program.name)], cwd=self.tree, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=limits,
                                 start_new_session=True, env={**os.environ, **ENVIRONMENT, "LD_LIBRARY_PATH": os.path.dirname(self.library)})
        try:
            return child.wait(timeout=60 + 10 * cpu_seconds) == 0
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return False
