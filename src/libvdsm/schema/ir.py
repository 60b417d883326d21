"""The sealed description of the API: what every generator, check and binding reads.

Values here are frozen and resolved; nothing in this module knows a target language, a file format
or a protocol. The loader and the checks build them (``schema.resolve``); generators only read them
and may assert what the checks promised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias


class Kind(StrEnum):
    """What a verb does: answer, act shortly, or start long work that is a task."""

    QUERY = "query"
    COMMAND = "command"
    OPERATION = "operation"


class Stage(StrEnum):
    """Where an entry stands in its life."""

    PROTOTYPE = "prototype"
    PUBLISHED = "published"
    DEPRECATED = "deprecated"
    REMOVED = "removed"


class Scalar(StrEnum):
    """The built-in types of the schema language, by the name used in YAML."""

    BOOLEAN = "boolean"
    INTEGER = "integer"  # within ±(2^53-1)
    NUMBER = "number"  # a finite double
    STRING = "string"
    UUID = "uuid"  # lower-case 8-4-4-4-12
    TIMESTAMP = "timestamp"  # RFC 3339, UTC, with a final Z
    BASE64 = "base64"
    DECIMAL = "decimal"  # an integer of any size, as a decimal string
    SECRET = "secret"  # noqa: S105 - a type. Input only: a string that is never printed nor stored in clear
    TICKET = "ticket"  # output only: a one-use right; such answers are never cached nor stored
    JSON = "json"  # any JSON value; only where the payload is another entry's (patch, task result)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a definition stands in the source."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Since when an entry exists, and how it leaves."""

    stage: Stage
    since: str
    deprecated: str | None = None  # version in which it became deprecated
    replacement: str | None = None
    sunset: str | None = None  # first version that may lack it
    removed: str | None = None


@dataclass(frozen=True, slots=True)
class ScalarRef:
    """A use of a built-in type."""

    scalar: Scalar


@dataclass(frozen=True, slots=True)
class NamedRef:
    """A use of a record, enum, union, patch or view, by its name (``Api.types`` holds it)."""

    name: str


@dataclass(frozen=True, slots=True)
class ListRef:
    """A list; its items are never lists or maps."""

    item: ScalarRef | NamedRef


@dataclass(frozen=True, slots=True)
class MapRef:
    """A map from string to a value that is never a list or a map."""

    value: ScalarRef | NamedRef


TypeRef: TypeAlias = ScalarRef | NamedRef | ListRef | MapRef


class Presence(StrEnum):
    """Whether a member must be there, in one direction."""

    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """Bounds of a value. On lists and maps ``min_items``/``max_items`` count entries, the others hold for the items."""

    minimum: int | float | None = None
    maximum: int | float | None = None
    multiple_of: int | None = None
    min_length: int | None = None  # Unicode code points
    max_length: int | None = None
    pattern: str | None = None  # matched against the whole string
    min_items: int | None = None
    max_items: int | None = None


#: The marker of "no default": ``None`` is not usable, as a default may be any JSON value.
NO_DEFAULT: Final = "\0no default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A member of a record, or a parameter of a verb."""

    name: str
    type: TypeRef
    summary: str
    lifecycle: Lifecycle
    position: Position
    on_input: Presence = Presence.REQUIRED
    on_output: Presence = Presence.REQUIRED
    default: object = NO_DEFAULT  # a JSON value; implies optional on input and present on output
    unit: str | None = None  # every integer, number and decimal has one: bytes, seconds, count, none, ...
    constraints: Constraints = field(default_factory=Constraints)
    change: str | None = None  # live | restart | recreate: when a change of a writable member takes effect
    requires: tuple[str, ...] = ()  # host capabilities
    names: Mapping[str, str] = field(default_factory=dict)  # per-target override, e.g. {"c": "kind"}

    @property
    def has_default(self) -> bool:
        """Whether the schema names a value for an absent member."""
        return self.default is not NO_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A structure with named members."""

    name: str
    interface: str
    summary: str
    lifecycle: Lifecycle
    position: Position
    fields: tuple[Field, ...]
    writable: bool = False  # part of a desired document: each field names its change effect
    is_input: bool = False  # reachable from a verb's parameters
    is_output: bool = False  # reachable from a result, an event or an error
    protocol: bool = False  # an envelope's part (CallOptions, EventDelivery), used by no verb
    object_type: str | None = None  # set on the documents of objects that events tell of: "vm", "task", "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A merge patch (RFC 7396) of a writable record: every member optional, null clears."""

    name: str
    interface: str
    summary: str
    lifecycle: Lifecycle
    position: Position
    of: str
    fields: tuple[Field, ...]  # those of the record; all optional
    is_input: bool = True
    is_output: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A selection of a record's members (``fields``): every member but the key is optional."""

    name: str
    interface: str
    summary: str
    lifecycle: Lifecycle
    position: Position
    of: str
    key: str
    fields: tuple[Field, ...]
    is_input: bool = False
    is_output: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumValue:
    """One word of an enum, with its pinned number (``api.lock``)."""

    name: str
    summary: str
    lifecycle: Lifecycle
    position: Position
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum:
    """A set of words. Open: later versions may add some, so readers keep unknown ones."""

    name: str
    interface: str
    summary: str
    lifecycle: Lifecycle
    position: Position
    open: bool
    values: tuple[EnumValue, ...]
    is_input: bool = False
    is_output: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One case of a union: the discriminator's value and the record that follows it."""

    tag: str
    record: str
    summary: str
    lifecycle: Lifecycle
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    """A tagged choice of records; the tag is a member named ``discriminator`` of the object itself."""

    name: str
    interface: str
    summary: str
    lifecycle: Lifecycle
    position: Position
    discriminator: str
    open: bool
    branches: tuple[Branch, ...]
    is_input: bool = False
    is_output: bool = False


Type: TypeAlias = Record | Patch | View | Enum | Union


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A call with its answer, executed as a test against the simulator."""

    params: Mapping[str, object]
    result: Mapping[str, object]  # for an operation: the result of the task


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A verb."""

    name: str  # "create"
    interface: str  # "VM"
    summary: str
    description: str
    lifecycle: Lifecycle
    position: Position
    kind: Kind
    subsystem: str  # who answers: front, virt, host, ...
    permission: str | None  # None: any known identity may call it
    object_param: str | None  # the first parameter, when the verb is about one object
    object_type: str | None
    params: tuple[Field, ...]  # in pinned order (JSON-RPC by position)
    result: str  # name of a record; for an operation, what the ended task holds
    errors: tuple[str, ...]
    idempotent: bool
    cost: str  # free, low, medium, high
    timeout_s: float
    probe: str | None  # metadata, state, none; mutating verbs only
    progress_unit: str | None  # operations only
    paged: bool  # takes limit and after, answers items and next
    requires: tuple[str, ...]
    works_in: tuple[str, ...]  # states of the object in which the verb has something to do; empty: any
    done_in: tuple[str, ...]  # states in which there is nothing left to do, and it succeeds at once
    examples: tuple[Example, ...]
    params_record: str  # synthetic name of the parameters' record: "VmCreateParams"
    names: Mapping[str, str] = field(default_factory=dict)  # per-target override, as a field has it

    @property
    def full_name(self) -> str:
        """The name on the wire: ``VM.create``."""
        return f"{self.interface}.{self.name}"

    @property
    def is_mutating(self) -> bool:
        """Whether the verb may change anything."""
        return self.kind is not Kind.QUERY


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A topic on which changes of one object type are told."""

    name: str  # "vm"
    interface: str
    summary: str
    lifecycle: Lifecycle
    position: Position
    topic: str  # "vm.<id>"
    document: str  # the record whose states are compared
    permission: str  # that of the getter


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """A typed failure."""

    name: str
    number: int  # > 0, or JSON-RPC's own negative one
    summary: str
    message: str  # template over the parameters: "VM {id} is {state}"
    remedy: str  # template: what the caller can do
    fault: str  # client | server | host | guest
    retryable: bool
    params: tuple[Field, ...]
    lifecycle: Lifecycle
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """A right that verbs and fields name."""

    name: str  # "vm.read"
    summary: str
    lifecycle: Lifecycle
    position: Position
    write: bool
    demanded_by: str | None = None  # what asks for it that is no verb, event or field: a destination of messages, a path


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A built-in set of permissions."""

    name: str
    summary: str
    lifecycle: Lifecycle
    position: Position
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A noun of the API with its verbs."""

    name: str
    summary: str
    lifecycle: Lifecycle
    position: Position
    methods: tuple[Method, ...]
    events: tuple[Event, ...]
    types: tuple[str, ...]  # names defined in its file, sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """All of it, resolved: names point to existing entries, directions are known, order is stable."""

    version: str
    digest: str  # SHA-256 of the canonical compiled form without positions
    interfaces: Mapping[str, Interface]
    types: Mapping[str, Type]
    errors: Mapping[str, Error]
    permissions: Mapping[str, Permission]
    roles: Mapping[str, Role]

    @property
    def methods(self) -> Mapping[str, Method]:
        """Every verb by its full name, sorted."""
        found = {m.full_name: m for i in self.interfaces.values() for m in i.methods}
        return dict(sorted(found.items()))
