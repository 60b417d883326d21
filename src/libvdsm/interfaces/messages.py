"""What is said between the front and its workers, as JSON-RPC 2.0 over ``ipc``.

Names are those of the wire. Front to worker: every verb of the schema (``params`` raw, ``meta`` a
``WorkMeta``), and ``work.cancel``. Worker to front: notifications ``report.<name>``.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType


class Cause(Struct, omit_defaults=True, frozen=True):
    """``EventCause`` of the schema."""

    kind: str  # call | hypervisor | resync | daemon
    method: str | None = None
    operationId: str | None = None  # noqa: N815 - the wire's name
    identity: str | None = None
    detail: str | None = None


class Observed(Struct, omit_defaults=True, frozen=True):
    """An object as it was seen; the inventory adds id, generation, revision and what was desired."""

    id: str
    document: Raw  # the members of the object's record that a subsystem knows
    generation: int = 0  # from the hypervisor's metadata; 0 if it has none of ours
    operationId: str | None = None  # noqa: N815 - the wire's name; from the metadata: the probe of recovery
    digest: str | None = None


class WorkMeta(Struct, omit_defaults=True, frozen=True):
    """Member ``meta`` of a verb's request to a worker."""

    operationId: str  # noqa: N815 - the wire's name
    identity: str
    timeout: float  # seconds that are left
    address: str = ""  # from where he called
    flowId: str | None = None  # noqa: N815 - the wire's name
    generation: int = 0
    expectedGeneration: int | None = None  # noqa: N815 - the wire's name
    desired: Raw | UnsetType = UNSET


class WorkCancel(Struct, frozen=True):
    """``work.cancel``: stop the operation if it can be stopped; answered ``{"cancelled": bool}``."""

    operationId: str  # noqa: N815 - the wire's name


class WorkRecover(Struct, frozen=True):
    """``work.recover``: what became of a verb that was interrupted; answered ``Recovered``.

    Its ``meta`` is that of the verb. The subsystem makes sure that nothing of the earlier life is still at work on the
    object (a fence), then looks. It changes nothing.
    """

    method: str
    params: Raw  # as they were journalled: without secrets


class Recovered(Struct, omit_defaults=True, frozen=True):
    """What was found."""

    outcome: str  # done | absent (it had no effect, and will have none) | unknown
    result: Raw | UnsetType = UNSET  # of the verb, when done
    reason: str | None = None  # in words, when not done


class WorkCheck(Struct, frozen=True):
    """``work.check``: all that speaks against a verb now; answered ``Checked``. Changes nothing."""

    method: str
    params: Raw


class Checked(Struct, omit_defaults=True, frozen=True):
    """What was found."""

    reasons: list[Raw]  # each an error as ipc carries it (``ipc.failures``)
    nothingToDo: bool = False  # noqa: N815 - the wire's name


class ReportSnapshot(Struct, frozen=True):
    """``report.snapshot``."""

    type: str
    objects: list[Observed]
    cause: Cause


class ReportChanged(Struct, frozen=True):
    """``report.changed``."""

    type: str
    observed: Observed
    cause: Cause


class ReportRemoved(Struct, frozen=True):
    """``report.removed``."""

    type: str
    id: str
    cause: Cause


class ReportDesired(Struct, frozen=True):
    """``report.desired``."""

    type: str
    id: str
    generation: int
    document: Raw


class ReportStats(Struct, frozen=True):
    """``report.stats``."""

    type: str
    items: list[tuple[str, Raw]]


class ReportCondition(Struct, omit_defaults=True, frozen=True):
    """``report.condition``."""

    state: str
    reason: str | None = None


class ReportProgress(Struct, frozen=True):
    """``report.progress``."""

    operationId: str  # noqa: N815 - the wire's name
    value: float


class ReportOffer(Struct, frozen=True):
    """``report.offer``: a descriptor follows on the side channel under ``token``."""

    token: int
    ticket: str
    identity: str
    expires: float  # seconds from now
    address: str = ""  # from where the holder called, as ``Caller.address``
    vm: str = ""  # the machine whose console it is: who may no longer open one loses this one


class SeenCertificate(Struct, frozen=True):
    """What one of this host's own certificates says."""

    kind: str  # server | ca
    fingerprint: str
    subject: str
    serial: str
    names: list[str]
    notBefore: float  # noqa: N815 - the wire's name; seconds since 1970 in UTC, as the next
    notAfter: float  # noqa: N815 - the wire's name


class ReportTls(Struct, frozen=True):
    """``report.tls``: what TLS connections are served with from now on; judged by who sends it."""

    generation: str
    certificate: str  # all in PEM
    key: str
    clientCas: str  # noqa: N815 - the wire's name
    ca: str  # our own, for clients
    seen: list[SeenCertificate]

    def __repr__(self) -> str:
        """Without the key."""
        return f"ReportTls({self.generation})"


class PkiIssue(Struct, omit_defaults=True, frozen=True):
    """``pki.issue``, from the front to the host's worker: sign a client's certificate; answered ``PkiIssued``."""

    identity: str
    days: int
    csr: str | None = None  # absent: the key is made too


class PkiIssued(Struct, omit_defaults=True, frozen=True):
    """A client's certificate."""

    certificate: str  # all in PEM
    ca: str
    fingerprint: str
    subject: str
    serial: str
    names: list[str]
    notBefore: float  # noqa: N815 - the wire's name; seconds since 1970 in UTC, as the next
    notAfter: float  # noqa: N815 - the wire's name
    key: str | None = None

    def __repr__(self) -> str:
        """Without the key."""
        return f"PkiIssued({self.fingerprint})"
