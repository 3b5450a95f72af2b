#!/usr/bin/env python3
"""Runs the fuzz targets that are built: what `make fuzz` runs.

    tests/fuzz/run.py [--seconds N] [--jobs N] [--store] [TARGET]...

Each target first runs every input of tests/fuzz/corpus/TARGET.hex and tests/fuzz/regressions/TARGET.hex (an input
in hexadecimal a line, `#` a comment), then goes on from them for so many seconds. What it finds is in
build/fuzz/found/TARGET/, and what it has learned in build/fuzz/corpus/TARGET/, from where the next run goes on.
Executions are summed in build/fuzz/executions.tsv. --store: the smallest of what is learned, up to STORED_BYTES,
becomes tests/fuzz/corpus/TARGET.hex."""

from __future__ import annotations

import argparse
import concurrent.futures
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
FUZZ = os.path.join(PROJECT, "build", "fuzz")
COUNTS = os.path.join(FUZZ, "executions.tsv")
STORED_BYTES = 6000  # of inputs, for each target
STUCK_SECONDS = 120  # for one input, on a machine that may be busy
# Longer inputs are slower and find no more.
LENGTH = {"visible": 200, "words": 400, "efi_config": 400, "monitor": 200, "gdb": 500, "mb2": 500, "loaders": 2400,
          "acpi": 600}
LENGTH_ELSE = 300
_lock = threading.Lock()


@dataclass
class Outcome:
    target: str
    executions: int = 0
    text: str = ""  # why it failed, or nothing


def targets() -> list[str]:
    return sorted(os.path.basename(path)[5:-2] for path in glob.glob(os.path.join(HERE, "fuzz_*.c")))


def read_inputs(path: str) -> list[bytes]:
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as file:
        lines = [line.split("#")[0].strip() for line in file]
    return [bytes.fromhex(line) for line in lines if line]


def _write_inputs(folder: str, inputs: list[bytes]) -> None:
    os.makedirs(folder, exist_ok=True)
    for data in inputs:
        with open(os.path.join(folder, hashlib.sha1(data).hexdigest()), "wb") as file:
            file.write(data)


def _libfuzzer(target: str, *words: str) -> subprocess.CompletedProcess:
    found = os.path.join(FUZZ, "found", target)
    os.makedirs(found, exist_ok=True)
    # The state that lasts from run to run is no leak.
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="print_stacktrace=1")
    return subprocess.run([os.path.join(FUZZ, f"fuzz_{target}"), "-detect_leaks=0", f"-timeout={STUCK_SECONDS}",
                           f"-max_len={LENGTH.get(target, LENGTH_ELSE)}", "-verbosity=0", "-print_final_stats=1",
                           # Its bookkeeping for each run costs more than the target does.
                           "-entropic=0",
                           f"-artifact_prefix={found}/", *words], cwd=PROJECT, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def _count(target: str, executions: int) -> None:
    with _lock:
        counts = {}
        if os.path.exists(COUNTS):
            with open(COUNTS, encoding="ascii") as file:
                counts = {name: int(number) for name, number in (line.split() for line in file)}
        counts[target] = counts.get(target, 0) + executions
        with open(COUNTS, "w", encoding="ascii") as file:
            file.writelines(f"{name}\t{number}\n" for name, number in sorted(counts.items()))


def _executions(text: str) -> int:
    return sum(int(number) for number in re.findall(r"stat::number_of_executed_units: +(\d+)", text))


def run(target: str, seconds: int) -> Outcome:
    """Everything stored, then `seconds` of fuzzing."""
    if not os.path.exists(os.path.join(FUZZ, f"fuzz_{target}")):
        return Outcome(target, text="it was not built: make fuzz-build")
    stored = os.path.join(FUZZ, "stored", target)
    shutil.rmtree(stored, ignore_errors=True)
    _write_inputs(stored, read_inputs(os.path.join(HERE, "corpus", f"{target}.hex")) +
                  read_inputs(os.path.join(HERE, "regressions", f"{target}.hex")))
    learned = os.path.join(FUZZ, "corpus", target)
    os.makedirs(learned, exist_ok=True)
    total = 0
    for words in (["-runs=0", stored], [f"-max_total_time={seconds}", learned, stored]) if seconds else \
            (["-runs=0", stored],):
        done = _libfuzzer(target, *words)
        text = done.stdout.decode("utf-8", "replace")
        executions = _executions(text)
        _count(target, executions)
        total += executions
        if done.returncode:
            return Outcome(target, total, f"status {done.returncode}; the input is in build/fuzz/found/{target}/\n{text}")
    return Outcome(target, total)


def store(target: str) -> None:
    """The corpus without what adds nothing; its smallest inputs go to the tree."""
    learned = os.path.join(FUZZ, "corpus", target)
    with tempfile.TemporaryDirectory() as folder:
        merged = _libfuzzer(target, "-merge=1", folder, learned)
        if merged.returncode:
            sys.exit(merged.stdout.decode("utf-8", "replace"))
        inputs = []
        for path in glob.glob(os.path.join(folder, "*")):
            with open(path, "rb") as file:
                inputs.append(file.read())
    kept, size = read_inputs(os.path.join(HERE, "corpus", f"{target}.hex")), 0
    size = sum(len(data) for data in kept)
    for data in sorted(inputs, key=lambda data: (len(data), data)):
        if data and data not in kept and size + len(data) <= STORED_BYTES:
            kept.append(data)
            size += len(data)
    with open(os.path.join(HERE, "corpus", f"{target}.hex"), "w", encoding="ascii") as file:
        file.writelines(data.hex() + "\n" for data in sorted(kept, key=lambda data: (len(data), data)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(targets())
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(targets())}")
    names = arguments.targets or targets()
    if arguments.store:
        for name in names:
            store(name)
        return 0
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(lambda name: run(name, arguments.seconds), names):
            failed += bool(outcome.text)
            print(f"{'FAIL' if outcome.text else 'ok  '} {outcome.target}: {outcome.executions} executions", flush=True)
            if outcome.text:
                print("\n".join(outcome.text.splitlines()[-60:]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
