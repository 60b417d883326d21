"""What libvirt and the emulator can do, from their capability documents. Pure."""

from __future__ import annotations

from typing import Final

from libvdsm.interfaces.generated.types import Acceleration, Feature, Firmware, HostCapabilities
from libvdsm.subsystems.virt.drivers import libvirt_xml
from libvdsm.subsystems.virt.drivers.libvirt_kvm import KvmVerdict

_NO_KVM: Final = KvmVerdict(is_usable=False, reason="it is not QEMU")


def version_text(number: int) -> str:
    """libvirt's version numbers in words: 9000000 is 9.0.0."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def emulator_of(domain_capabilities: str) -> str | None:
    """The emulator's path."""
    return libvirt_xml.parse(domain_capabilities).findtext("path")


def read(
    *,
    kind: str,
    libvirt_version: int,
    hypervisor_version: int,
    capabilities: str,
    domain_capabilities: str | None,
    kvm: KvmVerdict = _NO_KVM,
) -> HostCapabilities:
    """All of it in the schema's words. ``kind`` is libvirt's name of the driver, such as QEMU."""
    host = libvirt_xml.parse(capabilities)
    domain = libvirt_xml.parse(domain_capabilities or "<domainCapabilities/>")
    host_arch = host.findtext("host/cpu/arch") or "x86_64"
    architectures = {arch.get("name", "") for arch in host.iterfind("guest/arch")}
    machines = {
        machine.text or "" for arch in host.iterfind("guest/arch") if arch.get("name") == host_arch for machine in arch.iter("machine")
    }
    vcpu = domain.find("vcpu")
    is_qemu = kind == "QEMU"
    firmwares = {value.text for enum in domain.iterfind("os/enum") if enum.get("name") == "firmware" for value in enum.iterfind("value")}
    return HostCapabilities(
        hypervisor=kind,
        hypervisor_version=version_text(libvirt_version),
        emulator_version=version_text(hypervisor_version),
        acceleration=_acceleration(kvm, is_qemu=is_qemu),
        acceleration_reason=None if kvm.is_usable else kvm.reason,
        architectures=sorted(architectures - {""}, key=lambda name: (name != host_arch, name)),
        machines=sorted(machines - {""}),
        cpu_models=sorted(model.text or "" for model in domain.iterfind("cpu/mode[@name='custom']/model") if model.get("usable") == "yes"),
        firmwares=[Firmware.BIOS, Firmware.UEFI] if "efi" in firmwares else [Firmware.BIOS],
        maximum_vcpus=int(vcpu.get("max", "1")) if vcpu is not None else 1,
        features=_features(kvm, is_qemu=is_qemu, has_uefi="efi" in firmwares),
    )


def _acceleration(kvm: KvmVerdict, *, is_qemu: bool) -> Acceleration:
    if kvm.is_usable:
        return Acceleration.KVM
    return Acceleration.TCG if is_qemu else Acceleration.NONE


def _features(kvm: KvmVerdict, *, is_qemu: bool, has_uefi: bool) -> list[Feature]:
    no_guests = None if is_qemu else "this hypervisor runs no guests"
    found = {
        "acceleration.kvm": kvm.reason if not kvm.is_usable else None,
        "console.graphics": no_guests,
        "console.serial": no_guests,
        "firmware.uefi": None if has_uefi else "the hypervisor finds no UEFI firmware",
        "vm.screenshot": None,
    }
    return [Feature(name=name, available=reason is None, reason=reason) for name, reason in found.items()]
