# Generated from the schema by vdsm-schema; do not edit.
"""Every permission, the roles that come with the API, and what makes objects visible."""

from __future__ import annotations

from typing import Final

from libvdsm.interfaces.permission import ObjectEntry, RoleEntry

#: Every permission, and whether it lets change anything.
PERMISSIONS: Final[dict[str, bool]] = {
    "access.manage": True,
    "access.read": False,
    "audit.read": False,
    "connection.close": True,
    "connection.read": False,
    "event.read": False,
    "host.read": False,
    "identity.token": True,
    "metrics.read": False,
    "pki.manage": True,
    "pki.read": False,
    "queue.browse": False,
    "queue.manage": True,
    "queue.read": False,
    "queue.receive": True,
    "queue.send": True,
    "task.control": True,
    "task.read": False,
    "topic.publish": True,
    "topic.subscribe": False,
    "vm.console": True,
    "vm.define": True,
    "vm.power": True,
    "vm.read": False,
    "vm.screen": False,
}
#: The built-in roles by name.
ROLES: Final[dict[str, RoleEntry]] = {
    "administrator": RoleEntry(
        name="administrator",
        summary="Does everything.",
        permissions=(
            "access.manage",
            "access.read",
            "audit.read",
            "connection.close",
            "connection.read",
            "event.read",
            "host.read",
            "identity.token",
            "metrics.read",
            "pki.manage",
            "pki.read",
            "queue.browse",
            "queue.manage",
            "queue.read",
            "queue.receive",
            "queue.send",
            "task.control",
            "task.read",
            "topic.publish",
            "topic.subscribe",
            "vm.console",
            "vm.define",
            "vm.power",
            "vm.read",
            "vm.screen",
        ),
    ),
    "operator": RoleEntry(
        name="operator",
        summary="Runs virtual machines that others have defined.",
        permissions=(
            "event.read",
            "host.read",
            "identity.token",
            "metrics.read",
            "queue.browse",
            "queue.read",
            "queue.receive",
            "queue.send",
            "task.control",
            "task.read",
            "topic.publish",
            "topic.subscribe",
            "vm.console",
            "vm.power",
            "vm.read",
            "vm.screen",
        ),
    ),
    "reader": RoleEntry(
        name="reader",
        summary="Sees everything, changes nothing.",
        permissions=("event.read", "host.read", "metrics.read", "queue.read", "task.read", "topic.subscribe", "vm.read"),
    ),
}
#: What concerns objects that belong to no project: it can be had everywhere or not at all.
UNPLACED: Final[frozenset[str]] = frozenset(
    ("connection.close", "connection.read", "host.read", "metrics.read", "pki.manage", "pki.read", "topic.publish", "topic.subscribe")
)
#: What makes objects visible, by their type.
OBJECTS: Final[dict[str, ObjectEntry]] = {
    "certificate": ObjectEntry(
        type="certificate",
        permission="pki.read",
        has_project=False,
    ),
    "host": ObjectEntry(
        type="host",
        permission="host.read",
        has_project=False,
    ),
    "queue": ObjectEntry(
        type="queue",
        permission="queue.read",
        has_project=True,
    ),
    "task": ObjectEntry(
        type="task",
        permission="task.read",
        has_project=True,
    ),
    "vm": ObjectEntry(
        type="vm",
        permission="vm.read",
        has_project=True,
    ),
}
