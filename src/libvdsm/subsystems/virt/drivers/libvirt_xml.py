"""The XML of libvirt's definitions: what whoever writes it and whoever reads it know alike.

We write all XML ourselves; nothing of a request's text becomes markup. Our metadata hold generation, operation and digest;
what libvirt does not echo (``plan.as_kept``) is in the desired documents alone. The reader takes no DTD, hence no entities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from libvdsm.interfaces.generated.types import CpuMode

NAMESPACE: Final = "urn:libvdsm:domain:1"
AGENT_CHANNEL: Final = "org.qemu.guest_agent.0"
CPU_MODES: Final[Mapping[CpuMode, str]] = {
    CpuMode.MAXIMUM: "maximum",
    CpuMode.HOST_PASSTHROUGH: "host-passthrough",
    CpuMode.HOST_MODEL: "host-model",
    CpuMode.CUSTOM: "custom",
}


class XmlError(ValueError):
    """A definition that we do not read."""


def parse(xml: str) -> ET.Element:
    """The tree of an XML text without a DTD; ``XmlError`` for anything else."""
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise XmlError("a DTD is not read")
    try:
        return ET.fromstring(xml)  # noqa: S314 - without a DTD there are no entities
    except ET.ParseError as error:
        raise XmlError(str(error)) from error


def with_virt_type(xml: str, virt_type: str) -> str:
    """The same definition for another kind of virtualization."""
    root = parse(xml)
    root.set("type", virt_type)
    return ET.tostring(root, encoding="unicode")
