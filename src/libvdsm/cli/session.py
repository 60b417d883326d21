"""What the commands need of a connection, and names as ids.

``Session`` is the contract; ``client_session`` meets it with the Python client, tests meet it with
values. Every failure of a session is one of ``failures``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from libvdsm.cli.failures import AmbiguousName, Exit, Failure
from libvdsm.cli.values import is_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Self

_MOST_CANDIDATES: Final = 20

#: How the names of an object type are found: the verb that lists them, the filter, and what tells candidates apart.
_LISTS: Final = {"vm": ("VM.list", "name", ("name", "state"))}


class Stream(Protocol):
    """A byte stream, as a console has."""

    def fileno(self) -> int:
        """Return the descriptor that tells when there is something to read."""

    def receive(self) -> bytes:
        """Return what has arrived; empty at the end of the stream."""

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""

    def close(self) -> None:
        """End the stream."""


class Session(Protocol):
    """A connection to a daemon."""

    def call(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - any JSON value
        """Call a verb and return its result. Raises ``Refused`` with the daemon's error, ``ConnectionFailure``."""

    def deliveries(self, topics: list[str], *, after: str | None, snapshot: bool) -> Iterator[Mapping[str, Any]]:
        """Yield deliveries (``EventDelivery``) as they come, without end."""

    def open_stream(self, path: str) -> Stream:
        """Open the byte stream that a ticket gives the right to."""

    def close(self) -> None:
        """End the connection."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""


def resolve(session: Session, object_type: str, word: str) -> str:
    """Return the id that a word stands for: a word in the form of an id is one; other words are names.

    Raises ``AmbiguousName`` with the candidates when several objects have the name.
    """
    if is_id(word):
        return word.lower()
    listing = _LISTS.get(object_type)
    if listing is None:
        raise Failure(f"{word!r} is not the id of a {object_type}", remedy=f"Give the id of the {object_type}.", code=Exit.USAGE)
    method, member, fields = listing
    found = session.call(method, {"filter": {member: word}, "fields": list(fields), "limit": _MOST_CANDIDATES})["items"]
    noun = object_type.upper()
    if not found:
        raise Failure(
            f"there is no {noun} with the name {word}", remedy=f"See the names with: vdsmsh {object_type} list", code=Exit.NOT_FOUND
        )
    if len(found) > 1:
        raise AmbiguousName(noun, word, [(item["id"], str(item.get("state", ""))) for item in found])
    return str(found[0]["id"])


def names(session: Session, object_type: str, incomplete: str) -> list[tuple[str, str]]:
    """Return the names and ids that begin with some text, each with a word about it; for completion."""
    if object_type == "task":
        items = session.call("Task.list", {"limit": 100})["items"]
        return [(item["id"], f"{item['method']} {item['state']}") for item in items if item["id"].startswith(incomplete)]
    listing = _LISTS.get(object_type)
    if listing is None:
        return []
    items = session.call(listing[0], {"fields": list(listing[2]), "limit": 1000})["items"]
    counts: dict[str, int] = {}
    for item in items:
        counts[item["name"]] = counts.get(item["name"], 0) + 1
    found = [(item["name"], str(item.get("state", ""))) for item in items if counts[item["name"]] == 1]
    found += [(item["id"], f"{item['name']} {item.get('state', '')}") for item in items if incomplete or counts[item["name"]] > 1]
    return [pair for pair in found if pair[0].startswith(incomplete)]
