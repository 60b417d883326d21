"""What sources and targets stand for, and what is answered about them: what we do, and nothing that we do not (AM-053, AM-055)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from libvdsm.bridge.event_wish import read_event_wish
from libvdsm.interfaces.generated.types import EventFilter
from libvdsm.wire.amqp.errors import INVALID_FIELD, NOT_IMPLEMENTED, AmqpError, Scope
from libvdsm.wire.amqp.performatives import Attach, Coordinator, Source, Target
from libvdsm.wire.amqp.values import Described, Symbol, ULong

TOPIC: Final = "/topic/"
QUEUE: Final = "/queue/"
TEMPORARY: Final = "/temp-queue/"
RESUME: Final = "vdsm:resume"
SNAPSHOT: Final = "vdsm:snapshot"
FILTER: Final = "vdsm:filter"
COALESCE: Final = "vdsm:coalesce"
_KINDS: Final = {"topic": TOPIC, "queue": QUEUE}
_NEVER: Final = "never"
_GOES_WITH_THE_LINK: Final = "link-detach"
_OUTCOMES: Final = ("amqp:accepted:list", "amqp:rejected:list", "amqp:released:list", "amqp:modified:list")
#: Of a dynamic node: it lives as long as whoever asked for it (part 3, 3.5.10).
_LIFETIME: Final[dict[object, object]] = {Symbol("lifetime-policy"): Described(ULong(0x2B), [])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a receiving link's messages come from."""

    destination: str
    browse: bool = False
    after: str | None = None  # of events
    snapshot: bool = False
    filter: EventFilter | None = None
    coalesce_s: float = 0.0

    @property
    def is_taken(self) -> bool:
        """Whether a message goes to one receiver, and comes back if that one fails."""
        return not self.browse and self.destination.startswith((QUEUE, TEMPORARY))


def read_source(attach: Attach, temporary: Callable[[], str]) -> tuple[Origin, Source]:
    """What a receiver asks for, and the source that is answered. Raises ``AmqpError``, ``InvalidParams``."""
    source = attach.source
    if source is None:
        raise _refusal(INVALID_FIELD, "a receiving link needs a source")
    _check(source)
    address, kinds = _address(source, temporary)
    if address is None:
        raise _refusal(INVALID_FIELD, "a source has an address, or is dynamic")
    filters = source.filter or {}
    after, snapshot = _read_filter(filters, RESUME, str), _read_filter(filters, SNAPSHOT, bool)
    wanted, coalesce = _read_filter(filters, FILTER, str), _read_filter(filters, COALESCE, int, float)
    filter, coalesce_s = read_event_wish(None if wanted is None else str(wanted), None if coalesce is None else str(coalesce))
    applied = {key: filters[key] for key in (RESUME, SNAPSHOT, FILTER, COALESCE) if key in filters}
    is_copy = source.distribution_mode == "copy"
    origin = Origin(
        destination=address,
        browse=is_copy and address.startswith(QUEUE),
        after=after if isinstance(after, str) else None,
        snapshot=snapshot is True,
        filter=filter,
        coalesce_s=coalesce_s,
    )
    answered = Source(
        address,
        expiry_policy=_GOES_WITH_THE_LINK,
        dynamic=source.dynamic,
        dynamic_node_properties=_LIFETIME if source.dynamic else None,
        distribution_mode="move" if origin.is_taken else "copy",
        filter={Symbol(key): value for key, value in applied.items()} or None,
        outcomes=_OUTCOMES,
        capabilities=kinds,
    )
    return origin, answered


def read_target(attach: Attach, temporary: Callable[[], str]) -> tuple[str | None, Target]:
    """Where a sender's messages go, ``None`` if each says so itself; and the target that is answered. Raises ``AmqpError``."""
    target = attach.target
    if target is None:
        raise _refusal(INVALID_FIELD, "a sending link needs a target; the anonymous one has no address")
    if isinstance(target, Coordinator):
        raise _refusal(NOT_IMPLEMENTED, "there are no transactions")
    _check(target)
    address, kinds = _address(target, temporary)
    if address is not None and not address:
        address = None
    answered = Target(
        address,
        expiry_policy=_GOES_WITH_THE_LINK,
        dynamic=target.dynamic,
        dynamic_node_properties=_LIFETIME if target.dynamic else None,
        capabilities=kinds,
    )
    return address, answered


def _check(terminus: Source | Target) -> None:
    """What would have to outlive the link is refused (AM-092)."""
    if terminus.durable:
        raise _refusal(NOT_IMPLEMENTED, "links are not durable; what is in queues is")
    if terminus.expiry_policy == _NEVER:
        raise _refusal(NOT_IMPLEMENTED, "a terminus ends with its link")


def _address(terminus: Source | Target, temporary: Callable[[], str]) -> tuple[str | None, tuple[str, ...]]:
    """The destination, and which capabilities were listened to: with one of them an address may be a bare name."""
    if terminus.dynamic:
        if terminus.address is not None:
            raise _refusal(INVALID_FIELD, "a dynamic node gets its address from us")
        return temporary(), ()
    kinds = tuple(each for each in terminus.capabilities if each in _KINDS)
    address = terminus.address
    if address and kinds and not address.startswith("/") and not address.startswith("jms."):
        return _KINDS[kinds[0]] + address, kinds[:1]
    return address, tuple(each for each in kinds if address is not None and address.startswith(_KINDS[each]))


def _read_filter(filters: dict[object, object], name: str, *kinds: type) -> object:
    value = filters.get(name)
    if isinstance(value, Described):
        value = value.value
    if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        raise _refusal(INVALID_FIELD, f"the filter {name} is not what it must be")
    return value


def _refusal(condition: str, description: str) -> AmqpError:
    return AmqpError(condition, description, Scope.LINK)
