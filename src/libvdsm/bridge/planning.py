"""``Plan.check``: whether a call would be allowed and possible now, with everything that speaks against it at once.

Each question is asked by itself, so none hides another; each answer is the very error with which the call would be
refused. What a caller may not see is as absent here as everywhere else: of such an object nothing more is said, and
nobody is asked about it. Nothing is changed, recorded or begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, Raw

from libvdsm.base.errors import ApiError
from libvdsm.base.ids import new_uuid
from libvdsm.bridge.deeds import is_deed, unguarded
from libvdsm.bridge.faults import find_faults
from libvdsm.bridge.limits import Accounts
from libvdsm.bridge.validation import ParamsDecoder
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import GenerationConflict, LimitExceeded, MethodNotFound, ObjectNotFound, SubsystemUnavailable
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.generated.types import PlanCheck, PlanCheckParams, PlanReason
from libvdsm.interfaces.journal import Documents
from libvdsm.interfaces.messages import Checked, WorkCheck, WorkMeta
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.place import Places
from libvdsm.interfaces.store import Store
from libvdsm.interfaces.worker_port import WorkerPort
from libvdsm.inventory.inventory import Inventory
from libvdsm.inventory.objects import Item
from libvdsm.inventory.service import FIRST_SNAPSHOT_S
from libvdsm.inventory.states import is_done, wrong_state
from libvdsm.ipc import failures
from libvdsm.tasks.tasks import Tasks

_encode = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode
_decode_checked = msgspec.json.Decoder(Checked).decode

#: How long a worker may look. It decides by what it knows, and asks the hypervisor little.
WORKER_S: Final = 5.0
#: What tells two reasons apart beside their names: the same thing said twice, here and by the worker, is said once.
_TELLING: Final = ("path", "type", "id", "subsystem", "limit", "feature", "permission")

#: Raises what the caller would be refused with, by the raw parameters; passes else.
Authorise: TypeAlias = Callable[[Caller, MethodEntry, bytes], None]
#: What stands in the way of a verb whatever its parameters are.
Gate: TypeAlias = Callable[[Caller, MethodEntry], Iterable[ApiError]]
#: What speaks against a verb that the front itself carries out, by its decoded parameters.
Check: TypeAlias = Callable[[Caller, Any], Iterable[ApiError]]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of the object of a call."""

    state: str = ""
    generation: int | None = None


class _Asked:
    """The call that is asked about, as far as it can be understood."""

    def __init__(self, caller: Caller, entry: MethodEntry, raw: bytes, expected: int | None) -> None:
        self.caller = caller
        self.entry = entry
        self.expected = expected
        decode: ParamsDecoder[Any] = ParamsDecoder(entry.params, entry.param_names)
        self.faults = find_faults(decode, entry.params, raw)
        self.raw = raw if self.faults else decode.named(raw)
        self.params: object = None if self.faults else decode(raw)
        self.id = _named(decode, raw, entry.object_param)
        if any(fault.path == f"$.{entry.object_param}" for fault in self.faults):
            self.id = None


class _Reasons:
    """All reasons, each once, in the order in which the call would meet them."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], ApiError] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, *errors: ApiError | None) -> None:
        for error in errors:
            if error is not None:
                key = (error.name, *(error.params.get(name) for name in _TELLING))
                self._found.setdefault(key, error)

    def told(self) -> list[PlanReason]:
        return [_reason(error) for error in self._found.values()]


class Planner:
    """Asks everybody who would have a say in a call."""

    def __init__(
        self,
        *,
        methods: Mapping[str, MethodEntry],
        inventory: Inventory,
        places: Places,
        documents: Documents,
        ports: Mapping[str, WorkerPort],
        authorise: Authorise,
        gates: Sequence[Gate] = (),
        checks: Mapping[str, Check] | None = None,
    ) -> None:
        """``checks``: by the full names of verbs of the front."""
        self._methods = methods
        self._inventory = inventory
        self._places = places
        self._documents = documents
        self._ports = ports
        self._authorise = authorise
        self._gates = gates
        self._checks = checks or {}
        self._getters = {entry.object_type: entry for name, entry in methods.items() if name.endswith(".get")}

    async def plan_check(self, caller: Caller, params: PlanCheckParams) -> bytes:
        """The verb ``Plan.check``; raises ``MethodNotFound`` for what is no verb."""
        entry = self._methods.get(params.method)
        if entry is None:
            raise MethodNotFound(method=params.method)
        raw = bytes(params.params)
        asked = _Asked(caller, entry, b"{}" if raw == b"null" else raw, params.expected_generation)
        reasons = _Reasons()
        has_nothing_to_do = await self._look(asked, reasons)
        told = PlanCheck(possible=not reasons, nothing_to_do=True if has_nothing_to_do and not reasons else None, reasons=reasons.told())
        return _encode(told)

    async def _look(self, asked: _Asked, reasons: _Reasons) -> bool:
        """Gather the reasons; whether all is already as the call would make it."""
        refusal = self._refusal(asked.caller, asked.entry, asked.raw)
        reasons.add(refusal, *asked.faults)
        seen = await self._see(asked, refusal, reasons)
        if seen is not None and asked.expected is not None and seen.generation not in (None, asked.expected):
            reasons.add(_conflict(asked, seen))
        if is_deed(asked.entry):
            reasons.add(unguarded(asked.entry, asked.expected))
            reasons.add(*(error for gate in self._gates for error in gate(asked.caller, asked.entry)))
        reasons.add(self._out_of_reach(asked.entry))
        may_be_told = refusal is None and (seen is not None or asked.entry.object_param is None)
        checked = await self._ask(asked) if may_be_told and asked.params is not None else None
        if checked is not None:
            reasons.add(*checked.reasons)
            return checked.nothing_to_do
        return self._by_state(asked, seen, reasons)

    # --- who may, and what there is ---

    def _refusal(self, caller: Caller, entry: MethodEntry, raw: bytes) -> ApiError | None:
        try:
            self._authorise(caller, entry, raw)
        except ApiError as error:
            return error
        return None

    async def _see(self, asked: _Asked, refusal: ApiError | None, reasons: _Reasons) -> _Seen | None:
        """The object, if it is there and the caller may know that."""
        if asked.id is None or (refusal is not None and not self._is_shown(asked, refusal)):
            return None
        try:
            return await self._find(asked.entry.object_type or "", asked.id)
        except ApiError as error:
            reasons.add(error)
            return None

    def _is_shown(self, asked: _Asked, refusal: ApiError) -> bool:
        """Whether the getter of the object would answer a caller who may not do this to it."""
        getter = self._getters.get(asked.entry.object_type)
        if refusal.name != "PermissionDenied" or getter is None or getter.object_param is None:
            return False
        return self._refusal(asked.caller, getter, _encode({getter.object_param: asked.id})) is None

    async def _find(self, type: str, id: str) -> _Seen:
        """The object as it is known; of types that are known elsewhere, whoever knows them has a check."""
        if type != "vm":
            if type in OBJECTS and self._places.find(type, id) is None:
                raise ObjectNotFound(type=type, id=id)
            return _Seen()
        item = self._inventory.vms.get(id) or await self._find_later(id)
        return _Seen(state=item.state, generation=item.generation)

    async def _find_later(self, id: str) -> Item:
        """Just after a start nobody knows what there is: wait a little, as the call itself would."""
        try:
            async with asyncio.timeout(FIRST_SNAPSHOT_S):
                await self._inventory.seen("vm").wait()
        except TimeoutError:
            reason = str(self._inventory.condition_of("virt").get("reason", "it has not reported yet"))
            raise SubsystemUnavailable(subsystem="virt", reason=reason) from None
        item = self._inventory.vms.get(id)
        if item is None:
            raise ObjectNotFound(type="vm", id=id)
        return item

    @staticmethod
    def _by_state(asked: _Asked, seen: _Seen | None, reasons: _Reasons) -> bool:
        """What the schema says of the state in which the object was last seen, when nobody can look at it now."""
        if seen is None or asked.id is None:
            return False
        reasons.add(wrong_state(asked.entry, asked.id, seen.state))
        return is_done(asked.entry, seen.state)

    # --- who would do it ---

    def _out_of_reach(self, entry: MethodEntry) -> ApiError | None:
        if entry.subsystem == "front":
            return None
        port = self._ports.get(entry.subsystem)
        if port is None:
            return SubsystemUnavailable(subsystem=entry.subsystem, reason="this daemon runs without it")
        return None if port.is_up() else SubsystemUnavailable(subsystem=entry.subsystem, reason=port.reason())

    async def _ask(self, asked: _Asked) -> _Answer | None:
        """What whoever would do it says; None if nobody has an answer of his own."""
        check = self._checks.get(asked.entry.name)
        if check is not None:
            return _Answer(tuple(check(asked.caller, asked.params)))
        port = self._ports.get(asked.entry.subsystem)
        if asked.entry.kind == "query" or port is None or not port.is_up():
            return None
        question = WorkCheck(method=asked.entry.name, params=Raw(asked.raw))
        try:
            answer = await port.call("work.check", _encode(question), self._meta(asked), WORKER_S)
        except MethodNotFound:
            return None
        except ApiError as error:
            return _Answer((error,))
        checked = _decode_checked(answer)
        return _Answer(tuple(failures.from_bytes(raw, "work.check") for raw in checked.reasons), checked.nothingToDo)

    def _meta(self, asked: _Asked) -> bytes:
        """That of the verb, but for an operation that is not begun."""
        entry, id = asked.entry, asked.id
        known = None if id is None or entry.object_type is None else self._documents.get(entry.object_type, id)
        item = self._inventory.vms.get(id) if id is not None and entry.object_type == "vm" else None
        meta = WorkMeta(
            operationId=new_uuid(),
            identity=asked.caller.identity,
            timeout=WORKER_S,
            generation=0 if item is None else item.generation,
            expectedGeneration=asked.expected,
            desired=UNSET if known is None else Raw(known.document),
        )
        return _encode(meta)


@dataclass(frozen=True, slots=True)
class _Answer:
    reasons: tuple[ApiError, ...]
    nothing_to_do: bool = False


# --- gates ---


def store_gate(store: Store, makes_room: Callable[[MethodEntry], bool]) -> Gate:
    """What cannot be recorded is not done; with a full disk only what ``makes_room``."""

    def look(_caller: Caller, entry: MethodEntry) -> Iterator[ApiError]:
        try:
            store.check(deletes=makes_room(entry))
        except ApiError as error:
            yield error

    return look


def task_gate(tasks: Tasks, accounts: Accounts, most: int) -> Gate:
    """Operations need room among the tasks that are under way, all of them and those of one identity."""

    def look(caller: Caller, entry: MethodEntry) -> Iterator[ApiError]:
        if entry.kind != "operation":
            return
        if tasks.running() >= most:
            yield LimitExceeded(limit="tasks under way", maximum=most)
        own = accounts.of(caller).tasks
        if not own.has_room():
            yield own.refusal

    return look


# --- small things ---


def _named(decode: ParamsDecoder[Any], raw: bytes, name: str | None) -> str | None:
    """A string among raw parameters; None if it is not there or is no string."""
    try:
        given = _decode_any(decode.named(raw))
    except (ApiError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    value = given.get(name) if isinstance(given, dict) else None
    return value if isinstance(value, str) else None


def _conflict(asked: _Asked, seen: _Seen) -> GenerationConflict:
    return GenerationConflict(
        type=asked.entry.object_type or "", id=asked.id or "", expected=asked.expected or 0, actual=seen.generation or 0
    )


def _reason(error: ApiError) -> PlanReason:
    return PlanReason(
        error=error.name, code=error.number, message=error.message, path=error.path, remedy=error.remedy, retryable=error.retryable
    )
