"""Whether KVM works here, found by doing: firmware that prints under KVM has run on the processor.

A device ``/dev/kvm`` proves nothing: it can be forbidden, or accept everything and hang. The probe starts the
emulator once, in the background, with a deadline.
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)
_DEVICE: Final = Path("/dev/kvm")


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
        threading.Thread(target=self._try, args=(emulator,), name="kvm-probe", daemon=True).start()

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
            self._verdict = KvmVerdict(is_usable=False, reason=f"{emulator} cannot be run: {error.strerror}")
        finally:
            self._done.set()
        if not self._verdict.is_usable:
            _log.info("no KVM: %s", self._verdict.reason)

    def _judge(self, emulator: str) -> KvmVerdict:
        if not self._device.exists():
            return KvmVerdict(is_usable=False, reason=f"{self._device} does not exist")
        if not os.access(self._device, os.R_OK | os.W_OK):
            return KvmVerdict(is_usable=False, reason=f"{self._device} cannot be opened for reading and writing")
        return _run(emulator, self._timeout_s)


def _run(emulator: str, timeout_s: float) -> KvmVerdict:
    """Run the emulator's firmware under KVM until it prints, ends, or the time is up."""
    arguments = ["-accel", "kvm", "-machine", "pc", "-m", "16", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    debug = ["-chardev", "stdio,id=debug", "-device", "isa-debugcon,iobase=0x402,chardev=debug"]
    process = subprocess.Popen([emulator, *arguments, *debug], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        return _watch(process, timeout_s)
    finally:
        process.kill()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        threading.Thread(target=process.wait, name="kvm-probe-end", daemon=True).start()  # it may never end


def _watch(process: subprocess.Popen[bytes], timeout_s: float) -> KvmVerdict:
    if process.stdout is None or process.stderr is None:
        raise OSError(0, "no pipe to the emulator")
    readable, _, _ = select.select([process.stdout], [], [], timeout_s)
    if not readable:
        return KvmVerdict(is_usable=False, reason=f"a guest under KVM executed nothing within {timeout_s:g} s")
    if os.read(process.stdout.fileno(), 1):
        return KvmVerdict(is_usable=True)
    words = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
    return KvmVerdict(is_usable=False, reason=f"the emulator ended under KVM: {words[-1] if words else 'without a word'}")
