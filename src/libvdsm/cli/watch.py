"""Shows a result again whenever it changes, and events as they come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from libvdsm.cli import formats, output, tables
from libvdsm.cli.description import Record
from libvdsm.cli.terminal import is_terminal, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from libvdsm.cli.description import Description, Verb
    from libvdsm.cli.output import Printer
    from libvdsm.cli.session import Session

#: Seconds of one wait for events, and the shortest time between two pictures.
_POLL_S: Final = 30
_SETTLE_S: Final = 0.2
_MOST_OF_A_PATCH: Final = 160


def topics_of(description: Description, verb: Verb) -> list[str]:
    """Return the topics that tell of changes of a verb's result; empty if no event does."""
    record = description.record(verb.result)
    items = record.member("items")
    if items is not None:
        kind = description.type(items.type.name)
        record = kind if isinstance(kind, Record) else record
    topic = description.topic(record.object_type) if record.object_type is not None else None
    return [] if topic is None else [topic.topic.partition(".")[0] + ".#"] if "." in topic.topic else [topic.topic]


def watch(
    session: Session,
    description: Description,
    verb: Verb,
    fetch: Callable[[], Any],
    printer: Printer,
    *,
    fields: tuple[str, ...] = (),
    interval_s: float = 2,
    rounds: int | None = None,
) -> None:
    """Show what ``fetch`` gives now and after every change, ``rounds`` times or until Ctrl-C."""
    topics = topics_of(description, verb)
    resume = _read(session, topics, None, 0)["resume"] if topics else None
    screen = _Screen(printer, verb.result, fields)
    try:
        while True:
            screen.show(fetch())
            rounds = None if rounds is None else rounds - 1
            if rounds == 0:
                return
            if resume is None:
                time.sleep(interval_s)
            else:
                resume = _changed(session, topics, resume)
    finally:
        screen.close()


def _changed(session: Session, topics: list[str], resume: str) -> str:
    """Wait for the next event; return the token after it."""
    while True:
        answer = _read(session, topics, resume, _POLL_S)
        resume = str(answer["resume"])
        if answer["items"] or answer.get("gap"):
            time.sleep(_SETTLE_S)  # a storm of changes makes few pictures
            return resume


def _read(session: Session, topics: list[str], after: str | None, timeout: float) -> Mapping[str, Any]:
    params: dict[str, Any] = {"topics": topics, "timeout": timeout}
    if after is not None:
        params["after"] = after
    found: Mapping[str, Any] = session.call("Event.read", params)
    return found


class _Screen:
    """Draws over the picture before on a terminal; elsewhere prints one after the other."""

    def __init__(self, printer: Printer, type_name: str, fields: tuple[str, ...]) -> None:
        self._printer = printer
        self._type = type_name
        self._fields = fields
        self._live: Any = None

    def show(self, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Show a result."""
        if self._printer.form != "table" or not is_terminal("stdout"):
            self._printer.show(self._type, value, self._fields)
            return
        from rich.live import Live

        picture = tables.render(self._printer.description, self._type, value, self._fields) or ""
        if self._live is None:
            self._live = Live(picture, console=output.console(), auto_refresh=False)
            self._live.start()
        self._live.update(picture, refresh=True)

    def close(self) -> None:
        """Leave the last picture."""
        if self._live is not None:
            self._live.stop()


def show_deliveries(deliveries: Iterable[Mapping[str, Any]], form: str, count: int | None = None) -> None:
    """Print deliveries as they come, ``count`` of them or until Ctrl-C."""
    for delivery in deliveries:
        click.echo(delivery_text(delivery, form))
        count = None if count is None else count - 1
        if count == 0:
            return


def delivery_text(delivery: Mapping[str, Any], form: str) -> str:
    """Write a delivery on one line, as YAML as a document."""
    if form == "yaml":
        return "---\n" + formats.as_yaml(delivery)
    if form != "table":
        return formats.as_line(delivery)
    gap = delivery.get("gap")
    if gap is not None:
        if gap.get("reason") == "snapshot":  # the client's own word
            return "-- the snapshot was cut off; forget it, it begins anew --"
        missed = f"{gap['missed']} " if "missed" in gap else ""
        return f"-- {missed}events are lost ({safe(str(gap.get('reason', '')))}); read the objects anew --"
    return event_text(delivery["event"])


def event_text(event: Mapping[str, Any]) -> str:
    """Write an event on one line for people."""
    cause = event.get("cause") or {}
    by = cause.get("method") or cause.get("detail") or ""
    words = [str(event["time"]), str(event["topic"]), str(event["change"]), patch_text(event.get("patch"))]
    words.append(f"({cause.get('kind', '')}{' ' if by else ''}{by})")
    return "  ".join(safe(word) for word in words if word)


def patch_text(patch: object) -> str:
    """Write the members of a patch that are one word; a cleared one as ``-name``."""
    if not isinstance(patch, dict):
        return ""
    words = [f"-{key}" if value is None else f"{key}={value}" for key, value in patch.items() if not isinstance(value, dict | list)]
    words += [f"{key}={{…}}" for key, value in patch.items() if isinstance(value, dict | list) and value]
    text = " ".join(words)
    return text if len(text) <= _MOST_OF_A_PATCH else text[: _MOST_OF_A_PATCH - 1] + "…"
