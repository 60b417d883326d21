# Generated from the schema by vdsm-schema; do not edit.
"""Types of Host: The host itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.generated import types
from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.client.generated.types.vm import Firmware


class Acceleration(values.Word):
    """How the hypervisor runs guest code."""

    KVM = "kvm"
    """By the processor."""
    TCG = "tcg"
    """By translation; slow."""
    NONE = "none"
    """Not at all (simulator)."""


class FindingState(values.Word):
    """How well something works."""

    OK = "ok"
    """It works."""
    LIMITED = "limited"
    """It works in part, or will stop working."""
    MISSING = "missing"
    """It does not work."""
    UNKNOWN = "unknown"
    """It could not be looked at."""


class SubsystemState(values.Word):
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(values.Record):
    """All that was looked at."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("items", "items"),)
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items"})

    items: list[Finding]
    """The findings, in the order of their ids."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[Finding.from_wire(one) for one in data["items"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Feature(values.Record):
    """Something that a host may or may not be able to do."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("name", "name"),
        ("available", "available"),
        ("reason", "reason"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"available", "name", "reason"})

    name: str
    """Its name; verbs and fields name it in requires."""
    available: bool
    """Whether it can be had here."""
    reason: str | None = None
    """Why not."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            name=data["name"],
            available=data["available"],
            reason=data.get("reason"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding(values.Record):
    """One thing that was looked at."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("state", "state"),
        ("summary", "summary"),
        ("reason", "reason"),
        ("remedy", "remedy"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"id", "reason", "remedy", "state", "summary"})

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
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            state=FindingState(data["state"]),
            summary=data["summary"],
            reason=data.get("reason"),
            remedy=data.get("remedy"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostCapabilities(values.Record):
    """What the hypervisor can do."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("hypervisor", "hypervisor"),
        ("hypervisor_version", "hypervisorVersion"),
        ("emulator_version", "emulatorVersion"),
        ("acceleration", "acceleration"),
        ("acceleration_reason", "accelerationReason"),
        ("architectures", "architectures"),
        ("machines", "machines"),
        ("cpu_models", "cpuModels"),
        ("firmwares", "firmwares"),
        ("maximum_vcpus", "maximumVcpus"),
        ("features", "features"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "acceleration",
            "accelerationReason",
            "architectures",
            "cpuModels",
            "emulatorVersion",
            "features",
            "firmwares",
            "hypervisor",
            "hypervisorVersion",
            "machines",
            "maximumVcpus",
        }
    )

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
    maximum_vcpus: int
    """The most virtual CPUs of one virtual machine. Unit: count."""
    features: list[Feature]
    """Everything that may be missing, with the reason."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            hypervisor=data["hypervisor"],
            hypervisor_version=data["hypervisorVersion"],
            emulator_version=data["emulatorVersion"],
            acceleration=Acceleration(data["acceleration"]),
            acceleration_reason=data.get("accelerationReason"),
            architectures=list(data["architectures"]),
            machines=list(data["machines"]),
            cpu_models=list(data["cpuModels"]),
            firmwares=[types.Firmware(one) for one in data["firmwares"]],
            maximum_vcpus=data["maximumVcpus"],
            features=[Feature.from_wire(one) for one in data["features"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostCpuStats(values.Record):
    """Processor use of the host."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("sampled_at", "sampledAt"),
        ("not_refreshed", "notRefreshed"),
        ("used_percent", "usedPercent"),
        ("load1", "load1"),
        ("load5", "load5"),
        ("load15", "load15"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"load1", "load15", "load5", "notRefreshed", "sampledAt", "usedPercent"})

    sampled_at: str
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    used_percent: float
    """Share of all processors in use since the sample before. Unit: percent."""
    load1: float
    """Load average of one minute."""
    load5: float
    """Load average of five minutes."""
    load15: float
    """Load average of fifteen minutes."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            sampled_at=data["sampledAt"],
            not_refreshed=None if data.get("notRefreshed") is None else NotRefreshed.from_wire(data["notRefreshed"]),
            used_percent=data["usedPercent"],
            load1=data["load1"],
            load5=data["load5"],
            load15=data["load15"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostInfo(values.Record):
    """What the host is."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("hostname", "hostname"),
        ("operating_system", "operatingSystem"),
        ("kernel", "kernel"),
        ("architecture", "architecture"),
        ("cpu_model", "cpuModel"),
        ("cpus", "cpus"),
        ("memory", "memory"),
        ("booted_at", "bootedAt"),
        ("daemon_version", "daemonVersion"),
        ("api_version", "apiVersion"),
        ("schema_digest", "schemaDigest"),
        ("started_at", "startedAt"),
        ("subsystems", "subsystems"),
        ("revision", "revision"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "apiVersion",
            "architecture",
            "bootedAt",
            "cpuModel",
            "cpus",
            "daemonVersion",
            "hostname",
            "id",
            "kernel",
            "memory",
            "operatingSystem",
            "revision",
            "schemaDigest",
            "startedAt",
            "subsystems",
        }
    )

    id: str
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
    cpus: int
    """Logical processors that are online. Unit: count."""
    memory: int
    """Physical memory. Unit: bytes."""
    booted_at: str
    """When the host was started."""
    daemon_version: str
    """The version of vdsmd."""
    api_version: str
    """The version of the native API."""
    schema_digest: str
    """The digest of the schema that is served."""
    started_at: str
    """When the daemon was started."""
    subsystems: list[SubsystemInfo]
    """The daemon's parts."""
    revision: int
    """The event sequence of its last change."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            hostname=data["hostname"],
            operating_system=data["operatingSystem"],
            kernel=data["kernel"],
            architecture=data["architecture"],
            cpu_model=data.get("cpuModel"),
            cpus=data["cpus"],
            memory=data["memory"],
            booted_at=data["bootedAt"],
            daemon_version=data["daemonVersion"],
            api_version=data["apiVersion"],
            schema_digest=data["schemaDigest"],
            started_at=data["startedAt"],
            subsystems=[SubsystemInfo.from_wire(one) for one in data["subsystems"]],
            revision=data["revision"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostMemoryStats(values.Record):
    """Memory use of the host."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("sampled_at", "sampledAt"),
        ("not_refreshed", "notRefreshed"),
        ("total", "total"),
        ("available", "available"),
        ("swap_total", "swapTotal"),
        ("swap_free", "swapFree"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"available", "notRefreshed", "sampledAt", "swapFree", "swapTotal", "total"})

    sampled_at: str
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    total: int
    """Physical memory. Unit: bytes."""
    available: int
    """Memory that can be given to new work without swapping. Unit: bytes."""
    swap_total: int
    """Swap space. Unit: bytes."""
    swap_free: int
    """Swap space not in use. Unit: bytes."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            sampled_at=data["sampledAt"],
            not_refreshed=None if data.get("notRefreshed") is None else NotRefreshed.from_wire(data["notRefreshed"]),
            total=data["total"],
            available=data["available"],
            swap_total=data["swapTotal"],
            swap_free=data["swapFree"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostPingResult(values.Record):
    """The answer to a ping."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("pong", "pong"),)
    KNOWN: ClassVar[frozenset[str]] = frozenset({"pong"})

    pong: bool
    """Always true."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            pong=data["pong"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostStats(values.Record):
    """How busy the host is."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("cpu", "cpu"),
        ("memory", "memory"),
        ("vms", "vms"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"cpu", "memory", "vms"})

    cpu: HostCpuStats
    """Processors."""
    memory: HostMemoryStats
    """Memory."""
    vms: HostVmStats
    """Virtual machines."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            cpu=HostCpuStats.from_wire(data["cpu"]),
            memory=HostMemoryStats.from_wire(data["memory"]),
            vms=HostVmStats.from_wire(data["vms"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostVmStats(values.Record):
    """How many virtual machines there are."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("sampled_at", "sampledAt"),
        ("not_refreshed", "notRefreshed"),
        ("defined", "defined"),
        ("running", "running"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"defined", "notRefreshed", "running", "sampledAt"})

    sampled_at: str
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    defined: int
    """All of them. Unit: count."""
    running: int
    """Those that are running or paused. Unit: count."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            sampled_at=data["sampledAt"],
            not_refreshed=None if data.get("notRefreshed") is None else NotRefreshed.from_wire(data["notRefreshed"]),
            defined=data["defined"],
            running=data["running"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NotRefreshed(values.Record):
    """Why a group of sampled figures is older than it should be."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("error", "error"),
        ("reason", "reason"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"error", "reason"})

    error: str
    """The error's id, such as GuestUnresponsive."""
    reason: str
    """In words."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            error=data["error"],
            reason=data["reason"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SubsystemInfo(values.Record):
    """The condition of one part of the daemon."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("name", "name"),
        ("state", "state"),
        ("reason", "reason"),
        ("restarts", "restarts"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"name", "reason", "restarts", "state"})

    name: str
    """virt, host, storage or network."""
    state: SubsystemState
    """Its condition."""
    reason: str | None = None
    """Why it is not ready."""
    restarts: int | None = None
    """How often it was restarted since the daemon's start. Unit: count."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            name=data["name"],
            state=SubsystemState(data["state"]),
            reason=data.get("reason"),
            restarts=data.get("restarts"),
            extra=values.unknown_members(data, cls.KNOWN),
        )
