# Generated from the schema by vdsm-schema; do not edit.
"""Every type of the schema, and the parameters of every verb.

Members are in snake_case with the wire's names by rename; absent is None and is left out of the output.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

import msgspec

from libvdsm.base.secret import Secret

MAX_INTEGER: Final = 9007199254740991
MAX_NUMBER: Final = 1.7976931348623157e308

Uuid: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")]
Timestamp: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?Z\Z"
    ),
]
Base64: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")]
Decimal: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^(?:0|-?[1-9][0-9]*)\Z")]
Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Number: TypeAlias = Annotated[float, msgspec.Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]

_T = TypeVar("_T")

if TYPE_CHECKING:
    OptionalJson: TypeAlias = msgspec.Raw | None
    Defaulted: TypeAlias = Annotated[_T, "never None once it is made"]
else:
    OptionalJson = msgspec.Raw  # msgspec cannot decode a union with Raw
    Defaulted = _T | None  # null is absent


def _no_items() -> list[_T]:
    return []


def _no_entries() -> dict[str, _T]:
    return {}


def _fill(value: msgspec.Struct, *names: str) -> None:
    """Give the members that were null their defaults: on input, null is absent."""
    for name in names:
        if getattr(value, name) is None:
            [factory] = (one.default_factory for one in msgspec.structs.fields(value) if one.name == name)
            msgspec.structs.force_setattr(value, name, factory())


class SecretFrom16To256(Secret, min_length=16, max_length=256):
    """A secret of this many characters."""

    __slots__ = ()


class Acceleration(StrEnum):
    """How the hypervisor runs guest code."""

    KVM = "kvm"
    """By the processor."""
    TCG = "tcg"
    """By translation; slow."""
    NONE = "none"
    """Not at all (simulator)."""


class AuditOutcome(StrEnum):
    """What became of a call."""

    DONE = "done"
    """It was done."""
    FAILED = "failed"
    """It was tried and failed."""
    CANCELLED = "cancelled"
    """It was stopped as asked."""
    UNKNOWN = "unknown"
    """Its end was not seen."""
    REFUSED = "refused"
    """It was not allowed."""


class CertificateKind(StrEnum):
    """What a certificate is for."""

    CLIENT = "client"
    """It proves who a client is."""
    SERVER = "server"
    """It proves that this is this host."""
    CA = "ca"
    """It vouches for others."""


class ChangeEffect(StrEnum):
    """When a change takes effect."""

    LIVE = "live"
    """At once."""
    RESTART = "restart"
    """At the next start."""
    RECREATE = "recreate"
    """Only in a new virtual machine."""


class ChangeKind(StrEnum):
    """What happened to an object."""

    ADDED = "added"
    """It is new (to you)."""
    CHANGED = "changed"
    """It has changed."""
    REMOVED = "removed"
    """It is gone (for you)."""


class ConsoleKind(StrEnum):
    """A kind of console."""

    SERIAL = "serial"
    """A serial port."""
    GRAPHICS = "graphics"
    """The screen."""


class ConsoleProtocol(StrEnum):
    """What the bytes of a console are."""

    SERIAL = "serial"
    """Terminal bytes."""
    VNC = "vnc"
    """RFB."""


class CpuMode(StrEnum):
    """What a virtual processor looks like."""

    MAXIMUM = "maximum"
    """All that the hypervisor can give here."""
    HOST_PASSTHROUGH = "hostPassthrough"
    """The host's own processor; needs KVM."""
    HOST_MODEL = "hostModel"
    """The named model nearest to the host's."""
    CUSTOM = "custom"
    """The named model."""


class Desired(StrEnum):
    """Where the configuration comes from."""

    RECORDED = "recorded"
    """It was asked for and is recorded here."""
    DERIVED = "derived"
    """It was read back from the hypervisor."""


class DiskBus(StrEnum):
    """How a disk is attached."""

    VIRTIO = "virtio"
    """virtio-blk."""
    SCSI = "scsi"
    """virtio-scsi."""
    SATA = "sata"
    """AHCI."""


class DiskDevice(StrEnum):
    """What a disk is to the guest."""

    DISK = "disk"
    """A disk."""
    CDROM = "cdrom"
    """A CD drive."""


class DiskFormat(StrEnum):
    """How a disk's file is laid out; never guessed."""

    RAW = "raw"
    """As it is."""
    QCOW2 = "qcow2"
    """QEMU's copy-on-write format."""


class EventCauseKind(StrEnum):
    """What kind of thing caused a change."""

    CALL = "call"
    """A verb."""
    HYPERVISOR = "hypervisor"
    """The hypervisor told of it."""
    RESYNC = "resync"
    """It was found when states were compared after a loss; when it happened is not known."""
    DAEMON = "daemon"
    """The daemon itself."""


class EventGapReason(StrEnum):
    """Why events can no longer be had."""

    TRIMMED = "trimmed"
    """The journal no longer has them."""
    EPOCH = "epoch"
    """The token is of another life of the journal."""
    RIGHTS = "rights"
    """What you may see has changed since you got the token, or the token is somebody else's."""


class FindingState(StrEnum):
    """How well something works."""

    OK = "ok"
    """It works."""
    LIMITED = "limited"
    """It works in part, or will stop working."""
    MISSING = "missing"
    """It does not work."""
    UNKNOWN = "unknown"
    """It could not be looked at."""


class Firmware(StrEnum):
    """A kind of firmware."""

    BIOS = "bios"
    """SeaBIOS."""
    UEFI = "uefi"
    """OVMF."""


class GraphicsProtocol(StrEnum):
    """A remote screen protocol."""

    VNC = "vnc"
    """RFB."""


class IdentitySource(StrEnum):
    """How an identity was established."""

    UNIX = "unix"
    """By the credentials of a unix socket's peer."""
    ANONYMOUS = "anonymous"
    """Not at all; the daemon runs with --insecure."""
    CONNECTOR = "connector"
    """By a connector inside the daemon."""
    CERTIFICATE = "certificate"
    """By a client certificate."""
    TOKEN = "token"
    """By a token."""


class NicModel(StrEnum):
    """A network card."""

    VIRTIO = "virtio"
    """virtio-net."""
    E1000E = "e1000e"
    """Intel 82574."""
    RTL8139 = "rtl8139"
    """Realtek 8139."""


class QueueOverflow(StrEnum):
    """What happens to a message for which a queue has no room."""

    REJECT = "reject"
    """The sender is refused."""
    DROP_OLDEST = "dropOldest"
    """The oldest waiting message goes to the dead letters."""
    DROP_NEWEST = "dropNewest"
    """It goes to the dead letters itself, and the sender is not told."""


class ShutdownResultWay(StrEnum):
    """What brought a guest down."""

    AGENT = "agent"
    """The guest agent."""
    ACPI = "acpi"
    """The power button."""
    FORCE = "force"
    """The plug, or the reset button."""
    NONE = "none"
    """It was down already."""


class ShutdownWay(StrEnum):
    """How to ask a guest."""

    AGENT = "agent"
    """By the guest agent."""
    ACPI = "acpi"
    """By the power button."""


class SubsystemState(StrEnum):
    """The condition of a part of the daemon."""

    STARTING = "starting"
    """Its process is there and has not reported yet."""
    READY = "ready"
    """It works."""
    DEGRADED = "degraded"
    """It works in part, or does not answer its heartbeat."""
    UNAVAILABLE = "unavailable"
    """Its process is gone, or what it needs outside does not answer."""
    HELD = "held"
    """It crashed too often and is held down."""


class TaskState(StrEnum):
    """How far a task is."""

    RUNNING = "running"
    """It is being done."""
    CANCELLING = "cancelling"
    """It was asked to stop."""
    DONE = "done"
    """It ended well; result is there."""
    FAILED = "failed"
    """It ended with an error; error is there."""
    CANCELLED = "cancelled"
    """It was stopped as asked; error is there."""
    UNKNOWN = "unknown"
    """Its end was not seen; error is OutcomeUnknown."""


class VideoModel(StrEnum):
    """A graphics card."""

    NONE = "none"
    """No card."""
    VGA = "vga"
    """Standard VGA."""
    VIRTIO = "virtio"
    """virtio-gpu."""


class VmState(StrEnum):
    """What a virtual machine is doing."""

    UNKNOWN = "unknown"
    """The hypervisor cannot be asked at the moment; it may well be running."""
    STOPPED = "stopped"
    """It has no process."""
    RUNNING = "running"
    """Its processors run."""
    PAUSED = "paused"
    """Its processors are stopped; memory is kept."""
    STOPPING = "stopping"
    """The guest is shutting down."""
    CRASHED = "crashed"
    """The guest has crashed and its process is kept."""
    HIBERNATED = "hibernated"
    """It is stopped and its memory is on disk."""


class AccessCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Whether a call is allowed."""

    allowed: bool
    """Whether it is."""
    permission: str | None = None
    """What the verb needs; absent if it needs nothing."""
    grants: list[Grant]
    """The grants that allow it."""


class AccessExplanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why a call is refused."""

    allowed: bool
    """Whether it is allowed after all."""
    permission: str | None = None
    """What the verb needs; absent if it needs nothing."""
    considered: list[ConsideredGrant]
    """Every grant of the identity."""
    remedy: str | None = None
    """What would allow it."""


class AuditChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What changed between two times."""

    items: list[ObjectChange]
    """The objects, in the order of their first change."""
    complete: bool
    """Whether the journal still has all of that time, and all objects are in this answer."""


class AuditFilter(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"object_id": "objectId"}
):
    """Which records; every member that is there must fit."""

    identity: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """Is about this identity."""
    method: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """Calls this verb."""
    object_id: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """Is on this object."""
    outcomes: Annotated[list[AuditOutcome], msgspec.Meta(max_length=8)] | None = None
    """Ended in one of these ways."""
    since: Timestamp | None = None
    """Was recorded at this time or later."""
    until: Timestamp | None = None
    """Was recorded before this time."""


class AuditList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of audit records."""

    items: list[AuditRecord]
    """The records of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class AuditRecord(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"operation_id": "operationId", "flow_id": "flowId"},
):
    """One call, or several refusals of the same kind."""

    sequence: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Its number."""
    time: Timestamp
    """When it was recorded."""
    identity: str
    """Who."""
    source: IdentitySource
    """How the identity was established."""
    address: str
    """From where."""
    method: str
    """The verb."""
    object: ObjectRef | None = None
    """On which object."""
    project: str | None = None
    """The object's project."""
    changed: list[str] | None = None
    """Paths of what was given to be changed, without values."""
    outcome: AuditOutcome
    """What became of it."""
    error: str | None = None
    """The error's name if it did not end well."""
    operation_id: str | None = None
    """The task, or the call's own id."""
    flow_id: str | None = None
    """The caller's own word for a group of calls."""
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    """How many refusals alike this record stands for. Unit: count."""
    until: Timestamp | None = None
    """When the last of several was."""
    hash: str
    """SHA-256 over the record before it and this one, in hexadecimal digits."""


class AuditVerdict(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"first_unsound": "firstUnsound"}
):
    """Whether the chain of audit records is whole."""

    sound: bool
    """Whether it is."""
    first: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The oldest record that is kept."""
    last: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The newest."""
    hash: str | None = None
    """The hash of the newest; keep it elsewhere to notice a chain that was made anew."""
    first_unsound: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """The first record that does not fit."""
    reason: str | None = None
    """What is wrong with it."""


class BlockDiskSource(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag="block"
):
    """A block device that is a disk."""

    path: Annotated[str, msgspec.Meta(min_length=2, max_length=1024, pattern=r"^(?:/dev/[^\x00-\x1f\x7f]+)\Z")]
    """The device on the host."""


class BridgeNicSource(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag="bridge"
):
    """A bridge of the host."""

    bridge: Annotated[str, msgspec.Meta(min_length=1, max_length=15, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")]
    """The bridge."""


class CallOptions(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"not_after": "notAfter", "idempotency_key": "idempotencyKey", "expected_generation": "expectedGeneration", "flow_id": "flowId"},
):
    """What may travel beside the parameters of any call: member meta in JSON-RPC, headers Vdsm-* in HTTP."""

    timeout: Annotated[float, msgspec.Meta(ge=0.001, le=86400)] | None = None
    """The longest time for the call, from its receipt. Unit: seconds."""
    not_after: Timestamp | None = None
    """The call is not run after this time."""
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    """A repeated call with this key is answered as the first was."""
    expected_generation: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """The object must have this generation."""
    wait: Annotated[float, msgspec.Meta(ge=0, le=3600)] | None = None
    """For operations: answer when the task has ended or this time is up. Unit: seconds."""
    flow_id: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """Your word for a group of calls; it is in tasks, events and logs."""
    traceparent: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """W3C trace context."""
    tracestate: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    """W3C trace context."""


class Certificate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "created_at": "createdAt",
        "created_by": "createdBy",
        "expires_at": "expiresAt",
        "expiry_warning": "expiryWarning",
        "revoked_at": "revokedAt",
        "revoked_by": "revokedBy",
        "replaced_by": "replacedBy",
    },
):
    """A certificate."""

    id: Uuid
    """Its id on this host."""
    kind: CertificateKind
    """What it is for."""
    identity: str | None = None
    """Whom it speaks for."""
    subject: str
    """Its subject."""
    names: list[str]
    """Its further names (SANs) with their kinds."""
    fingerprint: str
    """The SHA-256 of its bytes, hexadecimal."""
    serial: str
    """Its number, hexadecimal."""
    created_at: Timestamp
    """When it was made."""
    created_by: str | None = None
    """Who asked for it."""
    expires_at: Timestamp
    """When it ends."""
    expiry_warning: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """That its end is near: 30, 7 or 1, so many days or fewer are left; 0, it is over. Unit: count."""
    revoked_at: Timestamp | None = None
    """When it was revoked."""
    revoked_by: str | None = None
    """Who revoked it."""
    replaced_by: Uuid | None = None
    """The certificate that follows it."""
    revision: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The event sequence of its last change."""


class CertificateFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which certificates; every member that is there must fit."""

    kind: CertificateKind | None = None
    """Is for this."""
    identity: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """Speaks for this identity."""
    fingerprint: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """Has this fingerprint."""
    valid: bool | None = None
    """Is neither revoked nor over, or (false) is."""


class CertificateIssued(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"expires_at": "expiresAt"}
):
    """A certificate with all that its holder needs."""

    id: Uuid
    """Its id on this host."""
    identity: str
    """Whom it speaks for."""
    certificate: str
    """The certificate in PEM."""
    key: str | None = None
    """Its key in PEM, shown this once; absent if it was asked for by csr."""
    ca: str
    """The CA of this host in PEM, by which its server is known."""
    expires_at: Timestamp
    """When it ends."""


class CertificateList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of certificates."""

    items: list[Certificate]
    """The certificates of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A changed member and when it takes effect."""

    path: str
    """The member, such as config.memory."""
    effect: ChangeEffect
    """When it takes effect."""


class ConnectionFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which connections; every member that is there must fit."""

    identity: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """Is this identity's."""
    protocol: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    """Speaks this protocol."""
    address: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """Is from there."""


class ConnectionInfo(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "connected_at": "connectedAt",
        "heart_beat": "heartBeat",
        "received_octets": "receivedOctets",
        "sent_octets": "sentOctets",
        "buffered_octets": "bufferedOctets",
    },
):
    """One connection."""

    id: str
    """Its id in this life of the daemon."""
    identity: str
    """Who is at its other end."""
    source: IdentitySource
    """How the identity was established."""
    address: str
    """From where."""
    listener: str
    """Where it was accepted."""
    protocol: str
    """json, http, stomp, amqp, websocket; with its version where it has one."""
    cipher: str | None = None
    """TLS version and cipher; absent if it is plain."""
    connected_at: Timestamp
    """Since when."""
    heart_beat: Annotated[float, msgspec.Meta(ge=0, le=MAX_NUMBER)] | None = None
    """How often its client promised to show life. Unit: seconds."""
    received_octets: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Received from it. Unit: bytes."""
    sent_octets: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Written to it. Unit: bytes."""
    buffered_octets: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """What its client has not taken yet. Unit: bytes."""
    subscriptions: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Its subscriptions. Unit: count."""
    lag: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Events by which its slowest subscription is behind. Unit: count."""
    calls: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Requests it made.

    A call, a batch, an HTTP request and a frame of STOMP or AMQP are one each; a frame of more than 4 KiB counts as several. Unit: count.
    """


class ConnectionList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of connections."""

    items: list[ConnectionInfo]
    """The connections of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class ConsideredGrant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A grant, and why it does or does not allow the call."""

    grant: Grant
    """The grant."""
    fits: bool
    """Whether it allows the call."""
    reason: str
    """Why."""


class ConsoleTicket(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"expires_at": "expiresAt"}
):
    """The right to open one console once."""

    ticket: str
    """The ticket."""
    path: str
    """The path of the stream."""
    protocol: ConsoleProtocol
    """What the bytes are."""
    expires_at: Timestamp
    """When it can no longer be used."""


class CpuConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the processors look."""

    mode: Defaulted[CpuMode] = msgspec.field(default_factory=lambda: CpuMode.MAXIMUM)
    """What they look like."""
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")] | None = None
    """The named model of mode custom."""
    sockets: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    """Sockets; sockets × cores × threads is vcpus. Unit: count."""
    cores: Annotated[int, msgspec.Meta(ge=1, le=512)] | None = None
    """Cores of a socket. Unit: count."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=8)] | None = None
    """Threads of a core. Unit: count."""

    def __post_init__(self) -> None:
        _fill(self, "mode")


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that was looked at."""

    items: list[Finding]
    """The findings, in the order of their ids."""


class DiskConfig(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"read_only": "readOnly", "boot_order": "bootOrder"},
):
    """A disk."""

    id: Annotated[str, msgspec.Meta(min_length=4, max_length=64, pattern=r"^(?:ua-[A-Za-z0-9_-]+)\Z")] | None = None
    """Its device id; given by the host if absent."""
    source: DiskSource | None = None
    """Where its bytes are; absent for an empty CD drive."""
    device: Defaulted[DiskDevice] = msgspec.field(default_factory=lambda: DiskDevice.DISK)
    """What it is to the guest."""
    bus: Defaulted[DiskBus] = msgspec.field(default_factory=lambda: DiskBus.VIRTIO)
    """How it is attached."""
    read_only: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """The guest cannot write to it."""
    boot_order: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    """Its place among the devices to boot from, 1 first."""

    def __post_init__(self) -> None:
        _fill(self, "device", "bus", "read_only")


class EnrolmentMade(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"expires_at": "expiresAt"}
):
    """The right to get one certificate."""

    token: str
    """The token, shown this once."""
    expires_at: Timestamp
    """When it can no longer be used."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One change of one object."""

    epoch: str
    """The life of the journal; changes only if that is lost or restored."""
    sequence: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Its number in the epoch."""
    time: Timestamp
    """When it was recorded."""
    topic: str
    """Its topic, such as vm.<id>."""
    object: EventObject
    """What has changed."""
    change: ChangeKind
    """What happened to it."""
    patch: OptionalJson = None
    """For added the document; for changed a merge patch (RFC 7396) of it."""
    cause: EventCause
    """Why."""
    merged: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)] | None = None
    """How many changes were merged into this one. Unit: count."""


class EventCause(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"operation_id": "operationId"}
):
    """Why it changed."""

    kind: EventCauseKind
    """What caused it."""
    method: str | None = None
    """The verb."""
    operation_id: str | None = None
    """The task, or the call's own id."""
    identity: str | None = None
    """Who asked."""
    detail: str | None = None
    """The hypervisor's own word."""


class EventDelivery(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"subscription_id": "subscriptionId"}
):
    """The parameters of an Event.deliver notification."""

    subscription_id: str
    """The subscription."""
    resume: str
    """The token after this delivery."""
    event: Event | None = None
    """The event."""
    gap: EventGap | None = None
    """Or the gap before the events that follow."""


class EventFilter(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"object_ids": "objectIds"}
):
    """Which events; every member that is there must fit."""

    types: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=32)] | None = None
    """Are about objects of these types."""
    object_ids: Annotated[list[Annotated[str, msgspec.Meta(max_length=128)]], msgspec.Meta(max_length=1000)] | None = None
    """Are about these objects."""
    fields: Annotated[list[Annotated[str, msgspec.Meta(max_length=128)]], msgspec.Meta(max_length=64)] | None = None
    """Change one of these members, such as state or config.memory; added and removed always fit."""
    projects: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=64)] | None = None
    """Are about objects of these projects."""


class EventGap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Events that can no longer be had; read the objects anew."""

    reason: EventGapReason
    """Why."""
    missed: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """How many, if known. Unit: count."""


class EventList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Events in order."""

    items: list[Event]
    """The events."""
    resume: str
    """The token to go on from."""
    gap: EventGap | None = None
    """What was lost before them."""


class EventObject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The object of an event."""

    type: str
    """Its type, such as vm."""
    id: str
    """Its id."""
    generation: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """Its generation after the change."""
    revision: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Its revision after the change."""
    project: str | None = None
    """Its project."""


class EventSubscription(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"subscription_id": "subscriptionId"}
):
    """A subscription."""

    subscription_id: str
    """Its name on this connection."""
    resume: str
    """The token from which it begins."""


class EverywhereScope(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag="everywhere"
):
    """All objects, and the host."""


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that a host may or may not be able to do."""

    name: str
    """Its name; verbs and fields name it in requires."""
    available: bool
    """Whether it can be had here."""
    reason: str | None = None
    """Why not."""


class FileDiskSource(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag="file"
):
    """A file that holds a disk."""

    path: Annotated[str, msgspec.Meta(min_length=2, max_length=1024, pattern=r"^(?:/[^\x00-\x1f\x7f]+)\Z")]
    """The file on the host."""
    format: DiskFormat
    """How it is laid out."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that was looked at."""

    id: str
    """What, such as hypervisor.acceleration; stable."""
    state: FindingState
    """How well it works."""
    summary: str
    """What was found."""
    reason: str | None = None
    """Why it is so."""
    remedy: str | None = None
    """What would help."""


class FirmwareConfig(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"secure_boot": "secureBoot"}
):
    """The firmware."""

    kind: Defaulted[Firmware] = msgspec.field(default_factory=lambda: Firmware.BIOS)
    """Which."""
    secure_boot: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Start signed boot loaders only; needs uefi."""

    def __post_init__(self) -> None:
        _fill(self, "kind", "secure_boot")


class Grant(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"expires_at": "expiresAt", "created_at": "createdAt", "created_by": "createdBy"},
):
    """A role that an identity has somewhere."""

    id: Uuid
    """Its id."""
    identity: str
    """Who has it."""
    role: str
    """The role."""
    scope: AccessScope
    """Where."""
    expires_at: Timestamp | None = None
    """When it ends by itself."""
    created_at: Timestamp
    """When it was given."""
    created_by: str
    """Who gave it."""


class GrantFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which grants; every member that is there must fit."""

    identity: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """Is this identity's."""
    role: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """Gives this role."""
    project: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """Holds in this project alone."""


class GrantList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of grants."""

    items: list[Grant]
    """The grants of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class GraphicsConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a screen can be reached: only by Console.open; nothing listens on the network."""

    protocol: Defaulted[GraphicsProtocol] = msgspec.field(default_factory=lambda: GraphicsProtocol.VNC)
    """The protocol."""

    def __post_init__(self) -> None:
        _fill(self, "protocol")


class HostCapabilities(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "hypervisor_version": "hypervisorVersion",
        "emulator_version": "emulatorVersion",
        "acceleration_reason": "accelerationReason",
        "cpu_models": "cpuModels",
        "maximum_vcpus": "maximumVcpus",
    },
):
    """What the hypervisor can do."""

    hypervisor: str
    """Its name, such as QEMU or simulator."""
    hypervisor_version: str
    """The version of libvirt (or of the simulator)."""
    emulator_version: str
    """The version of QEMU (or of the simulator)."""
    acceleration: Acceleration
    """What new virtual machines use."""
    acceleration_reason: str | None = None
    """Why it is not kvm, with what was tried."""
    architectures: list[str]
    """Guest architectures."""
    machines: list[str]
    """Machine types."""
    cpu_models: list[str]
    """Named CPU models that can be used."""
    firmwares: list[Firmware]
    """Firmware kinds that can be used."""
    maximum_vcpus: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    """The most virtual CPUs of one virtual machine. Unit: count."""
    features: list[Feature]
    """Everything that may be missing, with the reason."""


class HostCpuStats(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"sampled_at": "sampledAt", "not_refreshed": "notRefreshed", "used_percent": "usedPercent"},
):
    """Processor use of the host."""

    sampled_at: Timestamp
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    used_percent: Annotated[float, msgspec.Meta(ge=0, le=100)]
    """Share of all processors in use since the sample before. Unit: percent."""
    load1: Annotated[float, msgspec.Meta(ge=0, le=MAX_NUMBER)]
    """Load average of one minute."""
    load5: Annotated[float, msgspec.Meta(ge=0, le=MAX_NUMBER)]
    """Load average of five minutes."""
    load15: Annotated[float, msgspec.Meta(ge=0, le=MAX_NUMBER)]
    """Load average of fifteen minutes."""


class HostInfo(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "operating_system": "operatingSystem",
        "cpu_model": "cpuModel",
        "booted_at": "bootedAt",
        "daemon_version": "daemonVersion",
        "api_version": "apiVersion",
        "schema_digest": "schemaDigest",
        "started_at": "startedAt",
    },
):
    """What the host is."""

    id: Uuid
    """The host's id."""
    hostname: str
    """Its name."""
    operating_system: str
    """The distribution and its version."""
    kernel: str
    """The kernel's release."""
    architecture: str
    """The processor's architecture, such as x86_64."""
    cpu_model: str | None = None
    """The processor's name."""
    cpus: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    """Logical processors that are online. Unit: count."""
    memory: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Physical memory. Unit: bytes."""
    booted_at: Timestamp
    """When the host was started."""
    daemon_version: str
    """The version of vdsmd."""
    api_version: str
    """The version of the native API."""
    schema_digest: str
    """The digest of the schema that is served."""
    started_at: Timestamp
    """When the daemon was started."""
    subsystems: list[SubsystemInfo]
    """The daemon's parts."""
    revision: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The event sequence of its last change."""


class HostMemoryStats(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"sampled_at": "sampledAt", "not_refreshed": "notRefreshed", "swap_total": "swapTotal", "swap_free": "swapFree"},
):
    """Memory use of the host."""

    sampled_at: Timestamp
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    total: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Physical memory. Unit: bytes."""
    available: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Memory that can be given to new work without swapping. Unit: bytes."""
    swap_total: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Swap space. Unit: bytes."""
    swap_free: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Swap space not in use. Unit: bytes."""


class HostPingResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The answer to a ping."""

    pong: bool
    """Always true."""


class HostStats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How busy the host is."""

    cpu: HostCpuStats
    """Processors."""
    memory: HostMemoryStats
    """Memory."""
    vms: HostVmStats
    """Virtual machines."""


class HostVmStats(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"sampled_at": "sampledAt", "not_refreshed": "notRefreshed"},
):
    """How many virtual machines there are."""

    sampled_at: Timestamp
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    defined: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """All of them. Unit: count."""
    running: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Those that are running or paused. Unit: count."""


class IdentityInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An identity and its rights."""

    identity: str
    """Its name, such as unix:0."""
    source: IdentitySource
    """How it was established."""
    roles: list[str]
    """Its roles."""
    permissions: list[str]
    """What it may do."""
    projects: list[ProjectRights] | None = None
    """What it may do besides in single projects."""
    objects: list[ObjectRights] | None = None
    """What it may do besides to single objects."""


class KernelBoot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A kernel that is booted directly."""

    path: Annotated[str, msgspec.Meta(min_length=2, max_length=1024, pattern=r"^(?:/[^\x00-\x1f\x7f]+)\Z")]
    """The kernel's file on the host."""
    initrd: Annotated[str, msgspec.Meta(min_length=2, max_length=1024, pattern=r"^(?:/[^\x00-\x1f\x7f]+)\Z")] | None = None
    """The initial file system's file on the host."""
    arguments: Annotated[str, msgspec.Meta(max_length=2048, pattern=r"^(?:[^\x00-\x1f\x7f]*)\Z")] | None = None
    """The kernel's command line."""


class NetworkNicSource(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag="network"
):
    """A network of the hypervisor."""

    network: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")]
    """Its name."""


class NicConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A network card."""

    id: Annotated[str, msgspec.Meta(min_length=4, max_length=64, pattern=r"^(?:ua-[A-Za-z0-9_-]+)\Z")] | None = None
    """Its device id; given by the host if absent."""
    source: NicSource
    """What it is plugged into."""
    model: Defaulted[NicModel] = msgspec.field(default_factory=lambda: NicModel.VIRTIO)
    """What it is to the guest."""
    mac: Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f][02468ace](:[0-9a-f]{2}){5})\Z")] | None = None
    """Its address; given by the host if absent."""

    def __post_init__(self) -> None:
        _fill(self, "model")


class NotRefreshed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why a group of sampled figures is older than it should be."""

    error: str
    """The error's id, such as GuestUnresponsive."""
    reason: str
    """In words."""


class Nothing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An empty answer; it may grow."""


class ObjectChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that changed on one object."""

    object: ObjectRef
    """The object."""
    change: ChangeKind
    """What all of it comes to: added, changed or removed."""
    patch: OptionalJson = None
    """All changes as one merge patch (RFC 7396)."""
    events: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    """How many events there were. Unit: count."""
    causes: list[EventCause]
    """Why, each cause once, oldest first."""


class ObjectRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An object."""

    type: str
    """Its type, such as vm."""
    id: str
    """Its id."""


class ObjectRights(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What may be done to an object."""

    object: ObjectRef
    """The object."""
    permissions: list[str]
    """What may be done to it."""


class ObjectScope(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag="object"
):
    """One object."""

    type: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """Its type, such as vm."""
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """Its id."""


class OpenRpc(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An OpenRPC document; its members are OpenRPC's."""

    openrpc: str
    """The version of OpenRPC."""
    info: msgspec.Raw
    """Title and version of this API."""
    methods: msgspec.Raw
    """The verbs."""
    components: OptionalJson = None
    """Types and errors."""


class PlanCheck(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"nothing_to_do": "nothingToDo"}
):
    """Whether a call is possible."""

    possible: bool
    """Whether nothing speaks against it."""
    nothing_to_do: bool | None = None
    """Whether all is already as the call would make it."""
    reasons: list[PlanReason]
    """All that speaks against it."""


class PlanReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One reason why a call would fail now."""

    error: str
    """The error that the call would answer."""
    code: Integer
    """The error's number."""
    message: str
    """In words."""
    path: str | None = None
    """The parameter that is wrong, as a JSONPath."""
    remedy: str
    """What would help."""
    retryable: bool
    """Whether it may pass by itself."""


class ProjectRights(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What may be done in a project."""

    project: str
    """The project."""
    permissions: list[str]
    """What may be done there."""


class ProjectScope(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag="project"
):
    """The objects of a project, those to come included."""

    project: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")]
    """The project."""


class Queue(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "max_messages": "maxMessages",
        "max_octets": "maxOctets",
        "time_to_live": "timeToLive",
        "dead_letter": "deadLetter",
        "max_deliveries": "maxDeliveries",
        "created_at": "createdAt",
    },
):
    """A queue."""

    id: str
    """Its name."""
    project: str
    """The project to which it belongs."""
    durable: bool
    """Whether it survives a restart."""
    max_messages: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    """How many messages it holds. Unit: count."""
    max_octets: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    """How many octets it holds. Unit: bytes."""
    overflow: QueueOverflow
    """What happens to a message that has no room."""
    time_to_live: Annotated[float, msgspec.Meta(ge=0, le=MAX_NUMBER)] | None = None
    """How long a message waits at most. Unit: seconds."""
    dead_letter: str | None = None
    """The queue for messages that cannot be delivered."""
    max_deliveries: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    """How often a message is tried in vain. Unit: count."""
    created_at: Timestamp
    """When it was made."""
    revision: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The event sequence of its last change."""
    stats: QueueStats | None = None
    """How full it is now; in answers, not in events."""


class QueueCount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How many messages it was."""

    messages: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """How many. Unit: count."""


class QueueList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of queues."""

    items: list[Queue]
    """The queues of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class QueueMessage(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"sent_at": "sentAt", "sent_by": "sentBy", "expires_at": "expiresAt", "content_type": "contentType"},
):
    """A message that waits."""

    id: str
    """Its id in the queue."""
    sent_at: Timestamp
    """When it came."""
    sent_by: str
    """Who sent it."""
    expires_at: Timestamp | None = None
    """When its time is up."""
    deliveries: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """How often it was tried in vain. Unit: count."""
    content_type: str | None = None
    """What its body is."""
    headers: dict[str, str]
    """The sender's headers."""
    octets: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The size of its body. Unit: bytes."""
    body: Base64
    """Its body, its first 64 KiB."""
    reason: str | None = None
    """Why it is among the dead letters."""


class QueueMessages(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of messages."""

    items: list[QueueMessage]
    """The messages, the oldest first."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class QueueStats(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"dead_lettered": "deadLettered"}
):
    """How full a queue is and what went through it since it was made or the daemon started."""

    waiting: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Messages that wait for a consumer. Unit: count."""
    unsettled: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Messages that a consumer has and has not settled. Unit: count."""
    octets: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """What they take. Unit: bytes."""
    consumers: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Its consumers. Unit: count."""
    received: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Messages that were sent to it. Unit: count."""
    delivered: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Messages that were accepted, or written to consumers that need not. Unit: count."""
    redelivered: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Deliveries that were not the first of their message. Unit: count."""
    dead_lettered: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Messages that went to the dead letters. Unit: count."""
    expired: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Messages whose time was up. Unit: count."""
    dropped: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Messages that were lost by the rule of the queue. Unit: count."""


class Role(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"built_in": "builtIn"}):
    """A set of permissions."""

    name: str
    """Its name."""
    summary: str
    """What it is for."""
    permissions: list[str]
    """What it lets do."""
    built_in: bool
    """Whether it comes with this API; such a role cannot be changed."""


class RoleList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All roles."""

    items: list[Role]
    """The roles, in the order of their names."""


class SerialConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A serial port."""

    id: Annotated[str, msgspec.Meta(min_length=4, max_length=64, pattern=r"^(?:ua-[A-Za-z0-9_-]+)\Z")] | None = None
    """Its device id; given by the host if absent."""
    log: Annotated[str, msgspec.Meta(min_length=2, max_length=1024, pattern=r"^(?:/[^\x00-\x1f\x7f]+)\Z")] | None = None
    """A file on the host to which all its output is appended."""


class SubsystemInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The condition of one part of the daemon."""

    name: str
    """virt, host, storage or network."""
    state: SubsystemState
    """Its condition."""
    reason: str | None = None
    """Why it is not ready."""
    restarts: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """How often it was restarted since the daemon's start. Unit: count."""


class Task(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"flow_id": "flowId", "created_at": "createdAt", "ended_at": "endedAt"},
):
    """Long work."""

    id: Uuid
    """Its id."""
    method: str
    """The verb."""
    object: ObjectRef | None = None
    """What it works on."""
    project: str | None = None
    """The project of the object."""
    subsystem: str
    """Who does it."""
    identity: str | None = None
    """Who asked for it."""
    flow_id: str | None = None
    """The caller's own word for a group of calls."""
    state: TaskState
    """How far it is."""
    progress: TaskProgress
    """How much is done."""
    result: OptionalJson = None
    """The verb's result, once done."""
    error: TaskError | None = None
    """Why it did not end well."""
    cancellable: bool
    """Whether Task.cancel can stop it now."""
    created_at: Timestamp
    """When it was asked for."""
    ended_at: Timestamp | None = None
    """When it ended."""
    revision: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The event sequence of its last change."""


class TaskAccepted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The answer of every operation."""

    task: Task
    """The task; ended already if the call waited for it."""


class TaskError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why a task failed, as an error answer has it."""

    code: Integer
    """The error's number."""
    message: str
    """In words."""
    data: OptionalJson = None
    """The error's data, as in an error answer."""


class TaskFilter(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"object_id": "objectId"}
):
    """Which tasks; every member that is there must fit."""

    states: Annotated[list[TaskState], msgspec.Meta(max_length=16)] | None = None
    """Is in one of these states."""
    method: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """Does this verb."""
    object_id: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """Works on this object."""


class TaskList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of tasks."""

    items: list[Task]
    """The tasks of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class TaskProgress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much is done."""

    value: Annotated[float, msgspec.Meta(ge=0, le=MAX_NUMBER)]
    """How much; its unit stands beside it."""
    unit: str
    """percent, bytes, ..."""


class Token(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"created_at": "createdAt", "created_by": "createdBy", "expires_at": "expiresAt", "used_at": "usedAt"},
):
    """A token, without what it is: only its digest is kept."""

    id: Uuid
    """Its id."""
    label: str
    """What it is for."""
    identity: str
    """For whom it speaks."""
    role: str | None = None
    """It can do no more than this role."""
    scope: AccessScope | None = None
    """It can do nothing outside of this."""
    created_at: Timestamp
    """When it was made."""
    created_by: str
    """By whom."""
    expires_at: Timestamp
    """When it ends."""
    used_at: Timestamp | None = None
    """When it was last used, to the hour."""


class TokenList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of tokens."""

    items: list[Token]
    """The tokens of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class TokenMade(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"token_id": "tokenId", "expires_at": "expiresAt"},
):
    """A new token."""

    token_id: Uuid
    """Its id."""
    token: str
    """The token; it is shown this once."""
    expires_at: Timestamp
    """When it ends."""


class UserNicSource(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag="user"
):
    """A private network of its own."""


class VM(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"state_reason": "stateReason", "started_at": "startedAt", "restart_needed": "restartNeeded"},
):
    """A virtual machine."""

    id: Uuid
    """Its id for ever."""
    name: str
    """Its label."""
    generation: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Counts the accepted changes of its configuration."""
    revision: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The event sequence of its last change of any kind."""
    project: str
    """The project to which it belongs."""
    desired: Desired
    """Where config comes from."""
    state: VmState
    """What it is doing."""
    state_reason: str | None = None
    """Why it is in that state, in the hypervisor's word, such as booted, user, crashed, found-at-resync."""
    problem: str | None = None
    """What keeps us from managing it fully, such as: its process does not answer."""
    started_at: Timestamp | None = None
    """When it was started as far as we saw it."""
    config: VmConfig
    """What it is to be."""
    restart_needed: list[str]
    """Members of config that take effect at its next start."""
    actions: dict[str, str] | None = None
    """Verbs that its state refuses now, each with the reason; only where it was asked for."""


class VmConfig(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"guest_agent": "guestAgent", "memory_balloon": "memoryBalloon"},
):
    """What a virtual machine is to be."""

    memory: Annotated[int, msgspec.Meta(ge=16777216, le=17592186044416, multiple_of=1024)]
    """Its memory. Unit: bytes."""
    vcpus: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=512)]] = msgspec.field(default_factory=lambda: 1)
    """Its virtual processors. Unit: count."""
    cpu: Defaulted[CpuConfig] = msgspec.field(default_factory=CpuConfig)
    """How its processors look."""
    firmware: Defaulted[FirmwareConfig] = msgspec.field(default_factory=FirmwareConfig)
    """Its firmware."""
    machine: Defaulted[Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")]] = (
        msgspec.field(default_factory=lambda: "q35")
    )
    """The machine type, such as q35."""
    architecture: Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^(?:[a-z0-9_]+)\Z")] | None = None
    """The guest's architecture; the host's if absent."""
    kernel: KernelBoot | None = None
    """Boot this kernel directly."""
    disks: Defaulted[Annotated[list[DiskConfig], msgspec.Meta(max_length=64)]] = msgspec.field(default_factory=_no_items)
    """Its disks."""
    nics: Defaulted[Annotated[list[NicConfig], msgspec.Meta(max_length=32)]] = msgspec.field(default_factory=_no_items)
    """Its network cards."""
    serials: Defaulted[Annotated[list[SerialConfig], msgspec.Meta(max_length=4)]] = msgspec.field(default_factory=_no_items)
    """Its serial ports."""
    graphics: Defaulted[Annotated[list[GraphicsConfig], msgspec.Meta(max_length=2)]] = msgspec.field(default_factory=_no_items)
    """How its screen can be reached."""
    video: Defaulted[VideoModel] = msgspec.field(default_factory=lambda: VideoModel.NONE)
    """Its graphics card."""
    guest_agent: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Give it a channel for the QEMU guest agent."""
    memory_balloon: Defaulted[bool] = msgspec.field(default_factory=lambda: True)
    """Give it a balloon, by which memory figures come."""
    metadata: Defaulted[Annotated[dict[str, Annotated[str, msgspec.Meta(max_length=4096)]], msgspec.Meta(max_length=64)]] = msgspec.field(
        default_factory=_no_entries
    )
    """Your own words about it; they have no effect."""
    autostart: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Start it when the host starts."""

    def __post_init__(self) -> None:
        _fill(
            self,
            "vcpus",
            "cpu",
            "firmware",
            "machine",
            "disks",
            "nics",
            "serials",
            "graphics",
            "video",
            "guest_agent",
            "memory_balloon",
            "metadata",
            "autostart",
        )


class VmConfigPatch(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"guest_agent": "guestAgent", "memory_balloon": "memoryBalloon"},
):
    """A merge patch of a virtual machine's configuration."""

    memory: Annotated[int, msgspec.Meta(ge=16777216, le=17592186044416, multiple_of=1024)] | msgspec.UnsetType = msgspec.UNSET
    """Its memory. Unit: bytes."""
    vcpus: Annotated[int, msgspec.Meta(ge=1, le=512)] | msgspec.UnsetType | None = msgspec.UNSET
    """Its virtual processors. Unit: count."""
    cpu: CpuConfig | msgspec.UnsetType | None = msgspec.UNSET
    """How its processors look."""
    firmware: FirmwareConfig | msgspec.UnsetType | None = msgspec.UNSET
    """Its firmware."""
    machine: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")] | msgspec.UnsetType | None
    ) = msgspec.UNSET
    """The machine type, such as q35."""
    architecture: Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^(?:[a-z0-9_]+)\Z")] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )
    """The guest's architecture; the host's if absent."""
    kernel: KernelBoot | msgspec.UnsetType | None = msgspec.UNSET
    """Boot this kernel directly."""
    disks: Annotated[list[DiskConfig], msgspec.Meta(max_length=64)] | msgspec.UnsetType | None = msgspec.UNSET
    """Its disks."""
    nics: Annotated[list[NicConfig], msgspec.Meta(max_length=32)] | msgspec.UnsetType | None = msgspec.UNSET
    """Its network cards."""
    serials: Annotated[list[SerialConfig], msgspec.Meta(max_length=4)] | msgspec.UnsetType | None = msgspec.UNSET
    """Its serial ports."""
    graphics: Annotated[list[GraphicsConfig], msgspec.Meta(max_length=2)] | msgspec.UnsetType | None = msgspec.UNSET
    """How its screen can be reached."""
    video: VideoModel | msgspec.UnsetType | None = msgspec.UNSET
    """Its graphics card."""
    guest_agent: bool | msgspec.UnsetType | None = msgspec.UNSET
    """Give it a channel for the QEMU guest agent."""
    memory_balloon: bool | msgspec.UnsetType | None = msgspec.UNSET
    """Give it a balloon, by which memory figures come."""
    metadata: (
        Annotated[dict[str, Annotated[str, msgspec.Meta(max_length=4096)]], msgspec.Meta(max_length=64)] | msgspec.UnsetType | None
    ) = msgspec.UNSET
    """Your own words about it; they have no effect."""
    autostart: bool | msgspec.UnsetType | None = msgspec.UNSET
    """Start it when the host starts."""


class VmCpuStats(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"sampled_at": "sampledAt", "not_refreshed": "notRefreshed", "used_percent": "usedPercent"},
):
    """Processor figures."""

    sampled_at: Timestamp
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    time: Annotated[float, msgspec.Meta(ge=0, le=MAX_NUMBER)]
    """Processor time used since its start. Unit: seconds."""
    used_percent: Annotated[float, msgspec.Meta(ge=0, le=MAX_NUMBER)]
    """Processor time since the sample before; 100 is one processor. Unit: percent."""
    vcpus: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Virtual processors it has now. Unit: count."""


class VmCreateResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """The virtual machine that was created."""

    vm_id: Uuid
    """Its id."""
    generation: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Its first generation."""


class VmDiskStats(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "sampled_at": "sampledAt",
        "not_refreshed": "notRefreshed",
        "read_bytes": "readBytes",
        "written_bytes": "writtenBytes",
        "read_requests": "readRequests",
        "write_requests": "writeRequests",
    },
):
    """Figures of a disk."""

    id: str
    """Its device id."""
    sampled_at: Timestamp
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    read_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Read since its start. Unit: bytes."""
    written_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Written since its start. Unit: bytes."""
    read_requests: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Read requests since its start. Unit: count."""
    write_requests: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Write requests since its start. Unit: count."""
    capacity: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """The size that the guest sees. Unit: bytes."""
    allocation: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """Its use of the host. Unit: bytes."""


class VmFilter(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"name_contains": "nameContains"}
):
    """Which virtual machines; every member that is there must fit."""

    ids: Annotated[list[Uuid], msgspec.Meta(max_length=1000)] | None = None
    """One of these."""
    name: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """Has this very name."""
    name_contains: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """Has this in its name, without regard to case."""
    states: Annotated[list[VmState], msgspec.Meta(max_length=16)] | None = None
    """Is in one of these states."""
    metadata: Annotated[dict[str, Annotated[str, msgspec.Meta(max_length=4096)]], msgspec.Meta(max_length=64)] | None = None
    """Has all of these metadata."""
    project: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """Belongs to this project."""


class VmList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A page of virtual machines."""

    items: list[VmView]
    """The virtual machines of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""


class VmMemoryStats(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"sampled_at": "sampledAt", "not_refreshed": "notRefreshed"},
):
    """Memory figures."""

    sampled_at: Timestamp
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    current: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Memory it has now. Unit: bytes."""
    maximum: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The most it can have. Unit: bytes."""
    resident: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """Host memory of its process. Unit: bytes."""
    available: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """What the guest sees, by the balloon. Unit: bytes."""
    unused: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """What the guest leaves unused, by the balloon. Unit: bytes."""


class VmNicStats(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "sampled_at": "sampledAt",
        "not_refreshed": "notRefreshed",
        "received_bytes": "receivedBytes",
        "sent_bytes": "sentBytes",
        "received_packets": "receivedPackets",
        "sent_packets": "sentPackets",
    },
):
    """Figures of a network card."""

    id: str
    """Its device id."""
    sampled_at: Timestamp
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    received_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Received by the guest since its start. Unit: bytes."""
    sent_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Sent by the guest since its start. Unit: bytes."""
    received_packets: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Packets received. Unit: count."""
    sent_packets: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """Packets sent. Unit: count."""


class VmScreenshot(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"content_type": "contentType"}
):
    """An image."""

    content_type: str
    """image/png."""
    data: Base64
    """The image."""


class VmShutdownResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a guest went down."""

    way: ShutdownResultWay
    """The way that worked."""


class VmStats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Statistics of a virtual machine; groups are absent while it is stopped."""

    vm_id: Uuid
    """The virtual machine."""
    state: VmState
    """What it was doing at the sample."""
    cpu: VmCpuStats | None = None
    """Processors."""
    memory: VmMemoryStats | None = None
    """Memory."""
    disks: list[VmDiskStats] | None = None
    """Disks."""
    nics: list[VmNicStats] | None = None
    """Network cards."""


class VmStatsList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Statistics of several virtual machines."""

    items: list[VmStats]
    """One of each, in the order of their ids."""


class VmUpdateResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an update has changed."""

    generation: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
    """The generation after the change."""
    changes: list[Change]
    """What was changed; empty if all was so already."""


class VmView(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"state_reason": "stateReason", "started_at": "startedAt", "restart_needed": "restartNeeded"},
):
    """Selected members of a virtual machine."""

    id: Uuid
    """Its id for ever."""
    name: str | None = None
    """Its label."""
    generation: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """Counts the accepted changes of its configuration."""
    revision: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """The event sequence of its last change of any kind."""
    project: str | None = None
    """The project to which it belongs."""
    desired: Desired | None = None
    """Where config comes from."""
    state: VmState | None = None
    """What it is doing."""
    state_reason: str | None = None
    """Why it is in that state, in the hypervisor's word, such as booted, user, crashed, found-at-resync."""
    problem: str | None = None
    """What keeps us from managing it fully, such as: its process does not answer."""
    started_at: Timestamp | None = None
    """When it was started as far as we saw it."""
    config: VmConfig | None = None
    """What it is to be."""
    restart_needed: list[str] | None = None
    """Members of config that take effect at its next start."""
    actions: dict[str, str] | None = None
    """Verbs that its state refuses now, each with the reason; only where it was asked for."""


class AccessCheckParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Access.check."""

    identity: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    """Who."""
    method: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """The verb, such as VM.start."""
    object: ObjectRef | None = None
    """On which object."""
    project: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """In which project, for verbs that make objects."""


class AccessDefineRoleParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Access.defineRole."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[a-z][A-Za-z0-9._-]*)\Z")]
    """Its name."""
    permissions: Annotated[list[Annotated[str, msgspec.Meta(max_length=128)]], msgspec.Meta(min_length=1, max_length=256)]
    """What it lets do."""
    summary: Defaulted[Annotated[str, msgspec.Meta(max_length=256, pattern=r"^(?:[^\x00-\x1f\x7f]*)\Z")]] = msgspec.field(
        default_factory=lambda: ""
    )
    """What it is for."""

    def __post_init__(self) -> None:
        _fill(self, "summary")


class AccessDeleteRoleParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Access.deleteRole."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """Its name."""


class AccessGrantParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"expires_at": "expiresAt"}
):
    """Parameters of Access.grant."""

    identity: Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^(?:[a-z]+:[^\x00-\x1f\x7f]+)\Z")]
    """Who, such as user:alice or unix:1000."""
    role: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[a-z][A-Za-z0-9._-]*)\Z")]
    """The role."""
    scope: Defaulted[AccessScope] = msgspec.field(default_factory=EverywhereScope)
    """Where."""
    expires_at: Timestamp | None = None
    """When it ends by itself."""

    def __post_init__(self) -> None:
        _fill(self, "scope")


class AccessListParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Access.list."""

    filter: GrantFilter | None = None
    """Only those that fit; all members must fit."""
    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most items in one answer. Unit: count."""
    after: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """The cursor next of the page before."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class AccessListRolesParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Access.listRoles."""


class AccessRevokeParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"grant_id": "grantId"}
):
    """Parameters of Access.revoke."""

    grant_id: Uuid
    """The grant."""


class AccessWhyDeniedParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Access.whyDenied."""

    identity: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    """Who."""
    method: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """The verb, such as VM.start."""
    object: ObjectRef | None = None
    """On which object."""
    project: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """In which project, for verbs that make objects."""


class AuditChangesParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Audit.changes."""

    since: Timestamp
    """From this time on, itself included."""
    until: Timestamp | None = None
    """Until this time, itself excluded; now if absent."""
    object: ObjectRef | None = None
    """Of this object alone."""
    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most objects in one answer. Unit: count."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class AuditListParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Audit.list."""

    filter: AuditFilter | None = None
    """Only those that fit; all members must fit."""
    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most items in one answer. Unit: count."""
    after: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """The cursor next of the page before."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class AuditVerifyParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Audit.verify."""


class CertificateCreateEnrolmentParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"expires_in": "expiresIn"}
):
    """Parameters of Certificate.createEnrolment."""

    identity: Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^(?:(user|service):[^\x00-\x1f\x7f]+)\Z")]
    """Whom the certificate will be for, such as user:alice."""
    days: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=3650)]] = msgspec.field(default_factory=lambda: 365)
    """How long the certificate will be valid, in days. Unit: count."""
    expires_in: Defaulted[Annotated[int, msgspec.Meta(ge=60, le=31536000)]] = msgspec.field(default_factory=lambda: 3600)
    """How long the token can be used. Unit: seconds."""

    def __post_init__(self) -> None:
        _fill(self, "days", "expires_in")


class CertificateEnrolParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Certificate.enrol."""

    token: SecretFrom16To256
    """The token."""
    csr: Annotated[str, msgspec.Meta(min_length=1, max_length=16384)] | None = None
    """A certificate request (PKCS 10) in PEM."""


class CertificateGetParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"certificate_id": "certificateId"}
):
    """Parameters of Certificate.get."""

    certificate_id: Uuid
    """The certificate."""


class CertificateIssueParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Certificate.issue."""

    identity: Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^(?:(user|service):[^\x00-\x1f\x7f]+)\Z")]
    """Whom it is for, such as user:alice."""
    days: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=3650)]] = msgspec.field(default_factory=lambda: 365)
    """How long it is valid, in days; never longer than this host's CA. Unit: count."""
    csr: Annotated[str, msgspec.Meta(min_length=1, max_length=16384)] | None = None
    """A certificate request (PKCS 10) in PEM."""

    def __post_init__(self) -> None:
        _fill(self, "days")


class CertificateListParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Certificate.list."""

    filter: CertificateFilter | None = None
    """Only those that fit; all members must fit."""
    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most items in one answer. Unit: count."""
    after: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """The cursor next of the page before."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class CertificateRenewParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"certificate_id": "certificateId"}
):
    """Parameters of Certificate.renew."""

    certificate_id: Uuid
    """The certificate that is to be followed."""
    days: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=3650)]] = msgspec.field(default_factory=lambda: 365)
    """How long the new one is valid, in days. Unit: count."""
    csr: Annotated[str, msgspec.Meta(min_length=1, max_length=16384)] | None = None
    """A certificate request (PKCS 10) in PEM."""

    def __post_init__(self) -> None:
        _fill(self, "days")


class CertificateRevokeParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"certificate_id": "certificateId"}
):
    """Parameters of Certificate.revoke."""

    certificate_id: Uuid
    """The certificate."""


class ConnectionCloseParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"connection_id": "connectionId"}
):
    """Parameters of Connection.close."""

    connection_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """The connection."""


class ConnectionListParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Connection.list."""

    filter: ConnectionFilter | None = None
    """Only those that fit; all members must fit."""
    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most items in one answer. Unit: count."""
    after: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """The cursor next of the page before."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class ConsoleOpenParams(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"vm_id": "vmId", "device_id": "deviceId", "take_over": "takeOver"},
):
    """Parameters of Console.open."""

    vm_id: Uuid
    """The virtual machine."""
    kind: Defaulted[ConsoleKind] = msgspec.field(default_factory=lambda: ConsoleKind.SERIAL)
    """Which kind of console."""
    device_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """Which serial port; the first if absent."""
    take_over: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Disconnect whoever has it open."""

    def __post_init__(self) -> None:
        _fill(self, "kind", "take_over")


class EventReadParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Event.read."""

    after: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """The token resume of the answer before; the present if absent."""
    topics: Defaulted[Annotated[list[Annotated[str, msgspec.Meta(max_length=256)]], msgspec.Meta(min_length=1, max_length=64)]] = (
        msgspec.field(default_factory=lambda: ["#"])
    )
    """Topics; * stands for one word, # for any number of words."""
    timeout: Defaulted[Annotated[float, msgspec.Meta(ge=0, le=300)]] = msgspec.field(default_factory=lambda: 0.0)
    """How long to wait when there is none. Unit: seconds."""
    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most events in one answer. Unit: count."""
    filter: EventFilter | None = None
    """Only those that fit; all members must fit."""

    def __post_init__(self) -> None:
        _fill(self, "topics", "timeout", "limit")


class EventSubscribeParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"subscription_id": "subscriptionId"}
):
    """Parameters of Event.subscribe."""

    topics: Defaulted[Annotated[list[Annotated[str, msgspec.Meta(max_length=256)]], msgspec.Meta(min_length=1, max_length=64)]] = (
        msgspec.field(default_factory=lambda: ["#"])
    )
    """Topics; * stands for one word, # for any number of words."""
    after: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """The token from which to resume; the present if absent."""
    snapshot: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Begin with the present state of all objects."""
    subscription_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")] | None = None
    """Its name on this connection; given by the daemon if absent."""
    filter: EventFilter | None = None
    """Only those that fit; all members must fit."""
    coalesce: Defaulted[Annotated[float, msgspec.Meta(ge=0, le=60)]] = msgspec.field(default_factory=lambda: 0.0)
    """Changes of one object within this time may come as one, but never across a change of its state. Unit: seconds."""

    def __post_init__(self) -> None:
        _fill(self, "topics", "snapshot", "coalesce")


class EventUnsubscribeParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"subscription_id": "subscriptionId"}
):
    """Parameters of Event.unsubscribe."""

    subscription_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """The subscription."""


class HostDiagnoseParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Host.diagnose."""


class HostGetCapabilitiesParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Host.getCapabilities."""


class HostGetInfoParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Host.getInfo."""


class HostGetStatsParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Host.getStats."""


class HostPingParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Host.ping."""


class IdentityCreateTokenParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"expires_in": "expiresIn"}
):
    """Parameters of Identity.createToken."""

    label: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^(?:[^\x00-\x1f\x7f]+)\Z")]
    """What it is for."""
    identity: Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=r"^(?:[a-z]+:[^\x00-\x1f\x7f]+)\Z")] | None = None
    """For whom it speaks; for you if absent."""
    role: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    """It can do no more than this role, nor more than its identity."""
    scope: AccessScope | None = None
    """It can do nothing outside of this, nor what its identity cannot."""
    expires_in: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=31536000)]] = msgspec.field(default_factory=lambda: 86400)
    """How long it works. Unit: seconds."""

    def __post_init__(self) -> None:
        _fill(self, "expires_in")


class IdentityListTokensParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Identity.listTokens."""

    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most items in one answer. Unit: count."""
    after: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """The cursor next of the page before."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class IdentityLoginParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Identity.login."""

    token: SecretFrom16To256
    """The token."""


class IdentityRevokeTokenParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"token_id": "tokenId"}
):
    """Parameters of Identity.revokeToken."""

    token_id: Uuid
    """The token."""


class IdentityWhoAmIParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Identity.whoAmI."""


class PlanCheckParams(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"expected_generation": "expectedGeneration"},
):
    """Parameters of Plan.check."""

    method: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """The verb, such as VM.start."""
    params: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))
    """Its parameters."""
    expected_generation: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)] | None = None
    """As in the call's options."""


class QueueCreateParams(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "max_messages": "maxMessages",
        "max_octets": "maxOctets",
        "time_to_live": "timeToLive",
        "dead_letter": "deadLetter",
        "max_deliveries": "maxDeliveries",
    },
):
    """Parameters of Queue.create."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")]
    """Its name."""
    durable: Defaulted[bool] = msgspec.field(default_factory=lambda: True)
    """Whether it, and durable messages in it, survive a restart."""
    max_messages: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=10000000)]] = msgspec.field(default_factory=lambda: 100000)
    """How many messages it holds. Unit: count."""
    max_octets: Defaulted[Annotated[int, msgspec.Meta(ge=1024, le=17179869184)]] = msgspec.field(default_factory=lambda: 67108864)
    """How many octets it holds. Unit: bytes."""
    overflow: Defaulted[QueueOverflow] = msgspec.field(default_factory=lambda: QueueOverflow.REJECT)
    """What happens to a message that has no room."""
    time_to_live: Annotated[float, msgspec.Meta(ge=0.001, le=31536000)] | None = None
    """How long a message waits at most. Unit: seconds."""
    dead_letter: Annotated[str, msgspec.Meta(max_length=128, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")] | None = None
    """The queue for messages that expire, are rejected or fail too often; they are dropped if absent."""
    max_deliveries: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000000)]] = msgspec.field(default_factory=lambda: 5)
    """How often a message is tried in vain. Unit: count."""
    project: Defaulted[Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")]] = (
        msgspec.field(default_factory=lambda: "default")
    )
    """The project to which it shall belong."""

    def __post_init__(self) -> None:
        _fill(self, "durable", "max_messages", "max_octets", "overflow", "max_deliveries", "project")


class QueueDeleteParams(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"queue_id": "queueId", "if_empty": "ifEmpty"},
):
    """Parameters of Queue.delete."""

    queue_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """Its name."""
    if_empty: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Only if no message is in it."""

    def __post_init__(self) -> None:
        _fill(self, "if_empty")


class QueueGetParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"queue_id": "queueId"}
):
    """Parameters of Queue.get."""

    queue_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """Its name."""


class QueueListParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Queue.list."""

    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most items in one answer. Unit: count."""
    after: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """The cursor next of the page before."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class QueueMoveParams(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"queue_id": "queueId", "message_ids": "messageIds"},
):
    """Parameters of Queue.move."""

    queue_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """From which queue."""
    target: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """To which queue."""
    message_ids: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=1000)] | None = None
    """Which; all that wait if absent."""


class QueuePeekParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"queue_id": "queueId"}
):
    """Parameters of Queue.peek."""

    queue_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """Its name."""
    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=100)]] = msgspec.field(default_factory=lambda: 10)
    """The most messages in one answer. Unit: count."""
    after: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """The cursor next of the page before."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class QueuePurgeParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"queue_id": "queueId"}
):
    """Parameters of Queue.purge."""

    queue_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """Its name."""


class SchemaDiscoverParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Schema.discover."""


class TaskCancelParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"task_id": "taskId"}
):
    """Parameters of Task.cancel."""

    task_id: Uuid
    """The task."""


class TaskDeleteParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"task_id": "taskId"}
):
    """Parameters of Task.delete."""

    task_id: Uuid
    """The task."""


class TaskGetParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"task_id": "taskId"}
):
    """Parameters of Task.get."""

    task_id: Uuid
    """The task."""


class TaskListParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of Task.list."""

    filter: TaskFilter | None = None
    """Only those that fit; all members must fit."""
    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most items in one answer. Unit: count."""
    after: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """The cursor next of the page before."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class TaskWaitParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"task_id": "taskId"}
):
    """Parameters of Task.wait."""

    task_id: Uuid
    """The task."""
    seconds: Defaulted[Annotated[float, msgspec.Meta(ge=0, le=3600)]] = msgspec.field(default_factory=lambda: 30.0)
    """The longest time to wait. Unit: seconds."""

    def __post_init__(self) -> None:
        _fill(self, "seconds")


class VmCreateParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Parameters of VM.create."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^(?:[^\x00-\x1f\x7f/]+)\Z")]
    """A label for people; it need not be unique."""
    config: VmConfig
    """What the virtual machine is to be."""
    vm_id: Uuid | None = None
    """The id that it shall have; a random one if absent."""
    project: Defaulted[Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")]] = (
        msgspec.field(default_factory=lambda: "default")
    )
    """The project to which it shall belong."""

    def __post_init__(self) -> None:
        _fill(self, "project")


class VmDeleteParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Parameters of VM.delete."""

    vm_id: Uuid
    """The virtual machine."""
    force: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Pull its plug first if it runs."""

    def __post_init__(self) -> None:
        _fill(self, "force")


class VmGetParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Parameters of VM.get."""

    vm_id: Uuid
    """The virtual machine."""
    actions: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Add the member actions."""

    def __post_init__(self) -> None:
        _fill(self, "actions")


class VmGetStatsParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_ids": "vmIds"}
):
    """Parameters of VM.getStats."""

    vm_ids: Annotated[list[Uuid], msgspec.Meta(max_length=10000)] | None = None
    """Only these; all that you may see if absent. Unknown ones are left out of the answer."""
    fields: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=64)] | None = None
    """Only these groups: cpu, memory, disks, nics."""


class VmListParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of VM.list."""

    filter: VmFilter | None = None
    """Only those that fit; all members must fit."""
    fields: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=64)] | None = None
    """Only these members of VM; the id is always there."""
    limit: Defaulted[Annotated[int, msgspec.Meta(ge=1, le=1000)]] = msgspec.field(default_factory=lambda: 100)
    """The most items in one answer. Unit: count."""
    after: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    """The cursor next of the page before."""

    def __post_init__(self) -> None:
        _fill(self, "limit")


class VmPauseParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Parameters of VM.pause."""

    vm_id: Uuid
    """The virtual machine."""


class VmRebootParams(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"vm_id": "vmId", "guest_timeout": "guestTimeout"},
):
    """Parameters of VM.reboot."""

    vm_id: Uuid
    """The virtual machine."""
    ways: Defaulted[Annotated[list[ShutdownWay], msgspec.Meta(min_length=1, max_length=2)]] = msgspec.field(
        default_factory=lambda: [ShutdownWay.AGENT, ShutdownWay.ACPI]
    )
    """How to ask."""
    guest_timeout: Defaulted[Annotated[float, msgspec.Meta(ge=0.1, le=86000)]] = msgspec.field(default_factory=lambda: 60.0)
    """How long the guest has in all. Unit: seconds."""
    force: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Press the reset button when that time is up."""

    def __post_init__(self) -> None:
        _fill(self, "ways", "guest_timeout", "force")


class VmResetParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Parameters of VM.reset."""

    vm_id: Uuid
    """The virtual machine."""


class VmResumeParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Parameters of VM.resume."""

    vm_id: Uuid
    """The virtual machine."""


class VmScreenshotParams(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}
):
    """Parameters of VM.screenshot."""

    vm_id: Uuid
    """The virtual machine."""
    screen: Defaulted[Annotated[int, msgspec.Meta(ge=0, le=15)]] = msgspec.field(default_factory=lambda: 0)
    """Which screen."""

    def __post_init__(self) -> None:
        _fill(self, "screen")


class VmShutdownParams(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"vm_id": "vmId", "guest_timeout": "guestTimeout"},
):
    """Parameters of VM.shutdown."""

    vm_id: Uuid
    """The virtual machine."""
    ways: Defaulted[Annotated[list[ShutdownWay], msgspec.Meta(min_length=1, max_length=2)]] = msgspec.field(
        default_factory=lambda: [ShutdownWay.AGENT, ShutdownWay.ACPI]
    )
    """How to ask."""
    guest_timeout: Defaulted[Annotated[float, msgspec.Meta(ge=0.1, le=86000)]] = msgspec.field(default_factory=lambda: 60.0)
    """How long the guest has in all. Unit: seconds."""
    force: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Pull the plug when that time is up."""

    def __post_init__(self) -> None:
        _fill(self, "ways", "guest_timeout", "force")


class VmStartParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Parameters of VM.start."""

    vm_id: Uuid
    """The virtual machine."""
    paused: Defaulted[bool] = msgspec.field(default_factory=lambda: False)
    """Leave it paused before its first instruction."""

    def __post_init__(self) -> None:
        _fill(self, "paused")


class VmStopParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Parameters of VM.stop."""

    vm_id: Uuid
    """The virtual machine."""


class VmUpdateParams(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"vm_id": "vmId"}):
    """Parameters of VM.update."""

    vm_id: Uuid
    """The virtual machine."""
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^(?:[^\x00-\x1f\x7f/]+)\Z")] | None = None
    """A new label."""
    config: VmConfigPatch | None = None
    """What is to change."""
    project: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)\Z")] | None = None
    """The project to which it shall belong from now on; the permission is needed in both."""


#: Where a grant holds.
AccessScope: TypeAlias = EverywhereScope | ProjectScope | ObjectScope
#: Where a disk's bytes are.
DiskSource: TypeAlias = FileDiskSource | BlockDiskSource
#: What a network card is plugged into.
NicSource: TypeAlias = UserNicSource | BridgeNicSource | NetworkNicSource
