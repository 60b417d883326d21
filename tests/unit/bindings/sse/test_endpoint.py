"""Events over HTTP: what is asked for, what is told, signs of life, the pace of the reader, the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from libvdsm.base.errors import ApiError
from libvdsm.bindings.sse.endpoint import EventEndpoint, EventLimits, EventStream
from libvdsm.bindings.sse.frames import encode_delivery
from libvdsm.bindings.sse.query import read_query
from libvdsm.bridge.limits import Accounts, IdentityLimits
from libvdsm.interfaces.bodies import Streamed
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.wire.http.events import Request, Response
from tests.fakes.front import VM_1, VM_2, Front


class Writer:
    """The connection, as a body sees it."""

    def __init__(self) -> None:
        self.text = b""
        self.full = False
        self.resumes: list[Callable[[], None]] = []
        self.is_over = False

    def write(self, data: bytes) -> None:
        self.text += data

    def is_full(self) -> bool:
        return self.full

    def when_drained(self, resume: Callable[[], None]) -> None:
        self.resumes.append(resume)

    def end(self) -> None:
        self.is_over = True

    fail = end

    def drain(self) -> None:
        self.full = False
        waiting, self.resumes = self.resumes, []
        for resume in waiting:
            resume()

    def events(self) -> list[dict[str, str]]:
        """What a browser would make of it, and of nothing that is not complete."""
        found = []
        for block in self.text.decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if "data" in fields:
                found.append(fields)
        return found


def get(query: str = "", *, method: bytes = b"GET", **headers: str) -> Request:
    """A request for events."""
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request(method, b"/events" + query.encode(), {b"host": b"h"} | named)


class Bench:
    """A front with two machines, and its events over HTTP."""

    def __init__(self, *, subscriptions: int = 10) -> None:
        self.front = Front()
        self.front.observe(VM_1, "one")
        self.front.observe(VM_2, "two")
        self.front.seen()
        self.front.run_scheduled()
        self.accounts = Accounts(IdentityLimits(subscriptions=subscriptions), self.front.clock.monotonic)
        self.endpoint = EventEndpoint(self.front.bridge, self.accounts, EventLimits(beat_s=15))

    def open(self, request: Request, caller: Caller | None = None) -> tuple[Writer, EventStream]:
        """A stream that has begun."""
        answer = self.endpoint.open(caller or self.front.admin).handle(request)
        assert isinstance(answer, Streamed), answer
        assert (answer.content_type, answer.is_endless) == (b"text/event-stream", True)
        assert isinstance(answer.body, EventStream)
        writer = Writer()
        answer.body.start(writer)
        return writer, answer.body

    def refused(self, request: Request, caller: Caller | None = None) -> tuple[int, str]:
        """Status and error of a request that begins no stream."""
        answer = self.endpoint.open(caller or self.front.admin).handle(request)
        assert isinstance(answer, Response)
        assert self.front.broker.subscriptions() == 0
        return answer.status, json.loads(answer.body).get("data", {}).get("error", "")


def test_what_happens_is_told_with_its_token() -> None:
    """The data is the event; the id is where to go on."""
    bench = Bench()
    writer, _ = bench.open(get("?topics=vm.%23"))
    assert writer.text.startswith(b"retry: 2000\nid: ")
    assert writer.events() == []
    bench.front.observe(VM_1, "one", "running")
    bench.front.run_scheduled()
    (told,) = writer.events()
    event = json.loads(told["data"])
    assert (event["object"]["id"], event["patch"]["state"]) == (VM_1, "running")
    assert told["id"] == f"{event['epoch']}-{event['sequence']}"
    assert bench.endpoint.delivered == 1


def test_who_comes_back_misses_nothing() -> None:
    """Last-Event-ID counts, whatever the address said: also that of the first line, before anything was told."""
    bench = Bench()
    writer, stream = bench.open(get("?topics=vm.%23&snapshot=true"))
    bench.front.run_scheduled()
    first = writer.events()
    assert [json.loads(each["data"])["change"] for each in first] == ["added", "added"]
    stream.stop()
    bench.front.observe(VM_2, "two", "running")
    bench.front.run_scheduled()
    again, stream = bench.open(get("?topics=vm.%23&snapshot=true", last_event_id=first[-1]["id"]))
    bench.front.run_scheduled()
    (told,) = again.events()
    assert json.loads(told["data"])["patch"]["state"] == "running"
    stream.stop()


def test_half_a_snapshot_is_shown_again() -> None:
    """A token from within it stands for its beginning: who had a part gets all of it, now and not from the journal."""
    bench = Bench()
    writer, stream = bench.open(get("?topics=vm.%23&snapshot=true"))
    bench.front.run_scheduled()
    half = writer.events()[0]["id"]
    stream.stop()
    again, _ = bench.open(get("?topics=vm.%23&snapshot=true", last_event_id=half))
    bench.front.observe(VM_1, "one", "running")
    bench.front.run_scheduled()
    told = [json.loads(each["data"]) for each in again.events()]
    assert [(each["change"], each["object"]["id"]) for each in told] == [("added", VM_1), ("added", VM_2), ("changed", VM_1)]


def test_a_gap_is_an_event_of_its_own() -> None:
    """A token of another life of the journal: said so, and then what follows."""
    bench = Bench()
    writer, _ = bench.open(get("?topics=vm.%23", last_event_id="ffffffff-7"))
    bench.front.run_scheduled()
    told = writer.events()
    assert told[0]["event"] == "gap"
    assert json.loads(told[0]["data"])["reason"] == "epoch"
    assert all("event" not in each for each in told[1:])


def test_events_can_be_chosen() -> None:
    """By topics, and by the filter of Event.subscribe."""
    bench = Bench()
    chosen = quote(json.dumps({"objectIds": [VM_2]}))
    one, _ = bench.open(get(f"?topics=vm.{VM_1},host"))
    two, _ = bench.open(get(f"?topics=%23&filter={chosen}"))
    for id in (VM_1, VM_2):
        bench.front.observe(id, "x", "running")
    bench.front.run_scheduled()
    for writer, id in ((one, VM_1), (two, VM_2)):
        assert {json.loads(each["data"])["object"]["id"] for each in writer.events()} == {id}


def test_only_what_the_caller_may_see_is_told() -> None:
    """As its getter would; when all rights are taken away, that it is gone for him, and nothing more."""
    bench = Bench()
    rights = Rights(everywhere=frozenset({"event.read"}), objects={("vm", VM_1): frozenset({"vm.read"})})
    caller = Caller(identity="user:bob", source="token", roles=(), rights=rights)
    writer, _ = bench.open(get("?snapshot=true"), caller)
    bench.front.run_scheduled()
    for id in (VM_1, VM_2):
        bench.front.observe(id, "x", "running")
    bench.front.run_scheduled()
    assert {json.loads(each["data"])["object"]["id"] for each in writer.events()} == {VM_1}
    seen = len(writer.events())
    caller.entitle((), Rights())
    bench.front.observe(VM_1, "y", "stopped")
    bench.front.run_scheduled()
    told = [json.loads(each["data"]) for each in writer.events()[seen:]]
    assert [(each["change"], each["object"]["id"], "patch" in each) for each in told] == [("removed", VM_1, False)]
    nobody = Caller(identity="user:eve", source="token", roles=(), rights=Rights())
    answer = bench.endpoint.open(nobody).handle(get())
    assert isinstance(answer, Response)
    assert answer.status == 403


@pytest.mark.parametrize(
    ("query", "path"),
    (
        ("?what=1", "$.what"),
        ("?access_token=x", "$.access_token"),
        ("?snapshot=yes", "$.snapshot"),
        ("?snapshot=true&snapshot=true", "$.snapshot"),
        ("?after=garbage", "$.after"),
        ("?after=5f0c2a9e-1&snapshot=true", "$.snapshot"),
        ("?coalesce=often", "$.coalesce"),
        ("?coalesce=-1", "$.coalesce"),
        ("?coalesce=61", "$.coalesce"),
        ("?coalesce=nan", "$.coalesce"),
        ("?filter={", "$.filter"),
        ('?filter={"nothing":1}', "$.filter.nothing"),
        ('?filter={"types":[],"types":[]}', "$.filter"),
        ("?topics=" + ",".join(["a"] * 65), "$.topics"),
        ("?topics=%ff", "$"),
        ("?" + "&".join(["topics=a"] * 101), "$"),
        ("?topics", "$"),
    ),
)
def test_what_is_not_understood_is_refused_before_anything_begins(query: str, path: str) -> None:
    """400, with the path of what is wrong."""
    bench = Bench()
    answer = bench.endpoint.open(bench.front.admin).handle(get(query))
    assert isinstance(answer, Response)
    told = json.loads(answer.body)["data"]
    assert (answer.status, told["error"]) == (400, "InvalidParams")
    assert str(told["path"]).startswith(path)
    assert bench.front.broker.subscriptions() == 0


def test_other_methods_and_types_are_refused() -> None:
    """RE-005."""
    bench = Bench()
    assert bench.refused(get(method=b"POST"))[0] == 405
    assert bench.refused(get(accept="application/json"))[0] == 406
    for accept in ("text/event-stream", "text/*;q=0.5", "*/*", "application/json, text/event-stream"):
        _, stream = bench.open(get(accept=accept))
        stream.stop()


def test_subscriptions_are_counted_and_given_back() -> None:
    """By identity; a refused one counts for nothing, and the end gives back once."""
    bench = Bench(subscriptions=2)
    tally = bench.accounts.of(bench.front.admin).subscriptions
    _, first = bench.open(get())
    bench.open(get())
    answer = bench.endpoint.open(bench.front.admin).handle(get())
    assert isinstance(answer, Response)
    assert (answer.status, json.loads(answer.body)["data"]["error"]) == (429, "LimitExceeded")
    first.stop()
    first.stop()
    assert (tally.used, bench.front.broker.subscriptions()) == (1, 1)
    assert isinstance(bench.endpoint.open(bench.front.admin).handle(get("?after=garbage")), Response)
    assert tally.used == 1


def test_silence_is_broken_by_a_comment() -> None:
    """After 15 s of it, and every 15 s; not while the reader takes nothing, and not after the end."""
    bench = Bench()
    writer, stream = bench.open(get("?topics=vm.%23"))
    start = writer.text
    for now in range(100, 116):
        stream.check_time(now)
    assert writer.text == start + b": still here\n\n"
    bench.front.observe(VM_1, "one", "running")
    bench.front.run_scheduled()
    told = writer.text
    for now in range(116, 131):
        stream.check_time(now)
    assert writer.text == told
    stream.check_time(131)
    assert writer.text == told + b": still here\n\n"
    writer.full = True
    stream.check_time(200)
    writer.full = False
    stream.stop()
    stream.check_time(300)
    assert writer.text == told + b": still here\n\n"


def test_a_slow_reader_costs_nothing_and_misses_nothing() -> None:
    """While it is full nothing is queued for it; then it gets all, in order."""
    bench = Bench()
    writer, _ = bench.open(get("?topics=vm.%23"))
    writer.full = True
    states = ("running", "paused", "running", "stopped") * 25
    start = writer.text
    for state in states:
        bench.front.observe(VM_1, "one", state)
        bench.front.run_scheduled()
    assert writer.text == start
    writer.drain()
    bench.front.run_scheduled()
    assert [json.loads(each["data"])["patch"]["state"] for each in writer.events()] == list(states)


def test_what_stands_between_values_cannot_end_a_line() -> None:
    """JSON may have line ends between its values; an event's data may not."""
    delivery = b'{"subscriptionId":"sse","resume":"e-5","event":{\r\n"a":\n1}}'
    assert encode_delivery(delivery) == b'id: e-5\ndata: {  "a": 1}\n\n'
    assert encode_delivery(b'{"subscriptionId":"sse","resume":"e-6","gap":{"reason":"trimmed"}}') == (
        b'event: gap\nid: e-6\ndata: {"reason":"trimmed"}\n\n'
    )


def test_a_token_that_is_no_text_is_refused() -> None:
    """Headers are octets."""
    request = Request(b"GET", b"/events", {b"last-event-id": b"\xff"})
    with pytest.raises(ApiError):
        read_query(request)


@pytest.mark.parametrize(
    ("target", "last", "after", "snapshot"),
    (
        ("?snapshot=true", "e-0", "", True),
        ("?snapshot=true", "e-7", "e-7", False),
        ("?snapshot=true", "e-10", "e-10", False),
        ("?after=e-3", "e-0", "e-0", False),
        ("?snapshot=true", "", "", True),
    ),
)
def test_what_the_last_token_says_of_a_snapshot(target: str, last: str, after: str, snapshot: bool) -> None:
    """One from within a snapshot is no place to go on from: the rest of the objects would never be told."""
    wanted = read_query(get(target, last_event_id=last))
    assert (wanted.after or "", bool(wanted.snapshot)) == (after, snapshot)
