"""The same program over every road, against a real daemon: calls, tasks with progress, events; asyncio and threads."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from libvdsm.client import AddressError, ClientError, UnsupportedError, aio, errors, sync, types
from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess
from tests.secure import LISTEN, Secured

ROADS = ("unix", "stomp+unix", "ws+unix", "http+unix")
SECURE = ("tls", "stomp+tls", "wss", "https")


def url(daemon: VdsmdProcess, road: str) -> str:
    return f"{road}://{daemon.socket}" if "unix" in road else f"{road}://127.0.0.1:{daemon.port}"


async def program(client: aio.Client, *, has_snapshots: bool) -> list[tuple[str, str]]:
    """Starts a machine, watches it, stops it; what it has seen of it."""
    vm = next(one for one in (await client.vm.list()).items if one.state == "stopped")
    seen: list[float] = []
    async with client.events([f"vm.{vm.id}"]) as stream:
        await (await client.vm.start(vm.id)).wait(progress=lambda progress: seen.append(progress.value), timeout=60)
        assert seen[-1] == 100
        with pytest.raises(errors.WrongState):
            await (await client.vm.start(vm.id)).wait()
        await (await client.vm.stop(vm.id)).wait()
        found: list[tuple[str, str]] = []
        while not found or found[-1][1] != "stopped":
            delivery = await anext(stream)
            assert delivery.event is not None
            if delivery.event.change == "changed" and "state" in delivery.event.patch:
                found.append((delivery.event.change.value, delivery.event.patch["state"]))
    snapshot = client.events(["vm.#"], snapshot=True)
    if has_snapshots:
        async with snapshot:
            assert (await anext(snapshot)).event is not None
    else:
        with pytest.raises(UnsupportedError):
            await anext(snapshot)
    return found


async def test_one_program_on_every_road(vdsmd: StartVdsmd) -> None:
    """It sees the same everywhere."""
    daemon = vdsmd()
    found = {}
    for road in (*ROADS, "tcp", "stomp", "ws", "http"):
        async with aio.connect(url(daemon, road), connect_timeout=30) as client, asyncio.timeout(120):
            found[road] = await program(client, has_snapshots=not road.startswith("http"))
    assert len({tuple(one) for one in found.values()}) == 1
    assert found["unix"][-1] == ("changed", "stopped")


@pytest.mark.parametrize("road", ROADS)
def test_threads_do_the_same(vdsmd: StartVdsmd, road: str) -> None:
    daemon = vdsmd()
    with sync.connect(url(daemon, road), connect_timeout=30) as client:
        vm = next(one for one in client.vm.list().items if one.state == "stopped")
        seen: list[float] = []
        with client.events([f"vm.{vm.id}", "task.#"]) as stream:
            client.vm.start(vm.id).wait(progress=lambda progress: seen.append(progress.value), timeout=60)
            topics = {stream.receive(60).event.topic.partition(".")[0] for _ in range(3)}  # type: ignore[union-attr]  # no gap comes here
        assert topics == {"vm", "task"}
        assert seen[-1] == 100
        client.vm.stop(vm.id).wait()


@pytest.mark.parametrize("road", ("unix", "stomp+unix", "ws+unix", "http+unix"))
async def test_filters_are_the_same_everywhere(vdsmd: StartVdsmd, road: str) -> None:
    """Those that the road does not know are applied here."""
    async with aio.connect(url(vdsmd(), road)) as client, asyncio.timeout(120):
        one, other = (await client.vm.list()).items[:2]
        wanted = types.EventFilter(object_ids=[other.id], fields=["config.memory"])
        async with client.events(["#"], filter=wanted) as stream:
            for vm, name in ((one, "a"), (other, "b")):
                await client.vm.update(vm.id, name=name)
                await client.vm.update(vm.id, config=types.VmConfigPatch(memory=2**29))
            event = (await anext(stream)).event
            if event is not None and event.change == "added":  # which it was just before, as it had only begun
                event = (await anext(stream)).event
            assert event is not None
            assert (event.object.id, event.patch["config"]["memory"]) == (other.id, 2**29)


def test_tokens_and_certificates_on_every_road(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """Who comes by a certificate is its owner; who comes by a token speaks for whom it was made; a token that ended says so."""
    secured = Secured(vdsmd(*LISTEN, hypervisor="simulator:2", listen=None), tmp_path)
    files = secured.issue("alice", "--role", "operator")
    with sync.connect(secured.daemon.url) as admin:
        made = admin.identity.create_token("for alice", identity="user:alice")
        assert made.token
        token_file = tmp_path / "token"
        token_file.write_text(made.token)
        for road in SECURE:
            at: dict[str, Any] = {"ca": files.ca, "connect_timeout": 30}
            with sync.connect(url(secured.daemon, road), certificate=files.certificate, key=files.key, **at) as client:
                assert (client.identity.who_am_i().identity, client.identity.who_am_i().source) == ("user:alice", "certificate")
        for road in ROADS:
            with sync.connect(url(secured.daemon, road), token_file=str(token_file), connect_timeout=30) as client:
                assert (client.identity.who_am_i().identity, client.identity.who_am_i().source) == ("user:alice", "token")
        admin.identity.revoke_token(made.token_id)
    for road in ROADS:
        client = sync.connect(url(secured.daemon, road), token_file=str(token_file), connect_timeout=30)
        with pytest.raises(errors.NotAuthenticated):
            client.identity.who_am_i()
        client.close()
    with pytest.raises(AddressError):
        sync.connect("tcp://192.0.2.1", token_file=str(token_file))


def test_who_does_not_trust_does_not_connect(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    secured = Secured(vdsmd(*LISTEN, hypervisor="simulator:1", listen=None), tmp_path)
    for road in SECURE:
        client = sync.connect(url(secured.daemon, road), connect_timeout=30)
        with pytest.raises(ClientError, match="not to be trusted"):
            client.open()
        client.close()


@pytest.mark.parametrize("road", ROADS[:3])
async def test_changes_may_be_merged(vdsmd: StartVdsmd, road: str) -> None:
    """On every road that delivers: fewer are told, and they say of how many they are made."""
    daemon = vdsmd(hypervisor="simulator:1")
    async with aio.connect(url(daemon, road)) as client:
        vm = (await client.vm.list()).items[0]
        async with client.events(["vm.#", "host.none"], coalesce=1.5) as stream, asyncio.timeout(120):
            for number in range(50):
                await client.vm.update(vm.id, name=f"name-{number}")
            names: list[str] = []
            merged = 0
            while "name-49" not in names:
                event = (await anext(stream)).event
                assert event is not None
                names += [event.patch["name"]] if "name" in event.patch else []
                merged += event.merged or 1
        assert merged >= 50
        assert len(names) < 50
