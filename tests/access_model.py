"""Who may call what, computed from the schema alone: a second, plain opinion for the matrix of rights.

It reads the compiled schema as JSON, knows nothing of the daemon's code, and says of one call by somebody with one grant what
must come of it: ``denied`` (PermissionDenied), ``absent`` (ObjectNotFound of that very object), or ``through`` (anything else).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvdsm.schema

SCHEMA: dict[str, Any] = json.loads(Path(libvdsm.schema.__file__).parent.joinpath("compiled/native.json").read_text("utf-8"))

OWN_PROJECT, FOREIGN_PROJECT = "web", "db"
OWN_VM = "11111111-1111-4111-8111-111111111111"
FOREIGN_VM = "22222222-2222-4222-8222-222222222222"
ABSENT = "99999999-9999-4999-8999-999999999999"
PERMISSIONS: dict[str, Any] = SCHEMA["permissions"]
#: A role of the host's own, beside those of the schema.
KEEPER = ("event.read", "vm.define", "vm.read")
ROLES: dict[str, frozenset[str]] = {
    "keeper": frozenset(KEEPER),
    **{name: frozenset(role["permissions"]) for name, role in SCHEMA["roles"].items()},
}
#: The types of objects that the tests of the matrix make.
MADE = frozenset({"certificate", "grant", "subscription", "task", "token", "vm"})
#: What its answer tells cannot be shown in part: needed everywhere, whatever it names.
INDIVISIBLE = frozenset({"Audit.verify"})
#: Whoever gives needs, besides this, what he gives.
GIVING = "access.manage"
#: What shows who may do what, and whose tokens there are.
READING = "access.read"


@dataclass(frozen=True)
class Verb:
    """A verb, as the schema has it."""

    name: str
    permission: str | None
    object_type: str | None
    object_param: str | None
    params: tuple[str, ...]
    scope_param: str | None
    example: Mapping[str, Any]

    @property
    def targets(self) -> tuple[str, ...]:
        """What there is to be tried: an object, project or scope of one's own, of others, or that is not there."""
        if self.object_type is not None:
            return ("own", "foreign", "absent") if self.object_type in MADE else ("absent",)
        return ("own", "foreign", "all") if self.takes_project or self.scope_param is not None else ("all",)

    @property
    def takes_project(self) -> bool:
        """Whether it names the project in which it works."""
        return self.object_type is None and "project" in self.params


def _verb(interface: str, method: Mapping[str, Any]) -> Verb:
    return Verb(
        name=f"{interface}.{method['name']}",
        permission=method["permission"],
        object_type=method["object_type"],
        object_param=method["object_param"],
        params=tuple(param["name"] for param in method["params"]),
        scope_param=next((param["name"] for param in method["params"] if param["type"] == "AccessScope"), None),
        example=method["examples"][0]["params"],
    )


VERBS = tuple(_verb(name, method) for name, interface in sorted(SCHEMA["interfaces"].items()) for method in interface["methods"])
EVENTS: dict[str, Any] = {event["name"]: event for interface in SCHEMA["interfaces"].values() for event in interface["events"]}


def _has_project(type: str) -> bool:
    document = SCHEMA["types"][EVENTS[type]["document"]]
    return any(field["name"] == "project" for field in document["fields"])


def _says_project(type: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a value of a type, or anything in it, tells a project."""
    entry = SCHEMA["types"].get(re.sub(r"^(?:list|map)<(.*)>$", r"\1", type), {})
    if type in seen:
        return False
    parts = [field["type"] for field in entry.get("fields", ())] + [branch["record"] for branch in entry.get("branches", ())]
    return any(field["name"] == "project" for field in entry.get("fields", ())) or any(_says_project(one, seen | {type}) for one in parts)


def _placed() -> set[str]:
    """Permissions of which the schema says how they can concern a project's objects."""
    found = {event["permission"] for event in EVENTS.values() if _says_project(event["document"])}
    for interface in SCHEMA["interfaces"].values():
        for method in interface["methods"]:
            told = [method["result"], *(param["type"] for param in method["params"])]
            is_of_project = method["object_type"] in EVENTS and _has_project(method["object_type"])
            if is_of_project or any(param["name"] == "project" for param in method["params"]) or any(map(_says_project, told)):
                found.add(method["permission"])
    return found


def _unplaced() -> frozenset[str]:
    used = {verb.permission for verb in VERBS}
    placed = _placed() - {None}
    nouns = {permission.split(".")[0] for permission in placed}
    return frozenset(name for name in PERMISSIONS if name not in placed and (name in used or name.split(".")[0] not in nouns))


#: Permissions about objects that belong to no project: had everywhere or not at all.
UNPLACED = _unplaced()


@dataclass(frozen=True)
class Somebody:
    """Who has roles, each in a scope: everywhere, in his project, or for his machine."""

    grants: tuple[tuple[str, str], ...]

    def has_somewhere(self, permission: str) -> bool:
        """Whether any grant gives it at all."""
        return any(permission in _given(*grant) for grant in self.grants)

    def has(self, permission: str, target: str, type: str | None = None) -> bool:
        """Whether it is given for a target of a type; ``type`` None: for a whole project, or everywhere (``all``)."""
        return any(permission in _given(*grant) and _reaches(grant[1], target, type) for grant in self.grants)

    def __str__(self) -> str:
        return "+".join(f"{role}-{scope}" for role, scope in self.grants) or "nobody"


def _given(role: str, scope: str) -> frozenset[str]:
    return ROLES[role] - (frozenset() if scope == "everywhere" else UNPLACED)


def _reaches(scope: str, target: str, type: str | None) -> bool:
    if scope == "everywhere":
        return True
    if scope == "project":
        return target == "own"
    return target == "own" and type in ("vm", "task")  # the grant is for the machine; a task is about it


def everybody() -> Iterator[Somebody]:
    """Every role in every scope, and those who see more than they may touch."""
    yield Somebody(())
    for role in ROLES:
        yield from (Somebody(((role, scope),)) for scope in ("everywhere", "project", "object"))
    for scope in ("project", "object"):
        yield Somebody((("reader", "everywhere"), ("operator", scope)))
        yield Somebody((("reader", "everywhere"), ("administrator", scope)))
    yield Somebody((("reader", "project"), ("operator", "object")))


def expected(verb: Verb, who: Somebody, target: str) -> str:
    """What must come of the call."""
    permission = verb.permission
    if permission is None:
        return "through"
    if not who.has_somewhere(permission):
        return "denied"
    if verb.object_type is not None:
        return _with_object(verb, who, target)
    if verb.name in INDIVISIBLE:
        return "through" if who.has(permission, "all") else "denied"
    if permission == GIVING:
        return "through" if _may_give(verb, who, target) else "denied"
    if verb.takes_project:
        return "through" if who.has(permission, target) else "denied"
    return "through"  # it shows what may be seen


def _with_object(verb: Verb, who: Somebody, target: str) -> str:
    type, permission = verb.object_type or "", verb.permission or ""
    if target == "absent":
        return "absent"
    if type == "subscription":  # those of other connections are not there
        return "through" if target == "own" else "absent"
    if type == "token" and (target == "own" or who.has(GIVING, "all")):
        return "through"
    if type == "token":
        return "denied" if who.has(READING, "all") else "absent"
    if who.has(permission, target, type):
        return "through"
    getters = (EVENTS[type]["permission"],) if type in EVENTS else (READING, GIVING)
    return "denied" if any(who.has(getter, target, type) for getter in getters) else "absent"


def _may_give(verb: Verb, who: Somebody, target: str) -> bool:
    """Whether somebody has all that he gives, wherever he gives it."""
    where = target if verb.scope_param is not None else "all"
    gives = set(ROLES.get(verb.example.get("role", ""), ())) | set(verb.example.get("permissions", ())) | {GIVING}
    return all(who.has(permission, where) for permission in (gives if where == "all" else gives - UNPLACED))


def params_of(verb: Verb, target: str, ids: Mapping[str, str]) -> dict[str, Any]:
    """The example's parameters with the target in its place; ``ids``: objects by ``type/target``."""
    params = dict(verb.example)
    project = {"own": OWN_PROJECT, "foreign": FOREIGN_PROJECT}.get(target)
    if verb.object_param is not None:
        params[verb.object_param] = ABSENT if target == "absent" else ids[f"{verb.object_type}/{target}"]
    if "seconds" in verb.params:
        params["seconds"] = 0  # nobody waits here
    if verb.takes_project:
        params.pop("project", None)
        if project is not None:
            params["project"] = project
    if verb.scope_param is not None:
        params[verb.scope_param] = {"kind": "everywhere"} if project is None else {"kind": "project", "project": project}
    return params
