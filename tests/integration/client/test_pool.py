"""Five real daemons in one pool: asked together, followed together; one hangs, one is killed and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

from libvdsm.client import aio
from tests.daemon_process import VdsmdProcess, start_vdsmd

ROADS = ("unix", "stomp+unix", "ws+unix", "http+unix", "unix")
QUICK = aio.Retry(first_s=0.02, most_s=0.3)


async def wait_for(pool: aio.HostPool, changed: asyncio.Event, name: str, *, is_up: bool) -> None:
    async with asyncio.timeout(90):
        while pool.states[name].is_up is not is_up:
            changed.clear()
            await changed.wait()


async def test_five_daemons(tmp_path: Path) -> None:
    daemons: list[VdsmdProcess] = []
    try:
        for number in range(5):
            daemons += [start_vdsmd(tmp_path / f"d{number}", hypervisor="simulator:2", listen=None)]
        await play(tmp_path, daemons)
    finally:
        for daemon in daemons:
            daemon.stop()


async def play(folder: Path, daemons: list[VdsmdProcess]) -> None:
    changed = asyncio.Event()
    names = [f"host-{number}" for number in range(5)]
    async with aio.HostPool(timeout=30, heartbeat=3, connect_timeout=30, retry=QUICK, on_state=lambda *_state: changed.set()) as pool:
        for name, road, daemon in zip(names, ROADS, daemons, strict=True):
            pool.add(name, f"{road}://{daemon.socket}")
        found = await pool.each(lambda host: host.vm.list())
        assert sorted(found.results) == names, found.errors
        machines = {name: listed.items[0].id for name, listed in found.results.items()}
        async with pool.events(["vm.#"], after={name: (await pool[name].client.event.read()).resume for name in names}) as stream:
            await rename(pool, machines, "first")
            assert await names_seen(stream, "first", 5) == set(names)

            os.kill(daemons[4].front, signal.SIGSTOP)
            try:
                asked = await pool.call("Host.getInfo")
                assert (sorted(asked.results), sorted(asked.errors)) == (names[:4], names[4:])
                await wait_for(pool, changed, names[4], is_up=False)
                assert sorted((await asyncio.wait_for(pool.call("Host.getInfo"), 20)).errors) == names[4:]  # it waits for nobody's 30 s
            finally:
                os.kill(daemons[4].front, signal.SIGCONT)
            await wait_for(pool, changed, names[4], is_up=True)

            daemons[0].kill()
            await asyncio.to_thread(daemons[0].stop)
            await wait_for(pool, changed, names[0], is_up=False)
            await rename(pool, {name: machines[name] for name in names[1:]}, "second")
            daemons[0] = await asyncio.to_thread(start_vdsmd, folder / "d0", hypervisor="simulator:2", listen=None)
            await wait_for(pool, changed, names[0], is_up=True)
            await rename(pool, {names[0]: machines[names[0]]}, "second")
            assert await names_seen(stream, "second", 5) == set(names)
            await pool.remove(names[1])
            assert sorted((await pool.call("Host.ping")).results) == [names[0], *names[2:]]


async def rename(pool: aio.HostPool, machines: dict[str, str], word: str) -> None:
    for name, vm_id in machines.items():
        await pool[name].client.vm.update(vm_id, name=word)


async def names_seen(stream: aio.PoolEvents, word: str, count: int) -> set[str]:
    """The hosts of so many events that tell of the new name."""
    found: list[str] = []
    async with asyncio.timeout(90):
        while len(found) < count:
            told = await anext(stream)
            assert told.delivery is not None
            assert told.delivery.gap is None
            assert told.delivery.event is not None
            if told.delivery.event.patch.get("name") == word:
                found.append(told.host_id)
    return set(found)


async def test_states_are_told_once_and_in_order(tmp_path: Path) -> None:
    """One daemon by every road, killed and started again; whoever is told fails each time, and harms nobody."""
    daemon = start_vdsmd(tmp_path / "d", hypervisor="simulator:1", listen=None)
    try:
        told: dict[str, list[str]] = {}
        changed = asyncio.Event()
        threads: set[threading.Thread] = set()

        def tell(name: str, state: aio.LinkState) -> None:
            told.setdefault(name, []).append(state.link.value)
            threads.add(threading.current_thread())
            changed.set()
            raise ZeroDivisionError

        async with aio.HostPool(heartbeat=3, connect_timeout=30, retry=QUICK, on_state=tell) as pool:
            for road in ROADS[:4]:
                more = {} if "http" in road else {"heartbeat": 60, "connect_timeout": 30}  # by HTTP it is asked for, else it is told
                pool.add(road, f"{road}://{daemon.socket}", **more)
            for name in pool.hosts:
                await wait_for(pool, changed, name, is_up=True)
            daemon.kill()
            await asyncio.to_thread(daemon.stop)
            for name in pool.hosts:
                await wait_for(pool, changed, name, is_up=False)
            daemon = await asyncio.to_thread(start_vdsmd, tmp_path / "d", hypervisor="simulator:1", listen=None)
            for name in pool.hosts:
                await wait_for(pool, changed, name, is_up=True)
        assert told == {road: ["connecting", "up", "down", "up", "closed"] for road in ROADS[:4]}
        assert threads == {threading.current_thread()}
    finally:
        daemon.stop()
