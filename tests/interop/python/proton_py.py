"""python-qpid-proton: AMQP 1.0 over TLS, known by SASL PLAIN."""

from __future__ import annotations

import functools
import json
import os
import socket
import threading
from typing import Any

from proton import Described, Message, SSLDomain, symbol
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector, Filter
from script import LISTING, STRANGER, obey, site, tell, tell_list

SITE = site()
RESUME = symbol("vdsm:resume")


class Client(MessagingHandler):
    """Runs in a thread of its own; what shall be done comes in as events."""

    def __init__(self) -> None:
        super().__init__()
        self._container: Any = None
        self._connection: Any = None
        self._replies: Any = None
        self._events: Any = None
        self._requests: Any = None
        self._resume: Any = None
        self._nowhere: Any = None
        self._letters: Any = None
        self._comes_back = self._is_dropped = False
        self.injector = EventInjector()

    def order(self, name: str) -> None:
        """From another thread."""
        self.injector.trigger(ApplicationEvent(name))

    def on_reactor_init(self, event: Any) -> None:
        """The beginning."""
        super().on_reactor_init(event)
        self._container = event.reactor
        event.reactor.selectable(self.injector)

    def on_stranger(self, _event: Any) -> None:
        """Come with a token that nobody gave."""
        self._connect(STRANGER)

    def on_first(self, _event: Any) -> None:
        """Come."""
        self._connect(SITE.token)

    def on_again(self, _event: Any) -> None:
        """Come back."""
        self._comes_back, self._is_dropped = True, False
        self._connect(SITE.token)

    def on_drop(self, event: Any) -> None:
        """Without a word."""
        del event
        self._is_dropped = True
        with socket.socket(fileno=os.dup(self._connection.transport._selectable.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        tell("dropped", True)

    def on_connection_opened(self, event: Any) -> None:
        """Logged in."""
        tell("back" if self._comes_back else "connected", "1.0")
        if self._comes_back:
            self._follow()
        else:
            self._replies = event.container.create_receiver(self._connection, None, dynamic=True)

    def on_link_opened(self, event: Any) -> None:
        """One link after the other."""
        if event.link == self._replies:
            self._requests = event.container.create_sender(self._connection, "/exchange/requests")
        elif event.link == self._events and not self._comes_back:
            tell("following", True)

    def on_sendable(self, event: Any) -> None:
        """Ask, once."""
        if event.link == self._requests:
            address = self._replies.remote_source.address
            event.sender.send(Message(body=LISTING.encode(), reply_to=address, correlation_id="1", content_type="application/json"))
            self._requests = None

    def on_message(self, event: Any) -> None:
        """An answer, or an event."""
        body = bytes(event.message.body) if isinstance(event.message.body, memoryview) else event.message.body
        if event.link == self._replies:
            tell_list(body)
            self._follow()
            return
        self._resume = event.message.annotations["x-opt-vdsm-resume"]
        tell("event", json.loads(body))

    def on_transport_error(self, event: Any) -> None:
        """Refused, or dropped by ourselves."""
        if not self._is_dropped:
            tell("refused", event.transport.condition.name)

    def on_link_error(self, event: Any) -> None:
        """Only of what is not there."""
        condition = event.link.remote_condition
        if event.link != self._nowhere:
            tell("failed", str(condition))
            return
        tell("nowhere", [condition.name, condition.info])
        self._letters = self._container.create_sender(self._connection, None)
        self._letters.send(Message(address="/queue/nothing", body="x"))

    def on_rejected(self, event: Any) -> None:
        """A message to what is not there."""
        condition = event.delivery.remote.condition
        tell("rejected", [condition.name, condition.info])

    def on_nowhere(self, _event: Any) -> None:
        """Send to what is not there."""
        self._nowhere = self._container.create_sender(self._connection, "/queue/nothing")

    def _connect(self, token: str) -> None:
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_trusted_ca_db(SITE.ca)
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME, SITE.ca)
        self._connection = self._container.connect(
            f"amqps://127.0.0.1:{SITE.port}",
            ssl_domain=domain,
            sni="localhost",
            allowed_mechs="PLAIN",
            user="user:alice",
            password=token,
            reconnect=False,
            heartbeat=30,
        )

    def _follow(self) -> None:
        options = [Filter({RESUME: Described(RESUME, self._resume)})] if self._resume else []
        self._events = self._container.create_receiver(self._connection, "/topic/vm.#", options=options)


client = Client()
threading.Thread(target=Container(client).run, daemon=True).start()
obey({name: functools.partial(client.order, name) for name in ("stranger", "first", "nowhere", "drop", "again")})
os._exit(0)  # the reactor's thread would be waited for
