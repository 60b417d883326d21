"""stomp.py: STOMP 1.2 over TLS."""

from __future__ import annotations

import json
import ssl
from typing import Any

import stomp
from script import LISTING, STRANGER, obey, site, tell, tell_list

SITE = site()


class Listener(stomp.ConnectionListener):
    """Tells what comes, and keeps the token of the last event."""

    resume: str | None = None

    def __init__(self, connection: Any, *, comes_back: bool) -> None:
        self._connection, self._comes_back = connection, comes_back

    def on_connected(self, frame: Any) -> None:
        """Logged in."""
        tell("back" if self._comes_back else "connected", frame.headers["version"])
        if self._comes_back:
            self._follow()
            return
        self._connection.subscribe("/temp-queue/answers", id="answers")
        headers = {"reply-to": "/temp-queue/answers", "correlation-id": "1"}
        self._connection.send("/exchange/requests", LISTING, content_type="application/json", headers=headers)

    def on_message(self, frame: Any) -> None:
        """An answer, or an event."""
        if frame.headers["subscription"] == "events":
            Listener.resume = frame.headers["resume"]
            tell("event", json.loads(frame.body))
            return
        tell_list(frame.body)
        self._follow()
        self._connection.send("/topic/interop.mark", "", receipt="marked")  # when it is done, so is all before it

    def on_receipt(self, frame: Any) -> None:
        """What is subscribed is in force."""
        tell("following", frame.headers["receipt-id"] == "marked")

    def on_error(self, frame: Any) -> None:
        """The last frame."""
        tell("refused", frame.headers["error"])

    def _follow(self) -> None:
        headers = {"resume": Listener.resume} if Listener.resume else {}
        self._connection.subscribe("/topic/vm.#", id="events", headers=headers)


class Client:
    """One connection after the other."""

    def __init__(self) -> None:
        self._connection: Any = None

    def connect(self, token: str, *, comes_back: bool = False) -> None:
        """Log in."""
        address = [("127.0.0.1", SITE.port)]
        self._connection = stomp.Connection12(address, heartbeats=(10_000, 10_000), reconnect_attempts_max=1)
        self._connection.set_ssl(address, ca_certs=SITE.ca, ssl_version=ssl.PROTOCOL_TLS_CLIENT)
        self._connection.set_listener("", Listener(self._connection, comes_back=comes_back))
        self._connection.connect(passcode=token)

    def drop(self) -> None:
        """Without a word."""
        self._connection.remove_listener("")
        self._connection.transport.disconnect_socket()
        tell("dropped", True)


client = Client()
obey(
    {
        "stranger": lambda: client.connect(STRANGER),
        "first": lambda: client.connect(SITE.token),
        "drop": client.drop,
        "again": lambda: client.connect(SITE.token, comes_back=True),
    }
)
