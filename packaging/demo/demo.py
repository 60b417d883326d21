"""The demonstration: the whole life of a real guest, through the API, by commands that anybody can type.

``demo.py`` shows it and then leaves the daemon serving until Ctrl-C; ``--once`` ends after the proof, with an exit code
that tells whether everything was as promised; ``--serve`` only serves. Where no guest can run, it says why and shows the
simulator. All that it starts it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import lab  # noqa: E402 - beside this file
import stage  # noqa: E402 - found by the lines above
from stage import check, say, step, wait_until  # noqa: E402 - found by the lines above
from tests.daemon_process import DaemonError, VdsmdProcess, start_vdsmd  # noqa: E402 - found by the lines above

NAME = "demo"
DISK_SIZE = 16 * 1024 * 1024
SOCKET_PATH_LIMIT = 90  # sun_path has 108 octets; names below the folder need some
BOOT_TIMEOUT_S = 120.0
TYPED = "echo the guest was here | tee /dev/vda && sync"
SIMULATOR_TYPED = "echo the guest was here"
ANSWER = "the guest was here"


@dataclass(frozen=True, slots=True)
class Guest:
    """What the guest is made of; without a kernel it is a simulated one."""

    images: Path
    kernel: Path | None
    initrd: Path | None

    @property
    def disk(self) -> Path:
        """The disk that it writes to."""
        return self.images / "disk.raw"

    def create_words(self) -> list[str]:
        """The command that defines it."""
        words = ["vdsmsh", "vm", "create", "--name", NAME, "--memory", "192MiB", "--vcpus", "1"]
        if self.kernel:
            words += ["--kernel.path", str(self.kernel), "--kernel.initrd", str(self.initrd)]
            words += ["--kernel.arguments", "console=tty0 console=ttyS0 loglevel=6"]
        words += ["--disk", f"source.file.path={self.disk},source.file.format=raw"]
        return [*words, "--serial", "id=ua-console", "--graphics", "protocol=vnc", "--video", "vga"]


def main() -> int:
    """Run it; the result is the exit code."""
    parser = argparse.ArgumentParser(description="Shows a guest's whole life through the API.")
    parser.add_argument("--once", action="store_true", help="end after the proof")
    parser.add_argument("--serve", action="store_true", help="serve only")
    parser.add_argument("--simulator", action="store_true", help="with the simulator, even where a guest can run")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "demo", help="where its files go (default: var/demo)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with contextlib.ExitStack() as stack:
            folder = claim_folder(stack, arguments.folder.resolve())
            step("A hypervisor")
            hypervisor = lab.Found(lab.SIMULATOR, "as asked") if arguments.simulator else lab.find_hypervisor(folder / "libvirt")
            stack.callback(hypervisor.stop)
            say(f"{hypervisor.uri}: {hypervisor.reason}")
            return run(stack, folder, hypervisor, once=arguments.once, serve=arguments.serve)
    except (stage.BrokenPromiseError, DaemonError) as error:
        say(f"\nNot as promised: {error}", stage.BOLD)
        return 1
    except KeyboardInterrupt:
        say("\nEnded.")
        return 0 if not arguments.once else 130


def run(stack: contextlib.ExitStack, folder: Path, hypervisor: lab.Hypervisor, *, once: bool, serve: bool) -> int:
    """Set the scene, show, serve; what is started is ended by ``stack``."""
    guest = make_guest(stack, folder, hypervisor)
    step("The daemon")
    shutil.rmtree(folder / "state", ignore_errors=True)  # every demonstration begins anew
    daemon = start_vdsmd(folder, hypervisor=hypervisor.uri, listen=None, verify=True)
    stack.callback(daemon.stop)
    say(f"$ vdsmd --hypervisor {hypervisor.uri} --socket {daemon.socket}", stage.BLUE)
    say(f"serves on {daemon.socket}: supervisor {daemon.pid}, front {daemon.front}, workers {daemon.workers}")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}", "VDSM_URL": daemon.url}
    shell = stage.Shell(environment)
    stack.callback(remove_guest, shell)
    wait_until(lambda: ready(shell), "the hypervisor answers")
    remove_guest(shell)  # of one that was killed
    if not serve:
        show_life(shell, guest, folder)
        say("\nEverything was as promised.", stage.BOLD)
    if not once:
        keep_serving(shell, guest, daemon)
    return 0


def show_life(shell: stage.Shell, guest: Guest, folder: Path) -> None:
    """From create to delete, and the check of every step."""
    step("The host, and from now on its events as they happen")
    shell.show("vdsmsh", "host", "get-info")
    events = shell.follow_events("vdsmsh", "events", "--follow", "--topic", "vm.#")
    try:
        _define_and_boot(shell, guest, events)
        _measure_and_pause(shell, guest)
        _take_picture(shell, folder / "screen.png")
        _shut_down_and_delete(shell, guest, events)
    finally:
        events.close()


def _define_and_boot(shell: stage.Shell, guest: Guest, events: stage.Events) -> None:
    step("Define a virtual machine: typed, never XML")
    shell.show(*guest.create_words())
    shell.show("vdsmsh", "vm", "list")
    check(state(shell) == "stopped", "a new virtual machine is stopped")
    step("Start it, and sit at its serial console from the first instruction on")
    shell.show("vdsmsh", "vm", "start", NAME, "--paused", "--wait")
    check(state(shell) == "paused", "it is paused before its first instruction")
    console = shell.open_console("vdsmsh", "vm", "console", NAME)
    console.read_until("leaves", 30)
    shell.show("vdsmsh", "vm", "resume", NAME)
    console.read_until("READY", BOOT_TIMEOUT_S)
    console.type("\r")
    console.read_until("# ", 20)
    console.type((TYPED if guest.kernel else SIMULATOR_TYPED) + "\r")
    console.read_until(f"\n{ANSWER}", 20)
    console.close()
    check(state(shell) == "running", "it runs")
    wait_until(lambda: events.has("state=running"), "an event told that it runs")


def _measure_and_pause(shell: stage.Shell, guest: Guest) -> None:
    step("What runs it, and why")
    shell.show("vdsmsh", "host", "get-capabilities")
    step("Measure it")
    wait_until(lambda: has_figures(shell, guest), "statistics tell of its processor and its disk")
    shell.show("vdsmsh", "vm", "get-stats", NAME)
    step("Pause, look, resume")
    shell.show("vdsmsh", "vm", "pause", NAME)
    shell.show("vdsmsh", "vm", "list", "--field", "name", "--field", "state")
    check(state(shell) == "paused", "it is paused")
    shell.show("vdsmsh", "vm", "resume", NAME)
    check(state(shell) == "running", "it runs again")


def _take_picture(shell: stage.Shell, picture: Path) -> None:
    step("A picture of its screen")
    shell.show("vdsmsh", "vm", "screenshot", NAME, "--file", str(picture))
    check(picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n"), "the screenshot is a PNG image")
    say(f"{picture}: a PNG image of {picture.stat().st_size} bytes")


def _shut_down_and_delete(shell: stage.Shell, guest: Guest, events: stage.Events) -> None:
    step("Ask the guest to shut down, by the power button; wait for the task")
    shell.show("vdsmsh", "vm", "shutdown", NAME, "--way", "acpi", "--wait")
    check(state(shell) == "stopped", "it is stopped")
    wait_until(lambda: events.has("state=stopped"), "an event told that it is stopped")
    if guest.kernel:
        check(guest.disk.read_bytes().startswith(ANSWER.encode()), "what was typed at the console is on the guest's disk")
        say(f"its disk begins with: {ANSWER}")
    step("Delete it; its disk stays")
    shell.show("vdsmsh", "vm", "delete", NAME, "--wait")
    wait_until(lambda: events.has("removed"), "an event told that it is gone")
    check(not find(shell), "it is gone")
    check(guest.disk.exists(), "its disk is still there")


def find(shell: stage.Shell) -> list[dict[str, object]]:
    """The demonstration's virtual machine, if it is there."""
    return [item for item in shell.ask("vdsmsh", "vm", "list")["items"] if item["name"] == NAME]


def state(shell: stage.Shell) -> object:
    """What it is doing."""
    found = find(shell)
    check(len(found) == 1, "it is in the list, once")
    return found[0]["state"]


def ready(shell: stage.Shell) -> bool:
    """Whether the hypervisor answers yet; workers start while the front serves already."""
    try:
        return bool(shell.ask("vdsmsh", "host", "get-capabilities"))
    except stage.BrokenPromiseError:
        return False


def has_figures(shell: stage.Shell, guest: Guest) -> bool:
    """Whether its processor has worked, and its disk was written to."""
    items = shell.ask("vdsmsh", "vm", "get-stats", NAME)["items"]
    if len(items) != 1 or "cpu" not in items[0]:
        return False
    written = any(disk["writtenBytes"] > 0 for disk in items[0].get("disks", []))
    return items[0]["cpu"]["time"] > 0 and (written or not guest.kernel)


def keep_serving(shell: stage.Shell, guest: Guest, daemon: VdsmdProcess) -> None:
    """Say what to try, and wait for Ctrl-C."""
    if not find(shell):
        step("Once more, for you")
        shell.show(*guest.create_words())
    step("The daemon goes on serving; Ctrl-C ends it. In another terminal, try:")
    say(f"  export VDSM_URL={daemon.url}\n  export PATH={Path(sys.executable).parent}:$PATH")
    for words in (
        f"vdsmsh vm start {NAME} --wait",
        f"vdsmsh vm console {NAME}          # Ctrl-] leaves",
        "vdsmsh vm list --watch",
        "vdsmsh events --follow",
        f"vdsmsh vm update {NAME} --help",
        f"""echo '{{"jsonrpc": "2.0", "id": 1, "method": "Host.getStats"}}' | nc -N -U {daemon.socket}""",
    ):
        say(f"  {words}")
    while daemon.process.poll() is None:
        threading.Event().wait(1)
    raise stage.BrokenPromiseError(f"the daemon ended by itself\n{daemon.log[-2000:]}")


def make_guest(stack: contextlib.ExitStack, folder: Path, hypervisor: lab.Hypervisor) -> Guest:
    """A kernel, an initial file system with a shell in it, and an empty disk, where the hypervisor can read them."""
    images = lab.image_folder(hypervisor, folder / "images")
    images.mkdir(parents=True, exist_ok=True)
    stack.callback(shutil.rmtree, images, ignore_errors=True)
    kernel = initrd = None
    if hypervisor.uri != lab.SIMULATOR:
        step("A small guest")
        kernel, initrd = images / "vmlinuz", images / "initrd"
        release = lab.kernel_release()
        shutil.copy(f"/boot/vmlinuz-{release}", kernel)
        subprocess.run([ROOT / "packaging" / "guest" / "mkguest", initrd], check=True)
        for file in (kernel, initrd):
            file.chmod(0o644)
        say(f"kernel {release}, a busybox of {initrd.stat().st_size / 1e6:.1f} MB in memory, an empty disk of {DISK_SIZE >> 20} MiB")
    guest = Guest(images, kernel, initrd)
    with guest.disk.open("wb") as disk:
        disk.truncate(DISK_SIZE)
    return guest


def remove_guest(shell: stage.Shell) -> None:
    """Leave no guest behind, however it ended."""
    with contextlib.suppress(stage.BrokenPromiseError, subprocess.TimeoutExpired):
        for item in find(shell):
            shell.ask("vdsmsh", "vm", "delete", str(item["id"]), "--force", "--wait")


def claim_folder(stack: contextlib.ExitStack, folder: Path) -> Path:
    """The folder, for us alone; another one if its path is too long for sockets."""
    if len(str(folder)) > SOCKET_PATH_LIMIT:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vdsm-demo-")))
    folder.mkdir(parents=True, exist_ok=True)
    lock = stack.enter_context((folder / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise stage.BrokenPromiseError(f"the demonstration runs already, in {folder}") from None
    return folder


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
