"""The command line of tools/carousel: run, iso, usb, grub-entry, doctor, trace, vmlinux."""

from __future__ import annotations

import argparse
import os
import re
import sys

from . import doctor, figures, gdb, grub_entry, image, monitor, outputs, probe, vmlinux
from .common import (CAROUSEL_ELF, Failure, STATUS_OK, STATUS_SIGNAL, STATUS_USAGE, tail)
from .keys import HELP
from .logs import LogDir
from .machines import BOCHS_IPS, BOCHS_MODEL, MACHINES, Options
from .run import Result, Run, Watch, guest_status
from .terminal import Terminal
from .words import Vm, check_name, size_in_bytes

EPILOG = """\
options after --vm NAME belong to that VM, up to the next --vm

exit status:
  0    every VM ended well            3    the hypervisor itself failed
  1    a VM reported failure          124  the time ran out
  2    bad usage or input             130  stopped by a signal
  with --status guest and one VM: the value that the guest wrote to port 0xf4

keys: """ + HELP + """
What is typed goes to one VM, at first the first; --console NAME takes that one and shows its console alone,
byte for byte, for a login shell and full-screen programs. The log has everything.

an example:
  tools/carousel run --cpus 2 --timeout 60 \\
      --vm a --kernel build/stubs/hello.elf --mem 16M \\
      --vm linux --kernel bzImage --initrd initrd.cpio --append "console=ttyS0" --expect "login:"
"""


CPUS_MAX = 512    # MAX_PCPUS of lib/types.h
MEMORY_MIN = 64   # MiB


class Parser(argparse.ArgumentParser):
    """One line for a mistake, not the whole usage."""

    def error(self, message: str):
        raise Failure(message, f"see `{self.prog} --help`")


class AddVm(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        vms = namespace.vms = list(namespace.vms or [])
        check_name(values)
        if any(vm.name == values for vm in vms):
            raise Failure(f"--vm {values} is there twice", "give each VM a name of its own")
        vms.append(Vm(values))


class VmOption(argparse.Action):
    """Stores or appends a value at the VM that the last --vm named."""

    def __call__(self, parser, namespace, values, option_string=None):
        if not namespace.vms:
            raise Failure(f"{option_string} stands before any --vm", "put --vm NAME in front of it")
        vm = namespace.vms[-1]
        old = getattr(vm, self.dest)
        if isinstance(old, list):
            old.append(values)
        elif self.nargs == 0:
            setattr(vm, self.dest, True)
        elif old:
            raise Failure(f"--vm {vm.name}: {option_string} is there twice", "keep one")
        else:
            setattr(vm, self.dest, values)


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a regular expression ({error})") from error
    return text


def _module(text: str) -> tuple[str, str]:
    """FILE[:STRING]; the file's own name may hold colons."""
    parts = text.split(":")
    for count in range(len(parts), 0, -1):
        if os.path.isfile(":".join(parts[:count])):
            return ":".join(parts[:count]), ":".join(parts[count:])
    return parts[0], ":".join(parts[1:])


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _cpus(text: str) -> int:
    if _positive(text) > CPUS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is more than the {CPUS_MAX} that Carousel can use")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise Failure(f"--timeout {text!r} is not a number of seconds", "as in --timeout 60")
    return value


def _add_words(parser: argparse.ArgumentParser) -> None:
    """What `run` and the images have in common."""
    parser.add_argument("--cpus", type=_cpus, metavar="N", help="physical CPUs (run: of the "
                        "emulated machine, default 1; otherwise: use at most N)")
    parser.add_argument("--option", action="append", default=[], metavar="WORDS",
                        help="words of the hypervisor's own command line, as \"slice_us=5000\"")
    parser.add_argument("--carousel", default=CAROUSEL_ELF, metavar="FILE",
                        help="the hypervisor (default: build/carousel.elf)")
    vm = parser.add_argument_group("virtual machines")
    vm.add_argument("--vm", action=AddVm, dest="vms", metavar="NAME", help="begins a VM")
    vm.add_argument("--kernel", action=VmOption, metavar="FILE",
                    help="bzImage, vmlinux (PVH), Multiboot, ELF or flat image")
    vm.add_argument("--unpack", action=VmOption, nargs=0,
                    help="the kernel is a bzImage: take its vmlinux out on this machine first")
    vm.add_argument("--initrd", action=VmOption, metavar="FILE",
                    help="for bzImage and vmlinux: the initial RAM disk")
    vm.add_argument("--module", action=VmOption, dest="modules", type=_module,
                    metavar="FILE[:STRING]", help="a boot module and its string; may be repeated")
    vm.add_argument("--disk", action=VmOption, dest="disks", type=_module, metavar="FILE[:ro]",
                    help="a virtio disk, of a multiple of 512 bytes; what the guest writes is lost in the end; "
                    "`:ro,serial=TEXT` for more words; may be repeated")
    vm.add_argument("--mem", action=VmOption, metavar="SIZE", help="guest memory (default 128M)")
    vm.add_argument("--vcpus", action=VmOption, metavar="N", help="virtual CPUs (default 1)")
    vm.add_argument("--pin", action=VmOption, metavar="CPU,CPU", help="vCPU n runs on the n-th CPU of this list only; the list repeats "
                    "(default: the least busy CPU)")
    vm.add_argument("--set", action=VmOption, dest="words", metavar="WORD[=VALUE]",
                    help="any other word of docs/guests.md: background, exit-ok=VALUE, "
                    "on-halt=ok, cpuid=-NAME,...; may be repeated")
    vm.add_argument("--append", action=VmOption, metavar="TEXT",
                    help="the guest's command line (--append=-x when it begins with a dash)")
    vm.add_argument("--expect", action=VmOption, type=_regex, metavar="REGEX",
                    help="a console line with this ends the VM well; may be repeated")
    vm.add_argument("--fail-on", action=VmOption, type=_regex, metavar="REGEX",
                    help="a console line with this ends the VM as failed; may be repeated")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(
        prog="carousel", formatter_class=raw, allow_abbrev=False,
        description="Makes boot images of the Carousel hypervisor and its guests, and runs them.",
        epilog="`carousel COMMAND --help` tells all of a command's options.\n\n" + EPILOG)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run VMs here and exit with their verdict", epilog=EPILOG,
                              formatter_class=raw, allow_abbrev=False)
    run.add_argument("--host", choices=["auto", "kvm", "bochs", "qemu"], default="auto",
                     help="the machine below Carousel: auto takes KVM where nested VMX really works, "
                     "else Bochs; qemu (TCG) has no VMX and shows only the boot")
    run.add_argument("--memory", metavar="SIZE", help="the machine's memory (default: what the VMs "
                     "need, at least 256M)")
    run.add_argument("--timeout", type=_seconds, default=0, metavar="SECONDS",
                     help="stop after this time, with status 124 (default: none)")
    run.add_argument("--console", default="", metavar="NAME", help="type to this VM, and show its console "
                     "alone and raw: no prefix, nothing held back (default: all VMs, in lines)")
    run.add_argument("--status", choices=["verdict", "guest"], default="verdict",
                     help="what the exit status says (default: verdict)")
    run.add_argument("--firmware", choices=["bios", "uefi"], default="bios",
                     help="the machine's firmware (default: bios)")
    run.add_argument("--loader", choices=["grub", "own"], default="grub",
                     help="with --firmware uefi: what boots it, GRUB or carousel.efi (default: grub)")
    run.add_argument("--cpu-model", default="", metavar="MODEL",
                     help=f"the emulator's CPU model (Bochs: {BOCHS_MODEL})")
    run.add_argument("--ips", type=_positive, default=BOCHS_IPS, metavar="N",
                     help=f"Bochs: instructions, and TSC ticks, per second (default {BOCHS_IPS})")
    run.add_argument("--host-option", action="append", default=[], metavar="TEXT",
                     help="one more argument of QEMU, or line of Bochs' configuration")
    gdb.add_options(run)
    monitor.add_options(run)
    run.add_argument("--log-dir", metavar="DIR", help="where the raw logs go (default: a new one "
                     "in the system's temporary directory)")
    run.add_argument("--keep-image", action="store_true", help="leave the image beside the logs")
    run.add_argument("--progress", action="store_true", help="say so when the console is silent for "
                     "a while (always done at a terminal)")
    figures.add_run_options(run)
    outputs.add_run_options(run)
    _add_words(run)

    for name, what in (("iso", "make an image for CDs and USB sticks: GRUB, by BIOS and by UEFI"),
                       ("usb", "make a disk image for USB sticks: carousel.efi, by UEFI")):
        command = commands.add_parser(name, help=what, epilog=EPILOG, formatter_class=raw,
                                      allow_abbrev=False)
        command.add_argument("-o", "--output", required=True, metavar="FILE", help="the image")
        _add_words(command)
    _add_words(commands.add_parser("grub-entry", help="print a menu entry for an installed GRUB",
                                   epilog=EPILOG, formatter_class=raw, allow_abbrev=False))

    commands.add_parser("doctor", help="what this machine offers, why KVM is or is not used, and "
                        "how to mend it", allow_abbrev=False)
    figures.add_command(commands)
    unpack = commands.add_parser("vmlinux", help="take the vmlinux out of a bzImage",
                                 allow_abbrev=False)
    unpack.add_argument("bzimage", metavar="BZIMAGE")
    unpack.add_argument("-o", "--output", required=True, metavar="FILE", help="the vmlinux")
    return parser


def _check_vms(arguments: argparse.Namespace) -> list[Vm]:
    vms = arguments.vms or []
    if not vms:
        raise Failure("there is no VM", "add --vm NAME --kernel FILE")
    for vm in vms:
        if not vm.kernel:
            raise Failure(f"--vm {vm.name} has no kernel", "add --kernel FILE behind it")
        if vm.mem:
            size_in_bytes(vm.mem, f"--vm {vm.name}: --mem")
        files = [("--kernel", vm.kernel)] + ([("--initrd", vm.initrd)] if vm.initrd else [])
        files += [("--module", path) for path, _ in vm.modules] + [("--disk", path) for path, _ in vm.disks]
        for option, path in files:
            if os.path.isdir(path):
                raise Failure(f"--vm {vm.name}: {option} {path} is a folder", "name a file")
            if not os.path.isfile(path):
                raise Failure(f"--vm {vm.name}: {option} {path}: there is no such file")
            if not os.access(path, os.R_OK):
                raise Failure(f"--vm {vm.name}: {option} {path}: it cannot be read")
    return vms


def _unpack_kernels(vms: list[Vm], folder: str) -> None:
    for vm in vms:
        if vm.unpack:
            target = os.path.join(folder, f"vmlinux-{vm.name}")
            vmlinux.extract_file(vm.kernel, target)
            vm.kernel = target


def _boot_modules(vms: list[Vm]) -> list:
    return [module for vm in vms for module in vm.boot_modules()]


def machine_memory(vms: list[Vm]) -> int:
    """MiB for these VMs, the modules they are made from, and the hypervisor."""
    guests = sum(size_in_bytes(vm.mem or "128M", "--mem") for vm in vms)
    files = sum(os.path.getsize(module.path) for module in _boot_modules(vms))
    return max(256, -(-(guests + files + (96 << 20)) // (64 << 20)) * 64)


def choose_host(wish: str) -> str:
    if wish == "auto":
        return "kvm" if probe.probe_kvm().is_usable() else "bochs"
    if wish == "kvm":
        found = probe.probe_kvm()
        if not found.is_usable():
            raise Failure(f"KVM cannot be used here: {found.reason}",
                          found.remedy or "see `tools/carousel doctor`")
    return wish


def _tell_end(result: Result, host: str, log_dir: str) -> None:
    text = f"status {result.status}: {result.why or 'every VM ended well'}"
    print(f"carousel: {text} ({host}, {result.seconds:.1f} s; raw logs in {log_dir})",
          file=sys.stderr, flush=True)
    if result.status not in (0, 1, 124) and not result.lines:
        for name in ("bochs.log", "bochs.out", "qemu.err"):
            text = tail(os.path.join(log_dir, name), 8)
            if text:
                print(f"carousel: the end of {name}:\n{text}", file=sys.stderr)


def command_run(arguments: argparse.Namespace) -> int:
    with outputs.Outputs(arguments) as files:
        return _run(arguments, files)


def _run(arguments: argparse.Namespace, files: outputs.Outputs) -> int:
    vms = _check_vms(arguments)
    if arguments.status == "guest" and len(vms) != 1:
        raise Failure(f"--status guest is for one VM, and there are {len(vms)}",
                      "leave it out: the status then says whether all ended well")
    if arguments.console and arguments.console not in [vm.name for vm in vms]:
        raise Failure(f"--console {arguments.console}: there is no such VM", "name one of --vm")
    if arguments.loader == "own" and arguments.firmware != "uefi":
        raise Failure("--loader own is a UEFI program", "add --firmware uefi")
    host = choose_host(arguments.host)
    memory = (size_in_bytes(arguments.memory, "--memory") >> 20) if arguments.memory \
        else machine_memory(vms)
    if memory < MEMORY_MIN:
        raise Failure(f"--memory {arguments.memory} is less than the {MEMORY_MIN}M that the hypervisor and "
                      "its images need", "leave it out: the default fits the VMs")
    words = " ".join(arguments.option).split()
    port_files = figures.prepare(arguments, words)
    options = Options(cpus=arguments.cpus or 1, memory=memory, cpu_model=arguments.cpu_model,
                      ips=arguments.ips, is_uefi=arguments.firmware == "uefi",
                      is_disk=arguments.loader == "own", port_files=port_files,
                      extra=arguments.host_option)
    with LogDir(arguments.log_dir, arguments.keep_image) as logs:
        debugger = gdb.GdbPort(arguments.gdb, vms, options) if arguments.gdb else None
        control = monitor.prepare(arguments, options)
        machine = MACHINES[host](logs.path, options)
        machine.companions += [companion for companion in (debugger, control) if companion]
        _unpack_kernels(vms, logs.path)
        words = [f"end={machine.end_word}"] + words + \
            [word for companion in machine.companions for word in companion.words()]
        modules = _boot_modules(vms)
        image.build(logs.image, arguments.carousel, words, modules, options.is_uefi, options.is_disk)
        for vm in vms:
            if vm.unpack:
                os.unlink(vm.kernel)
        watch = {vm.name: Watch(vm.expect, vm.fail_on, vm.is_background()) for vm in vms}
        begin = r"carousel\.efi: " if options.is_disk else r"\[ *\d+\] " if options.is_uefi else ""
        terminal = Terminal(has_input=True, skip_to=begin)
        run = Run(machine, watch, arguments.timeout, terminal,
                  arguments.progress or (sys.stderr.isatty() and not arguments.console),
                  arguments.console)
        if control:
            control.attach(run)
        print(f"carousel: {host}, {options.cpus} CPU(s), {memory} MiB; Ctrl-A x quits, Ctrl-A h helps",
              file=sys.stderr, flush=True)
        result = run.execute(logs.image)
        if control:
            control.judge(result)
        _tell_end(result, host, logs.path)
        files.report = outputs.make_report(result, vms, host, logs.path)
        status = figures.finish(arguments, logs.path, result.status)
        if status != result.status:
            result.status, result.why = status, "the counters or the trace are missing"
            files.report = outputs.make_report(result, vms, host, logs.path)
    if arguments.status != "guest":
        return result.status
    status = guest_status(result, vms[0].name)
    print(f"carousel: --status guest: {status}", file=sys.stderr)
    return status


def _image_words(arguments: argparse.Namespace) -> list[str]:
    return ([f"cpus={arguments.cpus}"] if arguments.cpus else []) + " ".join(arguments.option).split()


def command_image(arguments: argparse.Namespace) -> int:
    vms = _check_vms(arguments)
    folder = os.path.dirname(os.path.abspath(arguments.output))
    if not os.path.isdir(folder):
        raise Failure(f"-o {arguments.output}: there is no folder {folder}", "make it first")
    build = image.build_usb if arguments.command == "usb" else image.build_general
    with LogDir(None, False) as scratch:
        _unpack_kernels(vms, scratch.path)
        build(os.path.abspath(arguments.output), arguments.carousel, _image_words(arguments),
              _boot_modules(vms))
        scratch.discard()
    firmware = "UEFI" if arguments.command == "usb" else "BIOS and UEFI" if image.has_uefi() else \
        "BIOS only: grub-efi-amd64-bin is missing"
    print(f"{arguments.output}: boots by {firmware}")
    return STATUS_OK


def command_grub_entry(arguments: argparse.Namespace) -> int:
    vms = _check_vms(arguments)
    for vm in vms:
        if vm.unpack:
            raise Failure(f"--vm {vm.name}: --unpack makes no file that stays",
                          "`tools/carousel vmlinux` does")
    print(grub_entry.text(arguments.carousel, _image_words(arguments), _boot_modules(vms)), end="")
    return STATUS_OK


def main(argv: list[str]) -> int:
    try:
        arguments = _parser().parse_args(argv)
        if arguments.command == "run":
            return command_run(arguments)
        if arguments.command in ("iso", "usb"):
            return command_image(arguments)
        if arguments.command == "grub-entry":
            return command_grub_entry(arguments)
        if arguments.command == "trace":
            return figures.command_trace(arguments)
        if arguments.command == "vmlinux":
            vmlinux.extract_file(arguments.bzimage, arguments.output)
            return STATUS_OK
        return doctor.report()
    except Failure as failure:
        print(f"carousel: {failure}", file=sys.stderr)
        return failure.status
    except OSError as error:
        print(f"carousel: {error}", file=sys.stderr)
        return STATUS_USAGE
    except KeyboardInterrupt:
        return STATUS_SIGNAL
