"""A real daemon is killed under traffic, again and again: what it said was stored is there, what it said was settled is not."""

from __future__ import annotations

import itertools
import os
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.integration.broker.stomp_line import LineError, StompLine, frame

ROUNDS = 20
BATCH = 40


@dataclass
class Books:
    """What must be, and what may be, in the queue ``work``; and the pairs of transactions in ``left`` and ``right``."""

    surely: set[str] = field(default_factory=set)
    perhaps: set[str] = field(default_factory=set)
    pairs_surely: set[str] = field(default_factory=set)
    pairs_perhaps: set[str] = field(default_factory=set)


def start(folder: Path) -> VdsmdProcess:
    return start_vdsmd(folder, "--in-process", hypervisor="simulator:0", listen=None)


def kill_front(daemon: VdsmdProcess) -> None:
    """It does not get to say goodbye."""
    os.kill(daemon.front, signal.SIGKILL)


def kill_rest(daemon: VdsmdProcess) -> None:
    """Nor does its supervisor, and nothing of it is left."""
    daemon.kill()
    daemon.stop()


def make_queues(daemon: VdsmdProcess) -> None:
    with StompLine(daemon.socket) as line:
        for name in ("work", "left", "right"):
            answer = line.call("Queue.create", {"name": name, "maxMessages": 1_000_000})
            assert answer["result"]["id"] == name


def browse(line: StompLine, queue: str) -> list[str]:
    """The bodies that wait."""
    found: list[str] = []
    while True:
        params: dict[str, object] = {"queueId": queue, "limit": 100} | ({"after": str(len(found))} if found else {})
        page = line.call("Queue.peek", params)["result"]
        found += [item["headers"]["n"] for item in page["items"]]
        if "next" not in page:
            return found


def check(line: StompLine, books: Books) -> None:
    """What is there is what must be there, in order, and nothing twice; then the doubtful is known."""
    there = browse(line, "work")
    assert len(there) == len(set(there)), "a message came twice"
    assert [int(each) for each in there] == sorted(int(each) for each in there), "out of order"
    lost = books.surely - set(there)
    assert not lost, f"stored, and lost: {sorted(lost)}"
    back = set(there) - books.surely - books.perhaps
    assert not back, f"settled, and back: {sorted(back)}"
    books.surely, books.perhaps = set(there), set()
    left, right = set(browse(line, "left")), set(browse(line, "right"))
    assert left == right, "half a transaction"
    assert books.pairs_surely <= left, "a transaction is lost"
    assert left <= books.pairs_surely | books.pairs_perhaps
    books.pairs_surely, books.pairs_perhaps = left, set()


def write(line: StompLine, books: Books, numbers: itertools.count[int], dice: random.Random) -> dict[str, tuple[str, str]]:
    """Messages and transactions, all in one go; what each receipt will mean."""
    due: dict[str, tuple[str, str]] = {}
    written = frame("SUBSCRIBE", {"destination": "/queue/work", "id": "w", "ack": "client-individual"})
    for number in [str(next(numbers)) for _ in range(BATCH)]:
        written += frame("SEND", {"destination": "/queue/work", "n": number, "receipt": f"s{number}"}, b"x" * 50)
        due[f"s{number}"] = ("send", number)
        books.perhaps.add(number)
        if dice.random() < 0.2:
            pair = str(next(numbers))
            written += frame("BEGIN", {"transaction": pair})
            for queue in ("left", "right"):
                written += frame("SEND", {"destination": f"/queue/{queue}", "n": pair, "transaction": pair}, b"y")
            written += frame("COMMIT", {"transaction": pair, "receipt": f"t{pair}"})
            due[f"t{pair}"] = ("pair", pair)
            books.pairs_perhaps.add(pair)
    line.write(written)
    return due


def follow(line: StompLine, books: Books, due: dict[str, tuple[str, str]], dice: random.Random, daemon: VdsmdProcess) -> None:
    """Settle half of what comes, believe every receipt; somewhere on the way the daemon is killed."""
    last = dice.randrange(2, 3 * BATCH)
    try:
        for step in itertools.count():
            if step == last:
                kill_front(daemon)
            told = line.read(2.0)
            assert told.command in ("MESSAGE", "RECEIPT"), f"{told}"
            if told.command == "RECEIPT":
                settle(books, due, *due.pop(told.headers["receipt-id"]))
            elif dice.random() < 0.5:
                number = told.headers["n"]
                books.surely.discard(number)
                books.perhaps.add(number)
                due[f"a{number}"] = ("ack", number)
                line.send("ACK", {"id": told.headers["ack"], "receipt": f"a{number}"})
    except LineError:
        return


def settle(books: Books, due: dict[str, tuple[str, str]], kind: str, number: str) -> None:
    """A receipt: now it is certain."""
    if kind == "pair":
        books.pairs_surely.add(number)
    elif kind == "send":
        if f"a{number}" not in due and number in books.perhaps:
            books.perhaps.discard(number)
            books.surely.add(number)
    else:
        books.perhaps.discard(number)
        books.surely.discard(number)


@pytest.mark.timeout(300)
def test_killed_under_traffic(tmp_path: Path) -> None:
    """Nothing that was stored is lost, nothing that was settled comes again, no transaction is half there."""
    dice = random.Random(54321)
    books, numbers = Books(), itertools.count(1)
    daemon = start(tmp_path)
    try:
        make_queues(daemon)
        for _ in range(ROUNDS):
            with StompLine(daemon.socket) as line:
                follow(line, books, write(line, books, numbers, dice), dice, daemon)
            kill_rest(daemon)
            daemon = start(tmp_path)
            with StompLine(daemon.socket) as line:
                check(line, books)
    finally:
        daemon.stop()
    assert books.surely, "nothing was ever stored"
    assert books.pairs_surely, "no transaction was ever committed"
