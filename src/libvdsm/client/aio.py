"""The client for asyncio.

async with connect("unix:///run/libvdsm/vdsmd.sock") as host:
    for vm in (await host.vm.list()).items: ...
"""

from __future__ import annotations

from libvdsm.client.generated.aio import Interfaces
from libvdsm.client.runtime.aio.client import TaskHandle
from libvdsm.client.runtime.aio.events import EventStream
from libvdsm.client.runtime.tls import Tls

__all__ = ["Client", "EventStream", "TaskHandle", "Tls", "connect"]


class Client(Interfaces):
    """A client of one daemon.

    Verbs are ``await c.vm.get(id)``; then there are ``c.events(...)``, ``c.call("VM.get", {...})`` and ``c.open_stream(path)``.
    """


def connect(
    url: str,
    *,
    connect_timeout: float = 10.0,
    ca: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
    server_name: str | None = None,
) -> Client:
    """Name the daemon at ``url``; nothing is sent before ``async with`` or ``open``.

    ``url`` is ``unix:///path``, ``tls://host:port``, ``https://host:port``, ``tcp://host:port``, ``http://host:port`` or
    ``http+unix:///path``; over HTTP there are no events. For ``tls`` and ``https`` come files in PEM: ``ca``, by which the
    server is known (else by the system's), and ``certificate`` with ``key``, by which the daemon knows the client.
    ``server_name``: the name that the server must prove, if not that of the URL. Raises ``AddressError`` for what cannot be used.
    """
    given = Tls(ca=ca, certificate=certificate, key=key, server_name=server_name)
    return Client(url, connect_timeout=connect_timeout, tls=None if given == Tls() else given)
