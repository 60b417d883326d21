# Generated from the schema by vdsm-schema; do not edit.
"""Types of VM: Virtual machines."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from libvdsm.client.generated import types
from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.client.generated.types.host import NotRefreshed


class ChangeEffect(values.Word):
    """When a change takes effect."""

    LIVE = "live"
    """At once."""
    RESTART = "restart"
    """At the next start."""
    RECREATE = "recreate"
    """Only in a new virtual machine."""


class CpuMode(values.Word):
    """What a virtual processor looks like."""

    MAXIMUM = "maximum"
    """All that the hypervisor can give here."""
    HOST_PASSTHROUGH = "hostPassthrough"
    """The host's own processor; needs KVM."""
    HOST_MODEL = "hostModel"
    """The named model nearest to the host's."""
    CUSTOM = "custom"
    """The named model."""


class Desired(values.Word):
    """Where the configuration comes from."""

    RECORDED = "recorded"
    """It was asked for and is recorded here."""
    DERIVED = "derived"
    """It was read back from the hypervisor."""


class DiskBus(values.Word):
    """How a disk is attached."""

    VIRTIO = "virtio"
    """virtio-blk."""
    SCSI = "scsi"
    """virtio-scsi."""
    SATA = "sata"
    """AHCI."""


class DiskDevice(values.Word):
    """What a disk is to the guest."""

    DISK = "disk"
    """A disk."""
    CDROM = "cdrom"
    """A CD drive."""


class DiskFormat(values.Word):
    """How a disk's file is laid out; never guessed."""

    RAW = "raw"
    """As it is."""
    QCOW2 = "qcow2"
    """QEMU's copy-on-write format."""


class Firmware(values.Word):
    """A kind of firmware."""

    BIOS = "bios"
    """SeaBIOS."""
    UEFI = "uefi"
    """OVMF."""


class GraphicsProtocol(values.Word):
    """A remote screen protocol."""

    VNC = "vnc"
    """RFB."""


class NicModel(values.Word):
    """A network card."""

    VIRTIO = "virtio"
    """virtio-net."""
    E1000E = "e1000e"
    """Intel 82574."""
    RTL8139 = "rtl8139"
    """Realtek 8139."""


class ShutdownResultWay(values.Word):
    """What brought a guest down."""

    AGENT = "agent"
    """The guest agent."""
    ACPI = "acpi"
    """The power button."""
    FORCE = "force"
    """The plug, or the reset button."""
    NONE = "none"
    """It was down already."""


class ShutdownWay(values.Word):
    """How to ask a guest."""

    AGENT = "agent"
    """By the guest agent."""
    ACPI = "acpi"
    """By the power button."""


class VideoModel(values.Word):
    """A graphics card."""

    NONE = "none"
    """No card."""
    VGA = "vga"
    """Standard VGA."""
    VIRTIO = "virtio"
    """virtio-gpu."""


class VmState(values.Word):
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BlockDiskSource(values.Record):
    """A block device that is a disk."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("path", "path"),)
    TAG: ClassVar[tuple[str, str] | None] = ("kind", "block")
    KNOWN: ClassVar[frozenset[str]] = frozenset({"kind", "path"})

    path: str
    """The device on the host."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            path=data["path"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BridgeNicSource(values.Record):
    """A bridge of the host."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("bridge", "bridge"),)
    TAG: ClassVar[tuple[str, str] | None] = ("kind", "bridge")
    KNOWN: ClassVar[frozenset[str]] = frozenset({"bridge", "kind"})

    bridge: str
    """The bridge."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            bridge=data["bridge"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change(values.Record):
    """A changed member and when it takes effect."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("path", "path"),
        ("effect", "effect"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"effect", "path"})

    path: str
    """The member, such as config.memory."""
    effect: ChangeEffect
    """When it takes effect."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            path=data["path"],
            effect=ChangeEffect(data["effect"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CpuConfig(values.Record):
    """How the processors look."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("mode", "mode"),
        ("model", "model"),
        ("sockets", "sockets"),
        ("cores", "cores"),
        ("threads", "threads"),
    )
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"mode": "maximum"}
    KNOWN: ClassVar[frozenset[str]] = frozenset({"cores", "mode", "model", "sockets", "threads"})

    mode: CpuMode = CpuMode.MAXIMUM
    """What they look like."""
    model: str | None = None
    """The named model of mode custom."""
    sockets: int | None = None
    """Sockets; sockets × cores × threads is vcpus. Unit: count."""
    cores: int | None = None
    """Cores of a socket. Unit: count."""
    threads: int | None = None
    """Threads of a core. Unit: count."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        mode = data.get("mode")
        return cls(
            mode=CpuMode.MAXIMUM if mode is None else CpuMode(mode),
            model=data.get("model"),
            sockets=data.get("sockets"),
            cores=data.get("cores"),
            threads=data.get("threads"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DiskConfig(values.Record):
    """A disk."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("source", "source"),
        ("device", "device"),
        ("bus", "bus"),
        ("read_only", "readOnly"),
        ("boot_order", "bootOrder"),
    )
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"device": "disk", "bus": "virtio", "readOnly": False}
    KNOWN: ClassVar[frozenset[str]] = frozenset({"bootOrder", "bus", "device", "id", "readOnly", "source"})

    id: str | None = None
    """Its device id; given by the host if absent."""
    source: DiskSource | None = None
    """Where its bytes are; absent for an empty CD drive."""
    device: DiskDevice = DiskDevice.DISK
    """What it is to the guest."""
    bus: DiskBus = DiskBus.VIRTIO
    """How it is attached."""
    read_only: bool = False
    """The guest cannot write to it."""
    boot_order: int | None = None
    """Its place among the devices to boot from, 1 first."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        device = data.get("device")
        bus = data.get("bus")
        return cls(
            id=data.get("id"),
            source=None if data.get("source") is None else decode_disk_source(data["source"]),
            device=DiskDevice.DISK if device is None else DiskDevice(device),
            bus=DiskBus.VIRTIO if bus is None else DiskBus(bus),
            read_only=data.get("readOnly", False),
            boot_order=data.get("bootOrder"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileDiskSource(values.Record):
    """A file that holds a disk."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("path", "path"),
        ("format", "format"),
    )
    TAG: ClassVar[tuple[str, str] | None] = ("kind", "file")
    KNOWN: ClassVar[frozenset[str]] = frozenset({"format", "kind", "path"})

    path: str
    """The file on the host."""
    format: DiskFormat
    """How it is laid out."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            path=data["path"],
            format=DiskFormat(data["format"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareConfig(values.Record):
    """The firmware."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("kind", "kind"),
        ("secure_boot", "secureBoot"),
    )
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"kind": "bios", "secureBoot": False}
    KNOWN: ClassVar[frozenset[str]] = frozenset({"kind", "secureBoot"})

    kind: Firmware = Firmware.BIOS
    """Which."""
    secure_boot: bool = False
    """Start signed boot loaders only; needs uefi."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        kind = data.get("kind")
        return cls(
            kind=Firmware.BIOS if kind is None else Firmware(kind),
            secure_boot=data.get("secureBoot", False),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GraphicsConfig(values.Record):
    """How a screen can be reached: only by Console.open; nothing listens on the network."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("protocol", "protocol"),)
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"protocol": "vnc"}
    KNOWN: ClassVar[frozenset[str]] = frozenset({"protocol"})

    protocol: GraphicsProtocol = GraphicsProtocol.VNC
    """The protocol."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        protocol = data.get("protocol")
        return cls(
            protocol=GraphicsProtocol.VNC if protocol is None else GraphicsProtocol(protocol),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KernelBoot(values.Record):
    """A kernel that is booted directly."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("path", "path"),
        ("initrd", "initrd"),
        ("arguments", "arguments"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"arguments", "initrd", "path"})

    path: str
    """The kernel's file on the host."""
    initrd: str | None = None
    """The initial file system's file on the host."""
    arguments: str | None = None
    """The kernel's command line."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            path=data["path"],
            initrd=data.get("initrd"),
            arguments=data.get("arguments"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetworkNicSource(values.Record):
    """A network of the hypervisor."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("network", "network"),)
    TAG: ClassVar[tuple[str, str] | None] = ("kind", "network")
    KNOWN: ClassVar[frozenset[str]] = frozenset({"kind", "network"})

    network: str
    """Its name."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            network=data["network"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NicConfig(values.Record):
    """A network card."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("source", "source"),
        ("model", "model"),
        ("mac", "mac"),
    )
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"model": "virtio"}
    KNOWN: ClassVar[frozenset[str]] = frozenset({"id", "mac", "model", "source"})

    id: str | None = None
    """Its device id; given by the host if absent."""
    source: NicSource
    """What it is plugged into."""
    model: NicModel = NicModel.VIRTIO
    """What it is to the guest."""
    mac: str | None = None
    """Its address; given by the host if absent."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        model = data.get("model")
        return cls(
            id=data.get("id"),
            source=decode_nic_source(data["source"]),
            model=NicModel.VIRTIO if model is None else NicModel(model),
            mac=data.get("mac"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Nothing(values.Record):
    """An empty answer; it may grow."""

    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SerialConfig(values.Record):
    """A serial port."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("log", "log"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"id", "log"})

    id: str | None = None
    """Its device id; given by the host if absent."""
    log: str | None = None
    """A file on the host to which all its output is appended."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data.get("id"),
            log=data.get("log"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UserNicSource(values.Record):
    """A private network of its own."""

    TAG: ClassVar[tuple[str, str] | None] = ("kind", "user")
    KNOWN: ClassVar[frozenset[str]] = frozenset({"kind"})

    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VM(values.Record):
    """A virtual machine."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("name", "name"),
        ("generation", "generation"),
        ("revision", "revision"),
        ("project", "project"),
        ("desired", "desired"),
        ("state", "state"),
        ("state_reason", "stateReason"),
        ("problem", "problem"),
        ("started_at", "startedAt"),
        ("config", "config"),
        ("restart_needed", "restartNeeded"),
        ("actions", "actions"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "actions",
            "config",
            "desired",
            "generation",
            "id",
            "name",
            "problem",
            "project",
            "restartNeeded",
            "revision",
            "startedAt",
            "state",
            "stateReason",
        }
    )

    id: str
    """Its id for ever."""
    name: str
    """Its label."""
    generation: int
    """Counts the accepted changes of its configuration."""
    revision: int
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
    started_at: str | None = None
    """When it was started as far as we saw it."""
    config: VmConfig
    """What it is to be."""
    restart_needed: list[str]
    """Members of config that take effect at its next start."""
    actions: dict[str, str] | None = None
    """Verbs that its state refuses now, each with the reason; only where it was asked for."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            name=data["name"],
            generation=data["generation"],
            revision=data["revision"],
            project=data["project"],
            desired=Desired(data["desired"]),
            state=VmState(data["state"]),
            state_reason=data.get("stateReason"),
            problem=data.get("problem"),
            started_at=data.get("startedAt"),
            config=VmConfig.from_wire(data["config"]),
            restart_needed=list(data["restartNeeded"]),
            actions=None if data.get("actions") is None else dict(data["actions"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmConfig(values.Record):
    """What a virtual machine is to be."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("memory", "memory"),
        ("vcpus", "vcpus"),
        ("cpu", "cpu"),
        ("firmware", "firmware"),
        ("machine", "machine"),
        ("architecture", "architecture"),
        ("kernel", "kernel"),
        ("disks", "disks"),
        ("nics", "nics"),
        ("serials", "serials"),
        ("graphics", "graphics"),
        ("video", "video"),
        ("guest_agent", "guestAgent"),
        ("memory_balloon", "memoryBalloon"),
        ("metadata", "metadata"),
        ("autostart", "autostart"),
    )
    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "vcpus": 1,
        "cpu": {},
        "firmware": {},
        "machine": "q35",
        "disks": [],
        "nics": [],
        "serials": [],
        "graphics": [],
        "video": "none",
        "guestAgent": False,
        "memoryBalloon": True,
        "metadata": {},
        "autostart": False,
    }
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "architecture",
            "autostart",
            "cpu",
            "disks",
            "firmware",
            "graphics",
            "guestAgent",
            "kernel",
            "machine",
            "memory",
            "memoryBalloon",
            "metadata",
            "nics",
            "serials",
            "vcpus",
            "video",
        }
    )

    memory: int
    """Its memory. Unit: bytes."""
    vcpus: int = 1
    """Its virtual processors. Unit: count."""
    cpu: CpuConfig = dataclasses.field(default_factory=CpuConfig)
    """How its processors look."""
    firmware: FirmwareConfig = dataclasses.field(default_factory=FirmwareConfig)
    """Its firmware."""
    machine: str = "q35"
    """The machine type, such as q35."""
    architecture: str | None = None
    """The guest's architecture; the host's if absent."""
    kernel: KernelBoot | None = None
    """Boot this kernel directly."""
    disks: list[DiskConfig] = dataclasses.field(default_factory=list)
    """Its disks."""
    nics: list[NicConfig] = dataclasses.field(default_factory=list)
    """Its network cards."""
    serials: list[SerialConfig] = dataclasses.field(default_factory=list)
    """Its serial ports."""
    graphics: list[GraphicsConfig] = dataclasses.field(default_factory=list)
    """How its screen can be reached."""
    video: VideoModel = VideoModel.NONE
    """Its graphics card."""
    guest_agent: bool = False
    """Give it a channel for the QEMU guest agent."""
    memory_balloon: bool = True
    """Give it a balloon, by which memory figures come."""
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    """Your own words about it; they have no effect."""
    autostart: bool = False
    """Start it when the host starts."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        cpu = data.get("cpu")
        firmware = data.get("firmware")
        disks = data.get("disks")
        nics = data.get("nics")
        serials = data.get("serials")
        graphics = data.get("graphics")
        video = data.get("video")
        metadata = data.get("metadata")
        return cls(
            memory=data["memory"],
            vcpus=data.get("vcpus", 1),
            cpu=CpuConfig() if cpu is None else CpuConfig.from_wire(cpu),
            firmware=FirmwareConfig() if firmware is None else FirmwareConfig.from_wire(firmware),
            machine=data.get("machine", "q35"),
            architecture=data.get("architecture"),
            kernel=None if data.get("kernel") is None else KernelBoot.from_wire(data["kernel"]),
            disks=[] if disks is None else [DiskConfig.from_wire(one) for one in disks],
            nics=[] if nics is None else [NicConfig.from_wire(one) for one in nics],
            serials=[] if serials is None else [SerialConfig.from_wire(one) for one in serials],
            graphics=[] if graphics is None else [GraphicsConfig.from_wire(one) for one in graphics],
            video=VideoModel.NONE if video is None else VideoModel(video),
            guest_agent=data.get("guestAgent", False),
            memory_balloon=data.get("memoryBalloon", True),
            metadata={} if metadata is None else dict(metadata),
            autostart=data.get("autostart", False),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmConfigPatch(values.Record):
    """A merge patch of a virtual machine's configuration."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("memory", "memory"),
        ("vcpus", "vcpus"),
        ("cpu", "cpu"),
        ("firmware", "firmware"),
        ("machine", "machine"),
        ("architecture", "architecture"),
        ("kernel", "kernel"),
        ("disks", "disks"),
        ("nics", "nics"),
        ("serials", "serials"),
        ("graphics", "graphics"),
        ("video", "video"),
        ("guest_agent", "guestAgent"),
        ("memory_balloon", "memoryBalloon"),
        ("metadata", "metadata"),
        ("autostart", "autostart"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "architecture",
            "autostart",
            "cpu",
            "disks",
            "firmware",
            "graphics",
            "guestAgent",
            "kernel",
            "machine",
            "memory",
            "memoryBalloon",
            "metadata",
            "nics",
            "serials",
            "vcpus",
            "video",
        }
    )
    IS_PATCH: ClassVar[bool] = True

    memory: int | values.UnsetType = values.UNSET
    """Its memory. Unit: bytes."""
    vcpus: int | values.UnsetType | None = values.UNSET
    """Its virtual processors. Unit: count."""
    cpu: CpuConfig | values.UnsetType | None = values.UNSET
    """How its processors look."""
    firmware: FirmwareConfig | values.UnsetType | None = values.UNSET
    """Its firmware."""
    machine: str | values.UnsetType | None = values.UNSET
    """The machine type, such as q35."""
    architecture: str | values.UnsetType | None = values.UNSET
    """The guest's architecture; the host's if absent."""
    kernel: KernelBoot | values.UnsetType | None = values.UNSET
    """Boot this kernel directly."""
    disks: list[DiskConfig] | values.UnsetType | None = values.UNSET
    """Its disks."""
    nics: list[NicConfig] | values.UnsetType | None = values.UNSET
    """Its network cards."""
    serials: list[SerialConfig] | values.UnsetType | None = values.UNSET
    """Its serial ports."""
    graphics: list[GraphicsConfig] | values.UnsetType | None = values.UNSET
    """How its screen can be reached."""
    video: VideoModel | values.UnsetType | None = values.UNSET
    """Its graphics card."""
    guest_agent: bool | values.UnsetType | None = values.UNSET
    """Give it a channel for the QEMU guest agent."""
    memory_balloon: bool | values.UnsetType | None = values.UNSET
    """Give it a balloon, by which memory figures come."""
    metadata: dict[str, str] | values.UnsetType | None = values.UNSET
    """Your own words about it; they have no effect."""
    autostart: bool | values.UnsetType | None = values.UNSET
    """Start it when the host starts."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            memory=data.get("memory", values.UNSET),
            vcpus=data.get("vcpus", values.UNSET),
            cpu=values.patched(data, "cpu", CpuConfig.from_wire),
            firmware=values.patched(data, "firmware", FirmwareConfig.from_wire),
            machine=data.get("machine", values.UNSET),
            architecture=data.get("architecture", values.UNSET),
            kernel=values.patched(data, "kernel", KernelBoot.from_wire),
            disks=values.patched(data, "disks", lambda given: [DiskConfig.from_wire(one) for one in given]),
            nics=values.patched(data, "nics", lambda given: [NicConfig.from_wire(one) for one in given]),
            serials=values.patched(data, "serials", lambda given: [SerialConfig.from_wire(one) for one in given]),
            graphics=values.patched(data, "graphics", lambda given: [GraphicsConfig.from_wire(one) for one in given]),
            video=values.patched(data, "video", VideoModel),
            guest_agent=data.get("guestAgent", values.UNSET),
            memory_balloon=data.get("memoryBalloon", values.UNSET),
            metadata=values.patched(data, "metadata", dict),
            autostart=data.get("autostart", values.UNSET),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmCpuStats(values.Record):
    """Processor figures."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("sampled_at", "sampledAt"),
        ("not_refreshed", "notRefreshed"),
        ("time", "time"),
        ("used_percent", "usedPercent"),
        ("vcpus", "vcpus"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"notRefreshed", "sampledAt", "time", "usedPercent", "vcpus"})

    sampled_at: str
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    time: float
    """Processor time used since its start. Unit: seconds."""
    used_percent: float
    """Processor time since the sample before; 100 is one processor. Unit: percent."""
    vcpus: int
    """Virtual processors it has now. Unit: count."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            sampled_at=data["sampledAt"],
            not_refreshed=None if data.get("notRefreshed") is None else types.NotRefreshed.from_wire(data["notRefreshed"]),
            time=data["time"],
            used_percent=data["usedPercent"],
            vcpus=data["vcpus"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmCreateResult(values.Record):
    """The virtual machine that was created."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("vm_id", "vmId"),
        ("generation", "generation"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"generation", "vmId"})

    vm_id: str
    """Its id."""
    generation: int
    """Its first generation."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            vm_id=data["vmId"],
            generation=data["generation"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmDiskStats(values.Record):
    """Figures of a disk."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("sampled_at", "sampledAt"),
        ("not_refreshed", "notRefreshed"),
        ("read_bytes", "readBytes"),
        ("written_bytes", "writtenBytes"),
        ("read_requests", "readRequests"),
        ("write_requests", "writeRequests"),
        ("capacity", "capacity"),
        ("allocation", "allocation"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"allocation", "capacity", "id", "notRefreshed", "readBytes", "readRequests", "sampledAt", "writeRequests", "writtenBytes"}
    )

    id: str
    """Its device id."""
    sampled_at: str
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    read_bytes: int
    """Read since its start. Unit: bytes."""
    written_bytes: int
    """Written since its start. Unit: bytes."""
    read_requests: int
    """Read requests since its start. Unit: count."""
    write_requests: int
    """Write requests since its start. Unit: count."""
    capacity: int | None = None
    """The size that the guest sees. Unit: bytes."""
    allocation: int | None = None
    """Its use of the host. Unit: bytes."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            sampled_at=data["sampledAt"],
            not_refreshed=None if data.get("notRefreshed") is None else types.NotRefreshed.from_wire(data["notRefreshed"]),
            read_bytes=data["readBytes"],
            written_bytes=data["writtenBytes"],
            read_requests=data["readRequests"],
            write_requests=data["writeRequests"],
            capacity=data.get("capacity"),
            allocation=data.get("allocation"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmFilter(values.Record):
    """Which virtual machines; every member that is there must fit."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("ids", "ids"),
        ("name", "name"),
        ("name_contains", "nameContains"),
        ("states", "states"),
        ("metadata", "metadata"),
        ("project", "project"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"ids", "metadata", "name", "nameContains", "project", "states"})

    ids: list[str] | None = None
    """One of these."""
    name: str | None = None
    """Has this very name."""
    name_contains: str | None = None
    """Has this in its name, without regard to case."""
    states: list[VmState] | None = None
    """Is in one of these states."""
    metadata: dict[str, str] | None = None
    """Has all of these metadata."""
    project: str | None = None
    """Belongs to this project."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            ids=None if data.get("ids") is None else list(data["ids"]),
            name=data.get("name"),
            name_contains=data.get("nameContains"),
            states=None if data.get("states") is None else [VmState(one) for one in data["states"]],
            metadata=None if data.get("metadata") is None else dict(data["metadata"]),
            project=data.get("project"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmList(values.Record):
    """A page of virtual machines."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("next", "next"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items", "next"})

    items: list[VmView]
    """The virtual machines of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[VmView.from_wire(one) for one in data["items"]],
            next=data.get("next"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmMemoryStats(values.Record):
    """Memory figures."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("sampled_at", "sampledAt"),
        ("not_refreshed", "notRefreshed"),
        ("current", "current"),
        ("maximum", "maximum"),
        ("resident", "resident"),
        ("available", "available"),
        ("unused", "unused"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"available", "current", "maximum", "notRefreshed", "resident", "sampledAt", "unused"})

    sampled_at: str
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    current: int
    """Memory it has now. Unit: bytes."""
    maximum: int
    """The most it can have. Unit: bytes."""
    resident: int | None = None
    """Host memory of its process. Unit: bytes."""
    available: int | None = None
    """What the guest sees, by the balloon. Unit: bytes."""
    unused: int | None = None
    """What the guest leaves unused, by the balloon. Unit: bytes."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            sampled_at=data["sampledAt"],
            not_refreshed=None if data.get("notRefreshed") is None else types.NotRefreshed.from_wire(data["notRefreshed"]),
            current=data["current"],
            maximum=data["maximum"],
            resident=data.get("resident"),
            available=data.get("available"),
            unused=data.get("unused"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmNicStats(values.Record):
    """Figures of a network card."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("sampled_at", "sampledAt"),
        ("not_refreshed", "notRefreshed"),
        ("received_bytes", "receivedBytes"),
        ("sent_bytes", "sentBytes"),
        ("received_packets", "receivedPackets"),
        ("sent_packets", "sentPackets"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"id", "notRefreshed", "receivedBytes", "receivedPackets", "sampledAt", "sentBytes", "sentPackets"}
    )

    id: str
    """Its device id."""
    sampled_at: str
    """When these figures were true."""
    not_refreshed: NotRefreshed | None = None
    """Why they are not newer."""
    received_bytes: int
    """Received by the guest since its start. Unit: bytes."""
    sent_bytes: int
    """Sent by the guest since its start. Unit: bytes."""
    received_packets: int
    """Packets received. Unit: count."""
    sent_packets: int
    """Packets sent. Unit: count."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            sampled_at=data["sampledAt"],
            not_refreshed=None if data.get("notRefreshed") is None else types.NotRefreshed.from_wire(data["notRefreshed"]),
            received_bytes=data["receivedBytes"],
            sent_bytes=data["sentBytes"],
            received_packets=data["receivedPackets"],
            sent_packets=data["sentPackets"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmScreenshot(values.Record):
    """An image."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("content_type", "contentType"),
        ("data", "data"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"contentType", "data"})

    content_type: str
    """image/png."""
    data: str
    """The image."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            content_type=data["contentType"],
            data=data["data"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmShutdownResult(values.Record):
    """How a guest went down."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("way", "way"),)
    KNOWN: ClassVar[frozenset[str]] = frozenset({"way"})

    way: ShutdownResultWay
    """The way that worked."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            way=ShutdownResultWay(data["way"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmStats(values.Record):
    """Statistics of a virtual machine; groups are absent while it is stopped."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("vm_id", "vmId"),
        ("state", "state"),
        ("cpu", "cpu"),
        ("memory", "memory"),
        ("disks", "disks"),
        ("nics", "nics"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"cpu", "disks", "memory", "nics", "state", "vmId"})

    vm_id: str
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
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            vm_id=data["vmId"],
            state=VmState(data["state"]),
            cpu=None if data.get("cpu") is None else VmCpuStats.from_wire(data["cpu"]),
            memory=None if data.get("memory") is None else VmMemoryStats.from_wire(data["memory"]),
            disks=None if data.get("disks") is None else [VmDiskStats.from_wire(one) for one in data["disks"]],
            nics=None if data.get("nics") is None else [VmNicStats.from_wire(one) for one in data["nics"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmStatsList(values.Record):
    """Statistics of several virtual machines."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("items", "items"),)
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items"})

    items: list[VmStats]
    """One of each, in the order of their ids."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[VmStats.from_wire(one) for one in data["items"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmUpdateResult(values.Record):
    """What an update has changed."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("generation", "generation"),
        ("changes", "changes"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"changes", "generation"})

    generation: int
    """The generation after the change."""
    changes: list[Change]
    """What was changed; empty if all was so already."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            generation=data["generation"],
            changes=[Change.from_wire(one) for one in data["changes"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmView(values.Record):
    """Selected members of a virtual machine."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("name", "name"),
        ("generation", "generation"),
        ("revision", "revision"),
        ("project", "project"),
        ("desired", "desired"),
        ("state", "state"),
        ("state_reason", "stateReason"),
        ("problem", "problem"),
        ("started_at", "startedAt"),
        ("config", "config"),
        ("restart_needed", "restartNeeded"),
        ("actions", "actions"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "actions",
            "config",
            "desired",
            "generation",
            "id",
            "name",
            "problem",
            "project",
            "restartNeeded",
            "revision",
            "startedAt",
            "state",
            "stateReason",
        }
    )

    id: str
    """Its id for ever."""
    name: str | None = None
    """Its label."""
    generation: int | None = None
    """Counts the accepted changes of its configuration."""
    revision: int | None = None
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
    started_at: str | None = None
    """When it was started as far as we saw it."""
    config: VmConfig | None = None
    """What it is to be."""
    restart_needed: list[str] | None = None
    """Members of config that take effect at its next start."""
    actions: dict[str, str] | None = None
    """Verbs that its state refuses now, each with the reason; only where it was asked for."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            name=data.get("name"),
            generation=data.get("generation"),
            revision=data.get("revision"),
            project=data.get("project"),
            desired=None if data.get("desired") is None else Desired(data["desired"]),
            state=None if data.get("state") is None else VmState(data["state"]),
            state_reason=data.get("stateReason"),
            problem=data.get("problem"),
            started_at=data.get("startedAt"),
            config=None if data.get("config") is None else VmConfig.from_wire(data["config"]),
            restart_needed=None if data.get("restartNeeded") is None else list(data["restartNeeded"]),
            actions=None if data.get("actions") is None else dict(data["actions"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


#: Where a disk's bytes are.
DiskSource: TypeAlias = FileDiskSource | BlockDiskSource | values.UnknownKind


def decode_disk_source(data: Mapping[str, Any]) -> DiskSource:
    """The kind of DiskSource that ``kind`` names."""
    match data["kind"]:
        case "file":
            return FileDiskSource.from_wire(data)
        case "block":
            return BlockDiskSource.from_wire(data)
        case _:
            return values.UnknownKind(data)


#: What a network card is plugged into.
NicSource: TypeAlias = UserNicSource | BridgeNicSource | NetworkNicSource | values.UnknownKind


def decode_nic_source(data: Mapping[str, Any]) -> NicSource:
    """The kind of NicSource that ``kind`` names."""
    match data["kind"]:
        case "user":
            return UserNicSource.from_wire(data)
        case "bridge":
            return BridgeNicSource.from_wire(data)
        case "network":
            return NetworkNicSource.from_wire(data)
        case _:
            return values.UnknownKind(data)
