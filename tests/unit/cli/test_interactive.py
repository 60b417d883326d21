"""What the interactive shell remembers, offers, and tells beside."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import click
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from libvdsm.cli.failures import ApiFailure, ConnectionFailure, Refused
from libvdsm.cli.interactive import History, Words, history_file, may_be_kept
from libvdsm.cli.ticker import Ticker


@pytest.mark.parametrize(
    ("line", "kept"),
    (
        ("vm list", True),
        ("identity create-token --label door", True),
        ("certificate enrol --token-file t", True),
        ("vm get secretary", True),
        ("", False),
        ("   ", False),
        (" vm list", False),
        ("identity login --token abc", False),
        ("identity login --token=abc", False),
        ("x --password hunter2", False),
        ("x --guest-password=hunter2", False),
        ("x --PASSPHRASE hunter2", False),
        ("x secret: hunter2", False),
        ("curl -H 'Authorization: Bearer abc'", False),
    ),
)
def test_what_may_be_a_secret_is_not_kept(line: str, kept: bool) -> None:
    assert may_be_kept(line) is kept


def test_the_history_is_the_users_own(tmp_path: Path) -> None:
    """In the folder for state; what cannot be written is remembered for this time alone."""
    assert history_file({"HOME": "/h"}) == Path("/h/.local/state/libvdsm/history")
    assert history_file({"HOME": "/h", "XDG_STATE_HOME": "/s"}) == Path("/s/libvdsm/history")
    file = tmp_path / "a" / "history"
    history = History(file)
    history.append_string("one")
    history.append_string("x --token abc")
    assert list(History(file).load_history_strings()) == ["one"]
    assert file.stat().st_mode & 0o777 == 0o600
    (tmp_path / "b").write_text("no folder")
    lost = History(tmp_path / "b" / "history")
    lost.append_string("one")
    assert list(lost.load_history_strings()) == []
    assert lost.get_strings()[-1] == "one"


def offered(text: str, prefix: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    """What is offered for ``text``, and how much of it that replaces."""

    @click.group()
    @click.option("--url")
    def root(url: str) -> None:
        del url

    @root.command()
    @click.argument("name", shell_complete=lambda _ctx, _param, word: [each for each in ("web", "two words") if each.startswith(word)])
    @click.option("--file", type=click.Path())
    def start(name: str, file: str) -> None:
        del name, file

    found = Words(root, prefix).get_completions(Document(text), CompleteEvent())
    return [(each.text, each.start_position) for each in found]


def test_commands_complete_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words after words, with the options of the start before them; quotes where they are needed; paths of files."""
    assert offered("st") == [("start", -2)]
    assert offered("", ("--url", "x")) == [("start", 0)]
    assert offered("start w") == [("web", -1)]
    assert offered("start tw") == [("'two words'", -2)]
    assert offered("start 'two w") == [("'two words'", -6)]
    assert offered("start web --f") == [("--file", -3)]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "found").touch()
    assert offered("start web --file fo") == [("und", 0)]


class Scripted:
    """A session that delivers what it is told, then is lost, or waits until it is closed."""

    def __init__(self, deliveries: list[dict[str, Any]], *, is_lost: bool) -> None:
        self.asked: list[str | None] = []
        self._deliveries = deliveries
        self._is_lost = is_lost
        self._closed = threading.Event()

    def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> Any:
        assert method == "Event.read", (params, options)
        return {"items": [], "resume": "e-0"}

    def deliveries(self, topics: list[str], *, after: str | None, snapshot: bool) -> Iterator[Mapping[str, Any]]:
        assert (topics, snapshot) == (["#"], False)
        self.asked.append(after)
        yield from self._deliveries
        if not self._is_lost:
            self._closed.wait(60)
        raise ConnectionFailure("the line was cut", remedy="")

    def open_stream(self, path: str) -> Any:
        raise AssertionError(path)

    def close(self) -> None:
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def delivery(number: int) -> dict[str, Any]:
    event = {"time": "2026-01-01T00:00:00.000Z", "topic": f"vm.{number}", "change": "added", "cause": {"kind": "call"}}
    return {"resume": f"e-{number}", "event": event}


def test_the_ticker_comes_back_where_it_was() -> None:
    """A line that is lost costs no event: the next one begins after the last that was told."""
    sessions = [Scripted([delivery(1), delivery(2)], is_lost=True), Scripted([delivery(3)], is_lost=False)]
    left = iter(sessions)
    told = threading.Event()
    with Ticker(lambda: next(left)) as ticker:
        ticker.on_news = lambda: told.set() if "3 events" in ticker.text(200) and "connected" in ticker.text(200) else None
        assert told.wait(60)
        assert "vm.3  added" in ticker.text(200)
        assert len(ticker.text(30)) == 29
    assert [session.asked for session in sessions] == [["e-0"], ["e-2"]]


def test_the_ticker_says_why_there_are_no_events() -> None:
    """Nobody there, or no right to them; it ends at once when it is left."""
    denied = Refused(ApiFailure.of({"code": 7, "message": "you may not", "data": {"error": "PermissionDenied"}}))
    for failure, words in ((ConnectionFailure("nobody there", remedy=""), "not connected: nobody there"), (denied, "no events: ")):
        told = threading.Event()

        def refuse(failure: Exception = failure) -> Any:
            raise failure

        ticker = Ticker(refuse)
        ticker.on_news = told.set
        with ticker:
            assert told.wait(60)
            assert words in ticker.text(200)
