"""The daemon's own figures: calls, connections, events, queues, parts of the daemon, the host."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from libvdsm.bindings.metrics.names import PREFIX, FigureGroup
from libvdsm.bindings.metrics.text import Family, Group, labels

if TYPE_CHECKING:
    from libvdsm.bindings.jsonrpc.endpoint import JsonRpcCounters
    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.journal import Journal

#: The kernel tells memory in pages.
_PAGE_OCTETS: Final = resource.getpagesize()
_decode: Final = msgspec.json.Decoder(dict[str, object]).decode


def _counter(name: str, help: str) -> Family:
    return Family(f"{PREFIX}_{name}_total", "counter", help)


def _gauge(name: str, help: str) -> Family:
    return Family(f"{PREFIX}_{name}", "gauge", help)


_CALLS: Final = _counter("calls", "Calls that were received.")
_NOTIFICATIONS: Final = _counter("notifications", "Calls that were received and wanted no answer.")
_ERRORS: Final = _counter("errors", "Calls that were answered with an error, by its name.")
_DROPPED: Final = _counter("dropped_answers", "Answers to clients that had gone.")
_OPEN: Final = _gauge("connections", "Open connections by protocol.")
_UNSENT: Final = _gauge("unsent_bytes", "What clients have not taken yet, by protocol.")
_LAG: Final = _gauge("subscription_lag", "By how many events or messages the slowest subscription is behind.")
_HAPPENED: Final = _counter("listener_events", "What happened at the listeners, by its name.")
_MESSAGING: Final = _counter("messaging_events", "What happened to those who speak STOMP or AMQP, by its name; messages: on either.")
_DELIVERED: Final = _counter("events_delivered", "Events that were delivered, by protocol.")
_SUBSCRIPTIONS: Final = _gauge("event_subscriptions", "Subscriptions to events.")
_JOURNAL_LAST: Final = _counter("journal_records", "Records of the journal since its birth.")
_JOURNAL_FIRST: Final = _gauge("journal_first_record", "The oldest record that can still be read.")
_QUEUE_WAITING: Final = _gauge("queue_waiting_messages", "Messages in a queue that nobody has yet.")
_QUEUE_UNSETTLED: Final = _gauge("queue_unsettled_messages", "Messages of a queue that consumers have and have not settled.")
_QUEUE_OCTETS: Final = _gauge("queue_bytes", "What a queue holds.")
#: So many are looked at in a row.
_STRIDE: Final = 500
_SUBSYSTEM: Final = _gauge("subsystem_state", "1 for the state in which a part of the daemon is.")
_RESTARTS: Final = _counter("subsystem_restarts", "How often a part of the daemon was started again.")
_VMS: Final = _gauge("vms", "Virtual machines by state.")
_CPU: Final = _counter("process_cpu_seconds", "Processor time of the front.")
_MEMORY: Final = _gauge("process_resident_memory_bytes", "Memory of the front.")
_STARTED: Final = _gauge("process_start_time_seconds", "When the front began, in seconds since 1970.")
_VERSION: Final = _gauge("build_info", "1, with the versions of the daemon and of its API.")


class _Connection(Protocol):
    @property
    def protocol(self) -> str: ...

    def unsent_octets(self) -> int: ...

    def behind(self) -> tuple[int, int]: ...


class _Part(Protocol):
    @property
    def state(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Depth:
    """A queue and how much is in it."""

    queue: str
    project: str
    waiting: int
    unsettled: int
    octets: int


class CallFigures:
    """What the bindings were asked."""

    def __init__(self, counters: JsonRpcCounters) -> None:
        self._counters = counters

    def __call__(self, _caller: Caller) -> Iterator[Group]:
        """See ``Source``."""
        counters = self._counters
        yield Group(_CALLS, [("", counters.calls)])
        yield Group(_NOTIFICATIONS, [("", counters.notifications)])
        yield Group(_ERRORS, [(labels({"error": name}), count) for name, count in sorted(counters.by_error.items())])
        yield Group(_DROPPED, [("", counters.dropped_answers)])


class ConnectionFigures:
    """Who is connected, and what happened to those who came."""

    def __init__(
        self,
        connections: Callable[[], Iterable[_Connection]],
        counters: Callable[[], Iterable[tuple[str, Mapping[str, int]]]],
        slowest: Callable[[], int],
    ) -> None:
        """``counters``: the name of each listener, and what it counted. ``slowest``: the lag of subscriptions that no connection tells of."""
        self._slowest = slowest
        self._connections = connections
        self._counters = counters

    def __call__(self, _caller: Caller) -> Iterator[Group | None]:
        """See ``Source``."""
        by_protocol: Counter[str] = Counter()
        unsent: Counter[str] = Counter()
        lag = self._slowest()
        for place, each in enumerate(tuple(self._connections())):
            by_protocol[each.protocol] += 1
            unsent[each.protocol] += each.unsent_octets()
            lag = max(lag, each.behind()[1])
            if not place % _STRIDE:
                yield None
        yield Group(_OPEN, [(labels({"protocol": name}), count) for name, count in sorted(by_protocol.items())])
        yield Group(_UNSENT, [(labels({"protocol": name}), count) for name, count in sorted(unsent.items())])
        yield Group(_LAG, [("", lag)])
        happened: Counter[str] = Counter()  # several sockets may have one name, and no sample may come twice
        for listener, told in self._counters():
            for name, count in told.items():
                happened[labels({"listener": listener, "event": name})] += count
        yield Group(_HAPPENED, happened.items())


class MessagingFigures:
    """What happened on the roads of messages: logins refused, answers to clients that had gone, peers that were lost."""

    def __init__(self, counters: Callable[[], Iterable[tuple[str, Mapping[str, int]]]]) -> None:
        """``counters``: the name of each protocol, and what it counted."""
        self._counters = counters

    def __call__(self, _caller: Caller) -> Iterator[Group]:
        """See ``Source``."""
        told = self._counters()
        yield Group(_MESSAGING, [(labels({"protocol": name, "event": event}), count) for name, all in told for event, count in all.items()])


class EventFigures:
    """What is told."""

    def __init__(self, journal: Journal, subscriptions: Callable[[], int], delivered: Mapping[str, Callable[[], int]]) -> None:
        """``delivered``: how many events each protocol delivered."""
        self._journal = journal
        self._subscriptions = subscriptions
        self._delivered = delivered

    def __call__(self, _caller: Caller) -> Iterator[Group]:
        """See ``Source``."""
        yield Group(_DELIVERED, [(labels({"protocol": name}), count()) for name, count in sorted(self._delivered.items())])
        yield Group(_SUBSCRIPTIONS, [("", self._subscriptions())])
        yield Group(_JOURNAL_LAST, [("", self._journal.last)])
        yield Group(_JOURNAL_FIRST, [("", self._journal.first)])


class QueueFigures:
    """How much is in the queues that the caller may see."""

    def __init__(self, depths: Callable[[Caller], Iterable[Depth]]) -> None:
        self._depths = depths

    def __call__(self, caller: Caller) -> Iterator[Group | None]:
        """See ``Source``."""
        depths: list[tuple[str, Depth]] = []
        for each in self._depths(caller):
            depths.append((labels({"queue": each.queue, "project": each.project}), each))
            if not len(depths) % _STRIDE:
                yield None
        yield Group(_QUEUE_WAITING, ((mark, each.waiting) for mark, each in depths))
        yield Group(_QUEUE_UNSETTLED, ((mark, each.unsettled) for mark, each in depths))
        yield Group(_QUEUE_OCTETS, ((mark, each.octets) for mark, each in depths))


class HostFigures:
    """Parts of the daemon, and the host with what runs on it."""

    def __init__(
        self,
        *,
        conditions: Callable[[], Iterable[Mapping[str, object]]],
        machines: Callable[[], Iterable[_Part]],
        groups: Sequence[FigureGroup],
        stats: Callable[[], Mapping[str, bytes]],
    ) -> None:
        """``conditions``: each a ``SubsystemInfo``. ``groups``: the figures of ``HostStats``; ``stats``: its encoded members."""
        self._conditions = conditions
        self._machines = machines
        self._groups = groups
        self._stats = stats

    def __call__(self, _caller: Caller) -> Iterator[Group]:
        """See ``Source``."""
        conditions = tuple(self._conditions())
        yield Group(_SUBSYSTEM, [(labels({"subsystem": str(each["name"]), "state": str(each["state"])}), 1) for each in conditions])
        restarts = [(labels({"subsystem": str(each["name"])}), each.get("restarts", 0)) for each in conditions]
        yield Group(_RESTARTS, [(mark, count) for mark, count in restarts if isinstance(count, int)])
        states = Counter(each.state for each in self._machines())
        yield Group(_VMS, [(labels({"state": state}), count) for state, count in sorted(states.items())])
        stats = self._stats()
        for group in self._groups:
            told = _decode(stats[group.member]) if group.member in stats else {}
            for figure in group.figures:
                value = told.get(figure.member)
                if isinstance(value, int | float) and "notRefreshed" not in told:
                    yield Group(figure.family, [("", value)])


class ProcessFigures:
    """The process that answers."""

    def __init__(self, *, version: str, api_version: str, wall: Callable[[], float] = time.time) -> None:
        self._started = wall()
        self._version = labels({"version": version, "api": api_version})

    def __call__(self, _caller: Caller) -> Iterator[Group]:
        """See ``Source``."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        yield Group(_VERSION, [(self._version, 1)])
        yield Group(_CPU, [("", used.ru_utime + used.ru_stime)])
        yield Group(_STARTED, [("", self._started)])
        try:
            memory = int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_OCTETS
        except OSError:
            return  # /proc is not for everybody
        yield Group(_MEMORY, [("", memory)])
