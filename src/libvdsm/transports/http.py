"""The reactor of HTTP/1.1: one request at a time and in order, whatever the client pipelines.

It decides for whom each request speaks, who answers it (see ``site``), and which bytes become a tunnel.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter as clock
from typing import TYPE_CHECKING, cast

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.bodies import Streamed
from libvdsm.interfaces.caller import is_stranger
from libvdsm.transports.connection import CHECK_OCTETS, Connection
from libvdsm.transports.flows import Inflow
from libvdsm.transports.http_answers import HttpAnswers
from libvdsm.transports.http_speaker import Speaker
from libvdsm.transports.site import UNAUTHENTICATED, Site, path_of
from libvdsm.transports.site import refusal as refusal_of
from libvdsm.transports.tunnel import TunnelConnection
from libvdsm.transports.turns import LATER_UNITS, UNIT_BITS
from libvdsm.transports.websocket_upgrade import bearer, is_meant
from libvdsm.wire.http.connection import HttpConnection
from libvdsm.wire.http.events import Begun, Continue, Finished, Part, Refused, Request, Response, Upgraded
from libvdsm.wire.http.frames import CONTINUE, encode_connected, encode_upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.interfaces.bodies import Later, TakingSession
    from libvdsm.interfaces.caller import Caller
    from libvdsm.transports.connection import Hub
    from libvdsm.wire.http.events import Event

#: To whoever is one too many, and was told so as soon as it was known who he is: nothing is carried out, and this is never sent.
_TURNED_AWAY = Response(429)
_STREAM = b"/stream/"
_STREAM_PROTOCOL = b"vdsm-stream"
#: So many octets are parsed at a time.
PIECE_OCTETS = 4_096
#: And beside others, unless it is a body: a few requests.
_SMALL_PIECE_OCTETS = 1_024


class HttpReactor(HttpAnswers):
    """A client that speaks HTTP."""

    __slots__ = ("_held", "_idle_since", "_inflow", "_partial_since", "_sessions", "_site", "_speaker", "_take", "_usual")

    def __init__(self, hub: Hub, site: Site, caller: Caller) -> None:
        super().__init__(hub)
        self._site = site
        self._speaker = Speaker(site, caller)
        self._sessions = self._speaker.sessions
        self._codec = HttpConnection(
            hub.limits.http, site.most if site.takes_bodies else None, self._is_known if is_stranger(caller) else None
        )
        self._usual: Request | None = None  # whose head the codec knows again ...
        self._take: Callable[[bytes], bytes | asyncio.Future[bytes] | None] | None = None  # ... and what answers such bodies
        self._held: deque[bytes] = deque()  # read, and not yet given to the codec
        self._inflow: Inflow | None = None
        self._idle_since = hub.now()
        self._partial_since = 0.0

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self.is_lingering or self.is_closing:
            return
        self.received_octets += len(data)
        take, share = self._take, self._share
        if take is not None and self._running is None and share.left > 0 and not (self._held or self._is_last):
            body = self._codec.take_body(data)
            answer = take(body) if body is not None else None
            if answer is not None:
                share.left -= 1
                self.calls += 1
                self.hub.counters.requests += 1
                self._idle_since = 0.0
                if isinstance(answer, bytes):
                    self._answer_usual(answer)
                elif self._usual is not None:
                    share.left -= LATER_UNITS
                    self._await(self._usual, answer)
                return
        self._hold(data)
        if self._running is not None or (self._inflow is not None and self._inflow.is_choked):
            # Up to here we read on, to see a client go away; one read ahead is enough.
            self.pause_reading()
        elif not self._is_waiting:
            self._work(share.left if share.left > 0 or share.renew() else 0)
        elif self.hub.turns.is_shared or len(self._held) * PIECE_OCTETS >= CHECK_OCTETS:
            self.hold_off()

    def _hold(self, data: bytes) -> None:
        """Keep ``data`` in pieces that are parsed one by one: so many requests are taken in a turn, not so many octets."""
        most = _SMALL_PIECE_OCTETS if self.hub.turns.is_shared and self._inflow is None else PIECE_OCTETS
        if len(data) <= most:
            self._held.append(data)
        else:
            self._held.extend(data[start : start + most] for start in range(0, len(data), most))

    def _answer_usual(self, body: bytes) -> None:
        data = self._site.encode_usual(body, self.hub.date)
        if len(data) < CHECK_OCTETS and not self._out and self._transport is not None:
            self.sent_octets += len(data)
            self._transport.write(data)
        else:
            self._share.left -= len(data) >> UNIT_BITS
            self._out.append(data)
            self.flush()

    def go_on(self, units: int) -> int:
        """See ``Connection``."""
        used = self._work(units) if self._running is None else 0
        if not (self._is_waiting or self._is_full) and self._wants_more:
            self.resume_reading()
        return used

    @property
    def _wants_more(self) -> bool:
        return self._running is None and not (self._inflow is not None and self._inflow.is_choked)

    def _work(self, units: int) -> int:
        """Answer what has arrived, one by one, while it is this connection's turn."""
        left, until = units, clock() + self.hub.turns.slice_s
        while (event := self._next_event(left)) is not None:
            left -= 1
            before = self._out_octets
            if isinstance(event, Request):
                self._partial_since = 0.0  # what has begun behind it has its own time
                self._take_request(event)
            else:
                self._heed(event)
            if self._running is not None or self.is_closing or self.is_lingering:
                left -= LATER_UNITS
                break
            left -= (self._out_octets - before) >> UNIT_BITS
            if self._out_octets >= CHECK_OCTETS and self.is_full():
                self.flush()
                if self._is_full:
                    self._share.left -= units - left
                    return units - left
            if clock() >= until:
                break
        self._share.left -= units - left
        self._rest()
        return units - left

    def _next_event(self, left: int) -> Event | None:
        """What was received, as long as there are units left, and somebody takes it."""
        codec, held = self._codec, self._held
        if left <= 0 or (self._inflow is not None and self._inflow.is_choked):
            return None
        while (event := codec.next_event()) is None and held:
            codec.receive_data(held.popleft())
        return event

    def _rest(self) -> None:
        """There is nothing more, or others have their turn, or an answer is waited for."""
        self.flush()
        if self._running is not None or self.is_closing or self.is_lingering:
            self._stamp()
        elif not self._wants_more:
            self._stamp()
            self.pause_reading()
        elif self._codec.has_events or self._held:
            self.wait_for_turn()
            if len(self._held) * PIECE_OCTETS >= CHECK_OCTETS:
                self.hold_off()
        else:
            self._stamp()
            if self._is_eof or self._is_last:
                self.close()

    def _heed(self, event: Event) -> None:
        if isinstance(event, Part):
            if self._inflow is not None:
                self._inflow.take(event.data)
        elif isinstance(event, Finished):
            self._finish_body()
        elif isinstance(event, Begun):
            self._begin_body(event)
        elif isinstance(event, Refused):
            self._refuse(event)
        elif isinstance(event, Continue):
            self._invite(event.head)
        elif isinstance(event, Upgraded):
            self._codec.restart(event.data)

    # Bodies that are taken while they come.

    def _invite(self, head: Request) -> None:
        """Have the body come, unless it is known already that it would be for nothing (RFC 9110, 10.1.1)."""
        refusal = self._preflight(head)
        if refusal is None and self._site.find_path(path_of(head.target)) is None:
            refusal = self._site.not_found
        if refusal is None:
            self._out.append(CONTINUE)
        else:
            self._respond(head, refusal, is_last=True)

    def _begin_body(self, begun: Begun) -> None:
        self.calls += 1
        self.hub.counters.requests += 1
        head = begun.head
        refusal = self._preflight(head)
        if refusal is None:
            session = cast("TakingSession", self._speaker.open(self._site.find_path(path_of(head.target)) or b""))
            taker = session.begin(head, self._unchoke)
            if not isinstance(taker, Response):
                self._inflow = Inflow(head, taker, self.hub.now())
                if begun.expects:
                    self._out.append(CONTINUE)
                return
            refusal = taker
        self._respond(head, refusal, is_last=True)

    def _unchoke(self) -> None:
        """Whoever takes the body takes it again."""
        inflow = self._inflow
        if inflow is None or not inflow.is_choked or self.is_closing or self.is_lingering:
            return
        inflow.is_choked = False
        if self._held or self._codec.has_events or self._is_eof:
            self.wait_for_turn()
        else:
            self.resume_reading()

    def _finish_body(self) -> None:
        self._partial_since = 0.0
        inflow, self._inflow = self._inflow, None
        if inflow is not None:
            self._give(inflow.head, inflow.taker.finish())

    def _has_read_all(self) -> bool:
        return not (self._codec.has_events or self._held)

    def _stop_body(self) -> None:
        inflow, self._inflow = self._inflow, None
        if inflow is not None:
            inflow.taker.stop()

    # Requests.

    def _is_known(self, headers: Mapping[bytes, bytes]) -> bool:
        return self._speaker.is_known(headers, self.address)

    def _stamp(self) -> None:
        self._idle_since = self.hub.now()
        if not self._codec.is_partial:
            self._partial_since = 0.0
        elif not self._partial_since:
            self._partial_since = self._idle_since

    def _take_request(self, request: Request) -> None:
        self.calls += 1
        self.hub.counters.requests += 1
        response = self._route(request)
        if response is not None:
            self._give(request, response)
        if self._codec.usual is not self._usual:
            self._learn(request)

    def _learn(self, request: Request) -> None:
        """The codec knows another head again: remember who answers it."""
        usual = self._usual = self._codec.usual
        session = self._sessions.get(request.target)
        is_ours = usual is not None and session is not None and request is usual and self._site.find_refusal(request) is None
        self._take = session.usual(request) if is_ours and session is not None else None

    def _preflight(self, request: Request) -> Response | None:
        """Why nobody is asked about this request, if so; from here on the connection speaks for whom the request does."""
        refusal = self._site.find_refusal(request)
        if refusal is not None:
            return refusal
        authorization = request.headers.get(b"authorization")
        if authorization != self._speaker.authorization and not self._speak_for(authorization):
            return UNAUTHENTICATED
        return _TURNED_AWAY if self.is_lingering or self.is_closing else None

    def _route(self, request: Request) -> Response | Streamed | Later | None:
        refusal = self._preflight(request)
        if refusal is not None:
            return refusal
        session = self._sessions.get(request.target)
        if session is None:
            path = path_of(request.target)
            found = self._site.find_path(path)
            if is_meant(request, path):
                return self._open_socket(request)
            if found is None:
                return self._open_stream(request, path) if path.startswith(_STREAM) else self._site.not_found
            session = self._speaker.open(found)
        return session.handle(request)

    def _go_on(self) -> None:
        """See ``HttpAnswers``."""
        if self._held or self._codec.has_events:
            self.flush()
            if not (self._is_waiting or self.is_closing) and self._running is None:
                self.wait_for_turn()
        else:
            self._rest()
            if not self._is_full:  # also while a body goes out: to see the client go away
                self.resume_reading()

    def _speak_for(self, authorization: bytes | None) -> bool:
        """From now on requests are the bearer's, or the connection's own again; whether that was proved."""
        speaker = self._speaker
        if not speaker.change(authorization, self.address):
            return False
        until = speaker.expires_at()
        if until is not None:
            self.expires_at = until
        self._take = self._usual = None
        self._leave_share()
        self.caller = speaker.caller
        self._join_share()
        return True

    # Tunnels.

    def _open_stream(self, request: Request, path: bytes) -> Response | None:
        is_connect = request.method == b"CONNECT"
        if request.method != b"GET" and not is_connect:
            return Response(405, b'{"error":"a stream is opened by GET"}\n', headers=((b"Allow", b"GET, CONNECT"),))
        upgrade = request.headers.get(b"upgrade")
        if not is_connect and (not request.is_upgrade or upgrade is None or upgrade.lower() != _STREAM_PROTOCOL):
            more = ((b"Upgrade", _STREAM_PROTOCOL), (b"Connection", b"Upgrade"))
            return Response(426, b'{"error":"a stream needs Upgrade: vdsm-stream"}\n', headers=more)
        ticket = path[len(_STREAM) :].decode("ascii", "replace")
        try:
            stream = self._site.redeem(self._speaker.caller, ticket)
        except ApiError:
            return refusal_of(404, "there is no such stream")
        self._switch(TunnelConnection(self.hub, stream, b""), encode_connected() if is_connect else encode_upgrade(_STREAM_PROTOCOL))
        return None

    def _open_socket(self, request: Request) -> Response | None:
        token = bearer(request)
        if token is not None and not self._speak_for(token):
            return UNAUTHENTICATED
        if self.is_lingering or self.is_closing:
            return _TURNED_AWAY
        opened = self._site.sockets.open(self.hub, request, self._speaker.caller)
        if isinstance(opened, Response):
            return opened
        self._switch(opened.connection, opened.head)
        return None

    def _switch(self, follower: Connection, answer: bytes) -> None:
        """From here on the connection is a tunnel or a WebSocket."""
        transport = self._transport
        if transport is None:
            follower.gone()
            return
        self._out.append(answer)
        self.flush()
        early = b"".join(event.data for event in self._codec.events() if isinstance(event, Upgraded)) + b"".join(self._held)
        self._held.clear()
        follower.take_after(self)
        self._leave_share()
        self.hub.discard(self)
        self._transport = None
        self.is_closing = True
        self.gone()
        self.hand_over(transport, follower)
        follower.connection_made(transport)
        if early:
            follower.data_received(early)
        if self._is_eof:
            follower.eof_received()

    # Ends.

    def drained(self) -> None:
        """There is room again."""
        if self._running is None and not self._is_waiting:
            self.wait_for_turn()
        elif self._outflow is not None and not self._held:
            self.resume_reading()  # to see the client go away

    def gone(self) -> None:
        """Let go of the calls."""
        super().gone()
        self._speaker.close()

    def check_time(self, now: float) -> None:
        """Requests must be finished, pauses must end, refused clients must go."""
        limits, counters = self.hub.limits, self.hub.counters
        if self._running is not None:
            if self._partial_since:  # the next request waits for this one's answer: it is not read meanwhile
                self._partial_since = now
            if self._outflow is not None:
                self._outflow.check_time(now)
        elif self._inflow is not None:
            if self._inflow.is_slow(now, limits):
                counters.slow_senders += 1
                self._refuse(Refused(408, "the body came too slowly"))
        elif self._partial_since:
            if now - self._partial_since >= limits.head_s:
                counters.slow_senders += 1
                self._refuse(Refused(408, "the rest of the request did not come in time"))
        elif not self._idle_since:  # requests came since we looked
            self._idle_since = now
        elif now - self._idle_since >= limits.keep_alive_s:
            counters.idle_closed += 1
            self.close()
