"""Where the demonstration finds a hypervisor: the host's libvirtd, a private one, or else none and why.

The private libvirtd lives in a mount namespace of its own with empty folders over all that a libvirtd of the host
would use, so neither can disturb the other. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SYSTEM_SOCKET = Path("/run/libvirt/libvirt-sock")
START_TIMEOUT_S = 30.0
SIMULATOR = "simulator:3"

QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""

LIBVIRTD_CONF = """\
unix_sock_dir = "{folder}"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "2:file:{folder}/libvirtd.log"
{host_uuid}
"""

#: Runs in the new mount namespace; $1 is the lab's folder. Ends as libvirtd itself.
ENTER = """\
set -e
for folder in /etc/libvirt /var/lib/libvirt /run/libvirt /var/cache/libvirt /var/log/libvirt; do
  mkdir -p "$folder"; mount -t tmpfs -o mode=755 tmpfs "$folder"
done
mount -t tmpfs tmpfs /sys/fs/cgroup || true
mkdir -p /etc/libvirt/qemu/networks /etc/libvirt/nwfilter /etc/libvirt/storage /etc/libvirt/secrets
mkdir -p /var/lib/libvirt/qemu /var/lib/libvirt/images /var/log/libvirt/qemu /var/cache/libvirt/qemu/capabilities
mount --bind "$1/capabilities" /var/cache/libvirt/qemu/capabilities
cp "$1/qemu.conf" /etc/libvirt/qemu.conf
exec libvirtd --config "$1/libvirtd.conf" --pid-file "$1/libvirtd.pid"
"""


class Hypervisor(Protocol):
    """Something that vdsmd can be pointed at."""

    @property
    def uri(self) -> str:
        """What ``vdsmd --hypervisor`` takes."""
        ...

    @property
    def reason(self) -> str:
        """Why this one, in words."""
        ...

    def stop(self) -> None:
        """End what was started for it; nothing else."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """A hypervisor that was there, and stays."""

    uri: str
    reason: str

    def stop(self) -> None:
        """Nothing was started."""


class PrivateLibvirtd:
    """A libvirtd of our own; ``stop`` ends it and every guest that it started."""

    reason = "no libvirtd answers here, so the demonstration runs a private one"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "libvirt-sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """See ``Hypervisor``."""
        return f"qemu+unix:///system?socket={self._socket}"

    def start(self) -> None:
        """Start it and wait until it answers; raises ``OSError`` or ``TimeoutError``."""
        folder = self._folder
        (folder / "capabilities").mkdir(parents=True, exist_ok=True)  # kept: probing QEMU takes seconds
        (folder / "qemu.conf").write_text(QEMU_CONF, "utf-8")
        (folder / "libvirtd.conf").write_text(LIBVIRTD_CONF.format(folder=folder, host_uuid=_host_uuid_setting()), "utf-8")
        self._socket.unlink(missing_ok=True)
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", str(folder)]
        with (folder / "start.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(self._socket):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise OSError(f"a private libvirtd does not start: {self._last_words()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """See ``Hypervisor``."""
        if self._process is None:
            return
        namespace = _mount_namespace(self._process.pid)
        own = _mount_namespace(os.getpid())
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        if namespace and namespace != own:
            for pid in _processes_in(namespace):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _last_words(self) -> str:
        words = ""
        for name in ("libvirtd.log", "start.log"):
            with suppress(OSError):
                words = (self._folder / name).read_text("utf-8", "replace").strip()[-500:] or words
        return words or "it says nothing"


def find_hypervisor(folder: Path) -> Hypervisor:
    """The best hypervisor that can be had, the simulator at the least; ``folder`` is for what must be started."""
    missing = [program for program in ("libvirtd", "qemu-system-x86_64", "busybox", "cpio") if not shutil.which(program)]
    if missing:
        return Found(SIMULATOR, f"no guest can run here: {', '.join(missing)} cannot be found")
    if not kernel_release():
        return Found(SIMULATOR, "no guest can run here: there is no kernel for it below /boot that can be read")
    if not _has_python_binding():
        return Found(SIMULATOR, "no guest can run here: libvirt-python is not installed")
    return _find_libvirtd(folder)


def image_folder(hypervisor: Hypervisor, own: Path) -> Path:
    """Where the files of guests go: the host's libvirt runs QEMU as a user who may not look into a checkout."""
    return Path("/var/lib/libvirt/images/libvdsm-demo") if hypervisor.uri == "qemu:///system" else own


def kernel_release() -> str:
    """The release of the newest cloud kernel that guests can boot, or nothing."""
    kernels = sorted(path.name.removeprefix("vmlinuz-") for path in Path("/boot").glob("vmlinuz-*-cloud-*") if os.access(path, os.R_OK))
    return kernels[-1] if kernels else ""


def answers(path: Path) -> bool:
    """Whether somebody accepts connections at a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _find_libvirtd(folder: Path) -> Hypervisor:
    if os.geteuid() != 0:
        return Found("qemu:///session", "libvirt's session of this user")
    if not answers(SYSTEM_SOCKET) and Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "libvirtd.socket"], check=False, timeout=60)
    if answers(SYSTEM_SOCKET):
        return Found("qemu:///system", "this host's libvirtd")
    private = PrivateLibvirtd(folder)
    try:
        private.start()
    except OSError as error:
        return Found(SIMULATOR, f"no guest can run here: {error}")
    return private


def _has_python_binding() -> bool:
    try:
        import libvirt  # noqa: F401 - only to see whether it is there
    except ImportError:
        return False
    return True


def _host_uuid_setting() -> str:
    """Hosts without SMBIOS have no id for libvirt; the machine's own then serves."""
    if Path("/sys/class/dmi/id/product_uuid").exists():
        return ""
    if Path("/etc/machine-id").exists():
        return 'host_uuid_source = "machine-id"'
    return 'host_uuid = "00000000-0000-4000-8000-000000000001"'


def _mount_namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    except OSError:
        return ""


def _processes_in(namespace: str) -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _mount_namespace(int(entry.name)) == namespace]
