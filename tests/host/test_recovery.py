"""What became of a call whose worker was killed while libvirtd was carrying it out, with a real libvirtd and real QEMU (F-02, F-03)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from libvdsm.base.ids import new_uuid
from libvdsm.interfaces.generated import types
from libvdsm.interfaces.generated.types import VmConfig
from libvdsm.interfaces.messages import Recovered
from tests.host.front import Front, run
from tests.lab.libvirtd import Libvirtd
from tests.lab.real import tiny_config

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]

WORKER = """
import sys, libvirt
domain = libvirt.open(sys.argv[1]).lookupByUUIDString(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
eval(sys.argv[3])
"""


@contextmanager
def a_worker(lab: Libvirtd, vm_id: str, call: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is about to make one call of libvirt; killed at the end if it was not before."""
    command = [sys.executable, "-c", WORKER, lab.uri, vm_id, call]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[bytes]) -> None:
    """It makes its call now."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def frozen_guest(vm_id: str) -> int:
    """Stop the guest's process as soon as it is born."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _is_guest(entry, vm_id):
                os.kill(int(entry.name), signal.SIGSTOP)
                return int(entry.name)
    raise AssertionError("no guest was started")


def _is_guest(entry: Path, vm_id: str) -> bool:
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"qemu" in words[0] and any(vm_id.encode() in word for word in words)


async def made(front: Front) -> str:
    params = types.VmCreateParams(name="guest", config=tiny_config())
    return (await front.virt.vm_create(front.context("VM.create"), params)).vm_id


def recovering(front: Front, method: str, params: msgspec.Struct) -> asyncio.Task[Recovered]:
    return asyncio.create_task(front.virt.recover(front.context(method, 60), params))


def test_f03_a_start_whose_worker_is_killed_at_once_is_done_and_never_absent(lab: Libvirtd) -> None:
    """The guest's process is not ready for a while: libvirtd still starts it when its end is asked for."""

    async def scenario(front: Front) -> None:
        vm_id = await made(front)
        with a_worker(lab, vm_id, "domain.create()") as worker:
            go(worker)
            pid = await asyncio.to_thread(frozen_guest, vm_id)
            worker.kill()
            found = recovering(front, "VM.start", types.VmStartParams(vm_id=vm_id))
            await asyncio.sleep(1.5)
            assert not found.done(), "nobody passes the fence while libvirtd is at work"
            os.kill(pid, signal.SIGCONT)
            assert (await found).outcome == "done"
        assert front.reporter.documents[vm_id]["state"] == "running"

    run(lab, scenario)


def test_f02_a_start_that_had_not_reached_libvirtd_is_found_at_the_second_look(lab: Libvirtd) -> None:
    """libvirtd sleeps while the request comes, its sender dies and its end is asked for on an older connection."""

    async def scenario(front: Front) -> None:
        vm_id = await made(front)
        with a_worker(lab, vm_id, "domain.create()") as worker:
            lab.freeze_daemon()
            go(worker)
            await asyncio.sleep(2)
            worker.kill()
            found = recovering(front, "VM.start", types.VmStartParams(vm_id=vm_id))
            await asyncio.sleep(2)
            lab.thaw_daemon()
            assert (await found).outcome == "done"
        assert front.reporter.documents[vm_id]["state"] == "running"

    run(lab, scenario)


def test_f02_a_start_that_was_never_sent_is_absent(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        vm_id = await made(front)
        found = await recovering(front, "VM.start", types.VmStartParams(vm_id=vm_id))
        assert found.outcome == "absent"
        assert front.reporter.documents[vm_id]["state"] == "stopped"

    run(lab, scenario)


def test_a_start_that_hangs_in_libvirtd_leaves_the_outcome_unknown(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        vm_id = await made(front)
        with a_worker(lab, vm_id, "domain.create()") as worker:
            go(worker)
            pid = await asyncio.to_thread(frozen_guest, vm_id)
            worker.kill()
            found = await recovering(front, "VM.start", types.VmStartParams(vm_id=vm_id))
            os.kill(pid, signal.SIGCONT)
        assert found.outcome == "unknown"
        assert "has not come back within 1 s" in (found.reason or "")
        await front.state_is(vm_id, "running")

    run(lab, scenario, fence_s=1.0)


def test_a_plug_that_is_pulled_while_its_worker_dies_is_done(lab: Libvirtd) -> None:
    """A guest that hangs takes libvirtd seconds to kill."""

    async def scenario(front: Front) -> None:
        vm_id = await front.started()
        os.kill(lab.qemu_pid(vm_id), signal.SIGSTOP)
        with a_worker(lab, vm_id, "domain.destroy()") as worker:
            go(worker)
            await asyncio.sleep(2)
            worker.kill()
            assert (await recovering(front, "VM.stop", types.VmStopParams(vm_id=vm_id))).outcome == "done"
        assert front.reporter.documents[vm_id]["state"] == "stopped"

    run(lab, scenario)


def test_what_libvirt_does_not_keep_is_recorded_again_by_recovery(lab: Libvirtd) -> None:
    """A definition was made and its document lost with the worker: the user's words and the machine's alias come back."""

    async def scenario(front: Front) -> None:
        config = VmConfig(memory=32 << 20, metadata={"owner": "me"}, machine="pc", autostart=True)
        params = types.VmCreateParams(name="guest", config=config, vm_id=new_uuid(), project="shop")
        context = front.context("VM.create")
        await front.virt.vm_create(context, params)
        told = len(front.reporter.told)
        answer = await front.virt.recover(msgspec.structs.replace(context, deadline=front.context("").deadline), params)
        assert answer.outcome == "done"
        documents = [what for kind, what, _ in front.reporter.told[told:] if kind == "desired"]
        assert [(id, generation, document["project"]) for id, generation, document in documents] == [(params.vm_id, 1, "shop")]
        kept = documents[0][2]["config"]
        assert (kept["metadata"], kept["machine"], kept["autostart"]) == ({"owner": "me"}, "pc", True)
        seen = front.reporter.documents[params.vm_id or ""]
        assert (seen["config"]["metadata"], seen["config"]["autostart"], "problem" in seen) == ({}, True, False)

    run(lab, scenario)


def test_a_definition_that_was_changed_by_other_means_has_a_problem(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        vm_id = await made(front)
        edit = "(lambda c: c.defineXML(domain.XMLDesc(2).replace('<vcpu placement=\\'static\\'>1', '<vcpu placement=\\'static\\'>2')))(domain.connect())"
        with a_worker(lab, vm_id, edit) as worker:
            go(worker)
            assert await asyncio.to_thread(worker.wait, 60) == 0
        await front.reporter.until(lambda: "problem" in front.reporter.documents[vm_id])
        assert front.reporter.documents[vm_id]["problem"] == "its definition was changed by other means"
        patch = types.VmConfigPatch(memory=64 << 20)
        await front.virt.vm_update(front.context("VM.update"), types.VmUpdateParams(vm_id=vm_id, config=patch))
        assert "problem" not in front.reporter.documents[vm_id]

    run(lab, scenario)


def test_nothing_that_libvirt_does_by_itself_is_a_drift_or_needs_a_restart(lab: Libvirtd) -> None:
    """It names machines and processors, adds controllers, and sorts disks; a guest with all that has no problem when it runs."""
    config = msgspec.convert(
        {
            "memory": 256 << 20,
            "vcpus": 2,
            "cpu": {"mode": "hostModel", "cores": 2},
            "firmware": {"kind": "uefi"},
            "disks": [
                {"device": "cdrom", "bus": "sata"},
                {"device": "cdrom", "bus": "scsi"},
                {"source": {"kind": "file", "path": str(lab.folder / "disk"), "format": "raw"}, "bootOrder": 1},
            ],
            "nics": [{"source": {"kind": "user"}}, {"source": {"kind": "user"}, "model": "e1000e"}],
            "serials": [{}, {}],
            "graphics": [{}],
            "video": "vga",
            "guestAgent": True,
            "metadata": {"a": "b"},
        },
        VmConfig,
    )

    async def scenario(front: Front) -> None:
        (lab.folder / "disk").write_bytes(bytes(1 << 20))
        vm_id = (await front.virt.vm_create(front.context("VM.create"), types.VmCreateParams(name="guest", config=config))).vm_id
        assert "problem" not in front.reporter.documents[vm_id]
        await front.virt.vm_start(front.context("VM.start"), types.VmStartParams(vm_id=vm_id, paused=True))
        document = front.reporter.documents[vm_id]
        assert (document["state"], document["restartNeeded"], document.get("problem")) == ("paused", [], None)

    run(lab, scenario)


def test_files_that_are_not_there_speak_against_a_start(lab: Libvirtd) -> None:
    async def scenario(front: Front) -> None:
        config = VmConfig(memory=32 << 20, kernel=types.KernelBoot(path="/nowhere/kernel", initrd=str(lab.folder)))
        vm_id = (await front.virt.vm_create(front.context("VM.create"), types.VmCreateParams(name="guest", config=config))).vm_id
        found = await front.virt.check(front.context("VM.start"), types.VmStartParams(vm_id=vm_id))
        words = {msgspec.json.decode(reason)["message"] for reason in found.reasons}
        assert words == {
            "start failed: /nowhere/kernel: No such file or directory",
            f"start failed: {lab.folder}: it is a directory",
        }

    run(lab, scenario)
