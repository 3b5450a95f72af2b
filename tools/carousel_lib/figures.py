"""`run --stats FILE --trace FILE`: has the hypervisor dump its counters and its trace to the parallel port,
which the emulator writes into a file, and makes JSON of it. `carousel trace --svg` draws it."""

from __future__ import annotations

import argparse
import json
import os
import sys

from . import dump, perfetto, stats, trace_svg
from .common import STATUS_HYPERVISOR, STATUS_OK, Failure

PORT = "lpt1"


def add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stats", default="", metavar="FILE.json",
                        help="write all counters there at the end (docs/tracing.md)")
    parser.add_argument("--trace", default="", metavar="FILE.json",
                        help="trace everything (--option trace=sched,poll: some of it) and write it there, for "
                        "ui.perfetto.dev and `carousel trace --svg`")


def add_command(commands) -> None:
    parser = commands.add_parser("trace", help="draw a trace of `run --trace`", allow_abbrev=False)
    parser.add_argument("--svg", required=True, metavar="FILE.json", help="the trace")
    parser.add_argument("-o", "--output", required=True, metavar="FILE.svg",
                        help="the picture: one file that any browser shows")
    parser.add_argument("--from", dest="start", type=float, default=None, metavar="MS",
                        help="begin at this time of the trace")
    parser.add_argument("--to", dest="end", type=float, default=None, metavar="MS", help="and end at this one")
    parser.add_argument("--title", default="", help="what stands above it")


def _check_target(option: str, path: str) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise Failure(f"{option} {path}: there is no folder {folder}", "make it first")
    if os.path.isdir(path):
        raise Failure(f"{option} {path} is a folder", "name a file")


def prepare(arguments: argparse.Namespace, words: list[str]) -> dict[str, str]:
    """Adds the words to the hypervisor's own; gives the machine's ports that are written into files."""
    if not arguments.stats and not arguments.trace:
        return {}
    for option, path in (("--stats", arguments.stats), ("--trace", arguments.trace)):
        if path:
            _check_target(option, path)
    if any(word.startswith("dump=") for word in words):
        raise Failure("--stats and --trace choose the dump's port themselves", "leave out dump=")
    words.append(f"dump={PORT}")
    if arguments.trace and not any(word.startswith("trace=") for word in words):
        words.append("trace=all")
    return {PORT: dump.FILE}


def _write(path: str, what: dict, indent: int | None) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(what, file, indent=indent, separators=None if indent else (",", ":"))
        file.write("\n")


def finish(arguments: argparse.Namespace, log_dir: str, status: int) -> int:
    """Writes the files. A run that was good but left no dump was not good."""
    if not arguments.stats and not arguments.trace:
        return status
    try:
        found = dump.read_file(os.path.join(log_dir, dump.FILE))
    except Failure as failure:
        print(f"carousel: {failure}", file=sys.stderr)
        return STATUS_HYPERVISOR if status == STATUS_OK else status
    if arguments.stats:
        _write(arguments.stats, stats.document(found), 1)
    if arguments.trace:
        _write(arguments.trace, perfetto.convert(found), None)
        lost = sum(pcpu.lost for pcpu in found.pcpus.values())
        if lost:
            print(f"carousel: {lost} older events did not fit into the trace (--option trace-records=N: room "
                  "for more; trace=sched,poll: fewer)", file=sys.stderr)
    return status


def command_trace(arguments: argparse.Namespace) -> int:
    try:
        with open(arguments.svg, encoding="utf-8") as file:
            trace = json.load(file)
        picture = trace_svg.draw(trace, arguments.title, arguments.start, arguments.end)
    except OSError as error:
        raise Failure(f"--svg {arguments.svg}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"--svg {arguments.svg} is not a trace of `carousel run --trace`",
                      f"({type(error).__name__}: {error})") from error
    _check_target("-o", arguments.output)
    with open(arguments.output, "w", encoding="utf-8") as file:
        file.write(picture)
    return STATUS_OK
