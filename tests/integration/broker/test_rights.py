"""Rights that come and go while somebody follows: over each door he hears what he loses and what he wins, and nothing of all else."""

from __future__ import annotations

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest
from websockets.sync.client import connect as connect_websocket
from websockets.typing import Subprotocol

from libvdsm.wire.amqp import decoding, sections
from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import encode_frame
from libvdsm.wire.amqp.values import Described, Symbol
from tests.conformance.test_amqp_daemon import Wire
from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess
from tests.fakes.amqp_peer import body_of
from tests.integration.broker.stomp_line import StompLine
from tests.integration.http.test_web import Events
from tests.roads import Caller, connect

TOPIC = "vm.#"
GAP = {"gap": {"reason": "rights"}}


class Door(ABC):
    """A client that follows virtual machines, keeps what it has, and knows where it was."""

    def __init__(self, daemon: VdsmdProcess, token: str, after: str | None = None) -> None:
        self.daemon = daemon
        self.token = token
        self.resume = after or ""
        self.has: dict[str, str] = {}  # names, by id
        self.is_late = after is not None  # it does not know what there was before
        self._told = self.open(after)

    @abstractmethod
    def open(self, after: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Begin with a snapshot, or after a token: tokens, and the events or gaps that they stand behind."""

    @abstractmethod
    def close(self) -> None:
        """Go away."""

    def until(self, change: str, *ids: str) -> list[tuple[str, str]]:
        """What is told up to this change of all these, in whatever order."""
        wanted, told = {(change, id) for id in ids}, []
        while wanted:
            event = self.next()
            told.append((event["change"], event["object"]["id"]))
            wanted.discard(told[-1])
        return told

    def next(self) -> dict[str, Any]:
        """One event, or a gap."""
        self.resume, event = next(self._told)
        if "gap" in event:
            return event
        id, change = event["object"]["id"], event["change"]
        if change == "removed":
            assert "patch" not in event
            del self.has[id]
        elif change == "added":
            self.has[id] = event["patch"]["name"]
        else:
            assert id in self.has or self.is_late, "a change of what it does not have"
        return event


class Raw(Door):
    def open(self, after: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        self.caller = Caller(("127.0.0.1", self.daemon.port or 0))
        self.caller.call("Identity.login", {"token": self.token})
        self.caller.call("Event.subscribe", {"topics": [TOPIC]} | ({"snapshot": True} if after is None else {"after": after}))
        return self._read()

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        while True:
            while not self.caller.events:
                self.caller.read()
            told = self.caller.events.pop(0)
            yield told["resume"], told["event"] if "event" in told else {"gap": told["gap"]}

    def close(self) -> None:
        self.caller.__exit__()


class Sse(Door):
    def open(self, after: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        path = f"/events?topics={quote(TOPIC)}&snapshot=true"
        self.events = Events(("127.0.0.1", self.daemon.port or 0), path, after or "", Authorization=f"Bearer {self.token}")
        return ((self.events.last, {"gap": data} if kind == "gap" else data) for kind, data in self.events)

    def close(self) -> None:
        self.events.close()


class Stomp(Door):
    def open(self, after: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        self.line = StompLine(self.daemon.socket, login="token", passcode=self.token)
        wish = {"snapshot": "true"} if after is None else {"resume": after}
        self.line.send("SUBSCRIBE", {"destination": f"/topic/{TOPIC}", "id": "s", **wish})
        return self._read()

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        while True:
            frame = self.line.read()
            assert frame.command == "MESSAGE", frame
            body = json.loads(frame.body)
            yield frame.headers["resume"], {"gap": body} if "gap" in frame.headers else body

    def close(self) -> None:
        self.line.close()


class Web(Door):
    def open(self, after: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        self.stack = ExitStack()
        connecting = connect_websocket(
            f"ws://127.0.0.1:{self.daemon.port}/ws",
            subprotocols=[Subprotocol("jsonrpc")],
            additional_headers={"Authorization": f"Bearer {self.token}"},
            compression=None,
        )
        self.socket = self.stack.enter_context(connecting)
        params = {"topics": [TOPIC]} | ({"snapshot": True} if after is None else {"after": after})
        self.socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "Event.subscribe", "params": params}))
        return self._read()

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        while True:
            told = json.loads(self.socket.recv(timeout=PATIENCE_S))
            assert "error" not in told, told
            if "params" in told:
                told = told["params"]
                yield told["resume"], told["event"] if "event" in told else {"gap": told["gap"]}

    def close(self) -> None:
        self.stack.close()


class Amqp(Door):
    def open(self, after: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        self.line = connect(self.daemon.socket, PATIENCE_S)
        self.wire = Wire(self.line.sendall, lambda: self.line.recv(65_536))
        assert self.wire.log_in("PLAIN", b"\0token\0" + self.token.encode())[1] == 0
        self.wire.open()
        name, value = ("vdsm:snapshot", True) if after is None else ("vdsm:resume", after)
        wanted = p.Source(f"/topic/{TOPIC}", filter={Symbol(name): Described(Symbol(name), value)})
        frames = (p.Attach("events", 0, role=True, snd_settle_mode=1, source=wanted, target=p.Target()), self._room(0))
        self.line.sendall(b"".join(encode_frame(0, each) for each in frames))
        return self._read()

    @staticmethod
    def _room(count: int) -> p.Flow:
        return p.Flow(count, 1_000, 0, 1_000, 0, count, 1_000)

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for count in itertools.count():
            if count % 500 == 0:
                self.line.sendall(encode_frame(0, self._room(count)))
            payload = self.wire.until(p.Transfer)[1]
            parts = sections.split(payload)
            assert parts.annotations is not None
            annotations, _end = decoding.decode(payload, parts.annotations[0] + 3)
            assert isinstance(annotations, dict)
            body = json.loads(body_of(payload))
            yield str(annotations["x-opt-vdsm-resume"]), body if "sequence" in body else {"gap": body}

    def close(self) -> None:
        self.line.close()


DOORS = (Raw, Sse, Web, Stomp, Amqp)
PATIENCE_S = 60.0


class Host:
    """A daemon, and what its administrator does."""

    def __init__(self, daemon: VdsmdProcess, admin: Caller) -> None:
        self.daemon = daemon
        self.admin = admin
        self.token = str(admin.call("Identity.createToken", {"label": "t", "identity": "user:alice"})["token"])

    def vm(self, name: str, project: str) -> str:
        params = {"name": name, "config": {"memory": 268435456}, "project": project}
        return str(self.admin.call("VM.create", params)["vmId"])

    def grant(self, scope: dict[str, str]) -> str:
        return str(self.admin.call("Access.grant", {"identity": "user:alice", "role": "reader", "scope": scope})["id"])

    def revoke(self, grant: str) -> None:
        self.admin.call("Access.revoke", {"grantId": grant})

    def list(self) -> dict[str, str]:
        """What alice's own list shows."""
        found: dict[str, str] = {}
        with Caller(self.daemon.socket) as alice:
            alice.call("Identity.login", {"token": self.token})
            page: dict[str, Any] = {"next": ""}
            while "next" in page:
                page = alice.call("VM.list", {"limit": 1000} | ({"after": page["next"]} if page["next"] else {}))
                found |= {each["id"]: each["name"] for each in page["items"]}
        return found


def in_project(name: str) -> dict[str, str]:
    return {"kind": "project", "project": name}


def one(id: str) -> dict[str, str]:
    return {"kind": "object", "type": "vm", "id": id}


@pytest.fixture
def host(vdsmd: StartVdsmd) -> Iterator[Host]:
    daemon = vdsmd(hypervisor="simulator:0")
    with Caller(daemon.socket) as admin:
        yield Host(daemon, admin)


@pytest.mark.parametrize("door", DOORS)
def test_grants_come_and_go_while_he_follows(host: Host, door: Callable[[VdsmdProcess, str], Door]) -> None:
    """By project, for one object, by a role, and all at once: what he has is what his own list shows, at every step."""
    mine, other, third = host.vm("mine", "web"), host.vm("other", "db"), host.vm("third", "db")
    web = host.grant(in_project("web"))
    alice = door(host.daemon, host.token)
    assert alice.until("added", mine) == [("added", mine)]
    db = host.grant(in_project("db"))
    assert sorted(alice.until("added", other, third)) == sorted([("added", other), ("added", third)])
    assert alice.has == host.list() == {mine: "mine", other: "other", third: "third"}
    host.admin.done("VM.start", {"vmId": other})
    alice.until("changed", other)
    host.revoke(web)
    told = alice.until("removed", mine)
    assert {id for change, id in told if change == "changed"} <= {other}
    host.admin.done("VM.start", {"vmId": mine})
    single = host.grant(one(mine))
    assert {id for _, id in alice.until("added", mine)} <= {mine, other}
    host.revoke(db)
    assert {id for _, id in alice.until("removed", other, third)} <= {mine, other, third}
    host.admin.done("VM.stop", {"vmId": other})
    fourth = host.vm("fourth", "db")
    host.admin.call("VM.update", {"vmId": mine, "project": "db"})
    assert {id for _, id in alice.until("added", mine)} == {mine}
    assert alice.has == host.list() == {mine: "mine"}
    host.grant(in_project("db"))
    host.revoke(single)
    alice.until("added", other, third, fourth)
    fifth = host.vm("fifth", "db")
    alice.until("added", fifth)
    assert alice.has == host.list()
    assert sorted(alice.has.values()) == ["fifth", "fourth", "mine", "other", "third"]
    alice.close()


@pytest.mark.parametrize("door", DOORS)
def test_who_was_away_meanwhile_has_a_gap(host: Host, door: Callable[[VdsmdProcess, str, str | None], Door]) -> None:
    """With the rights of before he misses nothing; with others he is told to read anew, once."""
    mine, other = host.vm("mine", "web"), host.vm("other", "db")
    web = host.grant(in_project("web"))
    alice = door(host.daemon, host.token, None)
    alice.until("added", mine)
    alice.close()
    second = host.vm("second", "web")
    again = door(host.daemon, host.token, alice.resume)
    assert [told for told in again.until("added", second) if told[0] != "changed"] == [("added", second)]
    again.close()
    host.revoke(web)
    host.grant(in_project("db"))
    host.admin.done("VM.start", {"vmId": mine})
    away = door(host.daemon, host.token, again.resume)
    assert away.next() == GAP
    away.close()
    fourth = host.vm("fourth", "db")
    back = door(host.daemon, host.token, away.resume)
    assert [told for told in back.until("added", fourth) if told[0] != "changed"] == [("added", fourth)]
    assert host.list() == {other: "other", fourth: "fourth"}
    back.close()


def test_a_role_changes_for_thousands_of_machines_and_all_who_follow(vdsmd: StartVdsmd) -> None:
    """Each hears of each of them once, over every door at the same time; then that they are gone."""
    daemon = vdsmd(hypervisor="simulator:1500")
    with Caller(daemon.socket) as admin:
        host = Host(daemon, admin)
        admin.call("Access.defineRole", {"name": "viewer", "permissions": ["event.read", "host.read"]})
        scope = {"kind": "everywhere"}
        admin.call("Access.grant", {"identity": "user:alice", "role": "viewer", "scope": scope})
        admin.call("VM.getStats")
        followers = [door(daemon, host.token) for door in DOORS]
        admin.call("Access.defineRole", {"name": "viewer", "permissions": ["event.read", "host.read", "vm.read"]})
        all_of_them = host.list()
        assert len(all_of_them) == 1500
        for follower in followers:
            assert sorted(follower.until("added", *all_of_them)) == sorted(("added", id) for id in all_of_them)
        admin.call("Access.defineRole", {"name": "viewer", "permissions": ["event.read", "host.read"]})
        for follower in followers:
            assert sorted(follower.until("removed", *all_of_them)) == sorted(("removed", id) for id in all_of_them)
            assert follower.has == {}
            follower.close()


def test_who_is_refused_is_on_record_where_the_queue_is(host: Host) -> None:
    """For whoever may read the audit of its project, and for nobody of another one."""
    admin = host.admin
    for name, project in (("theirs", "web"), ("others", "db")):
        admin.call("Queue.create", {"name": name, "project": project})
    admin.call("Access.defineRole", {"name": "auditor", "permissions": ["audit.read"]})
    admin.call("Access.grant", {"identity": "user:bob", "role": "auditor", "scope": in_project("web")})
    token = admin.call("Identity.createToken", {"label": "b", "identity": "user:bob"})["token"]
    for command, headers in (("SEND", {}), ("SUBSCRIBE", {"id": "1"})):
        for name in ("theirs", "others"):
            with StompLine(host.daemon.socket, login="token", passcode=host.token) as line:
                line.send(command, {"destination": f"/queue/{name}", "receipt": "r", **headers})
                assert line.read().headers["error"] == "PermissionDenied"
    with Caller(host.daemon.socket) as bob:
        bob.call("Identity.login", {"token": token})
        items = bob.call("Audit.list", {"filter": {"outcomes": ["refused"]}})["items"]
    found = sorted((each["method"], each["identity"], each["object"]["id"], each["project"]) for each in items)
    assert found == [("queue.receive", "user:alice", "theirs", "web"), ("queue.send", "user:alice", "theirs", "web")]
