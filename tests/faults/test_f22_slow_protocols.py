"""F-22, beyond HTTP: drips in the middle of each protocol's greeting, login or message. Each has its time, is told why, and is in nobody's way."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final

from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import AMQP_HEADER, SASL_HEADER, encode_frame
from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess
from tests.fakes.websocket_peer import BINARY, CONTINUATION, TEXT, frame, hello
from tests.faults.caller import calling
from tests.faults.test_nothing_is_left import await_alone

EACH = 10
#: For a login, and for a message of somebody who is known.
LOGIN_S, MESSAGE_S = 10.0, 30.0
#: Of the sweep, whose clock is looked at once a second; and of a busy machine.
EARLY_S, PATIENCE_S = 1.5, 60.0
DRIP_S = 0.3

_CALL: Final = b'{"jsonrpc":"2.0","id":1,"method":"'
_GREETING: Final = b"CONNECT\naccept-version:1.2\nhost:localhost\n"
_OPEN: Final = encode_frame(0, p.Open("x" * 200))
_INIT: Final = encode_frame(0, p.SaslInit("PLAIN", b"\0alice\0" + b"x" * 200), kind=1)
#: The head of a text of 5,000 octets, with a mask that changes none of them.
_UNFINISHED: Final = b"\x81\xfe\x13\x88" + bytes(4)


@dataclass(frozen=True)
class Phase:
    """Where a client is slow: what it says at once, what it drips for ever, and what it is told in the end."""

    at_once: bytes
    drip: bytes
    told: bytes
    lasts_s: float = LOGIN_S
    is_secure: bool = False


_TOO_LATE: Final = b"the rest of the message did not come in time"
PHASES: Final = {
    "a message of JSON": Phase(_CALL, b"x", b'"ParseError"', MESSAGE_S),
    "a frame of a WebSocket": Phase(hello() + _UNFINISHED, b" ", _TOO_LATE, MESSAGE_S),
    "a message in fragments": Phase(hello() + frame(TEXT, b"[", fin=False), frame(CONTINUATION, b" ", fin=False), _TOO_LATE, MESSAGE_S),
    "the request for a WebSocket": Phase(hello()[:60], b"x", b"HTTP/1.1 408 "),
    "the greeting of STOMP": Phase(_GREETING, b"x", b"ERROR\n"),
    "the greeting of STOMP in a WebSocket": Phase(hello(protocols="v12.stomp") + frame(TEXT, _GREETING), frame(TEXT, b"x"), b"ERROR\n"),
    "the header of AMQP": Phase(AMQP_HEADER[:5], b"", b""),
    "the open of AMQP": Phase(AMQP_HEADER + _OPEN[:20], b"x", b"the login took too long"),
    "the open of AMQP in a WebSocket": Phase(
        hello(protocols="amqp") + frame(BINARY, AMQP_HEADER + _OPEN[:20]), frame(BINARY, b"x"), b"the login took too long"
    ),
    "a login by SASL": Phase(SASL_HEADER + _INIT[:20], b"x", b"", is_secure=True),
    "a message of a stranger": Phase(_CALL, b"x", b'"NotAuthenticated"', is_secure=True),
    "blanks of a stranger": Phase(b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}\n', b" ", b'"NotAuthenticated"', is_secure=True),
    "beats of a stranger who greeted": Phase(_GREETING + b"\n\0", b"\n", b"NotAuthenticated", is_secure=True),
    "a frame of a stranger's WebSocket": Phase(hello() + _UNFINISHED, b" ", b"nobody logged in", is_secure=True),
}


class Dripper:
    """One slow client."""

    def __init__(self, phase: Phase, daemon: VdsmdProcess) -> None:
        self.phase = phase
        self.sock = _dial(daemon, is_secure=phase.is_secure)
        self.sock.sendall(phase.at_once)
        self.sock.setblocking(False)
        self.since = time.monotonic()
        self.ended_after: float | None = None
        self.told = b""
        self._drip = chain.from_iterable(repeat(phase.drip)) if phase.drip else iter(())

    def drip(self) -> None:
        """Send one octet more; see whether it is over."""
        try:
            for octet in self._drip:
                self.sock.send(bytes((octet,)))
                break
            while data := self.sock.recv(4096):
                self.told += data
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            pass
        self.ended_after = time.monotonic() - self.since


def _dial(daemon: VdsmdProcess, *, is_secure: bool) -> socket.socket:
    if not is_secure:
        local = socket.socket(socket.AF_UNIX)
        local.settimeout(PATIENCE_S)
        local.connect(str(daemon.socket))
        return local
    assert daemon.port is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", daemon.port), PATIENCE_S))


def test_f22_slow_clients_of_each_protocol_have_their_time(vdsmd: StartVdsmd) -> None:
    """All are gone when their time is up and not before, with the protocol's own word; an administrator is answered all the while."""
    daemon = vdsmd("--listen", "127.0.0.1:0", hypervisor="simulator:1", listen=None)
    with calling(daemon) as local, ExitStack() as opened:
        drippers = []
        for phase in PHASES.values():
            for _ in range(EACH):
                drippers.append(Dripper(phase, daemon))
                opened.enter_context(drippers[-1].sock)
        begin = time.monotonic()
        while left := [each for each in drippers if each.ended_after is None]:
            assert time.monotonic() - begin < MESSAGE_S + PATIENCE_S, {
                name for name, phase in PHASES.items() for each in left if each.phase is phase
            }
            for each in left:
                each.drip()
            assert local.call("Host.ping") == {"pong": True}
            time.sleep(DRIP_S)
        for name, phase in PHASES.items():
            for each in drippers:
                if each.phase is phase:
                    assert each.ended_after is not None
                    assert each.ended_after > phase.lasts_s - EARLY_S, name
                    assert phase.told in each.told, (name, each.told[-300:])
        opened.close()
        await_alone(local)
    assert "Traceback" not in daemon.log
