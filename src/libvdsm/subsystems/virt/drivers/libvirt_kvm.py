"""Whether KVM works here, found by doing: a small program has run under KVM in reasonable time.

A device ``/dev/kvm`` proves nothing: it can be forbidden, hang, or interpret every instruction in the kernel so slowly that
no guest ever boots. The probe starts the emulator once, in the background, with a ROM that goes to 64-bit mode, counts
to a hundred million there and says so; a processor needs less than a second for that, translation too.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from libvdsm.interfaces.generated.errors import HypervisorUnavailable
from libvdsm.subsystems.virt.threads import begin_thread

_log = logging.getLogger(__name__)
_DEVICE: Final = Path("/dev/kvm")
_ROM_SIZE: Final = 0x10000
_RESET_VECTOR: Final = 0xFFF0
_END_S: Final = 2.0  # what a killed process takes to end, as a rule much less
_COUNT: Final = 100_000_000
#: Position-independent but for its segment, F000.
_PROGRAM: Final = bytes.fromhex(
    "fa"  # cli
    "2e660f0116b800"  # lgdtl %cs:gdtr
    "0f20c06683c8010f22c0"  # set CR0.PE
    "66ea1a000f000800"  # ljmpl $8, 1f (32-bit code)
    "66b810008ed88ec08ed0"  # 1: data segments
    "31c0bf00100000b9000c0000fcf3ab"  # clear three pages at 0x1000
    "c7050010000003200000c7050020000003300000c7050030000083000000"  # one 2 MiB page at 0
    "b8001000000f22d8"  # CR3
    "b8200000000f22e0"  # CR4.PAE
    "b9800000c00f320d000100000f30"  # EFER.LME
    "0f20c00d000000800f22c0"  # CR0.PG
    "ea81000f001800"  # ljmp $24, 2f (64-bit code)
    "b900e1f505ffc975fc"  # 2: count to 100,000,000
    "66ba0204b04beef4ebfd"  # outb 'K' to port 0x402; hlt for ever
    "0f1f4000"  # align
    "0000000000000000ffff0000009bcf00ffff00000093cf00ffff0000009baf00"  # gdt: none, code, data, 64-bit code
    "1f0098000f00"  # gdtr
)


@dataclass(frozen=True, slots=True)
class KvmVerdict:
    """Whether new guests can use KVM, and if not, why not."""

    is_usable: bool
    reason: str | None = None


class KvmProbe:
    """Tries KVM once. Asking never blocks; ``wait`` does, for a while."""

    def __init__(self, *, timeout_s: float = 5.0, device: Path = _DEVICE) -> None:
        self._timeout_s = timeout_s
        self._device = device
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._is_begun = False
        self._verdict = KvmVerdict(is_usable=False, reason="KVM has not been tried yet")

    def begin(self, emulator: str) -> None:
        """Try in the background, if that was not begun before."""
        with self._lock:
            if self._is_begun:
                return
            self._is_begun = True
        self._verdict = KvmVerdict(is_usable=False, reason="KVM is being tried")
        try:
            begin_thread("kvm-probe", self._try, emulator)
        except HypervisorUnavailable as error:
            self._verdict = KvmVerdict(is_usable=False, reason=f"KVM cannot be tried: {error.params['reason']}")
            self._done.set()

    def verdict(self) -> KvmVerdict:
        """What is known now."""
        return self._verdict

    def wait(self, timeout_s: float) -> KvmVerdict:
        """What is known when the trial has ended, or the time is up."""
        self._done.wait(timeout_s)
        return self._verdict

    def _try(self, emulator: str) -> None:
        try:
            self._verdict = self._judge(emulator)
        except OSError as error:
            self._verdict = KvmVerdict(is_usable=False, reason=f"{emulator} cannot be run: {error.strerror or error}")
        finally:
            self._done.set()
        if not self._verdict.is_usable:
            _log.info("no KVM: %s", self._verdict.reason)

    def _judge(self, emulator: str) -> KvmVerdict:
        if not self._device.exists():
            return KvmVerdict(is_usable=False, reason=f"{self._device} does not exist")
        if not os.access(self._device, os.R_OK | os.W_OK):
            return KvmVerdict(is_usable=False, reason=f"{self._device} cannot be opened for reading and writing")
        if not Path(emulator).name.endswith(("x86_64", "kvm")):
            return KvmVerdict(is_usable=True)  # the program is for this architecture only
        return _run(emulator, self._timeout_s)


def _rom() -> bytes:
    """A 64 KiB ROM at the end of the first megabyte: the program, and the reset vector that jumps to it."""
    return _PROGRAM.ljust(_RESET_VECTOR, b"\xff") + b"\xea\x00\x00\x00\xf0".ljust(_ROM_SIZE - _RESET_VECTOR, b"\xff")


def _die_with_us(emulator: str) -> list[str]:
    """The words before a command that end it with the thread that began it: a worker may be killed in the middle.

    Without ``setpriv`` (util-linux) there are none. Raises ``FileNotFoundError`` when there is no such emulator.
    """
    if shutil.which(emulator) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), emulator)
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "KILL"]


def _run(emulator: str, timeout_s: float) -> KvmVerdict:
    """Run the program under KVM until it prints, the emulator ends, or the time is up."""
    arguments = ["-accel", "kvm", "-machine", "pc", "-m", "16", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    debug = ["-chardev", "stdio,id=debug", "-device", "isa-debugcon,iobase=0x402,chardev=debug"]
    with _rom_file() as rom:
        command = [*_die_with_us(emulator), emulator, *arguments, *debug, "-bios", f"/proc/self/fd/{rom}"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=(rom,))
    try:
        return _watch(process, timeout_s)
    finally:
        process.kill()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        _reap(process)


@contextlib.contextmanager
def _rom_file() -> Iterator[int]:
    """The ROM as a file without a name: nothing of it is left, however this process may end."""
    descriptor = os.memfd_create("kvm-probe", 0)
    try:
        os.write(descriptor, _rom())
        yield descriptor
    finally:
        os.close(descriptor)


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Leave no zombie, and wait for nobody: one that hangs in the kernel ends when it can."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
        return
    with contextlib.suppress(HypervisorUnavailable):
        begin_thread("kvm-probe-end", process.wait)


def _watch(process: subprocess.Popen[bytes], timeout_s: float) -> KvmVerdict:
    if process.stdout is None or process.stderr is None:
        raise OSError(0, "no pipe to the emulator")
    readable, _, _ = select.select([process.stdout], [], [], timeout_s)
    if not readable:
        return KvmVerdict(is_usable=False, reason=f"a guest under KVM did not count to {_COUNT:,} within {timeout_s:g} s")
    if os.read(process.stdout.fileno(), 1):
        return KvmVerdict(is_usable=True)
    words = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
    return KvmVerdict(is_usable=False, reason=f"the emulator ended under KVM: {words[-1] if words else 'without a word'}")
