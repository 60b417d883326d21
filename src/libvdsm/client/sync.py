"""The client for threads; one client may be used by many.

with connect("unix:///run/libvdsm/vdsmd.sock") as host:
    for vm in host.vm.list().items: ...
"""

from __future__ import annotations

from libvdsm.client.generated.sync import Interfaces
from libvdsm.client.runtime.sync.client import TaskHandle
from libvdsm.client.runtime.sync.events import EventStream

__all__ = ["Client", "EventStream", "TaskHandle", "connect"]


class Client(Interfaces):
    """A client of one daemon.

    Verbs are ``c.vm.get(id)``; then there are ``c.events(...)``, ``c.call("VM.get", {...})`` and ``c.open_stream(path)``.
    """


def connect(url: str, *, connect_timeout: float = 10.0) -> Client:
    """Name the daemon at ``url``; nothing is sent before ``with`` or ``open``.

    ``url`` is ``unix:///path``, ``tcp://host:port``, ``http://host:port`` or ``http+unix:///path``; over HTTP
    there are no events. Raises ``AddressError`` for any other.
    """
    return Client(url, connect_timeout=connect_timeout)
