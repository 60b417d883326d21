"""Names become ids, and what the client raises becomes failures."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from libvdsm.cli.client_session import connect
from libvdsm.cli.failures import AmbiguousName, Exit, Failure
from libvdsm.cli.session import names, resolve
from tests.unit.cli.support import DB, WEB, FakeSession

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_an_id_is_taken_as_it_is() -> None:
    """A word in the form of an id is one, so a machine cannot take another's place by its name."""
    session = FakeSession()
    assert resolve(session, "vm", WEB.upper()) == WEB
    assert session.calls == []


def test_a_name_is_looked_up() -> None:
    session = FakeSession()
    assert resolve(session, "vm", "web") == WEB
    assert session.made("VM.list") == [{"filter": {"name": "web"}, "fields": ["name", "state"], "limit": 20}]


def test_ambiguity_names_the_candidates() -> None:
    with pytest.raises(AmbiguousName) as caught:
        resolve(FakeSession(), "vm", "twin")
    assert [state for _, state in caught.value.candidates] == ["stopped", "running"]


def test_what_has_no_names_needs_an_id() -> None:
    with pytest.raises(Failure, match="not the id of a task") as caught:
        resolve(FakeSession(), "task", "web")
    assert caught.value.exit is Exit.USAGE


def test_names_that_complete() -> None:
    """Ambiguous names are offered as ids; other ids only to who began one."""
    offered = [word for word, _ in names(FakeSession(), "vm", "")]
    assert offered == ["web", "db", "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"]
    assert [word for word, _ in names(FakeSession(), "vm", "0b")] == [DB]
    assert names(FakeSession(), "subscription", "") == []


class Daemon:
    """A listener that answers each line by a table of its own, or not at all."""

    def __init__(self, path: Path, answers: dict[str, Any]) -> None:
        self.answers: dict[str, Any] = {"Host.ping": {"result": {"pong": True}}, **answers}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                self._answer(self._listener.accept()[0])

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                answer = self.answers.get(request["method"])
                if answer is None:
                    return
                connection.sendall(json.dumps({"jsonrpc": "2.0", "id": request["id"], **answer}).encode() + b"\n")

    def close(self) -> None:
        """End it; whoever was connected has left."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A listener that knows a failing verb, and breaks off at an unknown one."""
    error = {"code": 3, "message": "it runs", "data": {"error": "WrongState", "fault": "client", "remedy": "Stop it.", "params": {}}}
    found = Daemon(tmp_path / "s", {"VM.start": {"error": error}})
    yield found
    found.close()


@pytest.mark.usefixtures("daemon")
def test_answers_and_errors_of_the_client(tmp_path: Path) -> None:
    """An error answer is refused with its own words; a broken connection is one."""
    with connect(f"unix://{tmp_path / 's'}") as session:
        assert session.call("Host.ping", {}) == {"pong": True}
        with pytest.raises(Failure, match="it runs") as refusal:
            session.call("VM.start", {})
        assert (refusal.value.exit, refusal.value.remedy) == (Exit.REFUSED, "Stop it.")
        with pytest.raises(Failure) as broken:
            session.call("VM.reset", {})
        assert broken.value.exit is Exit.CONNECTION


@pytest.mark.parametrize(
    ("url", "code"),
    (("unix:///nowhere/s", Exit.CONNECTION), ("gopher://x", Exit.USAGE), ("unix://x", Exit.USAGE), ("tcp://127.0.0.1:x", Exit.USAGE)),
)
def test_a_daemon_that_is_not_there(url: str, code: Exit) -> None:
    """A wrong URL is a wrong use; nobody listening is a connection that failed; both say what to do."""
    with pytest.raises(Failure) as caught:
        connect(url)
    assert caught.value.exit is code
    assert "--url" in caught.value.remedy


@pytest.mark.parametrize("scheme", ("tls", "https", "wss", "stomp+tls"))
def test_every_road_with_tls_takes_the_files(scheme: str) -> None:
    """What is to be trusted and shown counts on each of them; one in plain takes no notice of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, pytest.raises(Failure, match=re.escape("the CA /nowhere/ca.pem cannot be used")):
        connect(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", ca="/nowhere/ca.pem")
    with pytest.raises(Failure) as plain:
        connect("unix:///nowhere/s", ca="/nowhere/ca.pem")
    assert plain.value.exit is Exit.CONNECTION


class Web(Daemon):
    """The same over HTTP."""

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as octets:
            while octets.readline().startswith(b"POST "):
                length = 0
                while (line := octets.readline().strip()) != b"":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                request = json.loads(octets.read(length))
                body = json.dumps({"jsonrpc": "2.0", "id": request["id"], **self.answers[request["method"]]}).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def test_events_over_http_are_those_of_the_client(tmp_path: Path) -> None:
    """They are asked for as they come; a snapshot needs another road, and that is a wrong use."""
    event = {
        "epoch": "e",
        "time": "2026-01-01T00:00:00Z",
        "topic": f"vm.{WEB}",
        "object": {"type": "vm", "id": WEB, "revision": 1},
        "change": "removed",
        "cause": {"kind": "daemon"},
    }
    items = [{**event, "sequence": number} for number in (7, 8)]
    page = {"items": items, "resume": "e-8", "gap": {"reason": "trimmed", "missed": 3}}
    web = Web(tmp_path / "s", {"Event.read": {"result": page}})
    try:
        with connect(f"http+unix://{tmp_path / 's'}") as session:
            with pytest.raises(Failure, match="snapshot") as refusal:
                next(session.deliveries(["#"], after=None, snapshot=True))
            assert refusal.value.exit is Exit.USAGE
            found = session.deliveries(["#"], after="e-3", snapshot=False)
            told = [next(found) for _ in range(3)]
            found.close()  # type: ignore[attr-defined] # a generator, which the promise does not say
    finally:
        web.close()
    assert [(each["resume"], "gap" in each) for each in told] == [("e-6", True), ("e-7", False), ("e-8", False)]
