"""What a client bears: daemons that are killed and come back, lines that are cut or go silent. Nothing is lost, nothing comes twice."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libvdsm.client import ConnectionLostError, aio, errors, sync, types
from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.lab.chaos import Chaos, End, Way, chaos

ROADS = ("unix", "stomp+unix", "ws+unix", "http+unix")
QUICK = aio.Retry(resends=5, refusals=5, first_s=0.01, most_s=0.2)
CONFIG = types.VmConfig(memory=2**28)


class Mortal:
    """A daemon that is killed, and started again on the same state and the same socket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.daemon: VdsmdProcess = start_vdsmd(folder, hypervisor="simulator:2", listen=None)

    def url(self, road: str) -> str:
        return f"{road}://{self.daemon.socket}"

    def die_and_return(self) -> None:
        """One life, and the next."""
        self.die()
        self.return_()

    def die(self) -> None:
        """SIGKILL; whatever it had started goes as well."""
        self.daemon.kill()
        self.daemon.stop()

    def return_(self) -> None:
        """The next life."""
        self.daemon = start_vdsmd(self._folder, hypervisor="simulator:2", listen=None)


@contextmanager
def mortal(folder: Path) -> Iterator[Mortal]:
    made = Mortal(folder)
    try:
        yield made
    finally:
        made.daemon.stop()


async def recorded(client: aio.Client, after: str, topics: list[str]) -> list[int]:
    """The sequences that the journal has."""
    found: list[int] = []
    while True:
        page = await client.event.read(after=after, topics=topics, limit=1000)
        assert page.gap is None
        found += [event.sequence for event in page.items]
        if after == page.resume:
            return found
        after = page.resume


@pytest.mark.parametrize("road", ROADS)
async def test_a_subscription_survives_its_daemon(tmp_path: Path, road: str) -> None:
    """It is killed twice while events come; the stream has what the journal has, once, in order."""
    with mortal(tmp_path / "d") as host:
        async with (
            aio.connect(host.url("unix"), connect_timeout=90, retry=QUICK) as worker,
            aio.connect(host.url(road), connect_timeout=90, retry=QUICK) as client,
        ):
            vm = (await worker.vm.list()).items[0]
            stream = client.events(["vm.#"], after=(await client.event.read()).resume)
            began = stream.resume
            assert began is not None
            seen: list[int] = []

            async def follow(until: str) -> None:
                async for delivery in stream:
                    assert delivery.gap is None
                    assert delivery.event is not None
                    seen.append(delivery.event.sequence)
                    if isinstance(delivery.event.patch, dict) and delivery.event.patch.get("name") == until:
                        return

            for life in range(3):
                following = asyncio.ensure_future(follow(f"end-{life}"))
                for number in range(20):
                    await worker.vm.update(vm.id, name=f"vm-{life}-{number}")
                if life < 2:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(asyncio.to_thread(host.die_and_return))
                        for number in range(20):
                            await worker.vm.update(vm.id, name=f"dying-{life}-{number}")
                await worker.vm.update(vm.id, name=f"end-{life}")
                await following
            assert seen == sorted(set(seen))
            assert seen == await recorded(worker, began, ["vm.#"])
            assert len(seen) >= 3 * 20
            await stream.aclose()


@pytest.mark.parametrize("road", ROADS)
async def test_calls_survive_their_daemon_and_are_done_once(tmp_path: Path, road: str) -> None:
    """Sixteen at a time make machines while the daemon is killed: each is there once, or its maker was told that nobody knows."""
    with mortal(tmp_path / "d") as host:
        async with aio.connect(host.url(road), connect_timeout=90, retry=aio.Retry(resends=3, first_s=0.01, most_s=0.2)) as client:
            begun = asyncio.Event()
            told: dict[str, str | None] = {}

            async def make(word: str) -> None:
                for number in range(8):
                    name = f"{word}-{number}"
                    try:
                        told[name] = (await client.vm.create(name, CONFIG)).vm_id
                    except (errors.OutcomeUnknown, errors.Interrupted):
                        told[name] = None
                    if len(told) > 20:
                        begun.set()

            async with asyncio.TaskGroup() as group:
                for number in range(16):
                    group.create_task(make(f"w{number}"))
                await begun.wait()
                await asyncio.to_thread(host.die_and_return)
            listed = [vm for vm in (await client.vm.list(limit=1000)).items if vm.name in told]
            there = {str(vm.name): vm.id for vm in listed}
            assert len(listed) == len(there)
            assert len(told) == 16 * 8
            known = {name: id for name, id in told.items() if id is not None}
            assert {name: id for name, id in there.items() if name in known} == known


@pytest.mark.parametrize("road", ROADS[:3])
async def test_streams_whose_beginning_is_cancelled_leave_no_subscription(vdsmd: StartVdsmd, road: str) -> None:
    """Wherever they are at that moment: before the call, on its way, between the two calls of STOMP, behind its answer."""
    daemon = vdsmd(hypervisor="simulator:1", listen=None)
    async with aio.connect(f"{road}://{daemon.socket}") as client:

        async def subscriptions() -> int:
            await client.host.ping()
            [mine] = [one for one in (await client.connection.list()).items if one.calls]
            return mine.subscriptions

        before = await subscriptions()
        for patience in range(150):
            stream = client.events(["vm.#"])
            entering = asyncio.ensure_future(stream.__aenter__())
            for _ in range(patience // 5):
                await asyncio.sleep(0)
            entering.cancel()
            await asyncio.wait([entering])
            if not entering.cancelled():
                await stream.aclose()
        assert await subscriptions() == before
        async with client.events(["vm.#"]):
            assert await subscriptions() == before + 1


def test_threads_survive_their_daemon(tmp_path: Path) -> None:
    """A stream of events goes on in the next life, and so do calls."""
    with mortal(tmp_path / "d") as host, sync.connect(host.url("unix"), connect_timeout=90, retry=QUICK) as client:
        vm = client.vm.list().items[0]
        with client.events([f"vm.{vm.id}"]) as stream:
            for name in ("one", "two"):
                client.vm.update(vm.id, name=name)
                host.die_and_return()
            client.vm.update(vm.id, name="three")
            names: list[str] = []
            while "three" not in names:
                event = stream.receive(90).event
                assert event is not None
                names += [event.patch["name"]] if event.change == "changed" and "name" in event.patch else []
        assert names == ["one", "two", "three"]


def test_a_wait_for_events_ends_in_time_while_the_daemon_is_away(tmp_path: Path) -> None:
    """It is killed with all that it has started; the state is told once for each change, and what was kept comes afterwards."""
    states: list[str] = []
    with mortal(tmp_path / "d") as host:
        url = host.url("unix")
        with sync.connect(url, connect_timeout=120, retry=QUICK, on_state=lambda state: states.append(state.link.value)) as client:
            vm = client.vm.list().items[0]
            stream = client.events([f"vm.{vm.id}"])
            with pytest.raises(TimeoutError):
                stream.receive(0)
            client.vm.update(vm.id, name="before")
            assert name_told(stream) == "before"
            host.die()
            began = time.monotonic()
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    stream.receive(0.05)
            assert time.monotonic() - began < 60  # nobody waits for the connect timeout
            host.return_()
            client.vm.update(vm.id, name="after")
            assert name_told(stream) == "after"
            stream.close()
        assert states == ["up", "down", "up", "closed"]


def name_told(stream: sync.EventStream) -> str:
    while True:
        event = stream.receive(90).event
        assert event is not None
        if event.change == "changed" and "name" in event.patch:
            return str(event.patch["name"])


@pytest.mark.parametrize(("road", "until"), (("tcp", 4_000), ("ws", 5_000), ("stomp", 9_000), ("http", 20_000)))
async def test_a_line_that_is_cut_again_and_again_loses_nothing(vdsmd: StartVdsmd, road: str, until: int) -> None:
    """Each connection is reset after a few thousand octets, in the middle of whatever it carries, in pieces of 700."""
    daemon = vdsmd(hypervisor="simulator:1")
    assert daemon.port is not None
    how = Chaos(to_client=Way(until=until, piece=700, end=End.CUT))
    async with aio.connect(daemon.url) as worker:
        vm = (await worker.vm.list()).items[0]
        with chaos(("127.0.0.1", daemon.port), how) as (address, port):
            client = aio.connect(f"{road}://{address}:{port}", retry=aio.Retry(resends=20, first_s=0.01, most_s=0.05))
            stream = client.events(["vm.#"], after=(await worker.event.read()).resume)
            began = stream.resume
            assert began is not None
            for number in range(40):
                await worker.vm.update(vm.id, name=f"vm-{number}")
            expected = await recorded(worker, began, ["vm.#"])
            seen: list[int] = []
            async with asyncio.timeout(120):
                while len(seen) < len(expected):
                    try:
                        delivery = await anext(stream)
                    except ConnectionLostError:  # the very subscription was cut too often
                        continue
                    assert delivery.event is not None
                    seen.append(delivery.event.sequence)
            assert seen == expected
            await stream.aclose()
            await client.close()


class Model:
    """What a stream that began with a snapshot has told."""

    def __init__(self) -> None:
        self.names: dict[str, str | None] = {}
        self.voids = 0

    def take(self, delivery: types.EventDelivery) -> None:
        event = delivery.event
        if event is None:
            self.names.clear()
            self.voids += 1
        elif event.change == "removed":
            self.names.pop(event.object.id, None)
        elif event.change == "added" or event.object.id in self.names:
            self.names[event.object.id] = event.patch.get("name", self.names.get(event.object.id))


#: Half of a snapshot of thirty machines gets through, and all of one of eight.
HALVES = Chaos(to_client=Way(until=20_000, piece=700, end=End.CUT))
STUBBORN = aio.Retry(resends=20, first_s=0.01, most_s=0.05, stream_s=120)


@pytest.mark.parametrize("road", ("tcp", "ws", "stomp"))
async def test_machines_that_went_between_two_halves_of_a_snapshot_are_no_ghosts(vdsmd: StartVdsmd, road: str) -> None:
    """Until it is small enough every snapshot is cut off; in the end the stream has told of what there is and of nothing else."""
    daemon = vdsmd(hypervisor="simulator:30")
    assert daemon.port is not None
    model = Model()
    async with aio.connect(daemon.url) as worker:
        machines = (await worker.vm.list()).items
        with chaos(("127.0.0.1", daemon.port), HALVES) as (address, port):
            client = aio.connect(f"{road}://{address}:{port}", retry=STUBBORN)
            stream = client.events(["vm.#"], snapshot=True)
            async with asyncio.timeout(120):
                while model.voids < 2:
                    model.take(await anext(stream))
                for vm in machines[8:]:
                    await (await worker.vm.delete(vm.id, force=True)).wait()
                await worker.vm.update(machines[0].id, name="the end")
                while stream.resume is None or model.names.get(machines[0].id) != "the end":
                    model.take(await anext(stream))
            assert model.names == {vm.id: vm.name for vm in (await worker.vm.list()).items}
            await stream.aclose()
            await client.close()


def test_machines_that_went_between_two_halves_of_a_snapshot_are_no_ghosts_to_threads(vdsmd: StartVdsmd) -> None:
    daemon = vdsmd(hypervisor="simulator:30")
    assert daemon.port is not None
    model = Model()
    with sync.connect(daemon.url) as worker, chaos(("127.0.0.1", daemon.port), HALVES) as (address, port):
        machines = worker.vm.list().items
        client = sync.connect(f"tcp://{address}:{port}", retry=STUBBORN)
        stream = client.events(["vm.#"], snapshot=True)
        while model.voids < 2:
            model.take(stream.receive(60))
        for vm in machines[8:]:
            worker.vm.delete(vm.id, force=True).wait()
        worker.vm.update(machines[0].id, name="the end")
        while stream.resume is None or model.names.get(machines[0].id) != "the end":
            model.take(stream.receive(60))
        assert model.names == {vm.id: vm.name for vm in worker.vm.list().items}
        stream.close()
        client.close()


@pytest.mark.parametrize("road", ROADS[:3])
async def test_a_daemon_that_comes_back_with_another_journal_is_seen_as_it_is(tmp_path: Path, road: str) -> None:
    """Its state was lost: the stream tells that all is void and then what there is, without being asked to."""
    model = Model()
    with mortal(tmp_path / "d") as host:
        async with aio.connect(host.url(road), connect_timeout=90, retry=QUICK) as client, asyncio.timeout(200):
            stream = client.events(["vm.#"], snapshot=True)
            kept, gone = (await client.vm.list()).items
            await (await client.vm.delete(gone.id, force=True)).wait()
            await client.vm.update(kept.id, name="before")
            while stream.resume is None or model.names != {kept.id: "before"}:
                model.take(await anext(stream))
            await asyncio.to_thread(host.die)
            shutil.rmtree(tmp_path / "d" / "state")
            await asyncio.to_thread(host.return_)
            there = {vm.id: vm.name for vm in (await client.vm.list()).items}
            while model.voids == 0 or model.names != there:
                model.take(await anext(stream))
            assert model.voids == 1
            assert "before" not in model.names.values()
            await stream.aclose()


@pytest.mark.parametrize("road", ("tcp", "ws", "stomp"))
async def test_a_line_that_goes_silent_is_given_up(vdsmd: StartVdsmd, road: str) -> None:
    """Neither end is told; who waits for an answer learns it in two beats, not when his time is up."""
    daemon = vdsmd(hypervisor="simulator:1")
    assert daemon.port is not None
    how = Chaos(to_client=Way(until=3_000, end=End.BLACKHOLE))
    with chaos(("127.0.0.1", daemon.port), how) as (address, port):
        states: list[str] = []
        client = aio.connect(
            f"{road}://{address}:{port}",
            heartbeat=0.3,
            connect_timeout=30,
            retry=aio.Retry(resends=0),
            on_state=lambda state: states.append(state.link.value),
        )
        async with client, asyncio.timeout(120):
            with pytest.raises(ConnectionLostError, match="no life"):  # noqa: PT012 - it is not known which call
                while True:
                    await client.call("Host.getInfo", timeout=60)
        assert states == ["up", "down", "closed"]


def test_threads_give_a_silent_line_up_as_well(vdsmd: StartVdsmd) -> None:
    daemon = vdsmd(hypervisor="simulator:1")
    assert daemon.port is not None
    with chaos(("127.0.0.1", daemon.port), Chaos(to_client=Way(until=3_000, end=End.BLACKHOLE))) as (address, port):
        client = sync.connect(f"tcp://{address}:{port}", heartbeat=0.3, connect_timeout=30, retry=aio.Retry(resends=0))
        with client, pytest.raises(ConnectionLostError, match="no life"):  # noqa: PT012 - it is not known which call
            while True:
                client.call("Host.getInfo", timeout=60)
