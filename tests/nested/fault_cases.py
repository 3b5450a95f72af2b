"""Whole-system tests of faults of the host on purpose (`fault=KIND:N`, lib/fault.h): each is survived, ends one
VM, or is a panic that names its cause."""

from __future__ import annotations

from case import Case, Guest, hello

PAIR = [hello(), Guest("hlt", words=["pin=1"])]


def _fault(word: str, name: str = "", guests: list[Guest] | None = None, **changes) -> Case:
    changes.setdefault("cpus", 2)
    return Case(f"fault-{name or word.replace(':', '-')}", PAIR if guests is None else guests, words=f"fault={word}",
                **changes)


def _panic(word: str, *must: str, **changes) -> Case:
    """The VMs do not come to their ends."""
    return _fault(word, guests=[], raw=[guest for vm in PAIR for guest in _raw(vm)], status=(3,), must=list(must),
                  must_not=[], **changes)


def _raw(guest: Guest) -> list[tuple[str, str]]:
    return [(guest.kernel_path(), f"vm={guest.name} kernel mem=16M " + " ".join(guest.words))]


def _one_fails(reason: str) -> list[Guest]:
    """On the pCPU of its own whose entries come that far; the other has gone to its end, or goes there."""
    return [Guest("ticker", is_tap=False, verdict="failed", reason=reason, words=["pin=0"], append="ticks=1000"),
            hello(words=["pin=1"])]


def cases() -> list[Case]:
    return [
        # The hypervisor's own, early: a message; a VM's: that VM, by name.
        _fault("page:1", guests=[], raw=_raw(hello()), cpus=1, status=(2,), must=[r"the address space cannot be built"]),
        _fault("vm-page:1", guests=[Guest("hlt", is_tap=False, verdict="failed", reason="no memory for another VM"),
                                    hello()], status=(1,)),
        # A probe for an emulator's defects cannot be made: the CPU is taken for one that has it.
        _fault("page:40", must=[r"the probe guest cannot be made: vm 'probe': no memory",
                                r"local APIC in software \(virtual-interrupt delivery does not heed IF=0\)"]),
        # The first is the call that wakes pCPU 1 for its work, the others kicks and calls while it runs.
        *[_fault(f"ipi-lost:{n}") for n in (1, 2, 5)],
        *[_fault(f"ipi-late:{n}") for n in (1, 3)],
        _panic("vmread:1000", r"^PANIC on pCPU [01]: VMREAD 0x1000 failed: VM-instruction error 12$"),
        # VMfail, and an exit with bit 31 set: that VM, and no other.
        _fault("control:3000", guests=_one_fails(r"invalid control fields \(VM-instruction error 7.*: the interruption type must "
                                                r"not be a reserved value: "), status=(1,)),
        _fault("guest:3000", guests=_one_fails(r"invalid guest state \(exit reason 33.*: reserved bits 63:22, 15, 5 and 3 of "
                                              r"RFLAGS must be 0, "), status=(1,)),
        _panic("mc:500", r"^PANIC on pCPU [01]: #MC machine check"),
        _panic("stop:1", r"^PANIC on pCPU 0: pCPU 1 has been stuck for \d+ ms and takes no NMI \(watchdog\)", timeout=60),
        _fault("nmi:500", must=[r"fault=nmi: 500 NMIs sent", r"^ *pCPU 0: [45]\d\d NMIs that nobody asked for"]),
        # What an entry would refuse is found before it, by its rule. What only the host can have broken is a panic.
        _fault("state:3000", guests=_one_fails(r"^entry check: reserved bits 63:22, 15, 5 and 3 of RFLAGS must be 0, "
                                              r"and bit 1 must be 1: GUEST_RFLAGS 0x0$"), status=(1,)),
        _panic("host:300", r"^PANIC on pCPU 0: entry check of 'hello'.0: the host's CS selector cannot be 0000H: HOST_CS_SELECTOR 0x0$",
               cpus=1),
        # The first flushes are those of the vCPU's making, which comes before it is moved to where it runs.
        _panic("flush:5", r"^PANIC on pCPU [01]: entry of '\w+'\.0 on pCPU [01] with stale "),
        _panic("leaf:3", r"^PANIC on pCPU [01]: EPT of VM 'hello': guest-physical 0x0, entry 0x[0-9a-f]+ of 4 KiB: it maps other memory than the VM's there$"),
        # Ten looks more than anybody waits: the port is given up, and comes back.
        _fault("log:1000010", must=[r"the console's port was not ready for long: \d+ bytes are lost"]),
    ]
