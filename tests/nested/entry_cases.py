"""State that a guest brings about, and with which a VM entry would fail, or go wrong."""

from __future__ import annotations

from case import Case, Guest, hello


def cases() -> list[Case]:
    """INIT comes between an exit and the next entry on pCPUs of their own, and at a turn's end on one."""
    return [
        Case("entry-forms", [Guest("entry"), hello()], timeout=120),
        Case("entry-forms-vid", [Guest("entry", words=["hlt-exit=off", "pin=0"], append="hlt-exit=off")], words="vid=on", timeout=120),
        Case("entry-init-2cpu", [Guest("entry_init", words=["vcpus=2"]), hello()], cpus=2, timeout=150),
        Case("entry-init-x2apic", [Guest("entry_init", words=["vcpus=2"], append="x2apic rounds=15")], cpus=2,
             words="vid=on", timeout=150),
        Case("entry-init-1cpu", [Guest("entry_init", words=["vcpus=2"], append="rounds=15")], timeout=150),
    ]
