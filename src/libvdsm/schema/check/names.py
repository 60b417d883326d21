"""Names: their style, and their peace with the languages of the clients.

The words here are those that cannot be had by a mechanical rule: keywords, predefined macros and
inherited members. An entry that needs one says another name for that language in ``names``.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from libvdsm.schema import ir
from libvdsm.schema.check.report import Report
from libvdsm.schema.ir import Position

_CAMEL: Final = re.compile(r"[a-z][a-z0-9]*([A-Z][a-z0-9]+|[A-Z](?![A-Z]))*")
_PASCAL: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
_DOTTED: Final = re.compile(r"[a-z][a-zA-Z0-9]*(\.[a-z][a-zA-Z0-9]*)+")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ERROR_PARAM: Final = "error parameter"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_C: Final = _words(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return "
    "short signed sizeof static struct switch typedef union unsigned void volatile while linux unix errno true false NULL"
)
_C_LOCALS: Final = _words("self error cancellable args")  # of every generated function, besides its parameters
_GOBJECT: Final = _words("type data property qdata")  # get_type is GType's; the others shadow GObject's own accessors
_GOBJECT_VERBS: Final = _words("connect disconnect get set ref unref notify emit bind new getType freeNotify thawNotify")
_JAVA: Final = _words(
    "abstract assert boolean break byte case catch char class const continue default do double else enum extends final finally float for "
    "goto if implements import instanceof int interface long native new package private protected public return short static strictfp "
    "super switch synchronized this throw throws transient try void volatile while true false null"
)
_JAVA_MEMBERS: Final = _words("getClass hashCode notify notifyAll wait toString clone finalize equals")
_TYPESCRIPT: Final = _words(
    "break case catch class const continue debugger default delete do else enum export extends false finally for function if import in "
    "instanceof new null return super switch this throw true try typeof var void while with yield let static implements interface "
    "package private protected public await"
)
_TYPESCRIPT_MEMBERS: Final = _words("constructor prototype then")  # then makes an object a promise
_PYTHON: Final = frozenset(keyword.kwlist)
#: What a type may not be called in any language: there is no good other name for it.
_TYPES: Final = _words(
    "Any Array Boolean Callable Class Date Dict Enum Exception False Float Function Integer Iterable List Long Map Module None Number "
    "Object Optional Override Package Partial Process Promise Readonly Record Runnable Set String Symbol System Thread Throwable True "
    "Type TypeError Union Void ConnectionError PermissionError RuntimeError TimeoutError ValueError"
)
TARGETS: Final = ("c", "java", "python", "typescript")

#: Role of a name -> language -> what it may not be there.
_RESERVED: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "parameter": {"c": _C | _C_LOCALS, "java": _JAVA, "python": _PYTHON, "typescript": _TYPESCRIPT},
    _ERROR_PARAM: {"c": _C, "java": _JAVA, "python": _PYTHON | {"self"}, "typescript": _TYPESCRIPT_MEMBERS},
    "member": {"c": _C | _GOBJECT, "java": _JAVA | {"class"}, "python": _PYTHON, "typescript": _TYPESCRIPT_MEMBERS},
    "method": {"c": _GOBJECT_VERBS, "java": _JAVA | _JAVA_MEMBERS, "python": _PYTHON, "typescript": _TYPESCRIPT_MEMBERS},
}


def check_names(api: ir.Api, report: Report) -> None:
    """Note what is wrong with names."""
    for rule, name, path, position, style in _styles(api):
        if not rule.fullmatch(name):
            report.say("name-style", position, path, f"is not {style}")
    for role, owner, fields in _owners(api):
        _clashes(owner, fields, report)
        for one in fields:
            _reserved(role, f"{owner}.{one.name}", one, report)
    for interface in api.interfaces.values():
        _clashes(interface.name, interface.methods, report)
        for method in interface.methods:
            _reserved("method", method.full_name, method, report)
    for path, entry in (*api.types.items(), *api.errors.items()):
        if entry.name in _TYPES:
            report.say("reserved-name", entry.position, path, "is a name that clients' languages have taken; choose another")
    for path in api.types.keys() & api.errors.keys():
        report.say("name-clash", api.errors[path].position, path, "is the name of a type and of an error")


def _styles(api: ir.Api) -> Iterator[tuple[re.Pattern[str], str, str, Position, str]]:
    places = {name: one.position for name, one in api.interfaces.items()}
    places |= {name: one.position for name, one in api.types.items()}
    places |= {name: one.position for name, one in api.errors.items()}
    yield from ((_PASCAL, name, name, position, "Pascal") for name, position in places.items())
    for interface in api.interfaces.values():
        yield from ((_CAMEL, m.name, m.full_name, m.position, "lowerCamel") for m in interface.methods)
        yield from ((_CAMEL, e.name, f"{interface.name}.{e.name}", e.position, "lowerCamel") for e in interface.events)
    for _, owner, fields in _owners(api):
        yield from ((_CAMEL, f.name, f"{owner}.{f.name}", f.position, "lowerCamel") for f in fields)
    for named in api.types.values():
        if isinstance(named, ir.Enum):
            yield from ((_CAMEL, v.name, f"{named.name}.{v.name}", v.position, "lowerCamel") for v in named.values)
        if isinstance(named, ir.Union):
            yield _CAMEL, named.discriminator, named.name, named.position, "lowerCamel in its discriminator"
            yield from ((_CAMEL, b.tag, f"{named.name}.{b.tag}", b.position, "lowerCamel") for b in named.branches)
    yield from ((_DOTTED, p.name, p.name, p.position, "dotted words such as vm.read") for p in api.permissions.values())
    yield from ((_CAMEL, r.name, r.name, r.position, "lowerCamel") for r in api.roles.values())


def _owners(api: ir.Api) -> Iterator[tuple[str, str, tuple[ir.Field, ...]]]:
    yield from (("parameter", m.full_name, m.params) for m in api.methods.values())
    yield from (("member", r.name, r.fields) for r in api.types.values() if isinstance(r, ir.Record))
    yield from ((_ERROR_PARAM, e.name, e.params) for e in api.errors.values())


def _clashes(owner: str, members: Iterable[ir.Field | ir.Method], report: Report) -> None:
    seen: dict[str, str] = {}
    for one in members:
        other = seen.setdefault(one.name.lower(), one.name)
        if other != one.name:
            report.say("name-clash", one.position, f"{owner}.{one.name}", f"differs from {other} only in case")


def _reserved(role: str, path: str, one: ir.Field | ir.Method, report: Report) -> None:
    for target, words in _RESERVED[role].items():
        if one.name in words and target not in one.names:
            hint = "names: {" + target + ": ...}"
            report.say("reserved-name", one.position, path, f"cannot be the name of a {role} in {target}; say another in {hint}")
    for target, name in one.names.items():
        if target not in TARGETS:
            report.say("override-target", one.position, path, f"names speaks of {target}, not of {', '.join(TARGETS)}")
        elif not _IDENTIFIER.fullmatch(name) or name in _RESERVED[role][target]:
            report.say("override-style", one.position, path, f"{name!r} cannot be its name in {target}")
