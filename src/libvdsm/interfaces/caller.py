"""Who calls, what he may do and where, and the connection on which we may speak first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from libvdsm.interfaces.pages import Pager

_NOTHING: frozenset[str] = frozenset()


class Sink(Protocol):
    """The sending half of a stream connection, as the broker sees it (DESIGN 3: subscriptions)."""

    def deliver(self, delivery: bytes) -> None:
        """Queue one encoded ``EventDelivery``; never blocks, never fails."""
        ...

    def is_full(self) -> bool:
        """Whether the write buffer has reached its bound; then no more is delivered until ``when_drained``."""
        ...

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` once when there is room again."""
        ...


@runtime_checkable
class PageSink(Sink, Protocol):
    """A sink that takes several deliveries at once; what all of one type send for the same deliveries is made once."""

    def page(self, deliveries: Iterable[bytes]) -> bytes:
        """What any sink of this type sends for these."""
        ...

    def deliver_page(self, page: bytes, count: int) -> None:
        """Send a page of so many deliveries; never blocks, never fails."""
        ...

    @property
    def pager(self) -> Pager:
        """By which it takes pages as one of many that are sent the same."""
        ...

    def count_events(self, count: int) -> None:
        """So many deliveries were made by pages, to it and to others like it."""
        ...


@dataclass(frozen=True, slots=True)
class Rights:
    """What an identity may do: permissions everywhere, and more of them in projects and for single objects (DESIGN 7)."""

    everywhere: frozenset[str] = _NOTHING
    projects: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    objects: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))  # by type and id
    #: For single objects while they are in a project, by type, id and project: what a narrowed identity has in both.
    placed: Mapping[tuple[str, str, str], frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    def anywhere(self, permission: str) -> bool:
        """Whether there may be an object for which ``permission`` is given."""
        return (
            permission in self.everywhere
            or any(permission in each for each in self.projects.values())
            or any(permission in each for each in self.objects.values())
            or any(permission in each for each in self.placed.values())
        )

    def allows(self, permission: str, *, type: str | None = None, id: str | None = None, project: str | None = None) -> bool:
        """Whether ``permission`` is given for this object, or in this project, or for everything."""
        if permission in self.everywhere:
            return True
        if project is not None and permission in self.projects.get(project, _NOTHING):
            return True
        if type is None or id is None:
            return False
        if permission in self.objects.get((type, id), _NOTHING):
            return True
        return project is not None and permission in self.placed.get((type, id, project), _NOTHING)

    def reach(self, type: str, id: str, project: str | None) -> bool:
        """Whether anything at all is given for this object."""
        if self.everywhere or self.objects.get((type, id)):
            return True
        return project is not None and bool(self.projects.get(project) or self.placed.get((type, id, project)))


class Caller:
    """An identity with its rights, on one connection. One per connection, shared by its calls.

    ``Access`` alone changes it: a grant, a revocation or a login works at once on connections that are open.
    """

    __slots__ = (
        "__weakref__",
        "address",
        "expires_at",
        "identity",
        "is_limited",
        "on_change",
        "on_revoked",
        "only",
        "permissions",
        "rights",
        "roles",
        "sink",
        "source",
    )

    def __init__(
        self,
        *,
        identity: str,
        source: str,
        roles: tuple[str, ...],
        rights: Rights,
        address: str = "",
        sink: Sink | None = None,
        expires_at: float | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        self.identity = identity
        self.source = source  # unix | anonymous | connector | certificate | token
        self.roles = roles
        self.rights = rights
        self.permissions = rights.everywhere  # of which no object need be asked: the hot path
        self.address = address
        self.is_limited = False  # by its token: then what is the identity's own is not, as such, this caller's
        self.sink = sink  # None: nothing can be sent but answers (plain HTTP)
        self.expires_at = expires_at  # seconds since 1970 in UTC: its connection ends then
        self.only = only  # if set, the only verbs that may be called, whatever their permissions
        self.on_change: list[Callable[[], None]] = []  # called after the rights have changed
        self.on_revoked: list[Callable[[str], None]] = []  # called with the reason: the connection is to end

    def entitle(self, roles: tuple[str, ...], rights: Rights) -> None:
        """Give it these rights instead of those it had."""
        if rights == self.rights and roles == self.roles:
            return
        self.roles, self.rights, self.permissions = roles, rights, rights.everywhere
        for tell in tuple(self.on_change):
            tell()

    def become(self, identity: str, source: str, roles: tuple[str, ...], rights: Rights) -> None:
        """Let the connection speak for another identity from now on, with these rights."""
        self.identity, self.source = identity, source
        self.roles, self.rights, self.permissions = roles, rights, rights.everywhere
        for tell in tuple(self.on_change):
            tell()

    def revoke(self, reason: str) -> None:
        """What proved the identity is no longer valid: no rights any more, and the connection is to end. Idempotent."""
        self.only = frozenset()
        self.entitle((), Rights())
        waiting, self.on_revoked = self.on_revoked, []
        for tell in waiting:
            tell(reason)


#: The name that a protocol which wants one may be given beside a token, which tells by itself whose it is.
ANYBODY: Final = "token"


def is_called(identity: str, name: str) -> bool:
    """Whether ``name``, given beside a token of ``identity``, is its name: with or without its kind, ``ANYBODY``, or none."""
    return name in {"", ANYBODY, identity, identity.partition(":")[2]}


def is_stranger(caller: Caller | None) -> bool:
    """Whether somebody proved nothing, and may do nothing before he does."""
    return caller is None or (caller.source == "anonymous" and not caller.permissions)
