"""A virtual machine's configuration as libvirt's XML and back.

We write all XML ourselves; nothing of a request's text becomes markup. Our metadata hold generation, operation and digest;
what libvirt does not echo (``plan.as_kept``) is in the desired documents alone. Metadata of before also hold the machine's alias,
the CPU's mode, the order of disks and the user's words: they are read, believed as long as they fit what libvirt says, and
never written again. The reader takes no DTD, hence no entities. What a foreign definition has and the schema cannot tell is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, TypeVar
from xml.etree import ElementTree as ET

import msgspec

from libvdsm.interfaces.generated.errors import Unsupported
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
from libvdsm.subsystems.virt.driver import Definition

Word = TypeVar("Word", bound=StrEnum)

NAMESPACE: Final = "urn:libvdsm:domain:1"
AGENT_CHANNEL: Final = "org.qemu.guest_agent.0"

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CPU_MODES: Final[Mapping[CpuMode, str]] = {
    CpuMode.MAXIMUM: "maximum",
    CpuMode.HOST_PASSTHROUGH: "host-passthrough",
    CpuMode.HOST_MODEL: "host-model",
    CpuMode.CUSTOM: "custom",
}
_CPU_MODES_BACK: Final = {word: mode for mode, word in _CPU_MODES.items()}
_UNITS: Final = {
    "b": 1, "bytes": 1, "KB": 1000, "k": 1024, "KiB": 1024, "MB": 10**6, "M": 1 << 20, "MiB": 1 << 20, "GB": 10**9, "G": 1 << 30,
    "GiB": 1 << 30, "TB": 10**12, "T": 1 << 40, "TiB": 1 << 40,
}  # fmt: skip


class XmlError(ValueError):
    """A definition that we do not read."""


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


# -- writing


def to_xml(definition: Definition, *, virt_type: str, libvirt_name: str | None = None) -> str:
    """The domain's XML. ``virt_type`` is libvirt's word: kvm, qemu, test.

    Raises ``Unsupported`` for a character that XML cannot hold.
    """
    config = definition.config
    root = ET.Element("domain", {"type": virt_type})
    _leaf(root, "name", libvirt_name or f"vdsm-{definition.id}")
    _leaf(root, "uuid", definition.id)
    _leaf(root, "title", definition.name)
    _write_metadata(ET.SubElement(root, "metadata"), definition)
    for tag in ("memory", "currentMemory"):
        _leaf(root, tag, str(config.memory // 1024), unit="KiB")
    _leaf(root, "vcpu", str(config.vcpus), placement="static")
    _write_os(root, config)
    _write_features(root, config)
    _write_cpu(root, config.cpu)
    ET.SubElement(root, "clock", {"offset": "utc"})
    for tag, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _leaf(root, tag, action)
    _write_devices(ET.SubElement(root, "devices"), config)
    text = ET.tostring(root, encoding="unicode")
    _check_characters(text)
    return text


def with_virt_type(xml: str, virt_type: str) -> str:
    """The same definition for another kind of virtualization."""
    root = parse(xml)
    root.set("type", virt_type)
    return ET.tostring(root, encoding="unicode")


def _write_metadata(parent: ET.Element, definition: Definition) -> None:
    ours = ET.SubElement(parent, "vdsm:vm", {"xmlns:vdsm": NAMESPACE})
    ours.set("generation", str(definition.generation))
    ours.set("operationId", definition.operation_id)
    ours.set("digest", definition.digest)


def _write_os(root: ET.Element, config: VmConfig) -> None:
    os = ET.SubElement(root, "os")
    if config.firmware.kind is Firmware.UEFI:
        os.set("firmware", "efi")
    _leaf(os, "type", "hvm", arch=config.architecture or "x86_64", machine=config.machine)
    if config.firmware.kind is Firmware.UEFI:
        firmware = ET.SubElement(os, "firmware")
        is_secure = "yes" if config.firmware.secure_boot else "no"
        for name in ("enrolled-keys", "secure-boot"):
            ET.SubElement(firmware, "feature", {"enabled": is_secure, "name": name})
    if config.kernel is not None:
        _leaf(os, "kernel", config.kernel.path)
        _optional_leaf(os, "initrd", config.kernel.initrd)
        _optional_leaf(os, "cmdline", config.kernel.arguments)


def _write_features(root: ET.Element, config: VmConfig) -> None:
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    if config.architecture in {None, "x86_64", "i686"}:
        ET.SubElement(features, "apic")
    if config.firmware.secure_boot:
        ET.SubElement(features, "smm", {"state": "on"})


def _write_cpu(root: ET.Element, cpu: CpuConfig) -> None:
    element = ET.SubElement(root, "cpu", {"mode": _CPU_MODES[cpu.mode]})
    if cpu.mode is CpuMode.CUSTOM:
        element.set("match", "exact")
        _leaf(element, "model", cpu.model or "", fallback="forbid")
    if cpu.sockets is not None:
        ET.SubElement(
            element, "topology", {"sockets": str(cpu.sockets), "dies": "1", "cores": str(cpu.cores or 1), "threads": str(cpu.threads or 1)}
        )


def _write_devices(devices: ET.Element, config: VmConfig) -> None:
    if any(disk.bus is DiskBus.SCSI for disk in config.disks):
        ET.SubElement(devices, "controller", {"type": "scsi", "index": "0", "model": "virtio-scsi"})
    counts = {"vd": 0, "sd": 0}
    for disk in config.disks:
        prefix = "vd" if disk.bus is DiskBus.VIRTIO else "sd"
        _write_disk(devices, disk, prefix + _letters(counts[prefix]))
        counts[prefix] += 1
    for nic in config.nics:
        _write_nic(devices, nic)
    for port, serial in enumerate(config.serials):
        _write_serial(devices, serial, port)
    if config.guest_agent:
        channel = ET.SubElement(devices, "channel", {"type": "unix"})
        ET.SubElement(channel, "target", {"type": "virtio", "name": AGENT_CHANNEL})
    for graphics in config.graphics:
        ET.SubElement(ET.SubElement(devices, "graphics", {"type": graphics.protocol.value}), "listen", {"type": "none"})
    ET.SubElement(ET.SubElement(devices, "video"), "model", {"type": config.video.value})
    balloon = ET.SubElement(devices, "memballoon", {"model": "virtio" if config.memory_balloon else "none"})
    if config.memory_balloon:
        ET.SubElement(balloon, "stats", {"period": "5"})


def _write_disk(devices: ET.Element, disk: DiskConfig, target: str) -> None:
    is_block = isinstance(disk.source, BlockDiskSource)
    element = ET.SubElement(devices, "disk", {"type": "block" if is_block else "file", "device": disk.device.value})
    disk_format = disk.source.format if isinstance(disk.source, FileDiskSource) else DiskFormat.RAW
    ET.SubElement(element, "driver", {"name": "qemu", "type": disk_format.value})
    if disk.source is not None:
        ET.SubElement(element, "source", {"dev" if is_block else "file": disk.source.path})
    ET.SubElement(element, "target", {"dev": target, "bus": disk.bus.value})
    if disk.read_only:
        ET.SubElement(element, "readonly")
    if disk.boot_order is not None:
        ET.SubElement(element, "boot", {"order": str(disk.boot_order)})
    _write_alias(element, disk.id)


def _write_nic(devices: ET.Element, nic: NicConfig) -> None:
    kind, name = _nic_kind(nic)
    element = ET.SubElement(devices, "interface", {"type": kind})
    if nic.mac is not None:
        ET.SubElement(element, "mac", {"address": nic.mac})
    if name is not None:
        ET.SubElement(element, "source", {kind: name})
    ET.SubElement(element, "model", {"type": nic.model.value})
    _write_alias(element, nic.id)


def _nic_kind(nic: NicConfig) -> tuple[str, str | None]:
    """libvirt's word for what the card is plugged into, and the name of that."""
    match nic.source:
        case BridgeNicSource(bridge=bridge):
            return "bridge", bridge
        case NetworkNicSource(network=network):
            return "network", network
        case _:
            return "user", None


def _write_serial(devices: ET.Element, serial: SerialConfig, port: int) -> None:
    element = ET.SubElement(devices, "serial", {"type": "pty"})
    if serial.log is not None:
        ET.SubElement(element, "log", {"file": serial.log, "append": "on"})
    ET.SubElement(element, "target", {"port": str(port)})
    _write_alias(element, serial.id)


def _write_alias(element: ET.Element, id: str | None) -> None:
    if id is not None:
        ET.SubElement(element, "alias", {"name": id})


def _leaf(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _optional_leaf(parent: ET.Element, tag: str, text: str | None) -> None:
    if text is not None:
        _leaf(parent, tag, text)


def _letters(number: int) -> str:
    """0 is a, 25 is z, 26 is aa."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def _check_characters(text: str) -> None:
    """XML 1.0, production 2 (Char)."""
    found = _NOT_XML.search(text)
    if found is not None:
        raise Unsupported(feature=f"the character U+{ord(found[0]):04X}", reason="libvirt's definitions cannot hold it")


# -- reading


def parse(xml: str) -> ET.Element:
    """The tree of an XML text without a DTD; ``XmlError`` for anything else."""
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise XmlError("a DTD is not read")
    try:
        return ET.fromstring(xml)  # noqa: S314 - without a DTD there are no entities
    except ET.ParseError as error:
        raise XmlError(str(error)) from error


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
