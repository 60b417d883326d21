"""Connection.list and Connection.close over a book of connections."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from libvdsm.bridge.connections import ConnectionService
from libvdsm.interfaces.caller import Caller, Rights, Sink
from libvdsm.interfaces.generated.errors import InvalidParams, ObjectNotFound
from libvdsm.interfaces.generated.types import ConnectionCloseParams, ConnectionFilter, ConnectionListParams


class Nowhere:
    """A sink that is never written to."""

    def deliver(self, delivery: bytes) -> None:
        raise AssertionError(delivery)

    def is_full(self) -> bool:
        return False

    def when_drained(self, resume: Callable[[], None]) -> None:
        raise AssertionError(resume)


def somebody(identity: str, sink: Sink | None = None) -> Caller:
    return Caller(identity=identity, source="unix", roles=(), rights=Rights(), sink=sink)


@dataclass
class Line:
    """A connection as the book has it."""

    number: int
    caller: Caller | None
    protocol: str = "json"
    address: str = "127.0.0.1"
    listener: str = "main"
    cipher: str | None = None
    heart_beat_s: float | None = None
    received_octets: int = 10
    sent_octets: int = 20
    calls: int = 3
    connected_at: float = 1_000_000_000.0
    own_subscriptions: tuple[int, int] = (0, 0)
    deeds: list[str] = field(default_factory=list)

    @property
    def sink(self) -> Sink | None:
        return self.caller.sink if self.caller is not None else None

    def unsent_octets(self) -> int:
        return 5

    def behind(self) -> tuple[int, int]:
        return self.own_subscriptions

    def end(self) -> None:
        self.deeds.append("ended")

    def shut_down(self) -> None:
        self.deeds.append("shut down")


class Book:
    """The book."""

    def __init__(self, *lines: Line) -> None:
        self.lines = {line.number: line for line in lines}

    def after(self, number: int) -> Iterator[Line]:
        return (line for key, line in self.lines.items() if key > number)

    def find(self, number: int) -> Line | None:
        return self.lines.get(number)


ALICE = somebody("user:alice")


def listed(book: Book, **params: Any) -> Any:
    service = ConnectionService(book, behind=lambda _sink: (2, 7), soon=lambda later: later())
    return json.loads(service.connection_list(ALICE, ConnectionListParams(**params)))


def test_a_connection_is_told_with_all_that_is_known_of_it() -> None:
    """Subscriptions of the sink and of the connection itself are counted together; the slowest of all gives the lag."""
    line = Line(7, somebody("user:bob", Nowhere()), "stomp/1.2", cipher="TLSv1.3 X", heart_beat_s=5.0, own_subscriptions=(3, 4))
    assert listed(Book(line)) == {
        "items": [
            {
                "id": "c7",
                "identity": "user:bob",
                "source": "unix",
                "address": "127.0.0.1",
                "listener": "main",
                "protocol": "stomp/1.2",
                "cipher": "TLSv1.3 X",
                "connectedAt": "2001-09-09T01:46:40.000Z",
                "heartBeat": 5.0,
                "receivedOctets": 10,
                "sentOctets": 20,
                "bufferedOctets": 5,
                "subscriptions": 5,
                "lag": 7,
                "calls": 3,
            }
        ]
    }


def test_members_that_do_not_apply_are_absent() -> None:
    """Plain and without heart-beats; one that is being made has no identity and is not listed."""
    items = listed(Book(Line(1, None), Line(2, ALICE)))["items"]
    assert [item["id"] for item in items] == ["c2"]
    assert not {"cipher", "heartBeat"} & set(items[0])
    assert (items[0]["subscriptions"], items[0]["lag"]) == (0, 0)


@pytest.mark.parametrize(
    ("wanted", "found"),
    (
        ({"protocol": "stomp"}, ["c2", "c3"]),
        ({"protocol": "stomp/1.2"}, ["c3"]),
        ({"protocol": "sto"}, []),
        ({"identity": "user:bob"}, ["c1"]),
        ({"address": "10.0.0.1"}, ["c3"]),
        ({"address": "10.0.0.1", "protocol": "json"}, []),
        ({}, ["c1", "c2", "c3"]),
    ),
)
def test_all_members_of_a_filter_must_fit(wanted: dict[str, str], found: list[str]) -> None:
    """A protocol without a version is any version of it."""
    book = Book(Line(1, somebody("user:bob")), Line(2, ALICE, "stomp/1.0"), Line(3, ALICE, "stomp/1.2", address="10.0.0.1"))
    assert [item["id"] for item in listed(book, filter=ConnectionFilter(**wanted))["items"]] == found


def test_pages_follow_each_other() -> None:
    """The last page has no cursor, also when it is full."""
    book = Book(*(Line(number, ALICE) for number in range(1, 5)))
    first = listed(book, limit=2)
    assert ([item["id"] for item in first["items"]], first["next"]) == (["c1", "c2"], "c2")
    second = listed(book, limit=2, after="c2")
    assert [item["id"] for item in second["items"]] == ["c3", "c4"]
    assert "next" not in second


@pytest.mark.parametrize("cursor", ("", "c", "7", "c07", "c-1", "c\u0661", "d7", "c" + "9" * 16))
def test_a_cursor_is_one_of_ours(cursor: str) -> None:
    """Anything else is refused with its path."""
    with pytest.raises(InvalidParams, match="not a cursor"):
        listed(Book(), after=cursor)


def test_a_connection_is_ended() -> None:
    """Another's at once; one's own when the answer is given. One that is not there is said to be so."""
    other, own = Line(1, somebody("user:bob")), Line(2, ALICE)
    later: list[Callable[[], None]] = []
    service = ConnectionService(Book(other, own), behind=lambda _sink: (0, 0), soon=later.append)
    assert service.connection_close(ALICE, ConnectionCloseParams(connection_id="c1")) == b"{}"
    assert other.deeds == ["ended"]
    assert service.connection_close(ALICE, ConnectionCloseParams(connection_id="c2")) == b"{}"
    assert own.deeds == []
    later[0]()
    assert own.deeds == ["shut down"]
    for missing in ("c3", "x", ""):
        with pytest.raises(ObjectNotFound):
            service.connection_close(ALICE, ConnectionCloseParams(connection_id=missing))


def test_a_plan_says_whether_there_is_one_to_be_ended() -> None:
    """``Plan.check`` ends nothing."""
    line = Line(1, ALICE)
    service = ConnectionService(Book(line), behind=lambda _sink: (0, 0), soon=lambda later: later())
    assert list(service.check_connection_close(ALICE, ConnectionCloseParams(connection_id="c1"))) == []
    assert [type(each) for each in service.check_connection_close(ALICE, ConnectionCloseParams(connection_id="c2"))] == [ObjectNotFound]
    assert line.deeds == []
