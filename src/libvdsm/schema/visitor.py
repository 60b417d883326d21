"""A walk over the sealed description, for generators: one method for each kind of node.

A generator overrides the methods of the nodes that it cares for; nodes come in a stable order
(sorted by name; members in pinned order), owners before their members. ``without_removed`` filters the
API before it is walked.
"""

from __future__ import annotations

from dataclasses import replace

from libvdsm.schema import ir


class Visitor:
    """Does nothing at every node."""

    def interface(self, interface: ir.Interface) -> None:
        """A noun, before its verbs and events."""

    def method(self, method: ir.Method) -> None:
        """A verb."""

    def event(self, event: ir.Event) -> None:
        """A topic."""

    def record(self, record: ir.Record) -> None:
        """A structure."""

    def patch(self, patch: ir.Patch) -> None:
        """A merge patch."""

    def view(self, view: ir.View) -> None:
        """A selection of members."""

    def enum(self, enum: ir.Enum) -> None:
        """A set of words."""

    def union(self, union: ir.Union) -> None:
        """A choice of records."""

    def error(self, error: ir.Error) -> None:
        """A failure."""

    def permission(self, permission: ir.Permission) -> None:
        """A right."""

    def role(self, role: ir.Role) -> None:
        """A set of rights."""


def walk(api: ir.Api, visitor: Visitor) -> None:
    """Take a visitor to every node: types, errors, permissions and roles first, then the interfaces that use them."""
    for one in api.types.values():
        _visit_type(one, visitor)
    for error in api.errors.values():
        visitor.error(error)
    for permission in api.permissions.values():
        visitor.permission(permission)
    for role in api.roles.values():
        visitor.role(role)
    for interface in api.interfaces.values():
        visitor.interface(interface)
        for method in interface.methods:
            visitor.method(method)
        for event in interface.events:
            visitor.event(event)


def without_removed(api: ir.Api) -> ir.Api:
    """The API that clients see: entries that were removed are kept in the source for the record only."""
    return replace(
        api,
        interfaces={name: _interface(i) for name, i in api.interfaces.items() if _lives(i.lifecycle)},
        types={name: _type(t) for name, t in api.types.items() if _lives(t.lifecycle)},
        errors={name: replace(e, params=_fields(e.params)) for name, e in api.errors.items() if _lives(e.lifecycle)},
        permissions={name: p for name, p in api.permissions.items() if _lives(p.lifecycle)},
        roles={name: r for name, r in api.roles.items() if _lives(r.lifecycle)},
    )


def _visit_type(one: ir.Type, visitor: Visitor) -> None:
    match one:
        case ir.Record():
            visitor.record(one)
        case ir.Patch():
            visitor.patch(one)
        case ir.View():
            visitor.view(one)
        case ir.Enum():
            visitor.enum(one)
        case ir.Union():
            visitor.union(one)


def _lives(life: ir.Lifecycle) -> bool:
    return life.stage is not ir.Stage.REMOVED


def _fields(fields: tuple[ir.Field, ...]) -> tuple[ir.Field, ...]:
    return tuple(f for f in fields if _lives(f.lifecycle))


def _interface(interface: ir.Interface) -> ir.Interface:
    methods = (replace(m, params=_fields(m.params)) for m in interface.methods if _lives(m.lifecycle))
    return replace(interface, methods=tuple(methods), events=tuple(e for e in interface.events if _lives(e.lifecycle)))


def _type(one: ir.Type) -> ir.Type:
    match one:
        case ir.Enum():
            return replace(one, values=tuple(v for v in one.values if _lives(v.lifecycle)))
        case ir.Union():
            return replace(one, branches=tuple(b for b in one.branches if _lives(b.lifecycle)))
        case _:
            return replace(one, fields=_fields(one.fields))
