"""Events for threads: one subscription as an iterator that outlives its connection."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from libvdsm.client.runtime.errors import ApiError, ClientError, ConnectionLostError, NotSentError, TransportError
from libvdsm.client.runtime.following import Position, may_return
from libvdsm.client.runtime.policy import POLL_S, decoded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from libvdsm.client.generated.types import EventDelivery
    from libvdsm.client.runtime.sync.client import BaseClient


class EventStream:
    """Deliveries in order. One thread iterates; after a ``TransportError`` it may iterate again, and nothing was missed."""

    def __init__(self, client: BaseClient, position: Position) -> None:
        self._client = client
        self._position = position
        self._lock = threading.Lock()  # guards the place, the name and whether it is live
        self._wakeup = threading.Event()
        self._name: str | None = None
        self._is_live = False
        self._closed = False
        self._renewing: Future[None] | None = None
        self._process = os.getpid()

    @property
    def resume(self) -> str | None:
        """The token after the last delivery that was handed out."""
        return self._position.resume

    def __enter__(self) -> Self:
        self._heed_fork()
        self._renew()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EventDelivery:
        return self.receive()

    def receive(self, timeout: float | None = None) -> EventDelivery:
        """The next delivery; raises ``TimeoutError`` if there is none within ``timeout`` seconds, and ``StopIteration`` at the end.

        If the connection was lost, it is tried for beyond ``timeout``: for as long as ``Retry.stream_s`` says, whoever waits for it.
        """
        self._heed_fork()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._wakeup.clear()
            with self._lock:
                found = self._position.take()
            if found is not None:
                return found
            if self._closed:
                raise StopIteration
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if (not self._is_live or self._client.address.http) and self._is_renewed(left):
                continue
            if left == 0:
                message = f"no event within {timeout:g} s"
                raise TimeoutError(message)
            self._wakeup.wait(left)

    def close(self) -> None:
        """End the subscription; an iteration that waits ends. Idempotent."""
        if self._closed:
            return
        self._heed_fork()
        self._closed = True
        self._client.forget(self)
        self._wakeup.set()
        with suppress(ClientError):
            self._unsubscribe()

    def push(self, delivery: Mapping[str, Any]) -> None:
        """A delivery has come. If too many wait they are let go from here on, and asked for again later."""
        with self._lock:
            if self._is_live and self._name == delivery["subscriptionId"]:
                self._is_live = self._position.push(delivery)
        self._wakeup.set()

    def lost(self) -> None:
        """The connection is gone, and the subscription with it."""
        with self._lock:
            name, self._name = self._name, None
            self._is_live = False
        if name is not None:
            self._client.line.unregister(name)
        self._wakeup.set()

    def _heed_fork(self) -> None:
        """In a process that was forked off: go on from the same place by a subscription of its own; who renewed it is not here."""
        self._client.line.heed_fork()
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock, self._wakeup = threading.Lock(), threading.Event()
            self._name, self._is_live, self._renewing = None, False, None

    def _is_renewed(self, left: float | None) -> bool:
        """Go on; false if that is not done yet, and ``_wakeup`` tells when it is. Raises why it cannot be done."""
        if self._renewing is None:
            if left is None:
                self._renew()
                return True
            self._renewing = self._begin_to_renew(left)
        if not self._renewing.done():
            return False
        renewing, self._renewing = self._renewing, None
        renewing.result()
        return True

    def _begin_to_renew(self, limit_s: float) -> Future[None]:
        """Go on in a thread that ends with this: who receives has less time than it may take."""
        found: Future[None] = Future()
        context = copy_context()

        def renew() -> None:
            try:
                found.set_result(context.run(self._renew, limit_s))
            except BaseException as failure:  # noqa: BLE001 - it is raised where the delivery is waited for
                found.set_exception(failure)
            self._wakeup.set()

        threading.Thread(target=renew, name="libvdsm-renewal", daemon=True).start()
        return found

    def _renew(self, limit_s: float | None = None) -> None:
        """Go on, again and again for as long as ``Retry.stream_s`` says; reading events takes up to ``limit_s`` seconds."""
        line = self._client.line
        patience_s = line.connect_timeout if line.retry.stream_s is None else line.retry.stream_s
        began = time.monotonic()
        for attempt in count():
            if self._closed:
                return
            try:
                if self._client.address.http:
                    self._read(limit_s)
                else:
                    self._subscribe()
            except (TransportError, ApiError) as failure:
                pause_s = line.retry.pause(attempt)
                if line.is_closed or not may_return(failure) or time.monotonic() - began + pause_s >= patience_s:
                    raise
            else:
                return
            line.pause(pause_s)

    def _subscribe(self) -> None:
        from libvdsm.client.generated.types import EventSubscription

        with suppress(ClientError):
            self._unsubscribe()
        line = self._client.line
        name = line.register(self)
        with self._lock:
            self._name, self._is_live = name, True
            params = self._position.subscription(name)
        try:
            subscription = self._client.invoke("Event.subscribe", params, {}, EventSubscription.from_wire)
        except BaseException as failure:
            self.lost()
            if not isinstance(failure, (ApiError, NotSentError, ConnectionLostError)):
                line.forsake(name)  # it may have begun
            raise
        with self._lock:
            self._position.subscribed(subscription.resume)
        if self._closed or self._name != name:  # it has begun too late, or on another connection than it was to
            line.forsake(name)

    def _read(self, limit_s: float | None) -> None:
        """Where the daemon cannot speak first, events are asked for."""
        params = self._position.reading()
        if limit_s is not None:
            params["timeout"] = min(params["timeout"], limit_s)
        answer = self._client.exchange("Event.read", params, {"timeout": POLL_S + params["timeout"]})
        with self._lock:
            decoded("Event.read", self._position.read, answer)
            self._is_live = True

    def _unsubscribe(self) -> None:
        with self._lock:
            name, self._name = self._name, None
        if name is not None:
            self._client.line.unregister(name)
            self._client.exchange("Event.unsubscribe", {"subscriptionId": name}, {})
