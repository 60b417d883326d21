"""What all connections share: the output cork, the bound of the write buffer, and timeouts by sweep.

The cork gathers what is put in one turn of the loop and writes it once. Answers to what was read are
written when the read is worked off; what comes at other times goes out at the end of the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from libvdsm.base.errors import ApiError
from libvdsm.bridge.limits import Account, Accounts
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.pages import Road
from libvdsm.transports.config import Counters, Limits
from libvdsm.transports.pager import LinePager
from libvdsm.transports.tls import Reader
from libvdsm.transports.turns import Share, Turns


class Hub(Protocol):
    """What a connection needs of its listener."""

    loop: asyncio.AbstractEventLoop
    limits: Limits
    counters: Counters
    now: Callable[[], float]
    date: bytes  # for HTTP; renewed by the sweep
    turns: Turns
    accounts: Accounts

    def flush_soon(self, connection: Connection) -> None:
        """Call its ``flush_late`` at the end of this turn of the loop."""
        ...

    def flush_all(self) -> None:
        """Do so now, for all that have asked for it."""
        ...

    def add(self, connection: Connection) -> None:
        """The connection exists."""
        ...

    def discard(self, connection: Connection) -> None:
        """The connection is gone."""
        ...


#: Fewer octets than these are put without a look at the bound.
CHECK_OCTETS = 64 * 1024


class Connection(asyncio.Protocol):
    """A connection whose protocol is known; the base of all reactors."""

    __slots__ = (
        "_account",
        "_bound",
        "_close_at",
        "_full_since",
        "_half_closes",
        "_is_corked",
        "_is_full",
        "_is_told",
        "_is_waiting",
        "_loop",
        "_out",
        "_out_octets",
        "_own",
        "_pager",
        "_reader",
        "_resumes",
        "_share",
        "_transport",
        "address",
        "caller",
        "calls",
        "connected_at",
        "expires_at",
        "heart_beat_s",
        "hub",
        "is_closing",
        "is_lingering",
        "listener",
        "number",
        "protocol",
        "received_octets",
        "sent_octets",
    )

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.address = ""
        self.is_closing = False
        self.is_lingering = False
        self.number = 0  # in the book of connections; set by the listener, as are the next ones
        self.listener = ""
        self.connected_at = 0.0  # seconds since 1970 in UTC
        self.caller: Caller | None = None
        self.expires_at = 0.0  # seconds since 1970 in UTC: what the peer proved itself with counts no longer; 0: no such time
        self.protocol = ""  # with its version where it has one: whoever learns it sets it
        self.heart_beat_s: float | None = None  # how often the peer promised to show life
        self.received_octets = 0  # counted, as are the next ones, by whoever reads and writes
        self.sent_octets = 0
        self.calls = 0
        self._half_closes = True  # whether each direction ends by itself; over TLS both end at once
        self._loop = hub.loop
        self._transport: asyncio.Transport | None = None
        self._bound = hub.limits.write_octets
        self._out: list[bytes] = []
        self._out_octets = 0
        self._pager: LinePager | None = None  # of those that take pages
        self._reader: Reader | None = None  # of those that are read little at a time
        self._is_corked = False
        self._is_told = False  # others had something written to this client in the turn before
        self._own = 0  # of what is gathered, what its own requests made
        self._is_full = False
        self._full_since = 0.0
        self._close_at = 0.0
        self._resumes: list[Callable[[], None]] = []
        self._share: Share = hub.turns.share("")  # a better one as soon as the caller is known
        self._account: Account | None = None  # in which it counts as a connection
        self._is_waiting = False  # for its turn to go on with what it has read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self._half_closes = self._transport.can_write_eof()
        self._transport.set_write_buffer_limits(high=self._bound - 1, low=self._bound // 4)
        self.hub.add(self)
        self._join_share()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """See asyncio."""
        self.is_closing = True
        self._leave_pages()
        self._transport = self._reader = None
        self._out.clear()
        self._leave_share()
        self.hub.discard(self)
        self.gone()
        self._resume_all()

    def gone(self) -> None:
        """The connection is lost: let go of what it held."""

    # What is told of it; see ``interfaces.connections``.

    @property
    def cipher(self) -> str | None:
        """TLS version and cipher; None if it is plain."""
        told = self._transport.get_extra_info("cipher") if self._transport is not None else None
        return f"{told[1]} {told[0]}" if told else None

    def unsent_octets(self) -> int:
        """What the peer has not taken yet."""
        return self._out_octets + self.buffered_octets()

    @property
    def sink(self) -> Sink | None:
        """By which it is told of events."""
        return None if self.caller is None else self.caller.sink

    def behind(self) -> tuple[int, int]:
        """Subscriptions beside those of the caller's sink, and by how many events the slowest of them is behind."""
        return 0, 0

    def take_after(self, former: Connection) -> None:
        """Go on with the transport of ``former``, which is about to be left: it is the same connection."""
        self.number, self.listener, self.connected_at = former.number, former.listener, former.connected_at
        self.address, self.caller, self.expires_at = former.address, former.caller, former.expires_at
        self.received_octets, self.sent_octets, self.calls = former.received_octets, former.sent_octets, former.calls
        former.number = 0

    def end(self) -> None:
        """Close at once; only what the peer can take now is still sent."""
        self.flush()
        if self.buffered_octets():
            self.abort()
        else:
            self.close()

    # Turns.

    def _join_share(self) -> None:
        """Divide the turns with the other connections of this identity; it may become another one by a login."""
        caller = self.caller
        if caller is None:
            return
        caller.on_change.append(self._change_share)
        self._share = self.hub.turns.share(caller.identity)
        self._share.users += 1
        account = self.hub.accounts.of(caller)
        if account.connections.has_room():
            account.connections.take()
            self._account = account
        else:
            self.hub.counters.refused_limit += 1
            self.turn_away(account.connections.refusal)

    def _leave_share(self) -> None:
        if self.caller is None or self._change_share not in self.caller.on_change:
            return
        self.caller.on_change.remove(self._change_share)
        self._share.users -= 1
        if self._account is not None:
            self._account.connections.give()
            self._account = None

    def _change_share(self) -> None:
        """The caller may have become another identity, which may have as many connections as it may have."""
        if self.caller is None:
            return
        self._share.users -= 1
        self._share = self.hub.turns.share(self.caller.identity)
        self._share.users += 1
        account = self.hub.accounts.of(self.caller)
        if self._account is None or account is self._account:
            return
        self._account.connections.give()
        if account.connections.has_room():
            account.connections.take()
            self._account = account
        else:
            self._account = None
            self._loop.call_soon(self._turn_away_late, account.connections.refusal)

    def _turn_away_late(self, refusal: ApiError) -> None:
        """Behind the answer to the login by which it is one too many."""
        if not (self.is_closing or self.is_lingering):
            self.hub.counters.refused_limit += 1
            self.turn_away(refusal)

    def turn_away(self, refusal: ApiError) -> None:
        """Nothing is served: say why in the protocol's own words, and end."""
        del refusal
        self.close()

    def wait_for_turn(self) -> None:
        """Go on with what was read when it is this connection's turn again."""
        if not self._is_waiting:
            self._is_waiting = True
            self._share.defer(self)

    def work_off(self, units: int) -> int:
        """It is this connection's turn; see ``turns.Worker``."""
        self._is_waiting = False
        return 0 if self.is_closing or self._is_full else self.go_on(units)

    def go_on(self, units: int) -> int:  # noqa: ARG002 - of this kind nothing ever waits
        """Work off what was received, for about so many units; answers how many it took."""
        return 0

    # Writing.

    def put(self, data: bytes) -> None:
        """Send ``data`` at the end of this turn of the loop; dropped if the connection is going."""
        if self.is_closing or self.is_lingering:
            self.hub.counters.dropped_answers += 1
            return
        self._out.append(data)
        self._out_octets += len(data)
        if not self._is_corked:
            self._is_corked = True
            self.hub.flush_soon(self)

    def uncork(self, *, was_corked: bool) -> None:
        """What was read is worked off: write what that made, at once.

        A client to whom others send as well gets theirs and its own in one write, at the end of the turn: a queue's consumer that also
        sends would be written to twice in every turn, and would answer in two pieces.
        """
        if not self._out:
            self._is_corked = was_corked
        elif was_corked or self._is_told:
            self._own = len(self._out)
            if not was_corked:
                self._is_corked = True
                self.hub.flush_soon(self)
        else:
            self.flush()

    def flush_late(self) -> None:
        """Write what was gathered, at the end of a turn."""
        self._is_told = len(self._out) != self._own
        self._own = 0
        self.flush()

    def flush(self) -> None:
        """Write what was gathered, at once."""
        self._is_corked = False
        out = self._out
        if not out or self._transport is None:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._out_octets = 0
        # Our last word is said, or the peer broke the connection and we are about to be told.
        if self.is_lingering or self._transport.is_closing():
            self.hub.counters.dropped_answers += 1
            return
        self.sent_octets += len(data)
        self._transport.write(data)

    def is_full(self) -> bool:
        """Whether the write buffer has reached its bound."""
        if self._is_full or self._out_octets < CHECK_OCTETS:
            return self._is_full
        return self._out_octets + self.buffered_octets() >= self._bound

    def buffered_octets(self) -> int:
        """What the transport still has to send."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` once when there is room again; at once in the next turn if there is."""
        if self.is_closing:
            return
        self.flush()
        if self._is_full:
            self._resumes.append(resume)
        else:
            self._loop.call_soon(resume)

    def pause_writing(self) -> None:
        """See asyncio: the write buffer has reached its bound."""
        self._is_full = True
        self._full_since = self.hub.now()
        self._leave_pages()
        self.pause_reading()

    def resume_writing(self) -> None:
        """See asyncio: there is room again."""
        self._is_full = False
        self._resume_all()
        if not self.is_closing:
            self.drained()

    def _resume_all(self) -> None:
        resumes, self._resumes = self._resumes, []
        for resume in resumes:
            resume()

    def drained(self) -> None:
        """There is room again: go on with what was received."""
        self.resume_reading()

    # Pages, which are written past the cork; see ``pager``.

    @property
    def pager(self) -> LinePager:
        """The part of it that takes pages: frames as they are, if a protocol has no other way."""
        if self._pager is None:
            self._pager = LinePager(self)
        return self._pager

    def page_road(self) -> Road | None:
        """How they come here; None: not now."""
        transport = self._transport
        if transport is None or self._is_full or self.is_closing or self.is_lingering or transport.is_closing():
            return None
        return Road(transport, self.hub.flush_all)

    def _leave_pages(self) -> None:
        """Take none any more before somebody has looked whether they may come."""
        if self._pager is not None:
            self._pager.leave()

    def count_pages(self) -> None:
        """Enter what was written in pages in the figures."""
        if self._pager is not None:
            self.sent_octets += self._pager.uncounted()

    # Reading.

    def pause_reading(self) -> None:
        """Take no more from the peer."""
        if self._transport is not None and not self.is_closing and self._transport.is_reading():
            self._transport.pause_reading()

    def hold_off(self) -> None:
        """Take no more until it is this connection's turn, and from then on little at a time: a long read is a long turn as well."""
        self.pause_reading()
        transport = self._transport
        if self._reader is None and self._half_closes and transport is not None and not transport.is_reading():
            self._reader = Reader(self, self.hub.turns.buffer)
            transport.set_protocol(self._reader)

    def hand_over(self, transport: asyncio.Transport, follower: Connection) -> None:
        """From now on ``follower`` is told what comes."""
        if self._reader is None:
            transport.set_protocol(follower)
        else:
            follower._reader, self._reader = self._reader, None
            follower._reader.protocol = follower

    def resume_reading(self) -> None:
        """Take from the peer again."""
        if self._transport is not None and not self.is_closing and not self._transport.is_reading():
            self._transport.resume_reading()

    # Ending.

    def close(self) -> None:
        """Send what is gathered, then close."""
        if self._transport is not None and not self.is_closing:
            self._leave_pages()
            self.flush()
            self.is_closing = True
            self._close_at = self.hub.now() + self.hub.limits.linger_s
            self._transport.close()

    def linger(self) -> None:
        """The last word is said: send it and the end, and let the client read both before the connection goes.

        Closing while the client still sends would reset the connection and lose what we said (RFC 9112, 9.6).
        """
        if not self._half_closes:
            self.close()  # TLS says its own last word and waits for the client's
        elif self._transport is not None and not self.is_closing and not self.is_lingering:
            self._leave_pages()
            self.flush()
            self.is_lingering = True
            self._close_at = self.hub.now() + self.hub.limits.linger_s
            self._transport.write_eof()
            self.resume_reading()

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        if self._transport is not None:
            self._leave_pages()
            self.is_closing = True
            self._transport.abort()

    def shut_down(self) -> None:
        """The daemon is going down: finish what is running, begin nothing new."""
        self.close()

    def sweep(self, now: float) -> None:
        """Look at the clock; called about once a second."""
        limits = self.hub.limits
        if self.is_closing and self._close_at and now >= self._close_at + limits.full_s:
            self.abort()
        elif self._is_full and now - self._full_since >= limits.full_s:
            self.hub.counters.slow_readers += 1
            self.abort()
        elif self.is_lingering and now >= self._close_at:
            self.close()
        elif not self.is_closing and not self.is_lingering:
            self.check_time(now)

    def check_time(self, now: float) -> None:
        """Close if the peer takes too long."""
