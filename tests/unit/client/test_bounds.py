"""How much of a host and of a network a client takes: one connection for all, so many hosts asked and so many connections made at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from libvdsm.client import aio
from libvdsm.client.runtime.aio.line import Line
from tests.unit.client.conftest import Serve
from tests.unit.client.test_aio import stats
from tests.unit.client.test_pool import QUICK, serving, up


class Crowd:
    """How many were inside at once, at the most."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    async def __aenter__(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        for _ in range(10):  # whoever may come in does
            await asyncio.sleep(0)

    async def __aexit__(self, *_: object) -> None:
        self.inside -= 1


async def test_all_who_call_at_once_wait_for_one_connection(serve: Serve) -> None:
    server = serve(VM_getStats=stats)
    client = aio.connect(server.url)
    await asyncio.gather(*(client.vm.get_stats() for _ in range(20)))
    await client.close()
    assert (server.connections, len(server.methods)) == (1, 20)


async def test_so_many_hosts_are_asked_at_a_time(tmp_path: Path) -> None:
    crowd = Crowd()

    async def ask(client: aio.Client) -> None:
        async with crowd:
            await client.call("Host.getInfo")

    async with serving(tmp_path, 6) as hosts, aio.HostPool(most_calls=2, timeout=60, retry=QUICK) as pool:
        for name, host in hosts.items():
            pool.add(name, host.url)
        await up(pool)
        found = await pool.each(ask)
    assert sorted(found.results) == sorted(hosts)
    assert crowd.most == 2


async def test_to_so_many_hosts_is_connected_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd()

    def slowly(line: Line, open_: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def opened() -> None:
            if line.state.is_up:  # it is asked whether it still is
                await open_()
                return
            async with crowd:
                await open_()

        return opened

    async with serving(tmp_path, 6) as hosts, aio.HostPool(most_connecting=2, retry=QUICK) as pool:
        for name, host in hosts.items():
            line = pool.add(name, host.url).client.line
            monkeypatch.setattr(line, "open", slowly(line, line.open))
        await up(pool)
    assert crowd.most == 2
