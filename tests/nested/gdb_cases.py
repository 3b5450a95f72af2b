"""Whole-system tests with the real gdb."""

from __future__ import annotations

from case import Case, Guest
from debugging import ADDRESS, INTERRUPT, has_gdb

# What is typed, and what must come of it: all that a person does in a session. The stub checks from inside that
# nothing of it shows.
SESSION = [
    ("info threads", r"\* 1 +Thread 1 \(vCPU 0: active, on pCPU \d\) +_start \(\)"
                     r".*2 +Thread 2 \(vCPU 1: waits for a SIPI, on pCPU \d\)"),
    # Breakpoints in memory.
    ("break add", r"Breakpoint 1 at"),
    ("continue", r"Thread 1 hit Breakpoint 1, add \(a=0, b=\S+ at "),
    ("backtrace", r"#1 .* stub_main \(\)"),
    ("info registers rdi rip cr4", r"rdi +0x0 .*rip +0x\w+ +0x\w+ <add>.*cr4 +0x20 "),
    ("finish", r"Value returned is \$1 = 1"),
    ("p/x $mxcsr", r"\$2 = 0x1f80"),
    ("p $xmm0.v2_int64[0] + $st0", r"\$3 = 0"),
    ("delete", ""),
    ("step", r"for \(uint64_t i"),
    ("next", r"total = add\("),
    # Watchpoints.
    ("watch watched", r"Hardware watchpoint 2: watched"),
    ("continue", r"Old value = 0.*New value = 1\n"),
    ("continue", r"Old value = 1\n.*New value = 42\n"),
    ("delete", ""),
    # Steps: over PUSHF, whose flags show no TF; over CPUID, which exits.
    ("tbreak *push_flags", ""),
    ("continue", r"Temporary breakpoint 3,.* push_flags \(\)"),
    ("stepi", ""),
    ("p *(long *)$rsp & 0x100", r"\$4 = 0"),
    ("stepi 5", ""),
    ("x/i $pc", r"pop +%rbx"),
    ("p $rax != 0", r"\$5 = 1"),
    # No interrupt comes between steps; it comes afterwards.
    ("tbreak *open_window", ""),
    ("continue", r"Temporary breakpoint 4,.* open_window \(\)"),
    ("stepi 3", ""),
    ("x/i $pc", r"=> 0x\w+ <open_window\+3>:\s+cli"),
    ("p ipis", r"\$6 = 0"),
    # A point in a register, while the guest uses its own registers.
    ("hbreak use_debug_registers", r"Hardware assisted breakpoint 5"),
    ("continue", r"Thread 1 hit Breakpoint 5, use_debug_registers \(\)"),
    # Five are too many.
    ("watch released", ""), ("watch rounds", ""), ("watch total", ""), ("rwatch int3s", ""),
    ("continue", r"You may have requested too many hardware breakpoints/watchpoints"),
    ("delete 6 7 8 9", ""),
    # Ctrl-C, and the other vCPU.
    (INTERRUPT, ""),
    ("continue", r"Thread \d received signal SIGINT"),
    ("thread 2", r"\[Switching to thread 2 \(Thread 2\)\]"),
    ("info threads", r"1 +Thread 1 \(vCPU 0: active.*stub_main.*\* 2 +Thread 2 \(vCPU 1: active.*go_round"),
    ("p rounds > 0", r"\$7 = 1"),
    ("stepi", r"(while|rounds|pause)"),
    ("delete", ""),
    ("detach", r"detached"),
    # Another gdb comes to a guest that runs, and sees its end.
    (f"target remote {ADDRESS}", r"(stub_main|go_round) \("),
    ("p released", r"\$\d+ = 0"),
    ("set var released = 1", ""),
    ("continue", r"\[Inferior 1 \(Remote target\) exited normally\]"),
]


def cases() -> list[Case]:
    skip = "" if has_gdb() else "there is no gdb; as root: apt-get install gdb"
    return [
        Case("gdb-session", [Guest("debuggee", words=["vcpus=2"], append="wait")], cpus=2,
             words="gdb=debuggee,wait", gdb=SESSION, skip=skip, timeout=60),
    ]
