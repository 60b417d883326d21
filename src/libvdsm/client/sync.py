"""The client for threads; one client may be used by many.

with connect("unix:///run/libvdsm/vdsmd.sock") as host:
    for vm in host.vm.list().items: ...
"""

from __future__ import annotations

from libvdsm.client.generated.sync import Interfaces
from libvdsm.client.runtime.login import Login, TokenSource
from libvdsm.client.runtime.policy import BEAT_S, Retry
from libvdsm.client.runtime.state import Link, LinkState, StateCallback
from libvdsm.client.runtime.sync.client import TaskHandle
from libvdsm.client.runtime.sync.events import EventStream
from libvdsm.client.runtime.tls import Tls

__all__ = ["Client", "EventStream", "Link", "LinkState", "Retry", "TaskHandle", "Tls", "connect"]


class Client(Interfaces):
    """A client of one daemon.

    Verbs are ``c.vm.get(id)``; then there are ``c.events(...)``, ``c.call("VM.get", {...})`` and ``c.open_stream(path)``.
    """


def connect(
    url: str,
    *,
    connect_timeout: float = 10.0,
    ca: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
    server_name: str | None = None,
    token: TokenSource | None = None,
    token_file: str | None = None,
    retry: Retry | None = None,
    heartbeat: float = BEAT_S,
    on_state: StateCallback | None = None,
) -> Client:
    """Name the daemon at ``url``; nothing is sent before ``with`` or ``open``.

    ``url`` is ``unix:///path``, ``tls://host:port`` or ``tcp://host:port`` for raw JSON; ``stomp+tls://``, ``stomp://`` or
    ``stomp+unix:///path``; ``wss://``, ``ws://`` or ``ws+unix:///path``; ``https://``, ``http://`` or ``http+unix:///path``. All have the same
    face; over HTTP events are asked for.

    For roads with TLS come files in PEM: ``ca``, by which the server is known (else by the system's), and ``certificate`` with
    ``key``, by which the daemon knows the client. ``server_name``: the name that the server must prove, if not that of the URL.
    ``token`` (or who gives one) or ``token_file``: who logs in by a token, which is read anew for every connection and sent only where
    nobody can listen. ``connect_timeout``: seconds to get or regain a connection. ``retry``: what is sent again. ``heartbeat``: seconds
    of silence after which the daemon is asked for a sign of life, without which the connection is given up; 0: never.
    ``on_state``: called with each ``LinkState`` that is another ``link``, in order. Raises ``AddressError`` for what cannot be used.
    """
    given = Tls(ca=ca, certificate=certificate, key=key, server_name=server_name)
    return Client(
        url,
        connect_timeout=connect_timeout,
        tls=None if given == Tls() else given,
        login=Login(source=token, file=token_file),
        retry=retry,
        heartbeat=heartbeat,
        on_state=on_state,
    )
