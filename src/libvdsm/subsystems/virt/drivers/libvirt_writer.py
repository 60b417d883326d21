"""A virtual machine's configuration becomes libvirt's XML (see ``libvirt_xml``)."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET

from libvdsm.interfaces.generated.errors import Unsupported
from libvdsm.interfaces.generated.types import (
    BlockDiskSource,
    BridgeNicSource,
    CpuConfig,
    CpuMode,
    DiskBus,
    DiskConfig,
    DiskFormat,
    FileDiskSource,
    Firmware,
    NetworkNicSource,
    NicConfig,
    SerialConfig,
    VmConfig,
)
from libvdsm.subsystems.virt.driver import Definition
from libvdsm.subsystems.virt.drivers.libvirt_xml import AGENT_CHANNEL, CPU_MODES, NAMESPACE

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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
    element = ET.SubElement(root, "cpu", {"mode": CPU_MODES[cpu.mode]})
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
