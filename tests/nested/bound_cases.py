"""What an image or a guest has much of: it costs that VM, and nobody else."""

from __future__ import annotations

import fixtures
from case import IPS_TIME, RELEASE_ELF, Case, Guest, hello


def cases() -> list[Case]:
    victim = Guest("victim", mem="8M", append="ms=200 delay_ms=40 share=475 gap_us=11000")
    bad_notes = [Guest(f"notes-{count}", kernel=fixtures.many_notes(count), verdict="failed", is_tap=False, reason=reason)
                 for count, reason in ((65535, "has 65535 program headers; at most 256"),
                                       (200, "ELF notes have more than 65536 bytes in all"))]
    # Four vCPUs on four pCPUs want the VM's lock for 128 DMA transfers of 1 MiB in one instruction each: the debug
    # build's watchdog looks.
    rep = Guest("rep", stub="attacker", mem="64M", is_tap=False, verdict="any", words=["vcpus=4", "background"],
                append="attack=fwcfg-rep cpus=4", must=["^# fwcfg-rep begins$"])
    # 16 MiB in small pieces at each new beginning. Their headers are looked at all at once: less than 10 ms.
    sections = Guest("sections", kernel=fixtures.many_sections(), mem="20M", is_tap=False, verdict="any",
                     words=["on-reset=restart:1000000", "background"])
    return [
        # The report's 57 addresses are looked for among 300,000 symbols while another has its half of the pCPU.
        Case("bound-symbols", [
            Guest("many", kernel=fixtures.many_symbols(), verdict="failed", is_tap=False, reason="triple fault"), victim],
            ips=IPS_TIME, carousel=RELEASE_ELF, timeout=60, status=(1,), must=[r"RIP 0{10}20\w+ (near|far)\+0x"]),
        Case("bound-sections", [sections, Guest("victim", mem="8M", append="ms=1500 delay_ms=40 share=475 gap_us=21000")],
             ips=IPS_TIME, carousel=RELEASE_ELF, timeout=60, must=["'sections': reset, restart 2"]),
        Case("bound-notes", [*bad_notes, hello()], timeout=60, status=(1,)),
        Case("bound-fwcfg-rep", [rep, Guest("spinner", append="slices=20")], cpus=4, ips=IPS_TIME, memory=512, timeout=60),
    ]
