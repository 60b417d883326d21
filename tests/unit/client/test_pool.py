"""Many hosts in one process, some of which hang, go and come back; the hosts are small servers on the test's own loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from libvdsm.client import HostDownError, NoAnswerError, aio, errors
from libvdsm.client.runtime.aio.feed import HostDelivery
from libvdsm.client.runtime.errors import ApiError
from tests.unit.client.scripted import event

QUICK = aio.Retry(first_s=0.001, most_s=0.01)


class FakeHost:
    """A host: answers pings with its name, has a journal of numbers, and can hang."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.path = folder / f"{name}.sock"
        self.hangs = False
        self.last = 0
        self.asked = 0
        self.connections = 0
        self.subscriptions: dict[asyncio.StreamWriter, str] = {}
        self.followed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.path.unlink(missing_ok=True)
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    def happen(self, count: int = 1) -> None:
        """Events, to whoever follows."""
        for _ in range(count):
            self.last += 1
            for writer, name in self.subscriptions.items():
                self._deliver(writer, name, self.last)

    def lose(self) -> None:
        """What follows can no longer be had, and whoever follows is told."""
        self.last += 1
        for writer, name in self.subscriptions.items():
            params = {"subscriptionId": name, "resume": f"e-{self.last}", "gap": {"reason": "trimmed", "missed": 1}}
            self._send(writer, method="Event.deliver", params=params)

    def _deliver(self, writer: asyncio.StreamWriter, name: str, number: int) -> None:
        self._send(writer, method="Event.deliver", params={"subscriptionId": name, "resume": f"e-{number}", "event": event(number)})

    def _send(self, writer: asyncio.StreamWriter, **message: Any) -> None:
        writer.write(json.dumps(message).encode() + b"\n")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with suppress(ConnectionError):
            while line := await reader.readline():
                if not self.hangs:
                    self._answer(writer, json.loads(line))
        self._writers.discard(writer)
        self.subscriptions.pop(writer, None)
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        params = request["params"]
        match request["method"]:
            case "Host.ping":
                self._send(writer, id=request["id"], result={"pong": True})
            case "Host.getInfo":
                self.asked += 1
                self._send(writer, id=request["id"], result={"name": self.name})
            case "Event.subscribe":
                after = int(params["after"].partition("-")[2]) if "after" in params else self.last
                self._send(writer, id=request["id"], result={"subscriptionId": params["subscriptionId"], "resume": f"e-{after}"})
                for number in range(after + 1, self.last + 1):
                    self._deliver(writer, params["subscriptionId"], number)
                self.subscriptions[writer] = params["subscriptionId"]
                self.followed.set()
            case "Event.unsubscribe":
                self.subscriptions.pop(writer, None)
                self._send(writer, id=request["id"], result={})
            case _:
                self._send(writer, id=request["id"], error={"code": 1, "message": "no", "data": {"error": "PermissionDenied"}})


@asynccontextmanager
async def serving(folder: Path, count: int) -> AsyncIterator[dict[str, FakeHost]]:
    """So many hosts."""
    found = {f"h{number:03}": FakeHost(folder, f"h{number:03}") for number in range(count)}
    for host in found.values():
        await host.start()
    try:
        yield found
    finally:
        for host in found.values():
            await host.stop()


async def up(pool: aio.HostPool) -> None:
    async with asyncio.timeout(60):
        await asyncio.gather(*(host.wait_up() for host in pool.hosts.values()))


async def test_ten_of_two_hundred_hang_and_the_others_do_not_wait(tmp_path: Path) -> None:
    """First while connecting, then, when it is known, at no cost; the results of the others are all there."""
    async with serving(tmp_path, 200) as hosts:
        hanging = [f"h{number:03}" for number in range(0, 200, 20)]
        for name in hanging:
            hosts[name].hangs = True
        async with aio.HostPool(timeout=60, connect_timeout=8, most_calls=16, retry=QUICK) as pool:
            for name, host in hosts.items():
                pool.add(name, host.url)
            first = await pool.call("Host.getInfo", timeout=60)
            assert sorted(first.errors) == hanging
            assert {name: result["name"] for name, result in first.results.items()} == {name: name for name in hosts if name not in hanging}
            assert not first.is_complete
            assert all(host.asked == (0 if name in hanging else 1) for name, host in hosts.items())


async def test_hosts_that_begin_to_hang_cost_their_own_time_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, 40) as hosts:
        chosen = list(hosts)[:40]
        changed = asyncio.Event()

        def tell(_name: str, _state: aio.LinkState) -> None:
            changed.set()

        async with aio.HostPool(timeout=4, most_calls=16, retry=QUICK, heartbeat=2, connect_timeout=8, on_state=tell) as pool:
            for name in chosen:
                pool.add(name, hosts[name].url)
            await up(pool)
            assert (await pool.call("Host.getInfo")).is_complete
            for name in chosen[:10]:
                hosts[name].hangs = True
            found = await pool.call("Host.getInfo")
            assert sorted(found.errors) == chosen[:10]
            assert all(isinstance(error, (NoAnswerError, HostDownError)) or "life" in str(error) for error in found.errors.values())
            assert sorted(found.results) == chosen[10:]
            async with asyncio.timeout(60):  # signs of life are missed
                while any(pool[name].state.is_up for name in chosen[:10]):
                    changed.clear()
                    await changed.wait()
            again = await pool.call("Host.getInfo")
            assert sorted(again.results) == chosen[10:]


async def test_states_are_told_as_they_change(tmp_path: Path) -> None:
    async with serving(tmp_path, 2) as hosts:
        told: list[tuple[str, str]] = []
        changed = asyncio.Event()

        def tell(name: str, state: aio.LinkState) -> None:
            told.append((name, state.link.value))
            assert state.since > 0
            changed.set()

        async with aio.HostPool(on_state=tell, retry=QUICK, connect_timeout=30) as pool:
            pool.add("a", hosts["h000"].url)
            with pytest.raises(ValueError, match="already"):
                pool.add("a", hosts["h001"].url)
            await up(pool)
            await hosts["h000"].stop()
            async with asyncio.timeout(60):
                while ("a", "down") not in told:
                    changed.clear()
                    await changed.wait()
            assert pool.states["a"].reason
            with pytest.raises(HostDownError, match="host a is down"):
                await pool["a"].check_up()
            await hosts["h000"].start()
            await up(pool)
            await pool.remove("a")
            with pytest.raises(KeyError):
                await pool.remove("a")
        await asyncio.sleep(0)
        assert told == [("a", link) for link in ("connecting", "up", "down", "up", "closed")]


async def test_a_reason_alone_is_no_change_and_a_callback_that_fails_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, 1) as hosts:
        told: list[str] = []

        def tell(_name: str, state: aio.LinkState) -> None:
            told.append(state.link.value)
            message = "this callback is broken"
            raise ValueError(message)

        async with aio.HostPool(on_state=tell, retry=QUICK) as pool:
            host = pool.add("a", hosts["h000"].url)
            await up(pool)
            host._tell(aio.Link.DOWN, "it has closed the connection")
            host._tell(aio.Link.DOWN, "it cannot be found")
            assert pool.states["a"].reason == "it cannot be found"
        assert told == ["connecting", "up", "down", "closed"]
        host._tell(aio.Link.UP)
        assert host.state.link is aio.Link.CLOSED
    assert "a callback has failed" in caplog.text


async def test_a_gap_is_told_in_its_order(tmp_path: Path) -> None:
    """Not while what came before it still waits for its reader."""
    async with serving(tmp_path, 1) as hosts:
        told: list[str] = []
        host = hosts["h000"]
        async with aio.HostPool(retry=QUICK, on_gap=lambda name, gap: told.append(f"{name}: {gap.reason}")) as pool:
            pool.add("a", host.url)
            async with pool.events(["vm.#"]) as stream, asyncio.timeout(60):
                await host.followed.wait()
                host.happen(2)
                host.lose()
                host.happen()
                await pool["a"].client.call("Host.getInfo")  # its answer comes behind them: now they wait
                while "e-4" not in told:
                    found = await anext(stream)
                    assert found.delivery is not None
                    told.append(found.delivery.resume)
                    await asyncio.sleep(0)
                assert stream.resume == {"a": "e-4"}
        assert told == ["e-1", "e-2", "e-3", "a: trimmed", "e-4"]


async def test_a_stream_with_snapshots_has_no_token_in_the_middle_of_one(tmp_path: Path) -> None:
    """Behind a gap neither, until the host's snapshot is there: who comes back with what it had hears of the gap again."""
    async with serving(tmp_path, 1) as hosts:
        host = hosts["h000"]
        host.last = 5
        async with aio.HostPool(retry=QUICK) as pool:
            pool.add("a", host.url)
            async with pool.events(["vm.#"], after={"a": "e-4"}, snapshot=True) as stream, asyncio.timeout(60):
                assert (await anext(stream)).resume == "e-5"
                host.lose()
                found = await anext(stream)
                assert found.delivery is not None
                assert (found.delivery.gap is not None, found.delivery.resume, found.resume) == (True, "e-0", "e-5")
                assert stream.resume == {"a": "e-5"}


async def test_refusals_are_errors_of_their_host(tmp_path: Path) -> None:
    async with serving(tmp_path, 2) as hosts, aio.HostPool(retry=QUICK) as pool:
        pool.add("a", hosts["h000"].url)
        pool.add("b", hosts["h001"].url)
        found = await pool.each(lambda client: client.vm.list(), hosts=["a", "a"])
        assert list(found.errors) == ["a"]
        assert isinstance(found.errors["a"], errors.PermissionDenied)
        with pytest.raises(KeyError):
            await pool.call("Host.getInfo", hosts=["nowhere"])


async def test_one_stream_has_the_events_of_all_hosts_none_lost_and_none_twice(tmp_path: Path) -> None:
    """Hosts join later, lose their connections, and go on with their tokens."""
    async with serving(tmp_path, 20) as hosts:
        names = list(hosts)[:20]
        found: dict[str, list[int]] = {name: [] for name in names}

        def note(told: HostDelivery) -> None:
            assert told.delivery is not None
            assert told.delivery.event is not None
            found[told.host_id].append(told.delivery.event.sequence)

        async with aio.HostPool(retry=QUICK, connect_timeout=30) as pool:
            for name in names[:10]:
                pool.add(name, hosts[name].url)
            async with pool.events(["vm.#"]) as stream:
                for name in names[10:]:
                    pool.add(name, hosts[name].url)
                async with asyncio.timeout(60):
                    await asyncio.gather(*(hosts[name].followed.wait() for name in names))
                    for part in range(3):
                        for name in names:
                            hosts[name].happen(5)
                        for name in names[part * 5 : part * 5 + 5]:
                            await hosts[name].stop()
                            hosts[name].happen(2)  # while nobody is there
                            await hosts[name].start()
                    expected = {name: list(range(1, hosts[name].last + 1)) for name in names}
                    while sum(map(len, found.values())) < sum(map(len, expected.values())):
                        note(await anext(stream))
                assert found == expected
                assert stream.resume == {name: f"e-{hosts[name].last}" for name in names}
                resume = stream.resume
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            hosts[names[0]].happen()
            async with pool.events(["vm.#"], after=resume) as stream:
                async with asyncio.timeout(60):
                    told = await anext(stream)
                assert (told.host_id, told.delivery and told.delivery.resume) == (names[0], f"e-{hosts[names[0]].last}")


async def test_a_stream_that_was_closed_is_no_subscription_any_more(tmp_path: Path) -> None:
    """The connections go on: else each stream would leave one behind on each host, until there may be no more."""
    async with serving(tmp_path, 3) as hosts, aio.HostPool(retry=QUICK) as pool:
        for name, host in hosts.items():
            pool.add(name, host.url)
        async with asyncio.timeout(60):
            async with pool.events(["vm.#"]):
                await asyncio.gather(*(host.followed.wait() for host in hosts.values()))
            assert [len(host.subscriptions) for host in hosts.values()] == [0, 0, 0]
            assert (await pool.call("Host.getInfo")).is_complete


async def test_a_host_that_refuses_events_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path, 1) as hosts:

        def refuse(self: FakeHost, writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
            if request["method"] == "Event.subscribe":
                request = {**request, "method": "none"}
            answer(self, writer, request)

        answer = FakeHost._answer
        monkeypatch.setattr(FakeHost, "_answer", refuse)
        async with aio.HostPool(retry=QUICK) as pool:
            pool.add("a", hosts["h000"].url)
            async with pool.events() as stream, asyncio.timeout(60):
                told = await anext(stream)
        assert told.delivery is None
        assert isinstance(told.error, ApiError)
