"""What libvirt's XML says of a virtual machine, as its configuration (see ``libvirt_xml``).

Metadata of before also hold the machine's alias, the CPU's mode, the order of disks and the user's words: they are read, believed as
long as they fit what libvirt says, and never written again. What a foreign definition has and the schema cannot tell is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, TypeVar
from xml.etree import ElementTree as ET

import msgspec

from libvdsm.interfaces.generated.types import (
    BlockDiskSource,
    BridgeNicSource,
    CpuConfig,
    CpuMode,
    DiskBus,
    DiskConfig,
    DiskDevice,
    DiskFormat,
    FileDiskSource,
    Firmware,
    FirmwareConfig,
    GraphicsConfig,
    GraphicsProtocol,
    KernelBoot,
    NetworkNicSource,
    NicConfig,
    NicModel,
    SerialConfig,
    UserNicSource,
    VideoModel,
    VmConfig,
)
from libvdsm.subsystems.virt.drivers.libvirt_xml import AGENT_CHANNEL, CPU_MODES, NAMESPACE, XmlError, parse

Word = TypeVar("Word", bound=StrEnum)

_CPU_MODES_BACK: Final = {word: mode for mode, word in CPU_MODES.items()}
_UNITS: Final = {
    "b": 1, "bytes": 1, "KB": 1000, "k": 1024, "KiB": 1024, "MB": 10**6, "M": 1 << 20, "MiB": 1 << 20, "GB": 10**9, "G": 1 << 30,
    "GiB": 1 << 30, "TB": 10**12, "T": 1 << 40, "TiB": 1 << 40,
}  # fmt: skip


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """What a domain's XML says."""

    id: str
    libvirt_name: str
    title: str | None
    virt_type: str  # kvm, qemu, test, ...
    config: VmConfig
    is_ours: bool  # carries our metadata
    generation: int = 0
    operation_id: str | None = None
    digest: str | None = None
    disk_targets: dict[str, str] = {}  # target name, such as vda, to device id
    serial_aliases: dict[str, str] = {}  # device id to libvirt's alias; live only
    nic_targets: dict[str, str] = {}  # host device, such as vnet0, to device id; live only


def from_xml(xml: str, *, autostart: bool = False, like: VmConfig | None = None) -> Parsed:
    """What a domain's XML says; ``XmlError`` if it is none. Of a running domain, ``like`` is its definition."""
    root = parse(xml)
    id, name = root.findtext("uuid"), root.findtext("name")
    if root.tag != "domain" or id is None or name is None:
        raise XmlError("it is not the definition of a domain")
    ours = root.find(f"metadata/{{{NAMESPACE}}}vm")
    hints = dict(ours.attrib) if ours is not None else {}
    if like is not None and "cpu" not in hints and root.find("cpu/vendor") is not None:  # libvirt has named it, not we
        hints["cpu"] = like.cpu.mode.value
    disks, disk_targets = _read_disks(root, hints.get("disks", "").split())
    nics, nic_targets = _read_nics(root)
    try:
        config = _read_config(root, hints, disks, nics, autostart=autostart)
        generation = int(hints.get("generation", "0"))
    except ValueError as error:
        raise XmlError(str(error)) from error
    return Parsed(
        id=id,
        libvirt_name=name,
        title=root.findtext("title"),
        virt_type=root.get("type", ""),
        config=config,
        is_ours=ours is not None,
        generation=generation,
        operation_id=hints.get("operationId"),
        digest=hints.get("digest"),
        disk_targets=disk_targets,
        nic_targets=nic_targets,
        serial_aliases=_serial_aliases(root),
    )


def _read_config(
    root: ET.Element, hints: Mapping[str, str], disks: list[DiskConfig], nics: list[NicConfig], *, autostart: bool
) -> VmConfig:
    type_element = root.find("os/type")
    attributes = type_element.attrib if type_element is not None else {}
    balloon = root.find("devices/memballoon")
    return VmConfig(
        memory=_read_size(root, "memory"),
        vcpus=int(root.findtext("vcpu") or "1"),
        cpu=_read_cpu(root, hints),
        firmware=_read_firmware(root),
        machine=_read_machine(attributes.get("machine"), hints.get("machine")),
        architecture=attributes.get("arch"),
        kernel=_read_kernel(root),
        disks=disks,
        nics=nics,
        serials=_read_serials(root),
        graphics=_read_graphics(root),
        video=_read_video(root),
        guest_agent=any(target.get("name") == AGENT_CHANNEL for target in root.iterfind("devices/channel/target")),
        memory_balloon=balloon is not None and balloon.get("model") != "none",
        metadata=_read_words(root),
        autostart=autostart,
    )


def _read_words(root: ET.Element) -> dict[str, str]:
    text = root.findtext(f"metadata/{{{NAMESPACE}}}vm/{{{NAMESPACE}}}words")
    return msgspec.json.decode(text, type=dict[str, str]) if text is not None else {}


def _read_size(root: ET.Element, tag: str) -> int:
    element = root.find(tag)
    if element is None or element.text is None:
        raise XmlError(f"it has no {tag}")
    return int(element.text) * _UNITS.get(element.get("unit", "KiB"), 1024)


def _read_cpu(root: ET.Element, hints: Mapping[str, str]) -> CpuConfig:
    element = root.find("cpu")
    if element is None:
        return CpuConfig()
    mode = _CPU_MODES_BACK.get(element.get("mode", "custom"), CpuMode.CUSTOM)
    if hints.get("cpu") == CpuMode.HOST_MODEL.value:
        mode = CpuMode.HOST_MODEL  # in a running domain libvirt names the model that it has found
    model = element.findtext("model") if mode is CpuMode.CUSTOM else None
    if mode is CpuMode.CUSTOM and model is None:
        mode = CpuMode.MAXIMUM
    topology = element.find("topology")
    if topology is None:
        return CpuConfig(mode=mode, model=model)
    sockets, cores, threads = (int(topology.get(name, "1")) for name in ("sockets", "cores", "threads"))
    return CpuConfig(mode=mode, model=model, sockets=sockets, cores=cores, threads=threads)


def _read_firmware(root: ET.Element) -> FirmwareConfig:
    os = root.find("os")
    loader = root.find("os/loader")
    is_uefi = (os is not None and os.get("firmware") == "efi") or (loader is not None and loader.get("type") == "pflash")
    features = {feature.get("name"): feature.get("enabled") for feature in root.iterfind("os/firmware/feature")}
    is_secure = features.get("secure-boot") == "yes" or (not features and loader is not None and loader.get("secure") == "yes")
    return FirmwareConfig(kind=Firmware.UEFI if is_uefi else Firmware.BIOS, secure_boot=is_uefi and is_secure)


def _read_machine(machine: str | None, asked: str | None) -> str:
    """The machine type as it was asked for; libvirt answers with the version that it stands for."""
    if machine is None:
        return asked or "unknown"
    families = {"pc": "pc-i440fx-"}
    if asked is not None and machine.startswith(families.get(asked, f"pc-{asked}-")):
        return asked
    if asked is not None and machine.startswith(f"{asked}-"):
        return asked
    return machine


def _read_kernel(root: ET.Element) -> KernelBoot | None:
    path = root.findtext("os/kernel")
    if path is None:
        return None
    return KernelBoot(path=path, initrd=root.findtext("os/initrd"), arguments=root.findtext("os/cmdline"))


def _read_disks(root: ET.Element, order: list[str]) -> tuple[list[DiskConfig], dict[str, str]]:
    """The disks in the order in which they were asked for, and their ids by target."""
    disks: list[DiskConfig] = []
    targets: dict[str, str] = {}
    ids = _Ids(root.iterfind("devices/disk"), "ua-disk")
    for element in root.iterfind("devices/disk"):
        target = element.find("target")
        bus = _member(DiskBus, target.get("bus") if target is not None else None)
        device = _member(DiskDevice, element.get("device", "disk"))
        id = ids.of(element)
        if target is None or bus is None or device is None:
            continue
        targets[target.get("dev", "")] = id
        disks.append(_read_disk(element, id, bus, device))
    places = {id: place for place, id in enumerate(order)}
    return sorted(disks, key=lambda disk: places.get(disk.id or "", len(places))), targets


def _read_disk(element: ET.Element, id: str, bus: DiskBus, device: DiskDevice) -> DiskConfig:
    boot = element.find("boot")
    order = boot.get("order") if boot is not None else None
    return DiskConfig(
        id=id,
        source=_read_disk_source(element),
        device=device,
        bus=bus,
        read_only=element.find("readonly") is not None,
        boot_order=int(order) if order is not None else None,
    )


def _read_disk_source(element: ET.Element) -> FileDiskSource | BlockDiskSource | None:
    source, driver = element.find("source"), element.find("driver")
    if source is None:
        return None
    file, device = source.get("file"), source.get("dev")
    if file is not None:
        found = _member(DiskFormat, driver.get("type") if driver is not None else None)
        return FileDiskSource(path=file, format=found or DiskFormat.RAW)
    return BlockDiskSource(path=device) if device is not None else None


def _read_nics(root: ET.Element) -> tuple[list[NicConfig], dict[str, str]]:
    nics: list[NicConfig] = []
    targets: dict[str, str] = {}
    ids = _Ids(root.iterfind("devices/interface"), "ua-nic")
    for element in root.iterfind("devices/interface"):
        id = ids.of(element)
        source = _read_nic_source(element)
        if source is None:
            continue
        mac, model, target = element.find("mac"), element.find("model"), element.find("target")
        found = _member(NicModel, model.get("type") if model is not None else None)
        nics.append(NicConfig(id=id, source=source, model=found or NicModel.VIRTIO, mac=mac.get("address") if mac is not None else None))
        if target is not None:
            targets[target.get("dev", "")] = id
    return nics, targets


def _read_nic_source(element: ET.Element) -> UserNicSource | BridgeNicSource | NetworkNicSource | None:
    kind, source = element.get("type"), element.find("source")
    if kind == "user":
        return UserNicSource()
    if source is None:
        return None
    network, bridge = source.get("network"), source.get("bridge")
    if kind == "network" and network is not None:
        return NetworkNicSource(network=network)  # a running one also names the bridge
    return BridgeNicSource(bridge=bridge) if kind == "bridge" and bridge is not None else None


def _read_serials(root: ET.Element) -> list[SerialConfig]:
    found = []
    ids = _Ids(root.iterfind("devices/serial"), "ua-serial")
    for element in root.iterfind("devices/serial"):
        log = element.find("log")
        found.append(SerialConfig(id=ids.of(element), log=log.get("file") if log is not None else None))
    return found


def _serial_aliases(root: ET.Element) -> dict[str, str]:
    ids = _Ids(root.iterfind("devices/serial"), "ua-serial")
    aliases = {ids.of(element): element.find("alias") for element in root.iterfind("devices/serial")}
    return {id: alias.get("name", "") for id, alias in aliases.items() if alias is not None}


def _read_graphics(root: ET.Element) -> list[GraphicsConfig]:
    found = (_member(GraphicsProtocol, element.get("type")) for element in root.iterfind("devices/graphics"))
    return [GraphicsConfig(protocol=protocol) for protocol in found if protocol is not None]


def _read_video(root: ET.Element) -> VideoModel:
    model = root.find("devices/video/model")
    if model is None:
        return VideoModel.NONE
    return _member(VideoModel, model.get("type")) or VideoModel.VGA


def _member(words: type[Word], text: str | None) -> Word | None:
    """The word of an enum, or None for one that the schema does not have."""
    return next((word for word in words if word.value == text), None)


class _Ids:
    """Device ids: our aliases, and for foreign devices their place."""

    def __init__(self, elements: Iterable[ET.Element], prefix: str) -> None:
        self._prefix = prefix
        self._taken = {alias for element in elements if (alias := self._alias(element)) is not None}
        self._next = 0

    def of(self, element: ET.Element) -> str:
        """The id of the next device in order."""
        place = self._next
        self._next += 1
        alias = self._alias(element)
        if alias is not None:
            return alias
        while f"{self._prefix}{place}" in self._taken:
            place += 1
        self._taken.add(f"{self._prefix}{place}")
        return f"{self._prefix}{place}"

    @staticmethod
    def _alias(element: ET.Element) -> str | None:
        alias = element.find("alias")
        name = alias.get("name") if alias is not None else None
        return name if name is not None and name.startswith("ua-") else None
