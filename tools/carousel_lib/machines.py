"""The machines that Carousel can be run on: Bochs, QEMU with KVM, QEMU's own emulation (TCG). Each
starts in its log directory with an image and gives a two-way line to COM1.

Bochs' serial port is a socket (mode=socket-client): it loses nothing when we are slow to read, and
takes input only as fast as Carousel reads it. QEMU's is its standard input and output. Further ports
are sockets in both, or files.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from .common import Failure, OVMF_BOCHS, OVMF_CODE, OVMF_VARS, STATUS_HYPERVISOR, tail, tool
from .ports import Port, bochs_config, qemu_arguments

BOCHS_MODEL = "corei7_skylake_x"
BOCHS_IPS = 50_000_000
BOCHS_SHARE = "/usr/share/bochs"

BOCHSRC = """\
display_library: term
romimage: file={rom}{rom_options}
vgaromimage: file={share}/VGABIOS-lgpl-latest
cpu: model={model}, count={cpus}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs={ignore_msrs}
memory: guest={memory}, host={host_memory}
clock: sync=none, time0=946684800, rtc_sync=0
boot: {boot}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: {medium}
magic_break: enabled=1
log: bochs.log
panic: action=fatal
error: action=report
info: action=report
speaker: enabled=1, mode=none
sound: waveoutdrv=dummy
"""


@dataclass
class Options:
    """What a machine is to be like. Memory is in MiB."""

    cpus: int = 1
    memory: int = 256
    cpu_model: str = ""
    ips: int = BOCHS_IPS
    is_uefi: bool = False
    is_disk: bool = False  # the image is a hard disk's, not a CD's
    is_pci_serial: bool = False  # QEMU: the console is a card's UART instead of COM1
    has_monitor: bool = False    # QEMU: Qemu.monitor() can be used
    # More serial ports, of com2 to com4: such that Machine.ports has, and such whose output goes to files.
    ports: list[str] = field(default_factory=list)
    port_files: dict[str, str] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)
    # Bochs' debugger: what is answered to its prompts, of which one is at the start, one at each
    # `xchg bx,bx`, and the last at Carousel's end.
    debugger: list[str] = field(default_factory=lambda: ["c", "quit"])


class Machine:
    """A running emulator. `output` is the descriptor that COM1's bytes come from."""

    name = ""
    end_word = ""  # the value of Carousel's `end=` that stops this machine

    def __init__(self, log_dir: str, options: Options) -> None:
        self.log_dir = log_dir
        self.options = options
        self.process: subprocess.Popen | None = None
        self.ports: dict[str, Port] = {}  # those of options.ports, while it runs
        # What uses them: start(machine) is called when they are connected, stop() when they will be closed.
        self.companions: list = []

    @property
    def output(self) -> int:
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def has_ended_well(self) -> bool:
        """Whether the stopped emulator says that Carousel, and nothing else, stopped it."""
        raise NotImplementedError

    def start(self, image: str) -> None:
        link = os.path.join(self.log_dir, "image.iso")
        if os.path.abspath(image) != link:
            if os.path.lexists(link):
                os.unlink(link)
            os.symlink(os.path.abspath(image), link)
        self.ports = {name: Port(name) for name in self.options.ports}
        self._start()
        self._accept(self.ports.values())
        for companion in self.companions:
            companion.start(self)

    def _accept(self, ports: Iterable[Port]) -> None:
        """Waits until the emulator has connected to all of these."""
        deadline = time.monotonic() + 30
        for port in ports:
            while not port.accept(0.1):
                if not self.process or self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise Failure(f"{self.name} did not start", f"its log ends: {self._log_tail()}",
                                  STATUS_HYPERVISOR)

    def _log_tail(self) -> str:
        raise NotImplementedError

    def _start(self) -> None:
        raise NotImplementedError

    def _spawn(self, command: list[str], log: str, **pipes) -> subprocess.Popen:
        with open(os.path.join(self.log_dir, "command"), "w", encoding="utf-8") as file:
            file.write(shlex.join(command) + "\n")
        with open(os.path.join(self.log_dir, log), "wb") as file:
            pipes.setdefault("stdout", file)
            # A session of its own: Ctrl-C at the terminal is ours, not the emulator's.
            return subprocess.Popen(command, cwd=self.log_dir, stderr=file, start_new_session=True,
                                    env=dict(os.environ, TERM="dumb"), **pipes)

    def wait(self, seconds: float) -> bool:
        """Whether the emulator's process has ended within the time."""
        assert self.process
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def stop(self) -> None:
        """Ends the emulator, gently and then not."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            if not self.wait(3):
                self.process.kill()
                self.process.wait()
        for companion in self.companions:
            companion.stop()
        for port in self.ports.values():
            port.close()


class Bochs(Machine):
    name = "Bochs"
    end_word = "bochs"

    def __init__(self, log_dir: str, options: Options) -> None:
        super().__init__(log_dir, options)
        self._line: Port | None = None

    @property
    def output(self) -> int:
        assert self._line
        return self._line.fileno()

    def send(self, data: bytes) -> None:
        assert self._line
        self._line.send(data)

    def has_ended_well(self) -> bool:
        """The magic breakpoint lets the script's `quit` run: status 0. A triple fault or a panic is
        not 0, since reset_on_triple_fault is off."""
        assert self.process
        return self.process.returncode == 0

    def config(self, console: Port) -> str:
        options = self.options
        rom, memory = f"{BOCHS_SHARE}/BIOS-bochs-latest", options.memory
        # No three seconds of 'Press F12 for boot menu': with several halted CPUs they cost more than the rest.
        rom_options = ", options=fastboot"
        if options.is_uefi:
            rom, memory, rom_options = OVMF_BOCHS, max(memory, 512), ""
            if not os.path.exists(rom):
                raise Failure("UEFI firmware for Bochs is not installed", "apt-get install ovmf")
        medium = "type=disk, path=image.iso, mode=flat" if options.is_disk else \
            "type=cdrom, path=image.iso, status=inserted"
        text = BOCHSRC.format(rom=rom, rom_options=rom_options, share=BOCHS_SHARE, model=options.cpu_model or BOCHS_MODEL,
                              boot="disk" if options.is_disk else "cdrom", medium=medium,
                              cpus=options.cpus, ips=options.ips, memory=memory,
                              host_memory=min(memory, 2048),
                              ignore_msrs=int(options.is_uefi))
        text += bochs_config([console, *self.ports.values()], options.port_files)
        return text + "".join(line + "\n" for line in options.extra)

    def _start(self) -> None:
        program = tool("bochs-bin", "bochs bochs-term bochsbios vgabios")
        self._line = Port("com1")
        with open(os.path.join(self.log_dir, "bochsrc"), "w", encoding="utf-8") as file:
            file.write(self.config(self._line))
        with open(os.path.join(self.log_dir, "rc"), "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in self.options.debugger))
        self.process = self._spawn([program, "-q", "-f", "bochsrc", "-rc", "rc"], "bochs.out",
                                   stdin=subprocess.DEVNULL)
        self._accept([self._line])
        self._drain_screen()

    def _log_tail(self) -> str:
        return tail(os.path.join(self.log_dir, "bochs.log"), 5) or \
            tail(os.path.join(self.log_dir, "bochs.out"), 5)

    def _drain_screen(self) -> None:
        """Bochs' text screen is a pseudo terminal. When nobody reads what it shows, Bochs stops for ever."""
        with open(os.path.join(self.log_dir, "bochs.out"), "rb") as file:
            name = re.search(rb'connected to screen "([^"]+)"', file.read())
        if not name:
            return
        screen = os.open(name[1], os.O_RDONLY | os.O_NOCTTY)

        def drain() -> None:
            try:
                while os.read(screen, 65536):
                    pass
            except OSError:  # Bochs has ended
                pass
            os.close(screen)

        threading.Thread(target=drain, daemon=True).start()

    def stop(self) -> None:
        super().stop()
        if self._line:
            self._line.close()
            self._line = None


class Qemu(Machine):
    name = "QEMU"
    end_word = "debug-exit"
    accelerator = "tcg"
    default_model = "max"

    @property
    def output(self) -> int:
        assert self.process and self.process.stdout
        return self.process.stdout.fileno()

    def send(self, data: bytes) -> None:
        assert self.process and self.process.stdin
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except OSError:
            pass

    def has_ended_well(self) -> bool:
        """isa-debug-exit makes the status odd; 0 would be a power-off, which is not our end."""
        assert self.process
        return self.process.returncode > 0 and self.process.returncode % 2 == 1

    def command(self) -> list[str]:
        options = self.options
        command = [tool("qemu-system-x86_64", "qemu-system-x86"), "-machine", "q35",
                   "-accel", self.accelerator, "-cpu", options.cpu_model or self.default_model,
                   "-smp", str(options.cpus), "-m", f"{options.memory}M", "-nodefaults",
                   "-display", "none", "-vga", "std", "-no-reboot",
                   "-drive", "file=image.iso,format=raw,if=ide,media=" +
                   ("disk" if options.is_disk else "cdrom,readonly=on"),
                   "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                   "-chardev", "stdio,id=com1,signal=off"]
        command += ["-device", "pci-serial,chardev=com1"] if options.is_pci_serial else \
            ["-serial", "chardev:com1"]
        command += qemu_arguments(list(self.ports.values()), options.port_files)
        if options.has_monitor:
            command += ["-monitor", "unix:monitor,server=on,wait=off"]
        if options.is_uefi:
            if not os.path.exists(OVMF_CODE):
                raise Failure("UEFI firmware for QEMU is not installed", "apt-get install ovmf")
            command += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}",
                        "-drive", "if=pflash,format=raw,file=efivars.fd"]
        return command + options.extra

    def monitor(self, commands: list[str]) -> None:
        """Gives commands to QEMU's monitor, one after the other; `wait SECONDS` is our own."""
        folder = os.open(self.log_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(10)
                line.connect(f"/proc/self/fd/{folder}/monitor")  # a socket's path must be short
                self._until_prompt(line)
                for command in commands:
                    if command.startswith("wait "):
                        time.sleep(float(command.split()[1]))
                        continue
                    line.sendall(command.encode() + b"\n")
                    self._until_prompt(line)
        except OSError as error:
            raise Failure(f"QEMU's monitor does not answer: {error}") from error
        finally:
            os.close(folder)

    @staticmethod
    def _until_prompt(line: socket.socket) -> None:
        text = b""
        while not text.endswith(b"(qemu) "):
            data = line.recv(4096)
            if not data:
                return
            text += data

    def _start(self) -> None:
        command = self.command()
        if self.options.is_uefi:
            shutil.copyfile(OVMF_VARS, os.path.join(self.log_dir, "efivars.fd"))
        self.process = self._spawn(command, "qemu.err", stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)

    def _log_tail(self) -> str:
        return tail(os.path.join(self.log_dir, "qemu.err"), 5)


class Kvm(Qemu):
    accelerator = "kvm"
    default_model = "host,migratable=off,+invtsc"


MACHINES = {"bochs": Bochs, "qemu": Qemu, "kvm": Kvm}
