"""Reads what Carousel writes to the port of `dump=`: the frames of monitor/dump_format.h, checked."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from .common import STATUS_HYPERVISOR, Failure

MAGIC = b"CRSL"
VERSION = 1
LENGTH_MAX = 65536
FILE = "dump.bin"  # in the log directory

FRAME = struct.Struct("<4sHHII")
BEGIN = struct.Struct("<QQIIII")
VM = struct.Struct("<IIIIII32sQ")
VCPU = struct.Struct("<6I21Q")
EXITS = struct.Struct("<IIQQ32sII")
HISTOGRAM = struct.Struct("<IHHII")
PCPU = struct.Struct("<IIq10Q")
TRACE = struct.Struct("<IIQ")
RECORD = struct.Struct("<QIHBB")
END = struct.Struct("<II")

VCPU_FIELDS = ("id vm index pcpu state _ created at stop wait run halt switches migrations wakes injections "
               "spin_yields pv_eois pv_tlb_flushes halt_attempted_poll halt_successful_poll halt_poll_invalid "
               "halt_wakeup halt_poll_success_ns halt_poll_fail_ns halt_wait_ns lent").split()
PCPU_FIELDS = ("id apic_id tsc_offset life idle ipis_sent ipis_taken interrupts timer_interrupts timers nmis "
               "pulls pushes").split()
REASONS = {0: "end", 1: "command"}
HISTOGRAMS = {1: "wake_latency", 2: "poll_success", 3: "poll_fail", 4: "halt_wait"}
UNITS = {0: "ticks", 1: "ns"}


@dataclass
class Record:
    """One event; enum trace_event of lib/trace.h."""

    tsc: int
    arg: int
    vcpu: int
    event: int
    info: int


@dataclass
class Vm:
    id: int
    name: str
    has_ended: bool
    is_ok: bool
    restarts: int
    devices: int  # ticks of its devices' work outside its turns


@dataclass
class Vcpu:
    values: dict[str, int]
    exits: list[dict] = field(default_factory=list)
    histograms: dict[str, dict] = field(default_factory=dict)


@dataclass
class Pcpu:
    values: dict[str, int]
    records: list[Record] = field(default_factory=list)
    lost: int = 0      # records that were written over before they could be read
    _next: int = 0


@dataclass
class Dump:
    """One dump. TSCs are of the boot pCPU."""

    tsc: int
    tsc_hz: int
    reason: str
    trace_groups: int
    vms: dict[int, Vm] = field(default_factory=dict)
    vcpus: dict[int, Vcpu] = field(default_factory=dict)
    pcpus: dict[int, Pcpu] = field(default_factory=dict)

    def name(self, vcpu: int) -> str:
        """`VM.index` of the vCPU with this number."""
        values = self.vcpus[vcpu].values
        return f"{self.vms[values['vm']].name}.{values['index']}"


class BadDump(Exception):
    """What is wrong with a dump."""


def _name(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("ascii", "replace")


def frames(stream: bytes):
    """(type, payload) of each whole frame whose CRC is right; what lies between is skipped."""
    at = stream.find(MAGIC)
    while at >= 0 and at + FRAME.size <= len(stream):
        _, version, kind, length, crc = FRAME.unpack_from(stream, at)
        end = at + FRAME.size + length
        if version == VERSION and length <= LENGTH_MAX and end <= len(stream):
            payload = stream[at + FRAME.size:end]
            if zlib.crc32(payload, zlib.crc32(stream[at:at + FRAME.size - 4])) == crc:
                yield kind, payload
                at = stream.find(MAGIC, end)
                continue
        at = stream.find(MAGIC, at + 1)


class _Reader:
    """Puts one dump together."""

    def __init__(self, begin: bytes) -> None:
        tsc, hz, reason, self._pcpus, self._vms, groups = BEGIN.unpack_from(begin)
        if not hz:
            raise BadDump("its TSC rate is 0")
        self.dump = Dump(tsc, hz, REASONS.get(reason, str(reason)), groups)

    def vm(self, payload: bytes) -> None:
        number, _, has_ended, is_ok, restarts, _, name, devices = VM.unpack_from(payload)
        self.dump.vms[number] = Vm(number, _name(name), bool(has_ended), bool(is_ok), restarts, devices)

    def vcpu(self, payload: bytes) -> None:
        values = dict(zip(VCPU_FIELDS, VCPU.unpack_from(payload)))
        del values["_"]
        self.dump.vcpus[values["id"]] = Vcpu(values)

    def exits(self, payload: bytes) -> None:
        vcpu, reason, count, ticks, name, buckets, first = EXITS.unpack_from(payload)
        cost = struct.unpack_from(f"<{buckets}Q", payload, EXITS.size)
        self.dump.vcpus[vcpu].exits.append({"reason": reason, "name": _name(name), "count": count,
                                            "ticks": ticks, "log2": [0] * first + list(cost)})

    def histogram(self, payload: bytes) -> None:
        vcpu, kind, unit, buckets, _ = HISTOGRAM.unpack_from(payload)
        counts = struct.unpack_from(f"<{buckets}Q", payload, HISTOGRAM.size)
        if kind in HISTOGRAMS:
            self.dump.vcpus[vcpu].histograms[HISTOGRAMS[kind]] = {
                "unit": UNITS.get(unit, str(unit)), "log2": list(counts)}

    def pcpu(self, payload: bytes) -> None:
        values = dict(zip(PCPU_FIELDS, PCPU.unpack_from(payload)))
        self.dump.pcpus[values["id"]] = Pcpu(values)

    def trace(self, payload: bytes) -> None:
        number, count, first = TRACE.unpack_from(payload)
        pcpu = self.dump.pcpus[number]
        offset = pcpu.values["tsc_offset"]
        pcpu.lost += first - pcpu._next
        pcpu._next = first + count
        for at in range(count):
            tsc, arg, vcpu, event, info = RECORD.unpack_from(payload, TRACE.size + at * RECORD.size)
            pcpu.records.append(Record(tsc + offset, arg, vcpu, event, info))

    def finished(self) -> Dump:
        dump = self.dump
        if len(dump.pcpus) != self._pcpus or len(dump.vms) != self._vms:
            raise BadDump("a pCPU or VM is missing")
        if any(vcpu.values["vm"] not in dump.vms for vcpu in dump.vcpus.values()):
            raise BadDump("a vCPU's VM is missing")
        return dump


def read(stream: bytes) -> list[Dump]:
    """All complete dumps of a stream, in order."""
    handlers = {2: _Reader.vm, 3: _Reader.vcpu, 4: _Reader.exits, 5: _Reader.histogram, 6: _Reader.pcpu,
                7: _Reader.trace}
    dumps: list[Dump] = []
    reader: _Reader | None = None
    count = 0
    for kind, payload in frames(stream):
        count += 1
        try:
            if kind == 1:
                reader, count = _Reader(payload), 1
            elif kind == 8 and reader:
                if END.unpack_from(payload)[0] == count:
                    dumps.append(reader.finished())
                reader = None
            elif kind in handlers and reader:
                handlers[kind](reader, payload)
        except (struct.error, KeyError, BadDump):
            reader = None  # not one of ours, though its CRC is right: the next one may be
    return dumps


def read_file(path: str) -> Dump:
    """The last complete dump of a file."""
    try:
        with open(path, "rb") as file:
            stream = file.read()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}: the hypervisor wrote no dump",
                      "look at its log for a warning about dump=", STATUS_HYPERVISOR) from error
    dumps = read(stream)
    if dumps:
        return dumps[-1]
    at = stream.find(MAGIC)
    version = FRAME.unpack_from(stream, at)[1] if 0 <= at <= len(stream) - FRAME.size else VERSION
    if version != VERSION:
        raise Failure(f"{path}: the dump has version {version}, this program reads {VERSION}",
                      "use the tools that belong to this carousel.elf", STATUS_HYPERVISOR)
    raise Failure(f"{path}: there is no complete dump in its {len(stream)} bytes",
                  "the machine ended before it was written, or the port lost some of it", STATUS_HYPERVISOR)
