# Generated from the schema by vdsm-schema; do not edit.
"""What a client must know of each verb beside its types."""

from __future__ import annotations

from typing import Final, NamedTuple


class Method(NamedTuple):
    """One verb."""

    kind: str
    idempotent: bool
    timeout_s: float
    progress_unit: str | None


#: Every verb by its full name.
METHODS: Final[dict[str, Method]] = {
    "Access.check": Method("query", True, 10.0, None),
    "Access.defineRole": Method("command", True, 10.0, None),
    "Access.deleteRole": Method("command", True, 10.0, None),
    "Access.grant": Method("command", True, 10.0, None),
    "Access.list": Method("query", True, 10.0, None),
    "Access.listRoles": Method("query", True, 10.0, None),
    "Access.revoke": Method("command", True, 10.0, None),
    "Access.whyDenied": Method("query", True, 10.0, None),
    "Audit.changes": Method("query", True, 60.0, None),
    "Audit.list": Method("query", True, 30.0, None),
    "Audit.verify": Method("query", True, 300.0, None),
    "Certificate.createEnrolment": Method("command", False, 10.0, None),
    "Certificate.enrol": Method("command", False, 15.0, None),
    "Certificate.get": Method("query", True, 5.0, None),
    "Certificate.issue": Method("command", False, 15.0, None),
    "Certificate.list": Method("query", True, 10.0, None),
    "Certificate.renew": Method("command", False, 15.0, None),
    "Certificate.revoke": Method("command", True, 10.0, None),
    "Connection.close": Method("command", True, 10.0, None),
    "Connection.list": Method("query", True, 10.0, None),
    "Console.open": Method("command", False, 10.0, None),
    "Event.read": Method("query", True, 310.0, None),
    "Event.subscribe": Method("command", False, 10.0, None),
    "Event.unsubscribe": Method("command", True, 10.0, None),
    "Host.diagnose": Method("query", True, 20.0, None),
    "Host.getCapabilities": Method("query", True, 10.0, None),
    "Host.getInfo": Method("query", True, 5.0, None),
    "Host.getStats": Method("query", True, 5.0, None),
    "Host.ping": Method("query", True, 5.0, None),
    "Identity.createToken": Method("command", False, 10.0, None),
    "Identity.listTokens": Method("query", True, 10.0, None),
    "Identity.login": Method("query", True, 10.0, None),
    "Identity.revokeToken": Method("command", True, 10.0, None),
    "Identity.whoAmI": Method("query", True, 5.0, None),
    "Plan.check": Method("query", True, 10.0, None),
    "Queue.create": Method("command", False, 10.0, None),
    "Queue.delete": Method("command", True, 30.0, None),
    "Queue.get": Method("query", True, 5.0, None),
    "Queue.list": Method("query", True, 10.0, None),
    "Queue.move": Method("command", False, 30.0, None),
    "Queue.peek": Method("query", True, 10.0, None),
    "Queue.purge": Method("command", True, 30.0, None),
    "Schema.discover": Method("query", True, 10.0, None),
    "Task.cancel": Method("command", True, 10.0, None),
    "Task.delete": Method("command", True, 10.0, None),
    "Task.get": Method("query", True, 5.0, None),
    "Task.list": Method("query", True, 10.0, None),
    "Task.wait": Method("query", True, 3610.0, None),
    "VM.create": Method("command", False, 30.0, None),
    "VM.delete": Method("operation", True, 60.0, "percent"),
    "VM.get": Method("query", True, 5.0, None),
    "VM.getStats": Method("query", True, 10.0, None),
    "VM.list": Method("query", True, 10.0, None),
    "VM.pause": Method("command", True, 15.0, None),
    "VM.reboot": Method("operation", False, 86400.0, "percent"),
    "VM.reset": Method("command", False, 15.0, None),
    "VM.resume": Method("command", True, 15.0, None),
    "VM.screenshot": Method("query", True, 15.0, None),
    "VM.shutdown": Method("operation", True, 86400.0, "percent"),
    "VM.start": Method("operation", False, 120.0, "percent"),
    "VM.stop": Method("operation", True, 60.0, "percent"),
    "VM.update": Method("command", True, 30.0, None),
}
