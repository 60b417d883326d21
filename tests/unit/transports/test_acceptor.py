"""Accepting, with a socket and a loop that do what they are told."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import pytest

from libvdsm.transports.acceptor import _GONE, PAUSE_S, Acceptor


class Handle:
    """A timer."""

    is_cancelled = False

    def cancel(self) -> None:
        """See asyncio."""
        self.is_cancelled = True


class Loop:
    """Readers and timers, called by the test."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], None]] = {}
        self.timers: list[tuple[float, Callable[[], None], Handle]] = []

    def add_reader(self, number: int, callback: Callable[[], None]) -> None:
        """See asyncio."""
        self.readers[number] = callback

    def remove_reader(self, number: int) -> bool:
        """See asyncio."""
        return self.readers.pop(number, None) is not None

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Handle:
        """See asyncio."""
        self.timers.append((delay_s, callback, Handle()))
        return self.timers[-1][2]


class Listening:
    """A listening socket that hands out what it is given; then nobody waits any more."""

    def __init__(self, *given: int | socket.socket) -> None:
        self.given = list(given)
        self.accepts = 0
        self.is_closed = False

    def setblocking(self, flag: bool) -> None:
        """See socket."""
        assert flag is False

    def fileno(self) -> int:
        """See socket."""
        return 0

    def close(self) -> None:
        """See socket."""
        self.is_closed = True

    def accept(self) -> tuple[socket.socket, object]:
        """See socket."""
        self.accepts += 1
        if not self.given:
            raise BlockingIOError
        first = self.given.pop(0)
        if isinstance(first, int):
            raise OSError(first, "told so")
        return first, "peer"


def started(listening: Listening) -> tuple[Loop, Acceptor, list[Any]]:
    """An acceptor at work."""
    loop, taken = Loop(), list[Any]()
    acceptor = Acceptor(listening, lambda sock, _peer: taken.append(sock), name="test", keeps_free=False)  # type: ignore[arg-type]  # as much of a socket as it uses
    acceptor.start(loop)  # type: ignore[arg-type]  # as much of a loop
    return loop, acceptor, taken


@pytest.mark.parametrize("failure", sorted(_GONE))
def test_a_connection_that_was_broken_already_keeps_nobody_out(failure: int) -> None:
    """accept(2): the next one may be well."""
    here, there = socket.socketpair()
    with here, there:
        loop, acceptor, taken = started(Listening(failure, failure, here))
        loop.readers[0]()
        assert taken == [here]
        assert (acceptor.pauses, loop.timers) == (0, [])


@pytest.mark.parametrize("failure", (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
def test_without_a_descriptor_accepting_rests_and_goes_on(failure: int) -> None:
    """Nothing is looked at meanwhile, or the loop would turn for nothing; one pause is one, however often it is made longer."""
    here, there = socket.socketpair()
    with here, there:
        listening = Listening(failure, failure, failure, here)
        loop, acceptor, taken = started(listening)
        for attempt in range(1, 4):
            loop.readers[0]()
            assert (loop.readers, listening.accepts, taken) == ({}, attempt, [])
            delay_s, go_on, _handle = loop.timers[-1]
            assert delay_s == PAUSE_S
            go_on()
        loop.readers[0]()
        assert (taken, acceptor.pauses, len(loop.timers)) == ([here], 1, 3)
        listening.given.append(failure)
        loop.readers[0]()
        assert acceptor.pauses == 2


def test_whoever_stops_while_accepting_rests_is_not_woken() -> None:
    """The timer is taken back, and would do nothing."""
    listening = Listening(errno.EMFILE)
    loop, acceptor, _taken = started(listening)
    loop.readers[0]()
    ((_delay_s, go_on, handle),) = loop.timers
    acceptor.close()
    acceptor.close()
    assert (handle.is_cancelled, listening.is_closed) == (True, True)
    go_on()
    assert loop.readers == {}
