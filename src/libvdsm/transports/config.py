"""What a listener is told: limits with their units, and the policy of one socket."""

from __future__ import annotations

from dataclasses import dataclass, field

from libvdsm.wire.http.connection import HttpLimits

#: The names under which a client on this host may reach us; every other name is somebody's trick (DNS rebinding).
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What connections may cost. Times in seconds, sizes in octets."""

    connections: int = 10_000
    strangers_per_address: int = 1_024  # connections of one address whose protocol is not known yet
    detect_s: float = 10.0
    message_s: float = 30.0  # from the first octet of a message to its last
    head_s: float = 10.0  # from the first octet of an HTTP head or body to the end of the request
    upload_s: float = 30.0  # in which a body that is taken while it comes must bring ...
    upload_octets: int = 16 * 1024  # ... so much, unless we are the slower side
    keep_alive_s: float = 75.0  # an HTTP connection between requests
    full_s: float = 30.0  # the write buffer stays full
    linger_s: float = 5.0  # a refused client may still read why
    dead_peer_s: int = 60  # a TCP peer that acknowledges nothing is gone, whether we send or not; whole seconds
    goodbye_s: float = 2.0  # over TLS, for the peer's last word
    sweep_s: float = 1.0
    login_s: float = 10.0  # in which who proved nothing yet must log in, on a stream or over a WebSocket ...
    login_octets: int = 64 * 1024  # ... and how long his messages and requests may be before
    beat_s: float = 30.0  # the silence after which a WebSocket's peer is asked whether it is there; after two it is gone
    write_octets: int = 4 * 1024 * 1024
    all_write_octets: int = 512 * 1024 * 1024  # of all connections of a listener: beyond it those with the most are closed
    tunnel_octets: int = 256 * 1024  # held of what goes through: tunnels, and bodies of HTTP
    message_octets: int = 1024 * 1024  # what a hostile one holds the loop for stays below 100 ms
    http: HttpLimits = field(default_factory=HttpLimits)

    def __post_init__(self) -> None:
        if min(self.connections, self.write_octets, self.message_octets, self.tunnel_octets) < 1:
            msg = "limits must be positive"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerPolicy:
    """Who may come over one socket, and what for.

    ``anonymous`` must be said for a TCP socket that takes callers in plain, and is then allowed on loopback only. ``hosts`` are further
    names (``name``: any port; ``name:port``: that one) which HTTP clients may use for us; over a unix socket they are not looked at.
    ``origins`` are the web origins whose pages may call us: none by default.
    """

    name: str = "main"
    anonymous: bool = False
    tls: bool = False  # TLS is spoken, even if there are no keys yet
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    protocols: frozenset[str] = frozenset({"json", "http", "websocket", "stomp", "amqp"})
    strict_stomp: bool = False  # STOMP to the letter, also from peers that may be old


@dataclass(slots=True)
class Counters:
    """What happened on a listener, since the start."""

    accepted: int = 0
    refused_limit: int = 0
    refused_identity: int = 0
    refused_protocol: int = 0
    refused_handshakes: int = 0
    refused_plain: int = 0
    evicted: int = 0
    detect_timeouts: int = 0
    slow_senders: int = 0
    slow_readers: int = 0
    crowded_out: int = 0  # closed because all together had too much unsent
    idle_closed: int = 0
    messages: int = 0
    requests: int = 0
    events: int = 0
    tunnels: int = 0
    dropped_answers: int = 0
    by_protocol: dict[str, int] = field(default_factory=dict)
