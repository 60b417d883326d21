# Generated from the schema by vdsm-schema; do not edit.
"""The verbs of the API for threads: one class per interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libvdsm.client.generated import types
from libvdsm.client.runtime.sync.client import BaseClient
from libvdsm.client.runtime.values import params as given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from libvdsm.client.runtime.sync.client import TaskHandle


class AccessProxy:
    """Who may do what to which objects."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def check(
        self,
        identity: str,
        method: str,
        *,
        object: types.ObjectRef | None = None,
        project: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.AccessCheck:
        """Whether an identity may call a verb, and by which grants.

        - identity: Who.
        - method: The verb, such as VM.start.
        - object: On which object.
        - project: In which project, for verbs that make objects.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, MethodNotFound, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Access.check",
            given(identity=identity, method=method, object=object, project=project),
            {"timeout": timeout, "flowId": flow_id},
            types.AccessCheck.from_wire,
        )

    def define_role(
        self,
        name: str,
        permissions: Sequence[str],
        *,
        summary: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.Role:
        """Makes a role of this host's own, or changes it; its grants follow at once.

        - name: Its name.
        - permissions: What it lets do.
        - summary: What it is for. Default: "".

        Raises AlreadyExists, AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams,
        LimitExceeded, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Access.defineRole",
            given(name=name, permissions=permissions, summary=summary),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.Role.from_wire,
        )

    def delete_role(
        self,
        name: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.Nothing:
        """Removes a role of this host's own that nobody has.

        - name: Its name.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InUse, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate, WrongState.
        """
        return self._client.invoke(
            "Access.deleteRole",
            given(name=name),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.Nothing.from_wire,
        )

    def grant(
        self,
        identity: str,
        role: str,
        *,
        scope: types.AccessScope | None = None,
        expires_at: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.Grant:
        """Gives an identity a role, everywhere, in a project or for one object.

        The grant works at once, also on connections that are open. Giving what the identity has already answers the grant that is there.
        Nobody can give away a permission that he does not have in that scope himself.

        - identity: Who, such as user:alice or unix:1000.
        - role: The role.
        - scope: Where. Default: {'kind': 'everywhere'}.
        - expires_at: When it ends by itself.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Access.grant",
            given(identity=identity, role=role, scope=scope, expiresAt=expires_at),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.Grant.from_wire,
        )

    def list(
        self,
        *,
        filter: types.GrantFilter | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.GrantList:
        """The grants of this host, in the order of their making.

        - filter: Only those that fit; all members must fit.
        - limit: The most items in one answer. Unit: count. Default: 100.
        - after: The cursor next of the page before.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Access.list",
            given(filter=filter, limit=limit, after=after),
            {"timeout": timeout, "flowId": flow_id},
            types.GrantList.from_wire,
        )

    def list_roles(self, *, timeout: float | None = None, flow_id: str | None = None) -> types.RoleList:
        """The roles that can be granted.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke("Access.listRoles", {}, {"timeout": timeout, "flowId": flow_id}, types.RoleList.from_wire)

    def revoke(
        self,
        grant_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Takes a grant away; it ends at once, also on connections that are open.

        - grant_id: The grant.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Access.revoke",
            given(grantId=grant_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )

    def why_denied(
        self,
        identity: str,
        method: str,
        *,
        object: types.ObjectRef | None = None,
        project: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.AccessExplanation:
        """Why an identity may not call a verb, grant by grant, and what would help.

        - identity: Who.
        - method: The verb, such as VM.start.
        - object: On which object.
        - project: In which project, for verbs that make objects.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, MethodNotFound, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Access.whyDenied",
            given(identity=identity, method=method, object=object, project=project),
            {"timeout": timeout, "flowId": flow_id},
            types.AccessExplanation.from_wire,
        )


class AuditProxy:
    """Who did what, from where, when, and what became of it."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def changes(
        self,
        since: str,
        *,
        until: str | None = None,
        object: types.ObjectRef | None = None,
        limit: int | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.AuditChanges:
        """What changed between two times, object by object, as the journal has it.

        - since: From this time on, itself included.
        - until: Until this time, itself excluded; now if absent.
        - object: Of this object alone.
        - limit: The most objects in one answer. Unit: count. Default: 100.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Audit.changes",
            given(since=since, until=until, object=object, limit=limit),
            {"timeout": timeout, "flowId": flow_id},
            types.AuditChanges.from_wire,
        )

    def list(
        self,
        *,
        filter: types.AuditFilter | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.AuditList:
        """The records of all writes and refusals, newest first.

        - filter: Only those that fit; all members must fit.
        - limit: The most items in one answer. Unit: count. Default: 100.
        - after: The cursor next of the page before.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Audit.list", given(filter=filter, limit=limit, after=after), {"timeout": timeout, "flowId": flow_id}, types.AuditList.from_wire
        )

    def verify(self, *, timeout: float | None = None, flow_id: str | None = None) -> types.AuditVerdict:
        """Reads all records and checks that none was changed, removed or put in between.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke("Audit.verify", {}, {"timeout": timeout, "flowId": flow_id}, types.AuditVerdict.from_wire)


class CertificateProxy:
    """Certificates by which clients prove who they are, and those of this host."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def create_enrolment(
        self,
        identity: str,
        *,
        days: int | None = None,
        expires_in: int | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.EnrolmentMade:
        """Makes a token by which somebody gets a certificate for an identity, once.

        Whoever has the token needs no valid certificate to use it, so it also helps where the old one has expired.

        - identity: Whom the certificate will be for, such as user:alice.
        - days: How long the certificate will be valid, in days. Unit: count. Default: 365.
        - expires_in: How long the token can be used. Unit: seconds. Default: 3600.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Certificate.createEnrolment",
            given(identity=identity, days=days, expiresIn=expires_in),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.EnrolmentMade.from_wire,
        )

    def enrol(
        self,
        token: str,
        *,
        csr: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.CertificateIssued:
        """Gets the certificate that a token stands for; needs no rights but the token, which works once.

        - token: The token.
        - csr: A certificate request (PKCS 10) in PEM.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        NotAuthenticated, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate.
        """
        return self._client.invoke(
            "Certificate.enrol",
            given(token=token, csr=csr),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.CertificateIssued.from_wire,
        )

    def get(self, certificate_id: str, *, timeout: float | None = None, flow_id: str | None = None) -> types.Certificate:
        """One certificate.

        - certificate_id: The certificate.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, ObjectNotFound, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Certificate.get", given(certificateId=certificate_id), {"timeout": timeout, "flowId": flow_id}, types.Certificate.from_wire
        )

    def issue(
        self,
        identity: str,
        *,
        days: int | None = None,
        csr: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.CertificateIssued:
        """Makes a certificate for an identity, for a key of its own or for a new one.

        Without csr the key is made here, shown this once and never kept. With csr nothing but its key is used. A certificate gives no
        rights by itself: grant the identity a role with Access.grant.

        - identity: Whom it is for, such as user:alice.
        - days: How long it is valid, in days; never longer than this host's CA. Unit: count. Default: 365.
        - csr: A certificate request (PKCS 10) in PEM.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate.
        """
        return self._client.invoke(
            "Certificate.issue",
            given(identity=identity, days=days, csr=csr),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.CertificateIssued.from_wire,
        )

    def list(
        self,
        *,
        filter: types.CertificateFilter | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.CertificateList:
        """The certificates that this host has issued, and its own, in the order of their making.

        - filter: Only those that fit; all members must fit.
        - limit: The most items in one answer. Unit: count. Default: 100.
        - after: The cursor next of the page before.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Certificate.list",
            given(filter=filter, limit=limit, after=after),
            {"timeout": timeout, "flowId": flow_id},
            types.CertificateList.from_wire,
        )

    def renew(
        self,
        certificate_id: str,
        *,
        days: int | None = None,
        csr: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.CertificateIssued:
        """Makes a new certificate for the identity of an old one, which stays valid until its end.

        - certificate_id: The certificate that is to be followed.
        - days: How long the new one is valid, in days. Unit: count. Default: 365.
        - csr: A certificate request (PKCS 10) in PEM.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate,
        WrongState.
        """
        return self._client.invoke(
            "Certificate.renew",
            given(certificateId=certificate_id, days=days, csr=csr),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.CertificateIssued.from_wire,
        )

    def revoke(
        self,
        certificate_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Ends a client's certificate at once, and the connections that were opened with it.

        - certificate_id: The certificate.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate, WrongState.
        """
        return self._client.invoke(
            "Certificate.revoke",
            given(certificateId=certificate_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )


class ConnectionProxy:
    """Who is connected to this daemon."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def close(
        self,
        connection_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Ends a connection at once; its client may connect again.

        - connection_id: The connection.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Connection.close",
            given(connectionId=connection_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )

    def list(
        self,
        *,
        filter: types.ConnectionFilter | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.ConnectionList:
        """The open connections, in the order of their making.

        - filter: Only those that fit; all members must fit.
        - limit: The most items in one answer. Unit: count. Default: 100.
        - after: The cursor next of the page before.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Connection.list",
            given(filter=filter, limit=limit, after=after),
            {"timeout": timeout, "flowId": flow_id},
            types.ConnectionList.from_wire,
        )


class ConsoleProxy:
    """Serial ports and screens of virtual machines as byte streams."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def open(
        self,
        vm_id: str,
        *,
        kind: types.ConsoleKind | None = None,
        device_id: str | None = None,
        take_over: bool | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.ConsoleTicket:
        """Gives a one-use ticket for a console's byte stream.

        The bytes are had by GET /stream/<ticket> with "Connection: Upgrade" and "Upgrade: vdsm-stream" on any HTTP port or socket of this
        daemon, by the same identity, before the ticket expires. After the answer 101 the connection carries the console's bytes both ways.

        - vm_id: The virtual machine.
        - kind: Which kind of console. Default: "serial".
        - device_id: Which serial port; the first if absent.
        - take_over: Disconnect whoever has it open. Default: False.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, Unsupported, WrongState.
        """
        return self._client.invoke(
            "Console.open",
            given(vmId=vm_id, kind=kind, deviceId=device_id, takeOver=take_over),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.ConsoleTicket.from_wire,
        )


class EventProxy:
    """What has changed, in order, without loss."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def read(
        self,
        *,
        after: str | None = None,
        topics: Sequence[str] | None = None,
        timeout: float | None = None,
        limit: int | None = None,
        filter: types.EventFilter | None = None,
        call_timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.EventList:
        """The events after a token; waits for the next one if there is none yet.

        - after: The token resume of the answer before; the present if absent.
        - topics: Topics; * stands for one word, # for any number of words. Default: ['#'].
        - timeout: How long to wait when there is none. Unit: seconds. Default: 0.
        - limit: The most events in one answer. Unit: count. Default: 100.
        - filter: Only those that fit; all members must fit.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Event.read",
            given(after=after, topics=topics, timeout=timeout, limit=limit, filter=filter),
            {"timeout": call_timeout, "flowId": flow_id},
            types.EventList.from_wire,
        )

    def subscribe(
        self,
        *,
        topics: Sequence[str] | None = None,
        after: str | None = None,
        snapshot: bool | None = None,
        subscription_id: str | None = None,
        filter: types.EventFilter | None = None,
        coalesce: float | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.EventSubscription:
        """Delivers events on this connection as Event.deliver notifications, each carrying an EventDelivery.

        With after, what came since that token is delivered first: nothing is lost and nothing comes twice. With snapshot, the present
        objects of the topics come first as added events, then what follows; the two are one consistent act.

        - topics: Topics; * stands for one word, # for any number of words. Default: ['#'].
        - after: The token from which to resume; the present if absent.
        - snapshot: Begin with the present state of all objects. Default: False.
        - subscription_id: Its name on this connection; given by the daemon if absent.
        - filter: Only those that fit; all members must fit.
        - coalesce: Changes of one object within this time may come as one, but never across a change of its state. Unit: seconds. Default: 0.

        Raises AlreadyExists, AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams,
        LimitExceeded, NeedsConnection, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Event.subscribe",
            given(topics=topics, after=after, snapshot=snapshot, subscriptionId=subscription_id, filter=filter, coalesce=coalesce),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.EventSubscription.from_wire,
        )

    def unsubscribe(
        self,
        subscription_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Ends a subscription of this connection.

        - subscription_id: The subscription.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        NeedsConnection, ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Event.unsubscribe",
            given(subscriptionId=subscription_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )


class HostProxy:
    """The host itself."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def diagnose(self, *, timeout: float | None = None, flow_id: str | None = None) -> types.Diagnosis:
        """What this host and its daemon can and cannot do, why, and what would help.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke("Host.diagnose", {}, {"timeout": timeout, "flowId": flow_id}, types.Diagnosis.from_wire)

    def get_capabilities(self, *, timeout: float | None = None, flow_id: str | None = None) -> types.HostCapabilities:
        """What this host's hypervisor can do, and what it cannot and why.

        Raises DeadlineExceeded, HypervisorUnavailable, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown,
        SubsystemUnavailable, TooLate.
        """
        return self._client.invoke("Host.getCapabilities", {}, {"timeout": timeout, "flowId": flow_id}, types.HostCapabilities.from_wire)

    def get_info(self, *, timeout: float | None = None, flow_id: str | None = None) -> types.HostInfo:
        """What this host is, and how the daemon's parts are.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, SubsystemUnavailable, TooLate.
        """
        return self._client.invoke("Host.getInfo", {}, {"timeout": timeout, "flowId": flow_id}, types.HostInfo.from_wire)

    def get_stats(self, *, timeout: float | None = None, flow_id: str | None = None) -> types.HostStats:
        """How busy the host is; sampled, never waits.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, SubsystemUnavailable, TooLate.
        """
        return self._client.invoke("Host.getStats", {}, {"timeout": timeout, "flowId": flow_id}, types.HostStats.from_wire)

    def ping(self, *, timeout: float | None = None, flow_id: str | None = None) -> types.HostPingResult:
        """Answers at once; tells that the daemon lives.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke("Host.ping", {}, {"timeout": timeout, "flowId": flow_id}, types.HostPingResult.from_wire)


class IdentityProxy:
    """Who you are to this host."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def create_token(
        self,
        label: str,
        *,
        identity: str | None = None,
        role: str | None = None,
        scope: types.AccessScope | None = None,
        expires_in: int | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.TokenMade:
        """Makes a token that speaks for you, or (with access.manage) for another; it is shown this once.

        - label: What it is for.
        - identity: For whom it speaks; for you if absent.
        - role: It can do no more than this role, nor more than its identity.
        - scope: It can do nothing outside of this, nor what its identity cannot.
        - expires_in: How long it works. Unit: seconds. Default: 86400.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Identity.createToken",
            given(label=label, identity=identity, role=role, scope=scope, expiresIn=expires_in),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.TokenMade.from_wire,
        )

    def list_tokens(
        self, *, limit: int | None = None, after: str | None = None, timeout: float | None = None, flow_id: str | None = None
    ) -> types.TokenList:
        """Your tokens; with access.read those of everybody. Never the tokens themselves.

        - limit: The most items in one answer. Unit: count. Default: 100.
        - after: The cursor next of the page before.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Identity.listTokens", given(limit=limit, after=after), {"timeout": timeout, "flowId": flow_id}, types.TokenList.from_wire
        )

    def login(self, token: str, *, timeout: float | None = None, flow_id: str | None = None) -> types.IdentityInfo:
        """Lets this connection speak for the bearer of a token from now on.

        Over HTTP send the header Authorization: Bearer <token> instead. What the connection could do before, it can do no more.

        - token: The token.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, NeedsConnection, NotAuthenticated, PermissionDenied,
        ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Identity.login", given(token=token), {"timeout": timeout, "flowId": flow_id}, types.IdentityInfo.from_wire
        )

    def revoke_token(
        self,
        token_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Ends a token at once, and the connections that it opened.

        - token_id: The token.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Identity.revokeToken",
            given(tokenId=token_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )

    def who_am_i(self, *, timeout: float | None = None, flow_id: str | None = None) -> types.IdentityInfo:
        """Who you are and what you may do.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke("Identity.whoAmI", {}, {"timeout": timeout, "flowId": flow_id}, types.IdentityInfo.from_wire)


class PlanProxy:
    """What a call would do, without doing it."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def check(
        self,
        method: str,
        *,
        params: Any | None = None,
        expected_generation: int | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.PlanCheck:
        """Whether a call would be allowed and possible now, with all reasons against it at once.

        - method: The verb, such as VM.start.
        - params: Its parameters. Default: {}.
        - expected_generation: As in the call's options.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, MethodNotFound, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Plan.check",
            given(method=method, params=params, expectedGeneration=expected_generation),
            {"timeout": timeout, "flowId": flow_id},
            types.PlanCheck.from_wire,
        )


class QueueProxy:
    """Queues of messages between clients of this host."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def create(
        self,
        name: str,
        *,
        durable: bool | None = None,
        max_messages: int | None = None,
        max_octets: int | None = None,
        overflow: types.QueueOverflow | None = None,
        time_to_live: float | None = None,
        dead_letter: str | None = None,
        max_deliveries: int | None = None,
        project: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.Queue:
        """Makes a queue.

        - name: Its name.
        - durable: Whether it, and durable messages in it, survive a restart. Default: True.
        - max_messages: How many messages it holds. Unit: count. Default: 100000.
        - max_octets: How many octets it holds. Unit: bytes. Default: 67108864.
        - overflow: What happens to a message that has no room. Default: "reject".
        - time_to_live: How long a message waits at most. Unit: seconds.
        - dead_letter: The queue for messages that expire, are rejected or fail too often; they are dropped if absent.
        - max_deliveries: How often a message is tried in vain. Unit: count. Default: 5.
        - project: The project to which it shall belong. Default: "default".

        Raises AlreadyExists, AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams,
        LimitExceeded, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Queue.create",
            given(
                name=name,
                durable=durable,
                maxMessages=max_messages,
                maxOctets=max_octets,
                overflow=overflow,
                timeToLive=time_to_live,
                deadLetter=dead_letter,
                maxDeliveries=max_deliveries,
                project=project,
            ),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.Queue.from_wire,
        )

    def delete(
        self,
        queue_id: str,
        *,
        if_empty: bool | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Removes a queue with all its messages; its consumers are told.

        - queue_id: Its name.
        - if_empty: Only if no message is in it. Default: False.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InUse, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Queue.delete",
            given(queueId=queue_id, ifEmpty=if_empty),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )

    def get(self, queue_id: str, *, timeout: float | None = None, flow_id: str | None = None) -> types.Queue:
        """One queue, and how full it is.

        - queue_id: Its name.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, ObjectNotFound, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke("Queue.get", given(queueId=queue_id), {"timeout": timeout, "flowId": flow_id}, types.Queue.from_wire)

    def list(
        self, *, limit: int | None = None, after: str | None = None, timeout: float | None = None, flow_id: str | None = None
    ) -> types.QueueList:
        """The queues that you may see, page by page, in the order of their names.

        - limit: The most items in one answer. Unit: count. Default: 100.
        - after: The cursor next of the page before.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Queue.list", given(limit=limit, after=after), {"timeout": timeout, "flowId": flow_id}, types.QueueList.from_wire
        )

    def move(
        self,
        queue_id: str,
        target: str,
        *,
        message_ids: Sequence[str] | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.QueueCount:
        """Moves waiting messages to another queue, such as dead letters back to where they came from.

        - queue_id: From which queue.
        - target: To which queue.
        - message_ids: Which; all that wait if absent.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Queue.move",
            given(queueId=queue_id, target=target, messageIds=message_ids),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.QueueCount.from_wire,
        )

    def peek(
        self, queue_id: str, *, limit: int | None = None, after: str | None = None, timeout: float | None = None, flow_id: str | None = None
    ) -> types.QueueMessages:
        """The first messages that wait, without taking them.

        - queue_id: Its name.
        - limit: The most messages in one answer. Unit: count. Default: 10.
        - after: The cursor next of the page before.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, ObjectNotFound, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Queue.peek",
            given(queueId=queue_id, limit=limit, after=after),
            {"timeout": timeout, "flowId": flow_id},
            types.QueueMessages.from_wire,
        )

    def purge(
        self,
        queue_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.QueueCount:
        """Drops all messages that wait in a queue; those with a consumer stay.

        - queue_id: Its name.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Queue.purge",
            given(queueId=queue_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.QueueCount.from_wire,
        )


class SchemaProxy:
    """The description of this API."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def discover(self, *, timeout: float | None = None, flow_id: str | None = None) -> types.OpenRpc:
        """This API as an OpenRPC document; also answered to rpc.discover.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke("Schema.discover", {}, {"timeout": timeout, "flowId": flow_id}, types.OpenRpc.from_wire)


class TaskProxy:
    """Long work that is under way or has ended."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def cancel(
        self,
        task_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Task:
        """Asks a task to stop; an ended task is answered as it is.

        - task_id: The task.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        NotACancellableTask, ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate.
        """
        return self._client.invoke(
            "Task.cancel",
            given(taskId=task_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Task.from_wire,
        )

    def delete(
        self,
        task_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Forgets an ended task; tasks are also forgotten by age and number.

        - task_id: The task.

        Raises AnswerNotKept, DeadlineExceeded, IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded,
        ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull, StateUnavailable, TooLate, WrongState.
        """
        return self._client.invoke(
            "Task.delete",
            given(taskId=task_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )

    def get(self, task_id: str, *, timeout: float | None = None, flow_id: str | None = None) -> types.Task:
        """One task.

        - task_id: The task.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, ObjectNotFound, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke("Task.get", given(taskId=task_id), {"timeout": timeout, "flowId": flow_id}, types.Task.from_wire)

    def list(
        self,
        *,
        filter: types.TaskFilter | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.TaskList:
        """The tasks that you may see, newest first.

        - filter: Only those that fit; all members must fit.
        - limit: The most items in one answer. Unit: count. Default: 100.
        - after: The cursor next of the page before.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Task.list", given(filter=filter, limit=limit, after=after), {"timeout": timeout, "flowId": flow_id}, types.TaskList.from_wire
        )

    def wait(self, task_id: str, *, seconds: float | None = None, timeout: float | None = None, flow_id: str | None = None) -> types.Task:
        """Answers when the task has ended, or with its state when the time is up.

        - task_id: The task.
        - seconds: The longest time to wait. Unit: seconds. Default: 30.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, ObjectNotFound, PermissionDenied, ShuttingDown, TooLate.
        """
        return self._client.invoke(
            "Task.wait", given(taskId=task_id, seconds=seconds), {"timeout": timeout, "flowId": flow_id}, types.Task.from_wire
        )


class VmProxy:
    """Virtual machines."""

    __slots__ = ("_client",)

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def create(
        self,
        name: str,
        config: types.VmConfig,
        *,
        vm_id: str | None = None,
        project: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
    ) -> types.VmCreateResult:
        """Defines a virtual machine; it does not start it.

        - name: A label for people; it need not be unique.
        - config: What the virtual machine is to be.
        - vm_id: The id that it shall have; a random one if absent.
        - project: The project to which it shall belong. Default: "default".

        Raises AlreadyExists, AnswerNotKept, DeadlineExceeded, HypervisorError, HypervisorUnavailable, IdempotencyConflict, InternalError,
        Interrupted, InvalidParams, LimitExceeded, OutcomeUnknown, PermissionDenied, ResourceBusy, ShuttingDown, StateFull,
        StateUnavailable, SubsystemUnavailable, TooLate, Unsupported.
        """
        return self._client.invoke(
            "VM.create",
            given(name=name, config=config, vmId=vm_id, project=project),
            {"timeout": timeout, "flowId": flow_id, "notAfter": not_after, "idempotencyKey": idempotency_key},
            types.VmCreateResult.from_wire,
        )

    def delete(
        self,
        vm_id: str,
        *,
        force: bool | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
        wait: float | None = None,
    ) -> TaskHandle[types.Nothing]:
        """Removes a stopped virtual machine's definition; its disks stay.

        - vm_id: The virtual machine.
        - force: Pull its plug first if it runs. Default: False.

        Answers at once with the task; ``wait`` on it for the result.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """
        return self._client.start(
            "VM.delete",
            given(vmId=vm_id, force=force),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
                "wait": wait,
            },
            types.Nothing.from_wire,
        )

    def get(self, vm_id: str, *, actions: bool | None = None, timeout: float | None = None, flow_id: str | None = None) -> types.VM:
        """One virtual machine.

        - vm_id: The virtual machine.
        - actions: Add the member actions. Default: False.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, ObjectNotFound, PermissionDenied, ShuttingDown,
        SubsystemUnavailable, TooLate.
        """
        return self._client.invoke(
            "VM.get", given(vmId=vm_id, actions=actions), {"timeout": timeout, "flowId": flow_id}, types.VM.from_wire
        )

    def get_stats(
        self,
        *,
        vm_ids: Sequence[str] | None = None,
        fields: Sequence[str] | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.VmStatsList:
        """Statistics of many virtual machines at once; sampled, never waits for a hypervisor.

        - vm_ids: Only these; all that you may see if absent. Unknown ones are left out of the answer.
        - fields: Only these groups: cpu, memory, disks, nics.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, SubsystemUnavailable, TooLate.
        """
        return self._client.invoke(
            "VM.getStats", given(vmIds=vm_ids, fields=fields), {"timeout": timeout, "flowId": flow_id}, types.VmStatsList.from_wire
        )

    def list(
        self,
        *,
        filter: types.VmFilter | None = None,
        fields: Sequence[str] | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> types.VmList:
        """The virtual machines that you may see, page by page, in the order of their ids.

        - filter: Only those that fit; all members must fit.
        - fields: Only these members of VM; the id is always there.
        - limit: The most items in one answer. Unit: count. Default: 100.
        - after: The cursor next of the page before.

        Raises DeadlineExceeded, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown, SubsystemUnavailable, TooLate.
        """
        return self._client.invoke(
            "VM.list",
            given(filter=filter, fields=fields, limit=limit, after=after),
            {"timeout": timeout, "flowId": flow_id},
            types.VmList.from_wire,
        )

    def pause(
        self,
        vm_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Stops the virtual processors; memory stays.

        - vm_id: The virtual machine.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """
        return self._client.invoke(
            "VM.pause",
            given(vmId=vm_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )

    def reboot(
        self,
        vm_id: str,
        *,
        ways: Sequence[types.ShutdownWay] | None = None,
        guest_timeout: float | None = None,
        force: bool | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
        wait: float | None = None,
    ) -> TaskHandle[types.VmShutdownResult]:
        """Asks the guest to reboot; the task ends when the request was given and, where it can be seen, the guest has restarted.

        - vm_id: The virtual machine.
        - ways: How to ask. Default: ['agent', 'acpi'].
        - guest_timeout: How long the guest has in all. Unit: seconds. Default: 60.
        - force: Press the reset button when that time is up. Default: False.

        Answers at once with the task; ``wait`` on it for the result.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """
        return self._client.start(
            "VM.reboot",
            given(vmId=vm_id, ways=ways, guestTimeout=guest_timeout, force=force),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
                "wait": wait,
            },
            types.VmShutdownResult.from_wire,
        )

    def reset(
        self,
        vm_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Presses the reset button; the guest may lose data.

        - vm_id: The virtual machine.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """
        return self._client.invoke(
            "VM.reset",
            given(vmId=vm_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )

    def resume(
        self,
        vm_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.Nothing:
        """Lets the virtual processors of a paused virtual machine go on.

        - vm_id: The virtual machine.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """
        return self._client.invoke(
            "VM.resume",
            given(vmId=vm_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.Nothing.from_wire,
        )

    def screenshot(
        self, vm_id: str, *, screen: int | None = None, timeout: float | None = None, flow_id: str | None = None
    ) -> types.VmScreenshot:
        """What the virtual machine's screen shows now, as a PNG image.

        - vm_id: The virtual machine.
        - screen: Which screen. Default: 0.

        Raises DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, InternalError, InvalidParams, LimitExceeded,
        ObjectNotFound, PermissionDenied, ResourceBusy, ShuttingDown, SubsystemUnavailable, TooLate, Unsupported, WrongState.
        """
        return self._client.invoke(
            "VM.screenshot", given(vmId=vm_id, screen=screen), {"timeout": timeout, "flowId": flow_id}, types.VmScreenshot.from_wire
        )

    def shutdown(
        self,
        vm_id: str,
        *,
        ways: Sequence[types.ShutdownWay] | None = None,
        guest_timeout: float | None = None,
        force: bool | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
        wait: float | None = None,
    ) -> TaskHandle[types.VmShutdownResult]:
        """Asks the guest to shut down.

        Tries the ways that are given, in their order, each for its share of the time that is left: the guest agent (agent), the power
        button (acpi). The task ends when the virtual machine is stopped. If it is not by the end of wait, its plug is pulled with force,
        else the task fails with GuestUnresponsive and the guest goes on.

        - vm_id: The virtual machine.
        - ways: How to ask. Default: ['agent', 'acpi'].
        - guest_timeout: How long the guest has in all. Unit: seconds. Default: 60.
        - force: Pull the plug when that time is up. Default: False.

        Answers at once with the task; ``wait`` on it for the result.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """
        return self._client.start(
            "VM.shutdown",
            given(vmId=vm_id, ways=ways, guestTimeout=guest_timeout, force=force),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
                "wait": wait,
            },
            types.VmShutdownResult.from_wire,
        )

    def start(
        self,
        vm_id: str,
        *,
        paused: bool | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
        wait: float | None = None,
    ) -> TaskHandle[types.Nothing]:
        """Starts a stopped virtual machine.

        - vm_id: The virtual machine.
        - paused: Leave it paused before its first instruction. Default: False.

        Answers at once with the task; ``wait`` on it for the result.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, Unsupported, WrongState.
        """
        return self._client.start(
            "VM.start",
            given(vmId=vm_id, paused=paused),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
                "wait": wait,
            },
            types.Nothing.from_wire,
        )

    def stop(
        self,
        vm_id: str,
        *,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
        wait: float | None = None,
    ) -> TaskHandle[types.Nothing]:
        """Pulls the plug; the guest may lose data.

        - vm_id: The virtual machine.

        Answers at once with the task; ``wait`` on it for the result.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull,
        StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """
        return self._client.start(
            "VM.stop",
            given(vmId=vm_id),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
                "wait": wait,
            },
            types.Nothing.from_wire,
        )

    def update(
        self,
        vm_id: str,
        *,
        name: str | None = None,
        config: types.VmConfigPatch | None = None,
        project: str | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
    ) -> types.VmUpdateResult:
        """Changes a virtual machine's name or configuration by a merge patch.

        Members of the patch replace those of the configuration, null clears optional ones, lists are replaced whole. Members that can
        change while it runs take effect at once, the others at its next start; the answer tells which.

        - vm_id: The virtual machine.
        - name: A new label.
        - config: What is to change.
        - project: The project to which it shall belong from now on; the permission is needed in both.

        Raises AnswerNotKept, DeadlineExceeded, GenerationConflict, GuestUnresponsive, HypervisorError, HypervisorUnavailable,
        IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied,
        ResourceBusy, ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, Unsupported.
        """
        return self._client.invoke(
            "VM.update",
            given(vmId=vm_id, name=name, config=config, project=project),
            {
                "timeout": timeout,
                "flowId": flow_id,
                "notAfter": not_after,
                "idempotencyKey": idempotency_key,
                "expectedGeneration": expected_generation,
            },
            types.VmUpdateResult.from_wire,
        )


class Interfaces(BaseClient):
    """A client with every interface of the API as a property."""

    @property
    def access(self) -> AccessProxy:
        """Who may do what to which objects."""
        return AccessProxy(self)

    @property
    def audit(self) -> AuditProxy:
        """Who did what, from where, when, and what became of it."""
        return AuditProxy(self)

    @property
    def certificate(self) -> CertificateProxy:
        """Certificates by which clients prove who they are, and those of this host."""
        return CertificateProxy(self)

    @property
    def connection(self) -> ConnectionProxy:
        """Who is connected to this daemon."""
        return ConnectionProxy(self)

    @property
    def console(self) -> ConsoleProxy:
        """Serial ports and screens of virtual machines as byte streams."""
        return ConsoleProxy(self)

    @property
    def event(self) -> EventProxy:
        """What has changed, in order, without loss."""
        return EventProxy(self)

    @property
    def host(self) -> HostProxy:
        """The host itself."""
        return HostProxy(self)

    @property
    def identity(self) -> IdentityProxy:
        """Who you are to this host."""
        return IdentityProxy(self)

    @property
    def plan(self) -> PlanProxy:
        """What a call would do, without doing it."""
        return PlanProxy(self)

    @property
    def queue(self) -> QueueProxy:
        """Queues of messages between clients of this host."""
        return QueueProxy(self)

    @property
    def schema(self) -> SchemaProxy:
        """The description of this API."""
        return SchemaProxy(self)

    @property
    def task(self) -> TaskProxy:
        """Long work that is under way or has ended."""
        return TaskProxy(self)

    @property
    def vm(self) -> VmProxy:
        """Virtual machines."""
        return VmProxy(self)
