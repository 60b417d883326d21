"""A private libvirtd with real QEMU for tests, in a mount namespace of its own.

The namespace outlives the daemon, so that this can be stopped, killed and started again while its guests go on, as on a
real host. Its sockets and pid files are in a folder that the test can see. QEMU's capability cache is shared by all,
as probing takes seconds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from libvdsm.subsystems.virt.drivers import libvirt_api

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
host_uuid = "00000000-0000-4000-8000-00000000000a"
unix_sock_group = "root"
auth_unix_rw = "none"
auth_unix_ro = "none"
"""
#: $1 is the lab's folder, $2 the shared cache. Ends as a process that only holds the namespace.
ENTER = """\
set -e
for folder in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do mkdir -p "$folder"; mount -t tmpfs -o mode=755 t "$folder"; done
mkdir -p /run/libvirt; mount --bind "$1/run" /run/libvirt
mount -t tmpfs t /sys/fs/cgroup 2>/dev/null || true
mkdir -p /etc/libvirt/qemu/networks /etc/libvirt/nwfilter /etc/libvirt/storage /etc/libvirt/secrets
mkdir -p /var/lib/libvirt/qemu /var/lib/libvirt/images /var/log/libvirt/qemu /var/cache/libvirt/qemu/capabilities
mount --bind "$2" /var/cache/libvirt/qemu/capabilities
cp "$1/qemu.conf" "$1/libvirtd.conf" /etc/libvirt/
touch "$1/ready"
exec sleep infinity
"""
START_TIMEOUT_S = 90.0
ROOT = Path(__file__).parents[2]


def missing() -> str | None:
    """What keeps a real guest from running here, or None."""
    programs = [name for name in ("libvirtd", "qemu-system-x86_64", "busybox", "cpio", "unshare", "nsenter") if shutil.which(name) is None]
    if programs:
        return f"{', '.join(programs)} cannot be found"
    if os.geteuid() != 0:
        return "a private libvirtd needs root"
    return None if kernel() is not None else "there is no cloud kernel below /boot"


def kernel() -> Path | None:
    """The newest cloud kernel."""
    return max(Path("/boot").glob("vmlinuz-*-cloud-*"), default=None)


def guest_initrd() -> Path:
    """The small guest of ``packaging/guest``, built once for each of its versions."""
    recipe = ROOT / "packaging" / "guest" / "mkguest"
    found = cache_folder() / f"guest-{recipe.stat().st_mtime_ns}.img"
    with found.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests of one run are in several processes
        if not found.exists():
            subprocess.run([recipe, found], check=True, timeout=240)
    return found


def cache_folder() -> Path:
    """What is worth keeping between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or tempfile.gettempdir()
    folder = Path(base) / f"libvdsm-lab-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class Libvirtd:
    """One private libvirtd and its guests. ``stop`` leaves nothing behind."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lab-"))  # short: the paths of unix sockets are
        self._holder: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""
        return self.folder / "run" / "libvirt-sock"

    @property
    def uri(self) -> str:
        """What a libvirt client connects to."""
        return f"qemu+unix:///system?socket={self.socket}"

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self._daemon is not None
        return self._daemon.pid

    def start(self) -> None:
        """Make the namespace and start the daemon in it."""
        (self.folder / "run").mkdir()
        (self.folder / "qemu.conf").write_text(QEMU_CONF)
        (self.folder / "libvirtd.conf").write_text(LIBVIRTD_CONF + f'log_outputs = "2:file:{self.folder}/libvirtd.log"\n')
        cache = cache_folder() / "capabilities"
        cache.mkdir(exist_ok=True)
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", str(self.folder), str(cache)]
        self._holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        self._wait((self.folder / "ready").exists, "the namespace")
        self.start_daemon()

    def start_daemon(self) -> None:
        """Start libvirtd, again if need be, and wait until it answers."""
        assert self._holder is not None
        inside = ["nsenter", "--mount", "--target", str(self._holder.pid)]
        command = [*inside, "libvirtd", "--pid-file", str(self.folder / "libvirtd.pid"), "--config", "/etc/libvirt/libvirtd.conf"]
        with (self.folder / "start.log").open("ab") as log:
            self._daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._wait(lambda: answers(self.socket), "libvirtd")

    def kill_daemon(self) -> None:
        """SIGKILL; guests go on."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait(60)

    def end_daemon(self) -> None:
        """SIGTERM, as a clean restart begins; guests go on."""
        assert self._daemon is not None
        self._daemon.terminate()
        self._daemon.wait(60)

    def freeze_daemon(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw_daemon(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def qemu_pid(self, vm_id: str) -> int:
        """The process of a guest that we defined."""
        return int((self.folder / "run" / "qemu" / f"vdsm-{vm_id}.pid").read_text())

    def restore(self) -> None:
        """Back to a daemon that answers and has no guests."""
        assert self._daemon is not None
        if self._daemon.poll() is not None:
            self.start_daemon()
        self.thaw_daemon()
        for pid_file in (self.folder / "run" / "qemu").glob("*.pid"):
            with suppress(ProcessLookupError, ValueError, FileNotFoundError):
                os.kill(int(pid_file.read_text()), signal.SIGCONT)
        connection = libvirt_api.open_connection(self.uri)
        for domain in connection.listAllDomains():
            if domain.isActive():
                domain.destroy()
            if domain.isPersistent():
                domain.undefineFlags(libvirt_api.flag("VIR_DOMAIN_UNDEFINE_NVRAM"))
        connection.close()

    def stop(self) -> None:
        """End the daemon, its guests and the namespace."""
        if self._holder is None:
            return
        namespace = _mount_namespace(self._holder.pid)
        if namespace and namespace != _mount_namespace(os.getpid()):
            for pid in _processes_in(namespace):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in (self._daemon, self._holder):
            if process is not None:
                process.wait(60)
        self._holder = self._daemon = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self, is_there: object, what: str) -> None:
        assert callable(is_there)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_there():
            if time.monotonic() > deadline:
                log = self.folder / "start.log"
                words = log.read_text() if log.exists() else ""
                self.stop()
                raise TimeoutError(f"{what} did not come up: {words[-500:]}")
            time.sleep(0.02)


def answers(path: Path) -> bool:
    """Whether somebody accepts connections at a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(20)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _mount_namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    except OSError:
        return ""


def _processes_in(namespace: str) -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _mount_namespace(int(entry.name)) == namespace]
